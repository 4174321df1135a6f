/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: registers, features, layouts, plugging
 */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "hw/pci/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define BIT64_OF(bit)   (UINT64_C(1) << (bit))
#define CONFIG(field)   offsetof(struct virtio_net_config, field)
#define SIZE(field)     sizeof_field(struct virtio_net_config, field)

/* --- registers and features -------------------------------------------- */

static void test_registers(void)
{
    NicMachine *m = nic_machine_start(1, ",mac=52:54:00:11:22:33,speed=25000,"
                                      "duplex=half,queue-pairs=4", "");
    QNic q;

    qnic_find(&q, m, 0);
    qnic_negotiate(&q, BIT64_OF(VIRTIO_NET_F_STATUS));
    g_assert_cmphex(qpci_config_readw(q.dev->pdev, PCI_VENDOR_ID), ==,
                    0x1af4);
    g_assert_cmphex(qpci_config_readw(q.dev->pdev, PCI_DEVICE_ID), ==,
                    0x1041);
    g_assert_cmphex(qpci_config_readw(q.dev->pdev, PCI_CLASS_DEVICE), ==,
                    0x0200);
    qpci_msix_enable(q.dev->pdev);
    g_assert_cmpuint(qpci_msix_table_size(q.dev->pdev), ==, 2 * 4 + 2);
    qpci_msix_disable(q.dev->pdev);
    g_assert_cmphex(qnic_config(&q, CONFIG(mac), 4), ==, 0x11005452);
    g_assert_cmphex(qnic_config(&q, CONFIG(mac) + 4, 2), ==, 0x3322);
    g_assert_cmpuint(qnic_config(&q, CONFIG(status), SIZE(status)), ==,
                     VIRTIO_NET_S_LINK_UP);
    g_assert_cmpuint(qnic_config(&q, CONFIG(max_virtqueue_pairs), 2), ==, 4);
    g_assert_cmpuint(qnic_config(&q, CONFIG(speed), 4), ==, 25000);
    g_assert_cmpuint(qnic_config(&q, CONFIG(duplex), 1), ==, 0);
    qnic_leave(&q);
    nic_machine_end(m);
}

static void test_features(void)
{
    static const unsigned offered[] = {
        VIRTIO_F_VERSION_1, VIRTIO_RING_F_INDIRECT_DESC,
        VIRTIO_RING_F_EVENT_IDX, VIRTIO_F_RING_RESET, VIRTIO_NET_F_MAC,
        VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_CTRL_VQ,
        VIRTIO_NET_F_SPEED_DUPLEX,
    };
    static const unsigned withheld[] = {
        VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_NET_F_GUEST_UFO,
        VIRTIO_NET_F_MTU, VIRTIO_NET_F_STANDBY,
    };
    NicMachine *m = nic_machine_start(1, ",packed=on,in_order=on,"
                                      "speed_duplex=on", "");
    uint64_t features;
    QNic q;

    qnic_find(&q, m, 0);
    qvirtio_reset(&q.dev->vdev);
    features = qvirtio_get_features(&q.dev->vdev);
    for (unsigned i = 0; i < ARRAY_SIZE(offered); i++) {
        g_assert_true(features & BIT64_OF(offered[i]));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(withheld); i++) {
        g_assert_false(features & BIT64_OF(withheld[i]));
    }
    qnic_leave(&q);
    nic_machine_end(m);
}

/* A property takes a feature away from all functions. */
static void test_feature_properties(void)
{
    NicMachine *m = nic_machine_start(2, ",mrg_rxbuf=off,event_idx=off", "");

    for (unsigned i = 0; i < 2; i++) {
        uint64_t features;
        QNic q;

        qnic_find(&q, m, i);
        features = qvirtio_get_features(&q.dev->vdev);
        g_assert_false(features & BIT64_OF(VIRTIO_NET_F_MRG_RXBUF));
        g_assert_false(features & BIT64_OF(VIRTIO_RING_F_EVENT_IDX));
        g_assert_true(features & BIT64_OF(VIRTIO_NET_F_STATUS));
        qnic_leave(&q);
    }
    nic_machine_end(m);
}

