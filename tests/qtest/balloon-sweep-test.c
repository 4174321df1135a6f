/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: sweeps, what starts them, and what they leave behind. */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "balloon-sweep.h"

#define MEMFD "-object memory-backend-memfd,id=m,size=128M,share=on " \
              "-machine memory-backend=m"

static void check_sweep_takes_zeroes(const char *options, const char *more)
{
    g_autofree char *properties = g_strdup_printf(",sweep=manual%s", more);
    QBalloon b;
    QDict *sweep;
    uint64_t before;

    qballoon_machine(&b, properties, options);
    make_zero_area(&b);
    qballoon_fill(&b, AREA + SUPER_PAGE, 4096, 0x5a);
    before = qballoon_resident(&b);
    sweep = qballoon_sweep(&b, "");
    expect_state(sweep, "completed");
    expect_text(sweep, "cause", "command");
    g_assert_cmpint(number(sweep, "taken"), >=, AREA_BYTES - SUPER_PAGE);
    g_assert_cmpint(number(sweep, "matching"), >=, number(sweep, "taken"));
    g_assert_cmpint(number(sweep, "super-pages"), >=,
                    AREA_BYTES / SUPER_PAGE - 1);
    g_assert_cmpint(qballoon_resident(&b), <=,
                    before - (AREA_BYTES - SUPER_PAGE));
    g_assert_cmpint(mapped(&b, "length"), >=, AREA_BYTES - SUPER_PAGE);
    /* after a pause the device looks at its rings: some come back */
    g_assert_cmpint(qballoon_number(&b, "swept") +
                    qballoon_number(&b, "came-back"), ==,
                    number(sweep, "taken"));
    g_assert_cmphex(qtest_readb(b.qts, AREA + SUPER_PAGE), ==, 0x5a);
    g_assert_cmphex(qtest_readb(b.qts, AREA + SUPER_PAGE + 4095), ==, 0x5a);
    qobject_unref(sweep);
    qballoon_end(&b);
}

static void test_command_sweeps_anonymous_memory(void)
{
    check_sweep_takes_zeroes("", "");
}

static void test_command_sweeps_shared_memory(void)
{
    check_sweep_takes_zeroes(MEMFD, "");
}

/* Returns: why a machine of these properties cannot sweep, or NULL. */
static char *why_inhibited(const char *properties)
{
    QBalloon b;
    QDict *info;
    char *why;

    qballoon_machine(&b, properties, "");
    info = qtest_qmp_assert_success_ref(
        b.qts, "{ 'execute': 'query-sunder-balloon' }");
    why = g_strdup(qdict_get_try_str(info, "inhibited"));
    qobject_unref(info);
    qballoon_end(&b);
    return why;
}

/* Linux before 6.8 cannot move pages; an ordinary user may not. */
static void test_move_engine(void)
{
    g_autofree char *why = why_inhibited(",sweep-guard=move");

    if (why) {
        g_test_skip(why);
        return;
    }
    check_sweep_takes_zeroes("", ",sweep-guard=move");
}

static void test_pause_engine(void)
{
    check_sweep_takes_zeroes("", ",sweep-guard=pause");
}

static void test_command_sweeps_huge_pages(void)
{
    if (!qballoon_has_huge_pages()) {
        return;
    }
    check_sweep_takes_zeroes(QBALLOON_HUGE, ",sweep-hugetlb=on");
}

static void test_huge_pages_are_refused_unless_asked_for(void)
{
    QBalloon b;

    if (!qballoon_has_huge_pages()) {
        return;
    }
    qballoon_machine(&b, ",sweep=manual", QBALLOON_HUGE);
    expect_refused(&b, "memory block 'm' is not swept: it is on hugetlbfs");
    qballoon_end(&b);
}

static void test_count_takes_nothing(void)
{
    QBalloon b;
    QDict *sweep;
    uint64_t before;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    before = qballoon_resident(&b);
    sweep = qballoon_sweep(&b, "'mode': 'count'");
    expect_state(sweep, "completed");
    g_assert_cmpint(number(sweep, "matching"), >=, AREA_BYTES);
    g_assert_cmpint(number(sweep, "taken"), ==, 0);
    g_assert_cmpint(qballoon_resident(&b), >=, before);
    g_assert_cmpint(mapped(&b, "length"), ==, 0);
    qobject_unref(sweep);
    qballoon_end(&b);
}

