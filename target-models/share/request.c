/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From bytes to an operation, and back
 *
 * Nothing is believed: lengths are compared with what is there, names end
 * where they must, nodes and handles are looked up.  All but data is copied
 * before it is looked at, as the guest may change it.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

G_STATIC_ASSERT(sizeof(WireInHeader) == 40);
G_STATIC_ASSERT(sizeof(WireOutHeader) == SHARE_REPLY_HEADER);

/* Of a request's body, without data: an attribute's value and its name. */
#define MAX_BODY    (SHARE_XATTR_MAX + 4096)

static int64_t reply_to(const ShareRequest *request, uint64_t unique,
                        int error, size_t body)
{
    WireOutHeader out = {
        .len = SHARE_REPLY_HEADER + (error ? 0 : body),
        .error = error,
        .unique = unique,
    };

    share_spans_write(request->out, request->n_out, 0, &out, sizeof(out));
    return out.len;
}

void share_engine_complete(ShareEngine *engine, const ShareRequest *request,
                           uint64_t unique, int error)
{
    size_t size = reply_to(request, unique, error, 0);

    if (engine->options.complete) {
        engine->options.complete(engine->options.opaque, request->token,
                                 size);
    }
}

void share_call_reply(Call *call, const void *body, size_t size)
{
    call->body_size += share_spans_write(
        call->request->out, call->request->n_out,
        SHARE_REPLY_HEADER + call->body_size, body, size);
}

/* One zero-terminated string from the copy. */
static int parse_name(Call *call, unsigned i)
{
    const char *name = (const char *)call->rest;
    const char *end = memchr(name, 0, call->rest_size);
    size_t size, most = SHARE_NAME_MAX;

    if (!end) {
        return -EINVAL;
    }
    size = end - name;
    if (i == 1 && call->header.opcode == WIRE_SYMLINK) {
        most = SHARE_TARGET_MAX;
    } else if (!(call->op->flags & OP_ANY_NAME) &&
               (strchr(name, '/') || strcmp(name, ".") == 0 ||
                strcmp(name, "..") == 0)) {
        return -EINVAL;
    }
    if (size == 0 || size > most) {
        return size ? -ENAMETOOLONG : -EINVAL;
    }
    call->names[i] = name;
    call->rest += size + 1;
    call->rest_size -= size + 1;
    return 0;
}

/* VFS's extensions: one more group of the caller is what matters here. */
static int parse_extensions(Call *call, const uint8_t *at, size_t size)
{
    while (size) {
        WireExtHeader ext;
        uint32_t groups[2];

        if (size < sizeof(ext)) {
            return -EINVAL;
        }
        memcpy(&ext, at, sizeof(ext));
        if (ext.size < sizeof(ext) || ext.size > size || ext.size % 8) {
            return -EINVAL;
        }
        if (ext.type == WIRE_EXT_GROUPS) {
            if (ext.size < sizeof(ext) + sizeof(groups)) {
                return -EINVAL;
            }
            memcpy(groups, at + sizeof(ext), sizeof(groups));
            call->has_group = groups[0] == 1;
            call->group = groups[1];
        }
        at += ext.size;
        size -= ext.size;
    }
    return 0;
}

/* SETXATTR's arguments have grown. */
static size_t args_size(const Call *call)
{
    return call->header.opcode == WIRE_SETXATTR &&
           !(call->engine->flags & WIRE_INIT_SETXATTR_EXT)
               ? WIRE_SETXATTR_SHORT : call->op->args;
}

/* Copies what is not data: @heap if it is large. */
static int parse(Call *call, uint64_t total, uint8_t **heap)
{
    const ShareRequest *request = call->request;
    size_t size = total - sizeof(call->header), args = args_size(call);
    size_t extensions = call->header.total_extlen * 8u;
    uint8_t *copy = call->stack;
    int ret;

    if (size < args) {
        return -EINVAL;
    }
    if (call->op->flags & OP_DATA) {
        call->in_offset = sizeof(call->header) + args;
        call->in_left = total - call->in_offset;
        size = args;
        extensions = 0;
    } else if (size > MAX_BODY) {
        return -EINVAL;
    }
    if (size > sizeof(call->stack)) {
        *heap = copy = g_malloc(size);
    }
    share_spans_read(request->in, request->n_in, sizeof(call->header), copy,
                     size);
    if (extensions > size - args) {
        return -EINVAL;
    }
    call->args = copy;
    call->rest = copy + args;
    call->rest_size = size - args - extensions;
    ret = parse_extensions(call, copy + size - extensions, extensions);
    for (unsigned i = 0; i < call->op->names && ret == 0; i++) {
        ret = parse_name(call, i);
    }
    return ret;
}

