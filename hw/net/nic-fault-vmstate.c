/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the network card: what travels with a migration
 *
 * The rules travel with the registry.  A section of ours, for each port that
 * has anything to tell, holds the link and the frames that wait.  Their bytes:
 * for each lane its busy time and the number of its frames, for each frame the
 * time, the frames it is behind of, the length, the virtio_net_hdr, the data;
 * numbers big endian.
 */
#include "qemu/osdep.h"
#include "hw/net/nic-fault.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "net/net.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/timer.h"

#define LANE_BYTES      (8 + 4)
#define FRAME_BYTES     (8 + 4 + 4 + sizeof(struct virtio_net_hdr))
#define MAX_BYTES       (2 * (LANE_BYTES + NIC_FAULT_MAX_BYTES + \
                              NIC_FAULT_MAX_FRAMES * (FRAME_BYTES)))

/* --- saving ------------------------------------------------------------ */

static void put32(GByteArray *out, uint32_t value)
{
    uint8_t bytes[4];

    stl_be_p(bytes, value);
    g_byte_array_append(out, bytes, sizeof(bytes));
}

static void put64(GByteArray *out, uint64_t value)
{
    put32(out, value >> 32);
    put32(out, value);
}

static void save_frame(uint64_t due_ns, uint32_t behind,
                       const NicCargo *cargo, void *opaque)
{
    GByteArray *out = opaque;
    const struct iovec *frame = cargo->iov;

    put64(out, due_ns);
    put32(out, behind);
    put32(out, frame->iov_len);
    g_byte_array_append(out, (const uint8_t *)&cargo->header,
                        sizeof(cargo->header));
    g_byte_array_append(out, frame->iov_base, frame->iov_len);
}

static int fault_pre_save(void *opaque)
{
    NicFault *fault = opaque;
    GByteArray *out = g_byte_array_new();
    gsize size;

    for (unsigned i = 0; i < G_N_ELEMENTS(fault->lanes); i++) {
        NicLane *lane = &fault->lanes[i];

        put64(out, lane->busy_until);
        put32(out, lane->n_held);
        nic_fault_lane_foreach(lane, save_frame, out);
    }
    g_free(fault->saved);
    fault->saved = g_byte_array_steal(out, &size);
    fault->n_saved = size;
    g_byte_array_unref(out);
    return 0;
}

static int fault_post_save(void *opaque)
{
    NicFault *fault = opaque;

    g_clear_pointer(&fault->saved, g_free);
    return 0;
}

static bool fault_needed(void *opaque)
{
    NicFault *fault = opaque;

    return fault->link_rule || fault->port->fault_holds;
}

/* --- loading ----------------------------------------------------------- */

typedef struct Input {
    const uint8_t *at;
    size_t left;
    bool bad;
} Input;

static const uint8_t *take(Input *in, size_t bytes)
{
    const uint8_t *at = in->at;

    if (in->bad || bytes > in->left) {
        in->bad = true;
        return NULL;
    }
    in->at += bytes;
    in->left -= bytes;
    return at;
}

static uint32_t take32(Input *in)
{
    const uint8_t *at = take(in, 4);

    return at ? ldl_be_p(at) : 0;
}

static uint64_t take64(Input *in)
{
    uint64_t high = take32(in);

    return high << 32 | take32(in);
}

static void load_frame(NicLane *lane, Input *in)
{
    uint64_t due = take64(in);
    uint32_t behind = take32(in);
    uint32_t length = take32(in);
    const uint8_t *header_at = take(in, sizeof(struct virtio_net_hdr));
    const uint8_t *data = take(in, length);
    struct virtio_net_hdr header;

    if (in->bad || length == 0 || length > NET_BUFSIZE) {
        in->bad = true;
        return;
    }
    memcpy(&header, header_at, sizeof(header));
    if (!nic_fault_lane_restore(lane, MIN(due, INT64_MAX), behind, &header,
                                data, length)) {
        in->bad = true;
    }
}

static void load_lane(NicLane *lane, Input *in)
{
    uint64_t busy_until = take64(in);
    uint32_t n = take32(in);

    nic_fault_lane_empty(lane);
    lane->busy_until = MIN(busy_until, INT64_MAX);
    for (uint32_t i = 0; i < n && !in->bad; i++) {
        load_frame(lane, in);
    }
}

