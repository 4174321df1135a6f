/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault rules in a machine: QMP commands, events, virtual time, seeds.  The
 * rules are put on the edu device "nic0" behind the port "rac0".
 */
#include "qemu/osdep.h"
#include "rac-machine.h"

#define BAR0    "rac0/nic0/bar0"
#define LINK    "rac0/link"

#define MILLISECOND 1000000

static char *refused(QTestState *qts, const char *point, const char *outcome,
                     const char *more)
{
    g_autofree char *command = g_strdup_printf(
        "{ 'execute': 'sunder-fault-add', 'arguments':"
        "  { 'point': '%s', 'outcome': '%s' %s } }", point, outcome,
        more ?: "");

    return qmp_error(qts, command);
}

static void assert_has(const char *message, const char *part)
{
    if (!strstr(message, part)) {
        g_error("\"%s\" is not in: %s", part, message);
    }
}

/* What fired on @n reads of edu's identification: 'X' or '.' for each. */
static char *pattern_of_reads(QTestState *qts, unsigned n)
{
    char *pattern = g_strnfill(n, '.');

    for (unsigned i = 0; i < n; i++) {
        if (qtest_readl(qts, WINDOW) != EDU_ID) {
            pattern[i] = 'X';
        }
    }
    return pattern;
}

static void test_points_are_listed_in_order_with_their_outcomes(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *answer = qtest_qmp(qts, "{ 'execute':"
                              "  'query-sunder-fault-points' }");
    QList *points = qdict_get_qlist(answer, "return");
    const char *last = "";
    QListEntry *e;

    g_assert_cmpint(qlist_size(points), >, 2);
    QLIST_FOREACH_ENTRY(points, e) {
        QDict *point = qobject_to(QDict, qlist_entry_obj(e));

        g_assert_cmpstr(last, <, qdict_get_str(point, "name"));
        g_assert_false(qlist_empty(qdict_get_qlist(point, "outcomes")));
        last = qdict_get_str(point, "name");
    }
    qobject_unref(answer);
    qtest_quit(qts);
}

static void test_an_unknown_point_is_answered_with_those_there_are(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *message = refused(qts, "rac0/nic9/bar0", "drop", NULL);

    assert_has(message, "fault point \"rac0/nic9/bar0\" does not exist");
    assert_has(message, BAR0);
    qtest_quit(qts);
}

static void test_an_unknown_point_has_an_error_class_of_its_own(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'sunder-fault-add',"
                              "  'arguments': { 'point': 'nowhere',"
                              "    'outcome': 'drop' } }");

    qmp_expect_error_and_unref(answer, "DeviceNotFound");
    qtest_quit(qts);
}

static void test_an_unknown_outcome_is_answered_with_those_accepted(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *message = refused(qts, BAR0, "explode", NULL);

    assert_has(message, "no outcome \"explode\"");
    assert_has(message, "completion-timeout");
    qtest_quit(qts);
}

static void test_rules_that_contradict_are_refused(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *message = NULL;

    fault_add(qts, BAR0, "unsupported-request", ", 'id': 'first'");
    message = refused(qts, BAR0, "completer-abort", NULL);

    assert_has(message, "contradicts rule \"first\"");
    qtest_quit(qts);
}

static void test_numbers_that_cannot_be_are_refused(void)
{
    static const struct { const char *more, *part; } wrong[] = {
        { ", 'value': 1, 'probability': -0.5", "probability -0.5" },
        { ", 'value': 1, 'probability': 0", "probability 0" },
        { ", 'value': 1, 'probability': 1e308", "probability 1e+308" },
        { ", 'value': 1, 'count': 0", "count 0" },
        { ", 'value': 1, 'every': 0", "every 0" },
        { ", 'value': 1, 'length': 0", "length 0" },
        { ", 'value': 1, 'offset': 1048576", "ends at 1048576" },
        { ", 'value': 1, 'offset': 1, 'length': 1048576", "ends at" },
        { ", 'value': 1, 'after': 18446744073709551615", "after 1844" },
        { ", 'value': 1, 'every': -1", "nothing negative" },
        { ", 'value': 1, 'count': -1", "nothing negative" },
        { ", 'value': 1, 'at': -5", "nothing negative" },
        { ", 'value': 1, 'seed': 1", "only for a rule with a probability" },
        { ", 'value': 1, 'id': 'a b'", "is not a name" },
        { "", "outcome xor needs a value" },
        { ", 'value': 1, 'duration': 1", "takes no duration" },
    };
    QTestState *qts = rac_machine_start_edu();

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *message = refused(qts, BAR0, "xor", wrong[i].more);

        assert_has(message, wrong[i].part);
    }
    qtest_quit(qts);
}

static void test_a_name_of_a_megabyte_gets_a_short_answer(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *name = g_strnfill(1024 * 1024, 'x');
    g_autofree char *message = refused(qts, name, "xor", NULL);

    assert_has(message, "(1048576 bytes)");
    g_assert_cmpint(strlen(message), <, 1024);
    qtest_quit(qts);
}

