/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums and cutting: what a driver leaves to the NIC. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-segment.h"
#include "target-models/bytes.h"
#include "target-models/net/offload.h"

#define PIECES  7

static const SegmentSpec tcp = {
    .protocol = PROTOCOL_TCP, .from = { 10, 0, 0, 1 }, .to = { 10, 0, 0, 2 },
    .from_port = 1000, .to_port = 2000, .id = 0xfffe, .options = 12,
    .sequence = 0xfffffff0, .flags = FLAG_ACK | FLAG_PSH, .size = 4000,
};

static const OffloadHeader cut_tcp = {
    .flags = NIC_NEEDS_CHECKSUM, .gso_type = NIC_GSO_TCPV4,
    .gso_size = 1448, .checksum_start = 34, .checksum_offset = 16,
};

/* The segment in pieces of sizes that no boundary fits. */
static void in_pieces(TestSegment *s, NicPiece *pieces)
{
    static const unsigned sizes[PIECES - 1] = { 1, 13, 20, 33, 0, 1001 };
    size_t at = 0;

    for (unsigned i = 0; i < PIECES; i++) {
        size_t size = MIN(s->length - at, i < PIECES - 1 ? sizes[i]
                                                         : SEGMENT_MAX);

        pieces[i] = (NicPiece){ s->bytes + at, size };
        at += size;
    }
}

static bool begin(NicCutter *c, const OffloadHeader *offload, TestSegment *s,
                  NicPiece *pieces)
{
    in_pieces(s, pieces);
    return nic_cutter_init(c, offload, pieces, PIECES, s->length);
}

/* What a refused packet must be: the only difference is in the spec. */
static bool is_cut(const SegmentSpec *spec, const OffloadHeader *offload)
{
    TestSegment s;
    NicPiece pieces[PIECES];
    NicCutter c;

    segment_make(&s, spec);
    return begin(&c, offload, &s, pieces);
}

Test(net_checksum, every_length_and_place_has_the_plain_sum)
{
    static uint8_t bytes[300], copy[300];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 255 - segment_byte(i);
    }
    for (unsigned at = 0; at < 9; at++) {
        for (unsigned size = 0; size < 280; size++) {
            uint16_t sum = nic_sum(bytes + at, size);
            uint16_t wanted = segment_sum(bytes + at, size);

            cr_assert_eq(GUINT16_FROM_BE(sum), wanted, "%u %u", at, size);
            cr_assert_eq(nic_sum_copy(copy, bytes + at, size), sum);
            cr_assert_eq(memcmp(copy, bytes + at, size), 0);
        }
    }
}

Test(net_checksum, pieces_of_odd_sizes_have_the_sum_of_the_whole)
{
    TestSegment s;
    NicPiece pieces[PIECES];
    NicCursor c;
    uint16_t sum;
    uint8_t copy[5000];

    segment_make(&s, &tcp);
    in_pieces(&s, pieces);
    c = nic_cursor(pieces, PIECES);
    cr_assert_eq(nic_cursor_skip(&c, 3), 3);
    cr_assert_eq(nic_cursor_sum(&c, SEGMENT_MAX, &sum), s.length - 3);
    cr_assert_eq(sum, nic_sum(s.bytes + 3, s.length - 3));
    c = nic_cursor(pieces, PIECES);
    cr_assert_eq(nic_cursor_sum_copy(&c, copy, 4001, &sum), 4001);
    cr_assert_eq(sum, nic_sum(s.bytes, 4001));
    cr_assert_arr_eq(copy, s.bytes, 4001);
}

