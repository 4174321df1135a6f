/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that writes nonsense into the registers of the IOMMU, its tables,
 * its queue and the device behind it, while modes change and faults come and
 * go: nothing may crash, and after a reset all is as it was.
 *
 * SUNDER_SEED in the environment picks another run, SUNDER_ACCESSES another
 * length.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "iommu-machine.h"

#define DEFAULT_SEED        "1"
/* With ASan a million takes minutes: a quarter, and the long form by hand. */
#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_ACCESSES    "250000"
#else
#define DEFAULT_ACCESSES    "1000000"
#endif
/* How often something happens that is no access */
#define ACCESSES_A_COMMAND  1000
#define ACCESSES_A_PROGRAM  500

/* Tables for chance to fill, behind the top table of the machine */
#define N_TABLES            8
#define VERSION             0x00
#define VERSION_1_0         0x10

typedef struct Fuzzer {
    IommuMachine *m;
    GRand *rand;
    bool stock;                 /* the mode */
} Fuzzer;

static uint32_t below(Fuzzer *f, uint32_t limit)
{
    return g_rand_int(f->rand) % limit;
}

static uint64_t random64(Fuzzer *f)
{
    return (uint64_t)g_rand_int(f->rand) << 32 | g_rand_int(f->rand);
}

/* Edges and single bits are more telling than noise. */
static uint64_t nonsense(Fuzzer *f)
{
    switch (below(f, 4)) {
    case 0:
        return below(f, 2) ? UINT64_MAX : 0;
    case 1:
        return UINT64_C(1) << below(f, 64);
    case 2:
        return ~(UINT64_C(1) << below(f, 64));
    default:
        return random64(f);
    }
}

static uint64_t some_table(Fuzzer *f)
{
    return TABLES + below(f, N_TABLES) * PAGE_4K;
}

/* Where tables, pages and queues may be said to be */
static uint64_t somewhere(Fuzzer *f)
{
    switch (below(f, 10)) {
    case 0:
        return UNIT;
    case 1:
        return TESTER_BAR;
    case 2:
        return TESTER_BUFFER;
    case 3:
        return 0xfee00000;
    case 4:
        return RAM_END - below(f, 2) * PAGE_4K;
    case 5:
        return random64(f) & UINT64_C(0x000ffffffffff000);
    case 6:
        return ROOT_TABLE + below(f, 4) * PAGE_4K;
    case 7:
        return DATA + below(f, 16) * PAGE_4K;
    default:
        return some_table(f);
    }
}

static uint64_t some_iova(Fuzzer *f)
{
    uint64_t iova = below(f, 64) * PAGE_4K + below(f, 4096);

    switch (below(f, 8)) {
    case 0:
        return nonsense(f);
    case 1:
        return 0xfee00000 + below(f, 0x100000);
    case 2:
        return iova | (uint64_t)below(f, 4) << (12 + 9 * below(f, 4));
    default:
        return iova;
    }
}

static void write_unit(Fuzzer *f)
{
    /* any register, but more often those of commands and queue */
    static const unsigned often[] = {
        REG_GCMD, REG_RTADDR, REG_CCMD, REG_FSTS, REG_FECTL, REG_IQT,
        REG_IQA, REG_IVA, REG_IOTLB, REG_FRCD + 12, REG_IOTLB + 4,
    };
    unsigned offset = below(f, 2) ? often[below(f, G_N_ELEMENTS(often))]
                                  : below(f, UNIT_SIZE / 4) * 4;
    uint64_t value = below(f, 3) ? nonsense(f) : somewhere(f) | below(f, 8);

    if (offset == REG_IQT && below(f, 2)) {
        value = below(f, 256) * 16;
    }
    if (below(f, 2) && offset % 8 == 0) {
        unit_writeq(f->m, offset, value);
    } else {
        unit_writel(f->m, offset, value >> below(f, 2) * 32);
    }
}

static void read_unit(Fuzzer *f)
{
    unsigned offset = below(f, UNIT_SIZE / 8) * 8;

    if (below(f, 2)) {
        unit_readq(f->m, offset);
    } else {
        unit_readl(f->m, offset + below(f, 2) * 4);
    }
}

static void write_entry(Fuzzer *f)
{
    uint64_t table = below(f, 8) ? some_table(f)
                                 : ROOT_TABLE + below(f, 2) * PAGE_4K;
    uint64_t entry = below(f, 4) ? somewhere(f) | below(f, 4) : nonsense(f);

    entry |= below(f, 8) ? 0 : ENTRY_LARGE;
    qtest_writeq(f->m->qts, table + below(f, 64) * 8, entry);
}

