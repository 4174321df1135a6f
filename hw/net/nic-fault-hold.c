/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: frames that are changed, repeated or late
 */
#include "qemu/osdep.h"
#include "hw/net/nic-fault.h"
#include "hw/trace.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"

/* How often a wire that refused is tried again, while nobody else sends */
#define RETRY_NS (1 * SCALE_MS)

/* A copy of a frame. */
struct NicHeld {
    QTAILQ_ENTRY(NicHeld) next;
    uint64_t due_ns;
    uint32_t behind;            /* frames that are yet to pass it, or 0 */
    NicCargo cargo;
    struct iovec iov;
    uint8_t data[];
};

void nic_fault_lane_init(NicLane *lane, NicPort *port, bool transmit)
{
    lane->port = port;
    lane->transmit = transmit;
    QTAILQ_INIT(&lane->held);
    QTAILQ_INIT(&lane->gone);
}

/* --- the frames that wait ---------------------------------------------- */

static NicHeld *held_new(const struct virtio_net_hdr *header,
                         uint32_t length)
{
    NicHeld *held = g_malloc(sizeof(*held) + length);

    held->due_ns = 0;
    held->behind = 0;
    held->iov = (struct iovec) { held->data, length };
    held->cargo = (NicCargo) {
        .header = *header, .iov = &held->iov, .n_iov = 1,
    };
    return held;
}

static NicHeld *held_copy(const NicPacket *packet)
{
    struct iovec one;
    NicCargo none;
    const NicCargo *cargo = nic_packet_cargo(packet, &none, &one);
    NicHeld *held = held_new(&cargo->header, packet->length);

    held->iov.iov_len = iov_to_buf(cargo->iov, cargo->n_iov, 0, held->data,
                                   packet->length);
    return held;
}

static NicPacket held_packet(NicHeld *held)
{
    return (NicPacket) {
        .data = held->data,
        .head = held->iov.iov_len,
        .length = held->iov.iov_len,
        .opaque = &held->cargo,
    };
}

static bool has_room(const NicLane *lane, uint32_t length)
{
    return lane->n_held < NIC_FAULT_MAX_FRAMES &&
           lane->bytes + length <= NIC_FAULT_MAX_BYTES;
}

static void overflow(NicLane *lane)
{
    lane->overflowed++;
    trace_sunder_nic_fault_overflow(lane->port->name, lane->transmit,
                                    lane->overflowed);
}

static void account(NicLane *lane, const NicHeld *held, int sign)
{
    NicFault *fault = lane->port->fault;

    lane->n_held += sign;
    lane->n_behind += held->behind ? sign : 0;
    lane->bytes += sign * (int64_t)held->iov.iov_len;
    lane->port->fault_holds = fault->lanes[0].n_held ||
                              fault->lanes[1].n_held;
}

/* Behind all that are due at the same time. */
static void keep(NicLane *lane, NicHeld *held)
{
    NicHeld *before;

    QTAILQ_FOREACH_REVERSE(before, &lane->held, next) {
        if (before->due_ns <= held->due_ns) {
            break;
        }
    }
    if (before) {
        QTAILQ_INSERT_AFTER(&lane->held, before, held, next);
    } else {
        QTAILQ_INSERT_HEAD(&lane->held, held, next);
    }
    account(lane, held, 1);
}

static void let_go(NicLane *lane, NicHeld *held)
{
    QTAILQ_REMOVE(&lane->held, held, next);
    account(lane, held, -1);
}

static void free_list(NicHeldList *list)
{
    NicHeld *held;

    while ((held = QTAILQ_FIRST(list))) {
        QTAILQ_REMOVE(list, held, next);
        g_free(held);
    }
}

void nic_fault_lane_empty(NicLane *lane)
{
    NicHeld *held;

    while ((held = QTAILQ_FIRST(&lane->held))) {
        let_go(lane, held);
        g_free(held);
    }
    lane->busy_until = 0;
    lane->blocked = false;
}

