/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port leaves the memory topology alone while all is healthy, and its
 * resources follow what the guest programs and what is plugged.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define SWITCH_WINDOW   UINT64_C(0xd0000000)
#define NATIVE_HOTPLUG \
    "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Flat views come in any order and are numbered: sort, and take numbers out. */
static char *sorted_views(const char *text)
{
    g_auto(GStrv) views = g_strsplit(text, "FlatView #", -1);

    for (char **view = views; *view; view++) {
        memmove(*view, *view + strspn(*view, "0123456789"),
                strlen(*view) + 1 - strspn(*view, "0123456789"));
    }
    qsort(views, g_strv_length(views), sizeof(*views), compare_strings);
    return g_strjoinv("FlatView", views);
}

/* Returns: the flat views, with the type of our port put as QEMU's. */
static char *flat_views(QTestState *qts)
{
    g_autofree char *text = qtest_hmp(qts, "info mtree -f");
    g_auto(GStrv) parts = g_strsplit(text, "sunder-rac-port", -1);
    g_autofree char *renamed = g_strjoinv("pcie-root-port", parts);

    return sorted_views(renamed);
}

/* A machine whose port is of @type, with a device of many kinds of BARs. */
static QTestState *start_with_port(const char *type)
{
    g_autofree char *args = g_strdup_printf(
        "-machine q35 -m 64 -nodefaults -nic none "
        "-device %s,id=rac0,addr=4,chassis=1,slot=1 "
        "-device igb,id=nic0,bus=rac0,addr=0.0,multifunction=on,romfile= "
        "-object memory-backend-ram,id=m,size=1M,share=on "
        "-device ivshmem-plain,id=mem0,bus=rac0,addr=0.1,memdev=m", type);
    QTestState *qts = qtest_init(args);

    rac_machine_program(qts);
    bridge_program_io(qts, PORT, IO_WINDOW);
    bar_program(qts, DEVICE, 0, WINDOW);
    bar_program(qts, DEVICE, 2, IO_WINDOW);
    bar_program(qts, BDF(1, 0, 1), 2, WINDOW + 0x100000);
    return qts;
}

static char *views_of_plain_port(void)
{
    QTestState *qts = start_with_port("pcie-root-port");
    char *views = flat_views(qts);

    qtest_quit(qts);
    return views;
}

static void test_a_healthy_port_has_the_flat_views_of_a_plain_one(void)
{
    g_autofree char *plain = views_of_plain_port();
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *ours = flat_views(qts);

    g_assert_cmpstr(ours, ==, plain);
    qtest_quit(qts);
}

static void test_a_label_changes_the_flat_view(void)
{
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *before = flat_views(qts), *after = NULL;

    rac_label(qts, BAR0, NULL);
    after = flat_views(qts);

    g_assert_cmpstr(after, !=, before);
    qtest_quit(qts);
}

static void test_a_cleared_label_leaves_no_trace_in_the_flat_view(void)
{
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *before = flat_views(qts), *after = NULL;

    rac_label(qts, "rac0", NULL);
    rac_clear(qts, "rac0");
    after = flat_views(qts);

    g_assert_cmpstr(after, ==, before);
    qtest_quit(qts);
}

static void test_a_removed_rule_leaves_no_trace_in_the_flat_view(void)
{
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *before = flat_views(qts), *after = NULL;

    fault_add(qts, BAR0, "xor", ", 'value': 1, 'id': 'f'");
    fault_add(qts, "rac0/nic0/dma", "blocked", ", 'id': 'd'");
    fault_remove(qts, "f");
    fault_remove(qts, "d");
    after = flat_views(qts);

    g_assert_cmpstr(after, ==, before);
    qtest_quit(qts);
}

static void test_a_spent_rule_leaves_no_trace_in_the_flat_view(void)
{
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *before = flat_views(qts), *after = NULL;

    fault_add(qts, BAR0, "xor", ", 'value': 1, 'count': 1");
    qtest_readl(qts, WINDOW);
    after = flat_views(qts);

    g_assert_cmpstr(after, ==, before);
    qtest_quit(qts);
}

static void test_a_link_that_came_back_leaves_no_trace_in_the_flat_view(void)
{
    QTestState *qts = start_with_port("sunder-rac-port");
    g_autofree char *before = NULL, *after = NULL;

    fault_add(qts, "rac0/link", "link-down", ", 'id': 'f'");
    fault_remove(qts, "f");
    after = flat_views(qts);
    bridge_reset_bus(qts, PORT);
    before = flat_views(qts);

    g_assert_cmpstr(after, ==, before);
    qtest_quit(qts);
}

