/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder exec: run a command in the guest of a machine that runs
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "verbs.h"

static const char exec_text[] =
    "Several words are joined with spaces and given to the guest's shell.\n"
    "Standard input is forwarded; output and errors come back apart, unless a\n"
    "terminal (-t) joins them. Up to 8 commands run beside each other.\n"
    "\n"
    "Exit status: that of the command, 128 and more if a signal ended it; 255\n"
    "the guest is gone; 124 time-out; 125 Sunder failed; 2 usage.\n";

static void exec_output(AgentStream stream, const uint8_t *data, size_t size,
                        void *opaque)
{
    fwrite(data, 1, size, stream == AGENT_STREAM_STDOUT ? stdout : stderr);
    fflush(stdout);
}

typedef struct ExecOptions {
    gboolean terminal;
    gboolean no_input;
    int timeout_ms;
} ExecOptions;

/* Give the guest our terminal's kind and size. */
static void exec_use_terminal(AgentCommand *command)
{
    struct winsize size;

    command->flags |= AGENT_EXEC_PTY;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
        command->rows = size.ws_row;
        command->columns = size.ws_col;
    }
}

static bool exec_make_raw(struct termios *before)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, before) < 0) {
        return false;
    }
    raw = *before;
    cfmakeraw(&raw);
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static int exec_failed(const GError *error, int signal_fd)
{
    int status = verb_fail(error);

    /* Leaving closes the connection, which ends the command with SIGHUP. */
    return g_error_matches(error, SUNDER_ERROR, SUNDER_ERROR_CANCELLED)
           ? verb_signal_status(signal_fd) : status;
}

static int exec_run(Machine *machine, const char *text,
                    const ExecOptions *options)
{
    AgentCommand command = { .command = text, .output = exec_output };
    int signal_fd = verb_signal_fd();
    g_autoptr(GError) error = NULL;
    struct termios before;
    bool raw, good;
    int status;

    machine_set_cancel_fd(machine, signal_fd);
    machine_set_deadline(machine, options->timeout_ms);
    if (options->no_input) {
        command.flags |= AGENT_EXEC_NO_STDIN;
    }
    if (options->terminal) {
        exec_use_terminal(&command);
    }
    raw = options->terminal && exec_make_raw(&before);
    good = machine_exec(machine, &command,
                        options->no_input ? -1 : STDIN_FILENO, -1, &status,
                        &error);
    if (raw) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    }
    return good ? agent_exit_code(status) : exec_failed(error, signal_fd);
}

int verb_exec(int argc, char **argv)
{
    ExecOptions options = { 0 };
    g_autofree char *timeout = NULL;
    const GOptionEntry entries[] = {
        { "tty", 't', 0, G_OPTION_ARG_NONE, &options.terminal,
          "on a terminal in the guest", NULL },
        { "no-input", 'n', 0, G_OPTION_ARG_NONE, &options.no_input,
          "do not forward standard input", NULL },
        { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout,
          "end the command after so long", "S" },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "exec [OPTION...] NAME COMMAND...",
                            exec_text, entries);
    g_autoptr(Machine) machine = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    char **words;

    if (status >= 0) {
        return status;
    }
    words = argv + (argc > 1 && !strcmp(argv[1], "--") ? 2 : 1);
    if (argc < 1 || !*words) {
        return verb_usage("exec", "NAME and COMMAND expected");
    }
    if (!verb_parse_timeout("--timeout", timeout, &options.timeout_ms,
                            &error)) {
        return verb_fail(error);
    }
    text = g_strjoinv(" ", words);
    machine = verb_machine(argv[0], &status);
    return machine ? exec_run(machine, text, &options) : status;
}