static void write_descriptor(Fuzzer *f)
{
    uint64_t at = QUEUE + below(f, 256) * 16;
    /* types 1 to 5 with any granularity, or something else */
    uint64_t low = below(f, 4) ? below(f, 0x80) : nonsense(f);
    uint64_t high = below(f, 2) ? somewhere(f) | below(f, 64) : nonsense(f);

    qtest_writeq(f->m->qts, at, low | (below(f, 2) ? DOMAIN << 16 : 0));
    qtest_writeq(f->m->qts, at + 8, high);
}

static void write_slot(Fuzzer *f)
{
    unsigned slot = below(f, SDT_SLOTS);

    switch (below(f, 6)) {
    case 0:
        tester_set(f->m, slot, below(f, SDT_SLOT_SIZE / 4) * 4, nonsense(f));
        break;
    case 1:
        tester_set64(f->m, slot, SDT_DELAY_NS, random64(f) >> below(f, 64));
        break;
    case 2:
        tester_prepare(f->m, slot, some_iova(f), 1 + below(f, 0x6000),
                       below(f, 2) * below(f, 10000000));
        break;
    default:
        tester_set(f->m, slot, SDT_COMMAND,
                   below(f, 8) | below(f, 16) << 8);
        break;
    }
}

/*
 * Not in mode stock: QEMU's model holds its lock while it reads tables that
 * are registers, which takes the big lock, in another order than elsewhere.
 */
static void write_bench(Fuzzer *f)
{
    IommuMachine *m = f->m;

    if (f->stock) {
        return;
    }
    if (below(f, 2)) {
        qtest_writel(m->qts, TESTER_BAR + SDT_BENCH +
                     below(f, SDT_BENCH_SIZE / 4) * 4, nonsense(f));
        return;
    }
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_PAGES, 1 + below(f, 64));
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_ROUNDS, 1 + below(f, 64));
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_LENGTH, 1 + below(f, 8192));
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_THREADS, 1 + below(f, 3));
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_BATCH, 1 + below(f, 16));
    qtest_writeq(m->qts, TESTER_BAR + SDT_BENCH_STRIDE, PAGE_4K);
    qtest_writeq(m->qts, TESTER_BAR + SDT_BENCH_IOVA, some_iova(f));
    qtest_writeq(m->qts, TESTER_BAR + SDT_BENCH_ENTRY, somewhere(f));
    qtest_writel(m->qts, TESTER_BAR + SDT_BENCH_COMMAND,
                 below(f, SDT_BENCH_OP_LOOK + 1));
}

static void access_something(Fuzzer *f)
{
    unsigned what = below(f, 1000);

    if (what < 400) {
        write_unit(f);
    } else if (what < 450) {
        read_unit(f);
    } else if (what < 600) {
        write_entry(f);
    } else if (what < 750) {
        write_descriptor(f);
    } else if (what < 995) {
        write_slot(f);
    } else {
        write_bench(f);
    }
}

/* Some of these are refused in the state that the guest has made: fine. */
static const char *const commands[] = {
    "{ 'execute': 'query-sunder-iommu' }",
    "{ 'execute': 'sunder-iommu-set-mode',"
    "  'arguments': { 'mode': 'report', 'bounce': true } }",
    "{ 'execute': 'sunder-iommu-set-mode',"
    "  'arguments': { 'mode': 'report', 'bounce': false } }",
    "{ 'execute': 'sunder-iommu-set-mode',"
    "  'arguments': { 'mode': 'enforce' } }",
    "{ 'execute': 'sunder-iommu-set-mode',"
    "  'arguments': { 'mode': 'coherent' } }",
    "{ 'execute': 'sunder-iommu-set-mode',"
    "  'arguments': { 'mode': 'stock' } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'a',"
    "  'point': 'iommu0/invalidation', 'outcome': 'lost',"
    "  'probability': 0.5 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'b',"
    "  'point': 'iommu0/invalidation', 'outcome': 'delayed',"
    "  'duration': 3000000, 'every': 2 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'c',"
    "  'point': 'iommu0/dma0/dma', 'outcome': 'translation-fault',"
    "  'every': 3 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'd',"
    "  'point': 'iommu0/dma0/dma', 'outcome': 'blocked', 'every': 7 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'e',"
    "  'point': 'iommu0/dma0/dma', 'outcome': 'late-dma',"
    "  'duration': 1000000, 'value': 1 } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'a' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'b' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'c' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'd' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'e' } }",
    "{ 'execute': 'stop' }",
};

