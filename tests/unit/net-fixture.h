/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames, a provider and a client that record, for the tests of the NIC. */
#ifndef SUNDER_TESTS_NET_FIXTURE_H
#define SUNDER_TESTS_NET_FIXTURE_H

#include "target-models/net/mac.h"

#define MAC_A       UINT64_C(0x525400000001)
#define MAC_B       UINT64_C(0x525400000002)
#define MAC_GROUP   UINT64_C(0x01005e000001)

typedef struct TestFrame {
    uint8_t bytes[256];
    uint32_t length;
} TestFrame;

/* Header of @sap, with a tag for each @vlan that is not 0. */
void frame_start(TestFrame *f, uint64_t to, uint64_t from, uint16_t vlan,
                 uint16_t inner_vlan, uint16_t sap);
void frame_add(TestFrame *f, const void *bytes, unsigned n);
/* An IPv4 header and UDP ports; @fragment is its fragment word. */
void frame_add_udp(TestFrame *f, uint32_t from, uint32_t to,
                   uint16_t fragment, uint16_t from_port, uint16_t to_port);
/* All of it: flow number @flow between MAC_A and MAC_B. */
void frame_udp(TestFrame *f, unsigned flow);
NicPacket frame_packet(TestFrame *f);

/* A wire: what a provider was given, and how much it takes. */
typedef struct TestWire {
    MacPort *port;
    unsigned room;              /* packets it takes before it is full */
    bool has_room_op;           /* what space() says: room, or one */
    uint64_t in_flight;
    bool queues;                /* packets taken stay in flight */
    uint64_t now_ns;            /* time of wire_link() */
    GArray *sent;               /* of uint64_t: number in the opaque */
    GArray *calls;              /* of unsigned: packets in each call */
} TestWire;

extern const MacProviderOps wire_ops;

void wire_init(TestWire *wire, MacService *service, const char *name);
void wire_clear(TestWire *wire);
void wire_free(TestWire *wire);
/* Sets the link at 1 Gbit/s. */
void wire_link(TestWire *wire, bool up);
/* The next packet that was sent as number @i, or UINT64_MAX. */
uint64_t wire_sent(const TestWire *wire, unsigned i);

typedef struct TestClient {
    MacClient *client;
    bool refuses;               /* accepting() says no */
    bool keeps;                 /* takes the buffers of originals */
    unsigned packets, transfers, originals;
    unsigned resumed, links, completed;
    bool withdrawn;
    MacLink link;
    NicDestination last;
    GArray *received;           /* of uint64_t: number in the opaque */
    /* called within receive, when not NULL */
    void (*hook)(struct TestClient *self);
    void *hook_data;
} TestClient;

extern const MacClientOps client_ops;

void client_init(TestClient *c);
void client_free(TestClient *c);
/* Attaches with the default filter of @address; must succeed. */
void client_attach(TestClient *c, MacPort *port, uint64_t address);

/* Numbers in NicPacket.opaque. */
static inline void *number(uint64_t n)
{
    return (void *)(uintptr_t)(n + 1);
}

#endif
