/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon under a driver that means harm: whatever stands in its rings
 * and buffers, the emulator lives, and a driver that starts anew is served.
 * SUNDER_TEST_LONG multiplies the rounds by ten.
 */
#include "qemu/osdep.h"
#include "balloon-driver.h"

#define ROUNDS 1500

static uint32_t any(uint32_t n)
{
    return g_random_int_range(0, n);
}

/* Page numbers of all kinds, RAM in use of the driver left out. */
static uint32_t any_pfn(void)
{
    switch (any(6)) {
    case 0:
        return g_random_int();
    case 1:
        return 0xfec00 + any(0x1400);           /* devices and firmware */
    case 2:
        return BALLOON_MEMORY / 4096 - 4 + any(8);
    default:
        return DRIVER_END / 4096 +
               any((BALLOON_MEMORY - DRIVER_END) / 4096);
    }
}

static void send_pages(QBalloon *b)
{
    uint32_t pfns[256];
    unsigned n = 1 + any(256), queue = any(2);
    uint32_t first = any_pfn();
    bool run = any(2);

    for (unsigned i = 0; i < n; i++) {
        pfns[i] = run ? first + i : any_pfn();
    }
    qballoon_post_pfns(b, queue, pfns, n);
}

static QBuffer any_buffer(void)
{
    static const uint32_t lengths[] = { 0, 1, 3, 4, 5, 4096, 1 << 20,
                                        0x7fffffff, 0xffffffff };
    QBuffer buffer = {
        .address = any(4) ? DRIVER_END + any(100 * MiB)
                          : (uint64_t)g_random_int() << any(16),
        .length = lengths[any(G_N_ELEMENTS(lengths))],
        .device_writes = any(2),
    };

    return buffer;
}

static void send_buffers(QBalloon *b)
{
    QBuffer buffers[8];
    unsigned n = 1 + any(8);

    for (unsigned i = 0; i < n; i++) {
        buffers[i] = any_buffer();
    }
    qballoon_post(b, any(Q_COUNT), buffers, n);
}

static void write_configuration(QBalloon *b)
{
    qballoon_set_config(b, any(20), g_random_int());
}

/* The common configuration: features, queues, status. */
static void write_common(QBalloon *b)
{
    qpci_io_writel(b->dev->pdev, b->dev->bar,
                   b->dev->common_cfg_offset + any(15) * 4, g_random_int());
}

static void damage_rings(QBalloon *b)
{
    for (unsigned i = 0; i < 20; i++) {
        qtest_writel(b->qts, MiB + any(0x80000 / 4) * 4, g_random_int());
    }
}

static void command(QBalloon *b)
{
    static const char *const names[] = {
        "sunder-balloon-sweep", "query-sunder-balloon",
        "query-sunder-balloon-map", "query-balloon", "stop", "cont",
    };
    const char *name = names[any(G_N_ELEMENTS(names))];

    qobject_unref(any(3)
                  ? qtest_qmp(b->qts, "{ 'execute': %s }", name)
                  : qtest_qmp(b->qts, "{ 'execute': 'balloon',"
                              "  'arguments': { 'value': %u } }",
                              1 + any(BALLOON_MEMORY)));
}

static void restart(QBalloon *b)
{
    qobject_unref(qtest_qmp(b->qts, "{ 'execute': 'cont' }"));
    b->features = F_ALL;
    qballoon_reset(b);
}

static void do_something(QBalloon *b)
{
    switch (any(12)) {
    case 0:
        write_configuration(b);
        break;
    case 1:
        write_common(b);
        break;
    case 2:
        damage_rings(b);
        break;
    case 3:
        restart(b);
        break;
    case 4:
    case 5:
        command(b);
        break;
    case 6:
    case 7:
        send_buffers(b);
        break;
    default:
        send_pages(b);
    }
}

static void expect_service(QBalloon *b)
{
    uint32_t pfn = BALLOON_MEMORY / 4096 - 1;

    restart(b);
    qballoon_set_target(b, BALLOON_MEMORY);
    qballoon_send_pfns(b, Q_INFLATE, &pfn, 1);
    g_assert_cmpint(qballoon_number(b, "ballooned"), ==, 4096);
}

static void play(uint32_t seed, const char *options)
{
    unsigned rounds = g_getenv("SUNDER_TEST_LONG") ? 10 * ROUNDS : ROUNDS;
    QBalloon b;

    g_test_message("seed %u", seed);
    g_random_set_seed(seed);
    qballoon_machine(&b, ",free-page-reporting=on,sweep-hold=20", options);
    for (unsigned i = 0; i < rounds; i++) {
        do_something(&b);
    }
    expect_service(&b);
    qballoon_end(&b);
}

static void test_nonsense(void)
{
    play(g_test_rand_int(), "");
}

static void test_nonsense_in_shared_memory(void)
{
    play(g_test_rand_int(),
         "-object memory-backend-memfd,id=m,size=128M,share=on "
         "-machine memory-backend=m");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("balloon-nonsense/anonymous", test_nonsense);
    qtest_add_func("balloon-nonsense/shared", test_nonsense_in_shared_memory);
    return g_test_run();
}
