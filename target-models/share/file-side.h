/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File side: what the engine asks of whoever holds the files
 *
 * The engine never opens, reads or names a file of the host.  It calls these
 * operations, and whoever implements them decides what a file is: the
 * sandboxed process (tools/share), a proxy in the emulator that passes them
 * to it, or a tree in memory (tests).
 *
 * Concepts:
 *
 * - A volume is one published tree: the first argument of each operation.
 * - A file is an object of the volume, of any type, that is held (an O_PATH
 *   descriptor, for one) and stays the same object however it is renamed.
 *   The engine gives each one that it was given back exactly once, forget().
 * - An open is a regular file or a directory that is open; given back
 *   exactly once, release().
 * - A name is one component, 1 to SHARE_NAME_MAX bytes, without '/', never
 *   "." or "..", and as long as strlen() says: the engine has checked it.
 *   The implementation checks again whatever would let it leave the volume.
 * - Ids are those of the host; the engine maps.  Modes have the type where
 *   that is said, and no bits beyond 07777 else.
 *
 * Errors are negative errno values of Linux.  Operations are called from
 * many threads at once, also for the same file or open, except that calls
 * of readdir() for one open follow each other.  They may block: others go
 * on meanwhile.  An operation that is NULL answers -ENOSYS, except where
 * said; forget, release, lookup, getattr, open, opendir and readdir must be
 * there.
 */
#ifndef SUNDER_SHARE_FILE_SIDE_H
#define SUNDER_SHARE_FILE_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_NAME_MAX      255     /* bytes; NAME_MAX of Linux */
#define SHARE_TARGET_MAX    4095    /* of a symbolic link; PATH_MAX - 1 */
#define SHARE_XATTR_MAX     65536   /* XATTR_SIZE_MAX, XATTR_LIST_MAX */

/* Memory; laid out like struct iovec. */
typedef struct ShareSpan {
    void *base;
    size_t size;
} ShareSpan;

/* The implementation's own. */
typedef struct ShareFile ShareFile;
typedef struct ShareOpen ShareOpen;

typedef struct ShareTime {
    int64_t sec;
    uint32_t nsec;
} ShareTime;

typedef struct ShareAttr {
    uint64_t dev;               /* any number; with @ino and @mount it is */
    uint64_t ino;               /* what tells objects of a volume apart */
    uint64_t mount;
    uint64_t size;
    uint64_t blocks;            /* of 512 bytes */
    uint32_t mode;              /* with the type */
    uint32_t nlink;
    uint32_t uid;               /* of the host */
    uint32_t gid;
    uint32_t rdev_major;
    uint32_t rdev_minor;
    uint32_t block_size;
    bool has_btime;
    ShareTime atime, mtime, ctime, btime;
} ShareAttr;

/* For whom something is made. */
typedef struct ShareCaller {
    uint32_t uid;               /* of the host */
    uint32_t gid;
    bool has_group;             /* @group is one more group of theirs */
    uint32_t group;
    bool privileged;            /* root in the guest: may write anywhere */
} ShareCaller;

/* How a file is opened: a sum of these, never the guest's own bits. */
#define SHARE_OPEN_READ     (1u << 0)
#define SHARE_OPEN_WRITE    (1u << 1)
#define SHARE_OPEN_TRUNCATE (1u << 2)
#define SHARE_OPEN_SYNC     (1u << 3)
#define SHARE_OPEN_DSYNC    (1u << 4)
#define SHARE_OPEN_APPEND   (1u << 5)   /* the engine's: see write() */

/* A new object that is not opened. */
typedef struct ShareMake {
    uint32_t mode;              /* with the type; a symlink's counts not */
    uint32_t rdev_major;        /* devices only */
    uint32_t rdev_minor;
    const char *target;         /* symlinks only */
    ShareCaller caller;
} ShareMake;

