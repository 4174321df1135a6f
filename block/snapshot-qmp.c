/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: commands and events. */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder-block.h"
#include "qapi/qapi-events-sunder-block.h"

void snap_node_tell(SnapNode *node)
{
    g_autofree char *reason = NULL;
    uint64_t length, copied, on_demand;
    const char *name;

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (node->told_end || !node->snap || !node->bs ||
            snap_state(node->snap) == SNAP_COPYING) {
            return;
        }
        node->told_end = true;
        reason = g_strdup(node->reason);
        length = copy_map_length(snap_map(node->snap));
        copied = length - copy_map_left(snap_map(node->snap));
        on_demand = node->on_demand;
    }
    name = bdrv_get_node_name(node->bs);
    if (reason) {
        qapi_event_send_sunder_snapshot_node_broken(name, reason, copied);
    } else {
        qapi_event_send_sunder_snapshot_node_completed(name, length,
                                                       on_demand);
    }
}

static BlockDriverState *find(const char *name, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(name);

    if (!bs) {
        error_setg(errp, "node-name: \"%s\": no such node", name);
    } else if (!sunder_snapshot_is_node(bs)) {
        error_setg(errp, "node-name: \"%s\" is of the driver %s, expected "
                   "sunder-snapshot", name, bs->drv->format_name);
        bs = NULL;
    }
    return bs;
}

static SunderSnapshotNodeState state_of(const SunderSnapshotInfo *info)
{
    static const SunderSnapshotNodeState states[] = {
        [SNAP_COPYING] = SUNDER_SNAPSHOT_NODE_STATE_COPYING,
        [SNAP_COMPLETE] = SUNDER_SNAPSHOT_NODE_STATE_COMPLETE,
        [SNAP_BROKEN] = SUNDER_SNAPSHOT_NODE_STATE_BROKEN,
        [SNAP_CANCELLED] = SUNDER_SNAPSHOT_NODE_STATE_CANCELLED,
    };

    if (info->cancelled) {
        return SUNDER_SNAPSHOT_NODE_STATE_CANCELLED;
    }
    return info->started ? states[info->state]
                         : SUNDER_SNAPSHOT_NODE_STATE_PREPARED;
}

static SunderSnapshotNodeInfo *describe(BlockDriverState *bs)
{
    SunderSnapshotNodeInfo *node = g_new0(SunderSnapshotNodeInfo, 1);
    SunderSnapshotInfo info;

    sunder_snapshot_info(bs, &info);
    node->node_name = g_strdup(bdrv_get_node_name(bs));
    node->state = state_of(&info);
    node->length = info.length;
    node->copied = info.copied;
    node->on_demand = info.on_demand;
    node->block_size = info.block;
    node->rate = info.rate;
    node->persistent = info.persistent;
    node->reason = g_strdup(info.reason);
    return node;
}

SunderSnapshotNodeInfoList *qmp_query_sunder_snapshot_nodes(Error **errp)
{
    SunderSnapshotNodeInfoList *list = NULL, **tail = &list;
    BlockDriverState *bs = NULL;

    while ((bs = bdrv_next_node(bs))) {
        if (sunder_snapshot_is_node(bs)) {
            QAPI_LIST_APPEND(tail, describe(bs));
        }
    }
    return list;
}

/* All begin, or none.  Everything rests meanwhile: it is one instant. */
static bool start_all(GPtrArray *nodes, Error **errp)
{
    unsigned done;

    for (done = 0; done < nodes->len; done++) {
        BlockDriverState *bs = nodes->pdata[done];

        if (!sunder_snapshot_insert(bs, errp)) {
            break;
        }
        if (!sunder_snapshot_start(bs, errp)) {
            sunder_snapshot_remove(bs);
            break;
        }
    }
    if (done == nodes->len) {
        return true;
    }
    while (done--) {
        sunder_snapshot_cancel(nodes->pdata[done]);
        sunder_snapshot_remove(nodes->pdata[done]);
    }
    return false;
}

static bool find_all(strList *names, GPtrArray *nodes, Error **errp)
{
    for (; names; names = names->next) {
        BlockDriverState *bs = find(names->value, errp);
        SunderSnapshotInfo info;

        if (!bs) {
            return false;
        }
        sunder_snapshot_info(bs, &info);
        if (info.started || info.cancelled ||
            g_ptr_array_find(nodes, bs, NULL)) {
            error_setg(errp, "node-names: the snapshot of \"%s\" has started "
                       "already, or it is named twice", names->value);
            return false;
        }
        g_ptr_array_add(nodes, bs);
    }
    return true;
}

void qmp_sunder_snapshot_node_start(strList *node_names, Error **errp)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();
    bool ok;

    if (!find_all(node_names, nodes, errp)) {
        return;
    }
    bdrv_drain_all_begin();
    ok = start_all(nodes, errp);
    bdrv_drain_all_end();
    for (unsigned i = 0; ok && i < nodes->len; i++) {
        sunder_snapshot_run(nodes->pdata[i]);
    }
}

void qmp_sunder_snapshot_node_cancel(const char *node_name, Error **errp)
{
    BlockDriverState *bs = find(node_name, errp);

    if (bs) {
        sunder_snapshot_cancel(bs);
        sunder_snapshot_remove(bs);
    }
}

void qmp_sunder_snapshot_node_set_rate(const char *node_name, uint64_t rate,
                                       Error **errp)
{
    BlockDriverState *bs = find(node_name, errp);

    if (bs) {
        sunder_snapshot_set_rate(bs, rate);
    }
}
