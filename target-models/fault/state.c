/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine as bytes, little endian:
 *
 *   header  "SFLT", u32 version, u64 seq, u64 added, u32 number of rules
 *   rule    id, point, outcome (each u8 length, bytes)
 *           u8 flags (what was given), u8 operation
 *           u64 after, every, count, at_ns, probability (IEEE 754 bits),
 *               seed, offset, length, value, duration_ns,
 *               matched, fired, random
 */
#include <string.h>

#include "internal.h"
#include "target-models/bytes.h"

#define STATE_MAGIC   "SFLT"
#define STATE_VERSION 1

enum {
    FLAG_AT          = 1 << 0,
    FLAG_PROBABILITY = 1 << 1,
    FLAG_SEED        = 1 << 2,
    FLAG_VALUE       = 1 << 3,
    FLAG_DURATION    = 1 << 4,
    FLAG_ALL         = (1 << 5) - 1,
};

static void put_name(GByteArray *state, const char *name)
{
    size_t length = strlen(name);

    bytes_add8(state, length);
    g_byte_array_append(state, (const uint8_t *)name, length);
}

static uint64_t probability_bits(double probability)
{
    uint64_t bits;

    G_STATIC_ASSERT(sizeof(bits) == sizeof(probability));
    memcpy(&bits, &probability, sizeof(bits));
    return bits;
}

static void put_rule(GByteArray *state, const FaultRule *rule)
{
    const FaultRuleSpec *spec = &rule->spec;
    const uint64_t numbers[] = {
        spec->after, spec->every, spec->count, spec->at_ns,
        probability_bits(spec->probability), spec->seed, spec->offset,
        spec->length, spec->value, spec->duration_ns, rule->matched,
        rule->fired, rule->random,
    };

    put_name(state, spec->id);
    put_name(state, spec->point);
    put_name(state, spec->outcome);
    bytes_add8(state, (spec->has_at ? FLAG_AT : 0) |
                      (spec->has_probability ? FLAG_PROBABILITY : 0) |
                      (spec->has_seed ? FLAG_SEED : 0) |
                      (spec->has_value ? FLAG_VALUE : 0) |
                      (spec->has_duration ? FLAG_DURATION : 0));
    bytes_add8(state, spec->operation);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        bytes_add64(state, numbers[i]);
    }
}

GByteArray *fault_engine_save(FaultEngine *engine)
{
    GByteArray *state = g_byte_array_new();

    g_byte_array_append(state, (const uint8_t *)STATE_MAGIC, 4);
    bytes_add32(state, STATE_VERSION);
    bytes_add64(state, engine->seq);
    bytes_add64(state, engine->added);
    bytes_add32(state, engine->rules->len);
    for (guint i = 0; i < engine->rules->len; i++) {
        put_rule(state, engine->rules->pdata[i]);
    }
    return state;
}

/* A NUL inside would hide the rest of the name. */
static char *get_name(BytesReader *reader)
{
    size_t length = bytes_take8(reader);
    const uint8_t *start = bytes_take(reader, length);

    if (start && memchr(start, 0, length)) {
        reader->is_short = true;
    }
    return g_strndup(start ? (const char *)start : "", start ? length : 0);
}

static void get_numbers(BytesReader *reader, FaultRuleSpec *spec,
                        FaultRule *counters)
{
    uint64_t bits;

    spec->after = bytes_take64(reader);
    spec->every = bytes_take64(reader);
    spec->count = bytes_take64(reader);
    spec->at_ns = bytes_take64(reader);
    bits = bytes_take64(reader);
    memcpy(&spec->probability, &bits, sizeof(bits));
    spec->seed = bytes_take64(reader);
    spec->offset = bytes_take64(reader);
    spec->length = bytes_take64(reader);
    spec->value = bytes_take64(reader);
    spec->duration_ns = bytes_take64(reader);
    counters->matched = bytes_take64(reader);
    counters->fired = bytes_take64(reader);
    counters->random = bytes_take64(reader);
}

static bool get_flags(BytesReader *reader, FaultRuleSpec *spec)
{
    unsigned flags = bytes_take8(reader);

    spec->has_at = flags & FLAG_AT;
    spec->has_probability = flags & FLAG_PROBABILITY;
    spec->has_seed = flags & FLAG_SEED;
    spec->has_value = flags & FLAG_VALUE;
    spec->has_duration = flags & FLAG_DURATION;
    spec->operation = bytes_take8(reader);
    return !(flags & ~FLAG_ALL) && spec->has_seed == spec->has_probability;
}

