/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: offloads.  The input is an offload and a packet; the packet
 * is cut, and merged with itself and what it was cut into.
 *
 * The first byte says how to mend the packet: a random one would seldom
 * have segments of TCP.
 */
#include <string.h>

#include "target-models/bytes.h"
#include "target-models/net/offload.h"

#define MAX_FRAMES  64
#define OFFLOAD     9           /* bytes of input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Frames {
    NicPacket packets[MAX_FRAMES];
    unsigned n;
} Frames;

/* Headers of TCP or UDP in front of what is there. */
static void mend(uint8_t *bytes, size_t size, unsigned how)
{
    bool v6 = how & 1, udp = how & 2;
    uint8_t *ip = bytes + 14;

    if (size < 80 || !(how & 4)) {
        return;
    }
    bytes_put_be16(bytes + 12, v6 ? NIC_SAP_IPV6 : NIC_SAP_IPV4);
    ip[0] = v6 ? 0x60 : 0x45;
    bytes_put_be16(ip + (v6 ? 4 : 2), size - 14 - (v6 ? 40 : 0));
    ip[v6 ? 6 : 9] = udp ? 17 : 6;
    if (!v6) {
        bytes_put_be16(ip + 6, 0);
    }
    if (!udp && how & 8) {
        ip[(v6 ? 40 : 20) + 12] = 5 << 4;
        ip[(v6 ? 40 : 20) + 13] = 0x10;
    }
}

static void take_offload(OffloadHeader *o, const uint8_t *p)
{
    o->flags = p[0];
    o->gso_type = p[1] % 16 ? (uint8_t[]){ 0, 1, 4, 5 }[p[1] % 4] : p[1];
    o->gso_size = p[2] % 8 ? p[2] : bytes_be16(p + 2);
    o->checksum_start = p[4] % 8 ? p[4] : bytes_be16(p + 4);
    o->checksum_offset = p[6] % 8 ? p[6] : bytes_be16(p + 6);
    o->header = p[8];
}

static void cut(const OffloadHeader *offload, const uint8_t *bytes,
                size_t size, Frames *frames)
{
    NicPiece piece[2] = {
        { bytes, size / 3 }, { bytes + size / 3, size - size / 3 },
    };
    NicCutter c;
    size_t longest;

    if (!nic_cutter_init(&c, offload, piece, 2, size)) {
        return;
    }
    while ((longest = nic_cutter_longest(&c)) && frames->n < MAX_FRAMES) {
        uint8_t *frame = g_malloc(longest);
        size_t length = nic_cutter_next(&c, frame);

        g_assert_cmpuint(length, ==, longest);
        frames->packets[frames->n++] = (NicPacket){ frame, length, length,
                                                    NULL };
    }
}

/* Each frame that was cut out of TCP or UDP has a right checksum. */
static void check_frames(const OffloadHeader *offload, const Frames *frames)
{
    for (unsigned i = 0; i < frames->n; i++) {
        const NicPacket *p = &frames->packets[i];
        NicPiece piece = { p->data, p->length };
        NicFrame frame;

        if (offload->gso_type == NIC_GSO_NONE) {
            continue;
        }
        g_assert(nic_frame_parse(p, &frame));
        g_assert(nic_checksum_verify(p, &frame, (NicPieces){ &piece, 1 }) ==
                 NIC_CHECKSUM_GOOD);
    }
}

static void merge(const Frames *frames)
{
    static const NicMergeRules rules = { true, true, UINT32_MAX };
    NicMerged m;

    for (unsigned at = 0; at < frames->n; at += m.n) {
        uint32_t length = 0;

        nic_merge(frames->packets + at, frames->n - at, &rules, NULL, &m);
        g_assert(m.n >= 1 && m.n <= frames->n - at);
        for (unsigned i = 0; i < m.n; i++) {
            length += frames->packets[at + i].length;
        }
        g_assert_cmpuint(m.length, ==, m.header_size
                         ? length - (m.n - 1) * m.header_size
                         : frames->packets[at + m.n - 1].length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Frames frames = { .n = 0 };
    OffloadHeader offload;
    uint8_t *bytes;

    if (size <= OFFLOAD + 1) {
        return 0;
    }
    take_offload(&offload, data + 1);
    size -= OFFLOAD + 1;
    bytes = g_memdup2(data + OFFLOAD + 1, size);
    mend(bytes, size, data[0]);
    cut(&offload, bytes, size, &frames);
    check_frames(&offload, &frames);
    if (frames.n < MAX_FRAMES) {
        frames.packets[frames.n++] = (NicPacket){ bytes, size, size, NULL };
        bytes = NULL;
    }
    merge(&frames);
    for (unsigned i = 0; i < frames.n; i++) {
        g_free(frames.packets[i].data);
    }
    g_free(bytes);
    return 0;
}