bool nic_fault_lane_restore(NicLane *lane, uint64_t due_ns, uint32_t behind,
                            const struct virtio_net_hdr *header,
                            const uint8_t *data, uint32_t length)
{
    NicHeld *held;

    if (!has_room(lane, length)) {
        return false;
    }
    held = held_new(header, length);
    memcpy(held->data, data, length);
    held->due_ns = due_ns;
    held->behind = behind;
    keep(lane, held);
    return true;
}

void nic_fault_lane_foreach(NicLane *lane, NicHeldFunc *func, void *opaque)
{
    NicHeld *held;

    QTAILQ_FOREACH(held, &lane->held, next) {
        func(held->due_ns, held->behind, &held->cargo, opaque);
    }
}

/* --- sending on -------------------------------------------------------- */

/* What the wire refused is the first to go next time. */
static void keep_rest(NicLane *lane, unsigned first)
{
    NicHeld *before = NULL;

    lane->blocked = true;
    for (unsigned i = first; i < lane->n_batch; i++) {
        NicHeld *held;

        if (!has_room(lane, lane->batch[i].length)) {
            overflow(lane);
            continue;
        }
        held = held_copy(&lane->batch[i]);
        if (before) {
            QTAILQ_INSERT_AFTER(&lane->held, before, held, next);
        } else {
            QTAILQ_INSERT_HEAD(&lane->held, held, next);
        }
        account(lane, held, 1);
        before = held;
    }
}

static void flush(NicLane *lane)
{
    unsigned sent = lane->n_batch;

    if (lane->n_batch == 0) {
        return;
    }
    if (lane->transmit) {
        sent = nic_port_send(lane->port, lane->batch, lane->n_batch);
    } else {
        nic_port_deliver(lane->port, lane->batch, lane->n_batch);
    }
    if (sent < lane->n_batch) {
        keep_rest(lane, sent);
    }
    lane->n_batch = 0;
    free_list(&lane->gone);
}

static void emit(NicLane *lane, const NicPacket *packet)
{
    if (lane->n_batch == NIC_BURST) {
        flush(lane);
    }
    lane->batch[lane->n_batch++] = *packet;
}

/* @held is in no list, and goes. */
static void emit_held(NicLane *lane, NicHeld *held)
{
    NicPacket packet = held_packet(held);

    emit(lane, &packet);
    QTAILQ_INSERT_TAIL(&lane->gone, held, next);
}

/* A frame has passed those that wait for it. */
static void release_behind(NicLane *lane)
{
    NicHeldList released = QTAILQ_HEAD_INITIALIZER(released);
    NicHeld *held, *after;

    if (lane->n_behind == 0) {
        return;
    }
    QTAILQ_FOREACH_SAFE(held, &lane->held, next, after) {
        if (held->behind == 1) {
            let_go(lane, held);
            QTAILQ_INSERT_TAIL(&released, held, next);
        } else if (held->behind) {
            held->behind--;
        }
    }
    /* only now: it may call anybody, who may empty the lane */
    while ((held = QTAILQ_FIRST(&released))) {
        QTAILQ_REMOVE(&released, held, next);
        emit_held(lane, held);
    }
}

/* When a frame leaves that may not overtake those before it. */
static uint64_t wire_time(NicLane *lane, const NicFate *fate,
                          uint32_t length, uint64_t now)
{
    uint64_t start = MAX(now, lane->busy_until);

    if (fate->rate == 0) {
        return start;
    }
    lane->busy_until = start + length * UINT64_C(8000000000) / fate->rate;
    return lane->busy_until;
}

static void flip_bits(NicHeld *held, const NicFate *fate)
{
    uint64_t bits = held->iov.iov_len * UINT64_C(8);

    for (unsigned i = 0; i < fate->flips && bits; i++) {
        uint64_t bit = fate->bit[i] % bits;

        held->data[bit / 8] ^= 0x80 >> bit % 8;
    }
}

