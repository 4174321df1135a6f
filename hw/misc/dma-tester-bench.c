/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA tester's bench: how many host nanoseconds translations, DMAs and
 * invalidations take.  It runs in threads of its own, as the DMA of a device
 * with an iothread does, so that the guest goes on and a wait for the BQL
 * cannot be a wait for itself.
 */
#include "qemu/osdep.h"
#include "hw/misc/dma-tester-bench.h"
#include "hw/pci/pci.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/rcu.h"

/* Whether this thread is the bench's */
static __thread bool in_bench;

static void set_results(SunderDmaTester *s, const SdtBenchRun *run)
{
    sdt_set64(s->bench, SDT_BENCH_NS - SDT_BENCH, run->ns);
    sdt_set64(s->bench, SDT_BENCH_CPU_NS - SDT_BENCH, run->cpu_ns);
    sdt_set64(s->bench, SDT_BENCH_OPS - SDT_BENCH, run->ops);
    sdt_set64(s->bench, SDT_BENCH_FAILED - SDT_BENCH, run->failed);
    sdt_set64(s->bench, SDT_BENCH_INV_NS - SDT_BENCH, run->inv_ns);
    sdt_set64(s->bench, SDT_BENCH_INV_OPS - SDT_BENCH, run->inv_ops);
}

static void set_state(SunderDmaTester *s, uint32_t state)
{
    s->bench[(SDT_BENCH_STATE - SDT_BENCH) / 4] = state;
}

static void run_free(SdtBenchRun *run)
{
    if (run->iommu) {
        memory_region_unref(MEMORY_REGION(run->iommu));
    }
    g_free(run->order);
    g_free(run);
}

/* The last thread is through. */
static void run_over(SdtBenchRun *run)
{
    SunderDmaTester *s = run->tester;

    if (run->op != SDT_BENCH_OP_REMAP) {
        run->inv_ns = run->last_ns - run->first_ns;
    }
    set_results(s, run);
    set_state(s, run->stop ? SDT_BENCH_STATE_STOPPED : SDT_BENCH_STATE_DONE);
    s->run = NULL;
    if (run->command & SDT_CMD_IRQ) {
        sdt_raise(s, SDT_IRQ_BENCH);
    }
    qemu_cond_broadcast(&s->run_over);
    run_free(run);
    object_unref(OBJECT(s));
}

static void thread_over(BenchThread *t)
{
    SdtBenchRun *run = t->run;

    BQL_LOCK_GUARD();
    run->ns += t->ns;
    run->cpu_ns += t->cpu_ns;
    run->ops += t->ops;
    run->failed += t->failed;
    run->inv_ns += t->inv_ns;
    run->inv_ops += t->inv_ops;
    /* 0 is none: after all others */
    run->first_ns = MIN(run->first_ns - 1, t->first_ns - 1) + 1;
    run->last_ns = MAX(run->last_ns, t->last_ns);
    if (--run->running == 0) {
        run_over(run);
    }
}

static void *bench_thread(void *opaque)
{
    BenchThread *t = opaque;

    in_bench = true;
    rcu_register_thread();
    sdt_bench_work(t);
    thread_over(t);
    qemu_vfree(t);
    rcu_unregister_thread();
    return NULL;
}

