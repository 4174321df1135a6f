/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two aggregations back to back, port to port, with LACP between them: what
 * two machines with a four-port card each are to the models.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "net-fixture.h"
#include "target-models/net/aggregation.h"

#define PORTS   4
#define FLOWS   64
#define SECOND  UINT64_C(1000000000)
#define MS      UINT64_C(1000000)
#define US      UINT64_C(1000)

typedef struct Card Card;

/* A port whose frames arrive at the same port of the other card, later. */
typedef struct Plug {
    Card *card;
    unsigned number;
    MacPort *port;
    GQueue *queue;              /* frames on their way to the other side */
    uint64_t delay_ns;          /* of this direction */
} Plug;

typedef struct Flight {
    uint64_t due_ns;
    uint32_t length;
    void *opaque;
    uint8_t bytes[256];
} Flight;

struct Card {
    MacService *service;
    Aggregation *a;
    Card *other;
    Plug plug[PORTS];
    TestClient guest;
    uint64_t address;
    bool deaf_to_markers;       /* drops them, as some partners do */
};

static Card card[2];
static AggregationConfig config;
static uint64_t now_ns;
static uint32_t sequence[FLOWS];
static TestFrame frames[FLOWS];

static unsigned plug_transmit(void *opaque, NicPacket *packets, unsigned n,
                              uint64_t sent_ns)
{
    Plug *plug = opaque;

    for (unsigned i = 0; i < n; i++) {
        Flight *flight = g_new0(Flight, 1);

        flight->due_ns = sent_ns + plug->delay_ns;
        flight->length = packets[i].length;
        flight->opaque = packets[i].opaque;
        memcpy(flight->bytes, packets[i].data, packets[i].length);
        g_queue_push_tail(plug->queue, flight);
    }
    return n;
}

static unsigned plug_space(void *opaque)
{
    return 1000;
}

static const MacProviderOps plug_ops = {
    .transmit = plug_transmit, .space = plug_space,
};

static bool is_slow(const Flight *f)
{
    return f->bytes[12] == 0x88 && f->bytes[13] == 0x09;
}

static bool is_marker(const Flight *f)
{
    return is_slow(f) && f->bytes[14] == 2;
}

static void deliver(Plug *plug)
{
    Plug *peer = &plug->card->other->plug[plug->number];
    Flight *flight;

    while ((flight = g_queue_peek_head(plug->queue)) &&
           flight->due_ns <= now_ns) {
        NicPacket packet = { flight->bytes, flight->length, flight->length,
                             flight->opaque };

        g_queue_pop_head(plug->queue);
        if (!peer->card->deaf_to_markers || !is_marker(flight)) {
            mac_port_receive(peer->port, &packet, 1, now_ns);
        }
        g_free(flight);
    }
}

static uint64_t next_event(void)
{
    uint64_t next = MIN(aggregation_deadline(card[0].a),
                        aggregation_deadline(card[1].a));

    for (unsigned i = 0; i < 2 * PORTS; i++) {
        Flight *f = g_queue_peek_head(card[i / PORTS].plug[i % PORTS].queue);

        next = f ? MIN(next, f->due_ns) : next;
    }
    return next;
}

static void run(uint64_t ns)
{
    uint64_t end_ns = now_ns + ns;

    while (now_ns < end_ns) {
        now_ns = MAX(now_ns, MIN(next_event(), end_ns));
        aggregation_run(card[0].a, now_ns);
        aggregation_run(card[1].a, now_ns);
        for (unsigned i = 0; i < 2 * PORTS; i++) {
            deliver(&card[i / PORTS].plug[i % PORTS]);
        }
    }
}

static void set_link(unsigned port, bool up)
{
    for (unsigned i = 0; i < 2; i++) {
        mac_port_set_link(card[i].plug[port].port,
                          &(MacLink){ up, true, 1000 }, now_ns);
    }
}

static void make_ports(Card *c, unsigned side)
{
    c->service = mac_service_new();
    c->address = UINT64_C(0x525400000010) + side;
    for (unsigned i = 0; i < PORTS; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);
        Plug *plug = &c->plug[i];

        *plug = (Plug){ c, i, NULL, g_queue_new(), 10 * US };
        plug->port = mac_port_publish(c->service, name, &plug_ops, plug,
                                      NULL);
    }
}

static void make_aggregation(Card *c, bool running)
{
    config.has_lacp = true;
    config.lacp = (LacpConfig){
        .system_priority = 1,
        .system = c->address,
        .key = 1,
        .active = true,
        .fast = true,
    };
    c->a = aggregation_new(c->service, "aggr0", &config, NULL, NULL, now_ns,
                           NULL);
    cr_assert_not_null(c->a);
    aggregation_set_running(c->a, running, now_ns);
    for (unsigned i = 0; i < PORTS; i++) {
        cr_assert_eq(aggregation_add_member(c->a, c->plug[i].port,
                                            c->address + 0x100 * (i + 1),
                                            now_ns, NULL), (int)i);
    }
    client_init(&c->guest);
    client_attach(&c->guest, aggregation_port(c->a), c->address);
}

