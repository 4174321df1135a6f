/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A q35 machine with an Intel IOMMU and a DMA tester, under qtest
 *
 * There is no firmware and no driver: a test builds root, context and page
 * tables in guest memory with the functions here.  iommu_start() gives a
 * machine whose IOMMU, "iommu0", translates nothing yet and whose tester,
 * "dma0", is 00:04.0; most tests call iommu_start_mapped(), which makes domain
 * DOMAIN with empty four-level tables, attaches the tester, turns on the
 * queue and translation.
 *
 * Registers and structures: Intel Virtualization Technology for Directed I/O
 * (VT-d) specification, chapters 6, 9 and 11.
 */
#ifndef SUNDER_TESTS_IOMMU_MACHINE_H
#define SUNDER_TESTS_IOMMU_MACHINE_H

#include "hw/misc/dma-tester.h"
#include "rac-machine.h"

/* Where things are in guest memory, of which there are 256 MiB */
#define ROOT_TABLE      UINT64_C(0x00100000)
#define CONTEXT_TABLE   UINT64_C(0x00101000)    /* of bus 0 */
#define QUEUE           UINT64_C(0x00102000)
#define QUEUE_BYTES     4096u
#define WAIT_STATUS     UINT64_C(0x00103000)
#define TABLES          UINT64_C(0x00200000)    /* page tables from here */
#define DATA            UINT64_C(0x04000000)    /* and nothing from here */
#define RAM_END         UINT64_C(0x10000000)

/* The tester: function, and where its BARs are put */
#define TESTER          BDF(0, 4, 0)
#define TESTER_BAR      UINT64_C(0xd0000000)
#define TESTER_BUFFER   UINT64_C(0xd0040000)

#define DOMAIN          7
#define IOVA            UINT64_C(0x40000000)    /* for whoever needs one */

/* Two pages, one of which is mapped at IOVA, and what is in them. */
#define OLD             DATA
#define NEW             (DATA + UINT64_C(0x100000))
#define OLD_VALUE       UINT64_C(0x0101010101010101)
#define NEW_VALUE       UINT64_C(0x0202020202020202)
#define WRITTEN         UINT64_C(0x0303030303030303)    /* by a device */

#define MS              1000000                 /* nanoseconds */

#define PAGE_4K         UINT64_C(0x1000)
#define PAGE_2M         UINT64_C(0x200000)
#define PAGE_1G         UINT64_C(0x40000000)

/* Bits of second-level entries */
#define ENTRY_READ      1u
#define ENTRY_WRITE     2u
#define ENTRY_RW        3u
#define ENTRY_LARGE     0x80u

/* Registers of the unit, by their offset (11.4) */
#define UNIT            UINT64_C(0xfed90000)
#define REG_CAP         0x08
#define REG_ECAP        0x10
#define REG_GCMD        0x18
#define REG_GSTS        0x1c
#define REG_RTADDR      0x20
#define REG_CCMD        0x28
#define REG_FSTS        0x34
#define REG_FECTL       0x38
#define REG_FEDATA      0x3c
#define REG_FEADDR      0x40
#define REG_IQH         0x80
#define REG_IQT         0x88
#define REG_IQA         0x90
#define REG_IVA         0xf0
#define REG_IOTLB       0xf8
#define REG_FRCD        0x220
#define UNIT_SIZE       0x230

#define GCMD_TE         0x80000000u
#define GCMD_SRTP       0x40000000u
#define GCMD_QIE        0x04000000u
#define FSTS_PFO        0x01u
#define FSTS_PPF        0x02u
#define FSTS_IQE        0x10u

/* Fault reasons (7.1.3) */
#define FAULT_ROOT_ABSENT       0x1
#define FAULT_CONTEXT_ABSENT    0x2
#define FAULT_CONTEXT_INVALID   0x3
#define FAULT_BEYOND_WIDTH      0x4
#define FAULT_WRITE             0x5
#define FAULT_READ              0x6
#define FAULT_ENTRY_ACCESS      0x7
#define FAULT_ROOT_ACCESS       0x8
#define FAULT_CONTEXT_ACCESS    0x9
#define FAULT_ROOT_RESERVED     0xa
#define FAULT_CONTEXT_RESERVED  0xb
#define FAULT_ENTRY_RESERVED    0xc
#define FAULT_INTERRUPT_ADDRESS 0xe

/* Translation types of a context entry (9.3) */
#define TYPE_MULTI_LEVEL        0
#define TYPE_PASS_THROUGH       2

typedef struct IommuMachine {
    QTestState *qts;
    uint64_t next_table;        /* free guest memory for tables */
    uint32_t tail;              /* of the queue, in bytes */
    bool queued;                /* the queue is enabled */
    uint64_t tables;            /* top table of iommu_start_mapped() */
    uint32_t wait_count;
} IommuMachine;

