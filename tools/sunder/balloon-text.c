/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "balloon-text.h"
#include "json-member.h"
#include "verbs.h"

#define NS_PER_S 1e9

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

static char *balloon_size_of(JsonObject *object, const char *member)
{
    return balloon_size_text(member_number(object, member));
}

static void balloon_print_size(FILE *out, JsonObject *object,
                               const char *member, const char *title)
{
    g_autofree char *size = balloon_size_of(object, member);

    fprintf(out, "  %-16s %12s\n", title, size);
}

/* When it sweeps, in words */
static char *balloon_when(JsonObject *info)
{
    const char *when = member_string(info, "when");

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
                           (double)member_number(info, "period-ns") / NS_PER_S);
}

static void balloon_print_head(FILE *out, JsonObject *info)
{
    g_autofree char *id = member_text(info, "id");
    g_autofree char *memory = balloon_size_of(info, "memory");
    g_autofree char *when = balloon_when(info);
    guint64 pattern = member_number(info, "pattern");

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
    length = member_number(mapping, "length");
    g_hash_table_add(summary->blocks, member_text(mapping, "block"));
    summary->entries++;
    summary->came_back += member_number(mapping, "came-back");
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
    guint64 sweeps = member_number(info, "sweeps");
    JsonObject *last = member_object(info, "last");

    balloon_print_head(out, info);
    balloon_print_size(out, info, "target", "target");
    balloon_print_size(out, info, "actual", "actual");
    balloon_print_size(out, info, "ballooned", "ballooned");
    balloon_print_size(out, info, "resident", "resident (RSS)");
    balloon_print_size(out, info, "swept", "swept");
    balloon_print_size(out, info, "came-back", "came back");
    balloon_print_features(out, info);
    if (json_object_has_member(info, "inhibited")) {
        g_autofree char *why = member_text(info, "inhibited");

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
    g_autofree char *block = member_text(mapping, "block");
    g_autofree char *length = balloon_size_of(mapping, "length");
    g_autofree char *back = balloon_size_of(mapping, "came-back");
    g_autofree char *address = json_object_has_member(mapping, "address")
        ? g_strdup_printf("0x%" PRIx64,
                          (uint64_t)member_number(mapping, "address"))
        : g_strdup("-");
    bool super_page = json_object_get_boolean_member_with_default(
        mapping, "super-page", FALSE);

    fprintf(out, "%-16s %#14" PRIx64 " %14s %12s %-11s %6" G_GUINT64_FORMAT
            " %12.6f %12s\n", block,
            (uint64_t)member_number(mapping, "offset"), address, length,
            super_page ? "super pages" : "pages",
            member_number(mapping, "sweep"),
            (double)member_number(mapping, "virtual-ns") / NS_PER_S, back);
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
    g_autofree char *state = member_text(sweep, "state");
    g_autofree char *cause = member_text(sweep, "cause");
    g_autofree char *mode = member_text(sweep, "mode");
    g_autofree char *scanned = balloon_size_of(sweep, "scanned");
    g_autofree char *matching = balloon_size_of(sweep, "matching");
    g_autofree char *taken = balloon_size_of(sweep, "taken");
    g_autofree char *raced = balloon_size_of(sweep, "raced");
    g_autofree char *skipped = balloon_size_of(sweep, "skipped");

    fprintf(out, "%ssweep %" G_GUINT64_FORMAT ": %s after %.1f ms (cause "
            "%s, mode %s", indent, member_number(sweep, "id"), state,
            (double)member_number(sweep, "duration-ns") / 1e6, cause, mode);
    if (json_object_has_member(sweep, "guard")) {
        g_autofree char *guard = member_text(sweep, "guard");

        fprintf(out, ", guard %s", guard);
    }
    fprintf(out, ")\n%s  scanned %s, matching %s, taken %s: %"
            G_GUINT64_FORMAT " super pages, %" G_GUINT64_FORMAT " pages\n",
            indent, scanned, matching, taken,
            member_number(sweep, "super-pages"), member_number(sweep, "pages"));
    fprintf(out, "%s  raced %s, skipped %s, longest wait of a writer %.1f "
            "us\n", indent, raced, skipped,
            (double)member_number(sweep, "stall-max-ns") / 1e3);
    if (json_object_has_member(sweep, "error")) {
        g_autofree char *error = member_text(sweep, "error");

        fprintf(out, "%s  %s\n", indent, error);
    }
}

void balloon_print_progress(FILE *out, JsonObject *sweep)
{
    g_autofree char *scanned = balloon_size_of(sweep, "scanned");
    g_autofree char *taken = balloon_size_of(sweep, "taken");

    fprintf(out, "sweep %" G_GUINT64_FORMAT ": %.1f s, scanned %s, taken %s",
            member_number(sweep, "id"),
            (double)member_number(sweep, "duration-ns") / NS_PER_S, scanned,
            taken);
}
