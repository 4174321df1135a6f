/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of `sunder run`, apart from its options
 */
#ifndef SUNDER_RUN_H
#define SUNDER_RUN_H

#include "machine.h"

typedef struct RunPlan {
    const char *command;    /* NULL: the console, unless detached */
    const char *on;         /* role of the machine of both; NULL: the first */
    const char *restore;    /* snapshot, or NULL */
    bool detach;
    bool wait;              /* with detach: for the guest's answer */
    bool json;
    bool input;             /* forward standard input to the command */
    bool keep;              /* keep the state directory */
    int timeout_ms;         /* from the machine's start; -1: none */
    int boot_ms;            /* until the guest answers; -1: none */
} RunPlan;

/*
 * Start the machines of @specs (MachineSpec, resolved), one or those of a lab,
 * and do what @plan says.
 */
int run_machines(GPtrArray *specs, const RunPlan *plan);

/* The same for one machine. */
int run_machine(const MachineSpec *spec, const RunPlan *plan);

/* The spec that @plan->on names; NULL with @error that lists them. */
const MachineSpec *run_chosen(GPtrArray *specs, const RunPlan *plan,
                              GError **error);

/* Report @error as @plan wants it; @name may be NULL. The exit status. */
int run_fail(const RunPlan *plan, const char *name, const GError *error);

#endif /* SUNDER_RUN_H */
