/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host half of the agent's protocol (tools/agent/protocol.h)
 *
 * Concepts
 *   connection  one at a time per machine. agent_open() connects the socket at
 *               once, even before the guest runs; the SYNC is sent then and
 *               answered when the guest's agent has started.
 *   command     started by agent_start(), named by the id it returns. Its
 *               output arrives through the callback, from agent_dispatch().
 *   waiting     nothing here blocks. The caller polls agent_fd() for
 *               agent_events() and calls agent_dispatch(); machine_iterate()
 *               in machine.h does that together with QMP.
 *
 * An Agent is used by one thread at a time; several may exist.
 */
#ifndef SUNDER_AGENT_H
#define SUNDER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct Agent Agent;

typedef enum AgentStream {
    AGENT_STREAM_STDOUT,
    AGENT_STREAM_STDERR,
} AgentStream;

typedef void (*AgentOutput)(AgentStream stream, const uint8_t *data,
                            size_t size, void *opaque);

typedef struct AgentCommand {
    const char *command;             /* for /bin/sh -c */
    const char *folder;              /* NULL: the agent's default, /root */
    const char *const *environment;  /* NAME=VALUE...; NULL for none */
    uint16_t flags;                  /* AGENT_EXEC_* of protocol.h */
    uint16_t rows, columns;          /* with AGENT_EXEC_PTY */
    AgentOutput output;              /* NULL: output is thrown away */
    void *opaque;
} AgentCommand;

/* Connect to the port's socket and send SYNC. */
Agent *agent_open(const char *path, GError **error);
void agent_free(Agent *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Agent, agent_free)

/* Whether the guest's agent has answered, and whether start-up is over. */
bool agent_synced(const Agent *agent);
bool agent_ready(const Agent *agent);

/* The guest's boot id once synced (it changes with a reboot), else NULL. */
const char *agent_boot_id(const Agent *agent);

/*
 * Start a command; before the agent has answered it waits its turn here.
 * Returns its id (above 0), or 0 with @error set: a command line too long.
 */
uint32_t agent_start(Agent *agent, const AgentCommand *command,
                     GError **error);

/*
 * Whether command @id is over. If so and @status is not NULL, *@status is as
 * wait(2) gives it, or -1 when the agent could not run it; *@message then says
 * why (belongs to the agent; may be NULL).
 */
bool agent_finished(const Agent *agent, uint32_t id, int *status,
                    const char **message);

/* Forget a finished command's status. */
void agent_forget(Agent *agent, uint32_t id);

/* The exit code a shell would show for @status of wait(2). */
int agent_exit_code(int status);

/*
 * Standard input: agent_input() takes at most agent_input_room() bytes and
 * returns how many; agent_input_end() closes it after what was taken.
 */
size_t agent_input_room(const Agent *agent, uint32_t id);
size_t agent_input(Agent *agent, uint32_t id, const void *data, size_t size);
void agent_input_end(Agent *agent, uint32_t id);

void agent_signal(Agent *agent, uint32_t id, int signal);
void agent_resize(Agent *agent, uint32_t id, uint16_t rows, uint16_t columns);

/* For poll(): the descriptor, and POLLIN with POLLOUT when it has to send. */
int agent_fd(const Agent *agent);
short agent_events(const Agent *agent);

/* Read and write what can be without blocking. False: connection lost. */
bool agent_dispatch(Agent *agent, GError **error);

#endif /* SUNDER_AGENT_H */
