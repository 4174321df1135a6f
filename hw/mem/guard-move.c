/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: the engine that moves pages away
 *
 * Armed pages are moved to a staging area of the same layout, where
 * nobody else can reach them, and moved back when they are released.
 * Who touches one meanwhile waits for a page that is missing.  Only the
 * span of a window is watched: in a span that is watched every page that
 * was never there has to be put in by hand.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/mem/guard-engine.h"
#include "hw/mem/kernel-abi.h"

/* Staging keeps the alignment of super pages, or they would not move. */
#define ALIGNMENT (UINT64_C(2) << 20)

static uint8_t *staged(const GuardRegion *region, const void *host)
{
    return region->staging + ((uint8_t *)host - region->memory.host);
}

/* Address space only: what is in it is never more than a window. */
static bool reserve(GuardRegion *region, GError **error)
{
    uint64_t length = region->memory.length + 2 * ALIGNMENT;
    uint8_t *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t head;

    if (at == MAP_FAILED) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_MEMORY,
                    "cannot reserve %" PRIu64 " bytes of address space "
                    "to move pages to: %s", length, g_strerror(errno));
        return false;
    }
    head = -(uintptr_t)at & (ALIGNMENT - 1);
    head += (uintptr_t)region->memory.host & (ALIGNMENT - 1);
    if (head) {
        munmap(at, head);
    }
    region->staging = at + head;
    at = region->staging + region->memory.length;
    munmap(at, length - head - region->memory.length);
    madvise(region->staging, region->memory.length, MADV_DONTFORK);
    madvise(region->staging, region->memory.length, MADV_DONTDUMP);
    return true;
}

static bool move_watch(int uffd, GuardRegion *region, GError **error)
{
    if (region->memory.kind != HOST_MEMORY_ANONYMOUS) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_MEMORY,
                    "the move guard needs private anonymous memory, not "
                    "a file's: use write-protect");
        return false;
    }
    if (!reserve(region, error)) {
        return false;
    }
    if (!userfault_register(uffd, region->staging, region->memory.length,
                            UFFDIO_REGISTER_MODE_MISSING,
                            UINT64_C(1) << GUARD_MOVE_NUMBER, error)) {
        munmap(region->staging, region->memory.length);
        region->staging = NULL;
        return false;
    }
    return true;
}

static void move_unwatch(int uffd, GuardRegion *region)
{
    munmap(region->staging, region->memory.length);
    region->staging = NULL;
}

static bool move_open_span(int uffd, GuardRegion *region, void *host,
                           uint64_t length, GError **error)
{
    /* what reads of released pages have left behind would be in the way */
    madvise(staged(region, host), length, MADV_DONTNEED);
    return userfault_register(uffd, host, length,
                              UFFDIO_REGISTER_MODE_MISSING,
                              UINT64_C(1) << GUARD_MOVE_NUMBER, error);
}

static void move_close_span(int uffd, GuardRegion *region, void *host,
                            uint64_t length)
{
    userfault_unregister(uffd, host, length);
}

/* Returns: bytes moved; if not all, errno tells why not the next page. */
static uint64_t move(int uffd, void *to, void *from, uint64_t length)
{
    struct guard_uffdio_move ask;
    uint64_t done = 0;

    while (done < length) {
        ask = (struct guard_uffdio_move) {
            .dst = (uintptr_t)to + done,
            .src = (uintptr_t)from + done,
            .len = length - done,
        };
        if (ioctl(uffd, GUARD_UFFDIO_MOVE, &ask) == 0) {
            return length;
        }
        if (ask.move > 0) {
            done += ask.move;
        } else if (errno != EINTR && errno != EAGAIN) {
            break;
        } else if (errno == EAGAIN) {
            /* the page is locked for a moment, or part was moved */
            sched_yield();
        }
    }
    return done;
}

static uint64_t move_arm(int uffd, GuardRegion *region, void *host,
                         uint64_t length)
{
    return move(uffd, staged(region, host), host, length);
}

/* Puts zeroes where nothing is, and wakes who waits. */
static void put_zeroes(int uffd, void *host, uint64_t page)
{
    struct uffdio_zeropage ask = {
        .range = { .start = (uintptr_t)host, .len = page },
    };

    while (ioctl(uffd, UFFDIO_ZEROPAGE, &ask) < 0) {
        if (errno == ENOMEM || errno == EAGAIN) {
            g_usleep(100);
        } else if (errno != EINTR) {
            /* it is there already, or no longer watched */
            userfault_wake(uffd, host, page);
            return;
        }
    }
}

/*
 * A page must not be lost: what cannot be moved for want of memory is
 * tried again.  EEXIST and ENOENT mean that it is back already.
 */
static void move_release(int uffd, GuardRegion *region, void *host,
                         uint64_t length)
{
    uint8_t *to = host;

    while (length) {
        uint64_t done = move(uffd, to, staged(region, to), length);

        to += done;
        length -= done;
        if (length && (errno == EEXIST || errno == ENOENT)) {
            userfault_wake(uffd, to, region->memory.page);
            to += region->memory.page;
            length -= region->memory.page;
        } else if (length) {
            g_usleep(100);
        }
    }
}

static void move_stray(int uffd, GuardRegion *region, void *host)
{
    put_zeroes(uffd, host, region->memory.page);
}

const GuardEngine guard_engine_move = {
    .name = "move",
    .features = GUARD_FEATURE_MOVE,
    .gap = UINT64_MAX,          /* each span is a mapping of its own */
    .watch = move_watch,
    .unwatch = move_unwatch,
    .open_span = move_open_span,
    .close_span = move_close_span,
    .arm = move_arm,
    .release = move_release,
    .stray = move_stray,
};
