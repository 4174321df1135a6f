/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine: starting, finding, ending it
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "description.h"
#include "lab.h"
#include "machine-private.h"
#include "snapshot.h"
#include "spawn.h"
#include "state.h"

/* A loaded host starts QEMU in seconds; more means that it hangs. */
#define START_TIMEOUT_MS 60000
#define START_POLL_US    5000

/* How long a polite end may take before the next, ruder one */
#define STOP_GUEST_MS    20000
#define STOP_QUIT_MS     5000
#define STOP_KILL_MS     5000

static Machine *machine_new(const char *name, const char *directory)
{
    Machine *machine = g_new0(Machine, 1);

    machine->name = g_strdup(name);
    machine->directory = g_strdup(directory);
    machine->claim = -1;
    machine->pid = -1;
    machine->agent_lock = -1;
    machine->cancel_fd = -1;
    machine->deadline = DEADLINE_NEVER;
    machine->begun_us = g_get_monotonic_time();
    return machine;
}

char *machine_path(const Machine *machine, const char *file)
{
    return g_build_filename(machine->directory, file, NULL);
}

const char *machine_name(const Machine *machine)
{
    return machine->name;
}

const char *machine_directory(const Machine *machine)
{
    return machine->directory;
}

pid_t machine_pid(const Machine *machine)
{
    return machine->pid;
}

const MachineSpec *machine_spec(const Machine *machine)
{
    return machine->spec;
}

void machine_keep_state(Machine *machine)
{
    machine->keep_state = true;
}

static bool machine_make_disk(const char *path, guint64 size, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot make a disk of %" G_GUINT64_FORMAT " bytes: "
                    "%s", path, size, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    close(fd);
    return true;
}

static bool machine_make_disks(Machine *machine, GError **error)
{
    g_autoptr(Description) description =
        description_load(machine->spec->description, error);

    for (guint i = 0; description && i < description->disks->len; i++) {
        DescriptionDisk *disk = g_ptr_array_index(description->disks, i);
        g_autofree char *file = g_strconcat(disk->node, ".disk", NULL);
        g_autofree char *path = machine_path(machine, file);

        if (!machine_make_disk(path, disk->size, error)) {
            return false;
        }
    }
    return description != NULL;
}

static bool machine_write(Machine *machine, const char *file,
                          const char *text, GError **error)
{
    g_autofree char *path = machine_path(machine, file);

    return g_file_set_contents(path, text, -1, error);
}

static bool machine_write_json(Machine *machine, const char *restore,
                               GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_object_set_string_member(object, "name", machine->name);
    json_object_set_int_member(object, "pid", machine->pid);
    json_object_set_int_member(object, "started-us", g_get_real_time());
    if (restore) {
        json_object_set_string_member(object, "restored", restore);
    }
    json_object_set_member(object, "spec",
                           machine_spec_to_json(machine->spec));
    json_node_take_object(node, object);
    text = json_to_string(node, TRUE);
    return machine_write(machine, MACHINE_JSON, text, error);
}

static bool machine_spawn(Machine *machine, char *const *argv, bool detached,
                          GError **error)
{
    g_autofree char *path = machine_path(machine, MACHINE_QEMU_LOG);
    g_autofree char *quoted = machine_argv_quote(argv);
    g_autofree char *line = g_strconcat(quoted, "\n", NULL);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (log < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be made: %s", path, g_strerror(errno));
        return false;
    }
    if (machine_write(machine, MACHINE_CMDLINE, line, error)) {
        machine->pid = spawn_emulator(argv, log, machine->claim, detached,
                                      error);
    }
    close(log);
    machine->owner = machine->pid > 0;
    return machine->owner;
}

static void machine_open_logs(Machine *machine)
{
    g_autofree char *qmp_log = machine_path(machine, MACHINE_QMP_LOG);
    g_autofree char *faults_log = machine_path(machine, MACHINE_FAULTS_LOG);

    machine->qmp_log = fopen(qmp_log, "we");
    machine->faults_log = fopen(faults_log, "we");
    qmp_set_transcript(machine->qmp, machine->qmp_log);
}

