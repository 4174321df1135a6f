/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 of files, remembered
 *
 * Hashing an emulator or a kernel takes a good part of the time in which a
 * snapshot is restored. The result is kept in the cache under the file's
 * device, inode, size and time of change, so that it is computed once.
 */
#ifndef SUNDER_DIGEST_H
#define SUNDER_DIGEST_H

#include <glib.h>

/* The file's SHA-256 in hexadecimal, or NULL with @error set. */
char *digest_file(const char *path, GError **error);

#endif /* SUNDER_DIGEST_H */
