/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "scenario-schema.h"

static const struct {
    const char *unit;
    double ns;
} units[] = {
    { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 },
    { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
};

bool schema_parse_duration(const char *text, gint64 *ns)
{
    char *end;
    double number;

    /* strtod would take "inf", "nan" and hexadecimal as well. */
    if (!g_ascii_isdigit(*text) || text[strspn(text, "0123456789.")] == 'x') {
        return false;
    }
    number = g_ascii_strtod(text, &end);
    if (number == 0 && !*end) {
        *ns = 0;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(end, units[i].unit)) {
            number = round(number * units[i].ns);
            if (number > (double)(G_GINT64_CONSTANT(1) << 62)) {
                return false;
            }
            *ns = (gint64)number;
            return true;
        }
    }
    return false;
}

static const char *expected_words(const Schema *schema)
{
    if (schema->expected) {
        return schema->expected;
    }
    switch (schema->type) {
    case SCHEMA_TEXT:
        return "a text";
    case SCHEMA_PATTERN:
        return "a regular expression";
    case SCHEMA_UINT:
        return "a whole number";
    case SCHEMA_BOOL:
        return "true or false";
    case SCHEMA_FRACTION:
        return "a number above 0 and up to 1";
    case SCHEMA_DURATION:
        return "a duration such as 50ms, 2s or 1m";
    case SCHEMA_EXIT:
        return "an exit code (0 to 255), 'any' or 'nonzero'";
    case SCHEMA_OBJECT:
    case SCHEMA_MAP:
        return "a mapping";
    case SCHEMA_CHOICE:
        return "one of a few words";
    default:
        return "a value";
    }
}

static JsonNode *mismatch(const Schema *schema, const YamlDocument *doc,
                          const YamlNode *node, const char *field,
                          GError **error)
{
    g_autofree char *quote = yaml_node_quote(node);

    if (schema->type == SCHEMA_CHOICE) {
        g_autofree char *words = g_strjoinv(", ", (char **)schema->choices);
        yaml_error(doc, node, error, "%s: %s: expected one of %s", field,
                   quote, words);
    } else if (schema->type == SCHEMA_UINT && (schema->min || schema->max)) {
        yaml_error(doc, node, error, "%s: %s: expected %s from %"
                   G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, field, quote,
                   expected_words(schema), schema->min,
                   schema->max ? schema->max : G_MAXUINT64);
    } else {
        yaml_error(doc, node, error, "%s: %s: expected %s", field, quote,
                   expected_words(schema));
    }
    return NULL;
}

static bool fits_uint(const Schema *schema, JsonNode *json)
{
    guint64 value;

    if (json_node_get_value_type(json) != G_TYPE_INT64) {
        return false;
    }
    value = (guint64)json_node_get_int(json);
    return value >= schema->min && (!schema->max || value <= schema->max);
}

static bool fits_fraction(JsonNode *json)
{
    GType type = json_node_get_value_type(json);
    double value;

    if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE) {
        return false;
    }
    value = json_node_get_double(json);
    return value > 0 && value <= 1;
}

static bool fits_exit(const YamlNode *node, JsonNode *json)
{
    if (json_node_get_value_type(json) == G_TYPE_INT64) {
        return json_node_get_int(json) >= 0 && json_node_get_int(json) <= 255;
    }
    return g_str_equal(node->text, "any") ||
           g_str_equal(node->text, "nonzero");
}

static JsonNode *read_text(const Schema *schema, const YamlDocument *doc,
                           const YamlNode *node, const char *field,
                           GError **error)
{
    g_autoptr(GError) fault = NULL;
    g_autoptr(GRegex) regex = NULL;
    JsonNode *json;

    if (!*node->text) {
        return mismatch(schema, doc, node, field, error);
    }
    if (schema->type == SCHEMA_CHOICE &&
        !g_strv_contains(schema->choices, node->text)) {
        return mismatch(schema, doc, node, field, error);
    }
    if (schema->type == SCHEMA_PATTERN) {
        regex = g_regex_new(node->text, G_REGEX_MULTILINE, 0, &fault);
        if (!regex) {
            yaml_error(doc, node, error, "%s: '%s': expected a regular "
                       "expression: %s", field, node->text, fault->message);
            return NULL;
        }
    }
    json = json_node_new(JSON_NODE_VALUE);
    json_node_set_string(json, node->text);
    return json;
}

static JsonNode *read_duration(const Schema *schema, const YamlDocument *doc,
                               const YamlNode *node, const char *field,
                               GError **error)
{
    JsonNode *json;
    gint64 ns;

    if (!schema_parse_duration(node->text, &ns)) {
        return mismatch(schema, doc, node, field, error);
    }
    json = json_node_new(JSON_NODE_VALUE);
    json_node_set_int(json, ns);
    return json;
}

