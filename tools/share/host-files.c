/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: volumes, and the table of operations. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host-internal.h"

/* Directories that may be open at once while counting. */
#define MAX_DEPTH       256

static void forget(void *volume, ShareFile *file)
{
    close(file->fd);
    g_free(file);
}

static int readlink_file(void *volume, ShareFile *file, char *target,
                         size_t size)
{
    ssize_t got = readlinkat(file->fd, "", target, size);

    return got < 0 ? -errno : got;
}

static int open_file(void *volume, ShareFile *file, unsigned flags,
                     ShareOpen **open)
{
    int fd;

    if (file->type != S_IFREG) {
        return -ENXIO;
    }
    host_keep_setid(false);
    fd = host_reopen(file, host_open_flags(flags));
    if (fd < 0) {
        return fd;
    }
    *open = host_open_new(fd, flags & SHARE_OPEN_WRITE);
    return 0;
}

static int open_directory(void *volume, ShareFile *file, ShareOpen **open)
{
    int fd = file->type == S_IFDIR
                 ? host_reopen(file, O_RDONLY | O_DIRECTORY) : -ENOTDIR;

    if (fd < 0) {
        return fd;
    }
    *open = host_open_new(fd, false);
    return 0;
}

static void release(void *volume, ShareOpen *open)
{
    close(open->fd);
    g_free(open);
}

static int sync_open(void *volume, ShareOpen *open, bool data_only)
{
    int ret = data_only ? fdatasync(open->fd) : fsync(open->fd);

    return ret < 0 ? -errno : 0;
}

/* File systems of the network write back when a descriptor is closed. */
static int flush(void *volume, ShareOpen *open)
{
    int fd = open->writes ? dup(open->fd) : -1;

    return fd >= 0 && close(fd) < 0 ? -errno : 0;
}

static int stat_fs(void *volume, ShareFile *file, ShareStatfs *out)
{
    struct statvfs fs;

    if (fstatvfs(file->fd, &fs) < 0) {
        return -errno;
    }
    *out = (ShareStatfs){
        .blocks = fs.f_blocks,
        .blocks_free = fs.f_bfree,
        .blocks_available = fs.f_bavail,
        .files = fs.f_files,
        .files_free = fs.f_favail,
        .block_size = fs.f_frsize,
        .name_max = fs.f_namemax,
    };
    return 0;
}

static int allocate(void *volume, ShareOpen *open, unsigned mode,
                    uint64_t offset, uint64_t length)
{
    host_keep_setid(false);
    return fallocate(open->fd, mode, offset, length) < 0 ? -errno : 0;
}

static int64_t seek(void *volume, ShareOpen *open, uint64_t offset,
                    unsigned whence)
{
    off_t at = lseek(open->fd, offset, whence);

    return at < 0 ? -errno : at;
}

static int sync_fs(void *volume, ShareFile *file)
{
    int fd = host_reopen(file, O_RDONLY), ret;

    if (fd < 0) {
        return fd;
    }
    ret = syncfs(fd) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

static void closed(void *volume)
{
    host_volume_free(volume);
}

const ShareFileOps host_file_ops = {
    .lookup = host_lookup,
    .forget = forget,
    .getattr = host_getattr,
    .setattr = host_setattr,
    .readlink = readlink_file,
    .make = host_make,
    .create = host_create,
    .tmpfile = host_tmpfile,
    .remove = host_remove,
    .rename = host_rename,
    .link = host_link,
    .open = open_file,
    .opendir = open_directory,
    .release = release,
    .read = host_read,
    .write = host_write,
    .fsync = sync_open,
    .flush = flush,
    .readdir = host_readdir,
    .statfs = stat_fs,
    .fallocate = allocate,
    .lseek = seek,
    .copy = host_copy,
    .getxattr = host_getxattr,
    .listxattr = host_listxattr,
    .setxattr = host_setxattr,
    .removexattr = host_removexattr,
    .lock = host_lock,
    .test_lock = host_test_lock,
    .syncfs = sync_fs,
    .closed = closed,
};

HostVolume *host_volume_open(const char *path, bool submounts,
                             GError **error)
{
    HostVolume *volume = g_new0(HostVolume, 1);
    int ret;

    volume->path = g_strdup(path);
    volume->submounts = submounts;
    volume->fd = open(path, O_PATH | O_CLOEXEC);
    ret = volume->fd < 0 ? -errno : host_stat(volume->fd, &volume->attr);
    if (ret == 0 && !S_ISDIR(volume->attr.mode) &&
        !S_ISREG(volume->attr.mode)) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_FILE,
                    "%s: neither a directory nor a regular file; nothing "
                    "else can be shared", path);
        ret = -EINVAL;
    } else if (ret < 0) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_FILE, "%s: %s", path,
                    g_strerror(-ret));
    }
    if (ret < 0) {
        host_volume_free(volume);
        return NULL;
    }
    return volume;
}

