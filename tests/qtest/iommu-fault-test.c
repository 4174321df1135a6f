/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault points of the IOMMU: invalidations that are lost or late, DMA that is
 * refused, and a device that uses an address again.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

#define LATE_WORD       UINT64_C(0x5d5d5d5d5d5d5d5d)

#define INVALIDATION    "iommu0/invalidation"
#define DMA             "iommu0/dma0/dma"

static IommuMachine *start(const char *mode)
{
    g_autofree char *iommu = g_strdup_printf("sunder-iommu,mode=%s", mode);

    return iommu_start_page(iommu);
}

static void expect_value(IommuMachine *m, uint64_t expected)
{
    uint64_t value;

    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, expected);
}

static void expect_event(IommuMachine *m, const char *invalidation)
{
    QDict *event = take_stale_event(m);

    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "invalidation"), ==, invalidation);
    qobject_unref(event);
}

static void test_points(void)
{
    IommuMachine *m = start("report");

    g_assert_true(fault_point_exists(m->qts, INVALIDATION));
    g_assert_true(fault_point_exists(m->qts, DMA));
    iommu_quit(m);
}

/* By queue or, with @data "registers", by registers */
static void test_lost(gconstpointer data)
{
    IommuMachine *m = start("report");

    if (g_str_equal(data, "registers")) {
        invalidate_global(m);
        unit_writel(m, REG_GCMD, GCMD_TE);
        m->queued = false;
    }
    expect_value(m, OLD_VALUE);
    fault_add(m->qts, INVALIDATION, "lost", ", 'id': 'r', 'count': 1");
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    g_assert_cmpint(fault_fired(m->qts, "r"), ==, 1);
    g_assert_cmpint(iommu_counter(m, "lost"), ==, 1);
    expect_value(m, OLD_VALUE);
    expect_event(m, "pending");
    invalidate_pages(m, DOMAIN, IOVA, 0);
    expect_value(m, NEW_VALUE);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* Stock mode has the caches of QEMU's model; they miss it as well. */
static void test_lost_in_stock(void)
{
    IommuMachine *m = start("stock");

    expect_value(m, OLD_VALUE);
    fault_add(m->qts, INVALIDATION, "lost", ", 'id': 'r', 'count': 1");
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_domain(m, DOMAIN);
    expect_value(m, OLD_VALUE);
    invalidate_domain(m, DOMAIN);
    expect_value(m, NEW_VALUE);
    iommu_quit(m);
}

static void test_delayed(gconstpointer mode)
{
    IommuMachine *m = start(mode);
    bool told = !g_str_equal(mode, "stock");

    expect_value(m, OLD_VALUE);
    fault_add(m->qts, INVALIDATION, "delayed",
              ", 'id': 'r', 'count': 1, 'duration': 50000000");
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_domain(m, DOMAIN);
    g_assert_cmpint(iommu_counter(m, "pending"), ==, 1);
    expect_value(m, OLD_VALUE);
    if (told) {
        expect_event(m, "pending");
    }
    qtest_clock_step(m->qts, 49 * MS);
    expect_value(m, OLD_VALUE);
    qtest_clock_step(m->qts, 2 * MS);
    g_assert_cmpint(iommu_counter(m, "pending"), ==, 0);
    expect_value(m, NEW_VALUE);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* A page that is mapped elsewhere in time is late no longer. */
static void test_delayed_in_enforce(void)
{
    IommuMachine *m = start("enforce");

    expect_value(m, OLD_VALUE);
    fault_add(m->qts, INVALIDATION, "delayed",
              ", 'id': 'r', 'count': 1, 'duration': 50000000");
    unmap(m, IOVA);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_READ, IOVA, false);
    expect_event(m, "pending");
    qtest_clock_step(m->qts, 51 * MS);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_READ, IOVA, false);
    expect_no_stale_event(m);
    iommu_quit(m);
}

static void test_reset_drops_what_is_delayed(void)
{
    IommuMachine *m = start("report");

    fault_add(m->qts, INVALIDATION, "delayed",
              ", 'id': 'r', 'duration': 50000000");
    fault_add(m->qts, DMA, "late-dma", ", 'id': 's', 'duration': 50000000");
    expect_value(m, OLD_VALUE);
    invalidate_domain(m, DOMAIN);
    qtest_system_reset(m->qts);
    g_assert_cmpint(iommu_counter(m, "pending"), ==, 0);
    qtest_clock_step(m->qts, 60 * MS);
    expect_no_stale_event(m);
    expect_no_fault(m);
    iommu_quit(m);
}

