"""Every fixture, as the TensorFlow at hand writes it, against both programs."""

import base64
import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import unittest

import numpy as np
import tensorflow as tf
from tensorflow.python.tools import inspect_checkpoint

import ckptnames
import generate
import harness
from harness import Fixture, Mount, argument, ckptctl

NATIVE = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}


def described(fixture, name):
    """The members of V.json that TensorFlow or the index itself can tell us."""
    k, entry = fixture.known[name], fixture.entries[name]
    out = {"name": generate.json_name(name), "dtype": k.dtype, "shape": k.shape,
           "nbytes": k.nbytes, "byte_order": fixture.byte_order}
    out["dtype_native"] = entry.dtype if k.dtype == "unknown" else (
        NATIVE.get(k.dtype, "DT_" + k.dtype.upper()))
    if entry.slices:
        whole = [range(n) for n in k.shape]
        out["slices"] = [
            {"start": [start for start, _ in extents],
             "shape": [len(axis) if n is None else n for axis, (_, n) in zip(whole, extents)]}
            for extents in entry.slices]
    else:
        out.update(crc32c=f"{entry.crc32c:08x}", shard=entry.shard, offset=entry.offset)
        if k.lengths is not None:
            out["lengths"] = [len(e) for e in k.lengths]
    return out


def told(metadata, expected):
    """What metadata says about the members of expected."""
    out = {key: metadata.get(key) for key in expected}
    if "slices" in expected:
        out["slices"] = sorted(
            ({key: s[key] for key in ("start", "shape")} for s in metadata.get("slices", [])),
            key=lambda s: s["start"])
        expected["slices"].sort(key=lambda s: s["start"])
    return out


def by_name(rows):
    """The rows of a JSON array by their names in bytes."""
    out = {}
    for row in rows:
        name = row["name"]
        if isinstance(name, dict):
            name = base64.b64decode(name["base64"])
        else:
            name = name.encode()
        assert name not in out, name
        out[name] = row
    return out


def inspected(prefix, all_elements=False, name=None):
    """What TensorFlow's inspect_checkpoint prints."""
    out = io.StringIO()
    threshold = sys.maxsize if all_elements else np.get_printoptions()["threshold"]
    with contextlib.redirect_stdout(out), np.printoptions(threshold=threshold):
        inspect_checkpoint.print_tensors_in_checkpoint_file(prefix, name, all_tensors=name is None)
    return out.getvalue().encode()


