/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NVMe controller's state in a migration stream, and how it is gathered.
 * The controller is at rest then (quiesce.c).
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "system/block-backend.h"
#include "hw/nvme/vmstate.h"

/* Admin queues: AQA.ASQS and AQA.ACQS have 12 bits (NVMe 1.4, 3.1.8). */
#define ADMIN_QUEUE_MAX 4096

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

static NvmeReqState save_request(NvmeRequest *req)
{
    return (NvmeReqState) {
        .sqid = req->sq->sqid,
        .cid = le16_to_cpu(req->cqe.cid),
        .status = req->status,
        .result = le32_to_cpu(req->cqe.result),
        .dw1 = le32_to_cpu(req->cqe.dw1),
    };
}

static void save_done(NvmeCQueue *cq, GArray *done)
{
    NvmeRequest *req;

    QTAILQ_FOREACH(req, &cq->req_list, entry) {
        NvmeReqState state = save_request(req);

        g_array_append_val(done, state);
    }
}

static void save_cqs(NvmeState *s)
{
    NvmeCtrl *n = s->parent;
    GArray *cqs = g_array_new(false, false, sizeof(NvmeCqState));
    GArray *done = g_array_new(false, false, sizeof(NvmeReqState));

    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        NvmeCQueue *cq = n->cq[i];

        if (cq) {
            NvmeCqState state = {
                .cqid = cq->cqid,
                .vector = cq->vector,
                .irq_enabled = cq->irq_enabled,
                .phase = cq->phase,
                .head = cq->head,
                .tail = cq->tail,
                .size = cq->size,
                .dma_addr = cq->dma_addr,
            };

            g_array_append_val(cqs, state);
            save_done(cq, done);
        }
    }
    s->nr_cqs = cqs->len;
    s->cqs = (NvmeCqState *)g_array_free(cqs, false);
    s->nr_done = done->len;
    s->done = (NvmeReqState *)g_array_free(done, false);
}

static void save_sqs(NvmeState *s)
{
    NvmeCtrl *n = s->parent;
    GArray *sqs = g_array_new(false, false, sizeof(NvmeSqState));

    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        NvmeSQueue *sq = n->sq[i];

        if (sq) {
            NvmeSqState state = {
                .sqid = sq->sqid,
                .cqid = sq->cqid,
                .head = sq->head,
                .tail = sq->tail,
                .size = sq->size,
                .dma_addr = sq->dma_addr,
            };

            g_array_append_val(sqs, state);
        }
    }
    s->nr_sqs = sqs->len;
    s->sqs = (NvmeSqState *)g_array_free(sqs, false);
}

static void save_events(NvmeState *s)
{
    NvmeCtrl *n = s->parent;
    GArray *events = g_array_new(false, false, sizeof(NvmeEventState));
    NvmeAsyncEvent *event;

    s->nr_aers = n->outstanding_aers;
    s->aers = g_new(NvmeReqState, s->nr_aers);
    for (int i = 0; i < s->nr_aers; i++) {
        s->aers[i] = save_request(n->aer_reqs[i]);
    }
    QTAILQ_FOREACH(event, &n->aer_queue, entry) {
        NvmeEventState state = {
            .type = event->result.event_type,
            .info = event->result.event_info,
            .log_page = event->result.log_page,
        };

        g_array_append_val(events, state);
    }
    s->nr_events = events->len;
    s->events = (NvmeEventState *)g_array_free(events, false);
}

static NvmeNsState save_namespace(NvmeCtrl *n, NvmeNamespace *ns)
{
    BlockBackend *blk = ns->blkconf.blk;
    BlockAcctStats *acct = blk_get_stats(blk);
    uint32_t nsid = ns->params.nsid;

    QEMU_LOCK_GUARD(&acct->lock);
    return (NvmeNsState) {
        .nsid = nsid,
        .attached = nvme_ns(n, nsid) == ns,
        .changed = test_bit(nsid, n->changed_nsids),
        .zoned = ns->params.zoned,
        .size = ns->size,
        .flbas = ns->id_ns.flbas,
        .dps = ns->id_ns.dps,
        .nlbaf = ns->id_ns.nlbaf,
        .status = ns->status,
        .err_rec = ns->features.err_rec,
        .write_cache = blk_enable_write_cache(blk),
        .numzrwa = ns->zns.numzrwa,
        .bytes_read = acct->nr_bytes[BLOCK_ACCT_READ],
        .bytes_written = acct->nr_bytes[BLOCK_ACCT_WRITE],
        .reads = acct->nr_ops[BLOCK_ACCT_READ],
        .writes = acct->nr_ops[BLOCK_ACCT_WRITE],
    };
}

