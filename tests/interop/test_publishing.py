"""Ways in which edits become the checkpoint, and what TensorFlow then reads: modes and targets of
publishing, several publishes, crashes, the commands."""

import contextlib
import json
import os
import random
import subprocess
import unittest

import numpy as np
import tensorflow as tf

import generate
import harness
from editing import Edited, Readers, Value, from_tensorflow, values_of
from harness import Fixture, argument, ckptctl

v1 = tf.compat.v1


def some_edits(e, step=0):
    """A few of each kind, in the saver fixture; each step's differ."""
    rng = np.random.default_rng(step)
    for name in (b"dense/kernel", b"dense_2/bias"):
        value = e.values[name]
        mapped = e.mapped(name)
        mapped.reshape(-1)[step % 3] = value.array.reshape(-1)[step % 3] = rng.normal()
        mapped.flush()
        del mapped
    new = Value(rng.normal(size=(step + 1, 3)))
    e.sh("""
        mkdir -p added
        printf '{"dtype": "float64", "shape": [%d, 3]}' $2 >added/step_$2.json
        cp "$1" added/step_$2
        [ ! -e was ] || mv was beta1_power
        mv beta1_power was
    """, e.file(new), str(step + 1))
    e.values[b"added/step_%d" % (step + 1)] = new
    if b"beta1_power" in e.values:
        e.rename(b"beta1_power", b"was")
    if step:
        e.sh("rm added/step_$1", str(step))
        del e.values[b"added/step_%d" % step]


def start_publish(e):
    return subprocess.Popen(
        ["bash", "-c", "echo >.ckptfuse/commit"], cwd=e.mount.point, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Mounting(unittest.TestCase):

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())


