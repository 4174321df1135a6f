/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine with one point of each kind, for the tests of the rule engine.
 *
 * "dev" is 0x1000 bytes long; accesses at "line" have no offset.  Both
 * accept the same outcomes; the code of an outcome is the letter that
 * stands for it in what fault_play() returns.
 */
#ifndef SUNDER_TESTS_FAULT_FIXTURE_H
#define SUNDER_TESTS_FAULT_FIXTURE_H

#include <criterion/criterion.h>
#include <string.h>

#include "target-models/fault/fault.h"

extern const FaultOutcome fault_outcomes[];
extern FaultEngine *engine;
extern FaultPoint *dev, *line;

void fault_fixture_init(void);
void fault_fixture_fini(void);

/* A rule for "dev" with all defaults. */
FaultRuleSpec fault_spec(const char *outcome);

/* Adds a rule that must be accepted. */
FaultRule *fault_add(FaultRuleSpec spec);

/* Adds a rule that must be refused with @code; returns the message. */
const char *fault_refused(FaultRuleSpec spec, FaultError code);

/*
 * Makes @n accesses and returns what fired on each: '.' for nothing, a
 * letter, or "(AB)".  Valid until the next call.
 */
const char *fault_play(FaultPoint *point, FaultAccess access, unsigned n);

/* @n reads of four bytes at the start of "dev". */
const char *fault_play_reads(unsigned n);

#define cr_expect_has(string, part) \
    cr_expect(strstr(string, part), "\"%s\" is not in: %s", part, string)
#define cr_assert_has(string, part) \
    cr_assert(strstr(string, part), "\"%s\" is not in: %s", part, string)

#endif
