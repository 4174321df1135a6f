/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in a Linux kernel file
 *
 * Offsets of the setup header: Documentation/arch/x86/boot.rst of Linux, "The
 * real-mode kernel header". ELF structures: elf(5). The note's number:
 * xen/include/public/elfnote.h.
 */
#include <elf.h>
#include <string.h>

#include "agent/wire.h"
#include "bzimage.h"
#include "error.h"

#define SETUP_SECTS        0x1f1   /* u8, 512-byte sectors after the first */
#define SETUP_HEADER_MAGIC 0x202   /* "HdrS" */
#define SETUP_VERSION      0x206   /* u16 */
#define SETUP_PAYLOAD      0x248   /* u32, from the protected-mode code on */
#define SETUP_PAYLOAD_SIZE 0x24c   /* u32 */
#define SETUP_END          0x250

#define SETUP_SECTOR        512u
#define SETUP_SECTS_DEFAULT 4u     /* what a setup_sects of 0 means */
#define PROTOCOL_PAYLOAD    0x0208 /* the first with payload_offset */

#define GZIP_ID1 0x1f
#define GZIP_ID2 0x8b

#define XEN_ELFNOTE_PHYS32_ENTRY 18

bool elf_is(const uint8_t *data, size_t size)
{
    return size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG);
}

bool bzimage_is(const uint8_t *data, size_t size)
{
    return size >= SETUP_END && !memcmp(data + SETUP_HEADER_MAGIC, "HdrS", 4);
}

static bool bzimage_refuse(GError **error, const char *what)
{
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE, "bzImage: %s", what);
    return false;
}

bool bzimage_parse(const uint8_t *data, size_t size, BzImage *image,
                   GError **error)
{
    uint64_t start, length, sectors;

    if (!bzimage_is(data, size)) {
        return bzimage_refuse(error, "no setup header (\"HdrS\" at 0x202)");
    }
    image->protocol = wire_get16(data + SETUP_VERSION);
    if (image->protocol < PROTOCOL_PAYLOAD) {
        return bzimage_refuse(error, "boot protocol before 2.08 (Linux "
                              "2.6.26): it does not tell its payload");
    }
    sectors = data[SETUP_SECTS] ? data[SETUP_SECTS] : SETUP_SECTS_DEFAULT;
    start = (sectors + 1) * SETUP_SECTOR + wire_get32(data + SETUP_PAYLOAD);
    length = wire_get32(data + SETUP_PAYLOAD_SIZE);
    if (length <= 4 || start > size || length > size - start) {
        return bzimage_refuse(error, "the payload lies outside of the file; "
                              "is the file truncated?");
    }
    image->payload = (size_t)start;
    /*
     * The payload ends with the unpacked size: with gzip that is its own
     * trailer (RFC 1952, ISIZE), behind all others Linux's build puts it
     * (scripts/Makefile.lib, size_append), and it is none of theirs.
     */
    image->payload_size = (size_t)length -
        (data[start] == GZIP_ID1 && data[start + 1] == GZIP_ID2 ? 0 : 4);
    image->unpacked = wire_get32(data + start + length - 4);
    if (image->unpacked > BZIMAGE_UNPACKED_MAX) {
        return bzimage_refuse(error, "the payload claims to unpack to more "
                              "than 1 GiB");
    }
    return true;
}

static uint64_t note_aligned(uint64_t size)
{
    return (size + 3) & ~3ull;
}

/* Walk the notes in @size bytes at @data. */
static bool notes_have_pvh_entry(const uint8_t *data, uint64_t size)
{
    uint64_t at = 0;

    while (size - at >= sizeof(Elf64_Nhdr)) {
        uint64_t name_size = wire_get32(data + at);
        uint64_t value_size = wire_get32(data + at + 4);
        uint32_t type = wire_get32(data + at + 8);
        uint64_t name = at + sizeof(Elf64_Nhdr);
        uint64_t next = name + note_aligned(name_size) +
                        note_aligned(value_size);

        if (next > size) {
            return false;
        }
        if (type == XEN_ELFNOTE_PHYS32_ENTRY && name_size == 4 &&
            !memcmp(data + name, "Xen", 4)) {
            return true;
        }
        at = next;
    }
    return false;
}

bool elf_has_pvh_entry(const uint8_t *data, size_t size)
{
    Elf64_Ehdr header;

    if (!elf_is(data, size) || size < sizeof(header)) {
        return false;
    }
    memcpy(&header, data, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size) {
        return false;
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        uint64_t at = header.e_phoff + (uint64_t)i * sizeof(Elf64_Phdr);
        Elf64_Phdr segment;

        if (at > size || size - at < sizeof(segment)) {
            return false;
        }
        memcpy(&segment, data + at, sizeof(segment));
        if (segment.p_type == PT_NOTE && segment.p_offset <= size &&
            segment.p_filesz <= size - segment.p_offset &&
            notes_have_pvh_entry(data + segment.p_offset,
                                 segment.p_filesz)) {
            return true;
        }
    }
    return false;
}
