/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's sockets
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib-unix.h>

#include "server.h"
#include "target-models/store/layout.h"
#include "tree.h"

#define READ_BYTES      8192u
#define OUTPUT_ENOUGH   65536u  /* then it has to read before it may ask */
#define TURN_REQUESTS   16u     /* then it is the turn of others */
#define QUEUE           64      /* of listen(2) */
#define CLIENTS_MAX     512u    /* below the usual 1,024 descriptors */
#define CLIENTS_DOMAIN  8u

typedef struct Listener {
    Server *server;
    unsigned domain;
    char *path;
    int fd;
    guint source;
} Listener;

struct Server {
    GMainLoop *loop;
    char *folder;
    StoreFile *file;
    Store *store;
    GPtrArray *listeners;
    GPtrArray *clients;
};

typedef struct Client {
    GSource *source;
    gpointer tag;               /* of its descriptor in the source */
    Server *server;
    StoreConnection *connection;
    int fd;
    bool ended;                 /* it sends no more */
} Client;

/* A GSource that points back at its client */
typedef struct ClientSource {
    GSource base;
    Client *client;
} ClientSource;

static void client_free(gpointer opaque)
{
    Client *client = opaque;

    store_disconnect(client->connection);
    g_source_destroy(client->source);
    g_source_unref(client->source);
    close(client->fd);
    g_free(client);
}

static void client_close(Client *client)
{
    g_ptr_array_remove_fast(client->server->clients, client);
}

/* False: the client is gone. */
static bool client_read(Client *client)
{
    uint8_t bytes[READ_BYTES];
    ssize_t got = read(client->fd, bytes, sizeof(bytes));

    if (got > 0) {
        store_receive(client->connection, bytes, (size_t)got);
    }
    client->ended = client->ended || got == 0;
    return got >= 0 || errno == EAGAIN || errno == EINTR;
}

static bool client_write(Client *client)
{
    GByteArray *output = store_output(client->connection);
    size_t sent = 0;
    ssize_t done = 1;

    while (sent < output->len && done > 0) {
        done = send(client->fd, output->data + sent, output->len - sent,
                    MSG_NOSIGNAL);
        sent += done > 0 ? (size_t)done : 0;
    }
    if (sent) {
        g_byte_array_remove_range(output, 0, (guint)sent);
    }
    return done > 0 || errno == EAGAIN || errno == EINTR;
}

/* Some requests, for others wait; false: it is to be closed. */
static bool client_serve(Client *client)
{
    GByteArray *output = store_output(client->connection);
    StoreProgress progress = STORE_DONE;

    for (unsigned i = 0; i < TURN_REQUESTS && progress == STORE_DONE &&
         output->len < OUTPUT_ENOUGH; i++) {
        progress = store_process(client->connection);
    }
    if (progress == STORE_BROKEN || !client_write(client)) {
        return false;
    }
    if (progress == STORE_DONE && output->len < OUTPUT_ENOUGH) {
        g_source_set_ready_time(client->source, 0);     /* another turn */
    }
    g_source_modify_unix_fd(client->source, client->tag,
                            (progress == STORE_IDLE && !client->ended
                             ? G_IO_IN : 0) |
                            (output->len ? G_IO_OUT : 0));
    return !client->ended || progress != STORE_IDLE || output->len;
}

