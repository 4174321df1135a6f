/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether two rules would have to answer the same access.
 *
 * The turns of a rule, in matching accesses counted from now, are an
 * arithmetic progression: first, first + every, ..., last.  Two rules
 * that see the same accesses count in step, and their turns meet where
 * the progressions do.  A rule that sees more than the other can be ahead
 * of it by any number.
 *
 * No device lives to see 2^64 accesses, so turns beyond are not looked
 * at, and a last turn that would lie there is UINT64_MAX.
 */
#include "internal.h"

typedef struct Turns {
    uint64_t first;
    uint64_t every;
    uint64_t last;
} Turns;

static Turns turns_of(const FaultRule *rule)
{
    const FaultRuleSpec *spec = &rule->spec;
    Turns turns = { rule->until, spec->every, UINT64_MAX };
    uint64_t more = spec->count - rule->fired - 1;

    if (spec->count != FAULT_NO_LIMIT &&
        more <= (UINT64_MAX - turns.first) / turns.every) {
        turns.last = turns.first + more * turns.every;
    }
    return turns;
}

/* a * b mod m, by doubling; a < m. */
static uint64_t multiply_mod(uint64_t a, uint64_t b, uint64_t m)
{
    uint64_t sum = 0;

    for (; b; b >>= 1) {
        if (b & 1) {
            sum = sum >= m - a ? sum - (m - a) : sum + a;
        }
        a = a >= m - a ? a - (m - a) : a + a;
    }
    return sum;
}

/*
 * Euclid's algorithm: the greatest common divisor of @a and @m, and in
 * @inverse the x below @m for which a * x = gcd modulo @m.
 */
static uint64_t gcd_inverse(uint64_t a, uint64_t m, uint64_t *inverse)
{
    uint64_t r0 = m, r1 = a % m;
    uint64_t x0 = 0, x1 = 1 % m;

    while (r1) {
        uint64_t r2 = r0 % r1;
        uint64_t product = multiply_mod(x1, r0 / r1, m);
        uint64_t x2 = x0 >= product ? x0 - product : x0 + (m - product);

        r0 = r1;
        r1 = r2;
        x0 = x1;
        x1 = x2;
    }
    *inverse = x0;
    return r0;
}

/*
 * The first turn in both progressions, or 0.  With a.first >= b.first,
 * look for the least t with a.first + t * a.every = b.first modulo
 * b.every, which exists if gcd(a.every, b.every) divides the distance.
 */
static uint64_t first_common(Turns a, Turns b)
{
    uint64_t distance, divisor, inverse, modulus, t;

    if (a.first < b.first) {
        Turns swap = a;

        a = b;
        b = swap;
    }
    divisor = gcd_inverse(a.every, b.every, &inverse);
    /* From a.first on to the next turn of b. */
    distance = (a.first - b.first) % b.every;
    distance = distance ? b.every - distance : 0;
    if (distance % divisor) {
        return 0;
    }
    modulus = b.every / divisor;
    t = multiply_mod(inverse % modulus, distance / divisor, modulus);
    if (t > (UINT64_MAX - a.first) / a.every) {
        return 0;
    }
    t = a.first + t * a.every;
    return t <= MIN(a.last, b.last) ? t : 0;
}

static uint64_t live_from(const FaultRule *rule)
{
    return rule->spec.has_at ? rule->spec.at_ns : 0;
}

/* Whether @a matches accesses that @b does not. */
static bool sees_more(const FaultRule *a, const FaultRule *b)
{
    return (a->spec.operation == FAULT_OP_ANY &&
            b->spec.operation != FAULT_OP_ANY) ||
           a->first < b->first || a->last > b->last ||
           live_from(a) < live_from(b);
}

static bool overlap(const FaultRule *a, const FaultRule *b)
{
    return (a->spec.operation == FAULT_OP_ANY ||
            b->spec.operation == FAULT_OP_ANY ||
            a->spec.operation == b->spec.operation) &&
           a->first <= b->last && b->first <= a->last;
}

static bool certain_answer(const FaultRule *rule)
{
    return !rule->spent && rule->outcome->kind == FAULT_KIND_ANSWER &&
           (!rule->spec.has_probability || rule->spec.probability >= 1);
}

static bool turns_meet(const FaultRule *rule, const FaultRule *older,
                       uint64_t *common)
{
    Turns a = turns_of(rule);
    Turns b = turns_of(older);
    bool a_ahead = sees_more(rule, older);
    bool b_ahead = sees_more(older, rule);

    *common = 0;
    if (a_ahead && b_ahead) {
        return true;
    }
    if (a_ahead || b_ahead) {
        return a_ahead ? a.last >= b.first : b.last >= a.first;
    }
    *common = first_common(a, b);
    return *common != 0;
}

/*
 * @rule is resolved but not in force yet, @older is in force;
 * both are on the same point.
 */
bool fault_rule_contradicts(const FaultRule *rule, const FaultRule *older,
                            GError **error)
{
    g_autofree char *where = NULL;
    uint64_t common;

    if (!certain_answer(rule) || !certain_answer(older) ||
        !overlap(rule, older) || !turns_meet(rule, older, &common)) {
        return false;
    }
    where = common ? g_strdup_printf("the matching access %" G_GUINT64_FORMAT
                                     " from now", common)
                   : g_strdup("the same access");
    g_set_error(error, FAULT_ERROR, FAULT_ERROR_CONTRADICTION,
                "rule \"%s\" (%s) contradicts rule \"%s\" (%s) at fault "
                "point %s: both would answer %s; remove one, or let them "
                "differ in range, operation, after, every or count, or give "
                "one a probability below 1", rule->spec.id,
                rule->outcome->name, older->spec.id, older->outcome->name,
                rule->point->name, where);
    return true;
}
