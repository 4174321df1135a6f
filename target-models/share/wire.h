/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FUSE as it stands on the wire: opcodes, flags and layouts
 *
 * Numbers and layouts of the protocol between Linux and a FUSE server,
 * version 7.31 to 7.42, from include/uapi/linux/fuse.h; open flags and
 * types of files from include/uapi/asm-generic.  Everything is in the byte
 * order of the guest, which is the host's: a guest of another order is
 * refused at INIT.  tests/unit/share-wire-test.c compares them with the
 * kernel header of the machine that builds.
 */
#ifndef SUNDER_SHARE_WIRE_H
#define SUNDER_SHARE_WIRE_H

#include <stdint.h>

#define WIRE_MAJOR      7
#define WIRE_MINOR      42      /* what is known here */
#define WIRE_MINOR_MIN  31      /* the first that a virtiofs driver spoke */
#define WIRE_ROOT_ID    1

typedef enum WireOp {
    WIRE_LOOKUP = 1,
    WIRE_FORGET = 2,            /* has no reply */
    WIRE_GETATTR = 3,
    WIRE_SETATTR = 4,
    WIRE_READLINK = 5,
    WIRE_SYMLINK = 6,
    WIRE_MKNOD = 8,
    WIRE_MKDIR = 9,
    WIRE_UNLINK = 10,
    WIRE_RMDIR = 11,
    WIRE_RENAME = 12,
    WIRE_LINK = 13,
    WIRE_OPEN = 14,
    WIRE_READ = 15,
    WIRE_WRITE = 16,
    WIRE_STATFS = 17,
    WIRE_RELEASE = 18,
    WIRE_FSYNC = 20,
    WIRE_SETXATTR = 21,
    WIRE_GETXATTR = 22,
    WIRE_LISTXATTR = 23,
    WIRE_REMOVEXATTR = 24,
    WIRE_FLUSH = 25,
    WIRE_INIT = 26,
    WIRE_OPENDIR = 27,
    WIRE_READDIR = 28,
    WIRE_RELEASEDIR = 29,
    WIRE_FSYNCDIR = 30,
    WIRE_GETLK = 31,
    WIRE_SETLK = 32,
    WIRE_SETLKW = 33,
    WIRE_ACCESS = 34,
    WIRE_CREATE = 35,
    WIRE_INTERRUPT = 36,        /* has no reply, as a rule */
    WIRE_BMAP = 37,
    WIRE_DESTROY = 38,
    WIRE_IOCTL = 39,
    WIRE_POLL = 40,
    WIRE_NOTIFY_REPLY = 41,
    WIRE_BATCH_FORGET = 42,     /* has no reply */
    WIRE_FALLOCATE = 43,
    WIRE_READDIRPLUS = 44,
    WIRE_RENAME2 = 45,
    WIRE_LSEEK = 46,
    WIRE_COPY_FILE_RANGE = 47,
    WIRE_SETUPMAPPING = 48,
    WIRE_REMOVEMAPPING = 49,
    WIRE_SYNCFS = 50,
    WIRE_TMPFILE = 51,
    WIRE_STATX = 52,
    WIRE_OPS                    /* one more than the last */
} WireOp;

/* INIT: what both sides can do; from bit 32 on in flags2. */
#define WIRE_INIT_ASYNC_READ        (1ull << 0)
#define WIRE_INIT_POSIX_LOCKS       (1ull << 1)
#define WIRE_INIT_ATOMIC_O_TRUNC    (1ull << 3)
#define WIRE_INIT_BIG_WRITES        (1ull << 5)
#define WIRE_INIT_FLOCK_LOCKS       (1ull << 10)
#define WIRE_INIT_AUTO_INVAL_DATA   (1ull << 12)
#define WIRE_INIT_DO_READDIRPLUS    (1ull << 13)
#define WIRE_INIT_READDIRPLUS_AUTO  (1ull << 14)
#define WIRE_INIT_ASYNC_DIO         (1ull << 15)
#define WIRE_INIT_WRITEBACK_CACHE   (1ull << 16)
#define WIRE_INIT_PARALLEL_DIROPS   (1ull << 18)
#define WIRE_INIT_MAX_PAGES         (1ull << 22)
#define WIRE_INIT_MAP_ALIGNMENT     (1ull << 26)
#define WIRE_INIT_SUBMOUNTS         (1ull << 27)
#define WIRE_INIT_KILLPRIV_V2       (1ull << 28)
#define WIRE_INIT_SETXATTR_EXT      (1ull << 29)
#define WIRE_INIT_EXT               (1ull << 30)
#define WIRE_INIT_INODE_DAX         (1ull << 33)
#define WIRE_INIT_SUPP_GROUP        (1ull << 34)
#define WIRE_INIT_DIO_ALLOW_MMAP    (1ull << 36)

