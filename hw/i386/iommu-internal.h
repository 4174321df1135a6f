/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: what its files share
 */
#ifndef SUNDER_HW_I386_IOMMU_INTERNAL_H
#define SUNDER_HW_I386_IOMMU_INTERNAL_H

#include "exec/memory.h"
#include "hw/i386/iommu-hold.h"
#include "hw/i386/iommu.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-core.h"
#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "qemu/timer.h"

/*
 * A PCI function behind the IOMMU, by the address space that it has.  Behind
 * a bridge to conventional PCI all share one, with its first's name and point.
 */
typedef struct IommuClient {
    SunderIommu *iommu;
    VTDAddressSpace *as;
    PagingDevice *paging;
    uint8_t root_bus;           /* number of the bus, if it is a root bus */
    /*
     * What its context was read for: 1, context epoch, requester (bit 48,
     * bits 47:16, bits 15:0).  Atomic; 0: it has none.
     */
    uint64_t context_key;
    bool faults_disabled;       /* FPD of its context; atomic */
    bool pass_through;          /* atomic */
    uint16_t last_requester;    /* that its context was read for */
    PagingReason reason;        /* why it has no context */
    FaultPoint *point;          /* NULL: none */
    PCIDevice *device;          /* that has the point */
    char *name;                 /* id or QOM path; NULL: not known yet */
    uint64_t blocked;           /* by mode or by a rule */
    uint64_t held_stale;        /* stale at write-back, invalidation done */
    QLIST_ENTRY(IommuClient) next;
} IommuClient;

/* An address that is going to be used again. */
typedef struct IommuLateDma {
    IommuClient *client;
    bool has_iova;              /* else: the one that it used last by then */
    uint64_t iova;
    bool write;
    int64_t due_ns;
    QEMUTimer *timer;
    QLIST_ENTRY(IommuLateDma) next;
} IommuLateDma;

/* Invalidations held back at a time; more are carried out at once. */
#define IOMMU_MAX_DELAYED 4096

/* An invalidation that a fault holds back. */
typedef struct IommuDelayed {
    int64_t due_ns;
    PagingInvalidation invalidation;
} IommuDelayed;

/* How far the coarse clock is from going to sleep. */
enum { CLOCK_STOPPED, CLOCK_IDLE, CLOCK_ACTIVE };

struct SunderIommu {
    IntelIOMMUState parent_obj;

    SunderIommuMode mode;       /* atomic */
    bool bounce;                /* atomic */
    /* As they travel. */
    uint32_t loaded_mode;
    uint32_t state_size;
    uint8_t *state;
    char *id;
    PagingTable *table;
    MemoryRegion front;
    MemoryListener memory_listener;
    bool memory_changes;        /* between region_del() and commit() */
    DeviceListener device_listener;
    Notifier machine_done;
    Notifier sweep_taken;

    /* The coarse clock of hits, see iommu-clock.c; atomic. */
    uint64_t now_ns;
    int clock_state;
    QEMUTimer *clock_timer;

    uint32_t context_epoch;     /* atomic: context-cache invalidations */
    QemuMutex lock;
    QLIST_HEAD(, IommuClient) clients;  /* grows only */

    FaultPoint *invalidation_point;
    uint64_t invalidations;
    uint64_t lost;
    GArray *delayed;            /* of IommuDelayed, by due time */
    QEMUTimer *delayed_timer;
    QEMUTimer *sweep_timer;
    int64_t swept_ns;

    GHashTable *told;           /* pages whose stale DMAs were told */
    GQueue *reports;            /* IommuReport, to be sent */
    QEMUBH *report_bh;          /* sends them, and fault events */
    QLIST_HEAD(, IommuLateDma) late;
};

/* The parent's own functions. */
typedef struct IommuParent {
    IOMMUTLBEntry (*translate)(IOMMUMemoryRegion *iommu, hwaddr address,
                               IOMMUAccessFlags flag, int index);
    int (*notify_flag_changed)(IOMMUMemoryRegion *iommu,
                               IOMMUNotifierFlag before,
                               IOMMUNotifierFlag after, Error **errp);
} IommuParent;
extern IommuParent iommu_parent;

static inline bool iommu_checks(SunderIommu *s)
{
    return qatomic_read(&s->mode) != SUNDER_IOMMU_MODE_STOCK;
}

/* iommu-clock.c: exact virtual time, and what hits take for it. */
uint64_t iommu_clock_wake(SunderIommu *s);
void iommu_clock_init(SunderIommu *s);
/* Virtual time may have gone back: a state was loaded. */
void iommu_clock_reset(SunderIommu *s);

