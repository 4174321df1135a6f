/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pointers that a device holds across an unmap: with bounce=on they are
 * checked when the device lets go of them; without, they are what they are
 * on stock QEMU.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

#define SLOT            2
#define LENGTH          64u

static IommuMachine *start(const char *options)
{
    g_autofree char *iommu = g_strdup_printf("sunder-iommu,%s", options);

    return iommu_start_page(iommu);
}

/* The device holds LENGTH bytes at IOVA and has written through it. */
static void hold(IommuMachine *m)
{
    tester_prepare(m, SLOT, IOVA, LENGTH, 0);
    tester_set64(m, SLOT, SDT_PATTERN, WRITTEN);
    g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_MAP_WRITE), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(tester_get(m, SLOT, SDT_HELD_LENGTH), ==, LENGTH);
    g_assert_cmpuint(tester_command(m, SLOT,
                                    SDT_OP_TOUCH | SDT_CMD_PATTERN), ==,
                     SDT_RESULT_OK);
}

static void let_go(IommuMachine *m)
{
    g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_UNMAP), ==,
                     SDT_RESULT_OK);
}

static void expect_event(IommuMachine *m, const char *invalidation,
                         const char *action)
{
    QDict *event = take_stale_event(m);

    g_assert_nonnull(event);
    g_assert_cmpstr(qdict_get_str(event, "device"), ==, "dma0");
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA);
    g_assert_cmpint(qdict_get_int(event, "length"), ==, LENGTH);
    g_assert_cmpstr(qdict_get_str(event, "direction"), ==, "write");
    g_assert_cmphex(qdict_get_int(event, "old-entry"), ==, OLD | ENTRY_RW);
    g_assert_cmphex(qdict_get_int(event, "new-entry"), ==,
                    entry_get(m, IOVA));
    g_assert_cmpstr(qdict_get_str(event, "invalidation"), ==, invalidation);
    g_assert_true(qdict_get_bool(event, "held"));
    g_assert_cmpstr(qdict_get_str(event, "action"), ==, action);
    qobject_unref(event);
    expect_no_stale_event(m);
}

static void expect_memory(IommuMachine *m, uint64_t old, uint64_t new)
{
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, old);
    g_assert_cmphex(qtest_readq(m->qts, NEW), ==, new);
}

static void test_nothing_wrong(gconstpointer options)
{
    IommuMachine *m = start(options);

    hold(m);
    let_go(m);
    expect_memory(m, WRITTEN, NEW_VALUE);
    expect_no_stale_event(m);
    expect_no_fault(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), ==, 0);
    iommu_quit(m);
}

/* Invalidations of a page that stays mapped are no reason either. */
static void test_only_invalidated(gconstpointer options)
{
    IommuMachine *m = start(options);

    hold(m);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    invalidate_global(m);
    let_go(m);
    expect_memory(m, WRITTEN, NEW_VALUE);
    expect_no_stale_event(m);
    iommu_quit(m);
}

static void test_unmapped(gconstpointer options)
{
    IommuMachine *m = start(options);
    bool enforce = strstr(options, "enforce");

    hold(m);
    unmap(m, IOVA);
    let_go(m);
    expect_event(m, "never", enforce ? "blocked" : "served");
    expect_memory(m, enforce ? OLD_VALUE : WRITTEN, NEW_VALUE);
    if (enforce) {
        expect_fault(m, FAULT_WRITE, IOVA, true);
    }
    expect_no_fault(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), >=, 1);
    iommu_quit(m);
}

static void test_unmapped_and_invalidated(gconstpointer options)
{
    IommuMachine *m = start(options);

    hold(m);
    unmap(m, IOVA);
    invalidate_pages(m, DOMAIN, IOVA, 0);
    let_go(m);
    expect_event(m, "done", "blocked");
    expect_memory(m, OLD_VALUE, NEW_VALUE);
    expect_fault(m, FAULT_WRITE, IOVA, true);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), >=, 1);
    iommu_quit(m);
}

static void test_remapped_and_invalidated(gconstpointer options)
{
    IommuMachine *m = start(options);
    bool enforce = strstr(options, "enforce");

    hold(m);
    map(m, IOVA, NEW, ENTRY_RW);
    invalidate_domain(m, DOMAIN);
    let_go(m);
    expect_event(m, "done", enforce ? "blocked" : "healed");
    expect_memory(m, OLD_VALUE, enforce ? NEW_VALUE : WRITTEN);
    iommu_quit(m);
}

static void test_coherent(void)
{
    IommuMachine *m = start("mode=coherent,bounce=on");

    hold(m);
    map(m, IOVA, NEW, ENTRY_RW);
    let_go(m);
    expect_memory(m, OLD_VALUE, WRITTEN);
    expect_no_stale_event(m);
    g_assert_cmpint(device_counter(m, "dma0", "stale"), >=, 1);
    iommu_quit(m);
}

