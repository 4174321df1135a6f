/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder rac: the tables of a machine's resource access controllers
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

static const char rac_text[] =
    "Without a word behind NAME, shows each controller and its translation\n"
    "table. \"label\" fakes the responses of RESOURCE and all below it, or\n"
    "changes how they are faked; \"clear\" lets accesses through again.\n"
    "\n"
    "  sunder rac lab\n"
    "  sunder rac lab label rac0/nic0/bar0 --fake zero\n"
    "  sunder rac lab clear rac0\n";

typedef struct RacOptions {
    char *fake, *value;
    gboolean json;
} RacOptions;

static void rac_options_clear(RacOptions *options)
{
    g_free(options->fake);
    g_free(options->value);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RacOptions, rac_options_clear)

static gint64 rac_int(JsonObject *object, const char *member)
{
    return json_object_get_int_member_with_default(object, member, 0);
}

static void rac_print_entry(JsonArray *array, guint i, JsonNode *element,
                            gpointer opaque)
{
    JsonObject *entry = json_node_get_object(element);
    bool labelled = json_object_get_boolean_member(entry, "labelled");
    g_autofree char *address = json_object_has_member(entry, "address")
        ? g_strdup_printf("0x%" PRIx64, (uint64_t)rac_int(entry, "address"))
        : g_strdup("-");
    g_autofree char *label = labelled
        ? g_strdup_printf("%s (%s)",
                          json_object_get_string_member(entry, "fake"),
                          json_object_get_string_member_with_default(
                              entry, "reason", "?"))
        : g_strdup("-");

    printf("  %-24s %-7s %-12s %10" PRIx64 "  %-22s %6" PRId64 " %8" PRId64
           " %8" PRId64 "\n",
           json_object_get_string_member(entry, "resource"),
           json_object_get_string_member(entry, "space"), address,
           (uint64_t)rac_int(entry, "size"), label,
           (int64_t)rac_int(entry, "faults"),
           (int64_t)rac_int(entry, "timeouts"),
           (int64_t)(rac_int(entry, "faked-reads") +
                     rac_int(entry, "faked-writes")));
}

/* When the controller labels by itself, in words */
static char *rac_policy(JsonObject *rac)
{
    int64_t after = rac_int(rac, "label-after");
    gint64 window = rac_int(rac, "label-window-ns");

    if (!after) {
        return g_strdup("labels on command only");
    }
    if (!window) {
        return g_strdup_printf("labels after %" PRId64 " faults", after);
    }
    return g_strdup_printf("labels after %" PRId64 " faults within %g s",
                           after, (double)window / 1e9);
}

static void rac_print_controller(JsonArray *array, guint i, JsonNode *element,
                                 gpointer opaque)
{
    JsonObject *rac = json_node_get_object(element);

    g_autofree char *policy = rac_policy(rac);

    printf("%s (%s): %s, completion timeout %g ms",
           json_object_get_string_member(rac, "id"),
           json_object_get_string_member(rac, "type"), policy,
           (double)rac_int(rac, "completion-timeout-ns") / 1e6);
    if (json_object_has_member(rac, "link-up")) {
        printf(", link %s%s",
               json_object_get_boolean_member(rac, "link-up") ? "up" : "down",
               json_object_get_boolean_member_with_default(rac, "contained",
                                                           FALSE)
               ? ", contained" : "");
    }
    printf("\n  %-24s %-7s %-12s %10s  %-22s %6s %8s %8s\n", "resource",
           "space", "address", "size", "fake (reason)", "faults", "timeouts",
           "faked");
    json_array_foreach_element(json_object_get_array_member(rac, "entries"),
                               rac_print_entry, NULL);
}

static int rac_show(const char *name, gboolean json)
{
    int status;
    JsonNode *node = verb_qmp_execute(name, "query-sunder-rac", NULL,
                                      &status);

    if (!node) {
        return status;
    }
    if (json) {
        verb_print_json(node);
        return 0;
    }
    json_array_foreach_element(json_node_get_array(node),
                               rac_print_controller, NULL);
    json_node_unref(node);
    return 0;
}

static int rac_set(char **argv, const RacOptions *options)
{
    bool label = !strcmp(argv[1], "label");
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GError) error = NULL;
    guint64 value;
    int status = 0;

    json_object_set_string_member(arguments, "resource", argv[2]);
    json_object_set_boolean_member(arguments, "labelled", label);
    if (options->fake) {
        json_object_set_string_member(arguments, "fake", options->fake);
    }
    if (options->value) {
        if (!verb_parse_number(options->value, &value, &error)) {
            g_prefix_error(&error, "--value: ");
            return verb_fail(error);
        }
        json_object_set_int_member(arguments, "value", (gint64)value);
    }
    result = verb_qmp_execute(argv[0], "sunder-rac-label", arguments,
                              &status);
    return result ? 0 : status;
}

int verb_rac(int argc, char **argv)
{
    g_auto(RacOptions) options = { 0 };
    const GOptionEntry entries[] = {
        { "fake", 'f', 0, G_OPTION_ARG_STRING, &options.fake,
          "what reads get: ones, zero, constant or last", "KIND" },
        { "value", 0, 0, G_OPTION_ARG_STRING, &options.value,
          "the constant, decimal or 0x...", "N" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json,
          "print JSON", NULL },
        { NULL },
    };
    int status = verb_parse(&argc, &argv,
                            "rac [OPTION...] NAME [label|clear RESOURCE]",
                            rac_text, entries);

    if (status >= 0) {
        return status;
    }
    if (argc == 1 && !options.fake && !options.value) {
        return rac_show(argv[0], options.json);
    }
    if (argc == 3 && (!strcmp(argv[1], "label") ||
                      !strcmp(argv[1], "clear"))) {
        return rac_set(argv, &options);
    }
    return verb_usage("rac", "NAME, or NAME, \"label\" or \"clear\", and "
                      "RESOURCE expected");
}
