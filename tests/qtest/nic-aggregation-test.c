/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Aggregations of sunder-nic: how evenly they spread, what moves when a port
 * fails, LACP with a scripted partner.  Time is the virtual clock, which only
 * the test moves.
 */
#include "qemu/osdep.h"
#include "nic-trunk.h"
#include "qemu/bswap.h"
#include "qobject/qnum.h"

#define WIRES       4
#define INTERVAL    (1000 * TRUNK_MS)
#define ROUNDS      2           /* frames of each flow in an interval */

#define STATIC      ",policy=l2,adaptive=off"
#define LACP        ",policy=l4,adaptive=off,lacp=active,lacp-rate=fast"

static double member_double(QDict *d, const char *name)
{
    QNum *n = qobject_to(QNum, qdict_get(d, name));

    g_assert_nonnull(n);
    return qnum_get_double(n);
}

/* Frames of all flows, and the end of the interval. */
static double run_interval(Trunk *t)
{
    double spread;

    trunk_send(t, 0, TRUNK_FLOWS, ROUNDS);
    trunk_collect(t, 0);
    spread = trunk_take_spread(t, WIRES);
    trunk_step(t, INTERVAL);
    return spread;
}

static void assert_policy(Trunk *t, const char *policy)
{
    QDict *card = nic_info(t->m);

    g_assert_cmpstr(qdict_get_str(trunk_aggregation(card), "policy"), ==,
                    policy);
    qobject_unref(card);
}

static QDict *wait_policy_event(Trunk *t)
{
    QDict *event = qtest_qmp_eventwait_ref(t->m->qts,
                                           "SUNDER_NIC_POLICY_CHANGED");
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "nic"), ==, "nic0");
    g_assert_cmpstr(qdict_get_str(data, "aggregation"), ==, "nic0.a0");
    qobject_ref(data);
    qobject_unref(event);
    return data;
}

static void test_query_shows_all(void)
{
    Trunk t;
    QDict *card, *a;

    trunk_start(&t, WIRES, STATIC);
    trunk_send(&t, 0, 8, 1);
    trunk_collect(&t, 0);
    card = nic_info(t.m);
    a = trunk_aggregation(card);
    g_assert_cmpint(qlist_size(qdict_get_qlist(card, "ports")), ==,
                    WIRES + 1);
    g_assert_cmpint(qlist_size(qdict_get_qlist(card, "functions")), ==, 1);
    g_assert_cmpint(qlist_size(qdict_get_qlist(a, "members")), ==, WIRES);
    g_assert_cmpstr(qdict_get_str(a, "lacp"), ==, "off");
    g_assert_false(qdict_get_bool(a, "adaptive"));
    g_assert_cmpint(qdict_get_int(a, "interval-ns"), ==, INTERVAL);
    g_assert_false(qdict_haskey(trunk_member(card, 0), "lacp"));
    qobject_unref(card);
    g_assert_cmpint(nic_number(t.m, "ports", WIRES, "transmit-packets"), ==,
                    8);
    g_assert_cmpint(nic_number(t.m, "ports", WIRES, "speed-mbps"), ==,
                    WIRES * 10000);
    trunk_end(&t);
}

static char *refusal(Trunk *t, const char *command, const char *name)
{
    QDict *answer = qtest_qmp(t->m->qts, command, name);
    QDict *error = qdict_get_qdict(answer, "error");
    char *text;

    g_assert_nonnull(error);
    g_assert_cmpstr(qdict_get_str(error, "class"), ==, "DeviceNotFound");
    text = g_strdup(qdict_get_str(error, "desc"));
    qobject_unref(answer);
    return text;
}

static void test_errors_list_what_there_is(void)
{
    g_autofree char *card = NULL, *aggregation = NULL;
    Trunk t;

    trunk_start(&t, WIRES, STATIC);
    card = refusal(&t, "{ 'execute': 'query-sunder-nic',"
                   "  'arguments': { 'id': %s } }", "nic7");
    g_assert_cmpstr(card, ==, "nic7: no such card; there are: nic0");
    aggregation = refusal(&t, "{ 'execute': 'sunder-nic-set-policy',"
                          "  'arguments': { 'aggregation': %s } }",
                          "nic0.p0");
    g_assert_cmpstr(aggregation, ==,
                    "nic0.p0: no such aggregation; there are: nic0.a0");
    trunk_end(&t);
}

