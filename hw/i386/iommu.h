/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: an Intel IOMMU with page-mapping cookies
 *
 * A subclass of QEMU's intel-iommu: registers, queued invalidation,
 * interrupt remapping, ACPI tables and properties are the parent's.  In any
 * mode but stock, DMA translations of legacy mode are made by
 * target-models/paging instead of the parent's IOTLB.
 *
 *   -device sunder-iommu,id=iommu0,mode=report,bounce=off,intremap=on,...
 *
 * Concepts:
 *
 * - The front: a region above the parent's registers that sees each write
 *   and hands it on, one descriptor of the invalidation queue at a time.
 * - A client is a PCI function behind the IOMMU; it is made when it first
 *   translates or when its fault point is registered, and never goes.
 * - A held mapping is memory that a device has mapped for longer
 *   (dma_memory_map()).  With bounce=on it is a copy; at the write-back
 *   each page is translated again:
 *     - stale as any other DMA: the mode decides, invalidation is never or
 *       pending;
 *     - invalidated meanwhile and mapped elsewhere: invalidation is done;
 *       enforce blocks it, report and coherent write where the mapping
 *       leads now, as hardware without a device TLB would (healed);
 *     - invalidated meanwhile and not mapped: done, blocked in every mode,
 *       with a fault in the log.
 * - Fault points: "<id>/invalidation" with lost and delayed (acknowledged
 *   at once, carried out later), and "<id>/<device>/dma" with
 *   translation-fault, blocked and late-dma.  <id> is the qdev id, or
 *   "iommu0"; <device> is the id, or bus:slot.function such as
 *   "pcie.0:1f.2".
 *
 * Locks: translation runs in any thread, within RCU, with or without the
 * big lock.  SunderIommu.lock guards the list of clients, their contexts
 * and the reports; the parent's iommu_lock the fault log.  Neither is held
 * while anything but the lock of target-models/paging is taken.  Everything
 * else wants the big lock.
 */
#ifndef SUNDER_HW_I386_IOMMU_H
#define SUNDER_HW_I386_IOMMU_H

#include "hw/fault/fault.h"
#include "hw/i386/intel_iommu.h"
#include "qapi/qapi-types-sunder.h"
#include "target-models/paging/paging.h"

#define TYPE_SUNDER_IOMMU "sunder-iommu"
OBJECT_DECLARE_SIMPLE_TYPE(SunderIommu, SUNDER_IOMMU)

/*
 * sunder_iommu_get:
 *
 * Returns: the machine's sunder-iommu, or NULL; there is one at most.
 */
SunderIommu *sunder_iommu_get(void);

#endif
