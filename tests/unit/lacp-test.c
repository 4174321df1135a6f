/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two LACP systems against each other. */
#include <criterion/criterion.h>
#include <string.h>

#include "lacp-fixture.h"

#define MS          UINT64_C(1000000)
#define SECOND      LACP_SECOND

static LacpLab *lab;

static void set_up(void)
{
    LacpConfig a = lab_config(0), b = lab_config(1);

    lab = lab_new(&a, &b);
}

static void tear_down(void)
{
    lab_free(lab);
}

TestSuite(lacp, .init = set_up, .fini = tear_down);

static void make_lab(LacpConfig a, LacpConfig b)
{
    lab_free(lab);
    lab = lab_new(&a, &b);
}

static void come_up(void)
{
    lab_plug_all(lab);
    cr_assert_neq(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), UINT64_MAX);
}

Test(lacp, comes_up_in_less_than_five_seconds)
{
    uint64_t ns;

    lab_plug_all(lab);
    ns = lab_run_until_up(lab, LAB_PORTS, 10 * SECOND);
    cr_assert_lt(ns, 5 * SECOND);
    cr_assert_geq(ns, LACP_AGGREGATE_WAIT);
}

Test(lacp, stays_up)
{
    come_up();
    lab_run(lab, 1000 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
    cr_assert_eq(lab_status(lab, 0, 0).stats.expired, 0);
}

Test(lacp, sends_each_second_when_fast_and_each_thirty_when_slow)
{
    uint64_t before;

    come_up();
    lab_run(lab, 10 * SECOND);
    before = lab_status(lab, 0, 0).stats.lacpdus_sent;
    lab_run(lab, 60 * SECOND);
    cr_assert_eq(lab_status(lab, 0, 0).stats.lacpdus_sent - before, 60);
    lacp_system_set_mode(lab->system[1], true, false, lab->now_ns);
    lab_run(lab, 10 * SECOND);
    before = lab_status(lab, 0, 0).stats.lacpdus_sent;
    lab_run(lab, 60 * SECOND);
    cr_assert_eq(lab_status(lab, 0, 0).stats.lacpdus_sent - before, 2);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
}

Test(lacp, two_passive_systems_stay_silent)
{
    LacpConfig a = lab_config(0), b = lab_config(1);

    a.active = b.active = false;
    make_lab(a, b);
    lab_plug_all(lab);
    lab_run(lab, 100 * SECOND);
    cr_assert_eq(lab_status(lab, 0, 0).stats.lacpdus_received, 0);
    cr_assert_eq(lab_distributing(lab, 0), 0);
}

Test(lacp, a_passive_system_answers)
{
    LacpConfig a = lab_config(0), b = lab_config(1);

    b.active = false;
    make_lab(a, b);
    come_up();
    lab_run(lab, 100 * SECOND);
    cr_assert_eq(lab_distributing(lab, 1), LAB_PORTS);
}

Test(lacp, a_silent_partner_is_given_up_after_three_seconds)
{
    come_up();
    lab_run(lab, 10 * SECOND);
    lab->mute[1][2] = true;
    lab_run(lab, 2 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
    lab_run(lab, SECOND + MS);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS - 1);
    cr_assert_not(lacp_port_distributing(lab->port[0][2]));
    cr_assert_eq(lab_status(lab, 0, 2).stats.expired, 1);
    lab_run(lab, 10 * MS);
    cr_assert_not(lacp_port_distributing(lab->port[1][2]),
                  "the other side was told");
}

Test(lacp, with_slow_rate_silence_may_last_ninety_seconds)
{
    LacpConfig a = lab_config(0), b = lab_config(1);

    a.fast = false;
    make_lab(a, b);
    come_up();
    lab_run(lab, 100 * SECOND);
    lab->mute[1][2] = true;
    lab_run(lab, 59 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
    lab_run(lab, 32 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS - 1);
}

Test(lacp, each_port_can_be_pulled_and_put_back)
{
    come_up();
    for (unsigned i = 0; i < LAB_PORTS; i++) {
        lab_plug(lab, i, false);
        cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS - 1);
        lab_run(lab, 20 * SECOND);
        cr_assert_eq(lab_distributing(lab, 1), LAB_PORTS - 1);
        lab_plug(lab, i, true);
        cr_assert_lt(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND),
                     5 * SECOND);
    }
}

