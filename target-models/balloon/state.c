/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon's pages as bytes: a version and the number of runs (32 bits
 * each), then for each run its first page and its count (64 bits each), all
 * little endian; runs in order, none touching the next.
 */
#include <string.h>

#include "target-models/balloon/internal.h"
#include "target-models/bytes.h"

#define STATE_VERSION 1
#define HEADER_BYTES  8
#define RUN_BYTES     16

G_DEFINE_QUARK(sunder-balloon-error-quark, balloon_error)

static unsigned first_bit(const uint64_t *bits, unsigned from, bool wanted)
{
    for (unsigned w = from / 64; w < BALLOON_WORDS; w++) {
        uint64_t word = wanted ? bits[w] : ~bits[w];

        if (w == from / 64) {
            word &= ~0ull << (from % 64);
        }
        if (word) {
            return w * 64 + __builtin_ctzll(word);
        }
    }
    return BALLOON_SUPER_PAGE;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The numbers of all chunks, in order; an array of uint32_t. */
static GArray *chunk_numbers(const BalloonPages *pages)
{
    GArray *numbers = g_array_sized_new(FALSE, FALSE, sizeof(uint32_t),
                                        g_hash_table_size(pages->chunks));
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, pages->chunks);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        uint32_t number = GPOINTER_TO_UINT(key);

        g_array_append_val(numbers, number);
    }
    g_array_sort(numbers, compare_numbers);
    return numbers;
}

static void add_run(GArray *runs, uint64_t first, uint64_t count)
{
    BalloonRun *last = runs->len ? &g_array_index(runs, BalloonRun,
                                                  runs->len - 1) : NULL;
    BalloonRun run = { first, count };

    if (last && last->first + last->count == first) {
        last->count += count;
    } else {
        g_array_append_val(runs, run);
    }
}

GArray *balloon_pages_runs(const BalloonPages *pages)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(BalloonRun));
    g_autoptr(GArray) numbers = chunk_numbers(pages);

    for (unsigned i = 0; i < numbers->len; i++) {
        uint32_t number = g_array_index(numbers, uint32_t, i);
        BalloonChunk *chunk = g_hash_table_lookup(pages->chunks,
                                                  GUINT_TO_POINTER(number));
        uint64_t base = (uint64_t)number * BALLOON_SUPER_PAGE;

        for (unsigned from = first_bit(chunk->in, 0, true);
             from < BALLOON_SUPER_PAGE;) {
            unsigned to = first_bit(chunk->in, from, false);

            add_run(runs, base + from, to - from);
            from = to < BALLOON_SUPER_PAGE ? first_bit(chunk->in, to, true)
                                           : to;
        }
    }
    return runs;
}

GByteArray *balloon_pages_save(const BalloonPages *pages)
{
    g_autoptr(GArray) runs = balloon_pages_runs(pages);
    GByteArray *bytes = g_byte_array_new();

    bytes_add32(bytes, STATE_VERSION);
    bytes_add32(bytes, runs->len);
    for (unsigned i = 0; i < runs->len; i++) {
        bytes_add64(bytes, g_array_index(runs, BalloonRun, i).first);
        bytes_add64(bytes, g_array_index(runs, BalloonRun, i).count);
    }
    return bytes;
}

static BalloonRun get_run(const uint8_t *data)
{
    return (BalloonRun){ bytes_le64(data), bytes_le64(data + 8) };
}

static bool refuse(GError **error, const char *what, uint64_t value,
                   const char *expected)
{
    g_set_error(error, BALLOON_ERROR, BALLOON_ERROR_STATE,
                "saved balloon: %s is %" G_GUINT64_FORMAT ", expected %s; "
                "the state was damaged", what, value, expected);
    return false;
}

static bool check_header(const uint8_t *data, size_t size, GError **error)
{
    if (size < HEADER_BYTES) {
        return refuse(error, "its size", size, "at least 8 bytes");
    }
    if (bytes_le32(data) != STATE_VERSION) {
        return refuse(error, "its version", bytes_le32(data), "1");
    }
    if ((size - HEADER_BYTES) % RUN_BYTES ||
        (size - HEADER_BYTES) / RUN_BYTES != bytes_le32(data + 4)) {
        return refuse(error, "its size", size,
                      "16 bytes for each run that it announces");
    }
    return true;
}

static bool check_runs(const uint8_t *data, uint32_t n, uint64_t limit,
                       GError **error)
{
    uint64_t next = 0, total = 0;

    for (uint32_t i = 0; i < n; i++) {
        BalloonRun run = get_run(data + HEADER_BYTES +
                                 (size_t)i * RUN_BYTES);

        if (run.first < next || run.first >= BALLOON_PAGES_MAX) {
            return refuse(error, "the first page of a run", run.first,
                          "one behind the run before and below 2^32");
        }
        if (run.count == 0 || run.count > BALLOON_PAGES_MAX - run.first) {
            return refuse(error, "the length of a run", run.count,
                          "at least 1, and its end not above 2^32");
        }
        total += run.count;
        if (total > limit) {
            return refuse(error, "the number of its pages", total,
                          "no more than this machine has");
        }
        next = run.first + run.count + 1;
    }
    return true;
}

bool balloon_pages_load(BalloonPages *pages, const uint8_t *data, size_t size,
                        uint64_t limit, GError **error)
{
    uint32_t n;

    if (!check_header(data, size, error)) {
        return false;
    }
    n = bytes_le32(data + 4);
    if (!check_runs(data, n, limit, error)) {
        return false;
    }
    balloon_pages_clear(pages);
    for (uint32_t i = 0; i < n; i++) {
        balloon_pages_add(pages,
                          get_run(data + HEADER_BYTES +
                                  (size_t)i * RUN_BYTES));
    }
    return true;
}
