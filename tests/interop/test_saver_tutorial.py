"""The README's section on the Saver's tutorial: its commands do what its Python does.

Both are taken from README.md and run as they stand there, each in a folder of its own.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import tensorflow as tf

import harness
from harness import CKPTCTL, CKPTFUSE, Fixture, ckptctl

v1 = tf.compat.v1
README = os.path.join(harness.HERE, "..", "..", "README.md")
TITLE = "## The Saver's tutorial, in the shell\n"


def examples():
    """{first words: (lines of Python, lines for the shell, commands within the text)}."""
    with open(README, encoding="utf-8") as f:
        section = f.read().split(TITLE)[1].split("\n## ")[0]
    out = {}
    for part in re.split(r"^\*\*", section, flags=re.M)[1:]:
        title, text = part.split("**", 1)
        out[title] = (re.findall(r"^    >>> (.*)$", text, re.M),
                      re.findall(r"^    \$ (.*)$", text, re.M),
                      re.findall(r"`((?:ckptctl|cp) [^`]*)`", text.replace("\n", " ")))
    return out


class Program:
    """A small network; what it starts with depends on the seed."""

    def __init__(self, seed):
        self.graph = tf.Graph()
        with self.graph.as_default():
            rng = np.random.default_rng(seed)

            def variable(name, *shape):
                return v1.get_variable(name, initializer=rng.normal(size=shape).astype("float32"))

            names = {name: variable(name, *shape) for name, shape in {
                "stem/kernel": (3, 3, 4), "stem/bias": (4,), "conv/kernel": (3, 3, 4),
                "conv/bias": (4,), "dense/kernel": (4, 2 + seed),
                "dense/bias": (2 + seed,)}.items()}
            loss = tf.add_n([tf.reduce_sum(v * v) for v in names.values()])
            self.train = v1.train.AdamOptimizer(0.1).minimize(
                loss, global_step=v1.train.get_or_create_global_step())
            self.variables = v1.global_variables()
            self.saver = v1.train.Saver()
            others = {v.op.name for v in v1.trainable_variables()} | {"global_step"}
            # What the README's Python may use.
            self.known = {
                "tf": v1, "stem_kernel": names["stem/kernel"], "stem_bias": names["stem/bias"],
                "slots": [v for v in self.variables if v.op.name not in others]}
            self.session = v1.Session()
            self.known["session"] = self.session
            self.session.run(v1.global_variables_initializer())
            for _ in range(seed):
                self.session.run(self.train)

    def __enter__(self):
        self.default = self.graph.as_default()
        self.default.__enter__()
        return self

    def __exit__(self, *_):
        self.default.__exit__(None, None, None)
        self.session.close()

    def save(self, prefix):
        self.saver.save(self.session, prefix, write_meta_graph=False, write_state=False)

    def restore(self, prefix):
        self.saver.restore(self.session, prefix)

    def run(self, lines):
        for line in lines:
            exec(line, dict(self.known))

    def values(self):
        return {v.op.name: self.session.run(v).tobytes() for v in self.variables}


class SaverTutorial(unittest.TestCase):

    def setUp(self):
        if harness.no_mount():
            self.skipTest(harness.no_mount())
        self.folder = tempfile.mkdtemp(dir=Fixture.root)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.unmount)
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        with Program(1) as other, Program(2) as program:
            other.save("pretrained.ckpt")
            program.save("model.ckpt")
        os.mkdir("bin")
        os.symlink(CKPTCTL, "bin/ckptctl")
        os.symlink(CKPTFUSE, "bin/ckptfuse")

    def unmount(self):
        for point in ("old", "new"):
            subprocess.run(["fusermount3", "-u", "-q", "-z", point], cwd=self.folder,
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.LIMIT)

    def shell(self, lines):
        # Into a file: a daemon would keep a pipe open.
        with open("messages", "w+b") as messages:
            status = subprocess.run(
                ["bash", "-euc", "\n".join(lines)], stdin=subprocess.DEVNULL, stdout=messages,
                stderr=messages, timeout=harness.LIMIT,
                env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}).returncode
            messages.seek(0)
            self.assertEqual(status, 0, messages.read())

    def python(self, lines):
        """What a program has when it has restored model.ckpt and done this."""
        self.assertTrue(lines)
        with Program(2) as program:
            program.restore("model.ckpt")
            before = program.values()
            program.run(lines)
            self.assertNotEqual(program.values(), before)
            return program.values()

    def assertRestores(self, expected, prefix="model.ckpt"):
        with Program(2) as program:
            program.restore(prefix)
            self.assertEqual(program.values(), expected)
        ckptctl("verify", "--", prefix)

    def keep(self):
        """Lets a second way of doing it begin where the first one did."""
        files = [f for f in os.listdir() if f.startswith("model.ckpt.")]
        contents = {}
        for name in files:
            with open(name, "rb") as f:
                contents[name] = f.read()

        def back():
            for name in os.listdir():
                if name.startswith("model.ckpt."):
                    os.unlink(name)
            for name, content in contents.items():
                with open(name, "wb") as f:
                    f.write(content)
        return back

    def test_the_section_has_the_three(self):
        self.assertEqual(list(examples()), ["Restore only some variables",
                                            "Restore under other names", "Two savers"])

    def test_restore_only_some(self):
        python, shell, within = examples()["Restore only some variables"]
        expected, back = self.python(python), self.keep()
        self.shell(shell)
        self.assertRestores(expected)
        back()
        self.assertEqual(len(within), 1)
        self.shell(within)
        self.assertRestores(expected)

    def test_restore_under_other_names(self):
        python, shell, within = examples()["Restore under other names"]
        expected, back = self.python(python), self.keep()
        self.shell(shell)
        self.assertRestores(expected)
        back()
        # The text's other way, for both of the variables.
        self.assertEqual(len(within), 1)
        self.shell(["mkdir old new", "ckptfuse pretrained.ckpt old",
                    "ckptfuse -o rw model.ckpt new", within[0],
                    within[0].replace("kernel", "bias"), "ckptctl umount new",
                    "ckptctl umount old"])
        self.assertRestores(expected)
        back()
        self.shell(["ckptctl cp pretrained.ckpt model.ckpt conv/=stem/"])
        with Program(2) as program:
            program.restore("model.ckpt")
            values = program.values()
        for name in ("stem/kernel", "stem/bias"):
            self.assertEqual(values[name], expected[name])

    def test_two_savers(self):
        python, shell, _ = examples()["Two savers"]
        with Program(2) as program:
            program.restore("model.ckpt")
            os.mkdir("python")
            os.chdir("python")
            program.run(python)
            os.chdir("..")
        self.shell(shell)
        for name in ("weights.ckpt", "slots.ckpt"):
            ours, theirs = (tf.train.load_checkpoint(p) for p in (name, f"python/{name}"))
            names = theirs.get_variable_to_shape_map()
            self.assertEqual(ours.get_variable_to_shape_map(), names)
            for variable in names:
                self.assertEqual(ours.get_tensor(variable).tobytes(),
                                 theirs.get_tensor(variable).tobytes(), variable)
        ckptctl("cp", "--", "model.ckpt", "both.ckpt", "global_step")
        with Program(2) as program:
            program.restore("model.ckpt")
            expected = program.values()
        self.assertRestores(expected, "both.ckpt")
