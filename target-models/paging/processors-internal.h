/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the multiprocessor share
 */
#ifndef SUNDER_PAGING_PROCESSORS_INTERNAL_H
#define SUNDER_PAGING_PROCESSORS_INTERNAL_H

#include "target-models/paging/processors.h"

#define LINE_UNOWNED PROCESSORS_MAX

/* A line of the cookie buffer: who has it in its cache. */
typedef struct CookieLine {
    uint64_t holders;           /* a bit for each processor */
    uint8_t owner;              /* who has changed it, or LINE_UNOWNED */
} CookieLine;

typedef struct Processor {
    uint64_t clock;
    uint64_t wait_from;         /* it waits from here to its clock */
    unsigned space;
    ProcessorTlb *dtlb, *stlb;
    /* Lines of the cookie buffer; @far has all of @near; NULL: shoot-down */
    ProcessorTlb *near, *far;
    uint64_t *generations;      /* of each space, as far as it has flushed */
} Processor;

typedef struct ProcessorsSpace {
    CookieEntry *entries;
    uint64_t generation;        /* counts changes; for shoot-down */
} ProcessorsSpace;

struct Processors {
    ProcessorsConfig config;
    ProcessorsCounters counters;
    Processor *cpus;
    ProcessorsSpace *spaces;
    CookieBuffer *cookies;      /* NULL: shoot-down */
    CookieLine *lines;
    unsigned line_shift;        /* frames of a line, as a power of two */
};

/* Cycles to read the cookie of @frame, or to own its line for writing. */
uint32_t processors_read_line(Processors *processors, unsigned cpu,
                              uint64_t frame);
uint32_t processors_own_line(Processors *processors, unsigned cpu,
                             uint64_t frame);

/* Cycles in which it does something, rather than wait */
static inline void processors_spend(Processor *processor, uint64_t cycles)
{
    processor->clock += cycles;
    processor->wait_from = processor->clock;
}

/* Invalidates on one processor; returns its cycles. */
uint64_t processors_invalidate(Processors *processors, unsigned cpu,
                               unsigned space, uint64_t page,
                               uint64_t count);

/* Interrupts all of @targets and waits for them. */
void processors_shoot_down(Processors *processors, unsigned cpu,
                           uint64_t targets, unsigned space, uint64_t page,
                           uint64_t count);

/* Has every processor drop all it holds, by interrupts. */
void processors_shoot_down_all(Processors *processors, unsigned cpu);

#endif
