/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests of the write guard
 *
 *   guard-race [--long] [CASE]...
 *
 * Sweeps over memory while threads and direct I/O write to it: no write
 * may be lost.  The cases without a guard must lose some, or the test
 * could not see it.  --long goes on until each case has seen ten million
 * writes (a million of those that go to a disk or through a system call)
 * and a million pages taken.  Prints TAP, and sums for each guard.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/race/race.h"
#include "tests/race/snapshot.h"

/* A tenth of a second gives a case this many at the very least. */
#define SHORT_WRITES  UINT64_C(2000)
#define SHORT_TAKEN   UINT64_C(2000)
#define SHORT_SECONDS 1.5
#define LONG_WRITES   UINT64_C(10000000)
#define LONG_IO       UINT64_C(1000000)
#define LONG_TAKEN    UINT64_C(1000000)
/* An unsafe case that has lost nothing by then never will. */
#define PATIENCE      60.0

/* How writers are kept away. */
typedef enum RaceGuard {
    GUARD_PROTECT,
    GUARD_MOVE,
    GUARD_PAUSE,                /* writers are held meanwhile */
    GUARD_UNSAFE,               /* nobody is */
    GUARD_UNDRAINED,            /* protect, direct I/O goes on */
    GUARDS,
} RaceGuard;

typedef struct RaceCase {
    const char *name;
    RaceGuard guard;
    RaceKind memory;
    RaceWriterKind writers;
    bool must_lose;
} RaceCase;

static const RaceCase cases[] = {
    { "protect-anonymous-cpu", GUARD_PROTECT, RACE_ANONYMOUS, RACE_CPU },
    { "protect-anonymous-direct", GUARD_PROTECT, RACE_ANONYMOUS,
      RACE_DIRECT },
    { "protect-anonymous-copy", GUARD_PROTECT, RACE_ANONYMOUS, RACE_COPY },
    { "protect-huge-cpu", GUARD_PROTECT, RACE_HUGE, RACE_CPU },
    { "protect-huge-direct", GUARD_PROTECT, RACE_HUGE, RACE_DIRECT },
    { "protect-memfd-cpu", GUARD_PROTECT, RACE_MEMFD, RACE_CPU },
    { "protect-memfd-direct", GUARD_PROTECT, RACE_MEMFD, RACE_DIRECT },
    { "protect-memfd-copy", GUARD_PROTECT, RACE_MEMFD, RACE_COPY },
    { "protect-huge-memfd-cpu", GUARD_PROTECT, RACE_HUGE_MEMFD, RACE_CPU },
    { "protect-hugetlb-cpu", GUARD_PROTECT, RACE_HUGETLB, RACE_CPU },
    { "move-anonymous-cpu", GUARD_MOVE, RACE_ANONYMOUS, RACE_CPU },
    { "move-anonymous-direct", GUARD_MOVE, RACE_ANONYMOUS, RACE_DIRECT },
    { "move-anonymous-copy", GUARD_MOVE, RACE_ANONYMOUS, RACE_COPY },
    { "move-huge-cpu", GUARD_MOVE, RACE_HUGE, RACE_CPU },
    { "pause-anonymous-cpu", GUARD_PAUSE, RACE_ANONYMOUS, RACE_CPU },
    { "pause-anonymous-direct", GUARD_PAUSE, RACE_ANONYMOUS, RACE_DIRECT },
    { "pause-memfd-cpu", GUARD_PAUSE, RACE_MEMFD, RACE_CPU },
    { "pause-memfd-direct", GUARD_PAUSE, RACE_MEMFD, RACE_DIRECT },
    { "unsafe-anonymous-cpu", GUARD_UNSAFE, RACE_ANONYMOUS, RACE_CPU,
      true },
    { "unsafe-anonymous-direct", GUARD_UNSAFE, RACE_ANONYMOUS, RACE_DIRECT,
      true },
    { "unsafe-memfd-cpu", GUARD_UNSAFE, RACE_MEMFD, RACE_CPU, true },
    { "unsafe-memfd-direct", GUARD_UNSAFE, RACE_MEMFD, RACE_DIRECT, true },
    { "undrained-anonymous-direct", GUARD_UNDRAINED, RACE_ANONYMOUS,
      RACE_DIRECT, true },
};

