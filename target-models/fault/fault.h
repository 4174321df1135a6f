/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault rule engine
 *
 * Decides, access by access, which injected faults apply.  Every device
 * model asks the same engine; the engine knows neither devices nor
 * buses, only names, numbers and the order of accesses.
 *
 * Concepts:
 *
 * - A fault point is a place in a model where a rule can apply.  It has
 *   a name (a path such as "rac0/nic0/bar0"), a length in bytes that
 *   rules may narrow by offset, and a table of outcomes it accepts.
 * - An outcome is one way to misbehave.  Its kind says how it combines:
 *   an answer replaces the device's own (at most one fires on an
 *   access), a value changes data, a delay takes time, an action happens
 *   to the device rather than to an access.
 * - A rule ties an outcome to a point and says when: of the accesses
 *   that match (operation, and at least one byte in the range) it lets
 *   @after pass, then fires on every @every-th, @count times at most,
 *   each with @probability.  With @after 10 and @every 3 that is on the
 *   13th, the 16th, and so on.  With @at_ns the rule is dormant before
 *   that virtual time: accesses are not even counted.  This is the
 *   access_count and fail_count scheme of illumos bofi
 *   (usr/src/uts/common/sys/bofi.h) with blkdebug's narrowing.
 * - A rule that fired @count times is spent: it rests, and counts
 *   nothing more.  An action happens once and is spent then.
 * - A firing is a record of one rule applied to one access.  Firings
 *   are numbered from 1 over the whole engine.
 *
 * Rules are asked in the order in which they were added.  The first
 * answer whose turn it is wins; later answers count the access as
 * matched but do not fire, and their turn is gone.  The same goes for
 * every rule once FAULT_MAX_FIRINGS have fired on one access.
 * Everything is a function of the seed, the rules and the accesses: the
 * same three give the same firings.
 *
 * The engine is not thread safe; the caller serialises (in QEMU: the
 * big lock).  Time is the caller's virtual clock in nanoseconds.
 *
 * Limits guard against hostile input: see FAULT_MAX_*.
 */
#ifndef SUNDER_FAULT_FAULT_H
#define SUNDER_FAULT_FAULT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Rules in one engine; firings that one access can bring about. */
#define FAULT_MAX_RULES   4096
#define FAULT_MAX_FIRINGS 16
/* Bytes in the name of a point or the id of a rule, without the NUL. */
#define FAULT_MAX_NAME    255
/* Bytes of a saved state, by these limits. */
#define FAULT_MAX_STATE   (4 * 1024 * 1024)
/* FaultRuleSpec.count: fire for ever. */
#define FAULT_NO_LIMIT    UINT64_MAX

typedef struct FaultEngine FaultEngine;
typedef struct FaultRule FaultRule;

typedef enum FaultKind {
    FAULT_KIND_ANSWER,
    FAULT_KIND_VALUE,
    FAULT_KIND_DELAY,
    FAULT_KIND_ACTION,
} FaultKind;

typedef enum FaultOperation {
    FAULT_OP_ANY,               /* in a rule: both; in an access: neither */
    FAULT_OP_READ,
    FAULT_OP_WRITE,
} FaultOperation;

/* What a parameter of a rule is to an outcome. */
typedef enum FaultParameter {
    FAULT_PARAM_NONE,           /* must not be given */
    FAULT_PARAM_OPTIONAL,
    FAULT_PARAM_REQUIRED,
} FaultParameter;

/*
 * An outcome, in a table that its model keeps for as long as the point
 * lives, ended by an entry whose name is NULL.
 */
typedef struct FaultOutcome {
    const char *name;
    FaultKind kind;
    FaultParameter value;
    FaultParameter duration;
    FaultOperation operation;   /* ANY, or the only operation it is for */
    int code;                   /* the model's own number for it */
    const char *help;           /* one line, no full stop */
    uint64_t values;            /* not 0: bit N tells that value may be N */
} FaultOutcome;

/*
 * A point.  The first member is read by fault_point_armed() on hot
 * paths; everything here is read-only to the caller.
 */
typedef struct FaultPoint {
    unsigned armed;             /* rules for accesses that are not spent */
    unsigned n_rules;           /* all rules, actions and spent ones too */
    const char *name;
    uint64_t length;            /* bytes; 0: accesses have no offset */
    const FaultOutcome *outcomes;
    void *opaque;               /* the model's own, as given */
} FaultPoint;

/*
 * A rule as asked for.  Strings are the caller's and are copied.
 * fault_rule_spec_init() gives the defaults; a member that has no has_
 * beside it counts as not given while it holds its default.
 */
