/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the translation table under a sequence of operations, states
 * among them that are damaged or made up.
 *
 * The input is a program: each operation is a byte that says which, and the
 * operands it takes.  Sanitizers watch memory; the assertions here are what
 * rac.h promises.
 */
#include <string.h>

#include "target-models/rac/rac.h"
#include "target-models/rac/tlp.h"
#include "tests/fuzz/input.h"

#define N_NAMES     6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[N_NAMES] = {
    "rac0", "rac0/nic0", "rac0/nic0/bar0", "rac0/nic0/config",
    "rac0/nic1/bar0", "ram",
};

typedef struct Run {
    FuzzInput program;
    RacTable *table;
    RacEntry *entries[N_NAMES];
    uint64_t now_ns;
} Run;

static void add_entry(Run *run, unsigned i)
{
    RacSpace space = next8(&run->program) % RAC_SPACE__MAX;
    RacFake fake = next8(&run->program) % RAC_FAKE__MAX;
    uint64_t size = next64(&run->program);
    RacEntry *e = rac_table_add(run->table, names[i], space, size, fake,
                                size, run, NULL);

    /* refused when, and only when, the name is taken */
    g_assert((e == NULL) == (run->entries[i] != NULL));
    if (e) {
        g_assert(e->size >= 1 && e->opaque == run);
        run->entries[i] = e;
    }
}

static void remove_entry(Run *run, unsigned i)
{
    if (run->entries[i]) {
        rac_table_remove(run->table, run->entries[i]);
        run->entries[i] = NULL;
    }
}

static void map_entry(Run *run, unsigned i)
{
    uint64_t address = next64(&run->program);
    RacTranslation t;
    RacEntry *e = run->entries[i];

    if (e) {
        rac_table_map(run->table, e, address);
        g_assert(rac_table_translate(run->table, e->space, address, &t));
        g_assert(t.entry == e && t.offset == 0);
    }
}

static void unmap_entry(Run *run, unsigned i)
{
    if (run->entries[i]) {
        rac_table_unmap(run->table, run->entries[i]);
        g_assert(!run->entries[i]->mapped);
    }
}

static void translate(Run *run, unsigned space)
{
    uint64_t address = next64(&run->program);
    RacTranslation t;

    if (rac_table_translate(run->table, space % RAC_SPACE__MAX, address,
                            &t)) {
        g_assert(t.entry->mapped && t.offset < t.entry->size);
        g_assert(t.entry->address + t.offset == address);
        g_assert(t.fake == t.entry->labelled);
    }
}

static void fault(Run *run, unsigned i)
{
    RacEntry *e = run->entries[i];

    run->now_ns += next8(&run->program);
    if (e) {
        bool before = e->labelled;

        g_assert(rac_entry_fault(run->table, e, run->now_ns) ==
                 (e->labelled && !before));
    }
}

static void label(Run *run, unsigned i)
{
    RacReason reason = next8(&run->program) % RAC_REASON__MAX;
    RacEntry *e = run->entries[i];

    if (e && rac_entry_label(e, reason)) {
        g_assert(e->labelled && e->reason == reason);
    }
}

static void clear(Run *run, unsigned i)
{
    RacEntry *e = run->entries[i];

    if (e) {
        rac_entry_clear(e);
        g_assert(!e->labelled && e->counters.faults == 0);
    }
}

static void set_fake(Run *run, unsigned i)
{
    RacFake fake = next8(&run->program) % RAC_FAKE__MAX;
    uint64_t value = next64(&run->program);

    if (run->entries[i]) {
        rac_entry_set_fake(run->entries[i], fake, value);
    }
}

static void observe_and_read(Run *run, unsigned i)
{
    uint64_t offset = next64(&run->program);
    unsigned size = next8(&run->program) % 8 + 1;
    uint64_t mask = UINT64_MAX >> (64 - size * 8);
    RacEntry *e = run->entries[i];

    if (e) {
        rac_entry_observe(e, offset, size, run->now_ns);
        g_assert((rac_entry_read(e, offset, size) & ~mask) == 0);
        rac_entry_write(e);
    }
}

static void set_policy(Run *run, unsigned i)
{
    RacPolicy policy = {
        .label_after = i == 0 ? UINT32_MAX : next8(&run->program),
        .window_ns = next8(&run->program),
    };

    rac_table_set_policy(run->table, &policy);
}

/* Loads bytes of the input. */
static void load_made_up(Run *run, unsigned i)
{
    size_t size = next8(&run->program) | i << 8;
    const uint8_t *bytes = next_bytes(&run->program, &size);
    g_autoptr(GError) error = NULL;

    g_assert(rac_table_load(run->table, bytes, size, &error) ==
             (error == NULL));
}

/* Damages one byte of a true state and cuts some off its end. */
static void load_damaged(Run *run, unsigned i)
{
    g_autoptr(GByteArray) state = rac_table_save(run->table);
    g_autoptr(GByteArray) before = rac_table_save(run->table);
    unsigned where = next8(&run->program) | i << 8;

    state->data[where % state->len] ^= next8(&run->program);
    if (!rac_table_load(run->table, state->data,
                        state->len - next8(&run->program) % state->len,
                        NULL)) {
        g_autoptr(GByteArray) after = rac_table_save(run->table);

        g_assert(after->len == before->len);
        g_assert(memcmp(after->data, before->data, after->len) == 0);
    }
}

/* A state that is loaded again is saved as the same bytes. */
static void load_own(Run *run, unsigned i)
{
    g_autoptr(GByteArray) first = rac_table_save(run->table);
    g_autoptr(GByteArray) second = NULL;

    g_assert(rac_table_load(run->table, first->data, first->len, NULL));
    second = rac_table_save(run->table);
    g_assert(first->len == second->len);
    g_assert(memcmp(first->data, second->data, first->len) == 0);
}

static void count_entry(RacEntry *entry, void *opaque)
{
    (*(unsigned *)opaque)++;
}

static void visit(Run *run, unsigned i)
{
    unsigned count = 0;

    g_assert(rac_table_foreach(run->table, names[i], count_entry, &count) ==
             count);
    g_assert(count >= (run->entries[i] != NULL));
}

static void make_header(Run *run, unsigned i)
{
    TlpRequest request = {
        .space = i % RAC_SPACE__MAX,
        .write = next8(&run->program) & 1,
        .address = next64(&run->program),
        .size = next8(&run->program) % 8 + 1,
    };
    uint32_t header[4];

    tlp_request_header(&request, header);
    /* at most three doublewords; one has no enables of a last one */
    g_assert((header[0] & 0x3ff) >= 1 && (header[0] & 0x3ff) <= 3);
    g_assert(((header[0] & 0x3ff) == 1) == ((header[1] & 0xf0) == 0));
    g_assert(header[1] & 0xf);
}

static void (*const operations[])(Run *run, unsigned i) = {
    add_entry, remove_entry, map_entry, unmap_entry, translate, fault,
    label, clear, set_fake, observe_and_read, set_policy, load_made_up,
    load_damaged, load_own, visit, make_header,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = {
        .program = { data, size },
        .table = rac_table_new(),
    };

    while (run.program.left) {
        unsigned operation = next8(&run.program) % G_N_ELEMENTS(operations);

        operations[operation](&run, next8(&run.program) % N_NAMES);
    }
    rac_table_free(run.table);
    return 0;
}
