/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: ports and the service itself. */
#include "mac-internal.h"

#include <string.h>

G_DEFINE_QUARK(sunder-mac-error-quark, mac_error)

static void free_port(gpointer data)
{
    MacPort *port = data;

    g_free(port->name);
    g_free(port);
}

static void free_client(gpointer data)
{
    mac_client_free(data);
}

MacService *mac_service_new(void)
{
    MacService *service = g_new0(MacService, 1);

    service->ports = g_ptr_array_new();
    service->dead_ports = g_ptr_array_new_with_free_func(free_port);
    service->dead_clients = g_ptr_array_new_with_free_func(free_client);
    return service;
}

void mac_service_leave(MacService *service)
{
    if (--service->depth == 0 &&
        (service->dead_clients->len || service->dead_ports->len)) {
        g_ptr_array_set_size(service->dead_clients, 0);
        g_ptr_array_set_size(service->dead_ports, 0);
    }
}

void mac_service_free(MacService *service)
{
    if (!service) {
        return;
    }
    while (service->ports->len) {
        mac_port_withdraw(g_ptr_array_index(service->ports,
                                            service->ports->len - 1));
    }
    g_ptr_array_unref(service->ports);
    g_ptr_array_unref(service->dead_clients);
    g_ptr_array_unref(service->dead_ports);
    g_free(service);
}

static MacPort *find_port(MacService *service, const char *name)
{
    for (unsigned i = 0; i < service->ports->len; i++) {
        MacPort *port = g_ptr_array_index(service->ports, i);

        if (strcmp(port->name, name) == 0) {
            return port;
        }
    }
    return NULL;
}

MacPort *mac_service_find_port(MacService *service, const char *name,
                               GError **error)
{
    MacPort *port = find_port(service, name);
    g_autoptr(GString) names = NULL;

    if (port) {
        return port;
    }
    names = g_string_new(NULL);
    for (unsigned i = 0; i < service->ports->len; i++) {
        port = g_ptr_array_index(service->ports, i);
        g_string_append_printf(names, "%s%s", i ? ", " : "", port->name);
    }
    g_set_error(error, MAC_ERROR, MAC_ERROR_PORT, "port %s: no such port; "
                "there %s %s", name,
                service->ports->len == 1 ? "is" : "are",
                names->len ? names->str : "none");
    return NULL;
}

MacPort *mac_port_publish(MacService *service, const char *name,
                          const MacProviderOps *ops, void *opaque,
                          GError **error)
{
    size_t length = strlen(name);
    MacPort *port;

    if (length == 0 || length > MAC_MAX_NAME) {
        g_set_error(error, MAC_ERROR, MAC_ERROR_LIMIT, "the name of a port "
                    "has %zu bytes; give it 1 to %d", length, MAC_MAX_NAME);
        return NULL;
    }
    if (find_port(service, name)) {
        g_set_error(error, MAC_ERROR, MAC_ERROR_PORT, "port %s: there is one "
                    "of that name; choose another", name);
        return NULL;
    }
    port = g_new0(MacPort, 1);
    port->service = service;
    port->name = g_strdup(name);
    port->ops = ops;
    port->opaque = opaque;
    port->published = true;
    g_ptr_array_add(service->ports, port);
    return port;
}

static void withdraw_client(MacClient *client)
{
    /* before it is detached: it may still ask which port this was */
    if (client->ops->withdrawn) {
        client->ops->withdrawn(client->opaque);
    }
    mac_client_detach_now(client);
}

void mac_port_withdraw(MacPort *port)
{
    MacService *service = port->service;

    if (!port->published) {
        return;
    }
    mac_service_enter(service);
    port->published = false;
    g_ptr_array_remove(service->ports, port);
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        if (port->clients[i]) {
            withdraw_client(port->clients[i]);
        }
    }
    g_ptr_array_add(service->dead_ports, port);
    mac_service_leave(service);
}

const char *mac_port_name(const MacPort *port)
{
    return port->name;
}

const MacLink *mac_port_link(const MacPort *port)
{
    return &port->link;
}

const MacPortStats *mac_port_stats(const MacPort *port)
{
    return &port->stats;
}

unsigned mac_port_clients(const MacPort *port)
{
    return port->n_clients;
}

void mac_port_set_stats(MacPort *port, const MacPortStats *stats)
{
    port->stats = stats ? *stats : (MacPortStats){ .lookups = 0 };
}

void mac_port_set_link(MacPort *port, const MacLink *link, uint64_t now_ns)
{
    if (port->link.up == link->up &&
        port->link.full_duplex == link->full_duplex &&
        port->link.speed_mbps == link->speed_mbps) {
        return;
    }
    mac_service_enter(port->service);
    port->link = *link;
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        MacClient *client = port->clients[i];

        if (client && client->ops->link_changed) {
            client->ops->link_changed(client->opaque, &port->link, now_ns);
        }
    }
    /* what waited for room will be dropped, which is room enough */
    mac_port_resume(port);
    mac_service_leave(port->service);
}

void mac_port_completed(MacPort *port)
{
    mac_service_enter(port->service);
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        MacClient *client = port->clients[i];

        if (client && client->ops->completed) {
            client->ops->completed(client->opaque);
        }
    }
    mac_service_leave(port->service);
}

/* One round: each client that waited is told once, while there is room. */
void mac_port_resume(MacPort *port)
{
    unsigned first = port->next_resumed;

    mac_service_enter(port->service);
    port->full = false;
    for (unsigned i = 0; i < MAC_MAX_CLIENTS && !port->full; i++) {
        unsigned slot = (first + i) % MAC_MAX_CLIENTS;
        MacClient *client = port->clients[slot];

        if (client && client->waiting) {
            client->waiting = false;
            port->next_resumed = (slot + 1) % MAC_MAX_CLIENTS;
            if (client->ops->resume) {
                client->ops->resume(client->opaque);
            }
        }
    }
    mac_service_leave(port->service);
}
