/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's devices behind the IOMMU: each is there, and does one DMA through
 * translations that lead elsewhere.  And memory that goes while the IOMMU's
 * tables are in it.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "iommu-machine.h"
#include "start-fails.h"

#define IOMMU           "sunder-iommu,mode=enforce"
#define DEVICE_BDF      BDF(0, 5, 0)
#define BAR             UINT64_C(0xd1000000)
#define POLLS           1000

/* IOVA + N pages lead to DATA + (N_MAPPED - N) pages. */
#define N_MAPPED        8

static uint64_t iova(unsigned page)
{
    return IOVA + page * PAGE_4K;
}

static uint64_t memory(unsigned page)
{
    return DATA + (N_MAPPED - page) * PAGE_4K;
}

static uint64_t where(uint64_t address)
{
    return memory((address - IOVA) / PAGE_4K) + address % PAGE_4K;
}

static IommuMachine *start_with(const char *iommu, const char *device,
                                unsigned bdf, unsigned bar)
{
    IommuMachine *m = iommu_start_mapped(iommu, "%s", device);

    bar_program(m->qts, bdf, bar, BAR);
    context_set(m, bdf, m->tables, 4, DOMAIN, TYPE_MULTI_LEVEL);
    for (unsigned i = 0; i < N_MAPPED; i++) {
        map(m, iova(i), memory(i), ENTRY_RW);
        qtest_memset(m->qts, memory(i), 0, PAGE_4K);
    }
    return m;
}

/* Waits for a bit that the device writes. */
static void wait_for(IommuMachine *m, uint64_t address, uint32_t mask)
{
    for (unsigned i = 0; i < POLLS; i++) {
        if (qtest_readl(m->qts, address) & mask) {
            return;
        }
        qtest_clock_step(m->qts, 1000000);
        g_usleep(1000);
    }
    g_assert_not_reached();
}

/* @device: its id, or NULL if it has none */
static void end(IommuMachine *m, const char *device)
{
    if (device) {
        g_assert_cmpint(device_counter(m, device, "translations"), >, 0);
        g_assert_cmpint(device_counter(m, device, "stale"), ==, 0);
    }
    expect_no_stale_event(m);
    expect_no_fault(m);
    iommu_quit(m);
}

static void test_all_are_there(void)
{
    static const char *const points[] = {
        "iommu0/dma0/dma", "iommu0/blk0/dma", "iommu0/net0/dma",
        "iommu0/nvme0/dma", "iommu0/e0/dma", "iommu0/igb0/dma",
        "iommu0/nic0/dma", "iommu0/usb0/dma", "iommu0/edu0/dma",
        "iommu0/pcie.0:1f.2/dma",
    };
    IommuMachine *m = iommu_start_mapped(
        IOMMU, "-drive if=none,id=a,driver=null-co,size=1M "
        "-drive if=none,id=b,driver=null-co,size=1M "
        "-device virtio-blk-pci,id=blk0,drive=a,iommu_platform=on,"
        "disable-legacy=on "
        "-device virtio-net-pci,id=net0,iommu_platform=on,"
        "disable-legacy=on,romfile= "
        "-device nvme,id=nvme0,drive=b,serial=1 "
        "-device e1000e,id=e0,romfile= -device igb,id=igb0,romfile= "
        "-netdev hubport,id=wire0,hubid=0 "
        "-device sunder-nic,id=nic0,ports=wire0,iommu_platform=on,"
        "disable-legacy=on "
        "-device qemu-xhci,id=usb0 -device edu,id=edu0");

    for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
        g_test_message("%s", points[i]);
        g_assert_true(fault_point_exists(m->qts, points[i]));
    }
    iommu_quit(m);
}

