/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: what travels with a saved machine besides the parent's
 * registers: counters and translations of each device, invalidations that
 * are lost or held back, late DMAs to come
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "qapi/error.h"
#include "qemu/rcu_queue.h"

#define STATE_VERSION   1
#define MAX_NAME        1024
/*
 * All translations that there can be (paging_device_save()), and room for
 * what is late, lost or held back.  Checked when saving, too.
 */
#define MAX_STATE       (PAGING_MAX_BLOCKS * 64 * 24 + 64 * 1024 * 1024)

static void put_string(GByteArray *bytes, const char *string)
{
    paging_put(bytes, strlen(string));
    g_byte_array_append(bytes, (const uint8_t *)string, strlen(string));
}

static char *get_string(PagingReader *reader)
{
    uint64_t length;
    char *string;

    if (!paging_get(reader, MAX_NAME, &length) || length > reader->size) {
        return NULL;
    }
    string = g_strndup((const char *)reader->data, length);
    reader->data += length;
    reader->size -= length;
    return string;
}

/* The record has its length before it: its device may be gone. */
static void save_client(IommuClient *client, GByteArray *bytes)
{
    g_autoptr(GByteArray) record = g_byte_array_new();

    paging_put(record, qatomic_read(&client->blocked));
    paging_put(record, qatomic_read(&client->held_stale));
    paging_put(record, client->last_requester);
    paging_device_save(client->paging, record);
    put_string(bytes, iommu_client_name(client));
    paging_put(bytes, record->len);
    g_byte_array_append(bytes, record->data, record->len);
}

static void save_clients(SunderIommu *s, GByteArray *bytes)
{
    IommuClient *client;
    uint64_t n = 0;

    QLIST_FOREACH_RCU(client, &s->clients, next) {
        n += client->point != NULL;
    }
    paging_put(bytes, n);
    QLIST_FOREACH_RCU(client, &s->clients, next) {
        if (client->point) {
            save_client(client, bytes);
        }
    }
}

static void save_delayed(SunderIommu *s, GByteArray *bytes)
{
    paging_put(bytes, s->delayed->len);
    for (unsigned i = 0; i < s->delayed->len; i++) {
        IommuDelayed *d = &g_array_index(s->delayed, IommuDelayed, i);

        paging_put(bytes, d->due_ns);
        paging_invalidation_save(&d->invalidation, bytes);
    }
}

static void save_late(SunderIommu *s, GByteArray *bytes)
{
    IommuLateDma *late;
    uint64_t n = 0;

    QLIST_FOREACH(late, &s->late, next) {
        n++;
    }
    paging_put(bytes, n);
    QLIST_FOREACH(late, &s->late, next) {
        put_string(bytes, iommu_client_name(late->client));
        paging_put(bytes, late->has_iova);
        paging_put(bytes, late->iova);
        paging_put(bytes, late->write);
        paging_put(bytes, late->due_ns);
    }
}

void iommu_state_save(SunderIommu *s)
{
    GByteArray *bytes = g_byte_array_new();

    iommu_sweep_all(s);
    RCU_READ_LOCK_GUARD();
    paging_put(bytes, STATE_VERSION);
    save_clients(s, bytes);
    save_delayed(s, bytes);
    save_late(s, bytes);
    paging_table_save(s->table, bytes);
    iommu_state_forget(s);
    s->state_size = bytes->len;
    s->state = g_byte_array_free(bytes, FALSE);
}

void iommu_state_forget(SunderIommu *s)
{
    g_clear_pointer(&s->state, g_free);
    s->state_size = 0;
}

static IommuClient *find_client(SunderIommu *s, const char *name)
{
    IommuClient *client;

    QLIST_FOREACH_RCU(client, &s->clients, next) {
        if (client->point && strcmp(iommu_client_name(client), name) == 0) {
            return client;
        }
    }
    return NULL;
}