void host_volume_free(HostVolume *volume)
{
    if (volume->fd >= 0) {
        close(volume->fd);
    }
    g_free(volume->path);
    g_free(volume);
}

ShareFile *host_volume_root(HostVolume *volume)
{
    int fd = fcntl(volume->fd, F_DUPFD_CLOEXEC, 0);
    ShareFile *file = NULL;
    ShareAttr attr;

    return host_file_new(fd < 0 ? -errno : fd, &file, &attr) < 0 ? NULL
                                                                 : file;
}

bool host_volume_is_current(const HostVolume *volume)
{
    struct stat st;

    return stat(volume->path, &st) == 0 && st.st_dev == volume->attr.dev &&
           st.st_ino == volume->attr.ino;
}

/* --- Counting --------------------------------------------------------- */

typedef struct Count {
    HostVolume *volume;
    ShareUsage *usage;
    GHashTable *links;          /* inode numbers with more than one name */
    unsigned depth;
} Count;

static void count_one(Count *count, const ShareAttr *attr)
{
    if (attr->nlink > 1 && !S_ISDIR(attr->mode)) {
        uint64_t key = attr->ino ^ attr->dev << 48;

        if (g_hash_table_contains(count->links, &key)) {
            return;
        }
        g_hash_table_add(count->links, g_memdup2(&key, sizeof(key)));
    }
    count->usage->files++;
    if (S_ISREG(attr->mode)) {
        count->usage->bytes += MAX(attr->size, attr->blocks * 512);
    }
}

static int count_directory(Count *count, const ShareFile *dir);

static int count_entry(Count *count, const ShareFile *dir, const char *name)
{
    int fd = host_open_beneath(count->volume, dir->fd, name), ret;
    ShareFile *file;
    ShareAttr attr;

    if (fd == -ENOENT || fd == -EACCES) {
        return 0;               /* gone meanwhile, or not shared */
    }
    ret = host_file_new(fd, &file, &attr);
    if (ret < 0) {
        return ret;
    }
    count_one(count, &attr);
    if (file->type == S_IFDIR) {
        ret = count_directory(count, file);
    }
    forget(count->volume, file);
    return ret;
}

static int count_directory(Count *count, const ShareFile *dir)
{
    int fd = host_reopen(dir, O_RDONLY | O_DIRECTORY), ret = 0;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *d;

    if (!stream) {
        return fd < 0 ? fd : -ENOMEM;
    }
    if (++count->depth > MAX_DEPTH) {
        ret = -ELOOP;
    }
    while (ret == 0 && (d = readdir(stream))) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            ret = count_entry(count, dir, d->d_name);
        }
    }
    count->depth--;
    closedir(stream);
    return ret;
}

bool host_volume_count(HostVolume *volume, ShareUsage *usage,
                       GError **error)
{
    Count count = { .volume = volume, .usage = usage };
    ShareFile root = { volume->fd, volume->attr.mode & S_IFMT };
    ShareAttr attr;
    int ret;

    *usage = (ShareUsage){ 0 };
    if (root.type != S_IFDIR) {
        ret = host_stat(volume->fd, &attr);
        count.usage->bytes = ret == 0 ? MAX(attr.size, attr.blocks * 512)
                                      : 0;
    } else {
        count.links = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                            g_free, NULL);
        ret = count_directory(&count, &root);
        g_hash_table_unref(count.links);
    }
    if (ret < 0) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_FILE,
                    "%s: cannot be counted: %s%s", volume->path,
                    g_strerror(-ret), ret == -ELOOP
                        ? " (directories nest too deep)" : "");
        return false;
    }
    return true;
}
