/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <string.h>

#include "snapshot-lab.h"

static void wake(void *opaque, SnapClaim *claim)
{
    Lab *lab = opaque;

    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        if (lab->tasks[i].waits_for == claim) {
            lab->tasks[i].waits_for = NULL;
        }
    }
}

static void release(void *opaque, Snap *snap)
{
    LabSnap *s = snap_opaque(snap);

    cr_assert_not(s->wanted, "a snapshot that is wanted was released");
    s->snap = NULL;
    memset(s->store, 0xee, sizeof(s->store));
}

static const SnapOperations operations = { wake, release };

/* SplitMix64 */
unsigned lab_random(Lab *lab, unsigned n)
{
    uint64_t z = lab->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

void lab_open(Lab *lab, unsigned cells, uint64_t seed)
{
    memset(lab, 0, sizeof(*lab));
    lab->random = seed;
    lab->cells = cells;
    for (unsigned i = 0; i < cells; i++) {
        lab->now[i] = ++lab->next_value;
    }
    lab->storage = snap_storage_new(LAB_BLOCK, &operations, lab);
}

static void drop_tasks(Lab *lab)
{
    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        LabTask *task = &lab->tasks[i];

        if (task->kind == LAB_COPIER || task->kind == LAB_READER) {
            snap_claim_end(&task->claim, false);
        }
    }
    memset(lab->tasks, 0, sizeof(lab->tasks));
}

void lab_close(Lab *lab)
{
    drop_tasks(lab);
    snap_storage_free(lab->storage);
}

LabSnap *lab_begin(Lab *lab)
{
    LabSnap *s = &lab->snaps[lab->n_snaps];

    s->snap = snap_begin(lab->storage, lab->cells * LAB_CELL, s);
    if (!s->snap) {
        return NULL;
    }
    lab->n_snaps++;
    s->wanted = true;
    s->cells = lab->cells;
    memcpy(s->frozen, lab->now, sizeof(s->frozen));
    memset(s->store, 0xdd, sizeof(s->store));
    return s;
}

bool lab_write_is_under_way(const Lab *lab)
{
    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        if (lab->tasks[i].goes) {
            return true;
        }
    }
    return false;
}

/* Writers leave room for the copiers that they wait for. */
static LabTask *new_task(Lab *lab, bool writer)
{
    unsigned first = writer ? 0 : LAB_MAX_TASKS / 2;

    for (unsigned i = first; i < first + LAB_MAX_TASKS / 2; i++) {
        if (lab->tasks[i].kind == LAB_NONE) {
            return &lab->tasks[i];
        }
    }
    return NULL;
}

static bool start_change(Lab *lab, LabTaskKind kind, unsigned first,
                         unsigned end)
{
    LabTask *task = new_task(lab, true);

    if (task) {
        *task = (LabTask) { .kind = kind, .at = first, .first = first,
                            .end = end, .value = ++lab->next_value };
    }
    return task;
}

bool lab_start_writer(Lab *lab, unsigned first, unsigned count)
{
    return start_change(lab, LAB_WRITER, first, first + count);
}

bool lab_start_resizer(Lab *lab, unsigned cells)
{
    return start_change(lab, LAB_RESIZER, cells, lab->cells);
}

static void become(LabTask *task, LabTaskKind kind, SnapClaim *at)
{
    task->kind = kind;
    task->first = task->at = at->offset / LAB_CELL;
    task->end = (at->offset + at->length) / LAB_CELL;
}

bool lab_start_background(Lab *lab, LabSnap *s)
{
    LabTask *task = new_task(lab, false);

    if (!task || !s->snap ||
        !snap_background(s->snap, (1 + lab_random(lab, 4)) * LAB_BLOCK,
                         &task->claim)) {
        return false;
    }
    become(task, LAB_COPIER, &task->claim);
    return true;
}

bool lab_start_reader(Lab *lab, LabSnap *s, unsigned first, unsigned count)
{
    LabTask *task = new_task(lab, false);

    if (!task || !s->snap ||
        !snap_read(s->snap, first * LAB_CELL, count * LAB_CELL,
                   &task->claim)) {
        return false;
    }
    become(task, LAB_READER, &task->claim);
    return true;
}

/* Reads a cell of what the claim names; then has the whole in its buffer. */
static void fetch(Lab *lab, LabTask *task)
{
    const SnapClaim *claim = &task->claim;
    const LabSnap *source = claim->source ? snap_opaque(claim->source) : NULL;

    task->buffer[task->at] = source ? source->store[task->at]
                                    : lab->now[task->at];
    task->at++;
}

static void step_copier(Lab *lab, LabTask *task)
{
    LabSnap *s = snap_opaque(task->claim.snap);
    bool ok = lab_random(lab, 100) >= lab->failures;

    if (task->at < task->end) {
        fetch(lab, task);
        return;
    }
    for (unsigned i = task->first; i < task->end; i++) {
        /* where it fails, something may have been written */
        if (ok || lab_random(lab, 2)) {
            s->store[i] = ok ? task->buffer[i] : 0xbadbad;
        }
    }
    task->kind = LAB_NONE;
    if (ok && !task->claim.is_void) {
        lab->copies += task->end - task->first;
    }
    snap_claim_end(&task->claim, ok);
}

