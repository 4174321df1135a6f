/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder scenario run|check|list */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "junit.h"
#include "scenario-boot.h"
#include "scenario-report.h"
#include "verbs.h"

typedef struct RunArguments {
    gboolean tap, json, list, keep, cold;
    char *junit, *shard, *seed, *timeout, *kernel, *output, *durations;
    char **tags;
    int jobs, repeat;
} RunArguments;

static const char run_text[] =
    "Run scenarios: YAML files that break a machine's hardware and say what\n"
    "must hold then (sunder-scenario(5)). A directory stands for all *.yaml\n"
    "below it. Exit status: 0 all passed, 1 some failed, 2 a file or option\n"
    "is wrong, 77 all were skipped, 125 Sunder itself failed.";

static int print_problems(const GError *error)
{
    fprintf(stderr, "sunder: %s\n", error->message);
    return EXIT_USAGE;
}

/*
 * Machines and kernels that are not there are mistakes of the file, and better
 * known before anything runs. Images not made yet are left to the run.
 */
static bool check_machine(const Scenario *scenario, const char *kernel,
                          GError **error)
{
    GError *fault = NULL;
    g_autoptr(GPtrArray) specs = scenario_specs(scenario, kernel, NULL,
                                                &fault);

    for (guint i = 0; specs && !fault && i < specs->len; i++) {
        machine_spec_resolve(specs->pdata[i], &fault);
    }
    if (!g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_USAGE)) {
        g_clear_error(&fault);
        return true;
    }
    g_propagate_prefixed_error(error, fault, "%s: ", scenario->path);
    return false;
}

static Plan *load_plan(char **paths, char **tags, const char *kernel,
                       GError **error)
{
    g_autoptr(Plan) plan = plan_new(paths, error);

    if (!plan) {
        return NULL;
    }
    if (tags) {
        plan_select(plan, tags);
    }
    for (guint i = 0; i < plan->scenarios->len; i++) {
        if (!check_machine(plan->scenarios->pdata[i], kernel, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&plan);
}

static JsonNode *load_json(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) fault = NULL;
    JsonNode *node;

    if (!g_file_get_contents(path, &text, NULL, error)) {
        return NULL;
    }
    node = json_from_string(text, &fault);
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) {
        g_clear_pointer(&node, json_node_unref);
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: expected what \"sunder scenario run --json\" "
                    "printed%s%s", path, fault ? ": " : "",
                    fault ? fault->message : "");
    }
    return node;
}

static bool expand_plan(Plan *plan, const RunArguments *args, GError **error)
{
    g_autoptr(JsonNode) durations = NULL;
    guint64 seed;
    unsigned k, n;

    if (args->seed && !verb_parse_number(args->seed, &seed, error)) {
        g_prefix_error(error, "--seed: ");
        return false;
    }
    plan_expand(plan, args->repeat, args->seed ? &seed : NULL);
    if (args->durations && !(durations = load_json(args->durations, error))) {
        return false;
    }
    if (args->shard) {
        if (!plan_parse_shard(args->shard, &k, &n, error)) {
            return false;
        }
        plan_shard(plan, k, n, durations);
    }
    return true;
}

static JsonNode *results_json(const GPtrArray *results)
{
    JsonArray *array = json_array_new();
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);

    for (guint i = 0; i < results->len; i++) {
        json_array_add_element(array,
                               scenario_result_to_json(results->pdata[i]));
    }
    json_node_take_array(node, array);
    return node;
}

static int print_list(const Plan *plan, bool json)
{
    JsonArray *array = json_array_new();
    JsonNode *node;

    for (guint i = 0; i < plan->entries->len; i++) {
        const PlanEntry *entry = plan->entries->pdata[i];
        JsonObject *object = json_object_new();

        if (!json) {
            printf("%s: %s\n", entry->scenario->path, entry->scenario->name);
        }
        json_object_set_string_member(object, "file", entry->scenario->path);
        json_object_set_string_member(object, "name", entry->scenario->name);
        json_object_set_string_member(object, "machine",
                                      entry->scenario->machine);
        json_object_set_int_member(object, "round", entry->round);
        json_array_add_object_element(array, object);
    }
    if (!json) {
        json_array_unref(array);
        return EXIT_SUCCESS;
    }
    node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    verb_print_json(node);
    return EXIT_SUCCESS;
}

static int finish(const RunArguments *args, const GPtrArray *results,
                  bool interrupted)
{
    g_autoptr(GError) error = NULL;
    int status = scenario_results_status(results);

    if (args->json) {
        verb_print_json(results_json(results));
    }
    if (args->junit && !junit_write(args->junit, results, &error)) {
        return verb_fail(error);
    }
    return interrupted ? EXIT_FAILED : status;
}

static int run_plan(Plan *plan, const RunArguments *args, gint64 timeout_ns)
{
    WorkerOptions options = {
        .kernel = args->kernel, .output = args->output,
        .timeout_ns = timeout_ns, .cold = args->cold, .keep = args->keep,
    };
    ReportForm form = args->tap ? REPORT_TAP : args->json ? REPORT_QUIET
                                                          : REPORT_TEXT;
    Report *report = report_new(form, plan->entries->len);
    PoolReport callbacks = report_callbacks(report);
    bool interrupted;
    g_autoptr(GPtrArray) results = pool_run(plan, &options, args->jobs,
                                            &callbacks, &interrupted);

    report_end(report, results, interrupted);
    report_free(report);
    return finish(args, results, interrupted);
}

