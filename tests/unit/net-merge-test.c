/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verifying checksums, and merging received segments. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-segment.h"
#include "target-models/bytes.h"
#include "target-models/net/offload.h"

#define N       6
#define SIZE    1448

/* A burst of segments, and what became of it. */
typedef struct Burst {
    SegmentSpec spec[N];
    TestSegment segment[N];
    NicPacket packet[N];
    NicMergeRules rules;
    NicMerged merged;
} Burst;

static Burst *burst_new(bool v6)
{
    Burst *b = g_new0(Burst, 1);

    b->rules = (NicMergeRules){ true, true, UINT32_MAX };
    for (unsigned i = 0; i < N; i++) {
        b->spec[i] = (SegmentSpec){
            .v6 = v6, .protocol = PROTOCOL_TCP, .from = { 10, 1 },
            .to = { 10, 2 }, .from_port = 1000, .to_port = 2000,
            .options = 12, .flags = FLAG_ACK, .size = SIZE,
            .id = 0xfffe + i, .at = i * SIZE,
            .sequence = 0xffffff00 + i * SIZE,
        };
    }
    return b;
}

static void make(Burst *b)
{
    for (unsigned i = 0; i < N; i++) {
        segment_make(&b->segment[i], &b->spec[i]);
        b->packet[i] = segment_packet(&b->segment[i]);
    }
}

static unsigned merge(Burst *b)
{
    nic_merge(b->packet, N, &b->rules, NULL, &b->merged);
    return b->merged.n;
}

static unsigned make_and_merge(Burst *b)
{
    make(b);
    return merge(b);
}

static NicVerdict verify(TestSegment *s)
{
    NicPacket packet = segment_packet(s);
    NicPiece piece = { s->bytes, s->length };
    NicFrame frame;

    cr_assert(nic_frame_parse(&packet, &frame));
    return nic_checksum_verify(&packet, &frame, (NicPieces){ &piece, 1 });
}

Test(net_verify, a_damaged_byte_is_seen)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        g_autofree Burst *b = burst_new(kind % 2);
        TestSegment *s = &b->segment[0];

        b->spec[0].protocol = kind / 2 ? PROTOCOL_UDP : PROTOCOL_TCP;
        segment_make(s, &b->spec[0]);
        cr_assert_eq(verify(s), NIC_CHECKSUM_GOOD);
        s->bytes[s->length - 1] ^= 1;
        cr_assert_eq(verify(s), NIC_CHECKSUM_BAD);
    }
}

Test(net_verify, padding_behind_the_datagram_does_not_count)
{
    g_autofree Burst *b = burst_new(false);
    TestSegment *s = &b->segment[0];

    b->spec[0].size = 1;
    segment_make(s, &b->spec[0]);
    memset(s->bytes + s->length, 0x55, 10);
    s->length += 10;
    cr_assert_eq(verify(s), NIC_CHECKSUM_GOOD);
}

Test(net_verify, udp_of_ipv4_may_have_no_checksum)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        g_autofree Burst *b = burst_new(v6);
        TestSegment *s = &b->segment[0];

        b->spec[0].protocol = PROTOCOL_UDP;
        segment_make(s, &b->spec[0]);
        bytes_put_be16(s->bytes + s->transport + 6, 0);
        cr_assert_eq(verify(s), v6 ? NIC_CHECKSUM_BAD : NIC_CHECKSUM_NONE);
    }
}

Test(net_verify, a_fragment_and_another_protocol_have_none)
{
    g_autofree Burst *b = burst_new(false);
    TestSegment *s = &b->segment[0];

    segment_make(s, &b->spec[0]);
    s->bytes[s->ip + 6] = 0x20;
    cr_assert_eq(verify(s), NIC_CHECKSUM_NONE);
    s->bytes[s->ip + 6] = 0;
    s->bytes[s->ip + 9] = 132;
    cr_assert_eq(verify(s), NIC_CHECKSUM_NONE);
}

