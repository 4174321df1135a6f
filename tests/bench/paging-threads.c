/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cookies against shoot-down with real threads, in nanoseconds
 *
 * Readers stand for processors: each has a TLB of its own and loads words
 * of random pages.  One thread remaps.  With cookies a reader compares the
 * cookie after each load.  With shoot-down the remapper sends each reader a
 * signal, whose handler drops the page from the reader's TLB, and waits for
 * all of them: what an operating system does with interrupts.  A load that
 * the handler interrupted is made again, as an instruction would be.
 */
#include <inttypes.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "paging-processors.h"

#define PAGES        512
#define FRAMES       1024
#define WORD_BYTES   64         /* one line of the host for each frame */
#define MAX_READERS  16
#define SHOOT_DOWN   SIGRTMIN
#define CHUNK        64         /* loads between two looks at the time */
#define PATIENCE     20000      /* looks for acknowledgements, ~100 us */
#define MAX_SAMPLES  (1u << 18)

typedef enum Way { WAY_PLAIN, WAY_COOKIES, WAY_SIGNALS } Way;

typedef struct Word {
    _Atomic uint64_t page;      /* that the frame holds */
    char unused[WORD_BYTES - sizeof(uint64_t)];
} Word;

typedef struct Shared Shared;

typedef struct Host {
    cpu_set_t allowed;          /* processors that we may run on */
    unsigned readers;
} Host;

typedef struct Reader {
    pthread_t thread;
    Shared *shared;
    ProcessorTlb *tlb;
    volatile sig_atomic_t interrupts;
    uint64_t loads, wrong, restarts;
    double ran_ns;              /* on a processor, handlers included */
    uint64_t seed;
} Reader;

struct Shared {
    Way way;
    unsigned readers;
    cpu_set_t allowed;
    CookieBuffer *cookies;
    CookieEntry entries[PAGES];
    Word frames[FRAMES];
    Reader reader[MAX_READERS];
    _Atomic unsigned started, unacknowledged;
    _Atomic bool stop;
    _Atomic uint64_t dropped;   /* the page to drop */
    uint64_t free[FRAMES - PAGES];      /* a ring */
    unsigned head;
    uint64_t seed;
};

/* Whose TLB the signal's handler finds */
static _Thread_local Reader *this_reader;

/* The processors that this process may run on */
static unsigned allowed_processors(cpu_set_t *set)
{
    CPU_ZERO(set);
    sched_getaffinity(0, sizeof(*set), set);
    return (unsigned)MAX(CPU_COUNT(set), 1);
}

/* The first one is the remapper's, so that readers run beside it. */
static void stay_on(const cpu_set_t *allowed, unsigned number)
{
    unsigned left = number % (unsigned)MAX(CPU_COUNT(allowed), 1);
    cpu_set_t one;

    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, allowed) && !left--) {
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

static double clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed >> 32;
}

static void shoot_down_handler(int number)
{
    Reader *reader = this_reader;

    if (!reader) {
        return;
    }
    processor_tlb_drop(reader->tlb, 0,
                       atomic_load(&reader->shared->dropped));
    reader->interrupts++;
    atomic_fetch_sub(&reader->shared->unacknowledged, 1);
}

static bool still_good(const Reader *reader,
                       const CookieTranslation *translation,
                       sig_atomic_t interrupts)
{
    switch (reader->shared->way) {
    case WAY_COOKIES:
        return cookie_valid(reader->shared->cookies, translation);
    case WAY_SIGNALS:
        atomic_signal_fence(memory_order_seq_cst);
        return reader->interrupts == interrupts;
    default:
        return true;
    }
}

/* A load of @page; made again until nothing came in between. */
static uint64_t reader_load(Reader *reader, uint64_t page)
{
    Shared *shared = reader->shared;

    for (;; reader->restarts++) {
        sig_atomic_t interrupts = reader->interrupts;
        ProcessorTlbEntry *entry;
        CookieTranslation translation;
        uint64_t word;

        atomic_signal_fence(memory_order_seq_cst);
        entry = processor_tlb_find(reader->tlb, 0, page);
        if (entry) {
            translation = entry->translation;
        } else {
            translation = cookie_translate(shared->cookies,
                                           &shared->entries[page]);
            processor_tlb_insert(reader->tlb, 0, page, translation, NULL);
        }
        word = atomic_load_explicit(
            &shared->frames[cookie_entry_frame(translation.entry)].page,
            memory_order_acquire);
        if (still_good(reader, &translation, interrupts)) {
            return word;
        }
        processor_tlb_drop(reader->tlb, 0, page);
    }
}

static void *reader_main(void *opaque)
{
    Reader *reader = opaque;
    Shared *shared = reader->shared;

    this_reader = reader;
    stay_on(&shared->allowed, 1 + (unsigned)(reader - shared->reader));
    atomic_fetch_add(&shared->started, 1);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        for (unsigned i = 0; i < CHUNK; i++) {
            uint64_t page = next_random(&reader->seed) % PAGES;

            reader->wrong += reader_load(reader, page) != page;
        }
        reader->loads += CHUNK;
    }
    reader->ran_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

