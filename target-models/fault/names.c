/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of points, rules and outcomes: which are allowed, how they are
 * shown, and which of many look like the one that was asked for.
 */
#include <string.h>

#include "internal.h"

/* Bytes of a wrong name that a message repeats. */
#define SHOWN_MAX 64

typedef struct Candidate {
    const char *name;
    unsigned distance;
} Candidate;

/* Any string in quotes, as printable ASCII, cut when it is long. */
char *fault_name_quote(const char *name)
{
    size_t length = strlen(name);
    g_autofree char *start = g_strndup(name, SHOWN_MAX);
    g_autofree char *escaped = g_strescape(start, NULL);

    if (length > SHOWN_MAX) {
        return g_strdup_printf("\"%s...\" (%zu bytes)", escaped, length);
    }
    return g_strdup_printf("\"%s\"", escaped);
}

bool fault_name_valid(const char *what, const char *name, GError **error)
{
    size_t length = strlen(name);
    const char *bad = name;

    while (g_ascii_isgraph(*bad)) {
        bad++;
    }
    if (length == 0 || length > FAULT_MAX_NAME || *bad) {
        g_autofree char *quoted = fault_name_quote(name);

        g_set_error(error, FAULT_ERROR, FAULT_ERROR_INVALID,
                    "%s %s is not a name: expected 1 to %d printable ASCII "
                    "characters without spaces", what, quoted,
                    FAULT_MAX_NAME);
        return false;
    }
    return true;
}

/* Single-character edits (Levenshtein) from @a to @b, row by row. */
static unsigned edit_distance(const char *a, const char *b)
{
    size_t width = MIN(strlen(b), FAULT_MAX_NAME);
    unsigned row[FAULT_MAX_NAME + 1];

    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] && i < FAULT_MAX_NAME; i++) {
        unsigned diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 1; j <= width; j++) {
            unsigned change = diagonal + (a[i] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(MIN(row[j], row[j - 1]) + 1, change);
        }
    }
    return row[width];
}

static int compare_candidates(const void *a, const void *b)
{
    const Candidate *left = a;
    const Candidate *right = b;

    if (left->distance != right->distance) {
        return left->distance < right->distance ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

/*
 * "a, b, c and 12 more" of @names; when there are more than fit, those
 * nearest to @wanted.  "none" of none.
 */
char *fault_name_list(const char *wanted, GPtrArray *names)
{
    bool many = names->len > FAULT_LIST_MAX;
    g_autofree Candidate *candidates = NULL;
    GString *list;

    if (names->len == 0) {
        return g_strdup("none");
    }
    candidates = g_new(Candidate, names->len);
    list = g_string_new(NULL);
    for (guint i = 0; i < names->len; i++) {
        candidates[i].name = names->pdata[i];
        candidates[i].distance =
            many ? edit_distance(wanted, names->pdata[i]) : 0;
    }
    qsort(candidates, names->len, sizeof(*candidates), compare_candidates);
    for (guint i = 0; i < MIN(names->len, FAULT_LIST_MAX); i++) {
        g_string_append_printf(list, "%s%s", i ? ", " : "",
                               candidates[i].name);
    }
    if (many) {
        g_string_append_printf(list, " and %u more",
                               names->len - FAULT_LIST_MAX);
    }
    return g_string_free(list, FALSE);
}

const char *fault_operation_name(FaultOperation operation)
{
    switch (operation) {
    case FAULT_OP_READ:
        return "read";
    case FAULT_OP_WRITE:
        return "write";
    default:
        return "any";
    }
}
