/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: memory
 */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/race/race.h"

/* Anonymous memory, aligned to a super page. */
static uint8_t *map_aligned(uint64_t length, int flags, int fd)
{
    uint8_t *at = mmap(NULL, length + RACE_SUPER, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *host;

    g_assert(at != MAP_FAILED);
    host = (uint8_t *)(((uintptr_t)at + RACE_SUPER - 1) &
                       ~(uintptr_t)(RACE_SUPER - 1));
    at = mmap(host, length, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
              0);
    g_assert(at == host);
    return host;
}

void race_memory_map(RaceMemory *memory, RaceKind kind, uint64_t length)
{
    HostMemory *m = &memory->memory;

    *m = (HostMemory) { .length = length, .page = RACE_PAGE, .fd = -1 };
    memory->super_page = RACE_SUPER;
    if (kind == RACE_MEMFD) {
        m->kind = HOST_MEMORY_SHARED;
        m->fd = memfd_create("race", MFD_CLOEXEC);
        g_assert(m->fd >= 0 && ftruncate(m->fd, length) == 0);
        m->host = map_aligned(length, MAP_SHARED, m->fd);
        return;
    }
    m->kind = HOST_MEMORY_ANONYMOUS;
    m->host = map_aligned(length, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    madvise(m->host, length,
            kind == RACE_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void race_memory_unmap(RaceMemory *memory)
{
    munmap(memory->memory.host, memory->memory.length);
    if (memory->memory.fd >= 0) {
        close(memory->memory.fd);
    }
}
