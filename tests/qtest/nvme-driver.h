/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of an NVMe controller for qtests: one admin queue pair, I/O queue
 * pairs, no interrupts, all at fixed places of guest memory, so that it can go
 * on with the same controller in another QEMU.
 *
 * Any failure or time-out ends the test.
 */
#ifndef SUNDER_TESTS_NVME_DRIVER_H
#define SUNDER_TESTS_NVME_DRIVER_H

#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/pci-pc.h"
#include "block/nvme.h"

#define QNVME_QUEUES 3          /* the admin pair and two I/O pairs */
#define QNVME_BLOCK 512

/* Where things are in guest memory. */
#define QNVME_SQ(qid) (0x1230000 + (qid) * 0x2000)
#define QNVME_CQ(qid) (QNVME_SQ(qid) + 0x1000)
#define QNVME_DATA 0x1300000
#define QNVME_DBS 0x1310000
#define QNVME_EIS 0x1311000

typedef struct QNvmeQueue {
    uint16_t sq_size;           /* entries */
    uint16_t cq_size;
    uint16_t tail;
    uint16_t head;
    uint8_t phase;
} QNvmeQueue;

typedef struct QNvme {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dev;
    QPCIBar bar;
    QNvmeQueue queue[QNVME_QUEUES];
    uint16_t cid;
    bool shadow;                /* doorbells are in memory too */
} QNvme;

/* Find the controller at @devfn, enable it with an admin pair of 8 entries. */
void qnvme_start(QNvme *nvme, QTestState *qts, int devfn);

/* Let go of a QEMU, and go on in another one that loaded its state. */
void qnvme_leave(QNvme *nvme);
void qnvme_adopt(QNvme *nvme, QTestState *qts, int devfn);

/* Queue a command and ring the doorbell; returns its command identifier. */
uint16_t qnvme_submit(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd);

/* True when the next completion of the queue is there. */
bool qnvme_is_done(QNvme *nvme, uint16_t qid);

/* Wait up to 10 s for the next completion and take it. */
NvmeCqe qnvme_wait(QNvme *nvme, uint16_t qid);

/* Submit and wait; returns the status. */
uint16_t qnvme_try(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd);

/* Submit, wait, expect success; returns Dword 0 of the completion. */
uint32_t qnvme_do(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd);

/* An I/O queue pair with interrupts on vector 0; sizes in entries. */
void qnvme_create_queues(QNvme *nvme, uint16_t qid, uint16_t sq_size,
                         uint16_t cq_size);
void qnvme_create_queue(QNvme *nvme, uint16_t qid, uint16_t size);

/* Read or write one block of namespace 1 from or to QNVME_DATA. */
NvmeCmd qnvme_io(uint8_t opcode, uint64_t lba);
void qnvme_write(QNvme *nvme, uint16_t qid, uint64_t lba, uint8_t byte);
uint8_t qnvme_read(QNvme *nvme, uint16_t qid, uint64_t lba);

#endif
