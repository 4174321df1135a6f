/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-range: a resource access controller over a range of system
 * memory, as a memory controller or an MMU would hold it
 *
 * Guards what lies at [addr, addr + size) in the machine's physical address
 * space: RAM, ROM or the registers of a device outside PCI.  The range is one
 * resource, "<id>/memory", with the outcomes of a BAR.  What lies there is
 * looked up once, when the machine is complete; it must be one region.
 *
 * While healthy the overlay is disabled and accesses do not come here.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci-bridge/rac.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "system/reset.h"
#include "system/system.h"

#define TYPE_SUNDER_RAC_RANGE "sunder-rac-range"
OBJECT_DECLARE_SIMPLE_TYPE(SunderRacRange, SUNDER_RAC_RANGE)

/* Above everything that a machine puts into system memory. */
#define OVERLAY_PRIORITY INT_MAX

/*
 * Where the alias stands in its root: not at 0, for there QEMU would take the
 * aliased region for the root, and render it at its place in system memory.
 */
#define PART_OFFSET 4096

/* One entry with all the last good values it may have is far below. */
#define TABLE_STATE_MAX (1 * MiB)

struct SunderRacRange {
    DeviceState parent_obj;

    RacController controller;
    RacTableState table_state;          /* only during a migration */
    uint64_t address;
    uint64_t size;

    Notifier machine_done;
    RacResource *resource;
    MemoryRegion *own;                  /* what the range lies in */
    MemoryRegion part;                  /* the range of it, as an alias */
    MemoryRegion root;                  /* holds the alias */
    AddressSpace *below;                /* rooted there, while interposed */
};

static SunderRacRange *range_of(RacController *c)
{
    return container_of(c, SunderRacRange, controller);
}

static bool range_forward(RacResource *r, RacAccess *a)
{
    SunderRacRange *range = r->opaque;
    uint8_t bytes[8];
    MemTxResult result;

    if (!range->below) {
        return false;
    }
    stn_le_p(bytes, a->size, a->data);
    result = address_space_rw(range->below, PART_OFFSET + a->offset,
                              MEMTXATTRS_UNSPECIFIED, bytes, a->size,
                              a->write);
    if (!a->write) {
        a->data = ldn_le_p(bytes, a->size);
    }
    return result == MEMTX_OK;
}

static void range_interpose(RacResource *r, bool on)
{
    SunderRacRange *range = r->opaque;

    if (on) {
        range->below = g_new0(AddressSpace, 1);
        address_space_init(range->below, &range->root, "sunder-rac-below");
    } else {
        address_space_destroy_free(g_steal_pointer(&range->below));
    }
}

/* Returns: another range that has addresses in common, or NULL. */
static SunderRacRange *find_overlap(SunderRacRange *range)
{
    RacController *c;

    QLIST_FOREACH(c, &rac_controllers, next) {
        SunderRacRange *other = range_of(c);

        if (object_dynamic_cast(OBJECT(c->device), TYPE_SUNDER_RAC_RANGE) &&
            other != range && other->address <= range->address +
                                                range->size - 1 &&
            range->address <= other->address + other->size - 1) {
            return other;
        }
    }
    return NULL;
}

/* Looks up the region that the range lies in, and takes a reference. */
static bool find_own(SunderRacRange *range, Error **errp)
{
    MemoryRegionSection section = memory_region_find(
        get_system_memory(), range->address, range->size);
    uint64_t last = range->address + range->size - 1;

    if (!section.mr) {
        error_setg(errp, "nothing lies at 0x%" PRIx64 " to 0x%" PRIx64
                   "; \"info mtree -f\" shows what lies where",
                   range->address, last);
        return false;
    }
    if (section.offset_within_address_space != range->address ||
        int128_get64(section.size) != range->size) {
        uint64_t start = section.offset_within_address_space;

        error_setg(errp, "0x%" PRIx64 " to 0x%" PRIx64 " is not one region: "
                   "%s has 0x%" PRIx64 " to 0x%" PRIx64 " of it; choose addr "
                   "and size inside of one", range->address, last,
                   memory_region_name(section.mr), start,
                   start + int128_get64(section.size) - 1);
        memory_region_unref(section.mr);
        return false;
    }
    range->own = section.mr;
    memory_region_init_alias(&range->part, OBJECT(range), "sunder-rac-part",
                             range->own, section.offset_within_region,
                             range->size);
    memory_region_init(&range->root, OBJECT(range), "sunder-rac-root",
                       UINT64_MAX);
    memory_region_add_subregion(&range->root, PART_OFFSET, &range->part);
    return true;
}

static bool guard_range(SunderRacRange *range, Error **errp)
{
    RacController *c = &range->controller;
    SunderRacRange *other = find_overlap(range);
    g_autofree char *path = g_strdup_printf("%s/memory", c->id);

    if (other) {
        error_setg(errp, "the range of %s has addresses in common with it",
                   other->controller.id);
        return false;
    }
    if (!find_own(range, errp)) {
        return false;
    }
    range->resource = rac_resource_new(c, path, RAC_SPACE_MEMORY, range->size,
                                       range_forward, range_interpose, range,
                                       errp);
    if (!range->resource) {
        return false;
    }
    rac_table_map(c->table, range->resource->entry, range->address);
    memory_region_add_subregion_overlap(get_system_memory(), range->address,
                                        &range->resource->overlay,
                                        OVERLAY_PRIORITY);
    rac_resource_update(range->resource);
    return true;
}

