/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LACP: a system and its ports; what is sent. */
#include "lacp-internal.h"

#include <string.h>

/* More steps than the machines of all ports can make without a loop. */
#define MAX_STEPS   (LACP_MAX_PORTS * 2 * LACP_MUX__MAX)

G_DEFINE_QUARK(sunder-lacp-error-quark, lacp_error)

static uint8_t mode_bits(const LacpConfig *config)
{
    return (config->active ? LACP_ACTIVITY : 0) |
           (config->fast ? LACP_TIMEOUT : 0);
}

LacpSystem *lacp_system_new(const LacpConfig *config)
{
    LacpSystem *system = g_new0(LacpSystem, 1);

    system->config = *config;
    system->ports = g_ptr_array_new_with_free_func(g_free);
    return system;
}

void lacp_system_free(LacpSystem *system)
{
    if (system) {
        g_ptr_array_unref(system->ports);
        g_free(system);
    }
}

static LacpPort *find_port(const LacpSystem *system, uint16_t number)
{
    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        if (port->m.actor.port == number) {
            return port;
        }
    }
    return NULL;
}

static int compare_ports(gconstpointer a, gconstpointer b)
{
    const LacpPort *pa = *(LacpPort *const *)a, *pb = *(LacpPort *const *)b;

    return pa->m.actor.port - pb->m.actor.port;
}

LacpPort *lacp_port_add(LacpSystem *system, uint16_t number,
                        uint16_t priority, uint64_t address, GError **error)
{
    const LacpConfig *config = &system->config;
    LacpPort *port;

    if (number == 0 || find_port(system, number) ||
        system->ports->len == LACP_MAX_PORTS) {
        g_set_error(error, LACP_ERROR, LACP_ERROR_PORT, "LACP: port %u: %s",
                    number, number == 0 ? "numbers start at 1" :
                    find_port(system, number) ? "there is one of that number"
                    : "there are 64 ports already, as many as can be");
        return NULL;
    }
    port = g_new0(LacpPort, 1);
    port->system = system;
    port->address = address;
    port->m.actor = (LacpInfo){
        .system_priority = config->system_priority,
        .system = config->system,
        .key = config->key,
        .port_priority = priority,
        .port = number,
        .state = LACP_AGGREGATION | mode_bits(config),
    };
    port->m.periodic_timer = port->m.wait_while = LACP_NO_DEADLINE;
    lacp_receive_begin(port);
    g_ptr_array_add(system->ports, port);
    g_ptr_array_sort(system->ports, compare_ports);
    return port;
}

void lacp_port_remove(LacpPort *port, uint64_t now_ns)
{
    LacpSystem *system = port->system;

    g_ptr_array_remove(system->ports, port);
    lacp_system_run(system, now_ns);
}

/* Ready: all that wait for the aggregator have waited long enough. */
static bool is_ready(const LacpSystem *system)
{
    for (unsigned i = 0; i < system->ports->len; i++) {
        const LacpPort *port = g_ptr_array_index(system->ports, i);

        if (port->m.mux == LACP_MUX_WAITING && !port->m.wait_over) {
            return false;
        }
    }
    return true;
}

static bool step_all(LacpSystem *system, uint64_t now_ns)
{
    bool moved = false;

    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        moved |= lacp_mux_step(port, is_ready(system), now_ns);
    }
    return moved;
}

/* 6.4.16: without periodic transmission nothing is said at all. */
static void hush(LacpSystem *system)
{
    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        port->m.ntt &= port->m.periodic != LACP_PERIODIC_NONE;
    }
}

void lacp_system_run(LacpSystem *system, uint64_t now_ns)
{
    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpPort *port = g_ptr_array_index(system->ports, i);

        lacp_receive_run(port, now_ns);
        lacp_periodic_run(port, now_ns);
    }
    for (unsigned i = 0; i < MAX_STEPS && step_all(system, now_ns); i++) {
        /* one that changed partners detaches before it is chosen again */
    }
    lacp_selection_run(system);
    for (unsigned i = 0; i < MAX_STEPS && step_all(system, now_ns); i++) {
        /* until all machines rest */
    }
    hush(system);
}

void lacp_system_set_mode(LacpSystem *system, bool active, bool fast,
                          uint64_t now_ns)
{
    const uint8_t bits = LACP_ACTIVITY | LACP_TIMEOUT;

    system->config.active = active;
    system->config.fast = fast;
    for (unsigned i = 0; i < system->ports->len; i++) {
        LacpMachines *m =
            &((LacpPort *)g_ptr_array_index(system->ports, i))->m;
        uint64_t limit = now_ns + (fast ? LACP_SHORT_TIMEOUT
                                        : LACP_LONG_TIMEOUT);

        m->actor.state = (m->actor.state & ~bits) |
                         mode_bits(&system->config);
        m->ntt = true;
        if (m->receive == LACP_RECEIVE_CURRENT) {
            m->current_while = limit;
        }
    }
    lacp_system_run(system, now_ns);
}

void lacp_port_set_enabled(LacpPort *port, bool enabled, uint64_t now_ns)
{
    if (port->m.enabled != enabled) {
        lacp_receive_enable(port, enabled, now_ns);
        port->respond = false;
    }
    lacp_system_run(port->system, now_ns);
}

void lacp_port_set_key(LacpPort *port, uint16_t key, uint64_t now_ns)
{
    if (port->m.actor.key != key) {
        port->m.actor.key = key;
        port->m.selected = false;
        port->m.ntt = true;
    }
    lacp_system_run(port->system, now_ns);
}

