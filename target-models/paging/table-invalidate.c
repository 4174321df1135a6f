/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: invalidation
 *
 * Of a domain or of everything: a number, whatever there is in the table.
 * Of pages: their slots, in the few blocks that the range touches.
 */
#include "target-models/paging/paging-internal.h"

static uint64_t next_epoch(PagingTable *table)
{
    return load(&table->epoch) + 1;
}

/* Readers that see the new epoch see the invalidation too. */
static void publish_epoch(PagingTable *table, uint64_t epoch)
{
    atomic_store_explicit(&table->epoch, epoch, memory_order_release);
}

/* @domain: -1 for all */
static void invalidate_all(PagingTable *table, int domain, uint64_t epoch,
                           uint64_t now_ns)
{
    store(domain < 0 ? &table->global_epoch : &table->domain_epochs[domain],
          epoch);
    paging_log_add(table, domain, now_ns);
    atomic_store_explicit(&table->needs_sweep, true, memory_order_relaxed);
}

static bool invalidate_slot(PagingDevice *device, Block *block, Slot *slot,
                            uint64_t now_ns)
{
    uint64_t stamp = load(&slot->stamp);
    bool dropped_before = device_invalidated(device) > stamp;

    if (!load(&slot->entry)) {
        return false;
    }
    paging_ledger_drop(device, block, slot,
                       dropped_before ? paging_log_time(device, stamp) :
                                        now_ns);
    return !dropped_before;
}

/* An invalidation of pages, of which one level of one device is looked at. */
typedef struct Range {
    PagingDevice *device;
    unsigned level;
    uint64_t first, last;       /* entries of that level, by address */
    uint64_t now_ns;
} Range;

static bool invalidate_block(const Range *r, Block *block)
{
    uint64_t base = block_iova(block->key) >> level_shift(r->level);
    uint64_t end = MIN(r->last, base + BLOCK_SLOTS - 1);
    bool any = false;

    for (uint64_t i = MAX(r->first, base); i <= end; i++) {
        any |= invalidate_slot(r->device, block, &block->slots[i - base],
                               r->now_ns);
    }
    return any;
}

/* A range of more blocks than there may be: look at those that there are. */
static bool invalidate_hash(const Range *r, Hash *hash)
{
    bool any = false;

    for (unsigned i = 0; i < 1u << hash->bits; i++) {
        if ((load(&hash->buckets[i].key) & 3) == r->level) {
            any |= invalidate_block(r, atomic_load(&hash->buckets[i].block));
        }
    }
    return any;
}

static bool invalidate_range(const Range *r)
{
    Hash *hash = atomic_load_explicit(&r->device->hash, memory_order_relaxed);
    unsigned shift = level_shift(r->level);
    bool any = false;

    if ((r->last - r->first) >> BLOCK_BITS >= 1u << hash->bits) {
        return invalidate_hash(r, hash);
    }
    for (uint64_t i = r->first; i <= r->last; i = (i | (BLOCK_SLOTS - 1)) + 1) {
        Block *block = device_find(r->device, i << shift, r->level);

        any |= block && invalidate_block(r, block);
    }
    return any;
}

static bool invalidate_level(PagingDevice *device, unsigned level,
                             uint64_t first, uint64_t last, uint64_t now_ns)
{
    Range range = {
        .device = device,
        .level = level,
        .first = first >> level_shift(level),
        .last = last >> level_shift(level),
        .now_ns = now_ns,
    };

    return atomic_load_explicit(&device->n_blocks[level],
                                memory_order_relaxed) &&
           invalidate_range(&range);
}

static void invalidate_pages(PagingTable *table, const PagingInvalidation *i,
                             uint64_t now_ns)
{
    unsigned order = MIN(i->order, PAGING_MAX_ORDER);
    uint64_t mask = (UINT64_C(1) << (PAGE_SHIFT + order)) - 1;
    uint64_t first = i->address & ~mask;

    for (unsigned n = 0; n < table->devices->len; n++) {
        PagingDevice *device = g_ptr_array_index(table->devices, n);
        bool any = false;

        if (device->context.domain != i->domain) {
            continue;
        }
        for (unsigned level = 1; level <= LEAF_LEVELS; level++) {
            any |= invalidate_level(device, level, first, first | mask,
                                    now_ns);
        }
        device->ledger_invalidations += any;
    }
}

static bool same(const PagingInvalidation *a, const PagingInvalidation *b)
{
    return a->granularity == b->granularity &&
           (a->granularity == PAGING_GLOBAL || a->domain == b->domain) &&
           (a->granularity != PAGING_PAGES ||
            (a->address == b->address && a->order == b->order));
}

static void forget_postponed(PagingTable *table, const PagingInvalidation *i)
{
    for (unsigned n = 0; n < table->postponed->len; n++) {
        if (same(&g_array_index(table->postponed, Postponed, n).invalidation,
                 i)) {
            g_array_remove_index(table->postponed, n);
            table->has_postponed = table->postponed->len;
            return;
        }
    }
}

void paging_table_invalidate(PagingTable *table,
                             const PagingInvalidation *invalidation,
                             uint64_t now_ns)
{
    uint64_t epoch;

    g_mutex_lock(&table->lock);
    epoch = next_epoch(table);
    if (invalidation->granularity == PAGING_PAGES) {
        invalidate_pages(table, invalidation, now_ns);
    } else {
        invalidate_all(table, invalidation->granularity == PAGING_GLOBAL ?
                              -1 : invalidation->domain, epoch, now_ns);
    }
    publish_epoch(table, epoch);
    if (table->has_postponed) {
        forget_postponed(table, invalidation);
    }
    g_mutex_unlock(&table->lock);
}

void paging_table_postpone(PagingTable *table,
                           const PagingInvalidation *invalidation)
{
    Postponed postponed = { .invalidation = *invalidation };

    g_mutex_lock(&table->lock);
    postponed.epoch = next_epoch(table);
    if (table->postponed->len == PAGING_MAX_POSTPONED) {
        g_array_remove_index(table->postponed, 0);
    }
    g_array_append_val(table->postponed, postponed);
    table->has_postponed = true;
    publish_epoch(table, postponed.epoch);
    g_mutex_unlock(&table->lock);
}
