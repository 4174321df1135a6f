/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of `sunder run`
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "console.h"
#include "run.h"
#include "verbs.h"

#define QMP_TIMEOUT_MS 10000

/* How a run went, for --json; times in milliseconds from its beginning. */
typedef struct RunResult {
    const RunPlan *plan;
    GPtrArray *machines;    /* Machine: all, for it is a lab's run perhaps */
    GString *output[2];     /* by AgentStream, with --json */
    gint64 begun_us;
    int started_ms;         /* the emulator runs; -1: it did not come to it */
    int ready_ms;           /* the guest's agent answered */
    int answered_ms;        /* the command ended */
} RunResult;

static int run_elapsed(const RunResult *result)
{
    return (int)((g_get_monotonic_time() - result->begun_us) / 1000);
}

static void run_output(AgentStream stream, const uint8_t *data, size_t size,
                       void *opaque)
{
    RunResult *result = opaque;

    if (result->plan->json) {
        g_string_append_len(result->output[stream], (const char *)data,
                            (gssize)size);
        return;
    }
    fwrite(data, 1, size, stream == AGENT_STREAM_STDOUT ? stdout : stderr);
    fflush(stdout);
}

/* The word for @error in JSON's "outcome" */
static const char *run_outcome(const GError *error)
{
    if (error->domain != SUNDER_ERROR) {
        return "failed";
    }
    switch ((SunderError)error->code) {
    case SUNDER_ERROR_USAGE:
        return "usage";
    case SUNDER_ERROR_SKIPPED:
        return "skipped";
    case SUNDER_ERROR_TIMEOUT:
        return "timeout";
    case SUNDER_ERROR_CANCELLED:
        return "cancelled";
    case SUNDER_ERROR_GUEST:
        return "guest-ended";
    case SUNDER_ERROR_DIED:
        return "emulator-died";
    case SUNDER_ERROR_MISMATCH:
        return "mismatch";
    case SUNDER_ERROR_FAILED:
        break;
    }
    return "failed";
}

static void run_json_text(JsonObject *object, const char *name,
                          const GString *text)
{
    g_autofree char *valid = g_utf8_make_valid(text->str, (gssize)text->len);

    json_object_set_string_member(object, name, valid);
}

/* The machines of a lab by name */
static void run_json_machines(JsonObject *object, const RunResult *result)
{
    JsonArray *names;

    if (result->machines->len < 2) {
        return;
    }
    names = json_array_new();
    for (guint i = 0; i < result->machines->len; i++) {
        json_array_add_string_element(
            names, machine_name(result->machines->pdata[i]));
    }
    json_object_set_array_member(object, "machines", names);
}

static void run_json_times(JsonObject *object, const RunResult *result)
{
    const struct {
        const char *name;
        int ms;
    } times[] = {
        { "started-ms", result->started_ms },
        { "ready-ms", result->ready_ms },
        { "answered-ms", result->answered_ms },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        if (times[i].ms >= 0) {
            json_object_set_int_member(object, times[i].name, times[i].ms);
        }
    }
}

static void run_print_json(const char *name, const char *outcome, int status,
                           const char *message, const RunResult *result)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    if (name) {
        json_object_set_string_member(object, "name", name);
    }
    json_object_set_string_member(object, "outcome", outcome);
    json_object_set_int_member(object, "status", status);
    if (message) {
        json_object_set_string_member(object, "message", message);
    }
    if (result) {
        run_json_machines(object, result);
        run_json_times(object, result);
        run_json_text(object, "stdout", result->output[AGENT_STREAM_STDOUT]);
        run_json_text(object, "stderr", result->output[AGENT_STREAM_STDERR]);
    }
    json_node_take_object(node, object);
    verb_print_json(node);
}

int run_fail(const RunPlan *plan, const char *name, const GError *error)
{
    int status = verb_fail(error);

    if (plan->json) {
        run_print_json(name, run_outcome(error), status, error->message,
                       NULL);
    }
    return status;
}

/* The name of what runs: of the lab, or of its only machine */
static const char *run_name(const RunResult *result)
{
    const Machine *first = result->machines->pdata[0];
    const char *lab = machine_spec(first)->lab;

    return result->machines->len > 1 && lab ? lab : machine_name(first);
}

