/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File share: the engine that answers a guest's FUSE requests
 *
 * Models the file server behind a virtio-fs device (VIRTIO 1.2, 5.11), after
 * US 8,819,090 B2: calls to shared files pass through memory of the guest to
 * a trusted side that carries them out.  Which shares there are changes while
 * the guest runs.  It knows no transport: the same engine serves a
 * virtqueue and /dev/fuse.
 *
 * Concepts:
 *
 * - The root is a directory that nobody can change, with one entry for each
 *   share.  A share that is a directory is a file system of its own to the
 *   guest (its own st_dev) where the driver can (WIRE_INIT_SUBMOUNTS).
 *   Entries of the root are never cached: a share shows when it is added.
 * - A node is an object that the guest knows, by a number that is never used
 *   again.  It lives until the guest has forgotten it as often as it was told
 *   of it, and no request is at work on it.  Two names of one object are
 *   one node.
 * - A handle is something that the guest has opened; its numbers are never
 *   used again either.  A handle works on its own node only.
 * - A share that is removed takes with it, at once, its name, its mappings,
 *   and all files that are not in use by a request this moment; those follow
 *   when the request ends.  Its nodes and handles go on as numbers that
 *   answer ESTALE, until the guest forgets and releases them.
 * - A request is memory that the guest may change meanwhile.  All but data
 *   to be written is copied once and looked at in the copy; data goes straight
 *   between the guest's memory and the file.
 *
 * Thread safety: every function may be called from any thread at any time,
 * except share_engine_free().  share_engine_handle() blocks as long as the
 * file side does; one thread for each request at work keeps slow files from
 * stopping others (schedule.h says which request is next).  Nothing else
 * blocks, beyond short sections under a lock.
 */
#ifndef SUNDER_SHARE_SHARE_H
#define SUNDER_SHARE_SHARE_H

#include <glib.h>

#include "file-side.h"
#include "policy.h"

#define SHARE_MAX_WRITE         (1u << 20)  /* bytes: 256 pages */
#define SHARE_MAX_SHARES        4096
#define SHARE_MAX_NODES         65536       /* unless options say otherwise */
#define SHARE_MAX_HANDLES       16384
#define SHARE_MAX_WAITING       64          /* for a lock */
#define SHARE_REPLY_HEADER      16          /* bytes */

typedef struct ShareEngine ShareEngine;

/*
 * One request.  @in holds all of it, header first; @out is room for the
 * reply, which may be none.  Both need be valid only while
 * share_engine_handle() runs, or, if it returns SHARE_LATER, until the
 * request is completed.
 */
typedef struct ShareRequest {
    const ShareSpan *in;
    unsigned n_in;
    const ShareSpan *out;
    unsigned n_out;
    void *token;                /* the caller's: names it to complete() */
} ShareRequest;

/* What share_engine_handle() returns instead of a length. */
#define SHARE_LATER     (-1)    /* complete() will be called */
#define SHARE_BROKEN    (-2)    /* no request at all: no reply is possible */

/* What a fault point is told of a request. */
typedef struct ShareAccess {
    uint32_t opcode;            /* WireOp */
    const char *operation;      /* "lookup" */
    const char *share;          /* its name; "" for the root */
    const char *path;           /* below the share, as last known to the
                                   engine; "" for its root; any bytes */
    uint64_t offset;            /* of reads and writes, else 0 */
    uint32_t size;
} ShareAccess;

typedef struct ShareEngineOptions {
    unsigned max_nodes;         /* 0: SHARE_MAX_NODES */
    unsigned max_handles;       /* 0: SHARE_MAX_HANDLES; also lock owners */
    bool remote_locks;          /* locks hold against other guests and the
                                   host; else the guest keeps its own */
    bool wait_for_locks;        /* else SETLKW that would wait: EOPNOTSUPP */
    /* The window; NULL: there is none.  Its size is a multiple of 2 MiB. */
    const ShareWindowOps *window;
    uint64_t window_size;
    unsigned map_alignment;     /* log2 of bytes: 12 to 21 */
    /*
     * Called, if not NULL, for each request on a share before anything is
     * done, from its thread, without locks held.
     * Returns: 0, or a negative errno to answer with.
     */
    int (*before)(void *opaque, const ShareAccess *access);
    /*
     * A request that was put off now has its reply, of @size bytes (0:
     * none).  Called with no lock held, from any thread, also from
     * within another request.
     */
    void (*complete)(void *opaque, void *token, size_t size);
    void *opaque;               /* for all of these, and the window */
} ShareEngineOptions;

