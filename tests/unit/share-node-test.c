/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes, handles and shares: how long they live, and what ends them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

#define MAX_NODES   8
#define MAX_HANDLES 4

static TestGuest *guest;
static FakeVolume *volume;

static void make(void)
{
    static const ShareEngineOptions options = {
        .max_nodes = MAX_NODES, .max_handles = MAX_HANDLES,
    };

    guest = test_guest_new(&options);
    volume = fake_volume_new();
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644, "hello");
    test_publish(guest, "data", volume, NULL);
    test_init(guest, WIRE_INIT_SUBMOUNTS);
}

static void drop(void)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
}

TestSuite(share_node, .init = make, .fini = drop);

static void remove_share(void)
{
    share_engine_remove(guest->engine, "data", (ShareTime){ 2000, 0 });
}

static unsigned nodes(void)
{
    return share_engine_state(guest->engine).nodes;
}

static WireEntryOut entry(uint64_t node, const char *name)
{
    WireEntryOut out = { 0 };

    cr_assert_eq(test_name(guest, WIRE_LOOKUP, node, NULL, 0, name), 0);
    memcpy(&out, guest->body, sizeof(out));
    return out;
}

Test(share_node, a_share_is_a_submount_that_is_not_cached)
{
    WireEntryOut out = entry(WIRE_ROOT_ID, "data");

    cr_expect(out.attr.flags & WIRE_ATTR_SUBMOUNT);
    cr_expect_eq(out.entry_valid, 0);
    cr_expect_eq(out.attr.ino, volume->root->ino);
}

Test(share_node, what_is_mounted_below_is_a_submount_too)
{
    FakeNode *dir = fake_add(volume, volume->root, "mnt",
                             WIRE_S_IFDIR | 0755, NULL);

    dir->dev = 99;
    cr_expect(entry(test_walk(guest, "data"), "mnt").attr.flags &
              WIRE_ATTR_SUBMOUNT);
}

Test(share_node, without_submounts_numbers_differ_by_file_system)
{
    FakeVolume *other = fake_volume_new();
    WireEntryOut a, b;

    other->root->dev = 8;
    cr_assert(test_publish(guest, "other", other, NULL));
    test_init(guest, 0);
    a = entry(WIRE_ROOT_ID, "data");
    b = entry(WIRE_ROOT_ID, "other");
    cr_expect_eq(volume->root->ino, other->root->ino);
    cr_expect_neq(a.attr.ino, b.attr.ino);
    cr_expect_not(a.attr.flags & WIRE_ATTR_SUBMOUNT);
    share_engine_remove(guest->engine, "other", (ShareTime){ 0, 0 });
    cr_expect(fake_volume_free(other));
}

Test(share_node, two_names_of_one_object_are_one_node)
{
    uint64_t data = test_walk(guest, "data");
    WireLinkIn in = { test_walk(guest, "data/file") };
    WireEntryOut out;

    cr_assert_eq(test_name(guest, WIRE_LINK, data, &in, sizeof(in),
                           "again"), 0);
    out = entry(data, "again");
    cr_expect_eq(out.nodeid, in.oldnodeid);
    cr_expect_eq(out.attr.nlink, 2);
    cr_expect_eq(nodes(), 1);
    cr_expect_eq(volume->files, 2);
}

/* CVE-2021-20181 */
Test(share_node, it_lives_until_it_is_forgotten_as_often)
{
    uint64_t file = test_walk(guest, "data/file");
    WireGetattrIn in = { 0 };

    test_walk(guest, "data/file");
    test_forget(guest, file, 1);
    cr_expect_eq(test_call(guest, WIRE_GETATTR, file, &in, sizeof(in), NULL,
                           0), 0);
    test_forget(guest, file, 1);
    cr_expect_eq(test_call(guest, WIRE_GETATTR, file, &in, sizeof(in), NULL,
                           0), -ESTALE);
    cr_expect_eq(volume->files, 1);
}

Test(share_node, forgetting_more_than_was_told_does_no_harm)
{
    uint64_t file = test_walk(guest, "data/file"), fh;

    cr_assert_eq(test_open(guest, file, WIRE_O_RDONLY, &fh), 0);
    test_forget(guest, file, UINT64_MAX);
    test_forget(guest, file, UINT64_MAX);
    test_forget(guest, WIRE_ROOT_ID, UINT64_MAX);
    test_forget(guest, test_walk(guest, "data"), UINT64_MAX);
    /* it is open */
    cr_expect_eq(test_read(guest, file, fh, 0, 5), 0);
    cr_expect_eq(test_release(guest, file, fh), 0);
    cr_expect_eq(nodes(), 0);
    cr_expect_neq(test_walk(guest, "data/file"), 0);
}

