/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <sys/prctl.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "scenario-pool.h"

/* How often progress shows that time passes */
#define TICK_MS 250

typedef struct Pool {
    const Plan *plan;
    const WorkerOptions *options;
    const PoolReport *report;
    GMainLoop *loop;
    ScenarioResult **results;   /* by entry; NULL: none yet */
    GPtrArray *workers;         /* Worker, running */
    guint next;                 /* entry to start */
    unsigned jobs;
    bool interrupted;
} Pool;

typedef struct Worker {
    PoolRun run;                /* first: Pool.workers serves as PoolRuns */
    Pool *pool;
    GSubprocess *process;
    GDataInputStream *lines;
    ScenarioResult *result;
} Worker;

static void start_workers(Pool *pool);

static void worker_free(void *opaque)
{
    Worker *worker = opaque;

    g_free(worker->run.title);
    g_clear_object(&worker->lines);
    g_clear_object(&worker->process);
    g_clear_pointer(&worker->result, scenario_result_free);
    g_free(worker);
}

static void moved(Pool *pool)
{
    if (pool->report->moved) {
        pool->report->moved(pool->workers, pool->report->opaque);
    }
}

static ScenarioResult *lost_result(Worker *worker, const char *why)
{
    const PlanEntry *entry = worker->run.entry;
    ScenarioResult *result = scenario_result_new(entry->scenario->path,
                                                 entry->scenario->name);

    result->round = entry->round;
    result->rounds = entry->rounds;
    result->seed = entry->seed;
    result->seeded = entry->seeded;
    result->step = g_strdup(worker->run.title);
    result->seconds = (g_get_monotonic_time() - worker->run.began_us) / 1e6;
    scenario_result_set(result, SCENARIO_ERROR, why, NULL);
    return result;
}

static char *ending_text(GSubprocess *process)
{
    if (g_subprocess_get_if_signaled(process)) {
        return g_strdup_printf("the run's own process was killed by signal "
                               "%d: a fault of Sunder",
                               g_subprocess_get_term_sig(process));
    }
    return g_strdup_printf("the run's own process gave no result and exited "
                           "with %d: a fault of Sunder",
                           g_subprocess_get_exit_status(process));
}

static void finish(Worker *worker, ScenarioResult *result)
{
    Pool *pool = worker->pool;
    guint index = worker->run.index;

    pool->results[index] = result;
    g_ptr_array_remove(pool->workers, worker);
    if (pool->report->done) {
        pool->report->done(index, result, pool->report->opaque);
    }
    start_workers(pool);
    moved(pool);
    if (!pool->workers->len) {
        g_main_loop_quit(pool->loop);
    }
}

static void process_ended(GObject *source, GAsyncResult *done,
                          void *opaque)
{
    Worker *worker = opaque;
    ScenarioResult *result = g_steal_pointer(&worker->result);
    g_autofree char *why = NULL;

    g_subprocess_wait_finish(worker->process, done, NULL);
    if (!result) {
        why = ending_text(worker->process);
        result = lost_result(worker, why);
    }
    finish(worker, result);
}

static void take_line(Worker *worker, const char *line)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    JsonObject *object;

    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        return;
    }
    object = json_node_get_object(node);
    if (json_object_has_member(object, "result")) {
        g_clear_pointer(&worker->result, scenario_result_free);
        worker->result = scenario_result_from_json(
            json_object_get_member(object, "result"));
        return;
    }
    worker->run.step = json_object_get_int_member_with_default(object, "step",
                                                               0);
    worker->run.steps = json_object_get_int_member_with_default(object,
                                                                "steps", 0);
    g_free(worker->run.title);
    worker->run.title = g_strdup(json_object_get_string_member_with_default(
        object, "title", ""));
    moved(worker->pool);
}

static void read_next(Worker *worker);

static void line_ready(GObject *source, GAsyncResult *done, void *opaque)
{
    Worker *worker = opaque;
    g_autofree char *line = g_data_input_stream_read_line_finish(
        worker->lines, done, NULL, NULL);

    if (line) {
        take_line(worker, line);
        read_next(worker);
    } else {
        g_subprocess_wait_async(worker->process, NULL, process_ended, worker);
    }
}

static void read_next(Worker *worker)
{
    g_data_input_stream_read_line_async(worker->lines, G_PRIORITY_DEFAULT,
                                        NULL, line_ready, worker);
}

/*
 * A worker must not outlive us; its machine goes with it. Its standard error
 * is ours: what it says there is about itself, not about the scenario.
 */
static void child_setup(void *opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static bool spawn(Worker *worker, GError **error)
{
    g_auto(GStrv) argv = worker_argv(worker->run.entry,
                                     worker->pool->options);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);

    g_subprocess_launcher_set_child_setup(launcher, child_setup, NULL, NULL);
    worker->process = g_subprocess_launcher_spawnv(
        launcher, (const char *const *)argv, error);
    if (!worker->process) {
        return false;
    }
    worker->lines = g_data_input_stream_new(
        g_subprocess_get_stdout_pipe(worker->process));
    read_next(worker);
    return true;
}

static void start_worker(Pool *pool)
{
    g_autoptr(GError) error = NULL;
    Worker *worker = g_new0(Worker, 1);

    worker->pool = pool;
    worker->run.index = pool->next++;
    worker->run.entry = pool->plan->entries->pdata[worker->run.index];
    worker->run.began_us = g_get_monotonic_time();
    g_ptr_array_add(pool->workers, worker);
    if (!spawn(worker, &error)) {
        finish(worker, lost_result(worker, error->message));
    }
}

static void start_workers(Pool *pool)
{
    while (!pool->interrupted && pool->workers->len < pool->jobs &&
           pool->next < pool->plan->entries->len) {
        start_worker(pool);
    }
}

static gboolean on_tick(void *opaque)
{
    moved(opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(void *opaque)
{
    Pool *pool = opaque;

    pool->interrupted = true;
    for (guint i = 0; i < pool->workers->len; i++) {
        Worker *worker = pool->workers->pdata[i];
        g_subprocess_send_signal(worker->process, SIGTERM);
    }
    return G_SOURCE_CONTINUE;
}

static void run_loop(Pool *pool)
{
    guint sources[] = {
        g_timeout_add(TICK_MS, on_tick, pool),
        g_unix_signal_add(SIGINT, on_interrupt, pool),
        g_unix_signal_add(SIGTERM, on_interrupt, pool),
    };

    start_workers(pool);
    if (pool->workers->len) {
        g_main_loop_run(pool->loop);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_source_remove(sources[i]);
    }
}

GPtrArray *pool_run(const Plan *plan, const WorkerOptions *options,
                    unsigned jobs, const PoolReport *report,
                    bool *interrupted)
{
    Pool pool = {
        .plan = plan,
        .options = options,
        .report = report,
        .jobs = jobs,
        .loop = g_main_loop_new(NULL, false),
        .results = g_new0(ScenarioResult *, plan->entries->len + 1),
        .workers = g_ptr_array_new_with_free_func(worker_free),
    };
    GPtrArray *results = g_ptr_array_new_with_free_func(
        (GDestroyNotify)scenario_result_free);

    run_loop(&pool);
    for (guint i = 0; i < plan->entries->len; i++) {
        if (pool.results[i]) {
            g_ptr_array_add(results, pool.results[i]);
        }
    }
    *interrupted = pool.interrupted;
    g_free(pool.results);
    g_ptr_array_unref(pool.workers);
    g_main_loop_unref(pool.loop);
    return results;
}
