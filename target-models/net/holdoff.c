/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains: threshold and hold-off of interrupts. */
#include "chain.h"

static uint64_t add_time(uint64_t now_ns, uint64_t ns)
{
    return ns > NIC_NO_DEADLINE - 1 - now_ns ? NIC_NO_DEADLINE - 1
                                             : now_ns + ns;
}

void nic_holdoff_set(NicHoldoff *h, uint32_t threshold, uint64_t holdoff_ns,
                     uint64_t now_ns)
{
    h->threshold = threshold;
    h->holdoff_ns = holdoff_ns;
    h->deadline_ns = add_time(now_ns, holdoff_ns);
}

static bool is_due(const NicHoldoff *h, uint64_t now_ns)
{
    return h->pending &&
           (h->holdoff_ns == 0 || now_ns >= h->deadline_ns ||
            (h->threshold && h->pending >= h->threshold));
}

bool nic_holdoff_expire(NicHoldoff *h, uint64_t now_ns)
{
    bool due = is_due(h, now_ns);

    if (due) {
        h->pending = 0;
    }
    return due;
}

bool nic_holdoff_add(NicHoldoff *h, uint32_t n, uint64_t now_ns)
{
    if (h->pending == 0) {
        h->deadline_ns = add_time(now_ns, h->holdoff_ns);
    }
    h->pending = n > UINT32_MAX - h->pending ? UINT32_MAX : h->pending + n;
    return nic_holdoff_expire(h, now_ns);
}

void nic_holdoff_clear(NicHoldoff *h)
{
    h->pending = 0;
}

uint64_t nic_holdoff_deadline(const NicHoldoff *h)
{
    return h->pending ? h->deadline_ns : NIC_NO_DEADLINE;
}
