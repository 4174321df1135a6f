/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "scenario-events.h"
#include "scenario-lockstep.h"
#include "unix-socket.h"

/* Between output, standard error and exit code; no program prints it. */
#define MARK_ERRORS "\001sunder errors\n"
#define MARK_EXIT   "\001sunder exit "

/* How long the guest may take to read its programs, and to stop itself */
#define PREPARE_TIMEOUT_MS 150000

/* Longest time for QEMU to read a command's number from its socket */
#define DELIVER_US (5 * G_USEC_PER_SEC)

/* Programs that scenarios are likely to run, and the libraries they need */
#define WARM_UP \
    "for p in sh busybox dd sleep seq sort uniq head tail grep cmp cat stty " \
    "devmem ethtool ip ping lspci setpci nvme dmesg mmio-bench; do " \
    "readlink -f $(which $p); done | sort -u | xargs cat >/dev/null 2>&1\n" \
    "find /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu -maxdepth 1 " \
    "-name 'lib*.so.*' -type f -size -3000k | xargs cat >/dev/null 2>&1\n"

/*
 * The program in the guest. A write to port 0x520 (hw/misc/lockstep.c) stops
 * the machine. The moment before it lets the serial port run empty. A loop of
 * least priority keeps the processor from halting.
 */
static const char loop_script[] =
    "cd /run/lockstep\n"
    "stop() { sleep 0.05; printf x | "
    "dd of=/dev/port bs=1 seek=1312 conv=notrunc 2>/dev/null; }\n"
    "nice -n 19 sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null &\n"
    "exec 3<>/dev/ttyS1\n"
    "stty raw -echo <&3\n"
    "stop\n"
    "while read -r what which <&3; do\n"
    "  case $what in\n"
    "  c) sh ./$which >out 2>err </dev/null; code=$?;;\n"
    "  *) sleep $which >out 2>err; code=$?;;\n"
    "  esac\n"
    "  { cat out; printf '\\001sunder errors\\n'; cat err\n"
    "    printf '\\001sunder exit %d\\n' $code; } >&3\n"
    "  stop\n"
    "done\n";

struct Lockstep {
    int fd;                 /* the serial port */
    GPtrArray *commands;    /* of the scenario, each once */
    GString *received;
};

char **lockstep_arguments(char *const *arguments)
{
    static const char *const own[] = {
        "-device", "sunder-lockstep",
        "-chardev", "null,id=lockstep",
        "-device", "isa-serial,index=1,chardev=lockstep",
        "-global", "virtio-serial-pci.ioeventfd=off",
        "-global", "virtio-blk-pci.ioeventfd=off",
    };
    GPtrArray *all = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        g_ptr_array_add(all, g_strdup(own[i]));
    }
    for (; arguments && *arguments; arguments++) {
        g_ptr_array_add(all, g_strdup(*arguments));
    }
    g_ptr_array_add(all, NULL);
    return (char **)g_ptr_array_free(all, false);
}

static void add_command(Lockstep *lockstep, const char *command)
{
    if (!g_ptr_array_find_with_equal_func(lockstep->commands, command,
                                          g_str_equal, NULL)) {
        g_ptr_array_add(lockstep->commands, g_strdup(command));
    }
}

Lockstep *lockstep_new(const Scenario *scenario)
{
    Lockstep *lockstep = g_new0(Lockstep, 1);

    lockstep->fd = -1;
    lockstep->commands = g_ptr_array_new_with_free_func(g_free);
    lockstep->received = g_string_new(NULL);
    if (scenario->skip_if) {
        add_command(lockstep, json_object_get_string_member(
            scenario->skip_if, "run"));
    }
    for (guint i = 0; i < scenario->steps->len; i++) {
        const ScenarioStep *step = scenario->steps->pdata[i];

        if (step->id == STEP_RUN || step->id == STEP_WAIT_FOR) {
            add_command(lockstep, json_object_get_string_member(step->args,
                                                                "value"));
        }
    }
    return lockstep;
}

