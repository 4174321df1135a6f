/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes, as policy lets the guest see them
 *
 * SHARE_XATTR_MAPPED keeps what is not user.* under user.sunder., so that
 * the guest can have its trusted.* and security.* without being given those
 * of the host.  File capabilities it cannot have that way: the host's kernel
 * would not clear them when the file is written (CVE-2021-20263).
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define USER        "user."
#define MAPPED      "user.sunder."
#define CAPABILITY  "security.capability"
/* What the host's own meaning would make of it: access control lists. */
#define SYSTEM      "system."
#define NAME_BUFFER (SHARE_NAME_MAX + sizeof(MAPPED))

/* The name on the host: 0, or -EOPNOTSUPP. */
static int host_name(const Call *call, const char *name, char *out)
{
    ShareXattrs policy = call->share->policy.xattrs;
    bool user = g_str_has_prefix(name, USER);

    g_strlcpy(out, name, NAME_BUFFER);
    switch (policy) {
    case SHARE_XATTR_ALL:
        return 0;
    case SHARE_XATTR_USER:
        return user ? 0 : -EOPNOTSUPP;
    case SHARE_XATTR_MAPPED:
        if (g_str_has_prefix(name, MAPPED) ||
            g_str_has_prefix(name, SYSTEM) ||
            strcmp(name, CAPABILITY) == 0) {
            return -EOPNOTSUPP;
        }
        if (!user) {
            g_snprintf(out, NAME_BUFFER, MAPPED "%s", name);
        }
        return strlen(out) > SHARE_NAME_MAX ? -ENAMETOOLONG : 0;
    default:
        return -EOPNOTSUPP;
    }
}

/* Returns: what the guest calls it; NULL: it does not see it. */
static const char *guest_name(const Call *call, const char *name)
{
    switch (call->share->policy.xattrs) {
    case SHARE_XATTR_ALL:
        return name;
    case SHARE_XATTR_USER:
        return g_str_has_prefix(name, USER) ? name : NULL;
    case SHARE_XATTR_MAPPED:
        if (g_str_has_prefix(name, MAPPED)) {
            name += strlen(MAPPED);
            /* what it could not have set it does not see either */
            return !*name || g_str_has_prefix(name, USER) ||
                   g_str_has_prefix(name, SYSTEM) ||
                   strcmp(name, CAPABILITY) == 0 ? NULL : name;
        }
        return g_str_has_prefix(name, USER) ? name : NULL;
    default:
        return NULL;
    }
}

/* Symbolic links and special files have none that a guest could need. */
static bool has_none(const Call *call)
{
    return call->share->policy.xattrs == SHARE_XATTR_NONE ||
           (call->node->type != WIRE_S_IFREG &&
            call->node->type != WIRE_S_IFDIR);
}

/* @size 0: how large the value is; else the value. */
static int reply_value(Call *call, uint32_t size, const void *value,
                       uint64_t is)
{
    WireGetxattrOut out = { .size = is };

    if (size == 0) {
        if (call->room < sizeof(out)) {
            return -EINVAL;
        }
        share_call_reply(call, &out, sizeof(out));
        return 0;
    }
    if (is > size || is > call->room) {
        return -ERANGE;
    }
    share_call_reply(call, value, is);
    return 0;
}

int share_op_getxattr(Call *call)
{
    g_autofree char *value = NULL;
    char name[NAME_BUFFER];
    WireGetxattrIn in;
    int64_t got;
    size_t size;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    if (has_none(call) || !call->share->ops->getxattr) {
        return -EOPNOTSUPP;
    }
    ret = host_name(call, call->names[0], name);
    if (ret < 0) {
        return ret;
    }
    size = MIN(MIN(in.size, SHARE_XATTR_MAX), call->room);
    value = g_malloc(MAX(size, 1));
    if (in.size && !size) {
        return -ERANGE;
    }
    got = call->share->ops->getxattr(call->share->volume, call->file, name,
                                     value, size);
    if (got > (int64_t)size && size) {
        return -EIO;
    }
    return got < 0 ? got : reply_value(call, in.size, value, got);
}

/* Puts the names that the guest sees at the front.  Returns: bytes. */
static size_t filter_list(const Call *call, char *list, size_t size)
{
    size_t kept = 0;

    for (size_t at = 0; at < size;) {
        size_t length = strnlen(list + at, size - at);
        const char *name = list + at;

        if (at + length == size) {
            break;
        }
        at += length + 1;
        name = guest_name(call, name);
        if (name) {
            length = strlen(name) + 1;
            memmove(list + kept, name, length);
            kept += length;
        }
    }
    return kept;
}

int share_op_listxattr(Call *call)
{
    g_autofree char *names = NULL;
    WireGetxattrIn in;
    int64_t got;

    memcpy(&in, call->args, sizeof(in));
    if (has_none(call) || !call->share->ops->listxattr) {
        return reply_value(call, in.size, "", 0);
    }
    /* the guest's list may be shorter than the host's */
    names = g_malloc(SHARE_XATTR_MAX);
    got = call->share->ops->listxattr(call->share->volume, call->file, names,
                                      SHARE_XATTR_MAX);
    if (got > SHARE_XATTR_MAX) {
        return -EIO;
    }
    return got < 0 ? got
         : reply_value(call, in.size, names,
                       filter_list(call, names, got));
}

int share_op_setxattr(Call *call)
{
    char name[NAME_BUFFER];
    WireSetxattrIn in = { 0 };
    int ret;

    memcpy(&in, call->args, WIRE_SETXATTR_SHORT);
    if (has_none(call) || !call->share->ops->setxattr) {
        return -EOPNOTSUPP;
    }
    if (in.size > call->rest_size ||
        (in.flags & ~(WIRE_XATTR_CREATE | WIRE_XATTR_REPLACE))) {
        return -EINVAL;
    }
    if (in.size > SHARE_XATTR_MAX) {
        return -E2BIG;
    }
    ret = host_name(call, call->names[0], name);
    if (ret < 0) {
        return ret;
    }
    return call->share->ops->setxattr(call->share->volume, call->file, name,
                                      call->rest, in.size, in.flags);
}

int share_op_removexattr(Call *call)
{
    char name[NAME_BUFFER];
    int ret;

    if (has_none(call) || !call->share->ops->removexattr) {
        return -EOPNOTSUPP;
    }
    ret = host_name(call, call->names[0], name);
    if (ret < 0) {
        return ret;
    }
    return call->share->ops->removexattr(call->share->volume, call->file,
                                         name);
}
