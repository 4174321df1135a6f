/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder: the command line
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "verbs.h"

const Verb verb_table[] = {
    { "run", verb_run, "start a machine: its console, or one command" },
    { "list", verb_list, "machines that run, or that can be run" },
    { "status", verb_status, "what a machine is doing, or why it ended" },
    { "console", verb_console, "attach to a machine's console" },
    { "log", verb_log, "show a machine's console from its start" },
    { "exec", verb_exec, "run a command in a machine's guest" },
    { "stop", verb_stop, "end a machine" },
    { "qmp", verb_qmp, "talk QMP to a machine's emulator" },
    { "fault", verb_fault, "break a machine's hardware" },
    { "rac", verb_rac, "see and set resource access controllers" },
    { "balloon", verb_balloon, "see and set the balloon, and sweep" },
    { "iommu", verb_iommu, "see and set the IOMMU" },
    { "net", verb_net, "see and set network cards with many ports" },
    { "share", verb_share, "offer files of the host to machines" },
    { "snap", verb_snap, "keep a machine's state, and start from it" },
    { "scenario", verb_scenario, "run fault scenarios" },
    { "completion", verb_completion, "print the shell's completion" },
    { "version", verb_version, "print the version" },
    { NULL, NULL, NULL },
};

static void main_help(FILE *file)
{
    fprintf(file, "Usage:\n  sunder VERB [OPTION...] ...\n\nA full-system "
            "simulator for hardware that misbehaves.\n\nVerbs (each has a "
            "--help):\n");
    for (const Verb *verb = verb_table; verb->name; verb++) {
        fprintf(file, "  %-10s %s\n", verb->name, verb->help);
    }
    fprintf(file, "\nThe manual is sunder(1). To begin with:\n"
            "  sunder run faultlab --exec 'uname -r'\n");
}

static const Verb *main_verb(const char *name)
{
    for (const Verb *verb = verb_table; verb->name; verb++) {
        if (!strcmp(verb->name, name)) {
            return verb;
        }
    }
    return NULL;
}

/* Lest a socket or a lock becomes what is taken for standard input. */
static void main_open_standard(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

/* What could not be written is no success, on a full disk for one. */
static int main_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    fprintf(stderr, "sunder: standard output: %s\n", g_strerror(errno));
    return status ? status : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const Verb *verb;

    main_open_standard();
    setlocale(LC_ALL, "");
    if (argc < 2) {
        main_help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help")) {
        main_help(stdout);
        return 0;
    }
    verb = main_verb(!strcmp(argv[1], "--version") ? "version" : argv[1]);
    if (!verb) {
        fprintf(stderr, "sunder: %s: no such verb; \"sunder --help\" lists "
                "them\n", argv[1]);
        return EXIT_USAGE;
    }
    return main_finish(verb->run(argc - 1, argv + 1));
}
