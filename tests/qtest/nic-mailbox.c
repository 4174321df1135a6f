/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-mailbox.h"
#include "qemu/bswap.h"
#include "target-models/net/dlpi.h"

uint32_t mailbox_get(Mailbox *b, unsigned at)
{
    return qpci_io_readl(b->nic->dev->pdev, b->bar, b->window + at);
}

void mailbox_put(Mailbox *b, unsigned at, uint32_t value)
{
    qpci_io_writel(b->nic->dev->pdev, b->bar, b->window + at, value);
}

void mailbox_use_window(Mailbox *b, unsigned function)
{
    b->window = function * NIC_DLPI_WINDOW;
}

static void open_mailbox(DlpiLab *lab)
{
    lab->box.nic = &lab->nic;
    lab->box.bar = qpci_iomap(lab->nic.dev->pdev, NIC_DLPI_BAR, NULL);
    mailbox_use_window(&lab->box, 0);
}

void dlpi_lab_start(DlpiLab *lab, const char *properties)
{
    lab->m = nic_machine_start(2, properties, "");
    qnic_find(&lab->nic, lab->m, 0);
    open_mailbox(lab);
}

void dlpi_lab_start_driver(DlpiLab *lab, uint64_t features)
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

void dlpi_lab_end(DlpiLab *lab)
{
    qnic_leave(&lab->nic);
    nic_machine_end(lab->m);
}

/* --- messages ---------------------------------------------------------- */

void mailbox_read(Mailbox *b, unsigned length_at, unsigned data_at,
                  Reply *r)
{
    r->size = mailbox_get(b, length_at);
    g_assert_cmpint(r->size, <=, sizeof(r->data));
    for (unsigned i = 0; i < r->size; i += 4) {
        stl_le_p(r->data + i, mailbox_get(b, data_at + i));
    }
    r->primitive = ldl_le_p(r->data);
}

uint32_t reply_word(const Reply *r, unsigned i)
{
    return ldl_le_p(r->data + 4 * i);
}

void mailbox_request(Mailbox *b, const uint8_t *data, unsigned size,
                     Reply *r)
{
    for (unsigned i = 0; i < MIN(size, NIC_DLPI_REQUEST_SIZE); i++) {
        qpci_io_writeb(b->nic->dev->pdev, b->bar,
                       b->window + NIC_DLPI_REQUEST_DATA + i, data[i]);
    }
    mailbox_put(b, NIC_DLPI_REQUEST, size);
    g_assert_cmpint(mailbox_get(b, NIC_DLPI_STATUS) & NIC_DLPI_HAS_REPLY, ==,
                    NIC_DLPI_HAS_REPLY);
    mailbox_read(b, NIC_DLPI_REPLY, NIC_DLPI_REPLY_DATA, r);
    mailbox_put(b, NIC_DLPI_REPLY, 0);
    g_assert_cmpint(mailbox_get(b, NIC_DLPI_REPLY), ==, 0);
}

void mailbox_ask(Mailbox *b, Reply *r, uint32_t primitive, unsigned n, ...)
{
    uint8_t data[64];
    va_list ap;

    stl_le_p(data, primitive);
    va_start(ap, n);
    for (unsigned i = 0; i < n; i++) {
        stl_le_p(data + 4 + 4 * i, va_arg(ap, unsigned));
    }
    va_end(ap);
    mailbox_request(b, data, 4 + 4 * n, r);
}

void mailbox_expect_error(Mailbox *b, uint32_t code, uint32_t primitive,
                          unsigned n, uint32_t argument)
{
    Reply r;

    mailbox_ask(b, &r, primitive, n, argument);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);
    g_assert_cmphex(reply_word(&r, 1), ==, primitive);
    g_assert_cmphex(reply_word(&r, 2), ==, code);
}

void mailbox_attach(Mailbox *b, unsigned ppa)
{
    Reply r;

    mailbox_ask(b, &r, DLPI_ATTACH_REQ, 1, ppa);
    g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
}

void mailbox_bind(Mailbox *b, uint16_t sap)
{
    Reply r;

    mailbox_ask(b, &r, DLPI_BIND_REQ, 4, (unsigned)sap, 0u, 2u, 0u);
    g_assert_cmphex(r.primitive, ==, DLPI_BIND_ACK);
}

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

Capability reply_capability(const Reply *r, uint32_t type)
{
    Capability c = { .found = false };
    unsigned at = reply_word(r, 1), end = at + reply_word(r, 2);

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

void mailbox_query(Mailbox *b, Reply *r)
{
    mailbox_ask(b, r, DLPI_CAPABILITY_REQ, 2, 0u, 0u);
    g_assert_cmphex(r->primitive, ==, DLPI_CAPABILITY_ACK);
}

void mailbox_enable(Mailbox *b, const Capability *c, bool on, bool spoil,
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
    mailbox_request(b, data, 12 + c->size, r);
}

Capability mailbox_enable_type(Mailbox *b, uint32_t type, Reply *r)
{
    Capability c;

    mailbox_query(b, r);
    c = reply_capability(r, type);
    g_assert_true(c.found);
    mailbox_enable(b, &c, true, false, r);
    c = reply_capability(r, type);
    g_assert_true(c.found);
    g_assert_cmphex(c.flags & DLPI_ENABLE, ==, DLPI_ENABLE);
    return c;
}

bool dlpi_lab_flag(DlpiLab *lab, const char *member)
{
    QDict *card = nic_info(lab->m);
    QDict *f = qobject_to(QDict, qlist_peek(qdict_get_qlist(card,
                                                            "functions")));
    bool is_set = qdict_get_bool(f, member);

    qobject_unref(card);
    return is_set;
}
