/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: each outcome of a port and of a ring, in either
 * direction; the same run twice; and over a saved state.
 *
 * Virtual time stands still unless a test moves it, so nothing that is held
 * back comes by itself.
 */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "saved-state.h"
#include "standard-headers/linux/virtio_config.h"

#define MILLISECOND     INT64_C(1000000)
#define LACP_TYPE       0x8809
#define RARP_TYPE       0x8035
#define LACP_ADDRESS    UINT64_C(0x0180c2000002)
#define LINK_UP         1               /* VIRTIO_NET_S_LINK_UP */
#define STATUS_OFFSET   offsetof(struct virtio_net_config, status)
#define F_STATUS        (1ull << VIRTIO_NET_F_STATUS)
#define MARKER          0xffff          /* number of a frame behind others */

typedef struct Card {
    NicMachine *m;
    QNic q;
    int64_t now_ns;             /* virtual time, as step() moved it */
} Card;

static Card card_start(void)
{
    Card c = { .m = nic_machine_start(1, "", "") };

    qnic_start(&c.q, c.m, 0, F_STATUS);
    return c;
}

static void card_end(Card *c)
{
    qnic_leave(&c->q);
    nic_machine_end(c->m);
}

static void step(Card *c, int64_t ns)
{
    qtest_clock_step(c->m->qts, ns);
    c->now_ns += ns;
}

/* Numbers 0 to @n - 1 are on their way to the card. */
static void arrive(Card *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        wire_send_number(c->m, 0, i);
    }
}

static void expect_arrived(Card *c, const unsigned *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(qnic_receive_number(&c->q, 0), ==, numbers[i]);
    }
}

/* After a migration QEMU announces the card, in its own time. */
static bool is_announcement(const uint8_t *frame, size_t length)
{
    return length >= 14 && lduw_be_p(frame + 12) == RARP_TYPE;
}

static void expect_sent(Card *c, const unsigned *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t frame[NIC_BUFFER];
        size_t length;

        do {
            length = wire_receive(c->m, 0, frame, sizeof(frame));
        } while (is_announcement(frame, length));
        g_assert_cmpint(frame_number(frame, length), ==, numbers[i]);
    }
}

/* Virtual time stands still, so nothing comes any more. */
static void expect_nothing_sent(Card *c)
{
    uint8_t frame[NIC_BUFFER];
    size_t length;

    do {
        length = wire_poll(c->m, 0, frame, sizeof(frame));
    } while (is_announcement(frame, length));
    g_assert_cmpuint(length, ==, 0);
}

#define EXPECT_ARRIVED(c, ...) do { \
        static const unsigned numbers_[] = { __VA_ARGS__ }; \
        expect_arrived(c, numbers_, G_N_ELEMENTS(numbers_)); \
    } while (0)

#define EXPECT_SENT(c, ...) do { \
        static const unsigned numbers_[] = { __VA_ARGS__ }; \
        expect_sent(c, numbers_, G_N_ELEMENTS(numbers_)); \
    } while (0)

static void send_numbers(Card *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qnic_send_number(&c->q, 1, i);
    }
}

/* What arrives is seen by the rules in the emulator's own time. */
static void wait_fired(Card *c, const char *id, int64_t fired)
{
    nic_wait_until(nic_rule_fired(c->m, id) >= fired);
}

/* --- loss -------------------------------------------------------------- */

static void test_drop_loses_the_frames_whose_turn_it_is(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop",
                 ", 'operation': 'read', 'every': 2");
    arrive(&c, 6);
    EXPECT_ARRIVED(&c, 0, 2, 4);
    wait_fired(&c, "r", 3);
    nic_remove_rule(c.m, "r");

    nic_add_rule(c.m, "w", "nic0.p0", "drop",
                 ", 'operation': 'write', 'every': 3, 'count': 2");
    send_numbers(&c, 8);
    EXPECT_SENT(&c, 0, 1, 3, 4, 6, 7);
    card_end(&c);
}

static void test_one_direction_leaves_the_other_alone(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop", ", 'operation': 'read'");
    arrive(&c, 3);
    send_numbers(&c, 3);
    EXPECT_SENT(&c, 0, 1, 2);
    wait_fired(&c, "r", 3);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);

    nic_remove_rule(c.m, "r");
    nic_add_rule(c.m, "w", "nic0.p0", "drop", ", 'operation': 'write'");
    send_numbers(&c, 3);
    wire_send_number(c.m, 0, MARKER);
    EXPECT_ARRIVED(&c, MARKER);
    g_assert_cmpint(nic_rule_fired(c.m, "w"), ==, 3);
    card_end(&c);
}