static void test_translation_fault(gconstpointer mode)
{
    IommuMachine *m = start(mode);

    expect_value(m, OLD_VALUE);
    fault_add(m->qts, DMA, "translation-fault",
              ", 'id': 'r', 'operation': 'write', 'count': 1");
    expect_value(m, OLD_VALUE);
    g_assert_cmpuint(dma_write(m, IOVA, 1), ==, SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_WRITE, IOVA, true);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    g_assert_cmpuint(dma_write(m, IOVA, 1), ==, SDT_RESULT_OK);
    expect_no_fault(m);
    g_assert_cmpint(device_counter(m, "dma0", "blocked"), ==, 1);
    iommu_quit(m);
}

static void test_blocked(gconstpointer mode)
{
    IommuMachine *m = start(mode);

    expect_value(m, OLD_VALUE);
    fault_add(m->qts, DMA, "blocked", ", 'id': 'r'");
    g_assert_cmpuint(dma_write(m, IOVA, 1), ==, SDT_RESULT_REFUSED);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    expect_no_fault(m);
    fault_remove(m->qts, "r");
    expect_value(m, OLD_VALUE);
    iommu_quit(m);
}

/* Only addresses within the rule's range */
static void test_blocked_range(void)
{
    IommuMachine *m = start("report");
    uint64_t value;

    map(m, IOVA + PAGE_4K, NEW, ENTRY_RW);
    fault_add(m->qts, DMA, "blocked",
              ", 'id': 'r', 'offset': 1073745920, 'length': 4096");
    expect_value(m, OLD_VALUE);
    g_assert_cmpuint(dma_read(m, IOVA + PAGE_4K, &value), ==,
                     SDT_RESULT_REFUSED);
    iommu_quit(m);
}

#define SLOT            2
#define N_HELD          3u

/* Three pages that lie one behind the other, or not */
static uint64_t held_page(unsigned i, bool scattered)
{
    return OLD + (scattered ? 2 * (N_HELD - i) : i) * PAGE_4K;
}

static void map_held_pages(IommuMachine *m, bool scattered)
{
    for (unsigned i = 0; i < N_HELD; i++) {
        uint64_t page = held_page(i, scattered);

        map(m, IOVA + i * PAGE_4K, page, ENTRY_RW);
        qtest_memset(m->qts, page, 1, PAGE_4K);
    }
}

/*
 * One DMA of all pages as a device does it that maps memory: as much as it
 * gets, then the rest.
 */
static void transfer_held(IommuMachine *m, bool write)
{
    uint32_t done = 0, length = N_HELD * PAGE_4K;

    while (done < length) {
        uint32_t n;

        tester_prepare(m, SLOT, IOVA + done, length - done, 0);
        tester_set(m, SLOT, SDT_OFFSET, done);
        tester_set64(m, SLOT, SDT_PATTERN, WRITTEN);
        g_assert_cmpuint(tester_command(m, SLOT, write ? SDT_OP_MAP_WRITE
                                                       : SDT_OP_MAP_READ), ==,
                         SDT_RESULT_OK);
        n = tester_get(m, SLOT, SDT_HELD_LENGTH);
        g_assert_cmpuint(n, >, 0);
        tester_set(m, SLOT, SDT_LENGTH, n);
        tester_command(m, SLOT,
                       SDT_OP_TOUCH | (write ? SDT_CMD_PATTERN : 0));
        tester_command(m, SLOT, SDT_OP_UNMAP);
        done += n;
    }
}

/* @refused: the page that did not arrive, -1: all did */
static void expect_pages(IommuMachine *m, bool write, bool scattered,
                         int refused)
{
    for (int i = 0; i < (int)N_HELD; i++) {
        uint64_t at = write ? held_page(i, scattered)
                            : TESTER_BUFFER + i * PAGE_4K;
        uint64_t arrived = write ? WRITTEN : OLD_VALUE;
        uint64_t lost = write ? OLD_VALUE : 0;

        g_assert_cmphex(qtest_readq(m->qts, at), ==,
                        i == refused ? lost : arrived);
        g_assert_cmphex(qtest_readq(m->qts, at + PAGE_4K - 8), ==,
                        i == refused ? lost : arrived);
    }
}

/*
 * Of a DMA through pointers the second page is refused once.  It is asked for
 * once, too, whatever is cached: the rule lets exactly one page pass.
 */
