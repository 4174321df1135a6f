/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: translation
 *
 * What matters for the time of a hit, as measured: the clock of the caller
 * (an exact one costs more than all of this), counters that threads share
 * (hence the shards), and stores to a slot that is only read (hence the
 * comparisons before them).
 */
#include "target-models/paging/paging-internal.h"

static void count(PagingDevice *device, uint64_t iova, uint64_t now_ns,
                  unsigned shard)
{
    Shard *s = &device->shards[shard];

    if (shard == PAGING_SHARDS) {
        return;
    }
    if (shard == PAGING_SHARDS - 1) {
        atomic_fetch_add_explicit(&s->translations, 1, memory_order_relaxed);
    } else {
        store(&s->translations, load(&s->translations) + 1);
    }
    store(&s->last_iova, iova);
    store(&s->last_ns, now_ns);
}

static void set_page(const PagingTable *table, uint64_t entry,
                     unsigned level, unsigned permissions,
                     PagingResult *result)
{
    uint64_t mask = level_mask(level);

    result->address = entry & table->address_mask & ~mask;
    result->mask = mask;
    result->permissions = permissions;
    result->entry = entry;
    result->reason = PAGING_REASON_NONE;
}

/*
 * A slot that holds becomes one of the present epoch.  The epoch was read
 * before guest memory was: an invalidation in between keeps its effect.
 *
 * Returns: false when the translation is gone.
 */
static bool restamp(PagingDevice *device, Slot *slot, uint64_t stamp,
                    uint64_t epoch)
{
    uint64_t invalidated = device_invalidated(device);

    if (stamp == STAMP_DROPPED) {
        return false;
    }
    if (stamp >= epoch || invalidated > epoch) {
        return true;
    }
    device_note_use(device, epoch, invalidated);
    if (atomic_compare_exchange_strong(&slot->stamp, &stamp, epoch) &&
        invalidated > stamp) {
        atomic_fetch_add_explicit(&device->ledger_entries, 1,
                                  memory_order_relaxed);
    }
    return stamp != STAMP_DROPPED;
}

/* Whether @block has a valid translation for @iova that may be used. */
static bool hit(PagingDevice *device, Block *block, unsigned level,
                uint64_t iova, unsigned access, uint64_t now_ns,
                uint64_t epoch, PagingResult *result)
{
    unsigned index = level_index(iova, level);
    Slot *slot = &block->slots[index & (BLOCK_SLOTS - 1)];
    uint64_t entry = atomic_load_explicit(&slot->entry,
                                          memory_order_acquire);
    Path *path = atomic_load_explicit(&block->path, memory_order_acquire);
    uint64_t stamp;

    if (!entry || !path ||
        !path_holds(path, load(&device->table->map_epoch)) ||
        load_entry(&path->leaves[index]) != entry ||
        !(entry & path->permissions & access)) {
        return false;
    }
    stamp = load(&slot->stamp);
    if (stamp != epoch && !restamp(device, slot, stamp, epoch)) {
        return false;
    }
    if (load(&slot->seen_ns) < now_ns) {
        store(&slot->seen_ns, now_ns);
    }
    set_page(device->table, entry, level,
             entry & path->permissions & (PAGING_READ | PAGING_WRITE),
             result);
    return true;
}

bool paging_hit(PagingDevice *device, uint64_t iova, unsigned access,
                uint64_t now_ns, unsigned shard, PagingResult *result)
{
    uint64_t epoch = atomic_load_explicit(&device->table->epoch,
                                          memory_order_acquire);

    for (unsigned level = 1; level <= LEAF_LEVELS; level++) {
        Block *block = device_find(device, iova, level);

        if (block && hit(device, block, level, iova, access, now_ns, epoch,
                         result)) {
            count(device, iova, now_ns, shard);
            return true;
        }
    }
    return false;
}

/* One translation that has to be thought about. */
typedef struct Query {
    PagingDevice *device;
    uint64_t iova;
    unsigned access;
    uint64_t now_ns;
    Block *block;               /* of the cached translation, or NULL */
    Slot *slot;
    unsigned level;
    bool explained;             /* there was one, and it was invalidated */
    Path *path;                 /* that the walk took; NULL: a full walk */
    PagingWalk walk;
} Query;

/* Finds the cached translation and drops what was invalidated. */
static void find_cached(Query *q)
{
    PagingDevice *device = q->device;

    for (unsigned level = 1; level <= LEAF_LEVELS; level++) {
        Block *block = device_find(device, q->iova, level);
        Slot *slot;
        uint64_t stamp;

        if (!block) {
            continue;
        }
        slot = &block->slots[slot_index(q->iova, level)];
        stamp = load(&slot->stamp);
        if (!load(&slot->entry)) {
            q->explained |= stamp == STAMP_DROPPED;
        } else if (device_invalidated(device) > stamp) {
            paging_ledger_drop(device, block, slot,
                               paging_log_time(device, stamp));
            q->explained = true;
        } else if (!q->block) {
            q->block = block;
            q->slot = slot;
            q->level = level;
        }
    }
}

