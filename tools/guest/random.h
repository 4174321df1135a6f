/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers of the programs that run in the guest
 */
#ifndef SUNDER_GUEST_RANDOM_H
#define SUNDER_GUEST_RANDOM_H

#include <stdint.h>

/*
 * Marsaglia, "Xorshift RNGs", 2003: the 64-bit generator (13, 7, 17).
 * @state is anything but 0.
 */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