static void shoot_down(Shared *shared, uint64_t page)
{
    atomic_store(&shared->dropped, page);
    atomic_store(&shared->unacknowledged, shared->readers);
    for (unsigned i = 0; i < shared->readers; i++) {
        pthread_kill(shared->reader[i].thread, SHOOT_DOWN);
    }
    /* A host with too few processors has to run the readers first. */
    for (unsigned i = 0; atomic_load(&shared->unacknowledged); i++) {
        if (i > PATIENCE) {
            sched_yield();
        }
    }
}

static void remap(Shared *shared)
{
    uint64_t page = next_random(&shared->seed) % PAGES;
    uint64_t *slot = &shared->free[shared->head++ % (FRAMES - PAGES)];
    uint64_t fresh = *slot;
    uint64_t old = cookie_entry_frame(atomic_load_explicit(
        &shared->entries[page], memory_order_relaxed));

    atomic_store_explicit(&shared->frames[fresh].page, page,
                          memory_order_release);
    atomic_store_explicit(&shared->entries[page],
                          fresh << COOKIE_FRAME_SHIFT |
                          COOKIE_ENTRY_PRESENT | COOKIE_ENTRY_WRITABLE,
                          memory_order_release);
    if (shared->way == WAY_COOKIES) {
        /* 64 bits wide: it never runs out. */
        cookie_buffer_change(shared->cookies, old);
    } else {
        shoot_down(shared, page);
    }
    /* Given away: the next owner's data is there before it is asked for. */
    atomic_store_explicit(&shared->frames[old].page, UINT64_MAX,
                          memory_order_release);
    *slot = old;
}

static Shared *shared_new(const Host *host, Way way, unsigned readers)
{
    Shared *shared = g_new0(Shared, 1);

    shared->allowed = host->allowed;
    shared->way = way;
    shared->readers = readers;
    shared->seed = 20261123;
    shared->cookies = cookie_buffer_new(FRAMES, COOKIE_MAX_WIDTH);
    for (unsigned i = 0; i < PAGES; i++) {
        atomic_init(&shared->frames[i].page, i);
        atomic_init(&shared->entries[i],
                    (uint64_t)i << COOKIE_FRAME_SHIFT |
                    COOKIE_ENTRY_PRESENT | COOKIE_ENTRY_WRITABLE);
    }
    for (unsigned i = 0; i < FRAMES - PAGES; i++) {
        shared->free[i] = PAGES + i;
    }
    for (unsigned i = 0; i < readers; i++) {
        shared->reader[i] = (Reader) {
            .shared = shared, .seed = 88172645463325252ull + i,
            .tlb = processor_tlb_new(1536, 12),
        };
        pthread_create(&shared->reader[i].thread, NULL, reader_main,
                       &shared->reader[i]);
    }
    while (atomic_load(&shared->started) < readers) {
        usleep(100);
    }
    return shared;
}

typedef struct Measured {
    double load_ns;             /* of one reader */
    double remap_ns;            /* the median */
    uint64_t wrong;
} Measured;

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

static double median(GArray *samples)
{
    if (!samples->len) {
        return 0;
    }
    g_array_sort(samples, compare_floats);
    return (double)g_array_index(samples, float, samples->len / 2);
}

/*
 * Remaps, @pause_ns from the beginning of one to that of the next (0: at
 * once; negative: none), for @milliseconds, while readers read.
 */
static Measured measure(const Host *host, Way way, double pause_ns,
                        unsigned milliseconds)
{
    unsigned readers = host->readers;
    Shared *shared = shared_new(host, way, readers);
    g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(float));
    double begin = now_ns(), next = begin, now = begin;
    Measured measured = { 0 };
    uint64_t loads = 0;

    if (pause_ns < 0) {
        usleep(milliseconds * 1000);    /* leave the processor to them */
    }
    while ((now = now_ns()) - begin < milliseconds * 1e6) {
        if (now < next) {
            continue;
        }
        remap(shared);
        if (samples->len < MAX_SAMPLES) {
            float took = (float)(now_ns() - now);

            g_array_append_val(samples, took);
        }
        next = MAX(next, now - pause_ns) + pause_ns;
    }
    atomic_store(&shared->stop, true);
    for (unsigned i = 0; i < readers; i++) {
        pthread_join(shared->reader[i].thread, NULL);
        loads += shared->reader[i].loads;
        measured.load_ns += shared->reader[i].ran_ns;
        measured.wrong += shared->reader[i].wrong;
        processor_tlb_free(shared->reader[i].tlb);
    }
    measured.load_ns /= (double)MAX(loads, 1);
    measured.remap_ns = median(samples);
    cookie_buffer_free(shared->cookies);
    g_free(shared);
    return measured;
}