static int fault_post_load(void *opaque, int version)
{
    NicFault *fault = opaque;
    Input in = { .at = fault->saved, .left = fault->n_saved };

    load_lane(&fault->lanes[0], &in);
    load_lane(&fault->lanes[1], &in);
    g_clear_pointer(&fault->saved, g_free);
    if (in.bad || in.left) {
        error_report("%s: frames of its faults in the saved state are "
                     "damaged, %zu bytes from the end", fault->port->name,
                     in.left);
        nic_fault_link_down(fault->port);
        return -EINVAL;
    }
    if (fault->link_period && fault->link_period < SCALE_MS) {
        error_report("%s: the link of the saved state changes every %" PRIu64
                     " ns; expected a millisecond at least",
                     fault->port->name, fault->link_period);
        return -EINVAL;
    }
    nic_fault_link_loaded(fault);
    if (fault->port->fault_holds) {
        timer_mod(fault->timer, nic_now());
    }
    return 0;
}

static bool saved_fits(void *opaque, int version)
{
    return ((NicFault *)opaque)->n_saved <= MAX_BYTES;
}

static int fault_pre_load(void *opaque)
{
    NicFault *fault = opaque;

    g_clear_pointer(&fault->link_rule, g_free);
    g_clear_pointer(&fault->saved, g_free);
    return 0;
}

/* --- a string that may be missing -------------------------------------- */

static int rule_get(QEMUFile *file, void *opaque, size_t size,
                    const VMStateField *field)
{
    char **rule = opaque;
    unsigned length = qemu_get_byte(file);

    if (length == 0) {
        return 0;
    }
    *rule = g_malloc0(length + 1);
    return qemu_get_buffer(file, (uint8_t *)*rule, length) == length
           ? 0 : -EINVAL;
}

static int rule_put(QEMUFile *file, void *opaque, size_t size,
                    const VMStateField *field, JSONWriter *desc)
{
    const char *rule = *(char **)opaque ?: "";
    unsigned length = strlen(rule);

    qemu_put_byte(file, length);
    qemu_put_buffer(file, (const uint8_t *)rule, length);
    return 0;
}

/* FAULT_MAX_NAME bytes at most: a byte tells how many. */
static const VMStateInfo rule_info = {
    .name = "rule",
    .get = rule_get,
    .put = rule_put,
};

static const VMStateDescription vmstate_fault = {
    .name = "sunder-nic-fault",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = fault_needed,
    .pre_save = fault_pre_save,
    .post_save = fault_post_save,
    .pre_load = fault_pre_load,
    .post_load = fault_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(link_down, NicFault),
        VMSTATE_UINT64(link_deadline, NicFault),
        VMSTATE_UINT64(link_period, NicFault),
        VMSTATE_UINT64(link_changes, NicFault),
        {
            .name = "link_rule",
            .offset = offsetof(NicFault, link_rule),
            .size = sizeof(char *),
            .info = &rule_info,
            .flags = VMS_SINGLE,
        },
        VMSTATE_UINT32(n_saved, NicFault),
        VMSTATE_VALIDATE("frames fit", saved_fits),
        VMSTATE_VBUFFER_ALLOC_UINT32(saved, NicFault, 0, NULL, n_saved),
        VMSTATE_END_OF_LIST()
    }
};

/* QEMU tells sections of one device apart by their names only. */
void nic_fault_register(NicFault *fault)
{
    fault->vmsd = g_memdup2(&vmstate_fault, sizeof(vmstate_fault));
    fault->vmsd->name = g_strdup_printf("%s.p%u", vmstate_fault.name,
                                        fault->port->number);
    vmstate_register(VMSTATE_IF(fault->port->card), 0, fault->vmsd, fault);
}

void nic_fault_unregister(NicFault *fault)
{
    if (fault->vmsd) {
        vmstate_unregister(VMSTATE_IF(fault->port->card), fault->vmsd, fault);
        g_free((char *)fault->vmsd->name);
        g_free(fault->vmsd);
    }
    g_free(fault->saved);
}
