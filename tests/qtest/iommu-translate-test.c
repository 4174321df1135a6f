/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations and the faults that the specification wants, the same of
 * QEMU's intel-iommu as of sunder-iommu in each of its modes.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "iommu-machine.h"

#define VALUE           UINT64_C(0x1122334455667788)

static const char *const iommus[] = {
    "intel-iommu", "sunder-iommu,mode=stock", "sunder-iommu,mode=report",
    "sunder-iommu,mode=enforce", "sunder-iommu,mode=coherent",
    "sunder-iommu,mode=report,bounce=on",
};

/* An entry of level @level for IOVA in tables of @levels levels */
static void map_at(IommuMachine *m, unsigned levels, unsigned level,
                   uint64_t iova, uint64_t address)
{
    uint64_t at = entry_address(m, m->tables, levels, iova, level);

    qtest_writeq(m->qts, at,
                 address | ENTRY_RW | (level > 1 ? ENTRY_LARGE : 0));
}

static void expect_reaches(IommuMachine *m, uint64_t iova, uint64_t address)
{
    uint64_t value;

    qtest_writeq(m->qts, address, VALUE ^ iova);
    g_assert_cmpuint(dma_read(m, iova, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, VALUE ^ iova);
    g_assert_cmpuint(dma_write(m, iova, ~iova), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, address), ==, ~iova);
    expect_no_fault(m);
}

static void expect_refused(IommuMachine *m, uint64_t iova, unsigned reason)
{
    g_assert_cmpuint(dma_read(m, iova, NULL), ==, SDT_RESULT_REFUSED);
    expect_fault(m, reason, iova, false);
}

static void test_page_sizes(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map_at(m, 4, 1, IOVA, DATA + PAGE_4K);
    expect_reaches(m, IOVA + 0x10, DATA + PAGE_4K + 0x10);
    map_at(m, 4, 2, IOVA + PAGE_2M, DATA + PAGE_2M);
    expect_reaches(m, IOVA + PAGE_2M + 0x12340,
                   DATA + PAGE_2M + 0x12340);
    map_at(m, 4, 3, IOVA + PAGE_1G, 0);
    expect_reaches(m, IOVA + PAGE_1G + DATA + 0x5678, DATA + 0x5678);
    /* the highest page of all */
    map_at(m, 4, 1, 0xfffffffff000, DATA);
    expect_reaches(m, 0xfffffffff008, DATA + 8);
    iommu_quit(m);
}

static void test_three_levels(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    m->tables = table_new(m);
    context_set(m, TESTER, m->tables, 3, DOMAIN, TYPE_MULTI_LEVEL);
    invalidate_contexts(m);
    invalidate_global(m);
    map_at(m, 3, 1, IOVA, DATA);
    expect_reaches(m, IOVA, DATA);
    map_at(m, 3, 2, IOVA + PAGE_2M, DATA + PAGE_2M);
    expect_reaches(m, IOVA + PAGE_2M + 0x8000, DATA + PAGE_2M + 0x8000);
    expect_refused(m, UINT64_C(1) << 39, FAULT_BEYOND_WIDTH);
    iommu_quit(m);
}

static void test_across_pages(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, DATA + 5 * PAGE_4K, ENTRY_RW);
    map(m, IOVA + PAGE_4K, DATA, ENTRY_RW);
    qtest_writeq(m->qts, DATA + 5 * PAGE_4K + 0xff8, VALUE);
    qtest_writeq(m->qts, DATA, ~VALUE);
    tester_prepare(m, 3, IOVA + 0xff8, 16, 0);
    g_assert_cmpuint(tester_command(m, 3, SDT_OP_READ), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, TESTER_BUFFER), ==, VALUE);
    g_assert_cmphex(qtest_readq(m->qts, TESTER_BUFFER + 8), ==, ~VALUE);
    iommu_quit(m);
}

/* QEMU copies with memcpy(): source and destination must not be the same. */
static void test_own_buffer(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, TESTER_BUFFER, ENTRY_RW);
    qtest_writeq(m->qts, TESTER_BUFFER + 0x10, VALUE);
    tester_prepare(m, 3, IOVA + 0x10, 0x800, 0);
    g_assert_cmpuint(tester_command(m, 3, SDT_OP_READ), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, TESTER_BUFFER), ==, VALUE);
    g_assert_cmpuint(tester_command(m, 3, SDT_OP_WRITE), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, TESTER_BUFFER + 0x10), ==, VALUE);
    iommu_quit(m);
}

static void test_pass_through(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    context_set(m, TESTER, 0, 4, DOMAIN, TYPE_PASS_THROUGH);
    invalidate_contexts(m);
    invalidate_global(m);
    expect_reaches(m, DATA + 0x100, DATA + 0x100);
    /* and back */
    context_set(m, TESTER, m->tables, 4, DOMAIN, TYPE_MULTI_LEVEL);
    invalidate_contexts(m);
    invalidate_global(m);
    map(m, IOVA, DATA, ENTRY_RW);
    expect_reaches(m, IOVA, DATA);
    expect_refused(m, DATA, FAULT_READ);
    iommu_quit(m);
}

