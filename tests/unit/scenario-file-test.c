/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenario files: what they give, and what each mistake is told as */
#include <string.h>

#include <criterion/criterion.h>

#include "scenario-file.h"

#define HEAD "name: a name\nmachine: faultlab\n"

static Scenario *parse(const char *text, GError **error)
{
    return scenario_parse("x.yaml", text, strlen(text), error);
}

static void assert_refused(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Scenario) scenario = parse(text, &error);

    cr_assert_null(scenario, "accepted: %s", text);
    cr_assert(strstr(error->message, message), "'%s' is not in '%s'", message,
              error->message);
}

static const ScenarioStep *step(const Scenario *scenario, guint index)
{
    return scenario->steps->pdata[index];
}

Test(scenario_file, gives_what_stands_at_the_top)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Scenario) scenario = parse(
        HEAD "kernel: 6.12\nseed: 7\nicount: true\ntimeout: 90s\n"
        "boot: {memory: 2G, cpus: 3, append: quiet, args: [-s, -S]}\n"
        "tags: [one, two]\nsteps:\n  - run: 'true'\n", &error);

    cr_assert_not_null(scenario, "%s", error ? error->message : "");
    cr_assert_str_eq(scenario->name, "a name");
    cr_assert_str_eq(scenario->kernel, "6.12");
    cr_assert(scenario->seeded && scenario->seed == 7 && scenario->icount);
    cr_assert_eq(scenario->timeout_ns, 90000000000);
    cr_assert_eq(scenario->boot->cpus, 3);
    cr_assert_str_eq(scenario->boot->arguments[1], "-S");
    cr_assert_str_eq(scenario->tags[1], "two");
}

Test(scenario_file, machines_of_a_lab_have_steps_and_boots)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Scenario) scenario = parse(
        HEAD "boot:\n  append: quiet\n  machines:\n"
        "    - {on: b, append: more, args: [-s]}\n"
        "steps:\n  - run: uname\n    on: b\n    report: kernel\n"
        "  - sleep: 1s\n", &error);
    const ScenarioBoot *boot;

    cr_assert_not_null(scenario, "%s", error ? error->message : "");
    cr_assert_str_eq(scenario->boot->append, "quiet");
    cr_assert_eq(scenario->boots->len, 1);
    boot = scenario->boots->pdata[0];
    cr_assert_str_eq(boot->on, "b");
    cr_assert_str_eq(boot->append, "more");
    cr_assert_str_eq(boot->arguments[0], "-s");
    cr_assert_str_eq(step(scenario, 0)->on, "b");
    cr_assert_str_eq(step(scenario, 0)->title, "b: run: uname");
    cr_assert_null(step(scenario, 1)->on);
}

Test(scenario_file, a_step_keeps_its_line_and_title)
{
    g_autoptr(Scenario) scenario = parse(
        HEAD "steps:\n  - run: uname\n  - sleep: 1s\n    note: wait\n", NULL);

    cr_assert_eq(step(scenario, 0)->line, 4);
    cr_assert_str_eq(step(scenario, 0)->title, "run: uname");
    cr_assert_str_eq(step(scenario, 1)->title, "wait");
}

Test(scenario_file, short_forms_become_the_long_ones)
{
    g_autoptr(Scenario) scenario = parse(
        HEAD "steps:\n  - run: x\n    expect: {output: abc}\n"
        "  - fired: hang\n  - qmp: query-status\n", NULL);
    JsonObject *expect = json_object_get_object_member(
        step(scenario, 0)->args, "expect");
    JsonArray *output = json_object_get_array_member(expect, "output");
    JsonObject *match = json_array_get_object_element(output, 0);
    JsonObject *fired = json_object_get_object_member(
        step(scenario, 1)->args, "value");

    cr_assert_str_eq(json_object_get_string_member(match, "regex"), "abc");
    cr_assert_str_eq(json_object_get_string_member(fired, "id"), "hang");
}

Test(scenario_file, durations_and_numbers_reach_the_rule_in_qmp_form)
{
    g_autoptr(Scenario) scenario = parse(
        HEAD "steps:\n  - fault: {point: p, outcome: o, duration: 1.5ms, "
        "value: 0xffffffffffffffff, probability: 0.5}\n", NULL);
    JsonObject *rule = json_object_get_object_member(
        step(scenario, 0)->args, "value");

    cr_assert_eq(json_object_get_int_member(rule, "duration"), 1500000);
    cr_assert_eq((guint64)json_object_get_int_member(rule, "value"),
                 G_MAXUINT64);
    cr_assert_eq(json_object_get_double_member(rule, "probability"), 0.5);
}

