/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: between the guard and its engines
 *
 * The guard knows which pages are armed and serialises whoever acts on
 * them; an engine knows how the kernel is asked.
 */
#ifndef SUNDER_HW_GUARD_ENGINE_H
#define SUNDER_HW_GUARD_ENGINE_H

#include "hw/mem/write-guard.h"

typedef struct GuardRegion {
    HostMemory memory;
    uint64_t *armed;            /* a bit a page */
    uint8_t *staging;           /* move: where armed pages are */
} GuardRegion;

/*
 * GuardEngine:
 *
 * Addresses are the guest's.  Each function works on whole pages within
 * one region.
 */
typedef struct GuardEngine {
    const char *name;
    /* features of userfaultfd that it needs */
    uint64_t features;
    /* bytes between ranges that one span spans */
    uint64_t gap;
    /* Watches a region; undone by closing the userfaultfd. */
    bool (*watch)(int uffd, GuardRegion *region, GError **error);
    void (*unwatch)(int uffd, GuardRegion *region);
    /* Begins or ends a window in which pages of the span are armed. */
    bool (*open_span)(int uffd, GuardRegion *region, void *host,
                      uint64_t length, GError **error);
    void (*close_span)(int uffd, GuardRegion *region, void *host,
                       uint64_t length);
    /*
     * Arms what it can.  Returns: bytes armed from @host on; 0: errno
     * tells why the first page cannot be.  NULL: open_span() does it.
     */
    uint64_t (*arm)(int uffd, GuardRegion *region, void *host,
                    uint64_t length);
    /* Makes armed pages writable as they are and wakes who waits. */
    void (*release)(int uffd, GuardRegion *region, void *host,
                    uint64_t length);
    /* The same for a page that is not armed, or was dropped. */
    void (*stray)(int uffd, GuardRegion *region, void *host);
} GuardEngine;

extern const GuardEngine guard_engine_protect;
extern const GuardEngine guard_engine_move;

/*
 * userfault_open:
 * @features: all of which are wanted
 *
 * Returns: a userfaultfd that does not block, or -1 with @error set.
 */
int userfault_open(uint64_t features, GError **error);

/* Returns: true, or false with @error set to why it cannot be watched. */
bool userfault_register(int uffd, void *host, uint64_t length,
                        uint64_t mode, uint64_t ioctls, GError **error);
void userfault_unregister(int uffd, void *host, uint64_t length);

/* Wakes who waits for a page of the range. */
void userfault_wake(int uffd, void *host, uint64_t length);

/*
 * userfault_read:
 *
 * Returns: addresses at which somebody waits, at most @max of them.
 */
unsigned userfault_read(int uffd, uint64_t *addresses, unsigned max);

#endif
