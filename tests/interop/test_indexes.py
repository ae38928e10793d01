"""Files that are written after an edit, byte for byte those that TensorFlow writes.

TensorFlow saves what an edit makes of a checkpoint, the tensors in the same order in the data.
"""

import json
import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

import bundle
import generate
import harness
from editing import Edited, Value, copy_bundle
from harness import Fixture, Mount, ckptctl


def content(path):
    with open(path, "rb") as f:
        return f.read()


class Indexes(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=Fixture.root)
        self.prefix = f"{self.folder}/edited"

    def save(self, prefix, variables):
        generate.save(prefix, variables)

    def assertSameTable(self, got, expected):
        """Compares two index files: by what is in them first, since bytes say nothing."""
        got, expected = content(got + ".index"), content(expected + ".index")
        if got != expected:
            ours, theirs = (dict(bundle.table_entries(data)) for data in (got, expected))
            for key in sorted(ours.keys() | theirs.keys()):
                self.assertEqual(ours.get(key), theirs.get(key), key)
            self.fail("the same entries, laid out otherwise")

    def assertSame(self, expected):
        """Both files of the edited checkpoint are those that TensorFlow writes of these."""
        self.save(f"{self.folder}/expected", expected)
        self.assertSameTable(self.prefix, f"{self.folder}/expected")
        data = ".data-00000-of-00001"
        self.assertEqual(content(self.prefix + data), content(f"{self.folder}/expected{data}"))

    def variables(self):
        rng = np.random.default_rng(5)
        out = {f"layer_{i}/kernel": rng.normal(size=(i, 3)).astype(np.float32) for i in range(40)}
        out["words"] = generate.text(b"a", b"", b"ccc" * 100)
        out["step"] = np.int64(7)
        out["last"] = np.arange(7, dtype=np.int16)
        return out

    def renamed(self, variables, names):
        return {names.get(name, name): value for name, value in variables.items()}

    def test_one_variable_renamed(self):
        variables = self.variables()
        self.save(self.prefix, variables)
        ckptctl("mv", "--", self.prefix, "layer_7/kernel", "another/name")
        self.assertSame(self.renamed(variables, {"layer_7/kernel": "another/name"}))

    def test_a_scope_renamed(self):
        variables = self.variables()
        self.save(self.prefix, variables)
        ckptctl("mv", "--", self.prefix, "layer_3/", "z/")
        self.assertSame(self.renamed(variables, {"layer_3/kernel": "z/kernel"}))

    def test_the_last_one_deleted(self):
        variables = self.variables()
        self.save(self.prefix, variables)
        ckptctl("rm", "--", self.prefix, "last")
        del variables["last"]
        self.save(f"{self.folder}/expected", variables)
        self.assertSameTable(self.prefix, f"{self.folder}/expected")

    def test_new_variables(self):
        """They go behind the others, in the order in which they come.

        No strings: their bytes come before their lengths do, and lie in the data twice.
        """
        variables = self.variables()
        self.save(self.prefix, variables)
        added = {"new/matrix": np.arange(6.0).reshape(2, 3), "a_scalar": np.float32(2),
                 "layer_8/bits": np.arange(5, dtype=np.uint8)}
        self.save(f"{self.folder}/added", added)
        for name in added:
            ckptctl("cp", "--", f"{self.folder}/added", self.prefix, name)
        self.assertSame({**variables, **added})

    def test_values_changed_in_place(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        variables = self.variables()
        self.save(self.prefix, variables)
        mount = Mount(self.prefix, "-o", "rw,publish=inplace")
        self.addCleanup(mount.close)
        for name, row in (("layer_9/kernel", 4), ("layer_39/kernel", 20)):
            mapped = np.memmap(os.path.join(mount.point, name), np.float32, "r+").reshape(-1, 3)
            mapped[row] = variables[name][row] = (1, 2, 3)
            mapped.flush()
            del mapped
        mount.umount()
        self.assertSame(variables)

    def test_reshaped(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        variables = self.variables()
        self.save(self.prefix, variables)
        mount = Mount(self.prefix, "-o", "rw")
        self.addCleanup(mount.close)
        mount.write(b"layer_8/kernel.json", b'{"shape": [2, 3, 4], "dtype": "int32"}')
        mount.umount()
        variables["layer_8/kernel"] = variables["layer_8/kernel"].view(np.int32).reshape(2, 3, 4)
        self.assertSame(variables)

    def test_nothing_changed_among_100000_variables(self):
        """Ten shards, so that it does not take TensorFlow long; one name there and back."""
        names = [f"model/layer_{i // 10:05d}/{'weights' if i % 3 else 'b'}_{i}"
                 for i in range(100000)]
        parts = []
        for i in range(10):
            parts.append(f"{self.prefix}_temp/part-{i:05d}-of-00010")
            some = names[i::10]
            tf.raw_ops.SaveV2(prefix=parts[-1], tensor_names=tf.constant(some),
                              shape_and_slices=tf.constant([""] * len(some)),
                              tensors=[tf.constant(np.int8(i))] * len(some))
        generate.merge(parts, self.prefix)
        before = content(self.prefix + ".index")
        self.assertGreater(len(before), 2 << 20)
        ckptctl("mv", "--", self.prefix, names[54321], "elsewhere")
        self.assertNotEqual(content(self.prefix + ".index"), before)
        ckptctl("mv", "--", self.prefix, "elsewhere", names[54321])
        self.assertEqual(content(self.prefix + ".index"), before)

    def test_nothing_changed_in_what_tensorflow_wrote(self):
        """Of each fixture a name is changed, and changed back."""
        for name in ("alltypes", "many6000", "names", "names-bytes", "names-nul-first", "saver",
                     "savedmodel", "shapes", "shards5", "sliced", "sliced-unread", "sliced-v1",
                     "strings", "tf2", "variant"):
            fixture = Fixture(name)
            copy_bundle(fixture.prefix, self.prefix)
            before = content(self.prefix + ".index")
            names = [n for n in sorted(fixture.known) if b"\0" not in n]
            for variable in names[::1 + len(names) // 2]:
                with self.subTest(name, variable=variable):
                    old = harness.argument(variable)
                    ckptctl("mv", "--", self.prefix, old, "elsewhere")
                    ckptctl("mv", "--", self.prefix, "elsewhere", old)
                    self.assertEqual(content(self.prefix + ".index"), before)
            for file in os.listdir(self.folder):
                os.unlink(f"{self.folder}/{file}")


class Created(unittest.TestCase):
    """A checkpoint made from nothing."""

    def test_as_tensorflow_saves_it(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        e = Edited(self)
        variables = {"a": np.arange(5, dtype=np.int32), "b/c": np.float64(2),
                     "b/d": np.array([True]), "z": np.zeros((2, 3), np.complex64)}
        with e.open("create=tensorflow"):
            e.sh("mkdir b")
            for name, value in variables.items():
                value = Value(value)
                meta = {"dtype": value.dtype.name, "shape": value.shape}
                e.mount.write(name.encode() + b".json", json.dumps(meta).encode())
                e.mount.write(name.encode(), value.stored())
        generate.save(f"{e.folder}/expected", variables)
        for tail in (".index", ".data-00000-of-00001"):
            self.assertEqual(content(e.prefix + tail), content(f"{e.folder}/expected{tail}"), tail)
