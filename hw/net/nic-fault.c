/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card
 *
 * A port is a point, "nic0.p1".  Each frame is an access: a read if it
 * arrives, a write if it is sent, and its offset is its Ethertype, so that a
 * rule may be for LACPDUs only.  A ring is a point, "nic0.f0.rx0": a read is a
 * descriptor that the card takes, a write an interrupt.
 */
#include "qemu/osdep.h"
#include "hw/net/nic-fault.h"
#include "qapi/error.h"
#include "qemu/timer.h"

#define NO  FAULT_PARAM_NONE
#define MAY FAULT_PARAM_OPTIONAL
#define YES FAULT_PARAM_REQUIRED

/* Offsets of a port's point. */
#define ETHERTYPES 0x10000

#define DEFAULT_PATIENCE_NS (10 * SCALE_MS)

static const FaultOutcome port_outcomes[] = {
    { "link-down", FAULT_KIND_ACTION, NO, MAY, FAULT_OP_ANY,
      NIC_FAULT_LINK_DOWN,
      "the link is down for duration, or until the rule is removed" },
    { "link-flap", FAULT_KIND_ACTION, MAY, MAY, FAULT_OP_ANY,
      NIC_FAULT_LINK_FLAP,
      "the link is down for duration (100 ms), up for as long, and so on, "
      "value times or until the rule is removed" },
    { "link-up", FAULT_KIND_ACTION, NO, NO, FAULT_OP_ANY,
      NIC_FAULT_LINK_UP,
      "the link that another rule has taken down comes up" },
    { "drop", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_ANY, NIC_FAULT_DROP,
      "the frame is lost; with offset 0x8809 and length 1 LACPDUs only" },
    { "duplicate", FAULT_KIND_VALUE, MAY, NO, FAULT_OP_ANY,
      NIC_FAULT_DUPLICATE,
      "the frame comes value (1) more times, 64 at most" },
    { "corrupt", FAULT_KIND_VALUE, MAY, NO, FAULT_OP_ANY,
      NIC_FAULT_CORRUPT,
      "bit value of the frame is flipped, counted from its first on the "
      "wire; without value, a bit by chance" },
    { "reorder", FAULT_KIND_VALUE, MAY, MAY, FAULT_OP_ANY,
      NIC_FAULT_REORDER,
      "the frame lets value (1) others pass, but waits no longer than "
      "duration (10 ms)" },
    { "delay", FAULT_KIND_DELAY, NO, YES, FAULT_OP_ANY, NIC_FAULT_DELAY,
      "the frame comes duration later; others may overtake it" },
    { "rate-limit", FAULT_KIND_DELAY, YES, NO, FAULT_OP_ANY, NIC_FAULT_RATE,
      "frames come one after another at value bits a second; those that "
      "find 1024 waiting are lost" },
    { NULL }
};

static const FaultOutcome ring_outcomes[] = {
    { "interrupt-lost", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_WRITE,
      NIC_FAULT_INTERRUPT_LOST,
      "the interrupt never arrives" },
    { "descriptor-error", FAULT_KIND_ANSWER, NO, NO, FAULT_OP_READ,
      NIC_FAULT_DESCRIPTOR_ERROR,
      "the card reads a descriptor that cannot be, and asks to be reset" },
    { NULL }
};

/* --- frames ------------------------------------------------------------ */

static void limit_rate(NicFate *fate, uint64_t rate)
{
    if (rate == 0) {
        fate->lost = true;
    } else if (fate->rate == 0 || rate < fate->rate) {
        fate->rate = rate;
    }
}

static void add_to_fate(NicFate *fate, const FaultFiring *firing)
{
    switch (firing->outcome->code) {
    case NIC_FAULT_DROP:
        fate->lost = true;
        break;
    case NIC_FAULT_DUPLICATE:
        fate->copies += firing->has_value
                        ? MIN(firing->value, NIC_FAULT_MAX_COPIES) : 1;
        fate->copies = MIN(fate->copies, NIC_FAULT_MAX_COPIES);
        break;
    case NIC_FAULT_CORRUPT:
        /* by chance, and yet the same each time the machine runs */
        fate->bit[fate->flips] = firing->has_value
            ? firing->value : nic_mix(firing->seq, fate->flips);
        fate->flips++;
        break;
    case NIC_FAULT_REORDER:
        fate->behind = firing->has_value ? MIN(firing->value, UINT_MAX) : 1;
        fate->patience_ns = firing->has_duration
            ? MIN(firing->duration_ns, INT64_MAX / 4) : DEFAULT_PATIENCE_NS;
        break;
    case NIC_FAULT_DELAY:
        fate->delay_ns = MIN(fate->delay_ns + MIN(firing->duration_ns,
                                                  INT64_MAX / 4),
                             INT64_MAX / 4);
        break;
    case NIC_FAULT_RATE:
        limit_rate(fate, firing->value);
        break;
    default:
        g_assert_not_reached();
    }
}

