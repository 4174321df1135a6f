/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the front of the parent's registers
 *
 * A region above the parent's that sees each access and hands it on.  In
 * the checking modes a write of the invalidation queue's tail is handed on
 * one descriptor at a time, so that each invalidation is known, can be
 * intercepted, and has its effect before the wait descriptor behind it
 * tells the guest.
 *
 * Registers and descriptors: Intel Virtualization Technology for Directed
 * I/O, revision 3.4, chapter 11 and 6.5.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "system/dma.h"

static void forward_write(SunderIommu *s, hwaddr address, uint64_t value,
                          unsigned size)
{
    MemoryRegion *parent = &INTEL_IOMMU_DEVICE(s)->csrmem;

    parent->ops->write(parent->opaque, address, value, size);
}

/*
 * The parent takes writes of 64 bits to these only; to others that are
 * aligned to 8 it would abort.  11.4: software may use 32-bit accesses.
 */
static bool takes_quad(hwaddr address)
{
    switch (address) {
    case DMAR_FSTS_REG:
    case DMAR_FECTL_REG:
    case DMAR_FEUADDR_REG:
    case DMAR_PMEN_REG:
    case DMAR_ICS_REG:
    case DMAR_IECTL_REG:
    case DMAR_IEADDR_REG:
    case DMAR_IEDATA_REG:
    case DMAR_IEUADDR_REG:
        return false;
    default:
        return true;
    }
}

/*
 * Decodes the address granularity of an invalidation: the field of the
 * queue's descriptor (6.5.2.3) and of the register (11.4.8.1) alike, 1 to 3.
 */
static bool decode(unsigned granularity, uint16_t domain, uint64_t address,
                   PagingInvalidation *invalidation)
{
    *invalidation = (PagingInvalidation) {
        .granularity = PAGING_GLOBAL + granularity - 1,
        .domain = domain,
        .address = address & ~UINT64_C(0xfff),
        .order = address & 0x3f,
    };
    return granularity >= 1 && granularity <= 3 &&
           (granularity != 3 || invalidation->order <= VTD_MAMV);
}

static bool read_descriptor(IntelIOMMUState *v, uint64_t descriptor[2])
{
    dma_addr_t address = v->iq + v->iq_head * sizeof(uint64_t) * 2;

    if (dma_memory_read(&address_space_memory, address, descriptor,
                        sizeof(uint64_t) * 2, MEMTXATTRS_UNSPECIFIED)) {
        return false;
    }
    descriptor[0] = le64_to_cpu(descriptor[0]);
    descriptor[1] = le64_to_cpu(descriptor[1]);
    return true;
}

static bool is_iotlb_descriptor(const uint64_t descriptor[2],
                                PagingInvalidation *invalidation)
{
    uint64_t low = descriptor[0];

    return VTD_INV_DESC_TYPE(low) == VTD_INV_DESC_IOTLB &&
           !(low & VTD_INV_DESC_IOTLB_RSVD_LO) &&
           !(descriptor[1] & VTD_INV_DESC_IOTLB_RSVD_HI) &&
           decode((low & VTD_INV_DESC_IOTLB_G) >> 4,
                  VTD_INV_DESC_IOTLB_DID(low), descriptor[1], invalidation);
}

static void set_head(IntelIOMMUState *v, uint16_t head)
{
    v->iq_head = head;
    stq_le_p(&v->csr[DMAR_IQH_REG], (uint64_t)head << VTD_IQH_QH_SHIFT_4);
}

/*
 * In the checking modes the parent holds no translation (and nobody is to be
 * told of it), except of a device whose context changed from pass-through
 * and was not invalidated.
 */
static bool parent_holds_any(SunderIommu *s)
{
    return !iommu_checks(s) ||
           g_hash_table_size(INTEL_IOMMU_DEVICE(s)->iotlb);
}

static void step_over(IntelIOMMUState *v, uint16_t next)
{
    set_head(v, next);
    v->iq_last_desc_type = VTD_INV_DESC_IOTLB;
}

/* Returns: whether the queue goes on. */
static bool next_descriptor(SunderIommu *s)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    uint16_t next = (v->iq_head + 1) % v->iq_size;
    uint64_t descriptor[2] = { 0, 0 };
    PagingInvalidation invalidation;
    bool iotlb = read_descriptor(v, descriptor) &&
                 is_iotlb_descriptor(descriptor, &invalidation);

    if (iotlb && iommu_invalidate_intercepted(s, &invalidation)) {
        step_over(v, next);
        return true;
    }
    if (iotlb && !parent_holds_any(s)) {
        step_over(v, next);
        iommu_invalidate(s, &invalidation);
        return true;
    }
    forward_write(s, DMAR_IQT_REG, (uint64_t)next << VTD_IQH_QH_SHIFT_4, 4);
    if (v->iq_head != next) {
        return false;
    }
    if (iotlb) {
        iommu_invalidate(s, &invalidation);
    } else if (VTD_INV_DESC_TYPE(descriptor[0]) == VTD_INV_DESC_CC) {
        qatomic_inc(&s->context_epoch);
    }
    return true;
}

