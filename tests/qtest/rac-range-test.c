/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-rac-range guards RAM and registers outside PCI: invisible while
 * healthy, with fake responses while labelled.
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "nvme-driver.h"
#include "rac-machine.h"
#include "saved-state.h"
#include "start-fails.h"

#define MACHINE "-machine q35 -m 64 -nodefaults "
/* In RAM: one page, in which nvme-driver.h has its data too. */
#define RAM UINT64_C(0x1300000)
#define RAM_RANGE "-device sunder-rac-range,id=ram0,addr=0x1300000,size=4096"
#define RAM_RESOURCE "ram0/memory"

/* The I/O APIC of q35: index and data registers (ICH9 datasheet, 13.5). */
#define IOAPIC UINT64_C(0xfec00000)
#define IOAPIC_DATA 0x10
#define IOAPIC_VERSION 1
#define IOAPIC_RANGE "-device sunder-rac-range,id=apic0,addr=0xfec00000," \
                     "size=4096"
#define IOAPIC_RESOURCE "apic0/memory"

static QTestState *start_ram(void)
{
    QTestState *qts = qtest_init(MACHINE RAM_RANGE);

    qtest_writeq(qts, RAM, UINT64_C(0x1122334455667788));
    qtest_writeq(qts, RAM + 0xff8, UINT64_C(0x99aabbccddeeff00));
    return qts;
}

/* The flat view of system memory; the views come in any order. */
static char *flat_view(QTestState *qts)
{
    g_autofree char *all = qtest_hmp(qts, "info mtree -f");
    char *start = strstr(all, "Root memory region: system");
    char *end;

    g_assert_nonnull(start);
    end = strstr(start, "\r\n\r\n");
    g_assert_nonnull(end);
    return g_strndup(start, end - start);
}

static void test_healthy_topology_is_the_plain_one(void)
{
    QTestState *plain = qtest_init(MACHINE);
    QTestState *guarded = qtest_init(MACHINE RAM_RANGE " " IOAPIC_RANGE);
    g_autofree char *want = flat_view(plain);
    g_autofree char *healthy = flat_view(guarded);
    g_autofree char *labelled = NULL;
    g_autofree char *cleared = NULL;

    g_assert_nonnull(strstr(want, "pc.ram"));
    g_assert_cmpstr(healthy, ==, want);
    rac_label(guarded, RAM_RESOURCE, NULL);
    labelled = flat_view(guarded);
    g_assert_nonnull(strstr(labelled, RAM_RESOURCE));
    rac_clear(guarded, RAM_RESOURCE);
    qtest_qmp_assert_success(guarded, "{ 'execute': 'query-status' }");
    cleared = flat_view(guarded);
    g_assert_cmpstr(cleared, ==, want);
    qtest_quit(plain);
    qtest_quit(guarded);
}

static void test_labelled_memory_is_faked(void)
{
    QTestState *qts = start_ram();

    rac_label(qts, RAM_RESOURCE, NULL);
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_MAX);
    g_assert_cmphex(qtest_readb(qts, RAM + 0xfff), ==, 0xff);
    qtest_writeq(qts, RAM, 0);
    g_assert_cmpint(rac_counter(qts, RAM_RESOURCE, "faked-reads"), ==, 2);
    g_assert_cmpint(rac_counter(qts, RAM_RESOURCE, "faked-writes"), ==, 1);
    g_assert_cmpint(rac_counter(qts, RAM_RESOURCE, "forwarded-reads"), ==, 0);

    rac_clear(qts, RAM_RESOURCE);
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_C(0x1122334455667788));
    qtest_quit(qts);
}

static void test_memory_around_the_range_is_untouched(void)
{
    QTestState *qts = start_ram();

    qtest_writel(qts, RAM - 4, 0x0badf00d);
    rac_label(qts, RAM_RESOURCE, "zero");
    qtest_writel(qts, RAM + 0x1000, 0x600df00d);
    g_assert_cmphex(qtest_readl(qts, RAM - 4), ==, 0x0badf00d);
    g_assert_cmphex(qtest_readl(qts, RAM + 0x1000), ==, 0x600df00d);
    g_assert_cmphex(qtest_readl(qts, RAM + 0xffc), ==, 0);
    qtest_quit(qts);
}

static void test_rules_change_and_forward(void)
{
    QTestState *qts = start_ram();

    fault_add(qts, RAM_RESOURCE, "xor",
              ", 'id': 'flip', 'value': 1, 'offset': 0, 'length': 8,"
              " 'operation': 'read'");
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_C(0x1122334455667789));
    /* Around the rule's range accesses reach memory, in both directions. */
    g_assert_cmphex(qtest_readl(qts, RAM + 0xff8), ==, 0xddeeff00);
    qtest_writel(qts, RAM + 0x10, 0xcafe);
    g_assert_cmpint(rac_counter(qts, RAM_RESOURCE, "forwarded-writes"), ==, 1);
    fault_remove(qts, "flip");
    g_assert_cmphex(qtest_readl(qts, RAM + 0x10), ==, 0xcafe);
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_C(0x1122334455667788));
    qtest_quit(qts);
}

