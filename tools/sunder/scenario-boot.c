/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "lab.h"
#include "scenario-boot.h"
#include "scenario-guests.h"
#include "scenario-keep.h"
#include "scenario-lockstep.h"
#include "snapshot.h"

/* A loaded host without KVM needs tens of seconds; a hang needs an end. */
#define BOOT_TIMEOUT_MS 180000

/* Shared states kept; each takes about 70 MiB on disk. */
#define BOOTED_MAX 12

/*
 * Machines that count instructions get one fixed seed, so that all scenarios
 * share one state; a scenario's own seed goes into its fault rules.
 */
#define ICOUNT_SEED 1

/* Put @boot's wishes into @spec, behind those that are there. */
static void apply_boot(MachineSpec *spec, const ScenarioBoot *boot)
{
    g_autofree char *append = spec->append;
    g_auto(GStrv) arguments = spec->arguments;
    guint before = arguments ? g_strv_length(arguments) : 0;
    guint more = g_strv_length(boot->arguments);

    if (boot->memory) {
        g_free(spec->memory);
        spec->memory = g_strdup(boot->memory);
    }
    spec->cpus = boot->cpus ? boot->cpus : spec->cpus;
    spec->append = append && boot->append
        ? g_strdup_printf("%s %s", append, boot->append)
        : g_strdup(append ? append : boot->append);
    spec->arguments = g_new0(char *, before + more + 1);
    for (guint i = 0; i < before; i++) {
        spec->arguments[i] = g_strdup(arguments[i]);
    }
    for (guint i = 0; i < more; i++) {
        spec->arguments[before + i] = g_strdup(boot->arguments[i]);
    }
}

static MachineSpec *scenario_spec(const Scenario *scenario,
                                  const char *kernel, const char *name)
{
    MachineSpec *spec = machine_spec_new(scenario->machine);

    spec->name = g_strdup(name);
    spec->kernel = g_strdup(kernel ? kernel : scenario->kernel);
    spec->icount = scenario->icount;
    if (scenario->icount) {
        spec->accel = MACHINE_ACCEL_TCG;
        spec->seeded = true;
        spec->seed = ICOUNT_SEED;
        spec->arguments = lockstep_arguments(NULL);
    }
    apply_boot(spec, scenario->boot);
    return spec;
}

/* The machine of @role (NULL: the first) */
static MachineSpec *find_spec(const GPtrArray *specs, const char *role,
                              GError **error)
{
    g_autoptr(GString) roles = g_string_new(NULL);

    for (guint i = 0; i < specs->len; i++) {
        MachineSpec *spec = specs->pdata[i];

        if (!role || !g_strcmp0(role, spec->role)) {
            return spec;
        }
        g_string_append_printf(roles, "%s%s", i ? ", " : "",
                               spec->role ? spec->role : "none: it is no lab");
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "on: %s: the scenario's machine has no such machine; there is "
                "%s", role, roles->str);
    return NULL;
}

static bool check_roles(const Scenario *scenario, const GPtrArray *specs,
                        GError **error)
{
    for (guint i = 0; i < scenario->steps->len; i++) {
        const ScenarioStep *step = scenario->steps->pdata[i];

        if (!find_spec(specs, step->on, error)) {
            g_prefix_error(error, "line %u: ", step->line);
            return false;
        }
    }
    if (specs->len > 1 && scenario->icount) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "icount: the machines of a lab cannot count instructions "
                    "together");
        return false;
    }
    return true;
}

GPtrArray *scenario_specs(const Scenario *scenario, const char *kernel,
                          const char *name, GError **error)
{
    g_autoptr(MachineSpec) common = scenario_spec(scenario, kernel, name);
    g_autoptr(GPtrArray) specs = lab_specs(common, error);

    if (!specs || !check_roles(scenario, specs, error)) {
        return NULL;
    }
    for (guint i = 0; i < scenario->boots->len; i++) {
        const ScenarioBoot *boot = scenario->boots->pdata[i];
        MachineSpec *spec = find_spec(specs, boot->on, error);

        if (!spec) {
            g_prefix_error(error, "boot: machines: ");
            return NULL;
        }
        apply_boot(spec, boot);
    }
    return g_steal_pointer(&specs);
}

/* Wait for the lock on @path, which whoever boots that state holds. */
static int lock_state(const char *path, int cancel_fd, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct pollfd cancel = { .fd = cancel_fd, .events = POLLIN };
    int fd;

    g_mkdir_with_parents(folder, 0700);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot open: %s", path, g_strerror(errno));
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (poll(&cancel, 1, 100) > 0) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_CANCELLED,
                        "interrupted while another run boots the guest");
            close(fd);
            return -1;
        }
    }
    return fd;
}

static char *snapshot_path(const char *name, const char *file)
{
    g_autofree char *root = snapshot_root();

    return g_build_filename(root, name, file, NULL);
}

static time_t last_used(const char *name)
{
    g_autofree char *path = snapshot_path(name, "manifest.json");
    struct stat info;

    return stat(path, &info) ? 0 : info.st_mtime;
}

static int by_age(const void *a, const void *b)
{
    time_t x = last_used(*(char *const *)a);
    time_t y = last_used(*(char *const *)b);

    return x > y ? -1 : x < y;
}