static bool queue_runs(IntelIOMMUState *v)
{
    return v->qi_enabled && !v->iq_dw &&
           !(ldl_le_p(&v->csr[DMAR_FSTS_REG]) & VTD_FSTS_IQE);
}

static void write_tail(SunderIommu *s, uint64_t value, unsigned size)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    unsigned tail = VTD_IQT_QT(false, value & VTD_IQH_QH_MASK);

    if (queue_runs(v) && tail < v->iq_size && v->iq_head < v->iq_size) {
        while (v->iq_head != tail && next_descriptor(s)) {
        }
    }
    /* Nothing is left to do there, or an error to be found. */
    forward_write(s, DMAR_IQT_REG, value, size);
}

/* The queue was enabled with a tail set before: all of it at once. */
static void enable_queue(SunderIommu *s, uint64_t value, unsigned size)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    uint64_t tail = ldq_le_p(&v->csr[DMAR_IQT_REG]);
    uint16_t parents = v->iq_tail;

    v->iq_tail = 0;
    forward_write(s, DMAR_GCMD_REG, value, size);
    v->iq_tail = parents;
    write_tail(s, tail, 8);
}

static void write_command(SunderIommu *s, uint64_t value, unsigned size)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    bool enabled = v->dmar_enabled;

    if ((value & VTD_GCMD_QIE) && !v->qi_enabled && v->iq_tail) {
        enable_queue(s, value, size);
    } else {
        forward_write(s, DMAR_GCMD_REG, value, size);
    }
    if ((value & VTD_GCMD_SRTP) || enabled != v->dmar_enabled) {
        iommu_invalidate_everything(s);
    }
}

/* Acknowledges an invalidation by register that is not carried out. */
static void acknowledge(IntelIOMMUState *v, uint64_t command)
{
    uint64_t actual = (command & VTD_TLB_FLUSH_GRANU_MASK) >> 3;

    stq_le_p(&v->csr[DMAR_IOTLB_REG],
             (command & ~(VTD_TLB_IVT | VTD_TLB_FLUSH_GRANU_MASK_A)) |
             actual);
}

/* IOTLB Invalidate register, 11.4.8.1: IVT is in the high half. */
static void write_iotlb(SunderIommu *s, hwaddr address, uint64_t value,
                        unsigned size)
{
    IntelIOMMUState *v = INTEL_IOMMU_DEVICE(s);
    uint64_t command = size == 8 ? value :
        (value << 32 | (uint32_t)ldl_le_p(&v->csr[DMAR_IOTLB_REG]));
    PagingInvalidation invalidation;
    bool asked = (command & VTD_TLB_IVT) && !v->qi_enabled &&
        decode((command & VTD_TLB_FLUSH_GRANU_MASK) >> 60,
               VTD_TLB_DID(command), ldq_le_p(&v->csr[DMAR_IVA_REG]),
               &invalidation);

    if (asked && iommu_invalidate_intercepted(s, &invalidation)) {
        acknowledge(v, command);
        return;
    }
    forward_write(s, address, value, size);
    if (asked) {
        iommu_invalidate(s, &invalidation);
    }
}

static void front_write(void *opaque, hwaddr address, uint64_t value,
                        unsigned size)
{
    SunderIommu *s = opaque;

    if (size == 8 && !takes_quad(address)) {
        front_write(s, address, (uint32_t)value, 4);
        front_write(s, address + 4, value >> 32, 4);
        return;
    }
    switch (address) {
    case DMAR_IQT_REG:
        write_tail(s, value, size);
        break;
    case DMAR_GCMD_REG:
        write_command(s, value, size);
        break;
    case DMAR_IOTLB_REG_HI:
        write_iotlb(s, address, value, size);
        break;
    case DMAR_IOTLB_REG:
        if (size == 8) {
            write_iotlb(s, address, value, size);
            break;
        }
        forward_write(s, address, value, size);
        break;
    case DMAR_FSTS_REG:
    case DMAR_FRCD_REG_0_0 ... DMAR_FRCD_REG_0_3:
        /* An iothread may be recording a fault. */
        WITH_QEMU_LOCK_GUARD(&INTEL_IOMMU_DEVICE(s)->iommu_lock) {
            forward_write(s, address, value, size);
        }
        break;
    default:
        forward_write(s, address, value, size);
        break;
    }
    if (address == DMAR_CCMD_REG_HI ||
        (address == DMAR_CCMD_REG && size == 8)) {
        qatomic_inc(&s->context_epoch);
    }
}

static uint64_t front_read(void *opaque, hwaddr address, unsigned size)
{
    MemoryRegion *parent = &INTEL_IOMMU_DEVICE(opaque)->csrmem;

    return parent->ops->read(parent->opaque, address, size);
}

static const MemoryRegionOps front_ops = {
    .read = front_read,
    .write = front_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

void iommu_front_init(SunderIommu *s)
{
    memory_region_init_io(&s->front, OBJECT(s), &front_ops, s,
                          "sunder-iommu", DMAR_REG_SIZE);
    memory_region_add_subregion_overlap(get_system_memory(),
                                        Q35_HOST_BRIDGE_IOMMU_ADDR,
                                        &s->front, 1);
}
