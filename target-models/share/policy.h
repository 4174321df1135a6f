/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest may do with a share
 *
 * Concepts:
 *
 * - Guest ids are mapped to host ids by ranges; without any, they are the
 *   same.  A host id that no range has is shown as SHARE_NOBODY, and what
 *   such an id owns is treated as somebody else's whoever asks: only the
 *   permissions for others count.
 * - Squashing gives what the guest's root, or anybody, makes to one owner.
 * - A hidden name is not there: it is not found, not listed, and nothing can
 *   be given that name.
 * - A quota counts what is below the share: files and other objects, and
 *   bytes (the larger of size and allocation of each regular file).  The
 *   caller counts what is there at first; a change from outside shows when
 *   it counts again.
 */
#ifndef SUNDER_SHARE_POLICY_H
#define SUNDER_SHARE_POLICY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SHARE_NOBODY        65534u
#define SHARE_RANGES_MAX    64
#define SHARE_HIDDEN_MAX    64

/* @count ids from @guest on are those from @host on. */
typedef struct ShareIdRange {
    uint32_t guest;
    uint32_t host;
    uint32_t count;             /* at least 1; no range reaches 2^32 - 1 */
} ShareIdRange;

typedef enum ShareSquash {
    SHARE_SQUASH_NONE,
    SHARE_SQUASH_ROOT,          /* the guest's id 0 */
    SHARE_SQUASH_ALL,
} ShareSquash;

/* What a guest may keep in its caches, and for how long. */
typedef enum ShareCache {
    SHARE_CACHE_NONE,           /* nothing: what the host writes shows */
    SHARE_CACHE_AUTO,           /* a second; data until the next open */
    SHARE_CACHE_ALWAYS,         /* a day: for trees that only it changes */
} ShareCache;

typedef enum ShareXattrs {
    SHARE_XATTR_NONE,
    SHARE_XATTR_USER,           /* user.* */
    SHARE_XATTR_MAPPED,         /* all but user.* are kept in user.sunder.* */
    SHARE_XATTR_ALL,            /* as they are */
} ShareXattrs;

/* All zero is: identical ids, writable, no xattrs, no cache, no limits. */
typedef struct SharePolicy {
    bool read_only;
    bool devices;               /* device nodes may be made */
    bool submounts;             /* file systems mounted below are shown */
    ShareSquash squash;
    uint32_t anonymous_uid;     /* of the host: whom squashing means */
    uint32_t anonymous_gid;
    const ShareIdRange *uids;
    unsigned n_uids;            /* 0: identical */
    const ShareIdRange *gids;
    unsigned n_gids;
    ShareXattrs xattrs;
    ShareCache cache;
    bool dax;                   /* may be mapped into the window */
    uint64_t max_bytes;         /* 0: no limit */
    uint64_t max_files;         /* 0: no limit */
    const char *const *hidden;  /* patterns of names, * and ?; or NULL */
} SharePolicy;

/*
 * share_policy_check:
 *
 * Returns: whether the policy makes sense: enumerations in range, ranges
 * that neither overlap nor wrap, not too many of anything, patterns that are
 * UTF-8 without '/'; else @error says what is wrong.
 */
bool share_policy_check(const SharePolicy *policy, GError **error);

/*
 * share_name_check:
 *
 * Returns: whether @name may be a share's: 1 to 255 bytes of UTF-8, no '/',
 * no control character, neither "." nor "..".
 */
bool share_name_check(const char *name, GError **error);

/*
 * share_name_printable:
 *
 * Makes a name that came from a guest or a file system fit for a log, a
 * terminal or a shell's command line: printable ASCII stays, except for
 * backslash, quotes, '$' and '`'; every other byte becomes \xNN.
 */
char *share_name_printable(const char *name);

#define SHARE_ERROR (share_error_quark())
GQuark share_error_quark(void);

typedef enum ShareError {
    SHARE_ERROR_POLICY,         /* does not make sense */
    SHARE_ERROR_NAME,           /* not a share's name */
    SHARE_ERROR_EXISTS,         /* there is one of that name */
    SHARE_ERROR_FILE,           /* its root cannot be looked at */
} ShareError;

#endif
