/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-nic: saved and loaded in the middle of things. */
#include "qemu/osdep.h"
#include "hw/net/nic-dlpi.h"
#include "libqos/pci-pc.h"
#include "nic-trunk.h"
#include "saved-state.h"
#include "target-models/net/dlpi.h"

#define WIRES       4
#define INTERVAL    (1000 * TRUNK_MS)
#define FRAMES      200         /* in a burst; fewer than a ring holds */

#define LACP        ",policy=l4,adaptive=off,lacp=active,lacp-rate=fast"

/* --- a card with a function for each wire ------------------------------ */

typedef struct Move {
    NicMachine *m;
    QNic nic;
    const char *properties;
    char *dir;
    char *path;
} Move;

static void move_start(Move *v, const char *properties)
{
    *v = (Move) { .properties = properties };
    v->dir = g_dir_make_tmp("nic-migrate-XXXXXX", NULL);
    g_assert_nonnull(v->dir);
    v->path = g_build_filename(v->dir, "state", NULL);
    v->m = nic_machine_start(2, properties, "");
    qnic_start(&v->nic, v->m, 0, 0);
}

static void move_end(Move *v)
{
    qnic_leave(&v->nic);
    nic_machine_end(v->m);
    unlink(v->path);
    g_assert_cmpint(rmdir(v->dir), ==, 0);
    g_free(v->path);
    g_free(v->dir);
}

/* The source ends; the test's driver goes on at the destination. */
static void move(Move *v)
{
    g_autofree char *args = nic_machine_args(v->m, v->properties, "");
    QNic before = v->nic;

    saved_state_save(v->m->qts, v->path);
    qnic_leave(&v->nic);
    qpci_free_pc(v->m->bus);
    qtest_quit(v->m->qts);
    nic_machine_adopt(v->m, saved_state_load(args, v->path));
    qnic_adopt(&v->nic, v->m, &before);
}

static char *refusal(Move *v, const char *properties)
{
    g_autofree char *args = nic_machine_args(v->m, properties, "");

    return saved_state_load_fails(args, v->path);
}

static void assert_has(const char *message, const char *part)
{
    if (!strstr(message, part)) {
        g_error("\"%s\" is not in: %s", part, message);
    }
}

static void test_frames_go_on(void)
{
    Move v;

    move_start(&v, "");
    for (unsigned i = 0; i < 10; i++) {
        wire_send_number(v.m, 0, i);
        g_assert_cmpint(qnic_receive_number(&v.nic, 0), ==, i);
        qnic_send_number(&v.nic, 1, 100 + i);
        g_assert_cmpint(wire_receive_number(v.m, 0), ==, 100 + i);
        if (i % 3 == 1) {
            move(&v);
        }
    }
    g_assert_cmpint(nic_number(v.m, "functions", 0, "receive-packets"), ==,
                    10);
    g_assert_cmpint(nic_number(v.m, "functions", 0, "transmit-packets"), ==,
                    10);
    g_assert_cmpint(nic_number(v.m, "ports", 0, "transmit-packets"), ==, 10);
    move_end(&v);
}

/* Doorbell and frames of the wire, and at once the end of the machine. */
static void test_burst_in_the_middle(void)
{
    Move v;
    uint8_t frame[FRAME_BYTES];

    move_start(&v, "");
    for (unsigned i = 0; i < FRAMES; i++) {
        frame_make(frame, UINT64_C(0xffffffffffff),
                   UINT64_C(0x020000000100), FRAME_TYPE, i);
        qnic_post_frame(&v.nic, 1, frame, sizeof(frame));
        wire_send_number(v.m, 0, 1000 + i);
    }
    qnic_notify(&v.nic, 1);
    move(&v);
    for (unsigned i = 0; i < FRAMES; i++) {
        g_assert_cmpint(wire_receive_number(v.m, 0), ==, i);
        g_assert_cmpint(qnic_receive_number(&v.nic, 0), ==, 1000 + i);
        qnic_notify(&v.nic, 0); /* buffers for what waits */
    }
    g_assert_cmpint(qnic_pending(&v.nic, 0), ==, 0);
    g_assert_cmpint(wire_poll(v.m, 0, frame, sizeof(frame)), ==, 0);
    g_assert_cmpint(nic_number(v.m, "functions", 0, "receive-packets"), ==,
                    FRAMES);
    g_assert_cmpint(nic_number(v.m, "functions", 0, "transmit-packets"), ==,
                    FRAMES);
    move_end(&v);
}

