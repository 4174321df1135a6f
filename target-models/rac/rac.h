/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource access controller: the translation table
 *
 * Models the table of a resource access controller (US 6,795,936 and its
 * siblings): which resource an address belongs to, whether responses of
 * that resource are to be faked, and the generator of faked responses.
 * Where the table stands (a PCIe root port, a memory controller) and how
 * accesses get to it is the caller's.
 *
 * Concepts:
 *
 * - An entry stands for one resource: a BAR of a function, the
 *   configuration space of a function, a range of memory.  It is named
 *   by a path such as "rac0/nic0/bar0".
 * - An entry is mapped while it has an address in its space.  Entries
 *   may overlap (a guest can program BARs so); the one mapped last wins.
 * - The label of an entry says that its responses are faked.  A labelled
 *   resource is not to be accessed any more.
 * - The policy labels an entry once it has shown a number of faults
 *   within a window of time.
 * - A fake response to a read is all-ones, zero, a constant or the last
 *   good value; a write is absorbed.
 *
 * Time is the caller's virtual clock in nanoseconds.  Nothing here is
 * thread safe: the caller serialises.
 */
#ifndef SUNDER_RAC_RAC_H
#define SUNDER_RAC_RAC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Faults that a policy may ask for; offsets remembered per entry. */
#define RAC_MAX_LABEL_AFTER  1024
#define RAC_MAX_LAST_VALUES  4096
/* Bytes in the path of a resource, without the NUL. */
#define RAC_MAX_NAME         255

typedef struct RacTable RacTable;

typedef enum RacSpace {
    RAC_SPACE_MEMORY,
    RAC_SPACE_IO,
    RAC_SPACE_CONFIG,
    RAC_SPACE__MAX,
} RacSpace;

typedef enum RacFake {
    RAC_FAKE_ONES,
    RAC_FAKE_ZERO,
    RAC_FAKE_CONSTANT,
    RAC_FAKE_LAST,
    RAC_FAKE__MAX,
} RacFake;

/* Why a label was put on or taken off. */
typedef enum RacReason {
    RAC_REASON_COMMAND,
    RAC_REASON_POLICY,
    RAC_REASON_LINK_DOWN,
    RAC_REASON_CONTAINMENT,
    RAC_REASON_BUS_RESET,
    RAC_REASON_LINK_UP,
    RAC_REASON_REPLUG,
    RAC_REASON_RESET,
    RAC_REASON__MAX,
} RacReason;

/* When an entry is labelled without being told to. */
typedef struct RacPolicy {
    uint32_t label_after;       /* faults, 0: never; <= RAC_MAX_LABEL_AFTER */
    uint64_t window_ns;         /* within this time; 0: no limit */
} RacPolicy;

typedef struct RacCounters {
    uint64_t faults;            /* since the label was last cleared */
    uint64_t timeouts;          /* completion timeouts */
    uint64_t waited_ns;         /* time that accesses waited for them */
    uint64_t forwarded_reads;   /* passed on to the resource */
    uint64_t forwarded_writes;
    uint64_t faked_reads;       /* answered by the generator */
    uint64_t faked_writes;      /* absorbed */
} RacCounters;

/*
 * An entry.  Callers read all of it and may add to the counters; the
 * rest changes through functions only.
 */
typedef struct RacEntry {
    bool labelled;
    bool mapped;
    RacFake fake;
    RacReason reason;           /* of the label; valid while labelled */
    RacSpace space;
    uint64_t value;             /* the constant of RAC_FAKE_CONSTANT */
    uint64_t address;           /* valid while mapped */
    uint64_t size;              /* bytes */
    const char *resource;
    void *opaque;               /* the caller's own, as given */
    RacCounters counters;
} RacEntry;

/* What the table says of an address. */
typedef struct RacTranslation {
    RacEntry *entry;
    uint64_t offset;            /* bytes from the start of the resource */
    bool fake;                  /* fake response identification */
} RacTranslation;

#define RAC_ERROR rac_error_quark()
GQuark rac_error_quark(void);

typedef enum RacError {
    RAC_ERROR_RESOURCE,         /* no such resource, or one of that name */
    RAC_ERROR_STATE,            /* rac_table_load(): bad state */
} RacError;

