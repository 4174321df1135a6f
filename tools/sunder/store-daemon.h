/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon that holds the store of shares: where it is, and to start it
 */
#ifndef SUNDER_STORE_DAEMON_H
#define SUNDER_STORE_DAEMON_H

#include <stdbool.h>

#include <glib.h>

/* Path of its socket; g_free(). */
char *store_daemon_socket(GError **error);

/*
 * Connect to it; a non-blocking descriptor, -1 with @error. It is started if
 * @start and it does not run.
 */
int store_daemon_connect(bool start, GError **error);

#endif /* SUNDER_STORE_DAEMON_H */
