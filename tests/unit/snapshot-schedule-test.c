/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots: random schedules of writes, discards (which are writes),
 * resizes, background copies, readers, failing stores, breaks, cancels and
 * crashes, against frozen copies.  SCHEDULES in the environment sets how
 * many; the one that fails is named by its seed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "snapshot-lab.h"

#define SCHEDULES 100000

static unsigned schedules(void)
{
    const char *s = getenv("SCHEDULES");

    return s ? strtoul(s, NULL, 10) : SCHEDULES;
}

static LabSnap *any_snap(Lab *lab)
{
    return lab->n_snaps ? &lab->snaps[lab_random(lab, lab->n_snaps)] : NULL;
}

static void begin(Lab *lab)
{
    if (!lab_write_is_under_way(lab) && lab->n_snaps < LAB_MAX_SNAPS) {
        LabSnap *s = lab_begin(lab);

        if (s && lab_random(lab, 2)) {
            snap_prefer(s->snap, lab_random(lab, 3),
                        lab_random(lab, lab->cells + 4) * LAB_CELL,
                        lab_random(lab, lab->cells) * LAB_CELL);
        }
    }
}

static void write_somewhere(Lab *lab)
{
    if (lab->cells) {
        unsigned first = lab_random(lab, lab->cells);
        unsigned most = MIN(lab->cells - first, 12);

        lab_start_writer(lab, first, 1 + lab_random(lab, most));
    }
}

static void resize(Lab *lab)
{
    /* in QEMU the block layer holds writes back meanwhile */
    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        if (lab->tasks[i].kind == LAB_WRITER ||
            lab->tasks[i].kind == LAB_RESIZER) {
            return;
        }
    }
    if (lab_random(lab, 2)) {
        unsigned cells = lab->cells + lab_random(lab, 9);

        lab_grow(lab, MIN(cells, LAB_MAX_CELLS));
    } else if (lab->cells > 1) {
        lab_start_resizer(lab, lab_random(lab, lab->cells - 1) + 1);
    }
}

static void read_some(Lab *lab, LabSnap *s)
{
    if (s && s->cells) {
        unsigned first = lab_random(lab, s->cells);

        lab_start_reader(lab, s, first,
                         1 + lab_random(lab, s->cells - first));
    }
}

static void end(Lab *lab, LabSnap *s, bool cancel)
{
    if (!s || !s->snap) {
        return;
    }
    if (cancel) {
        s->wanted = false;
        snap_cancel(s->snap);
    } else {
        snap_break(s->snap);
    }
}

static void act(Lab *lab)
{
    unsigned dice = lab_random(lab, 100);

    if (dice < 60) {
        lab_step(lab);
    } else if (dice < 72) {
        write_somewhere(lab);
    } else if (dice < 82) {
        LabSnap *s = any_snap(lab);

        if (s) {
            lab_start_background(lab, s);
        }
    } else if (dice < 88) {
        read_some(lab, any_snap(lab));
    } else if (dice < 92) {
        begin(lab);
    } else if (dice < 94) {
        resize(lab);
    } else if (dice < 96) {
        end(lab, any_snap(lab), true);
    } else if (dice < 97) {
        end(lab, any_snap(lab), false);
    } else if (dice < 98) {
        lab_crash(lab);
    }
}

static void copy_all(Lab *lab)
{
    lab->failures = 0;
    for (unsigned i = 0; i < lab->n_snaps; i++) {
        while (lab_start_background(lab, &lab->snaps[i])) {
            cr_assert(lab_finish(lab), "a task waits for ever");
        }
    }
}

static uint64_t run(uint64_t seed)
{
    Lab lab;
    unsigned steps;
    uint64_t reads;

    lab_open(&lab, 1 + seed % LAB_MAX_CELLS, seed);
    lab.failures = seed % 3 ? 0 : 20;
    steps = 20 + lab_random(&lab, 130);
    for (unsigned i = 0; i < steps; i++) {
        act(&lab);
        if (i % 8 == 0) {
            lab_check(&lab);
        }
    }
    cr_assert(lab_finish(&lab), "a task waits for ever");
    lab_check(&lab);
    copy_all(&lab);
    lab_check(&lab);
    for (unsigned i = 0; i < lab.n_snaps; i++) {
        cr_assert(!lab.snaps[i].wanted ||
                  snap_state(lab.snaps[i].snap) != SNAP_COPYING);
    }
    reads = lab.reads;
    lab_close(&lab);
    return reads;
}

static uint64_t current;

static void tell_seed(void)
{
    cr_log_info("last seed %" G_GUINT64_FORMAT, current);
}

Test(snapshot_schedule, every_snapshot_stays_what_it_was, .fini = tell_seed)
{
    unsigned n = schedules();
    uint64_t reads = 0;

    for (current = 1; current <= n; current++) {
        reads += run(current);
    }
    cr_assert_gt(reads, n / 2, "schedules that read nothing prove nothing");
}
