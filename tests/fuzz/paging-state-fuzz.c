/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: paging_device_load() and paging_table_load().
 *
 * An input that starts with an odd byte is a state as it comes; one that
 * starts with an even byte says how to damage a good one, in steps of three
 * bytes: where (two bytes) and what to exclusive-or there.
 */
#include <string.h>

#include "target-models/paging/paging.h"

#define N_PAGES 8
#define ENTRIES 512
#define RW      (PAGING_READ | PAGING_WRITE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Guest memory: tables of 4 levels in its first pages, one behind another */
typedef struct Memory {
    uint64_t words[N_PAGES * ENTRIES];
} Memory;

static const void *memory_page(void *opaque, uint64_t address)
{
    Memory *memory = opaque;

    return address < sizeof(memory->words)
           ? &memory->words[address / sizeof(uint64_t)] : NULL;
}

static void fill_tables(Memory *memory)
{
    for (unsigned level = 0; level < 3; level++) {
        memory->words[level * ENTRIES] =
            GUINT64_TO_LE((level + 1) * 4096 | RW);
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        memory->words[3 * ENTRIES + i] =
            GUINT64_TO_LE((UINT64_C(0x100000) + i * 4096) | RW);
    }
}

static PagingTable *make_table(Memory *memory, PagingDevice **device)
{
    const PagingMemory as = { .page = memory_page, .opaque = memory };
    const PagingUnit unit = {
        .address_width = 48, .levels_3 = true, .levels_4 = true,
    };
    const PagingContext context = { .domain = 1, .levels = 4 };
    PagingTable *table = paging_table_new(&as, &unit);

    *device = paging_device_new(table);
    paging_device_set_context(*device, &context);
    return table;
}

static GByteArray *save(PagingTable *table, PagingDevice *device)
{
    GByteArray *bytes = g_byte_array_new();

    paging_device_save(device, bytes);
    paging_table_save(table, bytes);
    return bytes;
}

static bool load(PagingTable *table, PagingDevice *device,
                 const uint8_t *data, size_t size)
{
    PagingReader reader = { data, size };

    return paging_device_load(device, &reader, NULL) &&
           paging_table_load(table, &reader, NULL);
}

static GByteArray *damaged_state(Memory *memory, const uint8_t *data,
                                 size_t size)
{
    const PagingInvalidation invalidation = { PAGING_PAGES, 1, 4096, 2 };
    PagingDevice *device;
    PagingTable *table = make_table(memory, &device);
    PagingResult result;
    GByteArray *state;

    for (unsigned i = 0; i < 6; i++) {
        paging_translate(device, i * 4096 * 40, PAGING_READ, i, 0, &result);
    }
    paging_table_postpone(table, &invalidation);
    state = save(table, device);
    paging_table_free(table);
    for (; size >= 3; data += 3, size -= 3) {
        state->data[(data[0] | data[1] << 8) % state->len] ^= data[2];
    }
    return state;
}

/* What was taken must come out again, and must survive being used. */
static void use_loaded(PagingTable *table, PagingDevice *device)
{
    const PagingInvalidation all = { PAGING_GLOBAL, 0, 0, 0 };
    g_autoptr(GByteArray) first = save(table, device);
    PagingCounters counters;
    PagingResult result;

    for (unsigned i = 0; i < 64; i++) {
        paging_translate(device, (uint64_t)i * 4096 * 4, PAGING_WRITE, i, 0,
                         &result);
    }
    paging_table_invalidate(table, &all, 100);
    paging_table_sweep(table, UINT_MAX);
    paging_device_counters(device, &counters);
    g_assert(counters.entries == 0);
    g_assert(load(table, device, first->data, first->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Memory *memory = g_new0(Memory, 1);
    g_autoptr(GByteArray) damaged = NULL;
    PagingDevice *device;
    PagingTable *table;
    bool loaded;

    fill_tables(memory);
    table = make_table(memory, &device);
    if (size && data[0] % 2 == 0) {
        damaged = damaged_state(memory, data + 1, size - 1);
        loaded = load(table, device, damaged->data, damaged->len);
    } else {
        loaded = load(table, device, data + !!size, size - !!size);
    }
    if (loaded) {
        use_loaded(table, device);
    }
    paging_table_free(table);
    g_free(memory);
    return 0;
}
