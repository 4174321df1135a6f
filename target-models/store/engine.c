/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections, and which request goes where
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"

/* Bytes that may wait for a client that does not read. */
#define OUTPUT_MAX_DOMAIN   (1u << 20)
#define OUTPUT_MAX_TRUSTED  (64u << 20)

typedef int StoreHandler(StoreConnection *connection,
                         const StoreMessage *message, GByteArray *reply);

static int connection_reset(StoreConnection *connection,
                            const StoreMessage *message, GByteArray *reply)
{
    store_watches_drop(connection);
    store_transactions_drop(connection);
    store_reply_text(reply, "OK");
    return 0;
}

/* Requests that do not concern the tree's nodes */
static const struct {
    uint32_t type;
    StoreHandler *handler;
    bool trusted;               /* nobody else may */
} handlers[] = {
    { STORE_CONTROL, store_control, true },
    { STORE_WATCH, store_watch_add, false },
    { STORE_UNWATCH, store_watch_remove, false },
    { STORE_TRANSACTION_START, store_transaction_start, false },
    { STORE_TRANSACTION_END, store_transaction_end, false },
    { STORE_INTRODUCE, store_introduce, true },
    { STORE_RELEASE, store_release, true },
    { STORE_GET_DOMAIN_PATH, store_domain_path, false },
    { STORE_IS_DOMAIN_INTRODUCED, store_is_introduced, true },
    { STORE_RESUME, store_resume, true },
    { STORE_RESET_WATCHES, connection_reset, false },
};

Store *store_new(const StoreTreeOps *ops, void *tree, const StoreHost *host,
                 void *opaque)
{
    Store *store = g_new0(Store, 1);

    store->ops = ops;
    store->tree = tree;
    store->host = host;
    store->opaque = opaque;
    store->connections = g_ptr_array_new();
    store->watches = g_ptr_array_new();
    return store;
}

void store_free(Store *store)
{
    g_assert(store->connections->len == 0);
    g_ptr_array_unref(store->connections);
    g_ptr_array_unref(store->watches);
    g_free(store);
}

StoreConnection *store_connect(Store *store, unsigned domain, void *client)
{
    StoreConnection *connection = g_new0(StoreConnection, 1);

    g_assert(domain < STORE_DOMAINS);
    connection->store = store;
    connection->domain = domain;
    connection->client = client;
    connection->input = g_byte_array_new();
    connection->output = g_byte_array_new();
    connection->transactions = g_hash_table_new(g_direct_hash, g_direct_equal);
    g_ptr_array_add(store->connections, connection);
    return connection;
}

void store_disconnect(StoreConnection *connection)
{
    store_watches_drop(connection);
    store_transactions_drop(connection);
    g_ptr_array_remove(connection->store->connections, connection);
    g_hash_table_unref(connection->transactions);
    g_byte_array_unref(connection->input);
    g_byte_array_unref(connection->output);
    g_free(connection);
}

unsigned store_transactions_of(Store *store, unsigned domain)
{
    unsigned count = 0;

    for (unsigned i = 0; i < store->connections->len; i++) {
        const StoreConnection *connection = store->connections->pdata[i];

        if (connection->domain == domain) {
            count += g_hash_table_size(connection->transactions);
        }
    }
    return count;
}

unsigned store_connection_domain(const StoreConnection *connection)
{
    return connection->domain;
}

GByteArray *store_output(StoreConnection *connection)
{
    return connection->output;
}

void store_reply_text(GByteArray *reply, const char *text)
{
    g_byte_array_append(reply, (const guint8 *)text, (guint)strlen(text) + 1);
}

void store_send(StoreConnection *connection, uint32_t type, uint32_t request,
                uint32_t transaction, const void *payload, size_t length)
{
    const StoreHost *host = connection->store->host;
    unsigned most = connection->domain == STORE_TRUSTED
        ? OUTPUT_MAX_TRUSTED : OUTPUT_MAX_DOMAIN;

    if (connection->output->len > most) {
        connection->broken = true;      /* an event may not be lost */
    }
    if (!connection->broken) {
        store_message_append(connection->output, type, request, transaction,
                             payload, length);
    }
    host->output(connection->store->opaque, connection->client);
}

static int handle_step(StoreConnection *connection,
                       const StoreMessage *message, GByteArray *reply)
{
    Store *store = connection->store;
    int error;
    StoreStep *step = store_step_new(message, connection->domain, &error);

    if (!step) {
        return error;
    }
    if (message->transaction) {
        return store_transaction_step(connection, message->transaction, step,
                                      reply);
    }
    error = store_is_change(step->type)
        ? store_step_commit(store, connection->domain, step, reply)
        : store_step_run(store, connection->domain, STORE_NO_TRANSACTION,
                         step, reply, NULL);
    store_step_free(step);
    return error;
}

static int handle(StoreConnection *connection, const StoreMessage *message,
                  GByteArray *reply)
{
    if (store_is_step(message->type)) {
        return handle_step(connection, message, reply);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(handlers); i++) {
        if (handlers[i].type == message->type) {
            return handlers[i].trusted && connection->domain != STORE_TRUSTED
                   ? EACCES : handlers[i].handler(connection, message, reply);
        }
    }
    return ENOSYS;
}

void store_receive(StoreConnection *connection, const uint8_t *bytes,
                   size_t size)
{
    if (size) {
        g_byte_array_append(connection->input, bytes, (guint)size);
    }
}

/* Every reply has bytes in it but that of a watch, which was sent before. */
static void answer(StoreConnection *connection, const StoreMessage *message,
                   int error, const GByteArray *reply)
{
    const char *name = error ? store_error_name(error) : NULL;

    if (name) {
        store_send(connection, STORE_ERROR, message->request,
                   message->transaction, name, strlen(name) + 1);
    } else if (message->type != STORE_WATCH) {
        store_send(connection, message->type, message->request,
                   message->transaction, reply->data, reply->len);
    }
}

StoreProgress store_process(StoreConnection *connection)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();
    GByteArray *input = connection->input;
    StoreMessage message;
    size_t used;
    int error;

    if (connection->broken) {
        return STORE_BROKEN;
    }
    switch (store_message_parse(input->data, input->len, &message, &used)) {
    case STORE_FRAME_PARTIAL:
        return STORE_IDLE;
    case STORE_FRAME_BAD:
        connection->broken = true;
        return STORE_BROKEN;
    case STORE_FRAME_WHOLE:
        break;
    }
    error = handle(connection, &message, reply);
    answer(connection, &message, error, reply);
    g_byte_array_remove_range(input, 0, (guint)used);
    return connection->broken ? STORE_BROKEN : STORE_DONE;
}
