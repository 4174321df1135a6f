/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: pages and claims
 */
#include "hw/mem/guard-internal.h"

static bool is_in(const uint8_t *base, uint64_t length, const void *at)
{
    return base && (const uint8_t *)at >= base &&
           (uint64_t)((const uint8_t *)at - base) < length;
}

GuardRegion *guard_region_of(const WriteGuard *guard, const void *host)
{
    for (unsigned i = 0; i < guard->count; i++) {
        GuardRegion *r = &guard->regions[i];

        if (is_in(r->memory.host, r->memory.length, host)) {
            return r;
        }
    }
    return NULL;
}

uint64_t guard_page_of(const GuardRegion *region, const void *host)
{
    return ((const uint8_t *)host - region->memory.host) /
           region->memory.page;
}

void guard_set_armed(GuardRegion *region, const struct iovec *range,
                     bool armed)
{
    uint64_t first = guard_page_of(region, range->iov_base);

    guard_bits_put(region->armed, first,
                   first + range->iov_len / region->memory.page, armed);
}

static bool overlap(const struct iovec *a, const struct iovec *b)
{
    const uint8_t *x = a->iov_base, *y = b->iov_base;

    return x < y + b->iov_len && y < x + a->iov_len;
}

bool guard_claims(const Claim *claim, const struct iovec *range)
{
    unsigned low = 0, high = claim->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (overlap(&claim->ranges[middle], range)) {
            return true;
        }
        if (claim->ranges[middle].iov_base < range->iov_base) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

void guard_wait(WriteGuard *guard, const Claim *claim,
                const struct iovec *range)
{
    while (guard_claims(claim, range)) {
        g_cond_wait(&guard->changed, &guard->lock);
    }
}

void guard_end_claim(WriteGuard *guard, Claim *claim)
{
    claim->count = 0;
    g_cond_broadcast(&guard->changed);
}

const void *write_guard_view(const WriteGuard *guard, const void *host)
{
    const GuardRegion *region;

    if (guard->options.engine != WRITE_GUARD_MOVE) {
        return host;
    }
    region = guard_region_of(guard, host);
    return guard_bits_test(region->armed, guard_page_of(region, host)) ?
           region->staging + ((uint8_t *)host - region->memory.host) : host;
}

