/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading directories
 *
 * The file side gives records in a buffer; those that the guest may see go
 * to the reply, as many as there is room for.  With attributes, each entry
 * is looked up, but not before it is known to fit: what is told of has to be
 * forgotten.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define BUFFER      8192u       /* of records; more than one entry */
#define REPLY_MAX   65536u      /* bytes of one reply */
/* The root: cookies of "." and "..", then shares by their number. */
#define COOKIE_DOT  1
#define COOKIE_DOTS 2

typedef struct Listing {
    Call *call;
    bool plus;
    uint8_t *bytes;
    size_t size;
    size_t room;
} Listing;

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* Bytes of an entry in the reply. */
static size_t entry_size(const Listing *list, size_t name_size)
{
    return (list->plus ? sizeof(WireEntryOut) : 0) +
           aligned(sizeof(WireDirent) + name_size);
}

static void put(Listing *list, const WireEntryOut *entry, uint64_t ino,
                uint64_t next, uint32_t type, const char *name,
                size_t name_size)
{
    WireDirent d = {
        .ino = ino, .off = next, .namelen = name_size, .type = type,
    };
    uint8_t *at = list->bytes + list->size;

    memset(at, 0, entry_size(list, name_size));
    list->size += entry_size(list, name_size);
    if (list->plus) {
        memcpy(at, entry, sizeof(*entry));
        at += sizeof(*entry);
    }
    memcpy(at, &d, sizeof(d));
    memcpy(at + sizeof(d), name, name_size);
}

static bool is_dots(const char *name, size_t size)
{
    return name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'));
}

/* One that cannot be looked up is listed without attributes. */
static void look_up(Listing *list, const char *name, WireEntryOut *out)
{
    Call *call = list->call;
    Share *share = call->share;
    ShareFile *file;
    ShareAttr attr;

    memset(out, 0, sizeof(*out));
    if (share->ops->lookup(share->volume, call->file, name, &file,
                           &attr) < 0 ||
        share_node_learn(call, call->node, name, file, &attr, out) < 0) {
        memset(out, 0, sizeof(*out));
    }
}

/* Returns: whether the listing can go on. */
static bool add_record(Listing *list, const ShareDirent *d, const char *from)
{
    Call *call = list->call;
    char name[SHARE_NAME_MAX + 1];
    WireEntryOut entry = { 0 };
    uint64_t ino;

    if (d->name_size == 0 || d->name_size > SHARE_NAME_MAX ||
        memchr(from, 0, d->name_size) || memchr(from, '/', d->name_size)) {
        return true;
    }
    memcpy(name, from, d->name_size);
    name[d->name_size] = 0;
    if (share_policy_hides(&call->share->policy, name)) {
        return true;
    }
    if (entry_size(list, d->name_size) > list->room - list->size) {
        return false;
    }
    if (list->plus && !is_dots(name, d->name_size)) {
        look_up(list, name, &entry);
    }
    g_mutex_lock(&call->engine->lock);
    ino = entry.nodeid ? entry.attr.ino
                       : share_attr_ino(call->engine, call->share,
                                        call->node->dev, d->ino, false);
    g_mutex_unlock(&call->engine->lock);
    put(list, &entry, ino, d->next, d->type & 15, name, d->name_size);
    return true;
}

/* Returns: whether the listing can go on; @cookie: where. */
static bool add_records(Listing *list, const uint8_t *at, size_t size,
                        uint64_t *cookie)
{
    while (size >= sizeof(ShareDirent)) {
        const ShareDirent *d = (const ShareDirent *)at;

        if (d->record_size < sizeof(*d) + d->name_size ||
            d->record_size % 8 || d->record_size > size) {
            return false;
        }
        if (!add_record(list, d, (const char *)(d + 1))) {
            return false;
        }
        *cookie = d->next;
        at += d->record_size;
        size -= d->record_size;
    }
    return true;
}

