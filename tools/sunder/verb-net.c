/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder net: a machine's network cards with many ports
 */
#include <stdio.h>
#include <string.h>

#include "json-member.h"
#include "net-text.h"
#include "verbs.h"
#include "watch.h"

static const char net_text[] =
    "Without a word behind NAME, shows the network cards: ports, functions,\n"
    "aggregations with their policy and LACP, and how long the chains were in\n"
    "which frames arrived.  \"policy\" chooses how an aggregation (the only\n"
    "one, unless it is named) spreads frames from now on: l2, l3, l4, l2l3,\n"
    "l2l4, l3l4, l2l3l4, round-robin or buckets.\n"
    "\n"
    "  sunder net lab --watch\n"
    "  sunder net lab policy l3l4 --adaptive off\n"
    "  sunder net lab policy nic0.a0 --adaptive on\n"
    "\n"
    "Ports: \"stopped\" times that sending waited for the wire, \"paused\"\n"
    "times that the wire was told to wait; only ports that have something\n"
    "of this are listed.  Functions: \"irq/fr\" interrupts per frame,\n"
    "\"no room\" frames that found none in the driver's rings, \"merged\"\n"
    "frames made into bigger packets, \"cut\" packets made into smaller\n"
    "frames, \"denied\" requests of the driver.  Aggregations: frames and\n"
    "bytes of the last interval.  LACP: A active, S short timeout,\n"
    "G aggregating, Y in sync, C collecting, D distributing, F defaulted,\n"
    "X expired.  Chains: \"mean\" frames of one, \"sub\" frames of a\n"
    "sub-chain, and how many chains had so many frames;\n"
    "with --watch, those that came since the last look.\n";

static const char *const net_policies[] = {
    "l2", "l3", "l4", "l2l3", "l2l4", "l3l4", "l2l3l4", "round-robin",
    "buckets", NULL,
};

typedef struct NetOptions {
    char *watch, *adaptive, *card;
    gboolean json;
    const char *name;
    /* What was shown before, and when (monotonic): for rates */
    JsonNode *before;
    gint64 before_us;
} NetOptions;

static void net_options_clear(NetOptions *options)
{
    g_free(options->watch);
    g_free(options->adaptive);
    g_free(options->card);
    g_clear_pointer(&options->before, json_node_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetOptions, net_options_clear)

static JsonNode *net_query(const NetOptions *options, int *status)
{
    g_autoptr(JsonObject) arguments = json_object_new();

    if (options->card) {
        json_object_set_string_member(arguments, "id", options->card);
    }
    return verb_qmp_execute(options->name, "query-sunder-nic",
                            options->card ? arguments : NULL, status);
}

static JsonArray *net_array(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

static void net_show_text(FILE *out, NetOptions *options, JsonNode *node)
{
    gint64 now_us = g_get_monotonic_time();

    if (!member_count(net_array(node))) {
        fprintf(out, "no network card with many ports (sunder-nic)\n");
    }
    net_print(out, net_array(node), net_array(options->before),
              (double)(now_us - options->before_us) / 1e6);
    g_clear_pointer(&options->before, json_node_unref);
    options->before = json_node_ref(node);
    options->before_us = now_us;
}

/* A WatchShow */
static int net_show(FILE *out, void *opaque)
{
    NetOptions *options = opaque;
    int status = 0;
    g_autoptr(JsonNode) node = net_query(options, &status);

    if (!node) {
        return status;
    }
    if (options->json) {
        g_autofree char *text = json_to_string(node, TRUE);

        fprintf(out, "%s\n", text);
    } else {
        net_show_text(out, options, node);
    }
    return -1;
}

static int net_view(NetOptions *options)
{
    g_autoptr(GError) error = NULL;
    guint64 interval_ns;
    int status;

    if (options->watch) {
        return watch_parse(options->watch, &interval_ns, &error)
               ? watch_run(interval_ns, net_show, options)
               : verb_fail(error);
    }
    status = net_show(stdout, options);
    return status < 0 ? 0 : status;
}

/* Names of all aggregations, in @names. */
static void net_collect(JsonArray *cards, GPtrArray *names)
{
    for (unsigned i = 0; i < member_count(cards); i++) {
        JsonArray *aggregations = member_array(member_element(cards, i),
                                               "aggregations");

        for (unsigned j = 0; j < member_count(aggregations); j++) {
            g_ptr_array_add(names, member_text(
                                member_element(aggregations, j), "name"));
        }
    }
}

/* The machine's only aggregation, or NULL after saying why not. */
static char *net_only_aggregation(const NetOptions *options, int *status)
{
    g_autoptr(JsonNode) node = net_query(options, status);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *list = NULL;

    if (!node) {
        return NULL;
    }
    net_collect(net_array(node), names);
    if (names->len == 1) {
        return g_strdup(names->pdata[0]);
    }
    g_ptr_array_add(names, NULL);
    list = g_strjoinv(", ", (char **)names->pdata);
    *status = *list
        ? verb_usage("net", "which aggregation? There are %s", list)
        : verb_usage("net", "no card of %s has an aggregation: its functions "
                     "have a port each", options->name);
    return NULL;
}

static int net_set_policy(const NetOptions *options, const char *aggregation,
                          const char *policy)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) result = NULL;
    g_autofree char *only = NULL;
    int status = 0;

    if (!aggregation) {
        only = net_only_aggregation(options, &status);
        if (!only) {
            return status;
        }
    }
    json_object_set_string_member(arguments, "aggregation",
                                  only ? only : aggregation);
    if (policy) {
        json_object_set_string_member(arguments, "policy", policy);
    }
    if (options->adaptive) {
        json_object_set_boolean_member(arguments, "adaptive",
                                       !strcmp(options->adaptive, "on"));
    }
    result = verb_qmp_execute(options->name, "sunder-nic-set-policy",
                              arguments, &status);
    return result ? 0 : status;
}

