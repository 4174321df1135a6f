/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes up from a device: interrupts (MSI and INTx) that are lost, late,
 * too many or without cause, and direct memory accesses that are blocked or
 * altered.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define DMA             "rac0/nic0/dma"
#define MSI             "rac0/nic0/msi"
#define INTX            "rac0/nic0/intx"
#define MILLISECOND     INT64_C(1000000)
#define DOWN            "rac0/link"

/* edu's registers: hw/misc/edu.c */
#define RAISE           (WINDOW + 0x60)
#define LOWER           (WINDOW + 0x64)
#define DMA_SOURCE      (WINDOW + 0x80)
#define DMA_TARGET      (WINDOW + 0x88)
#define DMA_COUNT       (WINDOW + 0x90)
#define DMA_COMMAND     (WINDOW + 0x98)
#define DMA_BUFFER      UINT64_C(0x40000)
#define DMA_RUN         1
#define DMA_TO_MEMORY   2
#define DMA_TIME        (200 * MILLISECOND)

/* Memory of the guest */
#define SOURCE          UINT64_C(0x100000)
#define TARGET          UINT64_C(0x200000)
#define PATTERN         UINT64_C(0x1122334455667788)

/*
 * Messages go to the BAR of a second device, which is labelled: so each that
 * arrives is counted.
 */
#define MESSAGES        "rac1/nic1/bar0"

static QTestState *start(void)
{
    QTestState *qts = rac_machine_start(
        "-device edu,id=nic0,bus=rac0 "
        "-device sunder-rac-port,id=rac1,addr=5,chassis=1,slot=2 "
        "-device edu,id=nic1,bus=rac1");

    device_program(qts);
    bridge_program(qts, PORT_2, 2, 2, WINDOW_2, WINDOW_SIZE);
    bar_program(qts, DEVICE_2, 0, WINDOW_2);
    return qts;
}

static QTestState *start_with_msi(void)
{
    QTestState *qts = start();
    unsigned msi = config_find_capability(qts, DEVICE, PCI_CAP_ID_MSI);

    config_writel(qts, DEVICE, msi + PCI_MSI_ADDRESS_LO, WINDOW_2);
    config_writel(qts, DEVICE, msi + PCI_MSI_ADDRESS_HI, 0);
    config_writew(qts, DEVICE, msi + PCI_MSI_DATA_64, 1);
    config_writew(qts, DEVICE, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    rac_label(qts, MESSAGES, NULL);
    return qts;
}

static int64_t messages(QTestState *qts)
{
    return rac_counter(qts, MESSAGES, "faked-writes");
}

static void raise_interrupt(QTestState *qts)
{
    qtest_writel(qts, RAISE, 1);
}

static void test_a_message_arrives(void)
{
    QTestState *qts = start_with_msi();

    raise_interrupt(qts);

    g_assert_cmpint(messages(qts), ==, 1);
    qtest_quit(qts);
}

static void test_a_lost_message_does_not_arrive(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "lost", ", 'count': 1");
    raise_interrupt(qts);
    g_assert_cmpint(messages(qts), ==, 0);
    raise_interrupt(qts);

    g_assert_cmpint(messages(qts), ==, 1);
    qtest_quit(qts);
}

static void test_a_delayed_message_arrives_later(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "delayed", ", 'duration': 5000000");
    raise_interrupt(qts);
    qtest_clock_step(qts, 4 * MILLISECOND);
    g_assert_cmpint(messages(qts), ==, 0);
    qtest_clock_step(qts, 2 * MILLISECOND);

    g_assert_cmpint(messages(qts), ==, 1);
    qtest_quit(qts);
}

static void test_an_extra_message_arrives_besides(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "extra", NULL);
    raise_interrupt(qts);

    g_assert_cmpint(messages(qts), ==, 2);
    qtest_quit(qts);
}

static void test_a_number_of_extra_messages_can_be_given(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "extra", ", 'value': 4");
    raise_interrupt(qts);

    g_assert_cmpint(messages(qts), ==, 5);
    qtest_quit(qts);
}

