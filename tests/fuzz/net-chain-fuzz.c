/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: frames and chains of them, through header parsing, cutting,
 * hashing and the MAC service.
 *
 * The input is a row of packets: a byte of length, a byte that says how much
 * shorter the head is, and that many bytes.  They arrive at a port with three
 * clients and are sent by one of them.  Each packet's head lies in memory of
 * its own size, so that a sanitizer sees any byte read behind it.
 */
#include <string.h>

#include "target-models/net/aggregation.h"

#define MAX_PACKETS     64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    NicPacket packets[MAX_PACKETS];
    unsigned n;
    unsigned room;              /* packets that the wire still takes */
    uint64_t received;          /* by the tap */
} Run;

static void take_packets(Run *run, const uint8_t *data, size_t size)
{
    while (size > 2 && run->n < MAX_PACKETS) {
        uint32_t length = MIN(data[0], size - 2);
        uint32_t head = length - MIN(data[1] / 16, length);
        NicPacket *packet = &run->packets[run->n++];

        *packet = (NicPacket){ g_memdup2(data + 2, head), head, length, NULL };
        data += 2 + length;
        size -= 2 + length;
    }
}

/* The plain way to find the end of the first sub-chain. */
static unsigned reference_cut(const NicPacket *p, unsigned n)
{
    NicDestination a, b;
    bool good = nic_frame_destination(p[0].data, p[0].head, &a);
    unsigned i;

    for (i = 1; i < n; i++) {
        bool next = nic_frame_destination(p[i].data, p[i].head, &b);

        if (next != good || (good && !nic_destination_equal(&a, &b))) {
            break;
        }
    }
    return i;
}

static void check_cuts(const Run *run)
{
    NicSubChain sub;

    for (unsigned at = 0; at < run->n; at += sub.n) {
        nic_chain_cut(run->packets + at, run->n - at, &sub);
        g_assert_cmpuint(sub.n, ==, reference_cut(run->packets + at,
                                                  run->n - at));
    }
}

/* Two packets that are seen to be of one flow hash alike in every layer. */
static void check_flows(const Run *run)
{
    for (unsigned i = 0; i + 1 < run->n; i++) {
        const NicPacket *a = &run->packets[i], *b = a + 1;
        NicFrame fa, fb;
        NicDigest da, db;

        if (!nic_frame_parse(a, &fa) || !nic_frame_same_flow(a, &fa, b)) {
            continue;
        }
        g_assert(nic_frame_parse(b, &fb));
        nic_frame_digest(a, &fa, 1, &da);
        nic_frame_digest(b, &fb, 1, &db);
        g_assert(memcmp(&da, &db, sizeof(da)) == 0);
    }
}

static unsigned transmit(void *opaque, NicPacket *packets, unsigned n,
                         uint64_t now_ns)
{
    Run *run = opaque;
    unsigned taken = MIN(n, run->room);

    run->room -= taken;
    return taken;
}

static void receive(void *opaque, MacBatch *batch)
{
    uint64_t bytes = 0;

    g_assert(batch->n > 0);
    for (unsigned i = 0; i < batch->n; i++) {
        bytes += batch->packets[i].length;
    }
    g_assert_cmpuint(bytes, ==, batch->bytes);
    if (opaque) {
        *(uint64_t *)opaque += batch->n;
    }
}

static const MacProviderOps wire_ops = { .transmit = transmit };
static const MacClientOps client_ops = { .receive = receive };

static MacClient *attach(MacPort *port, uint64_t address, bool tap,
                         uint64_t *count)
{
    MacFilter filter;
    MacClient *client;

    mac_filter_init(&filter, address);
    filter.all_sap = tap;
    client = mac_client_attach(port, &filter, NULL, &client_ops, count,
                               NULL);
    g_assert(client);
    return client;
}

static void use_service(Run *run)
{
    MacService *service = mac_service_new();
    MacPort *port = mac_port_publish(service, "p", &wire_ops, run, NULL);
    MacClient *a = attach(port, 0, false, NULL);
    const MacPortStats *stats = mac_port_stats(port);
    unsigned taken;

    attach(port, 1, false, NULL);
    attach(port, 0, true, &run->received);
    mac_port_set_link(port, &(MacLink){ true, true, 1000 }, 0);
    mac_port_receive(port, run->packets, run->n, 0);
    g_assert_cmpuint(stats->receive.packets, ==, run->n);
    g_assert_cmpuint(run->received + stats->malformed, ==, run->n);
    run->room = run->n / 2;
    taken = mac_client_transmit(a, run->packets, run->n, 0);
    g_assert_cmpuint(stats->transmit_packets + stats->switched +
                     stats->transmit_malformed, ==, taken);
    mac_service_free(service);
}

/* Every packet is taken, whatever it is and wherever it would go. */
static void use_aggregation(Run *run)
{
    MacService *service = mac_service_new();
    AggregationConfig config;
    AggregationStatus status;
    Aggregation *a;
    MacClient *client;

    aggregation_config_init(&config);
    config.policy = run->n % (NIC_POLICY__MAX - 1) + 1;
    a = aggregation_new(service, "a", &config, NULL, NULL, 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        char name[2] = { '0' + i, 0 };
        MacPort *port = mac_port_publish(service, name, &wire_ops, run,
                                         NULL);

        mac_port_set_link(port, &(MacLink){ true, true, 1000 }, 0);
        g_assert(aggregation_add_member(a, port, 0, 0, NULL) == (int)i);
    }
    client = attach(aggregation_port(a), 0, false, NULL);
    run->room = UINT_MAX;
    g_assert_cmpuint(mac_client_transmit(client, run->packets, run->n, 0),
                     ==, run->n);
    aggregation_status(a, &status);
    g_assert_cmpuint(status.lost + status.no_member, ==, 0);
    aggregation_free(a);
    mac_service_free(service);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = { .n = 0 };

    take_packets(&run, data, size);
    check_cuts(&run);
    check_flows(&run);
    use_service(&run);
    use_aggregation(&run);
    for (unsigned i = 0; i < run.n; i++) {
        g_free(run.packets[i].data);
    }
    return 0;
}
