/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon that holds the store of shares: where it is, and to start it
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "deadline.h"
#include "error.h"
#include "machine.h"
#include "paths.h"
#include "store-daemon.h"
#include "unix-socket.h"

#define START_MS    30000
#define AGAIN_US    10000

/* sunder-store's: another one has the state (tools/store/main.c). */
#define STATUS_IN_USE   3

/* Below the machines; no machine's name begins with a dot. */
static char *daemon_folder(GError **error)
{
    g_autofree char *root = machine_state_root(error);

    return root ? g_build_filename(root, ".store", NULL) : NULL;
}

char *store_daemon_socket(GError **error)
{
    g_autofree char *folder = daemon_folder(error);

    return folder ? g_build_filename(folder, "socket", NULL) : NULL;
}

/* $XDG_STATE_HOME/sunder/store; g_get_user_state_dir() is GLib 2.72's */
static char *daemon_state(void)
{
    const char *home = g_getenv("XDG_STATE_HOME");

    return home && *home == '/'
           ? g_build_filename(home, "sunder", "store", NULL)
           : g_build_filename(g_get_home_dir(), ".local", "state", "sunder",
                              "store", NULL);
}

/* *@listens: it does; false: another one begins or ends just now */
static bool daemon_ended(const char *program, int status, const char *said,
                         bool *listens, GError **error)
{
    *listens = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (*listens || (WIFEXITED(status) &&
                     WEXITSTATUS(status) == STATUS_IN_USE)) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "the store of shares cannot be started: %s",
                *said ? said : program);
    return false;
}

static bool daemon_start(bool *listens, GError **error)
{
    g_autofree char *program = paths_store();
    g_autofree char *sockets = daemon_folder(error);
    g_autofree char *state = daemon_state();
    g_autofree char *said = NULL;
    char *argv[] = { program, (char *)"--detach", (char *)"--state", state,
                     (char *)"--sockets", sockets, NULL };
    int status;

    if (!sockets) {
        return false;
    }
    if (!g_file_test(program, G_FILE_TEST_IS_EXECUTABLE)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_SKIPPED,
                    "%s: no such program; it is built with the emulator, or "
                    "set SUNDER_STORE", program);
        return false;
    }
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                      NULL, &said, &status, error)) {
        return false;
    }
    g_strchomp(said);
    return daemon_ended(program, status, said, listens, error);
}

static int daemon_fail(const char *path, int failure, GError **error)
{
    if (failure == ENOENT || failure == ECONNREFUSED) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "the store of shares does not run; \"sunder share store\" "
                    "starts it");
    } else {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be connected to: %s", path,
                    g_strerror(failure));
    }
    return -1;
}

/* Whether to try again: the store is not there yet, or too busy to accept. */
static bool may_try_again(int failure, bool start, gint64 deadline)
{
    bool absent = failure == ENOENT || failure == ECONNREFUSED;

    return ((absent && start) || failure == EAGAIN) &&
           deadline_left(deadline) > 0;
}

int store_daemon_connect(bool start, GError **error)
{
    g_autofree char *path = store_daemon_socket(error);
    gint64 deadline = deadline_after(START_MS);
    int failure, fd;

    if (!path) {
        return -1;
    }
    for (;;) {
        bool listens = true;

        fd = unix_socket_connect(path, &failure);
        if (fd >= 0) {
            return fd;
        }
        if (!may_try_again(failure, start, deadline)) {
            return daemon_fail(path, failure, error);
        }
        if (failure != EAGAIN && !daemon_start(&listens, error)) {
            return -1;
        }
        if (!listens || failure == EAGAIN) {
            g_usleep(AGAIN_US);
        }
    }
}