static void machine_done(Notifier *notifier, void *data)
{
    SunderRacRange *range = container_of(notifier, SunderRacRange,
                                         machine_done);
    Error *err = NULL;

    if (!guard_range(range, &err)) {
        error_reportf_err(err, "%s: ", range->controller.id);
        exit(EXIT_FAILURE);
    }
}

/*
 * In the middle of a reset QEMU writes firmware and kernel to memory, past
 * registers: the overlay is none of them then.
 */
static void range_reset_enter(Object *obj, ResetType type)
{
    SunderRacRange *range = SUNDER_RAC_RANGE(obj);

    if (range->resource) {
        rac_resource_clear(range->resource, RAC_REASON_RESET);
        memory_region_set_enabled(&range->resource->overlay, false);
    }
}

static void range_reset_exit(Object *obj, ResetType type)
{
    SunderRacRange *range = SUNDER_RAC_RANGE(obj);

    if (range->resource) {
        memory_region_set_enabled(&range->resource->overlay,
                                  range->resource->interposed);
    }
}

static const RacControllerOps controller_ops = { };

static void range_realize(DeviceState *dev, Error **errp)
{
    SunderRacRange *range = SUNDER_RAC_RANGE(dev);

    if (!dev->id) {
        error_setg(errp, "%s needs an id: its resource is named <id>/memory",
                   TYPE_SUNDER_RAC_RANGE);
        return;
    }
    if (!range->size || range->address + range->size - 1 < range->address) {
        error_setg(errp, "%s: addr=0x%" PRIx64 ",size=0x%" PRIx64 ": size "
                   "must be at least 1 and the range end within 64 bits",
                   dev->id, range->address, range->size);
        return;
    }
    if (!rac_controller_realize(&range->controller, dev, dev->id,
                                &controller_ops, errp)) {
        return;
    }
    qemu_register_resettable(OBJECT(dev));
    range->machine_done.notify = machine_done;
    qemu_add_machine_init_done_notifier(&range->machine_done);
}

static void range_unrealize(DeviceState *dev)
{
    SunderRacRange *range = SUNDER_RAC_RANGE(dev);

    qemu_remove_machine_init_done_notifier(&range->machine_done);
    qemu_unregister_resettable(OBJECT(dev));
    if (range->resource) {
        memory_region_del_subregion(get_system_memory(),
                                    &range->resource->overlay);
        rac_resource_remove(range->resource);
    }
    if (range->own) {
        memory_region_del_subregion(&range->root, &range->part);
        memory_region_unref(range->own);
    }
    rac_controller_unrealize(&range->controller);
}

static int range_pre_save(void *opaque)
{
    SunderRacRange *range = opaque;

    rac_controller_pre_save(&range->controller, &range->table_state);
    return 0;
}

static int range_post_load(void *opaque, int version_id)
{
    SunderRacRange *range = opaque;

    return rac_controller_post_load(&range->controller, &range->table_state);
}

static bool table_size_is_valid(void *opaque, int version_id)
{
    SunderRacRange *range = opaque;

    return range->table_state.size <= TABLE_STATE_MAX;
}

static const VMStateDescription vmstate_range = {
    .name = TYPE_SUNDER_RAC_RANGE,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = range_pre_save,
    .post_load = range_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_EQUAL(address, SunderRacRange,
                             "start the range with the addr it was saved "
                             "with"),
        VMSTATE_UINT64_EQUAL(size, SunderRacRange,
                             "start the range with the size it was saved "
                             "with"),
        VMSTATE_UINT32(table_state.size, SunderRacRange),
        VMSTATE_VALIDATE("table_state.size is at most 1 MiB",
                         table_size_is_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(table_state.data, SunderRacRange, 0,
                                     NULL, table_state.size),
        VMSTATE_END_OF_LIST()
    },
};

/* A device without a bus has no path of its own to go by in a migration. */
static char *range_vmstate_id(VMStateIf *obj)
{
    return g_strdup(DEVICE(obj)->id);
}

static const Property range_properties[] = {
    DEFINE_PROP_UINT64("addr", SunderRacRange, address, 0),
    DEFINE_PROP_SIZE("size", SunderRacRange, size, 0),
};

static void range_instance_init(Object *obj)
{
    rac_controller_init(&SUNDER_RAC_RANGE(obj)->controller);
}

static void range_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->phases.enter = range_reset_enter;
    rc->phases.exit = range_reset_exit;
    dc->desc = "resource access controller over a range of system memory";
    dc->realize = range_realize;
    dc->unrealize = range_unrealize;
    dc->vmsd = &vmstate_range;
    dc->hotpluggable = false;
    device_class_set_props(dc, range_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    VMSTATE_IF_CLASS(klass)->get_id = range_vmstate_id;
    rac_controller_add_properties(klass, offsetof(SunderRacRange,
                                                  controller));
}

static const TypeInfo range_info = {
    .name = TYPE_SUNDER_RAC_RANGE,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(SunderRacRange),
    .instance_init = range_instance_init,
    .class_init = range_class_init,
};

static void register_types(void)
{
    type_register_static(&range_info);
}

type_init(register_types)
