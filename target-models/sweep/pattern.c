/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-page sweep: comparing memory with a pattern
 *
 * A sweep is as fast as this loop: with AVX2 it reaches the bandwidth of
 * one core's memory, and memory that does not match is left after one
 * cache line.
 */
#include <string.h>

#include "target-models/sweep/sweep.h"

/* Bytes compared before the next look at the result. */
#define STRIDE 256

static bool line_matches(const uint64_t *words, uint64_t pattern)
{
    uint64_t difference = 0;

    for (unsigned i = 0; i < 8; i++) {
        difference |= words[i] ^ pattern;
    }
    return difference == 0;
}

static bool lines_match(const uint8_t *memory, uint64_t length,
                        uint64_t pattern)
{
    for (uint64_t i = 0; i < length; i += 64) {
        if (!line_matches((const uint64_t *)(memory + i), pattern)) {
            return false;
        }
    }
    return true;
}

#ifdef __x86_64__
typedef long long Vector __attribute__((vector_size(32), may_alias));
typedef Vector Unaligned __attribute__((aligned(8)));

__attribute__((target("avx2")))
static bool strides_match_avx2(const uint8_t *memory, uint64_t length,
                               uint64_t pattern)
{
    const long long word = pattern;
    const Vector want = { word, word, word, word };

    for (uint64_t i = 0; i < length; i += STRIDE) {
        const Unaligned *at = (const Unaligned *)(memory + i);
        Vector difference = { 0 };

        for (unsigned j = 0; j < STRIDE / sizeof(Vector); j++) {
            difference |= at[j] ^ want;
        }
        /* vptest: whether no bit is set */
        if (!__builtin_ia32_ptestz256(difference, difference)) {
            return false;
        }
    }
    return true;
}
#endif

static bool strides_match(const uint8_t *memory, uint64_t length,
                          uint64_t pattern)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        return strides_match_avx2(memory, length, pattern);
    }
#endif
    return lines_match(memory, length, pattern);
}

bool sweep_matches(const void *memory, uint64_t length, uint64_t pattern)
{
    const uint8_t *bytes = memory;
    uint64_t strides = length / STRIDE * STRIDE;

    return line_matches(memory, pattern) &&
           line_matches((const uint64_t *)(bytes + length - 64), pattern) &&
           strides_match(bytes, strides, pattern) &&
           lines_match(bytes + strides, length - strides, pattern);
}

/* How far ahead lines are fetched: a miss costs as much as this many. */
#define AHEAD 16

/* Lines of a page, in 64ths of it, that a first look looks at. */
static const uint8_t sample[] = { 63, 32, 9, 21, 46, 54 };

static const uint64_t *line_at(const uint8_t *page, uint64_t size,
                               unsigned part)
{
    return (const uint64_t *)(page + size / 64 * part);
}

/* Without a branch, so that all lines are fetched at once. */
static bool sample_matches(const uint8_t *page, uint64_t size,
                           uint64_t pattern)
{
    unsigned matching = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(sample); i++) {
        matching += line_matches(line_at(page, size, sample[i]), pattern);
    }
    return matching == G_N_ELEMENTS(sample);
}

/* Compares one line of each page. */
static bool pages_match_at(const uint8_t *memory, uint64_t page,
                           unsigned pages, uint64_t pattern, unsigned part)
{
    for (unsigned i = 0; i < pages; i++) {
        const uint64_t *line = line_at(memory + i * page, page, part);

        __builtin_prefetch((const uint8_t *)line + AHEAD * page);
        if (!line_matches(line, pattern)) {
            return false;
        }
    }
    return true;
}

/* Sets a bit for each page that may match. */
static void screen_pages(const uint8_t *memory, uint64_t page,
                         unsigned pages, uint64_t pattern,
                         uint64_t *matching)
{
    memset(matching, 0, (pages + 63) / 64 * sizeof(*matching));
    for (unsigned i = 0; i < pages; i++) {
        const uint8_t *at = memory + i * page;

        __builtin_prefetch(at + AHEAD * page);
        if (line_matches((const uint64_t *)at, pattern) &&
            sample_matches(at, page, pattern)) {
            matching[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
}

void sweep_screen(const void *memory, uint64_t page, unsigned pages,
                  uint64_t pattern, uint64_t *matching)
{
    if (pages > 1 && pages_match_at(memory, page, pages, pattern, 0) &&
        pages_match_at(memory, page, pages, pattern, 63) &&
        pages_match_at(memory, page, pages, pattern, 32)) {
        memset(matching, 0, (pages + 63) / 64 * sizeof(*matching));
        for (unsigned i = 0; i < pages; i++) {
            matching[i / 64] |= UINT64_C(1) << (i % 64);
        }
    } else {
        screen_pages(memory, page, pages, pattern, matching);
    }
}

void sweep_classify(const void *memory, uint64_t page, unsigned pages,
                    uint64_t pattern, uint64_t *matching)
{
    const uint8_t *bytes = memory;

    memset(matching, 0, (pages + 63) / 64 * sizeof(*matching));
    for (unsigned i = 0; i < pages; i++) {
        const uint8_t *at = bytes + i * page;

        __builtin_prefetch(at + AHEAD * page);
        if (sweep_matches(at, page, pattern)) {
            matching[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
}
