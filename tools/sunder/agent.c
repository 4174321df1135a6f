/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host half of the agent's protocol
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "agent/frame.h"
#include "agent/message.h"
#include "agent/wire.h"
#include "error.h"
#include "unix-socket.h"

/*
 * A SYNC that reaches the port while the guest has no reader on it may be
 * thrown away by the guest's driver, so it is sent again until answered.
 */
#define AGENT_SYNC_REPEAT_US (1 * G_USEC_PER_SEC)

typedef struct AgentSession {
    uint32_t id;
    AgentOutput output;
    void *opaque;
    uint32_t unacknowledged;  /* bytes of STDIN under way */
    bool input_ended;
    bool finished;
    int status;
    char *message;
} AgentSession;

struct Agent {
    int fd;
    uint64_t nonce;
    gint64 sync_sent_us;
    bool synced;
    bool ready;
    char *boot_id;
    uint32_t last_id;
    GHashTable *sessions;     /* id -> AgentSession */
    GByteArray *output;       /* to be sent */
    GByteArray *held;         /* to be sent after SYNC_ACK */
    AgentParser parser;
};

static void agent_session_free(AgentSession *session)
{
    g_free(session->message);
    g_free(session);
}

static AgentSession *agent_session(const Agent *agent, uint32_t id)
{
    return g_hash_table_lookup(agent->sessions, GUINT_TO_POINTER(id));
}

void agent_free(Agent *agent)
{
    if (!agent) {
        return;
    }
    close(agent->fd);
    g_free(agent->boot_id);
    g_hash_table_unref(agent->sessions);
    g_byte_array_unref(agent->output);
    g_byte_array_unref(agent->held);
    g_free(agent);
}

static void agent_queue(Agent *agent, AgentType type, uint16_t flags,
                        uint32_t id, const void *payload, size_t size)
{
    AgentFrame frame = {
        .type = type, .flags = flags, .id = id, .length = (uint32_t)size,
        .payload = payload,
    };
    uint8_t header[AGENT_HEADER_SIZE];
    GByteArray *queue = agent->synced || type == AGENT_SYNC ? agent->output
                                                            : agent->held;

    g_assert(agent_frame_header(&frame, header) == 0);
    g_byte_array_append(queue, header, sizeof(header));
    g_byte_array_append(queue, payload, (guint)size);
}

static void agent_send_sync(Agent *agent)
{
    uint8_t payload[8];

    wire_put64(payload, agent->nonce);
    agent->sync_sent_us = g_get_monotonic_time();
    agent_queue(agent, AGENT_SYNC, 0, 0, payload, sizeof(payload));
}

bool agent_synced(const Agent *agent)
{
    return agent->synced;
}

bool agent_ready(const Agent *agent)
{
    return agent->ready;
}

const char *agent_boot_id(const Agent *agent)
{
    return agent->boot_id;
}

static GByteArray *agent_environment(const char *const *environment)
{
    GByteArray *packed = g_byte_array_new();

    for (; environment && *environment; environment++) {
        g_byte_array_append(packed, (const guint8 *)*environment,
                            (guint)strlen(*environment) + 1);
    }
    return packed;
}

uint32_t agent_start(Agent *agent, const AgentCommand *command,
                     GError **error)
{
    g_autoptr(GByteArray) environment =
        agent_environment(command->environment);
    AgentExec exec = {
        .rows = command->rows, .columns = command->columns,
        .folder = command->folder, .command = command->command,
        .environment = (const char *)environment->data,
        .environment_size = environment->len,
    };
    g_autofree uint8_t *payload = g_malloc(AGENT_PAYLOAD_MAX);
    size_t size = agent_exec_pack(&exec, payload, AGENT_PAYLOAD_MAX);
    AgentSession *session;

    if (!size) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "the command and its environment exceed %u bytes",
                    AGENT_PAYLOAD_MAX);
        return 0;
    }
    session = g_new0(AgentSession, 1);
    session->id = ++agent->last_id;
    session->output = command->output;
    session->opaque = command->opaque;
    session->input_ended = command->flags & AGENT_EXEC_NO_STDIN;
    g_hash_table_insert(agent->sessions, GUINT_TO_POINTER(session->id),
                        session);
    agent_queue(agent, AGENT_EXEC, command->flags, session->id, payload,
                size);
    return session->id;
}

bool agent_finished(const Agent *agent, uint32_t id, int *status,
                    const char **message)
{
    AgentSession *session = agent_session(agent, id);

    if (!session || !session->finished) {
        return false;
    }
    if (status) {
        *status = session->status;
    }
    if (message) {
        *message = session->message;
    }
    return true;
}

void agent_forget(Agent *agent, uint32_t id)
{
    g_hash_table_remove(agent->sessions, GUINT_TO_POINTER(id));
}

int agent_exit_code(int status)
{
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : EXIT_FAILED;
}

size_t agent_input_room(const Agent *agent, uint32_t id)
{
    AgentSession *session = agent_session(agent, id);

    if (!session || session->finished || session->input_ended) {
        return 0;
    }
    return AGENT_STDIN_WINDOW - session->unacknowledged;
}

size_t agent_input(Agent *agent, uint32_t id, const void *data, size_t size)
{
    size_t taken = MIN(size, agent_input_room(agent, id));

    if (taken) {
        agent_session(agent, id)->unacknowledged += (uint32_t)taken;
        agent_queue(agent, AGENT_STDIN, 0, id, data, taken);
    }
    return taken;
}

void agent_input_end(Agent *agent, uint32_t id)
{
    AgentSession *session = agent_session(agent, id);

    if (session && !session->finished && !session->input_ended) {
        session->input_ended = true;
        agent_queue(agent, AGENT_STDIN_EOF, 0, id, NULL, 0);
    }
}

