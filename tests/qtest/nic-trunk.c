/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "nic-trunk.h"
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "saved-state.h"

#define FLOW_BYTES      64
/* Offsets in a frame of a flow. */
#define IP              14
#define UDP             34
#define PAYLOAD         42
#define MAGIC           0x53756e64
/* Frames between two looks at what came: they fit into a socket. */
#define CHUNK           64

#define SECOND          (1000 * TRUNK_MS)
#define STEP            (100 * TRUNK_MS)

/* Offsets in a LACPDU: IEEE 802.1AX, 6.4.2.3. */
#define SUBTYPE         14
#define ACTOR           16
#define PARTNER         36
#define COLLECTOR       56
#define TLV_INFO        20              /* bytes of the first two TLVs */
#define INFO            15              /* of them: priority to state */
#define STATE           (ACTOR + 2 + INFO - 1)
#define SYNCHRONIZED    0x08
/* active, short timeout, aggregates, in sync */
#define PARTNER_STATE   0x0f
#define FORWARDS        0x30            /* collects and distributes */

/* --- the machine ------------------------------------------------------- */

/* All wires end in the first one's socket, which hears everybody. */
static void tie_wires(Trunk *t)
{
    struct sockaddr_in ours, nobody = { .sin_family = AF_UNSPEC };
    socklen_t length = sizeof(ours);
    int fd = t->m->wires[0];

    getsockname(fd, (struct sockaddr *)&ours, &length);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&nobody,
                            sizeof(nobody)), ==, 0);
    /* a port that the kernel chose goes with the connection */
    g_assert_cmpint(bind(fd, (struct sockaddr *)&ours, length), ==, 0);
    for (unsigned i = 0; i < t->m->n_wires; i++) {
        int theirs = t->m->emulator[i];

        g_assert_cmpint(connect(theirs, (struct sockaddr *)&ours, length),
                        ==, 0);
        getsockname(theirs, (struct sockaddr *)&t->wires[i], &length);
    }
}

static char *make_args(const Trunk *t, const char *properties)
{
    g_autofree char *all = g_strconcat(",layout=all", properties, NULL);

    return nic_machine_args(t->m, all, "");
}

void trunk_start(Trunk *t, unsigned wires, const char *properties)
{
    g_autofree char *args = NULL;

    *t = (Trunk) { .m = nic_machine_new(wires) };
    memset(t->wire, TRUNK_NO_WIRE, sizeof(t->wire));
    tie_wires(t);
    args = make_args(t, properties);
    nic_machine_adopt(t->m, qtest_init(args));
    qnic_start(&t->nic, t->m, 0, 0);
}

void trunk_end(Trunk *t)
{
    qnic_leave(&t->nic);
    nic_machine_end(t->m);
}

