#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shares come and go while they are used; slow files stop nobody else.

SHARE_STORM_SECONDS (2) is how long shares come and go under load.
"""
import errno
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from share_lab import equal, error_of, read, run, write

TESTS = []
SECONDS = float(os.environ.get("SHARE_STORM_SECONDS", "2"))


def test(function):
    TESTS.append(function)
    return function


@test
def a_share_shows_at_once_and_goes_at_once(lab):
    equal(os.listdir(lab.guest), [])
    host, guest = lab.share("data")
    write(f"{host}/file", "x")
    equal(os.listdir(lab.guest), ["data"])
    equal(read(f"{guest}/file"), b"x")
    lab.tell("remove", "data")
    equal(os.listdir(lab.guest), [])
    equal(error_of(os.stat, guest), errno.ENOENT)


@test
def what_was_open_is_stale_and_nothing_hangs(lab):
    host, guest = lab.share("data", "cache=none")
    write(f"{host}/file", "x" * 10000)
    os.mkdir(f"{host}/dir")
    file = os.open(f"{guest}/file", os.O_RDWR)
    folder = os.open(f"{guest}/dir", os.O_RDONLY)
    assert lab.descriptors(host) >= 4
    lab.tell("remove", "data")
    # the host may unmount it now
    equal(lab.descriptors(host), 0)
    equal(error_of(os.pread, file, 100, 0), errno.ESTALE)
    equal(error_of(os.pwrite, file, b"x", 0), errno.ESTALE)
    equal(error_of(os.fstat, file), errno.ESTALE)
    equal(error_of(os.listdir, folder), errno.ESTALE)
    equal(error_of(os.stat, "x", dir_fd=folder), errno.ESTALE)
    equal(error_of(os.fsync, file), errno.ESTALE)
    try:
        os.close(file)
    except OSError as error:
        equal(error.errno, errno.ESTALE)
    os.close(folder)
    # one of the same name is another
    lab.share("data")
    equal(read(f"{guest}/file"), b"x" * 10000)


@test
def a_thousand_shares_are_there(lab):
    for i in range(1000):
        host = os.path.join(lab.host, f"share{i}")
        os.mkdir(host)
        write(f"{host}/number", str(i))
        lab.tell("add", f"share{i}", host)
    equal(len(os.listdir(lab.guest)), 1000)
    equal(os.stat(lab.guest).st_nlink, 1002)
    for i in random.Random(7).sample(range(1000), 100):
        equal(read(f"{lab.guest}/share{i}/number"), str(i).encode())
    for i in range(0, 1000, 2):
        lab.tell("remove", f"share{i}")
    equal(len(os.listdir(lab.guest)), 500)
    equal(read(f"{lab.guest}/share999/number"), b"999")
    equal(error_of(os.stat, f"{lab.guest}/share0"), errno.ENOENT)


def stress(top, seed, ends, errors):
    """What fsstress does, a little of it."""
    rand = random.Random(seed)

    def path():
        return f"{top}/{rand.choice('abcdef')}{seed}"
    steps = (
        lambda: write(path(), rand.randbytes(rand.randrange(20000))),
        lambda: read(path()),
        lambda: os.rename(path(), path()),
        lambda: os.unlink(path()),
        lambda: os.mkdir(path()),
        lambda: os.rmdir(path()),
        lambda: os.listdir(top),
        lambda: os.truncate(path(), rand.randrange(5000)),
        lambda: os.link(path(), path()),
        lambda: os.symlink("x", path()),
    )
    usual = {errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR,
             errno.ENOTEMPTY, errno.EPERM, errno.ELOOP}
    while not ends.is_set():
        try:
            rand.choice(steps)()
        except OSError as error:
            if error.errno not in usual:
                errors.append(repr(error))
                return


@test
def shares_come_and_go_under_load(lab):
    _, steady = lab.share("steady", "cache=auto")
    for i in range(20):
        os.mkdir(os.path.join(lab.host, f"other{i}"))
        write(os.path.join(lab.host, f"other{i}", "file"), "x")
    ends, errors = threading.Event(), []
    workers = [threading.Thread(target=stress, args=(steady, i, ends,
                                                     errors))
               for i in range(3)]

    def look():
        while not ends.is_set():
            for name in os.listdir(lab.guest):
                error = error_of(read, f"{lab.guest}/{name}/file")
                if name != "steady" and error not in (
                        0, errno.ENOENT, errno.ESTALE):
                    errors.append(f"{name}: {os.strerror(error)}")
    workers.append(threading.Thread(target=look))
    for worker in workers:
        worker.start()
    end, changes = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or changes < 100:
        name = f"other{changes % 20}"
        lab.tell("add", name, os.path.join(lab.host, name))
        lab.tell("remove", f"other{(changes + 10) % 20}"
                 if changes >= 10 else name)
        if changes < 10:
            lab.tell("add", name, os.path.join(lab.host, name))
        changes += 1
        time.sleep(0.005)
    ends.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    equal(errors, [])
    print(f"# {changes / SECONDS:.0f} shares came and as many went a second")


@test
def a_slow_file_stops_nobody_else(lab):
    host, guest = lab.share("data", "cache=none")
    write(f"{host}/slow", bytes(100 * 4096))
    for i in range(50):
        write(f"{host}/fast{i}", str(i))
    begun, finished, fast = threading.Semaphore(0), [], []
    files = [os.open(f"{guest}/slow", os.O_RDONLY) for _ in range(30)]
    lab.tell("hold", "slow")

    def slow(i):
        fd = files[i]
        begun.release()
        os.pread(fd, 4096, i * 4096)
        finished.append(i)
        os.close(fd)

    def others():
        for i in range(50):
            fast.append(read(f"{guest}/fast{i}"))
    readers = [threading.Thread(target=slow, args=(i,)) for i in range(30)]
    reader = threading.Thread(target=others)
    for thread in readers:
        thread.start()
    for thread in readers:
        begun.acquire()
    time.sleep(0.2)
    reader.start()
    reader.join(60)
    equal(finished, [])
    # far fewer threads than readers that wait, and yet these were read
    got = list(fast)
    lab.tell("free")
    for thread in readers + [reader]:
        thread.join(60)
    equal(got, [str(i).encode() for i in range(50)])
    equal(len(finished), 30)


@test
def a_share_whose_file_is_slow_can_be_removed(lab):
    host, guest = lab.share("data", "cache=none")
    write(f"{host}/slow", "x")
    lab.tell("hold", "slow")
    begun, result = threading.Event(), []

    def slow():
        fd = os.open(f"{guest}/slow", os.O_RDONLY)
        begun.set()
        result.append(error_of(os.pread, fd, 1, 0))
    reader = threading.Thread(target=slow)
    reader.start()
    begun.wait()
    time.sleep(0.2)
    lab.tell("remove", "data")
    equal(os.listdir(lab.guest), [])
    lab.tell("free")
    reader.join(60)
    assert result[0] in (0, errno.ESTALE), result
    # what the request held follows it
    for _ in range(500):
        if lab.descriptors(host) == 0:
            break
        time.sleep(0.01)
    equal(lab.descriptors(host), 0)


run(TESTS)
