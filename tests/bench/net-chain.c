/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark: what a packet costs on its way through a chain.
 *
 * Chains of several lengths go from a port to its client: cut, hashed, looked
 * up, accepted and handed over.  Once all packets of a chain go to one
 * destination, once (the worst case) no two neighbours do.  Each figure is the
 * best of a few rounds, as other work on the machine only ever adds.  The
 * packets are those of a burst that was just read: they are in the cache.
 */
#include <stdio.h>
#include <string.h>

#include "target-models/net/mac.h"

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

static double measure_round(MacPort *port, unsigned length)
{
    unsigned chains = PACKETS / ROUNDS / length;
    unsigned at = 0;
    gint64 start = g_get_monotonic_time();

    for (unsigned i = 0; i < chains; i++) {
        mac_port_receive(port, packets + at, length, i);
        at = (at + length) % POOL;
    }
    return (g_get_monotonic_time() - start) * 1000.0 / chains / length;
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

int main(void)
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
    return at_target > TARGET_NS || at_target >= first;
}
