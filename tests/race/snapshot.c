/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: a snapshot of memory that is being written to
 *
 * What the RAM snapshot does with the guard: memory is armed at one
 * instant; a page is copied when a writer comes to it, the others in the
 * background.  The copy must be what memory held at that instant.
 */
#include <stdio.h>
#include <string.h>

#include "tests/race/race.h"
#include "tests/race/snapshot.h"

#define LENGTH (8u << 20)
#define BLOCK  (64u << 10)

typedef struct Snapshot {
    RaceMemory memory;
    uint8_t *image;             /* the snapshot */
    uint8_t *frozen;            /* what it must be */
    const uint8_t *block;       /* what the background has read */
    uint64_t block_offset;
    uint64_t on_write;          /* bytes copied because of a write */
    uint64_t background;
} Snapshot;

static const struct {
    const char *name;
    WriteGuardEngine engine;
    RaceKind memory;
} kinds[RACE_SNAPSHOTS] = {
    { "snapshot-protect-anonymous", WRITE_GUARD_PROTECT, RACE_ANONYMOUS },
    { "snapshot-protect-memfd", WRITE_GUARD_PROTECT, RACE_MEMFD },
    { "snapshot-move-anonymous", WRITE_GUARD_MOVE, RACE_ANONYMOUS },
};

const char *race_snapshot_name(unsigned which)
{
    return kinds[which].name;
}

static void copy_on_write(void *opaque, const void *view, void *host,
                          uint64_t length)
{
    Snapshot *s = opaque;

    memcpy(s->image + ((uint8_t *)host - s->memory.memory.host), view,
           length);
    s->on_write += length;
}

/* Keeps what the background has read of the pages nobody wrote to. */
static bool keep(void *opaque, const struct iovec *ranges,
                 const struct iovec *views, unsigned count)
{
    Snapshot *s = opaque;

    for (unsigned i = 0; i < count; i++) {
        uint64_t at = (uint8_t *)ranges[i].iov_base -
                      s->memory.memory.host;

        memcpy(s->image + at, s->block + (at - s->block_offset),
               ranges[i].iov_len);
        s->background += ranges[i].iov_len;
    }
    return true;
}

static void copy_background(Snapshot *s, WriteGuard *guard)
{
    g_autofree uint8_t *block = g_malloc(BLOCK);

    s->block = block;
    for (uint64_t at = 0; at < LENGTH; at += BLOCK) {
        struct iovec range = { s->memory.memory.host + at, BLOCK };

        for (unsigned i = 0; i < BLOCK; i += RACE_PAGE) {
            memcpy(block + i,
                   write_guard_view(guard, s->memory.memory.host + at + i),
                   RACE_PAGE);
        }
        s->block_offset = at;
        write_guard_take(guard, &range, 1, false, keep, s);
    }
}

/* Returns: whether the snapshot is right. */
static bool take_one(Snapshot *s, WriteGuard *guard, RaceWriters *writers)
{
    struct iovec all = { s->memory.memory.host, LENGTH };
    GError *error = NULL;

    race_writers_hold(writers);
    memcpy(s->frozen, s->memory.memory.host, LENGTH);
    if (!write_guard_arm(guard, &all, 1, &error)) {
        g_error("%s", error->message);
    }
    race_writers_go_on(writers);
    g_usleep(2000);
    copy_background(s, guard);
    write_guard_disarm(guard);
    return !memcmp(s->image, s->frozen, LENGTH);
}

static bool take_many(Snapshot *s, WriteGuard *guard, unsigned rounds)
{
    const char *reason;
    RaceWriters *writers = race_writers_start(&s->memory, RACE_CPU, 2,
                                              &reason);
    bool fine = true;

    for (unsigned i = 0; i < rounds && fine; i++) {
        memset(s->image, 0xa5, LENGTH);
        fine = take_one(s, guard, writers);
    }
    return race_writers_stop(writers) == 0 && fine;
}

bool race_snapshot(unsigned which, unsigned number, unsigned rounds)
{
    Snapshot s = { .image = g_malloc(LENGTH), .frozen = g_malloc(LENGTH) };
    WriteGuardOptions options = {
        .engine = kinds[which].engine,
        .memory = &s.memory.memory,
        .count = 1,
        .fault = copy_on_write,
        .opaque = &s,
    };
    g_autoptr(GError) error = NULL;
    WriteGuard *guard;
    bool fine = true;

    race_memory_map(&s.memory, kinds[which].memory, LENGTH);
    memset(s.memory.memory.host, 0, LENGTH);
    guard = write_guard_new(&options, &error);
    if (!guard) {
        printf("ok %u - %s # SKIP %s\n", number, kinds[which].name,
               error->message);
    } else {
        fine = take_many(&s, guard, rounds) && s.on_write && s.background;
        printf("# %s: %" G_GUINT64_FORMAT " KiB copied before a write, %"
               G_GUINT64_FORMAT " KiB in the background\n",
               kinds[which].name, s.on_write >> 10, s.background >> 10);
        printf("%s %u - %s\n", fine ? "ok" : "not ok", number,
               kinds[which].name);
    }
    fflush(stdout);
    write_guard_free(guard);
    race_memory_unmap(&s.memory);
    g_free(s.image);
    g_free(s.frozen);
    return fine;
}
