/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "json-member.h"
#include "net-text.h"

/* Bins of a chain histogram, as SunderNicChains has them */
static const char *const net_bins[] = {
    "1", "2-3", "4-7", "8-15", "16-31", "32-63", "64-127", "128+",
};

/* What a card was, to tell what is new */
typedef struct NetPast {
    JsonObject *card;       /* NULL: nothing is known */
    double seconds;         /* how long ago */
} NetPast;

void net_lacp_text(unsigned state, char text[NET_LACP_LETTERS + 1])
{
    /* Bits 0 to 7: IEEE 802.1AX-2014, 6.4.2.3 */
    static const char letters[] = "ASGYCDFX";

    for (unsigned i = 0; i < NET_LACP_LETTERS; i++) {
        text[i] = state >> i & 1 ? letters[i] : '-';
    }
    text[NET_LACP_LETTERS] = '\0';
}

/* The element of @array whose member @name is @text */
static JsonObject *net_find(JsonArray *array, const char *name,
                            const char *text)
{
    for (unsigned i = 0; i < member_count(array); i++) {
        JsonObject *element = member_element(array, i);

        if (!strcmp(member_string(element, name), text)) {
            return element;
        }
    }
    return NULL;
}

/* What @member grew by since @before, per second; "-" where none knows. */
static char *net_rate(JsonObject *now, JsonObject *before,
                      const char *member, double seconds)
{
    uint64_t new = member_number(now, member);
    uint64_t old = member_number(before, member);

    if (!now || !before || seconds <= 0 || new < old) {
        return g_strdup("-");
    }
    return g_strdup_printf("%.0f", (double)(new - old) / seconds);
}

static void net_print_port(FILE *out, JsonObject *port, const NetPast *past)
{
    g_autofree char *name = member_text(port, "name");
    g_autofree char *backend = *member_string(port, "backend")
        ? member_text(port, "backend") : g_strdup("-");
    JsonObject *receive = member_object(port, "receive");
    JsonObject *before = net_find(member_array(past->card, "ports"), "name",
                                  member_string(port, "name"));
    g_autofree char *received = net_rate(receive,
                                         member_object(before, "receive"),
                                         "packets", past->seconds);
    g_autofree char *sent = net_rate(port, before, "transmit-packets",
                                     past->seconds);

    fprintf(out, "  %-12s %-4s %6" PRIu64 " %11" PRIu64 " %11" PRIu64
            " %9s %9s %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %7" PRIu64
            " %7" PRIu64 "  %s\n", name,
            member_bool(port, "link-up") ? "up" : "down",
            member_number(port, "speed-mbps"),
            member_number(receive, "packets"),
            member_number(port, "transmit-packets"), received, sent,
            member_number(port, "receive-dropped"),
            member_number(port, "transmit-dropped"),
            member_number(port, "malformed"), member_number(port, "stopped"),
            member_number(port, "paused"), backend);
}

static void net_print_ports(FILE *out, JsonArray *ports, const NetPast *past)
{
    fprintf(out, "  %-12s %-4s %6s %11s %11s %9s %9s %8s %8s %7s %7s %7s  "
            "%s\n", "port", "link", "Mbit/s", "received", "sent", "in/s",
            "out/s", "lost in", "lost out", "bad", "stopped", "paused",
            "wire");
    for (unsigned i = 0; i < member_count(ports); i++) {
        net_print_port(out, member_element(ports, i), past);
    }
}

static const char *net_function_state(JsonObject *function)
{
    return member_bool(function, "broken") ? "broken"
        : member_bool(function, "running") ? "running" : "stopped";
}

/* Interrupts for each frame; "-" without frames */
static char *net_share(JsonObject *function, const char *part,
                       const char *whole)
{
    uint64_t frames = member_number(function, whole);

    return frames ? g_strdup_printf("%.3f", (double)member_number(function,
                                                                  part) /
                                    (double)frames)
                  : g_strdup("-");
}

