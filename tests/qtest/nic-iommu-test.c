/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic behind an IOMMU: each page of an access is translated, as the
 * tables are at that time, and a page that is not mapped asks for a reset
 *
 * Rings and buffers lie across pages which neighbours in the device's
 * addresses only: the next page of memory belongs to somebody else.
 */
#include "qemu/osdep.h"
#include "iommu-machine.h"
#include "nic-machine.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define SLOT            5
#define CARD            BDF(0, SLOT, 0)
#define ENTRIES         16
#define QUEUES          2
/* Of a queue, in the device's addresses: each begins at the end of a page. */
#define QUEUE_IOVA(q)   (IOVA + (q) * 0x10000)
#define DESCRIPTORS(q)  (QUEUE_IOVA(q) + 0x0ff0)    /* two pages */
#define AVAILABLE(q)    (QUEUE_IOVA(q) + 0x2ffa)    /* its second entry, */
#define USED(q)         (QUEUE_IOVA(q) + 0x4ff8)    /* in its first entry */
#define TABLE(q)        (QUEUE_IOVA(q) + 0x6ff0)    /* an indirect one */
#define BUFFERS(q)      (QUEUE_IOVA(q) + 0x8000)
#define QUEUE_PAGES     16
/* In the header of a packet, as in its page and the next one */
#define BUFFER(q)       (BUFFERS(q) + 0x1000 - 5)
#define BUFFER_LENGTH   256
/* What is in memory that nobody may write to */
#define CANARY          0xa5
/* Between two pages: what an access too long would meet */
#define PAGE_STEP       (2 * PAGE_4K)

typedef struct Lab {
    IommuMachine *iommu;
    NicMachine *m;
    QNic q;
    uint64_t next_page;
    uint16_t posted[QUEUES];
    uint16_t seen[QUEUES];
} Lab;

static const char *const iommus[] = {
    "sunder-iommu,mode=report",
    "sunder-iommu,mode=report,bounce=on",
    "sunder-iommu,mode=enforce",
    "sunder-iommu,mode=coherent",
    "intel-iommu",
};

/* --- memory ------------------------------------------------------------ */

/* A page with canaries before and behind it. */
static uint64_t new_page(Lab *l)
{
    uint64_t page = l->next_page + PAGE_4K;

    l->next_page += PAGE_STEP;
    g_assert_cmphex(page + PAGE_STEP, <, RAM_END);
    qtest_memset(l->m->qts, page - PAGE_4K, CANARY, 3 * PAGE_4K);
    return page;
}

static uint64_t page_of(Lab *l, uint64_t iova)
{
    uint64_t page = entry_get(l->iommu, iova) & ~(PAGE_4K - 1);

    g_assert_cmphex(page, !=, 0);
    return page;
}

/* As the driver reaches what it has mapped. */
static void move(Lab *l, uint64_t iova, uint8_t *data, size_t n, bool write)
{
    while (n) {
        uint64_t at = iova % PAGE_4K;
        uint64_t address = page_of(l, iova) + at;
        size_t part = MIN(n, PAGE_4K - at);

        if (write) {
            qtest_memwrite(l->m->qts, address, data, part);
        } else {
            qtest_memread(l->m->qts, address, data, part);
        }
        iova += part;
        data += part;
        n -= part;
    }
}

static void put(Lab *l, uint64_t iova, const void *data, size_t n)
{
    move(l, iova, (uint8_t *)data, n, true);
}

static void put16(Lab *l, uint64_t iova, uint16_t value)
{
    uint16_t bytes = cpu_to_le16(value);

    put(l, iova, &bytes, sizeof(bytes));
}

static uint16_t get16(Lab *l, uint64_t iova)
{
    uint8_t bytes[2];

    move(l, iova, bytes, sizeof(bytes), false);
    return lduw_le_p(bytes);
}

static uint32_t get32(Lab *l, uint64_t iova)
{
    uint8_t bytes[4];

    move(l, iova, bytes, sizeof(bytes), false);
    return ldl_le_p(bytes);
}

static void expect_canaries(Lab *l)
{
    uint8_t bytes[PAGE_4K];

    for (uint64_t page = DATA; page <= l->next_page; page += PAGE_STEP) {
        qtest_memread(l->m->qts, page, bytes, sizeof(bytes));
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            g_assert_cmphex(bytes[i], ==, CANARY);
        }
    }
}

