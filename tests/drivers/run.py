#!/usr/bin/env python3
"""Runs the tests that need real drivers, one line each, and counts them on the last line.

  run.py                        everything
  run.py --only 'smoke|sim'     what matches the pattern
  run.py --list                 the names
  run.py --cassandra NAME       against a cluster of tests/cassandra/lab.py that runs already

Each case runs in a process of its own, on loopback addresses of its own, and is killed with all that
it started when its deadline passes. Logs are under target/test-logs. TEST_BINARY names the binary
under test; the default is the newer of the release and the debug build.
"""
import argparse
import concurrent.futures
import importlib
import itertools
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import compatibility  # noqa: E402
import install  # noqa: E402
import stage  # noqa: E402

LOGS = stage.TARGET / "test-logs"
SKIPPED = 77
# Processes of the cases that run now; each leads a session of its own.
RUNNING = set()


def discover():
    for path in sorted((HERE / "cases").glob("*.py")):
        importlib.import_module("cases." + path.stem)
    # A stable sort: in the order of their files, those that judge the others last.
    return dict(sorted(stage.CASES.items(), key=lambda item: item[1]["last"]))


def own_net():
    """The first two octets of a loopback net that no other run on this machine uses, and what keeps it."""
    for octet in range(64, 96):
        keeper = socket.socket()
        try:
            keeper.bind(("127.%d.255.254" % octet, 20999))
            return "127.%d" % octet, keeper
        except OSError:
            keeper.close()
    sys.exit("no free loopback net between 127.64 and 127.95")


class Cassandra:
    """The real cluster, started for the first case that needs it and shared by the rest."""

    def __init__(self, net, name):
        self.net, self.name, self.mine = net, name, name is None
        self.nodes, self.problem = [], None
        self.lock = threading.Lock()
        self.log = LOGS / "cassandra.log"

    def lab(self, *words, seconds=600):
        with open(self.log, "a", encoding="utf-8") as out:
            return subprocess.run([sys.executable, str(stage.LAB), "--name", self.name, *map(str, words)],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                  timeout=seconds).returncode

    def ready(self):
        """The nodes' addresses, or an empty list when there is a problem."""
        with self.lock:
            return self.start()

    def start(self):
        if self.nodes or self.problem:
            return self.nodes
        try:
            if self.mine:
                self.name = "test-" + self.net.replace(".", "-")
                octet = int(self.net.split(".")[1])
                failed = self.lab("install") or self.lab(
                    "start", 3, "--fresh", "--ip-base", self.net + ".0.1", "--set", "auto_snapshot=false", "--jmx-port", 7200 + 4 * octet,
                    # A machine that is busy with something else makes nodes late, not wrong.
                    "--set", "write_request_timeout=8s", "--set", "read_request_timeout=8s",
                    "--set", "cas_contention_timeout=8s", "--set", "request_timeout=30s",
                    # A node that missed a change asks for it soon, not within a minute.
                    "--jvm=-Dcassandra.schema_pull_interval_ms=3000", "--jvm=-Dcassandra.migration_delay_ms=1000",
                    # A request's custom payload comes back with its answer.
                    "--jvm=-Dcassandra.custom_query_handler_class="
                    "org.apache.cassandra.cql3.CustomPayloadMirroringQueryHandler",
                    # Definitions need not survive a crash; each costs the three nodes a dozen syncs otherwise.
                    "--jvm=-Dcassandra.test.flush_local_schema_changes=false")
            else:
                failed = self.lab("status")
        except (subprocess.TimeoutExpired, OSError) as e:
            failed = e
        if failed:
            self.problem = "real Cassandra did not start: see %s" % self.log
        else:
            shape = json.loads((stage.ROOT / "target/cassandra/run" / self.name / "cluster.json").read_text())
            self.nodes = [node["ip"] for node in shape["nodes"]]
        return self.nodes

    def close(self):
        if self.mine and self.name:
            self.lab("clean", seconds=120)