static void test_a_label_follows_its_bar(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    bar_program(qts, DEVICE, 0, WINDOW + 0x300000);

    g_assert_cmphex(qtest_readl(qts, WINDOW + 0x300000), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0);
    qtest_quit(qts);
}

static void test_the_table_tells_where_a_bar_moved(void)
{
    QTestState *qts = rac_machine_start_edu();

    bar_program(qts, DEVICE, 0, WINDOW + 0x300000);

    g_assert_cmphex(rac_counter(qts, BAR0, "address"), ==,
                    WINDOW + 0x300000);
    qtest_quit(qts);
}

static void test_a_bar_whose_memory_is_off_is_not_mapped(void)
{
    QTestState *qts = rac_machine_start_edu();
    QDict *entry;

    config_writew(qts, DEVICE, PCI_COMMAND, 0);
    entry = rac_entry(qts, BAR0);

    g_assert_false(qdict_haskey(entry, "address"));
    qobject_unref(entry);
    qtest_quit(qts);
}

static void test_a_label_outlives_a_time_without_address(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    config_writew(qts, DEVICE, PCI_COMMAND, 0);
    config_writew(qts, DEVICE, PCI_COMMAND, PCI_COMMAND_MEMORY);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_rule_follows_its_bar(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "equal", ", 'value': 42");
    bar_program(qts, DEVICE, 0, WINDOW + 0x300000);

    g_assert_cmphex(qtest_readl(qts, WINDOW + 0x300000), ==, 42);
    qtest_quit(qts);
}

static void test_a_label_follows_a_move_of_the_window(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    bridge_program(qts, PORT, 1, 1, WINDOW_2, WINDOW_SIZE);
    bar_program(qts, DEVICE, 0, WINDOW_2);

    g_assert_cmphex(qtest_readl(qts, WINDOW_2), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_outside_the_window_a_label_has_no_effect(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, BAR0, NULL);
    bridge_program(qts, PORT, 1, 1, WINDOW_2, WINDOW_SIZE);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0);
    qtest_quit(qts);
}

