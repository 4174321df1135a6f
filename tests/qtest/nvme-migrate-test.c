/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NVMe controller goes on in another QEMU with what it had in hand: queues,
 * event requests, completions without room, features, memory buffer, formats,
 * zones.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/pci/pci_regs.h"
#include "nvme-machine.h"
#include "start-fails.h"

static void delete_queue(QNvme *nvme, uint16_t qid)
{
    NvmeCmd cmd = {
        .opcode = NVME_ADM_CMD_DELETE_SQ,
        .cdw10 = cpu_to_le32(qid),
    };

    qnvme_do(nvme, 0, &cmd);
    cmd.opcode = NVME_ADM_CMD_DELETE_CQ;
    qnvme_do(nvme, 0, &cmd);
}

static void test_queues_go_on(void)
{
    Machine m;

    machine_start(&m, "", "");
    /* An odd number of rounds: positions in mid-queue, both phases seen. */
    for (int i = 0; i < 11; i++) {
        qnvme_write(&m.nvme, 1, i, 0x10 + i);
    }
    for (int round = 0; round < 3; round++) {
        machine_move(&m);
        for (int i = 0; i < 11; i++) {
            g_assert_cmphex(qnvme_read(&m.nvme, 1, i), ==, 0x10 + i);
        }
        qnvme_create_queue(&m.nvme, 2, 4);
        qnvme_write(&m.nvme, 2, 20 + round, round);
        delete_queue(&m.nvme, 2);
    }
    g_assert_cmphex(qnvme_read(&m.nvme, 1, 22), ==, 2);
    machine_end(&m);
}

static uint16_t submit_aer(QNvme *nvme)
{
    NvmeCmd cmd = { .opcode = NVME_ADM_CMD_ASYNC_EV_REQ };

    return qnvme_submit(nvme, 0, &cmd);
}

/* Attach (0) or detach (1) namespace 2: NVMe 1.4, 5.12. */
static NvmeCmd ns_attachment(QNvme *nvme, uint32_t select)
{
    uint16_t list[2] = { cpu_to_le16(1), cpu_to_le16(0) };

    qtest_memset(nvme->qts, QNVME_DATA, 0, 4096);
    qtest_memwrite(nvme->qts, QNVME_DATA, list, sizeof(list));
    return (NvmeCmd) {
        .opcode = NVME_ADM_CMD_NS_ATTACHMENT,
        .nsid = cpu_to_le32(2),
        .dptr.prp1 = cpu_to_le64(QNVME_DATA),
        .cdw10 = cpu_to_le32(select),
    };
}

/* Take two completions of the admin queue, which come in any order. */
static NvmeCqe wait_event(QNvme *nvme, uint16_t command)
{
    NvmeCqe first = qnvme_wait(nvme, 0);
    NvmeCqe second = qnvme_wait(nvme, 0);

    if (le16_to_cpu(first.cid) == command) {
        return second;
    }
    g_assert_cmpint(le16_to_cpu(second.cid), ==, command);
    return first;
}

static void test_event_requests_wait_on(void)
{
    Machine m;
    NvmeCmd detach;
    NvmeCqe cqe;
    uint16_t aer[2], cid;

    machine_start(&m, "", "");
    aer[0] = submit_aer(&m.nvme);
    aer[1] = submit_aer(&m.nvme);
    machine_move(&m);
    g_assert_false(qnvme_is_done(&m.nvme, 0));

    detach = ns_attachment(&m.nvme, 1);
    cid = qnvme_submit(&m.nvme, 0, &detach);
    cqe = wait_event(&m.nvme, cid);
    g_assert_cmpint(le16_to_cpu(cqe.cid), ==, aer[1]);
    /* Notice, namespace attribute changed, log page 4 (NVMe 1.4, 5.2.1). */
    g_assert_cmphex(le32_to_cpu(cqe.result), ==, 0x040002);

    /* The event is not cleared: that must come along too. */
    machine_move(&m);
    detach = ns_attachment(&m.nvme, 0);
    qnvme_do(&m.nvme, 0, &detach);
    g_assert_false(qnvme_is_done(&m.nvme, 0));
    g_assert_cmpint(aer[0], !=, aer[1]);
    machine_end(&m);
}

static void test_events_wait_for_a_request(void)
{
    Machine m;
    NvmeCmd detach;
    NvmeCqe cqe;
    uint16_t aer;

    machine_start(&m, "", "");
    detach = ns_attachment(&m.nvme, 1);
    qnvme_do(&m.nvme, 0, &detach);
    machine_move(&m);

    aer = submit_aer(&m.nvme);
    cqe = qnvme_wait(&m.nvme, 0);
    g_assert_cmpint(le16_to_cpu(cqe.cid), ==, aer);
    g_assert_cmphex(le32_to_cpu(cqe.result), ==, 0x040002);
    /* And the detachment itself: attaching works, once. */
    detach = ns_attachment(&m.nvme, 0);
    qnvme_do(&m.nvme, 0, &detach);
    machine_end(&m);
}

