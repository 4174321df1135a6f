/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault rules in a migration: the section "sunder-fault" holds the bytes
 * of fault_engine_save().  A machine on which no rule was ever added
 * sends none, so its stream is that of stock QEMU.
 *
 * Actions that happened are not repeated: the engine knows them as spent,
 * and what they left behind is in the state of their devices.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "migration/vmstate.h"
#include "hw/fault/registry.h"

typedef struct RulesState {
    uint32_t size;
    uint8_t *bytes;
} RulesState;

static RulesState rules_state;

static bool rules_needed(void *opaque)
{
    return fault_engine_used(sunder_fault_engine());
}

static int rules_pre_load(void *opaque)
{
    RulesState *state = opaque;

    g_clear_pointer(&state->bytes, g_free);
    state->size = 0;
    return 0;
}

static int rules_pre_save(void *opaque)
{
    RulesState *state = opaque;
    GByteArray *bytes = NULL;

    WITH_QEMU_LOCK_GUARD(&sunder_fault_mutex) {
        bytes = fault_engine_save(sunder_fault_engine());
    }
    g_free(state->bytes);
    state->size = bytes->len;
    state->bytes = g_byte_array_free(bytes, FALSE);
    return 0;
}

static int rules_post_save(void *opaque)
{
    return rules_pre_load(opaque);
}

static bool size_valid(void *opaque, int version_id)
{
    RulesState *state = opaque;

    if (state->size > FAULT_MAX_STATE) {
        error_report("saved fault rules: %u bytes: expected at most %d",
                     state->size, FAULT_MAX_STATE);
        return false;
    }
    return true;
}

static int rules_post_load(void *opaque, int version_id)
{
    RulesState *state = opaque;
    g_autoptr(GError) error = NULL;
    bool ok = sunder_fault_load(state->bytes, state->size, &error);

    rules_pre_load(opaque);
    if (!ok) {
        error_report("%s", error->message);
        return -EINVAL;
    }
    return 0;
}

static const VMStateDescription vmstate_rules = {
    .name = "sunder-fault",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = rules_needed,
    .pre_load = rules_pre_load,
    .post_load = rules_post_load,
    .pre_save = rules_pre_save,
    .post_save = rules_post_save,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(size, RulesState),
        VMSTATE_VALIDATE("size", size_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(bytes, RulesState, 0, NULL, size),
        VMSTATE_END_OF_LIST()
    },
};

void sunder_fault_vmstate_register(void)
{
    vmstate_register(NULL, 0, &vmstate_rules, &rules_state);
}