/* The merged packet as bytes. */
static uint32_t assemble(const Burst *b, uint8_t *out)
{
    const NicMerged *m = &b->merged;
    uint32_t length = m->header_size;

    memcpy(out, m->header, length);
    for (unsigned i = 0; i < m->n; i++) {
        uint32_t size = b->packet[i].length - m->header_size;

        memcpy(out + length, b->packet[i].data + m->header_size, size);
        length += size;
    }
    return length;
}

/* Cutting what was merged gives the frames that came. */
static void cut_again(const Burst *b)
{
    static uint8_t bytes[N * 2000];
    NicPiece piece = { bytes, assemble(b, bytes) };
    uint8_t frame[2000];
    NicCutter c;

    cr_assert_eq(piece.size, b->merged.length);
    cr_assert(nic_cutter_init(&c, &b->merged.offload, &piece, 1,
                              piece.size));
    for (unsigned i = 0; i < b->merged.n; i++) {
        size_t size = nic_cutter_next(&c, frame);

        cr_assert_eq(size, b->segment[i].length);
        cr_assert_arr_eq(frame, b->segment[i].bytes, size);
    }
    cr_assert_eq(nic_cutter_next(&c, frame), 0);
}

Test(net_merge, segments_in_order_become_one_packet)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        g_autofree Burst *b = burst_new(v6);
        const OffloadHeader *offload = &b->merged.offload;

        cr_assert_eq(make_and_merge(b), N);
        cr_assert_eq(offload->flags, NIC_NEEDS_CHECKSUM);
        cr_assert_eq(offload->gso_type, v6 ? NIC_GSO_TCPV6
                                           : NIC_GSO_TCPV4);
        cr_assert_eq(offload->gso_size, SIZE);
        cr_assert_eq(offload->header, b->segment[0].payload);
        cr_assert_eq(offload->checksum_start, b->segment[0].transport);
        cr_assert_eq(offload->checksum_offset, 16);
        cut_again(b);
    }
}

/* The checksum is that of the pseudo header: it completes to a right one. */
Test(net_merge, the_checksum_can_be_completed)
{
    g_autofree Burst *b = burst_new(false);
    static uint8_t bytes[N * 2000], frame[N * 2000];
    NicPiece piece = { bytes, 0 };
    OffloadHeader offload;
    NicCutter c;

    make_and_merge(b);
    piece.size = assemble(b, bytes);
    offload = b->merged.offload;
    offload.gso_type = NIC_GSO_NONE;
    cr_assert(nic_cutter_init(&c, &offload, &piece, 1, piece.size));
    cr_assert_eq(nic_cutter_next(&c, frame), piece.size);
    cr_assert(segment_is_valid(frame, piece.size));
}

Test(net_merge, a_single_packet_is_told_valid)
{
    g_autofree Burst *b = burst_new(false);

    b->spec[1].sequence++;
    cr_assert_eq(make_and_merge(b), 1);
    cr_assert_eq(b->merged.offload.flags, NIC_DATA_VALID);
    cr_assert_eq(b->merged.offload.gso_type, NIC_GSO_NONE);
    cr_assert_eq(b->merged.header_size, 0);
    cr_assert_eq(b->merged.length, b->segment[0].length);
}

Test(net_merge, a_damaged_packet_is_told_nothing_of)
{
    g_autofree Burst *b = burst_new(false);

    make(b);
    b->segment[0].bytes[1000] ^= 1;
    cr_assert_eq(merge(b), 1);
    cr_assert_eq(b->merged.offload.flags, 0);
}

Test(net_merge, a_damaged_packet_ends_the_run)
{
    g_autofree Burst *b = burst_new(false);

    make(b);
    b->segment[3].bytes[1000] ^= 1;
    cr_assert_eq(merge(b), 3);
    cut_again(b);
}

Test(net_merge, psh_and_a_short_segment_are_the_last)
{
    g_autofree Burst *b = burst_new(false);

    b->spec[2].flags |= FLAG_PSH;
    cr_assert_eq(make_and_merge(b), 3);
    cut_again(b);
    b->spec[2].flags &= ~FLAG_PSH;
    b->spec[3].size--;
    cr_assert_eq(make_and_merge(b), 4);
    cut_again(b);
}

