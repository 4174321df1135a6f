/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "json-member.h"
#include "net-text.h"
#include "net-text-private.h"

void net_lacp_text(unsigned state, char text[NET_LACP_LETTERS + 1])
{
    /* Bits 0 to 7: IEEE 802.1AX-2014, 6.4.2.3 */
    static const char letters[] = "ASGYCDFX";

    for (unsigned i = 0; i < NET_LACP_LETTERS; i++) {
        text[i] = state >> i & 1 ? letters[i] : '-';
    }
    text[NET_LACP_LETTERS] = '\0';
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

/* Frames or bytes of the last interval, per second */
static double net_per_second(JsonObject *aggregation, uint64_t number)
{
    uint64_t interval_ns = member_number(aggregation, "interval-ns");

    return interval_ns ? (double)number * 1e9 / (double)interval_ns : 0;
}

static uint64_t net_total(JsonArray *members, const char *what)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < member_count(members); i++) {
        total += member_number(member_element(members, i), what);
    }
    return total;
}

static void net_print_member(FILE *out, JsonObject *aggregation,
                             JsonObject *member, const NetView *view)
{
    g_autofree char *port = member_text(member, "port");
    JsonObject *lacp = member_object(member, "lacp");
    uint64_t packets = member_number(member, "packets");
    uint64_t total = net_total(member_array(aggregation, "members"),
                               "packets");

    fprintf(out, "  %-*s %-6s %8.0f %11.0f %4.0f%%", view->width, port,
            member_bool(member, "active") ? "yes" : "no",
            net_per_second(aggregation, packets),
            net_per_second(aggregation, member_number(member, "bytes")),
            total ? 100.0 * (double)packets / (double)total : 0);
    if (lacp) {
        g_autofree char *system = member_text(lacp, "partner-system");

        fprintf(out, "  %-17s %5u %5u", system,
                (unsigned)member_number(lacp, "partner-key"),
                (unsigned)member_number(lacp, "partner-port"));
    }
    fputc('\n', out);
}

static void net_print_members(FILE *out, JsonObject *aggregation,
                              const NetView *view)
{
    JsonArray *members = member_array(aggregation, "members");

    fprintf(out, "  %-*s %-6s %8s %11s %5s", view->width, "member", "active",
            "frames/s", "bytes/s", "share");
    if (net_has_lacp(members)) {
        fprintf(out, "  %-17s %5s %5s", "partner", "key", "port");
    }
    fputc('\n', out);
    for (unsigned i = 0; i < member_count(members); i++) {
        net_print_member(out, aggregation, member_element(members, i), view);
    }
}

static void net_print_lacp(FILE *out, JsonObject *member,
                           const NetView *view)
{
    JsonObject *lacp = member_object(member, "lacp");
    g_autofree char *port = member_text(member, "port");
    g_autofree char *receive = member_text(lacp, "receive-state");
    g_autofree char *mux = member_text(lacp, "mux-state");
    char actor[NET_LACP_LETTERS + 1], partner[NET_LACP_LETTERS + 1];

    net_lacp_text((unsigned)member_number(lacp, "actor-state"), actor);
    net_lacp_text((unsigned)member_number(lacp, "partner-state"), partner);
    fprintf(out, "  %-*s %-13s %-12s %s %s %6" PRIu64 " %6" PRIu64
            " %7" PRIu64 "\n", view->width, port, receive, mux, actor,
            partner, member_number(lacp, "received"),
            member_number(lacp, "sent"), member_number(lacp, "expired"));
}

static void net_print_lacps(FILE *out, JsonArray *members,
                            const NetView *view)
{
    if (!net_has_lacp(members)) {
        return;
    }
    fprintf(out, "  %-*s %-13s %-12s %-8s %-8s %6s %6s %7s\n", view->width,
            "LACP", "receive", "mux", "actor", "partner", "heard", "said",
            "expired");
    for (unsigned i = 0; i < member_count(members); i++) {
        JsonObject *member = member_element(members, i);

        if (member_object(member, "lacp")) {
            net_print_lacp(out, member, view);
        }
    }
}

void net_print_aggregation(FILE *out, JsonObject *aggregation,
                           const NetView *view)
{
    g_autofree char *name = member_text(aggregation, "name");
    g_autofree char *policy = member_text(aggregation, "policy");
    g_autofree char *lacp = member_text(aggregation, "lacp");

    fprintf(out, "%s: policy %s, ", name, policy);
    if (member_bool(aggregation, "adaptive")) {
        fprintf(out, "another one above a spread of %.2f",
                member_double(aggregation, "threshold"));
    } else {
        fprintf(out, "fixed");
    }
    fprintf(out, "; LACP %s\n  spread %.2f in the last %g s; changed %" PRIu64
            " times by itself; %" PRIu64 " buckets moving\n", lacp,
            member_double(aggregation, "spread"),
            (double)member_number(aggregation, "interval-ns") / 1e9,
            member_number(aggregation, "changes"),
            member_number(aggregation, "moving"));
    net_print_members(out, aggregation, view);
    net_print_lacps(out, member_array(aggregation, "members"), view);
}
