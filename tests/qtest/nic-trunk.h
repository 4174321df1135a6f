/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of an aggregation under qtest: all wires of a card end in one
 * socket, so that what comes first on whichever wire is read first.
 *
 * Flows are frames of UDP with a number each; a trunk says on which wire each
 * flow came, and whether all of it did, once and in order.  A partner speaks
 * LACP as it is told.
 */
#ifndef SUNDER_TESTS_NIC_TRUNK_H
#define SUNDER_TESTS_NIC_TRUNK_H

#include "nic-machine.h"
#include <arpa/inet.h>

#define TRUNK_FLOWS     256
#define TRUNK_LACPDU    124             /* bytes, of a marker too */
#define TRUNK_NO_WIRE   0xff
#define TRUNK_MS        1000000ll       /* of the virtual clock */

/* What the partner says on one wire. */
typedef struct TrunkPartner {
    bool silent;
    bool cut;                   /* neither hears nor speaks */
    uint64_t heard;             /* LACPDUs */
    uint64_t answered;          /* of these */
    uint64_t said;
    uint8_t actor[16];          /* as last heard, from priority to state */
} TrunkPartner;

typedef struct Trunk {
    NicMachine *m;
    QNic nic;                   /* function 0 */
    struct sockaddr_in wires[NIC_MAX_WIRES];
    bool has_lacp;
    TrunkPartner partners[NIC_MAX_WIRES];
    unsigned markers;           /* that wait for an answer */
    uint8_t marker[NIC_MAX_WIRES][TRUNK_LACPDU];
    int64_t now_ns;             /* virtual, since the start */
    int64_t said_ns;            /* when the partner spoke last */

    /* flows */
    uint32_t sent[TRUNK_FLOWS];         /* number of the next frame */
    uint32_t expected[TRUNK_FLOWS];
    uint8_t wire[TRUNK_FLOWS];          /* that it came on last */
    uint64_t n_sent;
    uint64_t n_received;
    uint64_t by_wire[NIC_MAX_WIRES];
    unsigned reordered;         /* came after a later one, or twice */
    unsigned missing;           /* a later one came first */
} Trunk;

/* A machine with all ports in one function, and its driver. */
void trunk_start(Trunk *t, unsigned wires, const char *properties);
void trunk_end(Trunk *t);
/* Into another emulator; the driver and the wires go on. */
void trunk_migrate(Trunk *t, const char *properties);

/*
 * trunk_send(): @rounds frames of each of flows [@first, @first + @n);
 * returns when all of them are on their way.  trunk_collect() waits until
 * as many came as were sent, but for @lost.
 */
void trunk_send(Trunk *t, unsigned first, unsigned n, unsigned rounds);
void trunk_collect(Trunk *t, uint64_t lost);
/*
 * The same in steps: trunk_post() rings the doorbell for a frame of each, and
 * trunk_see_sent() waits until @n frames are used.
 */
void trunk_post(Trunk *t, unsigned first, unsigned n);
void trunk_see_sent(Trunk *t, unsigned n);
/* Those that came until now; does not wait. */
void trunk_poll(Trunk *t);
/* Forgets how many came on each wire; returns max / mean over @wires. */
double trunk_take_spread(Trunk *t, unsigned wires);

/* The virtual clock goes on, and the partner with it. */
void trunk_step(Trunk *t, int64_t ns);
/*
 * Until @n members are active, or for @limit_ns.  Returns: how long it was,
 * to 100 ms.
 */
int64_t trunk_wait_active(Trunk *t, unsigned n, int64_t limit_ns);
unsigned trunk_count_active(Trunk *t);

/* From outside; a frame of LACP or any other. */
void trunk_put(Trunk *t, unsigned wire, const void *frame, size_t length);
/* A LACPDU of the partner as it would be said now. */
void trunk_make_lacpdu(Trunk *t, unsigned wire, uint8_t frame[TRUNK_LACPDU]);

/* What was said while the wire was cut is forgotten. */
void trunk_mend(Trunk *t, unsigned wire);
/* Markers that came are answered. */
void trunk_answer_markers(Trunk *t);

/* query-sunder-nic: of the aggregation and its member @i; @card's own. */
QDict *trunk_aggregation(QDict *card);
QDict *trunk_member(QDict *card, unsigned i);

#endif