#define COMMANDS 5

/* Each command completes once, in any order. */
static void wait_for_all(QNvme *nvme, uint16_t qid,
                         const uint16_t cid[COMMANDS])
{
    unsigned seen = 0;

    for (int i = 0; i < COMMANDS; i++) {
        unsigned bit = le16_to_cpu(qnvme_wait(nvme, qid).cid) - cid[0];

        g_assert_cmpint(bit, <, COMMANDS);
        g_assert_cmphex(seen & 1u << bit, ==, 0);
        seen |= 1u << bit;
    }
}

static void test_completions_without_room(void)
{
    Machine m;
    NvmeCmd read = qnvme_io(NVME_CMD_READ, 0);
    uint16_t cid[COMMANDS];

    machine_start(&m, "", "");
    /*
     * A completion queue of four holds three: two stay with the controller.
     */
    qnvme_create_queues(&m.nvme, 2, 8, 4);
    for (int i = 0; i < COMMANDS; i++) {
        cid[i] = qnvme_submit(&m.nvme, 2, &read);
    }
    machine_move(&m);
    wait_for_all(&m.nvme, 2, cid);
    g_assert_false(qnvme_is_done(&m.nvme, 2));
    qnvme_do(&m.nvme, 2, &read);
    machine_end(&m);
}

static void test_commands_end_before_the_stop(void)
{
    Machine m;
    NvmeCmd read = qnvme_io(NVME_CMD_READ, 0);
    uint16_t cid[COMMANDS];

    machine_init(&m, g_strdup(NVME_MACHINE
        "-blockdev null-co,node-name=slow,size=4194304,"
        "latency-ns=300000000,read-zeroes=on "
        "-device nvme,id=nvme0,serial=s,addr=4,drive=slow"));
    qnvme_start(&m.nvme, qtest_init(m.args), NVME_DEVFN);
    qnvme_create_queue(&m.nvme, 1, 8);
    for (int i = 0; i < COMMANDS; i++) {
        cid[i] = qnvme_submit(&m.nvme, 1, &read);
    }
    g_assert_false(qnvme_is_done(&m.nvme, 1));
    machine_move(&m);
    wait_for_all(&m.nvme, 1, cid);
    machine_end(&m);
}

static void test_shadow_doorbells(void)
{
    Machine m;
    NvmeCmd config = {
        .opcode = NVME_ADM_CMD_DBBUF_CONFIG,
        .dptr.prp1 = cpu_to_le64(QNVME_DBS),
        .dptr.prp2 = cpu_to_le64(QNVME_EIS),
    };

    machine_start(&m, "", "");
    qnvme_do(&m.nvme, 0, &config);
    m.nvme.shadow = true;
    qnvme_write(&m.nvme, 1, 3, 0x33);
    machine_move(&m);
    g_assert_cmphex(qnvme_read(&m.nvme, 1, 3), ==, 0x33);
    qnvme_create_queue(&m.nvme, 2, 4);
    g_assert_cmphex(qnvme_read(&m.nvme, 2, 3), ==, 0x33);
    /* The controller tells where it wants to be woken next. */
    g_assert_cmpint(qtest_readl(m.nvme.qts, QNVME_EIS + 8), ==,
                    m.nvme.queue[1].tail);
    machine_end(&m);
}

static void test_doorbells_of_a_stopped_machine(void)
{
    Machine m;
    NvmeCmd read = qnvme_io(NVME_CMD_READ, 0);
    NvmeCmd config = {
        .opcode = NVME_ADM_CMD_DBBUF_CONFIG,
        .dptr.prp1 = cpu_to_le64(QNVME_DBS),
        .dptr.prp2 = cpu_to_le64(QNVME_EIS),
    };
    uint16_t cid;

    machine_start(&m, ",ioeventfd=on", "");
    qnvme_do(&m.nvme, 0, &config);
    m.nvme.shadow = true;
    qnvme_read(&m.nvme, 1, 0);
    qtest_qmp_assert_success(m.nvme.qts, "{ 'execute': 'stop' }");
    cid = qnvme_submit(&m.nvme, 1, &read);
    /* Two rounds through the main loop: nobody fetches the command. */
    qtest_qmp_assert_success(m.nvme.qts, "{ 'execute': 'query-status' }");
    qtest_qmp_assert_success(m.nvme.qts, "{ 'execute': 'query-status' }");
    g_assert_false(qnvme_is_done(&m.nvme, 1));
    machine_save(&m);
    qnvme_adopt(&m.nvme, saved_state_load_stopped(m.args, m.state),
                NVME_DEVFN);
    g_assert_false(qnvme_is_done(&m.nvme, 1));
    qtest_qmp_assert_success(m.nvme.qts, "{ 'execute': 'cont' }");
    g_assert_cmpint(le16_to_cpu(qnvme_wait(&m.nvme, 1).cid), ==, cid);
    machine_end(&m);
}

