/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine: start it or find it, talk to it, learn how it ended
 *
 * Concepts
 *   state     each machine has a directory named after it under
 *             machine_state_root(). The emulator itself holds a lock on the
 *             file `lock` in it, so a machine runs exactly as long as the lock
 *             is held, whoever dies in between; a directory without a holder
 *             is left over and is taken by the next machine of that name.
 *   owner     the Machine that machine_start() returns. machine_free() ends the
 *             emulator and removes the directory, unless machine_detach() was
 *             called. If this process dies the emulator is killed with it.
 *   visitor   the Machine that machine_open() returns for one that runs.
 *             machine_free() only lets go of it.
 *   ending    how a guest or its emulator ended, enum MachineEnding.
 *   times     in milliseconds from the call, -1 for ever; the deadline of
 *             machine_set_deadline() limits every one of them besides.
 *
 * A Machine is used by one thread at a time; several may exist, and there is
 * no state outside of them. (The emulator dies with the thread that started
 * it: keep that thread until the machine is freed.)
 */
#ifndef SUNDER_MACHINE_H
#define SUNDER_MACHINE_H

#include <sys/types.h>

#include "agent.h"
#include "error.h"
#include "qmp.h"
#include "spec.h"

typedef struct Machine Machine;

typedef enum MachineEnding {
    MACHINE_RUNNING,     /* it has not ended */
    MACHINE_PANICKED,    /* the guest's kernel panicked */
    MACHINE_RESET,       /* the guest reset itself */
    MACHINE_POWERED_OFF, /* the guest switched itself off */
    MACHINE_QUIT,        /* the emulator was told to quit */
    MACHINE_DIED,        /* the emulator exited or was killed by itself */
} MachineEnding;

/* "running", "panicked", "reset", ... */
const char *machine_ending_text(MachineEnding ending);

/* Names of files in a state directory */
#define MACHINE_LOCK         "lock"
#define MACHINE_QMP          "qmp.sock"       /* verbs of the command line */
#define MACHINE_QMP_RUN      "qmp-run.sock"   /* the owner */
#define MACHINE_QMP_USER     "qmp-user.sock"  /* the user's own tools */
#define MACHINE_AGENT        "agent-0.sock"   /* the first of the ports */
#define MACHINE_AGENT_PORT   "agent-%u.sock"  /* below MACHINE_AGENT_PORTS */
#define MACHINE_AGENT_LOCK   "agent-%u.lock"  /* whoever uses that port */
#define MACHINE_CONSOLE      "console.sock"
#define MACHINE_CONSOLE_LOG  "console.log"
#define MACHINE_QEMU_LOG     "qemu.log"       /* QEMU's standard error */
#define MACHINE_CMDLINE      "cmdline"        /* a shell runs it again */
#define MACHINE_JSON         "machine.json"   /* spec, process, start time */
#define MACHINE_FAULTS_LOG   "faults.log"     /* events of faults, JSON lines */
#define MACHINE_QMP_LOG      "qmp.log"        /* the owner's QMP transcript */

/*
 * A guest's agent serves one connection on each of its ports: so many may run
 * commands in one guest at a time, each knowing nothing of the others.
 */
#define MACHINE_AGENT_PORTS  8

/*
 * $XDG_RUNTIME_DIR/sunder, or /tmp/sunder-UID where that cannot be: made, mode
 * and owner checked.
 */
char *machine_state_root(GError **error);

typedef enum MachineStartFlags {
    MACHINE_START_DETACHED = 1 << 0, /* does not die with this process */
    MACHINE_START_PAUSED = 1 << 1,   /* virtual CPUs wait for QMP "cont" */
} MachineStartFlags;

/*
 * Start the machine that @spec describes (resolved here; the caller keeps it).
 * Returns when QMP answers and, unless paused, virtual CPUs run.
 * With @restore, the name of a snapshot, RAM, devices and disks come from
 * there; the spec must be the snapshot's own (snapshot.h).
 */
Machine *machine_start(const MachineSpec *spec, const char *restore,
                       MachineStartFlags flags, GError **error);

/* A machine that runs; an unknown @name gives an error that lists them. */
Machine *machine_open(const char *name, GError **error);

/* What an ended machine left behind: for its logs and machine_report(). */
Machine *machine_open_ended(const char *name, GError **error);

void machine_free(Machine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)

/*
 * Let a machine started with MACHINE_START_DETACHED outlive its owner:
 * machine_free() will only let go of it, and no longer ends it.
 */
void machine_detach(Machine *machine);

/* Keep the state directory when the owner is freed, for its logs. */
void machine_keep_state(Machine *machine);

const char *machine_name(const Machine *machine);
const char *machine_directory(const Machine *machine);
char *machine_path(const Machine *machine, const char *file);
pid_t machine_pid(const Machine *machine);
const MachineSpec *machine_spec(const Machine *machine);

/*
 * Connected on first use: the owner's monitor, or that of the verbs. A visitor
 * that asks for it keeps others from it, so be short, or free the Machine.
 */
Qmp *machine_qmp(Machine *machine, GError **error);

/*
 * Connected on first use, to the first port that nobody uses; if all are in
 * use, waits for one, within the deadline and AGENT_WAIT_MS. It is ours until
 * machine_release_agent().
 */
Agent *machine_agent(Machine *machine, GError **error);
void machine_release_agent(Machine *machine);

/*
 * No wait on this machine lasts beyond @timeout_ms from now; -1 for no limit.
 * @cancel_fd, when not -1, ends every wait once it is readable.
 */
void machine_set_deadline(Machine *machine, int timeout_ms);
void machine_set_cancel_fd(Machine *machine, int cancel_fd);

/*
 * One turn: waits up to @timeout_ms until QMP or the agent has something or
 * the machine ends, and deals with it. True: go on (also when the time is
 * over: ask your own question again). False: SUNDER_ERROR_TIMEOUT (the
 * deadline), _CANCELLED, _GUEST or _DIED, the latter two with the report of
 * machine_report() as message. @extra_fd, when not -1, also ends the turn when
 * it is readable.
 */
bool machine_iterate(Machine *machine, int timeout_ms, int extra_fd,
                     GError **error);

/* Wait until the guest's start-up is over. */
bool machine_wait_ready(Machine *machine, int timeout_ms, GError **error);

/*
 * Run @command and wait for its end. Returns false on a timeout (SUNDER_ERROR
 * _TIMEOUT; the command then gets SIGKILL) or as machine_iterate(). *@status
 * is as wait(2) gives it. @input, when not -1, is forwarded until its end.
 */
bool machine_exec(Machine *machine, const AgentCommand *command, int input,
                  int timeout_ms, int *status, GError **error);

/* Wait for an event; as qmp_wait_event(), but notices the end and deadline. */
JsonObject *machine_wait_event(Machine *machine, const char *name,
                               QmpMatch match, void *opaque, int timeout_ms,
                               GError **error);

/* How it ended, as far as is known by now. */
MachineEnding machine_ending(Machine *machine);

/*
 * Why it ended, for a person: the ending, QEMU's exit status and standard
 * error, the last lines of the console. Complete sentences, several lines.
 */
char *machine_report(Machine *machine);

/* The last @lines lines of the console, without escape sequences. */
char *machine_console_tail(const Machine *machine, unsigned lines);

/*
 * End it: powers the guest off through the agent unless @force, then QMP
 * `quit`, then SIGKILL, each when the one before did not help in time.
 */
bool machine_stop(Machine *machine, bool force, GError **error);

/* Names of the machines that run, sorted. */
char **machine_list_running(GError **error);

#endif /* SUNDER_MACHINE_H */
