/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Downstream Port Containment of the port: registers, triggers, what is
 * fenced off, and how it is released (PCI Express Base Specification 5.0,
 * 6.2.10 and 7.9.15).
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"

/* 7.9.15.2 to 7.9.15.7; names that pci_regs.h lacks */
#define CAP_LOG_SIZE(cap)       (((cap) >> 8) & 0xf)
#define CTL_FATAL               1
#define CTL_NONFATAL            2
#define CTL_INTERRUPT           8
#define CTL_SOFTWARE            0x40
#define STATUS_TRIGGER          1
#define STATUS_REASON(status)   (((status) >> 1) & 3)
#define STATUS_INTERRUPT        8
#define STATUS_EXTENSION(status) (((status) >> 5) & 3)
#define STATUS_FIRST(status)    (((status) >> 8) & 0x1f)
#define NO_FIRST                0x1f

enum { REASON_OWN, REASON_NONFATAL, REASON_FATAL, REASON_EXTENDED };
enum { EXTENSION_RP_PIO, EXTENSION_SOFTWARE };

#define IGB_VENDOR              0x10c98086u

static unsigned dpc(QTestState *qts)
{
    unsigned capability = config_find_extended(qts, PORT,
                                               PCI_EXT_CAP_ID_DPC);

    g_assert_cmphex(capability, !=, 0);
    return capability;
}

static uint16_t status(QTestState *qts)
{
    return config_readw(qts, PORT, dpc(qts) + PCI_EXP_DPC_STATUS);
}

static void control(QTestState *qts, uint16_t value)
{
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_CTL, value);
}

static void trigger_by_software(QTestState *qts)
{
    control(qts, CTL_FATAL | CTL_SOFTWARE);
    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
}

static void release(QTestState *qts)
{
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_STATUS, STATUS_TRIGGER);
}

static uint16_t link_active(QTestState *qts)
{
    unsigned express = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    return config_readw(qts, PORT, express + PCI_EXP_LNKSTA) &
           PCI_EXP_LNKSTA_DLLLA;
}

static void test_the_capability_is_there(void)
{
    QTestState *qts = rac_machine_start_igb("");
    uint16_t cap = config_readw(qts, PORT, dpc(qts) + PCI_EXP_DPC_CAP);

    g_assert_cmphex(cap & PCI_EXP_DPC_CAP_RP_EXT, !=, 0);
    g_assert_cmphex(cap & PCI_EXP_DPC_CAP_SW_TRIGGER, !=, 0);
    g_assert_cmpint(CAP_LOG_SIZE(cap), ==, 4);
    g_assert_cmphex(STATUS_FIRST(status(qts)), ==, NO_FIRST);
    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    qtest_quit(qts);
}

static void test_the_capability_can_be_left_out(void)
{
    QTestState *qts = rac_machine_start_igb(",dpc=off");

    g_assert_cmphex(config_find_extended(qts, PORT, PCI_EXT_CAP_ID_DPC), ==,
                    0);
    g_assert_cmphex(config_find_extended(qts, PORT, PCI_EXT_CAP_ID_ERR), !=,
                    0);
    qtest_quit(qts);
}

static void test_software_can_trigger(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);

    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_EXTENDED);
    g_assert_cmphex(STATUS_EXTENSION(status(qts)), ==, EXTENSION_SOFTWARE);
    qtest_quit(qts);
}

static void test_the_software_trigger_reads_as_zero(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);

    g_assert_cmphex(config_readw(qts, PORT, dpc(qts) + PCI_EXP_DPC_CTL) &
                    CTL_SOFTWARE, ==, 0);
    qtest_quit(qts);
}

static void test_without_enable_software_cannot_trigger(void)
{
    QTestState *qts = rac_machine_start_igb("");

    control(qts, CTL_SOFTWARE);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, IGB_VENDOR);
    qtest_quit(qts);
}

static void test_all_below_is_fenced_off(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, IGB_STATUS), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW + WINDOW_SIZE - 4), ==,
                    0xffffffff);
    g_assert_cmphex(qtest_inl(qts, IO_WINDOW), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_the_port_itself_still_answers(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);

    g_assert_cmphex(config_readw(qts, PORT, PCI_VENDOR_ID), ==, 0x1b36);
    qtest_quit(qts);
}

static void test_the_link_is_disabled(void)
{
    QTestState *qts = rac_machine_start_igb("");

    g_assert_cmphex(link_active(qts), !=, 0);
    trigger_by_software(qts);

    g_assert_cmphex(link_active(qts), ==, 0);
    qtest_quit(qts);
}

