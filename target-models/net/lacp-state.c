/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LACP: a system's state in bytes.
 *
 * All numbers are little endian.  "SLAC" and a version; whether there is a
 * group, and the group; the number of ports, and a record for each, by
 * number.  Timers travel as the time they have left, or all ones.  What is
 * configured (system, priorities, mode, keys) does not travel: the state
 * octet is put together again from the mode and the machines.
 */
#include "lacp-internal.h"

#include "target-models/bytes.h"

#define STATE_MAGIC     0x43414c53u     /* "SLAC" */
#define STATE_VERSION   1u
#define MAX_ADDRESS     UINT64_C(0xffffffffffff)
#define N_STATS         (sizeof(LacpStats) / sizeof(uint64_t))

static void add_group(GByteArray *out, const LacpSystem *system)
{
    const LacpGroup *g = &system->group;

    bytes_add8(out, system->has_group);
    bytes_add8(out, g->defaulted);
    bytes_add32(out, g->key);
    bytes_add32(out, g->partner_priority);
    bytes_add64(out, g->partner);
    bytes_add32(out, g->partner_key);
    bytes_add32(out, g->alone);
}

static void add_info(GByteArray *out, const LacpInfo *info)
{
    bytes_add32(out, info->system_priority);
    bytes_add64(out, info->system);
    bytes_add32(out, info->key);
    bytes_add32(out, info->port_priority);
    bytes_add32(out, info->port);
    bytes_add8(out, info->state);
}

static void add_timer(GByteArray *out, uint64_t deadline, uint64_t now_ns)
{
    if (deadline == LACP_NO_DEADLINE) {
        bytes_add64(out, LACP_NO_DEADLINE);
    } else {
        bytes_add64(out, deadline > now_ns ? deadline - now_ns : 0);
    }
}

static void add_port(GByteArray *out, const LacpPort *port, uint64_t now_ns)
{
    const LacpMachines *m = &port->m;
    const uint64_t *stats = (const uint64_t *)&m->stats;

    bytes_add32(out, m->actor.port);
    bytes_add8(out, m->enabled);
    bytes_add8(out, m->selected);
    bytes_add8(out, m->ntt);
    bytes_add8(out, m->wait_over);
    bytes_add8(out, m->receive);
    bytes_add8(out, m->periodic);
    bytes_add8(out, m->mux);
    bytes_add8(out, m->marker);
    bytes_add32(out, m->transaction);
    bytes_add8(out, m->actor.state & (LACP_DEFAULTED | LACP_EXPIRED));
    add_info(out, &m->partner);
    add_timer(out, m->current_while, now_ns);
    add_timer(out, m->periodic_timer, now_ns);
    add_timer(out, m->wait_while, now_ns);
    for (unsigned i = 0; i < N_STATS; i++) {
        bytes_add64(out, stats[i]);
    }
}

GByteArray *lacp_system_save(const LacpSystem *system, uint64_t now_ns)
{
    GByteArray *out = g_byte_array_new();

    bytes_add32(out, STATE_MAGIC);
    bytes_add32(out, STATE_VERSION);
    add_group(out, system);
    bytes_add32(out, system->ports->len);
    for (unsigned i = 0; i < system->ports->len; i++) {
        add_port(out, g_ptr_array_index(system->ports, i), now_ns);
    }
    return out;
}

/* What is wrong, or NULL; the cursor says whether bytes were missing. */
typedef struct Load {
    BytesReader r;
    uint64_t now_ns;
    const char *wrong;
} Load;

static void expect(Load *load, bool fine, const char *wrong)
{
    if (!fine && !load->wrong) {
        load->wrong = wrong;
    }
}

static bool take_bool(Load *load)
{
    uint8_t v = bytes_take8(&load->r);

    expect(load, v <= 1, "a flag is neither on nor off");
    return v;
}

static unsigned take_enum(Load *load, unsigned end)
{
    uint8_t v = bytes_take8(&load->r);

    expect(load, v < end, "a machine is in no state there is");
    return v < end ? v : 0;
}

static uint16_t take16(Load *load)
{
    uint32_t v = bytes_take32(&load->r);

    expect(load, v <= UINT16_MAX, "a number is out of range");
    return v;
}

static uint64_t take_address(Load *load)
{
    uint64_t v = bytes_take64(&load->r);

    expect(load, v <= MAX_ADDRESS, "an address is too long");
    return v;
}

static uint64_t take_timer(Load *load, uint64_t longest)
{
    uint64_t left = bytes_take64(&load->r);

    if (left == LACP_NO_DEADLINE) {
        return LACP_NO_DEADLINE;
    }
    expect(load, left <= longest, "a timer has too much time left");
    return load->now_ns + left;
}

static void take_group(Load *load, LacpGroup *g, bool *has_group)
{
    *has_group = take_bool(load);
    g->defaulted = take_bool(load);
    g->key = take16(load);
    g->partner_priority = take16(load);
    g->partner = take_address(load);
    g->partner_key = take16(load);
    g->alone = take16(load);
}