static void send_copy(NicLane *lane, const NicPacket *packet,
                      const NicFate *fate, uint64_t due_ns, uint64_t now)
{
    NicHeld *held = held_copy(packet);

    flip_bits(held, fate);
    held->due_ns = MIN(due_ns, INT64_MAX);
    if (fate->behind) {
        held->behind = MIN(fate->behind, UINT32_MAX);
        held->due_ns = MIN(due_ns + fate->patience_ns, INT64_MAX);
    }
    if (held->due_ns <= now && !held->behind && !lane->blocked) {
        emit_held(lane, held);
    } else {
        keep(lane, held);
    }
}

static void carry_out(NicLane *lane, const NicPacket *packet,
                      const NicFate *fate, uint64_t now)
{
    uint64_t due;

    if (fate->lost) {
        return;
    }
    if (!has_room(lane, packet->length)) {
        overflow(lane);
        return;
    }
    due = wire_time(lane, fate, packet->length, now) + fate->delay_ns;
    if (due <= now && !fate->flips && !fate->behind && !lane->blocked) {
        emit(lane, packet);
    } else {
        send_copy(lane, packet, fate, due, now);
    }
    for (unsigned i = 0; i < fate->copies; i++) {
        if (has_room(lane, packet->length)) {
            send_copy(lane, packet, fate, due, now);
        }
    }
    if (due <= now && !fate->behind && !lane->blocked) {
        release_behind(lane);
    }
}

static void run_due(NicLane *lane, uint64_t now)
{
    NicHeld *held;

    lane->blocked = false;
    while ((held = QTAILQ_FIRST(&lane->held)) && held->due_ns <= now &&
           !lane->blocked) {
        let_go(lane, held);
        held->behind = 0;
        emit_held(lane, held);
    }
    flush(lane);
}

static void set_timer(NicFault *fault, uint64_t now)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < G_N_ELEMENTS(fault->lanes); i++) {
        NicLane *lane = &fault->lanes[i];
        NicHeld *held = QTAILQ_FIRST(&lane->held);

        if (held) {
            next = MIN(next, lane->blocked ? now + RETRY_NS : held->due_ns);
        }
    }
    if (next == UINT64_MAX) {
        timer_del(fault->timer);
    } else {
        timer_mod(fault->timer, MIN(next, INT64_MAX));
    }
}

static void pass_each(NicLane *lane, const NicPacket *packets, unsigned n,
                      uint64_t now)
{
    for (unsigned i = 0; i < n; i++) {
        NicFate fate = { 0 };

        nic_fault_judge(lane, &packets[i], &fate);
        carry_out(lane, &packets[i], &fate, now);
    }
}

/* From within what the lane itself called: they wait for the timer. */
static void pass_later(NicLane *lane, const NicPacket *packets, unsigned n,
                       uint64_t now)
{
    bool blocked = lane->blocked;

    lane->blocked = true;
    pass_each(lane, packets, n, now);
    lane->blocked = blocked;
}

bool nic_fault_lane_pass(NicLane *lane, const NicPacket *packets,
                         unsigned n)
{
    uint64_t now = nic_now();
    bool passed = true, waited = lane->n_held;

    if (lane->running) {
        pass_later(lane, packets, n, now);
        return true;
    }
    lane->running = true;
    run_due(lane, now);
    if (lane->blocked) {
        passed = false;
    } else {
        pass_each(lane, packets, n, now);
        flush(lane);
    }
    lane->running = false;
    set_timer(lane->port->fault, now);
    if (lane->transmit && waited) {
        qemu_bh_schedule(lane->port->resume_bh);    /* some may have gone */
    }
    return passed;
}

unsigned nic_fault_waiting(const NicFault *fault)
{
    return fault ? fault->lanes[1].n_held : 0;
}

void nic_fault_run(NicFault *fault)
{
    uint64_t now = nic_now();
    unsigned waited = nic_fault_waiting(fault);

    for (unsigned i = 0; i < G_N_ELEMENTS(fault->lanes); i++) {
        NicLane *lane = &fault->lanes[i];

        lane->running = true;
        run_due(lane, now);
        lane->running = false;
    }
    set_timer(fault, now);
    if (nic_fault_waiting(fault) < waited) {
        qemu_bh_schedule(fault->port->resume_bh);   /* a flow may move now */
    }
}
