/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-port: the link, and what isolation means
 *
 * Surprise removal and link loss as the slot of a hot-plug capable port
 * shows them (PCI Express Base Specification 5.0, 6.7.3 for the events,
 * 3.2.1 for Surprise Down).
 */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_regs.h"
#include "hw/pci/pcie_aer.h"
#include "hw/trace.h"
#include "qapi/error.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/timer.h"
#include "qemu/units.h"

#define DEFAULT_FLAP_NS (100 * SCALE_MS)

bool rac_port_is_contained(const SunderRacPort *port)
{
    return port->link_up && port->isolated;
}

static uint64_t isolated_read(SunderRacPort *port, RacSpace space,
                              hwaddr address, unsigned size)
{
    RacTranslation t;

    if (rac_table_translate(port->controller.table, space, address, &t) &&
        t.fake) {
        return rac_entry_read(t.entry, t.offset, size);
    }
    return rac_all_ones(size);
}

static void isolated_write(SunderRacPort *port, RacSpace space,
                           hwaddr address)
{
    RacTranslation t;

    if (rac_table_translate(port->controller.table, space, address, &t)) {
        rac_entry_write(t.entry);
    }
}

static uint64_t isolated_memory_read(void *opaque, hwaddr address,
                                     unsigned size)
{
    return isolated_read(opaque, RAC_SPACE_MEMORY, address, size);
}

static void isolated_memory_write(void *opaque, hwaddr address,
                                  uint64_t data, unsigned size)
{
    isolated_write(opaque, RAC_SPACE_MEMORY, address);
}

static uint64_t isolated_io_read(void *opaque, hwaddr address,
                                 unsigned size)
{
    return isolated_read(opaque, RAC_SPACE_IO, address, size);
}

static void isolated_io_write(void *opaque, hwaddr address, uint64_t data,
                              unsigned size)
{
    isolated_write(opaque, RAC_SPACE_IO, address);
}

#define ANY_ACCESS { .min_access_size = 1, .max_access_size = 8, \
                     .unaligned = true }

static const MemoryRegionOps isolated_memory_ops = {
    .read = isolated_memory_read,
    .write = isolated_memory_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = ANY_ACCESS,
    .impl = ANY_ACCESS,
};

static const MemoryRegionOps isolated_io_ops = {
    .read = isolated_io_read,
    .write = isolated_io_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = ANY_ACCESS,
    .impl = ANY_ACCESS,
};

static void label_entry(RacEntry *entry, void *opaque)
{
    rac_resource_label(entry->opaque, *(RacReason *)opaque);
}

/* Labels that were there before the isolation stay. */
static void clear_entry(RacEntry *entry, void *opaque)
{
    if (entry->labelled && (entry->reason == RAC_REASON_LINK_DOWN ||
                            entry->reason == RAC_REASON_CONTAINMENT)) {
        rac_resource_clear(entry->opaque, *(RacReason *)opaque);
    }
}

static void send_link_event(SunderRacPort *port)
{
    qapi_event_send_sunder_rac_link(port->controller.id, port->link_up,
                                    rac_dpc_triggered(port),
                                    sunder_fault_now_ns());
}

static void set_isolation_regions(SunderRacPort *port, bool on)
{
    RacFunction *f;

    memory_region_transaction_begin();
    memory_region_set_enabled(&port->isolation_memory, on);
    memory_region_set_enabled(&port->isolation_io, on);
    QLIST_FOREACH(f, &port->functions, next) {
        rac_function_update_dma(f);
    }
    memory_region_transaction_commit();
}

void rac_port_update_isolation(SunderRacPort *port, RacReason reason)
{
    bool wanted = !port->link_up || rac_dpc_triggered(port);
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(port));

    if (wanted != port->isolated) {
        if (wanted) {
            rac_port_sync(&port->controller);
        }
        port->isolated = wanted;
        set_isolation_regions(port, wanted);
        if (wanted) {
            rac_table_foreach(port->controller.table, NULL, label_entry,
                              &reason);
            /* without a link the devices below are in reset (4.2.5) */
            bus_cold_reset(BUS(bus));
        } else {
            rac_table_foreach(port->controller.table, NULL, clear_entry,
                              &reason);
        }
    }
    send_link_event(port);
}

