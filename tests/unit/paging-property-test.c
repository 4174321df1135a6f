/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of translations, against a plain reference: for each page the
 * leaf that was seen last, and whether an invalidation came since
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "paging-fixture.h"

#define PAGES   160     /* three blocks and a bit */
#define DEVICES 2
#define IOVA    UINT64_C(0x7ff9c000)    /* the pages span two tables */
#define STEPS   150000

typedef struct Cached {
    bool valid, invalidated;
    uint64_t leaf;
    uint64_t seen_ns;
} Cached;

typedef struct World {
    Guest *guest;
    PagingDevice *devices[DEVICES];
    uint16_t domains[DEVICES];
    Cached cached[DEVICES][PAGES];
    uint64_t spare[2];          /* the table not in use, for each half */
    PagingMode mode;
    GRand *rand;
    uint64_t now_ns;
    uint64_t seen[4];           /* of each PagingStatus */
} World;

static unsigned below(World *world, unsigned end)
{
    return (unsigned)g_rand_int_range(world->rand, 0, (gint32)end);
}

static uint64_t iova_of(unsigned page)
{
    return IOVA + page * PAGE;
}

/* The leaf that a walk finds; 0 if an entry above is not there */
static uint64_t leaf_now(World *world, unsigned page)
{
    Guest *guest = world->guest;
    uint64_t upper = guest_load(guest, guest_entry(guest, iova_of(page), 2));

    return guest_load(guest, (upper & ~UINT64_C(0xfff)) +
                             (iova_of(page) >> 12 & 511) * 8);
}

static uint64_t address_of(uint64_t leaf)
{
    return leaf & UINT64_C(0xfffffffff000);
}

/* What the reference says; it changes as the table should. */
static PagingStatus plain_translate(World *world, Cached *cached,
                                    uint64_t leaf, unsigned access,
                                    PagingResult *result)
{
    bool allowed = leaf & access;
    bool used = cached->valid && !cached->invalidated &&
                (cached->leaf & access);

    memset(result, 0, sizeof(*result));
    if (used && (!allowed || address_of(leaf) != address_of(cached->leaf))) {
        result->old_entry = cached->leaf;
        result->new_entry = allowed ? leaf : result->new_entry;
        result->age_ns = world->now_ns - cached->seen_ns;
        result->address = address_of(cached->leaf);
        result->action = world->mode == PAGING_MODE_REPORT ? PAGING_SERVED
            : world->mode == PAGING_MODE_COHERENT && allowed ? PAGING_HEALED
                                                             : PAGING_BLOCKED;
        if (world->mode == PAGING_MODE_COHERENT) {
            *cached = (Cached) { allowed, false, leaf, world->now_ns };
            result->address = address_of(leaf);
        }
        return PAGING_STALE;
    }
    if (!allowed) {
        cached->valid = false;
        result->reason = access == PAGING_READ ? PAGING_REASON_READ
                                               : PAGING_REASON_WRITE;
        return PAGING_FAULT;
    }
    result->address = address_of(leaf);
    if (used && (cached->leaf & RW & ~leaf)) {
        return PAGING_OK;       /* it keeps the right that was taken */
    }
    *cached = (Cached) { true, false, leaf, world->now_ns };
    return PAGING_OK;
}

static void translate(World *world)
{
    unsigned page = below(world, PAGES), device = below(world, DEVICES);
    unsigned access = 1 + below(world, 2);
    PagingResult got, expected;
    PagingStatus status, wanted;

    wanted = plain_translate(world, &world->cached[device][page],
                             leaf_now(world, page), access, &expected);
    status = paging_translate(world->devices[device],
                              iova_of(page) + below(world, 4096), access,
                              world->now_ns, device, &got);
    cr_assert_eq(status, wanted, "page %u: %u, not %u", page, status,
                 wanted);
    world->seen[status]++;
    if (status == PAGING_FAULT) {
        cr_assert_eq(got.reason, expected.reason);
        return;
    }
    if (status == PAGING_STALE) {
        cr_assert_eq(got.action, expected.action);
        cr_assert_eq(got.old_entry, expected.old_entry);
        cr_assert_eq(got.age_ns, expected.age_ns);
        cr_assert_eq(got.invalidation, PAGING_NEVER);
        if (expected.new_entry) {
            cr_assert_eq(got.new_entry, expected.new_entry);
        }
        if (got.action == PAGING_BLOCKED) {
            return;
        }
    }
    cr_assert_eq(got.address, expected.address);
}

