/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A register of a PCI device, see mmio-device.h
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mmio-device.h"

#define DEVICES  "/sys/bus/pci/devices"

/* PCI Local Bus Specification 3.0, 6.2.2: the Command register */
#define COMMAND_REGISTER  4
#define COMMAND_MEMORY    0x2

static _Noreturn void __attribute__((format(printf, 1, 2)))
fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: error: ", program_invocation_short_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

/* Take ADDRESS,BAR,OFFSET apart; a missing domain is 0000. */
static void parse(MmioRegister *reg, const char *text)
{
    unsigned domain = 0, bus, slot, function;
    char rest[2] = "";
    int used = 0;

    if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function,
               &used) != 4) {
        domain = 0;
        if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function,
                   &used) != 3) {
            used = -1;
        }
    }
    if (used < 0 || sscanf(text + used, ",%u,%" SCNi64 "%1s", &reg->bar,
                           (int64_t *)&reg->offset, rest) != 2) {
        fail("%s: expected ADDRESS,BAR,OFFSET, for instance 01:00.0,0,0x8",
             text);
    }
    if (reg->bar > 5) {
        fail("%s: no such BAR; expected 0 to 5", text);
    }
    if (reg->offset % 4) {
        fail("%s: the offset must be a multiple of 4", text);
    }
    snprintf(reg->address, sizeof(reg->address), "%04x:%02x:%02x.%x", domain,
             bus & 0xff, slot & 0xff, function & 0xf);
}

/* A BAR answers only while the device decodes memory. */
static void check_enabled(const MmioRegister *reg)
{
    char path[PATH_MAX];
    uint8_t command[2] = { 0 };
    int fd;

    snprintf(path, sizeof(path), DEVICES "/%s/config", reg->address);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, command, sizeof(command), COMMAND_REGISTER) != 2) {
        fail("%s: %s; lspci lists the devices there are", path,
             strerror(errno));
    }
    close(fd);
    if (!(command[0] & COMMAND_MEMORY)) {
        fail("%s: memory decoding is off; echo 1 > " DEVICES "/%s/enable",
             reg->address, reg->address);
    }
}

/* The name of the driver that has the device, or NULL. */
static const char *driver_of(const MmioRegister *reg)
{
    static char target[PATH_MAX];
    char path[PATH_MAX];
    ssize_t length;

    snprintf(path, sizeof(path), DEVICES "/%s/driver", reg->address);
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0) {
        return NULL;
    }
    target[length] = '\0';
    return strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
}

static _Noreturn void fail_map(const MmioRegister *reg, const char *path)
{
    const char *driver = driver_of(reg);
    int error = errno;

    if (driver && (error == EINVAL || error == EBUSY || error == EPERM)) {
        fail("%s: claimed by the driver %s (%s); unbind it, or start the "
             "kernel with iomem=relaxed", path, driver, strerror(error));
    }
    fail("%s: cannot be mapped: %s", path, strerror(error));
}

void mmio_register_open(MmioRegister *reg, const char *text)
{
    long page = sysconf(_SC_PAGESIZE);
    char path[PATH_MAX];
    struct stat info;
    uint64_t within;
    void *mapped;
    int fd;

    parse(reg, text);
    check_enabled(reg);
    snprintf(path, sizeof(path), DEVICES "/%s/resource%u", reg->address,
             reg->bar);
    fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        fail("%s: %s has no BAR %u", path, reg->address, reg->bar);
    }
    if (fd < 0 || fstat(fd, &info) < 0) {
        fail_map(reg, path);
    }
    if ((uint64_t)info.st_size < 4 ||
        reg->offset > (uint64_t)info.st_size - 4) {
        fail("%s: offset 0x%" PRIx64 " is outside; the BAR has 0x%" PRIx64
             " bytes", path, reg->offset, (uint64_t)info.st_size);
    }
    within = reg->offset % (uint64_t)page;
    mapped = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                  (off_t)(reg->offset - within));
    if (mapped == MAP_FAILED) {
        fail_map(reg, path);
    }
    close(fd);
    reg->word = (volatile uint32_t *)((uint8_t *)mapped + within);
}
