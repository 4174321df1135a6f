/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to a share engine: their form, INIT, and what cannot be asked. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

static TestGuest *guest;
static FakeVolume *volume;

static void make(void)
{
    static const ShareEngineOptions options = { .max_nodes = 50 };
    FakeNode *dir;

    guest = test_guest_new(&options);
    volume = fake_volume_new();
    dir = fake_add(volume, volume->root, "dir", WIRE_S_IFDIR | 0755, NULL);
    fake_add(volume, dir, "deep", WIRE_S_IFREG | 0644, "deep down");
    fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0644, "hello");
    fake_add(volume, volume->root, "pipe", WIRE_S_IFIFO | 0644, NULL);
    test_publish(guest, "data", volume, NULL);
    test_init(guest, WIRE_INIT_SUBMOUNTS | WIRE_INIT_SETXATTR_EXT);
}

static void drop(void)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
}

TestSuite(share_request, .init = make, .fini = drop);

Test(share_request, less_than_a_header_has_no_reply)
{
    WireInHeader header = { .len = 39, .opcode = WIRE_GETATTR };

    test_send(guest, &header, 39);
    cr_expect_eq(guest->result, SHARE_BROKEN);
    test_send(guest, "", 0);
    cr_expect_eq(guest->result, SHARE_BROKEN);
}

Test(share_request, a_length_that_is_not_that_of_the_request_is_refused)
{
    WireInHeader header = {
        .len = 5000, .opcode = WIRE_GETATTR, .nodeid = WIRE_ROOT_ID,
    };

    cr_expect_eq(test_send(guest, &header, sizeof(header)), -EINVAL);
    header.len = 41;
    cr_expect_eq(test_send(guest, &header, sizeof(header)), -EINVAL);
    cr_expect_eq(share_engine_state(guest->engine).malformed, 2);
}

Test(share_request, without_room_for_a_reply_nothing_is_done)
{
    uint64_t dir = test_walk(guest, "data");

    guest->room = SHARE_REPLY_HEADER - 1;
    test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file");
    cr_expect_eq(guest->result, SHARE_BROKEN);
    guest->room = SHARE_REPLY_HEADER + sizeof(WireEntryOut) - 1;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, dir, NULL, 0, "file"),
                 -EINVAL);
    cr_expect_eq(share_engine_state(guest->engine).nodes, 0);
}

Test(share_request, arguments_that_are_cut_off_are_refused)
{
    uint64_t dir = test_walk(guest, "data");

    for (uint32_t op = 1; op < WIRE_OPS + 3; op++) {
        int ret = test_call(guest, op, dir, NULL, 0, NULL, 0);

        if (op != WIRE_DESTROY && guest->result > 0 &&
            op != WIRE_STATFS && op != WIRE_GETATTR) {
            cr_expect_lt(ret, 0, "%u", op);
        }
    }
}

Test(share_request, what_is_not_known_is_not_implemented)
{
    cr_expect_eq(test_call(guest, 17000, 1, NULL, 0, NULL, 0), -ENOSYS);
    cr_expect_eq(test_call(guest, WIRE_BMAP, 1, NULL, 0, NULL, 0), -ENOSYS);
    cr_expect_eq(test_call(guest, WIRE_IOCTL, 1, NULL, 0, NULL, 0), -ENOTTY);
}

