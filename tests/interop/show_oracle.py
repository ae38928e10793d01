"""Compares `ckptctl show` with TensorFlow's inspect_checkpoint, over many random variables.

Variables of every element type are made from a fixed seed and written by TensorFlow, in batches;
for each batch `ckptctl show` has to print, in summary and in full, what inspect_checkpoint prints
with NumPy's defaults and without NumPy's threshold. The choice of values leans to where printing
has to decide something: powers of two and of ten, the limits from which on numbers get an exponent,
infinities, quotes in strings.

usage: show_oracle.py [--seed N] [--count N] [--folder DIR] CKPTCTL

NumPy 2.3 or later is needed, since that is whose rules for exponents `show` follows.
"""

import argparse
import contextlib
import io
import itertools
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# pylint: disable=wrong-import-position
import numpy as np
import tensorflow as tf
from tensorflow.python.tools import inspect_checkpoint

EXPERIMENTAL = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz",
                "float8_e5m2fnuz", "float4_e2m1fn", "int4", "uint4", "int2", "uint2")
FLOATS = (tf.float16, tf.float32, tf.float64)
COMPLEX = (tf.complex64, tf.complex128)
INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)
QUANTISED = {tf.qint8: tf.int8, tf.quint8: tf.uint8, tf.qint16: tf.int16, tf.quint16: tf.uint16,
             tf.qint32: tf.int32}
SMALL = tuple(getattr(tf.dtypes.experimental, name) for name in EXPERIMENTAL
              if hasattr(tf.dtypes.experimental, name)) + (tf.bfloat16,)

SHAPES = ((), (), (0,), (1,), (3, 0, 2), (7,), (40,), (1000,), (1001,), (2, 3), (6, 7), (40, 30),
          (3, 400), (400, 3), (1, 1, 1001), (1001, 1, 1), (1, 1), (7, 7, 7, 7), (2,) * 10,
          (2,) * 11, (6, 6, 6, 6), (7, 2, 9, 8), (1,) * 20, (1,) * 40 + (3,), (1,) * 35 + (1100,),
          (0, 5), (5, 0), (2, 0, 1 << 40))

BATCH = 200  # variables in a checkpoint


def shape_of(rng):
    if rng.random() < 0.5:
        return SHAPES[rng.integers(len(SHAPES))]
    shape = tuple(int(n) for n in rng.integers(1, 12, rng.integers(1, 6)))
    return shape if np.prod(shape) < 5000 else shape[:3]


