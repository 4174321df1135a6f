/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: who sees which packets. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-fixture.h"

static MacService *service;
static TestWire wire;
static TestClient a, b, tap;

static void set_up(void)
{
    service = mac_service_new();
    wire_init(&wire, service, "nic0.p0");
    client_init(&a);
    client_init(&b);
    client_init(&tap);
}

static void tear_down(void)
{
    mac_service_free(service);
    wire_free(&wire);
    client_free(&a);
    client_free(&b);
    client_free(&tap);
}

TestSuite(net_mac, .init = set_up, .fini = tear_down);

static void attach_tap(void)
{
    MacFilter filter;

    mac_filter_init(&filter, 0);
    filter.all_sap = true;
    tap.client = mac_client_attach(wire.port, &filter, NULL, &client_ops,
                                   &tap, NULL);
    cr_assert_not_null(tap.client);
}

/* One packet from the wire. */
static void arrive(uint64_t to, uint16_t vlan, uint16_t sap)
{
    TestFrame f;
    NicPacket packet;

    frame_start(&f, to, UINT64_C(0x525400009999), vlan, 0, sap);
    packet = frame_packet(&f);
    mac_port_receive(wire.port, &packet, 1, 0);
}

static void set_filter(TestClient *c, MacFilter filter)
{
    cr_assert(mac_client_set_filter(c->client, &filter, NULL));
}

static MacFilter plain_filter(uint64_t address)
{
    MacFilter filter;

    mac_filter_init(&filter, address);
    return filter;
}

Test(net_mac, a_client_sees_its_own_address_and_broadcast)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_B);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 1);
    cr_assert_eq(b.packets, 0);
    arrive(NIC_BROADCAST, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 2);
    cr_assert_eq(b.packets, 1);
    arrive(MAC_B + 5, 0, NIC_SAP_IPV4);
    arrive(MAC_GROUP, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 2);
    cr_assert_eq(mac_port_stats(wire.port)->unknown, 2);
}

Test(net_mac, a_sap_of_its_own_is_all_that_a_client_sees)
{
    MacFilter filter = plain_filter(MAC_A);

    client_attach(&a, wire.port, MAC_A);
    filter.sap = 0x0806;
    set_filter(&a, filter);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 0);
    arrive(MAC_A, 0, 0x0806);
    cr_assert_eq(a.packets, 1);
}

Test(net_mac, a_vlan_of_its_own_is_all_that_a_client_sees)
{
    MacFilter filter = plain_filter(MAC_A);

    client_attach(&a, wire.port, MAC_A);
    filter.vlan = 7;
    set_filter(&a, filter);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    arrive(MAC_A, 8, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 0);
    arrive(MAC_A, 7, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 1);
    cr_assert_eq(a.last.vlan, 7);
}

Test(net_mac, a_vlan_table_lets_in_its_ids_and_untagged)
{
    MacFilter filter = plain_filter(MAC_A);
    uint64_t vlans[NIC_VLANS / 64] = { 0 };

    vlans[4095 / 64] = UINT64_C(1) << 4095 % 64;
    filter.vlans = vlans;
    client_attach(&a, wire.port, MAC_A);
    set_filter(&a, filter);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    arrive(MAC_A, 4095, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 2);
    arrive(MAC_A, 4094, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 2);
}

Test(net_mac, listed_addresses_are_seen)
{
    static const uint64_t more[] = { MAC_GROUP, MAC_B };
    MacFilter filter = plain_filter(MAC_A);

    filter.addresses = more;
    filter.n_addresses = 2;
    client_attach(&a, wire.port, MAC_A);
    set_filter(&a, filter);
    arrive(MAC_GROUP, 0, NIC_SAP_IPV4);
    arrive(MAC_B, 0, NIC_SAP_IPV4);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 3);
    arrive(MAC_GROUP + 1, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 3);
}

