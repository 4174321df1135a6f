/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts of the FUSE protocol by name, to be compared. */
#ifndef TESTS_UNIT_SHARE_WIRE_H
#define TESTS_UNIT_SHARE_WIRE_H

#include <stdint.h>

typedef struct WireFact {
    const char *name;
    uint64_t value;
} WireFact;

/* Ends with a NULL name. */
extern const WireFact wire_facts_of_kernel[];

#endif
