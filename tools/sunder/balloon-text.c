/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "balloon-text.h"
#include "verbs.h"

#define NS_PER_S 1e9

static guint64 balloon_int(JsonObject *object, const char *member)
{
    return (guint64)json_object_get_int_member_with_default(object, member,
                                                            0);
}

const char *balloon_string(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    const char *text = node && JSON_NODE_HOLDS_VALUE(node)
        ? json_node_get_string(node) : NULL;

    return text ? text : "";
}

static char *balloon_word(JsonObject *object, const char *member)
{
    const char *text = balloon_string(object, member);

    return verb_printable(*text ? text : "?");
}

JsonObject *balloon_object(JsonObject *object, const char *member)
{
    JsonNode *node = object ? json_object_get_member(object, member) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

char *balloon_size_text(guint64 bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double size = (double)bytes;
    size_t unit = 0;

    /* Whole gibibytes are rare here: a machine's memory reads best in MiB. */
    while (size >= 1024 && unit + 1 < G_N_ELEMENTS(units) &&
           (unit < 2 || size >= 64 * 1024)) {
        size /= 1024;
        unit++;
    }
    return unit ? g_strdup_printf("%.1f %s", size, units[unit])
                : g_strdup_printf("%" G_GUINT64_FORMAT " B", bytes);
}

static void balloon_print_size(FILE *out, JsonObject *object,
                               const char *member, const char *title)
{
    g_autofree char *size = balloon_size_text(balloon_int(object, member));

    fprintf(out, "  %-16s %12s\n", title, size);
}

/* When it sweeps, in words */
static char *balloon_when(JsonObject *info)
{
    const char *when = balloon_string(info, "when");

    if (!strcmp(when, "off")) {
        return g_strdup("never sweeps");
    }
    if (!strcmp(when, "inflate")) {
        return g_strdup("sweeps when the driver answers an inflate command");
    }
    if (!strcmp(when, "manual")) {
        return g_strdup("sweeps on command");
    }
    return g_strdup_printf("sweeps every %g s",
                           (double)balloon_int(info, "period-ns") / NS_PER_S);
}

static void balloon_print_head(FILE *out, JsonObject *info)
{
    g_autofree char *id = balloon_word(info, "id");
    g_autofree char *memory = balloon_size_text(balloon_int(info, "memory"));
    g_autofree char *when = balloon_when(info);
    guint64 pattern = balloon_int(info, "pattern");

    fprintf(out, "%s: %s of memory, %s", id, memory, when);
    if (pattern) {
        fprintf(out, ", pattern 0x%016" PRIx64, (uint64_t)pattern);
    }
    if (json_object_get_boolean_member_with_default(info, "credit", FALSE)) {
        fprintf(out, ", swept memory counts towards the target");
    }
    fputc('\n', out);
}

static void balloon_print_features(FILE *out, JsonObject *info)
{
    JsonNode *node = json_object_get_member(info, "features");
    JsonArray *features = node && JSON_NODE_HOLDS_ARRAY(node)
        ? json_node_get_array(node) : NULL;
    guint count = features ? json_array_get_length(features) : 0;

    fprintf(out, "  %-16s %s", "features", count ? "" : "none");
    for (guint i = 0; i < count; i++) {
        JsonNode *element = json_array_get_element(features, i);
        g_autofree char *name = verb_printable(
            JSON_NODE_HOLDS_VALUE(element) ? json_node_get_string(element)
                                           : NULL);

        fprintf(out, "%s%s", i ? ", " : "", name);
    }
    fputc('\n', out);
}

typedef struct MapSummary {
    GHashTable *blocks;          /* names */
    guint64 entries;
    guint64 super_bytes;
    guint64 page_bytes;
    guint64 came_back;
} MapSummary;

static void map_summarize(JsonArray *array, guint i, JsonNode *element,
                          gpointer opaque)
{
    JsonObject *mapping = JSON_NODE_HOLDS_OBJECT(element)
        ? json_node_get_object(element) : NULL;
    MapSummary *summary = opaque;
    guint64 length;

    if (!mapping) {
        return;
    }
    length = balloon_int(mapping, "length");
    g_hash_table_add(summary->blocks, balloon_word(mapping, "block"));
    summary->entries++;
    summary->came_back += balloon_int(mapping, "came-back");
    if (json_object_get_boolean_member_with_default(mapping, "super-page",
                                                    FALSE)) {
        summary->super_bytes += length;
    } else {
        summary->page_bytes += length;
    }
}

static void balloon_print_summary(FILE *out, JsonArray *map, bool whole)
{
    MapSummary summary = {
        .blocks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        NULL),
    };
    g_autofree char *supers = NULL;
    g_autofree char *pages = NULL;

    json_array_foreach_element(map, map_summarize, &summary);
    supers = balloon_size_text(summary.super_bytes);
    pages = balloon_size_text(summary.page_bytes);
    fprintf(out, "  %-16s ", "page mappings");
    if (summary.entries) {
        guint blocks = g_hash_table_size(summary.blocks);

        fprintf(out, "%s%" G_GUINT64_FORMAT " %s in %u %s: %s taken as super "
                "pages, %s as pages\n", whole ? "" : "the first ",
                summary.entries, summary.entries == 1 ? "entry" : "entries",
                blocks, blocks == 1 ? "block" : "blocks", supers, pages);
    } else {
        fprintf(out, "none\n");
    }
    g_hash_table_unref(summary.blocks);
}

