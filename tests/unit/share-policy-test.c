/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest may do with a share. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

static const ShareIdRange ranges[] = { { 0, 100000, 1000 }, { 1000, 500, 1 } };

static TestGuest *guest;
static FakeVolume *volume;
static FakeNode *file;

static void make(void)
{
    guest = test_guest_new(&(ShareEngineOptions){ 0 });
    volume = fake_volume_new();
    volume->root->uid = volume->root->gid = 100000;
    file = fake_add(volume, volume->root, "file", WIRE_S_IFREG | 0640,
                    "hello");
    file->uid = 500;
    file->gid = 100001;
    test_init(guest, WIRE_INIT_SETXATTR_EXT);
}

static void drop(void)
{
    test_guest_free(guest);
    cr_expect(fake_volume_free(volume));
}

TestSuite(share_policy, .init = make, .fini = drop);

static void publish(const SharePolicy *policy)
{
    cr_assert(test_publish(guest, "data", volume, policy));
}

static SharePolicy mapped(void)
{
    return (SharePolicy){ .uids = ranges, .n_uids = 2, .gids = ranges,
                          .n_gids = 2 };
}

static WireAttr attr_of(const char *path)
{
    WireGetattrIn in = { 0 };
    WireAttrOut out = { 0 };

    cr_assert_eq(test_call(guest, WIRE_GETATTR, test_walk(guest, path), &in,
                           sizeof(in), NULL, 0), 0);
    memcpy(&out, guest->body, sizeof(out));
    return out.attr;
}

static int make_directory(const char *name)
{
    WireMkdirIn in = { .mode = 0755 };

    return test_name(guest, WIRE_MKDIR, test_walk(guest, "data"), &in,
                     sizeof(in), name);
}

static int set(WireSetattrIn in)
{
    return test_call(guest, WIRE_SETATTR, test_walk(guest, "data/file"), &in,
                     sizeof(in), NULL, 0);
}

Test(share_policy, host_ids_are_shown_as_the_guests)
{
    SharePolicy policy = mapped();
    WireAttr attr;

    publish(&policy);
    attr = attr_of("data/file");
    cr_expect_eq(attr.uid, 1000);
    cr_expect_eq(attr.gid, 1);
}

Test(share_policy, what_the_guest_makes_belongs_to_its_host_id)
{
    SharePolicy policy = mapped();

    publish(&policy);
    guest->uid = 1000;
    guest->gid = 999;
    cr_expect_eq(make_directory("new"), 0);
    cr_expect_eq(volume->caller.uid, 500);
    cr_expect_eq(volume->caller.gid, 100999);
    cr_expect_not(volume->caller.privileged);
    guest->uid = guest->gid = 0;
    cr_expect_eq(make_directory("roots"), 0);
    cr_expect_eq(volume->caller.uid, 100000);
    cr_expect(volume->caller.privileged);
}

Test(share_policy, an_id_without_a_range_can_make_nothing)
{
    SharePolicy policy = mapped();

    publish(&policy);
    guest->uid = 5000;
    cr_expect_eq(make_directory("new"), -EOVERFLOW);
}

Test(share_policy, a_file_cannot_be_given_to_an_id_without_a_range)
{
    SharePolicy policy = mapped();

    publish(&policy);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_UID, .uid = 5000 }),
                 -EINVAL);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_UID, .uid = 7 }), 0);
    cr_expect_eq(file->uid, 100007);
}

Test(share_policy, what_nobody_of_the_guest_owns_is_somebody_elses)
{
    SharePolicy policy = mapped();
    uint64_t node, fh;

    file->uid = 0;
    file->mode = WIRE_S_IFREG | 0644;
    publish(&policy);
    node = test_walk(guest, "data/file");
    cr_expect_eq(attr_of("data/file").uid, SHARE_NOBODY);
    cr_expect_eq(test_open(guest, node, WIRE_O_RDONLY, &fh), 0);
    cr_expect_eq(test_open(guest, node, WIRE_O_RDWR, &fh), -EACCES);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_MODE,
                                      .mode = 0777 }), -EPERM);
    file->mode = WIRE_S_IFREG | 0600;
    cr_expect_eq(test_open(guest, node, WIRE_O_RDONLY, &fh), -EACCES);
}

