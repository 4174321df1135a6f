/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migration and snapshots for QEMU's own NVMe controller, which stock QEMU
 * marks unmigratable.
 *
 * Concepts
 *
 * Quiesce: when the machine stops, every command that the controller has
 *   fetched is brought to its end, and none is fetched any more until the
 *   machine runs again (quiesce.c).  What can be left then: Asynchronous
 *   Event Requests that wait for an event, completions that wait for room in
 *   their queue, and commands in guest memory not yet fetched.
 * State: struct NvmeState holds all of it in plain integers, with no pointer
 *   into the device.  Saving fills it from the device (save.c); loading
 *   checks every value and makes the device anew from it (load.c, and for
 *   queues and commands queues.c); zones are in zones.c.  vmstate.c says how it
 *   stands in a migration stream.
 * Refusal: SR-IOV, Flexible Data Placement and SPDM are not carried; such a
 *   controller blocks migration with a reason that names the property.
 *
 * Everything here runs under the big QEMU lock.
 */
#ifndef SUNDER_HW_NVME_VMSTATE_H
#define SUNDER_HW_NVME_VMSTATE_H

#include "hw/nvme/nvme.h"
#include "migration/vmstate.h"

/* The functions of QEMU's ctrl.c that are static there. */
typedef struct SunderNvmeOps {
    void (*realize)(PCIDevice *pci, Error **errp);
    void (*exit)(PCIDevice *pci);
    void (*reset)(NvmeCtrl *n, NvmeResetType type);
    void (*init_cq)(NvmeCQueue *cq, NvmeCtrl *n, uint64_t dma_addr,
                    uint16_t cqid, uint16_t vector, uint16_t size,
                    uint16_t irq_enabled);
    void (*init_sq)(NvmeSQueue *sq, NvmeCtrl *n, uint64_t dma_addr,
                    uint16_t sqid, uint16_t cqid, uint16_t size);
    void (*cq_notifier)(EventNotifier *e);
    void (*sq_notifier)(EventNotifier *e);
} SunderNvmeOps;

/* As given to sunder_nvme_class_init(). */
extern const SunderNvmeOps *sunder_nvme_ops;

/*
 * Called at the end of the controller's class_init: puts our vmstate, realize
 * and exit in place of QEMU's.  @ops must live as long as the program.
 */
void sunder_nvme_class_init(PCIDeviceClass *pc, const SunderNvmeOps *ops);

extern const VMStateDescription sunder_nvme_vmstate;

/* A submission queue. */
typedef struct NvmeSqState {
    uint16_t sqid;
    uint16_t cqid;
    uint32_t head;
    uint32_t tail;
    uint32_t size;              /* entries */
    uint64_t dma_addr;
} NvmeSqState;

/* A completion queue. */
typedef struct NvmeCqState {
    uint16_t cqid;
    uint16_t vector;
    uint8_t irq_enabled;
    uint8_t phase;
    uint8_t notified;           /* a doorbell (ioeventfd) not yet looked at */
    uint32_t head;
    uint32_t tail;
    uint32_t size;              /* entries */
    uint64_t dma_addr;
} NvmeCqState;

/* A command that is over or waits for an event, in no namespace's hands. */
typedef struct NvmeReqState {
    uint16_t sqid;
    uint16_t cid;
    uint16_t status;
    uint32_t result;
    uint32_t dw1;
} NvmeReqState;

/* An asynchronous event that no request has taken yet. */
typedef struct NvmeEventState {
    uint8_t type;
    uint8_t info;
    uint8_t log_page;
} NvmeEventState;

/* A namespace of the controller's subsystem, as this controller sees it. */
typedef struct NvmeNsState {
    uint32_t nsid;
    uint8_t attached;
    uint8_t changed;            /* listed in the Changed Namespace List */
    uint8_t zoned;
    uint64_t size;              /* bytes of the backing image */
    uint8_t flbas;
    uint8_t dps;
    uint8_t nlbaf;
    uint16_t status;
    uint32_t err_rec;
    uint8_t write_cache;
    uint32_t numzrwa;           /* random write areas still free */
    uint64_t bytes_read;        /* what the SMART log counts from here on */
    uint64_t bytes_written;
    uint64_t reads;
    uint64_t writes;
} NvmeNsState;

