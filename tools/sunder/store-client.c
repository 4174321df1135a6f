/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the store of shares, for the trusted side
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "error.h"
#include "store-client.h"
#include "store-daemon.h"
#include "target-models/store/wire.h"
#include "unix-socket.h"

#define TIMEOUT_MS      30000

/* Requests on the way at once: both their bytes and their answers fit. */
#define PIPELINE        32u

struct StoreClient {
    int fd;
    uint32_t transaction;
    uint32_t request;
    GByteArray *input;
    size_t used;            /* of the front of input, from the time before */
};

char *store_client_socket(GError **error)
{
    return store_daemon_socket(error);
}

StoreClient *store_client_open(bool start, GError **error)
{
    int fd = store_daemon_connect(start, error);
    StoreClient *client;

    if (fd < 0) {
        return NULL;
    }
    client = g_new0(StoreClient, 1);
    client->fd = fd;
    client->input = g_byte_array_new();
    return client;
}

void store_client_free(StoreClient *client)
{
    close(client->fd);
    g_byte_array_unref(client->input);
    g_free(client);
}

pid_t store_client_pid(const StoreClient *client)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer,
                      &length) == 0 ? peer.pid : 0;
}

/* Wait until the socket can be used; what goes wrong is in @error. */
static bool client_wait(StoreClient *client, short events, gint64 deadline,
                        GError **error)
{
    struct pollfd wait = { .fd = client->fd, .events = events };
    int ready;

    do {
        ready = poll(&wait, 1, deadline_left(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready > 0) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT,
                "the store of shares has not answered within %d s",
                TIMEOUT_MS / 1000);
    return false;
}

bool store_client_wait_end(StoreClient *client, unsigned seconds)
{
    gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    char bytes[256];

    while (client_wait(client, POLLIN, deadline, NULL)) {
        ssize_t n = read(client->fd, bytes, sizeof(bytes));

        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            return true;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
    }
    return false;
}

static bool client_gone(GError **error)
{
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "the store of shares has ended: %s",
                errno ? g_strerror(errno) : "it closed the connection");
    return false;
}

static bool client_send(StoreClient *client, const GByteArray *bytes,
                        GError **error)
{
    gint64 deadline = deadline_after(TIMEOUT_MS);
    size_t sent = 0;

    while (sent < bytes->len) {
        ssize_t done = send(client->fd, bytes->data + sent, bytes->len - sent,
                            MSG_NOSIGNAL);

        if (done > 0) {
            sent += (size_t)done;
        } else if (errno != EAGAIN && errno != EINTR) {
            return client_gone(error);
        } else if (!client_wait(client, POLLOUT, deadline, error)) {
            return false;
        }
    }
    return true;
}

/* One more message; its payload is good until the next is received. */
static bool client_receive(StoreClient *client, StoreMessage *message,
                           GError **error)
{
    gint64 deadline = deadline_after(TIMEOUT_MS);
    uint8_t bytes[4096];

    g_byte_array_remove_range(client->input, 0, (guint)client->used);
    client->used = 0;
    for (;;) {
        ssize_t got;

        switch (store_message_parse(client->input->data, client->input->len,
                                    message, &client->used)) {
        case STORE_FRAME_WHOLE:
            return true;
        case STORE_FRAME_BAD:
            errno = EPROTO;
            return client_gone(error);
        case STORE_FRAME_PARTIAL:
            break;
        }
        got = recv(client->fd, bytes, sizeof(bytes), 0);
        if (got > 0) {
            g_byte_array_append(client->input, bytes, (guint)got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            errno = got == 0 ? 0 : errno;
            return client_gone(error);
        } else if (!client_wait(client, POLLIN, deadline, error)) {
            return false;
        }
    }
}

/*
 * The answer to the request that was sent first of those that have none yet.
 * *@failure: the errno that it is; false: there is none at all.
 */
static bool client_answer(StoreClient *client, StoreMessage *message,
                          int *failure, GError **error)
{
    const char *name;

    if (!client_receive(client, message, error)) {
        return false;
    }
    *failure = 0;
    if (message->type == STORE_ERROR) {
        *failure = store_message_strings(message, &name, 1) == 1
            ? store_error_number(name) : EINVAL;
    }
    return true;
}

static void client_add(StoreClient *client, GByteArray *requests,
                       StoreType type, const void *payload, size_t length)
{
    store_message_append(requests, type, ++client->request,
                         client->transaction, payload, length);
}

static bool client_refused(const char *what, const char *path, int failure,
                           GError **error)
{
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "the store of shares: %s %s: %s", what, path,
                g_strerror(failure));
    return false;
}

/* One request and its answer */
static bool client_ask(StoreClient *client, StoreType type,
                       const GByteArray *payload, StoreMessage *message,
                       int *failure, GError **error)
{
    g_autoptr(GByteArray) request = g_byte_array_new();

    if (payload->len > STORE_PAYLOAD_MAX) {
        *failure = E2BIG;
        return true;
    }
    client_add(client, request, type, payload->data, payload->len);
    return client_send(client, request, error) &&
           client_answer(client, message, failure, error);
}

static void add_string(GByteArray *payload, const char *text)
{
    g_byte_array_append(payload, (const guint8 *)text,
                        (guint)strlen(text) + 1);
}

