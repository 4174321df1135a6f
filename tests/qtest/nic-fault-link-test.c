/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: links, rings, and over a saved state
 */
#include "qemu/osdep.h"
#include "nic-lone.h"
#include "libqos/pci-pc.h"
#include "saved-state.h"
#include "standard-headers/linux/virtio_config.h"

#define LINK_UP         1               /* VIRTIO_NET_S_LINK_UP */
#define STATUS_OFFSET   offsetof(struct virtio_net_config, status)

/* --- the link ---------------------------------------------------------- */

static bool link_is_up(LoneCard *c)
{
    return qnic_config(&c->q, STATUS_OFFSET, 2) & LINK_UP;
}

static void expect_link(LoneCard *c, bool up)
{
    g_assert_cmpint(link_is_up(c), ==, up);
}

static void test_link_down_lasts_for_its_duration(void)
{
    LoneCard c = lone_start();

    qnic_take_interrupt(&c.q);
    nic_add_rule(c.m, "l", "nic0.p0", "link-down", ", 'duration': 2000000");
    expect_link(&c, false);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 2, ==, 2);
    lone_send(&c, 1);
    lone_step(&c, 2 * MILLISECOND);
    expect_link(&c, true);
    /* what was sent meanwhile is lost, and does not come later */
    qnic_send_number(&c.q, 1, 1);
    EXPECT_SENT(&c, 1);
    lone_end(&c);
}

static void test_link_down_lasts_until_its_rule_is_removed(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    lone_step(&c, 1000 * MILLISECOND);
    expect_link(&c, false);
    lone_arrive(&c, 2);
    nic_wait_until(nic_number(c.m, "ports", 0, "receive-dropped") == 2);
    nic_remove_rule(c.m, "l");
    expect_link(&c, true);
    wire_send_number(c.m, 0, 9);
    EXPECT_ARRIVED(&c, 9);
    lone_end(&c);
}

static void test_link_up_ends_what_another_rule_began(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    nic_add_rule(c.m, "u", "nic0.p0", "link-up", ", 'at': 5000000000");
    expect_link(&c, false);
    qtest_clock_set(c.m->qts, 5000 * MILLISECOND);
    expect_link(&c, true);
    lone_end(&c);
}

static void test_link_flap_comes_and_goes(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap",
                 ", 'duration': 10000000, 'value': 2");
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, i % 2);
        lone_step(&c, 10 * MILLISECOND);
    }
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, true);
        lone_step(&c, 10 * MILLISECOND);
    }
    lone_end(&c);
}

static void test_link_flap_ends_with_its_rule(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap", ", 'duration': 10000000");
    lone_step(&c, 40 * MILLISECOND);
    expect_link(&c, false);
    nic_remove_rule(c.m, "l");
    for (unsigned i = 0; i < 4; i++) {
        expect_link(&c, true);
        lone_step(&c, 10 * MILLISECOND);
    }
    lone_end(&c);
}

static void set_link(LoneCard *c, const char *name, bool up)
{
    qtest_qmp_assert_success(c->m->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': %s, 'up': %i } }",
                             name, up);
}

static void test_set_link_and_a_fault_must_agree_that_it_is_up(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    set_link(&c, "nic0.p0", false);
    nic_remove_rule(c.m, "l");
    expect_link(&c, false);
    set_link(&c, "nic0.p0", true);
    expect_link(&c, true);
    lone_end(&c);
}

static void test_frames_held_back_are_lost_with_the_link(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "d", "nic0.p0", "delay",
                 ", 'duration': 5000000, 'count': 3");
    lone_send(&c, 3);
    nic_add_rule(c.m, "l", "nic0.p0", "link-down", ", 'duration': 1000000");
    lone_step(&c, MILLISECOND);
    expect_link(&c, true);
    lone_step(&c, 10 * MILLISECOND);
    qnic_send_number(&c.q, 1, MARKER);
    EXPECT_SENT(&c, MARKER);
    lone_end(&c);
}

/* --- rings ------------------------------------------------------------- */

static void test_interrupt_lost_is_never_seen(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.f0.rx0", "interrupt-lost", ", 'count': 1");
    qnic_take_interrupt(&c.q);
    wire_send_number(c.m, 0, 0);
    EXPECT_ARRIVED(&c, 0);
    lone_wait_fired(&c, "r", 1);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 1, ==, 0);

    wire_send_number(c.m, 0, 1);
    EXPECT_ARRIVED(&c, 1);
    nic_wait_until(qnic_take_interrupt(&c.q) & 1);
    lone_end(&c);
}

