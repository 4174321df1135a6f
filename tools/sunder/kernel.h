/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel file as QEMU boots it fastest
 *
 * Under TCG the decompressor in a bzImage runs for half a minute; the ELF file
 * in it, entered by its PVH note, boots in seconds. So it is taken out once
 * and kept in the cache, named by the SHA-256 of the bzImage.
 */
#ifndef SUNDER_KERNEL_H
#define SUNDER_KERNEL_H

#include <glib.h>

/*
 * Path of what to give QEMU for the kernel at @path: @path itself for an ELF
 * file, the cached vmlinux for a bzImage, or @path again for a bzImage that
 * holds no vmlinux with a PVH entry, or one packed in a way not known here.
 * NULL with @error set when it is no kernel at all.
 */
char *kernel_prepare(const char *path, GError **error);

#endif /* SUNDER_KERNEL_H */
