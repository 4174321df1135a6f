#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Live snapshots in qemu-storage-daemon: what is refused, start and cancel.

  snapshot-daemon-test.py FOLDER-OF-THE-EMULATOR
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

DISK = 4 << 20
TOOLS = pathlib.Path(sys.argv[1]).resolve()
COUNT = [0]


def check(good, name):
    """Print a line of TAP."""
    COUNT[0] += 1
    print(f'{"" if good else "not "}ok {COUNT[0]} - {name}', flush=True)


def image(name):
    """Return the options of a raw file."""
    return {'driver': 'raw', 'file': {'driver': 'file', 'filename': name}}


class Monitor:
    """A QMP connection."""

    def __init__(self, path):
        for _ in range(300):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.1)
        self.file = self.socket.makefile('rw')
        self.file.readline()
        self.command('qmp_capabilities')

    def command(self, name, **arguments):
        """Send one; return its answer, or the words of the error."""
        self.file.write(json.dumps({'execute': name,
                                    'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'error' in answer:
                return answer['error']['desc']
            if 'return' in answer:
                return answer['return']

    def add(self, name, **more):
        """Add a snapshot's node."""
        return self.command('blockdev-add', **{
            'driver': 'sunder-snapshot', 'node-name': name, 'file': 'disk',
            'background': False, **more})

    def states(self):
        """Return the state of each node."""
        nodes = self.command('query-sunder-snapshot-nodes')
        return {x['node-name']: x['state'] for x in nodes}


def refusals(qmp):
    """What cannot be."""
    check('write' in qmp.add('x', store='disk'), 'the store is the disk')
    check('as large' in qmp.add('x', store={'driver': 'null-co',
                                            'size': 512}),
          'the store is too small')
    check('power of two' in qmp.add('x', store=image('store2'),
                                    **{'block-size': 5000}),
          'a block size that is no power of two')
    check('no map file' in qmp.add('x', store=image('store2'),
                                   map=image('noise')),
          'a map that is none')
    check('give a map' in qmp.add('x', store=image('store2'),
                                  **{'power-safe': True}),
          'power-safe without a map')
    check('has not started' in view(qmp), 'a view before the start')


def view(qmp):
    """Add a node that reads the snapshot."""
    return qmp.command('blockdev-add', **{
        'driver': 'sunder-snapshot-access', 'node-name': 'view',
        'file': 'snap', 'read-only': True})


def start_and_cancel(qmp):
    """A snapshot's life, with another one above it."""
    check(qmp.states() == {'snap': 'prepared'}, 'it is prepared')
    qmp.command('sunder-snapshot-node-start', **{'node-names': ['snap']})
    check(qmp.states() == {'snap': 'copying'}, 'it has started')
    check(view(qmp) == {}, 'it can be read')
    check(qmp.add('above', file='snap', store=image('store2')) == {},
          'another one shares its disk')
    check(qmp.command('blockdev-del', **{'node-name': 'above'}) == {},
          'the other one goes')
    qmp.command('blockdev-del', **{'node-name': 'view'})
    check(qmp.command('sunder-snapshot-node-cancel',
                      **{'node-name': 'snap'}) == {}, 'it is cancelled')
    check(qmp.states() == {'snap': 'cancelled'}, 'and says so')
    check(qmp.command('blockdev-del', **{'node-name': 'snap'}) == {},
          'and can be removed')
    check('cancelled' in qmp.add('snap', store=image('store'),
                                 map=image('map')),
          'its map is not resumed any more')


def main():
    """Run all with one daemon."""
    for name, size in (('disk', DISK), ('store', DISK), ('store2', DISK),
                       ('map', 0)):
        with open(name, 'wb') as file:
            file.truncate(size)
    pathlib.Path('noise').write_bytes(b'noise' * 1000)
    with subprocess.Popen([
            TOOLS / 'qemu-storage-daemon',
            '--chardev', 'socket,id=c,path=qmp,server=on,wait=off',
            '--monitor', 'c', '--blockdev',
            'driver=raw,node-name=disk,file.driver=file,'
            'file.filename=disk']) as daemon:
        try:
            qmp = Monitor('qmp')
            qmp.add('snap', store=image('store'), map=image('map'),
                    start=False)
            qmp.command('blockdev-del', **{'node-name': 'snap'})
            with open('map', 'wb'):
                pass
            check(qmp.add('snap', store=image('store'), map=image('map'),
                          start=False) == {}, 'a node is opened')
            refusals(qmp)
            start_and_cancel(qmp)
            qmp.command('quit')
            check(daemon.wait(60) == 0, 'the daemon ends well')
        finally:
            daemon.kill()
    print(f'1..{COUNT[0]}')


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
    os.chdir('/')
