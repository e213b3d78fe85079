"""One cell of the table: one subject under one workload, from fresh processes to figures."""
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from .process import Process, cpu_ns, rss_kb, tree
from .subjects import LISTEN, NODES, PORT, PROXY, SHARD_AWARE, SHARD_PORT, STATS, SUBJECTS, UPSTREAM
from .workloads import PLAIN, ROUTED, SHARDED, TLS_CLIENTS, TLS_NODES, WORKLOADS

OPTIONS_V4 = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])
SUPPORTED = 6
QUICK = 5  # a quick run has so many times fewer requests
START_SECONDS = 20
SETTLE_SECONDS = 0.5
STALL_SECONDS = 15


def check_addresses_free():
    for host, port in ((PROXY, PORT), *((ip, p) for ip in NODES for p in (PORT, SHARD_PORT)), STATS):
        with socket.socket() as s:
            if s.connect_ex((host, port)) == 0:
                sys.exit(f"something already listens on {host}:{port}")


def connect(host, tls):
    """A connection to a subject or node; whose certificate it shows is none of this bench's business."""
    plain = socket.create_connection((host, PORT), 1)
    plain.settimeout(3)
    if not tls:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def wait_for_cql(host, process, tls):
    """Waits until `host` answers OPTIONS with SUPPORTED."""
    end = time.monotonic() + START_SECONDS
    error = None
    while time.monotonic() < end:
        process.check_alive()
        try:
            with connect(host, tls) as s:
                s.sendall(OPTIONS_V4)
                header = s.recv(9)
                if len(header) >= 5 and header[4] == SUPPORTED:
                    return
                error = header
        except OSError as e:
            error = e
        time.sleep(0.03)
    raise RuntimeError(f"{host}:{PORT} does not speak CQL ({error}): {process.tail()}")


def node_stats():
    with socket.create_connection(STATS, 2) as s:
        text = b""
        while part := s.recv(65536):
            text += part
    return json.loads(text)["nodes"]


@contextlib.contextmanager
def running(a, subject, cluster, options=()):
    """Fresh nodes and a fresh subject before them; the subject's process, or None for direct."""
    folder = os.path.join(a.out, "cells", subject)
    os.makedirs(folder, exist_ok=True)
    cpu = None if a.no_pin else a.cpu
    started = []
    try:
        build = SUBJECTS[subject][1]
        # Where there is no proxy, the clients speak TLS with the nodes.
        tls = TLS_NODES in options or TLS_CLIENTS in options and not build
        files = ["--tls-cert", a.paths["cert"], "--tls-key", a.paths["key"]] if tls else []
        command = [a.paths["nullcql"], "--listen", UPSTREAM, "--shard-port", str(SHARD_PORT),
                   "--stats", "%s:%d" % STATS, *cluster, *files]
        started.append(Process(command, f"{folder}/nodes.log", cpu))
        wait_for_cql(NODES[0], started[0], tls)
        if build:
            started.append(Process(build(a.paths, folder, addresses(cluster), options), f"{folder}/subject.log", cpu, cwd=folder))
            wait_for_cql(PROXY, started[1], TLS_CLIENTS in options)
            time.sleep(SETTLE_SECONDS)
        yield folder, started[0], started[1] if build else None
    finally:
        for process in reversed(started):
            process.stop()


def addresses(cluster):
    return NODES[:int(cluster[cluster.index("--nodes") + 1])]


