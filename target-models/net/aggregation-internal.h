/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the aggregation share; not for its callers. */
#ifndef SUNDER_NET_AGGREGATION_INTERNAL_H
#define SUNDER_NET_AGGREGATION_INTERNAL_H

#include "aggregation.h"

#define BUCKET_WORDS    (AGGREGATION_BUCKETS / 64)

typedef struct Member {
    Aggregation *aggregation;
    unsigned number;
    MacPort *port;
    MacClient *client;
    LacpPort *lacp;             /* NULL without LACP */
    bool usable;
    AggregationLoad total;
    AggregationLoad now;        /* of the interval that runs */
    AggregationLoad interval;   /* of the last one */
    uint64_t received;
    uint64_t not_collecting;
} Member;

/* Buckets on their way to other members. */
typedef struct Move {
    bool active;
    bool all;                   /* every packet waits */
    uint64_t buckets[BUCKET_WORDS];     /* those that wait */
    NicPolicy policy;           /* in force afterwards */
    uint8_t map[AGGREGATION_BUCKETS];   /* in force afterwards */
    uint32_t draining;          /* members, a bit each, in turn: */
    uint32_t marked;            /* their marker is not answered */
    uint64_t deadline_ns;       /* to give up */
    uint64_t marker_ns;         /* to do without answers; 0: to be set */
} Move;

/* Loads by bucket for each layer policy, while a forecast is wanted. */
typedef struct Shadow {
    uint64_t load[NIC_LAYERS][AGGREGATION_BUCKETS];
} Shadow;

struct Aggregation {
    MacService *service;
    MacPort *port;
    AggregationConfig config;
    const AggregationOps *ops;
    void *opaque;
    Member *members[AGGREGATION_MAX_MEMBERS];
    uint32_t usable;            /* a bit for each member */
    NicPolicy policy;           /* in force */
    uint8_t map[AGGREGATION_BUCKETS];
    uint8_t turn;               /* round robin: the member before */
    Move move;
    Selector selector;
    Shadow *shadow;             /* NULL: not measured */
    bool disturbed;             /* the interval that runs */
    bool stopped;
    bool dispatching;           /* packets are being handed to members */
    bool dirty;                 /* look at members and move after that */
    bool refused;               /* somebody sent while it was so */
    bool lacp_running;
    bool lacp_again;
    bool has_change;            /* to be told once it is in force */
    AggregationChange change;
    uint64_t interval_start_ns;
    uint64_t interval_ns;       /* how long the last one really was */
    uint8_t tried_from[AGGREGATION_BUCKETS];    /* map before the trial */
    uint64_t now_ns;            /* the latest that is known */
    LacpSystem *lacp;
    AggregationStatus count;    /* its counters only */
};

/* Map: aggregation-map.c.  @usable is a bit for each member. */

/* Gives buckets of members that are not usable to those that are. */
void aggregation_map_repair(uint8_t *map, uint32_t usable);
/* Takes buckets from the richest until all usable ones have as many. */
void aggregation_map_even(uint8_t *map, uint32_t usable);
/* Takes buckets from the richest until those @gained have their share. */
void aggregation_map_share(uint8_t *map, uint32_t usable, uint32_t gained);
/* Makes a map by load, from one that is usable, moving few buckets. */
void aggregation_map_balance(uint8_t *map, const uint64_t *load,
                             uint32_t usable);
/* Spread of bucket loads under a map. */
double aggregation_map_spread(const uint8_t *map, const uint64_t *load,
                              uint32_t usable);

/* Moves: aggregation-move.c. */
void aggregation_move_begin(Aggregation *a, NicPolicy policy,
                            const uint8_t *map);
/* Looks at what has drained or been answered; later while dispatching. */
void aggregation_move_step(Aggregation *a);
/* What is due. */
void aggregation_move_run(Aggregation *a);
uint64_t aggregation_move_deadline(const Aggregation *a);
/* Buckets that wait; all of them when the policy changes. */
unsigned aggregation_move_count(const Move *move);
static inline bool aggregation_move_holds(const Move *move, unsigned bucket)
{
    return move->active &&
           (move->all || move->buckets[bucket / 64] >> bucket % 64 & 1);
}

/* Members: aggregation-member.c. */
extern const MacClientOps aggregation_client_ops;
/* Finds out which are usable; later while packets are dispatched. */
void aggregation_update_members(Aggregation *a);
/* The same for a map that was loaded: only what must move does. */
void aggregation_find_members(Aggregation *a);
/* Tells LACP of a member's link. */
void aggregation_follow_link(Member *member);
void aggregation_drop_member(Member *member);
/* Sends what LACP has to send, and sees what it changed. */
void aggregation_run_lacp(Aggregation *a);

/* Sending: aggregation-transmit.c. */
extern const MacProviderOps aggregation_provider_ops;

/* A change this far into an interval spoils its statistics: an eighth. */
#define AGGREGATION_SPOILT_SHIFT    3

static inline bool aggregation_is_spoilt(const Aggregation *a)
{
    return a->now_ns - a->interval_start_ns >
           a->config.interval_ns >> AGGREGATION_SPOILT_SHIFT;
}

/* Intervals: aggregation-interval.c. */
void aggregation_end_interval(Aggregation *a);

void aggregation_rearm(Aggregation *a);

#endif
