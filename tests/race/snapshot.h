/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: a snapshot of memory that is being written to
 */
#ifndef SUNDER_TESTS_RACE_SNAPSHOT_H
#define SUNDER_TESTS_RACE_SNAPSHOT_H

#include <stdbool.h>

#define RACE_SNAPSHOTS 3

const char *race_snapshot_name(unsigned which);

/* Takes @rounds snapshots, prints a TAP line.  Returns: whether all of
 * them were what memory held when it was armed. */
bool race_snapshot(unsigned which, unsigned number, unsigned rounds);

#endif