/* A failure of the machine: what it leaves behind stays for a look. */
static int run_fail_machine(Machine *machine, RunResult *result,
                            const GError *error, int signal_fd)
{
    int status = verb_fail(error);

    if (g_error_matches(error, SUNDER_ERROR, SUNDER_ERROR_CANCELLED)) {
        status = verb_signal_status(signal_fd);
    } else {
        machine_keep_state(machine);
        fprintf(stderr, "sunder: its logs are in %s\n",
                machine_directory(machine));
    }
    if (result->plan->json) {
        run_print_json(machine_name(machine), run_outcome(error), status,
                       error->message, result);
    }
    return status;
}

/* The deadline is the nearer of two; both count from the beginning. */
static void run_set_deadline(Machine *machine, const RunResult *result,
                             bool booting)
{
    int limit = result->plan->timeout_ms;
    int boot = result->plan->boot_ms;

    if (booting && boot >= 0 && (limit < 0 || boot < limit)) {
        limit = boot;
    }
    if (limit >= 0) {
        limit = MAX(limit - run_elapsed(result), 0);
    }
    machine_set_deadline(machine, limit);
}

static bool run_await_agent(Machine *machine, RunResult *result,
                            GError **error)
{
    Agent *agent = machine_agent(machine, error);

    if (!agent) {
        return false;
    }
    run_set_deadline(machine, result, true);
    while (!agent_synced(agent)) {
        if (!machine_iterate(machine, -1, -1, error)) {
            return false;
        }
    }
    result->ready_ms = run_elapsed(result);
    run_set_deadline(machine, result, false);
    return true;
}

/* The machines of a lab beside @machine: until each of them is ready. */
static Machine *run_await_others(Machine *machine, RunResult *result,
                                 GError **error)
{
    for (guint i = 0; i < result->machines->len; i++) {
        Machine *other = result->machines->pdata[i];

        if (other != machine && (!run_await_agent(other, result, error) ||
                                 !machine_wait_ready(other, -1, error))) {
            return other;
        }
    }
    return NULL;
}

static int run_command(Machine *machine, RunResult *result, int signal_fd)
{
    AgentCommand command = {
        .command = result->plan->command,
        .flags = result->plan->input ? 0 : AGENT_EXEC_NO_STDIN,
        .output = run_output,
        .opaque = result,
    };
    g_autoptr(GError) error = NULL;
    Machine *other = run_await_others(machine, result, &error);
    int status;

    if (other) {
        return run_fail_machine(other, result, error, signal_fd);
    }
    if (!run_await_agent(machine, result, &error) ||
        !machine_exec(machine, &command,
                      result->plan->input ? STDIN_FILENO : -1, -1, &status,
                      &error)) {
        return run_fail_machine(machine, result, error, signal_fd);
    }
    status = agent_exit_code(status);
    result->answered_ms = run_elapsed(result);
    if (result->plan->json) {
        run_print_json(machine_name(machine), "exited", status, NULL, result);
    }
    return status;
}

/* What is left running, by name: one a line, or JSON. */
static void run_print_names(RunResult *result)
{
    if (result->plan->json) {
        run_print_json(run_name(result), "running", 0, NULL, result);
        return;
    }
    for (guint i = 0; i < result->machines->len; i++) {
        printf("%s\n", machine_name(result->machines->pdata[i]));
    }
}

static int run_detached(Machine *machine, RunResult *result, int signal_fd)
{
    g_autoptr(GError) error = NULL;
    Machine *failed = result->plan->wait
        ? run_await_others(NULL, result, &error) : NULL;

    if (failed) {
        return run_fail_machine(failed, result, error, signal_fd);
    }
    run_print_names(result);
    for (guint i = 0; i < result->machines->len; i++) {
        machine_detach(result->machines->pdata[i]);
    }
    return 0;
}

/* The console closed: how did the guest end? */
static int run_console_ended(Machine *machine, RunResult *result,
                             int signal_fd)
{
    g_autoptr(GError) error = NULL;
    MachineEnding ending;

    machine_set_deadline(machine, QMP_TIMEOUT_MS);
    while (machine_iterate(machine, -1, -1, &error)) {
    }
    ending = machine_ending(machine);
    if (ending == MACHINE_POWERED_OFF || ending == MACHINE_RESET ||
        ending == MACHINE_QUIT) {
        return 0;
    }
    return run_fail_machine(machine, result, error, signal_fd);
}

