/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-nic: QMP commands. */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"

static const char *const receive_states[] = {
    [LACP_RECEIVE_PORT_DISABLED] = "port-disabled",
    [LACP_RECEIVE_EXPIRED] = "expired",
    [LACP_RECEIVE_DEFAULTED] = "defaulted",
    [LACP_RECEIVE_CURRENT] = "current",
};

static const char *const mux_states[] = {
    [LACP_MUX_DETACHED] = "detached",
    [LACP_MUX_WAITING] = "waiting",
    [LACP_MUX_ATTACHED] = "attached",
    [LACP_MUX_COLLECTING] = "collecting",
    [LACP_MUX_DISTRIBUTING] = "distributing",
};

G_STATIC_ASSERT(G_N_ELEMENTS(receive_states) == LACP_RECEIVE__MAX);
G_STATIC_ASSERT(G_N_ELEMENTS(mux_states) == LACP_MUX__MAX);

static char *format_address(const uint8_t *a)
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x",
                           a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- ports ------------------------------------------------------------- */

static uint64List *histogram(const uint64_t bins[NIC_CHAIN_BINS])
{
    uint64List *list = NULL;

    for (unsigned i = NIC_CHAIN_BINS; i; i--) {
        QAPI_LIST_PREPEND(list, bins[i - 1]);
    }
    return list;
}

static SunderNicChains *chains(const MacPortStats *stats)
{
    const NicChainStats *c = &stats->receive;
    SunderNicChains *info = g_new0(SunderNicChains, 1);

    info->chains = c->chains;
    info->sub_chains = c->sub_chains;
    info->packets = c->packets;
    info->bytes = c->bytes;
    info->lookups = stats->lookups;
    info->chain_length = histogram(c->chain_length);
    info->sub_chain_length = histogram(c->sub_chain_length);
    return info;
}

/* @wire: NULL for a port that is an aggregation. */
static SunderNicPort *port_info(const MacPort *mac, const NicPort *wire)
{
    const MacPortStats *stats = mac_port_stats(mac);
    SunderNicPort *info = g_new0(SunderNicPort, 1);

    info->name = g_strdup(mac_port_name(mac));
    if (wire && wire->backend_id && *wire->backend_id) {
        info->backend = g_strdup(wire->backend_id);
    }
    info->link_up = mac_port_link(mac)->up;
    info->speed_mbps = mac_port_link(mac)->speed_mbps;
    info->receive = chains(stats);
    info->transmit_packets = stats->transmit_packets;
    info->transmit_bytes = stats->transmit_bytes;
    info->receive_dropped = stats->receive_link_down + stats->unknown +
                            stats->not_accepted;
    info->transmit_dropped = stats->transmit_link_down;
    info->malformed = stats->malformed + stats->transmit_malformed;
    info->stopped = stats->stopped;
    info->paused = wire ? wire->pauses : 0;
    return info;
}

static SunderNicPortList *ports(NicCard *card)
{
    SunderNicPortList *list = NULL;

    for (unsigned i = card->n_groups; i; i--) {
        NicGroup *group = &card->groups[i - 1];

        if (group->aggregation) {
            QAPI_LIST_PREPEND(list, port_info(group->mac, NULL));
        }
    }
    for (unsigned i = card->n_ports; i; i--) {
        NicPort *port = &card->ports[i - 1];

        QAPI_LIST_PREPEND(list, port_info(port->mac, port));
    }
    return list;
}

/* --- functions --------------------------------------------------------- */

static void add_rings(SunderNicFunction *info, const NicFunction *f)
{
    for (unsigned i = 0; i < f->n_pairs; i++) {
        const NicRingStats *rx = &f->rx[i].stats, *tx = &f->tx[i].stats;

        info->polled |= f->rx[i].polled;
        info->receive_packets += rx->packets;
        info->receive_bytes += rx->bytes;
        info->receive_dropped += rx->dropped;
        info->receive_interrupts += rx->interrupts;
        info->receive_merged += rx->merged;
        info->transfers += rx->transfers;
        info->transmit_packets += tx->packets;
        info->transmit_bytes += tx->bytes;
        info->transmit_segmented += tx->segmented;
        info->transmit_interrupts += tx->interrupts;
    }
}

static SunderNicFunction *function_info(NicFunction *f)
{
    SunderNicFunction *info = g_new0(SunderNicFunction, 1);

    info->number = f->number;
    info->port = g_strdup(mac_port_name(f->group->mac));
    info->mac = format_address(f->mac);
    info->running = nic_function_is_running(f);
    info->broken = f->parent_obj.broken;
    info->queue_pairs = f->pairs;
    info->features = f->parent_obj.guest_features;
    info->direct = f->direct;
    info->bad_requests = f->bad_requests;
    add_rings(info, f);
    return info;
}

static SunderNicFunctionList *functions(NicCard *card)
{
    SunderNicFunctionList *list = NULL;

    for (unsigned i = card->n_functions; i; i--) {
        if (card->functions[i - 1]) {
            QAPI_LIST_PREPEND(list, function_info(card->functions[i - 1]));
        }
    }
    return list;
}

/* --- aggregations ------------------------------------------------------ */

