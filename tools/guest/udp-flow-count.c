/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp-flow: what arrived of each flow */
#include <stdlib.h>
#include <string.h>

#include "udp-flow.h"

static bool flow_grow(Flow *flow, size_t bytes)
{
    size_t wanted = flow->bytes ? flow->bytes : 64;
    uint8_t *came;

    while (wanted < bytes) {
        wanted *= 2;
    }
    if (wanted == flow->bytes) {
        return true;
    }
    came = realloc(flow->came, wanted);
    if (!came) {
        return false;
    }
    memset(came + flow->bytes, 0, wanted - flow->bytes);
    flow->came = came;
    flow->bytes = wanted;
    return true;
}

bool flow_add(Flow *flow, uint64_t number)
{
    uint8_t bit = (uint8_t)(1u << number % 8);

    if (number >= FLOW_NUMBER_MAX || !flow_grow(flow, number / 8 + 1)) {
        return false;
    }
    if (flow->came[number / 8] & bit) {
        flow->duplicated++;
        return true;
    }
    flow->came[number / 8] |= bit;
    flow->received++;
    if (number < flow->next) {
        flow->reordered++;
    } else {
        flow->next = number + 1;
    }
    return true;
}

FlowTotals flow_totals(const Flow *flows, unsigned n, uint64_t sent)
{
    FlowTotals totals = { 0 };

    for (unsigned i = 0; i < n; i++) {
        uint64_t all = sent > flows[i].next ? sent : flows[i].next;

        totals.flows += flows[i].received ? 1 : 0;
        totals.received += flows[i].received;
        totals.lost += all - flows[i].received;
        totals.reordered += flows[i].reordered;
        totals.duplicated += flows[i].duplicated;
    }
    return totals;
}

void flow_clear(Flow *flow)
{
    free(flow->came);
    *flow = (Flow) { 0 };
}
