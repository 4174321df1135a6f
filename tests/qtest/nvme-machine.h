/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with an NVMe controller and two namespaces, on images that outlive
 * one QEMU: its state is saved, and it goes on in another QEMU.
 */
#ifndef SUNDER_TESTS_NVME_MACHINE_H
#define SUNDER_TESTS_NVME_MACHINE_H

#include "nvme-driver.h"
#include "saved-state.h"

#define NVME_DEVFN QPCI_DEVFN(4, 0)
#define NVME_IMAGE_BYTES (4 * 1024 * 1024)
#define NVME_MACHINE "-machine q35 -m 64 -nodefaults "

typedef struct Machine {
    char *dir;
    char *state;                /* path of the saved state */
    char *args;
    QNvme nvme;
} Machine;

/* The command line; @controller and @ns: more properties, "" for none. */
char *machine_args(Machine *m, const char *controller, const char *ns);

/* Prepares @m for a QEMU with @args, which it takes; NULL for its own. */
void machine_init(Machine *m, char *args);

/* Starts it, with the controller enabled and I/O queue pair 1. */
void machine_start(Machine *m, const char *controller, const char *ns);

/* Save, end that QEMU; and go on in another. */
void machine_save(Machine *m);
void machine_move(Machine *m);

/* Ends the QEMU and removes the files; or only the files. */
void machine_end(Machine *m);
void machine_clean(Machine *m);

#endif
