"""What the tests of edits share: a checkpoint that is edited, a model of what it should hold,
and TensorFlow's word on what it does hold.

The model is NumPy's: {name: Value}.  Whoever edits the checkpoint edits the model too, and nothing
of it comes from the programs under test.
"""

import os
import shutil
import subprocess
import tempfile

import numpy as np
import tensorflow as tf

import bundle
import ckptnames
import generate
import harness
from harness import Fixture, Mount, ckptctl

v1 = tf.compat.v1

# TensorFlow has no variables of these types, though it saves and restores tensors of them.
NO_VARIABLES = {tf.dtypes.as_dtype(name) for name in (
    "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz", "qint16", "quint16")}
MOST = 120  # variables in one graph: it takes a millisecond or two for each


class Value:
    """A tensor: array has the numbers of quantised types, and bytes objects of strings."""

    def __init__(self, array, dtype=None):
        if isinstance(array, bytes):
            array = generate.text(array, shape=())
        array = np.asarray(array)
        self.dtype = tf.as_dtype(dtype or ("string" if array.dtype == object else array.dtype))
        self.array = array

    @property
    def is_string(self):
        return self.array.dtype == object

    @property
    def shape(self):
        return list(self.array.shape)

    @property
    def lengths(self):
        return [len(e) for e in self.array.ravel()]

    def stored(self, byte_order="little"):
        """The bytes of V."""
        if self.is_string:
            return b"".join(self.array.ravel())
        return _swapped(self.array, byte_order).tobytes()

    def told(self):
        """V and dtype, for comparing: equal where TensorFlow would give the same tensor."""
        content = list(self.array.ravel()) if self.is_string else self.array.tobytes()
        return self.dtype, self.shape, content

    def copy(self):
        return Value(self.array.copy(), self.dtype)

    def like(self, array):
        """Another array of the same type."""
        return Value(np.asarray(array, self.array.dtype), self.dtype)


def _swapped(array, byte_order):
    unit = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    if byte_order == "little" or unit == 1:
        return array
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(f"u{unit}").byteswap().view(array.dtype).reshape(array.shape)


def numpy_type(dtype):
    return np.dtype(generate.QUANTISED.get(dtype.name, dtype.as_numpy_dtype))


def value_of(known, byte_order="little"):
    """The Value of a fixture's variable."""
    if known.lengths is not None:
        return Value(generate.text(*known.lengths, shape=known.shape))
    dtype = tf.as_dtype(known.dtype)
    array = np.frombuffer(known.bytes, numpy_type(dtype)).reshape(known.shape)
    return Value(_swapped(array, byte_order).copy(), dtype)


def values_of(fixture):
    return {name: value_of(k, fixture.byte_order) for name, k in fixture.known.items()}


def from_tensorflow(result, dtype):
    """The Value of what a reader or a session gave back."""
    if dtype == tf.string:
        return Value(np.asarray(result, object), dtype)
    array = np.asarray(result)
    if array.dtype.names:  # a quantised type of TensorFlow's own
        array = array.view(array.dtype[0])
    return Value(array, dtype)