static void test_all_below_is_labelled(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);

    expect_rac_event(qts, "SUNDER_RAC_LABELLED", BAR0, "containment");
    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_true(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_a_trigger_is_an_event(void)
{
    QTestState *qts = rac_machine_start_igb("");
    QDict *event, *data;

    trigger_by_software(qts);
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_RAC_LINK");
    data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "controller"), ==, "rac0");
    g_assert_true(qdict_get_bool(data, "contained"));
    g_assert_true(qdict_get_bool(data, "link-up"));
    qobject_unref(event);
    qtest_quit(qts);
}

static void test_a_query_says_contained(void)
{
    QTestState *qts = rac_machine_start_igb("");
    QDict *info;

    trigger_by_software(qts);
    info = rac_info(qts, "rac0");

    g_assert_true(qdict_get_bool(info, "contained"));
    qobject_unref(info);
    qtest_quit(qts);
}

static void test_a_label_cannot_be_cleared_while_contained(void)
{
    QTestState *qts = rac_machine_start_igb("");
    g_autofree char *reason = NULL;

    trigger_by_software(qts);
    reason = qmp_error(qts, "{ 'execute': 'sunder-rac-label', 'arguments':"
                       "  { 'resource': 'rac0', 'labelled': false } }");

    g_assert_nonnull(strstr(reason, "containment"));
    qtest_quit(qts);
}

static void test_writing_one_releases(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    release(qts);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    g_assert_cmphex(link_active(qts), !=, 0);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, IGB_VENDOR);
    g_assert_false(rac_is_labelled(qts, BAR0));
    qtest_quit(qts);
}

static void test_writing_zero_does_not_release(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_STATUS, 0);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    qtest_quit(qts);
}

static void test_a_label_from_before_outlives_containment(void)
{
    QTestState *qts = rac_machine_start_igb("");

    rac_label(qts, BAR0, NULL);
    trigger_by_software(qts);
    release(qts);

    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_false(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_the_device_is_reset_by_containment(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    release(qts);

    g_assert_cmphex(config_readw(qts, DEVICE, PCI_COMMAND), ==, 0);
    qtest_quit(qts);
}

static void test_a_reset_of_the_bus_does_not_release(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    bridge_reset_bus(qts, PORT);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_reset_of_the_machine_releases(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    qtest_system_reset(qts);
    rac_machine_program(qts);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, IGB_VENDOR);
    qtest_quit(qts);
}

static uint16_t root_status(QTestState *qts)
{
    unsigned aer = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_ERR);

    return config_readl(qts, PORT, aer + PCI_ERR_ROOT_STATUS) & 0x7f;
}

static void make_fatal(QTestState *qts, uint32_t error)
{
    unsigned aer = config_find_extended(qts, DEVICE, PCI_EXT_CAP_ID_ERR);

    config_writel(qts, DEVICE, aer + PCI_ERR_UNCOR_SEVER, error);
}

static void test_a_fatal_message_triggers(void)
{
    QTestState *qts = rac_machine_start_igb("");

    make_fatal(qts, PCI_ERR_UNC_COMP_ABORT);
    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_FATAL);
    g_assert_cmphex(config_readw(qts, PORT,
                                 dpc(qts) + PCI_EXP_DPC_SOURCE_ID), ==,
                    DEVICE);
    qtest_quit(qts);
}

static void test_a_message_that_triggers_goes_no_further(void)
{
    QTestState *qts = rac_machine_start_igb("");

    make_fatal(qts, PCI_ERR_UNC_COMP_ABORT);
    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(root_status(qts), ==, 0);
    qtest_quit(qts);
}

static void test_a_nonfatal_message_needs_the_wider_enable(void)
{
    QTestState *qts = rac_machine_start_igb("");

    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    g_assert_cmphex(root_status(qts), !=, 0);
    qtest_quit(qts);
}

static void test_a_nonfatal_message_triggers_when_enabled(void)
{
    QTestState *qts = rac_machine_start_igb("");

    control(qts, CTL_NONFATAL);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_NONFATAL);
    g_assert_cmphex(config_readw(qts, PORT,
                                 dpc(qts) + PCI_EXP_DPC_SOURCE_ID), ==,
                    DEVICE);
    qtest_quit(qts);
}

static void test_an_error_of_the_port_triggers(void)
{
    QTestState *qts = rac_machine_start_igb("");

    control(qts, CTL_FATAL);
    /* Malformed TLP, fatal by default */
    fault_add(qts, "rac0/link", "error", ", 'value': 18");

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_OWN);
    qtest_quit(qts);
}

static void test_a_second_trigger_keeps_the_first_reason(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    fault_add(qts, "rac0/link", "error", ", 'value': 18");

    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_EXTENDED);
    g_assert_cmphex(STATUS_EXTENSION(status(qts)), ==, EXTENSION_SOFTWARE);
    qtest_quit(qts);
}

static void test_containment_can_be_triggered_again(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    release(qts);
    fault_add(qts, "rac0/link", "error", ", 'value': 18");

    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_OWN);
    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    qtest_quit(qts);
}

