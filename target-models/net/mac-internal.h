/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the MAC service share; not for its callers. */
#ifndef SUNDER_NET_MAC_INTERNAL_H
#define SUNDER_NET_MAC_INTERNAL_H

#include "mac.h"

/* Sets of clients that a port remembers: ways by rows, a power of two. */
#define MAC_CLASS_WAYS      2
#define MAC_CLASS_ROWS      128

/* A destination and who sees it: no filter asks for more than this. */
typedef struct MacClass {
    uint64_t address;
    uint16_t vlan;
    uint16_t sap;
    bool valid;
    uint64_t clients;           /* a bit for each slot of the port */
    uint64_t owners;            /* those whose own address it is */
} MacClass;

struct MacClient {
    MacPort *port;
    MacPort *behind;
    const MacClientOps *ops;
    void *opaque;
    MacFilter filter;           /* pointers into what is below */
    GHashTable *addresses;      /* uint64_t * -> itself; NULL without any */
    uint64_t *vlans;
    unsigned slot;
    bool attached;
    bool waiting;               /* for resume() */
    uint64_t drain_mark;        /* of the port's transmit_packets */
    MacClientStats stats;
};

struct MacPort {
    MacService *service;
    char *name;
    const MacProviderOps *ops;
    void *opaque;
    MacLink link;
    bool published;
    bool full;                  /* until mac_port_resume() */
    unsigned n_clients;
    unsigned next_resumed;      /* slot whose turn it is */
    uint64_t taken;             /* packets the provider ever took */
    uint64_t all_sap;           /* the reserved set */
    MacClient *clients[MAC_MAX_CLIENTS];
    MacClass classes[MAC_CLASS_ROWS][MAC_CLASS_WAYS];
    MacPortStats stats;
};

struct MacService {
    GPtrArray *ports;           /* in the order of publication */
    unsigned depth;             /* calls into operations that run */
    GPtrArray *dead_clients;    /* freed when the last call returns */
    GPtrArray *dead_ports;
};

/* Around calls that may detach or withdraw what is being used. */
static inline void mac_service_enter(MacService *service)
{
    service->depth++;
}

void mac_service_leave(MacService *service);

/* Whether the filter of @client, no tap, lets a destination through. */
bool mac_client_matches(const MacClient *client, const NicDestination *d);
/* Whether it is an address of the client's own. */
bool mac_client_owns(const MacClient *client, uint64_t address);
void mac_client_free(MacClient *client);
void mac_client_detach_now(MacClient *client);

/* Forgets all sets, and makes the reserved one anew. */
void mac_port_forget_classes(MacPort *port);
/* One hash, one lookup. */
const MacClass *mac_port_classify(MacPort *port, const NicDestination *d);

/*
 * Gives @batch to @clients.  Returns how many took it.  With @copy nobody
 * gets the original.
 */
unsigned mac_port_deliver(MacPort *port, const MacBatch *batch,
                          uint64_t clients, bool copy);

#endif
