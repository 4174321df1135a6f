/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-member.h"
#include "verbs.h"

/* The member if it is a value: a number, a string, true or false. */
static JsonNode *member_value(JsonObject *object, const char *member)
{
    JsonNode *node = object ? json_object_get_member(object, member) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

uint64_t member_number(JsonObject *object, const char *member)
{
    JsonNode *node = member_value(object, member);

    return node ? (uint64_t)json_node_get_int(node) : 0;
}

double member_double(JsonObject *object, const char *member)
{
    JsonNode *node = member_value(object, member);

    return node ? json_node_get_double(node) : 0;
}

bool member_bool(JsonObject *object, const char *member)
{
    JsonNode *node = member_value(object, member);

    return node && json_node_get_boolean(node);
}

const char *member_string(JsonObject *object, const char *member)
{
    JsonNode *node = member_value(object, member);
    const char *text = node ? json_node_get_string(node) : NULL;

    return text ? text : "";
}

char *member_text(JsonObject *object, const char *member)
{
    const char *text = member_string(object, member);

    return verb_printable(*text ? text : NULL);
}

JsonObject *member_object(JsonObject *object, const char *member)
{
    JsonNode *node = object ? json_object_get_member(object, member) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

JsonArray *member_array(JsonObject *object, const char *member)
{
    JsonNode *node = object ? json_object_get_member(object, member) : NULL;

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

unsigned member_count(JsonArray *array)
{
    return array ? json_array_get_length(array) : 0;
}

JsonObject *member_element(JsonArray *array, unsigned i)
{
    JsonNode *node = i < member_count(array)
        ? json_array_get_element(array, i) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}
