/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs: changes of page tables
 */
#include "target-models/paging/processors-internal.h"

#define BIT(cpu)   (UINT64_C(1) << (cpu))
#define ALL_SPACES UINT_MAX

/* What a page's entry becomes; 0 where it is not mapped. */
typedef uint64_t NewEntry(uint64_t entry, uint64_t index,
                          const uint64_t *frames);

static void drop_page(Processor *processor, unsigned space, uint64_t page)
{
    processor_tlb_drop(processor->dtlb, space, page);
    processor_tlb_drop(processor->stlb, space, page);
}

static void flush(Processor *processor, unsigned space)
{
    if (space == ALL_SPACES) {
        processor_tlb_flush(processor->dtlb);
        processor_tlb_flush(processor->stlb);
    } else {
        processor_tlb_flush_space(processor->dtlb, space);
        processor_tlb_flush_space(processor->stlb, space);
    }
}

uint64_t processors_invalidate(Processors *processors, unsigned cpu,
                               unsigned space, uint64_t page,
                               uint64_t count)
{
    Processor *processor = &processors->cpus[cpu];

    if (space == ALL_SPACES || count > processors->config.flush_ceiling) {
        flush(processor, space);
        processors->counters.spaces_flushed++;
        return processors->config.costs.flush;
    }
    for (uint64_t i = 0; i < count; i++) {
        drop_page(processor, space, page + i);
    }
    processors->counters.pages_invalidated += count;
    return count * processors->config.costs.invlpg;
}

/*
 * An interrupt that reaches @cpu at @arrival; returns when it has
 * acknowledged.  A processor that waits for acknowledgements itself does so
 * with interrupts enabled: what it handles in that time delays it only if
 * that takes longer than the wait.
 */
static uint64_t interrupt(Processors *processors, unsigned cpu,
                          uint64_t arrival, unsigned space, uint64_t page,
                          uint64_t count)
{
    Processor *processor = &processors->cpus[cpu];
    uint64_t start = MAX(arrival, processor->wait_from);
    uint64_t cycles = processors->config.costs.ipi_handle +
        processors_invalidate(processors, cpu, space, page, count);
    uint64_t before = processor->clock;
    uint64_t end;

    if (space != ALL_SPACES) {
        processor->generations[space] =
            processors->spaces[space].generation;
    }
    if (start < processor->clock) {
        end = start + cycles;
        processor->wait_from = end;
        processor->clock = MAX(processor->clock, end);
    } else {
        end = start + cycles;
        processors_spend(processor, cycles);
    }
    processors->counters.interrupts++;
    processors->counters.interrupt_cycles += processor->clock - before;
    return end;
}

void processors_shoot_down(Processors *processors, unsigned cpu,
                           uint64_t targets, unsigned space, uint64_t page,
                           uint64_t count)
{
    const ProcessorsCosts *costs = &processors->config.costs;
    Processor *processor = &processors->cpus[cpu];
    uint64_t last = 0;

    for (unsigned other = 0; other < processors->config.processors;
         other++) {
        uint64_t end;

        if (other == cpu || !(targets & BIT(other))) {
            continue;
        }
        processors_spend(processor, costs->ipi_send);
        end = interrupt(processors, other,
                        processor->clock + costs->ipi_deliver, space, page,
                        count);
        last = MAX(last, end);
    }
    /* Its own TLB meanwhile: Amit et al., EuroSys 2020, technique 1 */
    processors_spend(processor, processors_invalidate(processors, cpu, space,
                                                      page, count));
    if (last) {
        /* The acknowledgement is a line that the other one changed. */
        processor->clock = MAX(processor->clock,
                               last + costs->line_transfer);
    }
}

void processors_shoot_down_all(Processors *processors, unsigned cpu)
{
    processors_shoot_down(processors, cpu, UINT64_MAX, ALL_SPACES, 0, 0);
}

/* The processors that run in @space: whom to interrupt */
static uint64_t runners(const Processors *processors, unsigned space)
{
    uint64_t mask = 0;

    for (unsigned cpu = 0; cpu < processors->config.processors; cpu++) {
        if (processors->cpus[cpu].space == space) {
            mask |= BIT(cpu);
        }
    }
    return mask;
}