/* --- the driver -------------------------------------------------------- */

static void map_queue(Lab *l, unsigned queue)
{
    for (unsigned i = 0; i < QUEUE_PAGES; i++) {
        uint64_t page = new_page(l);

        qtest_memset(l->m->qts, page, 0, PAGE_4K);
        map(l->iommu, QUEUE_IOVA(queue) + i * PAGE_4K, page, ENTRY_RW);
    }
}

static void write_common(Lab *l, unsigned offset, uint64_t value)
{
    QVirtioPCIDevice *dev = l->q.dev;

    qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset + offset,
                   value);
    qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset + offset + 4,
                   value >> 32);
}

#define FIELD(field) offsetof(struct virtio_pci_common_cfg, field)

static void set_up_queue(Lab *l, unsigned queue)
{
    QVirtioPCIDevice *dev = l->q.dev;
    uint64_t common = dev->common_cfg_offset;

    l->posted[queue] = l->seen[queue] = 0;
    put16(l, AVAILABLE(queue) + 2, 0);
    put16(l, USED(queue) + 2, 0);
    qpci_io_writew(dev->pdev, dev->bar, common + FIELD(queue_select), queue);
    qpci_io_writew(dev->pdev, dev->bar, common + FIELD(queue_size), ENTRIES);
    write_common(l, FIELD(queue_desc_lo), DESCRIPTORS(queue));
    write_common(l, FIELD(queue_avail_lo), AVAILABLE(queue));
    write_common(l, FIELD(queue_used_lo), USED(queue));
    qpci_io_writew(dev->pdev, dev->bar, common + FIELD(queue_enable), 1);
}

static void start_driver(Lab *l)
{
    qnic_negotiate(&l->q, 1ull << VIRTIO_F_IOMMU_PLATFORM |
                   1ull << VIRTIO_RING_F_INDIRECT_DESC);
    g_assert_true(l->q.features & 1ull << VIRTIO_F_IOMMU_PLATFORM);
    for (unsigned i = 0; i < QUEUES; i++) {
        set_up_queue(l, i);
    }
    qvirtio_set_driver_ok(&l->q.dev->vdev);
}

static void put_descriptor(Lab *l, uint64_t table, unsigned entry,
                           uint64_t address, uint32_t length, uint16_t flags)
{
    struct vring_desc d = {
        .addr = cpu_to_le64(address),
        .len = cpu_to_le32(length),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(entry + 1),
    };

    put(l, table + entry * sizeof(d), &d, sizeof(d));
}

static void make_available(Lab *l, unsigned queue, unsigned entry)
{
    put16(l, AVAILABLE(queue) + 4 + l->posted[queue] % ENTRIES * 2, entry);
    l->posted[queue]++;
    put16(l, AVAILABLE(queue) + 2, l->posted[queue]);
    qnic_notify(&l->q, queue);
}

static unsigned pending(Lab *l, unsigned queue)
{
    return (uint16_t)(get16(l, USED(queue) + 2) - l->seen[queue]);
}

/* Waits for it.  Returns: the length that the device wrote. */
static uint32_t take_used(Lab *l, unsigned queue, unsigned entry)
{
    uint64_t element = USED(queue) + 4 + l->seen[queue] % ENTRIES * 8;

    nic_wait_until(pending(l, queue));
    l->seen[queue]++;
    g_assert_cmpuint(get32(l, element), ==, entry);
    return get32(l, element + 4);
}

static unsigned next_entry(Lab *l, unsigned queue)
{
    return l->posted[queue] % (ENTRIES - 1);
}

static void post_receive(Lab *l)
{
    unsigned entry = next_entry(l, 0);

    put_descriptor(l, DESCRIPTORS(0), entry, BUFFER(0), BUFFER_LENGTH,
                   VRING_DESC_F_WRITE);
    make_available(l, 0, entry);
}

static void fill_frame(Lab *l, uint32_t number)
{
    uint8_t packet[NIC_HEADER_BYTES + FRAME_BYTES] = { 0 };

    frame_make(packet + NIC_HEADER_BYTES, UINT64_C(0xffffffffffff),
               UINT64_C(0x020000000100), FRAME_TYPE, number);
    put(l, BUFFER(1), packet, sizeof(packet));
}

