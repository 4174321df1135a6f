/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VT-d's tables in guest memory: what a walk finds, and what a bad guest
 * gets
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "paging-fixture.h"

#define FAR UINT64_C(0x7f0000000)       /* no memory, a good address */

static PagingWalk walk(Guest *guest, uint64_t iova, unsigned access)
{
    PagingWalk walk;

    paging_walk(guest->table, &guest->context, iova, access, &walk);
    return walk;
}

Test(walk, finds_pages_of_each_size)
{
    for (unsigned levels = 3; levels <= 4; levels++) {
        static const uint64_t sizes[] = { 0, PAGE, PAGE << 9, PAGE << 18 };

        for (unsigned level = 1; level <= 3; level++) {
            Guest *guest = guest_new(levels);
            uint64_t iova = 5 * sizes[3] + 7 * sizes[2] + 9 * PAGE;
            uint64_t leaf = 4 * sizes[3] | RW | (level > 1 ? LARGE : 0);
            PagingWalk found;

            guest_map(guest, iova, leaf, level);
            found = walk(guest, iova + 123, PAGING_READ);
            cr_expect_eq(found.reason, PAGING_REASON_NONE);
            cr_expect_eq(found.level, level);
            cr_expect_eq(found.n, levels - level + 1);
            cr_expect_eq(found.address, 4 * sizes[3]);
            cr_expect_eq(found.permissions, RW);
            cr_expect_eq(found.entries[found.n - 1], leaf);
            guest_free(guest);
        }
    }
}

Test(walk, takes_the_permissions_of_all_entries)
{
    Guest *guest = guest_new(4);
    uint64_t upper;

    guest_map(guest, 0, FAR | RW, 1);
    upper = guest_entry(guest, 0, 3);
    guest_store(guest, upper, (guest_load(guest, upper) & ~UINT64_C(3)) |
                              PAGING_READ);
    cr_expect_eq(walk(guest, 0, PAGING_READ).permissions, PAGING_READ);
    cr_expect_eq(walk(guest, 0, PAGING_WRITE).reason, PAGING_REASON_WRITE);
    guest_free(guest);
}

Test(walk, tells_reads_from_writes)
{
    Guest *guest = guest_new(4);

    cr_expect_eq(walk(guest, 0, PAGING_READ).reason, PAGING_REASON_READ);
    cr_expect_eq(walk(guest, 0, PAGING_WRITE).reason, PAGING_REASON_WRITE);
    guest_map(guest, 0, FAR | PAGING_WRITE, 1);
    cr_expect_eq(walk(guest, 0, PAGING_READ).reason, PAGING_REASON_READ);
    cr_expect_eq(walk(guest, 0, PAGING_WRITE).reason, PAGING_REASON_NONE);
    guest_free(guest);
}

Test(walk, ends_at_the_width)
{
    Guest *three = guest_new(3), *four = guest_new(4);
    PagingUnit unit = guest_unit();
    Guest *narrow;

    guest_map(three, (UINT64_C(1) << 39) - PAGE, FAR | RW, 1);
    cr_expect_eq(walk(three, (UINT64_C(1) << 39) - 1, PAGING_READ).reason,
                 PAGING_REASON_NONE);
    cr_expect_eq(walk(three, UINT64_C(1) << 39, PAGING_READ).reason,
                 PAGING_REASON_BEYOND_WIDTH);
    cr_expect_eq(walk(four, UINT64_C(1) << 39, PAGING_READ).reason,
                 PAGING_REASON_READ);
    cr_expect_eq(walk(four, UINT64_C(1) << 48, PAGING_READ).reason,
                 PAGING_REASON_BEYOND_WIDTH);
    cr_expect_eq(walk(four, UINT64_MAX, PAGING_WRITE).reason,
                 PAGING_REASON_BEYOND_WIDTH);
    unit.address_width = 39;
    narrow = guest_new_unit(4, &unit);
    cr_expect_eq(walk(narrow, UINT64_C(1) << 39, PAGING_READ).reason,
                 PAGING_REASON_BEYOND_WIDTH);
    guest_free(three);
    guest_free(four);
    guest_free(narrow);
}

