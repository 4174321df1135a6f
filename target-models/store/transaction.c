/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commits, and the transactions of clients
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"
#include "target-models/store/journal.h"

static void change_free(gpointer opaque)
{
    StoreChange *change = opaque;

    g_free(change->path);
    g_free(change);
}

GPtrArray *store_changes_new(void)
{
    return g_ptr_array_new_with_free_func(change_free);
}

/* What @transaction makes of @path, into the journal */
static void record_set(Store *store, uint32_t transaction, const char *path,
                       GByteArray *entries)
{
    g_autoptr(GByteArray) value = g_byte_array_new();
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    /* One that a later change has removed has no value now. */
    if (store->ops->read(store->tree, STORE_TRUSTED, transaction, path,
                         value) == 0 &&
        store->ops->get_permissions(store->tree, STORE_TRUSTED, transaction,
                                    path, list) == 0) {
        store_journal_set(entries, path, value, list);
    }
}

/* Keeps the changes; they are in order, for a removal ends what was before. */
static int keep_changes(Store *store, uint32_t transaction,
                        const GPtrArray *changes)
{
    g_autoptr(GByteArray) entries = g_byte_array_new();
    g_autoptr(GByteArray) record = g_byte_array_new();

    for (unsigned i = 0; i < changes->len; i++) {
        const StoreChange *change = changes->pdata[i];

        if (change->removed) {
            store_journal_remove(entries, change->path);
        } else {
            record_set(store, transaction, change->path, entries);
        }
        if (entries->len > STORE_RECORD_MAX) {
            return ENOSPC;
        }
    }
    if (entries->len == 0) {
        return 0;
    }
    store_journal_record(record, entries);
    return store->host->keep(store->opaque, record->data, record->len);
}

int store_commit(Store *store, uint32_t transaction, GPtrArray *changes)
{
    g_autoptr(GPtrArray) events = NULL;
    int error;

    if (changes->len == 0) {
        store->ops->end(store->tree, transaction, false);
        return 0;
    }
    events = store_events_new(store, transaction, changes);
    error = keep_changes(store, transaction, changes);
    if (error) {
        store->ops->end(store->tree, transaction, false);
        return error;
    }
    /* It began after the latest commit, so nothing is in its way. */
    error = store->ops->end(store->tree, transaction, true);
    g_assert(error == 0);
    store_events_send(store, events);
    return 0;
}

int store_step_commit(Store *store, unsigned domain, const StoreStep *step,
                      GByteArray *reply)
{
    g_autoptr(GPtrArray) changes = store_changes_new();
    uint32_t transaction = store->ops->begin(store->tree);
    int error = store_step_run(store, domain, transaction, step, reply,
                               changes);

    if (error) {
        store->ops->end(store->tree, transaction, false);
        return error;
    }
    return store_commit(store, transaction, changes);
}

int store_set(Store *store, const char *path, const char *value)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();
    StoreStep step = {
        .type = value ? STORE_WRITE : STORE_RM,
        .path = (char *)path,
        .argument = g_bytes_new(value, value ? strlen(value) : 0),
    };
    int error = store_step_commit(store, STORE_TRUSTED, &step, reply);

    g_bytes_unref(step.argument);
    return error;
}

static StoreTransaction *transaction_find(StoreConnection *connection,
                                          uint32_t number)
{
    return g_hash_table_lookup(connection->transactions,
                               GUINT_TO_POINTER(number));
}

int store_transaction_start(StoreConnection *connection,
                            const StoreMessage *message, GByteArray *reply)
{
    Store *store = connection->store;
    g_autofree char *text = NULL;
    StoreTransaction *transaction;
    uint32_t number;

    if (message->transaction) {
        return EBUSY;           /* they do not nest */
    }
    if (connection->domain != STORE_TRUSTED &&
        store_transactions_of(store, connection->domain) >=
        store_quota(store, STORE_QUOTA_TRANSACTIONS)) {
        return ENOSPC;
    }
    do {
        number = ++connection->last_transaction;
    } while (number == 0 || transaction_find(connection, number));
    transaction = g_new0(StoreTransaction, 1);
    transaction->tree = store->ops->begin(store->tree);
    transaction->steps = g_ptr_array_new_with_free_func(store_step_free);
    g_hash_table_insert(connection->transactions, GUINT_TO_POINTER(number),
                        transaction);
    text = g_strdup_printf("%u", number);
    store_reply_text(reply, text);
    return 0;
}

