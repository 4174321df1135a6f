/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link of the port: surprise removal, loss of the link with the card in
 * the slot, and what the slot's registers show (PCI Express Base
 * Specification 5.0, 6.7.3 and 7.5.3.11).
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define EDU_VENDOR      0x11e81234u     /* device and vendor: hw/misc/edu.c */
#define MILLISECOND     INT64_C(1000000)
#define NATIVE_HOTPLUG \
    "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "

static QTestState *start(void)
{
    QTestState *qts = rac_machine_start(NATIVE_HOTPLUG
                                        "-device edu,id=nic0,bus=rac0");

    device_program(qts);
    errors_enable(qts);
    return qts;
}

static uint16_t express(QTestState *qts, unsigned offset)
{
    return config_readw(qts, PORT, config_find_capability(
        qts, PORT, PCI_CAP_ID_EXP) + offset);
}

static uint16_t slot_status(QTestState *qts, uint16_t bits)
{
    return express(qts, PCI_EXP_SLTSTA) & bits;
}

static uint16_t link_active(QTestState *qts)
{
    return express(qts, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA;
}

static void clear_slot_events(QTestState *qts)
{
    config_writew(qts, PORT, config_find_capability(
        qts, PORT, PCI_CAP_ID_EXP) + PCI_EXP_SLTSTA,
        PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}

static void link_down(QTestState *qts, const char *more)
{
    fault_add(qts, "rac0/link", "link-down", more);
}

static void test_a_removed_card_does_not_answer(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(qts, WINDOW + WINDOW_SIZE - 4), ==,
                    0xffffffff);
    qtest_quit(qts);
}

static void test_a_removed_card_absorbs_writes(void)
{
    QTestState *qts = start();

    qtest_writel(qts, WINDOW + EDU_LIVENESS, 1);
    link_down(qts, ", 'id': 'f'");
    qtest_writel(qts, WINDOW + EDU_LIVENESS, 2);
    fault_remove(qts, "f");
    device_program(qts);

    g_assert_cmphex(qtest_readl(qts, WINDOW + EDU_LIVENESS), ==, ~1u);
    qtest_quit(qts);
}

static void test_the_slot_shows_that_the_card_is_gone(void)
{
    QTestState *qts = start();

    clear_slot_events(qts);
    link_down(qts, NULL);

    g_assert_cmphex(link_active(qts), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDC), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_DLLSC), !=, 0);
    qtest_quit(qts);
}

static void test_surprise_down_is_an_error_of_the_port(void)
{
    QTestState *qts = start();
    unsigned aer = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_ERR);

    link_down(qts, NULL);

    g_assert_cmphex(config_readl(qts, PORT, aer + PCI_ERR_UNCOR_STATUS), ==,
                    PCI_ERR_UNC_SURPDN);
    qtest_quit(qts);
}

static void test_the_port_says_that_it_can_report_surprise_down(void)
{
    QTestState *qts = start();
    unsigned capability = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    g_assert_cmphex(config_readl(qts, PORT, capability + PCI_EXP_LNKCAP) &
                    PCI_EXP_LNKCAP_SDERC, !=, 0);
    qtest_quit(qts);
}

static void test_link_down_is_an_event(void)
{
    QTestState *qts = start();
    QDict *event, *data;

    link_down(qts, NULL);
    event = qtest_qmp_eventwait_ref(qts, "SUNDER_RAC_LINK");
    data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "controller"), ==, "rac0");
    g_assert_false(qdict_get_bool(data, "link-up"));
    g_assert_false(qdict_get_bool(data, "contained"));
    qobject_unref(event);
    qtest_quit(qts);
}

static void test_all_below_is_labelled(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);

    expect_rac_event(qts, "SUNDER_RAC_LABELLED", BAR0, "link-down");
    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_true(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_accesses_to_a_removed_card_are_counted_as_faked(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);
    qtest_readl(qts, WINDOW);
    qtest_writel(qts, WINDOW + 4, 0);

    g_assert_cmpint(rac_counter(qts, BAR0, "faked-reads"), ==, 1);
    g_assert_cmpint(rac_counter(qts, BAR0, "faked-writes"), ==, 1);
    qtest_quit(qts);
}

static void test_a_label_cannot_be_cleared_while_the_link_is_down(void)
{
    QTestState *qts = start();
    g_autofree char *reason = NULL;

    link_down(qts, NULL);
    reason = qmp_error(qts, "{ 'execute': 'sunder-rac-label', 'arguments':"
                       "  { 'resource': 'rac0', 'labelled': false } }");

    g_assert_nonnull(strstr(reason, "rac0"));
    g_assert_nonnull(strstr(reason, "link is down"));
    qtest_quit(qts);
}

static void test_removing_the_rule_brings_the_card_back(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'f'");
    clear_slot_events(qts);
    fault_remove(qts, "f");

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    g_assert_cmphex(link_active(qts), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDC), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_DLLSC), !=, 0);
    qtest_quit(qts);
}

