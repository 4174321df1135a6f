/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine: talking to it, and noticing that it ends meanwhile
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "machine-private.h"

#define QMP_TIMEOUT_MS      10000
#define AGENT_LOCK_POLL_MS  20

/* Longest wait for a port of the agent when all are in use */
#define AGENT_WAIT_MS       30000

/* The agent's SYNC is repeated from agent_dispatch(), so call it that often. */
#define TURN_MAX_MS         500

/* What a command that was killed may still take to end */
#define KILL_GRACE_MS       2000

/* Between the agent's socket and QMP's when the emulator exits */
#define AGENT_LOST_MS       3000

void machine_set_deadline(Machine *machine, int timeout_ms)
{
    machine->deadline = deadline_after(timeout_ms);
}

void machine_set_cancel_fd(Machine *machine, int cancel_fd)
{
    machine->cancel_fd = cancel_fd;
}

Qmp *machine_qmp(Machine *machine, GError **error)
{
    if (!machine->qmp) {
        g_autofree char *path = machine_path(machine, MACHINE_QMP);

        machine->qmp = qmp_connect(path, QMP_TIMEOUT_MS, error);
        if (!machine->qmp) {
            g_prefix_error(error, "%s: ", machine->name);
            return NULL;
        }
        qmp_set_event_callback(machine->qmp, machine_note_event, machine);
    }
    return machine->qmp;
}

static bool readable(int fd)
{
    struct pollfd pollfd = { .fd = fd, .events = POLLIN };

    return fd >= 0 && poll(&pollfd, 1, 0) > 0;
}

static bool machine_fail_cancelled(GError **error)
{
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_CANCELLED, "interrupted");
    return false;
}

static bool machine_fail_deadline(Machine *machine, GError **error)
{
    bool booted = machine->agent && agent_synced(machine->agent);
    g_autofree char *tail = booted ? NULL
                                   : machine_console_tail(machine, 10);

    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                "%s: out of time after %.1f s%s%s", machine->name,
                (double)(g_get_monotonic_time() - machine->begun_us) / 1e6,
                booted ? "" : ", before the guest's agent answered; last "
                "lines of the console:\n", tail ? tail : "");
    return false;
}

/* False, with @error set, when a wait must end now. */
static bool machine_check_times(Machine *machine, GError **error)
{
    if (readable(machine->cancel_fd)) {
        return machine_fail_cancelled(error);
    }
    if (deadline_left(machine->deadline) == 0) {
        return machine_fail_deadline(machine, error);
    }
    return true;
}

/* Take the lock of one port; false if somebody has it. */
static bool machine_try_port(Machine *machine, unsigned port)
{
    g_autofree char *file = g_strdup_printf(MACHINE_AGENT_LOCK, port);
    g_autofree char *path = machine_path(machine, file);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    /* For who finds all ports in use; nothing depends on it. */
    if (ftruncate(fd, 0) == 0) {
        dprintf(fd, "%d\n", (int)getpid());
    }
    machine->agent_lock = fd;
    machine->agent_port = port;
    return true;
}

static bool machine_fail_ports(Machine *machine, GError **error)
{
    g_autoptr(GString) holders = g_string_new(NULL);

    for (unsigned port = 0; port < MACHINE_AGENT_PORTS; port++) {
        g_autofree char *file = g_strdup_printf(MACHINE_AGENT_LOCK, port);
        g_autofree char *path = machine_path(machine, file);
        g_autofree char *text = NULL;

        if (g_file_get_contents(path, &text, NULL, NULL)) {
            g_string_append_printf(holders, " %s", g_strstrip(text));
        }
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "%s: all %d ports of the guest's agent are in use, by the "
                "processes%s; wait until one of their commands has ended",
                machine->name, MACHINE_AGENT_PORTS, holders->str);
    return false;
}

