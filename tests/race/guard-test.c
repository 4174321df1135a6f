/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Write guard, residency and discarding, one behaviour at a time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/race/race.h"

#define LENGTH (4 * (uint64_t)RACE_SUPER)
#define PAGES  (LENGTH / RACE_PAGE)

static RaceMemory memory;
static WriteGuard *guard;
static uint8_t *host;

static void map(RaceKind kind)
{
    race_memory_map(&memory, kind, LENGTH);
    host = memory.memory.host;
}

static WriteGuardOptions options(WriteGuardEngine engine)
{
    return (WriteGuardOptions) {
        .engine = engine, .memory = &memory.memory, .count = 1,
    };
}

/* Makes the guard; where the kernel has none the test is left out. */
static void make(const WriteGuardOptions *o)
{
    g_autoptr(GError) error = NULL;

    guard = write_guard_new(o, &error);
    if (!guard) {
        cr_skip_test("%s", error->message);
    }
}

static void arm(uint64_t offset, uint64_t length)
{
    struct iovec range = { host + offset, length };
    GError *error = NULL;

    cr_assert(write_guard_arm(guard, &range, 1, &error), "%s",
              error ? error->message : "");
}

static uint64_t take(uint64_t offset, uint64_t length, bool drop)
{
    struct iovec range = { host + offset, length };

    return write_guard_take(guard, &range, 1, drop, NULL, NULL);
}

static GArray *resident(void)
{
    GArray *extents = g_array_new(FALSE, FALSE, sizeof(SweepExtent));
    GError *error = NULL;

    cr_assert(host_memory_resident(&memory.memory, 0, LENGTH, extents,
                                   &error), "%s",
              error ? error->message : "");
    return extents;
}

/* --- What is resident -------------------------------------------------- */

static void finds_what_was_written(RaceKind kind)
{
    g_autoptr(GArray) first = NULL;
    g_autoptr(GArray) second = NULL;
    const SweepExtent *e;

    map(kind);
    for (unsigned i = 5; i < 8; i++) {
        host[i * RACE_PAGE] = 1;
    }
    host[(PAGES - 1) * RACE_PAGE] = 0;
    first = resident();
    second = resident();
    cr_assert_eq(first->len, 2);
    e = (const SweepExtent *)first->data;
    cr_assert_eq(e[0].offset, 5 * RACE_PAGE);
    cr_assert_eq(e[0].length, 3 * RACE_PAGE);
    cr_assert_eq(e[1].offset, LENGTH - RACE_PAGE);
    cr_assert_eq(e[1].length, RACE_PAGE);
    cr_assert_eq(second->len, 2, "looking has changed it");
}

Test(resident, finds_anonymous_pages_that_were_written)
{
    finds_what_was_written(RACE_ANONYMOUS);
}

Test(resident, finds_pages_of_a_memfd_that_were_written)
{
    finds_what_was_written(RACE_MEMFD);
}

Test(resident, finds_pages_of_a_memfd_in_many_pieces)
{
    g_autoptr(GArray) extents = NULL;

    map(RACE_MEMFD);
    for (unsigned i = 0; i < 600; i++) {
        host[i * 3 * RACE_PAGE] = 1;
    }
    extents = resident();
    cr_assert_eq(extents->len, 600);
}

Test(resident, does_not_take_a_page_that_was_read_for_memory)
{
    g_autoptr(GArray) extents = NULL;
    volatile uint8_t byte;

    map(RACE_ANONYMOUS);
    byte = host[0];
    host[RACE_PAGE] = byte + 1;
    extents = resident();
    cr_assert_eq(extents->len, 1);
}

/* --- Giving back ------------------------------------------------------- */

static void gives_back_scattered_pages(RaceKind kind)
{
    struct iovec ranges[100];
    g_autoptr(GArray) extents = NULL;

    map(kind);
    memset(host, 7, LENGTH);
    for (unsigned i = 0; i < 100; i++) {
        ranges[i] = (struct iovec) { host + i * 2 * RACE_PAGE, RACE_PAGE };
    }
    cr_assert(host_memory_discard(&memory.memory, ranges, 100, NULL));
    for (unsigned i = 0; i < 200; i++) {
        cr_assert_eq(host[i * RACE_PAGE], i % 2 ? 7 : 0);
    }
}

Test(discard, gives_back_scattered_anonymous_pages)
{
    gives_back_scattered_pages(RACE_ANONYMOUS);
}

Test(discard, gives_back_scattered_pages_of_a_memfd)
{
    gives_back_scattered_pages(RACE_MEMFD);
}

Test(discard, says_what_the_kernel_refuses)
{
    struct iovec ranges[2];
    g_autoptr(GError) error = NULL;

    map(RACE_ANONYMOUS);
    ranges[0] = (struct iovec) { host, RACE_PAGE };
    ranges[1] = (struct iovec) { host + 2 * RACE_PAGE, RACE_PAGE };
    if (mlock(host, 4 * RACE_PAGE) < 0) {
        cr_skip_test("no memory may be locked");
    }
    host[0] = 1;
    cr_assert_not(host_memory_discard(&memory.memory, ranges, 2, &error));
    cr_assert(g_error_matches(error, HOST_MEMORY_ERROR,
                              HOST_MEMORY_ERROR_DISCARD));
    cr_assert_not_null(strstr(error->message, "MADV_DONTNEED"));
    cr_assert_eq(host[0], 1);
}

