/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Race tests: memory
 */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/race/race.h"

/* Returns: memory aligned to a super page, or NULL. */
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
    return at == host ? host : NULL;
}

/*
 * A page that was given back may be taken by another process, and the next
 * write would be fatal: there must be twice as many.
 */
static bool pool_suffices(uint64_t length)
{
    g_autofree char *text = NULL;

    return g_file_get_contents("/sys/kernel/mm/hugepages/"
                               "hugepages-2048kB/free_hugepages", &text,
                               NULL, NULL) &&
           g_ascii_strtoull(text, NULL, 10) >= 2 * length / RACE_SUPER;
}

static void map_file(HostMemory *m, bool hugetlb)
{
    m->kind = hugetlb ? HOST_MEMORY_HUGETLB : HOST_MEMORY_SHARED;
    m->page = hugetlb ? RACE_SUPER : RACE_PAGE;
    if (hugetlb && !pool_suffices(m->length)) {
        return;
    }
    m->fd = memfd_create("race", MFD_CLOEXEC | (hugetlb ? MFD_HUGETLB : 0));
    if (m->fd >= 0 && ftruncate(m->fd, m->length) == 0) {
        m->host = map_aligned(m->length, MAP_SHARED, m->fd);
    }
}

bool race_memory_map(RaceMemory *memory, RaceKind kind, uint64_t length)
{
    HostMemory *m = &memory->memory;
    bool huge = kind == RACE_HUGE || kind == RACE_HUGE_MEMFD;

    *m = (HostMemory) { .length = length, .page = RACE_PAGE, .fd = -1 };
    memory->super_page = RACE_SUPER;
    if (kind == RACE_ANONYMOUS || kind == RACE_HUGE) {
        m->kind = HOST_MEMORY_ANONYMOUS;
        m->host = map_aligned(length, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    } else {
        map_file(m, kind == RACE_HUGETLB);
    }
    g_assert(m->host || kind == RACE_HUGETLB);
    if (m->host && kind != RACE_HUGETLB) {
        madvise(m->host, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
    return m->host != NULL;
}

void race_memory_unmap(RaceMemory *memory)
{
    if (memory->memory.host) {
        munmap(memory->memory.host, memory->memory.length);
    }
    if (memory->memory.fd >= 0) {
        close(memory->memory.fd);
    }
}