static gboolean client_dispatch(GSource *source, GSourceFunc callback,
                                gpointer opaque)
{
    Client *client = ((ClientSource *)source)->client;
    GIOCondition ready = g_source_query_unix_fd(source, client->tag);

    g_source_set_ready_time(source, -1);
    if ((ready & G_IO_ERR) ||
        ((ready & (G_IO_IN | G_IO_HUP)) && !client_read(client)) ||
        !client_serve(client)) {
        client_close(client);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs client_functions = { .dispatch = client_dispatch };

static bool peer_is_trusted(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static bool has_room(const Listener *listener)
{
    const GPtrArray *clients = listener->server->clients;
    unsigned count = 0;

    for (unsigned i = 0; i < clients->len; i++) {
        const Client *client = clients->pdata[i];

        count += store_connection_domain(client->connection) ==
                 listener->domain;
    }
    return clients->len < CLIENTS_MAX &&
           (listener->domain == STORE_TRUSTED || count < CLIENTS_DOMAIN);
}

static void client_new(Listener *listener, int fd)
{
    Client *client = g_new0(Client, 1);
    GSource *source = g_source_new(&client_functions, sizeof(ClientSource));

    ((ClientSource *)source)->client = client;
    client->source = source;
    client->server = listener->server;
    client->fd = fd;
    client->connection = store_connect(listener->server->store,
                                       listener->domain, client);
    client->tag = g_source_add_unix_fd(source, fd, G_IO_IN);
    g_ptr_array_add(listener->server->clients, client);
    g_source_attach(source, NULL);
}

static gboolean listener_accept(gint fd, GIOCondition condition,
                                gpointer opaque)
{
    Listener *listener = opaque;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client >= 0 && peer_is_trusted(client) && has_room(listener)) {
        client_new(listener, client);
    } else if (client >= 0) {
        close(client);
    }
    return G_SOURCE_CONTINUE;
}

static void listener_free(gpointer opaque)
{
    Listener *listener = opaque;

    g_clear_handle_id(&listener->source, g_source_remove);
    if (listener->fd >= 0) {
        close(listener->fd);
        unlink(listener->path);
    }
    g_free(listener->path);
    g_free(listener);
}

static int listen_at(const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = -1;

    if (strlen(path) >= sizeof(address.sun_path)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NAMETOOLONG,
                    "%s: %zu bytes, a socket's path has at most %zu", path,
                    strlen(path), sizeof(address.sun_path) - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    unlink(path);           /* one that was killed left it; we have the lock */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, QUEUE) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: cannot listen there: %s", path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static bool server_listen(Server *server, const char *name, unsigned domain,
                          GError **error)
{
    Listener *listener = g_new0(Listener, 1);

    listener->server = server;
    listener->domain = domain;
    listener->path = g_build_filename(server->folder, name, NULL);
    listener->fd = listen_at(listener->path, error);
    if (listener->fd < 0) {
        listener_free(listener);
        return false;
    }
    listener->source = g_unix_fd_add(listener->fd, G_IO_IN, listener_accept,
                                     listener);
    g_ptr_array_add(server->listeners, listener);
    return true;
}

static int host_keep(void *opaque, const uint8_t *record, size_t size)
{
    Server *server = opaque;

    return file_keep(server->file, record, size);
}

static void host_introduced(void *opaque, unsigned domain)
{
    Server *server = opaque;
    g_autofree char *name = g_strdup_printf("domain-%u.socket", domain);
    g_autoptr(GError) error = NULL;

    if (!server_listen(server, name, domain, &error)) {
        fprintf(stderr, "domain %u: %s\n", domain, error->message);
    }
}

static void host_released(void *opaque, unsigned domain)
{
    Server *server = opaque;

    for (unsigned i = server->listeners->len; i-- > 0;) {
        const Listener *listener = server->listeners->pdata[i];

        if (listener->domain == domain) {
            g_ptr_array_remove_index_fast(server->listeners, i);
        }
    }
    for (unsigned i = server->clients->len; i-- > 0;) {
        const Client *client = server->clients->pdata[i];

        if (store_connection_domain(client->connection) == domain) {
            g_ptr_array_remove_index_fast(server->clients, i);
        }
    }
}

static void host_output(void *opaque, void *client)
{
    g_source_set_ready_time(((Client *)client)->source, 0);
}

static const StoreHost host = {
    .keep = host_keep,
    .introduced = host_introduced,
    .released = host_released,
    .output = host_output,
};

Server *server_new(const char *folder, StoreFile *file, GError **error)
{
    Server *server = g_new0(Server, 1);

    umask(0077);
    server->folder = g_strdup(folder);
    server->file = file;
    server->loop = g_main_loop_new(NULL, FALSE);
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->clients = g_ptr_array_new_with_free_func(client_free);
    server->store = store_new(&tree_ops, tree_new(), &host, server);
    if (!file_load(file, server->store, error)) {
        server_free(server);
        return NULL;
    }
    store_announce(server->store);
    if (!server_listen(server, "socket", STORE_TRUSTED, error)) {
        server_free(server);
        return NULL;
    }
    return server;
}

static gboolean server_end(gpointer opaque)
{
    g_main_loop_quit(((Server *)opaque)->loop);
    return G_SOURCE_CONTINUE;
}

void server_run(Server *server)
{
    guint sources[] = {
        g_unix_signal_add(SIGTERM, server_end, server),
        g_unix_signal_add(SIGINT, server_end, server),
    };

    g_main_loop_run(server->loop);
    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_source_remove(sources[i]);
    }
}

void server_free(Server *server)
{
    g_ptr_array_unref(server->listeners);
    g_ptr_array_unref(server->clients);
    store_free(server->store);
    g_main_loop_unref(server->loop);
    g_free(server->folder);
    g_free(server);
}
