/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Save a machine under qtest into a file, and load it into another QEMU.
 *
 * saved_state_save() @path: file to write; the machine stays stopped after it.
 * saved_state_refusal() tries to save and returns the reason why QEMU does not
 *   (free with g_free()); a save that works ends the test.
 * saved_state_load() starts QEMU with @args and loads @path into it; the
 *   machine runs.  saved_state_load_stopped(): it stays stopped.
 * saved_state_load_fails() does so for a state that must be refused: QEMU has
 *   to exit with status 1; returns what it said (free with g_free()).
 */
#ifndef SUNDER_TESTS_SAVED_STATE_H
#define SUNDER_TESTS_SAVED_STATE_H

#include "libqtest.h"

void saved_state_save(QTestState *qts, const char *path);
char *saved_state_refusal(QTestState *qts, const char *path);
QTestState *saved_state_load(const char *args, const char *path);
QTestState *saved_state_load_stopped(const char *args, const char *path);
char *saved_state_load_fails(const char *args, const char *path);

#endif