/* --- layouts ----------------------------------------------------------- */

typedef struct Layout {
    const char *properties;
    unsigned functions;
    const char *ports[8];       /* of each function */
} Layout;

static const Layout layouts[] = {
    { "", 4, { "nic0.p0", "nic0.p1", "nic0.p2", "nic0.p3" } },
    { ",layout=each", 4, { "nic0.p0", "nic0.p1", "nic0.p2", "nic0.p3" } },
    { ",layout=all", 1, { "nic0.a0" } },
    { ",layout=0,,1/2,,3", 2, { "nic0.a0", "nic0.a1" } },
    { ",layout=3/0,,1,,2", 2, { "nic0.p3", "nic0.a1" } },
    { ",layout=0,,1,,2,,3/3,,2,,1,,0", 2, { "nic0.a0", "nic0.a0" } },
    { ",layout=0/0/1/2/3", 5, { "nic0.p0", "nic0.p0", "nic0.p1" } },
};

static bool function_exists(NicMachine *m, unsigned function)
{
    QPCIDevice *dev = qpci_device_find(m->bus,
                                       QPCI_DEVFN(m->slot, function));
    bool exists = dev != NULL;

    g_free(dev);
    return exists;
}

static void check_function(NicMachine *m, const Layout *l, unsigned function,
                           QDict *info)
{
    const QListEntry *entry = qlist_first(qdict_get_qlist(info, "functions"));
    g_autofree char *mac = g_strdup_printf("52:54:00:00:00:%02x",
                                           (0xfe + function) & 0xff);

    QDict *f;

    for (unsigned i = 0; i < function; i++) {
        entry = qlist_next(entry);
    }
    f = qobject_to(QDict, qlist_entry_obj(entry));
    if (l->ports[function]) {
        g_assert_cmpstr(qdict_get_str(f, "port"), ==, l->ports[function]);
    }
    g_assert_cmpstr(qdict_get_str(f, "mac") + 15, ==, mac + 15);
}

static void test_layout(gconstpointer opaque)
{
    const Layout *l = opaque;
    g_autofree char *properties =
        g_strdup_printf("%s,mac=52:54:00:00:00:fe", l->properties);
    NicMachine *m = nic_machine_start(4, properties, "");
    QDict *info = nic_info(m);

    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpint(function_exists(m, i), ==, i < l->functions);
    }
    for (unsigned i = 0; i < l->functions; i++) {
        check_function(m, l, i, info);
    }
    qobject_unref(info);
    nic_machine_end(m);
}

/* Every function has its own wire. */
static void test_functions_are_apart(void)
{
    NicMachine *m = nic_machine_start(4, "", "");
    QNic q[4];

    for (unsigned i = 0; i < 4; i++) {
        qnic_start(&q[i], m, i, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        wire_send_number(m, i, 100 + i);
        qnic_send_number(&q[i], 1, 200 + i);
    }
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(qnic_receive_number(&q[i], 0), ==, 100 + i);
        g_assert_cmpint(wire_receive_number(m, i), ==, 200 + i);
        g_assert_cmpuint(qnic_pending(&q[i], 0), ==, 0);
        qnic_leave(&q[i]);
    }
    nic_machine_end(m);
}

/* Two functions on one port see each other and the wire. */
static void test_functions_share_port(void)
{
    NicMachine *m = nic_machine_start(1, ",layout=0/0", "");
    QNic q[2];

    qnic_start(&q[0], m, 0, 0);
    qnic_start(&q[1], m, 1, 0);
    wire_send_number(m, 0, 1);
    g_assert_cmpint(qnic_receive_number(&q[0], 0), ==, 1);
    g_assert_cmpint(qnic_receive_number(&q[1], 0), ==, 1);
    qnic_send_number(&q[0], 1, 2);
    g_assert_cmpint(qnic_receive_number(&q[1], 0), ==, 2);
    g_assert_cmpint(wire_receive_number(m, 0), ==, 2);
    g_assert_cmpuint(qnic_pending(&q[0], 0), ==, 0);
    qnic_leave(&q[0]);
    qnic_leave(&q[1]);
    nic_machine_end(m);
}

