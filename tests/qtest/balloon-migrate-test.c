/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: saved and loaded in the middle of things. */
#include "qemu/osdep.h"
#include "balloon-driver.h"
#include "qobject/qnum.h"
#include "saved-state.h"

#define AREA (32 * MiB)

#define DEVICE BALLOON_MACHINE BALLOON_DEVICE

typedef struct Move {
    QBalloon b;
    char *dir;
    char *state;
} Move;

static void move_start(Move *m, const char *properties)
{
    m->dir = g_dir_make_tmp("balloon-migrate-XXXXXX", NULL);
    g_assert_nonnull(m->dir);
    m->state = g_build_filename(m->dir, "state", NULL);
    qballoon_machine(&m->b, properties, "");
}

/* Into another QEMU with @properties. */
static void move(Move *m, const char *properties)
{
    g_autofree char *args = g_strdup_printf(DEVICE "%s", properties);

    saved_state_save(m->b.qts, m->state);
    qballoon_end(&m->b);
    qballoon_adopt(&m->b, saved_state_load(args, m->state));
}

static void move_end(Move *m)
{
    qballoon_end(&m->b);
    unlink(m->state);
    g_assert_cmpint(rmdir(m->dir), ==, 0);
    g_free(m->state);
    g_free(m->dir);
}

static void post_one(QBalloon *b, uint64_t address)
{
    uint32_t pfn = address / 4096;

    qballoon_post_pfns(b, Q_INFLATE, &pfn, 1);
}

static void make_sweeps_slow(QBalloon *b)
{
    qtest_qmp_assert_success(
        b->qts, "{ 'execute': 'sunder-fault-add', 'arguments': {"
        "  'id': 'slow', 'point': 'balloon0/sweep',"
        "  'outcome': 'delayed', 'duration': 60000000000 } }");
}

static void test_balloon_moves(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    qballoon_set_target(b, 100 * MiB);
    qballoon_send(b, Q_INFLATE, AREA, SUPER_PAGE + 4096);
    qballoon_set_config(b, CONFIG_ACTUAL, 513);
    qballoon_set_config(b, CONFIG_POISON, 0xaaaaaaaa);
    move(&m, "");
    g_assert_cmpint(qballoon_config(b, CONFIG_NUM_PAGES), ==, 28 * 256);
    g_assert_cmpint(qballoon_config(b, CONFIG_ACTUAL), ==, 513);
    g_assert_cmphex(qballoon_config(b, CONFIG_POISON), ==, 0xaaaaaaaa);
    g_assert_cmpint(qballoon_number(b, "target"), ==, 100 * MiB);
    g_assert_cmpint(qballoon_number(b, "ballooned"), ==, SUPER_PAGE + 4096);
    qballoon_send(b, Q_DEFLATE, AREA, SUPER_PAGE + 4096);
    g_assert_cmpint(qballoon_number(b, "ballooned"), ==, 0);
    move_end(&m);
}

/*
 * Pages of the balloon may arrive with what was in them when they were sent
 * first: the other host gives them back, too.
 */
static void test_pages_go_back_after_the_move(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, ",sweep=off");
    qballoon_fill(b, AREA, SUPER_PAGE, 0x5a);
    post_one(b, AREA);
    move(&m, ",sweep=off");
    g_assert_true(qballoon_is_used(b, Q_INFLATE));
    qballoon_wait_for_byte(b, AREA, 0);
    g_assert_cmphex(qtest_readb(b->qts, AREA + 4096), ==, 0x5a);
    move_end(&m);
}

