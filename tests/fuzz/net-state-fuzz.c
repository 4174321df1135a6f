/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: aggregation_load().
 *
 * An input that starts with an odd byte is a state as it comes; one that
 * starts with an even byte says how to damage a good one, in steps of three
 * bytes: where (two bytes) and what to exclusive-or there.  What was taken is
 * used: packets, time, a link that changes.
 */
#include <string.h>

#include "target-models/net/aggregation.h"

#define N_PORTS     3
#define SECOND      UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Lab {
    MacService *service;
    MacPort *port[N_PORTS];
    Aggregation *a;
    MacClient *client;
    uint64_t sent;
} Lab;

static unsigned transmit(void *opaque, NicPacket *packets, unsigned n,
                         uint64_t now_ns)
{
    *(uint64_t *)opaque += n;
    return n;
}

static void receive(void *opaque, MacBatch *batch)
{
}

static const MacProviderOps wire_ops = { .transmit = transmit };
static const MacClientOps client_ops = { .receive = receive };

static void make_lab(Lab *lab, bool lacp)
{
    AggregationConfig config;
    MacFilter filter;

    aggregation_config_init(&config);
    config.has_lacp = lacp;
    config.lacp = (LacpConfig){ 1, 9, 1, true, true, true, 0 };
    lab->service = mac_service_new();
    lab->a = aggregation_new(lab->service, "a", &config, NULL, NULL, 1,
                             NULL);
    for (unsigned i = 0; i < N_PORTS; i++) {
        char name[2] = { '0' + i, 0 };

        lab->port[i] = mac_port_publish(lab->service, name, &wire_ops,
                                        &lab->sent, NULL);
        mac_port_set_link(lab->port[i], &(MacLink){ true, true, 1000 }, 1);
        g_assert(aggregation_add_member(lab->a, lab->port[i], 0, 1, NULL) ==
                 (int)i);
    }
    mac_filter_init(&filter, 0);
    lab->client = mac_client_attach(aggregation_port(lab->a), &filter, NULL,
                                    &client_ops, NULL, NULL);
}

static void send_some(Lab *lab, uint64_t now_ns)
{
    for (unsigned i = 0; i < 32; i++) {
        uint8_t bytes[60] = { 2, [11] = i, [12] = 8, [14] = 0x45, [17] = 46,
                              [23] = 17, [35] = i };
        NicPacket packet = { bytes, sizeof(bytes), sizeof(bytes), NULL };

        mac_client_transmit(lab->client, &packet, 1, now_ns);
    }
}

static void use(Lab *lab)
{
    uint64_t now_ns = 1;

    for (unsigned i = 0; i < 20; i++) {
        send_some(lab, now_ns);
        now_ns += SECOND / 4;
        if (i % 9 == 8) {
            mac_port_set_link(lab->port[i % N_PORTS],
                              &(MacLink){ i & 1, true, 1000 }, now_ns);
        }
        aggregation_run(lab->a, now_ns);
    }
}

static GByteArray *good_state(bool lacp)
{
    Lab lab = { 0 };
    GByteArray *state;

    make_lab(&lab, lacp);
    use(&lab);
    state = aggregation_save(lab.a, 11 * SECOND);
    aggregation_free(lab.a);
    mac_service_free(lab.service);
    return state;
}

static GByteArray *make_state(const uint8_t *data, size_t size, bool lacp)
{
    GByteArray *state;

    if (size && data[0] % 2) {
        state = g_byte_array_new();
        g_byte_array_append(state, data + 1, size - 1);
        return state;
    }
    state = good_state(lacp);
    for (data++; size >= 4; data += 3, size -= 3) {
        state->data[(data[0] | data[1] << 8) % state->len] ^= data[2];
    }
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool lacp = size && data[0] & 2;
    g_autoptr(GByteArray) state = make_state(data, size, lacp);
    g_autoptr(GByteArray) before = NULL;
    g_autoptr(GByteArray) after = NULL;
    Lab lab = { 0 };

    make_lab(&lab, lacp);
    before = aggregation_save(lab.a, 1);
    if (aggregation_load(lab.a, state->data, state->len, 1, NULL)) {
        use(&lab);
        after = aggregation_save(lab.a, 1 + 11 * SECOND);
        g_assert(aggregation_load(lab.a, after->data, after->len,
                                  1 + 11 * SECOND, NULL));
    } else {
        after = aggregation_save(lab.a, 1);
        g_assert(after->len == before->len &&
                 memcmp(after->data, before->data, after->len) == 0);
    }
    aggregation_free(lab.a);
    mac_service_free(lab.service);
    return 0;
}