Test(walk, of_tables_outside_memory_is_a_fault)
{
    Guest *guest = guest_new(4);
    PagingWalk found;

    guest_store(guest, guest_entry(guest, 0, 2), FAR | RW);
    found = walk(guest, 0, PAGING_READ);
    cr_expect_eq(found.reason, PAGING_REASON_ENTRY_ACCESS);
    cr_expect_eq(found.address, 0);
    guest->context.tables = FAR;
    cr_expect_eq(walk(guest, 0, PAGING_READ).reason,
                 PAGING_REASON_CONTEXT_INVALID);
    guest_free(guest);
}

/* An entry of a table that points to the table is a table, and a page. */
Test(walk, of_tables_that_point_at_themselves_ends)
{
    Guest *guest = guest_new(4);
    PagingWalk found;

    for (unsigned i = 0; i < 512; i++) {
        guest_store(guest, guest->context.tables + i * 8,
                    guest->context.tables | RW);
    }
    found = walk(guest, 0x123456789000, PAGING_WRITE);
    cr_expect_eq(found.reason, PAGING_REASON_NONE);
    cr_expect_eq(found.n, 4);
    cr_expect_eq(found.address, guest->context.tables);
    guest_free(guest);
}

static PagingReason leaf_reason(const PagingUnit *unit, uint64_t leaf,
                                unsigned level)
{
    Guest *guest = guest_new_unit(4, unit);
    PagingReason reason;

    guest_map(guest, 0, leaf, level);
    reason = walk(guest, 0, PAGING_READ).reason;
    guest_free(guest);
    return reason;
}

Test(walk, refuses_reserved_bits)
{
    PagingUnit unit = guest_unit();
    const PagingReason reserved = PAGING_REASON_ENTRY_RESERVED;
    const uint64_t snoop = UINT64_C(1) << 11, transient = UINT64_C(1) << 62;

    cr_expect_eq(leaf_reason(&unit, FAR | RW | UINT64_C(1) << 48, 1),
                 reserved);
    cr_expect_eq(leaf_reason(&unit, FAR | RW | snoop, 1), reserved);
    cr_expect_eq(leaf_reason(&unit, FAR | RW | transient, 1), reserved);
    cr_expect_eq(leaf_reason(&unit, 0x201000 | RW | LARGE, 2), reserved);
    cr_expect_eq(leaf_reason(&unit, 0x40200000 | RW | LARGE, 3), reserved);
    cr_expect_eq(leaf_reason(&unit, RW | LARGE, 4), reserved);
    /* Ignored bits: 52 to 61, 63 */
    cr_expect_eq(leaf_reason(&unit, FAR | RW | UINT64_C(0xbff) << 52, 1),
                 PAGING_REASON_NONE);
    unit.snoop_bit = unit.transient_bit = true;
    cr_expect_eq(leaf_reason(&unit, FAR | RW | snoop | transient, 1),
                 PAGING_REASON_NONE);
    unit.address_width = 39;
    cr_expect_eq(leaf_reason(&unit, (UINT64_C(1) << 39) | RW, 1), reserved);
}

Test(walk, refuses_pages_in_the_interrupt_range)
{
    PagingUnit unit = guest_unit();
    const PagingReason refused = PAGING_REASON_INTERRUPT_ADDRESS;

    cr_expect_eq(leaf_reason(&unit, 0xfedff000 | RW, 1), PAGING_REASON_NONE);
    cr_expect_eq(leaf_reason(&unit, 0xfee00000 | RW, 1), refused);
    cr_expect_eq(leaf_reason(&unit, 0xfeeff000 | RW, 1), refused);
    cr_expect_eq(leaf_reason(&unit, 0xfef00000 | RW, 1), PAGING_REASON_NONE);
    cr_expect_eq(leaf_reason(&unit, 0xfee00000 | RW | LARGE, 2), refused);
    cr_expect_eq(leaf_reason(&unit, 0xc0000000 | RW | LARGE, 3), refused);
}