/* Locks end with the process that holds them, whatever becomes of it. */
static bool machine_lock_agent(Machine *machine, GError **error)
{
    gint64 deadline = deadline_after(AGENT_WAIT_MS);

    for (;;) {
        struct pollfd cancel = { .fd = machine->cancel_fd, .events = POLLIN };

        for (unsigned port = 0; port < MACHINE_AGENT_PORTS; port++) {
            if (machine_try_port(machine, port)) {
                return true;
            }
        }
        if (!machine_check_times(machine, error)) {
            return false;
        }
        if (deadline_left(deadline) == 0) {
            return machine_fail_ports(machine, error);
        }
        poll(&cancel, 1, AGENT_LOCK_POLL_MS);
    }
}

Agent *machine_agent(Machine *machine, GError **error)
{
    if (!machine->agent && machine_lock_agent(machine, error)) {
        g_autofree char *file = g_strdup_printf(MACHINE_AGENT_PORT,
                                                machine->agent_port);
        g_autofree char *path = machine_path(machine, file);

        machine->agent = agent_open(path, error);
        if (!machine->agent) {
            machine_release_agent(machine);
        }
    }
    return machine->agent;
}

void machine_release_agent(Machine *machine)
{
    g_clear_pointer(&machine->agent, agent_free);
    if (machine->agent_lock >= 0) {
        close(machine->agent_lock);
        machine->agent_lock = -1;
    }
}

/* Take in all that QMP has; false once the emulator has closed it. */
static bool machine_dispatch_qmp(Machine *machine)
{
    g_autoptr(GError) why = NULL;

    while (qmp_receive(machine->qmp, 0, &why)) {
    }
    if (!g_error_matches(why, QMP_ERROR, QMP_ERROR_TIMEOUT)) {
        machine->qmp_closed = true;
    }
    return !machine->qmp_closed;
}

static void machine_poll(Machine *machine, int timeout_ms, int extra_fd)
{
    struct pollfd pollfds[] = {
        { .fd = machine->qmp ? qmp_fd(machine->qmp) : -1, .events = POLLIN },
        { .fd = machine->cancel_fd, .events = POLLIN },
        { .fd = extra_fd, .events = POLLIN },
        { .fd = -1 },
    };
    int left = deadline_left(machine->deadline);
    int wait = timeout_ms < 0 ? TURN_MAX_MS : MIN(timeout_ms, TURN_MAX_MS);

    if (machine->agent) {
        pollfds[3].fd = agent_fd(machine->agent);
        pollfds[3].events = agent_events(machine->agent);
    }
    poll(pollfds, G_N_ELEMENTS(pollfds), left < 0 ? wait : MIN(wait, left));
}

/*
 * The agent's socket was closed. As a rule the emulator is on its way out and
 * closes QMP next; only if it does not, the connection alone was lost.
 */
static bool machine_lost_agent(Machine *machine, GError **error)
{
    gint64 grace = deadline_after(AGENT_LOST_MS);

    while (deadline_left(grace) > 0) {
        struct pollfd pollfd = {
            .fd = machine->qmp ? qmp_fd(machine->qmp) : -1, .events = POLLIN,
        };

        if (machine->qmp ? !machine_dispatch_qmp(machine)
                         : machine_gone(machine)) {
            g_clear_error(error);
            return machine_fail_ended(machine, error);
        }
        poll(&pollfd, 1, MIN(deadline_left(grace), AGENT_LOCK_POLL_MS));
    }
    return false;
}

/*
 * The owner listens to QMP at all times. A visitor does not unless it has asked
 * for QMP itself: a command may last, and others want the monitor meanwhile.
 */
static bool machine_watch_qmp(Machine *machine, GError **error)
{
    if (!machine->owner || machine_qmp(machine, error)) {
        return true;
    }
    if (machine_ending(machine) != MACHINE_RUNNING) {
        g_clear_error(error);
        machine_fail_ended(machine, error);
    }
    return false;
}

