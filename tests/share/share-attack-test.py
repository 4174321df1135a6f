#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Known attacks on file servers, each against a share (CVE numbers named).

Requests that the kernel would not send are sent by share-wire-test and by
tests/unit/share-request-test.
"""
import ctypes
import errno
import os
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from share_lab import Skip, as_user, equal, error_of, read, run, write

TESTS = []
SECONDS = float(os.environ.get("SHARE_RACE_SECONDS", "0.6"))
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE = 2


def test(function):
    TESTS.append(function)
    return function


def exchange(one, two):
    """Swap two names at once; what they are does not matter."""
    libc.renameat2(-100, one.encode(), -100, two.encode(), EXCHANGE)


class Swapper:
    """The host swaps two names, again and again, while a test looks."""

    def __init__(self, one, two):
        self.names = one, two
        self.ends = False
        self.swaps = 0
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.ends or self.swaps % 2:
            exchange(*self.names)
            self.swaps += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.ends = True
        self.thread.join()
        assert self.swaps > 10


def race(function):
    """Call it for a while, whatever it raises.  Returns what it returned."""
    results, end, count = [], time.monotonic() + SECONDS, 0
    while count < 20 or time.monotonic() < end:
        count += 1
        try:
            results.append(function())
        except OSError:
            pass
    return results


def fingerprint(top):
    """Everything below a folder, with what it is and what is in it."""
    found = []
    for folder, directories, files in os.walk(top):
        for name in sorted(directories) + sorted(files):
            path = os.path.join(folder, name)
            st = os.lstat(path)
            data = read(path) if stat.S_ISREG(st.st_mode) else b""
            found.append((path, st.st_mode, st.st_uid, st.st_gid,
                          st.st_size, st.st_mtime_ns, st.st_nlink, data))
    return sorted(found)


def outside(lab):
    """A folder beside the shares that nobody may see."""
    path = os.path.join(lab.host, "outside")
    os.mkdir(path)
    write(f"{path}/file", "SECRET")
    os.mkdir(f"{path}/sub")
    write(f"{path}/sub/file", "SECRET")
    return path


@test
def symbolic_links_are_the_guests_to_follow(lab):
    """CVE-2016-9602"""
    secret = outside(lab)
    host, guest = lab.share("data")
    os.symlink("../outside/file", f"{host}/relative")
    os.symlink(f"{secret}/file", f"{host}/absolute")
    os.symlink("../outside", f"{host}/directory")
    equal(os.readlink(f"{guest}/relative"), "../outside/file")
    equal(error_of(os.open, f"{guest}/relative", os.O_RDONLY), errno.ENOENT)
    equal(error_of(os.listdir, f"{guest}/directory"), errno.ENOENT)
    equal(error_of(os.open, f"{guest}/relative", os.O_RDONLY |
                   os.O_NOFOLLOW), errno.ELOOP)
    equal(read(f"{secret}/file"), b"SECRET")


@test
def a_directory_swapped_for_a_link_leads_nowhere(lab):
    """CVE-2016-9602, CVE-2018-16872, CVE-2026-93834: every operation"""
    secret = outside(lab)
    host, guest = lab.share("data", "xattrs=user")
    before = fingerprint(secret)
    os.mkdir(f"{host}/dir")
    write(f"{host}/dir/file", "harmless")
    os.mkdir(f"{host}/dir/sub")
    os.symlink("../outside", f"{host}/link")
    at = f"{guest}/dir"
    with Swapper(f"{host}/dir", f"{host}/link"):
        for data in race(lambda: read(f"{at}/file")):
            equal(data, b"harmless")
        for names in race(lambda: os.listdir(f"{at}/sub")):
            equal(names, [])
        race(lambda: write(f"{at}/new", "x"))
        race(lambda: write(f"{at}/file", "harmless"))
        race(lambda: os.chmod(f"{at}/file", 0o777))
        race(lambda: os.chown(f"{at}/file", 12, 12))
        race(lambda: os.truncate(f"{at}/file", 8))
        race(lambda: os.utime(f"{at}/file", (1, 1)))
        race(lambda: os.setxattr(f"{at}/file", "user.x", b"x"))
        race(lambda: os.link(f"{at}/file", f"{guest}/stolen"))
        race(lambda: os.mkdir(f"{at}/made"))
        race(lambda: os.symlink("x", f"{at}/symlink"))
        race(lambda: os.mkfifo(f"{at}/pipe"))
        race(lambda: os.rename(f"{at}/file", f"{at}/renamed"))
        race(lambda: os.unlink(f"{at}/renamed"))
        race(lambda: os.rmdir(f"{at}/sub"))
    equal(fingerprint(secret), before)


@test
def a_file_swapped_for_a_link_or_a_pipe_is_not_opened(lab):
    """CVE-2018-19364, CVE-2018-19489, CVE-2021-20181, CVE-2023-2861"""
    secret = outside(lab)
    host, guest = lab.share("data", "cache=none")
    before = fingerprint(secret)
    write(f"{host}/file", "harmless")
    os.symlink("../outside/file", f"{host}/link")
    os.mkfifo(f"{host}/pipe")
    for other in ("link", "pipe"):
        # O_NONBLOCK is the guest's: its own pipe would block it, not us
        def look():
            fd = os.open(f"{guest}/file", os.O_RDONLY | os.O_NONBLOCK)
            try:
                return os.read(fd, 100)
            finally:
                os.close(fd)

        def change():
            fd = os.open(f"{guest}/file", os.O_RDWR | os.O_CREAT |
                         os.O_TRUNC | os.O_NONBLOCK)
            try:
                os.write(fd, b"harmless")
            finally:
                os.close(fd)
        with Swapper(f"{host}/file", f"{host}/{other}"):
            for data in race(look):
                assert data in (b"harmless", b""), data
            race(change)
    equal(fingerprint(secret), before)


@test
def a_walk_while_directories_move_ends(lab):
    """CVE-2026-48004, CVE-2026-93834"""
    host, guest = lab.share("data", "cache=auto")
    for path in ("a/b/c", "x/y/z"):
        os.makedirs(f"{host}/{path}")
    for i in range(50):
        write(f"{host}/a/b/c/{i}", str(i))
    ends = threading.Event()

    def moves(top):
        while not ends.is_set():
            for source, target in (("a/b", "x/b"), ("x/b", "a/b")):
                try:
                    os.rename(f"{top}/{source}", f"{top}/{target}")
                except OSError:
                    pass

    movers = [threading.Thread(target=moves, args=(top,))
              for top in (host, guest)]
    for mover in movers:
        mover.start()
    listed = race(lambda: os.listdir(f"{guest}/a/b/c"))
    race(lambda: [list(files) for files in os.walk(guest)])
    ends.set()
    for mover in movers:
        mover.join(60)
        assert not mover.is_alive()
    for names in listed:
        equal(len(names), 50)


@test
def special_files_are_not_opened_here(lab):
    """CVE-2020-35517, CVE-2023-2861"""
    host, guest = lab.share("data")
    os.mkfifo(f"{guest}/pipe")
    # the guest's own pipe: writer and reader meet in its kernel, not here
    reader = os.open(f"{guest}/pipe", os.O_RDONLY | os.O_NONBLOCK)
    equal(error_of(os.open, f"{host}/pipe", os.O_WRONLY | os.O_NONBLOCK),
          errno.ENXIO)
    equal(error_of(os.open, f"{guest}/pipe", os.O_WRONLY | os.O_NONBLOCK), 0)
    os.close(reader)
    os.chmod(f"{guest}/pipe", 0o600)
    equal(stat.S_IMODE(os.stat(f"{host}/pipe").st_mode), 0o600)


@test
def devices_are_not_made(lab):
    """nor opened, where the host has them: CVE-2020-35517"""
    as_user(0, lambda: None)
    host, guest = lab.share("data")
    equal(error_of(os.mknod, f"{guest}/mem", 0o666 | stat.S_IFCHR,
                   os.makedev(1, 1)), errno.EPERM)
    os.mknod(f"{host}/zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    st = os.stat(f"{guest}/zero")
    equal((os.major(st.st_rdev), os.minor(st.st_rdev)), (1, 5))
    # mounted nodev, as a guest would: its kernel says no, we are not asked
    equal(error_of(os.open, f"{guest}/zero", os.O_RDONLY), errno.EACCES)


@test
def writing_clears_set_user_id(lab):
    """CVE-2023-1386"""
    host, guest = lab.share("data")
    for how, change in enumerate((
            lambda p: write(p, "changed"),
            lambda p: os.truncate(p, 1),
            lambda p: append(p),
            lambda p: os.chown(p, os.getuid(), os.getgid()))):
        path = f"{host}/file{how}"
        write(path, "program")
        os.chmod(path, 0o6777)
        change(f"{guest}/file{how}")
        equal(oct(os.stat(path).st_mode & 0o6000), "0o0")


def append(path):
    with open(path, "ab") as file:
        file.write(b"more")


@test
def writing_as_a_user_clears_it_too(lab):
    """CVE-2023-1386"""
    host, guest = lab.share("data")
    write(f"{host}/file", "program")
    os.chmod(f"{host}/file", 0o6777)
    as_user(1000, lambda: append(f"{guest}/file"))
    equal(oct(os.stat(f"{host}/file").st_mode & 0o6000), "0o0")


@test
def writing_clears_file_capabilities(lab):
    """CVE-2021-20263"""
    host, guest = lab.share("data", "xattrs=mapped")
    write(f"{host}/file", "program")
    # cap_net_raw=ep, as setcap stores it
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    try:
        os.setxattr(f"{host}/file", "security.capability", value)
    except OSError as error:
        raise Skip("file capabilities cannot be set here") from error
    append(f"{guest}/file")
    equal(error_of(os.getxattr, f"{host}/file", "security.capability"),
          errno.ENODATA)
    equal(error_of(os.setxattr, f"{guest}/file", "security.capability",
                   value), errno.EOPNOTSUPP)
    equal(os.listxattr(f"{host}/file"), [])


@test
def a_group_that_is_not_the_users_is_not_taken(lab):
    """CVE-2022-0358"""
    host, guest = lab.share("data")
    os.chmod(host, 0o2777)
    as_user(0, lambda: None)
    os.chown(host, 0, 5000)
    os.chmod(host, 0o2777)

    def make():
        fd = os.open(f"{guest}/program", os.O_CREAT | os.O_WRONLY, 0o2775)
        os.close(fd)
    os.umask(0)
    as_user(1000, make)
    st = os.stat(f"{host}/program")
    equal(st.st_gid, 5000)
    equal(oct(st.st_mode & 0o2000), "0o0")
    equal(st.st_uid, 1000)


@test
def descriptors_run_out_for_the_guest_only(lab):
    """CVE-2020-10717"""
    host, guest = lab.share("data", "cache=always")
    _, other = lab.share("other", "cache=none")
    write(f"{host}/file", "x")
    for i in range(2000):
        write(f"{host}/f{i}", "")
    held = []
    try:
        while len(held) < 2000:
            held.append(os.open(f"{guest}/file", os.O_RDONLY))
    except OSError as error:
        equal(error.errno, errno.ENFILE)
    assert 100 < len(held) < 1000, len(held)
    errors = {error_of(os.stat, f"{guest}/f{i}") for i in range(2000)}
    assert errors <= {0, errno.ENFILE}, errors
    nodes, handles = lab.tell("count")[:2]
    assert nodes <= 1500 and handles <= 600, (nodes, handles)
    assert len(os.listdir(f"/proc/{lab.server.pid}/fd")) < 2300
    for fd in held:
        os.close(fd)
    # the kernel releases in its own time
    for _ in range(500):
        if lab.tell("count")[1] == 0:
            break
        time.sleep(0.02)
    equal(lab.tell("count")[1], 0)


@test
def a_long_list_of_attributes_is_refused(lab):
    """CVE-2016-9104, CVE-2017-15038"""
    host, guest = lab.share("data", "xattrs=user")
    write(f"{guest}/file", "x")
    error = error_of(os.setxattr, f"{guest}/file", "user.x", bytes(65536))
    assert error in (errno.ENOSPC, errno.E2BIG, errno.EOPNOTSUPP, 0), error
    equal(error_of(os.setxattr, f"{guest}/file", "user.x", bytes(65537)),
          errno.E2BIG)
    assert error_of(os.getxattr, f"{guest}/file", "user." + "x" * 250) in (
        errno.ENODATA, errno.EOPNOTSUPP)


@test
def a_read_only_share_stays_as_it_is(lab):
    """CVE-2026-63318"""
    host = os.path.join(lab.host, "data")
    os.makedirs(f"{host}/dir")
    write(f"{host}/file", "as it is")
    before = fingerprint(host)
    _, guest = lab.share("data", "ro", "xattrs=all")
    for call in (
            lambda: os.open(f"{guest}/file", os.O_WRONLY),
            lambda: os.open(f"{guest}/file", os.O_RDONLY | os.O_TRUNC),
            lambda: os.open(f"{guest}/file", os.O_RDWR | os.O_CREAT),
            lambda: os.open(f"{guest}/new", os.O_RDWR | os.O_CREAT),
            lambda: os.open(guest, os.O_RDWR | os.O_TMPFILE),
            lambda: os.truncate(f"{guest}/file", 0),
            lambda: os.chmod(f"{guest}/file", 0o777),
            lambda: os.utime(f"{guest}/file"),
            lambda: os.unlink(f"{guest}/file"),
            lambda: os.rmdir(f"{guest}/dir"),
            lambda: os.mkdir(f"{guest}/new"),
            lambda: os.mkfifo(f"{guest}/new"),
            lambda: os.symlink("x", f"{guest}/new"),
            lambda: os.link(f"{guest}/file", f"{guest}/new"),
            lambda: os.rename(f"{guest}/file", f"{guest}/new"),
            lambda: os.setxattr(f"{guest}/file", "user.x", b"x")):
        equal(error_of(call), errno.EROFS)
    equal(read(f"{guest}/file"), b"as it is")
    equal(fingerprint(host), before)


@test
def the_root_of_a_share_is_its_end(lab):
    """CVE-2017-7471, CVE-2016-7116, CVE-2026-47243"""
    outside(lab)
    host, guest = lab.share("data")
    equal(os.stat(f"{guest}/..").st_ino, os.stat(lab.guest).st_ino)
    equal(os.listdir(f"{guest}/.."), ["data"])
    equal(error_of(os.rename, guest, f"{lab.guest}/other"), errno.EROFS)
    equal(error_of(os.rmdir, guest), errno.EROFS)
    equal(error_of(os.mkdir, f"{lab.guest}/new"), errno.EROFS)


@test
def what_is_mounted_below_is_not_shared(lab):
    """unless policy says so"""
    host = os.path.join(lab.host, "data")
    os.makedirs(f"{host}/mnt")
    if libc.mount(b"tmpfs", f"{host}/mnt".encode(), b"tmpfs", 0, None):
        raise Skip("tmpfs cannot be mounted here")
    # the server has a namespace of its own only if it is told to: ours
    write(f"{host}/mnt/file", "mounted")
    _, guest = lab.share("data")
    equal(error_of(os.listdir, f"{guest}/mnt"), errno.EACCES)
    lab.tell("add", "with", host, "submounts")
    equal(read(f"{lab.guest}/with/mnt/file"), b"mounted")
    libc.umount2(f"{host}/mnt".encode(), 2)


@test
def names_are_bytes_and_are_passed_on_as_they_are(lab):
    """QSB-118: what shows them has to make them harmless"""
    host, guest = lab.share("data")
    for name in (b"a\nb", b"\x1b[2J\x1b]0;owned\x07", b"$(reboot)", b"-rf",
                 b"\xff\xfe", b"x" * 255):
        write(os.fsencode(guest) + b"/" + name, "x")
        assert name in os.listdir(os.fsencode(host)), name
        os.unlink(os.fsencode(guest) + b"/" + name)
    equal(os.listdir(host), [])


run(TESTS)
