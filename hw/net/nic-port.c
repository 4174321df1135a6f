/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a port, between the MAC service and a netdev or a backend
 *
 * A netdev hands over frame by frame.  They are staged, and a bottom half,
 * which runs when the netdev is through with what it had, hands all of them
 * on as one burst.
 *
 * What a netdev has no room for stays in QEMU's queue of it, up to
 * NIC_PORT_QUEUE frames.
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "system/runstate.h"

/* Bytes that are staged at most; a frame has NET_BUFSIZE at most. */
#define STAGE_SIZE  (8 * NET_BUFSIZE)
#define HEADER      sizeof(struct virtio_net_hdr)
/* The smallest buffer that a driver of merged buffers gives. */
#define BUFFER      1526

struct NicStage {
    QEMUBH *bh;
    QEMUBH *resume_bh;          /* the netdev has sent something */
    NicPacket packets[NIC_BURST];
    NicCargo cargo[NIC_BURST];
    struct iovec frames[NIC_BURST];
    unsigned n;
    unsigned cost;              /* buffers that they need */
    unsigned credit;            /* buffers that are left for more */
    bool busy;                  /* the burst is being delivered */
    uint8_t *bytes;
    size_t used;
};

static NetClientState *netdev(const NicPort *port)
{
    return qemu_get_queue(port->nic);
}

/* --- receiving --------------------------------------------------------- */

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
 * Most netdevs have one frame ready in each turn of the main loop.  Their
 * next turns are taken here, as long as each brings something to this port,
 * so that what was sent as a burst is one.
 */
static void gather(NicPort *port)
{
    static bool gathering;      /* for one port at a time */
    NicStage *s = port->stage;
    unsigned before;

    if (gathering || port->backend || port->paused) {
        return;
    }
    gathering = true;
    do {
        before = s->n;
        aio_poll(iohandler_get_aio_context(), false);
    } while (s->n > before);
    gathering = false;
}

static void stage_ended(void *opaque)
{
    gather(opaque);
    nic_port_flush(opaque);
}

/* Buffers that every driver behind this port has for more packets. */
static unsigned port_room(NicPort *port)
{
    NicCard *card = port->card;
    unsigned room = UINT_MAX;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group) {
            room = MIN(room, nic_function_room(f));
        }
    }
    return room - MIN(room, port->group->staged);
}

/*
 * Whether there are @wanted buffers; if not, drivers tell when they have
 * given some.
 */
static bool find_room(NicPort *port, unsigned wanted, unsigned *room)
{
    NicCard *card = port->card;

    *room = port_room(port);
    if (*room >= wanted) {
        return true;
    }
    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group && nic_function_is_running(f)) {
            nic_function_ask(f);
        }
    }
    *room = port_room(port);    /* it may just have given them */
    return *room >= wanted;
}

static unsigned frame_cost(size_t size)
{
    return 1 + size / BUFFER;
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
    cargo->iov = frame;
    cargo->n_iov = 1;
    s->packets[s->n] = (NicPacket) {
        frame->iov_base, length, length, cargo
    };
    s->used += ROUND_UP(length, 16);
    s->n++;
}

