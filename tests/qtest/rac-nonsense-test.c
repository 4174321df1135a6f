/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that writes nonsense into every register of the port and of what
 * is below it, while faults come and go: nothing may crash, and after a reset
 * all is as it was.
 *
 * SUNDER_SEED in the environment picks another run, SUNDER_ACCESSES another
 * length.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define DEFAULT_SEED        "1"
#define DEFAULT_ACCESSES    "1000000"
/* How often something happens that is no access. */
#define ACCESSES_A_COMMAND  1000
#define ACCESSES_A_PROGRAM  200

#define TESTDEV_VENDOR      0x00051b36u /* hw/misc/pci-testdev.c */
#define EDU_FUNCTION        BDF(1, 0, 1)
#define EDU_BAR             (WINDOW + 0x800000)
/* edu's registers but for the factorial, which takes seconds */
#define EDU_FIRST           0x60
#define EDU_LAST            0xa0

typedef struct Fuzzer {
    QTestState *qts;
    GRand *rand;
} Fuzzer;

static uint32_t below(Fuzzer *f, uint32_t limit)
{
    return g_rand_int(f->rand) % limit;
}

/* Edges and single bits are more telling than noise. */
static uint32_t nonsense(Fuzzer *f)
{
    switch (below(f, 4)) {
    case 0:
        return below(f, 2) ? UINT32_MAX : 0;
    case 1:
        return 1u << below(f, 32);
    case 2:
        return ~(1u << below(f, 32));
    default:
        return g_rand_int(f->rand);
    }
}

static void access_config(Fuzzer *f, unsigned bdf, bool write)
{
    /* most registers are in the first 4 of 16 parts */
    unsigned offset = below(f, below(f, 2) ? 0x400 : 0x1000);
    uint32_t value = nonsense(f);

    switch (below(f, 3) + 3 * write) {
    case 0:
        config_readb(f->qts, bdf, offset);
        break;
    case 1:
        config_readw(f->qts, bdf, offset & ~1);
        break;
    case 2:
        config_readl(f->qts, bdf, offset & ~3);
        break;
    case 3:
        config_writeb(f->qts, bdf, offset, value);
        break;
    case 4:
        config_writew(f->qts, bdf, offset & ~1, value);
        break;
    default:
        config_writel(f->qts, bdf, offset & ~3, value);
        break;
    }
}

static void access_memory(Fuzzer *f)
{
    uint64_t address = WINDOW + below(f, WINDOW_SIZE - 8);

    if (below(f, 4) == 0) {
        address = EDU_BAR + EDU_FIRST + below(f, EDU_LAST - EDU_FIRST);
    } else if (below(f, 4) == 0) {
        address = WINDOW + below(f, 0x1000);
    }
    switch (below(f, 6)) {
    case 0:
        qtest_readb(f->qts, address);
        break;
    case 1:
        qtest_readl(f->qts, address);
        break;
    case 2:
        qtest_readq(f->qts, address);
        break;
    case 3:
        qtest_writeb(f->qts, address, nonsense(f));
        break;
    case 4:
        qtest_writel(f->qts, address, nonsense(f));
        break;
    default:
        qtest_writeq(f->qts, address, nonsense(f));
        break;
    }
}

static void access_io(Fuzzer *f)
{
    uint16_t port = IO_WINDOW + below(f, 0x1000 - 4);

    if (below(f, 2)) {
        qtest_inl(f->qts, port);
    } else {
        qtest_outl(f->qts, port, nonsense(f));
    }
}

static void access_something(Fuzzer *f)
{
    unsigned what = below(f, 100);

    if (what < 60) {
        access_config(f, PORT, below(f, 4) != 0);
    } else if (what < 75) {
        access_config(f, BDF(1, 0, below(f, 2)), below(f, 4) != 0);
    } else if (what < 95) {
        access_memory(f);
    } else {
        access_io(f);
    }
}

/* Without this most accesses would soon find nobody. */
static void program(QTestState *qts)
{
    rac_machine_program(qts);
    bridge_program_io(qts, PORT, IO_WINDOW);
    bar_program(qts, DEVICE, 0, WINDOW);
    bar_program(qts, DEVICE, 1, IO_WINDOW);
    bar_program(qts, EDU_FUNCTION, 0, EDU_BAR);
}

