/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: what its queues and its configuration do. */
#include "qemu/osdep.h"
#include "balloon-driver.h"
#include "start-fails.h"

#define AREA (32 * MiB)     /* what the tests put into the balloon */

static uint8_t byte_at(QBalloon *b, uint64_t address)
{
    return qtest_readb(b->qts, address);
}

static void send_one(QBalloon *b, unsigned queue, uint64_t address)
{
    uint32_t pfn = address / 4096;

    qballoon_send_pfns(b, queue, &pfn, 1);
}

static uint64_t ballooned(QBalloon *b)
{
    return qballoon_number(b, "ballooned");
}

/* A page that the host has got back reads as zeroes. */
static void test_inflate_gives_memory_back(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, 2 * SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA, SUPER_PAGE);
    for (uint64_t at = 0; at < SUPER_PAGE; at += 4096) {
        g_assert_cmphex(byte_at(&b, AREA + at), ==, 0);
    }
    g_assert_cmphex(byte_at(&b, AREA - 1), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE), ==, 0x5a);
    g_assert_cmpint(ballooned(&b), ==, SUPER_PAGE);
    qballoon_end(&b);
}

/* Half a super page is held until the other half comes. */
static void test_super_page_goes_back_whole(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA + SUPER_PAGE / 2, SUPER_PAGE / 2);
    qballoon_send(&b, Q_INFLATE, AREA, SUPER_PAGE / 2);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE - 1), ==, 0);
    qballoon_end(&b);
}

static void test_single_page_goes_back_after_a_while(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    send_one(&b, Q_INFLATE, AREA + 4096);
    qballoon_wait_for_byte(&b, AREA + 4096, 0);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0x5a);
    g_assert_cmphex(byte_at(&b, AREA + 8192), ==, 0x5a);
    qballoon_end(&b);
}

static void test_reached_target_gives_single_pages_back(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_set_target(&b, BALLOON_MEMORY - 4096);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 1);
    send_one(&b, Q_INFLATE, AREA);
    qballoon_set_config(&b, CONFIG_ACTUAL, 1);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0);
    qballoon_end(&b);
}

/* What the driver has taken back is its own again. */
static void test_deflated_page_is_kept(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA + 4096, SUPER_PAGE - 4096);
    send_one(&b, Q_DEFLATE, AREA + 8192);
    qtest_writeb(b.qts, AREA + 8192, 0xa5);
    send_one(&b, Q_INFLATE, AREA);
    qballoon_wait_for_byte(&b, AREA, 0);
    g_assert_cmphex(byte_at(&b, AREA + 8192), ==, 0xa5);
    g_assert_cmpint(ballooned(&b), ==, SUPER_PAGE - 4096);
    qballoon_end(&b);
}

/*
 * A driver that need not tell may use a page again before it says so: what was
 * answered is never touched later.
 */
static void test_without_must_tell_host_nothing_is_held(void)
{
    QBalloon b;

    qballoon_start(&b, qtest_init(BALLOON_MACHINE BALLOON_DEVICE
                                  ",sweep=off"), 0);
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA + SUPER_PAGE / 2, SUPER_PAGE / 2);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE / 2), ==, 0);
    qballoon_fill(&b, AREA + SUPER_PAGE / 2, SUPER_PAGE / 2, 0xa5);
    qballoon_send(&b, Q_INFLATE, AREA, SUPER_PAGE / 2);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE / 2), ==, 0xa5);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE - 1), ==, 0xa5);
    qballoon_end(&b);
}

