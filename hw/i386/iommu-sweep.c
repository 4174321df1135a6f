/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: pages that a sweep of guest memory has taken
 *
 * A mapping is of a virtual page placed in a physical page.  When the host
 * takes the physical page away (sunder-balloon), mappings to it are not what
 * they were: translations made from them are made again.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/iommu-internal.h"
#include "hw/mem/sweeper.h"
#include "qemu/rcu.h"

typedef struct Taken {
    SunderIommu *iommu;
    const SunderSweepTaken *memory;
} Taken;

/* Where the guest sees what was taken. */
static bool drop_in_range(Int128 start, Int128 length, const MemoryRegion *mr,
                          hwaddr offset, void *opaque)
{
    const Taken *taken = opaque;
    const SunderSweepTaken *memory = taken->memory;
    uint64_t from = MAX(memory->offset, offset);
    uint64_t end = MIN(memory->offset + memory->length,
                       offset + int128_get64(length));

    if (mr->ram_block == memory->block && from < end) {
        paging_table_drop_pages(taken->iommu->table,
                                int128_get64(start) + from - offset,
                                end - from);
    }
    return false;
}

static void taken_notify(Notifier *notifier, void *data)
{
    Taken taken = {
        .iommu = container_of(notifier, SunderIommu, sweep_taken),
        .memory = data,
    };

    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            drop_in_range, &taken);
}

void iommu_sweep_listen(SunderIommu *s)
{
    s->sweep_taken.notify = taken_notify;
    sunder_sweep_taken_add(&s->sweep_taken);
}
