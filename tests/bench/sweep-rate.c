/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a sweep is: finding resident memory, looking, arming, looking
 * again, giving back, as hw/mem does it, without an emulator.
 *
 *   sweep-rate [ROUNDS]
 *
 * Prints the best and the median of ROUNDS (default 5) and what it should
 * be.  A rate is memory swept in a second, taken or not; where only a part
 * of it is taken the rate of that follows.  Exit status 1 if a target is
 * missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hw/mem/window.h"

#define PAGE        4096u
#define SUPER       (2u << 20)
#define GIB         (UINT64_C(1) << 30)
#define MEMORY      GIB
#define UNTOUCHED   (16 * GIB)
#define MAX_ROUNDS  100
/* As in hw/mem/sweeper-job.c. */
#define BATCH       (32u << 20)
#define BATCH_RUNS  2048
#define SLICE       GIB

/* What memory holds before each round. */
typedef enum Content {
    ALL_ZERO,
    HALF_ZERO,                  /* every second page */
    FULL,                       /* no page is zero */
} Content;

typedef struct Bench {
    const char *name;
    HostMemoryKind kind;
    bool huge;
    Content content;
    WriteGuardEngine engine;
    double target;              /* GiB/s; 0: none */
} Bench;

static const Bench benches[] = {
    { "huge pages, all zero", HOST_MEMORY_ANONYMOUS, true, ALL_ZERO,
      WRITE_GUARD_PROTECT, 15 },
    { "huge pages, all zero", HOST_MEMORY_ANONYMOUS, true, ALL_ZERO,
      WRITE_GUARD_MOVE, 15 },
    { "huge pages, all zero", HOST_MEMORY_ANONYMOUS, true, ALL_ZERO,
      WRITE_GUARD_NONE, 15 },
    { "single pages, all zero", HOST_MEMORY_ANONYMOUS, false, ALL_ZERO,
      WRITE_GUARD_PROTECT, 3 },
    { "single pages, every second zero", HOST_MEMORY_ANONYMOUS, false,
      HALF_ZERO, WRITE_GUARD_PROTECT, 3 },
    { "single pages, every second zero", HOST_MEMORY_ANONYMOUS, false,
      HALF_ZERO, WRITE_GUARD_MOVE, 0 },
    { "single pages, every second zero", HOST_MEMORY_ANONYMOUS, false,
      HALF_ZERO, WRITE_GUARD_NONE, 3 },
    { "memfd, all zero", HOST_MEMORY_SHARED, false, ALL_ZERO,
      WRITE_GUARD_PROTECT, 0 },
    { "memfd, all zero", HOST_MEMORY_SHARED, false, ALL_ZERO,
      WRITE_GUARD_NONE, 0 },
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static HostMemory map_memory(HostMemoryKind kind, uint64_t length)
{
    HostMemory m = { .kind = kind, .length = length, .page = PAGE,
                     .fd = -1 };
    uint8_t *at = mmap(NULL, length + SUPER, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int flags = MAP_FIXED | MAP_NORESERVE;

    g_assert(at != MAP_FAILED);
    m.host = (uint8_t *)(((uintptr_t)at + SUPER - 1) &
                         ~(uintptr_t)(SUPER - 1));
    if (kind == HOST_MEMORY_SHARED) {
        m.fd = memfd_create("sweep-rate", MFD_CLOEXEC);
        g_assert(m.fd >= 0 && ftruncate(m.fd, length) == 0);
        flags |= MAP_SHARED;
    } else {
        flags |= MAP_PRIVATE | MAP_ANONYMOUS;
    }
    at = mmap(m.host, length, PROT_READ | PROT_WRITE, flags, m.fd, 0);
    g_assert(at == m.host);
    return m;
}

static void unmap_memory(const HostMemory *m)
{
    munmap(m->host, m->length);
    if (m->fd >= 0) {
        close(m->fd);
    }
}

/* Makes every page resident. */
static void fill(const HostMemory *m, Content content)
{
    for (uint64_t at = 0; at < m->length; at += PAGE) {
        volatile uint64_t *word = (volatile uint64_t *)(m->host + at);

        *word = content == FULL || (content == HALF_ZERO && at & PAGE);
    }
}

/* As in hw/mem/sweeper-job.c. */
static bool look(void *opaque, uint32_t region, uint64_t offset,
                 unsigned pages, uint64_t *matching)
{
    const HostMemory *m = opaque;

    sweep_screen(m->host + offset, PAGE, pages, 0, matching);
    return true;
}

static uint64_t take_batch(const SweepWindow *window, const SweepRun *runs,
                           unsigned count, SweepWindowResult *result)
{
    g_autofree struct iovec *ranges = g_new(struct iovec, count);
    uint64_t before = result->bytes;
    GError *error = NULL;

    sweep_window_ranges(window, runs, count, ranges);
    if (!write_guard_arm(window->guard, ranges, count, &error) ||
        !sweep_window_take(window, runs, count, result, &error)) {
        g_error("%s", error->message);
    }
    write_guard_disarm(window->guard);
    return result->bytes - before;
}

static void take_all(const SweepWindow *window, SweepPlan *plan,
                     SweepWindowResult *result)
{
    const SweepRun *runs;
    unsigned count;

    while ((runs = sweep_plan_next(plan, &count))) {
        sweep_plan_taken(plan, take_batch(window, runs, count, result));
    }
}

/* Returns: the bytes taken. */
static uint64_t sweep(const HostMemory *m, WriteGuard *guard,
                      SweepMode mode)
{
    const uint64_t super = SUPER;
    const SweepWindow window = {
        .guard = guard, .memory = m, .super_page = &super, .regions = 1,
    };
    const SweepOptions options = {
        .mode = mode, .batch = BATCH, .batch_runs = BATCH_RUNS,
        .look = look, .opaque = (void *)m,
    };
    const SweepRegion region = { m->length, PAGE, SUPER, 0 };
    SweepWindowResult result = {
        .taken = g_array_new(FALSE, FALSE, sizeof(SweepRun)),
    };
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE,
                                            sizeof(SweepExtent));
    SweepPlan *plan = sweep_plan_new(&options);

    sweep_plan_add_region(plan, &region);
    for (uint64_t at = 0; at < m->length; at += SLICE) {
        g_array_set_size(extents, 0);
        g_assert(host_memory_resident(m, at, MIN(SLICE, m->length - at),
                                      extents, NULL));
        for (unsigned i = 0; i < extents->len; i++) {
            const SweepExtent *e = &g_array_index(extents, SweepExtent, i);

            sweep_plan_add_extent(plan, 0, e->offset, e->length);
        }
        take_all(&window, plan, &result);
    }
    sweep_plan_finish(plan);
    take_all(&window, plan, &result);
    sweep_plan_free(plan);
    g_array_unref(result.taken);
    return result.bytes;
}

/* --- What is measured -------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Returns: whether @target, at most or at least, is reached. */
static bool report(const char *what, const char *how, double *figures,
                   unsigned rounds, const char *unit, double target,
                   bool at_most)
{
    double best, median;
    bool fine;

    qsort(figures, rounds, sizeof(*figures), compare);
    best = figures[at_most ? 0 : rounds - 1];
    median = figures[rounds / 2];
    fine = target == 0 || (at_most ? best <= target : best >= target);
    printf("%-34s %-14s %8.2f %8.2f %-9s ", what, how, best, median, unit);
    if (target == 0) {
        printf("-\n");
    } else {
        printf("%s %.4g: %s\n", at_most ? "<=" : ">=", target,
               fine ? "reached" : "MISSED");
    }
    fflush(stdout);
    return fine;
}

static bool measure_rate(const Bench *bench, unsigned rounds)
{
    HostMemory m = map_memory(bench->kind, MEMORY);
    WriteGuardOptions options = {
        .engine = bench->engine, .memory = &m, .count = 1,
        .release = SUPER,
    };
    double figures[MAX_ROUNDS];
    GError *error = NULL;
    WriteGuard *guard;
    bool fine;

    madvise(m.host, m.length, bench->huge ? MADV_HUGEPAGE
                                          : MADV_NOHUGEPAGE);
    guard = write_guard_new(&options, &error);
    if (!guard) {
        printf("%-34s %-14s left out: %s\n", bench->name,
               write_guard_engine_name(bench->engine), error->message);
        g_error_free(error);
        unmap_memory(&m);
        return true;
    }
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t taken;
        double start;

        fill(&m, bench->content);
        start = now();
        taken = sweep(&m, guard, SWEEP_ALL);
        figures[i] = MEMORY / (double)GIB / (now() - start);
        g_assert(taken == (bench->content == HALF_ZERO ? MEMORY / 2
                                                       : MEMORY));
    }
    write_guard_free(guard);
    unmap_memory(&m);
    fine = report(bench->name, write_guard_engine_name(bench->engine),
                  figures, rounds, "GiB/s", bench->target, false);
    if (bench->content == HALF_ZERO) {
        printf("%-34s %-14s %8.2f %8.2f GiB/s\n", "  of that, taken", "",
               figures[rounds - 1] / 2, figures[rounds / 2] / 2);
    }
    return fine;
}

