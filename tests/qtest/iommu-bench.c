/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translations and invalidations cost: QEMU's intel-iommu and ours in
 * the same run, round by round in turn, so that a busy host troubles both.
 * Started by tests/bench/iommu.
 *
 * The DMA tester's bench does the work and reads the host's clock; this
 * program only sets it up.  Printed are medians over the rounds, and the
 * median of the ratios of each round; what shall be the same for any number
 * of pages or threads, as the fastest of many short runs.
 */
#include "qemu/osdep.h"
#include <math.h>
#include "qemu/bswap.h"
#include "bench-goals.h"
#include "iommu-machine.h"

#define MAX_ROUNDS      100
#define N_PAGES         131072u
#define N_DATA          ((RAM_END - DATA) / PAGE_4K)

#define PSI             0x32u
#define DSI             0x22u
#define GLOBAL          0x12u

/* One measurement: what to set, and which quotient is the figure */
typedef struct Measure {
    uint32_t op, pages, rounds, length, threads, batch, flags, descriptor;
    uint64_t stride;
    bool invalidations;         /* the figure is theirs */
    bool cpu;                   /* the figure is time on a CPU */
} Measure;

static unsigned rounds = 9;

static void bench_set(IommuMachine *m, unsigned reg, uint32_t value)
{
    qtest_writel(m->qts, TESTER_BAR + reg, value);
}

static void bench_set64(IommuMachine *m, unsigned reg, uint64_t value)
{
    qtest_writeq(m->qts, TESTER_BAR + reg, value);
}

static uint64_t bench_get64(IommuMachine *m, unsigned reg)
{
    return qtest_readq(m->qts, TESTER_BAR + reg);
}

/* N_PAGES at IOVA whose leaf entries lie one behind the other */
static void fill_tables(IommuMachine *m)
{
    uint64_t first = m->next_table;
    uint64_t *entries = g_new(uint64_t, N_PAGES);

    m->next_table += N_PAGES / 512 * PAGE_4K;
    for (uint32_t i = 0; i < N_PAGES; i++) {
        entries[i] = cpu_to_le64((DATA + i % N_DATA * PAGE_4K) | ENTRY_RW);
    }
    qtest_bufwrite(m->qts, first, entries, N_PAGES * 8);
    g_free(entries);
    for (uint32_t i = 0; i < N_PAGES; i += 512) {
        uint64_t at = entry_address(m, m->tables, 4, IOVA + i * PAGE_4K, 2);

        qtest_writeq(m->qts, at, (first + i * 8) | ENTRY_RW);
    }
    bench_set64(m, SDT_BENCH_ENTRY, first);
}

static IommuMachine *start(const char *iommu)
{
    IommuMachine *m = iommu_start_mapped(iommu, " ");

    fill_tables(m);
    bench_set64(m, SDT_BENCH_IOVA, IOVA);
    /* to another page of memory and back */
    bench_set64(m, SDT_BENCH_TOGGLE, PAGE_4K);
    return m;
}

static void run(IommuMachine *m, const Measure *measure)
{
    uint32_t state;

    bench_set64(m, SDT_BENCH_STRIDE, measure->stride ?: PAGE_4K);
    bench_set(m, SDT_BENCH_PAGES, measure->pages);
    bench_set(m, SDT_BENCH_ROUNDS, measure->rounds);
    bench_set(m, SDT_BENCH_LENGTH, measure->length ?: 8);
    bench_set(m, SDT_BENCH_THREADS, measure->threads ?: 1);
    bench_set(m, SDT_BENCH_BATCH, measure->batch);
    bench_set(m, SDT_BENCH_FLAGS, measure->flags);
    bench_set64(m, SDT_BENCH_DESCRIPTOR,
                measure->descriptor | DOMAIN << 16);
    bench_set64(m, SDT_BENCH_DESCRIPTOR + 8, 0);
    bench_set(m, SDT_BENCH_COMMAND, measure->op);
    do {
        g_usleep(500);
        state = qtest_readl(m->qts, TESTER_BAR + SDT_BENCH_STATE);
    } while (state == SDT_BENCH_STATE_RUNNING);
    g_assert_cmpuint(state, ==, SDT_BENCH_STATE_DONE);
    g_assert_cmpuint(bench_get64(m, SDT_BENCH_FAILED), ==, 0);
}

/* Returns: host nanoseconds of one operation. */
static double figure(IommuMachine *m, const Measure *measure)
{
    run(m, measure);
    if (measure->invalidations) {
        return (double)bench_get64(m, SDT_BENCH_INV_NS) /
               bench_get64(m, SDT_BENCH_INV_OPS);
    }
    return (double)bench_get64(m, measure->cpu ? SDT_BENCH_CPU_NS
                                               : SDT_BENCH_NS) /
           bench_get64(m, SDT_BENCH_OPS);
}