static void test_dropped_write(void)
{
    QTestState *qts = start_ram();

    fault_add(qts, RAM_RESOURCE, "drop", ", 'count': 1");
    qtest_writeq(qts, RAM, 1);
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_C(0x1122334455667788));
    qtest_writeq(qts, RAM, 2);
    g_assert_cmphex(qtest_readq(qts, RAM), ==, 2);
    qtest_quit(qts);
}

static void test_policy_labels_after_faults(void)
{
    QTestState *qts = qtest_init(MACHINE RAM_RANGE ",label-after=2,fake=zero");

    qtest_writel(qts, RAM, 0x1234);
    fault_add(qts, RAM_RESOURCE, "completion-timeout", NULL);
    g_assert_cmphex(qtest_readl(qts, RAM), ==, UINT32_MAX);
    g_assert_false(rac_is_labelled(qts, RAM_RESOURCE));
    g_assert_cmphex(qtest_readl(qts, RAM), ==, UINT32_MAX);
    expect_rac_event(qts, "SUNDER_RAC_LABELLED", RAM_RESOURCE, "policy");
    g_assert_true(rac_is_labelled(qts, RAM_RESOURCE));
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0);
    qtest_quit(qts);
}

static void test_last_good_value(void)
{
    QTestState *qts = qtest_init(MACHINE RAM_RANGE ",fake=last");

    qtest_writel(qts, RAM, 0x1234);
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0x1234);
    rac_label(qts, RAM_RESOURCE, NULL);
    qtest_writel(qts, RAM, 0x5678);
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0x1234);
    qtest_quit(qts);
}

static void test_machine_reset_clears(void)
{
    QTestState *qts = start_ram();

    rac_label(qts, RAM_RESOURCE, NULL);
    qtest_qmp_assert_success(qts, "{ 'execute': 'system_reset' }");
    expect_rac_event(qts, "SUNDER_RAC_CLEARED", RAM_RESOURCE, "reset");
    g_assert_false(rac_is_labelled(qts, RAM_RESOURCE));
    g_assert_cmphex(qtest_readq(qts, RAM), ==, UINT64_C(0x1122334455667788));
    qtest_quit(qts);
}

/* What QEMU puts into memory at a reset gets there past the overlay. */
static void test_memory_is_loaded_below_the_overlay(void)
{
    QTestState *qts = qtest_init(MACHINE RAM_RANGE ",fake=last "
                                 "-device loader,addr=0x1300000,"
                                 "data=0x11223344,data-len=4");

    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0x11223344);
    qtest_writel(qts, RAM, 0);
    rac_label(qts, RAM_RESOURCE, NULL);
    qtest_qmp_assert_success(qts, "{ 'execute': 'system_reset' }");
    expect_rac_event(qts, "SUNDER_RAC_CLEARED", RAM_RESOURCE, "reset");
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0x11223344);
    g_assert_cmpint(rac_counter(qts, RAM_RESOURCE, "forwarded-reads"), >=, 2);
    qtest_quit(qts);
}

static uint32_t ioapic_version(QTestState *qts)
{
    qtest_writel(qts, IOAPIC, IOAPIC_VERSION);
    return qtest_readl(qts, IOAPIC + IOAPIC_DATA);
}

static void test_registers_outside_pci(void)
{
    QTestState *qts = qtest_init(MACHINE IOAPIC_RANGE);
    uint32_t version = ioapic_version(qts);

    /* 24 redirection entries. */
    g_assert_cmphex(version >> 16 & 0xff, ==, 23);
    fault_add(qts, IOAPIC_RESOURCE, "equal",
              ", 'id': 'far', 'value': 0, 'offset': 4092, 'length': 4");
    g_assert_cmphex(ioapic_version(qts), ==, version);
    g_assert_cmpint(rac_counter(qts, IOAPIC_RESOURCE, "forwarded-reads"), ==,
                    1);
    rac_label(qts, IOAPIC_RESOURCE, NULL);
    g_assert_cmphex(ioapic_version(qts), ==, UINT32_MAX);
    rac_clear(qts, IOAPIC_RESOURCE);
    fault_remove(qts, "far");
    g_assert_cmphex(ioapic_version(qts), ==, version);
    qtest_quit(qts);
}

