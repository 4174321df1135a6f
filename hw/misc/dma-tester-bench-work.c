/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA tester's bench: translations and DMAs on the clock
 */
#include "qemu/osdep.h"
#include "hw/misc/dma-tester-bench.h"
#include "hw/pci/pci.h"
#include "qemu/rcu.h"
#include "system/dma.h"

/* Steps of one SDT_BENCH_OP_ADD, _LOOK */
#define STEPS           16
#define SLICE           64      /* operations between looks at run->stop */

uint64_t sdt_bench_clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t sdt_bench_page(const BenchThread *t, uint32_t i)
{
    return t->first + t->run->order[i] * t->run->stride;
}

/* Returns: the address of the next page of the working set. */
static uint64_t next_page(BenchThread *t)
{
    uint64_t address = sdt_bench_page(t, t->cursor);

    t->cursor = t->cursor + 1 == t->run->pages ? 0 : t->cursor + 1;
    return address;
}

bool sdt_bench_translate(BenchThread *t, uint64_t address)
{
    IOMMUMemoryRegion *iommu = t->run->iommu;
    IOMMUMemoryRegionClass *class =
        memory_region_get_iommu_class_nocheck(iommu);
    IOMMUTLBEntry entry;

    RCU_READ_LOCK_GUARD();
    entry = class->translate(iommu, address, IOMMU_RO, 0);
    return entry.perm & IOMMU_RO;
}

static bool translate(BenchThread *t)
{
    return sdt_bench_translate(t, next_page(t));
}

static bool transfer(BenchThread *t)
{
    PCIDevice *pci = PCI_DEVICE(t->run->tester);
    DMADirection direction = t->run->op == SDT_BENCH_OP_READ ?
        DMA_DIRECTION_TO_DEVICE : DMA_DIRECTION_FROM_DEVICE;

    return pci_dma_rw(pci, next_page(t), t->scratch, t->run->length,
                      direction, MEMTXATTRS_UNSPECIFIED) == MEMTX_OK;
}

/* As disk cards do: what cannot be mapped at once is mapped in pieces. */
static bool transfer_held(BenchThread *t)
{
    PCIDevice *pci = PCI_DEVICE(t->run->tester);
    bool write = t->run->op == SDT_BENCH_OP_HELD_WRITE;
    DMADirection direction = write ? DMA_DIRECTION_FROM_DEVICE
                                   : DMA_DIRECTION_TO_DEVICE;
    uint64_t address = next_page(t);
    uint32_t done = 0;

    while (done < t->run->length) {
        dma_addr_t size = t->run->length - done;
        void *held = pci_dma_map(pci, address + done, &size, direction);

        if (!held) {
            return false;
        }
        memcpy(write ? held : t->scratch + done,
               write ? t->scratch + done : held, size);
        pci_dma_unmap(pci, held, size, direction, size);
        done += size;
    }
    return true;
}

/* Numerical Recipes' generator, each step from the one before */
static bool add_up(BenchThread *t)
{
    uint32_t sum = t->sum;

    for (unsigned i = 0; i < STEPS; i++) {
        sum = sum * 1664525u + 1013904223u;
    }
    t->sum = sum;
    return true;
}

/* Each word says where the next one is. */
static bool look(BenchThread *t)
{
    uint32_t at = t->cursor;

    for (unsigned i = 0; i < STEPS; i++) {
        at = t->words[at];
    }
    t->cursor = at;
    return true;
}

static bool operate(BenchThread *t)
{
    switch (t->run->op) {
    case SDT_BENCH_OP_ADD:
        return add_up(t);
    case SDT_BENCH_OP_LOOK:
        return look(t);
    case SDT_BENCH_OP_READ:
    case SDT_BENCH_OP_WRITE:
        return transfer(t);
    case SDT_BENCH_OP_HELD_READ:
    case SDT_BENCH_OP_HELD_WRITE:
        return transfer_held(t);
    default:
        return translate(t);
    }
}

bool sdt_bench_stopped(const BenchThread *t)
{
    return qatomic_read(&t->run->stop);
}

void sdt_bench_operate(BenchThread *t, uint32_t count)
{
    uint64_t cpu = sdt_bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t from = sdt_bench_clock_ns(CLOCK_MONOTONIC);
    uint32_t done = 0;

    while (done < count && !sdt_bench_stopped(t)) {
        uint32_t slice = MIN(count - done, SLICE);

        for (uint32_t i = 0; i < slice; i++) {
            t->failed += !operate(t);
        }
        done += slice;
    }
    t->first_ns = t->first_ns ?: from;
    t->last_ns = sdt_bench_clock_ns(CLOCK_MONOTONIC);
    t->ns += t->last_ns - from;
    t->cpu_ns += sdt_bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    t->ops += done;
}

/* Threads begin together, once each has visited its working set. */
static void begin(BenchThread *t)
{
    for (uint32_t i = 0; i < t->run->pages && !sdt_bench_stopped(t); i++) {
        operate(t);
    }
    t->cursor = 0;
    qatomic_dec(&t->run->waiting);
    while (qatomic_read(&t->run->waiting) && !sdt_bench_stopped(t)) {
        cpu_relax();
    }
}

/* One cycle through all of them: Sattolo's shuffle */
static uint32_t *words_new(uint32_t n)
{
    uint32_t *words = g_new(uint32_t, n);
    uint32_t state = 1;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t j;

        state = state * 1664525u + 1013904223u;
        j = (uint64_t)state * i >> 32;
        words[i] = i;
        if (i) {
            words[i] = words[j];
            words[j] = i;
        }
    }
    return words;
}

void sdt_bench_work(BenchThread *t)
{
    const SdtBenchRun *run = t->run;

    t->scratch = g_malloc0(run->length);
    t->words = run->op == SDT_BENCH_OP_LOOK ? words_new(run->pages) : NULL;
    begin(t);
    t->failed = 0;
    if (run->op == SDT_BENCH_OP_REMAP) {
        sdt_bench_remaps(t);
    } else {
        sdt_bench_operate(t, run->rounds);
    }
    g_free(t->words);
    g_free(t->scratch);
}