static void test_page_named_twice_counts_once(void)
{
    uint32_t pfns[] = { AREA / 4096, AREA / 4096, AREA / 4096 };
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_send_pfns(&b, Q_INFLATE, pfns, G_N_ELEMENTS(pfns));
    qballoon_send_pfns(&b, Q_INFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmpint(ballooned(&b), ==, 4096);
    qballoon_send_pfns(&b, Q_DEFLATE, pfns, G_N_ELEMENTS(pfns));
    qballoon_send_pfns(&b, Q_DEFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmpint(ballooned(&b), ==, 0);
    qballoon_end(&b);
}

/* ROM below 4 GiB, the local APIC, behind RAM, the last page there is. */
static void test_pages_that_are_no_ram(void)
{
    static const uint32_t pfns[] = {
        0xfffff, 0xfffc0, 0xfee00, 0xfec00, BALLOON_MEMORY / 4096,
        0x100000, 0x80000000, 0xffffffff,
    };
    QBalloon b;
    uint32_t bios;

    qballoon_machine(&b, ",sweep=off", "");
    bios = qtest_readl(b.qts, 0xfffffff0);
    qballoon_send_pfns(&b, Q_INFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmpint(ballooned(&b), ==, 0);
    qballoon_send_pfns(&b, Q_DEFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmphex(qtest_readl(b.qts, 0xfffffff0), ==, bios);
    qballoon_end(&b);
}

/* RAM and what is no RAM in one run of page numbers. */
static void test_run_over_the_end_of_ram(void)
{
    uint32_t pfns[8];
    QBalloon b;

    for (unsigned i = 0; i < G_N_ELEMENTS(pfns); i++) {
        pfns[i] = BALLOON_MEMORY / 4096 - 4 + i;
    }
    qballoon_machine(&b, ",sweep=off", "");
    qballoon_send_pfns(&b, Q_INFLATE, pfns, G_N_ELEMENTS(pfns));
    g_assert_cmpint(ballooned(&b), ==, 4 * 4096);
    qballoon_end(&b);
}

/* Not a whole page number, and none that the device may read. */
static void test_odd_buffers(void)
{
    QBuffer odd = { DRIVER_BUFFER, 7 };
    QBuffer short_one = { DRIVER_BUFFER, 3 };
    QBuffer written = { DRIVER_BUFFER, 4096, true };
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qtest_writel(b.qts, DRIVER_BUFFER, AREA / 4096);
    qballoon_post(&b, Q_INFLATE, &short_one, 1);
    qballoon_wait(&b, Q_INFLATE);
    qballoon_post(&b, Q_INFLATE, &written, 1);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(ballooned(&b), ==, 0);
    qballoon_post(&b, Q_INFLATE, &odd, 1);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(ballooned(&b), ==, 4096);
    qballoon_end(&b);
}

/* A page number may begin in one buffer and end in the next. */
static void test_page_number_in_two_buffers(void)
{
    QBuffer parts[] = { { DRIVER_BUFFER, 6 }, { DRIVER_BUFFER + 6, 2 } };
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qtest_writel(b.qts, DRIVER_BUFFER, AREA / 4096);
    qtest_writel(b.qts, DRIVER_BUFFER + 4, AREA / 4096 + 77);
    qballoon_post(&b, Q_INFLATE, parts, 2);
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(ballooned(&b), ==, 2 * 4096);
    qballoon_end(&b);
}

/*
 * 30 times the same 16 MiB of page numbers, all of the same few pages: what
 * is longer than the machine's memory is ignored, and the device lives.
 */
static void test_huge_request(void)
{
    QBuffer buffers[30];
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    for (unsigned i = 0; i < G_N_ELEMENTS(buffers); i++) {
        buffers[i] = (QBuffer){ AREA, 16 * MiB };
    }
    qballoon_post(&b, Q_INFLATE, buffers, G_N_ELEMENTS(buffers));
    qballoon_wait(&b, Q_INFLATE);
    g_assert_cmpint(ballooned(&b), ==, 4096);       /* page 0 */
    qballoon_end(&b);
}

/* virtio has no buffers of length 0: the device asks for a reset. */
static void test_zero_length_buffer(void)
{
    QBuffer nothing = { DRIVER_BUFFER, 0 };
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_post(&b, Q_INFLATE, &nothing, 1);
    g_assert_cmphex(b.dev->vdev.bus->get_status(&b.dev->vdev) & 0x40, ==,
                    0x40);
    qballoon_reset(&b);
    send_one(&b, Q_INFLATE, AREA);
    g_assert_cmpint(ballooned(&b), ==, 4096);
    qballoon_end(&b);
}

static void test_reset_empties_the_balloon(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    send_one(&b, Q_INFLATE, AREA);
    qballoon_reset(&b);
    g_assert_cmpint(ballooned(&b), ==, 0);
    g_usleep(100000);
    g_assert_cmphex(byte_at(&b, AREA + 4096), ==, 0x5a);
    qballoon_end(&b);
}

static void test_configuration(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    qballoon_set_target(&b, 100 * MiB);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 28 * 256);
    qballoon_set_config(&b, CONFIG_NUM_PAGES, 5);       /* read-only */
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 28 * 256);
    qballoon_set_config(&b, CONFIG_ACTUAL, 256);
    g_assert_cmpint(qballoon_config(&b, CONFIG_ACTUAL), ==, 256);
    g_assert_cmpint(qballoon_number(&b, "actual"), ==, 127 * MiB);
    g_assert_cmpint(qballoon_number(&b, "target"), ==, 100 * MiB);
    qballoon_set_config(&b, CONFIG_POISON, 0xaaaaaaaa);
    g_assert_cmphex(qballoon_config(&b, CONFIG_POISON), ==, 0xaaaaaaaa);
    qballoon_set_target(&b, 4096 * MiB);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 0);
    qballoon_end(&b);
}

static void test_actual_is_told(void)
{
    QDict *event, *info;
    QBalloon b;

    qballoon_machine(&b, "", "");
    qballoon_set_config(&b, CONFIG_ACTUAL, 256);
    event = qtest_qmp_eventwait_ref(b.qts, "BALLOON_CHANGE");
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(event, "data"), "actual"),
                    ==, 127 * MiB);
    qobject_unref(event);
    info = qtest_qmp_assert_success_ref(b.qts,
                                        "{ 'execute': 'query-balloon' }");
    g_assert_cmpint(qdict_get_int(info, "actual"), ==, 127 * MiB);
    qobject_unref(info);
    qballoon_end(&b);
}

