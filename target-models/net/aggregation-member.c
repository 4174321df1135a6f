/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link aggregation: members, their links and what they receive. */
#include "aggregation-internal.h"

#include <string.h>

/* Speeds in Mbit/s; the place is the code in a key.  0 comes first. */
static const uint32_t speeds[] = {
    MAC_SPEED_UNKNOWN, 10, 100, 1000, 2500, 5000, 10000, 20000, 25000,
    40000, 50000, 100000, 200000, 400000,
};

/* Bits of a key below the configured part: 16 codes of speed. */
#define KEY_SHIFT       4
#define KEY_OTHER_SPEED 15

static uint16_t make_key(uint16_t key, const MacLink *link)
{
    unsigned code = 0;

    while (code < G_N_ELEMENTS(speeds) && speeds[code] != link->speed_mbps) {
        code++;
    }
    return key << KEY_SHIFT |
           (code < G_N_ELEMENTS(speeds) ? code : KEY_OTHER_SPEED);
}

static bool is_usable(const Member *member)
{
    return mac_port_link(member->port)->up &&
           (!member->lacp || lacp_port_distributing(member->lacp));
}

static uint32_t find_usable(Aggregation *a)
{
    uint32_t usable = 0;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        Member *member = a->members[i];

        if (member) {
            member->usable = is_usable(member);
            usable |= (uint32_t)member->usable << i;
        }
    }
    return usable;
}

/* The virtual port is as fast as its usable members together. */
static void set_virtual_link(Aggregation *a)
{
    MacLink link = { .up = a->usable, .full_duplex = true };

    for (uint32_t left = a->usable; left; left &= left - 1) {
        link.speed_mbps +=
            mac_port_link(a->members[__builtin_ctz(left)]->port)->speed_mbps;
    }
    mac_port_set_link(a->port, &link, a->now_ns);
}

/*
 * What a move was about to do is still wanted, but begins again: it may have
 * waited for a member that is gone.
 */
void aggregation_update_members(Aggregation *a)
{
    uint32_t usable = find_usable(a);
    uint32_t gained = usable & ~a->usable;
    NicPolicy policy = a->move.active ? a->move.policy : a->policy;
    uint8_t map[AGGREGATION_BUCKETS];

    if (a->dispatching) {
        a->dirty = true;
        return;
    }
    if (usable == a->usable) {
        return;
    }
    memcpy(map, a->move.active ? a->move.map : a->map, sizeof(map));
    a->move.active = false;
    a->disturbed |= aggregation_is_spoilt(a);
    a->usable = usable;
    aggregation_map_repair(a->map, usable);
    aggregation_map_share(map, usable, gained);
    aggregation_move_begin(a, policy, map);
    set_virtual_link(a);
    mac_port_resume(a->port);
    aggregation_rearm(a);
}

void aggregation_find_members(Aggregation *a)
{
    a->usable = find_usable(a);
    aggregation_map_repair(a->map, a->usable);
    set_virtual_link(a);
}

static void send_lacp(Aggregation *a, unsigned number)
{
    uint8_t frame[LACP_FRAME];
    Member *member;

    while ((member = a->members[number]) && member->lacp &&
           lacp_port_transmit(member->lacp, frame, a->now_ns)) {
        NicPacket packet = { frame, LACP_FRAME, LACP_FRAME, NULL };

        /* one that is refused is as one lost: it is sent again */
        mac_client_transmit(member->client, &packet, 1, a->now_ns);
    }
}

/* What is sent may be answered before the call returns. */
void aggregation_run_lacp(Aggregation *a)
{
    if (!a->lacp || a->stopped) {
        return;
    }
    a->lacp_again = true;
    if (a->lacp_running) {
        return;
    }
    a->lacp_running = true;
    while (a->lacp_again) {
        a->lacp_again = false;
        for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
            send_lacp(a, i);
        }
    }
    a->lacp_running = false;
    aggregation_update_members(a);
    aggregation_move_step(a);
    aggregation_rearm(a);
}

void aggregation_follow_link(Member *member)
{
    Aggregation *a = member->aggregation;
    const MacLink *link = mac_port_link(member->port);

    if (member->lacp) {
        if (link->up) {
            lacp_port_set_key(member->lacp,
                              make_key(a->config.lacp.key, link), a->now_ns);
        }
        lacp_port_set_enabled(member->lacp, link->up && link->full_duplex,
                              a->now_ns);
    }
}

static void link_changed(void *opaque, const MacLink *link, uint64_t now_ns)
{
    Member *member = opaque;
    Aggregation *a = member->aggregation;

    a->now_ns = now_ns;
    aggregation_follow_link(member);
    aggregation_update_members(a);
    if (a->usable >> member->number & 1) {
        set_virtual_link(a);    /* its speed may have changed */
    }
    aggregation_run_lacp(a);
}

/*
 * A PDU at a time: each marker is to be answered, and there is room for one
 * answer.  What is sent may be answered at once, and take the member along.
 */
static void receive_slow(Member *member, MacBatch *batch)
{
    Aggregation *a = member->aggregation;
    unsigned number = member->number;

    for (unsigned i = 0; i < batch->n && !a->stopped &&
         a->members[number] == member; i++) {
        lacp_port_receive(member->lacp, batch->packets[i].data,
                          batch->packets[i].head, batch->now_ns);
        aggregation_run_lacp(a);
    }
}

static void receive(void *opaque, MacBatch *batch)
{
    Member *member = opaque;
    Aggregation *a = member->aggregation;

    a->now_ns = batch->now_ns;
    if (!member->lacp) {
        member->received += batch->n;
        mac_port_receive_batch(a->port, batch);
    } else if (batch->destination->sap == NIC_SAP_SLOW &&
               batch->destination->tags == 0) {
        receive_slow(member, batch);
    } else if (lacp_port_collecting(member->lacp)) {
        member->received += batch->n;
        mac_port_receive_batch(a->port, batch);
    } else {
        member->not_collecting += batch->n;
    }
}

static void resume(void *opaque)
{
    Aggregation *a = ((Member *)opaque)->aggregation;

    if (!a->dispatching) {
        mac_port_resume(a->port);
    }
}

static void completed(void *opaque)
{
    Aggregation *a = ((Member *)opaque)->aggregation;

    aggregation_move_step(a);
    mac_port_completed(a->port);
}

void aggregation_drop_member(Member *member)
{
    Aggregation *a = member->aggregation;

    a->members[member->number] = NULL;
    if (member->lacp) {
        lacp_port_remove(member->lacp, a->now_ns);
    }
    g_free(member);
    aggregation_update_members(a);
    aggregation_run_lacp(a);
}

static void withdrawn(void *opaque)
{
    aggregation_drop_member(opaque);
}

const MacClientOps aggregation_client_ops = {
    .receive = receive,
    .resume = resume,
    .completed = completed,
    .link_changed = link_changed,
    .withdrawn = withdrawn,
};
