/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs over one memory
 *
 * Models a multiprocessor in which page tables change while other
 * processors use them, with either of two ways to keep their TLBs right:
 * page-mapping cookies (cookies.h), or the shoot-down by interrupts that
 * operating systems use.  It counts what each costs in cycles, so that
 * the two can be compared on the same work.
 *
 * Concepts:
 *
 * - A processor has a first-level data TLB (dTLB), a second-level TLB
 *   (STLB) that is asked after it, and, with cookies, two caches of lines
 *   of the cookie buffer, its parts of an L1 and an L2.  All are
 *   set-associative, of any size.
 * - A space is an address space (a process): a table of page-table
 *   entries.  A processor runs in one space at a time; its TLBs may keep
 *   entries of others (PCID).
 * - A frame is a physical page.  Which frames are free is the caller's
 *   business.
 * - A memory operation translates a page and accesses its frame.  It
 *   takes place at once: no change of a page table falls into its middle.
 * - A remap places virtual pages in other frames.  It is complete when no
 *   processor will use the old ones any more; only then may they be given
 *   away.  Unmapping and taking the right to write are of the same kind.
 * - With shoot-down, the processor that remaps invalidates its own TLB
 *   and interrupts each other processor that runs in the space; each
 *   enters its handler, invalidates (page by page, or everything when
 *   there are more pages than the ceiling) and acknowledges; all that
 *   time the first one waits.  A processor that does not run in the space
 *   is not interrupted: the space's generation tells it to flush when it
 *   comes back, as Linux does (arch/x86/mm/tlb.c, tlb_gen).
 * - With cookies it changes the cookie of each old frame and is done.
 *   The lines of the buffer go through caches as any memory does: read
 *   by many, owned by the one who writes.  What others have to pay is
 *   that they lose the line, and that the operation which finds another
 *   cookie is restarted with a translation made anew.
 * - Every processor has a clock in cycles, advanced by what it does and
 *   what is done to it.  To run processors side by side, let the one with
 *   the lowest clock go next: processors_next().
 *
 * Left out, as both ways pay it alike: the cache misses of the data
 * itself, locks of the page tables, and queues on the bus.  A processor
 * that is interrupted drops its entries at once rather than when the
 * interrupt arrives, a few hundred cycles later.
 *
 * Numbers out of range (processor, space, page, frame) are refused with
 * false and nothing happens.  Nothing here is thread safe or global, and
 * there is no clock but the counted one: the same calls give the same
 * cycles.
 */
#ifndef SUNDER_PAGING_PROCESSORS_H
#define SUNDER_PAGING_PROCESSORS_H

#include "target-models/paging/cookies.h"
#include "target-models/paging/processor-tlb.h"

#define PROCESSORS_MAX        64
#define PROCESSORS_MAX_SPACES 4096
#define PROCESSORS_MAX_PAGES  (1u << 22)        /* of one space */
#define PROCESSORS_MAX_FRAMES (1u << 24)

typedef struct Processors Processors;

typedef enum ProcessorsScheme {
    PROCESSORS_COOKIES,
    PROCESSORS_SHOOTDOWN,
} ProcessorsScheme;

/*
 * Costs in cycles.  The defaults and where they come from are in
 * processors_default_costs().
 */
typedef struct ProcessorsCosts {
    uint32_t access;            /* the data itself, in the nearest cache */
    uint32_t stlb;              /* more when the STLB has it */
    uint32_t walk;              /* more when the page tables are walked */
    uint32_t cookie;            /* the comparison, line in our cache */
    uint32_t line_far;          /* more when only the larger cache has it */
    uint32_t line_fetch;        /* a line nobody else has changed */
    uint32_t line_transfer;     /* a line that others hold or changed */
    uint32_t entry_write;       /* of a page-table entry */
    uint32_t invlpg;            /* invalidating one page */
    uint32_t flush;             /* invalidating a space */
    uint32_t ipi_send;          /* interrupting one processor */
    uint32_t ipi_deliver;       /* until its handler begins */
    uint32_t ipi_handle;        /* the handler but for invalidating */
    uint32_t switch_space;      /* MOV to CR3 that keeps the TLB */
} ProcessorsCosts;