Test(net_merge, a_longer_segment_begins_anew)
{
    g_autofree Burst *b = burst_new(true);

    b->spec[2].size++;
    cr_assert_eq(make_and_merge(b), 2);
}

Test(net_merge, no_packet_is_longer_than_allowed)
{
    g_autofree Burst *b = burst_new(false);

    b->rules.max_length = 66 + 3 * SIZE + 1;
    cr_assert_eq(make_and_merge(b), 3);
    cut_again(b);
}

Test(net_merge, a_version_that_is_not_allowed_is_left_alone)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        g_autofree Burst *b = burst_new(v6);

        b->rules.ipv4 = v6;
        b->rules.ipv6 = !v6;
        cr_assert_eq(make_and_merge(b), 1);
    }
}

typedef struct Difference {
    const char *what;
    size_t offset;              /* in SegmentSpec */
    uint8_t value;              /* of its first byte */
} Difference;

#define DIFFERENCE(member, value) \
    { #member, offsetof(SegmentSpec, member), value }

static const Difference differences[] = {
    DIFFERENCE(protocol, PROTOCOL_UDP),
    DIFFERENCE(vlan, 3),
    DIFFERENCE(from, 11),
    DIFFERENCE(to, 11),
    DIFFERENCE(from_port, 1),
    DIFFERENCE(to_port, 1),
    DIFFERENCE(id, 77),
    DIFFERENCE(sequence, 77),
    DIFFERENCE(flags, FLAG_ACK | FLAG_FIN),
    DIFFERENCE(flags, FLAG_ACK | FLAG_CWR),
    DIFFERENCE(flags, FLAG_ACK | 0x02),         /* SYN */
    DIFFERENCE(flags, FLAG_ACK | 0x04),         /* RST */
    DIFFERENCE(flags, FLAG_ACK | 0x20),         /* URG */
    DIFFERENCE(flags, FLAG_ACK | 0x40),         /* ECE */
    DIFFERENCE(flags, 0),
    DIFFERENCE(options, 8),
};

Test(net_merge, every_difference_ends_the_run)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(differences); i++) {
        g_autofree Burst *b = burst_new(false);

        ((uint8_t *)&b->spec[2])[differences[i].offset] =
            differences[i].value;
        cr_expect_eq(make_and_merge(b), 2, "%s", differences[i].what);
    }
}

/* Bytes of a header that must be equal, by their place behind @ip. */
static unsigned merge_with_changed(bool v6, unsigned behind, uint8_t change)
{
    g_autofree Burst *b = burst_new(v6);
    TestSegment *s = &b->segment[2];

    make(b);
    s->bytes[s->ip + behind] ^= change;
    if (!v6) {
        bytes_put_be16(s->bytes + s->ip + 10, 0);
        bytes_put_be16(s->bytes + s->ip + 10,
                       ~segment_sum(s->bytes + s->ip, 20));
    }
    return merge(b);
}

Test(net_merge, fields_of_ip_must_be_equal)
{
    cr_assert_eq(merge_with_changed(false, 1, 1), 2, "service");
    cr_assert_eq(merge_with_changed(false, 6, 0x40), 2, "do not fragment");
    cr_assert_eq(merge_with_changed(false, 8, 1), 2, "lifetime");
    cr_assert_eq(merge_with_changed(true, 1, 1), 2, "class");
    cr_assert_eq(merge_with_changed(true, 3, 1), 2, "label");
    cr_assert_eq(merge_with_changed(true, 7, 1), 2, "hops");
}

Test(net_merge, a_wrong_checksum_of_ipv4_ends_the_run)
{
    g_autofree Burst *b = burst_new(false);

    make(b);
    b->segment[2].bytes[b->segment[2].ip + 10] ^= 1;
    cr_assert_eq(merge(b), 2);
}

Test(net_merge, a_padded_segment_ends_the_run)
{
    g_autofree Burst *b = burst_new(false);

    make(b);
    b->packet[2].length++;
    b->packet[2].head++;
    cr_assert_eq(merge(b), 2);
}

