# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with several network cards, and what frames to them cost."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from lab import Lab

MACHINE = '''# Network cards beside each other

[machine]
  type = "q35"
  hpet = "off"

[memory]
  size = "1G"

[smp-opts]
  cpus = "1"
'''
IDLE = 0.1                      # share of its time that an idle guest takes
IDLE_LIMIT_S = 60
IN_NAMESPACE = 'SUNDER_BENCH_NET_NAMESPACE'
UNIX_QUEUE = pathlib.Path('/proc/sys/net/unix/max_dgram_qlen')
QUEUE_DATAGRAMS = 512           # so that a burst fits into a socket
PEER_MAC = '52:54:00:77:ff:ff'
# Vectors of receive queues, by their names in /proc/interrupts
RECEIVE_VECTOR = re.compile(r'input|[Rr]x')
SINK = ('import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); '
        's.bind(("", 9)); time.sleep(1e6)')


def enter_namespace():
    """Go on in a network namespace of our own: its limits are ours to set,
    and it has no other traffic."""
    if os.environ.get(IN_NAMESPACE):
        try:
            UNIX_QUEUE.write_text(str(QUEUE_DATAGRAMS))
        except OSError:
            pass
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=False)
        return
    unshare = ['unshare', '--net']
    if os.geteuid():
        unshare.append('--map-root-user')
    if shutil.which('unshare') and subprocess.run(
            [*unshare, 'true'], check=False,
            stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[IN_NAMESPACE] = 'yes'
        os.execvp('unshare', [*unshare, sys.executable, *sys.argv])
    print('no network namespace of our own: datagram sockets hold '
          f'{UNIX_QUEUE.read_text().strip()} frames', flush=True)


def can_tap():
    """Return whether we may make tap devices."""
    return subprocess.run(['ip', 'tuntap', 'add', 'dev', 'probe', 'mode',
                           'tap'], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


class Nic:
    """A network card of the guest, and its wire.

    driver is QEMU's; wire is dgram, stream, burst (sunder-nic-dgram), user
    or tap; properties are added to the device.
    """

    def __init__(self, title, driver, wire, properties='', after_up=None):
        self.title, self.driver, self.wire = title, driver, wire
        self.properties, self.after_up = properties, after_up
        self.ours = driver == 'sunder-nic'

    def place(self, number, folder):
        """Give it a number, and with it addresses and a socket."""
        self.number = number
        self.mac = f'52:54:00:77:00:{number:02x}'
        self.ip = f'10.77.{number}.15'
        self.peer = f'10.77.{number}.2'
        self.socket = folder / f'n{number}'
        self.tap = f'tap{number}'

    def backend(self):
        """Return the options of QEMU that make its wire."""
        near, far = self.socket, f'{self.socket}.peer'
        name = f'n{self.number}'
        if self.wire == 'burst':
            return ['-object', f'sunder-nic-dgram,id={name},'
                    f'local=unix:{near},remote=unix:{far}']
        return ['-netdev', {
            'dgram': f'dgram,id={name},local.type=unix,local.path={near},'
                     f'remote.type=unix,remote.path={far}',
            'stream': f'stream,id={name},server=on,addr.type=unix,'
                      f'addr.path={near}',
            'user': f'user,id={name},ipv6=off,net=10.77.{self.number}.0/24',
            'tap': f'tap,id={name},ifname={self.tap},script=no,'
                   'downscript=no',
        }[self.wire]]

    def device(self):
        """Return the options of QEMU that make the card."""
        name = f'n{self.number}'
        port = ['-device', f'pcie-root-port,id=r{self.number},'
                f'chassis={self.number},slot={self.number}']
        wire = f'ports={name}' if self.ours else f'netdev={name}'
        return [*port, '-device', f'{self.driver},id=nic{self.number},'
                f'bus=r{self.number},{wire},mac={self.mac},romfile='
                + (',' + self.properties if self.properties else '')]

    def make_tap(self):
        """Make the host's end of a tap wire."""
        for words in (f'tuntap add dev {self.tap} mode tap vnet_hdr',
                      f'addr add {self.peer}/24 dev {self.tap}',
                      f'link set {self.tap} up'):
            subprocess.run(['ip', *words.split()], check=True)


class NetLab:
    """A machine that has nics."""

    def __init__(self, build, nics, console=''):
        self.build, self.nics = build, nics
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='sunder-net-'))
        (self.folder / 'net.cfg').write_text(MACHINE)
        arguments = []
        for number, nic in enumerate(nics, 1):
            nic.place(number, self.folder)
            if nic.wire == 'tap':
                nic.make_tap()
            arguments += nic.backend() + nic.device()
        self.lab = Lab(str(self.folder / 'net.cfg'), '--append', console,
                       '--', *arguments)
        self.lab.guest(self.set_up())
        self.sink = self.lab.guest_start(f"exec python3 -c '{SINK}'")
        self.vectors = {nic: self.receive_vectors(nic) for nic in nics}
        self.processors = {cpu['thread-id'] for cpu in
                           self.lab.qmp('query-cpus-fast')}
        self.wait_idle()

    def set_up(self):
        """Return the commands that give the guest its addresses."""
        lines = ['echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6',
                 'cd /sys/class/net']
        for nic in self.nics:
            lines += [f'nic=$(dirname $(grep -l {nic.mac} */address))',
                      f'ip link set $nic name n{nic.number}',
                      f'ip addr add {nic.ip}/24 dev n{nic.number}',
                      f'ip link set n{nic.number} up']
            if nic.wire not in ('user', 'tap'):
                lines.append(f'ip neigh add {nic.peer} lladdr {PEER_MAC} '
                             f'dev n{nic.number}')
            if nic.after_up:
                lines.append(nic.after_up.format(f'n{nic.number}'))
        return 'set -e; ' + '; '.join(lines)

    def receive_vectors(self, nic):
        """Return the numbers of the interrupts of its receive queues."""
        found = self.lab.guest(
            f'd=$(readlink -f /sys/class/net/n{nic.number}/device); '
            '[ -d $d/msi_irqs ] || d=$(dirname $d); ls $d/msi_irqs; '
            'echo; cat /proc/interrupts')
        numbers, interrupts = found.split('\n\n', 1)
        numbers = set(numbers.split())
        return {number for number, name in re.findall(
            r'^ *(\d+):.* (\S+)$', interrupts, re.MULTILINE)
            if number in numbers and RECEIVE_VECTOR.search(name)}

    def look(self, nic):
        """Return the packets and interrupts that the guest has counted,
        and the interrupts that the card has sent."""
        packets, interrupts = self.lab.guest(
            f'cat /sys/class/net/n{nic.number}/statistics/rx_packets; echo; '
            'cat /proc/interrupts').split('\n\n', 1)
        counts = dict(re.findall(r'^ *(\d+): +(\d+) ', interrupts,
                                 re.MULTILINE))
        device = 0
        if nic.ours:
            card, = self.lab.qmp('query-sunder-nic', id=f'nic{nic.number}')
            device = sum(function['receive-interrupts']
                         for function in card['functions'])
        return (int(packets), sum(int(counts[number])
                                  for number in self.vectors[nic]), device)

    def cpu_ns(self):
        """Return the time that the emulator's threads have run: those of
        virtual processors, the others."""
        times = [0, 0]
        for task in pathlib.Path(f'/proc/{self.lab.pid}/task').iterdir():
            try:
                ran = int((task / 'schedstat').read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
            times[int(task.name) not in self.processors] += ran
        return times

    def wait_idle(self):
        """Wait until the guest has started all that starts with it."""
        end = time.monotonic() + IDLE_LIMIT_S
        while time.monotonic() < end:
            before = self.cpu_ns()[0]
            time.sleep(0.5)
            if self.cpu_ns()[0] - before < IDLE * 0.5e9:
                return

    def load(self, nic, **options):
        """Send frames, and return what became of them."""
        words = [word if value is True else f'{word}={value}'
                 for word, value in (('--' + key.replace('_', '-'), value)
                                     for key, value in options.items())]
        packets, interrupts, device = self.look(nic)
        cpu = self.cpu_ns()
        result = subprocess.run(
            [self.build / 'tests' / 'bench' / 'bench-net-load', *words,
             'stream' if nic.wire == 'stream' else 'dgram', nic.socket,
             nic.mac, nic.ip, PEER_MAC, nic.peer],
            text=True, stdout=subprocess.PIPE, check=True, timeout=120)
        done = json.loads(result.stdout)
        cpu = [after - before
               for before, after in zip(cpu, self.cpu_ns())]
        after = self.look(nic)
        done['packets'] = after[0] - packets
        if not done['packets']:
            sys.exit(f'bench: {nic.title}: no frame has arrived of '
                     f'{done["sent"]}')
        done['per-second'] = done['packets'] / done['seconds']
        done['interrupts'] = (after[1] - interrupts) / done['packets']
        done['device'] = (after[2] - device) / done['packets']
        done['cpu-ns'] = cpu[1] / done['packets']
        done['processor-ns'] = cpu[0] / done['packets']
        return done

    def stop(self):
        """End the machine."""
        self.sink.kill()
        self.sink.wait()
        self.lab.stop()
        shutil.rmtree(self.folder)
