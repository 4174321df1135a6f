/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper of the machine: what outlives a sweep
 */
#include "qemu/osdep.h"

#include "exec/address-spaces.h"
#include "exec/ramblock.h"
#include "hw/mem/sweeper-internal.h"
#include "hw/trace.h"
#include "qapi/error.h"
#include "qapi/qapi-types-sunder.h"

/* 80 bytes each: 5 MiB */
#define MAP_ENTRIES 65536

static NotifierList taken_list = NOTIFIER_LIST_INITIALIZER(taken_list);

void sunder_sweep_taken_add(Notifier *notifier)
{
    notifier_list_add(&taken_list, notifier);
}

void sweeper_notify_taken(RAMBlock *block, uint64_t offset,
                          uint64_t length)
{
    SunderSweepTaken taken = { block, offset, length };

    notifier_list_notify(&taken_list, &taken);
}

/* --- Blocks ------------------------------------------------------------ */

static SweeperBlock *block_at(const SunderSweeper *sweeper, uint32_t number)
{
    return &g_array_index(sweeper->blocks, SweeperBlock, number);
}

uint32_t sweeper_block_number(SunderSweeper *sweeper, RAMBlock *block)
{
    SweeperBlock entry = { .host = block->host };

    for (unsigned i = 0; i < sweeper->blocks->len; i++) {
        SweeperBlock *b = block_at(sweeper, i);

        if (g_str_equal(b->name, block->idstr)) {
            b->host = block->host;
            return i;
        }
    }
    entry.name = g_strdup(block->idstr);
    g_array_append_val(sweeper->blocks, entry);
    return sweeper->blocks->len - 1;
}

/* Memory that is gone has no entries. */
static void block_removed(RAMBlockNotifier *n, void *host, size_t size,
                          size_t max_size)
{
    SunderSweeper *sweeper = container_of(n, SunderSweeper, removed);

    for (unsigned i = 0; i < sweeper->blocks->len; i++) {
        if (block_at(sweeper, i)->host == host) {
            sweep_map_remove(sweeper->map, i, 0, UINT64_MAX);
            block_at(sweeper, i)->host = NULL;
        }
    }
}

static void clear_block(void *opaque)
{
    SweeperBlock *block = opaque;

    g_free(block->name);
}

SunderSweeper *sunder_sweeper_new(void)
{
    SunderSweeper *sweeper = g_new0(SunderSweeper, 1);

    sweeper->map = sweep_map_new(MAP_ENTRIES);
    sweeper->blocks = g_array_new(FALSE, FALSE, sizeof(SweeperBlock));
    g_array_set_clear_func(sweeper->blocks, clear_block);
    sweeper->removed.ram_block_removed = block_removed;
    ram_block_notifier_add(&sweeper->removed);
    return sweeper;
}

void sunder_sweeper_free(SunderSweeper *sweeper)
{
    if (!sweeper) {
        return;
    }
    sunder_sweeper_cancel(sweeper);
    ram_block_notifier_remove(&sweeper->removed);
    g_free(sweeper->last.error);
    sweep_map_free(sweeper->map);
    g_array_unref(sweeper->blocks);
    g_free(sweeper);
}

/* --- Sweeping ---------------------------------------------------------- */

static bool pattern_inhibits(const SunderSweepRequest *request,
                             Error **errp)
{
    if (!request->pattern || request->mode == SUNDER_SWEEP_MODE_COUNT) {
        return false;
    }
    error_setg(errp, "pages full of 0x%016" PRIx64 " can only be counted: "
               "the host gives back discarded memory as zeroes; use mode "
               "count, or sweep-pattern=0", request->pattern);
    return true;
}

/* Whether there is no memory that can be swept, or no guard for it. */
static bool memory_inhibits(const SunderSweepRequest *request, Error **errp)
{
    g_autoptr(SweepBlocks) blocks = sweep_blocks_new(request->hugetlb);

    if (blocks->memory->len) {
        return false;
    }
    error_setg(errp, "%s", blocks->reason ? blocks->reason :
               "the machine has no memory from a memory backend");
    return true;
}

