/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: page tables of any content, and a table of translations that
 * follows them under a sequence of changes, uses and invalidations.
 *
 * The first pages of the input are guest memory; the rest is a program: each
 * operation is a byte that says which, and the operands it takes.
 * Sanitizers watch memory; the assertions here are what paging.h promises.
 */
#include <string.h>

#include "target-models/paging/paging.h"
#include "tests/fuzz/input.h"

#define PAGE            4096u
#define N_PAGES         6
#define N_DEVICES       2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Guest memory: pages 0 to N_PAGES - 1 from address 0 on, and no other. */
typedef struct Memory {
    uint64_t words[N_PAGES * PAGE / 8];
} Memory;

typedef struct Run {
    FuzzInput program;
    Memory memory;
    PagingTable *table;
    PagingDevice *devices[N_DEVICES];
    PagingContext contexts[N_DEVICES];
    bool has_context[N_DEVICES];
    uint64_t now_ns;
} Run;

static const void *memory_page(void *opaque, uint64_t address)
{
    Memory *memory = opaque;

    g_assert(address % PAGE == 0);
    return address / PAGE < N_PAGES ? &memory->words[address / 8] : NULL;
}

/* Few pages, so that chance meets one twice; now and then any address. */
static uint64_t next_iova(FuzzInput *p)
{
    uint8_t how = next8(p);

    if (how == 0) {
        return next64(p);
    }
    return (uint64_t)(how & 3) << 39 | (uint64_t)(how >> 2 & 3) << 30 |
           (uint64_t)(how >> 4 & 3) << 21 | (uint64_t)(how >> 6) << 12 |
           next8(p);
}

/* Writes an entry: to a page of the guest's, mostly. */
static void write_entry(Run *run, unsigned i)
{
    uint8_t where = next8(&run->program), what = next8(&run->program);
    uint64_t entry = (uint64_t)(what & 7) * PAGE | (what >> 3 & 3) |
                     (what & 0x20 ? 0x80 : 0);

    if (what & 0x80) {
        entry ^= next64(&run->program);
    }
    run->memory.words[(where % N_PAGES) * (PAGE / 8) + where / N_PAGES % 4] =
        GUINT64_TO_LE(entry);
}

static void set_context(Run *run, unsigned i)
{
    PagingContext *context = &run->contexts[i];
    uint8_t what = next8(&run->program);

    run->has_context[i] = what != 0;
    *context = (PagingContext) {
        .tables = (uint64_t)(what & 7) * PAGE,
        .domain = what >> 3 & 1,
        .levels = what & 0x10 ? 3 : 4,
        .pass_through = (what >> 5) == 7,
    };
    paging_device_set_context(run->devices[i],
                              run->has_context[i] ? context : NULL);
}

static void read_context(Run *run, unsigned i)
{
    PagingContext context;
    PagingReason reason = paging_context_read(
        run->table, (uint64_t)next8(&run->program) % 8 * PAGE,
        next8(&run->program), &context);

    if (reason == PAGING_REASON_NONE) {
        g_assert(context.pass_through || context.levels == 3 ||
                 context.levels == 4);
        paging_device_set_context(run->devices[i], &context);
        run->contexts[i] = context;
        run->has_context[i] = true;
    }
}

static void expect_page(const PagingResult *result, unsigned access)
{
    g_assert(result->permissions & access);
    g_assert(!(result->permissions & ~(PAGING_READ | PAGING_WRITE)));
    g_assert(result->mask == 0xfff || result->mask == 0x1fffff ||
             result->mask == 0x3fffffff);
    g_assert(!(result->address & result->mask));
}

/* A result that is not stale is what a fresh walk says. */
static void expect_fresh(Run *run, unsigned i, uint64_t iova,
                         unsigned access, const PagingResult *result)
{
    PagingWalk walk;
    uint64_t rest = result->mask & ~(uint64_t)0xfff;
    uint64_t page = result->address | (iova & rest);

    paging_walk(run->table, &run->contexts[i], iova, access, &walk);
    g_assert(walk.reason == PAGING_REASON_NONE);
    rest = (UINT64_C(1) << (12 + 9 * (walk.level - 1))) - PAGE;
    g_assert((walk.address | (iova & rest)) == page);
    g_assert(!(result->permissions & ~walk.permissions));
}

static void translate(Run *run, unsigned i)
{
    uint64_t iova = next_iova(&run->program);
    uint8_t how = next8(&run->program);
    unsigned access = how & 1 ? PAGING_WRITE : PAGING_READ;
    PagingMode mode = paging_table_mode(run->table);
    PagingResult result;

    run->now_ns += how;
    switch (paging_translate(run->devices[i], iova, access, run->now_ns,
                             how >> 1 & (PAGING_SHARDS - 1), &result)) {
    case PAGING_OK:
        expect_page(&result, access);
        expect_fresh(run, i, iova, access, &result);
        break;
    case PAGING_STALE:
        g_assert(result.action == PAGING_BLOCKED ||
                 result.action == (mode == PAGING_MODE_REPORT ?
                                   PAGING_SERVED : PAGING_HEALED));
        if (result.action != PAGING_BLOCKED) {
            expect_page(&result, access);
        }
        break;
    case PAGING_FAULT:
        g_assert(result.reason != PAGING_REASON_NONE);
        break;
    case PAGING_NO_CONTEXT:
        g_assert(!run->has_context[i] || run->contexts[i].pass_through);
        break;
    }
}

