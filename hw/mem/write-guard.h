/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: keeps writers away from memory while somebody looks at it
 *
 * Who wants to discard a page that is zero, or copy a page as it was at
 * one instant, must know that nobody writes to it between the look and
 * the deed.  The guard holds every writer of this process (CPUs, device
 * models, system calls that copy) at its first write to a guarded page,
 * tells the user, and lets the writer go.  It needs GLib and Linux,
 * nothing of QEMU.
 *
 * Concepts:
 *
 * - Arming guards pages.  Direct I/O that is in flight then has pinned
 *   its pages and goes round every guard: THE CALLER MUST HAVE DRAINED IT
 *   (bdrv_drain_all_begin()) while it calls write_guard_arm(), and may
 *   let it go on as soon as that returns.
 * - A page stays armed until it is released, which happens once:
 *   by a writer (the guard's own thread, which takes no lock but the
 *   guard's: the writer may hold the big QEMU lock), by
 *   write_guard_take(), or by write_guard_disarm().
 * - What an armed page holds is read through write_guard_view(); it is
 *   as it was when it was armed.  A reader who was not armed against a
 *   writer may read nonsense and finds out in write_guard_take(), which
 *   acts only on pages that are armed still, and shuts out the writer for
 *   so long as it acts.
 * - A page is acted on at most once per arming: memory that was discarded
 *   may lose its protection with it.  Who else discards watched memory
 *   calls write_guard_forget() before.
 *
 * Engines:
 *
 * - protect: userfaultfd write protection, of populated and unpopulated
 *   pages alike (WP_UNPOPULATED, Linux 6.4).  Readers never wait.  The
 *   memory may be anonymous, shared or of hugetlbfs.  Writes through
 *   another mapping or by another process are not seen.  Refused for
 *   memory that KSM merges, while it runs.
 * - move: userfaultfd moves armed pages away (UFFDIO_MOVE, Linux 6.8) and
 *   back.  Anonymous memory only.  Readers wait, too.  A page that is
 *   pinned (FOLL_PIN) is not armed, so that most direct I/O is safe even
 *   without a drain.
 * - none: nobody is held.  For a machine that stands still, and for tests
 *   that show what a guard is good for.
 *
 * Threads: one thread at a time may arm, take and disarm.  Others may
 * call write_guard_forget() and write_guard_stats() meanwhile.
 */
#ifndef SUNDER_HW_WRITE_GUARD_H
#define SUNDER_HW_WRITE_GUARD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hw/mem/host-memory.h"

typedef struct WriteGuard WriteGuard;

typedef enum WriteGuardEngine {
    WRITE_GUARD_PROTECT,
    WRITE_GUARD_MOVE,
    WRITE_GUARD_NONE,
} WriteGuardEngine;

#define WRITE_GUARD_ERROR write_guard_error_quark()
GQuark write_guard_error_quark(void);

typedef enum WriteGuardError {
    WRITE_GUARD_ERROR_REFUSED,  /* no right to use userfaultfd */
    WRITE_GUARD_ERROR_KERNEL,   /* the kernel does not have it */
    WRITE_GUARD_ERROR_MEMORY,   /* not this kind of memory */
    WRITE_GUARD_ERROR_BUSY,     /* another userfaultfd watches it */
    WRITE_GUARD_ERROR_ARM,      /* arming failed: errno in the message */
} WriteGuardError;

/*
 * WriteGuardFault:
 * @view: where what the pages held when armed can be read
 * @host: the guest's address of the same
 * @length: bytes, whole pages
 *
 * A writer waits at a page that is armed.  Called on the guard's thread,
 * which holds no lock; the pages are shut for write_guard_take() so long.
 * Copy them now: they are released when this returns.  It must not write
 * to memory that is armed and must not call the guard.
 */
typedef void WriteGuardFault(void *opaque, const void *view, void *host,
                             uint64_t length);

typedef struct WriteGuardOptions {
    WriteGuardEngine engine;
    const HostMemory *memory;   /* copied; at most 1024 */
    unsigned count;
    WriteGuardFault *fault;     /* may be NULL */
    void *opaque;
    /*
     * Bytes that are released around a write at most, when all of them
     * are armed: a power of two.  0: a page.  With the size of a super
     * page a writer costs one wait, and the super page stays whole.
     */
    uint64_t release;
    bool refuse;                /* behave as if userfaultfd were refused */
} WriteGuardOptions;

typedef struct WriteGuardStats {
    uint64_t faults;            /* waits that a writer or reader had */
    uint64_t released;          /* bytes released by writers */
    uint64_t stall_max_ns;      /* longest wait, from its being noticed */
    uint64_t stall_total_ns;
} WriteGuardStats;

/*
 * write_guard_probe:
 * @memory: NULL, or memory that it must work on
 *
 * Returns: whether @engine can work here, or false with @error set to
 * what is missing and what can be done.
 */
bool write_guard_probe(WriteGuardEngine engine, const HostMemory *memory,
                       GError **error);

/*
 * write_guard_new:
 *
 * Watches the memory and starts the guard's thread.  Nothing is armed.
 *
 * Returns: the guard, or NULL with @error set.
 */
WriteGuard *write_guard_new(const WriteGuardOptions *options,
                            GError **error);

/* Disarms everything, lets every writer go, joins the thread. */
void write_guard_free(WriteGuard *guard);

/*
 * write_guard_arm:
 * @ranges: host addresses, whole pages, ascending, none armed yet
 *
 * Block I/O is drained meanwhile.  The engine may arm small gaps between
 * ranges, too.  A page that cannot be armed (it is pinned) is left out:
 * write_guard_take() will not act on it.
 *
 * Returns: true, or false with @error set and nothing armed.
 */
bool write_guard_arm(WriteGuard *guard, const struct iovec *ranges,
                     unsigned count, GError **error);

/* Returns: where to read what @host, armed or not, holds. */
const void *write_guard_view(const WriteGuard *guard, const void *host);

/*
 * WriteGuardTake:
 * @ranges: those that are armed still; @host addresses
 * @views: the same as write_guard_view()
 *
 * Acts on pages while writers are shut out.  Returns: whether it did;
 * if not the pages stay armed.
 */
typedef bool WriteGuardTake(void *opaque, const struct iovec *ranges,
                            const struct iovec *views, unsigned count);

/*
 * write_guard_take:
 * @ranges: host addresses, whole pages, ascending
 * @drop: whether the pages were discarded by @take; otherwise they are
 *     released as they are
 *
 * Calls @take, at most once, with those of the pages that no writer has
 * released, and counts them as released.  Writers to them wait until
 * @take returns: keep it short.  @take may be NULL.
 *
 * Returns: the bytes acted on.
 */
uint64_t write_guard_take(WriteGuard *guard, const struct iovec *ranges,
                          unsigned count, bool drop, WriteGuardTake *take,
                          void *opaque);

/*
 * write_guard_forget:
 * @host, @length: whole pages; what is not watched is ignored
 *
 * The caller will discard these pages: they are armed no longer, and what
 * they held need not be kept.  Waits for a thread that acts on one of
 * them; the caller must hold no lock that WriteGuardTake or
 * WriteGuardFault waits for.
 */
void write_guard_forget(WriteGuard *guard, void *host, uint64_t length);

/* Releases what is left of the pages that were armed. */
void write_guard_disarm(WriteGuard *guard);

WriteGuardStats write_guard_stats(WriteGuard *guard);

/* Returns: the word for it, as in SunderWriteGuard. */
const char *write_guard_engine_name(WriteGuardEngine engine);

#endif