class Publishing(Mounting):

    def test_several_publishes_in_one_mount(self):
        for mode in ("replace", "inplace"):
            e = Edited(self, "saver")
            with self.subTest(mode), e.open(f"publish={mode}"):
                ways = (e.mount.publish, lambda: e.sh("sync ."),
                        lambda: ckptctl("commit", "--", e.mount.point),
                        lambda: ckptctl("commit", "--", e.prefix))
                for step, publish in enumerate(ways):
                    some_edits(e, step)
                    publish()
                    Readers(self, e.prefix, e.values).check()
                some_edits(e, len(ways))
            e.check()

    def test_edits_taken_back(self):
        e = Edited(self, "saver")
        with e.open():
            some_edits(e)
            ckptctl("discard", "--", e.mount.point)
            e.values = values_of(e.fixture)
            e.sh("rm global_step; printf '\\0\\0\\0\\0' >beta2_power; rm beta1_power")
            ckptctl("discard", "--", e.mount.point, "beta2_power")
            del e.values[b"global_step"], e.values[b"beta1_power"]
        e.check()

    def test_compact_afterwards(self):
        for fixture in ("saver", "sliced", "strings", "shards5"):
            with self.subTest(fixture):
                e = Edited(self, fixture)
                gone = sorted(e.values)[::2]
                with e.open():
                    for name in gone:
                        os.unlink(e.path(name))
                    e.sh("mkdir more; cp -r \"$1\"/* more", e.look("shapes")[0])
                    e.mount.publish()
                    e.sh("rm -r more")
                for name in gone:
                    del e.values[name]
                files = [f for f in os.listdir(e.folder) if ".data-" in f]
                before = sum(os.path.getsize(f"{e.folder}/{f}") for f in files)
                e.check()
                ckptctl("compact", "--", e.prefix)
                files = [f for f in os.listdir(e.folder) if ".data-" in f]
                after = sum(os.path.getsize(f"{e.folder}/{f}") for f in files)
                e.check()
                self.assertLess(after, before)
                used = sum(entry.size for entry in e.entries().values() if not entry.slices)
                if fixture in ("saver", "strings"):
                    self.assertEqual(after, used)

    def test_saved_under_another_prefix(self):
        for fixture in ("saver", "sliced", "shards5", "strings", "many6000"):
            with self.subTest(fixture):
                e = Edited(self, fixture)
                files = {f: content(f"{e.folder}/{f}") for f in os.listdir(e.folder)}
                kept, untouched = e.prefix, dict(e.values)
                name = sorted(e.values)[-1]
                with e.open(f"save={e.folder}/copy-1"):
                    e.sh("mkdir moved; mv \"$1\" moved/x", e.path(name))
                    e.rename(name, b"moved/x")
                    some, values = e.look("shapes")
                    e.sh("cp -r \"$1\"/* moved", some)
                    e.values.update((b"moved/" + n, v) for n, v in values.items())
                e.check(f"{e.folder}/copy-1")
                for f, data in files.items():
                    self.assertEqual(content(f"{e.folder}/{f}"), data, f)
                Readers(self, kept, untouched).check()

    def test_made_from_nothing_by_copying(self):
        """cp -r a/. b/ of every kind of checkpoint; what was partitioned is in one piece."""
        for fixture in ("alltypes", "strings", "shapes", "sliced", "sliced-v1", "shards5",
                        "names", "names-bytes", "big-endian", "tf2", "snappy", "empty"):
            with self.subTest(fixture):
                e = Edited(self)
                source, e.values = e.look(fixture)
                with e.open("create=tensorflow"):
                    e.sh("cp -r \"$1\"/. .", source)
                if e.values:
                    e.check()  # of none there are no files
                    self.assertFalse(any(entry.slices for entry in e.entries().values()))

    def test_readers_meanwhile(self):
        """publish=replace: who reads at any moment has all of the old values or all new ones."""
        e = Edited(self, "many6000")
        names = sorted(e.values)[::4]
        with e.open("publish=replace"):
            paths = e.paths()
            for step in range(1, 4):
                old = e.values
                e.values = dict(old)
                for name in names:
                    e.values[name] = Value(np.int16(-step))
                    e.mount.write(os.fsencode(paths[name]), e.values[name].stored())
                seen, publish = set(), start_publish(e)
                while True:
                    ended = publish.poll() is not None
                    seen.add(self.which(e.prefix, old, e.values))
                    if ended:
                        break
                self.assertEqual(publish.returncode, 0)
                self.assertIn("new", seen)
                self.assertLessEqual(seen, {"old", "new"})
        e.check()

    def which(self, prefix, old, new):
        names = sorted(new)[::6]
        got = [int(t) for t in tf.raw_ops.RestoreV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names),
            dtypes=[tf.int16] * len(names))]
        for name, values in (("old", old), ("new", new)):
            if got == [int(values[n].array) for n in names]:
                return name
        return "neither"

    def test_readers_from_before(self):
        """Who had it open before two publishes goes on reading what it opened."""
        e = Edited(self, "saver")
        before = values_of(e.fixture)
        with e.open("publish=replace"):
            reader = tf.train.load_checkpoint(e.prefix)
            reader.get_tensor("global_step")  # now it has the data file open
            for _ in range(2):
                for name, value in e.values.items():
                    e.values[name] = value.like(value.array + 1)
                    e.mount.write(os.fsencode(e.path(name)), e.values[name].stored())
                e.mount.publish()
            for name, value in before.items():
                got = from_tensorflow(reader.get_tensor(name.decode()), value.dtype)
                self.assertEqual(got.told(), value.told())
        e.check()

    def test_auto_beyond_its_budget(self):
        """A few bytes of a variable of 80 MiB: they are written in place, or the rest shared."""
        e = Edited(self)
        e.values = {b"large": Value(np.zeros((20, 1 << 20), np.float32)),
                    b"small": Value(np.arange(4))}
        generate.save(e.prefix, {"large": e.values[b"large"].array,
                                 "small": e.values[b"small"].array})
        data = e.prefix + ".data-00000-of-00001"
        size = os.path.getsize(data)
        with e.open():
            mapped = e.mapped(b"large")
            mapped[7, 1000:1100] = e.values[b"large"].array[7, 1000:1100] = 1
            mapped[19, -1] = e.values[b"large"].array[19, -1] = 2
            mapped.flush()
            del mapped
            e.mount.publish()
            last = json.loads(e.mount.read(b".ckptfuse/status.json"))["last_publish"]
        e.check()
        if last["how"] == "in place":
            self.assertEqual(os.path.getsize(data), size)

    def test_partitioned_variables_in_their_program(self):
        """TensorFlow 1's partitioned variables are restored slice by slice after edits."""
        e = Edited(self, "sliced-v1")
        with e.open("publish=inplace"):
            for name in (b"embedding/weights", b"projection/kernel"):
                mapped = e.mapped(name)
                mapped[1:3, 1:7:2] = e.values[name].array[1:3, 1:7:2] = -1
                mapped.flush()
                del mapped
        e.check()
        with tf.Graph().as_default(), v1.Session() as session:
            variables = {}
            for name, parts, axis in (("embedding/weights", 3, 0), ("projection/kernel", 4, 1)):
                variables[name] = v1.get_variable(
                    name, e.values[name.encode()].shape, tf.float32, use_resource=False,
                    partitioner=v1.fixed_size_partitioner(parts, axis=axis),
                    initializer=v1.zeros_initializer())
            v1.train.Saver().restore(session, e.prefix)
            for name, variable in variables.items():
                got = session.run(variable.as_tensor())
                self.assertEqual(got.tobytes(), e.values[name.encode()].stored())