static void change_leaf(World *world)
{
    unsigned page = below(world, PAGES);
    uint64_t leaf = below(world, 3)
        ? UINT64_C(0x10000000) + below(world, 4) * PAGE + below(world, 4)
        : 0;

    if (leaf & RW && below(world, 8) == 0) {
        leaf |= UINT64_C(1) << 55;      /* an ignored bit */
    }
    guest_map(world->guest, iova_of(page), leaf, 1);
}

/* The other table takes the place of the one in use, for half the pages. */
static void change_table(World *world)
{
    Guest *guest = world->guest;
    unsigned half = below(world, 2);
    uint64_t entry = guest_entry(guest, half ? 0x80000000 : IOVA, 2);
    uint64_t table = guest_load(guest, entry);

    guest_store(guest, entry, world->spare[half]);
    world->spare[half] = table;
}

static void invalidate(World *world)
{
    PagingInvalidation i = {
        .granularity = below(world, 60) ? PAGING_PAGES
                                       : below(world, 2) ? PAGING_DOMAIN
                                                         : PAGING_GLOBAL,
        .domain = 1 + below(world, 3),
        .address = iova_of(below(world, PAGES)) + below(world, 4096),
        .order = below(world, 5),
    };
    uint64_t mask = (PAGE << i.order) - 1;

    paging_table_invalidate(world->guest->table, &i, world->now_ns);
    for (unsigned device = 0; device < DEVICES; device++) {
        for (unsigned page = 0; page < PAGES; page++) {
            world->cached[device][page].invalidated |=
                i.granularity == PAGING_GLOBAL ||
                (i.domain == world->domains[device] &&
                 (i.granularity == PAGING_DOMAIN ||
                  !((i.address ^ iova_of(page)) & ~mask)));
        }
    }
}

static void other(World *world)
{
    switch (below(world, 5)) {
    case 0:
        world->mode = below(world, 3);
        paging_table_set_mode(world->guest->table, world->mode);
        break;
    case 1:
        paging_table_memory_changed(world->guest->table);
        break;
    case 2:
        change_table(world);
        break;
    default:
        paging_table_sweep(world->guest->table, below(world, 400));
        break;
    }
}

static void run(unsigned seed)
{
    World world = {
        .guest = guest_new(4), .rand = g_rand_new_with_seed(seed),
        .domains = { 1, 2 },
    };

    world.devices[0] = world.guest->device;
    world.devices[1] = paging_device_new(world.guest->table);
    world.guest->context.domain = 2;
    paging_device_set_context(world.devices[1], &world.guest->context);
    for (unsigned i = 0; i < 2; i++) {
        guest_entry(world.guest, i ? 0x80000000 : IOVA, 1);
        world.spare[i] = guest_page(world.guest) | RW;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned what = below(&world, 100);

        world.now_ns += below(&world, 1000);
        if (what < 70) {
            translate(&world);
        } else if (what < 86) {
            change_leaf(&world);
        } else if (what < 99) {
            invalidate(&world);
        } else {
            other(&world);
        }
    }
    for (unsigned i = PAGING_OK; i <= PAGING_FAULT; i++) {
        cr_expect_gt(world.seen[i], STEPS / 100, "%u: %" PRIu64, i,
                     world.seen[i]);
    }
    g_rand_free(world.rand);
    guest_free(world.guest);
}

Test(paging, does_what_the_reference_does)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        run(seed);
    }
}
