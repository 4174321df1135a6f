/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: the ledger of stale windows, and other work that
 * looks at all translations
 */
#include "target-models/paging/paging-internal.h"

void paging_log_add(PagingTable *table, int domain, uint64_t now_ns)
{
    table->log[table->log_at++ % LOG_SIZE] = (LogEntry) {
        .epoch = load(&table->epoch) + 1,
        .now_ns = now_ns,
        .domain = domain,
    };
    /* By the next time the host's caches would have lost it. */
    __builtin_prefetch(&table->log[table->log_at % LOG_SIZE], 1);
}

uint64_t paging_log_time(const PagingDevice *device, uint64_t epoch)
{
    const PagingTable *table = device->table;
    unsigned n = MIN(table->log_at, LOG_SIZE);

    for (unsigned i = table->log_at - n; i != table->log_at; i++) {
        const LogEntry *entry = &table->log[i % LOG_SIZE];

        if (entry->epoch > epoch &&
            (entry->domain < 0 || entry->domain == device->context.domain)) {
            return entry->now_ns;
        }
    }
    return 0;
}

bool paging_slot_changed(PagingDevice *device, Block *block, Slot *slot)
{
    PagingTable *table = device->table;
    Path *path = atomic_load_explicit(&block->path, memory_order_relaxed);
    unsigned level = block->key & 3;
    uint64_t iova = block_iova(block->key) +
                    ((uint64_t)(slot - block->slots) << level_shift(level));
    PagingWalk walk;

    if (path && path_holds(path, load(&table->map_epoch))) {
        return load_entry(&path->leaves[level_index(iova, level)]) !=
               load(&slot->entry);
    }
    paging_walk_locked(table, &device->context, iova,
                       PAGING_READ | PAGING_WRITE, &walk);
    return walk.reason || walk.level != level ||
           walk.entries[walk.n - 1] != load(&slot->entry);
}

/* Returns: the epoch at which it was last seen valid. */
static uint64_t take_stamp(Slot *slot)
{
    return atomic_exchange(&slot->stamp, STAMP_DROPPED);
}

void paging_slot_drop(PagingDevice *device, Slot *slot)
{
    take_stamp(slot);
    store(&slot->entry, 0);
    device->live--;
}

void paging_ledger_drop(PagingDevice *device, Block *block, Slot *slot,
                        uint64_t now_ns)
{
    uint64_t seen_ns = load(&slot->seen_ns);
    uint64_t window = now_ns > seen_ns ? now_ns - seen_ns : 0;

    atomic_fetch_add_explicit(&device->ledger_entries, 1,
                              memory_order_relaxed);
    if (paging_slot_changed(device, block, slot)) {
        device->ledger_stale++;
        device->ledger_total_ns += window;
        device->ledger_max_ns = MAX(device->ledger_max_ns, window);
    }
    paging_slot_drop(device, slot);
}

uint64_t paging_ledger_invalidations(PagingDevice *device)
{
    uint64_t used = load(&device->used_epoch);

    /* The latest is found at the next use. */
    return device->ledger_invalidations + load(&device->ledger_drops) +
           (used && used < device_invalidated(device));
}

static void sweep_block(PagingDevice *device, Block *block)
{
    uint64_t invalidated = device_invalidated(device);

    for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
        Slot *slot = &block->slots[i];
        uint64_t stamp = load(&slot->stamp);

        if (load(&slot->entry) && invalidated > stamp) {
            paging_ledger_drop(device, block, slot,
                               paging_log_time(device, stamp));
        }
    }
}

/* Returns: whether there is more to do for @device. */
static bool sweep_device(PagingDevice *device, unsigned *budget)
{
    Hash *hash = atomic_load_explicit(&device->hash, memory_order_relaxed);
    uint64_t invalidated = device_invalidated(device);

    if (device->swept >= invalidated) {
        return false;
    }
    if (device->sweep_at == 0) {
        device->sweep_target = invalidated;
        if (load(&device->used_epoch) < device->swept) {
            /* Nothing was used since the last sweep. */
            device->swept = invalidated;
            return false;
        }
    }
    for (; device->sweep_at < 1u << hash->bits; device->sweep_at++) {
        Bucket *bucket = &hash->buckets[device->sweep_at];

        if (*budget < BLOCK_SLOTS) {
            return true;
        }
        *budget -= 1;
        if (load(&bucket->key)) {
            *budget -= BLOCK_SLOTS - 1;
            sweep_block(device, atomic_load_explicit(&bucket->block,
                                                     memory_order_relaxed));
        }
    }
    device->sweep_at = 0;
    device->swept = device->sweep_target;
    return device->swept < device_invalidated(device);
}

bool paging_table_sweep(PagingTable *table, unsigned budget)
{
    bool all = budget == UINT_MAX;
    bool more = false;

    g_mutex_lock(&table->lock);
    for (unsigned i = 0; i < table->devices->len; i++) {
        PagingDevice *device = g_ptr_array_index(table->devices, i);
        bool again;

        do {
            budget = all ? UINT_MAX : budget;
            again = sweep_device(device, &budget);
        } while (again && all);
        more |= again;
    }
    atomic_store_explicit(&table->needs_sweep, more, memory_order_relaxed);
    g_mutex_unlock(&table->lock);
    return more;
}

bool paging_table_needs_sweep(const PagingTable *table)
{
    return atomic_load_explicit(&((PagingTable *)table)->needs_sweep,
                                memory_order_relaxed);
}

static uint64_t drop_pages(PagingDevice *device, Block *block,
                           uint64_t address, uint64_t size)
{
    unsigned level = block->key & 3;
    uint64_t mask = level_mask(level);
    uint64_t last = address + size - 1;
    uint64_t n = 0;

    for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
        Slot *slot = &block->slots[i];
        uint64_t entry = load(&slot->entry);
        uint64_t page = entry & device->table->address_mask & ~mask;

        if (entry && page + mask >= address && page <= last &&
            !paging_slot_changed(device, block, slot)) {
            paging_slot_drop(device, slot);
            n++;
        }
    }
    return n;
}

uint64_t paging_table_drop_pages(PagingTable *table, uint64_t address,
                                 uint64_t size)
{
    uint64_t n = 0;

    g_mutex_lock(&table->lock);
    for (unsigned i = 0; i < table->devices->len; i++) {
        PagingDevice *device = g_ptr_array_index(table->devices, i);
        Hash *hash = atomic_load_explicit(&device->hash,
                                          memory_order_relaxed);

        for (unsigned b = 0; device->live && b < 1u << hash->bits; b++) {
            if (load(&hash->buckets[b].key)) {
                n += drop_pages(device,
                                atomic_load(&hash->buckets[b].block),
                                address, size);
            }
        }
    }
    g_mutex_unlock(&table->lock);
    return n;
}

void paging_device_counters(const PagingDevice *device,
                            PagingCounters *counters)
{
    PagingDevice *d = (PagingDevice *)device;

    g_mutex_lock(&d->table->lock);
    *counters = (PagingCounters) {
        .entries = d->live,
        .misses = d->misses,
        .revalidated = d->revalidated,
        .stale = d->stale,
        .faults = d->faults,
        .dropped = d->dropped,
        .ledger = {
            .invalidations = paging_ledger_invalidations(d),
            .entries = load(&d->ledger_entries),
            .stale_entries = d->ledger_stale,
            .window_total_ns = d->ledger_total_ns,
            .window_max_ns = d->ledger_max_ns,
        },
    };
    g_mutex_unlock(&d->table->lock);
    for (unsigned i = 0; i < PAGING_SHARDS; i++) {
        counters->translations += load(&d->shards[i].translations);
    }
}
