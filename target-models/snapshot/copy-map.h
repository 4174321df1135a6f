/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copy map: one indicator bit for each block of a storage
 *
 * A set bit tells that the block's old content is in the snapshot (US
 * 7,100,006, claims 5 and 6).  Bits are only ever set.  The map takes
 * length / block / 8 bytes and nothing else: 32 MiB for 16 TiB in blocks
 * of 64 KiB.  The last block may be cut short by the end of the storage.
 *
 * copy_map_holds() may be called by any thread at any time; everything
 * else is serialised by the caller.
 */
#ifndef SUNDER_SNAPSHOT_COPY_MAP_H
#define SUNDER_SNAPSHOT_COPY_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define COPY_MAP_MIN_BLOCK  512
#define COPY_MAP_MAX_BLOCK  (16 * 1024 * 1024)

typedef struct CopyMap CopyMap;

/*
 * copy_map_new:
 * @length: bytes of the storage, any number up to INT64_MAX
 * @block: bytes, a power of two, COPY_MAP_MIN_BLOCK to COPY_MAP_MAX_BLOCK
 *
 * Returns: a map without any bit set, or NULL when there is no memory.
 */
CopyMap *copy_map_new(uint64_t length, uint32_t block);
void copy_map_free(CopyMap *map);

uint64_t copy_map_length(const CopyMap *map);   /* bytes */
uint32_t copy_map_block(const CopyMap *map);    /* bytes */
uint64_t copy_map_blocks(const CopyMap *map);
uint64_t copy_map_copied(const CopyMap *map);   /* blocks with their bit */

/* Returns: bytes of blocks without their bit. */
uint64_t copy_map_left(const CopyMap *map);

/* Whether the bits of all of the blocks [@first, @first + @count) are set. */
bool copy_map_holds(const CopyMap *map, uint64_t first, uint64_t count);

/* Sets the bits of [@first, @first + @count), some of which may be. */
void copy_map_set(CopyMap *map, uint64_t first, uint64_t count);

/*
 * copy_map_next:
 * @end: at most copy_map_blocks()
 *
 * Returns: the first block in [@first, @end) whose bit is @set, or @end.
 */
uint64_t copy_map_next(const CopyMap *map, uint64_t first, uint64_t end,
                       bool set);

/*
 * copy_map_any_only_in:
 *
 * Whether @b has a bit that @a, of the same block size, lacks, among the
 * blocks that both have.
 */
bool copy_map_any_only_in(const CopyMap *a, const CopyMap *b);

/*
 * copy_map_bits, copy_map_load_bits:
 * @first: a multiple of 8
 * @bytes: of bits, the lowest block in the lowest bit of the first byte;
 *     beyond the end of the map they are clear, or ignored when loaded
 *
 * The map in pieces, for a file.  Loading only sets bits.
 */
void copy_map_bits(const CopyMap *map, uint64_t first, uint8_t *bytes,
                   unsigned n_bytes);
void copy_map_load_bits(CopyMap *map, uint64_t first, const uint8_t *bytes,
                        unsigned n_bytes);

#endif
