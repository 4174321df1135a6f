/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder fault: rules that break a machine's hardware
 *
 * A thin coat over qapi/sunder.json: the emulator checks points, outcomes and
 * ranges, and its errors list what there is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

static const char fault_add_text[] =
    "POINT and OUTCOME are those of \"sunder fault points NAME\". Of the\n"
    "accesses that fall into the rule's range and operation it lets --after\n"
    "pass, then fires on every --every-th, at most --count times. Prints the\n"
    "rule's id.\n"
    "\n"
    "  sunder fault add lab rac1/disk0/bar0 completion-timeout --after 100\n"
    "  sunder fault add lab rac0/nic0/bar0 and --value 0xffff --count 1\n";

typedef struct FaultOptions {
    char *id, *after, *every, *count, *at, *probability, *seed;
    char *offset, *length, *operation, *value, *duration;
    gboolean json;
} FaultOptions;

static void fault_options_clear(FaultOptions *options)
{
    char *const strings[] = {
        options->id, options->after, options->every, options->count,
        options->at, options->probability, options->seed, options->offset,
        options->length, options->operation, options->value,
        options->duration,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(strings[i]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FaultOptions, fault_options_clear)

static int fault_add_parse(FaultOptions *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "id", 0, 0, G_OPTION_ARG_STRING, &options->id,
          "name of the rule (default: the emulator's choice)", "ID" },
        { "after", 0, 0, G_OPTION_ARG_STRING, &options->after,
          "accesses to let pass first", "N" },
        { "every", 0, 0, G_OPTION_ARG_STRING, &options->every,
          "fire on every Nth from then on", "N" },
        { "count", 0, 0, G_OPTION_ARG_STRING, &options->count,
          "fire so many times", "N" },
        { "at", 0, 0, G_OPTION_ARG_STRING, &options->at,
          "live from this virtual time on, like 2s", "TIME" },
        { "probability", 0, 0, G_OPTION_ARG_STRING, &options->probability,
          "chance to fire, above 0 and up to 1", "P" },
        { "seed", 0, 0, G_OPTION_ARG_STRING, &options->seed,
          "seed of the rule's own random numbers", "N" },
        { "offset", 0, 0, G_OPTION_ARG_STRING, &options->offset,
          "first byte of the range looked at", "N" },
        { "length", 0, 0, G_OPTION_ARG_STRING, &options->length,
          "bytes in that range", "N" },
        { "operation", 0, 0, G_OPTION_ARG_STRING, &options->operation,
          "any (the default), read or write", "OP" },
        { "value", 0, 0, G_OPTION_ARG_STRING, &options->value,
          "operand of the outcome, decimal or 0x...", "N" },
        { "duration", 0, 0, G_OPTION_ARG_STRING, &options->duration,
          "of the outcome, like 50ms (no unit: ns)", "TIME" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options->json,
          "print JSON", NULL },
        { NULL },
    };

    return verb_parse(argc, argv, "fault add [OPTION...] NAME POINT OUTCOME",
                      fault_add_text, entries);
}

/* An option of a rule that is a number, in one of two notations */
static bool fault_set_number(JsonObject *rule, const char *member,
                             const char *text, bool duration, GError **error)
{
    guint64 value;

    if (!text) {
        return true;
    }
    if (!(duration ? verb_parse_duration(text, 1, &value, error)
                   : verb_parse_number(text, &value, error))) {
        g_prefix_error(error, "--%s: ", member);
        return false;
    }
    /* JSON-GLib has signed integers only; QEMU takes the same bits back. */
    json_object_set_int_member(rule, member, (gint64)value);
    return true;
}

static bool fault_set_probability(JsonObject *rule, const char *text,
                                  GError **error)
{
    char *end;
    double value;

    if (!text) {
        return true;
    }
    value = g_ascii_strtod(text, &end);
    if (end == text || *end || !(value > 0 && value <= 1)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "--probability: \"%s\": expected a number above 0 and up "
                    "to 1, like 0.25", text);
        return false;
    }
    json_object_set_double_member(rule, "probability", value);
    return true;
}

static JsonObject *fault_rule(const FaultOptions *options, char **argv,
                              GError **error)
{
    g_autoptr(JsonObject) rule = json_object_new();

    json_object_set_string_member(rule, "point", argv[1]);
    json_object_set_string_member(rule, "outcome", argv[2]);
    if (options->id) {
        json_object_set_string_member(rule, "id", options->id);
    }
    if (options->operation) {
        json_object_set_string_member(rule, "operation", options->operation);
    }
    if (!fault_set_number(rule, "after", options->after, false, error) ||
        !fault_set_number(rule, "every", options->every, false, error) ||
        !fault_set_number(rule, "count", options->count, false, error) ||
        !fault_set_number(rule, "at", options->at, true, error) ||
        !fault_set_number(rule, "seed", options->seed, false, error) ||
        !fault_set_number(rule, "offset", options->offset, false, error) ||
        !fault_set_number(rule, "length", options->length, false, error) ||
        !fault_set_number(rule, "value", options->value, false, error) ||
        !fault_set_number(rule, "duration", options->duration, true, error) ||
        !fault_set_probability(rule, options->probability, error)) {
        return NULL;
    }
    return g_steal_pointer(&rule);
}

