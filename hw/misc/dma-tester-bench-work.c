/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA tester's bench: translations, DMAs and invalidations on the clock
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/misc/dma-tester-bench.h"
#include "hw/pci/pci.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "system/dma.h"

/* VT-d specification 11.4: registers of the invalidation queue */
#define REG_IQT         0x88
#define REG_IQA         0x90
#define IQA_BASE        0x000ffffffffff000ull
#define IQA_SIZE        0x7u
#define DESCRIPTOR_SIZE 16u
/* What fits into the smallest queue; one more is a queue that is empty */
#define QUEUE_LEAST     (4096u / DESCRIPTOR_SIZE - 1)
/* 6.5.2.3: an IOTLB invalidation whose granularity is a page */
#define IOTLB_TYPE_MASK 0x3fu
#define IOTLB_PAGE      0x32u
/* One of domain 65535 */
#define IOTLB_NOBODY    (0x22u | UINT64_C(0xffff) << 16)
#define WARM_UPS        8
/* More than a core's second-level cache */
#define COOL_BYTES      (8 * MiB)

#define SLICE           64      /* operations between looks at run->stop */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t page_address(const BenchThread *t, uint32_t i)
{
    return t->first + t->run->order[i] * t->run->stride;
}

/* Returns: the address of the next page of the working set. */
static uint64_t next_page(BenchThread *t)
{
    uint64_t address = page_address(t, t->cursor);

    t->cursor = t->cursor + 1 == t->run->pages ? 0 : t->cursor + 1;
    return address;
}

static bool translate_page(BenchThread *t, uint64_t address)
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
    return translate_page(t, next_page(t));
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

static bool operate(BenchThread *t)
{
    switch (t->run->op) {
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

static bool stopped(const BenchThread *t)
{
    return qatomic_read(&t->run->stop);
}

/* @count operations on the clock, fewer if the run is stopped */
static void operate_timed(BenchThread *t, uint32_t count)
{
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t from = clock_ns(CLOCK_MONOTONIC);
    uint32_t done = 0;

    while (done < count && !stopped(t)) {
        uint32_t slice = MIN(count - done, SLICE);

        for (uint32_t i = 0; i < slice; i++) {
            t->failed += !operate(t);
        }
        done += slice;
    }
    t->ns += clock_ns(CLOCK_MONOTONIC) - from;
    t->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    t->ops += done;
}

/* Page tables and queue are RAM; whatever else the guest names is refused. */
static const MemTxAttrs ram_only = { .memory = 1 };

static void toggle_entry(const BenchThread *t, uint32_t page)
{
    hwaddr at = t->run->entry + page * 8ull;
    uint64_t value = address_space_ldq_le(&address_space_memory, at,
                                          ram_only, NULL);

    address_space_stq_le(&address_space_memory, at, value ^ t->run->toggle,
                         ram_only, NULL);
}

/* The invalidation queue of the unit */
typedef struct Queue {
    hwaddr base;
    uint32_t size, tail;        /* bytes */
} Queue;

static Queue find_queue(void)
{
    uint64_t iqa = address_space_ldq_le(&address_space_memory,
                                        SDT_BENCH_UNIT + REG_IQA,
                                        MEMTXATTRS_UNSPECIFIED, NULL);
    Queue q = {
        .base = iqa & IQA_BASE,
        .size = 4096u << (iqa & IQA_SIZE),
    };

    q.tail = address_space_ldl_le(&address_space_memory,
                                  SDT_BENCH_UNIT + REG_IQT,
                                  MEMTXATTRS_UNSPECIFIED, NULL) % q.size;
    return q;
}

/* Puts a descriptor into the queue, @ahead of its tail. */
static void put(const Queue *q, uint32_t ahead, uint64_t low, uint64_t high)
{
    hwaddr at = q->base + (q->tail + ahead * DESCRIPTOR_SIZE) % q->size;

    address_space_stq_le(&address_space_memory, at, low, ram_only, NULL);
    address_space_stq_le(&address_space_memory, at + 8, high, ram_only,
                         NULL);
}

static void ring(Queue *q)
{
    q->tail = (q->tail + DESCRIPTOR_SIZE) % q->size;
    address_space_stl_le(&address_space_memory, SDT_BENCH_UNIT + REG_IQT,
                         q->tail, MEMTXATTRS_UNSPECIFIED, NULL);
}

/*
 * The larger the working set, the less of the code and data of an
 * invalidation is left in the host's caches.  To have it the same for all
 * sizes: throw everything out (SDT_BENCH_COOL), then invalidate a domain
 * that nobody uses.
 */
static void cool_down(const BenchThread *t)
{
    for (size_t i = 0; t->cool && i < COOL_BYTES; i += 64) {
        t->cool[i]++;
    }
}

static void warm_up(Queue *q)
{
    for (unsigned i = 0; i < WARM_UPS; i++) {
        put(q, 0, IOTLB_NOBODY, 0);
        ring(q);
    }
}

/* Rings once for each of @count pages from @first on; only that is timed. */
static void invalidate(BenchThread *t, uint32_t first, uint32_t count,
                       bool by_page)
{
    const uint64_t *descriptor = t->run->descriptor;
    uint64_t from;
    Queue q;

    BQL_LOCK_GUARD();
    q = find_queue();
    cool_down(t);
    warm_up(&q);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = (first + i) % t->run->pages;

        put(&q, i, descriptor[0],
            descriptor[1] + (by_page ? page_address(t, page) : 0));
    }
    from = clock_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < count; i++) {
        ring(&q);
    }
    t->inv_ns += clock_ns(CLOCK_MONOTONIC) - from;
    t->inv_ops += count;
}