static void transaction_free(Store *store, StoreTransaction *transaction)
{
    if (transaction->tree) {
        store->ops->end(store->tree, transaction->tree, false);
    }
    g_ptr_array_unref(transaction->steps);
    g_free(transaction);
}

static bool same_reply(const StoreStep *step, int error,
                       const GByteArray *reply)
{
    if (error || step->error) {
        return error == step->error;
    }
    return reply->len == step->reply->len &&
           (reply->len == 0 ||
            memcmp(reply->data, step->reply->data, reply->len) == 0);
}

/* Do all steps again, on the tree as it is now; false: not as they were */
static bool transaction_repeat(StoreConnection *connection,
                               StoreTransaction *transaction,
                               GPtrArray *changes)
{
    Store *store = connection->store;

    store->ops->end(store->tree, transaction->tree, false);
    transaction->tree = store->ops->begin(store->tree);
    for (unsigned i = 0; i < transaction->steps->len; i++) {
        const StoreStep *step = transaction->steps->pdata[i];
        g_autoptr(GByteArray) reply = g_byte_array_new();
        int error = store_step_run(store, connection->domain,
                                   transaction->tree, step, reply, changes);

        if (!same_reply(step, error, reply)) {
            return false;
        }
    }
    return true;
}

/*
 * The changes that the steps made are not kept with them: doing the steps
 * again finds them, so a commit always does.  That costs what the requests
 * cost; nothing is read from the client again.
 */
static int transaction_commit(StoreConnection *connection,
                              StoreTransaction *transaction)
{
    g_autoptr(GPtrArray) changes = store_changes_new();
    bool changing = false;
    int error;

    for (unsigned i = 0; i < transaction->steps->len; i++) {
        const StoreStep *step = transaction->steps->pdata[i];

        changing = changing || (store_is_change(step->type) && !step->error);
    }
    /* What it read was true at one time, when it began. */
    if (!changing) {
        return 0;
    }
    if (!transaction_repeat(connection, transaction, changes)) {
        return EAGAIN;
    }
    error = store_commit(connection->store, transaction->tree, changes);
    transaction->tree = 0;
    return error;
}

int store_transaction_end(StoreConnection *connection,
                          const StoreMessage *message, GByteArray *reply)
{
    StoreTransaction *transaction = transaction_find(connection,
                                                     message->transaction);
    const char *how;
    int error = 0;

    if (!transaction) {
        return ENOENT;
    }
    if (store_message_strings(message, &how, 1) != 1 ||
        (strcmp(how, "T") && strcmp(how, "F"))) {
        return EINVAL;
    }
    g_hash_table_steal(connection->transactions,
                       GUINT_TO_POINTER(message->transaction));
    if (*how == 'T') {
        error = transaction_commit(connection, transaction);
    }
    transaction_free(connection->store, transaction);
    if (!error) {
        store_reply_text(reply, "OK");
    }
    return error;
}

int store_transaction_step(StoreConnection *connection, uint32_t number,
                           StoreStep *step, GByteArray *reply)
{
    Store *store = connection->store;
    StoreTransaction *transaction = transaction_find(connection, number);
    g_autoptr(GPtrArray) changes = store_changes_new();
    unsigned most = connection->domain == STORE_TRUSTED
        ? STORE_TRUSTED_OPERATIONS
        : store_quota(store, STORE_QUOTA_OPERATIONS);
    int error = !transaction ? ENOENT
                : transaction->steps->len >= most ? ENOSPC : 0;

    if (error) {
        store_step_free(step);
        return error;
    }
    step->error = store_step_run(store, connection->domain, transaction->tree,
                                 step, reply, changes);
    error = step->error;
    step->reply = g_byte_array_new();
    if (!error && reply->len) {
        g_byte_array_append(step->reply, reply->data, reply->len);
    }
    g_ptr_array_add(transaction->steps, step);
    return error;
}

void store_transactions_drop(StoreConnection *connection)
{
    GHashTableIter iter;
    gpointer transaction;

    g_hash_table_iter_init(&iter, connection->transactions);
    while (g_hash_table_iter_next(&iter, NULL, &transaction)) {
        g_hash_table_iter_steal(&iter);
        transaction_free(connection->store, transaction);
    }
}
