/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each outcome on a resource's fault point does to an access. */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define LIVENESS        (WINDOW + EDU_LIVENESS)
#define EDU_VENDOR      0x11e81234u     /* device and vendor: hw/misc/edu.c */

static void test_a_healthy_device_answers_itself(void)
{
    QTestState *qts = rac_machine_start_edu();

    qtest_writel(qts, LIVENESS, 0x12345678);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, ~0x12345678u);
    qtest_quit(qts);
}

static void check_read_gives_ones(const void *outcome)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, outcome, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(qtest_readq(qts, WINDOW + 0x80), ==, UINT64_MAX);
    qtest_quit(qts);
}

static void check_write_is_lost(const void *outcome)
{
    QTestState *qts = rac_machine_start_edu();

    qtest_writel(qts, LIVENESS, 1);
    fault_add(qts, BAR0, outcome, ", 'operation': 'write', 'id': 'f'");
    qtest_writel(qts, LIVENESS, 2);
    fault_remove(qts, "f");

    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, ~1u);
    qtest_quit(qts);
}

static void check_fault_is_counted(const void *outcome)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, outcome, ", 'count': 2");
    qtest_readl(qts, WINDOW);
    qtest_readl(qts, WINDOW);
    qtest_readl(qts, WINDOW);

    g_assert_cmpint(rac_counter(qts, BAR0, "faults"), ==, 2);
    qtest_quit(qts);
}

static void test_a_dropped_write_is_no_fault(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "drop", NULL);
    qtest_writel(qts, LIVENESS, 1);

    g_assert_cmpint(rac_counter(qts, BAR0, "faults"), ==, 0);
    qtest_quit(qts);
}

static void test_only_timeouts_are_counted_as_such(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "completion-timeout", ", 'count': 1");
    fault_add(qts, BAR0, "unsupported-request", ", 'after': 1");
    qtest_readl(qts, WINDOW);
    qtest_readl(qts, WINDOW);

    g_assert_cmpint(rac_counter(qts, BAR0, "timeouts"), ==, 1);
    g_assert_cmpint(rac_counter(qts, BAR0, "faults"), ==, 2);
    qtest_quit(qts);
}

/* A posted write has no completion that could fail to come. */
static void test_a_write_cannot_time_out(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_writel(qts, LIVENESS, 1);

    g_assert_cmpint(rac_counter(qts, BAR0, "timeouts"), ==, 0);
    qtest_quit(qts);
}

static void check_read_value(const char *outcome, uint32_t value,
                             uint32_t expected)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *more = g_strdup_printf(", 'value': %u", value);

    fault_add(qts, BAR0, outcome, more);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, expected);
    qtest_quit(qts);
}

static void test_and_clears_bits_of_a_read(void)
{
    check_read_value("and", 0xffff, EDU_ID & 0xffff);
}

static void test_or_sets_bits_of_a_read(void)
{
    check_read_value("or", 0xf0000000, EDU_ID | 0xf0000000);
}

static void test_xor_flips_bits_of_a_read(void)
{
    check_read_value("xor", 0xffffffff, ~EDU_ID);
}

static void test_equal_takes_the_place_of_a_read(void)
{
    check_read_value("equal", 0xcafef00d, 0xcafef00d);
}

static void test_values_compose_in_the_order_of_their_rules(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "equal", ", 'value': 15");
    fault_add(qts, BAR0, "xor", ", 'value': 255");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xf0);
    qtest_quit(qts);
}

static void test_a_value_changes_what_is_written(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "xor", ", 'value': 255, 'operation': 'write'");
    qtest_writel(qts, LIVENESS, 0x12345600);

    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, ~0x123456ffu);
    qtest_quit(qts);
}

static void test_a_value_is_not_wider_than_the_access(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, CONFIG, "equal", ", 'value': 4294967295");

    g_assert_cmphex(config_readb(qts, DEVICE, PCI_VENDOR_ID), ==, 0xff);
    g_assert_cmphex(config_readw(qts, DEVICE, PCI_VENDOR_ID), ==, 0xffff);
    qtest_quit(qts);
}

static void test_a_delayed_access_goes_on(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "delay", ", 'duration': 1000000, 'id': 'f'");
    qtest_writel(qts, LIVENESS, 1);

    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, ~1u);
    g_assert_cmpint(fault_fired(qts, "f"), ==, 2);
    g_assert_cmpint(rac_counter(qts, BAR0, "faults"), ==, 0);
    qtest_quit(qts);
}

static void test_accesses_outside_the_range_of_a_rule_pass(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request",
              ", 'offset': 4, 'length': 4");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    g_assert_cmphex(qtest_readl(qts, LIVENESS), ==, 0xffffffff);
    g_assert_cmpint(rac_counter(qts, BAR0, "forwarded-reads"), ==, 1);
    qtest_quit(qts);
}

