/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <glib-unix.h>

#include "scenario-run.h"
#include "scenario-worker.h"
#include "verbs.h"

static void add(GPtrArray *argv, const char *text)
{
    g_ptr_array_add(argv, g_strdup(text));
}

G_GNUC_PRINTF(2, 3)
static void addf(GPtrArray *argv, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(argv, g_strdup_vprintf(format, args));
    va_end(args);
}

char **worker_argv(const PlanEntry *entry, const WorkerOptions *options)
{
    GPtrArray *argv = g_ptr_array_new();

    add(argv, "/proc/self/exe");
    add(argv, "scenario");
    add(argv, "worker");
    addf(argv, "--round=%u", entry->round);
    addf(argv, "--rounds=%u", entry->rounds);
    if (entry->seeded) {
        addf(argv, "--seed=%" G_GUINT64_FORMAT, entry->seed);
    }
    if (options->timeout_ns >= 0) {
        addf(argv, "--timeout=%" G_GINT64_FORMAT "ns", options->timeout_ns);
    }
    if (options->kernel) {
        addf(argv, "--kernel=%s", options->kernel);
    }
    if (options->output) {
        addf(argv, "--output=%s", options->output);
    }
    if (options->cold) {
        add(argv, "--cold");
    }
    if (options->keep) {
        add(argv, "--keep");
    }
    add(argv, "--");
    add(argv, entry->scenario->path);
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, false);
}

/* Written from the signal handler, read by every wait of the run. */
static int cancel_pipe[2] = { -1, -1 };

static void on_signal(int number)
{
    ssize_t done = write(cancel_pipe[1], "", 1);

    (void)done;
    (void)number;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    if (g_unix_open_pipe(cancel_pipe, FD_CLOEXEC, NULL)) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
    }
}

static void print_line(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_take_object(node, object);
    text = json_to_string(node, false);
    printf("%s\n", text);
    fflush(stdout);
}

static void print_progress(unsigned step, unsigned steps, const char *title,
                           void *opaque)
{
    JsonObject *object = json_object_new();
    g_autofree char *valid = g_utf8_make_valid(title, -1);

    json_object_set_int_member(object, "step", step);
    json_object_set_int_member(object, "steps", steps);
    json_object_set_string_member(object, "title", valid);
    print_line(object);
}

static int run_file(const char *path, RunOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Scenario) scenario = scenario_load(path, &error);
    g_autoptr(ScenarioResult) result = NULL;
    JsonObject *object;

    if (!scenario) {
        return verb_fail(error);
    }
    catch_signals();
    options->cancel_fd = cancel_pipe[0];
    options->progress = print_progress;
    result = scenario_run(scenario, options);
    object = json_object_new();
    json_object_set_member(object, "result", scenario_result_to_json(result));
    print_line(object);
    return 0;
}

int worker_main(int argc, char **argv)
{
    g_autofree char *seed = NULL, *timeout = NULL, *kernel = NULL;
    g_autofree char *output = NULL;
    int round = 1, rounds = 1;
    gboolean cold = false, keep = false;
    const GOptionEntry entries[] = {
        { "round", 0, 0, G_OPTION_ARG_INT, &round, "round of N", "N" },
        { "rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "rounds in all", "N" },
        { "seed", 0, 0, G_OPTION_ARG_STRING, &seed, "seed", "N" },
        { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout, "limit", "TIME" },
        { "kernel", 0, 0, G_OPTION_ARG_STRING, &kernel, "kernel", "KERNEL" },
        { "output", 0, 0, G_OPTION_ARG_STRING, &output, "directory", "DIR" },
        { "cold", 0, 0, G_OPTION_ARG_NONE, &cold, "boot afresh", NULL },
        { "keep", 0, 0, G_OPTION_ARG_NONE, &keep, "keep logs", NULL },
        { NULL }
    };
    RunOptions options = { .timeout_ns = -1, .cancel_fd = -1 };
    int status = verb_parse(&argc, &argv, "scenario worker FILE",
                            "Run one scenario for \"sunder scenario run\".",
                            entries);

    if (status >= 0) {
        return status;
    }
    if (argc != 1 ||
        (seed && !verb_parse_number(seed, &options.seed, NULL)) ||
        (timeout && !schema_parse_duration(timeout, &options.timeout_ns))) {
        return verb_usage("scenario", "worker: not for use by hand");
    }
    options.seeded = seed;
    options.round = round;
    options.rounds = rounds;
    options.kernel = kernel;
    options.output = output;
    options.cold = cold;
    options.keep = keep;
    return run_file(argv[0], &options);
}
