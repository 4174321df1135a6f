/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA tester's bench: a run, and what a thread of it does.
 */
#ifndef SUNDER_HW_MISC_DMA_TESTER_BENCH_H
#define SUNDER_HW_MISC_DMA_TESTER_BENCH_H

#include "exec/memory.h"
#include "hw/misc/dma-tester-device.h"

typedef struct BenchThread BenchThread;

struct SdtBenchRun {
    SunderDmaTester *tester;
    unsigned op;
    uint32_t command;
    uint64_t iova, stride;
    uint32_t pages, rounds, length, threads, batch, flags;
    uint64_t entry, toggle, descriptor[2];
    uint32_t *order;            /* of the pages, shuffled */
    IOMMUMemoryRegion *iommu;   /* with a reference; NULL if not needed */

    /* between threads */
    int waiting;                /* threads not yet at the start */
    int stop;
    /* under the BQL */
    unsigned running;
    uint64_t ns, cpu_ns, ops, failed, inv_ns, inv_ops;
    uint64_t first_ns, last_ns; /* on the clock; first_ns 0: none yet */
};

/* In cache lines of its own, and of the lines that are fetched with them. */
struct QEMU_ALIGNED(128) BenchThread {
    SdtBenchRun *run;
    uint64_t first;             /* address of its working set */
    uint32_t cursor;
    uint8_t *scratch;           /* run->length bytes */
    uint32_t *words;            /* run->pages of them, or NULL */
    uint32_t sum;
    /* of remaps */
    uint8_t *cold;              /* what empties the caches, or NULL */
    GArray *samples;            /* double: ns of an invalidation, by batch */
    uint64_t ns, cpu_ns, ops, failed, inv_ns, inv_ops;
    uint64_t first_ns, last_ns;
};

/* Does the thread's part of the run and fills in its figures. */
void sdt_bench_work(BenchThread *t);

/* For that: SDT_BENCH_OP_REMAP. */
void sdt_bench_remaps(BenchThread *t);
/* @count operations on the clock, fewer if the run is stopped */
void sdt_bench_operate(BenchThread *t, uint32_t count);
bool sdt_bench_stopped(const BenchThread *t);
/* Returns: the address of a page of the working set. */
uint64_t sdt_bench_page(const BenchThread *t, uint32_t i);
/* Returns: whether the IOMMU lets @address be read. */
bool sdt_bench_translate(BenchThread *t, uint64_t address);
uint64_t sdt_bench_clock_ns(clockid_t clock);

#endif
