/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault rules in a saved state: they go on where they stopped, what happened
 * is not repeated, and damage is refused by name.
 *
 * The edu device keeps no state of its own: its BAR is programmed again.
 */
#include "qemu/osdep.h"
#include "rac-machine.h"
#include "saved-state.h"

#define BAR0    "rac0/nic0/bar0"
#define LINK    "rac0/link"

#define MILLISECOND 1000000

/* How a state of rules starts: target-models/fault/state.c. */
#define RULES_MAGIC "SFLT"

typedef struct Saved {
    char *folder;
    char *path;
} Saved;

static void saved_make(Saved *saved)
{
    saved->folder = g_dir_make_tmp("sunder-fault-XXXXXX", NULL);
    g_assert_nonnull(saved->folder);
    saved->path = g_build_filename(saved->folder, "state", NULL);
}

static void saved_drop(Saved *saved)
{
    unlink(saved->path);
    rmdir(saved->folder);
    g_free(saved->path);
    g_free(saved->folder);
}

static char *edu_args(void)
{
    return rac_machine_args("-device edu,id=nic0,bus=rac0");
}

/* Saves @qts, ends it, and goes on in another QEMU. */
static QTestState *move(QTestState *qts)
{
    g_autofree char *args = edu_args();
    Saved saved;

    saved_make(&saved);
    saved_state_save(qts, saved.path);
    qtest_quit(qts);
    qts = saved_state_load(args, saved.path);
    saved_drop(&saved);
    device_program(qts);
    return qts;
}

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

static void test_turns_go_on_where_they_stopped(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *before = NULL, *after = NULL;

    fault_add(qts, BAR0, "xor", ", 'id': 'f', 'value': 1, 'after': 2,"
              "  'every': 3, 'count': 2");
    before = pattern_of_reads(qts, 6);
    qts = move(qts);
    after = pattern_of_reads(qts, 6);

    g_assert_cmpstr(before, ==, "....X.");
    g_assert_cmpstr(after, ==, ".X....");
    g_assert_cmpint(fault_fired(qts, "f"), ==, 2);
    qtest_quit(qts);
}

static void test_chance_goes_on_as_without_the_move(void)
{
    static const char rule[] = ", 'value': 1, 'probability': 0.5,"
                               "  'seed': 99";
    QTestState *stays = rac_machine_start_edu();
    QTestState *moves = rac_machine_start_edu();
    g_autofree char *first = NULL, *expected = NULL, *second = NULL;

    fault_add(stays, BAR0, "xor", rule);
    fault_add(moves, BAR0, "xor", rule);
    expected = pattern_of_reads(stays, 64);
    first = pattern_of_reads(moves, 32);
    moves = move(moves);
    second = pattern_of_reads(moves, 32);

    g_assert_true(g_str_has_prefix(expected, first));
    g_assert_cmpstr(expected + 32, ==, second);
    qtest_quit(stays);
    qtest_quit(moves);
}

static void test_firings_are_numbered_on(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *event;

    fault_add(qts, BAR0, "xor", ", 'value': 1");
    g_free(pattern_of_reads(qts, 10));
    qts = move(qts);
    qtest_readl(qts, WINDOW);
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_FAULT_FIRED");

    g_assert_cmpint(qdict_get_int(qdict_get_qdict(event, "data"), "seq"), ==,
                    11);
    qobject_unref(event);
    qtest_quit(qts);
}

static void test_an_action_still_to_come_happens_at_its_time(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, LINK, "link-down", ", 'id': 'f', 'at': 900000000000");
    qts = move(qts);
    g_assert_cmpint(fault_fired(qts, "f"), ==, 0);
    qtest_clock_set(qts, INT64_C(900000) * MILLISECOND);

    g_assert_cmpint(fault_fired(qts, "f"), ==, 1);
    qtest_quit(qts);
}

