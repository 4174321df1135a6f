/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels of a port's resources: who puts them on and off, what they do. */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define LIVENESS        (WINDOW + EDU_LIVENESS)
#define EDU_VENDOR      0x11e81234u     /* device and vendor: hw/misc/edu.c */

#define MILLISECOND     1000000

static void test_a_labelled_resource_reads_as_ones(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(qtest_readb(qts, WINDOW + 0x123), ==, 0xff);
    g_assert_cmphex(qtest_readq(qts, WINDOW + 0xffff8), ==, UINT64_MAX);
    qtest_quit(qts);
}

static void test_a_labelled_resource_absorbs_writes(void)
{
    QTestState *qts = rac_machine_start_edu();

    qtest_writel(qts, LIVENESS, 1);
    rac_label(qts, BAR0, NULL);
    qtest_writel(qts, LIVENESS, 2);
    rac_clear(qts, BAR0);

    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, ~1u);
    qtest_quit(qts);
}

static void test_a_cleared_resource_answers_itself(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    rac_clear(qts, BAR0);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_faked_accesses_do_not_reach_the_device(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    for (unsigned i = 0; i < 100; i++) {
        qtest_readl(qts, WINDOW);
        qtest_writel(qts, LIVENESS, i);
    }

    g_assert_cmpint(rac_counter(qts, BAR0, "faked-reads"), ==, 100);
    g_assert_cmpint(rac_counter(qts, BAR0, "faked-writes"), ==, 100);
    g_assert_cmpint(rac_counter(qts, BAR0, "forwarded-reads"), ==, 0);
    g_assert_cmpint(rac_counter(qts, BAR0, "forwarded-writes"), ==, 0);
    qtest_quit(qts);
}

static void test_rules_on_a_labelled_resource_do_not_fire(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "completion-timeout", ", 'id': 'f'");
    rac_label(qts, BAR0, NULL);
    qtest_readl(qts, WINDOW);

    g_assert_cmpint(fault_fired(qts, "f"), ==, 0);
    qtest_quit(qts);
}

static void test_zero_is_a_way_to_fake(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, "zero");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0);
    qtest_quit(qts);
}

static void test_a_constant_is_a_way_to_fake(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_set_fake(qts, BAR0, "constant", 0x1122334455667788);
    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0x55667788);
    g_assert_cmphex(qtest_readl(qts, WINDOW + 4), ==, 0x11223344);
    g_assert_cmphex(qtest_readb(qts, WINDOW + 9), ==, 0x77);
    qtest_quit(qts);
}

static void test_the_last_good_value_is_a_way_to_fake(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_set_fake(qts, BAR0, "last", 0);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    g_assert_cmphex(qtest_readl(qts, WINDOW + 8), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_healthy_resource_is_not_faked_whatever_the_way(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_set_fake(qts, BAR0, "zero", 0);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_the_way_to_fake_can_change_under_a_label(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    rac_set_fake(qts, BAR0, "zero", 0);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0);
    qtest_quit(qts);
}

static void test_properties_say_how_new_resources_are_faked(void)
{
    QTestState *qts = qtest_init(
        "-machine q35 -nodefaults -nic none "
        "-device sunder-rac-port,id=rac0,addr=4,fake=constant,value=4660 "
        "-device edu,id=nic0,bus=rac0");

    rac_machine_program(qts);
    device_program(qts);
    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readw(qts, WINDOW), ==, 4660);
    qtest_quit(qts);
}

static void test_labelled_config_space_reads_as_ones(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, CONFIG, NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, PCI_VENDOR_ID), ==,
                    0xffffffff);
    g_assert_cmphex(config_readb(qts, DEVICE, PCI_HEADER_TYPE), ==, 0xff);
    qtest_quit(qts);
}

static void test_labelled_config_space_absorbs_writes(void)
{
    QTestState *qts = rac_machine_start_edu();

    config_writeb(qts, DEVICE, PCI_INTERRUPT_LINE, 5);
    rac_label(qts, CONFIG, NULL);
    config_writeb(qts, DEVICE, PCI_INTERRUPT_LINE, 9);
    rac_clear(qts, CONFIG);

    g_assert_cmphex(config_readb(qts, DEVICE, PCI_INTERRUPT_LINE), ==, 5);
    qtest_quit(qts);
}