typedef struct FaultRuleSpec {
    const char *id;             /* NULL: the engine chooses "faultN" */
    const char *point;
    const char *outcome;
    uint64_t after;
    uint64_t every;             /* >= 1 */
    uint64_t count;             /* >= 1; FAULT_NO_LIMIT */
    bool has_at;
    uint64_t at_ns;
    bool has_probability;
    double probability;         /* (0, 1], in steps of 2^-53 */
    bool has_seed;
    uint64_t seed;
    uint64_t offset;
    uint64_t length;            /* 0: to the end of the point */
    FaultOperation operation;
    bool has_value;
    uint64_t value;
    bool has_duration;
    uint64_t duration_ns;
} FaultRuleSpec;

/* An access, as the model sees it. */
typedef struct FaultAccess {
    FaultOperation operation;
    uint64_t offset;            /* bytes from the start of the point */
    uint32_t size;              /* bytes; 0 where that has no meaning */
    uint64_t now_ns;            /* virtual time */
} FaultAccess;

/* One rule that fired.  Pointers live as long as the rule. */
typedef struct FaultFiring {
    const FaultRule *rule;
    const FaultPoint *point;
    const FaultOutcome *outcome;
    uint64_t seq;
    uint64_t now_ns;
    FaultOperation operation;
    uint64_t offset;
    uint32_t size;
    bool has_value;
    uint64_t value;             /* the rule's; 0 when absent */
    bool has_duration;
    uint64_t duration_ns;       /* the rule's; 0 when absent */
} FaultFiring;

/* Errors of this engine; messages are complete sentences for a person. */
#define FAULT_ERROR fault_error_quark()
GQuark fault_error_quark(void);

typedef enum FaultError {
    FAULT_ERROR_POINT,          /* no such point, or one of that name */
    FAULT_ERROR_OUTCOME,        /* the point does not accept it */
    FAULT_ERROR_RULE,           /* no such rule, or one of that id */
    FAULT_ERROR_INVALID,        /* a parameter that cannot be */
    FAULT_ERROR_CONTRADICTION,  /* with another rule */
    FAULT_ERROR_LIMIT,          /* FAULT_MAX_RULES reached */
    FAULT_ERROR_STATE,          /* fault_engine_load(): bad state */
} FaultError;

/*
 * fault_engine_new:
 * @seed: what rules without a seed of their own derive theirs from
 *
 * Returns: a new engine, freed with fault_engine_free(), which also
 * frees points and rules.
 */
FaultEngine *fault_engine_new(uint64_t seed);
void fault_engine_free(FaultEngine *engine);

/*
 * fault_engine_set_seed:
 *
 * Rules added from now on derive their seeds from @seed.  The seed is
 * no part of a saved state.
 */
void fault_engine_set_seed(FaultEngine *engine, uint64_t seed);

/* Whether a rule was ever added, here or before a state was saved. */
bool fault_engine_used(const FaultEngine *engine);

/*
 * fault_engine_add_point:
 * @name: path of the point, copied; 1 to FAULT_MAX_NAME printable
 *     characters without space
 * @length: bytes that offsets may address, 0 for none
 * @outcomes: table of outcomes, kept by the caller until the point is
 *     removed
 * @opaque: kept in the point
 *
 * Rules that a loaded state holds for a point of this name take effect,
 * except those which this point would not accept: they go on waiting.
 *
 * Returns: the point, owned by the engine, or NULL with @error set when
 * the name is taken or malformed.
 */
FaultPoint *fault_engine_add_point(FaultEngine *engine, const char *name,
                                   uint64_t length,
                                   const FaultOutcome *outcomes,
                                   void *opaque, GError **error);

/*
 * fault_engine_remove_point:
 *
 * Removes the point and the rules on it, and frees it.
 */
void fault_engine_remove_point(FaultEngine *engine, FaultPoint *point);

/*
 * fault_engine_unlink_point:
 *
 * The same without freeing it, for points that others may be asking about
 * just now: it has no rules from now on, and its name is free.  The caller
 * frees it with fault_point_free() when they are gone.
 */
void fault_engine_unlink_point(FaultEngine *engine, FaultPoint *point);
void fault_point_free(FaultPoint *point);

/*
 * fault_engine_find_point:
 *
 * Returns: the point called @name, or NULL with @error set to a message
 * that lists the points there are (those that look alike when there are
 * many).
 */
FaultPoint *fault_engine_find_point(FaultEngine *engine, const char *name,
                                    GError **error);

/*
 * fault_engine_foreach_point:
 *
 * Calls @func for each point, in the order of their names.
 */
