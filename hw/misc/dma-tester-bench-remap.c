/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA tester's bench: remaps and their invalidations on the clock
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/misc/dma-tester-bench.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/units.h"

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
/* One of a domain */
#define IOTLB_DOMAIN    0x22u
#define DOMAIN_MASK     0xffff0000u
#define DOMAIN_BIT      0x00010000u
#define WARM_UPS        8
/*
 * More than the caches of a core and of its neighbours; in small pages, so that
 * it is more than TLBs hold, too
 */
#define COLD_BYTES      (64 * MiB)
#define COLD_ALIGNMENT  (2 * MiB)
/* Caches keep what was used more than once for longer than what was not. */
#define COLD_PASSES     4
#define MAX_SAMPLES     65536

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

static uint8_t *cold_new(void)
{
    uint8_t *cold = qemu_memalign(COLD_ALIGNMENT, COLD_BYTES);

    qemu_madvise(cold, COLD_BYTES, QEMU_MADV_NOHUGEPAGE);
    return memset(cold, 0, COLD_BYTES);
}

/* Throws out of the host's caches what is in them. */
static void chill(const BenchThread *t)
{
    for (unsigned pass = 0; pass < COLD_PASSES; pass++) {
        for (size_t i = 0; i < COLD_BYTES; i += 64) {
            t->cold[i]++;
        }
    }
}

/* Invalidates the neighbour of the domain that is going to be. */
static void warm_up(Queue *q, uint64_t descriptor)
{
    uint64_t low = IOTLB_DOMAIN | ((descriptor & DOMAIN_MASK) ^ DOMAIN_BIT);

    for (unsigned i = 0; i < WARM_UPS; i++) {
        put(q, 0, low, 0);
        ring(q);
    }
}

static void add_sample(BenchThread *t, uint64_t ns, uint32_t count)
{
    double sample = (double)ns / count;

    if (t->samples->len < MAX_SAMPLES) {
        g_array_append_val(t->samples, sample);
    }
    t->inv_ops += count;
}

static int compare_samples(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Of a mean, one interrupt of the host's would be the greater part. */
static uint64_t median_of_all(BenchThread *t)
{
    g_array_sort(t->samples, compare_samples);
    return t->samples->len ?
           g_array_index(t->samples, double, t->samples->len / 2) *
           t->inv_ops : 0;
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
    if (t->run->flags & SDT_BENCH_WARM) {
        warm_up(&q, descriptor[0]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = (first + i) % t->run->pages;

        put(&q, i, descriptor[0],
            descriptor[1] + (by_page ? sdt_bench_page(t, page) : 0));
    }
    if (t->cold) {
        chill(t);
    }
    from = sdt_bench_clock_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < count; i++) {
        ring(&q);
    }
    add_sample(t, sdt_bench_clock_ns(CLOCK_MONOTONIC) - from, count);
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
        sdt_bench_translate(t, sdt_bench_page(t, (t->cursor + i) %
                                                 run->pages));
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
    for (uint32_t i = 0; i < t->run->pages && !sdt_bench_stopped(t); i++) {
        t->failed += !sdt_bench_translate(t, sdt_bench_page(t, i));
    }
}

void sdt_bench_remaps(BenchThread *t)
{
    t->cold = t->run->flags & SDT_BENCH_COLD ? cold_new() : NULL;
    t->samples = g_array_new(false, false, sizeof(double));
    for (uint32_t i = 0; i < t->run->rounds && !sdt_bench_stopped(t); i++) {
        remap_batch(t);
        sdt_bench_operate(t, t->run->batch);
        if (t->run->flags & SDT_BENCH_REFILL) {
            translate_all(t);
        }
    }
    t->inv_ns = median_of_all(t);
    g_array_unref(t->samples);
    qemu_vfree(t->cold);
}