/* As on stock QEMU: the pointer stays good whatever becomes of the page. */
static void test_without_bounce(gconstpointer iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    map(m, IOVA, OLD, ENTRY_RW);
    hold(m);
    unmap(m, IOVA);
    invalidate_global(m);
    let_go(m);
    g_assert_cmphex(qtest_readq(m->qts, OLD), ==, WRITTEN);
    expect_no_stale_event(m);
    expect_no_fault(m);
    iommu_quit(m);
}

/* Nothing was written through it, so nothing is written back. */
static void test_untouched(void)
{
    IommuMachine *m = start("mode=report,bounce=on");

    tester_prepare(m, SLOT, IOVA, LENGTH, 0);
    tester_command(m, SLOT, SDT_OP_MAP_WRITE);
    unmap(m, IOVA);
    invalidate_global(m);
    let_go(m);
    expect_memory(m, OLD_VALUE, NEW_VALUE);
    expect_no_stale_event(m);
    expect_no_fault(m);
    iommu_quit(m);
}

/* Of three pages the second goes. */
static void test_one_of_several_pages(void)
{
    IommuMachine *m = start("mode=enforce,bounce=on");
    QDict *event;

    for (unsigned i = 0; i < 3; i++) {
        map(m, IOVA + i * PAGE_4K, OLD + i * PAGE_4K, ENTRY_RW);
    }
    tester_prepare(m, SLOT, IOVA + 0x800, 2 * PAGE_4K, 0);
    tester_set64(m, SLOT, SDT_PATTERN, WRITTEN);
    tester_command(m, SLOT, SDT_OP_MAP_WRITE);
    g_assert_cmpuint(tester_get(m, SLOT, SDT_HELD_LENGTH), ==, 2 * PAGE_4K);
    tester_command(m, SLOT, SDT_OP_TOUCH | SDT_CMD_PATTERN);
    unmap(m, IOVA + PAGE_4K);
    let_go(m);
    event = take_stale_event(m);
    g_assert_nonnull(event);
    g_assert_cmphex(qdict_get_int(event, "iova"), ==, IOVA + PAGE_4K);
    g_assert_cmpint(qdict_get_int(event, "length"), ==, PAGE_4K);
    qobject_unref(event);
    expect_no_stale_event(m);
    g_assert_cmphex(qtest_readq(m->qts, OLD + 0x7f8), ==, 0);
    g_assert_cmphex(qtest_readq(m->qts, OLD + 0x800), ==, WRITTEN);
    g_assert_cmphex(qtest_readq(m->qts, OLD + 0xff8), ==, WRITTEN);
    for (unsigned i = 0; i < PAGE_4K; i += 8) {
        g_assert_cmphex(qtest_readq(m->qts, OLD + PAGE_4K + i), ==, 0);
    }
    iommu_quit(m);
}

/* What is read through a pointer is what was there when it was taken. */
static void test_read(void)
{
    IommuMachine *m = start("mode=report,bounce=on");

    tester_prepare(m, SLOT, IOVA, 8, 0);
    g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_MAP_READ), ==,
                     SDT_RESULT_OK);
    unmap(m, IOVA);
    invalidate_global(m);
    g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_TOUCH), ==,
                     SDT_RESULT_OK);
    let_go(m);
    g_assert_cmphex(qtest_readq(m->qts, TESTER_BUFFER), ==, OLD_VALUE);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* Many at a time, 1 MiB in all */
static void test_many(void)
{
    IommuMachine *m = start("mode=report,bounce=on");
    const uint32_t length = 16 * PAGE_4K;

    for (unsigned i = 0; i < SDT_SLOTS * 16; i++) {
        map(m, IOVA + i * PAGE_4K, DATA + i * PAGE_4K, ENTRY_RW);
    }
    for (unsigned i = 0; i < SDT_SLOTS; i++) {
        tester_prepare(m, i, IOVA + i * length, length, 0);
        tester_set64(m, i, SDT_PATTERN, i + 1);
        g_assert_cmpuint(tester_command(m, i, SDT_OP_MAP_WRITE), ==,
                         SDT_RESULT_OK);
        g_assert_cmpuint(tester_get(m, i, SDT_HELD_LENGTH), ==, length);
        tester_command(m, i, SDT_OP_TOUCH | SDT_CMD_PATTERN);
    }
    for (unsigned i = 0; i < SDT_SLOTS; i++) {
        tester_command(m, i, SDT_OP_UNMAP);
        g_assert_cmphex(qtest_readq(m->qts, DATA + i * length), ==, i + 1);
        g_assert_cmphex(qtest_readq(m->qts, DATA + (i + 1) * length - 8), ==,
                        i + 1);
    }
    expect_no_stale_event(m);
    iommu_quit(m);
}

