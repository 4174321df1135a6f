/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "scenario-file.h"
#include "scenario-keys.h"

/* Time for all steps, for a scenario that says nothing: TCG is slow. */
#define DEFAULT_TIMEOUT_NS (G_GINT64_CONSTANT(120) * 1000 * 1000 * 1000)

static void step_free(void *opaque)
{
    ScenarioStep *step = opaque;

    g_free(step->title);
    g_clear_pointer(&step->args, json_object_unref);
    g_free(step);
}

static void boot_free(void *opaque)
{
    ScenarioBoot *boot = opaque;

    g_free(boot->on);
    g_free(boot->memory);
    g_free(boot->append);
    g_strfreev(boot->arguments);
    g_free(boot);
}

void scenario_free(Scenario *scenario)
{
    g_free(scenario->path);
    g_free(scenario->name);
    g_free(scenario->description);
    g_free(scenario->machine);
    g_free(scenario->kernel);
    g_clear_pointer(&scenario->boot, boot_free);
    g_clear_pointer(&scenario->boots, g_ptr_array_unref);
    g_strfreev(scenario->tags);
    g_clear_pointer(&scenario->skip_if, json_object_unref);
    g_clear_pointer(&scenario->steps, g_ptr_array_unref);
    g_free(scenario);
}

static char *take_text(JsonObject *object, const char *key)
{
    return g_strdup(json_object_get_string_member_with_default(object, key,
                                                               NULL));
}

static char **take_texts(JsonObject *object, const char *key)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    JsonArray *array = json_object_has_member(object, key) ?
                       json_object_get_array_member(object, key) : NULL;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        g_ptr_array_add(texts,
                        g_strdup(json_array_get_string_element(array, i)));
    }
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), false);
}

static ScenarioBoot *take_boot(JsonObject *object)
{
    ScenarioBoot *boot = g_new0(ScenarioBoot, 1);

    boot->on = take_text(object, "on");
    boot->memory = take_text(object, "memory");
    boot->cpus = json_object_get_int_member_with_default(object, "cpus", 0);
    boot->append = take_text(object, "append");
    boot->arguments = take_texts(object, "args");
    return boot;
}

static void fill_boot(Scenario *scenario, JsonObject *top)
{
    g_autoptr(JsonObject) none = json_object_new();
    JsonObject *boot = json_object_has_member(top, "boot") ?
                       json_object_get_object_member(top, "boot") : none;
    JsonArray *machines = json_object_has_member(boot, "machines") ?
        json_object_get_array_member(boot, "machines") : NULL;

    scenario->boot = take_boot(boot);
    scenario->boots = g_ptr_array_new_with_free_func(boot_free);
    for (guint i = 0; machines && i < json_array_get_length(machines); i++) {
        g_ptr_array_add(scenario->boots, take_boot(
            json_array_get_object_element(machines, i)));
    }
}

static void fill(Scenario *scenario, JsonObject *top)
{
    scenario->name = take_text(top, "name");
    scenario->description = take_text(top, "description");
    scenario->machine = take_text(top, "machine");
    scenario->kernel = take_text(top, "kernel");
    scenario->seeded = json_object_has_member(top, "seed");
    scenario->seed = json_object_get_int_member_with_default(top, "seed", 0);
    scenario->icount = json_object_get_boolean_member_with_default(
        top, "icount", false);
    scenario->timeout_ns = json_object_get_int_member_with_default(
        top, "timeout", DEFAULT_TIMEOUT_NS);
    scenario->tags = take_texts(top, "tags");
    if (json_object_has_member(top, "skip-if")) {
        scenario->skip_if = json_object_ref(
            json_object_get_object_member(top, "skip-if"));
    }
    if (json_object_has_member(top, "needs")) {
        scenario->huge_pages = (guint64)json_object_get_int_member_with_default(
            json_object_get_object_member(top, "needs"), "huge-pages", 0);
    }
    fill_boot(scenario, top);
}

static const StepKey *find_kind(const char *key)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        if (g_str_equal(scenario_step_keys[i].name, key)) {
            return &scenario_step_keys[i];
        }
    }
    return NULL;
}

static bool no_kind(const YamlDocument *doc, const YamlNode *node,
                    const char *field, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    const YamlNode *first = node->keys->len ? node->keys->pdata[0] : NULL;

    for (int i = 0; i < STEP_COUNT; i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               scenario_step_keys[i].name);
    }
    return yaml_error(doc, first ? first : node, error,
                      "%s: '%s' says nothing to do: expected one of %s", field,
                      first ? first->text : "", known->str);
}

/* A step's kind is the one key of its mapping that names a kind. */
static const StepKey *step_kind(const YamlDocument *doc, const YamlNode *node,
                                const char *field, GError **error)
{
    const StepKey *kind = NULL;

    if (node->kind != YAML_MAPPING) {
        g_autofree char *quote = yaml_node_quote(node);
        yaml_error(doc, node, error, "%s: %s: expected a mapping such as "
                   "'run: uname -r'", field, quote);
        return NULL;
    }
    for (guint i = 0; i < node->keys->len; i++) {
        YamlNode *key = node->keys->pdata[i];
        const StepKey *found = find_kind(key->text);

        if (found && kind) {
            yaml_error(doc, key, error, "%s: both '%s' and '%s': a step does "
                       "one thing; begin the second with its own '-'", field,
                       kind->name, found->name);
            return NULL;
        }
        kind = found ? found : kind;
    }
    if (!kind) {
        no_kind(doc, node, field, error);
    }
    return kind;
}

