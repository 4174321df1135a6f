/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes, as the guest is shown them and as it may set them. */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define SECOND_NS       1000000000u
#define AUTO_SECONDS    1           /* as NFS has it for what just changed */
#define ALWAYS_SECONDS  86400
#define INO_BITS        48          /* of the file system's own number */
#define DEVICES_MAX     0x7fff
#define BLOCK_SIZE      4096

uint64_t share_attr_seconds(const Share *share)
{
    switch (share->policy.cache) {
    case SHARE_CACHE_ALWAYS:
        return ALWAYS_SECONDS;
    case SHARE_CACHE_AUTO:
        return AUTO_SECONDS;
    default:
        return 0;
    }
}

static uint64_t mixed_ino(ShareEngine *engine, uint64_t dev, uint64_t ino)
{
    uint64_t index = (uintptr_t)g_hash_table_lookup(engine->devices, &dev);

    if (!index && g_hash_table_size(engine->devices) < DEVICES_MAX) {
        index = g_hash_table_size(engine->devices) + 1;
        g_hash_table_insert(engine->devices, g_memdup2(&dev, sizeof(dev)),
                            (void *)(uintptr_t)index);
    }
    if (index && ino >> INO_BITS == 0) {
        return index << INO_BITS | ino;
    }
    /* two may meet, as rarely as 63 bits allow */
    return ((dev * 0x9e3779b97f4a7c15ull) ^ (ino * 0xd6e8feb86659fd93ull)) |
           1ull << 63;
}

/*
 * The file system's own number where the guest sees the share as a file
 * system of its own; else one that differs for each file system.
 */
uint64_t share_attr_ino(ShareEngine *engine, Share *share, uint64_t dev,
                        uint64_t ino, bool in_root)
{
    bool own = (engine->flags & WIRE_INIT_SUBMOUNTS) && !in_root &&
               share->root_type == WIRE_S_IFDIR;

    return own ? ino : mixed_ino(engine, dev, ino);
}

