/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: what the user asked for, and whether it can be. */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qapi/qmp/qerror.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "block/qdict.h"
#include "qemu/option.h"

#define MIN_BLOCK       (4 * KiB)
#define MAX_BLOCK       (1 * MiB)
#define DEFAULT_BLOCK   (4 * KiB)
/* The map may take this much before blocks become larger. */
#define MAX_MAP_BYTES   (32 * MiB)
#define MAX_EXTENTS     SNAP_MAX_RANGES

uint32_t snap_node_default_block(uint64_t length)
{
    uint32_t block = DEFAULT_BLOCK;

    while (length / block / 8 > MAX_MAP_BYTES && block < MAX_BLOCK) {
        block *= 2;
    }
    return block;
}

static QemuOptsList options_list = {
    .name = "sunder-snapshot",
    .head = QTAILQ_HEAD_INITIALIZER(options_list.head),
    .desc = {
        { .name = "block-size", .type = QEMU_OPT_SIZE },
        { .name = "on-store-error", .type = QEMU_OPT_STRING },
        { .name = "max-wait", .type = QEMU_OPT_NUMBER },
        { .name = "rate", .type = QEMU_OPT_SIZE },
        { .name = "background", .type = QEMU_OPT_BOOL },
        { .name = "start", .type = QEMU_OPT_BOOL },
        { .name = "power-safe", .type = QEMU_OPT_BOOL },
        { /* end */ }
    },
};

static bool parse_policy(SnapNode *node, const char *word, Error **errp)
{
    if (!word || !strcmp(word, "break")) {
        node->hold = false;
    } else if (!strcmp(word, "hold")) {
        node->hold = true;
    } else {
        error_setg(errp, "on-store-error: \"%s\"; expected break or hold",
                   word);
        return false;
    }
    return true;
}

static bool parse_block(SnapNode *node, uint64_t size, Error **errp)
{
    if (size && (size < MIN_BLOCK || size > MAX_BLOCK ||
                 !is_power_of_2(size))) {
        error_setg(errp, "block-size: %" PRIu64 "; expected a power of two "
                   "from %" PRIu64 " to %" PRIu64, size, (uint64_t)MIN_BLOCK,
                   (uint64_t)MAX_BLOCK);
        return false;
    }
    node->block = size;
    return true;
}

static bool parse_extent(SnapNode *node, QDict *one, unsigned n, Error **errp)
{
    SnapExtent extent;
    const char *offset = qdict_get_try_str(one, "offset");
    const char *length = qdict_get_try_str(one, "length");

    if (offset && length) {
        if (!parse_option_size("offset", offset, &extent.offset, errp) ||
            !parse_option_size("length", length, &extent.length, errp)) {
            return false;
        }
    } else {
        extent.offset = qdict_get_try_int(one, "offset", -1);
        extent.length = qdict_get_try_int(one, "length", -1);
    }
    if (extent.offset > INT64_MAX || extent.length > INT64_MAX) {
        error_setg(errp, "first.%u: expected offset and length in bytes", n);
        return false;
    }
    g_array_append_val(node->first, extent);
    return true;
}

