/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balloon as a person reads it
 *
 * What is printed comes from QMP (qapi/sunder.json: SunderBalloonInfo,
 * SunderSweep, SunderBalloonMapping); words in it go through verb_printable().
 * Objects and arrays stay the caller's.
 */
#ifndef SUNDER_BALLOON_TEXT_H
#define SUNDER_BALLOON_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <json-glib/json-glib.h>

/* "948.5 MiB", "64 B"; the caller frees it. */
char *balloon_size_text(guint64 bytes);

/*
 * Everything there is to tell about a balloon. @map is its page-mapping list,
 * of which a summary is printed; @whole: no entries are missing from it.
 */
void balloon_print(FILE *out, JsonObject *info, JsonArray *map, bool whole);

/* The page-mapping list, an entry a line under a heading */
void balloon_print_map(FILE *out, JsonArray *map, bool whole);

/* A sweep, in several lines that begin with @indent */
void balloon_print_sweep(FILE *out, JsonObject *sweep, const char *indent);

/* How far a sweep that runs is, in one line without its end */
void balloon_print_progress(FILE *out, JsonObject *sweep);

#endif /* SUNDER_BALLOON_TEXT_H */
