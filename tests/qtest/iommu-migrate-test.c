/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine is saved in the middle of its work and goes on in another QEMU.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"
#include "saved-state.h"

#define SLOT            2

#define REPORT          "sunder-iommu,mode=report,bounce=on"

/* A machine whose device has used IOVA at OLD */
static IommuMachine *start(const char *iommu)
{
    IommuMachine *m = iommu_start_page(iommu);

    dma_read(m, IOVA, NULL);
    return m;
}

/* Goes on in another QEMU, with @iommu on its command line. */
static IommuMachine *move(IommuMachine *m, const char *iommu)
{
    g_autofree char *args = iommu_args(iommu, " ");
    g_autofree char *dir = g_dir_make_tmp("iommu-migrate-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "state", NULL);
    IommuMachine *after;

    saved_state_save(m->qts, path);
    qtest_quit(m->qts);
    after = iommu_loaded(saved_state_load(args, path), m);
    unlink(path);
    rmdir(dir);
    g_free(m);
    return after;
}

static void expect_value(IommuMachine *m, uint64_t iova, uint64_t expected)
{
    uint64_t value;

    g_assert_cmpuint(dma_read(m, iova, &value), ==, SDT_RESULT_OK);
    g_assert_cmphex(value, ==, expected);
}

/* Pages in every state that is in order */
static void test_no_false_report(gconstpointer iommu)
{
    IommuMachine *m = start(iommu);

    map(m, IOVA + PAGE_4K, OLD, ENTRY_RW);
    dma_read(m, IOVA + PAGE_4K, NULL);
    map(m, IOVA + PAGE_4K, NEW, ENTRY_RW);
    invalidate_pages(m, DOMAIN, IOVA + PAGE_4K, 0);
    map(m, IOVA + 2 * PAGE_4K, NEW, ENTRY_RW);
    m = move(m, iommu);

    expect_value(m, IOVA, OLD_VALUE);
    expect_value(m, IOVA + PAGE_4K, NEW_VALUE);
    expect_value(m, IOVA + 2 * PAGE_4K, NEW_VALUE);
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_domain(m, DOMAIN);
    expect_value(m, IOVA, NEW_VALUE);
    expect_no_stale_event(m);
    expect_no_fault(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 0);
    iommu_quit(m);
}

static void test_finds_on(void)
{
    IommuMachine *m = move(start(REPORT), REPORT);
    QDict *event;

    expect_value(m, IOVA, OLD_VALUE);
    unmap(m, IOVA);
    expect_value(m, IOVA, OLD_VALUE);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    qobject_unref(event);
    iommu_quit(m);
}

/* The page was taken away before the machine was saved, and used after. */
static void test_stale_is_found(void)
{
    IommuMachine *m = start(REPORT);
    QDict *event;

    unmap(m, IOVA);
    m = move(m, REPORT);
    expect_value(m, IOVA, OLD_VALUE);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA);
    g_assert_cmphex(qdict_get_int(event, "old-entry"), ==, OLD | ENTRY_RW);
    g_assert_cmphex(qdict_get_int(event, "new-entry"), ==, 0);
    g_assert_cmpstr(qdict_get_str(event, "invalidation"), ==, "never");
    qobject_unref(event);
    iommu_quit(m);
}

static void test_delayed_dma(void)
{
    IommuMachine *m = start(REPORT);

    tester_prepare(m, SLOT, IOVA, 8, 20 * MS);
    tester_set64(m, SLOT, SDT_PATTERN, WRITTEN);
    tester_command(m, SLOT, SDT_OP_WRITE | SDT_CMD_PATTERN);
    qtest_clock_step(m->qts, 5 * MS);
    m = move(m, REPORT);
    g_assert_cmpuint(tester_get(m, SLOT, SDT_STATE), ==, SDT_STATE_DELAYED);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, OLD_VALUE);
    qtest_clock_step(m->qts, 20 * MS);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, WRITTEN);
    g_assert_cmpuint(tester_get(m, SLOT, SDT_RESULT), ==, SDT_RESULT_OK);
    expect_no_stale_event(m);
    iommu_quit(m);
}

static void test_held_pointer(void)
{
    IommuMachine *m = start(REPORT);

    tester_prepare(m, SLOT, IOVA, 64, 0);
    tester_set64(m, SLOT, SDT_PATTERN, WRITTEN);
    tester_command(m, SLOT, SDT_OP_MAP_WRITE);
    m = move(m, REPORT);
    g_assert_cmpuint(tester_get(m, SLOT, SDT_STATE), ==, SDT_STATE_HELD);
    g_assert_cmpuint(tester_command(m, SLOT,
                                    SDT_OP_TOUCH | SDT_CMD_PATTERN), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_UNMAP), ==,
                     SDT_RESULT_OK);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, WRITTEN);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* The mode is the machine's, not the command line's. */
static void test_mode_and_counters(void)
{
    IommuMachine *m = start(REPORT);
    int64_t invalidations;
    QDict *info;

    fault_add(m->qts, "iommu0/invalidation", "lost", ", 'count': 1");
    invalidate_domain(m, DOMAIN);
    invalidate_domain(m, DOMAIN);
    set_mode(m, "enforce");
    invalidations = iommu_counter(m, "invalidations");
    g_assert_cmpint(invalidations, >, 0);
    m = move(m, REPORT);
    info = iommu_info(m);
    g_assert_cmpstr(qdict_get_str(info, "mode"), ==, "enforce");
    g_assert_true(qdict_get_bool(info, "bounce"));
    g_assert_true(qdict_get_bool(info, "translating"));
    g_assert_cmpint(qdict_get_int(info, "invalidations"), ==, invalidations);
    g_assert_cmpint(qdict_get_int(info, "lost"), ==, 1);
    qobject_unref(info);
    iommu_quit(m);
}

static void test_delayed_invalidation(void)
{
    IommuMachine *m = start(REPORT);
    QDict *event;

    fault_add(m->qts, "iommu0/invalidation", "delayed",
              ", 'count': 1, 'duration': 50000000");
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    m = move(m, REPORT);
    expect_value(m, IOVA, OLD_VALUE);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "invalidation"), ==, "pending");
    qobject_unref(event);
    qtest_clock_step(m->qts, 60 * MS);
    g_assert_cmpint(iommu_counter(m, "pending"), ==, 0);
    expect_value(m, IOVA, NEW_VALUE);
    iommu_quit(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/iommu/migrate/no-false-report/report", REPORT,
                        test_no_false_report);
    qtest_add_data_func("/iommu/migrate/no-false-report/enforce",
                        "sunder-iommu,mode=enforce", test_no_false_report);
    qtest_add_func("/iommu/migrate/finds-on", test_finds_on);
    qtest_add_func("/iommu/migrate/stale-is-found", test_stale_is_found);
    qtest_add_func("/iommu/migrate/delayed-dma", test_delayed_dma);
    qtest_add_func("/iommu/migrate/held-pointer", test_held_pointer);
    qtest_add_func("/iommu/migrate/mode-and-counters",
                   test_mode_and_counters);
    qtest_add_func("/iommu/migrate/delayed-invalidation",
                   test_delayed_invalidation);
    return g_test_run();
}
