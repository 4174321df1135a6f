/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A translation lookaside buffer of one processor
 *
 * Set-associative, the least recently used entry of a set is replaced.
 * An entry is found by address space (PCID; Intel SDM volume 3A, 4.10.1)
 * and virtual page number, and holds a translation with its cookie.  It
 * serves as any set-associative cache keyed by two numbers.
 *
 * Used by one thread at a time; nothing is global.
 */
#ifndef SUNDER_PAGING_PROCESSOR_TLB_H
#define SUNDER_PAGING_PROCESSOR_TLB_H

#include "target-models/paging/cookies.h"

#define PROCESSOR_TLB_MAX_ENTRIES 65536

typedef struct ProcessorTlb ProcessorTlb;

typedef struct ProcessorTlbEntry {
    bool valid;
    uint32_t space;             /* address space */
    uint64_t page;              /* virtual page number */
    uint64_t used;              /* when it was used last; for replacement */
    CookieTranslation translation;
} ProcessorTlbEntry;

/*
 * processor_tlb_new:
 * @entries: at most PROCESSOR_TLB_MAX_ENTRIES
 * @ways: entries of a set; @entries / @ways is a power of two
 *
 * Returns: an empty TLB, freed with processor_tlb_free(), or NULL if
 * there cannot be one of that form.
 */
ProcessorTlb *processor_tlb_new(unsigned entries, unsigned ways);
void processor_tlb_free(ProcessorTlb *tlb);

/*
 * processor_tlb_find:
 *
 * Returns: the entry, marked as used now, or NULL.  It is the TLB's, and
 * what it holds until the next call of another function.
 */
ProcessorTlbEntry *processor_tlb_find(ProcessorTlb *tlb, uint32_t space,
                                      uint64_t page);

/*
 * processor_tlb_insert:
 * @replaced: NULL, or filled with what had to go (valid or not)
 *
 * Puts a translation in; one of the same page is overwritten.
 */
void processor_tlb_insert(ProcessorTlb *tlb, uint32_t space, uint64_t page,
                          CookieTranslation translation,
                          ProcessorTlbEntry *replaced);

/* INVLPG.  Returns: whether there was an entry. */
bool processor_tlb_drop(ProcessorTlb *tlb, uint32_t space, uint64_t page);

/* Drops the entries of one address space, or all.  Returns: how many. */
unsigned processor_tlb_flush_space(ProcessorTlb *tlb, uint32_t space);
unsigned processor_tlb_flush(ProcessorTlb *tlb);

#endif
