/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem-check: whether memory keeps what was written to it
 *
 * Each thread owns a part of the memory. Over and over it takes one of its
 * pages at random, compares it with what it wrote there last, and writes
 * something else: all zeroes, one word among zeroes, data throughout, or it
 * gives the page back to its kernel. That is what races with a balloon's
 * sweep, which takes pages that it finds zero. In the end all is compared once
 * more.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
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
#define THREADS_MAX    64
#define LOST_SHOWN     8       /* lines on standard error for each thread */

typedef enum Kind {
    KIND_ZERO,                 /* written as zeroes */
    KIND_FREED,                /* given back to the kernel; reads as zeroes */
    KIND_WORD,                 /* zeroes but for one word */
    KIND_DATA,
    KIND_COUNT,
} Kind;

/* What a page holds: all of its words follow from this and its number. */
typedef struct Page {
    uint32_t kind;
    uint32_t generation;       /* above 0 for KIND_WORD and KIND_DATA */
} Page;

typedef struct Options {
    unsigned memory_mib;
    unsigned threads;
    unsigned seconds;          /* 0: until a signal */
    uint64_t spoil;            /* writes after which to lose a page; 0: never */
    bool json;
} Options;

typedef struct Worker {
    pthread_t thread;
    const Options *options;
    uint64_t *memory;          /* its own part */
    Page *pages;
    size_t count;              /* of @pages */
    uint64_t random;
    uint64_t end_ns;
    uint64_t writes;
    uint64_t compared;         /* pages */
    uint64_t lost;             /* pages that did not hold what they should */
} Worker;

static const char program[] = "mem-check";
static volatile sig_atomic_t stopped;

static const char usage[] =
    "Usage: mem-check [OPTION...]\n"
    "\n"
    "Writes to pages of memory and compares what they hold. Exit status 1 if\n"
    "any lost what was written to it.\n"
    "\n"
    "  -m, --memory MIB    size of the memory (default 64)\n"
    "  -t, --threads N     threads (default 2)\n"
    "  -s, --seconds N     how long (default: until SIGINT or SIGTERM)\n"
    "      --spoil N       lose a page on purpose, after N writes\n"
    "  -j, --json          one JSON object\n"
    "  -h, --help          show this text\n";

/* The word at @index of page @number, if it holds data; never 0 */
static uint64_t data_word(size_t number, uint32_t generation, size_t index)
{
    return ((uint64_t)generation << 32 | 1) +
           (number * PAGE_WORDS + index) * 0x9e3779b97f4a7c10ull;
}

static uint64_t expected_word(const Page *page, size_t number, size_t index)
{
    if (page->kind == KIND_DATA ||
        (page->kind == KIND_WORD && index == page->generation % PAGE_WORDS)) {
        return data_word(number, page->generation, index);
    }
    return 0;
}

static uint64_t *page_words(const Worker *worker, size_t number)
{
    return &worker->memory[number * PAGE_WORDS];
}

static void page_report(Worker *worker, size_t number, size_t index)
{
    const Page *page = &worker->pages[number];

    if (worker->lost++ < LOST_SHOWN) {
        fprintf(stderr, "mem-check: page %zu, word %zu: expected 0x%" PRIx64
                ", found 0x%" PRIx64 " (kind %" PRIu32 ", generation %" PRIu32
                ")\n", number, index, expected_word(page, number, index),
                page_words(worker, number)[index], page->kind,
                page->generation);
    }
}

static void page_compare(Worker *worker, size_t number)
{
    const volatile uint64_t *words = page_words(worker, number);

    worker->compared++;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        if (words[i] != expected_word(&worker->pages[number], number, i)) {
            page_report(worker, number, i);
            return;
        }
    }
}

