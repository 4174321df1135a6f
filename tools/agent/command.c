/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that the agent runs for the host, see command.h
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "spawn.h"
#include "wire.h"

/* From SIGHUP to SIGKILL when the host has left */
#define HANG_UP_MS  2000

typedef struct Command {
    bool used;
    bool waiting;
    bool ended;
    bool silent;
    bool input_ends;         /* STDIN_EOF was received */
    uint16_t flags;
    uint32_t id;
    pid_t pid;
    int status;
    int64_t kill_at;         /* ms, 0 when it need not be killed */
    SpawnPipes pipes;
    uint8_t *exec;           /* payload of EXEC while waiting */
    size_t exec_size;
    uint8_t *input;          /* STDIN not yet taken, AGENT_STDIN_WINDOW */
    size_t input_size;
} Command;

static Command commands[AGENT_COMMANDS_MAX];
static bool ready;
static size_t first;         /* who moves data first: all in turn */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static Command *find_command(uint32_t id)
{
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        if (commands[i].used && !commands[i].silent && commands[i].id == id) {
            return &commands[i];
        }
    }
    return NULL;
}

static Command *free_command(void)
{
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        if (!commands[i].used) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool has_terminal(const Command *command)
{
    return command->flags & AGENT_EXEC_PTY;
}

static void close_input(Command *command)
{
    if (command->pipes.input >= 0 && !has_terminal(command)) {
        close(command->pipes.input);
    }
    command->pipes.input = -1;
    free(command->input);
    command->input = NULL;
    command->input_size = 0;
}

static void close_stream(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void release(Command *command)
{
    close_input(command);
    close_stream(&command->pipes.output);
    close_stream(&command->pipes.errors);
    free(command->exec);
    memset(command, 0, sizeof(*command));
}

static void send_signal(const Command *command, int number)
{
    /* Before its setsid() the process leads no group yet. */
    if (kill(-command->pid, number) < 0) {
        kill(command->pid, number);
    }
}

/* The command cannot run: tell the host, if it still listens. */
static void refuse(Port *port, Command *command, int error, const char *text)
{
    if (!command->silent) {
        port_send_error(port, command->id, error, text);
    }
    release(command);
}

static void start(Port *port, Command *command)
{
    AgentExec exec;

    command->waiting = false;
    if (agent_exec_unpack(&exec, command->exec, command->exec_size) < 0) {
        refuse(port, command, EBADMSG, "malformed EXEC");
        return;
    }
    command->pid = spawn(&exec, command->flags, &command->pipes);
    if (command->pid < 0) {
        refuse(port, command, errno, strerror(errno));
        return;
    }
    free(command->exec);
    command->exec = NULL;
}

void commands_ready(Port *port)
{
    ready = true;
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        if (commands[i].used && commands[i].waiting) {
            start(port, &commands[i]);
        }
    }
}

static void handle_exec(Port *port, const AgentFrame *frame)
{
    Command *command = free_command();

    if (find_command(frame->id)) {
        port_send_error(port, frame->id, EEXIST, "id is in use");
        return;
    }
    if (!command) {
        port_send_error(port, frame->id, EAGAIN, "too many commands");
        return;
    }
    *command = (Command) {
        .used = true,
        .waiting = true,
        .flags = frame->flags,
        .id = frame->id,
        .pipes = { -1, -1, -1 },
        .exec = malloc(frame->length + 1),
        .exec_size = frame->length,
    };
    if (!command->exec) {
        refuse(port, command, ENOMEM, "no memory for EXEC");
        return;
    }
    memcpy(command->exec, frame->payload, frame->length);
    if (ready || (frame->flags & AGENT_EXEC_EARLY)) {
        start(port, command);
    }
}

static void handle_stdin(Port *port, Command *command,
                         const AgentFrame *frame)
{
    bool closed = !command->waiting && command->pipes.input < 0;

    /* What a command no longer reads counts as taken. */
    if (closed || command->input_ends) {
        port_send_u32(port, AGENT_STDIN_ACK, command->id, frame->length);
        return;
    }
    if (!command->input) {
        command->input = malloc(AGENT_STDIN_WINDOW);
    }
    if (!command->input ||
        frame->length > AGENT_STDIN_WINDOW - command->input_size) {
        port_send_error(port, 0, ENOBUFS, "STDIN beyond its window, dropped");
        return;
    }
    memcpy(command->input + command->input_size, frame->payload,
           frame->length);
    command->input_size += frame->length;
}

static void handle_signal(Command *command, const AgentFrame *frame)
{
    if (frame->length < 4) {
        return;
    }
    if (command->waiting) {
        /* A wait status whose low bits are a signal: killed by it. */
        command->waiting = false;
        command->ended = true;
        command->status = (int)(wire_get32(frame->payload) & 0x7f);
    } else if (!command->ended) {
        send_signal(command, (int)wire_get32(frame->payload));
    }
}

static void handle_resize(const Command *command, const AgentFrame *frame)
{
    struct winsize size = { 0 };

    if (frame->length >= 4 && has_terminal(command) &&
        command->pipes.output >= 0) {
        size.ws_row = wire_get16(frame->payload);
        size.ws_col = wire_get16(frame->payload + 2);
        ioctl(command->pipes.output, TIOCSWINSZ, &size);
    }
}

void command_frame(Port *port, const AgentFrame *frame)
{
    Command *command;

    if (frame->type == AGENT_EXEC) {
        handle_exec(port, frame);
        return;
    }
    command = find_command(frame->id);
    if (!command) {
        /* Sent before the host saw EXIT: nothing to tell. */
        return;
    }
    switch (frame->type) {
    case AGENT_STDIN:
        handle_stdin(port, command, frame);
        break;
    case AGENT_STDIN_EOF:
        command->input_ends = true;
        break;
    case AGENT_SIGNAL:
        handle_signal(command, frame);
        break;
    default:
        handle_resize(command, frame);
        break;
    }
}

void commands_hang_up(void)
{
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        Command *command = &commands[i];

        if (!command->used || command->silent) {
            continue;
        }
        command->silent = true;
        command->input_ends = true;
        if (command->flags & AGENT_EXEC_DETACHED || command->ended) {
            continue;
        }
        if (command->waiting) {
            release(command);
        } else {
            command->kill_at = now_ms() + HANG_UP_MS;
            send_signal(command, SIGHUP);
        }
    }
}

