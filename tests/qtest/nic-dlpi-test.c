/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: the DLPI mailbox, and what virtio's driver negotiates through
 * the same streams.
 */
#include "qemu/osdep.h"
#include "hw/net/nic-dlpi.h"
#include "nic-machine.h"
#include "qemu/bswap.h"
#include "target-models/net/dlpi.h"

#define NO_FUNCTION 7           /* of a card that has fewer */

typedef struct Mailbox {
    QNic *nic;                  /* function 0 */
    QPCIBar bar;
    uint64_t window;
} Mailbox;

typedef struct Lab {
    NicMachine *m;
    QNic nic;
    Mailbox box;
} Lab;

static uint32_t get(Mailbox *b, unsigned at)
{
    return qpci_io_readl(b->nic->dev->pdev, b->bar, b->window + at);
}

static void put(Mailbox *b, unsigned at, uint32_t value)
{
    qpci_io_writel(b->nic->dev->pdev, b->bar, b->window + at, value);
}

static void use_window(Mailbox *b, unsigned function)
{
    b->window = function * NIC_DLPI_WINDOW;
}

static void open_mailbox(Lab *lab)
{
    lab->box.nic = &lab->nic;
    lab->box.bar = qpci_iomap(lab->nic.dev->pdev, NIC_DLPI_BAR, NULL);
    use_window(&lab->box, 0);
}

/* Two wires, a function each; a driver in function 0 if @features. */
static void start(Lab *lab, const char *properties)
{
    lab->m = nic_machine_start(2, properties, "");
    qnic_find(&lab->nic, lab->m, 0);
    open_mailbox(lab);
}

static void start_driver(Lab *lab, uint64_t features)
{
    QNic *q = &lab->nic;

    qnic_negotiate(q, features);
    for (unsigned i = 0; i < q->n_queues; i++) {
        qnic_set_up_queue(q, i, q->entries);
    }
    qvirtio_set_driver_ok(&q->dev->vdev);
    qnic_post_receive(q, 0, q->entries);
    qnic_notify(q, 0);
}

static void end(Lab *lab)
{
    qnic_leave(&lab->nic);
    nic_machine_end(lab->m);
}

/* --- messages ---------------------------------------------------------- */

typedef struct Reply {
    uint32_t size;
    uint32_t primitive;
    uint8_t data[NIC_DLPI_MESSAGE_SIZE];
} Reply;

static void read_message(Mailbox *b, unsigned length_at, unsigned data_at,
                         Reply *r)
{
    r->size = get(b, length_at);
    g_assert_cmpint(r->size, <=, sizeof(r->data));
    for (unsigned i = 0; i < r->size; i += 4) {
        stl_le_p(r->data + i, get(b, data_at + i));
    }
    r->primitive = ldl_le_p(r->data);
}

static uint32_t word(const Reply *r, unsigned i)
{
    return ldl_le_p(r->data + 4 * i);
}

static void request(Mailbox *b, const uint8_t *data, unsigned size,
                    Reply *r)
{
    for (unsigned i = 0; i < MIN(size, NIC_DLPI_REQUEST_SIZE); i++) {
        qpci_io_writeb(b->nic->dev->pdev, b->bar,
                       b->window + NIC_DLPI_REQUEST_DATA + i, data[i]);
    }
    put(b, NIC_DLPI_REQUEST, size);
    g_assert_cmpint(get(b, NIC_DLPI_STATUS) & NIC_DLPI_HAS_REPLY, ==,
                    NIC_DLPI_HAS_REPLY);
    read_message(b, NIC_DLPI_REPLY, NIC_DLPI_REPLY_DATA, r);
    put(b, NIC_DLPI_REPLY, 0);
    g_assert_cmpint(get(b, NIC_DLPI_REPLY), ==, 0);
}

