#!/usr/bin/env python3
"""Fuzzes every target in turn with libFuzzer, for so many minutes in all.

  run.py --minutes 10              all targets, one after the other, with what they find kept under target/fuzz
  run.py --only 'engine' --minutes 5
  run.py --keep                    afterwards adds to fuzz/corpus the new inputs that reach new code, short ones only

It needs a Rust toolchain and a C++ compiler; libFuzzer itself comes from crates.io. Coverage is what the stable
compiler can already emit, so neither nightly nor cargo-fuzz is wanted. The last line counts executions and crashes;
a crash leaves its input in target/fuzz/crashes, and the exit code is 1.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")).resolve() / "fuzz"
# What cargo-fuzz passes as well: counters for each branch, and the operands of comparisons.
COVERAGE = ("-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 "
            "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table "
            "-Cllvm-args=-sanitizer-coverage-trace-compares")
LONGEST = {"engine": 8192, "engine_logins": 8192, "config": 4096, "tablets": 8192}
# The engine holds everything else, so it gets as much time as all others together.
SHARES = {"engine": 8, "engine_logins": 6}
KEPT_BYTES_MAX = 1 << 20


def build():
    host = next(line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
                if line.startswith("host:"))
    # A target is named so that build scripts and macros are left without counters.
    subprocess.run(["cargo", "build", "--release", "--locked", "--target", host, "--target-dir", TARGET],
                   cwd=HERE, check=True, env=dict(os.environ, RUSTFLAGS=COVERAGE))
    return TARGET / host / "release/shardlane-fuzz"


def fuzz(program, name, seconds):
    """Executions, crashes and coverage of one target."""
    found, crashes = TARGET / "found" / name, TARGET / "crashes" / name
    found.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    begin, runs, edges, log = time.monotonic(), 0, 0, TARGET / ("%s.log" % name)
    log.write_text("")
    # libFuzzer ends at the first crash; the rest of the time may find others.
    while (left := seconds - (time.monotonic() - begin)) > 1 and len(set(crashes.iterdir()) - before) < 5:
        words = [program, found, HERE / "corpus" / name, "-max_total_time=%d" % max(1, left), "-timeout=20",
                 "-rss_limit_mb=2048", "-max_len=%d" % LONGEST.get(name, 4096), "-print_final_stats=1",
                 "-artifact_prefix=%s/" % crashes]
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              env=dict(os.environ, FUZZ_TARGET=name, RUST_BACKTRACE="1"))
        with open(log, "a", encoding="utf-8") as out:
            out.write(done.stdout)
        runs += sum(map(int, re.findall(r"number_of_executed_units:\s*(\d+)", done.stdout)))
        edges = max([edges, *map(int, re.findall(r" cov: (\d+)", done.stdout))])
        if done.returncode == 0:
            break
    new = sorted(set(crashes.iterdir()) - before)
    took = time.monotonic() - begin
    print("%-13s %9d executions, %7d /s, %5d edges, %d crashes" % (name, runs, runs / took, edges, len(new)), flush=True)
    for path in new:
        print("  " + str(path), flush=True)
    return runs, took, new


def keep(program, name):
    """Merges what was found into the corpus; libFuzzer takes only what reaches code that nothing else did."""
    corpus, merged = HERE / "corpus" / name, TARGET / "merged" / name
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    subprocess.run([str(program), "-merge=1", "-max_len=1024", str(merged), str(corpus), str(TARGET / "found" / name)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env=dict(os.environ, FUZZ_TARGET=name))
    known = {path.read_bytes() for path in corpus.iterdir()}
    room = KEPT_BYTES_MAX // len(targets()) - sum(len(data) for data in known)
    for path in sorted(merged.iterdir(), key=lambda path: path.stat().st_size):
        data = path.read_bytes()
        room -= len(data)
        if data not in known and room > 0:
            (corpus / path.name).write_bytes(data)


def targets():
    return sorted(path.name for path in (HERE / "corpus").iterdir())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--only", default="", metavar="PATTERN")
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    chosen = [name for name in targets() if re.search(args.only, name)]
    program = build()
    share = args.minutes * 60 / sum(SHARES.get(name, 1) for name in chosen)
    runs, took, crashes = 0, 0.0, []
    for name in chosen:
        done = fuzz(program, name, share * SHARES.get(name, 1))
        runs, took, crashes = runs + done[0], took + done[1], crashes + done[2]
        if args.keep:
            keep(program, name)
    print("%d executions in %.0f s, %d /s, %d crashes" % (runs, took, runs / max(took, 1), len(crashes)))
    sys.exit(1 if crashes else 0)


if __name__ == "__main__":
    main()
