/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link aggregation: moving buckets without reordering a flow.
 *
 * Packets of a bucket that moves wait until the member that had it has
 * drained.  A member's queue is first in, first out, so a marker that is sent
 * when it has drained is behind all of them on the wire.
 */
#include "aggregation-internal.h"

#include <string.h>

static unsigned hash_of(NicPolicy policy)
{
    return policy == NIC_POLICY_BUCKETS ? NIC_POLICY_L2_L3_L4 : policy;
}

static void find_moving(Aggregation *a, Move *move)
{
    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        uint8_t old = a->map[i];

        if (old == move->map[i]) {
            continue;
        }
        if (old < AGGREGATION_MAX_MEMBERS && a->usable >> old & 1) {
            move->buckets[i / 64] |= UINT64_C(1) << i % 64;
            move->draining |= 1u << old;
        }
    }
    if (hash_of(move->policy) != hash_of(a->policy)) {
        move->all = true;
        move->draining = a->usable;
    }
}

unsigned aggregation_move_count(const Move *move)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        n += __builtin_popcountll(move->buckets[i]);
    }
    return move->all ? AGGREGATION_BUCKETS : n;
}

static void apply(Aggregation *a, const Move *move)
{
    a->policy = move->policy;
    memcpy(a->map, move->map, sizeof(a->map));
    if (a->has_change) {
        a->has_change = false;
        if (a->ops && a->ops->policy_changed) {
            a->ops->policy_changed(a->opaque, &a->change);
        }
    }
}

static void finish(Aggregation *a)
{
    Move *move = &a->move;

    move->active = false;
    apply(a, move);
    a->count.moves++;
    a->count.buckets_moved += aggregation_move_count(move);
    a->disturbed |= aggregation_is_spoilt(a);
    mac_port_resume(a->port);
}

static void give_up(Aggregation *a)
{
    a->move.active = false;
    a->has_change = false;
    a->count.moves_given_up++;
    a->disturbed = true;
    selector_cancel(&a->selector, a->policy);
    mac_port_resume(a->port);
}

static void begin_draining(Aggregation *a, uint32_t members)
{
    for (; members; members &= members - 1) {
        mac_client_drain_begin(a->members[__builtin_ctz(members)]->client);
    }
}

void aggregation_move_begin(Aggregation *a, NicPolicy policy,
                            const uint8_t *map)
{
    Move *move = &a->move;

    *move = (Move){ .policy = policy };
    memcpy(move->map, map, sizeof(move->map));
    find_moving(a, move);
    if (!move->draining) {
        apply(a, move);
        return;
    }
    move->active = true;
    move->deadline_ns = a->now_ns + a->config.drain_ns;
    begin_draining(a, move->draining);
    aggregation_move_step(a);
    if (move->active) {
        aggregation_rearm(a);
    }
}

static bool wants_marker(const Aggregation *a, const Member *member)
{
    return a->config.markers && member->lacp &&
           lacp_port_distributing(member->lacp);
}

/* Returns: whether a marker is to be sent. */
static bool step_draining(Aggregation *a, unsigned number)
{
    Move *move = &a->move;
    Member *member = a->members[number];

    if (member && (a->usable >> number & 1)) {
        if (!mac_client_drained(member->client)) {
            return false;
        }
        if (wants_marker(a, member)) {
            lacp_port_send_marker(member->lacp);
            move->marked |= 1u << number;
            move->marker_ns = 0;
        }
    }
    move->draining &= ~(1u << number);
    return move->marked >> number & 1;
}

static void step_marked(Aggregation *a, unsigned number)
{
    Member *member = a->members[number];

    if (!member || !(a->usable >> number & 1) ||
        lacp_port_marker_answered(member->lacp)) {
        a->move.marked &= ~(1u << number);
    }
}

void aggregation_move_step(Aggregation *a)
{
    Move *move = &a->move;
    bool send = false;

    if (a->dispatching) {
        a->dirty = true;
        return;
    }
    if (!move->active) {
        return;
    }
    for (uint32_t left = move->marked; left; left &= left - 1) {
        step_marked(a, __builtin_ctz(left));
    }
    for (uint32_t left = move->draining; left; left &= left - 1) {
        send |= step_draining(a, __builtin_ctz(left));
    }
    if (!move->draining && !move->marked) {
        finish(a);
    } else if (send) {
        /* an answer may come before this returns, and end the move */
        aggregation_run_lacp(a);
        aggregation_rearm(a);
    }
}

void aggregation_move_run(Aggregation *a)
{
    Move *move = &a->move;

    aggregation_move_step(a);
    if (!move->active) {
        return;
    }
    if (move->draining && a->now_ns >= move->deadline_ns) {
        give_up(a);
    } else if (move->marked && move->marker_ns == 0) {
        move->marker_ns = a->now_ns + a->config.marker_ns;
    } else if (move->marked && a->now_ns >= move->marker_ns) {
        move->marked = 0;
        aggregation_move_step(a);
    }
}

uint64_t aggregation_move_deadline(const Aggregation *a)
{
    const Move *move = &a->move;
    uint64_t deadline = NIC_NO_DEADLINE;

    if (move->active && move->draining) {
        deadline = move->deadline_ns;
    }
    if (move->active && move->marked) {
        deadline = MIN(deadline, move->marker_ns);
    }
    return deadline;
}
