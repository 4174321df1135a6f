/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the mode, and devices that no mode but stock can hold for
 *
 * vfio-pci and vhost keep translations of their own and do DMA without us.
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/i386/pc.h"
#include "qapi/error.h"

static bool (*parent_set_host_device)(PCIBus *bus, void *opaque, int devfn,
                                      HostIOMMUDevice *device, Error **errp);

static const char *notified_device(const VTDAddressSpace *as)
{
    return iommu_client_name(iommu_client((VTDAddressSpace *)as));
}

/* Who is notified: vfio-pci (MAP) and vhost (UNMAP). */
static int notify_flag_changed(IOMMUMemoryRegion *region,
                               IOMMUNotifierFlag before,
                               IOMMUNotifierFlag after, Error **errp)
{
    VTDAddressSpace *as = container_of(region, VTDAddressSpace, iommu);
    SunderIommu *s = SUNDER_IOMMU(as->iommu_state);

    if (iommu_checks(s) && after != IOMMU_NOTIFIER_NONE) {
        error_setg(errp, "%s: device %s does DMA without QEMU (vfio, vhost), "
                   "which mode %s cannot check: use mode=stock, or vhost=off",
                   s->id, notified_device(as),
                   SunderIommuMode_str(qatomic_read(&s->mode)));
        return -ENOTSUP;
    }
    return iommu_parent.notify_flag_changed(region, before, after, errp);
}

/*
 * A vfio device is realized.  Without this it would end the emulator when
 * the guest turns translation on, in notify_flag_changed().
 */
static bool set_host_device(PCIBus *bus, void *opaque, int devfn,
                            HostIOMMUDevice *device, Error **errp)
{
    SunderIommu *s = opaque;

    if (iommu_checks(s)) {
        error_setg(errp, "%s: the device does DMA without QEMU, which mode "
                   "%s cannot check: use mode=stock", s->id,
                   SunderIommuMode_str(qatomic_read(&s->mode)));
        return false;
    }
    return parent_set_host_device(bus, opaque, devfn, device, errp);
}

static PagingMode paging_mode(SunderIommuMode mode)
{
    switch (mode) {
    case SUNDER_IOMMU_MODE_ENFORCE:
        return PAGING_MODE_ENFORCE;
    case SUNDER_IOMMU_MODE_COHERENT:
        return PAGING_MODE_COHERENT;
    default:
        return PAGING_MODE_REPORT;
    }
}

static bool may_check(SunderIommu *s, SunderIommuMode mode, Error **errp)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    VTDAddressSpace *as = QLIST_FIRST(&v->vtd_as_with_notifiers);

    if (g_hash_table_size(v->vtd_host_iommu_dev)) {
        error_setg(errp, "%s: mode %s cannot hold: a vfio device does DMA "
                   "without QEMU", s->id, SunderIommuMode_str(mode));
        return false;
    }
    if (v->scalable_mode) {
        error_setg(errp, "%s: mode %s checks legacy mode only: use "
                   "mode=stock with x-scalable-mode=on", s->id,
                   SunderIommuMode_str(mode));
        return false;
    }
    if (as) {
        error_setg(errp, "%s: mode %s cannot hold: device %s does DMA "
                   "without QEMU (vfio, vhost)", s->id,
                   SunderIommuMode_str(mode), notified_device(as));
        return false;
    }
    return true;
}

/* Between stock and the others nothing cached is taken along. */
bool iommu_set_mode(SunderIommu *s, SunderIommuMode mode, Error **errp)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    bool stock = mode == SUNDER_IOMMU_MODE_STOCK;

    if (!stock && !may_check(s, mode, errp)) {
        return false;
    }
    paging_table_set_mode(s->table, paging_mode(mode));
    if (stock == iommu_checks(s)) {
        WITH_QEMU_LOCK_GUARD(&v->iommu_lock) {
            g_hash_table_remove_all(v->iotlb);
        }
        qatomic_set(&s->mode, mode);
        iommu_invalidate_everything(s);
    }
    qatomic_set(&s->mode, mode);
    return true;
}

static void listen_to_notifiers(void)
{
    IOMMUMemoryRegionClass *class = IOMMU_MEMORY_REGION_CLASS(
        object_class_by_name(TYPE_INTEL_IOMMU_MEMORY_REGION));

    if (!iommu_parent.notify_flag_changed) {
        iommu_parent.notify_flag_changed = class->notify_flag_changed;
    }
    class->notify_flag_changed = notify_flag_changed;
}

static void listen_to_host_devices(SunderIommu *s)
{
    static PCIIOMMUOps ops;
    PCIBus *bus = PC_MACHINE(qdev_get_machine())->pcibus;

    ops = *bus->iommu_ops;
    parent_set_host_device = ops.set_iommu_device;
    ops.set_iommu_device = set_host_device;
    pci_setup_iommu(bus, &ops, s);
}

void iommu_mode_init(SunderIommu *s)
{
    listen_to_notifiers();
    listen_to_host_devices(s);
}