/* SETATTR: which fields count */
#define WIRE_SET_MODE           (1u << 0)
#define WIRE_SET_UID            (1u << 1)
#define WIRE_SET_GID            (1u << 2)
#define WIRE_SET_SIZE           (1u << 3)
#define WIRE_SET_ATIME          (1u << 4)
#define WIRE_SET_MTIME          (1u << 5)
#define WIRE_SET_FH             (1u << 6)
#define WIRE_SET_ATIME_NOW      (1u << 7)
#define WIRE_SET_MTIME_NOW      (1u << 8)
#define WIRE_SET_LOCKOWNER      (1u << 9)
#define WIRE_SET_CTIME          (1u << 10)
#define WIRE_SET_KILL_SUIDGID   (1u << 11)

/* What a reply to OPEN tells the guest's page cache */
#define WIRE_OPENED_DIRECT_IO   (1u << 0)
#define WIRE_OPENED_KEEP_CACHE  (1u << 1)
#define WIRE_OPENED_CACHE_DIR   (1u << 3)
#define WIRE_OPENED_PARALLEL_DW (1u << 6)   /* direct writes side by side */

#define WIRE_GETATTR_FH             (1u << 0)
#define WIRE_FSYNC_DATA             (1u << 0)
#define WIRE_LOCK_FLOCK             (1u << 0)
#define WIRE_RELEASE_FLUSH          (1u << 0)
#define WIRE_RELEASE_FLOCK_UNLOCK   (1u << 1)
#define WIRE_ATTR_SUBMOUNT          (1u << 0)
#define WIRE_ATTR_DAX               (1u << 1)
#define WIRE_SETXATTR_KILL_SGID     (1u << 0)
#define WIRE_MAP_WRITE              (1ull << 0)
#define WIRE_MAP_READ               (1ull << 1)
#define WIRE_EXT_GROUPS             32      /* type of extension */
#define WIRE_NO_HANDLE              UINT64_MAX  /* SETUPMAPPING's */

/* asm-generic/fcntl.h; Linux sends its own, as x86-64 has them */
#define WIRE_O_ACCMODE      00000003u
#define WIRE_O_RDONLY       00000000u
#define WIRE_O_WRONLY       00000001u
#define WIRE_O_RDWR         00000002u
#define WIRE_O_CREAT        00000100u
#define WIRE_O_EXCL         00000200u
#define WIRE_O_TRUNC        00001000u
#define WIRE_O_APPEND       00002000u
#define WIRE_O_DSYNC        00010000u
#define WIRE_O_DIRECT       00040000u
#define WIRE_O_SYNC         04010000u

#define WIRE_F_RDLCK        0u
#define WIRE_F_WRLCK        1u
#define WIRE_F_UNLCK        2u

/* linux/stat.h */
#define WIRE_S_IFMT         0170000u
#define WIRE_S_IFSOCK       0140000u
#define WIRE_S_IFLNK        0120000u
#define WIRE_S_IFREG        0100000u
#define WIRE_S_IFBLK        0060000u
#define WIRE_S_IFDIR        0040000u
#define WIRE_S_IFCHR        0020000u
#define WIRE_S_IFIFO        0010000u
#define WIRE_S_ISUID        04000u
#define WIRE_S_ISGID        02000u
#define WIRE_STATX_BASIC    0x07ffu
#define WIRE_STATX_BTIME    0x0800u

/* linux/fs.h and linux/falloc.h */
#define WIRE_RENAME_NOREPLACE   (1u << 0)
#define WIRE_RENAME_EXCHANGE    (1u << 1)
#define WIRE_FALLOC_KEEP_SIZE   0x01u
#define WIRE_FALLOC_PUNCH_HOLE  0x02u
#define WIRE_FALLOC_ZERO_RANGE  0x10u
#define WIRE_SEEK_DATA          3u
#define WIRE_SEEK_HOLE          4u
#define WIRE_XATTR_CREATE       1u
#define WIRE_XATTR_REPLACE      2u

typedef struct WireInHeader {
    uint32_t len;               /* of the whole request */
    uint32_t opcode;
    uint64_t unique;
    uint64_t nodeid;
    uint32_t uid;
    uint32_t gid;
    uint32_t pid;
    uint16_t total_extlen;      /* extensions at the end, in 8 bytes */
    uint16_t padding;
} WireInHeader;

typedef struct WireOutHeader {
    uint32_t len;               /* of the whole reply */
    int32_t error;              /* 0 or a negative errno */
    uint64_t unique;
} WireOutHeader;

