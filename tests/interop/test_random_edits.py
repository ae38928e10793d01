"""Edits in no order that anybody would think of, and what TensorFlow then reads.

A run begins with a fixture and makes edits, publishes, syncs, remounts and kills as a generator
says; CKPT_SEEDS=100 makes more of them, CKPT_SEEDS=17,18 these.  In folders' names .d is always
written: that spelling means the folder however it is shown.
"""

import contextlib
import json
import os
import random
import unittest

import numpy as np
import tensorflow as tf

import ckptnames
import generate
import harness
from editing import Edited, Value, numpy_type
from harness import ckptctl

FIXTURES = ("saver", "sliced", "shards5", "strings", "shapes", "alltypes", "sliced-v1", "aligned")
STEPS = 60
TYPES = [tf.as_dtype(t) for t in ("float32", "int8", "uint16", "bfloat16", "int64", "bool",
                                  "complex64", "qint8", "float16", "uint8", "int32")]


def seeds():
    text = os.environ.get("CKPT_SEEDS", "8")
    return [int(n) for n in text.split(",")] if "," in text else range(int(text))


class Run:
    """One run; every edit_ method makes one edit, or none where there is nothing to edit."""

    def __init__(self, test, seed):
        self.rng = random.Random(seed)
        self.fixture = FIXTURES[seed % len(FIXTURES)]
        self.e = Edited(test, self.fixture)
        self.mode = self.rng.choice(("auto", "replace", "inplace"))
        self.trace = []
        self.known = set(self.e.values)  # all names that there have been
        self.published = {n: v.copy() for n, v in self.e.values.items()}
        self.edits = [getattr(self, m) for m in dir(self) if m.startswith("edit_")]

    def open(self):
        self.e.open(f"publish={self.mode}")

    # Names and paths

    def name(self):
        """One that is there, or None."""
        return self.rng.choice(sorted(self.e.values)) if self.e.values else None

    def new_name(self):
        """Likely one that is there, or is a scope, or is in one that is a variable."""
        parts = [self.rng.choice(("a", "b", "kernel", "dense", "x.y", "w.json", "%", ".h"))
                 for _ in range(self.rng.randint(1, 3))]
        if self.rng.random() < 0.3 and self.e.values:
            return self.name() + b"/" + parts[0].encode()
        return "/".join(parts).encode()

    def folder(self, name):
        """The folder that the variable lies in, made if need be."""
        path = b""
        for i, part in enumerate(name.split(b"/")[:-1]):
            path = os.path.join(path, self.component(part, i == 0, False) + b".d")
            if not os.path.isdir(self.e.mount.path(path)):
                os.mkdir(self.e.mount.path(path))
        return path

    @staticmethod
    def component(part, root, last):
        return ckptnames.component(part, root, last)

    def path(self, name, make=False):
        parts = name.split(b"/")
        last = self.component(parts[-1], len(parts) == 1, True)
        if make:
            path = os.path.join(self.folder(name), last)
            if os.path.isdir(self.e.mount.path(path)):
                os.rename(self.e.mount.path(path), self.e.mount.path(path) + b".d")
        else:
            folders = [self.component(p, i == 0, False) + b".d" for i, p in enumerate(parts[:-1])]
            path = b"/".join([*folders, last])
        return self.e.mount.path(path)

    def scope(self, name):
        return os.path.dirname(self.path(name + b"/x"))

    def value(self, dtype=None, shape=None):
        rng = np.random.default_rng(self.rng.randint(0, 1 << 30))
        if shape is None:
            shape = [self.rng.choice((0, 1, 2, 3, 7, 40)) for _ in range(self.rng.randint(0, 3))]
        dtype = dtype or self.rng.choice(TYPES)
        n = int(np.prod(shape, dtype=int))
        if dtype == tf.string:
            return Value(generate.text(*[rng.bytes(int(rng.integers(0, 9))) for _ in range(n)],
                                       shape=shape))
        kind = numpy_type(dtype)
        data = rng.bytes(n * kind.itemsize)
        if dtype == tf.bool:
            data = bytes(b & 1 for b in data)
        return Value(np.frombuffer(data, kind).reshape(shape).copy(), dtype)

    def numbers(self):
        """A variable of numbers that has some, or None."""
        names = [n for n, v in sorted(self.e.values.items()) if not v.is_string and v.array.size]
        return self.rng.choice(names) if names else None

    # Edits

    def edit_some_bytes(self):
        name = self.numbers()
        if not name or self.e.values[name].dtype == tf.bool:
            return
        value = self.e.values[name] = self.e.values[name].copy()
        raw = bytearray(value.stored())
        at = self.rng.randrange(len(raw))
        new = self.rng.randbytes(self.rng.randint(1, min(50, len(raw) - at)))
        raw[at:at + len(new)] = new
        with open(self.path(name), "r+b") as f:
            f.seek(at)
            f.write(new)
        value.array = np.frombuffer(raw, value.array.dtype).reshape(value.shape).copy()

    def edit_mapped(self):
        name = self.numbers()
        if not name:
            return
        value = self.e.values[name] = self.e.values[name].copy()
        i = self.rng.randrange(value.array.size)
        mapped = np.memmap(os.fsdecode(self.path(name)), value.array.dtype, "r+")
        mapped[i] = mapped[0]
        mapped.flush()
        del mapped
        value.array.reshape(-1)[i] = value.array.reshape(-1)[0]

    def edit_replaced(self):
        name = self.name()
        if not name:
            return
        old = self.e.values[name]
        new = self.value(old.dtype, old.shape) if not (old.is_string and old.shape) else Value(
            generate.text(*[self.rng.randbytes(n) for n in old.lengths], shape=old.shape))
        with open(self.path(name), "wb") as f:
            f.write(new.stored())
        self.e.values[name] = new

    def edit_by_another(self):
        """A temporary file that is renamed onto it."""
        name = self.name()
        if not name:
            return
        old = self.e.values[name]
        if old.is_string and old.shape:
            return
        new = self.value(old.dtype, old.shape)
        folder = os.path.dirname(self.path(name))
        with open(folder + b"/.new", "wb") as f:
            f.write(new.stored())
        os.rename(folder + b"/.new", self.path(name))
        self.e.values[name] = new

    def edit_created(self):
        self.put(self.new_name(), self.value(self.rng.choice(TYPES + [tf.string])))

    def edit_resized(self):
        name = self.name()
        if name:
            self.put(name, self.value(self.rng.choice([self.e.values[name].dtype, *TYPES])))

    def put(self, name, value):
        path = self.path(name, make=True)
        meta = {"dtype": value.dtype.name, "shape": value.shape}
        if value.is_string:
            meta["lengths"] = value.lengths
        steps = [(path + b".json", json.dumps(meta).encode()), (path, value.stored())]
        # In the other order where no variable of that name was there before, whose type it takes.
        if self.rng.random() < 0.3 and name not in self.known and not value.is_string:
            steps.reverse()
        for p, data in steps:
            with open(p, "wb") as f:
                f.write(data)
        self.e.values[name] = value

    def edit_reshaped(self):
        name = self.name()
        if not name:
            return
        value = self.e.values[name]
        new = [value.array.size] if len(value.shape) != 1 else [1, value.array.size]
        with open(self.path(name) + b".json", "w") as f:
            json.dump({"shape": new, **({"lengths": value.lengths} if value.is_string else {})}, f)
        self.e.values[name] = Value(value.array.reshape(new).copy(), value.dtype)

    def edit_retyped(self):
        name = self.numbers()
        if not name:
            return
        value = self.e.values[name]
        kinds = [t for t in TYPES if numpy_type(t).itemsize == value.array.dtype.itemsize and
                 t != tf.bool]
        if not kinds or value.dtype == tf.bool:
            return
        dtype = self.rng.choice(kinds)
        with open(self.path(name) + b".json", "w") as f:
            json.dump({"dtype": dtype.name}, f)
        self.e.values[name] = Value(value.array.view(numpy_type(dtype)).copy(), dtype)

    def edit_renamed(self):
        old = self.name()
        if not old:
            return
        new = self.new_name() if self.rng.random() < 0.7 else self.name()
        # The new place first: making it may respell a folder on the way to the old one.
        to = self.path(new, make=True)
        os.rename(self.path(old), to)
        if new != old:
            self.e.rename(old, new)

    def edit_scope_renamed(self):
        scopes = sorted({n.rsplit(b"/", 1)[0] for n in self.e.values if b"/" in n})
        if not scopes:
            return
        old, new = self.rng.choice(scopes), self.new_name()
        if new.startswith(old + b"/") or new == old or (
                any(n.startswith(new + b"/") for n in self.e.values)):
            return
        self.folder(new)
        # As mv does. After a discard the kernel may still have the folder where it was renamed to,
        # and a rename alone is then answered with ESTALE.
        os.stat(self.scope(old))
        if not os.path.isdir(self.scope(new)):  # folders that have become empty stay
            os.rename(self.scope(old), self.scope(new))
            self.e.rename_scope(old + b"/", new + b"/")

    def edit_deleted(self):
        name = self.name()
        if name and len(self.e.values) > 5:
            os.unlink(self.path(name))
            del self.e.values[name]

    def edit_copied(self):
        old, new = self.name(), self.new_name()
        if not old or old == new:
            return
        to = self.path(new, make=True)
        self.e.sh('cp "$1.json" "$2.json"; cp "$1" "$2"', os.fsdecode(self.path(old)),
                  os.fsdecode(to))
        self.e.values[new] = self.e.values[old]

    # What is done with them

    def publish(self):
        self.rng.choice((self.e.mount.publish, lambda: self.e.sh("sync ."),
                         lambda: ckptctl("commit", "--", self.e.mount.point)))()
        self.published = dict(self.e.values)

    def close(self):
        """Recovered edits alone would not be published by the unmount."""
        self.e.mount.publish()
        self.e.mount.umount()
        self.published = dict(self.e.values)

    def remount(self):
        self.close()
        if self.rng.random() < 0.3:
            ckptctl("compact", "--", self.e.prefix)
        self.open()

    def kill(self):
        name = self.name()
        if not name:
            return
        self.e.mount.sync(self.path(name))
        self.e.mount.kill()
        self.e.mount.close()
        if self.rng.random() < 0.5:
            ckptctl("commit", "--", self.e.prefix)
            self.published = dict(self.e.values)
        self.open()

    def discard(self):
        ckptctl("discard", "--", self.e.mount.point)
        self.e.values = dict(self.published)

    def run(self):
        self.open()
        for _ in range(STEPS):
            other = self.rng.random()
            step = self.rng.choice(self.edits)
            for limit, instead in ((0.05, self.publish), (0.07, self.remount), (0.08, self.kill),
                                   (0.09, self.discard)):
                if other < limit:
                    step = instead
                    break
            before = dict(self.e.values)
            self.trace.append(step.__name__)
            step()
            now = self.e.values
            self.trace[-1] += "".join(
                f" {sign}{n.decode()}" for sign, names in (
                    ("-", before.keys() - now.keys()), ("+", now.keys() - before.keys()),
                    ("*", {n for n in now if n in before and now[n] is not before[n]}))
                for n in sorted(names))
            self.known |= now.keys()
        self.close()
        self.e.check()


class RandomEdits(unittest.TestCase):
    """A test for each seed is derived, below."""

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())

    def run_seed(self, seed):
        run = Run(self, seed)
        try:
            run.run()
        except BaseException as e:
            e.add_note(f"{run.mode}: ... {run.trace[-20:]}")
            with contextlib.suppress(OSError):
                e.add_note(run.e.mount.read(b".ckptfuse/log").decode()[-500:])
            raise


def _derive():
    for seed in seeds():
        def test(self, seed=seed):
            self.run_seed(seed)
        setattr(RandomEdits, f"test_seed_{seed},_{FIXTURES[seed % len(FIXTURES)]}", test)


_derive()
