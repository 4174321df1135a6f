/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port goes on in another QEMU with its labels, rules, link and registers;
 * a state that is not its own is refused.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"
#include "saved-state.h"

#define BAR0            "rac0/nic0/bar0"
#define CONFIG          "rac0/nic0/config"
#define IGB             "-device igb,id=nic0,bus=rac0,romfile= "
#define IGB_VENDOR      0x10c98086u
#define MILLISECOND     INT64_C(1000000)

typedef struct Machine {
    QTestState *qts;
    char *args;
    char *dir;
    char *state;                /* path of the saved state */
} Machine;

static void machine_start(Machine *m, const char *options)
{
    m->args = rac_machine_args(options);
    m->dir = g_dir_make_tmp("rac-migrate-XXXXXX", NULL);
    g_assert_nonnull(m->dir);
    m->state = g_build_filename(m->dir, "state", NULL);
    m->qts = qtest_init(m->args);
    rac_machine_program(m->qts);
    device_program(m->qts);
}

static void machine_save(Machine *m)
{
    saved_state_save(m->qts, m->state);
    qtest_quit(m->qts);
}

/* Goes on in another QEMU. */
static void machine_move(Machine *m)
{
    machine_save(m);
    m->qts = saved_state_load(m->args, m->state);
}

static void machine_clean(Machine *m)
{
    unlink(m->state);
    rmdir(m->dir);
    g_free(m->state);
    g_free(m->dir);
    g_free(m->args);
}

static void machine_end(Machine *m)
{
    qtest_quit(m->qts);
    machine_clean(m);
}

static void test_a_healthy_device_goes_on(void)
{
    Machine m;
    uint32_t status;

    machine_start(&m, IGB);
    status = qtest_readl(m.qts, IGB_STATUS);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), ==, status);
    g_assert_false(rac_is_labelled(m.qts, BAR0));
    machine_end(&m);
}

static void test_a_label_goes_on(void)
{
    Machine m;

    machine_start(&m, IGB);
    rac_label(m.qts, BAR0, NULL);
    rac_label(m.qts, CONFIG, NULL);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), ==, 0xffffffff);
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, 0xffffffff);
    rac_clear(m.qts, CONFIG);
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, IGB_VENDOR);
    machine_end(&m);
}

static void test_the_way_to_fake_goes_on(void)
{
    Machine m;

    machine_start(&m, IGB);
    rac_set_fake(m.qts, BAR0, "constant", 0x12345678);
    rac_label(m.qts, BAR0, NULL);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), ==, 0x12345678);
    machine_end(&m);
}

static void test_faults_before_count_after(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, BAR0, "unsupported-request", ", 'count': 3");
    qtest_readl(m.qts, IGB_STATUS);
    qtest_readl(m.qts, IGB_STATUS);
    machine_move(&m);
    g_assert_cmpint(rac_counter(m.qts, BAR0, "faults"), ==, 2);
    qtest_readl(m.qts, IGB_STATUS);

    g_assert_true(rac_is_labelled(m.qts, BAR0));
    machine_end(&m);
}

static void test_a_rule_goes_on_where_it_was(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, BAR0, "equal",
              ", 'value': 42, 'id': 'f', 'after': 2, 'count': 1");
    qtest_readl(m.qts, IGB_STATUS);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), !=, 42);
    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), ==, 42);
    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), !=, 42);
    machine_end(&m);
}

static void test_rules_on_memory_accesses_and_messages_go_on(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, "rac0/nic0/dma", "blocked", ", 'id': 'd'");
    fault_add(m.qts, "rac0/nic0/msi", "lost", ", 'id': 'm'");
    machine_move(&m);

    g_assert_cmpint(fault_fired(m.qts, "d"), ==, 0);
    fault_remove(m.qts, "d");
    fault_remove(m.qts, "m");
    machine_end(&m);
}

static void test_a_removed_card_stays_away(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, "rac0/link", "link-down", ", 'id': 'f'");
    machine_move(&m);

    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(m.qts, WINDOW), ==, 0xffffffff);
    fault_remove(m.qts, "f");
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, IGB_VENDOR);
    machine_end(&m);
}