static void save_namespaces(NvmeState *s)
{
    NvmeCtrl *n = s->parent;
    GArray *namespaces = g_array_new(false, false, sizeof(NvmeNsState));

    for (uint32_t nsid = 1; nsid <= NVME_MAX_NAMESPACES; nsid++) {
        NvmeNamespace *ns = nvme_subsys_ns(n->subsys, nsid);

        if (ns) {
            NvmeNsState state = save_namespace(n, ns);

            g_array_append_val(namespaces, state);
        }
    }
    s->nr_namespaces = namespaces->len;
    s->namespaces = (NvmeNsState *)g_array_free(namespaces, false);
}

static void save_properties(NvmeState *s)
{
    NvmeParams *params = &s->parent->params;

    s->max_ioqpairs = params->max_ioqpairs;
    s->msix_qsize = params->msix_qsize;
    s->aerl = params->aerl;
    s->aer_max_queued = params->aer_max_queued;
    s->cmb_size_mb = params->cmb_size_mb;
    s->has_pmr = s->parent->pmr.dev != NULL;
}

static void save_features(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    s->host_timestamp = n->host_timestamp;
    s->timestamp_set_ms = n->timestamp_set_qemu_clock_ms;
    s->starttime_ms = n->starttime_ms;
    s->temperature = n->temperature;
    s->smart_critical_warning = n->smart_critical_warning;
    s->temp_thresh_hi = n->features.temp_thresh_hi;
    s->temp_thresh_low = n->features.temp_thresh_low;
    s->async_config = n->features.async_config;
    memcpy(s->hbs, &n->features.hbs, sizeof(s->hbs));
    s->dn = n->dn;
    s->atomic_max_write_size = n->atomic.atomic_max_write_size;
    s->atomic_writes = n->atomic.atomic_writes;
    s->dmrsl = n->dmrsl;
}

static void save_controller(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    memcpy(s->bar, &n->bar, sizeof(s->bar));
    s->qs_created = n->qs_created;
    s->page_bits = n->page_bits;
    s->irq_status = n->irq_status;
    s->cq_pending = n->cq_pending;
    s->dbbuf_enabled = n->dbbuf_enabled;
    s->dbbuf_dbs = n->dbbuf_dbs;
    s->dbbuf_eis = n->dbbuf_eis;
    s->cmb_cmse = n->cmb.cmse;
    s->cmb_cba = n->cmb.cba;
    s->pmr_cmse = n->pmr.cmse;
    s->pmr_cba = n->pmr.cba;
    s->aer_mask = n->aer_mask;
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
    save_properties(s);
    save_controller(s);
    save_features(s);
    save_cqs(s);
    save_sqs(s);
    save_events(s);
    save_namespaces(s);
    sunder_nvme_zones_save(s);
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
 * the arrays are made.
 */
static bool cq_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->nr_cqs >= 0 && s->nr_cqs <= s->parent->params.max_ioqpairs + 1;
}

static bool sq_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->nr_sqs >= 0 && s->nr_sqs <= s->parent->params.max_ioqpairs + 1;
}

static bool done_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;
    int64_t limit = 0;

    for (int i = 0; i < s->nr_sqs; i++) {
        limit += MIN(s->sqs[i].size,
                     MAX(s->parent->params.mqes + 1, ADMIN_QUEUE_MAX));
    }
    return s->nr_done >= 0 && s->nr_done <= limit;
}

static bool aer_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    /* AERL is a 0's based value (NVMe 1.4, figure 247). */
    return s->nr_aers >= 0 && s->nr_aers <= s->parent->params.aerl + 1;
}

static bool event_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->nr_events >= 0 &&
           s->nr_events <= s->parent->params.aer_max_queued;
}

static bool namespace_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->nr_namespaces >= 0 && s->nr_namespaces <= NVME_MAX_NAMESPACES;
}

static bool zone_count_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->nr_zones == sunder_nvme_zone_count(s->parent);
}

static bool zone_extensions_size_is_valid(void *opaque, int version_id)
{
    NvmeState *s = opaque;

    return s->zone_extensions_size ==
           sunder_nvme_zone_extensions_size(s->parent);
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
