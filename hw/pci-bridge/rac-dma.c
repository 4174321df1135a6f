/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-port: direct memory access of the functions below
 *
 * A function's requests go through its bus master address space.  While
 * there are rules, or the port is isolated, an overlay covers that space
 * and every request passes here in pieces of up to eight bytes.
 *
 * A write that a rule delays waits in a queue and reaches memory behind
 * later ones.
 */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac-port.h"
#include "hw/pci/pci.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "system/runstate.h"

#define TYPE_SUNDER_RAC_DMA "sunder-rac-dma"
OBJECT_DECLARE_SIMPLE_TYPE(RacDma, SUNDER_RAC_DMA)

/* Writes held back at a time; more go to memory at once. */
#define MAX_DELAYED 65536

/*
 * Memory that a device maps goes through buffers while the overlay is there.
 * QEMU's default of 4 KiB is too little for a frame of 64 KiB, which igb
 * would drop.
 */
#define MAX_BOUNCE_BUFFERS (16 * MiB)

struct RacDelayedWrite {
    int64_t due_ns;
    hwaddr address;
    uint64_t data;
    unsigned size;
    QTAILQ_ENTRY(RacDelayedWrite) next;
};

struct RacDma {
    Object parent_obj;

    RacFunction *function;      /* NULL once it was removed */
    FaultPoint *point;
    MemoryRegion overlay;
    bool interposed;
    QEMUTimer *timer;
    unsigned n_delayed;
    QTAILQ_HEAD(, RacDelayedWrite) delayed;     /* by due time */
};

OBJECT_DEFINE_SIMPLE_TYPE(RacDma, sunder_rac_dma, SUNDER_RAC_DMA, OBJECT)

static MemTxResult forward(RacFunction *f, hwaddr address, uint64_t *data,
                           unsigned size, bool write)
{
    AddressSpace *as = pci_device_iommu_address_space(f->device);
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    uint8_t bytes[8];
    MemTxResult result;

    stn_le_p(bytes, size, *data);
    result = address_space_rw(as, address, attrs, bytes, size, write);
    if (!write) {
        *data = ldn_le_p(bytes, size);
    }
    return result;
}

static void complete_first(RacDma *dma)
{
    RacDelayedWrite *w = QTAILQ_FIRST(&dma->delayed);

    QTAILQ_REMOVE(&dma->delayed, w, next);
    dma->n_delayed--;
    if (!dma->function->port->isolated) {
        forward(dma->function, w->address, &w->data, w->size, true);
    }
    g_free(w);
}

static void complete_due(void *opaque)
{
    RacDma *dma = opaque;
    int64_t now = sunder_fault_now_ns();

    while (!QTAILQ_EMPTY(&dma->delayed) &&
           QTAILQ_FIRST(&dma->delayed)->due_ns <= now) {
        complete_first(dma);
    }
    if (!QTAILQ_EMPTY(&dma->delayed)) {
        timer_mod(dma->timer, QTAILQ_FIRST(&dma->delayed)->due_ns);
    }
    rac_function_update_dma(dma->function);
}

static void complete_all(RacDma *dma)
{
    while (!QTAILQ_EMPTY(&dma->delayed)) {
        complete_first(dma);
    }
    timer_del(dma->timer);
}

static void forget_all(RacDma *dma)
{
    RacDelayedWrite *w, *next;

    QTAILQ_FOREACH_SAFE(w, &dma->delayed, next, next) {
        QTAILQ_REMOVE(&dma->delayed, w, next);
        g_free(w);
    }
    dma->n_delayed = 0;
    timer_del(dma->timer);
}

static void hold_back(RacDma *dma, hwaddr address, uint64_t data,
                      unsigned size, uint64_t ns)
{
    RacDelayedWrite *w = g_new0(RacDelayedWrite, 1);
    RacDelayedWrite *after;

    w->due_ns = sunder_fault_now_ns() + MIN(ns, INT64_MAX / 2);
    w->address = address;
    w->data = data;
    w->size = size;
    QTAILQ_FOREACH_REVERSE(after, &dma->delayed, next) {
        if (after->due_ns <= w->due_ns) {
            break;
        }
    }
    if (after) {
        QTAILQ_INSERT_AFTER(&dma->delayed, after, w, next);
    } else {
        QTAILQ_INSERT_HEAD(&dma->delayed, w, next);
    }
    dma->n_delayed++;
    timer_mod(dma->timer, QTAILQ_FIRST(&dma->delayed)->due_ns);
}

/* Returns: whether @answer leaves the request to be forwarded. */
static bool answer_request(RacDma *dma, const FaultFiring *answer,
                           hwaddr address, uint64_t data, unsigned size,
                           MemTxResult *result)
{
    switch (answer->outcome->code) {
    case RAC_OUTCOME_BLOCKED:
        *result = MEMTX_ACCESS_ERROR;
        return false;
    case RAC_OUTCOME_DROP:
        return false;
    default:
        if (dma->n_delayed >= MAX_DELAYED || !runstate_is_running()) {
            return true;
        }
        hold_back(dma, address, data, size, answer->duration_ns);
        return false;
    }
}