static void disconnect(Lockstep *lockstep)
{
    if (lockstep->fd >= 0) {
        close(lockstep->fd);
        lockstep->fd = -1;
    }
}

void lockstep_free(Lockstep *lockstep)
{
    if (lockstep) {
        disconnect(lockstep);
        g_ptr_array_unref(lockstep->commands);
        g_string_free(lockstep->received, true);
        g_free(lockstep);
    }
}

char *lockstep_state_name(const Lockstep *lockstep, const char *key)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *digest = NULL;

    g_checksum_update(sum, (const guchar *)WARM_UP, -1);
    g_checksum_update(sum, (const guchar *)loop_script, -1);
    for (guint i = 0; i < lockstep->commands->len; i++) {
        const char *command = lockstep->commands->pdata[i];
        g_checksum_update(sum, (const guchar *)command, strlen(command) + 1);
    }
    digest = g_strndup(g_checksum_get_string(sum), 12);
    return g_strconcat(key, "-", digest, NULL);
}

/* Stops of an earlier command are not the next one's. */
static void forget_stops(ScenarioRun *run)
{
    while (event_log_take(run->guest->events, "STOP", NULL)) {
    }
}

static void receive(Lockstep *lockstep)
{
    char bytes[4096];
    ssize_t got;

    while (lockstep->fd >= 0 &&
           (got = recv(lockstep->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        g_string_append_len(lockstep->received, bytes, got);
    }
}

static bool wait_stop(ScenarioRun *run, int timeout_ms, GError **error)
{
    gint64 end = g_get_monotonic_time() + timeout_ms * G_GINT64_CONSTANT(1000);

    while (!event_log_take(run->guest->events, "STOP", NULL)) {
        receive(run->lockstep);
        if (timeout_ms >= 0 && g_get_monotonic_time() >= end) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                        "the time of %g s is over", timeout_ms / 1e3);
            return false;
        }
        if (!machine_iterate(run->guest->machine, 50, run->lockstep->fd,
                             error) ||
            !scenario_turn(run, 0, error)) {
            return false;
        }
    }
    receive(run->lockstep);
    return true;
}

/* The shell script that puts everything in place and starts the loop. */
static char *setup_script(const Lockstep *lockstep)
{
    g_autoptr(GString) script = g_string_new("mkdir -p /run/lockstep\n");
    g_autofree char *loop = g_shell_quote(loop_script);

    for (guint i = 0; i < lockstep->commands->len; i++) {
        g_autofree char *command = g_shell_quote(lockstep->commands->pdata[i]);

        g_string_append_printf(script, "printf '%%s\\n' %s "
                               ">/run/lockstep/%u\n", command, i);
    }
    g_string_append_printf(script, "printf '%%s' %s >/run/lockstep/loop\n"
                           WARM_UP "setsid sh /run/lockstep/loop "
                           "</dev/null >/dev/null 2>&1 &\n", loop);
    return g_string_free(g_steal_pointer(&script), false);
}

bool lockstep_prepare(ScenarioRun *run, GError **error)
{
    g_autofree char *script = setup_script(run->lockstep);
    AgentCommand request = {
        .command = script, .flags = AGENT_EXEC_NO_STDIN,
    };
    int status;

    if (!machine_exec(run->guest->machine, &request, -1, PREPARE_TIMEOUT_MS,
                      &status, error)) {
        return false;
    }
    machine_release_agent(run->guest->machine);
    return wait_stop(run, PREPARE_TIMEOUT_MS, error);
}

static bool execute(ScenarioRun *run, const char *command, GError **error)
{
    g_autoptr(JsonNode) reply = scenario_qmp(run, command, NULL, error);

    return reply != NULL;
}

/*
 * The port's other end is given when the machine runs, as its path differs
 * from run to run and the command line must not.
 */