static SunderNicLacpPort *lacp_info(const LacpPortStatus *status)
{
    SunderNicLacpPort *info = g_new0(SunderNicLacpPort, 1);
    uint8_t system[ETH_ALEN];

    nic_address_put(system, status->partner.system);
    info->receive_state = g_strdup(receive_states[status->receive]);
    info->mux_state = g_strdup(mux_states[status->mux]);
    info->actor_state = status->actor.state;
    info->partner_system = format_address(system);
    info->partner_key = status->partner.key;
    info->partner_port = status->partner.port;
    info->partner_state = status->partner.state;
    info->received = status->stats.lacpdus_received;
    info->sent = status->stats.lacpdus_sent;
    info->expired = status->stats.expired;
    return info;
}

static SunderNicMember *member_info(const AggregationMember *member)
{
    SunderNicMember *info = g_new0(SunderNicMember, 1);

    info->port = g_strdup(member->name);
    info->active = member->usable;
    info->packets = member->interval.packets;
    info->bytes = member->interval.bytes;
    info->lacp = member->has_lacp ? lacp_info(&member->lacp) : NULL;
    return info;
}

static SunderNicMemberList *members(NicGroup *group)
{
    SunderNicMemberList *list = NULL;
    AggregationMember member;

    for (unsigned i = group->n_ports; i; i--) {
        if (aggregation_member(group->aggregation, i - 1, &member)) {
            QAPI_LIST_PREPEND(list, member_info(&member));
        }
    }
    return list;
}

static SunderNicAggregation *aggregation_info(NicGroup *group)
{
    SunderNicAggregation *info = g_new0(SunderNicAggregation, 1);
    AggregationStatus status;

    aggregation_status(group->aggregation, &status);
    info->name = g_strdup(group->name);
    info->policy = nic_group_policy(status.policy);
    info->adaptive = nic_group_is_adaptive(group);
    info->threshold = group->card->threshold;
    info->interval_ns = (uint64_t)group->card->interval_ms * SCALE_MS;
    info->spread = nic_group_spread(group);
    info->changes = status.changes;
    info->moving = status.moving_buckets;
    info->lacp = group->card->lacp;
    info->members = members(group);
    return info;
}

static SunderNicAggregationList *aggregations(NicCard *card)
{
    SunderNicAggregationList *list = NULL;

    for (unsigned i = card->n_groups; i; i--) {
        if (card->groups[i - 1].aggregation) {
            QAPI_LIST_PREPEND(list, aggregation_info(&card->groups[i - 1]));
        }
    }
    return list;
}

/* --- commands ---------------------------------------------------------- */

static SunderNicInfo *card_info(NicCard *card)
{
    SunderNicInfo *info = g_new0(SunderNicInfo, 1);

    info->id = g_strdup(card->id);
    info->ports = ports(card);
    info->functions = functions(card);
    info->aggregations = aggregations(card);
    return info;
}

static gint by_id(gconstpointer a, gconstpointer b)
{
    return strcmp((*(NicCard *const *)a)->id, (*(NicCard *const *)b)->id);
}

static GPtrArray *sorted_cards(void)
{
    GPtrArray *list = g_ptr_array_new();
    NicCard *card;

    QLIST_FOREACH(card, &nic_cards, next) {
        g_ptr_array_add(list, card);
    }
    g_ptr_array_sort(list, by_id);
    return list;
}

/* There is no @name; @names are those that there are. */
static void not_found(Error **errp, const char *kind, const char *name,
                      GString *names)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "%s: no such %s; there %s %s", name, kind,
              names->len ? "are:" : "is", names->len ? names->str : "none");
}

static void append_name(GString *names, const char *name)
{
    g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
}

SunderNicInfoList *qmp_query_sunder_nic(const char *id, Error **errp)
{
    g_autoptr(GPtrArray) cards = sorted_cards();
    g_autoptr(GString) names = g_string_new(NULL);
    SunderNicInfoList *list = NULL, **tail = &list;

    if (cards->len == 0) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "this machine has no sunder-nic; start it with "
                  "-device sunder-nic");
        return NULL;
    }
    for (unsigned i = 0; i < cards->len; i++) {
        NicCard *card = g_ptr_array_index(cards, i);

        append_name(names, card->id);
        if (!id || g_str_equal(id, card->id)) {
            QAPI_LIST_APPEND(tail, card_info(card));
        }
    }
    if (!list) {
        not_found(errp, "card", id, names);
    }
    return list;
}

static NicGroup *find_aggregation(const char *name, Error **errp)
{
    g_autoptr(GPtrArray) cards = sorted_cards();
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < cards->len; i++) {
        NicCard *card = g_ptr_array_index(cards, i);

        for (unsigned j = 0; j < card->n_groups; j++) {
            NicGroup *group = &card->groups[j];

            if (!group->aggregation) {
                continue;
            }
            if (g_str_equal(group->name, name)) {
                return group;
            }
            append_name(names, group->name);
        }
    }
    not_found(errp, "aggregation", name, names);
    return NULL;
}

void qmp_sunder_nic_set_policy(const char *aggregation, bool has_policy,
                               SunderNicPolicy policy, bool has_adaptive,
                               bool adaptive, Error **errp)
{
    NicGroup *group = find_aggregation(aggregation, errp);

    if (!group) {
        return;
    }
    if (has_adaptive) {
        nic_group_set_adaptive(group, adaptive);
    }
    if (has_policy) {
        nic_group_set_policy(group, policy);
    }
}
