/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: memory that devices map for longer (bounce=on)
 *
 * dma_memory_map() gives a device model a pointer into guest memory, which
 * stays good whatever becomes of the translation.  With bounce=on the model
 * gets a copy instead: read page by page when it is mapped, written back
 * page by page when it is unmapped, each page translated at that time.
 * system/physmem.c has the copies (they are its bounce buffers); the hooks
 * here decide which mappings get one, how long it is, and remember what
 * each page was mapped to.
 *
 * Copied are whole mappings with two memcpys and one translation a page,
 * not accesses of eight bytes, which is what makes it cheap: see
 * tests/bench for what it costs.
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-hold.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/pci/pci_bridge.h"
#include "qemu/units.h"

/* Of one mapping; callers go on with the rest of theirs. */
#define MAX_LENGTH          (1 * MiB)

/*
 * Copies of one device at a time; QEMU's default of 4 KiB is for registers.
 * Disk cards wait when there is no room; a virtio device takes that for a
 * broken driver and stops.  So it is more than Linux has under way: queues of
 * 256 requests of at most 1,280 KiB.
 */
#define MAX_COPIES          (512 * MiB)

/* A mapping that is to be written back. */
struct IommuHeld {
    IommuClient *client;
    IommuHeld *outer;           /* whose write-back caused this one */
    uint64_t iova;              /* of the first page */
    uint64_t mapped_ns;
    unsigned n;
    PagingResult pages[];
};

__thread IommuHeld *iommu_held;
static __thread IommuHeld *begun;

/* Buffer -> IommuHeld.  Devices map in any thread. */
static GHashTable *held_mappings;
static QemuMutex held_lock;

/*
 * AHCI keeps command list and received FIS area of each port mapped while
 * the port runs and works in them: a copy would cut it off from its
 * driver.  Serial ATA AHCI 1.3.1, 4.2.1 and 4.2.2: their sizes.
 */
static bool stays_mapped(PCIDevice *device, hwaddr length)
{
    return (length == 1024 || length == 256) &&
           pci_get_word(device->config + PCI_CLASS_DEVICE) ==
           PCI_CLASS_STORAGE_SATA;
}

static IommuClient *checked_client(IOMMUMemoryRegion *region, hwaddr length)
{
    VTDAddressSpace *as = container_of(region, VTDAddressSpace, iommu);
    IommuClient *client;
    PCIDevice *device;

    if (!object_dynamic_cast(OBJECT(as->iommu_state), TYPE_SUNDER_IOMMU)) {
        return NULL;
    }
    client = iommu_client(as);
    device = as->bus->devices[as->devfn];
    if (!qatomic_read(&client->iommu->bounce) ||
        !iommu_checks(client->iommu) || qatomic_read(&client->pass_through) ||
        !device || stays_mapped(device, length)) {
        return NULL;
    }
    return client;
}

/*
 * Looks at one page that is to be written.  Neither hits nor rules count
 * that: they will when it is written back, unless it is refused now.
 */
static void note_page(IommuClient *client, uint64_t iova, PagingResult *page)
{
    IOMMUTLBEntry entry;

    if (paging_hit(client->paging, iova, PAGING_WRITE,
                   iommu_clock_coarse(client->iommu), PAGING_SHARDS, page)) {
        return;
    }
    entry = iommu_translate_unruled(client, iova, IOMMU_WO);
    if (!paging_hit(client->paging, iova, PAGING_WRITE, 0, PAGING_SHARDS,
                    page)) {
        /* One that is stale and served may still be invalidated. */
        *page = (PagingResult) {
            .address = entry.translated_addr,
            .mask = entry.perm & IOMMU_WO ? entry.addr_mask : 0,
            .entry = entry.translated_addr | entry.perm,
        };
    }
}

