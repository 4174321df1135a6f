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
};

struct BenchThread {
    SdtBenchRun *run;
    uint64_t first;             /* address of its working set */
    uint32_t cursor;
    uint8_t *scratch;           /* run->length bytes */
    uint8_t *cool;              /* COOL_BYTES, or NULL */
    uint64_t ns, cpu_ns, ops, failed, inv_ns, inv_ops;
};

/* Does the thread's part of the run and fills in its figures. */
void sdt_bench_work(BenchThread *t);

#endif
