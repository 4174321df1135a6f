/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initial RAM disk a guest gets: its initrd and our agent behind it
 *
 * The kernel unpacks several cpio archives in a row, compressed or not
 * (Documentation/driver-api/early-userspace/buffer-format.rst), so the agent is
 * added without touching the user's file.
 */
#ifndef SUNDER_RAMDISK_H
#define SUNDER_RAMDISK_H

#include <glib.h>

/*
 * Path of a file with @initrd and the agent's archive; it is kept in the
 * cache under the digests of both. NULL with @error set.
 */
char *ramdisk_prepare(const char *initrd, GError **error);

#endif /* SUNDER_RAMDISK_H */
