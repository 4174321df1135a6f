/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that no kernel sends, on files of this host; and the file side
 * asked by an engine that a guest has taken over
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/share-fixture.h"
#include "tools/share/host-files.h"

#define MAX_NODES   50
#define PATIENCE    60      /* seconds; then something has hung */
#define STRANGE     5000    /* a group that only this process is in */

static TestGuest *guest;
static char *top, *shared, *secret;

static char *below(const char *folder, const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static HostVolume *publish(const char *name, const char *path,
                           const SharePolicy *policy)
{
    HostVolume *volume = host_volume_open(path, false, NULL);
    SharePublish p = {
        .name = name, .policy = policy, .ops = &host_file_ops,
        .volume = volume,
    };

    cr_assert_not_null(volume);
    p.root = host_volume_root(volume);
    cr_assert(share_engine_add(guest->engine, &p, (ShareTime){ 1, 0 },
                               NULL));
    return volume;
}

static void make(void)
{
    static const ShareEngineOptions options = { .max_nodes = MAX_NODES };
    static const SharePolicy plain = { .xattrs = SHARE_XATTR_ALL };
    static const SharePolicy read_only = { .read_only = true };
    g_autofree char *file = NULL, *pipe = NULL, *outside = NULL;

    if (geteuid() == 0) {
        setgroups(1, (const gid_t[]){ STRANGE });
    }
    cr_assert(host_files_begin(NULL));
    top = g_dir_make_tmp("share-wire-XXXXXX", NULL);
    cr_assert_not_null(top);
    shared = below(top, "shared");
    outside = below(top, "outside");
    secret = below(outside, "file");
    file = below(shared, "file");
    pipe = below(shared, "pipe");
    g_mkdir(shared, 0755);
    g_mkdir(outside, 0755);
    g_file_set_contents(secret, "SECRET", -1, NULL);
    g_file_set_contents(file, "hello", -1, NULL);
    cr_assert_eq(mkfifo(pipe, 0666), 0);
    guest = test_guest_new(&options);
    publish("data", shared, &plain);
    publish("ro", shared, &read_only);
    test_init(guest, WIRE_INIT_SETXATTR_EXT);
    alarm(PATIENCE);
}

static void drop(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", top);

    alarm(0);
    test_guest_free(guest);
    cr_expect_eq(system(command), 0);
    g_free(top);
    g_free(shared);
    g_free(secret);
}

TestSuite(share_wire, .init = make, .fini = drop);

static void expect_contents(const char *path, const char *expected)
{
    g_autofree char *data = NULL;

    cr_assert(g_file_get_contents(path, &data, NULL, NULL));
    cr_expect_str_eq(data, expected);
}

/* Entries of a folder, "." and ".." among them. */
static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* CVE-2016-7116, CVE-2017-7471, CVE-2026-47243 */
Test(share_wire, nothing_is_found_or_made_outside)
{
    static const char *const names[] = {
        "..", ".", "../outside", "../outside/file", "./file", "/etc/passwd",
        "../../../../../../etc/passwd", "file/..", "/proc/self/fd/0",
    };
    uint64_t data = test_walk(guest, "data");
    WireCreateIn create = { .flags = WIRE_O_RDWR, .mode = 0666 };
    WireRenameIn rename = { data };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        cr_expect_eq(test_name(guest, WIRE_LOOKUP, data, NULL, 0, names[i]),
                     -EINVAL);
        cr_expect_eq(test_name(guest, WIRE_CREATE, data, &create,
                               sizeof(create), names[i]), -EINVAL);
        cr_expect_eq(test_names(guest, WIRE_RENAME, data, &rename,
                                sizeof(rename), "file", names[i]), -EINVAL);
        cr_expect_eq(test_name(guest, WIRE_UNLINK, data, NULL, 0, names[i]),
                     -EINVAL);
    }
    expect_contents(secret, "SECRET");
    cr_expect_eq(entries(shared), 4);
}

static ShareFile *root_of(HostVolume **volume)
{
    *volume = host_volume_open(shared, false, NULL);
    return host_volume_root(*volume);
}

Test(share_wire, the_file_side_believes_no_name_either)
{
    static const char *const names[] = {
        "", ".", "..", "../outside/file", "a/b", "/etc/passwd", "file/",
    };
    const ShareFileOps *ops = &host_file_ops;
    const ShareMake what = { .mode = S_IFDIR | 0755 };
    const ShareCaller caller = { 0 };
    HostVolume *volume;
    ShareFile *root = root_of(&volume), *file;
    ShareOpen *open;
    ShareAttr attr;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *n = names[i];

        cr_expect_eq(ops->lookup(volume, root, n, &file, &attr), -EINVAL);
        cr_expect_eq(ops->make(volume, root, n, &what, &file, &attr),
                     -EINVAL);
        cr_expect_eq(ops->create(volume, root, n, SHARE_OPEN_WRITE, 0600,
                                 &caller, &file, &attr, &open), -EINVAL);
        cr_expect_eq(ops->remove(volume, root, n, false, &attr), -EINVAL);
        cr_expect_eq(ops->rename(volume, root, n, root, "x", 0, &attr),
                     -EINVAL);
        cr_expect_eq(ops->rename(volume, root, "file", root, n, 0, &attr),
                     -EINVAL);
        cr_expect_eq(ops->link(volume, root, root, n, &attr), -EINVAL);
    }
    ops->forget(volume, root);
    host_volume_free(volume);
    expect_contents(secret, "SECRET");
}

