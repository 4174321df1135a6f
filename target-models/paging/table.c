/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: the table, its devices and their blocks
 */
#include "target-models/paging/paging-internal.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 4

/* Cache lines of their own for what many threads read; freed by free(). */
static void *alloc_aligned(size_t size)
{
    void *memory = aligned_alloc(64, size);

    if (!memory) {
        g_error("cannot allocate %zu bytes", size);
    }
    return memset(memory, 0, size);
}

void paging_retire(PagingTable *table, void *memory)
{
    if (!memory) {
        return;
    }
    if (table->memory.retire) {
        table->memory.retire(table->memory.opaque, memory);
    } else {
        g_free(memory);
    }
}

static Path *block_path(Block *block)
{
    return atomic_load_explicit(&block->path, memory_order_relaxed);
}

void paging_block_set_path(PagingTable *table, Block *block, Path *path)
{
    Path *old = block_path(block);

    if (path) {
        path->users++;
    }
    atomic_store_explicit(&block->path, path, memory_order_release);
    if (old && --old->users == 0) {
        paging_retire(table, old);
    }
}

PagingTable *paging_table_new(const PagingMemory *memory,
                              const PagingUnit *unit)
{
    PagingTable *table = alloc_aligned(sizeof(*table));

    table->memory = *memory;
    table->unit = *unit;
    table->address_mask =
        ((UINT64_C(1) << unit->address_width) - 1) & ~UINT64_C(0xfff);
    table->domain_epochs = g_malloc0_n(65536, sizeof(uint64_t));
    table->devices = g_ptr_array_new();
    table->postponed = g_array_new(false, false, sizeof(Postponed));
    atomic_init(&table->epoch, 1);
    g_mutex_init(&table->lock);
    return table;
}

static Hash *hash_new(unsigned bits)
{
    Hash *hash = g_malloc0(sizeof(*hash) + (sizeof(Bucket) << bits));

    hash->bits = bits;
    return hash;
}

static Hash *device_hash(const PagingDevice *device)
{
    return atomic_load_explicit(&((PagingDevice *)device)->hash,
                                memory_order_relaxed);
}

static void hash_insert(Hash *hash, Block *block)
{
    unsigned mask = (1u << hash->bits) - 1;
    unsigned i = block->key * UINT64_C(0x9e3779b97f4a7c15) >>
                 (64 - hash->bits);

    while (load(&hash->buckets[i].key)) {
        i = (i + 1) & mask;
    }
    atomic_store_explicit(&hash->buckets[i].block, block,
                          memory_order_relaxed);
    atomic_store_explicit(&hash->buckets[i].key, block->key,
                          memory_order_release);
    hash->used++;
}

/* Returns: the block in bucket @i, or NULL. */
static Block *bucket_block(Hash *hash, unsigned i)
{
    return load(&hash->buckets[i].key) ?
           atomic_load_explicit(&hash->buckets[i].block,
                                memory_order_relaxed) : NULL;
}

static void device_set_hash(PagingDevice *device, Hash *hash)
{
    device->sweep_at = 0;
    device->sweep_target = 0;
    atomic_store_explicit(&device->hash, hash, memory_order_release);
}

static void device_grow(PagingDevice *device)
{
    Hash *old = device_hash(device);
    Hash *hash = hash_new(old->bits + 1);

    for (unsigned i = 0; i < 1u << old->bits; i++) {
        Block *block = bucket_block(old, i);

        if (block) {
            hash_insert(hash, block);
        }
    }
    device_set_hash(device, hash);
    paging_retire(device->table, old);
}

static void retire_block(PagingTable *table, Block *block)
{
    Path *path = block_path(block);

    /* Readers that still have the block go on with its path. */
    if (path && --path->users == 0) {
        paging_retire(table, path);
    }
    paging_retire(table, block);
    table->n_blocks--;
}

void paging_device_drop(PagingDevice *device)
{
    Hash *old = device_hash(device);

    if (!old->used) {
        return;
    }
    device_set_hash(device, hash_new(FIRST_BITS));
    for (unsigned i = 1; i <= LEAF_LEVELS; i++) {
        atomic_store_explicit(&device->n_blocks[i], 0, memory_order_relaxed);
    }
    for (unsigned i = 0; i < 1u << old->bits; i++) {
        Block *block = bucket_block(old, i);

        if (block) {
            retire_block(device->table, block);
        }
    }
    paging_retire(device->table, old);
    device->live = 0;
    store(&device->ledger_drops, paging_ledger_invalidations(device) -
                                 device->ledger_invalidations);
    store(&device->used_epoch, 0);
}

/* The device that has most pays for all. */
static void make_room(PagingTable *table)
{
    PagingDevice *largest = NULL;

    for (unsigned i = 0; i < table->devices->len; i++) {
        PagingDevice *device = g_ptr_array_index(table->devices, i);

        if (!largest || device_hash(device)->used >
                        device_hash(largest)->used) {
            largest = device;
        }
    }
    largest->dropped += largest->live;
    paging_device_drop(largest);
}

