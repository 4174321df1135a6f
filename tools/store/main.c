/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-store: the store of shares, one for each user
 *
 * `sunder share` starts it when it is needed. Exit status: 0; 2 for a wrong
 * command line; 3 if another one has the state; 125 if it cannot run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "server.h"

enum {
    EXIT_USAGE = 2,
    EXIT_IN_USE = 3,
    EXIT_FAILED = 125,
};

typedef struct Options {
    char *state;
    char *sockets;
    gboolean detach;
} Options;

static bool options_parse(Options *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "state", 0, 0, G_OPTION_ARG_FILENAME, &options->state,
          "folder for the store's file", "FOLDER" },
        { "sockets", 0, 0, G_OPTION_ARG_FILENAME, &options->sockets,
          "folder for its sockets", "FOLDER" },
        { "detach", 0, 0, G_OPTION_ARG_NONE, &options->detach,
          "return once it listens", NULL },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        fprintf(stderr, "sunder-store: %s\n", error->message);
        return false;
    }
    if (*argc > 1 || !options->state || !options->sockets) {
        fprintf(stderr, "sunder-store: --state and --sockets expected, and "
                "nothing else\n");
        return false;
    }
    return true;
}

static int fail(const char *what)
{
    fprintf(stderr, "sunder-store: %s\n", what);
    return EXIT_FAILED;
}

/* Leave the caller's terminal: nothing to read, and a log to write to. */
static bool leave_terminal(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "log", NULL);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
                   O_NOFOLLOW, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool left = log >= 0 && null >= 0 && setsid() >= 0 && chdir("/") == 0 &&
                dup2(null, STDIN_FILENO) >= 0 &&
                dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0;

    if (log >= 0) {
        close(log);
    }
    if (null >= 0) {
        close(null);
    }
    return left;
}

/*
 * Goes on in a child; the parent ends with what the child tells.  Before the
 * socket is there, as peers are told who began to listen (SO_PEERCRED).
 * Returns: what to tell it by, or -1.
 */
static int detach(void)
{
    uint8_t status = EXIT_FAILED;
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -1;
    }
    child = fork();
    if (child < 0) {
        return -1;
    }
    if (child == 0) {
        close(ends[0]);
        return ends[1];
    }
    close(ends[1]);
    while (read(ends[0], &status, 1) < 0 && errno == EINTR) {
        /* again */
    }
    _exit(status);
}

/* Once only: the parent ends. */
static void tell_parent(int *parent, int status)
{
    uint8_t byte = status;

    if (*parent >= 0) {
        /* one that was killed meanwhile needs no answer */
        while (write(*parent, &byte, 1) < 0 && errno == EINTR) {
            /* again */
        }
        close(*parent);
        *parent = -1;
    }
}

static int serve(const Options *options, StoreFile *file, int *parent)
{
    g_autoptr(GError) error = NULL;
    Server *server = server_new(options->sockets, file, &error);

    if (!server) {
        return fail(error->message);
    }
    if (options->detach && !leave_terminal(options->state)) {
        return fail(g_strerror(errno));
    }
    tell_parent(parent, 0);
    server_run(server);
    server_free(server);
    return 0;
}

static int open_and_serve(const Options *options, int *parent)
{
    g_autoptr(GError) error = NULL;
    bool in_use;
    StoreFile *file = file_open(options->state, &in_use, &error);
    int status;

    if (!file) {
        fail(error->message);
        return in_use ? EXIT_IN_USE : EXIT_FAILED;
    }
    status = serve(options, file, parent);
    file_close(file);
    return status;
}

int main(int argc, char **argv)
{
    Options options = { 0 };
    int parent = -1, status;

    if (!options_parse(&options, &argc, &argv)) {
        return EXIT_USAGE;
    }
    if (g_mkdir_with_parents(options.sockets, 0700) < 0) {
        return fail(g_strerror(errno));
    }
    if (options.detach) {
        parent = detach();
        if (parent < 0) {
            return fail(g_strerror(errno));
        }
    }
    status = open_and_serve(&options, &parent);
    tell_parent(&parent, status);
    g_free(options.state);
    g_free(options.sockets);
    return status;
}