Test(lacp, all_ports_may_be_pulled_at_once)
{
    come_up();
    for (unsigned i = 0; i < LAB_PORTS; i++) {
        lab_plug(lab, i, false);
    }
    lab_run(lab, 20 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), 0);
    lab_plug_all(lab);
    cr_assert_lt(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), 5 * SECOND);
}

/* But for the moment that a LACPDU is on its way: 25 ms are longer. */
Test(lacp, a_side_never_distributes_what_the_other_does_not_collect)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    unsigned distributed = 0;

    lab_plug_all(lab);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned which = g_rand_int_range(rand, 0, LAB_PORTS);

        if (i % 400 == 0) {
            lab_plug(lab, which, !lab->plugged[which]);
        } else if (i % 400 == 200) {
            lacp_port_set_key(lab->port[0][which], i / 200, lab->now_ns);
        }
        lab_run(lab, 25 * MS);
        for (unsigned p = 0; p < LAB_PORTS; p++) {
            bool a = lacp_port_distributing(lab->port[0][p]);

            distributed += a;
            cr_assert(!a || lacp_port_collecting(lab->port[1][p]), "%u", i);
        }
    }
    cr_assert_gt(distributed, 1000);
}

Test(lacp, loss_and_reordering_do_not_stop_it)
{
    lab->loss = 0.2;
    lab->delay_ns = 300 * MS;
    lab_plug_all(lab);
    cr_assert_neq(lab_run_until_up(lab, LAB_PORTS, 120 * SECOND),
                  UINT64_MAX);
    lab_run(lab, 100 * SECOND);
    lab->loss = 0;
    lab->delay_ns = 0;
    cr_assert_neq(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), UINT64_MAX);
    lab_run(lab, 100 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), LAB_PORTS);
}

Test(lacp, never_sends_more_than_three_in_a_second)
{
    uint64_t before;

    lab_plug_all(lab);
    for (unsigned i = 0; i < 10; i++) {
        before = lab_status(lab, 0, 0).stats.lacpdus_sent;
        for (unsigned j = 0; j < 100; j++) {
            lacp_system_set_mode(lab->system[0], true, j % 2, lab->now_ns);
            lab_run(lab, 10 * MS);
        }
        cr_assert_leq(lab_status(lab, 0, 0).stats.lacpdus_sent - before, 4,
                      "at the ends of the second, one each");
    }
    cr_assert_leq(lab_status(lab, 0, 0).stats.lacpdus_sent, 31);
}

/* What a port says of its partner when half the wires lead elsewhere. */
static void say(unsigned port, uint64_t system, uint16_t key)
{
    LacpPdu pdu = {
        .actor = { 1, system, key, 1, port + 1,
                   LACP_ACTIVITY | LACP_TIMEOUT | LACP_AGGREGATION |
                   LACP_SYNCHRONIZATION | LACP_COLLECTING },
        .partner = lab_status(lab, 0, port).actor,
    };
    uint8_t frame[LACP_FRAME];

    lacp_pdu_encode(&pdu, system, frame);
    cr_assert_eq(lacp_port_receive(lab->port[0][port], frame, LACP_FRAME,
                                   lab->now_ns), LACP_FRAME_LACPDU);
}

/* Only this side; the test plays the other. */
static void enable_own_side(void)
{
    for (unsigned i = 0; i < LAB_PORTS; i++) {
        lacp_port_set_enabled(lab->port[0][i], true, lab->now_ns);
    }
}

static void say_for_seconds(unsigned seconds, unsigned first_of_two,
                            uint16_t second_key)
{
    for (unsigned i = 0; i < seconds * 2; i++) {
        for (unsigned p = 0; p < LAB_PORTS; p++) {
            say(p, 0x99, p < first_of_two ? 5 : second_key);
        }
        lab_run(lab, 500 * MS);
    }
}

