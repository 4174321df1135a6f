/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: writers
 *
 * Each thread owns a part of the memory and remembers what every page of
 * it must hold: nothing, or one word.  It visits its pages in a random
 * order, checks, and writes a word where there is none or zeroes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/race/race.h"

#define IN_FLIGHT 64            /* of direct I/O */
#define BLOCKS    16            /* of the file */
#define MAX_THREADS 8

typedef struct Writer {
    RaceWriters *writers;
    GThread *thread;
    uint8_t *host;              /* its part */
    uint64_t page;              /* bytes */
    uint64_t pages;
    uint64_t *holds;            /* what each page must hold */
    uint64_t random;
    atomic_uint_least64_t writes;
    atomic_uint_least64_t lost;
    aio_context_t aio;
    uint64_t flying[IN_FLIGHT]; /* pages */
    struct iocb blocks[IN_FLIGHT];
} Writer;

struct RaceWriters {
    RaceWriterKind kind;
    Writer writer[MAX_THREADS];
    unsigned threads;
    int fd;                     /* the file: block N is full of N + 1 */
    atomic_bool stop;
    GMutex lock;
    GCond changed;
    bool hold;
    unsigned held;
};

static uint64_t next_random(Writer *w)
{
    /* xorshift64: George Marsaglia, "Xorshift RNGs", 2003 */
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

/* The word of a page that is written: its place depends on the page. */
static volatile uint64_t *word_of(const Writer *w, uint64_t page)
{
    return (volatile uint64_t *)(w->host + page * w->page) +
           page * 37 % (w->page / 8);
}

static void check(Writer *w, uint64_t page)
{
    if (*word_of(w, page) != w->holds[page]) {
        atomic_fetch_add(&w->lost, 1);
    }
}

static void store(Writer *w, uint64_t page, uint64_t value)
{
    *word_of(w, page) = value;
    w->holds[page] = value;
    atomic_fetch_add_explicit(&w->writes, 1, memory_order_relaxed);
}

static void write_word(Writer *w)
{
    uint64_t page = next_random(w) % w->pages;

    check(w, page);
    store(w, page, w->holds[page] ? 0 : next_random(w) | 1);
}

/* The same by a system call that copies to the page. */
static void copy_block(Writer *w)
{
    uint64_t page = next_random(w) % w->pages;
    uint64_t block = page % BLOCKS;
    uint8_t *at = w->host + page * RACE_PAGE;

    check(w, page);
    if (w->holds[page]) {
        memset(at, 0, RACE_PAGE);
        store(w, page, 0);
        return;
    }
    if (pread(w->writers->fd, at, RACE_PAGE, block * RACE_PAGE) !=
        RACE_PAGE) {
        g_error("pread: %s", g_strerror(errno));
    }
    w->holds[page] = block + 1;
    atomic_fetch_add(&w->writes, 1);
}

/* --- Direct I/O ------------------------------------------------------- */

/*
 * Chooses a page of the slot's own slice that is zero, as most are that a
 * guest reads into; pages with data that it comes across it zeroes.
 */
static uint64_t choose(Writer *w, unsigned slot)
{
    uint64_t slice = w->pages / IN_FLIGHT;

    for (;;) {
        uint64_t page = slot * slice + next_random(w) % slice;

        check(w, page);
        if (!w->holds[page]) {
            return page;
        }
        memset(w->host + page * RACE_PAGE, 0, RACE_PAGE);
        w->holds[page] = 0;
    }
}

static void submit(Writer *w, unsigned slot)
{
    struct iocb *iocb = &w->blocks[slot];
    uint64_t page = choose(w, slot);
    uint8_t *at = w->host + page * RACE_PAGE;

    w->flying[slot] = page;
    *iocb = (struct iocb) {
        .aio_data = slot,
        .aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = w->writers->fd,
        .aio_buf = (uintptr_t)at,
        .aio_nbytes = RACE_PAGE,
        .aio_offset = page % BLOCKS * RACE_PAGE,
    };
    if (syscall(SYS_io_submit, w->aio, 1L, &iocb) != 1) {
        g_error("io_submit: %s", g_strerror(errno));
    }
}

static void completed(Writer *w, const struct io_event *event)
{
    uint64_t page = w->flying[event->data];

    if (event->res != RACE_PAGE) {
        g_error("direct I/O: %s", g_strerror(-(int)event->res));
    }
    w->holds[page] = page % BLOCKS + 1;
    atomic_fetch_add(&w->writes, 1);
    check(w, page);
}

/* Submits all that may be in flight and waits for it: a round. */
static void direct_round(Writer *w)
{
    struct io_event events[IN_FLIGHT];
    unsigned done = 0;

    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        submit(w, i);
    }
    while (done < IN_FLIGHT) {
        long n = syscall(SYS_io_getevents, w->aio, 1L, (long)IN_FLIGHT,
                         events, NULL);

        for (long i = 0; i < n; i++) {
            completed(w, &events[i]);
        }
        done += MAX(n, 0);
    }
}

