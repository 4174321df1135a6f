/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, rounds, seeds and shards */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "scenario-plan.h"

#define FILES 7

/* A directory with FILES scenarios in it; remove_files() takes it away. */
static char *make_files(void)
{
    char *root = g_dir_make_tmp("sunder-plan-XXXXXX", NULL);

    for (int i = 0; i < FILES; i++) {
        g_autofree char *leaf = g_strdup_printf("%c.yaml", 'a' + i);
        g_autofree char *path = g_build_filename(root, leaf, NULL);
        g_autofree char *text = g_strdup_printf(
            "name: s%d\nmachine: m\nseed: 5\ntags: [t%d]\n"
            "steps: [run: x]\n", i, i % 2);

        cr_assert(g_file_set_contents(path, text, -1, NULL));
    }
    return root;
}

static void remove_files(char *root)
{
    for (int i = 0; i < FILES; i++) {
        g_autofree char *leaf = g_strdup_printf("%c.yaml", 'a' + i);
        g_autofree char *path = g_build_filename(root, leaf, NULL);

        g_unlink(path);
    }
    g_rmdir(root);
    g_free(root);
}

static Plan *load(char *root, unsigned rounds)
{
    char *paths[] = { root, NULL };
    Plan *plan = plan_new(paths, NULL);

    cr_assert_not_null(plan);
    plan_expand(plan, rounds, NULL);
    return plan;
}

static const PlanEntry *entry(const Plan *plan, guint index)
{
    return plan->entries->pdata[index];
}

Test(scenario_plan, a_directory_stands_for_its_files_in_order)
{
    char *root = make_files();
    g_autoptr(Plan) plan = load(root, 1);

    cr_assert_eq(plan->entries->len, FILES);
    for (int i = 0; i < FILES; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        cr_assert_str_eq(entry(plan, i)->scenario->name, name);
    }
    remove_files(root);
}

Test(scenario_plan, tags_select)
{
    char *root = make_files();
    char *paths[] = { root, NULL };
    char *tags[] = { (char *)"t1", NULL };
    g_autoptr(Plan) plan = plan_new(paths, NULL);

    plan_select(plan, tags);
    cr_assert_eq(plan->scenarios->len, FILES / 2);
    remove_files(root);
}

Test(scenario_plan, rounds_have_seeds_of_their_own)
{
    char *root = make_files();
    g_autoptr(Plan) plan = load(root, 3);

    cr_assert_eq(plan->entries->len, FILES * 3);
    cr_assert_eq(entry(plan, 0)->seed, 5);
    cr_assert_neq(entry(plan, 1)->seed, entry(plan, 2)->seed);
    cr_assert_eq(entry(plan, 1)->seed, entry(plan, 4)->seed);
    cr_assert_eq(entry(plan, 2)->round, 3);
    remove_files(root);
}

/* How often each entry of @files times @rounds is in one of @n shards. */
static void count_shards(char *root, unsigned rounds, unsigned n,
                         JsonNode *durations, guint *counts)
{
    for (unsigned k = 1; k <= n; k++) {
        g_autoptr(Plan) plan = load(root, rounds);

        plan_shard(plan, k, n, durations);
        for (guint i = 0; i < plan->entries->len; i++) {
            const PlanEntry *e = entry(plan, i);
            int file = e->scenario->name[1] - '0';
            counts[file * rounds + e->round - 1]++;
        }
    }
}

Test(scenario_plan, each_entry_is_in_exactly_one_shard)
{
    char *root = make_files();

    for (unsigned n = 1; n <= 16; n++) {
        guint counts[FILES * 2] = { 0 };

        count_shards(root, 2, n, NULL, counts);
        for (int i = 0; i < FILES * 2; i++) {
            cr_assert_eq(counts[i], 1, "n %u entry %d: %u", n, i, counts[i]);
        }
    }
    remove_files(root);
}

Test(scenario_plan, durations_balance_the_shards)
{
    char *root = make_files();
    g_autofree char *text = g_strdup_printf(
        "[{\"file\": \"%s/c.yaml\", \"seconds\": 60}]", root);
    g_autoptr(JsonNode) durations = json_from_string(text, NULL);
    g_autoptr(Plan) plan = load(root, 1);
    guint counts[FILES] = { 0 };

    plan_shard(plan, 1, 2, durations);
    cr_assert_eq(plan->entries->len, 1);
    cr_assert_str_eq(entry(plan, 0)->scenario->name, "s2");
    count_shards(root, 1, 2, durations, counts);
    for (int i = 0; i < FILES; i++) {
        cr_assert_eq(counts[i], 1);
    }
    remove_files(root);
}

Test(scenario_plan, shards_are_read_strictly)
{
    static const char *const wrong[] = {
        "", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/", " 1/2",
    };
    unsigned k = 0, n = 0;

    cr_assert(plan_parse_shard("2/4", &k, &n, NULL));
    cr_assert(k == 2 && n == 4);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_not(plan_parse_shard(wrong[i], &k, &n, &error), "%s",
                      wrong[i]);
        cr_assert(strstr(error->message, "expected K/N"));
    }
}

Test(scenario_plan, all_mistakes_are_told_at_once)
{
    g_autoptr(GError) error = NULL;
    char *paths[] = { (char *)"/no/a.yaml", (char *)"/no/b.yaml", NULL };

    cr_assert_null(plan_new(paths, &error));
    cr_assert(strstr(error->message, "/no/a.yaml") &&
              strstr(error->message, "/no/b.yaml"));
}
