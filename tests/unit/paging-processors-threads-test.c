/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cookies with real threads: no reader is given what a frame's new owner
 * wrote, nor what was there before a remap that is complete
 *
 * Each reader has a TLB and a lock of its own, which a shoot-down takes: only
 * when cookies run out, which at 3 bits is often.  Otherwise nothing but
 * the cookies tells a reader that a page has moved.
 *
 * SUNDER_STRESS=N makes it N times as long.  A plain program, as Criterion
 * does not run with ThreadSanitizer: docs/iommu-processors.rst tells how this
 * one does.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "plain-tap.h"
#include "target-models/paging/processor-tlb.h"

#define PAGES   32
#define FRAMES  48      /* few: each is given away again soon */
#define READERS 2
#define WRITERS 2
#define REMAPS  20000
#define LOADS   20000
#define FREE    UINT64_MAX

typedef struct World World;

typedef struct Reader {
    World *world;
    GMutex lock;                /* of the TLB, against a shoot-down */
    ProcessorTlb *tlb;
    unsigned seed;
    _Atomic uint64_t loads;
    uint64_t foreign, old, restarts;
} Reader;

typedef struct Writer {
    World *world;
    unsigned number;            /* its pages and frames are those with it */
    unsigned shoot_downs;
} Writer;

struct World {
    CookieBuffer *cookies;
    CookieEntry entries[PAGES];
    _Atomic uint64_t words[FRAMES];     /* page and version that wrote it */
    _Atomic uint64_t done[PAGES];       /* version whose remap is complete */
    _Atomic bool stop;
    Reader readers[READERS];
    Writer writers[WRITERS];
    unsigned remaps;
};

static uint64_t word_of(uint64_t page, uint64_t version)
{
    return page << 40 | version;
}

static uint64_t load_word(Reader *reader, uint64_t page)
{
    World *world = reader->world;

    for (;; reader->restarts++) {
        ProcessorTlbEntry *entry;
        CookieTranslation translation;
        uint64_t word;

        g_mutex_lock(&reader->lock);
        entry = processor_tlb_find(reader->tlb, 0, page);
        translation = entry ? entry->translation
            : cookie_translate(world->cookies, &world->entries[page]);
        if (!entry && translation.cookie != COOKIE_CLOSED) {
            processor_tlb_insert(reader->tlb, 0, page, translation, NULL);
        }
        word = atomic_load_explicit(
            &world->words[cookie_entry_frame(translation.entry)],
            memory_order_acquire);
        if (cookie_valid(world->cookies, &translation)) {
            g_mutex_unlock(&reader->lock);
            return word;
        }
        processor_tlb_drop(reader->tlb, 0, page);
        g_mutex_unlock(&reader->lock);
    }
}

static void *reader_main(void *opaque)
{
    Reader *reader = opaque;
    World *world = reader->world;

    while (!atomic_load_explicit(&world->stop, memory_order_relaxed)) {
        uint64_t page = rand_r(&reader->seed) % PAGES;
        uint64_t done = atomic_load_explicit(&world->done[page],
                                             memory_order_acquire);
        uint64_t word = load_word(reader, page);

        reader->foreign += word >> 40 != page;
        reader->old += (word & ((UINT64_C(1) << 40) - 1)) < done;
        atomic_fetch_add_explicit(&reader->loads, 1, memory_order_relaxed);
    }
    return NULL;
}

static void shoot_down(World *world)
{
    for (unsigned i = 0; i < READERS; i++) {
        g_mutex_lock(&world->readers[i].lock);
        processor_tlb_flush(world->readers[i].tlb);
        g_mutex_unlock(&world->readers[i].lock);
    }
}

static bool enough(World *world)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (atomic_load_explicit(&world->readers[i].loads,
                                 memory_order_relaxed) < LOADS) {
            return false;
        }
    }
    return true;
}

