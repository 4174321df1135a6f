/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "json-member.h"
#include "net-text-private.h"

/* Bins of a chain histogram, as SunderNicChains has them */
static const char *const net_bins[] = {
    "1", "2-3", "4-7", "8-15", "16-31", "32-63", "64+", "128+",
};

/* In five columns: 99999, 100k, 99999k, 100M and so on */
static char *net_short(uint64_t number)
{
    static const char units[] = "kMGTP";
    const char *unit = units;

    if (number < 100000) {
        return g_strdup_printf("%" PRIu64, number);
    }
    for (number /= 1000; number >= 10000 && unit[1]; number /= 1000) {
        unit++;
    }
    return g_strdup_printf("%" PRIu64 "%c", number, *unit);
}

static uint64_t net_since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now;
}

static uint64_t net_grown(JsonObject *now, JsonObject *before,
                          const char *member)
{
    return net_since(member_number(now, member),
                     member_number(before, member));
}

static uint64_t net_bin(JsonObject *chains, unsigned i)
{
    JsonArray *bins = member_array(chains, "chain-length");
    JsonNode *bin = i < member_count(bins) ? json_array_get_element(bins, i)
                                           : NULL;

    return bin && JSON_NODE_HOLDS_VALUE(bin)
           ? (uint64_t)json_node_get_int(bin) : 0;
}

/* Frames in each of @number; "-" without */
static char *net_mean(uint64_t frames, uint64_t number)
{
    return number ? g_strdup_printf("%.1f", (double)frames / (double)number)
                  : g_strdup("-");
}

static void net_print_histogram(FILE *out, JsonObject *port,
                                const NetView *view)
{
    g_autofree char *name = member_text(port, "name");
    JsonObject *now = member_object(port, "receive");
    JsonObject *before = member_object(
        net_find(member_array(view->before, "ports"), "name",
                 member_string(port, "name")), "receive");
    uint64_t frames = net_grown(now, before, "packets");
    uint64_t chains = net_grown(now, before, "chains");
    g_autofree char *number = net_short(chains);
    g_autofree char *mean = net_mean(frames, chains);
    g_autofree char *sub = net_mean(frames,
                                    net_grown(now, before, "sub-chains"));

    fprintf(out, "  %-*s %6s %5s %5s", view->width, name, number, mean, sub);
    for (unsigned i = 0; i < G_N_ELEMENTS(net_bins); i++) {
        uint64_t count = net_since(net_bin(now, i), net_bin(before, i));
        g_autofree char *text = net_short(count);

        fprintf(out, " %5s", count ? text : ".");
    }
    fputc('\n', out);
}

static bool net_has_chains(JsonObject *port)
{
    return member_number(member_object(port, "receive"), "chains") != 0;
}

static void net_print_bins(FILE *out, const NetView *view)
{
    if (view->before) {
        fprintf(out, "  In the last %.1f s frames came in chains of\n",
                view->seconds);
    } else {
        fprintf(out, "  So far frames came in chains of\n");
    }
    fprintf(out, "  %-*s %6s %5s %5s", view->width, "port", "chains", "mean",
            "sub");
    for (unsigned i = 0; i < G_N_ELEMENTS(net_bins); i++) {
        fprintf(out, " %5s", net_bins[i]);
    }
    fputc('\n', out);
}

void net_print_chains(FILE *out, JsonArray *ports, const NetView *view)
{
    bool first = true;

    for (unsigned i = 0; i < member_count(ports); i++) {
        JsonObject *port = member_element(ports, i);

        if (!net_has_chains(port)) {
            continue;
        }
        if (first) {
            net_print_bins(out, view);
        }
        first = false;
        net_print_histogram(out, port, view);
    }
}
