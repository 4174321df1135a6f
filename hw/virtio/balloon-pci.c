/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: the PCI function around the virtio device. */
#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/balloon.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/error.h"
#include "qemu/module.h"

#define TYPE_SUNDER_BALLOON_PCI "sunder-balloon-base"
OBJECT_DECLARE_SIMPLE_TYPE(SunderBalloonPCI, SUNDER_BALLOON_PCI)

/* One interrupt for the configuration, one for all queues. */
#define VECTORS 2

struct SunderBalloonPCI {
    VirtIOPCIProxy parent_obj;
    SunderBalloon vdev;
};

static void balloon_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    SunderBalloonPCI *dev = SUNDER_BALLOON_PCI(proxy);

    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        proxy->nvectors = VECTORS;
    }
    proxy->class_code = PCI_CLASS_OTHERS;
    qdev_realize(DEVICE(&dev->vdev), BUS(&proxy->bus), errp);
}

static void balloon_pci_instance_init(Object *obj)
{
    SunderBalloonPCI *dev = SUNDER_BALLOON_PCI(obj);

    virtio_instance_init_common(obj, &dev->vdev, sizeof(dev->vdev),
                                TYPE_SUNDER_BALLOON);
    object_property_add_alias(obj, "guest-stats", OBJECT(&dev->vdev),
                              "guest-stats");
    object_property_add_alias(obj, "guest-stats-polling-interval",
                              OBJECT(&dev->vdev),
                              "guest-stats-polling-interval");
}

/*
 * Without ioeventfd the CPU that asks does the work and finds it done: the
 * driver, which waits for each answer, saves two changes of thread.
 */
static const Property balloon_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, false),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void balloon_pci_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);

    VIRTIO_PCI_CLASS(class)->realize = balloon_pci_realize;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pc->device_id = PCI_DEVICE_ID_VIRTIO_BALLOON;
    pc->revision = VIRTIO_PCI_ABI_VERSION;
    pc->class_id = PCI_CLASS_OTHERS;
    dc->desc = "Balloon that gives zero pages back (Sunder)";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, balloon_pci_properties);
}

static const VirtioPCIDeviceTypeInfo balloon_pci_info = {
    .base_name = TYPE_SUNDER_BALLOON_PCI,
    .generic_name = "sunder-balloon",
    .instance_size = sizeof(SunderBalloonPCI),
    .instance_init = balloon_pci_instance_init,
    .class_init = balloon_pci_class_init,
};

static void balloon_pci_register(void)
{
    virtio_pci_types_register(&balloon_pci_info);
}
type_init(balloon_pci_register)
