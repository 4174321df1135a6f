/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzing of the agent's protocol: the parser of frames and the payloads
 *
 * Input: byte 0 says in which pieces the rest arrives. Whatever arrives, the
 * parser must end, stay within its bytes, and find the good frame that
 * follows the noise.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/frame.h"
#include "agent/message.h"

#define MARK  0xfeedbeefu

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static AgentParser parser;
static int mark_seen;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* Read each byte of a string, so that a missing NUL is noticed. */
static size_t walk_string(const char *string, const uint8_t *payload,
                          size_t size)
{
    size_t length = strlen(string);

    require((const uint8_t *)string >= payload);
    require((const uint8_t *)string + length < payload + size);
    return length;
}

static void walk_payload(const AgentFrame *frame)
{
    AgentExec exec;
    AgentSyncAck ack;
    const char *string;
    size_t offset = 0;

    require(frame->length <= AGENT_PAYLOAD_MAX);
    if (agent_exec_unpack(&exec, frame->payload, frame->length) == 0) {
        walk_string(exec.folder, frame->payload, frame->length);
        walk_string(exec.command, frame->payload, frame->length);
        while ((string = agent_exec_environment_next(&exec, &offset))) {
            walk_string(string, frame->payload, frame->length);
        }
    }
    if (agent_sync_ack_unpack(&ack, frame->payload, frame->length) == 0) {
        walk_string(ack.version, frame->payload, frame->length);
        walk_string(ack.boot_id, frame->payload, frame->length);
    }
}

/* Take all there is; each call must make headway. */
static void drain(void)
{
    AgentFrame frame;
    AgentParse result;
    size_t calls = 0;

    while ((result = agent_parser_next(&parser, &frame)) !=
           AGENT_PARSE_MORE) {
        require(++calls <= 2 * AGENT_FRAME_MAX);
        if (result == AGENT_PARSE_FRAME) {
            walk_payload(&frame);
            mark_seen |= frame.id == MARK;
        }
    }
}

static void arrive(const uint8_t *data, size_t size, size_t piece)
{
    while (size) {
        size_t taken = agent_parser_push(&parser, data,
                                         size < piece ? size : piece);

        require(taken > 0);
        drain();
        data += taken;
        size -= taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t filler[AGENT_FRAME_MAX];
    uint8_t mark[AGENT_HEADER_SIZE];
    AgentFrame frame = { .type = AGENT_STDOUT, .id = MARK };

    if (size < 1) {
        return 0;
    }
    agent_parser_reset(&parser);
    mark_seen = 0;
    arrive(data + 1, size - 1, data[0] + 1u);
    /* A header that announces much takes what follows for its payload. */
    if (parser.start < parser.end) {
        arrive(filler, sizeof(filler), sizeof(filler));
    }
    require(agent_frame_encode(&frame, mark, sizeof(mark)) == sizeof(mark));
    arrive(mark, sizeof(mark), sizeof(mark));
    require(mark_seen);
    walk_payload(&(AgentFrame) {
        .payload = data + 1, .length = (uint32_t)(size - 1),
    });
    return 0;
}