/* A driver that claims to have more than there is. */
static void test_actual_beyond_memory(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    qballoon_set_config(&b, CONFIG_ACTUAL, UINT32_MAX);
    g_assert_cmpint(qballoon_number(&b, "actual"), ==, 0);
    qballoon_end(&b);
}

static void test_random_configuration_writes(void)
{
    QBalloon b;

    qballoon_machine(&b, "", "");
    for (unsigned i = 0; i < 2000; i++) {
        unsigned offset = g_test_rand_int_range(0, 20);
        uint64_t at = b.dev->device_cfg_offset + offset;

        switch (i % 3) {
        case 0:
            qpci_io_writeb(b.dev->pdev, b.dev->bar, at, g_test_rand_int());
            break;
        case 1:
            qpci_io_writew(b.dev->pdev, b.dev->bar, at, g_test_rand_int());
            break;
        default:
            qpci_io_writel(b.dev->pdev, b.dev->bar, at, g_test_rand_int());
        }
    }
    qballoon_set_target(&b, 100 * MiB);
    g_assert_cmpint(qballoon_config(&b, CONFIG_NUM_PAGES), ==, 28 * 256);
    qballoon_end(&b);
}

/* Free memory that the driver reports, two ranges in one report. */
static void test_report_gives_memory_back(void)
{
    QBuffer ranges[] = {
        { AREA, SUPER_PAGE, true },
        { AREA + 3 * SUPER_PAGE, SUPER_PAGE, true },
    };
    QBalloon b;

    qballoon_machine(&b, ",free-page-reporting=on,sweep=off", "");
    qballoon_fill(&b, AREA, 4 * SUPER_PAGE, 0x5a);
    qballoon_post(&b, Q_REPORT, ranges, 2);
    qballoon_wait(&b, Q_REPORT);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + 3 * SUPER_PAGE), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE), ==, 0x5a);
    g_assert_cmpint(ballooned(&b), ==, 0);
    qballoon_end(&b);
}

