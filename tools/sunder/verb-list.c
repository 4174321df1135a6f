/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder list: machines that run, left-overs, machines that can be run
 */
#include <stdio.h>
#include <string.h>

#include "description.h"
#include "state.h"
#include "verbs.h"

static const char list_text[] =
    "A machine that has ended is listed as long as its logs are there; the\n"
    "next machine of that name, or --prune, removes them.\n";

static int list_machines(gboolean json)
{
    g_auto(GStrv) names = description_names();
    JsonArray *array = json_array_new();

    for (char **name = names; *name; name++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Description) description = description_load(*name, &error);
        const char *purpose = description ? description->purpose
                                          : error->message;
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", *name);
        json_object_set_string_member(object, "purpose", purpose);
        json_array_add_object_element(array, object);
        if (!json) {
            printf("%-16s %s\n", *name, purpose);
        }
    }
    if (json) {
        JsonNode *node = json_node_new(JSON_NODE_ARRAY);

        json_node_set_array(node, array);
        verb_print_json(node);
    }
    json_array_unref(array);
    return 0;
}

static void list_one(const char *name, bool running, JsonArray *array,
                     gboolean json)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", name);
    json_object_set_string_member(object, "state",
                                  running ? "running" : "ended");
    json_array_add_object_element(array, object);
    if (!json) {
        printf("%-16s %s\n", name, running ? "running" : "ended");
    }
}

static int list_states(gboolean json, bool ended_too)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) running = state_names(true, &error);
    g_auto(GStrv) ended = running ? state_names(false, &error) : NULL;
    JsonArray *array;

    if (!ended) {
        return verb_fail(error);
    }
    array = json_array_new();
    for (char **name = running; *name; name++) {
        list_one(*name, true, array, json);
    }
    for (char **name = ended; ended_too && *name; name++) {
        list_one(*name, false, array, json);
    }
    if (json) {
        JsonNode *node = json_node_new(JSON_NODE_ARRAY);

        json_node_set_array(node, array);
        verb_print_json(node);
    }
    json_array_unref(array);
    return 0;
}

static int list_prune(void)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) ended = state_names(false, &error);

    if (!ended) {
        return verb_fail(error);
    }
    for (char **name = ended; *name; name++) {
        state_prune(*name);
    }
    return 0;
}

int verb_list(int argc, char **argv)
{
    gboolean machines = FALSE, json = FALSE, prune = FALSE, running = FALSE;
    const GOptionEntry entries[] = {
        { "machines", 'm', 0, G_OPTION_ARG_NONE, &machines,
          "the machines that can be run", NULL },
        { "running", 'r', 0, G_OPTION_ARG_NONE, &running,
          "only those that run", NULL },
        { "prune", 0, 0, G_OPTION_ARG_NONE, &prune,
          "remove what ended machines left", NULL },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv, "list [OPTION...]", list_text,
                            entries);

    if (status >= 0) {
        return status;
    }
    if (argc) {
        return verb_usage("list", "%s: no argument expected", argv[0]);
    }
    if (prune) {
        return list_prune();
    }
    return machines ? list_machines(json) : list_states(json, !running);
}
