/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host half of the agent's protocol, against a peer that plays the guest
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "agent.h"
#include "agent/frame.h"
#include "agent/message.h"
#include "agent/wire.h"
#include "peer.h"

#define WAIT_MS 5000

/* What the guest's end has: its parser, and the nonce it was greeted with */
typedef struct Guest {
    int fd;
    AgentParser parser;
} Guest;

static void say(Guest *guest, uint16_t type, uint32_t id, const void *payload,
                uint32_t length)
{
    AgentFrame frame = {
        .type = type, .id = id, .length = length, .payload = payload,
    };
    g_autofree uint8_t *bytes = g_malloc(AGENT_FRAME_MAX);
    size_t size = agent_frame_encode(&frame, bytes, AGENT_FRAME_MAX);

    send(guest->fd, bytes, size, MSG_NOSIGNAL);
}

static void say32(Guest *guest, uint16_t type, uint32_t id, uint32_t value)
{
    uint8_t payload[4];

    wire_put32(payload, value);
    say(guest, type, id, payload, sizeof(payload));
}

/* The next frame; false when the host has left. */
static bool hear(Guest *guest, AgentFrame *frame)
{
    while (agent_parser_next(&guest->parser, frame) != AGENT_PARSE_FRAME) {
        size_t room;
        uint8_t *space = agent_parser_space(&guest->parser, &room);
        ssize_t got = read(guest->fd, space, room);

        if (got <= 0) {
            return false;
        }
        agent_parser_received(&guest->parser, (size_t)got);
    }
    return true;
}

static void acknowledge(Guest *guest, uint64_t nonce)
{
    AgentSyncAck ack = {
        .nonce = nonce, .protocol = AGENT_PROTOCOL_VERSION, .version = "1",
        .boot_id = "boot",
    };
    uint8_t payload[64];
    size_t size = agent_sync_ack_pack(&ack, payload, sizeof(payload));

    say(guest, AGENT_SYNC_ACK, 0, payload, (uint32_t)size);
}

static Guest *greet(int fd)
{
    Guest *guest = g_new0(Guest, 1);
    AgentFrame frame;

    guest->fd = fd;
    agent_parser_reset(&guest->parser);
    cr_assert(hear(guest, &frame));
    cr_assert_eq(frame.type, AGENT_SYNC);
    /* Left over from a connection before: must not be taken for ours. */
    say(guest, AGENT_STDOUT, 1, "stale", 5);
    acknowledge(guest, wire_get64(frame.payload) + 1);
    say32(guest, AGENT_EXIT, 1, 99 << 8);
    acknowledge(guest, wire_get64(frame.payload));
    return guest;
}

static void play_command(int fd, void *opaque)
{
    g_autofree Guest *guest = greet(fd);
    AgentFrame frame;
    AgentExec exec;

    cr_assert(hear(guest, &frame));
    cr_assert_eq(frame.type, AGENT_EXEC);
    cr_assert_eq(agent_exec_unpack(&exec, frame.payload, frame.length), 0);
    say(guest, AGENT_STDOUT, frame.id, exec.command,
        (uint32_t)strlen(exec.command));
    say(guest, AGENT_STDERR, frame.id, "err", 3);
    say32(guest, AGENT_EXIT, frame.id, 7 << 8);
}

typedef struct Output {
    GString *text[2];
} Output;

static void take_output(AgentStream stream, const uint8_t *data, size_t size,
                        void *opaque)
{
    Output *output = opaque;

    g_string_append_len(output->text[stream], (const char *)data,
                        (gssize)size);
}

/* Turn the wheel until command @id is over; false when that does not come. */
static bool finish(Agent *agent, uint32_t id, int *status,
                   const char **message)
{
    for (int turn = 0; turn < WAIT_MS / 10; turn++) {
        struct pollfd pollfd = {
            .fd = agent_fd(agent), .events = agent_events(agent),
        };
        bool alive;

        poll(&pollfd, 1, 10);
        alive = agent_dispatch(agent, NULL);
        if (agent_finished(agent, id, status, message)) {
            return true;
        }
        if (!alive) {
            return false;
        }
    }
    return false;
}

Test(agent, a_command_gives_output_errors_and_status)
{
    Output output = { { g_string_new(NULL), g_string_new(NULL) } };
    AgentCommand command = {
        .command = "echo hello", .output = take_output, .opaque = &output,
    };
    int status = 0;
    uint32_t id;
    Peer peer;
    Agent *agent;

    peer_start(&peer, play_command, NULL);
    agent = agent_open(peer.path, NULL);
    id = agent_start(agent, &command, NULL);
    cr_assert(finish(agent, id, &status, NULL));
    cr_expect_eq(agent_exit_code(status), 7);
    cr_expect_str_eq(output.text[0]->str, "echo hello");
    cr_expect_str_eq(output.text[1]->str, "err");
    cr_expect_str_eq(agent_boot_id(agent), "boot");
    agent_free(agent);
    peer_finish(&peer);
}