/* A guest that fills free pages wants to find them filled. */
static void test_poisoned_report_keeps_memory(void)
{
    QBuffer range = { AREA, SUPER_PAGE, true };
    QBalloon b;

    qballoon_machine(&b, ",free-page-reporting=on,sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0xaa);
    qballoon_set_config(&b, CONFIG_POISON, 0xaaaaaaaa);
    qballoon_post(&b, Q_REPORT, &range, 1);
    qballoon_wait(&b, Q_REPORT);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0xaa);
    qballoon_end(&b);
}

static void test_report_rounds_inwards(void)
{
    QBuffer range = { AREA + 100, 3 * 4096, true };
    QBalloon b;

    qballoon_machine(&b, ",free-page-reporting=on,sweep=off", "");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_post(&b, Q_REPORT, &range, 1);
    qballoon_wait(&b, Q_REPORT);
    g_assert_cmphex(byte_at(&b, AREA + 4095), ==, 0x5a);
    g_assert_cmphex(byte_at(&b, AREA + 4096), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + 3 * 4096 - 1), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + 3 * 4096), ==, 0x5a);
    qballoon_end(&b);
}

static void test_shared_memory(void)
{
    QBalloon b;

    qballoon_machine(&b, ",sweep=off",
                     "-object memory-backend-memfd,id=m,size=128M,share=on "
                     "-machine memory-backend=m");
    qballoon_fill(&b, AREA, 2 * SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA, SUPER_PAGE);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE), ==, 0x5a);
    qballoon_end(&b);
}

/* Others may have the file mapped: it is left as it is. */
static void test_private_file_is_left_alone(void)
{
    QBalloon b;

    qballoon_private_file_machine(&b, ",sweep=off");
    qballoon_fill(&b, AREA, SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA, SUPER_PAGE);
    g_assert_cmpint(ballooned(&b), ==, SUPER_PAGE);
    g_assert_cmphex(byte_at(&b, AREA), ==, 0x5a);
    qballoon_end(&b);
}

/* Requests of Linux are half a huge page long: it fills over two. */
static void test_huge_page_goes_back_whole(void)
{
    QBalloon b;

    if (!qballoon_has_huge_pages()) {
        return;
    }
    qballoon_machine(&b, ",sweep=off",
                     QBALLOON_HUGE);
    qballoon_fill(&b, AREA, 2 * SUPER_PAGE, 0x5a);
    qballoon_send(&b, Q_INFLATE, AREA + 4096, 2 * SUPER_PAGE - 4096);
    g_usleep(100000);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE), ==, 0);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE - 1), ==, 0x5a);
    send_one(&b, Q_INFLATE, AREA);
    g_assert_cmphex(byte_at(&b, AREA + SUPER_PAGE - 1), ==, 0);
    qballoon_end(&b);
}

static void test_one_balloon_only(void)
{
    expect_start_fails("-device sunder-balloon,id=one "
                       "-device sunder-balloon,id=two",
                       "two: this machine has a balloon already");
    expect_start_fails("-device virtio-balloon-pci "
                       "-device sunder-balloon,id=two",
                       "two: this machine has a balloon already");
}

