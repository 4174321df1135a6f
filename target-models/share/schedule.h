/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which request is next, so that one slow file does not stop the others
 *
 * Concepts:
 *
 * - Requests wait in the order in which they came.  Each is for a node.
 * - As many requests as there are threads are at work, but only so many for
 *   one node: when that many are, requests for it wait and later ones for
 *   other nodes pass them.  So however many requests a guest sends to a file
 *   whose disk hangs, the other threads go on.
 *
 * Not thread safe: the caller serialises.
 */
#ifndef SUNDER_SHARE_SCHEDULE_H
#define SUNDER_SHARE_SCHEDULE_H

#include <glib.h>
#include <stdint.h>

typedef struct ShareSchedule ShareSchedule;

/*
 * share_schedule_new:
 * @per_node: requests at work for one node at most, at least 1
 */
ShareSchedule *share_schedule_new(unsigned per_node);
/* Requests that wait are dropped; the caller takes them out first. */
void share_schedule_free(ShareSchedule *schedule);

/* @request: not NULL */
void share_schedule_add(ShareSchedule *schedule, uint64_t node,
                        void *request);

/*
 * share_schedule_next:
 *
 * Returns: the first request that may go to work, which counts as at work
 * until share_schedule_done() for its node; NULL: none may.
 */
void *share_schedule_next(ShareSchedule *schedule, uint64_t *node);

/* Returns: whether share_schedule_next() would now find one more. */
gboolean share_schedule_done(ShareSchedule *schedule, uint64_t node);

/* Requests that wait. */
unsigned share_schedule_waiting(const ShareSchedule *schedule);

#endif