static uint16_t pci_status(Machine *m)
{
    return qpci_config_readw(m->nvme.dev, PCI_STATUS);
}

static void test_interrupt_line_stays(void)
{
    Machine m;
    NvmeCmd read = qnvme_io(NVME_CMD_READ, 0);

    machine_start(&m, "", "");
    g_assert_cmphex(pci_status(&m) & PCI_STATUS_INTERRUPT, ==, 0);
    qnvme_submit(&m.nvme, 1, &read);
    while (!qnvme_is_done(&m.nvme, 1)) {
        g_usleep(1000);
    }
    g_assert_cmphex(pci_status(&m) & PCI_STATUS_INTERRUPT, !=, 0);
    machine_move(&m);
    g_assert_cmphex(pci_status(&m) & PCI_STATUS_INTERRUPT, !=, 0);
    qnvme_wait(&m.nvme, 1);
    g_assert_cmphex(pci_status(&m) & PCI_STATUS_INTERRUPT, ==, 0);
    machine_end(&m);
}

static NvmeCmd feature(uint8_t opcode, uint8_t fid, uint32_t value)
{
    return (NvmeCmd) {
        .opcode = opcode,
        .cdw10 = cpu_to_le32(fid),
        .cdw11 = cpu_to_le32(value),
    };
}

static uint32_t get_feature(Machine *m, uint8_t fid)
{
    NvmeCmd get = feature(NVME_ADM_CMD_GET_FEATURES, fid, 0);

    return qnvme_do(&m->nvme, 0, &get);
}

static void set_feature(Machine *m, uint8_t fid, uint32_t value)
{
    NvmeCmd set = feature(NVME_ADM_CMD_SET_FEATURES, fid, value);

    qnvme_do(&m->nvme, 0, &set);
}

static void test_features(void)
{
    Machine m;

    machine_start(&m, "", "");
    set_feature(&m, NVME_TEMPERATURE_THRESHOLD, 0x180);
    set_feature(&m, NVME_ASYNCHRONOUS_EVENT_CONF, 0x11f);
    set_feature(&m, NVME_VOLATILE_WRITE_CACHE, 0);
    machine_move(&m);
    g_assert_cmphex(get_feature(&m, NVME_TEMPERATURE_THRESHOLD), ==, 0x180);
    g_assert_cmphex(get_feature(&m, NVME_ASYNCHRONOUS_EVENT_CONF), ==, 0x11f);
    g_assert_cmphex(get_feature(&m, NVME_VOLATILE_WRITE_CACHE), ==, 0);
    machine_end(&m);
}

static uint64_t smart_host_reads(Machine *m)
{
    NvmeCmd log = {
        .opcode = NVME_ADM_CMD_GET_LOG_PAGE,
        .nsid = cpu_to_le32(0xffffffff),
        .dptr.prp1 = cpu_to_le64(QNVME_DATA),
        .cdw10 = cpu_to_le32((512 / 4 - 1) << 16 | NVME_LOG_SMART_INFO),
    };

    qnvme_do(&m->nvme, 0, &log);
    return qtest_readq(m->nvme.qts, QNVME_DATA +
                       offsetof(NvmeSmartLog, host_read_commands));
}

static void test_smart_counters_go_on(void)
{
    Machine m;

    machine_start(&m, "", "");
    for (int i = 0; i < 5; i++) {
        qnvme_read(&m.nvme, 1, i);
    }
    g_assert_cmpint(smart_host_reads(&m), ==, 5);
    machine_move(&m);
    qnvme_read(&m.nvme, 1, 0);
    g_assert_cmpint(smart_host_reads(&m), ==, 6);
    machine_end(&m);
}

static uint64_t namespace_blocks(Machine *m)
{
    NvmeCmd identify = {
        .opcode = NVME_ADM_CMD_IDENTIFY,
        .nsid = cpu_to_le32(1),
        .dptr.prp1 = cpu_to_le64(QNVME_DATA),
    };

    qnvme_do(&m->nvme, 0, &identify);
    return qtest_readq(m->nvme.qts, QNVME_DATA);
}

