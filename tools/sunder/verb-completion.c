/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder completion: the shell's completion, for `source <(...)`
 */
#include <stdio.h>
#include <string.h>

#include "paths.h"
#include "verbs.h"

static const char completion_text[] =
    "  source <(sunder completion bash)\n";

int verb_completion(int argc, char **argv)
{
    int status = verb_parse(&argc, &argv, "completion [OPTION...] bash",
                            completion_text, NULL);
    g_autofree char *path = paths_completion();
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (status >= 0) {
        return status;
    }
    if (argc != 1 || strcmp(argv[0], "bash")) {
        return verb_usage("completion", "expected \"bash\", the one shell "
                          "that is known");
    }
    if (!g_file_get_contents(path, &text, NULL, &error)) {
        return verb_fail(error);
    }
    fputs(text, stdout);
    return 0;
}
