/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: a virtio balloon that sweeps
 *
 * A virtio balloon (virtio 1.2, section 5.5) for the stock driver, with two
 * differences from QEMU's: what the driver gives up goes back to the host in
 * whole super pages, and the driver's first request after an inflate
 * command starts a sweep through all of the guest's memory (hw/mem).
 *
 * Concepts
 *
 * Target: pages that the host wants in the balloon (QMP balloon).  What the
 *   driver is shown in num_pages may differ: the target is kept from it by a
 *   fault, or swept memory counts towards it (credit).
 * Request: an element of the inflate or the deflate queue: page numbers.
 * Account: which pages are in the balloon, and which of these the host has
 *   got back (target-models/balloon).  Pages that do not fill a super page are
 *   held for GIVE_DELAY_MS or until the driver has reached what it was shown.
 *   A driver that has not accepted MUST_TELL_HOST may use a page again before
 *   it says so: nothing is held then.
 * Waiting request: the request that started a sweep.  It is answered when
 *   the sweep is over, and in any case after sweep-hold milliseconds.  It never
 *   outlives a stop of the machine, a reset or the device.
 *
 * Free page hinting (feature 3) is not offered: it serves a migration only, and
 * hands over pages that the guest may have taken back meanwhile.
 *
 * Everything here runs under the big QEMU lock.
 */
#ifndef SUNDER_HW_VIRTIO_BALLOON_H
#define SUNDER_HW_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"
#include "qapi/qapi-types-sunder.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "hw/fault/fault.h"
#include "hw/mem/sweeper.h"
#include "target-models/balloon/balloon.h"

#define TYPE_SUNDER_BALLOON "sunder-balloon-device"
OBJECT_DECLARE_SIMPLE_TYPE(SunderBalloon, SUNDER_BALLOON)

/* A model's state as bytes, while it is saved or loaded. */
typedef struct BalloonBytes {
    uint32_t size;
    uint8_t *data;
} BalloonBytes;

struct SunderBalloon {
    VirtIODevice parent_obj;
    char *id;                   /* how messages and points call it */

    /* properties */
    uint32_t host_features;
    SunderSweepWhen when;
    uint32_t period_ms;
    uint32_t hold_ms;
    uint64_t pattern;
    uint64_t min_run;           /* bytes */
    bool credit;
    bool hugetlb;
    char *guard_name;
    SunderSweepGuard guard;

    VirtQueue *inflate_vq;
    VirtQueue *deflate_vq;
    VirtQueue *stats_vq;
    VirtQueue *report_vq;       /* NULL without free-page-reporting */

    /* in pages */
    uint32_t target;
    uint32_t shown;             /* num_pages as the driver reads it */
    uint32_t actual;            /* as the driver says */
    uint32_t poison;            /* poison_val */
    bool withheld;              /* the driver was not shown the target */

    /* balloon-request.c */
    BalloonPages *pages;
    BalloonBytes pages_state;
    QEMUTimer *give_timer;
    QEMUBH *request_bh;         /* looks into all queues again */
    bool refused;               /* pages wait because of an inhibition */

    /* balloon-stats.c */
    uint64_t stats[VIRTIO_BALLOON_S_NR];
    int64_t stats_updated_s;    /* host time of the last report; 0: never */
    uint32_t stats_interval_s;  /* 0: nobody asks */
    VirtQueueElement *stats_element;
    bool stats_read;            /* the buffer in the queue is known already */
    QEMUTimer *stats_timer;

    /* balloon-sweep.c */
    SunderSweeper *sweeper;
    bool sweep_wanted;          /* by the next inflate request */
    VirtQueueElement *waiting;
    QEMUBH *start_bh;
    QEMUTimer *hold_timer;
    QEMUTimer *period_timer;

    FaultPoint *sweep_point;
    FaultPoint *driver_point;
};

/* The machine's balloon; NULL when there is none. */
SunderBalloon *sunder_balloon(void);

/* Bytes of memory that the balloon can ask for. */
uint64_t sunder_balloon_memory(void);