void balloon_print(FILE *out, JsonObject *info, JsonArray *map, bool whole)
{
    guint64 sweeps = balloon_int(info, "sweeps");
    JsonObject *last = balloon_object(info, "last");

    balloon_print_head(out, info);
    balloon_print_size(out, info, "target", "target");
    balloon_print_size(out, info, "actual", "actual");
    balloon_print_size(out, info, "ballooned", "ballooned");
    balloon_print_size(out, info, "resident", "resident (RSS)");
    balloon_print_size(out, info, "swept", "swept");
    balloon_print_size(out, info, "came-back", "came back");
    balloon_print_features(out, info);
    if (json_object_has_member(info, "inhibited")) {
        g_autofree char *why = balloon_word(info, "inhibited");

        fprintf(out, "  %-16s %s\n", "inhibited", why);
    }
    balloon_print_summary(out, map, whole);
    fprintf(out, "  %-16s %" G_GUINT64_FORMAT "%s\n", "sweeps", sweeps,
            last ? "; the latest:" : "");
    if (last) {
        balloon_print_sweep(out, last, "    ");
    }
}

static void map_print_mapping(FILE *out, JsonObject *mapping)
{
    g_autofree char *block = balloon_word(mapping, "block");
    g_autofree char *length = balloon_size_text(balloon_int(mapping,
                                                            "length"));
    g_autofree char *back = balloon_size_text(balloon_int(mapping,
                                                          "came-back"));
    g_autofree char *address = json_object_has_member(mapping, "address")
        ? g_strdup_printf("0x%" PRIx64,
                          (uint64_t)balloon_int(mapping, "address"))
        : g_strdup("-");
    bool super_page = json_object_get_boolean_member_with_default(
        mapping, "super-page", FALSE);

    fprintf(out, "%-16s %#14" PRIx64 " %14s %12s %-11s %6" G_GUINT64_FORMAT
            " %12.6f %12s\n", block,
            (uint64_t)balloon_int(mapping, "offset"), address, length,
            super_page ? "super pages" : "pages",
            balloon_int(mapping, "sweep"),
            (double)balloon_int(mapping, "virtual-ns") / NS_PER_S, back);
}

static void map_print_entry(JsonArray *array, guint i, JsonNode *element,
                            gpointer opaque)
{
    if (JSON_NODE_HOLDS_OBJECT(element)) {
        map_print_mapping(opaque, json_node_get_object(element));
    }
}

void balloon_print_map(FILE *out, JsonArray *map, bool whole)
{
    fprintf(out, "%-16s %14s %14s %12s %-11s %6s %12s %12s\n", "block",
            "offset", "address", "length", "taken as", "sweep", "at s",
            "came back");
    json_array_foreach_element(map, map_print_entry, out);
    if (!whole) {
        fprintf(out, "(more follow; the list was cut here)\n");
    }
}

void balloon_print_sweep(FILE *out, JsonObject *sweep, const char *indent)
{
    g_autofree char *state = balloon_word(sweep, "state");
    g_autofree char *cause = balloon_word(sweep, "cause");
    g_autofree char *mode = balloon_word(sweep, "mode");
    g_autofree char *scanned = balloon_size_text(balloon_int(sweep,
                                                             "scanned"));
    g_autofree char *matching = balloon_size_text(balloon_int(sweep,
                                                              "matching"));
    g_autofree char *taken = balloon_size_text(balloon_int(sweep, "taken"));
    g_autofree char *raced = balloon_size_text(balloon_int(sweep, "raced"));
    g_autofree char *skipped = balloon_size_text(balloon_int(sweep,
                                                             "skipped"));

    fprintf(out, "%ssweep %" G_GUINT64_FORMAT ": %s after %.1f ms (cause "
            "%s, mode %s", indent, balloon_int(sweep, "id"), state,
            (double)balloon_int(sweep, "duration-ns") / 1e6, cause, mode);
    if (json_object_has_member(sweep, "guard")) {
        g_autofree char *guard = balloon_word(sweep, "guard");

        fprintf(out, ", guard %s", guard);
    }
    fprintf(out, ")\n%s  scanned %s, matching %s, taken %s: %"
            G_GUINT64_FORMAT " super pages, %" G_GUINT64_FORMAT " pages\n",
            indent, scanned, matching, taken,
            balloon_int(sweep, "super-pages"), balloon_int(sweep, "pages"));
    fprintf(out, "%s  raced %s, skipped %s, longest wait of a writer %.1f "
            "us\n", indent, raced, skipped,
            (double)balloon_int(sweep, "stall-max-ns") / 1e3);
    if (json_object_has_member(sweep, "error")) {
        g_autofree char *error = balloon_word(sweep, "error");

        fprintf(out, "%s  %s\n", indent, error);
    }
}

void balloon_print_progress(FILE *out, JsonObject *sweep)
{
    g_autofree char *scanned = balloon_size_text(balloon_int(sweep,
                                                             "scanned"));
    g_autofree char *taken = balloon_size_text(balloon_int(sweep, "taken"));

    fprintf(out, "sweep %" G_GUINT64_FORMAT ": %.1f s, scanned %s, taken %s",
            balloon_int(sweep, "id"),
            (double)balloon_int(sweep, "duration-ns") / NS_PER_S, scanned,
            taken);
}