int share_call_caller(Call *call, ShareCaller *caller)
{
    const SharePolicy *p = &call->share->policy;
    uint32_t uid = call->header.uid, gid = call->header.gid;

    memset(caller, 0, sizeof(*caller));
    caller->privileged = uid == 0;
    if (p->squash == SHARE_SQUASH_ALL ||
        (p->squash == SHARE_SQUASH_ROOT && uid == 0)) {
        caller->uid = p->anonymous_uid;
        caller->gid = p->anonymous_gid;
        caller->privileged = false;
        return 0;
    }
    if (!share_policy_host_id(p->uids, p->n_uids, uid, &caller->uid)) {
        return -EOVERFLOW;
    }
    if (p->squash == SHARE_SQUASH_ROOT && gid == 0) {
        caller->gid = p->anonymous_gid;
    } else if (!share_policy_host_id(p->gids, p->n_gids, gid,
                                     &caller->gid)) {
        return -EOVERFLOW;
    }
    caller->has_group = call->has_group &&
        !(p->squash == SHARE_SQUASH_ROOT && call->group == 0) &&
        share_policy_host_id(p->gids, p->n_gids, call->group,
                             &caller->group);
    return 0;
}

int share_call_may_attr(Call *call, const ShareAttr *attr, unsigned may)
{
    const SharePolicy *p = &call->share->policy;
    unsigned others = (may & OP_MAY_READ ? 4 : 0) |
                      (may & OP_MAY_WRITE ? 2 : 0) |
                      (may & OP_MAY_SEARCH ? 1 : 0);
    uint32_t id;

    if (share_policy_guest_id(p->uids, p->n_uids, attr->uid, &id) &&
        share_policy_guest_id(p->gids, p->n_gids, attr->gid, &id)) {
        return 0;
    }
    if (may & OP_OWNER) {
        return -EPERM;
    }
    return (attr->mode & others) == others ? 0 : -EACCES;
}

int share_call_may(Call *call, Node *node, unsigned may)
{
    const SharePolicy *p = &call->share->policy;
    ShareAttr attr;
    int ret;

    if (!may || (p->n_uids == 0 && p->n_gids == 0)) {
        return 0;
    }
    ret = call->share->ops->getattr(call->share->volume, node->file, NULL,
                                    &attr);
    return ret < 0 ? ret : share_call_may_attr(call, &attr, may);
}

/* With the lock held. */
static int take_node(Call *call, uint64_t id, Node **out)
{
    Node *node = share_node_find(call->engine, id);

    if (!node) {
        return -ESTALE;
    }
    if (node->share && (!node->share->root || !node->file) &&
        !(call->op->flags & OP_STALE)) {
        return -ESTALE;
    }
    node->working++;
    *out = node;
    return 0;
}

static int take_handle(Call *call, uint64_t id, Node *node, Handle **out)
{
    Handle *handle = g_hash_table_lookup(call->engine->handles, &id);

    if (!handle || handle->node != node) {
        return -EBADF;
    }
    if (!handle->open && node->share && !(call->op->flags & OP_STALE)) {
        return -ESTALE;
    }
    handle->working++;
    *out = handle;
    return 0;
}

int share_call_take(Call *call, uint64_t id, Node **node)
{
    int ret;

    *node = NULL;
    g_mutex_lock(&call->engine->lock);
    ret = take_node(call, id, node);
    if (ret == 0 && (*node)->share != call->share) {
        (*node)->working--;
        ret = -EXDEV;
    }
    g_mutex_unlock(&call->engine->lock);
    if (ret < 0) {
        *node = NULL;
    }
    return ret;
}

int share_call_take_handle(Call *call, uint64_t id, Node *node,
                           Handle **handle)
{
    int ret;

    g_mutex_lock(&call->engine->lock);
    ret = take_handle(call, id, node, handle);
    g_mutex_unlock(&call->engine->lock);
    return ret;
}

