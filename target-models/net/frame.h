/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ethernet frames: what a NIC reads of their headers, and hashes of it
 *
 * Finds the fields of a frame that decide where it goes: addresses, tags
 * and service access point for its client, and addresses and ports of the
 * layers above for the member of an aggregation.
 *
 * Concepts:
 *
 * - A packet is a frame in memory, from its destination address on,
 *   without the checksum of the wire.  Its head is the part that lies in
 *   one piece; nothing behind the head is read.  64 bytes of head do for
 *   IPv4 with one tag, NIC_HEAD for everything that is parsed here.
 * - The service access point (SAP) is the Ethertype behind the tags.  A
 *   value below 1536 there is a length (IEEE 802.3, 3.2.6): such frames
 *   have the SAP NIC_SAP_LLC.
 * - The destination information of a frame is its destination and source
 *   address, its tags and its SAP.  Frames that agree in it go to the
 *   same clients.  The priority bits of a tag are not part of it.
 * - A digest holds one hash for each layer of a frame.  A layer that a
 *   frame does not have is stood in for by the one below, so that every
 *   policy gives every frame a hash, and frames of one flow the same.
 *   All fragments of a datagram, the first among them, have no layer 4:
 *   only so do they stay in order.
 *
 * Addresses are 48-bit numbers, the first byte of the wire being the most
 * significant.  All of this is thread safe: there is no state.
 */
#ifndef SUNDER_NET_FRAME_H
#define SUNDER_NET_FRAME_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_HEADER          14      /* bytes: two addresses and a type */
#define NIC_TAG             4       /* bytes of a tag */
#define NIC_MAX_TAGS        2       /* that are looked behind */
#define NIC_HEAD            256     /* bytes of head that always do */
#define NIC_MAX_EXTENSIONS  8       /* of IPv6 that are looked behind */
#define NIC_VLANS           4096    /* ids of a tag: 0 to 4095 */

#define NIC_SAP_LLC         0       /* a length instead of an Ethertype */
#define NIC_SAP_IPV4        0x0800
#define NIC_SAP_VLAN        0x8100  /* IEEE 802.1Q: customer tag */
#define NIC_SAP_IPV6        0x86dd
#define NIC_SAP_SERVICE     0x88a8  /* IEEE 802.1ad: service tag */
#define NIC_SAP_SLOW        0x8809  /* slow protocols: LACP, Marker */
#define NIC_FIRST_SAP       1536    /* lower numbers are lengths */

#define NIC_BROADCAST       UINT64_C(0xffffffffffff)

/*
 * A frame in memory.  Who may write to @data, and who may take the buffer
 * behind @opaque, is said where packets are handed over (mac.h).
 */
typedef struct NicPacket {
    uint8_t *data;              /* at the destination address */
    uint32_t head;              /* bytes at @data; <= @length */
    uint32_t length;            /* bytes of the frame, without checksum */
    void *opaque;               /* of whoever made the packet */
} NicPacket;

typedef struct NicDestination {
    uint64_t address;
    uint64_t source;
    uint16_t sap;
    uint16_t vlan;              /* id of the outer tag, 0 without one */
    uint16_t inner_vlan;        /* of the second tag, 0 without one */
    uint8_t tags;               /* 0 to NIC_MAX_TAGS */
    uint8_t priority;           /* of the outer tag; not compared */
    uint8_t header;             /* bytes up to and with the type */
} NicDestination;

/* What there is above layer 2. */
typedef enum NicNetwork {
    NIC_NETWORK_NONE,           /* not IP, or a damaged header */
    NIC_NETWORK_IPV4,
    NIC_NETWORK_IPV6,
} NicNetwork;

typedef struct NicFrame {
    NicDestination destination;
    NicNetwork network;
    bool fragment;              /* a part of a larger datagram */
    uint8_t protocol;           /* of IP, behind all extensions */
    uint16_t network_offset;    /* valid unless NIC_NETWORK_NONE */
    uint16_t transport_offset;  /* 0: no ports (or index) to be read */
} NicFrame;

/* Layers of a hash; a policy is any sum of them. */
#define NIC_LAYER_2     1u      /* both Ethernet addresses */
#define NIC_LAYER_3     2u      /* both IP addresses */
#define NIC_LAYER_4     4u      /* protocol and both ports */
#define NIC_LAYERS      8u      /* sums are below this */

typedef struct NicDigest {
    uint32_t layer[3];          /* of layers 2, 3 and 4 */
} NicDigest;

/*
 * nic_frame_destination:
 * @head: bytes at @data
 *
 * Returns: true with @destination filled in, or false when the frame ends
 * within its header or a tag.
 */
bool nic_frame_destination(const uint8_t *data, size_t head,
                           NicDestination *destination);

/* Whether two frames go to the same clients. */
static inline bool nic_destination_equal(const NicDestination *a,
                                         const NicDestination *b)
{
    return a->address == b->address && a->source == b->source &&
           a->sap == b->sap && a->vlan == b->vlan &&
           a->inner_vlan == b->inner_vlan && a->tags == b->tags;
}

static inline bool nic_address_is_group(uint64_t address)
{
    return address >> 40 & 1;
}

/*
 * nic_frame_parse:
 *
 * A header of IP whose lengths cannot be is taken for no IP.
 *
 * Returns: as nic_frame_destination().
 */
bool nic_frame_parse(const NicPacket *packet, NicFrame *frame);

/*
 * nic_frame_digest:
 * @frame: what nic_frame_parse() made of @packet
 * @seed: any; aggregations one behind the other must differ in it, or the
 *     second sees only flows that the first hashed alike
 */
void nic_frame_digest(const NicPacket *packet, const NicFrame *frame,
                      uint64_t seed, NicDigest *digest);

/*
 * nic_digest_hash:
 * @layers: a sum of NIC_LAYER_*, not 0
 *
 * Returns: 32 bits, all of them usable.
 */
uint32_t nic_digest_hash(const NicDigest *digest, unsigned layers);

/*
 * nic_frame_same_flow:
 * @frame: what nic_frame_parse() made of @first
 *
 * Compares bytes instead of hashing them.
 *
 * Returns: true when @second has all the fields that a digest of @first
 * is made of; false when it has not, or when that is not seen at once.
 */
bool nic_frame_same_flow(const NicPacket *first, const NicFrame *frame,
                         const NicPacket *second);

/* An address of six bytes as a number, and back. */
uint64_t nic_address_get(const uint8_t *bytes);
void nic_address_put(uint8_t *bytes, uint64_t address);

/*
 * nic_mix: the mixing step of all hashes here
 *
 * Returns: 64 bits that depend on every bit of @a and @b.
 */
static inline uint64_t nic_mix(uint64_t a, uint64_t b)
{
    /* two odd multipliers of "Better bit mixing" (Stafford), variant 13 */
    uint64_t h = (a ^ (a >> 30)) * UINT64_C(0xbf58476d1ce4e5b9) + b;

    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

#endif