static int run_console(Machine *machine, RunResult *result, int signal_fd)
{
    g_autofree char *path = machine_path(machine, MACHINE_CONSOLE);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) done = NULL;
    int console = console_connect(path, &error);
    ConsoleEnd end;

    if (console < 0) {
        return run_fail_machine(machine, result, error, signal_fd);
    }
    if (isatty(STDIN_FILENO)) {
        fprintf(stderr, "sunder: %s: Ctrl-] ends the machine\n",
                machine_name(machine));
    }
    /* Held back until now, so that not a line of the console is missed. */
    done = qmp_execute(machine_qmp(machine, NULL), "cont", NULL,
                       QMP_TIMEOUT_MS, &error);
    if (!done) {
        close(console);
        return run_fail_machine(machine, result, error, signal_fd);
    }
    end = console_attach(console, signal_fd, result->plan->timeout_ms);
    close(console);
    switch (end) {
    case CONSOLE_SIGNAL:
        return verb_signal_status(signal_fd);
    case CONSOLE_TIMEOUT:
        fprintf(stderr, "sunder: %s: the time of %g s is over\n",
                machine_name(machine), result->plan->timeout_ms / 1e3);
        return EXIT_TIMEOUT;
    case CONSOLE_ESCAPED:
        return 0;
    case CONSOLE_CLOSED:
        break;
    }
    return run_console_ended(machine, result, signal_fd);
}

static int run_started(Machine *machine, RunResult *result, int signal_fd)
{
    result->started_ms = run_elapsed(result);
    for (guint i = 0; i < result->machines->len; i++) {
        machine_set_cancel_fd(result->machines->pdata[i], signal_fd);
        if (result->plan->keep) {
            machine_keep_state(result->machines->pdata[i]);
        }
    }
    if (result->plan->command) {
        return run_command(machine, result, signal_fd);
    }
    if (result->plan->detach) {
        return run_detached(machine, result, signal_fd);
    }
    return run_console(machine, result, signal_fd);
}

const MachineSpec *run_chosen(GPtrArray *specs, const RunPlan *plan,
                              GError **error)
{
    g_autoptr(GString) roles = g_string_new(NULL);

    for (guint i = 0; i < specs->len; i++) {
        const MachineSpec *spec = specs->pdata[i];

        if (!plan->on || !g_strcmp0(plan->on, spec->role)) {
            return spec;
        }
        g_string_append_printf(roles, "%s%s", i ? ", " : "",
                               spec->role ? spec->role : "none: it is no lab");
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "--on %s: no such machine; there is %s", plan->on,
                roles->str);
    return NULL;
}

/* Start all; returns the one that @plan is about. NULL with @error. */
static Machine *run_start(GPtrArray *specs, RunResult *result,
                          GError **error)
{
    const RunPlan *plan = result->plan;
    const MachineSpec *chosen = run_chosen(specs, plan, error);
    bool console = !plan->command && !plan->detach;
    Machine *main_machine = NULL;

    for (guint i = 0; chosen && i < specs->len; i++) {
        bool paused = console && specs->pdata[i] == chosen;
        Machine *machine = machine_start(
            specs->pdata[i], plan->restore,
            (plan->detach ? MACHINE_START_DETACHED : 0) |
            (paused ? MACHINE_START_PAUSED : 0), error);

        if (!machine) {
            return NULL;
        }
        g_ptr_array_add(result->machines, machine);
        main_machine = specs->pdata[i] == chosen ? machine : main_machine;
    }
    return main_machine;
}

int run_machines(GPtrArray *specs, const RunPlan *plan)
{
    RunResult result = {
        .plan = plan, .begun_us = g_get_monotonic_time(),
        .machines = g_ptr_array_new_with_free_func(
            (GDestroyNotify)machine_free),
        .output = { g_string_new(NULL), g_string_new(NULL) },
        .started_ms = -1, .ready_ms = -1, .answered_ms = -1,
    };
    const MachineSpec *first = specs->pdata[0];
    int signal_fd = verb_signal_fd();
    g_autoptr(GError) error = NULL;
    Machine *machine = run_start(specs, &result, &error);
    int status = machine ? run_started(machine, &result, signal_fd)
                         : run_fail(plan, first->lab ? first->lab
                                                     : first->name, error);

    g_ptr_array_unref(result.machines);
    g_string_free(result.output[0], TRUE);
    g_string_free(result.output[1], TRUE);
    return status;
}

int run_machine(const MachineSpec *spec, const RunPlan *plan)
{
    g_autoptr(GPtrArray) specs = g_ptr_array_new();

    g_ptr_array_add(specs, (gpointer)spec);
    return run_machines(specs, plan);
}
