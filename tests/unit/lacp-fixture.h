/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two LACP systems, their ports joined pair by pair by wires that lose,
 * delay and reorder, and a clock that goes from event to event.
 */
#ifndef SUNDER_TESTS_LACP_FIXTURE_H
#define SUNDER_TESTS_LACP_FIXTURE_H

#include "target-models/net/lacp.h"

#define LAB_PORTS   4
#define LAB_SIDES   2

typedef struct LacpLab {
    LacpSystem *system[LAB_SIDES];
    LacpPort *port[LAB_SIDES][LAB_PORTS];
    bool plugged[LAB_PORTS];    /* the wire leads to the other side */
    bool mute[LAB_SIDES][LAB_PORTS];    /* frames sent there are lost */
    double loss;
    uint64_t delay_ns;          /* of each frame, at most, by chance */
    uint64_t now_ns;
    GRand *rand;
    GArray *in_flight;
} LacpLab;

LacpConfig lab_config(unsigned side);
LacpLab *lab_new(const LacpConfig *a, const LacpConfig *b);
void lab_free(LacpLab *lab);
/* Both ends of a link. */
void lab_plug(LacpLab *lab, unsigned port, bool plugged);
void lab_plug_all(LacpLab *lab);
/* Lets time pass. */
void lab_run(LacpLab *lab, uint64_t ns);
/* Runs until @ports ports distribute on both sides: the time, or ~0. */
uint64_t lab_run_until_up(LacpLab *lab, unsigned ports, uint64_t limit_ns);
unsigned lab_distributing(const LacpLab *lab, unsigned side);
LacpPortStatus lab_status(const LacpLab *lab, unsigned side, unsigned port);

#endif
