/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-rac-port: the functions below the port and their resources. */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"

/* PCIDevice -> RacFunction, for the hooks, which get only the device. */
static GHashTable *functions;

RacFunction *rac_function_of(PCIDevice *device)
{
    return functions ? g_hash_table_lookup(functions, device) : NULL;
}

static bool bar_forward(RacResource *r, RacAccess *a)
{
    RacFunction *f = rac_resource_function(r);
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    uint8_t bytes[8];
    RacBar *bar;
    MemTxResult result;

    for (bar = f->bars; bar->resource != r; bar++) {
        /* one of them is */
    }
    if (!bar->below) {
        return false;
    }
    stn_le_p(bytes, a->size, a->data);
    result = address_space_rw(bar->below, a->offset, attrs, bytes, a->size,
                              a->write);
    if (!a->write) {
        a->data = ldn_le_p(bytes, a->size);
    }
    return result == MEMTX_OK;
}

/* An address space of the device's own region, while it is needed. */
static void bar_interpose(RacResource *r, bool on)
{
    RacFunction *f = rac_resource_function(r);

    for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
        RacBar *bar = &f->bars[i];

        if (bar->resource != r) {
            continue;
        }
        if (on) {
            bar->below = g_new0(AddressSpace, 1);
            address_space_init(bar->below, bar->own, "sunder-rac-below");
        } else {
            address_space_destroy_free(g_steal_pointer(&bar->below));
        }
    }
}

/* Puts @with in the place of @region where it is mapped, if it is. */
static void replace_bar_region(PCIIORegion *region, MemoryRegion *with)
{
    bool mapped = region->addr != PCI_BAR_UNMAPPED;

    if (mapped) {
        memory_region_del_subregion(region->address_space, region->memory);
    }
    region->memory = with;
    if (mapped) {
        memory_region_add_subregion_overlap(region->address_space,
                                            region->addr, with, 1);
    }
}

static const char *bar_name(unsigned index)
{
    static const char *const names[PCI_NUM_REGIONS] = {
        "bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom",
    };

    return names[index];
}

static bool add_bar(RacFunction *f, unsigned index, Error **errp)
{
    PCIIORegion *region = &f->device->io_regions[index];
    bool io = region->type & PCI_BASE_ADDRESS_SPACE_IO;
    g_autofree char *path = g_strdup_printf("%s/%s", f->path,
                                            bar_name(index));
    RacResource *r;

    r = rac_resource_new(&f->port->controller, path,
                         io ? RAC_SPACE_IO : RAC_SPACE_MEMORY, region->size,
                         bar_forward, bar_interpose, f, errp);
    if (!r) {
        return false;
    }
    f->bars[index].resource = r;
    f->bars[index].own = region->memory;
    memory_region_init(&r->window, OBJECT(r), "sunder-rac-window",
                       region->size);

    memory_region_transaction_begin();
    replace_bar_region(region, &r->window);
    /* the priority that the PCI core gives a BAR, as flat views show it */
    memory_region_add_subregion_overlap(&r->window, 0, f->bars[index].own,
                                        1);
    memory_region_add_subregion_overlap(&r->window, 0, &r->overlay, 2);
    memory_region_transaction_commit();
    rac_resource_update(r);
    return true;
}

static void remove_bar(RacFunction *f, unsigned index)
{
    PCIIORegion *region = &f->device->io_regions[index];
    RacBar *bar = &f->bars[index];
    MemoryRegion *window;

    if (!bar->resource) {
        return;
    }
    window = &bar->resource->window;
    memory_region_transaction_begin();
    memory_region_del_subregion(window, bar->own);
    if (DEVICE(f->device)->realized) {
        replace_bar_region(region, bar->own);
    } else {
        /* an unrealized device has taken its BARs off the bus */
        region->memory = bar->own;
    }
    memory_region_del_subregion(window, &bar->resource->overlay);
    memory_region_transaction_commit();
    rac_resource_remove(bar->resource);
    bar->resource = NULL;
}

/*
 * A bridge below the port makes up its Link Status as the port does, from
 * a read of the device below it that is no access of the guest's.
 */
static uint32_t read_own_config(RacFunction *f, uint32_t address, int len)
{
    bool peeking = f->port->peeking;
    uint32_t value;

    f->port->peeking = true;
    value = f->config_read(f->device, address, len);
    f->port->peeking = peeking;
    return value;
}

