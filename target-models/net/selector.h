/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies of an aggregation, and the selector that changes them
 *
 * Models the adaptive selection of US 7,783,784: packets are spread over
 * ports by a first policy; statistics of how well that went decide whether
 * another takes its place.
 *
 * Concepts:
 *
 * - A policy picks the port of a packet: by a hash of its layers, by turns
 *   (round robin, which reorders flows), or by a map of hash buckets to
 *   ports that is made from the load of each bucket.
 * - The spread of an interval is the load of the busiest port divided by
 *   the mean of all usable ports: 1 is even, the number of ports is all
 *   on one.  Load is time on the wire.
 * - An interval is judged unless it had too few packets, fewer than two
 *   ports, or ports and buckets that changed within it.
 * - After the spread was above the threshold for @intervals judged
 *   intervals in a row the selector acts: it tries another policy.  The
 *   interval after tells whether it is kept: it must be better by the
 *   hysteresis.  One that was not is left alone for a while.
 * - A forecast says which spread a policy would have had.  The owner
 *   measures it on demand, while the selector makes up its mind.  With a
 *   forecast the first policy that would do is tried, or the best if none
 *   would; without one the next in order.
 * - The selector never tries round robin.
 *
 * Pure state, no time but intervals.  Nothing here is thread safe: the
 * caller serialises.
 */
#ifndef SUNDER_NET_SELECTOR_H
#define SUNDER_NET_SELECTOR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "target-models/bytes.h"

/* A sum of NIC_LAYER_* (frame.h), or one of the two above. */
typedef enum NicPolicy {
    NIC_POLICY_L2 = 1,
    NIC_POLICY_L3 = 2,
    NIC_POLICY_L2_L3 = 3,
    NIC_POLICY_L4 = 4,
    NIC_POLICY_L2_L4 = 5,
    NIC_POLICY_L3_L4 = 6,
    NIC_POLICY_L2_L3_L4 = 7,
    NIC_POLICY_ROUND_ROBIN = 8,
    NIC_POLICY_BUCKETS = 9,     /* layers 2, 3 and 4, and a map by load */
    NIC_POLICY__MAX = 10,
} NicPolicy;

#define SELECTOR_MAX_PORTS      32

typedef struct SelectorConfig {
    bool adaptive;              /* else it only watches */
    double threshold;           /* spread to act above; >= 1 */
    double target;              /* forecast that would do; >= 1 */
    double hysteresis;          /* gain to keep a policy; 0 to 1 */
    unsigned intervals;         /* in a row before it acts; >= 1 */
    uint64_t min_packets;       /* for an interval to be judged */
    unsigned rest;              /* intervals that a failed policy rests */
} SelectorConfig;

/* One interval, as the aggregation saw it. */
typedef struct SelectorSample {
    unsigned n_ports;           /* usable; <= SELECTOR_MAX_PORTS */
    uint64_t load[SELECTOR_MAX_PORTS];
    uint64_t packets;
    bool disturbed;             /* ports or buckets changed within it */
    double forecast[NIC_POLICY__MAX];   /* spread, or 0: not known */
} SelectorSample;

typedef enum SelectorAction {
    SELECTOR_STAY,
    SELECTOR_TRY,               /* change to @policy; it may be its own */
    SELECTOR_KEEP,              /* @policy proved itself */
    SELECTOR_REVERT,            /* change back to @policy */
} SelectorAction;

typedef struct SelectorDecision {
    SelectorAction action;
    NicPolicy from;             /* in force when decided */
    NicPolicy policy;           /* to be in force */
    double spread;              /* of this interval, 0: not judged */
    double before;              /* of KEEP, REVERT: when it was tried */
} SelectorDecision;

typedef struct Selector {
    SelectorConfig config;
    NicPolicy policy;           /* in force */
    bool trying;
    NicPolicy from;             /* while trying: the one before */
    double before;              /* while trying: its spread */
    unsigned high;              /* intervals above the threshold in a row */
    unsigned quiet;             /* intervals to wait: nothing to be done */
    unsigned last_quiet;        /* how long it waited the last time */
    unsigned resting[NIC_POLICY__MAX];  /* intervals left */
    double spread;              /* of the last judged interval, or 0 */
    uint64_t changes;           /* policies kept */
    uint64_t reverts;
} Selector;

/* Returns: the name of a policy, such as "l3+l4". */
const char *nic_policy_name(NicPolicy policy);

/* Returns: the policy of that name, or 0 with @error set to a list. */
NicPolicy nic_policy_from_name(const char *name, GError **error);

#define SELECTOR_ERROR selector_error_quark()
GQuark selector_error_quark(void);

typedef enum SelectorError {
    SELECTOR_ERROR_POLICY,      /* no such policy */
    SELECTOR_ERROR_CONFIG,      /* a number out of range */
} SelectorError;

/*
 * selector_config_init:
 *
 * Adaptive; acts above 1.2 after two intervals, aims at 1.05, keeps what
 * gains 10 %; judges from 64 packets; failed policies rest 30 intervals.
 */
void selector_config_init(SelectorConfig *config);

/* Returns: true, or false with @error naming what is out of range. */
bool selector_config_check(const SelectorConfig *config, GError **error);

void selector_init(Selector *selector, const SelectorConfig *config,
                   NicPolicy policy);

/* The user's choice: nothing is being tried any more, nothing rests. */
void selector_set_policy(Selector *selector, NicPolicy policy);

/* What it decided could not be done; @policy is in force. */
void selector_cancel(Selector *selector, NicPolicy policy);

/* Whether the next sample should have a forecast. */
bool selector_wants_forecast(const Selector *selector);

/* Ends an interval.  The decision is in force when this returns. */
SelectorDecision selector_interval(Selector *selector,
                                   const SelectorSample *sample);

/* Returns: the spread of @n loads, or 0 when there is no load. */
double selector_spread(const uint64_t *load, unsigned n);

/* What travels; the configuration does not. */
void selector_save(const Selector *selector, GByteArray *out);
/* Returns: whether all of it was there and in range; else no change. */
bool selector_load(Selector *selector, BytesReader *reader);

#endif
