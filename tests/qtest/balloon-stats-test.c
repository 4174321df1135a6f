/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: statistics of the guest's memory. */
#include "qemu/osdep.h"
#include "balloon-driver.h"
#include "qobject/qnum.h"

static void post_stats(QBalloon *b, uint64_t free_memory)
{
    QBuffer buffer = { DRIVER_BUFFER + Q_STATS * MiB, 30 };

    qtest_memset(b->qts, buffer.address, 0, 30);
    qtest_writew(b->qts, buffer.address, 4);                /* MEMFREE */
    qtest_writeq(b->qts, buffer.address + 2, free_memory);
    qtest_writew(b->qts, buffer.address + 10, 5);           /* MEMTOT */
    qtest_writeq(b->qts, buffer.address + 12, 1000);
    qtest_writew(b->qts, buffer.address + 20, 0xffff);      /* nothing */
    qballoon_post(b, Q_STATS, &buffer, 1);
}

static uint64_t get_stat(QBalloon *b, const char *name)
{
    QDict *answer = qtest_qmp(b->qts, "{ 'execute': 'qom-get', 'arguments':"
                              "  { 'path': '/machine/peripheral/balloon0',"
                              "    'property': 'guest-stats' } }");
    QDict *stats = qdict_get_qdict(qdict_get_qdict(answer, "return"),
                                   "stats");
    QNum *number = qobject_to(QNum, qdict_get(stats, name));
    uint64_t value = qnum_get_uint(number);

    qobject_unref(answer);
    return value;
}

static void set_interval(QBalloon *b, int seconds)
{
    qtest_qmp_assert_success(
        b->qts, "{ 'execute': 'qom-set', 'arguments': {"
        "  'path': '/machine/peripheral/balloon0',"
        "  'property': 'guest-stats-polling-interval', 'value': %d } }",
        seconds);
}

static void test_statistics(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    g_assert_cmphex(get_stat(&b, "stat-free-memory"), ==, UINT64_MAX);
    post_stats(&b, 123456);
    g_assert_cmpint(get_stat(&b, "stat-free-memory"), ==, 123456);
    g_assert_cmpint(get_stat(&b, "stat-total-memory"), ==, 1000);
    g_assert_cmphex(get_stat(&b, "stat-oom-kills"), ==, UINT64_MAX);
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    set_interval(&b, 2);
    qtest_clock_step(b.qts, 1000000);
    g_assert_true(qballoon_is_used(&b, Q_STATS));
    post_stats(&b, 99);
    qtest_clock_step(b.qts, 1900000000);
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    qtest_clock_step(b.qts, 200000000);
    g_assert_true(qballoon_is_used(&b, Q_STATS));
    g_assert_cmpint(get_stat(&b, "stat-free-memory"), ==, 99);
    set_interval(&b, 0);
    qballoon_end(&b);
}

/* One buffer is the driver's share; another one takes its place. */
static void test_second_statistics_buffer(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    post_stats(&b, 1);
    post_stats(&b, 2);
    g_assert_true(qballoon_is_used(&b, Q_STATS));
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    g_assert_cmpint(get_stat(&b, "stat-free-memory"), ==, 2);
    qballoon_reset(&b);
    post_stats(&b, 3);
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    g_assert_cmpint(get_stat(&b, "stat-free-memory"), ==, 3);
    qballoon_end(&b);
}

static void test_statistics_over_a_stop(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    post_stats(&b, 5);
    qtest_qmp_assert_success(b.qts, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(b.qts, "{ 'execute': 'cont' }");
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    set_interval(&b, 1);
    qtest_clock_step(b.qts, 1000000);
    g_assert_true(qballoon_is_used(&b, Q_STATS));
    g_assert_false(qballoon_is_used(&b, Q_STATS));
    qballoon_end(&b);
}

static void test_bad_polling_interval(void)
{
    g_autofree char *said = NULL;
    QBalloon b;

    qballoon_machine(&b, "", "");
    said = qmp_error(b.qts, "{ 'execute': 'qom-set', 'arguments': {"
                     "  'path': '/machine/peripheral/balloon0',"
                     "  'property': 'guest-stats-polling-interval',"
                     "  'value': -1 } }");
    g_assert_cmpstr(said, ==, "balloon0: guest-stats-polling-interval: -1 is "
                    "no number of seconds: expected 0 (off) to 4294967295");
    qballoon_end(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon/statistics", test_statistics);
    qtest_add_func("balloon/second-statistics-buffer",
                   test_second_statistics_buffer);
    qtest_add_func("balloon/statistics-over-a-stop",
                   test_statistics_over_a_stop);
    qtest_add_func("balloon/bad-polling-interval",
                   test_bad_polling_interval);
    return g_test_run();
}
