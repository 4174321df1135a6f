/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations by many threads while page tables change
 *
 * A writer, which stands for the guest's processors, gives pages new
 * addresses and invalidates the old ones in all ways there are.  Readers,
 * which stand for devices, check that after an invalidation is complete
 * they are never given an address from before it, and that a use is never
 * called stale then.  Beside them somebody sweeps and moves memory.
 *
 * SUNDER_STRESS=N makes it N times as long.  A plain program, as Criterion
 * does not run with ThreadSanitizer: docs/iommu-processors.rst tells how this
 * one does.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "paging-fixture.h"
#include "plain-tap.h"

#define PAGES   200
#define READERS 3
#define CHANGES 6000
#define IOVA    UINT64_C(0x7ff9c000)

typedef struct World {
    Guest *guest;
    uint64_t leaf[PAGES];               /* guest addresses of the leaves */
    _Atomic uint64_t done[PAGES];       /* version that is complete */
    _Atomic bool stop;
    unsigned changes;
} World;

typedef struct Reader {
    World *world;
    unsigned shard;
    _Atomic uint64_t ok;
    uint64_t old, odd;
} Reader;

/* A page's address tells the page and the version. */
static uint64_t leaf_of(unsigned page, uint64_t version)
{
    return (version * PAGES + page) * PAGE + UINT64_C(0x100000000) + RW;
}

static uint64_t version_of(uint64_t address, unsigned page)
{
    uint64_t number = (address - UINT64_C(0x100000000)) / PAGE;

    return number % PAGES == page ? number / PAGES : UINT64_MAX;
}

static void *reader_main(void *opaque)
{
    Reader *reader = opaque;
    World *world = reader->world;
    unsigned seed = reader->shard + 1;

    while (!atomic_load_explicit(&world->stop, memory_order_relaxed)) {
        unsigned page = rand_r(&seed) % PAGES;
        uint64_t done = atomic_load_explicit(&world->done[page],
                                             memory_order_acquire);
        uint64_t version;
        PagingResult result;
        PagingStatus status = paging_translate(
            world->guest->device, IOVA + page * PAGE, PAGING_WRITE, done,
            reader->shard, &result);

        version = version_of(result.address, page);
        if (status == PAGING_OK || status == PAGING_STALE) {
            reader->odd += version == UINT64_MAX;
            reader->old += version < done;
            if (status == PAGING_OK) {
                atomic_fetch_add_explicit(&reader->ok, 1,
                                          memory_order_relaxed);
            }
        } else {
            reader->odd++;
        }
    }
    return NULL;
}

/* Sweeps, and has all host addresses looked up again. */
static void *keeper_main(void *opaque)
{
    World *world = opaque;

    while (!atomic_load_explicit(&world->stop, memory_order_relaxed)) {
        PagingCounters counters;

        paging_table_sweep(world->guest->table, 500);
        paging_table_memory_changed(world->guest->table);
        paging_device_counters(world->guest->device, &counters);
        g_usleep(200);
    }
    return NULL;
}

static void change(World *world, unsigned page, uint64_t version,
                   unsigned how)
{
    Guest *guest = world->guest;

    guest_store(guest, world->leaf[page], leaf_of(page, version));
    switch (how % 16) {
    case 0:
        guest_invalidate(guest, PAGING_GLOBAL, 0, version);
        break;
    case 1:
        guest_invalidate(guest, PAGING_DOMAIN, 1, version);
        break;
    default:
        guest_invalidate_pages(guest, IOVA + page * PAGE, how % 3, version);
    }
    atomic_store_explicit(&world->done[page], version, memory_order_release);
}

/* Whether each reader has had its share */
static bool enough(Reader *readers)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (atomic_load_explicit(&readers[i].ok,
                                 memory_order_relaxed) < CHANGES) {
            return false;
        }
    }
    return true;
}

static void writer(World *world, Reader *readers)
{
    unsigned seed = 99;

    for (unsigned i = 0; i < world->changes || !enough(readers); i++) {
        unsigned page = rand_r(&seed) % PAGES;

        change(world, page,
               atomic_load_explicit(&world->done[page],
                                    memory_order_relaxed) + 1,
               rand_r(&seed));
        if (i % 8 == 0) {
            g_usleep(1);        /* readers are to fill what was dropped */
        }
    }
}

static unsigned stress(void)
{
    const char *text = g_getenv("SUNDER_STRESS");

    return text ? CLAMP(atoi(text), 1, 10000) : 1;
}

static bool run(PagingMode mode)
{
    bool good = true;
    World *world = g_new0(World, 1);
    Reader readers[READERS];
    pthread_t threads[READERS + 1];

    world->guest = guest_new(4);
    world->changes = CHANGES * stress();
    paging_table_set_mode(world->guest->table, mode);
    for (unsigned page = 0; page < PAGES; page++) {
        world->leaf[page] = guest_entry(world->guest, IOVA + page * PAGE, 1);
        guest_store(world->guest, world->leaf[page], leaf_of(page, 0));
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (Reader) { .world = world, .shard = i };
        pthread_create(&threads[i], NULL, reader_main, &readers[i]);
    }
    pthread_create(&threads[READERS], NULL, keeper_main, world);
    writer(world, readers);
    atomic_store(&world->stop, true);
    for (unsigned i = 0; i <= READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < READERS; i++) {
        printf("# reader %u: %" PRIu64 " translations, %" PRIu64 " old, %"
               PRIu64 " odd\n", i, atomic_load(&readers[i].ok),
               readers[i].old, readers[i].odd);
        good = good && !readers[i].odd && !readers[i].old;
    }
    guest_free(world->guest);
    g_free(world);
    return good;
}

int main(void)
{
    PlainTap tap = { 0 };

    plain_check(&tap, run(PAGING_MODE_REPORT),
                "threads never meet an old page in report");
    plain_check(&tap, run(PAGING_MODE_COHERENT),
                "threads never meet an old page in coherent");
    return plain_finish(&tap);
}
