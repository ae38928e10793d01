"""Edits by ordinary tools, and what TensorFlow then reads."""

import json
import os
import unittest

import ml_dtypes
import numpy as np
import tensorflow as tf

import generate
import harness
from editing import Edited, Value, numpy_type

CASES = []
MODES = ("replace", "inplace", "auto")  # of publishing: what is edited inside is where they differ


def edits(fixture, modes=MODES):
    """A case: a function that edits a copy of the fixture, and its model with it."""
    def register(function):
        CASES.append((function, fixture, modes))
        return function
    return register


def random(seed=7):
    return np.random.default_rng(seed)


def floats(*shape, seed=7):
    return random(seed).normal(size=shape).astype(np.float32)


def reversed_of(value):
    """Other contents of the same type, shape and size."""
    return value.like(value.array.reshape(-1)[::-1].reshape(value.shape).copy())


# Bytes

@edits("saver")
def bytes_by_shell(e):
    new = {name: e.values[name].like(floats(*e.values[name].shape))
           for name in (b"dense/bias", b"dense_1/bias", b"dense_2/bias", b"dense/kernel/Adam",
                        b"dense_1/kernel/Adam", b"dense_2/kernel/Adam")}
    files = [e.file(v) for v in new.values()]
    e.sh(r"""
        printf '\x2a\0\0\0\0\0\0\0' >global_step
        cp "$1" dense/bias
        cat "$2" >dense_1/bias
        truncate -s 0 dense_2/bias
        cat "$3" >>dense_2/bias
        cp "$4" dense/kernel.d/.new
        mv dense/kernel.d/.new dense/kernel.d/Adam
        install -m 644 "$5" dense_1/kernel.d/Adam
        dd if="$6" of=dense_2/kernel.d/Adam bs=7 status=none
        dd if="$4" of=dense/kernel bs=4 count=5 seek=11 conv=notrunc status=none
    """, *files)
    e.values.update(new)
    e.values[b"global_step"] = Value(np.int64(42))
    e.values[b"dense/kernel"].array.reshape(-1)[11:16] = (
        new[b"dense/kernel/Adam"].array.reshape(-1)[:5])


@edits("saver")
def bytes_by_python(e):
    with open(e.path(b"dense/kernel"), "r+b") as f:
        f.seek(5)  # in the middle of a number
        f.write(b"\1\2\3\4\5\6")
    raw = bytearray(e.values[b"dense/kernel"].stored())
    raw[5:11] = b"\1\2\3\4\5\6"
    e.values[b"dense/kernel"].array[:] = np.frombuffer(raw, np.float32).reshape(4, 8)

    mapped = e.mapped(b"dense_1/kernel")
    mapped *= -2
    mapped[3, 1:4] = np.inf
    mapped.flush()
    del mapped
    e.values[b"dense_1/kernel"].array[:] *= -2
    e.values[b"dense_1/kernel"].array[3, 1:4] = np.inf

    e.values[b"dense_2/kernel"].array[:] = floats(6, 3)
    e.values[b"dense_2/kernel"].array.tofile(e.path(b"dense_2/kernel"))


@edits("large")
def bytes_in_megabytes(e):
    """Few bytes of what is large, page by page and across the borders of slices."""
    mapped = e.mapped(b"whole")
    for row in (0, 17, 999):
        mapped[row, 3:9] = e.values[b"whole"].array[row, 3:9] = row
    mapped.flush()
    del mapped
    with open(e.path(b"rows"), "r+b") as f:
        f.seek(4 * 499990)
        floats(30).tofile(f)
    e.values[b"rows"].array.reshape(-1)[499990:500020] = floats(30)
    mapped = e.mapped(b"columns")
    mapped[5:8, 30:50] = e.values[b"columns"].array[5:8, 30:50] = -1
    del mapped
    e.sh("rm strings; dd if=/dev/zero of=after bs=1 seek=500 count=3 conv=notrunc status=none")
    e.values[b"after"].array[500:503] = 0
    del e.values[b"strings"]


# Names

@edits("saver", ("auto",))
def names_renamed(e):
    e.sh("""
        mv dense/kernel dense/w
        mv dense/kernel.d dense/w.d
        mkdir -p deep/er
        mv dense_1/bias dense_1/bias.json deep/er
        mv global_step step
        mv beta1_power .aside && mv beta2_power beta1_power && mv .aside beta2_power
        mv dense_2/bias dense/bias
    """)
    e.rename(b"dense/kernel", b"dense/w")
    e.rename_scope(b"dense/kernel/", b"dense/w/")
    e.rename(b"dense_1/bias", b"deep/er/bias")
    e.rename(b"global_step", b"step")
    swap = e.values
    swap[b"beta1_power"], swap[b"beta2_power"] = swap[b"beta2_power"], swap[b"beta1_power"]
    e.rename(b"dense_2/bias", b"dense/bias")


