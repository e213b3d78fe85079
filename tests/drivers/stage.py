"""What a case puts on stage: the proxy, the simulated cluster, driver programs, and where real Cassandra plays.

Everything that is started here is stopped when the case ends, well or badly; every wait has a deadline.
"""
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import install

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = install.TARGET
LAB = ROOT / "tests/cassandra/lab.py"

CASES = {}


class Skip(Exception):
    """A case that cannot run here; its text says why."""


def case(deadline=120, needs=(), python="python-cassandra", drivers=(), name=None, together=1, last=False):
    """Registers a function as a case; `python` is the virtual environment that it runs in itself.

    `together`: so many of its neighbours may run at a time. `last`: after all others.
    """
    def register(function):
        CASES[name or function.__name__] = {"run": function, "deadline": deadline, "needs": tuple(needs),
                                            "python": python, "drivers": tuple(drivers), "together": together,
                                            "last": last}
        return function
    return register


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def until(what, check, seconds=30, pause=0.1):
    """Calls `check` until it returns something true, and returns that; `what` names what never came."""
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError("%s: not within %d s" % (what, seconds))
        time.sleep(pause)


def program():
    """The proxy's own binary: TEST_BINARY, else the newer of the release and the debug build."""
    if os.environ.get("TEST_BINARY"):
        return os.environ["TEST_BINARY"]
    built = [p for p in (TARGET / "release/shardlane", TARGET / "debug/shardlane") if p.exists()]
    if not built:
        raise Skip("shardlane is not built")
    return str(max(built, key=lambda p: p.stat().st_mtime))