static void test_a_rule_skips_the_accesses_before_its_turn(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request", ", 'after': 1, 'count': 1");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_removed_rule_has_no_effect(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request", ", 'id': 'f'");
    fault_remove(qts, "f");

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_firing_is_an_event_that_names_the_access(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *event, *data;

    fault_add(qts, BAR0, "poisoned", ", 'id': 'f', 'offset': 4");
    qtest_readl(qts, LIVENESS);
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_FAULT_FIRED");
    data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "rule"), ==, "f");
    g_assert_cmpstr(qdict_get_str(data, "point"), ==, BAR0);
    g_assert_cmpstr(qdict_get_str(data, "outcome"), ==, "poisoned");
    g_assert_cmpstr(qdict_get_str(data, "operation"), ==, "read");
    g_assert_cmpint(qdict_get_int(data, "offset"), ==, 4);
    g_assert_cmpint(qdict_get_int(data, "size"), ==, 4);
    qobject_unref(event);
    qtest_quit(qts);
}

static void check_config_read_gives_ones(const void *outcome)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, CONFIG, outcome, NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, PCI_VENDOR_ID), ==,
                    0xffffffff);
    qtest_quit(qts);
}

static void check_config_write_is_lost(const void *outcome)
{
    QTestState *qts = rac_machine_start_edu();

    config_writeb(qts, DEVICE, PCI_INTERRUPT_LINE, 5);
    fault_add(qts, CONFIG, outcome, ", 'operation': 'write'");
    config_writeb(qts, DEVICE, PCI_INTERRUPT_LINE, 9);

    g_assert_cmphex(config_readb(qts, DEVICE, PCI_INTERRUPT_LINE), ==, 5);
    qtest_quit(qts);
}

static void test_config_writes_can_time_out(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, CONFIG, "completion-timeout", NULL);
    config_writeb(qts, DEVICE, PCI_INTERRUPT_LINE, 9);

    g_assert_cmpint(rac_counter(qts, CONFIG, "timeouts"), ==, 1);
    qtest_quit(qts);
}

static void test_a_fault_of_bar0_leaves_config_space_alone(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request", NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, PCI_VENDOR_ID), ==,
                    EDU_VENDOR);
    qtest_quit(qts);
}

