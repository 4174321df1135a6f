/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An operator who adds and removes faults, labels, plugs and unplugs, resets
 * and stops the machine in any order, while the guest goes on: nothing may
 * crash, and after a reset the devices that are left work.
 *
 * SUNDER_SEED in the environment picks another run, SUNDER_STEPS another
 * length.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

#define DEFAULT_SEED        "1"
#define DEFAULT_STEPS       "1500"
#define MILLISECOND         INT64_C(1000000)

/* Routing IDs behind the second port: switch, its port, a device. */
#define SWITCH_UP           BDF(2, 0, 0)
#define SWITCH_DOWN         BDF(3, 0, 0)
#define SWITCH_DEVICE       BDF(4, 0, 0)
#define EDU_FUNCTION        BDF(1, 0, 1)
#define EDU_BAR             (WINDOW + 0x800000)

typedef struct Chaos {
    QTestState *qts;
    GRand *rand;
} Chaos;

static uint32_t below(Chaos *c, uint32_t limit)
{
    return g_rand_int(c->rand) % limit;
}

/* Returns: the answer, which may be a refusal. */
static QDict *try(Chaos *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
static QDict *try(Chaos *c, const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list ap;

    va_start(ap, format);
    command = g_strdup_vprintf(format, ap);
    va_end(ap);
    qtest_qmp_send_raw(c->qts, "%s", command);
    return qtest_qmp_receive(c->qts);
}

static void forget(QDict *answer)
{
    qobject_unref(answer);
}

/* Returns: an element of @list, or NULL when it is empty. */
static QDict *pick(Chaos *c, QList *list)
{
    unsigned left = qlist_empty(list) ? 0 : below(c, qlist_size(list));
    QListEntry *e;

    QLIST_FOREACH_ENTRY(list, e) {
        if (left-- == 0) {
            return qobject_to(QDict, qlist_entry_obj(e));
        }
    }
    return NULL;
}

static void program(Chaos *c)
{
    rac_machine_program(c->qts);
    bridge_program_io(c->qts, PORT, IO_WINDOW);
    device_program(c->qts);
    bar_program(c->qts, EDU_FUNCTION, 0, EDU_BAR);
    bridge_program(c->qts, PORT_2, 2, 4, WINDOW_2, 0x300000);
    bridge_program(c->qts, SWITCH_UP, 3, 4, WINDOW_2, 0x200000);
    bridge_program(c->qts, SWITCH_DOWN, 4, 4, WINDOW_2, 0x100000);
    bar_program(c->qts, SWITCH_DEVICE, 0, WINDOW_2);
    errors_enable(c->qts);
}

static void add_rule(Chaos *c)
{
    static const uint64_t values[] = { 0, 1, 18, 255, UINT64_MAX };
    QDict *points = try(c, "{ 'execute': 'query-sunder-fault-points' }");
    QDict *point = pick(c, qdict_get_qlist(points, "return"));
    QDict *outcome = pick(c, qdict_get_qlist(point, "outcomes"));
    GString *more = g_string_new(NULL);

    if (qdict_get_bool(outcome, "takes-value")) {
        g_string_append_printf(more, ", 'value': %" PRIu64, values[
            below(c, G_N_ELEMENTS(values))]);
    }
    if (qdict_get_bool(outcome, "takes-duration")) {
        g_string_append_printf(more, ", 'duration': %u",
                               1 + below(c, 500000000));
    }
    if (!g_str_equal(qdict_get_str(outcome, "kind"), "action")) {
        g_string_append_printf(more, ", 'count': %u", 1 + below(c, 8));
    }
    forget(try(c, "{ 'execute': 'sunder-fault-add', 'arguments':"
               "  { 'point': '%s', 'outcome': '%s'%s } }",
               qdict_get_str(point, "name"), qdict_get_str(outcome, "name"),
               more->str));
    g_string_free(more, TRUE);
    forget(points);
}

static void remove_rule(Chaos *c)
{
    QDict *rules = try(c, "{ 'execute': 'query-sunder-faults' }");
    QDict *status = pick(c, qdict_get_qlist(rules, "return"));

    if (status) {
        QDict *rule = qdict_get_qdict(status, "rule");

        fault_remove(c->qts, qdict_get_str(rule, "id"));
    }
    forget(rules);
}

static void label(Chaos *c)
{
    static const char *const fakes[] = { "ones", "zero", "constant", "last" };
    QDict *answer = try(c, "{ 'execute': 'query-sunder-rac' }");
    QDict *info = pick(c, qdict_get_qlist(answer, "return"));
    QDict *entry = pick(c, qdict_get_qlist(info, "entries"));

    forget(try(c, "{ 'execute': 'sunder-rac-label', 'arguments':"
               "  { 'resource': '%s', 'labelled': %s, 'fake': '%s' } }",
               qdict_get_str(entry ?: info, entry ? "resource" : "id"),
               below(c, 2) ? "true" : "false",
               fakes[below(c, G_N_ELEMENTS(fakes))]));
    forget(answer);
}

static void unplug(Chaos *c)
{
    forget(try(c, "{ 'execute': 'device_del', 'arguments':"
               "  { 'id': 'nic%u' } }", below(c, 3)));
}

static void plug(Chaos *c)
{
    forget(try(c, "{ 'execute': 'device_add', 'arguments':"
               "  { 'driver': 'edu', 'id': 'nic%u', 'bus': 'rac0',"
               "    'addr': '0.%u', 'multifunction': true } }",
               below(c, 2), below(c, 3)));
}

/* As a hot-plug driver does, or does not. */
static void switch_power(Chaos *c)
{
    unsigned express = config_find_capability(c->qts, PORT, PCI_CAP_ID_EXP);

    config_writew(c->qts, PORT, express + PCI_EXP_SLTCTL, below(c, 2)
                  ? PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF
                  : PCI_EXP_SLTCTL_PWR_IND_ON);
}

static void switch_virtual_functions(Chaos *c)
{
    unsigned sriov = config_find_extended(c->qts, DEVICE,
                                          PCI_EXT_CAP_ID_SRIOV);

    if (sriov) {
        config_writew(c->qts, DEVICE, sriov + PCI_SRIOV_NUM_VF, below(c, 8));
        config_writew(c->qts, DEVICE, sriov + PCI_SRIOV_CTRL, below(c, 2)
                      ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE : 0);
    }
}

static void contain_or_release(Chaos *c)
{
    unsigned dpc = config_find_extended(c->qts, PORT, PCI_EXT_CAP_ID_DPC);

    /* trigger enables, software trigger; then the status that is cleared */
    config_writew(c->qts, PORT, dpc + PCI_EXP_DPC_CTL,
                  1 + below(c, 2) + 0x40 * below(c, 2));
    config_writew(c->qts, PORT, dpc + PCI_EXP_DPC_STATUS, below(c, 2));
}

static void reset_bus(Chaos *c)
{
    bridge_reset_bus(c->qts, below(c, 2) ? PORT : PORT_2);
}

static void reset_machine(Chaos *c)
{
    qtest_system_reset(c->qts);
}

static void stop_and_go_on(Chaos *c)
{
    forget(try(c, "{ 'execute': 'stop' }"));
    forget(try(c, "{ 'execute': 'cont' }"));
}

static void let_time_pass(Chaos *c)
{
    static const unsigned milliseconds[] = { 1, 10, 100, 6000 };

    qtest_clock_step(c->qts, MILLISECOND * milliseconds[
        below(c, G_N_ELEMENTS(milliseconds))]);
}

/* edu copies some memory to itself or back, and interrupts. */
static void use_edu(Chaos *c)
{
    uint64_t bar = below(c, 2) ? EDU_BAR : WINDOW_2;

    qtest_writeq(c->qts, bar + 0x80, below(c, 2) ? 0x40000 : 0x1000);
    qtest_writeq(c->qts, bar + 0x88, below(c, 2) ? 0x40000 : 0x2000);
    qtest_writeq(c->qts, bar + 0x90, below(c, 256));
    qtest_writeq(c->qts, bar + 0x98, 1 + below(c, 8));
    qtest_writel(c->qts, bar + 0x60 + 4 * below(c, 2), 1);
}

static void read_around(Chaos *c)
{
    for (unsigned i = 0; i < 10; i++) {
        qtest_readl(c->qts, WINDOW + 0x100000 * below(c, 16));
        config_readl(c->qts, DEVICE + below(c, 2), 4 * below(c, 64));
        config_readl(c->qts, SWITCH_DEVICE, 4 * below(c, 64));
    }
}

typedef void Step(Chaos *c);

/* Those that stand here twice happen twice as often. */
static Step *const steps[] = {
    add_rule, add_rule, add_rule, add_rule, remove_rule, remove_rule,
    remove_rule, label, label, unplug, plug, plug, switch_power,
    switch_virtual_functions, contain_or_release, reset_bus, reset_machine,
    stop_and_go_on, let_time_pass, let_time_pass, use_edu, use_edu,
    read_around, read_around, program, program, program,
};

static uint64_t number_from_environment(const char *name,
                                        const char *otherwise)
{
    const char *text = g_getenv(name);

    return g_ascii_strtoull(text ?: otherwise, NULL, 0);
}

static void assert_sane_after_reset(Chaos *c)
{
    QDict *rules = try(c, "{ 'execute': 'query-sunder-faults' }");

    for (size_t n = qlist_size(qdict_get_qlist(rules, "return")); n; n--) {
        remove_rule(c);
    }
    forget(rules);
    qtest_system_reset(c->qts);
    program(c);

    /* nic2 has no slot that a step powers off */
    g_assert_cmphex(qtest_readl(c->qts, WINDOW_2), ==, EDU_ID);
}

static void test_chaos(void)
{
    uint64_t seed = number_from_environment("SUNDER_SEED", DEFAULT_SEED);
    uint64_t n = number_from_environment("SUNDER_STEPS", DEFAULT_STEPS);
    Chaos c = {
        .qts = rac_machine_start(
            "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
            "-device igb,id=nic0,bus=rac0,addr=0.0,multifunction=on,romfile= "
            "-device edu,id=nic1,bus=rac0,addr=0.1 "
            "-device sunder-rac-port,id=rac1,addr=5,chassis=1,slot=2 "
            "-device x3130-upstream,id=up,bus=rac1 "
            "-device xio3130-downstream,id=down,bus=up,chassis=2,slot=3,"
            "hotplug=off -device edu,id=nic2,bus=down"),
        .rand = g_rand_new_with_seed(seed),
    };

    g_test_message("SUNDER_SEED=%" PRIu64 " SUNDER_STEPS=%" PRIu64, seed, n);
    program(&c);
    for (uint64_t i = 0; i < n; i++) {
        steps[below(&c, G_N_ELEMENTS(steps))](&c);
    }
    assert_sane_after_reset(&c);
    g_rand_free(c.rand);
    qtest_quit(c.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/rac/chaos", test_chaos);
    return g_test_run();
}
