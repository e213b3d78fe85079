"""What the tests share: the decorator, the pages of the repository, and small helpers."""
import collections
import contextlib
import functools
import re
import subprocess
import tempfile
from pathlib import Path

import yaml

import tools

ROOT = tools.ROOT
DEPLOY = ROOT / "deploy"
TESTS = []
Test = collections.namedtuple("Test", "name function alone")


class Skip(Exception):
    """A test that cannot run here; its text says why."""


def test(function=None, alone=False):
    """Registers a test; its name is a sentence about what holds. `alone`: no other such test runs at the time."""
    if function is None:
        return lambda function: test(function, alone)
    TESTS.append(Test("%s.%s" % (function.__module__.split(".")[-1], function.__name__), function, alone))
    return function


def read(path):
    return Path(ROOT, path).read_text(encoding="utf-8")


def documents(text):
    """The documents of a YAML text, without empty ones."""
    return [d for d in yaml.safe_load_all(text) if d]


def run(*words, ok=(0,), seconds=120, **more):
    """What a program prints, after it ended with one of the codes `ok`."""
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=seconds, **more)
    assert done.returncode in ok, "`%s` ended with %d: %s" % (" ".join(map(str, words)), done.returncode, done.stdout[-1500:])
    return done.stdout


def refused(*words, **more):
    """What a program prints that must not succeed."""
    return run(*words, ok=range(1, 256), **more)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="shardlane-deploy-") as path:
        yield Path(path)


Metric = collections.namedtuple("Metric", "kind labels")


@functools.lru_cache
def metrics():
    """Every metric of docs/metrics.md, which a test of the product compares with src/telemetry/names.rs."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", read("docs/metrics.md"), re.MULTILINE)
    assert len(rows) > 30, "docs/metrics.md has changed its form: %d rows" % len(rows)
    return {name: Metric(kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
