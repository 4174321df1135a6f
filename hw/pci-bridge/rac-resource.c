/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: a resource, its overlay and its label. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac.h"
#include "hw/trace.h"
#include "qapi/error.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/main-loop.h"

OBJECT_DEFINE_SIMPLE_TYPE(RacResource, sunder_rac_resource,
                          SUNDER_RAC_RESOURCE, OBJECT)

static void sunder_rac_resource_init(Object *obj)
{
}

static void sunder_rac_resource_class_init(ObjectClass *klass, void *data)
{
}

static void sunder_rac_resource_finalize(Object *obj)
{
    RacResource *r = SUNDER_RAC_RESOURCE(obj);

    if (r->step_aside) {
        qemu_bh_delete(r->step_aside);
    }
}

static bool has_work(const RacResource *r)
{
    return r->entry && (r->entry->labelled ||
                        r->entry->fake == RAC_FAKE_LAST ||
                        fault_point_armed(r->point));
}

static void set_interposed(RacResource *r, bool on)
{
    if (r->interposed == on) {
        return;
    }
    r->interposed = on;
    if (on && r->interpose) {
        r->interpose(r, true);
    }
    /*
     * One transaction: QEMU keeps the flat views of address spaces that
     * are gone, and a reference to the device with them, until the
     * topology changes next.
     */
    memory_region_transaction_begin();
    memory_region_set_enabled(&r->overlay, on);
    if (!on && r->interpose) {
        r->interpose(r, false);
    }
    memory_region_transaction_commit();
}

/*
 * Bottom half: an access that leaves nothing more to do is still on its
 * way through the overlay, so stepping aside comes after it.
 */
static void step_aside(void *opaque)
{
    RacResource *r = opaque;

    if (r->entry && !r->busy) {
        set_interposed(r, has_work(r));
    }
}

void rac_resource_update(RacResource *r)
{
    if (!r->has_overlay || !r->entry) {
        return;
    }
    if (has_work(r)) {
        set_interposed(r, true);
    } else if (r->interposed) {
        qemu_bh_schedule(r->step_aside);
    }
}

static void rules_changed(void *opaque, FaultPoint *point,
                          const FaultRule *removed)
{
    RacResource *r = opaque;

    if (r->point) {
        rac_resource_update(r);
    }
}

static bool add_point(RacResource *r, const char *path, uint64_t size,
                      Error **errp)
{
    SunderFaultPointInfo info = {
        .name = path,
        .length = size,
        .outcomes = rac_access_outcomes,
        .changed = rules_changed,
        .opaque = r,
    };

    r->point = sunder_fault_point_add(&info, errp);
    return r->point != NULL;
}

static bool add_entry(RacResource *r, const char *path, RacSpace space,
                      uint64_t size, Error **errp)
{
    RacController *c = r->controller;
    g_autoptr(GError) error = NULL;

    r->entry = rac_table_add(c->table, path, space, size,
                             (RacFake)c->fake, c->value, r, &error);
    if (!r->entry) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

static void init_overlay(RacResource *r, const char *path, uint64_t size)
{
    memory_region_init_io(&r->overlay, OBJECT(r), &rac_overlay_ops, r, path,
                          size);
    memory_region_set_enabled(&r->overlay, false);
    r->step_aside = qemu_bh_new(step_aside, r);
    r->has_overlay = true;
}

RacResource *rac_resource_new(RacController *c, const char *path,
                              RacSpace space, uint64_t size,
                              RacForward *forward,
                              void (*interpose)(RacResource *, bool),
                              void *opaque, Error **errp)
{
    RacResource *r =
        SUNDER_RAC_RESOURCE(object_new(TYPE_SUNDER_RAC_RESOURCE));

    r->controller = c;
    r->forward = forward;
    r->interpose = interpose;
    r->opaque = opaque;
    if (!add_entry(r, path, space, size, errp)) {
        object_unref(OBJECT(r));
        return NULL;
    }
    if (!add_point(r, path, size, errp)) {
        rac_table_remove(c->table, r->entry);
        object_unref(OBJECT(r));
        return NULL;
    }
    if (space != RAC_SPACE_CONFIG) {
        init_overlay(r, path, size);
    }
    return r;
}

void rac_resource_remove(RacResource *r)
{
    RacEntry *entry = r->entry;

    if (r->has_overlay) {
        set_interposed(r, false);
        qemu_bh_cancel(r->step_aside);
    }
    r->entry = NULL;
    sunder_fault_point_remove(r->point);
    r->point = NULL;
    rac_table_remove(r->controller->table, entry);
    object_unref(OBJECT(r));
}

void rac_resource_announce_label(RacResource *r)
{
    RacEntry *e = r->entry;

    trace_sunder_rac_label(e->resource, e->reason, e->counters.faults);
    qapi_event_send_sunder_rac_labelled(r->controller->id, e->resource,
                                        (SunderRacReason)e->reason,
                                        e->counters.faults,
                                        sunder_fault_now_ns());
    rac_resource_update(r);
}

void rac_resource_label(RacResource *r, RacReason reason)
{
    if (rac_entry_label(r->entry, reason)) {
        rac_resource_announce_label(r);
    }
}

void rac_resource_clear(RacResource *r, RacReason reason)
{
    RacEntry *e = r->entry;

    if (!rac_entry_clear(e)) {
        return;
    }
    trace_sunder_rac_clear(e->resource, reason);
    qapi_event_send_sunder_rac_cleared(r->controller->id, e->resource,
                                       (SunderRacReason)reason,
                                       sunder_fault_now_ns());
    rac_resource_update(r);
}
