/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: the virtio device. */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/core/qdev-prop-internal.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/balloon.h"
#include "hw/virtio/virtio-bus.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "qemu/module.h"
#include "standard-headers/linux/virtio_ids.h"
#include "system/balloon.h"
#include "hw/trace.h"

/* Elements in a queue: as many as QEMU's balloon has, drivers know them. */
#define QUEUE_SIZE  128
#define REPORT_SIZE 32

static SunderBalloon *the_balloon;

SunderBalloon *sunder_balloon(void)
{
    return the_balloon;
}

uint64_t sunder_balloon_memory(void)
{
    MachineState *machine = MACHINE(qdev_get_machine());
    uint64_t plugged = machine->device_memory ?
                       machine->device_memory->dimm_size : 0;

    return machine->ram_size + plugged;
}

static uint64_t to_bytes(uint32_t pages)
{
    return (uint64_t)pages << BALLOON_PAGE_SHIFT;
}

/* What the guest keeps when @pages are in the balloon. */
static uint64_t kept(uint32_t pages)
{
    uint64_t memory = sunder_balloon_memory();

    return memory - MIN(memory, to_bytes(pages));
}

void balloon_show_target(SunderBalloon *b)
{
    b->withheld = false;
    b->shown = b->target;
    virtio_notify_config(VIRTIO_DEVICE(b));
}

/* QMP balloon: the guest is to keep @keep bytes. */
static void set_target(void *opaque, ram_addr_t keep)
{
    SunderBalloon *b = opaque;
    uint64_t memory = sunder_balloon_memory();

    b->target = (memory - MIN(keep, memory)) >> BALLOON_PAGE_SHIFT;
    trace_sunder_balloon_target(b->id, b->target, b->actual);
    balloon_sweep_command(b, b->target > b->actual);
    b->withheld = balloon_fault_withholds(b);
    if (!b->withheld) {
        balloon_show_target(b);
    }
}

/* QMP query-balloon. */
static void describe(void *opaque, BalloonInfo *info)
{
    SunderBalloon *b = opaque;

    info->actual = kept(b->actual);
}

/*
 * Bytes of configuration: poison_val is the last field, the one before it
 * belongs to a feature that we do not offer (virtio 1.2, section 5.5.4).
 */
static size_t config_size(SunderBalloon *b)
{
    return b->host_features & (1u << VIRTIO_BALLOON_F_PAGE_POISON)
           ? sizeof(struct virtio_balloon_config)
           : offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
}

static void balloon_get_config(VirtIODevice *vdev, uint8_t *data)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    struct virtio_balloon_config config = {
        .num_pages = cpu_to_le32(b->shown),
        .actual = cpu_to_le32(b->actual),
        .poison_val = cpu_to_le32(b->poison),
    };

    memcpy(data, &config, config_size(b));
}

static void set_actual(SunderBalloon *b, uint32_t actual)
{
    if (actual == b->actual) {
        return;
    }
    trace_sunder_balloon_actual(b->id, actual, b->shown);
    b->actual = actual;
    qapi_event_send_balloon_change(kept(actual));
    if (actual == b->shown) {
        balloon_give_held(b);
    }
}

static void balloon_set_config(VirtIODevice *vdev, const uint8_t *data)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    struct virtio_balloon_config config = { 0 };

    memcpy(&config, data, config_size(b));
    set_actual(b, le32_to_cpu(config.actual));
    if (virtio_vdev_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON)) {
        b->poison = le32_to_cpu(config.poison_val);
    }
}

static uint64_t balloon_get_features(VirtIODevice *vdev, uint64_t features,
                                     Error **errp)
{
    features |= SUNDER_BALLOON(vdev)->host_features;
    virtio_add_feature(&features, VIRTIO_BALLOON_F_STATS_VQ);
    return features;
}

static void balloon_set_status(VirtIODevice *vdev, uint8_t status)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);

    if (!vdev->vm_running) {
        balloon_stats_stop(b);
        balloon_sweep_stop(b);
        balloon_give_held(b);
    } else if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
        balloon_stats_resume(b);
        balloon_request_resume(b);
        qemu_bh_schedule(b->request_bh);
    }
}

/* The driver's reset of one queue. */
static void balloon_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);

    if (virtio_get_queue(vdev, index) == b->stats_vq) {
        balloon_stats_detach(b);
    } else if (virtio_get_queue(vdev, index) == b->inflate_vq) {
        balloon_sweep_detach(b);
    }
}

/*
 * The driver's reset of the device.  num_pages is the host's, and stays;
 * a driver that begins anew has nothing in its balloon.
 */
static void balloon_reset(VirtIODevice *vdev)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);

    balloon_stats_detach(b);
    balloon_sweep_detach(b);
    balloon_request_reset(b);
    b->poison = 0;
}

static void balloon_reset_hold(Object *obj, ResetType type)
{
    if (type != RESET_TYPE_WAKEUP) {
        balloon_stats_clear(SUNDER_BALLOON(obj));
        balloon_sweep_forget(SUNDER_BALLOON(obj));
    }
}

