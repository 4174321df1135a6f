/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic-dgram: addresses, bursts, and other wires at its other end
 */
#include "qemu/osdep.h"
#include "nic-ends.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"

static void expect_error(QDict *answer, const char *part)
{
    QDict *error = qdict_get_qdict(answer, "error");
    const char *text;

    if (!error) {
        g_error("accepted; expected an error with \"%s\"", part);
    }
    text = qdict_get_str(error, "desc");
    if (!strstr(text, part)) {
        g_error("\"%s\" is not in: %s", part, text);
    }
    qobject_unref(answer);
}

/* --- what cannot be ---------------------------------------------------- */

static void test_addresses_that_cannot_be_are_refused(void)
{
    static const struct { const char *members, *part; } wrong[] = {
        { "", "local is missing" },
        { ", 'local': 'unix:/tmp/x'", "remote is missing" },
        { ", 'local': 'unix:/tmp/x', 'remote': 'udp:127.0.0.1:1'",
          "the same for both" },
        { ", 'local': '/tmp/x', 'remote': '/tmp/y'",
          "unix:PATH or udp:HOST:PORT" },
        { ", 'local': 'unix:', 'remote': 'unix:/tmp/y'", "of 0 bytes" },
        { ", 'local': 'unix:/tmp/x', 'remote': 'unix:/tmp/x'",
          "local and remote are both" },
        { ", 'local': 'unix:/dev/null', 'remote': 'unix:/tmp/x'",
          "that is no socket" },
        { ", 'local': 'unix:/nowhere/x', 'remote': 'unix:/tmp/x'",
          "No such file" },
        { ", 'local': 'udp:x', 'remote': 'udp:127.0.0.1:1'",
          "expected udp:HOST:PORT" },
        { ", 'local': 'udp:127.0.0.1:1', 'fd': '3'", "leave out" },
        { ", 'fd': 'nobody'", "nobody" },
        { ", 'fd': '0'", "no datagram socket" },
        { ", 'burst': 0", "expected 1 to 256" },
        { ", 'burst': 257", "expected 1 to 256" },
    };
    QTestState *qts = qtest_init("-machine none");

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strdup_printf(
            "{ 'qom-type': 'sunder-nic-dgram', 'id': 'w' %s }",
            wrong[i].members);

        expect_error(qtest_qmp(qts, "{ 'execute': 'object-add',"
                               "  'arguments': %p }",
                               qobject_from_json(text, &error_abort)),
                     wrong[i].part);
    }
    qtest_quit(qts);
}

static void add_object(Ends *e, QTestState *qts, const char *id,
                       const char *expected)
{
    g_autofree char *local = g_strdup_printf("unix:%s", e->card);
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'object-add', 'arguments':"
                              "  { 'qom-type': 'sunder-nic-dgram',"
                              "    'id': %s, 'local': %s,"
                              "    'remote': 'unix:/nowhere' } }", id, local);

    if (expected) {
        expect_error(answer, expected);
    } else {
        g_assert_true(qdict_haskey(answer, "return"));
        qobject_unref(answer);
    }
}

static void test_a_path_in_use_is_refused_and_one_left_behind_is_not(void)
{
    QTestState *qts = qtest_init("-machine none");
    struct sockaddr_un address;
    Ends e;
    int fd;

    ends_folder(&e);
    address = ends_address(e.card);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)),
                    ==, 0);
    add_object(&e, qts, "w0", "in use by another program");
    close(fd);
    g_assert_true(g_file_test(e.card, G_FILE_TEST_EXISTS));
    add_object(&e, qts, "w0", NULL);

    qtest_qmp_assert_success(qts, "{ 'execute': 'object-del',"
                             "  'arguments': { 'id': 'w0' } }");
    g_assert_false(g_file_test(e.card, G_FILE_TEST_EXISTS));
    qtest_quit(qts);
    ends_free(&e);
}

static void test_a_wire_in_use_cannot_be_removed_nor_changed(void)
{
    NicMachine *m = nic_machine_start(1, "", "");

    expect_error(qtest_qmp(m->qts, "{ 'execute': 'object-del',"
                           "  'arguments': { 'id': 'w0' } }"), "in use");
    expect_error(qtest_qmp(m->qts, "{ 'execute': 'qom-set', 'arguments':"
                           "  { 'path': '/objects/w0', 'property': 'burst',"
                           "    'value': 2 } }"), "cannot be changed");
    nic_machine_end(m);
}

/* --- frames ------------------------------------------------------------ */

static void test_frames_cross_a_wire_in_both_directions(void)
{
    Ends e;

    ends_start(&e, "");
    ends_bind(&e);
    for (unsigned i = 0; i < 5; i++) {
        uint8_t frame[FRAME_BYTES];

        frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
                   FRAME_TYPE, i);
        g_assert_true(ends_send(&e, frame, sizeof(frame)));
        g_assert_cmpint(qnic_receive_number(&e.q, 0), ==, i);
        qnic_send_number(&e.q, 1, i);
        g_assert_cmpint(ends_receive_number(&e), ==, i);
    }
    ends_end(&e);
}

