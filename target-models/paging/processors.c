/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs over one memory
 */
#include "target-models/paging/processors-internal.h"

G_DEFINE_QUARK(processors-error-quark, processors_error)

/*
 * A server processor at 3 GHz.  Where measurements differ, the figure that
 * is better for shoot-down is taken: with these, one of one page takes
 * 0.6 us with one other processor and 4.8 us with 63, where published rules
 * of thumb (1 us, and 0.2 us for each receiver) give 1.2 and 14 us.
 */
void processors_default_costs(ProcessorsCosts *costs)
{
    *costs = (ProcessorsCosts) {
        /* Intel 64 and IA-32 Optimization Reference Manual (248966),
         * Skylake: L1 4 to 5 cycles, L3 44; an STLB hit costs 7 */
        .access = 5,
        .stlb = 7,
        /* One entry from L2 or L3, the upper levels from the
         * paging-structure caches: 20 to 50 where they are cached */
        .walk = 35,
        /* Its own choice: one cycle of comparing at retirement.  The
         * benchmark shows what more would do. */
        .cookie = 1,
        .line_far = 14,         /* L2; Skylake server */
        .line_fetch = 44,
        /* 40 to 42 ns for a modified line of the same socket: Intel Memory
         * Latency Checker on a Xeon E5-2660 v4 */
        .line_transfer = 125,
        .entry_write = 10,
        /* 100 ns "each single flush": Linux, arch/x86/mm/tlb.c, at
         * tlb_single_page_flush_ceiling; newer processors take less */
        .invlpg = 200,
        .flush = 500,
        /* WRMSR of the x2APIC's ICR; then delivery, entry, EOI and IRET */
        .ipi_send = 200,
        .ipi_deliver = 700,
        .ipi_handle = 600,
        .switch_space = 150,
    };
}

void processors_default_config(ProcessorsConfig *config)
{
    *config = (ProcessorsConfig) {
        .scheme = PROCESSORS_COOKIES,
        .processors = 8,
        .spaces = 1,
        .pages = 4096,
        .frames = 8192,
        /* Skylake: the manual's table 2-15 */
        .dtlb_entries = 64,
        .dtlb_ways = 4,
        .stlb_entries = 1536,
        .stlb_ways = 12,
        .line_bytes = 64,
        /* A quarter of a 32 KiB L1 and an eighth of a 1 MiB L2 */
        .line_entries = 128,
        .line_ways = 8,
        .far_entries = 2048,
        .far_ways = 8,
        .cookie_width = 32,
        /* Linux: tlb_single_page_flush_ceiling */
        .flush_ceiling = 33,
    };
    processors_default_costs(&config->costs);
}

static bool config_number(const char *name, unsigned value, unsigned least,
                          unsigned most, GError **error)
{
    if (value >= least && value <= most) {
        return true;
    }
    g_set_error(error, PROCESSORS_ERROR, PROCESSORS_ERROR_CONFIG,
                "%s: %u: expected %u to %u", name, value, least, most);
    return false;
}

static bool config_cache(const char *name, unsigned entries, unsigned ways,
                         GError **error)
{
    ProcessorTlb *tlb = processor_tlb_new(entries, ways);

    if (!tlb) {
        g_set_error(error, PROCESSORS_ERROR, PROCESSORS_ERROR_CONFIG,
                    "%s: %u entries of %u ways: expected at most %u entries "
                    "and a power of two of sets", name, entries, ways,
                    PROCESSOR_TLB_MAX_ENTRIES);
        return false;
    }
    processor_tlb_free(tlb);
    return true;
}

static bool config_check(const ProcessorsConfig *config, GError **error)
{
    unsigned line = config->line_bytes;

    if (line < 8 || line > 4096 || line & (line - 1)) {
        g_set_error(error, PROCESSORS_ERROR, PROCESSORS_ERROR_CONFIG,
                    "line_bytes: %u: expected a power of two, 8 to 4096",
                    line);
        return false;
    }
    return config_number("processors", config->processors, 1,
                         PROCESSORS_MAX, error) &&
           config_number("spaces", config->spaces, 1,
                         PROCESSORS_MAX_SPACES, error) &&
           config_number("pages", config->pages, 1, PROCESSORS_MAX_PAGES,
                         error) &&
           config_number("frames", config->frames, 1, PROCESSORS_MAX_FRAMES,
                         error) &&
           config_number("cookie_width", config->cookie_width, 1,
                         COOKIE_MAX_WIDTH, error) &&
           config_cache("dtlb", config->dtlb_entries, config->dtlb_ways,
                        error) &&
           config_cache("stlb", config->stlb_entries, config->stlb_ways,
                        error) &&
           config_cache("line", config->line_entries, config->line_ways,
                        error) &&
           config_cache("far", config->far_entries, config->far_ways,
                        error);
}