static void test_policy_follows_the_command(void)
{
    static const char *const policies[] = {
        "l3", "l4", "l2l3", "l2l4", "l3l4", "l2l3l4", "round-robin",
        "buckets", "l2",
    };
    Trunk t;

    trunk_start(&t, WIRES, STATIC);
    for (unsigned i = 0; i < G_N_ELEMENTS(policies); i++) {
        QDict *event;

        qtest_qmp_assert_success(
            t.m->qts, "{ 'execute': 'sunder-nic-set-policy', 'arguments':"
            "  { 'aggregation': 'nic0.a0', 'policy': %s } }", policies[i]);
        event = wait_policy_event(&t);
        g_assert_cmpstr(qdict_get_str(event, "to"), ==, policies[i]);
        g_assert_false(qdict_get_bool(event, "adaptive"));
        g_assert_false(qdict_haskey(event, "spread-after"));
        qobject_unref(event);
        assert_policy(&t, policies[i]);
    }
    trunk_end(&t);
}

/* A second event tells what a command was good for. */
static void test_a_command_is_judged(void)
{
    Trunk t;
    QDict *event;

    trunk_start(&t, WIRES, STATIC);
    run_interval(&t);
    qtest_qmp_assert_success(
        t.m->qts, "{ 'execute': 'sunder-nic-set-policy', 'arguments':"
        "  { 'aggregation': 'nic0.a0', 'policy': 'l4' } }");
    qobject_unref(wait_policy_event(&t));
    run_interval(&t);
    run_interval(&t);
    event = wait_policy_event(&t);
    g_assert_cmpfloat(member_double(event, "spread-before"), ==, 4.0);
    g_assert_cmpfloat(member_double(event, "spread-after"), <, 2.0);
    qobject_unref(event);
    trunk_end(&t);
}

/*
 * All flows have the same Ethernet addresses: layer 2 puts them on one port.
 */
static void test_selector_spreads_flows(void)
{
    Trunk t;
    double spread[8];
    unsigned acted = 0;

    trunk_start(&t, WIRES, ",policy=l2,adaptive=on");
    for (unsigned i = 0; i < G_N_ELEMENTS(spread); i++) {
        QDict *card;

        spread[i] = run_interval(&t);
        card = nic_info(t.m);
        if (!acted && strcmp(qdict_get_str(trunk_aggregation(card),
                                           "policy"), "l2") != 0) {
            acted = i + 1;
        }
        qobject_unref(card);
    }
    g_assert_cmpfloat(spread[0], ==, 4.0);
    g_assert_cmpint(acted, >, 0);
    g_assert_cmpint(acted + 1, <, G_N_ELEMENTS(spread));
    g_test_message("spread of %u flows over %u ports: %.2f -> %.2f, %.2f "
                   "(selector acted after %u intervals); reordered %u, "
                   "missing %u of %" PRIu64 " frames", TRUNK_FLOWS, WIRES,
                   spread[0], spread[acted], spread[acted + 1], acted,
                   t.reordered, t.missing, t.n_received);
    g_assert_cmpfloat(spread[acted + 1], <=, 1.10);
    g_assert_cmpint(t.reordered, ==, 0);
    g_assert_cmpint(t.missing, ==, 0);
    trunk_end(&t);
}

/* What the events say of it: the trial, and what it was good for. */
static void test_selector_tells_what_it_did(void)
{
    Trunk t;
    QDict *event;
    bool judged = false;

    trunk_start(&t, WIRES, ",policy=l2,adaptive=on");
    for (unsigned i = 0; i < 8; i++) {
        run_interval(&t);
    }
    event = wait_policy_event(&t);
    g_assert_cmpstr(qdict_get_str(event, "from"), ==, "l2");
    g_assert_true(qdict_get_bool(event, "adaptive"));
    g_assert_false(qdict_haskey(event, "spread-after"));
    g_assert_cmpfloat(member_double(event, "spread-before"), ==, 4.0);
    qobject_unref(event);
    while (!judged) {
        event = wait_policy_event(&t);
        judged = qdict_haskey(event, "spread-after");
        if (judged) {
            g_assert_cmpfloat(member_double(event, "spread-after"), <=,
                              1.10);
        }
        qobject_unref(event);
    }
    trunk_end(&t);
}

static unsigned count_moved(const Trunk *t, const uint8_t *before,
                            unsigned dead, unsigned *others)
{
    unsigned moved = 0;

    *others = 0;
    for (unsigned i = 0; i < TRUNK_FLOWS; i++) {
        if (before[i] != dead) {
            (*others)++;
            moved += t->wire[i] != before[i];
        }
    }
    return moved;
}

/*
 * The link goes down between two doorbells of a driver that never stops
 * sending: nothing was with the wire, so nothing is lost.
 */