/* Two machines, or two measurements, in turn: second to first */
static void compare_two(const char *name, IommuMachine *first,
                        const Measure *of_first, IommuMachine *second,
                        const Measure *of_second, double limit)
{
    Series a = { 0 }, b = { 0 }, ratios = { 0 };
    double ratio = 0;

    for (unsigned i = 0; goals_more(i, rounds, ratio, limit); i++) {
        double x = figure(first, of_first);
        double y = figure(second, of_second);

        series_add(&a, x);
        series_add(&b, y);
        series_add(&ratios, y / x);
        ratio = series_median(&ratios);
    }
    goals_row(name, series_median(&a), series_median(&b), ratio, name, limit);
}

static void bench_translations(IommuMachine *stock, IommuMachine *ours)
{
    static const struct {
        const char *name;
        Measure measure;
        double limit;
    } rows[] = {
        { "hit, 16 pages",
          { SDT_BENCH_OP_TRANSLATE, 16, 200000 }, 0.6 },
        { "hit, 512 pages",
          { SDT_BENCH_OP_TRANSLATE, 512, 200000 }, 0.6 },
        { "working set of 2000 pages",
          { SDT_BENCH_OP_TRANSLATE, 2000, 100000 }, 0.15 },
        { "working set of 8000 pages",
          { SDT_BENCH_OP_TRANSLATE, 8000, 100000 }, 0.15 },
        { "first translation after a remap",
          { SDT_BENCH_OP_REMAP, 512, 500, .batch = 64,
            .descriptor = PSI }, 0.4 },
        { "DMA of 64 bytes, 512 pages",
          { SDT_BENCH_OP_READ, 512, 100000, 64 }, 0 },
        { "DMA of 4 KiB, 512 pages",
          { SDT_BENCH_OP_READ, 512, 100000, 4096 }, 0 },
        { "held DMA of 256 KiB, without bounce",
          { SDT_BENCH_OP_HELD_WRITE, 16, 200, 256 * 1024,
            .stride = 256 * 1024 }, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        compare_two(rows[i].name, stock, &rows[i].measure, ours,
                    &rows[i].measure, rows[i].limit);
    }
}

/* What is in the host's caches when the doorbell rings */
static const struct {
    const char *name;
    uint32_t flags;
    double limit;
} caches[] = {
    { "warm", SDT_BENCH_WARM, 1.3 },
    { "as they are", 0, 0 },
    { "empty", SDT_BENCH_COLD, 1.3 },
};

static const uint32_t live[] = { 10, 100, 1000, 10000, 100000 };

static Measure invalidation(uint32_t granularity, uint32_t entries,
                            uint32_t flags)
{
    bool in_batches = granularity == PSI && !(flags & SDT_BENCH_COLD);

    return (Measure) {
        .op = SDT_BENCH_OP_REMAP, .pages = entries, .invalidations = true,
        .rounds = in_batches ? 50 : flags & SDT_BENCH_COLD ? 8 : 10,
        .batch = in_batches ? MIN(entries, 64) : 1,
        .descriptor = granularity,
        .flags = flags | (granularity == PSI ? 0 : SDT_BENCH_REFILL),
    };
}

/* The cost at each number of entries, once more */
typedef struct Growth {
    bool fastest;               /* of all runs; else the median */
    Series at[G_N_ELEMENTS(live)];
    double least, most;
} Growth;

static double growth_at(Growth *g, unsigned i)
{
    return g->fastest ? series_least(&g->at[i]) : series_median(&g->at[i]);
}

static void growth_round(Growth *g, IommuMachine *m, uint32_t granularity,
                         uint32_t flags)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(live); i++) {
        Measure measure = invalidation(granularity, live[i], flags);

        series_add(&g->at[i], figure(m, &measure));
    }
    g->least = INFINITY;
    g->most = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(live); i++) {
        g->least = MIN(g->least, growth_at(g, i));
        g->most = MAX(g->most, growth_at(g, i));
    }
}

/*
 * Warm, the fastest of many short runs of each size: a host's processor may be
 * slower by half for a while, and that must not look like growth.  What memory
 * adds is different every time, so else it is the median.
 */
static void bench_growth(IommuMachine *m, const char *name,
                         uint32_t granularity, unsigned with)
{
    Growth g = { .fastest = caches[with].flags & SDT_BENCH_WARM };
    unsigned least = g.fastest ? rounds * 10 : rounds * 3;
    double limit = caches[with].limit;
    g_autofree char *goal = g_strdup_printf(
        "%s, 10 to 100,000 entries, caches %s", name, caches[with].name);
    g_autofree char *title =
        g_strdup_printf("    least, most; caches %s", caches[with].name);

    for (unsigned i = 0;
         goals_more(i, least, i ? g.most / g.least : 0, limit); i++) {
        growth_round(&g, m, granularity, caches[with].flags);
    }
    printf("  at 10, 100, ... 100000 entries:");
    for (unsigned i = 0; i < G_N_ELEMENTS(live); i++) {
        printf(" %.1f", growth_at(&g, i));
    }
    printf("\n");
    goals_row(title, g.least, g.most, g.most / g.least, goal, limit);
}

