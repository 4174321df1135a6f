/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "rac-machine.h"

/* Enhanced configuration window: where, and its register (q35 datasheet). */
#define ECAM            UINT64_C(0xb0000000)
#define PCIEXBAR        0x60
#define PCIEXBAR_ENABLE 1

#define CONFIG_ADDRESS  0xcf8
#define CONFIG_DATA     0xcfc
#define CONFIG_ENABLE   0x80000000u

#define COMMAND_ALL (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static uint64_t config_address(unsigned bdf, unsigned offset)
{
    return ECAM | bdf << 12 | offset;
}

uint8_t config_readb(QTestState *qts, unsigned bdf, unsigned offset)
{
    return qtest_readb(qts, config_address(bdf, offset));
}

uint16_t config_readw(QTestState *qts, unsigned bdf, unsigned offset)
{
    return qtest_readw(qts, config_address(bdf, offset));
}

uint32_t config_readl(QTestState *qts, unsigned bdf, unsigned offset)
{
    return qtest_readl(qts, config_address(bdf, offset));
}

void config_writeb(QTestState *qts, unsigned bdf, unsigned offset,
                   uint8_t value)
{
    qtest_writeb(qts, config_address(bdf, offset), value);
}

void config_writew(QTestState *qts, unsigned bdf, unsigned offset,
                   uint16_t value)
{
    qtest_writew(qts, config_address(bdf, offset), value);
}

void config_writel(QTestState *qts, unsigned bdf, unsigned offset,
                   uint32_t value)
{
    qtest_writel(qts, config_address(bdf, offset), value);
}

unsigned config_find_capability(QTestState *qts, unsigned bdf, uint8_t id)
{
    unsigned at = config_readb(qts, bdf, PCI_CAPABILITY_LIST);

    for (unsigned i = 0; at && i < 48; i++) {
        if (config_readb(qts, bdf, at + PCI_CAP_LIST_ID) == id) {
            return at;
        }
        at = config_readb(qts, bdf, at + PCI_CAP_LIST_NEXT);
    }
    return 0;
}

