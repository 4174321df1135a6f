/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "balloon-driver.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qobject/qjson.h"
#include "libqos/pci-pc.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

/* A queue's rings: each part has room for 1024 entries. */
#define RING(queue)   (1 * MiB + (queue) * 0x20000)
#define AVAIL(queue)  (RING(queue) + 0x8000)
#define USED(queue)   (RING(queue) + 0x10000)

#define ENTRIES 32
#define PFNS_IN_REQUEST 256

#define POLL_US 1000
#define WAIT_LIMIT_US (60 * G_USEC_PER_SEC)

#define COMMON(b, field) \
    ((b)->dev->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

static void write_common16(QBalloon *b, unsigned offset, uint16_t value)
{
    qpci_io_writew(b->dev->pdev, b->dev->bar, offset, value);
}

static void write_common64(QBalloon *b, unsigned offset, uint64_t value)
{
    qpci_io_writel(b->dev->pdev, b->dev->bar, offset, value);
    qpci_io_writel(b->dev->pdev, b->dev->bar, offset + 4, value >> 32);
}

static void set_up_queue(QBalloon *b, unsigned queue)
{
    qtest_memset(b->qts, RING(queue), 0, 0x20000);
    b->posted[queue] = 0;
    b->seen[queue] = 0;
    write_common16(b, COMMON(b, queue_select), queue);
    write_common16(b, COMMON(b, queue_size), ENTRIES);
    write_common64(b, COMMON(b, queue_desc_lo), RING(queue));
    write_common64(b, COMMON(b, queue_avail_lo), AVAIL(queue));
    write_common64(b, COMMON(b, queue_used_lo), USED(queue));
    write_common16(b, COMMON(b, queue_enable), 1);
}

static void find_device(QBalloon *b, QTestState *qts)
{
    QPCIAddress address = { .devfn = BALLOON_DEVFN };

    b->qts = qts;
    b->bus = qpci_new_pc(qts, NULL);
    b->dev = virtio_pci_new(b->bus, &address);
    g_assert_nonnull(b->dev);
    qvirtio_pci_device_enable(b->dev);
}

static void negotiate(QBalloon *b)
{
    QVirtioDevice *vdev = &b->dev->vdev;
    uint64_t offered;

    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    offered = qvirtio_get_features(vdev) & ~QVIRTIO_F_BAD_FEATURE &
              ~(1ull << VIRTIO_RING_F_EVENT_IDX);
    b->features = offered & (b->features | ~0x3full);
    qvirtio_set_features(vdev, b->features);
    for (unsigned i = 0; i < Q_REPORT; i++) {
        set_up_queue(b, i);
    }
    if (b->features & F_REPORTING) {
        set_up_queue(b, Q_REPORT);
    }
    qvirtio_set_driver_ok(vdev);
}

void qballoon_start(QBalloon *b, QTestState *qts, uint64_t features)
{
    find_device(b, qts);
    b->features = features;
    negotiate(b);
}

void qballoon_adopt(QBalloon *b, QTestState *qts)
{
    find_device(b, qts);
    b->dev->vdev.features = b->features;
    b->dev->vdev.features_negotiated = true;
}

void qballoon_leave(QBalloon *b)
{
    g_free(b->dev->pdev);
    g_free(b->dev);
    qpci_free_pc(b->bus);
}

void qballoon_reset(QBalloon *b)
{
    negotiate(b);
}

QTestState *qballoon_machine(QBalloon *b, const char *properties,
                             const char *options)
{
    QTestState *qts = qtest_initf(BALLOON_MACHINE BALLOON_DEVICE "%s %s",
                                  properties, options);

    qballoon_start(b, qts, F_ALL);
    return qts;
}

QTestState *qballoon_private_file_machine(QBalloon *b, const char *properties)
{
    g_autofree char *path = g_strdup("/tmp/sunder-balloon-XXXXXX");
    int fd = g_mkstemp(path);
    g_autofree char *options =
        g_strdup_printf("-object memory-backend-file,id=m,size=128M,"
                        "mem-path=%s,share=off -machine memory-backend=m",
                        path);
    QTestState *qts;

    g_assert_cmpint(ftruncate(fd, BALLOON_MEMORY), ==, 0);
    qts = qballoon_machine(b, properties, options);
    close(fd);
    unlink(path);
    return qts;
}

bool qballoon_has_huge_pages(void)
{
    g_autofree char *text = NULL;
    unsigned wanted = BALLOON_MEMORY / SUPER_PAGE;

    if (!g_file_get_contents("/sys/kernel/mm/hugepages/hugepages-2048kB/"
                             "free_hugepages", &text, NULL, NULL) ||
        atoi(text) < wanted) {
        g_autofree char *why =
            g_strdup_printf("this host has no %u free huge pages of 2 MiB",
                            wanted);

        g_test_skip(why);
        return false;
    }
    return true;
}

void qballoon_end(QBalloon *b)
{
    QTestState *qts = b->qts;

    qballoon_leave(b);
    qtest_quit(qts);
}

uint32_t qballoon_config(QBalloon *b, unsigned offset)
{
    return qvirtio_config_readl(&b->dev->vdev, offset);
}

void qballoon_set_config(QBalloon *b, unsigned offset, uint32_t value)
{
    qpci_io_writel(b->dev->pdev, b->dev->bar,
                   b->dev->device_cfg_offset + offset, value);
}

static void notify(QBalloon *b, unsigned queue)
{
    qpci_io_writew(b->dev->pdev, b->dev->bar,
                   b->dev->notify_cfg_offset +
                   queue * b->dev->notify_off_multiplier, queue);
}

/*
 * Each buffer chain begins at the descriptor that follows from its number; no
 * test has more than one long chain in the ring.
 */
void qballoon_post(QBalloon *b, unsigned queue, const QBuffer *buffers,
                   unsigned n)
{
    uint16_t head = n == 1 ? b->posted[queue] % ENTRIES : 0;

    for (unsigned i = 0; i < n; i++) {
        struct vring_desc desc = {
            .addr = cpu_to_le64(buffers[i].address),
            .len = cpu_to_le32(buffers[i].length),
            .flags = cpu_to_le16(
                (buffers[i].device_writes ? VRING_DESC_F_WRITE : 0) |
                (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
            .next = cpu_to_le16(head + i + 1),
        };

        qtest_memwrite(b->qts, RING(queue) + (head + i) * sizeof(desc),
                       &desc, sizeof(desc));
    }
    qtest_writew(b->qts,
                 AVAIL(queue) + 4 + 2 * (b->posted[queue] % ENTRIES), head);
    b->posted[queue]++;
    qtest_writew(b->qts, AVAIL(queue) + 2, b->posted[queue]);
    notify(b, queue);
}

bool qballoon_is_used(QBalloon *b, unsigned queue)
{
    if (qtest_readw(b->qts, USED(queue) + 2) == b->seen[queue]) {
        return false;
    }
    b->seen[queue]++;
    return true;
}

void qballoon_wait(QBalloon *b, unsigned queue)
{
    gint64 end = g_get_monotonic_time() + WAIT_LIMIT_US;

    while (!qballoon_is_used(b, queue)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(POLL_US);
    }
}

void qballoon_post_pfns(QBalloon *b, unsigned queue, const uint32_t *pfns,
                        unsigned n)
{
    QBuffer buffer = { DRIVER_BUFFER + queue * MiB, n * sizeof(*pfns) };

    qtest_memwrite(b->qts, buffer.address, pfns, buffer.length);
    qballoon_post(b, queue, &buffer, 1);
}

void qballoon_send_pfns(QBalloon *b, unsigned queue, const uint32_t *pfns,
                        unsigned n)
{
    qballoon_post_pfns(b, queue, pfns, n);
    qballoon_wait(b, queue);
}

void qballoon_send(QBalloon *b, unsigned queue, uint64_t start,
                   uint64_t length)
{
    uint32_t pfns[PFNS_IN_REQUEST];
    uint64_t at = start + length;

    while (at > start) {
        unsigned n = 0;

        while (at > start && n < PFNS_IN_REQUEST) {
            at -= 4096;
            pfns[n++] = at / 4096;
        }
        qballoon_send_pfns(b, queue, pfns, n);
    }
}

void qballoon_set_target(QBalloon *b, uint64_t keep)
{
    qtest_qmp_assert_success(b->qts, "{ 'execute': 'balloon',"
                             "  'arguments': { 'value': %" PRIu64 " } }",
                             keep);
}

QDict *qballoon_info(QBalloon *b)
{
    return qtest_qmp_assert_success_ref(
        b->qts, "{ 'execute': 'query-sunder-balloon' }");
}

uint64_t qballoon_number(QBalloon *b, const char *key)
{
    QDict *info = qballoon_info(b);
    uint64_t value = qdict_get_int(info, key);

    qobject_unref(info);
    return value;
}

uint64_t qballoon_resident(QBalloon *b)
{
    return qballoon_number(b, "resident");
}

char *qmp_error(QTestState *qts, const char *command, ...)
{
    va_list ap;
    QDict *answer, *error;
    char *text;

    va_start(ap, command);
    answer = qtest_vqmp(qts, command, ap);
    va_end(ap);
    error = qdict_get_qdict(answer, "error");
    g_assert_nonnull(error);
    text = g_strdup(qdict_get_str(error, "desc"));
    qobject_unref(answer);
    return text;
}

void qballoon_fill(QBalloon *b, uint64_t start, uint64_t length,
                   uint8_t byte)
{
    qtest_memset(b->qts, start, byte, length);
}

void qballoon_wait_for_byte(QBalloon *b, uint64_t address, uint8_t expected)
{
    gint64 end = g_get_monotonic_time() + WAIT_LIMIT_US;

    while (qtest_readb(b->qts, address) != expected) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(POLL_US);
    }
}

QDict *qballoon_wait_swept(QBalloon *b)
{
    QDict *event = qtest_qmp_eventwait_ref(b->qts, "SUNDER_BALLOON_SWEPT");
    QDict *data = qdict_get_qdict(event, "data");
    QDict *sweep = qdict_get_qdict(data, "sweep");

    qobject_ref(sweep);
    qobject_unref(event);
    return sweep;
}

QDict *qballoon_sweep(QBalloon *b, const char *arguments)
{
    g_autofree char *text = g_strdup_printf("{ %s }", arguments);
    QObject *object = qobject_from_json(text, &error_abort);

    qtest_qmp_assert_success(b->qts, "{ 'execute': 'sunder-balloon-sweep',"
                             "  'arguments': %p }", object);
    return qballoon_wait_swept(b);
}
