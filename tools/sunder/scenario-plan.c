/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "error.h"
#include "scenario-plan.h"

/* An entry that no earlier run timed counts as this long. */
#define UNKNOWN_SECONDS 5.0

void plan_free(Plan *plan)
{
    g_clear_pointer(&plan->entries, g_ptr_array_unref);
    g_clear_pointer(&plan->scenarios, g_ptr_array_unref);
    g_free(plan);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every *.yaml below @path, or @path itself if it is no directory. */
static void collect(const char *path, GPtrArray *files)
{
    GDir *dir = g_file_test(path, G_FILE_TEST_IS_DIR) ?
                g_dir_open(path, 0, NULL) : NULL;
    const char *name;

    if (!dir) {
        g_ptr_array_add(files, g_strdup(path));
        return;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) &&
            !g_file_test(child, G_FILE_TEST_IS_SYMLINK)) {
            collect(child, files);
        } else if (g_str_has_suffix(name, ".yaml")) {
            g_ptr_array_add(files, g_steal_pointer(&child));
        }
    }
    g_dir_close(dir);
}

static void load_all(Plan *plan, GPtrArray *files, GString *problems)
{
    const char *last = NULL;

    g_ptr_array_sort(files, by_name);
    for (guint i = 0; i < files->len; i++) {
        g_autoptr(GError) fault = NULL;
        Scenario *scenario;

        if (last && g_str_equal(last, files->pdata[i])) {
            continue;
        }
        last = files->pdata[i];
        scenario = scenario_load(last, &fault);
        if (scenario) {
            g_ptr_array_add(plan->scenarios, scenario);
        } else {
            g_string_append_printf(problems, "%s%s", problems->len ? "\n" : "",
                                   fault->message);
        }
    }
}

Plan *plan_new(char *const *paths, GError **error)
{
    g_autoptr(Plan) plan = g_new0(Plan, 1);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) problems = g_string_new(NULL);

    plan->scenarios = g_ptr_array_new_with_free_func(
        (GDestroyNotify)scenario_free);
    plan->entries = g_ptr_array_new_with_free_func(g_free);
    for (; *paths; paths++) {
        guint before = files->len;

        collect(*paths, files);
        if (files->len == before) {
            g_string_append_printf(problems, "%s%s: no *.yaml file in it",
                                   problems->len ? "\n" : "", *paths);
        }
    }
    load_all(plan, files, problems);
    if (problems->len) {
        g_set_error_literal(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                            problems->str);
        return NULL;
    }
    return g_steal_pointer(&plan);
}

static bool has_tag(const Scenario *scenario, char *const *tags)
{
    for (; *tags; tags++) {
        if (g_strv_contains((const char *const *)scenario->tags, *tags)) {
            return true;
        }
    }
    return false;
}

void plan_select(Plan *plan, char *const *tags)
{
    for (guint i = 0; i < plan->scenarios->len;) {
        if (has_tag(plan->scenarios->pdata[i], tags)) {
            i++;
        } else {
            g_ptr_array_remove_index(plan->scenarios, i);
        }
    }
}

/*
 * A seed for each round; the first is the seed itself. The odd constant is
 * 2^64 divided by the golden ratio, which spreads multiples evenly (Knuth, The
 * Art of Computer Programming, volume 3, section 6.4). Below 2^63, for JSON.
 */
static guint64 round_seed(guint64 seed, unsigned round)
{
    if (round == 1) {
        return seed;
    }
    return (seed + (round - 1) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) >> 1;
}

static bool has_probability(const Scenario *scenario)
{
    for (guint i = 0; i < scenario->steps->len; i++) {
        const ScenarioStep *step = scenario->steps->pdata[i];

        if (step->id == STEP_FAULT &&
            json_object_has_member(
                json_object_get_object_member(step->args, "value"),
                "probability")) {
            return true;
        }
    }
    return false;
}

void plan_expand(Plan *plan, unsigned rounds, const guint64 *seed)
{
    for (guint i = 0; i < plan->scenarios->len; i++) {
        Scenario *scenario = plan->scenarios->pdata[i];
        guint64 base = seed ? *seed : scenario->seed;

        for (unsigned round = 1; round <= rounds; round++) {
            PlanEntry *entry = g_new0(PlanEntry, 1);

            entry->scenario = scenario;
            entry->round = round;
            entry->rounds = rounds;
            entry->seeded = seed || scenario->seeded ||
                            has_probability(scenario);
            entry->seed = round_seed(base, round);
            g_ptr_array_add(plan->entries, entry);
        }
    }
}

static double seconds_of(const PlanEntry *entry, JsonNode *durations)
{
    JsonArray *array = durations && JSON_NODE_HOLDS_ARRAY(durations) ?
                       json_node_get_array(durations) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *result = JSON_NODE_HOLDS_OBJECT(node) ?
                             json_node_get_object(node) : NULL;

        if (result && !g_strcmp0(entry->scenario->path,
                json_object_get_string_member_with_default(result, "file",
                                                           NULL))) {
            return json_object_get_double_member_with_default(
                result, "seconds", UNKNOWN_SECONDS);
        }
    }
    return UNKNOWN_SECONDS;
}

typedef struct Share {
    guint index;
    double seconds;
    unsigned shard;
} Share;

static int longest_first(const void *a, const void *b)
{
    const Share *x = a, *y = b;

    if (x->seconds != y->seconds) {
        return x->seconds > y->seconds ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const Share *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

/* With equal durations this deals them out one by one. */
static void deal(Share *shares, guint length, unsigned n)
{
    g_autofree double *load = g_new0(double, n);

    qsort(shares, length, sizeof(*shares), longest_first);
    for (guint i = 0; i < length; i++) {
        unsigned least = 0;

        for (unsigned j = 1; j < n; j++) {
            least = load[j] < load[least] ? j : least;
        }
        shares[i].shard = least;
        load[least] += shares[i].seconds;
    }
    qsort(shares, length, sizeof(*shares), by_index);
}

void plan_shard(Plan *plan, unsigned k, unsigned n, JsonNode *durations)
{
    guint length = plan->entries->len;
    g_autofree Share *shares = g_new0(Share, length);

    for (guint i = 0; i < length; i++) {
        shares[i].index = i;
        shares[i].seconds = seconds_of(plan->entries->pdata[i], durations);
    }
    deal(shares, length, n);
    for (guint i = length; i-- > 0;) {
        if (shares[i].shard != k - 1) {
            g_ptr_array_remove_index(plan->entries, i);
        }
    }
}

bool plan_parse_shard(const char *text, unsigned *k, unsigned *n,
                      GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    guint64 part, whole;

    if (!parts[0] || !parts[1] ||
        !g_ascii_string_to_unsigned(parts[0], 10, 1, 10000, &part, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 1, 10000, &whole, NULL) ||
        part > whole) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "--shard %s: expected K/N with K from 1 to N, such as 2/4",
                    text);
        return false;
    }
    *k = part;
    *n = whole;
    return true;
}
