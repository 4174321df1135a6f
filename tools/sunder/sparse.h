/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copying files that are mostly holes
 */
#ifndef SUNDER_SPARSE_H
#define SUNDER_SPARSE_H

#include <stdbool.h>

#include <glib.h>

/* Copy @from to the new file @to; holes stay holes. */
bool sparse_copy(const char *from, const char *to, GError **error);

/* Bytes that the file really takes, or 0. */
guint64 sparse_allocated(const char *path);

#endif /* SUNDER_SPARSE_H */
