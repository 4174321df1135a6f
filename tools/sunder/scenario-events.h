/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of a run, and the log of faults among them
 *
 * faults.log has a line for each fault that fired:
 *   SEQ VIRTUAL-NS RULE POINT OUTCOME OPERATION OFFSET SIZE
 * with "-" for what the event does not have. It depends on nothing but the
 * rules, the seed and the accesses; on a machine that counts instructions two
 * runs write the same bytes.
 */
#ifndef SUNDER_SCENARIO_EVENTS_H
#define SUNDER_SCENARIO_EVENTS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

typedef struct EventLog EventLog;

/* @path: of faults.log. */
EventLog *event_log_new(const char *path, GError **error);
void event_log_free(EventLog *log);

/* Add an event, as QMP gives it. Takes @event. */
void event_log_add(EventLog *log, JsonObject *event);

/*
 * The oldest event that no earlier call took, named @name, with @data (may be
 * NULL) a subset of its data. NULL if none. Belongs to the log.
 */
JsonObject *event_log_take(EventLog *log, const char *name, JsonNode *data);

/* The same without taking it, whoever took it before. */
JsonObject *event_log_find(EventLog *log, const char *name, JsonNode *data);

/*
 * Firings so far of the rule, the point and the outcome given; NULL for any.
 */
guint64 event_log_fired(const EventLog *log, const char *rule,
                        const char *point, const char *outcome);

/* Names of the events so far with their numbers, for an error. */
char *event_log_summary(const EventLog *log);

#endif
