/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-device sunder-dma-tester,x-passthrough=on": says of itself what vfio-pci
 * says, that the host translates its DMA.  It does not: the tester is there to
 * see what an IOMMU answers, without a device to pass through.
 */
#include "qemu/osdep.h"
#include "hw/misc/dma-tester-device.h"
#include "hw/pci/pci.h"
#include "qemu/module.h"
#include "system/host_iommu_device.h"

#define TYPE_SDT_HOST   "sunder-dma-tester-host"
#define ADDRESS_BITS    48      /* of the host's IOMMU: those of most */

bool sdt_host_init(SunderDmaTester *s, Error **errp)
{
    g_autoptr(HostIOMMUDevice) host = NULL;

    if (!s->passthrough) {
        return true;
    }
    host = HOST_IOMMU_DEVICE(object_new(TYPE_SDT_HOST));
    return pci_device_set_iommu_device(PCI_DEVICE(s), host, errp);
}

void sdt_host_cleanup(SunderDmaTester *s)
{
    if (s->passthrough) {
        pci_device_unset_iommu_device(PCI_DEVICE(s));
    }
}

static int host_get_cap(HostIOMMUDevice *host, int cap, Error **errp)
{
    return cap == HOST_IOMMU_DEVICE_CAP_AW_BITS ? ADDRESS_BITS : 0;
}

static void host_class_init(ObjectClass *klass, void *data)
{
    HOST_IOMMU_DEVICE_CLASS(klass)->get_cap = host_get_cap;
}

static const TypeInfo host_types[] = {
    {
        .name = TYPE_SDT_HOST,
        .parent = TYPE_HOST_IOMMU_DEVICE,
        .class_init = host_class_init,
    }
};

DEFINE_TYPES(host_types)
