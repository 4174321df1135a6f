/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the devices behind it and their fault points
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/pci/pci_bridge.h"
#include "hw/trace.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/rcu_queue.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "system/system.h"

/* Bytes that a late DMA reads or writes. */
#define LATE_BYTES  8

/* What a late write leaves behind: easy to find in a dump. */
#define LATE_BYTE   0x5d

enum { OUTCOME_TRANSLATION_FAULT, OUTCOME_BLOCKED, OUTCOME_LATE_DMA };

/* rule's value for late-dma */
enum { LATE_READ, LATE_WRITE };

static const FaultOutcome dma_outcomes[] = {
    {
        .name = "translation-fault",
        .kind = FAULT_KIND_ANSWER,
        .code = OUTCOME_TRANSLATION_FAULT,
        .help = "as if the page tables did not allow it, with an entry in "
                "the fault log",
    }, {
        .name = "blocked",
        .kind = FAULT_KIND_ANSWER,
        .code = OUTCOME_BLOCKED,
        .help = "the DMA is refused, and the fault log says nothing",
    }, {
        .name = "late-dma",
        .kind = FAULT_KIND_ACTION,
        .value = FAULT_PARAM_OPTIONAL,
        .duration = FAULT_PARAM_REQUIRED,
        .code = OUTCOME_LATE_DMA,
        .help = "the address that it used last (by then, if none yet) is used "
                "again duration later: read, or with value 1 written",
        .values = 1 << LATE_READ | 1 << LATE_WRITE,
    },
    { }
};

static bool refuse(IommuClient *client, uint64_t iova, unsigned access,
                   const FaultFiring *firing)
{
    if (firing->outcome->kind != FAULT_KIND_ANSWER) {
        return false;
    }
    qatomic_inc(&client->blocked);
    if (firing->outcome->code == OUTCOME_TRANSLATION_FAULT) {
        iommu_log_fault(client, iova, access,
                        access == PAGING_WRITE ? PAGING_REASON_WRITE :
                                                 PAGING_REASON_READ);
    }
    return true;
}

bool iommu_point_refuses(IommuClient *client, FaultPoint *point,
                         uint64_t iova, unsigned access)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    bool refused = false;
    unsigned n;

    n = sunder_fault_check(point,
                           access == PAGING_WRITE ? FAULT_OP_WRITE :
                                                    FAULT_OP_READ,
                           iova, MIN(address_space_access_length, UINT32_MAX),
                           firings);
    for (unsigned i = 0; i < n; i++) {
        refused |= refuse(client, iova, access, &firings[i]);
    }
    return refused;
}

static void free_late(IommuLateDma *late)
{
    QLIST_REMOVE(late, next);
    timer_free(late->timer);
    g_free(late);
}

static void use_again(IommuLateDma *late)
{
    AddressSpace *as = &late->client->as->as;
    uint8_t bytes[LATE_BYTES];

    trace_sunder_iommu_late(late->client->iommu->id, late->iova, late->write);
    memset(bytes, LATE_BYTE, sizeof(bytes));
    address_space_rw(as, late->iova, MEMTXATTRS_UNSPECIFIED, bytes,
                     sizeof(bytes), late->write);
}

static void run_late(void *opaque)
{
    IommuLateDma *late = opaque;

    if (late->has_iova ||
        paging_device_last_address(late->client->paging, &late->iova)) {
        use_again(late);
    }
    free_late(late);
}

void iommu_point_add_late(IommuClient *client, bool has_iova, uint64_t iova,
                          bool write, int64_t due_ns)
{
    IommuLateDma *late = g_new0(IommuLateDma, 1);

    late->client = client;
    late->has_iova = has_iova;
    late->iova = iova;
    late->write = write;
    late->due_ns = due_ns;
    late->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, run_late, late);
    QLIST_INSERT_HEAD(&client->iommu->late, late, next);
    timer_mod_ns(late->timer, due_ns);
}

static void dma_action(void *opaque, const FaultFiring *firing)
{
    IommuClient *client = opaque;
    uint64_t iova = 0;
    bool has_iova = paging_device_last_address(client->paging, &iova);

    iommu_point_add_late(client, has_iova, iova,
                         firing->value == LATE_WRITE,
                         sunder_fault_now_ns() +
                         MIN(firing->duration_ns, INT64_MAX / 2));
}