static void test_port_failure_moves_its_own_flows(void)
{
    Trunk t;
    uint8_t before[TRUNK_FLOWS];
    unsigned moved, others;

    trunk_start(&t, WIRES, ",policy=l4,adaptive=off");
    for (unsigned dead = 0; dead < WIRES; dead++) {
        g_autofree char *port = g_strdup_printf("nic0.p%u", dead);

        trunk_send(&t, 0, TRUNK_FLOWS, 2);
        trunk_collect(&t, 0);
        memcpy(before, t.wire, sizeof(before));
        qtest_qmp_assert_success(t.m->qts, "{ 'execute': 'set_link',"
                                 "  'arguments': { 'name': %s,"
                                 "  'up': false } }", port);
        trunk_send(&t, 0, TRUNK_FLOWS, 2);
        trunk_collect(&t, 0);
        moved = count_moved(&t, before, dead, &others);
        g_test_message("port %u down: %u of %u flows of other ports moved "
                       "(%.1f %%), %" PRIu64 " of %" PRIu64 " frames lost, "
                       "%u reordered", dead, moved, others,
                       100.0 * moved / others, t.n_sent - t.n_received,
                       t.n_sent, t.reordered);
        g_assert_cmpint(moved * 20, <=, others);
        for (unsigned i = 0; i < TRUNK_FLOWS; i++) {
            g_assert_cmpint(t.wire[i], !=, dead);
        }
        qtest_qmp_assert_success(t.m->qts, "{ 'execute': 'set_link',"
                                 "  'arguments': { 'name': %s,"
                                 "  'up': true } }", port);
        trunk_step(&t, 10 * TRUNK_MS);
    }
    g_assert_cmpint(t.reordered + t.missing, ==, 0);
    trunk_end(&t);
}

static void test_all_ports_down_is_link_down(void)
{
    Trunk t;

    trunk_start(&t, 2, STATIC);
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *port = g_strdup_printf("nic0.p%u", i);
        QDict *event, *data;

        g_assert_cmpint(qnic_config(&t.nic, offsetof(struct
                        virtio_net_config, status), 2) &
                        VIRTIO_NET_S_LINK_UP, ==, VIRTIO_NET_S_LINK_UP);
        qtest_qmp_assert_success(t.m->qts, "{ 'execute': 'set_link',"
                                 "  'arguments': { 'name': %s,"
                                 "  'up': false } }", port);
        event = qtest_qmp_eventwait_ref(t.m->qts,
                                        "SUNDER_NIC_PORT_CHANGED");
        data = qdict_get_qdict(event, "data");
        g_assert_cmpstr(qdict_get_str(data, "port"), ==, port);
        g_assert_false(qdict_get_bool(data, "link-up"));
        g_assert_false(qdict_get_bool(data, "active"));
        qobject_unref(event);
    }
    g_assert_cmpint(qnic_config(&t.nic, offsetof(struct virtio_net_config,
                    status), 2) & VIRTIO_NET_S_LINK_UP, ==, 0);
    trunk_send(&t, 0, 16, 1);
    trunk_poll(&t);
    g_assert_cmpint(t.n_received, ==, 0);
    g_assert_cmpint(nic_number(t.m, "ports", 2, "transmit-dropped"), ==, 16);
    trunk_end(&t);
}

/* --- LACP -------------------------------------------------------------- */

static void start_lacp(Trunk *t, const char *more)
{
    g_autofree char *properties = g_strconcat(LACP, more, NULL);

    trunk_start(t, WIRES, properties);
    t->has_lacp = true;
}

static void test_lacp_comes_up(void)
{
    Trunk t;
    int64_t took;

    start_lacp(&t, "");
    g_assert_cmpint(trunk_count_active(&t), ==, 0);
    took = trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    g_test_message("LACP came up on %u ports in %.1f s", WIRES,
                   took / 1e9);
    g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
    g_assert_cmpint(took, <, 5 * INTERVAL);
    trunk_send(&t, 0, TRUNK_FLOWS, 2);
    trunk_collect(&t, 0);
    g_assert_cmpfloat(trunk_take_spread(&t, WIRES), <, 1.5);
    trunk_end(&t);
}

static void test_passive_lacp_answers(void)
{
    Trunk t;

    trunk_start(&t, WIRES, ",adaptive=off,lacp=passive,lacp-rate=fast");
    t.has_lacp = true;
    trunk_step(&t, 3 * INTERVAL);
    for (unsigned i = 0; i < WIRES; i++) {
        uint8_t frame[TRUNK_LACPDU];

        g_assert_cmpint(t.partners[i].heard, ==, 0);
        trunk_make_lacpdu(&t, i, frame);
        trunk_put(&t, i, frame, sizeof(frame));
        t.partners[i].said++;
    }
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
    trunk_end(&t);
}

