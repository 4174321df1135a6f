/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory that stands for guest memory: which of it is resident, and
 * how it is given back
 *
 * Needs GLib and Linux, nothing of QEMU.  No function keeps what it is
 * given; all may be called from any thread.
 */
#ifndef SUNDER_HW_HOST_MEMORY_H
#define SUNDER_HW_HOST_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "target-models/sweep/sweep.h"

typedef enum HostMemoryKind {
    HOST_MEMORY_ANONYMOUS,      /* private, no file */
    HOST_MEMORY_SHARED,         /* memfd or tmpfs, shared */
    HOST_MEMORY_HUGETLB,        /* hugetlbfs, shared */
} HostMemoryKind;

typedef struct HostMemory {
    HostMemoryKind kind;
    uint8_t *host;              /* where it is mapped */
    uint64_t length;            /* bytes, a multiple of @page */
    uint64_t page;              /* bytes: 4096, or that of hugetlbfs */
    int fd;                     /* -1 for anonymous memory */
    uint64_t fd_offset;         /* bytes in the file */
    bool mergeable;             /* KSM may merge its pages */
} HostMemory;

#define HOST_MEMORY_ERROR host_memory_error_quark()
GQuark host_memory_error_quark(void);

typedef enum HostMemoryError {
    HOST_MEMORY_ERROR_RESIDENT, /* cannot tell what is resident */
    HOST_MEMORY_ERROR_DISCARD,  /* the kernel does not take it back */
} HostMemoryError;

/*
 * host_memory_resident:
 * @offset, @length: whole pages in @memory
 * @extents: SweepExtent, appended to, in bytes of @memory
 *
 * Finds resident memory without making any resident: PAGEMAP_SCAN (Linux
 * 6.7) or /proc/self/pagemap for anonymous memory, the page cache of the
 * file for the others.  Memory that is swapped out, and anonymous memory
 * that was only read, is not resident; without PAGEMAP_SCAN the latter
 * may be told as resident, and matches.
 *
 * Returns: false with @error set when the kernel has no way to tell.
 */
bool host_memory_resident(const HostMemory *memory, uint64_t offset,
                          uint64_t length, GArray *extents,
                          GError **error);

/*
 * host_memory_discard:
 * @ranges: host addresses and lengths in @memory, whole pages, ascending
 *
 * Gives memory back; the next access finds zeroes.  Unlike
 * ram_block_discard_range() it takes many ranges at once, which costs a
 * third on scattered pages.
 *
 * Returns: false with @error set; part of @ranges may be gone then.
 */
bool host_memory_discard(const HostMemory *memory,
                         const struct iovec *ranges, unsigned count,
                         GError **error);

#endif
