/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource access controller: entries, addresses and labels. */
#include "rac-internal.h"

#include <string.h>

G_DEFINE_QUARK(rac-error-quark, rac_error)

static int compare_names(const void *a, const void *b, void *unused)
{
    return strcmp(a, b);
}

RacTable *rac_table_new(void)
{
    RacTable *table = g_new0(RacTable, 1);

    table->by_name = g_tree_new_full(compare_names, NULL, NULL, NULL);
    table->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify)g_bytes_unref);
    return table;
}

static void entry_free(RacEntryPrivate *p)
{
    g_free((char *)p->entry.resource);
    g_clear_pointer(&p->last, g_hash_table_unref);
    g_free(p->fault_times);
    g_free(p);
}

void rac_table_free(RacTable *table)
{
    g_list_free(table->mapped);
    for (GTreeNode *n = g_tree_node_first(table->by_name); n;
         n = g_tree_node_next(n)) {
        entry_free(g_tree_node_value(n));
    }
    g_tree_unref(table->by_name);
    g_hash_table_unref(table->pending);
    g_free(table);
}

void rac_table_set_policy(RacTable *table, const RacPolicy *policy)
{
    table->policy = *policy;
    table->policy.label_after = MIN(policy->label_after, RAC_MAX_LABEL_AFTER);
}

static bool name_is_usable(RacTable *table, const char *resource,
                           GError **error)
{
    if (!*resource || strlen(resource) > RAC_MAX_NAME) {
        g_set_error(error, RAC_ERROR, RAC_ERROR_RESOURCE,
                    "resource '%.40s': a path has 1 to %d characters",
                    resource, RAC_MAX_NAME);
        return false;
    }
    if (g_tree_lookup(table->by_name, resource)) {
        g_set_error(error, RAC_ERROR, RAC_ERROR_RESOURCE,
                    "resource '%s' is in the table already; give each "
                    "device an id of its own", resource);
        return false;
    }
    return true;
}

RacEntry *rac_table_add(RacTable *table, const char *resource,
                        RacSpace space, uint64_t size, RacFake fake,
                        uint64_t value, void *opaque, GError **error)
{
    RacEntryPrivate *p;
    GBytes *state;

    if (!name_is_usable(table, resource, error)) {
        return NULL;
    }
    p = g_new0(RacEntryPrivate, 1);
    p->entry.resource = g_strdup(resource);
    p->entry.space = space;
    p->entry.size = MAX(size, 1);
    p->entry.opaque = opaque;
    rac_entry_set_fake(&p->entry, fake, value);
    g_tree_insert(table->by_name, (char *)p->entry.resource, p);

    state = g_hash_table_lookup(table->pending, resource);
    if (state) {
        rac_entry_restore(table, p, state);
        g_hash_table_remove(table->pending, resource);
    }
    return &p->entry;
}

void rac_table_remove(RacTable *table, RacEntry *entry)
{
    rac_table_unmap(table, entry);
    g_tree_remove(table->by_name, entry->resource);
    entry_free(rac_entry_private(entry));
}

void rac_table_map(RacTable *table, RacEntry *entry, uint64_t address)
{
    rac_table_unmap(table, entry);
    entry->mapped = true;
    entry->address = address;
    table->mapped = g_list_prepend(table->mapped, entry);
}

void rac_table_unmap(RacTable *table, RacEntry *entry)
{
    if (entry->mapped) {
        entry->mapped = false;
        table->mapped = g_list_remove(table->mapped, entry);
    }
}

/*
 * A linear walk: a controller has a handful of entries, and only
 * accesses to a dead link come this way; an access to one labelled
 * resource brings its entry along.
 */
bool rac_table_translate(RacTable *table, RacSpace space, uint64_t address,
                         RacTranslation *translation)
{
    for (GList *l = table->mapped; l; l = l->next) {
        RacEntry *e = l->data;

        if (e->space == space && address >= e->address &&
            address - e->address < e->size) {
            *translation = (RacTranslation) {
                .entry = e,
                .offset = address - e->address,
                .fake = e->labelled,
            };
            return true;
        }
    }
    return false;
}

static bool is_below(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 &&
           (name[n] == '\0' || name[n] == '/');
}

unsigned rac_table_foreach(RacTable *table, const char *prefix,
                           RacEntryFunc *func, void *opaque)
{
    unsigned count = 0;

    for (GTreeNode *n = g_tree_node_first(table->by_name); n;
         n = g_tree_node_next(n)) {
        RacEntryPrivate *p = g_tree_node_value(n);

        if (!prefix || is_below(p->entry.resource, prefix)) {
            func(&p->entry, opaque);
            count++;
        }
    }
    return count;
}

/* Changes the size of the ring; the latest times stay. */
static void resize_ring(RacEntryPrivate *p, uint32_t n_times)
{
    uint64_t *times = g_new(uint64_t, n_times);
    uint32_t kept = MIN(p->held_times, n_times);

    for (uint32_t i = 0; i < kept; i++) {
        times[i] = rac_entry_fault_time(p, p->held_times - kept + i);
    }
    g_free(p->fault_times);
    p->fault_times = times;
    p->n_times = n_times;
    p->held_times = kept;
    p->next_time = kept % n_times;
}

/* Keeps the times of the latest label_after faults. */
static void remember_fault(RacEntryPrivate *p, uint32_t label_after,
                           uint64_t now_ns)
{
    if (p->n_times != label_after) {
        resize_ring(p, label_after);
    }
    p->fault_times[p->next_time] = now_ns;
    p->next_time = (p->next_time + 1) % p->n_times;
    p->held_times = MIN(p->held_times + 1, p->n_times);
}

bool rac_entry_fault(RacTable *table, RacEntry *entry, uint64_t now_ns)
{
    RacEntryPrivate *p = rac_entry_private(entry);
    const RacPolicy *policy = &table->policy;

    entry->counters.faults++;
    if (policy->label_after == 0 || entry->labelled) {
        return false;
    }
    remember_fault(p, policy->label_after, now_ns);
    if (p->held_times < policy->label_after) {
        return false;
    }
    if (policy->window_ns &&
        now_ns - rac_entry_fault_time(p, 0) > policy->window_ns) {
        return false;
    }
    return rac_entry_label(entry, RAC_REASON_POLICY);
}

bool rac_entry_label(RacEntry *entry, RacReason reason)
{
    if (entry->labelled) {
        if (reason == RAC_REASON_COMMAND) {
            entry->reason = reason;
        }
        return false;
    }
    entry->labelled = true;
    entry->reason = reason;
    return true;
}

bool rac_entry_clear(RacEntry *entry)
{
    RacEntryPrivate *p = rac_entry_private(entry);

    entry->counters.faults = 0;
    p->held_times = 0;
    p->next_time = 0;
    if (!entry->labelled) {
        return false;
    }
    entry->labelled = false;
    return true;
}
