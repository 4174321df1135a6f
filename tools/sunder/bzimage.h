/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in a Linux kernel file
 *
 * Pure functions over bytes that come from anybody: every offset and length
 * in them is checked against the size of the file before it is used.
 */
#ifndef SUNDER_BZIMAGE_H
#define SUNDER_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

/* Where the compressed vmlinux lies in a bzImage, in bytes from its start */
typedef struct BzImage {
    size_t payload;       /* first byte of the compressed kernel */
    size_t payload_size;  /* bytes, without a size that Linux put behind */
    size_t unpacked;      /* bytes of the ELF file; 0 when not told */
    uint16_t protocol;    /* boot protocol, 0x020f is 2.15 */
} BzImage;

/* Largest vmlinux that is believed; Debian's has 45 MiB. */
#define BZIMAGE_UNPACKED_MAX ((size_t)1 << 30)

/* Whether these bytes begin an ELF file, or have a bzImage's signature. */
bool elf_is(const uint8_t *data, size_t size);
bool bzimage_is(const uint8_t *data, size_t size);

/* Find the payload. False with @error set if the header makes no sense. */
bool bzimage_parse(const uint8_t *data, size_t size, BzImage *image,
                   GError **error);

/*
 * Whether the 64-bit ELF file has the note that QEMU enters a kernel by:
 * XEN_ELFNOTE_PHYS32_ENTRY of owner "Xen" (the PVH boot protocol).
 */
bool elf_has_pvh_entry(const uint8_t *data, size_t size);

#endif /* SUNDER_BZIMAGE_H */