void trunk_migrate(Trunk *t, const char *properties)
{
    g_autofree char *dir = g_dir_make_tmp("nic-trunk-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "state", NULL);
    g_autofree char *args = make_args(t, properties);
    QNic before = t->nic;

    saved_state_save(t->m->qts, path);
    qnic_leave(&t->nic);
    qpci_free_pc(t->m->bus);
    qtest_quit(t->m->qts);
    nic_machine_adopt(t->m, saved_state_load(args, path));
    qnic_adopt(&t->nic, t->m, &before);
    unlink(path);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* --- flows ------------------------------------------------------------- */

/* One's complement sum of the header: RFC 791, 3.1. */
static uint16_t ip_checksum(const uint8_t *header)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < UDP - IP; i += 2) {
        sum += lduw_be_p(header + i);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

/* Flows differ above layer 2 only. */
static void make_flow(uint8_t frame[FLOW_BYTES], unsigned flow,
                      uint32_t number)
{
    memset(frame, 0, FLOW_BYTES);
    memcpy(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00\x08\x00",
           IP);
    frame[IP] = 0x45;
    stw_be_p(frame + IP + 2, FLOW_BYTES - IP);
    frame[IP + 8] = 64;
    frame[IP + 9] = IPPROTO_UDP;
    stl_be_p(frame + IP + 12, 0x0a000000 + flow);
    stl_be_p(frame + IP + 16, 0x0a010000 + flow);
    stw_be_p(frame + IP + 10, ip_checksum(frame + IP));
    stw_be_p(frame + UDP, 10000 + flow);
    stw_be_p(frame + UDP + 2, 20000 + flow);
    stw_be_p(frame + UDP + 4, FLOW_BYTES - UDP);
    stl_be_p(frame + PAYLOAD, MAGIC);
    stl_be_p(frame + PAYLOAD + 4, flow);
    stl_be_p(frame + PAYLOAD + 8, number);
}

static void note_flow(Trunk *t, unsigned wire, const uint8_t *frame)
{
    unsigned flow = ldl_be_p(frame + PAYLOAD + 4);
    uint32_t number = ldl_be_p(frame + PAYLOAD + 8);

    g_assert_cmpuint(flow, <, TRUNK_FLOWS);
    t->wire[flow] = wire;
    t->n_received++;
    t->by_wire[wire]++;
    if (number < t->expected[flow]) {
        t->reordered++;
    } else {
        t->missing += number - t->expected[flow];
        t->expected[flow] = number + 1;
    }
}

static unsigned wire_of(const Trunk *t, const struct sockaddr_in *from)
{
    for (unsigned i = 0; i < t->m->n_wires; i++) {
        if (t->wires[i].sin_port == from->sin_port) {
            return i;
        }
    }
    g_assert_not_reached();
}

static void note_frame(Trunk *t, unsigned wire, const uint8_t *frame,
                       size_t length)
{
    TrunkPartner *p = &t->partners[wire];

    if (length >= FLOW_BYTES && lduw_be_p(frame + 12) == 0x0800 &&
        ldl_be_p(frame + PAYLOAD) == MAGIC) {
        note_flow(t, wire, frame);
    } else if (length == TRUNK_LACPDU && lduw_be_p(frame + 12) == 0x8809 &&
               frame[SUBTYPE] == 1) {
        p->heard++;
        memcpy(p->actor, frame + ACTOR + 2, INFO);
    } else if (length == TRUNK_LACPDU && lduw_be_p(frame + 12) == 0x8809 &&
               frame[SUBTYPE] == 2) {
        memcpy(t->marker[wire], frame, length);
        t->markers++;
    }
}

void trunk_poll(Trunk *t)
{
    uint8_t frame[NIC_BUFFER];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    ssize_t length;

    while ((length = recvfrom(t->m->wires[0], frame, sizeof(frame),
                              MSG_DONTWAIT, (struct sockaddr *)&from,
                              &size)) > 0) {
        note_frame(t, wire_of(t, &from), frame, length);
        size = sizeof(from);
    }
}

void trunk_collect(Trunk *t, uint64_t lost)
{
    nic_wait_until((trunk_poll(t), t->n_received + lost >= t->n_sent));
    g_assert_cmpuint(t->n_received + lost, ==, t->n_sent);
}

void trunk_post(Trunk *t, unsigned first, unsigned n)
{
    uint8_t frame[FLOW_BYTES];

    for (unsigned i = 0; i < n; i++) {
        unsigned flow = first + i;

        make_flow(frame, flow, t->sent[flow]++);
        qnic_post_frame(&t->nic, 1, frame, sizeof(frame));
    }
    t->n_sent += n;
    qnic_notify(&t->nic, 1);
}

void trunk_see_sent(Trunk *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qnic_wait(&t->nic, 1, NULL);
    }
}

void trunk_send(Trunk *t, unsigned first, unsigned n, unsigned rounds)
{
    while (rounds--) {
        for (unsigned i = 0; i < n; i += CHUNK) {
            unsigned part = MIN(CHUNK, n - i);

            trunk_post(t, first + i, part);
            trunk_see_sent(t, part);
            trunk_poll(t);
        }
    }
}

double trunk_take_spread(Trunk *t, unsigned wires)
{
    uint64_t most = 0, sum = 0;

    for (unsigned i = 0; i < t->m->n_wires; i++) {
        most = MAX(most, t->by_wire[i]);
        sum += t->by_wire[i];
        t->by_wire[i] = 0;
    }
    return sum ? (double)most * wires / sum : 0;
}

/* --- QMP --------------------------------------------------------------- */

QDict *trunk_aggregation(QDict *card)
{
    QList *list = qdict_get_qlist(card, "aggregations");

    g_assert_cmpint(qlist_size(list), ==, 1);
    return qobject_to(QDict, qlist_peek(list));
}

QDict *trunk_member(QDict *card, unsigned i)
{
    const QListEntry *e = qlist_first(
        qdict_get_qlist(trunk_aggregation(card), "members"));

    while (i--) {
        e = qlist_next(e);
    }
    return qobject_to(QDict, qlist_entry_obj(e));
}

unsigned trunk_count_active(Trunk *t)
{
    QDict *card = nic_info(t->m);
    unsigned n = 0;

    for (unsigned i = 0; i < t->m->n_wires; i++) {
        n += qdict_get_bool(trunk_member(card, i), "active");
    }
    qobject_unref(card);
    return n;
}

/* --- the partner ------------------------------------------------------- */

void trunk_put(Trunk *t, unsigned wire, const void *frame, size_t length)
{
    g_assert_cmpint(sendto(t->m->wires[0], frame, length, 0,
                           (struct sockaddr *)&t->wires[wire],
                           sizeof(t->wires[wire])), ==, length);
}

void trunk_make_lacpdu(Trunk *t, unsigned wire, uint8_t frame[TRUNK_LACPDU])
{
    const TrunkPartner *p = &t->partners[wire];
    /* system priority, system, key, port priority, port, state */
    static const uint8_t own[INFO] = {
        0x80, 0, 0x02, 0, 0, 0, 0, 0x77, 0, 7, 0, 255, 0, 0, PARTNER_STATE,
    };

    memset(frame, 0, TRUNK_LACPDU);
    memcpy(frame, "\x01\x80\xc2\x00\x00\x02\x02\x00\x00\x00\x00\x77\x88\x09"
           "\x01\x01", ACTOR);
    frame[ACTOR] = 1;
    frame[ACTOR + 1] = TLV_INFO;
    memcpy(frame + ACTOR + 2, own, INFO);
    frame[STATE - 1] = wire + 1;
    frame[STATE] |= p->actor[INFO - 1] & SYNCHRONIZED ? FORWARDS : 0;
    frame[PARTNER] = 2;
    frame[PARTNER + 1] = TLV_INFO;
    memcpy(frame + PARTNER + 2, p->actor, INFO);
    frame[COLLECTOR] = 3;
    frame[COLLECTOR + 1] = 16;
}

static void say(Trunk *t, unsigned wire)
{
    uint8_t frame[TRUNK_LACPDU];
    TrunkPartner *p = &t->partners[wire];

    if (p->silent || p->cut || p->heard == 0) {
        return;
    }
    trunk_make_lacpdu(t, wire, frame);
    trunk_put(t, wire, frame, sizeof(frame));
    p->said++;
}

static int64_t lacp_number(Trunk *t, unsigned wire, const char *member)
{
    QDict *card = nic_info(t->m);
    QDict *lacp = qdict_get_qdict(trunk_member(card, wire), "lacp");
    int64_t number = qdict_get_int(lacp, member);

    qobject_unref(card);
    return number;
}

/* What either has said the other has heard; a cut wire swallows it. */
static bool is_settled(Trunk *t)
{
    QDict *card = nic_info(t->m);
    bool settled = true;

    trunk_poll(t);
    for (unsigned i = 0; i < t->m->n_wires; i++) {
        const TrunkPartner *p = &t->partners[i];
        QDict *lacp = qdict_get_qdict(trunk_member(card, i), "lacp");

        settled &= p->cut ||
                   (qdict_get_int(lacp, "received") == p->said &&
                    qdict_get_int(lacp, "sent") == p->heard);
    }
    qobject_unref(card);
    return settled;
}

/* Answers what is new, until there is nothing new. */
static void converse(Trunk *t)
{
    bool again;

    do {
        again = false;
        nic_wait_until(is_settled(t));
        for (unsigned i = 0; i < t->m->n_wires; i++) {
            TrunkPartner *p = &t->partners[i];

            if (p->heard != p->answered) {
                p->answered = p->heard;
                say(t, i);
                again = true;
            }
        }
    } while (again);
}

void trunk_mend(Trunk *t, unsigned wire)
{
    TrunkPartner *p = &t->partners[wire];

    trunk_poll(t);
    p->cut = false;
    p->heard = p->answered = lacp_number(t, wire, "sent");
    p->said = lacp_number(t, wire, "received");
}

/* IEEE 802.1AX, 6.5.3.3: the same with another type. */
void trunk_answer_markers(Trunk *t)
{
    for (unsigned i = 0; i < t->m->n_wires; i++) {
        uint8_t *frame = t->marker[i];

        if (frame[SUBTYPE] == 2) {
            frame[ACTOR] = 2;
            trunk_put(t, i, frame, TRUNK_LACPDU);
            memset(frame, 0, TRUNK_LACPDU);
        }
    }
    t->markers = 0;
}

void trunk_step(Trunk *t, int64_t ns)
{
    qtest_clock_step(t->m->qts, ns);
    t->now_ns += ns;
    if (!t->has_lacp) {
        return;
    }
    if (t->now_ns - t->said_ns >= SECOND) {
        t->said_ns = t->now_ns;
        for (unsigned i = 0; i < t->m->n_wires; i++) {
            say(t, i);
        }
    }
    converse(t);
}

int64_t trunk_wait_active(Trunk *t, unsigned n, int64_t limit_ns)
{
    int64_t start = t->now_ns;

    while (trunk_count_active(t) != n && t->now_ns - start < limit_ns) {
        trunk_step(t, STEP);
    }
    return t->now_ns - start;
}
