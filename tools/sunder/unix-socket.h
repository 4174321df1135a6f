/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets of a machine
 */
#ifndef SUNDER_UNIX_SOCKET_H
#define SUNDER_UNIX_SOCKET_H

#include <stddef.h>

/* Bytes a socket's path may have, its NUL not counted (sun_path, unix(7)). */
#define UNIX_SOCKET_PATH_MAX 107

/*
 * Connect to the stream socket at @path. Returns a non-blocking descriptor, or
 * -1 with *@failure set to an errno: EAGAIN means that the listener's queue is
 * full and a later try may work.
 */
int unix_socket_connect(const char *path, int *failure);

#endif /* SUNDER_UNIX_SOCKET_H */
