/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps that see the machine from outside: QMP, events, hotplug, migration */
#include "scenario-boot.h"
#include "scenario-events.h"
#include "scenario-match.h"
#include "scenario-steps.h"

#define SECOND_NS G_GINT64_CONSTANT(1000000000)

static JsonNode *event_data(const ScenarioStep *step)
{
    return json_object_get_member(step_object(step), "data");
}

static const char *event_name(const ScenarioStep *step)
{
    return json_object_get_string_member(step_object(step), "event");
}

/* For `report`: what the event told, and how long it was waited for */
static void report_event(ScenarioRun *run, const ScenarioStep *step,
                         JsonObject *event)
{
    JsonNode *data = json_object_get_member(event, "data");
    g_autofree char *json = data ? json_to_string(data, false) : g_strdup("");
    gint64 us = g_get_monotonic_time() - run->step_began_us;
    g_autofree char *text = g_strdup_printf("after %.1f s: %s", us / 1e6,
                                            json);

    step_report(run, step, text);
}

static PollAnswer event_came(ScenarioRun *run, const ScenarioStep *step,
                             char **why, GError **error)
{
    g_autofree char *seen = NULL;
    g_autofree char *data = NULL;
    JsonObject *found;

    found = event_log_take(run->guest->events, event_name(step),
                           event_data(step));
    if (found) {
        report_event(run, step, found);
        return POLL_HOLDS;
    }
    seen = event_log_summary(run->guest->events);
    data = event_data(step) ? json_to_string(event_data(step), false)
                            : g_strdup("any data");
    *why = g_strdup_printf("no event %s with %s; events so far: %s",
                           event_name(step), data, seen);
    return POLL_NOT_YET;
}

bool step_wait_event(ScenarioRun *run, const ScenarioStep *step,
                     GError **error)
{
    /* A turn first: it may be waiting in the socket. */
    return scenario_turn(run, 0, error) &&
           step_poll(run, step, event_came,
                     step_duration(step, "timeout", 10 * SECOND_NS),
                     SECOND_NS / 50, error);
}

bool step_no_event(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    /* A command and its reply: events sent before are behind us then. */
    g_autoptr(JsonNode) reply = scenario_qmp(run, "query-status", NULL, error);
    JsonObject *found;
    g_autoptr(JsonNode) node = NULL;
    g_autofree char *text = NULL;

    if (!reply) {
        return false;
    }
    found = event_log_find(run->guest->events, event_name(step),
                           event_data(step));
    if (!found) {
        return true;
    }
    node = json_node_new(JSON_NODE_OBJECT);
    json_node_set_object(node, found);
    text = json_to_string(node, false);
    return scenario_assert_fail(error, g_strdup_printf(
        "expected no event %s, but there was:\n%s", event_name(step), text));
}

static PollAnswer reply_holds(ScenarioRun *run, const ScenarioStep *step,
                              char **why, GError **error)
{
    JsonObject *command = step_object(step);
    JsonObject *arguments = json_object_has_member(command, "arguments") ?
        json_object_get_object_member(command, "arguments") : NULL;
    JsonNode *expected = step_key(step, "expect");
    const char *name = json_object_get_string_member(command, "execute");
    g_autoptr(JsonNode) reply = NULL;
    g_autofree char *difference = NULL;
    g_autofree char *text = NULL;

    if (!step_qmp_expect(run, step, name, arguments, &reply, error)) {
        return POLL_BROKEN;
    }
    if (!reply || !expected || match_json(expected, reply, &difference)) {
        return POLL_HOLDS;
    }
    text = json_to_string(reply, true);
    *why = g_strdup_printf("%s: %s\nfound: %s", name, difference, text);
    return POLL_NOT_YET;
}

bool step_qmp(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return step_poll(run, step, reply_holds,
                     step_duration(step, "timeout", 0), SECOND_NS / 10,
                     error);
}

bool step_device_add(ScenarioRun *run, const ScenarioStep *step,
                     GError **error)
{
    g_autoptr(JsonNode) value = NULL;

    return step_qmp_expect(run, step, "device_add", step_object(step), &value,
                           error);
}

static PollAnswer device_deleted(ScenarioRun *run, const ScenarioStep *step,
                                 char **why, GError **error)
{
    g_autoptr(JsonNode) data = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(JsonObject) device = json_object_new();

    json_object_set_string_member(device, "device", step_text(step));
    json_node_set_object(data, device);
    if (event_log_take(run->guest->events, "DEVICE_DELETED", data)) {
        return POLL_HOLDS;
    }
    *why = g_strdup_printf("%s: the guest did not let go of the device",
                           step_text(step));
    return POLL_NOT_YET;
}

bool step_device_del(ScenarioRun *run, const ScenarioStep *step,
                     GError **error)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;

    json_object_set_string_member(arguments, "id", step_text(step));
    if (!step_qmp_expect(run, step, "device_del", arguments, &value, error)) {
        return false;
    }
    /* Without a reply the refusal was expected, and nothing will go. */
    return !value ||
           step_poll(run, step, device_deleted,
                     step_duration(step, "timeout", 30 * SECOND_NS),
                     SECOND_NS / 10, error);
}

bool step_migrate(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return scenario_migrate(run, error);
}
