/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: the thread that lets writers go
 *
 * It takes no lock but the guard's: a writer may wait with the big QEMU
 * lock held.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "hw/mem/guard-internal.h"

#define MESSAGES 32

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/*
 * What is released around a page: the block of @options.release bytes if
 * it is armed and free as a whole, so that a super page stays one.
 */
static struct iovec release_range(const WriteGuard *guard,
                                  const GuardRegion *region, uint8_t *page)
{
    const HostMemory *m = &region->memory;
    struct iovec range = { page, m->page };
    uint64_t block = guard->options.release;
    uint64_t first;

    if (block <= m->page) {
        return range;
    }
    range.iov_base = (void *)((uintptr_t)page & ~(block - 1));
    range.iov_len = block;
    first = guard_page_of(region, range.iov_base);
    if ((uint8_t *)range.iov_base < m->host ||
        (uint8_t *)range.iov_base + block > m->host + m->length ||
        guard_bits_find(region->armed, first, first + block / m->page,
                        false) < first + block / m->page ||
        guard_claims(&guard->taking, &range)) {
        range = (struct iovec) { page, m->page };
    }
    return range;
}

/* Lets go of armed pages.  Called with the lock held; drops it between. */
static void release(WriteGuard *guard, GuardRegion *region,
                    const struct iovec *range)
{
    const void *view = write_guard_view(guard, range->iov_base);

    guard->releasing = (Claim) { range, 1 };
    g_mutex_unlock(&guard->lock);
    if (guard->options.fault) {
        guard->options.fault(guard->options.opaque, view, range->iov_base,
                             range->iov_len);
    }
    g_mutex_lock(&guard->lock);
    guard_set_armed(region, range, false);
    guard->stats.released += range->iov_len;
    g_mutex_unlock(&guard->lock);
    guard->engine->release(guard->uffd, region, range->iov_base,
                           range->iov_len);
    g_mutex_lock(&guard->lock);
    guard_end_claim(guard, &guard->releasing);
}

/*
 * Lets go of who waits at a page that is not armed, or no longer.  It is
 * claimed meanwhile: armed between the look and the call it would have a
 * set bit and no protection.  Called with the lock held; drops it between.
 */
static void release_stray(WriteGuard *guard, GuardRegion *region,
                          const struct iovec *page)
{
    guard->releasing = (Claim) { page, 1 };
    g_mutex_unlock(&guard->lock);
    guard->engine->stray(guard->uffd, region, page->iov_base);
    g_mutex_lock(&guard->lock);
    guard_end_claim(guard, &guard->releasing);
}

static void count_wait(WriteGuard *guard, uint64_t since_ns)
{
    uint64_t waited = now_ns() - since_ns;

    guard->stats.faults++;
    guard->stats.stall_total_ns += waited;
    guard->stats.stall_max_ns = MAX(guard->stats.stall_max_ns, waited);
}

static void handle(WriteGuard *guard, uint64_t address, uint64_t since_ns)
{
    GuardRegion *region = guard_region_of(guard, (void *)(uintptr_t)address);
    struct iovec page, range;

    if (!region) {
        /* a page of the staging area that was released as it was read */
        region = &guard->regions[0];
        address &= ~(region->memory.page - 1);
        guard->engine->stray(guard->uffd, region,
                             (void *)(uintptr_t)address);
        return;
    }
    address &= ~(region->memory.page - 1);
    page = (struct iovec) { (void *)(uintptr_t)address,
                            region->memory.page };
    g_mutex_lock(&guard->lock);
    guard_wait(guard, &guard->taking, &page);
    if (guard_bits_test(region->armed, guard_page_of(region, page.iov_base))) {
        range = release_range(guard, region, page.iov_base);
        release(guard, region, &range);
    } else {
        release_stray(guard, region, &page);
    }
    count_wait(guard, since_ns);
    g_mutex_unlock(&guard->lock);
}

static void *guard_thread(void *opaque)
{
    WriteGuard *guard = opaque;
    struct pollfd fds[] = {
        { .fd = guard->uffd, .events = POLLIN },
        { .fd = guard->stop, .events = POLLIN },
    };
    uint64_t addresses[MESSAGES];

    while (!fds[1].revents) {
        uint64_t since_ns;
        unsigned n;

        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0) {
            continue;
        }
        since_ns = now_ns();
        n = userfault_read(guard->uffd, addresses, MESSAGES);
        for (unsigned i = 0; i < n; i++) {
            handle(guard, addresses[i], since_ns);
        }
    }
    return NULL;
}

/* Signals are for other threads. */
void guard_thread_start(WriteGuard *guard)
{
    sigset_t all, old;

    guard->stop = eventfd(0, EFD_CLOEXEC);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    guard->thread = g_thread_new("write-guard", guard_thread, guard);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void guard_thread_stop(WriteGuard *guard)
{
    eventfd_write(guard->stop, 1);
    g_thread_join(guard->thread);
    close(guard->stop);
}
