/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: reports of stale DMA
 *
 * A stale DMA is found in any thread; names of devices and the monitor
 * want the big lock.  A report waits in a queue until somebody who has it
 * sends it: the finder, or a bottom half.
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/trace.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/main-loop.h"

/* The same, of one device to one page; virtual time. */
#define TELL_AGAIN_NS   NANOSECONDS_PER_SECOND

/*
 * Pages remembered, and reports waiting: beyond the first all pages are
 * forgotten (and so told anew), beyond the second reports are lost; the
 * counters of query-sunder-iommu know them all.
 */
#define MAX_TOLD        65536
#define MAX_REPORTS     1024

typedef struct ToldPage {
    const IommuClient *client;
    uint64_t page;
    uint64_t count;
    uint64_t told_ns;
    PagingAction action;        /* as it was told */
    bool held;
} ToldPage;

typedef struct IommuReport {
    IommuClient *client;
    uint16_t requester;
    uint64_t iova;
    uint64_t length;
    unsigned access;
    PagingResult result;
    SunderIommuInvalidation invalidation;
    bool held;
    uint64_t count;
    uint64_t now_ns;
} IommuReport;

static guint told_hash(gconstpointer key)
{
    const ToldPage *t = key;

    return g_direct_hash(t->client) ^ (guint)(t->page >> VTD_PAGE_SHIFT);
}

static gboolean told_equal(gconstpointer a, gconstpointer b)
{
    const ToldPage *x = a, *y = b;

    return x->client == y->client && x->page == y->page;
}

/* Returns: how many there were so far, or 0 when it is not to be told. */
static uint64_t count_page(SunderIommu *s, const IommuReport *r)
{
    ToldPage key = { .client = r->client, .page = r->iova & VTD_PAGE_MASK_4K };
    ToldPage *told = g_hash_table_lookup(s->told, &key);

    if (!told) {
        if (g_hash_table_size(s->told) >= MAX_TOLD) {
            g_hash_table_remove_all(s->told);
        }
        told = g_memdup2(&key, sizeof(key));
        g_hash_table_add(s->told, told);
    } else if (r->now_ns - told->told_ns < TELL_AGAIN_NS &&
               told->action == r->result.action && told->held == r->held) {
        told->count++;
        return 0;
    }
    told->told_ns = r->now_ns;
    told->action = r->result.action;
    told->held = r->held;
    return ++told->count;
}

void iommu_client_name_after(IommuClient *client, PCIDevice *device)
{
    g_free(client->name);
    client->name = DEVICE(device)->id ?
                   g_strdup(DEVICE(device)->id) :
                   object_get_canonical_path(OBJECT(device));
}

const char *iommu_client_name(IommuClient *client)
{
    const VTDAddressSpace *as = client->as;
    PCIDevice *device = as->bus->devices[as->devfn];

    if (!client->name && device) {
        iommu_client_name_after(client, device);
    }
    return client->name ? client->name : "unknown";
}

static void send_report(SunderIommu *s, const IommuReport *r)
{
    qapi_event_send_sunder_iommu_stale_dma(
        s->id, iommu_client_name(r->client), r->requester, r->iova,
        r->length,
        r->access == PAGING_WRITE ? SUNDER_IOMMU_DIRECTION_WRITE :
                                    SUNDER_IOMMU_DIRECTION_READ,
        r->result.old_entry, r->result.new_entry, r->result.age_ns,
        r->invalidation, r->held, (SunderIommuAction)r->result.action,
        r->count, r->now_ns);
}

static void send_reports(SunderIommu *s)
{
    for (;;) {
        g_autofree IommuReport *report = NULL;

        WITH_QEMU_LOCK_GUARD(&s->lock) {
            report = g_queue_pop_head(s->reports);
        }
        if (!report) {
            return;
        }
        send_report(s, report);
    }
}

static void run_reports(void *opaque)
{
    SunderIommu *s = opaque;

    send_reports(s);
    iommu_log_send_event(s);
}

/*
 * What one translation covers; a refusal, that of its 4 KiB: see refused in
 * iommu-translate.c.
 */
static uint64_t access_length(uint64_t iova, const PagingResult *result)
{
    uint64_t mask = result->action == PAGING_BLOCKED ? VTD_PAGE_SIZE - 1 :
                                                       result->mask;

    return MIN(address_space_access_length, mask - (iova & mask) + 1);
}

void iommu_report_stale(IommuClient *client, uint64_t iova, unsigned access,
                        const PagingResult *result,
                        SunderIommuInvalidation invalidation, bool held)
{
    SunderIommu *s = client->iommu;
    IommuReport report = {
        .client = client,
        .requester = PCI_BUILD_BDF(pci_bus_num(client->as->bus),
                                   client->as->devfn),
        .iova = iova,
        .length = access_length(iova, result),
        .access = access,
        .result = *result,
        .invalidation = invalidation,
        .held = held,
        .now_ns = sunder_fault_now_ns(),
    };

    trace_sunder_iommu_stale(s->id, report.requester, iova, access,
                             result->old_entry, result->new_entry, held);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        report.count = count_page(s, &report);
        if (!report.count || g_queue_get_length(s->reports) >= MAX_REPORTS) {
            return;
        }
        g_queue_push_tail(s->reports, g_memdup2(&report, sizeof(report)));
    }
    if (bql_locked()) {
        send_reports(s);
    } else {
        qemu_bh_schedule(s->report_bh);
    }
}

void iommu_report_reset(SunderIommu *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    g_hash_table_remove_all(s->told);
}

void iommu_report_init(SunderIommu *s)
{
    s->told = g_hash_table_new_full(told_hash, told_equal, g_free, NULL);
    s->reports = g_queue_new();
    s->report_bh = qemu_bh_new(run_reports, s);
}