static void run_command(Fuzzer *f)
{
    const char *command = commands[below(f, G_N_ELEMENTS(commands))];
    QTestState *qts = f->m->qts;

    if (strstr(command, "'mode'")) {
        /* which ends the bench */
        qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
        f->stock = strstr(command, "'stock'");
    }
    qtest_qmp_send_raw(qts, "%s", command);
    qobject_unref(qtest_qmp_receive(qts));
    qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
    qtest_clock_step(qts, (1 + below(f, 20)) * 1000000);
    /* drops the events, too */
    event_came(qts, "no such event");
    if (below(f, 20) == 0) {
        qtest_system_reset(qts);
    }
}

/* Without this most accesses would soon find nobody. */
static void program(IommuMachine *m)
{
    QTestState *qts = m->qts;
    uint64_t leaves[64];

    config_window_enable(qts);
    bar_program(qts, TESTER, 2, TESTER_BUFFER);
    bar_program(qts, TESTER, 0, TESTER_BAR);
    unit_writel(m, REG_GCMD, 0);
    unit_writel(m, REG_FSTS, UINT32_MAX);
    unit_writel(m, REG_FRCD + 12, UINT32_MAX);
    unit_writeq(m, REG_RTADDR, ROOT_TABLE);
    unit_writeq(m, REG_IQT, 0);
    unit_writeq(m, REG_IQA, QUEUE);
    unit_writel(m, REG_GCMD, GCMD_SRTP);
    unit_writel(m, REG_GCMD, GCMD_QIE);
    unit_writel(m, REG_GCMD, GCMD_QIE | GCMD_TE);
    qtest_writeq(qts, ROOT_TABLE, CONTEXT_TABLE | 1);
    qtest_writeq(qts, ROOT_TABLE + 8, 0);
    context_set(m, TESTER, TABLES, 4, DOMAIN, TYPE_MULTI_LEVEL);
    for (unsigned i = 0; i < 3; i++) {
        qtest_writeq(qts, TABLES + i * PAGE_4K,
                     (TABLES + (i + 1) * PAGE_4K) | ENTRY_RW);
    }
    for (unsigned i = 0; i < 64; i++) {
        leaves[i] = cpu_to_le64((DATA + i * PAGE_4K) | ENTRY_RW);
    }
    qtest_bufwrite(qts, TABLES + 3 * PAGE_4K, leaves, sizeof(leaves));
}

static uint64_t number_from_environment(const char *name,
                                        const char *otherwise)
{
    const char *text = g_getenv(name);

    return g_ascii_strtoull(text ?: otherwise, NULL, 0);
}

static void remove_all_rules(QTestState *qts)
{
    for (char id = 'a'; id <= 'e'; id++) {
        qtest_qmp_send(qts, "{ 'execute': 'sunder-fault-remove',"
                       "  'arguments': { 'id': %s } }",
                       (char[]) { id, '\0' });
        qobject_unref(qtest_qmp_receive(qts));
    }
}

static void assert_sane_after_reset(IommuMachine *m)
{
    uint64_t value;

    qtest_system_reset(m->qts);
    qtest_memset(m->qts, TABLES, 0, N_TABLES * PAGE_4K);
    set_mode(m, "enforce");
    program(m);
    g_assert_cmphex(unit_readl(m, VERSION), ==, VERSION_1_0);
    g_assert_cmphex(unit_readl(m, REG_GSTS) & (GCMD_TE | GCMD_QIE), ==,
                    GCMD_TE | GCMD_QIE);
    qtest_writeq(m->qts, DATA + 5 * PAGE_4K, 4711);
    g_assert_cmpuint(dma_read(m, 5 * PAGE_4K, &value), ==, SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 4711);
    unit_take_fault(m);
    g_assert_cmpuint(dma_read(m, 64 * PAGE_4K, &value), ==,
                     SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_READ, 64 * PAGE_4K, false);
}

static void test_nonsense(void)
{
    uint64_t seed = number_from_environment("SUNDER_SEED", DEFAULT_SEED);
    uint64_t accesses = number_from_environment("SUNDER_ACCESSES",
                                                DEFAULT_ACCESSES);
    Fuzzer f = {
        .m = iommu_start("sunder-iommu,mode=report,bounce=on", " "),
        .rand = g_rand_new_with_seed(seed),
    };

    g_test_message("SUNDER_SEED=%" PRIu64 " SUNDER_ACCESSES=%" PRIu64, seed,
                   accesses);
    program(f.m);
    for (uint64_t i = 1; i <= accesses; i++) {
        access_something(&f);
        if (i % ACCESSES_A_PROGRAM == 0) {
            program(f.m);
        }
        if (i % ACCESSES_A_COMMAND == 0) {
            run_command(&f);
        }
    }
    remove_all_rules(f.m->qts);
    assert_sane_after_reset(f.m);
    g_rand_free(f.rand);
    iommu_quit(f.m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommu/nonsense", test_nonsense);
    return g_test_run();
}
