/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver that writes nonsense into the rings, registers, control queue and
 * mailbox of the network card, and wires that bring nonsense, while faults,
 * links and machine come and go: nothing may crash or hang, and after a reset
 * all is as it was.
 *
 * SUNDER_SEED in the environment picks another run, SUNDER_ACCESSES another
 * length.
 */
#include "qemu/osdep.h"
#include "nic-nonsense.h"
#include "hw/net/nic-dlpi.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"

#define DEFAULT_SEED        "1"
#define DEFAULT_ACCESSES    "5000"
/* How often something happens that is no access */
#define ACCESSES_A_COMMAND  60
#define ACCESSES_A_START    250

#define RULE(id, point, outcome, more) \
    "{ 'execute': 'sunder-fault-add', 'arguments': { 'id': '" id "'," \
    "  'point': 'nic0." point "', 'outcome': '" outcome "'" more " } }"
#define NO_RULE(id) \
    "{ 'execute': 'sunder-fault-remove', 'arguments': { 'id': '" id "' } }"

/* Some of these are refused in the state that others have made: fine. */
static const char *const commands[] = {
    RULE("a", "p0", "drop", ", 'probability': 0.3"), NO_RULE("a"),
    RULE("b", "p1", "duplicate", ", 'value': 3, 'every': 3"), NO_RULE("b"),
    RULE("c", "p2", "corrupt", ", 'every': 2"), NO_RULE("c"),
    RULE("d", "p1", "reorder", ", 'value': 3, 'every': 5"), NO_RULE("d"),
    RULE("e", "p3", "delay", ", 'duration': 5000000"), NO_RULE("e"),
    RULE("f", "p2", "rate-limit", ", 'value': 1000000"), NO_RULE("f"),
    RULE("g", "p0", "link-flap", ", 'duration': 3000000"), NO_RULE("g"),
    RULE("h", "p3", "link-down", ", 'duration': 20000000"), NO_RULE("h"),
    RULE("i", "f0.rx0", "interrupt-lost", ", 'every': 2"), NO_RULE("i"),
    RULE("j", "f1.tx0", "descriptor-error", ", 'every': 9"), NO_RULE("j"),
    RULE("k", "f0.rx1", "descriptor-error", ", 'after': 20"), NO_RULE("k"),
    "{ 'execute': 'query-sunder-nic' }",
    "{ 'execute': 'sunder-nic-set-policy', 'arguments': {"
    "  'aggregation': 'nic0.a0', 'policy': 'round-robin' } }",
    "{ 'execute': 'sunder-nic-set-policy', 'arguments': {"
    "  'aggregation': 'nic0.a0', 'policy': 'l3', 'adaptive': true } }",
    "{ 'execute': 'set_link', 'arguments': { 'name': 'nic0.p1',"
    "  'up': false } }",
    "{ 'execute': 'set_link', 'arguments': { 'name': 'nic0.p1',"
    "  'up': true } }",
    "{ 'execute': 'query-rx-filter' }",
    "{ 'execute': 'announce-self', 'arguments': { 'initial': 50, 'max': 50,"
    "  'rounds': 1, 'step': 10 } }",
    "{ 'execute': 'stop' }",
};

static void find_functions(Fuzzer *f)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        qnic_find(&f->q[i], f->m, i);
        f->q[i].n_queues = 9;
    }
    f->mailbox = qpci_iomap(f->q[0].dev->pdev, NIC_DLPI_BAR, NULL);
}

static void leave_functions(Fuzzer *f)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        qnic_leave(&f->q[i]);
    }
}

static void reset_machine(Fuzzer *f)
{
    QTestState *qts = f->m->qts;

    leave_functions(f);
    qpci_free_pc(f->m->bus);
    qtest_system_reset(qts);
    nic_machine_adopt(f->m, qts);
    find_functions(f);
}