static void test_a_removed_rule_fires_no_more(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request", ", 'id': 'f'");
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    fault_remove(qts, "f");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_removing_an_unknown_rule_is_answered_with_those_there_are(
    void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *message = NULL;

    fault_add(qts, BAR0, "drop", ", 'id': 'mine'");
    message = qmp_error(qts, "{ 'execute': 'sunder-fault-remove',"
                        "  'arguments': { 'id': 'yours' } }");

    assert_has(message, "\"yours\" does not exist; there are: mine");
    qtest_quit(qts);
}

static void test_a_firing_is_an_event_with_all_of_it(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *event, *data;

    fault_add(qts, BAR0, "xor", ", 'id': 'f', 'value': 1, 'after': 1");
    qtest_clock_step(qts, 5 * MILLISECOND);
    qtest_readl(qts, WINDOW);
    qtest_readl(qts, WINDOW + 4);
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_FAULT_FIRED");
    data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "rule"), ==, "f");
    g_assert_cmpstr(qdict_get_str(data, "point"), ==, BAR0);
    g_assert_cmpstr(qdict_get_str(data, "outcome"), ==, "xor");
    g_assert_cmpstr(qdict_get_str(data, "operation"), ==, "read");
    g_assert_cmpint(qdict_get_int(data, "seq"), ==, 1);
    g_assert_cmpint(qdict_get_int(data, "offset"), ==, 4);
    g_assert_cmpint(qdict_get_int(data, "size"), ==, 4);
    g_assert_cmpint(qdict_get_int(data, "virtual-ns"), ==, 5 * MILLISECOND);
    qobject_unref(event);
    qtest_quit(qts);
}

static void test_each_of_a_thousand_firings_is_an_event(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "xor", ", 'value': 1");
    for (unsigned i = 0; i < 1000; i++) {
        qtest_readl(qts, WINDOW);
    }

    for (unsigned i = 0; i < 1000; i++) {
        QDict *event = qtest_qmp_eventwait_ref(qts, "SUNDER_FAULT_FIRED");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpint(qdict_get_int(data, "seq"), ==, i + 1);
        qobject_unref(event);
    }
    qtest_quit(qts);
}

static void test_an_action_without_a_time_happens_at_once(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, LINK, "link-down", ", 'id': 'f'");

    g_assert_cmpint(fault_fired(qts, "f"), ==, 1);
    g_assert_true(event_came(qts, "SUNDER_FAULT_FIRED"));
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_an_action_with_a_time_happens_then(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, LINK, "link-down", ", 'id': 'f', 'at': 7000000");
    qtest_clock_set(qts, 7 * MILLISECOND - 1);
    g_assert_cmpint(fault_fired(qts, "f"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_clock_set(qts, 7 * MILLISECOND);

    g_assert_cmpint(fault_fired(qts, "f"), ==, 1);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_removed_action_does_not_happen(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, LINK, "link-down", ", 'id': 'f', 'at': 7000000");
    fault_remove(qts, "f");
    qtest_clock_set(qts, 10 * MILLISECOND);

    g_assert_false(event_came(qts, "SUNDER_FAULT_FIRED"));
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static char *pattern_of_seed(unsigned seed)
{
    QTestState *qts = rac_machine_start("-device sunder-fault,seed=%u "
                                        "-device edu,id=nic0,bus=rac0",
                                        seed);
    char *pattern;

    device_program(qts);
    fault_add(qts, BAR0, "xor", ", 'value': 1, 'probability': 0.5");
    pattern = pattern_of_reads(qts, 64);
    qtest_quit(qts);
    return pattern;
}

static void test_the_machines_seed_decides_what_chance_does(void)
{
    g_autofree char *first = pattern_of_seed(1);
    g_autofree char *again = pattern_of_seed(1);
    g_autofree char *other = pattern_of_seed(2);

    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, other);
}

static void test_the_seed_is_no_device_to_plug_in_later(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *message = qmp_error(
        qts, "{ 'execute': 'device_add', 'arguments':"
        "  { 'driver': 'sunder-fault', 'seed': 1 } }");

    assert_has(message, "sunder-fault");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*test)(void); } tests[] = {
#define TEST(name) { "/sunder/fault/" #name, test_##name }
        TEST(points_are_listed_in_order_with_their_outcomes),
        TEST(an_unknown_point_is_answered_with_those_there_are),
        TEST(an_unknown_point_has_an_error_class_of_its_own),
        TEST(an_unknown_outcome_is_answered_with_those_accepted),
        TEST(rules_that_contradict_are_refused),
        TEST(numbers_that_cannot_be_are_refused),
        TEST(a_name_of_a_megabyte_gets_a_short_answer),
        TEST(a_removed_rule_fires_no_more),
        TEST(removing_an_unknown_rule_is_answered_with_those_there_are),
        TEST(a_firing_is_an_event_with_all_of_it),
        TEST(each_of_a_thousand_firings_is_an_event),
        TEST(an_action_without_a_time_happens_at_once),
        TEST(an_action_with_a_time_happens_then),
        TEST(a_removed_action_does_not_happen),
        TEST(the_machines_seed_decides_what_chance_does),
        TEST(the_seed_is_no_device_to_plug_in_later),
#undef TEST
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        qtest_add_func(tests[i].name, tests[i].test);
    }
    return g_test_run();
}
