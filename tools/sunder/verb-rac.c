/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder rac: the tables of a machine's resource access controllers
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json-member.h"
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

/* How responses are faked, and why: "ones (command)", or "-" */
static char *rac_label(JsonObject *entry)
{
    g_autofree char *fake = member_text(entry, "fake");
    g_autofree char *reason = member_text(entry, "reason");

    return member_bool(entry, "labelled")
           ? g_strdup_printf("%s (%s)", fake, reason) : g_strdup("-");
}

static void rac_print_entry(JsonObject *entry)
{
    g_autofree char *resource = member_text(entry, "resource");
    g_autofree char *space = member_text(entry, "space");
    g_autofree char *label = rac_label(entry);
    g_autofree char *address = entry &&
                               json_object_has_member(entry, "address")
        ? g_strdup_printf("0x%" PRIx64, member_number(entry, "address"))
        : g_strdup("-");

    printf("  %-24s %-7s %-12s %10" PRIx64 "  %-22s %6" PRIu64 " %8" PRIu64
           " %8" PRIu64 "\n", resource, space, address,
           member_number(entry, "size"), label,
           member_number(entry, "faults"), member_number(entry, "timeouts"),
           member_number(entry, "faked-reads") +
           member_number(entry, "faked-writes"));
}

/* When the controller labels by itself, in words */
static char *rac_policy(JsonObject *rac)
{
    uint64_t after = member_number(rac, "label-after");
    uint64_t window = member_number(rac, "label-window-ns");

    if (!after) {
        return g_strdup("labels on command only");
    }
    if (!window) {
        return g_strdup_printf("labels after %" PRIu64 " faults", after);
    }
    return g_strdup_printf("labels after %" PRIu64 " faults within %g s",
                           after, (double)window / 1e9);
}

static void rac_print_controller(JsonObject *rac)
{
    g_autofree char *policy = rac_policy(rac);
    g_autofree char *id = member_text(rac, "id");
    g_autofree char *type = member_text(rac, "type");
    JsonArray *entries = member_array(rac, "entries");

    printf("%s (%s): %s, completion timeout %g ms", id, type, policy,
           (double)member_number(rac, "completion-timeout-ns") / 1e6);
    if (rac && json_object_has_member(rac, "link-up")) {
        printf(", link %s%s", member_bool(rac, "link-up") ? "up" : "down",
               member_bool(rac, "contained") ? ", contained" : "");
    }
    printf("\n  %-24s %-7s %-12s %10s  %-22s %6s %8s %8s\n", "resource",
           "space", "address", "size", "fake (reason)", "faults", "timeouts",
           "faked");
    for (unsigned i = 0; i < member_count(entries); i++) {
        rac_print_entry(member_element(entries, i));
    }
}

static int rac_show(const char *name, gboolean json)
{
    int status;
    JsonNode *node = verb_qmp_execute(name, "query-sunder-rac", NULL,
                                      &status);
    JsonArray *racs;

    if (!node) {
        return status;
    }
    if (json) {
        verb_print_json(node);
        return 0;
    }
    racs = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    for (unsigned i = 0; i < member_count(racs); i++) {
        rac_print_controller(member_element(racs, i));
    }
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
