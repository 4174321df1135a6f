/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <gio/gio.h>
#include <yaml.h>

#include "scenario-yaml.h"

G_DEFINE_QUARK(sunder-scenario-file-error, scenario_file_error)

static void node_free(void *opaque)
{
    YamlNode *node = opaque;

    g_free(node->text);
    g_clear_pointer(&node->items, g_ptr_array_unref);
    g_clear_pointer(&node->keys, g_ptr_array_unref);
    g_free(node);
}

void yaml_document_free(YamlDocument *doc)
{
    g_ptr_array_unref(doc->nodes);
    g_free(doc->name);
    g_free(doc);
}

static bool error_at(const YamlDocument *doc, unsigned line, GError **error,
                     const char *format, va_list args)
{
    g_autofree char *message = g_strdup_vprintf(format, args);

    g_set_error(error, SCENARIO_FILE_ERROR, 0, "%s:%u: %s", doc->name, line,
                message);
    return false;
}

bool yaml_error(const YamlDocument *doc, const YamlNode *node, GError **error,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_at(doc, node ? node->line : 1, error, format, args);
    va_end(args);
    return false;
}

G_GNUC_PRINTF(4, 5)
static YamlNode *mark_error(const YamlDocument *doc, const yaml_mark_t *mark,
                            GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_at(doc, mark->line + 1, error, format, args);
    va_end(args);
    return NULL;
}

char *yaml_node_quote(const YamlNode *node)
{
    switch (node->kind) {
    case YAML_SEQUENCE:
        return g_strdup("a list");
    case YAML_MAPPING:
        return g_strdup("a mapping");
    default:
        break;
    }
    if (!*node->text) {
        return g_strdup("nothing");
    }
    /* A bound in characters, so that no UTF-8 sequence is cut. */
    if (g_utf8_strlen(node->text, -1) > 60) {
        g_autofree char *head = g_utf8_substring(node->text, 0, 57);
        return g_strdup_printf("'%s...'", head);
    }
    return g_strdup_printf("'%s'", node->text);
}

YamlNode *yaml_node_get(const YamlNode *mapping, const char *key)
{
    for (guint i = 0; mapping->keys && i < mapping->keys->len; i++) {
        YamlNode *name = mapping->keys->pdata[i];

        if (g_str_equal(name->text, key)) {
            return mapping->items->pdata[i];
        }
    }
    return NULL;
}

/* The parser's next event; false and @error when the text is not YAML. */
static bool next_event(const YamlDocument *doc, yaml_parser_t *parser,
                       yaml_event_t *event, GError **error)
{
    unsigned long line;

    if (yaml_parser_parse(parser, event)) {
        return true;
    }
    /* The reader, which checks the encoding, keeps no line: offset only. */
    if (parser->error == YAML_READER_ERROR) {
        g_set_error(error, SCENARIO_FILE_ERROR, 0,
                    "%s: byte %zu: %s: expected YAML in UTF-8", doc->name,
                    parser->problem_offset, parser->problem);
        return false;
    }
    line = parser->problem_mark.line + 1;
    g_set_error(error, SCENARIO_FILE_ERROR, 0, "%s:%lu: not YAML: %s%s%s",
                doc->name, line, parser->problem ? parser->problem : "?",
                parser->context ? " " : "",
                parser->context ? parser->context : "");
    return false;
}

static YamlNode *node_new(YamlDocument *doc, YamlKind kind,
                          const yaml_event_t *event, GError **error)
{
    YamlNode *node;

    if (doc->nodes->len >= YAML_MAX_NODES) {
        return mark_error(doc, &event->start_mark, error,
                          "more than %d values in one scenario",
                          YAML_MAX_NODES);
    }
    node = g_new0(YamlNode, 1);
    node->kind = kind;
    node->line = event->start_mark.line + 1;
    if (kind != YAML_SCALAR) {
        node->items = g_ptr_array_new();
    }
    if (kind == YAML_MAPPING) {
        node->keys = g_ptr_array_new();
    }
    g_ptr_array_add(doc->nodes, node);
    return node;
}

static YamlNode *read_node(YamlDocument *doc, yaml_parser_t *parser,
                           yaml_event_t *event, int depth, GError **error);

static YamlNode *read_scalar(YamlDocument *doc, const yaml_event_t *event,
                             GError **error)
{
    YamlNode *node;
    size_t length = event->data.scalar.length;

    if (memchr(event->data.scalar.value, 0, length)) {
        return mark_error(doc, &event->start_mark, error,
                          "a NUL character in a value");
    }
    node = node_new(doc, YAML_SCALAR, event, error);
    if (node) {
        node->text = g_strndup((char *)event->data.scalar.value, length);
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    }
    return node;
}

