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
#include "nic-machine.h"
#include "hw/net/nic-dlpi.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define DEFAULT_SEED        "1"
#define DEFAULT_ACCESSES    "5000"
/* How often something happens that is no access */
#define ACCESSES_A_COMMAND  60
#define ACCESSES_A_START    250

#define WIRES       4
#define FUNCTIONS   2
#define LARGEST     9000        /* bytes of a frame */
#define MTU_OFFSET  offsetof(struct virtio_net_config, mtu)

typedef struct Fuzzer {
    NicMachine *m;
    GRand *rand;
    QNic q[FUNCTIONS];
    QPCIBar mailbox;
} Fuzzer;

static uint32_t below(Fuzzer *f, uint32_t limit)
{
    return g_rand_int(f->rand) % limit;
}

static uint64_t random64(Fuzzer *f)
{
    return (uint64_t)g_rand_int(f->rand) << 32 | g_rand_int(f->rand);
}

/* Edges and single bits are more telling than noise. */
static uint64_t nonsense(Fuzzer *f)
{
    switch (below(f, 4)) {
    case 0:
        return below(f, 2) ? UINT64_MAX : 0;
    case 1:
        return UINT64_C(1) << below(f, 64);
    case 2:
        return ~(UINT64_C(1) << below(f, 64));
    default:
        return random64(f);
    }
}

static QNic *some_function(Fuzzer *f)
{
    return &f->q[below(f, FUNCTIONS)];
}

static unsigned some_queue(Fuzzer *f, QNic *q)
{
    return below(f, MAX(q->n_queues, 1));
}

/* Where buffers, tables and rings may be said to be */
static uint64_t somewhere(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = some_queue(f, q);

    switch (below(f, 12)) {
    case 0:
        return nonsense(f);
    case 1:
        return NIC_MEMORY - below(f, 64);
    case 2:
        return 0xfee00000 + below(f, 4096);
    case 3:
        return q->dev->bar.addr + below(f, 0x4000);
    case 4:
        return f->mailbox.addr + below(f, 0x2000);
    case 5:
        return qnic_ring(q, queue) + below(f, 0x20000);
    case 6:
        return 0xa0000 + below(f, 0x60000);
    case 7:
        return below(f, 4096);
    default:
        return qnic_buffer(q, queue, below(f, NIC_ENTRIES)) + below(f, 2);
    }
}

static uint32_t some_length(Fuzzer *f)
{
    static const uint32_t lengths[] = {
        0, 1, 2, 11, 12, 13, 26, 64, 1526, 2048, 4096, 65536, 69632, 1 << 20,
        0x7fffffff, 0xfffffff4, 0xffffffff,
    };

    return below(f, 3) ? lengths[below(f, G_N_ELEMENTS(lengths))]
                       : below(f, 2048);
}

/* --- the driver -------------------------------------------------------- */

static void write_register(Fuzzer *f, QNic *q, unsigned offset,
                           uint64_t value, unsigned size)
{
    QPCIDevice *pdev = q->dev->pdev;

    if (size == 1) {
        qpci_io_writeb(pdev, q->dev->bar, offset, value);
    } else if (size == 2) {
        qpci_io_writew(pdev, q->dev->bar, offset, value);
    } else {
        qpci_io_writel(pdev, q->dev->bar, offset, value);
    }
}

static void write_common(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned offset = below(f, sizeof(struct virtio_pci_common_cfg));
    uint64_t value = below(f, 3) ? nonsense(f) : below(f, 64);

    /* a reset every time would leave little to find */
    if (offset == offsetof(struct virtio_pci_common_cfg, device_status) &&
        below(f, 4)) {
        value = VIRTIO_CONFIG_S_DRIVER_OK | 0xb;
    }
    write_register(f, q, q->dev->common_cfg_offset + offset, value,
                   1 << below(f, 3));
}

static void write_configuration(Fuzzer *f)
{
    QNic *q = some_function(f);

    write_register(f, q, q->dev->device_cfg_offset + below(f, 64),
                   nonsense(f), 1 << below(f, 3));
}

static void ring_doorbell(Fuzzer *f)
{
    QNic *q = some_function(f);

    if (below(f, 8)) {
        qnic_notify(q, some_queue(f, q));
    } else {
        write_register(f, q, q->dev->notify_cfg_offset + below(f, 0x100) * 2,
                       nonsense(f), 2);
    }
}

static void write_descriptor(Fuzzer *f, QNic *q, unsigned queue,
                             unsigned entry)
{
    struct vring_desc d = {
        .addr = cpu_to_le64(somewhere(f)),
        .len = cpu_to_le32(some_length(f)),
        .flags = cpu_to_le16(below(f, 6) ? below(f, 4) : nonsense(f)),
        .next = cpu_to_le16(below(f, 8) ? below(f, q->entries)
                                        : nonsense(f)),
    };

    if (d.flags == cpu_to_le16(VRING_DESC_F_INDIRECT)) {
        d.len = cpu_to_le32(below(f, 4) ? 16 * below(f, 64) : nonsense(f));
    }
    qtest_memwrite(q->m->qts, qnic_ring(q, queue) + entry * sizeof(d), &d,
                   sizeof(d));
}

