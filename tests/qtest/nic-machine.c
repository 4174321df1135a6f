/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-machine.h"
#include "libqos/pci-pc.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qobject/qjson.h"
#include <arpa/inet.h>
#include <poll.h>

#define WAIT_MS 60000

#define MACHINE "-machine q35 -m 256 -nodefaults -vga none "

/* --- wires ------------------------------------------------------------- */

/* Inherited by the emulator: QEMU's own sockets are not. */
static int loopback_socket(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int bytes = 4 * MiB;
    socklen_t length = sizeof(*address);

    g_assert_cmpint(fd, >=, 0);
    *address = (struct sockaddr_in) {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    g_assert_cmpint(bind(fd, (struct sockaddr *)address, length), ==, 0);
    getsockname(fd, (struct sockaddr *)address, &length);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    return fd;
}

static void make_wire(NicMachine *m, unsigned wire)
{
    struct sockaddr_in ours, theirs;

    m->wires[wire] = loopback_socket(&ours);
    m->emulator[wire] = loopback_socket(&theirs);
    g_assert_cmpint(connect(m->wires[wire], (struct sockaddr *)&theirs,
                            sizeof(theirs)), ==, 0);
    g_assert_cmpint(connect(m->emulator[wire], (struct sockaddr *)&ours,
                            sizeof(ours)), ==, 0);
}

void wire_send(NicMachine *m, unsigned wire, const void *frame,
               size_t length)
{
    ssize_t sent = send(m->wires[wire], frame, length, 0);

    g_assert_cmpint(sent, ==, length);
}

size_t wire_poll(NicMachine *m, unsigned wire, void *frame, size_t size)
{
    ssize_t length = recv(m->wires[wire], frame, size, MSG_DONTWAIT);

    return length < 0 ? 0 : length;
}

size_t wire_receive(NicMachine *m, unsigned wire, void *frame, size_t size)
{
    struct pollfd p = { .fd = m->wires[wire], .events = POLLIN };

    return poll(&p, 1, WAIT_MS) == 1 ? wire_poll(m, wire, frame, size) : 0;
}

/* --- machine ----------------------------------------------------------- */

NicMachine *nic_machine_new(unsigned wires)
{
    NicMachine *m = g_new0(NicMachine, 1);

    m->slot = NIC_SLOT;
    m->n_wires = wires;
    for (unsigned i = 0; i < wires; i++) {
        make_wire(m, i);
    }
    return m;
}

char *nic_machine_args(const NicMachine *m, const char *properties,
                       const char *options)
{
    GString *args = g_string_new(MACHINE);

    for (unsigned i = 0; i < m->n_wires; i++) {
        g_string_append_printf(args, "-object sunder-nic-dgram,id=w%u,fd=%d ",
                               i, m->emulator[i]);
    }
    g_string_append(args, "-device sunder-nic,id=nic0,addr=4");
    for (unsigned i = 0; i < m->n_wires; i++) {
        g_string_append_printf(args, "%sw%u", i ? ":" : ",ports=", i);
    }
    g_string_append_printf(args, "%s %s", properties, options);
    return g_string_free(args, false);
}

void nic_machine_adopt(NicMachine *m, QTestState *qts)
{
    m->qts = qts;
    m->bus = qpci_new_pc(qts, NULL);
}

NicMachine *nic_machine_start(unsigned wires, const char *properties,
                              const char *options)
{
    NicMachine *m = nic_machine_new(wires);
    g_autofree char *args = nic_machine_args(m, properties, options);

    nic_machine_adopt(m, qtest_init(args));
    return m;
}

void nic_machine_end(NicMachine *m)
{
    if (m->qts) {
        qpci_free_pc(m->bus);
        qtest_quit(m->qts);
    }
    for (unsigned i = 0; i < m->n_wires; i++) {
        close(m->wires[i]);
        close(m->emulator[i]);
    }
    g_free(m);
}

/* --- frames ------------------------------------------------------------ */

static void put_address(uint8_t *bytes, uint64_t address)
{
    for (unsigned i = 0; i < 6; i++) {
        bytes[i] = address >> 8 * (5 - i);
    }
}

void frame_make(uint8_t *frame, uint64_t destination, uint64_t source,
                uint16_t type, uint32_t number)
{
    memset(frame, 0, FRAME_BYTES);
    put_address(frame, destination);
    put_address(frame + 6, source);
    stw_be_p(frame + 12, type);
    stl_be_p(frame + 14, number);
    stl_be_p(frame + 18, ~number);
}

int64_t frame_number(const uint8_t *frame, size_t length)
{
    return length == FRAME_BYTES &&
           ldl_be_p(frame + 14) == ~(uint32_t)ldl_be_p(frame + 18)
           ? (uint32_t)ldl_be_p(frame + 14) : -1;
}

void wire_send_number(NicMachine *m, unsigned wire, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];

    frame_make(frame, UINT64_C(0xffffffffffff), UINT64_C(0x020000000000) +
               wire, FRAME_TYPE, number);
    wire_send(m, wire, frame, sizeof(frame));
}

int64_t wire_receive_number(NicMachine *m, unsigned wire)
{
    uint8_t frame[NIC_BUFFER];

    return frame_number(frame, wire_receive(m, wire, frame, sizeof(frame)));
}

/* --- QMP --------------------------------------------------------------- */

QDict *nic_info(NicMachine *m)
{
    QDict *answer = qtest_qmp(m->qts, "{ 'execute': 'query-sunder-nic' }");
    QList *cards = qdict_get_qlist(answer, "return");
    QDict *card;

    g_assert_nonnull(cards);
    card = qobject_to(QDict, qlist_peek(cards));
    g_assert_nonnull(card);
    qobject_ref(card);
    qobject_unref(answer);
    return card;
}

int64_t nic_number(NicMachine *m, const char *what, unsigned index,
                   const char *member)
{
    QDict *card = nic_info(m);
    const QListEntry *e = qlist_first(qdict_get_qlist(card, what));
    int64_t number;

    while (index--) {
        e = qlist_next(e);
    }
    number = qdict_get_int(qobject_to(QDict, qlist_entry_obj(e)), member);
    qobject_unref(card);
    return number;
}

void nic_add_rule(NicMachine *m, const char *id, const char *point,
                  const char *outcome, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "{ 'id': '%s', 'point': '%s', 'outcome': '%s' %s }", id, point,
        outcome, more);

    qtest_qmp_assert_success(m->qts, "{ 'execute': 'sunder-fault-add',"
                             "  'arguments': %p }",
                             qobject_from_json(text, &error_abort));
}

void nic_remove_rule(NicMachine *m, const char *id)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'sunder-fault-remove',"
                             "  'arguments': { 'id': %s } }", id);
}

int64_t nic_rule_fired(NicMachine *m, const char *id)
{
    QDict *answer = qtest_qmp(m->qts,
                              "{ 'execute': 'query-sunder-faults' }");
    int64_t fired = -1;
    QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), e) {
        QDict *state = qobject_to(QDict, qlist_entry_obj(e));
        QDict *rule = qdict_get_qdict(state, "rule");

        if (strcmp(qdict_get_str(rule, "id"), id) == 0) {
            fired = qdict_get_int(state, "fired");
        }
    }
    qobject_unref(answer);
    g_assert_cmpint(fired, >=, 0);
    return fired;
}
