/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver of nic-nonsense.h: rings, registers, control queue, mailbox. */
#include "qemu/osdep.h"
#include "nic-nonsense.h"
#include "hw/net/nic-dlpi.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

static QNic *some_function(Fuzzer *f)
{
    return &f->q[below(f, FUNCTIONS)];
}

static unsigned some_queue(Fuzzer *f, QNic *q)
{
    return below(f, MAX(q->n_queues, 1));
}

/* Where buffers, tables and rings may be said to be */
static uint64_t somewhere(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = some_queue(f, q);

    switch (below(f, 12)) {
    case 0:
        return nonsense(f);
    case 1:
        return NIC_MEMORY - below(f, 64);
    case 2:
        return 0xfee00000 + below(f, 4096);
    case 3:
        return q->dev->bar.addr + below(f, 0x4000);
    case 4:
        return f->mailbox.addr + below(f, 0x2000);
    case 5:
        return qnic_ring(q, queue) + below(f, 0x20000);
    case 6:
        return 0xa0000 + below(f, 0x60000);
    case 7:
        return below(f, 4096);
    default:
        return qnic_buffer(q, queue, below(f, NIC_ENTRIES)) + below(f, 2);
    }
}

static uint32_t some_length(Fuzzer *f)
{
    static const uint32_t lengths[] = {
        0, 1, 2, 11, 12, 13, 26, 64, 1526, 2048, 4096, 65536, 69632, 1 << 20,
        0x7fffffff, 0xfffffff4, 0xffffffff,
    };

    return below(f, 3) ? lengths[below(f, G_N_ELEMENTS(lengths))]
                       : below(f, 2048);
}

/* --- the driver -------------------------------------------------------- */

static void write_register(Fuzzer *f, QNic *q, unsigned offset,
                           uint64_t value, unsigned size)
{
    QPCIDevice *pdev = q->dev->pdev;

    if (size == 1) {
        qpci_io_writeb(pdev, q->dev->bar, offset, value);
    } else if (size == 2) {
        qpci_io_writew(pdev, q->dev->bar, offset, value);
    } else {
        qpci_io_writel(pdev, q->dev->bar, offset, value);
    }
}

static void write_common(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned offset = below(f, sizeof(struct virtio_pci_common_cfg));
    uint64_t value = below(f, 3) ? nonsense(f) : below(f, 64);

    /* a reset every time would leave little to find */
    if (offset == offsetof(struct virtio_pci_common_cfg, device_status) &&
        below(f, 4)) {
        value = VIRTIO_CONFIG_S_DRIVER_OK | 0xb;
    }
    write_register(f, q, q->dev->common_cfg_offset + offset, value,
                   1 << below(f, 3));
}

static void write_configuration(Fuzzer *f)
{
    QNic *q = some_function(f);

    write_register(f, q, q->dev->device_cfg_offset + below(f, 64),
                   nonsense(f), 1 << below(f, 3));
}

static void ring_doorbell(Fuzzer *f)
{
    QNic *q = some_function(f);

    if (below(f, 8)) {
        qnic_notify(q, some_queue(f, q));
    } else {
        write_register(f, q, q->dev->notify_cfg_offset + below(f, 0x100) * 2,
                       nonsense(f), 2);
    }
}

static void write_descriptor(Fuzzer *f, QNic *q, unsigned queue,
                             unsigned entry)
{
    struct vring_desc d = {
        .addr = cpu_to_le64(somewhere(f)),
        .len = cpu_to_le32(some_length(f)),
        .flags = cpu_to_le16(below(f, 6) ? below(f, 4) : nonsense(f)),
        .next = cpu_to_le16(below(f, 8) ? below(f, q->entries)
                                        : nonsense(f)),
    };

    if (d.flags == cpu_to_le16(VRING_DESC_F_INDIRECT)) {
        d.len = cpu_to_le32(below(f, 4) ? 16 * below(f, 64) : nonsense(f));
    }
    qtest_memwrite(q->m->qts, qnic_ring(q, queue) + entry * sizeof(d), &d,
                   sizeof(d));
}