/* Fisher and Yates' shuffle with Numerical Recipes' generator */
static uint32_t *shuffled(uint32_t n)
{
    uint32_t *order = g_new(uint32_t, n);
    uint32_t state = 1;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t j;

        state = state * 1664525u + 1013904223u;
        j = (uint64_t)state * (i + 1) >> 32;
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

static uint32_t get32(const SunderDmaTester *s, unsigned offset)
{
    return s->bench[(offset - SDT_BENCH) / 4];
}

static uint64_t get64(const SunderDmaTester *s, unsigned offset)
{
    return sdt_get64(s->bench, offset - SDT_BENCH);
}

static SdtBenchRun *run_new(SunderDmaTester *s, uint32_t command)
{
    SdtBenchRun *run = g_new0(SdtBenchRun, 1);

    run->tester = s;
    run->command = command;
    run->op = command & SDT_OP_MASK;
    run->iova = get64(s, SDT_BENCH_IOVA);
    run->stride = get64(s, SDT_BENCH_STRIDE);
    run->pages = get32(s, SDT_BENCH_PAGES);
    run->rounds = get32(s, SDT_BENCH_ROUNDS);
    run->length = get32(s, SDT_BENCH_LENGTH);
    run->threads = get32(s, SDT_BENCH_THREADS);
    run->batch = get32(s, SDT_BENCH_BATCH);
    run->flags = get32(s, SDT_BENCH_FLAGS);
    run->entry = get64(s, SDT_BENCH_ENTRY);
    run->toggle = get64(s, SDT_BENCH_TOGGLE);
    run->descriptor[0] = get64(s, SDT_BENCH_DESCRIPTOR);
    run->descriptor[1] = get64(s, SDT_BENCH_DESCRIPTOR + 8);
    return run;
}

static bool run_valid(const SdtBenchRun *run)
{
    return run->op >= SDT_BENCH_OP_TRANSLATE &&
           run->op <= SDT_BENCH_OP_LOOK &&
           run->pages >= 1 && run->pages <= SDT_BENCH_MAX_PAGES &&
           run->rounds >= 1 && run->rounds <= SDT_BENCH_MAX_ROUNDS &&
           run->length >= 1 && run->length <= SDT_BUFFER_SIZE &&
           run->threads >= 1 && run->threads <= SDT_BENCH_MAX_THREADS &&
           (run->op != SDT_BENCH_OP_REMAP ||
            (run->batch >= 1 && run->batch <= SDT_BENCH_MAX_BATCH &&
             run->threads == 1));
}

/* Returns: whether an IOMMU translates the addresses, if that matters. */
static bool find_iommu(SdtBenchRun *run)
{
    AddressSpace *as =
        pci_device_iommu_address_space(PCI_DEVICE(run->tester));
    MemoryRegionSection section;

    if (run->op != SDT_BENCH_OP_TRANSLATE && run->op != SDT_BENCH_OP_REMAP) {
        return true;
    }
    section = memory_region_find(as->root, run->iova, 1);
    if (!section.mr) {
        return false;
    }
    run->iommu = memory_region_get_iommu(section.mr);
    if (!run->iommu) {
        memory_region_unref(section.mr);
    }
    return run->iommu != NULL;
}

static void run_start(SdtBenchRun *run)
{
    run->order = shuffled(run->pages);
    run->running = run->waiting = run->threads;
    run->tester->run = run;
    object_ref(OBJECT(run->tester));
    for (unsigned i = 0; i < run->threads; i++) {
        BenchThread *t = qemu_memalign(__alignof__(BenchThread),
                                       sizeof(*t));
        QemuThread thread;

        *t = (BenchThread) {
            .run = run,
            .first = run->iova + i * (uint64_t)run->pages * run->stride,
        };
        qemu_thread_create(&thread, "sdt-bench", bench_thread, t,
                           QEMU_THREAD_DETACHED);
    }
}

static void bench_command(SunderDmaTester *s, uint32_t command)
{
    SdtBenchRun *run = run_new(s, command);

    set_results(s, run);
    if (!run_valid(run)) {
        set_state(s, SDT_BENCH_STATE_BAD);
        run_free(run);
    } else if (!find_iommu(run)) {
        set_state(s, SDT_BENCH_STATE_NO_IOMMU);
        run_free(run);
    } else {
        set_state(s, SDT_BENCH_STATE_RUNNING);
        run_start(run);
    }
}

void sdt_bench_write(SunderDmaTester *s, unsigned offset, uint32_t value)
{
    offset += SDT_BENCH;
    if (offset == SDT_BENCH_COMMAND && value == 0) {
        sdt_bench_stop(s);
    } else if (s->run || offset > SDT_BENCH_COMMAND) {
        return;
    } else if (offset == SDT_BENCH_COMMAND) {
        bench_command(s, value);
    } else {
        s->bench[(offset - SDT_BENCH) / 4] = value;
    }
}

void sdt_bench_stop(SunderDmaTester *s)
{
    if (s->run) {
        qatomic_set(&s->run->stop, 1);
    }
}

/*
 * A thread whose DMA makes the device go away (it may write to a slot's power
 * control) waits for nobody; it holds a reference to the device.
 */
void sdt_bench_stop_and_wait(SunderDmaTester *s)
{
    sdt_bench_stop(s);
    while (s->run && !in_bench) {
        qemu_cond_wait_bql(&s->run_over);
    }
}