static void begin_write(IommuClient *client, hwaddr address, hwaddr length)
{
    uint64_t first = address & VTD_PAGE_MASK_4K;
    unsigned n = (address + length - 1 - first) / VTD_PAGE_SIZE + 1;
    IommuHeld *held = g_malloc0(sizeof(*held) + n * sizeof(PagingResult));

    g_free(begun);
    begun = held;
    held->client = client;
    held->iova = first;
    held->mapped_ns = sunder_fault_now_ns();
    held->n = n;
    for (unsigned i = 0; i < n; i++) {
        uint64_t iova = MAX(first + i * VTD_PAGE_SIZE, address);

        address_space_access_length = address + length - iova;
        note_page(client, iova, &held->pages[i]);
    }
}

static hwaddr begin(IOMMUMemoryRegion *region, hwaddr address, hwaddr length,
                    bool is_write)
{
    IommuClient *client = checked_client(region, length);

    if (!client) {
        return 0;
    }
    length = MIN(length, MAX_LENGTH);
    if (is_write) {
        begin_write(client, address, length);
    }
    return length;
}

static void mapped(void *buffer)
{
    QEMU_LOCK_GUARD(&held_lock);
    g_hash_table_insert(held_mappings, buffer, g_steal_pointer(&begun));
}

static IommuHeld *take_held(void *buffer)
{
    void *held = NULL;

    QEMU_LOCK_GUARD(&held_lock);
    g_hash_table_steal_extended(held_mappings, buffer, NULL, &held);
    return held;
}

/* One that was mapped to be read, and is written all the same, has no pages. */
static void write_back(void *buffer)
{
    IommuHeld *held = take_held(buffer) ?: g_new0(IommuHeld, 1);

    held->outer = iommu_held;
    iommu_held = held;
}

static void written_back(void)
{
    IommuHeld *held = iommu_held;

    iommu_held = held->outer;
    g_free(held);
}

bool iommu_holds(const IommuClient *client)
{
    return iommu_held && iommu_held->client == client;
}

/* Returns: the page of iommu_held that @iova is in, or NULL. */
static const PagingResult *find_page(const IommuClient *client,
                                     uint64_t iova)
{
    const IommuHeld *held = iommu_held;
    uint64_t i = (iova - held->iova) / VTD_PAGE_SIZE;

    return held->client == client && iova >= held->iova && i < held->n ?
           &held->pages[i] : NULL;
}

const PagingResult *iommu_held_page(const IommuClient *client, uint64_t iova,
                                    uint64_t *mapped_ns)
{
    const PagingResult *page = find_page(client, iova);

    *mapped_ns = iommu_held->mapped_ns;
    return page && page->mask ? page : NULL;
}

bool iommu_held_refused(const IommuClient *client, uint64_t iova)
{
    const PagingResult *page = find_page(client, iova);

    return page && !page->mask;
}

static const AddressSpaceMapHook hook = {
    .begin = begin,
    .mapped = mapped,
    .write_back = write_back,
    .written_back = written_back,
};

static void allow_copies(PCIBus *bus, PCIDevice *device, void *opaque)
{
    device->bus_master_as.max_bounce_buffer_size =
        MAX(device->bus_master_as.max_bounce_buffer_size, MAX_COPIES);
}

static void allow_copies_on_bus(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, allow_copies, opaque);
}

void iommu_hold_add_device(SunderIommu *s, PCIDevice *device)
{
    if (qatomic_read(&s->bounce)) {
        allow_copies(NULL, device, NULL);
    }
}

static int allow_copies_everywhere(Object *object, void *opaque)
{
    if (object_dynamic_cast(object, TYPE_PCI_BUS)) {
        allow_copies_on_bus(PCI_BUS(object), opaque);
    }
    return 0;
}

void iommu_hold_enable(SunderIommu *s, bool on)
{
    qatomic_set(&s->bounce, on);
    if (!on) {
        /* Copies that are out are written back as they were mapped. */
        return;
    }
    if (!held_mappings) {
        qemu_mutex_init(&held_lock);
        held_mappings = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    object_child_foreach_recursive(object_get_root(),
                                   allow_copies_everywhere, NULL);
    qatomic_store_release(&address_space_map_hook, &hook);
}
