/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: sending, back-pressure, switching, stacks of ports. */
#include <criterion/criterion.h>
#include <string.h>

#include "net-fixture.h"

#define N   8

static MacService *service;
static TestWire wire;
static TestClient a, b;
static TestFrame frames[N];
static NicPacket packets[N];

static void set_up(void)
{
    service = mac_service_new();
    wire_init(&wire, service, "nic0.p0");
    client_init(&a);
    client_init(&b);
    for (unsigned i = 0; i < N; i++) {
        frame_udp(&frames[i], i);
        packets[i] = frame_packet(&frames[i]);
        packets[i].opaque = number(i);
    }
}

static void tear_down(void)
{
    mac_service_free(service);
    wire_free(&wire);
    client_free(&a);
    client_free(&b);
}

TestSuite(net_transmit, .init = set_up, .fini = tear_down);
TestSuite(net_stack, .init = set_up, .fini = tear_down);

Test(net_transmit, a_burst_reaches_the_provider_as_a_burst)
{
    client_attach(&a, wire.port, MAC_A);
    cr_assert_eq(mac_client_transmit(a.client, packets, N, 0), N);
    cr_assert_eq(wire.calls->len, 1);
    cr_assert_eq(wire_sent(&wire, 0), 0);
    cr_assert_eq(wire_sent(&wire, N - 1), N - 1);
    cr_assert_eq(mac_port_stats(wire.port)->transmit_packets, N);
    cr_assert_eq(mac_port_stats(wire.port)->transmit_bytes,
                 N * frames[0].length);
}

Test(net_transmit, a_full_port_refuses_until_it_resumes)
{
    client_attach(&a, wire.port, MAC_A);
    wire.room = 3;
    cr_assert_eq(mac_client_transmit(a.client, packets, N, 0), 3);
    cr_assert_eq(mac_client_transmit(a.client, packets + 3, N - 3, 0), 0);
    cr_assert_eq(wire.calls->len, 1, "a full provider is not asked");
    cr_assert_eq(mac_client_space(a.client), 0);
    wire.room = UINT_MAX;
    mac_port_resume(wire.port);
    cr_assert_eq(a.resumed, 1);
    cr_assert_eq(mac_client_transmit(a.client, packets + 3, N - 3, 0), N - 3);
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(wire_sent(&wire, i), i);
    }
    mac_port_resume(wire.port);
    cr_assert_eq(a.resumed, 1, "it no longer waits");
}

Test(net_transmit, clients_that_wait_take_turns)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_A + 9);
    wire.room = 0;
    mac_client_transmit(a.client, packets, 1, 0);
    mac_client_transmit(b.client, packets, 1, 0);
    mac_port_resume(wire.port);
    cr_assert_eq(a.resumed + b.resumed, 2);
}

Test(net_transmit, a_port_that_is_down_drops_instead_of_queueing)
{
    client_attach(&a, wire.port, MAC_A);
    wire.room = 1;
    mac_client_transmit(a.client, packets, 2, 0);
    wire_link(&wire, false);
    cr_assert_eq(a.resumed, 1, "what waited is to be dropped");
    cr_assert_eq(mac_client_transmit(a.client, packets + 1, 3, 0), 3);
    cr_assert_eq(wire.sent->len, 1);
    cr_assert_eq(mac_port_stats(wire.port)->transmit_link_down, 3);
    wire_link(&wire, true);
    cr_assert_eq(wire.sent->len, 1, "nothing is replayed");
}

Test(net_transmit, malformed_packets_count_as_taken)
{
    client_attach(&a, wire.port, MAC_A);
    packets[2].head = packets[2].length = 9;
    cr_assert_eq(mac_client_transmit(a.client, packets, N, 0), N);
    cr_assert_eq(wire.sent->len, N - 1);
    cr_assert_eq(mac_port_stats(wire.port)->transmit_malformed, 1);
    client_attach(&b, wire.port, MAC_A + 9);
    cr_assert_eq(mac_client_transmit(a.client, packets, N, 0), N);
    cr_assert_eq(wire.sent->len, 2 * (N - 1));
}

Test(net_transmit, unicast_to_a_neighbour_stays_off_the_wire)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_B);
    cr_assert_eq(mac_client_transmit(a.client, packets, N, 0), N);
    cr_assert_eq(b.packets, N);
    cr_assert_eq(b.originals, 0);
    cr_assert_eq(a.packets, 0);
    cr_assert_eq(wire.sent->len, 0);
    cr_assert_eq(mac_port_stats(wire.port)->switched, N);
}

