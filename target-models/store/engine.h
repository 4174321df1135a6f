/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: a key-value store that speaks the XenStore protocol
 *
 * Takes the bytes that clients send and makes those that they get; what lies
 * between is the protocol of xen.git's docs/misc/xenstore.txt, with a tree
 * (tree.h) below it.  Sockets and files are the caller's.
 *
 * Concepts:
 *
 * - A connection is a client.  It speaks for one domain, which whoever
 *   accepted it decided; its watches and transactions end with it.
 * - Each change is a commit: of a client's transaction, or of one request.
 *   A commit is kept (StoreHost.keep) before anybody is told of it.
 * - A client's transaction is committed unless something that it read or
 *   found missing has changed meanwhile: at its end its requests are done
 *   again on the tree as it is then, and it fails (EAGAIN) if one of them has
 *   another answer than before.
 * - A watch tells of changes at its path and below.  A domain is told only
 *   of nodes that it may read, or could before.  "@introduceDomain" and
 *   "@releaseDomain" tell the trusted side of domains that come and go.
 * - Quotas bound what a domain can make the store keep.  They are nodes
 *   below STORE_QUOTA_FOLDER; xenstore-control shows and sets them.
 * - What stands in the tree below STORE_FOLDER is the store's own: the
 *   quotas, and the domains that are introduced.
 *
 * A domain gets EACCES for what is the trusted side's alone: XS_CONTROL,
 * introducing and releasing.  SET_TARGET is answered with ENOSYS.
 *
 * Not thread safe; the caller serialises.
 */
#ifndef SUNDER_STORE_ENGINE_H
#define SUNDER_STORE_ENGINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target-models/store/tree.h"

#define STORE_FOLDER            "/tool/sunder-store"
#define STORE_QUOTA_FOLDER      STORE_FOLDER "/quota"
#define STORE_DOMAIN_FOLDER     STORE_FOLDER "/domain"

typedef struct Store Store;
typedef struct StoreConnection StoreConnection;

/* What the engine asks of the caller; all of it must be there. */
typedef struct StoreHost {
    /*
     * Keep a commit: @record, as the journal has them (journal.h).  Returns 0
     * or an errno; then the commit does not happen.
     */
    int (*keep)(void *opaque, const uint8_t *record, size_t size);

    /* @domain was introduced, or released: let its clients in, or out. */
    void (*introduced)(void *opaque, unsigned domain);
    void (*released)(void *opaque, unsigned domain);

    /* Bytes were added to store_output() of the connection of @client. */
    void (*output)(void *opaque, void *client);
} StoreHost;

/*
 * store_new:
 *
 * An engine over @tree, which is empty.  @ops, @tree, @host and @opaque stay
 * the caller's and outlive it.
 */
Store *store_new(const StoreTreeOps *ops, void *tree, const StoreHost *host,
                 void *opaque);

/* All connections must be gone. */
void store_free(Store *store);

/*
 * store_load:
 *
 * Does what the record at the front of @bytes says, as it was kept once.  To
 * be called before the first connection; nobody is told.
 *
 * Returns: the bytes that the record takes; 0 if there is no whole and sound
 * record, or it does not fit the tree.
 */
size_t store_load(Store *store, const uint8_t *bytes, size_t size);

/* Appends records that make an empty store what this one is. */
void store_save(Store *store, GByteArray *bytes);

/* Tells StoreHost.introduced of each domain that is: once, after loading. */
void store_announce(Store *store);

/* A client that speaks for @domain, below STORE_DOMAINS. */
StoreConnection *store_connect(Store *store, unsigned domain, void *client);

/* The client is gone. */
void store_disconnect(StoreConnection *connection);

/* Appends what the client sent. */
void store_receive(StoreConnection *connection, const uint8_t *bytes,
                   size_t size);

typedef enum StoreProgress {
    STORE_IDLE,         /* the client has to send more first */
    STORE_DONE,         /* one request was answered */
    STORE_BROKEN,       /* the client broke the protocol, or does not read
                           what it gets: disconnect it */
} StoreProgress;

/* Answers one request of the client. */
StoreProgress store_process(StoreConnection *connection);

/*
 * What the client gets: the caller sends it and removes what was sent.  It
 * should not go on with store_process() while there is much.
 */
GByteArray *store_output(StoreConnection *connection);

unsigned store_connection_domain(const StoreConnection *connection);

#endif /* SUNDER_STORE_ENGINE_H */
