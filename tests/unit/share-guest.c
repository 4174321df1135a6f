/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that sends requests to a share engine. */
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

TestGuest *test_guest_new(const ShareEngineOptions *options)
{
    TestGuest *guest = g_new0(TestGuest, 1);

    guest->engine = share_engine_new(options);
    guest->room = TEST_REPLY_ROOM;
    guest->reply = g_malloc0(TEST_REPLY_ROOM);
    return guest;
}

void test_guest_free(TestGuest *guest)
{
    share_engine_free(guest->engine);
    g_free(guest->reply);
    g_free(guest);
}

bool test_publish(TestGuest *guest, const char *name, FakeVolume *volume,
                  const SharePolicy *policy)
{
    static const SharePolicy plain;
    SharePublish publish = {
        .name = name,
        .policy = policy ? policy : &plain,
        .ops = &fake_file_ops,
        .volume = volume,
        .root = fake_file(volume, volume->root),
    };

    if (share_engine_add(guest->engine, &publish, (ShareTime){ 1000, 5 },
                         NULL)) {
        return true;
    }
    fake_file_ops.forget(volume, publish.root);
    return false;
}

int test_send(TestGuest *guest, const void *bytes, size_t size)
{
    /* of its exact size, so that a sanitizer sees its end */
    g_autofree uint8_t *copy = g_malloc(size + !size);
    ShareSpan in = { copy, size }, out = { guest->reply, guest->room };
    ShareRequest request = { &in, 1, &out, guest->room ? 1 : 0, guest };
    WireOutHeader header = { 0 };

    memcpy(copy, bytes, size);
    guest->result = share_engine_handle(guest->engine, &request);
    guest->body = guest->reply + sizeof(header);
    guest->size = 0;
    if (guest->result >= (int64_t)sizeof(header)) {
        memcpy(&header, guest->reply, sizeof(header));
        g_assert(header.len == guest->result);
        guest->size = header.len - sizeof(header);
    }
    return header.error;
}

int test_call(TestGuest *guest, WireOp op, uint64_t node, const void *args,
              size_t size, const void *rest, size_t rest_size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    WireInHeader header = {
        .len = sizeof(header) + size + rest_size,
        .opcode = op,
        .unique = ++guest->unique,
        .nodeid = node,
        .uid = guest->uid,
        .gid = guest->gid,
    };

    g_byte_array_append(bytes, (void *)&header, sizeof(header));
    if (size) {
        g_byte_array_append(bytes, args, size);
    }
    if (rest_size) {
        g_byte_array_append(bytes, rest, rest_size);
    }
    return test_send(guest, bytes->data, bytes->len);
}

int test_name(TestGuest *guest, WireOp op, uint64_t node, const void *args,
              size_t size, const char *name)
{
    return test_call(guest, op, node, args, size, name, strlen(name) + 1);
}

int test_names(TestGuest *guest, WireOp op, uint64_t node, const void *args,
               size_t size, const char *first, const char *second)
{
    g_autoptr(GByteArray) names = g_byte_array_new();

    g_byte_array_append(names, (const void *)first, strlen(first) + 1);
    g_byte_array_append(names, (const void *)second, strlen(second) + 1);
    return test_call(guest, op, node, args, size, names->data, names->len);
}

int test_init(TestGuest *guest, uint64_t flags)
{
    WireInitIn in = {
        .major = WIRE_MAJOR, .minor = 38, .max_readahead = 131072,
        .flags = flags | WIRE_INIT_EXT, .flags2 = flags >> 32,
    };
    WireInitOut out;
    int ret = test_call(guest, WIRE_INIT, 0, &in, sizeof(in), NULL, 0);

    if (ret == 0) {
        memcpy(&out, guest->body, sizeof(out));
        guest->init_flags = out.flags | (uint64_t)out.flags2 << 32;
    }
    return ret;
}

uint64_t test_walk(TestGuest *guest, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    WireEntryOut entry = { .nodeid = WIRE_ROOT_ID };

    for (char **name = names; *name; name++) {
        if (test_name(guest, WIRE_LOOKUP, entry.nodeid, NULL, 0, *name)) {
            return 0;
        }
        memcpy(&entry, guest->body, sizeof(entry));
    }
    return entry.nodeid;
}

static int open_with(TestGuest *guest, WireOp op, uint64_t node,
                     uint32_t flags, uint64_t *fh)
{
    WireOpenIn in = { .flags = flags };
    WireOpenOut out;
    int ret = test_call(guest, op, node, &in, sizeof(in), NULL, 0);

    if (ret == 0) {
        memcpy(&out, guest->body, sizeof(out));
        *fh = out.fh;
    }
    return ret;
}

int test_open(TestGuest *guest, uint64_t node, uint32_t flags, uint64_t *fh)
{
    return open_with(guest, WIRE_OPEN, node, flags, fh);
}

int test_opendir(TestGuest *guest, uint64_t node, uint64_t *fh)
{
    return open_with(guest, WIRE_OPENDIR, node, 0, fh);
}

int test_read(TestGuest *guest, uint64_t node, uint64_t fh, uint64_t offset,
              uint32_t size)
{
    WireReadIn in = { .fh = fh, .offset = offset, .size = size };

    return test_call(guest, WIRE_READ, node, &in, sizeof(in), NULL, 0);
}

int test_write(TestGuest *guest, uint64_t node, uint64_t fh,
               uint64_t offset, const void *data, uint32_t size)
{
    WireWriteIn in = { .fh = fh, .offset = offset, .size = size };

    return test_call(guest, WIRE_WRITE, node, &in, sizeof(in), data, size);
}

int test_release(TestGuest *guest, uint64_t node, uint64_t fh)
{
    WireReleaseIn in = { .fh = fh };

    return test_call(guest, WIRE_RELEASE, node, &in, sizeof(in), NULL, 0);
}

int test_forget(TestGuest *guest, uint64_t node, uint64_t count)
{
    return test_call(guest, WIRE_FORGET, node, &count, sizeof(count), NULL,
                     0);
}

char *test_listing(const TestGuest *guest)
{
    GString *names = g_string_new(NULL);

    for (size_t at = 0; at < guest->size;) {
        WireDirent d;

        g_assert(guest->size - at >= sizeof(d));
        memcpy(&d, guest->body + at, sizeof(d));
        at += sizeof(d);
        g_assert(guest->size - at >= d.namelen);
        g_string_append_len(names, (const char *)guest->body + at,
                            d.namelen);
        g_string_append_c(names, '\n');
        at += (d.namelen + 7) & ~7u;
    }
    return g_string_free(names, FALSE);
}
