/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots: saving and loading
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "deadline.h"
#include "description.h"
#include "error.h"
#include "paths.h"
#include "snapshot-private.h"
#include "snapshot.h"
#include "sparse.h"
#include "state.h"

/* A guest of many GiB on a slow disk; QEMU reports errors long before. */
#define MIGRATE_TIMEOUT_MS 300000
#define MIGRATE_POLL_US    2000
#define QMP_TIMEOUT_MS     10000

char *snapshot_root(void)
{
    return paths_cache("snapshots");
}

char *snapshot_path(const char *name, const char *file)
{
    g_autofree char *root = snapshot_root();

    return g_build_filename(root, name, file, NULL);
}

static bool snapshot_command(Qmp *qmp, const char *command,
                             const char *arguments, GError **error)
{
    g_autoptr(JsonNode) done =
        qmp_execute_text(qmp, command, arguments, QMP_TIMEOUT_MS, error);

    return done != NULL;
}

/* Give @command the file, with @more members behind it. */
static bool snapshot_migrate_start(Qmp *qmp, const char *command,
                                   const char *ram, const char *more,
                                   GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
    g_autofree char *uri = g_strconcat("file:", ram, NULL);
    g_autofree char *quoted = NULL;
    g_autofree char *arguments = NULL;

    json_node_set_string(node, uri);
    quoted = json_to_string(node, FALSE);
    arguments = g_strdup_printf("{\"uri\": %s%s}", quoted, more);
    return snapshot_command(qmp, "migrate-set-capabilities",
                            "{\"capabilities\": [{\"capability\": "
                            "\"mapped-ram\", \"state\": true}]}", error) &&
           snapshot_command(qmp, command, arguments, error);
}

/* "completed", "failed" or, while it goes on, another status */
static char *snapshot_migrate_status(Qmp *qmp, char **why, GError **error)
{
    g_autoptr(JsonNode) node = qmp_execute(qmp, "query-migrate", NULL,
                                           QMP_TIMEOUT_MS, error);
    JsonObject *object;

    if (!node) {
        return NULL;
    }
    object = json_node_get_object(node);
    g_free(*why);
    *why = g_strdup(json_object_get_string_member_with_default(
        object, "error-desc", "QEMU gives no reason"));
    return g_strdup(json_object_get_string_member_with_default(
        object, "status", "none"));
}

static bool snapshot_migrate_wait(Qmp *qmp, GError **error)
{
    gint64 deadline = deadline_after(MIGRATE_TIMEOUT_MS);
    g_autofree char *why = NULL;

    while (deadline_left(deadline) > 0) {
        g_autofree char *status = snapshot_migrate_status(qmp, &why, error);

        if (!status) {
            return false;
        }
        if (!strcmp(status, "completed")) {
            return true;
        }
        if (!strcmp(status, "failed") || !strcmp(status, "cancelled")) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                        "QEMU cannot transfer the state: %s", why);
            return false;
        }
        g_usleep(MIGRATE_POLL_US);
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "QEMU did not transfer the state in %d s",
                MIGRATE_TIMEOUT_MS / 1000);
    return false;
}

/* A writable file that we do not copy would run away from the RAM. */
static bool snapshot_check_node(Machine *machine, JsonObject *node,
                                GError **error)
{
    const char *driver =
        json_object_get_string_member_with_default(node, "drv", "");
    const char *file =
        json_object_get_string_member_with_default(node, "file", "");

    if (json_object_get_boolean_member_with_default(node, "ro", TRUE) ||
        (strcmp(driver, "file") && strcmp(driver, "host_device")) ||
        g_str_has_prefix(file, machine_directory(machine))) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "%s: the guest can write to %s, which is not kept in the "
                "snapshot; give it to QEMU as read-only, or use a disk "
                "directive of sunder-machine(5)", machine_name(machine),
                file);
    return false;
}

static bool snapshot_check_disks(Machine *machine, Qmp *qmp, GError **error)
{
    g_autoptr(JsonNode) nodes = qmp_execute_text(
        qmp, "query-named-block-nodes", "{\"flat\": true}", QMP_TIMEOUT_MS,
        error);
    JsonArray *array = nodes ? json_node_get_array(nodes) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        if (!snapshot_check_node(machine,
                                 json_array_get_object_element(array, i),
                                 error)) {
            return false;
        }
    }
    return array != NULL;
}

static char *snapshot_disk_file(const Description *description, guint i)
{
    DescriptionDisk *disk = g_ptr_array_index(description->disks, i);

    return g_strconcat(disk->node, ".disk", NULL);
}

static bool snapshot_copy_disks(const MachineSpec *spec, const char *from,
                                const char *to, GError **error)
{
    g_autoptr(Description) description =
        description_load(spec->description, error);

    for (guint i = 0; description && i < description->disks->len; i++) {
        g_autofree char *file = snapshot_disk_file(description, i);
        g_autofree char *source = g_build_filename(from, file, NULL);
        g_autofree char *target = g_build_filename(to, file, NULL);

        if (!sparse_copy(source, target, error)) {
            return false;
        }
    }
    return description != NULL;
}