/* NVMe base specification 2.0: 3.1.3 registers, 5.17 Identify */
static void test_nvme(gconstpointer iommu)
{
    IommuMachine *m = start_with(
        iommu, "-drive if=none,id=a,driver=null-co,size=1M "
        "-device nvme,id=nvme0,drive=a,serial=sunder,addr=5",
        DEVICE_BDF, 0);
    char serial[6];

    qtest_writel(m->qts, BAR + 0x24, 15 << 16 | 15);
    qtest_writeq(m->qts, BAR + 0x28, iova(0));
    qtest_writeq(m->qts, BAR + 0x30, iova(1));
    qtest_writel(m->qts, BAR + 0x14, 4 << 20 | 6 << 16 | 1);
    wait_for(m, BAR + 0x1c, 1);
    qtest_writel(m->qts, memory(0), 0x06 | 1 << 16);
    qtest_writeq(m->qts, memory(0) + 24, iova(2));
    qtest_writel(m->qts, memory(0) + 40, 1);
    qtest_writel(m->qts, BAR + 0x1000, 1);
    wait_for(m, memory(1) + 12, 1 << 16);
    qtest_memread(m->qts, memory(2) + 4, serial, sizeof(serial));
    g_assert_cmpmem(serial, sizeof(serial), "sunder", 6);
    end(m, "nvme0");
}

/* Intel 82574 datasheet 10.2.6: one descriptor of the legacy format */
static void test_e1000e(gconstpointer iommu)
{
    IommuMachine *m = start_with(
        iommu, "-device e1000e,id=e0,romfile=,addr=5", DEVICE_BDF, 0);

    qtest_writel(m->qts, BAR + 0x3800, iova(0));
    qtest_writel(m->qts, BAR + 0x3804, 0);
    qtest_writel(m->qts, BAR + 0x3808, 128);
    qtest_writel(m->qts, BAR + 0x3828, 1 << 25);
    qtest_writel(m->qts, BAR + 0x400, 1 << 1);
    qtest_writeq(m->qts, memory(0), iova(1));
    /* end of packet, report status */
    qtest_writel(m->qts, memory(0) + 8, 0x09 << 24 | 64);
    qtest_writel(m->qts, BAR + 0x3818, 1);
    wait_for(m, memory(0) + 12, 1);
    end(m, "e0");
}

/* Intel 82576 datasheet 7.2.2.3: one advanced data descriptor */
static void test_igb(gconstpointer iommu)
{
    IommuMachine *m = start_with(
        iommu, "-device igb,id=igb0,romfile=,addr=5", DEVICE_BDF, 0);

    qtest_writel(m->qts, BAR + 0xe000, iova(0));
    qtest_writel(m->qts, BAR + 0xe004, 0);
    qtest_writel(m->qts, BAR + 0xe008, 128);
    qtest_writel(m->qts, BAR + 0xe028, 1 << 25);
    qtest_writel(m->qts, BAR + 0x400, 1 << 1);
    qtest_writeq(m->qts, memory(0), iova(1));
    qtest_writel(m->qts, memory(0) + 8, 0x29u << 24 | 3 << 20 | 64);
    qtest_writel(m->qts, memory(0) + 12, 64 << 14);
    qtest_writel(m->qts, BAR + 0xe018, 1);
    wait_for(m, memory(0) + 12, 1);
    end(m, "igb0");
}

