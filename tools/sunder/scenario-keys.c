/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario-keys.h"

static const Schema text = { SCHEMA_TEXT };
static const Schema texts = { SCHEMA_LIST, .item = &text };
static const Schema number = { SCHEMA_UINT };
static const Schema positive = { SCHEMA_UINT, .min = 1 };
static const Schema truth = { SCHEMA_BOOL };
static const Schema duration = { SCHEMA_DURATION };
static const Schema fraction = { SCHEMA_FRACTION };
static const Schema any = { SCHEMA_ANY };
static const Schema object = { SCHEMA_OBJECT };
static const Schema pattern = { SCHEMA_PATTERN };
static const Schema exit_code = { SCHEMA_EXIT };

/* What a text must look like: all that is given must hold. */
static const SchemaField match_fields[] = {
    { "regex", &pattern },
    { "contains", &text },
    { "equals", &text },
    { "not", &pattern },
    { NULL }
};
static const Schema match = {
    SCHEMA_MAP, .fields = match_fields, .shorthand = "regex",
    .expected = "a regular expression, or a mapping with regex, contains, "
                "equals, not",
};
static const Schema matches = { SCHEMA_LIST, .item = &match };

static const SchemaField result_fields[] = {
    { "exit", &exit_code },
    { "output", &matches },
    { "stderr", &matches },
    { NULL }
};
static const Schema result = { SCHEMA_MAP, .fields = result_fields };

static const char *const operations[] = { "any", "read", "write", NULL };
static const Schema operation = { SCHEMA_CHOICE, .choices = operations };

static const SchemaField fault_fields[] = {
    { "point", &text, true },
    { "outcome", &text, true },
    { "id", &text },
    { "after", &number },
    { "every", &positive },
    { "count", &positive },
    { "at", &duration },
    { "probability", &fraction },
    { "seed", &number },
    { "offset", &number },
    { "length", &positive },
    { "operation", &operation },
    { "value", &number },
    { "duration", &duration },
    { NULL }
};
static const Schema fault = { SCHEMA_MAP, .fields = fault_fields };

static const SchemaField fired_fields[] = {
    { "id", &text },
    { "point", &text },
    { "outcome", &text },
    { "at-least", &number },
    { "exactly", &number },
    { NULL }
};
static const Schema fired = {
    SCHEMA_MAP, .fields = fired_fields, .shorthand = "id",
};

static const SchemaField event_fields[] = {
    { "event", &text, true },
    { "data", &object },
    { NULL }
};
static const Schema event = {
    SCHEMA_MAP, .fields = event_fields, .shorthand = "event",
};

static const SchemaField qmp_fields[] = {
    { "execute", &text, true },
    { "arguments", &object },
    { NULL }
};
static const Schema qmp = {
    SCHEMA_MAP, .fields = qmp_fields, .shorthand = "execute",
};

static const char *const fakes[] = {
    "ones", "zero", "constant", "last", NULL
};
static const Schema fake = { SCHEMA_CHOICE, .choices = fakes };
static const SchemaField label_fields[] = {
    { "resource", &text, true },
    { "fake", &fake },
    { "value", &number },
    { NULL }
};
static const Schema label = {
    SCHEMA_MAP, .fields = label_fields, .shorthand = "resource",
};

/* What one machine of a lab has besides */
static const SchemaField boot_machine_fields[] = {
    { "on", &text, true },
    { "memory", &text },
    { "cpus", &positive },
    { "append", &text },
    { "args", &texts },
    { NULL }
};
static const Schema boot_machine = {
    SCHEMA_MAP, .fields = boot_machine_fields,
};
static const Schema boot_machines = { SCHEMA_LIST, .item = &boot_machine };

static const SchemaField boot_fields[] = {
    { "memory", &text },
    { "cpus", &positive },
    { "append", &text },
    { "args", &texts },
    { "machines", &boot_machines },
    { NULL }
};
static const Schema boot = { SCHEMA_MAP, .fields = boot_fields };

static const SchemaField skip_fields[] = {
    { "run", &text, true },
    { "reason", &text, true },
    { NULL }
};
static const Schema skip = { SCHEMA_MAP, .fields = skip_fields };

static const SchemaField needs_fields[] = {
    { "huge-pages", &positive },
    { NULL }
};
static const Schema needs = { SCHEMA_MAP, .fields = needs_fields };

