/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link aggregation: sending.
 *
 * Packets are taken in chunks: first each is given a member, up to the first
 * that has to wait; then each member gets its packets in one call.  A member
 * is asked for its room beforehand, so that what is planned is also taken.
 */
#include "aggregation-internal.h"

#include <limits.h>

#define CHUNK   64

typedef struct Plan {
    uint8_t member[CHUNK];
    unsigned n;
    uint32_t used;              /* members with packets, a bit each */
    uint32_t asked;             /* members whose space is known */
    unsigned space[AGGREGATION_MAX_MEMBERS];
} Plan;

/* A packet's digest; the same for all packets of a run of one flow. */
typedef struct Run {
    const NicPacket *first;
    NicFrame frame;
    NicDigest digest;
    unsigned bucket;
} Run;

static unsigned policy_layers(NicPolicy policy)
{
    return policy < NIC_LAYERS ? policy : NIC_LAYERS - 1;
}

static void follow_run(const Aggregation *a, Run *run,
                       const NicPacket *packet)
{
    if (run->first && nic_frame_same_flow(run->first, &run->frame, packet)) {
        return;
    }
    run->first = NULL;
    run->digest = (NicDigest){ { 0 } };
    if (nic_frame_parse(packet, &run->frame)) {
        run->first = packet;
        nic_frame_digest(packet, &run->frame, a->config.seed, &run->digest);
    }
    run->bucket = nic_digest_hash(&run->digest, policy_layers(a->policy)) %
                  AGGREGATION_BUCKETS;
}

static uint64_t wire_bytes(const NicPacket *packet)
{
    return (uint64_t)packet->length + AGGREGATION_OVERHEAD;
}

static void add_to_shadow(Shadow *shadow, const Run *run,
                          const NicPacket *packet)
{
    for (unsigned layers = 1; layers < NIC_LAYERS; layers++) {
        uint32_t hash = nic_digest_hash(&run->digest, layers);

        shadow->load[layers][hash % AGGREGATION_BUCKETS] +=
            wire_bytes(packet);
    }
}

static uint8_t next_in_turn(const Aggregation *a)
{
    for (unsigned i = 1; i <= AGGREGATION_MAX_MEMBERS; i++) {
        unsigned number = (a->turn + i) % AGGREGATION_MAX_MEMBERS;

        if (a->usable >> number & 1) {
            return number;
        }
    }
    return AGGREGATION_NO_MEMBER;
}

static bool has_space(Aggregation *a, Plan *plan, uint8_t number)
{
    if (!(plan->asked >> number & 1)) {
        plan->asked |= 1u << number;
        plan->space[number] = mac_client_space(a->members[number]->client);
    }
    if (plan->space[number] == 0) {
        return false;
    }
    plan->space[number]--;
    return true;
}

/* Returns: whether the packet can be sent now; if so it is planned. */
static bool plan_packet(Aggregation *a, Plan *plan, Run *run,
                        const NicPacket *packet)
{
    uint8_t number;

    follow_run(a, run, packet);
    if (aggregation_move_holds(&a->move, run->bucket)) {
        a->count.held++;
        return false;
    }
    number = a->policy == NIC_POLICY_ROUND_ROBIN ? next_in_turn(a)
                                                 : a->map[run->bucket];
    if (!has_space(a, plan, number)) {
        return false;
    }
    a->turn = number;
    if (a->shadow) {
        add_to_shadow(a->shadow, run, packet);
    }
    plan->used |= 1u << number;
    plan->member[plan->n++] = number;
    return true;
}

static void make_plan(Aggregation *a, Plan *plan, const NicPacket *packets,
                      unsigned n)
{
    Run run = { NULL };

    plan->n = 0;
    plan->used = plan->asked = 0;
    while (plan->n < MIN(n, CHUNK) &&
           plan_packet(a, plan, &run, &packets[plan->n])) {
        /* up to the first that has to wait */
    }
}

static void count_sent(Member *member, const NicPacket *packets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        member->now.bytes += packets[i].length;
        member->now.load += wire_bytes(&packets[i]);
    }
    member->now.packets += n;
}

static void give_member(Aggregation *a, unsigned number, NicPacket *packets,
                        unsigned n)
{
    Member *member = a->members[number];
    unsigned taken;

    if (!member) {
        a->count.lost += n;     /* it left within this call */
        return;
    }
    count_sent(member, packets, n);
    taken = mac_client_transmit(member->client, packets, n, a->now_ns);
    a->count.lost += n - taken;
}

static void dispatch(Aggregation *a, const Plan *plan, NicPacket *packets)
{
    NicPacket own[CHUNK];

    if ((plan->used & (plan->used - 1)) == 0) {
        give_member(a, plan->member[0], packets, plan->n);
        return;
    }
    for (uint32_t left = plan->used; left; left &= left - 1) {
        unsigned number = __builtin_ctz(left);
        unsigned n = 0;

        for (unsigned i = 0; i < plan->n; i++) {
            if (plan->member[i] == number) {
                own[n++] = packets[i];
            }
        }
        give_member(a, number, own, n);
    }
}

/* What had to wait until no packets were on their way. */
static void end_dispatch(Aggregation *a)
{
    a->dispatching = false;
    if (a->dirty) {
        a->dirty = false;
        aggregation_update_members(a);
        aggregation_move_step(a);
    }
    if (a->refused) {
        a->refused = false;
        mac_port_resume(a->port);
    }
}

static unsigned transmit(void *opaque, NicPacket *packets, unsigned n,
                         uint64_t now_ns)
{
    Aggregation *a = opaque;
    unsigned done = 0;
    Plan plan;

    a->now_ns = now_ns;
    if (a->dispatching) {
        a->refused = true;      /* sent out of what a member received */
        return 0;
    }
    if (!a->usable) {
        a->count.no_member += n;
        return n;
    }
    while (done < n && a->usable) {
        make_plan(a, &plan, packets + done, n - done);
        if (plan.n == 0) {
            break;
        }
        a->dispatching = true;
        dispatch(a, &plan, packets + done);
        done += plan.n;
        end_dispatch(a);
    }
    return a->usable ? done : n;
}

/* Whatever the packets are, that many can be taken. */
static unsigned space(void *opaque)
{
    Aggregation *a = opaque;
    unsigned least = UINT_MAX;

    if (a->move.active || a->dispatching) {
        a->refused |= a->dispatching;
        return 0;
    }
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        const Member *member = a->members[i];

        if (member && member->usable) {
            least = MIN(least, mac_client_space(member->client));
        }
    }
    return least;
}

static void drain_begin(void *opaque)
{
    Aggregation *a = opaque;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (a->members[i]) {
            mac_client_drain_begin(a->members[i]->client);
        }
    }
}

static bool drained(void *opaque)
{
    Aggregation *a = opaque;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        const Member *member = a->members[i];

        if (member && member->usable && !mac_client_drained(member->client)) {
            return false;
        }
    }
    return true;
}

const MacProviderOps aggregation_provider_ops = {
    .transmit = transmit,
    .space = space,
    .drain_begin = drain_begin,
    .drained = drained,
};