static void test_config_space_can_be_faked_with_a_constant(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_set_fake(qts, CONFIG, "constant", 0xcafef00d12345678);
    rac_label(qts, CONFIG, NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0x12345678);
    g_assert_cmphex(config_readl(qts, DEVICE, 4), ==, 0xcafef00d);
    qtest_quit(qts);
}

static void test_config_space_can_be_faked_with_the_last_value(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_set_fake(qts, CONFIG, "last", 0);
    config_readl(qts, DEVICE, PCI_VENDOR_ID);
    rac_label(qts, CONFIG, NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, PCI_VENDOR_ID), ==,
                    EDU_VENDOR);
    qtest_quit(qts);
}

static void test_a_path_above_labels_all_below(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, "rac0/nic0", NULL);

    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_true(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_a_label_of_one_resource_leaves_the_others(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);

    g_assert_false(rac_is_labelled(qts, CONFIG));
    g_assert_cmphex(config_readl(qts, DEVICE, PCI_VENDOR_ID), ==,
                    EDU_VENDOR);
    qtest_quit(qts);
}

static void test_another_device_can_read_a_labelled_resource(void)
{
    QTestState *qts = rac_machine_start(
        "-device edu,id=nic0,bus=rac0 "
        "-device sunder-rac-port,id=rac1,addr=5,chassis=1,slot=2 "
        "-device edu,id=nic1,bus=rac1,dma_mask=0xffffffff");
    const uint64_t second = WINDOW_2, buffer = 0x40000, ram = 0x100000;
    uint32_t data;

    device_program(qts);
    bridge_program(qts, PORT_2, 2, 2, WINDOW_2, WINDOW_SIZE);
    bar_program(qts, DEVICE_2, 0, WINDOW_2);
    rac_label(qts, BAR0, NULL);

    /* nic1 copies four bytes of nic0's BAR to its buffer, then to memory */
    qtest_writeq(qts, second + 0x80, WINDOW);
    qtest_writeq(qts, second + 0x88, buffer);
    qtest_writeq(qts, second + 0x90, 4);
    qtest_writeq(qts, second + 0x98, 1);
    qtest_clock_step(qts, 200 * MILLISECOND);
    qtest_writeq(qts, second + 0x80, buffer);
    qtest_writeq(qts, second + 0x88, ram);
    qtest_writeq(qts, second + 0x98, 3);
    qtest_clock_step(qts, 200 * MILLISECOND);
    qtest_memread(qts, ram, &data, sizeof(data));

    g_assert_cmphex(data, ==, 0xffffffff);
    g_assert_cmpint(rac_counter(qts, BAR0, "faked-reads"), >, 0);
    qtest_quit(qts);
}

static void test_three_faults_label_by_default(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "completion-timeout", NULL);
    for (unsigned i = 0; i < 1000; i++) {
        g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    }

    g_assert_cmpint(rac_counter(qts, BAR0, "timeouts"), ==, 3);
    g_assert_cmpint(rac_counter(qts, BAR0, "faked-reads"), ==, 997);
    qtest_quit(qts);
}

static void test_without_a_policy_every_read_times_out(void)
{
    QTestState *qts = rac_machine_start_edu();

    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments':"
                             "  { 'path': '/machine/peripheral/rac0',"
                             "    'property': 'label-after',"
                             "    'value': 0 } }");
    fault_add(qts, BAR0, "completion-timeout", NULL);
    for (unsigned i = 0; i < 1000; i++) {
        qtest_readl(qts, WINDOW);
    }

    g_assert_cmpint(rac_counter(qts, BAR0, "timeouts"), ==, 1000);
    g_assert_false(rac_is_labelled(qts, BAR0));
    qtest_quit(qts);
}

static void test_faults_wider_apart_than_the_window_do_not_label(void)
{
    QTestState *qts = rac_machine_start_edu();

    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments':"
                             "  { 'path': '/machine/peripheral/rac0',"
                             "    'property': 'label-window-ms',"
                             "    'value': 10 } }");
    fault_add(qts, BAR0, "unsupported-request", NULL);
    for (unsigned i = 0; i < 10; i++) {
        qtest_readl(qts, WINDOW);
        qtest_clock_step(qts, 6 * MILLISECOND);
    }

    g_assert_cmpint(rac_counter(qts, BAR0, "faults"), ==, 10);
    g_assert_false(rac_is_labelled(qts, BAR0));
    qtest_quit(qts);
}

