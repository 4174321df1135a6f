/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets of a machine
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix-socket.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) ==
               UNIX_SOCKET_PATH_MAX + 1, "sun_path and its NUL");

int unix_socket_connect(const char *path, int *failure)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    int fd;

    if (length > UNIX_SOCKET_PATH_MAX) {
        *failure = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *failure = errno;
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        *failure = errno;
        close(fd);
        return -1;
    }
    return fd;
}