/* A few descriptors, made available as a driver does or not at all so. */
static void post_nonsense(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = some_queue(f, q);
    uint64_t available = qnic_available(q, queue);
    unsigned first = below(f, q->entries), n = 1 + below(f, 6);

    for (unsigned i = 0; i < n; i++) {
        write_descriptor(f, q, queue, (first + i) % q->entries);
    }
    qtest_writew(f->m->qts, available + 4 +
                 2 * (q->posted[queue] % q->entries),
                 below(f, 16) ? first : nonsense(f));
    q->posted[queue] += below(f, 32) ? 1 : nonsense(f);
    qtest_writew(f->m->qts, available + 2, q->posted[queue]);
    if (below(f, 8) == 0) {
        /* the flags and the event index */
        qtest_writew(f->m->qts, available, nonsense(f));
        qtest_writew(f->m->qts, available + 4 + 2 * q->entries, nonsense(f));
    }
    if (below(f, 2)) {
        qnic_notify(q, queue);
    }
}

/* One that a card would send, with a header that asks for odd things. */
static void post_packet(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = (some_queue(f, q) | 1) % MAX(q->n_queues, 2);
    uint8_t frame[200];
    struct virtio_net_hdr header = {
        .flags = below(f, 4),
        .gso_type = below(f, 4) ? below(f, 6) : nonsense(f),
        .hdr_len = below(f, 2) ? below(f, 100) : nonsense(f),
        .gso_size = below(f, 2) ? below(f, 100) : nonsense(f),
        .csum_start = below(f, 2) ? below(f, 100) : nonsense(f),
        .csum_offset = below(f, 2) ? below(f, 32) : nonsense(f),
    };
    unsigned entry = q->posted[queue] % q->entries;

    fill_random(f, frame, sizeof(frame));
    frame_make(frame, below(f, 2) ? UINT64_C(0xffffffffffff) : random64(f),
               UINT64_C(0x020000000100), below(f, 2) ? 0x0800 : 0x86dd, 0);
    frame[14] = below(f, 4) ? 0x45 : 0x60;
    frame[23] = 6;
    qnic_post_frame(q, queue, frame, 20 + below(f, 180));
    qtest_memwrite(f->m->qts, qnic_buffer(q, queue, entry), &header,
                   sizeof(header));
    qnic_notify(q, queue);
}

/* Commands with lengths and numbers that cannot be. */
static void post_control(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = MAX(q->n_queues, 1) - 1;
    unsigned entry = below(f, q->entries - 2);
    uint64_t ring = qnic_ring(q, queue);
    uint8_t command[512];
    struct vring_desc d[2];

    fill_random(f, command, sizeof(command));
    command[0] = below(f, 8);
    command[1] = below(f, 6);
    qtest_memwrite(f->m->qts, qnic_buffer(q, queue, 0), command,
                   sizeof(command));
    d[0] = (struct vring_desc) {
        .addr = cpu_to_le64(qnic_buffer(q, queue, 0)),
        .len = cpu_to_le32(below(f, 8) ? below(f, 512) : nonsense(f)),
        .flags = cpu_to_le16(VRING_DESC_F_NEXT),
        .next = cpu_to_le16(entry + 1),
    };
    d[1] = (struct vring_desc) {
        .addr = cpu_to_le64(qnic_buffer(q, queue, 2)),
        .len = cpu_to_le32(below(f, 8) ? 1 : some_length(f)),
        .flags = cpu_to_le16(below(f, 8) ? VRING_DESC_F_WRITE : 0),
    };
    qtest_memwrite(f->m->qts, ring + entry * sizeof(d[0]), d, sizeof(d));
    qtest_writew(f->m->qts, qnic_available(q, queue) + 4 +
                 2 * (q->posted[queue] % q->entries), entry);
    q->posted[queue]++;
    qtest_writew(f->m->qts, qnic_available(q, queue) + 2, q->posted[queue]);
    qnic_notify(q, queue);
}