static void test_the_policy_says_so_in_an_event(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *event, *data;

    fault_add(qts, BAR0, "completer-abort", NULL);
    for (unsigned i = 0; i < 3; i++) {
        qtest_readl(qts, WINDOW);
    }
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_RAC_LABELLED");
    data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "controller"), ==, "rac0");
    g_assert_cmpstr(qdict_get_str(data, "resource"), ==, BAR0);
    g_assert_cmpstr(qdict_get_str(data, "reason"), ==, "policy");
    g_assert_cmpint(qdict_get_int(data, "faults"), ==, 3);
    qobject_unref(event);
    qtest_quit(qts);
}

static void test_label_and_clear_are_events(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    expect_rac_event(qts, "SUNDER_RAC_LABELLED", BAR0, "command");
    rac_clear(qts, BAR0);
    expect_rac_event(qts, "SUNDER_RAC_CLEARED", BAR0, "command");
    qtest_quit(qts);
}

static void test_labelling_twice_is_one_event(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    qtest_qmp_eventwait(qts, "SUNDER_RAC_LABELLED");
    rac_label(qts, BAR0, NULL);

    g_assert_false(event_came(qts, "SUNDER_RAC_LABELLED"));
    qtest_quit(qts);
}

static void test_a_reset_of_the_bus_clears(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, "rac0/nic0", NULL);
    bridge_reset_bus(qts, PORT);

    g_assert_false(rac_is_labelled(qts, BAR0));
    g_assert_false(rac_is_labelled(qts, CONFIG));
    expect_rac_event(qts, "SUNDER_RAC_CLEARED", BAR0, "bus-reset");
    device_program(qts);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_reset_of_the_bus_forgets_faults(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, CONFIG, "unsupported-request", ", 'count': 2");
    config_readl(qts, DEVICE, 0);
    config_readl(qts, DEVICE, 0);
    bridge_reset_bus(qts, PORT);

    g_assert_cmpint(rac_counter(qts, CONFIG, "faults"), ==, 0);
    qtest_quit(qts);
}

static void test_a_reset_of_the_machine_clears(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    qtest_system_reset_nowait(qts);

    expect_rac_event(qts, "SUNDER_RAC_CLEARED", BAR0, "reset");
    g_assert_false(rac_is_labelled(qts, BAR0));
    qtest_quit(qts);
}

static void test_an_unknown_resource_is_refused_with_a_list(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *reason = qmp_error(qts,
        "{ 'execute': 'sunder-rac-label', 'arguments':"
        "  { 'resource': 'rac0/nic9/bar0', 'labelled': true } }");

    g_assert_nonnull(strstr(reason, "rac0/nic9/bar0"));
    g_assert_nonnull(strstr(reason, BAR0));
    g_assert_nonnull(strstr(reason, CONFIG));
    qtest_quit(qts);
}

static void test_an_unknown_controller_is_refused_with_a_list(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *reason = qmp_error(qts,
        "{ 'execute': 'query-sunder-rac', 'arguments': { 'id': 'rac9' } }");

    g_assert_nonnull(strstr(reason, "rac9"));
    g_assert_nonnull(strstr(reason, "rac0"));
    qtest_quit(qts);
}

static void test_a_machine_without_controllers_says_so(void)
{
    QTestState *qts = qtest_init("-machine q35 -nodefaults");
    g_autofree char *reason = qmp_error(qts,
        "{ 'execute': 'sunder-rac-label', 'arguments':"
        "  { 'resource': 'rac0', 'labelled': true } }");

    g_assert_nonnull(strstr(reason, "sunder-rac-port"));
    qtest_quit(qts);
}

static void check_property_is_limited(const char *property, uint64_t value,
                                      const char *limit)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *command = g_strdup_printf(
        "{ 'execute': 'qom-set', 'arguments':"
        "  { 'path': '/machine/peripheral/rac0', 'property': '%s',"
        "    'value': %" PRIu64 " } }", property, value);
    g_autofree char *reason = qmp_error(qts, command);

    g_assert_nonnull(strstr(reason, property));
    g_assert_nonnull(strstr(reason, limit));
    qtest_quit(qts);
}

static void test_more_faults_than_can_be_counted_are_refused(void)
{
    check_property_is_limited("label-after", 1025, "1024");
}

static void test_a_completion_timeout_over_64_s_is_refused(void)
{
    check_property_is_limited("completion-timeout-ms", 64001, "64000");
}

