/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP client over a Unix socket
 *
 * docs/interop/qmp-spec.rst of QEMU: one JSON object a line; a greeting, then
 * qmp_capabilities, then commands answered in order, events in between.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "qmp.h"
#include "unix-socket.h"

/* No reply of QEMU comes near; more is a broken peer, not a long answer. */
#define QMP_LINE_MAX (64u << 20)

/* A monitor that has another client accepts the next when that one leaves. */
#define QMP_CONNECT_RETRY_US 10000

struct Qmp {
    int fd;
    GByteArray *input;      /* bytes after the last whole line */
    GHashTable *replies;    /* guint64 id -> JsonObject, not yet asked for */
    GQueue events;          /* JsonObject, oldest first */
    guint64 events_lost;
    guint64 last_id;
    bool greeted;
    FILE *transcript;
    gint64 connected_us;
    QmpEventCallback callback;
    void *callback_opaque;
};

G_DEFINE_QUARK(qmp-error-quark, qmp_error)

void qmp_free(Qmp *qmp)
{
    if (!qmp) {
        return;
    }
    if (qmp->fd >= 0) {
        close(qmp->fd);
    }
    g_byte_array_unref(qmp->input);
    g_hash_table_unref(qmp->replies);
    g_queue_clear_full(&qmp->events, (GDestroyNotify)json_object_unref);
    g_free(qmp);
}

static void qmp_log(Qmp *qmp, const char *direction, const char *line,
                    size_t length)
{
    if (qmp->transcript) {
        gint64 us = g_get_monotonic_time() - qmp->connected_us;

        fprintf(qmp->transcript, "%9.6f %s %.*s\n", us / 1e6, direction,
                (int)length, line);
        fflush(qmp->transcript);
    }
}

static bool qmp_write(Qmp *qmp, const char *data, size_t size,
                      GError **error)
{
    while (size) {
        ssize_t sent = send(qmp->fd, data, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd pollfd = { .fd = qmp->fd, .events = POLLOUT };

            poll(&pollfd, 1, -1);
            continue;
        }
        if (sent < 0) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_CLOSED,
                        "QMP: cannot send: %s", g_strerror(errno));
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool qmp_send_line(Qmp *qmp, const char *line, GError **error)
{
    g_autofree char *whole = g_strconcat(line, "\n", NULL);

    qmp_log(qmp, "->", line, strlen(line));
    return qmp_write(qmp, whole, strlen(whole), error);
}

guint64 qmp_send(Qmp *qmp, const char *command, JsonObject *arguments,
                 GError **error)
{
    g_autoptr(JsonObject) object = json_object_new();
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *line = NULL;
    guint64 id = ++qmp->last_id;

    json_object_set_string_member(object, "execute", command);
    if (arguments) {
        json_object_set_object_member(object, "arguments",
                                      json_object_ref(arguments));
    }
    json_object_set_int_member(object, "id", (gint64)id);
    json_node_set_object(node, object);
    line = json_to_string(node, FALSE);
    return qmp_send_line(qmp, line, error) ? id : 0;
}

static void qmp_take_in_event(Qmp *qmp, JsonObject *event)
{
    if (qmp->callback) {
        qmp->callback(event, qmp->callback_opaque);
    }
    if (g_queue_get_length(&qmp->events) >= QMP_EVENTS_MAX) {
        json_object_unref(g_queue_pop_head(&qmp->events));
        qmp->events_lost++;
    }
    g_queue_push_tail(&qmp->events, json_object_ref(event));
}

static void qmp_take_in_reply(Qmp *qmp, JsonObject *reply)
{
    guint64 id = 0;

    if (json_object_has_member(reply, "id")) {
        JsonNode *node = json_object_get_member(reply, "id");

        if (JSON_NODE_HOLDS_VALUE(node)) {
            id = (guint64)json_node_get_int(node);
        }
    }
    g_hash_table_insert(qmp->replies, g_memdup2(&id, sizeof(id)),
                        json_object_ref(reply));
}

static bool qmp_take_in_line(Qmp *qmp, const char *line, size_t length,
                             GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) why = NULL;
    JsonNode *root;
    JsonObject *object;

    qmp_log(qmp, "<-", line, length);
    if (!json_parser_load_from_data(parser, line, (gssize)length, &why)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: a line is no JSON: %s", why->message);
        return false;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        return true;    /* an empty line */
    }
    object = json_node_get_object(root);
    if (json_object_has_member(object, "event")) {
        qmp_take_in_event(qmp, object);
    } else if (json_object_has_member(object, "QMP")) {
        qmp->greeted = true;
    } else {
        qmp_take_in_reply(qmp, object);
    }
    return true;
}

