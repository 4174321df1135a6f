/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder snap: keep a machine's state, and start from it
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lab.h"
#include "run.h"
#include "snapshot.h"
#include "state.h"
#include "verbs.h"

static const char snap_save_text[] =
    "RAM, devices and the machine's own disks are kept as SNAPSHOT (default:\n"
    "NAME), in place of an older one of that name. The machine stops for a\n"
    "second and goes on. It can be restored by the same build of the emulator\n"
    "alone.\n";

static const char snap_restore_text[] =
    "Starts a machine from SNAPSHOT and leaves it running; its name is that\n"
    "of the machine that was saved, or --name.\n"
    "\n"
    "  sunder run --restore SNAPSHOT --exec CMD     the same for one command\n";

static int snap_save(int argc, char **argv)
{
    gboolean stop = FALSE;
    const GOptionEntry entries[] = {
        { "stop", 's', 0, G_OPTION_ARG_NONE, &stop,
          "end the machine afterwards", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv,
                            "snap save [OPTION...] NAME [SNAPSHOT]",
                            snap_save_text, entries);
    g_autoptr(GError) error = NULL;
    g_autoptr(Machine) machine = NULL;

    if (status >= 0) {
        return status;
    }
    if (argc < 1 || argc > 2) {
        return verb_usage("snap save", "NAME, and perhaps SNAPSHOT expected");
    }
    machine = verb_machine(argv[0], &status);
    if (!machine) {
        return status;
    }
    if (!(stop ? snapshot_save_last : snapshot_save)(machine, argv[argc - 1],
                                                     &error) ||
        (stop && !machine_stop(machine, true, &error))) {
        return verb_fail(error);
    }
    if (stop) {
        state_prune(argv[0]);
    }
    return 0;
}

static int snap_restore(int argc, char **argv)
{
    g_autofree char *name = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "name", 'n', 0, G_OPTION_ARG_STRING, &name,
          "name of the machine", "NAME" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "snap restore [OPTION...] SNAPSHOT",
                            snap_restore_text, entries);
    g_autoptr(GError) error = NULL;
    g_autoptr(MachineSpec) spec = NULL;
    RunPlan plan = { .detach = true, .json = json, .timeout_ms = -1,
                     .boot_ms = -1 };

    if (status >= 0) {
        return status;
    }
    if (argc != 1) {
        return verb_usage("snap restore", "one SNAPSHOT expected; \"sunder "
                          "snap list\" shows them");
    }
    spec = snapshot_spec(argv[0], &error);
    if (!spec) {
        return run_fail(&plan, name, error);
    }
    if (name) {
        lab_rename(spec, name);
    }
    plan.restore = argv[0];
    return run_machine(spec, &plan);
}

/* One snapshot's manifest, with its name and whether it can be restored. */
static JsonObject *snap_describe(const char *name)
{
    g_autoptr(JsonNode) manifest = snapshot_manifest(name, NULL);
    g_autoptr(MachineSpec) spec = snapshot_spec(name, NULL);
    g_autoptr(GError) error = NULL;
    JsonObject *object = manifest
        ? json_object_ref(json_node_get_object(manifest))
        : json_object_new();
    bool good = spec && snapshot_check(name, spec, &error);

    json_object_set_string_member(object, "name", name);
    json_object_set_boolean_member(object, "restorable", good);
    if (error) {
        json_object_set_string_member(object, "reason", error->message);
    }
    return object;
}

static void snap_print(JsonObject *object)
{
    JsonObject *spec = json_object_has_member(object, "spec")
                       ? json_object_get_object_member(object, "spec") : NULL;

    printf("%-24s %-16s %s %6" PRId64 " MiB%s\n",
           json_object_get_string_member(object, "name"),
           spec ? json_object_get_string_member_with_default(spec, "machine",
                                                             "?") : "?",
           json_object_get_string_member_with_default(object, "created", "?"),
           (int64_t)json_object_get_int_member_with_default(object,
                                                            "ram-bytes", 0)
           >> 20,
           json_object_get_boolean_member(object, "restorable")
           ? "" : "  cannot be restored any more");
}

static int snap_list(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "snap list [OPTION...]", NULL,
                            entries);
    g_auto(GStrv) names = NULL;
    JsonNode *node;
    JsonArray *array;

    if (status >= 0) {
        return status;
    }
    if (argc) {
        return verb_usage("snap list", "%s: no argument expected", argv[0]);
    }
    names = snapshot_list();
    array = json_array_new();
    for (char **name = names; *name; name++) {
        JsonObject *object = snap_describe(*name);

        if (!json) {
            snap_print(object);
        }
        json_array_add_object_element(array, object);
    }
    node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    if (json) {
        verb_print_json(node);
    } else {
        json_node_unref(node);
    }
    return 0;
}

static int snap_remove(int argc, char **argv)
{
    int status = verb_parse(&argc, &argv,
                            "snap remove [OPTION...] SNAPSHOT...", NULL,
                            NULL);

    if (status >= 0) {
        return status;
    }
    if (argc < 1) {
        return verb_usage("snap remove", "SNAPSHOT expected; \"sunder snap "
                          "list\" shows them");
    }
    for (char **name = argv; *name; name++) {
        g_autoptr(GError) error = NULL;

        if (!snapshot_remove(*name, &error)) {
            return verb_fail(error);
        }
    }
    return 0;
}

static int snap_prune(int argc, char **argv)
{
    int status = verb_parse(&argc, &argv, "snap prune [OPTION...]", NULL,
                            NULL);

    if (status >= 0) {
        return status;
    }
    if (argc) {
        return verb_usage("snap prune", "%s: no argument expected", argv[0]);
    }
    snapshot_prune("");
    return 0;
}

int verb_snap(int argc, char **argv)
{
    static const Verb subcommands[] = {
        { "save", snap_save, "keep the state of a machine that runs" },
        { "restore", snap_restore, "start a machine from a snapshot" },
        { "list", snap_list, "the snapshots there are" },
        { "remove", snap_remove, "remove snapshots" },
        { "prune", snap_prune, "remove those that cannot be restored" },
        { NULL, NULL, NULL },
    };

    return verb_dispatch("snap", subcommands, argc, argv);
}