/* Places @page in @frame; returns the frame that it was in. */
static uint64_t remap(Writer *writer, uint64_t page, uint64_t frame,
                      uint64_t version)
{
    World *world = writer->world;
    uint64_t old = cookie_entry_frame(atomic_load_explicit(
        &world->entries[page], memory_order_relaxed));

    atomic_store_explicit(&world->words[frame], word_of(page, version),
                          memory_order_release);
    atomic_store_explicit(&world->entries[page],
                          frame << COOKIE_FRAME_SHIFT |
                          COOKIE_ENTRY_PRESENT, memory_order_release);
    if (cookie_buffer_change(world->cookies, old) == COOKIE_EXHAUSTED) {
        shoot_down(world);
        cookie_buffer_open(world->cookies, old);
        writer->shoot_downs++;
    }
    /* From now on it is free: whoever still reads it finds that out. */
    atomic_store_explicit(&world->words[old], FREE, memory_order_release);
    atomic_store_explicit(&world->done[page], version,
                          memory_order_release);
    return old;
}

static void *writer_main(void *opaque)
{
    Writer *writer = opaque;
    World *world = writer->world;
    uint64_t frames[(FRAMES - PAGES) / WRITERS];
    unsigned seed = 7 + writer->number;

    for (unsigned i = 0; i < G_N_ELEMENTS(frames); i++) {
        frames[i] = PAGES + i * WRITERS + writer->number;
    }
    for (uint64_t i = 0; i < world->remaps || !enough(world); i++) {
        uint64_t page = rand_r(&seed) % (PAGES / WRITERS) * WRITERS +
                        writer->number;
        uint64_t *frame = &frames[i % G_N_ELEMENTS(frames)];

        *frame = remap(writer, page, *frame, i + 1);
    }
    return NULL;
}

static World *world_new(unsigned width)
{
    const char *stress = g_getenv("SUNDER_STRESS");
    World *world = g_new0(World, 1);

    world->remaps = REMAPS *
        (stress ? (unsigned)CLAMP(atoi(stress), 1, 10000) : 1);
    world->cookies = cookie_buffer_new(FRAMES, width);
    for (uint64_t page = 0; page < PAGES; page++) {
        atomic_init(&world->words[page], word_of(page, 0));
        atomic_init(&world->entries[page],
                    page << COOKIE_FRAME_SHIFT | COOKIE_ENTRY_PRESENT);
    }
    for (unsigned i = 0; i < READERS; i++) {
        world->readers[i].world = world;
        world->readers[i].seed = i + 1;
        world->readers[i].tlb = processor_tlb_new(16, 4);
        g_mutex_init(&world->readers[i].lock);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        world->writers[i] = (Writer) { world, i, 0 };
    }
    return world;
}

/* Returns: whether all was right; *@shoot_downs is how often they ran out. */
static bool run(unsigned width, unsigned *shoot_downs)
{
    World *world = world_new(width);
    pthread_t readers[READERS], writers[WRITERS];
    bool good = true;

    *shoot_downs = 0;

    for (unsigned i = 0; i < READERS; i++) {
        pthread_create(&readers[i], NULL, reader_main, &world->readers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_create(&writers[i], NULL, writer_main, &world->writers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], NULL);
        *shoot_downs += world->writers[i].shoot_downs;
    }
    atomic_store(&world->stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        printf("# reader %u: %" PRIu64 " loads, %" PRIu64 " restarts, %"
               PRIu64 " foreign, %" PRIu64 " old\n", i,
               atomic_load(&world->readers[i].loads),
               world->readers[i].restarts, world->readers[i].foreign,
               world->readers[i].old);
        good = good && !world->readers[i].foreign && !world->readers[i].old;
        processor_tlb_free(world->readers[i].tlb);
        g_mutex_clear(&world->readers[i].lock);
    }
    cookie_buffer_free(world->cookies);
    g_free(world);
    return good;
}

int main(void)
{
    PlainTap tap = { 0 };
    unsigned shoot_downs;

    plain_check(&tap, run(64, &shoot_downs) && shoot_downs == 0,
                "threads are told by cookies alone");
    plain_check(&tap, run(3, &shoot_downs) && shoot_downs > 100,
                "threads are right when cookies run out");
    plain_check(&tap, run(1, &shoot_downs) && shoot_downs > 1000,
                "threads are right when each change is a shoot-down");
    return plain_finish(&tap);
}
