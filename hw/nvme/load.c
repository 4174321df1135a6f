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
    if ((s->nr_cqs || s->nr_sqs) &&
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
        sunder_nvme_queues_load, load_namespaces, sunder_nvme_zones_load,
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
