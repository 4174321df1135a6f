/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serve the host on one port
 */
#ifndef SUNDER_AGENT_SERVE_H
#define SUNDER_AGENT_SERVE_H

#include <stdbool.h>

/*
 * Serve port @number for as long as the process lives. SIGUSR1 tells that
 * start-up is over; @is_ready, that it was before. Returns when the process
 * cannot even wait for signals.
 */
void serve(unsigned number, bool is_ready);

#endif /* SUNDER_AGENT_SERVE_H */
