/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A register of a PCI device, mapped into this process through sysfs
 */
#ifndef SUNDER_GUEST_MMIO_DEVICE_H
#define SUNDER_GUEST_MMIO_DEVICE_H

#include <stdint.h>

typedef struct MmioRegister {
    char address[16];            /* 0000:01:00.0 */
    unsigned bar;
    uint64_t offset;             /* bytes from the BAR's start */
    volatile uint32_t *word;
} MmioRegister;

/*
 * Map the register that @text names, as ADDRESS,BAR,OFFSET: 01:00.0,0,0x8.
 * What is wrong is told on standard error, and the program ends with status 2.
 */
void mmio_register_open(MmioRegister *reg, const char *text);

#endif /* SUNDER_GUEST_MMIO_DEVICE_H */