static void step_reader(Lab *lab, LabTask *task)
{
    const LabSnap *s = snap_opaque(task->claim.snap);

    if (task->at < task->end) {
        fetch(lab, task);
        return;
    }
    if (!task->claim.is_void) {
        for (unsigned i = task->first; i < task->end; i++) {
            cr_assert_eq(task->buffer[i], s->frozen[i], "read cell %u", i);
        }
        lab->reads++;
    }
    task->kind = LAB_NONE;
    snap_claim_end(&task->claim, false);
}

static void change(Lab *lab, LabTask *task)
{
    if (task->kind == LAB_RESIZER) {
        if (task->first < lab->cells) {
            lab->cells = task->first;
        }
        task->kind = LAB_NONE;
    } else if (task->at < task->end && task->at < lab->cells) {
        lab->now[task->at++] = task->value;
    } else {
        task->kind = LAB_NONE;
    }
    task->goes = task->kind != LAB_NONE;
}

/* Returns: false when it cannot go on now. */
static bool step_writer(Lab *lab, LabTask *task)
{
    uint64_t offset = (uint64_t)task->first * LAB_CELL;
    uint64_t length = (uint64_t)(task->end - task->first) * LAB_CELL;
    LabTask *copier = new_task(lab, false);
    SnapClaim *busy;
    SnapVerdict verdict;

    if (task->goes) {
        change(lab, task);
        return true;
    }
    if (task->waits_for || !copier) {
        return false;
    }
    if (snap_write_is_free(lab->storage, offset, length)) {
        task->goes = true;
        return true;
    }
    verdict = snap_write(lab->storage, offset, length,
                         (1 + lab_random(lab, 3)) * LAB_BLOCK, &copier->claim,
                         &busy);
    if (verdict == SNAP_COPY) {
        become(copier, LAB_COPIER, &copier->claim);
    } else if (verdict == SNAP_WAIT) {
        task->waits_for = busy;
    } else {
        task->goes = true;
    }
    return true;
}

static bool step_task(Lab *lab, LabTask *task)
{
    switch (task->kind) {
    case LAB_WRITER:
    case LAB_RESIZER:
        return step_writer(lab, task);
    case LAB_COPIER:
        step_copier(lab, task);
        return true;
    case LAB_READER:
        step_reader(lab, task);
        return true;
    default:
        return false;
    }
}

bool lab_step(Lab *lab)
{
    unsigned start = lab_random(lab, LAB_MAX_TASKS);

    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        if (step_task(lab, &lab->tasks[(start + i) % LAB_MAX_TASKS])) {
            return true;
        }
    }
    return false;
}

bool lab_finish(Lab *lab)
{
    while (lab_step(lab)) {
    }
    for (unsigned i = 0; i < LAB_MAX_TASKS; i++) {
        if (lab->tasks[i].kind != LAB_NONE) {
            return false;
        }
    }
    return true;
}

void lab_grow(Lab *lab, unsigned cells)
{
    while (lab->cells < cells) {
        lab->now[lab->cells++] = 0;
    }
}

static CopyMap *copy_of(const CopyMap *map)
{
    uint8_t bits[LAB_MAX_CELLS / 8];
    CopyMap *copy = copy_map_new(copy_map_length(map), LAB_BLOCK);

    copy_map_bits(map, 0, bits, sizeof(bits));
    copy_map_load_bits(copy, 0, bits, sizeof(bits));
    return copy;
}

void lab_crash(Lab *lab)
{
    SnapStorage *before = lab->storage;
    Snap *old = NULL;

    drop_tasks(lab);
    lab->storage = snap_storage_new(LAB_BLOCK, &operations, lab);
    while ((old = snap_storage_next(before, old))) {
        LabSnap *s = snap_opaque(old);

        s->snap = snap_resume(lab->storage, copy_of(snap_map(old)), s);
        if (snap_state(old) == SNAP_BROKEN) {
            snap_break(s->snap);
        } else if (snap_state(old) == SNAP_CANCELLED) {
            snap_cancel(s->snap);
        }
    }
    snap_storage_free(before);
}

void lab_check(Lab *lab)
{
    for (unsigned i = 0; i < lab->n_snaps; i++) {
        const LabSnap *s = &lab->snaps[i];

        if (!s->wanted || snap_state(s->snap) == SNAP_BROKEN) {
            continue;
        }
        for (unsigned c = 0; c < s->cells; c++) {
            uint64_t length = LAB_CELL;
            const LabSnap *at;
            Snap *source;

            snap_place(s->snap, c * LAB_CELL, &length, &source);
            at = source ? snap_opaque(source) : NULL;
            cr_assert_eq(at ? at->store[c] : lab->now[c], s->frozen[c],
                         "snapshot %u, cell %u", i, c);
        }
    }
}
