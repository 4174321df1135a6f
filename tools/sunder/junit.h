/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results of scenarios as JUnit XML
 *
 * A failed assertion is <failure>, a guest that does not boot <error
 * type="boot">, a failure of the tools <error type="infrastructure">, a skip
 * <skipped>. Control characters, which XML cannot hold at all, appear as the
 * symbols of U+2400 that picture them.
 */
#ifndef SUNDER_JUNIT_H
#define SUNDER_JUNIT_H

#include "scenario-result.h"

/* The whole document. Free with g_free(). */
char *junit_document(const GPtrArray *results);

/* Write it to @path, in place of what was there. */
bool junit_write(const char *path, const GPtrArray *results, GError **error);

#endif
