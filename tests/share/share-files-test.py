#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs do with files works on a share as it does elsewhere."""
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from share_lab import Skip, as_user, equal, error_of, read, run, write

TESTS = []
libc = ctypes.CDLL(None, use_errno=True)


def test(function):
    TESTS.append(function)
    return function


def caches(function):
    """The same with each cache policy."""
    for cache in ("none", "auto", "always"):
        def with_cache(lab, cache=cache):
            function(lab, *lab.share("data", f"cache={cache}",
                                     "xattrs=user"))
        with_cache.__name__ = f"{function.__name__}_cache_{cache}"
        TESTS.append(with_cache)
    return function


@caches
def files_are_written_and_read(lab, host, guest):
    data = os.urandom(3 << 20)
    write(f"{guest}/file", data)
    equal(read(f"{host}/file"), data)
    equal(read(f"{guest}/file"), data)
    with open(f"{guest}/file", "r+b") as file:
        file.seek(1234567)
        file.write(b"in the middle")
        file.seek(1234567)
        equal(file.read(13), b"in the middle")
        file.truncate(2000000)
    equal(os.stat(f"{host}/file").st_size, 2000000)
    fd = os.open(f"{guest}/file", os.O_WRONLY | os.O_TRUNC)
    os.close(fd)
    equal(read(f"{host}/file"), b"")


@caches
def names_are_made_and_removed(lab, host, guest):
    os.mkdir(f"{guest}/dir", 0o750)
    equal(stat.S_IMODE(os.stat(f"{host}/dir").st_mode) & 0o750, 0o750)
    write(f"{guest}/dir/file", "x")
    os.symlink("dir/file", f"{guest}/link")
    equal(os.readlink(f"{guest}/link"), "dir/file")
    equal(read(f"{guest}/link"), b"x")
    os.link(f"{guest}/dir/file", f"{guest}/two")
    equal(os.stat(f"{guest}/two").st_ino, os.stat(f"{guest}/link").st_ino)
    equal(os.stat(f"{guest}/two").st_nlink, 2)
    os.mkfifo(f"{guest}/pipe")
    equal(sorted(os.listdir(guest)), ["dir", "link", "pipe", "two"])
    equal(error_of(os.rmdir, f"{guest}/dir"), errno.ENOTEMPTY)
    os.rename(f"{guest}/dir/file", f"{guest}/moved")
    write(f"{guest}/two", "changed")
    equal(read(f"{host}/moved"), b"changed")
    os.unlink(f"{guest}/two")
    write(f"{guest}/two", "another")
    os.rename(f"{guest}/moved", f"{guest}/two")
    os.rmdir(f"{guest}/dir")
    for name in ("link", "pipe", "two"):
        os.unlink(f"{guest}/{name}")
    equal(os.listdir(host), [])


@caches
def a_directory_of_many_files_is_listed(lab, host, guest):
    names = sorted(f"a-file-with-a-long-name-{i:04}" for i in range(700))
    for name in names:
        write(f"{host}/{name}", "")
    equal(sorted(os.listdir(guest)), names)
    found = sorted(e.name for e in os.scandir(guest)
                   if e.stat(follow_symlinks=False).st_size == 0)
    equal(found, names)
    # while it is listed, entries go
    with os.scandir(guest) as entries:
        first = next(entries).name
        for name in names[::2]:
            os.unlink(f"{guest}/{name}")
        rest = [e.name for e in entries]
    assert set(names[1::2]) <= set(rest) | {first}
    assert len(rest) == len(set(rest))


@caches
def a_file_lives_on_while_it_is_open(lab, host, guest):
    with open(f"{guest}/file", "w+b") as file:
        file.write(b"still here")
        file.flush()
        os.unlink(f"{guest}/file")
        equal(os.fstat(file.fileno()).st_nlink, 0)
        equal(os.fstat(file.fileno()).st_size, 10)
        os.fchmod(file.fileno(), 0o600)
        file.seek(0)
        equal(file.read(), b"still here")
    equal(os.listdir(host), [])