static void test_bad_properties(void)
{
    expect_start_fails("-device sunder-balloon,id=b,sweep=sometimes",
                       "sometimes");
    expect_start_fails("-device sunder-balloon,id=b,sweep-guard=none",
                       "b: sweep-guard 'none' does not exist; there are: "
                       "auto, write-protect, move, pause");
    expect_start_fails("-device sunder-balloon,id=b,sweep-hold=0",
                       "b: sweep-hold=0: expected 1 to 60000 milliseconds");
    expect_start_fails("-device sunder-balloon,id=b,sweep=periodic,"
                       "sweep-period=0",
                       "b: sweep=periodic needs sweep-period");
}

static void test_unplugged_balloon_is_gone(void)
{
    g_autofree char *said = NULL;
    QTestState *qts = qtest_init(
        "-machine q35 -m 128 -nodefaults "
        "-device pcie-root-port,id=rp,chassis=1,addr=3");

    qtest_qmp_device_add(qts, "sunder-balloon", "b1", "{ 'bus': 'rp' }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-sunder-balloon' }");
    qtest_qmp_device_del_send(qts, "b1");
    qtest_system_reset_nowait(qts);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    said = qmp_error(qts, "{ 'execute': 'query-sunder-balloon' }");
    g_assert_cmpstr(said, ==, "this machine has no sunder-balloon; start it "
                    "with -device sunder-balloon");
    qtest_qmp_device_add(qts, "sunder-balloon", "b2", "{ 'bus': 'rp' }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-sunder-balloon' }");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon/inflate-gives-memory-back",
                   test_inflate_gives_memory_back);
    qtest_add_func("balloon/super-page-goes-back-whole",
                   test_super_page_goes_back_whole);
    qtest_add_func("balloon/single-page-goes-back-after-a-while",
                   test_single_page_goes_back_after_a_while);
    qtest_add_func("balloon/reached-target-gives-single-pages-back",
                   test_reached_target_gives_single_pages_back);
    qtest_add_func("balloon/deflated-page-is-kept",
                   test_deflated_page_is_kept);
    qtest_add_func("balloon/without-must-tell-host-nothing-is-held",
                   test_without_must_tell_host_nothing_is_held);
    qtest_add_func("balloon/page-named-twice-counts-once",
                   test_page_named_twice_counts_once);
    qtest_add_func("balloon/pages-that-are-no-ram",
                   test_pages_that_are_no_ram);
    qtest_add_func("balloon/run-over-the-end-of-ram",
                   test_run_over_the_end_of_ram);
    qtest_add_func("balloon/odd-buffers", test_odd_buffers);
    qtest_add_func("balloon/page-number-in-two-buffers",
                   test_page_number_in_two_buffers);
    qtest_add_func("balloon/huge-request", test_huge_request);
    qtest_add_func("balloon/zero-length-buffer", test_zero_length_buffer);
    qtest_add_func("balloon/reset-empties-the-balloon",
                   test_reset_empties_the_balloon);
    qtest_add_func("balloon/configuration", test_configuration);
    qtest_add_func("balloon/actual-is-told", test_actual_is_told);
    qtest_add_func("balloon/actual-beyond-memory",
                   test_actual_beyond_memory);
    qtest_add_func("balloon/random-configuration-writes",
                   test_random_configuration_writes);
    qtest_add_func("balloon/report-gives-memory-back",
                   test_report_gives_memory_back);
    qtest_add_func("balloon/poisoned-report-keeps-memory",
                   test_poisoned_report_keeps_memory);
    qtest_add_func("balloon/report-rounds-inwards",
                   test_report_rounds_inwards);
    qtest_add_func("balloon/shared-memory", test_shared_memory);
    qtest_add_func("balloon/private-file-is-left-alone",
                   test_private_file_is_left_alone);
    qtest_add_func("balloon/huge-page-goes-back-whole",
                   test_huge_page_goes_back_whole);
    qtest_add_func("balloon/one-balloon-only", test_one_balloon_only);
    qtest_add_func("balloon/bad-properties", test_bad_properties);
    qtest_add_func("balloon/unplugged-balloon-is-gone",
                   test_unplugged_balloon_is_gone);
    return g_test_run();
}
