/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames between host and guest: whole, in pieces, and damaged on the way
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "agent/frame.h"
#include "agent/wire.h"

static AgentParser parser;
static uint8_t wire[4 * AGENT_FRAME_MAX];
static size_t wire_size;

static void setup(void)
{
    agent_parser_reset(&parser);
    wire_size = 0;
}

TestSuite(agent_frame, .init = setup);

/* Append a frame to the bytes under way; returns where it begins. */
static size_t add_frame(uint16_t type, uint32_t id, const void *payload,
                        uint32_t length)
{
    AgentFrame frame = {
        .type = type,
        .flags = 0x8001,
        .id = id,
        .length = length,
        .payload = payload,
    };
    size_t begin = wire_size;

    wire_size += agent_frame_encode(&frame, wire + wire_size,
                                    sizeof(wire) - wire_size);
    return begin;
}

/* The header's own checksum, made right after a field was changed. */
static void mend_header(size_t begin)
{
    wire_put32(wire + begin + 20, agent_crc32(wire + begin, 20));
}

/* Parse all bytes at once; returns the frames found and counts the damage. */
static unsigned parse_all(unsigned *damaged, AgentFrame *last)
{
    AgentParse result;
    AgentFrame frame;
    unsigned frames = 0;
    size_t taken = 0;

    *damaged = 0;
    do {
        taken += agent_parser_push(&parser, wire + taken, wire_size - taken);
        while ((result = agent_parser_next(&parser, &frame)) !=
               AGENT_PARSE_MORE) {
            if (result == AGENT_PARSE_FRAME) {
                frames++;
                *last = frame;
            } else {
                (*damaged)++;
            }
        }
    } while (taken < wire_size);
    return frames;
}

Test(agent_frame, crc_is_that_of_ieee_802_3)
{
    /* The check value that catalogues of CRCs give for CRC-32. */
    cr_expect_eq(agent_crc32("123456789", 9), 0xcbf43926u);
    cr_expect_eq(agent_crc32("", 0), 0u);
}

Test(agent_frame, header_has_its_fields_where_the_protocol_says)
{
    add_frame(AGENT_STDIN, 0x11223344, "abc", 3);

    cr_expect_eq(wire_size, AGENT_HEADER_SIZE + 3);
    cr_expect_arr_eq(wire, "SNDR\x03\x00\x01\x80\x44\x33\x22\x11"
                     "\x03\x00\x00\x00", 16);
    cr_expect_eq(wire_get32(wire + 16), agent_crc32("abc", 3));
    cr_expect_arr_eq(wire + AGENT_HEADER_SIZE, "abc", 3);
}

Test(agent_frame, whole_frame_comes_back_as_it_was)
{
    unsigned damaged;
    AgentFrame frame;

    add_frame(AGENT_EXIT, 7, "\x01\x02\x03\x04", 4);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(damaged, 0);
    cr_expect_eq(frame.type, AGENT_EXIT);
    cr_expect_eq(frame.flags, 0x8001);
    cr_expect_eq(frame.id, 7);
    cr_expect_eq(frame.length, 4);
    cr_expect_arr_eq(frame.payload, "\x01\x02\x03\x04", 4);
}

Test(agent_frame, frame_without_payload_needs_no_further_byte)
{
    unsigned damaged;
    AgentFrame frame;

    add_frame(AGENT_STDIN_EOF, 9, NULL, 0);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(frame.length, 0);
    cr_expect_not_null(frame.payload);
}

Test(agent_frame, frames_arrive_byte_by_byte)
{
    AgentFrame frame;
    unsigned frames = 0;

    add_frame(AGENT_STDOUT, 1, "one", 3);
    add_frame(AGENT_STDOUT, 2, "two", 3);

    for (size_t i = 0; i < wire_size; i++) {
        cr_assert_eq(agent_parser_push(&parser, wire + i, 1), 1);
        if (agent_parser_next(&parser, &frame) == AGENT_PARSE_FRAME) {
            frames++;
            cr_expect_eq(frame.id, frames);
        }
    }
    cr_expect_eq(frames, 2);
}

Test(agent_frame, longest_payload_passes)
{
    static uint8_t payload[AGENT_PAYLOAD_MAX];
    unsigned damaged;
    AgentFrame frame;

    memset(payload, 0x5a, sizeof(payload));
    add_frame(AGENT_STDOUT, 1, payload, sizeof(payload));
    add_frame(AGENT_STDOUT, 2, payload, sizeof(payload));
    add_frame(AGENT_STDOUT, 3, payload, sizeof(payload));

    cr_assert_eq(parse_all(&damaged, &frame), 3);
    cr_expect_eq(damaged, 0);
    cr_expect_eq(frame.length, AGENT_PAYLOAD_MAX);
    cr_expect_eq(frame.payload[AGENT_PAYLOAD_MAX - 1], 0x5a);
}

Test(agent_frame, longer_payload_is_not_encoded)
{
    AgentFrame frame = { .length = AGENT_PAYLOAD_MAX + 1, .payload = wire };
    uint8_t header[AGENT_HEADER_SIZE];

    cr_expect_eq(agent_frame_header(&frame, header), -1);
    cr_expect_eq(agent_frame_encode(&frame, wire, sizeof(wire)), 0);
}

