/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: checksums and segments that no wire does
 *
 * target-models/net/offload.h does the work.  Here is when: a packet of the
 * driver passes as it is where all wires of the function understand its
 * header, and is cut into frames where not; received frames are verified
 * and merged for a driver that accepts that.
 */
#include "qemu/osdep.h"
#include "hw/net/nic-ring.h"
#include "qemu/bswap.h"
#include "target-models/net/offload.h"

#define FEATURE(name)   (1ull << VIRTIO_NET_F_##name)
#define SENDING         (FEATURE(CSUM) | FEATURE(HOST_TSO4) | \
                         FEATURE(HOST_TSO6) | FEATURE(HOST_ECN) | \
                         FEATURE(HOST_USO))
#define RECEIVING       (FEATURE(GUEST_CSUM) | FEATURE(GUEST_TSO4) | \
                         FEATURE(GUEST_TSO6) | FEATURE(GUEST_ECN))
/* Frames of one packet, at most: 64 KiB in segments of 32 bytes. */
#define MAX_FRAMES      2048

/* A piece is an iovec under another name. */
QEMU_BUILD_BUG_ON(sizeof(NicPiece) != sizeof(struct iovec));
QEMU_BUILD_BUG_ON(offsetof(NicPiece, data) !=
                  offsetof(struct iovec, iov_base));
QEMU_BUILD_BUG_ON(offsetof(NicPiece, size) !=
                  offsetof(struct iovec, iov_len));

/* What a packet of one ring was cut into. */
typedef struct Cut {
    NicPacket packets[MAX_FRAMES];
    uint8_t *bytes;
    size_t size;
} Cut;

struct NicOffload {
    Cut *cuts[NIC_MAX_QUEUE_PAIRS];     /* NULL: none yet */
    NicPacket whole;            /* a received packet, completed */
    uint8_t *bytes;             /* of it */
    /* a burst, merged; arrays of as many as there were packets */
    unsigned n;
    NicPacket *packets;
    NicCargo *cargo;
    NicMerged *merged;
    GArray *pieces;             /* of struct iovec, of all of them */
};

static OffloadHeader header_of(const NicPacket *packet)
{
    const NicCargo *cargo = packet->opaque;
    const struct virtio_net_hdr *h = &cargo->header;

    return (OffloadHeader) {
        .flags = h->flags,
        .gso_type = h->gso_type,
        .header = le16_to_cpu(h->hdr_len),
        .gso_size = le16_to_cpu(h->gso_size),
        .checksum_start = le16_to_cpu(h->csum_start),
        .checksum_offset = le16_to_cpu(h->csum_offset),
    };
}

static struct virtio_net_hdr header_from(const OffloadHeader *o)
{
    return (struct virtio_net_hdr) {
        .flags = o->flags,
        .gso_type = o->gso_type,
        .hdr_len = cpu_to_le16(o->header),
        .gso_size = cpu_to_le16(o->gso_size),
        .csum_start = cpu_to_le16(o->checksum_start),
        .csum_offset = cpu_to_le16(o->checksum_offset),
    };
}

static NicPieces pieces_of(const NicPacket *packet)
{
    const NicCargo *cargo = packet->opaque;

    return (NicPieces) { (const NicPiece *)cargo->iov, cargo->n_iov };
}

/* --- features ---------------------------------------------------------- */

/* Virtio 1.2, 5.1.3.1: segments need checksums, ECN needs segments. */
uint64_t nic_offload_features(const NicFunction *f)
{
    uint64_t features = SENDING | RECEIVING;

    if (!(f->offered & FEATURE(CSUM))) {
        features &= ~SENDING;
    }
    if (!(f->offered & FEATURE(GUEST_CSUM))) {
        features &= ~RECEIVING;
    }
    if (!(f->offered & (FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6)))) {
        features &= ~FEATURE(HOST_ECN);
    }
    if (!(f->offered & (FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6)))) {
        features &= ~FEATURE(GUEST_ECN);
    }
    return features;
}