void agent_signal(Agent *agent, uint32_t id, int signal)
{
    uint8_t payload[4];

    wire_put32(payload, (uint32_t)signal);
    agent_queue(agent, AGENT_SIGNAL, 0, id, payload, sizeof(payload));
}

void agent_resize(Agent *agent, uint32_t id, uint16_t rows, uint16_t columns)
{
    uint8_t payload[4];

    wire_put16(payload, rows);
    wire_put16(payload + 2, columns);
    agent_queue(agent, AGENT_RESIZE, 0, id, payload, sizeof(payload));
}

static void agent_take_sync_ack(Agent *agent, const AgentFrame *frame)
{
    AgentSyncAck ack;

    if (agent_sync_ack_unpack(&ack, frame->payload, frame->length) < 0 ||
        ack.nonce != agent->nonce) {
        return;
    }
    agent->ready = frame->flags & AGENT_ACK_READY;
    g_free(agent->boot_id);
    agent->boot_id = g_strdup(ack.boot_id);
    if (!agent->synced) {
        agent->synced = true;
        g_byte_array_append(agent->output, agent->held->data,
                            agent->held->len);
        g_byte_array_set_size(agent->held, 0);
    }
}

static void agent_finish(AgentSession *session, int status, char *message)
{
    session->finished = true;
    session->status = status;
    session->message = message;
}

static void agent_take_error(AgentSession *session, const AgentFrame *frame)
{
    size_t length = frame->length > 4 ? frame->length - 4 : 0;
    int number = frame->length >= 4 ? (int)wire_get32(frame->payload) : 0;
    g_autofree char *text = g_strndup((const char *)frame->payload + 4,
                                      length);
    g_autofree char *good = g_utf8_make_valid(text, -1);

    agent_finish(session, -1, g_strdup_printf(
        "the guest's agent: %s (%s)", *good ? good : "error",
        g_strerror(number)));
}

static void agent_take_frame(Agent *agent, const AgentFrame *frame)
{
    AgentSession *session = agent_session(agent, frame->id);

    if (frame->type == AGENT_SYNC_ACK) {
        agent_take_sync_ack(agent, frame);
        return;
    }
    if (!agent->synced || !session || session->finished) {
        return;     /* left over from a connection before this one */
    }
    switch (frame->type) {
    case AGENT_STDOUT:
    case AGENT_STDERR:
        if (session->output) {
            session->output(frame->type == AGENT_STDOUT ? AGENT_STREAM_STDOUT
                                                        : AGENT_STREAM_STDERR,
                            frame->payload, frame->length, session->opaque);
        }
        break;
    case AGENT_STDIN_ACK:
        if (frame->length == 4) {
            session->unacknowledged -= MIN(wire_get32(frame->payload),
                                           session->unacknowledged);
        }
        break;
    case AGENT_EXIT:
        agent->ready = true;
        agent_finish(session, frame->length == 4
                     ? (int)wire_get32(frame->payload) : -1, NULL);
        break;
    case AGENT_ERROR:
        agent_take_error(session, frame);
        break;
    default:
        break;      /* of a later protocol: not for us */
    }
}

static void agent_take_frames(Agent *agent)
{
    AgentFrame frame;
    AgentParse result;

    while ((result = agent_parser_next(&agent->parser, &frame)) !=
           AGENT_PARSE_MORE) {
        if (result == AGENT_PARSE_FRAME) {
            agent_take_frame(agent, &frame);
        }
    }
}

/* 1: something was read; 0: nothing there now; -1: the other end is gone */
static int agent_receive(Agent *agent)
{
    size_t room;
    uint8_t *space = agent_parser_space(&agent->parser, &room);
    ssize_t got = recv(agent->fd, space, room, 0);

    if (got > 0) {
        agent_parser_received(&agent->parser, (size_t)got);
        agent_take_frames(agent);
        return 1;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static bool agent_transmit(Agent *agent)
{
    while (agent->output->len) {
        ssize_t sent = send(agent->fd, agent->output->data,
                            agent->output->len, MSG_NOSIGNAL);

        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        g_byte_array_remove_range(agent->output, 0, (guint)sent);
    }
    return true;
}

Agent *agent_open(const char *path, GError **error)
{
    int failure;
    int fd = unix_socket_connect(path, &failure);
    Agent *agent;

    if (fd < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot connect to the guest's agent: %s", path,
                    g_strerror(failure));
        return NULL;
    }
    agent = g_new0(Agent, 1);
    agent->fd = fd;
    agent->nonce = (uint64_t)g_random_int() << 32 | g_random_int();
    agent->sessions = g_hash_table_new_full(
        NULL, NULL, NULL, (GDestroyNotify)agent_session_free);
    agent->output = g_byte_array_new();
    agent->held = g_byte_array_new();
    agent_parser_reset(&agent->parser);
    agent_send_sync(agent);
    agent_transmit(agent);      /* a failure shows at the first dispatch */
    return agent;
}

bool agent_dispatch(Agent *agent, GError **error)
{
    /* Bounded, so that a guest that floods us cannot starve the caller. */
    enum { READS_MAX = 64 };
    int got = 1;

    if (!agent->synced && agent->output->len == 0 &&
        g_get_monotonic_time() - agent->sync_sent_us > AGENT_SYNC_REPEAT_US) {
        agent_send_sync(agent);
    }
    for (int i = 0; i < READS_MAX && got > 0; i++) {
        got = agent_receive(agent);
    }
    if (got < 0 || !agent_transmit(agent)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the connection to the guest's agent is lost");
        return false;
    }
    return true;
}

int agent_fd(const Agent *agent)
{
    return agent->fd;
}

short agent_events(const Agent *agent)
{
    return (short)(agent->output->len ? POLLIN | POLLOUT : POLLIN);
}