/* CVE-2016-9602 */
Test(share_wire, a_link_is_never_followed_here)
{
    g_autofree char *link = below(shared, "link");
    g_autofree char *directory = below(shared, "directory");
    uint64_t node, fh;
    WireSetattrIn set = { .valid = WIRE_SET_SIZE };

    cr_assert_eq(symlink("../outside/file", link), 0);
    cr_assert_eq(symlink("../outside", directory), 0);
    node = test_walk(guest, "data/link");
    cr_assert_neq(node, 0);
    cr_expect_eq(test_open(guest, node, WIRE_O_RDONLY, &fh), -ENXIO);
    cr_expect_eq(test_open(guest, node, WIRE_O_RDWR | WIRE_O_TRUNC, &fh),
                 -ENXIO);
    cr_expect_eq(test_call(guest, WIRE_SETATTR, node, &set, sizeof(set),
                           NULL, 0), -EINVAL);
    set.valid = WIRE_SET_MODE;
    cr_expect_eq(test_call(guest, WIRE_SETATTR, node, &set, sizeof(set),
                           NULL, 0), -EOPNOTSUPP);
    node = test_walk(guest, "data/directory");
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, node, NULL, 0, "file"),
                 -ENOTDIR);
    cr_expect_eq(test_opendir(guest, node, &fh), -ENOTDIR);
    expect_contents(secret, "SECRET");
}

/* CVE-2020-35517, CVE-2023-2861: without a writer, opening it hangs */
Test(share_wire, a_pipe_is_not_opened_whatever_is_asked)
{
    uint64_t pipe = test_walk(guest, "data/pipe"), fh;
    WireCreateIn create = { .flags = WIRE_O_RDONLY, .mode = 0666 };
    WireSetattrIn set = { .valid = WIRE_SET_SIZE };
    WireGetxattrIn get = { .size = 100 };

    cr_assert_neq(pipe, 0);
    cr_expect_eq(test_open(guest, pipe, WIRE_O_RDONLY, &fh), -ENXIO);
    cr_expect_eq(test_open(guest, pipe, WIRE_O_WRONLY, &fh), -ENXIO);
    cr_expect_eq(test_name(guest, WIRE_CREATE, test_walk(guest, "data"),
                           &create, sizeof(create), "pipe"), -ENXIO);
    cr_expect_eq(test_call(guest, WIRE_SETATTR, pipe, &set, sizeof(set),
                           NULL, 0), -EINVAL);
    cr_expect_eq(test_name(guest, WIRE_GETXATTR, pipe, &get, sizeof(get),
                           "user.x"), -EOPNOTSUPP);
    cr_expect_eq(test_call(guest, WIRE_SETUPMAPPING, pipe, &get,
                           sizeof(get), NULL, 0), -EINVAL);
}

Test(share_wire, the_file_side_does_not_open_a_pipe_either)
{
    const ShareFileOps *ops = &host_file_ops;
    HostVolume *volume;
    ShareFile *root = root_of(&volume), *pipe;
    ShareOpen *open;
    ShareAttr attr;
    char value[10];

    cr_assert_eq(ops->lookup(volume, root, "pipe", &pipe, &attr), 0);
    cr_expect_eq(ops->open(volume, pipe, SHARE_OPEN_READ, &open), -ENXIO);
    cr_expect_eq(ops->open(volume, pipe, SHARE_OPEN_WRITE, &open), -ENXIO);
    cr_expect_eq(ops->opendir(volume, pipe, &open), -ENOTDIR);
    cr_expect_eq(ops->getxattr(volume, pipe, "user.x", value, 10), -ENXIO);
    cr_expect_eq(ops->syncfs(volume, pipe), -ENXIO);
    ops->forget(volume, pipe);
    ops->forget(volume, root);
    host_volume_free(volume);
}

/* CVE-2020-10717 */
Test(share_wire, descriptors_are_as_many_as_nodes_may_be)
{
    uint64_t data = test_walk(guest, "data");
    unsigned before = entries("/proc/self/fd"), found = 0;

    for (unsigned i = 0; i < 4 * MAX_NODES; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        WireMknodIn in = { .mode = S_IFREG | 0644 };
        int ret = test_name(guest, WIRE_MKNOD, data, &in, sizeof(in), name);

        cr_expect(ret == 0 || ret == -ENFILE);
        found += ret == 0;
    }
    cr_expect_leq(found, MAX_NODES);
    cr_expect_leq(entries("/proc/self/fd"), before + MAX_NODES);
    test_call(guest, WIRE_DESTROY, 0, NULL, 0, NULL, 0);
    cr_expect_eq(entries("/proc/self/fd"), before);
}

