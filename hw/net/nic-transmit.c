/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: what the driver sends
 *
 * All that doorbells announced in a turn of the main loop (nic-turn.c) goes
 * as batches to the MAC service.  Heads are taken as their packets are: what
 * the port has no room for stays in the ring until it calls resume.
 */
#include "qemu/osdep.h"
#include "nic-ring.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"

/* Pieces of all packets of a batch; one packet has NIC_MAX_SEGMENTS. */
#define PIECES      (4 * NIC_MAX_SEGMENTS)
/* Bytes of a frame, as many as QEMU's netdevs take. */
#define MAX_FRAME   (NET_BUFSIZE - sizeof(struct virtio_net_hdr_v1_hash))
/* Room for packets that are not mapped (behind an IOMMU). */
#define BOUNCE      (256 * KiB)
/* Batches before other bottom halves have their turn. */
#define MAX_BATCHES 4

typedef struct NicBatch {
    NicPacket packets[NIC_BURST];
    NicCargo cargo[NIC_BURST];
    uint16_t ids[NIC_BURST];
    unsigned n;
    struct iovec pieces[PIECES];
    unsigned n_pieces;
    uint8_t heads[NIC_BURST][NIC_HEAD];     /* of packets in pieces */
    uint8_t *bounce;
    size_t bounce_used;
    NicHead head;
} NicBatch;

void nic_transmit_realize(NicCard *card)
{
    card->batch = g_new(NicBatch, 1);
    card->batch->bounce = g_malloc(BOUNCE);
}

void nic_transmit_unrealize(NicCard *card)
{
    if (card->batch) {
        g_free(card->batch->bounce);
    }
    g_clear_pointer(&card->batch, g_free);
}

/* --- from the ring to packets ------------------------------------------ */

/* A copy of a segment; NULL: it is not in memory. */
static uint8_t *bounce_segment(NicRing *ring, NicBatch *b,
                               const NicSegment *s)
{
    uint8_t *data = b->bounce + b->bounce_used;

    if (!nic_memory_read(&ring->function->memory, s->address, data,
                         s->length)) {
        return NULL;
    }
    b->bounce_used += s->length;
    return data;
}

/* The segments as pieces of host memory. */
static bool map_segments(NicRing *ring, NicBatch *b, struct iovec *pieces)
{
    for (unsigned i = 0; i < b->head.n; i++) {
        const NicSegment *s = &b->head.segments[i];
        uint8_t *data = nic_memory_map(&ring->function->memory, s->address,
                                       s->length);

        data = data ?: bounce_segment(ring, b, s);
        if (!data) {
            nic_function_break(ring->function, "%s.tx%u: a buffer is not in "
                               "memory", ring->function->id, ring->pair);
            return false;
        }
        pieces[i] = (struct iovec) { data, s->length };
    }
    return true;
}

/* The part of the frame that has its headers, in one piece. */
static void set_head(NicBatch *b, NicPacket *p, const NicCargo *cargo)
{
    uint8_t *copy = b->heads[b->n];

    p->data = cargo->iov[0].iov_base;
    p->head = MIN(cargo->iov[0].iov_len, p->length);
    if (p->head < p->length && p->head < NIC_HEAD) {
        p->data = copy;
        p->head = iov_to_buf(cargo->iov, cargo->n_iov, 0, copy, NIC_HEAD);
    }
}

/* A frame without bytes: the MAC service drops and counts it. */
static void make_empty(NicPacket *p)
{
    p->head = 0;
    p->length = 0;
}

/* Makes a packet of b->head. */
static bool make_packet(NicRing *ring, NicBatch *b, NicPacket *p,
                        NicCargo *cargo)
{
    struct iovec *pieces = b->pieces + b->n_pieces;
    unsigned header_size = nic_function_header_length(ring->function);
    unsigned n = b->head.n;

    *p = (NicPacket) { .data = b->heads[b->n], .opaque = cargo };
    if (b->head.length <= header_size ||
        b->head.length > header_size + MAX_FRAME) {
        ring->function->bad_requests++;
        make_empty(p);
        return true;
    }
    if (!map_segments(ring, b, pieces)) {
        return false;
    }
    iov_to_buf(pieces, n, 0, &cargo->header, sizeof(cargo->header));
    iov_discard_front(&pieces, &n, header_size);
    cargo->iov = pieces;
    cargo->n_iov = n;
    b->n_pieces += b->head.n;
    p->length = b->head.length - header_size;
    set_head(b, p, cargo);
    return true;
}

/* Whether the batch holds one more packet, however big it may be. */
static bool has_room(const NicBatch *b)
{
    return b->n < NIC_BURST && PIECES - b->n_pieces >= NIC_MAX_SEGMENTS &&
           BOUNCE - b->bounce_used >= NET_BUFSIZE;
}

/* What the driver has put into the ring, from the front. */
static void collect(NicRing *ring, NicBatch *b)
{
    unsigned heads = MIN(nic_ring_heads(ring, NIC_BURST), NIC_BURST);

    b->n = b->n_pieces = b->bounce_used = 0;
    while (b->n < heads && has_room(b)) {
        if (!nic_ring_look(ring, b->n, false, &b->head) ||
            !make_packet(ring, b, &b->packets[b->n], &b->cargo[b->n])) {
            b->n = 0;
            return;
        }
        b->ids[b->n] = b->head.id;
        b->n++;
    }
}

