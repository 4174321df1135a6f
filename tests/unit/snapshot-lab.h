/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A storage of a few blocks, its snapshots with their stores, and tasks
 * (writers, copiers, readers) that go on one step at a time in any order.
 * The frozen content of each snapshot is kept aside, and compared.
 */
#ifndef SUNDER_TEST_SNAPSHOT_LAB_H
#define SUNDER_TEST_SNAPSHOT_LAB_H

#include "target-models/snapshot/snapshot.h"

#define LAB_BLOCK       512
#define LAB_CELL        256             /* what is written at a time */
#define LAB_MAX_CELLS   64
#define LAB_MAX_TASKS   12
#define LAB_MAX_SNAPS   64              /* in the life of a lab */

typedef struct Lab Lab;

typedef struct LabSnap {
    Snap *snap;                 /* NULL: it was released */
    bool wanted;                /* it is to be right */
    unsigned cells;
    uint32_t frozen[LAB_MAX_CELLS];
    uint32_t store[LAB_MAX_CELLS];
} LabSnap;

typedef enum LabTaskKind {
    LAB_NONE,
    LAB_WRITER,                 /* asks, copies or waits, then writes */
    LAB_RESIZER,                /* the same, then shrinks */
    LAB_COPIER,                 /* has a claim */
    LAB_READER,
} LabTaskKind;

typedef struct LabTask {
    LabTaskKind kind;
    SnapClaim claim;            /* copiers and readers */
    SnapClaim *waits_for;       /* writers */
    bool goes;                  /* writers: SNAP_GO was given */
    unsigned at, first, end;    /* cells */
    uint32_t value;
    uint32_t buffer[LAB_MAX_CELLS];
} LabTask;

struct Lab {
    SnapStorage *storage;
    unsigned cells;
    uint32_t now[LAB_MAX_CELLS];
    LabSnap snaps[LAB_MAX_SNAPS];
    unsigned n_snaps;
    LabTask tasks[LAB_MAX_TASKS];
    uint32_t next_value;
    uint64_t random;            /* state */
    unsigned failures;          /* of stores, in percent */
    uint64_t copies;            /* that ended well, cells */
    unsigned reads;             /* that were compared */
};

void lab_open(Lab *lab, unsigned cells, uint64_t seed);
void lab_close(Lab *lab);

/* Returns: a number below @n. */
unsigned lab_random(Lab *lab, unsigned n);

/* Begins a snapshot; no writer must be under way. */
LabSnap *lab_begin(Lab *lab);
bool lab_write_is_under_way(const Lab *lab);

/* Start tasks; false when there is no room for another. */
bool lab_start_writer(Lab *lab, unsigned first, unsigned count);
bool lab_start_resizer(Lab *lab, unsigned cells);
bool lab_start_background(Lab *lab, LabSnap *snap);
bool lab_start_reader(Lab *lab, LabSnap *snap, unsigned first,
                      unsigned count);

/* One task goes one step further; false: none can. */
bool lab_step(Lab *lab);

/* All tasks go on until they are through; false: some never are. */
bool lab_finish(Lab *lab);

void lab_grow(Lab *lab, unsigned cells);

/* The process dies and another resumes with the maps as they are. */
void lab_crash(Lab *lab);

/* Every snapshot that is wanted and not broken is as it was: asserted. */
void lab_check(Lab *lab);

#endif