Test(share_policy, squashing_gives_everything_to_one)
{
    SharePolicy policy = {
        .squash = SHARE_SQUASH_ALL, .anonymous_uid = 77,
        .anonymous_gid = 78,
    };

    publish(&policy);
    guest->uid = 1234;
    cr_expect_eq(make_directory("new"), 0);
    cr_expect_eq(volume->caller.uid, 77);
    cr_expect_eq(volume->caller.gid, 78);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_UID }), -EPERM);
}

Test(share_policy, squashing_root_leaves_others_alone)
{
    SharePolicy policy = {
        .squash = SHARE_SQUASH_ROOT, .anonymous_uid = 77,
        .anonymous_gid = 78,
    };

    publish(&policy);
    cr_expect_eq(make_directory("roots"), 0);
    cr_expect_eq(volume->caller.uid, 77);
    cr_expect_not(volume->caller.privileged);
    guest->uid = 1234;
    guest->gid = 0;
    cr_expect_eq(make_directory("other"), 0);
    cr_expect_eq(volume->caller.uid, 1234);
    cr_expect_eq(volume->caller.gid, 78);
}

/* CVE-2026-63318 and all other ways to write */
Test(share_policy, a_read_only_share_cannot_be_changed)
{
    SharePolicy policy = { .read_only = true, .xattrs = SHARE_XATTR_USER };
    WireSetxattrIn xattr = { .size = 1 };
    WireCreateIn create = { .flags = WIRE_O_RDONLY | WIRE_O_TRUNC };
    WireRenameIn rename;
    uint64_t node, fh, data;

    publish(&policy);
    data = rename.newdir = test_walk(guest, "data");
    node = test_walk(guest, "data/file");
    cr_expect_eq(test_open(guest, node, WIRE_O_WRONLY, &fh), -EROFS);
    cr_expect_eq(test_open(guest, node, WIRE_O_RDONLY | WIRE_O_TRUNC, &fh),
                 -EROFS);
    cr_expect_eq(test_name(guest, WIRE_CREATE, data, &create,
                           sizeof(create), "file"), -EROFS);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_SIZE }), -EROFS);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_ATIME_NOW }),
                 -EROFS);
    cr_expect_eq(make_directory("new"), -EROFS);
    cr_expect_eq(test_name(guest, WIRE_UNLINK, data, NULL, 0, "file"),
                 -EROFS);
    cr_expect_eq(test_names(guest, WIRE_RENAME, data, &rename,
                            sizeof(rename), "file", "x"), -EROFS);
    cr_expect_eq(test_call(guest, WIRE_SETXATTR, node, &xattr, sizeof(xattr),
                           "user.a\0v", 8), -EROFS);
    cr_assert_eq(test_open(guest, node, WIRE_O_RDONLY | WIRE_O_APPEND, &fh),
                 0);
    cr_expect_eq(test_write(guest, node, fh, 0, "x", 1), -EROFS);
    cr_expect_eq(file->data->len, 5);
}

Test(share_policy, access_says_what_may_be_done)
{
    SharePolicy policy = { .read_only = true };
    WireAccessIn in = { .mask = 2 };
    uint64_t node;

    publish(&policy);
    node = test_walk(guest, "data/file");
    cr_expect_eq(test_call(guest, WIRE_ACCESS, node, &in, sizeof(in), NULL,
                           0), -EROFS);
    in.mask = 4;
    guest->uid = guest->gid = 9;
    cr_expect_eq(test_call(guest, WIRE_ACCESS, node, &in, sizeof(in), NULL,
                           0), -EACCES);
    guest->uid = 500;
    cr_expect_eq(test_call(guest, WIRE_ACCESS, node, &in, sizeof(in), NULL,
                           0), 0);
}