/* Whether all drivers behind a port accept it. */
static bool all_receive(const NicGroup *group, unsigned bit)
{
    const NicCard *card = group->card;

    for (unsigned i = 0; i < card->n_functions; i++) {
        const NicFunction *f = card->functions[i];

        if (f && f->group == group && !nic_control_receives(f, bit)) {
            return false;
        }
    }
    return true;
}

void nic_offload_changed(NicFunction *f)
{
    const NicGroup *group = f->group;

    for (unsigned i = 0; i < group->n_ports; i++) {
        NicPort *port = group->ports[i];

        if (port->has_header && !port->backend) {
            qemu_set_offload(qemu_get_queue(port->nic)->peer,
                             all_receive(group, VIRTIO_NET_F_GUEST_CSUM),
                             all_receive(group, VIRTIO_NET_F_GUEST_TSO4),
                             all_receive(group, VIRTIO_NET_F_GUEST_TSO6),
                             all_receive(group, VIRTIO_NET_F_GUEST_ECN),
                             false, false, false);
        }
    }
}

/* --- sending ----------------------------------------------------------- */

static bool has_header(const NicPort *port)
{
    return port->has_header;
}

/*
 * QEMU's own network stack is no wire: it takes a packet of TCP of any
 * length, and is content with one acknowledgement for it.
 */
static bool is_stack(const NicPort *port)
{
    const NetClientState *peer = qemu_get_queue(port->nic)->peer;

    return peer && peer->info->type == NET_CLIENT_DRIVER_USER;
}

/* Whether what @f sends goes to such wires, and to nobody else. */
static bool all_wires(NicFunction *f, bool (*are)(const NicPort *port))
{
    const NicGroup *group = f->group;

    for (unsigned i = 0; i < group->n_ports; i++) {
        if (!are(group->ports[i])) {
            return false;
        }
    }
    return mac_port_clients(group->mac) == 1;
}

bool nic_offload_passes(NicFunction *f, const NicPacket *packet)
{
    OffloadHeader header = header_of(packet);

    return nic_offload_is_frame(&header) || all_wires(f, has_header);
}

/* As many segments in one frame as a packet of IP can have. */
static void make_long(OffloadHeader *header)
{
    unsigned longest = UINT16_MAX - NIC_HEAD;

    if (header->gso_type != NIC_GSO_NONE && header->gso_type != NIC_GSO_UDP &&
        header->gso_size && header->gso_size < longest) {
        header->gso_size = longest - longest % header->gso_size;
    }
}

/* Room for all frames of @cutter; NULL: they are too many. */
static Cut *room_for_frames(NicRing *ring, const NicCutter *cutter)
{
    Cut **cut = &ring->function->offload->cuts[ring->pair];
    size_t frames = nic_cutter_frames(cutter);
    size_t size = frames * nic_cutter_longest(cutter);

    if (frames > MAX_FRAMES) {
        return NULL;
    }
    if (!*cut) {
        *cut = g_new0(Cut, 1);
    }
    if ((*cut)->size < size) {
        g_free((*cut)->bytes);
        (*cut)->bytes = g_malloc(size);
        (*cut)->size = size;
    }
    return *cut;
}

static void cut_into(Cut *cut, NicCutter *cutter, NicRing *ring)
{
    uint8_t *at = cut->bytes;
    size_t length;

    while ((length = nic_cutter_next(cutter, at))) {
        cut->packets[ring->n_frames++] = (NicPacket) {
            at, length, length, NULL
        };
        at += length;
    }
    ring->frames = cut->packets;
}

