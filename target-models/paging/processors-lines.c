/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs: lines of the cookie buffer in their caches
 *
 * A directory with the states of MSI: a line is held by any number of
 * processors that read it, or owned by the one that changed it.
 */
#include "target-models/paging/processors-internal.h"

#define BIT(cpu) (UINT64_C(1) << (cpu))

#define NOTHING  ((CookieTranslation) { 0, COOKIE_CLOSED })

static void line_drop(Processor *processor, uint64_t number)
{
    processor_tlb_drop(processor->near, 0, number);
    processor_tlb_drop(processor->far, 0, number);
}

/* @replaced has left the far cache; what was changed goes to memory. */
static void line_leaves(Processors *processors, unsigned cpu,
                        const ProcessorTlbEntry *replaced)
{
    CookieLine *line = &processors->lines[replaced->page];

    processor_tlb_drop(processors->cpus[cpu].near, 0, replaced->page);
    line->holders &= ~BIT(cpu);
    if (line->owner == cpu) {
        line->owner = LINE_UNOWNED;
    }
}

static void line_enters(Processors *processors, unsigned cpu,
                        uint64_t number)
{
    Processor *processor = &processors->cpus[cpu];
    ProcessorTlbEntry replaced;

    processor_tlb_insert(processor->far, 0, number, NOTHING, &replaced);
    if (replaced.valid && replaced.page != number) {
        line_leaves(processors, cpu, &replaced);
    }
    processor_tlb_insert(processor->near, 0, number, NOTHING, NULL);
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

/* Whether our caches have it, and if so what that costs */
static bool line_cached(Processors *processors, unsigned cpu,
                        uint64_t number, uint32_t *cycles)
{
    Processor *processor = &processors->cpus[cpu];

    *cycles = processors->config.costs.cookie;
    if (processor_tlb_find(processor->near, 0, number)) {
        processors->counters.line_hits++;
        return true;
    }
    if (processor_tlb_find(processor->far, 0, number)) {
        processors->counters.line_far_hits++;
        processor_tlb_insert(processor->near, 0, number, NOTHING, NULL);
        *cycles += processors->config.costs.line_far;
        return true;
    }
    return false;
}

uint32_t processors_read_line(Processors *processors, unsigned cpu,
                              uint64_t frame)
{
    uint64_t number = frame >> processors->line_shift;
    CookieLine *line = &processors->lines[number];
    uint32_t cycles;

    if (!line_cached(processors, cpu, number, &cycles)) {
        cycles += line_cost(processors, line->owner != LINE_UNOWNED);
        line->owner = LINE_UNOWNED;
        line_enters(processors, cpu, number);
    }
    return cycles;
}

uint32_t processors_own_line(Processors *processors, unsigned cpu,
                             uint64_t frame)
{
    uint64_t number = frame >> processors->line_shift;
    CookieLine *line = &processors->lines[number];
    uint64_t others = line->holders & ~BIT(cpu);
    uint32_t cycles;

    if (line->owner == cpu) {
        line_cached(processors, cpu, number, &cycles);
        return cycles;
    }
    cycles = line_cost(processors, others != 0);
    for (unsigned other = 0; others; other++, others >>= 1) {
        if (others & 1) {
            line_drop(&processors->cpus[other], number);
        }
    }
    line->holders &= BIT(cpu);
    line_enters(processors, cpu, number);
    line->owner = (uint8_t)cpu;
    return cycles;
}