typedef struct WireAttr {
    uint64_t ino;
    uint64_t size;
    uint64_t blocks;            /* of 512 bytes */
    uint64_t atime;
    uint64_t mtime;
    uint64_t ctime;
    uint32_t atimensec;
    uint32_t mtimensec;
    uint32_t ctimensec;
    uint32_t mode;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint32_t rdev;
    uint32_t blksize;
    uint32_t flags;             /* WIRE_ATTR_* */
} WireAttr;

typedef struct WireEntryOut {
    uint64_t nodeid;
    uint64_t generation;
    uint64_t entry_valid;       /* seconds */
    uint64_t attr_valid;
    uint32_t entry_valid_nsec;
    uint32_t attr_valid_nsec;
    WireAttr attr;
} WireEntryOut;

typedef struct WireAttrOut {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec;
    uint32_t dummy;
    WireAttr attr;
} WireAttrOut;

typedef struct WireForgetIn {
    uint64_t nlookup;
} WireForgetIn;

typedef struct WireForgetOne {
    uint64_t nodeid;
    uint64_t nlookup;
} WireForgetOne;

typedef struct WireBatchForgetIn {
    uint32_t count;
    uint32_t dummy;
} WireBatchForgetIn;

typedef struct WireGetattrIn {
    uint32_t flags;             /* WIRE_GETATTR_FH */
    uint32_t dummy;
    uint64_t fh;
} WireGetattrIn;

typedef struct WireStatxTime {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
} WireStatxTime;

typedef struct WireStatx {
    uint32_t mask;
    uint32_t blksize;
    uint64_t attributes;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t spare0;
    uint64_t ino;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    WireStatxTime atime;
    WireStatxTime btime;
    WireStatxTime ctime;
    WireStatxTime mtime;
    uint32_t rdev_major;
    uint32_t rdev_minor;
    uint32_t dev_major;
    uint32_t dev_minor;
    uint64_t spare2[14];
} WireStatx;

typedef struct WireStatxIn {
    uint32_t flags;             /* WIRE_GETATTR_FH */
    uint32_t reserved;
    uint64_t fh;
    uint32_t sx_flags;
    uint32_t sx_mask;
} WireStatxIn;

typedef struct WireStatxOut {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec;
    uint32_t flags;             /* WIRE_ATTR_* */
    uint64_t spare[2];
    WireStatx stat;
} WireStatxOut;

typedef struct WireSetattrIn {
    uint32_t valid;             /* WIRE_SET_* */
    uint32_t padding;
    uint64_t fh;
    uint64_t size;
    uint64_t lock_owner;
    uint64_t atime;
    uint64_t mtime;
    uint64_t ctime;
    uint32_t atimensec;
    uint32_t mtimensec;
    uint32_t ctimensec;
    uint32_t mode;
    uint32_t unused4;
    uint32_t uid;
    uint32_t gid;
    uint32_t unused5;
} WireSetattrIn;

typedef struct WireMknodIn {
    uint32_t mode;
    uint32_t rdev;
    uint32_t umask;
    uint32_t padding;
} WireMknodIn;

typedef struct WireMkdirIn {
    uint32_t mode;
    uint32_t umask;
} WireMkdirIn;

typedef struct WireRenameIn {
    uint64_t newdir;
} WireRenameIn;

typedef struct WireRename2In {
    uint64_t newdir;
    uint32_t flags;
    uint32_t padding;
} WireRename2In;

typedef struct WireLinkIn {
    uint64_t oldnodeid;
} WireLinkIn;

typedef struct WireOpenIn {
    uint32_t flags;             /* WIRE_O_* */
    uint32_t open_flags;
} WireOpenIn;

typedef struct WireCreateIn {
    uint32_t flags;             /* WIRE_O_* */
    uint32_t mode;
    uint32_t umask;
    uint32_t open_flags;
} WireCreateIn;

typedef struct WireOpenOut {
    uint64_t fh;
    uint32_t open_flags;        /* WIRE_OPENED_* */
    int32_t backing_id;
} WireOpenOut;

typedef struct WireReleaseIn {
    uint64_t fh;
    uint32_t flags;
    uint32_t release_flags;     /* WIRE_RELEASE_* */
    uint64_t lock_owner;
} WireReleaseIn;

typedef struct WireFlushIn {
    uint64_t fh;
    uint32_t unused;
    uint32_t padding;
    uint64_t lock_owner;
} WireFlushIn;

typedef struct WireReadIn {
    uint64_t fh;
    uint64_t offset;
    uint32_t size;
    uint32_t read_flags;
    uint64_t lock_owner;
    uint32_t flags;
    uint32_t padding;
} WireReadIn;

