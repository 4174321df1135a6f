/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that sends requests to a share engine, and a file side in memory
 *
 * The file side counts what it handed out and was given back: whoever ends a
 * test with fake_volume_free() knows that nothing leaked.
 */
#ifndef TESTS_UNIT_SHARE_FIXTURE_H
#define TESTS_UNIT_SHARE_FIXTURE_H

#include "target-models/share/share.h"
#include "target-models/share/wire.h"

#define TEST_REPLY_ROOM     (SHARE_MAX_WRITE + 4096)

/* --- The file side ---------------------------------------------------- */

typedef struct FakeNode {
    uint64_t ino;
    uint64_t dev;
    uint32_t mode, nlink, uid, gid;
    unsigned refs;              /* names, files and opens */
    GHashTable *children;       /* name -> FakeNode; directories */
    GByteArray *data;
    char *target;
    GHashTable *xattrs;         /* name -> GBytes */
} FakeNode;

typedef struct FakeVolume {
    FakeNode *root;
    uint64_t last_ino;
    unsigned files, opens;      /* out at the moment */
    unsigned closed;            /* times */
    unsigned opened;            /* opens so far */
    int fails;                  /* 0, or the errno that all operations have */
    ShareCaller caller;         /* of what was made last */
    uint64_t locked_by;         /* an open's number; 0: nobody */
    uint64_t last_open;
    void (*in_lookup)(void *opaque);    /* called in the middle of it */
    void *opaque;
} FakeVolume;

extern const ShareFileOps fake_file_ops;

FakeVolume *fake_volume_new(void);
/* Returns: whether everything was given back, and it was closed. */
bool fake_volume_free(FakeVolume *volume);
/* A new entry of @dir; for regular files @data. */
FakeNode *fake_add(FakeVolume *volume, FakeNode *dir, const char *name,
                   uint32_t mode, const char *data);
ShareFile *fake_file(FakeVolume *volume, FakeNode *node);

/* --- The guest -------------------------------------------------------- */

typedef struct TestGuest {
    ShareEngine *engine;
    uint64_t unique;
    uint32_t uid, gid;
    size_t room;                /* for replies */
    uint8_t *reply;             /* header first */
    int64_t result;             /* of share_engine_handle() */
    const uint8_t *body;
    size_t size;                /* of the body */
    uint64_t init_flags;
} TestGuest;

TestGuest *test_guest_new(const ShareEngineOptions *options);
void test_guest_free(TestGuest *guest);

/* Publishes a new volume; @policy NULL: none.  Returns: whether it worked. */
bool test_publish(TestGuest *guest, const char *name, FakeVolume *volume,
                  const SharePolicy *policy);

/* Sends bytes as they are.  Returns: the reply's error, 0 without reply. */
int test_send(TestGuest *guest, const void *bytes, size_t size);

/*
 * test_call:
 * @args: @size bytes, the operation's
 * @rest: @rest_size bytes behind them: names with their zero, data
 */
int test_call(TestGuest *guest, WireOp op, uint64_t node, const void *args,
              size_t size, const void *rest, size_t rest_size);
/* With one name behind the arguments. */
int test_name(TestGuest *guest, WireOp op, uint64_t node, const void *args,
              size_t size, const char *name);
int test_names(TestGuest *guest, WireOp op, uint64_t node, const void *args,
               size_t size, const char *first, const char *second);

int test_init(TestGuest *guest, uint64_t flags);
/* Returns: the node of "a/b/c"; 0 if it cannot be found. */
uint64_t test_walk(TestGuest *guest, const char *path);
int test_open(TestGuest *guest, uint64_t node, uint32_t flags, uint64_t *fh);
int test_opendir(TestGuest *guest, uint64_t node, uint64_t *fh);
int test_read(TestGuest *guest, uint64_t node, uint64_t fh, uint64_t offset,
              uint32_t size);
int test_write(TestGuest *guest, uint64_t node, uint64_t fh,
               uint64_t offset, const void *data, uint32_t size);
int test_release(TestGuest *guest, uint64_t node, uint64_t fh);
int test_forget(TestGuest *guest, uint64_t node, uint64_t count);
/* Names of the last READDIR's reply, one a line; to be freed. */
char *test_listing(const TestGuest *guest);

#endif
