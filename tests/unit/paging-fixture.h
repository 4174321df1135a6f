/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory with VT-d's tables in it, a table and a device
 *
 * Page tables are written as a guest does: one entry at a time, with stores
 * that other threads may see at any moment.
 */
#ifndef TESTS_UNIT_PAGING_FIXTURE_H
#define TESTS_UNIT_PAGING_FIXTURE_H

#include "target-models/paging/paging.h"

/* Guest RAM: everything else is no memory. */
#define GUEST_BASE  UINT64_C(0x100000)
#define GUEST_PAGES 1024u
#define GUEST_END   (GUEST_BASE + GUEST_PAGES * UINT64_C(4096))

#define RW   (PAGING_READ | PAGING_WRITE)
#define LARGE UINT64_C(0x80)            /* 9.10: PS, in a leaf above level 1 */
#define PAGE UINT64_C(4096)

typedef struct Guest {
    uint64_t *ram;
    unsigned used;              /* pages that guest_page() gave */
    PagingTable *table;
    PagingDevice *device;
    PagingContext context;      /* of @device */
    GMutex retired_lock;
    GPtrArray *retired;         /* freed in the end */
} Guest;

/* A guest with empty tables of 3 or 4 levels, domain 1. */
Guest *guest_new(unsigned levels);
Guest *guest_new_unit(unsigned levels, const PagingUnit *unit);
void guest_free(Guest *guest);

/* What a 48-bit unit can do. */
PagingUnit guest_unit(void);

/* The guest address of a page of zeroes. */
uint64_t guest_page(Guest *guest);

/* The word at a guest address in RAM. */
uint64_t guest_load(const Guest *guest, uint64_t address);
void guest_store(Guest *guest, uint64_t address, uint64_t value);

/*
 * The guest address of the entry for @iova at @level; tables above it are
 * made.
 */
uint64_t guest_entry(Guest *guest, uint64_t iova, unsigned level);

/* Writes the leaf for @iova at @level: @address and bits, or 0. */
void guest_map(Guest *guest, uint64_t iova, uint64_t leaf, unsigned level);

/* paging_translate() in shard 0. */
PagingStatus guest_translate(Guest *guest, uint64_t iova, unsigned access,
                             uint64_t now_ns, PagingResult *result);

void guest_invalidate_pages(Guest *guest, uint64_t iova, unsigned order,
                            uint64_t now_ns);
void guest_invalidate(Guest *guest, PagingGranularity granularity,
                      uint16_t domain, uint64_t now_ns);

PagingCounters guest_counters(const Guest *guest);

#endif
