/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/frame.h"
#include "agent/message.h"
#include "agent/wire.h"
#include "scenario-events.h"
#include "scenario-lockstep.h"
#include "unix-socket.h"

/* Before the exit code; no command prints it by chance. */
#define EXIT_MARK "\001sunder exit "

/*
 * hw/watchdog/wdt_ib700.c: a write to port 0x443 starts the watchdog; 15 (\017)
 * stands for 0 seconds. Until then the agent needs guest time to pass the last
 * output on; 50 ms are plenty and cost nothing.
 */
#define STOP_ITSELF "sleep 0.05; " \
    "printf '\\017' | dd of=/dev/port bs=1 seek=1091 conv=notrunc 2>/dev/null"

struct Lockstep {
    int fd;                 /* the agent's port; -1 before the first command */
    uint32_t last_id;
    AgentParser parser;
};

char **lockstep_arguments(char *const *arguments)
{
    static const char *const own[] = {
        "-device", "ib700", "-action", "watchdog=pause",
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

const char *lockstep_warm_up(void)
{
    /* Programs and libraries into the page cache; modules are few. */
    return "for d in /bin /sbin /usr/bin /usr/sbin /lib/x86_64-linux-gnu "
           "/usr/lib/x86_64-linux-gnu; do cat $d/* ; done >/dev/null 2>&1; "
           "true";
}

Lockstep *lockstep_new(void)
{
    Lockstep *lockstep = g_new0(Lockstep, 1);

    lockstep->fd = -1;
    return lockstep;
}

void lockstep_disconnect(Lockstep *lockstep)
{
    if (lockstep->fd >= 0) {
        close(lockstep->fd);
        lockstep->fd = -1;
    }
}

void lockstep_free(Lockstep *lockstep)
{
    if (lockstep) {
        lockstep_disconnect(lockstep);
        g_free(lockstep);
    }
}

static bool send_frame(Lockstep *lockstep, AgentType type, uint16_t flags,
                       uint32_t id, const void *payload, size_t size,
                       GError **error)
{
    g_autofree uint8_t *bytes = g_malloc(AGENT_FRAME_MAX);
    AgentFrame frame = {
        .type = type, .flags = flags, .id = id, .length = (uint32_t)size,
        .payload = payload,
    };
    size_t length = agent_frame_encode(&frame, bytes, AGENT_FRAME_MAX);

    /* The socket's buffer is empty, and holds more than one frame. */
    if (!length ||
        send(lockstep->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "a command of %zu bytes does not fit into the agent's "
                    "port", size);
        return false;
    }
    return true;
}

static bool connect_port(ScenarioRun *run, GError **error)
{
    /* Any number will do, but always the same: it reaches the guest. */
    static const uint8_t nonce[8] = { 1 };
    g_autofree char *path = machine_path(run->machine, MACHINE_AGENT);
    int failure;

    run->lockstep->fd = unix_socket_connect(path, &failure);
    if (run->lockstep->fd < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot connect to the guest's agent: %s", path,
                    g_strerror(failure));
        return false;
    }
    agent_parser_reset(&run->lockstep->parser);
    run->lockstep->last_id = 0;
    return send_frame(run->lockstep, AGENT_SYNC, 0, 0, nonce, sizeof(nonce),
                      error);
}

static bool send_command(Lockstep *lockstep, const char *command,
                         GError **error)
{
    g_autofree char *whole = g_strdup_printf(
        "( %s\n)\nprintf '\\001sunder exit %%d\\n' $?\n" STOP_ITSELF "\n",
        command);
    AgentExec exec = { .command = whole };
    g_autofree uint8_t *payload = g_malloc(AGENT_PAYLOAD_MAX);
    size_t size = agent_exec_pack(&exec, payload, AGENT_PAYLOAD_MAX);

    if (!size) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "the command exceeds %u bytes", AGENT_PAYLOAD_MAX);
        return false;
    }
    return send_frame(lockstep, AGENT_EXEC, AGENT_EXEC_NO_STDIN,
                      ++lockstep->last_id, payload, size, error);
}

static void append(GString *text, const AgentFrame *frame)
{
    g_string_append_len(text, (const char *)frame->payload, frame->length);
}

static void take_frames(Lockstep *lockstep, CommandResult *result)
{
    AgentParse parsed;
    AgentFrame frame;

    while ((parsed = agent_parser_next(&lockstep->parser, &frame)) !=
           AGENT_PARSE_MORE) {
        if (parsed != AGENT_PARSE_FRAME || frame.id != lockstep->last_id) {
            continue;
        }
        if (frame.type == AGENT_STDOUT) {
            append(result->output, &frame);
        } else if (frame.type == AGENT_STDERR) {
            append(result->errors, &frame);
        }
    }
}

static void receive(Lockstep *lockstep, CommandResult *result)
{
    ssize_t got;

    do {
        size_t room;
        uint8_t *space = agent_parser_space(&lockstep->parser, &room);

        got = recv(lockstep->fd, space, room, MSG_DONTWAIT);
        if (got > 0) {
            agent_parser_received(&lockstep->parser, (size_t)got);
            take_frames(lockstep, result);
        }
    } while (got > 0);
}

/* Cut the exit code off the output's end. */
static bool take_exit_code(CommandResult *result, GError **error)
{
    char *mark = g_strrstr_len(result->output->str, result->output->len,
                               EXIT_MARK);

    if (!mark) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the guest stopped, but not at the end of the command");
        return false;
    }
    result->exit_code = atoi(mark + strlen(EXIT_MARK));
    g_string_truncate(result->output, mark - result->output->str);
    return true;
}

static bool execute(ScenarioRun *run, const char *command, GError **error)
{
    g_autoptr(JsonNode) reply = scenario_qmp(run, command, NULL, error);

    return reply != NULL;
}

/*
 * QEMU reads the port's socket from its main loop, as it does QMP: once it has
 * answered two commands sent after the bytes, it has been round the loop.
 */
static bool deliver(ScenarioRun *run, GError **error)
{
    return execute(run, "query-status", error) &&
           execute(run, "query-status", error) &&
           execute(run, "cont", error);
}

static bool wait_stop(ScenarioRun *run, int timeout_ms, CommandResult *result,
                      GError **error)
{
    gint64 end = g_get_monotonic_time() + timeout_ms * G_GINT64_CONSTANT(1000);

    while (!event_log_take(run->events, "STOP", NULL)) {
        receive(run->lockstep, result);
        if (timeout_ms >= 0 && g_get_monotonic_time() >= end) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                        "the time of %g s is over", timeout_ms / 1e3);
            return false;
        }
        if (!machine_iterate(run->machine, 50, run->lockstep->fd, error) ||
            !scenario_turn(run, 0, error)) {
            return false;
        }
    }
    receive(run->lockstep, result);
    return true;
}

bool lockstep_command(ScenarioRun *run, const char *command, int timeout_ms,
                      CommandResult *result, GError **error)
{
    /* Stops of an earlier command, or of a migration, are not this one's. */
    while (event_log_take(run->events, "STOP", NULL)) {
    }
    return (run->lockstep->fd >= 0 || connect_port(run, error)) &&
           send_command(run->lockstep, command, error) &&
           deliver(run, error) &&
           wait_stop(run, timeout_ms, result, error) &&
           take_exit_code(result, error);
}
