/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: messages to the DLPI mailbox
 */
#include "qemu/osdep.h"
#include "nic-mailbox.h"
#include "qemu/bswap.h"
#include "target-models/net/dlpi.h"

#define NO_FUNCTION 7           /* of a card that has fewer */

static void test_registers(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;

    dlpi_lab_start(&lab, "");
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_VERSION), ==,
                    NIC_DLPI_VERSION_VALUE);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_WINDOWS), ==, 2);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_STATUS), ==, 0);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_VECTOR), ==, NIC_DLPI_NO_VECTOR);
    mailbox_put(b, NIC_DLPI_VECTOR, 1);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_VECTOR), ==, 1);
    mailbox_put(b, NIC_DLPI_VECTOR, 4711);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_VECTOR), ==, NIC_DLPI_NO_VECTOR);
    mailbox_put(b, NIC_DLPI_CONTROL, UINT32_MAX);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_CONTROL), ==, 3);
    mailbox_put(b, NIC_DLPI_ID, 0);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    mailbox_use_window(b, 1);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_CONTROL), ==, 0);
    dlpi_lab_end(&lab);
}

static void test_info_attach_bind(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    Reply r;

    dlpi_lab_start(&lab, ",mac=52:54:00:00:01:00");
    for (unsigned function = 0; function < 2; function++) {
        mailbox_use_window(b, function);
        mailbox_ask(b, &r, DLPI_INFO_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_INFO_ACK);
        g_assert_cmpint(reply_word(&r, 6), ==, DLPI_UNATTACHED);
        mailbox_expect_error(b, DLPI_BADPPA, DLPI_ATTACH_REQ, 1, 1 - function);
        mailbox_expect_error(b, DLPI_BADPPA, DLPI_ATTACH_REQ, 1, UINT32_MAX);
        mailbox_expect_error(b, DLPI_OUTSTATE, DLPI_DETACH_REQ, 0, 0);
        mailbox_attach(b, function);
        mailbox_expect_error(b, DLPI_OUTSTATE, DLPI_ATTACH_REQ, 1, function);
        mailbox_ask(b, &r, DLPI_PHYS_ADDR_REQ, 1, 2u);
        g_assert_cmphex(r.primitive, ==, DLPI_PHYS_ADDR_ACK);
        g_assert_cmphex(ldl_be_p(r.data + reply_word(&r, 2)), ==, 0x52540000);
        g_assert_cmphex(lduw_be_p(r.data + reply_word(&r, 2) + 4), ==,
                        0x0100 + function);
        mailbox_bind(b, 0x0800);
        mailbox_ask(b, &r, DLPI_INFO_REQ, 0);
        g_assert_cmpint(reply_word(&r, 6), ==, DLPI_IDLE);
        g_assert_cmpint(reply_word(&r, 1), ==, 1500);
        mailbox_ask(b, &r, DLPI_UNBIND_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
        mailbox_ask(b, &r, DLPI_DETACH_REQ, 0);
        g_assert_cmphex(r.primitive, ==, DLPI_OK_ACK);
    }
    dlpi_lab_end(&lab);
}

/* A window whose function there is not. */
static void test_no_function(void)
{
    DlpiLab lab;
    Reply r;

    dlpi_lab_start(&lab, "");
    mailbox_use_window(&lab.box, NO_FUNCTION);
    mailbox_ask(&lab.box, &r, DLPI_INFO_REQ, 0);
    g_assert_cmphex(r.primitive, ==, DLPI_INFO_ACK);
    mailbox_expect_error(&lab.box, DLPI_BADPPA, DLPI_ATTACH_REQ, 1,
                         NO_FUNCTION);
    dlpi_lab_end(&lab);
}

static void test_capabilities(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    Capability poll, direct;
    Reply r;

    dlpi_lab_start(&lab, "");
    mailbox_attach(b, 0);
    mailbox_query(b, &r);
    poll = reply_capability(&r, DLPI_CAPAB_POLL);
    direct = reply_capability(&r, DLPI_CAPAB_DIRECT);
    g_assert_true(poll.found && direct.found);
    g_assert_cmpint(poll.bar, ==, NIC_DLPI_BAR);
    g_assert_cmphex(poll.offset, ==, NIC_DLPI_POLL);
    g_assert_cmpint(poll.n, ==, 1);
    g_assert_cmphex(direct.offset, ==, NIC_DLPI_DIRECT);
    g_assert_cmpint(direct.n, ==, 2);
    g_assert_cmphex(direct.flags & DLPI_ENABLE, ==, 0);
    mailbox_enable(b, &direct, true, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* not bound */
    mailbox_bind(b, 0);
    mailbox_query(b, &r);
    direct = reply_capability(&r, DLPI_CAPAB_DIRECT);
    mailbox_enable(b, &direct, true, true, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);   /* wrong handle */
    g_assert_false(dlpi_lab_flag(&lab, "direct"));
    mailbox_enable_type(b, DLPI_CAPAB_DIRECT, &r);
    g_assert_true(dlpi_lab_flag(&lab, "direct"));
    mailbox_query(b, &r);
    direct = reply_capability(&r, DLPI_CAPAB_DIRECT);
    mailbox_enable(b, &direct, false, false, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_CAPABILITY_ACK);
    g_assert_false(dlpi_lab_flag(&lab, "direct"));
    dlpi_lab_end(&lab);
}

/* Any bytes, any size; the answer is an error, and the card goes on. */
static void test_hostile_messages(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20261123);
    uint8_t data[NIC_DLPI_REQUEST_SIZE];
    DlpiLab lab;
    Mailbox *b = &lab.box;
    Reply r;

    dlpi_lab_start(&lab, "");
    dlpi_lab_start_driver(&lab, 0);
    mailbox_request(b, data, 0, &r);
    g_assert_cmphex(r.primitive, ==, DLPI_ERROR_ACK);
    memset(data, 0, sizeof(data));
    for (unsigned size = NIC_DLPI_REQUEST_SIZE + 1; size > 4; size <<= 1) {
        mailbox_put(b, NIC_DLPI_REQUEST, size);
        mailbox_read(b, NIC_DLPI_REPLY, NIC_DLPI_REPLY_DATA, &r);
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
        mailbox_use_window(b, g_rand_int_range(random, 0, 8));
        mailbox_request(b, data, size, &r);
    }
    for (unsigned i = 0; i < 2000; i++) {
        mailbox_put(b, 4 * g_rand_int_range(random, 0, NIC_DLPI_WINDOW / 4),
            g_rand_int(random));
    }
    mailbox_use_window(b, 0);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_ID), ==, NIC_DLPI_ID_VALUE);
    dlpi_lab_start_driver(&lab, 0);
    qnic_send_number(&lab.nic, 1, 1);
    g_assert_cmpint(wire_receive_number(lab.m, 0), ==, 1);
    dlpi_lab_end(&lab);
}

