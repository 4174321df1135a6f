/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML text as a tree that remembers where each value stood
 *
 * Concepts
 *   node      a scalar, a sequence or a mapping, with the line it began on.
 *   document  owns the text's name and all nodes; a node lives as long as its
 *             document.
 *
 * It stands on libyaml, the parser below libcyaml: a scenario holds values of
 * any shape (the arguments of a QMP command), which libcyaml's fixed C
 * structures cannot describe, and every error must name its line.
 *
 * The text is somebody's input: anchors and aliases (a few lines of which can
 * unfold to gigabytes), tags, several documents, keys given twice, and
 * anything beyond YAML_MAX_BYTES, YAML_MAX_NODES or YAML_MAX_DEPTH are errors.
 */
#ifndef SUNDER_SCENARIO_YAML_H
#define SUNDER_SCENARIO_YAML_H

#include <stdbool.h>
#include <glib.h>
#include <json-glib/json-glib.h>

#define YAML_MAX_BYTES  (1024 * 1024)
#define YAML_MAX_NODES  20000
#define YAML_MAX_DEPTH  32

/* Domain of every error about a scenario file; messages are FILE:LINE: ... */
#define SCENARIO_FILE_ERROR (scenario_file_error_quark())
GQuark scenario_file_error_quark(void);

typedef enum YamlKind {
    YAML_SCALAR,
    YAML_SEQUENCE,
    YAML_MAPPING,
} YamlKind;

typedef struct YamlNode {
    YamlKind kind;
    unsigned line;      /* from 1 */
    char *text;         /* scalar: its value */
    bool plain;         /* scalar: written without quotes */
    GPtrArray *items;   /* sequence: nodes; mapping: values (YamlNode) */
    GPtrArray *keys;    /* mapping: keys (YamlNode, scalars), as @items */
} YamlNode;

typedef struct YamlDocument {
    char *name;         /* what errors call the file */
    YamlNode *root;
    GPtrArray *nodes;   /* owns every node */
} YamlDocument;

/*
 * Parse @length bytes of @text. @name is the file's name for errors.
 * Returns NULL and sets @error (SCENARIO_FILE_ERROR) when it is not one
 * well-formed document within the limits.
 */
YamlDocument *yaml_document_parse(const char *name, const char *text,
                                  gsize length, GError **error);

/* Read and parse a file. Errors as above, and of the file system. */
YamlDocument *yaml_document_load(const char *path, GError **error);

void yaml_document_free(YamlDocument *doc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(YamlDocument, yaml_document_free)

/* The value of @key in a mapping, or NULL. */
YamlNode *yaml_node_get(const YamlNode *mapping, const char *key);

/*
 * The node as JSON by YAML 1.2's core schema: plain null, true, false and
 * numbers (0x... too) are what they look like, every other scalar is a
 * string.
 */
JsonNode *yaml_node_to_json(const YamlNode *node);

/*
 * A short quote of the node for an error: its text, or "a mapping".
 * Free with g_free().
 */
char *yaml_node_quote(const YamlNode *node);

/* Set @error to "FILE:LINE: MESSAGE" and return false. */
bool yaml_error(const YamlDocument *doc, const YamlNode *node, GError **error,
                const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