class Load:
    """The generator, stopped at its gates: before the measured requests and after them."""

    def __init__(self, a, folder, targets, args, requests, warmup, seed):
        command = [a.paths["cqlload"], *(x for t in targets for x in ("--addr", t)), *shlex.split(args), "--gate",
                   "--requests", str(requests), "--warmup", str(warmup), "--seed", str(seed),
                   "--stall-s", str(STALL_SECONDS)]
        cpu = None if a.no_pin else a.cpu
        self.process = Process(command, f"{folder}/load.log", cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_for_gate(self):
        line = self.process.child.stdout.readline()
        if line.strip() != "GATE":
            raise RuntimeError(f"the load generator gave up: {line.strip()} {self.process.tail()}")

    def open_gate(self):
        self.process.child.stdin.write("\n")
        self.process.child.stdin.flush()

    def result(self):
        self.open_gate()
        text = self.process.child.stdout.read()
        self.process.child.wait(20)
        return json.loads(text)


def measure(a, subject, name, number):
    """The figures of one cell; `failed` with a reason when there are none."""
    row = dict(subject=subject, workload=name, round=number)
    try:
        fill(row, a, subject, WORKLOADS[name], number + 1)
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as e:
        row["failed"] = f"{type(e).__name__}: {e}"
    return row


def fill(row, a, subject, workload, seed):
    scale = QUICK if a.quick else 1
    requests, warmup = workload.requests // scale, workload.warmup // min(scale, 2)
    row["requests"] = requests
    sharded = row["workload"] in ROUTED or subject in SHARD_AWARE
    cluster = [*(SHARDED if sharded else PLAIN), *workload.nodes]
    with running(a, subject, cluster, workload.options) as (folder, nodes, proxy):
        pids = lambda: tree(proxy.pid) if proxy else []
        row["rss_idle_kb"] = rss_kb(pids())
        targets = [LISTEN] if proxy else [f"{ip}:{PORT}" for ip in addresses(cluster)]
        tls = TLS_CLIENTS in workload.options or TLS_NODES in workload.options and not proxy
        args = workload.load + (f" --tls-ca {shlex.quote(a.paths['ca'])}" if tls else "")
        load = Load(a, folder, targets, args, requests, warmup, seed)
        try:
            load.wait_for_gate()
            row["lanes"] = sum(sum(n["conns_now"]) for n in node_stats())
            with profiling(a, folder, row, pids()):
                before, cpu, nodes_cpu = node_stats(), cpu_ns(pids()), cpu_ns([nodes.pid])
                load.open_gate()
                load.wait_for_gate()
                row["cpu_us"] = (cpu_ns(pids()) - cpu) / 1e3 / requests
                row["nodes_cpu_us"] = (cpu_ns([nodes.pid]) - nodes_cpu) / 1e3 / requests
            if proxy:
                proxy.check_alive()
            row["rss_kb"] = rss_kb(pids())
            if sharded:
                row.update(routed(before, node_stats()))
            row["load"] = load.result()
        finally:
            load.process.stop()


def routed(before, after):
    """Shares of requests that reached a replica node, and the right shard of it."""
    count = lambda stats, key: sum(n[key] for n in stats)
    asked = sum(count(after, key) - count(before, key) for key in ("reads", "writes"))
    if not asked:
        return {}
    return {key: (count(after, key) - count(before, key)) / asked
            for key in ("node_hit", "shard_hit", "tablet_payloads")}


@contextlib.contextmanager
def profiling(a, folder, row, pids):
    """perf over the measured part, if asked for."""
    if not (a.perf and pids):
        yield
        return
    perf = shutil.which("perf")
    if not perf:
        raise RuntimeError("perf is not installed (Debian: linux-perf)")
    data = os.path.join(folder, f"perf-{row['workload']}.data")
    command = [perf, "record", "-q", "-e", "cpu-clock", "-F", "4999", "-g", "-o", data, "-p", ",".join(map(str, pids))]
    recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(60)
    row["perf"] = data
    report = subprocess.run([perf, "report", "-i", data, "--no-children", "-g", "none", "--percent-limit", "0.7",
                             "--stdio", "-F", "overhead,symbol"], capture_output=True, text=True)
    with open(data.replace(".data", ".txt"), "w") as f:
        f.write(report.stdout)
    print("\n".join(line for line in report.stdout.splitlines() if line and not line.startswith("#"))[:4000])
