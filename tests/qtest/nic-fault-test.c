/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: what happens to frames, in either direction,
 * and the same when run twice
 */
#include "qemu/osdep.h"
#include "nic-lone.h"

#define LACP_TYPE       0x8809
#define LACP_ADDRESS    UINT64_C(0x0180c2000002)

/* --- loss -------------------------------------------------------------- */

static void test_drop_loses_the_frames_whose_turn_it_is(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop",
                 ", 'operation': 'read', 'every': 2");
    lone_arrive(&c, 6);
    EXPECT_ARRIVED(&c, 0, 2, 4);
    lone_wait_fired(&c, "r", 3);
    nic_remove_rule(c.m, "r");

    nic_add_rule(c.m, "w", "nic0.p0", "drop",
                 ", 'operation': 'write', 'every': 3, 'count': 2");
    lone_send(&c, 8);
    EXPECT_SENT(&c, 0, 1, 3, 4, 6, 7);
    lone_end(&c);
}

static void test_one_direction_leaves_the_other_alone(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop", ", 'operation': 'read'");
    lone_arrive(&c, 3);
    lone_send(&c, 3);
    EXPECT_SENT(&c, 0, 1, 2);
    lone_wait_fired(&c, "r", 3);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);

    nic_remove_rule(c.m, "r");
    nic_add_rule(c.m, "w", "nic0.p0", "drop", ", 'operation': 'write'");
    lone_send(&c, 3);
    wire_send_number(c.m, 0, MARKER);
    EXPECT_ARRIVED(&c, MARKER);
    g_assert_cmpint(nic_rule_fired(c.m, "w"), ==, 3);
    lone_end(&c);
}

static void send_lacp(LoneCard *c, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, LACP_ADDRESS, UINT64_C(0x020000000100), LACP_TYPE,
               number);
    qnic_send(&c->q, 1, frame, sizeof(frame));
}

static void test_a_rule_may_be_for_lacpdus_only(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop",
                 ", 'offset': 34825, 'length': 1, 'after': 1, 'count': 1");
    for (unsigned i = 0; i < 3; i++) {
        send_lacp(&c, 100 + i);
        qnic_send_number(&c.q, 1, i);
    }
    EXPECT_SENT(&c, 100, 0, 1, 102, 2);
    lone_end(&c);
}

static void run_with_chance(int64_t sent[20])
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "drop",
                 ", 'probability': 0.5, 'seed': 7, 'operation': 'write'");
    lone_send(&c, 20);
    nic_remove_rule(c.m, "w");
    qnic_send_number(&c.q, 1, MARKER);
    for (unsigned i = 0; i < 20; i++) {
        sent[i] = wire_receive_number(c.m, 0);
        if (sent[i] == MARKER) {
            g_assert_cmpuint(i, >, 0);
            break;
        }
    }
    lone_end(&c);
}

static void test_chance_is_the_same_on_each_run(void)
{
    int64_t first[20] = { 0 }, second[20] = { 0 };

    run_with_chance(first);
    run_with_chance(second);
    g_assert_cmpmem(first, sizeof(first), second, sizeof(second));
}

/* --- frames that change ------------------------------------------------ */

static void test_duplicate_repeats_a_frame(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "duplicate",
                 ", 'value': 2, 'count': 1, 'operation': 'read'");
    lone_arrive(&c, 2);
    EXPECT_ARRIVED(&c, 0, 0, 0, 1);
    nic_add_rule(c.m, "w", "nic0.p0", "duplicate",
                 ", 'operation': 'write', 'every': 2");
    lone_send(&c, 4);
    EXPECT_SENT(&c, 0, 1, 1, 2, 3, 3);
    lone_end(&c);
}

static unsigned count_different_bits(const uint8_t *a, const uint8_t *b)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < FRAME_BYTES; i++) {
        bits += __builtin_popcount(a[i] ^ b[i]);
    }
    return bits;
}

static void test_corrupt_flips_the_bit_of_its_value(void)
{
    uint8_t sent[FRAME_BYTES], frame[NIC_BUFFER];
    LoneCard c = lone_start();

    frame_make(sent, UINT64_C(0xffffffffffff), UINT64_C(0x020000000100),
               FRAME_TYPE, 5);
    nic_add_rule(c.m, "w", "nic0.p0", "corrupt", ", 'value': 401");
    qnic_send(&c.q, 1, sent, sizeof(sent));
    g_assert_cmpuint(wire_receive(c.m, 0, frame, sizeof(frame)), ==,
                     FRAME_BYTES);
    g_assert_cmphex(frame[50], ==, sent[50] ^ 0x40);
    g_assert_cmpuint(count_different_bits(frame, sent), ==, 1);
    /* the driver's own buffer is as it was */
    qtest_memread(c.m->qts, qnic_buffer(&c.q, 1, 0) + NIC_HEADER_BYTES,
                  frame, FRAME_BYTES);
    g_assert_cmpmem(frame, FRAME_BYTES, sent, FRAME_BYTES);
    lone_end(&c);
}

static void receive_corrupt(uint8_t frame[FRAME_BYTES])
{
    uint8_t buffer[NIC_BUFFER];
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "corrupt", "");
    lone_send(&c, 1);
    g_assert_cmpuint(wire_receive(c.m, 0, buffer, sizeof(buffer)), ==,
                     FRAME_BYTES);
    memcpy(frame, buffer, FRAME_BYTES);
    lone_end(&c);
}

