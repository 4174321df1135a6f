/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File share: what its files know of each other
 *
 * One lock, engine->lock, guards all tables and counters.  Operations of the
 * file side are called without it: a request takes the node and the handle it
 * is about (share_call_enter()), which keeps both, with their file and open,
 * until it is over (share_call_leave()).
 */
#ifndef SUNDER_SHARE_INTERNAL_H
#define SUNDER_SHARE_INTERNAL_H

#include "share.h"
#include "wire.h"

typedef struct Share {
    char *name;
    uint64_t serial;            /* never used again: cookie in the root */
    SharePolicy policy;         /* a copy of its own */
    const ShareFileOps *ops;
    void *volume;
    struct Node *root;          /* NULL: gone */
    uint32_t root_type;
    unsigned refs;              /* of the structure: list, nodes */
    unsigned users;             /* of the volume: list, files, opens */
    unsigned nodes, handles;
    ShareUsage usage;
    uint64_t requests, errors, bytes_read, bytes_written;
} Share;

typedef struct Node {
    uint64_t id;
    uint64_t lookups;           /* times the guest has to forget it */
    unsigned working;           /* requests */
    unsigned handles;
    Share *share;               /* NULL: the root's own node */
    ShareFile *file;            /* NULL: stale */
    uint64_t dev, ino, mount;   /* which object */
    uint32_t type;              /* WIRE_S_IF* */
    bool is_share_root;
    bool doomed;                /* has no name any more */
    uint64_t parent;            /* node id, as last known; 0: share root */
    char *name;                 /* as last known; NULL: share root */
    uint64_t charged;           /* bytes of the quota */
    unsigned writers;
    GSList *owners;             /* of locks: LockOwner */
} Node;

typedef struct Handle {
    uint64_t id;                /* 0: the open of a lock owner */
    Node *node;
    ShareOpen *open;            /* NULL: stale */
    unsigned working;           /* requests */
    unsigned flags;             /* SHARE_OPEN_* */
    bool directory;
    bool released;
    GMutex reading;             /* the directory */
} Handle;

typedef struct LockOwner {
    uint64_t owner;
    bool whole;
    Handle *handle;
} LockOwner;

typedef struct Mapping {
    uint64_t offset;
    uint64_t length;
    Share *share;               /* a number to compare, no reference */
} Mapping;

struct ShareEngine {
    ShareEngineOptions options;
    GMutex lock;
    GHashTable *nodes;          /* id -> Node */
    GHashTable *objects;        /* Node as a set, by share, dev, ino, mount */
    GHashTable *handles;        /* id -> Handle */
    GHashTable *shares;         /* name -> Share */
    GPtrArray *order;           /* Share, by serial */
    GHashTable *devices;        /* dev -> index, for inode numbers */
    Node root;
    ShareTime root_time;
    uint64_t last_node, last_handle, last_serial;
    unsigned n_handles;         /* with those of lock owners */
    uint64_t malformed;
    bool started;
    uint32_t minor;
    uint64_t flags;             /* WIRE_INIT_*, as agreed */
    GMutex window;              /* held around the window's operations */
    GArray *mappings;           /* Mapping, by offset */
    GPtrArray *waiting;         /* Waiting: lock.c */
    uint64_t interrupts[SHARE_MAX_WAITING];
    unsigned next_interrupt;
};

/* --- Requests --------------------------------------------------------- */

#define SHARE_BODY_STACK    1024

typedef struct Call {
    ShareEngine *engine;
    const ShareRequest *request;
    const struct Operation *op;
    WireInHeader header;
    const uint8_t *args;        /* a copy, of the operation's size or more */
    const char *names[2];
    const uint8_t *rest;        /* of the copy, after names */
    size_t rest_size;
    uint64_t in_offset;         /* of data, in @request->in */
    uint64_t in_left;           /* bytes of data */
    size_t room;                /* for the reply's body */
    bool has_group;
    uint32_t group;             /* guest's */
    Node *node;
    Share *share;               /* the node's; NULL: the root */
    ShareFile *file;
    Handle *handle;
    ShareOpen *open;
    size_t body_size;           /* bytes of the reply behind its header */
    bool unlocked;              /* others may have their lock now */
    bool is_retry;
    bool later;
    uint8_t stack[SHARE_BODY_STACK];
} Call;

