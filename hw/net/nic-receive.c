/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: received sub-chains go into the driver's rings
 *
 * All packets of a sub-chain for one ring are published at once; the
 * interrupt for all of the burst comes with nic_card_announce().
 */
#include "qemu/osdep.h"
#include "nic-ring.h"
#include "qemu/bswap.h"

bool nic_receive_accepting(void *opaque, const NicDestination *destination,
                           unsigned n)
{
    return nic_function_is_running(opaque);
}

/* Writes at @offset of a head; it has the room. */
static bool write_head(NicRing *ring, const NicHead *head, uint64_t offset,
                       const uint8_t *data, size_t length)
{
    for (unsigned i = 0; length; i++) {
        const NicSegment *s = &head->segments[i];
        uint32_t part;

        if (offset >= s->length) {
            offset -= s->length;
            continue;
        }
        part = MIN(length, s->length - offset);
        if (!nic_memory_write(&ring->function->memory, s->address + offset,
                              data, part)) {
            nic_function_break(ring->function, "%s.rx%u: a buffer is not in "
                               "memory", ring->function->id, ring->pair);
            return false;
        }
        data += part;
        length -= part;
        offset = 0;
    }
    return true;
}

/* A packet on its way into heads. */
typedef struct Source {
    const struct iovec *iov;
    size_t offset;              /* in the first of them */
    size_t left;                /* bytes to be written */
} Source;

/* As much as there is room for behind @offset. */
static bool fill_head(NicRing *ring, const NicHead *head, uint64_t offset,
                      Source *source)
{
    while (source->left && offset < head->length) {
        size_t piece = source->iov->iov_len - source->offset;
        size_t part = MIN(MIN(piece, source->left), head->length - offset);

        if (!write_head(ring, head, offset,
                        (uint8_t *)source->iov->iov_base + source->offset,
                        part)) {
            return false;
        }
        offset += part;
        source->left -= part;
        source->offset += part;
        if (part == piece) {
            source->iov++;
            source->offset = 0;
        }
    }
    return true;
}

/* Further heads for what did not fit the first.  Returns: how many, or 0. */
static unsigned fill_more(NicRing *ring, Source *source)
{
    NicHead *head = &ring->function->heads[1];
    unsigned n = 0;

    while (source->left) {
        uint64_t length;

        if (nic_ring_heads(ring, 1) == 0 ||
            !nic_ring_look(ring, 0, true, head)) {
            return 0;
        }
        length = MIN(head->length, source->left);
        if (!fill_head(ring, head, 0, source)) {
            return 0;
        }
        nic_ring_take(ring, head->id, length);
        n++;
    }
    return n;
}

/* Packets of plain frames need nothing done. */
static bool is_plain(const NicCargo *cargo)
{
    return cargo->header.flags == 0 &&
           cargo->header.gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

/*
 * Writes one packet.  False: the ring has no room for it, or is broken, and
 * nothing was taken.
 */
static bool put(NicRing *ring, const NicCargo *cargo, uint32_t length,
                struct virtio_net_hdr_v1_hash *header)
{
    NicFunction *f = ring->function;
    NicHead *head = &f->heads[0];
    unsigned header_size = nic_function_header_length(f), more = 0;
    uint64_t total = (uint64_t)header_size + length;
    uint16_t next = ring->next, used = ring->used;
    Source source = { cargo->iov, 0, length };

    if (!nic_ring_look(ring, 0, true, head) ||
        (head->length < total && !nic_function_has(f,
                                                   VIRTIO_NET_F_MRG_RXBUF))) {
        return false;
    }
    if (head->length < header_size) {
        nic_function_break(f, "%s.rx%u: a buffer of %" PRIu64 " bytes, too "
                           "few for a header", f->id, ring->pair,
                           head->length);
        return false;
    }
    if (!fill_head(ring, head, header_size, &source)) {
        return false;
    }
    nic_ring_take(ring, head->id, total - source.left);
    if (source.left) {
        more = fill_more(ring, &source);
        if (more == 0) {
            ring->next = next;
            ring->used = used;
            return false;
        }
    }
    header->hdr.num_buffers = cpu_to_le16(1 + more);
    return write_head(ring, head, 0, (uint8_t *)header, header_size);
}

/* Prepares a packet for this driver, and writes it.  False: it is lost. */
static bool put_packet(NicRing *ring, const NicPacket *packet,
                       struct virtio_net_hdr_v1_hash *header)
{
    NicCargo none;
    struct iovec one;
    const NicCargo *cargo = nic_packet_cargo(packet, &none, &one);

    if (!is_plain(cargo)) {
        packet = nic_offload_receive(ring->function, packet,
                                     (struct virtio_net_hdr *)&header->hdr);
        if (!packet) {
            return false;       /* its header cannot be */
        }
        cargo = nic_packet_cargo(packet, &none, &one);
    }
    if (!put(ring, cargo, packet->length, header)) {
        return false;
    }
    ring->stats.packets++;
    ring->stats.bytes += packet->length;
    return true;
}

/* Neighbours of one ring: one transfer. */
static void fill_ring(NicRing *ring, NicPacket *packets, unsigned n,
                      struct virtio_net_hdr_v1_hash *headers)
{
    unsigned i, put = 0;

    ring->stats.transfers++;
    packets = ring->size ? nic_offload_merge(ring, packets, &n, headers)
                         : packets;
    for (i = 0; i < n && nic_ring_heads(ring, 1); i++) {
        struct virtio_net_hdr_v1_hash plain = { 0 };

        put += put_packet(ring, &packets[i], headers ? &headers[i] : &plain);
    }
    ring->stats.dropped += n - put;
    if (put) {
        nic_ring_publish(ring);
        nic_ring_touch(ring, put);
    }
    nic_memory_settle(&ring->function->memory);
}

/* Ring by ring, in their order. */
static void steer(NicFunction *f, NicPacket *packets, unsigned n)
{
    NIC_UNINITIALIZED struct virtio_net_hdr_v1_hash headers[NIC_BURST];
    unsigned first = 0, pair = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned p;

        headers[i] = (struct virtio_net_hdr_v1_hash) { 0 };
        p = nic_control_steer(f, &packets[i], &headers[i]);
        if (i > first && p != pair) {
            fill_ring(&f->rx[pair], packets + first, i - first,
                      headers + first);
            first = i;
        }
        pair = p;
    }
    fill_ring(&f->rx[pair], packets + first, n - first, headers + first);
}

static bool is_simple(const NicFunction *f)
{
    return f->pairs == 1 && !nic_function_has(f, VIRTIO_NET_F_HASH_REPORT);
}

void nic_receive_batch(void *opaque, MacBatch *batch)
{
    NicFunction *f = opaque;
    NicPacket *packets = batch->packets;
    unsigned n = batch->n;

    if (is_simple(f)) {
        fill_ring(&f->rx[0], packets, n, NULL);
        return;
    }
    for (unsigned part; n; packets += part, n -= part) {
        part = MIN(n, NIC_BURST);
        steer(f, packets, part);
    }
}

void nic_receive_refilled(VirtIODevice *vdev, VirtQueue *vq)
{
    NicFunction *f = NIC_FUNCTION(vdev);

    for (unsigned i = 0; i < f->group->n_ports; i++) {
        nic_port_refilled(f->group->ports[i]);
    }
}
