/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's serial console on our standard input and output
 */
#ifndef SUNDER_CONSOLE_H
#define SUNDER_CONSOLE_H

#include <stdbool.h>

#include <glib.h>

/* Ctrl-] as telnet and virsh have it */
#define CONSOLE_ESCAPE 0x1d

typedef enum ConsoleEnd {
    CONSOLE_CLOSED,     /* the machine ended */
    CONSOLE_ESCAPED,    /* the user typed Ctrl-] */
    CONSOLE_SIGNAL,     /* @signal_fd became readable */
    CONSOLE_TIMEOUT,    /* @timeout_ms are over */
} ConsoleEnd;

/* Connect to console.sock; -1 with @error set. Only one client is served. */
int console_connect(const char *path, GError **error);

/*
 * Copy both ways until one of the ends above. A terminal is put into raw mode
 * meanwhile, so that the guest gets every key; without one, bytes are copied
 * as they are, and the end of our input ends nothing. -1 is no limit.
 */
ConsoleEnd console_attach(int console, int signal_fd, int timeout_ms);

#endif /* SUNDER_CONSOLE_H */
