/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest knows, and what it has opened. */
#include <errno.h>
#include <string.h>

#include "internal.h"

typedef struct TrashItem {
    Share *share;
    ShareFile *file;
    ShareOpen *open;
} TrashItem;

static void trash_add(Trash *trash, Share *share, ShareFile *file,
                      ShareOpen *open)
{
    TrashItem item = { share, file, open };

    if (!trash->items) {
        trash->items = g_array_new(FALSE, FALSE, sizeof(TrashItem));
    }
    share_ref(share);
    g_array_append_val(trash->items, item);
}

void share_trash_file(Trash *trash, Share *share, ShareFile *file)
{
    trash_add(trash, share, file, NULL);
}

void share_trash_open(Trash *trash, Share *share, ShareOpen *open)
{
    trash_add(trash, share, NULL, open);
}

void share_ref(Share *share)
{
    share->refs++;
}

void share_unref(Share *share)
{
    if (--share->refs == 0) {
        share_policy_clear(&share->policy);
        g_free(share->name);
        g_free(share);
    }
}

void share_trash_empty(ShareEngine *engine, Trash *trash)
{
    for (unsigned i = 0; trash->items && i < trash->items->len; i++) {
        TrashItem *item = &g_array_index(trash->items, TrashItem, i);
        Share *share = item->share;
        bool last;

        if (item->file) {
            share->ops->forget(share->volume, item->file);
        }
        if (item->open) {
            share->ops->release(share->volume, item->open);
        }
        g_mutex_lock(&engine->lock);
        last = --share->users == 0;
        g_mutex_unlock(&engine->lock);
        if (last && share->ops->closed) {
            share->ops->closed(share->volume);
        }
        g_mutex_lock(&engine->lock);
        share_unref(share);
        g_mutex_unlock(&engine->lock);
    }
    g_clear_pointer(&trash->items, g_array_unref);
}

guint share_node_hash(gconstpointer node)
{
    const Node *n = node;
    uint64_t h = (uintptr_t)n->share;

    h = (h ^ n->dev) * 0x9e3779b97f4a7c15ull;
    h = (h ^ n->ino) * 0x9e3779b97f4a7c15ull;
    return (h ^ n->mount) >> 16;
}

gboolean share_node_equal(gconstpointer a, gconstpointer b)
{
    const Node *x = a, *y = b;

    return x->share == y->share && x->ino == y->ino && x->dev == y->dev &&
           x->mount == y->mount;
}

Node *share_node_find(ShareEngine *engine, uint64_t id)
{
    return id == WIRE_ROOT_ID ? &engine->root
                              : g_hash_table_lookup(engine->nodes, &id);
}

Node *share_node_of_object(ShareEngine *engine, Share *share,
                           const ShareAttr *attr)
{
    Node key = {
        .share = share, .dev = attr->dev, .ino = attr->ino,
        .mount = attr->mount,
    };

    return g_hash_table_lookup(engine->objects, &key);
}

Node *share_node_add(ShareEngine *engine, Share *share, ShareFile *file,
                     const ShareAttr *attr)
{
    Node *node = g_new0(Node, 1);

    node->id = ++engine->last_node;
    node->share = share;
    node->file = file;
    node->dev = attr->dev;
    node->ino = attr->ino;
    node->mount = attr->mount;
    node->type = attr->mode & WIRE_S_IFMT;
    node->charged = share_quota_charge(attr);
    g_hash_table_insert(engine->nodes, &node->id, node);
    g_hash_table_add(engine->objects, node);
    share_ref(share);
    share->users++;
    share->nodes++;
    return node;
}

/* It was found as @name in @dir. */
void share_node_call(Node *node, Node *dir, const char *name)
{
    if (node->is_share_root) {
        return;
    }
    node->parent = dir->id;
    if (!node->name || strcmp(node->name, name) != 0) {
        g_free(node->name);
        node->name = g_strdup(name);
    }
}

char *share_node_path(ShareEngine *engine, const Node *node)
{
    GString *path = g_string_new(NULL);

    /* A guest's own making: it may be wrong, but it must end. */
    for (unsigned depth = 0; node && node->name && depth < 64; depth++) {
        if (path->len) {
            g_string_prepend_c(path, '/');
        }
        g_string_prepend(path, node->name);
        node = share_node_find(engine, node->parent);
    }
    return g_string_free(path, FALSE);
}

static void make_stale(ShareEngine *engine, Node *node, Trash *trash)
{
    g_hash_table_remove(engine->objects, node);
    share_trash_file(trash, node->share, node->file);
    node->file = NULL;
}

static void credit(Node *node)
{
    ShareUsage *usage = &node->share->usage;

    if (node->doomed) {
        usage->files -= MIN(usage->files, 1);
        usage->bytes -= MIN(usage->bytes, node->charged);
    }
}