class Checkpoint(unittest.TestCase):
    """A class for each fixture is derived from this one, below."""

    maxDiff = 2000
    fixture_name = None

    @classmethod
    def setUpClass(cls):
        cls.fixture = Fixture(cls.fixture_name)

    def some(self, names, most):
        """At most that many of the names, spread over all of them."""
        if not names:
            self.skipTest("no such variable")
        return names[::1 + len(names) // most]

    def assertSameLines(self, got, expected):
        """Compares two texts; says where they part, not all there is."""
        if got == expected:
            return
        got, expected = got.splitlines(True), expected.splitlines(True)
        for i, (a, b) in enumerate(zip(got + [None], expected + [None])):
            if a != b:
                context = b"".join(expected[max(0, i - 3):i])
                self.fail(f"line {i + 1}, after {context!r}:\n     got {a!r}\nexpected {b!r}")
        self.fail(f"{len(got)} lines for {len(expected)}")


class Commands:
    """Tests of ckptctl."""

    def test_ls_lists_what_tensorflow_lists(self):
        f = self.fixture
        rows = by_name(json.loads(ckptctl("ls", "--json", "--", f.source)))
        self.assertEqual(sorted(rows), sorted(f.known))
        reader = tf.train.load_checkpoint(f.prefix)
        with contextlib.suppress(UnicodeDecodeError):  # names that are no UTF-8
            shapes = reader.get_variable_to_shape_map()
            self.assertEqual({n: rows[n]["shape"] for n in rows},
                             {n.encode(): shape for n, shape in shapes.items()})
        for name in f.known:
            with self.subTest(name):
                expected = described(f, name)
                self.assertEqual(told(rows[name], expected), expected)

    def test_cat_gives_the_bytes(self):
        f = self.fixture
        names = [name for name in f.readable() if b"\0" not in name]
        for name in self.some(names, 300):
            with self.subTest(name):
                self.assertEqual(ckptctl("cat", "--", f.source, argument(name)),
                                 f.known[name].bytes)

    def test_verify_finds_nothing_wrong(self):
        ckptctl("verify", "--", self.fixture.source)


class Shown:
    """Tests of values as text, where inspect_checkpoint gets through the whole checkpoint."""

    def test_show_prints_as_inspect_checkpoint(self):
        f = self.fixture
        self.assertSameLines(ckptctl("show", "--", f.source), inspected(f.prefix))

    def test_show_of_one_variable(self):
        f = self.fixture
        names = [n for n in f.readable() if not set(n) & set(b"*?[\\\0")]
        for name in self.some(names, 20):
            with self.subTest(name):
                self.assertSameLines(ckptctl("show", "--", f.source, argument(name)),
                                     inspected(f.prefix, name=name.decode()))


class ShownWhole(Shown):
    """The same for checkpoints whose text is not too long."""

    def test_show_all_prints_every_element(self):
        f = self.fixture
        self.assertSameLines(ckptctl("show", "--all", "--", f.source), inspected(f.prefix, True))


class Mounted:
    """Tests of a mount."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mount = None
        if not harness.no_mount():
            cls.mount = Mount(cls.fixture.source)

    @classmethod
    def tearDownClass(cls):
        if cls.mount:
            cls.mount.close()
        super().tearDownClass()

    def setUp(self):
        reason = harness.no_mount()
        if reason:
            self.skipTest(reason)

    def test_mount_shows_each_variable_under_its_path(self):
        files = {p for path in self.fixture.paths.values() for p in (path, path + b".json")}
        self.assertEqual(self.mount.tree() ^ files, set())

    def test_mount_files_hold_the_bytes(self):
        f = self.fixture
        for name in self.some(f.readable(), 10000):
            with self.subTest(name):
                path = f.paths[name]
                self.assertEqual(os.stat(self.mount.path(path)).st_size, f.known[name].nbytes)
                self.assertEqual(self.mount.read(path), f.known[name].bytes)

    def test_mount_metadata_is_what_tensorflow_knows(self):
        f = self.fixture
        for name in self.some(sorted(f.known), 10000):
            with self.subTest(name):
                expected = described(f, name)
                self.assertEqual(told(self.mount.metadata(f.paths[name]), expected), expected)

    def test_mount_attributes_say_the_same(self):
        f = self.fixture
        for name in self.some(f.readable(), 10000):
            with self.subTest(name):
                path, k = self.mount.path(f.paths[name]), f.known[name]
                listed = {a for a in os.listxattr(path) if a.startswith("user.ckptfuse.")}
                wanted = {"dtype", "shape", "byte_order", "name"}
                if not f.entries[name].slices:
                    wanted.add("crc32c")
                self.assertEqual(listed, {f"user.ckptfuse.{a}" for a in wanted})
                got = {a: os.getxattr(path, f"user.ckptfuse.{a}") for a in wanted}
                self.assertEqual(got["dtype"], k.dtype.encode())
                self.assertEqual(json.loads(got["shape"]), k.shape)
                self.assertEqual(got["byte_order"], f.byte_order.encode())
                self.assertEqual(got["name"], name)
                if "crc32c" in got:
                    self.assertEqual(got["crc32c"], b"%08x" % f.entries[name].crc32c)

    def test_mount_checkpoint_json_has_every_variable(self):
        f = self.fixture
        whole = json.loads(self.mount.read(b".ckptfuse/checkpoint.json"))
        self.assertEqual(whole["format"], "tensorflow")
        rows = {name: (row["dtype"], row["shape"])
                for name, row in by_name(whole["variables"]).items()}
        self.assertEqual(rows, {name: (k.dtype, k.shape) for name, k in f.known.items()})

    def test_mount_files_can_be_mapped(self):
        f = self.fixture
        names = [n for n in f.readable() if f.known[n].lengths is None and f.known[n].bytes]
        for name in self.some(names, 200):
            with self.subTest(name):
                path = os.fsdecode(self.mount.path(f.paths[name]))
                mapped = np.memmap(path, dtype=np.uint8, mode="r")
                self.assertEqual(mapped.tobytes(), f.known[name].bytes)
                del mapped

    def test_mount_stands_up_to_sha256sum(self):
        f = self.fixture
        if not f.readable():
            self.skipTest("no variable")
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", f"{f.folder}/expected.sha256"],
            cwd=self.mount.point, capture_output=True, timeout=harness.LIMIT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class MountedWithUnreadable(Mounted):
    """The same for checkpoints with variables whose bytes mean nothing without TensorFlow."""

    def test_mount_refuses_to_open_these(self):
        f = self.fixture
        others = sorted(f.known.keys() - set(f.readable()))
        self.assertEqual(len(others), 1)
        for name in others:
            path = self.mount.path(f.paths[name])
            self.assertEqual(os.stat(path).st_size, f.known[name].nbytes)
            with self.assertRaises(OSError) as caught:
                open(path, "rb").close()
            self.assertEqual(caught.exception.errno, errno.EOPNOTSUPP)


# inspect_checkpoint breaks off at names that are no UTF-8 and at types that it cannot join, and
# dies of a type that it does not know.
UNSHOWN = {"names-bytes", "sliced-unread", "unknown-dtype"}
UNREADABLE = {"unknown-dtype", "variant"}


def _derive():
    for name in generate.fixtures:
        shown = Shown if name == "large" else ShownWhole
        for kind, bases in (
                ("ckptctl", (Commands,) if name in UNSHOWN else (Commands, shown)),
                ("mount", (MountedWithUnreadable if name in UNREADABLE else Mounted,))):
            title = f"{name}, {kind}"
            globals()[title] = type(title, (*bases, Checkpoint),
                                    {"fixture_name": name, "__module__": __name__})


_derive()


class Sources(unittest.TestCase):
    """Whatever path of a checkpoint a user has in hand leads to the same variables."""

    def assertLeadToTheSame(self, expected, *sources):
        expected = ckptctl("ls", "--json", "--", expected)
        for source in sources:
            with self.subTest(source):
                self.assertEqual(ckptctl("ls", "--json", "--", source), expected)

    def test_files_of_a_bundle(self):
        prefix = Fixture("saver").source
        self.assertLeadToTheSame(prefix, prefix + ".index", prefix + ".data-00000-of-00001",
                                 prefix + ".meta")

    def test_every_shard(self):
        prefix = Fixture("shards5").source
        self.assertLeadToTheSame(prefix, *[f"{prefix}.data-{i:05d}-of-00005" for i in range(5)])

    def test_saved_model(self):
        folder = Fixture("savedmodel").folder
        self.assertLeadToTheSame(f"{folder}/variables/variables", folder, folder + "/",
                                 folder + "/saved_model.pb", folder + "/variables/variables.index")


class Access(unittest.TestCase):
    """Reading that jumps about, as a loader's does."""

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        self.fixture = Fixture("large")
        self.mount = Mount(self.fixture.source)
        self.addCleanup(self.mount.close)

    def ranges(self, size):
        rng = np.random.default_rng(3)
        for _ in range(300):
            start = int(rng.integers(0, size))
            yield start, int(rng.integers(1, 200000))

    def test_ranges_read(self):
        for name in self.fixture.readable():
            expected = self.fixture.known[name].bytes
            with open(self.mount.path(self.fixture.paths[name]), "rb", buffering=0) as f:
                for start, n in self.ranges(len(expected)):
                    got = os.pread(f.fileno(), n, start)
                    self.assertEqual(got, expected[start:start + n], (name, start, n))
                self.assertEqual(os.pread(f.fileno(), 10, len(expected)), b"")

    def test_ranges_mapped(self):
        for name in self.fixture.readable():
            expected = self.fixture.known[name].bytes
            path = os.fsdecode(self.mount.path(self.fixture.paths[name]))
            mapped = np.memmap(path, dtype=np.uint8, mode="r")
            for start, n in self.ranges(len(expected)):
                self.assertEqual(mapped[start:start + n].tobytes(), expected[start:start + n],
                                 (name, start, n))
            del mapped

    def test_arrays_mapped(self):
        path = os.fsdecode(self.mount.path(self.fixture.paths[b"columns"]))
        array = np.memmap(path, dtype=np.int64, mode="r", shape=(700, 640))
        whole = tf.train.load_checkpoint(self.fixture.prefix).get_tensor("columns")
        self.assertTrue(np.array_equal(array, whole))
        self.assertTrue(np.array_equal(array[:, 37], whole[:, 37]))
        del array


class Naming(unittest.TestCase):
    """What options change about paths."""

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())

    def tree(self, fixture, *options):
        mount = Mount(fixture.source, *options)
        self.addCleanup(mount.close)
        return {path for path in mount.tree() if not path.endswith(b".json")}

    def test_sep_splits_names_elsewhere(self):
        for name in ("names", "names-bytes"):
            f = Fixture(name)
            with self.subTest(name):
                paths = ckptnames.encode_all(f.known, sep=b".")
                self.assertEqual(self.tree(f, "-o", "sep=.") ^ set(paths.values()), set())

    def test_raw_names_keep_the_suffix(self):
        f = Fixture("tf2")
        paths = ckptnames.encode_all(f.known, raw_names=True)
        self.assertIn(b"step/.ATTRIBUTES/VARIABLE_VALUE", paths.values())
        self.assertEqual(self.tree(f, "-o", "raw_names") ^ set(paths.values()), set())

    def test_listings_are_in_natural_order(self):
        mount = Mount(Fixture("names").source)
        self.addCleanup(mount.close)
        listed = os.listdir(mount.path())
        wanted = [b"layer1.json", b"layer1", b"layer2.json", b"layer2", b"layer10.json",
                  b"layer10"]
        self.assertEqual([n for n in listed if n in wanted], wanted)
        for name in Fixture("names").paths.values():
            if b"/" not in name:
                self.assertLess(listed.index(name + b".json"), listed.index(name))
                self.assertLess(os.stat(mount.path(name + b".json")).st_ino,
                                os.stat(mount.path(name)).st_ino)

    def test_paths_lead_back_to_names(self):
        for name in ("names", "names-bytes", "tf2"):
            f = Fixture(name)
            shown = ckptnames.shown(f.known)
            for variable, path in f.paths.items():
                with self.subTest(variable):
                    if b"%~" in path:
                        self.assertRaises(ValueError, ckptnames.decode, path)
                    else:
                        self.assertEqual(ckptnames.decode(path), shown[variable])

    def test_spellings_that_no_name_has_are_refused(self):
        f = Fixture("names")
        mount = Mount(f.source)
        self.addCleanup(mount.close)
        for spelling in (b"%41", b"100%", b"%", b"%-x", b"%2", b"%zz", b"a.d/%41", b"w.d/%2e%2E"):
            with self.subTest(spelling), self.assertRaises(OSError) as caught:
                os.stat(mount.path(spelling))
            self.assertEqual(caught.exception.errno, errno.EINVAL, spelling)