/* The mapping in @frame has been taken away: the page table says so. */
static void change_cookie(Processors *processors, unsigned cpu,
                          uint64_t frame)
{
    Processor *processor = &processors->cpus[cpu];

    processors_spend(processor, processors_own_line(processors, cpu, frame));
    if (cookie_buffer_change(processors->cookies, frame) ==
        COOKIE_EXHAUSTED) {
        processors->counters.exhausted++;
        processors_shoot_down_all(processors, cpu);
        cookie_buffer_open(processors->cookies, frame);
    }
}

/* Writes the new entries; returns how many pages lost a mapping or right. */
static uint64_t change_entries(Processors *processors, unsigned cpu,
                               unsigned space, uint64_t page,
                               uint64_t count, NewEntry *new_entry,
                               const uint64_t *frames)
{
    uint64_t changed = 0;

    for (uint64_t i = 0; i < count; i++) {
        CookieEntry *entry = &processors->spaces[space].entries[page + i];
        uint64_t old = atomic_load_explicit(entry, memory_order_relaxed);
        uint64_t new = new_entry(old, i, frames);

        if (!(old & COOKIE_ENTRY_PRESENT) || new == old) {
            continue;
        }
        atomic_store_explicit(entry, new, memory_order_release);
        processors_spend(&processors->cpus[cpu],
                         processors->config.costs.entry_write);
        changed++;
        if (processors->cookies) {
            change_cookie(processors, cpu, cookie_entry_frame(old));
        }
    }
    return changed;
}

static bool change(Processors *processors, unsigned cpu, unsigned space,
                   uint64_t page, uint64_t count, NewEntry *new_entry,
                   const uint64_t *frames)
{
    uint64_t begin, changed;

    if (cpu >= processors->config.processors ||
        space >= processors->config.spaces ||
        page >= processors->config.pages ||
        count > processors->config.pages - page) {
        return false;
    }
    begin = processors->cpus[cpu].clock;
    changed = change_entries(processors, cpu, space, page, count, new_entry,
                             frames);
    if (!processors->cookies && changed) {
        processors->spaces[space].generation++;
        processors_shoot_down(processors, cpu, runners(processors, space),
                              space, page, count);
        if (processors->cpus[cpu].space == space) {
            processors->cpus[cpu].generations[space] =
                processors->spaces[space].generation;
        }
    }
    processors->counters.changes++;
    processors->counters.changed_pages += changed;
    processors->counters.change_cycles +=
        processors->cpus[cpu].clock - begin;
    return true;
}

static uint64_t entry_elsewhere(uint64_t entry, uint64_t index,
                                const uint64_t *frames)
{
    return (entry & ~COOKIE_FRAME_MASK) |
           frames[index] << COOKIE_FRAME_SHIFT;
}

static uint64_t entry_none(uint64_t entry, uint64_t index,
                           const uint64_t *frames)
{
    return 0;
}

static uint64_t entry_read_only(uint64_t entry, uint64_t index,
                                const uint64_t *frames)
{
    return entry & ~COOKIE_ENTRY_WRITABLE;
}

bool processors_remap(Processors *processors, unsigned cpu, unsigned space,
                      uint64_t page, uint64_t count,
                      const uint64_t *frames)
{
    if (count > processors->config.pages) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (frames[i] >= processors->config.frames) {
            return false;
        }
    }
    return change(processors, cpu, space, page, count, entry_elsewhere,
                  frames);
}

bool processors_unmap(Processors *processors, unsigned cpu, unsigned space,
                      uint64_t page, uint64_t count)
{
    return change(processors, cpu, space, page, count, entry_none, NULL);
}

bool processors_protect(Processors *processors, unsigned cpu,
                        unsigned space, uint64_t page, uint64_t count)
{
    return change(processors, cpu, space, page, count, entry_read_only,
                  NULL);
}

bool processors_map(Processors *processors, unsigned cpu, unsigned space,
                    uint64_t page, uint64_t frame, bool writable)
{
    CookieEntry *entry;

    if (cpu >= processors->config.processors ||
        space >= processors->config.spaces ||
        page >= processors->config.pages ||
        frame >= processors->config.frames) {
        return false;
    }
    entry = &processors->spaces[space].entries[page];
    if (atomic_load_explicit(entry, memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(entry,
                          frame << COOKIE_FRAME_SHIFT |
                          COOKIE_ENTRY_PRESENT |
                          (writable ? COOKIE_ENTRY_WRITABLE : 0),
                          memory_order_release);
    processors_spend(&processors->cpus[cpu],
                     processors->config.costs.entry_write);
    return true;
}
