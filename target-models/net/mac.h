/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MAC service: providers with ports, clients that use them
 *
 * Models the framework of US 7,616,653: providers publish ports; clients
 * send to ports and receive from them; the service in between knows which
 * port is whose.  An aggregation is a client of its member ports and the
 * provider of a virtual port, through this same interface.
 *
 * Concepts:
 *
 * - A provider publishes ports and withdraws them, at any time.  It hands
 *   the chain of one burst to its port with mac_port_receive().
 * - A client attaches to one port with a filter: addresses, VLANs, SAP.
 *   An operation of its provider or client may be called from any call
 *   into the service, and may itself call the service, detach and
 *   withdraw included.
 * - Classification: the destination information of a sub-chain is hashed
 *   once, and the hash finds the set of clients.  Sets are made the first
 *   time that a destination is seen and forgotten when a filter changes.
 *   Clients in all-SAP mode (taps) are in a reserved set that is added to
 *   each: they see every packet of the port, sent ones too.
 * - A client that is not accepting is passed over, and counted.  Of those
 *   that accept, all but the last get copies: packets that they may read
 *   until they return.  The last gets the original: it may change the
 *   bytes, and keep the buffer by taking NicPacket.opaque and leaving NULL.
 *   Taps come first, then clients in the order in which they attached.
 * - Clients of one port reach each other: a unicast packet for another
 *   client's own address is switched and does not go to the wire; group
 *   packets do both.  Packets sent are always given as copies.
 * - Back-pressure: a port takes as many packets as it has room for, from
 *   the front.  A client that had packets left is told once it is worth
 *   trying again.  A packet that was taken is copied or sent before the
 *   call returns: its buffer is the caller's again.
 * - A port whose link is down drops, in both directions, and counts.
 * - A client may stand behind a port: it works for the provider that
 *   publishes that port.  Attaching it is refused where a port would come
 *   to stand on itself.
 *
 * Time is the caller's virtual clock in nanoseconds, handed through.
 * Nothing here is thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_MAC_H
#define SUNDER_NET_MAC_H

#include "chain.h"

#define MAC_MAX_CLIENTS     64      /* of one port */
#define MAC_MAX_ADDRESSES   256     /* in a filter, besides the first */
#define MAC_MAX_NAME        255     /* bytes, without the NUL */
#define MAC_MAX_DEPTH       8       /* ports that stand on one another */
/* MacFilter.vlan, MacFilter.sap: every one. */
#define MAC_ANY             UINT32_MAX
/* MacLink.speed_mbps */
#define MAC_SPEED_UNKNOWN   0

typedef struct MacService MacService;
typedef struct MacPort MacPort;
typedef struct MacClient MacClient;

typedef struct MacLink {
    bool up;
    bool full_duplex;
    uint32_t speed_mbps;
} MacLink;

/* What a client is given: one sub-chain. */
typedef struct MacBatch {
    NicPacket *packets;
    unsigned n;                 /* at least 1 */
    const NicDestination *destination;
    uint64_t bytes;             /* of all its packets */
    bool original;              /* else: copies */
    uint64_t now_ns;
} MacBatch;

/* A provider's operations on a port of its own. */
typedef struct MacProviderOps {
    /*
     * Sends packets, from the front.  Returns how many it took: fewer than
     * @n only when it will call mac_port_resume() later, after returning.
     */
    unsigned (*transmit)(void *opaque, NicPacket *packets, unsigned n,
                         uint64_t now_ns);
    /*
     * How many packets transmit() would take for sure; NULL: one.  After
     * it said 0, mac_port_resume() is called later, too.
     */
    unsigned (*space)(void *opaque);
    /*
     * Packets that were taken and have not reached the wire, the oldest
     * leaving first; NULL: there never are any.  A provider that has it
     * calls mac_port_completed() when the number falls.
     */
    uint64_t (*in_flight)(void *opaque);
    /* For a provider whose packets do not leave in order; else NULL. */
    void (*drain_begin)(void *opaque);
    bool (*drained)(void *opaque);
} MacProviderOps;