static void add_queues(SunderBalloon *b)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(b);

    b->inflate_vq = virtio_add_queue(vdev, QUEUE_SIZE,
                                     balloon_handle_inflate);
    b->deflate_vq = virtio_add_queue(vdev, QUEUE_SIZE,
                                     balloon_handle_deflate);
    b->stats_vq = virtio_add_queue(vdev, QUEUE_SIZE, balloon_handle_stats);
    if (b->host_features & (1u << VIRTIO_BALLOON_F_REPORTING)) {
        b->report_vq = virtio_add_queue(vdev, REPORT_SIZE,
                                        balloon_handle_report);
    }
}

/* The id is the user's: that of the PCI function. */
static char *balloon_id(DeviceState *dev)
{
    DeviceState *proxy = DEVICE(qdev_get_parent_bus(dev)->parent);

    return g_strdup(dev->id ?: proxy->id ?: "balloon0");
}

/* What needs no virtio device yet, and may fail. */
static bool realize_parts(SunderBalloon *b, Error **errp)
{
    if (!balloon_fault_realize(b, errp)) {
        return false;
    }
    if (!balloon_sweep_realize(b, errp)) {
        balloon_fault_unrealize(b);
        return false;
    }
    return true;
}

static void balloon_realize(DeviceState *dev, Error **errp)
{
    SunderBalloon *b = SUNDER_BALLOON(dev);

    b->id = balloon_id(dev);
    if (qemu_add_balloon_handler(set_target, describe, b) < 0) {
        error_setg(errp, "%s: this machine has a balloon already, and its "
                   "memory can be in one balloon only; remove one of them",
                   b->id);
        g_clear_pointer(&b->id, g_free);
        return;
    }
    if (!realize_parts(b, errp)) {
        qemu_remove_balloon_handler(b);
        g_clear_pointer(&b->id, g_free);
        return;
    }
    virtio_init(VIRTIO_DEVICE(dev), VIRTIO_ID_BALLOON, config_size(b));
    add_queues(b);
    balloon_request_realize(b);
    balloon_stats_realize(b);
    the_balloon = b;
}

static void balloon_unrealize(DeviceState *dev)
{
    SunderBalloon *b = SUNDER_BALLOON(dev);
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    the_balloon = NULL;
    qemu_remove_balloon_handler(b);
    balloon_sweep_unrealize(b);
    balloon_stats_unrealize(b);
    balloon_request_unrealize(b);
    balloon_fault_unrealize(b);
    virtio_delete_queue(b->inflate_vq);
    virtio_delete_queue(b->deflate_vq);
    virtio_delete_queue(b->stats_vq);
    if (b->report_vq) {
        virtio_delete_queue(b->report_vq);
    }
    virtio_cleanup(vdev);
    g_clear_pointer(&b->id, g_free);
}

static const PropertyInfo prop_sweep_when = {
    .type = "SunderSweepWhen",
    .description = "off, inflate, manual or periodic",
    .enum_table = &SunderSweepWhen_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

static const Property balloon_properties[] = {
    DEFINE_PROP_BIT("must-tell-host", SunderBalloon, host_features,
                    VIRTIO_BALLOON_F_MUST_TELL_HOST, true),
    DEFINE_PROP_BIT("deflate-on-oom", SunderBalloon, host_features,
                    VIRTIO_BALLOON_F_DEFLATE_ON_OOM, false),
    DEFINE_PROP_BIT("page-poison", SunderBalloon, host_features,
                    VIRTIO_BALLOON_F_PAGE_POISON, true),
    DEFINE_PROP_BIT("free-page-reporting", SunderBalloon, host_features,
                    VIRTIO_BALLOON_F_REPORTING, false),
    DEFINE_PROP_SIGNED("sweep", SunderBalloon, when,
                       SUNDER_SWEEP_WHEN_INFLATE, prop_sweep_when,
                       SunderSweepWhen),
    DEFINE_PROP_UINT32("sweep-period", SunderBalloon, period_ms, 10000),
    DEFINE_PROP_UINT32("sweep-hold", SunderBalloon, hold_ms, 1000),
    DEFINE_PROP_UINT64("sweep-pattern", SunderBalloon, pattern, 0),
    DEFINE_PROP_SIZE("sweep-min-run", SunderBalloon, min_run, 0),
    DEFINE_PROP_BOOL("sweep-credit", SunderBalloon, credit, false),
    DEFINE_PROP_BOOL("sweep-hugetlb", SunderBalloon, hugetlb, false),
    DEFINE_PROP_STRING("sweep-guard", SunderBalloon, guard_name),
};

static void balloon_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    VirtioDeviceClass *vc = VIRTIO_DEVICE_CLASS(class);

    vc->realize = balloon_realize;
    vc->unrealize = balloon_unrealize;
    vc->reset = balloon_reset;
    vc->queue_reset = balloon_queue_reset;
    vc->get_config = balloon_get_config;
    vc->set_config = balloon_set_config;
    vc->get_features = balloon_get_features;
    vc->set_status = balloon_set_status;
    vc->vmsd = &vmstate_sunder_balloon_device;
    dc->vmsd = &vmstate_sunder_balloon;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, balloon_properties);
    RESETTABLE_CLASS(class)->phases.hold = balloon_reset_hold;
}

static const TypeInfo balloon_info = {
    .name = TYPE_SUNDER_BALLOON,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(SunderBalloon),
    .instance_init = balloon_stats_instance_init,
    .class_init = balloon_class_init,
};

static void balloon_register(void)
{
    type_register_static(&balloon_info);
}
type_init(balloon_register)
