/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node of libqos, "sunder-nic", so that QEMU's own tests of virtio-net run
 * on function 0 of the network card (as virtio-net-pci in
 * tests/qtest/libqos/virtio-net.c, whose structures they expect).
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/qgraph.h"
#include "libqos/virtio-net.h"
#include "qemu/module.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ids.h"
#include "standard-headers/linux/virtio_net.h"
#include "standard-headers/linux/virtio_ring.h"

static QGuestAllocator *allocator;

static void set_up_queues(QVirtioNet *net, uint64_t features)
{
    QVirtioDevice *vdev = net->vdev;

    net->n_queues = 3;              /* with the control queue */
    if (features & 1ull << VIRTIO_NET_F_MQ) {
        net->n_queues = 2 * qvirtio_config_readw(vdev,
            offsetof(struct virtio_net_config, max_virtqueue_pairs)) + 1;
    }
    net->queues = g_new(QVirtQueue *, net->n_queues);
    for (int i = 0; i < net->n_queues; i++) {
        net->queues[i] = qvirtqueue_setup(vdev, allocator, i);
    }
}

static void start(QOSGraphObject *object)
{
    QVirtioNetPCI *nic = (QVirtioNetPCI *)object;
    QVirtioDevice *vdev = nic->net.vdev;
    uint64_t features;

    qvirtio_pci_start_hw(&nic->pci_vdev.obj);
    features = qvirtio_get_features(vdev) &
               ~(QVIRTIO_F_BAD_FEATURE |
                 1ull << VIRTIO_RING_F_INDIRECT_DESC |
                 1ull << VIRTIO_RING_F_EVENT_IDX);
    qvirtio_set_features(vdev, features);
    set_up_queues(&nic->net, features);
    qvirtio_set_driver_ok(vdev);
}

static void destroy(QOSGraphObject *object)
{
    QVirtioNetPCI *nic = (QVirtioNetPCI *)object;

    for (int i = 0; i < nic->net.n_queues; i++) {
        qvirtqueue_cleanup(nic->net.vdev->bus, nic->net.queues[i],
                           allocator);
    }
    g_free(nic->net.queues);
    qvirtio_pci_destructor(&nic->pci_vdev.obj);
}

static void *get_interface(void *object, const char *interface)
{
    QVirtioNetPCI *nic = object;

    if (strcmp(interface, "virtio-net") == 0) {
        return &nic->net;
    }
    if (strcmp(interface, "virtio") == 0) {
        return nic->net.vdev;
    }
    g_assert_cmpstr(interface, ==, "pci-device");
    return nic->pci_vdev.pdev;
}

static void *create(void *bus, QGuestAllocator *alloc, void *address)
{
    QVirtioNetPCI *nic = g_new0(QVirtioNetPCI, 1);

    virtio_pci_init(&nic->pci_vdev, bus, address);
    nic->net.vdev = &nic->pci_vdev.vdev;
    g_assert_cmphex(nic->net.vdev->device_type, ==, VIRTIO_ID_NET);
    allocator = alloc;
    nic->pci_vdev.obj.destructor = destroy;
    nic->pci_vdev.obj.start_hw = start;
    nic->pci_vdev.obj.get_driver = get_interface;
    return &nic->pci_vdev.obj;
}

static void register_node(void)
{
    QPCIAddress address = { .devfn = QPCI_DEVFN(4, 0) };
    QOSGraphEdgeOptions options = {
        .extra_device_opts = "ports=hs0,addr=04.0",
    };

    add_qpci_address(&options, &address);
    qos_node_create_driver("sunder-nic", create);
    qos_node_consumes("sunder-nic", "pci-bus", &options);
    qos_node_produces("sunder-nic", "virtio-net");
}

libqos_init(register_node);