static void test_format(void)
{
    Machine m;
    /* LBA format 4: blocks of 4096 bytes. */
    NvmeCmd format = {
        .opcode = NVME_ADM_CMD_FORMAT_NVM,
        .nsid = cpu_to_le32(1),
        .cdw10 = cpu_to_le32(4),
    };

    machine_start(&m, "", "");
    g_assert_cmpint(namespace_blocks(&m), ==, NVME_IMAGE_BYTES / 512);
    qnvme_do(&m.nvme, 0, &format);
    machine_move(&m);
    g_assert_cmpint(namespace_blocks(&m), ==, NVME_IMAGE_BYTES / 4096);
    machine_end(&m);
}

/* Zones of 32 blocks; ZNS Command Set 1.1, 3.4.1 (receive), 3.4.3 (send). */
#define ZONE_BLOCKS 32
#define ZONED ",zoned=on,zoned.zone_size=16K,zoned.max_open=2," \
              "zoned.max_active=4,zoned.descr_ext_size=64"
#define ZONE_REPORT_BYTES 4096

typedef enum ZoneAction {
    ZONE_CLOSE = 1,
    ZONE_FINISH = 2,
    ZONE_OPEN = 3,
    ZONE_SET_EXTENSION = 0x10,
} ZoneAction;

static uint16_t zone_send(Machine *m, unsigned zone, ZoneAction action)
{
    NvmeCmd cmd = qnvme_io(NVME_CMD_ZONE_MGMT_SEND, zone * ZONE_BLOCKS);

    cmd.cdw13 = cpu_to_le32(action);
    return qnvme_try(&m->nvme, 1, &cmd);
}

static uint16_t zone_write(Machine *m, unsigned zone, unsigned block)
{
    NvmeCmd cmd = qnvme_io(NVME_CMD_WRITE, zone * ZONE_BLOCKS + block);

    return qnvme_try(&m->nvme, 1, &cmd);
}

/* Descriptors of the first zones, with their extensions. */
static void zone_report(Machine *m, uint8_t report[ZONE_REPORT_BYTES])
{
    NvmeCmd cmd = qnvme_io(NVME_CMD_ZONE_MGMT_RECV, 0);

    cmd.cdw12 = cpu_to_le32(ZONE_REPORT_BYTES / 4 - 1);
    cmd.cdw13 = cpu_to_le32(1);
    g_assert_cmphex(qnvme_try(&m->nvme, 1, &cmd), ==, NVME_SUCCESS);
    qtest_memread(m->nvme.qts, QNVME_DATA, report, ZONE_REPORT_BYTES);
}

static uint8_t zone_state(Machine *m, unsigned zone)
{
    uint8_t report[ZONE_REPORT_BYTES];

    zone_report(m, report);
    return report[64 + zone * 128 + 1] >> 4;
}

static void test_zones(void)
{
    uint8_t before[ZONE_REPORT_BYTES], after[ZONE_REPORT_BYTES];
    Machine m;

    machine_start(&m, "", ZONED);
    g_assert_cmphex(zone_send(&m, 0, ZONE_OPEN), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_write(&m, 0, 0), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_write(&m, 1, 0), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_send(&m, 1, ZONE_CLOSE), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_send(&m, 3, ZONE_FINISH), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_send(&m, 4, ZONE_SET_EXTENSION), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_write(&m, 2, 0), ==, NVME_SUCCESS);
    zone_report(&m, before);
    machine_move(&m);
    zone_report(&m, after);
    g_assert_cmpmem(after, sizeof(after), before, sizeof(before));

    /* Write pointers. */
    g_assert_cmphex(zone_write(&m, 0, 0), !=, NVME_SUCCESS);
    g_assert_cmphex(zone_write(&m, 0, 1), ==, NVME_SUCCESS);
    /* Two are open: the one opened implicitly is closed for a third. */
    g_assert_cmphex(zone_state(&m, 2), ==, NVME_ZONE_STATE_IMPLICITLY_OPEN);
    g_assert_cmphex(zone_send(&m, 1, ZONE_OPEN), ==, NVME_SUCCESS);
    g_assert_cmphex(zone_state(&m, 2), ==, NVME_ZONE_STATE_CLOSED);
    g_assert_cmphex(zone_send(&m, 5, ZONE_OPEN) & 0xfff, ==,
                    NVME_ZONE_TOO_MANY_ACTIVE);
    machine_end(&m);
}

