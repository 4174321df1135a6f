/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-port: Downstream Port Containment
 *
 * PCI Express Base Specification 5.0, 6.2.10 (behaviour) and 7.9.15
 * (registers).  When an uncorrectable error reaches the port, the link
 * is disabled and everything below is fenced off until software clears
 * the trigger.  With the Root Port Extensions, failed requests of the
 * root complex itself (RP PIO) are logged and may trigger it too.
 */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_regs.h"
#include "hw/pci/pcie_aer.h"
#include "hw/trace.h"
#include "qemu/range.h"

/* Registers, as offsets from the capability */
#define DPC_CAP                 0x04    /* 16 bits */
#define DPC_CTL                 0x06    /* 16 bits */
#define DPC_STATUS              0x08    /* 16 bits */
#define DPC_SOURCE_ID           0x0a    /* 16 bits */
#define DPC_RP_PIO_STATUS       0x0c
#define DPC_RP_PIO_MASK         0x10
#define DPC_RP_PIO_SEVERITY     0x14
#define DPC_RP_PIO_SYSERROR     0x18
#define DPC_RP_PIO_EXCEPTION    0x1c
#define DPC_RP_PIO_HEADER_LOG   0x20    /* four doublewords */

/* DPC Capability: RP extensions, software trigger, log of 4 doublewords */
#define DPC_CAP_VALUE (PCI_EXP_DPC_CAP_RP_EXT | PCI_EXP_DPC_CAP_SW_TRIGGER | \
                       4 << 8)

/* DPC Control: fields that software may write */
#define DPC_CTL_TRIGGER         0x0003
#define DPC_CTL_WRITABLE        0x005f
#define DPC_CTL_SOFTWARE        0x0040
#define DPC_CTL_TRIGGER_FATAL   1
#define DPC_CTL_TRIGGER_NONFATAL 2

#define DPC_STATUS_REASON_SHIFT 1
#define DPC_STATUS_EXT_SHIFT    5
#define DPC_STATUS_FIRST_SHIFT  8
#define DPC_STATUS_FIRST_MASK   0x1f00
#define DPC_STATUS_FIRST_NONE   0x1f

/* RP PIO errors that there are: UR, CA, CTO of config, I/O, memory */
#define RP_PIO_ALL              0x00070707

static uint8_t *dpc_registers(const SunderRacPort *port)
{
    return PCI_DEVICE(port)->config + RAC_DPC_OFFSET;
}

bool rac_dpc_triggered(const SunderRacPort *port)
{
    return port->dpc && (pci_get_word(dpc_registers(port) + DPC_STATUS) &
                         PCI_EXP_DPC_STATUS_TRIGGER);
}

static void notify(PCIDevice *d)
{
    if (msix_enabled(d)) {
        msix_notify(d, 0);
    } else if (msi_enabled(d)) {
        msi_notify(d, 0);
    }
}

static void set_interrupt_status(SunderRacPort *port)
{
    uint8_t *dpc = dpc_registers(port);
    uint16_t before = pci_word_test_and_set_mask(
        dpc + DPC_STATUS, PCI_EXP_DPC_STATUS_INTERRUPT);

    if (!before && (pci_get_word(dpc + DPC_CTL) & PCI_EXP_DPC_CTL_INT_EN)) {
        notify(PCI_DEVICE(port));
    }
}

static void trigger(SunderRacPort *port, RacDpcReason reason,
                    uint16_t source)
{
    uint8_t *dpc = dpc_registers(port);
    uint16_t status = pci_get_word(dpc + DPC_STATUS);

    if (status & PCI_EXP_DPC_STATUS_TRIGGER) {
        return;
    }
    status &= PCI_EXP_DPC_STATUS_INTERRUPT | DPC_STATUS_FIRST_MASK;
    status |= PCI_EXP_DPC_STATUS_TRIGGER |
              (reason & 3) << DPC_STATUS_REASON_SHIFT |
              (reason >> 2) << DPC_STATUS_EXT_SHIFT;
    pci_set_word(dpc + DPC_STATUS, status);
    pci_set_word(dpc + DPC_SOURCE_ID, source);
    trace_sunder_rac_dpc_trigger(port->controller.id, status, source);
    rac_port_show_link(port, false);
    rac_port_update_isolation(port, RAC_REASON_CONTAINMENT);
    set_interrupt_status(port);
}

static void release(SunderRacPort *port)
{
    trace_sunder_rac_dpc_release(port->controller.id);
    pci_word_test_and_clear_mask(dpc_registers(port) + DPC_STATUS,
                                 PCI_EXP_DPC_STATUS_TRIGGER_RSN |
                                 PCI_EXP_DPC_STATUS_TRIGGER_RSN_EXT);
    rac_port_show_link(port, port->link_up);
    rac_port_update_isolation(port, RAC_REASON_CONTAINMENT);
}

static unsigned trigger_enable(const SunderRacPort *port)
{
    return pci_get_word(dpc_registers(port) + DPC_CTL) & DPC_CTL_TRIGGER;
}

/*
 * A message at the root port: does it trigger containment?  Then it goes
 * no further (6.2.10).  The port's own errors come this way too.
 */
