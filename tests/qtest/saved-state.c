/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "saved-state.h"

#define POLL_US 10000
#define POLL_LIMIT 3000         /* half a minute */

static char *migration_status(QTestState *qts)
{
    QDict *answer = qtest_qmp_assert_success_ref(
        qts, "{ 'execute': 'query-migrate' }");
    char *status = g_strdup(qdict_get_try_str(answer, "status"));

    qobject_unref(answer);
    return status ?: g_strdup("none");
}

static void wait_for_status(QTestState *qts, const char *wanted)
{
    for (int i = 0; i < POLL_LIMIT; i++) {
        g_autofree char *status = migration_status(qts);

        if (g_str_equal(status, wanted)) {
            return;
        }
        g_assert_cmpstr(status, !=, "failed");
        g_usleep(POLL_US);
    }
    g_assert_not_reached();
}

void saved_state_save(QTestState *qts, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);

    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate',"
                             "  'arguments': { 'uri': %s } }", uri);
    wait_for_status(qts, "completed");
}

char *saved_state_refusal(QTestState *qts, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'migrate',"
                              "  'arguments': { 'uri': %s } }", uri);
    QDict *error = qdict_get_qdict(answer, "error");
    char *reason;

    g_assert_nonnull(error);
    reason = g_strdup(qdict_get_str(error, "desc"));
    qobject_unref(answer);
    return reason;
}

static bool is_running(QTestState *qts)
{
    QDict *answer = qtest_qmp_assert_success_ref(
        qts, "{ 'execute': 'query-status' }");
    bool running = qdict_get_bool(answer, "running");

    qobject_unref(answer);
    return running;
}

QTestState *saved_state_load_stopped(const char *args, const char *path)
{
    QTestState *qts = qtest_initf("%s -S -incoming defer", args);
    g_autofree char *uri = g_strdup_printf("file:%s", path);

    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-incoming',"
                             "  'arguments': { 'uri': %s } }", uri);
    wait_for_status(qts, "completed");
    return qts;
}

QTestState *saved_state_load(const char *args, const char *path)
{
    QTestState *qts = saved_state_load_stopped(args, path);
    int tries = 0;

    qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
    while (!is_running(qts)) {
        g_assert_cmpint(tries++, <, POLL_LIMIT);
        g_usleep(POLL_US);
    }
    return qts;
}

char *saved_state_load_fails(const char *args, const char *path)
{
    g_autofree char *log = g_strdup_printf("%s.log", path);
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    QTestState *qts;
    char *said = NULL;

    /* it exits in a coroutine: what the main stack holds looks lost */
    g_setenv("LSAN_OPTIONS", "detect_leaks=0", true);
    qts = qtest_initf("%s -incoming defer 2>%s", args, log);
    g_unsetenv("LSAN_OPTIONS");
    qtest_qmp_send(qts, "{ 'execute': 'migrate-incoming',"
                   "  'arguments': { 'uri': %s } }", uri);
    qtest_set_expected_status(qts, 1);
    qtest_wait_qemu(qts);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(log, &said, NULL, NULL));
    unlink(log);
    return said;
}