Test(share_policy, hidden_names_are_not_there)
{
    static const char *const hidden[] = { ".*", "?ecret*.key", NULL };
    SharePolicy policy = { .hidden = hidden };
    WireReadIn in = { .size = 4096 };
    WireRenameIn rename;
    g_autofree char *names = NULL;
    uint64_t data;

    fake_add(volume, volume->root, ".git", WIRE_S_IFDIR | 0755, NULL);
    fake_add(volume, volume->root, "secret-1.key", WIRE_S_IFREG, NULL);
    fake_add(volume, volume->root, "secret.txt", WIRE_S_IFREG, NULL);
    publish(&policy);
    data = rename.newdir = test_walk(guest, "data");
    cr_expect_eq(test_walk(guest, "data/.git"), 0);
    cr_expect_eq(test_walk(guest, "data/secret-1.key"), 0);
    cr_expect_neq(test_walk(guest, "data/secret.txt"), 0);
    cr_expect_eq(make_directory(".new"), -EACCES);
    cr_expect_eq(test_name(guest, WIRE_UNLINK, data, NULL, 0,
                           "secret-1.key"), -ENOENT);
    cr_expect_eq(test_names(guest, WIRE_RENAME, data, &rename,
                            sizeof(rename), "secret-1.key", "mine"),
                 -ENOENT);
    cr_expect_eq(test_names(guest, WIRE_RENAME, data, &rename,
                            sizeof(rename), "file", ".file"), -EACCES);
    cr_assert_eq(test_opendir(guest, data, &in.fh), 0);
    cr_assert_eq(test_call(guest, WIRE_READDIR, data, &in, sizeof(in), NULL,
                           0), 0);
    names = test_listing(guest);
    cr_expect_str_eq(names, "file\nsecret.txt\n");
}

Test(share_policy, devices_are_made_only_where_they_may_be)
{
    WireMknodIn in = { .mode = WIRE_S_IFBLK | 0600, .rdev = 0x800 };
    uint64_t data;

    publish(NULL);
    data = test_walk(guest, "data");
    cr_expect_eq(test_name(guest, WIRE_MKNOD, data, &in, sizeof(in), "sda"),
                 -EPERM);
    in.mode = WIRE_S_IFCHR;
    in.rdev = 0;
    cr_expect_eq(test_name(guest, WIRE_MKNOD, data, &in, sizeof(in),
                           "whiteout"), 0);
    in.mode = WIRE_S_IFDIR | 0755;
    cr_expect_eq(test_name(guest, WIRE_MKNOD, data, &in, sizeof(in), "dir"),
                 -EINVAL);
}

Test(share_policy, times_that_mean_something_else_on_the_host_are_refused)
{
    publish(NULL);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_MTIME,
                                      .mtimensec = 0x3ffffffe }), -EINVAL);
    cr_expect_eq(set((WireSetattrIn){ .valid = WIRE_SET_ATIME,
                                      .atimensec = 1000000000 }), -EINVAL);
}

/* --- Extended attributes ---------------------------------------------- */

static int set_xattr(const char *name, const char *value)
{
    WireSetxattrIn in = { .size = strlen(value) };
    g_autofree char *rest = g_strdup_printf("%s%c%s", name, '#', value);

    rest[strlen(name)] = 0;
    return test_call(guest, WIRE_SETXATTR, test_walk(guest, "data/file"),
                     &in, sizeof(in), rest,
                     strlen(name) + 1 + strlen(value));
}

static int get_xattr(const char *name, uint32_t size)
{
    WireGetxattrIn in = { .size = size };

    return test_name(guest, WIRE_GETXATTR, test_walk(guest, "data/file"),
                     &in, sizeof(in), name);
}

Test(share_policy, only_the_users_attributes_pass_where_policy_says_so)
{
    SharePolicy policy = { .xattrs = SHARE_XATTR_USER };

    publish(&policy);
    cr_expect_eq(set_xattr("user.a", "value"), 0);
    cr_expect_eq(set_xattr("trusted.a", "value"), -EOPNOTSUPP);
    cr_expect_eq(set_xattr("security.capability", "value"), -EOPNOTSUPP);
    cr_expect_eq(get_xattr("user.a", 100), 0);
    cr_expect_arr_eq(guest->body, "value", 5);
    cr_expect_eq(get_xattr("user.a", 3), -ERANGE);
    cr_expect_eq(get_xattr("user.b", 100), -ENODATA);
}