static inline uint64_t iommu_clock_coarse(SunderIommu *s)
{
    if (unlikely(qatomic_read(&s->clock_state) != CLOCK_ACTIVE)) {
        return iommu_clock_wake(s);
    }
    return qatomic_read(&s->now_ns);
}

/* iommu-translate.c */
void iommu_translate_init(SunderIommu *s);
IommuClient *iommu_client(VTDAddressSpace *as);
/* As a DMA of the device, but that no rule is asked. */
IOMMUTLBEntry iommu_translate_unruled(IommuClient *client, hwaddr address,
                                      IOMMUAccessFlags flag);

/* iommu-mode.c */
void iommu_mode_init(SunderIommu *s);
/* Mode from property or command; false with @errp: it cannot hold. */
bool iommu_set_mode(SunderIommu *s, SunderIommuMode mode, Error **errp);

/* iommu-memory.c: guest memory for target-models/paging. */
PagingTable *iommu_memory_table(SunderIommu *s);
void iommu_memory_listen(SunderIommu *s);

/* iommu-sweep.c: follows what the balloon's sweep takes. */
void iommu_sweep_listen(SunderIommu *s);

/* iommu-front.c, iommu-invalidate.c */
void iommu_front_init(SunderIommu *s);
void iommu_invalidate_init(SunderIommu *s, Error **errp);
/*
 * Asks the rules about an invalidation that the guest wants; true: it is
 * lost or held back and must not be carried out.
 */
bool iommu_invalidate_intercepted(SunderIommu *s,
                                  const PagingInvalidation *invalidation);
/* The parent has carried it out: so do we. */
void iommu_invalidate(SunderIommu *s, const PagingInvalidation *invalidation);
/* Everything may be different: reset, a loaded state, another root. */
void iommu_invalidate_everything(SunderIommu *s);
/* Holds one back until that virtual time. */
void iommu_hold_back_until(SunderIommu *s,
                           const PagingInvalidation *invalidation,
                           int64_t due_ns);
/* Brings the ledgers up to date. */
void iommu_sweep_all(SunderIommu *s);

/*
 * iommu-log.c: records a fault in the fault log, with its interrupt.  Any
 * thread.
 */
void iommu_log_fault(IommuClient *client, uint64_t iova, unsigned access,
                     PagingReason reason);
/* Sends the interrupt that could not be sent without the big lock. */
void iommu_log_send_event(SunderIommu *s);

/* iommu-report.c: tells of a stale DMA.  Any thread. */
void iommu_report_init(SunderIommu *s);
void iommu_report_stale(IommuClient *client, uint64_t iova, unsigned access,
                        const PagingResult *result,
                        SunderIommuInvalidation invalidation, bool held);
/* Forgets which pages were told. */
void iommu_report_reset(SunderIommu *s);
/* Its id or QOM path; big lock; valid until the device goes. */
const char *iommu_client_name(IommuClient *client);
void iommu_client_name_after(IommuClient *client, PCIDevice *device);

/* iommu-point.c: fault points of devices. */
void iommu_point_init(SunderIommu *s);
/* Returns: whether a rule refuses the DMA. */
bool iommu_point_refuses(IommuClient *client, FaultPoint *point,
                         uint64_t iova, unsigned access);
/* A late DMA at that virtual time; !@has_iova: to the last address then. */
void iommu_point_add_late(IommuClient *client, bool has_iova, uint64_t iova,
                          bool write, int64_t due_ns);
/* Drops late DMAs that are to come. */
void iommu_point_reset(SunderIommu *s);

/* iommu-state.c: makes s->state, frees it, takes it. */
void iommu_state_save(SunderIommu *s);
void iommu_state_forget(SunderIommu *s);
bool iommu_state_load(SunderIommu *s, Error **errp);
bool iommu_state_size_valid(void *opaque, int version_id);

/* iommu-hold.c: memory that devices map for longer. */
typedef struct IommuHeld IommuHeld;
void iommu_hold_enable(SunderIommu *s, bool on);
/* A device that came while it is on. */
void iommu_hold_add_device(SunderIommu *s, PCIDevice *device);
/* The mapping that this thread writes back, or NULL. */
extern __thread IommuHeld *iommu_held;
/* Whether that is one of @client: its write-back may cause others' DMA. */
bool iommu_holds(const IommuClient *client);
/*
 * The page of iommu_held that @iova is in, as it was mapped; NULL: not one
 * of its.
 */
const PagingResult *iommu_held_page(const IommuClient *client, uint64_t iova,
                                    uint64_t *mapped_ns);
/* Whether that page was refused when it was mapped; iommu_held is there. */
bool iommu_held_refused(const IommuClient *client, uint64_t iova);

#endif
