/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scenario-events.h"
#include "scenario-match.h"

#define FAULT_FIRED "SUNDER_FAULT_FIRED"

typedef struct Event {
    JsonObject *json;
    bool taken;
} Event;

struct EventLog {
    GPtrArray *events;
    FILE *faults;
};

static void event_free(void *opaque)
{
    Event *event = opaque;

    json_object_unref(event->json);
    g_free(event);
}

EventLog *event_log_new(const char *path, GError **error)
{
    FILE *faults = fopen(path, "w");
    EventLog *log;

    if (!faults) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: cannot write: %s", path, g_strerror(errno));
        return NULL;
    }
    log = g_new0(EventLog, 1);
    log->events = g_ptr_array_new_with_free_func(event_free);
    log->faults = faults;
    return log;
}

void event_log_free(EventLog *log)
{
    if (log) {
        fclose(log->faults);
        g_ptr_array_unref(log->events);
        g_free(log);
    }
}

static const char *event_name(JsonObject *event)
{
    return json_object_get_string_member_with_default(event, "event", "");
}

static JsonObject *event_data(JsonObject *event)
{
    JsonNode *node = json_object_get_member(event, "data");

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static void write_number(FILE *file, JsonObject *data, const char *key,
                         char end)
{
    if (json_object_has_member(data, key)) {
        fprintf(file, "%" G_GINT64_FORMAT "%c",
                json_object_get_int_member(data, key), end);
    } else {
        fprintf(file, "-%c", end);
    }
}

static void write_word(FILE *file, JsonObject *data, const char *key)
{
    fprintf(file, "%s ",
            json_object_get_string_member_with_default(data, key, "-"));
}

static void write_firing(FILE *file, JsonObject *data)
{
    write_number(file, data, "seq", ' ');
    write_number(file, data, "virtual-ns", ' ');
    write_word(file, data, "rule");
    write_word(file, data, "point");
    write_word(file, data, "outcome");
    write_word(file, data, "operation");
    write_number(file, data, "offset", ' ');
    write_number(file, data, "size", '\n');
    fflush(file);
}

void event_log_add(EventLog *log, JsonObject *json)
{
    Event *event = g_new0(Event, 1);
    JsonObject *data = event_data(json);

    event->json = json;
    g_ptr_array_add(log->events, event);
    if (data && g_str_equal(event_name(json), FAULT_FIRED)) {
        write_firing(log->faults, data);
    }
}

static bool event_fits(const Event *event, const char *name, JsonNode *data)
{
    g_autofree char *why = NULL;

    return g_str_equal(event_name(event->json), name) &&
           (!data || match_json(data,
                                json_object_get_member(event->json, "data"),
                                &why));
}

static Event *find(EventLog *log, const char *name, JsonNode *data,
                   bool untaken)
{
    for (guint i = 0; i < log->events->len; i++) {
        Event *event = log->events->pdata[i];

        if (!(untaken && event->taken) && event_fits(event, name, data)) {
            return event;
        }
    }
    return NULL;
}

JsonObject *event_log_take(EventLog *log, const char *name, JsonNode *data)
{
    Event *event = find(log, name, data, true);

    if (!event) {
        return NULL;
    }
    event->taken = true;
    return event->json;
}

JsonObject *event_log_find(EventLog *log, const char *name, JsonNode *data)
{
    Event *event = find(log, name, data, false);

    return event ? event->json : NULL;
}

static bool member_is(JsonObject *data, const char *key, const char *wanted)
{
    return !wanted ||
           !g_strcmp0(json_object_get_string_member_with_default(data, key,
                                                                 NULL),
                      wanted);
}

guint64 event_log_fired(const EventLog *log, const char *rule,
                        const char *point, const char *outcome)
{
    guint64 count = 0;

    for (guint i = 0; i < log->events->len; i++) {
        const Event *event = log->events->pdata[i];
        JsonObject *data = event_data(event->json);

        count += data && g_str_equal(event_name(event->json), FAULT_FIRED) &&
                 member_is(data, "rule", rule) &&
                 member_is(data, "point", point) &&
                 member_is(data, "outcome", outcome);
    }
    return count;
}

char *event_log_summary(const EventLog *log)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GList) names = NULL;

    for (guint i = 0; i < log->events->len; i++) {
        const Event *event = log->events->pdata[i];
        char *name = (char *)event_name(event->json);
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, name));

        g_hash_table_replace(counts, name, GUINT_TO_POINTER(count + 1));
    }
    names = g_list_sort(g_hash_table_get_keys(counts), (GCompareFunc)strcmp);
    for (GList *l = names; l; l = l->next) {
        g_string_append_printf(text, "%s%s (%u)", text->len ? ", " : "",
            (char *)l->data,
            GPOINTER_TO_UINT(g_hash_table_lookup(counts, l->data)));
    }
    return text->len ? g_string_free(g_steal_pointer(&text), false)
                     : g_strdup("none");
}