static ssize_t port_receive(NetClientState *nc, const struct iovec *iov,
                            int iovcnt)
{
    NicPort *port = qemu_get_nic_opaque(nc);
    NicStage *s = port->stage;
    size_t size = iov_size(iov, iovcnt);
    unsigned cost = frame_cost(size);

    if (size > NET_BUFSIZE || (port->has_header && size < HEADER)) {
        return size;            /* no frame */
    }
    if (s->busy || !has_credit(port, cost)) {
        pause_port(port);
        return 0;
    }
    if (s->n == 0) {
        qemu_bh_schedule(s->bh);
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
static unsigned backend_room(void *opaque)
{
    NicPort *port = opaque;
    unsigned cost = port->has_header ? frame_cost(NET_BUFSIZE) : 1;

    return port->card->pause ? MAX(port_room(port) / cost, 1) : NIC_BURST;
}

/* A burst of a backend, as it is. */
static void backend_receive(void *opaque, NicPacket *packets, unsigned n)
{
    NicPort *port = opaque;

    deliver(port, packets, n);
    nic_port_update_pause(port);
}

/* What the smallest ring of those behind this port can hold. */
static unsigned smallest_ring(NicPort *port)
{
    NicCard *card = port->card;
    unsigned size = NIC_BURST;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        for (unsigned j = 0; f && f->group == port->group && j < f->pairs;
             j++) {
            size = f->rx[j].size ? MIN(size, f->rx[j].size) : size;
        }
    }
    return size;
}

/* A backend cannot take a part back: it waits unless a burst has room. */
static bool backend_has_room(NicPort *port)
{
    unsigned burst = MAX(smallest_ring(port) / 4, 1);
    unsigned room;

    return !port->card->pause || find_room(port, burst, &room);
}

static void update_backend(NicPort *port)
{
    bool wait = !runstate_is_running() || !backend_has_room(port);

    if (wait == port->waiting) {
        return;
    }
    port->waiting = wait;
    port->paused = false;
    if (wait && runstate_is_running()) {
        pause_port(port);
    }
    NIC_BACKEND_GET_CLASS(port->backend)->set_receiving(port->backend, !wait);
}

void nic_port_update_pause(NicPort *port)
{
    if (port->backend) {
        update_backend(port);
    } else if (port->paused && !port->stage->busy &&
               port_room(port) > 0) {
        port->paused = false;
        qemu_flush_queued_packets(netdev(port));
    }
}

/* --- transmitting ------------------------------------------------------ */

static void netdev_sent(NetClientState *nc, ssize_t size)
{
    NicPort *port = qemu_get_nic_opaque(nc);

    port->in_flight--;
    qemu_bh_schedule(port->stage->resume_bh);
}

static void resume_port(NicPort *port)
{
    mac_port_completed(port->mac);
    if (port->full) {
        port->full = false;
        mac_port_resume(port->mac);
    }
    nic_card_announce(port->card);
}

static void port_resume(void *opaque)
{
    resume_port(opaque);
}

/* One frame to the netdev, with its header where that has one. */
static void netdev_send(NicPort *port, const NicPacket *packet)
{
    NIC_UNINITIALIZED struct iovec pieces[VIRTQUEUE_MAX_SIZE + 1];
    struct iovec one;
    NicCargo none;
    const NicCargo *cargo = nic_packet_cargo(packet, &none, &one);
    const struct iovec *iov = cargo->iov;
    unsigned n = cargo->n_iov;

    if (port->has_header) {
        pieces[0] = (struct iovec) { (void *)&cargo->header, HEADER };
        n = MIN(n, VIRTQUEUE_MAX_SIZE);
        memcpy(pieces + 1, iov, n * sizeof(*iov));
        iov = pieces;
        n++;
    }
    if (qemu_sendv_packet_async(netdev(port), iov, n, netdev_sent) == 0) {
        port->in_flight++;
    }
}

/* What waits goes before what comes. */
static void send_waiting(NicPort *port)
{
    NetClientState *nc = netdev(port);

    if (port->in_flight && nc->peer && qemu_can_send_packet(nc)) {
        qemu_flush_queued_packets(nc->peer);
    }
}

unsigned nic_port_send(NicPort *port, NicPacket *packets, unsigned n)
{
    unsigned i;

    if (port->backend) {
        return NIC_BACKEND_GET_CLASS(port->backend)->transmit(port->backend,
                                                              packets, n);
    }
    send_waiting(port);
    for (i = 0; i < n && port->in_flight < NIC_PORT_QUEUE; i++) {
        netdev_send(port, &packets[i]);
    }
    return i;
}

static unsigned port_transmit(void *opaque, NicPacket *packets, unsigned n,
                              uint64_t now_ns)
{
    NicPort *port = opaque;
    unsigned taken = unlikely(nic_fault_is_active(port))
                     ? nic_fault_transmit(port, packets, n)
                     : nic_port_send(port, packets, n);

    port->full = taken < n;
    return taken;
}

static unsigned port_space(void *opaque)
{
    NicPort *port = opaque;
    unsigned space = port->backend ? 1 : NIC_PORT_QUEUE - port->in_flight;

    if (space == 0) {
        port->full = true;
    }
    return space;
}

static uint64_t port_in_flight(void *opaque)
{
    return ((NicPort *)opaque)->in_flight;
}

static const MacProviderOps port_ops = {
    .transmit = port_transmit,
    .space = port_space,
    .in_flight = port_in_flight,
};

/* --- link -------------------------------------------------------------- */

static void apply_link(NicPort *port)
{
    MacLink link = {
        .up = !port->set_down && !port->fault_down,
        .full_duplex = port->card->full_duplex,
        .speed_mbps = port->card->speed_mbps,
    };

    nic_port_flush(port);
    if (!link.up) {
        qemu_purge_queued_packets(netdev(port));
        nic_fault_link_down(port);
    }
    mac_port_set_link(port->mac, &link, nic_now());
    nic_port_tell(port);
    nic_card_announce(port->card);
}

void nic_port_set_link(NicPort *port, bool up)
{
    port->fault_down = !up;
    apply_link(port);
}

static void link_status_changed(NetClientState *nc)
{
    NicPort *port = qemu_get_nic_opaque(nc);

    port->set_down = nc->link_down;
    apply_link(port);
}

/* After a migration, and on demand: the driver, and RARP from QEMU. */
static void announce(NetClientState *nc)
{
    NicPort *port = qemu_get_nic_opaque(nc);
    NicCard *card = port->card;

    for (unsigned i = 0; i < card->n_functions; i++) {
        NicFunction *f = card->functions[i];

        if (f && f->group == port->group && port == f->group->ports[0]) {
            nic_control_announce(f);
        }
    }
}

static NetClientInfo port_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive_iov = port_receive,
    .link_status_changed = link_status_changed,
    .announce = announce,
};

/* --- what is behind it ------------------------------------------------- */

