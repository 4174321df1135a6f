/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's journal: its file, as bytes
 */
#include "target-models/bytes.h"
#include "target-models/store/journal.h"
#include "target-models/store/wire.h"

#define ENTRY_SET       'S'
#define ENTRY_REMOVE    'R'
#define CHECKSUM        8u

static void add_string(GByteArray *entries, const void *bytes, size_t length)
{
    bytes_add32(entries, (uint32_t)length);
    if (length) {
        g_byte_array_append(entries, bytes, (guint)length);
    }
}

void store_journal_set(GByteArray *entries, const char *path,
                       const GByteArray *value, const GPtrArray *permissions)
{
    g_assert(permissions->len <= STORE_PERMISSIONS_MAX);
    bytes_add8(entries, ENTRY_SET);
    add_string(entries, path, strlen(path));
    add_string(entries, value->data, value->len);
    bytes_add8(entries, (uint8_t)permissions->len);
    for (unsigned i = 0; i < permissions->len; i++) {
        const char *permission = permissions->pdata[i];

        add_string(entries, permission, strlen(permission));
    }
}

void store_journal_remove(GByteArray *entries, const char *path)
{
    bytes_add8(entries, ENTRY_REMOVE);
    add_string(entries, path, strlen(path));
}

static void checksum(const uint8_t *bytes, size_t size, uint8_t sum[CHECKSUM])
{
    g_autoptr(GChecksum) sha256 = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize length = sizeof(digest);

    if (size) {
        g_checksum_update(sha256, bytes, (gssize)size);
    }
    g_checksum_get_digest(sha256, digest, &length);
    memcpy(sum, digest, CHECKSUM);
}

void store_journal_record(GByteArray *file, const GByteArray *entries)
{
    uint8_t sum[CHECKSUM];

    g_assert(entries->len > 0 && entries->len <= STORE_RECORD_MAX);
    checksum(entries->data, entries->len, sum);
    bytes_add32(file, entries->len);
    g_byte_array_append(file, sum, sizeof(sum));
    g_byte_array_append(file, entries->data, entries->len);
}

/* A string without a NUL in it; NULL if there is none. */
static char *take_string(BytesReader *reader)
{
    uint32_t length = bytes_take32(reader);
    const uint8_t *bytes = bytes_take(reader, length);

    if (!bytes || memchr(bytes, '\0', length)) {
        return NULL;
    }
    return g_strndup((const char *)bytes, length);
}

static GPtrArray *take_permissions(BytesReader *reader)
{
    g_autoptr(GPtrArray) permissions = g_ptr_array_new_with_free_func(g_free);
    unsigned count = bytes_take8(reader);
    unsigned domain;

    for (unsigned i = 0; i < count; i++) {
        g_autofree char *permission = take_string(reader);

        if (!permission || !store_permission_valid(permission, &domain)) {
            return NULL;
        }
        g_ptr_array_add(permissions, g_steal_pointer(&permission));
    }
    return count ? g_steal_pointer(&permissions) : NULL;
}

static void entry_free(gpointer opaque)
{
    StoreEntry *entry = opaque;

    g_free(entry->path);
    g_clear_pointer(&entry->value, g_bytes_unref);
    g_clear_pointer(&entry->permissions, g_ptr_array_unref);
    g_free(entry);
}

static bool take_path(BytesReader *reader, char **path)
{
    g_autofree char *text = take_string(reader);

    return text && *text == '/' && store_path_resolve(text, 0, path) == 0;
}

static bool take_entry(BytesReader *reader, StoreEntry *entry)
{
    uint8_t kind = bytes_take8(reader);
    const uint8_t *value;
    uint32_t length;

    if ((kind != ENTRY_SET && kind != ENTRY_REMOVE) ||
        !take_path(reader, &entry->path)) {
        return false;
    }
    entry->removed = kind == ENTRY_REMOVE;
    if (entry->removed) {
        return entry->path[1] != '\0';      /* the root stays */
    }
    length = bytes_take32(reader);
    value = bytes_take(reader, length);
    if (!value) {
        return false;
    }
    entry->value = g_bytes_new(value, length);
    entry->permissions = take_permissions(reader);
    return entry->permissions != NULL;
}

GPtrArray *store_journal_next(const uint8_t *bytes, size_t size, size_t *used)
{
    BytesReader reader = { bytes, size, false };
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    uint32_t length = bytes_take32(&reader);
    const uint8_t *stored = bytes_take(&reader, CHECKSUM);
    uint8_t sum[CHECKSUM];

    if (!stored || length == 0 || length > STORE_RECORD_MAX ||
        length > reader.left) {
        return NULL;
    }
    reader.left = length;
    checksum(reader.at, length, sum);
    if (memcmp(sum, stored, CHECKSUM)) {
        return NULL;
    }
    while (reader.left) {
        StoreEntry *entry = g_new0(StoreEntry, 1);

        g_ptr_array_add(entries, entry);
        if (!take_entry(&reader, entry)) {
            return NULL;
        }
    }
    *used = STORE_RECORD_HEADER + length;
    return g_steal_pointer(&entries);
}
