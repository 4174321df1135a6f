/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes an NVMe controller from its saved state.  A saved state may come from
 * a damaged or a hostile file: each value is held against what the device
 * itself would ever have allowed before it is used.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "system/block-backend.h"
#include "system/hostmem.h"
#include "hw/nvme/vmstate.h"

/* Host page sizes that CAP.MPSMIN and CAP.MPSMAX offer: 4 KiB to 64 KiB. */
#define PAGE_BITS_MIN 12
#define PAGE_BITS_MAX 16

/* Event types stand for bits of the 8-bit mask of events not yet cleared. */
#define EVENT_TYPE_MAX 7

int nvme_refuse(NvmeState *s, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s: cannot load the saved state: %s",
                 sunder_nvme_name(s->parent), what);
    return -EINVAL;
}

static int check_property(NvmeState *s, const char *name, uint32_t saved,
                          uint32_t here)
{
    if (saved != here) {
        return nvme_refuse(s,
                           "%s was %u when it was saved and is %u here: start "
                           "the controller with the same properties",
                           name, saved, here);
    }
    return 0;
}

static int check_properties(NvmeState *s)
{
    NvmeParams *params = &s->parent->params;
    const struct {
        const char *name;
        uint32_t saved;
        uint32_t here;
    } properties[] = {
        { "max_ioqpairs", s->max_ioqpairs, params->max_ioqpairs },
        { "msix_qsize", s->msix_qsize, params->msix_qsize },
        { "aerl", s->aerl, params->aerl },
        { "aer_max_queued", s->aer_max_queued, params->aer_max_queued },
        { "cmb_size_mb", s->cmb_size_mb, params->cmb_size_mb },
        { "pmrdev (1: present)", s->has_pmr, s->parent->pmr.dev != NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
        int ret = check_property(s, properties[i].name, properties[i].saved,
                                 properties[i].here);

        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int check_registers(NvmeState *s)
{
    NvmeBar *here = &s->parent->bar;
    NvmeBar *saved = (NvmeBar *)s->bar;

    if (saved->cap != here->cap || saved->vs != here->vs ||
        saved->pmrcap != here->pmrcap) {
        return nvme_refuse(
            s,
            "capabilities were 0x%" PRIx64 " and are 0x%" PRIx64
            " here: start the controller with the same properties",
            ldq_le_p(&saved->cap), ldq_le_p(&here->cap));
    }
    if (s->nr_cqs &&
        (s->page_bits < PAGE_BITS_MIN || s->page_bits > PAGE_BITS_MAX)) {
        return nvme_refuse(s, "page_bits %u, expected %d to %d", s->page_bits,
                           PAGE_BITS_MIN, PAGE_BITS_MAX);
    }
    return 0;
}

static int check_buffers(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    if (s->cmb_cmse &&
        (!n->params.cmb_size_mb ||
         s->cmb_cba + int128_get64(n->cmb.mem.size) < s->cmb_cba)) {
        return nvme_refuse(s,
                           "cmb_cba 0x%" PRIx64 " with a controller memory "
                           "buffer of %u MiB",
                           s->cmb_cba, n->params.cmb_size_mb);
    }
    if (s->pmr_cmse &&
        (!n->pmr.dev || s->pmr_cba + n->pmr.dev->size < s->pmr_cba)) {
        return nvme_refuse(s,
                           "pmr_cba 0x%" PRIx64 " does not fit the persistent "
                           "memory region",
                           s->pmr_cba);
    }
    return 0;
}

/*
 * With shadow doorbells @pos is what the guest's memory held last; the
 * controller reads it again before each use.
 */
static bool position_is_valid(NvmeState *s, uint32_t pos, uint32_t size)
{
    return pos < size || s->dbbuf_enabled;
}

static uint32_t queue_size_max(NvmeState *s, uint16_t qid)
{
    /* NVMe 1.4, 3.1.8 (AQA) and CAP.MQES, both 0's based. */
    return qid ? s->parent->params.mqes + 1 : 4096;
}

static int check_queue(NvmeState *s, const char *kind, uint16_t qid,
                       uint32_t size, uint64_t dma_addr)
{
    NvmeCtrl *n = s->parent;

    if (qid > n->conf_ioqpairs) {
        return nvme_refuse(s, "%s queue %u, expected 0 to %u", kind, qid,
                           n->conf_ioqpairs);
    }
    if (size < 2 || size > queue_size_max(s, qid)) {
        return nvme_refuse(s, "%s queue %u: size %u, expected 2 to %u", kind,
                           qid, size, queue_size_max(s, qid));
    }
    if (dma_addr & ((1u << s->page_bits) - 1)) {
        return nvme_refuse(s,
                           "%s queue %u: dma_addr 0x%" PRIx64 " is not at the "
                           "start of a page",
                           kind, qid, dma_addr);
    }
    return 0;
}

static int load_cq(NvmeState *s, const NvmeCqState *c)
{
    NvmeCtrl *n = s->parent;
    NvmeCQueue *cq;
    int ret = check_queue(s, "completion", c->cqid, c->size, c->dma_addr);

    if (ret) {
        return ret;
    }
    if (n->cq[c->cqid]) {
        return nvme_refuse(s, "completion queue %u stands there twice",
                           c->cqid);
    }
    if (c->vector >= n->conf_msix_qsize || c->phase > 1 || c->irq_enabled > 1) {
        return nvme_refuse(s,
                           "completion queue %u: vector %u, phase %u, "
                           "irq_enabled %u, expected vector below %u and the "
                           "others 0 or 1",
                           c->cqid, c->vector, c->phase, c->irq_enabled,
                           n->conf_msix_qsize);
    }
    if (c->tail >= c->size || !position_is_valid(s, c->head, c->size)) {
        return nvme_refuse(s,
                           "completion queue %u: head %u, tail %u, expected "
                           "below its size %u",
                           c->cqid, c->head, c->tail, c->size);
    }
    cq = c->cqid ? g_new0(NvmeCQueue, 1) : &n->admin_cq;
    sunder_nvme_ops->init_cq(cq, n, c->dma_addr, c->cqid, c->vector, c->size,
                             c->irq_enabled);
    cq->head = c->head;
    cq->tail = c->tail;
    cq->phase = c->phase;
    return 0;
}

static int load_sq(NvmeState *s, const NvmeSqState *q)
{
    NvmeCtrl *n = s->parent;
    NvmeSQueue *sq;
    int ret = check_queue(s, "submission", q->sqid, q->size, q->dma_addr);

    if (ret) {
        return ret;
    }
    if (n->sq[q->sqid]) {
        return nvme_refuse(s, "submission queue %u stands there twice",
                           q->sqid);
    }
    if (q->cqid > n->conf_ioqpairs || !n->cq[q->cqid] || !q->cqid != !q->sqid) {
        return nvme_refuse(s,
                           "submission queue %u: completion queue %u is not "
                           "one of its kind",
                           q->sqid, q->cqid);
    }
    if (q->head >= q->size || !position_is_valid(s, q->tail, q->size)) {
        return nvme_refuse(s,
                           "submission queue %u: head %u, tail %u, expected "
                           "below its size %u",
                           q->sqid, q->head, q->tail, q->size);
    }
    sq = q->sqid ? g_new0(NvmeSQueue, 1) : &n->admin_sq;
    sunder_nvme_ops->init_sq(sq, n, q->dma_addr, q->sqid, q->cqid, q->size);
    sq->head = q->head;
    sq->tail = q->tail;
    return 0;
}

static int load_queues(NvmeState *s)
{
    NvmeCtrl *n = s->parent;
    int ret;

    for (int i = 0; i < s->nr_cqs; i++) {
        ret = load_cq(s, &s->cqs[i]);
        if (ret) {
            return ret;
        }
    }
    for (int i = 0; i < s->nr_sqs; i++) {
        ret = load_sq(s, &s->sqs[i]);
        if (ret) {
            return ret;
        }
    }
    if (s->nr_cqs + s->nr_sqs && (!n->cq[0] || !n->sq[0])) {
        return nvme_refuse(s, "I/O queues without the admin queues");
    }
    return 0;
}

/* Take a free request of the submission queue that @r names. */
static NvmeRequest *take_request(NvmeState *s, const NvmeReqState *r)
{
    NvmeSQueue *sq = NULL;
    NvmeRequest *req;

    if (r->sqid <= s->parent->conf_ioqpairs) {
        sq = s->parent->sq[r->sqid];
    }
    if (!sq || QTAILQ_EMPTY(&sq->req_list)) {
        nvme_refuse(s,
                    "command %u: submission queue %u does not exist or has no "
                    "room",
                    r->cid, r->sqid);
        return NULL;
    }
    req = QTAILQ_FIRST(&sq->req_list);
    QTAILQ_REMOVE(&sq->req_list, req, entry);
    req->cqe.cid = cpu_to_le16(r->cid);
    req->cqe.result = cpu_to_le32(r->result);
    req->cqe.dw1 = cpu_to_le32(r->dw1);
    req->status = r->status;
    return req;
}

static int load_done(NvmeState *s)
{
    for (int i = 0; i < s->nr_done; i++) {
        NvmeRequest *req = take_request(s, &s->done[i]);

        if (!req) {
            return -EINVAL;
        }
        QTAILQ_INSERT_TAIL(&nvme_cq(req)->req_list, req, entry);
    }
    return 0;
}

static int load_aers(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    for (int i = 0; i < s->nr_aers; i++) {
        NvmeRequest *req;

        if (s->aers[i].sqid) {
            return nvme_refuse(s,
                               "asynchronous event request %u in submission "
                               "queue %u, expected 0",
                               s->aers[i].cid, s->aers[i].sqid);
        }
        req = take_request(s, &s->aers[i]);
        if (!req) {
            return -EINVAL;
        }
        req->cmd.opcode = NVME_ADM_CMD_ASYNC_EV_REQ;
        req->cmd.cid = req->cqe.cid;
        QTAILQ_INSERT_TAIL(&req->sq->out_req_list, req, entry);
        n->aer_reqs[n->outstanding_aers++] = req;
    }
    return 0;
}

static int load_events(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    for (int i = 0; i < s->nr_events; i++) {
        const NvmeEventState *e = &s->events[i];
        NvmeAsyncEvent *event;

        if (e->type > EVENT_TYPE_MAX) {
            return nvme_refuse(
                s, "asynchronous event of type %u, expected 0 to %d", e->type,
                EVENT_TYPE_MAX);
        }
        event = g_new0(NvmeAsyncEvent, 1);
        event->result.event_type = e->type;
        event->result.event_info = e->info;
        event->result.log_page = e->log_page;
        QTAILQ_INSERT_TAIL(&n->aer_queue, event, entry);
        n->aer_queued++;
    }
    n->aer_mask = s->aer_mask;
    return 0;
}

static int check_format(NvmeState *s, NvmeNamespace *ns, const NvmeNsState *c)
{
    uint8_t index = NVME_ID_NS_FLBAS_INDEX(c->flbas);
    uint8_t pi = NVME_ID_NS_DPS_TYPE(c->dps);
    uint16_t pi_size = ns->pif ? 16 : 8;

    if (c->nlbaf >= ns->nlbaf || index >= ns->nlbaf) {
        return nvme_refuse(s,
                           "namespace %u: LBA format %u of %u, expected below "
                           "%u",
                           c->nsid, index, c->nlbaf + 1, ns->nlbaf);
    }
    if (pi > NVME_ID_NS_DPS_TYPE_3 ||
        (pi && ns->id_ns.lbaf[index].ms < pi_size)) {
        return nvme_refuse(s,
                           "namespace %u: protection information type %u does "
                           "not fit LBA format %u",
                           c->nsid, pi, index);
    }
    if (c->zoned && c->flbas != ns->id_ns.flbas) {
        return nvme_refuse(s,
                           "namespace %u: LBA format %u, expected %u: a zoned "
                           "namespace cannot be formatted",
                           c->nsid, c->flbas, ns->id_ns.flbas);
    }
    return 0;
}

static void load_statistics(NvmeNamespace *ns, const NvmeNsState *c)
{
    BlockAcctStats *acct = blk_get_stats(ns->blkconf.blk);

    QEMU_LOCK_GUARD(&acct->lock);
    acct->nr_bytes[BLOCK_ACCT_READ] = c->bytes_read;
    acct->nr_bytes[BLOCK_ACCT_WRITE] = c->bytes_written;
    acct->nr_ops[BLOCK_ACCT_READ] = c->reads;
    acct->nr_ops[BLOCK_ACCT_WRITE] = c->writes;
}

static void load_attachment(NvmeCtrl *n, NvmeNamespace *ns, bool attached)
{
    uint32_t nsid = ns->params.nsid;

    if (attached && !nvme_ns(n, nsid)) {
        nvme_attach_ns(n, ns);
    } else if (!attached && nvme_ns(n, nsid)) {
        n->namespaces[nsid] = NULL;
        ns->attached--;
    }
}

static int load_namespace(NvmeState *s, const NvmeNsState *c)
{
    NvmeCtrl *n = s->parent;
    NvmeNamespace *ns = nvme_subsys_ns(n->subsys, c->nsid);
    int ret;

    if (!ns) {
        return nvme_refuse(s, "namespace %u does not exist here", c->nsid);
    }
    if (c->size != ns->size || !!c->zoned != ns->params.zoned) {
        return nvme_refuse(s,
                           "namespace %u was %" PRIu64
                           " bytes%s and is %" PRId64 " bytes%s here",
                           c->nsid, c->size, c->zoned ? ", zoned" : "",
                           ns->size, ns->params.zoned ? ", zoned" : "");
    }
    ret = check_format(s, ns, c);
    if (ret) {
        return ret;
    }
    ns->id_ns.nlbaf = c->nlbaf;
    if (ns->id_ns.flbas != c->flbas || ns->id_ns.dps != c->dps) {
        ns->id_ns.flbas = c->flbas;
        ns->id_ns.dps = c->dps;
        nvme_ns_init_format(ns);
    }
    if (c->numzrwa > ns->num_zones) {
        return nvme_refuse(s,
                           "namespace %u: numzrwa %u, expected at "
                           "most %u",
                           c->nsid, c->numzrwa, ns->num_zones);
    }
    ns->zns.numzrwa = c->numzrwa;
    ns->status = c->status;
    ns->features.err_rec = c->err_rec;
    blk_set_enable_write_cache(ns->blkconf.blk, c->write_cache);
    load_statistics(ns, c);
    load_attachment(n, ns, c->attached);
    if (c->changed) {
        set_bit(c->nsid, n->changed_nsids);
    }
    return 0;
}

static int load_namespaces(NvmeState *s)
{
    uint32_t present = 0;

    for (uint32_t nsid = 1; nsid <= NVME_MAX_NAMESPACES; nsid++) {
        present += nvme_subsys_ns(s->parent->subsys, nsid) != NULL;
    }
    if (s->nr_namespaces != present) {
        return nvme_refuse(s, "%d namespaces were saved and %u are here",
                           s->nr_namespaces, present);
    }
    bitmap_zero(s->parent->changed_nsids, NVME_CHANGED_NSID_SIZE);
    for (int i = 0; i < s->nr_namespaces; i++) {
        int ret = load_namespace(s, &s->namespaces[i]);

        if (ret) {
            return ret;
        }
    }
    return 0;
}

static void load_features(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    n->host_timestamp = s->host_timestamp;
    n->timestamp_set_qemu_clock_ms = s->timestamp_set_ms;
    n->starttime_ms = s->starttime_ms;
    n->temperature = s->temperature;
    n->smart_critical_warning = s->smart_critical_warning;
    n->features.temp_thresh_hi = s->temp_thresh_hi;
    n->features.temp_thresh_low = s->temp_thresh_low;
    n->features.async_config = s->async_config;
    memcpy(&n->features.hbs, s->hbs, sizeof(s->hbs));
    n->dn = s->dn;
    n->atomic.atomic_max_write_size = s->atomic_max_write_size;
    n->atomic.atomic_writes = s->atomic_writes;
    n->dmrsl = s->dmrsl;
}

/* Queues take their shadow doorbells' addresses from here as they are made. */
static void load_controller(NvmeState *s)
{
    NvmeCtrl *n = s->parent;

    memcpy(&n->bar, s->bar, sizeof(s->bar));
    n->qs_created = s->qs_created;
    n->page_bits = s->page_bits;
    n->page_size = s->nr_cqs ? 1u << s->page_bits : 0;
    n->max_prp_ents = n->page_size / sizeof(uint64_t);
    n->irq_status = s->irq_status;
    n->cq_pending = s->cq_pending;
    n->dbbuf_enabled = s->dbbuf_enabled;
    n->dbbuf_dbs = s->dbbuf_dbs;
    n->dbbuf_eis = s->dbbuf_eis;
    n->cmb.cmse = s->cmb_cmse;
    n->cmb.cba = s->cmb_cba;
    n->pmr.cmse = s->pmr_cmse;
    n->pmr.cba = s->pmr_cba;
    if (n->pmr.dev) {
        memory_region_set_enabled(&n->pmr.dev->mr,
                                  NVME_PMRCTL_EN(ldl_le_p(&n->bar.pmrctl)));
    }
}

int sunder_nvme_state_load(NvmeState *s)
{
    int (*const checks[])(NvmeState *) = {
        check_properties,
        check_registers,
        check_buffers,
    };
    int (*const loads[])(NvmeState *) = {
        load_queues, load_done,       load_aers,
        load_events, load_namespaces, sunder_nvme_zones_load,
    };
    int ret = 0;

    for (size_t i = 0; !ret && i < ARRAY_SIZE(checks); i++) {
        ret = checks[i](s);
    }
    if (ret) {
        return ret;
    }
    sunder_nvme_ops->reset(s->parent, NVME_RESET_CONTROLLER);
    load_controller(s);
    load_features(s);
    for (size_t i = 0; !ret && i < ARRAY_SIZE(loads); i++) {
        ret = loads[i](s);
    }
    return ret;
}
