/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource access controllers in the machine
 *
 * What the PCIe root port (sunder-rac-port) and the range guard
 * (sunder-rac-range) share: the table of target-models/rac, the overlay
 * that answers in place of a resource, fault outcomes on its accesses,
 * QMP commands and events.
 *
 * Concepts:
 *
 * - A controller owns a table and the policy that labels its entries.
 * - A resource is an entry of the table together with its fault point
 *   and, for memory and I/O, an overlay: a region of higher priority
 *   than the resource's own.
 * - The overlay is interposed (enabled) only while it has something to
 *   do: the entry is labelled, a rule is armed on the point, or last
 *   good values are to be remembered.  At all other times the memory
 *   topology is that of the plain device.
 * - Forwarding hands an access to what lies below the overlay.
 *
 * All functions want the big QEMU lock.
 */
#ifndef SUNDER_HW_PCI_BRIDGE_RAC_H
#define SUNDER_HW_PCI_BRIDGE_RAC_H

#include "exec/memory.h"
#include "hw/fault/fault.h"
#include "hw/qdev-core.h"
#include "qapi/qapi-types-sunder.h"
#include "qom/object.h"
#include "target-models/rac/rac.h"

#define TYPE_SUNDER_RAC_RESOURCE "sunder-rac-resource"
OBJECT_DECLARE_SIMPLE_TYPE(RacResource, SUNDER_RAC_RESOURCE)

/*
 * Completion timeouts: the default is the upper end of the default range
 * of the PCI Express Base Specification 5.0, 2.8; the longest range of
 * Device Control 2 (7.5.3.16) ends at 64 s.
 */
#define RAC_DEFAULT_COMPLETION_TIMEOUT_MS 50
#define RAC_MAX_COMPLETION_TIMEOUT_MS     64000
/* An hour: a rule may ask for more, and icount's clock must not overflow. */
#define RAC_MAX_WAIT_NS                   UINT64_C(3600000000000)
#define RAC_DEFAULT_LABEL_AFTER           3
#define RAC_DEFAULT_LABEL_WINDOW_MS       10000

/* The outcomes at the points of this model (FaultOutcome.code). */
typedef enum RacOutcome {
    RAC_OUTCOME_UNSUPPORTED_REQUEST,
    RAC_OUTCOME_COMPLETER_ABORT,
    RAC_OUTCOME_COMPLETION_TIMEOUT,
    RAC_OUTCOME_POISONED,
    RAC_OUTCOME_DROP,
    RAC_OUTCOME_AND,
    RAC_OUTCOME_OR,
    RAC_OUTCOME_XOR,
    RAC_OUTCOME_EQUAL,
    RAC_OUTCOME_DELAY,
    RAC_OUTCOME_LINK_DOWN,
    RAC_OUTCOME_LINK_FLAP,
    RAC_OUTCOME_ERROR,
    RAC_OUTCOME_LOST,
    RAC_OUTCOME_DELAYED,
    RAC_OUTCOME_EXTRA,
    RAC_OUTCOME_SPURIOUS,
    RAC_OUTCOME_BLOCKED,
} RacOutcome;

/* Tables for points on accesses, and on direct memory access. */
extern const FaultOutcome rac_access_outcomes[];
extern const FaultOutcome rac_link_outcomes[];
extern const FaultOutcome rac_interrupt_outcomes[];
extern const FaultOutcome rac_dma_outcomes[];

/* One access to a resource, on its way. */
typedef struct RacAccess {
    hwaddr offset;              /* bytes from the start of the resource */
    uint64_t data;              /* in for writes, out for reads */
    unsigned size;              /* 1 to 8 bytes */
    bool write;
    bool from_cpu;              /* a virtual CPU waits for it */
} RacAccess;

typedef struct RacController RacController;

typedef struct RacControllerOps {
    /*
     * Leaves the records that hardware leaves when @outcome befalls
     * @access.  Optional.
     */
    void (*record)(RacResource *resource, const RacAccess *access,
                   RacOutcome outcome);
    /* Brings addresses in the table up to date.  Optional. */
    void (*sync)(RacController *controller);
    /* Fills in what is special in query-sunder-rac.  Optional. */
    void (*describe)(RacController *controller, SunderRacInfo *info);
    /* Whether labels may be cleared by command now. */
    bool (*may_clear)(RacController *controller, Error **errp);
} RacControllerOps;

struct RacController {
    DeviceState *device;
    char *id;
    RacTable *table;
    const RacControllerOps *ops;
    uint32_t label_after;               /* faults */
    uint64_t label_window_ms;           /* virtual milliseconds */
    uint32_t completion_timeout_ms;
    SunderRacFake fake;                 /* for new entries */
    uint64_t value;
    QLIST_ENTRY(RacController) next;
};

/*
 * RacForward: hands @access to what lies below; for a read fills in
 * its data.  Returns false when nothing could be accessed.
 */
typedef bool RacForward(RacResource *resource, RacAccess *access);

struct RacResource {
    Object parent_obj;