static void test_extra_messages_have_a_limit(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "extra", ", 'value': 18446744073709551615");
    raise_interrupt(qts);

    g_assert_cmpint(messages(qts), ==, 1001);
    qtest_quit(qts);
}

static void test_a_spurious_message_has_no_cause(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "spurious", NULL);

    g_assert_cmpint(messages(qts), ==, 1);
    qtest_quit(qts);
}

static void test_a_spurious_message_needs_a_vector_that_exists(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "spurious", ", 'value': 1");

    g_assert_cmpint(messages(qts), ==, 0);
    qtest_quit(qts);
}

static void test_a_device_without_messages_enabled_sends_none(void)
{
    QTestState *qts = start();

    rac_label(qts, MESSAGES, NULL);
    fault_add(qts, MSI, "spurious", NULL);

    g_assert_cmpint(messages(qts), ==, 0);
    qtest_quit(qts);
}

static void test_a_message_under_way_is_lost_with_the_link(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "delayed", ", 'duration': 5000000");
    raise_interrupt(qts);
    fault_add(qts, DOWN, "link-down", NULL);
    qtest_clock_step(qts, 6 * MILLISECOND);

    g_assert_cmpint(messages(qts), ==, 0);
    qtest_quit(qts);
}

static void test_a_message_under_way_is_lost_in_a_reset(void)
{
    QTestState *qts = start_with_msi();

    fault_add(qts, MSI, "delayed", ", 'duration': 5000000");
    raise_interrupt(qts);
    qtest_system_reset(qts);
    device_program(qts);
    bridge_program(qts, PORT_2, 2, 2, WINDOW_2, WINDOW_SIZE);
    bar_program(qts, DEVICE_2, 0, WINDOW_2);
    rac_label(qts, MESSAGES, NULL);
    qtest_clock_step(qts, 6 * MILLISECOND);

    g_assert_cmpint(messages(qts), ==, 0);
    qtest_quit(qts);
}

/*
 * Lines 16 to 23 of the I/O APIC are for PCI (ICH9 datasheet, 5.9.4).  The
 * device's INTA is the only one that a test raises.
 */
static bool line_is_raised(QTestState *qts)
{
    bool raised = false;

    for (int line = 16; line < 24; line++) {
        raised |= qtest_get_irq(qts, line);
    }
    return raised;
}

static QTestState *start_with_intx(void)
{
    QTestState *qts = start();

    qtest_irq_intercept_in(qts, "ioapic");
    return qts;
}

static void test_a_line_is_raised_and_lowered(void)
{
    QTestState *qts = start_with_intx();

    raise_interrupt(qts);
    g_assert_true(line_is_raised(qts));
    qtest_writel(qts, LOWER, 1);

    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_a_lost_line_is_not_raised(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "lost", NULL);
    raise_interrupt(qts);

    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_after_a_loss_the_next_one_arrives(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "lost", ", 'count': 1");
    raise_interrupt(qts);
    qtest_writel(qts, LOWER, 1);
    raise_interrupt(qts);

    g_assert_true(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_a_delayed_line_is_raised_later(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "delayed", ", 'duration': 5000000");
    raise_interrupt(qts);
    qtest_clock_step(qts, 4 * MILLISECOND);
    g_assert_false(line_is_raised(qts));
    qtest_clock_step(qts, 2 * MILLISECOND);

    g_assert_true(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_a_delayed_line_that_was_lowered_stays_low(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "delayed", ", 'duration': 5000000");
    raise_interrupt(qts);
    qtest_writel(qts, LOWER, 1);
    qtest_clock_step(qts, 6 * MILLISECOND);

    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_an_extra_interrupt_leaves_the_line_raised(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "extra", ", 'value': 3");
    raise_interrupt(qts);
    g_assert_true(line_is_raised(qts));
    qtest_writel(qts, LOWER, 1);

    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_a_spurious_interrupt_leaves_the_line_low(void)
{
    QTestState *qts = start_with_intx();

    fault_add(qts, INTX, "spurious", ", 'id': 'f'");

    g_assert_cmpint(fault_fired(qts, "f"), ==, 1);
    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void test_a_removed_card_lowers_its_line(void)
{
    QTestState *qts = start_with_intx();

    raise_interrupt(qts);
    fault_add(qts, DOWN, "link-down", NULL);

    g_assert_false(line_is_raised(qts));
    qtest_quit(qts);
}

static void run_dma(QTestState *qts, uint64_t source, uint64_t target,
                    unsigned direction)
{
    qtest_writeq(qts, DMA_SOURCE, source);
    qtest_writeq(qts, DMA_TARGET, target);
    qtest_writeq(qts, DMA_COUNT, 8);
    qtest_writeq(qts, DMA_COMMAND, DMA_RUN | direction);
    qtest_clock_step(qts, DMA_TIME);
}

static void read_into_device(QTestState *qts)
{
    run_dma(qts, SOURCE, DMA_BUFFER, 0);
}

static void write_from_device(QTestState *qts)
{
    run_dma(qts, DMA_BUFFER, TARGET, DMA_TO_MEMORY);
}

static QTestState *start_with_dma(void)
{
    QTestState *qts = start();

    qtest_writeq(qts, SOURCE, PATTERN);
    qtest_writeq(qts, TARGET, 0);
    return qts;
}

static void test_a_device_copies_memory(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    write_from_device(qts);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, PATTERN);
    qtest_quit(qts);
}

static void check_write(const char *outcome, const char *more,
                        uint64_t expected)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, outcome, more);
    write_from_device(qts);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, expected);
    qtest_quit(qts);
}

