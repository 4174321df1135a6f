/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: wires of our own, and what crosses them
 */
#ifndef SUNDER_HW_NET_NIC_BACKEND_H
#define SUNDER_HW_NET_NIC_BACKEND_H

#include "qom/object.h"
#include "standard-headers/linux/virtio_net.h"
#include "target-models/net/mac.h"

/*
 * What travels with a packet inside the card: NicPacket.opaque of every
 * packet points to one.  It belongs to whoever made the packet.
 */
typedef struct NicCargo {
    struct virtio_net_hdr header;   /* checksum to do, segments to cut */
    const struct iovec *iov;        /* the whole frame, in pieces */
    unsigned n_iov;
} NicCargo;

/* Packets of the models (LACP) have none: @one becomes theirs. */
static inline const NicCargo *nic_packet_cargo(const NicPacket *packet,
                                               NicCargo *none,
                                               struct iovec *one)
{
    if (packet->opaque) {
        return packet->opaque;
    }
    *one = (struct iovec) { packet->data, packet->length };
    *none = (NicCargo) { .iov = one, .n_iov = 1 };
    return none;
}

#define TYPE_NIC_BACKEND "sunder-nic-backend"
OBJECT_DECLARE_TYPE(NicBackend, NicBackendClass, NIC_BACKEND)

/* What a backend tells its port. */
typedef struct NicBackendOps {
    /* Packets that it may be given now; at least one. */
    unsigned (*room)(void *opaque);
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
    bool vnet_header;               /* NicCargo.header crosses the wire */
    uint64_t transmit_lost;         /* frames: nobody there, too long */
    uint64_t receive_refused;       /* datagrams that are no frame */
};

struct NicBackendClass {
    ObjectClass parent_class;
    /* Sends from the front.  Returns how many it took or lost. */
    unsigned (*transmit)(NicBackend *b, NicPacket *packets, unsigned n);
    /*
     * Whether it is to read; it starts without.  At once: what there is,
     * before this returns.
     */
    void (*set_receiving)(NicBackend *b, bool on, bool at_once);
};

/* The backend @id, not yet in use, becomes @opaque's; or NULL, @errp. */
NicBackend *nic_backend_take(const char *id, const NicBackendOps *ops,
                             void *opaque, Error **errp);
void nic_backend_release(NicBackend *b);

#endif
