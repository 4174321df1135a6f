/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payloads of the agent's frames, see message.h
 */
#include "message.h"

#include <string.h>

#include "wire.h"

#define EXEC_FIXED      4u
#define SYNC_ACK_FIXED  12u

/*
 * Append @count bytes at *@used. Returns 0, or -1 when they do not fit.
 */
static int append(uint8_t *buffer, size_t size, size_t *used,
                  const void *data, size_t count)
{
    if (size - *used < count) {
        return -1;
    }
    if (count) {
        memcpy(buffer + *used, data, count);
    }
    *used += count;
    return 0;
}

static int append_string(uint8_t *buffer, size_t size, size_t *used,
                         const char *string)
{
    if (!string) {
        string = "";
    }
    return append(buffer, size, used, string, strlen(string) + 1);
}

/* Take one string off the payload; NULL when its NUL is missing. */
static const char *take_string(const uint8_t *payload, size_t size,
                               size_t *used)
{
    const uint8_t *string = payload + *used;
    const uint8_t *nul = memchr(string, 0, size - *used);

    if (!nul) {
        return NULL;
    }
    *used += (size_t)(nul - string) + 1;
    return (const char *)string;
}

size_t agent_exec_pack(const AgentExec *exec, uint8_t *buffer, size_t size)
{
    size_t used = EXEC_FIXED;

    if (size < EXEC_FIXED) {
        return 0;
    }
    wire_put16(buffer, exec->rows);
    wire_put16(buffer + 2, exec->columns);
    if (append_string(buffer, size, &used, exec->folder) < 0 ||
        append_string(buffer, size, &used, exec->command) < 0 ||
        append(buffer, size, &used, exec->environment,
               exec->environment_size) < 0) {
        return 0;
    }
    return used;
}

int agent_exec_unpack(AgentExec *exec, const uint8_t *payload, size_t size)
{
    size_t used = EXEC_FIXED;

    if (size < EXEC_FIXED) {
        return -1;
    }
    exec->rows = wire_get16(payload);
    exec->columns = wire_get16(payload + 2);
    exec->folder = take_string(payload, size, &used);
    if (!exec->folder) {
        return -1;
    }
    exec->command = take_string(payload, size, &used);
    if (!exec->command) {
        return -1;
    }
    exec->environment = (const char *)payload + used;
    exec->environment_size = size - used;
    /* Walked with strlen() later: the last byte must be the last NUL. */
    return used == size || payload[size - 1] == 0 ? 0 : -1;
}

const char *agent_exec_environment_next(const AgentExec *exec,
                                        size_t *offset)
{
    const char *string;

    if (*offset >= exec->environment_size) {
        return NULL;
    }
    string = exec->environment + *offset;
    *offset += strlen(string) + 1;
    return string;
}

size_t agent_sync_ack_pack(const AgentSyncAck *ack, uint8_t *buffer,
                           size_t size)
{
    size_t used = SYNC_ACK_FIXED;

    if (size < SYNC_ACK_FIXED) {
        return 0;
    }
    wire_put64(buffer, ack->nonce);
    wire_put32(buffer + 8, ack->protocol);
    if (append_string(buffer, size, &used, ack->version) < 0 ||
        append_string(buffer, size, &used, ack->boot_id) < 0) {
        return 0;
    }
    return used;
}

int agent_sync_ack_unpack(AgentSyncAck *ack, const uint8_t *payload,
                          size_t size)
{
    size_t used = SYNC_ACK_FIXED;

    if (size < SYNC_ACK_FIXED) {
        return -1;
    }
    ack->nonce = wire_get64(payload);
    ack->protocol = wire_get32(payload + 8);
    ack->version = take_string(payload, size, &used);
    if (!ack->version) {
        return -1;
    }
    ack->boot_id = take_string(payload, size, &used);
    return ack->boot_id ? 0 : -1;
}