/* xHCI 1.2: 4.2 initialization, a No Op command (4.6.2) and its event */
static void test_xhci(gconstpointer iommu)
{
    IommuMachine *m = start_with(iommu, "-device qemu-xhci,id=usb0,addr=5",
                                 DEVICE_BDF, 0);
    uint64_t operational = BAR + (qtest_readl(m->qts, BAR) & 0xff);
    uint64_t runtime = BAR + qtest_readl(m->qts, BAR + 0x18);
    uint64_t doorbell = BAR + qtest_readl(m->qts, BAR + 0x14);

    qtest_writel(m->qts, operational + 0x30, iova(0));
    qtest_writel(m->qts, operational + 0x34, 0);
    qtest_writel(m->qts, operational + 0x18, iova(1) | 1);
    qtest_writel(m->qts, operational + 0x1c, 0);
    /* one segment of 16 events */
    qtest_writeq(m->qts, memory(2), iova(3));
    qtest_writel(m->qts, memory(2) + 8, 16);
    qtest_writel(m->qts, runtime + 0x28, 1);
    qtest_writel(m->qts, runtime + 0x38, iova(3));
    qtest_writel(m->qts, runtime + 0x3c, 0);
    qtest_writel(m->qts, runtime + 0x30, iova(2));
    qtest_writel(m->qts, runtime + 0x34, 0);
    qtest_writel(m->qts, operational, 1);
    qtest_writel(m->qts, memory(1) + 12, 23 << 10 | 1);
    qtest_writel(m->qts, doorbell, 0);
    wait_for(m, memory(3) + 12, 1);
    end(m, "usb0");
}

/* AHCI 1.3.1: 3.3 port registers, 4.2 structures; ATA IDENTIFY DEVICE */
static void test_ahci(gconstpointer iommu)
{
    const unsigned ahci = BDF(0, 0x1f, 2);
    const uint64_t port = BAR + 0x100;
    IommuMachine *m = start_with(
        iommu, "-drive if=none,id=a,driver=null-co,size=1M "
        "-device ide-hd,drive=a,bus=ide.0,serial=sunder", ahci, 5);

    qtest_writel(m->qts, BAR + 4, 1u << 31);
    qtest_writel(m->qts, port + 0x00, iova(0));
    qtest_writel(m->qts, port + 0x08, iova(1));
    qtest_writel(m->qts, port + 0x18, 0x10);
    qtest_writel(m->qts, port + 0x18, 0x11);
    /* header: one entry of regions, FIS of 5 words; table; FIS; region */
    qtest_writel(m->qts, memory(0), 1 << 16 | 5);
    qtest_writeq(m->qts, memory(0) + 8, iova(2));
    qtest_writel(m->qts, memory(2), 0xec << 16 | 0x80 << 8 | 0x27);
    qtest_writeq(m->qts, memory(2) + 0x80, iova(3));
    qtest_writel(m->qts, memory(2) + 0x8c, 511);
    qtest_writel(m->qts, port + 0x38, 1);
    /* words 10 to 19: the serial number, its bytes in pairs swapped */
    wait_for(m, memory(3) + 20, UINT32_MAX);
    g_assert_cmphex(qtest_readw(m->qts, memory(3) + 20), ==,
                    's' << 8 | 'u');
    end(m, NULL);
}

/*
 * Virtio 1.2: 4.1.4.3 common configuration, 2.7 split virtqueue.  QEMU has the
 * common configuration at the start of BAR 4 and notifications at 0x3000.
 * One buffer of 64 bytes, at page 5, for the device to fill.
 */
static void receive_by_virtio(const char *iommu, uint64_t descriptors,
                              uint64_t avail, uint64_t used)
{
    IommuMachine *m = start_with(
        iommu, "-object rng-builtin,id=r "
        "-device virtio-rng-pci,id=rng0,rng=r,iommu_platform=on,"
        "disable-legacy=on,addr=5", DEVICE_BDF, 4);

    qtest_writeb(m->qts, BAR + 0x14, 3);
    /* VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM: bits 32 and 33 */
    qtest_writel(m->qts, BAR + 0x08, 1);
    qtest_writel(m->qts, BAR + 0x0c, 3);
    qtest_writeb(m->qts, BAR + 0x14, 11);
    g_assert_cmphex(qtest_readb(m->qts, BAR + 0x14), ==, 11);
    qtest_writew(m->qts, BAR + 0x16, 0);
    qtest_writew(m->qts, BAR + 0x18, 8);
    qtest_writel(m->qts, BAR + 0x20, descriptors);
    qtest_writel(m->qts, BAR + 0x28, avail);
    qtest_writel(m->qts, BAR + 0x30, used);
    qtest_writew(m->qts, BAR + 0x1c, 1);
    qtest_writeb(m->qts, BAR + 0x14, 15);
    qtest_writeq(m->qts, where(descriptors), iova(5));
    qtest_writel(m->qts, where(descriptors + 8), 64);
    qtest_writew(m->qts, where(descriptors + 12), 2);
    qtest_writew(m->qts, where(avail + 2), 1);
    qtest_writew(m->qts, BAR + 0x3000, 0);
    wait_for(m, where(used), 1 << 16);
    g_assert_cmpuint(qtest_readl(m->qts, where(used + 8)), ==, 64);
    end(m, "rng0");
}