/* A plugged card is there at once, with all functions; and gone at once. */
static void test_hot_plug(void)
{
    QTestState *qts = qtest_init("-machine q35 -nodefaults -vga none -device "
                                 "pcie-root-port,id=rp,chassis=1,slot=1");

    for (unsigned i = 0; i < 3; i++) {
        QDict *info;

        qtest_qmp_assert_success(qts, "{ 'execute': 'device_add', "
            "'arguments': { 'driver': 'sunder-nic', 'id': 'x', 'bus': 'rp', "
            "'ports': [ '', '', '', '' ], 'layout': '0,1/2/3' } }");
        info = qtest_qmp(qts, "{ 'execute': 'query-sunder-nic' }");
        g_assert_cmpuint(qlist_size(qdict_get_qlist(qobject_to(QDict,
            qlist_entry_obj(qlist_first(qdict_get_qlist(info, "return")))),
            "functions")), ==, 3);
        qobject_unref(info);
        qtest_qmp_assert_success(qts, "{ 'execute': 'device_del', "
                                 "'arguments': { 'id': 'x' } }");
        qtest_qmp_assert_success(qts, "{ 'execute': 'system_reset' }");
        qtest_qmp_eventwait(qts, "DEVICE_DELETED");
        info = qtest_qmp(qts, "{ 'execute': 'query-sunder-nic' }");
        g_assert_true(qdict_haskey(info, "error"));
        qobject_unref(info);
    }
    qtest_quit(qts);
}

/* Rings of a size that the card has not are refused, and stay as they were. */
static void test_rings_may_have_1_to_1024_entries(void)
{
    NicMachine *m = nic_machine_start(1, "", "");

    for (unsigned size = 1; size <= 32768; size *= 2) {
        QNic q;

        qnic_find(&q, m, 0);
        qnic_negotiate(&q, 0);
        q.entries = MIN(size, NIC_ENTRIES);
        qnic_set_up_queue(&q, 0, size <= 1024 ? q.entries : size);
        qnic_set_up_queue(&q, 1, size);
        if (size > 1024) {
            uint64_t at = q.dev->common_cfg_offset +
                          offsetof(struct virtio_pci_common_cfg, queue_size);

            g_assert_cmpuint(qpci_io_readw(q.dev->pdev, q.dev->bar, at), <=,
                             1024);
            qnic_leave(&q);
            continue;
        }
        q.entries = size;
        qvirtio_set_driver_ok(&q.dev->vdev);
        for (unsigned i = 0; i < 2 * size + 1; i++) {
            qnic_send_number(&q, 1, i);
            g_assert_cmpint(wire_receive_number(m, 0), ==, i);
        }
        q.entries = MIN(size, NIC_ENTRIES);
        for (unsigned i = 0; i < 3; i++) {
            qnic_post_receive(&q, 0, 1);
            qnic_notify(&q, 0);
            wire_send_number(m, 0, i);
            nic_wait_until(qnic_pending(&q, 0));
            q.seen[0]++;
        }
        g_assert_cmphex(qnic_status(&q), ==, 0xf);
        qnic_leave(&q);
    }
    nic_machine_end(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic/basic/registers", test_registers);
    qtest_add_func("nic/basic/features", test_features);
    qtest_add_func("nic/basic/feature-properties", test_feature_properties);
    qtest_add_func("nic/basic/functions-are-apart", test_functions_are_apart);
    qtest_add_func("nic/basic/functions-share-port",
                   test_functions_share_port);
    qtest_add_func("nic/basic/hot-plug", test_hot_plug);
    for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
        g_autofree char *path = g_strdup_printf("nic/basic/layout/%u", i);

        qtest_add_data_func(path, &layouts[i], test_layout);
    }
    qtest_add_func("nic/basic/ring-sizes",
                   test_rings_may_have_1_to_1024_entries);
    return g_test_run();
}
