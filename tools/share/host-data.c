/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: what is in files and directories, and locks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host-internal.h"

G_STATIC_ASSERT(sizeof(ShareSpan) == sizeof(struct iovec));
G_STATIC_ASSERT(offsetof(ShareSpan, base) == offsetof(struct iovec, iov_base));
G_STATIC_ASSERT(offsetof(ShareSpan, size) == offsetof(struct iovec, iov_len));

static size_t total(const ShareSpan *spans, unsigned n)
{
    size_t size = 0;

    for (unsigned i = 0; i < n; i++) {
        size += spans[i].size;
    }
    return size;
}

/* A few spans at a time: a call takes no more than IOV_MAX. */
int64_t host_read(void *volume, ShareOpen *open, const ShareSpan *to,
                  unsigned n, uint64_t offset)
{
    int64_t done = 0;

    while (n) {
        unsigned now = MIN(n, IOV_MAX);
        ssize_t got = preadv(open->fd, (const struct iovec *)to, now,
                             offset + done);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return done ? done : -errno;
        }
        done += got;
        if ((size_t)got < total(to, now)) {
            break;
        }
        to += now;
        n -= now;
    }
    return done;
}

int64_t host_write(void *volume, ShareOpen *open, const ShareSpan *from,
                   unsigned n, uint64_t offset, bool append)
{
    int64_t done = 0;

    host_keep_setid(false);
    while (n) {
        unsigned now = MIN(n, IOV_MAX);
        ssize_t put = pwritev2(open->fd, (const struct iovec *)from, now,
                               offset + done, append ? RWF_APPEND : 0);

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return done ? done : -errno;
        }
        done += put;
        if ((size_t)put < total(from, now)) {
            break;
        }
        from += now;
        n -= now;
    }
    return done;
}

int64_t host_copy(void *volume, ShareOpen *from, uint64_t from_offset,
                  ShareOpen *to, uint64_t to_offset, uint64_t length)
{
    off_t in = from_offset, out = to_offset;
    ssize_t done;

    host_keep_setid(false);
    done = copy_file_range(from->fd, &in, to->fd, &out, length, 0);
    return done < 0 ? -errno : done;
}

/* Records of the kernel's into ours, which are a little longer. */
static size_t convert(const uint8_t *at, size_t size, uint8_t *to)
{
    size_t done = 0;

    while (size) {
        const struct dirent64 *from = (const struct dirent64 *)at;
        size_t length = strlen(from->d_name);
        ShareDirent *d = (ShareDirent *)(to + done);

        *d = (ShareDirent){
            .ino = from->d_ino,
            .next = from->d_off,
            .type = from->d_type,
            .name_size = length,
            .record_size = (sizeof(*d) + length + 7) & ~7u,
        };
        memcpy(d + 1, from->d_name, length);
        done += d->record_size;
        at += from->d_reclen;
        size -= from->d_reclen;
    }
    return done;
}

int64_t host_readdir(void *volume, ShareOpen *open, uint64_t cookie,
                     void *buffer, size_t size)
{
    /* a record of 24 bytes or more grows by 8 at most */
    size_t room = size / 4 * 3 & ~(size_t)7;
    g_autofree uint8_t *records = g_malloc(room);
    ssize_t got;

    if (cookie != open->at) {
        if (cookie > INT64_MAX || lseek(open->fd, cookie, SEEK_SET) < 0) {
            return -EINVAL;
        }
        open->at = cookie;
    }
    got = syscall(SYS_getdents64, open->fd, records, room);
    if (got <= 0) {
        return got < 0 ? -errno : 0;
    }
    /* the engine may stop anywhere: where it goes on, it says */
    got = convert(records, got, buffer);
    for (const uint8_t *at = buffer; at < (uint8_t *)buffer + got;
         at += ((const ShareDirent *)at)->record_size) {
        open->at = ((const ShareDirent *)at)->next;
    }
    return got;
}

static struct flock region(const ShareLock *lock)
{
    return (struct flock){
        .l_type = lock->type == SHARE_LOCK_READ ? F_RDLCK
                : lock->type == SHARE_LOCK_WRITE ? F_WRLCK : F_UNLCK,
        .l_whence = SEEK_SET,
        .l_start = lock->start,
        .l_len = lock->end == INT64_MAX ? 0 : lock->end - lock->start + 1,
    };
}

int host_lock(void *volume, ShareOpen *open, const ShareLock *lock)
{
    struct flock fl = region(lock);
    int ret;

    if (lock->whole) {
        ret = flock(open->fd, LOCK_NB |
                    (lock->type == SHARE_LOCK_READ ? LOCK_SH
                   : lock->type == SHARE_LOCK_WRITE ? LOCK_EX : LOCK_UN));
    } else {
        ret = fcntl(open->fd, F_OFD_SETLK, &fl);
    }
    return ret < 0 ? -errno : 0;
}

int host_test_lock(void *volume, ShareOpen *open, ShareLock *lock)
{
    struct flock fl = region(lock);

    if (lock->whole) {
        return -EOPNOTSUPP;
    }
    if (fcntl(open->fd, F_OFD_GETLK, &fl) < 0) {
        return -errno;
    }
    lock->type = fl.l_type == F_RDLCK ? SHARE_LOCK_READ
               : fl.l_type == F_WRLCK ? SHARE_LOCK_WRITE : SHARE_LOCK_NONE;
    if (fl.l_type != F_UNLCK) {
        lock->start = fl.l_start;
        lock->end = fl.l_len ? fl.l_start + fl.l_len - 1 : INT64_MAX;
    }
    return 0;
}
