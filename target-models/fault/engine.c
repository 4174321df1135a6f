/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's books: points by name, rules in the order of adding.
 */
#include <string.h>

#include "internal.h"

G_DEFINE_QUARK(sunder-fault-error, fault_error)

static int compare_names(const void *a, const void *b, void *opaque)
{
    (void)opaque;
    return strcmp(a, b);
}

static void point_free(void *opaque)
{
    Point *point = opaque;

    g_ptr_array_free(point->active, TRUE);
    g_free((char *)point->pub.name);
    g_free(point);
}

FaultEngine *fault_engine_new(uint64_t seed)
{
    FaultEngine *engine = g_new0(FaultEngine, 1);

    engine->seed = seed;
    engine->points = g_tree_new_full(compare_names, NULL, NULL, point_free);
    engine->rules = g_ptr_array_new();
    engine->ids = g_hash_table_new(g_str_hash, g_str_equal);
    return engine;
}

void fault_engine_free(FaultEngine *engine)
{
    if (!engine) {
        return;
    }
    g_hash_table_unref(engine->ids);
    g_ptr_array_set_free_func(engine->rules,
                              (GDestroyNotify)fault_rule_free);
    g_ptr_array_free(engine->rules, TRUE);
    g_tree_unref(engine->points);
    g_free(engine);
}

void fault_engine_set_seed(FaultEngine *engine, uint64_t seed)
{
    engine->seed = seed;
}

bool fault_engine_used(const FaultEngine *engine)
{
    return engine->added != 0;
}

/* Puts a rule that is on its point, if it has one, into the books. */
void fault_engine_insert_rule(FaultEngine *engine, FaultRule *rule)
{
    g_ptr_array_add(engine->rules, rule);
    g_hash_table_insert(engine->ids, (char *)rule->spec.id, rule);
}

static void leave_point(FaultRule *rule)
{
    Point *point = (Point *)rule->point;

    if (point) {
        g_ptr_array_remove(point->active, rule);
        fault_point_arm(&point->pub, point->active->len);
        point->pub.n_rules--;
        rule->point = NULL;
    }
}

/* Puts rules that wait on their points where these accept them. */
void fault_engine_arm(FaultEngine *engine)
{
    for (guint i = 0; i < engine->rules->len; i++) {
        FaultRule *rule = engine->rules->pdata[i];
        Point *point = rule->point ? NULL : g_tree_lookup(engine->points,
                                                          rule->spec.point);

        if (point && fault_rule_resolve(rule, &point->pub, NULL)) {
            fault_rule_start(rule);
        }
    }
}

/* Takes all rules off their points. */
void fault_engine_disarm(FaultEngine *engine)
{
    for (guint i = 0; i < engine->rules->len; i++) {
        leave_point(engine->rules->pdata[i]);
    }
}

FaultPoint *fault_engine_add_point(FaultEngine *engine, const char *name,
                                   uint64_t length,
                                   const FaultOutcome *outcomes,
                                   void *opaque, GError **error)
{
    Point *point;

    if (!fault_name_valid("fault point", name, error)) {
        return NULL;
    }
    if (g_tree_lookup(engine->points, name)) {
        g_set_error(error, FAULT_ERROR, FAULT_ERROR_POINT,
                    "fault point \"%s\" exists already: give the devices "
                    "ids that differ", name);
        return NULL;
    }
    point = g_new0(Point, 1);
    point->pub.name = g_strdup(name);
    point->pub.length = length;
    point->pub.outcomes = outcomes;
    point->pub.opaque = opaque;
    point->active = g_ptr_array_new();
    g_tree_insert(engine->points, (char *)point->pub.name, point);
    fault_engine_arm(engine);
    return &point->pub;
}

void fault_point_free(FaultPoint *point)
{
    point_free(point);
}

void fault_engine_remove_point(FaultEngine *engine, FaultPoint *point)
{
    fault_engine_unlink_point(engine, point);
    fault_point_free(point);
}

void fault_engine_unlink_point(FaultEngine *engine, FaultPoint *point)
{
    GPtrArray *active = ((Point *)point)->active;
    guint kept = 0;

    for (guint i = 0; i < engine->rules->len; i++) {
        FaultRule *rule = engine->rules->pdata[i];

        if (rule->point == point) {
            g_hash_table_remove(engine->ids, rule->spec.id);
            fault_rule_free(rule);
        } else {
            engine->rules->pdata[kept++] = rule;
        }
    }
    g_ptr_array_set_size(engine->rules, kept);
    g_ptr_array_set_size(active, 0);
    fault_point_arm(point, 0);
    point->n_rules = 0;
    g_tree_steal(engine->points, point->name);
}

static gboolean collect_name(void *key, void *value, void *opaque)
{
    (void)value;
    g_ptr_array_add(opaque, key);
    return FALSE;
}

FaultPoint *fault_engine_find_point(FaultEngine *engine, const char *name,
                                    GError **error)
{
    Point *point = g_tree_lookup(engine->points, name);
    g_autoptr(GPtrArray) names = NULL;
    g_autofree char *quoted = NULL;
    g_autofree char *list = NULL;

    if (point) {
        return &point->pub;
    }
    names = g_ptr_array_new();
    g_tree_foreach(engine->points, collect_name, names);
    quoted = fault_name_quote(name);
    list = fault_name_list(name, names);
    g_set_error(error, FAULT_ERROR, FAULT_ERROR_POINT,
                "fault point %s does not exist; there are: %s", quoted, list);
    return NULL;
}

typedef struct Visit {
    FaultPointFunc *func;
    void *opaque;
} Visit;

static gboolean visit_point(void *key, void *value, void *opaque)
{
    Point *point = value;
    Visit *visit = opaque;

    (void)key;
    visit->func(&point->pub, visit->opaque);
    return FALSE;
}

void fault_engine_foreach_point(FaultEngine *engine, FaultPointFunc *func,
                                void *opaque)
{
    Visit visit = { func, opaque };

    g_tree_foreach(engine->points, visit_point, &visit);
}

FaultRule *fault_engine_find_rule(FaultEngine *engine, const char *id)
{
    return g_hash_table_lookup(engine->ids, id);
}

bool fault_engine_remove_rule(FaultEngine *engine, const char *id,
                              GError **error)
{
    FaultRule *rule = fault_engine_find_rule(engine, id);
    g_autoptr(GPtrArray) ids = NULL;
    g_autofree char *quoted = NULL;
    g_autofree char *list = NULL;

    if (rule) {
        g_hash_table_remove(engine->ids, id);
        g_ptr_array_remove(engine->rules, rule);
        leave_point(rule);
        fault_rule_free(rule);
        return true;
    }
    ids = g_ptr_array_new();
    for (guint i = 0; i < engine->rules->len; i++) {
        FaultRule *other = engine->rules->pdata[i];

        g_ptr_array_add(ids, (char *)other->spec.id);
    }
    quoted = fault_name_quote(id);
    list = fault_name_list(id, ids);
    g_set_error(error, FAULT_ERROR, FAULT_ERROR_RULE,
                "fault rule %s does not exist; there are: %s", quoted, list);
    return false;
}

void fault_engine_foreach_rule(FaultEngine *engine, FaultRuleFunc *func,
                               void *opaque)
{
    for (guint i = 0; i < engine->rules->len; i++) {
        func(engine->rules->pdata[i], opaque);
    }
}