/* A client's operations; all but receive may be NULL. */
typedef struct MacClientOps {
    /* Whether it wants a sub-chain; NULL: always. */
    bool (*accepting)(void *opaque, const NicDestination *destination,
                      unsigned n);
    void (*receive)(void *opaque, MacBatch *batch);
    /* Packets that were refused may be sent now. */
    void (*resume)(void *opaque);
    /* Packets of this port have reached the wire. */
    void (*completed)(void *opaque);
    void (*link_changed)(void *opaque, const MacLink *link,
                         uint64_t now_ns);
    /* The port is withdrawn; the client is detached and freed after. */
    void (*withdrawn)(void *opaque);
} MacClientOps;

/* Which packets a client sees.  mac_filter_init() gives the defaults. */
typedef struct MacFilter {
    uint64_t address;           /* its own */
    uint32_t vlan;              /* id, 0: untagged only; MAC_ANY */
    uint32_t sap;               /* NicDestination.sap; MAC_ANY */
    bool all_sap;               /* tap: every packet, whatever else */
    bool promiscuous;           /* any address; VLANs and SAP count */
    bool all_unicast;
    bool all_multicast;
    bool no_unicast;            /* these three win over the others */
    bool no_multicast;          /* broadcast is not meant */
    bool no_broadcast;
    const uint64_t *addresses;  /* more of them, unicast and group */
    unsigned n_addresses;
    /* NIC_VLANS bits, 64 in a word, of ids let in besides untagged; NULL */
    const uint64_t *vlans;
} MacFilter;

typedef struct MacPortStats {
    NicChainStats receive;
    uint64_t lookups;           /* hashes looked up */
    uint64_t lookup_misses;     /* that had to make a set */
    uint64_t malformed;         /* packets received */
    uint64_t unknown;           /* received, no client for them */
    uint64_t not_accepted;      /* received, no client wanted them */
    uint64_t copies;            /* packets given as copies */
    uint64_t receive_link_down; /* dropped */
    uint64_t transmit_packets;  /* taken by the provider */
    uint64_t transmit_bytes;
    uint64_t transmit_link_down;
    uint64_t transmit_malformed;
    uint64_t switched;          /* sent from client to client only */
    uint64_t stopped;           /* times that the provider was full */
} MacPortStats;

typedef struct MacClientStats {
    uint64_t receive_packets;
    uint64_t receive_bytes;
    uint64_t transfers;         /* sub-chains */
    uint64_t not_accepted;      /* packets */
    uint64_t transmit_packets;  /* taken */
    uint64_t transmit_bytes;
    uint64_t refused;           /* calls that left packets over */
} MacClientStats;

#define MAC_ERROR mac_error_quark()
GQuark mac_error_quark(void);

typedef enum MacError {
    MAC_ERROR_PORT,             /* no such port, or one of that name */
    MAC_ERROR_LIMIT,            /* too many of something */
    MAC_ERROR_LOOP,             /* a port would stand on itself */
    MAC_ERROR_BUSY,             /* somebody needs it alone */
} MacError;

/*
 * mac_service_new:
 *
 * Returns: a service without ports.  mac_service_free() withdraws all
 * ports first; no operation may be running.
 */
MacService *mac_service_new(void);
void mac_service_free(MacService *service);

/*
 * mac_service_find_port:
 *
 * Returns: the port called @name, owned by the service, or NULL with
 * @error set to a message that lists the ports there are.
 */
MacPort *mac_service_find_port(MacService *service, const char *name,
                               GError **error);

/*
 * mac_port_publish:
 * @name: copied; 1 to MAC_MAX_NAME bytes
 * @ops: kept by the caller until the port is withdrawn
 *
 * The link is down until mac_port_set_link() says otherwise.
 *
 * Returns: the port, owned by the service until it is withdrawn, or NULL
 * with @error set when the name is taken or cannot be.
 */
