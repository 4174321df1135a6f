/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measurements that are repeated, and what they must reach
 *
 * A busy host only ever makes things slower: a figure that misses its goal
 * is measured for more rounds, up to PATIENCE times as many, while there is
 * time; the medians and least values are of all rounds.
 *
 * One thread.
 */
#ifndef SUNDER_TESTS_BENCH_GOALS_H
#define SUNDER_TESTS_BENCH_GOALS_H

#include <stdbool.h>

/* What was measured of one thing, in any order */
typedef struct Series {
    unsigned n;
    double values[1024];
} Series;

/* Beyond what there is room for, the value is ignored. */
void series_add(Series *s, double value);
/* Both sort.  There must be one value at least. */
double series_median(Series *s);
double series_least(Series *s);

/*
 * goals_more:
 * @done: rounds so far
 * @rounds: at least so many, 1 or more
 * @ratio: what they have come to; any if @done is 0
 * @limit: 0 for none
 *
 * Returns: whether another round is wanted.
 */
bool goals_more(unsigned done, unsigned rounds, double ratio, double limit);

/*
 * Prints a line of two figures and their ratio, and if @limit is not 0
 * remembers that @goal (copied) is @ratio.
 */
void goals_row(const char *title, double first, double second, double ratio,
               const char *goal, double limit);

/* Prints the table of goals.  Returns: whether all are reached. */
bool goals_print(void);

#endif
