/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that concern the tree, one by one
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"
#include "target-models/store/journal.h"

/* FNV-1a of 64 bits: isthe.com/chongo/tech/comp/fnv */
#define FNV_OFFSET  UINT64_C(14695981039346656037)
#define FNV_PRIME   UINT64_C(1099511628211)

bool store_is_change(uint32_t type)
{
    return type == STORE_WRITE || type == STORE_MKDIR || type == STORE_RM ||
           type == STORE_SET_PERMS;
}

bool store_is_step(uint32_t type)
{
    return store_is_change(type) || type == STORE_READ ||
           type == STORE_DIRECTORY || type == STORE_DIRECTORY_PART ||
           type == STORE_GET_PERMS;
}

void store_step_free(gpointer opaque)
{
    StoreStep *step = opaque;

    g_free(step->path);
    g_bytes_unref(step->argument);
    g_clear_pointer(&step->reply, g_byte_array_unref);
    g_free(step);
}

StoreStep *store_step_new(const StoreMessage *message, unsigned domain,
                          int *error)
{
    const uint8_t *rest;
    size_t length;
    const char *path = store_message_head(message, &rest, &length);
    g_autofree char *absolute = NULL;
    StoreStep *step;
    bool more = message->type == STORE_WRITE ||
                message->type == STORE_SET_PERMS ||
                message->type == STORE_DIRECTORY_PART;

    *error = EINVAL;
    if (!path || (!more && length)) {
        return NULL;
    }
    *error = store_path_resolve(path, domain, &absolute);
    if (*error) {
        return NULL;
    }
    step = g_new0(StoreStep, 1);
    step->type = message->type;
    step->path = g_steal_pointer(&absolute);
    step->argument = g_bytes_new(rest, length);
    return step;
}

bool store_exists(Store *store, uint32_t transaction, const char *path)
{
    g_autoptr(GPtrArray) permissions = g_ptr_array_new_with_free_func(g_free);

    return store->ops->get_permissions(store->tree, STORE_TRUSTED,
                                       transaction, path, permissions) == 0;
}

static void change_add(GPtrArray *changes, const char *path, bool removed,
                       bool quiet)
{
    StoreChange *change = g_new0(StoreChange, 1);

    change->path = g_strdup(path);
    change->removed = removed;
    change->quiet = quiet;
    g_ptr_array_add(changes, change);
}

/* Of @path and the folders above it, those that are missing; the top first */
static GPtrArray *missing_levels(Store *store, uint32_t transaction,
                                 const char *path)
{
    GPtrArray *levels = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *at = g_strdup(path);

    while (!store_exists(store, transaction, at)) {
        char *above = store_path_parent(at);

        g_ptr_array_insert(levels, 0, at);
        at = above;
    }
    return levels;
}

/* A node belongs to the domain that made it; the rest is its folder's. */
static int own_levels(Store *store, unsigned domain, uint32_t transaction,
                      const GPtrArray *levels, GPtrArray *changes)
{
    for (unsigned i = 0; i < levels->len; i++) {
        const char *path = levels->pdata[i];
        g_autofree char *above = store_path_parent(path);
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
        int error = store->ops->get_permissions(store->tree, STORE_TRUSTED,
                                                transaction, above, list);

        if (!error && domain != STORE_TRUSTED) {
            char letter = *(const char *)list->pdata[0];

            g_free(list->pdata[0]);
            list->pdata[0] = g_strdup_printf("%c%u", letter, domain);
        }
        if (!error) {
            error = store->ops->set_permissions(store->tree, STORE_TRUSTED,
                                                transaction, path, list);
        }
        if (error) {
            return error;
        }
        change_add(changes, path, false, i + 1 < levels->len);
    }
    return 0;
}

static int step_write(Store *store, unsigned domain, uint32_t transaction,
                      const StoreStep *step, GPtrArray *changes)
{
    g_autoptr(GPtrArray) levels = missing_levels(store, transaction,
                                                 step->path);
    size_t length;
    const uint8_t *value = g_bytes_get_data(step->argument, &length);
    int error;

    if (step->type == STORE_MKDIR && levels->len == 0) {
        g_autoptr(GByteArray) there = g_byte_array_new();

        return store->ops->read(store->tree, domain, transaction, step->path,
                                there);
    }
    if (domain != STORE_TRUSTED) {
        if (length > store_quota(store, STORE_QUOTA_NODE_SIZE)) {
            return E2BIG;
        }
        if (levels->len && levels->len +
            store->ops->owned(store->tree, domain, transaction) >
            store_quota(store, STORE_QUOTA_NODES)) {
            return ENOSPC;
        }
    }
    error = store->ops->write(store->tree, domain, transaction, step->path,
                              value, length);
    if (error) {
        return error;
    }
    if (levels->len == 0) {
        change_add(changes, step->path, false, false);
    }
    return own_levels(store, domain, transaction, levels, changes);
}