static void ask(Mailbox *b, Reply *r, uint32_t primitive, unsigned n, ...)
{
    uint8_t data[64];
    va_list ap;

    stl_le_p(data, primitive);
    va_start(ap, n);
    for (unsigned i = 0; i < n; i++) {
        stl_le_p(data + 4 + 4 * i, va_arg(ap, unsigned));
    }
    va_end(ap);
    request(b, data, 4 + 4 * n, r);
}

static void assert_error(Mailbox *b, uint32_t code, uint32_t primitive,
                         unsigned n, uint32_t argument)
{
    Reply r;

    ask(b, &r, primitive, n, argument);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);
    g_assert_cmphex(word(&r, 1), ==, primitive);
    g_assert_cmphex(word(&r, 2), ==, code);
}

static void attach(Mailbox *b, unsigned ppa)
{
    Reply r;

    ask(b, &r, DLPI_ATTACH_REQ, 1, ppa);
    g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
}

/* Connectionless, without management and automatic answers. */
static void bind_sap(Mailbox *b, uint16_t sap)
{
    Reply r;

    ask(b, &r, DLPI_BIND_REQ, 4, (unsigned)sap, 0u, 2u, 0u);
    g_assert_cmphex(r.primitive, ==, DLPI_BIND_ACK);
}

/* A capability as it is in a message: type, length, data. */
typedef struct Capability {
    bool found;
    uint32_t flags;
    uint32_t max;
    uint32_t bar, offset, stride, n;
    uint64_t handle;
    const uint8_t *at;
    unsigned size;
} Capability;

static void read_capability(Capability *c, const uint8_t *at, unsigned size)
{
    uint32_t type = ldl_le_p(at);

    *c = (Capability) { .found = true, .at = at, .size = size };
    c->flags = ldl_le_p(at + 12);
    if (type == DLPI_CAPAB_LSO) {
        c->max = ldl_le_p(at + 16);
    } else if (type != DLPI_CAPAB_HCKSUM) {
        c->bar = ldl_le_p(at + 16);
        c->offset = ldl_le_p(at + 20);
        c->stride = ldl_le_p(at + 24);
        c->n = ldl_le_p(at + 28);
        c->handle = ldq_le_p(at + 32);
    }
}

static Capability find_capability(const Reply *r, uint32_t type)
{
    Capability c = { .found = false };
    unsigned at = word(r, 1), end = at + word(r, 2);

    g_assert_cmphex(r->primitive, ==, DLPI_CAPABILITY_ACK);
    g_assert_cmpint(end, <=, r->size);
    while (at + 8 <= end) {
        unsigned size = 8 + ldl_le_p(r->data + at + 4);

        if (ldl_le_p(r->data + at) == type) {
            read_capability(&c, r->data + at, size);
        }
        at += size;
    }
    return c;
}

static void query(Mailbox *b, Reply *r)
{
    ask(b, r, DLPI_CAPABILITY_REQ, 2, 0u, 0u);
    g_assert_cmphex(r->primitive, ==, DLPI_CAPABILITY_ACK);
}

/* What was offered is asked for, with other flags, and perhaps handle. */
static void enable(Mailbox *b, const Capability *c, bool on, bool spoil,
                   Reply *r)
{
    uint8_t data[128];

    stl_le_p(data, DLPI_CAPABILITY_REQ);
    stl_le_p(data + 4, 12);
    stl_le_p(data + 8, c->size);
    memcpy(data + 12, c->at, c->size);
    stl_le_p(data + 24, on ? c->flags | DLPI_ENABLE
                           : c->flags & ~DLPI_ENABLE);
    data[12 + 32] ^= spoil;
    request(b, data, 12 + c->size, r);
}

/* The interface of a capability that is enabled now. */
static Capability enable_type(Mailbox *b, uint32_t type, Reply *r)
{
    Capability c;

    query(b, r);
    c = find_capability(r, type);
    g_assert_true(c.found);
    enable(b, &c, true, false, r);
    c = find_capability(r, type);
    g_assert_true(c.found);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, DLPI_ENABLE);
    return c;
}