/* The modes of a virtio-net control queue. */
Test(net_mac, modes_widen_and_narrow_what_is_seen)
{
    static const uint64_t to[] = { MAC_A, MAC_B, MAC_GROUP, NIC_BROADCAST };
    static const struct {
        MacFilter mode;
        const char *seen;       /* of each of @to */
    } cases[] = {
        { { 0 }, "1001" },
        { { .promiscuous = true }, "1111" },
        { { .all_unicast = true }, "1101" },
        { { .all_multicast = true }, "1011" },
        { { .promiscuous = true, .no_unicast = true }, "0011" },
        { { .promiscuous = true, .no_multicast = true }, "1101" },
        { { .promiscuous = true, .no_broadcast = true }, "1110" },
    };

    client_attach(&a, wire.port, MAC_A);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        MacFilter filter = cases[i].mode;

        filter.address = MAC_A;
        filter.vlan = filter.sap = MAC_ANY;
        set_filter(&a, filter);
        for (unsigned j = 0; j < G_N_ELEMENTS(to); j++) {
            unsigned before = a.packets;

            arrive(to[j], 0, NIC_SAP_IPV4);
            cr_assert_eq(a.packets - before, cases[i].seen[j] == '1',
                         "%u %u", i, j);
        }
    }
}

Test(net_mac, a_tap_sees_every_packet_and_the_client_gets_the_original)
{
    client_attach(&a, wire.port, MAC_A);
    attach_tap();
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    arrive(MAC_B, 9, 0x88b5);
    cr_assert_eq(tap.packets, 2);
    cr_assert_eq(tap.originals, 1, "nobody else wanted the second");
    cr_assert_eq(a.packets, 1);
    cr_assert_eq(a.originals, 1);
    cr_assert_eq(mac_port_stats(wire.port)->unknown, 0);
    cr_assert_eq(mac_port_stats(wire.port)->copies, 1);
}

Test(net_mac, the_last_that_accepts_gets_the_original)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_B);
    arrive(NIC_BROADCAST, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.originals, 0);
    cr_assert_eq(b.originals, 1);
    b.refuses = true;
    arrive(NIC_BROADCAST, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.originals, 1);
    cr_assert_eq(b.packets, 1);
    cr_assert_eq(mac_client_stats(b.client)->not_accepted, 1);
    a.refuses = true;
    arrive(NIC_BROADCAST, 0, NIC_SAP_IPV4);
    cr_assert_eq(mac_port_stats(wire.port)->not_accepted, 1);
}

Test(net_mac, an_original_may_be_kept)
{
    TestFrame f;
    NicPacket packet;

    client_attach(&a, wire.port, MAC_B);
    frame_udp(&f, 0);
    packet = frame_packet(&f);
    packet.opaque = &f;
    mac_port_receive(wire.port, &packet, 1, 0);
    cr_assert_eq(packet.opaque, &f);
    a.keeps = true;
    mac_port_receive(wire.port, &packet, 1, 0);
    cr_assert_null(packet.opaque);
}

Test(net_mac, a_sub_chain_is_one_lookup_and_one_transfer)
{
    TestFrame f[8];
    NicPacket p[8];
    const MacPortStats *stats = mac_port_stats(wire.port);

    client_attach(&a, wire.port, MAC_B);
    for (unsigned i = 0; i < 8; i++) {
        frame_udp(&f[i], i);
        f[i].bytes[11] = i / 4;
        p[i] = frame_packet(&f[i]);
        p[i].opaque = number(i);
    }
    mac_port_receive(wire.port, p, 8, 0);
    cr_assert_eq(a.transfers, 2);
    cr_assert_eq(a.packets, 8);
    cr_assert_eq(stats->lookups, 2);
    cr_assert_eq(stats->lookup_misses, 1, "the source plays no part");
    cr_assert_eq(stats->receive.chains, 1);
    cr_assert_eq(stats->receive.chain_length[3], 1);
    cr_assert_eq(stats->receive.sub_chain_length[2], 2);
    for (unsigned i = 0; i < 8; i++) {
        cr_assert_eq(g_array_index(a.received, uint64_t, i), i);
    }
}

Test(net_mac, malformed_packets_reach_nobody)
{
    TestFrame f;
    NicPacket packet;

    attach_tap();
    frame_udp(&f, 0);
    packet = frame_packet(&f);
    packet.head = packet.length = 5;
    mac_port_receive(wire.port, &packet, 1, 0);
    cr_assert_eq(tap.packets, 0);
    cr_assert_eq(mac_port_stats(wire.port)->malformed, 1);
}