/* A case as it runs. */
typedef struct Race {
    const RaceCase *c;
    RaceMemory memory;
    RaceWriters *writers;
    WriteGuard *guard;
    SweepWindowResult result;
    uint64_t sweeps;
} Race;

static struct {
    uint64_t writes;
    uint64_t taken;
    uint64_t lost;
} sums[GUARDS];

static const char *const guard_names[GUARDS] = {
    "protect", "move", "pause", "no guard", "protect without a drain",
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static WriteGuardEngine engine_of(RaceGuard guard)
{
    switch (guard) {
    case GUARD_PROTECT:
    case GUARD_UNDRAINED:
        return WRITE_GUARD_PROTECT;
    case GUARD_MOVE:
        return WRITE_GUARD_MOVE;
    default:
        return WRITE_GUARD_NONE;
    }
}

static bool look(void *opaque, uint32_t region, uint64_t offset,
                 unsigned pages, uint64_t *matching)
{
    Race *race = opaque;

    const HostMemory *m = &race->memory.memory;

    sweep_screen(m->host + offset, m->page, pages, 0, matching);
    return true;
}

/* Keeps away whom this case keeps away while the guard is armed. */
static void before_arming(Race *race)
{
    if (race->c->guard == GUARD_PAUSE) {
        race_writers_hold(race->writers);
    } else if (race->c->guard == GUARD_PROTECT) {
        race_writers_drain(race->writers);
    }
}

static void after_arming(Race *race)
{
    if (race->c->guard == GUARD_PROTECT) {
        race_writers_go_on(race->writers);
    }
}

static void take_batch(Race *race, const SweepRun *runs, unsigned count)
{
    const SweepWindow window = {
        .guard = race->guard,
        .memory = &race->memory.memory,
        .super_page = &race->memory.super_page,
        .regions = 1,
    };
    g_autofree struct iovec *ranges = g_new(struct iovec, count);
    GError *error = NULL;

    sweep_window_ranges(&window, runs, count, ranges);
    before_arming(race);
    if (!write_guard_arm(race->guard, ranges, count, &error)) {
        g_error("%s", error->message);
    }
    after_arming(race);
    if (!sweep_window_take(&window, runs, count, &race->result, &error)) {
        g_error("%s", error->message);
    }
    write_guard_disarm(race->guard);
    if (race->c->guard == GUARD_PAUSE) {
        race_writers_go_on(race->writers);
    }
    g_array_set_size(race->result.taken, 0);
}

static void sweep(Race *race)
{
    const HostMemory *m = &race->memory.memory;
    const SweepOptions options = {
        .mode = SWEEP_ALL,
        .batch = 16 << 20,
        .look = look,
        .opaque = race,
    };
    const SweepRegion region = {
        .length = m->length,
        .page = m->page,
        .super_page = RACE_SUPER,
    };
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE,
                                            sizeof(SweepExtent));
    SweepPlan *plan = sweep_plan_new(&options);
    const SweepRun *runs;
    unsigned count;

    sweep_plan_add_region(plan, &region);
    g_assert(host_memory_resident(m, 0, m->length, extents, NULL));
    for (unsigned i = 0; i < extents->len; i++) {
        const SweepExtent *e = &g_array_index(extents, SweepExtent, i);

        sweep_plan_add_extent(plan, 0, e->offset, e->length);
    }
    sweep_plan_finish(plan);
    while ((runs = sweep_plan_next(plan, &count))) {
        take_batch(race, runs, count);
    }
    sweep_plan_free(plan);
    race->sweeps++;
}

static bool enough(Race *race, bool full, double seconds)
{
    uint64_t writes = race_writers_writes(race->writers);
    uint64_t taken = race->result.bytes / RACE_PAGE;

    if (race->c->must_lose) {
        return race_writers_lost(race->writers) || seconds > PATIENCE;
    }
    if (full) {
        return taken >= LONG_TAKEN &&
               writes >= (race->c->writers == RACE_CPU ? LONG_WRITES
                                                       : LONG_IO);
    }
    return writes >= SHORT_WRITES && taken >= SHORT_TAKEN &&
           seconds >= SHORT_SECONDS;
}