Test(share_node, numbers_are_never_used_again)
{
    uint64_t first = test_walk(guest, "data/file"), second;

    test_forget(guest, first, 1);
    second = test_walk(guest, "data/file");
    cr_expect_neq(first, second);
}

Test(share_node, many_are_forgotten_at_once)
{
    uint64_t file = test_walk(guest, "data/file");
    WireBatchForgetIn in = { .count = 1000000 };
    WireForgetOne ones[3] = { { 77, 1 }, { file, 1 }, { file, 1 } };

    test_call(guest, WIRE_BATCH_FORGET, 0, &in, sizeof(in), ones,
              sizeof(ones));
    cr_expect_eq(guest->result, 0);
    cr_expect_eq(nodes(), 0);
}

/* CVE-2020-10717 */
Test(share_node, there_are_only_so_many_nodes)
{
    uint64_t data = test_walk(guest, "data");

    for (unsigned i = 0; i < 2 * MAX_NODES; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        int ret;

        fake_add(volume, volume->root, name, WIRE_S_IFREG | 0644, NULL);
        ret = test_name(guest, WIRE_LOOKUP, data, NULL, 0, name);
        cr_expect_eq(ret, i < MAX_NODES - 1 ? 0 : -ENFILE);
    }
    cr_expect_eq(volume->files, MAX_NODES);
    test_call(guest, WIRE_DESTROY, 0, NULL, 0, NULL, 0);
    test_init(guest, 0);
    cr_expect_neq(test_walk(guest, "data/file"), 0);
}

Test(share_node, there_are_only_so_many_handles)
{
    uint64_t file = test_walk(guest, "data/file"), fh = 0;

    for (unsigned i = 0; i < 2 * MAX_HANDLES; i++) {
        cr_expect_eq(test_open(guest, file, WIRE_O_RDONLY, &fh),
                     i < MAX_HANDLES ? 0 : -ENFILE);
    }
    cr_expect_eq(volume->opens, MAX_HANDLES);
    test_release(guest, file, fh);
    cr_expect_eq(test_open(guest, file, WIRE_O_RDONLY, &fh), 0);
}

Test(share_node, a_file_created_with_no_handle_left_is_not_kept)
{
    WireCreateIn in = { .flags = WIRE_O_RDWR, .mode = 0644 };
    uint64_t file = test_walk(guest, "data/file"), fh;

    for (unsigned i = 0; i < MAX_HANDLES; i++) {
        test_open(guest, file, WIRE_O_RDONLY, &fh);
    }
    cr_expect_eq(test_name(guest, WIRE_CREATE, test_walk(guest, "data"), &in,
                           sizeof(in), "new"), -ENFILE);
    cr_expect_eq(nodes(), 1);
    cr_expect_eq(volume->opens, MAX_HANDLES);
}

Test(share_node, a_share_that_is_removed_leaves_stale_nodes_and_handles)
{
    uint64_t file = test_walk(guest, "data/file"), fh;
    uint64_t dir = test_walk(guest, "data"), dir_fh;
    WireReadIn in = { .size = 4096 };

    test_open(guest, file, WIRE_O_RDWR, &fh);
    test_opendir(guest, dir, &dir_fh);
    remove_share();
    cr_expect_eq(volume->files, 0);
    cr_expect_eq(volume->opens, 0);
    cr_expect_eq(volume->closed, 1);
    cr_expect_eq(test_read(guest, file, fh, 0, 5), -ESTALE);
    cr_expect_eq(test_write(guest, file, fh, 0, "x", 1), -ESTALE);
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file"),
                 -ESTALE);
    in.fh = dir_fh;
    cr_expect_eq(test_call(guest, WIRE_READDIR, dir, &in, sizeof(in), NULL,
                           0), -ESTALE);
    cr_expect_eq(test_walk(guest, "data"), 0);
    cr_expect_eq(test_release(guest, file, fh), 0);
    test_forget(guest, file, 9);
    test_forget(guest, dir, 9);
}

Test(share_node, a_share_of_the_same_name_has_nodes_of_its_own)
{
    uint64_t old = test_walk(guest, "data/file");
    FakeVolume *again = fake_volume_new();
    WireGetattrIn in = { 0 };

    fake_add(again, again->root, "file", WIRE_S_IFREG | 0644, "other");
    remove_share();
    cr_assert(test_publish(guest, "data", again, NULL));
    cr_expect_neq(test_walk(guest, "data/file"), old);
    cr_expect_eq(test_call(guest, WIRE_GETATTR, old, &in, sizeof(in), NULL,
                           0), -ESTALE);
    remove_share();
    cr_expect(fake_volume_free(again));
}