/* --- Threads ---------------------------------------------------------- */

static void hold_point(RaceWriters *writers)
{
    g_mutex_lock(&writers->lock);
    if (writers->hold) {
        writers->held++;
        g_cond_broadcast(&writers->changed);
        while (writers->hold) {
            g_cond_wait(&writers->changed, &writers->lock);
        }
        writers->held--;
    }
    g_mutex_unlock(&writers->lock);
}

static void *writer_thread(void *opaque)
{
    Writer *w = opaque;

    while (!atomic_load(&w->writers->stop)) {
        hold_point(w->writers);
        switch (w->writers->kind) {
        case RACE_CPU:
            for (unsigned i = 0; i < 256; i++) {
                write_word(w);
            }
            break;
        case RACE_COPY:
            for (unsigned i = 0; i < 16; i++) {
                copy_block(w);
            }
            break;
        case RACE_DIRECT:
            direct_round(w);
            break;
        }
    }
    return NULL;
}

void race_writers_hold(RaceWriters *writers)
{
    g_mutex_lock(&writers->lock);
    writers->hold = true;
    while (writers->held < writers->threads) {
        g_cond_wait(&writers->changed, &writers->lock);
    }
    g_mutex_unlock(&writers->lock);
}

void race_writers_go_on(RaceWriters *writers)
{
    g_mutex_lock(&writers->lock);
    writers->hold = false;
    g_cond_broadcast(&writers->changed);
    while (writers->held) {
        g_mutex_unlock(&writers->lock);
        g_thread_yield();
        g_mutex_lock(&writers->lock);
    }
    g_mutex_unlock(&writers->lock);
}

void race_writers_drain(RaceWriters *writers)
{
    if (writers->kind == RACE_DIRECT) {
        race_writers_hold(writers);
    }
}

/* Returns: a file of BLOCKS blocks that has no name, or -1. */
static int make_file(RaceWriterKind kind, const char **reason)
{
    char name[] = "race-XXXXXX";
    g_autofree uint64_t *block = g_malloc(RACE_PAGE);
    int fd = mkstemp(name);

    g_assert(fd >= 0);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        for (unsigned j = 0; j < RACE_PAGE / 8; j++) {
            block[j] = i + 1;
        }
        g_assert(pwrite(fd, block, RACE_PAGE, i * RACE_PAGE) == RACE_PAGE);
    }
    fsync(fd);
    if (kind == RACE_DIRECT) {
        close(fd);
        fd = open(name, O_RDONLY | O_DIRECT);
        *reason = "no direct I/O in the present folder";
    }
    unlink(name);
    return fd;
}

RaceWriters *race_writers_start(const RaceMemory *memory,
                                RaceWriterKind kind, unsigned threads,
                                const char **reason)
{
    RaceWriters *writers = g_new0(RaceWriters, 1);
    uint64_t part = memory->memory.length / threads;

    writers->kind = kind;
    writers->threads = threads;
    writers->fd = kind == RACE_CPU ? -1 : make_file(kind, reason);
    if (kind != RACE_CPU && writers->fd < 0) {
        g_free(writers);
        return NULL;
    }
    g_mutex_init(&writers->lock);
    g_cond_init(&writers->changed);
    for (unsigned i = 0; i < threads; i++) {
        Writer *w = &writers->writer[i];

        w->writers = writers;
        w->host = memory->memory.host + i * part;
        w->page = memory->memory.page;
        w->pages = part / w->page;
        w->holds = g_new0(uint64_t, w->pages);
        w->random = 88172645463325252 + i;
        if (kind == RACE_DIRECT &&
            syscall(SYS_io_setup, IN_FLIGHT, &w->aio) < 0) {
            g_error("io_setup: %s", g_strerror(errno));
        }
        w->thread = g_thread_new("writer", writer_thread, w);
    }
    return writers;
}

uint64_t race_writers_writes(RaceWriters *writers)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < writers->threads; i++) {
        n += atomic_load(&writers->writer[i].writes);
    }
    return n;
}

uint64_t race_writers_lost(RaceWriters *writers)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < writers->threads; i++) {
        n += atomic_load(&writers->writer[i].lost);
    }
    return n;
}

static void stop_writer(Writer *w)
{
    g_thread_join(w->thread);
    for (uint64_t page = 0; page < w->pages; page++) {
        check(w, page);
    }
    if (w->aio) {
        syscall(SYS_io_destroy, w->aio);
    }
    g_free(w->holds);
}

uint64_t race_writers_stop(RaceWriters *writers)
{
    uint64_t lost;

    atomic_store(&writers->stop, true);
    for (unsigned i = 0; i < writers->threads; i++) {
        stop_writer(&writers->writer[i]);
    }
    lost = race_writers_lost(writers);
    if (writers->fd >= 0) {
        close(writers->fd);
    }
    g_mutex_clear(&writers->lock);
    g_cond_clear(&writers->changed);
    g_free(writers);
    return lost;
}