static bool open_port(ScenarioRun *run, const char *path, GError **error)
{
    g_autofree char *text = g_strdup_printf(
        "{\"id\": \"lockstep\", \"backend\": {\"type\": \"socket\", \"data\": "
        "{\"addr\": {\"type\": \"unix\", \"data\": {\"path\": \"%s\"}}, "
        "\"server\": true, \"wait\": false}}}", path);
    g_autoptr(JsonNode) arguments = json_from_string(text, error);
    g_autoptr(JsonNode) reply = NULL;

    if (arguments) {
        reply = scenario_qmp(run, "chardev-change",
                             json_node_get_object(arguments), error);
    }
    return reply != NULL;
}

bool lockstep_begin(ScenarioRun *run, GError **error)
{
    g_autofree char *path = machine_path(run->guest->machine, "lockstep.sock");
    int failure;

    disconnect(run->lockstep);
    if (!open_port(run, path, error)) {
        return false;
    }
    run->lockstep->fd = unix_socket_connect(path, &failure);
    if (run->lockstep->fd < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot connect to the guest's serial port: %s", path,
                    g_strerror(failure));
        return false;
    }
    return true;
}

/*
 * Wait until QEMU has read the port's socket (unix(7): SIOCOUTQ counts what the
 * peer has not read yet). It reads from its main loop, where QMP commands run
 * too, so once it has answered one more, the bytes are in the FIFO.
 */
static bool deliver(ScenarioRun *run, const char *line, GError **error)
{
    gint64 end = g_get_monotonic_time() + DELIVER_US;
    ssize_t length = strlen(line);
    int unread = 0;

    if (send(run->lockstep->fd, line, length, MSG_NOSIGNAL) != length) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the guest's serial port takes nothing: %s",
                    g_strerror(errno));
        return false;
    }
    while (ioctl(run->lockstep->fd, SIOCOUTQ, &unread) == 0 && unread) {
        if (g_get_monotonic_time() >= end) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                        "the guest's serial port does not take '%s'", line);
            return false;
        }
        g_usleep(1000);
    }
    return execute(run, "query-status", error) &&
           execute(run, "cont", error);
}

static bool take_result(Lockstep *lockstep, CommandResult *result,
                        GError **error)
{
    GString *received = lockstep->received;
    char *errors = g_strrstr_len(received->str, received->len, MARK_ERRORS);
    char *code = g_strrstr_len(received->str, received->len, MARK_EXIT);

    if (!errors || !code || code < errors) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the guest stopped, but not at the end of the command");
        return false;
    }
    g_string_append_len(result->output, received->str,
                        errors - received->str);
    errors += strlen(MARK_ERRORS);
    g_string_append_len(result->errors, errors, code - errors);
    result->exit_code = atoi(code + strlen(MARK_EXIT));
    return true;
}

static bool step_guest(ScenarioRun *run, const char *line, int timeout_ms,
                       CommandResult *result, GError **error)
{
    forget_stops(run);
    g_string_truncate(run->lockstep->received, 0);
    return deliver(run, line, error) && wait_stop(run, timeout_ms, error) &&
           take_result(run->lockstep, result, error);
}

bool lockstep_command(ScenarioRun *run, const char *command, int timeout_ms,
                      CommandResult *result, GError **error)
{
    g_autofree char *line = NULL;
    guint index;

    g_assert(g_ptr_array_find_with_equal_func(run->lockstep->commands, command,
                                              g_str_equal, &index));
    line = g_strdup_printf("c %u\n", index);
    return step_guest(run, line, timeout_ms, result, error);
}

bool lockstep_sleep(ScenarioRun *run, gint64 ns, GError **error)
{
    /* At most 16 bytes, the FIFO's: "s 123456.789\n" */
    g_autofree char *line = g_strdup_printf(
        "s %" G_GINT64_FORMAT ".%03d\n", ns / 1000000000,
        (int)(ns / 1000000 % 1000));
    CommandResult result = { .output = g_string_new(NULL),
                             .errors = g_string_new(NULL) };
    bool ok = step_guest(run, line, -1, &result, error);

    command_result_clear(&result);
    return ok;
}
