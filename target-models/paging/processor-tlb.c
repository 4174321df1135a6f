/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A translation lookaside buffer of one processor
 */
#include "target-models/paging/processor-tlb.h"

struct ProcessorTlb {
    unsigned entries, ways;
    uint64_t set_mask;
    uint64_t now;               /* counts uses */
    ProcessorTlbEntry *table;
};

ProcessorTlb *processor_tlb_new(unsigned entries, unsigned ways)
{
    unsigned sets = ways ? entries / ways : 0;
    ProcessorTlb *tlb;

    if (!sets || entries > PROCESSOR_TLB_MAX_ENTRIES || entries % ways ||
        sets & (sets - 1)) {
        return NULL;
    }
    tlb = g_new0(ProcessorTlb, 1);
    tlb->entries = entries;
    tlb->ways = ways;
    tlb->set_mask = sets - 1;
    tlb->table = g_new0(ProcessorTlbEntry, entries);
    return tlb;
}

void processor_tlb_free(ProcessorTlb *tlb)
{
    if (tlb) {
        g_free(tlb->table);
        g_free(tlb);
    }
}

/* The space is not part of the index, as PCIDs are not in processors. */
static ProcessorTlbEntry *tlb_set(ProcessorTlb *tlb, uint64_t page)
{
    return &tlb->table[(page & tlb->set_mask) * tlb->ways];
}

static ProcessorTlbEntry *tlb_find(ProcessorTlb *tlb, uint32_t space,
                                   uint64_t page)
{
    ProcessorTlbEntry *set = tlb_set(tlb, page);

    for (unsigned way = 0; way < tlb->ways; way++) {
        if (set[way].page == page && set[way].space == space &&
            set[way].valid) {
            return &set[way];
        }
    }
    return NULL;
}

ProcessorTlbEntry *processor_tlb_find(ProcessorTlb *tlb, uint32_t space,
                                      uint64_t page)
{
    ProcessorTlbEntry *entry = tlb_find(tlb, space, page);

    if (entry) {
        entry->used = ++tlb->now;
    }
    return entry;
}

/* An entry that is free, or else the one not used for longest */
static ProcessorTlbEntry *tlb_victim(ProcessorTlb *tlb, uint64_t page)
{
    ProcessorTlbEntry *set = tlb_set(tlb, page);
    ProcessorTlbEntry *victim = set;

    for (unsigned way = 0; way < tlb->ways; way++) {
        if (!set[way].valid) {
            return &set[way];
        }
        if (set[way].used < victim->used) {
            victim = &set[way];
        }
    }
    return victim;
}

void processor_tlb_insert(ProcessorTlb *tlb, uint32_t space, uint64_t page,
                          CookieTranslation translation,
                          ProcessorTlbEntry *replaced)
{
    ProcessorTlbEntry *entry = tlb_find(tlb, space, page);

    if (!entry) {
        entry = tlb_victim(tlb, page);
    }
    if (replaced) {
        *replaced = *entry;
    }
    *entry = (ProcessorTlbEntry) {
        .valid = true, .space = space, .page = page, .used = ++tlb->now,
        .translation = translation,
    };
}

bool processor_tlb_drop(ProcessorTlb *tlb, uint32_t space, uint64_t page)
{
    ProcessorTlbEntry *entry = tlb_find(tlb, space, page);

    if (entry) {
        entry->valid = false;
    }
    return entry != NULL;
}

unsigned processor_tlb_flush_space(ProcessorTlb *tlb, uint32_t space)
{
    unsigned dropped = 0;

    for (unsigned i = 0; i < tlb->entries; i++) {
        if (tlb->table[i].valid && tlb->table[i].space == space) {
            tlb->table[i].valid = false;
            dropped++;
        }
    }
    return dropped;
}

unsigned processor_tlb_flush(ProcessorTlb *tlb)
{
    unsigned dropped = 0;

    for (unsigned i = 0; i < tlb->entries; i++) {
        dropped += tlb->table[i].valid;
        tlb->table[i].valid = false;
    }
    return dropped;
}
