/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP client over a Unix socket
 *
 * Concepts
 *   reply   each command gets one, in the order of the commands. qmp_execute()
 *           waits for it; qmp_send() and qmp_reply() are its two halves.
 *   event   may arrive at any time. It goes to the callback and is queued
 *           until qmp_take_event() or qmp_wait_event() takes it out. The queue
 *           keeps the last QMP_EVENTS_MAX; qmp_events_lost() counts the rest.
 *   times   in milliseconds from the call; -1 waits for ever, 0 looks only at
 *           what has arrived.
 *
 * A Qmp is used by one thread at a time; several may exist. It owns its
 * socket. JSON handed out belongs to the caller unless said otherwise.
 */
#ifndef SUNDER_QMP_H
#define SUNDER_QMP_H

#include <stdbool.h>
#include <stdio.h>

#include <json-glib/json-glib.h>

#define QMP_EVENTS_MAX 65536u

#define QMP_ERROR qmp_error_quark()

typedef enum QmpError {
    QMP_ERROR_GENERIC,            /* classes of QMP; message is its "desc" */
    QMP_ERROR_COMMAND_NOT_FOUND,
    QMP_ERROR_DEVICE_NOT_ACTIVE,
    QMP_ERROR_DEVICE_NOT_FOUND,
    QMP_ERROR_CONNECT,            /* no socket there, or nobody answers */
    QMP_ERROR_CLOSED,             /* the emulator closed the connection */
    QMP_ERROR_TIMEOUT,
    QMP_ERROR_PROTOCOL,           /* not JSON, or not what QMP says */
} QmpError;

typedef struct Qmp Qmp;

/* Returns whether @event (whole: event, data, timestamp) is the one. */
typedef bool (*QmpMatch)(JsonObject *event, void *opaque);
typedef void (*QmpEventCallback)(JsonObject *event, void *opaque);

GQuark qmp_error_quark(void);

/*
 * Connect to @path, read the greeting and negotiate capabilities.
 * Waits while another client holds the monitor, up to @timeout_ms.
 */
Qmp *qmp_connect(const char *path, int timeout_ms, GError **error);
void qmp_free(Qmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/*
 * Write every line to @file: "-> " for what we send, "<- " for what arrives,
 * preceded by seconds since the connection. NULL ends it. @file stays the
 * caller's and must live until then.
 */
void qmp_set_transcript(Qmp *qmp, FILE *file);

/* Call @callback for each event as it is read, before it is queued. */
void qmp_set_event_callback(Qmp *qmp, QmpEventCallback callback,
                            void *opaque);

/*
 * Run @command with @arguments (may be NULL; the caller keeps it).
 * Returns the "return" value, or NULL with the error's class as code and its
 * "desc" as message.
 */
JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonObject *arguments,
                      int timeout_ms, GError **error);

/* The same with @arguments as JSON text; NULL for none. */
JsonNode *qmp_execute_text(Qmp *qmp, const char *command,
                           const char *arguments, int timeout_ms,
                           GError **error);

/* Send a command; returns its id (above 0), or 0 with @error set. */
guint64 qmp_send(Qmp *qmp, const char *command, JsonObject *arguments,
                 GError **error);

/* Wait for the reply to @id, which qmp_send() gave; as qmp_execute(). */
JsonNode *qmp_reply(Qmp *qmp, guint64 id, int timeout_ms, GError **error);

/*
 * Read what arrives within @timeout_ms: returns as soon as one message has
 * been taken in. False with @error QMP_ERROR_TIMEOUT or QMP_ERROR_CLOSED.
 */
bool qmp_receive(Qmp *qmp, int timeout_ms, GError **error);

/* Oldest event in the queue, or NULL. Never reads the socket. */
JsonObject *qmp_take_event(Qmp *qmp);

/*
 * Take the oldest event named @name (NULL: any) that @match accepts (NULL:
 * all) out of the queue, waiting for it if need be. Others stay queued.
 */
JsonObject *qmp_wait_event(Qmp *qmp, const char *name, QmpMatch match,
                           void *opaque, int timeout_ms, GError **error);

guint64 qmp_events_lost(const Qmp *qmp);

/* For poll(): readable means that qmp_receive(qmp, 0, ...) has work. */
int qmp_fd(const Qmp *qmp);

#endif /* SUNDER_QMP_H */
