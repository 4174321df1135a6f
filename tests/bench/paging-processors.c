/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark: page-mapping cookies against TLB shoot-down by interrupts.
 *
 *   bench-paging-processors             tables of both parts
 *   bench-paging-processors --simulated the simulated part only
 *   bench-paging-processors --threads   the real threads only
 *   bench-paging-processors --csv       what docs/pictures draws
 *
 * Simulated: processors of target-models/paging work on their pages and remap
 * them; cycles for each memory operation (of all that went on, remaps and
 * interrupts included) and for each remap.  It is the same on every host.
 * Real: threads of this host, in nanoseconds.  Ends with status 1 if any
 * operation reached a page's old frame after its remap was complete.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "paging-processors.h"

#define OPERATIONS   400000
#define THREADS_MS   400

static const char *const pattern_names[STORM__MAX] = {
    "shared", "private", "processes",
};
static const unsigned counts[] = { 1, 2, 4, 8, 16, 32, 64 };
static const unsigned working_sets[] = { 32, 512, 4096 };
static const unsigned intervals[] = {
    100, 300, 1000, 3000, 10000, 30000, 100000,
};

static uint64_t stale;

static StormResult measure(const Storm *storm, ProcessorsScheme scheme)
{
    StormResult result = storm_run(storm, scheme);

    stale += result.stale;
    return result;
}

static Storm plain_storm(void)
{
    ProcessorsCosts costs;

    processors_default_costs(&costs);
    return (Storm) {
        .pattern = STORM_SHARED, .processors = 16, .pages = 512,
        .interval = 1000, .batch = 1, .cookie_cycles = costs.cookie,
        .operations = OPERATIONS,
    };
}

static void print_heading(const char *title, const char *what)
{
    printf("\n%s\n%-24s %21s %8s %21s %8s\n", title, "",
           "cycles an operation", "", "cycles a remap", "");
    printf("%-24s %10s %10s %8s %10s %10s %8s\n", what, "cookies",
           "shoot-down", "ratio", "cookies", "shoot-down", "ratio");
}

static void print_row(const char *name, const Storm *storm)
{
    StormResult cookies = measure(storm, PROCESSORS_COOKIES);
    StormResult shootdown = measure(storm, PROCESSORS_SHOOTDOWN);

    printf("%-24s %10.1f %10.1f %8.3f", name, cookies.operation,
           shootdown.operation, cookies.operation / shootdown.operation);
    if (storm->interval) {
        printf(" %10.0f %10.0f %8.3f", cookies.remap, shootdown.remap,
               cookies.remap / shootdown.remap);
    }
    printf("\n");
}

static void print_processors(void)
{
    Storm storm = plain_storm();

    print_heading("Storm: each processor remaps a page every 1,000 "
                  "operations; 512 pages", "pages, processors");
    for (unsigned i = 0; i < STORM__MAX; i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(counts); j++) {
            g_autofree char *name = g_strdup_printf(
                "%-12s %6u", pattern_names[i], counts[j]);

            storm.pattern = i;
            storm.processors = counts[j];
            print_row(name, &storm);
        }
    }
}

static void print_working_sets(void)
{
    Storm storm = plain_storm();

    print_heading("Working sets: 16 processors, a remap every 1,000 "
                  "operations, and none at all", "pages");
    for (unsigned i = 0; i < STORM_PROCESSES; i++) {
        for (unsigned j = 0; j < 2 * G_N_ELEMENTS(working_sets); j++) {
            unsigned pages = working_sets[j / 2];
            g_autofree char *name = g_strdup_printf(
                "%-10s %5u%s", pattern_names[i], pages,
                j % 2 ? ", none" : "");

            storm.pattern = i;
            storm.pages = pages;
            storm.interval = j % 2 ? 0 : 1000;
            print_row(name, &storm);
        }
    }
    storm.pages = 512;
    storm.contiguous = true;
    print_heading("The same with frames that begin in the order of the "
                  "pages (16 cookies to a line)", "pages");
    print_row("private      512, none", &storm);
    storm.interval = 1000;
    print_row("private      512", &storm);
}

static void print_batches(void)
{
    Storm storm = plain_storm();

    print_heading("Pages in one remap: 16 processors, shared, every 1,000 "
                  "operations", "pages of a remap");
    for (storm.batch = 1; storm.batch <= 64; storm.batch *= 4) {
        g_autofree char *name = g_strdup_printf("%6u", storm.batch);

        print_row(name, &storm);
    }
}

/* How rare must remaps be for the comparison to cost more than it saves? */
static void print_intervals(void)
{
    print_heading("How often: shared, 512 pages; what the comparison costs "
                  "on every operation", "processors, cycles, ops");
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned cycles[] = { 0, 1, 5 };

        for (unsigned j = 0; j < G_N_ELEMENTS(intervals); j++) {
            Storm storm = plain_storm();
            g_autofree char *name = NULL;

            storm.processors = 16;
            storm.interval = intervals[j];
            storm.cookie_cycles = cycles[i];
            storm.operations = MAX(OPERATIONS, 16ull * intervals[j]);
            name = g_strdup_printf("16  %u  every %7u", cycles[i],
                                   intervals[j]);
            print_row(name, &storm);
        }
    }
}

static void print_csv_row(const char *series, unsigned x,
                          const Storm *storm)
{
    StormResult cookies = measure(storm, PROCESSORS_COOKIES);
    StormResult shootdown = measure(storm, PROCESSORS_SHOOTDOWN);

    printf("%s,%u,%.1f,%.1f,%.0f,%.0f\n", series, x, cookies.operation,
           shootdown.operation, cookies.remap, shootdown.remap);
}

static void print_csv(void)
{
    printf("series,x,operation-cookies,operation-shootdown,remap-cookies,"
           "remap-shootdown\n");
    for (unsigned i = 0; i < STORM__MAX; i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(counts); j++) {
            Storm storm = plain_storm();

            storm.pattern = i;
            storm.processors = counts[j];
            print_csv_row(pattern_names[i], counts[j], &storm);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned processors[] = { 2, 8, 64 };
        g_autofree char *series = g_strdup_printf("interval-%u",
                                                  processors[i]);

        for (unsigned j = 0; j < G_N_ELEMENTS(intervals); j++) {
            Storm storm = plain_storm();

            storm.processors = processors[i];
            storm.interval = intervals[j];
            storm.operations = MAX(OPERATIONS,
                                   processors[i] * 1ull * intervals[j]);
            print_csv_row(series, intervals[j], &storm);
        }
    }
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    bool ok = true;

    if (!strcmp(part, "--csv")) {
        print_csv();
        return stale ? 1 : 0;
    }
    if (*part && strcmp(part, "--simulated") && strcmp(part, "--threads")) {
        fprintf(stderr, "bench-paging-processors: %s: expected --csv, "
                "--simulated, --threads, or nothing\n", part);
        return 2;
    }
    if (strcmp(part, "--threads")) {
        printf("Simulated: cycles; a ratio below 1 is better for cookies\n");
        print_processors();
        print_working_sets();
        print_batches();
        print_intervals();
        printf("\n%" PRIu64 " operations reached an old frame\n", stale);
    }
    if (strcmp(part, "--simulated")) {
        ok = threads_run(THREADS_MS);
    }
    return ok && !stale ? 0 : 1;
}
