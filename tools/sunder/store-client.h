/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the store of shares (tools/store), for the trusted side
 *
 * The store is one for each user and is started when somebody asks for it.
 * Its socket is below machine_state_root(), its file below $XDG_STATE_HOME.
 */
#ifndef SUNDER_STORE_CLIENT_H
#define SUNDER_STORE_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct StoreClient StoreClient;

/* The path of the store's socket, whether it is there or not. */
char *store_client_socket(GError **error);

/* Connect to the store, which is started if @start and need be. */
StoreClient *store_client_open(bool start, GError **error);
void store_client_free(StoreClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreClient, store_client_free)

/* The daemon at the other end; 0 if the system does not say. */
pid_t store_client_pid(const StoreClient *client);

/* Waits until the daemon has hung up; false: not within @seconds. */
bool store_client_wait_end(StoreClient *client, unsigned seconds);

/* Everything up to store_client_end() is one transaction. */
bool store_client_begin(StoreClient *client, GError **error);

/*
 * Ends it. False with @error; false without, and nothing has changed:
 * somebody else changed what it had read, so do it all again.
 */
bool store_client_end(StoreClient *client, bool commit, GError **error);

/* The value of @path; NULL without @error if there is no such node. */
char *store_client_read(StoreClient *client, const char *path,
                        GError **error);

/*
 * The values of @paths (char *), in their order; NULL for a node that is not
 * there. Many at once cost little more than one.
 */
GPtrArray *store_client_read_all(StoreClient *client, const GPtrArray *paths,
                                 GError **error);

/* Names of the nodes in @path, perhaps none; g_ptr_array_unref(). */
GPtrArray *store_client_list(StoreClient *client, const char *path,
                             GError **error);

bool store_client_write(StoreClient *client, const char *path,
                        const char *value, GError **error);

/* Makes @path, unless it is there. */
bool store_client_make(StoreClient *client, const char *path, GError **error);

/* Removes @path and all below it. It need not be there. */
bool store_client_remove(StoreClient *client, const char *path,
                         GError **error);

/* Nobody but the trusted side may read @path, and @domain. */
bool store_client_permit(StoreClient *client, const char *path,
                         unsigned domain, GError **error);

#endif /* SUNDER_STORE_CLIENT_H */