static void test_controller_memory_buffer(void)
{
    Machine m;
    QPCIBar cmb;

    machine_start(&m, ",cmb_size_mb=1,legacy-cmb=on", "");
    cmb = qpci_iomap(m.nvme.dev, 2, NULL);
    qpci_io_writel(m.nvme.dev, cmb, 0xffffc, 0xfeed);
    machine_move(&m);
    g_assert_cmphex(qpci_io_readl(m.nvme.dev, cmb, 0xffffc), ==, 0xfeed);
    machine_end(&m);
}

static void test_persistent_memory_region(void)
{
    Machine m;
    QPCIBar pmr;
    char *args;

    machine_init(&m, NULL);
    args = g_strdup_printf("-object memory-backend-ram,id=pmr,size=1M %s",
                           m.args);
    g_free(m.args);
    m.args = g_strconcat(args, " -global nvme.pmrdev=pmr", NULL);
    g_free(args);
    qnvme_start(&m.nvme, qtest_init(m.args), NVME_DEVFN);
    pmr = qpci_iomap(m.nvme.dev, 4, NULL);
    /* PMRCTL.EN (NVMe 1.4, 3.1.22). */
    qpci_io_writel(m.nvme.dev, m.nvme.bar, NVME_REG_PMRCTL, 1);
    qpci_io_writel(m.nvme.dev, pmr, 0xffffc, 0xfeed);
    machine_move(&m);
    g_assert_cmphex(qpci_io_readl(m.nvme.dev, pmr, 0xffffc), ==, 0xfeed);
    machine_end(&m);
}

static void test_stopped_controller(void)
{
    Machine m;
    QTestState *qts;

    machine_init(&m, NULL);
    qts = qtest_init(m.args);
    saved_state_save(qts, m.state);
    qtest_quit(qts);
    qnvme_start(&m.nvme, saved_state_load(m.args, m.state), NVME_DEVFN);
    qnvme_create_queue(&m.nvme, 1, 8);
    qnvme_write(&m.nvme, 1, 0, 0x77);
    g_assert_cmphex(qnvme_read(&m.nvme, 1, 0), ==, 0x77);
    machine_end(&m);
}

static void test_sriov_is_refused(void)
{
    QTestState *qts = qtest_init(
        NVME_MACHINE "-device pcie-root-port,id=rp,addr=3 "
        "-device nvme-subsys,id=sub "
        "-device nvme,id=nvme0,serial=s,bus=rp,subsys=sub,sriov_max_vfs=1,"
        "sriov_vq_flexible=2,sriov_vi_flexible=1");
    g_autofree char *reason = saved_state_refusal(qts, "/dev/null");

    g_assert_nonnull(strstr(reason, "nvme0: sriov_max_vfs=1"));
    qtest_quit(qts);
}

static void test_only_migratable(void)
{
    expect_start_fails("-only-migratable -device pcie-root-port,id=rp "
                       "-device nvme-subsys,id=sub "
                       "-device nvme,id=nvme0,serial=s,bus=rp,subsys=sub,"
                       "sriov_max_vfs=1,sriov_vq_flexible=2,"
                       "sriov_vi_flexible=1",
                       "nvme0: sriov_max_vfs=1: the state of virtual "
                       "functions is not saved");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/nvme/queues-go-on", test_queues_go_on);
    qtest_add_func("/nvme/event-requests-wait-on",
                   test_event_requests_wait_on);
    qtest_add_func("/nvme/events-wait-for-a-request",
                   test_events_wait_for_a_request);
    qtest_add_func("/nvme/completions-without-room",
                   test_completions_without_room);
    qtest_add_func("/nvme/commands-end-before-the-stop",
                   test_commands_end_before_the_stop);
    qtest_add_func("/nvme/shadow-doorbells", test_shadow_doorbells);
    qtest_add_func("/nvme/doorbells-of-a-stopped-machine",
                   test_doorbells_of_a_stopped_machine);
    qtest_add_func("/nvme/interrupt-line-stays", test_interrupt_line_stays);
    qtest_add_func("/nvme/features", test_features);
    qtest_add_func("/nvme/smart-counters-go-on", test_smart_counters_go_on);
    qtest_add_func("/nvme/format", test_format);
    qtest_add_func("/nvme/zones", test_zones);
    qtest_add_func("/nvme/controller-memory-buffer",
                   test_controller_memory_buffer);
    qtest_add_func("/nvme/persistent-memory-region",
                   test_persistent_memory_region);
    qtest_add_func("/nvme/stopped-controller", test_stopped_controller);
    qtest_add_func("/nvme/sriov-is-refused", test_sriov_is_refused);
    qtest_add_func("/nvme/only-migratable", test_only_migratable);
    return g_test_run();
}
