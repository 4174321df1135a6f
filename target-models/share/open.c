/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening and closing regular files. */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* Somebody else may make or remove the file again and again. */
#define CREATE_TRIES    8

uint32_t share_open_reply_flags(const Share *share, bool directory)
{
    switch (share->policy.cache) {
    case SHARE_CACHE_ALWAYS:
        return directory ? WIRE_OPENED_CACHE_DIR | WIRE_OPENED_KEEP_CACHE
                         : WIRE_OPENED_KEEP_CACHE;
    case SHARE_CACHE_NONE:
        return directory ? 0
                         : WIRE_OPENED_DIRECT_IO | WIRE_OPENED_PARALLEL_DW;
    default:
        return 0;
    }
}

int share_open_flags(const Share *share, uint32_t wire, unsigned *flags)
{
    static const unsigned modes[] = {
        [WIRE_O_RDONLY] = SHARE_OPEN_READ,
        [WIRE_O_WRONLY] = SHARE_OPEN_WRITE,
        [WIRE_O_RDWR] = SHARE_OPEN_READ | SHARE_OPEN_WRITE,
    };
    uint32_t mode = wire & WIRE_O_ACCMODE;

    if (mode >= G_N_ELEMENTS(modes)) {
        return -EINVAL;
    }
    *flags = modes[mode];
    if (wire & WIRE_O_TRUNC) {
        *flags |= SHARE_OPEN_TRUNCATE;
    }
    if (share->policy.read_only &&
        (*flags & (SHARE_OPEN_WRITE | SHARE_OPEN_TRUNCATE))) {
        return -EROFS;
    }
    if (wire & WIRE_O_APPEND) {
        *flags |= SHARE_OPEN_APPEND;
    }
    if ((wire & WIRE_O_SYNC) == WIRE_O_SYNC) {
        *flags |= SHARE_OPEN_SYNC;
    } else if (wire & WIRE_O_DSYNC) {
        *flags |= SHARE_OPEN_DSYNC;
    }
    return 0;
}

static unsigned may_open(unsigned flags)
{
    return (flags & SHARE_OPEN_READ ? OP_MAY_READ : 0) |
           (flags & (SHARE_OPEN_WRITE | SHARE_OPEN_TRUNCATE)
                ? OP_MAY_WRITE : 0);
}

/* Opens what the guest knows as @node; the quota learns of a truncation. */
static int open_node(Call *call, Node *node, unsigned flags,
                     ShareOpen **open)
{
    Share *share = call->share;
    bool truncates = flags & SHARE_OPEN_TRUNCATE;
    int ret;

    if (node->type != WIRE_S_IFREG) {
        return node->type == WIRE_S_IFDIR ? -EISDIR : -ENXIO;
    }
    ret = share_call_may(call, node, may_open(flags));
    if (ret == 0 && truncates) {
        ret = share_quota_grow(call, node, 0, false);
    }
    if (ret < 0) {
        return ret;
    }
    ret = share->ops->open(share->volume, node->file,
                           flags & ~SHARE_OPEN_APPEND, open);
    if (truncates) {
        share_quota_finish(call, node, NULL);
    }
    return ret;
}

int share_op_open(Call *call)
{
    WireOpenIn in;
    WireOpenOut out = {
        .open_flags = share_open_reply_flags(call->share, false),
    };
    unsigned flags;
    ShareOpen *open;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = share_open_flags(call->share, in.flags, &flags);
    if (ret == 0) {
        ret = open_node(call, call->node, flags, &open);
    }
    if (ret == 0) {
        ret = share_handle_give(call, call->node, open, flags, false,
                                &out.fh);
    }
    if (ret == 0) {
        share_call_reply(call, &out, sizeof(out));
    }
    return ret;
}

static void forget_once(Call *call, Node *node)
{
    Trash trash = { 0 };

    g_mutex_lock(&call->engine->lock);
    share_node_forget(call->engine, node, 1, &trash);
    g_mutex_unlock(&call->engine->lock);
    share_trash_empty(call->engine, &trash);
}

/*
 * Replies with the entry and a handle for it.  @entry has been learned,
 * @open is taken over; NULL: it is opened here.
 */
static int reply_created(Call *call, WireEntryOut *entry, ShareOpen *open,
                         unsigned flags, bool doomed)
{
    WireOpenOut out = {
        .open_flags = share_open_reply_flags(call->share, false),
    };
    Node *node;
    int ret = share_call_take(call, entry->nodeid, &node);

    if (ret < 0) {
        if (open) {
            call->share->ops->release(call->share->volume, open);
        }
        return ret;
    }
    if (!open) {
        ret = open_node(call, node, flags, &open);
    } else if (doomed) {
        g_mutex_lock(&call->engine->lock);
        node->doomed = true;
        g_mutex_unlock(&call->engine->lock);
    }
    if (ret == 0) {
        ret = share_handle_give(call, node, open, flags, false, &out.fh);
    }
    if (ret < 0) {
        forget_once(call, node);
    } else {
        share_call_reply(call, entry, sizeof(*entry));
        share_call_reply(call, &out, sizeof(out));
    }
    share_call_drop(call, node);
    return ret;
}