/* @options: copied */
ShareEngine *share_engine_new(const ShareEngineOptions *options);

/*
 * share_engine_free:
 *
 * Gives back everything.  No request may be at work; those put off are
 * dropped without complete().
 */
void share_engine_free(ShareEngine *engine);

/* What is below a share at first; ignored without a quota. */
typedef struct ShareUsage {
    uint64_t bytes;
    uint64_t files;
} ShareUsage;

/* What is published: all of it is copied but @volume and @root. */
typedef struct SharePublish {
    const char *name;
    const SharePolicy *policy;
    const ShareFileOps *ops;    /* must outlive the engine */
    void *volume;
    ShareFile *root;            /* a directory or a regular file; the
                                   engine's once it is added */
    ShareUsage usage;
} SharePublish;

/*
 * share_engine_add:
 * @now: time of day: the root's mtime
 *
 * Returns: false, and nothing has changed, if the name or policy makes no
 * sense (SHARE_ERROR_NAME, _POLICY), the name is taken or there are
 * SHARE_MAX_SHARES (_EXISTS), or the root cannot be looked at or is neither
 * a directory nor a regular file (_FILE).
 */
bool share_engine_add(ShareEngine *engine, const SharePublish *publish,
                      ShareTime now, GError **error);

/* Returns: false if there is no share of that name. */
bool share_engine_remove(ShareEngine *engine, const char *name,
                         ShareTime now);

/* The usage was counted again. */
bool share_engine_set_usage(ShareEngine *engine, const char *name,
                            ShareUsage usage);

/*
 * share_engine_handle:
 *
 * Returns: bytes of the reply that now stands in @request->out (0: the
 * request has none), SHARE_LATER or SHARE_BROKEN.
 */
int64_t share_engine_handle(ShareEngine *engine,
                            const ShareRequest *request);

/*
 * share_engine_retry_locks:
 *
 * Tries again for those that wait for a lock.  Needed from time to time, as
 * other guests and the host do not tell when they unlock.
 *
 * Returns: how many still wait.
 */
unsigned share_engine_retry_locks(ShareEngine *engine);

/*
 * share_engine_reset:
 *
 * The guest is gone: its nodes, handles, mappings, locks and requests put
 * off (without complete()), and what INIT agreed, are forgotten.  Shares
 * stay.  Requests at work end as they do.
 */
void share_engine_reset(ShareEngine *engine);

/* Counters since the share was added, and what there is. */
typedef struct ShareState {
    const char *name;           /* valid during the call only */
    bool directory;
    const SharePolicy *policy;  /* likewise */
    uint64_t requests;
    uint64_t errors;            /* replies other than 0 and ENOENT */
    uint64_t bytes_read;
    uint64_t bytes_written;
    unsigned nodes;
    unsigned handles;
    ShareUsage usage;           /* as the quota counts it */
} ShareState;

typedef struct ShareEngineState {
    bool started;               /* INIT was answered */
    uint32_t minor;             /* of the version agreed */
    bool submounts;             /* shares have an st_dev of their own */
    unsigned shares;
    unsigned nodes;             /* with those of removed shares */
    unsigned handles;
    unsigned waiting;           /* for a lock */
    unsigned mappings;
    uint64_t malformed;         /* requests refused for their form */
} ShareEngineState;

ShareEngineState share_engine_state(ShareEngine *engine);

/* Calls @func for each share, by name; it must not call the engine. */
typedef void ShareFunc(const ShareState *state, void *opaque);
void share_engine_foreach(ShareEngine *engine, ShareFunc *func,
                          void *opaque);

/* Returns: "lookup" and so on; "operation" for what is not known. */
const char *share_operation_name(uint32_t opcode);
/* Returns: the opcode; 0: there is no operation of that name. */
uint32_t share_operation_by_name(const char *name);

#endif