@caches
def memory_is_mapped(lab, host, guest):
    write(f"{guest}/file", b"a" * 100000)
    with open(f"{guest}/file", "r+b") as file:
        try:
            memory = mmap.mmap(file.fileno(), 100000)
        except OSError as error:
            # without DAX, Linux before 6.6 maps nothing that is not cached
            equal(error.errno, errno.ENODEV)
            raise Skip("this kernel maps nothing uncached") from error
        memory[5000:5005] = b"hello"
        memory.flush()
        memory.close()
    equal(read(f"{host}/file")[4999:5006], b"ahelloa")


@caches
def appending_goes_to_the_end(lab, host, guest):
    with open(f"{guest}/log", "ab", buffering=0) as ours:
        ours.write(b"one ")
        with open(f"{host}/log", "ab", buffering=0) as theirs:
            theirs.write(b"two ")
        ours.write(b"three")
    equal(read(f"{host}/log"), b"one two three")


@caches
def times_modes_and_owners_are_set(lab, host, guest):
    write(f"{guest}/file", "x")
    os.utime(f"{guest}/file", ns=(1234567891234567890, 987654321987654321))
    st = os.stat(f"{host}/file")
    equal((st.st_atime_ns, st.st_mtime_ns),
          (1234567891234567890, 987654321987654321))
    os.chmod(f"{guest}/file", 0o4711)
    equal(stat.S_IMODE(os.stat(f"{host}/file").st_mode), 0o4711)
    os.symlink("file", f"{guest}/link")
    os.utime(f"{guest}/link", ns=(5, 6), follow_symlinks=False)
    equal(os.lstat(f"{host}/link").st_mtime_ns, 6)
    before = os.stat(f"{host}/file").st_mtime_ns
    os.utime(f"{guest}/file")
    assert os.stat(f"{host}/file").st_mtime_ns > before


@test
def a_program_is_run(lab):
    host, guest = lab.share("data", "cache=auto")
    write(f"{guest}/script", "#!/bin/sh\necho ran\n")
    os.chmod(f"{guest}/script", 0o755)
    equal(subprocess.check_output([f"{guest}/script"]), b"ran\n")


@test
def attributes_are_kept(lab):
    host, guest = lab.share("data", "xattrs=user")
    write(f"{guest}/file", "x")
    try:
        os.setxattr(f"{host}/file", "user.probe", b"x")
        os.removexattr(f"{host}/file", "user.probe")
    except OSError as error:
        raise Skip("no extended attributes on this file system") from error
    os.setxattr(f"{guest}/file", "user.colour", b"blue\0red")
    equal(os.getxattr(f"{host}/file", "user.colour"), b"blue\0red")
    equal(os.getxattr(f"{guest}/file", "user.colour"), b"blue\0red")
    equal(os.listxattr(f"{guest}/file"), ["user.colour"])
    equal(error_of(os.setxattr, f"{guest}/file", "user.colour", b"x",
                   os.XATTR_CREATE), errno.EEXIST)
    os.removexattr(f"{guest}/file", "user.colour")
    equal(os.listxattr(f"{guest}/file"), [])
    equal(error_of(os.getxattr, f"{guest}/file", "user.colour"),
          errno.ENODATA)


