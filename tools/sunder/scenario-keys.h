/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a scenario file, as tables: its grammar, and nothing else */
#ifndef SUNDER_SCENARIO_KEYS_H
#define SUNDER_SCENARIO_KEYS_H

#include "scenario-file.h"

typedef struct StepKey {
    const char *name;               /* the key that makes a mapping this step */
    const Schema *value;            /* of that key */
    const SchemaField *modifiers;   /* keys that may stand beside it */
    /* NULL, or checks what a table cannot say; @args is what was read */
    bool (*check)(const YamlDocument *doc, const YamlNode *node,
                  const char *field, JsonObject *args, GError **error);
} StepKey;

/* In the order of StepId. */
extern const StepKey scenario_step_keys[STEP_COUNT];

/* Keys at the top, but for steps. */
extern const SchemaField scenario_top_keys[];

#endif