static void send_lacp(Card *c, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, LACP_ADDRESS, UINT64_C(0x020000000100), LACP_TYPE,
               number);
    qnic_send(&c->q, 1, frame, sizeof(frame));
}

static void test_a_rule_may_be_for_lacpdus_only(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "drop",
                 ", 'offset': 34825, 'length': 1, 'after': 1, 'count': 1");
    for (unsigned i = 0; i < 3; i++) {
        send_lacp(&c, 100 + i);
        qnic_send_number(&c.q, 1, i);
    }
    EXPECT_SENT(&c, 100, 0, 1, 102, 2);
    card_end(&c);
}

static void run_with_chance(int64_t sent[20])
{
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "drop",
                 ", 'probability': 0.5, 'seed': 7, 'operation': 'write'");
    send_numbers(&c, 20);
    nic_remove_rule(c.m, "w");
    qnic_send_number(&c.q, 1, MARKER);
    for (unsigned i = 0; i < 20; i++) {
        sent[i] = wire_receive_number(c.m, 0);
        if (sent[i] == MARKER) {
            g_assert_cmpuint(i, >, 0);
            break;
        }
    }
    card_end(&c);
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
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "duplicate",
                 ", 'value': 2, 'count': 1, 'operation': 'read'");
    arrive(&c, 2);
    EXPECT_ARRIVED(&c, 0, 0, 0, 1);
    nic_add_rule(c.m, "w", "nic0.p0", "duplicate",
                 ", 'operation': 'write', 'every': 2");
    send_numbers(&c, 4);
    EXPECT_SENT(&c, 0, 1, 1, 2, 3, 3);
    card_end(&c);
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
    Card c = card_start();

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
    card_end(&c);
}

static void receive_corrupt(uint8_t frame[FRAME_BYTES])
{
    uint8_t buffer[NIC_BUFFER];
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "corrupt", "");
    send_numbers(&c, 1);
    g_assert_cmpuint(wire_receive(c.m, 0, buffer, sizeof(buffer)), ==,
                     FRAME_BYTES);
    memcpy(frame, buffer, FRAME_BYTES);
    card_end(&c);
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
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "reorder",
                 ", 'value': 2, 'after': 1, 'count': 1,"
                 "  'operation': 'read'");
    arrive(&c, 5);
    EXPECT_ARRIVED(&c, 0, 2, 3, 1, 4);
    nic_add_rule(c.m, "w", "nic0.p0", "reorder",
                 ", 'count': 1, 'operation': 'write'");
    send_numbers(&c, 3);
    EXPECT_SENT(&c, 1, 0, 2);
    card_end(&c);
}

static void test_reorder_does_not_wait_for_ever(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "reorder",
                 ", 'duration': 3000000, 'operation': 'write'");
    send_numbers(&c, 1);
    step(&c, 2 * MILLISECOND);
    nic_remove_rule(c.m, "w");
    expect_nothing_sent(&c);
    step(&c, 1 * MILLISECOND);
    EXPECT_SENT(&c, 0);
    card_end(&c);
}

static void test_delay_holds_frames_back_for_its_duration(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "delay",
                 ", 'duration': 5000000, 'every': 2");
    send_numbers(&c, 4);
    EXPECT_SENT(&c, 0, 2);
    step(&c, 5 * MILLISECOND - 1);
    expect_nothing_sent(&c);
    step(&c, 1);
    EXPECT_SENT(&c, 1, 3);

    arrive(&c, 2);
    EXPECT_ARRIVED(&c, 0);
    wait_fired(&c, "r", 3);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);
    step(&c, 5 * MILLISECOND);
    EXPECT_ARRIVED(&c, 1);
    card_end(&c);
}

/* 60 bytes at 480 kbit/s are a millisecond. */
static void test_rate_limit_sends_one_after_another(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "rate-limit", ", 'value': 480000");
    send_numbers(&c, 4);
    for (unsigned i = 0; i < 4; i++) {
        expect_nothing_sent(&c);
        step(&c, MILLISECOND);
        g_assert_cmpint(wire_receive_number(c.m, 0), ==, i);
    }
    nic_remove_rule(c.m, "w");
    send_numbers(&c, 1);
    EXPECT_SENT(&c, 0);
    card_end(&c);
}

/* A frame without limit does not overtake those that had one. */
static void test_rate_limit_that_ends_keeps_the_order(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "rate-limit",
                 ", 'value': 480000, 'count': 2");
    send_numbers(&c, 4);
    step(&c, MILLISECOND);
    EXPECT_SENT(&c, 0);
    step(&c, MILLISECOND);
    EXPECT_SENT(&c, 1, 2, 3);
    card_end(&c);
}