#define SHARE_SET_MODE      (1u << 0)
#define SHARE_SET_UID       (1u << 1)
#define SHARE_SET_GID       (1u << 2)
#define SHARE_SET_SIZE      (1u << 3)
#define SHARE_SET_ATIME     (1u << 4)
#define SHARE_SET_MTIME     (1u << 5)
#define SHARE_SET_ATIME_NOW (1u << 6)
#define SHARE_SET_MTIME_NOW (1u << 7)

typedef struct ShareSetAttr {
    unsigned valid;             /* sum of SHARE_SET_* */
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint64_t size;
    ShareTime atime, mtime;
} ShareSetAttr;

/*
 * One entry of a directory in readdir()'s buffer.  It begins at a multiple
 * of 8 bytes; the name, without a zero byte at its end, follows.
 */
typedef struct ShareDirent {
    uint64_t ino;
    uint64_t next;              /* cookie of what comes after it */
    uint32_t type;              /* DT_* of Linux: mode >> 12 */
    uint16_t name_size;         /* bytes, 1 to SHARE_NAME_MAX */
    uint16_t record_size;       /* bytes to the next record */
} ShareDirent;

typedef struct ShareStatfs {
    uint64_t blocks, blocks_free, blocks_available;
    uint64_t files, files_free;
    uint32_t block_size;        /* bytes, for all the counts */
    uint32_t name_max;
} ShareStatfs;

typedef enum ShareLockType {
    SHARE_LOCK_READ,
    SHARE_LOCK_WRITE,
    SHARE_LOCK_NONE,
} ShareLockType;

typedef struct ShareLock {
    bool whole;                 /* flock(): the file, not a range */
    ShareLockType type;
    uint64_t start;
    uint64_t end;               /* the last byte; INT64_MAX: for ever */
} ShareLock;

