/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has names: finding, making, removing, renaming; and forgetting. */
#include <errno.h>
#include <string.h>

#include "internal.h"

static int lookup_in_root(Call *call)
{
    ShareEngine *engine = call->engine;
    WireEntryOut out = { 0 };
    Node *node = NULL;
    ShareAttr attr;
    Share *share;
    int ret = -ENOENT;

    g_mutex_lock(&engine->lock);
    share = g_hash_table_lookup(engine->shares, call->names[0]);
    if (share) {
        node = share->root;
        node->working++;
    }
    g_mutex_unlock(&engine->lock);
    if (!node) {
        return -ENOENT;
    }
    ret = share->ops->getattr(share->volume, node->file, NULL, &attr);
    g_mutex_lock(&engine->lock);
    if (!share->root) {
        ret = -ENOENT;
    }
    if (ret == 0) {
        node->lookups++;
        out.nodeid = node->id;
        out.attr_valid = share_attr_seconds(share);
        share_attr_fill(engine, share, share->root_type != WIRE_S_IFDIR,
                        &attr, &out.attr);
        if ((engine->flags & WIRE_INIT_SUBMOUNTS) &&
            share->root_type == WIRE_S_IFDIR) {
            out.attr.flags |= WIRE_ATTR_SUBMOUNT;
        }
    }
    g_mutex_unlock(&engine->lock);
    share_call_drop(call, node);
    if (ret == 0) {
        share_call_reply(call, &out, sizeof(out));
    }
    return ret;
}

/* Replies with an entry for @file, which is taken over. */
static int reply_entry(Call *call, Node *dir, const char *name,
                       ShareFile *file, const ShareAttr *attr)
{
    WireEntryOut out;
    int ret = share_node_learn(call, dir, name, file, attr, &out);

    if (ret == 0) {
        share_call_reply(call, &out, sizeof(out));
    }
    return ret;
}


int share_op_lookup(Call *call)
{
    ShareFile *file;
    ShareAttr attr;
    int ret;

    if (!call->share) {
        return lookup_in_root(call);
    }
    ret = call->share->ops->lookup(call->share->volume, call->file,
                                   call->names[0], &file, &attr);
    return ret < 0 ? ret : reply_entry(call, call->node, call->names[0],
                                       file, &attr);
}