static void test_virtio(gconstpointer iommu)
{
    receive_by_virtio(iommu, iova(0), iova(1), iova(2));
}

/* An entry in each of two pages that are beside each other for the device
 * only: the first used one, and the first descriptor. */
static void test_virtio_ring(gconstpointer iommu)
{
    receive_by_virtio(iommu, iova(0), iova(1), iova(3) - 8);
    receive_by_virtio(iommu, iova(1) - 8, iova(2), iova(3));
}

/* ICH9's memory hot-plug registers: slot, then eject (docs/specs of QEMU:
 * acpi_mem_hotplug) */
static void take_memory_away(QTestState *qts)
{
    qtest_qmp_send(qts, "{ 'execute': 'device_del',"
                   "  'arguments': { 'id': 'dimm1' } }");
    qobject_unref(qtest_qmp_receive(qts));
    qtest_outl(qts, 0xa00, 0);
    qtest_outb(qts, 0xa14, 1 << 3);
    qobject_unref(qtest_qmp_eventwait_ref(qts, "DEVICE_DELETED"));
}

/* A page and the table that leads to another are in memory that goes. */
static void test_memory_goes(gconstpointer iommu)
{
    const uint64_t dimm = UINT64_C(1) << 32, table = dimm + PAGE_2M;
    IommuMachine *m = iommu_start_mapped(
        iommu, "-m 256,slots=2,maxmem=1G "
        "-object memory-backend-ram,id=mem1,size=128M "
        "-device pc-dimm,id=dimm1,memdev=mem1");
    uint64_t value;

    qtest_writeq(m->qts, dimm, 1);
    qtest_writeq(m->qts, DATA, 2);
    map(m, IOVA, dimm, ENTRY_RW);
    qtest_writeq(m->qts, table, DATA | ENTRY_RW);
    qtest_writeq(m->qts, entry_address(m, m->tables, 4, IOVA + PAGE_2M, 2),
                 table | ENTRY_RW);
    g_assert_cmpuint(dma_read(m, IOVA, &value), ==, SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 1);
    g_assert_cmpuint(dma_read(m, IOVA + PAGE_2M, &value), ==, SDT_RESULT_OK);
    g_assert_cmpuint(value, ==, 2);

    take_memory_away(m->qts);
    g_assert_cmpuint(dma_read(m, IOVA, NULL), ==, SDT_RESULT_REFUSED);
    dma_read(m, IOVA + PAGE_2M, NULL);
    invalidate_global(m);
    unit_take_fault(m);
    g_assert_cmpuint(dma_read(m, IOVA + PAGE_2M, NULL), ==,
                     SDT_RESULT_REFUSED);
    expect_fault(m, FAULT_ENTRY_ACCESS, IOVA + PAGE_2M, false);
    iommu_quit(m);
}

