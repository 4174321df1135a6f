/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: VT-d's tables in guest memory
 *
 * Section numbers are those of the Intel Virtualization Technology for
 * Directed I/O specification, revision 3.4.
 */
#include "target-models/paging/paging-internal.h"

/* Root entry, 9.1. */
#define ROOT_PRESENT        UINT64_C(1)
#define ROOT_RESERVED       UINT64_C(0xffe)
#define TABLE_ADDRESS       (~UINT64_C(0xfff))

/* Context entry, 9.3. */
#define CONTEXT_PRESENT     UINT64_C(1)
#define CONTEXT_FPD         UINT64_C(2)
#define CONTEXT_TYPE(lo)    (((lo) >> 2) & 3)
#define CONTEXT_RESERVED_LO UINT64_C(0xff0)
#define CONTEXT_RESERVED_HI UINT64_C(0xffffffffff000080)
#define CONTEXT_WIDTH(hi)   ((hi) & 7)
#define CONTEXT_DOMAIN(hi)  (((hi) >> 8) & 0xffff)

enum { TYPE_TABLES, TYPE_DEVICE_TLB, TYPE_PASS_THROUGH };

/* Second-level paging entries, 9.10. */
#define ENTRY_PAGE_SIZE     UINT64_C(0x80)
#define ENTRY_SNOOP         UINT64_C(0x800)
#define ENTRY_TRANSIENT     (UINT64_C(1) << 62)
#define ENTRY_IGNORED       UINT64_C(0xbff0000000000000)

/* 3.15: no page may lie in the range of interrupt messages. */
#define INTERRUPT_FIRST     UINT64_C(0xfee00000)
#define INTERRUPT_LAST      UINT64_C(0xfeefffff)

static uint64_t width_mask(const PagingTable *table)
{
    return (UINT64_C(1) << table->unit.address_width) - 1;
}

static const uint64_t *guest_page(PagingTable *table, uint64_t address)
{
    return table->memory.page(table->memory.opaque, address);
}

static PagingReason check_context(const PagingTable *table, uint64_t lo,
                                  uint64_t hi)
{
    const PagingUnit *unit = &table->unit;
    unsigned levels = 2 + CONTEXT_WIDTH(hi);

    if ((hi & CONTEXT_RESERVED_HI) ||
        (lo & (CONTEXT_RESERVED_LO | ~width_mask(table)))) {
        return PAGING_REASON_CONTEXT_RESERVED;
    }
    if (!(levels == 3 && unit->levels_3) && !(levels == 4 && unit->levels_4)) {
        return PAGING_REASON_CONTEXT_INVALID;
    }
    switch (CONTEXT_TYPE(lo)) {
    case TYPE_TABLES:
        return PAGING_REASON_NONE;
    case TYPE_DEVICE_TLB:
        return unit->device_tlb ? PAGING_REASON_NONE :
                                  PAGING_REASON_CONTEXT_INVALID;
    case TYPE_PASS_THROUGH:
        return unit->pass_through ? PAGING_REASON_NONE :
                                    PAGING_REASON_CONTEXT_INVALID;
    default:
        return PAGING_REASON_CONTEXT_INVALID;
    }
}

static PagingReason read_context(PagingTable *table, uint64_t root,
                                 uint16_t requester, PagingContext *context)
{
    const uint64_t *page = guest_page(table, root & TABLE_ADDRESS);
    uint64_t lo, hi;
    PagingReason reason;

    if (!page) {
        return PAGING_REASON_ROOT_ACCESS;
    }
    lo = load_entry(&page[(requester >> 8) * 2]);
    hi = load_entry(&page[(requester >> 8) * 2 + 1]);
    if (!(lo & ROOT_PRESENT)) {
        return PAGING_REASON_ROOT_ABSENT;
    }
    if (hi || (lo & (ROOT_RESERVED | ~width_mask(table)))) {
        return PAGING_REASON_ROOT_RESERVED;
    }
    page = guest_page(table, lo & TABLE_ADDRESS);
    if (!page) {
        return PAGING_REASON_CONTEXT_ACCESS;
    }
    lo = load_entry(&page[(requester & 0xff) * 2]);
    hi = load_entry(&page[(requester & 0xff) * 2 + 1]);
    context->faults_disabled = lo & CONTEXT_FPD;
    if (!(lo & CONTEXT_PRESENT)) {
        return PAGING_REASON_CONTEXT_ABSENT;
    }
    reason = check_context(table, lo, hi);
    context->tables = lo & TABLE_ADDRESS;
    context->domain = CONTEXT_DOMAIN(hi);
    context->levels = 2 + CONTEXT_WIDTH(hi);
    context->pass_through = CONTEXT_TYPE(lo) == TYPE_PASS_THROUGH;
    return reason;
}