static void play_error(int fd, void *opaque)
{
    g_autofree Guest *guest = greet(fd);
    uint8_t payload[] = { 11, 0, 0, 0, 'f', 'u', 'l', 'l' };
    AgentFrame frame;

    cr_assert(hear(guest, &frame));
    say(guest, AGENT_ERROR, frame.id, payload, sizeof(payload));
}

Test(agent, an_error_ends_the_command_with_its_words)
{
    AgentCommand command = { .command = "true" };
    const char *message = NULL;
    int status = 0;
    uint32_t id;
    Peer peer;
    Agent *agent;

    peer_start(&peer, play_error, NULL);
    agent = agent_open(peer.path, NULL);
    id = agent_start(agent, &command, NULL);
    cr_assert(finish(agent, id, &status, &message));
    cr_expect_eq(status, -1);
    cr_expect(strstr(message, "full"));
    agent_free(agent);
    peer_finish(&peer);
}

/* Takes input without a word until the window is full, then lets go. */
static void play_input(int fd, void *opaque)
{
    g_autofree Guest *guest = greet(fd);
    uint64_t got = 0, released = 0;
    AgentFrame frame;
    uint32_t id;

    cr_assert(hear(guest, &frame));
    id = frame.id;
    while (hear(guest, &frame) && frame.type == AGENT_STDIN) {
        got += frame.length;
        cr_expect_leq(got - released, AGENT_STDIN_WINDOW);
        if (got - released == AGENT_STDIN_WINDOW) {
            say32(guest, AGENT_STDIN_ACK, id, AGENT_STDIN_WINDOW);
            released = got;
        }
    }
    cr_expect_eq(frame.type, AGENT_STDIN_EOF);
    cr_expect_eq(got, *(uint64_t *)opaque);
    say32(guest, AGENT_EXIT, id, 0);
}

Test(agent, input_keeps_within_the_window)
{
    uint64_t total = 3 * AGENT_STDIN_WINDOW, sent = 0;
    g_autofree uint8_t *data = g_malloc0(total);
    AgentCommand command = { .command = "cat >/dev/null" };
    int status = -1;
    uint32_t id;
    Peer peer;
    Agent *agent;

    peer_start(&peer, play_input, &total);
    agent = agent_open(peer.path, NULL);
    id = agent_start(agent, &command, NULL);
    while (sent < total) {
        struct pollfd pollfd = {
            .fd = agent_fd(agent), .events = agent_events(agent),
        };

        sent += agent_input(agent, id, data + sent, total - sent);
        poll(&pollfd, 1, 10);
        cr_assert(agent_dispatch(agent, NULL));
    }
    agent_input_end(agent, id);
    cr_expect_eq(agent_input_room(agent, id), 0);
    cr_assert(finish(agent, id, &status, NULL));
    cr_expect_eq(status, 0);
    agent_free(agent);
    peer_finish(&peer);
}

static void play_leave(int fd, void *opaque)
{
    g_free(greet(fd));
}

Test(agent, a_guest_that_leaves_is_told)
{
    AgentCommand command = { .command = "true" };
    uint32_t id;
    Peer peer;
    Agent *agent;

    peer_start(&peer, play_leave, NULL);
    agent = agent_open(peer.path, NULL);
    id = agent_start(agent, &command, NULL);
    cr_expect_not(finish(agent, id, NULL, NULL));
    agent_free(agent);
    peer_finish(&peer);
}

Test(agent, a_command_too_long_is_refused)
{
    g_autofree char *text = g_strnfill(AGENT_PAYLOAD_MAX, 'x');
    AgentCommand command = { .command = text };
    g_autoptr(GError) error = NULL;
    Peer peer;
    Agent *agent;

    peer_start(&peer, play_leave, NULL);
    agent = agent_open(peer.path, NULL);
    cr_expect_eq(agent_start(agent, &command, &error), 0);
    cr_expect_not_null(error);
    agent_free(agent);
    peer_finish(&peer);
}

Test(agent, exit_codes_are_those_of_a_shell)
{
    cr_expect_eq(agent_exit_code(7 << 8), 7);
    cr_expect_eq(agent_exit_code(9), 137);
}
