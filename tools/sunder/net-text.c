/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "json-member.h"
#include "net-text.h"
#include "net-text-private.h"

/* Room for names, at least and at most; longer ones push what follows. */
#define WIDTH_MIN 9
#define WIDTH_MAX 32

/* Why a port does not carry what it could, as SunderNicPort names it */
static const char *const net_troubles[] = {
    "receive-dropped", "transmit-dropped", "malformed", "stopped", "paused",
};

JsonObject *net_find(JsonArray *array, const char *name, const char *text)
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

static void net_print_port(FILE *out, JsonObject *port, const NetView *view)
{
    g_autofree char *name = member_text(port, "name");
    g_autofree char *backend = *member_string(port, "backend")
        ? member_text(port, "backend") : g_strdup("-");
    JsonObject *receive = member_object(port, "receive");
    JsonObject *before = net_find(member_array(view->before, "ports"), "name",
                                  member_string(port, "name"));
    g_autofree char *received = net_rate(receive,
                                         member_object(before, "receive"),
                                         "packets", view->seconds);
    g_autofree char *sent = net_rate(port, before, "transmit-packets",
                                     view->seconds);

    fprintf(out, "  %-*s %-4s %6" PRIu64 " %11" PRIu64 " %9s %11" PRIu64
            " %9s  %s\n", view->width, name,
            member_bool(port, "link-up") ? "up" : "down",
            member_number(port, "speed-mbps"),
            member_number(receive, "packets"), received,
            member_number(port, "transmit-packets"), sent, backend);
}

static void net_print_ports(FILE *out, JsonArray *ports, const NetView *view)
{
    fprintf(out, "  %-*s %-4s %6s %11s %9s %11s %9s  %s\n", view->width,
            "port", "link", "Mbit/s", "received", "in/s", "sent", "out/s",
            "wire");
    for (unsigned i = 0; i < member_count(ports); i++) {
        net_print_port(out, member_element(ports, i), view);
    }
}

static bool net_has_trouble(JsonObject *port)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(net_troubles); i++) {
        if (member_number(port, net_troubles[i])) {
            return true;
        }
    }
    return false;
}

/* Ports that lost something or waited; nothing if none did */
static void net_print_troubles(FILE *out, JsonArray *ports,
                               const NetView *view)
{
    bool first = true;

    for (unsigned i = 0; i < member_count(ports); i++) {
        JsonObject *port = member_element(ports, i);
        g_autofree char *name = member_text(port, "name");

        if (!net_has_trouble(port)) {
            continue;
        }
        if (first) {
            fprintf(out, "  %-*s %11s %11s %11s %11s %11s\n", view->width,
                    "port", "lost in", "lost out", "bad", "stopped",
                    "paused");
        }
        first = false;
        fprintf(out, "  %-*s", view->width, name);
        for (unsigned j = 0; j < G_N_ELEMENTS(net_troubles); j++) {
            fprintf(out, " %11" PRIu64, member_number(port, net_troubles[j]));
        }
        fputc('\n', out);
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

static char *net_function_name(JsonObject *function, const NetView *view)
{
    return g_strdup_printf("%s.f%u", view->card,
                           (unsigned)member_number(function, "number"));
}

static void net_print_function(FILE *out, JsonObject *function,
                               const NetView *view)
{
    g_autofree char *name = net_function_name(function, view);
    g_autofree char *port = member_text(function, "port");
    g_autofree char *mac = member_text(function, "mac");

    fprintf(out, "  %-*s %-*s %-17s %-7s %5u  %s%s\n", view->width, name,
            view->width, port, mac, net_function_state(function),
            (unsigned)member_number(function, "queue-pairs"),
            member_bool(function, "direct") ? "direct" : "-",
            member_bool(function, "polled") ? ", polled" : "");
}

static void net_print_traffic(FILE *out, JsonObject *function,
                              const NetView *view)
{
    g_autofree char *name = net_function_name(function, view);
    g_autofree char *in = net_share(function, "receive-interrupts",
                                    "receive-packets");
    g_autofree char *out_share = net_share(function, "transmit-interrupts",
                                           "transmit-packets");

    fprintf(out, "  %-*s %11" PRIu64 " %6s %7" PRIu64 " %7" PRIu64
            " %11" PRIu64 " %6s %7" PRIu64 " %6" PRIu64 "\n", view->width,
            name, member_number(function, "receive-packets"), in,
            member_number(function, "receive-dropped"),
            member_number(function, "receive-merged"),
            member_number(function, "transmit-packets"), out_share,
            member_number(function, "transmit-segmented"),
            member_number(function, "bad-requests"));
}

static void net_print_functions(FILE *out, JsonArray *functions,
                                const NetView *view)
{
    fprintf(out, "  %-*s %-*s %-17s %-7s %5s  %s\n", view->width, "function",
            view->width, "port", "address", "driver", "pairs", "channel");
    for (unsigned i = 0; i < member_count(functions); i++) {
        net_print_function(out, member_element(functions, i), view);
    }
    fprintf(out, "  %-*s %11s %6s %7s %7s %11s %6s %7s %6s\n", view->width,
            "function", "received", "irq/fr", "no room", "merged", "sent",
            "irq/fr", "cut", "denied");
    for (unsigned i = 0; i < member_count(functions); i++) {
        net_print_traffic(out, member_element(functions, i), view);
    }
}

/* The longest name of the card's table, in bytes */
static int net_width(JsonArray *ports, const char *card)
{
    size_t most = MAX(WIDTH_MIN, strlen(card) + strlen(".f0"));

    for (unsigned i = 0; i < member_count(ports); i++) {
        g_autofree char *name = member_text(member_element(ports, i), "name");

        most = MAX(most, strlen(name));
    }
    return (int)MIN(most, WIDTH_MAX);
}

static void net_print_count(FILE *out, unsigned count, const char *what)
{
    fprintf(out, "%u %s%s", count, what, count == 1 ? "" : "s");
}

static void net_print_title(FILE *out, JsonObject *card, const NetView *view)
{
    unsigned ports = member_count(member_array(card, "ports"));
    unsigned aggregations = member_count(member_array(card, "aggregations"));

    fprintf(out, "%s: ", view->card);
    net_print_count(out, ports - MIN(aggregations, ports), "wire");
    fputs(", ", out);
    net_print_count(out, member_count(member_array(card, "functions")),
                    "function");
    fputs(", ", out);
    net_print_count(out, aggregations, "aggregation");
    fputc('\n', out);
}

static void net_print_card(FILE *out, JsonObject *card, NetView *view)
{
    g_autofree char *id = member_text(card, "id");
    JsonArray *ports = member_array(card, "ports");
    JsonArray *aggregations = member_array(card, "aggregations");

    view->card = id;
    view->width = net_width(ports, id);
    net_print_title(out, card, view);
    net_print_ports(out, ports, view);
    net_print_troubles(out, ports, view);
    net_print_functions(out, member_array(card, "functions"), view);
    for (unsigned i = 0; i < member_count(aggregations); i++) {
        net_print_aggregation(out, member_element(aggregations, i), view);
    }
    net_print_chains(out, ports, view);
}

void net_print(FILE *out, JsonArray *cards, JsonArray *before, double seconds)
{
    for (unsigned i = 0; i < member_count(cards); i++) {
        JsonObject *card = member_element(cards, i);
        NetView view = {
            .before = net_find(before, "id", member_string(card, "id")),
            .seconds = seconds,
        };

        if (i) {
            fputc('\n', out);
        }
        net_print_card(out, card, &view);
    }
}