/* Its BARs are gone with the reset, but the port knows where they were. */
static void test_a_removed_card_is_faked_as_before(void)
{
    Machine m;

    machine_start(&m, IGB);
    rac_set_fake(m.qts, BAR0, "constant", 0x12345678);
    fault_add(m.qts, "rac0/link", "link-down", NULL);
    g_assert_cmphex(qtest_readl(m.qts, WINDOW), ==, 0x12345678);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, WINDOW), ==, 0x12345678);
    machine_end(&m);
}

static void test_a_link_comes_up_at_its_time(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, "rac0/link", "link-flap", ", 'duration': 50000000");
    qtest_clock_step(m.qts, 20 * MILLISECOND);
    machine_move(&m);
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, 0xffffffff);
    qtest_clock_step(m.qts, 60 * MILLISECOND);

    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, IGB_VENDOR);
    machine_end(&m);
}

static void test_an_action_happens_at_its_time(void)
{
    Machine m;

    machine_start(&m, IGB);
    fault_add(m.qts, "rac0/link", "link-down", ", 'at': 100000000");
    machine_move(&m);
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, IGB_VENDOR);
    qtest_clock_step(m.qts, 110 * MILLISECOND);

    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, 0xffffffff);
    machine_end(&m);
}

static void test_containment_goes_on_until_released(void)
{
    Machine m;
    unsigned dpc;

    machine_start(&m, IGB);
    dpc = config_find_extended(m.qts, PORT, PCI_EXT_CAP_ID_DPC);
    /* trigger enabled for fatal errors, and the software trigger */
    config_writew(m.qts, PORT, dpc + PCI_EXP_DPC_CTL, 0x41);
    machine_move(&m);

    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, 0xffffffff);
    config_writew(m.qts, PORT, dpc + PCI_EXP_DPC_STATUS, 1);
    g_assert_cmphex(config_readl(m.qts, DEVICE, 0), ==, IGB_VENDOR);
    machine_end(&m);
}

static void test_records_go_on(void)
{
    Machine m;
    unsigned aer;

    machine_start(&m, IGB);
    aer = config_find_extended(m.qts, DEVICE, PCI_EXT_CAP_ID_ERR);
    errors_enable(m.qts);
    fault_add(m.qts, BAR0, "unsupported-request", NULL);
    qtest_readl(m.qts, IGB_STATUS);
    machine_move(&m);

    g_assert_cmphex(config_readl(m.qts, DEVICE, aer + PCI_ERR_UNCOR_STATUS),
                    ==, PCI_ERR_UNC_UNSUP);
    machine_end(&m);
}

static void test_labels_of_virtual_functions_go_on(void)
{
    Machine m;
    unsigned sriov;

    machine_start(&m, IGB);
    sriov = config_find_extended(m.qts, DEVICE, PCI_EXT_CAP_ID_SRIOV);
    config_writew(m.qts, DEVICE, sriov + PCI_SRIOV_NUM_VF, 2);
    config_writew(m.qts, DEVICE, sriov + PCI_SRIOV_CTRL,
                  PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    rac_label(m.qts, "rac0/nic0/vf0/bar0", NULL);
    machine_move(&m);

    g_assert_true(fault_point_exists(m.qts, "rac0/nic0/vf1/bar0"));
    g_assert_true(rac_is_labelled(m.qts, "rac0/nic0/vf0/bar0"));
    g_assert_false(rac_is_labelled(m.qts, "rac0/nic0/vf1/bar0"));
    machine_end(&m);
}

static void test_a_write_that_is_held_back_reaches_memory_first(void)
{
    const uint64_t buffer = 0x40000, source = 0x100000, target = 0x200000;
    Machine m;

    machine_start(&m, "-device edu,id=nic0,bus=rac0 ");
    qtest_writeq(m.qts, source, 42);
    /* edu copies eight bytes to its buffer, and from there to memory */
    qtest_writeq(m.qts, WINDOW + 0x80, source);
    qtest_writeq(m.qts, WINDOW + 0x88, buffer);
    qtest_writeq(m.qts, WINDOW + 0x90, 8);
    qtest_writeq(m.qts, WINDOW + 0x98, 1);
    qtest_clock_step(m.qts, 200 * MILLISECOND);
    fault_add(m.qts, "rac0/nic0/dma", "delay",
              ", 'operation': 'write', 'duration': 3600000000000");
    qtest_writeq(m.qts, WINDOW + 0x80, buffer);
    qtest_writeq(m.qts, WINDOW + 0x88, target);
    qtest_writeq(m.qts, WINDOW + 0x98, 3);
    qtest_clock_step(m.qts, 200 * MILLISECOND);
    g_assert_cmphex(qtest_readq(m.qts, target), ==, 0);
    machine_move(&m);

    g_assert_cmphex(qtest_readq(m.qts, target), ==, 42);
    machine_end(&m);
}

static void test_a_machine_goes_on_twice(void)
{
    Machine m;

    machine_start(&m, IGB);
    rac_label(m.qts, BAR0, "zero");
    machine_move(&m);
    machine_move(&m);

    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), ==, 0);
    rac_clear(m.qts, BAR0);
    g_assert_cmphex(qtest_readl(m.qts, IGB_STATUS), !=, 0);
    machine_end(&m);
}