static void test_a_card_that_is_back_has_no_labels(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'f'");
    fault_remove(qts, "f");

    expect_rac_event(qts, "SUNDER_RAC_CLEARED", BAR0, "link-up");
    g_assert_false(rac_is_labelled(qts, BAR0));
    g_assert_false(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_a_card_that_is_back_was_reset(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'f'");
    fault_remove(qts, "f");

    g_assert_cmphex(config_readl(qts, DEVICE, PCI_BASE_ADDRESS_0), ==, 0);
    g_assert_cmphex(config_readw(qts, DEVICE, PCI_COMMAND), ==, 0);
    qtest_quit(qts);
}

static void test_a_card_that_is_back_works(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'f'");
    fault_remove(qts, "f");
    device_program(qts);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_label_by_command_outlives_the_link(void)
{
    QTestState *qts = start();

    rac_label(qts, BAR0, NULL);
    link_down(qts, ", 'id': 'f'");
    fault_remove(qts, "f");

    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_false(rac_is_labelled(qts, CONFIG));
    qtest_quit(qts);
}

static void test_a_duration_brings_the_card_back(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'duration': 50000000");
    qtest_clock_step(qts, 49 * MILLISECOND);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_clock_step(qts, 2 * MILLISECOND);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_quit(qts);
}

static void test_the_link_can_go_down_at_a_time(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'at': 1000000000");
    qtest_clock_set(qts, 999 * MILLISECOND);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_clock_set(qts, 1001 * MILLISECOND);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_flap_leaves_the_card_in_the_slot(void)
{
    QTestState *qts = start();

    clear_slot_events(qts);
    fault_add(qts, "rac0/link", "link-flap", NULL);

    g_assert_cmphex(link_active(qts), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDC), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_DLLSC), !=, 0);
    qtest_quit(qts);
}

static void test_a_flap_ends_after_100_ms(void)
{
    QTestState *qts = start();

    fault_add(qts, "rac0/link", "link-flap", NULL);
    qtest_clock_step(qts, 99 * MILLISECOND);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_clock_step(qts, 2 * MILLISECOND);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    g_assert_cmphex(link_active(qts), !=, 0);
    qtest_quit(qts);
}

static void test_a_second_rule_takes_over_a_link_that_is_down(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'first'");
    link_down(qts, ", 'id': 'second'");
    fault_remove(qts, "first");
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    fault_remove(qts, "second");

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_quit(qts);
}

static void test_a_reset_of_the_machine_brings_the_card_back(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);
    qtest_system_reset(qts);
    rac_machine_program(qts);
    device_program(qts);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    qtest_quit(qts);
}

static void test_a_reset_of_the_bus_does_not_bring_it_back(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);
    bridge_reset_bus(qts, PORT);

    g_assert_true(rac_is_labelled(qts, BAR0));
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_powering_the_slot_off_leaves_the_card_in_it(void)
{
    QTestState *qts = start();
    unsigned capability = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    link_down(qts, ", 'id': 'f'");
    /* what pciehp does when a card has vanished, and when it is back */
    config_writew(qts, PORT, capability + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
    fault_remove(qts, "f");
    config_writew(qts, PORT, capability + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PWR_IND_ON);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_quit(qts);
}

static void test_a_device_can_be_deleted_while_the_link_is_down(void)
{
    QTestState *qts = start();

    link_down(qts, NULL);
    qtest_qmp_device_del(qts, "nic0");

    g_assert_false(fault_point_exists(qts, BAR0));
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    qtest_quit(qts);
}

static void test_a_new_card_brings_the_link_up(void)
{
    QTestState *qts = start();
    unsigned capability = config_find_capability(qts, PORT, PCI_CAP_ID_EXP);

    link_down(qts, NULL);
    qtest_qmp_device_del(qts, "nic0");
    qtest_qmp_device_add(qts, "edu", "nic1", "{ 'bus': 'rac0' }");
    config_writew(qts, PORT, capability + PCI_EXP_SLTCTL,
                  PCI_EXP_SLTCTL_PWR_IND_ON);
    device_program(qts);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, EDU_ID);
    g_assert_cmphex(link_active(qts), !=, 0);
    g_assert_false(rac_is_labelled(qts, "rac0/nic1/bar0"));
    qtest_quit(qts);
}

static void test_the_rule_of_a_link_that_a_new_card_brought_up_can_go(void)
{
    QTestState *qts = start();

    link_down(qts, ", 'id': 'f'");
    qtest_qmp_device_del(qts, "nic0");
    qtest_qmp_device_add(qts, "edu", "nic1", "{ 'bus': 'rac0' }");
    fault_remove(qts, "f");

    g_assert_cmphex(link_active(qts), !=, 0);
    qtest_quit(qts);
}

static void test_containment_outlives_a_flap(void)
{
    QTestState *qts = start();
    unsigned dpc = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_DPC);

    /* trigger enabled for fatal errors, and the software trigger */
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_CTL, 0x41);
    fault_add(qts, "rac0/link", "link-flap", NULL);
    qtest_clock_step(qts, 101 * MILLISECOND);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_STATUS, 1);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_quit(qts);
}

