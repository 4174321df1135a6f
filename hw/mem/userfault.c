/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * userfaultfd: opening, registering, reading
 */
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/mem/guard-engine.h"
#include "hw/mem/kernel-abi.h"

#define MESSAGES 32

/*
 * Faults in the kernel (a system call that copies to guest memory) must
 * be held too: UFFD_USER_MODE_ONLY is no use, and what is left needs the
 * right to open the device or a privilege.
 */
static int open_raw(GError **error)
{
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fd = -1;

    if (device >= 0) {
        fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
        close(device);
    }
    if (fd < 0) {
        fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 && errno == ENOSYS) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_KERNEL,
                    "this kernel has no userfaultfd");
    } else if (fd < 0) {
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_REFUSED,
                    "userfaultfd is refused (%s): give the user access "
                    "to /dev/userfaultfd, or set "
                    "vm.unprivileged_userfaultfd to 1",
                    g_strerror(errno));
    }
    return fd;
}

/* Asks for @features; the kernel answers with those it has. */
static bool handshake(int fd, uint64_t features, uint64_t *has)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    int result = ioctl(fd, UFFDIO_API, &api);

    *has = api.features;
    return result == 0;
}

int userfault_open(uint64_t features, GError **error)
{
    uint64_t has;
    int fd = open_raw(error);

    if (fd < 0) {
        return -1;
    }
    /* only one handshake is allowed: the first is asked on another */
    if (!handshake(fd, 0, &has) || (has & features) != features) {
        close(fd);
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_KERNEL,
                    "this kernel's userfaultfd lacks features 0x%" PRIx64
                    " (protect needs Linux 6.4, move Linux 6.8)",
                    features & ~has);
        return -1;
    }
    close(fd);
    fd = open_raw(error);
    if (fd >= 0 && !handshake(fd, features, &has)) {
        close(fd);
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_KERNEL,
                    "userfaultfd refuses its own features: %s",
                    g_strerror(errno));
        return -1;
    }
    return fd;
}

bool userfault_register(int uffd, void *host, uint64_t length,
                        uint64_t mode, uint64_t ioctls, GError **error)
{
    struct uffdio_register ask = {
        .range = { .start = (uintptr_t)host, .len = length },
        .mode = mode,
    };

    if (ioctl(uffd, UFFDIO_REGISTER, &ask) < 0) {
        bool busy = errno == EBUSY;

        g_set_error(error, WRITE_GUARD_ERROR,
                    busy ? WRITE_GUARD_ERROR_BUSY
                         : WRITE_GUARD_ERROR_MEMORY,
                    busy ? "the memory at %p is watched by another "
                           "userfaultfd (postcopy or a snapshot): wait "
                           "until that has ended%.0s"
                         : "the memory at %p cannot be watched by "
                           "userfaultfd: %s",
                    host, g_strerror(errno));
        return false;
    }
    if ((ask.ioctls & ioctls) != ioctls) {
        userfault_unregister(uffd, host, length);
        g_set_error(error, WRITE_GUARD_ERROR, WRITE_GUARD_ERROR_MEMORY,
                    "userfaultfd cannot guard the kind of memory at %p",
                    host);
        return false;
    }
    return true;
}

void userfault_unregister(int uffd, void *host, uint64_t length)
{
    struct uffdio_range range = {
        .start = (uintptr_t)host,
        .len = length,
    };

    ioctl(uffd, UFFDIO_UNREGISTER, &range);
}

void userfault_wake(int uffd, void *host, uint64_t length)
{
    struct uffdio_range range = {
        .start = (uintptr_t)host,
        .len = length,
    };

    ioctl(uffd, UFFDIO_WAKE, &range);
}

unsigned userfault_read(int uffd, uint64_t *addresses, unsigned max)
{
    struct uffd_msg messages[MESSAGES];
    unsigned n = 0;
    ssize_t got = read(uffd, messages,
                       MIN(max, MESSAGES) * sizeof(messages[0]));

    for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            addresses[n++] = messages[i].arg.pagefault.address;
        }
    }
    return n;
}