class Readers:
    """The three ways in which TensorFlow reads a checkpoint, against a model of it."""

    def __init__(self, test, prefix, values):
        self.test, self.prefix, self.values = test, prefix, values

    def same(self, name, got, how):
        want = self.values[name].told()
        if got.told() != want:
            self.test.fail(f"{how}: {name!r}: {got.told()!r:.600}\nexpected {want!r:.600}")

    def check(self):
        self.reader()
        self.restore_v2()
        self.saver()
        ckptctl("verify", "--", self.prefix)

    def reader(self):
        """tf.train.load_checkpoint."""
        reader = tf.train.load_checkpoint(self.prefix)
        try:
            shapes = reader.get_variable_to_shape_map()
        except UnicodeDecodeError:  # it lists no names but UTF-8; nor reads them
            return
        types = reader.get_variable_to_dtype_map()
        # Sets of what only one of the two has, since whole maps are too long to be looked at.
        self.test.assertEqual(
            {(n.encode(), tuple(s), types[n].name) for n, s in shapes.items()} ^
            {(n, tuple(v.shape), v.dtype.name) for n, v in self.values.items()}, set())
        # One by one takes long; RestoreV2 reads all of them.
        for name in sorted(shapes)[::1 + len(shapes) // 500]:
            self.same(name.encode(), from_tensorflow(reader.get_tensor(name), types[name]),
                      "load_checkpoint")

    def restore_v2(self):
        names = sorted(self.values)
        if not names:
            return
        tensors = tf.raw_ops.RestoreV2(
            prefix=self.prefix, tensor_names=tf.constant(names, tf.string),
            shape_and_slices=[""] * len(names), dtypes=[self.values[n].dtype for n in names])
        for name, tensor in zip(names, tensors):
            self.same(name, from_tensorflow(tensor.numpy(), tensor.dtype), "RestoreV2")

    def saver(self):
        """A Saver's restore of variables into a graph; every name that Python can give it."""
        names = [n for n in sorted(self.values) if self.values[n].dtype not in NO_VARIABLES]
        names = names[::1 + len(names) // MOST]
        for name in names[:]:
            try:
                name.decode()
            except UnicodeDecodeError:
                names.remove(name)
        if not names:
            return
        with tf.Graph().as_default(), v1.Session() as session:
            variables = {}
            for i, name in enumerate(names):
                value = self.values[name]
                variables[name.decode()] = v1.get_variable(
                    f"v{i}", value.shape, value.dtype, use_resource=True, trainable=False,
                    initializer=lambda shape, dtype=None, **_: tf.zeros(shape, dtype))
            v1.train.Saver(variables).restore(session, self.prefix)
            for name, got in session.run(variables).items():
                name = name.encode()
                self.same(name, from_tensorflow(got, self.values[name].dtype), "Saver.restore")


def copy_bundle(prefix, target):
    """Copies a bundle's files to another prefix."""
    folder, name = os.path.split(prefix)
    for file in os.listdir(folder):
        if file.startswith((name + ".index", name + ".data-")):
            shutil.copyfile(f"{folder}/{file}", target + file[len(name):])


class Edited:
    """A checkpoint under edit: a copy of a fixture, its mount and its model."""

    def __init__(self, test, fixture=None, *options, create=False):
        self.test = test
        self.folder = tempfile.mkdtemp(dir=Fixture.root)
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.prefix = f"{self.folder}/model.ckpt"
        self.options = options
        self.values, self.byte_order, self.mount = {}, "little", None
        self._files = 0
        if fixture:
            self.fixture = Fixture(fixture)
            copy_bundle(self.fixture.prefix, self.prefix)
            self.values = values_of(self.fixture)
            self.byte_order = self.fixture.byte_order

    def open(self, *more):
        """Mounts it to be edited; a context that publishes and unmounts."""
        self.mount = Mount(self.prefix, "-o", ",".join(("rw", *self.options, *more)))
        self.test.addCleanup(self.mount.close)
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.mount.umount()

    def look(self, fixture):
        """The folder of a read-only mount of another checkpoint, and its model."""
        fixture = Fixture(fixture)
        mount = Mount(fixture.source)
        self.test.addCleanup(mount.close)
        return mount.point, values_of(fixture)

    def sh(self, script, *args, **variables):
        """Runs a shell's script in the mount."""
        done = subprocess.run(
            ["bash", "-euc", script, "sh", *args], cwd=self.mount.point, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.LIMIT,
            env={**os.environ, **variables})
        if done.returncode:
            log = self.mount.read(b".ckptfuse/log").decode(errors="replace")
            raise AssertionError(f"{script}: exit {done.returncode}: "
                                 f"{done.stdout.decode(errors='replace')}{log[-2000:]}")

    def file(self, value):
        """A file, not in the mount, of a value's bytes."""
        data = value if isinstance(value, bytes) else value.stored(self.byte_order)
        self._files += 1
        path = f"{self.folder}/file{self._files}"
        with open(path, "wb") as f:
            f.write(data)
        return path

    def path(self, name):
        """A variable's path in the mount; those of a checkpoint that was not edited yet."""
        return os.fsdecode(self.mount.path(ckptnames.encode(name, self.values)))

    def paths(self):
        """The paths of all variables: path() of thousands takes long."""
        return {name: os.fsdecode(self.mount.path(path))
                for name, path in ckptnames.encode_all(self.values).items()}

    def mapped(self, name):
        """A writable numpy.memmap of a variable."""
        value = self.values[name]
        return np.memmap(self.path(name), numpy_type(value.dtype), "r+", shape=tuple(value.shape))

    def rename(self, old, new):
        self.values[new] = self.values.pop(old)

    def rename_scope(self, old, new):
        for name in [n for n in self.values if n.startswith(old)]:
            self.rename(name, new + name[len(old):])

    def remove_scope(self, scope):
        for name in [n for n in self.values if n.startswith(scope)]:
            del self.values[name]

    def entries(self):
        return bundle.read_index(self.prefix)[1]

    def check(self, prefix=None):
        """TensorFlow reads what the model has, and nothing of the saver is left beside it."""
        prefix = prefix or self.prefix
        Readers(self.test, prefix, self.values).check()
        left = [f for f in os.listdir(os.path.dirname(prefix)) if "ckptfuse" in f]
        self.test.assertEqual(left, [])
