/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmio-bench: what an access to a device's register costs in the guest
 *
 * With two registers their rounds take turns, so that a host that is busy for
 * a while slows both alike and the ratio of the medians holds.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mmio-device.h"
#include "number.h"

#define REGISTERS_MAX  2

typedef struct Options {
    unsigned rounds;
    unsigned count;              /* accesses in a round */
    bool write;
    uint32_t value;              /* what is written */
    uint64_t slow_ns;            /* 0: accesses are not timed one by one */
    bool json;
} Options;

typedef struct Result {
    MmioRegister reg;
    double *round_ns;            /* per access, one for each round */
    uint64_t total_ns;
    uint64_t slow;               /* accesses that took slow_ns or more */
    uint64_t all_ones;           /* reads that gave 0xffffffff */
    double median_ns;
} Result;

static const char program[] = "mmio-bench";

static const char usage[] =
    "Usage: mmio-bench [OPTION...] ADDRESS,BAR,OFFSET [ADDRESS,BAR,OFFSET]\n"
    "\n"
    "Times 32-bit accesses to one register, or to two in turn.\n"
    "\n"
    "  -r, --rounds N     rounds (default 101)\n"
    "  -c, --count N      accesses in each round (default 1000)\n"
    "  -w, --write VALUE  write VALUE instead of reading\n"
    "  -s, --slow US      count the accesses that take US microseconds or\n"
    "                     more; each is timed by itself, which adds to it\n"
    "  -j, --json         one JSON object\n"
    "  -h, --help         show this text\n"
    "\n"
    "A BAR that a driver has claimed can be read when the kernel was started\n"
    "with iomem=relaxed.\n";

/* The kernel unmaps the BAR of a device that was taken out. */
static void device_gone(int number)
{
    static const char text[] =
        "mmio-bench: error: the device is gone (SIGBUS)\n";

    (void)number;
    _exit(write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? 4 : 3);
}

static void access_register(const Options *options, Result *result)
{
    if (options->write) {
        *result->reg.word = options->value;
    } else if (*result->reg.word == UINT32_MAX) {
        result->all_ones++;
    }
}

static uint64_t timed_round(const Options *options, Result *result)
{
    uint64_t start = now_ns();
    uint64_t before = start;
    uint64_t after = start;

    for (unsigned i = 0; i < options->count; i++) {
        access_register(options, result);
        if (options->slow_ns) {
            after = now_ns();
            result->slow += after - before >= options->slow_ns;
            before = after;
        }
    }
    return now_ns() - start;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void measure(const Options *options, Result *results, int number)
{
    for (unsigned round = 0; round < options->rounds; round++) {
        for (int i = 0; i < number; i++) {
            uint64_t spent = timed_round(options, &results[i]);

            results[i].total_ns += spent;
            results[i].round_ns[round] = (double)spent / options->count;
        }
    }
    for (int i = 0; i < number; i++) {
        qsort(results[i].round_ns, options->rounds, sizeof(double),
              compare_doubles);
        results[i].median_ns = results[i].round_ns[options->rounds / 2];
    }
}

static void print_text(const Options *options, const Result *results,
                       int number)
{
    for (int i = 0; i < number; i++) {
        const Result *result = &results[i];

        printf("%s bar %u offset 0x%" PRIx64 ": %.1f ns per %s, %u accesses "
               "in %.3f s", result->reg.address, result->reg.bar,
               result->reg.offset, result->median_ns,
               options->write ? "write" : "read",
               options->rounds * options->count,
               (double)result->total_ns / NS_PER_S);
        if (options->slow_ns) {
            printf(", %" PRIu64 " slow", result->slow);
        }
        if (!options->write) {
            printf(", %" PRIu64 " all-ones", result->all_ones);
        }
        putchar('\n');
    }
    if (number == 2) {
        printf("ratio (first/second): %.4f\n",
               results[0].median_ns / results[1].median_ns);
    }
}

static void print_json(const Options *options, const Result *results,
                       int number)
{
    printf("{\"operation\": \"%s\", \"rounds\": %u, \"count\": %u, "
           "\"registers\": [", options->write ? "write" : "read",
           options->rounds, options->count);
    for (int i = 0; i < number; i++) {
        const Result *result = &results[i];

        printf("%s{\"device\": \"%s\", \"bar\": %u, \"offset\": %" PRIu64
               ", \"median-ns\": %.1f, \"fastest-ns\": %.1f, "
               "\"total-ns\": %" PRIu64 ", \"slow\": %" PRIu64
               ", \"all-ones\": %" PRIu64 "}", i ? ", " : "",
               result->reg.address, result->reg.bar, result->reg.offset,
               result->median_ns, result->round_ns[0], result->total_ns,
               result->slow, result->all_ones);
    }
    printf("]");
    if (number == 2) {
        printf(", \"ratio\": %.4f",
               results[0].median_ns / results[1].median_ns);
    }
    printf("}\n");
}

static void parse_options(Options *options, int argc, char **argv)
{
    static const struct option names[] = {
        { "rounds", required_argument, NULL, 'r' },
        { "count", required_argument, NULL, 'c' },
        { "write", required_argument, NULL, 'w' },
        { "slow", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int name;

    while ((name = getopt_long(argc, argv, "r:c:w:s:jh", names, NULL)) >= 0) {
        switch (name) {
        case 'r':
            options->rounds = (unsigned)number_of(program, "rounds", optarg, 1,
                                                  100000);
            break;
        case 'c':
            options->count = (unsigned)number_of(program, "count", optarg, 1,
                                                 10000000);
            break;
        case 'w':
            options->write = true;
            options->value = (uint32_t)number_of(program, "write", optarg, 0,
                                                 UINT32_MAX);
            break;
        case 's':
            options->slow_ns = number_of(program, "slow", optarg, 1,
                                         3600000000) * 1000;
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
    Options options = { .rounds = 101, .count = 1000 };
    Result results[REGISTERS_MAX] = { 0 };
    int number;

    parse_options(&options, argc, argv);
    number = argc - optind;
    if (number < 1 || number > REGISTERS_MAX) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGBUS, device_gone);
    for (int i = 0; i < number; i++) {
        mmio_register_open(&results[i].reg, argv[optind + i]);
        results[i].round_ns = calloc(options.rounds, sizeof(double));
        if (!results[i].round_ns) {
            fputs("mmio-bench: error: no memory for the results\n", stderr);
            return 2;
        }
    }
    measure(&options, results, number);
    if (options.json) {
        print_json(&options, results, number);
    } else {
        print_text(&options, results, number);
    }
    return 0;
}
