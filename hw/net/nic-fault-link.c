/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: the link of a port
 */
#include "qemu/osdep.h"
#include "hw/net/nic-fault.h"
#include "qemu/timer.h"

#define DEFAULT_PERIOD_NS   (100 * SCALE_MS)
/* A driver and an aggregation have to work at each change. */
#define SHORTEST_PERIOD_NS  (1 * SCALE_MS)

static void set_deadline(NicFault *fault, uint64_t after_ns)
{
    fault->link_deadline = nic_now() + MIN(after_ns, INT64_MAX / 2);
    timer_mod(fault->link_timer, fault->link_deadline);
}

static void forget(NicFault *fault)
{
    timer_del(fault->link_timer);
    fault->link_deadline = 0;
    fault->link_period = 0;
    fault->link_changes = 0;
    g_clear_pointer(&fault->link_rule, g_free);
}

static void change(NicFault *fault, bool down)
{
    fault->link_down = down;
    nic_port_set_link(fault->port, !down);
}

static void comes_up(NicFault *fault)
{
    forget(fault);
    if (fault->link_down) {
        change(fault, false);
    }
}

static void goes_down(NicFault *fault, const FaultFiring *firing)
{
    forget(fault);
    fault->link_rule = g_strdup(fault_rule_id(firing->rule));
    if (firing->outcome->code == NIC_FAULT_LINK_FLAP) {
        fault->link_period = firing->has_duration
                             ? MAX(firing->duration_ns, SHORTEST_PERIOD_NS)
                             : DEFAULT_PERIOD_NS;
        /* down and up each time, and down it goes now */
        fault->link_changes = firing->value
                              ? MIN(firing->value, INT64_MAX) * 2 - 1 : 0;
        set_deadline(fault, fault->link_period);
    } else if (firing->has_duration) {
        set_deadline(fault, firing->duration_ns);
    }
    if (!fault->link_down) {
        change(fault, true);
    }
}

static void link_timer_expired(void *opaque)
{
    NicFault *fault = opaque;
    bool last = fault->link_changes == 1;

    if (fault->link_period == 0 || last) {
        comes_up(fault);
        return;
    }
    if (fault->link_changes) {
        fault->link_changes--;
    }
    set_deadline(fault, fault->link_period);
    change(fault, !fault->link_down);
}

void nic_fault_link_action(void *opaque, const FaultFiring *firing)
{
    if (firing->outcome->code == NIC_FAULT_LINK_UP) {
        comes_up(opaque);
    } else {
        goes_down(opaque, firing);
    }
}

void nic_fault_link_rules_changed(void *opaque, FaultPoint *point,
                                  const FaultRule *removed)
{
    NicFault *fault = opaque;

    if (removed && g_strcmp0(fault->link_rule, fault_rule_id(removed)) == 0) {
        comes_up(fault);
    }
}

void nic_fault_link_loaded(NicFault *fault)
{
    if (fault->link_deadline) {
        timer_mod(fault->link_timer, MIN(fault->link_deadline, INT64_MAX));
    }
    nic_port_set_link(fault->port, !fault->link_down);
}

void nic_fault_link_init(NicFault *fault)
{
    fault->link_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, link_timer_expired,
                                     fault);
}

void nic_fault_link_destroy(NicFault *fault)
{
    timer_free(fault->link_timer);
    g_free(fault->link_rule);
}
