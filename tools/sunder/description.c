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

static void description_wire_free(DescriptionWire *wire)
{
    g_free(wire->id);
    g_free(wire);
}

static void description_machine_free(DescriptionMachine *machine)
{
    g_free(machine->role);
    g_free(machine->machine);
    g_free(machine);
}

void description_free(Description *description)
{
    if (description) {
        g_free(description->path);
        g_free(description->name);
        g_free(description->purpose);
        g_free(description->text);
        g_ptr_array_unref(description->disks);
        g_ptr_array_unref(description->wires);
        g_ptr_array_unref(description->machines);
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

gboolean description_has_wire(const Description *description, const char *id)
{
    for (guint i = 0; i < description->wires->len; i++) {
        DescriptionWire *wire = g_ptr_array_index(description->wires, i);

        if (!strcmp(wire->id, id)) {
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean description_add_wire(Description *description, char **words,
                                     GError **error)
{
    guint count = g_strv_length(words);
    gboolean burst = count == 3 && !strcmp(words[2], "burst");
    DescriptionWire *wire;

    if ((count != 2 && !burst) || !description_node_valid(words[1]) ||
        strlen(words[1]) > DESCRIPTION_WIRE_MAX) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "expected \"wire ID\" or \"wire ID burst\", ID being a "
                    "letter and up to %d letters, digits, '-', '.' or '_'",
                    DESCRIPTION_WIRE_MAX - 1);
        return FALSE;
    }
    if (description_has_wire(description, words[1])) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "wire %s is there twice", words[1]);
        return FALSE;
    }
    wire = g_new0(DescriptionWire, 1);
    wire->id = g_strdup(words[1]);
    wire->burst = burst;
    g_ptr_array_add(description->wires, wire);
    return TRUE;
}

/* Where a lab's machine is: beside the lab's file, or among all machines. */
static char *description_machine_place(const Description *description,
                                       const char *machine)
{
    g_autofree char *folder = g_path_get_dirname(description->path);
    g_autofree char *file = g_str_has_suffix(machine, ".cfg")
                            ? g_strdup(machine)
                            : g_strconcat(machine, ".cfg", NULL);
    g_autofree char *path = g_canonicalize_filename(file, folder);
    g_autofree char *machines = paths_machines();

    if (!strchr(machine, '/') && !strcmp(folder, machines)) {
        return g_strdup(machine);
    }
    return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path)
                                                 : g_strdup(machine);
}

static gboolean description_add_machine(Description *description,
                                        char **words, GError **error)
{
    static const char good[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS;
    DescriptionMachine *machine;

    if (g_strv_length(words) != 3 || strlen(words[1]) > DESCRIPTION_ROLE_MAX ||
        strspn(words[1], good) != strlen(words[1])) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "expected \"machine ROLE MACHINE\", ROLE being up to %d "
                    "letters and digits", DESCRIPTION_ROLE_MAX);
        return FALSE;
    }
    for (guint i = 0; i < description->machines->len; i++) {
        machine = g_ptr_array_index(description->machines, i);
        if (!strcmp(machine->role, words[1])) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                        "machine %s is there twice", words[1]);
            return FALSE;
        }
    }
    machine = g_new0(DescriptionMachine, 1);
    machine->role = g_strdup(words[1]);
    machine->machine = description_machine_place(description, words[2]);
    g_ptr_array_add(description->machines, machine);
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
    static const struct {
        const char *name;
        gboolean (*add)(Description *, char **, GError **);
    } directives[] = {
        { "disk", description_add_disk },
        { "wire", description_add_wire },
        { "machine", description_add_machine },
    };
    g_auto(GStrv) words = description_words(text);

    for (size_t i = 0; words[0] && i < G_N_ELEMENTS(directives); i++) {
        if (!strcmp(words[0], directives[i].name)) {
            return directives[i].add(description, words, error);
        }
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "directive \"%s\": expected \"disk\", \"wire\" or "
                "\"machine\"", words[0] ? words[0] : "");
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
    description->wires = g_ptr_array_new_with_free_func(
        (GDestroyNotify)description_wire_free);
    description->machines = g_ptr_array_new_with_free_func(
        (GDestroyNotify)description_machine_free);
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
