/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of frames, their lengths, and the hashes of their layers. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-fixture.h"

static NicFrame parse(TestFrame *f)
{
    NicPacket packet = frame_packet(f);
    NicFrame frame;

    cr_assert(nic_frame_parse(&packet, &frame));
    return frame;
}

static uint32_t hash(TestFrame *f, unsigned layers)
{
    NicPacket packet = frame_packet(f);
    NicFrame frame = parse(f);
    NicDigest digest;

    nic_frame_digest(&packet, &frame, 1, &digest);
    return nic_digest_hash(&digest, layers);
}

Test(net_frame, addresses_are_numbers_in_the_order_of_the_wire)
{
    static const uint8_t wire[] = { 0x52, 0x54, 0, 0, 0, 1 };
    uint8_t back[6];

    cr_assert_eq(nic_address_get(wire), MAC_A);
    nic_address_put(back, MAC_A);
    cr_assert_arr_eq(back, wire, 6);
}

Test(net_frame, an_untagged_frame_has_its_type_as_sap)
{
    TestFrame f;
    NicFrame frame;

    frame_start(&f, MAC_B, MAC_A, 0, 0, 0x0806);
    frame = parse(&f);
    cr_assert_eq(frame.destination.address, MAC_B);
    cr_assert_eq(frame.destination.source, MAC_A);
    cr_assert_eq(frame.destination.sap, 0x0806);
    cr_assert_eq(frame.destination.tags, 0);
    cr_assert_eq(frame.destination.header, 14);
    cr_assert_eq(frame.network, NIC_NETWORK_NONE);
}

Test(net_frame, tags_are_looked_behind)
{
    TestFrame f;
    NicDestination d;

    frame_start(&f, MAC_B, MAC_A, 5 | 3 << 13, 6, NIC_SAP_IPV4);
    d = parse(&f).destination;
    cr_assert_eq(d.tags, 2);
    cr_assert_eq(d.vlan, 5);
    cr_assert_eq(d.priority, 3);
    cr_assert_eq(d.inner_vlan, 6);
    cr_assert_eq(d.sap, NIC_SAP_IPV4);
    cr_assert_eq(d.header, 22);
}

Test(net_frame, a_third_tag_is_the_sap)
{
    TestFrame f;

    frame_start(&f, MAC_B, MAC_A, 5, 6, NIC_SAP_VLAN);
    frame_add(&f, "\0\7\10\0", 4);
    cr_assert_eq(parse(&f).destination.sap, NIC_SAP_VLAN);
}

Test(net_frame, a_length_is_not_a_type)
{
    TestFrame f;

    frame_start(&f, MAC_B, MAC_A, 0, 0, 1535);
    cr_assert_eq(parse(&f).destination.sap, NIC_SAP_LLC);
    frame_start(&f, MAC_B, MAC_A, 0, 0, 1536);
    cr_assert_eq(parse(&f).destination.sap, 1536);
}

Test(net_frame, a_header_that_is_cut_off_is_refused)
{
    TestFrame f;
    NicDestination d;

    frame_start(&f, MAC_B, MAC_A, 5, 6, NIC_SAP_IPV4);
    for (unsigned head = 0; head < f.length; head++) {
        cr_assert_not(nic_frame_destination(f.bytes, head, &d), "%u", head);
    }
    cr_assert(nic_frame_destination(f.bytes, f.length, &d));
}

Test(net_frame, ports_of_udp_are_found)
{
    TestFrame f;
    NicFrame frame;

    frame_udp(&f, 0);
    frame = parse(&f);
    cr_assert_eq(frame.network, NIC_NETWORK_IPV4);
    cr_assert_eq(frame.network_offset, 14);
    cr_assert_eq(frame.transport_offset, 34);
    cr_assert_eq(frame.protocol, 17);
    cr_assert_not(frame.fragment);
}

Test(net_frame, a_datagram_longer_than_its_frame_is_no_ip)
{
    TestFrame f;

    frame_udp(&f, 0);
    f.bytes[17]++;
    cr_assert_eq(parse(&f).network, NIC_NETWORK_NONE);
    f.bytes[17] = 19;           /* shorter than its own header */
    cr_assert_eq(parse(&f).network, NIC_NETWORK_NONE);
}

Test(net_frame, a_header_of_ipv4_with_impossible_words_is_no_ip)
{
    TestFrame f;

    frame_udp(&f, 0);
    f.bytes[14] = 0x44;
    cr_assert_eq(parse(&f).network, NIC_NETWORK_NONE);
    f.bytes[14] = 0x4f;         /* options to beyond the end */
    cr_assert_eq(parse(&f).network, NIC_NETWORK_NONE);
    f.bytes[14] = 0x65;
    cr_assert_eq(parse(&f).network, NIC_NETWORK_NONE);
}

