/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the PCI functions around the virtio devices
 *
 * "sunder-nic" is function 0 and the card; it makes the others, which cannot
 * be made by hand.
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "qapi/error.h"
#include "qemu/module.h"

#define TYPE_NIC_FUNCTION_PCI "sunder-nic-function-base"
OBJECT_DECLARE_SIMPLE_TYPE(NicFunctionPCI, NIC_FUNCTION_PCI)

struct NicFunctionPCI {
    VirtIOPCIProxy parent_obj;
    NicFunction function;
};

/* What virtio-pci.c does, and then the PCI code. */
static DeviceRealize proxy_realize;
static DeviceUnrealize proxy_unrealize;
static PCIUnregisterFunc *proxy_exit;
static ResettablePhases proxy_phases;

/* --- function 0, the card ---------------------------------------------- */

/* What realize did to the proxy; PCI does not call exit after an error. */
static void undo_proxy(VirtIOPCIProxy *proxy)
{
    msix_uninit_exclusive_bar(&proxy->pci_dev);
    address_space_destroy(&proxy->modern_cfg_mem_as);
}

/* As a driver of function 0 cannot have met it before, it is cold. */
static bool make_function(NicCard *card, unsigned number, Error **errp)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(card);
    DeviceState *first = DEVICE(card);
    PCIBus *bus = pci_get_bus(&proxy->pci_dev);
    PCIDevice *pci = pci_new_multifunction(proxy->pci_dev.devfn + number,
                                           "sunder-nic-function");
    VirtIOPCIProxy *other = VIRTIO_PCI(pci);
    NicFunction *f = &NIC_FUNCTION_PCI(pci)->function;
    g_autofree char *name = g_strdup_printf("function[%u]", number);
    bool ok;

    other->flags = proxy->flags;
    other->nvectors = proxy->nvectors;
    nic_card_adopt(card, f, number);
    object_property_add_child(OBJECT(card), name, OBJECT(pci));
    /* else PCI refuses it: function 0 is on the bus, but not yet plugged */
    DEVICE(pci)->hotplugged = false;
    ok = qdev_realize(DEVICE(pci), BUS(bus), errp);
    if (ok && first->hotplugged) {
        DEVICE(pci)->hotplugged = true;
        device_cold_reset(DEVICE(pci));
    }
    if (!ok) {
        object_unparent(OBJECT(pci));
    }
    object_unref(OBJECT(pci));
    return ok;
}

static void remove_functions(NicCard *card)
{
    for (unsigned i = card->n_functions; i-- > 1; ) {
        NicFunction *f = card->functions[i];

        if (f) {
            object_unparent(OBJECT(qdev_get_parent_bus(DEVICE(f))->parent));
        }
    }
}

static bool make_functions(NicCard *card, Error **errp)
{
    if (!nic_dlpi_realize(card, errp)) {
        return false;
    }
    for (unsigned i = 1; i < card->n_functions; i++) {
        if (!make_function(card, i, errp)) {
            remove_functions(card);
            nic_dlpi_unrealize(card);
            return false;
        }
    }
    return true;
}

static void card_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    NicCard *card = NIC_CARD(proxy);

    virtio_pci_force_virtio_1(proxy);
    nic_card_adopt(card, &card->function0, 0);
    if (!qdev_realize(DEVICE(&card->function0), BUS(&proxy->bus), errp)) {
        address_space_destroy(&proxy->modern_cfg_mem_as);
        return;
    }
    if (!make_functions(card, errp)) {
        qdev_unrealize(DEVICE(&card->function0));
        undo_proxy(proxy);
    }
}

static void card_exit(PCIDevice *pci)
{
    NicCard *card = NIC_CARD(pci);

    remove_functions(card);
    nic_dlpi_unrealize(card);
    proxy_exit(pci);
}

static bool may_have_functions(NicCard *card, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(card);

    if (card->n_functions == 1) {
        return true;
    }
    if (pci->devfn >= 0 && PCI_FUNC(pci->devfn) != 0) {
        error_setg(errp, "%s: it has %u functions and must begin at function "
                   "0 of a slot, not %d", card->id, card->n_functions,
                   PCI_FUNC(pci->devfn));
        return false;
    }
    pci->cap_present |= QEMU_PCI_CAP_MULTIFUNCTION;
    return true;
}