/* Whether a guard that was asked for cannot be had. */
static bool guard_inhibits(const SunderSweepRequest *request, Error **errp)
{
    g_autoptr(GError) error = NULL;
    WriteGuardEngine engine;

    if (request->mode == SUNDER_SWEEP_MODE_COUNT ||
        request->guard == SUNDER_SWEEP_GUARD_AUTO ||
        request->guard == SUNDER_SWEEP_GUARD_PAUSE) {
        return false;
    }
    engine = request->guard == SUNDER_SWEEP_GUARD_MOVE ? WRITE_GUARD_MOVE
                                                       : WRITE_GUARD_PROTECT;
    if (request->fault_refuse_guard) {
        error_setg(errp, "userfaultfd is refused (an injected fault)");
        return true;
    }
    if (!write_guard_probe(engine, NULL, &error)) {
        error_setg(errp, "%s", error->message);
        return true;
    }
    return false;
}

bool sunder_sweeper_inhibited(SunderSweeper *sweeper,
                              const SunderSweepRequest *request,
                              Error **errp)
{
    bool pause = request->guard == SUNDER_SWEEP_GUARD_PAUSE;
    bool count = request->mode == SUNDER_SWEEP_MODE_COUNT;

    return pattern_inhibits(request, errp) ||
           sweep_inhibited(pause, count, errp) ||
           memory_inhibits(request, errp) ||
           guard_inhibits(request, errp);
}

uint64_t sunder_sweeper_start(SunderSweeper *sweeper,
                              const SunderSweepRequest *request,
                              Error **errp)
{
    if (sweeper->job) {
        error_setg(errp, "sweep %" PRIu64 " is running: wait for its "
                   "SUNDER_BALLOON_SWEPT", sweeper->count);
        return 0;
    }
    if (sunder_sweeper_inhibited(sweeper, request, errp)) {
        return 0;
    }
    sweeper->job = sweep_job_start(sweeper, request, errp);
    if (!sweeper->job) {
        return 0;
    }
    sweeper->count++;
    trace_sunder_sweep_start(sweeper->count,
                             SunderSweepMode_str(request->mode));
    return sweeper->count;
}

void sweeper_job_ended(SunderSweeper *sweeper, const SunderSweep *status,
                       SunderSweepDone *done, void *opaque)
{
    SunderSweep copy = *status;

    g_free(sweeper->last.error);
    sweeper->last = *status;
    sweeper->job = NULL;
    trace_sunder_sweep_end(status->id, SunderSweepState_str(status->state),
                           status->taken, status->duration_ns);
    if (done) {
        /* it may start another sweep, or free the sweeper */
        copy.error = g_strdup(status->error);
        done(opaque, &copy);
        g_free(copy.error);
    }
}

void sunder_sweeper_cancel(SunderSweeper *sweeper)
{
    if (sweeper->job) {
        sweep_job_cancel(sweeper->job);
    }
}

bool sunder_sweeper_is_running(const SunderSweeper *sweeper)
{
    return sweeper->job != NULL;
}

bool sunder_sweeper_is_pausing(const SunderSweeper *sweeper)
{
    return sweeper->job && sweep_job_is_pausing(sweeper->job);
}

SunderSweep *sunder_sweeper_status(SunderSweeper *sweeper)
{
    SunderSweep *status;

    if (!sweeper->count) {
        return NULL;
    }
    status = g_new0(SunderSweep, 1);
    if (sweeper->job) {
        sweep_job_status(sweeper->job, status);
    } else {
        *status = sweeper->last;
        status->error = g_strdup(sweeper->last.error);
    }
    return status;
}

uint64_t sunder_sweeper_count(const SunderSweeper *sweeper)
{
    return sweeper->count;
}