bool machine_iterate(Machine *machine, int timeout_ms, int extra_fd,
                     GError **error)
{
    bool qmp_good;

    if (!machine_watch_qmp(machine, error)) {
        return false;
    }
    if (!machine->qmp_closed) {
        machine_poll(machine, timeout_ms, extra_fd);
    }
    /* QMP first: when it is closed, what the agent still sent is all. */
    qmp_good = !machine->qmp_closed &&
               (!machine->qmp || machine_dispatch_qmp(machine));
    if (machine->agent &&
        !agent_dispatch(machine->agent, qmp_good ? error : NULL) &&
        qmp_good) {
        return machine_lost_agent(machine, error);
    }
    if (!qmp_good) {
        return machine_fail_ended(machine, error);
    }
    return machine_check_times(machine, error);
}

/* Read what the command may take of its input; -1 once there is no more. */
static int machine_forward_input(Machine *machine, uint32_t id, int input)
{
    size_t room = agent_input_room(machine->agent, id);
    char buffer[16384];
    ssize_t got;

    if (!room || !readable(input)) {
        return input;
    }
    got = read(input, buffer, MIN(room, sizeof(buffer)));
    if (got > 0) {
        agent_input(machine->agent, id, buffer, (size_t)got);
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        agent_input_end(machine->agent, id);
        return -1;
    }
    return input;
}

static bool machine_fail_command(const char *message, GError **error)
{
    g_set_error_literal(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                        message ? message : "the guest's agent gave no "
                        "status");
    return false;
}

/* The command has not ended in time: kill it, but keep the machine. */
static bool machine_fail_slow(Machine *machine, uint32_t id, int timeout_ms,
                              GError **error)
{
    gint64 grace = deadline_after(KILL_GRACE_MS);

    agent_signal(machine->agent, id, SIGKILL);
    while (!agent_finished(machine->agent, id, NULL, NULL) &&
           deadline_left(grace) > 0 &&
           machine_iterate(machine, deadline_left(grace), -1, NULL)) {
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                "%s: the command did not end within %g s and was killed",
                machine->name, timeout_ms / 1e3);
    return false;
}

bool machine_exec(Machine *machine, const AgentCommand *command, int input,
                  int timeout_ms, int *status, GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    Agent *agent = machine_agent(machine, error);
    uint32_t id = agent ? agent_start(agent, command, error) : 0;
    const char *message;

    if (!id) {
        return false;
    }
    while (!agent_finished(agent, id, status, &message)) {
        g_autoptr(GError) why = NULL;
        bool wants = agent_input_room(agent, id) > 0;

        if (deadline_left(deadline) == 0) {
            return machine_fail_slow(machine, id, timeout_ms, error);
        }
        if (!machine_iterate(machine, deadline_left(deadline),
                             wants ? input : -1, &why) &&
            !agent_finished(agent, id, NULL, NULL)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        if (input >= 0) {
            input = machine_forward_input(machine, id, input);
        }
    }
    if (*status == -1) {
        return machine_fail_command(message, error);
    }
    agent_forget(agent, id);
    return true;
}

bool machine_wait_ready(Machine *machine, int timeout_ms, GError **error)
{
    AgentCommand command = { .command = ":", .flags = AGENT_EXEC_NO_STDIN };
    int status;

    return machine_exec(machine, &command, -1, timeout_ms, &status, error);
}

JsonObject *machine_wait_event(Machine *machine, const char *name,
                               QmpMatch match, void *opaque, int timeout_ms,
                               GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    Qmp *qmp = machine_qmp(machine, error);

    while (qmp) {
        g_autoptr(GError) why = NULL;
        JsonObject *event = qmp_wait_event(qmp, name, match, opaque, 0, &why);

        if (event) {
            return event;
        }
        if (deadline_left(deadline) == 0) {
            g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                        "%s: no event %s within %g s", machine->name,
                        name ? name : "at all", timeout_ms / 1e3);
            return NULL;
        }
        if (!machine_iterate(machine, deadline_left(deadline), -1, error)) {
            return NULL;
        }
    }
    return NULL;
}