/* --- from packets to the port ------------------------------------------ */

static bool passes(NicFunction *f, const NicPacket *packet)
{
    const NicCargo *cargo = packet->opaque;

    return packet->length == 0 ||
           (cargo->header.flags == 0 &&
            cargo->header.gso_type == VIRTIO_NET_HDR_GSO_NONE) ||
           nic_offload_passes(f, packet);
}

/* Of a packet that was half sent in parts, the rest goes so, too. */
static unsigned count_passing(NicRing *ring, const NicPacket *packets,
                              unsigned n)
{
    unsigned i = 0;

    if (ring->n_frames || ring->next_frame) {
        return 0;
    }
    while (i < n && passes(ring->function, &packets[i])) {
        i++;
    }
    return i;
}

/* Sends packets as they are.  Returns: how many were taken. */
static unsigned send_as_is(NicRing *ring, NicPacket *packets, unsigned n)
{
    NicFunction *f = ring->function;

    if (f->pairs > 1) {
        for (unsigned i = 0; i < n; i++) {
            nic_control_learn(f, &packets[i], ring->pair);
        }
    }
    return mac_client_transmit(f->client, packets, n, nic_now());
}

/* Sends what a packet is cut into, from where it stopped.  Or it stops. */
static bool send_in_parts(NicRing *ring, NicPacket *packet)
{
    nic_offload_cut(ring, packet);
    if (ring->next_frame < ring->n_frames) {
        ring->next_frame += send_as_is(ring, ring->frames + ring->next_frame,
                                       ring->n_frames - ring->next_frame);
    }
    if (ring->next_frame < ring->n_frames) {
        return false;
    }
    ring->stats.segmented += ring->n_frames > 1;
    ring->n_frames = 0;
    ring->next_frame = 0;
    return true;
}

/* Returns: how many packets of the batch were taken. */
static unsigned send_batch(NicRing *ring, NicBatch *b)
{
    unsigned done = 0;

    while (done < b->n) {
        unsigned n = count_passing(ring, b->packets + done, b->n - done);
        unsigned taken = n ? send_as_is(ring, b->packets + done, n) : 0;

        done += taken;
        if (taken < n) {
            break;
        }
        if (done < b->n) {
            if (!send_in_parts(ring, &b->packets[done])) {
                break;
            }
            done++;
        }
    }
    return done;
}

/* The driver has its buffers back. */
static void complete(NicRing *ring, const NicBatch *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ring->stats.bytes += b->packets[i].length;
        nic_ring_take(ring, b->ids[i], 0);
    }
    ring->stats.packets += n;
    if (n) {
        nic_ring_publish(ring);
        nic_ring_touch(ring, n);
    }
}

/* One batch.  False: there is no more to do now. */
static bool run_batch(NicRing *ring)
{
    NicBatch *b = ring->function->card->batch;
    unsigned sent;

    collect(ring, b);
    if (b->n == 0) {
        return false;
    }
    sent = send_batch(ring, b);
    ring->stopped = sent < b->n;
    complete(ring, b, sent);
    return !ring->stopped && ring->size;
}

static bool may_run(const NicRing *ring)
{
    const NicFunction *f = ring->function;

    return ring->size && !ring->stopped && nic_function_is_running(f) &&
           f->parent_obj.vm_running;
}

static void transmit(NicRing *ring)
{
    unsigned batches = 0;

    if (!may_run(ring)) {
        return;
    }
    nic_ring_ask(ring, 0);
    while (batches++ < MAX_BATCHES) {
        if (!run_batch(ring)) {
            break;
        }
    }
    if (may_run(ring)) {
        nic_ring_ask(ring, 1);
        if (nic_ring_heads(ring, 1)) {
            qemu_bh_schedule(ring->bh);
        }
    }
}

void nic_transmit_run(void *opaque)
{
    NicRing *ring = opaque;

    transmit(ring);
    nic_card_announce(ring->function->card);
}

static bool transmit_scheduled(NicFunction *f)
{
    bool any = false;

    for (unsigned i = 0; f && i < f->queues; i++) {
        NicRing *ring = &f->tx[i];

        if (ring->scheduled) {
            ring->scheduled = false;
            transmit(ring);
            any = true;
        }
    }
    return any;
}

bool nic_transmit_scheduled(NicCard *card)
{
    bool any = false;

    for (unsigned i = 0; i < card->n_functions; i++) {
        any |= transmit_scheduled(card->functions[i]);
    }
    return any;
}

void nic_transmit_doorbell(NicRing *ring)
{
    if (may_run(ring)) {
        ring->scheduled = true;
        nic_turn_want(ring->function->card);
    }
}

void nic_transmit_resume(void *opaque)
{
    NicFunction *f = opaque;

    for (unsigned i = 0; i < f->n_pairs; i++) {
        NicRing *ring = &f->tx[i];

        if (ring->stopped) {
            ring->stopped = false;
            qemu_bh_schedule(ring->bh);
        }
    }
}
