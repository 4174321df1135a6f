/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver of nic-machine.h. */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

/* In the area of a function: rings, each part with room for 1024, buffers. */
#define RING_BYTES      0x20000
#define RING_AVAILABLE  0x8000
#define RING_USED       0x10000
#define BUFFERS         (4 * MiB)
#define BUFFER_QUEUE    (NIC_ENTRIES * NIC_BUFFER)

#define COMMON(q, field) \
    ((q)->dev->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

uint64_t qnic_ring(QNic *q, unsigned queue)
{
    return NIC_AREA(q->function) + queue * RING_BYTES;
}

uint64_t qnic_available(QNic *q, unsigned queue)
{
    return qnic_ring(q, queue) + RING_AVAILABLE;
}

uint64_t qnic_used(QNic *q, unsigned queue)
{
    return qnic_ring(q, queue) + RING_USED;
}

uint64_t qnic_buffer(QNic *q, unsigned queue, unsigned entry)
{
    return NIC_AREA(q->function) + BUFFERS + queue * BUFFER_QUEUE +
           entry % NIC_ENTRIES * NIC_BUFFER;
}

/* --- the function ------------------------------------------------------ */

void qnic_find(QNic *q, NicMachine *m, unsigned function)
{
    QPCIAddress address = { .devfn = QPCI_DEVFN(m->slot, function) };

    memset(q, 0, sizeof(*q));
    q->m = m;
    q->function = function;
    q->entries = NIC_ENTRIES;
    q->dev = virtio_pci_new(m->bus, &address);
    g_assert_nonnull(q->dev);
    qvirtio_pci_device_enable(q->dev);
}

void qnic_leave(QNic *q)
{
    g_free(q->dev->pdev);
    g_free(q->dev);
    q->dev = NULL;
}

uint8_t qnic_status(QNic *q)
{
    return qpci_io_readb(q->dev->pdev, q->dev->bar,
                         COMMON(q, device_status));
}

uint32_t qnic_config(QNic *q, unsigned offset, unsigned size)
{
    QVirtioDevice *vdev = &q->dev->vdev;

    return size == 1 ? qvirtio_config_readb(vdev, offset) :
           size == 2 ? qvirtio_config_readw(vdev, offset)
                     : qvirtio_config_readl(vdev, offset);
}

uint8_t qnic_take_interrupt(QNic *q)
{
    return qpci_io_readb(q->dev->pdev, q->dev->bar, q->dev->isr_cfg_offset);
}

static void write64(QNic *q, unsigned offset, uint64_t value)
{
    qpci_io_writel(q->dev->pdev, q->dev->bar, offset, value);
    qpci_io_writel(q->dev->pdev, q->dev->bar, offset + 4, value >> 32);
}

void qnic_set_up_queue(QNic *q, unsigned queue, unsigned entries)
{
    QPCIDevice *pdev = q->dev->pdev;
    QPCIBar bar = q->dev->bar;

    qtest_memset(q->m->qts, qnic_ring(q, queue), 0, RING_BYTES);
    q->posted[queue] = 0;
    q->seen[queue] = 0;
    qpci_io_writew(pdev, bar, COMMON(q, queue_select), queue);
    qpci_io_writew(pdev, bar, COMMON(q, queue_size), entries);
    write64(q, COMMON(q, queue_desc_lo), qnic_ring(q, queue));
    write64(q, COMMON(q, queue_avail_lo), qnic_available(q, queue));
    write64(q, COMMON(q, queue_used_lo), qnic_used(q, queue));
    qpci_io_writew(pdev, bar, COMMON(q, queue_enable), 1);
}

void qnic_negotiate(QNic *q, uint64_t features)
{
    QVirtioDevice *vdev = &q->dev->vdev;
    unsigned pairs = 1;

    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    q->features = qvirtio_get_features(vdev) &
                  (features | 1ull << VIRTIO_F_VERSION_1);
    qvirtio_set_features(vdev, q->features);
    if (q->features & 1ull << VIRTIO_NET_F_MQ) {
        pairs = qnic_config(q, offsetof(struct virtio_net_config,
                                        max_virtqueue_pairs), 2);
    }
    q->n_queues = 2 * pairs +
                  (q->features & 1ull << VIRTIO_NET_F_CTRL_VQ ? 1 : 0);
    g_assert_cmpuint(q->n_queues, <=, NIC_QUEUES);
}

void qnic_start(QNic *q, NicMachine *m, unsigned function, uint64_t features)
{
    qnic_find(q, m, function);
    qnic_negotiate(q, features);
    for (unsigned i = 0; i < q->n_queues; i++) {
        qnic_set_up_queue(q, i, q->entries);
    }
    qvirtio_set_driver_ok(&q->dev->vdev);
    for (unsigned i = 0; i + 1 < q->n_queues; i += 2) {
        qnic_post_receive(q, i, q->entries);
        qnic_notify(q, i);
    }
}

void qnic_adopt(QNic *q, NicMachine *m, const QNic *before)
{
    QNic driver = *before;

    qnic_find(q, m, before->function);
    driver.m = m;
    driver.dev = q->dev;
    *q = driver;
    q->dev->vdev.features = q->features;
    q->dev->vdev.features_negotiated = true;
}

/* --- queues ------------------------------------------------------------ */

static void write_descriptor(QNic *q, unsigned queue, unsigned entry,
                             uint64_t address, uint32_t length,
                             uint16_t flags, uint16_t next)
{
    struct vring_desc desc = {
        .addr = cpu_to_le64(address),
        .len = cpu_to_le32(length),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(next),
    };

    qtest_memwrite(q->m->qts, qnic_ring(q, queue) + entry * sizeof(desc),
                   &desc, sizeof(desc));
}

static void make_available(QNic *q, unsigned queue, unsigned entry)
{
    uint64_t available = qnic_available(q, queue);

    qtest_writew(q->m->qts,
                 available + 4 + 2 * (q->posted[queue] % q->entries), entry);
    q->posted[queue]++;
    qtest_writew(q->m->qts, available + 2, q->posted[queue]);
}

void qnic_notify(QNic *q, unsigned queue)
{
    qpci_io_writew(q->dev->pdev, q->dev->bar,
                   q->dev->notify_cfg_offset +
                   queue * q->dev->notify_off_multiplier, queue);
}

void qnic_post_receive(QNic *q, unsigned queue, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned entry = q->posted[queue] % q->entries;

        write_descriptor(q, queue, entry, qnic_buffer(q, queue, entry),
                         NIC_BUFFER, VRING_DESC_F_WRITE, 0);
        make_available(q, queue, entry);
    }
}

