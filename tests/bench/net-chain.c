/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark: what a packet costs on its way through a chain.
 *
 * Chains of several lengths go from a port to its client: cut, hashed, looked
 * up, accepted and handed over.  Once all packets of a chain go to one
 * destination, once (the worst case) no two neighbours do.  Figures are of
 * CPU time, the best of a few rounds, as other work only ever adds.  The
 * packets are those of a burst that was just read: they are in the cache.
 *
 * Below that, what a packet costs that is sent over an aggregation of four
 * ports.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "target-models/net/aggregation.h"

#define ROUNDS          5
#define PACKETS         20000000u
#define POOL            256
#define FRAME           60
#define DESTINATIONS    8
#define TARGET_LENGTH   64
#define TARGET_NS       25.0

static const unsigned lengths[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256 };

typedef struct Counter {
    uint64_t packets;
    uint64_t transfers;
} Counter;

static uint8_t frames[POOL][FRAME];
static NicPacket packets[POOL];

static bool accepting(void *opaque, const NicDestination *destination,
                      unsigned n)
{
    return true;
}

static void receive(void *opaque, MacBatch *batch)
{
    Counter *counter = opaque;

    counter->packets += batch->n;
    counter->transfers++;
}

static unsigned transmit(void *opaque, NicPacket *sent, unsigned n,
                         uint64_t now_ns)
{
    return n;
}

static const MacProviderOps provider = { .transmit = transmit };
static const MacClientOps client = {
    .accepting = accepting, .receive = receive,
};

/* Time that this program ran, so that others do not count. */
static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* UDP over IPv4; the source address changes every @run packets. */
static void make_packets(unsigned run)
{
    for (unsigned i = 0; i < POOL; i++) {
        uint8_t *f = frames[i];

        memset(f, 0, FRAME);
        nic_address_put(f, UINT64_C(0x525400000001));
        nic_address_put(f + 6, UINT64_C(0x525400000100) +
                        i / run % DESTINATIONS);
        f[12] = 8;
        f[14] = 0x45;
        f[17] = FRAME - NIC_HEADER;
        f[23] = 17;
        packets[i] = (NicPacket){ f, FRAME, FRAME, NULL };
    }
}

/* A flow of its own for each @run packets: the port of UDP changes. */
static void make_flows(unsigned run)
{
    make_packets(POOL);
    for (unsigned i = 0; i < POOL; i++) {
        frames[i][34] = i / run;
        frames[i][6] = 0x52;
    }
}

static double send_round(MacClient *sender, unsigned length)
{
    unsigned chains = PACKETS / 4 / ROUNDS / length;
    unsigned at = 0;
    double start = cpu_ns();

    for (unsigned i = 0; i < chains; i++) {
        g_assert(mac_client_transmit(sender, packets + at, length, i) ==
                 length);
        at = (at + length) % POOL;
    }
    return (cpu_ns() - start) / chains / length;
}

static unsigned space(void *opaque)
{
    return POOL;
}

static const MacProviderOps roomy = { .transmit = transmit, .space = space };

/* Sending over an aggregation of four, by layers 3 and 4. */
static double measure_sending(unsigned length)
{
    MacService *service = mac_service_new();
    AggregationConfig config;
    MacFilter filter;
    Aggregation *a;
    MacClient *sender;
    Counter none = { 0 };
    double best = 1e30;

    aggregation_config_init(&config);
    config.policy = NIC_POLICY_L3_L4;
    a = aggregation_new(service, "aggregation", &config, NULL, NULL, 0,
                        NULL);
    for (unsigned i = 0; i < 4; i++) {
        char name[2] = { '0' + i, 0 };
        MacPort *port = mac_port_publish(service, name, &roomy, NULL, NULL);

        mac_port_set_link(port, &(MacLink){ true, true, 10000 }, 0);
        g_assert(aggregation_add_member(a, port, 1, 0, NULL) == (int)i);
    }
    mac_filter_init(&filter, UINT64_C(0x525400000100));
    sender = mac_client_attach(aggregation_port(a), &filter, NULL, &client,
                               &none, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        best = MIN(best, send_round(sender, length));
    }
    aggregation_free(a);
    mac_service_free(service);
    return best;
}

static double measure_round(MacPort *port, unsigned length)
{
    unsigned chains = PACKETS / ROUNDS / length;
    unsigned at = 0;
    double start = cpu_ns();

    for (unsigned i = 0; i < chains; i++) {
        mac_port_receive(port, packets + at, length, i);
        at = (at + length) % POOL;
    }
    return (cpu_ns() - start) / chains / length;
}

static double measure(unsigned length, Counter *counter)
{
    MacService *service = mac_service_new();
    MacPort *port = mac_port_publish(service, "port", &provider, NULL, NULL);
    MacFilter filter;
    double best = 1e30;

    mac_port_set_link(port, &(MacLink){ true, true, 10000 }, 0);
    mac_filter_init(&filter, UINT64_C(0x525400000001));
    g_assert_nonnull(mac_client_attach(port, &filter, NULL, &client, counter,
                                       NULL));
    for (unsigned i = 0; i < ROUNDS; i++) {
        best = MIN(best, measure_round(port, length));
    }
    mac_service_free(service);
    return best;
}

static void print_sending(void)
{
    printf("\npackets in a chain   sent, one flow    "
           "another for each packet\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        double ns;

        make_flows(POOL);
        ns = measure_sending(lengths[i]);
        make_flows(1);
        printf("%18u %14.2f ns %22.2f ns\n", lengths[i], ns,
               measure_sending(lengths[i]));
    }
}

static bool print_receiving(void)
{
    double first = 0, at_target = 0, last = 0;

    printf("packets in a chain   one destination   "
           "another for each packet\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        Counter together = { 0 }, apart = { 0 };
        double ns, apart_ns;

        make_packets(POOL);
        ns = measure(lengths[i], &together);
        make_packets(1);
        apart_ns = measure(lengths[i], &apart);
        g_assert_cmpuint(apart.transfers, ==, apart.packets);
        g_assert_cmpuint(together.transfers * lengths[i], ==,
                         together.packets);
        printf("%18u %14.2f ns %22.2f ns\n", lengths[i], ns, apart_ns);
        first = i == 0 ? ns : first;
        at_target = lengths[i] == TARGET_LENGTH ? ns : at_target;
        last = ns;
    }
    printf("at %d: %.2f ns a packet, %.2f of the %.0f allowed; "
           "%.3f of the cost in a chain of 1, at %u %.3f\n", TARGET_LENGTH,
           at_target, at_target / TARGET_NS, TARGET_NS, at_target / first,
           lengths[G_N_ELEMENTS(lengths) - 1], last / first);
    return at_target <= TARGET_NS && at_target < first;
}

int main(void)
{
    bool good = print_receiving();

    print_sending();
    return !good;
}