static MemTxResult request(RacDma *dma, hwaddr address, uint64_t *data,
                           unsigned size, bool write)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    RacFunction *f = dma->function;
    MemTxResult result = MEMTX_OK;
    const FaultFiring *answer;
    unsigned n = 0;

    if (!f || f->port->isolated ||
        !f->device->bus_master_enable_region.enabled) {
        return MEMTX_DECODE_ERROR;
    }
    if (fault_point_armed(dma->point) && !f->sending_message) {
        n = sunder_fault_check(dma->point,
                               write ? FAULT_OP_WRITE : FAULT_OP_READ,
                               address, size, firings);
    }
    if (write) {
        *data = rac_apply_values(firings, n, *data, size);
    }
    answer = rac_find_answer(firings, n);
    if (answer && !answer_request(dma, answer, address, *data, size,
                                  &result)) {
        return result;
    }
    result = forward(f, address, data, size, write);
    if (!write) {
        *data = rac_apply_values(firings, n, *data, size);
    }
    return result;
}

static MemTxResult dma_read(void *opaque, hwaddr address, uint64_t *data,
                            unsigned size, MemTxAttrs attrs)
{
    *data = rac_all_ones(size);
    return request(opaque, address, data, size, false);
}

static MemTxResult dma_write(void *opaque, hwaddr address, uint64_t data,
                             unsigned size, MemTxAttrs attrs)
{
    return request(opaque, address, &data, size, true);
}

static const MemoryRegionOps dma_ops = {
    .read_with_attrs = dma_read,
    .write_with_attrs = dma_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8,
               .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8,
              .unaligned = true },
};

static void sunder_rac_dma_init(Object *obj)
{
    RacDma *dma = SUNDER_RAC_DMA(obj);

    QTAILQ_INIT(&dma->delayed);
    dma->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, complete_due, dma);
}

static void sunder_rac_dma_class_init(ObjectClass *klass, void *data)
{
}

static void sunder_rac_dma_finalize(Object *obj)
{
    timer_free(SUNDER_RAC_DMA(obj)->timer);
}

void rac_function_update_dma(RacFunction *f)
{
    RacDma *dma = f->dma;
    bool wanted;

    if (!dma || !dma->point) {
        return;
    }
    wanted = f->port->isolated || dma->point->n_rules ||
             !QTAILQ_EMPTY(&dma->delayed);
    if (wanted != dma->interposed) {
        dma->interposed = wanted;
        memory_region_set_enabled(&dma->overlay, wanted);
    }
}

static void rules_changed(void *opaque, FaultPoint *point,
                          const FaultRule *removed)
{
    RacFunction *f = opaque;

    if (!removed) {
        rac_function_update_dma(f);
    }
}

bool rac_function_add_dma(RacFunction *f, Error **errp)
{
    g_autofree char *path = g_strdup_printf("%s/dma", f->path);
    SunderFaultPointInfo info = {
        .name = path,
        .length = UINT64_MAX,
        .outcomes = rac_dma_outcomes,
        .changed = rules_changed,
        .opaque = f,
    };

    f->dma = SUNDER_RAC_DMA(object_new(TYPE_SUNDER_RAC_DMA));
    f->dma->function = f;
    memory_region_init_io(&f->dma->overlay, OBJECT(f->dma), &dma_ops,
                          f->dma, path, UINT64_MAX);
    memory_region_set_enabled(&f->dma->overlay, false);
    memory_region_add_subregion_overlap(
        &f->device->bus_master_container_region, 0, &f->dma->overlay, 1);
    f->device->bus_master_as.max_bounce_buffer_size =
        MAX(f->device->max_bounce_buffer_size, MAX_BOUNCE_BUFFERS);
    f->dma->point = sunder_fault_point_add(&info, errp);
    rac_function_update_dma(f);
    return f->dma->point != NULL;
}

void rac_function_remove_dma(RacFunction *f)
{
    RacDma *dma = f->dma;

    if (!dma) {
        return;
    }
    if (dma->point) {
        sunder_fault_point_remove(g_steal_pointer(&dma->point));
    }
    forget_all(dma);
    memory_region_del_subregion(&f->device->bus_master_container_region,
                                &dma->overlay);
    dma->function = NULL;
    f->dma = NULL;
    object_unref(OBJECT(dma));
}

void rac_port_forget_writes(SunderRacPort *port)
{
    RacFunction *f;

    QLIST_FOREACH(f, &port->functions, next) {
        if (f->dma) {
            forget_all(f->dma);
            rac_function_update_dma(f);
        }
    }
}

void rac_port_flush_writes(SunderRacPort *port)
{
    RacFunction *f;

    QLIST_FOREACH(f, &port->functions, next) {
        if (f->dma) {
            complete_all(f->dma);
            rac_function_update_dma(f);
        }
    }
}
