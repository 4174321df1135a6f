/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selector: when to change the policy, and to which. */
#include "selector.h"

#include <string.h>

/* Longest wait, in intervals, while no policy promises anything. */
#define MAX_QUIET   32

G_DEFINE_QUARK(sunder-selector-error-quark, selector_error)

static const char *const names[NIC_POLICY__MAX] = {
    [NIC_POLICY_L2] = "l2",
    [NIC_POLICY_L3] = "l3",
    [NIC_POLICY_L2_L3] = "l2+l3",
    [NIC_POLICY_L4] = "l4",
    [NIC_POLICY_L2_L4] = "l2+l4",
    [NIC_POLICY_L3_L4] = "l3+l4",
    [NIC_POLICY_L2_L3_L4] = "l2+l3+l4",
    [NIC_POLICY_ROUND_ROBIN] = "round-robin",
    [NIC_POLICY_BUCKETS] = "buckets",
};

/* What is tried: coarse before fine, so that flows stay together. */
static const NicPolicy order[] = {
    NIC_POLICY_L2, NIC_POLICY_L3, NIC_POLICY_L2_L3, NIC_POLICY_L3_L4,
    NIC_POLICY_L4, NIC_POLICY_L2_L4, NIC_POLICY_L2_L3_L4,
    NIC_POLICY_BUCKETS,
};

const char *nic_policy_name(NicPolicy policy)
{
    return names[policy];
}

NicPolicy nic_policy_from_name(const char *name, GError **error)
{
    g_autoptr(GString) all = g_string_new(NULL);

    for (unsigned i = 1; i < NIC_POLICY__MAX; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
        g_string_append_printf(all, "%s%s", i > 1 ? ", " : "", names[i]);
    }
    g_set_error(error, SELECTOR_ERROR, SELECTOR_ERROR_POLICY,
                "policy %s: no such policy; choose one of %s", name,
                all->str);
    return 0;
}

void selector_config_init(SelectorConfig *config)
{
    *config = (SelectorConfig){
        .adaptive = true,
        .threshold = 1.2,
        .target = 1.05,
        .hysteresis = 0.1,
        .intervals = 2,
        .min_packets = 64,
        .rest = 30,
    };
}

static bool in_range(double value, double least, double most,
                     const char *what, GError **error)
{
    if (!(value >= least && value <= most)) {
        g_set_error(error, SELECTOR_ERROR, SELECTOR_ERROR_CONFIG,
                    "selector: %s is %g; give %g to %g", what, value, least,
                    most);
        return false;
    }
    return true;
}

bool selector_config_check(const SelectorConfig *config, GError **error)
{
    return in_range(config->threshold, 1, SELECTOR_MAX_PORTS, "threshold",
                    error) &&
           in_range(config->target, 1, SELECTOR_MAX_PORTS, "target",
                    error) &&
           in_range(config->hysteresis, 0, 1, "hysteresis", error) &&
           in_range(config->intervals, 1, 1000, "intervals", error) &&
           in_range(config->rest, 0, 1000000, "rest", error);
}

void selector_init(Selector *s, const SelectorConfig *config,
                   NicPolicy policy)
{
    *s = (Selector){ .config = *config, .policy = policy };
}

void selector_set_policy(Selector *s, NicPolicy policy)
{
    s->policy = policy;
    s->trying = false;
    s->high = s->quiet = s->last_quiet = 0;
    memset(s->resting, 0, sizeof(s->resting));
}

void selector_cancel(Selector *s, NicPolicy policy)
{
    if (s->trying) {
        s->resting[s->policy] = s->config.rest;
    }
    s->trying = false;
    s->policy = policy;
    s->high = 0;
}

bool selector_wants_forecast(const Selector *s)
{
    return s->config.adaptive && !s->trying && s->quiet == 0 &&
           s->high + 1 >= s->config.intervals;
}

double selector_spread(const uint64_t *load, unsigned n)
{
    double sum = 0, most = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += load[i];
        most = MAX(most, load[i]);
    }
    return sum > 0 ? most * n / sum : 0;
}

static double judge(const Selector *s, const SelectorSample *sample)
{
    if (sample->disturbed || sample->n_ports < 2 ||
        sample->packets < s->config.min_packets) {
        return 0;
    }
    return selector_spread(sample->load, sample->n_ports);
}

static bool may_try(const Selector *s, NicPolicy policy)
{
    /* its own buckets may be mapped anew */
    return s->resting[policy] == 0 &&
           (policy != s->policy || policy == NIC_POLICY_BUCKETS);
}

static NicPolicy choose_by_forecast(const Selector *s,
                                    const SelectorSample *sample,
                                    double spread)
{
    double best = spread * (1 - s->config.hysteresis);
    NicPolicy choice = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        double forecast = sample->forecast[order[i]];

        if (forecast == 0 || forecast > best || !may_try(s, order[i])) {
            continue;
        }
        if (forecast <= s->config.target) {
            return order[i];
        }
        best = forecast;
        choice = order[i];
    }
    return choice;
}

