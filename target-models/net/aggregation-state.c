/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link aggregation: its state in bytes.
 *
 * All numbers are little endian.  "SAGG" and a version; the policy, the map,
 * whose turn it is, time into the interval, counters; the selector; the
 * number of members and for each its number, its name and its statistics;
 * then the length of LACP's state (0 without LACP) and that state.
 */
#include "aggregation-internal.h"

#include <string.h>

#include "target-models/bytes.h"

#define STATE_MAGIC     0x47474153u     /* "SAGG" */
#define STATE_VERSION   1u

/* The counters that travel, in their order. */
#define N_COUNTERS  7

static void list_counters(AggregationStatus *count,
                          uint64_t *list[N_COUNTERS])
{
    list[0] = &count->intervals;
    list[1] = &count->moves;
    list[2] = &count->moves_given_up;
    list[3] = &count->buckets_moved;
    list[4] = &count->held;
    list[5] = &count->no_member;
    list[6] = &count->lost;
}

static void add_load(GByteArray *out, const AggregationLoad *load)
{
    bytes_add64(out, load->packets);
    bytes_add64(out, load->bytes);
    bytes_add64(out, load->load);
}

static void add_member(GByteArray *out, const Member *m)
{
    const char *name = mac_port_name(m->port);

    bytes_add8(out, m->number);
    bytes_add32(out, strlen(name));
    g_byte_array_append(out, (const uint8_t *)name, strlen(name));
    add_load(out, &m->total);
    add_load(out, &m->now);
    add_load(out, &m->interval);
    bytes_add64(out, m->received);
    bytes_add64(out, m->not_collecting);
}

static unsigned count_members(const Aggregation *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        n += a->members[i] != NULL;
    }
    return n;
}

static void add_members(GByteArray *out, const Aggregation *a)
{
    bytes_add32(out, count_members(a));
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (a->members[i]) {
            add_member(out, a->members[i]);
        }
    }
}

static void add_lacp(GByteArray *out, const Aggregation *a, uint64_t now_ns)
{
    g_autoptr(GByteArray) lacp =
        a->lacp ? lacp_system_save(a->lacp, now_ns) : g_byte_array_new();

    bytes_add32(out, lacp->len);
    g_byte_array_append(out, lacp->data, lacp->len);
}

/* A trial whose move is still under way has not begun. */
static void add_selector(GByteArray *out, const Aggregation *a)
{
    Selector selector = a->selector;

    if (a->move.active && selector.policy != a->policy) {
        selector_cancel(&selector, a->policy);
    }
    selector_save(&selector, out);
}

GByteArray *aggregation_save(const Aggregation *a, uint64_t now_ns)
{
    GByteArray *out = g_byte_array_new();
    AggregationStatus count = a->count;
    uint64_t *counters[N_COUNTERS];

    list_counters(&count, counters);
    bytes_add32(out, STATE_MAGIC);
    bytes_add32(out, STATE_VERSION);
    bytes_add8(out, a->policy);
    bytes_add8(out, a->turn);
    bytes_add8(out, a->disturbed);
    g_byte_array_append(out, a->map, sizeof(a->map));
    g_byte_array_append(out, a->tried_from, sizeof(a->tried_from));
    bytes_add64(out, now_ns - a->interval_start_ns);
    bytes_add64(out, a->interval_ns);
    for (unsigned i = 0; i < N_COUNTERS; i++) {
        bytes_add64(out, *counters[i]);
    }
    add_selector(out, a);
    add_members(out, a);
    add_lacp(out, a, now_ns);
    return out;
}

/* All that is read before any of it is taken over. */
typedef struct Loaded {
    uint8_t policy;
    uint8_t turn;
    uint8_t disturbed;
    uint8_t map[AGGREGATION_BUCKETS];
    uint8_t tried_from[AGGREGATION_BUCKETS];
    uint64_t into_interval_ns;
    uint64_t interval_ns;
    AggregationStatus count;
    Selector selector;
    Member members[AGGREGATION_MAX_MEMBERS];    /* statistics only */
    const uint8_t *lacp;
    uint32_t lacp_size;
} Loaded;

static const char *take_map(BytesReader *r, uint8_t *map)
{
    const uint8_t *bytes = bytes_take(r, AGGREGATION_BUCKETS);

    for (unsigned i = 0; bytes && i < AGGREGATION_BUCKETS; i++) {
        map[i] = bytes[i];
        if (map[i] >= AGGREGATION_MAX_MEMBERS &&
            map[i] != AGGREGATION_NO_MEMBER) {
            return "a bucket has a member that cannot be";
        }
    }
    return NULL;
}