typedef struct IommuFault {
    unsigned reason;            /* 0: there was none */
    unsigned requester;
    uint64_t address;           /* of the page */
    bool write;
} IommuFault;

/*
 * @iommu: the -device argument of the IOMMU, such as "intel-iommu"; with
 *     properties, but without id
 * @options: more of the command line; %-directives in it
 */
IommuMachine *iommu_start(const char *iommu, const char *options, ...)
    G_GNUC_PRINTF(2, 3);
IommuMachine *iommu_start_mapped(const char *iommu, const char *options, ...)
    G_GNUC_PRINTF(2, 3);
/* One like iommu_start_mapped(), with OLD at IOVA. */
IommuMachine *iommu_start_page(const char *iommu);
/* The command line of iommu_start(), freed by the caller */
char *iommu_args(const char *iommu, const char *options);
/* Goes on in a machine that was loaded from a saved state of @before. */
IommuMachine *iommu_loaded(QTestState *qts, const IommuMachine *before);
/* Ends the emulator, too. */
void iommu_quit(IommuMachine *m);

/* The unit */
uint32_t unit_readl(IommuMachine *m, unsigned offset);
uint64_t unit_readq(IommuMachine *m, unsigned offset);
void unit_writel(IommuMachine *m, unsigned offset, uint32_t value);
void unit_writeq(IommuMachine *m, unsigned offset, uint64_t value);
/* Puts the root table in place; turns the queue on; and translation. */
void unit_set_root(IommuMachine *m);
void unit_enable_queue(IommuMachine *m);
void unit_set_translation(IommuMachine *m, bool on);
/* Takes the recorded fault out of the log, or none. */
IommuFault unit_take_fault(IommuMachine *m);
void expect_fault(IommuMachine *m, unsigned reason, uint64_t address,
                  bool write);
void expect_no_fault(IommuMachine *m);

/* Tables */
uint64_t table_new(IommuMachine *m);
void context_set(IommuMachine *m, unsigned bdf, uint64_t tables,
                 unsigned levels, unsigned domain, unsigned type);
/* Returns: the address of the entry of @iova in the table of level @level,
 * making the tables above it. */
uint64_t entry_address(IommuMachine *m, uint64_t tables, unsigned levels,
                       uint64_t iova, unsigned level);
/* Four-level tables of iommu_start_mapped(), pages of 4 KiB */
void map(IommuMachine *m, uint64_t iova, uint64_t address, unsigned bits);
void unmap(IommuMachine *m, uint64_t iova);
uint64_t entry_get(IommuMachine *m, uint64_t iova);
void entry_set(IommuMachine *m, uint64_t iova, uint64_t entry);

/* Invalidations by whichever of queue and registers is on; complete on return
 * as far as the guest can tell. */
void invalidate_pages(IommuMachine *m, unsigned domain, uint64_t iova,
                      unsigned order);
void invalidate_domain(IommuMachine *m, unsigned domain);
void invalidate_global(IommuMachine *m);
void invalidate_contexts(IommuMachine *m);
/* Puts a descriptor into the queue without ringing; and rings. */
void queue_put(IommuMachine *m, uint64_t low, uint64_t high);
void queue_ring(IommuMachine *m);
/* With a wait descriptor behind: returns when that is done. */
void queue_submit(IommuMachine *m, uint64_t low, uint64_t high);

/* The tester */
uint32_t tester_get(IommuMachine *m, unsigned slot, unsigned reg);
void tester_set(IommuMachine *m, unsigned slot, unsigned reg,
                uint32_t value);
void tester_set64(IommuMachine *m, unsigned slot, unsigned reg,
                  uint64_t value);
/* Sets IOVA, LENGTH, OFFSET and DELAY_NS of a slot. */
void tester_prepare(IommuMachine *m, unsigned slot, uint64_t iova,
                    uint32_t length, uint64_t delay_ns);
/* Gives a command; returns SDT_RESULT_, of before if it is delayed. */
uint32_t tester_command(IommuMachine *m, unsigned slot, uint32_t command);
/* DMA of 8 bytes at once in slot 0; returns SDT_RESULT_. */
uint32_t dma_read(IommuMachine *m, uint64_t iova, uint64_t *value);
uint32_t dma_write(IommuMachine *m, uint64_t iova, uint64_t value);

/* What the emulator says: query-sunder-iommu; referenced */
QDict *iommu_info(IommuMachine *m);
int64_t iommu_counter(IommuMachine *m, const char *counter);
/* A counter of device @device, of its ledger too; 0 if it is not listed. */
int64_t device_counter(IommuMachine *m, const char *device,
                       const char *counter);
void set_mode(IommuMachine *m, const char *mode);
/* Takes the next SUNDER_IOMMU_STALE_DMA: its data, referenced; or NULL. */
QDict *take_stale_event(IommuMachine *m);
void expect_no_stale_event(IommuMachine *m);

#endif
