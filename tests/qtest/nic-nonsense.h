/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonsense for a network card: accesses of a driver that no driver makes, and
 * frames of wires that no neighbour sends.  All of it follows from a seed.
 */
#ifndef SUNDER_TESTS_NIC_NONSENSE_H
#define SUNDER_TESTS_NIC_NONSENSE_H

#include "nic-machine.h"

#define WIRES       4
#define FUNCTIONS   2

typedef struct Fuzzer {
    NicMachine *m;
    GRand *rand;
    QNic q[FUNCTIONS];
    QPCIBar mailbox;
} Fuzzer;

uint32_t below(Fuzzer *f, uint32_t limit);
uint64_t random64(Fuzzer *f);
/* Edges and single bits are more telling than noise. */
uint64_t nonsense(Fuzzer *f);
void fill_random(Fuzzer *f, uint8_t *bytes, size_t n);

/* To any wire. */
void fuzzer_bring_frames(Fuzzer *f);

/* Without this most accesses would soon find nobody. */
void fuzzer_start_driver(Fuzzer *f);
/* Of a function, or a frame of a wire. */
void fuzzer_access(Fuzzer *f);

#endif