static void test_no_more_than_1024_frames_wait(void)
{
    enum { LIMIT = 1024 };
    Card c = card_start();

    nic_add_rule(c.m, "w", "nic0.p0", "delay", ", 'duration': 1000000");
    send_numbers(&c, LIMIT + 10);
    step(&c, MILLISECOND);
    for (unsigned i = 0; i < LIMIT; i++) {
        g_assert_cmpint(wire_receive_number(c.m, 0), ==, i);
    }
    expect_nothing_sent(&c);
    card_end(&c);
}

/* --- the link ---------------------------------------------------------- */

static bool link_is_up(Card *c)
{
    return qnic_config(&c->q, STATUS_OFFSET, 2) & LINK_UP;
}

static void expect_link(Card *c, bool up)
{
    g_assert_cmpint(link_is_up(c), ==, up);
}

static void test_link_down_lasts_for_its_duration(void)
{
    Card c = card_start();

    qnic_take_interrupt(&c.q);
    nic_add_rule(c.m, "l", "nic0.p0", "link-down", ", 'duration': 2000000");
    expect_link(&c, false);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 2, ==, 2);
    send_numbers(&c, 1);
    step(&c, 2 * MILLISECOND);
    expect_link(&c, true);
    /* what was sent meanwhile is lost, and does not come later */
    qnic_send_number(&c.q, 1, 1);
    EXPECT_SENT(&c, 1);
    card_end(&c);
}

static void test_link_down_lasts_until_its_rule_is_removed(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    step(&c, 1000 * MILLISECOND);
    expect_link(&c, false);
    arrive(&c, 2);
    nic_wait_until(nic_number(c.m, "ports", 0, "receive-dropped") == 2);
    nic_remove_rule(c.m, "l");
    expect_link(&c, true);
    wire_send_number(c.m, 0, 9);
    EXPECT_ARRIVED(&c, 9);
    card_end(&c);
}

static void test_link_up_ends_what_another_rule_began(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    nic_add_rule(c.m, "u", "nic0.p0", "link-up", ", 'at': 5000000000");
    expect_link(&c, false);
    qtest_clock_set(c.m->qts, 5000 * MILLISECOND);
    expect_link(&c, true);
    card_end(&c);
}

static void test_link_flap_comes_and_goes(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap",
                 ", 'duration': 10000000, 'value': 2");
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, i % 2);
        step(&c, 10 * MILLISECOND);
    }
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, true);
        step(&c, 10 * MILLISECOND);
    }
    card_end(&c);
}

static void test_link_flap_ends_with_its_rule(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap", ", 'duration': 10000000");
    step(&c, 40 * MILLISECOND);
    expect_link(&c, false);
    nic_remove_rule(c.m, "l");
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, true);
        step(&c, 10 * MILLISECOND);
    }
    card_end(&c);
}

static void set_link(Card *c, const char *name, bool up)
{
    qtest_qmp_assert_success(c->m->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': %s, 'up': %i } }",
                             name, up);
}

static void test_set_link_and_a_fault_must_agree_that_it_is_up(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    set_link(&c, "nic0.p0", false);
    nic_remove_rule(c.m, "l");
    expect_link(&c, false);
    set_link(&c, "nic0.p0", true);
    expect_link(&c, true);
    card_end(&c);
}

static void test_frames_held_back_are_lost_with_the_link(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "d", "nic0.p0", "delay",
                 ", 'duration': 5000000, 'count': 3");
    send_numbers(&c, 3);
    nic_add_rule(c.m, "l", "nic0.p0", "link-down", ", 'duration': 1000000");
    step(&c, MILLISECOND);
    expect_link(&c, true);
    step(&c, 10 * MILLISECOND);
    qnic_send_number(&c.q, 1, MARKER);
    EXPECT_SENT(&c, MARKER);
    card_end(&c);
}

/* --- rings ------------------------------------------------------------- */

static void test_interrupt_lost_is_never_seen(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.f0.rx0", "interrupt-lost", ", 'count': 1");
    qnic_take_interrupt(&c.q);
    wire_send_number(c.m, 0, 0);
    EXPECT_ARRIVED(&c, 0);
    wait_fired(&c, "r", 1);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 1, ==, 0);

    wire_send_number(c.m, 0, 1);
    EXPECT_ARRIVED(&c, 1);
    nic_wait_until(qnic_take_interrupt(&c.q) & 1);
    card_end(&c);
}

static void test_interrupt_lost_of_a_transmit_ring(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "t", "nic0.f0.tx0", "interrupt-lost", ", 'count': 1");
    qnic_take_interrupt(&c.q);
    send_numbers(&c, 1);
    wait_fired(&c, "t", 1);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 1, ==, 0);
    send_numbers(&c, 1);
    nic_wait_until(qnic_take_interrupt(&c.q) & 1);
    card_end(&c);
}

