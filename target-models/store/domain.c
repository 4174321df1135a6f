/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains: those that are introduced, what each may have, and XS_CONTROL
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/engine-private.h"

/* The highest that a quota may be set to. */
#define QUOTA_HIGHEST   1000000u

#define CONTROL_WORDS   3u

static const struct {
    const char *name;
    unsigned initial;
    const char *help;
} quotas[STORE_QUOTAS] = {
    [STORE_QUOTA_NODES] = { "nodes", 1000, "nodes that a domain owns" },
    [STORE_QUOTA_WATCHES] = { "watches", 128, "watches of a domain" },
    [STORE_QUOTA_TRANSACTIONS] = { "transactions", 10,
                                   "open transactions of a domain" },
    [STORE_QUOTA_OPERATIONS] = { "operations", 1024,
                                 "requests within a transaction" },
    [STORE_QUOTA_NODE_SIZE] = { "node-size", STORE_VALUE_MAX,
                                "bytes of a value that a domain writes" },
    [STORE_QUOTA_PERMISSIONS] = { "permissions", 5,
                                  "permissions that a domain gives a node" },
};

unsigned store_quota(Store *store, StoreQuota quota)
{
    g_autofree char *path = g_strconcat(STORE_QUOTA_FOLDER "/",
                                        quotas[quota].name, NULL);
    g_autoptr(GByteArray) value = g_byte_array_new();
    uint64_t number;

    if (store->ops->read(store->tree, STORE_TRUSTED, STORE_NO_TRANSACTION,
                         path, value)) {
        return quotas[quota].initial;
    }
    g_byte_array_append(value, (const guint8 *)"", 1);
    return store_number_parse((const char *)value->data, QUOTA_HIGHEST,
                              &number)
           ? (unsigned)number : quotas[quota].initial;
}

/* The domain that a request names, not the trusted one */
static int parse_domain(const StoreMessage *message, unsigned words,
                        unsigned *domain)
{
    const char *strings[3];
    uint64_t number;

    if (store_message_strings(message, strings, words) != words ||
        !store_number_parse(strings[0], STORE_DOMAINS - 1, &number)) {
        return EINVAL;
    }
    *domain = (unsigned)number;
    return 0;
}

static char *domain_path(unsigned domain)
{
    return g_strdup_printf(STORE_DOMAIN_FOLDER "/%u", domain);
}

static bool is_introduced(Store *store, unsigned domain)
{
    g_autofree char *path = domain_path(domain);

    return store_exists(store, STORE_NO_TRANSACTION, path);
}

/* The page and the event channel behind the number are Xen's alone. */
int store_introduce(StoreConnection *connection, const StoreMessage *message,
                    GByteArray *reply)
{
    Store *store = connection->store;
    g_autofree char *path = NULL;
    unsigned domain;
    int error = parse_domain(message, 3, &domain);

    if (error || domain == STORE_TRUSTED) {
        return EINVAL;
    }
    store_reply_text(reply, "OK");
    if (is_introduced(store, domain)) {
        return 0;
    }
    path = domain_path(domain);
    error = store_set(store, path, "");
    if (!error) {
        store->host->introduced(store->opaque, domain);
        store_watch_special(store, "@introduceDomain");
    }
    return error;
}

int store_release(StoreConnection *connection, const StoreMessage *message,
                  GByteArray *reply)
{
    Store *store = connection->store;
    g_autofree char *path = NULL;
    unsigned domain;
    int error = parse_domain(message, 1, &domain);

    if (error) {
        return error;
    }
    if (!is_introduced(store, domain)) {
        return ENOENT;
    }
    path = domain_path(domain);
    error = store_set(store, path, NULL);
    if (!error) {
        store_reply_text(reply, "OK");
        store->host->released(store->opaque, domain);
        store_watch_special(store, "@releaseDomain");
    }
    return error;
}

int store_is_introduced(StoreConnection *connection,
                        const StoreMessage *message, GByteArray *reply)
{
    unsigned domain;
    int error = parse_domain(message, 1, &domain);

    if (!error) {
        store_reply_text(reply, domain == STORE_TRUSTED ||
                         is_introduced(connection->store, domain)
                         ? "T" : "F");
    }
    return error;
}

int store_domain_path(StoreConnection *connection,
                      const StoreMessage *message, GByteArray *reply)
{
    g_autofree char *path = NULL;
    unsigned domain;
    int error = parse_domain(message, 1, &domain);

    if (!error) {
        path = g_strdup_printf("/local/domain/%u", domain);
        store_reply_text(reply, path);
    }
    return error;
}

/* A domain that was suspended goes on; the store keeps nothing of it. */
int store_resume(StoreConnection *connection, const StoreMessage *message,
                 GByteArray *reply)
{
    unsigned domain;
    int error = parse_domain(message, 1, &domain);

    if (!error && !is_introduced(connection->store, domain)) {
        error = ENOENT;
    }
    if (!error) {
        store_reply_text(reply, "OK");
    }
    return error;
}

static void quota_list(Store *store, GByteArray *reply)
{
    g_autoptr(GString) text = g_string_new("Each domain may have:");

    for (unsigned i = 0; i < STORE_QUOTAS; i++) {
        g_string_append_printf(text, "\n%-12s: %7u %s", quotas[i].name,
                               store_quota(store, i), quotas[i].help);
    }
    store_reply_text(reply, text->str);
}

static void quota_usage(Store *store, unsigned domain, GByteArray *reply)
{
    g_autofree char *text = g_strdup_printf(
        "Domain %u has:\n%-12s: %7u\n%-12s: %7u\n%-12s: %7u", domain, "nodes",
        store->ops->owned(store->tree, domain, STORE_NO_TRANSACTION),
        "watches", store_watches_of(store, domain), "transactions",
        store_transactions_of(store, domain));

    store_reply_text(reply, text);
}

static int quota_set(Store *store, const char *name, const char *value,
                     GByteArray *reply)
{
    uint64_t number;

    for (unsigned i = 0; i < STORE_QUOTAS; i++) {
        if (!strcmp(quotas[i].name, name)) {
            g_autofree char *path = g_strconcat(STORE_QUOTA_FOLDER "/", name,
                                                NULL);

            if (!store_number_parse(value, QUOTA_HIGHEST, &number)) {
                return EINVAL;
            }
            store_reply_text(reply, "OK");
            return store_set(store, path, value);
        }
    }
    return EINVAL;
}

static int control_quota(Store *store, const char *const *words,
                         unsigned count, GByteArray *reply)
{
    uint64_t domain;

    if (count == 0) {
        quota_list(store, reply);
        return 0;
    }
    if (count == 1 &&
        store_number_parse(words[0], STORE_DOMAINS - 1, &domain)) {
        quota_usage(store, (unsigned)domain, reply);
        return 0;
    }
    return count == 3 && !strcmp(words[0], "set")
           ? quota_set(store, words[1], words[2], reply) : EINVAL;
}

int store_control(StoreConnection *connection, const StoreMessage *message,
                  GByteArray *reply)
{
    const char *words[CONTROL_WORDS + 1];
    unsigned count = store_message_strings(message, words, G_N_ELEMENTS(words));

    if (count == 1 && !strcmp(words[0], "help")) {
        store_reply_text(reply, "Commands:\n  help\n  quota\n  quota DOMAIN\n"
                         "  quota set NAME NUMBER");
        return 0;
    }
    if (count && !strcmp(words[0], "quota")) {
        return control_quota(connection->store, words + 1, count - 1, reply);
    }
    return EINVAL;
}