Test(net_offload, a_checksum_is_completed)
{
    static const unsigned places[] = { 34, 54 };
    OffloadHeader offload = { .flags = NIC_NEEDS_CHECKSUM,
                              .checksum_offset = 16 };

    for (unsigned v6 = 0; v6 < 2; v6++) {
        SegmentSpec spec = tcp;
        TestSegment s, wanted;
        NicPiece pieces[PIECES];
        NicCutter c;
        uint8_t frame[5000];
        uint8_t *field;
        uint8_t pseudo[4] = { 0, PROTOCOL_TCP };

        spec.v6 = v6;
        segment_make(&s, &spec);
        wanted = s;
        offload.checksum_start = places[v6];
        bytes_put_be16(pseudo + 2, s.length - s.transport);
        field = s.bytes + s.transport + 16;
        bytes_put_be16(field, segment_sum(s.bytes + s.ip + (v6 ? 8 : 12),
                                          v6 ? 32 : 8));
        bytes_put_be16(field, bytes_be16(field) + segment_sum(pseudo, 4));
        cr_assert(begin(&c, &offload, &s, pieces));
        cr_assert_eq(nic_cutter_longest(&c), s.length);
        cr_assert_eq(nic_cutter_frames(&c), 1);
        cr_assert_eq(nic_cutter_next(&c, frame), s.length);
        cr_assert_arr_eq(frame, wanted.bytes, s.length);
        cr_assert_eq(nic_cutter_next(&c, frame), 0);
        cr_assert_eq(nic_cutter_longest(&c), 0);
    }
}

Test(net_offload, a_checksum_outside_the_packet_is_refused)
{
    OffloadHeader offload = { .flags = NIC_NEEDS_CHECKSUM,
                              .checksum_start = 4060,
                              .checksum_offset = 4 };
    SegmentSpec spec = tcp;

    spec.size = 4000;           /* 4066 bytes */
    cr_assert(is_cut(&spec, &offload));
    offload.checksum_offset = 5;
    cr_assert_not(is_cut(&spec, &offload));
    offload.checksum_start = offload.checksum_offset = UINT16_MAX;
    cr_assert_not(is_cut(&spec, &offload));
}

Test(net_offload, pieces_that_end_early_give_no_frame)
{
    static const OffloadHeader none;
    TestSegment s;
    NicPiece pieces[PIECES];
    NicCutter c;
    uint8_t frame[6000];

    segment_make(&s, &tcp);
    in_pieces(&s, pieces);
    cr_assert(nic_cutter_init(&c, &none, pieces, PIECES, s.length + 1));
    cr_assert_eq(nic_cutter_next(&c, frame), 0);
    cr_assert(nic_cutter_init(&c, &cut_tcp, pieces, PIECES, s.length + 1000));
    cr_assert_gt(nic_cutter_next(&c, frame), 0);
    cr_assert_gt(nic_cutter_next(&c, frame), 0);
    cr_assert_eq(nic_cutter_next(&c, frame), 0);
    cr_assert_eq(nic_cutter_longest(&c), 0);
}

/* Cuts and compares each frame with one that is made for itself. */
static void cut_and_compare(const SegmentSpec *spec,
                            const OffloadHeader *offload)
{
    TestSegment s, wanted;
    NicPiece pieces[PIECES];
    NicCutter c;
    SegmentSpec part = *spec;
    uint8_t frame[SEGMENT_MAX];
    uint32_t left = spec->size;
    size_t length;

    segment_make(&s, spec);
    cr_assert(begin(&c, offload, &s, pieces));
    for (unsigned n = 0; left; n++) {
        part.size = MIN(left, offload->gso_size);
        left -= part.size;
        part.flags = spec->flags;
        if (left) {
            part.flags &= ~(FLAG_PSH | FLAG_FIN);
        }
        if (n) {
            part.flags &= ~FLAG_CWR;
        }
        segment_make(&wanted, &part);
        cr_assert_eq(nic_cutter_frames(&c), 1 +
                     (left + offload->gso_size - 1) / offload->gso_size);
        cr_assert_eq(nic_cutter_longest(&c), s.payload +
                     MIN(left + part.size, offload->gso_size));
        length = nic_cutter_next(&c, frame);
        cr_assert_eq(length, wanted.length);
        cr_assert_arr_eq(frame, wanted.bytes, length, "frame %u", n);
        cr_assert(segment_is_valid(frame, length));
        part.at += part.size;
        part.sequence += part.size;
        part.id++;
    }
    cr_assert_eq(nic_cutter_next(&c, frame), 0);
}