MacPort *mac_port_publish(MacService *service, const char *name,
                          const MacProviderOps *ops, void *opaque,
                          GError **error);

/*
 * mac_port_withdraw:
 *
 * Tells the clients, detaches them and frees the port, all of it at the
 * latest when the outermost call into the service returns.  No operation
 * of the provider is called any more.
 */
void mac_port_withdraw(MacPort *port);

const char *mac_port_name(const MacPort *port);
const MacLink *mac_port_link(const MacPort *port);
const MacPortStats *mac_port_stats(const MacPort *port);
/* Clients attached, taps among them. */
unsigned mac_port_clients(const MacPort *port);
/* Replaces what was counted, as after a migration; NULL: by zeroes. */
void mac_port_set_stats(MacPort *port, const MacPortStats *stats);

/* Tells the clients when something changed. */
void mac_port_set_link(MacPort *port, const MacLink *link, uint64_t now_ns);

/*
 * mac_port_receive:
 * @packets: one burst; all of it is the service's until this returns
 *
 * Packets that nobody took keep their opaque.
 */
void mac_port_receive(MacPort *port, NicPacket *packets, unsigned n,
                      uint64_t now_ns);

/*
 * mac_port_receive_batch:
 *
 * Hands on a sub-chain that was cut and whose destination is known, as an
 * aggregation does with what a member gave it.
 */
void mac_port_receive_batch(MacPort *port, const MacBatch *batch);

/* There is room again; clients that wait are told, each in its turn. */
void mac_port_resume(MacPort *port);

/* Packets of MacProviderOps.in_flight have reached the wire. */
void mac_port_completed(MacPort *port);

/* Only untagged and tagged frames of @address, any SAP. */
void mac_filter_init(MacFilter *filter, uint64_t address);

/*
 * mac_client_attach:
 * @filter: copied
 * @behind: the port that this client's owner publishes, or NULL
 * @ops: kept by the caller until the client is detached
 *
 * A client behind a port needs the port alone: taps only may share it.
 *
 * Returns: the client, owned by the service until it is detached, or NULL
 * with @error set.
 */
MacClient *mac_client_attach(MacPort *port, const MacFilter *filter,
                             MacPort *behind, const MacClientOps *ops,
                             void *opaque, GError **error);

/* None of its operations is called any more. */
void mac_client_detach(MacClient *client);

/*
 * mac_client_set_filter:
 * @filter: copied
 *
 * Returns: true, or false with @error set when it has too many addresses.
 */
bool mac_client_set_filter(MacClient *client, const MacFilter *filter,
                           GError **error);

MacPort *mac_client_port(const MacClient *client);
const MacClientStats *mac_client_stats(const MacClient *client);
void mac_client_set_stats(MacClient *client, const MacClientStats *stats);

/*
 * mac_client_transmit:
 *
 * Sends packets in their order.  Those that end within their header, and
 * all of them while the link is down, are dropped: that counts as taken.
 *
 * Returns: how many were taken, from the front.  When fewer than @n,
 * MacClientOps.resume is called later.
 */
unsigned mac_client_transmit(MacClient *client, NicPacket *packets,
                             unsigned n, uint64_t now_ns);

/*
 * mac_client_space:
 *
 * Returns: how many packets mac_client_transmit() would take for sure.  At
 * 0 resume is called later, as if packets had been refused.
 */
unsigned mac_client_space(MacClient *client);

/*
 * mac_client_drain_begin, mac_client_drained:
 *
 * Whether all packets that were sent before mac_client_drain_begin() have
 * reached the wire.  MacClientOps.completed says when to ask again.
 */
void mac_client_drain_begin(MacClient *client);
bool mac_client_drained(MacClient *client);

#endif
