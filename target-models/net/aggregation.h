/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link aggregation
 *
 * Models the aggregation of US 7,616,653 and US 7,783,784: a client of its
 * member ports and the provider of a virtual port, with a policy that
 * picks the member for each packet and a selector that may change it.
 *
 * Concepts:
 *
 * - A member is a port of the MAC service that the aggregation is a client
 *   of.  It is usable while its link is up and, with LACP, the partner
 *   collects on it.  The virtual port is up while a member is usable.
 * - A hash of each packet gives one of 256 buckets; a map gives each
 *   bucket a member.  When a member is lost only its own buckets move;
 *   when one comes it is given its share, and nothing else moves.
 * - A bucket whose old member is alive moves without reordering: packets
 *   for it wait (back-pressure) until those before them have drained from
 *   the old member, and, with markers, until the partner has answered
 *   that it received them.  A policy changes the bucket of every flow:
 *   then all wait.
 * - A move that cannot drain in time is given up: nothing has moved.  A
 *   marker that is not answered in time is done without.
 * - Loads are times on the wire, in bytes: each frame counts 24 more than
 *   its length (preamble, checksum and gap; IEEE 802.3, 4.4.2).
 *
 * Use: aggregation_run() at aggregation_deadline(), which is to be asked
 * for again after every call and whenever the operation rearm is called.
 *
 * Time is the caller's virtual clock in nanoseconds.  Nothing here is
 * thread safe: the caller serialises.
 */
#ifndef SUNDER_NET_AGGREGATION_H
#define SUNDER_NET_AGGREGATION_H

#include "lacp.h"
#include "mac.h"
#include "selector.h"

#define AGGREGATION_MAX_MEMBERS     SELECTOR_MAX_PORTS
#define AGGREGATION_BUCKETS         256
/* AggregationStatus.map: no member. */
#define AGGREGATION_NO_MEMBER       0xff
/* Bytes that a frame takes on the wire besides its length. */
#define AGGREGATION_OVERHEAD        24
/* LacpConfig.key, so that speeds can be told apart in what is sent. */
#define AGGREGATION_MAX_KEY         4095

typedef struct Aggregation Aggregation;

typedef struct AggregationConfig {
    NicPolicy policy;           /* the first */
    SelectorConfig selector;
    uint64_t interval_ns;       /* of statistics; >= 1 ms */
    uint64_t seed;              /* of hashes */
    bool markers;               /* moves wait for the partner; needs LACP */
    uint64_t drain_ns;          /* that a move waits at most */
    uint64_t marker_ns;         /* that a marker is waited for */
    bool has_lacp;
    LacpConfig lacp;            /* key: 0 to AGGREGATION_MAX_KEY */
} AggregationConfig;

typedef enum AggregationReason {
    AGGREGATION_REASON_COMMAND, /* aggregation_set_policy() */
    AGGREGATION_REASON_SPREAD,  /* the selector keeps it */
} AggregationReason;

/*
 * A policy that was changed.  What the selector tries is told once it is
 * kept; what it gives up is only counted.
 */
typedef struct AggregationChange {
    NicPolicy from;
    NicPolicy to;
    AggregationReason reason;
    double before;              /* spread; 0: not known */
    double after;
} AggregationChange;

/* What the owner is told; both may be NULL. */
typedef struct AggregationOps {
    void (*policy_changed)(void *opaque, const AggregationChange *change);
    /* The deadline may have come nearer. */
    void (*rearm)(void *opaque);
} AggregationOps;

typedef struct AggregationLoad {
    uint64_t packets;
    uint64_t bytes;             /* of frames */
    uint64_t load;              /* bytes of the wire */
} AggregationLoad;

typedef struct AggregationMember {
    const char *name;           /* of the port; lives as long as it */
    bool usable;
    bool link_up;
    unsigned buckets;           /* mapped to it */
    AggregationLoad total;      /* sent */
    AggregationLoad interval;   /* sent in the last whole interval */
    uint64_t packets_per_second;    /* in that interval */
    uint64_t bytes_per_second;
    uint64_t received;          /* packets, without those of LACP */
    uint64_t not_collecting;    /* received and dropped */
    bool has_lacp;
    LacpPortStatus lacp;        /* valid if @has_lacp */
} AggregationMember;

