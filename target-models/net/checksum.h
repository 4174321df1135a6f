/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checksum of the Internet protocols (RFC 1071)
 *
 * A sum is kept as 16-bit words lie in memory, whatever the host's byte
 * order: it is stored by memcpy() and needs no swapping.  A piece that
 * begins at an odd place of what is summed is added swapped.
 *
 * All of this is thread safe: there is no state.
 */
#ifndef SUNDER_NET_CHECKSUM_H
#define SUNDER_NET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One's complement addition. */
static inline uint16_t nic_sum_add(uint16_t a, uint16_t b)
{
    uint32_t sum = (uint32_t)a + b;

    return sum + (sum >> 16);
}

static inline uint16_t nic_sum_swap(uint16_t sum)
{
    return sum << 8 | sum >> 8;
}

/* Returns: the sum of @size bytes; an odd one more is followed by 0. */
uint16_t nic_sum(const void *data, size_t size);

/* The same while copying; the two do not overlap. */
uint16_t nic_sum_copy(void *to, const void *from, size_t size);

/* Bytes that lie together; as struct iovec. */
typedef struct NicPiece {
    const void *data;
    size_t size;
} NicPiece;

/*
 * A place in bytes that lie in pieces.  It never passes the end: what is
 * missing there is said by the return value.
 */
typedef struct NicCursor {
    const NicPiece *piece;
    unsigned n;                 /* pieces left, the present one among them */
    size_t offset;              /* in the present one */
} NicCursor;

static inline NicCursor nic_cursor(const NicPiece *pieces, unsigned n)
{
    return (NicCursor){ pieces, n, 0 };
}

/* Each returns how many of @size bytes there were. */
size_t nic_cursor_skip(NicCursor *c, size_t size);
size_t nic_cursor_copy(NicCursor *c, void *to, size_t size);
/* @sum is set to the sum of them. */
size_t nic_cursor_sum(NicCursor *c, size_t size, uint16_t *sum);
size_t nic_cursor_sum_copy(NicCursor *c, void *to, size_t size,
                           uint16_t *sum);

#endif