static bool config_forward(RacResource *r, RacAccess *a)
{
    RacFunction *f = rac_resource_function(r);

    if (a->write) {
        f->config_write(f->device, a->offset, a->data, a->size);
    } else {
        a->data = read_own_config(f, a->offset, a->size);
    }
    return true;
}

/* A PF turns its VFs on and off by a write to its configuration space. */
static void sync_virtual_functions(RacFunction *f);

static void release_device(void *opaque)
{
    object_unref(OBJECT(opaque));
}

/*
 * The device may be unplugged while a rule makes the access wait, and
 * our caller looks at it again: keep it until the caller has returned.
 *
 * Returns: the device, for let_go_later(), or NULL where nothing waits.
 */
static PCIDevice *hold_device(RacFunction *f)
{
    if (!fault_point_armed(f->config->point)) {
        return NULL;
    }
    object_ref(OBJECT(f->device));
    return f->device;
}

/*
 * After the access, for during a wait the main loop runs bottom halves;
 * the next one comes when our caller has given the big lock back.
 */
static void let_go_later(PCIDevice *held)
{
    if (held) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), release_device,
                                held);
    }
}

static uint32_t config_read(PCIDevice *d, uint32_t address, int len)
{
    RacFunction *f = rac_function_of(d);
    RacAccess access = {
        .offset = address,
        .size = len,
        .from_cpu = current_cpu != NULL,
    };
    PCIDevice *held;

    if (f->port->peeking) {
        return f->config_read(d, address, len);
    }
    if (f->port->isolated && !f->config->entry->labelled) {
        return rac_all_ones(len);
    }
    held = hold_device(f);
    rac_resource_access(f->config, &access);
    let_go_later(held);
    return access.data;
}

static void config_write(PCIDevice *d, uint32_t address, uint32_t value,
                         int len)
{
    RacFunction *f = rac_function_of(d);
    RacAccess access = {
        .offset = address,
        .data = value,
        .size = len,
        .write = true,
        .from_cpu = current_cpu != NULL,
    };
    PCIDevice *held;

    if (f->port->isolated && !f->config->entry->labelled) {
        return;
    }
    held = hold_device(f);
    rac_resource_access(f->config, &access);
    let_go_later(held);
    f = rac_function_of(d);
    if (f) {
        sync_virtual_functions(f);
    }
}

static bool add_config(RacFunction *f, Error **errp)
{
    PCIDevice *d = f->device;
    DeviceState *host = DEVICE(pci_device_root_bus(d)->qbus.parent);
    g_autofree char *path = g_strdup_printf("%s/config", f->path);

    f->config = rac_resource_new(&f->port->controller, path,
                                 RAC_SPACE_CONFIG, pci_config_size(d),
                                 config_forward, NULL, f, errp);
    if (!f->config) {
        return false;
    }
    f->config->guard = &host->mem_reentrancy_guard;
    f->config_read = d->config_read;
    f->config_write = d->config_write;
    d->config_read = config_read;
    d->config_write = config_write;
    return true;
}

static void remove_config(RacFunction *f)
{
    if (f->config) {
        f->device->config_read = f->config_read;
        f->device->config_write = f->config_write;
        rac_resource_remove(g_steal_pointer(&f->config));
    }
}

static char *function_path(SunderRacPort *port, PCIDevice *d)
{
    PCIDevice *bridge = pci_get_bus(d)->parent_dev;
    RacFunction *above = rac_function_of(bridge);
    const char *id = DEVICE(d)->id;

    if (pci_is_vf(d)) {
        RacFunction *pf = rac_function_of(pcie_sriov_get_pf(d));

        return g_strdup_printf("%s/vf%u", pf ? pf->path
                                             : port->controller.id,
                               pcie_sriov_vf_number(d));
    }
    if (id) {
        return g_strdup_printf("%s/%s", port->controller.id, id);
    }
    return g_strdup_printf("%s/%02x.%x",
                           above ? above->path : port->controller.id,
                           PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
}

static bool add_resources(RacFunction *f, Error **errp)
{
    if (!add_config(f, errp)) {
        return false;
    }
    for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
        if (f->device->io_regions[i].size && !add_bar(f, i, errp)) {
            return false;
        }
    }
    return rac_function_add_interrupts(f, errp) &&
           rac_function_add_dma(f, errp);
}

static void remove_function(RacFunction *f)
{
    rac_function_remove_dma(f);
    rac_function_remove_interrupts(f);
    for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
        remove_bar(f, i);
    }
    remove_config(f);
    g_hash_table_remove(functions, f->device);
    QLIST_REMOVE(f, next);
    if (f->port->intx_source == f) {
        f->port->intx_source = NULL;
    }
    g_free(f->path);
    g_free(f);
}