/*
 * rac_table_new:
 *
 * Returns: an empty table, freed with rac_table_free(), which frees the
 * entries too.
 */
RacTable *rac_table_new(void);
void rac_table_free(RacTable *table);

/*
 * rac_table_set_policy:
 * @policy: copied; label_after is clipped to RAC_MAX_LABEL_AFTER
 *
 * Takes effect with the next fault of each entry; faults recorded before
 * count.
 */
void rac_table_set_policy(RacTable *table, const RacPolicy *policy);

/*
 * rac_table_add:
 * @resource: path, copied
 * @size: bytes, at least 1
 * @fake: how its reads are answered when it is labelled
 * @value: the constant
 *
 * A state loaded earlier for a resource of that name is applied.
 *
 * Returns: the entry, owned by the table, or NULL with @error set when
 * the name is taken or too long.
 */
RacEntry *rac_table_add(RacTable *table, const char *resource,
                        RacSpace space, uint64_t size, RacFake fake,
                        uint64_t value, void *opaque, GError **error);

/* Removes and frees @entry. */
void rac_table_remove(RacTable *table, RacEntry *entry);

/*
 * rac_table_map, rac_table_unmap:
 *
 * Follows the address of a resource.  The part beyond the end of the
 * 64-bit space is never matched.
 */
void rac_table_map(RacTable *table, RacEntry *entry, uint64_t address);
void rac_table_unmap(RacTable *table, RacEntry *entry);

/*
 * rac_table_translate:
 *
 * Address translation with fake response identification.
 *
 * Returns: true with @translation filled in, or false when no resource
 * is mapped at @address.
 */
bool rac_table_translate(RacTable *table, RacSpace space, uint64_t address,
                         RacTranslation *translation);

/*
 * rac_table_foreach:
 * @prefix: NULL for all, or a path: the entry of that name and those
 *     below it
 *
 * Calls @func for each entry in the order of their names; it must not
 * add or remove entries.
 *
 * Returns: number of entries.
 */
typedef void RacEntryFunc(RacEntry *entry, void *opaque);
unsigned rac_table_foreach(RacTable *table, const char *prefix,
                           RacEntryFunc *func, void *opaque);

/*
 * rac_entry_fault:
 *
 * Records a fault of the resource.
 *
 * Returns: true when the policy has labelled the entry because of it.
 */
bool rac_entry_fault(RacTable *table, RacEntry *entry, uint64_t now_ns);

/*
 * rac_entry_label, rac_entry_clear:
 *
 * A label that is there already keeps its reason.  Clearing forgets the
 * faults recorded so far, labelled or not; counters of accesses stay.
 *
 * Returns: whether the label changed.
 */
bool rac_entry_label(RacEntry *entry, RacReason reason);
bool rac_entry_clear(RacEntry *entry);

/* Changes how reads are answered; forgets last good values. */
void rac_entry_set_fake(RacEntry *entry, RacFake fake, uint64_t value);

/*
 * rac_entry_read: the fake response generator
 * @offset: bytes from the start of the resource
 * @size: 1 to 8 bytes
 *
 * Returns: the faked data, least significant byte at @offset, and
 * counts it.
 */
uint64_t rac_entry_read(RacEntry *entry, uint64_t offset, unsigned size);

/* Absorbs a write: counts it. */
void rac_entry_write(RacEntry *entry);

/*
 * rac_entry_observe:
 *
 * Tells the value that the resource gave, for RAC_FAKE_LAST.  Does
 * nothing for other ways to fake; at most RAC_MAX_LAST_VALUES bytes are
 * remembered, then new offsets are not.
 */
void rac_entry_observe(RacEntry *entry, uint64_t offset, unsigned size,
                       uint64_t value);

/*
 * rac_table_save:
 *
 * Returns: labels, ways to fake, addresses, counters and fault windows of
 * all entries by name, in a versioned byte form that does not depend on
 * the host; the caller unrefs it.
 */
GByteArray *rac_table_save(RacTable *table);

/*
 * rac_table_load:
 *
 * Applies a saved state; a state for an entry that does not exist is
 * kept until it is added or another state is loaded.  Every field is
 * checked: on an error nothing has changed.
 *
 * Returns: true, or false with @error set.
 */
bool rac_table_load(RacTable *table, const uint8_t *data, size_t size,
                    GError **error);

#endif