typedef struct AggregationStatus {
    NicPolicy policy;
    bool trying;                /* the selector has it on trial */
    bool moving;                /* buckets are on their way */
    unsigned moving_buckets;    /* that wait for it */
    double spread;              /* of the last judged interval; 0: none */
    unsigned n_members;
    unsigned n_usable;
    uint64_t intervals;
    uint64_t changes;           /* policies changed and kept */
    uint64_t reverts;
    uint64_t moves;             /* completed, of living members' buckets */
    uint64_t moves_given_up;
    uint64_t buckets_moved;
    uint64_t held;              /* times that sending waited for a move */
    uint64_t no_member;         /* packets dropped: none was usable */
    uint64_t lost;              /* taken by a member that then refused */
    uint8_t map[AGGREGATION_BUCKETS];   /* bucket -> number of a member */
} AggregationStatus;

#define AGGREGATION_ERROR aggregation_error_quark()
GQuark aggregation_error_quark(void);

typedef enum AggregationError {
    AGGREGATION_ERROR_CONFIG,   /* a number out of range */
    AGGREGATION_ERROR_MEMBER,   /* no such member, or too many */
    AGGREGATION_ERROR_STATE,    /* aggregation_load(): bad state */
} AggregationError;

/* L2, adaptive, intervals of 1 s, moves by draining within 100 ms. */
void aggregation_config_init(AggregationConfig *config);

/*
 * aggregation_new:
 * @name: of the virtual port
 * @config: copied
 * @ops: kept by the caller until the aggregation is freed
 *
 * Publishes the virtual port.  aggregation_free() withdraws it, leaves the
 * members and must come before mac_service_free().
 *
 * Returns: the aggregation, or NULL with @error set.
 */
Aggregation *aggregation_new(MacService *service, const char *name,
                             const AggregationConfig *config,
                             const AggregationOps *ops, void *opaque,
                             uint64_t now_ns, GError **error);
void aggregation_free(Aggregation *a);

MacPort *aggregation_port(Aggregation *a);

/*
 * aggregation_add_member:
 * @port: may be a virtual port; a loop is refused
 * @address: the source of LACPDUs sent there
 *
 * A port that is withdrawn leaves by itself.
 *
 * Returns: the number of the member, from 0, unique while it is one; or
 * -1 with @error set.
 */
int aggregation_add_member(Aggregation *a, MacPort *port, uint64_t address,
                           uint64_t now_ns, GError **error);
bool aggregation_remove_member(Aggregation *a, unsigned number,
                               uint64_t now_ns, GError **error);

/* The policy changes once packets have drained. */
void aggregation_set_policy(Aggregation *a, NicPolicy policy,
                            uint64_t now_ns);

/* Whether the selector may change it from now on. */
void aggregation_set_adaptive(Aggregation *a, bool adaptive);

/*
 * aggregation_set_running:
 *
 * It runs from the beginning.  While it does not, LACP neither sends nor
 * hears and no interval ends: for a machine that is stopped, and for one
 * whose state is still to come, which must not introduce itself to the
 * partner anew.  Stop it before the first member is added, then load.
 */
void aggregation_set_running(Aggregation *a, bool running, uint64_t now_ns);

void aggregation_run(Aggregation *a, uint64_t now_ns);
/* Returns: when to run it, or NIC_NO_DEADLINE. */
uint64_t aggregation_deadline(const Aggregation *a);

void aggregation_status(const Aggregation *a, AggregationStatus *status);
/* Returns: whether there is a member of that number. */
bool aggregation_member(const Aggregation *a, unsigned number,
                        AggregationMember *member);

/*
 * aggregation_save:
 *
 * Returns: policy, map, selector, statistics and LACP, in a versioned byte
 * form that does not depend on the host; the caller unrefs it.  A move
 * that is under way is not part of it: nothing has moved.
 */
GByteArray *aggregation_save(const Aggregation *a, uint64_t now_ns);

/*
 * aggregation_load:
 *
 * Every field is checked.  Members must be those that were saved, by
 * number and name; their links are as they are here.
 *
 * Returns: true, or false with @error set and nothing changed.
 */
bool aggregation_load(Aggregation *a, const uint8_t *data, size_t size,
                      uint64_t now_ns, GError **error);

#endif
