/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's intel-iommu and sunder-iommu, step by step side by side: tables of
 * any content, made by chance, and DMA to any address.  After each change of
 * tables everything is invalidated; then both must answer alike, and refuse
 * with the same entry in the fault log.
 *
 * SUNDER_SEED in the environment picks another run.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"

#define DEFAULT_SEED    1
#define ROUNDS          150
#define DMAS_A_ROUND    12
#define N_TABLES        6
#define N_FRAMES        8

typedef struct Pair {
    IommuMachine *stock, *ours;
    GRand *rand;
    unsigned refused, served;
} Pair;

static unsigned below(Pair *p, unsigned limit)
{
    return g_rand_int_range(p->rand, 0, limit);
}

static uint64_t table(unsigned i)
{
    return TABLES + i * PAGE_4K;
}

static void write_both(Pair *p, uint64_t address, uint64_t value)
{
    qtest_writeq(p->stock->qts, address, value);
    qtest_writeq(p->ours->qts, address, value);
}

/* Where an entry leads: mostly to tables and frames, else out of bounds */
static uint64_t some_address(Pair *p)
{
    switch (below(p, 24)) {
    case 0:
        return 0xfee00000 + below(p, 2) * PAGE_4K;
    case 1:
        return RAM_END;
    case 2:
        /* nobody there: a table of registers is an error to ours only */
        return (uint64_t)(256 + below(p, 1 << 12)) << 32;
    case 3:
        return PAGE_2M * below(p, 64);
    case 4:
    case 5:
    case 6:
        return DATA + below(p, N_FRAMES) * PAGE_4K;
    default:
        return table(below(p, N_TABLES));
    }
}

static uint64_t some_entry(Pair *p)
{
    uint64_t entry = some_address(p) | (below(p, 8) ? ENTRY_RW : below(p, 4));

    if (below(p, 12) == 0) {
        entry |= ENTRY_LARGE;
    }
    if (below(p, 30) == 0) {
        entry |= UINT64_C(1) << below(p, 64);
    }
    return below(p, 16) ? entry : 0;
}

static void change_tables(Pair *p)
{
    for (unsigned i = 0; i < 6; i++) {
        write_both(p, table(below(p, N_TABLES)) + below(p, 4) * 8,
                   some_entry(p));
    }
}

static void change_context(Pair *p)
{
    uint64_t at = CONTEXT_TABLE + (TESTER & 0xff) * 16;
    uint64_t low = table(0) | 1, high = 2 | DOMAIN << 8;

    switch (below(p, 12)) {
    case 0:
        low ^= UINT64_C(1) << below(p, 64);
        break;
    case 1:
        high ^= UINT64_C(1) << below(p, 64);
        break;
    case 2:
        high = 1 | DOMAIN << 8;
        break;
    case 3:
        low |= TYPE_PASS_THROUGH << 2;
        break;
    default:
        break;
    }
    write_both(p, at, low);
    write_both(p, at + 8, high);
}

/* Indexes below 4 on each level, sometimes with more above or below */
static uint64_t some_iova(Pair *p)
{
    uint64_t iova = below(p, 512) * 8;

    for (unsigned level = 0; level < 4; level++) {
        iova |= (uint64_t)below(p, 4) << (12 + 9 * level);
    }
    if (below(p, 20) == 0) {
        iova |= UINT64_C(1) << (47 + below(p, 16));
    }
    /* messages are no DMA */
    return iova >> 20 == 0xfee ? 0 : iova;
}

static void invalidate_both(Pair *p)
{
    invalidate_contexts(p->stock);
    invalidate_global(p->stock);
    invalidate_contexts(p->ours);
    invalidate_global(p->ours);
}

/*
 * A table among the interrupt controller's registers: reads of them work, so
 * intel-iommu goes on; ours wants tables to be memory.
 */
static bool meets_registers(Pair *p, uint64_t iova)
{
    uint64_t context = CONTEXT_TABLE + (TESTER & 0xff) * 16;
    QTestState *qts = p->stock->qts;
    uint64_t entry = qtest_readq(qts, context);
    unsigned levels = (qtest_readq(qts, context + 8) & 7) + 2;

    if (levels > 4) {
        return false;
    }
    for (unsigned level = levels; level > 0; level--) {
        uint64_t at = entry & UINT64_C(0x000ffffffffff000);

        if (at >> 20 == 0xfee) {
            return true;
        }
        entry = qtest_readq(qts, at + (iova >> (3 + 9 * level) & 511) * 8);
    }
    return false;
}

static void do_dma(Pair *p)
{
    uint64_t iova = some_iova(p), values[2] = { 0, 0 };
    bool write = below(p, 2);
    uint32_t results[2];
    IommuFault faults[2];
    IommuMachine *machines[2] = { p->stock, p->ours };

    if (meets_registers(p, iova)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        results[i] = write ? dma_write(machines[i], iova, iova + 1)
                           : dma_read(machines[i], iova, &values[i]);
        faults[i] = unit_take_fault(machines[i]);
    }
    g_assert_cmpuint(results[0], ==, results[1]);
    g_assert_cmphex(values[0], ==, values[1]);
    g_assert_cmphex(faults[0].reason, ==, faults[1].reason);
    g_assert_cmphex(faults[0].requester, ==, faults[1].requester);
    g_assert_cmphex(faults[0].address, ==, faults[1].address);
    g_assert_cmpint(faults[0].write, ==, faults[1].write);
    p->refused += results[0] == SDT_RESULT_REFUSED;
    p->served += results[0] == SDT_RESULT_OK;
}

static void expect_same_memory(Pair *p)
{
    size_t size = N_FRAMES * PAGE_4K;
    g_autofree uint8_t *stock = g_malloc(size), *ours = g_malloc(size);

    qtest_bufread(p->stock->qts, DATA, stock, size);
    qtest_bufread(p->ours->qts, DATA, ours, size);
    g_assert_cmpmem(stock, size, ours, size);
}

static void test_same(gconstpointer device)
{
    const char *seed = g_getenv("SUNDER_SEED");
    Pair p = {
        .stock = iommu_start_mapped("intel-iommu", " "),
        .ours = iommu_start_mapped(device, " "),
        .rand = g_rand_new_with_seed(seed ? strtoul(seed, NULL, 0)
                                          : DEFAULT_SEED),
    };

    for (unsigned i = 0; i < N_TABLES; i++) {
        write_both(&p, table(i), table((i + 1) % N_TABLES) | ENTRY_RW);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        change_tables(&p);
        change_context(&p);
        for (unsigned j = 0; j < DMAS_A_ROUND; j++) {
            invalidate_both(&p);
            do_dma(&p);
        }
    }
    expect_same_memory(&p);
    g_test_message("%u served, %u refused", p.served, p.refused);
    g_assert_cmpuint(p.served, >, 100);
    g_assert_cmpuint(p.refused, >, 100);
    g_rand_free(p.rand);
    iommu_quit(p.stock);
    iommu_quit(p.ours);
}

int main(int argc, char **argv)
{
    static const char *const devices[] = {
        "sunder-iommu,mode=stock", "sunder-iommu,mode=report",
        "sunder-iommu,mode=enforce", "sunder-iommu,mode=coherent",
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *path = g_strdup_printf("/iommu/same/%s",
                                                devices[i]);

        qtest_add_data_func(path, devices[i], test_same);
    }
    return g_test_run();
}
