/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers in memory of any alignment, in the order of the wire (big) or of
 * saved states (little); and a cursor over bytes of unknown origin.
 */
#ifndef SUNDER_BYTES_H
#define SUNDER_BYTES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_be16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT16_FROM_BE(v);
}

static inline uint32_t bytes_be32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT32_FROM_BE(v);
}

static inline uint64_t bytes_be64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT64_FROM_BE(v);
}

static inline void bytes_put_be16(uint8_t *p, uint16_t v)
{
    v = GUINT16_TO_BE(v);
    memcpy(p, &v, sizeof(v));
}

static inline void bytes_put_be32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint32_t bytes_le32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT32_FROM_LE(v);
}

static inline uint64_t bytes_le64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT64_FROM_LE(v);
}

static inline void bytes_add8(GByteArray *out, uint8_t v)
{
    g_byte_array_append(out, &v, sizeof(v));
}

static inline void bytes_add32(GByteArray *out, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    g_byte_array_append(out, (const uint8_t *)&v, sizeof(v));
}

static inline void bytes_add64(GByteArray *out, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    g_byte_array_append(out, (const uint8_t *)&v, sizeof(v));
}

/*
 * A cursor that never passes the end: once it would have, it is short and
 * gives zeroes.
 */
typedef struct BytesReader {
    const uint8_t *at;
    size_t left;
    bool is_short;
} BytesReader;

/* Returns: @n bytes, or NULL. */
static inline const uint8_t *bytes_take(BytesReader *r, size_t n)
{
    const uint8_t *p = r->at;

    if (r->is_short || n > r->left) {
        r->is_short = true;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return p;
}

static inline uint8_t bytes_take8(BytesReader *r)
{
    const uint8_t *p = bytes_take(r, 1);

    return p ? *p : 0;
}

static inline uint32_t bytes_take32(BytesReader *r)
{
    const uint8_t *p = bytes_take(r, 4);

    return p ? bytes_le32(p) : 0;
}

static inline uint64_t bytes_take64(BytesReader *r)
{
    const uint8_t *p = bytes_take(r, 8);

    return p ? bytes_le64(p) : 0;
}

#endif
