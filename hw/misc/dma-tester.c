/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-device sunder-dma-tester": a PCI device that does DMA when and how it
 * is told to, for tests and benchmarks of what is between it and memory.
 */
#include "qemu/osdep.h"
#include "hw/misc/dma-tester-device.h"
#include "hw/pci/msi.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "system/runstate.h"

#define BAR_REGISTERS   0
#define BAR_BUFFER      2

static void update_intx(SunderDmaTester *s)
{
    PCIDevice *pci = PCI_DEVICE(s);

    if (!msi_enabled(pci)) {
        pci_set_irq(pci, (s->irq_status & s->irq_enable) != 0);
    }
}

void sdt_raise(SunderDmaTester *s, uint32_t bits)
{
    PCIDevice *pci = PCI_DEVICE(s);

    s->irq_status |= bits;
    if (msi_enabled(pci) && (bits & s->irq_enable)) {
        msi_notify(pci, 0);
    }
    update_intx(s);
}

static void tester_reset(SunderDmaTester *s)
{
    sdt_bench_stop(s);
    for (unsigned i = 0; i < SDT_SLOTS; i++) {
        sdt_slot_reset(&s->slots[i]);
    }
    s->irq_status = 0;
    s->irq_enable = 0;
    if (!s->run) {
        memset(s->bench, 0, sizeof(s->bench));
    }
    update_intx(s);
}

static uint32_t read_own(SunderDmaTester *s, hwaddr address)
{
    switch (address) {
    case SDT_ID:
        return SDT_ID_VALUE;
    case SDT_VERSION:
        return SDT_VERSION_VALUE;
    case SDT_NR_SLOTS:
        return SDT_SLOTS;
    case SDT_NR_BYTES:
        return SDT_BUFFER_SIZE;
    case SDT_IRQ_STATUS:
        return s->irq_status;
    case SDT_IRQ_ENABLE:
        return s->irq_enable;
    default:
        return 0;
    }
}

static uint64_t tester_read(void *opaque, hwaddr address, unsigned size)
{
    SunderDmaTester *s = opaque;

    if (address >= SDT_SLOT(0) && address < SDT_SLOT(SDT_SLOTS)) {
        address -= SDT_SLOT(0);
        return s->slots[address / SDT_SLOT_SIZE]
            .regs[address % SDT_SLOT_SIZE / 4];
    }
    if (address >= SDT_BENCH && address < SDT_BENCH + SDT_BENCH_SIZE) {
        return s->bench[(address - SDT_BENCH) / 4];
    }
    return read_own(s, address);
}

static void write_own(SunderDmaTester *s, hwaddr address, uint32_t value)
{
    switch (address) {
    case SDT_RESET:
        tester_reset(s);
        break;
    case SDT_IRQ_STATUS:
        s->irq_status &= ~value;
        update_intx(s);
        break;
    case SDT_IRQ_ENABLE:
        s->irq_enable = value;
        update_intx(s);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "%s: no register to write at 0x%"
                      HWADDR_PRIx "\n", TYPE_SUNDER_DMA_TESTER, address);
        break;
    }
}

static void tester_write(void *opaque, hwaddr address, uint64_t value,
                         unsigned size)
{
    SunderDmaTester *s = opaque;

    if (address >= SDT_SLOT(0) && address < SDT_SLOT(SDT_SLOTS)) {
        address -= SDT_SLOT(0);
        sdt_slot_write(&s->slots[address / SDT_SLOT_SIZE],
                       address % SDT_SLOT_SIZE, value);
    } else if (address >= SDT_BENCH && address < SDT_BENCH + SDT_BENCH_SIZE) {
        sdt_bench_write(s, address - SDT_BENCH, value);
    } else {
        write_own(s, address, value);
    }
}

