/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: an aggregation for each group of several ports, its timer, and
 * what QMP is told of ports and policies.
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "system/runstate.h"

/* IEEE 802.1AX, 6.4: the lowest, so that a switch decides. */
#define LACP_SYSTEM_PRIORITY    65535
/* How soon it is seen that frames have drained, for the event. */
#define MOVE_LOOK_NS            (1 * SCALE_MS)
/* Of an aggregation's state: 32 members with LACP are some 10 KiB. */
#define STATE_MAX               (256 * KiB)

/* A MacPortStats is numbers of one kind. */
#define N_COUNTERS  (sizeof(MacPortStats) / sizeof(uint64_t))

/* What was told last, and what is to be told. */
struct NicWatch {
    NicGroup *group;
    VMChangeStateEntry *entry;
    bool adaptive;
    NicPolicy policy;           /* told last */
    bool judging;               /* a command's effect is to be told */
    NicPolicy from;
    double before;
    uint64_t since;             /* intervals, when it was carried out */
    uint64_t counters[N_COUNTERS];      /* of its port, while in transit */
    uint8_t *state;
    uint32_t state_size;
};

static const NicPolicy policies[] = {
    [SUNDER_NIC_POLICY_L2] = NIC_POLICY_L2,
    [SUNDER_NIC_POLICY_L3] = NIC_POLICY_L3,
    [SUNDER_NIC_POLICY_L4] = NIC_POLICY_L4,
    [SUNDER_NIC_POLICY_L2L3] = NIC_POLICY_L2_L3,
    [SUNDER_NIC_POLICY_L2L4] = NIC_POLICY_L2_L4,
    [SUNDER_NIC_POLICY_L3L4] = NIC_POLICY_L3_L4,
    [SUNDER_NIC_POLICY_L2L3L4] = NIC_POLICY_L2_L3_L4,
    [SUNDER_NIC_POLICY_ROUND_ROBIN] = NIC_POLICY_ROUND_ROBIN,
    [SUNDER_NIC_POLICY_BUCKETS] = NIC_POLICY_BUCKETS,
};

SunderNicPolicy nic_group_policy(NicPolicy policy)
{
    unsigned i = 0;

    while (i < G_N_ELEMENTS(policies) - 1 && policies[i] != policy) {
        i++;
    }
    return i;
}

/* --- events ------------------------------------------------------------ */

static NicGroup *group_of(const NicPort *port, unsigned *member)
{
    NicCard *card = port->card;

    for (unsigned i = 0; i < card->n_groups; i++) {
        for (unsigned j = 0; j < card->groups[i].n_ports; j++) {
            if (card->groups[i].ports[j] == port) {
                *member = j;
                return &card->groups[i];
            }
        }
    }
    return NULL;
}

void nic_port_tell(NicPort *port)
{
    unsigned number;
    NicGroup *group = group_of(port, &number);
    AggregationMember member = { .usable = false };
    bool has_active = group && group->aggregation &&
                      aggregation_member(group->aggregation, number, &member);
    bool up = mac_port_link(port->mac)->up;

    if (up == port->told_up && member.usable == port->told_active) {
        return;
    }
    port->told_up = up;
    port->told_active = member.usable;
    if (DEVICE(port->card)->realized) {
        qapi_event_send_sunder_nic_port_changed(port->card->id, port->name,
                                                up, has_active,
                                                member.usable, nic_now());
    }
}

static void tell_policy(NicGroup *group, NicPolicy from, NicPolicy to,
                        bool adaptive, double before, const double *after)
{
    qapi_event_send_sunder_nic_policy_changed(
        group->card->id, group->name, nic_group_policy(from),
        nic_group_policy(to), adaptive, before, after != NULL,
        after ? *after : 0, nic_now());
}

double nic_group_spread(const NicGroup *group)
{
    uint64_t load[NIC_MAX_PORTS];
    AggregationMember member;
    unsigned n = 0;

    for (unsigned i = 0; i < group->n_ports; i++) {
        if (aggregation_member(group->aggregation, i, &member) &&
            member.usable) {
            load[n++] = member.interval.load;
        }
    }
    return selector_spread(load, n);
}

/* The interval in which a command was carried out is not a whole one. */
static void judge(NicGroup *group, const AggregationStatus *status)
{
    NicWatch *w = group->watch;
    double after;

    if (!w->judging || status->intervals < w->since + 2) {
        return;
    }
    after = nic_group_spread(group);
    if (after > 0) {
        w->judging = false;
        tell_policy(group, w->from, w->policy, false, w->before, &after);
    }
}