    RacController *controller;
    RacEntry *entry;            /* NULL once it was removed */
    FaultPoint *point;
    RacForward *forward;
    void *opaque;               /* the caller's own */
    MemReentrancyGuard *guard;  /* of the bridge that an access holds */

    bool has_overlay;
    MemoryRegion overlay;       /* enabled while interposed */
    MemoryRegion window;        /* the caller's: what holds the overlay */
    bool interposed;
    void (*interpose)(RacResource *resource, bool on);
    unsigned busy;              /* accesses under way */
    QEMUBH *step_aside;
};

/*
 * rac_controller_init:
 *
 * Sets the properties' defaults; for instance_init.
 */
void rac_controller_init(RacController *controller);

/*
 * rac_controller_add_properties:
 * @offset: of the RacController in the instance
 *
 * Adds label-after, label-window-ms, completion-timeout-ms, fake and
 * value to @klass.  All may be set at any time, also with qom-set.
 */
void rac_controller_add_properties(ObjectClass *klass, size_t offset);

/*
 * rac_controller_realize, rac_controller_unrealize:
 * @id: name in paths, copied
 *
 * Returns: false with @errp set when another controller has that id.
 */
bool rac_controller_realize(RacController *controller, DeviceState *device,
                            const char *id, const RacControllerOps *ops,
                            Error **errp);
void rac_controller_unrealize(RacController *controller);

/*
 * rac_resource_new:
 * @path: of the entry and its fault point
 * @size: bytes
 * @forward: how accesses go on
 *
 * For memory and I/O space the caller puts resource->overlay above the
 * resource; it starts disabled.  @interpose, which may be NULL, is told
 * before it is enabled and after it is disabled.
 *
 * Returns: the resource, to be given to rac_resource_remove(), or NULL
 * with @errp set.
 */
RacResource *rac_resource_new(RacController *controller, const char *path,
                              RacSpace space, uint64_t size,
                              RacForward *forward,
                              void (*interpose)(RacResource *, bool),
                              void *opaque, Error **errp);

/*
 * rac_resource_remove:
 *
 * Takes the entry, its point and rules out and drops the caller's
 * reference.  Accesses under way end with a faked response.  The caller
 * has taken the overlay out of its container.
 */
void rac_resource_remove(RacResource *resource);

/* Interposes or steps aside as the entry and the rules now want. */
void rac_resource_update(RacResource *resource);

/*
 * rac_resource_access:
 *
 * Runs @access through label, rules and forwarding.
 */
void rac_resource_access(RacResource *resource, RacAccess *access);

/*
 * Memory writes are posted: nobody waits for them (PCI Express Base
 * Specification 5.0, 2.4.1).  @resource has its entry.
 */
static inline bool rac_access_is_posted(const RacResource *resource,
                                        const RacAccess *access)
{
    return access->write && resource->entry->space == RAC_SPACE_MEMORY;
}

/* How an overlay, whose opaque is a RacResource, answers. */
extern const MemoryRegionOps rac_overlay_ops;

/* Tells the world that the policy has labelled the entry. */
void rac_resource_announce_label(RacResource *resource);

/* Labels and clears, with their events. */
void rac_resource_label(RacResource *resource, RacReason reason);
void rac_resource_clear(RacResource *resource, RacReason reason);

/* The data of a response that nobody gave: all bits of @size bytes. */
uint64_t rac_all_ones(unsigned size);

/* Applies value outcomes among @n @firings to @data of @size bytes. */
uint64_t rac_apply_values(const FaultFiring *firings, unsigned n,
                          uint64_t data, unsigned size);

/* Returns: the firing among @n that answers the access, or NULL. */
const FaultFiring *rac_find_answer(const FaultFiring *firings, unsigned n);

/* Returns: nanoseconds that delays among @n @firings add up to. */
uint64_t rac_sum_delays(const FaultFiring *firings, unsigned n);

/*
 * rac_wait:
 * @ns: nanoseconds; more than RAC_MAX_WAIT_NS is as long as that
 * @guard: re-entrancy guard that the access holds, or NULL
 *
 * Makes the calling virtual CPU wait for @ns while all others, the
 * monitor and the main loop go on.  Ends early when the machine is to
 * stop or another virtual CPU needs all to hold still.  Under icount,
 * virtual time moves on instead; outside of a virtual CPU nothing waits.
 *
 * Returns: nanoseconds waited.
 */
uint64_t rac_wait(uint64_t ns, MemReentrancyGuard *guard);

/* All controllers, for QMP. */
typedef QLIST_HEAD(RacControllerList, RacController) RacControllerList;
extern RacControllerList rac_controllers;

/* Saves and restores the table in a device's vmstate. */
typedef struct RacTableState {
    uint32_t size;
    uint8_t *data;
} RacTableState;

void rac_controller_pre_save(RacController *controller,
                             RacTableState *state);
/* Returns: 0, or -EINVAL after reporting what is wrong. */
int rac_controller_post_load(RacController *controller,
                             RacTableState *state);

#endif