static void receive_marker(LacpPort *port, const LacpMarker *marker)
{
    LacpMachines *m = &port->m;

    if (!marker->response) {
        m->stats.markers_received++;
        port->respond = true;
        port->response = *marker;
        port->response.response = true;
        return;
    }
    m->stats.responses_received++;
    if (m->marker == LACP_MARKER_SENT &&
        marker->transaction == m->transaction &&
        marker->port == m->actor.port && marker->system == m->actor.system) {
        m->marker = LACP_MARKER_ANSWERED;
    }
}

LacpFrameKind lacp_port_receive(LacpPort *port, const uint8_t *frame,
                                size_t size, uint64_t now_ns)
{
    LacpPdu pdu;
    LacpMarker marker;
    LacpFrameKind kind = lacp_frame_decode(frame, size, &pdu, &marker);

    switch (kind) {
    case LACP_FRAME_LACPDU:
        port->m.stats.lacpdus_received++;
        lacp_receive_pdu(port, &pdu, now_ns);
        break;
    case LACP_FRAME_MARKER:
        receive_marker(port, &marker);
        break;
    case LACP_FRAME_BAD:
        port->m.stats.bad++;
        break;
    default:
        port->m.stats.other++;
    }
    lacp_system_run(port->system, now_ns);
    return kind;
}

/* When the transmit machine may send the next LACPDU. */
static uint64_t transmit_time(const LacpPort *port)
{
    if (port->n_sent < LACP_TX_LIMIT) {
        return 0;
    }
    return port->sent[port->n_sent % LACP_TX_LIMIT] + LACP_FAST_PERIODIC;
}

static uint64_t port_deadline(const LacpPort *port)
{
    const LacpMachines *m = &port->m;
    uint64_t first = MIN(m->current_while, m->periodic_timer);

    first = MIN(first, m->wait_while);
    if (m->ntt && m->enabled) {
        first = MIN(first, transmit_time(port));
    }
    return first;
}

uint64_t lacp_system_deadline(const LacpSystem *system)
{
    uint64_t first = LACP_NO_DEADLINE;

    for (unsigned i = 0; i < system->ports->len; i++) {
        first = MIN(first, port_deadline(g_ptr_array_index(system->ports,
                                                           i)));
    }
    return first;
}

static void send_pdu(LacpPort *port, uint8_t frame[LACP_FRAME],
                     uint64_t now_ns)
{
    LacpMachines *m = &port->m;
    LacpPdu pdu = {
        m->actor, m->partner, port->system->config.collector_max_delay
    };

    lacp_pdu_encode(&pdu, port->address, frame);
    m->ntt = false;
    m->stats.lacpdus_sent++;
    port->sent[port->n_sent++ % LACP_TX_LIMIT] = now_ns;
    if (port->n_sent == 2 * LACP_TX_LIMIT) {
        port->n_sent = LACP_TX_LIMIT;
    }
}

static bool may_respond(LacpPort *port, uint64_t now_ns)
{
    if (now_ns - port->second >= LACP_SECOND) {
        port->second = now_ns;
        port->responses = 0;
    }
    return port->responses++ < LACP_RESPONSE_LIMIT;
}

static bool send_response(LacpPort *port, uint8_t frame[LACP_FRAME],
                          uint64_t now_ns)
{
    port->respond = false;
    if (!may_respond(port, now_ns)) {
        return false;           /* the requester will do without */
    }
    lacp_marker_encode(&port->response, port->address, frame);
    port->m.stats.responses_sent++;
    return true;
}

static void send_marker(LacpPort *port, uint8_t frame[LACP_FRAME])
{
    LacpMachines *m = &port->m;
    LacpMarker marker = {
        false, m->actor.port, m->actor.system, m->transaction
    };

    lacp_marker_encode(&marker, port->address, frame);
    m->marker = LACP_MARKER_SENT;
    m->stats.markers_sent++;
}

bool lacp_port_transmit(LacpPort *port, uint8_t frame[LACP_FRAME],
                        uint64_t now_ns)
{
    if (!port->m.enabled) {
        return false;
    }
    if (port->respond && send_response(port, frame, now_ns)) {
        return true;
    }
    if (port->m.marker == LACP_MARKER_TO_SEND) {
        send_marker(port, frame);
        return true;
    }
    if (port->m.ntt && now_ns >= transmit_time(port)) {
        send_pdu(port, frame, now_ns);
        return true;
    }
    return false;
}

bool lacp_port_collecting(const LacpPort *port)
{
    return port->m.enabled && port->m.mux >= LACP_MUX_COLLECTING;
}

bool lacp_port_distributing(const LacpPort *port)
{
    return port->m.enabled && port->m.mux == LACP_MUX_DISTRIBUTING;
}

void lacp_port_status(const LacpPort *port, LacpPortStatus *status)
{
    const LacpMachines *m = &port->m;

    *status = (LacpPortStatus){
        m->enabled, m->selected, m->receive, m->mux, m->actor, m->partner,
        m->stats
    };
}

void lacp_port_send_marker(LacpPort *port)
{
    port->m.transaction++;
    port->m.marker = LACP_MARKER_TO_SEND;
}

bool lacp_port_marker_answered(const LacpPort *port)
{
    return port->m.marker == LACP_MARKER_ANSWERED;
}
