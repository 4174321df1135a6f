/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: requests to a share engine, on files in memory
 *
 * The input is a program.  Each operation is a byte that says which: a
 * request whose header is right and whose body, nodes and handles are mostly
 * what could be, raw bytes, or a share that comes or goes.  The file side
 * asserts that it is asked for names that are names, and given back what it
 * handed out.
 */
#include <string.h>

#include "tests/fuzz/input.h"
#include "tests/unit/share-fixture.h"

#define WINDOW      (4u << 20)
#define MAX_BODY    300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    FuzzInput program;
    TestGuest *guest;
    FakeVolume *volumes[64];
    unsigned n_volumes;
    unsigned later, completed;
} Run;

static const char *const shares[] = { "a", "b" };
static const char *const names[] = {
    "file", "dir", "link", "new", "hidden", "..", "a/b", "",
};

static void complete(void *opaque, void *token, size_t size)
{
    ((Run *)opaque)->completed++;
}

static int map(void *opaque, void *volume, ShareOpen *open,
               uint64_t file_offset, uint64_t length, uint64_t offset,
               bool writable)
{
    g_assert(length && offset < WINDOW && length <= WINDOW - offset);
    g_assert((offset | length | file_offset) % 4096 == 0);
    return 0;
}

static int unmap(void *opaque, uint64_t offset, uint64_t length)
{
    g_assert(length && offset < WINDOW && length <= WINDOW - offset);
    return 0;
}

static void publish(Run *run)
{
    static const char *const hidden[] = { "hid*", NULL };
    static const ShareIdRange range = { 0, 100, 50 };
    uint8_t how = next8(&run->program);
    SharePolicy policy = {
        .read_only = how & 1, .devices = how & 2, .hidden = hidden,
        .xattrs = how >> 2 & 3, .max_bytes = how & 16 ? 1000 : 0,
        .max_files = how & 32 ? 6 : 0, .dax = true, .cache = (how >> 6) % 3,
        .uids = &range, .n_uids = how >> 7,
    };
    FakeVolume *volume;

    if (run->n_volumes == G_N_ELEMENTS(run->volumes)) {
        return;
    }
    volume = fake_volume_new();
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644, "data");
    fake_add(volume, volume->root, "dir", WIRE_S_IFDIR | 0755, NULL);
    fake_add(volume, volume->root, "hidden", WIRE_S_IFREG | 0644, NULL);
    if (test_publish(run->guest, shares[how & 1], volume, &policy)) {
        run->volumes[run->n_volumes++] = volume;
    } else {
        volume->closed = 1;
        g_assert(fake_volume_free(volume));
    }
}

static void withdraw(Run *run)
{
    share_engine_remove(run->guest->engine, shares[next8(&run->program) & 1],
                        (ShareTime){ 0, 0 });
}

static void raw(Run *run)
{
    size_t size = next8(&run->program);
    const uint8_t *bytes = next_bytes(&run->program, &size);

    test_send(run->guest, size ? bytes : (const uint8_t *)"", size);
}

/* Small numbers are nodes and handles that there are. */
static uint64_t number(Run *run)
{
    uint8_t how = next8(&run->program);

    return how < 250 ? how % 24 : next64(&run->program);
}

static void request(Run *run)
{
    uint8_t bytes[sizeof(WireInHeader) + MAX_BODY];
    uint32_t op = next8(&run->program) % (WIRE_OPS + 1);
    WireInHeader header = {
        .opcode = op, .unique = 1, .nodeid = number(run),
        .uid = next8(&run->program),
    };
    size_t size = sizeof(header);
    uint8_t words = next8(&run->program) % 12;

    for (unsigned i = 0; i < words; i++) {
        uint64_t word = number(run);

        memcpy(bytes + size, &word, sizeof(word));
        size += sizeof(word);
    }
    size -= MIN(next8(&run->program) % 8, words * 8);
    for (unsigned n = next8(&run->program) % 3; n; n--) {
        const char *name = names[next8(&run->program) % G_N_ELEMENTS(names)];

        memcpy(bytes + size, name, strlen(name) + 1);
        size += strlen(name) + 1;
    }
    header.len = size;
    header.total_extlen = next8(&run->program) > 250 ? 1 : 0;
    memcpy(bytes, &header, sizeof(header));
    test_send(run->guest, bytes, size);
    run->later += run->guest->result == SHARE_LATER;
}

/* What fits each operation, so that there are nodes and handles. */
static void good(Run *run)
{
    uint8_t how = next8(&run->program);
    const char *name = names[how % 4];
    WireCreateIn create = { .flags = WIRE_O_RDWR, .mode = 0644 };
    uint64_t node = test_walk(run->guest, shares[how >> 2 & 1]), fh;

    switch (how >> 4) {
    case 0:
        test_name(run->guest, WIRE_CREATE, node, &create, sizeof(create),
                  name);
        break;
    case 1:
        test_opendir(run->guest, node, &fh);
        break;
    case 2:
        test_names(run->guest, WIRE_SYMLINK, node, NULL, 0, name, "target");
        break;
    case 3:
        test_init(run->guest, next64(&run->program));
        break;
    default:
        test_name(run->guest, WIRE_LOOKUP, node, NULL, 0, name);
        if (run->guest->result > SHARE_REPLY_HEADER) {
            memcpy(&node, run->guest->body, sizeof(node));
            test_open(run->guest, node, WIRE_O_RDWR, &fh);
        }
    }
}

static void room(Run *run)
{
    uint8_t how = next8(&run->program);

    run->guest->room = how < 200 ? TEST_REPLY_ROOM : how;
}

static void retry(Run *run)
{
    share_engine_retry_locks(run->guest->engine);
}

static void (*const operations[])(Run *run) = {
    request, request, request, request, request, request, good, good, raw,
    publish, withdraw, room, retry,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ShareWindowOps window = { map, unmap };
    Run run = { .program = { data, size } };
    ShareEngineOptions options = {
        .max_nodes = 20, .max_handles = 10, .remote_locks = true,
        .wait_for_locks = true, .window = &window, .window_size = WINDOW,
        .map_alignment = 12, .complete = complete, .opaque = &run,
    };

    run.guest = test_guest_new(&options);
    test_init(run.guest, UINT64_MAX);
    publish(&run);
    while (run.program.left) {
        operations[next8(&run.program) % G_N_ELEMENTS(operations)](&run);
    }
    g_assert(run.completed <= run.later);
    test_guest_free(run.guest);
    for (unsigned i = 0; i < run.n_volumes; i++) {
        g_assert(fake_volume_free(run.volumes[i]));
    }
    return 0;
}
