/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel files, honest and hostile
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include <criterion/criterion.h>

#include "agent/wire.h"
#include "bzimage.h"
#include "error.h"

#define IMAGE_SIZE 8192u

/* Setup of 4 sectors, payload of 100 bytes at 0x40 behind it */
static void make_image(uint8_t *image)
{
    memset(image, 0, IMAGE_SIZE);
    image[0x1f1] = 4;
    memcpy(image + 0x202, "HdrS", 4);
    wire_put16(image + 0x206, 0x020f);
    wire_put32(image + 0x248, 0x40);
    wire_put32(image + 0x24c, 100);
    wire_put32(image + 5 * 512 + 0x40 + 96, 12345);
}

static bool parses(const uint8_t *image, size_t size)
{
    BzImage found;

    return bzimage_parse(image, size, &found, NULL);
}

Test(bzimage, payload_is_found)
{
    uint8_t image[IMAGE_SIZE];
    BzImage found;

    make_image(image);
    cr_assert(bzimage_parse(image, sizeof(image), &found, NULL));
    cr_expect_eq(found.payload, 5 * 512 + 0x40);
    cr_expect_eq(found.payload_size, 96);
    cr_expect_eq(found.unpacked, 12345);
    cr_expect_eq(found.protocol, 0x020f);
}

Test(bzimage, the_size_in_gzip_is_part_of_it)
{
    uint8_t image[IMAGE_SIZE];
    BzImage found;

    make_image(image);
    image[5 * 512 + 0x40] = 0x1f;
    image[5 * 512 + 0x41] = 0x8b;
    cr_assert(bzimage_parse(image, sizeof(image), &found, NULL));
    cr_expect_eq(found.payload_size, 100);
    cr_expect_eq(found.unpacked, 12345);
}

Test(bzimage, no_setup_sectors_mean_four)
{
    uint8_t image[IMAGE_SIZE];
    BzImage found;

    make_image(image);
    image[0x1f1] = 0;
    cr_assert(bzimage_parse(image, sizeof(image), &found, NULL));
    cr_expect_eq(found.payload, 5 * 512 + 0x40);
}

Test(bzimage, every_truncation_is_refused)
{
    uint8_t image[IMAGE_SIZE];
    size_t whole = 5 * 512 + 0x40 + 100;

    make_image(image);
    for (size_t size = 0; size < whole; size++) {
        /* On the heap, so that a read behind the end is seen by ASan. */
        g_autofree uint8_t *part = g_memdup2(image, size);

        cr_expect_not(parses(part, size), "%zu bytes", size);
    }
    cr_expect(parses(image, whole));
}

Test(bzimage, payload_outside_of_the_file_is_refused)
{
    uint8_t image[IMAGE_SIZE];

    make_image(image);
    wire_put32(image + 0x248, 0xffffffff);
    cr_expect_not(parses(image, sizeof(image)));
    make_image(image);
    wire_put32(image + 0x24c, 0xffffffff);
    cr_expect_not(parses(image, sizeof(image)));
    make_image(image);
    wire_put32(image + 0x248, 0xffffffff - 5 * 512);
    wire_put32(image + 0x24c, 0xffffffff);
    cr_expect_not(parses(image, sizeof(image)));
    make_image(image);
    wire_put32(image + 0x24c, 3);
    cr_expect_not(parses(image, sizeof(image)));
    make_image(image);
    image[0x1f1] = 255;
    cr_expect_not(parses(image, sizeof(image)));
}

Test(bzimage, a_huge_kernel_is_not_believed)
{
    uint8_t image[IMAGE_SIZE];
    g_autoptr(GError) error = NULL;
    BzImage found;

    make_image(image);
    wire_put32(image + 5 * 512 + 0x40 + 96, 0xffffffff);
    cr_expect_not(bzimage_parse(image, sizeof(image), &found, &error));
    cr_expect(strstr(error->message, "1 GiB"));
}

Test(bzimage, an_old_protocol_is_refused)
{
    uint8_t image[IMAGE_SIZE];

    make_image(image);
    wire_put16(image + 0x206, 0x0207);
    cr_expect_not(parses(image, sizeof(image)));
}

/* An ELF file whose only segment, at 120, holds a note of type @type. */
static size_t make_elf(uint8_t *file, uint32_t type)
{
    Elf64_Ehdr header = {
        .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 1,
        .e_phentsize = sizeof(Elf64_Phdr),
    };
    Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = 120,
                           .p_filesz = 20 };

    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), &segment, sizeof(segment));
    wire_put32(file + 120, 4);
    wire_put32(file + 124, 4);
    wire_put32(file + 128, type);
    memcpy(file + 132, "Xen", 4);
    wire_put32(file + 136, 0x1000000);
    return 140;
}

Test(elf, the_note_of_pvh_is_found)
{
    uint8_t file[256];
    size_t size = make_elf(file, 18);

    cr_expect(elf_has_pvh_entry(file, size));
    size = make_elf(file, 17);
    cr_expect_not(elf_has_pvh_entry(file, size));
}

Test(elf, every_truncation_has_no_note)
{
    uint8_t file[256];
    size_t whole = make_elf(file, 18);

    for (size_t size = 0; size < whole; size++) {
        g_autofree uint8_t *part = g_memdup2(file, size);

        cr_expect_not(elf_has_pvh_entry(part, size), "%zu bytes", size);
    }
}

Test(elf, hostile_lengths_find_nothing)
{
    static const uint64_t values[] = {
        0, 1, 119, 120, 121, 0x7fffffff, 0xffffffff, UINT64_MAX - 1,
        UINT64_MAX, INT64_MAX,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        /* e_phoff, p_offset, p_filesz, then the note's sizes */
        static const size_t at[] = { 32, 64 + 8, 64 + 32, 120 };

        for (size_t j = 0; j < G_N_ELEMENTS(at); j++) {
            g_autofree uint8_t *file = g_malloc(140);

            make_elf(file, 18);
            wire_put64(file + at[j], values[i]);
            /* Only p_offset at its own value leaves the file good. */
            cr_expect_eq(elf_has_pvh_entry(file, 140),
                         at[j] == 64 + 8 && values[i] == 120,
                         "%#" PRIx64 " at %zu", values[i], at[j]);
        }
    }
}

Test(elf, many_program_headers_end_at_the_file)
{
    g_autofree uint8_t *file = g_malloc(140);

    make_elf(file, 18);
    wire_put16(file + 56, 0xffff);      /* e_phnum */
    wire_put32(file + 64, PT_LOAD);
    cr_expect_not(elf_has_pvh_entry(file, 140));
}
