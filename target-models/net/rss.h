/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive-side scaling: which ring a received packet goes to
 *
 * Models VIRTIO 1.2, 5.1.6.5.6 and 5.1.6.5.7: a Toeplitz hash of a packet's
 * addresses and ports picks an entry of an indirection table.
 *
 * Concepts:
 *
 * - A hash type says which fields are hashed.  Of the types that the driver
 *   enabled the one with most fields that a packet has is taken.
 * - A packet without an enabled type goes to the unclassified ring.
 * - A fragment has no ports: it is hashed by its addresses.
 * - Automatic steering is what a device with many rings does without RSS
 *   (5.1.6.5.5): packets of a flow come to the ring that the driver last
 *   sent that flow on.  Its hash is the same both ways.
 *
 * Nothing here is thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_RSS_H
#define SUNDER_NET_RSS_H

#include "frame.h"

/* VIRTIO 1.2, 5.1.6.4.3.1 */
#define NIC_HASH_IPV4       (1u << 0)
#define NIC_HASH_TCPV4      (1u << 1)
#define NIC_HASH_UDPV4      (1u << 2)
#define NIC_HASH_IPV6       (1u << 3)
#define NIC_HASH_TCPV6      (1u << 4)
#define NIC_HASH_UDPV6      (1u << 5)
/* Those that are known here; not the ones of IPv6 extensions. */
#define NIC_HASH_TYPES      0x3fu

#define NIC_RSS_KEY         40      /* bytes */
#define NIC_RSS_TABLE       128     /* entries at most; a power of two */
/* Bytes of the longest input: two addresses of IPv6 and two ports. */
#define NIC_RSS_INPUT       36
/* Flows, by hash, that automatic steering tells apart; a power of two. */
#define NIC_STEER_FLOWS     1024

/* What hash_report says: VIRTIO 1.2, 5.1.6.4.3.4. */
typedef enum NicHashReport {
    NIC_REPORT_NONE,
    NIC_REPORT_IPV4,
    NIC_REPORT_TCPV4,
    NIC_REPORT_UDPV4,
    NIC_REPORT_IPV6,
    NIC_REPORT_TCPV6,
    NIC_REPORT_UDPV6,
} NicHashReport;

/* A key, made ready: for each half byte of input what it adds. */
typedef struct NicToeplitz {
    uint32_t part[NIC_RSS_INPUT * 2][16];
} NicToeplitz;

typedef struct NicRssConfig {
    bool steers;                /* else hashes are only reported */
    uint32_t types;             /* sum of NIC_HASH_* */
    uint16_t mask;              /* entries of @table, less one */
    uint16_t unclassified;      /* ring */
    uint16_t table[NIC_RSS_TABLE];  /* rings */
    uint8_t key[NIC_RSS_KEY];
} NicRssConfig;

typedef struct NicRss {
    NicRssConfig config;
    NicToeplitz toeplitz;
} NicRss;

/* Rings of flows that were sent. */
typedef struct NicSteer {
    NicToeplitz toeplitz;       /* the same both ways */
    uint8_t ring[NIC_STEER_FLOWS];
} NicSteer;

void nic_toeplitz_init(NicToeplitz *t, const uint8_t key[NIC_RSS_KEY]);
/* Returns: the hash of @size bytes, at most NIC_RSS_INPUT. */
uint32_t nic_toeplitz_hash(const NicToeplitz *t, const uint8_t *input,
                           size_t size);

/*
 * nic_rss_init:
 * @config: copied; table entries and the unclassified ring are whatever
 *     the caller has rings for
 */
void nic_rss_init(NicRss *rss, const NicRssConfig *config);

/*
 * nic_rss_hash:
 * @report: set to what was hashed; @hash is 0 with NIC_REPORT_NONE
 */
void nic_rss_hash(const NicRss *rss, const NicPacket *packet,
                  uint32_t *hash, NicHashReport *report);

/* Returns: the ring of a packet with that hash. */
static inline unsigned nic_rss_ring(const NicRss *rss, uint32_t hash,
                                    NicHashReport report)
{
    return report == NIC_REPORT_NONE
               ? rss->config.unclassified
               : rss->config.table[hash & rss->config.mask];
}

void nic_steer_init(NicSteer *steer);
/* The driver sent @packet on @ring. */
void nic_steer_sent(NicSteer *steer, const NicPacket *packet, unsigned ring);
/* Returns: the ring of a received packet's flow; 0: it was not sent. */
unsigned nic_steer_ring(const NicSteer *steer, const NicPacket *packet);

#endif