static int run_arguments(char **paths, const RunArguments *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) plan = NULL;
    gint64 timeout_ns = -1;

    if (!paths[0]) {
        return verb_usage("scenario run", "which scenarios? Name files or "
                          "directories");
    }
    if (args->jobs < 1 || args->jobs > 256) {
        return verb_usage("scenario run", "--jobs %d: expected 1 to 256",
                          args->jobs);
    }
    if (args->repeat < 1 || args->repeat > 100000) {
        return verb_usage("scenario run", "--repeat %d: expected 1 to 100000",
                          args->repeat);
    }
    if (args->tap && args->json) {
        return verb_usage("scenario run", "--tap and --json both want "
                          "standard output: choose one");
    }
    if (args->timeout &&
        !schema_parse_duration(args->timeout, &timeout_ns)) {
        return verb_usage("scenario run", "--timeout %s: expected a duration "
                          "such as 90s or 2m", args->timeout);
    }
    plan = load_plan(paths, args->tags, args->kernel, &error);
    if (!plan || !expand_plan(plan, args, &error)) {
        return print_problems(error);
    }
    return args->list ? print_list(plan, args->json)
                      : run_plan(plan, args, timeout_ns);
}

static int scenario_run_verb(int argc, char **argv)
{
    RunArguments args = { .jobs = 1, .repeat = 1 };
    const GOptionEntry entries[] = {
        { "tap", 0, 0, G_OPTION_ARG_NONE, &args.tap,
          "Print TAP (Test Anything Protocol)", NULL },
        { "junit", 0, 0, G_OPTION_ARG_FILENAME, &args.junit,
          "Write JUnit XML to FILE", "FILE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &args.json,
          "Print the results as JSON at the end", NULL },
        { "list", 0, 0, G_OPTION_ARG_NONE, &args.list,
          "List what would run, and run nothing", NULL },
        { "jobs", 'j', 0, G_OPTION_ARG_INT, &args.jobs,
          "Run N at a time (default 1)", "N" },
        { "shard", 0, 0, G_OPTION_ARG_STRING, &args.shard,
          "Run part K of N only", "K/N" },
        { "durations", 0, 0, G_OPTION_ARG_FILENAME, &args.durations,
          "Balance shards by the --json results of an earlier run", "FILE" },
        { "tag", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args.tags,
          "Run scenarios with this tag only; may be repeated", "TAG" },
        { "repeat", 0, 0, G_OPTION_ARG_INT, &args.repeat,
          "Run each N times, with a seed of its own each time", "N" },
        { "seed", 0, 0, G_OPTION_ARG_STRING, &args.seed,
          "Seed of faults with a probability", "N" },
        { "timeout", 0, 0, G_OPTION_ARG_STRING, &args.timeout,
          "Time for the steps of a scenario, such as 90s", "TIME" },
        { "kernel", 0, 0, G_OPTION_ARG_STRING, &args.kernel,
          "Kernel in place of the scenario's: 6.1, 6.12 or a file",
          "KERNEL" },
        { "cold", 0, 0, G_OPTION_ARG_NONE, &args.cold,
          "Boot each guest afresh, do not share booted states", NULL },
        { "keep", 0, 0, G_OPTION_ARG_NONE, &args.keep,
          "Keep what runs leave, of those that pass too", NULL },
        { "output", 0, 0, G_OPTION_ARG_FILENAME, &args.output,
          "Keep it below DIR (default ~/.local/state/sunder/runs)", "DIR" },
        { NULL }
    };
    int status = verb_parse(&argc, &argv, "scenario run [OPTION...] FILE...",
                            run_text, entries);

    if (status < 0) {
        status = run_arguments(argv, &args);
    }
    g_free(args.junit);
    g_free(args.shard);
    g_free(args.seed);
    g_free(args.timeout);
    g_free(args.kernel);
    g_free(args.output);
    g_free(args.durations);
    g_strfreev(args.tags);
    return status;
}

static int scenario_check_verb(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) plan = NULL;
    const GOptionEntry entries[] = { { NULL } };
    int status = verb_parse(&argc, &argv, "scenario check FILE...",
                            "Check scenarios without running them.", entries);

    if (status >= 0) {
        return status;
    }
    if (!argc) {
        return verb_usage("scenario check", "which scenarios? Name files or "
                          "directories");
    }
    plan = load_plan(argv, NULL, NULL, &error);
    if (!plan) {
        return print_problems(error);
    }
    printf("%u scenario%s: no mistake found\n", plan->scenarios->len,
           plan->scenarios->len == 1 ? "" : "s");
    return EXIT_SUCCESS;
}

int verb_scenario(int argc, char **argv)
{
    static const Verb verbs[] = {
        { "run", scenario_run_verb, "run scenarios" },
        { "check", scenario_check_verb, "check scenarios without running" },
        { NULL }
    };

    if (argc > 1 && g_str_equal(argv[1], "worker")) {
        return worker_main(argc - 1, argv + 1);
    }
    return verb_dispatch("scenario", verbs, argc, argv);
}