static void test_limit(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    sweep = qballoon_sweep(&b, "'limit': 8388608");
    expect_state(sweep, "completed");
    g_assert_cmpint(number(sweep, "taken"), >, 0);
    g_assert_cmpint(number(sweep, "taken"), <=, 8 * MiB);
    qobject_unref(sweep);
    qballoon_end(&b);
}

static void test_super_pages_only(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    qballoon_fill(&b, AREA + SUPER_PAGE + 4096, 1, 1);
    sweep = qballoon_sweep(&b, "'mode': 'super-pages'");
    g_assert_cmpint(number(sweep, "pages"), ==, 0);
    g_assert_cmpint(mapped(&b, "length"), ==, AREA_BYTES - SUPER_PAGE);
    qobject_unref(sweep);
    qballoon_end(&b);
}

/* What was taken and is used again is told as come back. */
static void test_swept_memory_comes_back(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=manual", MEMFD);
    make_zero_area(&b);
    qobject_unref(qballoon_sweep(&b, ""));
    g_assert_cmpint(mapped(&b, "came-back"), ==, 0);
    qballoon_fill(&b, AREA, 4 * MiB, 0x77);
    g_assert_cmpint(mapped(&b, "came-back"), ==, 4 * MiB);
    g_assert_cmpint(qballoon_number(&b, "came-back"), >=, 4 * MiB);
    qballoon_end(&b);
}

/*
 * The order of things: the driver's first request after the command, the
 * sweep, the list, the answer.
 */
static void test_inflate_request_sweeps_first(void)
{
    QDict *info, *last;
    QBalloon b;

    qballoon_machine(&b, "", "");
    make_zero_area(&b);
    qballoon_set_target(&b, BALLOON_MEMORY - 8192);
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 0);
    post_one(&b, Q_INFLATE, DRIVER_END);
    qballoon_wait(&b, Q_INFLATE);
    info = qballoon_info(&b);
    g_assert_cmpint(qdict_get_int(info, "sweeps"), ==, 1);
    last = qdict_get_qdict(info, "last");
    expect_state(last, "completed");
    expect_text(last, "cause", "inflate");
    g_assert_cmpint(mapped(&b, "length"), ==, AREA_BYTES);
    qobject_unref(info);
    /* one command, one sweep */
    post_one(&b, Q_INFLATE, DRIVER_END + 4096);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 1);
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 8192);
    qballoon_end(&b);
}

static void test_requests_behind_a_waiting_one(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    add_rule(&b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 200000000");
    qballoon_set_target(&b, BALLOON_MEMORY - 3 * 4096);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t pfn = DRIVER_END / 4096 + i;

        /* each its own buffer: the first is still waiting */
        qtest_writel(b.qts, DRIVER_BUFFER + i * 4096, pfn);
        qballoon_post(&b, Q_INFLATE,
                      &(QBuffer){ DRIVER_BUFFER + i * 4096, 4 }, 1);
    }
    g_assert_false(qballoon_is_used(&b, Q_INFLATE));
    for (unsigned i = 0; i < 3; i++) {
        qballoon_wait(&b, Q_INFLATE);
    }
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 3 * 4096);
    qballoon_end(&b);
}

static void expect_no_sweep_by_inflate(const char *properties)
{
    QBalloon b;

    qballoon_machine(&b, properties, "");
    qballoon_set_target(&b, BALLOON_MEMORY - 4096);
    post_one(&b, Q_INFLATE, DRIVER_END);
    g_assert_true(qballoon_is_used(&b, Q_INFLATE));
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 0);
    qballoon_end(&b);
}

static void test_no_sweep_without_command(void)
{
    QBalloon b;

    expect_no_sweep_by_inflate(",sweep=manual");
    expect_no_sweep_by_inflate(",sweep=off");
    expect_no_sweep_by_inflate(",sweep=periodic");
    qballoon_machine(&b, "", "");
    post_one(&b, Q_INFLATE, DRIVER_END);        /* by its own decision */
    g_assert_true(qballoon_is_used(&b, Q_INFLATE));
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 0);
    qballoon_end(&b);
}

static void test_period(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=periodic,sweep-period=500", "");
    make_zero_area(&b);
    qtest_clock_step(b.qts, 499 * 1000000ll);
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 0);
    qtest_clock_step(b.qts, 2 * 1000000);
    sweep = qballoon_wait_swept(&b);
    expect_text(sweep, "cause", "period");
    g_assert_cmpint(number(sweep, "taken"), >=, AREA_BYTES);
    qobject_unref(sweep);
    qtest_clock_step(b.qts, 500 * 1000000ll);
    qobject_unref(qballoon_wait_swept(&b));
    g_assert_cmpint(qballoon_number(&b, "sweeps"), ==, 2);
    qballoon_end(&b);
}