typedef struct ContextCase {
    uint64_t root_lo, root_hi, lo, hi;
    PagingReason reason;
} ContextCase;

#define TYPE(n)   ((uint64_t)(n) << 2)
#define DOMAIN(n) ((uint64_t)(n) << 8)

/* @table stands for the address of the context table. */
static void expect_context(const ContextCase *c, const PagingUnit *unit)
{
    Guest *guest = guest_new_unit(4, unit);
    uint64_t root = guest_page(guest), table = guest_page(guest);
    PagingContext context;
    uint16_t requester = 3 << 8 | 31 << 3 | 7;

    guest_store(guest, root + 3 * 16,
                c->root_lo == 1 ? table | 1 : c->root_lo);
    guest_store(guest, root + 3 * 16 + 8, c->root_hi);
    guest_store(guest, table + 0xff * 16, c->lo);
    guest_store(guest, table + 0xff * 16 + 8, c->hi);
    cr_expect_eq(paging_context_read(guest->table, root, requester,
                                     &context), c->reason,
                 "lo %" PRIx64 " hi %" PRIx64, c->lo, c->hi);
    if (c->reason == PAGING_REASON_NONE) {
        cr_expect_eq(context.tables, c->lo & ~UINT64_C(0xfff));
        cr_expect_eq(context.domain, c->hi >> 8 & 0xffff);
        cr_expect_eq(context.levels, 2 + (c->hi & 7));
        cr_expect_eq(context.pass_through, (c->lo >> 2 & 3) == 2);
        cr_expect_eq(context.faults_disabled, c->lo >> 1 & 1);
    }
    guest_free(guest);
}

Test(context, is_read_or_refused_with_its_reason)
{
    const PagingUnit unit = guest_unit();
    const ContextCase cases[] = {
        { 1, 0, 0x200001, DOMAIN(7) | 2, PAGING_REASON_NONE },
        { 1, 0, 0x200003, DOMAIN(0xffff) | 1, PAGING_REASON_NONE },
        { 1, 0, TYPE(2) | 1, 2, PAGING_REASON_NONE },
        { 0, 0, 1, 2, PAGING_REASON_ROOT_ABSENT },
        { 1, 1, 1, 2, PAGING_REASON_ROOT_RESERVED },
        { 0x200011, 0, 1, 2, PAGING_REASON_ROOT_RESERVED },
        { UINT64_C(1) << 48 | 1, 0, 1, 2, PAGING_REASON_ROOT_RESERVED },
        { FAR | 1, 0, 1, 2, PAGING_REASON_CONTEXT_ACCESS },
        { 1, 0, 0, 0, PAGING_REASON_CONTEXT_ABSENT },
        { 1, 0, TYPE(1) | 1, 2, PAGING_REASON_CONTEXT_INVALID },
        { 1, 0, TYPE(3) | 1, 2, PAGING_REASON_CONTEXT_INVALID },
        { 1, 0, 1, 0, PAGING_REASON_CONTEXT_INVALID },
        { 1, 0, 1, 3, PAGING_REASON_CONTEXT_INVALID },
        { 1, 0, 0x11, 2, PAGING_REASON_CONTEXT_RESERVED },
        { 1, 0, 1, 0x82, PAGING_REASON_CONTEXT_RESERVED },
        { 1, 0, 1, UINT64_C(1) << 24 | 2, PAGING_REASON_CONTEXT_RESERVED },
        { 1, 0, UINT64_C(1) << 50 | 1, 2, PAGING_REASON_CONTEXT_RESERVED },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        expect_context(&cases[i], &unit);
    }
}

Test(context, can_be_what_the_unit_can)
{
    PagingUnit unit = { .address_width = 39, .levels_3 = true };

    expect_context(&(ContextCase) { 1, 0, 1, 1, PAGING_REASON_NONE }, &unit);
    expect_context(&(ContextCase) {
        1, 0, 1, 2, PAGING_REASON_CONTEXT_INVALID }, &unit);
    expect_context(&(ContextCase) {
        1, 0, TYPE(2) | 1, 1, PAGING_REASON_CONTEXT_INVALID }, &unit);
    unit.device_tlb = true;
    expect_context(&(ContextCase) {
        1, 0, TYPE(1) | 1, 1, PAGING_REASON_NONE }, &unit);
}

