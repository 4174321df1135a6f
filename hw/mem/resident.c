/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host memory is resident, without touching it
 *
 * Reading memory that is not there would make it resident (a file's), or
 * cost a microsecond a page (anonymous memory).  No single way tells the
 * truth of every kind of memory: page tables know anonymous memory only,
 * mincore() takes the shared zero page for memory, SEEK_DATA does not
 * work on hugetlbfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/mem/host-memory.h"
#include "hw/mem/kernel-abi.h"

#define REGIONS 512             /* of one PAGEMAP_SCAN */
#define ENTRIES 4096            /* of one read of pagemap, mincore() */
#define SEEKS   64              /* then the file is in too many pieces */

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

GQuark host_memory_error_quark(void)
{
    return g_quark_from_static_string("sunder-host-memory-error");
}

static bool fails(GError **error, const char *what)
{
    g_set_error(error, HOST_MEMORY_ERROR, HOST_MEMORY_ERROR_RESIDENT,
                "cannot find resident memory: %s: %s", what,
                g_strerror(errno));
    return false;
}

/* Adds an extent, joined to the last where they touch. */
static void append(GArray *extents, uint64_t offset, uint64_t length)
{
    SweepExtent extent = { offset, length };

    if (extents->len) {
        SweepExtent *last = &g_array_index(extents, SweepExtent,
                                           extents->len - 1);

        if (last->offset + last->length == offset) {
            last->length += length;
            return;
        }
    }
    g_array_append_val(extents, extent);
}

/* Returns: 1 done, 0 the kernel does not have PAGEMAP_SCAN, -1 failed. */
static int scan_page_tables(int pagemap, const HostMemory *memory,
                            uint64_t offset, uint64_t length,
                            GArray *extents)
{
    const uint64_t base = (uintptr_t)memory->host;
    struct guard_page_region regions[REGIONS];
    struct guard_pm_scan_arg arg = {
        .size = sizeof(arg),
        .start = base + offset,
        .end = base + offset + length,
        .vec = (uintptr_t)regions,
        .vec_len = REGIONS,
        .category_inverted = GUARD_PAGE_IS_PFNZERO,
        .category_mask = GUARD_PAGE_IS_PRESENT | GUARD_PAGE_IS_PFNZERO,
        .return_mask = GUARD_PAGE_IS_PRESENT,
    };

    while (arg.start < arg.end) {
        int n = ioctl(pagemap, GUARD_PAGEMAP_SCAN, &arg);

        if (n < 0) {
            return errno == ENOTTY || errno == EINVAL ? 0 : -1;
        }
        for (int i = 0; i < n; i++) {
            append(extents, regions[i].start - base,
                   regions[i].end - regions[i].start);
        }
        arg.start = arg.walk_end;
    }
    return 1;
}

/* Before Linux 6.7: a word for each page. */
static bool read_page_tables(int pagemap, const HostMemory *memory,
                             uint64_t offset, uint64_t length,
                             GArray *extents)
{
    g_autofree uint64_t *entries = g_new(uint64_t, ENTRIES);
    const uint64_t page = sysconf(_SC_PAGESIZE);

    while (length) {
        uint64_t n = MIN(length / page, ENTRIES);
        uint64_t first = ((uintptr_t)memory->host + offset) / page;
        ssize_t got = pread(pagemap, entries, n * sizeof(*entries),
                            first * sizeof(*entries));

        if (got <= 0) {
            return false;
        }
        n = got / sizeof(*entries);
        for (uint64_t i = 0; i < n; i++) {
            if (entries[i] & PAGEMAP_PRESENT) {
                append(extents, offset + i * page, page);
            }
        }
        offset += n * page;
        length -= n * page;
    }
    return true;
}

static bool resident_anonymous(const HostMemory *memory, uint64_t offset,
                               uint64_t length, GArray *extents,
                               GError **error)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int done;

    if (pagemap < 0) {
        return fails(error, "/proc/self/pagemap");
    }
    done = scan_page_tables(pagemap, memory, offset, length, extents);
    if (!done) {
        done = read_page_tables(pagemap, memory, offset, length, extents) ?
               1 : -1;
    }
    if (done < 0) {
        fails(error, "/proc/self/pagemap");
    }
    close(pagemap);
    return done > 0;
}

/* The page cache by page; swapped memory is not in it. */
static bool resident_mincore(const HostMemory *memory, uint64_t offset,
                             uint64_t length, GArray *extents,
                             GError **error)
{
    const uint64_t page = sysconf(_SC_PAGESIZE);
    g_autofree unsigned char *in = g_malloc(ENTRIES);

    while (length) {
        uint64_t part = MIN(length, ENTRIES * page);

        if (mincore(memory->host + offset, part, in) < 0) {
            return fails(error, "mincore");
        }
        for (uint64_t i = 0; i < part; i += memory->page) {
            if (in[i / page] & 1) {
                append(extents, offset + i, memory->page);
            }
        }
        offset += part;
        length -= part;
    }
    return true;
}

/*
 * Skips the holes of the file, which cost nothing to find while they are
 * few, and asks mincore() about the rest.
 */
static bool resident_shared(const HostMemory *memory, uint64_t offset,
                            uint64_t length, GArray *extents,
                            GError **error)
{
    const uint64_t end = offset + length;

    for (unsigned i = 0; i < SEEKS && offset < end; i++) {
        off_t data = lseek(memory->fd, memory->fd_offset + offset,
                           SEEK_DATA);
        off_t hole;
        uint64_t to;

        if (data < 0) {
            return errno == ENXIO ? true : fails(error, "SEEK_DATA");
        }
        hole = lseek(memory->fd, data, SEEK_HOLE);
        if (hole < 0) {
            return fails(error, "SEEK_HOLE");
        }
        offset = MAX(offset, data - memory->fd_offset);
        to = MIN(end, hole - memory->fd_offset);
        if (offset < to && !resident_mincore(memory, offset, to - offset,
                                             extents, error)) {
            return false;
        }
        offset = MAX(offset, to);
    }
    return offset >= end ||
           resident_mincore(memory, offset, end - offset, extents, error);
}

bool host_memory_resident(const HostMemory *memory, uint64_t offset,
                          uint64_t length, GArray *extents,
                          GError **error)
{
    if (!length) {
        return true;
    }
    switch (memory->kind) {
    case HOST_MEMORY_ANONYMOUS:
        return resident_anonymous(memory, offset, length, extents, error);
    case HOST_MEMORY_SHARED:
        return resident_shared(memory, offset, length, extents, error);
    case HOST_MEMORY_HUGETLB:
        return resident_mincore(memory, offset, length, extents, error);
    }
    g_assert_not_reached();
}
