/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the agent's protocol, see frame.h
 */
#include "frame.h"

#include <string.h>

#include "wire.h"

/* Offsets of the header's fields, see protocol.h */
enum {
    HEADER_MAGIC = 0,
    HEADER_TYPE = 4,
    HEADER_FLAGS = 6,
    HEADER_ID = 8,
    HEADER_LENGTH = 12,
    HEADER_PAYLOAD_CRC = 16,
    HEADER_CRC = 20,
};

/*
 * Four bits at a time: a table of 16 words costs no start-up time and is
 * quick enough for a port that moves some tens of MB/s at best. The words are
 * the CRCs of 0 to 15 under the reflected polynomial 0xedb88320.
 */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t agent_crc32(const void *data, size_t size)
{
    const uint8_t *byte = data;
    uint32_t crc = UINT32_MAX;

    while (size--) {
        crc ^= *byte++;
        crc = (crc >> 4) ^ crc_nibble[crc & 15];
        crc = (crc >> 4) ^ crc_nibble[crc & 15];
    }
    return ~crc;
}

int agent_frame_header(const AgentFrame *frame,
                       uint8_t header[AGENT_HEADER_SIZE])
{
    if (frame->length > AGENT_PAYLOAD_MAX) {
        return -1;
    }
    wire_put32(header + HEADER_MAGIC, AGENT_MAGIC);
    wire_put16(header + HEADER_TYPE, frame->type);
    wire_put16(header + HEADER_FLAGS, frame->flags);
    wire_put32(header + HEADER_ID, frame->id);
    wire_put32(header + HEADER_LENGTH, frame->length);
    wire_put32(header + HEADER_PAYLOAD_CRC,
               agent_crc32(frame->payload, frame->length));
    wire_put32(header + HEADER_CRC, agent_crc32(header, HEADER_CRC));
    return 0;
}

size_t agent_frame_encode(const AgentFrame *frame, uint8_t *buffer,
                          size_t size)
{
    if (size < AGENT_HEADER_SIZE ||
        size - AGENT_HEADER_SIZE < frame->length ||
        agent_frame_header(frame, buffer) < 0) {
        return 0;
    }
    if (frame->length) {
        memcpy(buffer + AGENT_HEADER_SIZE, frame->payload, frame->length);
    }
    return AGENT_HEADER_SIZE + frame->length;
}

void agent_parser_reset(AgentParser *parser)
{
    parser->start = 0;
    parser->end = 0;
}

uint8_t *agent_parser_space(AgentParser *parser, size_t *room)
{
    /*
     * Moving the rest to the front only when less than a frame fits behind it
     * keeps the copying below one byte per byte received.
     */
    if (sizeof(parser->bytes) - parser->end < AGENT_FRAME_MAX) {
        memmove(parser->bytes, parser->bytes + parser->start,
                parser->end - parser->start);
        parser->end -= parser->start;
        parser->start = 0;
    }
    *room = sizeof(parser->bytes) - parser->end;
    return parser->bytes + parser->end;
}

void agent_parser_received(AgentParser *parser, size_t count)
{
    size_t room = sizeof(parser->bytes) - parser->end;

    parser->end += count < room ? count : room;
}

size_t agent_parser_push(AgentParser *parser, const void *data, size_t size)
{
    size_t room;
    uint8_t *space = agent_parser_space(parser, &room);

    if (size > room) {
        size = room;
    }
    if (size) {
        memcpy(space, data, size);
    }
    parser->end += size;
    return size;
}

/* True when @size bytes at @bytes could be the beginning of AGENT_MAGIC. */
static int starts_magic(const uint8_t *bytes, size_t size)
{
    uint8_t magic[4];

    wire_put32(magic, AGENT_MAGIC);
    return memcmp(bytes, magic, size < 4 ? size : 4) == 0;
}

/* Skip at least @least bytes, then on to what may be a header. */
static void skip_to_magic(AgentParser *parser, size_t least)
{
    parser->start += least;
    while (parser->start < parser->end &&
           !starts_magic(parser->bytes + parser->start,
                         parser->end - parser->start)) {
        parser->start++;
    }
}

/*
 * Behind a bad header nothing can be trusted, its length least of all: the
 * search goes on at the byte after its magic. Behind a bad payload the header
 * did check, yet bytes may be missing, so the search begins there as well.
 */
static AgentParse reject(AgentParser *parser, AgentParse reason)
{
    skip_to_magic(parser, 1);
    return reason;
}

AgentParse agent_parser_next(AgentParser *parser, AgentFrame *frame)
{
    const uint8_t *header = parser->bytes + parser->start;
    size_t held = parser->end - parser->start;

    if (held == 0) {
        agent_parser_reset(parser);
        return AGENT_PARSE_MORE;
    }
    if (!starts_magic(header, held)) {
        return reject(parser, AGENT_PARSE_BAD_MAGIC);
    }
    if (held < AGENT_HEADER_SIZE) {
        return AGENT_PARSE_MORE;
    }
    if (agent_crc32(header, HEADER_CRC) != wire_get32(header + HEADER_CRC)) {
        return reject(parser, AGENT_PARSE_BAD_HEADER);
    }
    frame->type = wire_get16(header + HEADER_TYPE);
    frame->flags = wire_get16(header + HEADER_FLAGS);
    frame->id = wire_get32(header + HEADER_ID);
    frame->length = wire_get32(header + HEADER_LENGTH);
    frame->payload = header + AGENT_HEADER_SIZE;
    if (frame->length > AGENT_PAYLOAD_MAX) {
        return reject(parser, AGENT_PARSE_BAD_LENGTH);
    }
    if (held - AGENT_HEADER_SIZE < frame->length) {
        return AGENT_PARSE_MORE;
    }
    if (agent_crc32(frame->payload, frame->length) !=
        wire_get32(header + HEADER_PAYLOAD_CRC)) {
        return reject(parser, AGENT_PARSE_BAD_PAYLOAD);
    }
    parser->start += AGENT_HEADER_SIZE + frame->length;
    return AGENT_PARSE_FRAME;
}

const char *agent_parse_text(AgentParse result)
{
    switch (result) {
    case AGENT_PARSE_MORE:
        return "the frame is not complete";
    case AGENT_PARSE_FRAME:
        return "a frame";
    case AGENT_PARSE_BAD_MAGIC:
        return "bytes outside a frame";
    case AGENT_PARSE_BAD_HEADER:
        return "header checksum wrong";
    case AGENT_PARSE_BAD_LENGTH:
        return "payload longer than 65536 bytes";
    case AGENT_PARSE_BAD_PAYLOAD:
        return "payload checksum wrong";
    }
    return "unknown";
}
