/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device uses a page that the driver took away without an invalidation:
 * what each mode makes of it, and what is told.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

/* Entries have bits that hardware ignores: 52 to 61 (9.10) */
#define IGNORED         (UINT64_C(1) << 55)

/* IOVA was used at OLD, its entry now says what it is said to say. */
static IommuMachine *start_changed(const char *mode, uint64_t entry)
{
    g_autofree char *iommu = g_strdup_printf("sunder-iommu,mode=%s", mode);
    IommuMachine *m = iommu_start_page(iommu);
    uint64_t value;

    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    qtest_clock_step(m->qts, 5 * MS);
    entry_set(m, IOVA, entry);
    return m;
}

static void expect_event(IommuMachine *m, const char *direction,
                         uint64_t new_entry, const char *action)
{
    QDict *event = take_stale_event(m);

    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "iommu"), ==, "iommu0");
    g_assert_cmpstr(qdict_get_str(event, "device"), ==, "dma0");
    g_assert_cmpint(qdict_get_int(event, "requester-id"), ==, TESTER);
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA);
    g_assert_cmpint(qdict_get_int(event, "length"), ==, 8);
    g_assert_cmpstr(qdict_get_str(event, "direction"), ==, direction);
    g_assert_cmphex(qdict_get_int(event, "old-entry"), ==, OLD | ENTRY_RW);
    g_assert_cmphex(qdict_get_int(event, "new-entry"), ==, new_entry);
    g_assert_cmpstr(qdict_get_str(event, "invalidation"), ==, "never");
    g_assert_false(qdict_get_bool(event, "held"));
    g_assert_cmpstr(qdict_get_str(event, "action"), ==, action);
    g_assert_cmpint(qdict_get_int(event, "count"), ==, 1);
    /* hits take the time from a clock of 1 ms */
    g_assert_cmpint(qdict_get_int(event, "age-ns"), >=, 4 * MS);
    g_assert_cmpint(qdict_get_int(event, "age-ns"), <=, 6 * MS);
    g_assert_cmpint(qdict_get_int(event, "virtual-ns"), ==,
                    5 * MS);
    qobject_unref(event);
}

static void test_report_serves_the_old_page(void)
{
    IommuMachine *m = start_changed("report", NEW | ENTRY_RW);
    uint64_t value;

    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    expect_event(m, "read", NEW | ENTRY_RW, "served");
    expect_no_fault(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 1);
    g_assert_cmpint(device_counter(m, "dma0", "blocked"), ==, 0);
    iommu_quit(m);
}

static void test_report_serves_a_write_after_unmap(void)
{
    IommuMachine *m = start_changed("report", 0);

    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, WRITTEN);
    g_assert_cmphex(qtest_readq(m->qts, NEW), ==, NEW_VALUE);
    expect_event(m, "write", 0, "served");
    expect_no_fault(m);
    iommu_quit(m);
}

static void test_enforce_blocks(void)
{
    IommuMachine *m = start_changed("enforce", 0);

    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    expect_event(m, "write", 0, "blocked");
    expect_fault(m, FAULT_WRITE, IOVA, true);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), >=, 1);
    g_assert_cmpint(device_counter(m, "dma0", "blocked"), >=, 1);
    iommu_quit(m);
}

static void test_enforce_blocks_a_read(void)
{
    IommuMachine *m = start_changed("enforce", NEW | ENTRY_RW);

    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_event(m, "read", NEW | ENTRY_RW, "blocked");
    expect_fault(m, FAULT_READ, IOVA, false);
    iommu_quit(m);
}

static void test_coherent_heals(void)
{
    IommuMachine *m = start_changed("coherent", NEW | ENTRY_RW);

    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    g_assert_cmphex(qtest_readq(m->qts, NEW), ==, WRITTEN);
    expect_no_fault(m);
    expect_no_stale_event(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 1);
    iommu_quit(m);
}

/* There is nothing that it could be healed with. */
static void test_coherent_after_unmap(void)
{
    IommuMachine *m = start_changed("coherent", 0);

    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_REFUSED);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    expect_fault(m, FAULT_WRITE, IOVA, true);
    iommu_quit(m);
}

static void test_stock_tells_nothing(void)
{
    IommuMachine *m = start_changed("stock", NEW | ENTRY_RW);
    uint64_t value;

    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    expect_no_stale_event(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 0);
    iommu_quit(m);
}

