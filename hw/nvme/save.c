/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the state of an NVMe controller, which is at rest (quiesce.c). */
#include "qemu/osdep.h"
#include "system/block-backend.h"
#include "hw/nvme/vmstate.h"

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

/* Looks at an event without taking it. */
static bool is_notified(NvmeCQueue *cq)
{
    bool notified = cq->ioeventfd_enabled &&
                    event_notifier_test_and_clear(&cq->notifier);

    if (notified) {
        event_notifier_set(&cq->notifier);
    }
    return notified;
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
                .notified = is_notified(cq),
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

void sunder_nvme_state_save(NvmeState *s)
{
    save_properties(s);
    save_controller(s);
    save_features(s);
    save_cqs(s);
    save_sqs(s);
    save_events(s);
    save_namespaces(s);
    sunder_nvme_zones_save(s);
}