/* Everything that can be wrong with the properties is found before PCI. */
static void card_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    NicCard *card = NIC_CARD(dev);
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);

    if (!nic_card_realize(card, errp)) {
        return;
    }
    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        /* a pair of queues has two; configuration; control */
        proxy->nvectors = 2 * card->queue_pairs + 2;
    }
    if (may_have_functions(card, errp)) {
        proxy_realize(dev, errp);
    }
    if (*errp) {
        nic_card_unrealize(card);
    }
}

static void card_unrealize(DeviceState *dev)
{
    proxy_unrealize(dev);
    nic_card_unrealize(NIC_CARD(dev));
}

static void card_reset_hold(Object *obj, ResetType type)
{
    nic_fault_reset(NIC_CARD(obj));
    if (proxy_phases.hold) {
        proxy_phases.hold(obj, type);
    }
}

static void card_instance_init(Object *obj)
{
    NicCard *card = NIC_CARD(obj);

    virtio_instance_init_common(obj, &card->function0,
                                sizeof(card->function0), TYPE_NIC_FUNCTION);
    nic_card_instance_init(card);
}

static void card_instance_finalize(Object *obj)
{
    nic_dlpi_finalize(NIC_CARD(obj));
}

static void init_pci_class(DeviceClass *dc, PCIDeviceClass *pc)
{
    pc->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pc->device_id = PCI_DEVICE_ID_VIRTIO_NET;
    pc->revision = VIRTIO_PCI_ABI_VERSION;
    pc->class_id = PCI_CLASS_NETWORK_ETHERNET;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const Property card_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, true),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void card_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);

    init_pci_class(dc, pc);
    VIRTIO_PCI_CLASS(class)->realize = card_pci_realize;
    proxy_exit = pc->exit;
    pc->exit = card_exit;
    device_class_set_parent_realize(dc, card_realize, &proxy_realize);
    device_class_set_parent_unrealize(dc, card_unrealize, &proxy_unrealize);
    resettable_class_set_parent_phases(RESETTABLE_CLASS(class), NULL,
                                       card_reset_hold, NULL, &proxy_phases);
    dc->desc = "Network card with many ports and aggregation (Sunder)";
    dc->vmsd = &vmstate_sunder_nic;
    device_class_set_props(dc, card_pci_properties);
    nic_card_class_init(class);
}

static const VirtioPCIDeviceTypeInfo card_info = {
    .base_name = TYPE_NIC_CARD,
    .generic_name = "sunder-nic",
    .instance_size = sizeof(NicCard),
    .instance_init = card_instance_init,
    .instance_finalize = card_instance_finalize,
    .class_init = card_class_init,
};

/* --- the other functions ----------------------------------------------- */

static void function_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    NicFunctionPCI *dev = NIC_FUNCTION_PCI(proxy);

    virtio_pci_force_virtio_1(proxy);
    if (!qdev_realize(DEVICE(&dev->function), BUS(&proxy->bus), errp)) {
        address_space_destroy(&proxy->modern_cfg_mem_as);
    }
}

static void function_instance_init(Object *obj)
{
    NicFunctionPCI *dev = NIC_FUNCTION_PCI(obj);

    virtio_instance_init_common(obj, &dev->function, sizeof(dev->function),
                                TYPE_NIC_FUNCTION);
}

static void function_pci_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);

    init_pci_class(dc, PCI_DEVICE_CLASS(class));
    VIRTIO_PCI_CLASS(class)->realize = function_pci_realize;
    dc->desc = "Function of a sunder-nic";
    /* reason: made by its card, which it belongs to */
    dc->user_creatable = false;
}

static const VirtioPCIDeviceTypeInfo function_pci_info = {
    .base_name = TYPE_NIC_FUNCTION_PCI,
    .generic_name = "sunder-nic-function",
    .instance_size = sizeof(NicFunctionPCI),
    .instance_init = function_instance_init,
    .class_init = function_pci_class_init,
};

static void nic_pci_register(void)
{
    virtio_pci_types_register(&card_info);
    virtio_pci_types_register(&function_pci_info);
}
type_init(nic_pci_register)
