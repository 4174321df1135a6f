/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving host memory back
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/mem/host-memory.h"

/* pidfd_open() exists since Linux 5.3; process_madvise() since 5.10. */
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
/* PIDFD_SELF_THREAD_GROUP of linux/pidfd.h: Linux 6.14 */
#define SELF -10001

/* Longer ranges gain nothing from a vector. */
#define LONG (UINT64_C(256) << 10)

static bool fails(GError **error, const char *what,
                  const struct iovec *range)
{
    g_set_error(error, HOST_MEMORY_ERROR, HOST_MEMORY_ERROR_DISCARD,
                "cannot give back %zu bytes at %p: %s: %s", range->iov_len,
                range->iov_base, what, g_strerror(errno));
    return false;
}

/*
 * One call for many ranges: a third of the cost on scattered pages.  The
 * kernel allows MADV_DONTNEED on one's own process since 6.13; where it
 * does not, the caller goes on range by range.
 *
 * Returns: the ranges done.
 */
static unsigned discard_vector(const struct iovec *ranges, unsigned count)
{
    static gint refused;
    size_t bytes = 0;
    unsigned n = MIN(count, IOV_MAX), done = 0;
    ssize_t got;

    if (g_atomic_int_get(&refused)) {
        return 0;
    }
    got = syscall(SYS_process_madvise, SELF, ranges, (size_t)n,
                  MADV_DONTNEED, 0);
    if (got < 0) {
        if (errno != EINTR && errno != EAGAIN && errno != ENOMEM) {
            g_atomic_int_set(&refused, 1);
        }
        return 0;
    }
    while (done < n && bytes + ranges[done].iov_len <= (size_t)got) {
        bytes += ranges[done++].iov_len;
    }
    return done;
}

static bool discard_anonymous(const struct iovec *ranges, unsigned count,
                              GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        if (i + 1 < count && ranges[i].iov_len < LONG) {
            i += discard_vector(ranges + i, count - i);
        }
        if (i < count &&
            madvise(ranges[i].iov_base, ranges[i].iov_len,
                    MADV_DONTNEED) < 0) {
            return fails(error, "MADV_DONTNEED", &ranges[i]);
        }
    }
    return true;
}

static bool discard_file(const HostMemory *memory,
                         const struct iovec *range, GError **error)
{
    uint64_t offset = (uint8_t *)range->iov_base - memory->host;

    if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  memory->fd_offset + offset, range->iov_len) < 0) {
        return fails(error, "FALLOC_FL_PUNCH_HOLE", range);
    }
    return true;
}

bool host_memory_discard(const HostMemory *memory,
                         const struct iovec *ranges, unsigned count,
                         GError **error)
{
    if (memory->kind == HOST_MEMORY_ANONYMOUS) {
        return discard_anonymous(ranges, count, error);
    }
    /*
     * Punching a hole unmaps it everywhere, so that MADV_DONTNEED after
     * it would find nothing.
     */
    for (unsigned i = 0; i < count; i++) {
        if (!discard_file(memory, &ranges[i], error)) {
            return false;
        }
    }
    return true;
}
