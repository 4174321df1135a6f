/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card as a person reads it
 *
 * What is printed comes from QMP (qapi/sunder.json: SunderNicInfo); words in
 * it go through verb_printable().  Objects and arrays stay the caller's.
 */
#ifndef SUNDER_NET_TEXT_H
#define SUNDER_NET_TEXT_H

#include <stdio.h>

#include <json-glib/json-glib.h>

/* A LACP state octet in 8 letters, '-' for a bit that is not set. */
#define NET_LACP_LETTERS 8
void net_lacp_text(unsigned state, char text[NET_LACP_LETTERS + 1]);

/*
 * Everything there is to tell about @cards.  @before is what they were
 * @seconds ago, for frames per second; NULL: unknown.
 */
void net_print(FILE *out, JsonArray *cards, JsonArray *before,
               double seconds);

#endif /* SUNDER_NET_TEXT_H */