/* The device's point comes and goes with it, and its rules go. */
static void test_unplug(void)
{
    IommuMachine *m = iommu_start_mapped(
        IOMMU, "-device pcie-root-port,id=port0,chassis=1,slot=1,addr=6 "
        "-device pcie-pci-bridge,id=bridge0,bus=port0 "
        "-device sunder-dma-tester,id=dma1,bus=bridge0,addr=1");

    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(fault_point_exists(m->qts, "iommu0/dma1/dma"));
        fault_add(m->qts, "iommu0/dma1/dma", "blocked", ", 'id': 'r'");
        fault_add(m->qts, "iommu0/dma1/dma", "late-dma",
                  ", 'id': 's', 'duration': 1000000000");
        qtest_qmp_device_del_send(m->qts, "dma1");
        /* a device asked to go goes at a reset */
        qtest_system_reset(m->qts);
        qobject_unref(qtest_qmp_eventwait_ref(m->qts, "DEVICE_DELETED"));
        g_assert_false(fault_point_exists(m->qts, "iommu0/dma1/dma"));
        qtest_clock_step(m->qts, 2 * (int64_t)1000000000);
        qtest_qmp_device_add(m->qts, "sunder-dma-tester", "dma1",
                             "{ 'bus': 'bridge0', 'addr': '1' }");
    }
    iommu_quit(m);
}

static void expect_mode_refused(IommuMachine *m, const char *mode)
{
    QDict *error = qtest_qmp_assert_failure_ref(
        m->qts, "{ 'execute': 'sunder-iommu-set-mode',"
        "  'arguments': { 'mode': %s } }", mode);

    g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                            "a vfio device does DMA without QEMU"));
    qobject_unref(error);
}

/* A device whose DMA the host translates, like vfio-pci: nor with modes that
 * check; the IOMMU says so at whichever comes second. */
static void test_passthrough(void)
{
    IommuMachine *m;

    expect_start_fails("-device sunder-iommu,mode=report,caching-mode=on "
                       "-device sunder-dma-tester,x-passthrough=on",
                       "the device does DMA without QEMU, which mode report "
                       "cannot check: use mode=stock");
    m = iommu_start_mapped(
        "sunder-iommu,mode=stock,caching-mode=on",
        "-device pcie-root-port,id=port0,chassis=1,slot=1,addr=6 "
        "-device pcie-pci-bridge,id=bridge0,bus=port0 "
        "-device sunder-dma-tester,id=dma1,bus=bridge0,addr=1,"
        "x-passthrough=on");
    expect_mode_refused(m, "enforce");
    qtest_qmp_device_del_send(m->qts, "dma1");
    qtest_system_reset(m->qts);
    qobject_unref(qtest_qmp_eventwait_ref(m->qts, "DEVICE_DELETED"));
    set_mode(m, "enforce");
    qobject_unref(qtest_qmp_assert_failure_ref(
        m->qts, "{ 'execute': 'device_add', 'arguments': {"
        "  'driver': 'sunder-dma-tester', 'bus': 'bridge0',"
        "  'addr': '1', 'x-passthrough': true } }"));
    iommu_quit(m);
}

/* Modes that check cannot hold with scalable mode. */
static void test_scalable_mode(void)
{
    expect_start_fails("-device sunder-iommu,mode=report,x-scalable-mode=on",
                       "mode=stock");
}

static const struct {
    const char *name;
    void (*run)(gconstpointer iommu);
} devices[] = {
    { "nvme", test_nvme },
    { "e1000e", test_e1000e },
    { "igb", test_igb },
    { "xhci", test_xhci },
    { "ahci", test_ahci },
    { "virtio", test_virtio },
    { "virtio-ring", test_virtio_ring },
    { "memory-goes", test_memory_goes },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommu/device/all-are-there", test_all_are_there);
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *path = g_strdup_printf("/iommu/device/%s",
                                                devices[i].name);
        g_autofree char *bounce = g_strdup_printf("/iommu/device/%s-bounce",
                                                  devices[i].name);

        qtest_add_data_func(path, IOMMU, devices[i].run);
        qtest_add_data_func(bounce, IOMMU ",bounce=on", devices[i].run);
    }
    qtest_add_func("/iommu/device/unplug", test_unplug);
    qtest_add_func("/iommu/device/passthrough", test_passthrough);
    qtest_add_func("/iommu/device/scalable-mode", test_scalable_mode);
    return g_test_run();
}