/* Where the port's MSI-X table is, and the memory that it writes to. */
#define PORT_BAR        UINT64_C(0xe0000000)
#define MESSAGE         UINT64_C(0x200000)
#define MESSAGE_DATA    0x5a5au

static void enable_port_interrupts(QTestState *qts)
{
    unsigned msix = config_find_capability(qts, PORT, PCI_CAP_ID_MSIX);

    bar_program(qts, PORT, 0, PORT_BAR);
    qtest_writel(qts, PORT_BAR, MESSAGE);
    qtest_writel(qts, PORT_BAR + 4, 0);
    qtest_writel(qts, PORT_BAR + 8, MESSAGE_DATA);
    qtest_writel(qts, PORT_BAR + 12, 0);
    config_writew(qts, PORT, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    qtest_writel(qts, MESSAGE, 0);
}

static void test_a_trigger_interrupts(void)
{
    QTestState *qts = rac_machine_start_igb("");

    enable_port_interrupts(qts);
    control(qts, CTL_FATAL | CTL_INTERRUPT | CTL_SOFTWARE);

    g_assert_cmphex(qtest_readl(qts, MESSAGE), ==, MESSAGE_DATA);
    g_assert_cmphex(status(qts) & STATUS_INTERRUPT, ==, STATUS_INTERRUPT);
    qtest_quit(qts);
}

static void test_without_enable_a_trigger_does_not_interrupt(void)
{
    QTestState *qts = rac_machine_start_igb("");

    enable_port_interrupts(qts);
    control(qts, CTL_FATAL | CTL_SOFTWARE);

    g_assert_cmphex(qtest_readl(qts, MESSAGE), ==, 0);
    g_assert_cmphex(status(qts) & STATUS_INTERRUPT, ==, STATUS_INTERRUPT);
    qtest_quit(qts);
}

static void test_a_late_enable_interrupts(void)
{
    QTestState *qts = rac_machine_start_igb("");

    enable_port_interrupts(qts);
    control(qts, CTL_FATAL | CTL_SOFTWARE);
    control(qts, CTL_FATAL | CTL_INTERRUPT);

    g_assert_cmphex(qtest_readl(qts, MESSAGE), ==, MESSAGE_DATA);
    qtest_quit(qts);
}

static void test_interrupt_status_is_cleared_by_writing_one(void)
{
    QTestState *qts = rac_machine_start_igb("");

    trigger_by_software(qts);
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_STATUS,
                  STATUS_INTERRUPT);

    g_assert_cmphex(status(qts) & STATUS_INTERRUPT, ==, 0);
    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/dpc/" name, test_ ## function)

static void add_tests_of_containment(void)
{
    TEST("capability", the_capability_is_there);
    TEST("left-out", the_capability_can_be_left_out);
    TEST("fence", all_below_is_fenced_off);
    TEST("port-answers", the_port_itself_still_answers);
    TEST("link-disabled", the_link_is_disabled);
    TEST("labels", all_below_is_labelled);
    TEST("event", a_trigger_is_an_event);
    TEST("query", a_query_says_contained);
    TEST("no-clear", a_label_cannot_be_cleared_while_contained);
    TEST("release", writing_one_releases);
    TEST("release/zero", writing_zero_does_not_release);
    TEST("release/earlier-label",
         a_label_from_before_outlives_containment);
    TEST("reset/device", the_device_is_reset_by_containment);
    TEST("reset/bus", a_reset_of_the_bus_does_not_release);
    TEST("reset/machine", a_reset_of_the_machine_releases);
    TEST("interrupt", a_trigger_interrupts);
    TEST("interrupt/disabled",
         without_enable_a_trigger_does_not_interrupt);
    TEST("interrupt/late", a_late_enable_interrupts);
    TEST("interrupt/clear",
         interrupt_status_is_cleared_by_writing_one);
}

static void add_tests_of_triggers(void)
{
    TEST("trigger/software", software_can_trigger);
    TEST("trigger/software-reads-zero",
         the_software_trigger_reads_as_zero);
    TEST("trigger/software-disabled",
         without_enable_software_cannot_trigger);
    TEST("trigger/fatal", a_fatal_message_triggers);
    TEST("trigger/no-further",
         a_message_that_triggers_goes_no_further);
    TEST("trigger/nonfatal-disabled",
         a_nonfatal_message_needs_the_wider_enable);
    TEST("trigger/nonfatal", a_nonfatal_message_triggers_when_enabled);
    TEST("trigger/own", an_error_of_the_port_triggers);
    TEST("trigger/second", a_second_trigger_keeps_the_first_reason);
    TEST("trigger/again", containment_can_be_triggered_again);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_containment();
    add_tests_of_triggers();
    return g_test_run();
}
