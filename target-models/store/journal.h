/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's journal: its file, as bytes
 *
 * A magic line, then records.  A record is what one transaction changed, all
 * or nothing: a length, a checksum, and entries.  Records are only ever
 * appended, so a crash leaves a whole prefix and at most one torn record,
 * which is cut off.  Numbers have their lowest byte first.
 *
 *   file    "sunder store 1\n" record*
 *   record  length32 checksum64 entry*      length: of the entries
 *   entry   'S' string value strings        a node is set: path, value,
 *                                           permissions
 *           'R' string                      a node and all below are removed
 *   string  length32 byte*
 *   value   string
 *   strings count8 string*
 *
 * The checksum is the first eight bytes of the entries' SHA-256: it finds
 * torn writes and damage, not malice; the file is its owner's alone.
 */
#ifndef SUNDER_STORE_JOURNAL_H
#define SUNDER_STORE_JOURNAL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_JOURNAL_MAGIC     "sunder store 1\n"
#define STORE_RECORD_HEADER     12u
#define STORE_RECORD_MAX        (64u << 20)     /* bytes of entries */
#define STORE_PERMISSIONS_MAX   255u            /* for a node */

typedef struct StoreEntry {
    bool removed;
    char *path;                 /* valid and absolute */
    GBytes *value;              /* NULL if removed */
    GPtrArray *permissions;     /* of char *, valid; NULL if removed */
} StoreEntry;

/* Appends entries to what will be a record. */
void store_journal_set(GByteArray *entries, const char *path,
                       const GByteArray *value, const GPtrArray *permissions);
void store_journal_remove(GByteArray *entries, const char *path);

/* Makes the record of @entries, at most STORE_RECORD_MAX bytes. */
void store_journal_record(GByteArray *file, const GByteArray *entries);

/*
 * store_journal_next:
 * @bytes: a file from behind its magic line, or from behind a record
 *
 * Returns: (StoreEntry) the entries of the record at the front, *@used set to
 * the bytes it takes; NULL if there is no whole and sound record.  The caller
 * frees it with g_ptr_array_unref().
 */
GPtrArray *store_journal_next(const uint8_t *bytes, size_t size, size_t *used);

#endif /* SUNDER_STORE_JOURNAL_H */
