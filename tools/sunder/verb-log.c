/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder log: a machine's console from its start, also after its end
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state.h"
#include "verbs.h"

static const char *log_file(const char *which)
{
    static const struct {
        const char *name;
        const char *file;
    } logs[] = {
        { "console", MACHINE_CONSOLE_LOG },
        { "emulator", MACHINE_QEMU_LOG },
        { "qmp", MACHINE_QMP_LOG },
        { "faults", MACHINE_FAULTS_LOG },
        { "cmdline", MACHINE_CMDLINE },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(logs); i++) {
        if (!strcmp(which, logs[i].name)) {
            return logs[i].file;
        }
    }
    return NULL;
}

static int log_print(const char *path)
{
    FILE *file = fopen(path, "re");
    char buffer[16384];
    size_t got;

    if (!file) {
        fprintf(stderr, "sunder: %s: there is no such log\n", path);
        return EXIT_FAILED;
    }
    while ((got = fread(buffer, 1, sizeof(buffer), file))) {
        fwrite(buffer, 1, got, stdout);
    }
    fclose(file);
    return 0;
}

int verb_log(int argc, char **argv)
{
    gboolean path_only = FALSE;
    g_autofree char *which = NULL;
    const GOptionEntry entries[] = {
        { "path", 'p', 0, G_OPTION_ARG_NONE, &path_only,
          "print the file's path instead", NULL },
        { "which", 'w', 0, G_OPTION_ARG_STRING, &which,
          "console (the default), emulator, qmp, faults, cmdline", "LOG" },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "log [OPTION...] NAME", NULL,
                            entries);
    g_autoptr(Machine) machine = NULL;
    g_autofree char *path = NULL;
    const char *file;

    if (status >= 0) {
        return status;
    }
    file = log_file(which ? which : "console");
    if (argc != 1 || !file) {
        return verb_usage("log", file ? "one NAME expected%s"
                          : "%s: no such log", file ? "" : which);
    }
    machine = machine_open_ended(argv[0], NULL);
    if (!machine && !(machine = verb_machine(argv[0], &status))) {
        return status;
    }
    path = machine_path(machine, file);
    if (path_only) {
        printf("%s\n", path);
        return 0;
    }
    return log_print(path);
}