static void page_write(Worker *worker, size_t number, Kind kind)
{
    Page *page = &worker->pages[number];
    uint64_t *words = page_words(worker, number);
    size_t index;

    page->generation++;
    if (kind == KIND_FREED) {
        madvise(words, PAGE_BYTES, MADV_DONTNEED);
    } else if (kind == KIND_WORD) {
        /* The page may be zero already: then this is its only write. */
        if (page->kind != KIND_ZERO && page->kind != KIND_FREED) {
            memset(words, 0, PAGE_BYTES);
        }
        index = page->generation % PAGE_WORDS;
        words[index] = data_word(number, page->generation, index);
    } else {
        for (size_t i = 0; i < PAGE_WORDS; i++) {
            words[i] = kind == KIND_ZERO
                       ? 0 : data_word(number, page->generation, i);
        }
    }
    page->kind = kind;
    worker->writes++;
}

static void *work(void *opaque)
{
    Worker *worker = opaque;
    uint64_t spoil = worker->options->spoil;

    while (!stopped && (!worker->end_ns || now_ns() < worker->end_ns)) {
        uint64_t number = next_random(&worker->random);
        size_t page = (number >> 16) % worker->count;

        page_compare(worker, page);
        page_write(worker, page, (Kind)(number % KIND_COUNT));
        if (spoil && worker->writes == spoil) {
            page_write(worker, page, KIND_DATA);
            madvise(page_words(worker, page), PAGE_BYTES, MADV_DONTNEED);
        }
    }
    for (size_t page = 0; page < worker->count; page++) {
        page_compare(worker, page);
    }
    return NULL;
}

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static _Noreturn void no_memory(const Options *options)
{
    fprintf(stderr, "mem-check: error: --memory %u: there is not so much "
            "memory\n", options->memory_mib);
    exit(2);
}

static void workers_start(Worker *workers, const Options *options)
{
    size_t pages = (size_t)options->memory_mib * (MIB / PAGE_BYTES);
    size_t share = pages / options->threads;
    Page *table = calloc(pages, sizeof(*table));
    uint64_t *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (!table || memory == MAP_FAILED) {
        no_memory(options);
    }
    for (unsigned i = 0; i < options->threads; i++) {
        workers[i] = (Worker) {
            .options = options,
            .memory = memory + i * share * PAGE_WORDS,
            .pages = table + i * share,
            .count = share,
            .random = 88172645463325252ull + i,
            .end_ns = options->seconds
                      ? now_ns() + options->seconds * NS_PER_S : 0,
        };
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
            no_memory(options);
        }
    }
}

static void workers_join(Worker *workers, unsigned count, Worker *sum)
{
    for (unsigned i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        sum->writes += workers[i].writes;
        sum->compared += workers[i].compared;
        sum->lost += workers[i].lost;
    }
}

static void parse_options(Options *options, int argc, char **argv)
{
    static const struct option names[] = {
        { "memory", required_argument, NULL, 'm' },
        { "threads", required_argument, NULL, 't' },
        { "seconds", required_argument, NULL, 's' },
        { "spoil", required_argument, NULL, 'S' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int name;

    while ((name = getopt_long(argc, argv, "m:t:s:jh", names, NULL)) >= 0) {
        switch (name) {
        case 'm':
            options->memory_mib = (unsigned)number_of(program, "memory",
                                                      optarg, 1, 1u << 20);
            break;
        case 't':
            options->threads = (unsigned)number_of(program, "threads", optarg,
                                                   1, THREADS_MAX);
            break;
        case 's':
            options->seconds = (unsigned)number_of(program, "seconds", optarg,
                                                   1, 86400);
            break;
        case 'S':
            options->spoil = number_of(program, "spoil", optarg, 1,
                                       UINT64_MAX);
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
    static Worker workers[THREADS_MAX];
    Options options = { .memory_mib = 64, .threads = 2 };
    Worker sum = { 0 };

    parse_options(&options, argc, argv);
    if (optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    workers_start(workers, &options);
    workers_join(workers, options.threads, &sum);
    printf(options.json
           ? "{\"writes\": %" PRIu64 ", \"compared\": %" PRIu64
             ", \"lost\": %" PRIu64 "}\n"
           : "%" PRIu64 " writes, %" PRIu64 " pages compared, %" PRIu64
             " lost\n", sum.writes, sum.compared, sum.lost);
    return sum.lost ? 1 : 0;
}
