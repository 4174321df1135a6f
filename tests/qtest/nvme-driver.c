/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "nvme-driver.h"

#define ADMIN_SIZE 8

/* NVMe 1.4, 3.1: doorbells stand behind the registers, CAP.DSTRD is 0. */
#define DOORBELL 0x1000

static uint64_t sq_doorbell(uint16_t qid)
{
    return qid * 8;
}

static uint64_t cq_doorbell(uint16_t qid)
{
    return qid * 8 + 4;
}

static void ring(QNvme *nvme, uint64_t doorbell, uint16_t value)
{
    if (nvme->shadow) {
        qtest_writel(nvme->qts, QNVME_DBS + doorbell, value);
    }
    qpci_io_writel(nvme->dev, nvme->bar, DOORBELL + doorbell, value);
}

static void queue_init(QNvme *nvme, uint16_t qid, uint16_t sq_size,
                       uint16_t cq_size)
{
    nvme->queue[qid] = (QNvmeQueue) {
        .sq_size = sq_size,
        .cq_size = cq_size,
        .phase = 1,
    };
    qtest_memset(nvme->qts, QNVME_CQ(qid), 0, cq_size * sizeof(NvmeCqe));
}

static void wait_ready(QNvme *nvme)
{
    for (int i = 0; i < 1000; i++) {
        uint32_t csts = qpci_io_readl(nvme->dev, nvme->bar, NVME_REG_CSTS);

        g_assert_cmphex(csts & NVME_CSTS_FAILED, ==, 0);
        if (csts & NVME_CSTS_READY) {
            return;
        }
        g_usleep(10000);
    }
    g_assert_not_reached();
}

