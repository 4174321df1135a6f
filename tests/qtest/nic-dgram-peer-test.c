/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic-dgram: a peer that is slow, away, deaf or comes back
 */
#include "qemu/osdep.h"
#include "nic-ends.h"

#define HELD            128     /* frames, for a peer that is slow */

static void test_without_a_peer_frames_are_lost_and_counted(void)
{
    Ends e;

    ends_start(&e, "");
    for (unsigned i = 0; i < 3; i++) {
        qnic_send_number(&e.q, 1, i);
    }
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "transmit-lost"), ==, 3);
    ends_end(&e);
}

static void test_a_peer_may_come_go_and_come_again(void)
{
    Ends e;

    ends_start(&e, "");
    for (unsigned i = 0; i < 3; i++) {
        ends_bind(&e);
        qnic_send_number(&e.q, 1, i);
        g_assert_cmpint(ends_receive_number(&e), ==, i);
        ends_unbind(&e);
        qnic_send_number(&e.q, 1, 1000);
    }
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "transmit-lost"), ==, 3);
    ends_end(&e);
}

static void post_many(Ends *e)
{
    uint8_t frame[FRAME_BYTES];

    for (unsigned i = 0; i < HELD; i++) {
        frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
                   FRAME_TYPE, i);
        qnic_post_frame(&e->q, 1, frame, sizeof(frame));
    }
    qnic_notify(&e->q, 1);
}

/* Its queue holds few datagrams (net.unix.max_dgram_qlen). */
static void test_a_slow_peer_gets_everything_in_order(void)
{
    Ends e;

    ends_start(&e, "");
    ends_bind(&e);
    post_many(&e);
    for (unsigned i = 0; i < HELD; i++) {
        g_assert_cmpint(ends_receive_number(&e), ==, i);
    }
    nic_wait_until(qnic_pending(&e.q, 1) == HELD);
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "transmit-lost"), ==, 0);
    ends_end(&e);
}

/*
 * The same through an aggregation, which learns that a wire takes no more
 * when it has given others to other wires; both ports' are the same peer.
 */
static void test_a_slow_peer_of_an_aggregation_gets_everything(void)
{
    g_autofree char *options = NULL, *other = NULL;
    uint8_t seen[HELD] = { 0 };
    Ends e;

    ends_folder(&e);
    ends_bind(&e);
    other = g_strdup_printf("%s/other", e.folder);
    options = g_strdup_printf(
        "-object sunder-nic-dgram,id=a,local=unix:%s,remote=unix:%s "
        "-object sunder-nic-dgram,id=b,local=unix:%s,remote=unix:%s",
        e.card, e.test, other, e.test);
    e.m = nic_machine_start(0, ",ports=a:b,layout=all,policy=round-robin,"
                            "adaptive=off", options);
    qnic_start(&e.q, e.m, 0, 0);
    post_many(&e);
    nic_wait_until(nic_number(e.m, "ports", 0, "transmit-packets") > 0);
    for (unsigned i = 0; i < HELD; i++) {
        g_assert_cmpint(seen[(uint64_t)ends_receive_number(&e) % HELD]++, ==,
                        0);
    }
    nic_wait_until(qnic_pending(&e.q, 1) == HELD);
    unlink(other);
    ends_end(&e);
}

/* The driver is not stuck with a peer that dies while it is slow. */
static void test_a_slow_peer_that_goes_is_not_waited_for(void)
{
    Ends e;

    ends_start(&e, "");
    ends_bind(&e);
    post_many(&e);
    g_assert_cmpint(ends_receive_number(&e), ==, 0);
    ends_unbind(&e);
    nic_wait_until(qnic_pending(&e.q, 1) == HELD);
    ends_end(&e);
}

/* What it has shut comes back at no time: each frame is tried, and lost. */
static void test_a_peer_that_reads_no_more_is_not_waited_for(void)
{
    Ends e;

    ends_start(&e, "");
    ends_bind(&e);
    g_assert_cmpint(shutdown(e.fd, SHUT_RD), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        qnic_send_number(&e.q, 1, i);
    }
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "transmit-lost"), ==, 3);
    ends_end(&e);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic-dgram-peer/no-peer",
                   test_without_a_peer_frames_are_lost_and_counted);
    qtest_add_func("/nic-dgram-peer/peer-comes-and-goes",
                   test_a_peer_may_come_go_and_come_again);
    qtest_add_func("/nic-dgram-peer/slow-peer-of-aggregation",
                   test_a_slow_peer_of_an_aggregation_gets_everything);
    qtest_add_func("/nic-dgram-peer/slow-peer",
                   test_a_slow_peer_gets_everything_in_order);
    qtest_add_func("/nic-dgram-peer/slow-peer-goes",
                   test_a_slow_peer_that_goes_is_not_waited_for);
    qtest_add_func("/nic-dgram-peer/deaf",
                   test_a_peer_that_reads_no_more_is_not_waited_for);
    return g_test_run();
}