/* The sweep ends with the source; its request is answered, once. */
static void test_request_that_waits_is_answered(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, ",sweep-hold=60000");
    make_sweeps_slow(b);
    qballoon_set_target(b, BALLOON_MEMORY - 8192);
    post_one(b, AREA);
    while (qballoon_number(b, "sweeps") == 0) {
        g_usleep(1000);
    }
    g_assert_false(qballoon_is_used(b, Q_INFLATE));
    move(&m, ",sweep-hold=60000");
    g_assert_true(qballoon_is_used(b, Q_INFLATE));
    g_assert_false(qballoon_is_used(b, Q_INFLATE));
    g_assert_cmpint(qballoon_number(b, "ballooned"), ==, 4096);
    post_one(b, AREA + 4096);
    qballoon_wait(b, Q_INFLATE);
    g_assert_cmpint(qballoon_number(b, "ballooned"), ==, 8192);
    move_end(&m);
}

/* A command that the driver has not answered yet sweeps at the destination. */
static void test_wanted_sweep_moves(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    qballoon_set_target(b, BALLOON_MEMORY - 4096);
    move(&m, "");
    g_assert_cmpint(qballoon_number(b, "sweeps"), ==, 0);
    post_one(b, AREA);
    qballoon_wait(b, Q_INFLATE);
    g_assert_cmpint(qballoon_number(b, "sweeps"), ==, 1);
    move_end(&m);
}

/* What the guest has written is there, whatever a sweep was doing. */
static void test_memory_moves_mid_sweep(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, ",sweep=manual");
    qballoon_fill(b, AREA, 32 * MiB, 0x5a);
    qballoon_fill(b, AREA, 32 * MiB, 0);
    for (uint64_t at = 0; at < 32 * MiB; at += SUPER_PAGE) {
        qtest_writeb(b->qts, AREA + at + 12345, 0x77);
    }
    qtest_qmp_assert_success(b->qts, "{ 'execute': 'sunder-balloon-sweep' }");
    move(&m, ",sweep=manual");
    for (uint64_t at = 0; at < 32 * MiB; at += SUPER_PAGE) {
        g_assert_cmphex(qtest_readb(b->qts, AREA + at + 12344), ==, 0);
        g_assert_cmphex(qtest_readb(b->qts, AREA + at + 12345), ==, 0x77);
    }
    move_end(&m);
}

/* The migration would take the sweep's pause for the user's. */
static void test_no_pause_while_a_migration_runs(void)
{
    g_autofree char *said = NULL;
    Move m;

    move_start(&m, ",sweep=manual,sweep-guard=pause");
    qtest_qmp_assert_success(
        m.b.qts, "{ 'execute': 'migrate-set-parameters',"
        "  'arguments': { 'max-bandwidth': 4096 } }");
    qtest_qmp_assert_success(
        m.b.qts, "{ 'execute': 'migrate',"
        "  'arguments': { 'uri': 'exec:cat >/dev/null' } }");
    said = qmp_error(m.b.qts, "{ 'execute': 'sunder-balloon-sweep' }");
    g_assert_nonnull(strstr(said, "a migration is under way"));
    qtest_qmp_assert_success(m.b.qts, "{ 'execute': 'migrate_cancel' }");
    move_end(&m);
}

static void test_withheld_target_moves(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    qtest_qmp_assert_success(
        b->qts, "{ 'execute': 'sunder-fault-add', 'arguments': {"
        "  'id': 'deaf', 'point': 'balloon0/driver',"
        "  'outcome': 'never-answers' } }");
    qballoon_set_target(b, 100 * MiB);
    move(&m, "");
    g_assert_cmpint(qballoon_config(b, CONFIG_NUM_PAGES), ==, 0);
    qtest_qmp_assert_success(b->qts, "{ 'execute': 'sunder-fault-remove',"
                             "  'arguments': { 'id': 'deaf' } }");
    g_assert_cmpint(qballoon_config(b, CONFIG_NUM_PAGES), ==, 28 * 256);
    move_end(&m);
}

static uint64_t free_memory(QBalloon *b)
{
    QDict *answer = qtest_qmp(b->qts, "{ 'execute': 'qom-get', 'arguments':"
                              "  { 'path': '/machine/peripheral/balloon0',"
                              "    'property': 'guest-stats' } }");
    QDict *stats = qdict_get_qdict(qdict_get_qdict(answer, "return"),
                                   "stats");
    QNum *value = qobject_to(QNum, qdict_get(stats, "stat-free-memory"));
    uint64_t result = qnum_get_uint(value);

    qobject_unref(answer);
    return result;
}

