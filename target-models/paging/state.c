/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: saved state
 *
 * Numbers of 64 bits, little endian.  A translation is saved as its address,
 * its leaf entry and when it was last seen valid; the entries above are
 * found again at its next use.
 */
#include <string.h>

#include "target-models/paging/paging-internal.h"

/* Translations of one device that are saved; stale ones go first. */
#define MAX_SAVED 65536

G_DEFINE_QUARK(paging-error-quark, paging_error)

void paging_put(GByteArray *bytes, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(bytes, (const uint8_t *)&value, sizeof(value));
}

bool paging_get(PagingReader *reader, uint64_t most, uint64_t *value)
{
    if (reader->size < sizeof(*value)) {
        return false;
    }
    memcpy(value, reader->data, sizeof(*value));
    *value = GUINT64_FROM_LE(*value);
    reader->data += sizeof(*value);
    reader->size -= sizeof(*value);
    return *value <= most;
}

/* The counters that travel, in their order. */
static void counter_fields(PagingDevice *device, uint64_t *fields[])
{
    unsigned n = 0;

    fields[n++] = &device->misses;
    fields[n++] = &device->revalidated;
    fields[n++] = &device->stale;
    fields[n++] = &device->faults;
    fields[n++] = &device->dropped;
    fields[n++] = &device->ledger_invalidations;
    fields[n++] = &device->ledger_stale;
    fields[n++] = &device->ledger_total_ns;
    fields[n++] = &device->ledger_max_ns;
    g_assert(n == 9);
}

static uint64_t count_translations(PagingDevice *device)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < PAGING_SHARDS; i++) {
        n += load(&device->shards[i].translations);
    }
    return n;
}

static void save_counters(PagingDevice *device, GByteArray *bytes)
{
    uint64_t *fields[9];

    counter_fields(device, fields);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        paging_put(bytes, fields[i] == &device->ledger_invalidations ?
                          paging_ledger_invalidations(device) : *fields[i]);
    }
    paging_put(bytes, load(&device->ledger_entries));
    paging_put(bytes, count_translations(device));
}

static void save_context(PagingDevice *device, GByteArray *bytes)
{
    const PagingContext *c = &device->context;

    paging_put(bytes, atomic_load(&device->has_context));
    paging_put(bytes, c->tables);
    paging_put(bytes, c->domain);
    paging_put(bytes, c->levels);
    paging_put(bytes, c->pass_through);
    paging_put(bytes, c->faults_disabled);
}

static void save_slot(Block *block, Slot *slot, GByteArray *bytes)
{
    unsigned level = block->key & 3;
    uint64_t iova = block_iova(block->key) +
                    ((uint64_t)(slot - block->slots) << level_shift(level));

    paging_put(bytes, iova | level);
    paging_put(bytes, load(&slot->entry));
    paging_put(bytes, load(&slot->seen_ns));
}

/* Returns: how many of @block were saved, at most @room. */
static unsigned save_block(PagingDevice *device, Block *block, bool stale,
                           unsigned room, GByteArray *bytes)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BLOCK_SLOTS && n < room; i++) {
        Slot *slot = &block->slots[i];

        if (load(&slot->entry) &&
            load(&slot->stamp) >= device_invalidated(device) &&
            paging_slot_changed(device, block, slot) == stale) {
            save_slot(block, slot, bytes);
            n++;
        }
    }
    return n;
}

static unsigned save_slots(PagingDevice *device, bool stale, unsigned room,
                           GByteArray *bytes)
{
    Hash *hash = atomic_load_explicit(&device->hash, memory_order_relaxed);
    unsigned n = 0;

    for (unsigned i = 0; i < 1u << hash->bits && n < room; i++) {
        if (load(&hash->buckets[i].key)) {
            n += save_block(device, atomic_load(&hash->buckets[i].block),
                            stale, room - n, bytes);
        }
    }
    return n;
}

void paging_device_save(PagingDevice *device, GByteArray *bytes)
{
    g_autoptr(GByteArray) slots = g_byte_array_new();
    unsigned n;

    g_mutex_lock(&device->table->lock);
    save_context(device, bytes);
    save_counters(device, bytes);
    n = save_slots(device, true, MAX_SAVED, slots);
    n += save_slots(device, false, MAX_SAVED - n, slots);
    g_mutex_unlock(&device->table->lock);
    paging_put(bytes, n);
    g_byte_array_append(bytes, slots->data, slots->len);
}

static bool load_context(PagingReader *reader, bool *has,
                         PagingContext *context)
{
    uint64_t is, domain, levels, pass_through, faults_disabled;

    if (!paging_get(reader, 1, &is) ||
        !paging_get(reader, UINT64_MAX, &context->tables) ||
        !paging_get(reader, UINT16_MAX, &domain) ||
        !paging_get(reader, 4, &levels) ||
        !paging_get(reader, 1, &pass_through) ||
        !paging_get(reader, 1, &faults_disabled) ||
        (is && levels < 3)) {
        return false;
    }
    *has = is;
    context->domain = domain;
    context->levels = levels;
    context->pass_through = pass_through;
    context->faults_disabled = faults_disabled;
    return true;
}