static bool bad_state(Error **errp, const char *what)
{
    error_setg(errp, "saved state of the IOMMU: %s: out of range or cut off",
               what);
    return false;
}

static bool load_record(IommuClient *client, PagingReader *reader,
                        Error **errp)
{
    g_autoptr(GError) error = NULL;
    uint64_t blocked, held_stale, requester;

    if (!paging_get(reader, UINT64_MAX, &blocked) ||
        !paging_get(reader, UINT64_MAX, &held_stale) ||
        !paging_get(reader, UINT16_MAX, &requester)) {
        return bad_state(errp, "counters");
    }
    if (!paging_device_load(client->paging, reader, &error)) {
        error_setg(errp, "%s: %s", iommu_client_name(client),
                   error->message);
        return false;
    }
    qatomic_set(&client->blocked, blocked);
    qatomic_set(&client->held_stale, held_stale);
    client->last_requester = requester;
    return true;
}

static bool load_client(SunderIommu *s, PagingReader *reader, Error **errp)
{
    g_autofree char *name = get_string(reader);
    PagingReader record;
    IommuClient *client;
    uint64_t size;

    if (!name || !paging_get(reader, reader->size, &size) ||
        size > reader->size) {
        return bad_state(errp, "a device");
    }
    record = (PagingReader) { reader->data, size };
    reader->data += size;
    reader->size -= size;
    client = find_client(s, name);
    return !client || load_record(client, &record, errp);
}

static bool load_delayed(SunderIommu *s, PagingReader *reader)
{
    PagingInvalidation invalidation;
    uint64_t due_ns;

    if (s->delayed->len >= IOMMU_MAX_DELAYED ||
        !paging_get(reader, INT64_MAX, &due_ns) ||
        !paging_invalidation_load(reader, &invalidation)) {
        return false;
    }
    iommu_hold_back_until(s, &invalidation, due_ns);
    return true;
}

static bool load_late(SunderIommu *s, PagingReader *reader)
{
    g_autofree char *name = get_string(reader);
    uint64_t has_iova, iova, write, due_ns;
    IommuClient *client;

    if (!name || !paging_get(reader, 1, &has_iova) ||
        !paging_get(reader, UINT64_MAX, &iova) ||
        !paging_get(reader, 1, &write) ||
        !paging_get(reader, INT64_MAX, &due_ns)) {
        return false;
    }
    client = find_client(s, name);
    if (client) {
        iommu_point_add_late(client, has_iova, iova, write, due_ns);
    }
    return true;
}

/* As many as there are, each by @load. */
static bool load_list(SunderIommu *s, PagingReader *reader,
                      bool (*load)(SunderIommu *s, PagingReader *reader))
{
    uint64_t n;

    if (!paging_get(reader, reader->size, &n)) {
        return false;
    }
    while (n--) {
        if (!load(s, reader)) {
            return false;
        }
    }
    return true;
}

static bool load_clients(SunderIommu *s, PagingReader *reader, Error **errp)
{
    uint64_t n;

    if (!paging_get(reader, reader->size, &n)) {
        return bad_state(errp, "number of devices");
    }
    while (n--) {
        if (!load_client(s, reader, errp)) {
            return false;
        }
    }
    return true;
}

bool iommu_state_load(SunderIommu *s, Error **errp)
{
    PagingReader reader = { s->state, s->state_size };
    g_autoptr(GError) error = NULL;
    uint64_t version;

    if (!paging_get(&reader, STATE_VERSION, &version) ||
        version != STATE_VERSION) {
        return bad_state(errp, "version");
    }
    if (!load_clients(s, &reader, errp)) {
        return false;
    }
    if (!load_list(s, &reader, load_delayed) ||
        !load_list(s, &reader, load_late)) {
        return bad_state(errp, "delayed invalidations or late DMAs");
    }
    if (!paging_table_load(s->table, &reader, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

bool iommu_state_size_valid(void *opaque, int version_id)
{
    SunderIommu *s = opaque;

    return s->state_size <= MAX_STATE;
}
