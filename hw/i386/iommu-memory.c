/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: guest memory as target-models/paging reads it
 *
 * Host addresses of page tables are kept with the translations made from
 * them.  They are looked up within RCU and memory is freed after a grace
 * period, so it is enough to forget them when memory goes from the map, and
 * to keep none while it goes.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "qemu/rcu.h"

typedef struct Retired {
    struct rcu_head rcu;
    void *memory;
} Retired;

static const void *guest_page(void *opaque, uint64_t address)
{
    hwaddr offset, length = VTD_PAGE_SIZE;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, address, &offset,
                                 &length, false, MEMTXATTRS_UNSPECIFIED);
    if (length < VTD_PAGE_SIZE ||
        !memory_access_is_direct(mr, false, MEMTXATTRS_UNSPECIFIED)) {
        return NULL;
    }
    return qemu_map_ram_ptr(mr->ram_block, offset);
}

static void free_retired(Retired *retired)
{
    g_free(retired->memory);
    g_free(retired);
}

static void retire(void *opaque, void *memory)
{
    Retired *retired = g_new(Retired, 1);

    retired->memory = memory;
    call_rcu(retired, free_retired, rcu);
}

PagingTable *iommu_memory_table(SunderIommu *s)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    X86IOMMUState *x86 = X86_IOMMU_DEVICE(s);
    PagingMemory memory = { .page = guest_page, .retire = retire };
    PagingUnit unit = {
        .address_width = v->aw_bits,
        .levels_3 = v->cap & VTD_CAP_SAGAW_39bit,
        .levels_4 = v->cap & VTD_CAP_SAGAW_48bit,
        .pass_through = x86->pt_supported,
        .device_tlb = x86->dt_supported,
        .snoop_bit = v->scalable_mode || v->snoop_control,
        .transient_bit = x86->dt_supported && v->stale_tm,
    };

    return paging_table_new(&memory, &unit);
}

/* The map still has the region; in commit() it has not. */
static void region_del(MemoryListener *listener, MemoryRegionSection *section)
{
    SunderIommu *s = container_of(listener, SunderIommu, memory_listener);

    if (!s->memory_changes &&
        (memory_region_is_ram(section->mr) || section->mr->rom_device)) {
        s->memory_changes = true;
        paging_table_memory_changing(s->table);
    }
}

static void commit(MemoryListener *listener)
{
    SunderIommu *s = container_of(listener, SunderIommu, memory_listener);

    if (s->memory_changes) {
        s->memory_changes = false;
        paging_table_memory_changed(s->table);
    }
}

void iommu_memory_listen(SunderIommu *s)
{
    s->memory_listener = (MemoryListener) {
        .name = "sunder-iommu",
        .region_del = region_del,
        .commit = commit,
    };
    memory_listener_register(&s->memory_listener, &address_space_memory);
}