/* A pointer taken before bounce was turned on, and one after */
static void test_turned_on_later(void)
{
    IommuMachine *m = start("mode=report");

    hold(m);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'sunder-iommu-set-mode',"
                             "  'arguments': { 'mode': 'report',"
                             "    'bounce': true } }");
    unmap(m, IOVA);
    invalidate_global(m);
    let_go(m);
    expect_memory(m, WRITTEN, NEW_VALUE);
    expect_no_stale_event(m);
    qtest_writeq(m->qts, OLD, OLD_VALUE);
    map(m, IOVA, OLD, ENTRY_RW);
    hold(m);
    unmap(m, IOVA);
    let_go(m);
    expect_event(m, "never", "served");
    iommu_quit(m);
}

/* A machine that stops has them all given back. */
static void test_stop(void)
{
    IommuMachine *m = start("mode=report,bounce=on");

    hold(m);
    unmap(m, IOVA);
    expect_memory(m, OLD_VALUE, NEW_VALUE);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'stop' }");
    expect_event(m, "never", "served");
    expect_memory(m, WRITTEN, NEW_VALUE);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'cont' }");
    let_go(m);
    expect_no_stale_event(m);
    iommu_quit(m);
}

/*
 * A pointer to the slot's own command register, and what is written through
 * it lets go of the pointer: not while the device is letting go already.
 */
static void test_own_registers(gconstpointer options)
{
    IommuMachine *m = start(options);

    map(m, IOVA, TESTER_BAR + SDT_SLOT(0), ENTRY_RW);
    tester_prepare(m, SLOT, IOVA + SLOT * SDT_SLOT_SIZE + SDT_COMMAND, 4, 0);
    tester_set64(m, SLOT, SDT_PATTERN, SDT_OP_UNMAP);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpuint(tester_command(m, SLOT, SDT_OP_MAP_WRITE), ==,
                         SDT_RESULT_OK);
        g_assert_cmpuint(tester_command(m, SLOT,
                                        SDT_OP_TOUCH | SDT_CMD_PATTERN), ==,
                         SDT_RESULT_OK);
        qtest_qmp_assert_success(m->qts, "{ 'execute': 'stop' }");
        qtest_qmp_assert_success(m->qts, "{ 'execute': 'cont' }");
        g_assert_cmpuint(tester_get(m, SLOT, SDT_STATE), ==, SDT_STATE_HELD);
        let_go(m);
    }
    expect_no_stale_event(m);
    iommu_quit(m);
}

static const struct {
    const char *name;
    void (*run)(gconstpointer options);
} in_both_modes[] = {
    { "nothing-wrong", test_nothing_wrong },
    { "only-invalidated", test_only_invalidated },
    { "unmapped", test_unmapped },
    { "unmapped-and-invalidated", test_unmapped_and_invalidated },
    { "remapped-and-invalidated", test_remapped_and_invalidated },
};

static void add_mode(const char *name, const char *options)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(in_both_modes); i++) {
        g_autofree char *path = g_strdup_printf("/iommu/held/%s/%s", name,
                                                in_both_modes[i].name);

        qtest_add_data_func(path, options, in_both_modes[i].run);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_mode("report", "mode=report,bounce=on");
    add_mode("enforce", "mode=enforce,bounce=on");
    qtest_add_func("/iommu/held/coherent", test_coherent);
    qtest_add_data_func("/iommu/held/without-bounce/intel", "intel-iommu",
                        test_without_bounce);
    qtest_add_data_func("/iommu/held/without-bounce/report",
                        "sunder-iommu,mode=report", test_without_bounce);
    qtest_add_data_func("/iommu/held/without-bounce/enforce",
                        "sunder-iommu,mode=enforce", test_without_bounce);
    qtest_add_data_func("/iommu/held/without-bounce/stock",
                        "sunder-iommu,mode=stock,bounce=on",
                        test_without_bounce);
    qtest_add_func("/iommu/held/untouched", test_untouched);
    qtest_add_func("/iommu/held/one-of-several-pages",
                   test_one_of_several_pages);
    qtest_add_func("/iommu/held/read", test_read);
    qtest_add_func("/iommu/held/many", test_many);
    qtest_add_func("/iommu/held/turned-on-later", test_turned_on_later);
    qtest_add_func("/iommu/held/stop", test_stop);
    qtest_add_data_func("/iommu/held/own-registers", "mode=report",
                        test_own_registers);
    qtest_add_data_func("/iommu/held/own-registers-bounce",
                        "mode=report,bounce=on", test_own_registers);
    return g_test_run();
}
