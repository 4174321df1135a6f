/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: a port, between the MAC service and a netdev or a backend
 *
 * What a netdev has no room for stays in QEMU's queue of it, up to
 * NIC_PORT_QUEUE frames.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "nic-fault.h"
#include "nic-port.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "system/runstate.h"

#define HEADER NIC_PORT_HEADER

/* --- transmitting ------------------------------------------------------ */

static void netdev_sent(NetClientState *nc, ssize_t size)
{
    NicPort *port = qemu_get_nic_opaque(nc);

    port->in_flight--;
    qemu_bh_schedule(port->resume_bh);
}

static unsigned send_or_fail(NicPort *port, NicPacket *packets, unsigned n)
{
    return unlikely(nic_fault_is_active(port))
           ? nic_fault_transmit(port, packets, n)
           : nic_port_send(port, packets, n);
}

static void resume_port(NicPort *port)
{
    bool is_empty = nic_spill_send(port, send_or_fail);

    mac_port_completed(port->mac);
    if (port->full && is_empty) {
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
    if (qemu_sendv_packet_async(nic_port_netdev(port), iov, n,
                                netdev_sent) == 0) {
        port->in_flight++;
    }
}

/* What waits goes before what comes. */
static void send_waiting(NicPort *port)
{
    NetClientState *nc = nic_port_netdev(port);

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
    unsigned taken = nic_spill_send(port, send_or_fail)
                     ? send_or_fail(port, packets, n) : 0;

    taken += nic_spill_take(port, packets + taken, n - taken);
    port->full = taken < n;
    return taken;
}

static unsigned port_space(void *opaque)
{
    NicPort *port = opaque;
    unsigned space = nic_spill_promise(port);

    if (space == 0) {
        port->full = true;
    }
    return space;
}

static uint64_t port_in_flight(void *opaque)
{
    NicPort *port = opaque;

    return port->in_flight + nic_spill_count(port) +
           nic_fault_waiting(port->fault);
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
        .up = !nic_port_is_down(port),
        .full_duplex = port->card->full_duplex,
        .speed_mbps = port->card->speed_mbps,
    };

    nic_port_flush(port);
    if (!link.up) {
        qemu_purge_queued_packets(nic_port_netdev(port));
        nic_fault_link_down(port);
        nic_spill_clear(port);
    }
    mac_port_set_link(port->mac, &link, nic_now());
    nic_port_tell(port);
    nic_port_update_pause(port);
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
    .receive_iov = nic_stage_receive,
    .link_status_changed = link_status_changed,
    .announce = announce,
};

/* --- what is behind it ------------------------------------------------- */

static const NicBackendOps backend_ops = {
    .room = nic_stage_backend_room,
    .receive = nic_stage_backend_receive,
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
    NetClientState *nc = nic_port_netdev(port);

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
    nic_stage_new(port);
    nic_spill_new(port);
    port->resume_bh = qemu_bh_new_guarded(port_resume, port,
        &DEVICE(port->card)->mem_reentrancy_guard);
    port->nic = qemu_new_nic(&port_info, &port->conf, "sunder-nic",
                             port->name,
                             &DEVICE(port->card)->mem_reentrancy_guard, port);
    nic_port_netdev(port)->do_not_pad = true;
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

void nic_port_unrealize(NicPort *port)
{
    g_clear_pointer(&port->vm_state, qemu_del_vm_change_state_handler);
    if (port->backend) {
        nic_backend_release(port->backend);
    }
    if (port->nic) {
        qemu_purge_queued_packets(nic_port_netdev(port));
        qemu_del_nic(port->nic);
        port->nic = NULL;
    }
    if (port->wire && port->backend) {
        qemu_del_net_client(port->wire);
    }
    port->wire = NULL;
    port->backend = NULL;
    nic_stage_free(port);
    nic_spill_free(port);
    g_clear_pointer(&port->resume_bh, qemu_bh_delete);
    g_clear_pointer(&port->mac, mac_port_withdraw);
}
