#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill -9 while a snapshot is copied; what is resumed is the snapshot.

  snapshot-kill-test.py FOLDER-OF-THE-EMULATOR

Each disk is written to under three processes in turn that are killed at any
moment, and then compared with what it was, byte by byte.  KILLS in the
environment: how many are killed; SEED: of what is random.
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

DISK = 8 << 20
PROCESSES = 3
TOOLS = pathlib.Path(sys.argv[1]).resolve()
# Killed before it had begun: declared so, and nothing was written yet.
CUT_SHORT = 'start was cut short'
KILLS = int(os.environ.get('KILLS', '9'))
CHOICE = random.Random(int(os.environ.get('SEED', '1')))


def options(prefix=''):
    """Return the options of the snapshot's node."""
    parts = [f'{prefix}driver=sunder-snapshot']
    for child in ('file', 'store', 'map'):
        parts += [f'{prefix}{child}.driver=raw',
                  f'{prefix}{child}.file.driver=file',
                  f'{prefix}{child}.file.filename={child}.img']
    return ','.join(parts)


def writes():
    """Return the commands of a guest that writes all over its disk."""
    lines = []
    for _ in range(400):
        if CHOICE.random() < 0.03:
            lines.append('flush')
        else:
            length = CHOICE.choice([512, 4096, 20480])
            offset = CHOICE.randrange(DISK - length) // 512 * 512
            lines.append(f'aio_write -P {CHOICE.randrange(256)} {offset} '
                         f'{length}')
    return '\n'.join(lines) + '\n'


def write_and_kill():
    """Run a guest for a moment."""
    rate = CHOICE.choice(['1M', '4M'])
    with subprocess.Popen([TOOLS / 'qemu-io', '--image-opts',
                           f'{options()},rate={rate}'],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        process.stdin.write(writes().encode())
        process.stdin.flush()
        time.sleep(CHOICE.random() / 4)
        process.kill()
        said = process.communicate()[0].decode()
    return "can't open" not in said or CUT_SHORT in said


def snapshot(disk):
    """Return what the snapshot holds; the disk if it had not begun."""
    view = ('driver=sunder-snapshot-access,read-only=on,file.read-only=off,'
            'file.background=off,' + options('file.'))
    done = subprocess.run([TOOLS / 'qemu-img', 'convert', '-O', 'raw',
                           '--image-opts', view, 'out.img'],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        print('#', done.stderr.replace('\n', ' '))
        return disk if CUT_SHORT in done.stderr else None
    return pathlib.Path('out.img').read_bytes()


def run_disk():
    """Return (resumed each time, snapshot right, disk was written)."""
    before = CHOICE.randbytes(DISK)
    pathlib.Path('file.img').write_bytes(before)
    for name, size in (('store.img', DISK), ('map.img', 0)):
        with open(name, 'wb') as file:
            file.truncate(size)
    resumed = all([write_and_kill() for _ in range(PROCESSES)])
    disk = pathlib.Path('file.img').read_bytes()
    return resumed, snapshot(disk) == before, disk != before


def main():
    """Run the disks; print TAP."""
    disks = max(KILLS // PROCESSES, 1)
    written = 0
    print(f'1..{2 * disks + 1}')
    for i in range(disks):
        resumed, right, changed = run_disk()
        print(f'{"" if resumed else "not "}ok {2 * i + 1} - resumed each time')
        print(f'{"" if right else "not "}ok {2 * i + 2} - bit by bit the same',
              flush=True)
        written += changed
    print(f'{"" if written else "not "}ok {2 * disks + 1} - {written} of '
          f'{disks} disks were written to meanwhile')


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
    os.chdir('/')
