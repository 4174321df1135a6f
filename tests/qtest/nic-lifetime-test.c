/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: frames that come when nobody is to have them: while the link
 * is down, and while the machine has stopped.
 */
#include "qemu/osdep.h"
#include "nic-stream.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-lifetime/down-drops", test_down_drops);
    qtest_add_func("nic-lifetime/stop", test_stop);
    return g_test_run();
}