typedef struct ShareFileOps {
    /* An object of a directory, and what it is. */
    int (*lookup)(void *volume, ShareFile *dir, const char *name,
                  ShareFile **file, ShareAttr *attr);
    void (*forget)(void *volume, ShareFile *file);
    /* @open may be NULL; where it is not, it is an open of @file. */
    int (*getattr)(void *volume, ShareFile *file, ShareOpen *open,
                   ShareAttr *attr);
    /*
     * All or as much as works; @attr is how it is afterwards.  A new size
     * and a new owner clear set-user-id, set-group-id (where the group may
     * execute) and file capabilities, whoever asks.
     */
    int (*setattr)(void *volume, ShareFile *file, ShareOpen *open,
                   const ShareSetAttr *set, ShareAttr *attr);
    /* Returns: bytes of the target, at most @size; no zero byte is added. */
    int (*readlink)(void *volume, ShareFile *file, char *target,
                    size_t size);
    /* Anything that is no regular file, and regular files not opened. */
    int (*make)(void *volume, ShareFile *dir, const char *name,
                const ShareMake *what, ShareFile **file, ShareAttr *attr);
    /* A regular file: a new one, or -EEXIST. */
    int (*create)(void *volume, ShareFile *dir, const char *name,
                  unsigned flags, uint32_t mode, const ShareCaller *caller,
                  ShareFile **file, ShareAttr *attr, ShareOpen **open);
    /* A regular file without a name. */
    int (*tmpfile)(void *volume, ShareFile *dir, unsigned flags,
                   uint32_t mode, const ShareCaller *caller,
                   ShareFile **file, ShareAttr *attr, ShareOpen **open);
    /* @gone: what was removed, as it is afterwards (nlink may be 0). */
    int (*remove)(void *volume, ShareFile *dir, const char *name,
                  bool directory, ShareAttr *gone);
    /*
     * @flags: WIRE_RENAME_*
     * @replaced: what the new name stood for, as it is afterwards;
     *     @replaced->mode is 0 if it stood for nothing
     */
    int (*rename)(void *volume, ShareFile *dir, const char *name,
                  ShareFile *new_dir, const char *new_name, unsigned flags,
                  ShareAttr *replaced);
    int (*link)(void *volume, ShareFile *file, ShareFile *dir,
                const char *name, ShareAttr *attr);
    /* Regular files only: anything else -ENXIO, and it is not opened. */
    int (*open)(void *volume, ShareFile *file, unsigned flags,
                ShareOpen **open);
    int (*opendir)(void *volume, ShareFile *file, ShareOpen **open);
    void (*release)(void *volume, ShareOpen *open);
    /* Return: bytes, fewer at the end of the file. */
    int64_t (*read)(void *volume, ShareOpen *open, const ShareSpan *to,
                    unsigned n, uint64_t offset);
    /* Clears what setattr() clears.  @append: at the end, wherever it is */
    int64_t (*write)(void *volume, ShareOpen *open, const ShareSpan *from,
                     unsigned n, uint64_t offset, bool append);
    /* Of a file or a directory.  NULL: there is nothing to do. */
    int (*fsync)(void *volume, ShareOpen *open, bool data_only);
    /* An application closed it.  NULL: there is nothing to do. */
    int (*flush)(void *volume, ShareOpen *open);
    /*
     * @cookie: 0, or the @next of an entry; from a guest: any number
     * Returns: bytes of whole records in @buffer, aligned to 8; 0: the end.
     */
    int64_t (*readdir)(void *volume, ShareOpen *open, uint64_t cookie,
                       void *buffer, size_t size);
    int (*statfs)(void *volume, ShareFile *file, ShareStatfs *out);
    /* @mode: sum of WIRE_FALLOC_* */
    int (*fallocate)(void *volume, ShareOpen *open, unsigned mode,
                     uint64_t offset, uint64_t length);
    /* @whence: WIRE_SEEK_DATA or WIRE_SEEK_HOLE */
    int64_t (*lseek)(void *volume, ShareOpen *open, uint64_t offset,
                     unsigned whence);
    /* Returns: bytes copied. */
    int64_t (*copy)(void *volume, ShareOpen *from, uint64_t from_offset,
                    ShareOpen *to, uint64_t to_offset, uint64_t length);
    /*
     * Return: bytes; -ERANGE if more than @size; with @size 0: how many
     * there are.  A list is names with a zero byte after each.
     */
    int64_t (*getxattr)(void *volume, ShareFile *file, const char *name,
                        void *value, size_t size);
    int64_t (*listxattr)(void *volume, ShareFile *file, char *list,
                         size_t size);
    /* @flags: WIRE_XATTR_* */
    int (*setxattr)(void *volume, ShareFile *file, const char *name,
                    const void *value, size_t size, unsigned flags);
    int (*removexattr)(void *volume, ShareFile *file, const char *name);
    /*
     * Never waits: -EAGAIN if somebody else has it.  Locks belong to
     * @open, and go with it.
     */
    int (*lock)(void *volume, ShareOpen *open, const ShareLock *lock);
    /* Sets @lock to one in the way, or its type to SHARE_LOCK_NONE. */
    int (*test_lock)(void *volume, ShareOpen *open, ShareLock *lock);
    /* NULL: there is nothing to do. */
    int (*syncfs)(void *volume, ShareFile *file);
    /*
     * The engine has given back the last file and the last open of the
     * volume, and will not come back.  NULL: nobody needs to know.
     */
    void (*closed)(void *volume);
} ShareFileOps;

/*
 * The device's window into files (DAX).  Offsets and lengths are multiples
 * of the alignment that was agreed, and within the window; @open stays
 * valid only for the call.
 */
typedef struct ShareWindowOps {
    /* What was mapped there goes. */
    int (*map)(void *opaque, void *volume, ShareOpen *open,
               uint64_t file_offset, uint64_t length, uint64_t offset,
               bool writable);
    /* Nothing need be mapped there. */
    int (*unmap)(void *opaque, uint64_t offset, uint64_t length);
} ShareWindowOps;

#endif
