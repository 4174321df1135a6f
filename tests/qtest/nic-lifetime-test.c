/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: frames that come when nobody is to have them: while the link
 * is down, while the machine has stopped, when the memory of the ring has
 * gone, when another function of the port is broken.
 */
#include "qemu/osdep.h"
#include "nic-stream.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define EVENT_INDEX (UINT64_C(1) << 29)     /* VIRTIO_RING_F_EVENT_IDX */
#define DROPPED(m)  nic_number(m, "ports", 0, "receive-dropped")

static void set_link(NicMachine *m, bool up)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'set_link', 'arguments': "
                             "{ 'name': 'nic0.p0', 'up': %i } }", up);
}

/* A driver without buffers. */
static void start_empty(QNic *q, NicMachine *m, uint64_t features)
{
    qnic_find(q, m, 0);
    qnic_negotiate(q, features);
    qnic_set_up_queue(q, 0, NIC_ENTRIES);
    qnic_set_up_queue(q, 1, NIC_ENTRIES);
    qvirtio_set_driver_ok(&q->dev->vdev);
}

/* The wire waited for the driver; once it is down it does not any more. */
static void test_down_drops(void)
{
    NicMachine *m = nic_machine_start(1, "", "");
    QNic q;

    start_empty(&q, m, 0);
    nic_wait_until(nic_number(m, "ports", 0, "paused") > 0);
    set_link(m, false);
    for (unsigned i = 0; i < 5; i++) {
        wire_send_number(m, 0, 100 + i);
    }
    nic_wait_until(DROPPED(m) == 5);
    set_link(m, true);
    qnic_post_receive(&q, 0, NIC_ENTRIES);
    qnic_notify(&q, 0);
    wire_send_number(m, 0, 7);
    g_assert_cmpint(qnic_receive_number(&q, 0), ==, 7);
    qnic_leave(&q);
    nic_machine_end(m);
}

/* What waits when the machine stops does not reach its memory any more. */
static void test_stop(void)
{
    Stream s;

    stream_open(&s, "", "");
    start_empty(&s.q, s.m, EVENT_INDEX);
    qnic_post_receive(&s.q, 0, 8);
    qnic_notify(&s.q, 0);
    for (unsigned i = 0; i < 20; i++) {
        stream_send_number(&s, i);
    }
    nic_wait_until(nic_number(s.m, "ports", 0, "paused") > 0);
    g_assert_cmpuint(qnic_pending(&s.q, 0), ==, 8);
    qnic_post_receive(&s.q, 0, 4);      /* without a word */
    qtest_qmp_assert_success(s.m->qts, "{ 'execute': 'stop' }");
    for (unsigned i = 0; i < 20; i++) {
        g_assert_cmpuint(qnic_pending(&s.q, 0), ==, 8);
        g_usleep(1000);
    }
    qtest_qmp_assert_success(s.m->qts, "{ 'execute': 'cont' }");
    qnic_notify(&s.q, 0);
    /* QEMU has dropped what waited in its own queue */
    for (unsigned i = 0; i < 4; i++) {
        stream_send_number(&s, i);
    }
    nic_wait_until(qnic_pending(&s.q, 0) == 12);
    stream_end(&s);
}

/* --- memory that goes -------------------------------------------------- */

/* docs/specs/acpi_mem_hotplug of QEMU: registers of q35, bit to eject */
#define DIMM_SELECT 0xa00
#define DIMM_FLAGS  0xa14
#define DIMM_EJECT  8

static uint64_t dimm_address(NicMachine *m)
{
    QDict *answer = qtest_qmp(m->qts,
                              "{ 'execute': 'query-memory-devices' }");
    QDict *dimm = qobject_to(QDict,
                             qlist_peek(qdict_get_qlist(answer, "return")));
    uint64_t address = qdict_get_int(qdict_get_qdict(dimm, "data"), "addr");

    qobject_unref(answer);
    return address;
}

static void write_queue_address(QNic *q, unsigned at, uint64_t value)
{
    unsigned offset = q->dev->common_cfg_offset + at;

    qpci_io_writel(q->dev->pdev, q->dev->bar, offset, value);
    qpci_io_writel(q->dev->pdev, q->dev->bar, offset + 4, value >> 32);
}

