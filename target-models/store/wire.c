/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's messages on the wire
 */
#include <errno.h>
#include <string.h>

#include "target-models/store/layout.h"
#include "target-models/store/wire.h"

#define PATH_CHARACTERS G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-/_@+"

StoreFrame store_message_parse(const uint8_t *bytes, size_t size,
                               StoreMessage *message, size_t *used)
{
    uint32_t header[4];

    if (size < STORE_HEADER) {
        return STORE_FRAME_PARTIAL;
    }
    memcpy(header, bytes, sizeof(header));
    if (header[3] > STORE_PAYLOAD_MAX) {
        return STORE_FRAME_BAD;
    }
    if (size - STORE_HEADER < header[3]) {
        return STORE_FRAME_PARTIAL;
    }
    *message = (StoreMessage){
        .type = header[0], .request = header[1], .transaction = header[2],
        .payload = header[3] ? bytes + STORE_HEADER : NULL,
        .length = header[3],
    };
    *used = STORE_HEADER + header[3];
    return STORE_FRAME_WHOLE;
}

void store_message_append(GByteArray *bytes, uint32_t type, uint32_t request,
                          uint32_t transaction, const void *payload,
                          size_t length)
{
    uint32_t header[4] = { type, request, transaction, (uint32_t)length };

    g_assert(length <= STORE_PAYLOAD_MAX);
    g_byte_array_append(bytes, (const guint8 *)header, sizeof(header));
    if (length) {
        g_byte_array_append(bytes, payload, (guint)length);
    }
}

unsigned store_message_strings(const StoreMessage *message,
                               const char **strings, unsigned most)
{
    const char *at = (const char *)message->payload;
    size_t left = message->length;
    unsigned count = 0;

    if (left == 0 || at[left - 1] != '\0') {
        return 0;
    }
    while (left) {
        size_t taken = strlen(at) + 1;

        if (count == most) {
            return 0;
        }
        strings[count++] = at;
        at += taken;
        left -= taken;
    }
    return count;
}

const char *store_message_head(const StoreMessage *message,
                               const uint8_t **rest, size_t *length)
{
    const uint8_t *end = message->length
        ? memchr(message->payload, '\0', message->length) : NULL;

    if (!end) {
        return NULL;
    }
    *rest = end + 1;
    *length = message->length - (size_t)(*rest - message->payload);
    return (const char *)message->payload;
}

/* struct xsd_errors: errors travel by name */
static const struct {
    int number;
    const char *name;
} errors[] = {
    { EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" },
    { EISDIR, "EISDIR" }, { ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" },
    { ENOSPC, "ENOSPC" }, { EIO, "EIO" }, { ENOTEMPTY, "ENOTEMPTY" },
    { ENOSYS, "ENOSYS" }, { EROFS, "EROFS" }, { EBUSY, "EBUSY" },
    { EAGAIN, "EAGAIN" }, { EISCONN, "EISCONN" }, { E2BIG, "E2BIG" },
    { EPERM, "EPERM" },
};

const char *store_error_name(int error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (errors[i].number == error) {
            return errors[i].name;
        }
    }
    return "EINVAL";
}

int store_error_number(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (!strcmp(errors[i].name, name)) {
            return errors[i].number;
        }
    }
    return EINVAL;
}

static bool path_valid(const char *path, size_t length)
{
    return length > 0 && strspn(path, PATH_CHARACTERS) == length &&
           !strstr(path, "//") && (length == 1 || path[length - 1] != '/');
}

int store_path_resolve(const char *path, unsigned domain, char **absolute)
{
    size_t length = strlen(path);

    if (!path_valid(path, length)) {
        return EINVAL;
    }
    if (length > (*path == '/' ? STORE_ABSOLUTE_MAX : STORE_RELATIVE_MAX)) {
        return E2BIG;
    }
    *absolute = *path == '/'
        ? g_strdup(path)
        : g_strdup_printf("/local/domain/%u/%s", domain, path);
    return 0;
}

bool store_path_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    if (length == 1) {
        return true;
    }
    return !strncmp(path, folder, length) &&
           (path[length] == '\0' || path[length] == '/');
}

char *store_path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? g_strdup("/")
                         : g_strndup(path, (gsize)(slash - path));
}

bool store_permission_valid(const char *text, unsigned *domain)
{
    uint64_t number;

    if (!*text || !strchr("nrwb", *text) ||
        !store_number_parse(text + 1, STORE_DOMAINS - 1, &number)) {
        return false;
    }
    *domain = (unsigned)number;
    return true;
}
