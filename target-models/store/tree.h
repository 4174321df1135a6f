/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's tree, as the engine sees it
 *
 * Nodes with a value, permissions and children, and transactions on them.
 * The daemon's tree is QEMU's XenStore (tools/store/tree.c); a test may bring
 * another.
 *
 * Concepts:
 *
 * - Paths are absolute and valid (store_path_resolve()).
 * - A transaction sees the tree as it was when it began and its own changes,
 *   and nobody sees those before it ends.  It can be committed as long as no
 *   other was committed since it began: the engine sees to that.
 * - @domain is who asks.  STORE_TRUSTED may do everything; others need the
 *   node's permission to read or write it, that of its folder to make it, and
 *   to own it to change its permissions.
 * - A node that is made gets the permissions of its folder.
 *
 * Functions return 0 or an errno that the protocol has.
 */
#ifndef SUNDER_STORE_TREE_H
#define SUNDER_STORE_TREE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tree itself; not valid for functions that change something. */
#define STORE_NO_TRANSACTION    0u

typedef struct StoreTreeOps {
    /* Appends the value of @path. */
    int (*read)(void *tree, unsigned domain, uint32_t transaction,
                const char *path, GByteArray *value);

    /* Appends the names of @path's children, sorted, as (char *) to free. */
    int (*list)(void *tree, unsigned domain, uint32_t transaction,
                const char *path, GPtrArray *names);

    /* Appends the permissions of @path as (char *) to free. */
    int (*get_permissions)(void *tree, unsigned domain, uint32_t transaction,
                           const char *path, GPtrArray *permissions);

    /* Makes what is missing of @path, too. */
    int (*write)(void *tree, unsigned domain, uint32_t transaction,
                 const char *path, const uint8_t *value, size_t length);

    /* Removes @path, which is not the root, and all below. */
    int (*remove)(void *tree, unsigned domain, uint32_t transaction,
                  const char *path);

    /* @permissions are valid, at least one; the first names the owner. */
    int (*set_permissions)(void *tree, unsigned domain, uint32_t transaction,
                           const char *path, const GPtrArray *permissions);

    /* How many nodes @domain owns. */
    unsigned (*owned)(void *tree, unsigned domain, uint32_t transaction);

    /* Begins a transaction; its number is not 0. */
    uint32_t (*begin)(void *tree);

    /* Ends it; EAGAIN if it cannot be committed.  It is gone in any case. */
    int (*end)(void *tree, uint32_t transaction, bool commit);
} StoreTreeOps;

#endif /* SUNDER_STORE_TREE_H */
