/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 of files, remembered
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "paths.h"

#define DIGEST_LENGTH 64    /* of a SHA-256 in hexadecimal */

static char *digest_read(int fd, const char *path, GError **error)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guchar *buffer = g_malloc(1 << 20);
    ssize_t got;

    while ((got = read(fd, buffer, 1 << 20)) > 0) {
        g_checksum_update(checksum, buffer, got);
    }
    if (got < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be read: %s", path, g_strerror(errno));
        return NULL;
    }
    return g_strdup(g_checksum_get_string(checksum));
}

/* Where the digest of the file with @stat is remembered. */
static char *digest_note_path(const struct stat *stat)
{
    g_autofree char *key = g_strdup_printf(
        "%ju-%ju-%jd-%jd.%09ld", (uintmax_t)stat->st_dev,
        (uintmax_t)stat->st_ino, (intmax_t)stat->st_size,
        (intmax_t)stat->st_ctim.tv_sec, stat->st_ctim.tv_nsec);
    g_autofree char *folder = paths_cache("digests");

    g_mkdir_with_parents(folder, 0700);
    return g_build_filename(folder, key, NULL);
}

char *digest_file(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_autofree char *note = NULL;
    char *digest = NULL;
    struct stat stat;
    gsize length;

    if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: %s", path, fd < 0 ? g_strerror(errno)
                                           : "not a regular file");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    note = digest_note_path(&stat);
    if (g_file_get_contents(note, &digest, &length, NULL) &&
        length == DIGEST_LENGTH) {
        close(fd);
        return digest;
    }
    g_free(digest);
    digest = digest_read(fd, path, error);
    close(fd);
    if (digest) {
        /* Only a cache: without it the next one hashes again. */
        g_file_set_contents(note, digest, -1, NULL);
    }
    return digest;
}