/* Take in the first whole line received, if there is one; 1, 0 or -1. */
static int qmp_take_in_input(Qmp *qmp, GError **error)
{
    GByteArray *input = qmp->input;
    uint8_t *end = input->len ? memchr(input->data, '\n', input->len) : NULL;
    size_t length;
    bool good;

    if (!end) {
        return 0;
    }
    length = (size_t)(end - input->data);
    good = qmp_take_in_line(qmp, (char *)input->data, length, error);
    g_byte_array_remove_range(input, 0, (guint)length + 1);
    return good ? 1 : -1;
}

static bool qmp_read(Qmp *qmp, GError **error)
{
    uint8_t buffer[16384];
    ssize_t got = recv(qmp->fd, buffer, sizeof(buffer), 0);

    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (got <= 0) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_CLOSED,
                    "QMP: the emulator closed the connection%s%s",
                    got ? ": " : "", got ? g_strerror(errno) : "");
        return false;
    }
    if (qmp->input->len + (size_t)got > QMP_LINE_MAX) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: a line is longer than %u bytes", QMP_LINE_MAX);
        return false;
    }
    g_byte_array_append(qmp->input, buffer, (guint)got);
    return true;
}

bool qmp_receive(Qmp *qmp, int timeout_ms, GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);

    for (;;) {
        struct pollfd pollfd = { .fd = qmp->fd, .events = POLLIN };
        int taken = qmp_take_in_input(qmp, error);

        if (taken) {
            return taken > 0;
        }
        if (poll(&pollfd, 1, deadline_left(deadline)) > 0) {
            if (!qmp_read(qmp, error)) {
                return false;
            }
        } else if (deadline_left(deadline) == 0) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT,
                        "QMP: nothing arrived in %d ms", timeout_ms);
            return false;
        }
    }
}

static QmpError qmp_error_class(const char *name)
{
    static const struct {
        const char *name;
        QmpError code;
    } classes[] = {
        { "CommandNotFound", QMP_ERROR_COMMAND_NOT_FOUND },
        { "DeviceNotActive", QMP_ERROR_DEVICE_NOT_ACTIVE },
        { "DeviceNotFound", QMP_ERROR_DEVICE_NOT_FOUND },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (!g_strcmp0(name, classes[i].name)) {
            return classes[i].code;
        }
    }
    return QMP_ERROR_GENERIC;
}

static JsonNode *qmp_reply_value(JsonObject *reply, GError **error)
{
    JsonNode *node = json_object_get_member(reply, "error");

    if (node && JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *object = json_node_get_object(node);
        const char *class =
            json_object_get_string_member_with_default(object, "class", "");

        g_set_error_literal(error, QMP_ERROR, (gint)qmp_error_class(class),
                            json_object_get_string_member_with_default(
                                object, "desc", "no description"));
        return NULL;
    }
    if (!json_object_has_member(reply, "return")) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: a reply has neither \"return\" nor \"error\"");
        return NULL;
    }
    return json_node_copy(json_object_get_member(reply, "return"));
}

JsonNode *qmp_reply(Qmp *qmp, guint64 id, int timeout_ms, GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    JsonObject *reply;
    JsonNode *value;

    while (!(reply = g_hash_table_lookup(qmp->replies, &id))) {
        if (!qmp_receive(qmp, deadline_left(deadline), error)) {
            return NULL;
        }
    }
    value = qmp_reply_value(reply, error);
    g_hash_table_remove(qmp->replies, &id);
    return value;
}

JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonObject *arguments,
                      int timeout_ms, GError **error)
{
    guint64 id = qmp_send(qmp, command, arguments, error);
    GError *why = NULL;
    JsonNode *value;

    if (!id) {
        return NULL;
    }
    value = qmp_reply(qmp, id, timeout_ms, &why);
    if (g_error_matches(why, QMP_ERROR, QMP_ERROR_TIMEOUT)) {
        g_clear_error(&why);
        g_set_error(&why, QMP_ERROR, QMP_ERROR_TIMEOUT,
                    "QMP: no reply to %s in %d ms", command, timeout_ms);
    }
    if (why) {
        g_propagate_error(error, why);
    }
    return value;
}

JsonNode *qmp_execute_text(Qmp *qmp, const char *command,
                           const char *arguments, int timeout_ms,
                           GError **error)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *object = NULL;

    if (arguments && *arguments) {
        g_autoptr(GError) why = NULL;

        node = json_from_string(arguments, &why);
        if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                        "arguments of %s: %s: a JSON object is expected, "
                        "like {\"id\": \"net0\"}", command,
                        why ? why->message : arguments);
            return NULL;
        }
        object = json_node_get_object(node);
    }
    return qmp_execute(qmp, command, object, timeout_ms, error);
}

JsonObject *qmp_take_event(Qmp *qmp)
{
    return g_queue_pop_head(&qmp->events);
}

static JsonObject *qmp_find_event(Qmp *qmp, const char *name, QmpMatch match,
                                  void *opaque)
{
    for (GList *at = qmp->events.head; at; at = at->next) {
        JsonObject *event = at->data;
        const char *its_name =
            json_object_get_string_member_with_default(event, "event", "");

        if ((!name || !strcmp(name, its_name)) &&
            (!match || match(event, opaque))) {
            g_queue_delete_link(&qmp->events, at);
            return event;
        }
    }
    return NULL;
}

JsonObject *qmp_wait_event(Qmp *qmp, const char *name, QmpMatch match,
                           void *opaque, int timeout_ms, GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    JsonObject *event;

    while (!(event = qmp_find_event(qmp, name, match, opaque))) {
        if (!qmp_receive(qmp, deadline_left(deadline), error)) {
            return NULL;
        }
    }
    return event;
}

void qmp_set_transcript(Qmp *qmp, FILE *file)
{
    qmp->transcript = file;
}

void qmp_set_event_callback(Qmp *qmp, QmpEventCallback callback,
                            void *opaque)
{
    qmp->callback = callback;
    qmp->callback_opaque = opaque;
}

guint64 qmp_events_lost(const Qmp *qmp)
{
    return qmp->events_lost;
}

int qmp_fd(const Qmp *qmp)
{
    return qmp->fd;
}

static bool qmp_negotiate(Qmp *qmp, gint64 deadline, GError **error)
{
    g_autoptr(JsonNode) done = NULL;

    while (!qmp->greeted) {
        if (!qmp_receive(qmp, deadline_left(deadline), error)) {
            g_prefix_error(error, "no greeting (does another program hold "
                           "this monitor?): ");
            return false;
        }
    }
    done = qmp_execute(qmp, "qmp_capabilities", NULL,
                       deadline_left(deadline), error);
    return done != NULL;
}

Qmp *qmp_connect(const char *path, int timeout_ms, GError **error)
{
    gint64 deadline = deadline_after(timeout_ms);
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);
    int failure;

    qmp->input = g_byte_array_new();
    qmp->replies = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                         (GDestroyNotify)json_object_unref);
    qmp->connected_us = g_get_monotonic_time();
    while ((qmp->fd = unix_socket_connect(path, &failure)) < 0) {
        if (failure != EAGAIN || deadline_left(deadline) == 0) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_CONNECT,
                        "%s: cannot connect: %s", path, g_strerror(failure));
            return NULL;
        }
        g_usleep(QMP_CONNECT_RETRY_US);
    }
    if (!qmp_negotiate(qmp, deadline, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    return g_steal_pointer(&qmp);
}
