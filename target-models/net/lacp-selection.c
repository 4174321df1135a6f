/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LACP: the selection logic (IEEE 802.1AX-2014, 6.4.14) for one aggregator.
 *
 * A port is chosen anew only while its mux is detached: one that changed
 * partners lets go first.
 */
#include "lacp-internal.h"

static bool is_loop(const LacpMachines *m)
{
    return m->partner.system == m->actor.system &&
           m->partner.system_priority == m->actor.system_priority;
}

static bool is_defaulted(const LacpMachines *m)
{
    return m->actor.state & LACP_DEFAULTED;
}

/* Whether the aggregator could use it now. */
static bool is_candidate(const LacpPort *port)
{
    const LacpMachines *m = &port->m;

    if (!m->enabled) {
        return false;
    }
    if (is_defaulted(m)) {
        return port->system->config.fallback &&
               m->receive == LACP_RECEIVE_DEFAULTED;
    }
    return !is_loop(m);
}

static LacpGroup group_of(const LacpPort *port)
{
    const LacpMachines *m = &port->m;
    bool together = m->actor.state & m->partner.state & LACP_AGGREGATION;

    return (LacpGroup){
        .key = m->actor.key,
        .partner_priority = m->partner.system_priority,
        .partner = m->partner.system,
        .partner_key = m->partner.key,
        .alone = together ? 0 : m->actor.port,
        .defaulted = is_defaulted(m),
    };
}

static bool same_group(const LacpGroup *a, const LacpGroup *b)
{
    return a->key == b->key && a->partner_priority == b->partner_priority &&
           a->partner == b->partner && a->partner_key == b->partner_key &&
           a->alone == b->alone && a->defaulted == b->defaulted;
}

static bool is_in(const LacpPort *port, const LacpGroup *group)
{
    LacpGroup own = group_of(port);

    return same_group(&own, group);
}

static unsigned count_members(const LacpSystem *system,
                              const LacpGroup *group)
{
    unsigned n = 0;

    for (unsigned i = 0; i < system->ports->len; i++) {
        const LacpPort *port = g_ptr_array_index(system->ports, i);

        n += is_candidate(port) && is_in(port, group);
    }
    return n;
}

/* A group that speaks LACP before one that does not, then the largest. */
static bool find_best(const LacpSystem *system, LacpGroup *best)
{
    unsigned most = 0;

    for (unsigned i = 0; i < system->ports->len; i++) {
        const LacpPort *port = g_ptr_array_index(system->ports, i);
        LacpGroup group = group_of(port);
        unsigned n;

        if (!is_candidate(port)) {
            continue;
        }
        n = count_members(system, &group);
        if (most == 0 || (best->defaulted && !group.defaulted) ||
            (best->defaulted == group.defaulted && n > most)) {
            *best = group;
            most = n;
        }
    }
    return most;
}

static void choose_group(LacpSystem *system)
{
    LacpGroup best;
    bool alive = system->has_group &&
                 count_members(system, &system->group);

    if (!find_best(system, &best)) {
        return;
    }
    if (!alive || (system->group.defaulted && !best.defaulted)) {
        system->group = best;
        system->has_group = true;
    }
}

void lacp_selection_run(LacpSystem *system)
{
    choose_group(system);
    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        if (!system->has_group || !is_in(port, &system->group)) {
            port->m.selected = false;
        } else if (port->m.mux == LACP_MUX_DETACHED && is_candidate(port)) {
            port->m.selected = true;
        }
    }
}