@test
def space_is_allocated_and_holes_are_found(lab):
    host, guest = lab.share("data")
    with open(f"{guest}/file", "w+b", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        equal(os.stat(f"{host}/file").st_size, 1 << 20)
        file.truncate(0)
        file.truncate(8 << 20)
        file.seek(4 << 20)
        file.write(b"data")
        at = os.lseek(file.fileno(), 0, os.SEEK_DATA)
        theirs = os.open(f"{host}/file", os.O_RDONLY)
        equal(at, os.lseek(theirs, 0, os.SEEK_DATA))
        equal(os.lseek(file.fileno(), at, os.SEEK_HOLE),
              os.lseek(theirs, at, os.SEEK_HOLE))
        os.close(theirs)


@test
def a_range_is_copied(lab):
    host, guest = lab.share("data")
    write(f"{guest}/from", b"0123456789" * 1000)
    with open(f"{guest}/from", "rb") as source, \
            open(f"{guest}/to", "w+b") as target:
        copied = os.copy_file_range(source.fileno(), target.fileno(), 5000,
                                    5, 0)
        equal(copied, 5000)
    equal(read(f"{host}/to"), (b"0123456789" * 1000)[5:5005])


@test
def a_file_without_a_name_is_given_one(lab):
    host, guest = lab.share("data")
    try:
        fd = os.open(guest, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as error:
        equal(error.errno, errno.EOPNOTSUPP)
        raise Skip("O_TMPFILE is not supported here") from error
    os.write(fd, b"nameless")
    equal(os.listdir(host), [])
    equal(libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100,
                      f"{guest}/name".encode(), 0x400), 0)
    os.close(fd)
    equal(read(f"{host}/name"), b"nameless")


@test
def names_are_exchanged(lab):
    host, guest = lab.share("data")
    write(f"{guest}/a", "A")
    write(f"{guest}/b", "B")
    for flags, error, a in ((1, errno.EEXIST, b"A"), (2, 0, b"B")):
        ret = libc.renameat2(-100, f"{guest}/a".encode(), -100,
                             f"{guest}/b".encode(), flags)
        equal(ctypes.get_errno() if ret else 0, error)
        equal(read(f"{host}/a"), a)


@test
def locks_hold_against_the_host(lab):
    host, guest = lab.share("data")
    write(f"{guest}/file", "x")
    with open(f"{guest}/file", "r+b") as ours, \
            open(f"{host}/file", "r+b") as theirs:
        # a lock of an open file description, as the engine's are
        region = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        fcntl.fcntl(theirs, 37, region)
        equal(error_of(fcntl.lockf, ours, fcntl.LOCK_EX | fcntl.LOCK_NB),
              errno.EAGAIN)
        waits = threading.Thread(target=fcntl.lockf,
                                 args=(ours, fcntl.LOCK_EX))
        waits.start()
        while lab.tell("count")[2] == 0:
            time.sleep(0.01)
        # nobody else waits for it
        equal(read(f"{guest}/file"), b"x")
        fcntl.fcntl(theirs, 37, struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0,
                                            0, 0))
        waits.join(60)
        assert not waits.is_alive()
        equal(error_of(fcntl.fcntl, theirs, 37, region), errno.EAGAIN)
    with open(f"{host}/file", "r+b") as theirs:
        fcntl.fcntl(theirs, 37, region)


@test
def whole_files_are_locked(lab):
    host, guest = lab.share("data")
    write(f"{guest}/file", "x")
    with open(f"{guest}/file", "rb") as one, open(f"{guest}/file", "rb") as \
            two, open(f"{host}/file", "rb") as theirs:
        fcntl.flock(one, fcntl.LOCK_EX)
        equal(error_of(fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB),
              errno.EAGAIN)
        equal(error_of(fcntl.flock, theirs, fcntl.LOCK_SH | fcntl.LOCK_NB),
              errno.EAGAIN)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(theirs, fcntl.LOCK_SH)


@test
def waiting_for_a_lock_is_interrupted(lab):
    host, guest = lab.share("data")
    write(f"{guest}/file", "x")
    with open(f"{host}/file", "rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        child = subprocess.Popen([sys.executable, "-c",
                                  "import fcntl,sys\n"
                                  "f = open(sys.argv[1])\n"
                                  "fcntl.flock(f, fcntl.LOCK_EX)\n",
                                  f"{guest}/file"])
        while lab.tell("count")[2] == 0:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        equal(child.wait(60), -signal.SIGTERM)


@test
def the_host_changes_a_file_and_it_shows(lab):
    host, guest = lab.share("data", "cache=none")
    write(f"{guest}/file", "old")
    equal(read(f"{guest}/file"), b"old")
    write(f"{host}/file", "newer")
    equal(read(f"{guest}/file"), b"newer")
    equal(os.stat(f"{guest}/file").st_size, 5)
    os.unlink(f"{host}/file")
    assert not os.path.exists(f"{guest}/file")