Test(net_frame, padding_has_no_ports)
{
    TestFrame f;
    NicFrame frame;

    frame_udp(&f, 0);
    f.bytes[17] = 23;           /* three bytes of data */
    frame = parse(&f);
    cr_assert_eq(frame.network, NIC_NETWORK_IPV4);
    cr_assert_eq(frame.transport_offset, 0);
}

Test(net_frame, every_fragment_has_no_ports)
{
    static const uint16_t words[] = { 0x2000, 0x2001, 0x0001 };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        TestFrame f;
        NicFrame frame;

        frame_start(&f, MAC_B, MAC_A, 0, 0, NIC_SAP_IPV4);
        frame_add_udp(&f, 1, 2, words[i], 3, 4);
        frame = parse(&f);
        cr_assert(frame.fragment);
        cr_assert_eq(frame.transport_offset, 0);
    }
}

/* IPv6 with @next, @payload bytes of payload and what stands there. */
static void start_ipv6(TestFrame *f, uint8_t next, uint8_t payload)
{
    uint8_t ip[40] = { 0x60, 0, 0, 0, 0, payload, next, 64, 0xfe, 0x80 };

    frame_start(f, MAC_B, MAC_A, 0, 0, NIC_SAP_IPV6);
    frame_add(f, ip, sizeof(ip));
}

Test(net_frame, extensions_of_ipv6_are_looked_behind)
{
    static const uint8_t rest[] = {
        60, 0, 0, 0, 0, 0, 0, 0,                        /* hop by hop */
        51, 1, 0, 0, 0, 0, 0, 0,                        /* options: 16 */
        0, 0, 0, 0, 0, 0, 0, 0,
        6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,             /* AH: 12 */
        0, 80, 0, 81,
    };
    TestFrame f;
    NicFrame frame;

    start_ipv6(&f, 0, sizeof(rest));
    frame_add(&f, rest, sizeof(rest));
    frame = parse(&f);
    cr_assert_eq(frame.network, NIC_NETWORK_IPV6);
    cr_assert_eq(frame.protocol, 6);
    cr_assert_eq(frame.transport_offset, 14 + 40 + 36);
}

Test(net_frame, an_extension_that_passes_the_end_hides_the_ports)
{
    static const uint8_t rest[] = { 6, 9, 0, 0, 0, 0, 0, 0, 0, 80, 0, 81 };
    TestFrame f;

    start_ipv6(&f, 0, sizeof(rest));
    frame_add(&f, rest, sizeof(rest));
    cr_assert_eq(parse(&f).transport_offset, 0);
}

Test(net_frame, extensions_without_end_are_given_up)
{
    TestFrame f;
    uint8_t hop[8] = { 0 };

    start_ipv6(&f, 0, 8 * 12);
    for (unsigned i = 0; i < 12; i++) {
        hop[0] = i == 11 ? 6 : 0;
        frame_add(&f, hop, 8);
    }
    cr_assert_eq(parse(&f).transport_offset, 0);
}

Test(net_frame, a_fragment_of_ipv6_has_no_ports_an_atomic_one_has)
{
    uint8_t rest[] = { 17, 0, 0, 1, 0, 0, 0, 9, 0, 80, 0, 81 };
    TestFrame f;

    start_ipv6(&f, 44, sizeof(rest));
    frame_add(&f, rest, sizeof(rest));
    cr_assert(parse(&f).fragment);
    cr_assert_eq(parse(&f).transport_offset, 0);
    f.bytes[14 + 40 + 3] = 0;
    cr_assert_not(parse(&f).fragment);
    cr_assert_eq(parse(&f).transport_offset, 14 + 40 + 8);
}

Test(net_frame, a_jumbogram_of_ipv6_ends_with_the_frame)
{
    TestFrame f;

    start_ipv6(&f, 6, 0);
    frame_add(&f, "\0\1\0\2", 4);
    cr_assert_eq(parse(&f).transport_offset, 54);
}

