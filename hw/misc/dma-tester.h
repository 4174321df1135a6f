/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of "-device sunder-dma-tester", a PCI device that does DMA when
 * and how it is told to.  For the device, its tests and guest drivers: this
 * file holds numbers only.
 *
 * Concepts
 *
 * Buffer   memory of the device, BAR 2, SDT_BUFFER_SIZE bytes: where DMA
 *          reads to and writes from.
 * Slot     a request of its own, one of SDT_SLOTS.  Set its registers, then
 *          write SDT_COMMAND.  With SDT_DELAY_NS the command is carried out
 *          that much virtual time later; until then the slot's registers
 *          cannot be written, but SDT_CMD_GO and SDT_CMD_CANCEL are taken.
 * Held     SDT_OP_MAP makes the slot hold a pointer to guest memory, as disk
 *          and network cards do; SDT_OP_TOUCH copies between it and the
 *          buffer; SDT_OP_UNMAP lets go of it.  A machine that stops (to be
 *          saved, say) has all pointers given back; the next TOUCH takes
 *          them anew.
 * Bench    repeats DMAs or translations over many pages in threads of its
 *          own, and tells how many host nanoseconds they took.
 *
 * Registers are 32 bits wide; those marked 64 are two, the low half first.
 * BAR 0:
 *
 *   offset  name               access
 *   0x000   SDT_ID             ro  "SDMA"
 *   0x004   SDT_VERSION        ro  1
 *   0x008   SDT_NR_SLOTS       ro  SDT_SLOTS
 *   0x00c   SDT_NR_BYTES       ro  SDT_BUFFER_SIZE
 *   0x010   SDT_RESET          wo  any value: everything is dropped
 *   0x014   SDT_IRQ_STATUS     rw1c  bit N: slot N; SDT_IRQ_BENCH
 *   0x018   SDT_IRQ_ENABLE     rw  of these bits; MSI or INTx
 *   0x100   SDT_BENCH_...      see below
 *   0x1000  slot 0; slot N at SDT_SLOT(N):
 *     0x00  SDT_IOVA           rw 64  where in the device's address space
 *     0x08  SDT_LENGTH         rw  bytes, 1 to SDT_BUFFER_SIZE
 *     0x0c  SDT_OFFSET         rw  where in the buffer
 *     0x10  SDT_DELAY_NS       rw 64  virtual time from command to action;
 *                              0: at once, within the write of the command
 *     0x18  SDT_PATTERN        rw 64  see SDT_CMD_PATTERN
 *     0x20  SDT_COMMAND        wo  one SDT_OP_ and any SDT_CMD_
 *     0x24  SDT_STATE          ro  SDT_STATE_
 *     0x28  SDT_RESULT         ro  SDT_RESULT_ of the last command
 *     0x2c  SDT_DONE           ro  bytes it moved; with SDT_RESULT_MISMATCH
 *                              those before the first that differs
 *     0x30  SDT_COMPLETIONS    ro  commands carried out since reset
 *     0x34  SDT_HELD_LENGTH    ro  bytes held, at most what was asked for
 */
#ifndef SUNDER_HW_MISC_DMA_TESTER_H
#define SUNDER_HW_MISC_DMA_TESTER_H

/* From the range that docs/specs/pci-ids.rst leaves for experiments */
#define SDT_VENDOR_ID           0x1af4
#define SDT_DEVICE_ID           0x10f8

#define SDT_REGISTERS_SIZE      0x2000
#define SDT_BUFFER_SIZE         0x40000
#define SDT_SLOTS               16

#define SDT_ID                  0x000
#define   SDT_ID_VALUE          0x414d4453u     /* "SDMA" */
#define SDT_VERSION             0x004
#define   SDT_VERSION_VALUE     1
#define SDT_NR_SLOTS            0x008
#define SDT_NR_BYTES            0x00c
#define SDT_RESET               0x010
#define SDT_IRQ_STATUS          0x014
#define SDT_IRQ_ENABLE          0x018
#define   SDT_IRQ_BENCH         0x80000000u

