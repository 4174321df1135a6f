/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lacp-fixture.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct InFlight {
    uint64_t due_ns;
    unsigned side, port;        /* where it arrives */
    uint8_t frame[LACP_FRAME];
} InFlight;

LacpConfig lab_config(unsigned side)
{
    return (LacpConfig){
        .system_priority = 32768,
        .system = UINT64_C(0x525400000100) + side,
        .key = 7 + side,
        .active = true,
        .fast = true,
    };
}

LacpLab *lab_new(const LacpConfig *a, const LacpConfig *b)
{
    LacpLab *lab = g_new0(LacpLab, 1);

    lab->system[0] = lacp_system_new(a);
    lab->system[1] = lacp_system_new(b);
    lab->rand = g_rand_new_with_seed(1);
    lab->in_flight = g_array_new(FALSE, FALSE, sizeof(InFlight));
    lab->now_ns = 12345;
    for (unsigned side = 0; side < LAB_SIDES; side++) {
        for (unsigned i = 0; i < LAB_PORTS; i++) {
            lab->port[side][i] =
                lacp_port_add(lab->system[side], i + 1, 255,
                              UINT64_C(0x525400000200) + side * 16 + i, NULL);
            cr_assert_not_null(lab->port[side][i]);
        }
    }
    return lab;
}

void lab_free(LacpLab *lab)
{
    lacp_system_free(lab->system[0]);
    lacp_system_free(lab->system[1]);
    g_rand_free(lab->rand);
    g_array_unref(lab->in_flight);
    g_free(lab);
}

static void put_in_flight(LacpLab *lab, unsigned side, unsigned port,
                          const uint8_t *frame)
{
    InFlight f = { lab->now_ns + 1000, !side, port, { 0 } };

    if (!lab->plugged[port] || lab->mute[side][port] ||
        g_rand_double(lab->rand) < lab->loss) {
        return;
    }
    if (lab->delay_ns) {
        f.due_ns += g_rand_double(lab->rand) * lab->delay_ns;
    }
    memcpy(f.frame, frame, LACP_FRAME);
    g_array_append_val(lab->in_flight, f);
}

/* Takes what the ports have to send. */
static void pump(LacpLab *lab)
{
    uint8_t frame[LACP_FRAME];

    for (unsigned side = 0; side < LAB_SIDES; side++) {
        for (unsigned i = 0; i < LAB_PORTS; i++) {
            LacpPort *port = lab->port[side][i];

            while (port && lacp_port_transmit(port, frame, lab->now_ns)) {
                put_in_flight(lab, side, i, frame);
            }
        }
    }
}

static uint64_t next_event(const LacpLab *lab)
{
    uint64_t next = MIN(lacp_system_deadline(lab->system[0]),
                        lacp_system_deadline(lab->system[1]));

    for (unsigned i = 0; i < lab->in_flight->len; i++) {
        next = MIN(next, g_array_index(lab->in_flight, InFlight, i).due_ns);
    }
    return next;
}

static void deliver(LacpLab *lab)
{
    for (unsigned i = 0; i < lab->in_flight->len;) {
        InFlight f = g_array_index(lab->in_flight, InFlight, i);

        if (f.due_ns > lab->now_ns) {
            i++;
            continue;
        }
        g_array_remove_index(lab->in_flight, i);
        if (lab->plugged[f.port]) {
            lacp_port_receive(lab->port[f.side][f.port], f.frame, LACP_FRAME,
                              lab->now_ns);
            pump(lab);
        }
    }
}

/* One event, at @end_ns at the latest. */
static void step(LacpLab *lab, uint64_t end_ns)
{
    uint64_t next = next_event(lab);

    lab->now_ns = MAX(lab->now_ns, MIN(next, end_ns));
    lacp_system_run(lab->system[0], lab->now_ns);
    lacp_system_run(lab->system[1], lab->now_ns);
    pump(lab);
    deliver(lab);
}

void lab_run(LacpLab *lab, uint64_t ns)
{
    uint64_t end_ns = lab->now_ns + ns;
    unsigned events = 0;

    while (lab->now_ns < end_ns) {
        step(lab, end_ns);
        cr_assert_lt(++events, 1000000, "the machines never rest");
    }
}

uint64_t lab_run_until_up(LacpLab *lab, unsigned ports, uint64_t limit_ns)
{
    uint64_t start_ns = lab->now_ns;

    while (lab->now_ns < start_ns + limit_ns) {
        step(lab, start_ns + limit_ns);
        if (lab_distributing(lab, 0) == ports &&
            lab_distributing(lab, 1) == ports) {
            return lab->now_ns - start_ns;
        }
    }
    return UINT64_MAX;
}

void lab_plug(LacpLab *lab, unsigned port, bool plugged)
{
    lab->plugged[port] = plugged;
    for (unsigned side = 0; side < LAB_SIDES; side++) {
        lacp_port_set_enabled(lab->port[side][port], plugged, lab->now_ns);
    }
    pump(lab);
}

void lab_plug_all(LacpLab *lab)
{
    for (unsigned i = 0; i < LAB_PORTS; i++) {
        lab_plug(lab, i, true);
    }
}

unsigned lab_distributing(const LacpLab *lab, unsigned side)
{
    unsigned n = 0;

    for (unsigned i = 0; i < LAB_PORTS; i++) {
        n += lacp_port_distributing(lab->port[side][i]);
    }
    return n;
}

LacpPortStatus lab_status(const LacpLab *lab, unsigned side, unsigned port)
{
    LacpPortStatus status;

    lacp_port_status(lab->port[side][port], &status);
    return status;
}
