/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-port: the records that a failed request leaves
 *
 * A completer that rejects or aborts a request logs it in its AER
 * capability and sends a message (PCIe 5.0, 6.2.3.2.4); the root port as
 * requester notes the completion's status in Secondary Status (7.5.1.3.7)
 * and in RP PIO (6.2.10.3), and logs a completion timeout or poisoned
 * data itself.
 */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/pci_regs.h"
#include "hw/pci/pcie_aer.h"
#include "qemu/bswap.h"
#include "target-models/rac/tlp.h"

/* RP PIO status: three bits for each space (7.9.15.7) */
#define RP_PIO_CONFIG_SHIFT 0
#define RP_PIO_IO_SHIFT     8
#define RP_PIO_MEMORY_SHIFT 16
#define RP_PIO_UR           0
#define RP_PIO_CA           1
#define RP_PIO_CTO          2

static unsigned rp_pio_bit(RacSpace space, unsigned kind)
{
    switch (space) {
    case RAC_SPACE_CONFIG:
        return RP_PIO_CONFIG_SHIFT + kind;
    case RAC_SPACE_IO:
        return RP_PIO_IO_SHIFT + kind;
    default:
        return RP_PIO_MEMORY_SHIFT + kind;
    }
}

static uint64_t address_of(RacFunction *f, RacResource *r,
                           const RacAccess *a)
{
    for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
        if (f->bars[i].resource == r) {
            return f->device->io_regions[i].addr + a->offset;
        }
    }
    return a->offset;
}

static void request_header(RacFunction *f, RacResource *r,
                           const RacAccess *a, uint32_t header[4])
{
    PCIDevice *port = PCI_DEVICE(f->port);
    PCIBus *secondary = pci_bridge_get_sec_bus(PCI_BRIDGE(port));
    TlpRequest request = {
        .space = r->entry->space,
        .write = a->write,
        .requester = pci_get_bdf(port),
        .completer = pci_get_bdf(f->device),
        .direct = pci_get_bus(f->device) == secondary,
        .address = address_of(f, r, a),
        .size = a->size,
    };

    tlp_request_header(&request, header);
}

/* Baseline records of a function without AER: Device Status (6.2.5). */
static void record_in_device_status(PCIDevice *d, uint32_t status)
{
    uint16_t bits = PCI_EXP_DEVSTA_NFED;

    if (pci_is_express(d) && d->exp.exp_cap) {
        bits |= status == PCI_ERR_UNC_UNSUP ? PCI_EXP_DEVSTA_URD : 0;
        pci_word_test_and_set_mask(d->config + d->exp.exp_cap +
                                   PCI_EXP_DEVSTA, bits);
    }
}

static void record_error(SunderRacPort *port, PCIDevice *d, uint32_t status,
                         const uint32_t header[4])
{
    PCIEAERErr err = {
        .status = status,
        .source_id = pci_get_bdf(d),
        .flags = header ? PCIE_AER_ERR_HEADER_VALID : 0,
    };

    if (!pci_is_express(d) || !d->exp.aer_cap) {
        record_in_device_status(d, status);
        return;
    }
    for (unsigned i = 0; header && i < ARRAY_SIZE(err.header); i++) {
        /* QEMU stores the log big-endian; byte 0 belongs into bits 31:24 */
        err.header[i] = bswap32(header[i]);
    }
    if (port->advisory && (status == PCI_ERR_UNC_UNSUP ||
                           status == PCI_ERR_UNC_COMP_ABORT)) {
        err.flags |= PCIE_AER_ERR_MAYBE_ADVISORY;
    }
    pcie_aer_inject_error(d, &err);
}

static void set_secondary_status(SunderRacPort *port, uint16_t bits)
{
    pci_word_test_and_set_mask(PCI_DEVICE(port)->config + PCI_SEC_STATUS,
                               bits);
}

/* The completer says no: UR or CA. */
static void record_refusal(RacResource *r, const RacAccess *a,
                           uint32_t status, unsigned rp_pio,
                           uint16_t secondary)
{
    RacFunction *f = rac_resource_function(r);
    unsigned bit = rp_pio_bit(r->entry->space, rp_pio);
    uint32_t header[4];

    request_header(f, r, a, header);
    if (!rac_access_is_posted(r, a)) {
        set_secondary_status(f->port, secondary);
        if (rac_dpc_rp_pio(f->port, bit, header)) {
            return;
        }
    }
    record_error(f->port, f->device, status, header);
}

static void record_timeout(RacResource *r, const RacAccess *a)
{
    RacFunction *f = rac_resource_function(r);
    unsigned bit = rp_pio_bit(r->entry->space, RP_PIO_CTO);
    uint32_t header[4];

    request_header(f, r, a, header);
    if (!rac_dpc_rp_pio(f->port, bit, header)) {
        record_error(f->port, PCI_DEVICE(f->port), PCI_ERR_UNC_COMP_TIME,
                     NULL);
    }
}

/* Whoever receives the data finds it poisoned. */
static void record_poison(RacResource *r, const RacAccess *a)
{
    RacFunction *f = rac_resource_function(r);
    PCIDevice *receiver = a->write ? f->device : PCI_DEVICE(f->port);
    uint32_t header[4];

    request_header(f, r, a, header);
    if (!a->write) {
        set_secondary_status(f->port, PCI_STATUS_DETECTED_PARITY);
    }
    record_error(f->port, receiver, PCI_ERR_UNC_POISON_TLP, header);
}

void rac_port_record(RacResource *r, const RacAccess *a, RacOutcome outcome)
{
    switch (outcome) {
    case RAC_OUTCOME_UNSUPPORTED_REQUEST:
        record_refusal(r, a, PCI_ERR_UNC_UNSUP, RP_PIO_UR,
                       PCI_STATUS_REC_MASTER_ABORT);
        break;
    case RAC_OUTCOME_COMPLETER_ABORT:
        record_refusal(r, a, PCI_ERR_UNC_COMP_ABORT, RP_PIO_CA,
                       PCI_STATUS_REC_TARGET_ABORT);
        break;
    case RAC_OUTCOME_COMPLETION_TIMEOUT:
        record_timeout(r, a);
        break;
    case RAC_OUTCOME_POISONED:
        record_poison(r, a);
        break;
    default:
        break;
    }
}