static void test_refusals(void)
{
    g_autofree char *said = NULL;
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    expect_refused(&b, "balloon0: its property sweep is off; start it with "
                   "sweep=inflate, manual or periodic");
    qballoon_end(&b);
    qballoon_machine(&b, "", "");
    said = qmp_error(b.qts, "{ 'execute': 'sunder-balloon-sweep',"
                     "  'arguments': { 'limit': 0 } }");
    g_assert_cmpstr(said, ==, "balloon0: limit is 0, expected the bytes to "
                    "take at most; leave it out for no limit, or use mode "
                    "count");
    add_rule(&b, "slow", "balloon0/sweep", "delayed",
             ", 'duration': 60000000000");
    qtest_qmp_assert_success(b.qts, "{ 'execute': 'sunder-balloon-sweep' }");
    expect_refused(&b, "run");
    qballoon_end(&b);
    qballoon_machine(&b, ",sweep=manual,sweep-pattern=0x1234", "");
    expect_refused(&b, "pattern");
    qballoon_end(&b);
}

/* Another pattern than zero can be counted. */
static void test_pattern_is_counted(void)
{
    QBalloon b;
    QDict *sweep;

    qballoon_machine(&b, ",sweep=manual,sweep-pattern=0x5a5a5a5a5a5a5a5a",
                     "");
    qballoon_fill(&b, AREA, AREA_BYTES, 0x5a);
    sweep = qballoon_sweep(&b, "'mode': 'count'");
    g_assert_cmpint(number(sweep, "matching"), ==, AREA_BYTES);
    g_assert_cmpint(number(sweep, "taken"), ==, 0);
    qobject_unref(sweep);
    qballoon_end(&b);
}

static void expect_inhibited(QBalloon *b, const char *expected)
{
    QDict *info = qballoon_info(b);

    g_assert_nonnull(strstr(qdict_get_str(info, "inhibited"), expected));
    qobject_unref(info);
}

static void test_private_file_is_refused(void)
{
    QBalloon b;

    qballoon_private_file_machine(&b, ",sweep=manual");
    expect_refused(&b, "memory block 'm' is not swept: it maps a file "
                   "privately");
    expect_inhibited(&b, "it maps a file privately");
    qballoon_end(&b);
}

static void test_locked_memory_is_refused(void)
{
    struct rlimit limit;
    QBalloon b;

    g_assert_cmpint(getrlimit(RLIMIT_MEMLOCK, &limit), ==, 0);
    if (limit.rlim_cur != RLIM_INFINITY && geteuid() != 0) {
        g_test_skip("memory cannot be locked here (ulimit -l)");
        return;
    }
    qballoon_machine(&b, "", "-overcommit mem-lock=on");
    expect_refused(&b, "guest memory is locked: start the machine without "
                   "-overcommit mem-lock=on");
    qballoon_set_target(&b, BALLOON_MEMORY - 2 * MiB);
    qballoon_send(&b, Q_INFLATE, AREA, 2 * MiB);
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 2 * MiB);
    qballoon_end(&b);
}

/* What a sweep has taken counts towards the target of its command. */
static void test_credit(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep-credit=on", "");
    make_zero_area(&b);
    qballoon_set_target(&b, BALLOON_MEMORY - AREA_BYTES - 8 * MiB);
    post_one(&b, Q_INFLATE, DRIVER_END);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), <=, 8 * 256);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), >=, 1);
    g_assert_cmpint(qballoon_number(&b, "target"), ==,
                    BALLOON_MEMORY - AREA_BYTES - 8 * MiB);
    qballoon_end(&b);
}

/* A page of the area: what was last written to it, a byte a page. */
typedef struct Shadow {
    uint8_t first[AREA_BYTES / 4096];
} Shadow;

static void write_some(QBalloon *b, Shadow *shadow, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned page = g_test_rand_int_range(0, AREA_BYTES / 4096);
        uint8_t byte = g_test_rand_int_range(0, 4);     /* often zero */

        qtest_memset(b->qts, AREA + page * 4096ull, byte, 4096);
        shadow->first[page] = byte;
    }
}