static void notify(PCIDevice *d)
{
    if (msix_enabled(d)) {
        msix_notify(d, pcie_cap_flags_get_vector(d));
    } else if (msi_enabled(d)) {
        msi_notify(d, pcie_cap_flags_get_vector(d));
    } else if (pci_intx(d) != -1) {
        pci_set_irq(d, 1);
    }
}

/* What pcie_cap_slot_event() does, which QEMU keeps to itself. */
static void raise_presence_changed(PCIDevice *d)
{
    uint8_t *exp_cap = d->config + d->exp.exp_cap;
    uint16_t control = pci_get_word(exp_cap + PCI_EXP_SLTCTL);

    pci_word_test_and_set_mask(exp_cap + PCI_EXP_SLTSTA,
                               PCI_EXP_SLTSTA_PDC);
    if (!d->exp.hpev_notified && (control & PCI_EXP_SLTCTL_HPIE) &&
        (control & PCI_EXP_SLTCTL_PDCE)) {
        d->exp.hpev_notified = true;
        notify(d);
    }
}

/*
 * Data Link Layer State Changed has its enable and its status in bits of
 * different place, so QEMU's slot events, whose bits agree, leave it out.
 */
static bool link_change_is_pending(PCIDevice *d)
{
    uint8_t *exp_cap = d->config + d->exp.exp_cap;
    uint16_t control = pci_get_word(exp_cap + PCI_EXP_SLTCTL);
    uint16_t status = pci_get_word(exp_cap + PCI_EXP_SLTSTA);

    return (control & PCI_EXP_SLTCTL_HPIE) &&
           (control & PCI_EXP_SLTCTL_DLLSCE) &&
           (status & PCI_EXP_SLTSTA_DLLSC);
}

void rac_port_update_link_change(SunderRacPort *port)
{
    PCIDevice *d = PCI_DEVICE(port);
    bool pending = link_change_is_pending(d);
    bool before = port->link_change_notified;

    port->link_change_notified = pending;
    if (pending && !before) {
        notify(d);
    } else if (pending && !msix_enabled(d) && !msi_enabled(d)) {
        /* QEMU's slot took the line down for events of its own */
        notify(d);
    } else if (before && !pending && !d->exp.hpev_notified &&
               !msix_enabled(d) && !msi_enabled(d)) {
        pci_irq_deassert(d);
    }
}

static bool slot_is_populated(SunderRacPort *port)
{
    return pci_bridge_get_sec_bus(PCI_BRIDGE(port))->devices[0] != NULL;
}

void rac_port_show_link(SunderRacPort *port, bool active)
{
    PCIDevice *d = PCI_DEVICE(port);
    uint8_t *exp_cap = d->config + d->exp.exp_cap;
    bool before = pci_get_word(exp_cap + PCI_EXP_LNKSTA) &
                  PCI_EXP_LNKSTA_DLLLA;

    active = active && slot_is_populated(port);
    if (active == before) {
        return;
    }
    if (active) {
        pci_word_test_and_set_mask(exp_cap + PCI_EXP_LNKSTA,
                                   PCI_EXP_LNKSTA_DLLLA);
    } else {
        pci_word_test_and_clear_mask(exp_cap + PCI_EXP_LNKSTA,
                                     PCI_EXP_LNKSTA_DLLLA);
    }
    pci_word_test_and_set_mask(exp_cap + PCI_EXP_SLTSTA,
                               PCI_EXP_SLTSTA_DLLSC);
    rac_port_update_link_change(port);
}