/*
 * QEMU's igb and e1000e have AER, but none of the bits of Device Control
 * that let it send messages, as their hardware has.
 */
static void allow_error_messages(PCIDevice *d)
{
    if (pci_is_express(d) && d->exp.aer_cap && !pci_is_vf(d)) {
        pcie_cap_deverr_init(d);
    }
}

static void add_function(SunderRacPort *port, PCIDevice *d)
{
    RacFunction *f = g_new0(RacFunction, 1);
    Error *err = NULL;

    f->port = port;
    f->device = d;
    f->path = function_path(port, d);
    allow_error_messages(d);
    QLIST_INSERT_HEAD(&port->functions, f, next);
    if (!functions) {
        functions = g_hash_table_new(NULL, NULL);
    }
    g_hash_table_insert(functions, d, f);
    if (!add_resources(f, &err)) {
        warn_reportf_err(err, "%s: not under access control: ", f->path);
        remove_function(f);
    }
}

/* VFs are there all the time; they count once the guest enables them. */
static void sync_virtual_functions(RacFunction *pf)
{
    PCIDevice *d = pf->device;
    unsigned total = d->exp.sriov_cap
        ? pci_get_word(d->config + d->exp.sriov_cap + PCI_SRIOV_TOTAL_VF)
        : 0;

    for (unsigned i = 0; i < total; i++) {
        PCIDevice *vf = d->exp.sriov_pf.vf[i];
        RacFunction *f = rac_function_of(vf);

        if (vf->enabled && !f) {
            add_function(pf->port, vf);
        } else if (!vf->enabled && f) {
            remove_function(f);
        }
    }
}

void rac_port_sync_virtual_functions(SunderRacPort *port)
{
    RacFunction *f, *next;

    /* VFs come in at the head of the list, and go only behind their PF */
    QLIST_FOREACH_SAFE(f, &port->functions, next, next) {
        sync_virtual_functions(f);
    }
}

static bool is_below(SunderRacPort *port, PCIDevice *d)
{
    PCIBus *secondary = pci_bridge_get_sec_bus(PCI_BRIDGE(port));
    PCIBus *bus = pci_get_bus(d);

    while (bus != secondary && bus->parent_dev) {
        bus = pci_get_bus(bus->parent_dev);
    }
    return bus == secondary;
}

static void device_realized(DeviceListener *listener, DeviceState *dev)
{
    SunderRacPort *port = container_of(listener, SunderRacPort, listener);
    PCIDevice *d = (PCIDevice *)object_dynamic_cast(OBJECT(dev),
                                                    TYPE_PCI_DEVICE);

    if (d && is_below(port, d) && !rac_function_of(d) &&
        !(pci_is_vf(d) && !d->enabled)) {
        add_function(port, d);
    }
}

static void device_unrealized(DeviceListener *listener, DeviceState *dev)
{
    SunderRacPort *port = container_of(listener, SunderRacPort, listener);
    RacFunction *f = functions ? g_hash_table_lookup(functions, dev) : NULL;

    if (f && f->port == port) {
        remove_function(f);
    }
}

void rac_port_listen(SunderRacPort *port)
{
    QLIST_INIT(&port->functions);
    port->listener.realize = device_realized;
    port->listener.unrealize = device_unrealized;
    device_listener_register(&port->listener);
}

void rac_port_stop_listening(SunderRacPort *port)
{
    RacFunction *f, *next;

    device_listener_unregister(&port->listener);
    QLIST_FOREACH_SAFE(f, &port->functions, next, next) {
        remove_function(f);
    }
}

static void sync_bar(RacTable *table, RacBar *bar, pcibus_t address)
{
    RacEntry *entry = bar->resource->entry;

    if (address == PCI_BAR_UNMAPPED) {
        rac_table_unmap(table, entry);
    } else if (!entry->mapped || entry->address != address) {
        rac_table_map(table, entry, address);
    }
}

void rac_port_sync(RacController *controller)
{
    SunderRacPort *port = container_of(controller, SunderRacPort,
                                       controller);
    RacFunction *f;

    if (port->isolated) {
        /* the bus is in reset: keep what was known before */
        return;
    }
    QLIST_FOREACH(f, &port->functions, next) {
        for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
            if (f->bars[i].resource) {
                sync_bar(controller->table, &f->bars[i],
                         f->device->io_regions[i].addr);
            }
        }
    }
}
