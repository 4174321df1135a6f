/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks that hold against other guests and the host
 *
 * Linux's locks of open file descriptions belong to an open: so each owner in
 * the guest has one of its own for each file.  Who has to wait is put off, and
 * tried again when somebody unlocks or the caller says so: no thread waits.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* A SETLKW that was put off: the request once more. */
typedef struct Waiting {
    uint64_t unique;
    ShareRequest request;
    ShareSpan in;
    uint8_t bytes[sizeof(WireInHeader) + sizeof(WireLkIn)];
    ShareSpan out[];
} Waiting;

/* With the lock held. */
static LockOwner *find_owner(Node *node, uint64_t id, bool whole)
{
    for (GSList *l = node->owners; l; l = l->next) {
        LockOwner *owner = l->data;

        if (owner->owner == id && owner->whole == whole) {
            return owner;
        }
    }
    return NULL;
}

static void drop_owner(ShareEngine *engine, Node *node, LockOwner *owner,
                       Trash *trash)
{
    node->owners = g_slist_remove(node->owners, owner);
    share_handle_release(engine, owner->handle, trash);
    g_free(owner);
}

void share_locks_drop_all(ShareEngine *engine, Node *node, Trash *trash)
{
    while (node->owners) {
        drop_owner(engine, node, node->owners->data, trash);
    }
}

void share_locks_drop_owner(Call *call, uint64_t owner, bool whole)
{
    ShareEngine *engine = call->engine;
    Trash trash = { 0 };
    LockOwner *found;

    g_mutex_lock(&engine->lock);
    found = find_owner(call->node, owner, whole);
    if (found) {
        drop_owner(engine, call->node, found, &trash);
        call->unlocked = true;
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
}

/* An open that can have both kinds of lock, if one may be had. */
static int open_for_locks(Call *call, ShareOpen **open, unsigned *flags)
{
    static const unsigned ways[] = {
        SHARE_OPEN_READ | SHARE_OPEN_WRITE, SHARE_OPEN_READ,
        SHARE_OPEN_WRITE,
    };
    Share *share = call->share;
    int ret = -EROFS;

    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (share->policy.read_only && ways[i] != SHARE_OPEN_READ) {
            continue;
        }
        *flags = ways[i];
        ret = share->ops->open(share->volume, call->file, *flags, open);
        if (ret == 0) {
            break;
        }
    }
    return ret;
}

/* The owner's open of the node, taken; @make: or a new one. */
static int take_owner(Call *call, uint64_t id, bool whole, bool make,
                      Handle **handle)
{
    ShareEngine *engine = call->engine;
    ShareOpen *open = NULL;
    Trash trash = { 0 };
    LockOwner *owner;
    unsigned flags = 0;
    int ret = 0;

    *handle = NULL;
    g_mutex_lock(&engine->lock);
    owner = find_owner(call->node, id, whole);
    if (!owner && make) {
        g_mutex_unlock(&engine->lock);
        ret = open_for_locks(call, &open, &flags);
        if (ret < 0) {
            return ret;
        }
        g_mutex_lock(&engine->lock);
        /* another thread may have been here meanwhile */
        owner = find_owner(call->node, id, whole);
        *handle = owner || !call->share->root ? NULL
            : share_handle_add(engine, call->node, open, flags, false, true);
        if (*handle) {
            owner = g_new(LockOwner, 1);
            *owner = (LockOwner){ id, whole, *handle };
            call->node->owners = g_slist_prepend(call->node->owners, owner);
        } else {
            call->share->users++;
            share_trash_open(&trash, call->share, open);
            ret = owner ? 0 : call->share->root ? -ENOLCK : -ESTALE;
        }
    }
    if (owner) {
        *handle = owner->handle;
        owner->handle->working++;
    }
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
    return ret;
}

static int parse_lock(const Call *call, WireLkIn *in, ShareLock *lock)
{
    memcpy(in, call->args, sizeof(*in));
    lock->whole = in->lk_flags & WIRE_LOCK_FLOCK;
    lock->start = lock->whole ? 0 : in->lk.start;
    lock->end = lock->whole ? INT64_MAX : in->lk.end;
    lock->type = in->lk.type == WIRE_F_RDLCK ? SHARE_LOCK_READ
               : in->lk.type == WIRE_F_WRLCK ? SHARE_LOCK_WRITE
                                             : SHARE_LOCK_NONE;
    if (!call->engine->options.remote_locks || !call->share->ops->lock ||
        !call->share->ops->test_lock) {
        return -EOPNOTSUPP;
    }
    return in->lk.type > WIRE_F_UNLCK || lock->start > lock->end ||
           lock->end > INT64_MAX ? -EINVAL : 0;
}

