/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: files that a user gives us, kernels and machine descriptions
 *
 * The first byte says which. A kernel begins as a good one and the rest of the
 * input is a list of changes to it, (offset, value) in 3 bytes, so that the
 * checks behind the signature are reached; a description is the input itself.
 */
#include <elf.h>
#include <string.h>

#include "agent/wire.h"
#include "bzimage.h"
#include "description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_SIZE 4096u

static void change(uint8_t *file, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3) {
        file[wire_get16(data) % FILE_SIZE] = data[2];
    }
}

static void try_bzimage(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *file = g_malloc0(FILE_SIZE);
    BzImage image;

    file[0x1f1] = 4;
    memcpy(file + 0x202, "HdrS", 4);
    wire_put16(file + 0x206, 0x020f);
    wire_put32(file + 0x24c, 100);
    change(file, data, size);
    if (bzimage_parse(file, FILE_SIZE, &image, NULL)) {
        g_assert(image.payload <= FILE_SIZE);
        g_assert(image.payload_size <= FILE_SIZE - image.payload);
        g_assert(image.unpacked <= BZIMAGE_UNPACKED_MAX);
    }
}

static void try_elf(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *file = g_malloc0(FILE_SIZE);
    Elf64_Ehdr header = {
        .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 4,
        .e_phentsize = sizeof(Elf64_Phdr),
    };
    Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = 512,
                           .p_filesz = FILE_SIZE - 512 };

    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    memcpy(file, &header, sizeof(header));
    for (unsigned i = 0; i < header.e_phnum; i++) {
        memcpy(file + sizeof(header) + i * sizeof(segment), &segment,
               sizeof(segment));
    }
    change(file, data, size);
    elf_has_pvh_entry(file, FILE_SIZE);
}

static void try_description(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *directive = g_strconcat("# sunder: disk ", text, NULL);
    g_autoptr(Description) plain = description_parse("f.cfg", text, NULL);
    g_autoptr(Description) disk = description_parse("f.cfg", directive, NULL);

    for (guint i = 0; disk && i < disk->disks->len; i++) {
        DescriptionDisk *found = g_ptr_array_index(disk->disks, i);

        g_assert(found->size > 0 && found->size <= DESCRIPTION_DISK_MAX);
        g_assert(!strpbrk(found->node, "/,= "));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        try_bzimage(data + 1, size - 1);
        break;
    case 1:
        try_elf(data + 1, size - 1);
        break;
    default:
        try_description(data + 1, size - 1);
    }
    return 0;
}
