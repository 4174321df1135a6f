/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cached translation is used until an invalidation covers it: of pages, of
 * a domain, of everything; through the queue and by registers; the same of
 * QEMU's intel-iommu as of sunder-iommu.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

#define N_PAGES         16

typedef struct Variant {
    const char *name;
    const char *iommu;
    bool queued;
} Variant;

static const Variant variants[] = {
    { "stock-queue", "intel-iommu", true },
    { "stock-registers", "intel-iommu", false },
    { "mode-stock", "sunder-iommu,mode=stock", true },
    { "report-queue", "sunder-iommu,mode=report", true },
    { "report-registers", "sunder-iommu,mode=report", false },
    { "bounce-queue", "sunder-iommu,mode=report,bounce=on", true },
};

/* Pages at IOVA that were used at OLD and whose entries now say NEW */
static IommuMachine *start_remapped(const Variant *v)
{
    IommuMachine *m = iommu_start_mapped(v->iommu, " ");

    if (!v->queued) {
        /* it can be disabled only behind a wait descriptor */
        invalidate_global(m);
        unit_writel(m, REG_GCMD, GCMD_TE);
        g_assert_false(unit_readl(m, REG_GSTS) & GCMD_QIE);
        m->queued = false;
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        uint64_t value;

        qtest_writeq(m->qts, OLD + i * PAGE_4K, i);
        qtest_writeq(m->qts, NEW + i * PAGE_4K, 100 + i);
        map(m, IOVA + i * PAGE_4K, OLD + i * PAGE_4K, ENTRY_RW);
        g_assert_cmpuint(dma_read(m, IOVA + i * PAGE_4K, &value), ==,
                         SDT_RESULT_OK);
        g_assert_cmpuint(value, ==, i);
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        map(m, IOVA + i * PAGE_4K, NEW + i * PAGE_4K, ENTRY_RW);
    }
    return m;
}

/* Each bit of @fresh that is set: that page leads to its new place. */
static void expect_fresh(IommuMachine *m, unsigned fresh)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        uint64_t value;

        g_assert_cmpuint(dma_read(m, IOVA + i * PAGE_4K, &value), ==,
                         SDT_RESULT_OK);
        g_assert_cmpuint(value, ==, fresh & 1u << i ? 100 + i : i);
    }
    expect_no_fault(m);
}

static void test_none(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    expect_fresh(m, 0);
    expect_fresh(m, 0);
    iommu_quit(m);
}

static void test_one_page(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_pages(m, DOMAIN, IOVA + 3 * PAGE_4K, 0);
    expect_fresh(m, 1u << 3);
    iommu_quit(m);
}

/* A mask of order N covers 2^N pages, aligned to that. */
static void test_range(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_pages(m, DOMAIN, IOVA + 5 * PAGE_4K, 2);
    expect_fresh(m, 0xf0);
    invalidate_pages(m, DOMAIN, IOVA, 18);
    expect_fresh(m, 0xffff);
    iommu_quit(m);
}

static void test_other_page(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_pages(m, DOMAIN, IOVA + N_PAGES * PAGE_4K, 4);
    expect_fresh(m, 0);
    iommu_quit(m);
}

static void test_domain(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_domain(m, DOMAIN);
    expect_fresh(m, 0xffff);
    iommu_quit(m);
}

static void test_other_domain(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_domain(m, DOMAIN + 1);
    invalidate_pages(m, DOMAIN + 1, IOVA, 4);
    expect_fresh(m, 0);
    iommu_quit(m);
}

static void test_global(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    invalidate_global(m);
    expect_fresh(m, 0xffff);
    iommu_quit(m);
}

/* One invalidation at an address in a large page covers all of it. */
static void test_large_page(gconstpointer variant)
{
    const Variant *v = variant;
    IommuMachine *m = start_remapped(v);
    uint64_t iova = IOVA + 4 * PAGE_2M, value;
    uint64_t at = entry_address(m, m->tables, 4, iova, 2);

    qtest_writeq(m->qts, at, DATA | ENTRY_RW | ENTRY_LARGE);
    g_assert_cmpuint(dma_read(m, iova + 5 * PAGE_4K, &value), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 5);
    qtest_writeq(m->qts, DATA + PAGE_2M + 9 * PAGE_4K, 77);
    qtest_writeq(m->qts, at, (DATA + PAGE_2M) | ENTRY_RW | ENTRY_LARGE);
    g_assert_cmpuint(dma_read(m, iova + 6 * PAGE_4K, &value), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 6);
    invalidate_pages(m, DOMAIN, iova + 2 * PAGE_4K, 0);
    g_assert_cmpuint(dma_read(m, iova + 9 * PAGE_4K, &value), ==,
                     SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 77);
    iommu_quit(m);
}