static void test_an_action_that_happened_is_not_repeated(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, LINK, "link-down", ", 'id': 'f'");
    qts = move(qts);
    qtest_clock_step(qts, MILLISECOND);

    g_assert_cmpint(fault_fired(qts, "f"), ==, 1);
    g_assert_false(event_came(qts, "SUNDER_FAULT_FIRED"));
    qtest_quit(qts);
}

static void test_rules_without_their_device_wait_and_can_be_removed(void)
{
    QTestState *qts = rac_machine_start("-device edu,id=nic0,bus=rac0");
    g_autofree char *args = rac_machine_args("-device edu,id=nic0,"
                                             "bus=pcie.0,addr=9");
    QDict *answer, *status;
    Saved saved;

    fault_add(qts, BAR0, "xor", ", 'id': 'f', 'value': 1");
    saved_make(&saved);
    saved_state_save(qts, saved.path);
    qtest_quit(qts);
    qts = saved_state_load(args, saved.path);
    saved_drop(&saved);
    answer = qtest_qmp(qts, "{ 'execute': 'query-sunder-faults' }");
    status = qobject_to(QDict,
                        qlist_peek(qdict_get_qlist(answer, "return")));

    g_assert_true(qdict_get_bool(status, "waiting"));
    fault_remove(qts, "f");
    qobject_unref(answer);
    qtest_quit(qts);
}

/* Where RULES_MAGIC is in the saved file, or NULL. */
static char *find_rules(char *state, size_t size)
{
    return memmem(state, size, RULES_MAGIC, strlen(RULES_MAGIC));
}

static void test_a_machine_without_rules_saves_none(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *state = NULL;
    size_t size;
    Saved saved;

    saved_make(&saved);
    saved_state_save(qts, saved.path);
    g_assert_true(g_file_get_contents(saved.path, &state, &size, NULL));

    g_assert_null(find_rules(state, size));
    saved_drop(&saved);
    qtest_quit(qts);
}

/* What is said of a state in which the byte @at of the rules is @value. */
static char *refusal_of_damage(int at, uint8_t value)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *args = edu_args();
    g_autofree char *state = NULL;
    char *said;
    size_t size;
    Saved saved;

    fault_add(qts, BAR0, "xor", ", 'id': 'f', 'value': 1");
    saved_make(&saved);
    saved_state_save(qts, saved.path);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(saved.path, &state, &size, NULL));
    find_rules(state, size)[at] = value;
    g_assert_true(g_file_set_contents(saved.path, state, size, NULL));
    said = saved_state_load_fails(args, saved.path);
    saved_drop(&saved);
    return said;
}

static void test_another_version_of_the_rules_is_refused_by_name(void)
{
    g_autofree char *said = refusal_of_damage(4, 77);

    g_assert_nonnull(strstr(said, "saved fault rules: version 77"));
}

static void test_an_impossible_size_is_refused_by_name(void)
{
    /* the first byte of the four in front, which say how many follow */
    g_autofree char *said = refusal_of_damage(-4, 0x7f);

    g_assert_nonnull(strstr(said, "saved fault rules: "));
    g_assert_nonnull(strstr(said, "expected at most 4194304"));
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*test)(void); } tests[] = {
#define TEST(name) { "/sunder/fault-migrate/" #name, test_##name }
        TEST(turns_go_on_where_they_stopped),
        TEST(chance_goes_on_as_without_the_move),
        TEST(firings_are_numbered_on),
        TEST(an_action_still_to_come_happens_at_its_time),
        TEST(an_action_that_happened_is_not_repeated),
        TEST(rules_without_their_device_wait_and_can_be_removed),
        TEST(a_machine_without_rules_saves_none),
        TEST(another_version_of_the_rules_is_refused_by_name),
        TEST(an_impossible_size_is_refused_by_name),
#undef TEST
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        qtest_add_func(tests[i].name, tests[i].test);
    }
    return g_test_run();
}
