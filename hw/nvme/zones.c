/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zones of zoned namespaces in the NVMe controller's saved state.
 *
 * A namespace may belong to several controllers; the first of its subsystem
 * carries the zones.  Zones are saved list by list: when all are in use, the
 * controller closes the one that was implicitly opened first, so the order is
 * state too.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "hw/nvme/vmstate.h"

static bool carries_zones(NvmeCtrl *n)
{
    for (uint32_t i = 0; i < NVME_MAX_CONTROLLERS; i++) {
        NvmeCtrl *first = nvme_subsys_ctrl(n->subsys, i);

        if (first) {
            return first == n;
        }
    }
    return false;
}

/* Returns: the next zoned namespace from @nsid on, or NULL. */
static NvmeNamespace *next_zoned(NvmeCtrl *n, uint32_t nsid)
{
    for (; carries_zones(n) && nsid <= NVME_MAX_NAMESPACES; nsid++) {
        NvmeNamespace *ns = nvme_subsys_ns(n->subsys, nsid);

        if (ns && ns->params.zoned) {
            return ns;
        }
    }
    return NULL;
}

#define FOREACH_ZONED(ns, n) \
    for (ns = next_zoned(n, 1); ns; ns = next_zoned(n, ns->params.nsid + 1))

uint32_t sunder_nvme_zone_count(NvmeCtrl *n)
{
    NvmeNamespace *ns;
    uint32_t count = 0;

    FOREACH_ZONED(ns, n) {
        count += ns->num_zones;
    }
    return count;
}

static size_t extensions_size(NvmeNamespace *ns)
{
    return (size_t)ns->params.zd_extension_size * ns->num_zones;
}

uint32_t sunder_nvme_zone_extensions_size(NvmeCtrl *n)
{
    NvmeNamespace *ns;
    size_t size = 0;

    FOREACH_ZONED(ns, n) {
        size += extensions_size(ns);
    }
    return size;
}

static void save_zone(GArray *zones, NvmeNamespace *ns, NvmeZone *zone)
{
    NvmeZoneRecord state = {
        .nsid = ns->params.nsid,
        .index = zone - ns->zone_array,
        .state = nvme_get_zone_state(zone),
        .attributes = zone->d.za,
        .wp = zone->d.wp,
        .w_ptr = zone->w_ptr,
    };

    g_array_append_val(zones, state);
}

static void save_namespace(GArray *zones, NvmeNamespace *ns)
{
    NvmeZone *zone;

    QTAILQ_FOREACH(zone, &ns->exp_open_zones, entry) {
        save_zone(zones, ns, zone);
    }
    QTAILQ_FOREACH(zone, &ns->imp_open_zones, entry) {
        save_zone(zones, ns, zone);
    }
    QTAILQ_FOREACH(zone, &ns->closed_zones, entry) {
        save_zone(zones, ns, zone);
    }
    QTAILQ_FOREACH(zone, &ns->full_zones, entry) {
        save_zone(zones, ns, zone);
    }
    for (uint32_t i = 0; i < ns->num_zones; i++) {
        if (!QTAILQ_IN_USE(&ns->zone_array[i], entry)) {
            save_zone(zones, ns, &ns->zone_array[i]);
        }
    }
}

void sunder_nvme_zones_save(NvmeState *s)
{
    GArray *zones = g_array_new(false, false, sizeof(NvmeZoneRecord));
    GByteArray *extensions = g_byte_array_new();
    NvmeNamespace *ns;

    FOREACH_ZONED(ns, s->parent) {
        save_namespace(zones, ns);
        if (ns->zd_extensions) {
            g_byte_array_append(extensions, ns->zd_extensions,
                                extensions_size(ns));
        }
    }
    s->nr_zones = zones->len;
    s->zones = (NvmeZoneRecord *)g_array_free(zones, false);
    s->zone_extensions_size = extensions->len;
    s->zone_extensions = g_byte_array_free(extensions, false);
}

static void empty_lists(NvmeNamespace *ns)
{
    ns->nr_open_zones = 0;
    ns->nr_active_zones = 0;
    for (uint32_t i = 0; i < ns->num_zones; i++) {
        NvmeZone *zone = &ns->zone_array[i];

        if (!QTAILQ_IN_USE(zone, entry)) {
            continue;
        }
        switch (nvme_get_zone_state(zone)) {
        case NVME_ZONE_STATE_EXPLICITLY_OPEN:
            QTAILQ_REMOVE(&ns->exp_open_zones, zone, entry);
            break;
        case NVME_ZONE_STATE_IMPLICITLY_OPEN:
            QTAILQ_REMOVE(&ns->imp_open_zones, zone, entry);
            break;
        case NVME_ZONE_STATE_CLOSED:
            QTAILQ_REMOVE(&ns->closed_zones, zone, entry);
            break;
        default:
            QTAILQ_REMOVE(&ns->full_zones, zone, entry);
        }
    }
}

