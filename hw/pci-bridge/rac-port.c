/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-rac-port: the device. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_regs.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "system/runstate.h"

/* Every RP PIO error masked: the reset value of the specification. */
#define RP_PIO_MASK_ALL 0x00070707

/*
 * Far above the table of every function that can stand below a port; a
 * damaged size must not decide how much memory is allocated.
 */
#define TABLE_STATE_MAX (64 * MiB)

static uint16_t dpc_control(SunderRacPort *port)
{
    return pci_get_word(PCI_DEVICE(port)->config + RAC_DPC_OFFSET +
                        PCI_EXP_DPC_CTL);
}

/*
 * Link Status is made up from the device below by QEMU's core, which
 * reads the device's configuration space for it: that is no access of
 * the guest's.
 */
static uint32_t port_read_config(PCIDevice *d, uint32_t address, int len)
{
    SunderRacPort *port = SUNDER_RAC_PORT(d);
    uint32_t value;

    port->peeking = true;
    value = pci_default_read_config(d, address, len);
    port->peeking = false;
    return value;
}

static bool unplug_was_asked_for(SunderRacPort *port)
{
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(port));

    for (unsigned i = 0; i < ARRAY_SIZE(bus->devices); i++) {
        if (bus->devices[i] &&
            DEVICE(bus->devices[i])->pending_deleted_event) {
            return true;
        }
    }
    return false;
}

/*
 * QEMU's slot lets go of its devices when the driver turns the power
 * off, for it knows no other reason to.  After link loss the driver does
 * so too, and on hardware the card stays.  The slot asks Presence Detect
 * whether there is something to let go of.
 */
static void write_config_keeping_card(PCIDevice *d, uint32_t address,
                                      uint32_t value, int len)
{
    SunderRacPort *port = SUNDER_RAC_PORT(d);
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(d);
    uint8_t *status = d->config + d->exp.exp_cap + PCI_EXP_SLTSTA;
    uint16_t present = 0;

    if (!unplug_was_asked_for(port)) {
        present = pci_word_test_and_clear_mask(status, PCI_EXP_SLTSTA_PDS);
    }
    c->parent_config_write(d, address, value, len);
    if (present) {
        pci_word_test_and_set_mask(status, PCI_EXP_SLTSTA_PDS);
    }
}

static void clear_for_bus_reset(RacEntry *entry, void *opaque)
{
    rac_resource_clear(entry->opaque, RAC_REASON_BUS_RESET);
}

static void port_write_config(PCIDevice *d, uint32_t address,
                              uint32_t value, int len)
{
    SunderRacPort *port = SUNDER_RAC_PORT(d);
    uint16_t bridge_control = pci_get_word(d->config + PCI_BRIDGE_CONTROL);
    uint16_t old_dpc = port->dpc ? dpc_control(port) : 0;

    write_config_keeping_card(d, address, value, len);
    rac_port_update_link_change(port);
    rac_dpc_write_config(port, old_dpc, address, len);
    if ((~bridge_control & pci_get_word(d->config + PCI_BRIDGE_CONTROL) &
         PCI_BRIDGE_CTL_BUS_RESET) && !port->isolated) {
        rac_table_foreach(port->controller.table, NULL, clear_for_bus_reset,
                          NULL);
    }
}

static void describe(RacController *controller, SunderRacInfo *info)
{
    SunderRacPort *port = container_of(controller, SunderRacPort,
                                       controller);

    info->has_link_up = true;
    info->link_up = port->link_up;
    info->has_contained = true;
    info->contained = rac_dpc_triggered(port);
}

static bool may_clear(RacController *controller, Error **errp)
{
    SunderRacPort *port = container_of(controller, SunderRacPort,
                                       controller);

    if (!port->link_up) {
        error_setg(errp, "%s: the link is down; remove the rule that holds "
                   "it down, or plug a device", controller->id);
        return false;
    }
    if (port->isolated) {
        error_setg(errp, "%s: containment is triggered; the guest has to "
                   "release it", controller->id);
        return false;
    }
    return true;
}

static const RacControllerOps controller_ops = {
    .record = rac_port_record,
    .sync = rac_port_sync,
    .describe = describe,
    .may_clear = may_clear,
};

static char *port_id(PCIDevice *d)
{
    return DEVICE(d)->id ? g_strdup(DEVICE(d)->id)
        : g_strdup_printf("rac@%02x.%x", PCI_SLOT(d->devfn),
                          PCI_FUNC(d->devfn));
}

