/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark of page-mapping cookies against shoot-down: its two parts
 */
#ifndef TESTS_BENCH_PAGING_PROCESSORS_H
#define TESTS_BENCH_PAGING_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "target-models/paging/processors.h"

/* Whose pages the processors work on */
typedef enum StormPattern {
    STORM_SHARED,       /* one space; all work on the same pages */
    STORM_PRIVATE,      /* one space; each on pages of its own */
    STORM_PROCESSES,    /* a space for each processor */
    STORM__MAX,
} StormPattern;

typedef struct Storm {
    StormPattern pattern;
    unsigned processors;
    unsigned pages;             /* that one processor works on */
    unsigned interval;          /* operations of a processor from one remap
                                 * to its next; 0: none */
    unsigned batch;             /* pages of a remap */
    bool contiguous;            /* frames begin in the order of the pages,
                                 * rather than shuffled over all memory */
    uint32_t cookie_cycles;     /* ProcessorsCosts.cookie */
    uint64_t operations;        /* in all, after as many to warm up */
} Storm;

typedef struct StormResult {
    double operation;           /* cycles of all that went on, for each
                                 * memory operation */
    double remap;               /* cycles of the processor that remaps */
    uint64_t stale;             /* operations that hit a wrong frame */
    ProcessorsCounters counters;
} StormResult;

StormResult storm_run(const Storm *storm, ProcessorsScheme scheme);

/* Real threads on this host; prints.  Returns whether all was right. */
bool threads_run(unsigned milliseconds);

#endif
