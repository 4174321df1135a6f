/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of sweeps have in common: an area of guest memory, fault
 * rules, and what a sweep and the page-mapping list say.
 */
#ifndef SUNDER_TESTS_BALLOON_SWEEP_H
#define SUNDER_TESTS_BALLOON_SWEEP_H

#include "balloon-driver.h"

#define AREA       (32 * MiB)
#define AREA_BYTES (32 * MiB)

/* Zeroes that are really there: the host has pages for them. */
void make_zero_area(QBalloon *b);

/* Members of a sweep, as the event has them. */
uint64_t number(QDict *sweep, const char *key);
void expect_text(QDict *sweep, const char *key, const char *expected);
void expect_state(QDict *sweep, const char *expected);

/* A request with one page. */
void post_one(QBalloon *b, unsigned queue, uint64_t address);

/* @more: further members of the rule, with a comma before each. */
void add_rule(QBalloon *b, const char *id, const char *point,
              const char *outcome, const char *more);
void remove_rule(QBalloon *b, const char *id);

/* The sum of @key in the page-mapping list's entries in the area. */
uint64_t mapped(QBalloon *b, const char *key);

/* sunder-balloon-sweep fails, and says so. */
void expect_refused(QBalloon *b, const char *expected);

#endif