Test(lacp, nothing_is_collected_before_the_partner_is_in_step)
{
    LacpPdu pdu = { .actor = { 1, 0x99, 5, 1, 1, LACP_ACTIVITY |
                               LACP_TIMEOUT | LACP_AGGREGATION } };
    uint8_t frame[LACP_FRAME];

    enable_own_side();
    for (unsigned i = 0; i < 10; i++) {
        pdu.partner = lab_status(lab, 0, 0).actor;
        lacp_pdu_encode(&pdu, 0x99, frame);
        lacp_port_receive(lab->port[0][0], frame, LACP_FRAME, lab->now_ns);
        lab_run(lab, 500 * MS);
    }
    cr_assert_eq(lab_status(lab, 0, 0).mux, LACP_MUX_ATTACHED);
    cr_assert_not(lacp_port_collecting(lab->port[0][0]));
    cr_assert_lt(lab_status(lab, 0, 0).stats.lacpdus_sent, 10,
                 "it went to and fro");
    say(0, 0x99, 5);
    cr_assert(lacp_port_distributing(lab->port[0][0]));
}

/* A partner that takes us for somebody else is not in step with us. */
Test(lacp, a_partner_that_does_not_know_us_is_not_believed)
{
    LacpPdu pdu = { .actor = { 1, 0x99, 5, 1, 1, LACP_ACTIVITY |
                               LACP_TIMEOUT | LACP_AGGREGATION |
                               LACP_SYNCHRONIZATION | LACP_COLLECTING } };
    uint8_t frame[LACP_FRAME];

    enable_own_side();
    pdu.partner = lab_status(lab, 0, 1).actor;
    lacp_pdu_encode(&pdu, 0x99, frame);
    for (unsigned i = 0; i < 10; i++) {
        lacp_port_receive(lab->port[0][0], frame, LACP_FRAME, lab->now_ns);
        lab_run(lab, 500 * MS);
    }
    cr_assert_eq(lab_status(lab, 0, 0).mux, LACP_MUX_ATTACHED);
}

Test(lacp, ports_to_two_partners_are_not_used_together)
{
    enable_own_side();
    say_for_seconds(5, 2, 5);
    cr_assert_eq(lab_distributing(lab, 0), 4);
    say_for_seconds(5, 2, 6);
    cr_assert_eq(lab_distributing(lab, 0), 2, "the group that was there");
    cr_assert(lacp_port_distributing(lab->port[0][0]));
    cr_assert_not(lab_status(lab, 0, 3).selected);
}

Test(lacp, a_group_is_left_when_its_last_port_goes)
{
    enable_own_side();
    say_for_seconds(5, 1, 6);
    say_for_seconds(5, 1, 6);
    lacp_port_set_enabled(lab->port[0][0], false, lab->now_ns);
    say_for_seconds(5, 1, 6);
    cr_assert_eq(lab_distributing(lab, 0), 3);
}

Test(lacp, a_wire_to_oneself_is_never_used)
{
    enable_own_side();
    for (unsigned i = 0; i < 10; i++) {
        LacpPdu pdu = { lab_status(lab, 0, 1).actor,
                        lab_status(lab, 0, 0).actor, 0 };
        uint8_t frame[LACP_FRAME];

        pdu.actor.state |= LACP_SYNCHRONIZATION | LACP_COLLECTING;
        lacp_pdu_encode(&pdu, 1, frame);
        lacp_port_receive(lab->port[0][0], frame, LACP_FRAME, lab->now_ns);
        lab_run(lab, 500 * MS);
    }
    cr_assert_eq(lab_distributing(lab, 0), 0);
}

Test(lacp, without_a_partner_nothing_distributes)
{
    enable_own_side();
    lab_run(lab, 20 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), 0);
    cr_assert_eq(lab_status(lab, 0, 0).receive, LACP_RECEIVE_DEFAULTED);
    cr_assert(lab_status(lab, 0, 0).actor.state & LACP_DEFAULTED);
}