@edits("saver", ("auto",))
def names_of_scopes(e):
    e.sh("""
        mkdir -p model/head
        mv dense model/dense
        mv dense_1 classifier
        mv dense_2 model/head
        mv classifier/kernel.d classifier/slots
    """)
    e.rename_scope(b"dense/", b"model/dense/")
    e.rename_scope(b"dense_1/", b"classifier/")
    e.rename_scope(b"dense_2/", b"model/head/dense_2/")
    e.rename_scope(b"classifier/kernel/", b"classifier/slots/")


@edits("saver", ("auto",))
def names_deleted(e):
    e.sh("rm -r dense_1; rm global_step beta1_power beta1_power.json; rm dense*/*.d/Adam*")
    e.remove_scope(b"dense_1/")
    for name in list(e.values):
        if name in (b"global_step", b"beta1_power") or b"/Adam" in name:
            del e.values[name]


@edits("names", ("auto",))
def names_of_every_kind(e):
    """Each variable into a scope, then some of them back: keys in an order of their own."""
    e.sh("""
        mkdir below%25
        mv %2Eckptfuse.d below%25/.ckptfuse.d
        shopt -s dotglob
        for f in *; do
            [ "$f" = below%25 ] || [[ $f == *.json ]] || [ "$f" = .ckptfuse ] ||
                mv -- "$f" below%25
        done
        mv below%25/layer* .
    """)
    for name in list(e.values):
        if not name.startswith(b"layer") and name != b"below%":
            # A first component without a folder is spelt as the root's are.
            e.rename(name, b"below%/" + name)


@edits("many6000", ("auto",))
def names_by_the_thousand(e):
    e.sh("""
        rm -r encoder/layer_1??
        mv encoder decoder
        mkdir first
        mv decoder/layer_0?? first
        for f in first/layer_00?/*/weights/kernel; do printf '\\377\\377' >"$f"; done
        for f in first/layer_01?/*/weights/bias; do mv "$f" "${f%bias}a_longer_name_for_it"; done
    """)
    for name in list(e.values):
        number = int(name.split(b"/")[1][6:])
        if 100 <= number < 200:
            del e.values[name]
            continue
        new = name.replace(b"encoder", b"first" if number < 100 else b"decoder")
        if 10 <= number < 20 and new.endswith(b"/bias"):
            new = new[:-4] + b"a_longer_name_for_it"
        e.rename(name, new)
        if number < 10 and new.endswith(b"/kernel"):
            e.values[new] = Value(np.int16(-1))


# New variables

@edits("saver", ("auto",))
def created_by_copies(e):
    types, values = e.look("alltypes")
    strings, more = e.look("strings")
    sliced, joined = e.look("sliced")
    e.sh("""
        mkdir all partitioned text
        cp -r "$1"/* all
        cp -r "$2"/* text
        cp -r "$3"/* partitioned
    """, types, strings, sliced)
    for scope, known in ((b"all/", values), (b"text/", more), (b"partitioned/", joined)):
        e.values.update((scope + name, value) for name, value in known.items())


@edits("saver", ("auto",))
def created_by_hand(e):
    ids = Value(np.arange(12, dtype=np.int32).reshape(3, 4))
    half = Value(np.array([1.5, -2], ml_dtypes.bfloat16))
    e.sh(r"""
        mkdir new
        printf '{"dtype": "int32", "shape": [3, 4]}' >new/ids.json
        cp "$1" new/ids
        cp "$2" new/half
        printf '{"dtype": "bfloat16", "shape": [2]}' >new/half.json
        printf '{"dtype": "bool", "shape": []}' >new/flag.json
        printf '\1' >new/flag
        printf '{"dtype": "string", "shape": []}' >new/motto.json
        printf 'no wind, no waves' >new/motto
        printf '{"dtype": "string", "shape": [2, 2], "lengths": [1, 0, 2, 3]}' >new/words.json
        printf 'abbccc' >new/words
        printf '{"dtype": "float64", "shape": [0, 5]}' >new/nothing.json
        : >new/nothing
        cp -a dense/kernel dense/kernel.json new
    """, e.file(ids), e.file(half))
    e.values.update({
        b"new/ids": ids, b"new/half": half, b"new/flag": Value(np.bool_(True)),
        b"new/motto": Value(b"no wind, no waves"),
        b"new/words": Value(generate.text(b"a", b"", b"bb", b"ccc", shape=(2, 2))),
        b"new/nothing": Value(np.zeros((0, 5))), b"new/kernel": e.values[b"dense/kernel"]})


