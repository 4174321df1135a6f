/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder version
 */
#include <stdio.h>

#include "paths.h"
#include "verbs.h"

int verb_version(int argc, char **argv)
{
    g_autofree char *emulator = NULL;
    int status = verb_parse(&argc, &argv, "version [OPTION...]", NULL, NULL);

    if (status >= 0) {
        return status;
    }
    if (argc) {
        return verb_usage("version", "%s: no argument expected", argv[0]);
    }
    emulator = paths_emulator();
    printf("sunder %s\nemulator %s\n", SUNDER_VERSION, emulator);
    return 0;
}
