/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: QMP commands. */
#include "qemu/osdep.h"
#include "hw/pci-bridge/rac.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"
#include "qemu/timer.h"

/* Names in an error message, before it says how many more there are. */
#define MAX_NAMES 12

static void add_counters(SunderRacEntry *info, const RacCounters *c)
{
    info->faults = c->faults;
    info->timeouts = c->timeouts;
    info->waited_ns = c->waited_ns;
    info->forwarded_reads = c->forwarded_reads;
    info->forwarded_writes = c->forwarded_writes;
    info->faked_reads = c->faked_reads;
    info->faked_writes = c->faked_writes;
}

static void describe_entry(RacEntry *e, void *opaque)
{
    SunderRacEntryList ***tail = opaque;
    SunderRacEntry *info = g_new0(SunderRacEntry, 1);

    info->resource = g_strdup(e->resource);
    info->space = (SunderRacSpace)e->space;
    info->has_address = e->mapped;
    info->address = e->address;
    info->size = e->size;
    info->labelled = e->labelled;
    info->has_reason = e->labelled;
    info->reason = (SunderRacReason)e->reason;
    info->fake = (SunderRacFake)e->fake;
    info->value = e->value;
    add_counters(info, &e->counters);
    QAPI_LIST_APPEND(*tail, info);
}

static SunderRacInfo *describe(RacController *c)
{
    SunderRacInfo *info = g_new0(SunderRacInfo, 1);
    SunderRacEntryList **tail = &info->entries;

    info->id = g_strdup(c->id);
    info->type = g_strdup(object_get_typename(OBJECT(c->device)));
    info->label_after = c->label_after;
    info->label_window_ns = c->label_window_ms * SCALE_MS;
    info->completion_timeout_ns =
        (uint64_t)c->completion_timeout_ms * SCALE_MS;
    if (c->ops->describe) {
        c->ops->describe(c, info);
    }
    if (c->ops->sync) {
        c->ops->sync(c);
    }
    rac_table_foreach(c->table, NULL, describe_entry, &tail);
    return info;
}

/* "there are: a, b, c" for an error message. */
typedef struct Names {
    GString *text;
    unsigned count;
} Names;

static void add_name(Names *names, const char *name)
{
    if (names->count++ < MAX_NAMES) {
        g_string_append_printf(names->text, "%s%s",
                               names->text->len ? ", " : "", name);
    }
}

static void add_entry_name(RacEntry *entry, void *opaque)
{
    add_name(opaque, entry->resource);
}

static void set_unknown_error(Error **errp, const char *what,
                              const char *name, Names *names)
{
    if (names->count == 0) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "%s '%.80s' does not exist; the machine has none "
                  "(add a sunder-rac-port)", what, name);
    } else if (names->count > MAX_NAMES) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "%s '%.80s' does not exist; there are: %s and %u more "
                  "(query-sunder-rac)", what, name, names->text->str,
                  names->count - MAX_NAMES);
    } else {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "%s '%.80s' does not exist; there are: %s", what, name,
                  names->text->str);
    }
    g_string_free(names->text, true);
}

static void no_such_controller(const char *id, Error **errp)
{
    Names names = { .text = g_string_new(NULL) };
    RacController *c;

    QLIST_FOREACH(c, &rac_controllers, next) {
        add_name(&names, c->id);
    }
    set_unknown_error(errp, "resource access controller", id, &names);
}

static void no_such_resource(const char *resource, Error **errp)
{
    Names names = { .text = g_string_new(NULL) };
    RacController *c;

    QLIST_FOREACH(c, &rac_controllers, next) {
        rac_table_foreach(c->table, NULL, add_entry_name, &names);
    }
    set_unknown_error(errp, "resource", resource, &names);
}

static int compare_infos(const void *a, const void *b)
{
    return strcmp((*(SunderRacInfo *const *)a)->id,
                  (*(SunderRacInfo *const *)b)->id);
}

SunderRacInfoList *qmp_query_sunder_rac(const char *id, Error **errp)
{
    g_autoptr(GPtrArray) infos = g_ptr_array_new();
    SunderRacInfoList *list = NULL;
    RacController *c;

    QLIST_FOREACH(c, &rac_controllers, next) {
        if (!id || strcmp(c->id, id) == 0) {
            g_ptr_array_add(infos, describe(c));
        }
    }
    if (id && infos->len == 0) {
        no_such_controller(id, errp);
        return NULL;
    }
    g_ptr_array_sort(infos, compare_infos);
    for (unsigned i = infos->len; i; i--) {
        QAPI_LIST_PREPEND(list, g_ptr_array_index(infos, i - 1));
    }
    return list;
}

/* What sunder-rac-label asks for. */
typedef struct Change {
    bool has_labelled, labelled;
    bool has_fake, has_value;
    RacFake fake;
    uint64_t value;
} Change;

static void change_entry(RacEntry *e, void *opaque)
{
    const Change *change = opaque;
    RacResource *r = e->opaque;

    if (change->has_fake || change->has_value) {
        rac_entry_set_fake(e, change->has_fake ? change->fake : e->fake,
                           change->has_value ? change->value : e->value);
    }
    if (change->has_labelled && change->labelled) {
        rac_resource_label(r, RAC_REASON_COMMAND);
    } else if (change->has_labelled) {
        rac_resource_clear(r, RAC_REASON_COMMAND);
    }
    rac_resource_update(r);
}

static void count_entry(RacEntry *entry, void *opaque)
{
}

static bool may_change(RacController *c, const Change *change, Error **errp)
{
    if (!change->has_labelled || change->labelled || !c->ops->may_clear) {
        return true;
    }
    return c->ops->may_clear(c, errp);
}

void qmp_sunder_rac_label(const char *resource, bool has_labelled,
                          bool labelled, bool has_fake, SunderRacFake fake,
                          bool has_value, uint64_t value, Error **errp)
{
    Change change = {
        .has_labelled = has_labelled,
        .labelled = labelled,
        .has_fake = has_fake,
        .fake = (RacFake)fake,
        .has_value = has_value,
        .value = value,
    };
    RacController *c;

    if (!has_labelled && !has_fake && !has_value) {
        error_setg(errp, "%.80s: nothing to change; give labelled, fake or "
                   "value", resource);
        return;
    }
    QLIST_FOREACH(c, &rac_controllers, next) {
        if (rac_table_foreach(c->table, resource, count_entry, NULL)) {
            if (may_change(c, &change, errp)) {
                rac_table_foreach(c->table, resource, change_entry, &change);
            }
            return;
        }
    }
    no_such_resource(resource, errp);
}