/* With the virtual CPUs stopped: everything into the folder @work. */
static bool snapshot_write(Machine *machine, Qmp *qmp, const char *work,
                           GError **error)
{
    g_autofree char *ram = g_build_filename(work, "ram", NULL);

    return snapshot_migrate_start(qmp, "migrate", ram, "", error) &&
           snapshot_migrate_wait(qmp, error) &&
           snapshot_copy_disks(machine_spec(machine),
                               machine_directory(machine), work, error) &&
           snapshot_write_manifest(machine_spec(machine), work, error);
}

static bool snapshot_is_running(Qmp *qmp, bool *running, GError **error)
{
    g_autoptr(JsonNode) node = qmp_execute(qmp, "query-status", NULL,
                                           QMP_TIMEOUT_MS, error);

    *running = node && json_object_get_boolean_member_with_default(
                           json_node_get_object(node), "running", FALSE);
    return node != NULL;
}

static bool snapshot_stop_and_write(Machine *machine, const char *work,
                                    bool go_on, GError **error)
{
    Qmp *qmp = machine_qmp(machine, error);
    bool running, good;

    if (!qmp || !snapshot_check_disks(machine, qmp, error) ||
        !snapshot_is_running(qmp, &running, error) ||
        !snapshot_command(qmp, "stop", NULL, error)) {
        return false;
    }
    good = snapshot_write(machine, qmp, work, error);
    if (running && (go_on || !good)) {
        good &= snapshot_command(qmp, "cont", NULL, good ? error : NULL);
    }
    return good;
}

static void snapshot_remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, file, NULL);

        g_unlink(path);
    }
    g_rmdir(folder);
}

/* Put the finished folder @work in the place of snapshot @name. */
static bool snapshot_publish(const char *work, const char *name,
                             GError **error)
{
    g_autofree char *place = snapshot_path(name, NULL);
    g_autofree char *old = g_strconcat(work, ".old", NULL);

    /* The former one goes aside whole, for who is reading it. */
    if (g_rename(place, old) < 0 && errno != ENOENT) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be replaced: %s", place, g_strerror(errno));
        return false;
    }
    if (g_rename(work, place) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be made: %s", place, g_strerror(errno));
        return false;
    }
    snapshot_remove_folder(old);
    return true;
}

static bool snapshot_save_and(Machine *machine, const char *name, bool go_on,
                              GError **error)
{
    g_autofree char *root = snapshot_root();
    g_autofree char *work = NULL;

    if (!state_name_valid(name, error)) {
        return false;
    }
    /* A name that begins with '.' is none of a snapshot. */
    work = g_strdup_printf("%s/.%s.XXXXXX", root, name);
    if (g_mkdir_with_parents(root, 0700) < 0 || !g_mkdtemp(work)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be made: %s", root, g_strerror(errno));
        return false;
    }
    if (snapshot_stop_and_write(machine, work, go_on, error) &&
        snapshot_publish(work, name, error)) {
        /* Nobody else would ever remove those that callers make unasked. */
        if (g_str_has_prefix(name, SNAPSHOT_BOOTED)) {
            snapshot_prune(SNAPSHOT_BOOTED);
        }
        return true;
    }
    g_prefix_error(error, "snapshot %s: ", name);
    snapshot_remove_folder(work);
    return false;
}

bool snapshot_save(Machine *machine, const char *name, GError **error)
{
    return snapshot_save_and(machine, name, true, error);
}

bool snapshot_save_last(Machine *machine, const char *name, GError **error)
{
    return snapshot_save_and(machine, name, false, error);
}

bool snapshot_restore_disks(const char *name, const char *directory,
                            GError **error)
{
    g_autoptr(MachineSpec) spec = snapshot_spec(name, error);
    g_autofree char *folder = snapshot_path(name, NULL);

    return spec && snapshot_copy_disks(spec, folder, directory, error);
}

bool snapshot_load(const char *name, Qmp *qmp, GError **error)
{
    g_autofree char *ram = snapshot_path(name, "ram");

    if (snapshot_migrate_start(qmp, "migrate-incoming", ram,
                               ", \"exit-on-error\": false", error) &&
        snapshot_migrate_wait(qmp, error)) {
        return true;
    }
    g_prefix_error(error, "snapshot %s: ", name);
    return false;
}

bool snapshot_remove(const char *name, GError **error)
{
    g_autofree char *folder = snapshot_path(name, NULL);

    if (!state_name_valid(name, error) ||
        !snapshot_require(name, error)) {
        return false;
    }
    snapshot_remove_folder(folder);
    return true;
}

void snapshot_prune(const char *prefix)
{
    g_auto(GStrv) names = snapshot_list();

    for (char **name = names; *name; name++) {
        g_autoptr(MachineSpec) spec = NULL;

        if (!g_str_has_prefix(*name, prefix)) {
            continue;
        }
        spec = snapshot_spec(*name, NULL);
        if (!spec || !snapshot_check(*name, spec, NULL)) {
            snapshot_remove(*name, NULL);
        }
    }
}
