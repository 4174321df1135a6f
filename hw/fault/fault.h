/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault point registry of the machine
 *
 * The one place where device models meet the rule engine of
 * target-models/fault.  A model registers its points when it is realized
 * and asks sunder_fault_check() where a rule may apply; the registry
 * supplies virtual time, sends SUNDER_FAULT_FIRED, runs actions at their
 * time, serves the QMP commands and carries rules over a migration.
 *
 * All functions are called with the big QEMU lock held, except
 * sunder_fault_check(), fault_point_armed() and sunder_fault_now_ns(), which
 * any thread may call.  Actions and SunderFaultChanged come in the main
 * loop or a QMP command, with the big lock, whoever asked.
 *
 * The seed from which rules with a probability derive theirs is 0, or N
 * with "-device sunder-fault,seed=N" (in a -readconfig file: [device] with
 * driver = "sunder-fault").  It belongs to the machine's configuration and
 * does not travel with a migration.
 */
#ifndef SUNDER_HW_FAULT_H
#define SUNDER_HW_FAULT_H

#include "target-models/fault/fault.h"

/*
 * SunderFaultAction:
 * @opaque: as given when the point was added
 * @firing: the outcome, with the rule's value and duration
 *
 * Carries out an action on the device, once for each rule.  Called from
 * the main loop at the rule's @at_ns, or from the QMP command that adds a
 * rule without one.  It may remove points.  Never called again for an
 * action that happened before a migration: what it left behind is the
 * device's own state.
 */
typedef void SunderFaultAction(void *opaque, const FaultFiring *firing);

/*
 * SunderFaultChanged:
 *
 * The number of armed rules on the point changed from or to zero, or a
 * rule was added or removed, or rules came with a migration (perhaps
 * before the device's own state is loaded); the model may now interpose
 * or step aside.  It must not add or remove points or rules.
 *
 * A removal is told twice: first with the rule that is about to go as
 * @removed, while it still counts, then with NULL.  NULL in every other
 * case.  Not called for rules that go together with their point.
 */
typedef void SunderFaultChanged(void *opaque, FaultPoint *point,
                                const FaultRule *removed);

/*
 * SunderFaultPointInfo: what a model says of a point
 *
 * @name is copied; the rest must stay valid until the point is removed.
 * Either function may be NULL.
 */
typedef struct SunderFaultPointInfo {
    const char *name;
    uint64_t length;
    const FaultOutcome *outcomes;
    SunderFaultAction *action;
    SunderFaultChanged *changed;
    void *opaque;
} SunderFaultPointInfo;

/*
 * sunder_fault_point_add:
 *
 * The outcomes must not name an action when there is no function for it.
 * Rules that came with a migration and waited for this name are on the
 * point when this returns, without a call of @changed: look at @armed.
 *
 * Returns: the point, or NULL with @errp set when the name is taken.
 */
FaultPoint *sunder_fault_point_add(const SunderFaultPointInfo *info,
                                   Error **errp);

/*
 * sunder_fault_point_remove:
 *
 * Removes @point with its rules and pending actions; it is freed when all
 * threads that may have found it are out of RCU.  NULL is ignored.
 */
void sunder_fault_point_remove(FaultPoint *point);

/*
 * sunder_fault_check:
 *
 * Asks the rules of an armed @point about one access at the present
 * virtual time and announces each that fires.  Any thread; one without the
 * big lock must have found the point within the RCU read section that it is
 * in, and if it is removed meanwhile nothing fires.  Without the big lock,
 * @rule and @point of a firing may be gone when this returns; @outcome,
 * which is the model's own, and the numbers stay.
 *
 * While no rule is armed on it a point costs one load and a branch; a lock
 * is taken only here.
 *
 * Returns: the number of firings, in order of application.
 */
unsigned sunder_fault_check(FaultPoint *point, FaultOperation operation,
                            uint64_t offset, uint32_t size,
                            FaultFiring firings[FAULT_MAX_FIRINGS]);

/* The present virtual time in nanoseconds, never negative. */
uint64_t sunder_fault_now_ns(void);

#endif
