/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: a virtual CPU waits for a completion. */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/pci-bridge/rac.h"
#include "qemu/main-loop.h"
#include "qemu/seqlock.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "system/cpu-timers.h"
#include "system/cpu-timers-internal.h"
#include "system/qtest.h"

/* How soon a waiting CPU notices that it must not wait any longer. */
#define SLICE_NS 500000

/*
 * The machine is being stopped, or another CPU has asked all to leave
 * guest code (start_exclusive() in cpu-common.c).
 */
static bool is_wanted_elsewhere(CPUState *cpu)
{
    return qatomic_read(&cpu->stop) || qatomic_read(&cpu->unplug) ||
           qatomic_read(&cpu->has_waiter);
}

static uint64_t sleep_for(CPUState *cpu, uint64_t ns)
{
    int64_t start = get_clock();
    int64_t now = start;

    while (now - start < ns && !is_wanted_elsewhere(cpu)) {
        struct timespec slice = {
            .tv_nsec = MIN(SLICE_NS, ns - (now - start)),
        };

        nanosleep(&slice, NULL);
        now = get_clock();
    }
    return now - start;
}

/*
 * Under icount all virtual CPUs share a thread and instructions are
 * time: move the virtual clock on, as icount does when all are idle, so
 * that the run stays repeatable.
 */
static uint64_t warp_virtual_time(uint64_t ns)
{
    seqlock_write_lock(&timers_state.vm_clock_seqlock,
                       &timers_state.vm_clock_lock);
    qatomic_set_i64(&timers_state.qemu_icount_bias,
                    timers_state.qemu_icount_bias + ns);
    seqlock_write_unlock(&timers_state.vm_clock_seqlock,
                         &timers_state.vm_clock_lock);
    qemu_clock_notify(QEMU_CLOCK_VIRTUAL);
    return ns;
}

uint64_t rac_wait(uint64_t ns, MemReentrancyGuard *guard)
{
    CPUState *cpu = current_cpu;
    bool engaged = guard && guard->engaged_in_io;
    uint64_t waited;

    if (!cpu || qtest_enabled()) {
        return 0;
    }
    ns = MIN(ns, RAC_MAX_WAIT_NS);
    if (icount_enabled()) {
        return warp_virtual_time(ns);
    }
    if (guard) {
        /* others may use the bridge while this request is out */
        guard->engaged_in_io = false;
    }
    bql_unlock();
    waited = sleep_for(cpu, ns);
    bql_lock();
    if (guard) {
        guard->engaged_in_io = engaged;
    }
    return waited;
}
