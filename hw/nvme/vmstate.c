/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NVMe controller's state as it stands in a migration stream. */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "hw/nvme/vmstate.h"

void sunder_nvme_state_clear(NvmeState *s)
{
    g_clear_pointer(&s->cqs, g_free);
    g_clear_pointer(&s->sqs, g_free);
    g_clear_pointer(&s->done, g_free);
    g_clear_pointer(&s->aers, g_free);
    g_clear_pointer(&s->events, g_free);
    g_clear_pointer(&s->namespaces, g_free);
    g_clear_pointer(&s->zones, g_free);
    g_clear_pointer(&s->zone_extensions, g_free);
}

static int check_at_rest(NvmeCtrl *n)
{
    NvmeRequest *req = sunder_nvme_inflight(n);

    if (req) {
        error_report("%s: submission queue %u: command %u (opcode 0x%x) is "
                     "still being executed; stop the machine before saving",
                     sunder_nvme_name(n), req->sq->sqid, nvme_cid(req),
                     req->cmd.opcode);
        return -EBUSY;
    }
    return 0;
}

static int state_pre_save(void *opaque)
{
    NvmeState *s = opaque;
    NvmeCtrl *n = s->parent;
    int ret;

    memset(s, 0, sizeof(*s));
    s->parent = n;
    ret = check_at_rest(n);
    if (ret) {
        return ret;
    }
    sunder_nvme_state_save(s);
    return 0;
}

static int state_post_save(void *opaque)
{
    sunder_nvme_state_clear(opaque);
    return 0;
}

static int state_pre_load(void *opaque)
{
    NvmeState *s = opaque;
    NvmeCtrl *n = s->parent;

    memset(s, 0, sizeof(*s));
    s->parent = n;
    return 0;
}

static int state_post_load(void *opaque, int version_id)
{
    int ret = sunder_nvme_state_load(opaque);

    sunder_nvme_state_clear(opaque);
    return ret;
}

/*
 * The counts decide how much memory the arrays take: they are checked before
 * the arrays are made.  When one is refused, nobody calls us again: what was
 * read before is freed here.
 */
static bool check_count(NvmeState *s, int64_t count, int64_t min, int64_t max)
{
    if (count >= min && count <= max) {
        return true;
    }
    sunder_nvme_state_clear(s);
    return false;
}

static bool cq_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return check_count(s, s->nr_cqs, 0, s->parent->params.max_ioqpairs + 1);
}

static bool sq_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return check_count(s, s->nr_sqs, 0, s->parent->params.max_ioqpairs + 1);
}

static bool done_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;
    int64_t limit = 0;

    for (int i = 0; i < s->nr_sqs; i++) {
        limit += MIN(s->sqs[i].size,
                     sunder_nvme_queue_size_max(s->parent, s->sqs[i].sqid));
    }
    return check_count(s, s->nr_done, 0, limit);
}

static bool aer_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    /* AERL is a 0's based value (NVMe 1.4, figure 247). */
    return check_count(s, s->nr_aers, 0, s->parent->params.aerl + 1);
}

static bool event_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return check_count(s, s->nr_events, 0, s->parent->params.aer_max_queued);
}

static bool namespace_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return check_count(s, s->nr_namespaces, 0, NVME_MAX_NAMESPACES);
}

static bool zone_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;
    uint32_t count = sunder_nvme_zone_count(s->parent);

    return check_count(s, s->nr_zones, count, count);
}

static bool zone_extensions_size_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;
    uint32_t size = sunder_nvme_zone_extensions_size(s->parent);

    return check_count(s, s->zone_extensions_size, size, size);
}