static bool load_counters(PagingDevice *device, PagingReader *reader)
{
    uint64_t *fields[9];
    uint64_t entries, translations;

    counter_fields(device, fields);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!paging_get(reader, UINT64_MAX, fields[i])) {
            return false;
        }
    }
    if (!paging_get(reader, UINT64_MAX, &entries) ||
        !paging_get(reader, UINT64_MAX, &translations)) {
        return false;
    }
    store(&device->ledger_entries, entries);
    store(&device->ledger_drops, 0);
    for (unsigned i = 0; i < PAGING_SHARDS; i++) {
        store(&device->shards[i].translations, i ? 0 : translations);
    }
    return true;
}

static bool load_slot(PagingDevice *device, PagingReader *reader)
{
    uint64_t address, entry, seen_ns, level;
    Slot *slot;

    if (!paging_get(reader, UINT64_MAX, &address) ||
        !paging_get(reader, UINT64_MAX, &entry) ||
        !paging_get(reader, UINT64_MAX, &seen_ns)) {
        return false;
    }
    level = address & 0xfff;
    if (level < 1 || level > LEAF_LEVELS || !entry) {
        return false;
    }
    slot = &paging_device_block(device, address, level)
            ->slots[slot_index(address, level)];
    device->live += !load(&slot->entry);
    device_note_use(device, load(&device->table->epoch),
                    device_invalidated(device));
    store(&slot->seen_ns, seen_ns);
    store(&slot->stamp, load(&device->table->epoch));
    atomic_store_explicit(&slot->entry, entry, memory_order_release);
    return true;
}

static bool load_slots(PagingDevice *device, PagingReader *reader)
{
    uint64_t n;

    if (!paging_get(reader, MAX_SAVED, &n)) {
        return false;
    }
    for (; n; n--) {
        if (!load_slot(device, reader)) {
            return false;
        }
    }
    return true;
}

static bool bad_state(GError **error, const char *what)
{
    g_set_error(error, PAGING_ERROR, PAGING_ERROR_STATE,
                "saved translations: %s: out of range or cut off", what);
    return false;
}

bool paging_device_load(PagingDevice *device, PagingReader *reader,
                        GError **error)
{
    PagingContext context;
    bool has, ok;

    if (!load_context(reader, &has, &context)) {
        return bad_state(error, "context");
    }
    paging_device_set_context(device, NULL);
    paging_device_set_context(device, has ? &context : NULL);
    g_mutex_lock(&device->table->lock);
    ok = load_counters(device, reader) && load_slots(device, reader);
    if (!ok) {
        paging_device_drop(device);
    }
    g_mutex_unlock(&device->table->lock);
    return ok || bad_state(error, "counters or entries");
}

void paging_table_save(PagingTable *table, GByteArray *bytes)
{
    g_mutex_lock(&table->lock);
    paging_put(bytes, table->postponed->len);
    for (unsigned i = 0; i < table->postponed->len; i++) {
        paging_invalidation_save(
            &g_array_index(table->postponed, Postponed, i).invalidation,
            bytes);
    }
    g_mutex_unlock(&table->lock);
}

void paging_invalidation_save(const PagingInvalidation *invalidation,
                              GByteArray *bytes)
{
    paging_put(bytes, invalidation->granularity);
    paging_put(bytes, invalidation->domain);
    paging_put(bytes, invalidation->address);
    paging_put(bytes, invalidation->order);
}

bool paging_invalidation_load(PagingReader *reader,
                              PagingInvalidation *invalidation)
{
    uint64_t granularity, domain, order;

    if (!paging_get(reader, PAGING_PAGES, &granularity) ||
        !paging_get(reader, UINT16_MAX, &domain) ||
        !paging_get(reader, UINT64_MAX, &invalidation->address) ||
        !paging_get(reader, PAGING_MAX_ORDER, &order)) {
        return false;
    }
    invalidation->granularity = granularity;
    invalidation->domain = domain;
    invalidation->order = order;
    return true;
}

bool paging_table_load(PagingTable *table, PagingReader *reader,
                       GError **error)
{
    PagingInvalidation invalidation;
    uint64_t n;

    if (!paging_get(reader, PAGING_MAX_POSTPONED, &n)) {
        return bad_state(error, "number of postponed invalidations");
    }
    for (; n; n--) {
        if (!paging_invalidation_load(reader, &invalidation)) {
            return bad_state(error, "postponed invalidation");
        }
        paging_table_postpone(table, &invalidation);
    }
    return true;
}