/* A hit changes nothing that a second one would see. */
static void hit(Run *run, unsigned i)
{
    uint64_t iova = next_iova(&run->program);
    PagingResult first, second;

    if (paging_hit(run->devices[i], iova, PAGING_READ, run->now_ns, 0,
                   &first)) {
        g_assert(paging_hit(run->devices[i], iova, PAGING_READ, run->now_ns,
                            PAGING_SHARDS - 1, &second));
        g_assert(first.address == second.address &&
                 first.mask == second.mask);
        expect_page(&first, PAGING_READ);
    }
}

static PagingInvalidation next_invalidation(Run *run)
{
    uint8_t what = next8(&run->program);

    return (PagingInvalidation) {
        .granularity = what % 3,
        .domain = what >> 2 & 1,
        .order = what >> 3 & 0x1f,
        .address = next_iova(&run->program),
    };
}

/* After one of everything nothing is stale. */
static void invalidate(Run *run, unsigned i)
{
    PagingInvalidation invalidation = next_invalidation(run);
    PagingResult result;

    invalidation.order %= 19;
    paging_table_invalidate(run->table, &invalidation, run->now_ns);
    if (invalidation.granularity == PAGING_GLOBAL) {
        g_assert(paging_translate(run->devices[i],
                                  next_iova(&run->program), PAGING_READ,
                                  run->now_ns, 0, &result) != PAGING_STALE);
    }
}

static void postpone(Run *run, unsigned i)
{
    PagingInvalidation invalidation = next_invalidation(run);

    invalidation.order %= 19;
    paging_table_postpone(run->table, &invalidation);
}

static void set_mode(Run *run, unsigned i)
{
    paging_table_set_mode(run->table, next8(&run->program) % 3);
}

static void sweep(Run *run, unsigned i)
{
    paging_table_sweep(run->table, next8(&run->program));
    if (!paging_table_sweep(run->table, UINT_MAX)) {
        g_assert(!paging_table_needs_sweep(run->table));
    }
}

static void change_memory(Run *run, unsigned i)
{
    paging_table_memory_changed(run->table);
    if (next8(&run->program) & 1) {
        paging_table_drop_pages(run->table, next_iova(&run->program),
                                next64(&run->program));
    }
}

static void drop(Run *run, unsigned i)
{
    PagingCounters counters;

    paging_table_drop(run->table);
    paging_device_counters(run->devices[i], &counters);
    g_assert(counters.entries == 0);
}

static void count(Run *run, unsigned i)
{
    PagingCounters counters;
    uint64_t iova;

    paging_device_counters(run->devices[i], &counters);
    g_assert(counters.stale <= counters.translations);
    g_assert(counters.ledger.stale_entries <= counters.ledger.entries);
    g_assert(counters.ledger.window_max_ns <=
             counters.ledger.window_total_ns);
    if (!paging_device_last_address(run->devices[i], &iova)) {
        g_assert(counters.entries == 0);
    }
}

static void (*const operations[])(Run *run, unsigned i) = {
    write_entry, write_entry, write_entry, translate, translate, translate,
    hit, set_context, read_context, invalidate, postpone, set_mode, sweep,
    change_memory, drop, count,
};

static void start(Run *run, const uint8_t *data, size_t size)
{
    const PagingMemory memory = {
        .page = memory_page,
        .opaque = &run->memory,
    };
    const PagingUnit unit = {
        .address_width = 48,
        .levels_3 = true,
        .levels_4 = true,
        .pass_through = true,
    };
    size_t tables = MIN(size / 2, sizeof(run->memory));

    if (tables) {
        memcpy(run->memory.words, data, tables);
    }
    run->program = (FuzzInput) { data + tables, size - tables };
    run->table = paging_table_new(&memory, &unit);
    for (unsigned i = 0; i < N_DEVICES; i++) {
        run->devices[i] = paging_device_new(run->table);
        run->contexts[i] = (PagingContext) { .levels = 4 };
        run->has_context[i] = true;
        paging_device_set_context(run->devices[i], &run->contexts[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run *run = g_new0(Run, 1);

    start(run, data, size);
    while (run->program.left) {
        unsigned operation = next8(&run->program);

        operations[operation % G_N_ELEMENTS(operations)](
            run, operation >> 4 & 1);
    }
    paging_table_free(run->table);
    g_free(run);
    return 0;
}
