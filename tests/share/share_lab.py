# SPDX-License-Identifier: GPL-2.0-or-later
"""Shares behind /dev/fuse: a folder, fuse-host, and tests with TAP output.

The mount lives in a mount namespace of its own, and an ordinary user's in a
user namespace, too: whatever goes wrong, nothing stays mounted.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback

INSIDE = "SHARE_LAB_INSIDE"


class Lab:
    """host/NAME is shared; guest/ is where it shows; nothing else is near."""

    def __init__(self, program):
        self.top = tempfile.mkdtemp(prefix="share-lab-")
        os.chmod(self.top, 0o755)
        self.host = os.path.join(self.top, "host")
        self.guest = os.path.join(self.top, "guest", "mnt")
        os.mkdir(self.host)
        os.makedirs(self.guest)
        self.lock = threading.Lock()
        self.server = subprocess.Popen(
            [program, self.guest], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.mounted = self.server.stdout.readline().startswith("ok")

    def tell(self, *words):
        """Send a command.  Returns what follows "ok"; an error raises."""
        with self.lock:
            self.server.stdin.write(" ".join(words) + "\n")
            self.server.stdin.flush()
            answer = self.server.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise RuntimeError(" ".join(answer) or "fuse-host has ended")
        return [int(word) for word in answer[1:]]

    def share(self, name, *options):
        """Make a folder and publish it.  Returns both sides' paths."""
        path = os.path.join(self.host, name)
        os.makedirs(path, exist_ok=True)
        self.tell("add", name, path, *options)
        return path, os.path.join(self.guest, name)

    def descriptors(self, below):
        """How many descriptors of the server's are at or below a path."""
        folder = f"/proc/{self.server.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            try:
                target = os.readlink(os.path.join(folder, name))
            except OSError:
                continue
            count += target == below or target.startswith(below + "/")
        return count

    def end(self):
        if self.server.poll() is None:
            try:
                self.server.stdin.write("quit\n")
                self.server.stdin.close()
            except OSError:
                pass
        status = self.server.wait(timeout=60)
        shutil.rmtree(self.top, ignore_errors=True)
        return status


class Skip(Exception):
    """The reason why a test cannot run here."""


def write(path, data):
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def error_of(function, *args, **kwargs):
    """The errno that a call fails with; 0 if it does not."""
    try:
        result = function(*args, **kwargs)
    except OSError as error:
        return error.errno
    if isinstance(result, int) and function is os.open:
        os.close(result)
    return 0


def equal(got, expected):
    assert got == expected, f"expected {expected!r}, got {got!r}"


def as_user(uid, function, gid=None, groups=()):
    """Run a function in a child with other ids; its exception is ours."""
    if os.geteuid() != 0 or os.environ.get(INSIDE) == "user":
        raise Skip("needs root: it acts as several users")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            os.setgroups(list(groups))
            os.setgid(uid if gid is None else gid)
            os.setuid(uid)
            function()
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0, said


def enter():
    """Go where mounting is allowed, or say why that is not possible."""
    if os.environ.get(INSIDE):
        return
    if not os.path.exists("/dev/fuse"):
        skip_all("there is no /dev/fuse")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip_all("/dev/fuse may not be opened")
    root = os.geteuid() == 0
    command = ["unshare", "-m"] if root else ["unshare", "-r", "-m"]
    if subprocess.run(command + ["true"], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        skip_all("mount namespaces are not allowed here")
    os.environ[INSIDE] = "root" if root else "user"
    os.execvp(command[0], command + [sys.executable] + sys.argv)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def run(tests):
    """Each of tests is a function of the lab, in a lab of its own."""
    enter()
    if len(sys.argv) < 2:
        sys.exit("usage: TEST FUSE-HOST [PART-OF-A-TEST'S-NAME]")
    chosen = [t for t in tests
              if len(sys.argv) < 3 or sys.argv[2] in t.__name__]
    failed = False
    print(f"1..{len(chosen)}")
    for number, test in enumerate(chosen, 1):
        name = test.__name__.replace("_", " ")
        lab = Lab(sys.argv[1])
        outcome, note = "ok", ""
        try:
            if not lab.mounted:
                raise Skip("mounting FUSE is not allowed here")
            test(lab)
        except Skip as reason:
            note = f" # SKIP {reason}"
        except BaseException:
            outcome = "not ok"
            print("# " + traceback.format_exc().replace("\n", "\n# "))
        if lab.end() not in (0, 77):
            outcome = "not ok"
            print(f"# fuse-host ended with {lab.server.returncode}")
        failed = failed or outcome != "ok"
        print(f"{outcome} {number} - {name}{note}", flush=True)
    sys.exit(failed)