/* Cost at 1,000 live entries against stock; and how it grows with them */
static void bench_invalidation(IommuMachine *stock, IommuMachine *ours,
                               const char *name, uint32_t granularity)
{
    Measure thousand = invalidation(granularity, 1000, SDT_BENCH_WARM);
    g_autofree char *title = g_strdup_printf("%s, 1000 entries", name);

    compare_two(title, stock, &thousand, ours, &thousand, 0.15);
    for (unsigned i = 0; i < G_N_ELEMENTS(caches); i++) {
        bench_growth(ours, name, granularity, i);
    }
}

/* Whether the threads of the latest run were at work at the same time. */
static bool were_together(IommuMachine *m, unsigned threads)
{
    return bench_get64(m, SDT_BENCH_SPAN_NS) * threads <=
           bench_get64(m, SDT_BENCH_NS) * 1.1;
}

/*
 * Of many short runs the fastest: there no thread had to wait for a
 * processor.
 */
static void compare_threads(const char *name, IommuMachine *m,
                            Measure measure, const char *goal, double limit)
{
    double least[2] = { INFINITY, INFINITY };
    double ratio = 0;

    for (unsigned i = 0; goals_more(i, rounds * 20, ratio, limit); i++) {
        for (unsigned n = 0; n < 2; n++) {
            double ns;

            measure.threads = n + 1;
            ns = figure(m, &measure);
            if (were_together(m, n + 1)) {
                least[n] = MIN(least[n], ns);
            }
        }
        ratio = least[1] / least[0];
    }
    goals_row(name, least[0], least[1], ratio, goal, limit);
}

static void bench_threads(IommuMachine *stock, IommuMachine *ours)
{
    Measure hit = { SDT_BENCH_OP_TRANSLATE, 400, 40000 };
    Measure add = { SDT_BENCH_OP_ADD, 1, 40000 };
    Measure look = { SDT_BENCH_OP_LOOK, 16384, 40000 };

    printf("\n%-40s %10s %10s\n", "least ns, with one thread and with two",
           "1 thread", "2 threads");
    compare_threads("arithmetic", ours, add, NULL, 0);
    compare_threads("reads of 64 KiB of the thread's own", ours, look, NULL,
                    0);
    compare_threads("hit, 400 pages each: intel-iommu", stock, hit, NULL, 0);
    compare_threads("hit, 400 pages each: sunder-iommu", ours, hit,
                    "hit with two threads to one", 1.3);
    hit.cpu = true;
    compare_threads("  the same, CPU time", ours, hit, NULL, 0);
}

static void bench_bounce(IommuMachine *ours, IommuMachine *bounce)
{
    const Measure write = { SDT_BENCH_OP_HELD_WRITE, 16, 200, 256 * 1024,
                            .stride = 256 * 1024 };
    const Measure read = { SDT_BENCH_OP_HELD_READ, 16, 200, 256 * 1024,
                           .stride = 256 * 1024 };
    const Measure small = { SDT_BENCH_OP_HELD_WRITE, 512, 20000, 4096 };

    printf("\n%-40s %10s %10s\n", "held DMA of sunder-iommu, ns",
           "bounce=off", "bounce=on");
    compare_two("bounce: write of 256 KiB", ours, &write, bounce, &write, 3);
    compare_two("bounce: read of 256 KiB", ours, &read, bounce, &read, 3);
    compare_two("bounce: write of 4 KiB", ours, &small, bounce, &small, 0);
}

/* Arguments: rounds of each measurement; the device to compare with stock */
int main(int argc, char **argv)
{
    const char *device = argc > 2 ? argv[2] : "sunder-iommu,mode=report";
    g_autofree char *bouncing = g_strdup_printf("%s,bounce=on", device);
    IommuMachine *stock, *ours, *bounce;

    if (argc > 1) {
        rounds = CLAMP(atoi(argv[1]), 1, MAX_ROUNDS);
    }
    stock = start("intel-iommu");
    ours = start(device);
    bounce = start(argc > 2 ? device : bouncing);
    printf("%-40s %10s %10s    ratio\n", "ns, medians", "intel", "sunder");
    bench_translations(stock, ours);
    bench_invalidation(stock, ours, "page invalidation", PSI);
    bench_invalidation(stock, ours, "domain invalidation", DSI);
    bench_invalidation(stock, ours, "global invalidation", GLOBAL);
    bench_threads(stock, ours);
    bench_bounce(ours, bounce);
    iommu_quit(stock);
    iommu_quit(ours);
    iommu_quit(bounce);
    return !goals_print();
}