static bool message_hook(PCIDevice *d, const PCIEAERMsg *message)
{
    SunderRacPort *port = (SunderRacPort *)
        object_dynamic_cast(OBJECT(d), TYPE_SUNDER_RAC_PORT);
    bool fatal = message->severity == PCI_ERR_ROOT_CMD_FATAL_EN;
    bool own = message->source_id == pci_get_bdf(d);
    unsigned enable;

    if (!port || !port->dpc || !pcie_aer_msg_is_uncor(message)) {
        return false;
    }
    enable = trigger_enable(port);
    if (enable != DPC_CTL_TRIGGER_NONFATAL &&
        !(fatal && enable == DPC_CTL_TRIGGER_FATAL)) {
        return false;
    }
    if (own) {
        trigger(port, RAC_DPC_UNCORRECTABLE, 0);
    } else {
        trigger(port, fatal ? RAC_DPC_ERR_FATAL : RAC_DPC_ERR_NONFATAL,
                message->source_id);
    }
    return true;
}

static void note_first_error(uint8_t *dpc, unsigned bit,
                             const uint32_t header[4])
{
    uint16_t status = pci_get_word(dpc + DPC_STATUS);

    pci_set_word(dpc + DPC_STATUS, (status & ~DPC_STATUS_FIRST_MASK) |
                 bit << DPC_STATUS_FIRST_SHIFT);
    for (unsigned i = 0; i < 4; i++) {
        pci_set_long(dpc + DPC_RP_PIO_HEADER_LOG + i * 4, header[i]);
    }
}

bool rac_dpc_rp_pio(SunderRacPort *port, unsigned bit,
                    const uint32_t header[4])
{
    uint8_t *dpc = dpc_registers(port);
    uint32_t before, error = 1u << bit;

    if (!port->dpc) {
        return false;
    }
    before = pci_get_long(dpc + DPC_RP_PIO_STATUS);
    pci_set_long(dpc + DPC_RP_PIO_STATUS, before | error);
    if (pci_get_long(dpc + DPC_RP_PIO_MASK) & error) {
        return false;
    }
    if (!(before & ~pci_get_long(dpc + DPC_RP_PIO_MASK))) {
        note_first_error(dpc, bit, header);
    }
    if ((pci_get_long(dpc + DPC_RP_PIO_SEVERITY) & error) &&
        trigger_enable(port)) {
        trigger(port, RAC_DPC_RP_PIO, 0);
    }
    return true;
}

void rac_dpc_reset(SunderRacPort *port)
{
    uint8_t *dpc = dpc_registers(port);

    if (!port->dpc) {
        return;
    }
    memset(dpc + DPC_CTL, 0, RAC_DPC_SIZE - DPC_CTL);
    pci_set_word(dpc + DPC_STATUS,
                 DPC_STATUS_FIRST_NONE << DPC_STATUS_FIRST_SHIFT);
    /*
     * The specification has all errors masked and advisory; the firmware
     * of a machine decides, and here that is the property.
     */
    pci_set_long(dpc + DPC_RP_PIO_MASK, port->rp_pio_mask & RP_PIO_ALL);
    pci_set_long(dpc + DPC_RP_PIO_SEVERITY, RP_PIO_ALL);
}

static void init_masks(PCIDevice *d)
{
    uint8_t *w1c = d->w1cmask + RAC_DPC_OFFSET;
    uint8_t *w = d->wmask + RAC_DPC_OFFSET;

    pci_set_word(w + DPC_CTL, DPC_CTL_WRITABLE);
    pci_set_word(w1c + DPC_STATUS, PCI_EXP_DPC_STATUS_TRIGGER |
                 PCI_EXP_DPC_STATUS_INTERRUPT);
    pci_set_long(w1c + DPC_RP_PIO_STATUS, RP_PIO_ALL);
    for (unsigned at = DPC_RP_PIO_MASK; at <= DPC_RP_PIO_EXCEPTION;
         at += 4) {
        pci_set_long(w + at, RP_PIO_ALL);
    }
    /* what the port changes by itself need not agree in a migration */
    memset(d->cmask + RAC_DPC_OFFSET + DPC_CTL, 0, RAC_DPC_SIZE - DPC_CTL);
}

void rac_dpc_init(SunderRacPort *port)
{
    PCIDevice *d = PCI_DEVICE(port);

    if (!port->dpc) {
        return;
    }
    pcie_add_capability(d, PCI_EXT_CAP_ID_DPC, 1, RAC_DPC_OFFSET,
                        RAC_DPC_SIZE);
    pci_set_word(dpc_registers(port) + DPC_CAP, DPC_CAP_VALUE);
    init_masks(d);
    rac_dpc_reset(port);
    pcie_aer_message_hook = message_hook;
}

void rac_dpc_write_config(SunderRacPort *port, uint16_t old_control,
                          uint32_t address, int length)
{
    uint8_t *dpc = dpc_registers(port);

    if (!port->dpc ||
        !ranges_overlap(address, length, RAC_DPC_OFFSET, RAC_DPC_SIZE)) {
        return;
    }
    /* the software trigger always reads as zero (7.9.15.3) */
    if (pci_word_test_and_clear_mask(dpc + DPC_CTL, DPC_CTL_SOFTWARE) &&
        trigger_enable(port)) {
        trigger(port, RAC_DPC_SOFTWARE, 0);
    }
    if (port->isolated && rac_port_is_contained(port) &&
        !rac_dpc_triggered(port)) {
        release(port);
    }
    /* the interrupt was enabled with its status already set */
    if ((~old_control & pci_get_word(dpc + DPC_CTL) &
         PCI_EXP_DPC_CTL_INT_EN) &&
        (pci_get_word(dpc + DPC_STATUS) & PCI_EXP_DPC_STATUS_INTERRUPT)) {
        notify(PCI_DEVICE(port));
    }
    if (!pci_get_long(dpc + DPC_RP_PIO_STATUS)) {
        pci_word_test_and_set_mask(dpc + DPC_STATUS, DPC_STATUS_FIRST_MASK);
    }
}
