#!/usr/bin/env python3
"""Installs the pinned drivers under target/drivers, each from its own registry, once for each set of pins.

Every step has a stamp: the text of the files that pin its versions. A step whose stamp is up to date
is left alone. What cannot be installed makes its tests skip, with the reason.
"""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
DRIVERS = TARGET / "drivers"
PATIENCE = 900


class Missing(Exception):
    """A driver that cannot be had on this machine; its text says why."""


def run(words, **more):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, **more)
    if done.returncode:
        raise Missing("`%s` failed: %s" % (" ".join(map(str, words[:3])), done.stdout.strip()[-400:]))


def tool(name):
    if not shutil.which(name):
        raise Missing("%s is not on this machine" % name)
    return name


def once(name, pins, make):
    """Runs `make` unless it succeeded before with the same pins."""
    stamp = DRIVERS / (name + ".stamp")
    wanted = hashlib.sha256(b"".join(p.read_bytes() for p in pins)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    DRIVERS.mkdir(parents=True, exist_ok=True)
    print("installing %s" % name, flush=True)
    make()
    stamp.write_text(wanted)


def python(name):
    """The interpreter of the virtual environment that holds one Python driver."""
    venv, pins = DRIVERS / ("python-" + name), HERE / "python" / (name + ".txt")

    def make():
        shutil.rmtree(venv, ignore_errors=True)
        # The machine's own Python first: one that a version manager built may lack ensurepip.
        run([sys.executable, "-m", "venv", venv])
        run([venv / "bin/python", "-m", "pip", "install", "-q", "-r", pins])
    once("python-" + name, [pins], make)
    return [str(venv / "bin/python")]


def node():
    """How to start a program of node/, with its packages."""
    pins = [HERE / "node/package.json", HERE / "node/package-lock.json"]
    folder = DRIVERS / "node"

    def make():
        tool("npm")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for pin in pins:
            shutil.copy(pin, folder)
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
    once("node", pins, make)
    return ["env", "NODE_PATH=%s" % (folder / "node_modules"), tool("node")]


def gocql(fork=""):
    """The program of gocql/, built with gocql itself or with ScyllaDB's fork."""
    name, mod = ("gocql-scylla", "scylla") if fork else ("gocql", "go")
    out = DRIVERS / (name + ".bin")

    def make():
        run([tool("go"), "build", "-modfile=%s.mod" % mod, "-o", out, "."], cwd=HERE / "gocql")
    pins = sorted((HERE / "gocql").glob("*.go")) + [HERE / ("gocql/%s.%s" % (mod, end)) for end in ("mod", "sum")]
    once(name, pins, make)
    return [str(out)]


def rust():
    """The program of rust_scylla/."""
    crate = HERE / "rust_scylla"
    pins = [crate / "Cargo.toml", crate / "Cargo.lock", crate / "src/main.rs"]

    def make():
        run([tool("cargo"), "build", "--locked", "--target-dir", DRIVERS / "rust"], cwd=crate)
    once("rust", pins, make)
    return [str(DRIVERS / "rust/debug/rust-scylla-driver-tests")]


EVERYTHING = {"python-cassandra": lambda: python("cassandra"), "python-scylla": lambda: python("scylla"),
              "node": node, "gocql": gocql, "gocql-scylla": lambda: gocql("scylla"), "rust": rust}


def main():
    for name, install in EVERYTHING.items():
        try:
            install()
        except (Missing, subprocess.TimeoutExpired, OSError) as e:
            print("%s: %s" % (name, e), flush=True)


if __name__ == "__main__":
    main()