# Shapes and types

@edits("saver")
def shapes_and_types(e):
    small, large = floats(3, 2), floats(20, 30)
    e.sh(r"""
        printf '{"shape": [2, 16]}' >dense/kernel.json
        printf '{"dtype": "int32"}' >dense_1/kernel.json
        printf '{"dtype": "uint8", "shape": [8, 4]}' >dense/bias.json
        printf '{"shape": [3, 2]}' >dense_2/kernel.json
        cp "$1" dense_2/kernel
        cp "$2" dense_1/bias || :
        printf '{"shape": [20, 30]}' >dense_1/bias.json
        printf '{"dtype": "int16", "shape": []}' >global_step.json
        printf '\5\0' >global_step
    """, e.file(Value(small)), e.file(Value(large)))
    os.setxattr(e.path(b"dense_2/bias"), "user.ckptfuse.shape", b"[3, 1]")
    v = e.values
    v[b"dense/kernel"] = Value(v[b"dense/kernel"].array.reshape(2, 16))
    v[b"dense_1/kernel"] = Value(v[b"dense_1/kernel"].array.view(np.int32))
    v[b"dense/bias"] = Value(v[b"dense/bias"].array.view(np.uint8).reshape(8, 4))
    v[b"dense_2/kernel"] = Value(small)
    v[b"dense_1/bias"] = Value(large)
    v[b"global_step"] = Value(np.int16(5))
    v[b"dense_2/bias"] = Value(v[b"dense_2/bias"].array.reshape(3, 1))


@edits("shapes", ("auto",))
def shapes_of_every_kind(e):
    """Every shape is reversed, every variable's contents too; then what has no elements."""
    for name, value in sorted(e.values.items()):
        if value.is_string:
            continue
        new = Value(reversed_of(value).array.reshape(value.shape[::-1]), value.dtype)
        with open(e.path(name) + ".json", "w") as f:
            json.dump({"shape": new.shape}, f)
        with open(e.path(name), "wb") as f:
            f.write(new.stored())
        e.values[name] = new


@edits("shapes", ("auto",))
def shapes_without_elements(e):
    """What has some loses them, and the other way round."""
    for i, (name, value) in enumerate(sorted(e.values.items())):
        if value.is_string:
            continue
        new = Value(np.zeros((2, 0), value.array.dtype) if value.array.size else
                    np.arange(i % 3, dtype=value.array.dtype), value.dtype)
        with open(e.path(name), "wb") as f:
            f.write(new.stored())
            with open(e.path(name) + ".json", "w") as g:
                json.dump({"shape": new.shape}, g)
        e.values[name] = new


@edits("alltypes")
def types_all(e):
    """Vectors are replaced whole, matrices changed inside, scalars moved."""
    for name, value in sorted(e.values.items()):
        kind, _, rest = name.partition(b"/")
        if value.is_string or kind not in (b"vector", b"matrix", b"scalar"):
            continue
        if kind == b"vector":
            e.values[name] = reversed_of(value)
            e.sh('cp "$1" "$2"', e.file(e.values[name]), e.path(name))
        elif kind == b"matrix":
            mapped = e.mapped(name)
            mapped[1] = mapped[0]
            del mapped
            value.array[1] = value.array[0]
    e.sh("mv scalar single; mkdir scalar; mv single/*32 scalar")
    for name in list(e.values):
        if name.startswith(b"scalar/") and not name.endswith(b"32"):
            e.rename(name, b"single/" + name[7:])


@edits("alltypes", ("auto",))
def types_of_the_same_size(e):
    """Each vector of one byte an element becomes another such type, and so on."""
    groups = {}
    for name, value in sorted(e.values.items()):
        if name.startswith(b"vector/") and not value.is_string and value.dtype.name != "bool":
            groups.setdefault(value.array.dtype.itemsize, []).append(name)
    for names in groups.values():
        types = [e.values[name].dtype for name in names]
        for name, dtype in zip(names, types[1:] + types[:1]):
            with open(e.path(name) + ".json", "w") as f:
                json.dump({"dtype": dtype.name}, f)
            e.values[name] = Value(e.values[name].array.view(numpy_type(dtype)), dtype)


# Strings

