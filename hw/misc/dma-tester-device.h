/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-device sunder-dma-tester": what its files share.  Registers: dma-tester.h.
 *
 * All of it is protected by the BQL but what the bench's threads are given.
 */
#ifndef SUNDER_HW_MISC_DMA_TESTER_DEVICE_H
#define SUNDER_HW_MISC_DMA_TESTER_DEVICE_H

#include "hw/misc/dma-tester.h"
#include "hw/pci/pci_device.h"
#include "qemu/thread.h"
#include "qemu/timer.h"

#define TYPE_SUNDER_DMA_TESTER "sunder-dma-tester"
OBJECT_DECLARE_SIMPLE_TYPE(SunderDmaTester, SUNDER_DMA_TESTER)

typedef struct SdtSlot {
    SunderDmaTester *tester;
    QEMUTimer timer;
    uint32_t regs[SDT_SLOT_SIZE / 4];
    /* the command that waits or is carried out */
    uint32_t command;

    /* what is held: the request, and the pointer unless given back */
    uint64_t held_iova;
    uint32_t held_length;
    bool held_write;
    uint32_t touched;           /* bytes from its start that were written */
    void *held;
} SdtSlot;

/* One run of the bench; its threads count down @running under the BQL. */
typedef struct SdtBenchRun SdtBenchRun;

struct SunderDmaTester {
    PCIDevice parent_obj;
    MemoryRegion registers;
    MemoryRegion buffer;
    VMChangeStateEntry *vm_change;
    uint32_t irq_status;
    uint32_t irq_enable;
    SdtSlot slots[SDT_SLOTS];

    uint32_t bench[SDT_BENCH_SIZE / 4];
    SdtBenchRun *run;           /* NULL: none */
    QemuCond run_over;

    bool passthrough;           /* property */
};

/* A register of 64 bits at byte @offset of @regs */
static inline uint64_t sdt_get64(const uint32_t *regs, unsigned offset)
{
    return regs[offset / 4] | (uint64_t)regs[offset / 4 + 1] << 32;
}

static inline void sdt_set64(uint32_t *regs, unsigned offset, uint64_t value)
{
    regs[offset / 4] = value;
    regs[offset / 4 + 1] = value >> 32;
}

/* Sets @bits of SDT_IRQ_STATUS. */
void sdt_raise(SunderDmaTester *s, uint32_t bits);

/* Slots */
void sdt_slot_init(SunderDmaTester *s, SdtSlot *slot);
void sdt_slot_cleanup(SdtSlot *slot);
void sdt_slot_reset(SdtSlot *slot);
void sdt_slot_write(SdtSlot *slot, unsigned offset, uint32_t value);
/* Gives a held pointer back; the next command that needs it takes it anew. */
void sdt_slot_give_back(SdtSlot *slot);

/* Bench; @offset counts from SDT_BENCH. */
void sdt_bench_write(SunderDmaTester *s, unsigned offset, uint32_t value);
/* Has it stop soon; and waits until it has. */
void sdt_bench_stop(SunderDmaTester *s);
void sdt_bench_stop_and_wait(SunderDmaTester *s);

/* With x-passthrough=on: tells the IOMMU, which may refuse. */
bool sdt_host_init(SunderDmaTester *s, Error **errp);
void sdt_host_cleanup(SunderDmaTester *s);

#endif
