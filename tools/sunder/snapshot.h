/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots: a machine's RAM, devices and disks, kept to start from again
 *
 * A snapshot is a directory of its own under snapshot_root(): `ram` (QEMU's
 * mapped-ram migration file), a copy of each of the machine's own disks, and
 * `manifest.json`. It belongs to one emulator build, kernel, guest image and
 * machine description; anything else is refused with SUNDER_ERROR_MISMATCH.
 * A directory is renamed into place when it is complete, so a snapshot that
 * can be seen is whole.
 */
#ifndef SUNDER_SNAPSHOT_H
#define SUNDER_SNAPSHOT_H

#include "machine.h"

/* $XDG_CACHE_HOME/sunder/snapshots */
char *snapshot_root(void);

/*
 * Save @machine as @name, in place of any snapshot of that name. The machine
 * is stopped meanwhile and goes on afterwards, unless it was stopped before.
 * Its agent connection, if this process has one, should be idle.
 */
bool snapshot_save(Machine *machine, const char *name, GError **error);

/*
 * The same for a machine that ends afterwards: it stays stopped, so that
 * nothing is done twice, by it and by the one that goes on from the snapshot.
 */
bool snapshot_save_last(Machine *machine, const char *name, GError **error);

/*
 * The spec of snapshot @name, to be given to machine_start(spec, name, ...)
 * with at most its `name` changed. SUNDER_ERROR_USAGE if there is none.
 */
MachineSpec *snapshot_spec(const char *name, GError **error);

/* Whether @spec, resolved, could start from @name now; else @error says why. */
bool snapshot_check(const char *name, const MachineSpec *spec,
                    GError **error);

/*
 * A name for the state that @spec boots into: equal specs, kernel, images and
 * emulator give equal names. For callers that keep booted states by themselves.
 */
char *snapshot_key(const MachineSpec *spec, GError **error);

bool snapshot_exists(const char *name);
bool snapshot_remove(const char *name, GError **error);

/*
 * Remove the snapshots whose name begins with @prefix and that cannot be
 * restored any more. Names of snapshot_key() begin with SNAPSHOT_BOOTED;
 * saving one of those prunes the others.
 */
#define SNAPSHOT_BOOTED "booted-"
void snapshot_prune(const char *prefix);

/* Names, sorted; manifest of one of them. */
char **snapshot_list(void);
JsonNode *snapshot_manifest(const char *name, GError **error);

/* For machine_start(): put disks into @directory, and load the state. */
bool snapshot_restore_disks(const char *name, const char *directory,
                            GError **error);
bool snapshot_load(const char *name, Qmp *qmp, GError **error);

#endif /* SUNDER_SNAPSHOT_H */
