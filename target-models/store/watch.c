/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches: who is told of what
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"

static const char *const specials[] = { "@introduceDomain", "@releaseDomain",
                                        NULL };

/* @watch is to be told of @path. */
typedef struct StoreEvent {
    StoreWatch *watch;
    char *path;
} StoreEvent;

static void watch_free(gpointer opaque)
{
    StoreWatch *watch = opaque;

    g_free(watch->path);
    g_free(watch->token);
    g_free(watch);
}

static void event_free(gpointer opaque)
{
    StoreEvent *event = opaque;

    g_free(event->path);
    g_free(event);
}

static void watch_tell(const StoreWatch *watch, const char *path)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    store_reply_text(payload, path + watch->prefix);
    store_reply_text(payload, watch->token);
    store_send(watch->connection, STORE_WATCH_EVENT, 0, 0, payload->data,
               payload->len);
}

unsigned store_watches_of(Store *store, unsigned domain)
{
    unsigned count = 0;

    for (unsigned i = 0; i < store->watches->len; i++) {
        const StoreWatch *watch = store->watches->pdata[i];

        count += watch->connection->domain == domain;
    }
    return count;
}

/* What @path is to be watched as; *@prefix: what the client left out */
static int watch_resolve(const StoreConnection *connection, const char *path,
                         char **resolved, size_t *prefix)
{
    int error;

    *prefix = 0;
    if (*path == '@') {
        if (!g_strv_contains(specials, path)) {
            return EINVAL;
        }
        if (connection->domain != STORE_TRUSTED) {
            return EACCES;
        }
        *resolved = g_strdup(path);
        return 0;
    }
    error = store_path_resolve(path, connection->domain, resolved);
    if (!error) {
        *prefix = strlen(*resolved) - strlen(path);
    }
    return error;
}

/* Index of the watch; -1 if there is none */
static int watch_find(const StoreConnection *connection, const char *path,
                      size_t prefix, const char *token)
{
    const GPtrArray *watches = connection->store->watches;

    for (unsigned i = 0; i < watches->len; i++) {
        const StoreWatch *watch = watches->pdata[i];

        if (watch->connection == connection && watch->prefix == prefix &&
            !strcmp(watch->path, path) && !strcmp(watch->token, token)) {
            return (int)i;
        }
    }
    return -1;
}

/* What both requests have: a path and a token */
static int watch_parse(const StoreConnection *connection,
                       const StoreMessage *message, char **path,
                       size_t *prefix, const char **token)
{
    const char *strings[2];

    if (store_message_strings(message, strings, 2) != 2) {
        return EINVAL;
    }
    if (strlen(strings[1]) >= STORE_TOKEN_MAX) {
        return E2BIG;
    }
    *token = strings[1];
    return watch_resolve(connection, strings[0], path, prefix);
}

int store_watch_add(StoreConnection *connection, const StoreMessage *message,
                    GByteArray *reply)
{
    Store *store = connection->store;
    g_autofree char *path = NULL;
    const char *token;
    size_t prefix;
    StoreWatch *watch;
    int error = watch_parse(connection, message, &path, &prefix, &token);

    if (error) {
        return error;
    }
    if (watch_find(connection, path, prefix, token) >= 0) {
        return EEXIST;
    }
    if (connection->domain != STORE_TRUSTED &&
        store_watches_of(store, connection->domain) >=
        store_quota(store, STORE_QUOTA_WATCHES)) {
        return E2BIG;
    }
    watch = g_new0(StoreWatch, 1);
    watch->connection = connection;
    watch->path = g_steal_pointer(&path);
    watch->token = g_strdup(token);
    watch->prefix = prefix;
    g_ptr_array_add(store->watches, watch);
    /* It fires once at once, behind the reply. */
    store_reply_text(reply, "OK");
    store_send(connection, STORE_WATCH, message->request,
               message->transaction, reply->data, reply->len);
    g_byte_array_set_size(reply, 0);
    watch_tell(watch, watch->path);
    return 0;
}

