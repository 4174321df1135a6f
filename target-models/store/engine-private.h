/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the engine share
 */
#ifndef SUNDER_STORE_ENGINE_PRIVATE_H
#define SUNDER_STORE_ENGINE_PRIVATE_H

#include "target-models/store/engine.h"
#include "target-models/store/layout.h"
#include "target-models/store/wire.h"

/* Requests that a transaction of the trusted side may have. */
#define STORE_TRUSTED_OPERATIONS    65536u

struct Store {
    const StoreTreeOps *ops;
    void *tree;
    const StoreHost *host;
    void *opaque;
    GPtrArray *connections;     /* StoreConnection, not owned */
    GPtrArray *watches;         /* StoreWatch, in the order they were set */
};

struct StoreConnection {
    Store *store;
    unsigned domain;
    void *client;
    GByteArray *input;
    GByteArray *output;
    GHashTable *transactions;   /* the client's number -> StoreTransaction */
    uint32_t last_transaction;
    bool broken;
};

typedef struct StoreWatch {
    StoreConnection *connection;
    char *path;                 /* absolute, or one that begins with '@' */
    char *token;
    size_t prefix;              /* of event paths, that the client left out */
} StoreWatch;

/* A request that concerns the tree, and how it was answered. */
typedef struct StoreStep {
    uint32_t type;
    char *path;
    GBytes *argument;           /* what is behind the path */
    int error;
    GByteArray *reply;
} StoreStep;

/* What a step changed; "quiet" tells no watch. */
typedef struct StoreChange {
    char *path;
    bool removed;
    bool quiet;
} StoreChange;

typedef struct StoreTransaction {
    uint32_t tree;              /* its number in the tree */
    GPtrArray *steps;
} StoreTransaction;

typedef enum StoreQuota {
    STORE_QUOTA_NODES,
    STORE_QUOTA_WATCHES,
    STORE_QUOTA_TRANSACTIONS,
    STORE_QUOTA_OPERATIONS,
    STORE_QUOTA_NODE_SIZE,
    STORE_QUOTA_PERMISSIONS,
    STORE_QUOTAS,
} StoreQuota;

/* steps.c */

/*
 * The step that @message asks for, its path resolved; NULL and *@error if it
 * cannot be one.  @message is a request that store_is_step().
 */
StoreStep *store_step_new(const StoreMessage *message, unsigned domain,
                          int *error);
void store_step_free(gpointer step);
bool store_is_step(uint32_t type);
bool store_is_change(uint32_t type);

/*
 * Does a step, in @transaction (0: none, for those that change nothing).
 * Returns 0 or an errno; appends the answer to @reply, and what it changed to
 * @changes, which may be NULL for a step that changes nothing.
 */
int store_step_run(Store *store, unsigned domain, uint32_t transaction,
                   const StoreStep *step, GByteArray *reply,
                   GPtrArray *changes);

/* Whether @path is there, for the trusted side. */
bool store_exists(Store *store, uint32_t transaction, const char *path);

/* transaction.c */

/* An array of changes, as store_step_run() appends to. */
GPtrArray *store_changes_new(void);

/* Commits @transaction of the tree, which made @changes; an errno if not. */
int store_commit(Store *store, uint32_t transaction, GPtrArray *changes);

/* Does a step that changes something as a transaction of its own. */
int store_step_commit(Store *store, unsigned domain, const StoreStep *step,
                      GByteArray *reply);

/* A commit of one node's value by the store itself; NULL removes it. */
int store_set(Store *store, const char *path, const char *value);

int store_transaction_start(StoreConnection *connection,
                            const StoreMessage *message, GByteArray *reply);
int store_transaction_end(StoreConnection *connection,
                          const StoreMessage *message, GByteArray *reply);

/* Does a step within the client's transaction and notes it. Takes @step. */
int store_transaction_step(StoreConnection *connection, uint32_t number,
                           StoreStep *step, GByteArray *reply);

/* Ends all of a client's transactions without a commit. */
void store_transactions_drop(StoreConnection *connection);

/* watch.c */

int store_watch_add(StoreConnection *connection, const StoreMessage *message,
                    GByteArray *reply);
int store_watch_remove(StoreConnection *connection,
                       const StoreMessage *message, GByteArray *reply);
void store_watches_drop(StoreConnection *connection);
unsigned store_watches_of(Store *store, unsigned domain);

/*
 * The events that @changes will be once @transaction is committed; to be
 * sent then, or freed.
 */
GPtrArray *store_events_new(Store *store, uint32_t transaction,
                            const GPtrArray *changes);
void store_events_send(Store *store, const GPtrArray *events);

/* Tell those that watch @name, which begins with '@'. */
void store_watch_special(Store *store, const char *name);

/* domain.c */

/* What a domain may have of @quota. */
unsigned store_quota(Store *store, StoreQuota quota);

/* Requests about domains, and XS_CONTROL. */
int store_introduce(StoreConnection *connection, const StoreMessage *message,
                    GByteArray *reply);
int store_release(StoreConnection *connection, const StoreMessage *message,
                  GByteArray *reply);
int store_is_introduced(StoreConnection *connection,
                        const StoreMessage *message, GByteArray *reply);
int store_domain_path(StoreConnection *connection,
                      const StoreMessage *message, GByteArray *reply);
int store_resume(StoreConnection *connection, const StoreMessage *message,
                 GByteArray *reply);
int store_control(StoreConnection *connection, const StoreMessage *message,
                  GByteArray *reply);

/* engine.c */

unsigned store_transactions_of(Store *store, unsigned domain);

/* Sends a message; a client that lets too much pile up is broken. */
void store_send(StoreConnection *connection, uint32_t type, uint32_t request,
                uint32_t transaction, const void *payload, size_t length);

/* Appends @text and its NUL. */
void store_reply_text(GByteArray *reply, const char *text);

#endif /* SUNDER_STORE_ENGINE_PRIVATE_H */