static void forget(Call *call, uint64_t id, uint64_t count)
{
    ShareEngine *engine = call->engine;
    Trash trash = { 0 };
    Node *node;

    g_mutex_lock(&engine->lock);
    node = share_node_find(engine, id);
    if (node && node->share) {
        share_node_forget(engine, node, count, &trash);
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
}

int share_op_forget(Call *call)
{
    WireForgetIn in;

    memcpy(&in, call->args, sizeof(in));
    forget(call, call->header.nodeid, in.nlookup);
    return 0;
}

int share_op_batch_forget(Call *call)
{
    WireBatchForgetIn in;
    WireForgetOne one;

    memcpy(&in, call->args, sizeof(in));
    while (in.count-- && call->rest_size >= sizeof(one)) {
        memcpy(&one, call->rest, sizeof(one));
        call->rest += sizeof(one);
        call->rest_size -= sizeof(one);
        forget(call, one.nodeid, one.nlookup);
    }
    return 0;
}

static int make(Call *call, ShareMake *what)
{
    Share *share = call->share;
    ShareFile *file;
    ShareAttr attr;
    int ret = share_call_caller(call, &what->caller);

    if (ret == 0 && !share->ops->make) {
        ret = -EPERM;
    }
    if (ret == 0) {
        ret = share_quota_new_file(call->engine, share);
    }
    if (ret < 0) {
        return ret;
    }
    ret = share->ops->make(share->volume, call->file, call->names[0], what,
                           &file, &attr);
    if (ret < 0) {
        share_quota_no_file(call->engine, share);
        return ret;
    }
    return reply_entry(call, call->node, call->names[0], file, &attr);
}

int share_op_symlink(Call *call)
{
    ShareMake what = {
        .mode = WIRE_S_IFLNK | 0777, .target = call->names[1],
    };

    return make(call, &what);
}

int share_op_mkdir(Call *call)
{
    WireMkdirIn in;
    ShareMake what = { 0 };

    memcpy(&in, call->args, sizeof(in));
    what.mode = WIRE_S_IFDIR | (in.mode & 07777);
    return make(call, &what);
}

/* Whiteouts of overlayfs are devices in name only. */
static int check_type(const Call *call, const WireMknodIn *in)
{
    switch (in->mode & WIRE_S_IFMT) {
    case WIRE_S_IFREG:
    case WIRE_S_IFIFO:
    case WIRE_S_IFSOCK:
        return 0;
    case WIRE_S_IFCHR:
    case WIRE_S_IFBLK:
        return call->share->policy.devices ||
               (in->rdev == 0 && (in->mode & WIRE_S_IFMT) == WIRE_S_IFCHR)
                   ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}

int share_op_mknod(Call *call)
{
    WireMknodIn in;
    ShareMake what = { 0 };
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = check_type(call, &in);
    what.mode = in.mode & (WIRE_S_IFMT | 07777);
    /* new_decode_dev() of Linux */
    what.rdev_major = in.rdev >> 8 & 0xfff;
    what.rdev_minor = (in.rdev & 0xff) | (in.rdev >> 12 & 0xfff00);
    return ret < 0 ? ret : make(call, &what);
}

static int remove_name(Call *call, bool directory)
{
    Share *share = call->share;
    ShareAttr gone;
    int ret;

    if (!share->ops->remove) {
        return -EPERM;
    }
    ret = share->ops->remove(share->volume, call->file, call->names[0],
                             directory, &gone);
    if (ret == 0) {
        share_quota_removed(call->engine, share, &gone, directory);
    }
    return ret;
}

int share_op_unlink(Call *call)
{
    return remove_name(call, false);
}

int share_op_rmdir(Call *call)
{
    return remove_name(call, true);
}

static int rename_to(Call *call, uint64_t id, unsigned flags)
{
    Share *share = call->share;
    ShareAttr replaced = { 0 };
    Node *to;
    int ret;

    if (flags & ~(WIRE_RENAME_NOREPLACE | WIRE_RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    ret = share_call_take(call, id, &to);
    if (ret < 0) {
        return ret;
    }
    ret = to->type != WIRE_S_IFDIR ? -ENOTDIR
        : !share->ops->rename ? -EPERM
        : share_call_may(call, to, OP_MAY_WRITE | OP_MAY_SEARCH);
    if (ret == 0) {
        ret = share->ops->rename(share->volume, call->file, call->names[0],
                                 to->file, call->names[1], flags, &replaced);
    }
    if (ret == 0 && replaced.mode) {
        share_quota_removed(call->engine, share, &replaced,
                            (replaced.mode & WIRE_S_IFMT) == WIRE_S_IFDIR);
    }
    share_call_drop(call, to);
    return ret;
}

int share_op_rename(Call *call)
{
    WireRenameIn in;

    memcpy(&in, call->args, sizeof(in));
    return rename_to(call, in.newdir, 0);
}

int share_op_rename2(Call *call)
{
    WireRename2In in;

    memcpy(&in, call->args, sizeof(in));
    return rename_to(call, in.newdir, in.flags);
}

/* The object has a node already; one more name makes one more lookup. */
int share_op_link(Call *call)
{
    ShareEngine *engine = call->engine;
    Share *share = call->share;
    WireEntryOut out = { 0 };
    WireLinkIn in;
    ShareAttr attr;
    Node *node;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = share_call_take(call, in.oldnodeid, &node);
    if (ret < 0) {
        return ret;
    }
    ret = node->type == WIRE_S_IFDIR || !share->ops->link ? -EPERM
        : share_call_may(call, node, OP_OWNER);
    if (ret == 0) {
        ret = share->ops->link(share->volume, node->file, call->file,
                               call->names[0], &attr);
    }
    if (ret == 0) {
        g_mutex_lock(&engine->lock);
        node->lookups++;
        node->doomed = false;
        share_node_call(node, call->node, call->names[0]);
        out.nodeid = node->id;
        share_attr_fill(engine, share, false, &attr, &out.attr);
        g_mutex_unlock(&engine->lock);
        out.entry_valid = out.attr_valid = share_attr_seconds(share);
        share_call_reply(call, &out, sizeof(out));
    }
    share_call_drop(call, node);
    return ret;
}

int share_op_readlink(Call *call)
{
    g_autofree char *target = NULL;
    int ret;

    if (call->node->type != WIRE_S_IFLNK || !call->share->ops->readlink) {
        return -EINVAL;
    }
    target = g_malloc(SHARE_TARGET_MAX);
    ret = call->share->ops->readlink(call->share->volume, call->file, target,
                                     SHARE_TARGET_MAX);
    if (ret < 0) {
        return ret;
    }
    if ((size_t)ret > call->room) {
        return -ERANGE;
    }
    share_call_reply(call, target, ret);
    return 0;
}
