/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of this host, as the share engine's file side
 *
 * The trusted half of a file share: implements target-models/share/
 * file-side.h on the host's file system.  It runs in whichever process may
 * open the files, and nothing of it needs the engine.
 *
 * Concepts:
 *
 * - A volume is a directory or a regular file, held by a descriptor from the
 *   time it is opened.  Whoever replaces it by another of the same name has
 *   not replaced what is shared; host_volume_is_current() tells.
 * - An object is an O_PATH descriptor: nothing was opened, and nothing can
 *   be read through it.  Names are looked up with openat2(), beneath their
 *   directory, one component at a time, following no symbolic link.
 * - Regular files and directories, and nothing else, are opened through
 *   /proc/self/fd, which gives the very object, whatever its name has become.
 * - What the guest makes is made with its owner's ids where this process may
 *   (setfsuid() for the thread), else as this process.
 * - Writing, truncating and changing the owner clear the set-user-id and
 *   set-group-id bits, and the kernel clears file capabilities: these
 *   threads give up CAP_FSETID.
 *
 * Thread safety: as file-side.h asks.
 */
#ifndef SUNDER_SHARE_HOST_FILES_H
#define SUNDER_SHARE_HOST_FILES_H

#include "target-models/share/share.h"

typedef struct HostVolume HostVolume;

/*
 * host_files_begin:
 *
 * Once in a process, before anything else: opens /proc/self/fd, looks for
 * openat2() (Linux 5.6), clears the umask, leaves all supplementary groups
 * and raises the limit of open files to the most allowed.
 */
bool host_files_begin(GError **error);

/* Descriptors that this process may still use, 64 kept back. */
unsigned host_files_budget(void);

/*
 * host_volume_open:
 * @path: trusted; symbolic links in it are followed
 * @submounts: file systems mounted below are part of it; else nothing
 *     below such a directory is found
 *
 * Returns: a volume, which the engine's closed() frees once it was added,
 * else host_volume_free(); NULL: cannot be opened, or neither a directory
 * nor a regular file.
 */
HostVolume *host_volume_open(const char *path, bool submounts,
                             GError **error);
/* The root must have been given back. */
void host_volume_free(HostVolume *volume);

/* Returns: the object to publish, to be given back with forget(). */
ShareFile *host_volume_root(HostVolume *volume);

/* Returns: whether the path still names what is shared. */
bool host_volume_is_current(const HostVolume *volume);

/*
 * host_volume_count:
 *
 * Walks through all of it and counts as a quota counts: takes as long as
 * find does.
 */
bool host_volume_count(HostVolume *volume, ShareUsage *usage,
                       GError **error);

extern const ShareFileOps host_file_ops;

#endif
