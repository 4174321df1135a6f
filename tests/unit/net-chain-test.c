/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cutting chains against a plain reference; hold-off. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-fixture.h"

#define MS      UINT64_C(1000000)

static NicSubChain cut(NicPacket *packets, unsigned n)
{
    NicSubChain sub;

    nic_chain_cut(packets, n, &sub);
    return sub;
}

Test(net_chain, neighbours_of_one_destination_are_one_sub_chain)
{
    TestFrame f[3];
    NicPacket p[3];

    for (unsigned i = 0; i < 3; i++) {
        frame_udp(&f[i], i);
        p[i] = frame_packet(&f[i]);
    }
    cr_assert_eq(cut(p, 3).n, 3);
    cr_assert_eq(cut(p, 3).bytes, 3 * f[0].length);
    cr_assert_eq(cut(p, 3).destination.address, MAC_B);
    f[1].bytes[5]++;
    cr_assert_eq(cut(p, 3).n, 1);
    cr_assert_eq(cut(p + 1, 2).n, 1);
}

/* Each field of the destination information ends a sub-chain. */
Test(net_chain, any_other_destination_information_cuts)
{
    TestFrame first, other[6];
    NicPacket p[2];

    frame_start(&first, MAC_B, MAC_A, 5, 0, NIC_SAP_IPV4);
    frame_start(&other[0], MAC_A, MAC_A, 5, 0, NIC_SAP_IPV4);
    frame_start(&other[1], MAC_B, MAC_B, 5, 0, NIC_SAP_IPV4);
    frame_start(&other[2], MAC_B, MAC_A, 6, 0, NIC_SAP_IPV4);
    frame_start(&other[3], MAC_B, MAC_A, 5, 0, NIC_SAP_IPV6);
    frame_start(&other[4], MAC_B, MAC_A, 0, 0, NIC_SAP_IPV4);
    frame_start(&other[5], MAC_B, MAC_A, 5, 5, NIC_SAP_IPV4);
    p[0] = frame_packet(&first);
    for (unsigned i = 0; i < G_N_ELEMENTS(other); i++) {
        p[1] = frame_packet(&other[i]);
        cr_assert_eq(cut(p, 2).n, 1, "%u", i);
    }
}

Test(net_chain, priority_does_not_cut)
{
    TestFrame f[2];
    NicPacket p[2];

    frame_start(&f[0], MAC_B, MAC_A, 5, 0, NIC_SAP_IPV4);
    frame_start(&f[1], MAC_B, MAC_A, 5 | 7 << 13, 0, NIC_SAP_IPV4);
    p[0] = frame_packet(&f[0]);
    p[1] = frame_packet(&f[1]);
    cr_assert_eq(cut(p, 2).n, 2);
}

Test(net_chain, lengths_of_llc_are_one_sap)
{
    TestFrame f[2];
    NicPacket p[2];

    frame_start(&f[0], MAC_B, MAC_A, 0, 0, 100);
    frame_start(&f[1], MAC_B, MAC_A, 0, 0, 200);
    p[0] = frame_packet(&f[0]);
    p[1] = frame_packet(&f[1]);
    cr_assert_eq(cut(p, 2).n, 2);
}

Test(net_chain, malformed_packets_are_a_sub_chain_of_their_own)
{
    TestFrame f;
    NicPacket p[4];

    frame_udp(&f, 0);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = frame_packet(&f);
    }
    p[1].head = p[1].length = 13;
    p[2].head = p[2].length = 0;
    cr_assert_eq(cut(p, 4).n, 1);
    cr_assert(cut(p + 1, 3).malformed);
    cr_assert_eq(cut(p + 1, 3).n, 2);
    cr_assert_eq(cut(p + 1, 3).bytes, 13);
    cr_assert_not(cut(p + 3, 1).malformed);
}

/* The plain way: parse each, compare each with its neighbour. */
static unsigned reference_cut(const NicPacket *p, unsigned n)
{
    NicDestination a, b;
    bool good = nic_frame_destination(p[0].data, p[0].head, &a);
    unsigned i;

    for (i = 1; i < n; i++) {
        bool next = nic_frame_destination(p[i].data, p[i].head, &b);

        if (next != good || (good && !nic_destination_equal(&a, &b))) {
            break;
        }
    }
    return i;
}