static uint32_t device_number(uint32_t major, uint32_t minor)
{
    /* as Linux has it in 32 bits: new_encode_dev() */
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

void share_attr_fill(ShareEngine *engine, Share *share, bool in_root,
                     const ShareAttr *attr, WireAttr *out)
{
    const SharePolicy *p = &share->policy;

    *out = (WireAttr){
        .ino = share_attr_ino(engine, share, attr->dev, attr->ino, in_root),
        .size = attr->size,
        .blocks = attr->blocks,
        .atime = attr->atime.sec,
        .mtime = attr->mtime.sec,
        .ctime = attr->ctime.sec,
        .atimensec = attr->atime.nsec,
        .mtimensec = attr->mtime.nsec,
        .ctimensec = attr->ctime.nsec,
        .mode = attr->mode,
        .nlink = attr->nlink,
        .rdev = device_number(attr->rdev_major, attr->rdev_minor),
        .blksize = attr->block_size,
    };
    share_policy_guest_id(p->uids, p->n_uids, attr->uid, &out->uid);
    share_policy_guest_id(p->gids, p->n_gids, attr->gid, &out->gid);
    if (p->dax && !p->max_bytes && (engine->flags & WIRE_INIT_INODE_DAX) &&
        (attr->mode & WIRE_S_IFMT) == WIRE_S_IFREG) {
        out->flags |= WIRE_ATTR_DAX;
    }
}

void share_attr_root(ShareEngine *engine, WireAttr *out)
{
    *out = (WireAttr){
        .ino = WIRE_ROOT_ID,
        .mode = WIRE_S_IFDIR | 0555,
        .nlink = 2 + engine->order->len,
        .blksize = BLOCK_SIZE,
        .atime = engine->root_time.sec,
        .mtime = engine->root_time.sec,
        .ctime = engine->root_time.sec,
        .atimensec = engine->root_time.nsec,
        .mtimensec = engine->root_time.nsec,
        .ctimensec = engine->root_time.nsec,
    };
}

int share_get_attr(Call *call, ShareAttr *attr)
{
    return call->share->ops->getattr(call->share->volume, call->file,
                                     call->open, attr);
}

static int reply_attr(Call *call, const ShareAttr *attr)
{
    WireAttrOut out = { 0 };

    g_mutex_lock(&call->engine->lock);
    if (call->share) {
        share_attr_fill(call->engine, call->share, false, attr, &out.attr);
        out.attr_valid = share_attr_seconds(call->share);
    } else {
        share_attr_root(call->engine, &out.attr);
    }
    g_mutex_unlock(&call->engine->lock);
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

/* Arguments that may name a handle: then it is taken until the end. */
static int take_optional(Call *call, bool has, uint64_t fh)
{
    int ret;

    if (!has || !call->share) {
        return 0;
    }
    ret = share_call_take_handle(call, fh, call->node, &call->handle);
    if (ret == 0) {
        call->open = call->handle->open;
    }
    return ret;
}

int share_op_getattr(Call *call)
{
    WireGetattrIn in;
    ShareAttr attr;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = take_optional(call, in.flags & WIRE_GETATTR_FH, in.fh);
    if (ret == 0 && call->share) {
        ret = share_get_attr(call, &attr);
    }
    return ret < 0 ? ret : reply_attr(call, &attr);
}

static WireStatxTime statx_time(uint64_t sec, uint32_t nsec)
{
    return (WireStatxTime){ .sec = sec, .nsec = nsec };
}

static void fill_statx(const WireAttr *a, const ShareAttr *attr,
                       WireStatx *out)
{
    *out = (WireStatx){
        .mask = WIRE_STATX_BASIC,
        .blksize = a->blksize,
        .nlink = a->nlink,
        .uid = a->uid,
        .gid = a->gid,
        .mode = a->mode,
        .ino = a->ino,
        .size = a->size,
        .blocks = a->blocks,
        .atime = statx_time(a->atime, a->atimensec),
        .mtime = statx_time(a->mtime, a->mtimensec),
        .ctime = statx_time(a->ctime, a->ctimensec),
        .rdev_major = attr->rdev_major,
        .rdev_minor = attr->rdev_minor,
    };
    if (attr->has_btime) {
        out->mask |= WIRE_STATX_BTIME;
        out->btime = statx_time(attr->btime.sec, attr->btime.nsec);
    }
}

int share_op_statx(Call *call)
{
    WireStatxIn in;
    WireStatxOut out = { 0 };
    ShareAttr attr = { 0 };
    WireAttr a;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = take_optional(call, in.flags & WIRE_GETATTR_FH, in.fh);
    if (ret == 0 && call->share) {
        ret = share_get_attr(call, &attr);
    }
    if (ret < 0) {
        return ret;
    }
    g_mutex_lock(&call->engine->lock);
    if (call->share) {
        share_attr_fill(call->engine, call->share, false, &attr, &a);
        out.attr_valid = share_attr_seconds(call->share);
    } else {
        share_attr_root(call->engine, &a);
    }
    g_mutex_unlock(&call->engine->lock);
    fill_statx(&a, &attr, &out.stat);
    out.flags = a.flags;
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

/* A new owner: only one that a range has, and none where all are squashed. */
static int set_owner(const Call *call, const WireSetattrIn *in,
                     ShareSetAttr *set)
{
    const SharePolicy *p = &call->share->policy;

    if ((in->valid & (WIRE_SET_UID | WIRE_SET_GID)) &&
        (p->squash == SHARE_SQUASH_ALL ||
         (p->squash == SHARE_SQUASH_ROOT && call->header.uid == 0))) {
        return -EPERM;
    }
    if (in->valid & WIRE_SET_UID) {
        set->valid |= SHARE_SET_UID;
        if (!share_policy_host_id(p->uids, p->n_uids, in->uid, &set->uid)) {
            return -EINVAL;
        }
    }
    if (in->valid & WIRE_SET_GID) {
        set->valid |= SHARE_SET_GID;
        if (!share_policy_host_id(p->gids, p->n_gids, in->gid, &set->gid)) {
            return -EINVAL;
        }
    }
    return 0;
}

static int set_times(const WireSetattrIn *in, ShareSetAttr *set)
{
    if (in->valid & WIRE_SET_ATIME_NOW) {
        set->valid |= SHARE_SET_ATIME_NOW;
    } else if (in->valid & WIRE_SET_ATIME) {
        set->valid |= SHARE_SET_ATIME;
    }
    if (in->valid & WIRE_SET_MTIME_NOW) {
        set->valid |= SHARE_SET_MTIME_NOW;
    } else if (in->valid & WIRE_SET_MTIME) {
        set->valid |= SHARE_SET_MTIME;
    }
    set->atime = (ShareTime){ in->atime, in->atimensec };
    set->mtime = (ShareTime){ in->mtime, in->mtimensec };
    /* beyond lie UTIME_NOW and UTIME_OMIT, which the guest may not say */
    return ((set->valid & SHARE_SET_ATIME) && in->atimensec >= SECOND_NS) ||
           ((set->valid & SHARE_SET_MTIME) && in->mtimensec >= SECOND_NS)
               ? -EINVAL : 0;
}

static int parse_setattr(Call *call, const WireSetattrIn *in,
                         ShareSetAttr *set)
{
    int ret = set_times(in, set);

    if (ret == 0) {
        ret = set_owner(call, in, set);
    }
    if (ret < 0) {
        return ret;
    }
    if (in->valid & WIRE_SET_MODE) {
        if (call->node->type == WIRE_S_IFLNK) {
            return -EOPNOTSUPP;
        }
        set->valid |= SHARE_SET_MODE;
        set->mode = in->mode & 07777;
    }
    if (in->valid & WIRE_SET_SIZE) {
        if (call->node->type != WIRE_S_IFREG) {
            return call->node->type == WIRE_S_IFDIR ? -EISDIR : -EINVAL;
        }
        if (in->size > INT64_MAX) {
            return -EFBIG;
        }
        set->valid |= SHARE_SET_SIZE;
        set->size = in->size;
    }
    return 0;
}

int share_op_setattr(Call *call)
{
    WireSetattrIn in;
    ShareSetAttr set = { 0 };
    ShareAttr attr;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    ret = parse_setattr(call, &in, &set);
    if (ret == 0) {
        ret = take_optional(call, in.valid & WIRE_SET_FH, in.fh);
    }
    if (ret < 0) {
        return ret;
    }
    if (!call->share->ops->setattr) {
        return -EPERM;
    }
    if (set.valid & SHARE_SET_SIZE) {
        ret = share_quota_grow(call, call->node, set.size, false);
        if (ret < 0) {
            return ret;
        }
    }
    ret = call->share->ops->setattr(call->share->volume, call->file,
                                    call->open, &set, &attr);
    if (set.valid & SHARE_SET_SIZE) {
        share_quota_finish(call, call->node, call->open);
    }
    return ret < 0 ? ret : reply_attr(call, &attr);
}

/* What the permission bits say; groups beyond the first are not known. */
static bool permits(const WireAttr *a, const WireInHeader *who,
                    uint32_t mask)
{
    uint32_t bits = a->mode;

    if (who->uid == 0) {
        return !(mask & 1) || (a->mode & 0111) ||
               (a->mode & WIRE_S_IFMT) == WIRE_S_IFDIR;
    }
    bits >>= who->uid == a->uid ? 6 : who->gid == a->gid ? 3 : 0;
    return (bits & mask) == mask;
}

int share_op_access(Call *call)
{
    WireAccessIn in;
    ShareAttr attr;
    WireAttr a;
    int ret = 0;

    memcpy(&in, call->args, sizeof(in));
    if (in.mask > 7) {
        return -EINVAL;
    }
    if (!call->share) {
        return in.mask & 2 ? -EROFS : 0;
    }
    if ((in.mask & 2) && call->share->policy.read_only) {
        return -EROFS;
    }
    ret = share_get_attr(call, &attr);
    if (ret < 0) {
        return ret;
    }
    g_mutex_lock(&call->engine->lock);
    share_attr_fill(call->engine, call->share, false, &attr, &a);
    g_mutex_unlock(&call->engine->lock);
    return permits(&a, &call->header, in.mask) ? 0 : -EACCES;
}

int share_op_statfs(Call *call)
{
    WireStatfsOut out = { .bsize = BLOCK_SIZE, .frsize = BLOCK_SIZE,
                          .namelen = SHARE_NAME_MAX };
    ShareStatfs fs = { 0 };
    int ret = 0;

    if (call->share && call->share->ops->statfs) {
        const SharePolicy *p = &call->share->policy;
        uint64_t left;

        ret = call->share->ops->statfs(call->share->volume, call->file, &fs);
        fs.block_size = MAX(fs.block_size, 1);
        g_mutex_lock(&call->engine->lock);
        if (p->max_bytes) {
            left = p->max_bytes - MIN(p->max_bytes,
                                      call->share->usage.bytes);
            fs.blocks = MIN(fs.blocks, p->max_bytes / fs.block_size);
            left = MIN(left / fs.block_size, fs.blocks);
            fs.blocks_free = MIN(fs.blocks_free, left);
            fs.blocks_available = MIN(fs.blocks_available, left);
        }
        if (p->max_files) {
            left = p->max_files - MIN(p->max_files,
                                      call->share->usage.files);
            fs.files = p->max_files;
            fs.files_free = MIN(fs.files_free, left);
        }
        g_mutex_unlock(&call->engine->lock);
        out.bsize = out.frsize = fs.block_size;
        out.namelen = MIN(fs.name_max, SHARE_NAME_MAX);
    }
    out.blocks = fs.blocks;
    out.bfree = fs.blocks_free;
    out.bavail = fs.blocks_available;
    out.files = fs.files;
    out.ffree = fs.files_free;
    share_call_reply(call, &out, sizeof(out));
    return ret;
}

int share_op_syncfs(Call *call)
{
    if (!call->share || !call->share->ops->syncfs ||
        call->share->policy.read_only) {
        return 0;
    }
    return call->share->ops->syncfs(call->share->volume, call->file);
}