static void test_a_blocked_write_does_not_reach_memory(void)
{
    check_write("blocked", NULL, 0);
}

static void test_a_dropped_write_does_not_reach_memory(void)
{
    check_write("drop", NULL, 0);
}

static void test_a_write_can_be_altered(void)
{
    check_write("xor", ", 'value': 255", PATTERN ^ 0xff);
}

static void test_a_write_elsewhere_is_not_altered(void)
{
    check_write("xor", ", 'value': 255, 'offset': 4096, 'length': 4096",
                PATTERN);
}

static void test_a_rule_can_be_narrowed_to_an_address(void)
{
    check_write("equal", ", 'value': 5, 'offset': 2097152, 'length': 8", 5);
}

static void check_read(const char *outcome, const char *more,
                       uint64_t expected)
{
    QTestState *qts = start_with_dma();

    fault_add(qts, DMA, outcome, more);
    read_into_device(qts);
    fault_remove(qts, "f");
    write_from_device(qts);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, expected);
    qtest_quit(qts);
}

static void test_a_blocked_read_gives_ones(void)
{
    check_read("blocked", ", 'id': 'f'", UINT64_MAX);
}

static void test_a_read_can_be_altered(void)
{
    check_read("or", ", 'id': 'f', 'value': 65535", PATTERN | 0xffff);
}

static void test_a_delayed_write_reaches_memory_later(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, "delay",
              ", 'operation': 'write', 'duration': 1000000000");
    write_from_device(qts);
    g_assert_cmphex(qtest_readq(qts, TARGET), ==, 0);
    qtest_clock_step(qts, 1000 * MILLISECOND);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, PATTERN);
    qtest_quit(qts);
}

static void test_a_delayed_write_is_lost_in_a_reset(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, "delay",
              ", 'operation': 'write', 'duration': 1000000000");
    write_from_device(qts);
    qtest_system_reset(qts);
    qtest_clock_step(qts, 1000 * MILLISECOND);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, 0);
    qtest_quit(qts);
}

static void test_a_delayed_write_survives_its_rule(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, "delay", ", 'operation': 'write', 'id': 'f',"
              " 'duration': 1000000000");
    write_from_device(qts);
    fault_remove(qts, "f");
    qtest_clock_step(qts, 1000 * MILLISECOND);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, PATTERN);
    qtest_quit(qts);
}

static void test_a_later_write_overtakes_a_delayed_one(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, "delay", ", 'operation': 'write', 'count': 1,"
              " 'duration': 1000000000");
    write_from_device(qts);
    qtest_writeq(qts, SOURCE, 42);
    read_into_device(qts);
    write_from_device(qts);
    g_assert_cmphex(qtest_readq(qts, TARGET), ==, 42);
    qtest_clock_step(qts, 1000 * MILLISECOND);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, PATTERN);
    qtest_quit(qts);
}

