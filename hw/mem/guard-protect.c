/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write guard: the engine that write-protects
 *
 * The whole memory is watched for as long as the guard lives; what is
 * not protected costs nothing.  Protecting 2 MiB that are mapped as a
 * huge page keeps it huge.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hw/mem/guard-engine.h"
#include "hw/mem/kernel-abi.h"

/*
 * A call costs a microsecond, 7 with another CPU in the same memory, and
 * 2 MiB of pages no more than 50: small gaps are protected, too.
 */
#define GAP (UINT64_C(64) << 10)

/* Returns: 0, or -1 with errno set. */
static int protect(int uffd, void *host, uint64_t length, uint64_t mode)
{
    struct uffdio_writeprotect ask = {
        .range = { .start = (uintptr_t)host, .len = length },
        .mode = mode,
    };
    int result;

    do {
        result = ioctl(uffd, UFFDIO_WRITEPROTECT, &ask);
    } while (result < 0 && (errno == EAGAIN || errno == EINTR));
    return result;
}

/*
 * KSM merges equal pages, and replaces their entries in the page table by
 * ones without our protection (mm/ksm.c, replace_page()): the next write
 * gets a page of its own and is not seen.  Zero pages are what it finds
 * most of.
 */
static bool is_merged(const HostMemory *memory)
{
    g_autofree char *run = NULL;

    return memory->kind == HOST_MEMORY_ANONYMOUS &&
           (memory->mergeable ||
            prctl(GUARD_PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == 1) &&
           g_file_get_contents("/sys/kernel/mm/ksm/run", &run, NULL, NULL) &&
           run[0] == '1';
}

static bool protect_watch(int uffd, GuardRegion *region, GError **error)
{
    if (is_merged(&region->memory)) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_KERNEL,
                    "KSM is running, and pages that it merges lose their "
                    "write protection: start the machine with -machine "
                    "mem-merge=off, write 0 to /sys/kernel/mm/ksm/run, or "
                    "use the move guard");
        return false;
    }
    return userfault_register(uffd, region->memory.host,
                              region->memory.length,
                              UFFDIO_REGISTER_MODE_WP,
                              UINT64_C(1) << _UFFDIO_WRITEPROTECT, error);
}

static void protect_unwatch(int uffd, GuardRegion *region)
{
    userfault_unregister(uffd, region->memory.host, region->memory.length);
}

static bool protect_open_span(int uffd, GuardRegion *region, void *host,
                              uint64_t length, GError **error)
{
    if (protect(uffd, host, length, UFFDIO_WRITEPROTECT_MODE_WP) < 0) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_ARM,
                    "cannot write-protect %" PRIu64 " bytes at %p: %s",
                    length, host, g_strerror(errno));
        return false;
    }
    return true;
}

/*
 * Without memory for page tables it cannot fail for good: protection
 * goes from where it is, and so page tables are.
 */
static void protect_release(int uffd, GuardRegion *region, void *host,
                            uint64_t length)
{
    while (protect(uffd, host, length, 0) < 0 && errno == ENOMEM) {
        g_usleep(1000);
    }
}

static void protect_stray(int uffd, GuardRegion *region, void *host)
{
    protect_release(uffd, region, host, region->memory.page);
}

const GuardEngine guard_engine_protect = {
    .name = "write-protect",
    .features = GUARD_FEATURE_WP | GUARD_FEATURE_WP_HUGETLBFS_SHMEM |
                GUARD_FEATURE_WP_UNPOPULATED,
    .gap = GAP,
    .watch = protect_watch,
    .unwatch = protect_unwatch,
    .open_span = protect_open_span,
    .close_span = protect_release,
    .release = protect_release,
    .stray = protect_stray,
};