static void test_release_does_not_bring_a_removed_card_back(void)
{
    QTestState *qts = start();
    unsigned dpc = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_DPC);

    link_down(qts, ", 'id': 'f'");
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_CTL, 0x41);
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_STATUS, 1);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, 0xffffffff);
    g_assert_cmphex(link_active(qts), ==, 0);
    fault_remove(qts, "f");
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, EDU_VENDOR);
    qtest_quit(qts);
}

/* As when the card is back before the guest's DPC driver has released. */
static void test_a_card_that_is_back_is_present_although_contained(void)
{
    QTestState *qts = start();
    unsigned dpc = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_DPC);

    link_down(qts, ", 'id': 'f'");
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_CTL, 0x41);
    clear_slot_events(qts);
    fault_remove(qts, "f");

    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDC), !=, 0);
    g_assert_cmphex(link_active(qts), ==, 0);
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_STATUS, 1);
    g_assert_cmphex(link_active(qts), !=, 0);
    qtest_quit(qts);
}

static void test_release_of_an_empty_slot_brings_no_link(void)
{
    QTestState *qts = start();
    unsigned dpc = config_find_extended(qts, PORT, PCI_EXT_CAP_ID_DPC);

    link_down(qts, ", 'id': 'f'");
    qtest_qmp_device_del(qts, "nic0");
    fault_remove(qts, "f");
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_CTL, 0x41);
    config_writew(qts, PORT, dpc + PCI_EXP_DPC_STATUS, 1);

    g_assert_cmphex(link_active(qts), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), ==, 0);
    qtest_quit(qts);
}

static void test_a_card_can_be_removed_while_its_link_is_lost(void)
{
    QTestState *qts = start();

    fault_add(qts, "rac0/link", "link-flap", NULL);
    clear_slot_events(qts);
    link_down(qts, NULL);

    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDS), ==, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_PDC), !=, 0);
    g_assert_cmphex(slot_status(qts, PCI_EXP_SLTSTA_DLLSC), ==, 0);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/link/" name, test_ ## function)

static void add_tests_of_removal(void)
{
    TEST("down/reads", a_removed_card_does_not_answer);
    TEST("down/writes", a_removed_card_absorbs_writes);
    TEST("down/slot", the_slot_shows_that_the_card_is_gone);
    TEST("down/error", surprise_down_is_an_error_of_the_port);
    TEST("down/capability",
         the_port_says_that_it_can_report_surprise_down);
    TEST("down/event", link_down_is_an_event);
    TEST("down/labels", all_below_is_labelled);
    TEST("down/counters",
         accesses_to_a_removed_card_are_counted_as_faked);
    TEST("down/no-clear",
         a_label_cannot_be_cleared_while_the_link_is_down);
    TEST("down/at", the_link_can_go_down_at_a_time);
    TEST("down/bus-reset", a_reset_of_the_bus_does_not_bring_it_back);
    TEST("down/power-off",
         powering_the_slot_off_leaves_the_card_in_it);
    TEST("down/twice",
         a_second_rule_takes_over_a_link_that_is_down);
    TEST("flap/slot", a_flap_leaves_the_card_in_the_slot);
    TEST("flap/removal",
         a_card_can_be_removed_while_its_link_is_lost);
    TEST("flap/end", a_flap_ends_after_100_ms);
}

static void add_tests_of_return(void)
{
    TEST("up/rule-removed", removing_the_rule_brings_the_card_back);
    TEST("up/labels", a_card_that_is_back_has_no_labels);
    TEST("up/reset", a_card_that_is_back_was_reset);
    TEST("up/works", a_card_that_is_back_works);
    TEST("up/label-by-command",
         a_label_by_command_outlives_the_link);
    TEST("up/duration", a_duration_brings_the_card_back);
    TEST("up/machine-reset",
         a_reset_of_the_machine_brings_the_card_back);
    TEST("delete", a_device_can_be_deleted_while_the_link_is_down);
    TEST("delete/new-card", a_new_card_brings_the_link_up);
    TEST("delete/new-card-and-rule",
         the_rule_of_a_link_that_a_new_card_brought_up_can_go);
    TEST("containment/flap", containment_outlives_a_flap);
    TEST("containment/presence",
         a_card_that_is_back_is_present_although_contained);
    TEST("containment/empty",
         release_of_an_empty_slot_brings_no_link);
    TEST("containment/release",
         release_does_not_bring_a_removed_card_back);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_removal();
    add_tests_of_return();
    return g_test_run();
}
