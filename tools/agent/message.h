/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payloads of the agent's frames that are more than one integer
 *
 * Plain C11 without allocation. What is unpacked points into the payload and
 * lives as long as it does.
 */
#ifndef SUNDER_AGENT_MESSAGE_H
#define SUNDER_AGENT_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * EXEC
 *   0  u16  rows of the terminal, with AGENT_EXEC_PTY; 0 is 24
 *   2  u16  columns; 0 is 80
 *   4  the folder to run in, ending in NUL; empty is /root
 *      the command for /bin/sh -c, ending in NUL
 *      any number of NAME=VALUE, each ending in NUL, added to the environment
 */
typedef struct AgentExec {
    uint16_t rows;
    uint16_t columns;
    const char *folder;       /* "" for the default */
    const char *command;
    const char *environment;  /* strings one after the other, each with NUL */
    size_t environment_size;  /* bytes of all of them, NULs included */
} AgentExec;

/*
 * Pack @exec into @buffer of @size bytes. @exec->folder may be NULL for the
 * default; @exec->environment may be NULL when environment_size is 0.
 * Returns the bytes written, or 0 when they do not fit.
 */
size_t agent_exec_pack(const AgentExec *exec, uint8_t *buffer, size_t size);

/* Returns 0, or -1 when the payload is no EXEC (a string without its NUL). */
int agent_exec_unpack(AgentExec *exec, const uint8_t *payload, size_t size);

/*
 * Walk the environment: returns the string at *@offset and moves *@offset
 * behind it, or NULL at the end. Begin with *@offset = 0.
 */
const char *agent_exec_environment_next(const AgentExec *exec,
                                        size_t *offset);

/*
 * SYNC_ACK
 *   0  u64  nonce of the SYNC it answers
 *   8  u32  AGENT_PROTOCOL_VERSION of the agent
 *  12  the agent's version, ending in NUL
 *      the kernel's boot id, ending in NUL (the same until the guest reboots)
 */
typedef struct AgentSyncAck {
    uint64_t nonce;
    uint32_t protocol;
    const char *version;
    const char *boot_id;
} AgentSyncAck;

/* As agent_exec_pack() and agent_exec_unpack(). */
size_t agent_sync_ack_pack(const AgentSyncAck *ack, uint8_t *buffer,
                           size_t size);
int agent_sync_ack_unpack(AgentSyncAck *ack, const uint8_t *payload,
                          size_t size);

#endif /* SUNDER_AGENT_MESSAGE_H */