@test
def a_single_file_is_shared(lab):
    path = os.path.join(lab.host, "only")
    write(path, "one file")
    write(os.path.join(lab.host, "other"), "not this one")
    lab.tell("add", "one", path)
    equal(os.listdir(lab.guest), ["one"])
    equal(read(f"{lab.guest}/one"), b"one file")
    with open(f"{lab.guest}/one", "ab") as file:
        file.write(b" more")
    equal(read(path), b"one file more")
    equal(error_of(os.unlink, f"{lab.guest}/one"), errno.EROFS)


@test
def the_quota_limits_files_and_bytes(lab):
    host = os.path.join(lab.host, "data")
    os.mkdir(host)
    write(f"{host}/was", b"x" * 100000)
    lab.share("data", "bytes=1000000", "files=5")
    guest = os.path.join(lab.guest, "data")
    equal(error_of(write, f"{guest}/big", bytes(950000)), errno.EDQUOT)
    os.unlink(f"{guest}/big")
    write(f"{guest}/fits", bytes(800000))
    with open(f"{guest}/fits", "r+b") as file:
        equal(error_of(file.truncate, 2000000), errno.EDQUOT)
        equal(error_of(os.posix_fallocate, file.fileno(), 0, 2000000),
              errno.EDQUOT)
    for name in "abc":
        os.mkdir(f"{guest}/{name}")
    equal(error_of(os.mkdir, f"{guest}/d"), errno.EDQUOT)
    os.unlink(f"{guest}/fits")
    os.rmdir(f"{guest}/a")
    # the guest's kernel forgets in its own time
    for _ in range(1000):
        if lab.tell("usage", "data")[1] == 3:
            break
        time.sleep(0.02)
    used, files = lab.tell("usage", "data")
    equal(files, 3)
    assert 100000 <= used < 200000, used
    fs = os.statvfs(guest)
    assert fs.f_blocks * fs.f_frsize <= 1000000
    equal(fs.f_ffree, 2)


@test
def ids_are_mapped_both_ways(lab):
    os.mkdir(os.path.join(lab.host, "data"), 0o755)
    host = os.path.join(lab.host, "data")
    write(f"{host}/theirs", "x")
    write(f"{host}/nobodys", "x")

    def arrange():
        pass
    as_user(0, arrange)         # or it is skipped
    os.chown(host, 50000, 60000)
    os.chown(f"{host}/theirs", 51000, 61000)
    host, guest = lab.share("data", "uids=0:50000:10000",
                            "gids=0:60000:10000")
    st = os.stat(f"{guest}/theirs")
    equal((st.st_uid, st.st_gid), (1000, 1000))
    equal(os.stat(f"{guest}/nobodys").st_uid, 65534)
    os.mkdir(f"{guest}/roots")
    equal(os.stat(f"{host}/roots").st_uid, 50000)
    os.chmod(f"{guest}/roots", 0o777)
    as_user(1000, lambda: write(f"{guest}/roots/users", "x"))
    st = os.stat(f"{host}/roots/users")
    equal((st.st_uid, st.st_gid), (51000, 61000))
    # root of the guest makes things in a user's directory
    as_user(1000, lambda: os.mkdir(f"{guest}/roots/private", 0o700))
    write(f"{guest}/roots/private/file", "x")
    equal(os.stat(f"{host}/roots/private/file").st_uid, 50000)
    os.chown(f"{guest}/theirs", 7, 8)
    equal(os.stat(f"{host}/theirs").st_uid, 50007)
    equal(error_of(os.chown, f"{guest}/theirs", 20000, -1), errno.EINVAL)
    equal(error_of(os.chmod, f"{guest}/nobodys", 0o777), errno.EPERM)
    equal(error_of(open, f"{guest}/nobodys", "r+"), errno.EACCES)


@test
def everything_is_given_to_one_owner(lab):
    as_user(0, lambda: None)
    host, guest = lab.share("data", "squash=all", "anonymous=4321")
    os.chown(host, 4321, 4321)
    as_user(4321, lambda: write(f"{guest}/one", "x"))
    write(f"{guest}/two", "x")
    for name in ("one", "two"):
        equal(os.stat(f"{host}/{name}").st_uid, 4321)
    equal(error_of(os.chown, f"{guest}/one", 0, 0), errno.EPERM)


run(TESTS)
