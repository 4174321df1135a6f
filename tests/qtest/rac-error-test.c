/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records that a failed request leaves in the device and the port: AER
 * status and header log, Secondary Status, and the error message at the root
 * (PCI Express Base Specification 5.0, 6.2 and 7.8.4).
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define IO_BAR          "rac0/nic0/bar2"

/* Requester ID of the port, in doubleword 1 of a header: 2.2.6.2 */
#define FROM_PORT       (PORT << 16)
#define FULL_DOUBLEWORD 0xf             /* First DW BE: 2.2.5 */

static uint32_t aer(QTestState *qts, unsigned bdf, unsigned offset)
{
    unsigned capability = config_find_extended(qts, bdf,
                                               PCI_EXT_CAP_ID_ERR);

    g_assert_cmphex(capability, !=, 0);
    return config_readl(qts, bdf, capability + offset);
}

static void assert_logged(QTestState *qts, unsigned bdf, uint32_t status)
{
    g_assert_cmphex(aer(qts, bdf, PCI_ERR_UNCOR_STATUS), ==, status);
    g_assert_cmphex(PCI_ERR_CAP_FEP(aer(qts, bdf, PCI_ERR_CAP)), ==,
                    ctz32(status));
}

static void assert_header(QTestState *qts, unsigned bdf, uint32_t dw0,
                          uint32_t dw1, uint32_t dw2)
{
    g_assert_cmphex(aer(qts, bdf, PCI_ERR_HEADER_LOG), ==, dw0);
    g_assert_cmphex(aer(qts, bdf, PCI_ERR_HEADER_LOG + 4), ==, dw1);
    g_assert_cmphex(aer(qts, bdf, PCI_ERR_HEADER_LOG + 8), ==, dw2);
    g_assert_cmphex(aer(qts, bdf, PCI_ERR_HEADER_LOG + 12), ==, 0);
}

static uint16_t device_status(QTestState *qts, unsigned bdf)
{
    return config_readw(qts, bdf, config_find_capability(
        qts, bdf, PCI_CAP_ID_EXP) + PCI_EXP_DEVSTA) &
        (PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED |
         PCI_EXP_DEVSTA_URD);
}

static void test_a_healthy_access_leaves_no_record(void)
{
    QTestState *qts = rac_machine_start_igb("");

    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, DEVICE, PCI_ERR_UNCOR_STATUS), ==, 0);
    g_assert_cmphex(aer(qts, PORT, PCI_ERR_UNCOR_STATUS), ==, 0);
    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==, 0);
    qtest_quit(qts);
}

static void test_the_device_logs_an_unsupported_request(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_readl(qts, IGB_STATUS);

    assert_logged(qts, DEVICE, PCI_ERR_UNC_UNSUP);
    assert_header(qts, DEVICE, 0x00000001, FROM_PORT | FULL_DOUBLEWORD,
                  IGB_STATUS);
    g_assert_cmphex(device_status(qts, DEVICE), ==,
                    PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_URD);
    g_assert_cmphex(aer(qts, PORT, PCI_ERR_UNCOR_STATUS), ==, 0);
    qtest_quit(qts);
}

static void test_the_device_logs_a_completer_abort(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    assert_logged(qts, DEVICE, PCI_ERR_UNC_COMP_ABORT);
    g_assert_cmphex(device_status(qts, DEVICE), ==, PCI_EXP_DEVSTA_NFED);
    qtest_quit(qts);
}

static void test_the_port_logs_a_completion_timeout(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_readl(qts, IGB_STATUS);

    assert_logged(qts, PORT, PCI_ERR_UNC_COMP_TIME);
    g_assert_cmphex(aer(qts, DEVICE, PCI_ERR_UNCOR_STATUS), ==, 0);
    qtest_quit(qts);
}

static void test_the_port_logs_poisoned_data_of_a_read(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "poisoned", NULL);
    qtest_readl(qts, IGB_STATUS);

    assert_logged(qts, PORT, PCI_ERR_UNC_POISON_TLP);
    qtest_quit(qts);
}

static void test_the_device_logs_poisoned_data_of_a_write(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "poisoned", NULL);
    qtest_writel(qts, IGB_STATUS, 0);

    assert_logged(qts, DEVICE, PCI_ERR_UNC_POISON_TLP);
    assert_header(qts, DEVICE, 0x40000001, FROM_PORT | FULL_DOUBLEWORD,
                  IGB_STATUS);
    qtest_quit(qts);
}

static void test_the_device_logs_a_write_that_it_does_not_support(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_writeb(qts, IGB_STATUS + 2, 0);

    assert_logged(qts, DEVICE, PCI_ERR_UNC_UNSUP);
    /* the third byte of a doubleword: First DW BE 0100b */
    assert_header(qts, DEVICE, 0x40000001, FROM_PORT | 0x4, IGB_STATUS);
    qtest_quit(qts);
}

