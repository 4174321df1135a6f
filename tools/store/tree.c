/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's tree: QEMU's XenStore, hw/i386/kvm/xenstore_impl.c
 *
 * Its source becomes part of this file, as it does of QEMU's own test of it
 * (tests/unit/test-xs-node.c).  It needs little of Xen: its header, which the
 * first lines stand in for.
 *
 * Its limits are off: they count all domains as one, and the trusted side's
 * nodes too; the engine's quotas take their place.  So are its watches.
 *
 * Within a transaction it marks what is removed and goes on finding it;
 * node_find() does not.
 */
#include "qemu/osdep.h"

#define __XEN_PUBLIC_XEN_H__
typedef unsigned long xen_pfn_t;

#define XS_MAX_WATCHES          UINT_MAX
#define XS_MAX_DOMAIN_NODES     UINT_MAX
#define XS_MAX_NODE_SIZE        UINT_MAX
#define XS_MAX_TRANSACTIONS     UINT_MAX
#define XS_MAX_PERMS_PER_NODE   UINT_MAX

#include "hw/i386/kvm/xenstore_impl.c"

#include "tools/store/tree.h"

/* It counts nodes for its limit, down twice for some; far from both ends. */
#define NODES_MEANWHILE         (UINT_MAX / 2)

static XsNode *tree_root(XenstoreImplState *s, uint32_t transaction)
{
    XsTransaction *found;

    if (transaction == STORE_NO_TRANSACTION) {
        return s->root;
    }
    found = g_hash_table_lookup(s->transactions,
                                GINT_TO_POINTER(transaction));
    return found ? found->root : NULL;
}

/* The node at @path, or NULL; not one that the transaction has removed */
static XsNode *node_find(XenstoreImplState *s, uint32_t transaction,
                         const char *path)
{
    XsNode *node = tree_root(s, transaction);
    g_auto(GStrv) names = g_strsplit(path + 1, "/", 0);

    for (unsigned i = 0; node && names[i] && *names[i]; i++) {
        node = node->children ? g_hash_table_lookup(node->children, names[i])
                              : NULL;
        if (node && node->deleted_in_tx) {
            node = NULL;
        }
    }
    return node;
}

static int tree_read(void *tree, unsigned domain, uint32_t transaction,
                     const char *path, GByteArray *value)
{
    return node_find(tree, transaction, path)
           ? xs_impl_read(tree, domain, transaction, path, value) : ENOENT;
}

static int tree_list(void *tree, unsigned domain, uint32_t transaction,
                     const char *path, GPtrArray *names)
{
    XsNode *node = node_find(tree, transaction, path);
    GList *items = NULL;
    int error = node ? xs_impl_directory(tree, domain, transaction, path, NULL,
                                         &items) : ENOENT;

    for (GList *item = items; item; item = item->next) {
        XsNode *child = g_hash_table_lookup(node->children, item->data);

        if (child->deleted_in_tx) {
            g_free(item->data);
        } else {
            g_ptr_array_add(names, item->data);
        }
    }
    g_list_free(items);
    return error;
}

static int tree_get_permissions(void *tree, unsigned domain,
                                uint32_t transaction, const char *path,
                                GPtrArray *permissions)
{
    GList *list = NULL;
    int error = node_find(tree, transaction, path)
        ? xs_impl_get_perms(tree, domain, transaction, path, &list) : ENOENT;

    for (GList *item = list; item; item = item->next) {
        g_ptr_array_add(permissions, item->data);
    }
    g_list_free(list);
    return error;
}

static int tree_write(void *tree, unsigned domain, uint32_t transaction,
                      const char *path, const uint8_t *value, size_t length)
{
    g_autoptr(GByteArray) bytes = g_byte_array_sized_new((guint)length);

    if (length) {
        g_byte_array_append(bytes, value, (guint)length);
    }
    return xs_impl_write(tree, domain, transaction, path, bytes);
}

static int tree_remove(void *tree, unsigned domain, uint32_t transaction,
                       const char *path)
{
    return node_find(tree, transaction, path)
           ? xs_impl_rm(tree, domain, transaction, path) : ENOENT;
}

static int tree_set_permissions(void *tree, unsigned domain,
                                uint32_t transaction, const char *path,
                                const GPtrArray *permissions)
{
    GList *list = NULL;
    int error;

    if (!node_find(tree, transaction, path)) {
        return ENOENT;
    }
    for (unsigned i = permissions->len; i-- > 0;) {
        list = g_list_prepend(list, permissions->pdata[i]);
    }
    error = xs_impl_set_perms(tree, domain, transaction, path, list);
    g_list_free(list);
    return error;
}

static unsigned count_owned(XsNode *node, unsigned domain)
{
    unsigned owner, count;
    GHashTableIter iter;
    gpointer child;
    char letter;

    parse_perm(node->perms->data, &letter, &owner);
    count = owner == domain;
    if (!node->children) {
        return count;
    }
    g_hash_table_iter_init(&iter, node->children);
    while (g_hash_table_iter_next(&iter, NULL, &child)) {
        if (!((XsNode *)child)->deleted_in_tx) {
            count += count_owned(child, domain);
        }
    }
    return count;
}

static unsigned tree_owned(void *tree, unsigned domain, uint32_t transaction)
{
    XsNode *root = tree_root(tree, transaction);

    return root ? count_owned(root, domain) : 0;
}

static uint32_t tree_begin(void *tree)
{
    XenstoreImplState *s = tree;
    xs_transaction_t transaction = XBT_NULL;
    int error;

    s->nr_nodes = NODES_MEANWHILE;
    error = xs_impl_transaction_start(tree, STORE_NO_TRANSACTION,
                                      &transaction);
    g_assert(error == 0);       /* for the trusted side it has no limit */
    return transaction;
}

static int tree_end(void *tree, uint32_t transaction, bool commit)
{
    return xs_impl_transaction_end(tree, 0, transaction, commit);
}

void *tree_new(void)
{
    return xs_impl_create(0);
}

const StoreTreeOps tree_ops = {
    .read = tree_read,
    .list = tree_list,
    .get_permissions = tree_get_permissions,
    .write = tree_write,
    .remove = tree_remove,
    .set_permissions = tree_set_permissions,
    .owned = tree_owned,
    .begin = tree_begin,
    .end = tree_end,
};
