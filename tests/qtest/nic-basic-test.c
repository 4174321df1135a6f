/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: registers, features, layouts, rings of all sizes, packets both
 * ways over QEMU's own netdevs, link, back-pressure and pause.
 */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "qobject/qstring.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include <poll.h>

#define BIT64_OF(bit)   (UINT64_C(1) << (bit))
#define CONFIG(field)   offsetof(struct virtio_net_config, field)
#define SIZE(field)     sizeof_field(struct virtio_net_config, field)
#define WAIT_MS         60000
#define LENGTH_BYTES    4       /* before each frame of a stream */

/* --- a netdev "stream", the test at its other end ---------------------- */

typedef struct Stream {
    NicMachine *m;
    QNic q;
    int fd;
} Stream;

static void stream_open(Stream *s, const char *properties,
                        const char *more)
{
    g_autofree char *all = NULL, *options = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    all = g_strdup_printf(",ports=n0%s", properties);
    options = g_strdup_printf("-netdev stream,id=n0,addr.type=fd,addr.str=%d "
                              "%s", fds[1], more);
    s->m = nic_machine_start(0, all, options);
    s->fd = fds[0];
    close(fds[1]);
}

static void stream_start(Stream *s, const char *properties)
{
    stream_open(s, properties, "");
    qnic_start(&s->q, s->m, 0, 0);
}

static void stream_end(Stream *s)
{
    qnic_leave(&s->q);
    nic_machine_end(s->m);
    close(s->fd);
}

static void stream_send(Stream *s, const uint8_t *frame, uint32_t length)
{
    uint8_t bytes[LENGTH_BYTES + 2 * NIC_BUFFER];

    stl_be_p(bytes, length);
    memcpy(bytes + LENGTH_BYTES, frame, length);
    g_assert_cmpint(write(s->fd, bytes, LENGTH_BYTES + length), ==,
                    LENGTH_BYTES + length);
}

static void stream_send_number(Stream *s, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
               FRAME_TYPE, number);
    stream_send(s, frame, sizeof(frame));
}

static void read_all(int fd, void *data, size_t length)
{
    for (size_t done = 0; done < length; ) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;

        g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
        n = read(fd, (uint8_t *)data + done, length - done);
        g_assert_cmpint(n, >, 0);
        done += n;
    }
}

static size_t stream_receive(Stream *s, uint8_t *frame, size_t size)
{
    uint32_t length;

    read_all(s->fd, &length, sizeof(length));
    length = ldl_be_p(&length);
    g_assert_cmpuint(length, <=, size);
    read_all(s->fd, frame, length);
    return length;
}

static int64_t stream_receive_number(Stream *s)
{
    uint8_t frame[NIC_BUFFER];

    return frame_number(frame, stream_receive(s, frame, sizeof(frame)));
}

static void set_link(NicMachine *m, const char *name, bool up)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'set_link', 'arguments': "
                             "{ 'name': %s, 'up': %i } }", name, up);
}

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
    QPCIDevice *dev = qpci_device_find(m->bus, NIC_DEVFN(function));
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

/* --- packets ----------------------------------------------------------- */

#define MANY 3000               /* more than any ring holds */

/* As many as several times a ring, of both ways, in order. */
static void exchange(Stream *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        stream_send_number(s, i);
        g_assert_cmpint(qnic_receive_number(&s->q, 0), ==, i);
        qnic_notify(&s->q, 0);
        qnic_send_number(&s->q, 1, i);
        g_assert_cmpint(stream_receive_number(s), ==, i);
    }
}

static void test_both_ways(void)
{
    Stream s;

    stream_start(&s, "");
    exchange(&s, 600);
    stream_end(&s);
}

/* Ring sizes that the driver chooses: of the property or less. */
static void test_ring_size(gconstpointer opaque)
{
    unsigned entries = GPOINTER_TO_UINT(opaque);
    g_autofree char *properties =
        g_strdup_printf(",rx-queue-size=%u,tx-queue-size=%u", entries,
                        entries);
    Stream s;

    stream_open(&s, properties, "");
    qnic_find(&s.q, s.m, 0);
    s.q.entries = entries;
    qnic_negotiate(&s.q, 0);
    qnic_set_up_queue(&s.q, 0, entries);
    qnic_set_up_queue(&s.q, 1, entries);
    qvirtio_set_driver_ok(&s.q.dev->vdev);
    qnic_post_receive(&s.q, 0, MIN(entries, NIC_ENTRIES));
    qnic_notify(&s.q, 0);
    exchange(&s, 20);
    stream_end(&s);
}