/* Wait for the emulator we started to answer, or to give up. */
static bool machine_connect(Machine *machine, GError **error)
{
    gint64 deadline = deadline_after(START_TIMEOUT_MS);
    g_autofree char *path = machine_path(machine, MACHINE_QMP_RUN);

    while (deadline_left(deadline) > 0) {
        g_autoptr(GError) why = NULL;

        machine->qmp = qmp_connect(path, deadline_left(deadline), &why);
        if (machine->qmp) {
            qmp_set_event_callback(machine->qmp, machine_note_event, machine);
            machine_open_logs(machine);
            return true;
        }
        if (machine_reap(machine, 0) || why->code == QMP_ERROR_CLOSED) {
            machine_reap(machine, STOP_QUIT_MS);
            return machine_fail_ended(machine, error);
        }
        g_usleep(START_POLL_US);
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "%s: the emulator does not answer on %s", machine->name,
                path);
    return false;
}

static bool machine_load(Machine *machine, const char *restore, bool paused,
                         GError **error)
{
    g_autoptr(JsonNode) done = NULL;

    if (!snapshot_load(restore, machine->qmp, error)) {
        return false;
    }
    if (!paused) {
        done = qmp_execute(machine->qmp, "cont", NULL, START_TIMEOUT_MS,
                           error);
    }
    return paused || done;
}

static bool machine_launch(Machine *machine, const char *restore,
                           MachineStartFlags flags, GError **error)
{
    bool paused = flags & MACHINE_START_PAUSED;
    g_auto(GStrv) argv = machine_spec_argv(machine->spec, machine->directory,
                                           restore != NULL, error);

    if (!argv) {
        return false;
    }
    if (paused && !restore) {
        guint length = g_strv_length(argv);

        argv = g_renew(char *, argv, length + 2);
        argv[length] = g_strdup("-S");
        argv[length + 1] = NULL;
    }
    if (!(restore ? snapshot_restore_disks(restore, machine->directory, error)
                  : machine_make_disks(machine, error))) {
        return false;
    }
    machine->may_detach = flags & MACHINE_START_DETACHED;
    return machine_spawn(machine, argv, machine->may_detach, error) &&
           machine_write_json(machine, restore, error) &&
           machine_connect(machine, error) &&
           (!restore || machine_load(machine, restore, paused, error));
}

Machine *machine_start(const MachineSpec *spec, const char *restore,
                       MachineStartFlags flags, GError **error)
{
    g_autoptr(MachineSpec) own = machine_spec_copy(spec);
    g_autofree char *directory = NULL;
    g_autoptr(Machine) machine = NULL;
    int claim;

    if (!machine_spec_resolve(own, error) ||
        (restore && !snapshot_check(restore, own, error))) {
        return NULL;
    }
    claim = state_claim(own->name, &directory, error);
    if (claim < 0) {
        return NULL;
    }
    machine = machine_new(own->name, directory);
    machine->claim = claim;
    machine->spec = g_steal_pointer(&own);
    return machine_launch(machine, restore, flags, error)
           ? g_steal_pointer(&machine) : NULL;
}

char **machine_list_running(GError **error)
{
    return state_names(true, error);
}

static void machine_set_unknown(const char *name, GError **error)
{
    g_auto(GStrv) members = lab_running(name);
    g_auto(GStrv) names = machine_list_running(NULL);
    g_autofree char *list = g_strjoinv(", ", names ? names : (char *[]){NULL});

    if (*members) {
        g_autofree char *roles = g_strjoinv(", ", members);

        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: a lab: name one of its machines, %s", name, roles);
        return;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "%s: no such machine is running; there %s%s", name,
                *list ? "are: " : "is none: start one with \"sunder run\"",
                list);
}

static bool machine_read_json(Machine *machine, GError **error)
{
    g_autofree char *path = machine_path(machine, MACHINE_JSON);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root;
    JsonObject *object;

    if (!json_parser_load_from_file(parser, path, error)) {
        return false;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: no JSON object", path);
        return false;
    }
    object = json_node_get_object(root);
    machine->pid = (pid_t)json_object_get_int_member_with_default(object,
                                                                  "pid", -1);
    machine->spec = machine_spec_from_json(
        json_object_get_member(object, "spec"), error);
    return machine->spec != NULL;
}

