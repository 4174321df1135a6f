/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder status: what a machine is doing, or why it ended
 */
#include <stdio.h>
#include <string.h>

#include "lab.h"
#include "state.h"
#include "verbs.h"

#define QMP_TIMEOUT_MS 10000

static const char status_text[] =
    "Exit status: 0 it runs, 1 it has ended, 2 nothing has that name.\n";

/* Ask the emulator; adds "status" to @object. */
static bool status_ask(Machine *machine, JsonObject *object, GError **error)
{
    Qmp *qmp = machine_qmp(machine, error);
    g_autoptr(JsonNode) node = qmp ? qmp_execute(qmp, "query-status", NULL,
                                                 QMP_TIMEOUT_MS, error)
                                   : NULL;

    if (!node) {
        return false;
    }
    json_object_set_string_member(
        object, "status", json_object_get_string_member_with_default(
            json_node_get_object(node), "status", "unknown"));
    return true;
}

static void status_describe(const Machine *machine, JsonObject *object)
{
    const MachineSpec *spec = machine_spec(machine);
    g_autofree char *qmp = machine_path(machine, MACHINE_QMP_USER);
    g_autofree char *log = machine_path(machine, MACHINE_CONSOLE_LOG);

    json_object_set_string_member(object, "name", machine_name(machine));
    json_object_set_string_member(object, "machine", spec->machine);
    json_object_set_string_member(object, "kernel", spec->image);
    json_object_set_string_member(object, "accel",
                                  machine_accel_text(spec->accel));
    json_object_set_int_member(object, "pid", machine_pid(machine));
    json_object_set_string_member(object, "directory",
                                  machine_directory(machine));
    json_object_set_string_member(object, "qmp", qmp);
    json_object_set_string_member(object, "console-log", log);
}

static void status_print(JsonObject *object)
{
    g_autoptr(GList) members = json_object_get_members(object);

    for (GList *at = members; at; at = at->next) {
        JsonNode *value = json_object_get_member(object, at->data);

        if (json_node_get_value_type(value) == G_TYPE_STRING) {
            printf("%-12s %s\n", (char *)at->data,
                   json_node_get_string(value));
        } else {
            printf("%-12s %" G_GINT64_FORMAT "\n", (char *)at->data,
                   json_node_get_int(value));
        }
    }
}

static int status_running(Machine *machine, gboolean json)
{
    g_autoptr(JsonObject) object = json_object_new();
    g_autoptr(GError) error = NULL;

    status_describe(machine, object);
    if (!status_ask(machine, object, &error)) {
        return verb_fail(error);
    }
    if (json) {
        JsonNode *node = json_node_new(JSON_NODE_OBJECT);

        json_node_set_object(node, object);
        verb_print_json(node);
    } else {
        status_print(object);
    }
    return 0;
}

static int status_ended(Machine *machine, gboolean json)
{
    g_autofree char *report = machine_report(machine);

    if (json) {
        JsonNode *node = json_node_new(JSON_NODE_OBJECT);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", machine_name(machine));
        json_object_set_string_member(
            object, "status", machine_ending_text(machine_ending(machine)));
        json_object_set_string_member(object, "report", report);
        json_node_take_object(node, object);
        verb_print_json(node);
    } else {
        printf("%s\n", report);
    }
    return 1;
}

/* All machines of a lab; with JSON an array. -1: there is no such lab. */
static int status_lab(const char *lab, gboolean json)
{
    g_auto(GStrv) members = lab_running(lab);
    g_autoptr(JsonArray) array = json_array_new();
    g_autoptr(GError) error = NULL;

    for (char **member = members; *member; member++) {
        JsonObject *object = json_object_new();
        g_autoptr(Machine) machine = machine_open(*member, &error);

        json_array_add_object_element(array, object);
        if (!machine) {
            return verb_fail(error);
        }
        status_describe(machine, object);
        if (!status_ask(machine, object, &error)) {
            return verb_fail(error);
        }
        if (!json) {
            printf("%s", member == members ? "" : "\n");
            status_print(object);
        }
    }
    if (json && *members) {
        verb_print_json(json_node_init_array(json_node_alloc(), array));
    }
    return *members ? 0 : -1;
}

int verb_status(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "status [OPTION...] NAME",
                            status_text, entries);
    g_autoptr(GError) error = NULL;
    g_autoptr(Machine) machine = NULL;

    if (status >= 0) {
        return status;
    }
    if (argc != 1) {
        return verb_usage("status", "one NAME expected; \"sunder list\" shows "
                          "them");
    }
    machine = machine_open_ended(argv[0], NULL);
    if (machine) {
        return status_ended(machine, json);
    }
    machine = machine_open(argv[0], &error);
    if (machine) {
        return status_running(machine, json);
    }
    /* It may have ended between the two looks. */
    machine = machine_open_ended(argv[0], NULL);
    status = machine ? -1 : status_lab(argv[0], json);
    if (status >= 0) {
        return status;
    }
    return machine ? status_ended(machine, json) : verb_fail(error);
}