/* The ring is gone round several times. */
static void test_queue_wraps(gconstpointer variant)
{
    IommuMachine *m = start_remapped(variant);

    for (unsigned i = 0; i < 1000; i++) {
        invalidate_pages(m, DOMAIN, IOVA + 100 * PAGE_4K, 0);
    }
    expect_fresh(m, 0);
    invalidate_pages(m, DOMAIN, IOVA, 4);
    expect_fresh(m, 0xffff);
    iommu_quit(m);
}

/* Several descriptors at one ring of the bell */
static void test_queue_in_bulk(gconstpointer variant)
{
    const Variant *v = variant;
    IommuMachine *m = start_remapped(v);

    if (v->queued) {
        for (unsigned i = 0; i < 8; i++) {
            queue_put(m, 0x32 | DOMAIN << 16, IOVA + i * 2 * PAGE_4K);
        }
        queue_ring(m);
        expect_fresh(m, 0x5555);
    }
    iommu_quit(m);
}

static void expect_queue_error(IommuMachine *m)
{
    g_assert_cmphex(unit_readl(m, REG_FSTS) & FSTS_IQE, ==, FSTS_IQE);
    unit_writel(m, REG_FSTS, FSTS_IQE);
    g_assert_cmphex(unit_readl(m, REG_FSTS) & FSTS_IQE, ==, 0);
}

/* A tail behind the end: an error, and the queue goes on after it. */
static void test_queue_tail(gconstpointer variant)
{
    const Variant *v = variant;
    IommuMachine *m = start_remapped(v);

    if (v->queued) {
        unit_writel(m, REG_IQT, QUEUE_BYTES);
        expect_queue_error(m);
        unit_writel(m, REG_IQT, UINT32_MAX);
        expect_queue_error(m);
        expect_fresh(m, 0);
        invalidate_pages(m, DOMAIN, IOVA, 4);
        expect_fresh(m, 0xffff);
    }
    iommu_quit(m);
}

/* @size: log2 of its pages */
static void queue_move(IommuMachine *m, uint64_t base, unsigned size)
{
    invalidate_domain(m, DOMAIN + 1);
    unit_writel(m, REG_GCMD, GCMD_TE);
    g_assert_false(unit_readl(m, REG_GSTS) & GCMD_QIE);
    unit_writeq(m, REG_IQT, 0);
    unit_writeq(m, REG_IQA, base | size);
    unit_writel(m, REG_GCMD, GCMD_TE | GCMD_QIE);
}

/* Descriptors in the last page of memory, for the page at IOVA and behind */
static void queue_fill(IommuMachine *m)
{
    for (unsigned i = 0; i < PAGE_4K / 16; i++) {
        uint64_t at = RAM_END - PAGE_4K + i * 16;

        qtest_writeq(m->qts, at, 0x32 | DOMAIN << 16);
        qtest_writeq(m->qts, at + 8, IOVA + (i ? N_PAGES + i : 0) * PAGE_4K);
    }
}

/* Of registers; of nothing; and one that says it is larger than memory */
static void test_queue_nowhere(gconstpointer variant)
{
    static const struct {
        uint64_t base;
        unsigned size;
        uint32_t tail;
        unsigned fresh;
    } queues[] = {
        { UNIT, 0, 16, 0 },
        { RAM_END, 0, 16, 0 },
        { RAM_END - PAGE_4K, 7, PAGE_4K + 16, 1 },
    };
    const Variant *v = variant;

    for (unsigned i = 0; v->queued && i < G_N_ELEMENTS(queues); i++) {
        IommuMachine *m = start_remapped(v);

        queue_move(m, queues[i].base, queues[i].size);
        queue_fill(m);
        unit_writel(m, REG_IQT, queues[i].tail);
        expect_queue_error(m);
        expect_fresh(m, queues[i].fresh);
        iommu_quit(m);
    }
}

static const struct {
    const char *name;
    void (*run)(gconstpointer variant);
} tests[] = {
    { "none", test_none },
    { "one-page", test_one_page },
    { "range", test_range },
    { "other-page", test_other_page },
    { "domain", test_domain },
    { "other-domain", test_other_domain },
    { "global", test_global },
    { "large-page", test_large_page },
    { "queue-wraps", test_queue_wraps },
    { "queue-in-bulk", test_queue_in_bulk },
    { "queue-tail", test_queue_tail },
    { "queue-nowhere", test_queue_nowhere },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(variants); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(tests); j++) {
            g_autofree char *path = g_strdup_printf(
                "/iommu/%s/%s", variants[i].name, tests[j].name);

            qtest_add_data_func(path, &variants[i], tests[j].run);
        }
    }
    return g_test_run();
}