Test(net_mac, a_port_that_is_down_drops)
{
    client_attach(&a, wire.port, MAC_A);
    wire_link(&wire, false);
    cr_assert_eq(a.links, 1);
    cr_assert_not(a.link.up);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 0);
    cr_assert_eq(mac_port_stats(wire.port)->receive_link_down, 1);
    wire_link(&wire, false);
    cr_assert_eq(a.links, 1, "nothing changed");
}

/* Destinations without number push each other out of the table. */
Test(net_mac, lookups_stay_right_when_the_table_overflows)
{
    client_attach(&a, wire.port, MAC_A);
    for (unsigned i = 0; i < 5000; i++) {
        arrive(MAC_A + i % 1000, 0, NIC_SAP_IPV4);
    }
    cr_assert_eq(a.packets, 5);
    cr_assert_eq(mac_port_stats(wire.port)->unknown, 4995);
}

Test(net_mac, statistics_can_be_replaced)
{
    MacPortStats stats = { .unknown = 7 };
    MacClientStats own = { .transfers = 5 };

    client_attach(&a, wire.port, MAC_A);
    mac_port_set_stats(wire.port, &stats);
    mac_client_set_stats(a.client, &own);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    arrive(MAC_B, 0, NIC_SAP_IPV4);
    cr_assert_eq(mac_port_stats(wire.port)->unknown, 8);
    cr_assert_eq(mac_client_stats(a.client)->transfers, 6);
    mac_port_set_stats(wire.port, NULL);
    cr_assert_eq(mac_port_stats(wire.port)->unknown, 0);
}

Test(net_mac, an_unknown_port_names_those_there_are)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(mac_service_find_port(service, "nic0.p9", &error));
    cr_assert_str_eq(error->message,
                     "port nic0.p9: no such port; there is nic0.p0");
    cr_assert_eq(mac_service_find_port(service, "nic0.p0", NULL), wire.port);
}

Test(net_mac, names_are_taken_once)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *longest = g_strnfill(MAC_MAX_NAME + 1, 'x');

    cr_assert_null(mac_port_publish(service, "nic0.p0", &wire_ops, NULL,
                                    &error));
    cr_assert_eq(error->code, MAC_ERROR_PORT);
    cr_assert_null(mac_port_publish(service, longest, &wire_ops, NULL,
                                    NULL));
    cr_assert_null(mac_port_publish(service, "", &wire_ops, NULL, NULL));
}

Test(net_mac, withdrawing_a_port_tells_its_clients)
{
    client_attach(&a, wire.port, MAC_A);
    mac_port_withdraw(wire.port);
    cr_assert(a.withdrawn);
    cr_assert_null(mac_service_find_port(service, "nic0.p0", NULL));
}

static void detach_other(TestClient *self)
{
    mac_client_detach(((TestClient *)self->hook_data)->client);
}

Test(net_mac, a_client_may_detach_another_while_it_receives)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_B);
    a.hook = detach_other;
    a.hook_data = &b;
    arrive(NIC_BROADCAST, 0, NIC_SAP_IPV4);
    cr_assert_eq(a.packets, 1);
    cr_assert_eq(b.packets, 0);
    cr_assert_eq(mac_port_clients(wire.port), 1);
}

static void withdraw_port(TestClient *self)
{
    mac_port_withdraw(mac_client_port(self->client));
}

Test(net_mac, a_port_may_go_while_its_chain_is_handed_over)
{
    TestFrame f[2];
    NicPacket p[2];

    client_attach(&a, wire.port, MAC_A);
    a.hook = withdraw_port;
    for (unsigned i = 0; i < 2; i++) {
        frame_start(&f[i], MAC_A, MAC_B + i, 0, 0, NIC_SAP_IPV4);
        p[i] = frame_packet(&f[i]);
    }
    mac_port_receive(wire.port, p, 2, 0);
    cr_assert_eq(a.packets, 1);
    cr_assert(a.withdrawn);
}

