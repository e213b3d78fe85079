"""Resident memory: idle, with clients, and with many tablets learnt."""
import os
import subprocess

from . import cell, table
from .process import rss_kb, tree
from .subjects import LISTEN
from .workloads import SHARDED

# what it is, more arguments of the fake nodes, arguments of the generator, requests
STATES = [
    ("200 clients", [], "--conns 200 --inflight 4", 200_000),
    ("1,000 clients", [], "--conns 1000 --inflight 1", 200_000),
    ("100,000 tablets", ["--tablets", "100000"], "--conns 8 --inflight 32", 1_200_000),
]
HEADS = ["subject", "state", "RSS MB", "lanes", "payloads", "errors"]


def measure(a, subjects):
    body = []
    for subject in subjects:
        for what, nodes, load, requests in STATES:
            try:
                body += state(a, subject, what, nodes, load, requests, first=what == STATES[0][0])
            except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as e:
                body.append([subject, what, "failed", str(e)[:80], "", ""])
            print(table.as_text(HEADS, body[-1:]).splitlines()[-1], flush=True)
    print("\n" + table.as_text(HEADS, body))
    with open(os.path.join(a.out, "memory.md"), "w") as f:
        f.write(table.as_markdown(HEADS, body) + "\n")


def state(a, subject, what, nodes, args, requests, first):
    """RSS while all clients are still connected, after their requests."""
    rows = []
    with cell.running(a, subject, [*SHARDED, *nodes]) as (folder, _, proxy):
        rss = lambda: f"{rss_kb(tree(proxy.pid)) / 1024:.1f}"
        if first:
            rows.append([subject, "idle", rss(), connections(), 0, 0])
        load = cell.Load(a, folder, [LISTEN], args, requests, 0, 1)
        try:
            load.wait_for_gate()
            load.open_gate()
            load.wait_for_gate()
            payloads = sum(n["tablet_payloads"] for n in cell.node_stats())
            figures = [rss(), connections(), payloads]
            rows.append([subject, what, *figures, load.result()["errors"]])
        finally:
            load.process.stop()
    return rows


def connections():
    return sum(sum(n["conns_now"]) for n in cell.node_stats())