void sunder_sweeper_reset(SunderSweeper *sweeper)
{
    for (unsigned i = 0; i < sweeper->blocks->len; i++) {
        sweep_map_remove(sweeper->map, i, 0, UINT64_MAX);
    }
}

void sunder_sweeper_discards(SunderSweeper *sweeper, RAMBlock *block,
                             uint64_t offset, uint64_t length)
{
    if (sweeper->job) {
        sweep_job_forget(sweeper->job, block->host + offset, length);
    }
}

/* --- Looking ----------------------------------------------------------- */

SunderSweepMemory sunder_sweeper_memory(SunderSweeper *sweeper)
{
    g_autoptr(SweepBlocks) blocks = sweep_blocks_new(true);
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE,
                                            sizeof(SweepExtent));
    SunderSweepMemory memory = { 0 };
    SweepMapTotals totals;

    for (unsigned i = 0; i < blocks->memory->len; i++) {
        const HostMemory *m = &g_array_index(blocks->memory, HostMemory, i);
        uint32_t number = sweeper_block_number(sweeper,
                                               blocks->blocks->pdata[i]);

        g_array_set_size(extents, 0);
        host_memory_resident(m, 0, m->length, extents, NULL);
        sweep_map_look(sweeper->map, number,
                       (const SweepExtent *)extents->data, extents->len);
        for (unsigned j = 0; j < extents->len; j++) {
            memory.resident += g_array_index(extents, SweepExtent,
                                             j).length;
        }
    }
    totals = sweep_map_totals(sweeper->map);
    memory.swept = totals.taken - totals.came_back;
    memory.came_back = totals.came_back;
    return memory;
}

/* Where memory blocks are in guest-physical memory. */
typedef struct Place {
    const MemoryRegion *mr;
    uint64_t offset;
    uint64_t length;
    uint64_t address;
} Place;

static bool note_place(Int128 start, Int128 length, const MemoryRegion *mr,
                       hwaddr offset, void *opaque)
{
    Place place = { mr, offset, int128_get64(length), int128_get64(start) };

    if (memory_region_is_ram((MemoryRegion *)mr)) {
        g_array_append_val((GArray *)opaque, place);
    }
    return false;
}

typedef struct MapQuery {
    SunderSweeper *sweeper;
    GArray *places;
    SunderBalloonMappingList **tail;
} MapQuery;

static void set_address(const MapQuery *query, SunderBalloonMapping *entry)
{
    RAMBlock *block = qemu_ram_block_by_name(entry->block);

    for (unsigned i = 0; block && i < query->places->len; i++) {
        const Place *p = &g_array_index(query->places, Place, i);

        if (p->mr == block->mr && entry->offset >= p->offset &&
            entry->offset - p->offset < p->length) {
            entry->has_address = true;
            entry->address = p->address + (entry->offset - p->offset);
            return;
        }
    }
}

static void show_mapping(const SweepMapping *mapping, void *opaque)
{
    MapQuery *query = opaque;
    SunderBalloonMapping *entry = g_new0(SunderBalloonMapping, 1);

    *entry = (SunderBalloonMapping) {
        .block = g_strdup(block_at(query->sweeper, mapping->region)->name),
        .offset = mapping->offset,
        .length = mapping->length,
        .super_page = mapping->super_page,
        .sweep = mapping->sweep,
        .virtual_ns = mapping->time_ns,
        .came_back = mapping->came_back,
    };
    set_address(query, entry);
    QAPI_LIST_APPEND(query->tail, entry);
}

SunderBalloonMappingList *sunder_sweeper_map(SunderSweeper *sweeper,
                                             uint64_t start,
                                             uint32_t limit)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));
    SunderBalloonMappingList *list = NULL;
    MapQuery query = { sweeper, places, &list };

    sunder_sweeper_memory(sweeper);
    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(
                                &address_space_memory),
                            note_place, places);
    sweep_map_foreach(sweeper->map, start, limit, show_mapping, &query);
    return list;
}
