/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-port: a PCIe root port with a resource access controller
 *
 * A subclass of QEMU's pcie-root-port.  To the guest it is that port
 * with a Downstream Port Containment capability; to the devices below it
 * is the controller that knows each of their resources.
 *
 * Concepts:
 *
 * - A function is a PCI function somewhere below the port, also behind
 *   further bridges.  Its BARs and its configuration space are resources
 *   of the controller; its interrupts and direct memory accesses have
 *   fault points.  All are named <port>/<device>/<what>, where <device>
 *   is the device's id; a device without one is slot.function, below the
 *   path of the bridge it stands behind; a virtual function is vfN below
 *   its physical function.
 * - The window of a BAR is a container that takes the BAR's place in
 *   the bus's address space and holds the device's own region and the
 *   overlay above it.  So the overlay follows the BAR wherever the guest
 *   maps it, and a container shows up in no flat view.
 * - The port is isolated while its link is down or containment is
 *   triggered: two regions over the whole of the secondary bus's address
 *   spaces answer for everything below, configuration reads give
 *   all-ones, and requests from below are rejected.
 */
#ifndef SUNDER_HW_PCI_BRIDGE_RAC_PORT_H
#define SUNDER_HW_PCI_BRIDGE_RAC_PORT_H

#include "hw/pci-bridge/rac.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie_port.h"

#define TYPE_SUNDER_RAC_PORT "sunder-rac-port"
OBJECT_DECLARE_TYPE(SunderRacPort, SunderRacPortClass, SUNDER_RAC_PORT)

typedef struct RacFunction RacFunction;
typedef struct RacDma RacDma;
typedef struct RacDelayedMsi RacDelayedMsi;
typedef struct RacDelayedWrite RacDelayedWrite;

/* A BAR: its resource and the region of the device's own. */
typedef struct RacBar {
    RacResource *resource;
    MemoryRegion *own;
    AddressSpace *below;        /* rooted at @own; while interposed */
} RacBar;

struct RacFunction {
    SunderRacPort *port;
    PCIDevice *device;
    char *path;

    RacBar bars[PCI_NUM_REGIONS];
    RacResource *config;
    PCIConfigReadFunc *config_read;     /* the device's own */
    PCIConfigWriteFunc *config_write;

    FaultPoint *msi;
    MSITriggerFunc *msi_trigger;        /* the device's own */
    FaultPoint *intx;
    bool sending_message;       /* a memory write that is an interrupt */

    RacDma *dma;
    QLIST_ENTRY(RacFunction) next;
};

struct SunderRacPort {
    union {
        PCIESlot slot;
        /*
         * QEMU keeps the rest of a pcie-root-port's structure to itself;
         * QOM asserts that it fits.
         */
        uint8_t room[sizeof(PCIESlot) + 512];
    } parent_obj;

    RacController controller;
    QLIST_HEAD(, RacFunction) functions;
    DeviceListener listener;
    RacTableState table_state;         /* only during a migration */
    RacTableState link_rule_state;
    VMChangeStateEntry *run_state;

    /* properties */
    bool advisory;
    bool dpc;
    uint32_t rp_pio_mask;

    /* link */
    FaultPoint *link;
    bool link_up;
    bool link_present;          /* a card is in the slot, as it seems */
    char *link_rule;            /* rule that holds the link down */
    QEMUTimer *link_timer;      /* brings it up again */
    MemoryRegion isolation_memory;
    MemoryRegion isolation_io;
    bool isolated;
    bool link_change_notified;  /* its interrupt has been sent */
    bool peeking;               /* a bridge, not the guest, reads below */

    /* interrupts */
    RacFunction *intx_source;
    uint8_t intx_level[PCI_NUM_PINS];
    unsigned n_delayed_msis;
    QLIST_HEAD(, RacDelayedMsi) delayed_msis;
};

struct SunderRacPortClass {
    PCIERootPortClass parent_class;