/* The driver sees the target, in num_pages. */
void balloon_show_target(SunderBalloon *b);

/* --- balloon-request.c: inflate, deflate, report ----------------------- */

void balloon_request_realize(SunderBalloon *b);
void balloon_request_unrealize(SunderBalloon *b);

/* Handlers of the queues. */
void balloon_handle_inflate(VirtIODevice *vdev, VirtQueue *vq);
void balloon_handle_deflate(VirtIODevice *vdev, VirtQueue *vq);
void balloon_handle_report(VirtIODevice *vdev, VirtQueue *vq);

/* Answers a request and frees it. */
void balloon_answer(SunderBalloon *b, VirtQueue *vq, VirtQueueElement *e);

/* Give back what is held, single pages too. */
void balloon_give_held(SunderBalloon *b);

/* The machine runs again, perhaps somewhere else. */
void balloon_request_resume(SunderBalloon *b);

/* The driver is gone, and with it what it had in its balloon. */
void balloon_request_reset(SunderBalloon *b);

/*
 * Whether discarding memory is safe at all just now; if not, @errp says what
 * stands in the way.
 */
bool balloon_may_discard(Error **errp);

/* --- balloon-sweep.c --------------------------------------------------- */

/*
 * Linux reports a task as hung that waits for 120 s, and holds a lock
 * meanwhile that it needs to get memory out of the balloon.
 */
#define BALLOON_HOLD_MAX_MS 60000

bool balloon_sweep_realize(SunderBalloon *b, Error **errp);
void balloon_sweep_unrealize(SunderBalloon *b);

/* A target was set: one above what the driver has (@inflate) or not. */
void balloon_sweep_command(SunderBalloon *b, bool inflate);

/*
 * Whether @e, whose pages are in the account, waits for a sweep; the answer
 * comes by itself then.
 */
bool balloon_sweep_keep(SunderBalloon *b, VirtQueueElement *e);

/* A request as the properties say: of a command, for all and without limit. */
SunderSweepRequest balloon_sweep_request(SunderBalloon *b);

/* Starts a sweep; SUNDER_BALLOON_SWEPT tells of its end. */
bool balloon_sweep_start(SunderBalloon *b, SunderSweepRequest *request,
                         Error **errp);

/* The machine stops: the sweep is cancelled, the request answered. */
void balloon_sweep_stop(SunderBalloon *b);

/* The driver forgets the request. */
void balloon_sweep_detach(SunderBalloon *b);

/* The machine's reset: what was taken is nobody's any more. */
void balloon_sweep_forget(SunderBalloon *b);

/* --- balloon-fault.c --------------------------------------------------- */

bool balloon_fault_realize(SunderBalloon *b, Error **errp);
void balloon_fault_unrealize(SunderBalloon *b);

/* A sweep starts: what its rules do to it. */
void balloon_fault_sweep(SunderBalloon *b, SunderSweepRequest *request);

/* A target was set: whether the driver does not see it. */
bool balloon_fault_withholds(SunderBalloon *b);

/* An inflate request: whether it names the pages from *first on instead. */
bool balloon_fault_lies(SunderBalloon *b, uint32_t *first);

/* --- balloon-stats.c --------------------------------------------------- */

void balloon_stats_instance_init(Object *obj);
void balloon_stats_realize(SunderBalloon *b);
void balloon_stats_unrealize(SunderBalloon *b);
void balloon_handle_stats(VirtIODevice *vdev, VirtQueue *vq);

/* The driver's reset; the machine's. */
void balloon_stats_detach(SunderBalloon *b);
void balloon_stats_clear(SunderBalloon *b);

/* The machine stops, or runs again. */
void balloon_stats_stop(SunderBalloon *b);
void balloon_stats_resume(SunderBalloon *b);

/* Starts or stops the timer for stats_interval_s. */
void balloon_stats_schedule(SunderBalloon *b);

/* --- balloon-vmstate.c ------------------------------------------------- */

extern const VMStateDescription vmstate_sunder_balloon;
extern const VMStateDescription vmstate_sunder_balloon_device;

#endif
