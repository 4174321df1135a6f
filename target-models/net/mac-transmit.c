/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: sending, and packets from client to client. */
#include "mac-internal.h"

#include <limits.h>

static uint64_t count_bytes(const NicPacket *packets, unsigned n)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        bytes += packets[i].length;
    }
    return bytes;
}

/* Returns: how many the provider took. */
static unsigned send_to_wire(MacPort *port, NicPacket *packets, unsigned n,
                             uint64_t now_ns)
{
    unsigned taken;

    if (!port->published) {
        return n;
    }
    taken = port->ops->transmit(port->opaque, packets, n, now_ns);
    taken = MIN(taken, n);
    port->taken += taken;
    port->stats.transmit_packets += taken;
    port->stats.transmit_bytes += count_bytes(packets, taken);
    if (taken < n) {
        port->full = true;
        port->stats.stopped++;
    }
    return taken;
}

/*
 * One sub-chain on a port with several clients.  Others are given what the
 * wire took, no sooner: what it did not take comes again.
 */
static unsigned send_sub_chain(MacClient *client, NicPacket *packets,
                               const NicSubChain *sub, uint64_t now_ns)
{
    MacPort *port = client->port;
    const MacClass *class = mac_port_classify(port, &sub->destination);
    uint64_t self = UINT64_C(1) << client->slot;
    uint64_t others = (class->clients | port->all_sap) & ~self;
    MacBatch batch = {
        packets, sub->n, &sub->destination, sub->bytes, false, now_ns
    };

    if (class->owners & ~self) {
        port->stats.switched += sub->n;
    } else {
        batch.n = send_to_wire(port, packets, sub->n, now_ns);
        batch.bytes = batch.n == sub->n ? sub->bytes
                                        : count_bytes(packets, batch.n);
    }
    if (others && batch.n) {
        mac_port_deliver(port, &batch, others, true);
    }
    return batch.n;
}

static unsigned send_and_switch(MacClient *client, NicPacket *packets,
                                unsigned n, uint64_t now_ns)
{
    unsigned done = 0;

    while (done < n && client->attached) {
        NicSubChain sub;
        unsigned taken;

        nic_chain_cut(packets + done, n - done, &sub);
        if (sub.malformed) {
            client->port->stats.transmit_malformed += sub.n;
            taken = sub.n;
        } else {
            taken = send_sub_chain(client, packets + done, &sub, now_ns);
        }
        done += taken;
        if (taken < sub.n) {
            break;
        }
    }
    return client->attached ? done : n;
}

/* Packets before the first that ends within its addresses and type. */
static unsigned count_whole(const NicPacket *packets, unsigned n)
{
    unsigned i = 0;

    while (i < n && packets[i].head >= NIC_HEADER) {
        i++;
    }
    return i;
}

/* A port with one client: nobody else wants to know what is sent. */
static unsigned send_alone(MacPort *port, NicPacket *packets, unsigned n,
                           uint64_t now_ns)
{
    unsigned done = 0;

    while (done < n) {
        unsigned whole = count_whole(packets + done, n - done);
        unsigned taken = whole ? send_to_wire(port, packets + done, whole,
                                              now_ns) : 0;

        done += taken;
        if (taken < whole) {
            break;
        }
        if (done < n) {
            port->stats.transmit_malformed++;
            done++;
        }
    }
    return done;
}

unsigned mac_client_transmit(MacClient *client, NicPacket *packets,
                             unsigned n, uint64_t now_ns)
{
    MacPort *port = client->port;
    unsigned taken = n;

    mac_service_enter(port->service);
    if (!port->link.up || !client->attached) {
        port->stats.transmit_link_down += n;
    } else if (port->full) {
        taken = 0;
    } else if (port->n_clients == 1) {
        taken = send_alone(port, packets, n, now_ns);
    } else {
        taken = send_and_switch(client, packets, n, now_ns);
    }
    client->stats.transmit_packets += taken;
    client->stats.transmit_bytes += count_bytes(packets, taken);
    if (taken < n) {
        client->stats.refused++;
        client->waiting = true;
    }
    mac_service_leave(port->service);
    return taken;
}

unsigned mac_client_space(MacClient *client)
{
    MacPort *port = client->port;
    unsigned space = 1;

    if (!client->attached || !port->link.up) {
        return UINT_MAX;        /* dropping needs no room */
    }
    if (port->full) {
        space = 0;
    } else if (port->ops->space) {
        space = port->ops->space(port->opaque);
    }
    if (space == 0) {
        client->waiting = true;
    }
    return space;
}

void mac_client_drain_begin(MacClient *client)
{
    MacPort *port = client->port;

    client->drain_mark = port->taken;
    if (port->published && port->ops->drain_begin) {
        port->ops->drain_begin(port->opaque);
    }
}

bool mac_client_drained(MacClient *client)
{
    MacPort *port = client->port;

    if (!client->attached || !port->published) {
        return true;
    }
    if (port->ops->drained) {
        return port->ops->drained(port->opaque);
    }
    /* those in flight may be more than were taken: copies, a saved state */
    return !port->ops->in_flight ||
           port->ops->in_flight(port->opaque) <=
           port->taken - client->drain_mark;
}
