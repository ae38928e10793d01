"""What the interop tests share: programs, mounts that always end, fresh fixtures."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fixtures"))

LIMIT = 60  # seconds that any one program may take


def _program(variable, name):
    """A program by its environment variable, else of the build tree; None where it is not."""
    path = os.environ.get(variable)
    if path is None:
        path = os.path.join(os.environ.get("CKPT_BUILDDIR", "."), name)
    return os.path.abspath(path) if path and os.access(path, os.X_OK) else None


CKPTFUSE = _program("CKPTFUSE", "ckptfuse")
CKPTCTL = _program("CKPTCTL", "ckptctl")


def no_mount():
    """Why nothing can be mounted here, or None."""
    if not CKPTFUSE:
        return "no ckptfuse: set CKPTFUSE or CKPT_BUILDDIR"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no /dev/fuse for this user"
    if not shutil.which("fusermount3"):
        return "no fusermount3"
    return None


def ckptctl(*args, ok=(0,)):
    """Runs ckptctl; its output. Any exit status but those in ok is an error that tells all."""
    command = [os.fsencode(a) for a in (CKPTCTL, *args)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    if done.returncode not in ok:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr!r}")
    return done.stdout


def argument(name):
    """A variable's name as the commands take it."""
    return name.replace(b"=", b"\\=")


class Mount:
    """A mounted checkpoint; usable when the constructor returns.

    One that is writable is ended with umount(), which says how the publish went; close() is for
    what may be left of a test that failed.
    """

    alive = set()

    def __init__(self, source, *options):
        self.point = tempfile.mkdtemp(prefix="ckptfuse-interop-")
        self.process = None
        try:
            with tempfile.TemporaryFile() as messages:
                # No pipes: the daemon would keep them open, and us waiting for their end.
                status = subprocess.run(
                    [CKPTFUSE, *options, "--", source, self.point], stdin=subprocess.DEVNULL,
                    stdout=messages, stderr=messages, timeout=LIMIT).returncode
                messages.seek(0)
                if status:
                    raise AssertionError(f"{source}: exit {status}: {messages.read()!r}")
            # By a process that can be ended, should the mount not answer.
            state = subprocess.run(["cat", self.path(b".ckptfuse/status.json")],
                                   stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
            self.process = os.pidfd_open(json.loads(state.stdout)["pid"])
            Mount.alive.add(self)
        except BaseException:
            self.close()
            raise

    def path(self, path=b""):
        return os.path.join(os.fsencode(self.point), path)

    def read(self, path):
        with open(self.path(path), "rb") as f:
            return f.read()

    def metadata(self, path):
        return json.loads(self.read(path + b".json"))

    def tree(self):
        """The paths of all files below the root, .ckptfuse left out."""
        out = set()
        root = self.path()
        for folder, folders, files in os.walk(root, onerror=_raise):
            if folder == root and b".ckptfuse" in folders:
                folders.remove(b".ckptfuse")
            out.update(os.path.relpath(os.path.join(folder, f), root) for f in files)
        return out

    def write(self, path, data):
        """As a shell's redirection writes."""
        with open(self.path(path), "wb") as f:
            f.write(data)

    def sync(self, path):
        """What is staged of the file, and before it, is durable when this returns."""
        f = os.open(self.path(path), os.O_RDONLY)
        try:
            os.fsync(f)
        finally:
            os.close(f)

    def publish(self):
        try:
            self.write(b".ckptfuse/commit", b"1")
        except OSError as e:
            raise AssertionError(f"{e}: {self.read(b'.ckptfuse/log').decode()}") from e

    def umount(self):
        """Publishes and unmounts; an error that tells all where that fails."""
        ckptctl("umount", "--", self.point)
        self.close()

    def kill(self):
        """Ends the daemon at once: whoever waits for an answer of the mount gets ENOTCONN."""
        signal.pidfd_send_signal(self.process, signal.SIGKILL)

    def _is_mounted(self):
        try:
            os.lstat(self.point)
        except FileNotFoundError:
            return False
        except OSError:  # its daemon is dead
            return True
        return os.path.ismount(self.point)

    def close(self):
        """Unmounts, waits for the daemon, and ends it if it does not end by itself."""
        if self._is_mounted():
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["fusermount3", "-u", "-z", self.point], stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=LIMIT)
        ended = True
        if self.process is not None:
            ended = _wait(self.process, 20)
            if not ended:
                self.kill()
                _wait(self.process, 10)
            Mount.alive.discard(self)
            os.close(self.process)
            self.process = None
        with contextlib.suppress(FileNotFoundError):  # closed before
            os.rmdir(self.point)
        if not ended:
            raise AssertionError("the daemon did not end when its mount went away")


def _raise(error):
    raise error


def _wait(process, seconds):
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Fixture:
    """A fixture written by the TensorFlow at hand, into a folder that the run removes."""

    root = None  # set by run.py
    _made = {}

    def __new__(cls, name):
        if name not in cls._made:
            self = cls._made[name] = super().__new__(cls)
            self._make(name)
        return cls._made[name]

    def _make(self, name):
        import bundle
        import ckptnames
        import generate

        # generate() compares what it knows with what TensorFlow's reader gives back.
        folder, source, known = generate.generate(name, self.root)
        self.name = name
        self.source = folder if source == "." else f"{folder}/{source}"
        self.prefix = f"{folder}/variables/variables" if source == "." else self.source
        self.folder = folder
        self.known = {n if isinstance(n, bytes) else n.encode(): k for n, k in known.items()}
        self.paths = ckptnames.encode_all(self.known)
        self.entries = bundle.read_index(self.prefix)[1]
        self.byte_order = "big" if name == "big-endian" else "little"

    def readable(self):
        return [name for name in sorted(self.known) if self.known[name].readable]
