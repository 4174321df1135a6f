/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offloads: checksums, cutting and merging of segments
 *
 * What a NIC does for its driver: completes and verifies checksums, cuts
 * large packets of TCP and UDP into frames, and merges received segments.
 *
 * Concepts:
 *
 * - An offload says what is still to be done for a packet, or was done:
 *   the header of VIRTIO 1.2, 5.1.6, in the host's byte order.
 * - A packet's bytes lie in pieces (checksum.h) that may be a guest's:
 *   headers are read once, into memory of our own.
 * - Cutting copies: each frame is made in one piece, its checksum is summed
 *   while it is copied.  A packet without segments to cut is one frame.
 * - Merging does not copy: a run of packets becomes one by a header of its
 *   own and the payloads where they are.  It takes consecutive segments of
 *   one connection that have the same headers but for what counts on:
 *   lengths, checksums, sequence numbers, IP identifications.  A checksum
 *   that is wrong, options that differ, flags other than ACK and PSH and
 *   gaps end a run; PSH and a short segment are its last.  So cutting what
 *   was merged gives the same frames again.
 * - Acknowledgements without payload become one, too: the last of a run in
 *   which each acknowledges more than the one before.  Repeated ones, which
 *   mean a loss to TCP, are all kept.
 *
 * Nothing here is thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_OFFLOAD_H
#define SUNDER_NET_OFFLOAD_H

#include "checksum.h"
#include "frame.h"

/* OffloadHeader.flags */
#define NIC_NEEDS_CHECKSUM  1
#define NIC_DATA_VALID      2
/* OffloadHeader.gso_type */
#define NIC_GSO_NONE        0
#define NIC_GSO_TCPV4       1
#define NIC_GSO_TCPV6       4
#define NIC_GSO_UDP         5       /* datagrams of gso_size each */
#define NIC_GSO_ECN         0x80    /* besides: the first segment has CWR */

/* Bytes of the headers of a merged packet, at most: IPv6 and TCP. */
#define NIC_MERGE_HEADER    128

typedef struct OffloadHeader {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header;            /* bytes of all headers: a hint */
    uint16_t gso_size;          /* payload of each frame, in bytes */
    uint16_t checksum_start;    /* from here on it is summed */
    uint16_t checksum_offset;   /* from there on it is stored */
} OffloadHeader;

/* Whether there is anything to be done before the packet is a frame. */
static inline bool nic_offload_is_frame(const OffloadHeader *o)
{
    return !(o->flags & NIC_NEEDS_CHECKSUM) && o->gso_type == NIC_GSO_NONE;
}

/* --- Cutting ----------------------------------------------------------- */

/* A packet that is being cut; all of it private. */
typedef struct NicCutter {
    OffloadHeader offload;
    NicCursor cursor;           /* behind what was cut */
    NicFrame frame;
    size_t left;                /* bytes of payload */
    size_t done;
    unsigned frames;            /* made */
    size_t header_size;
    uint8_t header[NIC_HEAD];
} NicCutter;

/*
 * nic_cutter_init:
 * @pieces: the packet; it stays the cutter's until the last frame is made
 * @length: bytes of the packet; what lies behind them is not looked at
 *
 * Returns: false when the packet is not what @offload says, or when it has
 * a type of segments that is not known.
 */
bool nic_cutter_init(NicCutter *c, const OffloadHeader *offload,
                     const NicPiece *pieces, unsigned n_pieces,
                     size_t length);

/* Returns: bytes of the longest frame that is still to come; 0: none is. */
size_t nic_cutter_longest(const NicCutter *c);

/* Returns: how many frames are still to come. */
size_t nic_cutter_frames(const NicCutter *c);

/*
 * nic_cutter_next:
 * @to: room for nic_cutter_longest() bytes
 *
 * Returns: bytes of the frame that was made, 0: there is no more.
 */
size_t nic_cutter_next(NicCutter *c, uint8_t *to);

/* --- Verifying and merging --------------------------------------------- */

typedef enum NicVerdict {
    NIC_CHECKSUM_NONE,          /* there is none that is known here */
    NIC_CHECKSUM_GOOD,
    NIC_CHECKSUM_BAD,
} NicVerdict;

/* A received packet's bytes. */
typedef struct NicPieces {
    const NicPiece *first;
    unsigned n;
} NicPieces;

/*
 * nic_checksum_verify:
 * @frame: what nic_frame_parse() made of @packet
 *
 * Looks at the checksum of TCP or UDP.
 */
NicVerdict nic_checksum_verify(const NicPacket *packet,
                               const NicFrame *frame, NicPieces pieces);

/* What may be merged. */
typedef struct NicMergeRules {
    bool ipv4;
    bool ipv6;
    uint32_t max_length;        /* of a merged packet, in bytes */
} NicMergeRules;

/* Some packets as one. */
typedef struct NicMerged {
    unsigned n;                 /* packets, from the first */
    OffloadHeader offload;         /* to be told to the driver */
    uint32_t length;            /* bytes */
    /*
     * Not 0: the headers, in place of those of the same size in front of
     * each packet.  0: the last of the packets is all there is.
     */
    uint32_t header_size;
    uint8_t header[NIC_MERGE_HEADER];
} NicMerged;

/* Finds a packet's pieces. */
typedef NicPieces NicPiecesFunc(const NicPacket *packet);

/*
 * nic_merge:
 * @packets: @n of them, at least 1, all of them frames
 * @pieces: asked for packets whose head is not all of them; may be NULL
 *     if there are none
 *
 * Verifies the checksum of the first packet, and merges those behind it.
 */
void nic_merge(const NicPacket *packets, unsigned n,
               const NicMergeRules *rules, NicPiecesFunc *pieces,
               NicMerged *merged);

#endif