static unsigned post_frame(Lab *l, uint32_t number)
{
    unsigned entry = next_entry(l, 1);

    fill_frame(l, number);
    put_descriptor(l, DESCRIPTORS(1), entry, BUFFER(1),
                   NIC_HEADER_BYTES + FRAME_BYTES, 0);
    make_available(l, 1, entry);
    return entry;
}

/* Behind frames that were sent before the card could tell the driver so. */
static void expect_sent(Lab *l, uint32_t number)
{
    int64_t sent;

    do {
        sent = wire_receive_number(l->m, 0);
        g_assert_cmpint(sent, >=, 0);
    } while (sent != number);
}

/* A frame each way, through all that lies across pages. */
static void expect_traffic(Lab *l, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];
    unsigned entry = post_frame(l, number);

    expect_sent(l, number);
    take_used(l, 1, entry);

    entry = next_entry(l, 0);
    post_receive(l);
    wire_send_number(l->m, 0, number);
    g_assert_cmpuint(take_used(l, 0, entry), ==,
                     NIC_HEADER_BYTES + FRAME_BYTES);
    move(l, BUFFER(0) + NIC_HEADER_BYTES, frame, sizeof(frame), false);
    g_assert_cmpint(frame_number(frame, sizeof(frame)), ==, number);
    g_assert_cmphex(qnic_status(&l->q) & VIRTIO_CONFIG_S_NEEDS_RESET, ==, 0);
}

/* --- the machine ------------------------------------------------------- */

static Lab *lab_new(const char *iommu)
{
    Lab *l = g_new0(Lab, 1);

    l->m = nic_machine_new(1);
    l->m->slot = SLOT;
    l->next_page = DATA;
    l->iommu = iommu_start_mapped(iommu, "-object sunder-nic-dgram,id=w0,"
        "fd=%d -device sunder-nic,id=nic0,addr=%d,ports=w0,iommu_platform=on",
        l->m->emulator[0], SLOT);
    nic_machine_adopt(l->m, l->iommu->qts);
    context_set(l->iommu, CARD, l->iommu->tables, 4, DOMAIN,
                TYPE_MULTI_LEVEL);
    invalidate_contexts(l->iommu);
    for (unsigned i = 0; i < QUEUES; i++) {
        map_queue(l, i);
    }
    qnic_find(&l->q, l->m, 0);
    start_driver(l);
    return l;
}

static void lab_end(Lab *l, const char *iommu)
{
    expect_canaries(l);
    if (g_str_has_prefix(iommu, "sunder")) {
        g_assert_cmpint(device_counter(l->iommu, "nic0", "stale"), ==, 0);
        expect_no_stale_event(l->iommu);
    }
    qnic_leave(&l->q);
    qpci_free_pc(l->m->bus);
    l->m->qts = NULL;
    nic_machine_end(l->m);
    iommu_quit(l->iommu);
    g_free(l);
}

static void for_each_iommu(void (*test)(Lab *l))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(iommus); i++) {
        Lab *l = lab_new(iommus[i]);

        test(l);
        lab_end(l, iommus[i]);
    }
}

/* The driver's map changes as a driver does it. */
static void remap(Lab *l, uint64_t iova, uint64_t page, unsigned bits)
{
    map(l->iommu, iova, page, bits);
    invalidate_pages(l->iommu, DOMAIN, iova, 0);
}

/* --- tests ------------------------------------------------------------- */

/* Often enough for each entry of the rings. */
static void check_across_pages(Lab *l)
{
    for (unsigned i = 0; i < 3 * ENTRIES; i++) {
        expect_traffic(l, i);
    }
    expect_no_fault(l->iommu);
}

static void test_rings_and_buffers_across_pages(void)
{
    for_each_iommu(check_across_pages);
}

static void check_indirect(Lab *l)
{
    fill_frame(l, 5);
    for (unsigned i = 0; i < NIC_HEADER_BYTES + FRAME_BYTES; i++) {
        bool last = i == NIC_HEADER_BYTES + FRAME_BYTES - 1;

        put_descriptor(l, TABLE(1), i, BUFFER(1) + i, 1,
                       last ? 0 : VRING_DESC_F_NEXT);
    }
    put_descriptor(l, DESCRIPTORS(1), 0, TABLE(1),
                   16 * (NIC_HEADER_BYTES + FRAME_BYTES),
                   VRING_DESC_F_INDIRECT);
    make_available(l, 1, 0);
    expect_sent(l, 5);
    take_used(l, 1, 0);
    expect_no_fault(l->iommu);
}

