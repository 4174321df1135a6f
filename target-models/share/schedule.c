/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which request is next
 *
 * A node with requests has a queue of its own; the queues that may go on
 * stand in line by when their first request came.
 */
#include "schedule.h"

typedef struct Lane {
    uint64_t node;
    unsigned working;
    GQueue requests;            /* Item */
    GList *place;               /* in ready; NULL: may not go on */
} Lane;

typedef struct Item {
    uint64_t turn;              /* when it came */
    void *request;
} Item;

struct ShareSchedule {
    unsigned per_node;
    unsigned waiting;
    uint64_t turns;
    GHashTable *lanes;          /* node -> Lane */
    GQueue ready;               /* Lane, by the turn of its first request */
};

static void lane_free(void *opaque)
{
    g_free(opaque);
}

ShareSchedule *share_schedule_new(unsigned per_node)
{
    ShareSchedule *s = g_new0(ShareSchedule, 1);

    s->per_node = per_node;
    s->lanes = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                     lane_free);
    g_queue_init(&s->ready);
    return s;
}

void share_schedule_free(ShareSchedule *schedule)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, schedule->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_queue_clear_full(&((Lane *)value)->requests, g_free);
    }
    g_hash_table_unref(schedule->lanes);
    g_queue_clear(&schedule->ready);
    g_free(schedule);
}

static uint64_t first_turn(const Lane *lane)
{
    return ((const Item *)lane->requests.head->data)->turn;
}

/* Puts the lane where its first request belongs, from the end backwards. */
static void line_up(ShareSchedule *s, Lane *lane)
{
    GList *after = s->ready.tail;

    if (lane->place || g_queue_is_empty(&lane->requests) ||
        lane->working >= s->per_node) {
        return;
    }
    while (after && first_turn(after->data) > first_turn(lane)) {
        after = after->prev;
    }
    if (after) {
        g_queue_insert_after(&s->ready, after, lane);
        lane->place = after->next;
    } else {
        g_queue_push_head(&s->ready, lane);
        lane->place = s->ready.head;
    }
}

void share_schedule_add(ShareSchedule *schedule, uint64_t node,
                        void *request)
{
    Lane *lane = g_hash_table_lookup(schedule->lanes, &node);
    Item *item = g_new(Item, 1);

    if (!lane) {
        lane = g_new0(Lane, 1);
        lane->node = node;
        g_queue_init(&lane->requests);
        g_hash_table_insert(schedule->lanes, &lane->node, lane);
    }
    *item = (Item){ ++schedule->turns, request };
    g_queue_push_tail(&lane->requests, item);
    schedule->waiting++;
    line_up(schedule, lane);
}

void *share_schedule_next(ShareSchedule *schedule, uint64_t *node)
{
    Lane *lane = g_queue_pop_head(&schedule->ready);
    Item *item;
    void *request;

    if (!lane) {
        return NULL;
    }
    lane->place = NULL;
    lane->working++;
    item = g_queue_pop_head(&lane->requests);
    request = item->request;
    g_free(item);
    schedule->waiting--;
    line_up(schedule, lane);
    *node = lane->node;
    return request;
}

gboolean share_schedule_done(ShareSchedule *schedule, uint64_t node)
{
    Lane *lane = g_hash_table_lookup(schedule->lanes, &node);

    if (--lane->working == 0 && g_queue_is_empty(&lane->requests)) {
        g_hash_table_remove(schedule->lanes, &node);
    } else {
        line_up(schedule, lane);
    }
    return !g_queue_is_empty(&schedule->ready);
}

unsigned share_schedule_waiting(const ShareSchedule *schedule)
{
    return schedule->waiting;
}
