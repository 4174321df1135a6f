/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: what is told to whoever manages them. */
#include "snapshot-node.h"
#include "qemu/error-report.h"

void snap_node_tell(SnapNode *node)
{
    bool broken;

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (node->told_end || !node->snap || !node->bs ||
            snap_state(node->snap) == SNAP_COPYING) {
            return;
        }
        node->told_end = true;
        broken = snap_state(node->snap) == SNAP_BROKEN;
    }
    info_report("snapshot of node %s: %s", bdrv_get_node_name(node->bs),
                broken ? node->reason : "complete");
}