/*
 * Remaps the next pages of the working set and invalidates them.  They have
 * just been used, as they are when a driver takes them away.
 */
static void remap_batch(BenchThread *t)
{
    const SdtBenchRun *run = t->run;
    bool by_page = (run->descriptor[0] & IOTLB_TYPE_MASK) == IOTLB_PAGE;
    uint32_t count = by_page ? run->batch : 1;

    for (uint32_t i = 0; i < run->batch; i++) {
        translate_page(t, page_address(t, (t->cursor + i) % run->pages));
    }
    for (uint32_t i = 0; i < run->batch; i++) {
        toggle_entry(t, run->order[(t->cursor + i) % run->pages]);
    }
    for (uint32_t i = 0; i < count; i += QUEUE_LEAST) {
        invalidate(t, t->cursor + i, MIN(count - i, QUEUE_LEAST), by_page);
    }
}

static void translate_all(BenchThread *t)
{
    for (uint32_t i = 0; i < t->run->pages && !stopped(t); i++) {
        t->failed += !translate(t);
    }
}

static void run_remaps(BenchThread *t)
{
    for (uint32_t i = 0; i < t->run->rounds && !stopped(t); i++) {
        remap_batch(t);
        operate_timed(t, t->run->batch);
        if (t->run->flags & SDT_BENCH_REFILL) {
            translate_all(t);
        }
    }
}

/* Threads begin together, once each has visited its working set. */
static void begin(BenchThread *t)
{
    for (uint32_t i = 0; i < t->run->pages && !stopped(t); i++) {
        operate(t);
    }
    t->cursor = 0;
    qatomic_dec(&t->run->waiting);
    while (qatomic_read(&t->run->waiting) && !stopped(t)) {
        cpu_relax();
    }
}

void sdt_bench_work(BenchThread *t)
{
    t->scratch = g_malloc0(t->run->length);
    t->cool = t->run->flags & SDT_BENCH_COOL ? g_malloc0(COOL_BYTES) : NULL;
    begin(t);
    t->failed = 0;
    if (t->run->op == SDT_BENCH_OP_REMAP) {
        run_remaps(t);
    } else {
        operate_timed(t, t->run->rounds);
    }
    g_free(t->scratch);
    g_free(t->cool);
}
