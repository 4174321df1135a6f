/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: sweeps that end early, and drivers that do not answer. */
#include "qemu/osdep.h"
#include "balloon-sweep.h"

/* The request waits no longer than sweep-hold. */
static void test_hold_is_bounded(void)
{
    gint64 start, waited;
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep-hold=300", "");
    add_rule(&b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 60000000000");
    qballoon_set_target(&b, BALLOON_MEMORY - 4096);
    start = g_get_monotonic_time();
    post_one(&b, Q_INFLATE, DRIVER_END);
    qballoon_wait(&b, Q_INFLATE);
    waited = g_get_monotonic_time() - start;
    g_assert_cmpint(waited, >=, 290000);
    g_assert_cmpint(waited, <, 30 * G_USEC_PER_SEC);
    sweep = qballoon_wait_swept(&b);
    expect_state(sweep, "expired");
    g_assert_cmpint(number(sweep, "taken"), ==, 0);
    qobject_unref(sweep);
    qballoon_end(&b);
}

/* A sweep that takes nothing is not what the request waits for. */
static void test_request_that_meets_a_count_has_its_own_sweep(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep-hold=60000", "");
    add_rule(&b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 300000000, 'count': 1");
    qobject_unref(qtest_qmp_assert_success_ref(
        b.qts, "{ 'execute': 'sunder-balloon-sweep',"
        "  'arguments': { 'mode': 'count' } }"));
    qballoon_set_target(&b, BALLOON_MEMORY - 4096);
    post_one(&b, Q_INFLATE, DRIVER_END);
    sweep = qballoon_wait_swept(&b);
    expect_text(sweep, "mode", "count");
    qobject_unref(sweep);
    sweep = qballoon_wait_swept(&b);
    expect_text(sweep, "cause", "inflate");
    expect_text(sweep, "mode", "all");
    qobject_unref(sweep);
    qballoon_wait(&b, Q_INFLATE);
    qballoon_end(&b);
}

static void check_discard_fails(const char *outcome, const char *said)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    add_rule(&b, "r", "balloon0/sweep", outcome, "");
    sweep = qballoon_sweep(&b, "");
    expect_state(sweep, "failed");
    g_assert_cmpint(number(sweep, "taken"), ==, 0);
    g_assert_nonnull(strstr(qdict_get_str(sweep, "error"), said));
    g_assert_cmpint(mapped(&b, "length"), ==, 0);
    qobject_unref(sweep);
    remove_rule(&b, "r");
    sweep = qballoon_sweep(&b, "");
    expect_state(sweep, "completed");
    g_assert_cmpint(mapped(&b, "length"), ==, AREA_BYTES);
    qobject_unref(sweep);
    qballoon_end(&b);
}

static void test_discard_fails(void)
{
    check_discard_fails("discard-invalid", "Invalid argument");
    check_discard_fails("discard-no-memory", "Cannot allocate memory");
}

static void test_guard_refused(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    add_rule(&b, "r", "balloon0/sweep", "guard-refused", "");
    sweep = qballoon_sweep(&b, "");
    expect_state(sweep, "completed");
    expect_text(sweep, "guard", "pause");
    g_assert_cmpint(mapped(&b, "length"), ==, AREA_BYTES);
    qobject_unref(sweep);
    qballoon_end(&b);
    qballoon_machine(&b, ",sweep=manual,sweep-guard=write-protect", "");
    add_rule(&b, "r", "balloon0/sweep", "guard-refused", "");
    expect_refused(&b, "userfaultfd");
    qballoon_end(&b);
}

static void test_driver_never_answers(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    add_rule(&b, "deaf", "balloon0/driver", "never-answers", "");
    qballoon_set_target(&b, 100 * MiB);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 0);
    g_assert_cmpint(qballoon_number(&b, "target"), ==, 100 * MiB);
    remove_rule(&b, "deaf");
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 28 * 256);
    qballoon_end(&b);
}

