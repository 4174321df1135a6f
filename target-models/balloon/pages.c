/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon's pages: a table of super pages, each with one bit a page.
 * Super pages that have held pages to offer stand on a list, so that a
 * request costs what it names and not what the balloon holds.
 */
#include <string.h>

#include "target-models/balloon/internal.h"

static BalloonChunk *chunk_find(const BalloonPages *pages, uint64_t page)
{
    return g_hash_table_lookup(pages->chunks,
                               GUINT_TO_POINTER(page / BALLOON_SUPER_PAGE));
}

static BalloonChunk *chunk_get(BalloonPages *pages, uint64_t page)
{
    uint32_t number = page / BALLOON_SUPER_PAGE;
    BalloonChunk *chunk = chunk_find(pages, page);

    if (!chunk) {
        chunk = g_new0(BalloonChunk, 1);
        chunk->number = number;
        g_hash_table_insert(pages->chunks, GUINT_TO_POINTER(number), chunk);
    }
    return chunk;
}

static bool bit(const uint64_t *bits, unsigned i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

/* The bits of word @w that lie in [from, to). */
static uint64_t word_mask(unsigned w, unsigned from, unsigned to)
{
    unsigned low = w * 64;
    uint64_t mask = ~0ull;

    if (from >= low + 64 || to <= low) {
        return 0;
    }
    if (from > low) {
        mask &= ~0ull << (from - low);
    }
    if (to < low + 64) {
        mask &= ~(~0ull << (to - low));
    }
    return mask;
}

static void chunk_list(BalloonPages *pages, BalloonChunk *chunk)
{
    if (!chunk->listed) {
        chunk->listed = true;
        g_ptr_array_add(pages->listed, chunk);
    }
}

static unsigned chunk_add(BalloonPages *pages, BalloonChunk *chunk,
                          unsigned from, unsigned to)
{
    unsigned added = 0;

    for (unsigned w = from / 64; w < BALLOON_WORDS && w * 64 < to; w++) {
        uint64_t fresh = word_mask(w, from, to) & ~chunk->in[w];

        chunk->in[w] |= fresh;
        chunk->given[w] &= ~fresh;
        added += __builtin_popcountll(fresh);
    }
    chunk->count += added;
    chunk->held += added;
    if (added) {
        chunk_list(pages, chunk);
    }
    return added;
}

static unsigned chunk_remove(BalloonPages *pages, BalloonChunk *chunk,
                             unsigned from, unsigned to)
{
    unsigned gone = 0, unheld = 0;

    for (unsigned w = from / 64; w < BALLOON_WORDS && w * 64 < to; w++) {
        uint64_t old = word_mask(w, from, to) & chunk->in[w];

        gone += __builtin_popcountll(old);
        unheld += __builtin_popcountll(old & ~chunk->given[w]);
        chunk->in[w] &= ~old;
        chunk->given[w] &= ~old;
    }
    chunk->count -= gone;
    chunk->held -= unheld;
    pages->held -= unheld;
    return gone;
}

static void chunk_drop_if_empty(BalloonPages *pages, BalloonChunk *chunk)
{
    if (chunk->count) {
        return;
    }
    if (chunk->listed) {
        g_ptr_array_remove_fast(pages->listed, chunk);
    }
    g_hash_table_remove(pages->chunks, GUINT_TO_POINTER(chunk->number));
}

/* Marks the pages of @run, all of them in the balloon, as given. */
static void mark_given(BalloonPages *pages, BalloonRun run)
{
    uint64_t end = run.first + run.count;

    for (uint64_t page = run.first; page < end;) {
        unsigned from = page % BALLOON_SUPER_PAGE;
        unsigned to = MIN(BALLOON_SUPER_PAGE, from + (end - page));
        BalloonChunk *chunk = chunk_find(pages, page);

        for (unsigned w = from / 64; w < BALLOON_WORDS && w * 64 < to; w++) {
            uint64_t fresh = word_mask(w, from, to) & ~chunk->given[w];

            chunk->given[w] |= fresh;
            chunk->held -= __builtin_popcountll(fresh);
            pages->held -= __builtin_popcountll(fresh);
        }
        page += to - from;
    }
}

BalloonPages *balloon_pages_new(void)
{
    BalloonPages *pages = g_new0(BalloonPages, 1);

    pages->chunks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    pages->listed = g_ptr_array_new();
    return pages;
}

void balloon_pages_free(BalloonPages *pages)
{
    if (pages) {
        g_hash_table_destroy(pages->chunks);
        g_ptr_array_free(pages->listed, TRUE);
        g_free(pages);
    }
}

void balloon_pages_clear(BalloonPages *pages)
{
    g_ptr_array_set_size(pages->listed, 0);
    g_hash_table_remove_all(pages->chunks);
    pages->count = 0;
    pages->held = 0;
}

/* The end of @run, within what page numbers can say. */
static uint64_t run_end(BalloonRun run)
{
    if (run.first >= BALLOON_PAGES_MAX) {
        return run.first;
    }
    return run.first + MIN(run.count, BALLOON_PAGES_MAX - run.first);
}

uint64_t balloon_pages_add(BalloonPages *pages, BalloonRun run)
{
    uint64_t end = run_end(run), added = 0;

    for (uint64_t page = run.first; page < end;) {
        unsigned from = page % BALLOON_SUPER_PAGE;
        unsigned to = MIN(BALLOON_SUPER_PAGE, from + (end - page));

        added += chunk_add(pages, chunk_get(pages, page), from, to);
        page += to - from;
    }
    pages->count += added;
    pages->held += added;
    return added;
}

uint64_t balloon_pages_remove(BalloonPages *pages, BalloonRun run)
{
    uint64_t end = run_end(run), gone = 0;

    for (uint64_t page = run.first; page < end;) {
        unsigned from = page % BALLOON_SUPER_PAGE;
        unsigned to = MIN(BALLOON_SUPER_PAGE, from + (end - page));
        BalloonChunk *chunk = chunk_find(pages, page);

        if (chunk) {
            gone += chunk_remove(pages, chunk, from, to);
            chunk_drop_if_empty(pages, chunk);
        }
        page += to - from;
    }
    pages->count -= gone;
    return gone;
}

uint64_t balloon_pages_count(const BalloonPages *pages)
{
    return pages->count;
}

uint64_t balloon_pages_held(const BalloonPages *pages)
{
    return pages->held;
}

bool balloon_pages_contain(const BalloonPages *pages, BalloonRun run)
{
    uint64_t end = run.first + run.count;

    if (run.count > pages->count) {
        return false;
    }
    for (uint64_t page = run.first; page < end;) {
        unsigned from = page % BALLOON_SUPER_PAGE;
        unsigned to = MIN(BALLOON_SUPER_PAGE, from + (end - page));
        BalloonChunk *chunk = chunk_find(pages, page);

        for (unsigned w = from / 64; w < BALLOON_WORDS && w * 64 < to; w++) {
            uint64_t mask = word_mask(w, from, to);

            if (!chunk || (chunk->in[w] & mask) != mask) {
                return false;
            }
        }
        page += to - from;
    }
    return true;
}

/* A run that grows while what is offered follows on. */
typedef struct Offer {
    BalloonPages *pages;
    BalloonGiveFunc *func;
    void *opaque;
    BalloonRun run;
} Offer;

static void offer_flush(Offer *offer)
{
    if (offer->run.count && offer->func(offer->run, offer->opaque)) {
        mark_given(offer->pages, offer->run);
    }
    offer->run.count = 0;
}

static void offer_pages(Offer *offer, uint64_t first, uint64_t count)
{
    if (offer->run.count && offer->run.first + offer->run.count != first) {
        offer_flush(offer);
    }
    if (offer->run.count == 0) {
        offer->run.first = first;
    }
    offer->run.count += count;
}

static void offer_held(Offer *offer, const BalloonChunk *chunk)
{
    uint64_t base = (uint64_t)chunk->number * BALLOON_SUPER_PAGE;

    for (unsigned i = 0; i < BALLOON_SUPER_PAGE; i++) {
        if (bit(chunk->in, i) && !bit(chunk->given, i)) {
            offer_pages(offer, base + i, 1);
        }
    }
}

static int compare_chunks(const void *a, const void *b)
{
    uint32_t x = (*(BalloonChunk *const *)a)->number;
    uint32_t y = (*(BalloonChunk *const *)b)->number;

    return (x > y) - (x < y);
}

void balloon_pages_give(BalloonPages *pages, BalloonGive what,
                        BalloonGiveFunc *func, void *opaque)
{
    Offer offer = { pages, func, opaque, { 0, 0 } };
    unsigned kept = 0;

    g_ptr_array_sort(pages->listed, compare_chunks);
    for (unsigned i = 0; i < pages->listed->len; i++) {
        BalloonChunk *chunk = pages->listed->pdata[i];
        bool whole = chunk->count == BALLOON_SUPER_PAGE;

        if (chunk->held && what == BALLOON_GIVE_WHOLE && !whole) {
            pages->listed->pdata[kept++] = chunk;
            continue;
        }
        chunk->listed = false;
        if (chunk->held == 0) {
            continue;
        } else if (whole && what != BALLOON_GIVE_HELD) {
            offer_pages(&offer,
                        (uint64_t)chunk->number * BALLOON_SUPER_PAGE,
                        BALLOON_SUPER_PAGE);
        } else {
            offer_held(&offer, chunk);
        }
    }
    offer_flush(&offer);
    g_ptr_array_set_size(pages->listed, kept);
}

static void list_if_held(gpointer key, gpointer value, gpointer opaque)
{
    BalloonChunk *chunk = value;

    (void)key;
    if (chunk->held) {
        chunk_list(opaque, chunk);
    }
}

void balloon_pages_retry(BalloonPages *pages)
{
    g_hash_table_foreach(pages->chunks, list_if_held, pages);
}
