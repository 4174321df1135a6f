/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksum of the Internet protocols, 32 bytes at a time. */
#include "checksum.h"

#include <glib.h>

#define BLOCK   32              /* bytes of one turn */

static inline uint64_t word(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Halves of 32 bits: 2^32 additions do not overflow. */
static inline uint64_t halves(uint64_t v)
{
    return (v & UINT32_MAX) + (v >> 32);
}

static uint16_t fold(uint64_t sum)
{
    sum = halves(sum);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum + (sum >> 16);
}

/* The sum of fewer than BLOCK bytes. */
static uint64_t sum_tail(const uint8_t *p, size_t size)
{
    uint64_t sum = 0, last = 0;

    for (; size >= 8; p += 8, size -= 8) {
        sum += halves(word(p));
    }
    memcpy(&last, p, size);
    return sum + halves(last);
}

uint16_t nic_sum(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t a = 0, b = 0;

    if (size == 0) {
        return 0;               /* @data may be NULL */
    }
    for (; size >= BLOCK; p += BLOCK, size -= BLOCK) {
        a += halves(word(p)) + halves(word(p + 8));
        b += halves(word(p + 16)) + halves(word(p + 24));
    }
    return fold(halves(a) + halves(b) + sum_tail(p, size));
}

uint16_t nic_sum_copy(void *to, const void *from, size_t size)
{
    const uint8_t *p = from;
    uint8_t *q = to;
    uint64_t a = 0, b = 0;

    if (size == 0) {
        return 0;
    }
    for (; size >= BLOCK; p += BLOCK, q += BLOCK, size -= BLOCK) {
        uint64_t v[4];

        memcpy(v, p, BLOCK);
        memcpy(q, v, BLOCK);
        a += halves(v[0]) + halves(v[1]);
        b += halves(v[2]) + halves(v[3]);
    }
    /*
     * A guest may change its memory meanwhile: the sum is of what was
     * copied.
     */
    memcpy(q, p, size);
    return fold(halves(a) + halves(b) + sum_tail(q, size));
}

/* Returns: the next bytes in one piece, at most @size; 0 of them: the end. */
static size_t piece(NicCursor *c, size_t size, const uint8_t **at)
{
    while (c->n && c->offset == c->piece->size) {
        c->piece++;
        c->n--;
        c->offset = 0;
    }
    if (!c->n) {
        return 0;
    }
    *at = (const uint8_t *)c->piece->data + c->offset;
    size = MIN(size, c->piece->size - c->offset);
    c->offset += size;
    return size;
}

size_t nic_cursor_skip(NicCursor *c, size_t size)
{
    const uint8_t *at;
    size_t done = 0, n;

    while (done < size && (n = piece(c, size - done, &at))) {
        done += n;
    }
    return done;
}

size_t nic_cursor_copy(NicCursor *c, void *to, size_t size)
{
    const uint8_t *at;
    size_t done = 0, n;

    while (done < size && (n = piece(c, size - done, &at))) {
        memcpy((uint8_t *)to + done, at, n);
        done += n;
    }
    return done;
}

/* Adds the sum of a piece that lies @at bytes into what is summed. */
static void add_piece(uint16_t *sum, uint16_t part, size_t at)
{
    *sum = nic_sum_add(*sum, at % 2 ? nic_sum_swap(part) : part);
}

size_t nic_cursor_sum(NicCursor *c, size_t size, uint16_t *sum)
{
    const uint8_t *at;
    size_t done = 0, n;

    *sum = 0;
    while (done < size && (n = piece(c, size - done, &at))) {
        add_piece(sum, nic_sum(at, n), done);
        done += n;
    }
    return done;
}

size_t nic_cursor_sum_copy(NicCursor *c, void *to, size_t size,
                           uint16_t *sum)
{
    const uint8_t *at;
    size_t done = 0, n;

    *sum = 0;
    while (done < size && (n = piece(c, size - done, &at))) {
        add_piece(sum, nic_sum_copy((uint8_t *)to + done, at, n), done);
        done += n;
    }
    return done;
}
