/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: invalidations, those that a fault takes or holds back, and
 * the sweep that keeps the ledger
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/trace.h"
#include "qapi/error.h"
#include "qemu/rcu.h"

/* A step of the sweep, a few tens of microseconds, once in that time. */
#define SWEEP_ENTRIES   4096
#define SWEEP_NS        SCALE_MS

enum { OUTCOME_LOST, OUTCOME_DELAYED };

static const FaultOutcome invalidation_outcomes[] = {
    {
        .name = "lost",
        .kind = FAULT_KIND_ANSWER,
        .code = OUTCOME_LOST,
        .help = "the invalidation is acknowledged and never carried out",
    }, {
        .name = "delayed",
        .kind = FAULT_KIND_DELAY,
        .duration = FAULT_PARAM_REQUIRED,
        .code = OUTCOME_DELAYED,
        .help = "it is acknowledged at once and carried out duration later",
    },
    { }
};

static void run_sweep(void *opaque)
{
    SunderIommu *s = opaque;

    RCU_READ_LOCK_GUARD();
    s->swept_ns = sunder_fault_now_ns();
    if (paging_table_sweep(s->table, SWEEP_ENTRIES)) {
        timer_mod_ns(s->sweep_timer, s->swept_ns + SWEEP_NS);
    }
}

static void schedule_sweep(SunderIommu *s, uint64_t now_ns)
{
    if (paging_table_needs_sweep(s->table) &&
        !timer_pending(s->sweep_timer)) {
        timer_mod_ns(s->sweep_timer, MAX(s->swept_ns + SWEEP_NS, now_ns));
    }
}

void iommu_sweep_all(SunderIommu *s)
{
    RCU_READ_LOCK_GUARD();
    paging_table_sweep(s->table, UINT_MAX);
}

void iommu_invalidate(SunderIommu *s, const PagingInvalidation *invalidation)
{
    uint64_t now_ns;

    s->invalidations++;
    if (!iommu_checks(s)) {
        return;
    }
    now_ns = sunder_fault_now_ns();
    RCU_READ_LOCK_GUARD();
    paging_table_invalidate(s->table, invalidation, now_ns);
    schedule_sweep(s, now_ns);
}

/*
 * The parent has an invalidation of its own that only its registers reach.
 */
static void invalidate_parent(SunderIommu *s, const PagingInvalidation *i)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    bool qi_enabled = v->qi_enabled;
    uint8_t saved[16];
    uint64_t command = VTD_TLB_IVT | (uint64_t)(i->granularity + 1) << 60 |
                       (uint64_t)i->domain << 32;

    memcpy(saved, &v->csr[DMAR_IVA_REG], sizeof(saved));
    v->qi_enabled = false;
    stq_le_p(&v->csr[DMAR_IVA_REG], i->address | i->order);
    v->csrmem.ops->write(v->csrmem.opaque, DMAR_IOTLB_REG, command, 8);
    v->qi_enabled = qi_enabled;
    memcpy(&v->csr[DMAR_IVA_REG], saved, sizeof(saved));
}

static void schedule_delayed(SunderIommu *s)
{
    if (s->delayed->len) {
        timer_mod_ns(s->delayed_timer,
                     g_array_index(s->delayed, IommuDelayed, 0).due_ns);
    } else {
        timer_del(s->delayed_timer);
    }
}

static void run_delayed(void *opaque)
{
    SunderIommu *s = opaque;
    int64_t now_ns = sunder_fault_now_ns();

    while (s->delayed->len &&
           g_array_index(s->delayed, IommuDelayed, 0).due_ns <= now_ns) {
        IommuDelayed d = g_array_index(s->delayed, IommuDelayed, 0);

        g_array_remove_index(s->delayed, 0);
        invalidate_parent(s, &d.invalidation);
        iommu_invalidate(s, &d.invalidation);
    }
    schedule_delayed(s);
}

void iommu_hold_back_until(SunderIommu *s,
                           const PagingInvalidation *invalidation,
                           int64_t due_ns)
{
    IommuDelayed d = {
        .due_ns = due_ns,
        .invalidation = *invalidation,
    };
    unsigned at = s->delayed->len;

    while (at && g_array_index(s->delayed, IommuDelayed, at - 1).due_ns >
                 d.due_ns) {
        at--;
    }
    g_array_insert_val(s->delayed, at, d);
    schedule_delayed(s);
}

bool iommu_invalidate_intercepted(SunderIommu *s,
                                  const PagingInvalidation *invalidation)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    uint64_t delay_ns = 0;
    bool lost = false;
    unsigned n;

    if (!fault_point_armed(s->invalidation_point)) {
        return false;
    }
    n = sunder_fault_check(s->invalidation_point, FAULT_OP_ANY, 0, 0,
                           firings);
    for (unsigned i = 0; i < n; i++) {
        lost |= firings[i].outcome->code == OUTCOME_LOST;
        delay_ns += firings[i].duration_ns;
    }
    if (!lost && (!n || s->delayed->len >= IOMMU_MAX_DELAYED)) {
        return false;
    }
    paging_table_postpone(s->table, invalidation);
    if (lost) {
        s->lost++;
    } else {
        iommu_hold_back_until(s, invalidation,
                              sunder_fault_now_ns() +
                              MIN(delay_ns, INT64_MAX / 2));
    }
    trace_sunder_iommu_intercept(s->id, lost, delay_ns);
    return true;
}

void iommu_invalidate_everything(SunderIommu *s)
{
    qatomic_inc(&s->context_epoch);
    paging_table_drop(s->table);
    g_array_set_size(s->delayed, 0);
    timer_del(s->delayed_timer);
}

void iommu_invalidate_init(SunderIommu *s, Error **errp)
{
    g_autofree char *name = g_strdup_printf("%s/invalidation", s->id);
    SunderFaultPointInfo info = {
        .name = name,
        .outcomes = invalidation_outcomes,
        .opaque = s,
    };

    s->delayed = g_array_new(false, false, sizeof(IommuDelayed));
    s->delayed_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, run_delayed, s);
    s->sweep_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, run_sweep, s);
    s->invalidation_point = sunder_fault_point_add(&info, errp);
}
