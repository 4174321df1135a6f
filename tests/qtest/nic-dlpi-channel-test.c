/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: DIRECT, POLL and notes of DLPI, and what virtio's driver
 * negotiates through the same streams
 */
#include "qemu/osdep.h"
#include "nic-mailbox.h"
#include "qemu/bswap.h"
#include "target-models/net/dlpi.h"

/* What a virtio driver does is said in the function's stream. */
static void test_virtio_is_carried(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    Capability c;
    Reply r;

    dlpi_lab_start(&lab, "");
    qnic_negotiate(&lab.nic, 1ull << VIRTIO_NET_F_CSUM |
                   1ull << VIRTIO_NET_F_HOST_TSO4);
    mailbox_query(b, &r);
    c = reply_capability(&r, DLPI_CAPAB_HCKSUM);
    g_assert_cmphex(c.flags, ==, DLPI_ENABLE | DLPI_HCKSUM_PARTIAL);
    c = reply_capability(&r, DLPI_CAPAB_LSO);
    g_assert_cmphex(c.flags, ==, DLPI_ENABLE | DLPI_LSO_TCP_IPV4);
    c = reply_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, 0);
    g_assert_false(dlpi_lab_flag(&lab, "direct"));
    qvirtio_set_driver_ok(&lab.nic.dev->vdev);
    mailbox_query(b, &r);
    c = reply_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, DLPI_ENABLE);
    g_assert_true(dlpi_lab_flag(&lab, "direct"));
    qvirtio_reset(&lab.nic.dev->vdev);
    g_assert_false(dlpi_lab_flag(&lab, "direct"));
    mailbox_ask(b, &r, DLPI_INFO_REQ, 0);
    g_assert_cmpint(reply_word(&r, 6), ==, DLPI_UNATTACHED);
    dlpi_lab_end(&lab);
}

/* Frames go both ways with the channel closed, and by its doorbells. */
static void test_direct_doorbells(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    QNic *q = &lab.nic;
    uint8_t frame[FRAME_BYTES];
    Capability direct;
    Reply r;

    dlpi_lab_start(&lab, "");
    dlpi_lab_start_driver(&lab, 0);
    mailbox_query(b, &r);
    direct = reply_capability(&r, DLPI_CAPAB_DIRECT);
    mailbox_enable(b, &direct, false, false, &r);
    g_assert_false(dlpi_lab_flag(&lab, "direct"));
    qnic_send_number(q, 1, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 1);
    /* without DIRECT its doorbell is none */
    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000100),
               FRAME_TYPE, 2);
    qnic_post_frame(q, 1, frame, sizeof(frame));
    mailbox_put(b, direct.offset + direct.stride, 1);
    mailbox_get(b, NIC_DLPI_ID);
    g_assert_cmpint(qnic_pending(q, 1), ==, 0);
    mailbox_enable_type(b, DLPI_CAPAB_DIRECT, &r);
    mailbox_put(b, direct.offset + direct.stride, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 2);
    qnic_wait(q, 1, NULL);
    wire_send_number(lab.m, 0, 3);
    g_assert_cmpint(qnic_receive_number(q, 0), ==, 3);
    mailbox_put(b, direct.offset, 1);
    /* rings that there are not */
    for (unsigned i = 2; i < 64; i++) {
        mailbox_put(b, direct.offset + i * direct.stride, 1);
    }
    dlpi_lab_end(&lab);
}

static uint32_t poll_register(Mailbox *b, const Capability *c, unsigned at)
{
    return mailbox_get(b, c->offset + at);
}

/* A ring that is polled fills without interrupts, and says how far. */
static void test_poll(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    QNic *q = &lab.nic;
    Capability poll;
    Reply r;

    dlpi_lab_start(&lab, "");
    dlpi_lab_start_driver(&lab, 0);
    mailbox_put(b, NIC_DLPI_POLL + NIC_DLPI_POLL_MODE, 1);
    g_assert_false(dlpi_lab_flag(&lab, "polled"));      /* not enabled */
    poll = mailbox_enable_type(b, DLPI_CAPAB_POLL, &r);
    mailbox_put(b, poll.offset + NIC_DLPI_POLL_MODE, 1);
    g_assert_cmpint(poll_register(b, &poll, NIC_DLPI_POLL_MODE), ==, 1);
    g_assert_true(dlpi_lab_flag(&lab, "polled"));
    qnic_take_interrupt(q);
    for (unsigned i = 0; i < 5; i++) {
        wire_send_number(lab.m, 0, i);
        g_assert_cmpint(qnic_receive_number(q, 0), ==, i);
    }
    g_assert_cmpint(qnic_take_interrupt(q) & 1, ==, 0);
    g_assert_cmpint(poll_register(b, &poll, NIC_DLPI_POLL_ARRIVED), ==, 5);
    g_assert_cmpint(poll_register(b, &poll, NIC_DLPI_POLL_ARRIVED), ==, 0);
    /* what came since then is announced */
    wire_send_number(lab.m, 0, 6);
    g_assert_cmpint(qnic_receive_number(q, 0), ==, 6);
    g_assert_cmpint(qnic_take_interrupt(q) & 1, ==, 0);
    mailbox_put(b, poll.offset + NIC_DLPI_POLL_MODE, 0);
    g_assert_cmpint(qnic_take_interrupt(q) & 1, ==, 1);
    g_assert_false(dlpi_lab_flag(&lab, "polled"));
    wire_send_number(lab.m, 0, 7);
    g_assert_cmpint(qnic_receive_number(q, 0), ==, 7);
    nic_wait_until(qnic_take_interrupt(q) & 1);
    dlpi_lab_end(&lab);
}