static void test_driver_lies(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    add_rule(&b, "liar", "balloon0/driver", "wrong-pfns", ", 'count': 1");
    post_one(&b, Q_INFLATE, AREA);
    g_assert_true(qballoon_is_used(&b, Q_INFLATE));
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 0);
    add_rule(&b, "other", "balloon0/driver", "wrong-pfns",
             ", 'value': 8704, 'count': 1");        /* AREA + 2 MiB */
    qballoon_fill(&b, AREA + SUPER_PAGE, SUPER_PAGE, 0x5a);
    qballoon_set_target(&b, BALLOON_MEMORY - 4096);
    post_one(&b, Q_INFLATE, AREA);
    qballoon_set_config(&b, CONFIG_ACTUAL, 1);
    g_assert_cmphex(qtest_readb(b.qts, AREA), ==, 0x5a);
    g_assert_cmphex(qtest_readb(b.qts, AREA + SUPER_PAGE), ==, 0);
    qballoon_end(&b);
}

/* A request that waits for a sweep of a minute. */
static void start_long_sweep(QBalloon *b)
{
    add_rule(b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 60000000000");
    qballoon_set_target(b, BALLOON_MEMORY - 4096);
    post_one(b, Q_INFLATE, DRIVER_END);
    while (qballoon_number(b, "sweeps") == 0) {
        g_usleep(1000);
    }
    g_assert_false(qballoon_is_used(b, Q_INFLATE));
}

static void expect_cancelled(QBalloon *b)
{
    QDict *sweep = qballoon_wait_swept(b);

    expect_state(sweep, "cancelled");
    qobject_unref(sweep);
}

static void test_driver_resets_mid_sweep(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep-hold=60000", "");
    start_long_sweep(&b);
    qballoon_reset(&b);
    expect_cancelled(&b);
    post_one(&b, Q_INFLATE, DRIVER_END);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 4096);
    qballoon_end(&b);
}

static void test_machine_resets_mid_sweep(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep-hold=60000", "");
    make_zero_area(&b);
    qobject_unref(qballoon_sweep(&b, ""));
    start_long_sweep(&b);
    qtest_system_reset_nowait(b.qts);
    expect_cancelled(&b);
    qtest_qmp_eventwait(b.qts, "RESET");
    g_assert_cmpint(mapped(&b, "length"), ==, 0);
    qballoon_end(&b);
}

static void test_machine_stops_mid_sweep(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep-hold=60000", "");
    start_long_sweep(&b);
    qtest_qmp_assert_success(b.qts, "{ 'execute': 'stop' }");
    expect_cancelled(&b);
    g_assert_true(qballoon_is_used(&b, Q_INFLATE));
    qtest_qmp_assert_success(b.qts, "{ 'execute': 'cont' }");
    remove_rule(&b, "slow");
    post_one(&b, Q_INFLATE, DRIVER_END + 4096);
    g_assert_true(qballoon_is_used(&b, Q_INFLATE));
    qballoon_end(&b);
}

static void test_unplug_mid_sweep(void)
{
    QTestState *qts = qtest_init(
        "-machine q35 -m 128 -nodefaults "
        "-device pcie-root-port,id=rp,chassis=1,addr=3 "
        "-device sunder-balloon,id=balloon0,bus=rp,sweep=manual");
    QBalloon b = { .qts = qts };

    add_rule(&b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 60000000000");
    qtest_qmp_assert_success(qts, "{ 'execute': 'sunder-balloon-sweep' }");
    qtest_qmp_device_del_send(qts, "balloon0");
    qtest_system_reset_nowait(qts);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon/hold-is-bounded", test_hold_is_bounded);
    qtest_add_func("balloon/request-that-meets-a-count-has-its-own-sweep",
                   test_request_that_meets_a_count_has_its_own_sweep);
    qtest_add_func("balloon/discard-fails", test_discard_fails);
    qtest_add_func("balloon/guard-refused", test_guard_refused);
    qtest_add_func("balloon/driver-never-answers",
                   test_driver_never_answers);
    qtest_add_func("balloon/driver-lies", test_driver_lies);
    qtest_add_func("balloon/driver-resets-mid-sweep",
                   test_driver_resets_mid_sweep);
    qtest_add_func("balloon/machine-resets-mid-sweep",
                   test_machine_resets_mid_sweep);
    qtest_add_func("balloon/machine-stops-mid-sweep",
                   test_machine_stops_mid_sweep);
    qtest_add_func("balloon/unplug-mid-sweep", test_unplug_mid_sweep);
    return g_test_run();
}