static void expect_broken_by(const char *point)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", point, "descriptor-error", ", 'count': 1");
    if (strstr(point, "rx")) {
        wire_send_number(c.m, 0, 0);
    } else {
        uint8_t frame[FRAME_BYTES] = { 0 };

        qnic_post_frame(&c.q, 1, frame, sizeof(frame));
        qnic_notify(&c.q, 1);
    }
    nic_wait_until(qnic_status(&c.q) & VIRTIO_CONFIG_S_NEEDS_RESET);
    g_assert_cmpint(nic_rule_fired(c.m, "r"), ==, 1);

    qnic_leave(&c.q);
    qnic_start(&c.q, c.m, 0, F_STATUS);
    wire_send_number(c.m, 0, MARKER);
    EXPECT_ARRIVED(&c, MARKER);
    send_numbers(&c, 1);
    g_assert_cmphex(qnic_status(&c.q) & VIRTIO_CONFIG_S_NEEDS_RESET, ==, 0);
    card_end(&c);
}

static void test_descriptor_error_asks_for_a_reset(void)
{
    expect_broken_by("nic0.f0.rx0");
    expect_broken_by("nic0.f0.tx0");
}

/* --- a saved state ----------------------------------------------------- */

/* The machine goes on in another emulator, whose time the test sets. */
static void migrate(Card *c)
{
    g_autofree char *args = nic_machine_args(c->m, "", "");
    g_autofree char *path = g_strdup_printf("%s/sunder-nic-fault-%d",
                                            g_get_tmp_dir(), getpid());
    QTestState *before = c->m->qts;
    QNic driver = c->q;

    saved_state_save(before, path);
    qnic_leave(&c->q);
    qpci_free_pc(c->m->bus);
    qtest_quit(before);
    nic_machine_adopt(c->m, saved_state_load(args, path));
    qtest_clock_set(c->m->qts, c->now_ns);
    qnic_adopt(&c->q, c->m, &driver);
    unlink(path);
}

static void test_frames_held_back_go_on_in_a_saved_state(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "r", "nic0.p0", "delay", ", 'duration': 5000000");
    send_numbers(&c, 3);
    arrive(&c, 2);
    wait_fired(&c, "r", 5);
    step(&c, MILLISECOND);
    migrate(&c);

    expect_nothing_sent(&c);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);
    step(&c, 4 * MILLISECOND);
    EXPECT_SENT(&c, 0, 1, 2);
    EXPECT_ARRIVED(&c, 0, 1);
    card_end(&c);
}

static void test_a_link_that_is_down_is_so_in_a_saved_state(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap",
                 ", 'duration': 10000000, 'value': 2");
    step(&c, 20 * MILLISECOND);
    migrate(&c);
    expect_link(&c, false);
    step(&c, 10 * MILLISECOND);
    expect_link(&c, true);
    step(&c, 100 * MILLISECOND);
    expect_link(&c, true);
    card_end(&c);
}

static void test_a_rule_still_ends_its_link_in_a_saved_state(void)
{
    Card c = card_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    migrate(&c);
    expect_link(&c, false);
    nic_remove_rule(c.m, "l");
    expect_link(&c, true);
    card_end(&c);
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
    qtest_add_func("/nic-fault/link-down",
                   test_link_down_lasts_for_its_duration);
    qtest_add_func("/nic-fault/link-down-removed",
                   test_link_down_lasts_until_its_rule_is_removed);
    qtest_add_func("/nic-fault/link-up",
                   test_link_up_ends_what_another_rule_began);
    qtest_add_func("/nic-fault/link-flap", test_link_flap_comes_and_goes);
    qtest_add_func("/nic-fault/link-flap-removed",
                   test_link_flap_ends_with_its_rule);
    qtest_add_func("/nic-fault/set-link",
                   test_set_link_and_a_fault_must_agree_that_it_is_up);
    qtest_add_func("/nic-fault/link-loses-held",
                   test_frames_held_back_are_lost_with_the_link);
    qtest_add_func("/nic-fault/interrupt-lost",
                   test_interrupt_lost_is_never_seen);
    qtest_add_func("/nic-fault/interrupt-lost-transmit",
                   test_interrupt_lost_of_a_transmit_ring);
    qtest_add_func("/nic-fault/descriptor-error",
                   test_descriptor_error_asks_for_a_reset);
    qtest_add_func("/nic-fault/saved-frames",
                   test_frames_held_back_go_on_in_a_saved_state);
    qtest_add_func("/nic-fault/saved-link",
                   test_a_link_that_is_down_is_so_in_a_saved_state);
    qtest_add_func("/nic-fault/saved-rule",
                   test_a_rule_still_ends_its_link_in_a_saved_state);
    return g_test_run();
}