/* A new file, or -EEXIST. */
static int create_new(Call *call, unsigned flags, uint32_t mode,
                      const ShareCaller *caller, bool named)
{
    Share *share = call->share;
    int (*create)(void *, ShareFile *, const char *, unsigned, uint32_t,
                  const ShareCaller *, ShareFile **, ShareAttr *,
                  ShareOpen **) = share->ops->create;
    unsigned pass = flags & ~(SHARE_OPEN_APPEND | SHARE_OPEN_TRUNCATE);
    WireEntryOut entry;
    ShareFile *file;
    ShareOpen *open;
    ShareAttr attr;
    int ret;

    if (named ? !create : !share->ops->tmpfile) {
        return -EOPNOTSUPP;
    }
    ret = share_quota_new_file(call->engine, share);
    if (ret < 0) {
        return ret;
    }
    ret = named
        ? create(share->volume, call->file, call->names[0], pass, mode,
                 caller, &file, &attr, &open)
        : share->ops->tmpfile(share->volume, call->file, pass, mode, caller,
                              &file, &attr, &open);
    if (ret < 0) {
        share_quota_no_file(call->engine, share);
        return ret;
    }
    ret = share_node_learn(call, call->node, named ? call->names[0] : NULL,
                           file, &attr, &entry);
    if (ret < 0) {
        share->ops->release(share->volume, open);
        return ret;
    }
    return reply_created(call, &entry, open, flags, !named);
}

/* One that is there, or -ENOENT. */
static int open_found(Call *call, unsigned flags)
{
    Share *share = call->share;
    WireEntryOut entry;
    ShareFile *file;
    ShareAttr attr;
    int ret = share->ops->lookup(share->volume, call->file, call->names[0],
                                 &file, &attr);

    if (ret == 0) {
        ret = share_node_learn(call, call->node, call->names[0], file, &attr,
                               &entry);
    }
    return ret < 0 ? ret : reply_created(call, &entry, NULL, flags, false);
}

static int create(Call *call, bool named)
{
    WireCreateIn in;
    ShareCaller caller;
    unsigned flags;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = share_open_flags(call->share, in.flags, &flags);
    if (ret == 0) {
        ret = share_call_caller(call, &caller);
    }
    if (ret < 0) {
        return ret;
    }
    for (unsigned i = 0; i < CREATE_TRIES; i++) {
        ret = create_new(call, flags, in.mode & 07777, &caller, named);
        if (!named || (in.flags & WIRE_O_EXCL) ||
            (ret != -EEXIST && ret != -EDQUOT)) {
            return ret;
        }
        if (ret == -EDQUOT) {
            /* no more files; but this one may be there */
            ret = open_found(call, flags);
            return ret == -ENOENT ? -EDQUOT : ret;
        }
        ret = open_found(call, flags);
        if (ret != -ENOENT) {
            return ret;
        }
    }
    return ret;
}

int share_op_create(Call *call)
{
    return create(call, true);
}

int share_op_tmpfile(Call *call)
{
    return create(call, false);
}

int share_op_release(Call *call)
{
    ShareEngine *engine = call->engine;
    WireReleaseIn in;
    Trash trash = { 0 };

    memcpy(&in, call->args, sizeof(in));
    if (call->share && !call->handle->directory &&
        (in.release_flags & WIRE_RELEASE_FLOCK_UNLOCK)) {
        share_locks_drop_owner(call, in.lock_owner, true);
    }
    g_mutex_lock(&engine->lock);
    if (!call->handle->released) {
        /* it goes when the last request on it is over: at the latest this */
        share_handle_release(engine, call->handle, &trash);
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
    return 0;
}

int share_op_flush(Call *call)
{
    WireFlushIn in;

    memcpy(&in, call->args, sizeof(in));
    /* who closes any of its descriptors loses its locks: POSIX */
    share_locks_drop_owner(call, in.lock_owner, false);
    return call->share->ops->flush
               ? call->share->ops->flush(call->share->volume, call->open)
               : 0;
}

int share_op_fsync(Call *call)
{
    WireFsyncIn in;

    memcpy(&in, call->args, sizeof(in));
    if (!call->share || !call->share->ops->fsync) {
        return 0;
    }
    return call->share->ops->fsync(call->share->volume, call->open,
                                   in.fsync_flags & WIRE_FSYNC_DATA);
}
