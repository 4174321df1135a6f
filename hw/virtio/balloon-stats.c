/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: statistics of the guest's memory
 *
 * The driver puts one buffer into the statistics queue and fills it again
 * each time it gets it back (virtio 1.2, section 5.5.6.3).  So asking is
 * returning the buffer.  The properties are those of QEMU's balloon, for the
 * tools that know it.
 */
#include "qemu/osdep.h"
#include "hw/virtio/balloon.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "hw/trace.h"

/* struct virtio_balloon_stat, packed: le16 tag, le64 val. */
#define STAT_BYTES 10

/* Keys of "stats" in the property guest-stats, by tag. */
static const char *const stat_names[] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
    [VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
    [VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
    [VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
    [VIRTIO_BALLOON_S_OOM_KILL] = "stat-oom-kills",
    [VIRTIO_BALLOON_S_ALLOC_STALL] = "stat-alloc-stalls",
    [VIRTIO_BALLOON_S_ASYNC_SCAN] = "stat-async-scans",
    [VIRTIO_BALLOON_S_DIRECT_SCAN] = "stat-direct-scans",
    [VIRTIO_BALLOON_S_ASYNC_RECLAIM] = "stat-async-reclaims",
    [VIRTIO_BALLOON_S_DIRECT_RECLAIM] = "stat-direct-reclaims",
};
G_STATIC_ASSERT(G_N_ELEMENTS(stat_names) == VIRTIO_BALLOON_S_NR);

void balloon_stats_schedule(SunderBalloon *b)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);

    if (b->stats_interval_s) {
        timer_mod(b->stats_timer, now + b->stats_interval_s * 1000ll);
    } else {
        timer_del(b->stats_timer);
    }
}

static void return_buffer(SunderBalloon *b)
{
    virtqueue_push(b->stats_vq, b->stats_element, 0);
    virtio_notify(VIRTIO_DEVICE(b), b->stats_vq);
    g_clear_pointer(&b->stats_element, g_free);
}

static void ask(void *opaque)
{
    SunderBalloon *b = opaque;

    if (b->stats_element) {
        return_buffer(b);
    } else {
        balloon_stats_schedule(b);
    }
}

static void take_stat(SunderBalloon *b, const uint8_t *stat)
{
    uint16_t tag = lduw_le_p(stat);

    if (tag < VIRTIO_BALLOON_S_NR) {
        b->stats[tag] = ldq_le_p(stat + 2);
    }
}

static void take_report(SunderBalloon *b)
{
    VirtQueueElement *e = b->stats_element;
    uint8_t stat[STAT_BYTES];

    memset(b->stats, 0xff, sizeof(b->stats));
    /* a buffer of any size: more than two of each tag tell nothing new */
    for (unsigned i = 0; i < 2 * VIRTIO_BALLOON_S_NR; i++) {
        if (iov_to_buf(e->out_sg, e->out_num, i * STAT_BYTES, stat,
                       STAT_BYTES) != STAT_BYTES) {
            break;
        }
        take_stat(b, stat);
    }
    b->stats_updated_s = g_get_real_time() / G_USEC_PER_SEC;
    trace_sunder_balloon_stats(b->id, b->stats[VIRTIO_BALLOON_S_MEMFREE]);
}

void balloon_handle_stats(VirtIODevice *vdev, VirtQueue *vq)
{
    SunderBalloon *b = SUNDER_BALLOON(vdev);
    VirtQueueElement *e = virtqueue_pop(vq, sizeof(*e));

    if (!e) {
        return;
    }
    if (b->stats_element) {
        /* one buffer is all that the driver may have here */
        return_buffer(b);
    }
    b->stats_element = e;
    if (!b->stats_read) {
        take_report(b);
    }
    b->stats_read = false;
    balloon_stats_schedule(b);
}

void balloon_stats_detach(SunderBalloon *b)
{
    if (b->stats_element) {
        virtqueue_detach_element(b->stats_vq, b->stats_element, 0);
        g_clear_pointer(&b->stats_element, g_free);
    }
    b->stats_read = false;
}

/* A saved state knows no buffer that we have: it is in the queue again. */
void balloon_stats_stop(SunderBalloon *b)
{
    if (b->stats_element) {
        virtqueue_unpop(b->stats_vq, b->stats_element, 0);
        g_clear_pointer(&b->stats_element, g_free);
        b->stats_read = true;
    }
}

void balloon_stats_resume(SunderBalloon *b)
{
    if (!b->stats_element && !virtio_queue_empty(b->stats_vq)) {
        balloon_handle_stats(VIRTIO_DEVICE(b), b->stats_vq);
    }
}

void balloon_stats_clear(SunderBalloon *b)
{
    memset(b->stats, 0xff, sizeof(b->stats));
    b->stats_updated_s = 0;
}

static void visit_stats(SunderBalloon *b, Visitor *v, Error **errp)
{
    bool ok = visit_start_struct(v, "stats", NULL, 0, errp);

    if (!ok) {
        return;
    }
    for (unsigned i = 0; ok && i < VIRTIO_BALLOON_S_NR; i++) {
        ok = visit_type_uint64(v, stat_names[i], &b->stats[i], errp);
    }
    if (ok) {
        visit_check_struct(v, errp);
    }
    visit_end_struct(v, NULL);
}

static void get_stats(Object *obj, Visitor *v, const char *name,
                      void *opaque, Error **errp)
{
    SunderBalloon *b = SUNDER_BALLOON(obj);
    ERRP_GUARD();

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    if (visit_type_int(v, "last-update", &b->stats_updated_s, errp)) {
        visit_stats(b, v, errp);
    }
    if (!*errp) {
        visit_check_struct(v, errp);
    }
    visit_end_struct(v, NULL);
}

static void get_interval(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    int64_t value = SUNDER_BALLOON(obj)->stats_interval_s;

    visit_type_int(v, name, &value, errp);
}

static void set_interval(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    SunderBalloon *b = SUNDER_BALLOON(obj);
    int64_t value;

    if (!visit_type_int(v, name, &value, errp)) {
        return;
    }
    if (value < 0 || value > UINT32_MAX) {
        error_setg(errp, "%s: %s: %" PRId64 " is no number of seconds: "
                   "expected 0 (off) to %u", b->id ?: TYPE_SUNDER_BALLOON,
                   name, value, UINT32_MAX);
        return;
    }
    b->stats_interval_s = value;
    if (!b->stats_timer) {
        return;
    }
    if (value) {
        timer_mod(b->stats_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL));
    } else {
        timer_del(b->stats_timer);
    }
}

void balloon_stats_instance_init(Object *obj)
{
    object_property_add(obj, "guest-stats", "guest statistics", get_stats,
                        NULL, NULL, NULL);
    object_property_add(obj, "guest-stats-polling-interval", "int",
                        get_interval, set_interval, NULL, NULL);
}

void balloon_stats_realize(SunderBalloon *b)
{
    b->stats_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, ask, b);
    balloon_stats_clear(b);
    balloon_stats_schedule(b);
}

void balloon_stats_unrealize(SunderBalloon *b)
{
    balloon_stats_detach(b);
    g_clear_pointer(&b->stats_timer, timer_free);
}
