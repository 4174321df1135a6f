/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store as records, and back
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"
#include "target-models/store/journal.h"

/* Entries that a record of a saved store has, in bytes, about. */
#define SAVE_RECORD     (1u << 20)

static int load_entry(Store *store, uint32_t transaction,
                      const StoreEntry *entry)
{
    size_t length;
    const uint8_t *value;
    int error;

    if (entry->removed) {
        error = store->ops->remove(store->tree, STORE_TRUSTED, transaction,
                                   entry->path);
        /* It may have been made and removed in one transaction. */
        return error == ENOENT ? 0 : error;
    }
    value = g_bytes_get_data(entry->value, &length);
    error = store->ops->write(store->tree, STORE_TRUSTED, transaction,
                              entry->path, value, length);
    return error ? error
           : store->ops->set_permissions(store->tree, STORE_TRUSTED,
                                         transaction, entry->path,
                                         entry->permissions);
}

size_t store_load(Store *store, const uint8_t *bytes, size_t size)
{
    size_t used;
    g_autoptr(GPtrArray) entries = store_journal_next(bytes, size, &used);
    uint32_t transaction;
    int error = 0;

    if (!entries) {
        return 0;
    }
    transaction = store->ops->begin(store->tree);
    for (unsigned i = 0; i < entries->len && !error; i++) {
        error = load_entry(store, transaction, entries->pdata[i]);
    }
    if (store->ops->end(store->tree, transaction, error == 0)) {
        return 0;
    }
    return error ? 0 : used;
}

static void save_flush(GByteArray *entries, GByteArray *bytes)
{
    if (entries->len) {
        store_journal_record(bytes, entries);
        g_byte_array_set_size(entries, 0);
    }
}

static void save_node(Store *store, const char *path, GByteArray *entries,
                      GByteArray *bytes)
{
    g_autoptr(GByteArray) value = g_byte_array_new();
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    store->ops->read(store->tree, STORE_TRUSTED, STORE_NO_TRANSACTION, path,
                     value);
    store->ops->get_permissions(store->tree, STORE_TRUSTED,
                                STORE_NO_TRANSACTION, path, list);
    store_journal_set(entries, path, value, list);
    if (entries->len >= SAVE_RECORD) {
        save_flush(entries, bytes);
    }
}

void store_save(Store *store, GByteArray *bytes)
{
    g_autoptr(GByteArray) entries = g_byte_array_new();
    /* Paths yet to be saved; a folder comes before what is in it. */
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(paths, g_strdup("/"));
    while (paths->len) {
        g_autofree char *path = g_ptr_array_steal_index(paths,
                                                        paths->len - 1);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

        save_node(store, path, entries, bytes);
        store->ops->list(store->tree, STORE_TRUSTED, STORE_NO_TRANSACTION,
                         path, names);
        for (unsigned i = 0; i < names->len; i++) {
            g_ptr_array_add(paths, g_strconcat(
                path[1] ? path : "", "/", (char *)names->pdata[i], NULL));
        }
    }
    save_flush(entries, bytes);
}

void store_announce(Store *store)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    uint64_t domain;

    if (store->ops->list(store->tree, STORE_TRUSTED, STORE_NO_TRANSACTION,
                         STORE_DOMAIN_FOLDER, names)) {
        return;
    }
    for (unsigned i = 0; i < names->len; i++) {
        if (store_number_parse(names->pdata[i], STORE_DOMAINS - 1, &domain) &&
            domain != STORE_TRUSTED) {
            store->host->introduced(store->opaque, (unsigned)domain);
        }
    }
}
