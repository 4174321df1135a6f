/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: objects, and how they are opened. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host-internal.h"

/* openat2() gives up when somebody renames at the wrong moment. */
#define TRIES           32
#define KEPT_BACK       64      /* descriptors for everything else */

static int proc_fd = -1;

int host_proc_fd(void)
{
    return proc_fd;
}

static int open_at(int dir, const char *name, uint64_t flags,
                   uint64_t resolve)
{
    struct open_how how = { .flags = flags, .resolve = resolve };
    int fd = -1;

    for (unsigned i = 0; i < TRIES; i++) {
        fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return fd < 0 ? -errno : fd;
}

bool host_files_begin(GError **error)
{
    struct rlimit limit;
    int fd;

    if (proc_fd < 0) {
        proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (proc_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "/proc/self/fd: %s; files cannot be opened without it",
                    g_strerror(errno));
        return false;
    }
    fd = open_at(AT_FDCWD, ".", O_PATH | O_CLOEXEC,
                 RESOLVE_NO_MAGICLINKS);
    if (fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-fd),
                    "openat2: %s; shares need Linux 5.6 or later",
                    g_strerror(-fd));
        return false;
    }
    close(fd);
    umask(0);
    /* none of its own; where that is forbidden they are the user's anyway */
    if (setgroups(0, NULL) < 0 && errno != EPERM) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "setgroups: %s", g_strerror(errno));
        return false;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return true;
}

unsigned host_files_budget(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur <= 2 * KEPT_BACK) {
        return KEPT_BACK;
    }
    return MIN(limit.rlim_cur - KEPT_BACK, G_MAXINT);
}

HostFdName host_fd_name(int fd)
{
    HostFdName name;

    snprintf(name.text, sizeof(name.text), "%d", fd);
    return name;
}

static ShareTime from_statx(const struct statx_timestamp *t)
{
    return (ShareTime){ t->tv_sec, t->tv_nsec };
}

int host_stat(int fd, ShareAttr *attr)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
              STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &st) < 0) {
        return -errno;
    }
    *attr = (ShareAttr){
        .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .ino = st.stx_ino,
        .mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0,
        .size = st.stx_size,
        .blocks = st.stx_blocks,
        .mode = st.stx_mode,
        .nlink = st.stx_nlink,
        .uid = st.stx_uid,
        .gid = st.stx_gid,
        .rdev_major = st.stx_rdev_major,
        .rdev_minor = st.stx_rdev_minor,
        .block_size = st.stx_blksize,
        .has_btime = st.stx_mask & STATX_BTIME,
        .atime = from_statx(&st.stx_atime),
        .mtime = from_statx(&st.stx_mtime),
        .ctime = from_statx(&st.stx_ctime),
        .btime = from_statx(&st.stx_btime),
    };
    return 0;
}

bool host_is_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

int host_open_beneath(const HostVolume *volume, int dir, const char *name)
{
    int fd;

    if (!host_is_name(name)) {
        return -EINVAL;
    }
    fd = open_at(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC,
                 RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                 RESOLVE_NO_SYMLINKS |
                 (volume->submounts ? 0 : RESOLVE_NO_XDEV));

    /* another file system is mounted there: it is not shared */
    return fd == -EXDEV ? -EACCES : fd;
}

/* Takes @fd over.  Returns: 0 and an object, or a negative errno. */
int host_file_new(int fd, ShareFile **file, ShareAttr *attr)
{
    int ret = fd < 0 ? fd : host_stat(fd, attr);

    if (ret < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return ret;
    }
    *file = g_new(ShareFile, 1);
    **file = (ShareFile){ fd, attr->mode & S_IFMT };
    return 0;
}

int host_reopen(const ShareFile *file, int flags)
{
    int fd;

    if (file->type != S_IFREG && file->type != S_IFDIR) {
        return -ENXIO;
    }
    fd = openat(proc_fd, host_fd_name(file->fd).text,
                flags | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int host_open_flags(unsigned flags)
{
    int mode = !(flags & SHARE_OPEN_WRITE) ? O_RDONLY
             : flags & SHARE_OPEN_READ ? O_RDWR : O_WRONLY;

    return mode | (flags & SHARE_OPEN_TRUNCATE ? O_TRUNC : 0) |
           (flags & SHARE_OPEN_SYNC ? O_SYNC : 0) |
           (flags & SHARE_OPEN_DSYNC ? O_DSYNC : 0);
}

ShareOpen *host_open_new(int fd, bool writes)
{
    ShareOpen *open = g_new0(ShareOpen, 1);

    open->fd = fd;
    open->writes = writes;
    return open;
}

int host_lookup(void *volume, ShareFile *dir, const char *name,
                ShareFile **file, ShareAttr *attr)
{
    return host_file_new(host_open_beneath(volume, dir->fd, name), file,
                         attr);
}