void qnic_post_frame(QNic *q, unsigned queue, const void *frame,
                     size_t length)
{
    unsigned entry = q->posted[queue] % q->entries;
    uint64_t buffer = qnic_buffer(q, queue, entry);

    g_assert_cmpuint(NIC_HEADER_BYTES + length, <=, NIC_BUFFER);
    qtest_memset(q->m->qts, buffer, 0, NIC_HEADER_BYTES);
    qtest_memwrite(q->m->qts, buffer + NIC_HEADER_BYTES, frame, length);
    write_descriptor(q, queue, entry, buffer, NIC_HEADER_BYTES + length, 0,
                     0);
    make_available(q, queue, entry);
}

unsigned qnic_pending(QNic *q, unsigned queue)
{
    uint16_t used = qtest_readw(q->m->qts, qnic_used(q, queue) + 2);

    return (uint16_t)(used - q->seen[queue]);
}

unsigned qnic_wait(QNic *q, unsigned queue, uint32_t *length)
{
    uint64_t element = qnic_used(q, queue) + 4 +
                       q->seen[queue] % q->entries *
                       sizeof(struct vring_used_elem);

    nic_wait_until(qnic_pending(q, queue));
    q->seen[queue]++;
    if (length) {
        *length = qtest_readl(q->m->qts, element + 4);
    }
    return qtest_readl(q->m->qts, element);
}

size_t qnic_receive(QNic *q, unsigned queue, void *frame, size_t size)
{
    uint32_t length;
    unsigned entry = qnic_wait(q, queue, &length);

    g_assert_cmpuint(length, >=, NIC_HEADER_BYTES);
    length -= NIC_HEADER_BYTES;
    g_assert_cmpuint(length, <=, size);
    qtest_memread(q->m->qts, qnic_buffer(q, queue, entry) + NIC_HEADER_BYTES,
                  frame, length);
    qnic_post_receive(q, queue, 1);
    return length;
}

int64_t qnic_receive_number(QNic *q, unsigned queue)
{
    uint8_t frame[NIC_BUFFER];

    return frame_number(frame, qnic_receive(q, queue, frame, sizeof(frame)));
}

void qnic_send(QNic *q, unsigned queue, const void *frame, size_t length)
{
    qnic_post_frame(q, queue, frame, length);
    qnic_notify(q, queue);
    qnic_wait(q, queue, NULL);
}

void qnic_send_number(QNic *q, unsigned queue, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, UINT64_C(0xffffffffffff),
               UINT64_C(0x020000000100) + q->function, FRAME_TYPE, number);
    qnic_send(q, queue, frame, sizeof(frame));
}

uint8_t qnic_control(QNic *q, uint8_t class, uint8_t command,
                     const void *data, size_t length)
{
    unsigned queue = q->n_queues - 1;
    uint64_t buffer = qnic_buffer(q, queue, 0);
    uint64_t answer = qnic_buffer(q, queue, NIC_ENTRIES - 1);

    qtest_writeb(q->m->qts, buffer, class);
    qtest_writeb(q->m->qts, buffer + 1, command);
    if (length) {
        qtest_memwrite(q->m->qts, buffer + 2, data, length);
    }
    qtest_writeb(q->m->qts, answer, 0xff);
    write_descriptor(q, queue, 0, buffer, 2 + length, VRING_DESC_F_NEXT, 1);
    write_descriptor(q, queue, 1, answer, 1, VRING_DESC_F_WRITE, 0);
    make_available(q, queue, 0);
    qnic_notify(q, queue);
    qnic_wait(q, queue, NULL);
    return qtest_readb(q->m->qts, answer);
}
