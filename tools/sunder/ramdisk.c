/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initial RAM disk a guest gets: its initrd and our agent behind it
 */
#include "digest.h"
#include "error.h"
#include "paths.h"
#include "ramdisk.h"

/* An archive that is not compressed begins at a multiple of this. */
#define CPIO_ALIGNMENT 4

static char *ramdisk_join(const char *initrd, const char *agent,
                          gsize *length, GError **error)
{
    g_autoptr(GMappedFile) first = g_mapped_file_new(initrd, FALSE, error);
    g_autoptr(GMappedFile) second = NULL;
    g_autoptr(GString) whole = NULL;

    if (!first || !(second = g_mapped_file_new(agent, FALSE, error))) {
        return NULL;
    }
    whole = g_string_new_len(g_mapped_file_get_contents(first),
                             (gssize)g_mapped_file_get_length(first));
    while (whole->len % CPIO_ALIGNMENT) {
        g_string_append_c(whole, '\0');
    }
    g_string_append_len(whole, g_mapped_file_get_contents(second),
                        (gssize)g_mapped_file_get_length(second));
    *length = whole->len;
    return g_string_free(g_steal_pointer(&whole), FALSE);
}

char *ramdisk_prepare(const char *initrd, GError **error)
{
    g_autofree char *agent = paths_agent();
    g_autofree char *folder = paths_cache("ramdisks");
    g_autofree char *first = digest_file(initrd, error);
    g_autofree char *second = NULL;
    g_autofree char *path = NULL;
    g_autofree char *whole = NULL;
    gsize length;

    if (!first) {
        g_prefix_error(error, "initrd: ");
        return NULL;
    }
    if (!g_file_test(agent, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_SKIPPED,
                    "the guest's agent %s has not been built: run \"meson "
                    "compile -C build\", or set SUNDER_AGENT", agent);
        return NULL;
    }
    second = digest_file(agent, error);
    if (!second) {
        return NULL;
    }
    path = g_strdup_printf("%s/%.32s-%.32s", folder, first, second);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        return g_steal_pointer(&path);
    }
    whole = ramdisk_join(initrd, agent, &length, error);
    if (!whole || g_mkdir_with_parents(folder, 0700) < 0 ||
        !g_file_set_contents(path, whole, (gssize)length, error)) {
        g_prefix_error(error, "%s: cannot be written: ", path);
        return NULL;
    }
    return g_steal_pointer(&path);
}