/* Nothing is resident: nothing to look at, and nothing becomes resident. */
static bool measure_untouched(HostMemoryKind kind, const char *name,
                              unsigned rounds)
{
    HostMemory m = map_memory(kind, UNTOUCHED);
    double figures[MAX_ROUNDS];

    for (unsigned i = 0; i < rounds; i++) {
        double start = now();

        g_assert(sweep(&m, NULL, SWEEP_COUNT) == 0);
        figures[i] = (now() - start) * 1e3;
    }
    unmap_memory(&m);
    return report(name, "", figures, rounds, "ms", 1, true);
}

/* Returns: seconds to find what is resident. */
static double find(const HostMemory *m)
{
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE,
                                            sizeof(SweepExtent));
    double start = now();

    g_assert(host_memory_resident(m, 0, m->length, extents, NULL));
    return now() - start;
}

/* Pages of which none is zero: finding them, and then the first look. */
static bool measure_scan(bool huge, const char *name, unsigned rounds)
{
    HostMemory m = map_memory(HOST_MEMORY_ANONYMOUS, MEMORY);
    double finding[MAX_ROUNDS], looking[MAX_ROUNDS];
    uint64_t matching[SWEEP_MAX_PAGES / 64];

    madvise(m.host, m.length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    fill(&m, FULL);
    for (unsigned i = 0; i < rounds; i++) {
        double start;

        finding[i] = find(&m) * 1e9 / (MEMORY / PAGE);
        start = now();
        for (uint64_t at = 0; at < MEMORY; at += SUPER) {
            look(&m, 0, at, SUPER / PAGE, matching);
        }
        looking[i] = (now() - start) * 1e9 / (MEMORY / PAGE);
    }
    unmap_memory(&m);
    report(name, "found", finding, rounds, "ns/page", 0, true);
    return report(name, "looked at", looking, rounds, "ns/page", 25, true);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? atoi(argv[1]) : 5;
    bool fine = true;

    rounds = CLAMP(rounds, 1, MAX_ROUNDS);
    printf("%-34s %-14s %8s %8s %-9s target\n", "memory", "guard", "best",
           "median", "");
    for (unsigned i = 0; i < G_N_ELEMENTS(benches); i++) {
        fine &= measure_rate(&benches[i], rounds);
    }
    fine &= measure_untouched(HOST_MEMORY_ANONYMOUS, "untouched, 16 GiB",
                              rounds);
    fine &= measure_untouched(HOST_MEMORY_SHARED, "untouched memfd, 16 GiB",
                              rounds);
    fine &= measure_scan(true, "huge pages, none zero", rounds);
    fine &= measure_scan(false, "single pages, none zero", rounds);
    return !fine;
}