typedef struct WireWriteIn {
    uint64_t fh;
    uint64_t offset;
    uint32_t size;
    uint32_t write_flags;
    uint64_t lock_owner;
    uint32_t flags;
    uint32_t padding;
} WireWriteIn;

typedef struct WireWriteOut {
    uint32_t size;
    uint32_t padding;
} WireWriteOut;

typedef struct WireStatfsOut {
    uint64_t blocks;
    uint64_t bfree;
    uint64_t bavail;
    uint64_t files;
    uint64_t ffree;
    uint32_t bsize;
    uint32_t namelen;
    uint32_t frsize;
    uint32_t padding;
    uint32_t spare[6];
} WireStatfsOut;

typedef struct WireFsyncIn {
    uint64_t fh;
    uint32_t fsync_flags;
    uint32_t padding;
} WireFsyncIn;

/* What SETXATTR has without WIRE_INIT_SETXATTR_EXT: the first 8 bytes. */
#define WIRE_SETXATTR_SHORT 8
typedef struct WireSetxattrIn {
    uint32_t size;
    uint32_t flags;             /* WIRE_XATTR_* */
    uint32_t setxattr_flags;
    uint32_t padding;
} WireSetxattrIn;

typedef struct WireGetxattrIn {
    uint32_t size;
    uint32_t padding;
} WireGetxattrIn;

typedef struct WireGetxattrOut {
    uint32_t size;
    uint32_t padding;
} WireGetxattrOut;

typedef struct WireFileLock {
    uint64_t start;
    uint64_t end;               /* the last byte */
    uint32_t type;              /* WIRE_F_*LCK */
    uint32_t pid;
} WireFileLock;

typedef struct WireLkIn {
    uint64_t fh;
    uint64_t owner;
    WireFileLock lk;
    uint32_t lk_flags;
    uint32_t padding;
} WireLkIn;

typedef struct WireLkOut {
    WireFileLock lk;
} WireLkOut;

typedef struct WireAccessIn {
    uint32_t mask;
    uint32_t padding;
} WireAccessIn;

typedef struct WireInitIn {
    uint32_t major;
    uint32_t minor;
    uint32_t max_readahead;
    uint32_t flags;
    uint32_t flags2;            /* from here on with WIRE_INIT_EXT */
    uint32_t unused[11];
} WireInitIn;
#define WIRE_INIT_SHORT     16

typedef struct WireInitOut {
    uint32_t major;
    uint32_t minor;
    uint32_t max_readahead;
    uint32_t flags;
    uint16_t max_background;
    uint16_t congestion_threshold;
    uint32_t max_write;
    uint32_t time_gran;         /* ns */
    uint16_t max_pages;
    uint16_t map_alignment;     /* log2 */
    uint32_t flags2;
    uint32_t max_stack_depth;
    uint32_t unused[6];
} WireInitOut;

typedef struct WireInterruptIn {
    uint64_t unique;
} WireInterruptIn;

typedef struct WireFallocateIn {
    uint64_t fh;
    uint64_t offset;
    uint64_t length;
    uint32_t mode;
    uint32_t padding;
} WireFallocateIn;

/* Followed by the name, then zeroes up to a multiple of 8 bytes. */
typedef struct WireDirent {
    uint64_t ino;
    uint64_t off;               /* where the next entry is */
    uint32_t namelen;
    uint32_t type;              /* DT_*: the mode's upper four bits */
} WireDirent;

typedef struct WireLseekIn {
    uint64_t fh;
    uint64_t offset;
    uint32_t whence;
    uint32_t padding;
} WireLseekIn;

typedef struct WireLseekOut {
    uint64_t offset;
} WireLseekOut;

typedef struct WireCopyFileRangeIn {
    uint64_t fh_in;
    uint64_t off_in;
    uint64_t nodeid_out;
    uint64_t fh_out;
    uint64_t off_out;
    uint64_t len;
    uint64_t flags;
} WireCopyFileRangeIn;

typedef struct WireSetupMappingIn {
    uint64_t fh;
    uint64_t foffset;
    uint64_t len;
    uint64_t flags;             /* WIRE_MAP_* */
    uint64_t moffset;
} WireSetupMappingIn;

typedef struct WireRemoveMappingIn {
    uint32_t count;
} WireRemoveMappingIn;

typedef struct WireRemoveMappingOne {
    uint64_t moffset;
    uint64_t len;
} WireRemoveMappingOne;

typedef struct WireSyncfsIn {
    uint64_t padding;
} WireSyncfsIn;

typedef struct WireExtHeader {
    uint32_t size;              /* with this header */
    uint32_t type;
} WireExtHeader;

#endif