static const VMStateDescription cq_vmstate = {
    .name = "nvme-completion-queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(cqid, NvmeCqState),
        VMSTATE_UINT16(vector, NvmeCqState),
        VMSTATE_UINT8(irq_enabled, NvmeCqState),
        VMSTATE_UINT8(phase, NvmeCqState),
        VMSTATE_UINT8(notified, NvmeCqState),
        VMSTATE_UINT32(head, NvmeCqState),
        VMSTATE_UINT32(tail, NvmeCqState),
        VMSTATE_UINT32(size, NvmeCqState),
        VMSTATE_UINT64(dma_addr, NvmeCqState),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription sq_vmstate = {
    .name = "nvme-submission-queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(sqid, NvmeSqState),
        VMSTATE_UINT16(cqid, NvmeSqState),
        VMSTATE_UINT32(head, NvmeSqState),
        VMSTATE_UINT32(tail, NvmeSqState),
        VMSTATE_UINT32(size, NvmeSqState),
        VMSTATE_UINT64(dma_addr, NvmeSqState),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription request_vmstate = {
    .name = "nvme-request",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(sqid, NvmeReqState),
        VMSTATE_UINT16(cid, NvmeReqState),
        VMSTATE_UINT16(status, NvmeReqState),
        VMSTATE_UINT32(result, NvmeReqState),
        VMSTATE_UINT32(dw1, NvmeReqState),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription event_vmstate = {
    .name = "nvme-event",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(type, NvmeEventState),
        VMSTATE_UINT8(info, NvmeEventState),
        VMSTATE_UINT8(log_page, NvmeEventState),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription namespace_vmstate = {
    .name = "nvme-namespace",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(nsid, NvmeNsState),
        VMSTATE_UINT8(attached, NvmeNsState),
        VMSTATE_UINT8(changed, NvmeNsState),
        VMSTATE_UINT8(zoned, NvmeNsState),
        VMSTATE_UINT64(size, NvmeNsState),
        VMSTATE_UINT8(flbas, NvmeNsState),
        VMSTATE_UINT8(dps, NvmeNsState),
        VMSTATE_UINT8(nlbaf, NvmeNsState),
        VMSTATE_UINT16(status, NvmeNsState),
        VMSTATE_UINT32(err_rec, NvmeNsState),
        VMSTATE_UINT8(write_cache, NvmeNsState),
        VMSTATE_UINT32(numzrwa, NvmeNsState),
        VMSTATE_UINT64(bytes_read, NvmeNsState),
        VMSTATE_UINT64(bytes_written, NvmeNsState),
        VMSTATE_UINT64(reads, NvmeNsState),
        VMSTATE_UINT64(writes, NvmeNsState),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription zone_vmstate = {
    .name = "nvme-zone",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(nsid, NvmeZoneRecord),
        VMSTATE_UINT32(index, NvmeZoneRecord),
        VMSTATE_UINT8(state, NvmeZoneRecord),
        VMSTATE_UINT8(attributes, NvmeZoneRecord),
        VMSTATE_UINT64(wp, NvmeZoneRecord),
        VMSTATE_UINT64(w_ptr, NvmeZoneRecord),
        VMSTATE_END_OF_LIST()
    },
};

/* VMSTATE_WITH_TMP() asks for version 0. */
static const VMStateDescription state_vmstate = {
    .name = "nvme-controller",
    .pre_save = state_pre_save,
    .post_save = state_post_save,
    .pre_load = state_pre_load,
    .post_load = state_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(max_ioqpairs, NvmeState),
        VMSTATE_UINT32(msix_qsize, NvmeState),
        VMSTATE_UINT32(aerl, NvmeState),
        VMSTATE_UINT32(aer_max_queued, NvmeState),
        VMSTATE_UINT32(cmb_size_mb, NvmeState),
        VMSTATE_UINT8(has_pmr, NvmeState),
        VMSTATE_BUFFER(bar, NvmeState),
        VMSTATE_UINT8(qs_created, NvmeState),
        VMSTATE_UINT16(page_bits, NvmeState),
        VMSTATE_UINT32(irq_status, NvmeState),
        VMSTATE_INT32(cq_pending, NvmeState),
        VMSTATE_UINT64(host_timestamp, NvmeState),
        VMSTATE_UINT64(timestamp_set_ms, NvmeState),
        VMSTATE_UINT64(starttime_ms, NvmeState),
        VMSTATE_UINT16(temperature, NvmeState),
        VMSTATE_UINT8(smart_critical_warning, NvmeState),
        VMSTATE_UINT8(dbbuf_enabled, NvmeState),
        VMSTATE_UINT64(dbbuf_dbs, NvmeState),
        VMSTATE_UINT64(dbbuf_eis, NvmeState),
        VMSTATE_UINT8(cmb_cmse, NvmeState),
        VMSTATE_UINT64(cmb_cba, NvmeState),
        VMSTATE_UINT8(pmr_cmse, NvmeState),
        VMSTATE_UINT64(pmr_cba, NvmeState),
        VMSTATE_UINT8(aer_mask, NvmeState),
        VMSTATE_UINT32(dmrsl, NvmeState),
        VMSTATE_UINT16(temp_thresh_hi, NvmeState),
        VMSTATE_UINT16(temp_thresh_low, NvmeState),
        VMSTATE_UINT32(async_config, NvmeState),
        VMSTATE_BUFFER(hbs, NvmeState),
        VMSTATE_UINT32(dn, NvmeState),
        VMSTATE_UINT32(atomic_max_write_size, NvmeState),
        VMSTATE_UINT8(atomic_writes, NvmeState),
        VMSTATE_INT32(nr_cqs, NvmeState),
        VMSTATE_VALIDATE("nr_cqs fits max_ioqpairs", cq_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(cqs, NvmeState, nr_cqs, 0, cq_vmstate,
                                    NvmeCqState),
        VMSTATE_INT32(nr_sqs, NvmeState),
        VMSTATE_VALIDATE("nr_sqs fits max_ioqpairs", sq_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(sqs, NvmeState, nr_sqs, 0, sq_vmstate,
                                    NvmeSqState),
        VMSTATE_INT32(nr_done, NvmeState),
        VMSTATE_VALIDATE("nr_done fits the queues", done_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(done, NvmeState, nr_done, 0,
                                    request_vmstate, NvmeReqState),
        VMSTATE_INT32(nr_aers, NvmeState),
        VMSTATE_VALIDATE("nr_aers fits aerl", aer_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(aers, NvmeState, nr_aers, 0,
                                    request_vmstate, NvmeReqState),
        VMSTATE_INT32(nr_events, NvmeState),
        VMSTATE_VALIDATE("nr_events fits aer_max_queued",
                         event_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(events, NvmeState, nr_events, 0,
                                    event_vmstate, NvmeEventState),
        VMSTATE_INT32(nr_namespaces, NvmeState),
        VMSTATE_VALIDATE("nr_namespaces is at most 256",
                         namespace_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(namespaces, NvmeState, nr_namespaces, 0,
                                    namespace_vmstate, NvmeNsState),
        VMSTATE_INT32(nr_zones, NvmeState),
        VMSTATE_VALIDATE("nr_zones is the namespaces' own",
                         zone_count_is_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(zones, NvmeState, nr_zones, 0,
                                    zone_vmstate, NvmeZoneRecord),
        VMSTATE_UINT32(zone_extensions_size, NvmeState),
        VMSTATE_VALIDATE("zone_extensions_size is the namespaces' own",
                         zone_extensions_size_is_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(zone_extensions, NvmeState, 0, NULL,
                                     zone_extensions_size),
        VMSTATE_END_OF_LIST()
    },
};

static bool has_cmb(void *opaque, int version_id)
{
    NvmeCtrl *n = opaque;

    return n->params.cmb_size_mb != 0;
}

const VMStateDescription sunder_nvme_vmstate = {
    .name = "sunder-nvme",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, NvmeCtrl),
        VMSTATE_MSIX(parent_obj, NvmeCtrl),
        VMSTATE_WITH_TMP(NvmeCtrl, NvmeState, state_vmstate),
        VMSTATE_VBUFFER_MULTIPLY(cmb.buf, NvmeCtrl, 0, has_cmb,
                                 params.cmb_size_mb, MiB),
        VMSTATE_END_OF_LIST()
    },
};