/*
 * What is held back arrives before the machine stops: a migration saves
 * memory before it asks the devices.  When the machine runs on after one,
 * all devices have been loaded, and with them which VFs are enabled.
 */
static void port_run_state_changed(void *opaque, bool running,
                                   RunState state)
{
    SunderRacPort *port = opaque;

    if (running) {
        rac_port_sync_virtual_functions(port);
    } else {
        rac_port_flush_msis(port);
        rac_port_flush_writes(port);
    }
}

static void port_realize(DeviceState *dev, Error **errp)
{
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(dev);
    SunderRacPort *port = SUNDER_RAC_PORT(dev);
    PCIDevice *d = PCI_DEVICE(dev);
    g_autofree char *id = port_id(d);
    ERRP_GUARD();

    if (!rac_controller_realize(&port->controller, dev, id, &controller_ops,
                                errp)) {
        return;
    }
    c->parent_realize(dev, errp);
    if (*errp) {
        rac_controller_unrealize(&port->controller);
        return;
    }
    rac_dpc_init(port);
    rac_port_init_intx(port);
    rac_port_listen(port);
    port->run_state =
        qemu_add_vm_change_state_handler(port_run_state_changed, port);
    if (!rac_port_add_link(port, errp)) {
        DEVICE_GET_CLASS(dev)->unrealize(dev);
    }
}

static void port_exit(PCIDevice *d)
{
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(d);
    SunderRacPort *port = SUNDER_RAC_PORT(d);

    qemu_del_vm_change_state_handler(port->run_state);
    rac_port_stop_listening(port);
    rac_port_remove_link(port);
    rac_port_exit_intx(port);
    rac_controller_unrealize(&port->controller);
    c->parent_exit(d);
}

static void clear_for_reset(RacEntry *entry, void *opaque)
{
    rac_resource_clear(entry->opaque, RAC_REASON_RESET);
}

static void port_reset_hold(Object *obj, ResetType type)
{
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(obj);
    SunderRacPort *port = SUNDER_RAC_PORT(obj);

    if (c->parent_phases.hold) {
        c->parent_phases.hold(obj, type);
    }
    /* what is under way is lost, and must not reach the next boot */
    rac_port_forget_msis(port);
    rac_port_forget_writes(port);
    rac_dpc_reset(port);
    rac_port_reset_link(port);
    rac_table_foreach(port->controller.table, NULL, clear_for_reset, NULL);
}

static void port_plug(HotplugHandler *handler, DeviceState *dev,
                      Error **errp)
{
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(handler);
    SunderRacPort *port = SUNDER_RAC_PORT(handler);
    ERRP_GUARD();

    c->parent_plug(handler, dev, errp);
    if (!*errp && dev->hotplugged && !port->link_up &&
        !pci_is_vf(PCI_DEVICE(dev))) {
        rac_port_restore_link(port, RAC_REASON_REPLUG);
    }
}

/* A card that is not there any more cannot be asked to leave. */
static void port_unplug_request(HotplugHandler *handler, DeviceState *dev,
                                Error **errp)
{
    SunderRacPortClass *c = SUNDER_RAC_PORT_GET_CLASS(handler);
    SunderRacPort *port = SUNDER_RAC_PORT(handler);
    ERRP_GUARD();

    if (port->link_up || port->link_present) {
        c->parent_unplug_request(handler, dev, errp);
        return;
    }
    hotplug_handler_unplug(handler, dev, errp);
    if (!*errp) {
        object_unparent(OBJECT(dev));
    }
}

static int port_pre_save(void *opaque)
{
    SunderRacPort *port = opaque;

    rac_controller_pre_save(&port->controller, &port->table_state);
    g_free(port->link_rule_state.data);
    port->link_rule_state.data = (uint8_t *)g_strdup(port->link_rule);
    port->link_rule_state.size = port->link_rule ? strlen(port->link_rule)
                                                 : 0;
    return 0;
}

static bool table_size_is_valid(void *opaque, int version_id)
{
    SunderRacPort *port = opaque;

    return port->table_state.size <= TABLE_STATE_MAX;
}

static bool link_rule_size_is_valid(void *opaque, int version_id)
{
    SunderRacPort *port = opaque;

    return port->link_rule_state.size <= FAULT_MAX_NAME;
}

