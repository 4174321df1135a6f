/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that the agent runs for the host
 *
 * Concepts
 *   waiting   its EXEC came before start-up was over; it holds its arguments
 *             and starts when commands_ready() is called.
 *   running   it has a process, the leader of a session of its own.
 *   silent    its connection is over: nothing is sent for it any more. What a
 *             detached command prints is read and thrown away, so that it is
 *             not stopped by a full pipe.
 *   over      its process has ended and what it had written has been sent;
 *             EXIT follows. Children it leaves behind do not delay that; they
 *             get SIGPIPE if they go on writing.
 */
#ifndef SUNDER_AGENT_COMMAND_H
#define SUNDER_AGENT_COMMAND_H

#include <poll.h>

#include "message.h"
#include "port.h"

/* Descriptors that one command can have polled */
#define COMMAND_FDS  3

/* Set when start-up is over: commands that wait may start. */
void commands_ready(Port *port);

/* Carry out an EXEC, STDIN, STDIN_EOF, SIGNAL or RESIZE frame. */
void command_frame(Port *port, const AgentFrame *frame);

/* The connection is over: hang up on its commands, detached ones excepted. */
void commands_hang_up(void);

/* Collect the processes that have ended. */
void commands_reap(void);

/*
 * Fill @fds with what the commands wait for; returns how many, at most
 * AGENT_COMMANDS_MAX * COMMAND_FDS. *@timeout (ms, -1 is for ever) is lowered
 * when a command has to be seen to before.
 */
nfds_t commands_poll(const Port *port, struct pollfd *fds, int *timeout);

/* Move data of all commands, and send EXIT of those that are over. */
void commands_run(Port *port);

#endif /* SUNDER_AGENT_COMMAND_H */
