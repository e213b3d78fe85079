#!/usr/bin/env python3
"""Installs the pinned drivers under target/drivers, each from its own registry, once for each set of pins.

Every step has a stamp: the text of the files that pin its versions. A step whose stamp is up to date
is left alone. What cannot be installed makes its tests skip, with the reason.
"""
import collections
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
DRIVERS = TARGET / "drivers"
PATIENCE = 900
# One at a time for each step: the runner's threads may want the same driver.
LOCKS = collections.defaultdict(threading.Lock)


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
    with LOCKS[name]:
        if stamp.exists() and stamp.read_text() == wanted:
            return
        DRIVERS.mkdir(parents=True, exist_ok=True)
        print("installing %s" % name, flush=True)
        make()
        stamp.write_text(wanted)


def python(name, old=False):
    """The interpreter of the virtual environment that holds one Python driver.

    An `old` driver is built from source by tools of its own time, without its C parts.
    """
    venv, pins = DRIVERS / ("python-" + name), HERE / "python" / (name + ".txt")

    def make():
        if old and sys.version_info >= (3, 12):
            raise Missing("Python %d.%d has no asyncore, which drivers of 2016 need" % sys.version_info[:2])
        shutil.rmtree(venv, ignore_errors=True)
        # The machine's own Python first: one that a version manager built may lack ensurepip.
        run([sys.executable, "-m", "venv", venv])
        pip = [venv / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if old:
            run([*pip, "setuptools==65.5.0", "wheel==0.45.1"])
        run([*pip, *(["--no-build-isolation"] if old else []), "-r", pins],
            env=dict(os.environ, CASS_DRIVER_NO_EXTENSIONS="1"))
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
    """The program of gocql/, built with gocql itself, with ScyllaDB's fork, or with the Apache driver."""
    name, mod = ("gocql-" + fork, fork) if fork else ("gocql", "go")
    out, source = DRIVERS / (name + ".bin"), HERE / "gocql"
    pins = sorted(source.glob("*.go")) + [source / ("%s.%s" % (mod, end)) for end in ("mod", "sum")]

    def make():
        tool("go")
        folder, more = source, ["-modfile=%s.mod" % mod]
        if fork == "v2":
            # The same source: the Apache driver differs by its import path.
            folder, more = DRIVERS / "gocql-v2", ["-tags", "v2"]
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for pin in pins:
                text = pin.read_text(encoding="utf-8")
                if pin.suffix == ".go":
                    text = text.replace('"github.com/gocql/gocql"', 'gocql "github.com/apache/cassandra-gocql-driver/v2"')
                (folder / {"v2.mod": "go.mod", "v2.sum": "go.sum"}.get(pin.name, pin.name)).write_text(text, encoding="utf-8")
        run(["go", "build", *more, "-o", out, "."], cwd=folder)
    once(name, pins, make)
    return [str(out)]


def rust(name):
    """A program of rust/; one build makes them all."""
    crate = HERE / "rust"
    pins = [crate / "Cargo.toml", crate / "Cargo.lock", *sorted((crate / "src/bin").glob("*.rs"))]

    def make():
        run([tool("cargo"), "build", "--locked", "--target-dir", DRIVERS / "rust"], cwd=crate)
    once("rust", pins, make)
    return [str(DRIVERS / "rust/debug" / name)]


def java(name, program="Smoke"):
    """A program of java3/ or java4/, compiled with the jars that its pom.xml names; the others use parts of Smoke."""
    source, folder = HERE / name, DRIVERS / name
    homes = sorted(Path("/usr/lib/jvm").glob("*-17-*"))
    java_home = next((home for home in homes if (home / "bin/javac").exists()), None)

    def start(classes):
        return [str(java_home / "bin/java"), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                "%s:%s/*" % (classes, folder / "lib"), program]

    def make():
        tool("mvn")
        if java_home is None:
            raise Missing("no JDK 17 on this machine")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(["mvn", "-q", "-B", "-f", source / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime",
             "-DoutputDirectory=%s" % (folder / "lib")])
        run([java_home / "bin/javac", "-nowarn", "-encoding", "UTF-8", "-cp", "%s/*" % (folder / "lib"), "-d",
             folder / "classes", source / "Smoke.java"])
    once(name, [source / "pom.xml", source / "Smoke.java"], make)
    classes = folder / "classes"
    if program != "Smoke":
        classes, sources = DRIVERS / ("%s-%s" % (name, program.lower())), [source / "Smoke.java", source / (program + ".java")]
        once(classes.name, [source / "pom.xml", *sources], lambda: run(
            [java_home / "bin/javac", "-nowarn", "-encoding", "UTF-8", "-cp", "%s/*" % (folder / "lib"), "-d", classes,
             *sources]))
    return start(classes)


EVERYTHING = {"python-cassandra": lambda: python("cassandra"), "python-scylla": lambda: python("scylla"),
              "python-2016": lambda: python("2016", old=True), "python-acsylla": lambda: python("acsylla"),
              "python-cqlsh": lambda: python("cqlsh"), "python-scylla-cqlsh": lambda: python("scylla-cqlsh"),
              "python-schema": lambda: python("schema"), "python-page": lambda: python("page"), "node": node, "gocql": gocql,
              "gocql-scylla": lambda: gocql("scylla"), "gocql-v2": lambda: gocql("v2"),
              "rust": lambda: rust("scylla"), "rust-cdrs": lambda: rust("cdrs"), "java3": lambda: java("java3"),
              "java4": lambda: java("java4"), "java3-texts": lambda: java("java3", "Texts"),
              "java4-texts": lambda: java("java4", "Texts"),
              "java3-columns": lambda: java("java3", "Columns"), "java4-columns": lambda: java("java4", "Columns"),
              "java3-load": lambda: java("java3", "Load"), "java4-load": lambda: java("java4", "Load"),
              "rust-load": lambda: rust("load"), "rust-errors": lambda: rust("errors"),
              "java3-errors": lambda: java("java3", "Errors"), "java4-errors": lambda: java("java4", "Errors"), "java4-pinned": lambda: java("java4", "Pinned")}


def main():
    for name, install in EVERYTHING.items():
        try:
            install()
        except (Missing, subprocess.TimeoutExpired, OSError) as e:
            print("%s: %s" % (name, e), flush=True)


if __name__ == "__main__":
    main()