static bool function_flag(Lab *lab, const char *member)
{
    QDict *card = nic_info(lab->m);
    QDict *f = qobject_to(QDict, qlist_peek(qdict_get_qlist(card,
                                                            "functions")));
    bool is_set = qdict_get_bool(f, member);

    qobject_unref(card);
    return is_set;
}

/* --- tests ------------------------------------------------------------- */

static void test_registers(void)
{
    Lab lab;
    Mailbox *b = &lab.box;

    start(&lab, "");
    g_assert_cmphex(get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    g_assert_cmphex(get(b, NIC_DLPI_VERSION), ==, NIC_DLPI_VERSION_VALUE);
    g_assert_cmphex(get(b, NIC_DLPI_WINDOWS), ==, 2);
    g_assert_cmphex(get(b, NIC_DLPI_STATUS), ==, 0);
    g_assert_cmphex(get(b, NIC_DLPI_VECTOR), ==, NIC_DLPI_NO_VECTOR);
    put(b, NIC_DLPI_VECTOR, 1);
    g_assert_cmphex(get(b, NIC_DLPI_VECTOR), ==, 1);
    put(b, NIC_DLPI_VECTOR, 4711);
    g_assert_cmphex(get(b, NIC_DLPI_VECTOR), ==, NIC_DLPI_NO_VECTOR);
    put(b, NIC_DLPI_CONTROL, UINT32_MAX);
    g_assert_cmphex(get(b, NIC_DLPI_CONTROL), ==, 3);
    put(b, NIC_DLPI_ID, 0);
    g_assert_cmphex(get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    use_window(b, 1);
    g_assert_cmphex(get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    g_assert_cmphex(get(b, NIC_DLPI_CONTROL), ==, 0);
    end(&lab);
}

static void test_info_attach_bind(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    Reply r;

    start(&lab, ",mac=52:54:00:00:01:00");
    for (unsigned function = 0; function < 2; function++) {
        use_window(b, function);
        ask(b, &r, DLPI_INFO_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_INFO_ACK);
        g_assert_cmpint(word(&r, 6), ==, DLPI_UNATTACHED);
        assert_error(b, DLPI_BADPPA, DLPI_ATTACH_REQ, 1, 1 - function);
        assert_error(b, DLPI_BADPPA, DLPI_ATTACH_REQ, 1, UINT32_MAX);
        assert_error(b, DLPI_OUTSTATE, DLPI_DETACH_REQ, 0, 0);
        attach(b, function);
        assert_error(b, DLPI_OUTSTATE, DLPI_ATTACH_REQ, 1, function);
        ask(b, &r, DLPI_PHYS_ADDR_REQ, 1, 2u);
        g_assert_cmphex(r.primitive, ==, DLPI_PHYS_ADDR_ACK);
        g_assert_cmphex(ldl_be_p(r.data + word(&r, 2)), ==, 0x52540000);
        g_assert_cmphex(lduw_be_p(r.data + word(&r, 2) + 4), ==,
                        0x0100 + function);
        bind_sap(b, 0x0800);
        ask(b, &r, DLPI_INFO_REQ, 0);
        g_assert_cmpint(word(&r, 6), ==, DLPI_IDLE);
        g_assert_cmpint(word(&r, 1), ==, 1500);
        ask(b, &r, DLPI_UNBIND_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
        ask(b, &r, DLPI_DETACH_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
    }
    end(&lab);
}

/* A window whose function there is not. */
static void test_no_function(void)
{
    Lab lab;
    Reply r;

    start(&lab, "");
    use_window(&lab.box, NO_FUNCTION);
    ask(&lab.box, &r, DLPI_INFO_REQ, 0);
    g_assert_cmphex(r.primitive, ==, DLPI_INFO_ACK);
    assert_error(&lab.box, DLPI_BADPPA, DLPI_ATTACH_REQ, 1, NO_FUNCTION);
    end(&lab);
}

static void test_capabilities(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    Capability poll, direct;
    Reply r;

    start(&lab, "");
    attach(b, 0);
    query(b, &r);
    poll = find_capability(&r, DLPI_CAPAB_POLL);
    direct = find_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_true(poll.found && direct.found);
    g_assert_cmpint(poll.bar, ==, NIC_DLPI_BAR);
    g_assert_cmphex(poll.offset, ==, NIC_DLPI_POLL);
    g_assert_cmpint(poll.n, ==, 1);
    g_assert_cmphex(direct.offset, ==, NIC_DLPI_DIRECT);
    g_assert_cmpint(direct.n, ==, 2);
    g_assert_cmphex(direct.flags & DLPI_ENABLE, ==, 0);
    enable(b, &direct, true, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* not bound */
    bind_sap(b, 0);
    query(b, &r);
    direct = find_capability(&r, DLPI_CAPAB_DIRECT);
    enable(b, &direct, true, true, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* wrong handle */
    g_assert_false(function_flag(&lab, "direct"));
    enable_type(b, DLPI_CAPAB_DIRECT, &r);
    g_assert_true(function_flag(&lab, "direct"));
    query(b, &r);
    direct = find_capability(&r, DLPI_CAPAB_DIRECT);
    enable(b, &direct, false, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_CAPABILITY_ACK);
    g_assert_false(function_flag(&lab, "direct"));
    end(&lab);
}

/* What a virtio driver does is said in the function's stream. */
static void test_virtio_is_carried(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    Capability c;
    Reply r;

    start(&lab, "");
    qnic_negotiate(&lab.nic, 1ull << VIRTIO_NET_F_CSUM |
                   1ull << VIRTIO_NET_F_HOST_TSO4);
    query(b, &r);
    c = find_capability(&r, DLPI_CAPAB_HCKSUM);
    g_assert_cmphex(c.flags, ==, DLPI_ENABLE | DLPI_HCKSUM_PARTIAL);
    c = find_capability(&r, DLPI_CAPAB_LSO);
    g_assert_cmphex(c.flags, ==, DLPI_ENABLE | DLPI_LSO_TCP_IPV4);
    c = find_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, 0);
    g_assert_false(function_flag(&lab, "direct"));
    qvirtio_set_driver_ok(&lab.nic.dev->vdev);
    query(b, &r);
    c = find_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, DLPI_ENABLE);
    g_assert_true(function_flag(&lab, "direct"));
    qvirtio_reset(&lab.nic.dev->vdev);
    g_assert_false(function_flag(&lab, "direct"));
    ask(b, &r, DLPI_INFO_REQ, 0);
    g_assert_cmpint(word(&r, 6), ==, DLPI_UNATTACHED);
    end(&lab);
}

/* Frames go both ways with the channel closed, and by its doorbells. */
static void test_direct_doorbells(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    QNic *q = &lab.nic;
    uint8_t frame[FRAME_BYTES];
    Capability direct;
    Reply r;

    start(&lab, "");
    start_driver(&lab, 0);
    query(b, &r);
    direct = find_capability(&r, DLPI_CAPAB_DIRECT);
    enable(b, &direct, false, false, &r);
    g_assert_false(function_flag(&lab, "direct"));
    qnic_send_number(q, 1, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 1);
    /* without DIRECT its doorbell is none */
    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000100),
               FRAME_TYPE, 2);
    qnic_post_frame(q, 1, frame, sizeof(frame));
    put(b, direct.offset + direct.stride, 1);
    get(b, NIC_DLPI_ID);
    g_assert_cmpint(qnic_pending(q, 1), ==, 0);
    enable_type(b, DLPI_CAPAB_DIRECT, &r);
    put(b, direct.offset + direct.stride, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 2);
    qnic_wait(q, 1, NULL);
    wire_send_number(lab.m, 0, 3);
    g_assert_cmpint(qnic_receive_number(q, 0), ==, 3);
    put(b, direct.offset, 1);
    /* rings that there are not */
    for (unsigned i = 2; i < 64; i++) {
        put(b, direct.offset + i * direct.stride, 1);
    }
    end(&lab);
}

static uint32_t poll_register(Mailbox *b, const Capability *c, unsigned at)
{
    return get(b, c->offset + at);
}

/* A ring that is polled fills without interrupts, and says how far. */
static void test_poll(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    QNic *q = &lab.nic;
    Capability poll;
    Reply r;

    start(&lab, "");
    start_driver(&lab, 0);
    put(b, NIC_DLPI_POLL + NIC_DLPI_POLL_MODE, 1);
    g_assert_false(function_flag(&lab, "polled"));      /* not enabled */
    poll = enable_type(b, DLPI_CAPAB_POLL, &r);
    put(b, poll.offset + NIC_DLPI_POLL_MODE, 1);
    g_assert_cmpint(poll_register(b, &poll, NIC_DLPI_POLL_MODE), ==, 1);
    g_assert_true(function_flag(&lab, "polled"));
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
    put(b, poll.offset + NIC_DLPI_POLL_MODE, 0);
    g_assert_cmpint(qnic_take_interrupt(q) & 1, ==, 1);
    g_assert_false(function_flag(&lab, "polled"));
    wire_send_number(lab.m, 0, 7);
    g_assert_cmpint(qnic_receive_number(q, 0), ==, 7);
    nic_wait_until(qnic_take_interrupt(q) & 1);
    end(&lab);
}

static uint32_t take_indication(Mailbox *b)
{
    Reply r;

    if (!(get(b, NIC_DLPI_STATUS) & NIC_DLPI_HAS_INDICATION)) {
        return 0;
    }
    read_message(b, NIC_DLPI_INDICATION, NIC_DLPI_INDICATION_DATA, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_NOTIFY_IND);
    put(b, NIC_DLPI_INDICATION, 0);
    return word(&r, 1);
}

static void ask_for_notes(Mailbox *b)
{
    Reply r;

    ask(b, &r, DLPI_NOTIFY_REQ, 2, (unsigned)(DLPI_NOTE_LINK_UP |
        DLPI_NOTE_LINK_DOWN | DLPI_NOTE_CAPAB_RENEG), 0u);
    g_assert_cmphex(r.primitive, ==, DLPI_NOTIFY_ACK);
}

static void set_link(Lab *lab, bool up)
{
    qtest_qmp_assert_success(lab->m->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': 'nic0.p0',"
                             "  'up': %i } }", up);
}

static void test_link_is_notified(void)
{
    Lab lab;
    Mailbox *b = &lab.box;

    start(&lab, "");
    attach(b, 0);
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
    end(&lab);
}

/* Another number of queues: interfaces are others, handles lose their value. */
static void test_renegotiation(void)
{
    const uint64_t features = 1ull << VIRTIO_NET_F_MQ |
                              1ull << VIRTIO_NET_F_CTRL_VQ;
    Lab lab;
    Mailbox *b = &lab.box;
    Capability poll, direct;
    uint16_t pairs = cpu_to_le16(2);
    Reply r;

    start(&lab, ",queue-pairs=4");
    start_driver(&lab, features);
    ask_for_notes(b);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_LINK_UP);
    poll = enable_type(b, DLPI_CAPAB_POLL, &r);
    put(b, poll.offset + NIC_DLPI_POLL_MODE, 1);
    g_assert_true(function_flag(&lab, "polled"));
    query(b, &r);
    poll = find_capability(&r, DLPI_CAPAB_POLL);
    g_assert_cmpint(qnic_control(&lab.nic, VIRTIO_NET_CTRL_MQ,
                                 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs,
                                 sizeof(pairs)), ==, VIRTIO_NET_OK);
    g_assert_cmphex(take_indication(b), ==, DLPI_NOTE_CAPAB_RENEG);
    g_assert_false(function_flag(&lab, "polled"));
    enable(b, &poll, true, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* old handle */
    /* virtio's driver has its channel again */
    g_assert_true(function_flag(&lab, "direct"));
    query(b, &r);
    poll = find_capability(&r, DLPI_CAPAB_POLL);
    direct = find_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_cmpint(poll.n, ==, 2);
    g_assert_cmpint(direct.n, ==, 4);
    end(&lab);
}

/* Any bytes, any size; the answer is an error, and the card goes on. */
static void test_hostile_messages(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20261123);
    uint8_t data[NIC_DLPI_REQUEST_SIZE];
    Lab lab;
    Mailbox *b = &lab.box;
    Reply r;

    start(&lab, "");
    start_driver(&lab, 0);
    request(b, data, 0, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);
    memset(data, 0, sizeof(data));
    for (unsigned size = NIC_DLPI_REQUEST_SIZE + 1; size > 4; size <<= 1) {
        put(b, NIC_DLPI_REQUEST, size);
        read_message(b, NIC_DLPI_REPLY, NIC_DLPI_REPLY_DATA, &r);
        g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);
    }
    for (unsigned i = 0; i < 300; i++) {
        unsigned size = g_rand_int_range(random, 0, 80);

        for (unsigned j = 0; j < size; j++) {
            data[j] = j % 4 ? 0 : g_rand_int(random) >> 24;
        }
        if (size > 4) {
            data[1] = g_rand_int_range(random, 0, 2);
        }
        use_window(b, g_rand_int_range(random, 0, 8));
        request(b, data, size, &r);
    }
    for (unsigned i = 0; i < 2000; i++) {
        put(b, 4 * g_rand_int_range(random, 0, NIC_DLPI_WINDOW / 4),
            g_rand_int(random));
    }
    use_window(b, 0);
    g_assert_cmphex(get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    start_driver(&lab, 0);
    qnic_send_number(&lab.nic, 1, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 1);
    end(&lab);
}

/* Accesses of other sizes are to data only. */
static void test_access_sizes(void)
{
    Lab lab;
    Mailbox *b = &lab.box;
    QPCIDevice *pdev;

    start(&lab, "");
    pdev = lab.nic.dev->pdev;
    g_assert_cmphex(qpci_io_readw(pdev, b->bar, NIC_DLPI_ID), ==, 0);
    qpci_io_writew(pdev, b->bar, NIC_DLPI_CONTROL, 3);
    g_assert_cmphex(get(b, NIC_DLPI_CONTROL), ==, 0);
    qpci_io_writeb(pdev, b->bar, NIC_DLPI_REQUEST_DATA, 0x11);
    qpci_io_writew(pdev, b->bar, NIC_DLPI_REQUEST_DATA + 2, 0x3322);
    g_assert_cmphex(get(b, NIC_DLPI_REQUEST_DATA), ==, 0x33220011);
    qpci_io_writeq(pdev, b->bar, NIC_DLPI_REQUEST_DATA + 1016,
                   0x1122334455667788);
    g_assert_cmphex(qpci_io_readq(pdev, b->bar,
                                  NIC_DLPI_REQUEST_DATA + 1016), ==,
                    0x1122334455667788);
    qpci_io_writel(pdev, b->bar, NIC_DLPI_REPLY_DATA, 0x12345678);
    g_assert_cmphex(get(b, NIC_DLPI_REPLY_DATA), ==, 0);
    end(&lab);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-dlpi/registers", test_registers);
    qtest_add_func("nic-dlpi/info-attach-bind", test_info_attach_bind);
    qtest_add_func("nic-dlpi/no-function", test_no_function);
    qtest_add_func("nic-dlpi/capabilities", test_capabilities);
    qtest_add_func("nic-dlpi/virtio-is-carried", test_virtio_is_carried);
    qtest_add_func("nic-dlpi/direct-doorbells", test_direct_doorbells);
    qtest_add_func("nic-dlpi/poll", test_poll);
    qtest_add_func("nic-dlpi/link-is-notified", test_link_is_notified);
    qtest_add_func("nic-dlpi/renegotiation", test_renegotiation);
    qtest_add_func("nic-dlpi/hostile-messages", test_hostile_messages);
    qtest_add_func("nic-dlpi/access-sizes", test_access_sizes);
    return g_test_run();
}