typedef struct ProcessorsConfig {
    ProcessorsScheme scheme;
    unsigned processors;        /* 1 to PROCESSORS_MAX */
    unsigned spaces;            /* 1 to PROCESSORS_MAX_SPACES */
    unsigned pages;             /* of each space, to PROCESSORS_MAX_PAGES */
    unsigned frames;            /* 1 to PROCESSORS_MAX_FRAMES */
    unsigned dtlb_entries, dtlb_ways;
    unsigned stlb_entries, stlb_ways;
    unsigned line_bytes;        /* of a cache line, a power of two >= 8 */
    unsigned line_entries, line_ways;   /* lines of cookies cached near */
    unsigned far_entries, far_ways;     /* and in a larger cache behind */
    unsigned cookie_width;      /* bits; in memory 1, 2, 4 or 8 bytes */
    unsigned flush_ceiling;     /* pages; more: the whole space */
    ProcessorsCosts costs;
} ProcessorsConfig;

typedef enum ProcessorsOutcome {
    PROCESSORS_DONE,
    PROCESSORS_NOT_MAPPED,      /* page fault: no mapping */
    PROCESSORS_NOT_WRITABLE,    /* page fault: a write to a read-only page */
} ProcessorsOutcome;

/* What a memory operation did. */
typedef struct ProcessorsAccess {
    ProcessorsOutcome outcome;
    uint64_t frame;             /* that was accessed, if done */
    bool restarted;             /* the cookies differed */
    bool walked;                /* the page tables were walked */
    uint32_t cycles;            /* it took */
} ProcessorsAccess;

/* Since the beginning, of all processors together. */
typedef struct ProcessorsCounters {
    uint64_t operations, faults;
    uint64_t dtlb_hits, stlb_hits, walks;
    uint64_t restarts;          /* operations whose cookie differed */
    uint64_t line_hits, line_far_hits, line_fetches, line_transfers;
    uint64_t changes;           /* remaps, unmaps and protections */
    uint64_t changed_pages;     /* pages in them that were mapped */
    uint64_t change_cycles;     /* spent by processors that did them */
    uint64_t interrupts;        /* handled by others */
    uint64_t interrupt_cycles;  /* taken from them */
    uint64_t pages_invalidated, spaces_flushed;
    uint64_t exhausted;         /* cookies that had run out of values */
} ProcessorsCounters;

/* Fills in the defaults: see processors_default_config() in the .c file. */
void processors_default_costs(ProcessorsCosts *costs);
void processors_default_config(ProcessorsConfig *config);

/*
 * processors_new:
 *
 * Returns: processors with empty TLBs, all in space 0, where nothing is
 * mapped, and clocks at 0; freed with processors_free().  NULL with
 * @error set, which names the member of @config that cannot be.
 */
Processors *processors_new(const ProcessorsConfig *config, GError **error);
void processors_free(Processors *processors);

#define PROCESSORS_ERROR processors_error_quark()
GQuark processors_error_quark(void);

typedef enum ProcessorsError {
    PROCESSORS_ERROR_CONFIG,
} ProcessorsError;

/*
 * processors_access:
 * @access: filled in
 *
 * A memory operation of processor @cpu on @page of the space it runs in.
 */
bool processors_access(Processors *processors, unsigned cpu, uint64_t page,
                       bool write, ProcessorsAccess *access);

/*
 * processors_map:
 *
 * Places a page that is not mapped in @frame; false also if it is.  No
 * TLB holds anything of it, so nobody is told.
 */
bool processors_map(Processors *processors, unsigned cpu, unsigned space,
                    uint64_t page, uint64_t frame, bool writable);

/*
 * processors_remap, processors_unmap, processors_protect:
 * @page, @count: the pages, in one operation
 * @frames: for each, the frame to place it in; rights stay
 *
 * Pages that are not mapped stay so.  processors_protect() takes the
 * right to write.  They are complete when the call returns.
 */
bool processors_remap(Processors *processors, unsigned cpu, unsigned space,
                      uint64_t page, uint64_t count,
                      const uint64_t *frames);
bool processors_unmap(Processors *processors, unsigned cpu, unsigned space,
                      uint64_t page, uint64_t count);
bool processors_protect(Processors *processors, unsigned cpu,
                        unsigned space, uint64_t page, uint64_t count);

/* Lets processor @cpu run in @space from now on. */
bool processors_switch(Processors *processors, unsigned cpu,
                       unsigned space);

/* Returns: the processor whose clock is lowest; of several the first. */
unsigned processors_next(const Processors *processors);

/* Returns: the clock of @cpu in cycles; 0 if there is none. */
uint64_t processors_clock(const Processors *processors, unsigned cpu);

/* Returns: the counters; they are @processors' own and go on counting. */
const ProcessorsCounters *processors_counters(const Processors *processors);

/* The cookie buffer, for tests; NULL with shoot-down. */
CookieBuffer *processors_cookies(Processors *processors);

#endif
