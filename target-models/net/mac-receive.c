/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: classification and delivery. */
#include "mac-internal.h"

#include <string.h>

void mac_port_forget_classes(MacPort *port)
{
    memset(port->classes, 0, sizeof(port->classes));
    port->all_sap = 0;
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        if (port->clients[i] && port->clients[i]->filter.all_sap) {
            port->all_sap |= UINT64_C(1) << i;
        }
    }
}

static void make_class(const MacPort *port, const NicDestination *d,
                       MacClass *class)
{
    *class = (MacClass){
        .address = d->address,
        .vlan = d->vlan,
        .sap = d->sap,
        .valid = true,
    };
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        const MacClient *client = port->clients[i];

        if (!client || client->filter.all_sap ||
            !mac_client_matches(client, d)) {
            continue;
        }
        class->clients |= UINT64_C(1) << i;
        if (mac_client_owns(client, d->address)) {
            class->owners |= UINT64_C(1) << i;
        }
    }
}

static inline bool is_class_of(const MacClass *class, const NicDestination *d)
{
    return class->valid && class->address == d->address &&
           class->vlan == d->vlan && class->sap == d->sap;
}

/* Within a row the one used last is first; the other is replaced. */
const MacClass *mac_port_classify(MacPort *port, const NicDestination *d)
{
    uint64_t hash = nic_mix(d->address, (uint32_t)d->vlan << 16 | d->sap);
    MacClass *row = port->classes[hash % MAC_CLASS_ROWS];
    MacClass second;

    port->stats.lookups++;
    if (is_class_of(&row[0], d)) {
        return &row[0];
    }
    second = row[1];
    row[1] = row[0];
    if (is_class_of(&second, d)) {
        row[0] = second;
    } else {
        port->stats.lookup_misses++;
        make_class(port, d, &row[0]);
    }
    return &row[0];
}

static bool accepts(MacClient *client, const MacBatch *batch)
{
    if (!client->ops->accepting ||
        client->ops->accepting(client->opaque, batch->destination,
                               batch->n)) {
        return true;
    }
    client->stats.not_accepted += batch->n;
    return false;
}

static void give(MacClient *client, const MacBatch *batch, bool original)
{
    MacBatch given = *batch;

    if (!client->attached) {
        return;                 /* an earlier one has detached it */
    }
    given.original = original;
    client->stats.transfers++;
    client->stats.receive_packets += batch->n;
    client->stats.receive_bytes += batch->bytes;
    if (!original) {
        client->port->stats.copies += batch->n;
    }
    client->ops->receive(client->opaque, &given);
}

/*
 * Each acceptor is given its copy when the next one is found, so that the
 * last is known to be the last.
 */
static MacClient *give_to_set(MacPort *port, const MacBatch *batch,
                              uint64_t set, MacClient *last, unsigned *n)
{
    for (; set; set &= set - 1) {
        MacClient *client = port->clients[__builtin_ctzll(set)];

        if (client && accepts(client, batch) && client->attached) {
            if (last) {
                give(last, batch, false);
            }
            last = client;
            (*n)++;
        }
    }
    return last;
}

unsigned mac_port_deliver(MacPort *port, const MacBatch *batch,
                          uint64_t clients, bool copy)
{
    uint64_t taps = clients & port->all_sap;
    MacClient *last = NULL;
    unsigned n = 0;

    last = give_to_set(port, batch, taps, last, &n);
    last = give_to_set(port, batch, clients & ~taps, last, &n);
    if (last) {
        give(last, batch, batch->original && !copy);
    }
    return n;
}

static void receive_known(MacPort *port, const MacBatch *batch)
{
    const MacClass *class = mac_port_classify(port, batch->destination);
    uint64_t clients = class->clients | port->all_sap;

    if (clients == 0) {
        port->stats.unknown += batch->n;
    } else if (mac_port_deliver(port, batch, clients, false) == 0) {
        port->stats.not_accepted += batch->n;
    }
}

void mac_port_receive(MacPort *port, NicPacket *packets, unsigned n,
                      uint64_t now_ns)
{
    NicSubChain sub;

    if (n == 0) {
        return;
    }
    mac_service_enter(port->service);
    if (!port->link.up) {
        port->stats.receive_link_down += n;
        n = 0;
    } else {
        nic_chain_stats_chain(&port->stats.receive, n);
    }
    for (; n && port->published; packets += sub.n, n -= sub.n) {
        nic_chain_cut(packets, n, &sub);
        nic_chain_stats_sub_chain(&port->stats.receive, &sub);
        if (sub.malformed) {
            port->stats.malformed += sub.n;
        } else {
            receive_known(port, &(MacBatch){
                packets, sub.n, &sub.destination, sub.bytes, true, now_ns
            });
        }
    }
    mac_service_leave(port->service);
}

void mac_port_receive_batch(MacPort *port, const MacBatch *batch)
{
    NicSubChain sub = { .n = batch->n, .bytes = batch->bytes };

    mac_service_enter(port->service);
    if (!port->published) {
        /* nobody is left to take it */
    } else if (!port->link.up) {
        port->stats.receive_link_down += batch->n;
    } else {
        nic_chain_stats_chain(&port->stats.receive, batch->n);
        nic_chain_stats_sub_chain(&port->stats.receive, &sub);
        receive_known(port, batch);
    }
    mac_service_leave(port->service);
}
