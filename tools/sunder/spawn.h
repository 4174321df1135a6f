/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting the emulator as a child process
 */
#ifndef SUNDER_SPAWN_H
#define SUNDER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/*
 * Start @argv in a session of its own, with nothing on its standard input and
 * @log (a descriptor) as its output. It inherits @claim, the lock of its state
 * directory. Unless @detached it is killed when the calling thread ends.
 * Returns its process id, or -1 with @error set, also when it cannot be run.
 */
pid_t spawn_emulator(char *const *argv, int log, int claim, bool detached,
                     GError **error);

#endif /* SUNDER_SPAWN_H */
