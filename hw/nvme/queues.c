/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the queues of an NVMe controller from its saved state. */
#include "qemu/osdep.h"
#include "hw/nvme/vmstate.h"

/* NVMe 1.4, 3.1.8: AQA.ASQS and AQA.ACQS have 12 bits and are 0's based. */
#define ADMIN_QUEUE_MAX 4096

/* Event types stand for bits of the 8-bit mask of events not yet cleared. */
#define EVENT_TYPE_MAX 7

/*
 * With shadow doorbells @pos is what the guest's memory held last; the
 * controller reads it again before each use.
 */
static bool position_is_valid(NvmeState *s, uint32_t pos, uint32_t size)
{
    return pos < size || s->dbbuf_enabled;
}

uint32_t sunder_nvme_queue_size_max(NvmeCtrl *n, uint16_t qid)
{
    /* CAP.MQES is 0's based too. */
    return qid ? n->params.mqes + 1 : ADMIN_QUEUE_MAX;
}

static int check_queue(NvmeState *s, const char *kind, uint16_t qid,
                       uint32_t size, uint64_t dma_addr)
{
    NvmeCtrl *n = s->parent;

    if (qid > n->conf_ioqpairs) {
        return nvme_refuse(s, "%s queue %u, expected 0 to %u", kind, qid,
                           n->conf_ioqpairs);
    }
    if (size < 2 || size > sunder_nvme_queue_size_max(n, qid)) {
        return nvme_refuse(s, "%s queue %u: size %u, expected 2 to %u", kind,
                           qid, size, sunder_nvme_queue_size_max(n, qid));
    }
    if (dma_addr & ((1u << s->page_bits) - 1)) {
        return nvme_refuse(s,
                           "%s queue %u: dma_addr 0x%" PRIx64 " is not at the "
                           "start of a page",
                           kind, qid, dma_addr);
    }
    return 0;
}

/* Doorbells (ioeventfd) are attended to once the machine runs. */
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
    if (cq->ioeventfd_enabled) {
        event_notifier_set_handler(&cq->notifier, NULL);
        if (c->notified) {
            event_notifier_set(&cq->notifier);
        }
    }
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
    if (sq->ioeventfd_enabled) {
        event_notifier_set_handler(&sq->notifier, NULL);
    }
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

int sunder_nvme_queues_load(NvmeState *s)
{
    int (*const loads[])(NvmeState *) = {
        load_queues, load_done, load_aers, load_events,
    };
    int ret = 0;

    for (size_t i = 0; !ret && i < ARRAY_SIZE(loads); i++) {
        ret = loads[i](s);
    }
    return ret;
}