bool store_client_begin(StoreClient *client, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    StoreMessage message;
    const char *number;
    int failure;

    add_string(payload, "");
    if (!client_ask(client, STORE_TRANSACTION_START, payload, &message,
                    &failure, error)) {
        return false;
    }
    if (failure || store_message_strings(&message, &number, 1) != 1) {
        return client_refused("begin", "a transaction", failure,
                              error);
    }
    client->transaction = (uint32_t)g_ascii_strtoull(number, NULL, 10);
    return true;
}

bool store_client_end(StoreClient *client, bool commit, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    StoreMessage message;
    int failure;
    bool asked;

    add_string(payload, commit ? "T" : "F");
    asked = client_ask(client, STORE_TRANSACTION_END, payload, &message,
                       &failure, error);
    client->transaction = 0;
    if (!asked || failure == EAGAIN) {
        return false;
    }
    return !failure || client_refused("commit", "a transaction", failure,
                                      error);
}

static bool read_answers(StoreClient *client, const GPtrArray *paths,
                         GPtrArray *values, unsigned end, GError **error)
{
    while (values->len < end) {
        StoreMessage message;
        int failure;

        if (!client_answer(client, &message, &failure, error)) {
            return false;
        }
        if (failure && failure != ENOENT) {
            return client_refused("read", paths->pdata[values->len], failure,
                                  error);
        }
        g_ptr_array_add(values, failure ? NULL : g_strndup(
            message.length ? (const char *)message.payload : "",
            message.length));
    }
    return true;
}

GPtrArray *store_client_read_all(StoreClient *client, const GPtrArray *paths,
                                 GError **error)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);

    while (values->len < paths->len) {
        g_autoptr(GByteArray) requests = g_byte_array_new();
        unsigned end = MIN(paths->len, values->len + PIPELINE);

        for (unsigned i = values->len; i < end; i++) {
            const char *path = paths->pdata[i];

            client_add(client, requests, STORE_READ, path, strlen(path) + 1);
        }
        if (!client_send(client, requests, error) ||
            !read_answers(client, paths, values, end, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&values);
}

char *store_client_read(StoreClient *client, const char *path, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autoptr(GPtrArray) values = NULL;

    g_ptr_array_add(paths, (gpointer)path);
    values = store_client_read_all(client, paths, error);
    return values ? g_steal_pointer(&values->pdata[0]) : NULL;
}

/* The answer's names behind which listing they are of; true: those are all */
static bool take_names(const StoreMessage *message, char **which,
                       GString *names, bool *other)
{
    const uint8_t *rest;
    size_t length;
    const char *this = store_message_head(message, &rest, &length);

    *other = *which && g_strcmp0(this, *which);
    if (!this || *other) {
        return !this;
    }
    g_free(*which);
    *which = g_strdup(this);
    g_string_append_len(names, (const char *)rest, (gssize)length);
    if (length == 0) {
        return true;
    }
    return rest[length - 1] == '\0' && (length == 1 ||
                                        rest[length - 2] == '\0');
}

static GPtrArray *split_names(const GString *names)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    for (const char *at = names->str; at < names->str + names->len && *at;
         at += strlen(at) + 1) {
        g_ptr_array_add(list, g_strdup(at));
    }
    return list;
}

GPtrArray *store_client_list(StoreClient *client, const char *path,
                             GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *which = NULL;
    bool done = false;

    while (!done) {
        g_autoptr(GByteArray) payload = g_byte_array_new();
        g_autofree char *offset = g_strdup_printf("%zu", names->len);
        StoreMessage message;
        int failure;
        bool other;

        add_string(payload, path);
        add_string(payload, offset);
        if (!client_ask(client, STORE_DIRECTORY_PART, payload, &message,
                        &failure, error)) {
            return NULL;
        }
        if (failure == ENOENT) {
            break;
        }
        if (failure && (failure != EINVAL || names->len == 0)) {
            client_refused("list", path, failure, error);
            return NULL;
        }
        /* It has changed meanwhile, perhaps so that there is no such part. */
        done = !failure && take_names(&message, &which, names, &other);
        if (failure || other) {
            g_string_truncate(names, 0);
            g_clear_pointer(&which, g_free);
        }
    }
    return split_names(names);
}

/* A request that changes something and is answered "OK" */
static bool client_change(StoreClient *client, StoreType type,
                          const char *what, const GByteArray *payload,
                          GError **error)
{
    StoreMessage message;
    int failure;

    if (!client_ask(client, type, payload, &message, &failure, error)) {
        return false;
    }
    if (failure && !(type == STORE_RM && failure == ENOENT)) {
        return client_refused(what, (const char *)payload->data, failure,
                              error);
    }
    return true;
}

bool store_client_write(StoreClient *client, const char *path,
                        const char *value, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_string(payload, path);
    g_byte_array_append(payload, (const guint8 *)value,
                        (guint)strlen(value));
    return client_change(client, STORE_WRITE, "write", payload, error);
}

bool store_client_make(StoreClient *client, const char *path, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_string(payload, path);
    return client_change(client, STORE_MKDIR, "make", payload, error);
}

bool store_client_remove(StoreClient *client, const char *path,
                         GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_string(payload, path);
    return client_change(client, STORE_RM, "remove", payload, error);
}

bool store_client_permit(StoreClient *client, const char *path,
                         unsigned domain, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autofree char *reader = g_strdup_printf("r%u", domain);

    add_string(payload, path);
    add_string(payload, "n0");
    add_string(payload, reader);
    return client_change(client, STORE_SET_PERMS, "permissions of", payload,
                         error);
}