/* libqtest takes a time for long answers that grows with their square. */
#define COMPARED_AT_ONCE 16

static void compare_all(QBalloon *b, const Shadow *shadow)
{
    uint8_t memory[COMPARED_AT_ONCE][4096], expected[4096];

    for (unsigned page = 0; page < AREA_BYTES / 4096; page++) {
        unsigned i = page % COMPARED_AT_ONCE;

        if (i == 0) {
            qtest_bufread(b->qts, AREA + page * 4096ull, memory,
                          sizeof(memory));
        }
        memset(expected, shadow->first[page], 4096);
        g_assert_cmpmem(memory[i], 4096, expected, 4096);
    }
}

static void check_no_write_is_lost(const char *properties,
                                   const char *options)
{
    g_autofree Shadow *shadow = g_new0(Shadow, 1);
    QBalloon b;

    qballoon_machine(&b, properties, options);
    make_zero_area(&b);
    for (unsigned round = 0; round < 20; round++) {
        qtest_qmp_assert_success(b.qts,
                                 "{ 'execute': 'sunder-balloon-sweep' }");
        write_some(&b, shadow, 300);
        qobject_unref(qballoon_wait_swept(&b));
        write_some(&b, shadow, 300);
    }
    compare_all(&b, shadow);
    qballoon_end(&b);
}

static void test_no_write_is_lost(void)
{
    g_autofree char *why = why_inhibited(",sweep-guard=move");

    check_no_write_is_lost(",sweep=manual,sweep-min-run=4096", "");
    check_no_write_is_lost(",sweep=manual,sweep-min-run=4096", MEMFD);
    check_no_write_is_lost(",sweep=manual,sweep-guard=pause", "");
    if (!why) {
        check_no_write_is_lost(",sweep=manual,sweep-guard=move", "");
    }
}

/* Inflating and sweeping at once, in the same super pages. */
static void test_sweep_and_inflate_at_once(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=manual", "");
    make_zero_area(&b);
    for (unsigned round = 0; round < 10; round++) {
        qtest_qmp_assert_success(b.qts,
                                 "{ 'execute': 'sunder-balloon-sweep' }");
        qballoon_send(&b, Q_INFLATE, AREA + 4096, AREA_BYTES - 8192);
        qballoon_send(&b, Q_DEFLATE, AREA + 4096, AREA_BYTES - 8192);
        qobject_unref(qballoon_wait_swept(&b));
    }
    g_assert_cmpint(qballoon_number(&b, "ballooned"), ==, 0);
    qballoon_end(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon/command-sweeps-anonymous-memory",
                   test_command_sweeps_anonymous_memory);
    qtest_add_func("balloon/command-sweeps-shared-memory",
                   test_command_sweeps_shared_memory);
    qtest_add_func("balloon/command-sweeps-huge-pages",
                   test_command_sweeps_huge_pages);
    qtest_add_func("balloon/huge-pages-are-refused-unless-asked-for",
                   test_huge_pages_are_refused_unless_asked_for);
    qtest_add_func("balloon/move-engine", test_move_engine);
    qtest_add_func("balloon/pause-engine", test_pause_engine);
    qtest_add_func("balloon/count-takes-nothing", test_count_takes_nothing);
    qtest_add_func("balloon/limit", test_limit);
    qtest_add_func("balloon/super-pages-only", test_super_pages_only);
    qtest_add_func("balloon/swept-memory-comes-back",
                   test_swept_memory_comes_back);
    qtest_add_func("balloon/inflate-request-sweeps-first",
                   test_inflate_request_sweeps_first);
    qtest_add_func("balloon/requests-behind-a-waiting-one",
                   test_requests_behind_a_waiting_one);
    qtest_add_func("balloon/no-sweep-without-command",
                   test_no_sweep_without_command);
    qtest_add_func("balloon/period", test_period);
    qtest_add_func("balloon/refusals", test_refusals);
    qtest_add_func("balloon/pattern-is-counted", test_pattern_is_counted);
    qtest_add_func("balloon/private-file-is-refused",
                   test_private_file_is_refused);
    qtest_add_func("balloon/locked-memory-is-refused",
                   test_locked_memory_is_refused);
    qtest_add_func("balloon/credit", test_credit);
    qtest_add_func("balloon/no-write-is-lost", test_no_write_is_lost);
    qtest_add_func("balloon/sweep-and-inflate-at-once",
                   test_sweep_and_inflate_at_once);
    return g_test_run();
}