/* CVE-2021-20181 */
Test(share_wire, what_is_forgotten_is_closed)
{
    unsigned before = entries("/proc/self/fd");
    uint64_t file = test_walk(guest, "data/file"), fh;

    cr_assert_eq(test_open(guest, file, WIRE_O_RDONLY, &fh), 0);
    cr_expect_eq(entries("/proc/self/fd"), before + 2);
    test_forget(guest, file, UINT64_MAX);
    cr_expect_eq(test_read(guest, file, fh, 0, 10), 0);
    cr_expect_eq(guest->size, 5);
    test_release(guest, file, fh);
    cr_expect_eq(entries("/proc/self/fd"), before);
    cr_expect_eq(test_read(guest, file, fh, 0, 10), -ESTALE);
}

/*
 * CVE-2022-0358: kernels since 6.0 do not send such a mode; others do.  The
 * group is one of this process, until it begins.
 */
Test(share_wire, a_group_that_is_not_the_users_is_not_taken)
{
    WireCreateIn in = { .flags = WIRE_O_RDWR, .mode = 02775 };
    WireEntryOut out;

    if (geteuid() != 0 || chown(shared, 0, STRANGE) < 0) {
        cr_skip_test("needs root: it acts as several users");
    }
    cr_assert_eq(chmod(shared, 02777), 0);
    guest->uid = guest->gid = 1000;
    cr_assert_eq(test_name(guest, WIRE_CREATE, test_walk(guest, "data"), &in,
                           sizeof(in), "program"), 0);
    memcpy(&out, guest->body, sizeof(out));
    cr_expect_eq(out.attr.uid, 1000);
    cr_expect_eq(out.attr.gid, STRANGE);
    cr_expect_eq(out.attr.mode & 07000, 0, "%o", out.attr.mode);
}

/* CVE-2026-63318 */
Test(share_wire, a_read_only_share_is_not_truncated)
{
    uint64_t file = test_walk(guest, "ro/file"), fh;
    g_autofree char *path = below(shared, "file");

    cr_expect_eq(test_open(guest, file, WIRE_O_RDONLY | WIRE_O_TRUNC, &fh),
                 -EROFS);
    cr_expect_eq(test_open(guest, file, WIRE_O_RDWR, &fh), -EROFS);
    expect_contents(path, "hello");
}

Test(share_wire, one_share_is_no_way_into_another)
{
    WireRenameIn rename = { test_walk(guest, "data") };
    uint64_t ro = test_walk(guest, "ro");
    WireLinkIn link = { test_walk(guest, "ro/file") };

    cr_expect_eq(test_names(guest, WIRE_RENAME, ro, &rename, sizeof(rename),
                            "file", "x"), -EROFS);
    rename.newdir = ro;
    cr_expect_eq(test_names(guest, WIRE_RENAME, test_walk(guest, "data"),
                            &rename, sizeof(rename), "file", "x"), -EXDEV);
    cr_expect_eq(test_name(guest, WIRE_LINK, test_walk(guest, "data"), &link,
                           sizeof(link), "x"), -EXDEV);
}

Test(share_wire, only_directories_and_regular_files_are_volumes)
{
    g_autofree char *pipe = below(shared, "pipe");
    g_autoptr(GError) error = NULL;

    cr_expect_null(host_volume_open(pipe, false, &error));
    cr_expect_not_null(strstr(error->message, "neither"));
    g_clear_error(&error);
    cr_expect_null(host_volume_open("/nonexistent/x", false, &error));
    cr_expect_not_null(error);
}

Test(share_wire, a_volume_knows_when_its_path_is_another)
{
    g_autofree char *moved = below(top, "moved");
    HostVolume *volume = host_volume_open(shared, false, NULL);
    uint64_t data = test_walk(guest, "data");

    cr_expect(host_volume_is_current(volume));
    cr_assert_eq(rename(shared, moved), 0);
    g_mkdir(shared, 0755);
    cr_expect_not(host_volume_is_current(volume));
    /* what is shared is still what was shared */
    cr_expect_eq(test_name(guest, WIRE_LOOKUP, data, NULL, 0, "file"), 0);
    host_volume_free(volume);
}

Test(share_wire, a_volume_is_counted_as_a_quota_counts)
{
    g_autofree char *file = below(shared, "file"), *two = below(shared,
                                                                "two");
    g_autofree char *dir = below(shared, "dir"), *deep = below(dir, "deep");
    HostVolume *volume = host_volume_open(shared, false, NULL);
    ShareUsage usage;

    cr_assert_eq(link(file, two), 0);
    g_mkdir(dir, 0755);
    g_file_set_contents(deep, "", 0, NULL);
    cr_assert_eq(truncate(deep, 1 << 20), 0);
    cr_assert(host_volume_count(volume, &usage, NULL));
    cr_expect_eq(usage.files, 4);
    cr_expect_geq(usage.bytes, (1 << 20) + 5);
    cr_expect_leq(usage.bytes, (1 << 20) + 4 * 65536);
    host_volume_free(volume);
}
