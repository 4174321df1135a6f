/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of a JSON object that came from somewhere else
 *
 * None of these minds an object that is NULL, a member that is missing, or one
 * of another kind: what a machine answers is never trusted to have the form
 * that it should.  What they return belongs to the object unless they say
 * otherwise.
 */
#ifndef SUNDER_JSON_MEMBER_H
#define SUNDER_JSON_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include <json-glib/json-glib.h>

/* 0 if it is none. */
uint64_t member_number(JsonObject *object, const char *member);
double member_double(JsonObject *object, const char *member);

/* False if it is none. */
bool member_bool(JsonObject *object, const char *member);

/* "" if it is none. */
const char *member_string(JsonObject *object, const char *member);

/* The same for a terminal (verb_printable()), "?" if it is none; g_free(). */
char *member_text(JsonObject *object, const char *member);

/* NULL if it is none. */
JsonObject *member_object(JsonObject *object, const char *member);
JsonArray *member_array(JsonObject *object, const char *member);

/* Elements of an array that may be NULL: how many, and one; NULL if none. */
unsigned member_count(JsonArray *array);
JsonObject *member_element(JsonArray *array, unsigned i);

#endif /* SUNDER_JSON_MEMBER_H */
