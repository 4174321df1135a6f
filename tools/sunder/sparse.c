/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copying files that are mostly holes
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "sparse.h"

#define SPARSE_CHUNK (1 << 20)

/* Copy @length bytes at @offset; false with errno set. */
static bool sparse_copy_range(int from, int to, off_t offset, off_t length)
{
    g_autofree char *buffer = g_malloc(SPARSE_CHUNK);

    while (length > 0) {
        ssize_t got = pread(from, buffer, (size_t)MIN(length, SPARSE_CHUNK),
                            offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got ? errno : EIO;      /* it became shorter */
            return false;
        }
        for (ssize_t done = 0; done < got;) {
            ssize_t put = pwrite(to, buffer + done, (size_t)(got - done),
                                 offset + done);

            if (put < 0 && errno != EINTR) {
                return false;
            }
            done += MAX(put, 0);
        }
        offset += got;
        length -= got;
    }
    return true;
}

static bool sparse_copy_data(int from, int to, off_t size)
{
    off_t data = 0;

    while (data < size && (data = lseek(from, data, SEEK_DATA)) >= 0) {
        off_t hole = lseek(from, data, SEEK_HOLE);

        if (hole < 0 || !sparse_copy_range(from, to, data, hole - data)) {
            return false;
        }
        data = hole;
    }
    /* ENXIO: nothing but a hole up to the end (lseek(2)) */
    return data >= 0 || errno == ENXIO;
}

bool sparse_copy(const char *from, const char *to, GError **error)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct stat stat;
    bool good = source >= 0 && target >= 0 && fstat(source, &stat) == 0 &&
                ftruncate(target, stat.st_size) == 0 &&
                sparse_copy_data(source, target, stat.st_size);
    int failure = errno;

    if (source >= 0) {
        close(source);
    }
    if (target >= 0 && close(target) < 0 && good) {
        failure = errno;
        good = false;
    }
    if (!good) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be copied to %s: %s", from, to,
                    g_strerror(failure));
    }
    return good;
}

guint64 sparse_allocated(const char *path)
{
    struct stat info;

    /* stat(2): st_blocks counts 512 bytes, whatever the file system's are */
    return stat(path, &info) == 0 ? (guint64)info.st_blocks * 512 : 0;
}