Test(scenario_file, refuses_what_is_no_yaml_with_its_line)
{
    assert_refused("name: [\n", "x.yaml:2: not YAML");
    assert_refused("name: 'x\n", "x.yaml:");
    assert_refused("\tname: x\n", "x.yaml:1: not YAML");
    assert_refused("name: \xff\xfe\n", "expected YAML in UTF-8");
    assert_refused("", "x.yaml: empty");
    assert_refused("# only a comment\n", "x.yaml: empty");
}

Test(scenario_file, refuses_keys_it_does_not_know)
{
    assert_refused(HEAD "step: []\n", "x.yaml:3: unknown key 'step'");
    assert_refused(HEAD "boot: {ram: 1G}\nsteps: [run: x]\n",
                   "x.yaml:3: boot: unknown key 'ram': expected memory");
    assert_refused(HEAD "steps:\n  - run: x\n    exit: 0\n",
                   "x.yaml:5: steps[1]: unknown key 'exit': expected note");
    assert_refused(HEAD "steps:\n  - fault: {point: p, outcom: o}\n",
                   "steps[1].fault: unknown key 'outcom'");
}

Test(scenario_file, refuses_what_is_missing_or_twice)
{
    assert_refused("machine: m\nsteps: [run: x]\n", "key 'name' is missing");
    assert_refused(HEAD, "key 'steps' is missing");
    assert_refused(HEAD "steps: []\n", "an empty list: expected a list");
    assert_refused(HEAD "name: b\nsteps: [run: x]\n",
                   "x.yaml:3: key 'name' is given twice");
    assert_refused(HEAD "steps:\n  - fault: {point: p}\n",
                   "key 'outcome' is missing");
    assert_refused(HEAD "steps:\n  - fired: {at-least: 1}\n",
                   "neither id nor point");
}

Test(scenario_file, refuses_values_of_another_kind)
{
    assert_refused(HEAD "icount: maybe\nsteps: [run: x]\n",
                   "icount: 'maybe': expected true or false");
    assert_refused(HEAD "timeout: 90\nsteps: [run: x]\n",
                   "timeout: '90': expected a duration");
    assert_refused(HEAD "seed: -1\nsteps: [run: x]\n", "seed: '-1': expected");
    assert_refused(HEAD "boot: {cpus: 0}\nsteps: [run: x]\n",
                   "boot.cpus: '0': expected a whole number");
    assert_refused(HEAD "steps:\n  - run: [a]\n",
                   "steps[1].run: a list: expected a text");
    assert_refused(HEAD "steps:\n  - run: x\n    expect: {exit: 256}\n",
                   "steps[1].expect.exit: '256': expected an exit code");
    assert_refused(HEAD "steps:\n  - run: x\n    expect: {output: '('}\n",
                   "'(': expected a regular expression");
    assert_refused(HEAD "steps:\n  - label: {resource: r, fake: one}\n",
                   "fake: 'one': expected one of ones, zero");
    assert_refused(HEAD "steps:\n  - fault: {point: p, outcome: o, "
                   "probability: 2}\n", "a number above 0 and up to 1");
}

Test(scenario_file, refuses_steps_that_do_nothing_or_two_things)
{
    assert_refused(HEAD "steps:\n  - {note: x}\n",
                   "'note' says nothing to do: expected one of run");
    assert_refused(HEAD "steps:\n  - run: x\n    sleep: 1s\n",
                   "both 'run' and 'sleep'");
    assert_refused(HEAD "steps:\n  - run\n",
                   "'run': expected a mapping such as");
    assert_refused("- a\n- b\n", "a list: expected a mapping");
}

Test(scenario_file, refuses_aliases_tags_and_second_documents)
{
    assert_refused("a: &x [1]\nb: [*x, *x]\n", "a YAML anchor");
    assert_refused("a: *x\n", "a YAML alias");
    assert_refused("a: !!str x\n", "a YAML tag");
    assert_refused(HEAD "steps: [run: x]\n---\nname: y\n",
                   "a second document");
}

Test(scenario_file, refuses_what_is_too_deep_or_too_much)
{
    g_autofree char *deep = g_strnfill(1000, '[');
    g_autoptr(GString) many = g_string_new(HEAD "tags: [");
    g_autofree char *large = g_strnfill(YAML_MAX_BYTES + 1, '#');

    for (int i = 0; i < YAML_MAX_NODES; i++) {
        g_string_append(many, "a,");
    }
    assert_refused(deep, "nested more than");
    assert_refused(many->str, "more than 20000 values");
    assert_refused(large, "a scenario has at most");
}

Test(scenario_file, a_file_that_is_not_there_is_named)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(scenario_load("/nonexistent/x.yaml", &error));
    cr_assert(strstr(error->message, "/nonexistent/x.yaml"));
}