static const MemoryRegionOps tester_ops = {
    .read = tester_read,
    .write = tester_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/*
 * Nothing may touch memory while the machine stands still: RAM is saved
 * before the devices are.
 */
static void tester_vm_change(void *opaque, bool running, RunState state)
{
    SunderDmaTester *s = opaque;

    if (!running) {
        sdt_bench_stop_and_wait(s);
        for (unsigned i = 0; i < SDT_SLOTS; i++) {
            sdt_slot_give_back(&s->slots[i]);
        }
    }
}

static void tester_exit(PCIDevice *pci)
{
    SunderDmaTester *s = SUNDER_DMA_TESTER(pci);

    sdt_host_cleanup(s);
    sdt_bench_stop_and_wait(s);
    qemu_del_vm_change_state_handler(s->vm_change);
    for (unsigned i = 0; i < SDT_SLOTS; i++) {
        sdt_slot_cleanup(&s->slots[i]);
    }
    msi_uninit(pci);
    pcie_cap_exit(pci);
}

static void tester_realize(PCIDevice *pci, Error **errp)
{
    ERRP_GUARD();
    SunderDmaTester *s = SUNDER_DMA_TESTER(pci);

    memory_region_init_io(&s->registers, OBJECT(s), &tester_ops, s,
                          "sunder-dma-tester.registers", SDT_REGISTERS_SIZE);
    if (!memory_region_init_ram(&s->buffer, OBJECT(s),
                                "sunder-dma-tester.buffer", SDT_BUFFER_SIZE,
                                errp)) {
        return;
    }
    pci_register_bar(pci, BAR_REGISTERS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->registers);
    pci_register_bar(pci, BAR_BUFFER, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->buffer);
    pci_config_set_interrupt_pin(pci->config, 1);
    if (pcie_endpoint_cap_init(pci, 0) < 0) {
        error_setg(errp, "%s: no room for the PCI Express capability",
                   TYPE_SUNDER_DMA_TESTER);
        return;
    }
    if (msi_init(pci, 0, 1, true, false, errp)) {
        pcie_cap_exit(pci);
        return;
    }
    qemu_cond_init(&s->run_over);
    for (unsigned i = 0; i < SDT_SLOTS; i++) {
        sdt_slot_init(s, &s->slots[i]);
    }
    s->vm_change = qemu_add_vm_change_state_handler(tester_vm_change, s);
    if (!sdt_host_init(s, errp)) {
        tester_exit(pci);
    }
}

static void tester_reset_hold(Object *obj, ResetType type)
{
    SunderDmaTester *s = SUNDER_DMA_TESTER(obj);

    tester_reset(s);
}

static const VMStateDescription vmstate_slot = {
    .name = "sunder-dma-tester/slot",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_TIMER(timer, SdtSlot),
        VMSTATE_UINT32_ARRAY(regs, SdtSlot, SDT_SLOT_SIZE / 4),
        VMSTATE_UINT32(command, SdtSlot),
        VMSTATE_UINT64(held_iova, SdtSlot),
        VMSTATE_UINT32(held_length, SdtSlot),
        VMSTATE_BOOL(held_write, SdtSlot),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_tester = {
    .name = TYPE_SUNDER_DMA_TESTER,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, SunderDmaTester),
        VMSTATE_UINT32(irq_status, SunderDmaTester),
        VMSTATE_UINT32(irq_enable, SunderDmaTester),
        VMSTATE_STRUCT_ARRAY(slots, SunderDmaTester, SDT_SLOTS, 1,
                             vmstate_slot, SdtSlot),
        VMSTATE_UINT32_ARRAY(bench, SunderDmaTester, SDT_BENCH_SIZE / 4),
        VMSTATE_END_OF_LIST()
    }
};

static const Property tester_properties[] = {
    DEFINE_PROP_BOOL("x-passthrough", SunderDmaTester, passthrough, false),
};

static void tester_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "DMA on command, for tests of IOMMUs";
    dc->vmsd = &vmstate_tester;
    device_class_set_props(dc, tester_properties);
    RESETTABLE_CLASS(klass)->phases.hold = tester_reset_hold;
    pc->realize = tester_realize;
    pc->exit = tester_exit;
    pc->vendor_id = SDT_VENDOR_ID;
    pc->device_id = SDT_DEVICE_ID;
    pc->revision = SDT_VERSION_VALUE;
    pc->class_id = PCI_CLASS_OTHERS;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo tester_types[] = {
    {
        .name = TYPE_SUNDER_DMA_TESTER,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(SunderDmaTester),
        .class_init = tester_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { }
        },
    }
};

DEFINE_TYPES(tester_types)
