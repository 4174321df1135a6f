/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receive-side scaling. */
#include "rss.h"

#include "target-models/bytes.h"

/* IANA protocol numbers */
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17

/* Where addresses stand in a header of IP; two ports follow each other. */
#define IPV4_ADDRESSES  12
#define IPV6_ADDRESSES  8
#define PORTS           4

/*
 * A key of repeated 16 bits hashes a flow alike both ways: addresses and
 * ports trade places by multiples of 16 bits (Woo and Park, "Scalable TCP
 * session monitoring with symmetric receive-side scaling").
 */
#define SYMMETRIC_HIGH  0x6d
#define SYMMETRIC_LOW   0x5a

/* 32 bits of the key from bit @at on. */
static uint32_t key_window(const uint8_t *key, unsigned at)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < 5; i++) {
        unsigned byte = at / 8 + i;

        bits = bits << 8 | (byte < NIC_RSS_KEY ? key[byte] : 0);
    }
    return bits >> (8 - at % 8);
}

void nic_toeplitz_init(NicToeplitz *t, const uint8_t key[NIC_RSS_KEY])
{
    for (unsigned half = 0; half < NIC_RSS_INPUT * 2; half++) {
        for (unsigned value = 0; value < 16; value++) {
            uint32_t sum = 0;

            for (unsigned bit = 0; bit < 4; bit++) {
                if (value >> (3 - bit) & 1) {
                    sum ^= key_window(key, half * 4 + bit);
                }
            }
            t->part[half][value] = sum;
        }
    }
}

uint32_t nic_toeplitz_hash(const NicToeplitz *t, const uint8_t *input,
                           size_t size)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < size; i++) {
        hash ^= t->part[i * 2][input[i] >> 4] ^
                t->part[i * 2 + 1][input[i] & 0xf];
    }
    return hash;
}

void nic_rss_init(NicRss *rss, const NicRssConfig *config)
{
    rss->config = *config;
    nic_toeplitz_init(&rss->toeplitz, config->key);
}

/* What of a packet is hashed if all of @types may be. */
static NicHashReport classify(const NicFrame *frame, uint32_t types)
{
    bool v6 = frame->network == NIC_NETWORK_IPV6;
    unsigned shift = v6 ? 3 : 0;
    NicHashReport base = v6 ? NIC_REPORT_IPV6 : NIC_REPORT_IPV4;

    if (frame->network == NIC_NETWORK_NONE) {
        return NIC_REPORT_NONE;
    }
    types >>= shift;
    if (frame->transport_offset && !frame->fragment) {
        if (frame->protocol == PROTOCOL_TCP && types & NIC_HASH_TCPV4) {
            return base + 1;
        }
        if (frame->protocol == PROTOCOL_UDP && types & NIC_HASH_UDPV4) {
            return base + 2;
        }
    }
    return types & NIC_HASH_IPV4 ? base : NIC_REPORT_NONE;
}

static uint32_t hash_frame(const NicToeplitz *t, const NicPacket *packet,
                           const NicFrame *frame, bool ports)
{
    const uint8_t *ip = packet->data + frame->network_offset;
    bool v6 = frame->network == NIC_NETWORK_IPV6;
    size_t size = v6 ? 32 : 8;
    uint8_t input[NIC_RSS_INPUT];

    memcpy(input, ip + (v6 ? IPV6_ADDRESSES : IPV4_ADDRESSES), size);
    if (ports) {
        memcpy(input + size, packet->data + frame->transport_offset, PORTS);
        size += PORTS;
    }
    return nic_toeplitz_hash(t, input, size);
}

void nic_rss_hash(const NicRss *rss, const NicPacket *packet,
                  uint32_t *hash, NicHashReport *report)
{
    NicFrame frame;

    if (!nic_frame_parse(packet, &frame)) {
        *report = NIC_REPORT_NONE;
        *hash = 0;
        return;
    }
    *report = classify(&frame, rss->config.types);
    *hash = *report == NIC_REPORT_NONE
                ? 0
                : hash_frame(&rss->toeplitz, packet, &frame,
                             *report != NIC_REPORT_IPV4 &&
                             *report != NIC_REPORT_IPV6);
}

void nic_steer_init(NicSteer *steer)
{
    uint8_t key[NIC_RSS_KEY];

    for (unsigned i = 0; i < NIC_RSS_KEY; i++) {
        key[i] = i % 2 ? SYMMETRIC_LOW : SYMMETRIC_HIGH;
    }
    nic_toeplitz_init(&steer->toeplitz, key);
    memset(steer->ring, 0, sizeof(steer->ring));
}

/* Returns: the entry of a packet's flow, or -1: it is of none. */
static int steer_entry(const NicSteer *steer, const NicPacket *packet,
                       const NicFrame *frame)
{
    if (frame->network == NIC_NETWORK_NONE) {
        return -1;
    }
    return hash_frame(&steer->toeplitz, packet, frame,
                      frame->transport_offset && !frame->fragment) %
           NIC_STEER_FLOWS;
}

void nic_steer_sent(NicSteer *steer, const NicPacket *packet, unsigned ring)
{
    NicFrame frame;
    int entry;

    if (nic_frame_parse(packet, &frame)) {
        entry = steer_entry(steer, packet, &frame);
        if (entry >= 0) {
            steer->ring[entry] = ring;
        }
    }
}

unsigned nic_steer_ring(const NicSteer *steer, const NicPacket *packet)
{
    NicFrame frame;
    int entry = nic_frame_parse(packet, &frame)
                    ? steer_entry(steer, packet, &frame)
                    : -1;

    return entry >= 0 ? steer->ring[entry] : 0;
}
