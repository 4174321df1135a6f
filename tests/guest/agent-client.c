/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of the agent's protocol for tests, see agent-client.h
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent-client.h"
#include "agent/wire.h"

#define CONNECT_TRIES     1000
#define CONNECT_PAUSE_US  10000

static void outcome_free(gpointer data)
{
    Outcome *outcome = data;

    g_string_free(outcome->output, TRUE);
    g_string_free(outcome->errors, TRUE);
    g_free(outcome);
}

Client *client_new(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    Client *client = g_new0(Client, 1);
    int tries = CONNECT_TRIES;

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(client->fd, (struct sockaddr *)&address,
                   sizeof(address)) < 0) {
        if (--tries == 0) {
            g_error("%s: %s", path, g_strerror(errno));
        }
        g_usleep(CONNECT_PAUSE_US);
    }
    agent_parser_reset(&client->parser);
    client->outcomes = g_hash_table_new_full(NULL, NULL, NULL, outcome_free);
    client->errors = g_string_new(NULL);
    return client;
}

void client_free(Client *client)
{
    close(client->fd);
    g_hash_table_unref(client->outcomes);
    g_string_free(client->errors, TRUE);
    g_free(client);
}

void client_send_raw(Client *client, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size) {
        ssize_t count = send(client->fd, bytes, size, MSG_NOSIGNAL);

        if (count < 0 && errno != EINTR) {
            g_error("cannot send to the agent: %s", g_strerror(errno));
        }
        bytes += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
}

void client_send(Client *client, AgentType type, uint16_t flags, uint32_t id,
                 const void *payload, size_t length)
{
    static uint8_t buffer[AGENT_FRAME_MAX];
    AgentFrame frame = {
        .type = type,
        .flags = flags,
        .id = id,
        .length = (uint32_t)length,
        .payload = payload,
    };
    size_t size = agent_frame_encode(&frame, buffer, sizeof(buffer));

    g_assert_cmpuint(size, >, 0);
    client_send_raw(client, buffer, size);
}

Outcome *client_outcome(Client *client, uint32_t id)
{
    Outcome *outcome = g_hash_table_lookup(client->outcomes,
                                           GUINT_TO_POINTER(id));

    if (!outcome) {
        outcome = g_new0(Outcome, 1);
        outcome->output = g_string_new(NULL);
        outcome->errors = g_string_new(NULL);
        g_hash_table_insert(client->outcomes, GUINT_TO_POINTER(id), outcome);
    }
    return outcome;
}

static void take_sync_ack(Client *client, const AgentFrame *frame)
{
    AgentSyncAck ack;

    g_assert_cmpint(agent_sync_ack_unpack(&ack, frame->payload,
                                          frame->length), ==, 0);
    g_assert_cmpuint(ack.protocol, ==, AGENT_PROTOCOL_VERSION);
    client->nonce = ack.nonce;
    client->ack_flags = frame->flags;
    g_strlcpy(client->boot_id, ack.boot_id, sizeof(client->boot_id));
}

static void take_error(Client *client, const AgentFrame *frame)
{
    Outcome *outcome;

    g_assert_cmpuint(frame->length, >=, 4);
    if (frame->id == 0) {
        client->errors_count++;
        g_string_append_len(client->errors,
                            (const char *)frame->payload + 4,
                            frame->length - 4);
        g_string_append_c(client->errors, '\n');
        return;
    }
    outcome = client_outcome(client, frame->id);
    outcome->error = wire_get32(frame->payload);
    outcome->done = TRUE;
}

static void take_frame(Client *client, const AgentFrame *frame)
{
    Outcome *outcome;

    if (frame->type == AGENT_SYNC_ACK) {
        take_sync_ack(client, frame);
        return;
    }
    if (frame->type == AGENT_ERROR) {
        take_error(client, frame);
        return;
    }
    outcome = client_outcome(client, frame->id);
    g_assert_false(outcome->done);
    switch (frame->type) {
    case AGENT_STDOUT:
        outcome->output_size += frame->length;
        if (!outcome->discard) {
            g_string_append_len(outcome->output,
                                (const char *)frame->payload, frame->length);
        }
        break;
    case AGENT_STDERR:
        g_string_append_len(outcome->errors, (const char *)frame->payload,
                            frame->length);
        break;
    case AGENT_EXIT:
        g_assert_cmpuint(frame->length, ==, 4);
        outcome->status = (int)wire_get32(frame->payload);
        outcome->done = TRUE;
        break;
    case AGENT_STDIN_ACK:
        g_assert_cmpuint(frame->length, ==, 4);
        outcome->acknowledged += wire_get32(frame->payload);
        break;
    default:
        g_error("frame of unexpected type %u", frame->type);
    }
}

gboolean client_receive(Client *client, int milliseconds)
{
    struct pollfd wait = { .fd = client->fd, .events = POLLIN };
    AgentParse result;
    AgentFrame frame;
    size_t room;
    uint8_t *space;
    ssize_t count;

    if (poll(&wait, 1, milliseconds) <= 0) {
        return FALSE;
    }
    space = agent_parser_space(&client->parser, &room);
    count = read(client->fd, space, room);
    if (count <= 0) {
        g_error("the agent's socket is closed: has the machine ended?");
    }
    agent_parser_received(&client->parser, (size_t)count);
    while ((result = agent_parser_next(&client->parser, &frame)) !=
           AGENT_PARSE_MORE) {
        /* Before the first SYNC_ACK anything may stand in the pipe. */
        if (result == AGENT_PARSE_FRAME) {
            take_frame(client, &frame);
        } else if (client->nonce) {
            g_error("the agent sent: %s", agent_parse_text(result));
        }
    }
    return TRUE;
}

static int milliseconds_until(gint64 end)
{
    gint64 left = (end - g_get_monotonic_time()) / 1000;

    return left > 0 ? (int)left : 0;
}

void client_sync(Client *client, unsigned seconds)
{
    gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    uint64_t nonce = ((uint64_t)g_random_int() << 32) | g_random_int() | 1;
    uint8_t payload[8];

    wire_put64(payload, nonce);
    client_send(client, AGENT_SYNC, 0, 0, payload, sizeof(payload));
    while (client->nonce != nonce) {
        if (!client_receive(client, milliseconds_until(end))) {
            g_error("no SYNC_ACK within %u s", seconds);
        }
    }
    g_hash_table_remove_all(client->outcomes);
}

uint32_t client_start_exec(Client *client, const AgentExec *exec,
                           uint16_t flags)
{
    static uint32_t last_id;
    static uint8_t payload[AGENT_PAYLOAD_MAX];
    size_t size = agent_exec_pack(exec, payload, sizeof(payload));

    g_assert_cmpuint(size, >, 0);
    client_send(client, AGENT_EXEC, flags, ++last_id, payload, size);
    return last_id;
}

uint32_t client_start(Client *client, const char *command, uint16_t flags)
{
    AgentExec exec = { .command = command };

    return client_start_exec(client, &exec, flags);
}

Outcome *client_wait(Client *client, uint32_t id, unsigned seconds)
{
    gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    Outcome *outcome = client_outcome(client, id);

    while (!outcome->done) {
        if (!client_receive(client, milliseconds_until(end))) {
            g_error("command %u has not ended within %u s", id, seconds);
        }
    }
    return outcome;
}

Outcome *client_run(Client *client, const char *command, uint16_t flags)
{
    return client_wait(client, client_start(client, command, flags), 60);
}