/* CVE-2016-7116, CVE-2017-7471, CVE-2026-47243 */
Test(share_request, no_name_leads_out_of_its_directory)
{
    static const char *const names[] = {
        "", ".", "..", "/", "a/b", "../file", "/etc/passwd", "dir/deep",
        "..\0x",
    };
    uint64_t data = test_walk(guest, "data"), dir = test_walk(guest,
                                                              "data/dir");
    WireRename2In rename = { .newdir = dir };
    WireMkdirIn mkdir = { .mode = 0755 };
    WireMknodIn mknod = { .mode = WIRE_S_IFREG | 0644 };
    WireCreateIn create = { .flags = WIRE_O_RDWR, .mode = 0644 };
    WireLinkIn link = { test_walk(guest, "data/file") };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *n = names[i];

        for (unsigned k = 0; k < 2; k++) {
            uint64_t at = k ? dir : data;

            cr_expect_eq(test_name(guest, WIRE_LOOKUP, at, NULL, 0, n),
                         -EINVAL, "%s", n);
            cr_expect_eq(test_name(guest, WIRE_UNLINK, at, NULL, 0, n),
                         -EINVAL);
            cr_expect_eq(test_name(guest, WIRE_RMDIR, at, NULL, 0, n),
                         -EINVAL);
            cr_expect_eq(test_name(guest, WIRE_MKDIR, at, &mkdir,
                                   sizeof(mkdir), n), -EINVAL);
            cr_expect_eq(test_name(guest, WIRE_MKNOD, at, &mknod,
                                   sizeof(mknod), n), -EINVAL);
            cr_expect_eq(test_name(guest, WIRE_CREATE, at, &create,
                                   sizeof(create), n), -EINVAL);
            cr_expect_eq(test_name(guest, WIRE_LINK, at, &link,
                                   sizeof(link), n), -EINVAL);
            cr_expect_eq(test_names(guest, WIRE_SYMLINK, at, NULL, 0, n,
                                    "target"), -EINVAL);
            cr_expect_eq(test_names(guest, WIRE_RENAME2, at, &rename,
                                    sizeof(rename), n, "new"), -EINVAL);
            cr_expect_eq(test_names(guest, WIRE_RENAME2, at, &rename,
                                    sizeof(rename), "file", n), -EINVAL);
        }
    }
}

Test(share_request, names_end_and_are_not_too_long)
{
    uint64_t data = test_walk(guest, "data");
    char name[300];

    memset(name, 'x', sizeof(name));
    cr_expect_eq(test_call(guest, WIRE_LOOKUP, data, NULL, 0, "file", 4),
                 -EINVAL);
    name[256] = 0;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, data, NULL, 0, name),
                 -ENAMETOOLONG);
    name[255] = 0;
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, data, NULL, 0, name),
                 -ENOENT);
}

Test(share_request, the_second_name_ends_too)
{
    WireRenameIn in = { test_walk(guest, "data") };

    cr_expect_eq(test_call(guest, WIRE_RENAME, in.newdir, &in, sizeof(in),
                           "file\0new", 8), -EINVAL);
}

/* CVE-2020-35517, CVE-2023-2861 */
Test(share_request, only_regular_files_are_opened)
{
    uint64_t pipe = test_walk(guest, "data/pipe"), fh;
    WireCreateIn create = { .flags = WIRE_O_RDWR, .mode = 0644 };

    cr_expect_eq(test_open(guest, pipe, WIRE_O_RDONLY, &fh), -ENXIO);
    cr_expect_eq(test_open(guest, test_walk(guest, "data/dir"),
                           WIRE_O_RDONLY, &fh), -EISDIR);
    cr_expect_eq(test_name(guest, WIRE_CREATE, test_walk(guest, "data"),
                           &create, sizeof(create), "pipe"), -ENXIO);
    cr_expect_eq(test_opendir(guest, pipe, &fh), -ENOTDIR);
    cr_expect_eq(volume->opened, 0);
}

Test(share_request, a_handle_works_on_its_own_node_only)
{
    uint64_t file = test_walk(guest, "data/file");
    uint64_t deep = test_walk(guest, "data/dir/deep"), fh, dir_fh;

    cr_assert_eq(test_open(guest, file, WIRE_O_RDONLY, &fh), 0);
    cr_assert_eq(test_opendir(guest, test_walk(guest, "data"), &dir_fh), 0);
    cr_expect_eq(test_read(guest, deep, fh, 0, 100), -EBADF);
    cr_expect_eq(test_read(guest, file, fh + 77, 0, 100), -EBADF);
    cr_expect_eq(test_read(guest, test_walk(guest, "data"), dir_fh, 0, 100),
                 -EBADF);
    cr_expect_eq(test_read(guest, file, fh, 0, 100), 0);
    cr_expect_arr_eq(guest->body, "hello", 5);
}

