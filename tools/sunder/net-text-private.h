/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of net-text.h share: parts of a card's text */
#ifndef SUNDER_NET_TEXT_PRIVATE_H
#define SUNDER_NET_TEXT_PRIVATE_H

#include <stdio.h>

#include <json-glib/json-glib.h>

/* How a card is printed */
typedef struct NetView {
    const char *card;       /* its id, for a terminal */
    JsonObject *before;     /* what it was; NULL: nothing is known */
    double seconds;         /* how long ago */
    int width;              /* columns of names */
} NetView;

/* The element of @array whose member @name is @text; NULL: none. */
JsonObject *net_find(JsonArray *array, const char *name, const char *text);

/* net-text-aggregation.c: policy and spread, its members, LACP */
void net_print_aggregation(FILE *out, JsonObject *aggregation,
                           const NetView *view);

/*
 * net-text-chains.c: how long the chains were that came to each port; those
 * since @view->before where that is known.
 */
void net_print_chains(FILE *out, JsonArray *ports, const NetView *view);

#endif /* SUNDER_NET_TEXT_PRIVATE_H */
