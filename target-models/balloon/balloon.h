/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon's pages
 *
 * Which guest pages the driver has put into its balloon, and which of them
 * are still to be given back to the host.  The device asks in pages of
 * 4 KiB, one by one and in any order; the host gives memory back best in
 * whole super pages, and huge pages not at all otherwise.  So what does not
 * fill a super page is held for a while.
 *
 * Concepts:
 *
 * - A page is 4 KiB of guest-physical memory and has a number, its address
 *   divided by 4096 (the PFN of virtio 1.2, section 5.5.6), below 2^32.
 * - A run is pages that follow each other.
 * - A super page is 512 pages from a multiple of 512 on: 2 MiB.
 * - A page in the balloon is held until it is given: until the caller says
 *   that the host has it back.  Taking it out of the balloon ends both.
 *
 * The numbers are the guest's; the caller adds only pages that exist, which
 * bounds the memory used here to less than 200 bytes for each super page.
 *
 * Not thread safe; the caller serialises.
 */
#ifndef SUNDER_BALLOON_BALLOON_H
#define SUNDER_BALLOON_BALLOON_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define BALLOON_PAGE_SHIFT   12
#define BALLOON_PAGE_SIZE    (1u << BALLOON_PAGE_SHIFT)
#define BALLOON_SUPER_PAGE   512u           /* pages */
#define BALLOON_PAGES_MAX    (1ull << 32)   /* page numbers have 32 bits */

/* @count pages from page number @first on. */
typedef struct BalloonRun {
    uint64_t first;
    uint64_t count;
} BalloonRun;

typedef struct BalloonPages BalloonPages;

/* An empty balloon, freed with balloon_pages_free(). */
BalloonPages *balloon_pages_new(void);
void balloon_pages_free(BalloonPages *pages);

/* Forgets all pages. */
void balloon_pages_clear(BalloonPages *pages);

/*
 * balloon_pages_add:
 *
 * Puts the pages of @run into the balloon and holds those that were not in
 * it.  Pages from BALLOON_PAGES_MAX on are left out.
 *
 * Returns: how many were not in it before.
 */
uint64_t balloon_pages_add(BalloonPages *pages, BalloonRun run);

/*
 * balloon_pages_remove:
 *
 * Returns: how many pages of @run were in the balloon before.
 */
uint64_t balloon_pages_remove(BalloonPages *pages, BalloonRun run);

/* Pages in the balloon; of them, those that are held. */
uint64_t balloon_pages_count(const BalloonPages *pages);
uint64_t balloon_pages_held(const BalloonPages *pages);

/* Whether all pages of @run are in the balloon. */
bool balloon_pages_contain(const BalloonPages *pages, BalloonRun run);

/* Which held pages balloon_pages_give() offers. */
typedef enum BalloonGive {
    /*
     * Super pages that are whole in the balloon, whole, even when a part of
     * them was given before: it may have come back with its neighbours.
     */
    BALLOON_GIVE_WHOLE,
    /* These, and single pages too. */
    BALLOON_GIVE_ALL,
    /* Just what is held: for a driver that does not say what it takes out. */
    BALLOON_GIVE_HELD,
} BalloonGive;

/*
 * BalloonGiveFunc:
 *
 * Gives a run back to the host.  It must not change the balloon.
 *
 * Returns: true if the pages are given; false to leave it.  They stay held
 * then, but are not offered again before a page of the same super page is
 * added, or balloon_pages_retry().
 */
typedef bool BalloonGiveFunc(BalloonRun run, void *opaque);

/*
 * balloon_pages_give:
 *
 * Offers held pages to @func, in order, as long runs.
 */
void balloon_pages_give(BalloonPages *pages, BalloonGive what,
                        BalloonGiveFunc *func, void *opaque);

/* Offer again what @func did not take. */
void balloon_pages_retry(BalloonPages *pages);

/*
 * balloon_pages_runs:
 *
 * Returns: the pages in the balloon as BalloonRuns, in order, none touching
 * the next; the caller unrefs it.
 */
GArray *balloon_pages_runs(const BalloonPages *pages);

/*
 * balloon_pages_save:
 *
 * Returns: the pages in a versioned byte form that does not depend on the
 * host; the caller unrefs it.  Which are held is no part of it.
 */
GByteArray *balloon_pages_save(const BalloonPages *pages);

/* Bytes that a saved state of @n pages has at most. */
#define BALLOON_STATE_MAX(n) (8 + 16 * (uint64_t)(n))

/*
 * balloon_pages_load:
 * @limit: pages that the machine has
 *
 * Replaces the pages by those of a saved state, all of them held: what the
 * host has there is not known.  On an error nothing changes.
 *
 * Returns: true, or false with @error set to a message for a person.
 */
bool balloon_pages_load(BalloonPages *pages, const uint8_t *data, size_t size,
                        uint64_t limit, GError **error);

#define BALLOON_ERROR balloon_error_quark()
GQuark balloon_error_quark(void);

typedef enum BalloonError {
    BALLOON_ERROR_STATE,        /* balloon_pages_load(): bad state */
} BalloonError;

#endif
