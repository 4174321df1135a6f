/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as a whole: beginning, end, and what INIT agrees. */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* A page of the guest: max_pages is counted in them. */
#define PAGE            4096u
#define MAX_BACKGROUND  64      /* requests that nobody waits for */

ShareEngine *share_engine_new(const ShareEngineOptions *options)
{
    ShareEngine *engine = g_new0(ShareEngine, 1);

    engine->options = *options;
    if (!engine->options.max_nodes) {
        engine->options.max_nodes = SHARE_MAX_NODES;
    }
    if (!engine->options.max_handles) {
        engine->options.max_handles = SHARE_MAX_HANDLES;
    }
    g_mutex_init(&engine->lock);
    g_mutex_init(&engine->window);
    engine->nodes = g_hash_table_new(g_int64_hash, g_int64_equal);
    engine->objects = g_hash_table_new(share_node_hash, share_node_equal);
    engine->handles = g_hash_table_new(g_int64_hash, g_int64_equal);
    engine->shares = g_hash_table_new(g_str_hash, g_str_equal);
    engine->devices = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                            g_free, NULL);
    engine->order = g_ptr_array_new();
    engine->mappings = g_array_new(FALSE, FALSE, sizeof(Mapping));
    engine->waiting = g_ptr_array_new();
    engine->root.id = engine->last_node = WIRE_ROOT_ID;
    engine->root.type = WIRE_S_IFDIR;
    return engine;
}

static void forget_all(ShareEngine *engine, Trash *trash)
{
    GList *handles = g_hash_table_get_values(engine->handles);
    GList *nodes;

    for (GList *l = handles; l; l = l->next) {
        share_handle_release(engine, l->data, trash);
    }
    /* releasing the last handle of a forgotten node freed it */
    nodes = g_hash_table_get_values(engine->nodes);
    for (GList *l = nodes; l; l = l->next) {
        share_node_forget(engine, l->data, UINT64_MAX, trash);
    }
    g_list_free(handles);
    g_list_free(nodes);
    share_locks_forget_waiting(engine);
    memset(engine->interrupts, 0, sizeof(engine->interrupts));
}

void share_engine_reset(ShareEngine *engine)
{
    Trash trash = { 0 };

    share_window_clear(engine, NULL);
    g_mutex_lock(&engine->lock);
    engine->started = false;
    engine->flags = 0;
    engine->minor = 0;
    forget_all(engine, &trash);
    g_mutex_unlock(&engine->lock);
    share_trash_empty(engine, &trash);
}

void share_engine_free(ShareEngine *engine)
{
    share_engine_reset(engine);
    while (engine->order->len) {
        Share *share = engine->order->pdata[0];

        share_engine_remove(engine, share->name, engine->root_time);
    }
    g_hash_table_unref(engine->nodes);
    g_hash_table_unref(engine->objects);
    g_hash_table_unref(engine->handles);
    g_hash_table_unref(engine->shares);
    g_hash_table_unref(engine->devices);
    g_ptr_array_unref(engine->order);
    g_array_unref(engine->mappings);
    g_ptr_array_unref(engine->waiting);
    g_mutex_clear(&engine->lock);
    g_mutex_clear(&engine->window);
    g_free(engine);
}

ShareEngineState share_engine_state(ShareEngine *engine)
{
    ShareEngineState state;

    g_mutex_lock(&engine->window);
    g_mutex_lock(&engine->lock);
    state = (ShareEngineState){
        .started = engine->started,
        .minor = engine->minor,
        .submounts = engine->flags & WIRE_INIT_SUBMOUNTS,
        .shares = engine->order->len,
        .nodes = g_hash_table_size(engine->nodes) - engine->order->len,
        .handles = g_hash_table_size(engine->handles),
        .waiting = engine->waiting->len,
        .mappings = engine->mappings->len,
        .malformed = engine->malformed,
    };
    g_mutex_unlock(&engine->lock);
    g_mutex_unlock(&engine->window);
    return state;
}

static uint64_t wanted_flags(const ShareEngineOptions *options)
{
    uint64_t flags = WIRE_INIT_ASYNC_READ | WIRE_INIT_ATOMIC_O_TRUNC |
        WIRE_INIT_BIG_WRITES | WIRE_INIT_AUTO_INVAL_DATA |
        WIRE_INIT_DO_READDIRPLUS | WIRE_INIT_READDIRPLUS_AUTO |
        WIRE_INIT_ASYNC_DIO | WIRE_INIT_PARALLEL_DIROPS |
        WIRE_INIT_MAX_PAGES | WIRE_INIT_SUBMOUNTS | WIRE_INIT_KILLPRIV_V2 |
        WIRE_INIT_SETXATTR_EXT | WIRE_INIT_EXT | WIRE_INIT_SUPP_GROUP |
        WIRE_INIT_DIO_ALLOW_MMAP;

    if (options->remote_locks) {
        flags |= WIRE_INIT_POSIX_LOCKS | WIRE_INIT_FLOCK_LOCKS;
    }
    if (options->window) {
        flags |= WIRE_INIT_MAP_ALIGNMENT | WIRE_INIT_INODE_DAX;
    }
    return flags;
}

/* How long the arguments are depends on the driver: read what there is. */
static bool read_init(Call *call, WireInitIn *in)
{
    memset(in, 0, sizeof(*in));
    memcpy(in, call->args, WIRE_INIT_SHORT);
    if (in->flags & WIRE_INIT_EXT) {
        if (call->rest_size < sizeof(*in) - WIRE_INIT_SHORT) {
            return false;
        }
        memcpy(in, call->args, sizeof(*in));
    }
    return true;
}

int share_op_init(Call *call)
{
    ShareEngine *engine = call->engine;
    WireInitIn in;
    WireInitOut out = { .major = WIRE_MAJOR, .minor = WIRE_MINOR };
    uint64_t flags;

    if (!read_init(call, &in)) {
        return -EINVAL;
    }
    if (in.major > WIRE_MAJOR) {
        /* says what is spoken here; the driver begins anew */
        share_call_reply(call, &out, sizeof(out));
        return 0;
    }
    if (in.major < WIRE_MAJOR || in.minor < WIRE_MINOR_MIN) {
        return -EPROTO;
    }
    share_engine_reset(engine);
    flags = (in.flags | (uint64_t)in.flags2 << 32) &
            wanted_flags(&engine->options);
    out.minor = MIN(in.minor, WIRE_MINOR);
    out.max_readahead = in.max_readahead;
    out.flags = flags;
    out.flags2 = flags >> 32;
    out.max_background = MAX_BACKGROUND;
    out.congestion_threshold = MAX_BACKGROUND / 4 * 3;
    out.max_write = SHARE_MAX_WRITE;
    out.time_gran = 1;
    out.max_pages = SHARE_MAX_WRITE / PAGE;
    if (flags & WIRE_INIT_MAP_ALIGNMENT) {
        out.map_alignment = engine->options.map_alignment;
    }
    g_mutex_lock(&engine->lock);
    engine->started = true;
    engine->minor = out.minor;
    engine->flags = flags;
    g_mutex_unlock(&engine->lock);
    share_call_reply(call, &out, sizeof(out));
    return 0;
}

int share_op_destroy(Call *call)
{
    share_engine_reset(call->engine);
    return 0;
}