static void test_an_indirect_table_across_pages(void)
{
    for_each_iommu(check_indirect);
}

/* Each page of the rings and buffers goes elsewhere, one at a time. */
static void check_moved(Lab *l)
{
    uint8_t bytes[PAGE_4K];

    for (unsigned i = 0; i < QUEUES * QUEUE_PAGES; i++) {
        uint64_t iova = QUEUE_IOVA(i / QUEUE_PAGES) +
                        i % QUEUE_PAGES * PAGE_4K;
        uint64_t old = page_of(l, iova), page = new_page(l);

        expect_traffic(l, i);
        qtest_memread(l->m->qts, old, bytes, sizeof(bytes));
        qtest_memwrite(l->m->qts, page, bytes, sizeof(bytes));
        remap(l, iova, page, ENTRY_RW);
        qtest_memset(l->m->qts, old, CANARY, PAGE_4K);
        expect_traffic(l, 1000 + i);
        qtest_memread(l->m->qts, old, bytes, sizeof(bytes));
        for (unsigned j = 0; j < sizeof(bytes); j++) {
            g_assert_cmphex(bytes[j], ==, CANARY);
        }
    }
    expect_no_fault(l->iommu);
}

static void test_a_page_that_moved_is_used_where_it_is(void)
{
    for_each_iommu(check_moved);
}

/*
 * A packet that needs @iova, for which there is no page for a while; what is
 * in the page was written before.
 */
static void expect_reset(Lab *l, uint64_t iova, unsigned bits, bool transmit)
{
    uint64_t page = page_of(l, iova);
    IommuFault fault;

    remap(l, iova, bits ? page : 0, bits);
    if (transmit) {
        make_available(l, 1, 0);
    } else {
        wire_send_number(l->m, 0, 1);
    }
    nic_wait_until(qnic_status(&l->q) & VIRTIO_CONFIG_S_NEEDS_RESET);
    fault = unit_take_fault(l->iommu);
    g_assert_cmphex(fault.requester, ==, CARD);
    g_assert_cmphex(fault.address, ==, iova & ~(PAGE_4K - 1));
    remap(l, iova, page, ENTRY_RW);
    while (unit_take_fault(l->iommu).reason) {
        continue;
    }
    start_driver(l);
    expect_traffic(l, 2);
}

static void prepare_frame(Lab *l)
{
    expect_traffic(l, 0);
    start_driver(l);
    fill_frame(l, 0);
    put_descriptor(l, DESCRIPTORS(1), 0, BUFFER(1),
                   NIC_HEADER_BYTES + FRAME_BYTES, 0);
}

static void check_unmapped(Lab *l)
{
    prepare_frame(l);
    expect_reset(l, DESCRIPTORS(1), 0, true);
    prepare_frame(l);
    expect_reset(l, BUFFER(1), 0, true);
    prepare_frame(l);
    expect_reset(l, BUFFER(1) + PAGE_4K, 0, true);
    prepare_frame(l);
    expect_reset(l, USED(1), 0, true);
    prepare_frame(l);
    expect_reset(l, USED(1), ENTRY_READ, true);
    prepare_frame(l);
    expect_reset(l, USED(1) + 8, ENTRY_READ, true);
}

static void test_a_page_that_is_unmapped_asks_for_a_reset(void)
{
    for_each_iommu(check_unmapped);
}

static void check_unmapped_receive(Lab *l)
{
    static const uint64_t needed[] = {
        AVAILABLE(0), DESCRIPTORS(0), BUFFER(0), BUFFER(0) + PAGE_4K,
        USED(0), USED(0) + 8,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(needed); i++) {
        start_driver(l);
        post_receive(l);
        expect_reset(l, needed[i], 0, false);
    }
}

static void test_so_does_one_that_a_received_frame_needs(void)
{
    for_each_iommu(check_unmapped_receive);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic-iommu/across-pages",
                   test_rings_and_buffers_across_pages);
    qtest_add_func("/nic-iommu/indirect",
                   test_an_indirect_table_across_pages);
    qtest_add_func("/nic-iommu/moved",
                   test_a_page_that_moved_is_used_where_it_is);
    qtest_add_func("/nic-iommu/unmapped",
                   test_a_page_that_is_unmapped_asks_for_a_reset);
    qtest_add_func("/nic-iommu/unmapped-receive",
                   test_so_does_one_that_a_received_frame_needs);
    return g_test_run();
}