def float_values(rng, n, type_):
    """n numbers of a NumPy floating-point type, all of one random character."""
    info = np.finfo(type_)
    bits = np.dtype(type_).itemsize * 8
    style = rng.integers(14)
    if style == 0:  # any pattern of bits
        values = np.frombuffer(rng.bytes(n * bits // 8), type_)
    elif style == 1:
        values = rng.standard_normal(n)
    elif style == 2:  # of one magnitude, however far
        values = rng.standard_normal(n) * 10.0 ** rng.integers(-12, 12)
    elif style == 3:  # of many
        values = rng.standard_normal(n) * 10.0 ** rng.integers(-10, 10, n)
    elif style == 4:
        values = rng.integers(-100, 100, n)
    elif style == 5:
        values = np.round(rng.standard_normal(n) * 10, int(rng.integers(0, 4)))
    elif style == 6:
        values = 2.0 ** rng.integers(info.minexp, info.maxexp, n)
    elif style == 7:
        values = 2.0 ** rng.integers(-14, 14, n) * rng.choice([-1, 1], n)
    elif style == 8:
        values = 10.0 ** rng.integers(-5, 9, n)
    elif style == 9:  # around what needs an exponent
        limit = rng.choice([1e-4, 1e3, 1e6, 1e8, 1e16])
        near = np.array([limit], type_)
        for _ in range(2):
            near = np.concatenate([near, np.nextafter(near, type_(0)),
                                   np.nextafter(near, type_(np.inf))])
        values = rng.choice(near, n)
    elif style == 10:  # around the ratio that needs one
        low = type_(rng.uniform(0.01, 0.9))
        high = low * type_(1000)
        values = rng.choice(np.array([low, high, np.nextafter(high, type_(0)),
                                      np.nextafter(high, type_(np.inf))], type_), n)
    elif style == 11:
        values = rng.choice([0.0, -0.0, 1.0], n)
    elif style == 12:  # halfway between decimal numbers
        values = (rng.integers(0, 1 << 20, n) * 2 + 1) / 2.0 ** rng.integers(1, 26)
    else:
        values = rng.uniform(0, 1, n)
    values = np.array(values).astype(type_)
    if rng.random() < 0.25:
        odd = rng.random(n) < rng.choice([0.05, 0.5, 1])
        choice = [[np.nan], [np.inf], [-np.inf, np.inf], [np.nan, np.inf, -np.inf, 0.0]]
        values[odd] = rng.choice(choice[rng.integers(len(choice))], int(odd.sum()))
    return values


def integer_values(rng, n, type_):
    info = np.iinfo(type_)
    if rng.random() < 0.3:
        return np.frombuffer(rng.bytes(n * np.dtype(type_).itemsize), type_)
    top = min(10 ** int(rng.integers(1, 19)), info.max)
    return rng.integers(max(-top, info.min) if rng.random() < 0.6 else 0, top, n,
                        dtype=type_, endpoint=True)


def string_values(rng, n):
    values = np.empty(n, object)
    alphabets = [bytes(range(256)), b"abcdefgh ", b"ab'", b'ab"', b"'\"\\", b"\t\n\r\0 a"]
    alphabet = np.frombuffer(alphabets[rng.integers(len(alphabets))], np.uint8)
    longest = rng.choice([0, 1, 5, 30, 100])
    for i in range(n):
        values[i] = rng.choice(alphabet, rng.integers(0, longest + 1)).tobytes()
    return values


def tensor(rng, type_, shape):
    n = int(np.prod([int(d) for d in shape], dtype=object)) if shape else 1
    if type_ == tf.string:
        return tf.constant(string_values(rng, n).reshape(shape), tf.string, shape)
    if type_ in QUANTISED:
        base = QUANTISED[type_]
        values = integer_values(rng, n, base.as_numpy_dtype).reshape(shape)
        return tf.bitcast(tf.constant(values, base), type_)
    if type_ in COMPLEX:
        real = {tf.complex64: np.float32, tf.complex128: np.float64}[type_]
        values = np.empty(n, type_.as_numpy_dtype)
        values.real = float_values(rng, n, real)
        values.imag = float_values(rng, n, real)
        if rng.random() < 0.2:
            values.real = 0
    elif type_ in FLOATS:
        values = float_values(rng, n, type_.as_numpy_dtype)
    elif type_ in INTEGERS:
        values = integer_values(rng, n, type_.as_numpy_dtype)
    elif type_ == tf.bool:
        values = rng.random(n) < rng.choice([0, 0.5, 1])
    else:
        size = np.dtype(type_.as_numpy_dtype).itemsize
        values = np.frombuffer(rng.bytes(n * size), type_.as_numpy_dtype)
    return tf.constant(values.reshape(shape), type_)


def write(rng, prefix, count):
    """Writes a checkpoint of count random variables."""
    types = FLOATS * 6 + COMPLEX * 3 + INTEGERS + SMALL + (tf.bool, tf.string, tf.string,
                                                           tf.string) + tuple(QUANTISED)
    names, tensors = [], []
    for i in range(count):
        type_ = types[rng.integers(len(types))]
        shape = shape_of(rng)
        if type_ == tf.string:
            shape = shape[-20:]  # TensorFlow crashes on strings of more than 32 axes
        tensors.append(tensor(rng, type_, shape))
        names.append("%03d_%s" % (i, type_.name))
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * count,
                      tensors=tensors)


def inspected(prefix, threshold):
    """What inspect_checkpoint --all_tensors prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out, np.printoptions(threshold=threshold):
        inspect_checkpoint.print_tensors_in_checkpoint_file(prefix, None, True)
    return out.getvalue()


def compare(ckptctl, prefix):
    """Prints which variables are shown otherwise, and returns how many."""
    wrong = 0
    for option, threshold in (((), 1000), (("--all",), sys.maxsize)):
        wanted = inspected(prefix, threshold).split("\ntensor: ")
        run = subprocess.run([ckptctl, "show", *option, "--", prefix], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        got = run.stdout.decode("latin-1").split("\ntensor: ")
        for one, other in itertools.zip_longest(wanted, got, fillvalue="nothing"):
            if one != other:
                wrong += 1
                if wrong <= 10:
                    print("%s %s\n--- wanted\n%s\n--- got\n%s" %
                          (prefix, option, one[:3000], other[:3000]))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--folder", help="where the checkpoint is written and left")
    parser.add_argument("ckptctl")
    args = parser.parse_args()
    np.seterr(all="ignore")
    rng = np.random.default_rng(args.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for done in range(0, args.count, BATCH):
            prefix = os.path.join(args.folder or scratch, "show-%d-%d" % (args.seed, done))
            write(rng, prefix, min(BATCH, args.count - done))
            wrong += compare(args.ckptctl, prefix)
    print("%d variables, %d texts differ" % (args.count, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