void iommu_point_reset(SunderIommu *s)
{
    IommuLateDma *late, *next;

    QLIST_FOREACH_SAFE(late, &s->late, next, next) {
        free_late(late);
    }
}

/* Of a function that has no id: where it is, "pcie.0:1f.2". */
static char *point_name(SunderIommu *s, PCIDevice *device)
{
    if (DEVICE(device)->id) {
        return g_strdup_printf("%s/%s/dma", s->id, DEVICE(device)->id);
    }
    return g_strdup_printf("%s/%s:%02x.%x/dma", s->id,
                           BUS(pci_get_bus(device))->name,
                           PCI_SLOT(device->devfn), PCI_FUNC(device->devfn));
}

/* Bridges do no DMA of their own but messages. */
static bool does_dma(PCIDevice *device)
{
    return !IS_PCI_BRIDGE(device) &&
           pci_get_byte(device->config + PCI_CLASS_DEVICE + 1) !=
           PCI_BASE_CLASS_BRIDGE;
}

/* Returns: the client of @device; NULL: it is not behind the IOMMU. */
static IommuClient *device_client(SunderIommu *s, PCIDevice *device)
{
    AddressSpace *as = pci_device_iommu_address_space(device);
    VTDAddressSpace *vtd_as;

    if (as == &address_space_memory) {
        return NULL;
    }
    vtd_as = container_of(as, VTDAddressSpace, as);
    return vtd_as->iommu_state == INTEL_IOMMU_DEVICE(s) ?
           iommu_client(vtd_as) : NULL;
}

static void add_point(SunderIommu *s, IommuClient *client, PCIDevice *device)
{
    g_autofree char *name = point_name(s, device);
    SunderFaultPointInfo info = {
        .name = name,
        .length = UINT64_MAX,
        .outcomes = dma_outcomes,
        .action = dma_action,
        .opaque = client,
    };
    Error *error = NULL;
    FaultPoint *point = sunder_fault_point_add(&info, &error);

    if (!point) {
        warn_report_err(error);
        return;
    }
    client->device = device;
    qatomic_set(&client->point, point);
}

static void add_device(SunderIommu *s, PCIDevice *device)
{
    IommuClient *client;

    if (!does_dma(device)) {
        return;
    }
    client = device_client(s, device);
    if (client && !client->point) {
        iommu_client_name_after(client, device);
        add_point(s, client, device);
    }
    iommu_hold_add_device(s, device);
}

static void add_from_bus(PCIBus *bus, PCIDevice *device, void *opaque)
{
    add_device(opaque, device);
}

static void add_bus(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, add_from_bus, opaque);
}

static void machine_done(Notifier *notifier, void *data)
{
    SunderIommu *s = container_of(notifier, SunderIommu, machine_done);
    BusState *root = qdev_get_child_bus(
        DEVICE(object_resolve_path_type("", TYPE_PCI_HOST_BRIDGE, NULL)),
        "pcie.0");

    if (root) {
        pci_for_each_bus(PCI_BUS(root), add_bus, s);
    }
}

static void device_realized(DeviceListener *listener, DeviceState *device)
{
    SunderIommu *s = container_of(listener, SunderIommu, device_listener);

    if (phase_check(PHASE_MACHINE_READY) &&
        object_dynamic_cast(OBJECT(device), TYPE_PCI_DEVICE)) {
        add_device(s, PCI_DEVICE(device));
    }
}

/* Its late DMAs go with it: nobody is there to do them. */
static void forget_late(SunderIommu *s, IommuClient *client)
{
    IommuLateDma *late, *next;

    QLIST_FOREACH_SAFE(late, &s->late, next, next) {
        if (late->client == client) {
            free_late(late);
        }
    }
}

static void device_unrealized(DeviceListener *listener, DeviceState *device)
{
    SunderIommu *s = container_of(listener, SunderIommu, device_listener);
    IommuClient *client;

    QLIST_FOREACH_RCU(client, &s->clients, next) {
        if (client->point && DEVICE(client->device) == device) {
            sunder_fault_point_remove(qatomic_xchg(&client->point, NULL));
            client->device = NULL;
            forget_late(s, client);
        }
    }
}

void iommu_point_init(SunderIommu *s)
{
    s->device_listener = (DeviceListener) {
        .realize = device_realized,
        .unrealize = device_unrealized,
    };
    device_listener_register(&s->device_listener);
    s->machine_done.notify = machine_done;
    qemu_add_machine_init_done_notifier(&s->machine_done);
}
