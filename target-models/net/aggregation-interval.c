/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link aggregation: statistics of an interval, and what follows from them. */
#include "aggregation-internal.h"

#include <string.h>

static void add_load(AggregationLoad *sum, const AggregationLoad *load)
{
    sum->packets += load->packets;
    sum->bytes += load->bytes;
    sum->load += load->load;
}

/* The map that a policy would begin with. */
static void make_map(const Aggregation *a, NicPolicy policy, uint8_t *map)
{
    memcpy(map, a->map, sizeof(a->map));
    if (policy == NIC_POLICY_BUCKETS && a->shadow) {
        aggregation_map_balance(map, a->shadow->load[NIC_POLICY_L2_L3_L4],
                                a->usable);
    } else if (policy != NIC_POLICY_BUCKETS) {
        /* made by load it would mean nothing for another hash */
        aggregation_map_even(map, a->usable);
    }
}

static void make_forecast(const Aggregation *a, SelectorSample *sample)
{
    uint8_t map[AGGREGATION_BUCKETS];

    for (unsigned policy = 1; policy < NIC_POLICY__MAX; policy++) {
        if (policy == NIC_POLICY_ROUND_ROBIN) {
            continue;
        }
        make_map(a, policy, map);
        sample->forecast[policy] = aggregation_map_spread(
            map, a->shadow->load[MIN(policy, NIC_LAYERS - 1)], a->usable);
    }
}

static void take_sample(Aggregation *a, SelectorSample *sample)
{
    *sample = (SelectorSample){
        .disturbed = a->disturbed || a->move.active,
    };
    for (uint32_t left = a->usable; left; left &= left - 1) {
        const Member *member = a->members[__builtin_ctz(left)];

        sample->load[sample->n_ports++] = member->now.load;
        sample->packets += member->now.packets;
    }
    if (a->shadow) {
        make_forecast(a, sample);
    }
}

static void turn_over(Aggregation *a)
{
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        Member *member = a->members[i];

        if (member) {
            member->interval = member->now;
            add_load(&member->total, &member->now);
            member->now = (AggregationLoad){ 0 };
        }
    }
    a->count.intervals++;
    a->disturbed = false;
    a->interval_ns = a->now_ns - a->interval_start_ns;
    a->interval_start_ns = a->now_ns;
}

static void try_policy(Aggregation *a, const SelectorDecision *d)
{
    uint8_t map[AGGREGATION_BUCKETS];

    memcpy(a->tried_from, a->map, sizeof(a->map));
    make_map(a, d->policy, map);
    aggregation_move_begin(a, d->policy, map);
}

static void revert(Aggregation *a, const SelectorDecision *d)
{
    uint8_t map[AGGREGATION_BUCKETS];

    memcpy(map, a->tried_from, sizeof(map));
    aggregation_map_repair(map, a->usable);
    aggregation_move_begin(a, d->policy, map);
}

static void tell_kept(Aggregation *a, const SelectorDecision *d)
{
    AggregationChange change = {
        d->from, d->policy, AGGREGATION_REASON_SPREAD, d->before, d->spread
    };

    if (d->from != d->policy && a->ops && a->ops->policy_changed) {
        a->ops->policy_changed(a->opaque, &change);
    }
}

static void measure_if_wanted(Aggregation *a)
{
    g_clear_pointer(&a->shadow, g_free);
    if (selector_wants_forecast(&a->selector)) {
        a->shadow = g_new0(Shadow, 1);
    }
}

void aggregation_end_interval(Aggregation *a)
{
    SelectorSample sample;
    SelectorDecision d;

    take_sample(a, &sample);
    turn_over(a);
    d = selector_interval(&a->selector, &sample);
    switch (d.action) {
    case SELECTOR_TRY:
        try_policy(a, &d);
        break;
    case SELECTOR_REVERT:
        revert(a, &d);
        break;
    case SELECTOR_KEEP:
        tell_kept(a, &d);
        break;
    default:
        break;
    }
    measure_if_wanted(a);
}