/* Some of these are refused in the state that the guest has made: fine. */
static const char *const commands[] = {
    "{ 'execute': 'sunder-rac-label', 'arguments': {"
    "  'resource': 'rac0', 'labelled': true, 'fake': 'last' } }",
    "{ 'execute': 'sunder-rac-label', 'arguments': {"
    "  'resource': 'rac0/nic0', 'labelled': true, 'fake': 'ones' } }",
    "{ 'execute': 'sunder-rac-label', 'arguments': {"
    "  'resource': 'rac0', 'labelled': false } }",
    "{ 'execute': 'sunder-rac-label', 'arguments': {"
    "  'resource': 'rac0/nic1/bar0', 'labelled': false } }",
    "{ 'execute': 'query-sunder-rac' }",
    "{ 'execute': 'query-sunder-faults' }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'a',"
    "  'point': 'rac0/nic0/config', 'outcome': 'unsupported-request',"
    "  'probability': 0.5 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'b',"
    "  'point': 'rac0/nic0/bar0', 'outcome': 'completion-timeout',"
    "  'count': 5 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'c',"
    "  'point': 'rac0/nic0/bar1', 'outcome': 'poisoned', 'every': 3 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'd',"
    "  'point': 'rac0/nic1/dma', 'outcome': 'delay',"
    "  'operation': 'write', 'duration': 1000000 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'e',"
    "  'point': 'rac0/nic1/msi', 'outcome': 'delayed',"
    "  'duration': 1000000 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'f',"
    "  'point': 'rac0/nic1/intx', 'outcome': 'extra', 'value': 3 } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'g',"
    "  'point': 'rac0/link', 'outcome': 'link-down' } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'h',"
    "  'point': 'rac0/link', 'outcome': 'link-flap' } }",
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': 'i',"
    "  'point': 'rac0/link', 'outcome': 'error', 'value': 20 } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'a' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'b' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'c' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'd' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'e' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'f' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'g' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'h' } }",
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': 'i' } }",
};

static void drop_events(QTestState *qts)
{
    event_came(qts, "no such event");
}

static void run_command(Fuzzer *f)
{
    qtest_qmp_send_raw(f->qts, "%s",
                       commands[below(f, G_N_ELEMENTS(commands))]);
    qobject_unref(qtest_qmp_receive(f->qts));
    qtest_clock_step(f->qts, (1 + below(f, 200)) * 1000000);
    drop_events(f->qts);
}

static uint64_t number_from_environment(const char *name,
                                        const char *otherwise)
{
    const char *text = g_getenv(name);

    return g_ascii_strtoull(text ?: otherwise, NULL, 0);
}

static QTestState *start(void)
{
    QTestState *qts = rac_machine_start(
        "-device pci-testdev,id=nic0,bus=rac0,addr=0.0,multifunction=on "
        "-device edu,id=nic1,bus=rac0,addr=0.1");

    program(qts);
    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, TESTDEV_VENDOR);
    return qts;
}

static void assert_sane_after_reset(QTestState *qts)
{
    qtest_system_reset(qts);
    program(qts);

    g_assert_cmphex(config_readl(qts, DEVICE, 0), ==, TESTDEV_VENDOR);
    g_assert_cmphex(qtest_readl(qts, EDU_BAR), ==, EDU_ID);
}

static void remove_all_rules(QTestState *qts)
{
    for (char id = 'a'; id <= 'i'; id++) {
        qtest_qmp_send(qts, "{ 'execute': 'sunder-fault-remove',"
                       "  'arguments': { 'id': %s } }",
                       (char[]) { id, '\0' });
        qobject_unref(qtest_qmp_receive(qts));
    }
}

static void test_nonsense(void)
{
    uint64_t seed = number_from_environment("SUNDER_SEED", DEFAULT_SEED);
    uint64_t accesses = number_from_environment("SUNDER_ACCESSES",
                                                DEFAULT_ACCESSES);
    Fuzzer f = {
        .qts = start(),
        .rand = g_rand_new_with_seed(seed),
    };

    g_test_message("SUNDER_SEED=%" PRIu64 " SUNDER_ACCESSES=%" PRIu64, seed,
                   accesses);
    for (uint64_t i = 1; i <= accesses; i++) {
        access_something(&f);
        if (i % ACCESSES_A_PROGRAM == 0) {
            program(f.qts);
        }
        if (i % ACCESSES_A_COMMAND == 0) {
            run_command(&f);
        }
    }
    remove_all_rules(f.qts);
    assert_sane_after_reset(f.qts);
    g_rand_free(f.rand);
    qtest_quit(f.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/rac/nonsense", test_nonsense);
    return g_test_run();
}
