/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of snapshots share: snapshot.c (saving and loading) and
 * snapshot-manifest.c (what a snapshot belongs to)
 */
#ifndef SUNDER_SNAPSHOT_PRIVATE_H
#define SUNDER_SNAPSHOT_PRIVATE_H

#include "spec.h"

/* Path of @file in the folder of snapshot @name; of the folder for NULL. */
char *snapshot_path(const char *name, const char *file);

/* Write manifest.json into the folder @work. */
bool snapshot_write_manifest(const MachineSpec *spec, const char *work,
                             GError **error);

/* False with an error that lists the snapshots unless @name is one. */
bool snapshot_require(const char *name, GError **error);

#endif /* SUNDER_SNAPSHOT_PRIVATE_H */