/* Presence Detect does not depend on the link, nor on containment. */
static void show_presence(SunderRacPort *port)
{
    PCIDevice *d = PCI_DEVICE(port);
    uint8_t *status = d->config + d->exp.exp_cap + PCI_EXP_SLTSTA;

    if (port->link_present && slot_is_populated(port)) {
        pci_word_test_and_set_mask(status, PCI_EXP_SLTSTA_PDS);
    } else {
        pci_word_test_and_clear_mask(status, PCI_EXP_SLTSTA_PDS);
    }
    raise_presence_changed(d);
}

static void link_comes_up(SunderRacPort *port, RacReason reason)
{
    bool card_returns = !port->link_present && slot_is_populated(port);

    timer_del(port->link_timer);
    g_clear_pointer(&port->link_rule, g_free);
    if (port->link_up) {
        return;
    }
    trace_sunder_rac_link(port->controller.id, true);
    port->link_up = true;
    port->link_present = true;
    rac_port_update_isolation(port, reason);
    rac_port_show_link(port, !rac_dpc_triggered(port));
    if (card_returns) {
        show_presence(port);
    }
}

static void link_timer_expired(void *opaque)
{
    link_comes_up(opaque, RAC_REASON_LINK_UP);
}

void rac_port_restore_link(SunderRacPort *port, RacReason reason)
{
    link_comes_up(port, reason);
}

/*
 * The devices below are being reset with the machine, so nobody is told
 * of an event; a card that a rule has taken out is back.
 */
void rac_port_reset_link(SunderRacPort *port)
{
    PCIDevice *d = PCI_DEVICE(port);
    uint8_t *exp_cap = d->config + d->exp.exp_cap;
    RacReason reason = RAC_REASON_RESET;

    timer_del(port->link_timer);
    g_clear_pointer(&port->link_rule, g_free);
    pci_word_test_and_clear_mask(exp_cap + PCI_EXP_SLTSTA,
                                 PCI_EXP_SLTSTA_DLLSC);
    pci_word_test_and_clear_mask(exp_cap + PCI_EXP_SLTCTL,
                                 PCI_EXP_SLTCTL_DLLSCE);
    port->link_change_notified = false;
    if (port->isolated) {
        port->link_up = true;
        port->link_present = true;
        rac_port_update_isolation(port, reason);
    }
    if (slot_is_populated(port)) {
        pci_word_test_and_set_mask(exp_cap + PCI_EXP_SLTSTA,
                                   PCI_EXP_SLTSTA_PDS);
        pci_word_test_and_set_mask(exp_cap + PCI_EXP_LNKSTA,
                                   PCI_EXP_LNKSTA_DLLLA);
    }
}

void rac_port_load_isolation(SunderRacPort *port)
{
    port->isolated = !port->link_up || rac_dpc_triggered(port);
    port->link_change_notified = link_change_is_pending(PCI_DEVICE(port));
    set_isolation_regions(port, port->isolated);
}

static void record_surprise_down(SunderRacPort *port)
{
    PCIEAERErr err = {
        .status = PCI_ERR_UNC_SURPDN,
        .source_id = pci_get_bdf(PCI_DEVICE(port)),
    };

    pcie_aer_inject_error(PCI_DEVICE(port), &err);
}

static void link_goes_down(SunderRacPort *port, const FaultFiring *firing,
                           bool card_leaves, uint64_t duration_ns)
{
    bool was_up = port->link_up;
    bool card_goes = card_leaves && port->link_present;

    if (was_up) {
        trace_sunder_rac_link(port->controller.id, false);
        port->link_up = false;
        rac_port_update_isolation(port, RAC_REASON_LINK_DOWN);
        rac_port_show_link(port, false);
    }
    if (card_goes) {
        port->link_present = false;
        show_presence(port);
    }
    if (was_up) {
        record_surprise_down(port);
    }
    g_free(port->link_rule);
    port->link_rule = g_strdup(fault_rule_id(firing->rule));
    if (duration_ns) {
        timer_mod(port->link_timer, sunder_fault_now_ns() +
                  MIN(duration_ns, INT64_MAX / 2));
    } else {
        timer_del(port->link_timer);
    }
}

