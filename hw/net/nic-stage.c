/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: what a port receives
 *
 * A netdev hands over frame by frame.  They are staged, and handed on as one
 * burst before the main loop waits (nic-turn.c).  A wire waits while drivers
 * have no room.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "nic-port.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"

/* Bytes that are staged at most; a frame has NET_BUFSIZE at most. */
#define STAGE_SIZE  (8 * NET_BUFSIZE)
#define HEADER      NIC_PORT_HEADER
/* How long most of a ring of buffers is waited for; then less will do. */
#define PATIENCE        (4 * SCALE_MS)
/* A wire does not wait longer for a driver that gives nothing. */
#define PAUSE_MOST      (2 * NANOSECONDS_PER_SECOND)

struct NicStage {
    NicPacket packets[NIC_BURST];
    NicCargo cargo[NIC_BURST];
    struct iovec frames[NIC_BURST];
    unsigned n;
    unsigned cost;              /* buffers that they need */
    unsigned credit;            /* buffers that are left for more */
    bool busy;                  /* the burst is being delivered */
    bool resuming;              /* what waited is being taken */
    uint8_t *bytes;
    size_t used;
};

void nic_port_deliver(NicPort *port, NicPacket *packets, unsigned n)
{
    mac_port_receive(port->mac, packets, n, nic_now());
    nic_card_announce(port->card);
}

/* From the wire, through its faults. */
static void deliver(NicPort *port, NicPacket *packets, unsigned n)
{
    if (unlikely(nic_fault_is_active(port))) {
        nic_fault_receive(port, packets, n);
    } else {
        nic_port_deliver(port, packets, n);
    }
}

void nic_port_flush(NicPort *port)
{
    NicStage *s = port->stage;

    if (s->n == 0 || s->busy) {
        return;
    }
    s->busy = true;
    deliver(port, s->packets, s->n);
    s->busy = false;
    port->group->staged -= s->cost;
    s->n = s->cost = s->credit = 0;
    s->used = 0;
    nic_port_update_pause(port);
}

/*
 * Some netdevs hand over one frame in each turn of the main loop.  Their next
 * turns are taken here, as long as each brings something to this port, so
 * that what was sent as a burst is one.  Where there is a network stack
 * behind a tap it has answered by now.
 */
static bool may_have_more(const NicPort *port, bool sent)
{
    const NetClientState *peer = nic_port_netdev(port)->peer;

    if (port->backend || port->paused || !peer) {
        return false;
    }
    switch (peer->info->type) {
    case NET_CLIENT_DRIVER_DGRAM:
    case NET_CLIENT_DRIVER_SOCKET:
        return port->stage->n;
    case NET_CLIENT_DRIVER_TAP:
        return sent;
    default:
        return false;
    }
}

static void gather(NicPort *port, bool sent)
{
    static bool gathering;      /* for one port at a time */
    NicStage *s = port->stage;
    unsigned before;

    if (gathering || !may_have_more(port, sent)) {
        return;
    }
    gathering = true;
    do {
        before = s->n;
        aio_poll(iohandler_get_aio_context(), false);
    } while (s->n > before && may_have_more(port, false));
    gathering = false;
}

void nic_stage_end(NicPort *port, bool sent)
{
    gather(port, sent);
    nic_port_flush(port);
}

/*
 * Buffers that every driver behind this port has for more packets.  A port
 * that is down drops: it never waits.
 */
static unsigned port_room(NicPort *port)
{
    NicCard *card = port->card;
    unsigned room = UINT_MAX;

    if (nic_port_is_down(port)) {
        return room;
    }
    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group) {
            room = MIN(room, nic_function_room(f));
        }
    }
    return room - MIN(room, port->group->staged);
}

static void ask_drivers(NicPort *port, bool soon)
{
    NicCard *card = port->card;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group && nic_function_is_running(f)) {
            nic_function_ask(f, soon);
        }
    }
}

/*
 * Whether there are @wanted buffers; if not, drivers tell when they have
 * given some.
 */