PagingReason paging_context_read(PagingTable *table, uint64_t root,
                                 uint16_t requester, PagingContext *context)
{
    PagingReason reason;

    *context = (PagingContext) { 0 };
    g_mutex_lock(&table->lock);
    reason = read_context(table, root, requester, context);
    g_mutex_unlock(&table->lock);
    return reason;
}

/* Bits that must be clear in an entry at @level. */
static uint64_t reserved_bits(const PagingTable *table, unsigned level,
                              bool leaf)
{
    uint64_t bits = ENTRY_SNOOP | ~(width_mask(table) | ENTRY_IGNORED);

    if (level == 4) {
        return bits | ENTRY_PAGE_SIZE;
    }
    if (!leaf) {
        return bits;
    }
    if (level > 1) {
        bits |= level_mask(level) & ~UINT64_C(0x7ff);
    }
    if (table->unit.snoop_bit) {
        bits &= ~ENTRY_SNOOP;
    }
    if (table->unit.transient_bit) {
        bits &= ~ENTRY_TRANSIENT;
    }
    return bits;
}

bool paging_entry_is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (level < 4 && (entry & ENTRY_PAGE_SIZE));
}

PagingReason paging_entry_check(const PagingTable *table, uint64_t entry,
                                unsigned level, unsigned access)
{
    bool leaf = paging_entry_is_leaf(entry, level);
    uint64_t address;

    if (!(entry & access)) {
        return access == PAGING_WRITE ? PAGING_REASON_WRITE :
                                        PAGING_REASON_READ;
    }
    if (entry & reserved_bits(table, level, leaf)) {
        return PAGING_REASON_ENTRY_RESERVED;
    }
    address = entry & table->address_mask;
    if (leaf && address <= INTERRUPT_LAST &&
        address + level_mask(level) >= INTERRUPT_FIRST) {
        return PAGING_REASON_INTERRUPT_ADDRESS;
    }
    return PAGING_REASON_NONE;
}

static bool beyond_width(const PagingTable *table,
                         const PagingContext *context, uint64_t iova)
{
    unsigned bits = MIN(level_shift(context->levels + 1),
                        table->unit.address_width);

    return iova >> bits;
}

/* One step; returns whether there is another one. */
static bool walk_step(PagingTable *table, uint64_t iova, unsigned access,
                      unsigned level, PagingWalk *walk)
{
    unsigned n = walk->n;
    uint64_t next = n ? walk->entries[n - 1] & table->address_mask :
                        walk->address;
    const uint64_t *page = guest_page(table, next);
    uint64_t entry;

    walk->address = 0;
    if (!page) {
        walk->reason = n ? PAGING_REASON_ENTRY_ACCESS :
                           PAGING_REASON_CONTEXT_INVALID;
        return false;
    }
    entry = load_entry(&page[level_index(iova, level)]);
    walk->pages[n] = page;
    walk->entries[n] = entry;
    walk->n = n + 1;
    walk->level = level;
    walk->permissions &= entry;
    walk->reason = paging_entry_check(table, entry, level, access);
    if (walk->reason) {
        return false;
    }
    if (paging_entry_is_leaf(entry, level)) {
        walk->address = entry & table->address_mask;
        return false;
    }
    return true;
}

void paging_walk_locked(PagingTable *table, const PagingContext *context,
                        uint64_t iova, unsigned access, PagingWalk *walk)
{
    unsigned level = context->levels;

    *walk = (PagingWalk) {
        .permissions = PAGING_READ | PAGING_WRITE,
        .address = context->tables & table->address_mask,
    };
    if (beyond_width(table, context, iova)) {
        walk->reason = PAGING_REASON_BEYOND_WIDTH;
        walk->address = 0;
        return;
    }
    while (walk_step(table, iova, access, level, walk)) {
        level--;
    }
}

void paging_walk(PagingTable *table, const PagingContext *context,
                 uint64_t iova, unsigned access, PagingWalk *walk)
{
    g_mutex_lock(&table->lock);
    paging_walk_locked(table, context, iova, access, walk);
    g_mutex_unlock(&table->lock);
}