/* The next node of a collection; NULL without @error at its end. */
static YamlNode *read_item(YamlDocument *doc, yaml_parser_t *parser,
                           int depth, GError **error)
{
    yaml_event_t event;
    YamlNode *item = NULL;

    if (!next_event(doc, parser, &event, error)) {
        return NULL;
    }
    if (event.type != YAML_SEQUENCE_END_EVENT &&
        event.type != YAML_MAPPING_END_EVENT) {
        item = read_node(doc, parser, &event, depth, error);
    }
    yaml_event_delete(&event);
    return item;
}

static bool fill_sequence(YamlDocument *doc, yaml_parser_t *parser,
                          YamlNode *node, int depth, GError **error)
{
    GError *fault = NULL;
    YamlNode *item;

    while ((item = read_item(doc, parser, depth, &fault))) {
        g_ptr_array_add(node->items, item);
    }
    if (fault) {
        g_propagate_error(error, fault);
        return false;
    }
    return true;
}

static bool fill_mapping(YamlDocument *doc, yaml_parser_t *parser,
                         YamlNode *node, int depth, GError **error)
{
    GError *fault = NULL;
    YamlNode *key, *value;

    while ((key = read_item(doc, parser, depth, &fault))) {
        if (key->kind != YAML_SCALAR) {
            return yaml_error(doc, key, error, "a key must be a word");
        }
        if (yaml_node_get(node, key->text)) {
            return yaml_error(doc, key, error, "key '%s' is given twice",
                              key->text);
        }
        value = read_item(doc, parser, depth, error);
        if (!value) {
            return false;
        }
        g_ptr_array_add(node->keys, key);
        g_ptr_array_add(node->items, value);
    }
    if (fault) {
        g_propagate_error(error, fault);
        return false;
    }
    return true;
}

static const char *refused(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "alias";
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor ? "anchor" :
               event->data.scalar.tag ? "tag" : NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor ? "anchor" :
               event->data.sequence_start.tag ? "tag" : NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor ? "anchor" :
               event->data.mapping_start.tag ? "tag" : NULL;
    default:
        return NULL;
    }
}

static YamlNode *read_node(YamlDocument *doc, yaml_parser_t *parser,
                           yaml_event_t *event, int depth, GError **error)
{
    const char *word = refused(event);
    YamlNode *node;
    bool ok;

    if (word) {
        return mark_error(doc, &event->start_mark, error,
                          "a YAML %s: scenarios do not use them; write the "
                          "value out, or quote it", word);
    }
    if (depth >= YAML_MAX_DEPTH) {
        return mark_error(doc, &event->start_mark, error,
                          "values nested more than %d deep", YAML_MAX_DEPTH);
    }
    if (event->type == YAML_SCALAR_EVENT) {
        return read_scalar(doc, event, error);
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        node = node_new(doc, YAML_SEQUENCE, event, error);
        ok = node && fill_sequence(doc, parser, node, depth + 1, error);
    } else {
        node = node_new(doc, YAML_MAPPING, event, error);
        ok = node && fill_mapping(doc, parser, node, depth + 1, error);
    }
    return ok ? node : NULL;
}

/* Stream and document markers around the one root node. */
static bool read_document(YamlDocument *doc, yaml_parser_t *parser,
                          GError **error)
{
    bool ok = true;
    bool more = true;

    while (ok && more) {
        yaml_event_t event;

        if (!next_event(doc, parser, &event, error)) {
            return false;
        }
        if (event.type == YAML_STREAM_END_EVENT) {
            more = false;
        } else if (event.type == YAML_DOCUMENT_START_EVENT && doc->root) {
            mark_error(doc, &event.start_mark, error,
                       "a second document: one scenario a file");
            ok = false;
        } else if (event.type == YAML_SCALAR_EVENT ||
                   event.type == YAML_ALIAS_EVENT ||
                   event.type == YAML_SEQUENCE_START_EVENT ||
                   event.type == YAML_MAPPING_START_EVENT) {
            doc->root = read_node(doc, parser, &event, 0, error);
            ok = doc->root != NULL;
        }
        yaml_event_delete(&event);
    }
    return ok;
}

