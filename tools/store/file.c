/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's file
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "file.h"
#include "target-models/store/journal.h"

#define MAGIC           STORE_JOURNAL_MAGIC
#define MAGIC_LENGTH    (sizeof(MAGIC) - 1)

/* Do not tidy what is shorter, nor what is not twice as long as need be. */
#define TIDY_BYTES      (256u << 10)

struct StoreFile {
    char *path;
    char *folder;
    int lock;
    int fd;
    off_t size;             /* of what is sound */
    off_t tidy_at;
    guint sync_source;
    guint tidy_source;
    Store *store;
};

static bool fail(GError **error, const char *path, const char *what,
                 int failure)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(failure),
                "%s: %s: %s", path, what, g_strerror(failure));
    return false;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return true;
}

/* A name in a folder is on the disk only once the folder is. */
static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return done;
}

static bool file_lock(StoreFile *file, bool *in_use, GError **error)
{
    g_autofree char *path = g_build_filename(file->folder, "lock", NULL);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    file->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->lock < 0) {
        return fail(error, path, "cannot be opened", errno);
    }
    if (fcntl(file->lock, F_OFD_SETLK, &lock) == 0) {
        return true;
    }
    *in_use = errno == EAGAIN || errno == EACCES;
    return fail(error, path, "cannot be locked", errno);
}

StoreFile *file_open(const char *folder, bool *in_use, GError **error)
{
    StoreFile *file = g_new0(StoreFile, 1);

    *in_use = false;
    file->folder = g_strdup(folder);
    file->path = g_build_filename(folder, "store", NULL);
    file->lock = file->fd = -1;
    if (g_mkdir_with_parents(folder, 0700) < 0) {
        fail(error, folder, "cannot be made", errno);
    } else if (file_lock(file, in_use, error)) {
        file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                        O_APPEND, 0600);
        if (file->fd >= 0) {
            return file;
        }
        fail(error, file->path, "cannot be opened", errno);
    }
    file_close(file);
    return NULL;
}

/* Keep what cannot be read, and go on with what is before it. */
static bool file_cut(StoreFile *file, const uint8_t *bytes, size_t size,
                     GError **error)
{
    g_autofree char *aside = g_strconcat(file->path, ".cut", NULL);

    fprintf(stderr, "%s: %zu bytes behind byte %lld are no whole record; they "
            "are put aside in %s\n", file->path, size, (long long)file->size,
            aside);
    if (!g_file_set_contents(aside, (const char *)bytes, (gssize)size,
                             error)) {
        return false;
    }
    if (ftruncate(file->fd, file->size) < 0) {
        return fail(error, file->path, "cannot be cut", errno);
    }
    return true;
}

static void file_set_tidy(StoreFile *file)
{
    file->tidy_at = MAX(2 * file->size, (off_t)TIDY_BYTES);
}

bool file_load(StoreFile *file, Store *store, GError **error)
{
    g_autofree char *text = NULL;
    const uint8_t *bytes;
    size_t size, at = MAGIC_LENGTH, used;

    if (!g_file_get_contents(file->path, &text, &size, error)) {
        return false;
    }
    file->store = store;
    bytes = (const uint8_t *)text;
    if (size < MAGIC_LENGTH && !memcmp(bytes, MAGIC, size)) {
        /* New, or torn when it was. */
        file->size = MAGIC_LENGTH;
        file_set_tidy(file);
        return (ftruncate(file->fd, 0) == 0 &&
                write_all(file->fd, (const uint8_t *)MAGIC, MAGIC_LENGTH)) ||
               fail(error, file->path, "cannot be written", errno);
    }
    if (size < MAGIC_LENGTH || memcmp(bytes, MAGIC, MAGIC_LENGTH)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s: not a store that this version can read, expected "
                    "\"%.*s\" at its front; move it away to begin anew",
                    file->path, (int)MAGIC_LENGTH - 1, MAGIC);
        return false;
    }
    while (at < size && (used = store_load(store, bytes + at, size - at))) {
        at += used;
    }
    file->size = (off_t)at;
    file_set_tidy(file);
    return at == size || file_cut(file, bytes + at, size - at, error);
}

/* The kernel could not write what it had taken: only a new start can tell
   what there is. */
static void file_sync(StoreFile *file)
{
    if (fdatasync(file->fd) < 0) {
        fprintf(stderr, "%s: %s; ended, for what is kept is not known\n",
                file->path, g_strerror(errno));
        _exit(EXIT_FAILURE);
    }
}

static gboolean file_sync_later(gpointer opaque)
{
    StoreFile *file = opaque;

    file->sync_source = 0;
    file_sync(file);
    return G_SOURCE_REMOVE;
}

/* @path with all of the store in it, on the disk; -1 if that cannot be */
static int file_write_anew(StoreFile *file, const char *path, off_t *size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW |
                  O_APPEND, 0600);

    if (fd < 0) {
        return -1;
    }
    g_byte_array_append(bytes, (const guint8 *)MAGIC, MAGIC_LENGTH);
    store_save(file->store, bytes);
    *size = (off_t)bytes->len;
    if (!write_all(fd, bytes->data, bytes->len) || fsync(fd) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static gboolean file_tidy(gpointer opaque)
{
    StoreFile *file = opaque;
    g_autofree char *anew = g_strconcat(file->path, ".new", NULL);
    off_t size;
    int fd = file_write_anew(file, anew, &size);

    file->tidy_source = 0;
    if (fd < 0 || rename(anew, file->path) < 0) {
        fprintf(stderr, "%s: cannot be made shorter: %s\n", file->path,
                g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        unlink(anew);
        file->tidy_at *= 2;
        return G_SOURCE_REMOVE;
    }
    sync_folder(file->folder);
    close(file->fd);
    file->fd = fd;
    file->size = size;
    file_set_tidy(file);
    return G_SOURCE_REMOVE;
}

int file_keep(StoreFile *file, const uint8_t *record, size_t size)
{
    if (!write_all(file->fd, record, size)) {
        int failure = errno;

        fprintf(stderr, "%s: %s\n", file->path, g_strerror(failure));
        if (ftruncate(file->fd, file->size) < 0) {
            _exit(EXIT_FAILURE);    /* half a record would hide all others */
        }
        return failure == ENOSPC || failure == EDQUOT ? ENOSPC : EIO;
    }
    file->size += (off_t)size;
    if (!file->sync_source) {
        file->sync_source = g_timeout_add(FILE_SYNC_MS, file_sync_later, file);
    }
    if (file->size > file->tidy_at && !file->tidy_source) {
        file->tidy_source = g_idle_add(file_tidy, file);
    }
    return 0;
}

void file_close(StoreFile *file)
{
    g_clear_handle_id(&file->sync_source, g_source_remove);
    g_clear_handle_id(&file->tidy_source, g_source_remove);
    if (file->fd >= 0) {
        file_sync(file);
        close(file->fd);
    }
    if (file->lock >= 0) {
        close(file->lock);
    }
    g_free(file->path);
    g_free(file->folder);
    g_free(file);
}
