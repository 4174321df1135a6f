/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MAC service: clients and their filters. */
#include "mac-internal.h"

#define WORD_BITS   64

void mac_filter_init(MacFilter *filter, uint64_t address)
{
    *filter = (MacFilter){
        .address = address,
        .vlan = MAC_ANY,
        .sap = MAC_ANY,
    };
}

static bool check_filter(const MacFilter *filter, GError **error)
{
    if (filter->n_addresses > MAC_MAX_ADDRESSES) {
        g_set_error(error, MAC_ERROR, MAC_ERROR_LIMIT, "a filter of %u "
                    "addresses; there is room for %d: use all_multicast or "
                    "promiscuous", filter->n_addresses, MAC_MAX_ADDRESSES);
        return false;
    }
    return true;
}

static void copy_filter(MacClient *client, const MacFilter *filter)
{
    g_autofree uint64_t *vlans =
        filter->vlans ? g_memdup2(filter->vlans, NIC_VLANS / 8) : NULL;
    GHashTable *addresses = NULL;

    if (filter->n_addresses) {
        addresses = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                          g_free, NULL);
    }
    for (unsigned i = 0; i < filter->n_addresses; i++) {
        g_hash_table_add(addresses, g_memdup2(&filter->addresses[i],
                                              sizeof(uint64_t)));
    }
    g_clear_pointer(&client->addresses, g_hash_table_unref);
    g_free(client->vlans);
    client->addresses = addresses;
    client->vlans = g_steal_pointer(&vlans);
    client->filter = *filter;
    client->filter.addresses = NULL;
    client->filter.vlans = client->vlans;
}

static bool is_listed(const MacClient *client, uint64_t address)
{
    return client->addresses &&
           g_hash_table_contains(client->addresses, &address);
}

bool mac_client_owns(const MacClient *client, uint64_t address)
{
    return !nic_address_is_group(address) && !client->filter.no_unicast &&
           (address == client->filter.address || is_listed(client, address));
}

static bool address_matches(const MacClient *client, uint64_t address)
{
    const MacFilter *f = &client->filter;

    if (address == NIC_BROADCAST) {
        return !f->no_broadcast;
    }
    if (nic_address_is_group(address)) {
        return !f->no_multicast && (f->promiscuous || f->all_multicast ||
                                    is_listed(client, address));
    }
    return !f->no_unicast &&
           (f->promiscuous || f->all_unicast || address == f->address ||
            is_listed(client, address));
}

static bool vlan_matches(const MacFilter *f, const NicDestination *d)
{
    /* an id of 0 is a tag for priority only: such a frame is in no VLAN */
    if (f->vlan != MAC_ANY && f->vlan != d->vlan) {
        return false;
    }
    return !f->vlans || d->vlan == 0 ||
           f->vlans[d->vlan / WORD_BITS] >> d->vlan % WORD_BITS & 1;
}

bool mac_client_matches(const MacClient *client, const NicDestination *d)
{
    return (client->filter.sap == MAC_ANY || client->filter.sap == d->sap) &&
           vlan_matches(&client->filter, d) &&
           address_matches(client, d->address);
}

static bool is_client_behind(const MacPort *lower, const MacPort *upper)
{
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        if (lower->clients[i] && lower->clients[i]->behind == upper) {
            return true;
        }
    }
    return false;
}

/*
 * Finds the way from @port down to @wanted, through ports that @port stands
 * on.  @path gets the names; it is left as it was when there is none.
 *
 * There are no loops yet, and MAC_MAX_DEPTH ends the search.
 */
static bool stands_on(MacPort *port, MacPort *wanted, GString *path,
                      unsigned *depth)
{
    GPtrArray *ports = port->service->ports;
    size_t length = path->len;
    unsigned deepest = 0;

    g_string_append_printf(path, "%s%s", length ? " on " : "", port->name);
    if (port == wanted) {
        return true;
    }
    for (unsigned i = 0; i < ports->len; i++) {
        MacPort *lower = g_ptr_array_index(ports, i);
        unsigned below = 0;

        if (is_client_behind(lower, port)) {
            if (stands_on(lower, wanted, path, &below)) {
                return true;
            }
            deepest = MAX(deepest, below + 1);
        }
    }
    *depth = deepest;
    g_string_truncate(path, length);
    return false;
}

