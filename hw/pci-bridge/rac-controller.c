/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: properties, table and state. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sunder.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"

RacControllerList rac_controllers = QLIST_HEAD_INITIALIZER(rac_controllers);

/* The enumerations of the schema and of the model are one. */
QEMU_BUILD_BUG_ON((int)RAC_FAKE_LAST != (int)SUNDER_RAC_FAKE_LAST);
QEMU_BUILD_BUG_ON((int)RAC_FAKE__MAX != (int)SUNDER_RAC_FAKE__MAX);
QEMU_BUILD_BUG_ON((int)RAC_REASON_RESET != (int)SUNDER_RAC_REASON_RESET);
QEMU_BUILD_BUG_ON((int)RAC_REASON__MAX != (int)SUNDER_RAC_REASON__MAX);
QEMU_BUILD_BUG_ON((int)RAC_SPACE_CONFIG != (int)SUNDER_RAC_SPACE_CONFIG);
QEMU_BUILD_BUG_ON((int)RAC_SPACE__MAX != (int)SUNDER_RAC_SPACE__MAX);

void rac_controller_init(RacController *c)
{
    c->label_after = RAC_DEFAULT_LABEL_AFTER;
    c->label_window_ms = RAC_DEFAULT_LABEL_WINDOW_MS;
    c->completion_timeout_ms = RAC_DEFAULT_COMPLETION_TIMEOUT_MS;
    c->fake = SUNDER_RAC_FAKE_ONES;
}

static void apply_policy(RacController *c)
{
    RacPolicy policy = {
        .label_after = c->label_after,
        .window_ns = c->label_window_ms * SCALE_MS,
    };

    if (c->table) {
        rac_table_set_policy(c->table, &policy);
    }
}

static RacController *controller_of(Object *obj, void *opaque)
{
    return (RacController *)((char *)obj + GPOINTER_TO_SIZE(opaque));
}

static bool visit_limited(Visitor *v, const char *name, uint64_t *value,
                          uint64_t limit, Error **errp)
{
    if (!visit_type_uint64(v, name, value, errp)) {
        return false;
    }
    if (*value > limit) {
        error_setg(errp, "%s=%" PRIu64 ": must be at most %" PRIu64, name,
                   *value, limit);
        return false;
    }
    return true;
}

static void get_label_after(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    visit_type_uint32(v, name, &controller_of(obj, opaque)->label_after,
                      errp);
}

static void set_label_after(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    RacController *c = controller_of(obj, opaque);
    uint64_t value;

    if (visit_limited(v, name, &value, RAC_MAX_LABEL_AFTER, errp)) {
        c->label_after = value;
        apply_policy(c);
    }
}

static void get_label_window(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &controller_of(obj, opaque)->label_window_ms,
                      errp);
}

static void set_label_window(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    RacController *c = controller_of(obj, opaque);
    uint64_t value;

    if (visit_limited(v, name, &value, UINT64_MAX / SCALE_MS, errp)) {
        c->label_window_ms = value;
        apply_policy(c);
    }
}

static void get_completion_timeout(Object *obj, Visitor *v,
                                   const char *name, void *opaque,
                                   Error **errp)
{
    visit_type_uint32(v, name,
                      &controller_of(obj, opaque)->completion_timeout_ms,
                      errp);
}

static void set_completion_timeout(Object *obj, Visitor *v,
                                   const char *name, void *opaque,
                                   Error **errp)
{
    uint64_t value;

    if (visit_limited(v, name, &value, RAC_MAX_COMPLETION_TIMEOUT_MS,
                      errp)) {
        controller_of(obj, opaque)->completion_timeout_ms = value;
    }
}

static void get_fake(Object *obj, Visitor *v, const char *name,
                     void *opaque, Error **errp)
{
    visit_type_SunderRacFake(v, name, &controller_of(obj, opaque)->fake,
                             errp);
}

static void set_fake(Object *obj, Visitor *v, const char *name,
                     void *opaque, Error **errp)
{
    visit_type_SunderRacFake(v, name, &controller_of(obj, opaque)->fake,
                             errp);
}

static void get_value(Object *obj, Visitor *v, const char *name,
                      void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &controller_of(obj, opaque)->value, errp);
}

static void set_value(Object *obj, Visitor *v, const char *name,
                      void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &controller_of(obj, opaque)->value, errp);
}

static void add_property(ObjectClass *klass, const char *name,
                         const char *type, ObjectPropertyAccessor *get,
                         ObjectPropertyAccessor *set, size_t offset,
                         const char *help)
{
    object_class_property_add(klass, name, type, get, set, NULL,
                              GSIZE_TO_POINTER(offset));
    object_class_property_set_description(klass, name, help);
}

void rac_controller_add_properties(ObjectClass *klass, size_t offset)
{
    add_property(klass, "label-after", "uint32", get_label_after,
                 set_label_after, offset,
                 "faults after which a resource is labelled, 0 for never");
    add_property(klass, "label-window-ms", "uint64", get_label_window,
                 set_label_window, offset,
                 "virtual time within which they count, 0 for no limit");
    add_property(klass, "completion-timeout-ms", "uint32",
                 get_completion_timeout, set_completion_timeout, offset,
                 "how long a CPU waits for an answer, up to 64000");
    add_property(klass, "fake", "SunderRacFake", get_fake, set_fake, offset,
                 "how a labelled resource's reads are answered: ones, "
                 "zero, constant or last; for resources added from now on");
    add_property(klass, "value", "uint64", get_value, set_value, offset,
                 "the constant of fake=constant");
}

bool rac_controller_realize(RacController *c, DeviceState *device,
                            const char *id, const RacControllerOps *ops,
                            Error **errp)
{
    RacController *other;

    QLIST_FOREACH(other, &rac_controllers, next) {
        if (strcmp(other->id, id) == 0) {
            error_setg(errp, "%s: another resource access controller has "
                       "this id", id);
            return false;
        }
    }
    c->device = device;
    c->id = g_strdup(id);
    c->ops = ops;
    c->table = rac_table_new();
    apply_policy(c);
    QLIST_INSERT_HEAD(&rac_controllers, c, next);
    return true;
}

void rac_controller_unrealize(RacController *c)
{
    if (!c->table) {
        return;
    }
    QLIST_REMOVE(c, next);
    g_clear_pointer(&c->table, rac_table_free);
    g_clear_pointer(&c->id, g_free);
}

void rac_controller_pre_save(RacController *c, RacTableState *state)
{
    g_autoptr(GByteArray) bytes = rac_table_save(c->table);

    g_free(state->data);
    state->size = bytes->len;
    state->data = g_byte_array_free(g_steal_pointer(&bytes), false);
}

static void update_entry(RacEntry *entry, void *opaque)
{
    rac_resource_update(entry->opaque);
}

int rac_controller_post_load(RacController *c, RacTableState *state)
{
    g_autoptr(GError) error = NULL;
    bool ok = rac_table_load(c->table, state->data, state->size, &error);

    g_clear_pointer(&state->data, g_free);
    if (!ok) {
        error_report("%s: %s", c->id, error->message);
        return -EINVAL;
    }
    rac_table_foreach(c->table, NULL, update_entry, NULL);
    return 0;
}