/* A zone of a zoned namespace. */
typedef struct NvmeZoneRecord {
    uint32_t nsid;
    uint32_t index;
    uint8_t state;              /* enum NvmeZoneState */
    uint8_t attributes;
    uint64_t wp;                /* write pointers, in blocks */
    uint64_t w_ptr;
} NvmeZoneRecord;

typedef struct NvmeState {
    NvmeCtrl *parent;           /* set by VMSTATE_WITH_TMP() */

    /* Properties that both sides must have alike. */
    uint32_t max_ioqpairs;
    uint32_t msix_qsize;
    uint32_t aerl;
    uint32_t aer_max_queued;
    uint32_t cmb_size_mb;
    uint8_t has_pmr;

    uint8_t bar[sizeof(NvmeBar)];       /* registers, in guest byte order */
    uint8_t qs_created;
    uint16_t page_bits;
    uint32_t irq_status;
    int32_t cq_pending;
    uint64_t host_timestamp;
    uint64_t timestamp_set_ms;
    uint64_t starttime_ms;
    uint16_t temperature;
    uint8_t smart_critical_warning;
    uint8_t dbbuf_enabled;
    uint64_t dbbuf_dbs;
    uint64_t dbbuf_eis;
    uint8_t cmb_cmse;
    uint64_t cmb_cba;
    uint8_t pmr_cmse;
    uint64_t pmr_cba;
    uint8_t aer_mask;
    uint32_t dmrsl;
    uint16_t temp_thresh_hi;
    uint16_t temp_thresh_low;
    uint32_t async_config;
    uint8_t hbs[sizeof(NvmeHostBehaviorSupport)];
    uint32_t dn;
    uint32_t atomic_max_write_size;
    uint8_t atomic_writes;

    int32_t nr_cqs;
    NvmeCqState *cqs;
    int32_t nr_sqs;
    NvmeSqState *sqs;
    int32_t nr_done;            /* completions that wait for room */
    NvmeReqState *done;
    int32_t nr_aers;            /* outstanding requests, oldest first */
    NvmeReqState *aers;
    int32_t nr_events;
    NvmeEventState *events;
    int32_t nr_namespaces;
    NvmeNsState *namespaces;
    int32_t nr_zones;
    NvmeZoneRecord *zones;
    uint32_t zone_extensions_size;      /* bytes */
    uint8_t *zone_extensions;
} NvmeState;

/* Free the arrays. */
void sunder_nvme_state_clear(NvmeState *s);

/* Fill @s, which is zero but for its parent, from the controller. */
void sunder_nvme_state_save(NvmeState *s);

/*
 * Make the controller s->parent what @s says.
 * Returns 0, or -EINVAL after an error report that names the field.
 */
int sunder_nvme_state_load(NvmeState *s);

/* Reports that @s cannot be loaded, and why.  Returns -EINVAL. */
int G_GNUC_PRINTF(2, 3) nvme_refuse(NvmeState *s, const char *fmt,
                                           ...);

/* How many entries a queue may have. */
uint32_t sunder_nvme_queue_size_max(NvmeCtrl *n, uint16_t qid);

/* The queues with the commands and events in them, in a controller reset. */
int sunder_nvme_queues_load(NvmeState *s);

/*
 * Zones of the namespaces whose zones this controller carries: how many,
 * the bytes of their descriptor extensions; gathering and applying them.
 */
uint32_t sunder_nvme_zone_count(NvmeCtrl *n);
uint32_t sunder_nvme_zone_extensions_size(NvmeCtrl *n);
void sunder_nvme_zones_save(NvmeState *s);
int sunder_nvme_zones_load(NvmeState *s);

/*
 * The first fetched command that is neither over nor an Asynchronous Event
 * Request; NULL when the controller is quiet.
 */
NvmeRequest *sunder_nvme_inflight(NvmeCtrl *n);

/* How messages call the controller: its id, or its path. */
const char *sunder_nvme_name(NvmeCtrl *n);

#endif