/* CVE-2021-20263 and CVE-2017-7493 */
Test(share_policy, mapped_attributes_are_the_guests_own)
{
    SharePolicy policy = { .xattrs = SHARE_XATTR_MAPPED };
    WireGetxattrIn in = { .size = 1000 };

    publish(&policy);
    cr_expect_eq(set_xattr("trusted.a", "value"), 0);
    cr_expect(g_hash_table_contains(file->xattrs, "user.sunder.trusted.a"));
    cr_expect_not(g_hash_table_contains(file->xattrs, "trusted.a"));
    cr_expect_eq(set_xattr("user.sunder.security.b", "v"), -EOPNOTSUPP);
    cr_expect_eq(set_xattr("security.capability", "v"), -EOPNOTSUPP);
    cr_expect_eq(set_xattr("system.posix_acl_access", "v"), -EOPNOTSUPP);
    g_hash_table_insert(file->xattrs, g_strdup("security.selinux"),
                        g_bytes_new("host", 4));
    cr_expect_eq(test_call(guest, WIRE_LISTXATTR,
                           test_walk(guest, "data/file"), &in, sizeof(in),
                           NULL, 0), 0);
    cr_expect_eq(guest->size, sizeof("trusted.a"));
    cr_expect_str_eq((const char *)guest->body, "trusted.a");
}

/* CVE-2016-9102, CVE-2026-8348 */
Test(share_policy, values_and_lists_are_as_large_as_they_may_be)
{
    SharePolicy policy = { .xattrs = SHARE_XATTR_ALL };
    WireSetxattrIn set = { .size = UINT32_MAX };
    WireGetxattrIn list = { .size = 2 };
    uint64_t node;

    publish(&policy);
    node = test_walk(guest, "data/file");
    cr_expect_eq(test_call(guest, WIRE_SETXATTR, node, &set, sizeof(set),
                           "user.a\0v", 8), -EINVAL);
    cr_expect_eq(set_xattr("user.a", "value"), 0);
    cr_expect_eq(get_xattr("user.a", UINT32_MAX), 0);
    cr_expect_eq(guest->size, 5);
    cr_expect_eq(test_call(guest, WIRE_LISTXATTR, node, &list, sizeof(list),
                           NULL, 0), -ERANGE);
    guest->room = SHARE_REPLY_HEADER + 4;
    list.size = 100;
    cr_expect_eq(test_name(guest, WIRE_GETXATTR, node, &list, sizeof(list),
                           "user.a"), -ERANGE);
    list.size = 0;
    cr_expect_eq(test_name(guest, WIRE_GETXATTR, node, &list, sizeof(list),
                           "user.a"), -EINVAL);
}

/* --- Whether a policy makes sense ------------------------------------- */

static bool makes_sense(const ShareIdRange *r, unsigned n)
{
    return share_policy_check(&(SharePolicy){ .uids = r, .n_uids = n }, NULL);
}

Test(share_policy, ranges_neither_overlap_nor_wrap)
{
    publish(NULL);
    cr_expect(makes_sense(ranges, 2));
    cr_expect_not(makes_sense((ShareIdRange[]){ { 0, 0, 0 } }, 1));
    cr_expect_not(makes_sense((ShareIdRange[]){ { 1, 0, UINT32_MAX } }, 1));
    cr_expect(makes_sense((ShareIdRange[]){ { 0, 0, UINT32_MAX } }, 1));
    cr_expect_not(makes_sense((ShareIdRange[]){ { 0, 0, 10 },
                                                { 9, 50, 5 } }, 2));
    cr_expect_not(makes_sense((ShareIdRange[]){ { 0, 100, 10 },
                                                { 50, 95, 6 } }, 2));
}

Test(share_policy, a_hidden_pattern_is_of_a_name)
{
    const char *const path[] = { "a/b", NULL }, *const none[] = { "", NULL };

    publish(NULL);
    cr_expect_not(share_policy_check(&(SharePolicy){ .hidden = path },
                                     NULL));
    cr_expect_not(share_policy_check(&(SharePolicy){ .hidden = none },
                                     NULL));
    cr_expect_not(share_policy_check(&(SharePolicy){ .cache = 9 }, NULL));
}

/* QSB-118 and terminals */
Test(share_policy, a_printable_name_has_nothing_that_acts)
{
    g_autofree char *shown = share_name_printable(
        "a\n\033[2J$(reboot)`x`\\\"'\xff b");

    publish(NULL);
    cr_expect_str_eq(shown, "a\\x0a\\x1b[2J\\x24(reboot)\\x60x\\x60\\x5c"
                            "\\x22\\x27\\xff b");
}
