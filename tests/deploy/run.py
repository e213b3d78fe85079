#!/usr/bin/env python3
"""Tests of deploy/ and of the operator's pages in docs/, one line each, and their counts on the last line.

  run.py                        everything
  run.py --only 'alert|chart'   what matches the pattern
  run.py --list                 the names

A test is a function of checks/ with the decorator of the same name. Nothing needs a cluster or a network, but for the
tools, which are installed once under target/deploy; what cannot be had skips its tests, with the reason.
"""
import argparse
import concurrent.futures
import importlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "drivers")]

import tools  # noqa: E402

LOGS = tools.TARGET / "test-logs"
# Tests with sockets or namespaces run one after another.
ALONE = threading.Lock()


def own_net():
    """A loopback net that no other run on this machine uses, and what keeps it."""
    for octet in range(96, 112):
        keeper = socket.socket()
        try:
            keeper.bind(("127.%d.255.254" % octet, 20999))
            return "127.%d.1" % octet, keeper
        except OSError:
            keeper.close()
    sys.exit("no free loopback net between 127.96 and 127.111")


def run_one(test):
    """("ok" | "FAILED" | "skipped", reason) and the seconds that it took."""
    from checks import Skip
    began = time.monotonic()
    try:
        if test.alone:
            with ALONE:
                began = time.monotonic()
                test.function()
        else:
            test.function()
        outcome = "ok", ""
    except (Skip, tools.Missing) as e:
        outcome = "skipped", " ".join(str(e).split())
    except AssertionError as e:
        where = traceback.extract_tb(e.__traceback__)[-1]
        outcome = "FAILED", "%s (%s:%d)" % (str(e)[:2000], Path(where.filename).name, where.lineno)
    except Exception:
        outcome = "FAILED", traceback.format_exc()
    return (*outcome, time.monotonic() - began)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", default="")
    arguments.add_argument("--list", action="store_true")
    arguments = arguments.parse_args()
    try:
        python = tools.venv() / "bin/python"
    except tools.Missing as e:
        print("skipped  everything: %s" % e)
        print("0 passed, 0 failed, 1 skipped", flush=True)
        return
    if Path(sys.prefix).resolve() != tools.VENV.resolve():
        sys.exit(subprocess.call([str(python), str(HERE / "run.py"), *sys.argv[1:]], stdin=subprocess.DEVNULL))
    import checks
    import stage
    for path in sorted((HERE / "checks").glob("[a-z]*.py")):
        importlib.import_module("checks." + path.stem)
    tests = [t for t in checks.TESTS if re.search(arguments.only, t.name)]
    if arguments.list:
        return print("\n".join(t.name for t in tests))
    LOGS.mkdir(parents=True, exist_ok=True)
    net, keeper = own_net()
    # What the programs on stage do is for the log.
    story = open(LOGS / "deploy.log", "w", encoding="utf-8", buffering=1)
    stage.log = lambda *words: print(time.strftime("%H:%M:%S"), *words, file=story)
    os.environ.update(TEST_NET=net, TEST_LOG=str(LOGS / "deploy"))
    os.environ.setdefault("TEST_BINARY", str(tools.TARGET / "debug/shardlane"))
    for old in LOGS.glob("deploy.*.log"):
        old.unlink()
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = {pool.submit(run_one, test): test for test in tests}
        for future in concurrent.futures.as_completed(running):
            outcome, reason, seconds = future.result()
            counts[outcome] += 1
            print("%-8s %-60s %5.1f s  %s" % (outcome, running[future].name, seconds, reason), flush=True)
    keeper.close()
    if not tests:
        print("no test matches", flush=True)
        counts["FAILED"] = 1
    print("%d passed, %d failed, %d skipped" % (counts["ok"], counts["FAILED"], counts["skipped"]), flush=True)
    sys.exit(1 if counts["FAILED"] else 0)


if __name__ == "__main__":
    main()
