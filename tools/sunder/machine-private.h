/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of a machine share: machine.c (its life), machine-wait.c
 * (talking to it) and machine-report.c (how it ended)
 */
#ifndef SUNDER_MACHINE_PRIVATE_H
#define SUNDER_MACHINE_PRIVATE_H

#include <stdio.h>
#include <sys/types.h>

#include "deadline.h"
#include "machine.h"

struct Machine {
    char *name;
    char *directory;
    MachineSpec *spec;
    int claim;              /* the lock's descriptor; -1 for a visitor */
    pid_t pid;              /* the emulator; -1 when it is not known */
    bool owner;             /* the emulator is our child */
    bool may_detach;        /* started with MACHINE_START_DETACHED */
    bool keep_state;
    Qmp *qmp;
    bool qmp_closed;
    FILE *qmp_log;
    FILE *faults_log;
    Agent *agent;
    int agent_lock;         /* descriptor of the port's lock, or -1 */
    unsigned agent_port;    /* that the lock is of */
    gint64 begun_us;        /* when this Machine was made */
    gint64 deadline;
    int cancel_fd;
    MachineEnding ending;   /* as the emulator's events told */
    bool exited;            /* our child has been waited for */
    int exit_status;        /* as wait(2) gave it */
};

/* For machine_qmp(): an event came. */
void machine_note_event(JsonObject *event, void *opaque);

/* Wait up to @timeout_ms for our child's end; whether it has ended. */
bool machine_reap(Machine *machine, int timeout_ms);

/* Whether the emulator is no more; asks the system, not QMP. */
bool machine_gone(Machine *machine);

/* Set SUNDER_ERROR_GUEST or _DIED with the report; false, for return. */
bool machine_fail_ended(Machine *machine, GError **error);

#endif /* SUNDER_MACHINE_PRIVATE_H */