Test(share_request, a_handle_does_what_it_was_opened_for)
{
    uint64_t file = test_walk(guest, "data/file"), reads, writes;

    cr_assert_eq(test_open(guest, file, WIRE_O_RDONLY, &reads), 0);
    cr_assert_eq(test_open(guest, file, WIRE_O_WRONLY, &writes), 0);
    cr_expect_eq(test_write(guest, file, reads, 0, "x", 1), -EBADF);
    cr_expect_eq(test_read(guest, file, writes, 0, 1), -EBADF);
    cr_expect_eq(test_write(guest, file, writes, 0, "j", 1), 0);
    cr_expect_eq(test_read(guest, file, reads, 0, 5), 0);
    cr_expect_arr_eq(guest->body, "jello", 5);
}

Test(share_request, sizes_and_offsets_that_wrap_are_refused)
{
    uint64_t file = test_walk(guest, "data/file"), fh;
    WireWriteIn in = { .size = UINT32_MAX };
    WireFallocateIn allocate = { .offset = INT64_MAX, .length = 2 };
    WireLseekIn seek = { .offset = 1ull << 63, .whence = WIRE_SEEK_DATA };

    cr_assert_eq(test_open(guest, file, WIRE_O_RDWR, &fh), 0);
    in.fh = allocate.fh = seek.fh = fh;
    cr_expect_eq(test_call(guest, WIRE_WRITE, file, &in, sizeof(in), "x", 1),
                 -EINVAL);
    cr_expect_eq(test_read(guest, file, fh, UINT64_MAX - 5, 100), -EINVAL);
    cr_expect_eq(test_write(guest, file, fh, UINT64_MAX, "x", 1), -EINVAL);
    cr_expect_eq(test_call(guest, WIRE_FALLOCATE, file, &allocate,
                           sizeof(allocate), NULL, 0), -EFBIG);
    cr_expect_eq(test_call(guest, WIRE_LSEEK, file, &seek, sizeof(seek),
                           NULL, 0), -EINVAL);
    cr_expect_eq(test_read(guest, file, fh, 0, UINT32_MAX), 0);
    cr_expect_eq(guest->size, 5);
}

/* CVE-2026-9238 */
Test(share_request, a_listing_is_as_large_as_its_room)
{
    WireReadIn in = { .size = UINT32_MAX };
    uint64_t dir = test_walk(guest, "data");
    g_autofree char *names = NULL;

    cr_assert_eq(test_opendir(guest, dir, &in.fh), 0);
    guest->room = SHARE_REPLY_HEADER + 70;
    cr_expect_eq(test_call(guest, WIRE_READDIR, dir, &in, sizeof(in), NULL,
                           0), 0);
    names = test_listing(guest);
    cr_expect_str_eq(names, "dir\nfile\n");
    in.offset = UINT64_MAX;
    cr_expect_eq(test_call(guest, WIRE_READDIR, dir, &in, sizeof(in), NULL,
                           0), 0);
    cr_expect_eq(guest->size, 0);
}

Test(share_request, init_agrees_on_what_both_can)
{
    WireInitOut out;

    cr_assert_eq(test_init(guest, WIRE_INIT_SUBMOUNTS | WIRE_INIT_MAX_PAGES |
                           WIRE_INIT_WRITEBACK_CACHE), 0);
    memcpy(&out, guest->body, sizeof(out));
    cr_expect_eq(out.major, 7);
    cr_expect_eq(out.minor, 38);
    cr_expect_eq(out.max_write, SHARE_MAX_WRITE);
    cr_expect_eq(out.max_pages, 256);
    cr_expect_eq(guest->init_flags, WIRE_INIT_SUBMOUNTS | WIRE_INIT_EXT |
                 WIRE_INIT_MAX_PAGES);
}

