/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's file
 *
 * Concepts
 *   journal  FOLDER/store (target-models/store/journal.h). A commit is handed
 *            to the kernel before anybody is told of it, so that nothing is
 *            lost when the daemon is killed; it reaches the disk FILE_SYNC_MS
 *            later, so a host that loses power loses what was last, and never
 *            keeps a part of a commit.
 *   tidy     to write the store anew, into another file that then takes the
 *            journal's place, once the journal is much longer than it need be.
 *   cut      what follows the last sound record when the file is opened: a
 *            torn record as a rule. It is put aside in FOLDER/store.cut.
 */
#ifndef SUNDER_STORE_FILE_H
#define SUNDER_STORE_FILE_H

#include <stdbool.h>

#include <glib.h>

#include "target-models/store/engine.h"

#define FILE_SYNC_MS    100

typedef struct StoreFile StoreFile;

/*
 * The file in @folder, which is made if need be, locked for this process and
 * those that it forks. NULL with @error; *@in_use: another process has it.
 */
StoreFile *file_open(const char *folder, bool *in_use, GError **error);

/* Fill @store, which is empty and stays the file's to save. */
bool file_load(StoreFile *file, Store *store, GError **error);

/* StoreHost.keep */
int file_keep(StoreFile *file, const uint8_t *record, size_t size);

/* To the disk, now. */
void file_close(StoreFile *file);

#endif /* SUNDER_STORE_FILE_H */