static uint32_t take_indication(Mailbox *b)
{
    Reply r;

    if (!(mailbox_get(b, NIC_DLPI_STATUS) & NIC_DLPI_HAS_INDICATION)) {
        return 0;
    }
    mailbox_read(b, NIC_DLPI_INDICATION, NIC_DLPI_INDICATION_DATA, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_NOTIFY_IND);
    mailbox_put(b, NIC_DLPI_INDICATION, 0);
    return reply_word(&r, 1);
}

static void ask_for_notes(Mailbox *b)
{
    Reply r;

    mailbox_ask(b, &r, DLPI_NOTIFY_REQ, 2, (unsigned)(DLPI_NOTE_LINK_UP |
        DLPI_NOTE_LINK_DOWN | DLPI_NOTE_CAPAB_RENEG), 0u);
    g_assert_cmphex(r.primitive, ==, DLPI_NOTIFY_ACK);
}

static void set_link(DlpiLab *lab, bool up)
{
    qtest_qmp_assert_success(lab->m->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': 'nic0.p0',"
                             "  'up': %i } }", up);
}

static void test_link_is_notified(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;

    dlpi_lab_start(&lab, "");
    mailbox_attach(b, 0);
    ask_for_notes(b);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_UP);
    g_assert_cmphex(take_indication(b), ==, 0);
    set_link(&lab, false);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_DOWN);
    set_link(&lab, true);
    set_link(&lab, false);
    set_link(&lab, true);
    /* the first is shown, of the others the last is left */
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_UP);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_UP);
    g_assert_cmphex(take_indication(b), ==, 0);
    dlpi_lab_end(&lab);
}

/* Another number of queues: interfaces are others, handles lose their value. */
static void test_renegotiation(void)
{
    const uint64_t features = 1ull << VIRTIO_NET_F_MQ |
                              1ull << VIRTIO_NET_F_CTRL_VQ;
    DlpiLab lab;
    Mailbox *b = &lab.box;
    Capability poll, direct;
    uint16_t pairs = cpu_to_le16(2);
    Reply r;

    dlpi_lab_start(&lab, ",queue-pairs=4");
    dlpi_lab_start_driver(&lab, features);
    ask_for_notes(b);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_UP);
    poll = mailbox_enable_type(b, DLPI_CAPAB_POLL, &r);
    mailbox_put(b, poll.offset + NIC_DLPI_POLL_MODE, 1);
    g_assert_true(dlpi_lab_flag(&lab, "polled"));
    mailbox_query(b, &r);
    poll = reply_capability(&r, DLPI_CAPAB_POLL);
    g_assert_cmpint(qnic_control(&lab.nic, VIRTIO_NET_CTRL_MQ,
                                 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs,
                                 sizeof(pairs)), ==, VIRTIO_NET_OK);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_CAPAB_RENEG);
    g_assert_false(dlpi_lab_flag(&lab, "polled"));
    mailbox_enable(b, &poll, true, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* old handle */
    /* virtio's driver has its channel again */
    g_assert_true(dlpi_lab_flag(&lab, "direct"));
    mailbox_query(b, &r);
    poll = reply_capability(&r, DLPI_CAPAB_POLL);
    direct = reply_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmpint(poll.n, ==, 2);
    g_assert_cmpint(direct.n, ==, 4);
    dlpi_lab_end(&lab);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-dlpi-channel/virtio-is-carried",
                   test_virtio_is_carried);
    qtest_add_func("nic-dlpi-channel/direct-doorbells", test_direct_doorbells);
    qtest_add_func("nic-dlpi-channel/poll", test_poll);
    qtest_add_func("nic-dlpi-channel/link-is-notified", test_link_is_notified);
    qtest_add_func("nic-dlpi-channel/renegotiation", test_renegotiation);
    return g_test_run();
}
