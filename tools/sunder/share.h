/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shares in the store: what is offered to which machine
 *
 * Concepts
 *   share    values of the keys that target-models/store/layout.h lists, in
 *            their order there; NULL where a node is missing.
 *   domain   a machine's number in the store. A machine gets one when the
 *            first share is offered to it, whether it runs or not, and keeps
 *            it.
 *   change   one transaction, for as many machines as are named: all of it
 *            happens, or nothing.
 */
#ifndef SUNDER_SHARE_H
#define SUNDER_SHARE_H

#include "store-client.h"
#include "target-models/store/layout.h"

/* More than layout.h has */
#define SHARE_KEYS  32

typedef struct Share {
    char *machine;
    unsigned domain;
    unsigned number;
    char *values[SHARE_KEYS];
} Share;

Share *share_new(void);
void share_free(Share *share);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Share, share_free)

/* The value of the key @name, NULL if the node is missing. */
const char *share_value(const Share *share, const char *name);

/* The same, with what readers take if it is missing; "" if they take none. */
const char *share_effective(const Share *share, const char *name);

/* Takes a copy of @value if it is one that the key may have. */
bool share_set(Share *share, const char *name, const char *value,
               GError **error);

/* What is offered to @machine (NULL: to all), in order: Share. */
GPtrArray *share_list(StoreClient *client, const char *machine,
                      GError **error);

/* The share @tag of @machine. */
Share *share_find(StoreClient *client, const char *machine, const char *tag,
                  GError **error);

/* Offer @share to each of @machines; its machine and numbers do not matter. */
bool share_add(StoreClient *client, char *const *machines, const Share *share,
               GError **error);

/* Take @tag back from each of @machines. */
bool share_remove(StoreClient *client, char *const *machines, const char *tag,
                  GError **error);

#endif /* SUNDER_SHARE_H */