static void test_the_header_of_a_config_read_is_logged(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, CONFIG, "unsupported-request", ", 'count': 1");
    config_readw(qts, DEVICE, PCI_DEVICE_ID);

    /* CfgRd0 of bus 1, device 0, function 0, register 0; upper two bytes */
    assert_header(qts, DEVICE, 0x04000001, FROM_PORT | 0xc, 0x01000000);
    qtest_quit(qts);
}

static void test_the_header_of_an_io_read_is_logged(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, IO_BAR, "unsupported-request", NULL);
    qtest_inl(qts, IO_WINDOW + 4);

    assert_header(qts, DEVICE, 0x02000001, FROM_PORT | FULL_DOUBLEWORD,
                  IO_WINDOW + 4);
    qtest_quit(qts);
}

static void check_secondary_status(const char *outcome, uint16_t bit)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, outcome, NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(config_readw(qts, PORT, PCI_SEC_STATUS) & 0xb900, ==,
                    bit);
    qtest_quit(qts);
}

static void test_an_unsupported_request_is_a_received_master_abort(void)
{
    check_secondary_status("unsupported-request",
                           PCI_STATUS_REC_MASTER_ABORT);
}

static void test_a_completer_abort_is_a_received_target_abort(void)
{
    check_secondary_status("completer-abort", PCI_STATUS_REC_TARGET_ABORT);
}

static void test_poisoned_data_is_a_detected_parity_error(void)
{
    check_secondary_status("poisoned", PCI_STATUS_DETECTED_PARITY);
}

static void test_a_posted_write_has_no_completion_that_could_say_so(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_writel(qts, IGB_STATUS, 0);

    g_assert_cmphex(config_readw(qts, PORT, PCI_SEC_STATUS) &
                    PCI_STATUS_REC_MASTER_ABORT, ==, 0);
    qtest_quit(qts);
}

static uint16_t error_source(QTestState *qts)
{
    return aer(qts, PORT, PCI_ERR_ROOT_ERR_SRC) >> 16;
}

static void test_the_device_sends_a_message_to_the_root(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==,
                    PCI_ERR_ROOT_UNCOR_RCV | PCI_ERR_ROOT_NONFATAL_RCV);
    g_assert_cmphex(error_source(qts), ==, DEVICE);
    qtest_quit(qts);
}

static void test_the_port_sends_a_message_of_its_own(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==,
                    PCI_ERR_ROOT_UNCOR_RCV | PCI_ERR_ROOT_NONFATAL_RCV);
    g_assert_cmphex(error_source(qts), ==, PORT);
    qtest_quit(qts);
}

static void test_the_severity_that_software_chose_counts(void)
{
    QTestState *qts = rac_machine_start_igb("");
    unsigned capability = config_find_extended(qts, DEVICE,
                                               PCI_EXT_CAP_ID_ERR);

    config_writel(qts, DEVICE, capability + PCI_ERR_UNCOR_SEVER,
                  PCI_ERR_UNC_COMP_ABORT);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==,
                    PCI_ERR_ROOT_UNCOR_RCV | PCI_ERR_ROOT_FATAL_RCV |
                    PCI_ERR_ROOT_FIRST_FATAL);
    g_assert_cmphex(device_status(qts, DEVICE), ==, PCI_EXP_DEVSTA_FED);
    qtest_quit(qts);
}

static void test_a_masked_error_sends_no_message(void)
{
    QTestState *qts = rac_machine_start_igb("");
    unsigned capability = config_find_extended(qts, DEVICE,
                                               PCI_EXT_CAP_ID_ERR);

    config_writel(qts, DEVICE, capability + PCI_ERR_UNCOR_MASK,
                  PCI_ERR_UNC_COMP_ABORT);
    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==, 0);
    qtest_quit(qts);
}

static void test_refusals_can_be_advisory(void)
{
    QTestState *qts = rac_machine_start_igb(",advisory=on");

    fault_add(qts, BAR0, "completer-abort", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, DEVICE, PCI_ERR_COR_STATUS) &
                    PCI_ERR_COR_ADV_NFAT, ==, PCI_ERR_COR_ADV_NFAT);
    g_assert_cmphex(device_status(qts, DEVICE), ==, PCI_EXP_DEVSTA_CED);
    qtest_quit(qts);
}

static void test_a_labelled_resource_leaves_no_records(void)
{
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, BAR0, "unsupported-request", NULL);
    rac_label(qts, BAR0, NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(aer(qts, DEVICE, PCI_ERR_UNCOR_STATUS), ==, 0);
    g_assert_cmphex(aer(qts, PORT, PCI_ERR_ROOT_STATUS) & 0x7f, ==, 0);
    qtest_quit(qts);
}