/* --- The guard --------------------------------------------------------- */

static void acts_on_what_nobody_wrote(WriteGuardEngine engine,
                                      RaceKind kind)
{
    WriteGuardOptions o = options(engine);

    map(kind);
    memset(host, 3, LENGTH);
    make(&o);
    arm(0, 16 * RACE_PAGE);
    host[5 * RACE_PAGE] = 4;
    cr_assert_eq(take(0, 16 * RACE_PAGE, false), 15 * RACE_PAGE);
    cr_assert_eq(take(0, 16 * RACE_PAGE, false), 0);
    cr_assert_eq(write_guard_stats(guard).released, RACE_PAGE);
    write_guard_disarm(guard);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(host[i * RACE_PAGE], i == 5 ? 4 : 3);
    }
    write_guard_free(guard);
}

Test(guard, protect_acts_on_anonymous_pages_nobody_wrote_to)
{
    acts_on_what_nobody_wrote(WRITE_GUARD_PROTECT, RACE_ANONYMOUS);
}

Test(guard, protect_acts_on_pages_of_a_memfd_nobody_wrote_to)
{
    acts_on_what_nobody_wrote(WRITE_GUARD_PROTECT, RACE_MEMFD);
}

Test(guard, move_acts_on_pages_nobody_wrote_to)
{
    acts_on_what_nobody_wrote(WRITE_GUARD_MOVE, RACE_ANONYMOUS);
}

Test(guard, disarming_gives_every_page_back_as_it_was)
{
    WriteGuardOptions o = options(WRITE_GUARD_MOVE);

    map(RACE_HUGE);
    memset(host, 3, LENGTH);
    make(&o);
    arm(RACE_SUPER, RACE_SUPER + 5 * RACE_PAGE);
    write_guard_disarm(guard);
    for (uint64_t i = 0; i < LENGTH; i++) {
        cr_assert_eq(host[i], 3);
    }
    write_guard_free(guard);
}

Test(guard, one_write_releases_a_whole_super_page)
{
    WriteGuardOptions o = options(WRITE_GUARD_PROTECT);

    o.release = RACE_SUPER;
    map(RACE_HUGE);
    memset(host, 3, LENGTH);
    make(&o);
    arm(0, 2 * RACE_SUPER);
    host[RACE_SUPER + 100] = 1;
    cr_assert_eq(take(0, 2 * RACE_SUPER, false), RACE_SUPER);
    write_guard_free(guard);
}

static void note_old_content(void *opaque, const void *view, void *at,
                             uint64_t length)
{
    uint8_t *seen = opaque;

    cr_assert_eq(length, RACE_PAGE);
    cr_assert_eq(at, host + 3 * RACE_PAGE);
    *seen = *(const uint8_t *)view;
}

static void fault_sees_old_content(WriteGuardEngine engine)
{
    WriteGuardOptions o = options(engine);
    uint8_t seen = 0;

    o.fault = note_old_content;
    o.opaque = &seen;
    map(RACE_ANONYMOUS);
    memset(host, 9, LENGTH);
    make(&o);
    arm(0, 16 * RACE_PAGE);
    host[3 * RACE_PAGE] = 1;
    cr_assert_eq(host[3 * RACE_PAGE], 1);
    write_guard_free(guard);
    cr_assert_eq(seen, 9);
}

Test(guard, the_user_sees_a_page_before_the_write_under_protect)
{
    fault_sees_old_content(WRITE_GUARD_PROTECT);
}

Test(guard, the_user_sees_a_page_before_the_write_under_move)
{
    fault_sees_old_content(WRITE_GUARD_MOVE);
}

static bool discard_what_is_armed(void *opaque, const struct iovec *ranges,
                                  const struct iovec *views, unsigned count)
{
    return host_memory_discard(&memory.memory, views, count, NULL);
}

static void keeps_out_of_what_others_discard(WriteGuardEngine engine,
                                             RaceKind kind)
{
    const WriteGuardOptions o = options(engine);
    struct iovec all, gone;

    map(kind);
    memset(host, 0, LENGTH);
    make(&o);
    all = (struct iovec) { host, 16 * RACE_PAGE };
    gone = (struct iovec) { host + 3 * RACE_PAGE, RACE_PAGE };
    arm(0, all.iov_len);
    write_guard_forget(guard, gone.iov_base, gone.iov_len);
    cr_assert(host_memory_discard(&memory.memory, &gone, 1, NULL));
    host[3 * RACE_PAGE] = 5;
    cr_assert_eq(write_guard_take(guard, &all, 1, true,
                                  discard_what_is_armed, NULL),
                 15 * RACE_PAGE);
    write_guard_disarm(guard);
    cr_assert_eq(host[3 * RACE_PAGE], 5, "a write was lost");
    write_guard_free(guard);
}