/* Changes the byte at @offset from the first @magic in the saved state. */
static void damage_state(Machine *m, const char *magic, int offset)
{
    g_autofree char *data = NULL;
    char *found;
    gsize size;

    g_assert_true(g_file_get_contents(m->state, &data, &size, NULL));
    found = memmem(data, size, magic, strlen(magic));
    g_assert_nonnull(found);
    found[offset] ^= 0x80;
    g_assert_true(g_file_set_contents(m->state, data, size, NULL));
}

static void test_a_damaged_table_is_refused_with_a_reason(void)
{
    g_autofree char *said = NULL;
    Machine m;

    machine_start(&m, IGB);
    machine_save(&m);
    /* the number of entries */
    damage_state(&m, "SRAC", 8);
    said = saved_state_load_fails(m.args, m.state);

    g_assert_nonnull(strstr(said, "rac0"));
    g_assert_nonnull(strstr(said, "resource access controller"));
    machine_clean(&m);
}

static void test_a_table_of_two_gigabytes_is_refused_with_a_reason(void)
{
    g_autofree char *said = NULL;
    Machine m;

    machine_start(&m, IGB);
    machine_save(&m);
    /* the most significant byte of its size */
    damage_state(&m, "SRAC", -4);
    said = saved_state_load_fails(m.args, m.state);

    g_assert_nonnull(strstr(said, "table_state.size is at most 64 MiB"));
    machine_clean(&m);
}

static void test_a_port_without_containment_is_another_port(void)
{
    g_autofree char *said = NULL, *other = NULL;
    Machine m;

    machine_start(&m, IGB);
    machine_save(&m);
    other = g_strdup_printf("%s -global sunder-rac-port.dpc=off", m.args);
    said = saved_state_load_fails(other, m.state);

    g_assert_cmpstr(said, !=, "");
    machine_clean(&m);
}

#define TEST(name, function) \
    qtest_add_func("/rac/migrate/" name, test_ ## function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("healthy", a_healthy_device_goes_on);
    TEST("label", a_label_goes_on);
    TEST("fake", the_way_to_fake_goes_on);
    TEST("faults", faults_before_count_after);
    TEST("rule", a_rule_goes_on_where_it_was);
    TEST("rule/traffic",
         rules_on_memory_accesses_and_messages_go_on);
    TEST("link/down", a_removed_card_stays_away);
    TEST("link/fake", a_removed_card_is_faked_as_before);
    TEST("link/duration", a_link_comes_up_at_its_time);
    TEST("link/at", an_action_happens_at_its_time);
    TEST("containment", containment_goes_on_until_released);
    TEST("records", records_go_on);
    TEST("virtual-functions", labels_of_virtual_functions_go_on);
    TEST("delayed-write",
         a_write_that_is_held_back_reaches_memory_first);
    TEST("twice", a_machine_goes_on_twice);
    TEST("damaged", a_damaged_table_is_refused_with_a_reason);
    TEST("damaged/size",
         a_table_of_two_gigabytes_is_refused_with_a_reason);
    TEST("no-containment",
         a_port_without_containment_is_another_port);
    return g_test_run();
}
