/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: sweeps over memory that others write to
 *
 * A case maps memory, starts writers that know what every page must
 * hold, and sweeps until enough was written and discarded.  A page that
 * does not hold what its writer left there is lost.
 */
#ifndef SUNDER_TESTS_RACE_H
#define SUNDER_TESTS_RACE_H

#include "hw/mem/window.h"

#define RACE_PAGE  4096u
#define RACE_SUPER (2u << 20)

typedef struct RaceMemory {
    HostMemory memory;
    uint64_t super_page;
} RaceMemory;

typedef enum RaceKind {
    RACE_ANONYMOUS,
    RACE_HUGE,                  /* anonymous, transparent huge pages */
    RACE_MEMFD,
    RACE_HUGE_MEMFD,            /* with transparent huge pages, too */
    RACE_HUGETLB,               /* of the host's pool of huge pages */
} RaceKind;

/*
 * race_memory_map:
 *
 * Aborts where there is no memory.  Returns: false when the pool of
 * huge pages is too small.
 */
bool race_memory_map(RaceMemory *memory, RaceKind kind, uint64_t length);

/* Does nothing to memory that could not be mapped. */
void race_memory_unmap(RaceMemory *memory);

typedef enum RaceWriterKind {
    RACE_CPU,                   /* stores of single words */
    RACE_DIRECT,                /* direct I/O in flight */
    RACE_COPY,                  /* system calls that copy */
} RaceWriterKind;

typedef struct RaceWriters RaceWriters;

/*
 * race_writers_start:
 * @threads: 1 to 8, each with a part of the memory
 *
 * Returns: the writers, or NULL with @reason set when this host cannot:
 * a file for direct I/O is made in the present folder.
 */
RaceWriters *race_writers_start(const RaceMemory *memory,
                                RaceWriterKind kind, unsigned threads,
                                const char **reason);

/* Holds every writer between two writes, nothing in flight. */
void race_writers_hold(RaceWriters *writers);
void race_writers_go_on(RaceWriters *writers);

/* Holds direct I/O only, as a drain does. */
void race_writers_drain(RaceWriters *writers);

uint64_t race_writers_writes(RaceWriters *writers);

/* Stops them, looks at every page once more, frees. Returns: pages lost. */
uint64_t race_writers_stop(RaceWriters *writers);

/* Pages lost so far. */
uint64_t race_writers_lost(RaceWriters *writers);

#endif