Block *paging_device_block(PagingDevice *device, uint64_t iova,
                           unsigned level)
{
    Block *block = device_find(device, iova, level);
    Hash *hash;

    if (block) {
        return block;
    }
    if (device->table->n_blocks >= PAGING_MAX_BLOCKS) {
        make_room(device->table);
    }
    hash = device_hash(device);
    if ((hash->used + 1) * 2 > 1u << hash->bits) {
        device_grow(device);
    }
    block = g_new0(Block, 1);
    block->key = block_key(iova, level);
    hash_insert(device_hash(device), block);
    atomic_fetch_add_explicit(&device->n_blocks[level], 1,
                              memory_order_relaxed);
    device->table->n_blocks++;
    return block;
}

PagingDevice *paging_device_new(PagingTable *table)
{
    PagingDevice *device = alloc_aligned(sizeof(*device));

    device->table = table;
    atomic_init(&device->hash, hash_new(FIRST_BITS));
    g_mutex_lock(&table->lock);
    g_ptr_array_add(table->devices, device);
    g_mutex_unlock(&table->lock);
    return device;
}

void paging_device_free(PagingDevice *device)
{
    PagingTable *table;
    Hash *hash;

    if (!device) {
        return;
    }
    table = device->table;
    hash = device_hash(device);
    g_mutex_lock(&table->lock);
    g_ptr_array_remove(table->devices, device);
    table->n_blocks -= hash->used;
    g_mutex_unlock(&table->lock);
    for (unsigned i = 0; i < 1u << hash->bits; i++) {
        Block *block = bucket_block(hash, i);

        if (block) {
            Path *path = block_path(block);

            if (path && --path->users == 0) {
                g_free(path);
            }
            g_free(block);
        }
    }
    g_free(hash);
    free(device);
}

void paging_table_free(PagingTable *table)
{
    if (!table) {
        return;
    }
    while (table->devices->len) {
        paging_device_free(g_ptr_array_index(table->devices,
                                             table->devices->len - 1));
    }
    g_ptr_array_unref(table->devices);
    g_array_unref(table->postponed);
    g_free(table->domain_epochs);
    g_mutex_clear(&table->lock);
    free(table);
}

void paging_table_set_mode(PagingTable *table, PagingMode mode)
{
    atomic_store_explicit(&table->mode, mode, memory_order_relaxed);
}

PagingMode paging_table_mode(const PagingTable *table)
{
    return atomic_load_explicit(&((PagingTable *)table)->mode,
                                memory_order_relaxed);
}

static bool same_tables(const PagingContext *a, const PagingContext *b)
{
    return a->tables == b->tables && a->domain == b->domain &&
           a->levels == b->levels && a->pass_through == b->pass_through;
}

void paging_device_set_context(PagingDevice *device,
                               const PagingContext *context)
{
    PagingTable *table = device->table;

    g_mutex_lock(&table->lock);
    if (!context || !atomic_load(&device->has_context) ||
        !same_tables(context, &device->context)) {
        paging_device_drop(device);
    }
    if (context) {
        device->context = *context;
        atomic_store_explicit(&device->domain, context->domain,
                              memory_order_relaxed);
    }
    atomic_store(&device->has_context, context != NULL);
    g_mutex_unlock(&table->lock);
}

void paging_table_drop(PagingTable *table)
{
    g_mutex_lock(&table->lock);
    for (unsigned i = 0; i < table->devices->len; i++) {
        paging_device_drop(g_ptr_array_index(table->devices, i));
    }
    g_array_set_size(table->postponed, 0);
    table->has_postponed = false;
    g_mutex_unlock(&table->lock);
}

void paging_table_memory_changing(PagingTable *table)
{
    g_mutex_lock(&table->lock);
    store(&table->map_epoch, load(&table->map_epoch) | 1);
    g_mutex_unlock(&table->lock);
}

void paging_table_memory_changed(PagingTable *table)
{
    g_mutex_lock(&table->lock);
    store(&table->map_epoch, (load(&table->map_epoch) | 1) + 1);
    g_mutex_unlock(&table->lock);
}

bool paging_device_last_address(const PagingDevice *device, uint64_t *iova)
{
    Shard *last = NULL;

    for (unsigned i = 0; i < PAGING_SHARDS; i++) {
        Shard *shard = &((PagingDevice *)device)->shards[i];

        if ((load(&shard->last_ns) || load(&shard->last_iova)) &&
            (!last || load(&shard->last_ns) > load(&last->last_ns))) {
            last = shard;
        }
    }
    if (last) {
        *iova = load(&last->last_iova);
    }
    return last;
}
