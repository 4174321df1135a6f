/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: an access on its way through a resource. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac.h"
#include "hw/trace.h"
#include "qemu/timer.h"

uint64_t rac_all_ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

static uint64_t apply_value(RacOutcome outcome, uint64_t data,
                            uint64_t operand)
{
    switch (outcome) {
    case RAC_OUTCOME_AND:
        return data & operand;
    case RAC_OUTCOME_OR:
        return data | operand;
    case RAC_OUTCOME_XOR:
        return data ^ operand;
    case RAC_OUTCOME_EQUAL:
        return operand;
    default:
        return data;
    }
}

uint64_t rac_apply_values(const FaultFiring *firings, unsigned n,
                          uint64_t data, unsigned size)
{
    for (unsigned i = 0; i < n; i++) {
        if (firings[i].outcome->kind == FAULT_KIND_VALUE) {
            data = apply_value(firings[i].outcome->code, data,
                               firings[i].value);
        }
    }
    return data & rac_all_ones(size);
}

const FaultFiring *rac_find_answer(const FaultFiring *firings, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (firings[i].outcome->kind == FAULT_KIND_ANSWER) {
            return &firings[i];
        }
    }
    return NULL;
}

uint64_t rac_sum_delays(const FaultFiring *firings, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        if (firings[i].outcome->kind == FAULT_KIND_DELAY) {
            sum = sum + firings[i].duration_ns < sum
                  ? UINT64_MAX : sum + firings[i].duration_ns;
        }
    }
    return sum;
}

static void fake_response(RacResource *r, RacAccess *a)
{
    if (!r->entry) {
        a->data = rac_all_ones(a->size);
    } else if (a->write) {
        rac_entry_write(r->entry);
    } else {
        a->data = rac_entry_read(r->entry, a->offset, a->size);
    }
}

static void forward(RacResource *r, RacAccess *a)
{
    if (!r->forward(r, a) && !a->write) {
        a->data = rac_all_ones(a->size);
    }
    /* the device may have gone away because of the access */
    if (!r->entry) {
        return;
    }
    if (a->write) {
        r->entry->counters.forwarded_writes++;
    } else {
        r->entry->counters.forwarded_reads++;
        rac_entry_observe(r->entry, a->offset, a->size, a->data);
    }
}

static void wait_for_completion(RacResource *r, const RacAccess *a,
                                const FaultFiring *firing)
{
    uint64_t ns = firing->has_duration ? firing->duration_ns
        : (uint64_t)r->controller->completion_timeout_ms * SCALE_MS;
    uint64_t waited;

    waited = a->from_cpu ? rac_wait(ns, r->guard) : 0;
    if (r->entry) {
        r->entry->counters.timeouts++;
        r->entry->counters.waited_ns += waited;
    }
}

/* The resource has failed: leave the records, and ask the policy. */
static void note_fault(RacResource *r, const RacAccess *a,
                       RacOutcome outcome)
{
    const RacControllerOps *ops;

    if (!r->entry) {
        return;                 /* nor is there a controller any more */
    }
    ops = r->controller->ops;
    trace_sunder_rac_fault(r->entry->resource, outcome, a->offset, a->write);
    if (ops->record) {
        ops->record(r, a, outcome);
    }
    if (r->entry && rac_entry_fault(r->controller->table, r->entry,
                                    sunder_fault_now_ns())) {
        rac_resource_announce_label(r);
    }
}

static void answer_with_fault(RacResource *r, RacAccess *a,
                              const FaultFiring *firing)
{
    RacOutcome outcome = firing->outcome->code;

    a->data = a->write ? a->data : rac_all_ones(a->size);
    if (outcome == RAC_OUTCOME_DROP) {
        return;
    }
    if (outcome == RAC_OUTCOME_COMPLETION_TIMEOUT) {
        if (!r->entry || rac_access_is_posted(r, a)) {
            return;             /* nobody waits, so nobody notices */
        }
        wait_for_completion(r, a, firing);
    }
    note_fault(r, a, outcome);
}

/*
 * The rules may go during a wait, not so the table of outcomes that the
 * firings point to.
 */
static void access_with_rules(RacResource *r, RacAccess *a)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    unsigned n = sunder_fault_check(r->point,
                                    a->write ? FAULT_OP_WRITE
                                             : FAULT_OP_READ,
                                    a->offset, a->size, firings);
    const FaultFiring *answer = rac_find_answer(firings, n);
    uint64_t delay = rac_sum_delays(firings, n);

    if (answer) {
        if (delay && a->from_cpu) {
            rac_wait(delay, r->guard);
        }
        answer_with_fault(r, a, answer);
        return;
    }
    if (a->write) {
        a->data = rac_apply_values(firings, n, a->data, a->size);
    }
    if (delay && a->from_cpu) {
        rac_wait(delay, r->guard);
    }
    if (!r->entry || r->entry->labelled) {
        /* during the wait it was unplugged or labelled */
        fake_response(r, a);
        return;
    }
    forward(r, a);
    if (!a->write) {
        a->data = rac_apply_values(firings, n, a->data, a->size);
    }
}

void rac_resource_access(RacResource *r, RacAccess *a)
{
    if (!r->entry || r->entry->labelled) {
        fake_response(r, a);
        return;
    }
    object_ref(OBJECT(r));
    r->busy++;
    if (fault_point_armed(r->point)) {
        access_with_rules(r, a);
    } else {
        forward(r, a);
    }
    r->busy--;
    rac_resource_update(r);
    object_unref(OBJECT(r));
}

/*
 * Requests of a CPU carry no requester; those of a PCI device are
 * unspecified or carry its number.
 */
static bool is_from_cpu(MemTxAttrs attrs)
{
    return !attrs.unspecified && !attrs.requester_id;
}

static MemTxResult overlay_read(void *opaque, hwaddr offset, uint64_t *data,
                                unsigned size, MemTxAttrs attrs)
{
    RacResource *r = opaque;

    if (likely(r->entry && r->entry->labelled)) {
        *data = rac_entry_read(r->entry, offset, size);
    } else {
        RacAccess access = {
            .offset = offset,
            .size = size,
            .from_cpu = is_from_cpu(attrs),
        };

        rac_resource_access(r, &access);
        *data = access.data;
    }
    return MEMTX_OK;
}

static MemTxResult overlay_write(void *opaque, hwaddr offset, uint64_t data,
                                 unsigned size, MemTxAttrs attrs)
{
    RacResource *r = opaque;
    RacAccess access = {
        .offset = offset,
        .data = data,
        .size = size,
        .write = true,
        .from_cpu = is_from_cpu(attrs),
    };

    rac_resource_access(r, &access);
    return MEMTX_OK;
}

const MemoryRegionOps rac_overlay_ops = {
    .read_with_attrs = overlay_read,
    .write_with_attrs = overlay_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8,
               .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8,
              .unaligned = true },
};
