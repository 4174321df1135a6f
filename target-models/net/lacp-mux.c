/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LACP: the periodic transmission machine (IEEE 802.1AX-2014, 6.4.13) and the
 * mux machine with independent control of collecting and distributing
 * (6.4.15).
 */
#include "lacp-internal.h"

static void start_periodic(LacpMachines *m, LacpPeriodicState state,
                           uint64_t now_ns)
{
    m->periodic = state;
    m->periodic_timer = now_ns + (state == LACP_PERIODIC_FAST
                                  ? LACP_FAST_PERIODIC : LACP_SLOW_PERIODIC);
}

void lacp_periodic_run(LacpPort *port, uint64_t now_ns)
{
    LacpMachines *m = &port->m;
    bool is_short = m->partner.state & LACP_TIMEOUT;
    LacpPeriodicState wanted = is_short ? LACP_PERIODIC_FAST
                                        : LACP_PERIODIC_SLOW;

    if (!m->enabled ||
        !((m->actor.state | m->partner.state) & LACP_ACTIVITY)) {
        m->periodic = LACP_PERIODIC_NONE;
        m->periodic_timer = LACP_NO_DEADLINE;
        return;
    }
    if (m->periodic == LACP_PERIODIC_NONE) {
        /* the first is sent at once, so that a link comes up quickly */
        m->ntt = true;
        start_periodic(m, wanted, now_ns);
    } else if (lacp_timer_due(m->periodic_timer, now_ns) ||
               (m->periodic == LACP_PERIODIC_SLOW && is_short)) {
        m->ntt = true;
        start_periodic(m, wanted, now_ns);
    } else if (m->periodic != wanted) {
        start_periodic(m, wanted, now_ns);
    }
}

/* Enters a state: which bits it sets, and that the partner is told. */
static bool enter(LacpMachines *m, LacpMuxState state)
{
    static const uint8_t bits[LACP_MUX__MAX] = {
        [LACP_MUX_ATTACHED] = LACP_SYNCHRONIZATION,
        [LACP_MUX_COLLECTING] = LACP_SYNCHRONIZATION | LACP_COLLECTING,
        [LACP_MUX_DISTRIBUTING] = LACP_SYNCHRONIZATION | LACP_COLLECTING |
                                  LACP_DISTRIBUTING,
    };
    const uint8_t all = bits[LACP_MUX_DISTRIBUTING];

    m->mux = state;
    m->actor.state = (m->actor.state & ~all) | bits[state];
    m->wait_while = LACP_NO_DEADLINE;
    m->wait_over = false;
    m->ntt |= state != LACP_MUX_WAITING;
    return true;
}

static bool step_waiting(LacpMachines *m, bool ready, uint64_t now_ns)
{
    if (!m->wait_over && lacp_timer_due(m->wait_while, now_ns)) {
        m->wait_over = true;
        m->wait_while = LACP_NO_DEADLINE;
        return true;
    }
    return m->wait_over && ready && enter(m, LACP_MUX_ATTACHED);
}

bool lacp_mux_step(LacpPort *port, bool ready, uint64_t now_ns)
{
    LacpMachines *m = &port->m;
    bool in_sync = m->partner.state & LACP_SYNCHRONIZATION;
    bool collecting = m->partner.state & LACP_COLLECTING;

    if (!m->selected && m->mux != LACP_MUX_DETACHED) {
        /* standard: one state after the other; nothing happens between */
        return enter(m, LACP_MUX_DETACHED);
    }
    switch (m->mux) {
    case LACP_MUX_DETACHED:
        if (m->selected) {
            enter(m, LACP_MUX_WAITING);
            m->wait_while = now_ns + LACP_AGGREGATE_WAIT;
            return true;
        }
        return false;
    case LACP_MUX_WAITING:
        return step_waiting(m, ready, now_ns);
    case LACP_MUX_ATTACHED:
        return in_sync && enter(m, LACP_MUX_COLLECTING);
    case LACP_MUX_COLLECTING:
        return in_sync ? collecting && enter(m, LACP_MUX_DISTRIBUTING)
                       : enter(m, LACP_MUX_ATTACHED);
    default:
        return !(in_sync && collecting) && enter(m, LACP_MUX_COLLECTING);
    }
}
