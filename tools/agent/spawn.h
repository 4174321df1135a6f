/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start a process for a command
 */
#ifndef SUNDER_AGENT_SPAWN_H
#define SUNDER_AGENT_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "message.h"

/* The agent's ends, non-blocking and close-on-exec; -1 where there is none */
typedef struct SpawnPipes {
    int input;               /* to write into */
    int output;              /* to read from; a terminal is @input as well */
    int errors;
} SpawnPipes;

/*
 * Run @exec with the AGENT_EXEC_* @flags. Returns the process id, or -1 with
 * errno set. A folder that cannot be entered and a missing shell are told on
 * the command's standard error, with exit status 126 and 127: waiting for
 * them here would let one hung disk stop the agent.
 */
pid_t spawn(const AgentExec *exec, uint16_t flags, SpawnPipes *pipes);

#endif /* SUNDER_AGENT_SPAWN_H */