/* --- the mailbox ------------------------------------------------------- */

/* DLPI messages begin with a primitive and go on with lengths and offsets. */
static void send_message(Fuzzer *f, unsigned window)
{
    QPCIDevice *pdev = f->q[0].dev->pdev;
    unsigned bytes = below(f, 16) ? 4 * below(f, 24) : below(f, 2048);
    unsigned words = MIN(bytes, NIC_DLPI_REQUEST_SIZE) / 4;

    for (unsigned i = 0; i < words && i < 24; i++) {
        uint32_t word = below(f, 3) ? below(f, 48) : nonsense(f);

        qpci_io_writel(pdev, f->mailbox, window + NIC_DLPI_REQUEST_DATA +
                       4 * i, word);
    }
    qpci_io_writel(pdev, f->mailbox, window + NIC_DLPI_REQUEST,
                   below(f, 16) ? bytes : nonsense(f));
}

static void use_mailbox(Fuzzer *f)
{
    QPCIDevice *pdev = f->q[0].dev->pdev;
    unsigned window = below(f, FUNCTIONS + 1) * NIC_DLPI_WINDOW;

    switch (below(f, 4)) {
    case 0:
        qpci_io_writel(pdev, f->mailbox, window + 4 * below(f, 16),
                       nonsense(f));
        break;
    case 1:
        qpci_io_writel(pdev, f->mailbox,
                       window + NIC_DLPI_DIRECT + 4 * below(f, 0x80),
                       below(f, 2));
        break;
    case 2:
        qpci_io_readl(pdev, f->mailbox, window + 4 * below(f, 0x400));
        break;
    default:
        send_message(f, window);
        break;
    }
}

/* --- what a driver does ------------------------------------------------- */
static const unsigned sizes[] = { 1, 2, 4, 64, 256, 512, 1024, 3, 0, 32768 };

void fuzzer_start_driver(Fuzzer *f)
{
    QNic *q = some_function(f);
    QVirtioDevice *vdev = &q->dev->vdev;
    uint64_t offered;

    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    offered = qvirtio_get_features(vdev);
    q->features = below(f, 2) ? offered : offered & random64(f);
    q->features |= 1ull << VIRTIO_F_VERSION_1;
    if (below(f, 8) == 0) {
        q->features |= nonsense(f);
    }
    /* not qvirtio_set_features(): the card may not like them */
    for (unsigned i = 0; i < 2; i++) {
        write_register(f, q, q->dev->common_cfg_offset +
                       offsetof(struct virtio_pci_common_cfg,
                                guest_feature_select), i, 4);
        write_register(f, q, q->dev->common_cfg_offset +
                       offsetof(struct virtio_pci_common_cfg, guest_feature),
                       q->features >> 32 * i, 4);
    }
    write_register(f, q, q->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, device_status),
                   0xb, 1);
    q->entries = below(f, 4) ? 64 : MAX(sizes[below(f, 7)], 8);
    q->n_queues = 9;
    for (unsigned i = 0; i < q->n_queues; i++) {
        qnic_set_up_queue(q, i, below(f, 16) ? q->entries
                                : sizes[below(f, G_N_ELEMENTS(sizes))]);
    }
    write_register(f, q, q->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, device_status),
                   0xf, 1);
    for (unsigned i = 0; i < 8; i += 2) {
        qnic_post_receive(q, i, q->entries);
        qnic_notify(q, i);
    }
}

void fuzzer_access(Fuzzer *f)
{
    unsigned what = below(f, 100);

    if (what < 6) {
        write_common(f);
    } else if (what < 10) {
        write_configuration(f);
    } else if (what < 25) {
        ring_doorbell(f);
    } else if (what < 50) {
        post_nonsense(f);
    } else if (what < 60) {
        post_packet(f);
    } else if (what < 70) {
        post_control(f);
    } else if (what < 80) {
        use_mailbox(f);
    } else {
        fuzzer_bring_frames(f);
    }
}