static int fault_add(int argc, char **argv)
{
    g_auto(FaultOptions) options = { 0 };
    int status = fault_add_parse(&options, &argc, &argv);
    g_autoptr(JsonObject) rule = NULL;
    g_autoptr(GError) error = NULL;
    JsonNode *result;

    if (status >= 0) {
        return status;
    }
    if (argc != 3) {
        return verb_usage("fault add", "NAME, POINT and OUTCOME expected; "
                          "\"sunder fault points NAME\" lists them");
    }
    rule = fault_rule(&options, argv, &error);
    if (!rule) {
        return verb_fail(error);
    }
    result = verb_qmp_execute(argv[0], "sunder-fault-add", rule, &status);
    if (!result) {
        return status;
    }
    if (options.json) {
        verb_print_json(result);
        return 0;
    }
    printf("%s\n", json_object_get_string_member_with_default(
               json_node_get_object(result), "id", "?"));
    json_node_unref(result);
    return 0;
}

static int fault_remove(int argc, char **argv)
{
    int status = verb_parse(&argc, &argv, "fault remove [OPTION...] NAME ID...",
                            "IDs are those of \"sunder fault list NAME\".\n",
                            NULL);

    if (status >= 0) {
        return status;
    }
    if (argc < 2) {
        return verb_usage("fault remove", "NAME and ID expected");
    }
    for (char **id = argv + 1; *id; id++) {
        g_autoptr(JsonObject) arguments = json_object_new();
        g_autoptr(JsonNode) result = NULL;

        json_object_set_string_member(arguments, "id", *id);
        result = verb_qmp_execute(argv[0], "sunder-fault-remove", arguments,
                                  &status);
        if (!result) {
            return status;
        }
    }
    return 0;
}

/* Parse [--json] NAME [MORE], run a query; NULL with *@status set. */
static JsonNode *fault_query(const char *usage, const char *verb,
                             const char *command, int *argc, char ***argv,
                             gboolean *json, int *status)
{
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, json, "print JSON", NULL },
        { NULL },
    };

    *status = verb_parse(argc, argv, usage, NULL, entries);
    if (*status >= 0) {
        return NULL;
    }
    if (*argc < 1 || *argc > 2) {
        *status = verb_usage(verb, "one NAME expected");
        return NULL;
    }
    return verb_qmp_execute((*argv)[0], command, NULL, status);
}

static void fault_print_rule(JsonArray *array, guint i, JsonNode *element,
                             gpointer opaque)
{
    JsonObject *status = json_node_get_object(element);
    JsonObject *rule = json_object_get_object_member(status, "rule");
    bool spent = json_object_get_boolean_member_with_default(status, "spent",
                                                             FALSE);

    printf("%-12s %-24s %-20s %8" PRId64 " matched %8" PRId64 " fired%s\n",
           json_object_get_string_member(rule, "id"),
           json_object_get_string_member(rule, "point"),
           json_object_get_string_member(rule, "outcome"),
           (int64_t)json_object_get_int_member(status, "matched"),
           (int64_t)json_object_get_int_member(status, "fired"),
           spent ? ", spent" : "");
}

static int fault_list(int argc, char **argv)
{
    gboolean json = FALSE;
    int status;
    JsonNode *node = fault_query("fault list [OPTION...] NAME", "fault list",
                                 "query-sunder-faults", &argc, &argv, &json,
                                 &status);

    if (!node) {
        return status;
    }
    if (json) {
        verb_print_json(node);
        return 0;
    }
    json_array_foreach_element(json_node_get_array(node), fault_print_rule,
                               NULL);
    json_node_unref(node);
    return 0;
}

static void fault_print_outcome(JsonArray *array, guint i, JsonNode *element,
                                gpointer opaque)
{
    JsonObject *outcome = json_node_get_object(element);
    bool value = json_object_get_boolean_member(outcome, "takes-value");
    bool duration = json_object_get_boolean_member(outcome, "takes-duration");

    printf("  %-22s %-7s %s%s%s\n",
           json_object_get_string_member(outcome, "name"),
           json_object_get_string_member(outcome, "kind"),
           json_object_get_string_member(outcome, "help"),
           value ? " [--value]" : "", duration ? " [--duration]" : "");
}

static void fault_print_point(JsonArray *array, guint i, JsonNode *element,
                              gpointer opaque)
{
    const char *prefix = opaque;
    JsonObject *point = json_node_get_object(element);
    const char *name = json_object_get_string_member(point, "name");
    uint64_t length = (uint64_t)json_object_get_int_member(point, "length");

    if (prefix && !g_str_has_prefix(name, prefix)) {
        return;
    }
    printf("%s", name);
    if (length == UINT64_MAX) {
        printf(" (any address)\n");
    } else if (length) {
        printf(" (%" PRIu64 " bytes)\n", length);
    } else {
        printf("\n");
    }
    if (prefix) {
        json_array_foreach_element(
            json_object_get_array_member(point, "outcomes"),
            fault_print_outcome, NULL);
    }
}

static int fault_points(int argc, char **argv)
{
    gboolean json = FALSE;
    int status;
    JsonNode *node = fault_query(
        "fault points [OPTION...] NAME [PREFIX]", "fault points",
        "query-sunder-fault-points", &argc, &argv, &json, &status);

    if (!node) {
        return status;
    }
    if (json) {
        verb_print_json(node);
        return 0;
    }
    json_array_foreach_element(json_node_get_array(node), fault_print_point,
                               argc > 1 ? argv[1] : NULL);
    json_node_unref(node);
    if (argc == 1) {
        printf("(with PREFIX, e.g. all of a point's name: its outcomes)\n");
    }
    return 0;
}

int verb_fault(int argc, char **argv)
{
    static const Verb subcommands[] = {
        { "add", fault_add, "add a rule" },
        { "list", fault_list, "rules in force and what they did" },
        { "remove", fault_remove, "remove rules" },
        { "points", fault_points, "where rules can be, and their outcomes" },
        { NULL, NULL, NULL },
    };

    return verb_dispatch("fault", subcommands, argc, argv);
}
