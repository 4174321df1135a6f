/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: arming, taking, disarming
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hw/mem/guard-internal.h"

#define MAX_REGIONS 1024
/* Moved at a time: who touches any of it waits so long. */
#define ARM_CHUNK   (UINT64_C(2) << 20)

static const GuardEngine *const engines[] = {
    [WRITE_GUARD_PROTECT] = &guard_engine_protect,
    [WRITE_GUARD_MOVE] = &guard_engine_move,
    [WRITE_GUARD_NONE] = NULL,
};

GQuark write_guard_error_quark(void)
{
    return g_quark_from_static_string("sunder-write-guard-error");
}

const char *write_guard_engine_name(WriteGuardEngine engine)
{
    return engines[engine] ? engines[engine]->name : "pause";
}

/* --- Making and freeing ----------------------------------------------- */

bool write_guard_probe(WriteGuardEngine engine, const HostMemory *memory,
                       GError **error)
{
    GuardRegion region = { 0 };
    bool works = true;
    int uffd;

    if (!engines[engine]) {
        return true;
    }
    uffd = userfault_open(engines[engine]->features, error);
    if (uffd < 0) {
        return false;
    }
    if (memory) {
        region.memory = *memory;
        works = engines[engine]->watch(uffd, &region, error);
        if (works) {
            engines[engine]->unwatch(uffd, &region);
        }
    }
    close(uffd);
    return works;
}

static WriteGuard *guard_alloc(const WriteGuardOptions *options)
{
    WriteGuard *guard = g_new0(WriteGuard, 1);

    g_assert(options->count <= MAX_REGIONS);
    guard->options = *options;
    guard->options.memory = NULL;
    guard->engine = engines[options->engine];
    guard->uffd = -1;
    guard->count = options->count;
    guard->regions = g_new0(GuardRegion, options->count);
    for (unsigned i = 0; i < options->count; i++) {
        const HostMemory *m = &options->memory[i];

        guard->regions[i].memory = *m;
        guard->regions[i].armed =
            g_new0(uint64_t, m->length / m->page / GUARD_WORD_BITS + 1);
    }
    guard->spans = g_array_new(FALSE, FALSE, sizeof(Span));
    guard->armed = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    guard->views = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    g_mutex_init(&guard->lock);
    g_cond_init(&guard->changed);
    return guard;
}

static void guard_dispose(WriteGuard *guard)
{
    for (unsigned i = 0; i < guard->count; i++) {
        g_free(guard->regions[i].armed);
    }
    if (guard->uffd >= 0) {
        close(guard->uffd);
    }
    g_free(guard->regions);
    g_array_unref(guard->spans);
    g_array_unref(guard->armed);
    g_array_unref(guard->views);
    g_mutex_clear(&guard->lock);
    g_cond_clear(&guard->changed);
    g_free(guard);
}

static bool watch_all(WriteGuard *guard, GError **error)
{
    for (unsigned i = 0; i < guard->count; i++) {
        if (!guard->engine->watch(guard->uffd, &guard->regions[i], error)) {
            while (i--) {
                guard->engine->unwatch(guard->uffd, &guard->regions[i]);
            }
            return false;
        }
    }
    return true;
}

WriteGuard *write_guard_new(const WriteGuardOptions *options,
                            GError **error)
{
    WriteGuard *guard;

    if (options->refuse && engines[options->engine]) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_REFUSED,
                    "userfaultfd is refused (an injected fault)");
        return NULL;
    }
    guard = guard_alloc(options);
    if (!guard->engine) {
        return guard;
    }
    guard->uffd = userfault_open(guard->engine->features, error);
    if (guard->uffd < 0 || !watch_all(guard, error)) {
        guard_dispose(guard);
        return NULL;
    }
    guard_thread_start(guard);
    return guard;
}

void write_guard_free(WriteGuard *guard)
{
    if (!guard) {
        return;
    }
    if (guard->engine) {
        write_guard_disarm(guard);
        for (unsigned i = 0; i < guard->count; i++) {
            guard->engine->unwatch(guard->uffd, &guard->regions[i]);
        }
        guard_thread_stop(guard);
    }
    guard_dispose(guard);
}

WriteGuardStats write_guard_stats(WriteGuard *guard)
{
    WriteGuardStats stats;

    g_mutex_lock(&guard->lock);
    stats = guard->stats;
    g_mutex_unlock(&guard->lock);
    return stats;
}

/* --- Arming ----------------------------------------------------------- */

/*
 * Gathers ranges that are near each other.  Returns: their number.
 */