static void test_off_and_on(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, DATA, ENTRY_RW);
    expect_reaches(m, IOVA, DATA);
    unit_set_translation(m, false);
    expect_reaches(m, DATA + 0x200, DATA + 0x200);
    unit_set_translation(m, true);
    expect_reaches(m, IOVA, DATA);
    qtest_system_reset(m->qts);
    config_window_enable(m->qts);
    bar_program(m->qts, TESTER, 2, TESTER_BUFFER);
    bar_program(m->qts, TESTER, 0, TESTER_BAR);
    expect_reaches(m, DATA + 0x200, DATA + 0x200);
    iommu_quit(m);
}

static void test_permissions(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t value;

    map(m, IOVA, DATA, ENTRY_READ);
    g_assert_cmpuint(dma_write(m, IOVA, 1), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_WRITE, IOVA, true);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    map(m, IOVA + PAGE_4K, DATA, ENTRY_WRITE);
    expect_refused(m, IOVA + PAGE_4K, FAULT_READ);
    g_assert_cmpuint(dma_write(m, IOVA + PAGE_4K, 2), ==, SDT_RESULT_OK);
    expect_refused(m, IOVA + 2 * PAGE_4K, FAULT_READ);
    g_assert_cmpuint(dma_write(m, IOVA + 2 * PAGE_4K, 2), ==,
                     SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_WRITE, IOVA + 2 * PAGE_4K, true);
    iommu_quit(m);
}

/* The permission of a table above holds for all below. */
static void test_permission_above(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t above, value;

    map(m, IOVA, DATA, ENTRY_RW);
    above = entry_address(m, m->tables, 4, IOVA, 3);
    qtest_writeq(m->qts, above, qtest_readq(m->qts, above) & ~ENTRY_WRITE);
    invalidate_global(m);
    g_assert_cmpuint(dma_write(m, IOVA, 1), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_WRITE, IOVA, true);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    iommu_quit(m);
}

static void test_reserved_bits(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t at;

    map(m, IOVA, DATA | UINT64_C(1) << 51, ENTRY_RW);
    expect_refused(m, IOVA, FAULT_ENTRY_RESERVED);
    /* a 2 MiB page that does not begin at 2 MiB */
    map_at(m, 4, 2, IOVA + PAGE_2M, DATA + PAGE_4K);
    expect_refused(m, IOVA + PAGE_2M, FAULT_ENTRY_RESERVED);
    map_at(m, 4, 3, IOVA + PAGE_1G, PAGE_2M);
    expect_refused(m, IOVA + PAGE_1G, FAULT_ENTRY_RESERVED);
    /* the top level has no large pages */
    at = entry_address(m, m->tables, 4, UINT64_C(1) << 39, 4);
    qtest_writeq(m->qts, at, ENTRY_RW | ENTRY_LARGE);
    expect_refused(m, UINT64_C(1) << 39, FAULT_ENTRY_RESERVED);
    iommu_quit(m);
}

static void test_contexts(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t at = CONTEXT_TABLE + (TESTER & 0xff) * 16;

    map(m, IOVA, DATA, ENTRY_RW);
    qtest_writeq(m->qts, at, 0);
    expect_refused(m, IOVA, FAULT_CONTEXT_ABSENT);
    qtest_writeq(m->qts, at, m->tables | 1 | 0x100);
    expect_refused(m, IOVA, FAULT_CONTEXT_RESERVED);
    /* six levels, and none */
    context_set(m, TESTER, m->tables, 6, DOMAIN, TYPE_MULTI_LEVEL);
    expect_refused(m, IOVA, FAULT_CONTEXT_INVALID);
    context_set(m, TESTER, m->tables, 4, DOMAIN, 3);
    expect_refused(m, IOVA, FAULT_CONTEXT_INVALID);
    qtest_writeq(m->qts, ROOT_TABLE, 0);
    expect_refused(m, IOVA, FAULT_ROOT_ABSENT);
    qtest_writeq(m->qts, ROOT_TABLE, CONTEXT_TABLE | 1 | 0x10);
    expect_refused(m, IOVA, FAULT_ROOT_RESERVED);
    qtest_writeq(m->qts, ROOT_TABLE, CONTEXT_TABLE | 1);
    context_set(m, TESTER, m->tables, 4, DOMAIN, TYPE_MULTI_LEVEL);
    expect_reaches(m, IOVA, DATA);
    iommu_quit(m);
}

