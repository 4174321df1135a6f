/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sunder-balloon: QMP commands. */
#include "qemu/osdep.h"
#include "hw/virtio/balloon.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"
#include "qemu/timer.h"

/* Entries in one answer of query-sunder-balloon-map. */
#define MAP_LIMIT 1000

/* By bit number (virtio 1.2, section 5.5.3). */
static const char *const feature_names[] = {
    [VIRTIO_BALLOON_F_MUST_TELL_HOST] = "must-tell-host",
    [VIRTIO_BALLOON_F_STATS_VQ] = "stats-vq",
    [VIRTIO_BALLOON_F_DEFLATE_ON_OOM] = "deflate-on-oom",
    [VIRTIO_BALLOON_F_FREE_PAGE_HINT] = "free-page-hint",
    [VIRTIO_BALLOON_F_PAGE_POISON] = "page-poison",
    [VIRTIO_BALLOON_F_REPORTING] = "free-page-reporting",
};

static SunderBalloon *the_balloon(Error **errp)
{
    SunderBalloon *b = sunder_balloon();

    if (!b) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "this machine has no sunder-balloon; start it with "
                  "-device sunder-balloon");
    }
    return b;
}

static strList *accepted_features(SunderBalloon *b)
{
    strList *list = NULL;

    for (unsigned bit = G_N_ELEMENTS(feature_names); bit; bit--) {
        if (virtio_vdev_has_feature(VIRTIO_DEVICE(b), bit - 1)) {
            QAPI_LIST_PREPEND(list, g_strdup(feature_names[bit - 1]));
        }
    }
    return list;
}

static uint64_t kept(uint32_t pages)
{
    uint64_t memory = sunder_balloon_memory();

    return memory - MIN(memory, (uint64_t)pages << BALLOON_PAGE_SHIFT);
}

static char *inhibition(SunderBalloon *b)
{
    SunderSweepRequest request = balloon_sweep_request(b);
    g_autoptr(Error) error = NULL;

    return sunder_sweeper_inhibited(b->sweeper, &request, &error)
           ? g_strdup(error_get_pretty(error)) : NULL;
}

SunderBalloonInfo *qmp_query_sunder_balloon(Error **errp)
{
    SunderBalloon *b = the_balloon(errp);
    SunderBalloonInfo *info;
    SunderSweepMemory memory;

    if (!b) {
        return NULL;
    }
    memory = sunder_sweeper_memory(b->sweeper);
    info = g_new0(SunderBalloonInfo, 1);
    info->id = g_strdup(b->id);
    info->memory = sunder_balloon_memory();
    info->target = kept(b->target);
    info->actual = kept(b->actual);
    info->ballooned = balloon_pages_count(b->pages) << BALLOON_PAGE_SHIFT;
    info->swept = memory.swept;
    info->came_back = memory.came_back;
    info->resident = memory.resident;
    info->when = b->when;
    info->period_ns = b->when == SUNDER_SWEEP_WHEN_PERIODIC
                      ? (uint64_t)b->period_ms * SCALE_MS : 0;
    info->pattern = b->pattern;
    info->credit = b->credit;
    info->features = accepted_features(b);
    info->inhibited = inhibition(b);
    info->sweeps = sunder_sweeper_count(b->sweeper);
    info->last = sunder_sweeper_status(b->sweeper);
    return info;
}

SunderBalloonMappingList *qmp_query_sunder_balloon_map(bool has_start,
                                                       uint64_t start,
                                                       bool has_limit,
                                                       uint32_t limit,
                                                       Error **errp)
{
    SunderBalloon *b = the_balloon(errp);

    if (!b) {
        return NULL;
    }
    sunder_sweeper_memory(b->sweeper);
    return sunder_sweeper_map(b->sweeper, has_start ? start : 0,
                              has_limit ? MIN(limit, MAP_LIMIT) : MAP_LIMIT);
}

SunderSweep *qmp_sunder_balloon_sweep(bool has_mode, SunderSweepMode mode,
                                      bool has_limit, uint64_t limit,
                                      Error **errp)
{
    SunderBalloon *b = the_balloon(errp);
    SunderSweepRequest request;

    if (!b) {
        return NULL;
    }
    if (b->when == SUNDER_SWEEP_WHEN_OFF) {
        error_setg(errp, "%s: its property sweep is off; start it with "
                   "sweep=inflate, manual or periodic", b->id);
        return NULL;
    }
    if (has_limit && limit == 0) {
        error_setg(errp, "%s: limit is 0, expected the bytes to take at "
                   "most; leave it out for no limit, or use mode count",
                   b->id);
        return NULL;
    }
    request = balloon_sweep_request(b);
    request.mode = has_mode ? mode : SUNDER_SWEEP_MODE_ALL;
    request.limit = has_limit ? limit : 0;
    if (!balloon_sweep_start(b, &request, errp)) {
        return NULL;
    }
    return sunder_sweeper_status(b->sweeper);
}
