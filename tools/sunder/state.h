/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State directories of machines
 *
 * Concepts
 *   claim  holding the lock of a directory. The lock belongs to an open file
 *          description (F_OFD_SETLK, fcntl(2)), which a child inherits: as long
 *          as the owner or its emulator lives, the name is taken; when both are
 *          gone, however they went, it is free.
 *   look   asking who holds it (F_OFD_GETLK) takes nothing, so looking at a
 *          machine never gets in the way of starting it.
 */
#ifndef SUNDER_STATE_H
#define SUNDER_STATE_H

#include <stdbool.h>

#include <glib.h>

/* Longest name of a machine; it has to fit into a socket's path. */
#define STATE_NAME_MAX 48

/* Letters, digits, '-', '_' and '.', not beginning with '.' or '-'. */
bool state_name_valid(const char *name, GError **error);

/*
 * Claim the directory of @name: makes it, or empties what another machine
 * left there. Returns the locked descriptor, which is the claim, and sets
 * *@directory. -1 with @error: the name is in use.
 */
int state_claim(const char *name, char **directory, GError **error);

/* Whether @directory is claimed by anyone. */
bool state_claimed(const char *directory);

/* Remove @directory, whose claim the caller holds. */
void state_remove(const char *directory);

/* Remove the directory of @name unless it is claimed. */
void state_prune(const char *name);

/* Names of directories, sorted: of machines that run, and left-overs. */
char **state_names(bool claimed, GError **error);

#endif /* SUNDER_STATE_H */
