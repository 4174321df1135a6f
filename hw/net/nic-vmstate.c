/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic: its state in a migration.
 *
 * Rings are in the guest's memory, their indices in virtio.c's state; here is
 * what functions, ports and aggregations know besides.  The machine has
 * stopped: what was staged went to the driver then, and nothing is staged
 * until it runs again (nic-stage.c).
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"

/* What a packet is cut into, as in nic-offload.c. */
#define MAX_FRAMES  2048

/* --- rings ------------------------------------------------------------- */

static int ring_post_load(void *opaque, int version_id)
{
    NicRing *ring = opaque;

    if (ring->next_frame > MAX_FRAMES) {
        error_report("%s: saved in frame %u of a packet, which has no more "
                     "than %d", ring->function->id, ring->next_frame,
                     MAX_FRAMES);
        return -EINVAL;
    }
    if (nic_holdoff_deadline(&ring->holdoff) != NIC_NO_DEADLINE) {
        timer_mod_ns(ring->timer, MIN(ring->holdoff.deadline_ns, INT64_MAX));
    }
    return 0;
}

static const VMStateDescription vmstate_ring = {
    .name = "sunder-nic-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = ring_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(stats.packets, NicRing),
        VMSTATE_UINT64(stats.bytes, NicRing),
        VMSTATE_UINT64(stats.dropped, NicRing),
        VMSTATE_UINT64(stats.interrupts, NicRing),
        VMSTATE_UINT64(stats.merged, NicRing),
        VMSTATE_UINT64(stats.transfers, NicRing),
        VMSTATE_UINT64(stats.segmented, NicRing),
        VMSTATE_UINT32(holdoff.threshold, NicRing),
        VMSTATE_UINT64(holdoff.holdoff_ns, NicRing),
        VMSTATE_UINT32(holdoff.pending, NicRing),
        VMSTATE_UINT64(holdoff.deadline_ns, NicRing),
        VMSTATE_BOOL(polled, NicRing),
        VMSTATE_UINT32(next_frame, NicRing),
        VMSTATE_END_OF_LIST()
    },
};

/* --- functions --------------------------------------------------------- */

static int function_post_load(void *opaque, int version_id)
{
    NicFunction *f = opaque;

    if (f->pairs < 1 || f->pairs > f->n_pairs) {
        error_report("%s: saved with %u pairs of queues in use, of %u",
                     f->id, f->pairs, f->n_pairs);
        return -EINVAL;
    }
    return 0;
}

/* What its other files save of a function. */
#define VMSTATE_OF_FUNCTION(information) \
    {                                    \
        .name = #information,            \
        .info = &(information),          \
        .flags = VMS_SINGLE,             \
        .size = sizeof(NicFunction),     \
    }

const VMStateDescription vmstate_sunder_nic_function = {
    .name = "sunder-nic-function",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = function_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_ARRAY(mac, NicFunction, ETH_ALEN),
        VMSTATE_UINT32_EQUAL(n_pairs, NicFunction, "set queue-pairs to it"),
        VMSTATE_UINT32(pairs, NicFunction),
        VMSTATE_BOOL(announcing, NicFunction),
        VMSTATE_UINT64(bad_requests, NicFunction),
        VMSTATE_STRUCT_VARRAY_UINT32(rx, NicFunction, n_pairs, 1,
                                     vmstate_ring, NicRing),
        VMSTATE_STRUCT_VARRAY_UINT32(tx, NicFunction, n_pairs, 1,
                                     vmstate_ring, NicRing),
        VMSTATE_OF_FUNCTION(nic_control_vmstate_info),
        VMSTATE_OF_FUNCTION(nic_dlpi_vmstate_info),
        VMSTATE_END_OF_LIST()
    },
};

/* --- ports and aggregations -------------------------------------------- */

#define N_COUNTERS  (sizeof(MacPortStats) / sizeof(uint64_t))

/* A port's counters, while they are in transit. */
typedef struct Counters {
    NicPort *parent;
    uint64_t counters[N_COUNTERS];
} Counters;

G_STATIC_ASSERT(sizeof(MacPortStats) % sizeof(uint64_t) == 0);

static int counters_pre_save(void *opaque)
{
    Counters *c = opaque;

    memcpy(c->counters, mac_port_stats(c->parent->mac), sizeof(MacPortStats));
    return 0;
}

static int counters_post_load(void *opaque, int version_id)
{
    Counters *c = opaque;
    MacPortStats stats;

    memcpy(&stats, c->counters, sizeof(stats));
    mac_port_set_stats(c->parent->mac, &stats);
    return 0;
}

/* QEMU loads what is in transit as version 0 (get_tmp()). */
static const VMStateDescription vmstate_counters = {
    .name = "sunder-nic-port/counters",
    .pre_save = counters_pre_save,
    .post_load = counters_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_ARRAY(counters, Counters, N_COUNTERS),
        VMSTATE_END_OF_LIST()
    },
};

/* Links are as they are here: cables do not migrate. */
static const VMStateDescription vmstate_port = {
    .name = "sunder-nic-port",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(pauses, NicPort),
        VMSTATE_WITH_TMP(NicPort, Counters, vmstate_counters),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_group = {
    .name = "sunder-nic-group",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_POINTER(watch, NicGroup, vmstate_nic_watch, NicWatch),
        VMSTATE_END_OF_LIST()
    },
};

/* Its virtio part travels with the function. */
const VMStateDescription vmstate_sunder_nic = {
    .name = "sunder-nic",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_EQUAL(n_ports, NicCard, "the ports must be the same"),
        VMSTATE_UINT32_EQUAL(n_groups, NicCard, "the layout must be the same"),
        VMSTATE_STRUCT_VARRAY_UINT32(ports, NicCard, n_ports, 1,
                                     vmstate_port, NicPort),
        VMSTATE_STRUCT_VARRAY_UINT32(groups, NicCard, n_groups, 1,
                                     vmstate_group, NicGroup),
        VMSTATE_END_OF_LIST()
    },
};
