/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault point registry: the machine's engine, its points and its clock.
 *
 * An action waits for its virtual time in the engine, not in a timer of
 * its own: one timer stands at the earliest of them and is worked out
 * anew whenever rules change, so there is nothing to keep in step when a
 * device goes or a state is loaded.
 *
 * The engine has a lock of its own, because devices with I/O threads check
 * accesses without the big one.  What they bring about that models want to
 * know is told by a bottom half.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/system.h"
#include "hw/fault/registry.h"
#include "hw/trace.h"

static FaultEngine *engine;
static GHashTable *point_infos;     /* FaultPoint -> SunderFaultPointInfo */
static QEMUTimer *action_timer;
static QEMUBH *changed_bh;

QemuMutex sunder_fault_mutex;

uint64_t sunder_fault_now_ns(void)
{
    return MAX(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), 0);
}

FaultEngine *sunder_fault_engine(void)
{
    if (!engine) {
        engine = fault_engine_new(0);
        point_infos = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    return engine;
}

static SunderFaultPointInfo *point_info(FaultPoint *point)
{
    return g_hash_table_lookup(point_infos, point);
}

static void tell_changed(FaultPoint *point, const FaultRule *removed)
{
    SunderFaultPointInfo *info = point ? point_info(point) : NULL;

    if (info && info->changed) {
        info->changed(info->opaque, point, removed);
    }
}

static void announce(const FaultFiring *firing)
{
    bool read = firing->operation == FAULT_OP_READ;
    bool access = firing->outcome->kind != FAULT_KIND_ACTION;

    trace_sunder_fault_fire(fault_rule_id(firing->rule), firing->point->name,
                            firing->outcome->name, firing->seq,
                            firing->now_ns);
    qapi_event_send_sunder_fault_fired(
        fault_rule_id(firing->rule), firing->point->name, firing->seq,
        firing->now_ns, firing->outcome->name,
        firing->operation != FAULT_OP_ANY,
        read ? SUNDER_FAULT_OPERATION_READ : SUNDER_FAULT_OPERATION_WRITE,
        access && firing->point->length, firing->offset,
        access && firing->size, firing->size);
}

static void add_to_array(FaultPoint *point, void *opaque)
{
    g_ptr_array_add(opaque, point);
}

static void tell_all_changed(void)
{
    g_autoptr(GPtrArray) points = g_ptr_array_new();

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        fault_engine_foreach_point(engine, add_to_array, points);
    }
    for (unsigned i = 0; i < points->len; i++) {
        tell_changed(g_ptr_array_index(points, i), NULL);
    }
}

static void run_changed(void *opaque)
{
    tell_all_changed();
}

/* With the lock: the rules, whose ids are told, must not go. */
static unsigned check_and_announce(FaultPoint *point,
                                   const FaultAccess *access,
                                   FaultFiring *firings)
{
    unsigned n = fault_engine_check(engine, point, access, firings);

    for (unsigned i = 0; i < n; i++) {
        announce(&firings[i]);
    }
    return n;
}

unsigned sunder_fault_check(FaultPoint *point, FaultOperation operation,
                            uint64_t offset, uint32_t size,
                            FaultFiring firings[FAULT_MAX_FIRINGS])
{
    FaultAccess access = {
        .operation = operation,
        .offset = offset,
        .size = size,
        .now_ns = sunder_fault_now_ns(),
    };
    bool spent = false;
    unsigned n = 0;

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        n = check_and_announce(point, &access, firings);
        spent = n && !fault_point_armed(point);
    }
    if (spent && bql_locked()) {
        tell_changed(point, NULL);
    } else if (spent) {
        qemu_bh_schedule(changed_bh);
    }
    return n;
}

/* Neither the rule nor its point may be touched after this. */
static void fire(FaultRule *rule)
{
    SunderFaultPointInfo *info = point_info(fault_rule_point(rule));
    FaultFiring firing;
    bool fired = false;

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        fired = fault_engine_fire_action(engine, rule, sunder_fault_now_ns(),
                                         &firing);
        if (fired) {
            announce(&firing);
        }
    }
    if (fired) {
        info->action(info->opaque, &firing);
    }
}

static bool is_pending_action(const FaultRule *rule)
{
    const FaultOutcome *outcome = fault_rule_outcome(rule);

    return fault_rule_point(rule) && outcome->kind == FAULT_KIND_ACTION &&
           !fault_rule_spent(rule);
}

static uint64_t action_time(const FaultRule *rule)
{
    const FaultRuleSpec *spec = fault_rule_spec(rule);

    return spec->has_at ? spec->at_ns : 0;
}

