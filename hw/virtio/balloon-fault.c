/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: its fault points
 *
 * ID/sweep is asked when a sweep starts.  ID/driver is asked when the driver is
 * to see a new target (a read), and for each inflate request (a write).
 */
#include "qemu/osdep.h"
#include "hw/virtio/balloon.h"

/* Page numbers that no machine has: 8 TiB and up. */
#define NOWHERE 0x80000000u

enum {
    DELAYED,
    DISCARD_INVALID,
    DISCARD_NO_MEMORY,
    GUARD_REFUSED,
    NEVER_ANSWERS,
    WRONG_PFNS,
};

static const FaultOutcome sweep_outcomes[] = {
    { "delayed", FAULT_KIND_DELAY, FAULT_PARAM_NONE, FAULT_PARAM_REQUIRED,
      FAULT_OP_ANY, DELAYED,
      "the sweep waits for the duration, in host time, before it looks at "
      "anything" },
    { "discard-invalid", FAULT_KIND_ANSWER, FAULT_PARAM_NONE,
      FAULT_PARAM_NONE, FAULT_OP_ANY, DISCARD_INVALID,
      "the host refuses to take memory back, as with locked memory (EINVAL)" },
    { "discard-no-memory", FAULT_KIND_ANSWER, FAULT_PARAM_NONE,
      FAULT_PARAM_NONE, FAULT_OP_ANY, DISCARD_NO_MEMORY,
      "the host has no memory left to take memory back (ENOMEM)" },
    { "guard-refused", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_ANY, GUARD_REFUSED,
      "the host refuses userfaultfd; the machine is paused instead where "
      "sweep-guard is auto" },
    { NULL }
};

static const FaultOutcome driver_outcomes[] = {
    { "never-answers", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_READ, NEVER_ANSWERS,
      "the driver does not see the new target until the rule is removed "
      "or another target is set" },
    { "wrong-pfns", FAULT_KIND_VALUE, FAULT_PARAM_OPTIONAL, FAULT_PARAM_NONE,
      FAULT_OP_WRITE, WRONG_PFNS,
      "the request names the pages from number value on (default: behind "
      "all memory); the guest loses what they hold" },
    { NULL }
};

static void apply_to_sweep(SunderSweepRequest *request,
                           const FaultFiring *firing)
{
    switch (firing->outcome->code) {
    case DELAYED:
        request->fault_delay_ns += firing->duration_ns;
        break;
    case DISCARD_INVALID:
        request->fault_discard_errno = EINVAL;
        break;
    case DISCARD_NO_MEMORY:
        request->fault_discard_errno = ENOMEM;
        break;
    case GUARD_REFUSED:
        request->fault_refuse_guard = true;
        break;
    default:
        g_assert_not_reached();
    }
}

void balloon_fault_sweep(SunderBalloon *b, SunderSweepRequest *request)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    unsigned n;

    if (!fault_point_armed(b->sweep_point)) {
        return;
    }
    n = sunder_fault_check(b->sweep_point, FAULT_OP_ANY, 0, 0, firings);
    for (unsigned i = 0; i < n; i++) {
        apply_to_sweep(request, &firings[i]);
    }
}

bool balloon_fault_withholds(SunderBalloon *b)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];

    return fault_point_armed(b->driver_point) &&
           sunder_fault_check(b->driver_point, FAULT_OP_READ, 0, 0, firings);
}

bool balloon_fault_lies(SunderBalloon *b, uint32_t *first)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    unsigned n;

    if (!fault_point_armed(b->driver_point)) {
        return false;
    }
    n = sunder_fault_check(b->driver_point, FAULT_OP_WRITE, 0, 0, firings);
    if (n) {
        *first = firings[0].has_value ? firings[0].value : NOWHERE;
    }
    return n != 0;
}

/* A driver that answers again sees the target. */
static void driver_rules_changed(void *opaque, FaultPoint *point,
                                 const FaultRule *removed)
{
    SunderBalloon *b = opaque;

    if (b->withheld && removed &&
        fault_rule_outcome(removed)->code == NEVER_ANSWERS) {
        balloon_show_target(b);
    }
}

static FaultPoint *add_point(SunderBalloon *b, const char *name,
                             const FaultOutcome *outcomes,
                             SunderFaultChanged *changed, Error **errp)
{
    g_autofree char *path = g_strdup_printf("%s/%s", b->id, name);
    SunderFaultPointInfo info = {
        .name = path,
        .outcomes = outcomes,
        .changed = changed,
        .opaque = b,
    };

    return sunder_fault_point_add(&info, errp);
}

bool balloon_fault_realize(SunderBalloon *b, Error **errp)
{
    b->sweep_point = add_point(b, "sweep", sweep_outcomes, NULL, errp);
    if (!b->sweep_point) {
        return false;
    }
    b->driver_point = add_point(b, "driver", driver_outcomes,
                                driver_rules_changed, errp);
    if (!b->driver_point) {
        balloon_fault_unrealize(b);
        return false;
    }
    return true;
}

void balloon_fault_unrealize(SunderBalloon *b)
{
    sunder_fault_point_remove(b->driver_point);
    sunder_fault_point_remove(b->sweep_point);
    b->driver_point = NULL;
    b->sweep_point = NULL;
}