static void take_info(Load *load, LacpInfo *info)
{
    info->system_priority = take16(load);
    info->system = take_address(load);
    info->key = take16(load);
    info->port_priority = take16(load);
    info->port = take16(load);
    info->state = bytes_take8(&load->r);
}

/* Machines that contradict each other would wait for ever. */
static void check_machines(Load *load, const LacpMachines *m)
{
    bool disabled = m->receive == LACP_RECEIVE_PORT_DISABLED;
    bool timed = m->receive == LACP_RECEIVE_EXPIRED ||
                 m->receive == LACP_RECEIVE_CURRENT;
    bool waits = m->mux == LACP_MUX_WAITING && !m->wait_over;

    expect(load, m->enabled != disabled,
           "a receive machine does not go with its port");
    expect(load, timed == (m->current_while != LACP_NO_DEADLINE),
           "a receive machine does not go with its timer");
    expect(load, (m->periodic != LACP_PERIODIC_NONE) ==
           (m->periodic_timer != LACP_NO_DEADLINE),
           "a periodic machine does not go with its timer");
    expect(load, waits == (m->wait_while != LACP_NO_DEADLINE),
           "a mux machine does not go with its timer");
}

static uint8_t octet_of(const LacpSystem *system, const LacpMachines *m,
                        uint8_t flags)
{
    uint8_t octet = LACP_AGGREGATION | flags;

    octet |= system->config.active ? LACP_ACTIVITY : 0;
    octet |= system->config.fast ? LACP_TIMEOUT : 0;
    octet |= m->mux >= LACP_MUX_ATTACHED ? LACP_SYNCHRONIZATION : 0;
    octet |= m->mux >= LACP_MUX_COLLECTING ? LACP_COLLECTING : 0;
    octet |= m->mux >= LACP_MUX_DISTRIBUTING ? LACP_DISTRIBUTING : 0;
    return octet;
}

static void take_port(Load *load, const LacpPort *port, LacpMachines *m)
{
    uint64_t *stats = (uint64_t *)&m->stats;
    uint8_t flags;

    m->actor = port->m.actor;
    expect(load, take16(load) == m->actor.port,
           "its ports are not those of this machine");
    m->enabled = take_bool(load);
    m->selected = take_bool(load);
    m->ntt = take_bool(load);
    m->wait_over = take_bool(load);
    m->receive = take_enum(load, LACP_RECEIVE__MAX);
    m->periodic = take_enum(load, LACP_PERIODIC__MAX);
    m->mux = take_enum(load, LACP_MUX__MAX);
    m->marker = take_enum(load, LACP_MARKER__MAX);
    m->transaction = bytes_take32(&load->r);
    flags = bytes_take8(&load->r);
    expect(load, (flags & ~(LACP_DEFAULTED | LACP_EXPIRED)) == 0,
           "a state octet has bits that are not saved");
    m->actor.state = octet_of(port->system, m, flags);
    take_info(load, &m->partner);
    m->current_while = take_timer(load, LACP_LONG_TIMEOUT);
    m->periodic_timer = take_timer(load, LACP_SLOW_PERIODIC);
    m->wait_while = take_timer(load, LACP_AGGREGATE_WAIT);
    for (unsigned i = 0; i < N_STATS; i++) {
        stats[i] = bytes_take64(&load->r);
    }
    check_machines(load, m);
}

static bool finish(Load *load, GError **error)
{
    expect(load, load->r.left == 0, "bytes are left over");
    if (load->r.is_short) {
        load->wrong = "it ends too early";
    }
    if (load->wrong) {
        g_set_error(error, LACP_ERROR, LACP_ERROR_STATE, "state of LACP: "
                    "%s; it was damaged or made by another version or "
                    "machine", load->wrong);
    }
    return !load->wrong;
}

bool lacp_system_load(LacpSystem *system, const uint8_t *data, size_t size,
                      uint64_t now_ns, GError **error)
{
    Load load = { { data, size, false }, now_ns, NULL };
    unsigned n = system->ports->len;
    g_autofree LacpMachines *machines = g_new0(LacpMachines, n);
    LacpGroup group;
    bool has_group;

    expect(&load, bytes_take32(&load.r) == STATE_MAGIC &&
           bytes_take32(&load.r) == STATE_VERSION,
           "its first bytes are not ours");
    take_group(&load, &group, &has_group);
    expect(&load, bytes_take32(&load.r) == n,
           "it has another number of ports");
    for (unsigned i = 0; i < n && !load.wrong; i++) {
        take_port(&load, g_ptr_array_index(system->ports, i), &machines[i]);
    }
    if (!finish(&load, error)) {
        return false;
    }
    system->group = group;
    system->has_group = has_group;
    for (unsigned i = 0; i < n; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        port->m = machines[i];
        port->n_sent = 0;
        port->respond = false;
    }
    return true;
}