Test(lacp, with_fallback_one_port_goes_on_alone_until_there_is_a_partner)
{
    LacpConfig a = lab_config(0);

    a.fallback = true;
    make_lab(a, lab_config(1));
    enable_own_side();
    lab_run(lab, 20 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), 1);
    cr_assert(lacp_port_distributing(lab->port[0][0]));
    lacp_port_set_enabled(lab->port[0][0], false, lab->now_ns);
    lab_run(lab, 20 * SECOND);
    cr_assert(lacp_port_distributing(lab->port[0][1]));
    lab_plug_all(lab);
    cr_assert_neq(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), UINT64_MAX);
}

Test(lacp, ports_of_another_key_are_not_used_together)
{
    come_up();
    lacp_port_set_key(lab->port[0][3], 99, lab->now_ns);
    lab_run(lab, 20 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), 3);
    cr_assert_eq(lab_distributing(lab, 1), 3);
    lacp_port_set_key(lab->port[0][3], 7, lab->now_ns);
    cr_assert_neq(lab_run_until_up(lab, LAB_PORTS, 10 * SECOND), UINT64_MAX);
}

Test(lacp, a_port_may_be_removed)
{
    come_up();
    lacp_port_remove(lab->port[0][3], lab->now_ns);
    lab->port[0][3] = lacp_port_add(lab->system[0], 9, 1, 1, NULL);
    lab_run(lab, 20 * SECOND);
    cr_assert_eq(lab_distributing(lab, 0), 3);
    cr_assert_eq(lab_distributing(lab, 1), 3);
}

Test(lacp, numbers_of_ports_are_unique)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(lacp_port_add(lab->system[0], 1, 1, 1, &error));
    cr_assert_eq(error->code, LACP_ERROR_PORT);
    cr_assert_null(lacp_port_add(lab->system[0], 0, 1, 1, NULL));
}

Test(lacp, a_marker_is_answered)
{
    come_up();
    lacp_port_send_marker(lab->port[0][1]);
    cr_assert_not(lacp_port_marker_answered(lab->port[0][1]));
    lab_run(lab, 10 * MS);
    lab_run(lab, SECOND);
    cr_assert(lacp_port_marker_answered(lab->port[0][1]));
    cr_assert_eq(lab_status(lab, 1, 1).stats.responses_sent, 1);
    lacp_port_send_marker(lab->port[0][1]);
    cr_assert_not(lacp_port_marker_answered(lab->port[0][1]));
}

static void answer(uint32_t transaction, uint16_t port)
{
    LacpMarker marker = { true, port, lab_config(0).system, transaction };
    uint8_t frame[LACP_FRAME];

    lacp_marker_encode(&marker, 1, frame);
    lacp_port_receive(lab->port[0][1], frame, LACP_FRAME, lab->now_ns);
}

Test(lacp, only_its_own_response_answers_a_marker)
{
    come_up();
    lab->mute[0][1] = true;
    answer(1, 2);
    cr_assert_not(lacp_port_marker_answered(lab->port[0][1]));
    lacp_port_send_marker(lab->port[0][1]);
    lab_run(lab, 10 * MS);
    lab_run(lab, SECOND);
    answer(7, 2);
    answer(1, 3);
    cr_assert_not(lacp_port_marker_answered(lab->port[0][1]));
    answer(1, 2);
    cr_assert(lacp_port_marker_answered(lab->port[0][1]));
}

Test(lacp, a_flood_of_markers_gets_ten_responses_a_second)
{
    LacpMarker marker = { false, 1, 1, 1 };
    uint8_t frame[LACP_FRAME], answer_frame[LACP_FRAME];
    unsigned answers = 0;

    come_up();
    lacp_marker_encode(&marker, 1, frame);
    for (unsigned i = 0; i < 1000; i++) {
        LacpPdu pdu;
        LacpMarker response;

        lacp_port_receive(lab->port[0][0], frame, LACP_FRAME,
                          lab->now_ns + i);
        if (lacp_port_transmit(lab->port[0][0], answer_frame,
                               lab->now_ns + i)) {
            answers += lacp_frame_decode(answer_frame, LACP_FRAME, &pdu,
                                         &response) == LACP_FRAME_MARKER;
        }
    }
    cr_assert_eq(answers, 10);
}