def end_session(pid):
    """Ends a case with all that it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def stop(*_):
    """On SIGTERM: nothing that a case started outlives the run."""
    for pid in list(RUNNING):
        end_session(pid)
    sys.exit(143)


def run_case(name, spec, index, net, cassandra):
    """One case in its own process; ("ok" | "FAILED" | "skipped", reason)."""
    try:
        python = install.EVERYTHING[spec["python"]]()
        for driver in spec["drivers"]:
            install.EVERYTHING[driver]()
    except (install.Missing, OSError, subprocess.TimeoutExpired) as e:
        return "skipped", "a driver is missing: %s" % " ".join(str(e).split())[-200:]
    env = dict(os.environ, TEST_NET="%s.%d" % (net, index + 1), PYTHONUNBUFFERED="1",
               TEST_LOG=str(LOGS / name))
    if "cassandra" in spec["needs"]:
        if not cassandra.ready():
            # With the tools at hand a cluster that does not start is a failure, not an excuse.
            return "FAILED", cassandra.problem
        env.update(TEST_CASSANDRA=" ".join(cassandra.nodes), TEST_LAB=cassandra.name)
    for old in LOGS.glob(name + ".*"):
        old.unlink()
    path = LOGS / (name + ".log")
    with open(path, "w", encoding="utf-8") as out:
        child = subprocess.Popen([*python, str(HERE / "run.py"), "--inside", name], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        RUNNING.add(child.pid)
        try:
            code = child.wait(spec["deadline"])
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_session(child.pid)
            child.wait()
            RUNNING.discard(child.pid)
    if code == 0:
        return "ok", ""
    if code is None:
        return "FAILED", "still running after %d s; see %s" % (spec["deadline"], path)
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["said nothing"]
    return "skipped" if code == SKIPPED else "FAILED", lines[-1][:2000]


def inside(name):
    """The case itself, in its own process."""
    spec = discover()[name]
    try:
        with stage.Stage() as on_stage:
            spec["run"](on_stage)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        stage.log("processor time of what it started: %.1f s" % (spent.ru_utime + spent.ru_stime))
    except stage.Skip as e:
        print(e, flush=True)
        return SKIPPED
    except BaseException as e:  # the last line is what the runner shows
        traceback.print_exc()
        print("%s: %s" % (type(e).__name__, " ".join(str(e).split())), flush=True)
        return 1
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default="", metavar="PATTERN")
    p.add_argument("--list", action="store_true")
    p.add_argument("--cassandra", metavar="NAME")
    p.add_argument("--inside", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.inside:
        sys.exit(inside(args.inside))
    cases = discover()
    chosen = [name for name in cases if re.search(args.only, name)]
    if args.list:
        print("\n".join(chosen))
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    net, keeper = own_net()
    cassandra = Cassandra(net, args.cassandra)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    signal.signal(signal.SIGTERM, stop)
    if not args.only:
        shutil.rmtree(compatibility.RESULTS, ignore_errors=True)
    try:
        def one(numbered):
            index, name = numbered
            begin = time.monotonic()
            outcome, reason = run_case(name, cases[name], index, net, cassandra)
            print(("%s %s (%.1f) %s" % (outcome, name, time.monotonic() - begin, reason)).rstrip(), flush=True)
            return outcome
        for together, group in itertools.groupby(enumerate(chosen), lambda pair: cases[pair[1]]["together"]):
            with concurrent.futures.ThreadPoolExecutor(together) as pool:
                try:
                    for outcome in pool.map(one, group):
                        counts[outcome] += 1
                except SystemExit:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    finally:
        cassandra.close()
        keeper.close()
    print("%d passed, %d failed, %d skipped" % (counts["ok"], counts["FAILED"], counts["skipped"]))
    # Where nothing could run, nothing is proven.
    sys.exit(1 if counts["FAILED"] or not counts["ok"] else 0)


if __name__ == "__main__":
    main()