static int list_share(Listing *list, uint64_t cookie)
{
    Call *call = list->call;
    Share *share = call->share;
    /* entries take less room there than here */
    size_t most = CLAMP(list->room, 1024, BUFFER);
    g_autofree uint8_t *buffer = g_malloc(most);
    int64_t got = 0;
    bool more = true;

    g_mutex_lock(&call->handle->reading);
    /* what is hidden, or fills one buffer only, is not the end */
    while (more) {
        got = share->ops->readdir(share->volume, call->open, cookie, buffer,
                                  most);
        if (got <= 0 || got > (int64_t)most) {
            break;
        }
        more = add_records(list, buffer, got, &cookie);
    }
    g_mutex_unlock(&call->handle->reading);
    if (got > (int64_t)most) {
        return -EIO;
    }
    return list->size ? 0 : MIN(got, 0);
}

static bool add_plain(Listing *list, uint64_t ino, uint64_t next,
                      uint32_t mode, const char *name)
{
    static const WireEntryOut none;
    size_t size = strlen(name);

    if (entry_size(list, size) > list->room - list->size) {
        return false;
    }
    put(list, &none, ino, next, mode >> 12, name, size);
    return true;
}

/* The first share behind @cookie: they stand by their number. */
static unsigned first_behind(const ShareEngine *engine, uint64_t cookie)
{
    unsigned from = 0, to = engine->order->len;

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        const Share *share = engine->order->pdata[middle];

        if (COOKIE_DOTS + share->serial > cookie) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return from;
}

static int list_root(Listing *list, uint64_t cookie)
{
    ShareEngine *engine = list->call->engine;
    bool more = true;

    g_mutex_lock(&engine->lock);
    if (cookie < COOKIE_DOT) {
        more = add_plain(list, WIRE_ROOT_ID, COOKIE_DOT, WIRE_S_IFDIR, ".");
    }
    if (more && cookie < COOKIE_DOTS) {
        more = add_plain(list, WIRE_ROOT_ID, COOKIE_DOTS, WIRE_S_IFDIR,
                         "..");
    }
    for (unsigned i = first_behind(engine, cookie);
         more && i < engine->order->len; i++) {
        const Share *share = engine->order->pdata[i];

        /* numbers that none of their roots has, and 0 none may have */
        more = add_plain(list, COOKIE_DOTS + share->serial,
                         COOKIE_DOTS + share->serial, share->root_type,
                         share->name);
    }
    g_mutex_unlock(&engine->lock);
    return 0;
}

static int list(Call *call, bool plus)
{
    g_autofree uint8_t *bytes = NULL;
    Listing l = { .call = call, .plus = plus };
    WireReadIn in;
    int ret;

    memcpy(&in, call->args, sizeof(in));
    l.room = MIN(MIN(in.size, call->room), REPLY_MAX);
    l.bytes = bytes = g_malloc(MAX(l.room, 1));
    ret = call->share ? list_share(&l, in.offset) : list_root(&l, in.offset);
    if (ret == 0) {
        share_call_reply(call, l.bytes, l.size);
    }
    return ret;
}

int share_op_readdir(Call *call)
{
    return list(call, false);
}

int share_op_readdirplus(Call *call)
{
    return list(call, true);
}

int share_op_opendir(Call *call)
{
    WireOpenIn in;
    WireOpenOut out = { 0 };
    ShareOpen *open = NULL;
    int ret = 0;

    memcpy(&in, call->args, sizeof(in));
    if ((in.flags & WIRE_O_ACCMODE) != WIRE_O_RDONLY) {
        return -EISDIR;
    }
    if (call->share) {
        out.open_flags = share_open_reply_flags(call->share, true);
        ret = call->share->ops->opendir(call->share->volume, call->file,
                                        &open);
    }
    if (ret == 0) {
        ret = share_handle_give(call, call->node, open, SHARE_OPEN_READ,
                                true, &out.fh);
    }
    if (ret == 0) {
        share_call_reply(call, &out, sizeof(out));
    }
    return ret;
}
