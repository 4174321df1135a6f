/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: LACP under frames, links and time that somebody made up.
 *
 * The input is a program: each operation is a byte that says which, a byte for
 * the port, and the operands it takes.
 */
#include <string.h>

#include "target-models/net/lacp.h"
#include "tests/fuzz/input.h"

#define N_PORTS     4
#define STEP_NS     (LACP_SECOND / 64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    FuzzInput program;
    LacpSystem *system;
    LacpPort *port[N_PORTS];
    uint64_t now_ns;
} Run;

/* Bytes of the input as they are. */
static void raw_frame(Run *run, unsigned i)
{
    size_t size = next8(&run->program);
    const uint8_t *bytes = next_bytes(&run->program, &size);
    g_autofree uint8_t *frame = g_memdup2(bytes, size);

    lacp_port_receive(run->port[i], frame, size, run->now_ns);
}

static void take_info(Run *run, LacpInfo *info)
{
    info->system = next8(&run->program) % 4;
    info->key = next8(&run->program) % 4;
    info->port = next8(&run->program) % 8;
    info->state = next8(&run->program);
}

/* A LACPDU that is well formed and says anything. */
static void good_frame(Run *run, unsigned i)
{
    LacpPortStatus status;
    LacpPdu pdu = { { 0 } };
    uint8_t frame[LACP_FRAME];

    lacp_port_status(run->port[i], &status);
    take_info(run, &pdu.actor);
    pdu.partner = status.actor;
    if (next8(&run->program) & 1) {
        take_info(run, &pdu.partner);
    }
    lacp_pdu_encode(&pdu, 1, frame);
    g_assert(lacp_port_receive(run->port[i], frame, LACP_FRAME,
                               run->now_ns) == LACP_FRAME_LACPDU);
}

static void marker(Run *run, unsigned i)
{
    FuzzInput *p = &run->program;
    LacpMarker m = { next8(p) & 1, next8(p) % 8, next8(p) % 4, next8(p) % 4 };
    uint8_t frame[LACP_FRAME];

    lacp_marker_encode(&m, 1, frame);
    lacp_port_receive(run->port[i], frame, LACP_FRAME, run->now_ns);
    if (next8(&run->program) & 1) {
        lacp_port_send_marker(run->port[i]);
    }
}

static void set_link(Run *run, unsigned i)
{
    lacp_port_set_enabled(run->port[i], next8(&run->program) & 1, run->now_ns);
}

static void set_key(Run *run, unsigned i)
{
    lacp_port_set_key(run->port[i], next8(&run->program) % 4, run->now_ns);
}

static void set_mode(Run *run, unsigned i)
{
    uint8_t bits = next8(&run->program);

    lacp_system_set_mode(run->system, bits & 1, bits & 2, run->now_ns);
}

static void replace(Run *run, unsigned i)
{
    lacp_port_remove(run->port[i], run->now_ns);
    run->port[i] = lacp_port_add(run->system, i + 1, 1, 1, NULL);
    g_assert(run->port[i]);
}

static void wait(Run *run, unsigned i)
{
    run->now_ns += next8(&run->program) * STEP_NS;
    lacp_system_run(run->system, run->now_ns);
}

static void load_made_up(Run *run, unsigned i)
{
    size_t size = next8(&run->program) * 4u;
    const uint8_t *bytes = next_bytes(&run->program, &size);

    lacp_system_load(run->system, bytes, size, run->now_ns, NULL);
}

static void check_same(const GByteArray *a, const GByteArray *b)
{
    g_assert(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

/* Damaged: all refused, or taken and saved again as it was loaded. */
static void load_damaged(Run *run, unsigned i)
{
    g_autoptr(GByteArray) before = lacp_system_save(run->system,
                                                    run->now_ns);
    g_autoptr(GByteArray) state = lacp_system_save(run->system, run->now_ns);
    g_autoptr(GByteArray) after = NULL;
    unsigned where = next8(&run->program) | i << 8;
    bool loaded;

    state->data[where % state->len] ^= next8(&run->program);
    loaded = lacp_system_load(run->system, state->data, state->len,
                              run->now_ns, NULL);
    after = lacp_system_save(run->system, run->now_ns);
    check_same(after, loaded ? state : before);
}

static void (*const operations[])(Run *run, unsigned i) = {
    raw_frame, good_frame, good_frame, marker, set_link, set_key, set_mode,
    replace, wait, wait, load_made_up, load_damaged,
};

/* What must hold whatever was said. */
static void check(Run *run)
{
    lacp_system_run(run->system, run->now_ns);
    for (unsigned i = 0; i < N_PORTS; i++) {
        LacpPortStatus s;
        uint8_t frame[LACP_FRAME];
        unsigned frames = 0;

        lacp_port_status(run->port[i], &s);
        g_assert(s.actor.port == i + 1 && s.actor.system == 9);
        g_assert(!lacp_port_distributing(run->port[i]) ||
                 (lacp_port_collecting(run->port[i]) && s.enabled));
        g_assert(!(s.actor.state & LACP_DISTRIBUTING) ||
                 (s.actor.state & LACP_COLLECTING));
        while (lacp_port_transmit(run->port[i], frame, run->now_ns)) {
            g_assert(++frames < 8);
        }
    }
    /* nothing is due for ever: the deadline lies ahead */
    g_assert(lacp_system_deadline(run->system) > run->now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LacpConfig config = { 1, 9, 1, true, true, size & 1, 0 };
    Run run = { { data, size }, lacp_system_new(&config), { NULL }, 1000 };

    for (unsigned i = 0; i < N_PORTS; i++) {
        run.port[i] = lacp_port_add(run.system, i + 1, 1, 1, NULL);
        lacp_port_set_enabled(run.port[i], true, run.now_ns);
    }
    while (run.program.left) {
        unsigned operation = next8(&run.program) % G_N_ELEMENTS(operations);

        operations[operation](&run, next8(&run.program) % N_PORTS);
        check(&run);
    }
    lacp_system_free(run.system);
    return 0;
}