/* Ports that stand on @port, one upon the other. */
static unsigned height_above(const MacPort *port)
{
    unsigned highest = 0;

    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        if (port->clients[i] && port->clients[i]->behind) {
            unsigned above = height_above(port->clients[i]->behind) + 1;

            highest = MAX(highest, above);
        }
    }
    return highest;
}

static bool check_stack(MacPort *port, MacPort *behind, GError **error)
{
    g_autoptr(GString) path = g_string_new(NULL);
    unsigned below = 0;

    if (stands_on(port, behind, path, &below)) {
        g_set_error(error, MAC_ERROR, MAC_ERROR_LOOP, "port %s cannot be a "
                    "member of %s: that would be a loop (%s on %s)",
                    port->name, behind->name, behind->name, path->str);
        return false;
    }
    if (below + height_above(behind) + 2 > MAC_MAX_DEPTH) {
        g_set_error(error, MAC_ERROR, MAC_ERROR_LIMIT, "port %s cannot be a "
                    "member of %s: more than %d ports would stand on one "
                    "another", port->name, behind->name, MAC_MAX_DEPTH);
        return false;
    }
    return true;
}

/* A client behind a port shares with taps only. */
static bool check_alone(const MacPort *port, const MacFilter *filter,
                        const MacPort *behind, GError **error)
{
    for (unsigned i = 0; i < MAC_MAX_CLIENTS && !filter->all_sap; i++) {
        const MacClient *other = port->clients[i];

        if (other && !other->filter.all_sap && (other->behind || behind)) {
            g_set_error(error, MAC_ERROR, MAC_ERROR_BUSY, "port %s is %s "
                        "%s%s; detach that first", port->name,
                        other->behind ? "a member of" : "used by",
                        other->behind ? other->behind->name
                                      : "another client",
                        other->behind ? "" : ", and a member is used alone");
            return false;
        }
    }
    return true;
}

static int free_slot(const MacPort *port)
{
    for (unsigned i = 0; i < MAC_MAX_CLIENTS; i++) {
        if (!port->clients[i]) {
            return i;
        }
    }
    return -1;
}

MacClient *mac_client_attach(MacPort *port, const MacFilter *filter,
                             MacPort *behind, const MacClientOps *ops,
                             void *opaque, GError **error)
{
    int slot = free_slot(port);
    MacClient *client;

    if (slot < 0 || !port->published) {
        g_set_error(error, MAC_ERROR, slot < 0 ? MAC_ERROR_LIMIT
                                               : MAC_ERROR_PORT,
                    "port %s %s", port->name,
                    slot < 0 ? "has all the clients it can have; detach one"
                             : "is being withdrawn");
        return NULL;
    }
    if (!check_filter(filter, error) ||
        !check_alone(port, filter, behind, error) ||
        (behind && !check_stack(port, behind, error))) {
        return NULL;
    }
    client = g_new0(MacClient, 1);
    client->port = port;
    client->behind = behind;
    client->ops = ops;
    client->opaque = opaque;
    client->slot = slot;
    client->attached = true;
    copy_filter(client, filter);
    port->clients[slot] = client;
    port->n_clients++;
    mac_port_forget_classes(port);
    return client;
}

void mac_client_free(MacClient *client)
{
    g_clear_pointer(&client->addresses, g_hash_table_unref);
    g_free(client->vlans);
    g_free(client);
}

void mac_client_detach_now(MacClient *client)
{
    MacPort *port = client->port;

    if (!client->attached) {
        return;
    }
    client->attached = false;
    port->clients[client->slot] = NULL;
    port->n_clients--;
    mac_port_forget_classes(port);
    g_ptr_array_add(port->service->dead_clients, client);
}

void mac_client_detach(MacClient *client)
{
    MacService *service = client->port->service;

    mac_service_enter(service);
    mac_client_detach_now(client);
    mac_service_leave(service);
}

bool mac_client_set_filter(MacClient *client, const MacFilter *filter,
                           GError **error)
{
    if (!check_filter(filter, error)) {
        return false;
    }
    copy_filter(client, filter);
    mac_port_forget_classes(client->port);
    return true;
}

MacPort *mac_client_port(const MacClient *client)
{
    return client->port;
}

const MacClientStats *mac_client_stats(const MacClient *client)
{
    return &client->stats;
}

void mac_client_set_stats(MacClient *client, const MacClientStats *stats)
{
    client->stats = stats ? *stats : (MacClientStats){ .transfers = 0 };
}