void nic_offload_cut(NicRing *ring, const NicPacket *packet)
{
    OffloadHeader header = header_of(packet);
    NicPieces pieces = pieces_of(packet);
    NicCutter cutter;
    Cut *cut = NULL;

    if (ring->n_frames) {
        return;                 /* the port had no room for all of them */
    }
    if (all_wires(ring->function, is_stack)) {
        make_long(&header);
    }
    if (nic_cutter_init(&cutter, &header, pieces.first, pieces.n,
                        packet->length)) {
        cut = room_for_frames(ring, &cutter);
    }
    if (!cut) {
        ring->function->bad_requests++;
        return;
    }
    cut_into(cut, &cutter, ring);
}

/* --- receiving --------------------------------------------------------- */

static bool accepts_segments(const NicFunction *f, uint8_t type)
{
    if (type & NIC_GSO_ECN &&
        !nic_control_receives(f, VIRTIO_NET_F_GUEST_ECN)) {
        return false;
    }
    switch (type & ~NIC_GSO_ECN) {
    case NIC_GSO_NONE:
        return true;
    case NIC_GSO_TCPV4:
        return nic_control_receives(f, VIRTIO_NET_F_GUEST_TSO4);
    case NIC_GSO_TCPV6:
        return nic_control_receives(f, VIRTIO_NET_F_GUEST_TSO6);
    default:
        return false;
    }
}

/* For a driver that accepts no packets without checksum. */
static const NicPacket *complete(NicFunction *f, const NicPacket *packet,
                                 const OffloadHeader *header)
{
    NicOffload *offload = f->offload;
    NicPieces pieces = pieces_of(packet);
    NicCutter cutter;
    size_t length;

    if (packet->length > NET_BUFSIZE ||
        !nic_cutter_init(&cutter, header, pieces.first, pieces.n,
                         packet->length)) {
        return NULL;
    }
    if (!offload->bytes) {
        offload->bytes = g_malloc(NET_BUFSIZE);
    }
    length = nic_cutter_next(&cutter, offload->bytes);
    offload->whole = (NicPacket) { offload->bytes, length, length, NULL };
    return length ? &offload->whole : NULL;
}

const NicPacket *nic_offload_receive(NicFunction *f, const NicPacket *packet,
                                     struct virtio_net_hdr *header)
{
    OffloadHeader o = header_of(packet);

    if (!accepts_segments(f, o.gso_type)) {
        return NULL;            /* its netdev was told not to send them */
    }
    if (nic_control_receives(f, VIRTIO_NET_F_GUEST_CSUM)) {
        o.flags &= NIC_NEEDS_CHECKSUM | NIC_DATA_VALID;
        *header = header_from(&o);
        return packet;
    }
    if (o.flags & NIC_NEEDS_CHECKSUM) {
        return complete(f, packet, &o);
    }
    return packet;
}

/* --- merging ----------------------------------------------------------- */

static void make_room(NicOffload *o, unsigned n)
{
    if (o->n < n) {
        o->n = n;
        o->packets = g_renew(NicPacket, o->packets, n);
        o->cargo = g_renew(NicCargo, o->cargo, n);
        o->merged = g_renew(NicMerged, o->merged, n);
    }
    g_array_set_size(o->pieces, 0);
}

static NicMergeRules merge_rules(NicRing *ring)
{
    NicFunction *f = ring->function;
    uint32_t length = NET_BUFSIZE;

    /* what a smaller ring has buffers for, however small they are */
    if (nic_function_has(f, VIRTIO_NET_F_MRG_RXBUF)) {
        length = MIN(length,
                     nic_ring_heads(ring, length / NIC_LEAST_BUFFER) *
                     NIC_LEAST_BUFFER);
    }
    return (NicMergeRules) {
        .ipv4 = nic_control_receives(f, VIRTIO_NET_F_GUEST_TSO4),
        .ipv6 = nic_control_receives(f, VIRTIO_NET_F_GUEST_TSO6),
        .max_length = length,
    };
}

/* Packets from the front that have nothing left to do. */
static unsigned count_plain(const NicPacket *packets, unsigned n)
{
    unsigned i;

    for (i = 0; i < n && packets[i].opaque; i++) {
        OffloadHeader header = header_of(&packets[i]);

        if (!nic_offload_is_frame(&header) || header.flags) {
            break;
        }
    }
    return i;
}