/* Drop the shared states that nobody used for the longest time. */
static void prune_states(void)
{
    g_auto(GStrv) names = snapshot_list();
    g_autoptr(GPtrArray) booted = g_ptr_array_new();

    for (char **name = names; *name; name++) {
        if (g_str_has_prefix(*name, BOOTED_PREFIX)) {
            g_ptr_array_add(booted, *name);
        }
    }
    g_ptr_array_sort(booted, by_age);
    for (guint i = BOOTED_MAX; i < booted->len; i++) {
        snapshot_remove(booted->pdata[i], NULL);
    }
}

static Machine *start(ScenarioRun *run, const MachineSpec *spec,
                      const char *restore, GError **error)
{
    bool paused = restore && run->lockstep;
    Machine *machine = machine_start(spec, restore,
                                     paused ? MACHINE_START_PAUSED : 0, error);

    if (machine) {
        machine_set_cancel_fd(machine, run->options->cancel_fd);
    }
    return machine;
}

/* After a start from a saved state. */
static bool wait_ready(ScenarioRun *run, GError **error)
{
    return run->lockstep ? lockstep_begin(run, error)
                         : machine_wait_ready(run->guest->machine,
                                              BOOT_TIMEOUT_MS, error);
}

/* Boot afresh; the machine is run->guest->machine even if the guest fails. */
static bool boot(ScenarioRun *run, const MachineSpec *spec, GError **error)
{
    run->guest->machine = start(run, spec, NULL, error);
    return run->guest->machine &&
           machine_wait_ready(run->guest->machine, BOOT_TIMEOUT_MS, error);
}

/*
 * Boot and save as @name. A machine that cannot be saved is left running in
 * @run, booted; otherwise it is gone and the state is there.
 */
static bool boot_and_save(ScenarioRun *run, const MachineSpec *spec,
                          const char *name, GError **error)
{
    g_autoptr(GError) fault = NULL;

    if (!boot(run, spec, error) ||
        (run->lockstep && !lockstep_prepare(run, error))) {
        return false;
    }
    machine_release_agent(run->guest->machine);
    if (!snapshot_save(run->guest->machine, name, &fault)) {
        g_autofree char *note = g_strdup_printf(
            "The booted state could not be shared: %s\n", fault->message);
        scenario_keep_note(run, note);
        return true;
    }
    prune_states();
    g_clear_pointer(&run->guest->machine, machine_free);
    return true;
}

static bool boot_shared(ScenarioRun *run, MachineSpec *spec, GError **error)
{
    g_autofree char *key = snapshot_key(spec, error);
    g_autofree char *name = key && run->lockstep ?
                            lockstep_state_name(run->lockstep, key) :
                            g_strdup(key);
    g_autofree char *root = snapshot_root();
    g_autofree char *lock_name = g_strconcat(".", name, ".lock", NULL);
    g_autofree char *lock_path = g_build_filename(root, lock_name, NULL);
    g_autofree char *manifest = NULL;
    bool ok = true;
    int lock;

    if (!name) {
        return false;
    }
    lock = lock_state(lock_path, run->options->cancel_fd, error);
    if (lock < 0) {
        return false;
    }
    if (!snapshot_exists(name) || !snapshot_check(name, spec, NULL)) {
        ok = boot_and_save(run, spec, name, error);
    }
    close(lock);
    if (!ok || run->guest->machine) {
        return ok;
    }
    manifest = snapshot_path(name, "manifest.json");
    utime(manifest, NULL);
    run->guest->machine = start(run, spec, name, error);
    return run->guest->machine && wait_ready(run, error);
}

/* Give run->guest its machine. */
static bool boot_guest(ScenarioRun *run, MachineSpec *spec, GError **error)
{
    if (!machine_spec_resolve(spec, error)) {
        return false;
    }
    if (run->options->cold && !run->lockstep) {
        return boot(run, spec, error);
    }
    return boot_shared(run, spec, error);
}

bool scenario_boot(ScenarioRun *run, GError **error)
{
    g_autofree char *name = g_strdup_printf("scenario-%d", (int)getpid());
    g_autoptr(GPtrArray) specs = scenario_specs(
        run->scenario, run->options->kernel, name, error);

    for (guint i = 0; specs && i < specs->len; i++) {
        run->guest = run->guests->pdata[i];
        if (!boot_guest(run, specs->pdata[i], error)) {
            return false;
        }
    }
    scenario_guests_choose(run, NULL);
    return specs != NULL;
}

bool scenario_migrate(ScenarioRun *run, GError **error)
{
    g_autoptr(MachineSpec) spec = machine_spec_copy(machine_spec(
        run->guest->machine));
    g_autofree char *name = g_strdup_printf("migrate-%d", (int)getpid());
    bool ok;

    machine_release_agent(run->guest->machine);
    if (!snapshot_save_last(run->guest->machine, name, error)) {
        g_prefix_error(error, "migrate: cannot save the machine: ");
        return false;
    }
    scenario_turn(run, 0, NULL);    /* what happened because of it */
    scenario_keep_guest_logs(run, run->guest);
    scenario_keep_console(run);
    g_clear_pointer(&run->guest->machine, machine_free);
    run->migrations++;
    run->guest->console_start = 0;
    run->guest->machine = start(run, spec, name, error);
    ok = run->guest->machine && wait_ready(run, error);
    snapshot_remove(name, NULL);
    if (!ok) {
        g_prefix_error(error, "migrate: the saved machine does not start: ");
    }
    return ok;
}