/* What one recvmmsg() reads is one chain. */
static void expect_chains(unsigned burst, unsigned bin, int64_t chains)
{
    g_autofree char *object = NULL;
    NicMachine *wires = nic_machine_new(1), *m;
    QNic q;
    QDict *card, *port, *receive;
    const QListEntry *e;

    object = g_strdup_printf("-object sunder-nic-dgram,id=x,fd=%d,burst=%u",
                             wires->emulator[0], burst);
    m = nic_machine_start(0, ",ports=x", object);
    qnic_start(&q, m, 0, 0);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'stop' }");
    for (unsigned i = 0; i < 64; i++) {
        wire_send_number(wires, 0, i);
    }
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'cont' }");
    for (unsigned i = 0; i < 64; i++) {
        g_assert_cmpint(qnic_receive_number(&q, 0), ==, i);
    }

    card = nic_info(m);
    port = qobject_to(QDict, qlist_peek(qdict_get_qlist(card, "ports")));
    receive = qdict_get_qdict(port, "receive");
    g_assert_cmpint(qdict_get_int(receive, "chains"), ==, chains);
    e = qlist_first(qdict_get_qlist(receive, "chain-length"));
    while (bin--) {
        e = qlist_next(e);
    }
    g_assert_cmpint(qnum_get_int(qobject_to(QNum, qlist_entry_obj(e))), ==,
                    chains);
    qobject_unref(card);
    qnic_leave(&q);
    nic_machine_end(m);
    nic_machine_end(wires);
}

static void test_a_burst_is_one_chain(void)
{
    expect_chains(256, 6, 1);       /* bin 6: 64 to 127 */
}

static void test_a_burst_is_no_longer_than_told(void)
{
    expect_chains(16, 4, 4);        /* bin 4: 16 to 31 */
}

static void test_datagrams_that_are_no_frames_are_refused(void)
{
    g_autofree uint8_t *large = g_malloc0(65537);
    uint8_t frame[FRAME_BYTES];
    Ends e;

    ends_start(&e, "");
    ends_bind(&e);
    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
               FRAME_TYPE, 1);
    g_assert_true(ends_send(&e, "", 0));
    g_assert_true(ends_send(&e, large, 65537));
    g_assert_true(ends_send(&e, frame, sizeof(frame)));

    g_assert_cmpint(qnic_receive_number(&e.q, 0), ==, 1);
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "receive-refused"), ==, 2);
    ends_end(&e);
}

/* A frame in more pieces than one sendmsg() takes. */
static void test_a_frame_in_very_many_pieces_arrives_whole(void)
{
    enum { PIECES = 1024 - 1 };
    uint8_t frame[4096];
    NicMachine *m = nic_machine_start(1, ",tx-queue-size=1024", "");
    uint64_t buffer = NIC_FREE_MEMORY;
    QNic q;

    qnic_find(&q, m, 0);
    qnic_negotiate(&q, 0);
    q.entries = 1024;
    qnic_set_up_queue(&q, 0, NIC_ENTRIES);
    qnic_set_up_queue(&q, 1, 1024);
    qvirtio_set_driver_ok(&q.dev->vdev);
    qtest_memset(m->qts, buffer, 0, NIC_HEADER_BYTES);
    for (unsigned i = 0; i < PIECES; i++) {
        qtest_writeb(m->qts, buffer + NIC_HEADER_BYTES + i, i);
    }
    for (unsigned i = 0; i <= PIECES; i++) {
        uint64_t at = qnic_ring(&q, 1) + 16 * i;

        qtest_writeq(m->qts, at, buffer + (i ? NIC_HEADER_BYTES + i - 1 : 0));
        qtest_writel(m->qts, at + 8, i ? 1 : NIC_HEADER_BYTES);
        qtest_writew(m->qts, at + 12, i < PIECES ? 1 : 0);
        qtest_writew(m->qts, at + 14, i + 1);
    }
    qtest_writew(m->qts, qnic_available(&q, 1) + 2, 1);
    qnic_notify(&q, 1);

    g_assert_cmpuint(wire_receive(m, 0, frame, sizeof(frame)), ==, PIECES);
    for (unsigned i = 0; i < PIECES; i++) {
        g_assert_cmphex(frame[i], ==, i & 0xff);
    }
    qnic_leave(&q);
    nic_machine_end(m);
}

/* --- the other end ----------------------------------------------------- */