static void test_lacp_without_a_partner_is_down(void)
{
    Trunk t;

    start_lacp(&t, "");
    for (unsigned i = 0; i < WIRES; i++) {
        t.partners[i].silent = true;
    }
    trunk_step(&t, 10 * INTERVAL);
    g_assert_cmpint(trunk_count_active(&t), ==, 0);
    trunk_send(&t, 0, 16, 1);
    trunk_poll(&t);
    g_assert_cmpint(t.n_received, ==, 0);
    trunk_end(&t);
}

static void test_silent_partner_times_out(void)
{
    Trunk t;
    int64_t took;

    start_lacp(&t, "");
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    /* right after it spoke */
    while (t.said_ns != t.now_ns) {
        trunk_step(&t, 100 * TRUNK_MS);
    }
    t.partners[2].silent = true;
    took = trunk_wait_active(&t, WIRES - 1, 10 * INTERVAL);
    g_test_message("silent partner given up after %.1f s", took / 1e9);
    g_assert_cmpint(took, >=, 2900 * TRUNK_MS);
    g_assert_cmpint(took, <=, 3100 * TRUNK_MS);
    trunk_send(&t, 0, TRUNK_FLOWS, 2);
    trunk_collect(&t, 0);
    g_assert_cmpint(t.by_wire[2], ==, 0);
    /* and comes back */
    t.partners[2].silent = false;
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
    trunk_end(&t);
}

static void test_lacp_survives_each_port_pulled(void)
{
    Trunk t;
    int64_t longest = 0;

    start_lacp(&t, "");
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    for (unsigned i = 0; i < WIRES; i++) {
        g_autofree char *port = g_strdup_printf("nic0.p%u", i);
        int64_t took;

        t.partners[i].cut = true;
        qtest_qmp_assert_success(t.m->qts, "{ 'execute': 'set_link',"
                                 "  'arguments': { 'name': %s,"
                                 "  'up': false } }", port);
        g_assert_cmpint(trunk_count_active(&t), ==, WIRES - 1);
        trunk_send(&t, 0, TRUNK_FLOWS, 2);
        trunk_collect(&t, 0);
        trunk_step(&t, 5 * INTERVAL);
        qtest_qmp_assert_success(t.m->qts, "{ 'execute': 'set_link',"
                                 "  'arguments': { 'name': %s,"
                                 "  'up': true } }", port);
        trunk_mend(&t, i);
        took = trunk_wait_active(&t, WIRES, 10 * INTERVAL);
        longest = MAX(longest, took);
        g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
    }
    trunk_send(&t, 0, TRUNK_FLOWS, 2);
    trunk_collect(&t, 0);
    g_test_message("each of %u ports pulled and back (in %.1f s at most): "
                   "%" PRIu64 " of %" PRIu64 " frames lost, %u reordered",
                   WIRES, longest / 1e9, t.n_sent - t.n_received, t.n_sent,
                   t.reordered);
    g_assert_cmpint(longest, <, 5 * INTERVAL);
    g_assert_cmpint(t.reordered + t.missing, ==, 0);
    trunk_end(&t);
}

/* Frames that came in on a wire. */
static uint64_t received(Trunk *t, unsigned wire)
{
    QDict *card = nic_info(t->m);
    const QListEntry *e = qlist_first(qdict_get_qlist(card, "ports"));
    uint64_t packets;

    while (wire--) {
        e = qlist_next(e);
    }
    packets = qdict_get_int(qdict_get_qdict(
        qobject_to(QDict, qlist_entry_obj(e)), "receive"), "packets");
    qobject_unref(card);
    return packets;
}

/* Lengths, versions and types that cannot be; the link stays as it was. */
static void test_malformed_lacpdus_are_counted(void)
{
    Trunk t;
    uint8_t frame[TRUNK_LACPDU];
    uint64_t before;
    unsigned n = 0;

    start_lacp(&t, "");
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    before = received(&t, 0);
    for (unsigned length = 14; length < TRUNK_LACPDU; length += 5) {
        trunk_make_lacpdu(&t, 0, frame);
        trunk_put(&t, 0, frame, length);
        n++;
    }
    for (unsigned at = 14; at < TRUNK_LACPDU; at++) {
        trunk_make_lacpdu(&t, 0, frame);
        frame[at] ^= 0xff;
        if (at != 15) {
            frame[17] = 0;      /* the actor's length cannot be */
        }
        trunk_put(&t, 0, frame, sizeof(frame));
        n++;
    }
    nic_wait_until(received(&t, 0) == before + n);
    trunk_mend(&t, 0);
    trunk_step(&t, 2 * INTERVAL);
    g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
    trunk_end(&t);
}

