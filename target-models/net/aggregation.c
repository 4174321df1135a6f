/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link aggregation: its life, its members' coming and going, its status. */
#include "aggregation-internal.h"

#include <string.h>

#define MS              UINT64_C(1000000)
#define SECOND          UINT64_C(1000000000)
#define LACP_PRIORITY   255     /* IEEE 802.1AX asks for none in particular */

G_DEFINE_QUARK(sunder-aggregation-error-quark, aggregation_error)

void aggregation_config_init(AggregationConfig *config)
{
    *config = (AggregationConfig){
        .policy = NIC_POLICY_L2,
        .interval_ns = SECOND,
        .drain_ns = 100 * MS,
        .marker_ns = 50 * MS,
    };
    selector_config_init(&config->selector);
}

static bool check_config(const char *name, const AggregationConfig *c,
                         GError **error)
{
    const char *wrong = NULL;

    if (c->policy <= 0 || c->policy >= NIC_POLICY__MAX) {
        wrong = "there is no such policy";
    } else if (c->interval_ns < MS) {
        wrong = "an interval has at least 1 ms";
    } else if (c->markers && !c->has_lacp) {
        wrong = "markers need LACP; turn it on";
    } else if (c->has_lacp && c->lacp.key > AGGREGATION_MAX_KEY) {
        wrong = "the key of LACP is at most 4095";
    }
    if (wrong) {
        g_set_error(error, AGGREGATION_ERROR, AGGREGATION_ERROR_CONFIG,
                    "%s: %s", name, wrong);
        return false;
    }
    return selector_config_check(&c->selector, error);
}

void aggregation_rearm(Aggregation *a)
{
    if (a->ops && a->ops->rearm) {
        a->ops->rearm(a->opaque);
    }
}

Aggregation *aggregation_new(MacService *service, const char *name,
                             const AggregationConfig *config,
                             const AggregationOps *ops, void *opaque,
                             uint64_t now_ns, GError **error)
{
    Aggregation *a;

    if (!check_config(name, config, error)) {
        return NULL;
    }
    a = g_new0(Aggregation, 1);
    a->port = mac_port_publish(service, name, &aggregation_provider_ops, a,
                               error);
    if (!a->port) {
        g_free(a);
        return NULL;
    }
    a->service = service;
    a->config = *config;
    a->ops = ops;
    a->opaque = opaque;
    a->policy = config->policy;
    a->now_ns = a->interval_start_ns = now_ns;
    memset(a->map, AGGREGATION_NO_MEMBER, sizeof(a->map));
    memcpy(a->tried_from, a->map, sizeof(a->map));
    selector_init(&a->selector, &config->selector, config->policy);
    if (config->has_lacp) {
        a->lacp = lacp_system_new(&config->lacp);
    }
    return a;
}

void aggregation_free(Aggregation *a)
{
    if (!a) {
        return;
    }
    a->ops = NULL;
    mac_port_withdraw(a->port);
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (a->members[i]) {
            mac_client_detach(a->members[i]->client);
            g_free(a->members[i]);
        }
    }
    lacp_system_free(a->lacp);
    g_free(a->shadow);
    g_free(a);
}

MacPort *aggregation_port(Aggregation *a)
{
    return a->port;
}

static int free_number(const Aggregation *a, const char *port, GError **error)
{
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (!a->members[i]) {
            return i;
        }
    }
    g_set_error(error, AGGREGATION_ERROR, AGGREGATION_ERROR_MEMBER,
                "%s: port %s would be member %d; %d is the most",
                mac_port_name(a->port), port, AGGREGATION_MAX_MEMBERS + 1,
                AGGREGATION_MAX_MEMBERS);
    return -1;
}

int aggregation_add_member(Aggregation *a, MacPort *port, uint64_t address,
                           uint64_t now_ns, GError **error)
{
    int number = free_number(a, mac_port_name(port), error);
    g_autofree Member *member = g_new0(Member, 1);
    MacFilter filter;

    if (number < 0) {
        return -1;
    }
    mac_filter_init(&filter, address);
    filter.promiscuous = true;
    member->aggregation = a;
    member->number = number;
    member->port = port;
    member->client = mac_client_attach(port, &filter, a->port,
                                       &aggregation_client_ops, member,
                                       error);
    if (!member->client) {
        return -1;
    }
    a->now_ns = now_ns;
    if (a->lacp) {
        member->lacp = lacp_port_add(a->lacp, number + 1, LACP_PRIORITY,
                                     address, NULL);
    }
    a->members[number] = g_steal_pointer(&member);
    aggregation_follow_link(a->members[number]);
    aggregation_update_members(a);
    aggregation_run_lacp(a);
    return number;
}

