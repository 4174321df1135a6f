/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: what its files share
 *
 * Order is what makes it safe.  A page's bit is set before the kernel
 * guards it and cleared before the kernel lets go, so that a set bit
 * means: nobody has written since.  Who arms or takes claims the pages
 * (@taking) under the lock and acts without it; the guard's thread waits
 * for a claimed page, and claims those that it lets go of (@releasing),
 * armed or not, in the same way.  So a fault that is noticed late, when
 * its page was disarmed or armed anew, only releases a page too many.
 */
#ifndef SUNDER_HW_GUARD_INTERNAL_H
#define SUNDER_HW_GUARD_INTERNAL_H

#include "hw/mem/guard-bits.h"
#include "hw/mem/guard-engine.h"

/* Pages that somebody acts on: nobody else may. */
typedef struct Claim {
    const struct iovec *ranges; /* ascending */
    unsigned count;             /* 0: none */
} Claim;

/* What one open_span() has made ready. */
typedef struct Span {
    GuardRegion *region;
    uint8_t *host;
    uint64_t length;
} Span;

struct WriteGuard {
    WriteGuardOptions options;
    const GuardEngine *engine;  /* NULL: none */
    GuardRegion *regions;
    unsigned count;
    GArray *spans;              /* Span */
    GArray *armed;              /* struct iovec: what the taker may take */
    GArray *views;              /* the same, as views */
    int uffd;                   /* -1: none */
    int stop;                   /* eventfd: ends the thread */
    GThread *thread;

    GMutex lock;                /* of what follows, and of the bits */
    GCond changed;              /* a claim has ended */
    Claim taking;
    Claim releasing;
    WriteGuardStats stats;
};

/* Returns: the region that @host is in, or NULL. */
GuardRegion *guard_region_of(const WriteGuard *guard, const void *host);

/* Returns: the number of the page at @host. */
uint64_t guard_page_of(const GuardRegion *region, const void *host);

/* Sets or clears the bits of @range.  The lock is held. */
void guard_set_armed(GuardRegion *region, const struct iovec *range,
                     bool armed);

/* Returns: whether @claim holds any of @range.  The lock is held. */
bool guard_claims(const Claim *claim, const struct iovec *range);

/* Waits until @claim holds nothing of @range.  The lock is held. */
void guard_wait(WriteGuard *guard, const Claim *claim,
                const struct iovec *range);

/* Ends a claim and tells who waits.  The lock is held. */
void guard_end_claim(WriteGuard *guard, Claim *claim);

/* Starts and ends the thread that lets writers go. */
void guard_thread_start(WriteGuard *guard);
void guard_thread_stop(WriteGuard *guard);

#endif
