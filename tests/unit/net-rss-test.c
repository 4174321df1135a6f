/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receive-side scaling: hashes, the indirection table, steering. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "net-segment.h"
#include "target-models/net/rss.h"

/* Microsoft's "Verifying the RSS Hash Calculation": its key and table. */
static const uint8_t key[NIC_RSS_KEY] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

typedef struct Vector {
    int family;
    const char *to;
    uint16_t to_port;
    const char *from;
    uint16_t from_port;
    uint32_t addresses;         /* hash of them */
    uint32_t ports;             /* hash of addresses and ports */
} Vector;

static const Vector vectors[] = {
    { AF_INET, "161.142.100.80", 1766, "66.9.149.187", 2794,
      0x323e8fc2, 0x51ccc178 },
    { AF_INET, "65.69.140.83", 4739, "199.92.111.2", 14230,
      0xd718262a, 0xc626b0ea },
    { AF_INET, "12.22.207.184", 38024, "24.19.198.95", 12898,
      0xd2d0a5de, 0x5c2b394a },
    { AF_INET, "209.142.163.6", 2217, "38.27.205.30", 48228,
      0x82989176, 0xafc7327f },
    { AF_INET, "202.188.127.2", 1303, "153.39.163.191", 44251,
      0x5d1809c5, 0x10e828a2 },
    { AF_INET6, "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794,
      0x2cc18cd5, 0x40207d3d },
    { AF_INET6, "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230,
      0x0f0c461c, 0xdde51bbf },
    { AF_INET6, "fe80::200:f8ff:fe21:67cf", 38024,
      "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
      0x4b61e985, 0x02d1feef },
};

static void make(TestSegment *s, const Vector *v, uint8_t protocol)
{
    SegmentSpec spec = {
        .v6 = v->family == AF_INET6, .protocol = protocol,
        .from_port = v->from_port, .to_port = v->to_port, .size = 10,
    };

    inet_pton(v->family, v->from, spec.from);
    inet_pton(v->family, v->to, spec.to);
    segment_make(s, &spec);
}

static NicRss *rss_new(uint32_t types)
{
    NicRssConfig config = {
        .steers = true, .types = types, .mask = 15, .unclassified = 3,
    };
    NicRss *rss = g_new0(NicRss, 1);

    memcpy(config.key, key, sizeof(key));
    for (unsigned i = 0; i < 16; i++) {
        config.table[i] = 100 + i;
    }
    nic_rss_init(rss, &config);
    return rss;
}

static uint32_t hash(const NicRss *rss, const TestSegment *s,
                     NicHashReport *report)
{
    NicPacket packet = segment_packet(s);
    uint32_t value;

    nic_rss_hash(rss, &packet, &value, report);
    return value;
}

Test(net_rss, hashes_of_ports_are_those_that_microsoft_gives)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_TYPES);

    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        TestSegment s;
        NicHashReport report;

        make(&s, &vectors[i], PROTOCOL_TCP);
        cr_expect_eq(hash(rss, &s, &report), vectors[i].ports, "%u", i);
        cr_expect_eq(report, vectors[i].family == AF_INET6
                                 ? NIC_REPORT_TCPV6 : NIC_REPORT_TCPV4);
    }
}

Test(net_rss, hashes_of_addresses_are_those_that_microsoft_gives)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_IPV4 | NIC_HASH_IPV6);

    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        TestSegment s;
        NicHashReport report;

        make(&s, &vectors[i], PROTOCOL_TCP);
        cr_expect_eq(hash(rss, &s, &report), vectors[i].addresses, "%u", i);
        cr_expect_eq(report, vectors[i].family == AF_INET6
                                 ? NIC_REPORT_IPV6 : NIC_REPORT_IPV4);
    }
}

Test(net_rss, udp_is_a_type_of_its_own)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_UDPV4 | NIC_HASH_IPV4);
    TestSegment s;
    NicHashReport report;

    make(&s, &vectors[0], PROTOCOL_UDP);
    cr_assert_eq(hash(rss, &s, &report), vectors[0].ports);
    cr_assert_eq(report, NIC_REPORT_UDPV4);
    make(&s, &vectors[0], PROTOCOL_TCP);
    cr_assert_eq(hash(rss, &s, &report), vectors[0].addresses);
    cr_assert_eq(report, NIC_REPORT_IPV4);
}

