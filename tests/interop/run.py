#!/usr/bin/env python3
"""Runs the interop tests and says how it went in TAP.

    run.py [PATTERN]...     only the tests whose name contains one of the patterns

They compare ckptfuse and ckptctl with TensorFlow itself, so they take a Python that has it.  The
programs are those named by CKPTFUSE and CKPTCTL, else those in the folder CKPT_BUILDDIR.
"""

import os
import sys
import tempfile
import threading
import traceback
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

LIMIT = 300  # seconds for one test


class Tap(unittest.TestResult):
    """One line for each test, written when the test has ended."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.bad = []
        self.problems = []
        self.skip = None
        self.timer = None

    def _watch(self):
        """Ends the daemons when a test takes too long: it would wait for them for ever."""
        import harness

        def stop():
            for mount in list(harness.Mount.alive):
                mount.kill()

        if self.timer:
            self.timer.cancel()
        self.timer = threading.Timer(LIMIT, stop)
        self.timer.daemon = True
        self.timer.start()

    def _line(self, name, good, skip=None):
        self.number += 1
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}" +
              (f" # SKIP {skip}" if skip else ""), flush=True)
        if not good:
            self.bad.append(name)
        for problem in self.problems:
            for line in problem.splitlines():
                print("#  ", line.encode("ascii", "backslashreplace").decode(), flush=True)

    def startTest(self, test):
        self.problems, self.skip = [], None
        self._watch()

    def stopTest(self, test):
        self._line(name_of(test), not self.problems, self.skip)
        self.problems = []

    def _problem(self, test, error):
        text = "".join(traceback.format_exception(*error))
        self.problems.append(f"{test}\n{text[-3000:]}")
        if not hasattr(test, "_testMethodName"):  # a setUpClass: no test of the class has run
            self._line(str(test), False)
            self.problems = []

    addError = addFailure = _problem

    def addSubTest(self, test, subtest, error):
        if error is not None and len(self.problems) < 5:
            self._problem(subtest, error)

    def addSkip(self, test, reason):
        self.skip = reason
        if not hasattr(test, "_testMethodName"):
            self._line(str(test), True, reason)

    def addExpectedFailure(self, test, error):
        self._problem(test, error)

    def addUnexpectedSuccess(self, test):
        self.problems.append(f"{test}: unexpected success")


def name_of(test):
    return f"{type(test).__name__}: {test._testMethodName.removeprefix('test_').replace('_', ' ')}"


def tests_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


def main():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow  # noqa: F401
    except ImportError as e:
        print(f"1..0 # SKIP {e}")
        return 0
    import harness

    if not harness.CKPTCTL:
        print("1..0 # SKIP no ckptctl: set CKPTCTL or CKPT_BUILDDIR")
        return 0
    loaded = tests_of(unittest.defaultTestLoader.discover(HERE, "test_*.py"))
    wanted = [t for t in loaded if not sys.argv[1:] or any(p in name_of(t) for p in sys.argv[1:])]
    # unittest sets a class up once where its tests stand together.
    suite = unittest.TestSuite(wanted)
    result = Tap()
    with tempfile.TemporaryDirectory(prefix="ckptfuse-interop-") as root:
        harness.Fixture.root = root
        suite.run(result)
    print(f"1..{result.number}")
    for name in result.bad:
        print(f"# failed: {name}")
    return 1 if result.bad or not result.number else 0


if __name__ == "__main__":
    sys.exit(main())