class Child:
    """A started program: its lines, its end, and its log."""

    def __init__(self, words, name, stdin=False):
        self.words, self.name = [str(w) for w in words], name
        self.lines, self.queue = [], queue.Queue()
        log("start", name, " ".join(self.words))
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors(), text=True, encoding="utf-8",
                                        cwd=ROOT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def errors(self):
        self.error_path = Path(os.environ["TEST_LOG"]).with_suffix(".%s.log" % self.name)
        return open(self.error_path, "a", encoding="utf-8")

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self.queue.put(line.rstrip("\n"))
        self.queue.put(None)

    def next_line(self, seconds, wanted=lambda line: True):
        """The next line that is `wanted`; the others are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self.queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError("%s said nothing for %d s; last: %s" % (self.name, seconds, self.lines[-3:]))
            if line is None:
                self.queue.put(None)
                raise AssertionError("%s ended: %s; %s" % (self.name, self.lines[-3:], self.last_errors()))
            if wanted(line):
                return line

    def last_errors(self):
        return self.error_path.read_text(encoding="utf-8", errors="replace").strip()[-600:]

    def tell(self, text=""):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def wait(self, seconds):
        """The exit code, after all output was read."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still runs after %d s; last: %s" % (self.name, seconds, self.lines[-3:]))
        self.reader.join(10)
        return code

    def stop(self, patience=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                log("kill", self.name, "which ignored SIGTERM for %d s" % patience)
                self.process.kill()
                self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.process.wait(10)


def fetch(url, method="GET", seconds=5, body=None):
    """Status and body of one HTTP request."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, method=method, data=data)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


class Stage(contextlib.ExitStack):
    """One case's programs, on the addresses that the runner gave it."""

    def __init__(self):
        super().__init__()
        self.net = os.environ["TEST_NET"]
        self.cassandra_nodes = os.environ.get("TEST_CASSANDRA", "").split()

    def address(self, last):
        return "%s.%d" % (self.net, last)

    def start(self, words, name, stdin=False):
        child = Child(words, name, stdin)
        self.callback(child.stop)
        return child

    def driver(self, name, *words, label=None):
        """One of the driver programs; `name` is a key of install.EVERYTHING, `label` what its log is called."""
        command = install.EVERYTHING[name]()
        return self.start([*command, *words], label or name, stdin=True)

    def file(self, name, text):
        """A file that is gone when the case ends."""
        folder = self.enter_context(tempfile.TemporaryDirectory())
        path = Path(folder, name)
        path.write_text(text)
        return path

    def sim(self, nodes=3, shards=4, tablets=64, first=1, *more):
        return Sim(self, nodes, shards, tablets, first, more)

    def proxy(self, contact, *more, last=100, port=9042, under=()):
        return Proxy(self, contact, (last, port), more, under)


class Proxy:
    """A running `shardlane run`; `under` is a program that starts it, such as prlimit."""

    def __init__(self, stage, contact, at, more, under):
        last, port = at
        self.stage, self.host, self.port = stage, stage.address(last), 9042
        self.admin = "http://%s:9380" % self.host
        self.words = [*under, program(), "run", "-c", contact, "--port", port, "--bind", "%s:9042" % self.host,
                      "--admin", "%s:9380" % self.host, *more]
        self.launch()
        stage.callback(self.report)

    def launch(self):
        self.child = self.stage.start(self.words, "proxy")
        until("proxy is ready", self.ready, 30)

    def ready(self):
        assert self.child.process.poll() is None, "the proxy ended with %s: %s %s" % (
            self.child.process.poll(), self.child.lines[-3:], self.child.last_errors())
        try:
            return fetch(self.admin + "/readyz")[0] == 200
        except OSError:
            return False

    def restart(self):
        self.report()
        self.child.stop(30)
        self.launch()

    def metrics(self):
        """Every sample of /metrics by its name and labels."""
        samples = {}
        for line in fetch(self.admin + "/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def report(self):
        """Leaves the last metrics in the case's log, for a reader who has to find out what happened."""
        if self.child.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                for name, value in sorted(self.metrics().items()):
                    if value and not name.startswith("process_") and "_bucket" not in name:
                        log("metric", name, value)


def lab(*words, seconds=240, name=None):
    """Runs one verb of the Cassandra lab on the runner's cluster, or on the one of that name; its output."""
    done = subprocess.run([sys.executable, str(LAB), "--name", name or os.environ["TEST_LAB"], *map(str, words)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds)
    assert done.returncode == 0, "lab %s: %s" % (" ".join(map(str, words)), done.stdout[-800:])
    return done.stdout


class Sim:
    """A running `shardlane sim` and its HTTP interface."""

    def __init__(self, stage, nodes, shards, tablets, first, more):
        self.hosts = [stage.address(first + n) for n in range(nodes)]
        self.api = "http://%s:10000" % stage.address(250)
        self.child = stage.start([program(), "sim", "--nodes", nodes, "--shards", shards, "--address", self.hosts[0],
                                  "--api", "%s:10000" % stage.address(250), "--tablets", tablets, *more], "sim")
        self.child.next_line(30, lambda line: line.strip() == "ready")

    def get(self, path):
        status, body = fetch(self.api + path)
        assert status == 200, "GET %s: %d %s" % (path, status, body[:200])
        return json.loads(body)

    def post(self, path, **query):
        address = path + ("?" + urllib.parse.urlencode(query) if query else "")
        status, body = fetch(self.api + address, "POST")
        assert status == 200, "POST %s: %d %s" % (address, status, body[:200])
        return json.loads(body)

    def tablets(self, keyspace, table):
        """Ranges (first, last] and their replicas."""
        return self.get("/sim/tablets?" + urllib.parse.urlencode({"ks": keyspace, "table": table}))["tablets"]

    def nodes(self):
        return self.get("/sim/nodes")["nodes"]

    def move(self, keyspace, table, token, source, target):
        """Moves one replica; source and target are (node, shard)."""
        self.post("/storage_service/tablets/move", ks=keyspace, table=table, token=token, src_host=source[0],
                  src_shard=source[1], dst_host=target[0], dst_shard=target[1])

    def requests(self, keyspace):
        """Where the routable requests of each table arrived since the last reset."""
        return {t["table"]: t["routable"] for t in self.get("/sim/requests")["tables"] if t["keyspace"] == keyspace}

    def counted(self, keyspace):
        """All requests of each table since the last reset, by their kind."""
        return {t["table"]: t for t in self.get("/sim/requests")["tables"] if t["keyspace"] == keyspace}

    def reset(self):
        self.post("/sim/requests/reset")


def misses(arrivals):
    """Requests that did not arrive at a replica's right shard."""
    return arrivals["wrong_shard"] + arrivals["non_replica"]
