/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of the host tools, and the exit statuses they become
 *
 * Every function that can fail takes a GError. A message names the thing, the
 * value, what was expected and what to do; it ends without a full stop and
 * carries no "error:" of its own.
 */
#ifndef SUNDER_ERROR_H
#define SUNDER_ERROR_H

#include <glib.h>

/*
 * Exit statuses; a guest command's own status is passed on as it is, so those
 * below can also come from it. --json tells them apart.
 */
enum {
    EXIT_REFUSED = 1,     /* the emulator refused: no such point, ... */
    EXIT_USAGE = 2,       /* the command line cannot be understood */
    EXIT_SKIPPED = 77,    /* what it needs is not on this host */
    EXIT_TIMEOUT = 124,   /* the time given ran out */
    EXIT_FAILED = 125,    /* Sunder itself, or the emulator, failed */
    EXIT_PANIC = 255,     /* the guest panicked, reset or switched itself off */
};

#define SUNDER_ERROR sunder_error_quark()

typedef enum SunderError {
    SUNDER_ERROR_FAILED,     /* anything not below */
    SUNDER_ERROR_USAGE,      /* the user named something that is not there */
    SUNDER_ERROR_SKIPPED,    /* guest images, KVM, ... are missing */
    SUNDER_ERROR_TIMEOUT,
    SUNDER_ERROR_CANCELLED,  /* by a signal to this process */
    SUNDER_ERROR_GUEST,      /* the guest is gone: panic, reset, power off */
    SUNDER_ERROR_DIED,       /* the emulator is gone by itself */
    SUNDER_ERROR_MISMATCH,   /* a snapshot of another emulator, kernel... */
} SunderError;

GQuark sunder_error_quark(void);

/* The exit status that @error stands for; errors of others give 125. */
int sunder_error_status(const GError *error);

#endif /* SUNDER_ERROR_H */