YamlDocument *yaml_document_parse(const char *name, const char *text,
                                  gsize length, GError **error)
{
    g_autoptr(YamlDocument) doc = g_new0(YamlDocument, 1);
    yaml_parser_t parser;
    bool ok;

    doc->name = g_strdup(name);
    doc->nodes = g_ptr_array_new_with_free_func(node_free);
    if (length > YAML_MAX_BYTES) {
        g_set_error(error, SCENARIO_FILE_ERROR, 0,
                    "%s: %" G_GSIZE_FORMAT " bytes: a scenario has at most %d",
                    name, length, YAML_MAX_BYTES);
        return NULL;
    }
    if (!yaml_parser_initialize(&parser)) {
        g_error("out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    ok = read_document(doc, &parser, error);
    yaml_parser_delete(&parser);
    if (ok && !doc->root) {
        g_set_error(error, SCENARIO_FILE_ERROR, 0,
                    "%s: empty: expected a mapping with name, machine, steps",
                    name);
        ok = false;
    }
    return ok ? g_steal_pointer(&doc) : NULL;
}

YamlDocument *yaml_document_load(const char *path, GError **error)
{
    g_autofree char *bounded = g_malloc(YAML_MAX_BYTES + 1);
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) stream = g_file_read(file, NULL, error);
    gsize length;

    /* Never more than the limit: the file may be a device or a terabyte. */
    if (!stream ||
        !g_input_stream_read_all(G_INPUT_STREAM(stream), bounded,
                                 YAML_MAX_BYTES + 1, &length, NULL, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    if (length > YAML_MAX_BYTES) {
        g_set_error(error, SCENARIO_FILE_ERROR, 0,
                    "%s: more than %d bytes: a scenario is a page of text",
                    path, YAML_MAX_BYTES);
        return NULL;
    }
    return yaml_document_parse(path, bounded, length, error);
}

/*
 * An integer of up to 64 bits. Above INT64_MAX it wraps to the negative
 * number with the same bits, which QMP takes for a uint64 as well.
 */
static bool parse_integer(const char *text, gint64 *value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    bool hex = g_str_has_prefix(digits, "0x");
    guint64 magnitude;
    char *end;

    digits += hex ? 2 : 0;
    if (!g_ascii_isxdigit(*digits)) {
        return false;
    }
    errno = 0;
    magnitude = g_ascii_strtoull(digits, &end, hex ? 16 : 10);
    if (errno || *end || (*text == '-' && magnitude > G_MAXINT64)) {
        return false;
    }
    *value = *text == '-' ? -(gint64)magnitude : (gint64)magnitude;
    return true;
}

static JsonNode *number_to_json(const char *text)
{
    JsonNode *json = NULL;
    gint64 integer;
    double number;
    char *end;

    if (parse_integer(text, &integer)) {
        json = json_node_new(JSON_NODE_VALUE);
        json_node_set_int(json, integer);
        return json;
    }
    errno = 0;
    number = g_ascii_strtod(text, &end);
    if (!errno && !*end && strpbrk(text, "0123456789")) {
        json = json_node_new(JSON_NODE_VALUE);
        json_node_set_double(json, number);
    }
    return json;
}

static JsonNode *scalar_to_json(const YamlNode *node)
{
    const char *text = node->text;
    JsonNode *json = NULL;

    if (node->plain) {
        if (!*text || g_str_equal(text, "~") || g_str_equal(text, "null")) {
            return json_node_new(JSON_NODE_NULL);
        }
        if (g_str_equal(text, "true") || g_str_equal(text, "false")) {
            json = json_node_new(JSON_NODE_VALUE);
            json_node_set_boolean(json, *text == 't');
            return json;
        }
        if (strchr("+-.0123456789", *text)) {
            json = number_to_json(text);
        }
    }
    if (!json) {
        json = json_node_new(JSON_NODE_VALUE);
        json_node_set_string(json, text);
    }
    return json;
}

JsonNode *yaml_node_to_json(const YamlNode *node)
{
    JsonNode *json;

    if (node->kind == YAML_SCALAR) {
        return scalar_to_json(node);
    }
    if (node->kind == YAML_SEQUENCE) {
        JsonArray *array = json_array_new();

        for (guint i = 0; i < node->items->len; i++) {
            json_array_add_element(array,
                                   yaml_node_to_json(node->items->pdata[i]));
        }
        json = json_node_new(JSON_NODE_ARRAY);
        json_node_take_array(json, array);
    } else {
        JsonObject *object = json_object_new();

        for (guint i = 0; i < node->items->len; i++) {
            YamlNode *key = node->keys->pdata[i];

            json_object_set_member(object, key->text,
                                   yaml_node_to_json(node->items->pdata[i]));
        }
        json = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(json, object);
    }
    return json;
}