/* Policies that move flows wait until the partner answered a marker. */
static void test_markers_are_asked_and_answered(void)
{
    Trunk t;

    start_lacp(&t, ",markers=on");
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    /* those of members that came are done without */
    trunk_step(&t, 200 * TRUNK_MS);
    t.markers = 0;
    trunk_send(&t, 0, TRUNK_FLOWS, 1);
    trunk_collect(&t, 0);
    qtest_qmp_assert_success(
        t.m->qts, "{ 'execute': 'sunder-nic-set-policy', 'arguments':"
        "  { 'aggregation': 'nic0.a0', 'policy': 'l3' } }");
    trunk_poll(&t);
    nic_wait_until((trunk_poll(&t), t.markers == WIRES));
    assert_policy(&t, "l4");
    trunk_answer_markers(&t);
    qobject_unref(wait_policy_event(&t));
    assert_policy(&t, "l3");
    trunk_end(&t);
}

/* IEEE 802.1AX, 6.5.3.3; the answer has another type. */
static void send_marker(NicMachine *m, uint32_t transaction)
{
    static const uint8_t header[] = {
        0x01, 0x80, 0xc2, 0, 0, 2, 0x02, 0, 0, 0, 0, 0x77, 0x88, 0x09,
        2, 1, 1, 16, 0, 1, 0x02, 0, 0, 0, 0, 0x77,
    };
    uint8_t frame[TRUNK_LACPDU] = { 0 };

    memcpy(frame, header, sizeof(header));
    stl_be_p(frame + sizeof(header), transaction);
    wire_send(m, 0, frame, sizeof(frame));
}

/* Each of a burst is answered, not only the last. */
static void test_markers_in_a_burst(void)
{
    NicMachine *m = nic_machine_start(2, ",layout=all,lacp=passive", "");
    uint8_t frame[NIC_BUFFER];
    uint32_t answered = 0;

    qtest_clock_step(m->qts, TRUNK_MS);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'stop' }");
    for (uint32_t i = 1; i <= 3; i++) {
        send_marker(m, i);
    }
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'cont' }");
    while (answered < 3) {
        size_t length = wire_receive(m, 0, frame, sizeof(frame));

        g_assert_cmpuint(length, ==, TRUNK_LACPDU);
        if (frame[14] == 2 && frame[16] == 2) {
            g_assert_cmpuint(ldl_be_p(frame + 26), ==, ++answered);
        }
    }
    nic_machine_end(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-aggregation/query-shows-all", test_query_shows_all);
    qtest_add_func("nic-aggregation/errors-list-what-there-is",
                   test_errors_list_what_there_is);
    qtest_add_func("nic-aggregation/policy-follows-the-command",
                   test_policy_follows_the_command);
    qtest_add_func("nic-aggregation/a-command-is-judged",
                   test_a_command_is_judged);
    qtest_add_func("nic-aggregation/selector-spreads-flows",
                   test_selector_spreads_flows);
    qtest_add_func("nic-aggregation/selector-tells-what-it-did",
                   test_selector_tells_what_it_did);
    qtest_add_func("nic-aggregation/port-failure-moves-its-own-flows",
                   test_port_failure_moves_its_own_flows);
    qtest_add_func("nic-aggregation/all-ports-down-is-link-down",
                   test_all_ports_down_is_link_down);
    qtest_add_func("nic-aggregation/lacp-comes-up", test_lacp_comes_up);
    qtest_add_func("nic-aggregation/passive-lacp-answers",
                   test_passive_lacp_answers);
    qtest_add_func("nic-aggregation/lacp-without-a-partner-is-down",
                   test_lacp_without_a_partner_is_down);
    qtest_add_func("nic-aggregation/silent-partner-times-out",
                   test_silent_partner_times_out);
    qtest_add_func("nic-aggregation/lacp-survives-each-port-pulled",
                   test_lacp_survives_each_port_pulled);
    qtest_add_func("nic-aggregation/malformed-lacpdus-are-counted",
                   test_malformed_lacpdus_are_counted);
    qtest_add_func("nic-aggregation/markers-are-asked-and-answered",
                   test_markers_are_asked_and_answered);
    qtest_add_func("nic-aggregation/markers-in-a-burst",
                   test_markers_in_a_burst);
    return g_test_run();
}
