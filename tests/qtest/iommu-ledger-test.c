/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What query-sunder-iommu tells: counters and the ledger of stale windows;
 * and changing the mode.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

#define N_PAGES         8

/* N_PAGES pages that were used at time 0; 3 ms later two have changed. */
static IommuMachine *start_changed(void)
{
    IommuMachine *m = iommu_start_mapped("sunder-iommu,mode=report", " ");

    for (unsigned i = 0; i < N_PAGES; i++) {
        map(m, IOVA + i * PAGE_4K, DATA + i * PAGE_4K, ENTRY_RW);
        dma_read(m, IOVA + i * PAGE_4K, NULL);
    }
    qtest_clock_step(m->qts, 3 * MS);
    unmap(m, IOVA + 1 * PAGE_4K);
    map(m, IOVA + 6 * PAGE_4K, DATA, ENTRY_RW);
    return m;
}

/* device_counter() takes the device's own "entries" first. */
static int64_t ledger(IommuMachine *m, const char *counter)
{
    QDict *info = iommu_info(m);
    const QListEntry *first = qlist_first(qdict_get_qlist(info, "devices"));
    QDict *device = qobject_to(QDict, qlist_entry_obj(first));
    int64_t value;

    g_assert_cmpstr(qdict_get_str(device, "device"), ==, "dma0");
    value = qdict_get_int(qdict_get_qdict(device, "ledger"), counter);
    qobject_unref(info);
    return value;
}

static void expect_window(IommuMachine *m, unsigned pages, int64_t ns)
{
    /* the last time that they were seen valid is known to 1 ms */
    g_assert_cmpint(ledger(m, "window-max-ns"), >=, ns - MS);
    g_assert_cmpint(ledger(m, "window-max-ns"), <=, ns + MS);
    g_assert_cmpint(ledger(m, "window-total-ns"), >=, pages * (ns - MS));
    g_assert_cmpint(ledger(m, "window-total-ns"), <=, pages * (ns + MS));
}

static void test_pages(void)
{
    IommuMachine *m = start_changed();

    g_assert_cmpint(ledger(m, "invalidations"), ==, 0);
    /* the upper half, one of which has changed */
    invalidate_pages(m, DOMAIN, IOVA + 4 * PAGE_4K, 2);
    g_assert_cmpint(ledger(m, "invalidations"), ==, 1);
    g_assert_cmpint(ledger(m, "entries"), ==, 4);
    g_assert_cmpint(ledger(m, "stale-entries"), ==, 1);
    expect_window(m, 1, 3 * MS);
    /* nothing is left there */
    invalidate_pages(m, DOMAIN, IOVA + 4 * PAGE_4K, 2);
    g_assert_cmpint(ledger(m, "invalidations"), ==, 1);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 0);
    iommu_quit(m);
}

static void test_domain(void)
{
    IommuMachine *m = start_changed();

    invalidate_domain(m, DOMAIN + 1);
    g_assert_cmpint(ledger(m, "entries"), ==, 0);
    invalidate_domain(m, DOMAIN);
    g_assert_cmpint(ledger(m, "invalidations"), ==, 1);
    g_assert_cmpint(ledger(m, "entries"), ==, N_PAGES);
    g_assert_cmpint(ledger(m, "stale-entries"), ==, 2);
    expect_window(m, 2, 3 * MS);
    iommu_quit(m);
}

static void test_global(void)
{
    IommuMachine *m = start_changed();

    invalidate_global(m);
    g_assert_cmpint(ledger(m, "entries"), ==, N_PAGES);
    g_assert_cmpint(ledger(m, "stale-entries"), ==, 2);
    expect_window(m, 2, 3 * MS);
    iommu_quit(m);
}

static void test_counters(void)
{
    IommuMachine *m = iommu_start_mapped("sunder-iommu,mode=report", " ");
    int64_t before;

    map(m, IOVA, DATA, ENTRY_RW);
    for (unsigned i = 0; i < 10; i++) {
        dma_read(m, IOVA, NULL);
    }
    g_assert_cmpint(device_counter(m, "dma0", "requester-id"), ==, TESTER);
    g_assert_cmpint(device_counter(m, "dma0", "translations"), >=, 10);
    g_assert_cmpint(device_counter(m, "dma0", "misses"), ==, 1);
    g_assert_cmpint(device_counter(m, "dma0", "revalidated"), ==, 0);
    g_assert_cmpint(device_counter(m, "dma0", "entries"), ==, 1);
    before = iommu_counter(m, "invalidations");
    invalidate_pages(m, DOMAIN, IOVA, 0);
    invalidate_global(m);
    g_assert_cmpint(iommu_counter(m, "invalidations"), ==, before + 2);
    dma_read(m, IOVA, NULL);
    g_assert_cmpint(device_counter(m, "dma0", "misses"), ==, 1);
    iommu_quit(m);
}

static void test_no_iommu(void)
{
    QTestState *qts = qtest_init("-machine q35 -nodefaults -nic none "
                                 "-device intel-iommu");
    g_autofree char *query = qmp_error(
        qts, "{ 'execute': 'query-sunder-iommu' }");
    g_autofree char *set = qmp_error(
        qts, "{ 'execute': 'sunder-iommu-set-mode',"
        "  'arguments': { 'mode': 'report' } }");

    g_assert_nonnull(strstr(query, "sunder-iommu"));
    g_assert_nonnull(strstr(set, "sunder-iommu"));
    qtest_quit(qts);
}

static void expect_mode(IommuMachine *m, const char *mode, bool bounce)
{
    QDict *info = iommu_info(m);

    g_assert_cmpstr(qdict_get_str(info, "id"), ==, "iommu0");
    g_assert_cmpstr(qdict_get_str(info, "mode"), ==, mode);
    g_assert_cmpint(qdict_get_bool(info, "bounce"), ==, bounce);
    qobject_unref(info);
}

static void test_set_mode(void)
{
    IommuMachine *m = iommu_start("sunder-iommu,mode=enforce", " ");
    QDict *info = iommu_info(m);

    g_assert_false(qdict_get_bool(info, "translating"));
    qobject_unref(info);
    expect_mode(m, "enforce", false);
    set_mode(m, "coherent");
    expect_mode(m, "coherent", false);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'sunder-iommu-set-mode',"
                             "  'arguments': { 'mode': 'stock',"
                             "    'bounce': true } }");
    expect_mode(m, "stock", true);
    set_mode(m, "report");
    expect_mode(m, "report", true);
    iommu_quit(m);
}

/* What the parent's mode has cached does not outlive it, nor ours. */
static void test_stock_and_back(void)
{
    IommuMachine *m = start_changed();
    uint64_t value;

    qtest_writeq(m->qts, DATA, 42);
    set_mode(m, "stock");
    g_assert_cmpuint(dma_read(m, IOVA + 6 * PAGE_4K, &value), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 42);
    unmap(m, IOVA + 6 * PAGE_4K);
    set_mode(m, "report");
    g_assert_cmpuint(dma_read(m, IOVA + 6 * PAGE_4K, &value), ==,
                     SDT_RESULT_REFUSED);
    expect_no_stale_event(m);
    iommu_quit(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommu/ledger/pages", test_pages);
    qtest_add_func("/iommu/ledger/domain", test_domain);
    qtest_add_func("/iommu/ledger/global", test_global);
    qtest_add_func("/iommu/query/counters", test_counters);
    qtest_add_func("/iommu/query/no-iommu", test_no_iommu);
    qtest_add_func("/iommu/mode/set", test_set_mode);
    qtest_add_func("/iommu/mode/stock-and-back", test_stock_and_back);
    return g_test_run();
}
