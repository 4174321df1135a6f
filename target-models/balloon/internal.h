/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the balloon's model share. */
#ifndef SUNDER_BALLOON_INTERNAL_H
#define SUNDER_BALLOON_INTERNAL_H

#include "target-models/balloon/balloon.h"

#define BALLOON_WORDS (BALLOON_SUPER_PAGE / 64)

/* A super page of which at least one page is in the balloon. */
typedef struct BalloonChunk {
    uint64_t in[BALLOON_WORDS];     /* a bit a page: in the balloon */
    uint64_t given[BALLOON_WORDS];  /* and given back to the host */
    uint32_t number;                /* page number / BALLOON_SUPER_PAGE */
    uint16_t count;                 /* bits in @in */
    uint16_t held;                  /* of them, not in @given */
    bool listed;                    /* in BalloonPages.listed */
} BalloonChunk;

struct BalloonPages {
    GHashTable *chunks;             /* number -> BalloonChunk */
    GPtrArray *listed;              /* chunks to offer */
    uint64_t count;
    uint64_t held;
};

#endif