static NicPolicy choose_next(const Selector *s)
{
    unsigned at = 0;

    while (at < G_N_ELEMENTS(order) && order[at] != s->policy) {
        at++;
    }
    for (unsigned i = 1; i <= G_N_ELEMENTS(order); i++) {
        NicPolicy policy = order[(at + i) % G_N_ELEMENTS(order)];

        if (policy != s->policy && may_try(s, policy)) {
            return policy;
        }
    }
    return 0;
}

static bool has_forecast(const SelectorSample *sample)
{
    for (unsigned i = 0; i < NIC_POLICY__MAX; i++) {
        if (sample->forecast[i] > 0) {
            return true;
        }
    }
    return false;
}

/* Nothing helps: look again later, and each time later still. */
static void wait_quietly(Selector *s)
{
    s->last_quiet = MIN(MAX(s->last_quiet * 2, 1), MAX_QUIET);
    s->quiet = s->last_quiet;
    s->high = 0;
}

static void act(Selector *s, const SelectorSample *sample,
                SelectorDecision *d)
{
    NicPolicy choice = has_forecast(sample)
                       ? choose_by_forecast(s, sample, d->spread)
                       : choose_next(s);

    if (!choice) {
        wait_quietly(s);
        return;
    }
    s->trying = true;
    s->from = s->policy;
    s->before = d->spread;
    s->policy = choice;
    s->high = 0;
    d->action = SELECTOR_TRY;
}

static void watch(Selector *s, const SelectorSample *sample,
                  SelectorDecision *d)
{
    if (d->spread <= s->config.threshold) {
        s->high = s->quiet = s->last_quiet = 0;
        return;
    }
    if (s->quiet) {
        s->quiet--;
        return;
    }
    if (++s->high >= s->config.intervals) {
        act(s, sample, d);
    }
}

static void end_trial(Selector *s, SelectorDecision *d)
{
    s->trying = false;
    d->before = s->before;
    if (d->spread <= s->before * (1 - s->config.hysteresis)) {
        s->changes++;
        s->last_quiet = 0;
        d->action = SELECTOR_KEEP;
        d->from = s->from;
        return;
    }
    s->reverts++;
    s->resting[s->policy] = s->config.rest;
    s->policy = s->from;
    s->high = s->config.intervals - 1;  /* it was too high all along */
    d->action = SELECTOR_REVERT;
}

SelectorDecision selector_interval(Selector *s, const SelectorSample *sample)
{
    SelectorDecision d = { SELECTOR_STAY, s->policy, 0, 0, 0 };

    d.spread = judge(s, sample);
    for (unsigned i = 0; i < NIC_POLICY__MAX; i++) {
        s->resting[i] -= s->resting[i] > 0;
    }
    if (d.spread > 0) {
        s->spread = d.spread;
        if (s->trying) {
            end_trial(s, &d);
        } else if (s->config.adaptive) {
            watch(s, sample, &d);
        }
    }
    d.policy = s->policy;
    return d;
}

/* A double as a whole number of millionths: it is never large. */
#define MILLION 1000000.0

static void add_spread(GByteArray *out, double spread)
{
    bytes_add64(out, spread * MILLION);
}

static double take_spread(BytesReader *r)
{
    return bytes_take64(r) / MILLION;
}

void selector_save(const Selector *s, GByteArray *out)
{
    bytes_add8(out, s->policy);
    bytes_add8(out, s->trying);
    bytes_add8(out, s->from);
    add_spread(out, s->before);
    add_spread(out, s->spread);
    bytes_add32(out, s->high);
    bytes_add32(out, s->quiet);
    bytes_add32(out, s->last_quiet);
    bytes_add64(out, s->changes);
    bytes_add64(out, s->reverts);
    for (unsigned i = 0; i < NIC_POLICY__MAX; i++) {
        bytes_add32(out, s->resting[i]);
    }
}

static bool is_policy(unsigned policy)
{
    return policy > 0 && policy < NIC_POLICY__MAX;
}

bool selector_load(Selector *s, BytesReader *r)
{
    Selector new = { .config = s->config };
    uint8_t trying;

    new.policy = bytes_take8(r);
    trying = bytes_take8(r);
    new.trying = trying;
    new.from = bytes_take8(r);
    new.before = take_spread(r);
    new.spread = take_spread(r);
    new.high = bytes_take32(r);
    new.quiet = bytes_take32(r);
    new.last_quiet = bytes_take32(r);
    new.changes = bytes_take64(r);
    new.reverts = bytes_take64(r);
    for (unsigned i = 0; i < NIC_POLICY__MAX; i++) {
        new.resting[i] = bytes_take32(r);
    }
    if (r->is_short || !is_policy(new.policy) || trying > 1 ||
        (trying && !is_policy(new.from)) ||
        new.before > SELECTOR_MAX_PORTS || new.spread > SELECTOR_MAX_PORTS ||
        new.last_quiet > MAX_QUIET || new.quiet > new.last_quiet) {
        return false;
    }
    new.high = MIN(new.high, new.config.intervals);
    for (unsigned i = 0; i < NIC_POLICY__MAX; i++) {
        new.resting[i] = MIN(new.resting[i], new.config.rest);
    }
    *s = new;
    return true;
}