/*
 * The way that a block of the same table takes and that still holds.  There
 * addresses need not be looked up in the memory map again, which is most of
 * the cost of a walk.
 */
static Path *find_path(Query *q)
{
    uint64_t map_epoch = load(&q->device->table->map_epoch);
    unsigned n = LEVEL_ENTRIES / BLOCK_SLOTS;
    unsigned own = level_index(q->iova, 1) / BLOCK_SLOTS;

    for (unsigned i = 0; i < n; i++) {
        uint64_t offset = (uint64_t)((own + i) % n) <<
                          (level_shift(1) + BLOCK_BITS);
        Block *block = device_find(q->device,
                                   (q->iova & ~level_mask(2)) + offset, 1);
        Path *path = block ? atomic_load_explicit(&block->path,
                                                  memory_order_relaxed) :
                             NULL;

        if (path && path_holds(path, map_epoch)) {
            return path;
        }
    }
    return NULL;
}

/* The page tables as they are now. */
static void walk(Query *q)
{
    PagingTable *table = q->device->table;
    Path *path = find_path(q);
    uint64_t entry;

    if (!path || !(path->permissions & q->access)) {
        paging_walk_locked(table, &q->device->context, q->iova, q->access,
                           &q->walk);
        return;
    }
    q->path = path;
    entry = load_entry(&path->leaves[level_index(q->iova, 1)]);
    q->walk = (PagingWalk) {
        .level = 1,
        .permissions = path->permissions & entry,
        .reason = paging_entry_check(table, entry, 1, q->access),
        .entries = { entry },
        .address = entry & table->address_mask,
        .n = 1,
    };
}

static uint64_t walk_leaf(const PagingWalk *w)
{
    return w->n ? w->entries[w->n - 1] : 0;
}

static Path *path_new(uint64_t map_epoch, uint64_t iova, const PagingWalk *w)
{
    Path *path = g_new0(Path, 1);
    unsigned top = w->level + w->n - 1;

    path->map_epoch = map_epoch & 1 ? MAP_EPOCH_NEVER : map_epoch;
    path->n = w->n - 1;
    path->permissions = PAGING_READ | PAGING_WRITE;
    for (unsigned i = 0; i < path->n; i++) {
        const uint64_t *page = w->pages[i];

        path->parents[i] = &page[level_index(iova, top - i)];
        path->values[i] = w->entries[i];
        path->permissions &= w->entries[i];
    }
    path->leaves = w->pages[w->n - 1];
    return path;
}

static void remember(Query *q)
{
    PagingDevice *device = q->device;
    PagingTable *table = device->table;
    Path *path = q->path ? q->path : path_new(load(&table->map_epoch),
                                              q->iova, &q->walk);
    Block *block;
    Slot *slot;

    path->users++;              /* we, while blocks may go to make room */
    block = paging_device_block(device, q->iova, q->walk.level);
    slot = &block->slots[slot_index(q->iova, q->walk.level)];
    if (atomic_load_explicit(&block->path, memory_order_relaxed) != path) {
        paging_block_set_path(table, block, path);
    }
    path->users--;
    device->live += !load(&slot->entry);
    device_note_use(device, load(&table->epoch), device_invalidated(device));
    store(&slot->seen_ns, q->now_ns);
    store(&slot->stamp, load(&table->epoch));
    atomic_store_explicit(&slot->entry, walk_leaf(&q->walk),
                          memory_order_release);
}

static unsigned cached_permissions(const Query *q)
{
    Path *path = atomic_load_explicit(&q->block->path, memory_order_relaxed);

    /* One that came with a saved state has no path yet. */
    return load(&q->slot->entry) & (path ? path->permissions : ~0u) &
           (PAGING_READ | PAGING_WRITE);
}

/* Takes the outcome of the walk for the translation, if it has one. */
static PagingStatus take_walk(Query *q, PagingResult *result)
{
    if (q->slot) {
        paging_slot_drop(q->device, q->slot);
    }
    if (q->walk.reason) {
        result->reason = q->walk.reason;
        return PAGING_FAULT;
    }
    remember(q);
    set_page(q->device->table, walk_leaf(&q->walk), q->walk.level,
             q->walk.permissions & (PAGING_READ | PAGING_WRITE), result);
    return PAGING_OK;
}

static PagingStatus make_again(Query *q, PagingResult *result)
{
    PagingStatus status = take_walk(q, result);

    q->device->misses += !q->explained;
    q->device->revalidated += q->explained;
    q->device->faults += status == PAGING_FAULT;
    return status;
}

