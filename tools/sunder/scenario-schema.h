/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a value in a scenario may look like, as tables
 *
 * A schema reads a YAML node and gives it back as JSON in one normal shape,
 * so that the code behind it has no shapes to choose from and nothing left to
 * check: durations are nanoseconds, a short form has become the long one, a
 * single item where a list may stand has become a list.
 *
 * Errors are FILE:LINE: FIELD: what stands there, and what was expected.
 */
#ifndef SUNDER_SCENARIO_SCHEMA_H
#define SUNDER_SCENARIO_SCHEMA_H

#include "scenario-yaml.h"

typedef struct Schema Schema;

typedef enum SchemaType {
    SCHEMA_TEXT,        /* a scalar that is not empty, as a string */
    SCHEMA_PATTERN,     /* a regular expression (PCRE), as a string */
    SCHEMA_UINT,        /* an integer from min to max; 0x... too */
    SCHEMA_BOOL,        /* true or false */
    SCHEMA_FRACTION,    /* a number above 0 and up to 1 */
    SCHEMA_DURATION,    /* 500us, 50ms, 2s, 1m; an integer in nanoseconds */
    SCHEMA_CHOICE,      /* one of the words in choices, as a string */
    SCHEMA_EXIT,        /* an exit code (an integer), "any" or "nonzero" */
    SCHEMA_ANY,         /* anything, as yaml_node_to_json() gives it */
    SCHEMA_OBJECT,      /* a mapping with any keys */
    SCHEMA_MAP,         /* a mapping with the keys of fields */
    SCHEMA_LIST,        /* a list of item, or one item alone */
} SchemaType;

typedef struct SchemaField {
    const char *name;
    const Schema *schema;
    bool required;
} SchemaField;

struct Schema {
    SchemaType type;
    const char *expected;       /* for errors; NULL: by the type */
    guint64 min, max;           /* UINT; max 0: no bound */
    const char *const *choices; /* CHOICE: ends with NULL */
    const SchemaField *fields;  /* MAP: ends with a NULL name */
    const char *shorthand;      /* MAP: the field that a bare scalar gives */
    const Schema *item;         /* LIST */
};

/*
 * Read @node by @schema. @field is its path for errors ("steps[2].fault").
 * Returns NULL and sets @error (SCENARIO_FILE_ERROR) when it does not fit.
 */
JsonNode *schema_read(const Schema *schema, const YamlDocument *doc,
                      const YamlNode *node, const char *field,
                      GError **error);

/*
 * Read the keys of @mapping that @fields lists into @out. Keys in @except
 * (ends with NULL; may be NULL) are left to the caller; any other is an error.
 */
bool schema_read_fields(const SchemaField *fields, const YamlDocument *doc,
                        const YamlNode *mapping, const char *field,
                        const char *const *except, JsonObject *out,
                        GError **error);

/*
 * Parse a duration: a decimal number with the unit ns, us, ms, s, m or h
 * directly behind it; "0" needs none. False when @text is something else or
 * beyond 2^62 ns.
 */
bool schema_parse_duration(const char *text, gint64 *ns);

#endif
