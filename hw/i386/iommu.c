/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the device
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/module.h"

/* The id of an IOMMU that has none; a machine has one IOMMU at most. */
#define DEFAULT_ID "iommu0"

static void (*parent_realize)(DeviceState *device, Error **errp);
static ResettablePhases parent_phases;
static SunderIommu *the_iommu;

SunderIommu *sunder_iommu_get(void)
{
    return the_iommu;
}

static void realize(DeviceState *device, Error **errp)
{
    ERRP_GUARD();
    SunderIommu *s = SUNDER_IOMMU(device);

    parent_realize(device, errp);
    if (*errp) {
        return;
    }
    s->id = g_strdup(device->id ? device->id : DEFAULT_ID);
    s->table = iommu_memory_table(s);
    qemu_mutex_init(&s->lock);
    iommu_clock_init(s);
    iommu_report_init(s);
    iommu_invalidate_init(s, errp);
    if (*errp || !iommu_set_mode(s, s->mode, errp)) {
        return;
    }
    iommu_memory_listen(s);
    iommu_sweep_listen(s);
    iommu_front_init(s);
    iommu_translate_init(s);
    iommu_mode_init(s);
    iommu_point_init(s);
    if (s->bounce) {
        iommu_hold_enable(s, true);
    }
    the_iommu = s;
}

static void reset_exit(Object *obj, ResetType type)
{
    SunderIommu *s = SUNDER_IOMMU(obj);

    parent_phases.exit(obj, type);
    iommu_invalidate_everything(s);
    iommu_point_reset(s);
    iommu_report_reset(s);
}

static int get_mode(Object *obj, Error **errp)
{
    return SUNDER_IOMMU(obj)->mode;
}

/* Once it is realized the command line has been read: use the command. */
static void set_mode(Object *obj, int mode, Error **errp)
{
    SunderIommu *s = SUNDER_IOMMU(obj);

    if (DEVICE(obj)->realized) {
        iommu_set_mode(s, mode, errp);
    } else {
        s->mode = mode;
    }
}

static bool get_bounce(Object *obj, Error **errp)
{
    return SUNDER_IOMMU(obj)->bounce;
}

static void set_bounce(Object *obj, bool bounce, Error **errp)
{
    SunderIommu *s = SUNDER_IOMMU(obj);

    if (DEVICE(obj)->realized) {
        iommu_hold_enable(s, bounce);
    } else {
        s->bounce = bounce;
    }
}

static void add_properties(ObjectClass *klass)
{
    object_class_property_add_enum(klass, "mode", "SunderIommuMode",
                                   &SunderIommuMode_lookup, get_mode,
                                   set_mode);
    object_class_property_set_description(klass, "mode",
        "what happens to a stale DMA: stock, report, enforce, coherent");
    object_class_property_add_bool(klass, "bounce", get_bounce, set_bounce);
    object_class_property_set_description(klass, "bounce",
        "check memory that a device maps for longer when it is written back");
}

static void instance_init(Object *obj)
{
    SUNDER_IOMMU(obj)->mode = SUNDER_IOMMU_MODE_REPORT;
}

static int refuse_state(Error *error)
{
    error_report_err(error);
    return -EINVAL;
}

/* The mode comes along, so that a scenario goes on as it began. */
static int post_load(void *opaque, int version_id)
{
    SunderIommu *s = opaque;
    Error *error = NULL;

    iommu_invalidate_everything(s);
    iommu_point_reset(s);
    iommu_report_reset(s);
    iommu_clock_reset(s);
    s->swept_ns = 0;
    if (!iommu_set_mode(s, s->loaded_mode, &error) ||
        !iommu_state_load(s, &error)) {
        return refuse_state(error);
    }
    iommu_state_forget(s);
    iommu_hold_enable(s, s->bounce);
    return 0;
}

static int pre_load(void *opaque)
{
    iommu_state_forget(opaque);
    return 0;
}

static int pre_save(void *opaque)
{
    SunderIommu *s = opaque;

    s->loaded_mode = s->mode;
    iommu_state_save(s);
    return 0;
}

static int post_save(void *opaque)
{
    iommu_state_forget(opaque);
    return 0;
}

static bool valid_mode(void *opaque, int version_id)
{
    SunderIommu *s = opaque;

    return s->loaded_mode < SUNDER_IOMMU_MODE__MAX;
}

static VMStateDescription vmstate = {
    .name = TYPE_SUNDER_IOMMU,
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_load = pre_load,
    .pre_save = pre_save,
    .post_save = post_save,
    .post_load = post_load,
};

static void class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);
    /* What the parent saves is known by its description only. */
    VMStateField fields[] = {
        {
            .name = "parent",
            .vmsd = dc->vmsd,
            .size = sizeof(IntelIOMMUState),
            .flags = VMS_STRUCT,
            .offset = offsetof(SunderIommu, parent_obj),
        },
        VMSTATE_UINT32(loaded_mode, SunderIommu),
        VMSTATE_VALIDATE("mode of the IOMMU", valid_mode),
        VMSTATE_BOOL(bounce, SunderIommu),
        VMSTATE_UINT64(invalidations, SunderIommu),
        VMSTATE_UINT64(lost, SunderIommu),
        VMSTATE_UINT32(state_size, SunderIommu),
        VMSTATE_VALIDATE("size", iommu_state_size_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, SunderIommu, 0, NULL, state_size),
        VMSTATE_END_OF_LIST()
    };

    vmstate.fields = g_memdup2(fields, sizeof(fields));
    dc->vmsd = &vmstate;
    parent_phases = rc->phases;
    rc->phases.exit = reset_exit;
    /* The parent's class has a realize of its own, which this calls. */
    parent_realize = dc->realize;
    dc->realize = realize;
    dc->desc = "Intel IOMMU (VT-d) that reports DMA with stale translations";
    add_properties(klass);
}

static const TypeInfo type_info = {
    .name = TYPE_SUNDER_IOMMU,
    .parent = TYPE_INTEL_IOMMU_DEVICE,
    .instance_size = sizeof(SunderIommu),
    .instance_init = instance_init,
    .class_init = class_init,
};

static void register_types(void)
{
    type_register_static(&type_info);
}

type_init(register_types)