void commands_reap(void)
{
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        Command *command = &commands[i];

        if (command->used && command->pid > 0 && !command->ended &&
            waitpid(command->pid, &command->status, WNOHANG) > 0) {
            command->ended = true;
        }
    }
}

static nfds_t add_fd(struct pollfd *fds, nfds_t count, int fd, short events)
{
    fds[count] = (struct pollfd) { .fd = fd, .events = events };
    return count + 1;
}

nfds_t commands_poll(const Port *port, struct pollfd *fds, int *timeout)
{
    bool takes_output = port_takes_output(port);
    int64_t now = now_ms();
    nfds_t count = 0;

    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        const Command *command = &commands[i];
        const SpawnPipes *pipes = &command->pipes;
        bool reads = takes_output || command->silent;

        if (!command->used || command->waiting) {
            continue;
        }
        if (pipes->output >= 0 && reads) {
            count = add_fd(fds, count, pipes->output, POLLIN);
        }
        if (pipes->errors >= 0 && reads) {
            count = add_fd(fds, count, pipes->errors, POLLIN);
        }
        if (pipes->input >= 0 && (command->input_size ||
                                  command->input_ends)) {
            count = add_fd(fds, count, pipes->input, POLLOUT);
        }
        if (command->ended && reads) {
            *timeout = 0;
        } else if (command->kill_at) {
            int64_t left = command->kill_at - now;
            int wait = left > 0 ? (int)left : 0;

            *timeout = *timeout < 0 || wait < *timeout ? wait : *timeout;
        }
    }
    return count;
}

/* Write what the command takes of its input; the rest moves to the front. */
static void feed(Port *port, Command *command)
{
    static const uint8_t end_of_file = 4; /* ^D */
    ssize_t count = 0;

    if (command->pipes.input < 0 || port_room(port) < PORT_CONTROL_ROOM) {
        return;
    }
    if (command->input_size) {
        count = write(command->pipes.input, command->input,
                      command->input_size);
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        /* It has closed its input: as if it had taken everything. */
        count = (ssize_t)command->input_size;
        command->input_ends = true;
    }
    if (count > 0) {
        command->input_size -= (size_t)count;
        memmove(command->input, command->input + count, command->input_size);
        if (!command->silent) {
            port_send_u32(port, AGENT_STDIN_ACK, command->id,
                          (uint32_t)count);
        }
    }
    if (command->input_ends && !command->input_size) {
        if (!has_terminal(command)) {
            close_input(command);
        } else if (write(command->pipes.input, &end_of_file, 1) == 1) {
            command->input_ends = false;
        }
    }
}

/* Throw away what a silent command prints. */
static ssize_t discard(int fd)
{
    static uint8_t nowhere[PORT_OUTPUT_MAX];

    return read(fd, nowhere, sizeof(nowhere));
}

/*
 * Move one piece of a stream. Returns false when nothing is left in it for
 * now; it is closed at its end, and when its command has ended.
 */
static bool move_output(Port *port, Command *command, AgentType type, int *fd)
{
    ssize_t count;

    if (*fd < 0) {
        return false;
    }
    if (command->silent) {
        count = discard(*fd);
    } else if (port_takes_output(port)) {
        count = port_send_from(port, type, command->id, *fd);
    } else {
        return true;
    }
    if (count > 0 || (count < 0 && errno == EINTR)) {
        return true;
    }
    /* EIO is how a terminal ends. */
    if (count == 0 || errno != EAGAIN || command->ended) {
        close_stream(fd);
    }
    return false;
}

static void run_command(Port *port, Command *command)
{
    bool more;

    if (command->kill_at && now_ms() >= command->kill_at) {
        send_signal(command, SIGKILL);
        command->kill_at = 0;
    }
    feed(port, command);
    more = move_output(port, command, AGENT_STDERR, &command->pipes.errors);
    more |= move_output(port, command, AGENT_STDOUT, &command->pipes.output);
    if (command->pipes.output < 0) {
        /* A terminal's descriptor is gone for input as well. */
        if (has_terminal(command)) {
            command->pipes.input = -1;
        }
    }
    if (!command->ended || more || port_room(port) < PORT_CONTROL_ROOM) {
        return;
    }
    if (!command->silent) {
        port_send_u32(port, AGENT_EXIT, command->id,
                      (uint32_t)command->status);
    }
    release(command);
}

void commands_run(Port *port)
{
    for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
        Command *command = &commands[(first + i) % AGENT_COMMANDS_MAX];

        if (command->used && !command->waiting) {
            run_command(port, command);
        }
    }
    first = (first + 1) % AGENT_COMMANDS_MAX;
}
