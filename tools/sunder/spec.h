/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine is to be: everything that decides QEMU's command line
 *
 * A spec is filled by `sunder run`'s options or by a scenario, completed by
 * machine_spec_resolve() (defaults, kernel, guest images), kept as JSON in the
 * machine's state directory and in a snapshot's manifest, and read back from
 * there: the same spec gives the same command line but for the directory.
 */
#ifndef SUNDER_SPEC_H
#define SUNDER_SPEC_H

#include <stdbool.h>

#include <json-glib/json-glib.h>

typedef enum MachineAccel {
    MACHINE_ACCEL_AUTO,   /* KVM where the processor really has it, or TCG */
    MACHINE_ACCEL_TCG,
    MACHINE_ACCEL_KVM,
} MachineAccel;

/* All strings belong to the spec; NULL where not given. */
typedef struct MachineSpec {
    char *machine;       /* name in machines/, or path of a .cfg file */
    char *name;          /* name while it runs; NULL: the machine's */
    char *kernel;        /* path, or a guest's version: 6.1, 6.12; NULL: 6.1 */
    char *initrd;        /* path; NULL: the guest's */
    char *append;        /* added to the kernel command line */
    char *memory;        /* as QEMU's -m; NULL: the .cfg file's */
    unsigned cpus;       /* 0: the .cfg file's */
    MachineAccel accel;
    bool icount;         /* instruction-counted, virtual clock from zero */
    bool seeded;         /* seed is given */
    guint64 seed;
    char **arguments;    /* for QEMU, after all of ours; NULL-terminated */

    /* In a lab (lab.h); NULL: in none */
    char *lab;           /* its name while it runs */
    char *role;          /* in it */
    char *lab_description; /* path of its .cfg file */

    /* Found by machine_spec_resolve() */
    char *description;   /* path of the .cfg file */
    char *emulator;      /* path of QEMU */
    char *image;         /* kernel as QEMU gets it: vmlinux, or bzImage */
    char *ramdisk;       /* initrd as QEMU gets it, agent included */
    char *root;          /* root file system image; NULL: none */
    char *command_line;  /* the kernel's, whole */
} MachineSpec;

MachineSpec *machine_spec_new(const char *machine);
MachineSpec *machine_spec_copy(const MachineSpec *spec);
void machine_spec_free(MachineSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineSpec, machine_spec_free)

/*
 * Find and check everything the spec names; idempotent.
 * Errors: SUNDER_ERROR_USAGE for an unknown machine (lists those there are) or
 * unreadable file; SUNDER_ERROR_SKIPPED for guest images not made yet, or KVM
 * that was asked for and cannot be used.
 */
bool machine_spec_resolve(MachineSpec *spec, GError **error);

JsonNode *machine_spec_to_json(const MachineSpec *spec);
MachineSpec *machine_spec_from_json(JsonNode *node, GError **error);

/*
 * QEMU's arguments, the program first, for state directory @directory.
 * @incoming adds "-incoming defer". The spec must be resolved.
 */
char **machine_spec_argv(const MachineSpec *spec, const char *directory,
                         bool incoming, GError **error);

/* @argv as a line that a shell reads back as the same arguments. */
char *machine_argv_quote(char *const *argv);

/* "tcg", "kvm" or "auto" */
bool machine_accel_parse(const char *text, MachineAccel *accel,
                         GError **error);
const char *machine_accel_text(MachineAccel accel);

/* Whether KVM can run a stock kernel here; if not, *@why (static) says why. */
bool machine_kvm_usable(const char **why);

#endif /* SUNDER_SPEC_H */