static bool covers(const PagingInvalidation *i, unsigned domain,
                   uint64_t iova, unsigned level)
{
    unsigned shift = MAX(PAGE_SHIFT + i->order, level_shift(level));

    return i->granularity == PAGING_GLOBAL ||
           (i->domain == domain &&
            (i->granularity == PAGING_DOMAIN ||
             i->address >> shift == iova >> shift));
}

static PagingInvalidated postponed(const Query *q)
{
    GArray *list = q->device->table->postponed;

    for (unsigned i = 0; i < list->len; i++) {
        Postponed *p = &g_array_index(list, Postponed, i);

        if (p->epoch > load(&q->slot->stamp) &&
            covers(&p->invalidation, q->device->context.domain, q->iova,
                   q->level)) {
            return PAGING_PENDING;
        }
    }
    return PAGING_NEVER;
}

static void describe_stale(const Query *q, PagingResult *result)
{
    uint64_t leaf = walk_leaf(&q->walk);
    uint64_t seen_ns = load(&q->slot->seen_ns);

    result->old_entry = load(&q->slot->entry);
    result->new_entry = q->walk.n && paging_entry_is_leaf(leaf,
                                                          q->walk.level) ?
                        leaf : 0;
    result->age_ns = q->now_ns > seen_ns ? q->now_ns - seen_ns : 0;
    result->invalidation = postponed(q);
}

static void use_stale(Query *q, PagingResult *result)
{
    PagingTable *table = q->device->table;

    describe_stale(q, result);
    switch (paging_table_mode(table)) {
    case PAGING_MODE_REPORT:
        set_page(table, result->old_entry, q->level, cached_permissions(q),
                 result);
        result->action = PAGING_SERVED;
        break;
    case PAGING_MODE_ENFORCE:
        result->action = PAGING_BLOCKED;
        break;
    case PAGING_MODE_COHERENT:
        result->action = take_walk(q, result) == PAGING_OK ?
                         PAGING_HEALED : PAGING_BLOCKED;
        break;
    }
    result->reason = q->walk.reason;
    if (!result->reason && result->action == PAGING_BLOCKED) {
        result->reason = q->access == PAGING_WRITE ? PAGING_REASON_WRITE :
                                                     PAGING_REASON_READ;
    }
    q->device->stale++;
}

/* The address of the 4 KiB around @iova in a page of @level. */
static uint64_t small_page(const PagingTable *table, uint64_t entry,
                           unsigned level, uint64_t iova)
{
    uint64_t mask = level_mask(level);

    return (entry & table->address_mask & ~mask) |
           (iova & mask & ~level_mask(1));
}

static bool leads_elsewhere(const Query *q)
{
    const PagingTable *table = q->device->table;

    return q->walk.reason ||
           small_page(table, load(&q->slot->entry), q->level, q->iova) !=
           small_page(table, walk_leaf(&q->walk), q->walk.level, q->iova);
}

static PagingStatus use_cached(Query *q, PagingResult *result)
{
    unsigned old = cached_permissions(q);

    if (!(old & q->access)) {
        return make_again(q, result);
    }
    if (leads_elsewhere(q)) {
        use_stale(q, result);
        return PAGING_STALE;
    }
    if (old & ~q->walk.permissions) {
        /* Less is allowed now: hardware goes on with the old entry. */
        set_page(q->device->table, walk_leaf(&q->walk), q->walk.level,
                 q->walk.permissions & (PAGING_READ | PAGING_WRITE), result);
        return PAGING_OK;
    }
    return take_walk(q, result);
}

static PagingStatus translate(Query *q, PagingResult *result)
{
    find_cached(q);
    walk(q);
    return q->slot ? use_cached(q, result) : make_again(q, result);
}

PagingStatus paging_translate_missed(PagingDevice *device, uint64_t iova,
                                     unsigned access, uint64_t now_ns,
                                     unsigned shard, PagingResult *result)
{
    PagingTable *table = device->table;
    PagingStatus status = PAGING_NO_CONTEXT;
    Query q = {
        .device = device,
        .iova = iova,
        .access = access,
        .now_ns = now_ns,
    };

    *result = (PagingResult) { 0 };
    count(device, iova, now_ns, shard);
    g_mutex_lock(&table->lock);
    if (atomic_load(&device->has_context) && !device->context.pass_through) {
        status = translate(&q, result);
    }
    g_mutex_unlock(&table->lock);
    return status;
}

PagingStatus paging_translate(PagingDevice *device, uint64_t iova,
                              unsigned access, uint64_t now_ns,
                              unsigned shard, PagingResult *result)
{
    return paging_hit(device, iova, access, now_ns, shard, result) ?
           PAGING_OK : paging_translate_missed(device, iova, access, now_ns,
                                               shard, result);
}