/* Accesses of other sizes are to data only. */
static void test_access_sizes(void)
{
    DlpiLab lab;
    Mailbox *b = &lab.box;
    QPCIDevice *pdev;

    dlpi_lab_start(&lab, "");
    pdev = lab.nic.dev->pdev;
    g_assert_cmphex(qpci_io_readw(pdev, b->bar, NIC_DLPI_ID), ==, 0);
    qpci_io_writew(pdev, b->bar, NIC_DLPI_CONTROL, 3);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_CONTROL), ==, 0);
    qpci_io_writeb(pdev, b->bar, NIC_DLPI_REQUEST_DATA, 0x11);
    qpci_io_writew(pdev, b->bar, NIC_DLPI_REQUEST_DATA + 2, 0x3322);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_REQUEST_DATA), ==, 0x33220011);
    qpci_io_writeq(pdev, b->bar, NIC_DLPI_REQUEST_DATA + 1016,
                   0x1122334455667788);
    g_assert_cmphex(qpci_io_readq(pdev, b->bar,
                                  NIC_DLPI_REQUEST_DATA + 1016), ==,
                    0x1122334455667788);
    qpci_io_writel(pdev, b->bar, NIC_DLPI_REPLY_DATA, 0x12345678);
    g_assert_cmphex(mailbox_get(b, NIC_DLPI_REPLY_DATA), ==, 0);
    dlpi_lab_end(&lab);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-dlpi/registers", test_registers);
    qtest_add_func("nic-dlpi/info-attach-bind", test_info_attach_bind);
    qtest_add_func("nic-dlpi/no-function", test_no_function);
    qtest_add_func("nic-dlpi/capabilities", test_capabilities);
    qtest_add_func("nic-dlpi/hostile-messages", test_hostile_messages);
    qtest_add_func("nic-dlpi/access-sizes", test_access_sizes);
    return g_test_run();
}
