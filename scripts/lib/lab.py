# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that a benchmark runs, with a QMP monitor of its own."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

PAGE = os.sysconf('SC_PAGE_SIZE')


class Lab:
    """A machine started with "sunder run MACHINE OPTION...".

    Its guest boots; guest() waits for it.
    """

    build = pathlib.Path('build')
    running = []

    def __init__(self, machine, *options):
        self.name = (f'bench-{pathlib.Path(machine).stem}-{os.getpid()}-'
                     f'{len(Lab.running)}')
        self.title = machine
        self.events = []
        Lab.running.append(self)
        self.sunder('run', machine, '--name', self.name, '--detach', *options)
        status = json.loads(self.sunder('status', self.name, '--json'))
        self.pid = status['pid']
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(status['qmp'])
        self.input = b''
        self.receive(10)
        self.qmp('qmp_capabilities')

    def sunder(self, *arguments):
        """Run sunder and return what it prints; end if it fails."""
        result = subprocess.run([self.build / 'tools' / 'sunder', *arguments],
                                text=True, timeout=180, check=False,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE)
        if result.returncode:
            sys.exit(f'bench: sunder {" ".join(arguments)}: exit status '
                     f'{result.returncode}')
        return result.stdout

    def guest(self, command):
        """Run a command in the guest and return what it prints."""
        return self.sunder('exec', self.name, command)

    def guest_start(self, command):
        """Start a command in the guest: a Popen whose output is a pipe."""
        return subprocess.Popen(
            [self.build / 'tools' / 'sunder', 'exec', '-n', self.name,
             command], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE)

    def receive(self, limit_s):
        """Return the next message of the monitor, or None."""
        end = time.monotonic() + limit_s
        while b'\n' not in self.input:
            self.socket.settimeout(max(1e-3, end - time.monotonic()))
            try:
                got = self.socket.recv(65536)
            except TimeoutError:
                return None
            if not got:
                sys.exit(f'bench: {self.name}: the emulator has gone; '
                         f'"sunder status {self.name}" tells more')
            self.input += got
        text, self.input = self.input.split(b'\n', 1)
        return json.loads(text)

    def qmp(self, command, **arguments):
        """Run a QMP command and return its value."""
        self.socket.sendall(json.dumps({
            'execute': command,
            'arguments': {key.replace('_', '-'): value
                          for key, value in arguments.items()},
        }).encode())
        while True:
            message = self.receive(60)
            if message is None or 'error' in message:
                sys.exit(f'bench: {self.name}: {command}: {message}')
            if 'return' in message:
                return message['return']
            self.events.append(message)

    def wait_event(self, name, limit_s, holds=lambda data: True):
        """Return the data of an event and drop those before it, or None."""
        end = time.monotonic() + limit_s
        while True:
            while self.events:
                event = self.events.pop(0)
                if event['event'] == name and holds(event['data']):
                    return event['data']
            message = self.receive(end - time.monotonic())
            if message is None:
                return None
            self.events.append(message)

    def swept(self, limit_s=60, **wanted):
        """Return the next sweep that has ended and is as wanted."""
        data = self.wait_event(
            'SUNDER_BALLOON_SWEPT', limit_s,
            lambda data: wanted.items() <= data['sweep'].items())
        if data is None or data['sweep']['state'] != 'completed':
            sys.exit(f'bench: {self.name}: no sweep has completed: {data}')
        return data['sweep']

    def sweep(self, **arguments):
        """Sweep by command; return the sweep when it has ended."""
        begun = self.qmp('sunder-balloon-sweep', **arguments)
        return self.swept(id=begun['id'])

    def process_resident(self):
        """Return the bytes of the whole emulator that are resident."""
        text = pathlib.Path(f'/proc/{self.pid}/statm').read_text()
        return int(text.split()[1]) * PAGE

    def guest_memory(self):
        """Return what smaps tells of the guest's memory, in bytes.

        That is the largest mapping by far.
        """
        text = pathlib.Path(f'/proc/{self.pid}/smaps').read_text()
        best = {'Size': 0}
        for part in re.split(r'^(?=[0-9a-f]+-[0-9a-f]+ )', text,
                             flags=re.MULTILINE):
            found = {key: int(value) * 1024 for key, value in
                     re.findall(r'^(\w+): +(\d+) kB', part, re.MULTILINE)}
            best = max(best, found, key=lambda item: item.get('Size', 0))
        return best

    def stop(self):
        """End the machine."""
        if self in Lab.running:
            Lab.running.remove(self)
            subprocess.run([self.build / 'tools' / 'sunder', 'stop',
                            '--force', self.name], check=False, timeout=60,
                           stdout=subprocess.DEVNULL)

    @classmethod
    def stop_all(cls):
        """End what still runs."""
        for lab in list(cls.running):
            lab.stop()
