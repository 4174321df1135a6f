/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Link aggregation: maps of buckets to members. */
#include "aggregation-internal.h"

/* A map by load is good enough at this spread. */
#define GOOD_SPREAD 1.01

static bool is_usable(uint32_t usable, uint8_t member)
{
    return member < AGGREGATION_MAX_MEMBERS && usable >> member & 1;
}

static void count_buckets(const uint8_t *map,
                          unsigned count[AGGREGATION_MAX_MEMBERS])
{
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        count[i] = 0;
    }
    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        if (map[i] < AGGREGATION_MAX_MEMBERS) {
            count[map[i]]++;
        }
    }
}

/* The usable member with the fewest; the first of several. */
static uint8_t poorest(const unsigned *count, uint32_t usable)
{
    uint8_t best = AGGREGATION_NO_MEMBER;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (is_usable(usable, i) &&
            (best == AGGREGATION_NO_MEMBER || count[i] < count[best])) {
            best = i;
        }
    }
    return best;
}

static uint8_t richest(const unsigned *count, uint32_t usable)
{
    uint8_t best = AGGREGATION_NO_MEMBER;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (is_usable(usable, i) &&
            (best == AGGREGATION_NO_MEMBER || count[i] > count[best])) {
            best = i;
        }
    }
    return best;
}

void aggregation_map_repair(uint8_t *map, uint32_t usable)
{
    unsigned count[AGGREGATION_MAX_MEMBERS];

    count_buckets(map, count);
    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        if (!is_usable(usable, map[i])) {
            map[i] = poorest(count, usable);
            if (map[i] != AGGREGATION_NO_MEMBER) {
                count[map[i]]++;
            }
        }
    }
}

/* Takes the last bucket of @from; it has one. */
static void move_bucket(uint8_t *map, unsigned *count, uint8_t from,
                        uint8_t to)
{
    unsigned i = AGGREGATION_BUCKETS - 1;

    while (map[i] != from) {
        i--;
    }
    map[i] = to;
    count[from]--;
    count[to]++;
}

void aggregation_map_even(uint8_t *map, uint32_t usable)
{
    unsigned count[AGGREGATION_MAX_MEMBERS];

    aggregation_map_repair(map, usable);
    count_buckets(map, count);
    while (usable) {
        uint8_t from = richest(count, usable);
        uint8_t to = poorest(count, usable);

        if (count[from] - count[to] < 2) {
            break;
        }
        move_bucket(map, count, from, to);
    }
}

void aggregation_map_share(uint8_t *map, uint32_t usable, uint32_t gained)
{
    unsigned count[AGGREGATION_MAX_MEMBERS];
    unsigned n = __builtin_popcount(usable);

    aggregation_map_repair(map, usable);
    count_buckets(map, count);
    for (gained &= usable; gained; gained &= gained - 1) {
        unsigned to = __builtin_ctz(gained);

        while (count[to] < AGGREGATION_BUCKETS / n) {
            move_bucket(map, count, richest(count, usable), to);
        }
    }
}

static void add_loads(const uint8_t *map, const uint64_t *load,
                      uint64_t sum[AGGREGATION_MAX_MEMBERS])
{
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        sum[i] = 0;
    }
    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        if (map[i] < AGGREGATION_MAX_MEMBERS) {
            sum[map[i]] += load[i];
        }
    }
}

static double spread_of(const uint64_t *sum, uint32_t usable)
{
    uint64_t packed[AGGREGATION_MAX_MEMBERS];
    unsigned n = 0;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (is_usable(usable, i)) {
            packed[n++] = sum[i];
        }
    }
    return selector_spread(packed, n);
}

double aggregation_map_spread(const uint8_t *map, const uint64_t *load,
                              uint32_t usable)
{
    uint64_t sum[AGGREGATION_MAX_MEMBERS];

    add_loads(map, load, sum);
    return spread_of(sum, usable);
}

/* The members with the most and the least load. */
static void find_ends(const uint64_t *sum, uint32_t usable, uint8_t *most,
                      uint8_t *least)
{
    *most = *least = AGGREGATION_NO_MEMBER;
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (!is_usable(usable, i)) {
            continue;
        }
        if (*most == AGGREGATION_NO_MEMBER || sum[i] > sum[*most]) {
            *most = i;
        }
        if (*least == AGGREGATION_NO_MEMBER || sum[i] < sum[*least]) {
            *least = i;
        }
    }
}

/*
 * The bucket of @from whose move makes the two most alike: its load is
 * nearest to half of what lies between them, and below the whole.
 */
static int find_bucket(const uint8_t *map, const uint64_t *load, uint8_t from,
                       uint64_t gap)
{
    uint64_t best_error = UINT64_MAX;
    int best = -1;

    for (unsigned i = 0; i < AGGREGATION_BUCKETS; i++) {
        uint64_t twice = load[i] * 2;
        uint64_t error = twice > gap ? twice - gap : gap - twice;

        if (map[i] == from && load[i] && load[i] < gap &&
            error < best_error) {
            best_error = error;
            best = i;
        }
    }
    return best;
}

/*
 * Each step moves a bucket from the busiest to the idlest member and makes
 * the larger of the two loads smaller.  No bucket need move more often than
 * there are members, which bounds it; usually far fewer move than exist.
 */
void aggregation_map_balance(uint8_t *map, const uint64_t *load,
                             uint32_t usable)
{
    uint64_t sum[AGGREGATION_MAX_MEMBERS];

    aggregation_map_repair(map, usable);
    add_loads(map, load, sum);
    for (unsigned i = 0;
         usable && i < AGGREGATION_BUCKETS * AGGREGATION_MAX_MEMBERS &&
         spread_of(sum, usable) > GOOD_SPREAD; i++) {
        uint8_t most, least;
        int bucket;

        find_ends(sum, usable, &most, &least);
        bucket = find_bucket(map, load, most, sum[most] - sum[least]);
        if (bucket < 0) {
            break;
        }
        map[bucket] = least;
        sum[most] -= load[bucket];
        sum[least] += load[bucket];
    }
}