Test(share_request, another_major_version_is_told_ours)
{
    WireInitIn in = { .major = 8, .minor = 1 };
    WireInitOut out;

    cr_assert_eq(test_call(guest, WIRE_INIT, 0, &in, WIRE_INIT_SHORT, NULL,
                           0), 0);
    memcpy(&out, guest->body, sizeof(out));
    cr_expect_eq(out.major, 7);
    in.major = 6;
    cr_expect_eq(test_call(guest, WIRE_INIT, 0, &in, WIRE_INIT_SHORT, NULL,
                           0), -EPROTO);
    in.major = 7;
    in.minor = 30;
    cr_expect_eq(test_call(guest, WIRE_INIT, 0, &in, WIRE_INIT_SHORT, NULL,
                           0), -EPROTO);
}

Test(share_request, before_init_nothing_is_answered)
{
    TestGuest *other = test_guest_new(&(ShareEngineOptions){ 0 });

    cr_expect_eq(test_name(other, WIRE_LOOKUP, 1, NULL, 0, "data"), -EIO);
    test_guest_free(other);
}

Test(share_request, destroy_forgets_the_guest)
{
    uint64_t file = test_walk(guest, "data/file"), fh;

    cr_assert_eq(test_open(guest, file, WIRE_O_RDONLY, &fh), 0);
    cr_expect_eq(test_call(guest, WIRE_DESTROY, 0, NULL, 0, NULL, 0), 0);
    cr_expect_eq(volume->files, 1);
    cr_expect_eq(volume->opens, 0);
    cr_expect_not(share_engine_state(guest->engine).started);
}

Test(share_request, the_root_cannot_be_changed)
{
    WireMkdirIn mkdir = { .mode = 0755 };
    WireSetattrIn set = { .valid = WIRE_SET_MODE };
    WireRenameIn rename = { WIRE_ROOT_ID };

    cr_expect_eq(test_name(guest, WIRE_MKDIR, 1, &mkdir, sizeof(mkdir),
                           "new"), -EROFS);
    cr_expect_eq(test_name(guest, WIRE_RMDIR, 1, NULL, 0, "data"), -EROFS);
    cr_expect_eq(test_call(guest, WIRE_SETATTR, 1, &set, sizeof(set), NULL,
                           0), -EROFS);
    cr_expect_eq(test_names(guest, WIRE_RENAME, test_walk(guest, "data"),
                            &rename, sizeof(rename), "file", "file"),
                 -EXDEV);
}

Test(share_request, an_extension_that_is_damaged_is_refused)
{
    uint64_t data = test_walk(guest, "data");
    struct {
        WireInHeader header;
        WireMkdirIn in;
        char name[8];
        WireExtHeader ext;
        uint32_t groups[2];
    } r = {
        .header = { .len = sizeof(r), .opcode = WIRE_MKDIR, .nodeid = data,
                    .total_extlen = 2 },
        .name = "new", .ext = { 16, WIRE_EXT_GROUPS }, .groups = { 1, 50 },
    };

    r.ext.size = 24;
    cr_expect_eq(test_send(guest, &r, sizeof(r)), -EINVAL);
    r.ext.size = 0;
    cr_expect_eq(test_send(guest, &r, sizeof(r)), -EINVAL);
    r.ext.size = 16;
    r.header.total_extlen = 60000;
    cr_expect_eq(test_send(guest, &r, sizeof(r)), -EINVAL);
    r.header.total_extlen = 2;
    cr_expect_eq(test_send(guest, &r, sizeof(r)), 0);
    cr_expect(volume->caller.has_group);
    cr_expect_eq(volume->caller.group, 50);
}

Test(share_request, every_operation_has_a_name_that_finds_it)
{
    for (uint32_t op = 1; op < WIRE_OPS; op++) {
        const char *name = share_operation_name(op);

        cr_expect(strcmp(name, "operation") == 0 ||
                  share_operation_by_name(name) != 0, "%u", op);
    }
    cr_expect_eq(share_operation_by_name("lookup"), WIRE_LOOKUP);
    cr_expect_eq(share_operation_by_name("nonsense"), 0);
}
