/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy map: the bits. */
#include <stdlib.h>

#include "target-models/snapshot/copy-map.h"

#define WORD 64

struct CopyMap {
    uint64_t length;
    uint64_t blocks;
    uint64_t copied;
    uint32_t block;
    uint64_t *words;
};

CopyMap *copy_map_new(uint64_t length, uint32_t block)
{
    uint64_t blocks = length / block + !!(length % block);
    CopyMap *map;
    uint64_t *words;

    g_assert(block >= COPY_MAP_MIN_BLOCK && block <= COPY_MAP_MAX_BLOCK);
    g_assert((block & (block - 1)) == 0);
    /* calloc() leaves what was never touched to the kernel */
    words = calloc(blocks / WORD + 1, sizeof(*words));
    if (!words) {
        return NULL;
    }
    map = g_new0(CopyMap, 1);
    map->length = length;
    map->blocks = blocks;
    map->block = block;
    map->words = words;
    return map;
}

void copy_map_free(CopyMap *map)
{
    if (map) {
        free(map->words);
        g_free(map);
    }
}

uint64_t copy_map_length(const CopyMap *map)
{
    return map->length;
}

uint32_t copy_map_block(const CopyMap *map)
{
    return map->block;
}

uint64_t copy_map_blocks(const CopyMap *map)
{
    return map->blocks;
}

uint64_t copy_map_copied(const CopyMap *map)
{
    return map->copied;
}

uint64_t copy_map_left(const CopyMap *map)
{
    uint64_t left = (map->blocks - map->copied) * map->block;
    uint64_t tail = map->length % map->block;

    if (tail && !copy_map_holds(map, map->blocks - 1, 1)) {
        left -= map->block - tail;
    }
    return left;
}

static uint64_t load(const CopyMap *map, uint64_t word)
{
    return __atomic_load_n(&map->words[word], __ATOMIC_ACQUIRE);
}

/* The bits of @word that belong to [@first, @end). */
static uint64_t mask_of(uint64_t word, uint64_t first, uint64_t end)
{
    uint64_t mask = UINT64_MAX;

    if (first > word * WORD) {
        mask <<= first - word * WORD;
    }
    if (end < (word + 1) * WORD) {
        mask &= UINT64_MAX >> ((word + 1) * WORD - end);
    }
    return mask;
}

bool copy_map_holds(const CopyMap *map, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;

    for (uint64_t w = first / WORD; count && w <= (end - 1) / WORD; w++) {
        uint64_t mask = mask_of(w, first, end);

        if ((load(map, w) & mask) != mask) {
            return false;
        }
    }
    return true;
}

static void set_word(CopyMap *map, uint64_t word, uint64_t bits)
{
    uint64_t before = __atomic_fetch_or(&map->words[word], bits,
                                        __ATOMIC_ACQ_REL);

    map->copied += __builtin_popcountll(bits & ~before);
}

void copy_map_set(CopyMap *map, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;

    g_assert(end >= first && end <= map->blocks);
    for (uint64_t w = first / WORD; count && w <= (end - 1) / WORD; w++) {
        set_word(map, w, mask_of(w, first, end));
    }
}

uint64_t copy_map_next(const CopyMap *map, uint64_t first, uint64_t end,
                       bool set)
{
    if (first >= end) {
        return end;
    }
    for (uint64_t w = first / WORD; w <= (end - 1) / WORD; w++) {
        uint64_t bits = load(map, w);

        bits = (set ? bits : ~bits) & mask_of(w, first, end);
        if (bits) {
            return w * WORD + __builtin_ctzll(bits);
        }
    }
    return end;
}

bool copy_map_any_only_in(const CopyMap *a, const CopyMap *b)
{
    uint64_t end = MIN(a->blocks, b->blocks);

    for (uint64_t w = 0; end && w <= (end - 1) / WORD; w++) {
        if (load(b, w) & ~load(a, w) & mask_of(w, 0, end)) {
            return true;
        }
    }
    return false;
}

void copy_map_bits(const CopyMap *map, uint64_t first, uint8_t *bytes,
                   unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++) {
        uint64_t block = first + 8 * (uint64_t)i;

        bytes[i] = block < map->blocks ?
                   load(map, block / WORD) >> block % WORD : 0;
    }
}

void copy_map_load_bits(CopyMap *map, uint64_t first, const uint8_t *bytes,
                        unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++) {
        uint64_t block = first + 8 * (uint64_t)i;
        uint64_t word = block / WORD;

        if (block < map->blocks && bytes[i]) {
            set_word(map, word, (uint64_t)bytes[i] << block % WORD &
                                mask_of(word, block, map->blocks));
        }
    }
}