static void test_invalidation_explains(void)
{
    IommuMachine *m = start_changed("report", NEW | ENTRY_RW);
    uint64_t value;

    invalidate_pages(m, DOMAIN, IOVA, 0);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, NEW_VALUE);
    expect_no_stale_event(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 0);
    g_assert_cmpint(device_counter(m, "dma0", "revalidated"), ==, 1);
    /* and is used up */
    unmap(m, IOVA);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, NEW_VALUE);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 1);
    iommu_quit(m);
}

/* An invalidation before the change explains nothing once the page was
 * used after it. */
static void test_earlier_invalidation_does_not(void)
{
    IommuMachine *m = start_changed("report", OLD | ENTRY_RW);
    uint64_t value;

    invalidate_domain(m, DOMAIN);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    entry_set(m, IOVA, NEW | ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 1);
    iommu_quit(m);
}

static void test_ignored_bits_are_no_change(void)
{
    IommuMachine *m = start_changed("enforce", OLD | ENTRY_RW | IGNORED);
    uint64_t value;

    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    expect_no_stale_event(m);
    expect_no_fault(m);
    iommu_quit(m);
}

static void test_lost_permission_is_a_change(void)
{
    IommuMachine *m = start_changed("enforce", OLD | ENTRY_READ);

    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_OK);
    expect_no_stale_event(m);
    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_REFUSED);
    expect_event(m, "write", OLD | ENTRY_READ, "blocked");
    expect_fault(m, FAULT_WRITE, IOVA, true);
    iommu_quit(m);
}

static void test_gained_permission_is_none(void)
{
    IommuMachine *m = start_changed("enforce", OLD | ENTRY_READ);
    uint64_t value;

    invalidate_domain(m, DOMAIN);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    entry_set(m, IOVA, OLD | ENTRY_RW);
    g_assert_cmpuint(dma_write(m, IOVA, WRITTEN), ==, SDT_RESULT_OK);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* The table above leads to other leaf entries. */
static void test_table_replaced(void)
{
    IommuMachine *m = start_changed("report", OLD | ENTRY_RW);
    uint64_t above = entry_address(m, m->tables, 4, IOVA, 2);
    uint64_t other = table_new(m), value;

    qtest_writeq(m->qts, other, NEW | ENTRY_RW);
    qtest_writeq(m->qts, above, other | ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    expect_event(m, "read", NEW | ENTRY_RW, "served");
    iommu_quit(m);
}

static void test_large_page(void)
{
    IommuMachine *m = start_changed("report", OLD | ENTRY_RW);
    uint64_t iova = IOVA + PAGE_1G, value;
    uint64_t at = entry_address(m, m->tables, 4, iova, 2);
    QDict *event;

    qtest_writeq(m->qts, at, OLD | ENTRY_RW | ENTRY_LARGE);
    g_assert_cmpuint(dma_read(m, iova + PAGE_4K, &value), ==, SDT_RESULT_OK);
    qtest_writeq(m->qts, at, 0);
    g_assert_cmpuint(dma_read(m, iova, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, iova);
    g_assert_cmphex(qdict_get_int(event, "old-entry"), ==,
                    OLD | ENTRY_RW | ENTRY_LARGE);
    g_assert_cmphex(qdict_get_int(event, "new-entry"), ==, 0);
    qobject_unref(event);
    iommu_quit(m);
}

/* One page a second is told, with the count; another page at once. */
static void test_repeated(void)
{
    IommuMachine *m = start_changed("report", NEW | ENTRY_RW);
    QDict *event;

    for (unsigned i = 0; i < 10; i++) {
        dma_read(m, IOVA, NULL);
    }
    event = take_stale_event(m);
    g_assert_cmpint(qdict_get_int(event, "count"), ==, 1);
    qobject_unref(event);
    expect_no_stale_event(m);
    qtest_clock_step(m->qts, 1100 * MS);
    dma_read(m, IOVA, NULL);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmpint(qdict_get_int(event, "count"), ==, 11);
    qobject_unref(event);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 11);
    map(m, IOVA + PAGE_4K, OLD, ENTRY_RW);
    dma_read(m, IOVA + PAGE_4K, NULL);
    unmap(m, IOVA + PAGE_4K);
    dma_read(m, IOVA + PAGE_4K, NULL);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA + PAGE_4K);
    g_assert_cmpint(qdict_get_int(event, "count"), ==, 1);
    qobject_unref(event);
    iommu_quit(m);
}

/* Within that second, another action is told at once. */
static void test_repeated_action(void)
{
    IommuMachine *m = start_changed("report", NEW | ENTRY_RW);
    QDict *event;

    dma_read(m, IOVA, NULL);
    event = take_stale_event(m);
    g_assert_cmpstr(qdict_get_str(event, "action"), ==, "served");
    qobject_unref(event);
    set_mode(m, "enforce");
    dma_read(m, IOVA, NULL);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "action"), ==, "blocked");
    g_assert_cmpint(qdict_get_int(event, "count"), ==, 2);
    qobject_unref(event);
    dma_read(m, IOVA, NULL);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* What was never used is not cached, so nothing of it can be stale. */