static void test_a_device_that_is_no_bus_master_is_silent(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    fault_add(qts, DMA, "xor", ", 'value': 1, 'id': 'f'");
    config_writew(qts, DEVICE, PCI_COMMAND, PCI_COMMAND_MEMORY);
    write_from_device(qts);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, 0);
    g_assert_cmpint(fault_fired(qts, "f"), ==, 0);
    qtest_quit(qts);
}

static void test_a_removed_card_does_not_write(void)
{
    QTestState *qts = start_with_dma();

    read_into_device(qts);
    qtest_writeq(qts, DMA_SOURCE, DMA_BUFFER);
    qtest_writeq(qts, DMA_TARGET, TARGET);
    qtest_writeq(qts, DMA_COMMAND, DMA_RUN | DMA_TO_MEMORY);
    fault_add(qts, DOWN, "link-down", NULL);
    qtest_clock_step(qts, DMA_TIME);

    g_assert_cmphex(qtest_readq(qts, TARGET), ==, 0);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/traffic/" name, test_ ## function)

static void add_tests_of_messages(void)
{
    TEST("msi/healthy", a_message_arrives);
    TEST("msi/lost", a_lost_message_does_not_arrive);
    TEST("msi/delayed", a_delayed_message_arrives_later);
    TEST("msi/extra", an_extra_message_arrives_besides);
    TEST("msi/extra-number",
         a_number_of_extra_messages_can_be_given);
    TEST("msi/extra-limit", extra_messages_have_a_limit);
    TEST("msi/spurious", a_spurious_message_has_no_cause);
    TEST("msi/spurious-vector",
         a_spurious_message_needs_a_vector_that_exists);
    TEST("msi/disabled",
         a_device_without_messages_enabled_sends_none);
    TEST("msi/link-down", a_message_under_way_is_lost_with_the_link);
    TEST("msi/reset", a_message_under_way_is_lost_in_a_reset);
}

static void add_tests_of_lines(void)
{
    TEST("intx/healthy", a_line_is_raised_and_lowered);
    TEST("intx/lost", a_lost_line_is_not_raised);
    TEST("intx/lost-once", after_a_loss_the_next_one_arrives);
    TEST("intx/delayed", a_delayed_line_is_raised_later);
    TEST("intx/delayed-lowered",
         a_delayed_line_that_was_lowered_stays_low);
    TEST("intx/extra", an_extra_interrupt_leaves_the_line_raised);
    TEST("intx/spurious", a_spurious_interrupt_leaves_the_line_low);
    TEST("intx/link-down", a_removed_card_lowers_its_line);
}

static void add_tests_of_dma(void)
{
    TEST("dma/healthy", a_device_copies_memory);
    TEST("dma/write-blocked",
         a_blocked_write_does_not_reach_memory);
    TEST("dma/write-dropped",
         a_dropped_write_does_not_reach_memory);
    TEST("dma/write-altered", a_write_can_be_altered);
    TEST("dma/write-elsewhere", a_write_elsewhere_is_not_altered);
    TEST("dma/narrowed", a_rule_can_be_narrowed_to_an_address);
    TEST("dma/read-blocked", a_blocked_read_gives_ones);
    TEST("dma/read-altered", a_read_can_be_altered);
    TEST("dma/delayed", a_delayed_write_reaches_memory_later);
    TEST("dma/delayed-reset", a_delayed_write_is_lost_in_a_reset);
    TEST("dma/delayed-rule-gone",
         a_delayed_write_survives_its_rule);
    TEST("dma/delayed-overtaken",
         a_later_write_overtakes_a_delayed_one);
    TEST("dma/no-bus-master",
         a_device_that_is_no_bus_master_is_silent);
    TEST("dma/link-down", a_removed_card_does_not_write);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_messages();
    add_tests_of_lines();
    add_tests_of_dma();
    return g_test_run();
}
