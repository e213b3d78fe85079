#!/usr/bin/env python3
"""The image's binary holds nothing of the simulated cluster, and the default one does: else this check could not fail.

Both are built as the Dockerfile builds, but not optimised: names of functions and files are then all there. They share
one target folder, so only the product itself is compiled twice; the default binary is built last and stays.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# How a function's symbol, and a place in the code, name the crate.
MARKS = (b"shardlane_sim", b"crates/sim/src")


def marks_of_binary(flags):
    """How often each mark stands in the binary that is built with these flags."""
    subprocess.run(["cargo", "build", *flags], cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
    binary = (TARGET / "debug/shardlane").read_bytes()
    return [binary.count(mark) for mark in MARKS]


def main():
    build = re.search(r"^\s*cargo build (.*?)\s*\\?$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    flags = build.group(1).split()
    flags.remove("--release")
    in_image, in_default = marks_of_binary(flags), marks_of_binary(["--locked"])
    is_good = not any(in_image) and all(in_default)
    print("%s: %s stand in the image's binary %s times, in the default one %s times" % (
        "ok" if is_good else "FAILED", b", ".join(MARKS).decode(), in_image, in_default))
    print("%d passed, %d failed, 0 skipped" % (is_good, not is_good))
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