class Crashes(Mounting):

    def test_killed_after_a_sync(self):
        """kill -9; the edits are published by ckptctl commit, or by the next mount."""
        for again in ("commit", "mount"):
            with self.subTest(again):
                e = Edited(self, "saver")
                e.open()
                some_edits(e)
                e.mount.sync(b"dense/kernel")
                e.mount.kill()
                e.mount.close()
                Readers(self, e.prefix, values_of(e.fixture)).check()
                if again == "commit":
                    ckptctl("commit", "--", e.prefix)
                else:
                    with e.open():
                        e.mount.publish()
                e.check()

    def test_killed_while_it_publishes(self):
        """At any moment: the commit that follows makes all of the edits, and only these."""
        rng = random.Random(4)
        for i in range(8):
            mode = ("replace", "inplace")[i % 2]
            e = Edited(self, "sliced" if i % 4 < 2 else "many6000")
            with self.subTest(i=i, mode=mode):
                e.open(f"publish={mode}")
                names, paths = sorted(e.values), e.paths()
                for name in names[::7]:
                    value = e.values[name]
                    value.array.reshape(-1)[0] = 1
                    with open(paths[name], "r+b") as f:
                        f.write(value.stored()[:value.array.itemsize])
                for name in names[3::49]:
                    os.unlink(paths[name])
                    del e.values[name]
                e.mount.sync(os.fsencode(paths[names[0]]))
                commit = start_publish(e)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    commit.wait(timeout=rng.uniform(0.003, 0.04))
                e.mount.kill()
                commit.wait(timeout=harness.LIMIT)
                e.mount.close()
                ckptctl("commit", "--", e.prefix)
                e.check()


class Commands(unittest.TestCase):
    """The same edits by ckptctl, without a mount and through one."""

    def edit(self, e):
        bias, new = e.values[b"dense/bias"], Value(np.arange(6, dtype=np.int16).reshape(2, 3))
        bias.array[:] = np.arange(8)
        ckptctl("set", "--", e.prefix, "dense/bias", e.file(bias))
        ckptctl("set", "--dtype", "int16", "--shape", "2,3", "--", e.prefix, "new/one",
                e.file(new))
        e.values[b"new/one"] = new
        words = Value(generate.text(b"cat", b"", b"dog"))
        ckptctl("set", "--dtype", "string", "--shape", "3", "--lengths", "3,0,3", "--", e.prefix,
                "labels", e.file(words))
        e.values[b"labels"] = words
        ckptctl("set", "--dtype", "int32", "--shape", "[]", "--", e.prefix, "global_step",
                e.file(Value(np.int32(5))))
        e.values[b"global_step"] = Value(np.int32(5))
        ckptctl("mv", "--", e.prefix, "dense_1/", "classifier/")
        e.rename_scope(b"dense_1/", b"classifier/")
        ckptctl("mv", "--", e.prefix, "beta1_power", "dense/bias/power")
        e.rename(b"beta1_power", b"dense/bias/power")
        ckptctl("rm", "--", e.prefix, "*/Adam", "beta2_power")
        for name in list(e.values):
            if name.endswith(b"/Adam") or name == b"beta2_power":
                del e.values[name]
        sliced = Fixture("sliced")
        ckptctl("cp", "--", sliced.source, e.prefix, "rows2", "scope/=parts/", "rank4=r/4")
        values = values_of(sliced)
        e.values.update({
            b"rows2": values[b"rows2"], b"r/4": values[b"rank4"],
            b"parts/partitioned": values[b"scope/partitioned"],
            b"parts/partitioned/Adam": values[b"scope/partitioned/Adam"]})
        ckptctl("cp", "--", e.prefix, e.prefix, "dense_2/=dense_3/")
        e.values.update((b"dense_3/" + n[8:], v) for n, v in list(e.values.items())
                        if n.startswith(b"dense_2/"))

    def test_without_a_mount(self):
        e = Edited(self, "saver")
        self.edit(e)
        e.check()

    def test_through_a_mount(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        e = Edited(self, "saver")
        with e.open():
            self.edit(e)
            Readers(self, e.prefix, e.values).check()
            e.sh("printf '\\1\\0\\0\\0' >global_step")
            e.values[b"global_step"] = Value(np.int32(1))
        e.check()

    def test_cp_makes_a_checkpoint(self):
        """All of it or some, of every kind of checkpoint; the other way of converting."""
        for fixture in ("alltypes", "strings", "shapes", "sliced", "names", "names-bytes",
                        "big-endian", "tf2", "many6000"):
            with self.subTest(fixture):
                e = Edited(self)
                e.values = values_of(Fixture(fixture))
                ckptctl("cp", "--", Fixture(fixture).source, e.prefix)
                e.check()

    def test_names_of_every_kind(self):
        e = Edited(self, "names")
        for name in sorted(e.values)[::9]:
            new = b"odd " + name[::-1] if name.isascii() else b"odd/" + name
            ckptctl("mv", "--", e.prefix, argument(name), argument(new))
            e.rename(name, new)
        e.check()


def content(path):
    with open(path, "rb") as f:
        return f.read()