/* "policy [AGGREGATION] [POLICY]": names of aggregations have a '.'. */
static int net_policy(const NetOptions *options, char **words)
{
    const char *aggregation = NULL, *policy = NULL;

    if (*words && strchr(*words, '.')) {
        aggregation = *words++;
    }
    if (*words) {
        policy = *words++;
    }
    if (policy && !g_strv_contains(net_policies, policy)) {
        g_autofree char *list = g_strjoinv(", ", (char **)net_policies);

        return verb_usage("net", "policy \"%s\": expected one of %s", policy,
                          list);
    }
    if (*words) {
        return verb_usage("net", "%s: nothing expected behind \"policy "
                          "[AGGREGATION] [POLICY]\"", *words);
    }
    if (!policy && !options->adaptive) {
        return verb_usage("net", "\"policy\" expects POLICY, or --adaptive");
    }
    return net_set_policy(options, aggregation, policy);
}

/* Why the options do not fit @word (NULL: none); NULL: they do */
static const char *net_stray(const char *word, const NetOptions *options)
{
    if (word && strcmp(word, "policy")) {
        return "NAME, or NAME, \"policy\" and POLICY expected";
    }
    if (options->adaptive && !word) {
        return "--adaptive goes with \"policy\"";
    }
    if (word && (options->watch || options->json)) {
        return "--watch and --json are for showing";
    }
    if (options->adaptive && strcmp(options->adaptive, "on") &&
        strcmp(options->adaptive, "off")) {
        return "--adaptive: expected on or off";
    }
    return NULL;
}

int verb_net(int argc, char **argv)
{
    g_auto(NetOptions) options = { 0 };
    const GOptionEntry entries[] = {
        { "watch", 'w', 0, G_OPTION_ARG_STRING, &options.watch,
          "show it again every SECONDS (1) until Ctrl-C", "SECONDS" },
        { "card", 'c', 0, G_OPTION_ARG_STRING, &options.card,
          "this card only", "ID" },
        { "adaptive", 'a', 0, G_OPTION_ARG_STRING, &options.adaptive,
          "with \"policy\": whether it may change by itself", "on|off" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json, "print JSON",
          NULL },
        { NULL },
    };
    const char *stray;
    int status;

    watch_join_option(&argc, argv);
    status = verb_parse(&argc, &argv, "net [OPTION...] NAME [policy "
                        "[AGGREGATION] [POLICY]]", net_text, entries);
    if (status >= 0) {
        return status;
    }
    if (argc < 1) {
        return verb_usage("net", "which NAME? \"sunder list\" shows them");
    }
    stray = net_stray(argv[1], &options);
    if (stray) {
        return verb_usage("net", "%s", stray);
    }
    options.name = argv[0];
    return argc == 1 ? net_view(&options) : net_policy(&options, argv + 2);
}