Test(net_rss, a_fragment_is_hashed_by_its_addresses)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_TYPES);
    TestSegment s;
    NicHashReport report;

    make(&s, &vectors[0], PROTOCOL_TCP);
    s.bytes[s.ip + 6] = 0x20;           /* more fragments */
    cr_assert_eq(hash(rss, &s, &report), vectors[0].addresses);
    cr_assert_eq(report, NIC_REPORT_IPV4);
}

Test(net_rss, a_type_that_is_not_enabled_goes_to_the_unclassified_ring)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_TCPV6);
    TestSegment s;
    NicHashReport report;

    make(&s, &vectors[0], PROTOCOL_TCP);
    cr_assert_eq(hash(rss, &s, &report), 0);
    cr_assert_eq(report, NIC_REPORT_NONE);
    cr_assert_eq(nic_rss_ring(rss, 0, report), 3);
}

Test(net_rss, what_is_not_ip_goes_to_the_unclassified_ring)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_TYPES);
    uint8_t bytes[60] = { [12] = 8, [13] = 6 };
    NicPacket arp = { bytes, 60, 60, NULL }, none = { bytes, 3, 3, NULL };
    NicHashReport report;
    uint32_t value;

    nic_rss_hash(rss, &arp, &value, &report);
    cr_assert_eq(nic_rss_ring(rss, value, report), 3);
    nic_rss_hash(rss, &none, &value, &report);
    cr_assert_eq(nic_rss_ring(rss, value, report), 3);
}

Test(net_rss, low_bits_of_the_hash_pick_the_entry)
{
    g_autofree NicRss *rss = rss_new(NIC_HASH_TYPES);
    TestSegment s;
    NicHashReport report;
    uint32_t value;

    make(&s, &vectors[0], PROTOCOL_TCP);
    value = hash(rss, &s, &report);
    cr_assert_eq(nic_rss_ring(rss, value, report), 100 + 0x8);
}

/* The definition, bit by bit, against the tables. */
Test(net_rss, tables_give_what_the_definition_gives)
{
    g_autofree NicToeplitz *t = g_new(NicToeplitz, 1);
    uint8_t input[NIC_RSS_INPUT];
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    nic_toeplitz_init(t, key);
    for (unsigned round = 0; round < 50; round++) {
        uint32_t wanted = 0;

        for (unsigned i = 0; i < NIC_RSS_INPUT; i++) {
            input[i] = g_rand_int(rand);
        }
        for (unsigned bit = 0; bit < NIC_RSS_INPUT * 8; bit++) {
            uint32_t window = 0;

            for (unsigned k = bit; k < bit + 32; k++) {
                window = window << 1 | (key[k / 8] >> (7 - k % 8) & 1);
            }
            wanted ^= input[bit / 8] >> (7 - bit % 8) & 1 ? window : 0;
        }
        cr_assert_eq(nic_toeplitz_hash(t, input, sizeof(input)), wanted);
    }
}

Test(net_rss, an_answer_comes_to_the_ring_its_flow_was_sent_on)
{
    g_autofree NicSteer *steer = g_new(NicSteer, 1);
    Vector back = vectors[0];
    TestSegment sent, received;
    NicPacket packet;

    nic_steer_init(steer);
    back.to = vectors[0].from;
    back.to_port = vectors[0].from_port;
    back.from = vectors[0].to;
    back.from_port = vectors[0].to_port;
    make(&sent, &vectors[0], PROTOCOL_TCP);
    make(&received, &back, PROTOCOL_TCP);
    packet = segment_packet(&received);
    cr_assert_eq(nic_steer_ring(steer, &packet), 0);
    packet = segment_packet(&sent);
    nic_steer_sent(steer, &packet, 5);
    packet = segment_packet(&received);
    cr_assert_eq(nic_steer_ring(steer, &packet), 5);
}

Test(net_rss, what_is_not_ip_is_not_steered)
{
    g_autofree NicSteer *steer = g_new(NicSteer, 1);
    uint8_t bytes[60] = { [12] = 8, [13] = 6 };
    NicPacket arp = { bytes, 60, 60, NULL };

    nic_steer_init(steer);
    nic_steer_sent(steer, &arp, 5);
    cr_assert_eq(nic_steer_ring(steer, &arp), 0);
}
