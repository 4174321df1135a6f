/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of this host: what its files know of each other. */
#ifndef SUNDER_SHARE_HOST_INTERNAL_H
#define SUNDER_SHARE_HOST_INTERNAL_H

#include <sys/types.h>

#include "host-files.h"

struct HostVolume {
    char *path;
    bool submounts;
    int fd;                     /* of the root */
    ShareAttr attr;             /* of the root, when it was opened */
};

struct ShareFile {
    int fd;                     /* O_PATH */
    uint32_t type;              /* S_IFMT */
};

struct ShareOpen {
    int fd;
    bool writes;
    uint64_t at;                /* cookie that a directory stands at */
};

/* All: 0 or more, or a negative errno. */
int host_stat(int fd, ShareAttr *attr);
/* One component: whoever calls may have been taken over by a guest. */
bool host_is_name(const char *name);
/* An O_PATH descriptor of @name in @dir, never a symbolic link's target. */
int host_open_beneath(const HostVolume *volume, int dir, const char *name);
/* Opens the object anew: regular files and directories only. */
int host_reopen(const ShareFile *file, int flags);
int host_file_new(int fd, ShareFile **file, ShareAttr *attr);
int host_open_flags(unsigned flags);
ShareOpen *host_open_new(int fd, bool writes);
/* "N", for use below /proc/self/fd */
typedef struct HostFdName {
    char text[16];
} HostFdName;
HostFdName host_fd_name(int fd);
int host_proc_fd(void);

/*
 * This thread acts for @caller, if it may; between host_act_for() and
 * host_act_for_none() only what makes files may happen.
 */
int host_act_for(const ShareCaller *caller);
void host_act_for_none(void);
/* This thread has, or has not, CAP_FSETID; it begins with not having it. */
void host_keep_setid(bool keep);

int host_lookup(void *volume, ShareFile *dir, const char *name,
                ShareFile **file, ShareAttr *attr);
int host_make(void *volume, ShareFile *dir, const char *name,
              const ShareMake *what, ShareFile **file, ShareAttr *attr);
int host_create(void *volume, ShareFile *dir, const char *name,
                unsigned flags, uint32_t mode, const ShareCaller *caller,
                ShareFile **file, ShareAttr *attr, ShareOpen **open);
int host_tmpfile(void *volume, ShareFile *dir, unsigned flags,
                 uint32_t mode, const ShareCaller *caller, ShareFile **file,
                 ShareAttr *attr, ShareOpen **open);
int host_remove(void *volume, ShareFile *dir, const char *name,
                bool directory, ShareAttr *gone);
int host_rename(void *volume, ShareFile *dir, const char *name,
                ShareFile *new_dir, const char *new_name, unsigned flags,
                ShareAttr *replaced);
int host_link(void *volume, ShareFile *file, ShareFile *dir,
              const char *name, ShareAttr *attr);
int host_getattr(void *volume, ShareFile *file, ShareOpen *open,
                 ShareAttr *attr);
int host_setattr(void *volume, ShareFile *file, ShareOpen *open,
                 const ShareSetAttr *set, ShareAttr *attr);
int64_t host_getxattr(void *volume, ShareFile *file, const char *name,
                      void *value, size_t size);
int64_t host_listxattr(void *volume, ShareFile *file, char *list,
                       size_t size);
int host_setxattr(void *volume, ShareFile *file, const char *name,
                  const void *value, size_t size, unsigned flags);
int host_removexattr(void *volume, ShareFile *file, const char *name);
int64_t host_readdir(void *volume, ShareOpen *open, uint64_t cookie,
                     void *buffer, size_t size);
int64_t host_read(void *volume, ShareOpen *open, const ShareSpan *to,
                  unsigned n, uint64_t offset);
int64_t host_write(void *volume, ShareOpen *open, const ShareSpan *from,
                   unsigned n, uint64_t offset, bool append);
int64_t host_copy(void *volume, ShareOpen *from, uint64_t from_offset,
                  ShareOpen *to, uint64_t to_offset, uint64_t length);
int host_lock(void *volume, ShareOpen *open, const ShareLock *lock);
int host_test_lock(void *volume, ShareOpen *open, ShareLock *lock);

#endif