unsigned config_find_extended(QTestState *qts, unsigned bdf, uint16_t id)
{
    unsigned at = PCI_CFG_SPACE_SIZE;

    for (unsigned i = 0; at && i < 100; i++) {
        uint32_t header = config_readl(qts, bdf, at);

        if (PCI_EXT_CAP_ID(header) == id) {
            return at;
        }
        at = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

void bridge_program(QTestState *qts, unsigned bdf, uint8_t secondary,
                    uint8_t subordinate, uint64_t window, uint64_t size)
{
    uint64_t last = window + size - 1;

    config_writeb(qts, bdf, PCI_PRIMARY_BUS, bdf >> 8);
    config_writeb(qts, bdf, PCI_SECONDARY_BUS, secondary);
    config_writeb(qts, bdf, PCI_SUBORDINATE_BUS, subordinate);
    config_writew(qts, bdf, PCI_MEMORY_BASE, window >> 16);
    config_writew(qts, bdf, PCI_MEMORY_LIMIT, (last >> 16) & 0xfff0);
    /* bases above their limits: no such window */
    config_writew(qts, bdf, PCI_PREF_MEMORY_BASE, 0xfff0);
    config_writew(qts, bdf, PCI_PREF_MEMORY_LIMIT, 0);
    config_writeb(qts, bdf, PCI_IO_BASE, 0xf0);
    config_writeb(qts, bdf, PCI_IO_LIMIT, 0);
    config_writew(qts, bdf, PCI_COMMAND, COMMAND_ALL);
}

void bridge_program_io(QTestState *qts, unsigned bdf, uint16_t base)
{
    config_writeb(qts, bdf, PCI_IO_BASE, base >> 8);
    config_writeb(qts, bdf, PCI_IO_LIMIT, base >> 8);
}

void bridge_reset_bus(QTestState *qts, unsigned bdf)
{
    uint16_t control = config_readw(qts, bdf, PCI_BRIDGE_CONTROL);

    config_writew(qts, bdf, PCI_BRIDGE_CONTROL,
                  control | PCI_BRIDGE_CTL_BUS_RESET);
    config_writew(qts, bdf, PCI_BRIDGE_CONTROL,
                  control & ~PCI_BRIDGE_CTL_BUS_RESET);
}

void bar_program(QTestState *qts, unsigned bdf, unsigned index,
                 uint64_t address)
{
    unsigned offset = PCI_BASE_ADDRESS_0 + index * 4;
    uint32_t type = config_readl(qts, bdf, offset);

    config_writel(qts, bdf, offset, address);
    if (!(type & PCI_BASE_ADDRESS_SPACE_IO) &&
        (type & PCI_BASE_ADDRESS_MEM_TYPE_64)) {
        config_writel(qts, bdf, offset + 4, address >> 32);
    }
    config_writew(qts, bdf, PCI_COMMAND, COMMAND_ALL);
}

void device_program(QTestState *qts)
{
    bar_program(qts, DEVICE, 0, WINDOW);
}

static void enable_error_messages(QTestState *qts, unsigned bdf)
{
    unsigned express = config_find_capability(qts, bdf, PCI_CAP_ID_EXP);

    config_writew(qts, bdf, express + PCI_EXP_DEVCTL,
                  PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
                  PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE);
}

void errors_enable(QTestState *qts)
{
    enable_error_messages(qts, PORT);
    enable_error_messages(qts, DEVICE);
    config_writew(qts, PORT, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_SERR);
}

void config_window_enable(QTestState *qts)
{
    qtest_outl(qts, CONFIG_ADDRESS, CONFIG_ENABLE | PCIEXBAR);
    qtest_outl(qts, CONFIG_DATA, ECAM | PCIEXBAR_ENABLE);
}

void rac_machine_program(QTestState *qts)
{
    config_window_enable(qts);
    bridge_program(qts, PORT, 1, 1, WINDOW, WINDOW_SIZE);
}

char *rac_machine_args(const char *options)
{
    return g_strdup_printf("-machine q35 -m 64 -nodefaults -nic none "
                           "-device sunder-rac-port,id=rac0,addr=4,chassis=1,"
                           "slot=1 %s", options);
}

QTestState *rac_machine_start(const char *options, ...)
{
    g_autofree char *formatted = NULL, *args = NULL;
    QTestState *qts;
    va_list ap;

    va_start(ap, options);
    formatted = g_strdup_vprintf(options, ap);
    va_end(ap);
    args = rac_machine_args(formatted);
    qts = qtest_init(args);
    rac_machine_program(qts);
    return qts;
}

static void qmp_must_succeed(QTestState *qts, const char *command)
{
    QDict *answer;

    qtest_qmp_send_raw(qts, "%s", command);
    answer = qtest_qmp_receive(qts);
    if (!qdict_haskey(answer, "return")) {
        g_error("%s: %s", command,
                qdict_get_str(qdict_get_qdict(answer, "error"), "desc"));
    }
    qobject_unref(answer);
}

char *qmp_error(QTestState *qts, const char *command)
{
    QDict *answer;
    char *reason;

    qtest_qmp_send_raw(qts, "%s", command);
    answer = qtest_qmp_receive(qts);
    g_assert_true(qdict_haskey(answer, "error"));
    reason = g_strdup(qdict_get_str(qdict_get_qdict(answer, "error"),
                                    "desc"));
    qobject_unref(answer);
    return reason;
}

void fault_add(QTestState *qts, const char *point, const char *outcome,
               const char *more)
{
    g_autofree char *command = g_strdup_printf(
        "{ 'execute': 'sunder-fault-add', 'arguments':"
        "  { 'point': '%s', 'outcome': '%s' %s } }", point, outcome,
        more ?: "");

    qmp_must_succeed(qts, command);
}

void fault_remove(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'sunder-fault-remove',"
                             "  'arguments': { 'id': %s } }", id);
}

/* Returns: the list that @command returns, with a reference. */
static QList *query_list(QTestState *qts, const char *command)
{
    QDict *answer = qtest_qmp(qts, "{ 'execute': %s }", command);
    QList *list = qdict_get_qlist(answer, "return");

    g_assert_nonnull(list);
    qobject_ref(list);
    qobject_unref(answer);
    return list;
}

int64_t fault_fired(QTestState *qts, const char *id)
{
    QList *list = query_list(qts, "query-sunder-faults");
    int64_t fired = -1;
    QListEntry *e;

    QLIST_FOREACH_ENTRY(list, e) {
        QDict *status = qobject_to(QDict, qlist_entry_obj(e));
        QDict *rule = qdict_get_qdict(status, "rule");

        if (g_str_equal(qdict_get_str(rule, "id"), id)) {
            fired = qdict_get_int(status, "fired");
        }
    }
    qobject_unref(list);
    g_assert_cmpint(fired, >=, 0);
    return fired;
}

bool fault_point_exists(QTestState *qts, const char *point)
{
    QList *list = query_list(qts, "query-sunder-fault-points");
    bool found = false;
    QListEntry *e;

    QLIST_FOREACH_ENTRY(list, e) {
        QDict *info = qobject_to(QDict, qlist_entry_obj(e));

        found |= g_str_equal(qdict_get_str(info, "name"), point);
    }
    qobject_unref(list);
    return found;
}

void rac_label(QTestState *qts, const char *resource, const char *fake)
{
    g_autofree char *command = g_strdup_printf(
        "{ 'execute': 'sunder-rac-label', 'arguments':"
        "  { 'resource': '%s', 'labelled': true %s%s%s } }", resource,
        fake ? ", 'fake': '" : "", fake ?: "", fake ? "'" : "");

    qmp_must_succeed(qts, command);
}

void rac_clear(QTestState *qts, const char *resource)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'sunder-rac-label',"
                             "  'arguments': { 'resource': %s,"
                             "    'labelled': false } }", resource);
}