static int check_intx_levels(const SunderRacPort *port)
{
    for (unsigned pin = 0; pin < PCI_NUM_PINS; pin++) {
        if (port->intx_level[pin] > 1) {
            error_report("%s: saved level of INTx pin %u is %u, expected 0 "
                         "or 1; the state was damaged", port->controller.id,
                         pin, port->intx_level[pin]);
            return -EINVAL;
        }
    }
    return 0;
}

static int port_post_load(void *opaque, int version_id)
{
    SunderRacPort *port = opaque;
    int ret = rac_controller_post_load(&port->controller,
                                       &port->table_state);

    g_free(port->link_rule);
    port->link_rule = g_strndup((char *)port->link_rule_state.data,
                                port->link_rule_state.size);
    g_clear_pointer(&port->link_rule_state.data, g_free);
    if (ret == 0) {
        ret = check_intx_levels(port);
    }
    if (ret == 0) {
        rac_port_load_isolation(port);
    }
    return ret;
}

/* The first field, the parent's state, is filled in by class_init. */
static VMStateField port_fields[] = {
    {
        .name = "parent_obj",
        .flags = VMS_STRUCT,
        .size = 1,
    },
    VMSTATE_UINT32(table_state.size, SunderRacPort),
    VMSTATE_VALIDATE("table_state.size is at most 64 MiB",
                     table_size_is_valid),
    VMSTATE_VBUFFER_ALLOC_UINT32(table_state.data, SunderRacPort, 0, NULL,
                                 table_state.size),
    VMSTATE_BOOL(link_up, SunderRacPort),
    VMSTATE_BOOL(link_present, SunderRacPort),
    VMSTATE_TIMER_PTR(link_timer, SunderRacPort),
    VMSTATE_UINT8_ARRAY(intx_level, SunderRacPort, PCI_NUM_PINS),
    VMSTATE_UINT32(link_rule_state.size, SunderRacPort),
    VMSTATE_VALIDATE("link_rule_state.size is a rule id's",
                     link_rule_size_is_valid),
    VMSTATE_VBUFFER_ALLOC_UINT32(link_rule_state.data, SunderRacPort, 0,
                                 NULL, link_rule_state.size),
    VMSTATE_END_OF_LIST()
};

static const VMStateDescription vmstate_port = {
    .name = TYPE_SUNDER_RAC_PORT,
    .priority = MIG_PRI_PCI_BUS,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = port_pre_save,
    .post_load = port_post_load,
    .fields = port_fields,
};

static const Property port_properties[] = {
    DEFINE_PROP_BOOL("dpc", SunderRacPort, dpc, true),
    DEFINE_PROP_BOOL("advisory", SunderRacPort, advisory, false),
    DEFINE_PROP_UINT32("rp-pio-mask", SunderRacPort, rp_pio_mask,
                       RP_PIO_MASK_ALL),
};

static void port_instance_init(Object *obj)
{
    rac_controller_init(&SUNDER_RAC_PORT(obj)->controller);
}

static void port_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(klass);
    SunderRacPortClass *c = SUNDER_RAC_PORT_CLASS(klass);

    dc->desc = "PCI Express root port with a resource access controller";
    device_class_set_props(dc, port_properties);
    device_class_set_parent_realize(dc, port_realize, &c->parent_realize);
    c->parent_config_write = k->config_write;
    k->config_read = port_read_config;
    k->config_write = port_write_config;
    c->parent_exit = k->exit;
    k->exit = port_exit;
    resettable_class_set_parent_phases(rc, NULL, port_reset_hold, NULL,
                                       &c->parent_phases);
    c->parent_plug = hc->plug;
    hc->plug = port_plug;
    c->parent_unplug_request = hc->unplug_request;
    hc->unplug_request = port_unplug_request;
    port_fields[0].vmsd = dc->vmsd;
    dc->vmsd = &vmstate_port;
    rac_controller_add_properties(klass, offsetof(SunderRacPort,
                                                  controller));
}

static const TypeInfo port_info = {
    .name = TYPE_SUNDER_RAC_PORT,
    .parent = "pcie-root-port",
    .instance_size = sizeof(SunderRacPort),
    .instance_init = port_instance_init,
    .class_size = sizeof(SunderRacPortClass),
    .class_init = port_class_init,
};

static void register_types(void)
{
    type_register_static(&port_info);
}

type_init(register_types)