static void remove_meanwhile(void *opaque)
{
    remove_share();
}

Test(share_node, a_share_may_be_removed_in_the_middle_of_a_request)
{
    uint64_t dir = test_walk(guest, "data");

    volume->in_lookup = remove_meanwhile;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file"),
                 -ESTALE);
    cr_expect_eq(volume->closed, 1);
    cr_expect_eq(volume->files, 0);
}

Test(share_node, shares_are_listed_by_when_they_came)
{
    FakeVolume *one = fake_volume_new(), *two = fake_volume_new();
    WireReadIn in = { .size = 4096 };
    g_autofree char *names = NULL, *rest = NULL;

    test_publish(guest, "zebra", one, NULL);
    test_publish(guest, "ape", two, NULL);
    cr_assert_eq(test_opendir(guest, WIRE_ROOT_ID, &in.fh), 0);
    cr_assert_eq(test_call(guest, WIRE_READDIR, WIRE_ROOT_ID, &in,
                           sizeof(in), NULL, 0), 0);
    names = test_listing(guest);
    cr_expect_str_eq(names, ".\n..\ndata\nzebra\nape\n");
    /* behind "zebra", which has gone meanwhile */
    in.offset = 2 + 2;
    share_engine_remove(guest->engine, "zebra", (ShareTime){ 0, 0 });
    cr_assert_eq(test_call(guest, WIRE_READDIR, WIRE_ROOT_ID, &in,
                           sizeof(in), NULL, 0), 0);
    rest = test_listing(guest);
    cr_expect_str_eq(rest, "ape\n");
    share_engine_remove(guest->engine, "ape", (ShareTime){ 0, 0 });
    cr_expect(fake_volume_free(one));
    cr_expect(fake_volume_free(two));
}

Test(share_node, a_name_is_taken_once)
{
    FakeVolume *other = fake_volume_new();

    cr_expect_not(test_publish(guest, "data", other, NULL));
    cr_expect_not(test_publish(guest, "..", other, NULL));
    cr_expect_not(test_publish(guest, "a\nb", other, NULL));
    cr_expect_not(test_publish(guest, "a/b", other, NULL));
    cr_expect_eq(other->files, 0);
    other->closed = 1;
    cr_expect(fake_volume_free(other));
}

Test(share_node, readdirplus_tells_of_what_fits_and_no_more)
{
    WireReadIn in = { .size = 200 };
    uint64_t dir = test_walk(guest, "data");

    fake_add(volume, volume->root, "second", WIRE_S_IFREG | 0644, NULL);
    cr_assert_eq(test_opendir(guest, dir, &in.fh), 0);
    cr_assert_eq(test_call(guest, WIRE_READDIRPLUS, dir, &in, sizeof(in),
                           NULL, 0), 0);
    cr_expect_eq(guest->size, 128 + 24 + 8);
    cr_expect_eq(nodes(), 1);
}

Test(share_node, a_file_without_a_name_lives_as_long_as_it_is_open)
{
    WireCreateIn in = { .flags = WIRE_O_RDWR, .mode = 0600 };
    WireEntryOut out;
    WireOpenOut opened;

    cr_assert_eq(test_name(guest, WIRE_TMPFILE, test_walk(guest, "data"),
                           &in, sizeof(in), "/"), 0);
    memcpy(&out, guest->body, sizeof(out));
    memcpy(&opened, guest->body + sizeof(out), sizeof(opened));
    cr_expect_eq(out.attr.nlink, 0);
    cr_expect_eq(test_write(guest, out.nodeid, opened.fh, 0, "abc", 3), 0);
    cr_expect_eq(test_read(guest, out.nodeid, opened.fh, 0, 3), 0);
    cr_expect_arr_eq(guest->body, "abc", 3);
    test_release(guest, out.nodeid, opened.fh);
    test_forget(guest, out.nodeid, 1);
    cr_expect_eq(volume->files, 1);
}

Test(share_node, the_file_side_says_what_it_likes)
{
    uint64_t dir = test_walk(guest, "data");

    volume->fails = 5000;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file"), -EIO);
    volume->fails = ENOSYS;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file"),
                 -EOPNOTSUPP);
    volume->fails = 0;
}