static void test_corrupt_without_value_is_the_same_bit_on_each_run(void)
{
    uint8_t sent[FRAME_BYTES], first[FRAME_BYTES], second[FRAME_BYTES];

    frame_make(sent, UINT64_C(0xffffffffffff), UINT64_C(0x020000000100),
               FRAME_TYPE, 0);
    receive_corrupt(first);
    receive_corrupt(second);
    g_assert_cmpuint(count_different_bits(first, sent), ==, 1);
    g_assert_cmpmem(first, FRAME_BYTES, second, FRAME_BYTES);
}

/* --- frames that are late ---------------------------------------------- */

static void test_reorder_lets_others_pass(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "reorder",
                 ", 'value': 2, 'after': 1, 'count': 1,"
                 "  'operation': 'read'");
    lone_arrive(&c, 5);
    EXPECT_ARRIVED(&c, 0, 2, 3, 1, 4);
    nic_add_rule(c.m, "w", "nic0.p0", "reorder",
                 ", 'count': 1, 'operation': 'write'");
    lone_send(&c, 3);
    EXPECT_SENT(&c, 1, 0, 2);
    lone_end(&c);
}

static void test_reorder_does_not_wait_for_ever(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "reorder",
                 ", 'duration': 3000000, 'operation': 'write'");
    lone_send(&c, 1);
    lone_step(&c, 2 * MILLISECOND);
    nic_remove_rule(c.m, "w");
    lone_expect_nothing_sent(&c);
    lone_step(&c, 1 * MILLISECOND);
    EXPECT_SENT(&c, 0);
    lone_end(&c);
}

static void test_delay_holds_frames_back_for_its_duration(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "delay",
                 ", 'duration': 5000000, 'every': 2");
    lone_send(&c, 4);
    EXPECT_SENT(&c, 0, 2);
    lone_step(&c, 5 * MILLISECOND - 1);
    lone_expect_nothing_sent(&c);
    lone_step(&c, 1);
    EXPECT_SENT(&c, 1, 3);

    lone_arrive(&c, 2);
    EXPECT_ARRIVED(&c, 0);
    lone_wait_fired(&c, "r", 3);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);
    lone_step(&c, 5 * MILLISECOND);
    EXPECT_ARRIVED(&c, 1);
    lone_end(&c);
}

/* 60 bytes at 480 kbit/s are a millisecond. */
static void test_rate_limit_sends_one_after_another(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "rate-limit", ", 'value': 480000");
    lone_send(&c, 4);
    for (unsigned i = 0; i < 4; i++) {
        lone_expect_nothing_sent(&c);
        lone_step(&c, MILLISECOND);
        g_assert_cmpint(wire_receive_number(c.m, 0), ==, i);
    }
    nic_remove_rule(c.m, "w");
    lone_send(&c, 1);
    EXPECT_SENT(&c, 0);
    lone_end(&c);
}

/* A frame without limit does not overtake those that had one. */
static void test_rate_limit_that_ends_keeps_the_order(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "rate-limit",
                 ", 'value': 480000, 'count': 2");
    lone_send(&c, 4);
    lone_step(&c, MILLISECOND);
    EXPECT_SENT(&c, 0);
    lone_step(&c, MILLISECOND);
    EXPECT_SENT(&c, 1, 2, 3);
    lone_end(&c);
}

static void test_no_more_than_1024_frames_wait(void)
{
    enum { LIMIT = 1024 };
    LoneCard c = lone_start();

    nic_add_rule(c.m, "w", "nic0.p0", "delay", ", 'duration': 1000000");
    lone_send(&c, LIMIT + 10);
    lone_step(&c, MILLISECOND);
    for (unsigned i = 0; i < LIMIT; i++) {
        g_assert_cmpint(wire_receive_number(c.m, 0), ==, i);
    }
    lone_expect_nothing_sent(&c);
    lone_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic-fault/drop",
                   test_drop_loses_the_frames_whose_turn_it_is);
    qtest_add_func("/nic-fault/one-direction",
                   test_one_direction_leaves_the_other_alone);
    qtest_add_func("/nic-fault/lacp", test_a_rule_may_be_for_lacpdus_only);
    qtest_add_func("/nic-fault/chance", test_chance_is_the_same_on_each_run);
    qtest_add_func("/nic-fault/duplicate", test_duplicate_repeats_a_frame);
    qtest_add_func("/nic-fault/corrupt",
                   test_corrupt_flips_the_bit_of_its_value);
    qtest_add_func("/nic-fault/corrupt-by-chance",
                   test_corrupt_without_value_is_the_same_bit_on_each_run);
    qtest_add_func("/nic-fault/reorder", test_reorder_lets_others_pass);
    qtest_add_func("/nic-fault/reorder-patience",
                   test_reorder_does_not_wait_for_ever);
    qtest_add_func("/nic-fault/delay",
                   test_delay_holds_frames_back_for_its_duration);
    qtest_add_func("/nic-fault/rate-limit",
                   test_rate_limit_sends_one_after_another);
    qtest_add_func("/nic-fault/rate-limit-ends",
                   test_rate_limit_that_ends_keeps_the_order);
    qtest_add_func("/nic-fault/limit", test_no_more_than_1024_frames_wait);
    return g_test_run();
}
