/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the agent's protocol: encode, and parse as bytes arrive
 *
 * Plain C11 without allocation, clock or I/O; the guest's agent and the host
 * tools share it. Nothing here is thread safe: one parser, one reader.
 */
#ifndef SUNDER_AGENT_FRAME_H
#define SUNDER_AGENT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

typedef struct AgentFrame {
    uint16_t type;           /* enum AgentType, or a value not known here */
    uint16_t flags;
    uint32_t id;
    uint32_t length;         /* bytes at @payload */
    const uint8_t *payload;  /* never NULL in a frame that was parsed */
} AgentFrame;

typedef enum AgentParse {
    AGENT_PARSE_MORE,        /* no whole frame yet: push more bytes */
    AGENT_PARSE_FRAME,       /* a frame was returned */
    AGENT_PARSE_BAD_MAGIC,   /* bytes that start no frame were skipped */
    AGENT_PARSE_BAD_HEADER,  /* a header's checksum is wrong */
    AGENT_PARSE_BAD_LENGTH,  /* more than AGENT_PAYLOAD_MAX announced */
    AGENT_PARSE_BAD_PAYLOAD, /* a payload's checksum is wrong */
} AgentParse;

/* Bytes received and not yet returned; the fields are private. */
typedef struct AgentParser {
    size_t start;            /* first byte not yet consumed */
    size_t end;              /* one past the last byte received */
    uint8_t bytes[2 * AGENT_FRAME_MAX];
} AgentParser;

/* CRC-32 of IEEE 802.3 over @size bytes, as zlib's crc32(0, ...) gives. */
uint32_t agent_crc32(const void *data, size_t size);

/*
 * Write @frame's header into @header. The payload is sent after it as it is.
 *
 * @frame->payload may be NULL only when @frame->length is 0.
 * Returns 0, or -1 when @frame->length exceeds AGENT_PAYLOAD_MAX.
 */
int agent_frame_header(const AgentFrame *frame,
                       uint8_t header[AGENT_HEADER_SIZE]);

/*
 * Write the whole of @frame into @buffer of @size bytes.
 *
 * Returns the bytes written, or 0 when the payload is too long or @size too
 * small.
 */
size_t agent_frame_encode(const AgentFrame *frame, uint8_t *buffer,
                          size_t size);

/* Forget everything received; to be called once before the first use. */
void agent_parser_reset(AgentParser *parser);

/*
 * Where to receive into: returns the place and sets *@room to its size, which
 * is at least AGENT_FRAME_MAX when agent_parser_next() said AGENT_PARSE_MORE
 * before. Then tell agent_parser_received() how much arrived.
 */
uint8_t *agent_parser_space(AgentParser *parser, size_t *room);
void agent_parser_received(AgentParser *parser, size_t count);

/*
 * Copy up to @size bytes into the parser: the same for those who have the
 * bytes already. Returns how many it took; call agent_parser_next() until
 * AGENT_PARSE_MORE and push the rest.
 */
size_t agent_parser_push(AgentParser *parser, const void *data, size_t size);

/*
 * Take the next frame out of the bytes received.
 *
 * Returns AGENT_PARSE_FRAME with *@frame filled; its payload stays valid until
 * the next call on @parser. One of AGENT_PARSE_BAD_* tells of damage: the
 * parser has skipped it already, call again. AGENT_PARSE_MORE ends the loop.
 */
AgentParse agent_parser_next(AgentParser *parser, AgentFrame *frame);

/* What @result means, in words, for a message to a person. */
const char *agent_parse_text(AgentParse result);

#endif /* SUNDER_AGENT_FRAME_H */