static int step_remove(Store *store, unsigned domain, uint32_t transaction,
                       const StoreStep *step, GPtrArray *changes)
{
    g_autofree char *above = NULL;
    g_autoptr(GByteArray) value = g_byte_array_new();
    int error;

    if (step->path[1] == '\0') {
        return EINVAL;
    }
    error = store->ops->remove(store->tree, domain, transaction, step->path);
    if (!error) {
        change_add(changes, step->path, true, false);
    }
    if (error != ENOENT) {
        return error;
    }
    /* What is gone already may be removed, if its folder is there. */
    above = store_path_parent(step->path);
    return store->ops->read(store->tree, domain, transaction, above, value)
           ? ENOENT : 0;
}

static int step_set_permissions(Store *store, unsigned domain,
                                uint32_t transaction, const StoreStep *step,
                                GPtrArray *changes)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    unsigned most = domain == STORE_TRUSTED
        ? STORE_PERMISSIONS_MAX : store_quota(store, STORE_QUOTA_PERMISSIONS);
    size_t length;
    const char *at = g_bytes_get_data(step->argument, &length);
    unsigned of;
    int error;

    if (length == 0 || at[length - 1] != '\0') {
        return EINVAL;
    }
    for (const char *end = at + length; at < end; at += strlen(at) + 1) {
        if (!store_permission_valid(at, &of)) {
            return EINVAL;
        }
        g_ptr_array_add(list, (gpointer)at);
    }
    if (list->len > MIN(most, STORE_PERMISSIONS_MAX)) {
        return ENOSPC;
    }
    error = store->ops->set_permissions(store->tree, domain, transaction,
                                        step->path, list);
    if (!error) {
        change_add(changes, step->path, false, false);
    }
    return error;
}

static void append_names(GByteArray *reply, const GPtrArray *names)
{
    for (unsigned i = 0; i < names->len; i++) {
        store_reply_text(reply, names->pdata[i]);
    }
}

/* A number that is another when the names are */
static uint64_t listing_hash(const GByteArray *listing)
{
    uint64_t hash = FNV_OFFSET;

    for (unsigned i = 0; i < listing->len; i++) {
        hash = (hash ^ listing->data[i]) * FNV_PRIME;
    }
    return hash;
}

/*
 * A part of a listing that is too long for one message: which listing, names
 * from an offset on as they fit, and one more NUL behind the last.
 */
static int listing_part(const GByteArray *listing, const StoreStep *step,
                        GByteArray *reply)
{
    g_autofree char *which = g_strdup_printf("%" G_GUINT64_FORMAT,
                                             listing_hash(listing));
    size_t size;
    const char *argument = g_bytes_get_data(step->argument, &size);
    uint64_t offset;
    size_t length;

    if (size == 0 || strnlen(argument, size) != size - 1 ||
        !store_number_parse(argument, listing->len, &offset)) {
        return EINVAL;
    }
    store_reply_text(reply, which);
    length = MIN(listing->len - offset, STORE_PAYLOAD_MAX - reply->len - 1);
    while (offset + length < listing->len && length &&
           listing->data[offset + length - 1]) {
        length--;
    }
    if (length) {
        g_byte_array_append(reply, listing->data + offset, (guint)length);
    }
    if (offset + length == listing->len) {
        g_byte_array_append(reply, (const guint8 *)"", 1);
    }
    return 0;
}

static int step_list(Store *store, unsigned domain, uint32_t transaction,
                     const StoreStep *step, GByteArray *reply)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GByteArray) listing = g_byte_array_new();
    int error = store->ops->list(store->tree, domain, transaction, step->path,
                                 names);

    if (error) {
        return error;
    }
    if (step->type == STORE_DIRECTORY) {
        append_names(reply, names);
        return 0;
    }
    append_names(listing, names);
    return listing_part(listing, step, reply);
}

static int step_permissions(Store *store, unsigned domain,
                            uint32_t transaction, const StoreStep *step,
                            GByteArray *reply)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GByteArray) value = g_byte_array_new();
    /* Who may read a node may see who else may. */
    int error = store->ops->read(store->tree, domain, transaction, step->path,
                                 value);

    if (!error) {
        error = store->ops->get_permissions(store->tree, STORE_TRUSTED,
                                            transaction, step->path, list);
    }
    if (!error) {
        append_names(reply, list);
    }
    return error;
}

int store_step_run(Store *store, unsigned domain, uint32_t transaction,
                   const StoreStep *step, GByteArray *reply,
                   GPtrArray *changes)
{
    int error = EINVAL;

    switch (step->type) {
    case STORE_READ:
        error = store->ops->read(store->tree, domain, transaction, step->path,
                                 reply);
        break;
    case STORE_DIRECTORY:
    case STORE_DIRECTORY_PART:
        error = step_list(store, domain, transaction, step, reply);
        break;
    case STORE_GET_PERMS:
        error = step_permissions(store, domain, transaction, step, reply);
        break;
    case STORE_WRITE:
    case STORE_MKDIR:
        error = step_write(store, domain, transaction, step, changes);
        break;
    case STORE_RM:
        error = step_remove(store, domain, transaction, step, changes);
        break;
    case STORE_SET_PERMS:
        error = step_set_permissions(store, domain, transaction, step,
                                     changes);
        break;
    }
    if (!error && reply->len > STORE_PAYLOAD_MAX) {
        error = E2BIG;
    }
    if (!error && store_is_change(step->type)) {
        store_reply_text(reply, "OK");
    }
    return error;
}
