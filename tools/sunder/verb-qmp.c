/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder qmp: one command, a stream of them, or the events
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "verbs.h"

#define QMP_TIMEOUT_MS 300000
#define QMP_CONNECT_MS 10000

static const char qmp_text[] =
    "With COMMAND, runs it and prints what it returns. ARGUMENTS is a JSON\n"
    "object. Without COMMAND, reads one from each line of standard input,\n"
    "{\"execute\": ..., \"arguments\": ...}, and prints a line for each.\n"
    "--events prints events, a line each, until the machine ends.\n"
    "\n"
    "  sunder qmp NAME query-status\n"
    "  sunder qmp NAME device_del '{\"id\": \"nic0\"}'\n"
    "\n"
    "Other programs find a monitor of their own at the path that \"sunder\n"
    "status\" shows. Exit status: 1 when a command fails.\n";

static int qmp_one(Qmp *qmp, const char *command, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_execute_text(qmp, command, arguments,
                                        QMP_TIMEOUT_MS, &error);
    JsonNode *node = result;

    if (!result) {
        return verb_fail(error);
    }
    if (JSON_NODE_HOLDS_VALUE(node) &&
        json_node_get_value_type(node) == G_TYPE_STRING) {
        /* Text for a person: human-monitor-command */
        printf("%s\n", json_node_get_string(node));
        json_node_unref(node);
    } else {
        verb_print_json(node);
    }
    return 0;
}

static void qmp_print_line(const char *member, JsonNode *value)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_object_set_member(object, member, value);
    json_node_take_object(node, object);
    text = json_to_string(node, FALSE);
    printf("%s\n", text);
    fflush(stdout);
}

static void qmp_print_error(const GError *error)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "desc", error->message);
    json_node_take_object(node, object);
    qmp_print_line("error", node);
}

/* One line of a stream; false when the command failed. */
static bool qmp_stream_line(Qmp *qmp, const char *line, GError **error)
{
    g_autoptr(JsonNode) node = json_from_string(line, error);
    JsonObject *object = node && JSON_NODE_HOLDS_OBJECT(node)
                         ? json_node_get_object(node) : NULL;
    const char *command = object ? json_object_get_string_member_with_default(
                                       object, "execute", NULL) : NULL;
    JsonNode *result;

    if (!command) {
        g_clear_error(error);
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "expected {\"execute\": \"COMMAND\"}, not: %s", line);
        return false;
    }
    result = qmp_execute(qmp, command,
                         json_object_has_member(object, "arguments")
                         ? json_object_get_object_member(object, "arguments")
                         : NULL, QMP_TIMEOUT_MS, error);
    if (result) {
        qmp_print_line("return", result);
    }
    return result != NULL;
}

static int qmp_stream(Qmp *qmp)
{
    char *line = NULL;
    size_t size = 0;
    int status = 0;

    while (getline(&line, &size, stdin) >= 0) {
        g_autoptr(GError) error = NULL;

        if (*g_strstrip(line) && !qmp_stream_line(qmp, line, &error)) {
            qmp_print_error(error);
            status = EXIT_REFUSED;
        }
    }
    free(line);
    return status;
}

static void qmp_print_events(Qmp *qmp)
{
    JsonObject *event;

    while ((event = qmp_take_event(qmp))) {
        g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
        g_autofree char *text = NULL;

        json_node_take_object(node, event);
        text = json_to_string(node, FALSE);
        printf("%s\n", text);
    }
    fflush(stdout);
}

static int qmp_events(Qmp *qmp, int timeout_ms)
{
    gint64 deadline = deadline_after(timeout_ms);
    g_autoptr(GError) error = NULL;

    while (qmp_receive(qmp, deadline_left(deadline), &error)) {
        qmp_print_events(qmp);
    }
    return g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL)
           ? verb_fail(error) : 0;
}

/*
 * Short commands share a monitor; what lasts takes the user's, so that other
 * verbs need not wait for it.
 */
static Qmp *qmp_open(const char *name, bool lasting, int *status)
{
    g_autoptr(Machine) machine = verb_machine(name, status);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    Qmp *qmp;

    if (!machine) {
        return NULL;
    }
    path = machine_path(machine, lasting ? MACHINE_QMP_USER : MACHINE_QMP);
    qmp = qmp_connect(path, QMP_CONNECT_MS, &error);
    if (!qmp) {
        *status = verb_fail(error);
    }
    return qmp;
}

int verb_qmp(int argc, char **argv)
{
    gboolean events = FALSE;
    g_autofree char *timeout = NULL;
    const GOptionEntry entries[] = {
        { "events", 'e', 0, G_OPTION_ARG_NONE, &events,
          "print events as they come", NULL },
        { "timeout", 't', 0, G_OPTION_ARG_STRING, &timeout,
          "with --events: end after so long", "S" },
        { NULL },
    };
    int status = verb_parse(&argc, &argv,
                            "qmp [OPTION...] NAME [COMMAND [ARGUMENTS]]",
                            qmp_text, entries);
    g_autoptr(Qmp) qmp = NULL;
    g_autoptr(GError) error = NULL;
    int timeout_ms;

    if (status >= 0) {
        return status;
    }
    if (argc < 1 || argc > 3 || (events && argc > 1)) {
        return verb_usage("qmp", "NAME, and perhaps COMMAND and ARGUMENTS "
                          "expected");
    }
    if (!verb_parse_timeout("--timeout", timeout, &timeout_ms, &error)) {
        return verb_fail(error);
    }
    qmp = qmp_open(argv[0], argc == 1, &status);
    if (!qmp) {
        return status;
    }
    if (events) {
        return qmp_events(qmp, timeout_ms);
    }
    return argc == 1 ? qmp_stream(qmp)
                     : qmp_one(qmp, argv[1], argc > 2 ? argv[2] : NULL);
}