int share_op_getlk(Call *call)
{
    WireLkIn in;
    WireLkOut out = { 0 };
    ShareLock lock;
    Handle *owner;
    int ret = parse_lock(call, &in, &lock);

    if (ret == 0) {
        ret = take_owner(call, in.owner, lock.whole, true, &owner);
    }
    if (ret < 0) {
        return ret;
    }
    ret = call->share->ops->test_lock(call->share->volume, owner->open,
                                      &lock);
    share_call_drop_handle(call, owner);
    if (ret < 0) {
        return ret;
    }
    out.lk.type = lock.type == SHARE_LOCK_READ ? WIRE_F_RDLCK
                : lock.type == SHARE_LOCK_WRITE ? WIRE_F_WRLCK
                                                : WIRE_F_UNLCK;
    out.lk.start = lock.start;
    out.lk.end = lock.end;
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

static int try_lock(Call *call)
{
    WireLkIn in;
    ShareLock lock;
    Handle *owner;
    int ret = parse_lock(call, &in, &lock);

    if (ret == 0) {
        ret = take_owner(call, in.owner, lock.whole,
                         lock.type != SHARE_LOCK_NONE, &owner);
    }
    if (ret < 0 || !owner) {
        return ret;             /* what has no locks is unlocked */
    }
    ret = call->share->ops->lock(call->share->volume, owner->open, &lock);
    share_call_drop_handle(call, owner);
    call->unlocked = ret == 0 && lock.type != SHARE_LOCK_WRITE;
    return ret == -EACCES ? -EAGAIN : ret;
}

int share_op_setlk(Call *call)
{
    return try_lock(call);
}

/* With the lock held. */
static bool was_interrupted(ShareEngine *engine, uint64_t unique)
{
    for (unsigned i = 0; i < SHARE_MAX_WAITING; i++) {
        if (unique && engine->interrupts[i] == unique) {
            engine->interrupts[i] = 0;
            return true;
        }
    }
    return false;
}

static Waiting *waiting_new(const Call *call)
{
    const ShareRequest *r = call->request;
    Waiting *w = g_malloc(sizeof(*w) + r->n_out * sizeof(ShareSpan));

    w->unique = call->header.unique;
    w->request = *r;
    w->in = (ShareSpan){ w->bytes, sizeof(w->bytes) };
    w->request.in = &w->in;
    w->request.n_in = 1;
    w->request.out = w->out;
    memcpy(w->bytes, &call->header, sizeof(call->header));
    ((WireInHeader *)w->bytes)->len = sizeof(w->bytes);
    ((WireInHeader *)w->bytes)->total_extlen = 0;
    memcpy(w->bytes + sizeof(call->header), call->args, sizeof(WireLkIn));
    if (r->n_out) {
        memcpy(w->out, r->out, r->n_out * sizeof(ShareSpan));
    }
    return w;
}

static int put_off(Call *call)
{
    ShareEngine *engine = call->engine;
    int ret = 0;

    g_mutex_lock(&engine->lock);
    if (was_interrupted(engine, call->header.unique)) {
        ret = -EINTR;
    } else if (engine->waiting->len >= SHARE_MAX_WAITING) {
        ret = -ENOLCK;
    } else {
        g_ptr_array_add(engine->waiting, waiting_new(call));
        call->later = true;
    }
    g_mutex_unlock(&engine->lock);
    return ret;
}

int share_op_setlkw(Call *call)
{
    int ret = try_lock(call);

    if (ret != -EAGAIN) {
        return ret;
    }
    return call->engine->options.wait_for_locks ? put_off(call)
                                                : -EOPNOTSUPP;
}

int share_op_interrupt(Call *call)
{
    ShareEngine *engine = call->engine;
    Waiting *found = NULL;
    WireInterruptIn in;

    memcpy(&in, call->args, sizeof(in));
    g_mutex_lock(&engine->lock);
    for (unsigned i = 0; i < engine->waiting->len && !found; i++) {
        Waiting *w = engine->waiting->pdata[i];

        if (w->unique == in.unique) {
            found = w;
            g_ptr_array_remove_index(engine->waiting, i);
        }
    }
    if (!found) {
        /* it may overtake its request */
        engine->interrupts[engine->next_interrupt] = in.unique;
        engine->next_interrupt = (engine->next_interrupt + 1) %
                                 SHARE_MAX_WAITING;
    }
    g_mutex_unlock(&engine->lock);
    if (found) {
        share_engine_complete(engine, &found->request, found->unique,
                              -EINTR);
        g_free(found);
    }
    return 0;
}

void share_locks_forget_waiting(ShareEngine *engine)
{
    for (unsigned i = 0; i < engine->waiting->len; i++) {
        g_free(engine->waiting->pdata[i]);
    }
    g_ptr_array_set_size(engine->waiting, 0);
}

/*
 * Each that waits is handled anew, as if it came now; if it has to wait
 * again it is put off again, behind those that wait already.
 */
unsigned share_engine_retry_locks(ShareEngine *engine)
{
    unsigned n;

    g_mutex_lock(&engine->lock);
    n = engine->waiting->len;
    while (n-- && engine->waiting->len) {
        Waiting *w = g_ptr_array_steal_index(engine->waiting, 0);
        int64_t size;

        g_mutex_unlock(&engine->lock);
        size = share_engine_handle(engine, &w->request);
        if (size >= 0 && engine->options.complete) {
            engine->options.complete(engine->options.opaque,
                                     w->request.token, size);
        }
        g_free(w);
        g_mutex_lock(&engine->lock);
    }
    n = engine->waiting->len;
    g_mutex_unlock(&engine->lock);
    return n;
}
