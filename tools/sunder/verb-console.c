/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder console: attach to a machine's console
 */
#include <stdio.h>
#include <unistd.h>

#include "console.h"
#include "verbs.h"

/* Shown first, so that one sees where one is. */
#define CONSOLE_LINES 10

static const char console_text[] =
    "Ctrl-] detaches and leaves the machine running. One client at a time is\n"
    "served. Without a terminal, standard input is sent as it is, and the end\n"
    "of it ends nothing; --timeout does.\n";

static int console_run(Machine *machine, int timeout_ms)
{
    g_autofree char *path = machine_path(machine, MACHINE_CONSOLE);
    g_autofree char *tail = machine_console_tail(machine, CONSOLE_LINES);
    g_autoptr(GError) error = NULL;
    int signal_fd = verb_signal_fd();
    int console = console_connect(path, &error);
    ConsoleEnd end;

    if (console < 0) {
        return verb_fail(error);
    }
    printf("%s", tail);
    fflush(stdout);
    if (isatty(STDIN_FILENO)) {
        fprintf(stderr, "\nsunder: Ctrl-] detaches\n");
    }
    end = console_attach(console, signal_fd, timeout_ms);
    close(console);
    if (end == CONSOLE_SIGNAL) {
        return verb_signal_status(signal_fd);
    }
    if (end == CONSOLE_CLOSED) {
        fprintf(stderr, "\nsunder: %s: the console is closed; \"sunder status "
                "%s\" says why\n", machine_name(machine),
                machine_name(machine));
    }
    return 0;
}

int verb_console(int argc, char **argv)
{
    g_autofree char *timeout = NULL;
    const GOptionEntry entries[] = {
        { "timeout", 't', 0, G_OPTION_ARG_STRING, &timeout,
          "detach after so long", "S" },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "console [OPTION...] NAME",
                            console_text, entries);
    g_autoptr(Machine) machine = NULL;
    g_autoptr(GError) error = NULL;
    int timeout_ms;

    if (status >= 0) {
        return status;
    }
    if (argc != 1) {
        return verb_usage("console", "one NAME expected; \"sunder list\" "
                          "shows them");
    }
    if (!verb_parse_timeout("--timeout", timeout, &timeout_ms, &error)) {
        return verb_fail(error);
    }
    machine = verb_machine(argv[0], &status);
    return machine ? console_run(machine, timeout_ms) : status;
}