void share_node_settle(ShareEngine *engine, Node *node, Trash *trash)
{
    Share *share = node->share;

    if (!share || node->working) {
        return;
    }
    if (!node->lookups && !node->handles) {
        /* nobody can unlock any more */
        share_locks_drop_all(engine, node, trash);
    }
    if (!share->root) {
        share_locks_drop_all(engine, node, trash);
        if (node->file) {
            make_stale(engine, node, trash);
        }
    }
    if (node->lookups || node->handles || node == share->root) {
        return;
    }
    if (node->file) {
        make_stale(engine, node, trash);
    }
    credit(node);
    g_hash_table_remove(engine->nodes, &node->id);
    share->nodes--;
    g_free(node->name);
    g_free(node);
    share_unref(share);
}

void share_node_forget(ShareEngine *engine, Node *node, uint64_t count,
                       Trash *trash)
{
    /* a guest may well say more than it was told */
    node->lookups -= MIN(node->lookups, count);
    share_node_settle(engine, node, trash);
}

/* With the lock held; @file is taken over. */
static Node *find_or_add(Call *call, Share *share, ShareFile *file,
                         const ShareAttr *attr, Trash *trash, int *error)
{
    ShareEngine *engine = call->engine;
    Node *node = share_node_of_object(engine, share, attr);

    *error = !share->root ? -ESTALE
           : node ? 0
           : g_hash_table_size(engine->nodes) >= engine->options.max_nodes
                 ? -ENFILE : 0;
    if (*error || node) {
        share->users++;         /* which emptying the trash takes back */
        share_trash_file(trash, share, file);
        return *error ? NULL : node;
    }
    return share_node_add(engine, share, file, attr);
}

int share_node_learn(Call *call, Node *dir, const char *name,
                     ShareFile *file, const ShareAttr *attr,
                     WireEntryOut *out)
{
    ShareEngine *engine = call->engine;
    Share *share = dir->share;
    bool mounts = attr->dev != dir->dev || attr->mount != dir->mount;
    Trash trash = { 0 };
    Node *node;
    int error;

    memset(out, 0, sizeof(*out));
    g_mutex_lock(&engine->lock);
    node = find_or_add(call, share, file, attr, &trash, &error);
    if (node) {
        node->lookups++;
        if (name) {
            share_node_call(node, dir, name);
        }
        out->nodeid = node->id;
        share_attr_fill(engine, share, false, attr, &out->attr);
        if (mounts && (engine->flags & WIRE_INIT_SUBMOUNTS) &&
            node->type == WIRE_S_IFDIR) {
            out->attr.flags |= WIRE_ATTR_SUBMOUNT;
        }
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
    out->entry_valid = out->attr_valid = share_attr_seconds(share);
    return error;
}

Handle *share_handle_add(ShareEngine *engine, Node *node, ShareOpen *open,
                         unsigned flags, bool directory, bool of_owner)
{
    Handle *handle;

    if (engine->n_handles >= engine->options.max_handles) {
        return NULL;
    }
    handle = g_new0(Handle, 1);
    handle->node = node;
    handle->open = open;
    handle->flags = flags;
    handle->directory = directory;
    g_mutex_init(&handle->reading);
    if (!of_owner) {
        handle->id = ++engine->last_handle;
        g_hash_table_insert(engine->handles, &handle->id, handle);
        node->handles++;
        if (node->share) {
            node->share->handles++;
        }
    }
    engine->n_handles++;
    if (node->share) {
        node->share->users++;
    }
    return handle;
}

int share_handle_give(Call *call, Node *node, ShareOpen *open,
                      unsigned flags, bool directory, uint64_t *id)
{
    ShareEngine *engine = call->engine;
    Share *share = node->share;
    Handle *handle = NULL;
    Trash trash = { 0 };
    int error = 0;

    g_mutex_lock(&engine->lock);
    if (share && !share->root) {
        error = -ESTALE;
    } else {
        handle = share_handle_add(engine, node, open, flags, directory,
                                  false);
        error = handle ? 0 : -ENFILE;
    }
    if (handle) {
        *id = handle->id;
    } else if (share) {
        share->users++;
        share_trash_open(&trash, share, open);
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
    return error;
}

void share_handle_settle(ShareEngine *engine, Handle *handle, Trash *trash)
{
    Node *node = handle->node;
    Share *share = node->share;

    if (handle->working) {
        return;
    }
    if (handle->open && (handle->released || !share->root)) {
        share_trash_open(trash, share, handle->open);
        handle->open = NULL;
    }
    if (!handle->released) {
        return;
    }
    if (handle->id) {
        node->handles--;
        if (share) {
            share->handles--;
        }
    }
    engine->n_handles--;
    g_mutex_clear(&handle->reading);
    if (handle->id) {
        /* an owner's goes with its node, or before */
        share_node_settle(engine, node, trash);
    }
    g_free(handle);
}

void share_handle_release(ShareEngine *engine, Handle *handle, Trash *trash)
{
    if (handle->id) {
        g_hash_table_remove(engine->handles, &handle->id);
    }
    handle->released = true;
    share_handle_settle(engine, handle, trash);
}
