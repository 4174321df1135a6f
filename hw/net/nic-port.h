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

static inline bool nic_port_is_down(const NicPort *port)
{
    return port->set_down || port->fault_down;
}

/* --- nic-stage.c ------------------------------------------------------- */

void nic_stage_new(NicPort *port);
/* No more comes for now.  Sent: something was sent before. */
void nic_stage_end(NicPort *port, bool sent);
void nic_stage_free(NicPort *port);

/* A netdev has a frame; 0: not now, it is flushed when there is room. */
ssize_t nic_stage_receive(NetClientState *nc, const struct iovec *iov,
                          int iovcnt);

/* Of NicBackendOps. */
void nic_stage_backend_receive(void *opaque, NicPacket *packets, unsigned n);
unsigned nic_stage_backend_room(void *opaque);

/* --- nic-spill.c ------------------------------------------------------- */

/* Sends packets, from the front; returns how many it took. */
typedef unsigned NicSpillSend(NicPort *port, NicPacket *packets, unsigned n);

void nic_spill_new(NicPort *port);
void nic_spill_free(NicPort *port);
/* What waits is lost. */
void nic_spill_clear(NicPort *port);
unsigned nic_spill_count(const NicPort *port);

/* Packets that may be sent now, whatever the wire says; 0 while some wait. */
unsigned nic_spill_promise(NicPort *port);
/* Keeps copies of packets that were promised.  Returns: how many. */
unsigned nic_spill_take(NicPort *port, const NicPacket *packets, unsigned n);
/* Sends what waits.  Returns: whether nothing does any more. */
bool nic_spill_send(NicPort *port, NicSpillSend *send);

#endif