typedef void FaultPointFunc(FaultPoint *point, void *opaque);
void fault_engine_foreach_point(FaultEngine *engine, FaultPointFunc *func,
                                void *opaque);

void fault_rule_spec_init(FaultRuleSpec *spec);

/*
 * fault_engine_add_rule:
 *
 * Checks @spec against its point and the rules in force and adds it.
 *
 * Two rules contradict when both are answers that leave nothing to
 * chance (no probability, or 1), their operations and ranges overlap,
 * and accesses can come in such an order that it is the turn of both on
 * the same one: then neither order is what the user meant, and the later
 * rule is refused.  Rules that look at the same accesses from the same
 * time on count in step, so for them the turns are compared exactly,
 * from the accesses already counted on.  Where one rule sees accesses
 * that the other does not (a wider range, more operations, an earlier
 * @at_ns) it may be ahead by any number of them.  Ranges that do not
 * overlap never contradict, although one wide access can touch both.
 *
 * Returns: the rule, owned by the engine, or NULL with @error set.
 */
FaultRule *fault_engine_add_rule(FaultEngine *engine,
                                 const FaultRuleSpec *spec, GError **error);

/*
 * fault_engine_remove_rule:
 *
 * Returns: true, or false with @error set to a message that lists the
 * ids there are.
 */
bool fault_engine_remove_rule(FaultEngine *engine, const char *id,
                              GError **error);

/* Returns: the rule called @id, or NULL. */
FaultRule *fault_engine_find_rule(FaultEngine *engine, const char *id);

/* Calls @func for each rule in the order in which they were added. */
typedef void FaultRuleFunc(FaultRule *rule, void *opaque);
void fault_engine_foreach_rule(FaultEngine *engine, FaultRuleFunc *func,
                               void *opaque);

const char *fault_rule_id(const FaultRule *rule);

/*
 * The point and the outcome, or NULL while the rule, which came with a
 * loaded state, waits for a point that accepts it.
 */
FaultPoint *fault_rule_point(const FaultRule *rule);
const FaultOutcome *fault_rule_outcome(const FaultRule *rule);

/*
 * The rule as it is in force: its id, the seed it uses when it has a
 * probability, the length that 0 stood for, the only operation of its
 * outcome.  Strings live as long as the rule.
 */
const FaultRuleSpec *fault_rule_spec(const FaultRule *rule);

/* Accesses matched until the rule was spent; for an action: attempts. */
uint64_t fault_rule_matched(const FaultRule *rule);
uint64_t fault_rule_fired(const FaultRule *rule);
bool fault_rule_spent(const FaultRule *rule);

/* Whether any rule on @point can still fire: one load and a branch. */
static inline bool fault_point_armed(const FaultPoint *point)
{
    return __atomic_load_n(&point->armed, __ATOMIC_RELAXED) != 0;
}

/*
 * fault_engine_check:
 * @firings: room for FAULT_MAX_FIRINGS
 *
 * Counts @access on every rule of @point and tells which fire.  Rules
 * whose outcome is an action take no part.  An access of size 0 is taken
 * as one byte; on a point of length 0 the offset is not looked at.
 *
 * Returns: the number of firings filled in, in the order in which the
 * model is to apply them (the order of the rules).
 */
unsigned fault_engine_check(FaultEngine *engine, FaultPoint *point,
                            const FaultAccess *access,
                            FaultFiring firings[FAULT_MAX_FIRINGS]);

/*
 * fault_engine_fire_action:
 *
 * Fires a rule whose outcome is an action: the caller decides that its
 * time has come (when it is added, or at its @at_ns).  An action happens
 * once: @after, @every, @count and narrowing have no meaning for it and
 * are refused when the rule is added.  @probability is thrown here; the
 * rule is spent whichever way it falls.
 *
 * Returns: true with @firing filled in, or false when the rule is spent,
 * waits for its point, is no action, or chance decided against it.
 */
bool fault_engine_fire_action(FaultEngine *engine, FaultRule *rule,
                              uint64_t now_ns, FaultFiring *firing);

/*
 * fault_engine_save:
 *
 * Returns: rules, counters, random states and the sequence number, in a
 * versioned byte form that does not depend on the host; the caller
 * unrefs it.
 */
GByteArray *fault_engine_save(FaultEngine *engine);

/*
 * fault_engine_load:
 *
 * Replaces rules and counters by those of a saved state.  Every length
 * and field of @data is checked; on an error the engine is unchanged.
 * A rule for a point that does not exist, or does not accept it, is kept
 * and takes effect once a point that does is added.
 *
 * Returns: true, or false with @error set.
 */
bool fault_engine_load(FaultEngine *engine, const uint8_t *data, size_t size,
                       GError **error);

#endif
