/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-iommu: the clock of hits
 *
 * Reading virtual time costs 25 to 40 ns, more than a whole hit.  While
 * there is DMA a timer keeps a copy that is a millisecond old at most; a
 * tick without DMA since the last one is the last.  The first DMA after
 * that reads the clock itself.
 */
#include "qemu/osdep.h"
#include "hw/i386/iommu-internal.h"

#define TICK_NS SCALE_MS

static uint64_t read_clock(SunderIommu *s)
{
    uint64_t now_ns = sunder_fault_now_ns();

    qatomic_set(&s->now_ns, now_ns);
    return now_ns;
}

uint64_t iommu_clock_wake(SunderIommu *s)
{
    uint64_t now_ns = read_clock(s);

    if (qatomic_xchg(&s->clock_state, CLOCK_ACTIVE) == CLOCK_STOPPED) {
        timer_mod_ns(s->clock_timer, now_ns + TICK_NS);
    }
    return now_ns;
}

static void tick(void *opaque)
{
    SunderIommu *s = opaque;
    uint64_t now_ns = read_clock(s);

    if (qatomic_cmpxchg(&s->clock_state, CLOCK_IDLE, CLOCK_STOPPED) ==
        CLOCK_IDLE) {
        return;
    }
    qatomic_cmpxchg(&s->clock_state, CLOCK_ACTIVE, CLOCK_IDLE);
    timer_mod_ns(s->clock_timer, now_ns + TICK_NS);
}

void iommu_clock_reset(SunderIommu *s)
{
    timer_del(s->clock_timer);
    qatomic_set(&s->clock_state, CLOCK_STOPPED);
}

void iommu_clock_init(SunderIommu *s)
{
    s->clock_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, tick, s);
}