static void test_interrupt_lost_of_a_transmit_ring(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "t", "nic0.f0.tx0", "interrupt-lost", ", 'count': 1");
    qnic_take_interrupt(&c.q);
    lone_send(&c, 1);
    lone_wait_fired(&c, "t", 1);
    g_assert_cmphex(qnic_take_interrupt(&c.q) & 1, ==, 0);
    lone_send(&c, 1);
    nic_wait_until(qnic_take_interrupt(&c.q) & 1);
    lone_end(&c);
}

static void expect_broken_by(const char *point)
{
    LoneCard c = lone_start();

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
    lone_send(&c, 1);
    g_assert_cmphex(qnic_status(&c.q) & VIRTIO_CONFIG_S_NEEDS_RESET, ==, 0);
    lone_end(&c);
}

static void test_descriptor_error_asks_for_a_reset(void)
{
    expect_broken_by("nic0.f0.rx0");
    expect_broken_by("nic0.f0.tx0");
}

/* --- a saved state ----------------------------------------------------- */

/* The machine goes on in another emulator, whose time the test sets. */
static void migrate(LoneCard *c)
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
    LoneCard c = lone_start();

    nic_add_rule(c.m, "r", "nic0.p0", "delay", ", 'duration': 5000000");
    lone_send(&c, 3);
    lone_arrive(&c, 2);
    lone_wait_fired(&c, "r", 5);
    lone_step(&c, MILLISECOND);
    migrate(&c);

    lone_expect_nothing_sent(&c);
    g_assert_cmpint(qnic_pending(&c.q, 0), ==, 0);
    lone_step(&c, 4 * MILLISECOND);
    EXPECT_SENT(&c, 0, 1, 2);
    EXPECT_ARRIVED(&c, 0, 1);
    lone_end(&c);
}

static void test_a_link_that_is_down_is_so_in_a_saved_state(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-flap",
                 ", 'duration': 10000000, 'value': 2");
    lone_step(&c, 20 * MILLISECOND);
    migrate(&c);
    expect_link(&c, false);
    lone_step(&c, 10 * MILLISECOND);
    expect_link(&c, true);
    lone_step(&c, 100 * MILLISECOND);
    expect_link(&c, true);
    lone_end(&c);
}

static void test_a_rule_still_ends_its_link_in_a_saved_state(void)
{
    LoneCard c = lone_start();

    nic_add_rule(c.m, "l", "nic0.p0", "link-down", "");
    migrate(&c);
    expect_link(&c, false);
    nic_remove_rule(c.m, "l");
    expect_link(&c, true);
    lone_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic-fault-link/link-down",
                   test_link_down_lasts_for_its_duration);
    qtest_add_func("/nic-fault-link/link-down-removed",
                   test_link_down_lasts_until_its_rule_is_removed);
    qtest_add_func("/nic-fault-link/link-up",
                   test_link_up_ends_what_another_rule_began);
    qtest_add_func("/nic-fault-link/link-flap", test_link_flap_comes_and_goes);
    qtest_add_func("/nic-fault-link/link-flap-removed",
                   test_link_flap_ends_with_its_rule);
    qtest_add_func("/nic-fault-link/set-link",
                   test_set_link_and_a_fault_must_agree_that_it_is_up);
    qtest_add_func("/nic-fault-link/link-loses-held",
                   test_frames_held_back_are_lost_with_the_link);
    qtest_add_func("/nic-fault-link/interrupt-lost",
                   test_interrupt_lost_is_never_seen);
    qtest_add_func("/nic-fault-link/interrupt-lost-transmit",
                   test_interrupt_lost_of_a_transmit_ring);
    qtest_add_func("/nic-fault-link/descriptor-error",
                   test_descriptor_error_asks_for_a_reset);
    qtest_add_func("/nic-fault-link/saved-frames",
                   test_frames_held_back_go_on_in_a_saved_state);
    qtest_add_func("/nic-fault-link/saved-link",
                   test_a_link_that_is_down_is_so_in_a_saved_state);
    qtest_add_func("/nic-fault-link/saved-rule",
                   test_a_rule_still_ends_its_link_in_a_saved_state);
    return g_test_run();
}