static const char *take_head(BytesReader *r, Loaded *l)
{
    uint64_t *counters[N_COUNTERS];
    const char *wrong;

    if (bytes_take32(r) != STATE_MAGIC || bytes_take32(r) != STATE_VERSION) {
        return "its first bytes are not ours";
    }
    l->policy = bytes_take8(r);
    l->turn = bytes_take8(r);
    l->disturbed = bytes_take8(r);
    wrong = take_map(r, l->map);
    wrong = wrong ? wrong : take_map(r, l->tried_from);
    l->into_interval_ns = bytes_take64(r);
    l->interval_ns = bytes_take64(r);
    list_counters(&l->count, counters);
    for (unsigned i = 0; i < N_COUNTERS; i++) {
        *counters[i] = bytes_take64(r);
    }
    if (l->policy == 0 || l->policy >= NIC_POLICY__MAX ||
        (l->turn >= AGGREGATION_MAX_MEMBERS &&
         l->turn != AGGREGATION_NO_MEMBER) || l->disturbed > 1) {
        return "its policy or turn is out of range";
    }
    return wrong;
}

static void take_load(BytesReader *r, AggregationLoad *load)
{
    load->packets = bytes_take64(r);
    load->bytes = bytes_take64(r);
    load->load = bytes_take64(r);
}

static const char *take_member(const Aggregation *a, BytesReader *r,
                               Loaded *l)
{
    uint8_t number = bytes_take8(r);
    uint32_t length = bytes_take32(r);
    const uint8_t *name = bytes_take(r, length);
    const Member *own = number < AGGREGATION_MAX_MEMBERS ? a->members[number]
                                                         : NULL;
    Member *m;

    if (!name || !own || strlen(mac_port_name(own->port)) != length ||
        memcmp(mac_port_name(own->port), name, length) != 0) {
        return "its members are not those of this machine";
    }
    m = &l->members[number];
    if (m->number) {
        return "a member appears twice";
    }
    m->number = number + 1;
    take_load(r, &m->total);
    take_load(r, &m->now);
    take_load(r, &m->interval);
    m->received = bytes_take64(r);
    m->not_collecting = bytes_take64(r);
    return NULL;
}

static const char *take_members(const Aggregation *a, BytesReader *r,
                                Loaded *l)
{
    const char *wrong = NULL;
    unsigned n = count_members(a);

    if (bytes_take32(r) != n) {
        return "it has another number of members";
    }
    for (unsigned i = 0; i < n && !wrong; i++) {
        wrong = take_member(a, r, l);
    }
    return wrong;
}

static const char *take_all(const Aggregation *a, BytesReader *r, Loaded *l)
{
    const char *wrong = take_head(r, l);

    l->selector = a->selector;
    if (!wrong && !selector_load(&l->selector, r)) {
        wrong = "its selector is out of range";
    }
    if (!wrong && l->selector.policy != l->policy) {
        wrong = "its selector has another policy";
    }
    wrong = wrong ? wrong : take_members(a, r, l);
    l->lacp_size = bytes_take32(r);
    l->lacp = bytes_take(r, l->lacp_size);
    if (r->is_short && (!wrong || r->left == 0)) {
        wrong = "it ends too early";
    } else if (!wrong && r->left) {
        wrong = "bytes are left over";
    } else if (!wrong && !l->lacp_size != !a->lacp) {
        wrong = "LACP is on in one of the two only";
    }
    return wrong;
}

static void take_over_member(Member *m, const Member *saved)
{
    m->total = saved->total;
    m->now = saved->now;
    m->interval = saved->interval;
    m->received = saved->received;
    m->not_collecting = saved->not_collecting;
}

static void take_over(Aggregation *a, const Loaded *l, uint64_t now_ns)
{
    a->policy = l->policy;
    a->turn = l->turn;
    a->disturbed = l->disturbed;
    memcpy(a->map, l->map, sizeof(a->map));
    memcpy(a->tried_from, l->tried_from, sizeof(a->tried_from));
    a->now_ns = now_ns;
    a->interval_start_ns = now_ns - MIN(l->into_interval_ns, now_ns);
    a->interval_ns = l->interval_ns;
    a->count = l->count;
    a->selector = l->selector;
    a->move.active = a->has_change = false;
    g_clear_pointer(&a->shadow, g_free);
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (a->members[i]) {
            take_over_member(a->members[i], &l->members[i]);
        }
    }
}

/* The links here may not be what they were there. */
static void follow_links(Aggregation *a)
{
    for (unsigned i = 0; i < AGGREGATION_MAX_MEMBERS; i++) {
        if (a->members[i]) {
            aggregation_follow_link(a->members[i]);
        }
    }
    aggregation_find_members(a);
    aggregation_run_lacp(a);
    mac_port_resume(a->port);
    aggregation_rearm(a);
}

bool aggregation_load(Aggregation *a, const uint8_t *data, size_t size,
                      uint64_t now_ns, GError **error)
{
    BytesReader r = { data, size, false };
    g_autofree Loaded *loaded = g_new0(Loaded, 1);
    const char *wrong = take_all(a, &r, loaded);

    if (wrong) {
        g_set_error(error, AGGREGATION_ERROR, AGGREGATION_ERROR_STATE,
                    "state of the aggregation %s: %s; it was damaged or "
                    "made by another version or machine",
                    mac_port_name(a->port), wrong);
        return false;
    }
    if (a->lacp && !lacp_system_load(a->lacp, loaded->lacp,
                                     loaded->lacp_size, now_ns, error)) {
        return false;
    }
    take_over(a, loaded, now_ns);
    follow_links(a);
    return true;
}
