/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource access controller: the table's state in bytes.
 *
 * All numbers are little endian.  "SRAC" and a version, the number of
 * entries, and for each entry the length of its name, the name, the
 * length of its record and the record: label, reason, fake, whether it is
 * mapped, the constant, seven counters, the address, then the held fault
 * times (a count and that many times, oldest first).  Last good values are
 * not kept: they are memory of a healthy device, which a restored machine
 * has again.
 */
#include "rac-internal.h"

#include <string.h>

#include "target-models/bytes.h"

#define STATE_MAGIC     0x43415253u     /* "SRAC" */
#define STATE_VERSION   1u
#define RECORD_ADDRESS  (4 + 8 + 7 * 8)
#define RECORD_FIXED    (RECORD_ADDRESS + 8 + 4)

static void put_counters(GByteArray *out, const RacCounters *c)
{
    bytes_add64(out, c->faults);
    bytes_add64(out, c->timeouts);
    bytes_add64(out, c->waited_ns);
    bytes_add64(out, c->forwarded_reads);
    bytes_add64(out, c->forwarded_writes);
    bytes_add64(out, c->faked_reads);
    bytes_add64(out, c->faked_writes);
}

static void put_record(GByteArray *out, const RacEntryPrivate *p)
{
    const RacEntry *e = &p->entry;
    uint8_t head[4] = { e->labelled, e->reason, e->fake, e->mapped };

    bytes_add32(out, RECORD_FIXED + p->held_times * 8);
    g_byte_array_append(out, head, sizeof(head));
    bytes_add64(out, e->value);
    put_counters(out, &e->counters);
    bytes_add64(out, e->mapped ? e->address : 0);
    bytes_add32(out, p->held_times);
    for (uint32_t i = 0; i < p->held_times; i++) {
        bytes_add64(out, rac_entry_fault_time(p, i));
    }
}

GByteArray *rac_table_save(RacTable *table)
{
    GByteArray *out = g_byte_array_new();

    bytes_add32(out, STATE_MAGIC);
    bytes_add32(out, STATE_VERSION);
    bytes_add32(out, g_tree_nnodes(table->by_name));
    for (GTreeNode *n = g_tree_node_first(table->by_name); n;
         n = g_tree_node_next(n)) {
        const RacEntryPrivate *p = g_tree_node_value(n);
        size_t length = strlen(p->entry.resource);

        bytes_add32(out, length);
        g_byte_array_append(out, (const uint8_t *)p->entry.resource, length);
        put_record(out, p);
    }
    return out;
}

static bool bad_state(GError **error, const char *what)
{
    g_set_error(error, RAC_ERROR, RAC_ERROR_STATE,
                "state of the resource access controller: %s; it was "
                "damaged or made by another version", what);
    return false;
}

static bool check_record(const uint8_t *r, uint32_t length, GError **error)
{
    uint32_t held;

    if (length < RECORD_FIXED) {
        return bad_state(error, "a record is too short");
    }
    held = bytes_le32(r + RECORD_FIXED - 4);
    if (held > RAC_MAX_LABEL_AFTER || length != RECORD_FIXED + held * 8) {
        return bad_state(error, "the number of fault times is wrong");
    }
    if (r[0] > 1 || r[1] >= RAC_REASON__MAX || r[2] >= RAC_FAKE__MAX) {
        return bad_state(error, "a label, reason or fake is out of range");
    }
    if (r[3] > 1) {
        return bad_state(error, "an entry is neither mapped nor not");
    }
    return true;
}

/* A length and that many bytes. */
static const uint8_t *take_block(BytesReader *r, uint32_t *length)
{
    *length = bytes_take32(r);
    return bytes_take(r, *length);
}

static bool read_entry(BytesReader *r, GHashTable *states, GError **error)
{
    uint32_t name_length, length;
    const uint8_t *name = take_block(r, &name_length);
    const uint8_t *record = name ? take_block(r, &length) : NULL;
    g_autofree char *key = NULL;

    if (!record) {
        return bad_state(error, "it ends too early");
    }
    if (name_length == 0 || name_length > RAC_MAX_NAME ||
        memchr(name, 0, name_length)) {
        return bad_state(error, "a resource's name cannot be");
    }
    if (!check_record(record, length, error)) {
        return false;
    }
    key = g_strndup((const char *)name, name_length);
    if (g_hash_table_contains(states, key)) {
        return bad_state(error, "a resource appears twice");
    }
    g_hash_table_insert(states, g_steal_pointer(&key),
                        g_bytes_new(record, length));
    return true;
}

static GHashTable *read_states(BytesReader *r, GError **error)
{
    g_autoptr(GHashTable) states =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                              (GDestroyNotify)g_bytes_unref);
    const uint8_t *head = bytes_take(r, 12);

    if (!head || bytes_le32(head) != STATE_MAGIC ||
        bytes_le32(head + 4) != STATE_VERSION) {
        bad_state(error, "its first bytes are not ours");
        return NULL;
    }
    for (uint32_t n = bytes_le32(head + 8); n; n--) {
        if (!read_entry(r, states, error)) {
            return NULL;
        }
    }
    if (r->left) {
        bad_state(error, "bytes are left over");
        return NULL;
    }
    return g_steal_pointer(&states);
}

bool rac_table_load(RacTable *table, const uint8_t *data, size_t size,
                    GError **error)
{
    BytesReader reader = { .at = data, .left = size };
    g_autoptr(GHashTable) states = read_states(&reader, error);
    GHashTableIter iter;
    gpointer name, state;

    if (!states) {
        return false;
    }
    g_hash_table_remove_all(table->pending);
    g_hash_table_iter_init(&iter, states);
    while (g_hash_table_iter_next(&iter, &name, &state)) {
        RacEntryPrivate *p = g_tree_lookup(table->by_name, name);

        if (p) {
            rac_entry_restore(table, p, state);
        } else {
            g_hash_table_replace(table->pending, g_strdup(name),
                                 g_bytes_ref(state));
        }
    }
    return true;
}

static void restore_counters(RacCounters *c, const uint8_t *r)
{
    c->faults = bytes_le64(r);
    c->timeouts = bytes_le64(r + 8);
    c->waited_ns = bytes_le64(r + 16);
    c->forwarded_reads = bytes_le64(r + 24);
    c->forwarded_writes = bytes_le64(r + 32);
    c->faked_reads = bytes_le64(r + 40);
    c->faked_writes = bytes_le64(r + 48);
}

static void restore_address(RacTable *table, RacEntry *entry,
                            const uint8_t *r)
{
    if (r[3]) {
        rac_table_map(table, entry, bytes_le64(r + RECORD_ADDRESS));
    } else {
        rac_table_unmap(table, entry);
    }
}

void rac_entry_restore(RacTable *table, RacEntryPrivate *p, GBytes *state)
{
    const uint8_t *r = g_bytes_get_data(state, NULL);
    uint32_t held = bytes_le32(r + RECORD_FIXED - 4);

    p->entry.labelled = r[0];
    p->entry.reason = r[1];
    rac_entry_set_fake(&p->entry, r[2], bytes_le64(r + 4));
    restore_counters(&p->entry.counters, r + 12);
    restore_address(table, &p->entry, r);
    g_free(p->fault_times);
    p->fault_times = g_new(uint64_t, held);
    for (uint32_t i = 0; i < held; i++) {
        p->fault_times[i] = bytes_le64(r + RECORD_FIXED + i * 8);
    }
    p->n_times = p->held_times = held;
    p->next_time = 0;
}
