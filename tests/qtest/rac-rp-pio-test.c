/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RP PIO of the port: failed requests of the root complex itself, in the
 * Downstream Port Containment capability (PCI Express Base Specification 5.0,
 * 6.2.10.3 and 7.9.15.7 to 7.9.15.12).
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define IO_BAR          "rac0/nic0/bar2"

/* 7.9.15.2 to 7.9.15.4; names that pci_regs.h lacks */
#define CAP_LOG_SIZE(cap)       (((cap) >> 8) & 0xf)
#define CTL_FATAL               1
#define STATUS_TRIGGER          1
#define STATUS_REASON(status)   (((status) >> 1) & 3)
#define STATUS_EXTENSION(status) (((status) >> 5) & 3)
#define STATUS_FIRST(status)    (((status) >> 8) & 0x1f)
#define NO_FIRST                0x1f
#define REASON_EXTENDED         3
#define EXTENSION_RP_PIO        0

#define FROM_PORT               (PORT << 16 | 0xf)

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

static uint32_t rp_pio(QTestState *qts, unsigned offset)
{
    return config_readl(qts, PORT, dpc(qts) + offset);
}

static void set_rp_pio(QTestState *qts, unsigned offset, uint32_t value)
{
    config_writel(qts, PORT, dpc(qts) + offset, value);
}

/* A request that fails, and the RP PIO status bit for it (7.9.15.7). */
typedef struct RpPioCase {
    const char *name;
    const char *point;
    const char *outcome;
    unsigned bit;
} RpPioCase;

static const RpPioCase rp_pio_cases[] = {
    { "config-ur", CONFIG, "unsupported-request", 0 },
    { "config-ca", CONFIG, "completer-abort", 1 },
    { "config-cto", CONFIG, "completion-timeout", 2 },
    { "io-ur", IO_BAR, "unsupported-request", 8 },
    { "io-ca", IO_BAR, "completer-abort", 9 },
    { "io-cto", IO_BAR, "completion-timeout", 10 },
    { "memory-ur", BAR0, "unsupported-request", 16 },
    { "memory-ca", BAR0, "completer-abort", 17 },
    { "memory-cto", BAR0, "completion-timeout", 18 },
};

static void check_rp_pio(const void *data)
{
    const RpPioCase *c = data;
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    fault_add(qts, c->point, c->outcome, NULL);
    config_readl(qts, DEVICE, 0x40);
    qtest_inl(qts, IO_WINDOW);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_STATUS), ==,
                    1u << c->bit);
    g_assert_cmphex(STATUS_FIRST(status(qts)), ==, c->bit);
    qtest_quit(qts);
}

static void test_rp_pio_logs_the_header(void)
{
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    fault_add(qts, BAR0, "unsupported-request", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG), ==, 1);
    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG + 4), ==,
                    FROM_PORT);
    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG + 8), ==,
                    IGB_STATUS);
    qtest_quit(qts);
}

static void test_rp_pio_logs_the_first_header_only(void)
{
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    fault_add(qts, BAR0, "unsupported-request", ", 'count': 1");
    fault_add(qts, BAR0, "completer-abort", ", 'after': 1");
    qtest_readl(qts, IGB_STATUS);
    qtest_readl(qts, WINDOW);

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_STATUS), ==, 0x30000);
    g_assert_cmphex(STATUS_FIRST(status(qts)), ==, 16);
    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG + 8), ==,
                    IGB_STATUS);
    qtest_quit(qts);
}

static void test_rp_pio_status_is_cleared_by_writing_one(void)
{
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    fault_add(qts, BAR0, "unsupported-request", ", 'count': 1");
    qtest_readl(qts, IGB_STATUS);
    set_rp_pio(qts, PCI_EXP_DPC_RP_PIO_STATUS, 0x10000);

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_STATUS), ==, 0);
    g_assert_cmphex(STATUS_FIRST(status(qts)), ==, NO_FIRST);
    qtest_quit(qts);
}

static void test_by_default_rp_pio_is_masked(void)
{
    QTestState *qts = rac_machine_start_igb("");

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_MASK), ==, 0x70707);
    qtest_quit(qts);
}

static void test_a_masked_rp_pio_error_is_no_first_error(void)
{
    QTestState *qts = rac_machine_start_igb("");

    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(STATUS_FIRST(status(qts)), ==, NO_FIRST);
    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    qtest_quit(qts);
}

static void test_an_uncorrectable_rp_pio_error_triggers(void)
{
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    set_rp_pio(qts, PCI_EXP_DPC_RP_PIO_SEVERITY, 0x70707);
    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, STATUS_TRIGGER);
    g_assert_cmphex(STATUS_REASON(status(qts)), ==, REASON_EXTENDED);
    g_assert_cmphex(STATUS_EXTENSION(status(qts)), ==, EXTENSION_RP_PIO);
    qtest_quit(qts);
}

static void test_an_advisory_rp_pio_error_does_not_trigger(void)
{
    QTestState *qts = rac_machine_start_igb(",rp-pio-mask=0");

    set_rp_pio(qts, PCI_EXP_DPC_RP_PIO_SEVERITY, 0);
    control(qts, CTL_FATAL);
    fault_add(qts, BAR0, "completion-timeout", NULL);
    qtest_readl(qts, IGB_STATUS);

    g_assert_cmphex(status(qts) & STATUS_TRIGGER, ==, 0);
    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_STATUS), ==, 0x40000);
    qtest_quit(qts);
}

static void test_bits_without_meaning_cannot_be_written(void)
{
    QTestState *qts = rac_machine_start_igb("");

    set_rp_pio(qts, PCI_EXP_DPC_RP_PIO_MASK, 0xffffffff);
    set_rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG, 0xffffffff);
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_CAP, 0xffff);
    config_writew(qts, PORT, dpc(qts) + PCI_EXP_DPC_SOURCE_ID, 0xffff);

    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_MASK), ==, 0x70707);
    g_assert_cmphex(rp_pio(qts, PCI_EXP_DPC_RP_PIO_HEADER_LOG), ==, 0);
    g_assert_cmpint(CAP_LOG_SIZE(config_readw(
        qts, PORT, dpc(qts) + PCI_EXP_DPC_CAP)), ==, 4);
    g_assert_cmphex(config_readw(qts, PORT,
                                 dpc(qts) + PCI_EXP_DPC_SOURCE_ID), ==, 0);
    qtest_quit(qts);
}

#define TEST(name, function) \
    qtest_add_func("/rac/rp-pio/" name, test_ ## function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rp_pio_cases); i++) {
        g_autofree char *path = g_strdup_printf("/rac/rp-pio/%s",
                                                rp_pio_cases[i].name);

        qtest_add_data_func(path, &rp_pio_cases[i], check_rp_pio);
    }
    TEST("header", rp_pio_logs_the_header);
    TEST("first-header", rp_pio_logs_the_first_header_only);
    TEST("clear", rp_pio_status_is_cleared_by_writing_one);
    TEST("default-mask", by_default_rp_pio_is_masked);
    TEST("masked", a_masked_rp_pio_error_is_no_first_error);
    TEST("trigger", an_uncorrectable_rp_pio_error_triggers);
    TEST("advisory",
         an_advisory_rp_pio_error_does_not_trigger);
    TEST("read-only", bits_without_meaning_cannot_be_written);
    return g_test_run();
}
