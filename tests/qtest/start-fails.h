/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start an emulator that must refuse its command line: it has to exit with
 * status 1 and say @expected.  @options follow the accelerator's.
 */
#ifndef SUNDER_TESTS_START_FAILS_H
#define SUNDER_TESTS_START_FAILS_H

void expect_start_fails(const char *options, const char *expected);

#endif
