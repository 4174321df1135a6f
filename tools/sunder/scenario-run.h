/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run one scenario on a machine of its own
 *
 * Concepts
 *   run       one execution. It owns its machine and, until it is over, a
 *             directory in which everything worth keeping gathers.
 *   guest     a machine of the run. There is one, or those of a lab (lab.h);
 *             a step is about one of them.
 *   event     whatever QMP told since the run began. A run keeps them all, so
 *             a step can ask for one that came before the step did.
 *   assertion what a step expects. It fails with SCENARIO_ASSERT_ERROR; every
 *             other error says that the step could not be tried.
 */
#ifndef SUNDER_SCENARIO_RUN_H
#define SUNDER_SCENARIO_RUN_H

#include "machine.h"
#include "scenario-file.h"
#include "scenario-result.h"

#define SCENARIO_ASSERT_ERROR (scenario_assert_error_quark())
GQuark scenario_assert_error_quark(void);

typedef void (*RunProgress)(unsigned step, unsigned steps, const char *title,
                            void *opaque);

typedef struct RunOptions {
    const char *kernel;     /* in place of the scenario's; NULL: as it says */
    bool seeded;
    guint64 seed;           /* in place of the scenario's, if seeded */
    gint64 timeout_ns;      /* in place of the scenario's; below 0: not */
    unsigned round, rounds; /* of --repeat, from 1 */
    bool cold;              /* boot, do not restore a shared state */
    bool keep;              /* keep what a passing run leaves, too */
    const char *output;     /* directory for what is kept; NULL: default */
    int cancel_fd;          /* readable: stop; -1: none */
    RunProgress progress;   /* before each step; step 0 is the boot */
    void *opaque;
} RunOptions;

/* Never NULL: whatever happens becomes a result. */
ScenarioResult *scenario_run(const Scenario *scenario,
                             const RunOptions *options);

/* ---- between the files scenario-*.c ---- */

typedef struct ScenarioGuest {
    char *role;             /* in the lab; NULL: there is only one guest */
    Machine *machine;       /* NULL before the boot and after the end */
    struct EventLog *events;
    gsize console_start;    /* bytes of the console before the first step */
    GString *console_before;/* consoles of machines that were migrated away */
} ScenarioGuest;

typedef struct ScenarioRun {
    const Scenario *scenario;
    const RunOptions *options;
    guint64 seed;
    GPtrArray *guests;      /* ScenarioGuest, at least one */
    ScenarioGuest *guest;   /* that the step is about */
    char *directory;        /* for what is kept */
    struct Lockstep *lockstep;  /* NULL unless the scenario counts */
    unsigned faults;        /* fault steps so far, for their seeds */
    unsigned migrations;
    gint64 step_began_us;   /* g_get_monotonic_time() */
    ScenarioResult *result;
} ScenarioRun;

/* The output of a guest command; text ends with NUL, may hold any bytes. */
typedef struct CommandResult {
    int exit_code;
    GString *output;
    GString *errors;
} CommandResult;

void command_result_clear(CommandResult *result);

/* Run @command in the guest. @timeout_ns below 0: the scenario's limit only. */
bool scenario_command(ScenarioRun *run, const char *command,
                      gint64 timeout_ns, CommandResult *result,
                      GError **error);

/* Wait up to @timeout_ms for anything from the machine; collects events. */
bool scenario_turn(ScenarioRun *run, int timeout_ms, GError **error);

/* A QMP command; collects events. NULL with the QMP error. */
JsonNode *scenario_qmp(ScenarioRun *run, const char *command,
                       JsonObject *arguments, GError **error);

/* What the guest printed on its console since the first step. */
char *scenario_console(ScenarioRun *run);

/* Set @error to an assertion's failure, and return false. Takes @why. */
bool scenario_assert_fail(GError **error, char *why);

/* Run one step. */
bool scenario_step(ScenarioRun *run, const ScenarioStep *step,
                   GError **error);

#endif