static bool find_room(NicPort *port, unsigned wanted, unsigned *room)
{
    *room = port_room(port);
    if (*room >= wanted) {
        return true;
    }
    ask_drivers(port, false);
    if (!timer_pending(port->patience)) {
        timer_mod(port->patience, nic_now() + PATIENCE);
    }
    *room = port_room(port);    /* it may just have given them */
    return *room >= wanted;
}

static unsigned frame_cost(size_t size)
{
    return 1 + size / NIC_LEAST_BUFFER;
}

/* Room for one more frame; otherwise the wire has to wait. */
static bool has_credit(NicPort *port, unsigned cost)
{
    NicStage *s = port->stage;

    if (!port->card->pause) {
        return true;
    }
    if (s->credit < cost && !find_room(port, cost, &s->credit)) {
        return false;
    }
    s->credit -= cost;
    return true;
}

static void pause_port(NicPort *port)
{
    if (!port->paused) {
        port->paused = true;
        port->pauses++;
        port->paused_ns = nic_now();
    }
}

static bool stage_is_full(const NicStage *s)
{
    return s->n == NIC_BURST || STAGE_SIZE - s->used < NET_BUFSIZE;
}

/* Copies a frame, its header apart. */
static void stage_frame(NicPort *port, const struct iovec *iov, int iovcnt,
                        size_t size)
{
    NicStage *s = port->stage;
    size_t skip = port->has_header ? HEADER : 0;
    NicCargo *cargo = &s->cargo[s->n];
    struct iovec *frame = &s->frames[s->n];
    size_t length = size - skip;

    if (port->has_header) {
        iov_to_buf(iov, iovcnt, 0, &cargo->header, HEADER);
    } else {
        memset(&cargo->header, 0, HEADER);
    }
    frame->iov_base = s->bytes + s->used;
    frame->iov_len = length;
    iov_to_buf(iov, iovcnt, skip, frame->iov_base, length);
    if (length < NIC_HEADER) {
        /* a sender pads; the netdev of a socket may not: enough to tell */
        memset((uint8_t *)frame->iov_base + length, 0, NIC_HEADER - length);
        frame->iov_len = length = NIC_HEADER;
    }
    cargo->iov = frame;
    cargo->n_iov = 1;
    s->packets[s->n] = (NicPacket) {
        frame->iov_base, length, length, cargo
    };
    s->used += ROUND_UP(length, 16);
    s->n++;
}

ssize_t nic_stage_receive(NetClientState *nc, const struct iovec *iov,
                          int iovcnt)
{
    NicPort *port = qemu_get_nic_opaque(nc);
    NicStage *s = port->stage;
    size_t size = iov_size(iov, iovcnt);
    unsigned cost = frame_cost(size);

    if (size > NET_BUFSIZE || (port->has_header && size < HEADER)) {
        return size;            /* no frame */
    }
    if (!runstate_is_running()) {
        port->paused = true;    /* the guest's memory is not to change */
        return 0;
    }
    if (s->busy || !has_credit(port, cost)) {
        pause_port(port);
        return 0;
    }
    if (s->n == 0) {
        nic_turn_want(port->card);
    }
    stage_frame(port, iov, iovcnt, size);
    s->cost += cost;
    port->group->staged += cost;
    if (stage_is_full(s)) {
        nic_port_flush(port);
    }
    return size;
}

/* Frames may be as long as a driver's packets where headers cross a wire. */
unsigned nic_stage_backend_room(void *opaque)
{
    NicPort *port = opaque;
    unsigned cost = port->has_header ? frame_cost(NET_BUFSIZE) : 1;

    return port->card->pause ? MAX(port_room(port) / cost, 1) : NIC_BURST;
}

