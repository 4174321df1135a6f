/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points come and go; names that do not exist are answered with those
 * that do. */
#include "tests/unit/fault-fixture.h"

TestSuite(fault_point, .init = fault_fixture_init,
          .fini = fault_fixture_fini);

static void append_name(FaultPoint *point, void *opaque)
{
    g_string_append_printf(opaque, "%s ", point->name);
}

static void append_id(FaultRule *rule, void *opaque)
{
    g_string_append_printf(opaque, "%s ", fault_rule_id(rule));
}

static FaultPoint *add_point(const char *name)
{
    return fault_engine_add_point(engine, name, 16, fault_outcomes, NULL,
                                  NULL);
}

Test(fault_point, points_are_listed_by_name)
{
    g_autoptr(GString) names = g_string_new(NULL);

    add_point("rac0/nic0/bar1");
    add_point("a");
    fault_engine_foreach_point(engine, append_name, names);

    cr_assert_str_eq(names->str, "a dev line rac0/nic0/bar1 ");
}

Test(fault_point, a_point_keeps_what_its_model_gave)
{
    int model;
    FaultPoint *point = fault_engine_add_point(engine, "x", 7,
                                               fault_outcomes, &model, NULL);

    cr_assert_eq(point->length, 7);
    cr_assert_eq(point->opaque, &model);
    cr_assert_eq(fault_engine_find_point(engine, "x", NULL), point);
}

Test(fault_point, a_name_can_be_taken_only_once)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(fault_engine_add_point(engine, "dev", 1, fault_outcomes,
                                          NULL, &error));
    cr_assert(g_error_matches(error, FAULT_ERROR, FAULT_ERROR_POINT));
    cr_assert_has(error->message, "\"dev\" exists already");
}

Test(fault_point, a_malformed_name_is_refused)
{
    g_autofree char *long_name = g_strnfill(FAULT_MAX_NAME + 1, 'a');
    const char *const names[] = { "", "a b", "a\n", "\xc3\xa4", long_name };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        cr_expect_null(add_point(names[i]), "%s", names[i]);
    }
}

Test(fault_point, the_longest_name_is_accepted)
{
    g_autofree char *name = g_strnfill(FAULT_MAX_NAME, 'a');

    cr_assert_not_null(add_point(name));
}

Test(fault_point, an_unknown_point_lists_those_that_exist)
{
    FaultRuleSpec spec = fault_spec("hang");
    const char *message;

    spec.point = "deu";
    message = fault_refused(spec, FAULT_ERROR_POINT);

    cr_assert_str_eq(message, "fault point \"deu\" does not exist; there "
                     "are: dev, line");
}

Test(fault_point, an_engine_without_points_says_so)
{
    g_autoptr(GError) error = NULL;

    fault_engine_remove_point(engine, dev);
    fault_engine_remove_point(engine, line);

    cr_assert_null(fault_engine_find_point(engine, "dev", &error));
    cr_assert_has(error->message, "there are: none");
}

Test(fault_point, of_many_points_the_ten_most_alike_are_listed)
{
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < 40; i++) {
        g_autofree char *name = g_strdup_printf("rac%u/nic0/bar%u", i % 4, i);

        add_point(name);
    }
    fault_engine_find_point(engine, "rac1/nic0/ba5", &error);

    cr_assert_has(error->message, "there are: rac1/nic0/bar5, "
                  "rac1/nic0/bar1, rac1/nic0/bar25, rac1/nic0/bar9, ");
    cr_assert_has(error->message, " and 32 more");
}

Test(fault_point, a_megabyte_for_a_name_is_refused_in_a_short_message)
{
    g_autofree char *name = g_strnfill(1024 * 1024, '\n');
    FaultRuleSpec spec = fault_spec("hang");
    const char *message;

    spec.point = name;
    message = fault_refused(spec, FAULT_ERROR_POINT);

    cr_assert_has(message, "(1048576 bytes)");
    cr_assert_lt(strlen(message), 300);
}

Test(fault_point, removing_a_point_removes_its_rules_and_no_others)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    FaultRuleSpec other = fault_spec("hang");

    other.point = "line";
    fault_add(fault_spec("hang"));
    fault_add(other);
    fault_add(fault_spec("unplug"));
    fault_engine_remove_point(engine, dev);
    fault_engine_foreach_rule(engine, append_id, ids);

    cr_assert_str_eq(ids->str, "fault1 ");
    cr_assert_null(fault_engine_find_rule(engine, "fault0"));
    cr_assert_null(fault_engine_find_point(engine, "dev", NULL));
}

/* Another thread may have found it just before. */
Test(fault_point, a_point_that_is_unlinked_can_be_asked_and_has_no_rules)
{
    FaultPoint *old = dev;

    fault_add(fault_spec("hang"));
    fault_engine_unlink_point(engine, old);
    dev = add_point("dev");
    fault_add(fault_spec("hang"));

    cr_assert_neq(old, dev);
    cr_assert_not(fault_point_armed(old));
    cr_assert_eq(old->n_rules, 0);
    cr_assert_str_eq(fault_play(old, (FaultAccess) { FAULT_OP_READ, 0, 4, 50 },
                                1), ".");
    cr_assert(fault_point_armed(dev));
    fault_point_free(old);
}

Test(fault_point, a_point_that_comes_back_has_no_rules)
{
    fault_add(fault_spec("hang"));
    fault_engine_remove_point(engine, dev);
    dev = add_point("dev");

    cr_assert_eq(dev->n_rules, 0);
    cr_assert_str_eq(fault_play_reads(1), ".");
}

Test(fault_point, removing_a_rule_disarms_its_point)
{
    fault_add(fault_spec("hang"));

    cr_assert(fault_engine_remove_rule(engine, "fault0", NULL));
    cr_assert_not(fault_point_armed(dev));
    cr_assert_eq(dev->n_rules, 0);
    cr_assert_str_eq(fault_play_reads(1), ".");
}

Test(fault_point, removing_an_unknown_rule_lists_those_that_exist)
{
    g_autoptr(GError) error = NULL;

    fault_add(fault_spec("hang"));
    fault_add(fault_spec("unplug"));

    cr_assert_not(fault_engine_remove_rule(engine, "fault9", &error));
    cr_assert(g_error_matches(error, FAULT_ERROR, FAULT_ERROR_RULE));
    cr_assert_str_eq(error->message, "fault rule \"fault9\" does not exist; "
                     "there are: fault0, fault1");
}

Test(fault_point, rules_are_listed_in_the_order_of_adding)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    FaultRuleSpec named = fault_spec("poison");

    named.id = "a";
    fault_add(fault_spec("drop"));
    fault_add(named);
    fault_add(fault_spec("unplug"));
    fault_engine_foreach_rule(engine, append_id, ids);

    cr_assert_str_eq(ids->str, "fault0 a fault2 ");
}