Test(agent_frame, frame_is_not_encoded_into_too_small_a_buffer)
{
    AgentFrame frame = { .length = 3, .payload = (const uint8_t *)"abc" };
    uint8_t buffer[AGENT_HEADER_SIZE + 2];

    cr_expect_eq(agent_frame_encode(&frame, buffer, sizeof(buffer)), 0);
    cr_expect_eq(agent_frame_encode(&frame, buffer, 3), 0);
}

Test(agent_frame, announced_length_beyond_the_limit_is_refused_at_once)
{
    AgentFrame frame;

    wire_put32(wire + add_frame(AGENT_STDOUT, 1, NULL, 0) + 12,
               AGENT_PAYLOAD_MAX + 1);
    mend_header(0);

    agent_parser_push(&parser, wire, AGENT_HEADER_SIZE);
    cr_expect_eq(agent_parser_next(&parser, &frame), AGENT_PARSE_BAD_LENGTH);
    cr_expect_eq(agent_parser_next(&parser, &frame), AGENT_PARSE_MORE);
}

Test(agent_frame, garbage_before_a_frame_is_skipped)
{
    unsigned damaged;
    AgentFrame frame;

    memcpy(wire, "SNDlogin: SN", 12);
    wire_size = 12;
    add_frame(AGENT_STDOUT, 5, "x", 1);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(frame.id, 5);
    cr_expect_geq(damaged, 1);
}

Test(agent_frame, damaged_header_costs_its_frame_only)
{
    unsigned damaged;
    AgentFrame frame;

    wire[add_frame(AGENT_STDOUT, 1, "lost", 4) + 8] ^= 0x40;
    add_frame(AGENT_STDOUT, 2, "kept", 4);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(frame.id, 2);
    cr_expect_geq(damaged, 1);
}

Test(agent_frame, damaged_payload_costs_its_frame_only)
{
    unsigned damaged;
    AgentFrame frame;

    wire[add_frame(AGENT_STDOUT, 1, "lost", 4) + AGENT_HEADER_SIZE] ^= 1;
    add_frame(AGENT_STDOUT, 2, "kept", 4);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(frame.id, 2);
    cr_expect_geq(damaged, 1);
}

Test(agent_frame, frame_cut_short_does_not_swallow_the_next)
{
    unsigned damaged;
    AgentFrame frame;

    add_frame(AGENT_STDOUT, 1, "cut short", 9);
    wire_size -= 5;
    add_frame(AGENT_STDOUT, 2, "kept", 4);

    cr_assert_eq(parse_all(&damaged, &frame), 1);
    cr_expect_eq(frame.id, 2);
}

Test(agent_frame, every_single_flipped_bit_is_noticed)
{
    unsigned damaged;
    AgentFrame frame;

    add_frame(AGENT_SYNC, 0, "12345678", 8);
    for (size_t bit = 0; bit < 8 * (AGENT_HEADER_SIZE + 8); bit++) {
        agent_parser_reset(&parser);
        wire[bit / 8] ^= 1 << bit % 8;
        cr_expect_eq(parse_all(&damaged, &frame), 0, "bit %zu", bit);
        wire[bit / 8] ^= 1 << bit % 8;
    }
}

Test(agent_frame, good_frames_survive_random_noise_between_them)
{
    unsigned damaged;
    AgentFrame frame;
    unsigned frames = 0;

    srand(1);
    for (unsigned round = 0; round < 500; round++) {
        wire_size = (size_t)rand() % 200;
        for (size_t i = 0; i < wire_size; i++) {
            wire[i] = (uint8_t)(rand() % 4 ? rand() : "SNDR"[i % 4]);
        }
        add_frame(AGENT_STDOUT, round, "good", 4);
        frames += parse_all(&damaged, &frame);
    }
    cr_expect_eq(frames, 500);
}

Test(agent_frame, full_parser_takes_no_more_and_loses_nothing)
{
    static uint8_t payload[AGENT_PAYLOAD_MAX];
    AgentFrame frame;
    size_t taken;

    add_frame(AGENT_STDOUT, 1, payload, sizeof(payload));
    add_frame(AGENT_STDOUT, 2, payload, sizeof(payload));
    add_frame(AGENT_STDOUT, 3, payload, sizeof(payload));

    taken = agent_parser_push(&parser, wire, wire_size);
    cr_assert_eq(taken, 2 * AGENT_FRAME_MAX);
    cr_expect_eq(agent_parser_push(&parser, wire + taken, 1), 0);
    cr_expect_eq(agent_parser_next(&parser, &frame), AGENT_PARSE_FRAME);
    taken += agent_parser_push(&parser, wire + taken, wire_size - taken);
    cr_expect_eq(taken, wire_size);
    cr_expect_eq(agent_parser_next(&parser, &frame), AGENT_PARSE_FRAME);
    cr_expect_eq(agent_parser_next(&parser, &frame), AGENT_PARSE_FRAME);
    cr_expect_eq(frame.id, 3);
}
