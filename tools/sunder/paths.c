/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the parts of Sunder lie
 *
 * SUNDER_SOURCE_ROOT and SUNDER_BUILD_ROOT come from meson.
 */
#include <string.h>

#include <glib.h>

#include "paths.h"

/* Our own folder if we run from an installation, NULL from the build tree. */
static char *paths_installation(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

    if (!program || g_str_has_prefix(program, SUNDER_BUILD_ROOT "/")) {
        return NULL;
    }
    return g_path_get_dirname(program);
}

static char *paths_find(const char *variable, const char *built,
                        const char *installed)
{
    const char *given = g_getenv(variable);
    g_autofree char *installation = paths_installation();

    if (given && *given) {
        return g_strdup(given);
    }
    return installation ? g_canonicalize_filename(installed, installation)
                        : g_strdup(built);
}

char *paths_emulator(void)
{
    return paths_find("SUNDER_QEMU",
                      SUNDER_BUILD_ROOT "/emulator/qemu-system-x86_64",
                      "../libexec/sunder/qemu-system-x86_64");
}

char *paths_machines(void)
{
    return paths_find("SUNDER_MACHINES", SUNDER_SOURCE_ROOT "/machines",
                      "../share/sunder/machines");
}

char *paths_agent(void)
{
    return paths_find("SUNDER_AGENT",
                      SUNDER_BUILD_ROOT "/tools/agent/agent.cpio",
                      "../share/sunder/agent.cpio");
}

char *paths_store(void)
{
    return paths_find("SUNDER_STORE",
                      SUNDER_BUILD_ROOT "/emulator/sunder-store",
                      "../libexec/sunder/sunder-store");
}

char *paths_completion(void)
{
    return paths_find("SUNDER_COMPLETION",
                      SUNDER_SOURCE_ROOT "/tools/completion/sunder.bash",
                      "../share/bash-completion/completions/sunder");
}

char *paths_cache(const char *name)
{
    return g_build_filename(g_get_user_cache_dir(), "sunder", name, NULL);
}
