/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's layout: where a share stands, and what may stand there
 *
 * The trusted side offers folders, files and volumes to domains by writing
 * nodes into a key-value store that speaks the XenStore protocol (engine.h).
 * This header is the agreement between those that write them (sunder share,
 * the stock xenstore tools) and those that read them (the device sunder-share
 * and the program that holds its files).
 *
 * Concepts:
 *
 * - A domain is a machine, by number; 0 is the trusted side, the user's own
 *   programs on the host.  /local/domain/N/name holds the machine's name.
 * - A share is two folders of nodes with the same number, SHARE:
 *
 *     /local/domain/N/device/share/SHARE/KEY      what domain N may read
 *     /local/domain/0/backend/share/N/SHARE/KEY   the trusted side's alone
 *
 *   The first is "the front" and belongs to 0, readable by N (n0,rN); the
 *   second is "the back" (n0).  No path, number or name of the host ever
 *   stands in the front, and no domain writes in either.
 * - Nodes inherit the permissions of the folder that they are made in.  The
 *   folders are made once for each domain (STORE_FRONT_PERMISSIONS), so that
 *   neither sunder share nor a user of xenstore-write sets any.
 * - A share exists while its front has a node "state".  It is written in the
 *   same transaction as the others, or last; and goes first, or with the
 *   whole front.  A reader that finds no "state" ignores the rest.
 * - Number SHARE is not given to another share while the store lives: "next"
 *   in the back's folder is the lowest that was never used.  A reader that
 *   sees the number again may take it for the same share.
 * - Readers ignore keys that they do not know, and take the default where a
 *   key is missing.  A value that is not valid makes the share unusable: the
 *   device does not show it, and says why.
 *
 * All functions are pure and may be called from any thread.
 */
#ifndef SUNDER_STORE_LAYOUT_H
#define SUNDER_STORE_LAYOUT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Domains: 0 is trusted; Xen keeps the numbers from 0x7FF0 on (xen.h). */
#define STORE_TRUSTED           0u
#define STORE_DOMAINS           0x7FF0u

/* Bytes of a tag: a file name in the guest (NAME_MAX, limits.h). */
#define STORE_TAG_MAX           255u

/* Bytes of a value that a guest or the store's clients may write. */
#define STORE_VALUE_MAX         2048u

/* Ranges in an owner map, as many as the Linux kernel takes (340). */
#define STORE_MAP_RANGES        340u

/* The folder of a front: xenstore-chmod PATH n0 rN */
#define STORE_FRONT_PERMISSIONS "n0", "r%u"

typedef enum StoreSide {
    STORE_FRONT,        /* the domain may read it */
    STORE_BACK,         /* the trusted side alone */
} StoreSide;

/* A key of a share. */
typedef struct StoreKey {
    const char *name;
    StoreSide side;
    const char *initial;    /* taken where it is missing; NULL: must be there */
    const char *expected;   /* what a value may be, for an error or a manual */
    bool (*valid)(const char *value);
} StoreKey;

/*
 * The keys, the front's first; ends with one whose name is NULL.
 *
 *   front  tag          the share's name, a file in the root that the guest
 *                       mounts
 *          type         directory, file or volume
 *          access       ro (default) or rw
 *          cache        none, auto (default) or always
 *          state        offered; or failed, by the side that holds the files
 *   back   path         absolute, on the host
 *          uid-map      owners: "GUEST:HOST:COUNT ...", or "" (as they are)
 *          gid-map      groups, the same
 *          squash       none (default), root or all: which users of the guest
 *                       act as the owner of the share's root
 *          xattr        none, user (default) or all
 *          quota-bytes  0 (default): no limit
 *          quota-files  0 (default): no limit
 *          hide         patterns (glob(7)) of names that the guest never
 *                       sees, one a line
 *          error        why state is failed
 */
extern const StoreKey store_keys[];

/* The key @name; NULL if there is none. */
const StoreKey *store_key_find(const char *name);

/* A range of an owner map: @count numbers from @guest and from @host on. */
typedef struct StoreMapRange {
    uint32_t guest;
    uint32_t host;
    uint32_t count;
} StoreMapRange;

/*
 * store_map_parse:
 * @text: ranges, "GUEST:HOST:COUNT", blanks between them
 *
 * COUNT is at least 1, no number is above 2^32 - 2 (the highest says "no
 * user" to the kernel), and ranges overlap neither in the guest's numbers nor
 * in the host's.
 *
 * Returns: (StoreMapRange) ranges as they stand, perhaps none; NULL if @text
 * is no map.  The caller frees it with g_array_unref().
 */
GArray *store_map_parse(const char *text);

/* Whether @tag is a tag: 1 to 255 bytes of UTF-8 that are printed, no '/'. */
bool store_tag_valid(const char *tag);

/*
 * Paths; the caller frees them.  Any of them without its last element is the
 * path of the folder above it.
 */
char *store_path_name(unsigned domain);
char *store_path_folder(StoreSide side, unsigned domain);
char *store_path_next(unsigned domain);
char *store_path_share(StoreSide side, unsigned domain, unsigned share);
char *store_path_key(const StoreKey *key, unsigned domain, unsigned share);

/*
 * store_number_parse:
 *
 * Reads a decimal number as the store writes them: no sign, blank or leading
 * zero.
 *
 * Returns: whether @text is one, and at most @most.
 */
bool store_number_parse(const char *text, uint64_t most, uint64_t *number);

#endif /* SUNDER_STORE_LAYOUT_H */