/* What the aggregation does not tell by itself: trials, and their end. */
static void look(NicGroup *group)
{
    NicWatch *w = group->watch;
    AggregationStatus status;

    aggregation_status(group->aggregation, &status);
    if (status.policy != w->policy) {
        tell_policy(group, w->policy, status.policy, true, status.spread,
                    NULL);
        w->policy = status.policy;
        w->judging = false;
    }
    judge(group, &status);
    for (unsigned i = 0; i < group->n_ports; i++) {
        nic_port_tell(group->ports[i]);
    }
}

static void policy_changed(void *opaque, const AggregationChange *change)
{
    NicGroup *group = opaque;
    NicWatch *w = group->watch;
    AggregationStatus status;

    if (change->reason == AGGREGATION_REASON_SPREAD) {
        if (w->policy != change->to) {
            tell_policy(group, w->policy, change->to, true, change->before,
                        NULL);
        }
        tell_policy(group, change->from, change->to, true, change->before,
                    &change->after);
    } else {
        aggregation_status(group->aggregation, &status);
        tell_policy(group, change->from, change->to, false, change->before,
                    NULL);
        w->judging = true;
        w->from = change->from;
        w->before = change->before;
        w->since = status.intervals;
    }
    w->policy = change->to;
}

/* --- its timer --------------------------------------------------------- */

static void arm(NicGroup *group)
{
    uint64_t deadline = aggregation_deadline(group->aggregation);
    AggregationStatus status;

    if (deadline == NIC_NO_DEADLINE) {
        timer_del(group->timer);
        return;
    }
    aggregation_status(group->aggregation, &status);
    if (status.moving) {
        deadline = MIN(deadline, nic_now() + MOVE_LOOK_NS);
    }
    timer_mod(group->timer, MIN(deadline, INT64_MAX));
}

static void rearm(void *opaque)
{
    NicGroup *group = opaque;

    /* its members come while it is made */
    if (group->aggregation) {
        arm(group);
        look(group);
    }
}

static const AggregationOps aggregation_ops = {
    .policy_changed = policy_changed,
    .rearm = rearm,
};

static void timer_due(void *opaque)
{
    NicGroup *group = opaque;

    aggregation_run(group->aggregation, nic_now());
    look(group);
    arm(group);
}

/* A machine that stands still neither speaks LACP nor measures. */
static void vm_state_changed(void *opaque, bool running, RunState state)
{
    NicGroup *group = opaque;

    aggregation_set_running(group->aggregation, running, nic_now());
    arm(group);
}

/* --- commands ---------------------------------------------------------- */

void nic_group_set_policy(NicGroup *group, SunderNicPolicy policy)
{
    aggregation_set_policy(group->aggregation, policies[policy], nic_now());
    arm(group);
}

void nic_group_set_adaptive(NicGroup *group, bool adaptive)
{
    group->watch->adaptive = adaptive;
    aggregation_set_adaptive(group->aggregation, adaptive);
}

bool nic_group_is_adaptive(const NicGroup *group)
{
    return group->watch->adaptive;
}

/* --- its life ---------------------------------------------------------- */

static void make_config(const NicGroup *group, AggregationConfig *config)
{
    const NicCard *card = group->card;
    uint64_t address = nic_address_get(card->mac_address.a);

    aggregation_config_init(config);
    config->policy = policies[card->policy];
    config->selector.adaptive = card->adaptive;
    config->selector.threshold = card->threshold;
    config->interval_ns = (uint64_t)card->interval_ms * SCALE_MS;
    config->seed = nic_mix(address, group->number);
    config->markers = card->markers;
    config->has_lacp = card->lacp != SUNDER_NIC_LACP_OFF;
    config->lacp = (LacpConfig){
        .system_priority = LACP_SYSTEM_PRIORITY,
        .system = address,
        .key = group->number + 1,
        .active = card->lacp == SUNDER_NIC_LACP_ACTIVE,
        .fast = card->lacp_fast,
    };
}

static bool add_members(NicGroup *group, Aggregation *a, GError **error)
{
    uint64_t address = nic_address_get(group->card->mac_address.a);

    for (unsigned i = 0; i < group->n_ports; i++) {
        NicPort *port = group->ports[i];

        if (aggregation_add_member(a, port->mac,
                                   (address + port->number) & NIC_BROADCAST,
                                   nic_now(), error) < 0) {
            return false;
        }
    }
    return true;
}