/* Function 0 and function 1, with a wire from one to the other. */
static void expect_traffic(const char *options)
{
    NicMachine *m = nic_machine_start(0, ",ports=a:b,layout=each", options);
    QNic q[2];

    qnic_start(&q[0], m, 0, 0);
    qnic_start(&q[1], m, 1, 0);
    for (unsigned i = 0; i < 5; i++) {
        qnic_send_number(&q[0], 1, i);
        g_assert_cmpint(qnic_receive_number(&q[1], 0), ==, i);
        qnic_send_number(&q[1], 1, 100 + i);
        g_assert_cmpint(qnic_receive_number(&q[0], 0), ==, 100 + i);
    }
    qnic_leave(&q[0]);
    qnic_leave(&q[1]);
    nic_machine_end(m);
}

static void test_netdev_dgram_may_be_at_the_other_end(void)
{
    g_autofree char *options = NULL;
    Ends e;

    ends_folder(&e);
    options = g_strdup_printf(
        "-object sunder-nic-dgram,id=a,local=unix:%s,remote=unix:%s "
        "-netdev dgram,id=b,local.type=unix,local.path=%s,"
        "remote.type=unix,remote.path=%s",
        e.card, e.test, e.test, e.card);
    expect_traffic(options);
    unlink(e.test);
    ends_free(&e);
}

static void test_another_of_its_kind_may_be_at_the_other_end(void)
{
    g_autofree char *options = NULL;
    Ends e;

    ends_folder(&e);
    options = g_strdup_printf(
        "-object sunder-nic-dgram,id=a,local=unix:%s,remote=unix:%s "
        "-object sunder-nic-dgram,id=b,local=unix:%s,remote=unix:%s",
        e.card, e.test, e.test, e.card);
    expect_traffic(options);
    ends_free(&e);
}

static void test_headers_may_cross_with_the_frames(void)
{
    g_autofree char *options = NULL;
    Ends e;

    ends_folder(&e);
    options = g_strdup_printf(
        "-object sunder-nic-dgram,id=a,local=unix:%s,remote=unix:%s,"
        "vnet-header=on "
        "-object sunder-nic-dgram,id=b,local=unix:%s,remote=unix:%s,"
        "vnet-header=on",
        e.card, e.test, e.test, e.card);
    expect_traffic(options);
    ends_free(&e);
}

/* The peer may be hostile; what it says must not reach beyond the frame. */
static void test_headers_that_cannot_be_are_refused(void)
{
    static const struct virtio_net_hdr wrong[] = {
        { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 59 },
        { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff,
          .csum_offset = 0xffff },
        { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 },
        { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14,
          .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0 },
        { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14,
          .gso_type = 0x40, .gso_size = 100 },
    };
    struct { struct virtio_net_hdr header; uint8_t frame[FRAME_BYTES]; } d;
    Ends e;

    ends_start(&e, ",vnet-header=on");
    ends_bind(&e);
    frame_make(d.frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000001),
               FRAME_TYPE, 7);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        d.header = wrong[i];
        g_assert_true(ends_send(&e, &d, sizeof(d.header) + FRAME_BYTES));
    }
    d.header = (struct virtio_net_hdr) { 0 };
    g_assert_true(ends_send(&e, &d, sizeof(d.header) + FRAME_BYTES));

    g_assert_cmpint(qnic_receive_number(&e.q, 0), ==, 7);
    g_assert_cmpint(ends_wire_counter(e.m, "w0", "receive-refused"), ==,
                    G_N_ELEMENTS(wrong));
    ends_end(&e);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic-dgram/addresses",
                   test_addresses_that_cannot_be_are_refused);
    qtest_add_func("/nic-dgram/path",
                   test_a_path_in_use_is_refused_and_one_left_behind_is_not);
    qtest_add_func("/nic-dgram/in-use",
                   test_a_wire_in_use_cannot_be_removed_nor_changed);
    qtest_add_func("/nic-dgram/both-directions",
                   test_frames_cross_a_wire_in_both_directions);
    qtest_add_func("/nic-dgram/burst", test_a_burst_is_one_chain);
    qtest_add_func("/nic-dgram/burst-limit",
                   test_a_burst_is_no_longer_than_told);
    qtest_add_func("/nic-dgram/refused",
                   test_datagrams_that_are_no_frames_are_refused);
    qtest_add_func("/nic-dgram/pieces",
                   test_a_frame_in_very_many_pieces_arrives_whole);
    qtest_add_func("/nic-dgram/netdev-dgram",
                   test_netdev_dgram_may_be_at_the_other_end);
    qtest_add_func("/nic-dgram/same-kind",
                   test_another_of_its_kind_may_be_at_the_other_end);
    qtest_add_func("/nic-dgram/headers",
                   test_headers_may_cross_with_the_frames);
    qtest_add_func("/nic-dgram/wrong-headers",
                   test_headers_that_cannot_be_are_refused);
    return g_test_run();
}