/* The receive ring lies at @base: 1024 entries, of which 700 are filled. */
static void ring_in_dimm(QNic *q, uint64_t base)
{
    QTestState *qts = q->m->qts;
    QPCIDevice *pdev = q->dev->pdev;
    unsigned common = q->dev->common_cfg_offset;

    for (unsigned i = 0; i < 700; i++) {
        struct vring_desc d = {
            .addr = cpu_to_le64(NIC_FREE_MEMORY + i * NIC_BUFFER),
            .len = cpu_to_le32(NIC_BUFFER),
            .flags = cpu_to_le16(VRING_DESC_F_WRITE),
        };

        qtest_memwrite(qts, base + i * sizeof(d), &d, sizeof(d));
        qtest_writew(qts, base + 0x10004 + 2 * i, i);
    }
    qtest_writew(qts, base + 0x10002, 700);
    qpci_io_writew(pdev, q->dev->bar, common +
                   offsetof(struct virtio_pci_common_cfg, queue_select), 0);
    qpci_io_writew(pdev, q->dev->bar, common +
                   offsetof(struct virtio_pci_common_cfg, queue_size), 1024);
    write_queue_address(q, offsetof(struct virtio_pci_common_cfg,
                                    queue_desc_lo), base);
    write_queue_address(q, offsetof(struct virtio_pci_common_cfg,
                                    queue_avail_lo), base + 0x10000);
    write_queue_address(q, offsetof(struct virtio_pci_common_cfg,
                                    queue_used_lo), base + 0x20000);
    qpci_io_writew(pdev, q->dev->bar, common +
                   offsetof(struct virtio_pci_common_cfg, queue_enable), 1);
}

/* Hundreds of heads are known, and then there is no ring any more. */
static void test_memory_goes(void)
{
    NicMachine *m = nic_machine_start(1, ",rx-queue-size=1024",
        "-m 256M,slots=1,maxmem=1G -object memory-backend-ram,id=md,size=128M "
        "-device pc-dimm,id=dimm,memdev=md");
    uint64_t base = dimm_address(m);
    QNic q;

    qnic_find(&q, m, 0);
    qnic_negotiate(&q, 0);
    ring_in_dimm(&q, base);
    qvirtio_set_driver_ok(&q.dev->vdev);
    wire_send_number(m, 0, 1);
    nic_wait_until(qtest_readw(m->qts, base + 0x20002) == 1);
    qtest_outl(m->qts, DIMM_SELECT, 0);
    qtest_outb(m->qts, DIMM_FLAGS, DIMM_EJECT);
    qtest_qmp_eventwait(m->qts, "DEVICE_DELETED");
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'object-del', "
                             "'arguments': { 'id': 'md' } }");
    g_usleep(500 * 1000);       /* the emulator unmaps it when it likes */
    wire_send_number(m, 0, 2);
    nic_wait_until(qnic_status(&q) & VIRTIO_CONFIG_S_NEEDS_RESET);
    qnic_leave(&q);
    nic_machine_end(m);
}

/* --- two functions on a port ------------------------------------------- */

/* One waits for nobody's buffers once the other is broken. */
static void test_broken_neighbour(void)
{
    NicMachine *m = nic_machine_start(1, ",layout=0/0", "");
    QNic good, bad;

    qnic_start(&good, m, 0, 0);
    qnic_find(&bad, m, 1);
    qnic_negotiate(&bad, 0);
    qnic_set_up_queue(&bad, 0, NIC_ENTRIES);
    qnic_set_up_queue(&bad, 1, NIC_ENTRIES);
    qvirtio_set_driver_ok(&bad.dev->vdev);
    nic_wait_until(nic_number(m, "ports", 0, "paused") > 0);
    wire_send_number(m, 0, 5);
    qtest_writew(m->qts, qnic_available(&bad, 1) + 2, 0x8000);
    qnic_notify(&bad, 1);               /* more than the ring holds */
    g_assert_cmpint(qnic_receive_number(&good, 0), ==, 5);
    g_assert_cmphex(qnic_status(&bad) & VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
    qnic_leave(&bad);
    qnic_leave(&good);
    nic_machine_end(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-lifetime/down-drops", test_down_drops);
    qtest_add_func("nic-lifetime/stop", test_stop);
    qtest_add_func("nic-lifetime/memory-goes", test_memory_goes);
    qtest_add_func("nic-lifetime/broken-neighbour", test_broken_neighbour);
    return g_test_run();
}
