/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time of the programs that run in the guest
 */
#ifndef SUNDER_GUEST_CLOCK_H
#define SUNDER_GUEST_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S       1000000000ull

/* Returns: nanoseconds of the monotonic clock. */
static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