Test(net_mac, clients_and_addresses_have_limits)
{
    TestClient many[MAC_MAX_CLIENTS];
    MacFilter filter = plain_filter(MAC_A);
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        client_init(&many[i]);
        client_attach(&many[i], wire.port, MAC_A);
    }
    cr_assert_null(mac_client_attach(wire.port, &filter, NULL, &client_ops,
                                     &a, &error));
    cr_assert_eq(error->code, MAC_ERROR_LIMIT);
    arrive(MAC_A, 0, NIC_SAP_IPV4);
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        cr_assert_eq(many[i].packets, 1);
        client_free(&many[i]);
    }
    filter.n_addresses = MAC_MAX_ADDRESSES + 1;
    cr_assert_not(mac_client_set_filter(many[0].client, &filter, NULL));
}

/* What a filter lets through, said plainly. */
static bool reference_match(const MacFilter *f, uint64_t to, uint16_t vlan,
                            uint16_t sap)
{
    bool listed = to == f->address && !nic_address_is_group(to);

    for (unsigned i = 0; i < f->n_addresses; i++) {
        listed = listed || f->addresses[i] == to;
    }
    if (f->all_sap) {
        return true;
    }
    if (f->sap != MAC_ANY && f->sap != sap) {
        return false;
    }
    if (f->vlan != MAC_ANY && f->vlan != vlan) {
        return false;
    }
    if (to == NIC_BROADCAST) {
        return !f->no_broadcast;
    }
    if (nic_address_is_group(to)) {
        return !f->no_multicast &&
               (listed || f->promiscuous || f->all_multicast);
    }
    return !f->no_unicast && (listed || f->promiscuous || f->all_unicast);
}

static MacFilter random_filter(GRand *rand, const uint64_t *addresses)
{
    MacFilter f = plain_filter(addresses[g_rand_int_range(rand, 0, 2)]);
    uint32_t bits = g_rand_int(rand) & g_rand_int(rand);

    f.vlan = bits & 1 ? (uint32_t)g_rand_int_range(rand, 0, 3) : MAC_ANY;
    f.sap = bits & 2 ? (bits & 4 ? 0x0800u : 0x0806u) : MAC_ANY;
    f.all_sap = bits & 8;
    f.promiscuous = bits & 16;
    f.all_unicast = bits & 32;
    f.all_multicast = bits & 64;
    f.no_unicast = bits & 128;
    f.no_multicast = bits & 256;
    f.no_broadcast = bits & 512;
    f.addresses = addresses;
    f.n_addresses = bits & 1024 ? g_rand_int_range(rand, 0, 4) : 0;
    return f;
}

/* Three clients whose filters change at random, against the plain way. */
Test(net_mac, each_sees_what_its_filter_says)
{
    static const uint64_t to[] = {
        MAC_A, MAC_B, MAC_GROUP, MAC_GROUP + 1, NIC_BROADCAST,
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    TestClient *clients[] = { &a, &b, &tap };
    MacFilter filters[3];

    for (unsigned i = 0; i < 3; i++) {
        client_attach(clients[i], wire.port, MAC_A);
        filters[i] = plain_filter(MAC_A);
    }
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t address = to[g_rand_int_range(rand, 0, 5)];
        uint16_t vlan = g_rand_int_range(rand, 0, 3);
        uint16_t sap = g_rand_boolean(rand) ? 0x0800 : 0x0806;
        unsigned before[3], originals = a.originals + b.originals +
                                        tap.originals, seen = 0;

        if (round % 8 == 0) {
            unsigned i = g_rand_int_range(rand, 0, 3);

            filters[i] = random_filter(rand, to);
            set_filter(clients[i], filters[i]);
        }
        for (unsigned i = 0; i < 3; i++) {
            before[i] = clients[i]->packets;
        }
        arrive(address, vlan, sap);
        for (unsigned i = 0; i < 3; i++) {
            bool saw = clients[i]->packets - before[i];

            seen += saw;
            cr_assert_eq(saw, reference_match(&filters[i], address, vlan,
                                              sap));
        }
        cr_assert_eq(a.originals + b.originals + tap.originals - originals,
                     seen > 0, "one of them gets the original");
    }
}
