/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How system/physmem.c asks about memory that a device maps
 *
 * scripts/overlay.conf puts the calls there.  Any thread, within RCU.
 */
#ifndef SUNDER_HW_I386_IOMMU_HOLD_H
#define SUNDER_HW_I386_IOMMU_HOLD_H

#include "exec/memory.h"

typedef struct AddressSpaceMapHook {
    /*
     * A mapping through @region is wanted.  Returns: bytes for which the
     * device gets a copy that is written back when it is unmapped, at most
     * @length; 0: map it as ever.
     */
    hwaddr (*begin)(IOMMUMemoryRegion *region, hwaddr address, hwaddr length,
                    bool is_write);
    /* This thread's last begin() for writing was for the copy @buffer. */
    void (*mapped)(void *buffer);
    /* It is going to be written back in this thread, and has been. */
    void (*write_back)(void *buffer);
    void (*written_back)(void);
} AddressSpaceMapHook;

/* NULL: nobody asks. */
extern const AddressSpaceMapHook *address_space_map_hook;

/*
 * Bytes of the access that this thread is translating: a translation is
 * told the address only.
 */
extern __thread hwaddr address_space_access_length;

/*
 * Whether this thread is finding out how far a mapping reaches: pages in
 * which it does not go on will be asked for again.
 */
extern __thread bool address_space_extends;

#endif
