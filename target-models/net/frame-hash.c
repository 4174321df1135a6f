/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ethernet frames: hashes of their layers.
 *
 * A protocol's number is hashed with its ports: TCP and UDP flows between
 * the same ports are not one flow.
 */
#include "frame.h"

#include "target-models/bytes.h"

#define IPV4_ADDRESSES  12      /* bytes to the source address */
#define IPV6_ADDRESSES  8

static uint64_t hash_addresses(const uint8_t *ip, NicNetwork network,
                               uint64_t seed)
{
    if (network == NIC_NETWORK_IPV4) {
        return nic_mix(bytes_be64(ip + IPV4_ADDRESSES) ^ seed, seed);
    }
    for (unsigned i = 0; i < 4; i++) {
        seed = nic_mix(bytes_be64(ip + IPV6_ADDRESSES + i * 8) ^ seed, i);
    }
    return seed;
}

void nic_frame_digest(const NicPacket *packet, const NicFrame *f,
                      uint64_t seed, NicDigest *digest)
{
    const uint8_t *data = packet->data;
    uint64_t h = nic_mix(f->destination.address ^ seed,
                         f->destination.source);

    digest->layer[0] = h;
    if (f->network != NIC_NETWORK_NONE) {
        h = hash_addresses(data + f->network_offset, f->network, seed);
    }
    digest->layer[1] = h;
    if (f->transport_offset) {
        h = nic_mix(bytes_be32(data + f->transport_offset) ^ seed,
                    f->protocol);
    }
    digest->layer[2] = h;
}

uint32_t nic_digest_hash(const NicDigest *digest, unsigned layers)
{
    uint64_t h = layers;

    for (unsigned i = 0; i < 3; i++) {
        if (layers >> i & 1) {
            h = nic_mix(h, digest->layer[i]);
        }
    }
    return h >> 32;
}

/*
 * Only the plain case: IPv4 without options and not in fragments, or not IP
 * at all.  What is compared up to the protocol: version and header length,
 * the fragment word, the protocol; time to live and checksum may differ.
 */
bool nic_frame_same_flow(const NicPacket *first, const NicFrame *f,
                         const NicPacket *second)
{
    const uint8_t *a = first->data, *b = second->data;
    size_t header = f->destination.header;

    if (f->destination.tags || second->head < header ||
        memcmp(a, b, header) != 0) {
        return false;
    }
    if (f->destination.sap != NIC_SAP_IPV4) {
        return f->destination.sap != NIC_SAP_IPV6;
    }
    if (f->network == NIC_NETWORK_NONE ||
        f->transport_offset != header + 20 || second->head < header + 24) {
        return false;
    }
    a += header;
    b += header;
    return b[0] == 0x45 && (bytes_be16(b + 6) & 0x3fff) == 0 &&
           a[9] == b[9] && memcmp(a + 12, b + 12, 12) == 0 &&
           bytes_be16(b + 2) >= 24 &&
           bytes_be16(b + 2) <= second->length - header;
}