/* A driver that uses a part of what there is. */
static void test_smaller_ring(void)
{
    Stream s;

    stream_open(&s, "", "");
    qnic_find(&s.q, s.m, 0);
    s.q.entries = 1;
    qnic_negotiate(&s.q, 0);
    qnic_set_up_queue(&s.q, 0, 1);
    qnic_set_up_queue(&s.q, 1, 1);
    qvirtio_set_driver_ok(&s.q.dev->vdev);
    qnic_post_receive(&s.q, 0, 1);
    qnic_notify(&s.q, 0);
    exchange(&s, 20);
    stream_end(&s);
}

/* A burst: one chain, one interrupt, all of it in order. */
static void test_burst(void)
{
    uint8_t bytes[64 * (LENGTH_BYTES + FRAME_BYTES)];
    Stream s;

    stream_start(&s, "");
    for (unsigned i = 0; i < 64; i++) {
        uint8_t *at = bytes + i * (LENGTH_BYTES + FRAME_BYTES);

        stl_be_p(at, FRAME_BYTES);
        frame_make(at + LENGTH_BYTES, UINT64_C(0xffffffffffff),
                   UINT64_C(0x020000000001), FRAME_TYPE, i);
    }
    g_assert_cmpint(write(s.fd, bytes, sizeof(bytes)), ==, sizeof(bytes));
    for (unsigned i = 0; i < 64; i++) {
        g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, i);
    }
    g_assert_cmpint(nic_number(s.m, "functions", 0, "receive-packets"), ==,
                    64);
    g_assert_cmpint(nic_number(s.m, "functions", 0, "receive-interrupts"),
                    ==, 1);
    g_assert_cmpint(nic_number(s.m, "functions", 0, "transfers"), ==, 1);
    stream_end(&s);
}

/* --- merged buffers ---------------------------------------------------- */

static void post_buffer(QNic *q, unsigned entry, uint32_t length)
{
    uint64_t desc = qnic_ring(q, 0) + entry * sizeof(struct vring_desc);
    uint64_t available = qnic_available(q, 0);

    qtest_writeq(q->m->qts, desc, qnic_buffer(q, 0, entry));
    qtest_writel(q->m->qts, desc + 8, length);
    qtest_writew(q->m->qts, desc + 12, VRING_DESC_F_WRITE);
    qtest_writew(q->m->qts, available + 4 + 2 * q->posted[0]++, entry);
    qtest_writew(q->m->qts, available + 2, q->posted[0]);
}

/* A frame that needs three buffers of 100 bytes. */
#define LONG_FRAME 250

static void make_long(uint8_t *frame)
{
    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
               FRAME_TYPE, 7);
    for (unsigned i = FRAME_BYTES; i < LONG_FRAME; i++) {
        frame[i] = i;
    }
}

static void start_with_small_buffers(Stream *s, uint64_t features, unsigned n)
{
    stream_open(s, "", "");
    qnic_find(&s->q, s->m, 0);
    qnic_negotiate(&s->q, features);
    qnic_set_up_queue(&s->q, 0, NIC_ENTRIES);
    qnic_set_up_queue(&s->q, 1, NIC_ENTRIES);
    qvirtio_set_driver_ok(&s->q.dev->vdev);
    for (unsigned i = 0; i < n; i++) {
        post_buffer(&s->q, i, 100);
    }
    qnic_notify(&s->q, 0);
}

static void test_merged(void)
{
    uint8_t frame[LONG_FRAME], got[3 * 100];
    uint32_t lengths[3];
    Stream s;

    start_with_small_buffers(&s, BIT64_OF(VIRTIO_NET_F_MRG_RXBUF), 8);
    make_long(frame);
    stream_send(&s, frame, sizeof(frame));
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(qnic_wait(&s.q, 0, &lengths[i]), ==, i);
        qtest_memread(s.m->qts, qnic_buffer(&s.q, 0, i), got + 100 * i, 100);
    }
    g_assert_cmpuint(lengths[0], ==, 100);
    g_assert_cmpuint(lengths[1], ==, 100);
    g_assert_cmpuint(lengths[2], ==, NIC_HEADER_BYTES + LONG_FRAME - 200);
    g_assert_cmpuint(lduw_le_p(got + 10), ==, 3);       /* num_buffers */
    g_assert_cmpmem(got + NIC_HEADER_BYTES, LONG_FRAME, frame, LONG_FRAME);
    stream_end(&s);
}

/* Without merging it does not fit: dropped, and no buffer is used up. */
static void test_too_small(void)
{
    uint8_t frame[LONG_FRAME];
    uint32_t length;
    Stream s;

    start_with_small_buffers(&s, 0, 8);
    make_long(frame);
    stream_send(&s, frame, sizeof(frame));
    stream_send_number(&s, 1);
    g_assert_cmpuint(qnic_wait(&s.q, 0, &length), ==, 0);
    g_assert_cmpuint(length, ==, NIC_HEADER_BYTES + FRAME_BYTES);
    g_assert_cmpint(nic_number(s.m, "functions", 0, "receive-dropped"), ==,
                    1);
    stream_end(&s);
}