/* The buffer of statistics is the device's here and there. */
static void test_statistics_move(void)
{
    QBuffer buffer = { DRIVER_BUFFER + Q_STATS * MiB, 10 };
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    qtest_writew(b->qts, buffer.address, 4);
    qtest_writeq(b->qts, buffer.address + 2, 4711);
    qballoon_post(b, Q_STATS, &buffer, 1);
    qtest_qmp_assert_success(
        b->qts, "{ 'execute': 'qom-set', 'arguments': {"
        "  'path': '/machine/peripheral/balloon0',"
        "  'property': 'guest-stats-polling-interval', 'value': 1000 } }");
    qballoon_is_used(b, Q_STATS);
    qballoon_post(b, Q_STATS, &buffer, 1);
    move(&m, "");
    g_assert_cmpint(free_memory(b), ==, 4711);
    g_assert_false(qballoon_is_used(b, Q_STATS));
    qtest_clock_step(b->qts, 1001 * 1000000000ll);
    g_assert_true(qballoon_is_used(b, Q_STATS));
    g_assert_false(qballoon_is_used(b, Q_STATS));
    move_end(&m);
}

/* Back and forth, with the driver at work between. */
static void test_many_moves(void)
{
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    for (unsigned i = 0; i < 6; i++) {
        qballoon_set_target(b, BALLOON_MEMORY - (i + 1) * 4096);
        post_one(b, AREA + i * 4096);
        move(&m, "");
        qballoon_wait(b, Q_INFLATE);
        g_assert_cmpint(qballoon_number(b, "ballooned"), ==, (i + 1) * 4096);
    }
    move_end(&m);
}

/* The account is bytes in the stream: damage is refused, not believed. */
static void test_damaged_account_is_refused(void)
{
    g_autofree char *said = NULL, *bytes = NULL;
    /* version 1, one run: from page 8192 (AREA) on */
    static const char account[] = "\1\0\0\0\1\0\0\0\0\x20\0\0\0\0\0";
    gsize length;
    char *found;
    Move m;
    QBalloon *b = &m.b;

    move_start(&m, "");
    qballoon_send(b, Q_INFLATE, AREA, SUPER_PAGE);
    saved_state_save(b->qts, m.state);
    g_assert_true(g_file_get_contents(m.state, &bytes, &length, NULL));
    found = memmem(bytes, length, account, sizeof(account));
    g_assert_nonnull(found);
    *found = 9;
    g_assert_true(g_file_set_contents(m.state, bytes, length, NULL));
    said = saved_state_load_fails(DEVICE, m.state);
    g_assert_nonnull(strstr(said, "balloon0: saved balloon: its version is "
                            "9, expected 1"));
    move_end(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon-migrate/balloon-moves", test_balloon_moves);
    qtest_add_func("balloon-migrate/pages-go-back-after-the-move",
                   test_pages_go_back_after_the_move);
    qtest_add_func("balloon-migrate/request-that-waits-is-answered",
                   test_request_that_waits_is_answered);
    qtest_add_func("balloon-migrate/wanted-sweep-moves",
                   test_wanted_sweep_moves);
    qtest_add_func("balloon-migrate/memory-moves-mid-sweep",
                   test_memory_moves_mid_sweep);
    qtest_add_func("balloon-migrate/no-pause-while-a-migration-runs",
                   test_no_pause_while_a_migration_runs);
    qtest_add_func("balloon-migrate/withheld-target-moves",
                   test_withheld_target_moves);
    qtest_add_func("balloon-migrate/statistics-move", test_statistics_move);
    qtest_add_func("balloon-migrate/many-moves", test_many_moves);
    qtest_add_func("balloon-migrate/damaged-account-is-refused",
                   test_damaged_account_is_refused);
    return g_test_run();
}
