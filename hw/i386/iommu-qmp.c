/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: QMP commands
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"
#include "qemu/rcu_queue.h"

static SunderIommu *need_iommu(Error **errp)
{
    SunderIommu *s = sunder_iommu_get();

    if (!s) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "this machine has no sunder-iommu; start it with "
                  "-device sunder-iommu");
    }
    return s;
}

static SunderIommuLedger *describe_ledger(const PagingLedger *l)
{
    SunderIommuLedger *ledger = g_new0(SunderIommuLedger, 1);

    ledger->invalidations = l->invalidations;
    ledger->entries = l->entries;
    ledger->stale_entries = l->stale_entries;
    ledger->window_total_ns = l->window_total_ns;
    ledger->window_max_ns = l->window_max_ns;
    return ledger;
}

static SunderIommuDevice *describe_client(IommuClient *client,
                                          const PagingCounters *c)
{
    SunderIommuDevice *d = g_new0(SunderIommuDevice, 1);

    d->device = g_strdup(iommu_client_name(client));
    d->requester_id = client->last_requester;
    d->translations = c->translations;
    d->entries = c->entries;
    d->misses = c->misses;
    d->revalidated = c->revalidated;
    d->stale = c->stale + qatomic_read(&client->held_stale);
    d->blocked = qatomic_read(&client->blocked);
    d->ledger = describe_ledger(&c->ledger);
    return d;
}

static int compare_devices(const void *a, const void *b)
{
    const SunderIommuDevice *x = *(SunderIommuDevice *const *)a;
    const SunderIommuDevice *y = *(SunderIommuDevice *const *)b;

    return x->requester_id != y->requester_id ?
           x->requester_id - y->requester_id : strcmp(x->device, y->device);
}

static SunderIommuDeviceList *describe_clients(SunderIommu *s)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    SunderIommuDeviceList *list = NULL;
    IommuClient *client;

    QLIST_FOREACH_RCU(client, &s->clients, next) {
        PagingCounters counters;

        paging_device_counters(client->paging, &counters);
        if (counters.translations || qatomic_read(&client->blocked)) {
            g_ptr_array_add(devices, describe_client(client, &counters));
        }
    }
    g_ptr_array_sort(devices, compare_devices);
    for (unsigned i = devices->len; i; i--) {
        QAPI_LIST_PREPEND(list, g_ptr_array_index(devices, i - 1));
    }
    return list;
}

SunderIommuInfo *qmp_query_sunder_iommu(Error **errp)
{
    SunderIommu *s = need_iommu(errp);
    SunderIommuInfo *info;

    if (!s) {
        return NULL;
    }
    iommu_sweep_all(s);
    info = g_new0(SunderIommuInfo, 1);
    info->id = g_strdup(s->id);
    info->mode = qatomic_read(&s->mode);
    info->bounce = qatomic_read(&s->bounce);
    info->translating = INTEL_IOMMU_DEVICE(s)->dmar_enabled;
    info->invalidations = s->invalidations;
    info->lost = s->lost;
    info->pending = s->delayed->len;
    info->devices = describe_clients(s);
    return info;
}

void qmp_sunder_iommu_set_mode(SunderIommuMode mode, bool has_bounce,
                               bool bounce, Error **errp)
{
    SunderIommu *s = need_iommu(errp);

    if (s && iommu_set_mode(s, mode, errp) && has_bounce) {
        iommu_hold_enable(s, bounce);
    }
}
