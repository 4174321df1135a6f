/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine descriptions: machines/NAME.cfg
 */
#include <string.h>

#include "description.h"
#include "error.h"
#include "paths.h"

#define DIRECTIVE "sunder:"

static void description_disk_free(DescriptionDisk *disk)
{
    g_free(disk->node);
    g_free(disk);
}

void description_free(Description *description)
{
    if (description) {
        g_free(description->path);
        g_free(description->name);
        g_free(description->purpose);
        g_free(description->text);
        g_ptr_array_unref(description->disks);
        g_free(description);
    }
}

gboolean description_parse_size(const char *text, guint64 *bytes,
                                GError **error)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    guint64 size = 0;
    unsigned shift = 0;

    if (g_ascii_isdigit(*text)) {
        size = g_ascii_strtoull(text, &end, 10);
    }
    if (end && *end && strchr(units, *end)) {
        shift = 10 * (unsigned)(strchr(units, *end) - units + 1);
        end++;
    }
    if (!end || *end || !size || size > DESCRIPTION_DISK_MAX >> shift) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "size \"%s\": expected a number above 0 with K, M, G or "
                    "T behind it, at most 64T", text);
        return FALSE;
    }
    *bytes = size << shift;
    return TRUE;
}

/* What QEMU takes for a node name (util/id.c, id_wellformed()). */
static gboolean description_node_valid(const char *node)
{
    return g_ascii_isalpha(*node) && strlen(node) < 32 &&
           strspn(node, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._") ==
           strlen(node);
}

static gboolean description_add_disk(Description *description, char **words,
                                     GError **error)
{
    DescriptionDisk *disk;
    guint count = g_strv_length(words);
    gboolean direct = count == 4 && !strcmp(words[3], "direct");
    guint64 size;

    if ((count != 3 && !direct) || !description_node_valid(words[1])) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "expected \"disk NODE SIZE\" or \"disk NODE SIZE direct\", "
                    "NODE being a letter and up to 30 letters, digits, '-', "
                    "'.' or '_'");
        return FALSE;
    }
    if (!description_parse_size(words[2], &size, error)) {
        return FALSE;
    }
    for (guint i = 0; i < description->disks->len; i++) {
        disk = g_ptr_array_index(description->disks, i);
        if (!strcmp(disk->node, words[1])) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                        "disk %s is there twice", disk->node);
            return FALSE;
        }
    }
    disk = g_new0(DescriptionDisk, 1);
    disk->node = g_strdup(words[1]);
    disk->size = size;
    disk->direct = direct;
    g_ptr_array_add(description->disks, disk);
    return TRUE;
}

static char **description_words(const char *text)
{
    g_auto(GStrv) parts = g_strsplit_set(text, " \t", -1);
    GPtrArray *words = g_ptr_array_new();

    for (char **part = parts; *part; part++) {
        if (**part) {
            g_ptr_array_add(words, g_strdup(*part));
        }
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

static gboolean description_take_directive(Description *description,
                                           const char *text, GError **error)
{
    g_auto(GStrv) words = description_words(text);

    if (words[0] && !strcmp(words[0], "disk")) {
        return description_add_disk(description, words, error);
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "directive \"%s\": expected \"disk\"",
                words[0] ? words[0] : "");
    return FALSE;
}

/* @comment is a comment line's text behind '#', without space around it. */
static gboolean description_take_comment(Description *description,
                                         const char *comment, GError **error)
{
    if (g_str_has_prefix(comment, DIRECTIVE)) {
        return description_take_directive(
            description, comment + strlen(DIRECTIVE), error);
    }
    if (!description->purpose && *comment &&
        !g_str_has_prefix(comment, "SPDX-License-Identifier:")) {
        description->purpose = g_strdup(comment);
    }
    return TRUE;
}

Description *description_parse(const char *path, const char *text,
                               GError **error)
{
    g_autoptr(Description) description = g_new0(Description, 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *base = g_path_get_basename(path);

    description->path = g_canonicalize_filename(path, NULL);
    description->name = g_str_has_suffix(base, ".cfg")
                        ? g_strndup(base, strlen(base) - 4) : g_strdup(base);
    description->text = g_strdup(text);
    description->disks = g_ptr_array_new_with_free_func(
        (GDestroyNotify)description_disk_free);
    for (guint i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);

        if (*line == '#' &&
            !description_take_comment(description, g_strstrip(line + 1),
                                      error)) {
            g_prefix_error(error, "%s:%u: ", path, i + 1);
            return NULL;
        }
    }
    if (!description->purpose) {
        description->purpose = g_strdup("");
    }
    return g_steal_pointer(&description);
}

static int description_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **description_names(void)
{
    g_autofree char *folder = paths_machines();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, ".cfg")) {
            g_ptr_array_add(names, g_strndup(file, strlen(file) - 4));
        }
    }
    g_ptr_array_sort(names, description_compare);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

static char *description_find(const char *machine)
{
    g_autofree char *folder = NULL;
    g_autofree char *file = NULL;

    if (strchr(machine, '/') || g_str_has_suffix(machine, ".cfg")) {
        return g_strdup(machine);
    }
    folder = paths_machines();
    file = g_strconcat(machine, ".cfg", NULL);
    return g_build_filename(folder, file, NULL);
}

Description *description_load(const char *machine, GError **error)
{
    g_autofree char *path = description_find(machine);
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;

    if (!g_file_get_contents(path, &text, NULL, &why)) {
        g_auto(GStrv) names = description_names();
        g_autofree char *list = g_strjoinv(", ", names);

        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: no such machine (%s); there are: %s; or give the "
                    "path of a .cfg file", machine, why->message,
                    *list ? list : "none");
        return NULL;
    }
    return description_parse(path, text, error);
}
