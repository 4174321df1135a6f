/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a network card with many ports
 *
 * A PCI device of up to NIC_MAX_FUNCTIONS functions, each of them a virtio
 * network device (virtio 1.2, section 5.1) for the stock driver, over up to
 * NIC_MAX_PORTS ports.  target-models/net holds what the card thinks: the
 * MAC service, chains, aggregations, LACP, DLPI; here are its hands.
 *
 * Concepts
 *
 * Card: function 0, "sunder-nic", with all properties.  It makes the other
 *   functions and owns everything.
 * Port: a wire, "<id>.pN".  Behind it is a netdev or a backend of our own
 *   (NicBackend).  A NICState of that name makes set_link work on it.
 * Group: the ports of one function.  One port is used as it is; more of
 *   them become an aggregation, "<id>.aN".
 * Function: "<id>.fN", a client of its group's port.
 * Burst: what a backend had for us in one go.  It is staged, and a bottom
 *   half hands it to the MAC service as one chain.
 * Pause: a driver that has no room makes its ports tell their backends to
 *   wait (as IEEE 802.3 annex 31B does), instead of losing frames; property
 *   pause.
 *
 * Everything here runs in the main loop under the big QEMU lock.  Time is
 * the virtual clock.
 */
#ifndef SUNDER_HW_NET_NIC_H
#define SUNDER_HW_NET_NIC_H

#include "hw/fault/fault.h"
#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "qapi/qapi-types-sunder.h"
#include "standard-headers/linux/virtio_net.h"
#include "target-models/net/aggregation.h"
#include "target-models/net/dlpi.h"
#include "target-models/net/mac.h"

#define NIC_MAX_PORTS           8
#define NIC_MAX_FUNCTIONS       8
#define NIC_MAX_QUEUE_PAIRS     8
/* Packets of a burst, and of a batch of a transmit ring. */
#define NIC_BURST               256
/* Slots of a port's own transmit queue; see mac.h, space(). */
#define NIC_PORT_QUEUE          256

typedef struct NicCard NicCard;
typedef struct NicPort NicPort;
typedef struct NicGroup NicGroup;
typedef struct NicFunction NicFunction;

/*
 * What travels with a packet inside the card: NicPacket.opaque of every
 * packet points to one.  It belongs to whoever made the packet.
 */
typedef struct NicCargo {
    struct virtio_net_hdr header;   /* checksum to do, segments to cut */
    const struct iovec *iov;        /* the whole frame, in pieces */
    unsigned n_iov;
} NicCargo;

/* --- nic-backend.c: wires of our own ----------------------------------- */

#define TYPE_NIC_BACKEND "sunder-nic-backend"
OBJECT_DECLARE_TYPE(NicBackend, NicBackendClass, NIC_BACKEND)

/* What a backend tells its port. */
typedef struct NicBackendOps {
    /* A burst, the port's until this returns; opaque: a NicCargo. */
    void (*receive)(void *opaque, NicPacket *packets, unsigned n);
    /* There is room to transmit again; not from within transmit(). */
    void (*resume)(void *opaque);
} NicBackendOps;

/* An object that a port can name instead of a netdev. */
struct NicBackend {
    Object parent_obj;
    const NicBackendOps *ops;       /* NULL: no port uses it */
    void *opaque;
};

struct NicBackendClass {
    ObjectClass parent_class;
    /* Sends from the front.  Returns how many it took or lost. */
    unsigned (*transmit)(NicBackend *b, NicPacket *packets, unsigned n);
    /* Whether it is to read; it starts without. */
    void (*set_receiving)(NicBackend *b, bool on);
};

/* The backend @id, not yet in use, becomes @opaque's; or NULL, @errp. */
NicBackend *nic_backend_take(const char *id, const NicBackendOps *ops,
                             void *opaque, Error **errp);
void nic_backend_release(NicBackend *b);

#endif