static void set_up(void)
{
    aggregation_config_init(&config);
    config.policy = NIC_POLICY_L4;
    config.selector.adaptive = false;
    card[0].other = &card[1];
    card[1].other = &card[0];
    for (unsigned i = 0; i < 2; i++) {
        make_ports(&card[i], i);
        make_aggregation(&card[i], true);
    }
}

static void remake(void)
{
    for (unsigned i = 0; i < 2; i++) {
        aggregation_free(card[i].a);
        client_free(&card[i].guest);
        make_aggregation(&card[i], true);
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < 2; i++) {
        aggregation_free(card[i].a);
        mac_service_free(card[i].service);
        client_free(&card[i].guest);
        for (unsigned j = 0; j < PORTS; j++) {
            g_queue_free_full(card[i].plug[j].queue, g_free);
        }
    }
}

TestSuite(pair, .init = set_up, .fini = tear_down);

static AggregationStatus status(unsigned side)
{
    AggregationStatus s;

    aggregation_status(card[side].a, &s);
    return s;
}

static void come_up(void)
{
    for (unsigned i = 0; i < PORTS; i++) {
        set_link(i, true);
    }
    run(5 * SECOND);
    cr_assert_eq(status(0).n_usable, PORTS);
    cr_assert_eq(status(1).n_usable, PORTS);
}

/* One packet of each flow from card 0 to card 1. */
static unsigned send_round(void)
{
    NicPacket packets[FLOWS];
    unsigned taken;

    for (unsigned i = 0; i < FLOWS; i++) {
        frame_udp(&frames[i], i);
        nic_address_put(frames[i].bytes, card[1].address);
        packets[i] = frame_packet(&frames[i]);
        packets[i].opaque = number((uint64_t)i << 32 | sequence[i]);
    }
    taken = mac_client_transmit(card[0].guest.client, packets, FLOWS,
                                now_ns);
    for (unsigned i = 0; i < taken; i++) {
        sequence[i]++;
    }
    return taken;
}

static unsigned count_on_wire(const Plug *plug)
{
    unsigned n = 0;

    for (GList *at = plug->queue->head; at; at = at->next) {
        n += !is_slow(at->data);
    }
    return n;
}

static unsigned count_received(void)
{
    return card[1].guest.packets;
}

/* Every flow arrived in order; @lost: gaps are allowed. */
static void check_order(bool lost)
{
    int64_t last[FLOWS];

    for (unsigned i = 0; i < FLOWS; i++) {
        last[i] = -1;
    }
    for (unsigned i = 0; i < card[1].guest.received->len; i++) {
        uint64_t id = g_array_index(card[1].guest.received, uint64_t, i);
        int64_t n = (uint32_t)id;

        cr_assert(lost ? n > last[id >> 32] : n == last[id >> 32] + 1);
        last[id >> 32] = n;
    }
}

Test(pair, comes_up_and_carries_packets)
{
    cr_assert_not(card[0].guest.link.up);
    come_up();
    cr_assert(card[0].guest.link.up);
    cr_assert_eq(card[0].guest.link.speed_mbps, 4000);
    cr_assert_eq(send_round(), FLOWS);
    run(MS);
    cr_assert_eq(count_received(), FLOWS);
    for (unsigned i = 0; i < PORTS; i++) {
        AggregationMember member;

        cr_assert(aggregation_member(card[1].a, i, &member));
        cr_assert_gt(member.received, 0);
        cr_assert_eq(member.lacp.mux, LACP_MUX_DISTRIBUTING);
    }
}

Test(pair, before_it_is_up_nothing_is_received)
{
    TestFrame f;
    NicPacket packet;

    set_link(0, true);
    frame_udp(&f, 0);
    packet = frame_packet(&f);
    mac_port_receive(card[1].plug[0].port, &packet, 1, now_ns);
    cr_assert_eq(count_received(), 0);
}

Test(pair, survives_each_port_being_pulled)
{
    come_up();
    for (unsigned i = 0; i < PORTS; i++) {
        unsigned before;

        set_link(i, false);
        run(MS);
        cr_assert_eq(status(0).n_usable, PORTS - 1);
        before = count_received();
        cr_assert_eq(send_round(), FLOWS);
        run(MS);
        cr_assert_eq(count_received() - before, FLOWS);
        set_link(i, true);
        run(5 * SECOND);
        cr_assert_eq(status(0).n_usable, PORTS);
    }
    check_order(false);
}

Test(pair, frames_lost_with_a_port_are_those_on_its_wire)
{
    unsigned on_wire;

    come_up();
    send_round();
    on_wire = count_on_wire(&card[0].plug[1]);
    cr_assert_gt(on_wire, 0);
    set_link(1, false);
    for (unsigned i = 0; i < 10; i++) {
        send_round();
    }
    run(MS);
    cr_assert_eq(count_received(), 11 * FLOWS - on_wire);
    check_order(true);
}

Test(pair, a_silent_partner_is_left_after_three_seconds)
{
    come_up();
    card[1].plug[2].delay_ns = 1000 * SECOND;
    run(3 * SECOND + SECOND / 10);
    cr_assert_eq(status(0).n_usable, PORTS - 1);
    cr_assert_eq(send_round(), FLOWS);
}