static void run_command(Fuzzer *f)
{
    const char *command = commands[below(f, G_N_ELEMENTS(commands))];
    QTestState *qts = f->m->qts;

    qtest_qmp_send_raw(qts, "%s", command);
    qobject_unref(qtest_qmp_receive(qts));
    qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
    qtest_clock_step(qts, (1 + below(f, 20)) * 1000000);
    /* looking for one that there is not drops the others */
    g_assert_null(qtest_qmp_event_ref(qts, "none of that name"));
    if (below(f, 40) == 0) {
        reset_machine(f);
    }
}

static uint64_t number_from_environment(const char *name,
                                        const char *otherwise)
{
    const char *text = g_getenv(name);

    return g_ascii_strtoull(text ?: otherwise, NULL, 0);
}

static void remove_all_rules(QTestState *qts)
{
    for (char id = 'a'; id <= 'k'; id++) {
        qtest_qmp_send(qts, "{ 'execute': 'sunder-fault-remove',"
                       "  'arguments': { 'id': %s } }",
                       (char[]) { id, '\0' });
        qobject_unref(qtest_qmp_receive(qts));
    }
    qtest_qmp_assert_success(qts, "{ 'execute': 'set_link', 'arguments': {"
                             "  'name': 'nic0.p1', 'up': true } }");
}

/* What is left in the sockets comes first. */
static void expect_number(NicMachine *m, unsigned wire, uint32_t number)
{
    uint8_t frame[65536];
    size_t length;

    do {
        length = wire_receive(m, wire, frame, sizeof(frame));
        g_assert_cmpuint(length, >, 0);
    } while (length != FRAME_BYTES ||
             lduw_be_p(frame + 12) != FRAME_TYPE ||
             frame_number(frame, length) != number);
}

/* Function N on wire N. */
static void expect_traffic(Fuzzer *f)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        QNic q;
        int64_t number;

        qnic_start(&q, f->m, i, 0);
        wire_send_number(f->m, i, 4711 + i);
        do {
            uint8_t frame[65536];

            number = frame_number(frame, qnic_receive(&q, 0, frame,
                                                      sizeof(frame)));
        } while (number != 4711 + i);
        qnic_send_number(&q, 1, 815 + i);
        expect_number(f->m, i, 815 + i);
        g_assert_cmphex(qnic_status(&q), ==, 0xf);
        qnic_leave(&q);
    }
}

static void run(const char *properties, bool traffic)
{
    uint64_t seed = number_from_environment("SUNDER_SEED", DEFAULT_SEED);
    uint64_t accesses = number_from_environment("SUNDER_ACCESSES",
                                                DEFAULT_ACCESSES);
    Fuzzer f = {
        .m = nic_machine_start(WIRES, properties, "2>/dev/null"),
        .rand = g_rand_new_with_seed(seed),
    };

    g_test_message("SUNDER_SEED=%" PRIu64 " SUNDER_ACCESSES=%" PRIu64, seed,
                   accesses);
    find_functions(&f);
    for (uint64_t i = 0; i < accesses; i++) {
        if (i % ACCESSES_A_START == 0) {
            fuzzer_start_driver(&f);
        }
        fuzzer_access(&f);
        if (i % ACCESSES_A_COMMAND == 0) {
            run_command(&f);
        }
    }
    remove_all_rules(f.m->qts);
    reset_machine(&f);
    leave_functions(&f);
    if (traffic) {
        expect_traffic(&f);
    }
    g_rand_free(f.rand);
    nic_machine_end(f.m);
}

static void test_nonsense(void)
{
    run(",layout=each,queue-pairs=4", true);
}

static void test_nonsense_with_aggregations(void)
{
    run(",layout=0,,1/2,,3,queue-pairs=4,rx-queue-size=1024,"
        "tx-queue-size=1024,rx-holdoff=50,pause=off", false);
}

static void test_nonsense_with_lacp(void)
{
    run(",layout=0,,1/2,,3,queue-pairs=4,lacp=active,lacp-rate=fast,"
        "markers=on,interval=10", false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nic/nonsense", test_nonsense);
    qtest_add_func("/nic/nonsense-aggregations",
                   test_nonsense_with_aggregations);
    qtest_add_func("/nic/nonsense-lacp", test_nonsense_with_lacp);
    return g_test_run();
}