Test(guard, what_others_discard_is_not_taken_under_protect)
{
    keeps_out_of_what_others_discard(WRITE_GUARD_PROTECT, RACE_ANONYMOUS);
}

Test(guard, what_others_discard_is_not_taken_of_a_memfd)
{
    keeps_out_of_what_others_discard(WRITE_GUARD_PROTECT, RACE_MEMFD);
}

Test(guard, what_others_discard_is_not_taken_under_move)
{
    keeps_out_of_what_others_discard(WRITE_GUARD_MOVE, RACE_ANONYMOUS);
}

Test(guard, move_refuses_memory_of_a_file)
{
    WriteGuardOptions o = options(WRITE_GUARD_MOVE);
    g_autoptr(GError) error = NULL;

    if (!write_guard_probe(WRITE_GUARD_MOVE, NULL, NULL)) {
        cr_skip_test("no UFFDIO_MOVE here");
    }
    map(RACE_MEMFD);
    cr_assert_null(write_guard_new(&o, &error));
    cr_assert(g_error_matches(error, WRITE_GUARD_ERROR,
                              WRITE_GUARD_ERROR_MEMORY));
}

Test(guard, memory_that_is_watched_already_is_busy)
{
    WriteGuardOptions o = options(WRITE_GUARD_PROTECT);
    g_autoptr(GError) error = NULL;

    map(RACE_ANONYMOUS);
    make(&o);
    cr_assert_null(write_guard_new(&o, &error));
    cr_assert(g_error_matches(error, WRITE_GUARD_ERROR,
                              WRITE_GUARD_ERROR_BUSY), "%s",
              error->message);
    write_guard_free(guard);
}

Test(guard, an_injected_refusal_looks_like_one)
{
    WriteGuardOptions o = options(WRITE_GUARD_PROTECT);
    g_autoptr(GError) error = NULL;

    o.refuse = true;
    map(RACE_ANONYMOUS);
    cr_assert_null(write_guard_new(&o, &error));
    cr_assert(g_error_matches(error, WRITE_GUARD_ERROR,
                              WRITE_GUARD_ERROR_REFUSED));
}

/* --- A window ---------------------------------------------------------- */

static SweepWindow window(void)
{
    return (SweepWindow) {
        .guard = guard, .memory = &memory.memory,
        .super_page = &memory.super_page, .regions = 1,
    };
}

static const SweepRun first_super = { 0, true, 0, RACE_SUPER };

static bool take_window(const SweepWindow *w, SweepWindowResult *result,
                        GError **error)
{
    struct iovec range;

    result->taken = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    sweep_window_ranges(w, &first_super, 1, &range);
    cr_assert(write_guard_arm(guard, &range, 1, NULL));
    return sweep_window_take(w, &first_super, 1, result, error);
}

Test(window, pages_of_a_super_page_that_does_not_match_are_taken)
{
    WriteGuardOptions o = options(WRITE_GUARD_NONE);
    SweepWindowResult result = { 0 };
    SweepWindow w;

    map(RACE_ANONYMOUS);
    memset(host, 0, LENGTH);
    host[10 * RACE_PAGE + 200] = 1;
    make(&o);
    w = window();
    cr_assert(take_window(&w, &result, NULL));
    cr_assert_eq(result.bytes, RACE_SUPER - RACE_PAGE);
    cr_assert_eq(result.unmatched, RACE_PAGE);
    cr_assert_eq(result.super_pages, 0);
    cr_assert_eq(result.pages, 511);
    cr_assert_eq(host[10 * RACE_PAGE + 200], 1);
}

Test(window, a_sweep_for_super_pages_leaves_broken_ones_alone)
{
    WriteGuardOptions o = options(WRITE_GUARD_NONE);
    SweepWindowResult result = { 0 };
    SweepWindow w;

    map(RACE_ANONYMOUS);
    memset(host, 0, LENGTH);
    host[200] = 1;
    make(&o);
    w = window();
    w.super_only = true;
    cr_assert(take_window(&w, &result, NULL));
    cr_assert_eq(result.bytes, 0);
    cr_assert_eq(result.unmatched, RACE_SUPER);
}

Test(window, a_discard_that_fails_is_told_and_frees_the_writers)
{
    WriteGuardOptions o = options(WRITE_GUARD_PROTECT);
    SweepWindowResult result = { 0 };
    g_autoptr(GError) error = NULL;
    SweepWindow w;

    map(RACE_ANONYMOUS);
    memset(host, 0, LENGTH);
    make(&o);
    w = window();
    w.fault_errno = ENOMEM;
    cr_assert_not(take_window(&w, &result, &error));
    cr_assert_not_null(strstr(error->message, g_strerror(ENOMEM)));
    cr_assert_eq(result.bytes, 0);
    write_guard_disarm(guard);
    host[0] = 1;
    cr_assert_eq(host[0], 1);
    write_guard_free(guard);
}
