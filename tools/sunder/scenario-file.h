/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario as its file tells it: checked, in one normal shape, not yet run
 *
 * The format is described in sunder-scenario(5). Everything that can be wrong
 * without a machine is found here.
 */
#ifndef SUNDER_SCENARIO_FILE_H
#define SUNDER_SCENARIO_FILE_H

#include "scenario-schema.h"

typedef enum StepId {
    STEP_RUN,
    STEP_WAIT_FOR,
    STEP_FAULT,
    STEP_REMOVE_FAULT,
    STEP_FIRED,
    STEP_WAIT_EVENT,
    STEP_NO_EVENT,
    STEP_QMP,
    STEP_RAC,
    STEP_LABEL,
    STEP_CLEAR,
    STEP_DEVICE_ADD,
    STEP_DEVICE_DEL,
    STEP_SLEEP,
    STEP_CONSOLE,
    STEP_MIGRATE,
    STEP_COUNT
} StepId;

/* What is asked of a machine's start. Strings are NULL where nothing is. */
typedef struct ScenarioBoot {
    char *on;           /* role in the lab that it is for; NULL: for all */
    char *memory;
    unsigned cpus;      /* 0: as the machine has */
    char *append;
    char **arguments;   /* for QEMU; never NULL */
} ScenarioBoot;

typedef struct ScenarioStep {
    StepId id;
    const char *kind;   /* its key in the file, static */
    unsigned line;
    char *title;        /* one line for a person: the note, or key: value */
    const char *on;     /* role of the machine in a lab; NULL: the first */
    JsonObject *args;   /* "value", of the kind's key, and the other keys */
} ScenarioStep;

/* Strings are NULL where the file gives none. */
typedef struct Scenario {
    char *path;
    char *name;
    char *description;
    char *machine;
    char *kernel;
    bool seeded;
    guint64 seed;
    bool icount;
    gint64 timeout_ns;  /* of the steps together, the boot apart */
    ScenarioBoot *boot;
    GPtrArray *boots;   /* ScenarioBoot of machines of a lab, besides */
    char **tags;        /* never NULL */
    JsonObject *skip_if;
    guint64 huge_pages; /* that the host must have free, of 2 MiB */
    GPtrArray *steps;   /* ScenarioStep */
} Scenario;

/* Errors: SCENARIO_FILE_ERROR, or the file system's. */
Scenario *scenario_load(const char *path, GError **error);

/* The same from text; @name stands for the file. */
Scenario *scenario_parse(const char *name, const char *text, gsize length,
                         GError **error);

void scenario_free(Scenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scenario, scenario_free)

#endif