static void find_earliest(FaultRule *rule, void *opaque)
{
    FaultRule **earliest = opaque;

    if (is_pending_action(rule) &&
        (!*earliest || action_time(rule) < action_time(*earliest))) {
        *earliest = rule;
    }
}

/* Of several for the same time, the one added first. */
static FaultRule *earliest_action(void)
{
    FaultRule *earliest = NULL;

    QEMU_LOCK_GUARD(&sunder_fault_mutex);
    fault_engine_foreach_rule(engine, find_earliest, &earliest);
    return earliest;
}

static void run_actions(void *opaque);

static void schedule_actions(void)
{
    FaultRule *next = earliest_action();

    if (!next) {
        if (action_timer) {
            timer_del(action_timer);
        }
        return;
    }
    if (!action_timer) {
        action_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, run_actions, NULL);
    }
    timer_mod_ns(action_timer, MIN(action_time(next), INT64_MAX));
}

static void run_actions(void *opaque)
{
    FaultRule *rule;

    while ((rule = earliest_action()) &&
           action_time(rule) <= sunder_fault_now_ns()) {
        fire(rule);
    }
    schedule_actions();
}

static void require_action_function(const SunderFaultPointInfo *info)
{
    for (const FaultOutcome *o = info->outcomes; o->name; o++) {
        g_assert(o->kind != FAULT_KIND_ACTION || info->action);
    }
}

FaultPoint *sunder_fault_point_add(const SunderFaultPointInfo *info,
                                   Error **errp)
{
    g_autoptr(GError) error = NULL;
    FaultPoint *point = NULL;
    SunderFaultPointInfo *copy;

    require_action_function(info);
    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        point = fault_engine_add_point(sunder_fault_engine(), info->name,
                                       info->length, info->outcomes,
                                       info->opaque, &error);
    }
    if (!point) {
        error_setg(errp, "%s", error->message);
        return NULL;
    }
    copy = g_memdup2(info, sizeof(*info));
    copy->name = point->name;
    g_hash_table_insert(point_infos, point, copy);
    schedule_actions();
    return point;
}

/* A point that other threads may still ask about */
typedef struct RemovedPoint {
    struct rcu_head rcu;
    FaultPoint *point;
} RemovedPoint;

static void free_removed(RemovedPoint *removed)
{
    fault_point_free(removed->point);
    g_free(removed);
}

void sunder_fault_point_remove(FaultPoint *point)
{
    RemovedPoint *removed;

    if (!point) {
        return;
    }
    g_hash_table_remove(point_infos, point);
    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        fault_engine_unlink_point(engine, point);
    }
    schedule_actions();
    removed = g_new(RemovedPoint, 1);
    removed->point = point;
    call_rcu(removed, free_removed, rcu);
}

char *sunder_fault_rule_add(const FaultRuleSpec *spec, GError **error)
{
    g_autofree char *id = NULL;
    FaultRule *rule = NULL;

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        rule = fault_engine_add_rule(sunder_fault_engine(), spec, error);
    }
    if (!rule) {
        return NULL;
    }
    id = g_strdup(fault_rule_id(rule));
    trace_sunder_fault_add(id, spec->point, spec->outcome);
    tell_changed(fault_rule_point(rule), NULL);
    if (is_pending_action(rule) &&
        action_time(rule) <= sunder_fault_now_ns()) {
        fire(rule);
    }
    schedule_actions();
    return g_steal_pointer(&id);
}

bool sunder_fault_rule_remove(const char *id, GError **error)
{
    FaultRule *rule = fault_engine_find_rule(sunder_fault_engine(), id);
    FaultPoint *point = rule ? fault_rule_point(rule) : NULL;
    bool removed = false;

    tell_changed(point, rule);
    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        removed = fault_engine_remove_rule(engine, id, error);
    }
    if (!removed) {
        return false;
    }
    trace_sunder_fault_remove(id);
    tell_changed(point, NULL);
    schedule_actions();
    return true;
}

bool sunder_fault_load(const uint8_t *data, size_t size, GError **error)
{
    bool loaded = false;

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        loaded = fault_engine_load(sunder_fault_engine(), data, size, error);
    }
    if (!loaded) {
        return false;
    }
    tell_all_changed();
    schedule_actions();
    return true;
}

/*
 * Once the machine is there, so that the rules come behind the state of
 * the devices that they are for, wherever the machine has them from the
 * start.
 */
static void machine_done(Notifier *notifier, void *data)
{
    changed_bh = qemu_bh_new(run_changed, NULL);
    sunder_fault_vmstate_register();
}

static Notifier machine_done_notifier = { .notify = machine_done };

static void registry_init(void)
{
    qemu_mutex_init(&sunder_fault_mutex);
    qemu_add_machine_init_done_notifier(&machine_done_notifier);
}

type_init(registry_init)