/* Returns: whether it went as it should. */
static bool run(Race *race, bool full)
{
    WriteGuardStats stats;
    double start = now();
    uint64_t lost, writes;
    bool fine;

    while (!enough(race, full, now() - start)) {
        sweep(race);
    }
    writes = race_writers_writes(race->writers);
    stats = write_guard_stats(race->guard);
    lost = race_writers_stop(race->writers);
    fine = race->c->must_lose ? lost > 0 : lost == 0;
    sums[race->c->guard].writes += writes;
    sums[race->c->guard].taken += race->result.bytes / RACE_PAGE;
    sums[race->c->guard].lost += lost;
    printf("# %s: %" G_GUINT64_FORMAT " writes, %" G_GUINT64_FORMAT
           " pages taken in %" G_GUINT64_FORMAT " sweeps, %"
           G_GUINT64_FORMAT " raced, %" G_GUINT64_FORMAT " waits of at "
           "most %" G_GUINT64_FORMAT " us, %" G_GUINT64_FORMAT
           " lost (%s)\n", race->c->name, writes,
           race->result.bytes / RACE_PAGE, race->sweeps,
           race->result.raced / RACE_PAGE, stats.faults,
           stats.stall_max_ns / 1000, lost,
           race->c->must_lose ? "some must be" : "none may be");
    return fine;
}

/* Returns: why the case cannot run here, or NULL. */
static char *prepare(Race *race)
{
    const RaceCase *c = race->c;
    const WriteGuardOptions options = {
        .engine = engine_of(c->guard),
        .memory = &race->memory.memory,
        .count = 1,
        .release = RACE_SUPER,
    };
    uint64_t length = c->memory == RACE_ANONYMOUS ||
                      c->memory == RACE_MEMFD ? 16 << 20 : 64 << 20;
    const char *reason = NULL;
    GError *error = NULL;
    char *why;

    if (!race_memory_map(&race->memory, c->memory, length)) {
        return g_strdup("the host's pool of huge pages is too small");
    }
    race->guard = write_guard_new(&options, &error);
    if (!race->guard) {
        why = g_strdup(error->message);
        g_error_free(error);
        return why;
    }
    race->writers = race_writers_start(&race->memory, c->writers, 2,
                                       &reason);
    return g_strdup(reason && !race->writers ? reason : NULL);
}

static bool run_case(const RaceCase *c, unsigned number, bool full)
{
    Race race = { .c = c };
    g_autofree char *why = prepare(&race);
    bool fine = true;

    race.result.taken = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    if (why) {
        printf("ok %u - %s # SKIP %s\n", number, c->name, why);
    } else {
        fine = run(&race, full);
        printf("%s %u - %s\n", fine ? "ok" : "not ok", number, c->name);
    }
    fflush(stdout);
    write_guard_free(race.guard);
    race_memory_unmap(&race.memory);
    g_array_unref(race.result.taken);
    return fine;
}

static bool chosen(const char *name, char **names)
{
    return !names[0] || g_strv_contains((const char *const *)names, name);
}

int main(int argc, char **argv)
{
    bool full = argc > 1 && !strcmp(argv[1], "--long");
    char **names = argv + 1 + full;
    unsigned n = 0;
    bool fine = true;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (chosen(cases[i].name, names)) {
            fine &= run_case(&cases[i], ++n, full);
        }
    }
    for (unsigned i = 0; i < RACE_SNAPSHOTS; i++) {
        if (chosen(race_snapshot_name(i), names)) {
            fine &= race_snapshot(i, ++n, full ? 100 : 5);
        }
    }
    for (unsigned i = 0; i < GUARDS; i++) {
        printf("# %s: %" G_GUINT64_FORMAT " writes, %" G_GUINT64_FORMAT
               " pages taken, %" G_GUINT64_FORMAT " lost\n",
               guard_names[i], sums[i].writes, sums[i].taken,
               sums[i].lost);
    }
    printf("1..%u\n", n);
    return !fine;
}
