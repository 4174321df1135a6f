/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vmlinux is taken out of a bzImage, whatever it is packed with
 */
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "agent/wire.h"
#include "error.h"
#include "kernel.h"

#define VMLINUX_SIZE 200000u
#define SETUP_BYTES  (5 * 512)

static char *folder;

static void set_up(void)
{
    folder = g_dir_make_tmp("kernel-XXXXXX", NULL);
    g_setenv("XDG_CACHE_HOME", folder, TRUE);
}

static void tear_down(void)
{
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);

    cr_expect_eq(system(command), 0);
    g_free(folder);
}

/* An ELF file with the PVH note, and something to compress behind it */
static uint8_t *make_vmlinux(void)
{
    uint8_t *file = g_malloc(VMLINUX_SIZE);
    Elf64_Ehdr header = {
        .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 1,
        .e_phentsize = sizeof(Elf64_Phdr),
    };
    Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = 120,
                           .p_filesz = 20 };

    for (unsigned i = 0; i < VMLINUX_SIZE; i++) {
        file[i] = (uint8_t)(i * i >> 7);
    }
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), &segment, sizeof(segment));
    wire_put32(file + 120, 4);
    wire_put32(file + 124, 4);
    wire_put32(file + 128, 18);
    memcpy(file + 132, "Xen", 4);
    return file;
}

/* @data packed by libarchive's filter; NULL if it was built without. */
static GByteArray *pack(const char *filter, const uint8_t *data, size_t size)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    GByteArray *packed = g_byte_array_new();
    size_t used = 0;

    g_byte_array_set_size(packed, (guint)(2 * size));
    archive_write_set_format_raw(archive);
    archive_entry_set_filetype(entry, AE_IFREG);
    if (archive_write_add_filter_by_name(archive, filter) != ARCHIVE_OK) {
        g_clear_pointer(&packed, g_byte_array_unref);
    } else {
        archive_write_open_memory(archive, packed->data, packed->len, &used);
        archive_write_header(archive, entry);
        archive_write_data(archive, data, size);
        archive_write_close(archive);
        g_byte_array_set_size(packed, (guint)used);
    }
    archive_entry_free(entry);
    archive_write_free(archive);
    return packed;
}

/* As Linux's build does: setup, payload, and the size behind it */
static char *write_bzimage(const GByteArray *payload, uint32_t unpacked,
                           bool size_behind)
{
    g_autoptr(GByteArray) image = g_byte_array_new();
    char *path = g_build_filename(folder, "bzImage", NULL);
    uint8_t setup[SETUP_BYTES] = { 0 };
    uint8_t tail[64] = { 0 };

    setup[0x1f1] = 4;
    memcpy(setup + 0x202, "HdrS", 4);
    wire_put16(setup + 0x206, 0x020f);
    wire_put32(setup + 0x24c, payload->len + (size_behind ? 4 : 0));
    wire_put32(tail, unpacked);
    g_byte_array_append(image, setup, sizeof(setup));
    g_byte_array_append(image, payload->data, payload->len);
    g_byte_array_append(image, tail + (size_behind ? 0 : 4),
                        sizeof(tail) - 4);
    cr_assert(g_file_set_contents(path, (char *)image->data, image->len,
                                  NULL));
    return path;
}

static void expect_taken_out(const char *filter)
{
    g_autofree uint8_t *vmlinux = make_vmlinux();
    g_autoptr(GByteArray) payload = pack(filter, vmlinux, VMLINUX_SIZE);
    g_autofree char *path = NULL;
    g_autofree char *found = NULL;
    g_autofree char *contents = NULL;
    gsize length;

    if (!payload) {
        cr_skip("libarchive writes no %s here", filter);
    }
    /* gzip ends with the size by itself (RFC 1952) */
    path = write_bzimage(payload, VMLINUX_SIZE, strcmp(filter, "gzip"));
    found = kernel_prepare(path, NULL);
    cr_assert_not_null(found);
    cr_expect_str_neq(found, path);
    cr_assert(g_file_get_contents(found, &contents, &length, NULL));
    cr_assert_eq(length, VMLINUX_SIZE);
    cr_expect(!memcmp(contents, vmlinux, VMLINUX_SIZE));
}

TestSuite(kernel, .init = set_up, .fini = tear_down);

Test(kernel, gzip) { expect_taken_out("gzip"); }
Test(kernel, xz) { expect_taken_out("xz"); }
Test(kernel, zstd) { expect_taken_out("zstd"); }
Test(kernel, lz4) { expect_taken_out("lz4"); }
Test(kernel, bzip2) { expect_taken_out("bzip2"); }
Test(kernel, lzma) { expect_taken_out("lzma"); }

/* Unknown, cut short, or not of the size it tells: booted as it is. */
Test(kernel, a_payload_that_does_not_unpack_is_left_alone)
{
    g_autofree uint8_t *vmlinux = make_vmlinux();
    g_autoptr(GByteArray) payload = pack("xz", vmlinux, VMLINUX_SIZE);
    g_autofree char *path = write_bzimage(payload, VMLINUX_SIZE + 1, true);
    g_autofree char *found = kernel_prepare(path, NULL);

    cr_assert_not_null(found);
    cr_expect_str_eq(found, path);
    g_byte_array_set_size(payload, payload->len / 2);
    g_free(path);
    path = write_bzimage(payload, VMLINUX_SIZE, true);
    g_free(found);
    found = kernel_prepare(path, NULL);
    cr_expect_str_eq(found, path);
    memset(payload->data, 0x55, payload->len);
    g_free(path);
    path = write_bzimage(payload, VMLINUX_SIZE, true);
    g_free(found);
    found = kernel_prepare(path, NULL);
    cr_expect_str_eq(found, path);
}

Test(kernel, the_second_time_it_is_there)
{
    g_autofree uint8_t *vmlinux = make_vmlinux();
    g_autoptr(GByteArray) payload = pack("xz", vmlinux, VMLINUX_SIZE);
    g_autofree char *path = write_bzimage(payload, VMLINUX_SIZE, true);
    g_autofree char *first = kernel_prepare(path, NULL);
    g_autofree char *second = kernel_prepare(path, NULL);

    cr_expect_str_eq(first, second);
}

Test(kernel, a_file_that_is_none_is_refused)
{
    g_autofree char *path = g_build_filename(folder, "text", NULL);
    g_autoptr(GError) error = NULL;

    cr_assert(g_file_set_contents(path, "text", -1, NULL));
    cr_expect_null(kernel_prepare(path, &error));
    cr_expect(g_error_matches(error, SUNDER_ERROR, SUNDER_ERROR_USAGE));
}