Test(pair, speeds_that_differ_are_not_used_together)
{
    come_up();
    for (unsigned i = 0; i < 2; i++) {
        mac_port_set_link(card[i].plug[3].port,
                          &(MacLink){ true, true, 10000 }, now_ns);
    }
    run(20 * SECOND);
    cr_assert_eq(status(0).n_usable, PORTS - 1);
    cr_assert_eq(status(1).n_usable, PORTS - 1);
}

/* Wires of such different lengths that any early move would reorder. */
static void stretch_wires(void)
{
    for (unsigned i = 0; i < PORTS; i++) {
        card[0].plug[i].delay_ns = (i + 1) * 2 * MS;
    }
}

static void send_while_policy_changes(NicPolicy policy)
{
    unsigned sent = 0;

    stretch_wires();
    sent += send_round();
    aggregation_set_policy(card[0].a, policy, now_ns);
    for (unsigned i = 0; i < 100; i++) {
        run(MS / 2);
        sent += send_round();
    }
    run(SECOND);
    cr_assert_eq(count_received(), sent);
}

Test(pair, markers_keep_order_when_a_policy_changes)
{
    config.markers = true;
    remake();
    come_up();
    send_while_policy_changes(NIC_POLICY_L2_L3_L4);
    cr_assert_eq(status(0).policy, NIC_POLICY_L2_L3_L4);
    cr_assert_eq(status(0).moves_given_up, 0);
    check_order(false);
}

static bool is_ordered(void)
{
    uint32_t next[FLOWS] = { 0 };

    for (unsigned i = 0; i < card[1].guest.received->len; i++) {
        uint64_t id = g_array_index(card[1].guest.received, uint64_t, i);

        if ((uint32_t)id != next[id >> 32]++) {
            return false;
        }
    }
    return true;
}

/* That is what markers are for: shows that the test before can fail. */
Test(pair, without_markers_wires_of_different_length_reorder)
{
    come_up();
    send_while_policy_changes(NIC_POLICY_L2_L3_L4);
    cr_assert_not(is_ordered());
}

Test(pair, a_partner_that_does_not_answer_markers_holds_up_no_longer)
{
    config.markers = true;
    remake();
    come_up();
    card[1].deaf_to_markers = true;
    aggregation_set_policy(card[0].a, NIC_POLICY_L2, now_ns);
    cr_assert_eq(send_round(), 0);
    run(config.marker_ns - MS);
    cr_assert(status(0).moving);
    run(2 * MS);
    cr_assert_eq(status(0).policy, NIC_POLICY_L2);
    cr_assert_eq(send_round(), FLOWS);
}

/* What a migration does to one side. */
static void migrate(unsigned side)
{
    Card *c = &card[side];
    g_autoptr(GByteArray) state = aggregation_save(c->a, now_ns);
    g_autoptr(GByteArray) again = NULL;
    TestClient guest = c->guest;

    aggregation_free(c->a);
    make_aggregation(c, false);
    cr_assert(aggregation_load(c->a, state->data, state->len, now_ns, NULL));
    again = aggregation_save(c->a, now_ns);
    cr_assert_eq(again->len, state->len);
    cr_assert_arr_eq(again->data, state->data, state->len);
    aggregation_set_running(c->a, true, now_ns);
    /* it goes on counting where it was */
    mac_client_detach(c->guest.client);
    client_free(&c->guest);
    c->guest = guest;
    client_attach(&c->guest, aggregation_port(c->a), c->address);
}

Test(pair, a_migration_in_mid_traffic_is_not_noticed)
{
    come_up();
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(send_round(), FLOWS);
        run(SECOND / 3);
        migrate(i % 2);
        cr_assert_eq(status(0).n_usable, PORTS);
        cr_assert_eq(status(1).n_usable, PORTS);
    }
    cr_assert_eq(count_received(), 20 * FLOWS);
    check_order(false);
}

Test(pair, a_state_that_was_damaged_changes_nothing)
{
    g_autoptr(GByteArray) state = NULL;
    unsigned refused = 0;

    come_up();
    state = aggregation_save(card[0].a, now_ns);
    for (unsigned size = 0; size < state->len; size++) {
        cr_assert_not(aggregation_load(card[0].a, state->data, size, now_ns,
                                       NULL));
    }
    for (unsigned i = 0; i < state->len; i++) {
        g_autoptr(GByteArray) after = NULL;

        state->data[i] ^= 0x80;
        if (!aggregation_load(card[0].a, state->data, state->len, now_ns,
                              NULL)) {
            state->data[i] ^= 0x80;
            after = aggregation_save(card[0].a, now_ns);
            cr_assert_arr_eq(after->data, state->data, state->len);
            refused++;
            continue;
        }
        state->data[i] ^= 0x80;
        cr_assert(aggregation_load(card[0].a, state->data, state->len,
                                   now_ns, NULL));
    }
    cr_assert_gt(refused, 200);
    cr_assert_eq(status(0).n_usable, PORTS);
}
