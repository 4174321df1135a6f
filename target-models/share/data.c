/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in files: straight between the guest's memory and the file. */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* Spans on the stack; a request of 1 MiB in pages has more. */
#define SPANS       64
#define COPY_MAX    0x7ffff000u     /* MAX_RW_COUNT of Linux */

int share_op_read(Call *call)
{
    const ShareRequest *request = call->request;
    Share *share = call->share;
    ShareSpan stack[SPANS];
    g_autofree ShareSpan *heap = NULL;
    ShareSpan *spans = stack;
    WireReadIn in;
    size_t size;
    unsigned n;
    int64_t got;

    memcpy(&in, call->args, sizeof(in));
    if (!(call->handle->flags & SHARE_OPEN_READ)) {
        return -EBADF;
    }
    size = MIN(MIN(in.size, call->room), SHARE_MAX_WRITE);
    if (in.offset > INT64_MAX - size) {
        return -EINVAL;
    }
    if (size == 0 || !share->ops->read) {
        return size ? -EOPNOTSUPP : 0;
    }
    if (request->n_out > SPANS) {
        spans = heap = g_new(ShareSpan, request->n_out);
    }
    n = share_spans_part(request->out, request->n_out, SHARE_REPLY_HEADER,
                         size, spans);
    got = share->ops->read(share->volume, call->open, spans, n, in.offset);
    if (got > (int64_t)size) {
        return -EIO;
    }
    if (got > 0) {
        call->body_size = got;
        g_mutex_lock(&call->engine->lock);
        share->bytes_read += got;
        g_mutex_unlock(&call->engine->lock);
    }
    return MIN(got, 0);
}

static int64_t write_spans(Call *call, const WireWriteIn *in, bool append)
{
    const ShareRequest *request = call->request;
    ShareSpan stack[SPANS];
    g_autofree ShareSpan *heap = NULL;
    ShareSpan *spans = stack;
    unsigned n;

    if (request->n_in > SPANS) {
        spans = heap = g_new(ShareSpan, request->n_in);
    }
    n = share_spans_part(request->in, request->n_in, call->in_offset,
                         in->size, spans);
    return call->share->ops->write(call->share->volume, call->open, spans, n,
                                   in->offset, append);
}

int share_op_write(Call *call)
{
    /* pages written back come with any handle that can write */
    const uint32_t from_cache = 1u << 0;
    WireWriteOut out = { 0 };
    WireWriteIn in;
    int64_t done;
    bool append;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    if (!(call->handle->flags & SHARE_OPEN_WRITE)) {
        return -EBADF;
    }
    if (in.size > call->in_left || in.size > SHARE_MAX_WRITE ||
        in.offset > (uint64_t)INT64_MAX - in.size) {
        return -EINVAL;
    }
    if (!call->share->ops->write) {
        return -EOPNOTSUPP;
    }
    append = (call->handle->flags & SHARE_OPEN_APPEND) &&
             !(in.write_flags & from_cache);
    ret = share_quota_grow(call, call->node,
                           append ? in.size : in.offset + in.size, append);
    if (ret < 0) {
        return ret;
    }
    done = write_spans(call, &in, append);
    share_quota_finish(call, call->node, call->open);
    if (done < 0) {
        return done;
    }
    out.size = MIN(done, in.size);
    g_mutex_lock(&call->engine->lock);
    call->share->bytes_written += out.size;
    g_mutex_unlock(&call->engine->lock);
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

int share_op_fallocate(Call *call)
{
    WireFallocateIn in;
    uint64_t end;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    if (!(call->handle->flags & SHARE_OPEN_WRITE)) {
        return -EBADF;
    }
    if (in.mode & ~(WIRE_FALLOC_KEEP_SIZE | WIRE_FALLOC_PUNCH_HOLE |
                    WIRE_FALLOC_ZERO_RANGE)) {
        return -EOPNOTSUPP;
    }
    if (in.length == 0 || in.offset > INT64_MAX ||
        in.length > INT64_MAX - in.offset) {
        return in.length ? -EFBIG : -EINVAL;
    }
    if (!call->share->ops->fallocate) {
        return -EOPNOTSUPP;
    }
    end = in.mode & WIRE_FALLOC_PUNCH_HOLE ? 0 : in.offset + in.length;
    ret = share_quota_grow(call, call->node, end, false);
    if (ret < 0) {
        return ret;
    }
    ret = call->share->ops->fallocate(call->share->volume, call->open,
                                      in.mode, in.offset, in.length);
    share_quota_finish(call, call->node, call->open);
    return ret;
}

int share_op_lseek(Call *call)
{
    WireLseekIn in;
    WireLseekOut out;
    int64_t at;

    memcpy(&in, call->args, sizeof(in));
    if ((in.whence != WIRE_SEEK_DATA && in.whence != WIRE_SEEK_HOLE) ||
        in.offset > INT64_MAX) {
        return -EINVAL;
    }
    if (!call->share->ops->lseek) {
        return -EOPNOTSUPP;
    }
    at = call->share->ops->lseek(call->share->volume, call->open, in.offset,
                                 in.whence);
    if (at < 0) {
        return at;
    }
    out.offset = at;
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

/* Never more than the source has: the quota need not reserve more. */
static int copy_length(Call *call, const WireCopyFileRangeIn *in,
                       uint64_t *length)
{
    ShareAttr attr;
    int ret;

    if (in->off_in > INT64_MAX || in->off_out > INT64_MAX || in->flags) {
        return -EINVAL;
    }
    ret = share_get_attr(call, &attr);
    if (ret < 0) {
        return ret;
    }
    *length = attr.size > in->off_in ? attr.size - in->off_in : 0;
    *length = MIN(MIN(*length, in->len), COPY_MAX);
    return *length > INT64_MAX - in->off_out ? -EFBIG : 0;
}

static int copy_to(Call *call, const WireCopyFileRangeIn *in, Node *node,
                   Handle *to)
{
    Share *share = call->share;
    WireWriteOut out = { 0 };
    uint64_t length;
    int64_t done;
    int ret;

    if (!(call->handle->flags & SHARE_OPEN_READ) ||
        !(to->flags & SHARE_OPEN_WRITE) ||
        (to->flags & SHARE_OPEN_APPEND) || to->directory) {
        return -EBADF;
    }
    ret = copy_length(call, in, &length);
    if (ret == 0) {
        ret = share_quota_grow(call, node, in->off_out + length, false);
    }
    if (ret < 0) {
        return ret;
    }
    done = length == 0 ? 0
         : share->ops->copy(share->volume, call->open, in->off_in, to->open,
                            in->off_out, length);
    share_quota_finish(call, node, to->open);
    if (done < 0) {
        return done;
    }
    out.size = MIN((uint64_t)done, length);
    g_mutex_lock(&call->engine->lock);
    share->bytes_written += out.size;
    g_mutex_unlock(&call->engine->lock);
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

int share_op_copy(Call *call)
{
    WireCopyFileRangeIn in;
    Handle *to;
    Node *node;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    if (!call->share->ops->copy) {
        return -EOPNOTSUPP;
    }
    ret = share_call_take(call, in.nodeid_out, &node);
    if (ret < 0) {
        return ret;
    }
    ret = share_call_take_handle(call, in.fh_out, node, &to);
    if (ret == 0) {
        ret = copy_to(call, &in, node, to);
        share_call_drop_handle(call, to);
    }
    share_call_drop(call, node);
    return ret;
}