static char *plain_title(const StepKey *kind, const YamlNode *value,
                         JsonObject *args)
{
    g_autoptr(JsonNode) json = NULL;
    g_autofree char *text = NULL;
    char *newline;

    if (json_object_has_member(args, "note")) {
        return g_strdup(json_object_get_string_member(args, "note"));
    }
    if (value->kind == YAML_SCALAR) {
        text = g_strdup(value->text);
    } else {
        json = yaml_node_to_json(value);
        text = json_to_string(json, false);
    }
    newline = strchr(text, '\n');
    if (newline) {
        *newline = 0;
    }
    return g_strdup_printf("%s: %s", kind->name, text);
}

/* Led by the role of the machine, where one is given */
static char *step_title(const StepKey *kind, const YamlNode *value,
                        JsonObject *args, const char *on)
{
    g_autofree char *title = plain_title(kind, value, args);

    return on ? g_strdup_printf("%s: %s", on, title)
              : g_steal_pointer(&title);
}

static bool add_step(Scenario *scenario, const YamlDocument *doc,
                     const YamlNode *node, const char *field, GError **error)
{
    const StepKey *kind = step_kind(doc, node, field, error);
    const char *except[] = { kind ? kind->name : NULL, NULL };
    g_autofree char *path = NULL;
    g_autoptr(JsonObject) args = json_object_new();
    ScenarioStep *step;
    YamlNode *value_node;
    JsonNode *value;

    if (!kind) {
        return false;
    }
    path = g_strdup_printf("%s.%s", field, kind->name);
    value_node = yaml_node_get(node, kind->name);
    value = schema_read(kind->value, doc, value_node, path, error);
    if (!value) {
        return false;
    }
    json_object_set_member(args, "value", value);
    if (!schema_read_fields(kind->modifiers, doc, node, field, except, args,
                            error) ||
        (kind->check && !kind->check(doc, node, field, args, error))) {
        return false;
    }
    step = g_new0(ScenarioStep, 1);
    step->id = kind - scenario_step_keys;
    step->kind = kind->name;
    step->line = node->line;
    step->on = json_object_get_string_member_with_default(args, "on", NULL);
    step->title = step_title(kind, value_node, args, step->on);
    step->args = g_steal_pointer(&args);
    g_ptr_array_add(scenario->steps, step);
    return true;
}

static bool add_steps(Scenario *scenario, const YamlDocument *doc,
                      const YamlNode *steps, GError **error)
{
    if (steps->kind != YAML_SEQUENCE || !steps->items->len) {
        g_autofree char *quote = yaml_node_quote(steps);
        return yaml_error(doc, steps, error,
                          "steps: %s: expected a list of steps, each begun "
                          "with '-'", steps->kind == YAML_SEQUENCE ?
                          "an empty list" : quote);
    }
    for (guint i = 0; i < steps->items->len; i++) {
        g_autofree char *field = g_strdup_printf("steps[%u]", i + 1);

        if (!add_step(scenario, doc, steps->items->pdata[i], field, error)) {
            return false;
        }
    }
    return true;
}

static Scenario *from_document(const YamlDocument *doc, GError **error)
{
    g_autoptr(Scenario) scenario = g_new0(Scenario, 1);
    g_autoptr(JsonObject) top = json_object_new();
    const char *except[] = { "steps", NULL };
    YamlNode *steps;

    scenario->path = g_strdup(doc->name);
    scenario->steps = g_ptr_array_new_with_free_func(step_free);
    if (doc->root->kind != YAML_MAPPING) {
        g_autofree char *quote = yaml_node_quote(doc->root);
        yaml_error(doc, doc->root, error, "%s: expected a mapping with name, "
                   "machine, steps", quote);
        return NULL;
    }
    if (!schema_read_fields(scenario_top_keys, doc, doc->root, "", except,
                            top, error)) {
        return NULL;
    }
    steps = yaml_node_get(doc->root, "steps");
    if (!steps) {
        yaml_error(doc, doc->root, error, "key 'steps' is missing: expected a "
                   "list of steps");
        return NULL;
    }
    fill(scenario, top);
    return add_steps(scenario, doc, steps, error) ?
           g_steal_pointer(&scenario) : NULL;
}

Scenario *scenario_parse(const char *name, const char *text, gsize length,
                         GError **error)
{
    g_autoptr(YamlDocument) doc = yaml_document_parse(name, text, length,
                                                      error);

    return doc ? from_document(doc, error) : NULL;
}

Scenario *scenario_load(const char *path, GError **error)
{
    g_autoptr(YamlDocument) doc = yaml_document_load(path, error);

    return doc ? from_document(doc, error) : NULL;
}