Test(context, outside_memory_is_a_fault)
{
    Guest *guest = guest_new(4);
    PagingContext context;

    cr_expect_eq(paging_context_read(guest->table, FAR, 0, &context),
                 PAGING_REASON_ROOT_ACCESS);
    cr_expect_eq(paging_context_read(guest->table, UINT64_MAX, 0xffff,
                                     &context), PAGING_REASON_ROOT_ACCESS);
    guest_free(guest);
}

/* The reference: a recursion over the entries as the manual tells it. */
static PagingReason plain_walk(const Guest *guest, uint64_t table,
                               unsigned level, uint64_t iova,
                               unsigned access, uint64_t *address)
{
    uint64_t size = PAGE << 9 * (level - 1), entry, at;

    if (table < GUEST_BASE || table >= GUEST_END) {
        return PAGING_REASON_ENTRY_ACCESS;
    }
    entry = guest_load(guest, table + iova / size % 512 * 8);
    at = entry & UINT64_C(0xfffffffff000);
    if (!(entry & access)) {
        return access == PAGING_READ ? PAGING_REASON_READ
                                     : PAGING_REASON_WRITE;
    }
    if (entry & (UINT64_C(0x400f000000000800)) ||
        (level == 4 && entry & LARGE)) {
        return PAGING_REASON_ENTRY_RESERVED;
    }
    if (level > 1 && !(entry & LARGE)) {
        return plain_walk(guest, at, level - 1, iova, access, address);
    }
    if (at % size) {
        return PAGING_REASON_ENTRY_RESERVED;
    }
    if (at < 0xfef00000 && at + size > 0xfee00000) {
        return PAGING_REASON_INTERRUPT_ADDRESS;
    }
    *address = at;
    return PAGING_REASON_NONE;
}

/* An entry that a careless or hostile guest might write */
static uint64_t random_entry(GRand *rand)
{
    uint64_t bits = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    uint64_t page = GUEST_BASE + g_rand_int_range(rand, 0, 8) * PAGE;

    switch (g_rand_int_range(rand, 0, 10)) {
    case 0:
        return bits;
    case 1:
        return FAR | (bits & 0x83);
    case 2:
        return (bits & UINT64_C(0xffffc0000000)) | LARGE | RW;
    case 3:
        return (bits & UINT64_C(0xffffe00000)) | LARGE | RW;
    case 4:
        return 0;
    default:
        return page | (bits & 3) | (bits & 0xf00 ? RW : 0);
    }
}

Test(walk, does_what_a_plain_walk_does)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    Guest *guest = guest_new(4);
    unsigned found = 0;

    for (unsigned i = 0; i < 40000; i++) {
        uint64_t iova = g_rand_int_range(rand, 0, 512 * 8) * PAGE +
                        ((uint64_t)g_rand_int_range(rand, 0, 8) << 30) +
                        ((uint64_t)g_rand_int_range(rand, 0, 8) << 39);
        unsigned access = g_rand_boolean(rand) ? PAGING_READ : PAGING_WRITE;
        uint64_t address = 0;
        PagingWalk got;
        PagingReason expected;

        guest_store(guest, GUEST_BASE +
                    g_rand_int_range(rand, 0, 8 * 512) * 8,
                    random_entry(rand));
        got = walk(guest, iova, access);
        expected = plain_walk(guest, guest->context.tables, 4, iova, access,
                              &address);
        cr_assert_eq(got.reason, expected, "%u: %u, not %u", i, got.reason,
                     expected);
        cr_assert_eq(got.address, address);
        cr_assert_leq(got.n, 4);
        found += expected == PAGING_REASON_NONE;
    }
    cr_expect_gt(found, 400);
    guest_free(guest);
}