#define SDT_SLOT(n)             (0x1000 + (n) * 0x40)
#define SDT_SLOT_SIZE           0x40
#define SDT_IOVA                0x00
#define SDT_LENGTH              0x08
#define SDT_OFFSET              0x0c
#define SDT_DELAY_NS            0x10
#define SDT_PATTERN             0x18
#define SDT_COMMAND             0x20
#define   SDT_OP_MASK           0xffu
#define   SDT_OP_READ           1       /* memory to buffer */
#define   SDT_OP_WRITE          2       /* buffer to memory */
#define   SDT_OP_MAP_READ       3       /* hold a pointer to read through */
#define   SDT_OP_MAP_WRITE      4       /* hold one to write through */
#define   SDT_OP_TOUCH          5       /* copy through the held pointer */
#define   SDT_OP_UNMAP          6       /* let go of it */
/* What is sent is SDT_PATTERN repeated; what comes is compared with it. */
#define   SDT_CMD_PATTERN       0x100u
/* Set the slot's bit of SDT_IRQ_STATUS when the command is carried out. */
#define   SDT_CMD_IRQ           0x200u
/* Alone: drop the command that waits; its result is SDT_RESULT_CANCELLED. */
#define   SDT_CMD_CANCEL        0x400u
/* Alone: carry out the command that waits, within this write. */
#define   SDT_CMD_GO            0x800u
#define SDT_STATE               0x24
#define   SDT_STATE_DELAYED     0x1     /* a command waits for its time */
#define   SDT_STATE_HELD        0x2     /* the slot holds a pointer */
#define SDT_RESULT              0x28
#define   SDT_RESULT_NONE       0       /* none yet */
#define   SDT_RESULT_OK         1
#define   SDT_RESULT_REFUSED    2       /* memory or IOMMU refused it */
#define   SDT_RESULT_MISMATCH   3       /* what came is not SDT_PATTERN */
#define   SDT_RESULT_BAD_RANGE  4       /* outside of buffer or held bytes */
#define   SDT_RESULT_BAD_COMMAND 5      /* no such operation */
#define   SDT_RESULT_NO_MASTER  6       /* bus mastering is off */
#define   SDT_RESULT_NOT_HELD   7       /* TOUCH or UNMAP, and nothing held */
#define   SDT_RESULT_HELD       8       /* MAP, and already held */
#define   SDT_RESULT_CANCELLED  9
#define SDT_DONE                0x2c
#define SDT_COMPLETIONS         0x30
#define SDT_HELD_LENGTH         0x34

/*
 * The bench.  Page I of the working set is at SDT_BENCH_IOVA + I *
 * SDT_BENCH_STRIDE; pages are visited in a shuffled order that is the same
 * in every run.  Thread T has a working set of its own: pages T *
 * SDT_BENCH_PAGES and up.  Registers are not written while it runs.
 *
 *   0x100   SDT_BENCH_IOVA        rw 64  of page 0
 *   0x108   SDT_BENCH_STRIDE      rw 64  bytes from page to page
 *   0x110   SDT_BENCH_PAGES       rw  size of the working set
 *   0x114   SDT_BENCH_ROUNDS      rw  operations of each thread; for
 *                                 SDT_BENCH_OP_REMAP: batches
 *   0x118   SDT_BENCH_LENGTH      rw  bytes of each DMA
 *   0x11c   SDT_BENCH_THREADS     rw  1 to SDT_BENCH_MAX_THREADS
 *   0x120   SDT_BENCH_ENTRY       rw 64  physical address of the page-table
 *                                 entry of page 0; the others follow it
 *   0x128   SDT_BENCH_TOGGLE      rw 64  what a remap XORs into an entry
 *   0x130   SDT_BENCH_DESCRIPTOR  rw 64, 64  invalidation descriptor; for a
 *                                 page-selective one its address is added
 *   0x140   SDT_BENCH_BATCH       rw  pages remapped in one batch
 *   0x144   SDT_BENCH_FLAGS       rw  SDT_BENCH_REFILL, SDT_BENCH_WARM,
 *                                 SDT_BENCH_COLD
 *   0x148   SDT_BENCH_COMMAND     wo  one SDT_BENCH_OP_ and SDT_CMD_IRQ; 0:
 *                                 stop what runs
 *   0x14c   SDT_BENCH_STATE       ro  SDT_BENCH_STATE_
 *   0x150   SDT_BENCH_NS          ro 64  host nanoseconds of the operations,
 *                                 of all threads in sum
 *   0x158   SDT_BENCH_CPU_NS      ro 64  of these, time on a CPU
 *   0x160   SDT_BENCH_OPS         ro 64  operations in that time
 *   0x168   SDT_BENCH_FAILED      ro 64  those that were refused
 *   0x170   SDT_BENCH_INV_NS      ro 64  SDT_BENCH_OP_REMAP: of the
 *                                 invalidations, were they all as fast as
 *                                 in the median batch; of which there are...
 *   0x178   SDT_BENCH_INV_OPS     ro 64  ...so many
 *   0x170   SDT_BENCH_SPAN_NS     ro 64  others: from the first thread's first
 *                                 operation to the last one's last: with
 *                                 NS / THREADS all worked at the same time
 *
 * SDT_BENCH_OP_REMAP: each batch (1) changes the entries of BATCH pages,
 * (2) puts an invalidation for each into the queue of the VT-d unit at
 * SDT_BENCH_UNIT, or a single one if the descriptor is not page-selective,
 * then rings the doorbell for each, which is timed; (3) translates these
 * pages, which is timed; (4) with SDT_BENCH_REFILL translates the whole
 * working set.  The doorbell finds the host's caches as (4) left them; with
 * SDT_BENCH_WARM invalidations of another domain came just before, with
 * SDT_BENCH_COLD they are emptied.
 * The queue must be enabled, idle, and nobody else's.
 *
 * SDT_BENCH_OP_ADD and _LOOK do arithmetic and read PAGES words of memory of
 * the thread's own: what it costs the host alone to run several threads.
 */
