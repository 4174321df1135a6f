/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: packets over netdevs of QEMU: rings of all sizes, bursts, merged
 * buffers, link, back-pressure, pause, interrupts, and resets among them.
 */
#include "qemu/osdep.h"
#include "nic-stream.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define BIT64_OF(bit)   (UINT64_C(1) << (bit))
#define CONFIG(field)   offsetof(struct virtio_net_config, field)
#define LENGTH_BYTES    STREAM_LENGTH_BYTES
#define MANY            3000    /* more than any ring holds */

static void set_link(NicMachine *m, const char *name, bool up)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'set_link', 'arguments': "
                             "{ 'name': %s, 'up': %i } }", name, up);
}

/* --- packets ----------------------------------------------------------- */

static void test_both_ways(void)
{
    Stream s;

    stream_start(&s, "");
    stream_exchange(&s, 600);
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
    stream_exchange(&s, 20);
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
    stream_exchange(&s, 20);
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

/*
 * A driver that never gave a buffer, as Linux's while its interface is down,
 * is waited for, but not for ever; once it gives some it takes part.
 */
static void test_give_up(void)
{
    NicMachine *m = nic_machine_start(1, ",layout=0/0", "");
    QNic q[2];

    qnic_start(&q[0], m, 0, 0);
    qnic_find(&q[1], m, 1);
    qnic_negotiate(&q[1], 0);
    for (unsigned i = 0; i < q[1].n_queues; i++) {
        qnic_set_up_queue(&q[1], i, q[1].entries);
    }
    qvirtio_set_driver_ok(&q[1].dev->vdev);
    wire_send_number(m, 0, 1);
    nic_wait_until(nic_number(m, "ports", 0, "paused") > 0);
    for (unsigned i = 0; i < 21; i++) {
        qtest_clock_step(m->qts, 100 * 1000000);
    }
    g_assert_cmpint(qnic_receive_number(&q[0], 0), ==, 1);
    g_assert_cmpint(nic_number(m, "functions", 1, "receive-dropped"), ==, 1);
    qnic_post_receive(&q[1], 0, q[1].entries);
    qnic_notify(&q[1], 0);
    wire_send_number(m, 0, 2);
    g_assert_cmpint(qnic_receive_number(&q[0], 0), ==, 2);
    g_assert_cmpint(qnic_receive_number(&q[1], 0), ==, 2);
    qnic_leave(&q[0]);
    qnic_leave(&q[1]);
    nic_machine_end(m);
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
    stream_exchange(&s, 3);
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
    stream_exchange(&s, 3);
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

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 1, 2, 8, 256, 1024 };

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic/flow/both-ways", test_both_ways);
    qtest_add_func("nic/flow/smaller-ring", test_smaller_ring);
    qtest_add_func("nic/flow/burst", test_burst);
    qtest_add_func("nic/flow/merged", test_merged);
    qtest_add_func("nic/flow/too-small", test_too_small);
    qtest_add_func("nic/flow/link", test_link);
    qtest_add_func("nic/flow/back-pressure", test_back_pressure);
    qtest_add_func("nic/flow/pause", test_pause);
    qtest_add_func("nic/flow/give-up", test_give_up);
    qtest_add_func("nic/flow/no-pause", test_no_pause);
    qtest_add_func("nic/flow/holdoff", test_holdoff);
    qtest_add_func("nic/flow/event-index", test_event_index);
    qtest_add_func("nic/flow/queue-reset", test_queue_reset);
    qtest_add_func("nic/flow/reset", test_reset);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autofree char *path = g_strdup_printf("nic/flow/ring/%u",
                                                sizes[i]);

        qtest_add_data_func(path, GUINT_TO_POINTER(sizes[i]),
                            test_ring_size);
    }
    return g_test_run();
}