static void net_print_function(FILE *out, const char *card,
                               JsonObject *function)
{
    g_autofree char *name = g_strdup_printf("%s.f%u", card,
                                            (unsigned)member_number(
                                                function, "number"));
    g_autofree char *port = member_text(function, "port");
    g_autofree char *mac = member_text(function, "mac");
    g_autofree char *in = net_share(function, "receive-interrupts",
                                    "receive-packets");
    g_autofree char *out_share = net_share(function, "transmit-interrupts",
                                           "transmit-packets");

    fprintf(out, "  %-12s %-12s %-17s %-7s %5u %11" PRIu64 " %6s %7" PRIu64
            " %7" PRIu64 " %11" PRIu64 " %6s %7" PRIu64 " %7" PRIu64
            "  %s%s\n", name, port, mac, net_function_state(function),
            (unsigned)member_number(function, "queue-pairs"),
            member_number(function, "receive-packets"), in,
            member_number(function, "receive-dropped"),
            member_number(function, "receive-merged"),
            member_number(function, "transmit-packets"), out_share,
            member_number(function, "transmit-segmented"),
            member_number(function, "bad-requests"),
            member_bool(function, "direct") ? "direct" : "-",
            member_bool(function, "polled") ? ", polled" : "");
}

static void net_print_functions(FILE *out, const char *card,
                                JsonArray *functions)
{
    fprintf(out, "  %-12s %-12s %-17s %-7s %5s %11s %6s %7s %7s %11s %6s %7s "
            "%7s  %s\n", "function", "port", "address", "driver", "pairs",
            "received", "irq/fr", "no room", "merged", "sent", "irq/fr",
            "cut", "refused", "channel");
    for (unsigned i = 0; i < member_count(functions); i++) {
        net_print_function(out, card, member_element(functions, i));
    }
}

static void net_print_lacp(FILE *out, JsonObject *lacp)
{
    g_autofree char *receive = member_text(lacp, "receive-state");
    g_autofree char *mux = member_text(lacp, "mux-state");
    g_autofree char *system = member_text(lacp, "partner-system");
    char actor[NET_LACP_LETTERS + 1], partner[NET_LACP_LETTERS + 1];

    net_lacp_text((unsigned)member_number(lacp, "actor-state"), actor);
    net_lacp_text((unsigned)member_number(lacp, "partner-state"), partner);
    fprintf(out, "  %-13s %-12s %s %s %-17s %5u %5u %7" PRIu64 " %7" PRIu64
            " %7" PRIu64, receive, mux, actor, partner, system,
            (unsigned)member_number(lacp, "partner-key"),
            (unsigned)member_number(lacp, "partner-port"),
            member_number(lacp, "received"), member_number(lacp, "sent"),
            member_number(lacp, "expired"));
}

static void net_print_member(FILE *out, JsonObject *member)
{
    g_autofree char *port = member_text(member, "port");
    JsonObject *lacp = member_object(member, "lacp");

    fprintf(out, "    %-12s %-6s %10" PRIu64 " %12" PRIu64, port,
            member_bool(member, "active") ? "yes" : "no",
            member_number(member, "packets"), member_number(member, "bytes"));
    if (lacp) {
        net_print_lacp(out, lacp);
    }
    fputc('\n', out);
}

static bool net_has_lacp(JsonArray *members)
{
    for (unsigned i = 0; i < member_count(members); i++) {
        if (member_object(member_element(members, i), "lacp")) {
            return true;
        }
    }
    return false;
}

static void net_print_members(FILE *out, JsonArray *members)
{
    fprintf(out, "    %-12s %-6s %10s %12s", "member", "active", "frames",
            "bytes");
    if (net_has_lacp(members)) {
        fprintf(out, "  %-13s %-12s %-8s %-8s %-17s %5s %5s %7s %7s %7s",
                "LACP receive", "mux", "actor", "partner", "its system",
                "key", "port", "heard", "said", "expired");
    }
    fputc('\n', out);
    for (unsigned i = 0; i < member_count(members); i++) {
        net_print_member(out, member_element(members, i));
    }
}