/* What an operation is, before it is looked at. */
#define OP_NO_NODE      (1u << 0)   /* the header's node does not matter */
#define OP_ROOT         (1u << 1)   /* also on the root */
#define OP_CHANGES      (1u << 2)   /* not where it is read only */
#define OP_NO_REPLY     (1u << 3)
#define OP_FILE_HANDLE  (1u << 4)   /* the arguments begin with one */
#define OP_DIR_HANDLE   (1u << 5)
#define OP_DATA         (1u << 6)   /* data follows, which is not copied */
#define OP_DIRECTORY    (1u << 7)   /* the node must be one */
#define OP_ANY_NAME     (1u << 8)   /* of an attribute, not of a file */
#define OP_STALE        (1u << 9)   /* also after the share has gone */
#define OP_EARLY        (1u << 10)  /* before INIT, too */
#define OP_OLD_NAME     (1u << 11)  /* the first name is of what exists */
/* What others must be permitted where nobody of the guest owns the file */
#define OP_MAY_READ     (1u << 16)
#define OP_MAY_WRITE    (1u << 17)
#define OP_MAY_SEARCH   (1u << 18)
#define OP_OWNER        (1u << 19)  /* only its owner may */

typedef struct Operation {
    const char *name;
    int (*run)(Call *call);     /* 0 or a negative errno */
    uint16_t args;              /* bytes */
    uint16_t names;
    uint16_t reply;             /* bytes of body there must be room for */
    uint32_t flags;             /* OP_* */
} Operation;

const Operation *share_operation(uint32_t opcode);

/* Puts @size bytes behind the reply's header; there must be room. */
void share_call_reply(Call *call, const void *body, size_t size);
int share_call_caller(Call *call, ShareCaller *caller);
/* Whether policy lets the guest at what it does not own: 0 or -EACCES. */
int share_call_may(Call *call, Node *node, unsigned may);
int share_call_may_attr(Call *call, const ShareAttr *attr, unsigned may);
/* Takes one more node, of the same share; 0 or an error. */
int share_call_take(Call *call, uint64_t id, Node **node);
void share_call_drop(Call *call, Node *node);
/* The same for a handle of @node. */
int share_call_take_handle(Call *call, uint64_t id, Node *node,
                           Handle **handle);
void share_call_drop_handle(Call *call, Handle *handle);
void share_engine_complete(ShareEngine *engine, const ShareRequest *request,
                           uint64_t unique, int error);

int share_op_init(Call *call);
int share_op_destroy(Call *call);
int share_op_lookup(Call *call);
int share_op_forget(Call *call);
int share_op_batch_forget(Call *call);
int share_op_getattr(Call *call);
int share_op_statx(Call *call);
int share_op_setattr(Call *call);
int share_op_access(Call *call);
int share_op_readlink(Call *call);
int share_op_symlink(Call *call);
int share_op_mknod(Call *call);
int share_op_mkdir(Call *call);
int share_op_unlink(Call *call);
int share_op_rmdir(Call *call);
int share_op_rename(Call *call);
int share_op_rename2(Call *call);
int share_op_link(Call *call);
int share_op_open(Call *call);
int share_op_create(Call *call);
int share_op_tmpfile(Call *call);
int share_op_release(Call *call);
int share_op_flush(Call *call);
int share_op_fsync(Call *call);
int share_op_opendir(Call *call);
int share_op_readdir(Call *call);
int share_op_readdirplus(Call *call);
int share_op_read(Call *call);
int share_op_write(Call *call);
int share_op_fallocate(Call *call);
int share_op_lseek(Call *call);
int share_op_copy(Call *call);
int share_op_statfs(Call *call);
int share_op_syncfs(Call *call);
int share_op_getxattr(Call *call);
int share_op_listxattr(Call *call);
int share_op_setxattr(Call *call);
int share_op_removexattr(Call *call);
int share_op_getlk(Call *call);
int share_op_setlk(Call *call);
int share_op_setlkw(Call *call);
int share_op_interrupt(Call *call);
int share_op_setup_mapping(Call *call);
int share_op_remove_mapping(Call *call);
int share_op_no_ioctl(Call *call);
int share_op_unknown(Call *call);

/* --- Memory ----------------------------------------------------------- */

uint64_t share_spans_size(const ShareSpan *spans, unsigned n);
/* Copies up to @size bytes from @offset on.  Returns: how many. */
size_t share_spans_read(const ShareSpan *spans, unsigned n, uint64_t offset,
                        void *to, size_t size);
size_t share_spans_write(const ShareSpan *spans, unsigned n,
                         uint64_t offset, const void *from, size_t size);
/* Sets @part to [@offset, @offset + @size).  Returns: how many spans. */
unsigned share_spans_part(const ShareSpan *spans, unsigned n,
                          uint64_t offset, uint64_t size, ShareSpan *part);

/* --- Nodes, handles: all with the lock held, if not said otherwise ----- */

/* What is given back to the file side once the lock is no longer held. */
typedef struct Trash {
    GArray *items;
} Trash;