static void test_config_can_be_reached_by_ports_0xcf8_too(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, CONFIG, "unsupported-request", NULL);
    qtest_outl(qts, 0xcf8, 0x80000000u | DEVICE << 8);

    g_assert_cmphex(qtest_inl(qts, 0xcfc), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_io_bars_have_faults_too(void)
{
    QTestState *qts =
        rac_machine_start("-device pci-testdev,id=nic0,bus=rac0");

    bridge_program_io(qts, PORT, IO_WINDOW);
    bar_program(qts, DEVICE, 1, IO_WINDOW);
    g_assert_cmphex(qtest_inb(qts, IO_WINDOW), !=, 0xff);
    fault_add(qts, "rac0/nic0/bar1", "unsupported-request", NULL);

    g_assert_cmphex(qtest_inb(qts, IO_WINDOW), ==, 0xff);
    g_assert_cmphex(qtest_inl(qts, IO_WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static QTestState *start_memory_device(void)
{
    QTestState *qts = rac_machine_start(
        "-object memory-backend-ram,id=m,size=1M,share=on "
        "-device ivshmem-plain,id=nic0,bus=rac0,memdev=m");

    bar_program(qts, DEVICE, 2, WINDOW);
    return qts;
}

static void test_bars_of_memory_have_faults_too(void)
{
    QTestState *qts = start_memory_device();

    qtest_writel(qts, WINDOW + 0x100, 0x11223344);
    fault_add(qts, "rac0/nic0/bar2", "xor", ", 'value': 255");

    g_assert_cmphex(qtest_readl(qts, WINDOW + 0x100), ==, 0x112233bb);
    qtest_quit(qts);
}

static void test_unaligned_accesses_pass_through_a_rule(void)
{
    QTestState *qts = start_memory_device();

    qtest_writeq(qts, WINDOW, 0x1122334455667788);
    fault_add(qts, "rac0/nic0/bar2", "xor",
              ", 'value': 255, 'offset': 4096");

    g_assert_cmphex(qtest_readl(qts, WINDOW + 1), ==, 0x44556677);
    g_assert_cmphex(qtest_readw(qts, WINDOW + 3), ==, 0x4455);
    qtest_quit(qts);
}

static void test_an_outcome_of_another_point_is_refused_with_a_list(void)
{
    QTestState *qts = rac_machine_start_edu();
    g_autofree char *reason = qmp_error(qts,
        "{ 'execute': 'sunder-fault-add', 'arguments':"
        "  { 'point': '" BAR0 "', 'outcome': 'link-down' } }");

    g_assert_nonnull(strstr(reason, "link-down"));
    g_assert_nonnull(strstr(reason, "completion-timeout"));
    qtest_quit(qts);
}

static void add_for_each(const char *path, const char *const *outcomes,
                         GTestDataFunc function)
{
    for (; *outcomes; outcomes++) {
        g_autofree char *full = g_strdup_printf("%s/%s", path, *outcomes);

        qtest_add_data_func(full, *outcomes, function);
    }
}

static const char *const failures[] = {
    "unsupported-request", "completer-abort", "completion-timeout",
    "poisoned", NULL,
};

static const char *const losses[] = {
    "unsupported-request", "completer-abort", "completion-timeout",
    "poisoned", "drop", NULL,
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/rac/outcome/a-healthy-device-answers-itself",
                   test_a_healthy_device_answers_itself);
    add_for_each("/rac/outcome/read-gives-ones", failures,
                 check_read_gives_ones);
    add_for_each("/rac/outcome/write-is-lost", losses, check_write_is_lost);
    add_for_each("/rac/outcome/fault-is-counted", failures,
                 check_fault_is_counted);
    qtest_add_func("/rac/outcome/a-dropped-write-is-no-fault",
                   test_a_dropped_write_is_no_fault);
    qtest_add_func("/rac/outcome/only-timeouts-are-counted-as-such",
                   test_only_timeouts_are_counted_as_such);
    qtest_add_func("/rac/outcome/a-write-cannot-time-out",
                   test_a_write_cannot_time_out);
    qtest_add_func("/rac/outcome/and-clears-bits-of-a-read",
                   test_and_clears_bits_of_a_read);
    qtest_add_func("/rac/outcome/or-sets-bits-of-a-read",
                   test_or_sets_bits_of_a_read);
    qtest_add_func("/rac/outcome/xor-flips-bits-of-a-read",
                   test_xor_flips_bits_of_a_read);
    qtest_add_func("/rac/outcome/equal-takes-the-place-of-a-read",
                   test_equal_takes_the_place_of_a_read);
    qtest_add_func("/rac/outcome/values-compose-in-the-order-of-their-rules",
                   test_values_compose_in_the_order_of_their_rules);
    qtest_add_func("/rac/outcome/a-value-changes-what-is-written",
                   test_a_value_changes_what_is_written);
    qtest_add_func("/rac/outcome/a-value-is-not-wider-than-the-access",
                   test_a_value_is_not_wider_than_the_access);
    qtest_add_func("/rac/outcome/a-delayed-access-goes-on",
                   test_a_delayed_access_goes_on);
    qtest_add_func("/rac/outcome/accesses-outside-the-range-of-a-rule-pass",
                   test_accesses_outside_the_range_of_a_rule_pass);
    qtest_add_func("/rac/outcome/a-rule-skips-the-accesses-before-its-turn",
                   test_a_rule_skips_the_accesses_before_its_turn);
    qtest_add_func("/rac/outcome/a-removed-rule-has-no-effect",
                   test_a_removed_rule_has_no_effect);
    qtest_add_func("/rac/outcome/a-firing-is-an-event-that-names-the-access",
                   test_a_firing_is_an_event_that_names_the_access);
    add_for_each("/rac/outcome/config-read-gives-ones", failures,
                 check_config_read_gives_ones);
    add_for_each("/rac/outcome/config-write-is-lost", losses,
                 check_config_write_is_lost);
    qtest_add_func("/rac/outcome/config-writes-can-time-out",
                   test_config_writes_can_time_out);
    qtest_add_func("/rac/outcome/a-fault-of-bar0-leaves-config-space-alone",
                   test_a_fault_of_bar0_leaves_config_space_alone);
    qtest_add_func("/rac/outcome/config-can-be-reached-by-ports-0xcf8-too",
                   test_config_can_be_reached_by_ports_0xcf8_too);
    qtest_add_func("/rac/outcome/io-bars-have-faults-too",
                   test_io_bars_have_faults_too);
    qtest_add_func("/rac/outcome/bars-of-memory-have-faults-too",
                   test_bars_of_memory_have_faults_too);
    qtest_add_func("/rac/outcome/unaligned-accesses-pass-through-a-rule",
                   test_unaligned_accesses_pass_through_a_rule);
    qtest_add_func("/rac/outcome/an-outcome-of-another-point-is-refused",
                   test_an_outcome_of_another_point_is_refused_with_a_list);
    return g_test_run();
}