/* --- link -------------------------------------------------------------- */

static void test_link(void)
{
    Stream s;

    stream_open(&s, "", "");
    qnic_start(&s.q, s.m, 0, BIT64_OF(VIRTIO_NET_F_STATUS));
    qnic_take_interrupt(&s.q);
    set_link(s.m, "nic0.p0", false);
    g_assert_cmpuint(qnic_config(&s.q, CONFIG(status), 2), ==, 0);
    g_assert_cmphex(qnic_take_interrupt(&s.q) & 2, ==, 2);
    stream_send_number(&s, 1);                  /* both are lost */
    qnic_send_number(&s.q, 1, 2);
    g_assert_cmpint(nic_number(s.m, "ports", 0, "transmit-dropped"), ==, 1);
    /* between two commands the emulator reads all of its sockets */
    g_assert_cmpint(nic_number(s.m, "ports", 0, "transmit-dropped"), ==, 1);
    set_link(s.m, "nic0.p0", true);
    g_assert_cmpuint(qnic_pending(&s.q, 0), ==, 0);
    g_assert_cmpuint(qnic_config(&s.q, CONFIG(status), 2), ==,
                     VIRTIO_NET_S_LINK_UP);
    qnic_send_number(&s.q, 1, 4);
    g_assert_cmpint(stream_receive_number(&s), ==, 4);
    stream_end(&s);
}

/* --- back-pressure and pause ------------------------------------------- */

/* Far more than fits between the ring and the test: nothing is lost. */
static void test_back_pressure(void)
{
    uint8_t frame[1500];
    unsigned sent = 0, seen = 0;
    Stream s;

    stream_start(&s, "");
    while (seen < MANY) {
        while (sent < MANY && sent - seen < NIC_ENTRIES) {
            frame_make(frame, UINT64_C(0xffffffffffff),
                       UINT64_C(0x020000000001), FRAME_TYPE, sent++);
            qnic_post_frame(&s.q, 1, frame, sizeof(frame));
        }
        qnic_notify(&s.q, 1);
        if (sent == MANY || nic_number(s.m, "ports", 0, "stopped")) {
            break;
        }
        while (qnic_pending(&s.q, 1)) {
            qnic_wait(&s.q, 1, NULL);
            seen++;
        }
    }
    g_assert_cmpint(nic_number(s.m, "ports", 0, "stopped"), >, 0);
    for (unsigned i = 0; i < sent; i++) {
        size_t length = stream_receive(&s, frame, sizeof(frame));

        g_assert_cmpuint(length, ==, sizeof(frame));
        g_assert_cmpint(frame_number(frame, FRAME_BYTES), ==, i);
    }
    while (seen < sent) {
        qnic_wait(&s.q, 1, NULL);
        seen++;
    }
    stream_end(&s);
}

/* More than the ring has room for: the sender waits. */
static void test_pause(void)
{
    Stream s;

    stream_start(&s, "");
    for (unsigned i = 0; i < NIC_ENTRIES + 200; i++) {
        stream_send_number(&s, i);
    }
    nic_wait_until(nic_number(s.m, "ports", 0, "paused") > 0);
    for (unsigned i = 0; i < NIC_ENTRIES + 200; i++) {
        g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, i);
        qnic_notify(&s.q, 0);
    }
    g_assert_cmpint(nic_number(s.m, "functions", 0, "receive-dropped"), ==,
                    0);
    stream_end(&s);
}

static void test_no_pause(void)
{
    Stream s;

    stream_start(&s, ",pause=off");
    for (unsigned i = 0; i < NIC_ENTRIES + 200; i++) {
        stream_send_number(&s, i);
    }
    nic_wait_until(nic_number(s.m, "functions", 0, "receive-dropped") == 200);
    g_assert_cmpint(nic_number(s.m, "ports", 0, "paused"), ==, 0);
    for (unsigned i = 0; i < NIC_ENTRIES; i++) {
        g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, i);
    }
    stream_end(&s);
}

/* --- interrupts -------------------------------------------------------- */

#define INTERRUPTS(m) nic_number(m, "functions", 0, "receive-interrupts")

/* Frames that come one by one: a threshold, and a time for the rest. */
static void test_holdoff(void)
{
    Stream s;

    stream_start(&s, ",rx-threshold=16,rx-holdoff=3000");
    for (unsigned i = 0; i < 40; i++) {
        stream_send_number(&s, i);
        g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, i);
    }
    g_assert_cmpint(INTERRUPTS(s.m), ==, 2);
    qtest_clock_step(s.m->qts, 2999 * 1000);
    g_assert_cmpint(INTERRUPTS(s.m), ==, 2);
    qtest_clock_step(s.m->qts, 1000);
    g_assert_cmpint(INTERRUPTS(s.m), ==, 3);
    stream_end(&s);
}