Test(net_hash, each_layer_looks_at_its_own_fields)
{
    TestFrame f, other;

    frame_udp(&f, 0);
    frame_udp(&other, 1);
    cr_assert_eq(hash(&f, NIC_LAYER_2), hash(&other, NIC_LAYER_2));
    cr_assert_eq(hash(&f, NIC_LAYER_3), hash(&other, NIC_LAYER_3));
    cr_assert_neq(hash(&f, NIC_LAYER_4), hash(&other, NIC_LAYER_4));
    cr_assert_neq(hash(&f, 7), hash(&other, 7));

    frame_udp(&other, 0);
    other.bytes[11]++;
    cr_assert_neq(hash(&f, NIC_LAYER_2), hash(&other, NIC_LAYER_2));
    cr_assert_eq(hash(&f, NIC_LAYER_3), hash(&other, NIC_LAYER_3));
    cr_assert_eq(hash(&f, NIC_LAYER_4), hash(&other, NIC_LAYER_4));

    frame_udp(&other, 0);
    other.bytes[14 + 12]++;
    cr_assert_neq(hash(&f, NIC_LAYER_3), hash(&other, NIC_LAYER_3));
    cr_assert_eq(hash(&f, NIC_LAYER_4), hash(&other, NIC_LAYER_4));
}

Test(net_hash, fields_that_change_within_a_flow_are_not_hashed)
{
    TestFrame f, later;

    frame_udp(&f, 0);
    frame_udp(&later, 0);
    later.bytes[14 + 8]--;      /* time to live */
    later.bytes[14 + 5] = 9;    /* identification */
    later.bytes[14 + 10] = 9;   /* checksum */
    frame_add(&later, "data", 4);
    later.bytes[17] += 4;
    for (unsigned layers = 1; layers < NIC_LAYERS; layers++) {
        cr_assert_eq(hash(&f, layers), hash(&later, layers));
    }
}

Test(net_hash, all_fragments_of_a_flow_hash_alike)
{
    TestFrame first, second;

    frame_start(&first, MAC_B, MAC_A, 0, 0, NIC_SAP_IPV4);
    frame_add_udp(&first, 1, 2, 0x2000, 3, 4);
    frame_start(&second, MAC_B, MAC_A, 0, 0, NIC_SAP_IPV4);
    frame_add_udp(&second, 1, 2, 0x0040, 5, 6);
    for (unsigned layers = 1; layers < NIC_LAYERS; layers++) {
        cr_assert_eq(hash(&first, layers), hash(&second, layers));
    }
}

Test(net_hash, a_missing_layer_is_stood_in_for)
{
    TestFrame f, other;

    frame_start(&f, MAC_B, MAC_A, 0, 0, 0x0806);
    frame_start(&other, MAC_B, MAC_A + 1, 0, 0, 0x0806);
    cr_assert_neq(hash(&f, NIC_LAYER_3), hash(&other, NIC_LAYER_3));
    cr_assert_neq(hash(&f, NIC_LAYER_4), hash(&other, NIC_LAYER_4));
}

Test(net_hash, the_seed_changes_what_falls_together)
{
    unsigned same = 0;

    for (unsigned flow = 0; flow < 256; flow++) {
        TestFrame f;
        NicPacket packet;
        NicFrame frame;
        NicDigest one, two;

        frame_udp(&f, flow);
        packet = frame_packet(&f);
        nic_frame_parse(&packet, &frame);
        nic_frame_digest(&packet, &frame, 1, &one);
        nic_frame_digest(&packet, &frame, 2, &two);
        same += nic_digest_hash(&one, 4) % 4 == nic_digest_hash(&two, 4) % 4;
    }
    /* a quarter by chance: 64, with a standard deviation of 7 */
    cr_assert_lt(same, 100);
}

Test(net_hash, flows_spread_over_buckets)
{
    unsigned count[16] = { 0 };

    for (unsigned flow = 0; flow < 4096; flow++) {
        TestFrame f;

        frame_udp(&f, flow);
        count[hash(&f, NIC_LAYER_4) % 16]++;
    }
    for (unsigned i = 0; i < 16; i++) {
        /* 256 each, with a standard deviation of 16 */
        cr_assert(count[i] > 256 - 80 && count[i] < 256 + 80, "%u",
                  count[i]);
    }
}

/* Whatever same_flow() says yes to must hash alike: all single bytes. */
Test(net_hash, same_flow_never_says_yes_to_another_flow)
{
    TestFrame f, other;
    NicPacket a, b;
    NicFrame frame = { 0 };
    unsigned yes = 0;

    frame_udp(&f, 0);
    a = frame_packet(&f);
    nic_frame_parse(&a, &frame);
    for (unsigned at = 0; at < f.length; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            frame_udp(&other, 0);
            other.bytes[at] ^= 1 << bit;
            b = frame_packet(&other);
            if (!nic_frame_same_flow(&a, &frame, &b)) {
                continue;
            }
            yes++;
            for (unsigned layers = 1; layers < NIC_LAYERS; layers++) {
                cr_assert_eq(hash(&f, layers), hash(&other, layers), "%u",
                             at);
            }
        }
    }
    /* type of service, length, identification, time to live, checksums */
    cr_assert_gt(yes, 7 * 8);
}