/* An interrupt that is held off comes at the destination. */
static void test_held_off_interrupt_moves(void)
{
    Move v;

    move_start(&v, ",rx-holdoff=10000,rx-threshold=64");
    qnic_take_interrupt(&v.nic);
    wire_send_number(v.m, 0, 7);
    g_assert_cmpint(qnic_receive_number(&v.nic, 0), ==, 7);
    g_assert_cmpint(qnic_take_interrupt(&v.nic) & 1, ==, 0);
    move(&v);
    g_assert_cmpint(qnic_take_interrupt(&v.nic) & 1, ==, 0);
    qtest_clock_step(v.m->qts, 11 * TRUNK_MS);
    g_assert_cmpint(qnic_take_interrupt(&v.nic) & 1, ==, 1);
    g_assert_cmpint(nic_number(v.m, "functions", 0, "receive-interrupts"),
                    ==, 1);
    move_end(&v);
}

/* --- DLPI -------------------------------------------------------------- */

static QPCIBar mailbox(Move *v)
{
    return qpci_iomap(v->nic.dev->pdev, NIC_DLPI_BAR, NULL);
}

static void put(Move *v, QPCIBar bar, unsigned at, uint32_t value)
{
    qpci_io_writel(v->nic.dev->pdev, bar, at, value);
}

static uint32_t get(Move *v, QPCIBar bar, unsigned at)
{
    return qpci_io_readl(v->nic.dev->pdev, bar, at);
}

static void request(Move *v, QPCIBar bar, const uint32_t *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put(v, bar, NIC_DLPI_REQUEST_DATA + 4 * i, words[i]);
    }
    put(v, bar, NIC_DLPI_REQUEST, 4 * n);
}

/* POLL as it is in a reply to a request for everything. */
static void enable_poll(Move *v, QPCIBar bar)
{
    uint32_t words[64] = { DLPI_CAPABILITY_REQ, 0, 0 };
    unsigned at = 3, size;

    request(v, bar, words, 3);
    size = get(v, bar, NIC_DLPI_REPLY) / 4;
    for (unsigned i = 0; i < size; i++) {
        words[i] = get(v, bar, NIC_DLPI_REPLY_DATA + 4 * i);
    }
    while (words[at] != DLPI_CAPAB_POLL) {
        at += 2 + words[at + 1] / 4;
        g_assert_cmpint(at, <, size);
    }
    memmove(words + 3, words + at, 4 * (2 + words[at + 1] / 4));
    words[0] = DLPI_CAPABILITY_REQ;
    words[1] = 12;
    words[2] = 8 + words[4];
    words[6] |= DLPI_ENABLE;
    request(v, bar, words, 5 + words[4] / 4);
    g_assert_cmphex(get(v, bar, NIC_DLPI_REPLY_DATA), ==,
                    DLPI_CAPABILITY_ACK);
}

static void set_link(Move *v, bool up)
{
    qtest_qmp_assert_success(v->m->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': 'nic0.p0',"
                             "  'up': %i } }", up);
}

