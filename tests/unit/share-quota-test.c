/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of its quota a share uses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

static TestGuest *guest;
static FakeVolume *volume;
static uint64_t data, file;

static void make(void)
{
    static const SharePolicy policy = { .max_bytes = 100, .max_files = 3 };
    SharePublish publish = {
        .name = "data", .policy = &policy, .ops = &fake_file_ops,
        .usage = { .bytes = 10, .files = 1 },
    };

    guest = test_guest_new(&(ShareEngineOptions){ 0 });
    publish.volume = volume = fake_volume_new();
    publish.root = fake_file(volume, volume->root);
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644,
             "0123456789");
    cr_assert(share_engine_add(guest->engine, &publish, (ShareTime){ 0, 0 },
                               NULL));
    test_init(guest, 0);
    data = test_walk(guest, "data");
    file = test_walk(guest, "data/file");
}

static void drop(void)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
}

TestSuite(share_quota, .init = make, .fini = drop);

static void note(const ShareState *state, void *opaque)
{
    *(ShareUsage *)opaque = state->usage;
}

static ShareUsage usage(void)
{
    ShareUsage u = { 0 };

    share_engine_foreach(guest->engine, note, &u);
    return u;
}

static int create(const char *name, uint32_t flags, uint64_t *node,
                  uint64_t *fh)
{
    WireCreateIn in = { .flags = flags, .mode = 0644 };
    WireEntryOut out;
    WireOpenOut opened;
    int ret = test_name(guest, WIRE_CREATE, data, &in, sizeof(in), name);

    if (ret == 0) {
        memcpy(&out, guest->body, sizeof(out));
        memcpy(&opened, guest->body + sizeof(out), sizeof(opened));
        *node = out.nodeid;
        *fh = opened.fh;
    }
    return ret;
}

static int set_size(uint64_t size)
{
    WireSetattrIn in = { .valid = WIRE_SET_SIZE, .size = size };

    return test_call(guest, WIRE_SETATTR, file, &in, sizeof(in), NULL, 0);
}

static uint64_t open_file(uint32_t flags)
{
    uint64_t fh = 0;

    cr_assert_eq(test_open(guest, file, flags, &fh), 0);
    return fh;
}

Test(share_quota, a_file_grows_up_to_the_limit)
{
    static const char bytes[101];
    uint64_t fh = open_file(WIRE_O_RDWR);

    cr_expect_eq(test_write(guest, file, fh, 0, bytes, 101), -EDQUOT);
    cr_expect_eq(usage().bytes, 10);
    cr_expect_eq(test_write(guest, file, fh, 0, bytes, 100), 0);
    cr_expect_eq(usage().bytes, 100);
    cr_expect_eq(test_write(guest, file, fh, 50, bytes, 50), 0);
    cr_expect_eq(test_write(guest, file, fh, 100, bytes, 1), -EDQUOT);
}

Test(share_quota, what_is_appended_counts_wherever_the_guest_says_it_is)
{
    static const char bytes[90];
    uint64_t fh = open_file(WIRE_O_WRONLY | WIRE_O_APPEND);

    cr_expect_eq(test_write(guest, file, fh, 0, bytes, 90), 0);
    cr_expect_eq(usage().bytes, 100);
    cr_expect_eq(test_write(guest, file, fh, 0, bytes, 1), -EDQUOT);
}

Test(share_quota, sizes_count_although_nothing_was_written)
{
    cr_expect_eq(set_size(101), -EDQUOT);
    cr_expect_eq(set_size(100), 0);
    cr_expect_eq(usage().bytes, 100);
    cr_expect_eq(set_size(0), 0);
    cr_expect_eq(usage().bytes, 0);
}

Test(share_quota, truncating_gives_back)
{
    uint64_t node, fh = open_file(WIRE_O_WRONLY | WIRE_O_TRUNC);

    cr_expect_eq(usage().bytes, 0);
    cr_expect_eq(test_write(guest, file, fh, 0, "abcd", 4), 0);
    cr_expect_eq(usage().bytes, 4);
    cr_expect_eq(create("file", WIRE_O_RDWR | WIRE_O_TRUNC, &node, &fh), 0);
    cr_expect_eq(node, file);
    cr_expect_eq(usage().bytes, 0);
}

Test(share_quota, there_are_only_so_many_files)
{
    uint64_t node, fh;
    WireMkdirIn in = { .mode = 0755 };
    WireEntryOut made;

    cr_expect_eq(create("a", WIRE_O_RDWR, &node, &fh), 0);
    cr_expect_eq(test_name(guest, WIRE_MKDIR, data, &in, sizeof(in), "b"),
                 0);
    memcpy(&made, guest->body, sizeof(made));
    cr_expect_eq(test_name(guest, WIRE_MKDIR, data, &in, sizeof(in), "c"),
                 -EDQUOT);
    cr_expect_eq(create("c", WIRE_O_RDWR, &node, &fh), -EDQUOT);
    /* but one that is there may be opened that way */
    cr_expect_eq(create("a", WIRE_O_RDWR, &node, &fh), 0);
    cr_expect_eq(usage().files, 3);
    cr_expect_eq(test_name(guest, WIRE_RMDIR, data, NULL, 0, "b"), 0);
    test_forget(guest, made.nodeid, 1);
    cr_expect_eq(usage().files, 2);
}

Test(share_quota, what_fails_counts_nothing)
{
    WireMkdirIn in = { .mode = 0755 };

    cr_expect_eq(test_name(guest, WIRE_MKDIR, data, &in, sizeof(in),
                           "file"), -EEXIST);
    cr_expect_eq(usage().files, 1);
}

Test(share_quota, a_removed_file_counts_until_nobody_has_it)
{
    uint64_t fh = open_file(WIRE_O_RDWR);

    cr_expect_eq(test_name(guest, WIRE_UNLINK, data, NULL, 0, "file"), 0);
    cr_expect_eq(usage().bytes, 10);
    cr_expect_eq(test_write(guest, file, fh, 0, "x", 1), 0);
    test_release(guest, file, fh);
    cr_expect_eq(usage().files, 1);
    test_forget(guest, file, 1);
    cr_expect_eq(usage().bytes, 0);
    cr_expect_eq(usage().files, 0);
}

Test(share_quota, a_file_that_another_took_the_name_of_goes_too)
{
    WireRenameIn in = { data };
    uint64_t node, fh;

    cr_assert_eq(create("other", WIRE_O_RDWR, &node, &fh), 0);
    test_release(guest, node, fh);
    cr_expect_eq(test_names(guest, WIRE_RENAME, data, &in, sizeof(in),
                            "other", "file"), 0);
    test_forget(guest, file, 1);
    cr_expect_eq(usage().files, 1);
    cr_expect_eq(usage().bytes, 0);
}

Test(share_quota, one_of_two_names_gives_nothing_back)
{
    WireLinkIn in = { file };

    cr_assert_eq(test_name(guest, WIRE_LINK, data, &in, sizeof(in), "two"),
                 0);
    cr_expect_eq(test_name(guest, WIRE_UNLINK, data, NULL, 0, "file"), 0);
    test_forget(guest, file, 2);
    cr_expect_eq(usage().files, 1);
    cr_expect_eq(usage().bytes, 10);
}

Test(share_quota, the_caller_may_count_again)
{
    cr_expect(share_engine_set_usage(guest->engine, "data",
                                     (ShareUsage){ 99, 3 }));
    cr_expect_eq(set_size(12), -EDQUOT);
    cr_expect_eq(set_size(11), 0);
    cr_expect_not(share_engine_set_usage(guest->engine, "none",
                                         (ShareUsage){ 0, 0 }));
}
