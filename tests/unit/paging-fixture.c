/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No Criterion here: the tests with threads do without it. */
#include <stdlib.h>
#include <string.h>

#include "paging-fixture.h"

static const void *memory_page(void *opaque, uint64_t address)
{
    Guest *guest = opaque;

    g_assert_cmpuint(address % PAGE, ==, 0);
    return address >= GUEST_BASE && address < GUEST_END
           ? (char *)guest->ram + (address - GUEST_BASE) : NULL;
}

/* Readers of any test may still look at it: it goes when the guest goes. */
static void memory_retire(void *opaque, void *memory)
{
    Guest *guest = opaque;

    g_mutex_lock(&guest->retired_lock);
    g_ptr_array_add(guest->retired, memory);
    g_mutex_unlock(&guest->retired_lock);
}

PagingUnit guest_unit(void)
{
    return (PagingUnit) {
        .address_width = 48, .levels_3 = true, .levels_4 = true,
        .pass_through = true,
    };
}

Guest *guest_new_unit(unsigned levels, const PagingUnit *unit)
{
    Guest *guest = g_new0(Guest, 1);
    PagingMemory memory = { memory_page, memory_retire, guest };

    guest->ram = aligned_alloc(PAGE, GUEST_PAGES * PAGE);
    memset(guest->ram, 0, GUEST_PAGES * PAGE);
    g_mutex_init(&guest->retired_lock);
    guest->retired = g_ptr_array_new_with_free_func(g_free);
    guest->table = paging_table_new(&memory, unit);
    guest->device = paging_device_new(guest->table);
    guest->context = (PagingContext) {
        .tables = guest_page(guest), .domain = 1, .levels = levels,
    };
    paging_device_set_context(guest->device, &guest->context);
    return guest;
}

Guest *guest_new(unsigned levels)
{
    PagingUnit unit = guest_unit();

    return guest_new_unit(levels, &unit);
}

void guest_free(Guest *guest)
{
    paging_table_free(guest->table);
    g_ptr_array_unref(guest->retired);
    g_mutex_clear(&guest->retired_lock);
    free(guest->ram);
    g_free(guest);
}

uint64_t guest_page(Guest *guest)
{
    g_assert_cmpuint(guest->used, <, GUEST_PAGES);
    return GUEST_BASE + guest->used++ * PAGE;
}

static uint64_t *guest_word(const Guest *guest, uint64_t address)
{
    g_assert_true(address >= GUEST_BASE && address < GUEST_END);
    return &guest->ram[(address - GUEST_BASE) / 8];
}

uint64_t guest_load(const Guest *guest, uint64_t address)
{
    return GUINT64_FROM_LE(__atomic_load_n(guest_word(guest, address),
                                           __ATOMIC_RELAXED));
}

void guest_store(Guest *guest, uint64_t address, uint64_t value)
{
    __atomic_store_n(guest_word(guest, address), GUINT64_TO_LE(value),
                     __ATOMIC_RELAXED);
}

uint64_t guest_entry(Guest *guest, uint64_t iova, unsigned level)
{
    uint64_t table = guest->context.tables;

    for (unsigned at = guest->context.levels;; at--) {
        uint64_t entry = table + (iova >> (12 + 9 * (at - 1)) & 511) * 8;

        if (at == level) {
            return entry;
        }
        if (!(guest_load(guest, entry) & RW)) {
            guest_store(guest, entry, guest_page(guest) | RW);
        }
        table = guest_load(guest, entry) & ~UINT64_C(0xfff);
    }
}

void guest_map(Guest *guest, uint64_t iova, uint64_t leaf, unsigned level)
{
    guest_store(guest, guest_entry(guest, iova, level), leaf);
}

PagingStatus guest_translate(Guest *guest, uint64_t iova, unsigned access,
                             uint64_t now_ns, PagingResult *result)
{
    return paging_translate(guest->device, iova, access, now_ns, 0, result);
}

void guest_invalidate_pages(Guest *guest, uint64_t iova, unsigned order,
                            uint64_t now_ns)
{
    PagingInvalidation invalidation = {
        PAGING_PAGES, guest->context.domain, iova, order,
    };

    paging_table_invalidate(guest->table, &invalidation, now_ns);
}

void guest_invalidate(Guest *guest, PagingGranularity granularity,
                      uint16_t domain, uint64_t now_ns)
{
    PagingInvalidation invalidation = { granularity, domain, 0, 0 };

    paging_table_invalidate(guest->table, &invalidation, now_ns);
}

PagingCounters guest_counters(const Guest *guest)
{
    PagingCounters counters;

    paging_table_sweep(guest->table, UINT_MAX);
    paging_device_counters(guest->device, &counters);
    return counters;
}