/* The directory of @name, whether or not there is one. */
static char *machine_state_directory(const char *name, GError **error)
{
    g_autofree char *root = NULL;

    if (!state_name_valid(name, error) ||
        !(root = machine_state_root(error))) {
        return NULL;
    }
    return g_build_filename(root, name, NULL);
}

Machine *machine_open(const char *name, GError **error)
{
    g_autofree char *directory = machine_state_directory(name, error);
    g_autoptr(Machine) machine = NULL;

    if (!directory) {
        return NULL;
    }
    if (!state_claimed(directory)) {
        machine_set_unknown(name, error);
        return NULL;
    }
    machine = machine_new(name, directory);
    if (!machine_read_json(machine, error)) {
        g_prefix_error(error, "%s: is still starting, or half made: ", name);
        return NULL;
    }
    return g_steal_pointer(&machine);
}

Machine *machine_open_ended(const char *name, GError **error)
{
    g_autofree char *directory = machine_state_directory(name, error);
    g_autoptr(Machine) machine = NULL;

    if (!directory) {
        return NULL;
    }
    machine = machine_new(name, directory);
    if (state_claimed(directory) || !machine_read_json(machine, NULL)) {
        machine_set_unknown(name, error);
        return NULL;
    }
    return g_steal_pointer(&machine);
}

void machine_detach(Machine *machine)
{
    if (machine->may_detach) {
        machine->owner = false;
        close(machine->claim);      /* the emulator has its own */
        machine->claim = -1;
    }
}

static void machine_kill(Machine *machine)
{
    if (!machine_gone(machine)) {
        kill(machine->pid, SIGKILL);
    }
}

void machine_free(Machine *machine)
{
    if (!machine) {
        return;
    }
    if (machine->owner && !machine_reap(machine, 0)) {
        machine_kill(machine);
        machine_reap(machine, -1);
    }
    machine_release_agent(machine);
    qmp_free(machine->qmp);
    if (machine->qmp_log) {
        fclose(machine->qmp_log);
    }
    if (machine->faults_log) {
        fclose(machine->faults_log);
    }
    if (machine->claim >= 0) {
        if (!machine->keep_state) {
            state_remove(machine->directory);
        }
        close(machine->claim);
    }
    machine_spec_free(machine->spec);
    g_free(machine->name);
    g_free(machine->directory);
    g_free(machine);
}

/* Whether the emulator ends within @timeout_ms. */
static bool machine_wait_gone(Machine *machine, int timeout_ms)
{
    gint64 deadline = deadline_after(timeout_ms);

    if (machine->owner) {
        return machine_reap(machine, timeout_ms);
    }
    while (state_claimed(machine->directory)) {
        if (deadline_left(deadline) == 0) {
            return false;
        }
        g_usleep(START_POLL_US);
    }
    return true;
}

static void machine_power_off(Machine *machine)
{
    AgentCommand command = { .command = "poweroff" };
    gint64 deadline = deadline_after(STOP_GUEST_MS);
    Agent *agent = machine_agent(machine, NULL);

    if (!agent || !agent_start(agent, &command, NULL)) {
        return;
    }
    while (deadline_left(deadline) > 0 &&
           machine_iterate(machine, deadline_left(deadline), -1, NULL)) {
    }
}

bool machine_stop(Machine *machine, bool force, GError **error)
{
    g_autoptr(JsonNode) done = NULL;
    Qmp *qmp;

    if (!force) {
        machine_set_deadline(machine, STOP_GUEST_MS);
        machine_power_off(machine);
        if (machine_wait_gone(machine, machine->qmp_closed ? STOP_QUIT_MS
                                                           : 0)) {
            return true;
        }
    }
    machine_set_deadline(machine, -1);
    qmp = machine_qmp(machine, NULL);
    if (qmp) {
        done = qmp_execute(qmp, "quit", NULL, STOP_QUIT_MS, NULL);
        if (machine_wait_gone(machine, done ? STOP_QUIT_MS : 0)) {
            return true;
        }
    }
    machine_kill(machine);
    if (machine_wait_gone(machine, STOP_KILL_MS)) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "%s: process %d cannot be killed", machine->name,
                (int)machine->pid);
    return false;
}
