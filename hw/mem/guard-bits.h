/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: a bit for each page
 */
#ifndef SUNDER_HW_GUARD_BITS_H
#define SUNDER_HW_GUARD_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_WORD_BITS 64

static inline uint64_t guard_bits_mask(uint64_t from, uint64_t end)
{
    uint64_t low = UINT64_MAX << (from % GUARD_WORD_BITS);
    uint64_t high = end - (from - from % GUARD_WORD_BITS);

    return high >= GUARD_WORD_BITS ? low : low & ~(UINT64_MAX << high);
}

/* Sets or clears the bits from @from up to @end. */
static inline void guard_bits_put(uint64_t *bits, uint64_t from,
                                  uint64_t end, bool value)
{
    while (from < end) {
        uint64_t mask = guard_bits_mask(from, end);
        uint64_t *word = &bits[from / GUARD_WORD_BITS];

        __atomic_store_n(word, value ? *word | mask : *word & ~mask,
                         __ATOMIC_RELAXED);
        from = (from / GUARD_WORD_BITS + 1) * GUARD_WORD_BITS;
    }
}

/* Returns: the first bit of @value from @from on, or @end. */
static inline uint64_t guard_bits_find(const uint64_t *bits, uint64_t from,
                                       uint64_t end, bool value)
{
    while (from < end) {
        uint64_t word = bits[from / GUARD_WORD_BITS];

        word = (value ? word : ~word) & guard_bits_mask(from, end);
        if (word) {
            return from - from % GUARD_WORD_BITS + __builtin_ctzll(word);
        }
        from = (from / GUARD_WORD_BITS + 1) * GUARD_WORD_BITS;
    }
    return end;
}

/* May be called while others change bits. */
static inline bool guard_bits_test(const uint64_t *bits, uint64_t bit)
{
    return __atomic_load_n(&bits[bit / GUARD_WORD_BITS],
                           __ATOMIC_RELAXED) >>
           (bit % GUARD_WORD_BITS) & 1;
}

#endif