void rac_set_fake(QTestState *qts, const char *resource, const char *fake,
                  uint64_t value)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'sunder-rac-label',"
                             "  'arguments': { 'resource': %s, 'fake': %s,"
                             "    'value': %" PRIu64 " } }",
                             resource, fake, value);
}

QDict *rac_info(QTestState *qts, const char *id)
{
    QDict *answer = qtest_qmp(qts, "{ 'execute': 'query-sunder-rac',"
                              "  'arguments': { 'id': %s } }", id);
    QList *list = qdict_get_qlist(answer, "return");
    QDict *info;

    g_assert_nonnull(list);
    g_assert_cmpint(qlist_size(list), ==, 1);
    info = qobject_to(QDict, qlist_peek(list));
    qobject_ref(info);
    qobject_unref(answer);
    return info;
}

static QDict *find_entry(QDict *info, const char *resource)
{
    QList *entries = qdict_get_qlist(info, "entries");
    QListEntry *e;

    QLIST_FOREACH_ENTRY(entries, e) {
        QDict *entry = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(entry, "resource"), resource)) {
            return entry;
        }
    }
    return NULL;
}

QDict *rac_entry(QTestState *qts, const char *resource)
{
    QList *list = query_list(qts, "query-sunder-rac");
    QDict *found = NULL;
    QListEntry *e;

    QLIST_FOREACH_ENTRY(list, e) {
        QDict *info = qobject_to(QDict, qlist_entry_obj(e));

        found = found ?: find_entry(info, resource);
    }
    if (found) {
        qobject_ref(found);
    }
    qobject_unref(list);
    return found;
}

bool rac_is_labelled(QTestState *qts, const char *resource)
{
    QDict *entry = rac_entry(qts, resource);
    bool labelled;

    g_assert_nonnull(entry);
    labelled = qdict_get_bool(entry, "labelled");
    qobject_unref(entry);
    return labelled;
}

int64_t rac_counter(QTestState *qts, const char *resource,
                    const char *counter)
{
    QDict *entry = rac_entry(qts, resource);
    int64_t value;

    g_assert_nonnull(entry);
    value = qdict_get_int(entry, counter);
    qobject_unref(entry);
    return value;
}

bool event_came(QTestState *qts, const char *event)
{
    QDict *found;

    /* the answer comes behind all events sent so far */
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-status' }");
    found = qtest_qmp_event_ref(qts, event);
    if (found) {
        qobject_unref(found);
    }
    return found != NULL;
}

void expect_rac_event(QTestState *qts, const char *event,
                      const char *resource, const char *reason)
{
    bool found = false;

    while (!found) {
        QDict *response = qtest_qmp_eventwait_ref(qts, event);
        QDict *data = qdict_get_qdict(response, "data");

        found = g_str_equal(qdict_get_str(data, "resource"), resource);
        if (found) {
            g_assert_cmpstr(qdict_get_str(data, "reason"), ==, reason);
        }
        qobject_unref(response);
    }
}

QTestState *rac_machine_start_edu(void)
{
    QTestState *qts = rac_machine_start("-device edu,id=nic0,bus=rac0");

    device_program(qts);
    return qts;
}

QTestState *rac_machine_start_igb(const char *port_options)
{
    g_autofree char *args = g_strdup_printf(
        "-machine q35 -m 64 -nodefaults -nic none "
        "-device sunder-rac-port,id=rac0,addr=4,chassis=1,slot=1%s "
        "-device igb,id=nic0,bus=rac0,romfile=", port_options);
    QTestState *qts = qtest_init(args);

    rac_machine_program(qts);
    bridge_program_io(qts, PORT, IO_WINDOW);
    device_program(qts);
    bar_program(qts, DEVICE, 2, IO_WINDOW);
    errors_enable(qts);
    return qts;
}