static void test_unused_page(void)
{
    IommuMachine *m = start_changed("enforce", OLD | ENTRY_RW);
    uint64_t value;

    map(m, IOVA + PAGE_4K, OLD, ENTRY_RW);
    map(m, IOVA + PAGE_4K, NEW, ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA + PAGE_4K, &value), ==,
                     SDT_RESULT_OK);
    g_assert_cmphex(value, ==, NEW_VALUE);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* A mode takes effect for what is cached already. */
static void test_mode_changes(void)
{
    IommuMachine *m = start_changed("report", NEW | ENTRY_RW);
    uint64_t value;

    set_mode(m, "enforce");
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_READ, IOVA, false);
    set_mode(m, "report");
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, OLD_VALUE);
    set_mode(m, "coherent");
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, NEW_VALUE);
    iommu_quit(m);
}

/* edu: a DMA that begins 100 ms after it is asked for */
static void test_edu(void)
{
    const uint64_t bar = UINT64_C(0xd1000000);
    const unsigned edu = BDF(0, 5, 0);
    IommuMachine *m = iommu_start_mapped(
        "sunder-iommu,mode=report",
        "-device edu,id=edu0,addr=5,dma_mask=0xffffffffffffffff");
    QDict *event;

    bar_program(m->qts, edu, 0, bar);
    context_set(m, edu, m->tables, 4, DOMAIN, TYPE_MULTI_LEVEL);
    map(m, IOVA, OLD, ENTRY_RW);
    for (unsigned round = 0; round < 2; round++) {
        qtest_writeq(m->qts, bar + 0x80, 0x40000);
        qtest_writeq(m->qts, bar + 0x88, IOVA);
        qtest_writeq(m->qts, bar + 0x90, 8);
        qtest_writeq(m->qts, bar + 0x98, 3);
        if (round == 1) {
            unmap(m, IOVA);
            qtest_writeq(m->qts, OLD, OLD_VALUE);
        }
        expect_no_stale_event(m);
        qtest_clock_step(m->qts, 101 * MS);
    }
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, 0);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "device"), ==, "edu0");
    g_assert_cmpint(qdict_get_int(event, "requester-id"), ==, edu);
    g_assert_cmpstr(qdict_get_str(event, "direction"), ==, "write");
    qobject_unref(event);
    iommu_quit(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommu/stale/report-serves-the-old-page",
                   test_report_serves_the_old_page);
    qtest_add_func("/iommu/stale/report-serves-a-write-after-unmap",
                   test_report_serves_a_write_after_unmap);
    qtest_add_func("/iommu/stale/enforce-blocks", test_enforce_blocks);
    qtest_add_func("/iommu/stale/enforce-blocks-a-read",
                   test_enforce_blocks_a_read);
    qtest_add_func("/iommu/stale/coherent-heals", test_coherent_heals);
    qtest_add_func("/iommu/stale/coherent-after-unmap",
                   test_coherent_after_unmap);
    qtest_add_func("/iommu/stale/stock-tells-nothing",
                   test_stock_tells_nothing);
    qtest_add_func("/iommu/stale/invalidation-explains",
                   test_invalidation_explains);
    qtest_add_func("/iommu/stale/earlier-invalidation-does-not",
                   test_earlier_invalidation_does_not);
    qtest_add_func("/iommu/stale/ignored-bits-are-no-change",
                   test_ignored_bits_are_no_change);
    qtest_add_func("/iommu/stale/lost-permission-is-a-change",
                   test_lost_permission_is_a_change);
    qtest_add_func("/iommu/stale/gained-permission-is-none",
                   test_gained_permission_is_none);
    qtest_add_func("/iommu/stale/table-replaced", test_table_replaced);
    qtest_add_func("/iommu/stale/large-page", test_large_page);
    qtest_add_func("/iommu/stale/repeated", test_repeated);
    qtest_add_func("/iommu/stale/repeated-action", test_repeated_action);
    qtest_add_func("/iommu/stale/unused-page", test_unused_page);
    qtest_add_func("/iommu/stale/mode-changes", test_mode_changes);
    qtest_add_func("/iommu/stale/edu", test_edu);
    return g_test_run();
}