@edits("strings", ("auto",))
def strings_of_all_lengths(e):
    """Each gets more strings, or longer ones; a scalar is written as it is."""
    for i, (name, value) in enumerate(sorted(e.values.items())):
        if value.shape:
            elements = [element + b"+" * (200 * i) for element in value.array.ravel()]
            elements += [b"", b"last\0"] if i % 2 else []
            new = Value(generate.text(*elements))
            with open(e.path(name) + ".json", "w") as f:
                json.dump({"shape": new.shape, "lengths": new.lengths}, f)
        else:
            new = Value(b"instead: " + value.array[()])
        with open(e.path(name), "wb") as f:
            f.write(new.stored())
        e.values[name] = new


@edits("strings")
def strings_changed_inside(e):
    """The same lengths: bytes alone, renames, shapes; and one scalar by printf."""
    printed = None
    for i, (name, value) in enumerate(sorted(e.values.items())):
        if not value.shape:
            printed = name
        elif value.stored():
            raw = bytearray(value.stored())
            raw[0] ^= 0xff
            with open(e.path(name), "r+b") as f:
                f.write(raw[:1])
            ends = np.cumsum(value.lengths)
            e.values[name] = Value(generate.text(
                *[bytes(raw[b - n:b]) for b, n in zip(ends, value.lengths)], shape=value.shape))
    e.sh("printf 'a %s' string >\"$1\"", e.path(printed))
    e.values[printed] = Value(b"a string")
    e.sh("printf '{\"shape\": [1, 2]}' >vector.json")
    e.values[b"vector"] = Value(e.values[b"vector"].array.reshape(1, 2))


# Shards and slices

@edits("shards5")
def shards(e):
    for i in range(5):
        value = e.values[b"tower_%d/kernel" % i]
        value.array[:] = floats(*value.shape, seed=i)
        value.array.tofile(e.path(b"tower_%d/kernel" % i))
    e.sh(r"""
        rm -r tower_2
        mv tower_3 tower_2
        printf '\6' | dd of=global_step bs=1 conv=notrunc status=none
        printf '{"shape": [1], "lengths": [9]}' >tower_1/vocabulary.json
        printf 'shardling' >tower_1/vocabulary
        cp -r tower_0 tower_5
    """)
    e.remove_scope(b"tower_2/")
    e.rename_scope(b"tower_3/", b"tower_2/")
    e.values[b"global_step"] = Value(np.int64(6))
    e.values[b"tower_1/vocabulary"] = Value(generate.text(b"shardling"))
    for name in list(e.values):
        if name.startswith(b"tower_0/"):
            e.values[name.replace(b"0", b"5")] = e.values[name]


@edits("sliced")
def slices_changed(e):
    """Bytes inside, in every way of slicing: the slices stay as they are."""
    before = {name: entry.slices for name, entry in e.entries().items()}
    for i, (name, value) in enumerate(sorted(e.values.items())):
        if not value.shape:
            continue
        new = reversed_of(value)
        if i % 3 == 0:  # some bytes
            raw = bytearray(value.stored())
            at = len(raw) // 3
            raw[at:2 * at] = new.stored()[at:2 * at]
            if value.dtype.name == "bool":
                raw = bytearray(new.stored())
            e.sh('dd if="$1" of="$2" bs=1 skip=$3 seek=$3 count=$4 conv=notrunc status=none',
                 e.file(bytes(raw)), e.path(name), str(at), str(at))
            raw[:at], raw[2 * at:] = value.stored()[:at], value.stored()[2 * at:]
            new = value.like(np.frombuffer(raw, value.array.dtype).reshape(value.shape))
        elif i % 3 == 1:  # all of them, through a mapping
            mapped = e.mapped(name)
            mapped[:] = new.array
            del mapped
        else:
            e.sh('cp "$1" "$2"', e.file(new), e.path(name))
        e.values[name] = new
    return lambda: e.test.assertEqual(
        {name: entry.slices for name, entry in e.entries().items()}, before)


@edits("sliced")
def slices_of_columns(e):
    """One column after another, as numpy writes them."""
    for name in (b"columns16", b"grid_3x2", b"columns_uneven"):
        mapped = e.mapped(name)
        for column in (0, 4, 7):
            mapped[:, column] = e.values[name].array[:, column] = column
        mapped.flush()
        del mapped