static unsigned gather(const WriteGuard *guard, const struct iovec *ranges,
                       unsigned count, Span *span)
{
    unsigned n;

    span->host = ranges[0].iov_base;
    span->length = ranges[0].iov_len;
    span->region = guard_region_of(guard, span->host);
    for (n = 1; n < count; n++) {
        const uint8_t *next = ranges[n].iov_base;

        if (guard_region_of(guard, next) != span->region ||
            (uint64_t)(next - span->host) - span->length >
            guard->engine->gap) {
            break;
        }
        span->length = next - span->host + ranges[n].iov_len;
    }
    return n;
}

static void mark(WriteGuard *guard, const struct iovec *ranges,
                 unsigned count, bool armed)
{
    g_mutex_lock(&guard->lock);
    for (unsigned i = 0; i < count; i++) {
        guard_set_armed(guard_region_of(guard, ranges[i].iov_base),
                        &ranges[i], armed);
    }
    g_mutex_unlock(&guard->lock);
}

/* Claims @chunk, arms it, and takes back the bits of what stays. */
static uint64_t arm_chunk(WriteGuard *guard, GuardRegion *region,
                          const struct iovec *chunk)
{
    struct iovec rest = *chunk;
    uint64_t done;

    g_mutex_lock(&guard->lock);
    guard_wait(guard, &guard->releasing, chunk);
    guard->taking = (Claim) { chunk, 1 };
    guard_set_armed(region, chunk, true);
    g_mutex_unlock(&guard->lock);

    done = guard->engine->arm(guard->uffd, region, chunk->iov_base,
                              chunk->iov_len);
    g_mutex_lock(&guard->lock);
    rest.iov_base = (uint8_t *)rest.iov_base + done;
    rest.iov_len -= done;
    guard_set_armed(region, &rest, false);
    guard_end_claim(guard, &guard->taking);
    g_mutex_unlock(&guard->lock);
    return done;
}

/* A page that cannot be armed is left out. */
static void arm_range(WriteGuard *guard, const struct iovec *range)
{
    GuardRegion *region = guard_region_of(guard, range->iov_base);
    uint8_t *at = range->iov_base, *end = at + range->iov_len;

    while (at < end) {
        struct iovec chunk = { at, MIN((uint64_t)(end - at), ARM_CHUNK) };
        uint64_t done = arm_chunk(guard, region, &chunk);

        at += done ? done : region->memory.page;
    }
}

/*
 * Nobody lets go of pages of the span between their being marked and their
 * being protected.
 */
static bool open_span(WriteGuard *guard, const struct iovec *ranges,
                      unsigned count, const Span *span, GError **error)
{
    const struct iovec whole = { span->host, span->length };
    bool fine;

    g_mutex_lock(&guard->lock);
    guard_wait(guard, &guard->releasing, &whole);
    guard->taking = (Claim) { &whole, 1 };
    for (unsigned i = 0; i < count && !guard->engine->arm; i++) {
        guard_set_armed(span->region, &ranges[i], true);
    }
    g_mutex_unlock(&guard->lock);

    fine = guard->engine->open_span(guard->uffd, span->region, span->host,
                                    span->length, error);
    g_mutex_lock(&guard->lock);
    guard_end_claim(guard, &guard->taking);
    g_mutex_unlock(&guard->lock);
    return fine;
}

static bool arm_span(WriteGuard *guard, const struct iovec *ranges,
                     unsigned count, const Span *span, GError **error)
{
    g_array_append_val(guard->spans, *span);
    if (!open_span(guard, ranges, count, span, error)) {
        return false;
    }
    for (unsigned i = 0; i < count && guard->engine->arm; i++) {
        arm_range(guard, &ranges[i]);
    }
    return true;
}

bool write_guard_arm(WriteGuard *guard, const struct iovec *ranges,
                     unsigned count, GError **error)
{
    if (!guard->engine) {
        mark(guard, ranges, count, true);
        return true;
    }
    for (unsigned i = 0; i < count; ) {
        Span span;
        unsigned n = gather(guard, ranges + i, count - i, &span);

        if (!arm_span(guard, ranges + i, n, &span, error)) {
            write_guard_disarm(guard);
            return false;
        }
        i += n;
    }
    return true;
}

/* --- Taking ----------------------------------------------------------- */

/*
 * Sets guard->armed to the parts of @range that are armed.  The lock is
 * held.
 */
static void filter(WriteGuard *guard, const struct iovec *range)
{
    const GuardRegion *region = guard_region_of(guard, range->iov_base);
    const HostMemory *m = &region->memory;
    uint64_t at = guard_page_of(region, range->iov_base);
    uint64_t end = at + range->iov_len / m->page;

    while ((at = guard_bits_find(region->armed, at, end, true)) < end) {
        uint64_t to = guard_bits_find(region->armed, at, end, false);
        struct iovec part = { m->host + at * m->page, (to - at) * m->page };
        struct iovec view = part;

        view.iov_base = (void *)write_guard_view(guard, part.iov_base);
        g_array_append_val(guard->armed, part);
        g_array_append_val(guard->views, view);
        at = to;
    }
}