static void inject_error(SunderRacPort *port, uint64_t bit)
{
    PCIEAERErr err = {
        .status = 1u << (bit & 31),
        .source_id = pci_get_bdf(PCI_DEVICE(port)),
    };

    pcie_aer_inject_error(PCI_DEVICE(port), &err);
}

static void link_action(void *opaque, const FaultFiring *firing)
{
    SunderRacPort *port = opaque;

    switch (firing->outcome->code) {
    case RAC_OUTCOME_LINK_DOWN:
        link_goes_down(port, firing, true, firing->duration_ns);
        break;
    case RAC_OUTCOME_LINK_FLAP:
        link_goes_down(port, firing, false,
                       firing->has_duration ? firing->duration_ns
                                            : DEFAULT_FLAP_NS);
        break;
    default:
        inject_error(port, firing->value);
        break;
    }
}

static void link_rules_changed(void *opaque, FaultPoint *point,
                               const FaultRule *removed)
{
    SunderRacPort *port = opaque;

    if (removed && g_strcmp0(port->link_rule, fault_rule_id(removed)) == 0) {
        link_comes_up(port, RAC_REASON_LINK_UP);
    }
}

bool rac_port_add_link(SunderRacPort *port, Error **errp)
{
    PCIBridge *br = PCI_BRIDGE(port);
    PCIDevice *d = PCI_DEVICE(port);
    g_autofree char *path = g_strdup_printf("%s/link", port->controller.id);
    SunderFaultPointInfo info = {
        .name = path,
        .outcomes = rac_link_outcomes,
        .action = link_action,
        .changed = link_rules_changed,
        .opaque = port,
    };

    port->link_up = true;
    port->link_present = true;
    port->link_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, link_timer_expired,
                                    port);
    memory_region_init_io(&port->isolation_memory, OBJECT(port),
                          &isolated_memory_ops, port,
                          "sunder-rac-isolation", UINT64_MAX);
    memory_region_init_io(&port->isolation_io, OBJECT(port),
                          &isolated_io_ops, port,
                          "sunder-rac-isolation-io", 4 * GiB);
    port->isolation_memory.disable_reentrancy_guard = true;
    port->isolation_io.disable_reentrancy_guard = true;
    memory_region_set_enabled(&port->isolation_memory, false);
    memory_region_set_enabled(&port->isolation_io, false);
    memory_region_add_subregion_overlap(&br->address_space_mem, 0,
                                        &port->isolation_memory, 10);
    memory_region_add_subregion_overlap(&br->address_space_io, 0,
                                        &port->isolation_io, 10);
    /* the link's state need not agree in a migration */
    pci_word_test_and_clear_mask(d->cmask + d->exp.exp_cap + PCI_EXP_LNKSTA,
                                 PCI_EXP_LNKSTA_DLLLA);
    pci_word_test_and_set_mask(d->wmask + d->exp.exp_cap + PCI_EXP_SLTCTL,
                               PCI_EXP_SLTCTL_DLLSCE);
    pci_word_test_and_set_mask(d->w1cmask + d->exp.exp_cap + PCI_EXP_SLTSTA,
                               PCI_EXP_SLTSTA_DLLSC);
    /* Link Capabilities bit 19: the port can report Surprise Down */
    pci_long_test_and_set_mask(d->config + d->exp.exp_cap + PCI_EXP_LNKCAP,
                               PCI_EXP_LNKCAP_SDERC);
    port->link = sunder_fault_point_add(&info, errp);
    return port->link != NULL;
}

void rac_port_remove_link(SunderRacPort *port)
{
    PCIBridge *br = PCI_BRIDGE(port);

    if (!port->link_timer) {
        return;
    }
    if (port->link) {
        sunder_fault_point_remove(port->link);
    }
    timer_free(g_steal_pointer(&port->link_timer));
    g_clear_pointer(&port->link_rule, g_free);
    memory_region_del_subregion(&br->address_space_mem,
                                &port->isolation_memory);
    memory_region_del_subregion(&br->address_space_io, &port->isolation_io);
}