static NicPieces find_pieces(const NicPacket *packet)
{
    return (NicPieces){ packet->opaque, 2 };
}

Test(net_merge, payloads_may_lie_in_pieces)
{
    g_autofree Burst *b = burst_new(true);
    NicPiece piece[N][2];

    make(b);
    for (unsigned i = 0; i < N; i++) {
        TestSegment *s = &b->segment[i];

        piece[i][0] = (NicPiece){ s->bytes, 333 };
        piece[i][1] = (NicPiece){ s->bytes + 333, s->length - 333 };
        b->packet[i].head = NIC_HEAD;
        b->packet[i].opaque = piece[i];
    }
    nic_merge(b->packet, N, &b->rules, find_pieces, &b->merged);
    cr_assert_eq(b->merged.n, N);
    cut_again(b);
    piece[4][1].size--;
    nic_merge(b->packet, N, &b->rules, find_pieces, &b->merged);
    cr_assert_eq(b->merged.n, 4);
}

/* Acknowledgements without payload, of ever more. */
static Burst *acknowledgements_new(bool v6)
{
    Burst *b = burst_new(v6);

    for (unsigned i = 0; i < N; i++) {
        b->spec[i].size = 0;
        b->spec[i].options = 0;
        b->spec[i].sequence = 1000;
        b->spec[i].acknowledged = 0xfffffff0 + i * SIZE;
    }
    return b;
}

Test(net_merge, the_last_of_acknowledgements_is_left)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        g_autofree Burst *b = acknowledgements_new(v6);

        cr_assert_eq(make_and_merge(b), N);
        cr_assert_eq(b->merged.header_size, 0);
        cr_assert_eq(b->merged.length, b->segment[N - 1].length);
        cr_assert_eq(b->merged.offload.flags, NIC_DATA_VALID);
        cr_assert_eq(b->merged.offload.gso_type, NIC_GSO_NONE);
    }
}

Test(net_merge, padding_behind_acknowledgements_does_not_count)
{
    g_autofree Burst *b = acknowledgements_new(false);

    make(b);
    for (unsigned i = 0; i < N; i++) {
        b->packet[i].length = b->packet[i].head = 60;
    }
    cr_assert_eq(merge(b), N);
}

Test(net_merge, a_repeated_acknowledgement_is_kept)
{
    g_autofree Burst *b = acknowledgements_new(false);

    b->spec[3].acknowledged = b->spec[2].acknowledged;
    cr_assert_eq(make_and_merge(b), 3);
}

Test(net_merge, an_acknowledgement_of_less_is_kept)
{
    g_autofree Burst *b = acknowledgements_new(false);

    b->spec[3].acknowledged = b->spec[1].acknowledged;
    cr_assert_eq(make_and_merge(b), 3);
}

Test(net_merge, acknowledgements_that_say_more_are_kept)
{
    static const Difference kinds[] = {
        DIFFERENCE(flags, FLAG_ACK | FLAG_PSH),
        DIFFERENCE(flags, FLAG_ACK | FLAG_FIN),
        DIFFERENCE(flags, FLAG_ACK | 0x40),
        DIFFERENCE(size, 1),
        DIFFERENCE(options, 12),
        DIFFERENCE(sequence, 1),
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree Burst *b = acknowledgements_new(false);

        ((uint8_t *)&b->spec[2])[kinds[i].offset] = kinds[i].value;
        cr_expect_eq(make_and_merge(b), 2, "%s", kinds[i].what);
    }
}

Test(net_merge, acknowledgements_with_unknown_options_are_kept)
{
    g_autofree Burst *b = acknowledgements_new(false);

    for (unsigned i = 0; i < N; i++) {
        b->spec[i].options = 12;        /* none that means anything */
    }
    cr_assert_eq(make_and_merge(b), 1);
}

Test(net_merge, a_segment_does_not_follow_an_acknowledgement)
{
    g_autofree Burst *b = acknowledgements_new(false);

    b->spec[0].size = SIZE;
    cr_assert_eq(make_and_merge(b), 1);
}
