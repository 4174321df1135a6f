/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory in pieces. */
#include <string.h>

#include "internal.h"

uint64_t share_spans_size(const ShareSpan *spans, unsigned n)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < n; i++) {
        size += spans[i].size;
    }
    return size;
}

/* Calls for each piece of [@offset, @offset + @size). */
typedef void SpanFunc(uint8_t *piece, size_t size, size_t done,
                      void *opaque);

static size_t walk(const ShareSpan *spans, unsigned n, uint64_t offset,
                   uint64_t size, SpanFunc *func, void *opaque)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < size; i++) {
        size_t piece;

        if (offset >= spans[i].size) {
            offset -= spans[i].size;
            continue;
        }
        piece = MIN(spans[i].size - offset, size - done);
        func((uint8_t *)spans[i].base + offset, piece, done, opaque);
        done += piece;
        offset = 0;
    }
    return done;
}

static void copy_out(uint8_t *piece, size_t size, size_t done, void *opaque)
{
    memcpy((uint8_t *)opaque + done, piece, size);
}

static void copy_in(uint8_t *piece, size_t size, size_t done, void *opaque)
{
    memcpy(piece, (const uint8_t *)opaque + done, size);
}

static void note(uint8_t *piece, size_t size, size_t done, void *opaque)
{
    ShareSpan **part = opaque;

    *(*part)++ = (ShareSpan){ piece, size };
}

size_t share_spans_read(const ShareSpan *spans, unsigned n, uint64_t offset,
                        void *to, size_t size)
{
    return walk(spans, n, offset, size, copy_out, to);
}

size_t share_spans_write(const ShareSpan *spans, unsigned n,
                         uint64_t offset, const void *from, size_t size)
{
    return walk(spans, n, offset, size, copy_in, (void *)from);
}

unsigned share_spans_part(const ShareSpan *spans, unsigned n,
                          uint64_t offset, uint64_t size, ShareSpan *part)
{
    ShareSpan *end = part;

    walk(spans, n, offset, size, note, &end);
    return end - part;
}