void qnvme_start(QNvme *nvme, QTestState *qts, int devfn)
{
    memset(nvme, 0, sizeof(*nvme));
    qnvme_adopt(nvme, qts, devfn);
    qpci_device_enable(nvme->dev);
    nvme->bar = qpci_iomap(nvme->dev, 0, NULL);
    queue_init(nvme, 0, ADMIN_SIZE, ADMIN_SIZE);
    qpci_io_writel(nvme->dev, nvme->bar, NVME_REG_AQA,
                   (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
    qpci_io_writeq(nvme->dev, nvme->bar, NVME_REG_ASQ, QNVME_SQ(0));
    qpci_io_writeq(nvme->dev, nvme->bar, NVME_REG_ACQ, QNVME_CQ(0));
    qpci_io_writel(nvme->dev, nvme->bar, NVME_REG_CC,
                   4 << 20 | 6 << 16 | 6 << 4 | 1);  /* CQES, SQES, CSS, EN */
    wait_ready(nvme);
}

void qnvme_leave(QNvme *nvme)
{
    g_free(nvme->dev);
    qpci_free_pc(nvme->bus);
    nvme->dev = NULL;
    nvme->bus = NULL;
}

void qnvme_adopt(QNvme *nvme, QTestState *qts, int devfn)
{
    nvme->qts = qts;
    nvme->bus = qpci_new_pc(qts, NULL);
    nvme->dev = qpci_device_find(nvme->bus, devfn);
    g_assert_nonnull(nvme->dev);
}

uint16_t qnvme_submit(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd)
{
    QNvmeQueue *q = &nvme->queue[qid];
    NvmeCmd copy = *cmd;

    copy.cid = cpu_to_le16(++nvme->cid);
    qtest_memwrite(nvme->qts, QNVME_SQ(qid) + q->tail * sizeof(copy), &copy,
                   sizeof(copy));
    q->tail = (q->tail + 1) % q->sq_size;
    ring(nvme, sq_doorbell(qid), q->tail);
    return nvme->cid;
}

static NvmeCqe peek(QNvme *nvme, uint16_t qid)
{
    QNvmeQueue *q = &nvme->queue[qid];
    NvmeCqe cqe;

    qtest_memread(nvme->qts, QNVME_CQ(qid) + q->head * sizeof(cqe), &cqe,
                  sizeof(cqe));
    return cqe;
}

bool qnvme_is_done(QNvme *nvme, uint16_t qid)
{
    NvmeCqe cqe = peek(nvme, qid);

    return (le16_to_cpu(cqe.status) & 1) == nvme->queue[qid].phase;
}

NvmeCqe qnvme_wait(QNvme *nvme, uint16_t qid)
{
    QNvmeQueue *q = &nvme->queue[qid];
    NvmeCqe cqe;

    for (int i = 0; !qnvme_is_done(nvme, qid); i++) {
        g_assert_cmpint(i, <, 1000);
        g_usleep(10000);
    }
    cqe = peek(nvme, qid);
    if (++q->head == q->cq_size) {
        q->head = 0;
        q->phase = !q->phase;
    }
    ring(nvme, cq_doorbell(qid), q->head);
    return cqe;
}

uint16_t qnvme_try(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd)
{
    uint16_t cid = qnvme_submit(nvme, qid, cmd);
    NvmeCqe cqe = qnvme_wait(nvme, qid);

    g_assert_cmpint(le16_to_cpu(cqe.cid), ==, cid);
    return le16_to_cpu(cqe.status) >> 1;
}

uint32_t qnvme_do(QNvme *nvme, uint16_t qid, const NvmeCmd *cmd)
{
    uint16_t cid = qnvme_submit(nvme, qid, cmd);
    NvmeCqe cqe = qnvme_wait(nvme, qid);

    g_assert_cmpint(le16_to_cpu(cqe.cid), ==, cid);
    g_assert_cmphex(le16_to_cpu(cqe.status) >> 1, ==, NVME_SUCCESS);
    return le32_to_cpu(cqe.result);
}

void qnvme_create_queues(QNvme *nvme, uint16_t qid, uint16_t sq_size,
                         uint16_t cq_size)
{
    NvmeCmd cq = {
        .opcode = NVME_ADM_CMD_CREATE_CQ,
        .dptr.prp1 = cpu_to_le64(QNVME_CQ(qid)),
        .cdw10 = cpu_to_le32((cq_size - 1) << 16 | qid),
        .cdw11 = cpu_to_le32(3),        /* contiguous, interrupts enabled */
    };
    NvmeCmd sq = {
        .opcode = NVME_ADM_CMD_CREATE_SQ,
        .dptr.prp1 = cpu_to_le64(QNVME_SQ(qid)),
        .cdw10 = cpu_to_le32((sq_size - 1) << 16 | qid),
        .cdw11 = cpu_to_le32(qid << 16 | 1),
    };

    queue_init(nvme, qid, sq_size, cq_size);
    qnvme_do(nvme, 0, &cq);
    qnvme_do(nvme, 0, &sq);
}

void qnvme_create_queue(QNvme *nvme, uint16_t qid, uint16_t size)
{
    qnvme_create_queues(nvme, qid, size, size);
}

NvmeCmd qnvme_io(uint8_t opcode, uint64_t lba)
{
    return (NvmeCmd) {
        .opcode = opcode,
        .nsid = cpu_to_le32(1),
        .dptr.prp1 = cpu_to_le64(QNVME_DATA),
        .cdw10 = cpu_to_le32(lba),
    };
}

void qnvme_write(QNvme *nvme, uint16_t qid, uint64_t lba, uint8_t byte)
{
    NvmeCmd cmd = qnvme_io(NVME_CMD_WRITE, lba);

    qtest_memset(nvme->qts, QNVME_DATA, byte, QNVME_BLOCK);
    qnvme_do(nvme, qid, &cmd);
}

uint8_t qnvme_read(QNvme *nvme, uint16_t qid, uint64_t lba)
{
    NvmeCmd cmd = qnvme_io(NVME_CMD_READ, lba);
    uint8_t block[QNVME_BLOCK];

    qtest_memset(nvme->qts, QNVME_DATA, 0x5a, QNVME_BLOCK);
    qnvme_do(nvme, qid, &cmd);
    qtest_memread(nvme->qts, QNVME_DATA, block, sizeof(block));
    for (int i = 1; i < QNVME_BLOCK; i++) {
        g_assert_cmphex(block[i], ==, block[0]);
    }
    return block[0];
}