/* A burst of a backend, as it is. */
void nic_stage_backend_receive(void *opaque, NicPacket *packets, unsigned n)
{
    NicPort *port = opaque;

    if (unlikely(nic_fault_is_active(port))) {
        nic_fault_receive(port, packets, n);
    } else {
        /* more may follow at once: it is announced when no more does */
        mac_port_receive(port->mac, packets, n, nic_now());
        nic_turn_want(port->card);
    }
    nic_port_update_pause(port);
}

/* What drivers are used to give, the one that gives least. */
static unsigned usual_room(NicPort *port)
{
    NicCard *card = port->card;
    unsigned heads = NIC_BURST;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        for (unsigned j = 0; f && f->group == port->group && j < f->pairs;
             j++) {
            heads = f->rx[j].size ? MIN(heads, f->rx[j].most) : heads;
        }
    }
    return heads;
}

/* A backend cannot take a part back: it waits unless a burst has room. */
static bool backend_has_room(NicPort *port)
{
    unsigned burst = MAX(usual_room(port) / 4, 1);
    unsigned room;

    return !port->card->pause || find_room(port, burst, &room);
}

static void set_waiting(NicPort *port, bool wait, bool at_once)
{
    port->waiting = wait;
    port->paused = false;
    if (wait && runstate_is_running()) {
        pause_port(port);
    }
    if (!wait) {
        timer_del(port->patience);
    }
    NIC_BACKEND_GET_CLASS(port->backend)->set_receiving(port->backend, !wait,
                                                        at_once);
}

static void update_backend(NicPort *port, bool at_once)
{
    bool wait = !runstate_is_running() || !backend_has_room(port);

    if (wait != port->waiting) {
        set_waiting(port, wait, at_once);
    } else if (wait && runstate_is_running()) {
        pause_port(port);       /* it waited before the machine ran */
    }
}

/* What waited in the netdev, until there is no more of it or no room. */
static void resume_netdev(NicPort *port)
{
    NicStage *s = port->stage;
    bool taken;

    if (s->resuming || !runstate_is_running()) {
        return;                 /* from within that; or once it runs */
    }
    s->resuming = true;
    do {
        if (!port->paused || s->busy || port_room(port) == 0) {
            break;
        }
        timer_del(port->patience);
        port->paused = false;
        qemu_flush_queued_packets(nic_port_netdev(port));
        taken = s->n > 0;
        nic_stage_end(port, false);
    } while (taken);
    s->resuming = false;
}

static void update_pause(NicPort *port, bool at_once)
{
    if (port->backend) {
        update_backend(port, at_once);
    } else {
        resume_netdev(port);
    }
}

void nic_port_update_pause(NicPort *port)
{
    update_pause(port, false);
}

void nic_port_refilled(NicPort *port)
{
    update_pause(port, true);
}

/*
 * A driver whose interface is not up gives no buffers at all: others on this
 * wire, and who is at its other end, are not to wait for that.
 */
static void give_up_or_wait(NicPort *port)
{
    NicCard *card = port->card;

    if (!port->paused || port_room(port) > 0) {
        return;
    }
    if (nic_now() - port->paused_ns < PAUSE_MOST) {
        timer_mod(port->patience, port->paused_ns + PAUSE_MOST);
        return;
    }
    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group) {
            nic_function_give_up(f);
        }
    }
}

/* What there is will do. */
static void patience_ended(void *opaque)
{
    NicPort *port = opaque;

    ask_drivers(port, true);
    give_up_or_wait(port);
    if (!port->backend) {
        resume_netdev(port);
    } else if (port->waiting && runstate_is_running() &&
               port_room(port) > 0) {
        set_waiting(port, false, true);
    }
}

void nic_stage_new(NicPort *port)
{
    port->stage = g_new0(NicStage, 1);
    port->stage->bytes = g_malloc(STAGE_SIZE);
    port->patience = timer_new_ns(QEMU_CLOCK_VIRTUAL, patience_ended, port);
}

void nic_stage_free(NicPort *port)
{
    if (port->stage) {
        g_clear_pointer(&port->patience, timer_free);
        g_free(port->stage->bytes);
        g_clear_pointer(&port->stage, g_free);
    }
}
