/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of `sunder run`, apart from its options
 */
#ifndef SUNDER_RUN_H
#define SUNDER_RUN_H

#include "machine.h"

typedef struct RunPlan {
    const char *command;    /* NULL: the console, unless detached */
    const char *restore;    /* snapshot, or NULL */
    bool detach;
    bool wait;              /* with detach: for the guest's answer */
    bool json;
    bool input;             /* forward standard input to the command */
    bool keep;              /* keep the state directory */
    int timeout_ms;         /* from the machine's start; -1: none */
    int boot_ms;            /* until the guest answers; -1: none */
} RunPlan;

/* Start the machine of @spec (resolved) and do what @plan says. */
int run_machine(const MachineSpec *spec, const RunPlan *plan);

/* Report @error as @plan wants it; @name may be NULL. The exit status. */
int run_fail(const RunPlan *plan, const char *name, const GError *error);

#endif /* SUNDER_RUN_H */
