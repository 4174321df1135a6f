/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: what its files share
 *
 * A frame passes by its port's rules once, in nic-fault.c, which makes a
 * fate of them.  nic-fault-hold.c carries it out: frames that wait are
 * copies, in order of their time, bounded, and travel with a migration.
 */
#ifndef SUNDER_HW_NET_NIC_FAULT_H
#define SUNDER_HW_NET_NIC_FAULT_H

#include "hw/net/nic.h"
#include "qemu/queue.h"

/* What waits in one direction of a port; more is lost. */
#define NIC_FAULT_MAX_FRAMES    1024
#define NIC_FAULT_MAX_BYTES     (4 * 1024 * 1024)
#define NIC_FAULT_MAX_COPIES    64

/* What is to happen to a frame. */
typedef struct NicFate {
    bool lost;
    unsigned copies;            /* more of it */
    unsigned flips;             /* entries of bit[] */
    uint64_t bit[FAULT_MAX_FIRINGS];    /* of the frame, to be flipped */
    uint64_t rate;              /* bits a second; 0: as fast as it goes */
    uint64_t delay_ns;
    unsigned behind;            /* frames that it lets pass, */
    uint64_t patience_ns;       /* but for no longer than this */
} NicFate;

typedef struct NicHeld NicHeld;
typedef QTAILQ_HEAD(NicHeldList, NicHeld) NicHeldList;

/* One direction of a port. */
typedef struct NicLane {
    NicPort *port;
    bool transmit;
    NicHeldList held;           /* by time */
    NicHeldList gone;           /* in batch[], to be freed with it */
    unsigned n_held;
    unsigned n_behind;          /* of these: waiting for others to pass */
    uint64_t bytes;
    uint64_t busy_until;        /* the end of what its rate let on */
    uint64_t overflowed;        /* frames lost as too many waited */
    NicPacket batch[NIC_BURST];
    unsigned n_batch;
    bool blocked;               /* the wire refused the rest of a batch */
    bool running;               /* is sending on */
} NicLane;

struct NicFault {
    NicPort *port;
    NicLane lanes[2];           /* receive, transmit */
    QEMUTimer *timer;           /* of the first frame held */

    /* link, nic-fault-link.c */
    QEMUTimer *link_timer;
    uint64_t link_deadline;     /* of link_timer, 0: none */
    uint64_t link_period;       /* of a flap; 0: it is none */
    uint64_t link_changes;      /* of a flap, still to come; 0: no end */
    bool link_down;
    char *link_rule;            /* that did it */

    /* for a migration */
    VMStateDescription *vmsd;
    uint8_t *saved;
    uint32_t n_saved;
};

enum {
    NIC_FAULT_LINK_DOWN,
    NIC_FAULT_LINK_UP,
    NIC_FAULT_LINK_FLAP,
    NIC_FAULT_DROP,
    NIC_FAULT_DUPLICATE,
    NIC_FAULT_CORRUPT,
    NIC_FAULT_REORDER,
    NIC_FAULT_DELAY,
    NIC_FAULT_RATE,
    NIC_FAULT_INTERRUPT_LOST,
    NIC_FAULT_DESCRIPTOR_ERROR,
};

/* --- nic-fault.c ------------------------------------------------------- */

/* What the rules of the port have for a frame. */
void nic_fault_judge(NicLane *lane, const NicPacket *packet, NicFate *fate);

/* --- nic-fault-link.c -------------------------------------------------- */

void nic_fault_link_init(NicFault *fault);
void nic_fault_link_destroy(NicFault *fault);
void nic_fault_link_action(void *opaque, const FaultFiring *firing);
void nic_fault_link_rules_changed(void *opaque, FaultPoint *point,
                                  const FaultRule *removed);
/* After a migration: as it was. */
void nic_fault_link_loaded(NicFault *fault);

/* --- nic-fault-hold.c -------------------------------------------------- */

void nic_fault_lane_init(NicLane *lane, NicPort *port, bool transmit);
/* Everything that waits is lost. */
void nic_fault_lane_empty(NicLane *lane);
/*
 * Sends packets on, now or later, whatever becomes of them.  Returns
 * false, and did nothing, when earlier ones wait for the wire.
 */
bool nic_fault_lane_pass(NicLane *lane, const NicPacket *packets,
                         unsigned n);
/* Packets to be sent that wait. */
unsigned nic_fault_waiting(const NicFault *fault);
/* What is due goes; the timer is set for what is next. */
void nic_fault_run(NicFault *fault);

/* --- nic-fault-vmstate.c ----------------------------------------------- */

void nic_fault_register(NicFault *fault);
void nic_fault_unregister(NicFault *fault);
/* Puts a copy of a frame that was saved in its place; its owner is @lane. */
bool nic_fault_lane_restore(NicLane *lane, uint64_t due_ns, uint32_t behind,
                            const struct virtio_net_hdr *header,
                            const uint8_t *data, uint32_t length);
/* Calls @func for each frame that waits, in order. */
typedef void NicHeldFunc(uint64_t due_ns, uint32_t behind,
                         const NicCargo *cargo, void *opaque);
void nic_fault_lane_foreach(NicLane *lane, NicHeldFunc *func, void *opaque);

#endif