static Aggregation *make_aggregation(NicGroup *group, GError **error)
{
    AggregationConfig config;
    Aggregation *a;

    make_config(group, &config);
    a = aggregation_new(group->card->service, group->name, &config,
                        &aggregation_ops, group, nic_now(), error);
    if (!a) {
        return NULL;
    }
    /* its state may be still to come: it says nothing before that */
    aggregation_set_running(a, false, nic_now());
    if (!add_members(group, a, error)) {
        aggregation_free(a);
        return NULL;
    }
    return a;
}

bool nic_group_realize(NicCard *card, NicGroup *group, Error **errp)
{
    g_autoptr(GError) error = NULL;

    group->watch = g_new0(NicWatch, 1);
    group->watch->group = group;
    if (group->n_ports == 1) {
        group->mac = group->ports[0]->mac;
        return true;
    }
    group->aggregation = make_aggregation(group, &error);
    if (!group->aggregation) {
        error_setg(errp, "%s: %s", card->id, error->message);
        nic_group_unrealize(group);
        return false;
    }
    group->mac = aggregation_port(group->aggregation);
    group->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, timer_due, group);
    group->watch->adaptive = card->adaptive;
    group->watch->policy = policies[card->policy];
    group->watch->entry = qemu_add_vm_change_state_handler(vm_state_changed,
                                                           group);
    if (runstate_is_running()) {
        aggregation_set_running(group->aggregation, true, nic_now());
        arm(group);
    }
    return true;
}

void nic_group_unrealize(NicGroup *group)
{
    if (group->watch && group->watch->entry) {
        qemu_del_vm_change_state_handler(group->watch->entry);
    }
    g_clear_pointer(&group->timer, timer_free);
    g_clear_pointer(&group->aggregation, aggregation_free);
    g_clear_pointer(&group->watch, g_free);
    group->mac = NULL;
}

/* --- its state --------------------------------------------------------- */

static int watch_pre_save(void *opaque)
{
    NicWatch *w = opaque;
    GByteArray *bytes;

    g_clear_pointer(&w->state, g_free);
    w->state_size = 0;
    if (w->group->aggregation) {
        memcpy(w->counters, mac_port_stats(w->group->mac),
               sizeof(w->counters));
        bytes = aggregation_save(w->group->aggregation, nic_now());
        w->state_size = bytes->len;
        w->state = g_byte_array_free(bytes, FALSE);
    }
    return 0;
}

static int watch_post_save(void *opaque)
{
    NicWatch *w = opaque;

    g_clear_pointer(&w->state, g_free);
    return 0;
}

static int watch_pre_load(void *opaque)
{
    return watch_post_save(opaque);
}

static bool state_size_is_valid(void *opaque, int version_id)
{
    NicWatch *w = opaque;

    return w->state_size <= STATE_MAX;
}

/* What was told at the source is not told again. */
static void take_over(NicWatch *w)
{
    AggregationStatus status;
    MacPortStats stats;

    memcpy(&stats, w->counters, sizeof(stats));
    mac_port_set_stats(w->group->mac, &stats);
    aggregation_status(w->group->aggregation, &status);
    w->policy = status.policy;
    w->judging = false;
    aggregation_set_adaptive(w->group->aggregation, w->adaptive);
    arm(w->group);
}

static int watch_post_load(void *opaque, int version_id)
{
    NicWatch *w = opaque;
    const NicCard *card = w->group->card;
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *state = g_steal_pointer(&w->state);

    if (!w->group->aggregation != !w->state_size) {
        error_report("%s: the saved card has another layout", card->id);
        return -EINVAL;
    }
    if (!w->group->aggregation) {
        return 0;
    }
    if (!aggregation_load(w->group->aggregation, state, w->state_size,
                          nic_now(), &error)) {
        error_report("%s: %s", card->id, error->message);
        return -EINVAL;
    }
    take_over(w);
    return 0;
}

const VMStateDescription vmstate_nic_watch = {
    .name = "sunder-nic-aggregation",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = watch_pre_save,
    .post_save = watch_post_save,
    .pre_load = watch_pre_load,
    .post_load = watch_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(adaptive, NicWatch),
        VMSTATE_UINT64_ARRAY(counters, NicWatch, N_COUNTERS),
        VMSTATE_UINT32(state_size, NicWatch),
        VMSTATE_VALIDATE("size of an aggregation's state",
                         state_size_is_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, NicWatch, 0, NULL, state_size),
        VMSTATE_END_OF_LIST()
    },
};