void share_trash_file(Trash *trash, Share *share, ShareFile *file);
void share_trash_open(Trash *trash, Share *share, ShareOpen *open);
/* Without the lock. */
void share_trash_empty(ShareEngine *engine, Trash *trash);

Node *share_node_find(ShareEngine *engine, uint64_t id);
/*
 * Without the lock: makes the guest know @file, which is taken over.
 * Returns: 0, -ESTALE or -ENFILE.
 */
int share_node_learn(Call *call, Node *dir, const char *name,
                     ShareFile *file, const ShareAttr *attr,
                     WireEntryOut *out);
Node *share_node_add(ShareEngine *engine, Share *share, ShareFile *file,
                     const ShareAttr *attr);
Node *share_node_of_object(ShareEngine *engine, Share *share,
                           const ShareAttr *attr);
void share_node_forget(ShareEngine *engine, Node *node, uint64_t count,
                       Trash *trash);
/* Nobody may need it any more: frees it, or its file, if so. */
void share_node_settle(ShareEngine *engine, Node *node, Trash *trash);
void share_node_call(Node *node, Node *dir, const char *name);
/* Returns: "a/b", to be freed. */
char *share_node_path(ShareEngine *engine, const Node *node);
guint share_node_hash(gconstpointer node);
gboolean share_node_equal(gconstpointer a, gconstpointer b);

/* Returns: NULL if there are too many; @open stays the caller's then. */
Handle *share_handle_add(ShareEngine *engine, Node *node, ShareOpen *open,
                         unsigned flags, bool directory, bool of_owner);
/* Without the lock.  @open is taken over; 0, -ESTALE or -ENFILE. */
int share_handle_give(Call *call, Node *node, ShareOpen *open,
                      unsigned flags, bool directory, uint64_t *id);
/* The guest let go of it. */
void share_handle_release(ShareEngine *engine, Handle *handle,
                          Trash *trash);
void share_handle_settle(ShareEngine *engine, Handle *handle, Trash *trash);

void share_ref(Share *share);
void share_unref(Share *share);

/* --- Attributes ------------------------------------------------------- */

void share_attr_fill(ShareEngine *engine, Share *share, bool in_root,
                     const ShareAttr *attr, WireAttr *out);
void share_attr_root(ShareEngine *engine, WireAttr *out);
/* Seconds that names and attributes may be kept. */
uint64_t share_attr_seconds(const Share *share);
uint64_t share_attr_ino(ShareEngine *engine, Share *share, uint64_t dev,
                        uint64_t ino, bool in_root);
/* With the lock not held. */
int share_get_attr(Call *call, ShareAttr *attr);
uint32_t share_open_reply_flags(const Share *share, bool directory);
/* Guest's open flags as SHARE_OPEN_*; 0 or an error. */
int share_open_flags(const Share *share, uint32_t wire, unsigned *flags);

/* --- Policy ----------------------------------------------------------- */

void share_policy_copy(SharePolicy *to, const SharePolicy *from);
void share_policy_clear(SharePolicy *policy);
bool share_policy_hides(const SharePolicy *policy, const char *name);
/* Guest's to host's; false: no range has it. */
bool share_policy_host_id(const ShareIdRange *ranges, unsigned n,
                          uint32_t guest, uint32_t *host);
bool share_policy_guest_id(const ShareIdRange *ranges, unsigned n,
                           uint32_t host, uint32_t *guest);

/* --- Quota ------------------------------------------------------------ */

/* All without the lock.  One more object is made: 0 or -EDQUOT. */
int share_quota_new_file(ShareEngine *engine, Share *share);
void share_quota_no_file(ShareEngine *engine, Share *share);
/*
 * A file is to reach @end bytes, or with @append that many more: 0, or
 * -EDQUOT and nothing to finish.
 */
int share_quota_grow(Call *call, Node *node, uint64_t end, bool append);
/* That is over: looks at what the file has become. */
void share_quota_finish(Call *call, Node *node, ShareOpen *open);
/* An object lost a name, and is now as @gone says. */
void share_quota_removed(ShareEngine *engine, Share *share,
                         const ShareAttr *gone, bool directory);
uint64_t share_quota_charge(const ShareAttr *attr);

/* --- Locks, mappings -------------------------------------------------- */

void share_locks_drop_owner(Call *call, uint64_t owner, bool whole);
/* With the lock held. */
void share_locks_drop_all(ShareEngine *engine, Node *node, Trash *trash);
void share_locks_forget_waiting(ShareEngine *engine);
/* Without. */
void share_window_clear(ShareEngine *engine, const Share *share);

#endif