static void add_cookies(Processors *processors)
{
    const ProcessorsConfig *config = &processors->config;
    unsigned bytes = 1, n_lines;

    while (bytes * 8 < config->cookie_width) {
        bytes *= 2;
    }
    while (bytes << processors->line_shift < config->line_bytes) {
        processors->line_shift++;
    }
    n_lines = (config->frames >> processors->line_shift) + 1;
    processors->cookies = cookie_buffer_new(config->frames,
                                            config->cookie_width);
    processors->lines = g_new0(CookieLine, n_lines);
    for (unsigned i = 0; i < n_lines; i++) {
        processors->lines[i].owner = LINE_UNOWNED;
    }
}

Processors *processors_new(const ProcessorsConfig *config, GError **error)
{
    Processors *processors;

    if (!config_check(config, error)) {
        return NULL;
    }
    processors = g_new0(Processors, 1);
    processors->config = *config;
    if (config->scheme == PROCESSORS_COOKIES) {
        add_cookies(processors);
    }
    processors->cpus = g_new0(Processor, config->processors);
    for (unsigned i = 0; i < config->processors; i++) {
        Processor *processor = &processors->cpus[i];

        processor->dtlb = processor_tlb_new(config->dtlb_entries,
                                            config->dtlb_ways);
        processor->stlb = processor_tlb_new(config->stlb_entries,
                                            config->stlb_ways);
        if (processors->cookies) {
            processor->near = processor_tlb_new(config->line_entries,
                                                config->line_ways);
            processor->far = processor_tlb_new(config->far_entries,
                                               config->far_ways);
        }
        processor->generations = g_new0(uint64_t, config->spaces);
    }
    processors->spaces = g_new0(ProcessorsSpace, config->spaces);
    for (unsigned i = 0; i < config->spaces; i++) {
        processors->spaces[i].entries = g_new0(CookieEntry, config->pages);
    }
    return processors;
}

void processors_free(Processors *processors)
{
    if (!processors) {
        return;
    }
    for (unsigned i = 0; i < processors->config.spaces; i++) {
        g_free(processors->spaces[i].entries);
    }
    for (unsigned i = 0; i < processors->config.processors; i++) {
        processor_tlb_free(processors->cpus[i].dtlb);
        processor_tlb_free(processors->cpus[i].stlb);
        processor_tlb_free(processors->cpus[i].near);
        processor_tlb_free(processors->cpus[i].far);
        g_free(processors->cpus[i].generations);
    }
    g_free(processors->cpus);
    g_free(processors->spaces);
    g_free(processors->lines);
    cookie_buffer_free(processors->cookies);
    g_free(processors);
}

/* Asks the TLBs; false if neither knows the page. */
static bool find(Processors *processors, Processor *processor,
                 uint64_t page, CookieTranslation *translation,
                 uint32_t *cycles)
{
    ProcessorTlbEntry *entry = processor_tlb_find(processor->dtlb,
                                                  processor->space, page);

    if (entry) {
        processors->counters.dtlb_hits++;
        *translation = entry->translation;
        return true;
    }
    *cycles += processors->config.costs.stlb;
    entry = processor_tlb_find(processor->stlb, processor->space, page);
    if (!entry) {
        return false;
    }
    processors->counters.stlb_hits++;
    *translation = entry->translation;
    processor_tlb_insert(processor->dtlb, processor->space, page,
                         *translation, NULL);
    return true;
}