static const NicBackendOps backend_ops = {
    .room = backend_room,
    .receive = backend_receive,
    .resume = port_resume,
};

static ssize_t wire_receive(NetClientState *nc, const struct iovec *iov,
                            int iovcnt)
{
    return iov_size(iov, iovcnt);
}

/* The other side of a port with a backend: all that QEMU knows of it. */
static NetClientInfo wire_info = {
    .type = NET_CLIENT_DRIVER_NONE,
    .size = sizeof(NetClientState),
    .receive_iov = wire_receive,
};

/* Checks as those of QEMU's netdev property. */
static bool take_netdev(NicPort *port, NetClientState **found, int n,
                        Error **errp)
{
    for (int i = 0; i < n; i++) {
        if (found[i]->peer) {
            error_setg(errp, "%s: netdev \"%s\" is used by \"%s\" already; "
                       "give each port one of its own", port->name,
                       port->backend_id, found[i]->peer->name);
            return false;
        }
        if (found[i]->info->check_peer_type &&
            !found[i]->info->check_peer_type(found[i],
                object_get_class(OBJECT(port->card)), errp)) {
            return false;
        }
    }
    /* the first queue is enough for all that a port does */
    port->conf.peers.ncs[0] = found[0];
    port->conf.peers.queues = 1;
    return true;
}

static bool find_backend(NicPort *port, Error **errp)
{
    NIC_UNINITIALIZED NetClientState *found[MAX_QUEUE_NUM];
    int n;

    if (*port->backend_id == '\0') {
        return true;            /* a wire that leads nowhere */
    }
    n = qemu_find_net_clients_except(port->backend_id, found,
                                     NET_CLIENT_DRIVER_NIC, MAX_QUEUE_NUM);
    if (n > 0) {
        return take_netdev(port, found, MIN(n, MAX_QUEUE_NUM), errp);
    }
    port->backend = nic_backend_take(port->backend_id, &backend_ops, port,
                                     errp);
    if (!port->backend) {
        error_prepend(errp, "%s: ", port->name);
        return false;
    }
    port->wire = qemu_new_net_client(&wire_info, NULL, "sunder-nic",
                                     port->backend_id);
    port->conf.peers.ncs[0] = port->wire;
    port->conf.peers.queues = 1;
    return true;
}

static void open_headers(NicPort *port)
{
    NetClientState *nc = netdev(port);

    if (port->backend) {
        port->has_header = port->backend->vnet_header;
        return;
    }
    port->has_header = qemu_has_vnet_hdr(nc->peer) &&
                       qemu_has_vnet_hdr_len(nc->peer, HEADER);
    if (port->has_header) {
        qemu_set_vnet_hdr_len(nc->peer, HEADER);
        nc->vnet_hdr_len = HEADER;
    }
}

/* The backend reads only while the machine runs. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    nic_port_update_pause(opaque);
}

static void make_stage(NicPort *port)
{
    MemReentrancyGuard *guard = &DEVICE(port->card)->mem_reentrancy_guard;

    port->stage = g_new0(NicStage, 1);
    port->stage->bytes = g_malloc(STAGE_SIZE);
    /* only ever from the main loop itself, not from within a wait */
    port->stage->bh = aio_bh_new_guarded(iohandler_get_aio_context(),
                                         stage_ended, port, guard);
    port->stage->resume_bh = qemu_bh_new_guarded(port_resume, port, guard);
}

bool nic_port_realize(NicPort *port, Error **errp)
{
    g_autoptr(GError) error = NULL;

    port->mac = mac_port_publish(port->card->service, port->name, &port_ops,
                                 port, &error);
    if (!port->mac) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    if (!find_backend(port, errp)) {
        return false;
    }
    make_stage(port);
    port->nic = qemu_new_nic(&port_info, &port->conf, "sunder-nic",
                             port->name,
                             &DEVICE(port->card)->mem_reentrancy_guard, port);
    netdev(port)->do_not_pad = true;
    open_headers(port);
    port->waiting = true;
    if (port->backend) {
        port->vm_state = qemu_add_vm_change_state_handler(vm_changed, port);
    }
    return true;
}

void nic_port_start(NicPort *port)
{
    apply_link(port);
}

static void free_stage(NicPort *port)
{
    if (!port->stage) {
        return;
    }
    qemu_bh_delete(port->stage->bh);
    qemu_bh_delete(port->stage->resume_bh);
    g_free(port->stage->bytes);
    g_clear_pointer(&port->stage, g_free);
}

void nic_port_unrealize(NicPort *port)
{
    g_clear_pointer(&port->vm_state, qemu_del_vm_change_state_handler);
    if (port->backend) {
        nic_backend_release(port->backend);
    }
    if (port->nic) {
        qemu_purge_queued_packets(netdev(port));
        qemu_del_nic(port->nic);
        port->nic = NULL;
    }
    if (port->wire && port->backend) {
        qemu_del_net_client(port->wire);
    }
    port->wire = NULL;
    port->backend = NULL;
    free_stage(port);
    g_clear_pointer(&port->mac, mac_port_withdraw);
}
