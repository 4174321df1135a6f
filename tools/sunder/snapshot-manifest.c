/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots: what each belongs to, and whether that is still so
 */
#include <string.h>

#include "digest.h"
#include "error.h"
#include "snapshot-private.h"
#include "snapshot.h"
#include "sparse.h"
#include "state.h"

#define MANIFEST         "manifest.json"
#define MANIFEST_VERSION 1

/* The files that decide what the saved state means */
static const struct {
    const char *name;       /* of the digest in the manifest */
    const char *what;       /* for a person */
    size_t offset;
} manifest_files[] = {
    { "emulator-digest", "emulator", G_STRUCT_OFFSET(MachineSpec, emulator) },
    { "image-digest", "kernel", G_STRUCT_OFFSET(MachineSpec, image) },
    { "ramdisk-digest", "initrd or agent",
      G_STRUCT_OFFSET(MachineSpec, ramdisk) },
    { "root-digest", "root image", G_STRUCT_OFFSET(MachineSpec, root) },
    { "description-digest", "machine description",
      G_STRUCT_OFFSET(MachineSpec, description) },
};

static const char *manifest_file(const MachineSpec *spec, size_t i)
{
    return *(char **)G_STRUCT_MEMBER_P(spec, manifest_files[i].offset);
}

/* Its digest; "none" where the spec names no such file. */
static char *manifest_digest(const MachineSpec *spec, size_t i,
                             GError **error)
{
    const char *path = manifest_file(spec, i);

    return path ? digest_file(path, error) : g_strdup("none");
}

bool snapshot_write_manifest(const MachineSpec *spec, const char *work,
                             GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *created = g_date_time_format_iso8601(now);
    g_autofree char *path = g_build_filename(work, MANIFEST, NULL);
    g_autofree char *text = NULL;
    JsonObject *object = json_object_new();

    json_node_take_object(node, object);
    json_object_set_int_member(object, "version", MANIFEST_VERSION);
    json_object_set_string_member(object, "created", created);
    for (size_t i = 0; i < G_N_ELEMENTS(manifest_files); i++) {
        g_autofree char *digest = manifest_digest(spec, i, error);

        if (!digest) {
            return false;
        }
        json_object_set_string_member(object, manifest_files[i].name,
                                      digest);
    }
    json_object_set_member(object, "spec", machine_spec_to_json(spec));
    text = json_to_string(node, TRUE);
    return g_file_set_contents(path, text, -1, error);
}

bool snapshot_exists(const char *name)
{
    g_autofree char *path = snapshot_path(name, MANIFEST);

    return state_name_valid(name, NULL) &&
           g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static int manifest_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **snapshot_list(void)
{
    g_autofree char *root = snapshot_root();
    g_autoptr(GDir) dir = g_dir_open(root, 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (snapshot_exists(name)) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_sort(names, manifest_compare);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

bool snapshot_require(const char *name, GError **error)
{
    g_auto(GStrv) names = NULL;
    g_autofree char *list = NULL;

    if (snapshot_exists(name)) {
        return true;
    }
    names = snapshot_list();
    list = g_strjoinv(", ", names);
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "%s: no such snapshot; there %s%s", name,
                *list ? "are: " : "is none: make one with \"sunder snap "
                "save\"", list);
    return false;
}

JsonNode *snapshot_manifest(const char *name, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *path = snapshot_path(name, MANIFEST);
    g_autofree char *ram = snapshot_path(name, "ram");
    JsonNode *root;

    if (!snapshot_require(name, error) ||
        !json_parser_load_from_file(parser, path, error)) {
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root) ||
        json_object_get_int_member_with_default(json_node_get_object(root),
                                                "version", 0) !=
        MANIFEST_VERSION) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_MISMATCH,
                    "snapshot %s: %s is of another version of Sunder; remove "
                    "the snapshot and make it again", name, path);
        return NULL;
    }
    json_object_set_int_member(json_node_get_object(root), "ram-bytes",
                               (gint64)sparse_allocated(ram));
    return json_parser_steal_root(parser);
}

MachineSpec *snapshot_spec(const char *name, GError **error)
{
    g_autoptr(JsonNode) manifest = snapshot_manifest(name, error);

    return manifest ? machine_spec_from_json(
        json_object_get_member(json_node_get_object(manifest), "spec"), error)
        : NULL;
}

/* All of a spec that decides the machine, as text; names do not. */
static char *manifest_spec_text(const MachineSpec *spec)
{
    g_autoptr(JsonNode) node = machine_spec_to_json(spec);

    json_object_remove_member(json_node_get_object(node), "name");
    json_object_remove_member(json_node_get_object(node), "lab");
    return json_to_string(node, FALSE);
}

static bool manifest_check_file(const char *name, JsonObject *manifest,
                                const MachineSpec *spec, size_t i,
                                GError **error)
{
    g_autofree char *now = manifest_digest(spec, i, NULL);
    const char *then = json_object_get_string_member_with_default(
        manifest, manifest_files[i].name, "");

    if (now && !strcmp(now, then)) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_MISMATCH,
                "snapshot %s: it was made with another %s than %s is now%s; "
                "make it again (\"sunder snap save\")", name,
                manifest_files[i].what, manifest_file(spec, i),
                now ? "" : " (which cannot be read)");
    return false;
}

bool snapshot_check(const char *name, const MachineSpec *spec,
                    GError **error)
{
    g_autoptr(JsonNode) manifest = snapshot_manifest(name, error);
    g_autoptr(MachineSpec) saved = NULL;
    g_autofree char *wanted = NULL;
    g_autofree char *there = NULL;

    if (!manifest || !(saved = snapshot_spec(name, error))) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(manifest_files); i++) {
        if (!manifest_check_file(name, json_node_get_object(manifest), spec,
                                 i, error)) {
            return false;
        }
    }
    wanted = manifest_spec_text(spec);
    there = manifest_spec_text(saved);
    if (strcmp(wanted, there)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_MISMATCH,
                    "snapshot %s: it is of a machine with other options; its "
                    "own are in \"sunder snap list --json\"", name);
        return false;
    }
    return true;
}

char *snapshot_key(const MachineSpec *spec, GError **error)
{
    g_autoptr(MachineSpec) resolved = machine_spec_copy(spec);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *text = NULL;

    if (!machine_spec_resolve(resolved, error)) {
        return NULL;
    }
    text = manifest_spec_text(resolved);
    g_checksum_update(checksum, (const guchar *)text, -1);
    for (size_t i = 0; i < G_N_ELEMENTS(manifest_files); i++) {
        g_autofree char *digest = manifest_digest(resolved, i, error);

        if (!digest) {
            return NULL;
        }
        g_checksum_update(checksum, (const guchar *)digest, -1);
    }
    return g_strdup_printf(SNAPSHOT_BOOTED "%.24s",
                           g_checksum_get_string(checksum));
}
