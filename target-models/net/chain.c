/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains: cutting and counting. */
#include "chain.h"

#include "target-models/bytes.h"

#define TYPE_OFFSET     12

/*
 * Whether @packet has the destination information of a packet whose first
 * bytes are @first and whose destination is @d.  An untagged frame with an
 * Ethertype is known by its first 14 bytes, read as two overlapping words.
 */
static inline bool belongs(const uint8_t *first, const NicDestination *d,
                           const NicPacket *packet)
{
    NicDestination other;

    if (packet->head < NIC_HEADER) {
        return false;
    }
    if (d->tags == 0 && d->sap != NIC_SAP_LLC) {
        return ((bytes_le64(first) ^ bytes_le64(packet->data)) |
                (bytes_le64(first + 6) ^ bytes_le64(packet->data + 6))) == 0;
    }
    return nic_frame_destination(packet->data, packet->head, &other) &&
           nic_destination_equal(d, &other);
}

static void cut_malformed(const NicPacket *packets, unsigned n,
                          NicSubChain *sub_chain)
{
    NicDestination other;
    unsigned i = 0;

    sub_chain->malformed = true;
    do {
        sub_chain->bytes += packets[i++].length;
    } while (i < n && !nic_frame_destination(packets[i].data,
                                             packets[i].head, &other));
    sub_chain->n = i;
}

void nic_chain_cut(const NicPacket *packets, unsigned n,
                   NicSubChain *sub_chain)
{
    const uint8_t *first = packets[0].data;
    uint64_t bytes = packets[0].length;
    unsigned i;

    sub_chain->bytes = 0;
    if (!nic_frame_destination(first, packets[0].head,
                               &sub_chain->destination)) {
        cut_malformed(packets, n, sub_chain);
        return;
    }
    for (i = 1; i < n && belongs(first, &sub_chain->destination,
                                 &packets[i]); i++) {
        bytes += packets[i].length;
    }
    sub_chain->malformed = false;
    sub_chain->n = i;
    sub_chain->bytes = bytes;
}

unsigned nic_chain_bin(unsigned length)
{
    unsigned bin = g_bit_storage(length) - 1;

    return MIN(bin, NIC_CHAIN_BINS - 1);
}

void nic_chain_stats_chain(NicChainStats *stats, unsigned n)
{
    stats->chains++;
    stats->chain_length[nic_chain_bin(n)]++;
}

void nic_chain_stats_sub_chain(NicChainStats *stats,
                               const NicSubChain *sub_chain)
{
    stats->sub_chains++;
    stats->sub_chain_length[nic_chain_bin(sub_chain->n)]++;
    stats->packets += sub_chain->n;
    stats->bytes += sub_chain->bytes;
}