/* A device that reads guarded memory gets the fake response too. */
static void test_device_reads_are_faked(void)
{
    g_autofree char *image = NULL;
    int fd = g_file_open_tmp("rac-range-XXXXXX", &image, NULL);
    QTestState *qts;
    QNvme nvme;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    close(fd);
    qts = qtest_initf(MACHINE RAM_RANGE
                      " -drive if=none,id=d0,format=raw,file=%s "
                      "-device nvme,serial=s,drive=d0,addr=4", image);
    qnvme_start(&nvme, qts, QPCI_DEVFN(4, 0));
    qnvme_create_queue(&nvme, 1, 8);
    g_assert_cmphex(QNVME_DATA, ==, RAM);
    rac_label(qts, RAM_RESOURCE, "constant");
    rac_set_fake(qts, RAM_RESOURCE, "constant", UINT64_C(0x4242424242424242));
    qnvme_write(&nvme, 1, 0, 0x11);
    rac_clear(qts, RAM_RESOURCE);
    g_assert_cmphex(qnvme_read(&nvme, 1, 0), ==, 0x42);
    qnvme_leave(&nvme);
    qtest_quit(qts);
    unlink(image);
}

static char *state_path(void)
{
    char *path = NULL;
    int fd = g_file_open_tmp("rac-range-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

static void test_label_and_rules_migrate(void)
{
    g_autofree char *path = state_path();
    QTestState *qts = qtest_init(MACHINE RAM_RANGE " " IOAPIC_RANGE);
    uint32_t version = ioapic_version(qts);

    qtest_writel(qts, RAM, 0x1234);
    rac_label(qts, RAM_RESOURCE, "zero");
    fault_add(qts, IOAPIC_RESOURCE, "xor", ", 'id': 'flip', 'value': 1,"
              " 'operation': 'read', 'offset': 16, 'length': 4");
    saved_state_save(qts, path);
    qtest_quit(qts);

    /* The order on the command line does not matter. */
    qts = saved_state_load(MACHINE IOAPIC_RANGE " " RAM_RANGE, path);
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0);
    g_assert_cmphex(ioapic_version(qts), ==, version ^ 1);
    rac_clear(qts, RAM_RESOURCE);
    g_assert_cmphex(qtest_readl(qts, RAM), ==, 0x1234);
    qtest_quit(qts);
    unlink(path);
}

static void test_other_range_is_refused(void)
{
    g_autofree char *path = state_path();
    g_autofree char *said = NULL;
    QTestState *qts = qtest_init(MACHINE RAM_RANGE);

    saved_state_save(qts, path);
    qtest_quit(qts);
    said = saved_state_load_fails(MACHINE "-device sunder-rac-range,id=ram0,"
                                  "addr=0x1300000,size=8192", path);
    g_assert_nonnull(strstr(said, "start the range with the size"));
    unlink(path);
}

#define RANGE "-device sunder-rac-range,"

static void test_wrong_ranges_are_refused(void)
{
    expect_start_fails(RANGE "addr=0,size=4096",
                       "sunder-rac-range needs an id");
    expect_start_fails(RANGE "id=r,addr=0",
                       "r: addr=0x0,size=0x0: size must be at least 1");
    expect_start_fails(RANGE "id=r,addr=0xfffffffffffff000,size=8192",
                       "the range end within 64 bits");
    expect_start_fails(RANGE "id=r,addr=0xd0000000,size=4096",
                       "r: nothing lies at 0xd0000000 to 0xd0000fff");
    expect_start_fails(RANGE "id=r,addr=0x3fff000,size=8192",
                       "r: 0x3fff000 to 0x4000fff is not one region: pc.ram "
                       "has 0x3fff000 to 0x3ffffff of it");
    expect_start_fails(RAM_RANGE " " RANGE "id=r,addr=0x1300fff,size=4096",
                       "has addresses in common with it");
    expect_start_fails(RAM_RANGE ",label-after=99999",
                       "label-after=99999: must be at most 1024");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/rac-range/healthy-topology-is-the-plain-one",
                   test_healthy_topology_is_the_plain_one);
    qtest_add_func("/rac-range/labelled-memory-is-faked",
                   test_labelled_memory_is_faked);
    qtest_add_func("/rac-range/memory-around-the-range-is-untouched",
                   test_memory_around_the_range_is_untouched);
    qtest_add_func("/rac-range/rules-change-and-forward",
                   test_rules_change_and_forward);
    qtest_add_func("/rac-range/dropped-write", test_dropped_write);
    qtest_add_func("/rac-range/policy-labels-after-faults",
                   test_policy_labels_after_faults);
    qtest_add_func("/rac-range/last-good-value", test_last_good_value);
    qtest_add_func("/rac-range/machine-reset-clears",
                   test_machine_reset_clears);
    qtest_add_func("/rac-range/memory-is-loaded-below-the-overlay",
                   test_memory_is_loaded_below_the_overlay);
    qtest_add_func("/rac-range/registers-outside-pci",
                   test_registers_outside_pci);
    qtest_add_func("/rac-range/device-reads-are-faked",
                   test_device_reads_are_faked);
    qtest_add_func("/rac-range/label-and-rules-migrate",
                   test_label_and_rules_migrate);
    qtest_add_func("/rac-range/other-range-is-refused",
                   test_other_range_is_refused);
    qtest_add_func("/rac-range/wrong-ranges-are-refused",
                   test_wrong_ranges_are_refused);
    return g_test_run();
}
