/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window of a sweep
 *
 * What matches again is gathered and given back in pieces: large enough
 * to be cheap, small enough that a writer who has to wait for one does
 * not wait long.
 */
#include <string.h>

#include "hw/mem/window.h"

/* Bytes in a piece, at 0.01, 0.5 and 4 microseconds a page. */
#define PIECE_SUPER   (UINT64_C(16) << 20)
#define PIECE_PAGES   (UINT64_C(512) << 10)
#define PIECE_SHARED  (UINT64_C(128) << 10)
#define PIECE_RANGES  128

#define PREFETCH 1024

/* A piece in the making. */
typedef struct Piece {
    const SweepWindow *window;
    SweepWindowResult *result;
    uint32_t region;
    bool super_page;
    struct iovec ranges[PIECE_RANGES];
    unsigned count;
    uint64_t bytes;
    GError *error;
} Piece;

static uint64_t piece_limit(const Piece *piece)
{
    const HostMemory *m = &piece->window->memory[piece->region];

    if (m->kind == HOST_MEMORY_ANONYMOUS) {
        return piece->super_page ? PIECE_SUPER : PIECE_PAGES;
    }
    return PIECE_SHARED;
}

/* A range that is not made of whole super pages counts as pages. */
static void count_taken(Piece *piece, const struct iovec *range)
{
    const HostMemory *m = &piece->window->memory[piece->region];
    uint64_t super = piece->window->super_page[piece->region];
    SweepRun run = {
        .region = piece->region,
        .offset = (uint8_t *)range->iov_base - m->host,
        .length = range->iov_len,
    };

    run.super_page = piece->super_page &&
                     !((run.offset | run.length) & (super - 1));
    if (run.super_page) {
        piece->result->super_pages += run.length / super;
    } else {
        piece->result->pages += run.length / m->page;
    }
    piece->result->bytes += run.length;
    g_array_append_val(piece->result->taken, run);
}

static bool take(void *opaque, const struct iovec *ranges,
                 const struct iovec *views, unsigned count)
{
    Piece *piece = opaque;
    const SweepWindow *w = piece->window;

    if (w->fault_errno) {
        g_set_error(&piece->error, HOST_MEMORY_ERROR,
                    HOST_MEMORY_ERROR_DISCARD,
                    "cannot give back %zu bytes at %p: %s (an injected "
                    "fault)", views[0].iov_len, views[0].iov_base,
                    g_strerror(w->fault_errno));
        return false;
    }
    if (!host_memory_discard(&w->memory[piece->region], views, count,
                             &piece->error)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        count_taken(piece, &ranges[i]);
    }
    return true;
}

/* Takes the piece.  Returns: false when the kernel refused. */
static bool flush(Piece *piece)
{
    uint64_t taken;

    if (!piece->count) {
        return true;
    }
    taken = write_guard_take(piece->window->guard, piece->ranges,
                             piece->count, true, take, piece);
    if (!piece->error) {
        piece->result->raced += piece->bytes - taken;
    }
    piece->count = 0;
    piece->bytes = 0;
    return !piece->error;
}

static bool add(Piece *piece, uint8_t *host, uint64_t length)
{
    struct iovec *last = piece->count ? &piece->ranges[piece->count - 1]
                                      : NULL;

    if (last && (uint8_t *)last->iov_base + last->iov_len == host) {
        last->iov_len += length;
    } else {
        if (piece->count == PIECE_RANGES && !flush(piece)) {
            return false;
        }
        piece->ranges[piece->count++] = (struct iovec) { host, length };
    }
    piece->bytes += length;
    return piece->bytes < piece_limit(piece) || flush(piece);
}

static bool look_pages(Piece *piece, uint8_t *host, uint64_t length)
{
    const SweepWindow *w = piece->window;
    uint64_t page = w->memory[piece->region].page;

    for (uint64_t at = 0; at < length; at += page) {
        const void *view = write_guard_view(w->guard, host + at);

        if (!sweep_matches(view, page, w->pattern)) {
            piece->result->unmatched += page;
        } else if (!add(piece, host + at, page)) {
            return false;
        }
    }
    return true;
}

/* A super page that does not match as a whole may have pages that do. */
static bool look_super(Piece *piece, uint8_t *host, uint64_t length)
{
    const SweepWindow *w = piece->window;
    uint64_t super = w->super_page[piece->region];

    for (uint64_t at = 0; at < length; at += super) {
        const void *view = write_guard_view(w->guard, host + at);
        bool fine = true;

        if (sweep_matches(view, super, w->pattern)) {
            fine = add(piece, host + at, super);
        } else if (w->super_only) {
            piece->result->unmatched += super;
        } else {
            fine = look_pages(piece, host + at, super);
        }
        if (!fine) {
            return false;
        }
    }
    return true;
}

static bool look(Piece *piece, const SweepRun *run)
{
    uint8_t *host = piece->window->memory[run->region].host + run->offset;

    if ((run->region != piece->region ||
         run->super_page != piece->super_page) && !flush(piece)) {
        return false;
    }
    piece->region = run->region;
    piece->super_page = run->super_page;
    return run->super_page ? look_super(piece, host, run->length)
                           : look_pages(piece, host, run->length);
}

/* Fetches where the next run begins while this one is compared. */
static void prefetch(const Piece *piece, const SweepRun *run)
{
    const uint8_t *host = piece->window->memory[run->region].host +
                          run->offset;

    for (unsigned i = 0; i < PREFETCH; i += 64) {
        __builtin_prefetch(host + i);
    }
}

unsigned sweep_window_ranges(const SweepWindow *window,
                             const SweepRun *runs, unsigned count,
                             struct iovec *ranges)
{
    for (unsigned i = 0; i < count; i++) {
        ranges[i] = (struct iovec) {
            window->memory[runs[i].region].host + runs[i].offset,
            runs[i].length,
        };
    }
    return count;
}

bool sweep_window_take(const SweepWindow *window, const SweepRun *runs,
                       unsigned count, SweepWindowResult *result,
                       GError **error)
{
    g_autofree Piece *piece = g_new0(Piece, 1);
    bool fine = true;

    piece->window = window;
    piece->result = result;
    for (unsigned i = 0; i < count && fine; i++) {
        if (window->stop && g_atomic_int_get(window->stop)) {
            break;
        }
        if (i + 1 < count) {
            prefetch(piece, &runs[i + 1]);
        }
        fine = look(piece, &runs[i]);
    }
    if (!fine || !flush(piece)) {
        g_propagate_error(error, piece->error);
        return false;
    }
    return true;
}