static void drop(Call *call, Node *node, Handle *handle, bool failed)
{
    ShareEngine *engine = call->engine;
    Trash trash = { 0 };

    g_mutex_lock(&engine->lock);
    if (failed && node && node->share) {
        node->share->errors++;
    }
    if (handle) {
        handle->working--;
        share_handle_settle(engine, handle, &trash);
    }
    if (node) {
        node->working--;
        share_node_settle(engine, node, &trash);
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
}

void share_call_drop(Call *call, Node *node)
{
    drop(call, node, NULL, false);
}

void share_call_drop_handle(Call *call, Handle *handle)
{
    drop(call, NULL, handle, false);
}

/* The node and the handle that the request is about. */
static int enter(Call *call)
{
    ShareEngine *engine = call->engine;
    const unsigned kinds = OP_FILE_HANDLE | OP_DIR_HANDLE;
    int ret = 0;
    uint64_t fh;

    g_mutex_lock(&engine->lock);
    if (!engine->started && !(call->op->flags & OP_EARLY)) {
        ret = -EIO;
    } else if (!(call->op->flags & OP_NO_NODE)) {
        ret = take_node(call, call->header.nodeid, &call->node);
    }
    if (call->node) {
        call->share = call->node->share;
        call->file = call->node->file;
        if (call->share) {
            call->share->requests++;
        }
    }
    if (ret == 0 && call->node && (call->op->flags & kinds)) {
        memcpy(&fh, call->args, sizeof(fh));
        ret = take_handle(call, fh, call->node, &call->handle);
    }
    if (call->handle) {
        call->open = call->handle->open;
        if (!(call->op->flags & (call->handle->directory ? OP_DIR_HANDLE
                                                         : OP_FILE_HANDLE))) {
            ret = -EBADF;
        }
    }
    g_mutex_unlock(&engine->lock);
    return ret;
}

static int ask_before(Call *call)
{
    ShareEngine *engine = call->engine;
    g_autofree char *path = NULL, *with_name = NULL;
    ShareAccess access = {
        .opcode = call->header.opcode,
        .operation = call->op->name,
        .share = call->share ? call->share->name : "",
    };

    if (!engine->options.before || !call->node) {
        return 0;
    }
    g_mutex_lock(&engine->lock);
    path = share_node_path(engine, call->node);
    g_mutex_unlock(&engine->lock);
    access.path = path;
    if (call->names[0] && !(call->op->flags & OP_ANY_NAME)) {
        with_name = *path ? g_strdup_printf("%s/%s", path, call->names[0])
                          : g_strdup(call->names[0]);
        access.path = with_name;
    }
    if (access.opcode == WIRE_READ || access.opcode == WIRE_WRITE) {
        WireReadIn in;

        memcpy(&in, call->args, sizeof(in));
        access.offset = in.offset;
        access.size = in.size;
    }
    return engine->options.before(engine->options.opaque, &access);
}

/* What policy says of the operation as such. */
static int permit(Call *call)
{
    uint32_t flags = call->op->flags;

    if (flags & OP_NO_NODE) {
        return 0;
    }
    if (!call->share && !(flags & OP_ROOT)) {
        return flags & OP_CHANGES ? -EROFS : -EOPNOTSUPP;
    }
    if ((flags & OP_DIRECTORY) && call->node->type != WIRE_S_IFDIR) {
        return -ENOTDIR;
    }
    if (!call->share || (flags & OP_STALE)) {
        return 0;
    }
    if ((flags & OP_CHANGES) && call->share->policy.read_only) {
        return -EROFS;
    }
    for (unsigned i = 0; i < call->op->names; i++) {
        if (!(flags & OP_ANY_NAME) &&
            !(i == 1 && call->header.opcode == WIRE_SYMLINK) &&
            share_policy_hides(&call->share->policy, call->names[i])) {
            return i == 0 && (flags & OP_OLD_NAME) ? -ENOENT : -EACCES;
        }
    }
    return share_call_may(call, call->node, flags & ~0xffffu);
}

static int run(Call *call)
{
    int ret = enter(call);

    if (ret == 0) {
        ret = ask_before(call);
    }
    if (ret == 0) {
        ret = permit(call);
    }
    if (ret == 0) {
        ret = call->op->run(call);
        /* ENOSYS would end the operation for all shares */
        if (ret == -ENOSYS && call->share) {
            ret = -EOPNOTSUPP;
        }
    }
    drop(call, call->node, call->handle,
         ret < 0 && ret != -ENOENT && !call->later);
    return ret;
}

static int64_t broken(ShareEngine *engine)
{
    g_mutex_lock(&engine->lock);
    engine->malformed++;
    g_mutex_unlock(&engine->lock);
    return SHARE_BROKEN;
}

static int64_t malformed(Call *call, int error)
{
    broken(call->engine);
    if (share_spans_size(call->request->out, call->request->n_out) <
        SHARE_REPLY_HEADER) {
        return SHARE_BROKEN;
    }
    return reply_to(call->request, call->header.unique, error, 0);
}

static int64_t finish(Call *call, int error)
{
    if (call->later) {
        return SHARE_LATER;
    }
    if (call->op->flags & OP_NO_REPLY) {
        return 0;
    }
    /* an errno, or a file side that says what Linux would not take */
    if (error > 0 || error < -4095) {
        error = -EIO;
    }
    return reply_to(call->request, call->header.unique, error,
                    call->body_size);
}

int64_t share_engine_handle(ShareEngine *engine,
                            const ShareRequest *request)
{
    uint64_t total = share_spans_size(request->in, request->n_in);
    uint64_t room = share_spans_size(request->out, request->n_out);
    g_autofree uint8_t *heap = NULL;
    Call call;
    int64_t reply;
    int ret;

    memset(&call, 0, offsetof(Call, stack));
    call.engine = engine;
    call.request = request;
    if (total < sizeof(call.header)) {
        return broken(engine);
    }
    share_spans_read(request->in, request->n_in, 0, &call.header,
                     sizeof(call.header));
    call.op = share_operation(call.header.opcode);
    if (call.header.len != total) {
        return malformed(&call, -EINVAL);
    }
    if (!(call.op->flags & OP_NO_REPLY)) {
        if (room < SHARE_REPLY_HEADER) {
            return malformed(&call, -EINVAL);
        }
        call.room = MIN(room - SHARE_REPLY_HEADER, UINT32_MAX / 2);
        if (call.room < call.op->reply) {
            return malformed(&call, -EINVAL);
        }
    }
    ret = parse(&call, total, &heap);
    if (ret < 0) {
        return malformed(&call, ret);
    }
    ret = run(&call);
    reply = finish(&call, ret);
    if (call.unlocked) {
        share_engine_retry_locks(engine);
    }
    return reply;
}
