/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues, a batch at a time
 *
 * What virtio.c does for one element (looking up regions, mapping and
 * unmapping, publishing) is done here once for a batch.  Private to
 * nic-memory.c, nic-ring.c, nic-receive.c and nic-transmit.c.
 *
 * Concepts
 *
 * Head: a chain of descriptors that the driver made available, by its place
 *   in the ring.  It is looked at as often as need be, until it is taken.
 * Segment: a descriptor of a chain, those of an indirect table as well.
 * Used: a taken head that is written to the used ring; the driver sees it
 *   once it is published.
 *
 * The ring belongs to nic-ring.c while the driver runs.  virtio.c is told how
 * far it was read, for migration; it keeps nothing else.
 *
 * Memory is only RAM: what a driver has pointed at anything else, or at
 * nothing, is a fault of it, and no other device is touched.
 */
#ifndef SUNDER_HW_NET_NIC_RING_H
#define SUNDER_HW_NET_NIC_RING_H

#include "nic.h"

typedef struct NicSegment {
    uint64_t address;
    uint32_t length;            /* never 0 */
} NicSegment;

/* Segments of a chain: as many as a ring has descriptors. */
#define NIC_MAX_SEGMENTS VIRTQUEUE_MAX_SIZE

typedef struct NicHead {
    uint16_t id;                /* of its first descriptor */
    unsigned n;
    uint64_t length;            /* bytes of all segments */
    NicSegment segments[NIC_MAX_SEGMENTS];
} NicHead;

/* --- nic-memory.c ------------------------------------------------------ */

/* Begins and ends with the driver. */
void nic_memory_open(NicMemory *m, AddressSpace *as);
void nic_memory_close(NicMemory *m);

/* Looks for the window of an address, or opens it. */
NicWindow *nic_memory_find_window(NicMemory *m, hwaddr address);

/*
 * Memory as the host sees it, until the next change of the machine's memory;
 * NULL where that cannot be.
 */
static inline uint8_t *nic_memory_map(NicMemory *m, hwaddr address,
                                      uint64_t length)
{
    NicWindow *w = m->last;

    if (!w || address - w->start >= w->length) {
        w = nic_memory_find_window(m, address);
    }
    return w && length <= w->length - (address - w->start)
           ? w->host + (address - w->start) : NULL;
}

/* False: it is not there, or no RAM. */
bool nic_memory_read(NicMemory *m, hwaddr address, void *data,
                     uint32_t length);
/* What is written this way is not dirty before nic_memory_settle(). */
bool nic_memory_write(NicMemory *m, hwaddr address, const void *data,
                      uint32_t length);
/* Ends a batch of writes. */
void nic_memory_settle(NicMemory *m);

/* --- nic-ring.c -------------------------------------------------------- */

/* At realize and unrealize of the function. */
void nic_ring_init(NicRing *ring, NicFunction *f, unsigned pair,
                   bool transmit);
void nic_ring_fini(NicRing *ring);

/* The driver begins to use it, or does no more; either may come twice. */
void nic_ring_start(NicRing *ring);
void nic_ring_stop(NicRing *ring);

/*
 * Heads that the driver made available and nobody took.  It is looked
 * again when there are fewer than @wanted.  0 after a fault.
 */
unsigned nic_ring_heads(NicRing *ring, unsigned wanted);

/*
 * Reads the head @ahead places after the next; segments must be for the
 * device to write (@write) or to read.  False: a fault, the function is
 * broken.
 */
bool nic_ring_look(NicRing *ring, unsigned ahead, bool write, NicHead *head);

/* Takes the next head; @length bytes were written to it. */
void nic_ring_take(NicRing *ring, uint16_t id, uint32_t length);

/* The driver sees what was taken.  @n heads, at least 1. */
void nic_ring_publish(NicRing *ring);

/*
 * Asks the driver to tell when it has given @n more heads; a driver that
 * counts none (no EVENT_IDX) tells at the first.  0: not to tell.  When
 * asked, look at nic_ring_heads() after.
 */
void nic_ring_ask(NicRing *ring, unsigned n);

/* @n packets were published: nic_card_announce() interrupts for them. */
void nic_ring_touch(NicRing *ring, unsigned n);

/* @n packets were published: interrupt, or hold it off. */
void nic_ring_announce(NicRing *ring, unsigned n);

#endif
