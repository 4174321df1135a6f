/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's layout
 */
#include <string.h>

#include "target-models/store/layout.h"

/* The highest user number; the one above means "none" (user_namespaces(7)). */
#define MAP_HIGHEST     (UINT32_MAX - 1ull)

bool store_number_parse(const char *text, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    if (!*text || (*text == '0' && text[1])) {
        return false;
    }
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || digit > most || value > (most - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

/* What a terminal shows as it is: no controls, nothing that turns text round */
static bool printable(gunichar character)
{
    GUnicodeType type = g_unichar_type(character);

    return g_unichar_isprint(character) && type != G_UNICODE_FORMAT &&
           type != G_UNICODE_LINE_SEPARATOR &&
           type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

bool store_tag_valid(const char *tag)
{
    size_t length = strlen(tag);

    if (length == 0 || length > STORE_TAG_MAX || !strcmp(tag, ".") ||
        !strcmp(tag, "..") || strchr(tag, '/') ||
        !g_utf8_validate(tag, -1, NULL)) {
        return false;
    }
    for (; *tag; tag = g_utf8_next_char(tag)) {
        if (!printable(g_utf8_get_char(tag))) {
            return false;
        }
    }
    return true;
}

static bool ranges_meet(uint32_t a, uint32_t b, const StoreMapRange *range_a,
                        const StoreMapRange *range_b)
{
    return a < (uint64_t)b + range_b->count && b < (uint64_t)a + range_a->count;
}

static bool map_range_parse(const char *word, StoreMapRange *range)
{
    g_auto(GStrv) parts = g_strsplit(word, ":", 0);
    uint64_t guest, host, count;

    if (g_strv_length(parts) != 3 ||
        !store_number_parse(parts[0], MAP_HIGHEST, &guest) ||
        !store_number_parse(parts[1], MAP_HIGHEST, &host) ||
        !store_number_parse(parts[2], MAP_HIGHEST + 1, &count) ||
        count == 0 || count > MAP_HIGHEST + 1 - MAX(guest, host)) {
        return false;
    }
    *range = (StoreMapRange){ (uint32_t)guest, (uint32_t)host,
                              (uint32_t)count };
    return true;
}

static bool map_add(GArray *map, const StoreMapRange *range)
{
    for (unsigned i = 0; i < map->len; i++) {
        const StoreMapRange *there = &g_array_index(map, StoreMapRange, i);

        if (ranges_meet(range->guest, there->guest, range, there) ||
            ranges_meet(range->host, there->host, range, there)) {
            return false;
        }
    }
    if (map->len == STORE_MAP_RANGES) {
        return false;
    }
    g_array_append_val(map, *range);
    return true;
}

GArray *store_map_parse(const char *text)
{
    g_autoptr(GArray) map = g_array_new(FALSE, FALSE, sizeof(StoreMapRange));
    g_auto(GStrv) words = g_strsplit(text, " ", 0);

    for (unsigned i = 0; words[i]; i++) {
        StoreMapRange range;

        if (*words[i] && (!map_range_parse(words[i], &range) ||
                          !map_add(map, &range))) {
            return NULL;
        }
    }
    return g_steal_pointer(&map);
}

static bool one_of(const char *value, const char *const *words)
{
    return g_strv_contains(words, value);
}

static bool type_valid(const char *value)
{
    return one_of(value, (const char *[]){ "directory", "file", "volume",
                                           NULL });
}

static bool access_valid(const char *value)
{
    return one_of(value, (const char *[]){ "ro", "rw", NULL });
}

static bool cache_valid(const char *value)
{
    return one_of(value, (const char *[]){ "none", "auto", "always", NULL });
}

static bool state_valid(const char *value)
{
    return one_of(value, (const char *[]){ "offered", "failed", NULL });
}

static bool squash_valid(const char *value)
{
    return one_of(value, (const char *[]){ "none", "root", "all", NULL });
}

static bool xattr_valid(const char *value)
{
    return one_of(value, (const char *[]){ "none", "user", "all", NULL });
}

/* Any bytes but NUL may stand in a path; the store's own limit bounds it. */
static bool path_valid(const char *value)
{
    return value[0] == '/' && strlen(value) <= STORE_VALUE_MAX;
}

static bool map_valid(const char *value)
{
    g_autoptr(GArray) map = store_map_parse(value);

    return map && strlen(value) <= STORE_VALUE_MAX;
}

/* Sizes of files are signed, off_t. */
static bool quota_valid(const char *value)
{
    uint64_t number;

    return store_number_parse(value, INT64_MAX, &number);
}

static bool hide_valid(const char *value)
{
    return strlen(value) <= STORE_VALUE_MAX && !strchr(value, '/') &&
           g_utf8_validate(value, -1, NULL);
}

static bool error_valid(const char *value)
{
    return strlen(value) <= STORE_VALUE_MAX;
}

const StoreKey store_keys[] = {
    { "tag", STORE_FRONT, NULL,
      "a file name of 1 to 255 printable bytes of UTF-8 without \"/\", not "
      "\".\" or \"..\"", store_tag_valid },
    { "type", STORE_FRONT, NULL, "directory, file or volume", type_valid },
    { "access", STORE_FRONT, "ro", "ro or rw", access_valid },
    { "cache", STORE_FRONT, "auto", "none, auto or always", cache_valid },
    { "state", STORE_FRONT, NULL, "offered or failed", state_valid },
    { "path", STORE_BACK, NULL, "an absolute path of at most 2048 bytes",
      path_valid },
    { "uid-map", STORE_BACK, "", "ranges GUEST:HOST:COUNT, blanks between "
      "them, that do not overlap", map_valid },
    { "gid-map", STORE_BACK, "", "ranges GUEST:HOST:COUNT, blanks between "
      "them, that do not overlap", map_valid },
    { "squash", STORE_BACK, "none", "none, root or all", squash_valid },
    { "xattr", STORE_BACK, "user", "none, user or all", xattr_valid },
    { "quota-bytes", STORE_BACK, "0", "a number of bytes, 0 for no limit",
      quota_valid },
    { "quota-files", STORE_BACK, "0", "a number of files, 0 for no limit",
      quota_valid },
    { "hide", STORE_BACK, "", "patterns of file names, one a line, at most "
      "2048 bytes of UTF-8 without \"/\"", hide_valid },
    { "error", STORE_BACK, "", "a text of at most 2048 bytes", error_valid },
    { NULL, STORE_FRONT, NULL, NULL, NULL },
};

const StoreKey *store_key_find(const char *name)
{
    for (const StoreKey *key = store_keys; key->name; key++) {
        if (!strcmp(key->name, name)) {
            return key;
        }
    }
    return NULL;
}

char *store_path_name(unsigned domain)
{
    return g_strdup_printf("/local/domain/%u/name", domain);
}

char *store_path_folder(StoreSide side, unsigned domain)
{
    return side == STORE_FRONT
           ? g_strdup_printf("/local/domain/%u/device/share", domain)
           : g_strdup_printf("/local/domain/0/backend/share/%u", domain);
}

char *store_path_next(unsigned domain)
{
    return g_strdup_printf("/local/domain/0/backend/share/%u/next", domain);
}

char *store_path_share(StoreSide side, unsigned domain, unsigned share)
{
    g_autofree char *folder = store_path_folder(side, domain);

    return g_strdup_printf("%s/%u", folder, share);
}

char *store_path_key(const StoreKey *key, unsigned domain, unsigned share)
{
    g_autofree char *folder = store_path_share(key->side, domain, share);

    return g_strdup_printf("%s/%s", folder, key->name);
}