/* A few descriptors, made available as a driver does or not at all so. */
static void post_nonsense(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = some_queue(f, q);
    uint64_t available = qnic_available(q, queue);
    unsigned first = below(f, q->entries), n = 1 + below(f, 6);

    for (unsigned i = 0; i < n; i++) {
        write_descriptor(f, q, queue, (first + i) % q->entries);
    }
    qtest_writew(f->m->qts, available + 4 +
                 2 * (q->posted[queue] % q->entries),
                 below(f, 16) ? first : nonsense(f));
    q->posted[queue] += below(f, 32) ? 1 : nonsense(f);
    qtest_writew(f->m->qts, available + 2, q->posted[queue]);
    if (below(f, 8) == 0) {
        /* the flags and the event index */
        qtest_writew(f->m->qts, available, nonsense(f));
        qtest_writew(f->m->qts, available + 4 + 2 * q->entries, nonsense(f));
    }
    if (below(f, 2)) {
        qnic_notify(q, queue);
    }
}

static void fill_random(Fuzzer *f, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = below(f, 4) ? below(f, 4) : nonsense(f);
    }
}

/* One that a card would send, with a header that asks for odd things. */
static void post_packet(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = (some_queue(f, q) | 1) % MAX(q->n_queues, 2);
    uint8_t frame[200];
    struct virtio_net_hdr header = {
        .flags = below(f, 4),
        .gso_type = below(f, 4) ? below(f, 6) : nonsense(f),
        .hdr_len = below(f, 2) ? below(f, 100) : nonsense(f),
        .gso_size = below(f, 2) ? below(f, 100) : nonsense(f),
        .csum_start = below(f, 2) ? below(f, 100) : nonsense(f),
        .csum_offset = below(f, 2) ? below(f, 32) : nonsense(f),
    };
    unsigned entry = q->posted[queue] % q->entries;

    fill_random(f, frame, sizeof(frame));
    frame_make(frame, below(f, 2) ? UINT64_C(0xffffffffffff) : random64(f),
               UINT64_C(0x020000000100), below(f, 2) ? 0x0800 : 0x86dd, 0);
    frame[14] = below(f, 4) ? 0x45 : 0x60;
    frame[23] = 6;
    qnic_post_frame(q, queue, frame, 20 + below(f, 180));
    qtest_memwrite(f->m->qts, qnic_buffer(q, queue, entry), &header,
                   sizeof(header));
    qnic_notify(q, queue);
}

/* Commands with lengths and numbers that cannot be. */
static void post_control(Fuzzer *f)
{
    QNic *q = some_function(f);
    unsigned queue = MAX(q->n_queues, 1) - 1;
    unsigned entry = below(f, q->entries - 2);
    uint64_t ring = qnic_ring(q, queue);
    uint8_t command[512];
    struct vring_desc d[2];

    fill_random(f, command, sizeof(command));
    command[0] = below(f, 8);
    command[1] = below(f, 6);
    qtest_memwrite(f->m->qts, qnic_buffer(q, queue, 0), command,
                   sizeof(command));
    d[0] = (struct vring_desc) {
        .addr = cpu_to_le64(qnic_buffer(q, queue, 0)),
        .len = cpu_to_le32(below(f, 8) ? below(f, 512) : nonsense(f)),
        .flags = cpu_to_le16(VRING_DESC_F_NEXT),
        .next = cpu_to_le16(entry + 1),
    };
    d[1] = (struct vring_desc) {
        .addr = cpu_to_le64(qnic_buffer(q, queue, 2)),
        .len = cpu_to_le32(below(f, 8) ? 1 : some_length(f)),
        .flags = cpu_to_le16(below(f, 8) ? VRING_DESC_F_WRITE : 0),
    };
    qtest_memwrite(f->m->qts, ring + entry * sizeof(d[0]), d, sizeof(d));
    qtest_writew(f->m->qts, qnic_available(q, queue) + 4 +
                 2 * (q->posted[queue] % q->entries), entry);
    q->posted[queue]++;
    qtest_writew(f->m->qts, qnic_available(q, queue) + 2, q->posted[queue]);
    qnic_notify(q, queue);
}

/* --- the mailbox ------------------------------------------------------- */

/* DLPI messages begin with a primitive and go on with lengths and offsets. */
static void send_message(Fuzzer *f, unsigned window)
{
    QPCIDevice *pdev = f->q[0].dev->pdev;
    unsigned bytes = below(f, 16) ? 4 * below(f, 24) : below(f, 2048);
    unsigned words = MIN(bytes, NIC_DLPI_REQUEST_SIZE) / 4;

    for (unsigned i = 0; i < words && i < 24; i++) {
        uint32_t word = below(f, 3) ? below(f, 48) : nonsense(f);

        qpci_io_writel(pdev, f->mailbox, window + NIC_DLPI_REQUEST_DATA +
                       4 * i, word);
    }
    qpci_io_writel(pdev, f->mailbox, window + NIC_DLPI_REQUEST,
                   below(f, 16) ? bytes : nonsense(f));
}