/* Waits until the guard's thread releases nothing of @ranges. */
static void wait_for_releases(WriteGuard *guard,
                              const struct iovec *ranges, unsigned count)
{
    unsigned clear = 0;

    for (unsigned i = 0; clear < count; i = (i + 1) % count) {
        if (guard_claims(&guard->releasing, &ranges[i])) {
            guard_wait(guard, &guard->releasing, &ranges[i]);
            clear = 0;
        } else {
            clear++;
        }
    }
}

/* Claims what is armed of @ranges.  The lock is held. */
static void claim(WriteGuard *guard, const struct iovec *ranges,
                  unsigned count)
{
    g_array_set_size(guard->armed, 0);
    g_array_set_size(guard->views, 0);
    wait_for_releases(guard, ranges, count);
    for (unsigned i = 0; i < count; i++) {
        filter(guard, &ranges[i]);
    }
    guard->taking = (Claim) {
        (const struct iovec *)guard->armed->data, guard->armed->len,
    };
}

/* Lets go of what was claimed.  Returns: the bytes. */
static uint64_t finish(WriteGuard *guard, bool drop)
{
    const struct iovec *parts = (const struct iovec *)guard->armed->data;
    uint64_t bytes = 0;

    mark(guard, parts, guard->armed->len, false);
    for (unsigned i = 0; i < guard->armed->len; i++) {
        if (!drop && guard->engine) {
            guard->engine->release(guard->uffd,
                                   guard_region_of(guard,
                                                   parts[i].iov_base),
                                   parts[i].iov_base, parts[i].iov_len);
        }
        bytes += parts[i].iov_len;
    }
    return bytes;
}

uint64_t write_guard_take(WriteGuard *guard, const struct iovec *ranges,
                          unsigned count, bool drop, WriteGuardTake *take,
                          void *opaque)
{
    uint64_t bytes = 0;

    g_mutex_lock(&guard->lock);
    claim(guard, ranges, count);
    g_mutex_unlock(&guard->lock);
    if (!guard->armed->len) {
        return 0;
    }
    if (!take ||
        take(opaque, (const struct iovec *)guard->armed->data,
             (const struct iovec *)guard->views->data,
             guard->armed->len)) {
        bytes = finish(guard, drop);
    }
    g_mutex_lock(&guard->lock);
    guard_end_claim(guard, &guard->taking);
    g_mutex_unlock(&guard->lock);
    return bytes;
}

/* --- Disarming -------------------------------------------------------- */

void write_guard_forget(WriteGuard *guard, void *host, uint64_t length)
{
    GuardRegion *region = guard_region_of(guard, host);
    struct iovec range = { host, length };

    if (!region) {
        return;
    }
    range.iov_len = MIN(length, region->memory.length -
                                ((uint8_t *)host - region->memory.host));
    g_mutex_lock(&guard->lock);
    while (guard_claims(&guard->taking, &range) ||
           guard_claims(&guard->releasing, &range)) {
        g_cond_wait(&guard->changed, &guard->lock);
    }
    guard_set_armed(region, &range, false);
    g_mutex_unlock(&guard->lock);
}

/* Releases what is armed still, a chunk at a time. */
static void release_span(WriteGuard *guard, const Span *span)
{
    for (uint64_t at = 0; at < span->length; at += ARM_CHUNK) {
        struct iovec chunk = {
            span->host + at, MIN(span->length - at, ARM_CHUNK),
        };

        write_guard_take(guard, &chunk, 1, false, NULL, NULL);
    }
}

static void disarm_span(WriteGuard *guard, const Span *span)
{
    const struct iovec whole = { span->host, span->length };

    if (guard->engine->arm) {
        release_span(guard, span);
    }
    g_mutex_lock(&guard->lock);
    guard_wait(guard, &guard->releasing, &whole);
    guard_set_armed(span->region, &whole, false);
    g_mutex_unlock(&guard->lock);
    guard->engine->close_span(guard->uffd, span->region, span->host,
                              span->length);
}

void write_guard_disarm(WriteGuard *guard)
{
    if (!guard->engine) {
        for (unsigned i = 0; i < guard->count; i++) {
            const HostMemory *m = &guard->regions[i].memory;
            const struct iovec whole = { m->host, m->length };

            mark(guard, &whole, 1, false);
        }
        return;
    }
    for (unsigned i = 0; i < guard->spans->len; i++) {
        disarm_span(guard, &g_array_index(guard->spans, Span, i));
    }
    g_array_set_size(guard->spans, 0);
}
