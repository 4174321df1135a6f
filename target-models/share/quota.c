/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of its quota a share uses
 *
 * A file is charged before it grows, and put right afterwards by a look at
 * what it became.  While several write to it only the last one may lower what
 * it is charged.
 */
#include <errno.h>

#include "internal.h"

/* Sparse files count whole; so does what is allocated beyond their end. */
uint64_t share_quota_charge(const ShareAttr *attr)
{
    if ((attr->mode & WIRE_S_IFMT) != WIRE_S_IFREG) {
        return 0;
    }
    return MAX(attr->size, attr->blocks <= UINT64_MAX / 512
                               ? attr->blocks * 512 : UINT64_MAX);
}

static void subtract(uint64_t *from, uint64_t n)
{
    *from -= MIN(*from, n);
}

int share_quota_new_file(ShareEngine *engine, Share *share)
{
    uint64_t most = share->policy.max_files;
    int ret = 0;

    g_mutex_lock(&engine->lock);
    if (most && share->usage.files >= most) {
        ret = -EDQUOT;
    } else {
        share->usage.files++;
    }
    g_mutex_unlock(&engine->lock);
    return ret;
}

void share_quota_no_file(ShareEngine *engine, Share *share)
{
    g_mutex_lock(&engine->lock);
    subtract(&share->usage.files, 1);
    g_mutex_unlock(&engine->lock);
}

int share_quota_grow(Call *call, Node *node, uint64_t end, bool append)
{
    Share *share = call->share;
    uint64_t most = share->policy.max_bytes, more = 0;
    int ret = 0;

    if (!most) {
        return 0;
    }
    g_mutex_lock(&call->engine->lock);
    if (append) {
        more = end;
    } else if (end > node->charged) {
        more = end - node->charged;
    }
    if (more && (share->usage.bytes > most ||
                 more > most - share->usage.bytes)) {
        ret = -EDQUOT;
    } else {
        share->usage.bytes += more;
        node->charged += more;
        node->writers++;
    }
    g_mutex_unlock(&call->engine->lock);
    return ret;
}

void share_quota_finish(Call *call, Node *node, ShareOpen *open)
{
    Share *share = call->share;
    ShareAttr attr;
    uint64_t is;
    bool known;

    if (!share->policy.max_bytes) {
        return;
    }
    known = share->ops->getattr(share->volume, node->file, open, &attr) == 0;
    is = known ? share_quota_charge(&attr) : 0;
    g_mutex_lock(&call->engine->lock);
    node->writers--;
    if (known && is > node->charged) {
        share->usage.bytes += is - node->charged;
        node->charged = is;
    } else if (known && node->writers == 0) {
        subtract(&share->usage.bytes, node->charged - is);
        node->charged = is;
    }
    g_mutex_unlock(&call->engine->lock);
}

void share_quota_removed(ShareEngine *engine, Share *share,
                         const ShareAttr *gone, bool directory)
{
    Node *node;

    if (!directory && gone->nlink != 0) {
        return;
    }
    g_mutex_lock(&engine->lock);
    node = share_node_of_object(engine, share, gone);
    if (node) {
        /* it may be open: it is there until nobody needs it */
        node->doomed = true;
    } else {
        subtract(&share->usage.files, 1);
        subtract(&share->usage.bytes, share_quota_charge(gone));
    }
    g_mutex_unlock(&engine->lock);
}
