/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: making, removing, renaming. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host-internal.h"

static int make(int dir, const char *name, const ShareMake *what)
{
    int ret;

    switch (what->mode & S_IFMT) {
    case S_IFDIR:
        ret = mkdirat(dir, name, what->mode & 07777);
        break;
    case S_IFLNK:
        ret = symlinkat(what->target, dir, name);
        break;
    default:
        ret = mknodat(dir, name, what->mode,
                      makedev(what->rdev_major, what->rdev_minor));
    }
    return ret < 0 ? -errno : 0;
}

int host_make(void *volume, ShareFile *dir, const char *name,
              const ShareMake *what, ShareFile **file, ShareAttr *attr)
{
    int ret = host_is_name(name) ? host_act_for(&what->caller) : -EINVAL;

    if (ret < 0) {
        return ret;
    }
    ret = make(dir->fd, name, what);
    host_act_for_none();
    return ret < 0 ? ret : host_lookup(volume, dir, name, file, attr);
}

/* The object that an open file is, as an object. */
static int file_of_open(int fd, ShareFile **file, ShareAttr *attr)
{
    int path = openat(host_proc_fd(), host_fd_name(fd).text,
                      O_PATH | O_CLOEXEC);

    return host_file_new(path < 0 ? -errno : path, file, attr);
}

static int finish_create(int fd, unsigned flags, ShareFile **file,
                         ShareAttr *attr, ShareOpen **open)
{
    int ret;

    if (fd < 0) {
        return fd;
    }
    ret = file_of_open(fd, file, attr);
    if (ret < 0) {
        close(fd);
        return ret;
    }
    *open = host_open_new(fd, flags & SHARE_OPEN_WRITE);
    return 0;
}

/*
 * With O_EXCL nothing is opened that was there, and no link is followed; a
 * name is one component: openat() reaches nothing else.
 */
int host_create(void *volume, ShareFile *dir, const char *name,
                unsigned flags, uint32_t mode, const ShareCaller *caller,
                ShareFile **file, ShareAttr *attr, ShareOpen **open)
{
    int fd = host_is_name(name) ? host_act_for(caller) : -EINVAL;

    if (fd == 0) {
        fd = openat(dir->fd, name, host_open_flags(flags) | O_CREAT |
                    O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
        fd = fd < 0 ? -errno : fd;
        host_act_for_none();
    }
    return finish_create(fd, flags, file, attr, open);
}

int host_tmpfile(void *volume, ShareFile *dir, unsigned flags,
                 uint32_t mode, const ShareCaller *caller, ShareFile **file,
                 ShareAttr *attr, ShareOpen **open)
{
    int fd;

    if (!(flags & SHARE_OPEN_WRITE)) {
        return -EINVAL;
    }
    fd = host_act_for(caller);
    if (fd == 0) {
        fd = openat(host_proc_fd(), host_fd_name(dir->fd).text,
                    host_open_flags(flags) | O_TMPFILE | O_CLOEXEC, mode);
        fd = fd < 0 ? -errno : fd;
        host_act_for_none();
    }
    return finish_create(fd, flags, file, attr, open);
}

int host_remove(void *volume, ShareFile *dir, const char *name,
                bool directory, ShareAttr *gone)
{
    int fd = host_open_beneath(volume, dir->fd, name);
    int ret = 0;

    if (fd < 0 && fd != -EACCES) {
        return fd;
    }
    if (unlinkat(dir->fd, name, directory ? AT_REMOVEDIR : 0) < 0) {
        ret = -errno;
    }
    *gone = (ShareAttr){ .nlink = 1 };
    if (fd >= 0) {
        if (ret == 0) {
            host_stat(fd, gone);
        }
        close(fd);
    }
    return ret;
}

int host_rename(void *volume, ShareFile *dir, const char *name,
                ShareFile *new_dir, const char *new_name, unsigned flags,
                ShareAttr *replaced)
{
    int fd, ret = 0;

    if (!host_is_name(name) || !host_is_name(new_name)) {
        return -EINVAL;
    }
    fd = flags ? -ENOENT
               : host_open_beneath(volume, new_dir->fd, new_name);
    if (renameat2(dir->fd, name, new_dir->fd, new_name, flags) < 0) {
        ret = -errno;
    }
    *replaced = (ShareAttr){ 0 };
    if (fd >= 0) {
        if (ret == 0 && host_stat(fd, replaced) < 0) {
            *replaced = (ShareAttr){ 0 };
        }
        close(fd);
    }
    return ret;
}

/* By its descriptor: AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH. */
int host_link(void *volume, ShareFile *file, ShareFile *dir,
              const char *name, ShareAttr *attr)
{
    if (!host_is_name(name)) {
        return -EINVAL;
    }
    if (linkat(host_proc_fd(), host_fd_name(file->fd).text, dir->fd, name,
               AT_SYMLINK_FOLLOW) < 0) {
        return -errno;
    }
    return host_stat(file->fd, attr);
}