static void use_mailbox(Fuzzer *f)
{
    QPCIDevice *pdev = f->q[0].dev->pdev;
    unsigned window = below(f, FUNCTIONS + 1) * NIC_DLPI_WINDOW;

    switch (below(f, 4)) {
    case 0:
        qpci_io_writel(pdev, f->mailbox, window + 4 * below(f, 16),
                       nonsense(f));
        break;
    case 1:
        qpci_io_writel(pdev, f->mailbox,
                       window + NIC_DLPI_DIRECT + 4 * below(f, 0x80),
                       below(f, 2));
        break;
    case 2:
        qpci_io_readl(pdev, f->mailbox, window + 4 * below(f, 0x400));
        break;
    default:
        send_message(f, window);
        break;
    }
}

/* --- wires ------------------------------------------------------------- */

static size_t make_lacp(Fuzzer *f, uint8_t *frame)
{
    frame_make(frame, UINT64_C(0x0180c2000002), random64(f), 0x8809, 0);
    fill_random(f, frame + 14, 110);
    frame[14] = 1 + below(f, 3);        /* LACP, Marker, something */
    frame[15] = 1;
    frame[16] = 1;                      /* actor, 20 bytes */
    frame[17] = below(f, 8) ? 20 : below(f, 256);
    frame[36] = 2;                      /* partner, 20 bytes */
    frame[37] = below(f, 8) ? 20 : below(f, 256);
    return below(f, 8) ? 124 : 15 + below(f, 109);
}

static size_t make_segment(Fuzzer *f, uint8_t *frame)
{
    size_t length = 54 + below(f, 1460);

    frame_make(frame, below(f, 2) ? UINT64_C(0xffffffffffff) : random64(f),
               UINT64_C(0x020000000001), 0x0800, 0);
    fill_random(f, frame + 14, 40);
    memset(frame + 54, 0, length - 54);
    frame[14] = below(f, 8) ? 0x45 : nonsense(f);
    stw_be_p(frame + 16, below(f, 8) ? length - 14 : nonsense(f));
    frame[23] = below(f, 8) ? 6 : 17;
    frame[46] = below(f, 8) ? 0x50 : nonsense(f);
    return length;
}

static void bring_frames(Fuzzer *f)
{
    uint8_t frame[LARGEST];
    unsigned wire = below(f, WIRES), n = 1 + below(f, 8);
    size_t length;

    for (unsigned i = 0; i < n; i++) {
        switch (below(f, 4)) {
        case 0:
            length = make_lacp(f, frame);
            break;
        case 1:
            length = below(f, 8) ? below(f, 64) : below(f, LARGEST);
            fill_random(f, frame, length);
            break;
        default:
            length = make_segment(f, frame);
            break;
        }
        wire_send(f->m, wire, frame, length);
    }
}

/* --- what happens ------------------------------------------------------ */

static const unsigned sizes[] = { 1, 2, 4, 64, 256, 512, 1024, 3, 0, 32768 };

/* Without this most accesses would soon find nobody. */
static void start_driver(Fuzzer *f)
{
    QNic *q = some_function(f);
    QVirtioDevice *vdev = &q->dev->vdev;
    uint64_t offered;

    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    offered = qvirtio_get_features(vdev);
    q->features = below(f, 2) ? offered : offered & random64(f);
    q->features |= 1ull << VIRTIO_F_VERSION_1;
    if (below(f, 8) == 0) {
        q->features |= nonsense(f);
    }
    /* not qvirtio_set_features(): the card may not like them */
    for (unsigned i = 0; i < 2; i++) {
        write_register(f, q, q->dev->common_cfg_offset +
                       offsetof(struct virtio_pci_common_cfg,
                                guest_feature_select), i, 4);
        write_register(f, q, q->dev->common_cfg_offset +
                       offsetof(struct virtio_pci_common_cfg, guest_feature),
                       q->features >> 32 * i, 4);
    }
    write_register(f, q, q->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, device_status),
                   0xb, 1);
    q->entries = below(f, 4) ? 64 : MAX(sizes[below(f, 7)], 8);
    q->n_queues = 9;
    for (unsigned i = 0; i < q->n_queues; i++) {
        qnic_set_up_queue(q, i, below(f, 16) ? q->entries
                                : sizes[below(f, G_N_ELEMENTS(sizes))]);
    }
    write_register(f, q, q->dev->common_cfg_offset +
                   offsetof(struct virtio_pci_common_cfg, device_status),
                   0xf, 1);
    for (unsigned i = 0; i < 8; i += 2) {
        qnic_post_receive(q, i, q->entries);
        qnic_notify(q, i);
    }
}

static void access_something(Fuzzer *f)
{
    unsigned what = below(f, 100);

    if (what < 6) {
        write_common(f);
    } else if (what < 10) {
        write_configuration(f);
    } else if (what < 25) {
        ring_doorbell(f);
    } else if (what < 50) {
        post_nonsense(f);
    } else if (what < 60) {
        post_packet(f);
    } else if (what < 70) {
        post_control(f);
    } else if (what < 80) {
        use_mailbox(f);
    } else {
        bring_frames(f);
    }
}

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
            start_driver(&f);
        }
        access_something(&f);
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
