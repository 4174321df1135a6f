/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "balloon-sweep.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

void make_zero_area(QBalloon *b)
{
    qballoon_fill(b, AREA, AREA_BYTES, 0x5a);
    qballoon_fill(b, AREA, AREA_BYTES, 0);
}

uint64_t number(QDict *sweep, const char *key)
{
    return qdict_get_int(sweep, key);
}

void expect_text(QDict *sweep, const char *key, const char *expected)
{
    g_assert_cmpstr(qdict_get_try_str(sweep, key), ==, expected);
}

void expect_state(QDict *sweep, const char *expected)
{
    if (!g_str_equal(qdict_get_str(sweep, "state"), expected)) {
        g_test_message("error: %s", qdict_get_try_str(sweep, "error"));
    }
    expect_text(sweep, "state", expected);
}

void post_one(QBalloon *b, unsigned queue, uint64_t address)
{
    uint32_t pfn = address / 4096;

    qballoon_post_pfns(b, queue, &pfn, 1);
}

void add_rule(QBalloon *b, const char *id, const char *point,
              const char *outcome, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "{ 'id': '%s', 'point': '%s', 'outcome': '%s' %s }", id, point,
        outcome, more);
    QObject *arguments = qobject_from_json(text, &error_abort);

    qtest_qmp_assert_success(b->qts, "{ 'execute': 'sunder-fault-add',"
                             "  'arguments': %p }", arguments);
}

void remove_rule(QBalloon *b, const char *id)
{
    qtest_qmp_assert_success(b->qts, "{ 'execute': 'sunder-fault-remove',"
                             "  'arguments': { 'id': %s } }", id);
}

uint64_t mapped(QBalloon *b, const char *key)
{
    QDict *answer = qtest_qmp(b->qts,
                              "{ 'execute': 'query-sunder-balloon-map' }");
    QList *list = qdict_get_qlist(answer, "return");
    uint64_t sum = 0;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *mapping = qobject_to(QDict, qlist_entry_obj(entry));
        uint64_t address = qdict_get_try_int(mapping, "address", 0);

        if (address >= AREA && address < AREA + AREA_BYTES) {
            sum += qdict_get_int(mapping, key);
        }
    }
    qobject_unref(answer);
    return sum;
}

void expect_refused(QBalloon *b, const char *expected)
{
    g_autofree char *said = qmp_error(b->qts,
                                      "{ 'execute': 'sunder-balloon-sweep' }");

    if (!strstr(said, expected)) {
        g_test_message("expected \"%s\", got \"%s\"", expected, said);
        g_test_fail();
    }
}