/* Resources are counted only where they are limited. */
static bool take_resources(NvmeNamespace *ns, bool open)
{
    NvmeNamespaceParams *params = &ns->params;

    if ((open && params->max_open_zones &&
         ns->nr_open_zones >= params->max_open_zones) ||
        (params->max_active_zones &&
         ns->nr_active_zones >= params->max_active_zones)) {
        return false;
    }
    nvme_aor_inc_active(ns);
    if (open) {
        nvme_aor_inc_open(ns);
    }
    return true;
}

/* Returns: whether there is such a state, with resources for it. */
static bool enter_state(NvmeNamespace *ns, NvmeZone *zone, uint8_t state)
{
    bool possible = true;

    switch (state) {
    case NVME_ZONE_STATE_EXPLICITLY_OPEN:
        possible = take_resources(ns, true);
        QTAILQ_INSERT_TAIL(&ns->exp_open_zones, zone, entry);
        break;
    case NVME_ZONE_STATE_IMPLICITLY_OPEN:
        possible = take_resources(ns, true);
        QTAILQ_INSERT_TAIL(&ns->imp_open_zones, zone, entry);
        break;
    case NVME_ZONE_STATE_CLOSED:
        possible = take_resources(ns, false);
        QTAILQ_INSERT_TAIL(&ns->closed_zones, zone, entry);
        break;
    case NVME_ZONE_STATE_FULL:
        QTAILQ_INSERT_TAIL(&ns->full_zones, zone, entry);
        break;
    case NVME_ZONE_STATE_EMPTY:
    case NVME_ZONE_STATE_READ_ONLY:
    case NVME_ZONE_STATE_OFFLINE:
        break;
    default:
        return false;
    }
    nvme_set_zone_state(zone, state);
    return possible;
}

static bool is_in_zone(const NvmeZone *zone, uint64_t pointer)
{
    return pointer >= zone->d.zslba &&
           pointer - zone->d.zslba <= zone->d.zcap;
}

static int load_zone(NvmeState *s, NvmeNamespace *ns, const NvmeZoneRecord *r,
                     unsigned long *seen)
{
    NvmeZone *zone;

    if (r->nsid != ns->params.nsid || r->index >= ns->num_zones ||
        test_and_set_bit(r->index, seen)) {
        return nvme_refuse(s, "zone %u of namespace %u, expected each of the "
                           "%u zones of namespace %u once", r->index, r->nsid,
                           ns->num_zones, ns->params.nsid);
    }
    zone = &ns->zone_array[r->index];
    if (!is_in_zone(zone, r->wp) || !is_in_zone(zone, r->w_ptr)) {
        return nvme_refuse(s, "namespace %u, zone %u: write pointers 0x%" PRIx64
                           " and 0x%" PRIx64 " outside of the zone", r->nsid,
                           r->index, r->wp, r->w_ptr);
    }
    if (!enter_state(ns, zone, r->state)) {
        return nvme_refuse(s, "namespace %u, zone %u: state 0x%x does not "
                           "exist or takes more resources than there are",
                           r->nsid, r->index, r->state);
    }
    zone->d.za = r->attributes;
    zone->d.wp = r->wp;
    zone->w_ptr = r->w_ptr;
    return 0;
}

static int load_namespace(NvmeState *s, NvmeNamespace *ns,
                          const NvmeZoneRecord *records)
{
    g_autofree unsigned long *seen = bitmap_new(ns->num_zones);

    empty_lists(ns);
    for (uint32_t i = 0; i < ns->num_zones; i++) {
        int ret = load_zone(s, ns, &records[i], seen);

        if (ret) {
            return ret;
        }
    }
    return 0;
}

/* That the counts are right was checked as the arrays were read. */
int sunder_nvme_zones_load(NvmeState *s)
{
    const NvmeZoneRecord *records = s->zones;
    const uint8_t *extensions = s->zone_extensions;
    NvmeNamespace *ns;

    FOREACH_ZONED(ns, s->parent) {
        int ret = load_namespace(s, ns, records);

        if (ret) {
            return ret;
        }
        records += ns->num_zones;
        if (ns->zd_extensions) {
            memcpy(ns->zd_extensions, extensions, extensions_size(ns));
            extensions += extensions_size(ns);
        }
    }
    return 0;
}