/* Walks the page tables and keeps what is found. */
static CookieTranslation walk(Processors *processors, unsigned cpu,
                              uint64_t page, uint32_t *cycles)
{
    Processor *processor = &processors->cpus[cpu];
    const CookieEntry *entry =
        &processors->spaces[processor->space].entries[page];
    CookieTranslation translation = { 0, COOKIE_CLOSED };

    processors->counters.walks++;
    *cycles += processors->config.costs.walk;
    if (!processors->cookies) {
        translation.entry = atomic_load_explicit(entry,
                                                 memory_order_relaxed);
    } else {
        translation = cookie_translate(processors->cookies, entry);
    }
    if (!(translation.entry & COOKIE_ENTRY_PRESENT)) {
        return translation;     /* x86 keeps no entry of what is not there */
    }
    if (processors->cookies) {
        *cycles += processors_read_line(
            processors, cpu, cookie_entry_frame(translation.entry));
    }
    processor_tlb_insert(processor->dtlb, processor->space, page,
                         translation, NULL);
    processor_tlb_insert(processor->stlb, processor->space, page,
                         translation, NULL);
    return translation;
}

/* Compares the cookies; what has another one is forgotten. */
static bool still_valid(Processors *processors, unsigned cpu, uint64_t page,
                        const CookieTranslation *translation,
                        ProcessorsAccess *access)
{
    Processor *processor = &processors->cpus[cpu];

    if (!processors->cookies) {
        return true;
    }
    access->cycles += processors_read_line(
        processors, cpu, cookie_entry_frame(translation->entry));
    if (cookie_valid(processors->cookies, translation)) {
        return true;
    }
    processor_tlb_drop(processor->dtlb, processor->space, page);
    processor_tlb_drop(processor->stlb, processor->space, page);
    processors->counters.restarts++;
    access->restarted = true;
    return false;
}

static ProcessorsOutcome outcome_of(const CookieTranslation *translation,
                                    bool write)
{
    if (!(translation->entry & COOKIE_ENTRY_PRESENT)) {
        return PROCESSORS_NOT_MAPPED;
    }
    return write && !(translation->entry & COOKIE_ENTRY_WRITABLE)
           ? PROCESSORS_NOT_WRITABLE : PROCESSORS_DONE;
}

bool processors_access(Processors *processors, unsigned cpu, uint64_t page,
                       bool write, ProcessorsAccess *access)
{
    CookieTranslation translation;

    if (cpu >= processors->config.processors ||
        page >= processors->config.pages) {
        return false;
    }
    *access = (ProcessorsAccess) {
        .cycles = processors->config.costs.access,
    };
    access->walked =
        !find(processors, &processors->cpus[cpu], page, &translation,
              &access->cycles) ||
        !still_valid(processors, cpu, page, &translation, access) ||
        /* A right that is not there is looked for once more: SDM 4.10.4.3 */
        outcome_of(&translation, write) == PROCESSORS_NOT_WRITABLE;
    if (access->walked) {
        translation = walk(processors, cpu, page, &access->cycles);
    }
    access->outcome = outcome_of(&translation, write);
    access->frame = cookie_entry_frame(translation.entry);
    processors->counters.operations++;
    processors->counters.faults += access->outcome != PROCESSORS_DONE;
    processors_spend(&processors->cpus[cpu], access->cycles);
    return true;
}

bool processors_switch(Processors *processors, unsigned cpu,
                       unsigned space)
{
    Processor *processor;
    uint64_t generation;

    if (cpu >= processors->config.processors ||
        space >= processors->config.spaces) {
        return false;
    }
    processor = &processors->cpus[cpu];
    generation = processors->spaces[space].generation;
    processors_spend(processor, processors->config.costs.switch_space);
    processor->space = space;
    if (processor->generations[space] != generation) {
        processor->generations[space] = generation;
        processor_tlb_flush_space(processor->dtlb, space);
        processor_tlb_flush_space(processor->stlb, space);
        processors->counters.spaces_flushed++;
        processors_spend(processor, processors->config.costs.flush);
    }
    return true;
}

unsigned processors_next(const Processors *processors)
{
    unsigned next = 0;

    for (unsigned cpu = 1; cpu < processors->config.processors; cpu++) {
        if (processors->cpus[cpu].clock < processors->cpus[next].clock) {
            next = cpu;
        }
    }
    return next;
}

uint64_t processors_clock(const Processors *processors, unsigned cpu)
{
    return cpu < processors->config.processors
           ? processors->cpus[cpu].clock : 0;
}

const ProcessorsCounters *processors_counters(const Processors *processors)
{
    return &processors->counters;
}

CookieBuffer *processors_cookies(Processors *processors)
{
    return processors->cookies;
}
