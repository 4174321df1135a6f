/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-page sweep: page-mapping list
 *
 * Intervals in a balanced tree by region and offset.  They never overlap,
 * so the one that covers an address is the last that begins at or below
 * it.
 */
#include "target-models/sweep/sweep.h"

struct SweepMap {
    GTree *tree;                /* SweepMapping is key and value */
    unsigned max_entries;
    uint64_t taken;
    uint64_t came_back;
    uint64_t forgotten;
};

static int compare(gconstpointer a, gconstpointer b, gpointer unused)
{
    const SweepMapping *x = a, *y = b;

    if (x->region != y->region) {
        return x->region < y->region ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

SweepMap *sweep_map_new(unsigned max_entries)
{
    SweepMap *map = g_new0(SweepMap, 1);

    g_assert(max_entries >= 16);
    map->max_entries = max_entries;
    map->tree = g_tree_new_full(compare, NULL, NULL, g_free);
    return map;
}

void sweep_map_free(SweepMap *map)
{
    if (map) {
        g_tree_unref(map->tree);
        g_free(map);
    }
}

static uint64_t end_of(const SweepMapping *m)
{
    return m->offset + m->length;
}

static bool is_full(const SweepMap *map)
{
    return g_tree_nnodes(map->tree) >= (int)map->max_entries;
}

static void insert(SweepMap *map, const SweepMapping *mapping)
{
    SweepMapping *m = g_new(SweepMapping, 1);

    *m = *mapping;
    g_tree_insert(map->tree, m, m);
    map->taken += m->length;
    map->came_back += m->came_back;
}

static void delete(SweepMap *map, SweepMapping *m)
{
    map->taken -= m->length;
    map->came_back -= m->came_back;
    g_tree_remove(map->tree, m);
}

/* Returns: the first entry that ends behind @offset, or NULL. */
static GTreeNode *first_behind(const SweepMap *map, uint32_t region,
                               uint64_t offset)
{
    const SweepMapping key = { .region = region, .offset = offset };
    GTreeNode *node = g_tree_upper_bound(map->tree, &key);
    GTreeNode *before = node ? g_tree_node_previous(node)
                             : g_tree_node_last(map->tree);
    const SweepMapping *m = before ? g_tree_node_value(before) : NULL;

    return m && m->region == region && end_of(m) > offset ? before : node;
}

/* Returns: an entry that overlaps the range, or NULL. */
static SweepMapping *overlapping(const SweepMap *map, uint32_t region,
                                 uint64_t offset, uint64_t end)
{
    GTreeNode *node = first_behind(map, region, offset);
    SweepMapping *m = node ? g_tree_node_value(node) : NULL;

    return m && m->region == region && m->offset < end ? m : NULL;
}

/*
 * Cuts the range out of @m, which becomes none, one or two entries.  What
 * is cut out counts as come back first; a right part takes what is left
 * of that before a left one.  A full list forgets the right part.
 */
static void cut(SweepMap *map, SweepMapping *m, uint64_t offset,
                uint64_t end)
{
    SweepMapping left = *m, right = *m;
    uint64_t back, gone = MIN(end, end_of(m)) - MAX(offset, m->offset);

    back = m->came_back - MIN(m->came_back, gone);
    left.length = offset > m->offset ? offset - m->offset : 0;
    right.length = end_of(m) > end ? end_of(m) - end : 0;
    right.offset = end;
    right.came_back = MIN(back, right.length);
    left.came_back = back - right.came_back;
    delete(map, m);
    if (left.length) {
        insert(map, &left);
    }
    if (right.length && is_full(map)) {
        map->forgotten += right.length;
    } else if (right.length) {
        insert(map, &right);
    }
}

void sweep_map_remove(SweepMap *map, uint32_t region, uint64_t offset,
                      uint64_t length)
{
    uint64_t end = offset + MIN(length, UINT64_MAX - offset);
    SweepMapping *m;

    while ((m = overlapping(map, region, offset, end))) {
        cut(map, m, offset, end);
    }
}

static gboolean oldest(gpointer key, gpointer value, gpointer opaque)
{
    const SweepMapping *m = value;
    uint64_t *sweep = opaque;

    *sweep = MIN(*sweep, m->sweep);
    return FALSE;
}

typedef struct Sweep {
    uint64_t number;
    GPtrArray *entries;
} Sweep;

static gboolean collect(gpointer key, gpointer value, gpointer opaque)
{
    Sweep *sweep = opaque;
    const SweepMapping *m = value;

    if (m->sweep == sweep->number) {
        g_ptr_array_add(sweep->entries, value);
    }
    return FALSE;
}

/* Forgets the oldest sweep unless it is @number. */
static void forget_oldest(SweepMap *map, uint64_t number)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new();
    Sweep sweep = { .number = UINT64_MAX, .entries = entries };

    g_tree_foreach(map->tree, oldest, &sweep.number);
    if (sweep.number == number) {
        return;
    }
    g_tree_foreach(map->tree, collect, &sweep);
    for (unsigned i = 0; i < entries->len; i++) {
        SweepMapping *m = entries->pdata[i];

        map->forgotten += m->length;
        delete(map, m);
    }
}

static bool same_kind(const SweepMapping *a, const SweepMapping *b)
{
    return a->region == b->region && a->super_page == b->super_page &&
           a->sweep == b->sweep && a->time_ns == b->time_ns;
}

/* Joins @m to neighbours of its kind, which leave the tree. */
static void join(SweepMap *map, SweepMapping *m)
{
    GTreeNode *behind = g_tree_upper_bound(map->tree, m);
    GTreeNode *before = behind ? g_tree_node_previous(behind)
                               : g_tree_node_last(map->tree);
    SweepMapping *b = behind ? g_tree_node_value(behind) : NULL;
    SweepMapping *a = before ? g_tree_node_value(before) : NULL;

    if (b && same_kind(b, m) && b->offset == end_of(m)) {
        m->length += b->length;
        m->came_back += b->came_back;
        delete(map, b);
    }
    if (a && same_kind(a, m) && end_of(a) == m->offset) {
        m->offset = a->offset;
        m->length += a->length;
        m->came_back += a->came_back;
        delete(map, a);
    }
}

void sweep_map_add(SweepMap *map, const SweepMapping *mapping)
{
    SweepMapping m = *mapping;

    if (!m.length) {
        return;
    }
    m.came_back = 0;
    sweep_map_remove(map, m.region, m.offset, m.length);
    join(map, &m);
    if (is_full(map)) {
        forget_oldest(map, m.sweep);
    }
    if (is_full(map)) {
        map->forgotten += m.length;
        return;
    }
    insert(map, &m);
}

void sweep_map_look(SweepMap *map, uint32_t region,
                    const SweepExtent *extents, unsigned count)
{
    GTreeNode *node = first_behind(map, region, 0);
    unsigned i = 0;

    for (; node; node = g_tree_node_next(node)) {
        SweepMapping *m = g_tree_node_value(node);
        uint64_t back = 0;

        if (m->region != region) {
            return;
        }
        while (i < count && extents[i].offset + extents[i].length <=
                            m->offset) {
            i++;
        }
        for (unsigned j = i; j < count && extents[j].offset < end_of(m);
             j++) {
            back += MIN(extents[j].offset + extents[j].length, end_of(m)) -
                    MAX(extents[j].offset, m->offset);
        }
        map->came_back += back - m->came_back;
        m->came_back = back;
    }
}

SweepMapTotals sweep_map_totals(const SweepMap *map)
{
    return (SweepMapTotals) {
        .entries = g_tree_nnodes(map->tree),
        .taken = map->taken,
        .came_back = map->came_back,
        .forgotten = map->forgotten,
    };
}

unsigned sweep_map_foreach(const SweepMap *map, uint64_t start,
                           unsigned limit, SweepMapFunc *func,
                           void *opaque)
{
    GTreeNode *node = g_tree_node_first(map->tree);
    unsigned n = 0;

    for (; node && start; start--) {
        node = g_tree_node_next(node);
    }
    for (; node && n < limit; node = g_tree_node_next(node)) {
        func(g_tree_node_value(node), opaque);
        n++;
    }
    return n;
}