bool aggregation_remove_member(Aggregation *a, unsigned number,
                               uint64_t now_ns, GError **error)
{
    Member *member = number < AGGREGATION_MAX_MEMBERS ? a->members[number]
                                                      : NULL;

    if (!member) {
        g_set_error(error, AGGREGATION_ERROR, AGGREGATION_ERROR_MEMBER,
                    "%s: there is no member %u", mac_port_name(a->port),
                    number);
        return false;
    }
    a->now_ns = now_ns;
    mac_client_detach(member->client);
    aggregation_drop_member(member);
    return true;
}

void aggregation_set_policy(Aggregation *a, NicPolicy policy,
                            uint64_t now_ns)
{
    uint8_t map[AGGREGATION_BUCKETS];

    a->now_ns = now_ns;
    selector_set_policy(&a->selector, policy);
    g_clear_pointer(&a->shadow, g_free);
    if (policy == a->policy && !a->move.active) {
        return;
    }
    memcpy(map, a->map, sizeof(map));
    if (policy != NIC_POLICY_BUCKETS) {
        aggregation_map_even(map, a->usable);
    }
    a->has_change = policy != a->policy;
    a->change = (AggregationChange){
        a->policy, policy, AGGREGATION_REASON_COMMAND, a->selector.spread, 0
    };
    aggregation_move_begin(a, policy, map);
    aggregation_rearm(a);
}

void aggregation_set_adaptive(Aggregation *a, bool adaptive)
{
    a->selector.config.adaptive = adaptive;
}

void aggregation_set_running(Aggregation *a, bool running, uint64_t now_ns)
{
    a->stopped = !running;
    if (running) {
        aggregation_run(a, now_ns);
        aggregation_rearm(a);
    }
}

void aggregation_run(Aggregation *a, uint64_t now_ns)
{
    a->now_ns = now_ns;
    if (a->stopped) {
        return;
    }
    aggregation_move_run(a);
    if (a->lacp) {
        lacp_system_run(a->lacp, now_ns);
        aggregation_run_lacp(a);
    }
    if (now_ns - a->interval_start_ns >= a->config.interval_ns) {
        aggregation_end_interval(a);
    }
}

uint64_t aggregation_deadline(const Aggregation *a)
{
    uint64_t deadline = a->interval_start_ns + a->config.interval_ns;

    if (a->stopped) {
        return NIC_NO_DEADLINE;
    }
    deadline = MIN(deadline, aggregation_move_deadline(a));
    if (a->lacp) {
        deadline = MIN(deadline, lacp_system_deadline(a->lacp));
    }
    return deadline;
}

void aggregation_status(const Aggregation *a, AggregationStatus *status)
{
    *status = a->count;
    status->policy = a->policy;
    status->trying = a->selector.trying;
    status->moving = a->move.active;
    status->moving_buckets = a->move.active ? aggregation_move_count(&a->move)
                                            : 0;
    status->spread = a->selector.spread;
    status->n_usable = __builtin_popcount(a->usable);
    status->changes = a->selector.changes;
    status->reverts = a->selector.reverts;
    memcpy(status->map, a->map, sizeof(a->map));
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        status->n_members += a->members[i] != NULL;
    }
}

static unsigned count_buckets(const Aggregation *a, unsigned number)
{
    unsigned n = 0;

    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        n += a->map[i] == number;
    }
    return n;
}

static uint64_t rate(uint64_t count, uint64_t ns)
{
    return (double)count * SECOND / ns;
}

bool aggregation_member(const Aggregation *a, unsigned number,
                        AggregationMember *out)
{
    const Member *m = number < AGGREGATION_MAX_MEMBERS ? a->members[number]
                                                       : NULL;
    uint64_t ns = MAX(a->interval_ns, 1);

    if (!m) {
        return false;
    }
    *out = (AggregationMember){
        .name = mac_port_name(m->port),
        .usable = m->usable,
        .link_up = mac_port_link(m->port)->up,
        .buckets = count_buckets(a, number),
        .total = {
            m->total.packets + m->now.packets,
            m->total.bytes + m->now.bytes,
            m->total.load + m->now.load,
        },
        .interval = m->interval,
        .packets_per_second = rate(m->interval.packets, ns),
        .bytes_per_second = rate(m->interval.bytes, ns),
        .received = m->received,
        .not_collecting = m->not_collecting,
        .has_lacp = m->lacp,
    };
    if (m->lacp) {
        lacp_port_status(m->lacp, &out->lacp);
    }
    return true;
}
