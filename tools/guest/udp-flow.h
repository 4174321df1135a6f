/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What udp-flow sends: numbered datagrams of many flows
 *
 * A flow is a source port of the sender.  Each of its datagrams has the next
 * number, from 0; in the end the receiver is told how many there were.
 */
#ifndef SUNDER_GUEST_UDP_FLOW_H
#define SUNDER_GUEST_UDP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_MAGIC      0x776f6c66u     /* "flow" */
#define FLOW_END        0xffffffffu     /* flow of a datagram that ends it */
#define FLOWS_MAX       1024u
#define FLOW_NUMBER_MAX (1u << 26)      /* numbers that are kept account of */

/* Begins a datagram; in the byte order of the machine, as both are ours. */
typedef struct FlowHeader {
    uint32_t magic;
    uint32_t flow;
    uint64_t number;        /* FLOW_END: how many each flow had */
} FlowHeader;

/* What arrived of one flow */
typedef struct Flow {
    uint64_t next;          /* behind the highest number that came */
    uint64_t received;
    uint64_t reordered;     /* came after a higher number */
    uint64_t duplicated;
    uint8_t *came;          /* a bit for each number */
    size_t bytes;
} Flow;

typedef struct FlowTotals {
    unsigned flows;
    uint64_t received;
    uint64_t lost;
    uint64_t reordered;
    uint64_t duplicated;
} FlowTotals;

/*
 * Datagram @number of @flow came.  False: the number is beyond
 * FLOW_NUMBER_MAX, or there is no memory; it is not counted.
 */
bool flow_add(Flow *flow, uint64_t number);

/*
 * @sent: how many each of the flows had; 0: nobody told, and what is lost is
 * known only up to the highest number that came.
 */
FlowTotals flow_totals(const Flow *flows, unsigned n, uint64_t sent);

void flow_clear(Flow *flow);

#endif /* SUNDER_GUEST_UDP_FLOW_H */
