/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: which memory is swept
 *
 * Guest RAM is what memory backends hold.  A block whose pages cannot be
 * given back safely is left out, with the reason.
 */
#include "qemu/osdep.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "exec/memory.h"
#include "exec/ramblock.h"
#include "hw/mem/sweeper-internal.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "system/hostmem.h"

/* of x86 and of most others: what transparent huge pages are made of */
#define SUPER_PAGE (2 * MiB)

static int is_ivshmem(Object *child, void *opaque)
{
    Object *backend = opaque;

    return object_dynamic_cast(child, "ivshmem-plain") &&
           object_property_get_link(child, "memdev", NULL) == backend;
}

/* Whether another machine writes to the backend's memory. */
static bool is_shared_with_machines(Object *backend)
{
    return object_child_foreach_recursive(object_get_root(), is_ivshmem,
                                          backend) != 0;
}

static const char *why_not_file(const RAMBlock *rb, bool hugetlb,
                                HostMemoryKind *kind)
{
    struct statfs fs;

    if (!(rb->flags & RAM_SHARED)) {
        return "it maps a file privately: giving pages back would change "
               "the file; use memory-backend-memfd or share=on";
    }
    if (fstatfs(rb->fd, &fs) < 0) {
        return "its file system cannot be told";
    }
    if (fs.f_type == HUGETLBFS_MAGIC) {
        *kind = HOST_MEMORY_HUGETLB;
        return hugetlb ? NULL : "it is on hugetlbfs, whose pages do not "
               "come back for certain: sweep-hugetlb=on allows it";
    }
    if (fs.f_type != TMPFS_MAGIC) {
        return "it is a file on a disk";
    }
    if (rb->flags & RAM_NAMED_FILE) {
        return "other processes can map its file and write to it unseen; "
               "use memory-backend-memfd";
    }
    *kind = HOST_MEMORY_SHARED;
    return NULL;
}

/* Returns: why the block cannot be swept, or NULL with @kind set. */
static const char *why_not(const RAMBlock *rb, Object *backend,
                           bool hugetlb, HostMemoryKind *kind)
{
    if (rb->guest_memfd >= 0 || (rb->flags & RAM_PROTECTED)) {
        return "it is private to the guest: its content cannot be read";
    }
    if (rb->flags & RAM_PMEM) {
        return "it is persistent memory";
    }
    if (rb->flags & (RAM_READONLY | RAM_READONLY_FD)) {
        return "it is read-only";
    }
    if (rb->flags & (RAM_PREALLOC | RAM_RESIZEABLE)) {
        return "it was not allocated by a memory backend";
    }
    if (memory_region_has_ram_discard_manager(rb->mr)) {
        return "virtio-mem decides what of it is plugged";
    }
    if (is_shared_with_machines(backend)) {
        return "ivshmem-plain shares it with other machines";
    }
    if (rb->fd >= 0) {
        return why_not_file(rb, hugetlb, kind);
    }
    if (rb->flags & RAM_SHARED) {
        return "it is shared memory without a file; use "
               "memory-backend-memfd";
    }
    *kind = HOST_MEMORY_ANONYMOUS;
    return NULL;
}

/*
 * Bytes in a super page.  Where super pages lie is up to the address for
 * anonymous memory, and up to the place in the file for shared memory,
 * which may be mapped anywhere.
 */
static uint64_t super_page(const HostMemory *memory)
{
    bool aligned = memory->kind == HOST_MEMORY_ANONYMOUS
                   ? QEMU_PTR_IS_ALIGNED(memory->host, SUPER_PAGE)
                   : QEMU_IS_ALIGNED(memory->fd_offset, SUPER_PAGE);

    return aligned ? MAX(memory->page, SUPER_PAGE) : memory->page;
}

static void add(SweepBlocks *blocks, RAMBlock *rb, HostMemoryKind kind,
                bool mergeable)
{
    HostMemory memory = {
        .kind = kind,
        .host = rb->host,
        .length = QEMU_ALIGN_DOWN(rb->used_length, rb->page_size),
        .page = rb->page_size,
        .fd = kind == HOST_MEMORY_ANONYMOUS ? -1 : rb->fd,
        .fd_offset = rb->fd_offset,
        .mergeable = mergeable && kind == HOST_MEMORY_ANONYMOUS,
    };
    uint64_t super = super_page(&memory);

    memory_region_ref(rb->mr);
    g_array_append_val(blocks->memory, memory);
    g_array_append_val(blocks->super_page, super);
    g_ptr_array_add(blocks->blocks, rb);
}

typedef struct Search {
    SweepBlocks *blocks;
    bool hugetlb;
} Search;

static int look_at_block(RAMBlock *rb, void *opaque)
{
    Search *search = opaque;
    Object *owner = rb->mr ? memory_region_owner(rb->mr) : NULL;
    HostMemoryKind kind;
    const char *reason;

    if (!owner || !object_dynamic_cast(owner, TYPE_MEMORY_BACKEND) ||
        !host_memory_backend_is_mapped(MEMORY_BACKEND(owner)) ||
        !rb->host || !rb->used_length) {
        return 0;
    }
    reason = why_not(rb, owner, search->hugetlb, &kind);
    if (!reason) {
        add(search->blocks, rb, kind, MEMORY_BACKEND(owner)->merge);
        return 0;
    }
    search->blocks->skipped += rb->used_length;
    if (!search->blocks->reason) {
        search->blocks->reason = g_strdup_printf("memory block '%s' is "
                                                 "not swept: %s",
                                                 rb->idstr, reason);
    }
    return 0;
}

SweepBlocks *sweep_blocks_new(bool hugetlb)
{
    SweepBlocks *blocks = g_new0(SweepBlocks, 1);
    Search search = { blocks, hugetlb };

    blocks->memory = g_array_new(FALSE, FALSE, sizeof(HostMemory));
    blocks->super_page = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    blocks->blocks = g_ptr_array_new();
    qemu_ram_foreach_block(look_at_block, &search);
    return blocks;
}

void sweep_blocks_free(SweepBlocks *blocks)
{
    if (!blocks) {
        return;
    }
    for (unsigned i = 0; i < blocks->blocks->len; i++) {
        RAMBlock *rb = blocks->blocks->pdata[i];

        memory_region_unref(rb->mr);
    }
    g_array_unref(blocks->memory);
    g_array_unref(blocks->super_page);
    g_ptr_array_unref(blocks->blocks);
    g_free(blocks->reason);
    g_free(blocks);
}