static void net_print_aggregation(FILE *out, JsonObject *aggregation)
{
    g_autofree char *name = member_text(aggregation, "name");
    g_autofree char *policy = member_text(aggregation, "policy");
    g_autofree char *lacp = member_text(aggregation, "lacp");

    fprintf(out, "  %s: policy %s, ", name, policy);
    if (member_bool(aggregation, "adaptive")) {
        fprintf(out, "changed by itself above a spread of %.2f",
                member_double(aggregation, "threshold"));
    } else {
        fprintf(out, "fixed");
    }
    fprintf(out, "; LACP %s\n    spread %.2f (every %g s), %" PRIu64
            " changes, %" PRIu64 " moving\n", lacp,
            member_double(aggregation, "spread"),
            (double)member_number(aggregation, "interval-ns") / 1e9,
            member_number(aggregation, "changes"),
            member_number(aggregation, "moving"));
    net_print_members(out, member_array(aggregation, "members"));
}

/* A line of a histogram; nothing if nothing came */
static void net_print_histogram(FILE *out, JsonObject *port,
                                const char *kind, const char *total,
                                const char *lengths)
{
    g_autofree char *name = member_text(port, "name");
    JsonObject *receive = member_object(port, "receive");
    JsonArray *bins = member_array(receive, lengths);
    uint64_t count = member_number(receive, total);

    if (!count) {
        return;
    }
    fprintf(out, "  %-12s %-10s %10" PRIu64 " %6.1f", name, kind, count,
            (double)member_number(receive, "packets") / (double)count);
    for (unsigned i = 0; i < G_N_ELEMENTS(net_bins); i++) {
        JsonNode *bin = i < member_count(bins)
            ? json_array_get_element(bins, i) : NULL;

        fprintf(out, " %8" PRIu64, bin && JSON_NODE_HOLDS_VALUE(bin)
                ? (uint64_t)json_node_get_int(bin) : 0);
    }
    fprintf(out, " %10" PRIu64 "\n", member_number(receive, "lookups"));
}

static bool net_has_chains(JsonArray *ports)
{
    for (unsigned i = 0; i < member_count(ports); i++) {
        if (member_number(member_object(member_element(ports, i), "receive"),
                          "chains")) {
            return true;
        }
    }
    return false;
}

static void net_print_chains(FILE *out, JsonArray *ports)
{
    if (!net_has_chains(ports)) {
        return;
    }
    fprintf(out, "  %-12s %-10s %10s %6s", "frames of", "", "number", "mean");
    for (unsigned i = 0; i < G_N_ELEMENTS(net_bins); i++) {
        fprintf(out, " %8s", net_bins[i]);
    }
    fprintf(out, " %10s\n", "lookups");
    for (unsigned i = 0; i < member_count(ports); i++) {
        JsonObject *port = member_element(ports, i);

        net_print_histogram(out, port, "chains", "chains", "chain-length");
        net_print_histogram(out, port, "sub-chains", "sub-chains",
                            "sub-chain-length");
    }
}

static void net_print_card(FILE *out, JsonObject *card, const NetPast *past)
{
    g_autofree char *id = member_text(card, "id");
    JsonArray *ports = member_array(card, "ports");
    JsonArray *functions = member_array(card, "functions");
    JsonArray *aggregations = member_array(card, "aggregations");

    fprintf(out, "%s: %u wires, %u functions, %u aggregations\n", id,
            member_count(ports) - MIN(member_count(aggregations),
                                      member_count(ports)),
            member_count(functions), member_count(aggregations));
    net_print_ports(out, ports, past);
    net_print_functions(out, id, functions);
    for (unsigned i = 0; i < member_count(aggregations); i++) {
        net_print_aggregation(out, member_element(aggregations, i));
    }
    net_print_chains(out, ports);
}

void net_print(FILE *out, JsonArray *cards, JsonArray *before, double seconds)
{
    for (unsigned i = 0; i < member_count(cards); i++) {
        JsonObject *card = member_element(cards, i);
        NetPast past = {
            .card = net_find(before, "id", member_string(card, "id")),
            .seconds = seconds,
        };

        if (i) {
            fputc('\n', out);
        }
        net_print_card(out, card, &past);
    }
}