Test(net_offload, tcp_over_ipv4_is_cut)
{
    SegmentSpec spec = tcp;

    spec.flags |= FLAG_FIN | FLAG_CWR;
    cut_and_compare(&spec, &cut_tcp);
}

Test(net_offload, tcp_over_ipv6_is_cut_behind_a_tag)
{
    SegmentSpec spec = tcp;
    OffloadHeader offload = cut_tcp;

    spec.v6 = true;
    spec.vlan = 5;
    offload.gso_type = NIC_GSO_TCPV6 | NIC_GSO_ECN;
    offload.gso_size = 999;
    cut_and_compare(&spec, &offload);
}

Test(net_offload, udp_is_cut)
{
    SegmentSpec spec = tcp;
    OffloadHeader offload = cut_tcp;

    spec.protocol = PROTOCOL_UDP;
    offload.gso_type = NIC_GSO_UDP;
    offload.gso_size = 501;
    cut_and_compare(&spec, &offload);
    spec.v6 = true;
    cut_and_compare(&spec, &offload);
}

Test(net_offload, as_much_as_there_is_of_64_kilobytes_is_cut)
{
    SegmentSpec spec = tcp;

    spec.size = 65535 - 52;
    cut_and_compare(&spec, &cut_tcp);
}

Test(net_offload, a_packet_of_one_segment_is_one_frame)
{
    SegmentSpec spec = tcp;

    spec.size = 100;
    cut_and_compare(&spec, &cut_tcp);
}

Test(net_offload, lengths_in_the_headers_need_not_be_filled_in)
{
    TestSegment s;
    NicPiece pieces[PIECES];
    NicCutter c;
    uint8_t frame[2000];

    segment_make(&s, &tcp);
    bytes_put_be16(s.bytes + s.ip + 2, 0);
    cr_assert(begin(&c, &cut_tcp, &s, pieces));
    cr_assert(segment_is_valid(frame, nic_cutter_next(&c, frame)));
}

Test(net_offload, segments_that_cannot_be_are_refused)
{
    OffloadHeader offload = cut_tcp;
    SegmentSpec spec = tcp;

    cr_assert(is_cut(&spec, &offload));
    offload.gso_size = 0;
    cr_assert_not(is_cut(&spec, &offload));
    offload = cut_tcp;
    offload.gso_type = NIC_GSO_TCPV6;           /* over IPv4 */
    cr_assert_not(is_cut(&spec, &offload));
    offload.gso_type = NIC_GSO_UDP;
    cr_assert_not(is_cut(&spec, &offload));
    offload.gso_type = 3;                       /* fragments of UDP */
    cr_assert_not(is_cut(&spec, &offload));
    spec.size = 0;
    cr_assert_not(is_cut(&spec, &cut_tcp));
}

Test(net_offload, a_header_that_does_not_end_is_refused)
{
    TestSegment s;
    NicPiece pieces[PIECES];
    NicCutter c;

    segment_make(&s, &tcp);
    s.bytes[s.transport + 12] = 4 << 4;         /* shorter than TCP's */
    cr_assert_not(begin(&c, &cut_tcp, &s, pieces));
    segment_make(&s, &tcp);
    s.length = s.payload - 1;
    cr_assert_not(begin(&c, &cut_tcp, &s, pieces));
    s.length = 13;
    cr_assert_not(begin(&c, &cut_tcp, &s, pieces));
    s.length = 0;
    cr_assert_not(begin(&c, &cut_tcp, &s, pieces));
}

Test(net_offload, frames_longer_than_ip_can_say_are_refused)
{
    SegmentSpec spec = tcp;
    OffloadHeader offload = cut_tcp;

    spec.size = 65535 - 52;
    offload.gso_size = UINT16_MAX;
    cr_assert_not(is_cut(&spec, &offload));
}
