/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: the fake response generator. */
#include "rac-internal.h"

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

static void *byte_key(uint64_t offset)
{
    /* 0 would be NULL, which is as good a key as any, but not a miss */
    return (void *)(uintptr_t)(offset + 1);
}

static uint64_t constant_at(uint64_t value, uint64_t offset)
{
    unsigned shift = (offset & 7) * 8;

    /* the constant repeats every eight bytes: rotate it into place */
    return shift ? (value >> shift) | (value << (64 - shift)) : value;
}

static uint64_t last_at(RacEntryPrivate *p, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        void *byte;
        uint64_t data = 0xff;

        if (g_hash_table_lookup_extended(p->last, byte_key(offset + i),
                                         NULL, &byte)) {
            data = (uintptr_t)byte;
        }
        value |= data << (i * 8);
    }
    return value;
}

uint64_t rac_entry_read(RacEntry *entry, uint64_t offset, unsigned size)
{
    entry->counters.faked_reads++;
    switch (entry->fake) {
    case RAC_FAKE_ZERO:
        return 0;
    case RAC_FAKE_CONSTANT:
        return constant_at(entry->value, offset) & ones(size);
    case RAC_FAKE_LAST:
        return last_at(rac_entry_private(entry), offset, MIN(size, 8));
    default:
        return ones(size);
    }
}

void rac_entry_write(RacEntry *entry)
{
    entry->counters.faked_writes++;
}

void rac_entry_observe(RacEntry *entry, uint64_t offset, unsigned size,
                       uint64_t value)
{
    RacEntryPrivate *p = rac_entry_private(entry);

    if (entry->fake != RAC_FAKE_LAST) {
        return;
    }
    for (unsigned i = 0; i < MIN(size, 8); i++) {
        void *key = byte_key(offset + i);

        if (g_hash_table_size(p->last) < RAC_MAX_LAST_VALUES ||
            g_hash_table_contains(p->last, key)) {
            g_hash_table_insert(p->last, key,
                                (void *)(uintptr_t)
                                ((value >> (i * 8)) & 0xff));
        }
    }
}

void rac_entry_set_fake(RacEntry *entry, RacFake fake, uint64_t value)
{
    RacEntryPrivate *p = rac_entry_private(entry);

    entry->fake = fake;
    entry->value = value;
    g_clear_pointer(&p->last, g_hash_table_unref);
    if (fake == RAC_FAKE_LAST) {
        p->last = g_hash_table_new(NULL, NULL);
    }
}