static void test_a_query_tells_the_policy(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *info = rac_info(qts, "rac0");

    g_assert_cmpstr(qdict_get_str(info, "type"), ==, "sunder-rac-port");
    g_assert_cmpint(qdict_get_int(info, "label-after"), ==, 3);
    g_assert_cmpint(qdict_get_int(info, "completion-timeout-ns"), ==,
                    50 * MILLISECOND);
    g_assert_true(qdict_get_bool(info, "link-up"));
    g_assert_false(qdict_get_bool(info, "contained"));
    qobject_unref(info);
    qtest_quit(qts);
}

static void test_a_query_tells_where_a_resource_is(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *entry = rac_entry(qts, BAR0);

    g_assert_cmpstr(qdict_get_str(entry, "space"), ==, "memory");
    g_assert_cmphex(qdict_get_int(entry, "address"), ==, WINDOW);
    g_assert_cmphex(qdict_get_int(entry, "size"), ==, 0x100000);
    qobject_unref(entry);
    qtest_quit(qts);
}

static void test_a_resource_that_is_not_mapped_has_no_address(void)
{
    QTestState *qts = rac_machine_start("-device edu,id=nic0,bus=rac0");
    QDict *entry = rac_entry(qts, BAR0);

    g_assert_false(qdict_haskey(entry, "address"));
    qobject_unref(entry);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/label/" name, test_ ## function)

static void add_tests_of_faking(void)
{
    TEST("reads-as-ones", a_labelled_resource_reads_as_ones);
    TEST("absorbs-writes", a_labelled_resource_absorbs_writes);
    TEST("a-cleared-resource-answers-itself",
         a_cleared_resource_answers_itself);
    TEST("faked-accesses-do-not-reach-the-device",
         faked_accesses_do_not_reach_the_device);
    TEST("rules-do-not-fire", rules_on_a_labelled_resource_do_not_fire);
    TEST("zero-is-a-way-to-fake", zero_is_a_way_to_fake);
    TEST("a-constant-is-a-way-to-fake", a_constant_is_a_way_to_fake);
    TEST("the-last-good-value-is-a-way-to-fake",
         the_last_good_value_is_a_way_to_fake);
    TEST("a-healthy-resource-is-not-faked",
         a_healthy_resource_is_not_faked_whatever_the_way);
    TEST("the-way-to-fake-can-change",
         the_way_to_fake_can_change_under_a_label);
    TEST("properties-say-how-to-fake",
         properties_say_how_new_resources_are_faked);
    TEST("config-reads-as-ones", labelled_config_space_reads_as_ones);
    TEST("config-absorbs-writes", labelled_config_space_absorbs_writes);
    TEST("config-constant", config_space_can_be_faked_with_a_constant);
    TEST("config-last", config_space_can_be_faked_with_the_last_value);
    TEST("another-device-reads-it",
         another_device_can_read_a_labelled_resource);
}

static void add_tests_of_labelling(void)
{
    TEST("a-path-above-labels-all-below", a_path_above_labels_all_below);
    TEST("one-label-leaves-the-others",
         a_label_of_one_resource_leaves_the_others);
    TEST("three-faults-label", three_faults_label_by_default);
    TEST("no-policy-no-label", without_a_policy_every_read_times_out);
    TEST("faults-outside-the-window",
         faults_wider_apart_than_the_window_do_not_label);
    TEST("the-policy-sends-an-event", the_policy_says_so_in_an_event);
    TEST("label-and-clear-are-events", label_and_clear_are_events);
    TEST("labelling-twice-is-one-event", labelling_twice_is_one_event);
    TEST("bus-reset-clears", a_reset_of_the_bus_clears);
    TEST("bus-reset-forgets-faults", a_reset_of_the_bus_forgets_faults);
    TEST("machine-reset-clears", a_reset_of_the_machine_clears);
}

static void add_tests_of_commands(void)
{
    TEST("unknown-resource", an_unknown_resource_is_refused_with_a_list);
    TEST("unknown-controller",
         an_unknown_controller_is_refused_with_a_list);
    TEST("no-controllers", a_machine_without_controllers_says_so);
    TEST("too-many-faults",
         more_faults_than_can_be_counted_are_refused);
    TEST("too-long-a-timeout", a_completion_timeout_over_64_s_is_refused);
    TEST("query-policy", a_query_tells_the_policy);
    TEST("query-address", a_query_tells_where_a_resource_is);
    TEST("query-unmapped", a_resource_that_is_not_mapped_has_no_address);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_faking();
    add_tests_of_labelling();
    add_tests_of_commands();
    return g_test_run();
}