/* Numbers and booleans: what the plain scalar means in JSON must fit. */
static JsonNode *read_plain(const Schema *schema, const YamlDocument *doc,
                            const YamlNode *node, const char *field,
                            GError **error)
{
    JsonNode *json = yaml_node_to_json(node);
    bool negative = node->text[0] == '-';
    bool fits = schema->type == SCHEMA_BOOL ?
                    json_node_get_value_type(json) == G_TYPE_BOOLEAN :
                schema->type == SCHEMA_UINT ?
                    !negative && fits_uint(schema, json) :
                schema->type == SCHEMA_EXIT ? fits_exit(node, json) :
                    fits_fraction(json);

    if (!fits) {
        json_node_unref(json);
        return mismatch(schema, doc, node, field, error);
    }
    return json;
}

static JsonNode *read_map(const Schema *schema, const YamlDocument *doc,
                          const YamlNode *node, const char *field,
                          GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonNode *json;

    if (node->kind == YAML_SCALAR && schema->shorthand && *node->text) {
        const SchemaField *f = schema->fields;

        while (!g_str_equal(f->name, schema->shorthand)) {
            f++;
        }
        json = schema_read(f->schema, doc, node, field, error);
        if (!json) {
            return NULL;
        }
        json_object_set_member(object, f->name, json);
    } else if (node->kind == YAML_MAPPING) {
        if (!schema_read_fields(schema->fields, doc, node, field, NULL,
                                object, error)) {
            return NULL;
        }
    } else {
        return mismatch(schema, doc, node, field, error);
    }
    json = json_node_new(JSON_NODE_OBJECT);
    json_node_set_object(json, object);
    return json;
}

static JsonNode *read_list(const Schema *schema, const YamlDocument *doc,
                           const YamlNode *node, const char *field,
                           GError **error)
{
    g_autoptr(JsonArray) array = json_array_new();
    bool many = node->kind == YAML_SEQUENCE;
    guint length = many ? node->items->len : 1;
    JsonNode *json;

    for (guint i = 0; i < length; i++) {
        g_autofree char *path = many ? g_strdup_printf("%s[%u]", field, i)
                                     : g_strdup(field);

        json = schema_read(schema->item, doc,
                           many ? node->items->pdata[i] : node, path, error);
        if (!json) {
            return NULL;
        }
        json_array_add_element(array, json);
    }
    json = json_node_new(JSON_NODE_ARRAY);
    json_node_set_array(json, array);
    return json;
}

JsonNode *schema_read(const Schema *schema, const YamlDocument *doc,
                      const YamlNode *node, const char *field, GError **error)
{
    switch (schema->type) {
    case SCHEMA_ANY:
        return yaml_node_to_json(node);
    case SCHEMA_OBJECT:
        return node->kind == YAML_MAPPING ? yaml_node_to_json(node) :
               mismatch(schema, doc, node, field, error);
    case SCHEMA_MAP:
        return read_map(schema, doc, node, field, error);
    case SCHEMA_LIST:
        return read_list(schema, doc, node, field, error);
    default:
        break;
    }
    if (node->kind != YAML_SCALAR) {
        return mismatch(schema, doc, node, field, error);
    }
    switch (schema->type) {
    case SCHEMA_TEXT:
    case SCHEMA_PATTERN:
    case SCHEMA_CHOICE:
        return read_text(schema, doc, node, field, error);
    case SCHEMA_DURATION:
        return read_duration(schema, doc, node, field, error);
    default:
        return read_plain(schema, doc, node, field, error);
    }
}

static const SchemaField *find_field(const SchemaField *fields,
                                     const char *name)
{
    for (; fields->name; fields++) {
        if (g_str_equal(fields->name, name)) {
            return fields;
        }
    }
    return NULL;
}

static bool unknown_key(const SchemaField *fields, const YamlDocument *doc,
                        const YamlNode *key, const char *field,
                        GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (; fields->name; fields++) {
        g_string_append_printf(known, "%s%s", known->len ? ", " : "",
                               fields->name);
    }
    return yaml_error(doc, key, error, "%s%sunknown key '%s': expected %s",
                      field, *field ? ": " : "", key->text,
                      known->len ? known->str : "no keys here");
}

bool schema_read_fields(const SchemaField *fields, const YamlDocument *doc,
                        const YamlNode *mapping, const char *field,
                        const char *const *except, JsonObject *out,
                        GError **error)
{
    for (guint i = 0; i < mapping->keys->len; i++) {
        YamlNode *key = mapping->keys->pdata[i];
        const SchemaField *f = find_field(fields, key->text);
        g_autofree char *path = g_strdup_printf("%s%s%s", field,
                                                *field ? "." : "", key->text);
        JsonNode *json;

        if (except && g_strv_contains(except, key->text)) {
            continue;
        }
        if (!f) {
            return unknown_key(fields, doc, key, field, error);
        }
        json = schema_read(f->schema, doc, mapping->items->pdata[i], path,
                           error);
        if (!json) {
            return false;
        }
        json_object_set_member(out, f->name, json);
    }
    for (; fields->name; fields++) {
        if (fields->required && !yaml_node_get(mapping, fields->name)) {
            return yaml_error(doc, mapping, error,
                              "%s%skey '%s' is missing: expected %s", field,
                              *field ? ": " : "", fields->name,
                              expected_words(fields->schema));
        }
    }
    return true;
}
