/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LACP: the receive machine.  IEEE 802.1AX-2014, 6.4.12 and 6.4.9. */
#include "lacp-internal.h"

static void set_state(LacpInfo *info, uint8_t bits, bool on)
{
    info->state = on ? info->state | bits : info->state & ~bits;
}

static bool same_port(const LacpInfo *a, const LacpInfo *b)
{
    return a->port == b->port && a->port_priority == b->port_priority &&
           a->system == b->system && a->key == b->key &&
           a->system_priority == b->system_priority &&
           ((a->state ^ b->state) & LACP_AGGREGATION) == 0;
}

/*
 * The administrative partner: nobody.  It asks for the short timeout, so
 * that a partner who wakes up is met within a second.  With fallback it is
 * in step and collects, and a port of its own goes on alone.
 */
static LacpInfo nobody(const LacpSystem *system)
{
    LacpInfo info = { .state = LACP_TIMEOUT };

    if (system->config.fallback) {
        info.state |= LACP_SYNCHRONIZATION | LACP_COLLECTING |
                      LACP_DISTRIBUTING;
    }
    return info;
}

void lacp_port_record_default(LacpPort *port)
{
    port->m.partner = nobody(port->system);
    set_state(&port->m.actor, LACP_DEFAULTED, true);
}

static void enter_expired(LacpPort *port, uint64_t now_ns)
{
    LacpMachines *m = &port->m;

    m->receive = LACP_RECEIVE_EXPIRED;
    set_state(&m->partner, LACP_SYNCHRONIZATION, false);
    set_state(&m->partner, LACP_TIMEOUT, true);
    set_state(&m->actor, LACP_EXPIRED, true);
    m->current_while = now_ns + LACP_SHORT_TIMEOUT;
}

static void enter_defaulted(LacpPort *port)
{
    LacpMachines *m = &port->m;
    LacpInfo admin = nobody(port->system);

    m->receive = LACP_RECEIVE_DEFAULTED;
    if (!same_port(&admin, &m->partner)) {
        m->selected = false;    /* update_Default_Selected */
    }
    lacp_port_record_default(port);
    set_state(&m->actor, LACP_EXPIRED, false);
    m->current_while = LACP_NO_DEADLINE;
}

static void enter_port_disabled(LacpPort *port)
{
    LacpMachines *m = &port->m;

    m->receive = LACP_RECEIVE_PORT_DISABLED;
    set_state(&m->partner, LACP_SYNCHRONIZATION, false);
    m->current_while = LACP_NO_DEADLINE;
}

void lacp_receive_begin(LacpPort *port)
{
    port->m.selected = false;
    lacp_port_record_default(port);
    set_state(&port->m.actor, LACP_EXPIRED, false);
    enter_port_disabled(port);
}

void lacp_receive_enable(LacpPort *port, bool enabled, uint64_t now_ns)
{
    port->m.enabled = enabled;
    if (enabled) {
        enter_expired(port, now_ns);
    } else {
        enter_port_disabled(port);
    }
}

/* Whether one of the two will keep the partner's information alive. */
static bool is_maintained(const LacpPort *port, const LacpPdu *pdu)
{
    return (pdu->actor.state & LACP_ACTIVITY) ||
           ((port->m.actor.state & LACP_ACTIVITY) &&
            (pdu->partner.state & LACP_ACTIVITY));
}

static void update_ntt(LacpMachines *m, const LacpPdu *pdu)
{
    const uint8_t bits = LACP_ACTIVITY | LACP_TIMEOUT |
                         LACP_SYNCHRONIZATION | LACP_AGGREGATION;

    if (!same_port(&pdu->partner, &m->actor) ||
        ((pdu->partner.state ^ m->actor.state) & bits)) {
        m->ntt = true;
    }
}

static void record_pdu(LacpPort *port, const LacpPdu *pdu)
{
    LacpMachines *m = &port->m;
    bool knows_us = same_port(&pdu->partner, &m->actor) ||
                    !(pdu->actor.state & LACP_AGGREGATION);

    m->partner = pdu->actor;
    set_state(&m->actor, LACP_DEFAULTED, false);
    if (!knows_us || !is_maintained(port, pdu)) {
        set_state(&m->partner, LACP_SYNCHRONIZATION, false);
    }
}

void lacp_receive_pdu(LacpPort *port, const LacpPdu *pdu, uint64_t now_ns)
{
    LacpMachines *m = &port->m;

    if (!m->enabled) {
        return;
    }
    if (!same_port(&pdu->actor, &m->partner)) {
        m->selected = false;    /* update_Selected */
    }
    update_ntt(m, pdu);
    record_pdu(port, pdu);
    m->receive = LACP_RECEIVE_CURRENT;
    set_state(&m->actor, LACP_EXPIRED, false);
    m->current_while = now_ns + (m->actor.state & LACP_TIMEOUT
                                 ? LACP_SHORT_TIMEOUT : LACP_LONG_TIMEOUT);
}

void lacp_receive_run(LacpPort *port, uint64_t now_ns)
{
    if (!lacp_timer_due(port->m.current_while, now_ns)) {
        return;
    }
    if (port->m.receive == LACP_RECEIVE_CURRENT) {
        port->m.stats.expired++;
        enter_expired(port, now_ns);
    } else {
        enter_defaulted(port);
    }
}