static void test_labels_follow_a_renumbered_bus(void)
{
    QTestState *qts = rac_machine_start_edu();

    rac_label(qts, "rac0/nic0", NULL);
    bridge_program(qts, PORT, 7, 7, WINDOW, WINDOW_SIZE);

    g_assert_cmphex(config_readl(qts, BDF(7, 0, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    rac_clear(qts, "rac0/nic0");
    g_assert_cmphex(config_readw(qts, BDF(7, 0, 0), 0), ==, 0x1234);
    qtest_quit(qts);
}

/* rac0 - switch (1:0.0, ports on bus 2) - edu (3:0.0) */
static QTestState *start_with_switch(void)
{
    QTestState *qts = rac_machine_start(
        "-device x3130-upstream,id=up,bus=rac0 "
        "-device xio3130-downstream,id=down,bus=up,chassis=2,slot=2 "
        "-device edu,id=nic0,bus=down");

    bridge_program(qts, PORT, 1, 3, SWITCH_WINDOW, 0x300000);
    bridge_program(qts, DEVICE, 2, 3, SWITCH_WINDOW, 0x200000);
    bridge_program(qts, BDF(2, 0, 0), 3, 3, SWITCH_WINDOW, 0x100000);
    bar_program(qts, BDF(3, 0, 0), 0, SWITCH_WINDOW);
    return qts;
}

static void test_a_device_behind_a_switch_can_be_labelled(void)
{
    QTestState *qts = start_with_switch();

    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, EDU_ID);
    rac_label(qts, "rac0/nic0", NULL);

    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, 0xffffffff);
    g_assert_cmphex(config_readl(qts, BDF(3, 0, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(config_readw(qts, DEVICE, PCI_VENDOR_ID), ==, 0x104c);
    qtest_quit(qts);
}

static void test_the_bridges_of_a_switch_are_resources_too(void)
{
    QTestState *qts = start_with_switch();

    rac_label(qts, "rac0/down/config", NULL);

    g_assert_cmphex(config_readl(qts, BDF(2, 0, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_link_that_is_down_hides_a_whole_switch(void)
{
    QTestState *qts = start_with_switch();

    fault_add(qts, "rac0/link", "link-down", NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    g_assert_cmphex(config_readl(qts, BDF(2, 0, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(config_readl(qts, BDF(3, 0, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

/* QEMU makes up a port's Link Status from that of the device below. */
static void test_the_link_status_of_a_switch_is_no_access_to_a_device(void)
{
    QTestState *qts = rac_machine_start(
        "-device x3130-upstream,id=up,bus=rac0 "
        "-device xio3130-downstream,id=down,bus=up,chassis=2,slot=2 "
        "-device igb,id=nic0,bus=down,romfile= ");
    unsigned port = BDF(2, 0, 0), express;

    bridge_program(qts, PORT, 1, 3, SWITCH_WINDOW, 0x300000);
    bridge_program(qts, DEVICE, 2, 3, SWITCH_WINDOW, 0x200000);
    fault_add(qts, "rac0/nic0/config", "unsupported-request",
              ", 'id': 'f'");
    express = config_find_capability(qts, port, PCI_CAP_ID_EXP);
    config_readw(qts, port, express + PCI_EXP_LNKSTA);

    g_assert_cmpint(fault_fired(qts, "f"), ==, 0);
    qtest_quit(qts);
}

/* rac0 - bridge to conventional PCI (1:0.0) - edu (2:1.0) */
static void test_a_conventional_device_behind_a_bridge_can_be_labelled(void)
{
    QTestState *qts = rac_machine_start(
        "-device pcie-pci-bridge,id=br,bus=rac0 "
        "-device edu,id=nic0,bus=br,addr=1");

    bridge_program(qts, PORT, 1, 2, SWITCH_WINDOW, 0x200000);
    bridge_program(qts, DEVICE, 2, 2, SWITCH_WINDOW, 0x100000);
    bar_program(qts, BDF(2, 1, 0), 0, SWITCH_WINDOW);
    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, EDU_ID);
    rac_label(qts, "rac0/nic0", NULL);

    g_assert_cmphex(qtest_readl(qts, SWITCH_WINDOW), ==, 0xffffffff);
    g_assert_cmphex(config_readl(qts, BDF(2, 1, 0), 0), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_device_without_id_is_named_by_slot_and_function(void)
{
    QTestState *qts = rac_machine_start("-device edu,bus=rac0");

    g_assert_true(fault_point_exists(qts, "rac0/00.0/bar0"));
    qtest_quit(qts);
}

static void test_functions_are_resources_of_their_own(void)
{
    QTestState *qts = rac_machine_start(
        "-device edu,id=nic0,bus=rac0,addr=0.0,multifunction=on "
        "-device edu,id=nic1,bus=rac0,addr=0.1");

    device_program(qts);
    bar_program(qts, BDF(1, 0, 1), 0, WINDOW + 0x100000);
    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW + 0x100000), ==, EDU_ID);
    qtest_quit(qts);
}

static QTestState *start_with_hotplug(void)
{
    return rac_machine_start(NATIVE_HOTPLUG "-device edu,id=nic0,bus=rac0");
}

/* What a driver does once the attention button was pressed. */
static void power_slot_off(QTestState *qts)
{
    unsigned express = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    config_writew(qts, PORT, express + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
}

static void power_slot_on(QTestState *qts)
{
    unsigned express = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    config_writew(qts, PORT, express + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PWR_IND_ON);
}

static void unplug(QTestState *qts)
{
    qtest_qmp_device_del_send(qts, "nic0");
    /* the button waits five seconds for a second thought */
    qtest_clock_step(qts, 6 * INT64_C(1000000000));
    power_slot_off(qts);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
}

static void test_an_unplugged_device_takes_its_points_and_rules(void)
{
    QTestState *qts = start_with_hotplug();
    g_autofree char *faults = NULL;
    QDict *answer;

    device_program(qts);
    fault_add(qts, BAR0, "completion-timeout", NULL);
    fault_add(qts, CONFIG, "poisoned", NULL);
    fault_add(qts, "rac0/nic0/dma", "blocked", NULL);
    fault_add(qts, "rac0/nic0/intx", "lost", NULL);
    rac_label(qts, BAR0, NULL);
    unplug(qts);
    answer = qtest_qmp(qts, "{ 'execute': 'query-sunder-faults' }");

    g_assert_false(fault_point_exists(qts, BAR0));
    g_assert_false(fault_point_exists(qts, "rac0/nic0/dma"));
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "return")));
    qobject_unref(answer);
    qtest_quit(qts);
}

static void test_a_fault_on_an_unplugged_device_is_refused_with_a_list(void)
{
    QTestState *qts = start_with_hotplug();
    g_autofree char *reason = NULL;

    unplug(qts);
    reason = qmp_error(qts, "{ 'execute': 'sunder-fault-add', 'arguments':"
                       "  { 'point': '" BAR0 "', 'outcome': 'poisoned' } }");

    g_assert_nonnull(strstr(reason, BAR0));
    g_assert_nonnull(strstr(reason, "rac0/link"));
    qtest_quit(qts);
}

static void test_a_plugged_device_is_under_control(void)
{
    QTestState *qts = rac_machine_start(NATIVE_HOTPLUG);

    qtest_qmp_device_add(qts, "edu", "nic0", "{ 'bus': 'rac0' }");
    power_slot_on(qts);
    device_program(qts);
    rac_label(qts, BAR0, NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_replugged_device_has_no_label(void)
{
    QTestState *qts = start_with_hotplug();

    rac_label(qts, "rac0/nic0", NULL);
    unplug(qts);
    qtest_qmp_device_add(qts, "edu", "nic0", "{ 'bus': 'rac0' }");

    g_assert_false(rac_is_labelled(qts, BAR0));
    g_assert_false(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_a_device_on_another_port_is_not_ours(void)
{
    QTestState *qts = rac_machine_start(
        "-device pcie-root-port,id=rp1,addr=5,chassis=2,slot=2 "
        "-device edu,id=nic1,bus=rp1");

    g_assert_false(fault_point_exists(qts, "rac0/nic1/bar0"));
    qtest_quit(qts);
}

static void test_virtual_functions_come_and_go(void)
{
    QTestState *qts = rac_machine_start(
        "-device igb,id=nic0,bus=rac0,romfile=");
    unsigned sriov = config_find_extended(qts, DEVICE, PCI_EXT_CAP_ID_SRIOV);

    g_assert_false(fault_point_exists(qts, "rac0/nic0/vf0/config"));
    config_writew(qts, DEVICE, sriov + PCI_SRIOV_NUM_VF, 2);
    config_writew(qts, DEVICE, sriov + PCI_SRIOV_CTRL,
                  PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);

    g_assert_true(fault_point_exists(qts, "rac0/nic0/vf0/config"));
    g_assert_true(fault_point_exists(qts, "rac0/nic0/vf1/config"));
    config_writew(qts, DEVICE, sriov + PCI_SRIOV_CTRL, 0);
    g_assert_false(fault_point_exists(qts, "rac0/nic0/vf0/config"));
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/topology/" name, test_ ## function)

static void add_tests_of_flat_views(void)
{
    TEST("flat-view/healthy",
         a_healthy_port_has_the_flat_views_of_a_plain_one);
    TEST("flat-view/labelled", a_label_changes_the_flat_view);
    TEST("flat-view/cleared",
         a_cleared_label_leaves_no_trace_in_the_flat_view);
    TEST("flat-view/rule-removed",
         a_removed_rule_leaves_no_trace_in_the_flat_view);
    TEST("flat-view/rule-spent",
         a_spent_rule_leaves_no_trace_in_the_flat_view);
    TEST("flat-view/link-back",
         a_link_that_came_back_leaves_no_trace_in_the_flat_view);
}

static void add_tests_of_addresses(void)
{
    TEST("label-follows-bar", a_label_follows_its_bar);
    TEST("table-follows-bar", the_table_tells_where_a_bar_moved);
    TEST("memory-off", a_bar_whose_memory_is_off_is_not_mapped);
    TEST("label-outlives-memory-off",
         a_label_outlives_a_time_without_address);
    TEST("rule-follows-bar", a_rule_follows_its_bar);
    TEST("label-follows-window", a_label_follows_a_move_of_the_window);
    TEST("outside-the-window",
         outside_the_window_a_label_has_no_effect);
    TEST("renumbered-bus", labels_follow_a_renumbered_bus);
}

static void add_tests_of_devices(void)
{
    TEST("switch/device", a_device_behind_a_switch_can_be_labelled);
    TEST("switch/bridge", the_bridges_of_a_switch_are_resources_too);
    TEST("switch/link-down", a_link_that_is_down_hides_a_whole_switch);
    TEST("switch/link-status",
         the_link_status_of_a_switch_is_no_access_to_a_device);
    TEST("conventional",
         a_conventional_device_behind_a_bridge_can_be_labelled);
    TEST("no-id", a_device_without_id_is_named_by_slot_and_function);
    TEST("functions", functions_are_resources_of_their_own);
    TEST("another-port", a_device_on_another_port_is_not_ours);
    TEST("virtual-functions", virtual_functions_come_and_go);
    TEST("unplug/points-and-rules",
         an_unplugged_device_takes_its_points_and_rules);
    TEST("unplug/fault-refused",
         a_fault_on_an_unplugged_device_is_refused_with_a_list);
    TEST("plug", a_plugged_device_is_under_control);
    TEST("replug", a_replugged_device_has_no_label);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_flat_views();
    add_tests_of_addresses();
    add_tests_of_devices();
    return g_test_run();
}
