/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs: lines of the cookie buffer in their caches
 *
 * A directory with the states of MSI: a line is held by any number of
 * processors that read it, or owned by the one that changed it.
 */
#include "target-models/paging/processors-internal.h"

#define BIT(cpu) (UINT64_C(1) << (cpu))

/* @replaced has left the cache of @cpu; what it changed goes to memory. */
static void line_leaves(Processors *processors, unsigned cpu,
                        const ProcessorTlbEntry *replaced)
{
    CookieLine *line = &processors->lines[replaced->page];

    line->holders &= ~BIT(cpu);
    if (line->owner == cpu) {
        line->owner = LINE_UNOWNED;
    }
}

static void line_enters(Processors *processors, unsigned cpu,
                        uint64_t number)
{
    const CookieTranslation nothing = { 0, COOKIE_CLOSED };
    ProcessorTlbEntry replaced;

    processor_tlb_insert(processors->cpus[cpu].lines, 0, number, nothing,
                         &replaced);
    if (replaced.valid) {
        line_leaves(processors, cpu, &replaced);
    }
    processors->lines[number].holders |= BIT(cpu);
}

/* Whether anyone but @cpu has to give something up for it */
static uint32_t line_cost(Processors *processors, bool others)
{
    if (others) {
        processors->counters.line_transfers++;
        return processors->config.costs.line_transfer;
    }
    processors->counters.line_fetches++;
    return processors->config.costs.line_fetch;
}

uint32_t processors_read_line(Processors *processors, unsigned cpu,
                              uint64_t frame)
{
    uint64_t number = frame >> processors->line_shift;
    CookieLine *line = &processors->lines[number];
    uint32_t cycles;

    if (processor_tlb_find(processors->cpus[cpu].lines, 0, number)) {
        processors->counters.line_hits++;
        return processors->config.costs.cookie;
    }
    cycles = line_cost(processors, line->owner != LINE_UNOWNED);
    line->owner = LINE_UNOWNED;
    line_enters(processors, cpu, number);
    return cycles + processors->config.costs.cookie;
}

uint32_t processors_own_line(Processors *processors, unsigned cpu,
                             uint64_t frame)
{
    uint64_t number = frame >> processors->line_shift;
    CookieLine *line = &processors->lines[number];
    uint64_t others = line->holders & ~BIT(cpu);
    uint32_t cycles;

    if (line->owner == cpu) {
        processor_tlb_find(processors->cpus[cpu].lines, 0, number);
        processors->counters.line_hits++;
        return processors->config.costs.cookie;
    }
    cycles = line_cost(processors, others != 0);
    for (unsigned other = 0; others; other++, others >>= 1) {
        if (others & 1) {
            processor_tlb_drop(processors->cpus[other].lines, 0, number);
        }
    }
    line->holders &= BIT(cpu);
    line_enters(processors, cpu, number);
    line->owner = (uint8_t)cpu;
    return cycles;
}
