/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry as its QMP commands, its migration state and its seed see
 * it; device models use hw/fault/fault.h only.
 */
#ifndef SUNDER_HW_FAULT_REGISTRY_H
#define SUNDER_HW_FAULT_REGISTRY_H

#include "hw/fault/fault.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"

/* The one engine of the machine, made at its first use. */
FaultEngine *sunder_fault_engine(void);

/*
 * Held, inside the big lock, by whoever looks at or changes the engine:
 * accesses are checked in other threads.  Not held while a model is told.
 */
extern QemuMutex sunder_fault_mutex;

/*
 * Adds a rule, tells the model, and carries out or schedules its action.
 *
 * Returns: the rule's id, freed by the caller, or NULL with @error set.
 * The rule itself may be gone by then: its action may have unplugged the
 * device.
 */
char *sunder_fault_rule_add(const FaultRuleSpec *spec, GError **error);

bool sunder_fault_rule_remove(const char *id, GError **error);

/* Replaces all rules, tells every model, and schedules actions. */
bool sunder_fault_load(const uint8_t *data, size_t size, GError **error);

/* Makes the rules part of the machine's migration state. */
void sunder_fault_vmstate_register(void);

#endif