Test(net_chain, cuts_as_the_plain_way_does)
{
    static const uint16_t saps[] = { NIC_SAP_IPV4, 100, 200, 0x88b5 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    TestFrame f[64];
    NicPacket p[64];

    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < 64; i++) {
            bool tag = g_rand_int_range(rand, 0, 3) == 0;

            frame_start(&f[i], MAC_A, MAC_B + g_rand_int_range(rand, 0, 2),
                        tag ? g_rand_int_range(rand, 1, 3) : 0,
                        tag && g_rand_boolean(rand) ? 9 : 0,
                        saps[g_rand_int_range(rand, 0, 4)]);
            if (i && g_rand_int_range(rand, 0, 3)) {
                f[i] = f[i - 1];
            }
            p[i] = frame_packet(&f[i]);
            if (g_rand_int_range(rand, 0, 12) == 0) {
                p[i].head = g_rand_int_range(rand, 0, f[i].length);
            }
        }
        for (unsigned at = 0; at < 64;) {
            unsigned n = cut(p + at, 64 - at).n;

            cr_assert_eq(n, reference_cut(p + at, 64 - at));
            at += n;
        }
    }
}

Test(net_chain, the_histogram_has_a_bin_for_each_doubling)
{
    cr_assert_eq(nic_chain_bin(1), 0);
    cr_assert_eq(nic_chain_bin(2), 1);
    cr_assert_eq(nic_chain_bin(3), 1);
    cr_assert_eq(nic_chain_bin(4), 2);
    cr_assert_eq(nic_chain_bin(64), 6);
    cr_assert_eq(nic_chain_bin(127), 6);
    cr_assert_eq(nic_chain_bin(128), 7);
    cr_assert_eq(nic_chain_bin(UINT_MAX), 7);
}

Test(net_holdoff, without_a_holdoff_every_burst_interrupts)
{
    NicHoldoff h = { 0 };

    cr_assert(nic_holdoff_add(&h, 1, 0));
    nic_holdoff_set(&h, 16, 0, 0);
    cr_assert(nic_holdoff_add(&h, 1, 0));
    cr_assert_eq(nic_holdoff_deadline(&h), NIC_NO_DEADLINE);
}

Test(net_holdoff, the_threshold_interrupts_at_once)
{
    NicHoldoff h = { 0 };

    nic_holdoff_set(&h, 16, 3 * MS, 0);
    cr_assert_not(nic_holdoff_add(&h, 15, 0));
    cr_assert(nic_holdoff_add(&h, 1, 1));
    cr_assert_eq(h.pending, 0);
}

Test(net_holdoff, the_first_packet_waits_no_longer_than_the_holdoff)
{
    NicHoldoff h = { 0 };

    nic_holdoff_set(&h, 0, 3 * MS, 0);
    cr_assert_not(nic_holdoff_add(&h, 1, 5 * MS));
    cr_assert_not(nic_holdoff_add(&h, 100, 7 * MS));
    cr_assert_eq(nic_holdoff_deadline(&h), 8 * MS);
    cr_assert_not(nic_holdoff_expire(&h, 8 * MS - 1));
    cr_assert(nic_holdoff_expire(&h, 8 * MS));
    cr_assert_not(nic_holdoff_expire(&h, 9 * MS));
}

Test(net_holdoff, turning_it_off_releases_what_is_pending)
{
    NicHoldoff h = { 0 };

    nic_holdoff_set(&h, 0, 3 * MS, 0);
    nic_holdoff_add(&h, 1, 0);
    nic_holdoff_set(&h, 0, 0, 1);
    cr_assert_leq(nic_holdoff_deadline(&h), 1);
    cr_assert(nic_holdoff_expire(&h, 1));
}

Test(net_holdoff, numbers_at_the_end_of_their_range_do_not_wrap)
{
    NicHoldoff h = { 0 };

    nic_holdoff_set(&h, UINT32_MAX, UINT64_MAX, 5);
    cr_assert_not(nic_holdoff_add(&h, UINT32_MAX - 1, 10));
    cr_assert_gt(nic_holdoff_deadline(&h), 10);
    cr_assert(nic_holdoff_add(&h, 5, 11));
}

/* 5,000 single arrivals a second and 3 ms: one interrupt for 16. */
Test(net_holdoff, sparse_arrivals_share_interrupts)
{
    NicHoldoff h = { 0 };
    unsigned interrupts = 0;

    nic_holdoff_set(&h, 0, 3 * MS, 0);
    for (uint64_t now = 0; now < 1000 * MS; now += MS / 5) {
        interrupts += nic_holdoff_expire(&h, now);
        interrupts += nic_holdoff_add(&h, 1, now);
    }
    cr_assert_leq(interrupts * 15, 5000);
}
