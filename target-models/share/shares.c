/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares come and go. */
#include <errno.h>

#include "internal.h"

static bool look_at(const SharePublish *publish, ShareAttr *attr,
                    GError **error)
{
    int ret = publish->ops->getattr(publish->volume, publish->root, NULL,
                                    attr);
    uint32_t type = attr->mode & WIRE_S_IFMT;

    if (ret < 0) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_FILE,
                    "share '%s': its root cannot be looked at: %s",
                    publish->name, g_strerror(-ret));
        return false;
    }
    if (type != WIRE_S_IFDIR && type != WIRE_S_IFREG) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_FILE,
                    "share '%s': its root has type 0%o; only directories and "
                    "regular files can be shared", publish->name, type);
        return false;
    }
    return true;
}

static bool has_place(ShareEngine *engine, const char *name, GError **error)
{
    if (g_hash_table_contains(engine->shares, name)) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_EXISTS,
                    "share '%s': there is one of that name; remove it first",
                    name);
        return false;
    }
    if (engine->order->len >= SHARE_MAX_SHARES) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_EXISTS,
                    "share '%s': there are %u shares already; one guest can "
                    "have no more", name, SHARE_MAX_SHARES);
        return false;
    }
    return true;
}

bool share_engine_add(ShareEngine *engine, const SharePublish *publish,
                      ShareTime now, GError **error)
{
    ShareAttr attr = { 0 };
    Share *share;
    bool done;

    if (!share_name_check(publish->name, error) ||
        !share_policy_check(publish->policy, error) ||
        !look_at(publish, &attr, error)) {
        return false;
    }
    g_mutex_lock(&engine->lock);
    done = has_place(engine, publish->name, error);
    if (done) {
        share = g_new0(Share, 1);
        share->name = g_strdup(publish->name);
        share->serial = ++engine->last_serial;
        share_policy_copy(&share->policy, publish->policy);
        share->ops = publish->ops;
        share->volume = publish->volume;
        share->root_type = attr.mode & WIRE_S_IFMT;
        share->usage = publish->usage;
        share->refs = 1;
        share->root = share_node_add(engine, share, publish->root, &attr);
        share->root->is_share_root = true;
        g_hash_table_insert(engine->shares, share->name, share);
        g_ptr_array_add(engine->order, share);
        engine->root_time = now;
    }
    g_mutex_unlock(&engine->lock);
    return done;
}

/* With the lock held.  Lists, as settling changes the tables. */
static void let_go(ShareEngine *engine, const Share *share, Trash *trash)
{
    GList *handles = g_hash_table_get_values(engine->handles);
    GList *nodes = g_hash_table_get_values(engine->nodes);

    for (GList *l = handles; l; l = l->next) {
        Handle *handle = l->data;

        if (handle->node->share == share) {
            share_handle_settle(engine, handle, trash);
        }
    }
    for (GList *l = nodes; l; l = l->next) {
        Node *node = l->data;

        if (node->share == share) {
            share_node_settle(engine, node, trash);
        }
    }
    g_list_free(handles);
    g_list_free(nodes);
}

bool share_engine_remove(ShareEngine *engine, const char *name,
                         ShareTime now)
{
    Trash trash = { 0 };
    Share *share;

    g_mutex_lock(&engine->lock);
    share = g_hash_table_lookup(engine->shares, name);
    if (share) {
        g_hash_table_remove(engine->shares, name);
        g_ptr_array_remove(engine->order, share);
        engine->root_time = now;
        share->root = NULL;
        share->users++;         /* nothing is closed before the mappings */
        let_go(engine, share, &trash);
    }
    g_mutex_unlock(&engine->lock);
    if (!share) {
        return false;
    }
    share_window_clear(engine, share);
    share_trash_empty(engine, &trash);
    share_engine_retry_locks(engine);
    g_mutex_lock(&engine->lock);
    share_trash_file(&trash, share, NULL);
    share_unref(share);
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
    return true;
}

bool share_engine_set_usage(ShareEngine *engine, const char *name,
                            ShareUsage usage)
{
    Share *share;

    g_mutex_lock(&engine->lock);
    share = g_hash_table_lookup(engine->shares, name);
    if (share) {
        share->usage = usage;
    }
    g_mutex_unlock(&engine->lock);
    return share != NULL;
}

static int by_name(const void *a, const void *b)
{
    return g_strcmp0((*(Share *const *)a)->name, (*(Share *const *)b)->name);
}

void share_engine_foreach(ShareEngine *engine, ShareFunc *func,
                          void *opaque)
{
    g_autoptr(GPtrArray) sorted = NULL;

    g_mutex_lock(&engine->lock);
    sorted = g_ptr_array_copy(engine->order, NULL, NULL);
    g_ptr_array_sort(sorted, by_name);
    for (unsigned i = 0; i < sorted->len; i++) {
        const Share *share = sorted->pdata[i];
        ShareState state = {
            .name = share->name,
            .directory = share->root_type == WIRE_S_IFDIR,
            .policy = &share->policy,
            .requests = share->requests,
            .errors = share->errors,
            .bytes_read = share->bytes_read,
            .bytes_written = share->bytes_written,
            .nodes = share->nodes,
            .handles = share->handles,
            .usage = share->usage,
        };

        func(&state, opaque);
    }
    g_mutex_unlock(&engine->lock);
}