/* A reply that was not fetched, an indication, polling, the vector. */
static void test_dlpi_moves(void)
{
    const uint32_t notify[] = {
        DLPI_NOTIFY_REQ, DLPI_NOTE_LINK_UP | DLPI_NOTE_LINK_DOWN, 0
    };
    const uint32_t info[] = { DLPI_INFO_REQ };
    QPCIBar bar;
    Move v;

    move_start(&v, "");
    bar = mailbox(&v);
    request(&v, bar, notify, 3);
    put(&v, bar, NIC_DLPI_INDICATION, 0);
    enable_poll(&v, bar);
    put(&v, bar, NIC_DLPI_POLL + NIC_DLPI_POLL_MODE, 1);
    put(&v, bar, NIC_DLPI_VECTOR, 1);
    wire_send_number(v.m, 0, 1);
    g_assert_cmpint(qnic_receive_number(&v.nic, 0), ==, 1);
    set_link(&v, false);
    set_link(&v, true);
    request(&v, bar, info, 1);
    move(&v);
    bar = mailbox(&v);
    g_assert_cmphex(get(&v, bar, NIC_DLPI_REPLY_DATA), ==, DLPI_INFO_ACK);
    g_assert_cmpint(get(&v, bar, NIC_DLPI_VECTOR), ==, 1);
    g_assert_cmphex(get(&v, bar, NIC_DLPI_INDICATION_DATA + 4), ==,
                    DLPI_NOTE_LINK_DOWN);
    put(&v, bar, NIC_DLPI_INDICATION, 0);
    g_assert_cmphex(get(&v, bar, NIC_DLPI_INDICATION_DATA + 4), ==,
                    DLPI_NOTE_LINK_UP);
    g_assert_cmpint(get(&v, bar, NIC_DLPI_POLL + NIC_DLPI_POLL_MODE), ==, 1);
    qnic_take_interrupt(&v.nic);        /* of the link's changes */
    wire_send_number(v.m, 0, 2);
    g_assert_cmpint(qnic_receive_number(&v.nic, 0), ==, 2);
    g_assert_cmpint(get(&v, bar, NIC_DLPI_POLL + NIC_DLPI_POLL_ARRIVED), ==,
                    2);
    g_assert_cmpint(qnic_take_interrupt(&v.nic) & 1, ==, 0);
    /* DIRECT, which virtio's driver had opened, is open here, too */
    put(&v, bar, NIC_DLPI_DIRECT + NIC_DLPI_DIRECT_STRIDE, 1);
    qnic_send_number(&v.nic, 1, 3);
    g_assert_cmpint(wire_receive_number(v.m, 0), ==, 3);
    move_end(&v);
}

/* --- aggregations ------------------------------------------------------ */

static QDict *aggregation_of(Trunk *t, QDict **card)
{
    *card = nic_info(t->m);
    return trunk_aggregation(*card);
}

static void test_policy_and_counters_move(void)
{
    static const char properties[] = ",policy=l2,adaptive=on";
    QDict *card, *a;
    Trunk t;

    trunk_start(&t, WIRES, properties);
    trunk_send(&t, 0, TRUNK_FLOWS, 1);
    trunk_collect(&t, 0);
    qtest_qmp_assert_success(
        t.m->qts, "{ 'execute': 'sunder-nic-set-policy', 'arguments':"
        "  { 'aggregation': 'nic0.a0', 'policy': 'l3l4',"
        "    'adaptive': false } }");
    trunk_migrate(&t, properties);
    a = aggregation_of(&t, &card);
    g_assert_cmpstr(qdict_get_str(a, "policy"), ==, "l3l4");
    g_assert_false(qdict_get_bool(a, "adaptive"));
    qobject_unref(card);
    g_assert_cmpint(nic_number(t.m, "ports", WIRES, "transmit-packets"), ==,
                    TRUNK_FLOWS);
    trunk_send(&t, 0, TRUNK_FLOWS, 1);
    trunk_collect(&t, 0);
    g_assert_cmpint(t.reordered + t.missing, ==, 0);
    trunk_end(&t);
}

/* A flow stays on its port; where it goes is part of the state. */
static void test_flows_stay_where_they_are(void)
{
    static const char properties[] = ",policy=buckets,adaptive=off";
    uint8_t before[TRUNK_FLOWS];
    Trunk t;

    trunk_start(&t, WIRES, properties);
    for (unsigned i = 0; i < 3; i++) {
        trunk_send(&t, 0, TRUNK_FLOWS, 1);
        trunk_collect(&t, 0);
        trunk_step(&t, INTERVAL);
    }
    memcpy(before, t.wire, sizeof(before));
    trunk_migrate(&t, properties);
    trunk_send(&t, 0, TRUNK_FLOWS, 1);
    trunk_collect(&t, 0);
    g_assert_cmpmem(before, sizeof(before), t.wire, sizeof(t.wire));
    trunk_end(&t);
}

