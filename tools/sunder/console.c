/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's serial console on our standard input and output
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "deadline.h"
#include "error.h"
#include "unix-socket.h"

int console_connect(const char *path, GError **error)
{
    int failure;
    int fd = unix_socket_connect(path, &failure);

    if (fd < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot connect to the console: %s", path,
                    failure == EAGAIN ? "another one is attached"
                                      : g_strerror(failure));
    }
    return fd;
}

static void console_write(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t put = write(fd, data, size);

        if (put < 0 && errno == EAGAIN) {
            struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

            poll(&pollfd, 1, -1);
        } else if (put < 0 && errno != EINTR) {
            return;
        }
        data += MAX(put, 0);
        size -= (size_t)MAX(put, 0);
    }
}

static void console_send(int console, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(console, data, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            struct pollfd pollfd = { .fd = console, .events = POLLOUT };

            poll(&pollfd, 1, -1);
        } else if (sent < 0 && errno != EINTR) {
            return;
        }
        data += MAX(sent, 0);
        size -= (size_t)MAX(sent, 0);
    }
}

/* False once the machine has closed its end. */
static bool console_copy_output(int console)
{
    char buffer[16384];
    ssize_t got = recv(console, buffer, sizeof(buffer), 0);

    if (got > 0) {
        console_write(STDOUT_FILENO, buffer, (size_t)got);
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* 1: go on; 0: our input is at its end; -1: the user escaped */
static int console_copy_input(int console, bool terminal)
{
    char buffer[1024];
    ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
    char *escape;

    if (got <= 0) {
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    }
    escape = terminal ? memchr(buffer, CONSOLE_ESCAPE, (size_t)got) : NULL;
    console_send(console, buffer,
                 escape ? (size_t)(escape - buffer) : (size_t)got);
    return escape ? -1 : 1;
}

static ConsoleEnd console_copy(int console, int signal_fd, int timeout_ms,
                               bool terminal)
{
    gint64 deadline = deadline_after(timeout_ms);
    struct pollfd pollfds[] = {
        { .fd = console, .events = POLLIN },
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = signal_fd, .events = POLLIN },
    };

    for (;;) {
        int ready = poll(pollfds, G_N_ELEMENTS(pollfds),
                         deadline_left(deadline));

        if (deadline_left(deadline) == 0) {
            return CONSOLE_TIMEOUT;
        }
        if (ready <= 0) {
            continue;
        }
        if (pollfds[0].revents && !console_copy_output(console)) {
            return CONSOLE_CLOSED;
        }
        if (pollfds[2].revents) {
            return CONSOLE_SIGNAL;
        }
        if (pollfds[1].revents) {
            int more = console_copy_input(console, terminal);

            if (more < 0) {
                return CONSOLE_ESCAPED;
            }
            if (!more) {
                pollfds[1].fd = -1;
            }
        }
    }
}

ConsoleEnd console_attach(int console, int signal_fd, int timeout_ms)
{
    struct termios before, raw;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    ConsoleEnd end;

    if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    end = console_copy(console, signal_fd, timeout_ms, terminal);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    }
    return end;
}
