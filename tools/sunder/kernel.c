/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel file as QEMU boots it fastest
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "bzimage.h"
#include "digest.h"
#include "error.h"
#include "kernel.h"
#include "paths.h"

/*
 * Uncompress up to @wanted bytes of @data; libarchive tells gzip, xz, zstd,
 * lz4, bzip2 and lzma by their first bytes.
 */
static GByteArray *kernel_uncompress(const uint8_t *data, size_t size,
                                     size_t wanted)
{
    struct archive *archive = archive_read_new();
    g_autoptr(GByteArray) unpacked = g_byte_array_new();
    struct archive_entry *entry;
    ssize_t got = 0;

    archive_read_support_filter_all(archive);
    archive_read_support_format_raw(archive);
    if (archive_read_open_memory(archive, data, size) == ARCHIVE_OK &&
        archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        g_byte_array_set_size(unpacked, (guint)wanted);
        for (size_t at = 0; at < wanted; at += (size_t)got) {
            got = archive_read_data(archive, unpacked->data + at,
                                    wanted - at);
            if (got <= 0) {
                g_byte_array_set_size(unpacked, (guint)at);
                break;
            }
        }
    }
    archive_read_free(archive);
    return unpacked->len ? g_steal_pointer(&unpacked) : NULL;
}

/* The vmlinux in a bzImage, or NULL when it is better booted as it is. */
static GByteArray *kernel_unpack(const uint8_t *data, const BzImage *image)
{
    GByteArray *unpacked = kernel_uncompress(
        data + image->payload, image->payload_size, image->unpacked);

    if (unpacked && unpacked->len == image->unpacked &&
        elf_has_pvh_entry(unpacked->data, unpacked->len)) {
        return unpacked;
    }
    g_clear_pointer(&unpacked, g_byte_array_unref);
    return NULL;
}

static char *kernel_from_bzimage(const char *path, const uint8_t *data,
                                 size_t size, GError **error)
{
    g_autofree char *digest = digest_file(path, error);
    g_autofree char *folder = paths_cache("kernels");
    g_autofree char *cached = NULL;
    g_autoptr(GByteArray) vmlinux = NULL;
    BzImage image;

    if (!digest) {
        return NULL;
    }
    cached = g_strdup_printf("%s/%s.vmlinux", folder, digest);
    if (g_file_test(cached, G_FILE_TEST_IS_REGULAR)) {
        return g_steal_pointer(&cached);
    }
    if (!bzimage_parse(data, size, &image, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    vmlinux = kernel_unpack(data, &image);
    if (!vmlinux) {
        return g_strdup(path);
    }
    if (g_mkdir_with_parents(folder, 0700) < 0 ||
        !g_file_set_contents(cached, (char *)vmlinux->data, vmlinux->len,
                             error)) {
        g_prefix_error(error, "%s: cannot keep the unpacked kernel: ", folder);
        return NULL;
    }
    return g_steal_pointer(&cached);
}

char *kernel_prepare(const char *path, GError **error)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
    const uint8_t *data;
    size_t size;

    if (!file) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "kernel %s: cannot be read; expected the path of a "
                    "bzImage or vmlinux, or the version of a guest that "
                    "scripts/guest made (6.1, 6.12)", path);
        return NULL;
    }
    data = (const uint8_t *)g_mapped_file_get_contents(file);
    size = g_mapped_file_get_length(file);
    if (elf_is(data, size)) {
        if (elf_has_pvh_entry(data, size)) {
            return g_strdup(path);
        }
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "kernel %s: an ELF file without a PVH entry (CONFIG_PVH "
                    "is off); give the bzImage of the same kernel", path);
        return NULL;
    }
    if (bzimage_is(data, size)) {
        return kernel_from_bzimage(path, data, size, error);
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "kernel %s: neither an ELF file nor a bzImage", path);
    return NULL;
}