    DeviceRealize parent_realize;
    PCIConfigWriteFunc *parent_config_write;
    PCIUnregisterFunc *parent_exit;
    ResettablePhases parent_phases;
    void (*parent_plug)(HotplugHandler *handler, DeviceState *device,
                        Error **errp);
    void (*parent_unplug_request)(HotplugHandler *handler,
                                  DeviceState *device, Error **errp);
};

/* rac-function.c */

/* Attaches what is plugged below the port from now on. */
void rac_port_listen(SunderRacPort *port);
void rac_port_stop_listening(SunderRacPort *port);
/* Returns: the function that @device is, or NULL. */
RacFunction *rac_function_of(PCIDevice *device);
/* Attaches VFs that are enabled, lets go of those that are not. */
void rac_port_sync_virtual_functions(SunderRacPort *port);
/* Brings addresses in the table up to date. */
void rac_port_sync(RacController *controller);

/* rac-interrupt.c */

bool rac_function_add_interrupts(RacFunction *f, Error **errp);
void rac_function_remove_interrupts(RacFunction *f);
/* Takes over INTx of the secondary bus. */
void rac_port_init_intx(SunderRacPort *port);
void rac_port_exit_intx(SunderRacPort *port);
/* Delivers delayed interrupts now; or never. */
void rac_port_flush_msis(SunderRacPort *port);
void rac_port_forget_msis(SunderRacPort *port);

/* rac-dma.c */

bool rac_function_add_dma(RacFunction *f, Error **errp);
void rac_function_remove_dma(RacFunction *f);
/* Interposes on or steps away from the function's requests. */
void rac_function_update_dma(RacFunction *f);
/* Lets delayed writes reach memory now; or never. */
void rac_port_flush_writes(SunderRacPort *port);
void rac_port_forget_writes(SunderRacPort *port);

/* rac-link.c */

bool rac_port_add_link(SunderRacPort *port, Error **errp);
void rac_port_remove_link(SunderRacPort *port);
/* Makes the isolation regions and everything else follow the state. */
void rac_port_update_isolation(SunderRacPort *port, RacReason reason);
/* The slot was plugged, or reset: link up, labels cleared. */
void rac_port_restore_link(SunderRacPort *port, RacReason reason);
/* The machine was reset: the link is up, nothing is isolated. */
void rac_port_reset_link(SunderRacPort *port);
/* Follows the state that a migration brought, without events. */
void rac_port_load_isolation(SunderRacPort *port);
/* Shows the link as Link Status and Slot Status do, active or not. */
void rac_port_show_link(SunderRacPort *port, bool active);
/* Sends or ends the interrupt of that event, after any change. */
void rac_port_update_link_change(SunderRacPort *port);
bool rac_port_is_contained(const SunderRacPort *port);

/* rac-dpc.c */

/* Where the Downstream Port Containment capability stands. */
#define RAC_DPC_OFFSET 0x150
#define RAC_DPC_SIZE   0x34

/* PCIe 5.0, 7.9.15.4: why containment was triggered. */
typedef enum RacDpcReason {
    RAC_DPC_UNCORRECTABLE = 0,
    RAC_DPC_ERR_NONFATAL = 1,
    RAC_DPC_ERR_FATAL = 2,
    RAC_DPC_RP_PIO = 3,
    RAC_DPC_SOFTWARE = 3 | 1 << 2,      /* extension 1 */
} RacDpcReason;

void rac_dpc_init(SunderRacPort *port);
void rac_dpc_reset(SunderRacPort *port);
void rac_dpc_write_config(SunderRacPort *port, uint16_t old_control,
                          uint32_t address, int length);
bool rac_dpc_triggered(const SunderRacPort *port);
/*
 * Notes a failed request of the root complex in RP PIO.
 * @bit: RP PIO status bit
 *
 * Returns: false when the error is masked there: then AER reports it.
 */
bool rac_dpc_rp_pio(SunderRacPort *port, unsigned bit,
                    const uint32_t header[4]);

/* rac-record.c */

void rac_port_record(RacResource *resource, const RacAccess *access,
                     RacOutcome outcome);

/* Functions are the opaque of their resources. */
static inline RacFunction *rac_resource_function(RacResource *resource)
{
    return resource->opaque;
}

#endif
