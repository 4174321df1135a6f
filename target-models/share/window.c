/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window into files (DAX)
 *
 * Which share each mapping is of, so that it goes with the share.  The lock
 * engine->window is held while the device maps, so that a share that is
 * removed meanwhile leaves nothing behind.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static bool is_aligned(const ShareEngine *engine, uint64_t value)
{
    return (value & ((1ull << engine->options.map_alignment) - 1)) == 0;
}

static bool in_window(const ShareEngine *engine, uint64_t offset,
                      uint64_t length)
{
    uint64_t size = engine->options.window_size;

    return length && is_aligned(engine, offset) &&
           is_aligned(engine, length) && offset < size &&
           length <= size - offset;
}

/* The first mapping that ends behind @offset. */
static unsigned first_at(const ShareEngine *engine, uint64_t offset)
{
    unsigned from = 0, to = engine->mappings->len;

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        const Mapping *m = &g_array_index(engine->mappings, Mapping, middle);

        if (m->offset + m->length > offset) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return from;
}

/* Cuts [@offset, @offset + @length) out of what is known to be mapped. */
static void cut(ShareEngine *engine, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    unsigned i = first_at(engine, offset);

    while (i < engine->mappings->len) {
        Mapping *m = &g_array_index(engine->mappings, Mapping, i);
        Mapping behind = { end, m->offset + m->length - end, m->share };
        bool ends_behind = m->offset + m->length > end;

        if (m->offset >= end) {
            return;
        }
        if (m->offset < offset) {
            m->length = offset - m->offset;
            i++;
        } else {
            g_array_remove_index(engine->mappings, i);
        }
        if (ends_behind) {
            g_array_insert_val(engine->mappings, i, behind);
            return;
        }
    }
}

static int map(Call *call, const WireSetupMappingIn *in, bool writes)
{
    ShareEngine *engine = call->engine;
    const ShareEngineOptions *o = &engine->options;
    Share *share = call->share;
    Mapping mapping = { in->moffset, in->len, share };
    ShareOpen *open;
    bool gone;
    int ret = share->ops->open(share->volume, call->file,
                               SHARE_OPEN_READ |
                               (writes ? SHARE_OPEN_WRITE : 0), &open);

    if (ret < 0) {
        return ret;
    }
    g_mutex_lock(&engine->window);
    g_mutex_lock(&engine->lock);
    gone = !share->root;
    g_mutex_unlock(&engine->lock);
    ret = gone ? -ESTALE
        : o->window->map(o->opaque, share->volume, open, in->foffset,
                         in->len, in->moffset, writes);
    if (ret == 0) {
        cut(engine, in->moffset, in->len);
        g_array_insert_val(engine->mappings, first_at(engine, in->moffset),
                           mapping);
    }
    g_mutex_unlock(&engine->window);
    share->ops->release(share->volume, open);
    return ret;
}

int share_op_setup_mapping(Call *call)
{
    ShareEngine *engine = call->engine;
    WireSetupMappingIn in;
    bool writes;

    memcpy(&in, call->args, sizeof(in));
    writes = in.flags & WIRE_MAP_WRITE;
    if (!engine->options.window) {
        return -ENOSYS;
    }
    if (!call->share->policy.dax || call->node->type != WIRE_S_IFREG) {
        return -EOPNOTSUPP;
    }
    if (!in_window(engine, in.moffset, in.len) ||
        !is_aligned(engine, in.foffset) ||
        in.foffset > INT64_MAX - in.len ||
        (in.flags & ~(WIRE_MAP_READ | WIRE_MAP_WRITE))) {
        return -EINVAL;
    }
    if (writes && call->share->policy.read_only) {
        return -EROFS;
    }
    /* through it blocks are allocated that no request tells of */
    if (writes && call->share->policy.max_bytes) {
        return -EOPNOTSUPP;
    }
    if (share_call_may(call, call->node, OP_MAY_READ |
                       (writes ? OP_MAY_WRITE : 0)) < 0) {
        return -EACCES;
    }
    return map(call, &in, writes);
}

/* With the window's lock held. */
static int unmap(ShareEngine *engine, uint64_t offset, uint64_t length)
{
    const ShareEngineOptions *o = &engine->options;

    cut(engine, offset, length);
    return o->window->unmap(o->opaque, offset, length);
}

int share_op_remove_mapping(Call *call)
{
    ShareEngine *engine = call->engine;
    WireRemoveMappingIn in;
    WireRemoveMappingOne one;
    int ret = 0;

    memcpy(&in, call->args, sizeof(in));
    if (!engine->options.window) {
        return -ENOSYS;
    }
    if (in.count > call->rest_size / sizeof(one)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < in.count && ret == 0; i++) {
        memcpy(&one, call->rest + i * sizeof(one), sizeof(one));
        if (!in_window(engine, one.moffset, one.len)) {
            return -EINVAL;
        }
        g_mutex_lock(&engine->window);
        ret = unmap(engine, one.moffset, one.len);
        g_mutex_unlock(&engine->window);
    }
    return ret;
}

/* @share NULL: all. */
void share_window_clear(ShareEngine *engine, const Share *share)
{
    g_mutex_lock(&engine->window);
    for (unsigned i = engine->mappings->len; i-- > 0;) {
        Mapping m = g_array_index(engine->mappings, Mapping, i);

        if (!share || m.share == share) {
            unmap(engine, m.offset, m.length);
        }
    }
    g_mutex_unlock(&engine->window);
}