/* FPD: what goes wrong is not recorded. */
static void test_faults_disabled(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    qtest_writeq(m->qts, CONTEXT_TABLE + (TESTER & 0xff) * 16,
                 m->tables | 3);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_no_fault(m);
    iommu_quit(m);
}

static void test_output_in_interrupt_range(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, 0xfee00000, ENTRY_RW);
    expect_refused(m, IOVA, FAULT_INTERRUPT_ADDRESS);
    iommu_quit(m);
}

/* Tables where there is no memory */
static void test_tables_nowhere(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t at = entry_address(m, m->tables, 4, IOVA, 3);

    qtest_writeq(m->qts, at, UINT64_C(0x7000000000) | ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(unit_take_fault(m).reason, !=, 0);
    context_set(m, TESTER, UINT64_C(0x7000000000), 4, DOMAIN,
                TYPE_MULTI_LEVEL);
    invalidate_contexts(m);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(unit_take_fault(m).reason, !=, 0);
    iommu_quit(m);
}

/* A page that leads out of memory: a translation, but nobody there */
/* Registers are no tables, of any level, not even the unit's own. */
static void test_tables_are_registers(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    uint64_t at = entry_address(m, m->tables, 4, IOVA, 3);

    qtest_writeq(m->qts, at, UNIT | ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(unit_take_fault(m).reason, !=, 0);
    context_set(m, TESTER, UNIT, 4, DOMAIN, TYPE_MULTI_LEVEL);
    invalidate_contexts(m);
    g_assert_cmpuint(dma_write(m, IOVA, VALUE), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(unit_take_fault(m).reason, !=, 0);
    qtest_writeq(m->qts, ROOT_TABLE, UNIT | 1);
    invalidate_contexts(m);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(unit_take_fault(m).reason, !=, 0);
    iommu_quit(m);
}

static void test_page_nowhere(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, UINT64_C(0x7000000000), ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_no_fault(m);
    iommu_quit(m);
}

/* One entry that is its own table on each level */
static void test_table_of_itself(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    qtest_writeq(m->qts, m->tables, m->tables | ENTRY_RW);
    g_assert_cmpuint(dma_write(m, 0x100, VALUE), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, m->tables + 0x100), ==, VALUE);
    /* the table that translates is overwritten through itself */
    g_assert_cmpuint(dma_write(m, 0, 0), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, m->tables), ==, 0);
    invalidate_global(m);
    expect_refused(m, 0, FAULT_READ);
    iommu_quit(m);
}

static void test_interrupt_is_translated(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");
    unsigned msi = config_find_capability(m->qts, TESTER, PCI_CAP_ID_MSI);

    g_assert_cmpuint(msi, !=, 0);
    map(m, IOVA, DATA, ENTRY_RW);
    config_writel(m->qts, TESTER, msi + PCI_MSI_ADDRESS_LO, IOVA + 0x40);
    config_writew(m->qts, TESTER, msi + PCI_MSI_DATA_64, 0x4321);
    config_writew(m->qts, TESTER, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    qtest_writel(m->qts, TESTER_BAR + SDT_IRQ_ENABLE, 1u << 5);
    tester_prepare(m, 5, IOVA, 8, 1000);
    tester_command(m, 5, SDT_OP_READ | SDT_CMD_IRQ);
    g_assert_cmphex(qtest_readl(m->qts, DATA + 0x40), ==, 0);
    qtest_clock_step(m->qts, 1000);
    g_assert_cmphex(qtest_readl(m->qts, DATA + 0x40), ==, 0x4321);
    g_assert_cmphex(qtest_readl(m->qts, TESTER_BAR + SDT_IRQ_STATUS), ==,
                    1u << 5);
    iommu_quit(m);
}

static const struct {
    const char *name;
    void (*run)(gconstpointer iommu);
} tests[] = {
    { "page-sizes", test_page_sizes },
    { "three-levels", test_three_levels },
    { "across-pages", test_across_pages },
    { "own-buffer", test_own_buffer },
    { "pass-through", test_pass_through },
    { "off-and-on", test_off_and_on },
    { "permissions", test_permissions },
    { "permission-above", test_permission_above },
    { "reserved-bits", test_reserved_bits },
    { "contexts", test_contexts },
    { "faults-disabled", test_faults_disabled },
    { "output-in-interrupt-range", test_output_in_interrupt_range },
    { "tables-nowhere", test_tables_nowhere },
    { "tables-are-registers", test_tables_are_registers },
    { "page-nowhere", test_page_nowhere },
    { "table-of-itself", test_table_of_itself },
    { "interrupt-is-translated", test_interrupt_is_translated },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(iommus); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(tests); j++) {
            g_autofree char *path = g_strdup_printf(
                "/iommu/%s/%s", iommus[i], tests[j].name);

            qtest_add_data_func(path, iommus[i], tests[j].run);
        }
    }
    return g_test_run();
}