static void refuse_one_page(IommuMachine *m, bool write, bool scattered,
                            const char *outcome)
{
    map_held_pages(m, scattered);
    invalidate_global(m);
    fault_add(m->qts, DMA, outcome, ", 'id': 'r', 'after': 1, 'count': 1");
    for (unsigned cached = 0; cached < 2; cached++) {
        map_held_pages(m, scattered);
        transfer_held(m, write);
        expect_pages(m, write, scattered, 1);
        g_assert_cmpint(fault_fired(m->qts, "r"), ==, 1);
        fault_remove(m->qts, "r");
        transfer_held(m, write);
        expect_pages(m, write, scattered, -1);
        fault_add(m->qts, DMA, outcome,
                  ", 'id': 'r', 'after': 1, 'count': 1");
    }
    g_assert_cmpint(device_counter(m, "dma0", "blocked"), ==, 2);
    fault_remove(m->qts, "r");
}

static void test_held(gconstpointer data)
{
    const char *options = data;
    g_autofree char *iommu = g_strdup_printf("sunder-iommu,%s", options);
    IommuMachine *m = iommu_start_page(iommu);

    for (unsigned i = 0; i < 4; i++) {
        refuse_one_page(m, i & 1, i & 2, "blocked");
        expect_no_fault(m);
        iommu_quit(m);
        m = iommu_start_page(iommu);
    }
    refuse_one_page(m, true, true, "translation-fault");
    expect_fault(m, FAULT_WRITE, IOVA + PAGE_4K, true);
    expect_no_fault(m);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* The device uses the address once more after the driver took it away. */
static void test_late_dma(void)
{
    IommuMachine *m = start("report");
    QDict *event;

    fault_add(m->qts, DMA, "late-dma",
              ", 'id': 'r', 'count': 1, 'duration': 10000000, 'value': 1");
    expect_value(m, OLD_VALUE);
    unmap(m, IOVA);
    qtest_clock_step(m->qts, 9 * MS);
    expect_no_stale_event(m);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    qtest_clock_step(m->qts, 2 * MS);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "device"), ==, "dma0");
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA);
    g_assert_cmpstr(qdict_get_str(event, "direction"), ==, "write");
    qobject_unref(event);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, LATE_WORD);
    iommu_quit(m);
}

static void test_late_dma_after_invalidation(void)
{
    IommuMachine *m = start("report");

    fault_add(m->qts, DMA, "late-dma",
              ", 'id': 'r', 'count': 1, 'duration': 10000000");
    expect_value(m, OLD_VALUE);
    unmap(m, IOVA);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    qtest_clock_step(m->qts, 11 * MS);
    expect_no_stale_event(m);
    expect_fault(m, FAULT_READ, IOVA, false);
    iommu_quit(m);
}

/* A late DMA is none of the device's that a rule counts. */
static void test_late_dma_makes_no_other(void)
{
    IommuMachine *m = start("report");

    fault_add(m->qts, DMA, "late-dma", ", 'id': 'r', 'duration': 1000000");
    expect_value(m, OLD_VALUE);
    for (unsigned i = 0; i < 10; i++) {
        qtest_clock_step(m->qts, 2 * MS);
    }
    g_assert_cmpint(fault_fired(m->qts, "r"), ==, 1);
    iommu_quit(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommu/fault/points", test_points);
    qtest_add_data_func("/iommu/fault/lost/queue", "queue", test_lost);
    qtest_add_data_func("/iommu/fault/lost/registers", "registers",
                        test_lost);
    qtest_add_func("/iommu/fault/lost/stock", test_lost_in_stock);
    qtest_add_data_func("/iommu/fault/delayed/report", "report",
                        test_delayed);
    qtest_add_data_func("/iommu/fault/delayed/stock", "stock", test_delayed);
    qtest_add_func("/iommu/fault/delayed/enforce", test_delayed_in_enforce);
    qtest_add_func("/iommu/fault/reset-drops-what-is-delayed",
                   test_reset_drops_what_is_delayed);
    qtest_add_data_func("/iommu/fault/translation-fault/report", "report",
                        test_translation_fault);
    qtest_add_data_func("/iommu/fault/translation-fault/stock", "stock",
                        test_translation_fault);
    qtest_add_data_func("/iommu/fault/blocked/report", "report",
                        test_blocked);
    qtest_add_data_func("/iommu/fault/blocked/stock", "stock", test_blocked);
    qtest_add_func("/iommu/fault/blocked/range", test_blocked_range);
    qtest_add_data_func("/iommu/fault/held/stock", "mode=stock", test_held);
    qtest_add_data_func("/iommu/fault/held/report", "mode=report", test_held);
    qtest_add_data_func("/iommu/fault/held/bounce", "mode=report,bounce=on",
                        test_held);
    qtest_add_func("/iommu/fault/late-dma/before-invalidation",
                   test_late_dma);
    qtest_add_func("/iommu/fault/late-dma/after-invalidation",
                   test_late_dma_after_invalidation);
    qtest_add_func("/iommu/fault/late-dma/makes-no-other",
                   test_late_dma_makes_no_other);
    return g_test_run();
}