#define SDT_BENCH               0x100
#define SDT_BENCH_SIZE          0x080
#define SDT_BENCH_IOVA          0x100
#define SDT_BENCH_STRIDE        0x108
#define SDT_BENCH_PAGES         0x110
#define   SDT_BENCH_MAX_PAGES   (1 << 20)
#define SDT_BENCH_ROUNDS        0x114
#define   SDT_BENCH_MAX_ROUNDS  (1 << 22)
#define SDT_BENCH_LENGTH        0x118
#define SDT_BENCH_THREADS       0x11c
#define   SDT_BENCH_MAX_THREADS 4
#define SDT_BENCH_ENTRY         0x120
#define SDT_BENCH_TOGGLE        0x128
#define SDT_BENCH_DESCRIPTOR    0x130
#define SDT_BENCH_BATCH         0x140
#define   SDT_BENCH_MAX_BATCH   4096
#define SDT_BENCH_FLAGS         0x144
#define   SDT_BENCH_REFILL      0x1
#define   SDT_BENCH_WARM        0x2
#define   SDT_BENCH_COLD        0x4
#define SDT_BENCH_COMMAND       0x148
#define   SDT_BENCH_OP_TRANSLATE 1      /* ask the IOMMU, move nothing */
#define   SDT_BENCH_OP_READ     2       /* DMA from memory */
#define   SDT_BENCH_OP_WRITE    3       /* DMA to memory */
#define   SDT_BENCH_OP_HELD_READ 4      /* map, copy from it, unmap */
#define   SDT_BENCH_OP_HELD_WRITE 5     /* map, copy to it, unmap */
#define   SDT_BENCH_OP_REMAP    6
#define   SDT_BENCH_OP_ADD      7
#define   SDT_BENCH_OP_LOOK     8
#define SDT_BENCH_STATE         0x14c
#define   SDT_BENCH_STATE_IDLE      0   /* nothing ran since reset */
#define   SDT_BENCH_STATE_RUNNING   1
#define   SDT_BENCH_STATE_DONE      2
#define   SDT_BENCH_STATE_STOPPED   3   /* by command, reset, or a stop */
#define   SDT_BENCH_STATE_BAD       4   /* registers out of range */
#define   SDT_BENCH_STATE_NO_IOMMU  5   /* nothing translates that address */
#define SDT_BENCH_NS            0x150
#define SDT_BENCH_CPU_NS        0x158
#define SDT_BENCH_OPS           0x160
#define SDT_BENCH_FAILED        0x168
#define SDT_BENCH_INV_NS        0x170
#define SDT_BENCH_INV_OPS       0x178
#define SDT_BENCH_SPAN_NS       0x170

/* Registers of QEMU's VT-d unit: Q35_HOST_BRIDGE_IOMMU_ADDR */
#define SDT_BENCH_UNIT          0xfed90000u

#endif
