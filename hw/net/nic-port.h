/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nic-port.c and nic-stage.c, halves of a port, know of each other. */
#ifndef SUNDER_HW_NET_NIC_PORT_H
#define SUNDER_HW_NET_NIC_PORT_H

#include "hw/net/nic.h"

/* Bytes before each frame of a netdev that has headers. */
#define NIC_PORT_HEADER sizeof(struct virtio_net_hdr)

static inline NetClientState *nic_port_netdev(const NicPort *port)
{
    return qemu_get_queue(port->nic);
}

/* --- nic-stage.c ------------------------------------------------------- */

void nic_stage_new(NicPort *port);
void nic_stage_free(NicPort *port);

/* A netdev has a frame; 0: not now, it is flushed when there is room. */
ssize_t nic_stage_receive(NetClientState *nc, const struct iovec *iov,
                          int iovcnt);

/* Of NicBackendOps. */
void nic_stage_backend_receive(void *opaque, NicPacket *packets, unsigned n);
unsigned nic_stage_backend_room(void *opaque);

#endif
