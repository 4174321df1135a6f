/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "saved-state.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

/* A queue's memory, of 1 MiB. */
#define QUEUE(f, q)  (DRIVER_START + (f)->number * DRIVER_SIZE + \
                      (q)->number * MiB)
#define DESCRIPTORS  0
#define AVAILABLE    0x2000
#define USED         0x4000
#define BUFFERS      0x10000

#define POLL_US      200
#define WAIT_US      (30 * G_USEC_PER_SEC)

#define COMMON(f, field) \
    ((f)->dev->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

const uint8_t qnic_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
const uint8_t qnic_outside[6] = { 0x52, 0x54, 0x00, 0x00, 0x02, 0x00 };

void qnic_address(unsigned number, uint8_t address[6])
{
    memcpy(address, "\x52\x54\x00\x00\x01\x00", 6);
    address[5] += number;
}

/* --- the machine ------------------------------------------------------- */

static void make_wires(QNic *nic, GString *args, GString *ports)
{
    for (unsigned i = 0; i < nic->n_wires; i++) {
        int ends[2];

        g_assert_cmpint(socketpair(PF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
        nic->wires[i] = ends[0];
        nic->others[i] = ends[1];
        g_string_append_printf(args, "-netdev socket,id=n%u,fd=%d ", i,
                               ends[1]);
        g_string_append_printf(ports, "%sn%u", i ? ":" : "", i);
    }
}

static void begin(QNic *nic, QTestState *qts)
{
    nic->qts = qts;
    nic->bus = qpci_new_pc(qts, NULL);
}

void qnic_machine(QNic *nic, unsigned n_wires, const char *properties,
                  const char *options)
{
    g_autoptr(GString) args = g_string_new(QNIC_MACHINE);
    g_autoptr(GString) ports = g_string_new(NULL);

    nic->n_wires = n_wires;
    make_wires(nic, args, ports);
    g_string_append_printf(args, "-device sunder-nic,id=nic0,addr=%u.0,"
                           "ports=%s,mac=" QNIC_MAC "%s %s", QNIC_SLOT,
                           ports->str, properties, options);
    nic->args = g_strdup(args->str);
    begin(nic, qtest_init(nic->args));
}

static void end(QNic *nic)
{
    qpci_free_pc(nic->bus);
    qtest_quit(nic->qts);
}

void qnic_end(QNic *nic)
{
    end(nic);
    for (unsigned i = 0; i < nic->n_wires; i++) {
        close(nic->wires[i]);
        close(nic->others[i]);
    }
    g_clear_pointer(&nic->args, g_free);
}

void qnic_migrate(QNic *nic)
{
    g_autofree char *dir = g_dir_make_tmp("nic-migrate-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "state", NULL);

    g_assert_nonnull(dir);
    saved_state_save(nic->qts, path);
    end(nic);
    begin(nic, saved_state_load(nic->args, path));
    unlink(path);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* --- a driver ---------------------------------------------------------- */

static void write_common64(QFunction *f, unsigned offset, uint64_t value)
{
    qpci_io_writel(f->dev->pdev, f->dev->bar, offset, value);
    qpci_io_writel(f->dev->pdev, f->dev->bar, offset + 4, value >> 32);
}

static void start_queue(QFunction *f, QQueue *q, unsigned number)
{
    uint64_t at;

    q->number = number;
    q->posted = q->seen = 0;
    at = QUEUE(f, q);
    qtest_memset(f->nic->qts, at, 0, BUFFERS);
    qpci_io_writew(f->dev->pdev, f->dev->bar, COMMON(f, queue_select),
                   number);
    qpci_io_writew(f->dev->pdev, f->dev->bar, COMMON(f, queue_size),
                   QNIC_ENTRIES);
    write_common64(f, COMMON(f, queue_desc_lo), at + DESCRIPTORS);
    write_common64(f, COMMON(f, queue_avail_lo), at + AVAILABLE);
    write_common64(f, COMMON(f, queue_used_lo), at + USED);
    qpci_io_writew(f->dev->pdev, f->dev->bar, COMMON(f, queue_enable), 1);
}

/* Descriptor i is for buffer i. */
static void write_descriptor(QFunction *f, QQueue *q, unsigned i,
                             uint32_t length, uint16_t flags)
{
    struct vring_desc d = {
        .addr = cpu_to_le64(QUEUE(f, q) + BUFFERS + i * QNIC_BUFFER),
        .len = cpu_to_le32(length),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16((i + 1) % QNIC_ENTRIES),
    };

    qtest_memwrite(f->nic->qts, QUEUE(f, q) + DESCRIPTORS + i * sizeof(d),
                   &d, sizeof(d));
}

static void make_available(QFunction *f, QQueue *q, uint16_t head)
{
    uint64_t at = QUEUE(f, q) + AVAILABLE;

    qtest_writew(f->nic->qts, at + 4 + 2 * (q->posted % QNIC_ENTRIES), head);
    q->posted++;
    qtest_writew(f->nic->qts, at + 2, q->posted);
}

static void notify(QFunction *f, QQueue *q)
{
    qpci_io_writew(f->dev->pdev, f->dev->bar,
                   f->dev->notify_cfg_offset +
                   q->number * f->dev->notify_off_multiplier, q->number);
}

static void fill_receive_ring(QFunction *f)
{
    for (unsigned i = 0; i < QNIC_ENTRIES; i++) {
        write_descriptor(f, &f->rx, i, QNIC_BUFFER, VRING_DESC_F_WRITE);
        make_available(f, &f->rx, i);
    }
    notify(f, &f->rx);
}

static void find_device(QFunction *f)
{
    QPCIAddress address = { .devfn = QPCI_DEVFN(QNIC_SLOT, f->number) };

    f->dev = virtio_pci_new(f->nic->bus, &address);
    g_assert_nonnull(f->dev);
    qvirtio_pci_device_enable(f->dev);
}

static unsigned control_number(QFunction *f)
{
    return f->features & (1ull << VIRTIO_NET_F_MQ)
           ? 2 * qvirtio_config_readw(&f->dev->vdev,
                 offsetof(struct virtio_net_config, max_virtqueue_pairs)) : 2;
}

static void negotiate(QFunction *f)
{
    QVirtioDevice *vdev = &f->dev->vdev;

    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    f->features &= qvirtio_get_features(vdev) & ~QVIRTIO_F_BAD_FEATURE;
    qvirtio_set_features(vdev, f->features);
    start_queue(f, &f->rx, 0);
    start_queue(f, &f->tx, 1);
    if (f->features & (1ull << VIRTIO_NET_F_CTRL_VQ)) {
        start_queue(f, &f->control, control_number(f));
    }
    qvirtio_set_driver_ok(vdev);
    fill_receive_ring(f);
}

void qfunction_start(QFunction *f, QNic *nic, unsigned number,
                     uint64_t features)
{
    f->nic = nic;
    f->number = number;
    f->features = features | (1ull << VIRTIO_F_VERSION_1);
    find_device(f);
    negotiate(f);
}

void qfunction_adopt(QFunction *f)
{
    find_device(f);
    f->dev->vdev.features = f->features;
    f->dev->vdev.features_negotiated = true;
}

void qfunction_leave(QFunction *f)
{
    g_free(f->dev->pdev);
    g_free(f->dev);
}

void qfunction_reset(QFunction *f)
{
    negotiate(f);
}

static uint16_t used_index(QFunction *f, QQueue *q)
{
    return qtest_readw(f->nic->qts, QUEUE(f, q) + USED + 2);
}

/* --- sending ----------------------------------------------------------- */

unsigned qfunction_unsent(QFunction *f)
{
    return (uint16_t)(f->tx.posted - used_index(f, &f->tx));
}

void qfunction_post(QFunction *f, const uint8_t *frame, unsigned length)
{
    uint8_t data[QNIC_HEADER + QNIC_MAX_FRAME] = { 0 };
    unsigned i = f->tx.posted % QNIC_ENTRIES;

    g_assert_cmpint(length, <=, QNIC_MAX_FRAME);
    memcpy(data + QNIC_HEADER, frame, length);
    qtest_memwrite(f->nic->qts, QUEUE(f, &f->tx) + BUFFERS + i * QNIC_BUFFER,
                   data, QNIC_HEADER + length);
    write_descriptor(f, &f->tx, i, QNIC_HEADER + length, 0);
    make_available(f, &f->tx, i);
}

void qfunction_kick(QFunction *f)
{
    notify(f, &f->tx);
}

void qfunction_wait_sent(QFunction *f)
{
    gint64 limit = g_get_monotonic_time() + WAIT_US;

    while (qfunction_unsent(f)) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_usleep(POLL_US);
    }
}

void qfunction_send(QFunction *f, const uint8_t *frame, unsigned length)
{
    qfunction_post(f, frame, length);
    qfunction_kick(f);
    qfunction_wait_sent(f);
}

/* --- receiving --------------------------------------------------------- */

unsigned qfunction_receive_now(QFunction *f, uint8_t frame[QNIC_MAX_FRAME])
{
    struct vring_used_elem e;
    uint64_t at = QUEUE(f, &f->rx);
    unsigned i;

    if (used_index(f, &f->rx) == f->rx.seen) {
        return 0;
    }
    qtest_memread(f->nic->qts, at + USED + 4 +
                  f->rx.seen++ % QNIC_ENTRIES * sizeof(e), &e, sizeof(e));
    i = le32_to_cpu(e.id);
    e.len = le32_to_cpu(e.len);
    g_assert_cmpint(i, <, QNIC_ENTRIES);
    g_assert_cmpint(e.len, >, QNIC_HEADER);
    g_assert_cmpint(e.len, <=, QNIC_HEADER + QNIC_MAX_FRAME);
    qtest_memread(f->nic->qts, at + BUFFERS + i * QNIC_BUFFER + QNIC_HEADER,
                  frame, e.len - QNIC_HEADER);
    make_available(f, &f->rx, i);
    notify(f, &f->rx);
    return e.len - QNIC_HEADER;
}

unsigned qfunction_receive(QFunction *f, uint8_t frame[QNIC_MAX_FRAME])
{
    gint64 limit = g_get_monotonic_time() + WAIT_US;
    unsigned length = 0;

    while (!(length = qfunction_receive_now(f, frame)) &&
           g_get_monotonic_time() < limit) {
        g_usleep(POLL_US);
    }
    return length;
}

/* --- control ----------------------------------------------------------- */

uint8_t qfunction_control(QFunction *f, uint8_t class, uint8_t command,
                          const void *data, unsigned length)
{
    QQueue *q = &f->control;
    uint64_t buffers = QUEUE(f, q) + BUFFERS;
    gint64 limit = g_get_monotonic_time() + WAIT_US;
    uint8_t head[2] = { class, command };

    g_assert_cmpint(length, <=, QNIC_BUFFER - 2);
    qtest_memwrite(f->nic->qts, buffers, head, 2);
    if (length) {
        qtest_memwrite(f->nic->qts, buffers + 2, data, length);
    }
    qtest_writeb(f->nic->qts, buffers + QNIC_BUFFER, 0x55);
    write_descriptor(f, q, 0, 2 + length, VRING_DESC_F_NEXT);
    write_descriptor(f, q, 1, 1, VRING_DESC_F_WRITE);
    make_available(f, q, 0);
    notify(f, q);
    while (used_index(f, q) != q->posted) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_usleep(POLL_US);
    }
    return qtest_readb(f->nic->qts, buffers + QNIC_BUFFER);
}

/* --- wires ------------------------------------------------------------- */

/* A netdev of sockets puts four bytes of length before each frame. */
void qwire_send(QNic *nic, unsigned wire, const uint8_t *frame,
                unsigned length)
{
    uint32_t size = cpu_to_be32(length);
    struct iovec iov[2] = {
        { &size, sizeof(size) }, { (void *)frame, length },
    };

    g_assert_cmpint(writev(nic->wires[wire], iov, 2), ==,
                    sizeof(size) + length);
}

static void read_all(int fd, void *data, size_t length)
{
    uint8_t *at = data;

    while (length) {
        ssize_t n = read(fd, at, length);

        g_assert_cmpint(n, >, 0);
        at += n;
        length -= n;
    }
}

unsigned qwire_receive_now(QNic *nic, unsigned wire,
                           uint8_t frame[QNIC_MAX_FRAME])
{
    int fd = nic->wires[wire];
    GPollFD poll = { .fd = fd, .events = G_IO_IN };
    uint32_t size;

    if (g_poll(&poll, 1, 0) != 1) {
        return 0;
    }
    read_all(fd, &size, sizeof(size));
    size = be32_to_cpu(size);
    g_assert_cmpint(size, <=, QNIC_MAX_FRAME);
    read_all(fd, frame, size);
    return size;
}

unsigned qwire_receive(QNic *nic, unsigned wire,
                       uint8_t frame[QNIC_MAX_FRAME])
{
    GPollFD poll = { .fd = nic->wires[wire], .events = G_IO_IN };

    g_poll(&poll, 1, WAIT_US / 1000);
    return qwire_receive_now(nic, wire, frame);
}

/* --- frames ------------------------------------------------------------ */

#define IP          14
#define UDP         34
#define PAYLOAD     42
#define MAGIC       0x53756e64

/* One's complement sum of the header: RFC 791, 3.1. */
static uint16_t ip_checksum(const uint8_t *header)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < 20; i += 2) {
        sum += lduw_be_p(header + i);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

void qflow_frame(uint8_t frame[QFLOW_LENGTH], const uint8_t destination[6],
                 unsigned flow, uint32_t sequence)
{
    memset(frame, 0, QFLOW_LENGTH);
    memcpy(frame, destination, 6);
    qnic_address(0, frame + 6);
    stw_be_p(frame + 12, 0x0800);
    frame[IP] = 0x45;
    stw_be_p(frame + IP + 2, QFLOW_LENGTH - IP);
    frame[IP + 8] = 64;
    frame[IP + 9] = 17;
    stl_be_p(frame + IP + 12, 0x0a000000 + flow);
    stl_be_p(frame + IP + 16, 0x0a010000 + flow);
    stw_be_p(frame + IP + 10, ip_checksum(frame + IP));
    stw_be_p(frame + UDP, 10000 + flow);
    stw_be_p(frame + UDP + 2, 20000 + flow);
    stw_be_p(frame + UDP + 4, QFLOW_LENGTH - UDP);
    stl_be_p(frame + PAYLOAD, MAGIC);
    stl_be_p(frame + PAYLOAD + 4, flow);
    stl_be_p(frame + PAYLOAD + 8, sequence);
}

bool qflow_read(const uint8_t *frame, unsigned length, unsigned *flow,
                uint32_t *sequence)
{
    if (length < QFLOW_LENGTH || ldl_be_p(frame + PAYLOAD) != MAGIC) {
        return false;
    }
    *flow = ldl_be_p(frame + PAYLOAD + 4);
    *sequence = ldl_be_p(frame + PAYLOAD + 8);
    return true;
}

/* --- QMP --------------------------------------------------------------- */

QDict *qnic_info(QNic *nic)
{
    QDict *answer = qtest_qmp(nic->qts, "{ 'execute': 'query-sunder-nic',"
                              "  'arguments': { 'id': 'nic0' } }");
    QList *cards = qdict_get_qlist(answer, "return");
    QDict *card;

    g_assert_nonnull(cards);
    card = qobject_to(QDict, qlist_peek(cards));
    qobject_ref(card);
    qobject_unref(answer);
    return card;
}

QDict *qnic_element(QDict *info, const char *list, unsigned i)
{
    const QListEntry *entry = qlist_first(qdict_get_qlist(info, list));

    while (entry && i--) {
        entry = qlist_next(entry);
    }
    g_assert_nonnull(entry);
    return qobject_to(QDict, qlist_entry_obj(entry));
}

void qnic_set_link(QNic *nic, const char *name, bool up)
{
    qtest_qmp_assert_success(nic->qts, "{ 'execute': 'set_link',"
                             "  'arguments': { 'name': %s, 'up': %i } }",
                             name, up);
}

char *qnic_error(QNic *nic, const char *command, ...)
{
    va_list ap;
    QDict *answer, *error;
    char *text;

    va_start(ap, command);
    answer = qtest_vqmp(nic->qts, command, ap);
    va_end(ap);
    error = qdict_get_qdict(answer, "error");
    g_assert_nonnull(error);
    text = g_strdup(qdict_get_str(error, "desc"));
    qobject_unref(answer);
    return text;
}