Test(net_transmit, broadcast_goes_to_the_wire_and_to_neighbours_once)
{
    client_attach(&a, wire.port, MAC_A);
    client_attach(&b, wire.port, MAC_B);
    memset(frames[0].bytes, 0xff, 6);
    memset(frames[1].bytes, 0xff, 6);
    wire.room = 1;
    cr_assert_eq(mac_client_transmit(a.client, packets, 2, 0), 1);
    cr_assert_eq(b.packets, 1, "what was not taken comes again");
    wire.room = 1;
    mac_port_resume(wire.port);
    cr_assert_eq(mac_client_transmit(a.client, packets + 1, 1, 0), 1);
    cr_assert_eq(b.packets, 2);
    cr_assert_eq(wire.sent->len, 2);
}

Test(net_transmit, a_tap_sees_what_is_sent)
{
    MacFilter filter;

    client_attach(&a, wire.port, MAC_A);
    mac_filter_init(&filter, 0);
    filter.all_sap = true;
    b.client = mac_client_attach(wire.port, &filter, NULL, &client_ops, &b,
                                 NULL);
    mac_client_transmit(a.client, packets, N, 0);
    cr_assert_eq(b.packets, N);
    cr_assert_eq(wire.sent->len, N);
}

Test(net_transmit, drained_when_what_was_sent_before_has_left)
{
    client_attach(&a, wire.port, MAC_A);
    cr_assert(mac_client_drained(a.client));
    wire.queues = true;
    mac_client_transmit(a.client, packets, 3, 0);
    mac_client_drain_begin(a.client);
    mac_client_transmit(a.client, packets, 2, 0);
    cr_assert_not(mac_client_drained(a.client));
    wire.in_flight -= 2;
    mac_port_completed(wire.port);
    cr_assert_eq(a.completed, 1);
    cr_assert_not(mac_client_drained(a.client));
    wire.in_flight -= 1;
    cr_assert(mac_client_drained(a.client));
}

/* Ports "a" to "d" that stand on nothing yet. */
static TestWire stack[MAC_MAX_DEPTH + 2];

static void publish_stack(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("s%u", i);

        wire_init(&stack[i], service, name);
    }
}

static void free_stack(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        wire_free(&stack[i]);
    }
}

static bool put_on(unsigned upper, unsigned lower, GError **error)
{
    MacFilter filter;

    mac_filter_init(&filter, MAC_A);
    return mac_client_attach(stack[lower].port, &filter, stack[upper].port,
                             &client_ops, &a, error);
}

Test(net_stack, a_port_cannot_stand_on_itself)
{
    g_autoptr(GError) error = NULL;

    publish_stack(1);
    cr_assert_not(put_on(0, 0, &error));
    cr_assert_eq(error->code, MAC_ERROR_LOOP);
    cr_assert_str_eq(error->message, "port s0 cannot be a member of s0: "
                     "that would be a loop (s0 on s0)");
    free_stack(1);
}

Test(net_stack, a_loop_is_refused_and_shown)
{
    g_autoptr(GError) error = NULL;

    publish_stack(3);
    cr_assert(put_on(0, 1, NULL));
    cr_assert(put_on(1, 2, NULL));
    cr_assert_not(put_on(2, 0, &error));
    cr_assert_str_eq(error->message, "port s0 cannot be a member of s2: "
                     "that would be a loop (s2 on s0 on s1 on s2)");
    free_stack(3);
}

Test(net_stack, a_stack_has_a_limit_from_whichever_end_it_grows)
{
    g_autoptr(GError) error = NULL;

    publish_stack(MAC_MAX_DEPTH + 1);
    for (unsigned i = 0; i + 1 < MAC_MAX_DEPTH; i++) {
        cr_assert(put_on(i, i + 1, NULL), "%u", i);
    }
    cr_assert_not(put_on(MAC_MAX_DEPTH, 0, NULL));
    cr_assert_not(put_on(MAC_MAX_DEPTH - 1, MAC_MAX_DEPTH, &error));
    cr_assert_eq(error->code, MAC_ERROR_LIMIT);
    free_stack(MAC_MAX_DEPTH + 1);
}

Test(net_stack, a_member_is_used_alone)
{
    g_autoptr(GError) error = NULL;

    publish_stack(3);
    cr_assert(put_on(0, 1, NULL));
    cr_assert_not(put_on(2, 1, &error));
    cr_assert_eq(error->code, MAC_ERROR_BUSY);
    cr_assert_str_eq(error->message,
                     "port s1 is a member of s0; detach that first");
    client_attach(&b, stack[2].port, MAC_B);
    cr_assert_not(put_on(0, 2, NULL));
    free_stack(3);
}