/* Ends the readers that only keep processors busy. */
static void shared_stop(Shared *shared)
{
    atomic_store(&shared->stop, true);
    for (unsigned i = 0; i < shared->readers; i++) {
        pthread_join(shared->reader[i].thread, NULL);
        processor_tlb_free(shared->reader[i].tlb);
    }
    cookie_buffer_free(shared->cookies);
    g_free(shared);
}

/* One mprotect() that takes the right to write from a page in use */
static double host_protect_ns(const Host *host, unsigned readers,
                              unsigned times)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    volatile char *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Shared *shared = shared_new(host, WAY_PLAIN, readers);
    g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(float));

    for (unsigned i = 0; i < times && page != MAP_FAILED; i++) {
        double begin;
        float took;

        mprotect((void *)page, size, PROT_READ | PROT_WRITE);
        *page = (char)i;
        begin = now_ns();
        mprotect((void *)page, size, PROT_READ);
        took = (float)(now_ns() - begin);
        g_array_append_val(samples, took);
    }
    shared_stop(shared);
    munmap((void *)page, size);
    return median(samples);
}

/* An interrupt to every processor that runs a reader, and nothing else */
static double host_interrupt_ns(const Host *host, unsigned times)
{
    g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(float));
    Shared *shared;

    if (syscall(SYS_membarrier,
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0) {
        return -1;
    }
    shared = shared_new(host, WAY_PLAIN, host->readers);
    for (unsigned i = 0; i < times; i++) {
        double begin = now_ns();
        float took;

        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        took = (float)(now_ns() - begin);
        g_array_append_val(samples, took);
    }
    shared_stop(shared);
    return median(samples);
}

static void print_ratio(const char *what, double cookies, double other,
                        const char *unit)
{
    printf("%-44s %10.1f %10.1f %-3s %8.5f\n", what, cookies, other, unit,
           cookies / other);
}

static uint64_t print_storms(const Host *host, unsigned milliseconds)
{
    static const struct {
        const char *name;
        double pause_ns;
    } storms[] = {
        { "a remap each 1 ms", 1e6 },
        { "a remap each 100 us", 1e5 },
        { "remaps without a pause", 0 },
    };
    uint64_t wrong = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(storms); i++) {
        Measured cookies = measure(host, WAY_COOKIES,
                                   storms[i].pause_ns, milliseconds);
        Measured signals = measure(host, WAY_SIGNALS,
                                   storms[i].pause_ns, milliseconds);
        g_autofree char *loads = g_strdup_printf("%s: a load",
                                                 storms[i].name);
        g_autofree char *remaps = g_strdup_printf("%s: a remap",
                                                  storms[i].name);

        print_ratio(loads, cookies.load_ns, signals.load_ns, "ns");
        print_ratio(remaps, cookies.remap_ns, signals.remap_ns, "ns");
        wrong += cookies.wrong + signals.wrong;
    }
    return wrong;
}

bool threads_run(unsigned milliseconds)
{
    Host host;
    unsigned processors = allowed_processors(&host.allowed);
    struct sigaction action = { .sa_handler = shoot_down_handler };
    Measured plain, compared;
    double alone, busy, interrupt;
    uint64_t wrong;

    host.readers = CLAMP(processors - 1, 1, MAX_READERS);
    stay_on(&host.allowed, 0);
    sigaction(SHOOT_DOWN, &action, NULL);
    printf("\nReal: threads on %u processors, one remaps, %u read (512 "
           "pages)\n%-44s %10s %10s %12s\n", processors, host.readers, "",
           "cookies", "signals", "ratio");
    plain = measure(&host, WAY_PLAIN, -1, milliseconds);
    compared = measure(&host, WAY_COOKIES, -1, milliseconds);
    print_ratio("no remaps: a load (beside: nothing compared)",
                compared.load_ns, plain.load_ns, "ns");
    wrong = plain.wrong + compared.wrong +
            print_storms(&host, milliseconds);
    compared = measure(&host, WAY_COOKIES, 0, milliseconds);
    wrong += compared.wrong;
    alone = host_protect_ns(&host, 0, 20000);
    busy = host_protect_ns(&host, host.readers, 5000);
    interrupt = host_interrupt_ns(&host, 5000);
    printf("\nThe host's own shoot-down, beside a remap by cookies (%.1f ns)\n"
           "mprotect() of a page: %.0f ns alone, %.0f ns beside the readers",
           compared.remap_ns, alone, busy);
    if (busy > alone) {
        printf(": %.0f ns\nfor interrupting them, ratio %.4f\n", busy - alone,
               compared.remap_ns / (busy - alone));
    } else {
        printf(":\nthe host is too busy to run them at once\n");
    }
    if (interrupt >= 0) {
        printf("membarrier(), the interrupts alone: %.0f ns, ratio %.4f\n",
               interrupt, compared.remap_ns / interrupt);
    }
    printf("\n%" PRIu64 " loads read an old page\n", wrong);
    return !wrong;
}
