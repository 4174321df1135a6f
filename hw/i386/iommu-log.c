/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the fault log
 *
 * Primary fault logging of the Intel Virtualization Technology for Directed
 * I/O specification, revision 3.4: 7.2 (what is recorded), 7.3 (the fault
 * event), 11.4.7 (Fault Status and Event registers), 11.4.14 (Fault
 * Recording Registers).  The parent has functions for it that nobody else
 * can call; the registers are public.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/trace.h"
#include "qemu/main-loop.h"

static hwaddr record_offset(unsigned index)
{
    return DMAR_FRCD_REG_OFFSET + 16 * index;
}

static uint64_t record_high(IntelIOMMUState *v, unsigned index)
{
    return ldq_le_p(&v->csr[record_offset(index) + 8]);
}

static void change_register(IntelIOMMUState *v, hwaddr reg, uint32_t clear,
                            uint32_t set)
{
    stl_le_p(&v->csr[reg], (ldl_le_p(&v->csr[reg]) & ~clear) | set);
}

/* 7.2.1: another fault of a requester that has one pending is dropped. */
static bool has_pending(IntelIOMMUState *v, uint16_t requester)
{
    for (unsigned i = 0; i < DMAR_FRCD_REG_NR; i++) {
        uint64_t high = record_high(v, i);

        if ((high & VTD_FRCD_F) && VTD_FRCD_SID(high) == requester) {
            return true;
        }
    }
    return false;
}

static void write_record(IntelIOMMUState *v, uint16_t requester,
                         uint64_t iova, unsigned access, PagingReason reason)
{
    hwaddr offset = record_offset(v->next_frcd_reg);

    stq_le_p(&v->csr[offset], VTD_FRCD_FI(iova));
    stq_le_p(&v->csr[offset + 8],
             VTD_FRCD_F | VTD_FRCD_FR(reason) | VTD_FRCD_SID(requester) |
             (access == PAGING_READ ? VTD_FRCD_T : 0));
}

/* Returns: whether there is an event to be sent. */
static bool record(IntelIOMMUState *v, uint16_t requester, uint64_t iova,
                   unsigned access, PagingReason reason)
{
    uint32_t status = ldl_le_p(&v->csr[DMAR_FSTS_REG]);
    unsigned index = v->next_frcd_reg;

    if ((status & VTD_FSTS_PFO) || has_pending(v, requester)) {
        return false;
    }
    if (record_high(v, index) & VTD_FRCD_F) {
        change_register(v, DMAR_FSTS_REG, 0, VTD_FSTS_PFO);
        return false;
    }
    write_record(v, requester, iova, access, reason);
    v->next_frcd_reg = (index + 1) % DMAR_FRCD_REG_NR;
    if (status & VTD_FSTS_PPF) {
        return false;
    }
    change_register(v, DMAR_FSTS_REG, VTD_FSTS_FRI_MASK,
                    VTD_FSTS_FRI(index) | VTD_FSTS_PPF);
    if (status & VTD_FSTS_IQE) {
        return false;
    }
    change_register(v, DMAR_FECTL_REG, 0, VTD_FECTL_IP);
    return true;
}

/* The address is the guest's: nothing but a message goes out. */
static void send_message(uint32_t address, uint32_t data)
{
    if (address >= VTD_INTERRUPT_ADDR_FIRST &&
        address <= VTD_INTERRUPT_ADDR_LAST) {
        address_space_stl_le(&address_space_memory, address, data,
                             MEMTXATTRS_UNSPECIFIED, NULL);
    }
}

void iommu_log_send_event(SunderIommu *s)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    uint32_t control = ldl_le_p(&v->csr[DMAR_FECTL_REG]);

    if (!(control & VTD_FECTL_IP) || (control & VTD_FECTL_IM)) {
        return;
    }
    send_message(ldl_le_p(&v->csr[DMAR_FEADDR_REG]),
                 ldl_le_p(&v->csr[DMAR_FEDATA_REG]));
    change_register(v, DMAR_FECTL_REG, VTD_FECTL_IP, 0);
}

/* 7.1.3: those that FPD of the context entry keeps out of the log. */
static bool is_qualified(PagingReason reason)
{
    switch (reason) {
    case PAGING_REASON_ROOT_ABSENT:
    case PAGING_REASON_ROOT_ACCESS:
    case PAGING_REASON_CONTEXT_ACCESS:
    case PAGING_REASON_ROOT_RESERVED:
    case PAGING_REASON_CONTEXT_RESERVED:
        return false;
    default:
        return true;
    }
}

void iommu_log_fault(IommuClient *client, uint64_t iova, unsigned access,
                     PagingReason reason)
{
    SunderIommu *s = client->iommu;
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    uint16_t requester = PCI_BUILD_BDF(pci_bus_num(client->as->bus),
                                       client->as->devfn);
    bool event = false;

    trace_sunder_iommu_fault(s->id, requester, iova, access, reason);
    if (is_qualified(reason) && qatomic_read(&client->faults_disabled)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&v->iommu_lock) {
        event = record(v, requester, iova, access, reason);
    }
    if (event && bql_locked()) {
        iommu_log_send_event(s);
    } else if (event) {
        qemu_bh_schedule(s->report_bh);
    }
}
