/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's sockets
 *
 * FOLDER/socket is the trusted side's: whoever may connect to it may do
 * everything. FOLDER/domain-N.socket is there while domain N is introduced,
 * and speaks for that domain alone. Both take clients of the same user, and
 * root.
 */
#ifndef SUNDER_STORE_SERVER_H
#define SUNDER_STORE_SERVER_H

#include <glib.h>

#include "file.h"

typedef struct Server Server;

/* Listens in @folder, which is there; @file is loaded here. NULL: @error. */
Server *server_new(const char *folder, StoreFile *file, GError **error);

/* Serves until SIGTERM or SIGINT. */
void server_run(Server *server);

/* Sockets, clients and the store are gone; the file stays the caller's. */
void server_free(Server *server);

#endif /* SUNDER_STORE_SERVER_H */
