/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs of `sunder` share
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "machine.h"
#include "verbs.h"

#define VERB_OPTIONS   " [OPTION...]"
#define QMP_TIMEOUT_MS 30000

int verb_parse(int *argc, char ***argv, const char *usage, const char *text,
               const GOptionEntry *entries)
{
    const char *options = strstr(usage, VERB_OPTIONS);
    const char *behind = options ? options + strlen(VERB_OPTIONS) : "";
    g_autofree char *verb = g_strndup(usage, options
                                      ? (gsize)(options - usage)
                                      : strlen(usage));
    g_autofree char *program = g_strconcat("sunder ", verb, NULL);
    g_autoptr(GOptionContext) context =
        g_option_context_new(*behind ? behind + 1 : NULL);
    g_autoptr(GError) error = NULL;

    g_set_prgname(program);
    g_option_context_set_description(context, text);
    if (entries) {
        g_option_context_add_main_entries(context, entries, NULL);
    }
    /* What a verb passes on to another program begins at a word of its own. */
    g_option_context_set_strict_posix(context, !strcmp(verb, "exec"));
    if (!g_option_context_parse(context, argc, argv, &error)) {
        return verb_usage(verb, "%s", error->message);
    }
    ++*argv;
    --*argc;
    if (*argc > 0 && !strcmp((*argv)[0], "--")) {
        ++*argv;
        --*argc;
    }
    return -1;
}

int verb_usage(const char *verb, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, "sunder %s: %s\nsunder %s --help tells more\n", verb,
            message, verb);
    return EXIT_USAGE;
}

int verb_fail(const GError *error)
{
    g_autofree char *message = verb_printable_lines(error->message);

    fflush(stdout);
    fprintf(stderr, "sunder: %s\n", message);
    if (error->domain == QMP_ERROR && error->code < (int)QMP_ERROR_CONNECT) {
        return EXIT_REFUSED;    /* what the emulator itself answered */
    }
    return sunder_error_status(error);
}

static void verb_print_table(FILE *file, const char *verb, const Verb *table)
{
    fprintf(file, "Usage:\n  sunder %s SUBCOMMAND [OPTION...]\n\n"
            "Subcommands (each has a --help):\n", verb);
    for (; table->name; table++) {
        fprintf(file, "  %-10s %s\n", table->name, table->help);
    }
}

int verb_dispatch(const char *verb, const Verb *table, int argc, char **argv)
{
    if (argc < 2) {
        verb_print_table(stderr, verb, table);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        verb_print_table(stdout, verb, table);
        return 0;
    }
    for (const Verb *at = table; at->name; at++) {
        if (!strcmp(at->name, argv[1])) {
            return at->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "sunder %s: %s: no such subcommand\n", verb, argv[1]);
    verb_print_table(stderr, verb, table);
    return EXIT_USAGE;
}

Machine *verb_machine(const char *name, int *status)
{
    g_autoptr(GError) error = NULL;
    Machine *machine = machine_open(name, &error);

    if (!machine) {
        *status = verb_fail(error);
    }
    return machine;
}

JsonNode *verb_qmp_execute(const char *name, const char *command,
                           JsonObject *arguments, int *status)
{
    g_autoptr(Machine) machine = verb_machine(name, status);
    g_autoptr(GError) error = NULL;
    Qmp *qmp;
    JsonNode *result;

    if (!machine) {
        return NULL;
    }
    qmp = machine_qmp(machine, &error);
    result = qmp ? qmp_execute(qmp, command, arguments, QMP_TIMEOUT_MS,
                               &error) : NULL;
    if (!result) {
        g_prefix_error(&error, "%s: ", command);
        *status = verb_fail(error);
    }
    return result;
}

static void verb_signal_set(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
}

int verb_signal_fd(void)
{
    sigset_t signals;

    verb_signal_set(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int verb_signal_status(int signal_fd)
{
    struct signalfd_siginfo info;

    return read(signal_fd, &info, sizeof(info)) == sizeof(info)
           ? 128 + (int)info.ssi_signo : EXIT_FAILED;
}

void verb_print_json(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);

    printf("%s\n", text);
    json_node_unref(node);
}