/* The driver looks by itself: no interrupt until it asks for one. */
static void test_event_index(void)
{
    Stream s;

    stream_open(&s, "", "");
    qnic_start(&s.q, s.m, 0, BIT64_OF(VIRTIO_RING_F_EVENT_IDX));
    qtest_writew(s.m->qts, qnic_available(&s.q, 0) + 4 + 2 * NIC_ENTRIES, 5);
    for (unsigned i = 0; i < 5; i++) {
        stream_send_number(&s, i);
        g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, i);
    }
    /* the first interrupt after the start is never left out */
    g_assert_cmpint(INTERRUPTS(s.m), ==, 1);
    stream_send_number(&s, 5);
    g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, 5);
    g_assert_cmpint(INTERRUPTS(s.m), ==, 2);
    stream_send_number(&s, 6);
    g_assert_cmpint(qnic_receive_number(&s.q, 0), ==, 6);
    g_assert_cmpint(INTERRUPTS(s.m), ==, 2);
    stream_end(&s);
}

/* --- resets ------------------------------------------------------------ */

/* A queue alone is reset, and used again. */
static void test_queue_reset(void)
{
    QPCIDevice *pdev;
    Stream s;

    stream_open(&s, "", "");
    qnic_start(&s.q, s.m, 0, BIT64_OF(VIRTIO_F_RING_RESET));
    exchange(&s, 3);
    pdev = s.q.dev->pdev;
    qpci_io_writew(pdev, s.q.dev->bar, s.q.dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, queue_select), 0);
    qpci_io_writew(pdev, s.q.dev->bar, s.q.dev->common_cfg_offset +
                   offsetof(struct virtio_pci_modern_common_cfg, queue_reset),
                   1);
    stream_send_number(&s, 77);                 /* for nobody */
    nic_wait_until(nic_number(s.m, "functions", 0, "receive-dropped") == 1);
    qnic_set_up_queue(&s.q, 0, NIC_ENTRIES);
    qnic_post_receive(&s.q, 0, NIC_ENTRIES);
    qnic_notify(&s.q, 0);
    exchange(&s, 3);
    stream_end(&s);
}

/* The driver goes and comes in the middle of bursts. */
static void test_reset(void)
{
    Stream s;

    stream_start(&s, "");
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 50; j++) {
            stream_send_number(&s, 1000 + j);
        }
        qvirtio_reset(&s.q.dev->vdev);
        qnic_leave(&s.q);
        qnic_start(&s.q, s.m, 0, 0);
    }
    /* what is left of the bursts may still come */
    stream_send_number(&s, 5);
    for (int64_t n = 0; n != 5; n = qnic_receive_number(&s.q, 0)) {
        g_assert_cmpint(n, <, 2000);
        qnic_notify(&s.q, 0);
    }
    stream_end(&s);
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

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 1, 2, 8, 256, 1024 };

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic/basic/registers", test_registers);
    qtest_add_func("nic/basic/features", test_features);
    qtest_add_func("nic/basic/feature-properties", test_feature_properties);
    for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
        g_autofree char *path = g_strdup_printf("nic/basic/layout/%u", i);

        qtest_add_data_func(path, &layouts[i], test_layout);
    }
    qtest_add_func("nic/basic/functions-are-apart", test_functions_are_apart);
    qtest_add_func("nic/basic/functions-share-port",
                   test_functions_share_port);
    qtest_add_func("nic/basic/both-ways", test_both_ways);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autofree char *path = g_strdup_printf("nic/basic/ring/%u",
                                                sizes[i]);

        qtest_add_data_func(path, GUINT_TO_POINTER(sizes[i]),
                            test_ring_size);
    }
    qtest_add_func("nic/basic/smaller-ring", test_smaller_ring);
    qtest_add_func("nic/basic/burst", test_burst);
    qtest_add_func("nic/basic/merged", test_merged);
    qtest_add_func("nic/basic/too-small", test_too_small);
    qtest_add_func("nic/basic/link", test_link);
    qtest_add_func("nic/basic/back-pressure", test_back_pressure);
    qtest_add_func("nic/basic/pause", test_pause);
    qtest_add_func("nic/basic/no-pause", test_no_pause);
    qtest_add_func("nic/basic/holdoff", test_holdoff);
    qtest_add_func("nic/basic/event-index", test_event_index);
    qtest_add_func("nic/basic/queue-reset", test_queue_reset);
    qtest_add_func("nic/basic/reset", test_reset);
    qtest_add_func("nic/basic/hot-plug", test_hot_plug);
    return g_test_run();
}
