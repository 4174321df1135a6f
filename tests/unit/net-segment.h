/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of TCP and UDP for the tests of RSS and offloads. */
#ifndef SUNDER_TESTS_NET_SEGMENT_H
#define SUNDER_TESTS_NET_SEGMENT_H

#include "target-models/net/frame.h"

#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define FLAG_FIN        0x01
#define FLAG_PSH        0x08
#define FLAG_ACK        0x10
#define FLAG_CWR        0x80

#define SEGMENT_MAX     70000

typedef struct SegmentSpec {
    bool v6;
    uint8_t protocol;
    uint16_t vlan;              /* 0: no tag */
    uint8_t from[16], to[16];   /* addresses; 4 bytes of IPv4 */
    uint16_t from_port, to_port;
    uint16_t id;                /* of IPv4 */
    uint32_t sequence;
    uint32_t acknowledged;
    uint8_t flags;              /* of TCP */
    uint8_t options;            /* bytes of them, of TCP */
    uint32_t at;                /* number of the first byte of payload */
    uint32_t size;              /* bytes of payload */
} SegmentSpec;

typedef struct TestSegment {
    uint8_t bytes[SEGMENT_MAX];
    uint32_t length;
    uint32_t ip, transport, payload;    /* where they begin */
} TestSegment;

/* All of it, with its checksums. */
void segment_make(TestSegment *s, const SegmentSpec *spec);

/* What a byte of payload is. */
uint8_t segment_byte(uint32_t at);

/* The plain sum of 16-bit words, folded. */
uint16_t segment_sum(const uint8_t *bytes, size_t size);

/* Whether a frame's checksums of IPv4 and of TCP or UDP are right. */
bool segment_is_valid(const uint8_t *frame, size_t length);

/* All of it as head. */
NicPacket segment_packet(const TestSegment *s);

#endif
