/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: attributes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host-internal.h"

int host_getattr(void *volume, ShareFile *file, ShareOpen *open,
                 ShareAttr *attr)
{
    return host_stat(open ? open->fd : file->fd, attr);
}

static int set_size(const ShareFile *file, const ShareOpen *open,
                    uint64_t size)
{
    int fd = open && open->writes ? open->fd : host_reopen(file, O_WRONLY);
    int ret;

    if (fd < 0) {
        return fd;
    }
    host_keep_setid(false);
    ret = ftruncate(fd, size) < 0 ? -errno : 0;
    if (!open || fd != open->fd) {
        close(fd);
    }
    return ret;
}

static int set_owner(const ShareFile *file, const ShareSetAttr *set)
{
    uid_t uid = set->valid & SHARE_SET_UID ? set->uid : (uid_t)-1;
    gid_t gid = set->valid & SHARE_SET_GID ? set->gid : (gid_t)-1;

    return fchownat(file->fd, "", uid, gid,
                    AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Of what is no symbolic link: through its descriptor, without opening it. */
static int set_mode(const ShareFile *file, uint32_t mode)
{
    int ret;

    if (file->type == S_IFLNK) {
        return -EOPNOTSUPP;
    }
    /* who may set it for a foreign group is the guest's kernel's to say */
    host_keep_setid(true);
    ret = fchmodat(host_proc_fd(), host_fd_name(file->fd).text, mode, 0);
    ret = ret < 0 ? -errno : 0;
    host_keep_setid(false);
    return ret;
}

static struct timespec time_of(unsigned valid, unsigned set, unsigned now,
                               const ShareTime *t)
{
    if (valid & now) {
        return (struct timespec){ 0, UTIME_NOW };
    }
    return valid & set ? (struct timespec){ t->sec, t->nsec }
                       : (struct timespec){ 0, UTIME_OMIT };
}

static int set_times(const ShareFile *file, const ShareSetAttr *set)
{
    const struct timespec times[2] = {
        time_of(set->valid, SHARE_SET_ATIME, SHARE_SET_ATIME_NOW,
                &set->atime),
        time_of(set->valid, SHARE_SET_MTIME, SHARE_SET_MTIME_NOW,
                &set->mtime),
    };

    return utimensat(file->fd, "", times,
                     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The mode after the owner, whose change clears bits of it. */
int host_setattr(void *volume, ShareFile *file, ShareOpen *open,
                 const ShareSetAttr *set, ShareAttr *attr)
{
    const unsigned times = SHARE_SET_ATIME | SHARE_SET_MTIME |
                           SHARE_SET_ATIME_NOW | SHARE_SET_MTIME_NOW;
    int ret = 0;

    if (set->valid & SHARE_SET_SIZE) {
        ret = set_size(file, open, set->size);
    }
    if (ret == 0 && (set->valid & (SHARE_SET_UID | SHARE_SET_GID))) {
        ret = set_owner(file, set);
    }
    if (ret == 0 && (set->valid & SHARE_SET_MODE)) {
        ret = set_mode(file, set->mode);
    }
    if (ret == 0 && (set->valid & times)) {
        ret = set_times(file, set);
    }
    return ret < 0 ? ret : host_stat(file->fd, attr);
}

/* O_PATH descriptors have none; O_NONBLOCK: no lease is waited for. */
static int open_for_xattrs(const ShareFile *file)
{
    return host_reopen(file, O_RDONLY | O_NONBLOCK);
}

int64_t host_getxattr(void *volume, ShareFile *file, const char *name,
                      void *value, size_t size)
{
    int fd = open_for_xattrs(file);
    ssize_t got;

    if (fd < 0) {
        return fd;
    }
    got = fgetxattr(fd, name, value, size);
    got = got < 0 ? -errno : got;
    close(fd);
    return got;
}

int64_t host_listxattr(void *volume, ShareFile *file, char *list,
                       size_t size)
{
    int fd = open_for_xattrs(file);
    ssize_t got;

    if (fd < 0) {
        return fd;
    }
    got = flistxattr(fd, list, size);
    got = got < 0 ? -errno : got;
    close(fd);
    return got;
}

int host_setxattr(void *volume, ShareFile *file, const char *name,
                  const void *value, size_t size, unsigned flags)
{
    int fd = open_for_xattrs(file), ret;

    if (fd < 0) {
        return fd;
    }
    ret = fsetxattr(fd, name, value, size, flags) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

int host_removexattr(void *volume, ShareFile *file, const char *name)
{
    int fd = open_for_xattrs(file), ret;

    if (fd < 0) {
        return fd;
    }
    ret = fremovexattr(fd, name) < 0 ? -errno : 0;
    close(fd);
    return ret;
}
