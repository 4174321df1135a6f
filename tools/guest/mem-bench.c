/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem-bench: how long a write to memory takes in the guest
 *
 * Writes a word to one page after another, in random order, and times each.
 * Part of the pages stay zero, so that they are what a balloon's sweep takes
 * and what it makes a writer wait for; the others hold data.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "number.h"
#include "random.h"

#define PAGE_BYTES     4096u
#define PAGE_WORDS     (PAGE_BYTES / sizeof(uint64_t))
#define MIB            (1024u * 1024u)

/*
 * Times are counted in buckets whose width is a 64th of their octave, so a
 * percentile is right to 1.6 percent, and counting touches little memory.
 */
#define STEP_BITS      6
#define STEPS          (1u << STEP_BITS)
#define BUCKETS        ((64 - STEP_BITS + 1) * STEPS)

typedef struct Options {
    unsigned memory_mib;
    unsigned seconds;
    unsigned zero_percent;       /* of the pages */
    bool json;
} Options;

typedef struct Times {
    const char *name;
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[BUCKETS];
} Times;

enum { TIMES_ALL, TIMES_ZERO, TIMES_DATA, TIMES_KINDS };

static const char program[] = "mem-bench";

static const char usage[] =
    "Usage: mem-bench [OPTION...]\n"
    "\n"
    "Times writes to pages of memory, in random order.\n"
    "\n"
    "  -m, --memory MIB    size of the memory written to (default 64)\n"
    "  -s, --seconds N     how long (default 3)\n"
    "  -z, --zero PERCENT  pages that stay zero (default 50)\n"
    "  -j, --json          one JSON object\n"
    "  -h, --help          show this text\n";

static unsigned bucket_of(uint64_t ns)
{
    unsigned octave;

    if (ns < STEPS) {
        return (unsigned)ns;
    }
    octave = 63u - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    return (octave + 1) * STEPS + (unsigned)((ns >> octave) - STEPS);
}

/* The first time that falls into a bucket */
static uint64_t bucket_ns(unsigned bucket)
{
    unsigned octave = bucket / STEPS;

    return octave ? (uint64_t)(STEPS + bucket % STEPS) << (octave - 1)
                  : bucket;
}

static void times_add(Times *times, uint64_t ns)
{
    times->count++;
    times->buckets[bucket_of(ns)]++;
    if (ns > times->max_ns) {
        times->max_ns = ns;
    }
}

/* The time that @permille of a thousand writes stay within */
static uint64_t times_within(const Times *times, unsigned permille)
{
    uint64_t wanted = (times->count * permille + 999) / 1000;
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += times->buckets[i];
        if (seen && seen >= wanted) {
            return bucket_ns(i);
        }
    }
    return 0;
}

/* Every page is there before the first write is timed. */
static volatile uint64_t *memory_make(const Options *options, size_t pages)
{
    uint64_t *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        fprintf(stderr, "mem-bench: error: --memory %u: there is not so much "
                "memory\n", options->memory_mib);
        exit(2);
    }
    for (size_t page = 0; page < pages; page++) {
        memset(&memory[page * PAGE_WORDS],
               page % 100 < options->zero_percent ? 0 : 0x5a, PAGE_BYTES);
    }
    return memory;
}

static void measure(const Options *options, Times *times)
{
    size_t pages = (size_t)options->memory_mib * (MIB / PAGE_BYTES);
    volatile uint64_t *memory = memory_make(options, pages);
    uint64_t end = now_ns() + options->seconds * NS_PER_S;
    uint64_t random = 88172645463325252ull;
    uint64_t before, after;

    do {
        uint64_t number = next_random(&random);
        size_t page = (number >> 16) % pages;
        bool zero = page % 100 < options->zero_percent;
        volatile uint64_t *word = &memory[page * PAGE_WORDS +
                                          number % PAGE_WORDS];

        before = now_ns();
        *word = zero ? 0 : number | 1;
        after = now_ns();
        times_add(&times[TIMES_ALL], after - before);
        times_add(&times[zero ? TIMES_ZERO : TIMES_DATA], after - before);
    } while (after < end);
}

static void print_text(const Times *times)
{
    printf("%-6s %10s %10s %10s %10s %10s\n", "pages", "writes", "p50 us",
           "p99 us", "p99.9 us", "max us");
    for (unsigned i = 0; i < TIMES_KINDS; i++) {
        printf("%-6s %10" PRIu64 " %10.2f %10.2f %10.2f %10.2f\n",
               times[i].name, times[i].count,
               (double)times_within(&times[i], 500) / 1e3,
               (double)times_within(&times[i], 990) / 1e3,
               (double)times_within(&times[i], 999) / 1e3,
               (double)times[i].max_ns / 1e3);
    }
}

static void print_json(const Times *times)
{
    for (unsigned i = 0; i < TIMES_KINDS; i++) {
        printf("%s\"%s\": {\"writes\": %" PRIu64 ", \"p50-ns\": %" PRIu64
               ", \"p99-ns\": %" PRIu64 ", \"p99.9-ns\": %" PRIu64
               ", \"max-ns\": %" PRIu64 "}", i ? ", " : "{", times[i].name,
               times[i].count, times_within(&times[i], 500),
               times_within(&times[i], 990), times_within(&times[i], 999),
               times[i].max_ns);
    }
    printf("}\n");
}

static void parse_options(Options *options, int argc, char **argv)
{
    static const struct option names[] = {
        { "memory", required_argument, NULL, 'm' },
        { "seconds", required_argument, NULL, 's' },
        { "zero", required_argument, NULL, 'z' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int name;

    while ((name = getopt_long(argc, argv, "m:s:z:jh", names, NULL)) >= 0) {
        switch (name) {
        case 'm':
            options->memory_mib = (unsigned)number_of(program, "memory",
                                                      optarg, 1, 1u << 20);
            break;
        case 's':
            options->seconds = (unsigned)number_of(program, "seconds", optarg,
                                                   1, 86400);
            break;
        case 'z':
            options->zero_percent = (unsigned)number_of(program, "zero",
                                                        optarg, 0, 100);
            break;
        case 'j':
            options->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    static Times times[TIMES_KINDS] = {
        [TIMES_ALL] = { .name = "all" },
        [TIMES_ZERO] = { .name = "zero" },
        [TIMES_DATA] = { .name = "data" },
    };
    Options options = { .memory_mib = 64, .seconds = 3, .zero_percent = 50 };

    parse_options(&options, argc, argv);
    if (optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    measure(&options, times);
    if (options.json) {
        print_json(times);
    } else {
        print_text(times);
    }
    return 0;
}
