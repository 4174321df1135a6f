/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings the NVMe controller to rest when the machine stops, wakes it when
 * the machine runs again, and refuses to migrate what vmstate.c does not
 * carry.
 *
 * QEMU runs a device's bottom halves in a stopped machine too, and the RAM of
 * a migration is final before the devices are saved: a command fetched in
 * between would be lost or done twice.  So the fetching stops with the
 * machine.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "block/aio.h"
#include "hw/qdev-core.h"
#include "hw/pci/pcie_sriov.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "system/block-backend.h"
#include "system/hostmem.h"
#include "system/runstate.h"
#include "hw/nvme/vmstate.h"

#define TYPE_SUNDER_NVME_REST "sunder-nvme-rest"
OBJECT_DECLARE_SIMPLE_TYPE(SunderNvmeRest, SUNDER_NVME_REST)

/* The controller's child of this name keeps what belongs to one controller. */
#define REST_CHILD "sunder-rest"

struct SunderNvmeRest {
    Object parent;
    VMChangeStateEntry *handler;
    Error *blocker;
};

const SunderNvmeOps *sunder_nvme_ops;

const char *sunder_nvme_name(NvmeCtrl *n)
{
    DeviceState *dev = DEVICE(n);

    return dev->id ?: dev->canonical_path ?: TYPE_NVME;
}

static bool is_waiting_aer(NvmeCtrl *n, NvmeRequest *req)
{
    for (int i = 0; i < n->outstanding_aers; i++) {
        if (n->aer_reqs[i] == req) {
            return true;
        }
    }
    return false;
}

NvmeRequest *sunder_nvme_inflight(NvmeCtrl *n)
{
    NvmeRequest *req;

    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        if (!n->sq[i]) {
            continue;
        }
        QTAILQ_FOREACH(req, &n->sq[i]->out_req_list, entry) {
            if (!is_waiting_aer(n, req)) {
                return req;
            }
        }
    }
    return NULL;
}

static void set_notifier(bool enabled, EventNotifier *notifier,
                         EventNotifierHandler *handler)
{
    if (enabled) {
        event_notifier_set_handler(notifier, handler);
    }
}

static void stop_fetching(NvmeCtrl *n)
{
    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        NvmeSQueue *sq = n->sq[i];

        if (sq) {
            qemu_bh_cancel(sq->bh);
            set_notifier(sq->ioeventfd_enabled, &sq->notifier, NULL);
        }
    }
}

static void stop_posting(NvmeCtrl *n)
{
    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        NvmeCQueue *cq = n->cq[i];

        if (cq) {
            qemu_bh_cancel(cq->bh);
            set_notifier(cq->ioeventfd_enabled, &cq->notifier, NULL);
        }
    }
}

/*
 * One step of a command (Format and Copy take many) ends in each drain; the
 * next begins as the drain is over.
 */
static void drain_namespaces(NvmeCtrl *n)
{
    for (uint32_t nsid = 1; nsid <= NVME_MAX_NAMESPACES; nsid++) {
        NvmeNamespace *ns = nvme_subsys_ns(n->subsys, nsid);

        if (ns) {
            blk_drain(ns->blkconf.blk);
        }
    }
    aio_poll(qemu_get_aio_context(), false);
}

static void nvme_rest(NvmeCtrl *n)
{
    stop_fetching(n);
    while (sunder_nvme_inflight(n)) {
        drain_namespaces(n);
        stop_fetching(n);
    }
    stop_posting(n);
}

/*
 * Only what has work: a bottom half for nothing would raise an interrupt that
 * the machine would not have seen had it not been stopped.
 */
static void wake_sq(NvmeCtrl *n, NvmeSQueue *sq)
{
    if (n->dbbuf_enabled || sq->head != sq->tail) {
        qemu_bh_schedule(sq->bh);
    }
    set_notifier(sq->ioeventfd_enabled, &sq->notifier,
                 sunder_nvme_ops->sq_notifier);
}

static void wake_cq(NvmeCQueue *cq)
{
    if (!QTAILQ_EMPTY(&cq->req_list)) {
        qemu_bh_schedule(cq->bh);
    }
    set_notifier(cq->ioeventfd_enabled, &cq->notifier,
                 sunder_nvme_ops->cq_notifier);
}

