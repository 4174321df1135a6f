/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chance: each rule has a generator of its own, so that one rule's draws
 * do not depend on how often another rule is asked.
 *
 * The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable
 * pseudorandom number generators", OOPSLA 2014): a Weyl sequence with the
 * odd constant nearest to 2^64 / golden ratio, put through a mixing
 * function; the multipliers are variant 13 of Stafford's "Better bit
 * mixing".  Eight bytes of state, any of them valid.
 */
#include "internal.h"

#define WEYL     UINT64_C(0x9e3779b97f4a7c15)
/* A double's significand: chances are compared as whole numbers. */
#define FRACTION_BITS 53

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/*
 * The seed of the rule added as number @place.  Both are mixed first:
 * neighbouring places must not give shifted copies of one sequence.
 */
uint64_t fault_random_derive(uint64_t seed, uint64_t place)
{
    return mix(mix(seed + WEYL) ^ mix((place + 1) * WEYL));
}

/* Rounded up, so that no chance above 0 becomes 0. */
uint64_t fault_random_threshold(double probability)
{
    double scaled = probability * (double)(UINT64_C(1) << FRACTION_BITS);
    uint64_t whole = (uint64_t)scaled;

    return whole + ((double)whole < scaled);
}

bool fault_random_happens(uint64_t *state, uint64_t threshold)
{
    *state += WEYL;
    return mix(*state) >> (64 - FRACTION_BITS) < threshold;
}
