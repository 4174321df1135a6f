/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compare what a scenario expects with what was found
 *
 * Each returns true when it holds; otherwise *@why (g_free() it) says what
 * was expected and what was found, in a few lines.
 */
#ifndef SUNDER_SCENARIO_MATCH_H
#define SUNDER_SCENARIO_MATCH_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * @matches is the normal form of a list of text matches (scenario-keys.c):
 * each of them must hold for @text. @what names the text.
 */
bool match_text(JsonArray *matches, const char *what, const char *text,
                char **why);

/*
 * A command's result against `expect` (NULL: exit code 0 is all that counts).
 * A missing `exit` means 0.
 */
bool match_result(JsonObject *expect, int exit_code, const char *output,
                  const char *errors, char **why);

/*
 * Subset: a mapping holds if each of its keys does; a list, if each of its
 * items is met by some item of the list found; a mapping whose keys are all
 * operators (at-least, at-most, above, below, not, regex, any-of, exists)
 * compares with them; anything else must be equal. Numbers compare as
 * numbers, whether whole or not.
 */
bool match_json(JsonNode *expected, JsonNode *found, char **why);

/* The last lines of a long text, for an error. Free with g_free(). */
char *match_excerpt(const char *text);

#endif