static uint64_t lacp_sum(Trunk *t, const char *member)
{
    QDict *card = nic_info(t->m);
    uint64_t sum = 0;

    for (unsigned i = 0; i < WIRES; i++) {
        sum += qdict_get_int(qdict_get_qdict(trunk_member(card, i), "lacp"),
                             member);
    }
    qobject_unref(card);
    return sum;
}

/*
 * The partner notices nothing: all ports stay in use, and no LACPDU says
 * anything but that they are, before, during and after, with frames of all
 * flows on their way.
 */
static void test_lacp_stays_up(void)
{
    uint64_t heard = 0;
    Trunk t;

    trunk_start(&t, WIRES, LACP);
    t.has_lacp = true;
    trunk_wait_active(&t, WIRES, 10 * INTERVAL);
    for (unsigned i = 0; i < 3; i++) {
        trunk_post(&t, 0, FRAMES);
        trunk_migrate(&t, LACP);
        g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
        trunk_collect(&t, 0);
        trunk_see_sent(&t, FRAMES);
        for (unsigned j = 0; j < 20; j++) {
            trunk_step(&t, 100 * TRUNK_MS);
            g_assert_cmpint(trunk_count_active(&t), ==, WIRES);
            for (unsigned k = 0; k < WIRES; k++) {
                /* in sync, collecting, distributing, not expired */
                g_assert_cmphex(t.partners[k].actor[14] & 0xf8, ==, 0x38);
            }
        }
    }
    for (unsigned i = 0; i < WIRES; i++) {
        heard += t.partners[i].heard;
    }
    g_assert_cmpint(lacp_sum(&t, "expired"), ==, 0);
    g_assert_cmpint(lacp_sum(&t, "sent"), ==, heard);
    g_assert_cmpint(t.reordered + t.missing, ==, 0);
    g_test_message("3 migrations with LACP up on %u ports: %" PRIu64
                   " of %" PRIu64 " frames lost, %u twice or out of order, "
                   "partner timed out 0 times", WIRES,
                   t.n_sent - t.n_received, t.n_sent, t.reordered);
    trunk_end(&t);
}

/* --- what cannot be loaded --------------------------------------------- */

static void test_lacp_on_one_side_is_refused(void)
{
    g_autofree char *said = NULL;
    Move v;

    move_start(&v, ",layout=all");
    saved_state_save(v.m->qts, v.path);
    said = refusal(&v, ",layout=all,lacp=active");
    assert_has(said, "LACP is on in one of the two only");
    move_end(&v);
}

static void test_damaged_state_is_refused(void)
{
    static const char *const magics[] = { "SAGG", "SDLP" };
    Move v;

    move_start(&v, ",layout=all");
    saved_state_save(v.m->qts, v.path);
    for (unsigned i = 0; i < G_N_ELEMENTS(magics); i++) {
        g_autofree char *bytes = NULL, *said = NULL;
        gsize length;
        char *found;

        g_assert_true(g_file_get_contents(v.path, &bytes, &length, NULL));
        found = memmem(bytes, length, magics[i], 4);
        g_assert_nonnull(found);
        found[4] ^= 0x40;
        g_assert_true(g_file_set_contents(v.path, bytes, length, NULL));
        said = refusal(&v, ",layout=all");
        assert_has(said, "damaged");
        found[4] ^= 0x40;
        g_assert_true(g_file_set_contents(v.path, bytes, length, NULL));
    }
    move_end(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("nic-migrate/frames-go-on", test_frames_go_on);
    qtest_add_func("nic-migrate/burst-in-the-middle",
                   test_burst_in_the_middle);
    qtest_add_func("nic-migrate/held-off-interrupt-moves",
                   test_held_off_interrupt_moves);
    qtest_add_func("nic-migrate/dlpi-moves", test_dlpi_moves);
    qtest_add_func("nic-migrate/policy-and-counters-move",
                   test_policy_and_counters_move);
    qtest_add_func("nic-migrate/flows-stay-where-they-are",
                   test_flows_stay_where_they_are);
    qtest_add_func("nic-migrate/lacp-stays-up", test_lacp_stays_up);
    qtest_add_func("nic-migrate/lacp-on-one-side-is-refused",
                   test_lacp_on_one_side_is_refused);
    qtest_add_func("nic-migrate/damaged-state-is-refused",
                   test_damaged_state_is_refused);
    return g_test_run();
}