int store_watch_remove(StoreConnection *connection,
                       const StoreMessage *message, GByteArray *reply)
{
    g_autofree char *path = NULL;
    const char *token;
    size_t prefix;
    int error = watch_parse(connection, message, &path, &prefix, &token);
    int at;

    if (error) {
        return error;
    }
    at = watch_find(connection, path, prefix, token);
    if (at < 0) {
        return ENOENT;
    }
    watch_free(g_ptr_array_remove_index(connection->store->watches,
                                        (guint)at));
    store_reply_text(reply, "OK");
    return 0;
}

void store_watches_drop(StoreConnection *connection)
{
    GPtrArray *watches = connection->store->watches;

    for (unsigned i = watches->len; i-- > 0;) {
        StoreWatch *watch = watches->pdata[i];

        if (watch->connection == connection) {
            g_ptr_array_remove_index(watches, i);
            watch_free(watch);
        }
    }
}

/* Nobody learns of nodes that are none of its business (XSA-115). */
static bool may_know(Store *store, const StoreWatch *watch,
                     uint32_t transaction, const char *path)
{
    unsigned domain = watch->connection->domain;
    g_autoptr(GByteArray) value = g_byte_array_new();

    return domain == STORE_TRUSTED ||
           store->ops->read(store->tree, domain, transaction, path,
                            value) == 0 ||
           store->ops->read(store->tree, domain, STORE_NO_TRANSACTION, path,
                            value) == 0;
}

static void event_add(Store *store, GPtrArray *events, StoreWatch *watch,
                      uint32_t transaction, const char *path)
{
    StoreEvent *event;

    if (may_know(store, watch, transaction, path)) {
        event = g_new0(StoreEvent, 1);
        event->watch = watch;
        event->path = g_strdup(path);
        g_ptr_array_add(events, event);
    }
}

/* Those at and above what changed; and below what is removed and was there */
static void change_events(Store *store, uint32_t transaction,
                          const StoreChange *change, GPtrArray *events)
{
    for (unsigned i = 0; i < store->watches->len; i++) {
        StoreWatch *watch = store->watches->pdata[i];

        if (*watch->path == '@') {
            continue;
        }
        if (store_path_below(change->path, watch->path)) {
            event_add(store, events, watch, transaction, change->path);
        } else if (change->removed &&
                   store_path_below(watch->path, change->path) &&
                   store_exists(store, STORE_NO_TRANSACTION, watch->path)) {
            event_add(store, events, watch, transaction, watch->path);
        }
    }
}

/* Whether a watch could see it: neither before nor after, it never was. */
static bool change_shows(Store *store, uint32_t transaction,
                         const StoreChange *change)
{
    return !change->quiet &&
           (store_exists(store, transaction, change->path) ||
            (change->removed &&
             store_exists(store, STORE_NO_TRANSACTION, change->path)));
}

GPtrArray *store_events_new(Store *store, uint32_t transaction,
                            const GPtrArray *changes)
{
    GPtrArray *events = g_ptr_array_new_with_free_func(event_free);
    /* Once is enough, however often a transaction changes a node. */
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) removed = g_hash_table_new(g_str_hash, g_str_equal);

    if (store->watches->len == 0) {
        return events;
    }
    for (unsigned i = 0; i < changes->len; i++) {
        const StoreChange *change = changes->pdata[i];

        if (change_shows(store, transaction, change) &&
            g_hash_table_add(change->removed ? removed : set, change->path)) {
            change_events(store, transaction, change, events);
        }
    }
    return events;
}

void store_events_send(Store *store, const GPtrArray *events)
{
    for (unsigned i = 0; i < events->len; i++) {
        const StoreEvent *event = events->pdata[i];

        watch_tell(event->watch, event->path);
    }
}

void store_watch_special(Store *store, const char *name)
{
    for (unsigned i = 0; i < store->watches->len; i++) {
        const StoreWatch *watch = store->watches->pdata[i];

        if (!strcmp(watch->path, name)) {
            watch_tell(watch, watch->path);
        }
    }
}