void nic_fault_judge(NicLane *lane, const NicPacket *packet, NicFate *fate)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    NicDestination destination = { .sap = NIC_SAP_LLC };
    unsigned n;

    if (!fault_point_armed(lane->port->point)) {
        return;
    }
    nic_frame_destination(packet->data, packet->head, &destination);
    n = sunder_fault_check(lane->port->point,
                           lane->transmit ? FAULT_OP_WRITE : FAULT_OP_READ,
                           destination.sap, 1, firings);
    for (unsigned i = 0; i < n; i++) {
        add_to_fate(fate, &firings[i]);
    }
}

void nic_fault_receive(NicPort *port, NicPacket *packets, unsigned n)
{
    nic_fault_lane_pass(&port->fault->lanes[0], packets, n);
}

unsigned nic_fault_transmit(NicPort *port, NicPacket *packets, unsigned n)
{
    return nic_fault_lane_pass(&port->fault->lanes[1], packets, n) ? n : 0;
}

void nic_fault_link_down(NicPort *port)
{
    nic_fault_lane_empty(&port->fault->lanes[0]);
    nic_fault_lane_empty(&port->fault->lanes[1]);
    timer_del(port->fault->timer);
}

void nic_fault_reset(NicCard *card)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        nic_fault_link_down(&card->ports[i]);
    }
}

/* --- rings ------------------------------------------------------------- */

static bool ring_has_fault(NicRing *ring, FaultOperation operation)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];

    return fault_point_armed(ring->point) &&
           sunder_fault_check(ring->point, operation, 0, 0, firings);
}

bool nic_fault_loses_interrupt(NicRing *ring)
{
    return ring_has_fault(ring, FAULT_OP_WRITE);
}

bool nic_fault_spoils_descriptor(NicRing *ring)
{
    return ring_has_fault(ring, FAULT_OP_READ);
}

static bool add_ring(NicFunction *f, NicRing *ring, const char *kind,
                     unsigned number, Error **errp)
{
    g_autofree char *name = g_strdup_printf("%s.%s%u", f->id, kind, number);
    SunderFaultPointInfo info = {
        .name = name,
        .outcomes = ring_outcomes,
        .opaque = ring,
    };

    ring->point = sunder_fault_point_add(&info, errp);
    return ring->point != NULL;
}

bool nic_fault_realize_function(NicFunction *f, Error **errp)
{
    for (unsigned i = 0; i < f->n_pairs; i++) {
        if (!add_ring(f, &f->rx[i], "rx", i, errp) ||
            !add_ring(f, &f->tx[i], "tx", i, errp)) {
            nic_fault_unrealize_function(f);
            return false;
        }
    }
    /* only now the card has its place on the bus, and a name by that */
    for (unsigned i = 0; f->number == 0 && i < f->card->n_ports; i++) {
        nic_fault_register(f->card->ports[i].fault);
    }
    return true;
}

void nic_fault_unrealize_function(NicFunction *f)
{
    for (unsigned i = 0; i < NIC_MAX_QUEUE_PAIRS; i++) {
        sunder_fault_point_remove(g_steal_pointer(&f->rx[i].point));
        sunder_fault_point_remove(g_steal_pointer(&f->tx[i].point));
    }
}

/* --- ports ------------------------------------------------------------- */

static void frame_is_due(void *opaque)
{
    nic_fault_run(opaque);
}

static bool add_port(NicPort *port, Error **errp)
{
    NicFault *fault = g_new0(NicFault, 1);
    SunderFaultPointInfo info = {
        .name = port->name,
        .length = ETHERTYPES,
        .outcomes = port_outcomes,
        .action = nic_fault_link_action,
        .changed = nic_fault_link_rules_changed,
        .opaque = fault,
    };

    port->fault = fault;
    fault->port = port;
    nic_fault_lane_init(&fault->lanes[0], port, false);
    nic_fault_lane_init(&fault->lanes[1], port, true);
    fault->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, frame_is_due, fault);
    nic_fault_link_init(fault);
    port->point = sunder_fault_point_add(&info, errp);
    return port->point != NULL;
}

static void remove_port(NicPort *port)
{
    NicFault *fault = port->fault;

    if (!fault) {
        return;
    }
    sunder_fault_point_remove(g_steal_pointer(&port->point));
    nic_fault_unregister(fault);
    nic_fault_link_down(port);
    nic_fault_link_destroy(fault);
    timer_free(fault->timer);
    port->fault = NULL;
    g_free(fault);
}

bool nic_fault_realize(NicCard *card, Error **errp)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        if (!add_port(&card->ports[i], errp)) {
            nic_fault_unrealize(card);
            return false;
        }
    }
    return true;
}

void nic_fault_unrealize(NicCard *card)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        remove_port(&card->ports[i]);
    }
}