@edits("sliced")
def slices_renamed_and_stored_whole(e):
    new = floats(2, 9)
    e.sh("""
        mv rows2 renamed
        mv scope other
        rm grid_3x2 types/qint8
        printf '{"shape": [3, 10]}' >rows3_shards.json
        printf '{"dtype": "uint32"}' >rows3_uneven.json
        printf '{"shape": [2, 9]}' >rank1.json
        cp "$1" rank1
        mkdir longer
        mv columns16 longer/columns16_under_quite_another_name
    """, e.file(Value(new)))
    e.rename(b"rows2", b"renamed")
    e.rename_scope(b"scope/", b"other/")
    del e.values[b"grid_3x2"], e.values[b"types/qint8"]
    v = e.values
    v[b"rows3_shards"] = Value(v[b"rows3_shards"].array.reshape(3, 10))
    v[b"rows3_uneven"] = Value(v[b"rows3_uneven"].array.view(np.uint32))
    v[b"rank1"] = Value(new)
    e.rename(b"columns16", b"longer/columns16_under_quite_another_name")

    def check():
        sliced = {name for name, entry in e.entries().items() if entry.slices}
        e.test.assertTrue({b"renamed", b"other/partitioned",
                           b"longer/columns16_under_quite_another_name"} <= sliced, sliced)
        e.test.assertFalse({b"rows3_shards", b"rows3_uneven", b"rank1"} & sliced, sliced)
    return check


# Other writers' checkpoints

@edits("big-endian")
def big_endian(e):
    """Bytes are as they are stored; what is said to be of the other order is swapped."""
    for name, value in sorted(e.values.items()):
        if name.startswith(b"vector/") and not value.is_string:
            e.values[name] = reversed_of(value)
            e.sh('cp "$1" "$2"', e.file(e.values[name]), e.path(name))
    types, values = e.look("alltypes")
    e.sh(r"""
        mv matrix m
        cp -r "$1"/vector imported
        rm imported/float[48]_* imported/*int[24]
        printf '{"byte_order": "little"}' >scalar/int32.json
        printf '\1\2\3\4' >scalar/int32
        printf 'words' >scalar/string
    """, types)
    e.rename_scope(b"matrix/", b"m/")
    # TensorFlow cannot turn the types round that have less than a byte, and some of one byte.
    e.values.update(
        (b"imported/" + name[7:], value) for name, value in values.items()
        if name.startswith(b"vector/") and
        not name.endswith((b"int2", b"int4")) and b"float8_" not in name and b"float4_" not in name)
    e.values[b"scalar/int32"] = Value(np.int32(0x04030201))
    e.values[b"scalar/string"] = Value(b"words")


@edits("tf2")
def tf2_values(e):
    """Values of an object-based checkpoint; a program restores it as before."""
    for name, value in sorted(e.values.items()):
        if value.array.dtype == np.float32:
            new = value.like(floats(*value.shape) if value.shape else np.float32(0.25))
            e.sh('cp "$1" "$2"', e.file(new), e.path(name))
            e.values[name] = new
    e.sh(r"printf '\11\0\0\0\0\0\0\0' >step")
    e.values[b"step/.ATTRIBUTES/VARIABLE_VALUE"] = Value(np.int64(9))

    def check():
        network = generate.Network(random())
        checkpoint = tf.train.Checkpoint(network=network, step=tf.Variable(0, dtype=tf.int64))
        checkpoint.restore(e.prefix).assert_existing_objects_matched().expect_partial()
        e.test.assertEqual(checkpoint.step.numpy(), 9)
        for i, layer in enumerate(network.hidden):
            name = b"network/hidden/%d/kernel/.ATTRIBUTES/VARIABLE_VALUE" % i
            e.test.assertEqual(layer.kernel.numpy().tobytes(), e.values[name].stored())
    return check


def other_tables(e):
    """Rewritten, whatever the table was like: some values, some names."""
    for i, (name, value) in enumerate(sorted(e.values.items())):
        if i % 7 == 0:
            os.unlink(e.path(name))
            del e.values[name]
        elif i % 3 == 0 and not value.is_string:
            e.values[name] = reversed_of(value)
            with open(e.path(name), "r+b") as f:
                f.write(e.values[name].stored())
        elif i % 3 == 1 and b"/" not in name:
            os.rename(e.path(name), e.path(name) + "_1")
            e.rename(name, name + b"_1")


for _fixture in ("snappy", "snappy-all", "aligned", "protobuf"):
    def _edit(e):
        other_tables(e)
    _edit.__name__ = f"table_{_fixture.replace('-', '_')}"
    edits(_fixture, ("auto",))(_edit)


class Edits(unittest.TestCase):
    """A test for each case and way of publishing is derived from the table, below."""

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())

    def run_case(self, function, fixture, mode):
        with Edited(self, fixture).open(f"publish={mode}") as e:
            more = function(e)
        e.check()
        if more:
            more()


def _derive():
    for function, fixture, modes in CASES:
        for mode in modes:
            def test(self, function=function, fixture=fixture, mode=mode):
                self.run_case(function, fixture, mode)
            setattr(Edits, f"test_{function.__name__}, publish={mode}", test)


_derive()
