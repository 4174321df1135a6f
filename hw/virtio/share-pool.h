/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that answer requests on shares
 *
 * A fixed number of threads and one schedule (target-models/share/
 * schedule.h).  Nothing here needs QEMU: tests/share builds it, too.
 *
 * Why threads, and not io_uring: what a share is asked is mostly metadata
 * (openat2, statx, getdents, rename), of which io_uring knows a part, and
 * runs even that in threads of the kernel's; creating files needs ids that
 * belong to a thread; and io_uring is forbidden in many containers.
 */
#ifndef HW_VIRTIO_SHARE_POOL_H
#define HW_VIRTIO_SHARE_POOL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SharePool SharePool;
/* Called in one of the threads. */
typedef void SharePoolFunc(void *request, void *opaque);

/*
 * share_pool_new:
 * @threads: 2 to 256
 *
 * At most three quarters of them work for one node, so that files which
 * hang, even many, leave threads for others as long as they are few.
 */
SharePool *share_pool_new(unsigned threads, SharePoolFunc *func,
                          void *opaque);

/* From any thread; @request is handed to the function once. */
void share_pool_push(SharePool *pool, uint64_t node, void *request);

/* Waits until all that was pushed is done. */
void share_pool_free(SharePool *pool);

#endif