static void nvme_wake(NvmeCtrl *n)
{
    for (uint32_t i = 0; i <= n->params.max_ioqpairs; i++) {
        if (n->sq[i]) {
            wake_sq(n, n->sq[i]);
        }
        if (n->cq[i]) {
            wake_cq(n->cq[i]);
        }
    }
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    if (running) {
        nvme_wake(opaque);
    } else {
        nvme_rest(opaque);
    }
}

static void set_blocker(NvmeCtrl *n, Error **reason)
{
    const char *name = sunder_nvme_name(n);

    if (n->params.sriov_max_vfs) {
        error_setg(reason, "%s: sriov_max_vfs=%u: the state of virtual "
                   "functions is not saved; start it with sriov_max_vfs=0",
                   name, n->params.sriov_max_vfs);
    } else if (n->subsys && n->subsys->endgrp.fdp.enabled) {
        error_setg(reason, "%s: the state of Flexible Data Placement is not "
                   "saved; start its nvme-subsys with fdp=off", name);
    } else if (PCI_DEVICE(n)->spdm_port) {
        error_setg(reason, "%s: spdm_port=%u: the session with an SPDM "
                   "responder is not saved; start it without spdm_port",
                   name, PCI_DEVICE(n)->spdm_port);
    } else if (n->params.cmb_size_mb > INT_MAX / MiB) {
        error_setg(reason, "%s: cmb_size_mb=%u: up to %d MiB are saved",
                   name, n->params.cmb_size_mb, (int)(INT_MAX / MiB));
    }
}

/* Before the controller is realized, so that there is nothing to undo. */
static bool rest_block(SunderNvmeRest *rest, NvmeCtrl *n, Error **errp)
{
    set_blocker(n, &rest->blocker);
    return !rest->blocker || migrate_add_blocker(&rest->blocker, errp) == 0;
}

static void rest_start(SunderNvmeRest *rest, NvmeCtrl *n)
{
    if (n->pmr.dev) {
        vmstate_register_ram(&n->pmr.dev->mr, DEVICE(n));
    }
    rest->handler = qdev_add_vm_change_state_handler(DEVICE(n),
                                                     vm_state_changed, n);
}

static void rest_finalize(Object *obj)
{
    SunderNvmeRest *rest = SUNDER_NVME_REST(obj);

    if (rest->handler) {
        qemu_del_vm_change_state_handler(rest->handler);
    }
    migrate_del_blocker(&rest->blocker);
}

static void nvme_realize(PCIDevice *pci, Error **errp)
{
    ERRP_GUARD();
    NvmeCtrl *n = NVME(pci);
    Object *rest;

    if (pci_is_vf(pci)) {
        sunder_nvme_ops->realize(pci, errp);
        return;
    }
    rest = object_new(TYPE_SUNDER_NVME_REST);
    object_property_add_child(OBJECT(pci), REST_CHILD, rest);
    object_unref(rest);
    if (rest_block(SUNDER_NVME_REST(rest), n, errp)) {
        sunder_nvme_ops->realize(pci, errp);
    }
    if (*errp) {
        object_unparent(rest);
        return;
    }
    rest_start(SUNDER_NVME_REST(rest), n);
}

static void nvme_exit(PCIDevice *pci)
{
    NvmeCtrl *n = NVME(pci);
    Object *rest = object_resolve_path_component(OBJECT(pci), REST_CHILD);

    if (rest) {
        object_unparent(rest);
        if (n->pmr.dev) {
            vmstate_unregister_ram(&n->pmr.dev->mr, DEVICE(n));
        }
    }
    sunder_nvme_ops->exit(pci);
}

void sunder_nvme_class_init(PCIDeviceClass *pc, const SunderNvmeOps *ops)
{
    sunder_nvme_ops = ops;
    pc->realize = nvme_realize;
    pc->exit = nvme_exit;
    DEVICE_CLASS(pc)->vmsd = &sunder_nvme_vmstate;
}

static const TypeInfo rest_info = {
    .name = TYPE_SUNDER_NVME_REST,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SunderNvmeRest),
    .instance_finalize = rest_finalize,
};

static void register_types(void)
{
    type_register_static(&rest_info);
}

type_init(register_types)