/* The payload of each packet that is part of a merged one. */
static void add_payload(NicOffload *o, const NicPacket *packet, size_t skip)
{
    const NicCargo *cargo = packet->opaque;

    for (unsigned i = 0; i < cargo->n_iov; i++) {
        struct iovec piece = cargo->iov[i];
        size_t gone = MIN(skip, piece.iov_len);

        skip -= gone;
        piece.iov_base = (uint8_t *)piece.iov_base + gone;
        piece.iov_len -= gone;
        g_array_append_val(o->pieces, piece);
    }
}

/* Packet number @at of the result; its pieces are found later. */
static void add_merged(NicOffload *o, unsigned at, const NicPacket *packets)
{
    NicMerged *m = &o->merged[at];
    struct iovec head = { m->header, m->header_size };
    unsigned before = o->pieces->len;
    NicCargo *cargo = &o->cargo[at];

    if (m->header_size == 0) {
        const NicPacket *last = &packets[m->n - 1];

        *cargo = *(const NicCargo *)last->opaque;
        cargo->header = header_from(&m->offload);
        o->packets[at] = *last;
        o->packets[at].opaque = cargo;
        return;
    }
    g_array_append_val(o->pieces, head);
    for (unsigned i = 0; i < m->n; i++) {
        add_payload(o, &packets[i], m->header_size);
    }
    o->packets[at] = (NicPacket) { m->header, m->header_size, m->length,
                                   cargo };
    *cargo = (NicCargo) { header_from(&m->offload), NULL,
                          o->pieces->len - before };
}

/* The pieces do not move any more. */
static void point_to_pieces(NicOffload *o, unsigned n)
{
    struct iovec *next = (struct iovec *)o->pieces->data;

    for (unsigned i = 0; i < n; i++) {
        NicCargo *cargo = o->packets[i].opaque;

        if (cargo && !cargo->iov) {
            cargo->iov = next;
            next += cargo->n_iov;
        }
    }
}

NicPacket *nic_offload_merge(NicRing *ring, NicPacket *packets, unsigned *n,
                             struct virtio_net_hdr_v1_hash *headers)
{
    NicOffload *o = ring->function->offload;
    NicMergeRules rules;
    unsigned at = 0, i = 0;

    if (!nic_control_receives(ring->function, VIRTIO_NET_F_GUEST_CSUM)) {
        return packets;
    }
    rules = merge_rules(ring);
    make_room(o, *n);
    while (i < *n) {
        unsigned plain = count_plain(packets + i, *n - i);

        if (headers) {
            headers[at] = headers[i];
        }
        if (plain) {
            nic_merge(packets + i, plain, &rules, pieces_of,
                      &o->merged[at]);
            add_merged(o, at, packets + i);
            ring->stats.merged += o->merged[at].n > 1 ? o->merged[at].n : 0;
            i += o->merged[at].n;
        } else {
            o->packets[at] = packets[i++];
        }
        at++;
    }
    point_to_pieces(o, at);
    *n = at;
    return o->packets;
}

/* --- the function ------------------------------------------------------ */

bool nic_offload_realize(NicFunction *f, Error **errp)
{
    f->offload = g_new0(NicOffload, 1);
    f->offload->pieces = g_array_new(false, false, sizeof(struct iovec));
    return true;
}

void nic_offload_unrealize(NicFunction *f)
{
    NicOffload *o = f->offload;

    for (unsigned i = 0; i < NIC_MAX_QUEUE_PAIRS; i++) {
        if (o->cuts[i]) {
            g_free(o->cuts[i]->bytes);
            g_free(o->cuts[i]);
        }
    }
    g_free(o->bytes);
    g_free(o->packets);
    g_free(o->cargo);
    g_free(o->merged);
    g_array_free(o->pieces, true);
    g_clear_pointer(&f->offload, g_free);
}