const SchemaField scenario_top_keys[] = {
    { "name", &text, true },
    { "description", &text },
    { "machine", &text, true },
    { "kernel", &text },
    { "seed", &number },
    { "icount", &truth },
    { "timeout", &duration },
    { "boot", &boot },
    { "tags", &texts },
    { "skip-if", &skip },
    { "needs", &needs },
    { NULL }
};

/* Keys beside a step's own */
static const SchemaField with_note[] = {
    { "note", &text }, { "on", &text },
    { NULL }
};
static const SchemaField with_timeout[] = {
    { "note", &text }, { "on", &text }, { "timeout", &duration },
    { NULL }
};
static const SchemaField with_error[] = {
    { "note", &text }, { "on", &text }, { "expect-error", &matches },
    { NULL }
};
static const SchemaField with_result[] = {
    { "note", &text }, { "on", &text }, { "expect", &result },
    { "timeout", &duration }, { "report", &text },
    { NULL }
};
static const SchemaField with_polling[] = {
    { "note", &text }, { "on", &text }, { "expect", &result },
    { "timeout", &duration }, { "every", &duration }, { "report", &text },
    { NULL }
};
static const SchemaField with_report[] = {
    { "note", &text }, { "on", &text }, { "timeout", &duration },
    { "report", &text },
    { NULL }
};
static const SchemaField with_value[] = {
    { "note", &text }, { "on", &text }, { "expect", &any },
    { "expect-error", &matches }, { "timeout", &duration },
    { NULL }
};
static const SchemaField with_error_timeout[] = {
    { "note", &text }, { "on", &text }, { "expect-error", &matches },
    { "timeout", &duration },
    { NULL }
};

static bool check_fired(const YamlDocument *doc, const YamlNode *node,
                        const char *field, JsonObject *args, GError **error)
{
    JsonObject *value = json_object_get_object_member(args, "value");

    if (!json_object_has_member(value, "id") &&
        !json_object_has_member(value, "point")) {
        return yaml_error(doc, node, error, "%s.fired: neither id nor point: "
                          "expected the rule's id or the fault point", field);
    }
    if (json_object_has_member(value, "exactly") &&
        json_object_has_member(value, "at-least")) {
        return yaml_error(doc, node, error, "%s.fired: both exactly and "
                          "at-least: expected one of them", field);
    }
    return true;
}

static bool check_expect_one(const YamlDocument *doc, const YamlNode *node,
                             const char *field, JsonObject *args,
                             GError **error)
{
    if (json_object_has_member(args, "expect") &&
        json_object_has_member(args, "expect-error")) {
        return yaml_error(doc, node, error, "%s: both expect and "
                          "expect-error: expected one of them", field);
    }
    return true;
}

static bool check_device(const YamlDocument *doc, const YamlNode *node,
                         const char *field, JsonObject *args, GError **error)
{
    JsonObject *value = json_object_get_object_member(args, "value");

    if (!json_object_has_member(value, "driver")) {
        return yaml_error(doc, node, error, "%s.device-add: key 'driver' is "
                          "missing: expected QEMU's name of a device", field);
    }
    return true;
}

const StepKey scenario_step_keys[STEP_COUNT] = {
    [STEP_RUN] = { "run", &text, with_result },
    [STEP_WAIT_FOR] = { "wait-for", &text, with_polling },
    [STEP_FAULT] = { "fault", &fault, with_error },
    [STEP_REMOVE_FAULT] = { "remove-fault", &text, with_error },
    [STEP_FIRED] = { "fired", &fired, with_timeout, check_fired },
    [STEP_WAIT_EVENT] = { "wait-event", &event, with_report },
    [STEP_NO_EVENT] = { "no-event", &event, with_note },
    [STEP_QMP] = { "qmp", &qmp, with_value, check_expect_one },
    [STEP_RAC] = { "rac", &text, with_value, check_expect_one },
    [STEP_LABEL] = { "label", &label, with_error },
    [STEP_CLEAR] = { "clear", &text, with_error },
    [STEP_DEVICE_ADD] = { "device-add", &object, with_error, check_device },
    [STEP_DEVICE_DEL] = { "device-del", &text, with_error_timeout },
    [STEP_SLEEP] = { "sleep", &duration, with_note },
    [STEP_CONSOLE] = { "console", &matches, with_timeout },
    [STEP_MIGRATE] = { "migrate", &truth, with_note },
};