static void test_link_capabilities_survive_a_fault(void)
{
    QTestState *qts = rac_machine_start_igb("");
    unsigned lnkcap = config_find_capability(qts, DEVICE, PCI_CAP_ID_EXP) +
                      PCI_EXP_LNKCAP;
    uint32_t before = config_readl(qts, DEVICE, lnkcap);

    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(config_readl(qts, DEVICE, lnkcap), ==, before);
    qtest_quit(qts);
}

static void test_a_device_without_aer_notes_it_in_device_status(void)
{
    QTestState *qts = rac_machine_start(
        "-device nvme,id=nic0,serial=s,bus=rac0");

    device_program(qts);
    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_readl(qts, WINDOW);

    g_assert_cmphex(device_status(qts, DEVICE), ==,
                    PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_URD);
    qtest_quit(qts);
}

static void test_a_conventional_device_has_nowhere_to_note_it(void)
{
    QTestState *qts = rac_machine_start_edu();

    fault_add(qts, BAR0, "unsupported-request", NULL);

    g_assert_cmphex(qtest_readl(qts, WINDOW), ==, 0xffffffff);
    g_assert_cmphex(config_readw(qts, PORT, PCI_SEC_STATUS) &
                    PCI_STATUS_REC_MASTER_ABORT, !=, 0);
    qtest_quit(qts);
}

static void check_injected_error(const void *data)
{
    unsigned bit = GPOINTER_TO_UINT(data);
    g_autofree char *more = g_strdup_printf(", 'value': %u", bit);
    QTestState *qts = rac_machine_start_igb("");

    fault_add(qts, "rac0/link", "error", more);

    assert_logged(qts, PORT, 1u << bit);
    qtest_quit(qts);
}

static void test_an_error_that_does_not_exist_is_refused_with_a_list(void)
{
    QTestState *qts = rac_machine_start_igb("");
    g_autofree char *reason = qmp_error(qts,
        "{ 'execute': 'sunder-fault-add', 'arguments':"
        "  { 'point': 'rac0/link', 'outcome': 'error', 'value': 31 } }");

    g_assert_nonnull(strstr(reason, "31"));
    g_assert_nonnull(strstr(reason, "4, 5, 12"));
    g_assert_cmphex(aer(qts, PORT, PCI_ERR_UNCOR_STATUS), ==, 0);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/error/" name, test_ ## function)

static void add_tests_of_logs(void)
{
    TEST("healthy", a_healthy_access_leaves_no_record);
    TEST("unsupported-request", the_device_logs_an_unsupported_request);
    TEST("completer-abort", the_device_logs_a_completer_abort);
    TEST("completion-timeout", the_port_logs_a_completion_timeout);
    TEST("poisoned-read", the_port_logs_poisoned_data_of_a_read);
    TEST("poisoned-write", the_device_logs_poisoned_data_of_a_write);
    TEST("refused-write", the_device_logs_a_write_that_it_does_not_support);
    TEST("config-header", the_header_of_a_config_read_is_logged);
    TEST("io-header", the_header_of_an_io_read_is_logged);
    TEST("labelled", a_labelled_resource_leaves_no_records);
    TEST("link-capabilities", link_capabilities_survive_a_fault);
    TEST("no-aer", a_device_without_aer_notes_it_in_device_status);
    TEST("conventional", a_conventional_device_has_nowhere_to_note_it);
    qtest_add_data_func("/rac/error/injected/data-link-protocol",
                        GUINT_TO_POINTER(4), check_injected_error);
    qtest_add_data_func("/rac/error/injected/malformed",
                        GUINT_TO_POINTER(18), check_injected_error);
    qtest_add_data_func("/rac/error/injected/ecrc",
                        GUINT_TO_POINTER(19), check_injected_error);
    TEST("injected/none",
         an_error_that_does_not_exist_is_refused_with_a_list);
}

static void add_tests_of_the_root(void)
{
    TEST("secondary/master-abort",
         an_unsupported_request_is_a_received_master_abort);
    TEST("secondary/target-abort",
         a_completer_abort_is_a_received_target_abort);
    TEST("secondary/parity", poisoned_data_is_a_detected_parity_error);
    TEST("secondary/posted",
         a_posted_write_has_no_completion_that_could_say_so);
    TEST("message/device", the_device_sends_a_message_to_the_root);
    TEST("message/port", the_port_sends_a_message_of_its_own);
    TEST("message/severity", the_severity_that_software_chose_counts);
    TEST("message/masked", a_masked_error_sends_no_message);
    TEST("message/advisory", refusals_can_be_advisory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_logs();
    add_tests_of_the_root();
    return g_test_run();
}