/* first.0.offset, first.0.length, first.1.offset, ... */
static bool parse_first(SnapNode *node, QDict *options, Error **errp)
{
    int n = qdict_array_entries(options, "first.");

    if (n < 0 || n > MAX_EXTENTS) {
        error_setg(errp, "first: expected a list of up to %d extents",
                   MAX_EXTENTS);
        return false;
    }
    node->first = g_array_new(false, false, sizeof(SnapExtent));
    for (int i = 0; i < n; i++) {
        g_autofree char *prefix = g_strdup_printf("first.%d.", i);
        QDict *one = NULL;
        bool ok;

        qdict_extract_subqdict(options, &one, prefix);
        ok = parse_extent(node, one, i, errp);
        qobject_unref(one);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool parse_rest(SnapNode *node, QemuOpts *opts, bool *start,
                       Error **errp)
{
    uint64_t max_wait = qemu_opt_get_number(opts, "max-wait", 0);

    if (max_wait > UINT32_MAX) {
        error_setg(errp, "max-wait: %" PRIu64 "; expected milliseconds, at "
                   "most %u", max_wait, UINT32_MAX);
        return false;
    }
    node->max_wait_ns = max_wait * SCALE_MS;
    node->pace.rate = qemu_opt_get_size(opts, "rate", 0);
    node->background = qemu_opt_get_bool(opts, "background", true);
    node->power_safe = qemu_opt_get_bool(opts, "power-safe", false);
    *start = qemu_opt_get_bool(opts, "start", true);
    return parse_block(node, qemu_opt_get_size(opts, "block-size", 0),
                       errp) &&
           parse_policy(node, qemu_opt_get(opts, "on-store-error"), errp);
}

bool snap_node_parse(SnapNode *node, QDict *options, bool *start,
                     Error **errp)
{
    QemuOpts *opts = qemu_opts_create(&options_list, NULL, 0, &error_abort);
    bool ok = qemu_opts_absorb_qdict(opts, options, errp) &&
              parse_rest(node, opts, start, errp) &&
              parse_first(node, options, errp);

    qemu_opts_del(opts);
    return ok;
}

/* Whether what is written to @a would be written to @b, or the reverse. */
static bool GRAPH_RDLOCK same_disk(BlockDriverState *a, BlockDriverState *b)
{
    for (; a; a = bdrv_primary_bs(a)) {
        for (BlockDriverState *c = b; c; c = bdrv_primary_bs(c)) {
            if (a == c) {
                return true;
            }
        }
    }
    return false;
}

static bool GRAPH_RDLOCK check_child(SnapNode *node, BdrvChild *child,
                                     const char *name, Error **errp)
{
    if (same_disk(child->bs, node->bs->file->bs)) {
        error_setg(errp, "%s: node \"%s\" is the disk itself, or a part of "
                   "it; give it a file of its own", name,
                   bdrv_get_device_or_node_name(child->bs));
        return false;
    }
    if (bdrv_is_read_only(child->bs)) {
        error_setg(errp, "%s: node \"%s\" is read-only; a snapshot is "
                   "written to it", name,
                   bdrv_get_device_or_node_name(child->bs));
        return false;
    }
    return true;
}

bool snap_node_check(SnapNode *node, Error **errp)
{
    int64_t disk = bdrv_getlength(node->bs->file->bs);
    int64_t store = bdrv_getlength(node->store->bs);

    if (disk < 0 || store < 0) {
        error_setg_errno(errp, -MIN(disk, store),
                         "%s: cannot tell its length",
                         disk < 0 ? "file" : "store");
        return false;
    }
    if (!check_child(node, node->store, "store", errp) ||
        (node->map_file && !check_child(node, node->map_file, "map", errp))) {
        return false;
    }
    if (node->map_file &&
        same_disk(node->map_file->bs, node->store->bs)) {
        error_setg(errp, "map: node \"%s\" is the store, too; give it a file "
                   "of its own",
                   bdrv_get_device_or_node_name(node->map_file->bs));
        return false;
    }
    if (store < disk) {
        error_setg(errp, "store: node \"%s\" has %" PRId64 " bytes, the disk "
                   "has %" PRId64 "; make the store as large",
                   bdrv_get_device_or_node_name(node->store->bs), store,
                   disk);
        return false;
    }
    return true;
}

bool snap_node_prefer(SnapNode *node, Error **errp)
{
    for (unsigned i = 0; i < node->first->len; i++) {
        const SnapExtent *e = &g_array_index(node->first, SnapExtent, i);

        if (!snap_prefer(node->snap, SNAP_PRIORITY_FIRST, e->offset,
                         e->length)) {
            error_setg(errp, "first: more than %d extents", MAX_EXTENTS);
            return false;
        }
    }
    return true;
}
