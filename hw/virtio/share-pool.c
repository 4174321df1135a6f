/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that answer requests on shares. */
#include "share-pool.h"
#include "target-models/share/schedule.h"

struct SharePool {
    SharePoolFunc *func;
    void *opaque;
    GMutex lock;
    GCond work;
    ShareSchedule *schedule;
    unsigned idle;              /* threads that wait for work */
    bool ends;
    GPtrArray *threads;
};

/* With the lock held, and again on return. */
static void do_one(SharePool *pool, uint64_t node, void *request)
{
    g_mutex_unlock(&pool->lock);
    pool->func(request, pool->opaque);
    g_mutex_lock(&pool->lock);
    /* this thread takes the next; one more than that needs another */
    if (share_schedule_done(pool->schedule, node) && pool->idle) {
        g_cond_signal(&pool->work);
    }
}

static void *work(void *opaque)
{
    SharePool *pool = opaque;
    uint64_t node;
    void *request;

    g_mutex_lock(&pool->lock);
    for (;;) {
        request = share_schedule_next(pool->schedule, &node);
        if (request) {
            do_one(pool, node, request);
        } else if (pool->ends && !share_schedule_waiting(pool->schedule)) {
            break;
        } else {
            pool->idle++;
            g_cond_wait(&pool->work, &pool->lock);
            pool->idle--;
        }
    }
    /* the others may have waited for the last request, too */
    g_cond_broadcast(&pool->work);
    g_mutex_unlock(&pool->lock);
    return NULL;
}

SharePool *share_pool_new(unsigned threads, SharePoolFunc *func,
                          void *opaque)
{
    SharePool *pool = g_new0(SharePool, 1);

    pool->func = func;
    pool->opaque = opaque;
    pool->schedule = share_schedule_new(MAX(threads * 3 / 4, 1));
    g_mutex_init(&pool->lock);
    g_cond_init(&pool->work);
    pool->threads = g_ptr_array_new();
    for (unsigned i = 0; i < threads; i++) {
        g_ptr_array_add(pool->threads, g_thread_new("share", work, pool));
    }
    return pool;
}

void share_pool_push(SharePool *pool, uint64_t node, void *request)
{
    g_mutex_lock(&pool->lock);
    share_schedule_add(pool->schedule, node, request);
    if (pool->idle) {
        g_cond_signal(&pool->work);
    }
    g_mutex_unlock(&pool->lock);
}

void share_pool_free(SharePool *pool)
{
    g_mutex_lock(&pool->lock);
    pool->ends = true;
    g_cond_broadcast(&pool->work);
    g_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads->len; i++) {
        g_thread_join(pool->threads->pdata[i]);
    }
    g_ptr_array_unref(pool->threads);
    share_schedule_free(pool->schedule);
    g_cond_clear(&pool->work);
    g_mutex_clear(&pool->lock);
    g_free(pool);
}