static bool bad_state(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static bool bad_state(GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, FAULT_ERROR, FAULT_ERROR_STATE,
                "saved fault rules: %s", what);
    return false;
}

static bool counters_valid(const FaultRule *counters,
                           const FaultRuleSpec *spec)
{
    return counters->matched < FAULT_COUNTER_LIMIT &&
           counters->fired <= counters->matched &&
           counters->fired <= spec->count;
}

/* Reads rule number @index into @loaded, an engine without points. */
static bool load_rule(FaultEngine *loaded, BytesReader *reader, uint32_t index,
                      GError **error)
{
    g_autofree char *id = get_name(reader);
    g_autofree char *point = get_name(reader);
    g_autofree char *outcome = get_name(reader);
    FaultRuleSpec spec = { .id = id, .point = point, .outcome = outcome };
    FaultRule counters;
    bool flags_valid = get_flags(reader, &spec);
    g_autoptr(GError) cause = NULL;
    FaultRule *rule;

    get_numbers(reader, &spec, &counters);
    if (reader->is_short) {
        return bad_state(error, "rule %u: the state ends too early or has "
                         "a name with a NUL", index);
    }
    if (!flags_valid) {
        return bad_state(error, "rule %u: flags that this version does not "
                         "know", index);
    }
    if (!fault_rule_spec_valid(&spec, &cause)) {
        return bad_state(error, "rule %u: %s", index, cause->message);
    }
    if (!counters_valid(&counters, &spec)) {
        return bad_state(error, "rule %u (%s): matched %" G_GUINT64_FORMAT
                         " and fired %" G_GUINT64_FORMAT " cannot be",
                         index, id, counters.matched, counters.fired);
    }
    if (fault_engine_find_rule(loaded, id)) {
        return bad_state(error, "rule %u: a second rule called %s", index,
                         id);
    }
    rule = fault_rule_new(&spec);
    rule->matched = counters.matched;
    rule->fired = counters.fired;
    rule->random = counters.random;
    rule->spent = rule->fired == spec.count;
    fault_engine_insert_rule(loaded, rule);
    return true;
}

static bool load_all(FaultEngine *loaded, BytesReader *reader, GError **error)
{
    const uint8_t *magic = bytes_take(reader, 4);
    uint32_t version, n_rules;

    if (!magic || memcmp(magic, STATE_MAGIC, 4)) {
        return bad_state(error, "they do not start with " STATE_MAGIC);
    }
    version = bytes_take32(reader);
    loaded->seq = bytes_take64(reader);
    loaded->added = bytes_take64(reader);
    n_rules = bytes_take32(reader);
    if (reader->is_short) {
        return bad_state(error, "the header is cut short");
    }
    if (version != STATE_VERSION) {
        return bad_state(error, "version %u: expected %d; use the same "
                         "version of the emulator on both sides", version,
                         STATE_VERSION);
    }
    if (n_rules > FAULT_MAX_RULES || loaded->seq >= FAULT_COUNTER_LIMIT ||
        loaded->added >= FAULT_COUNTER_LIMIT) {
        return bad_state(error, "%u rules, %" G_GUINT64_FORMAT " firings: "
                         "beyond the limits", n_rules, loaded->seq);
    }
    for (uint32_t i = 0; i < n_rules; i++) {
        if (!load_rule(loaded, reader, i, error)) {
            return false;
        }
    }
    if (reader->left) {
        return bad_state(error, "%zu bytes after the last rule",
                         reader->left);
    }
    return true;
}

/* Swaps the rules of @engine for those of @loaded, and puts them on. */
static void adopt(FaultEngine *engine, FaultEngine *loaded)
{
    GPtrArray *rules = engine->rules;
    GHashTable *ids = engine->ids;

    fault_engine_disarm(engine);
    engine->rules = loaded->rules;
    engine->ids = loaded->ids;
    engine->seq = loaded->seq;
    engine->added = loaded->added;
    loaded->rules = rules;
    loaded->ids = ids;
    fault_engine_arm(engine);
}

bool fault_engine_load(FaultEngine *engine, const uint8_t *data, size_t size,
                       GError **error)
{
    BytesReader reader = { .at = data, .left = size };
    FaultEngine *loaded = fault_engine_new(0);
    bool ok = load_all(loaded, &reader, error);

    if (ok) {
        adopt(engine, loaded);
    }
    fault_engine_free(loaded);
    return ok;
}
