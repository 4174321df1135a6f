/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains of packets
 *
 * Models the processing of a chain (US 7,457,316): the frames of one burst
 * are cut into sub-chains that go to the same clients, so that each is
 * hashed, looked up and handed over once, whatever its length.
 *
 * Concepts:
 *
 * - A chain is the packets of one burst, in the order of the wire: an
 *   array.
 * - A sub-chain is a run of consecutive packets with equal destination
 *   information (frame.h).  Packets of one flow that are not neighbours
 *   stay in different sub-chains: nothing is ever put in another order.
 * - Hold-off delays the interrupt for packets that were handed over,
 *   until there are enough of them or the first has waited long enough.
 *
 * Time is the caller's virtual clock in nanoseconds.  Nothing here is
 * thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_CHAIN_H
#define SUNDER_NET_CHAIN_H

#include "frame.h"

/* Bins of a histogram: lengths 1, 2-3, 4-7, ... 64-127, 128 and more. */
#define NIC_CHAIN_BINS      8
/* nic_holdoff_deadline(): none. */
#define NIC_NO_DEADLINE     UINT64_MAX

typedef struct NicChainStats {
    uint64_t chains;
    uint64_t sub_chains;        /* those of malformed packets too */
    uint64_t packets;
    uint64_t bytes;
    uint64_t chain_length[NIC_CHAIN_BINS];
    uint64_t sub_chain_length[NIC_CHAIN_BINS];
} NicChainStats;

/* The first sub-chain of a chain. */
typedef struct NicSubChain {
    NicDestination destination; /* undefined while @malformed */
    unsigned n;                 /* packets, at least 1 */
    bool malformed;             /* they end within their header */
    uint64_t bytes;
} NicSubChain;

/*
 * nic_chain_cut:
 * @n: packets, at least 1
 *
 * Finds the first sub-chain of @packets.
 */
void nic_chain_cut(const NicPacket *packets, unsigned n,
                   NicSubChain *sub_chain);

/* Counts a chain of @n packets, @n not 0. */
void nic_chain_stats_chain(NicChainStats *stats, unsigned n);
/* Counts a sub-chain and its packets. */
void nic_chain_stats_sub_chain(NicChainStats *stats,
                               const NicSubChain *sub_chain);

/* Returns: the bin of a length of at least 1. */
unsigned nic_chain_bin(unsigned length);

/*
 * When to interrupt.  With threshold 1 or hold-off 0 every burst does.
 * Saved and loaded by its owner, member by member.
 */
typedef struct NicHoldoff {
    uint32_t threshold;         /* packets; 0: no limit */
    uint64_t holdoff_ns;
    uint32_t pending;           /* packets handed over and not announced */
    uint64_t deadline_ns;       /* valid while pending */
} NicHoldoff;

/*
 * nic_holdoff_set:
 *
 * What is pending stays so, and its deadline is counted anew.
 */
void nic_holdoff_set(NicHoldoff *holdoff, uint32_t threshold,
                     uint64_t holdoff_ns, uint64_t now_ns);

/*
 * nic_holdoff_add:
 * @n: packets handed over
 *
 * Returns: whether to interrupt now; nothing is pending then.
 */
bool nic_holdoff_add(NicHoldoff *holdoff, uint32_t n, uint64_t now_ns);

/*
 * nic_holdoff_expire:
 *
 * Returns: whether to interrupt as the deadline has come; nothing is
 * pending then.
 */
bool nic_holdoff_expire(NicHoldoff *holdoff, uint64_t now_ns);

/* Forgets what is pending: it was announced in another way. */
void nic_holdoff_clear(NicHoldoff *holdoff);

/* Returns: when to call nic_holdoff_expire(), or NIC_NO_DEADLINE. */
uint64_t nic_holdoff_deadline(const NicHoldoff *holdoff);

#endif
