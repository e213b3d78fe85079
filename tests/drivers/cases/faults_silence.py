"""A node that reads nothing more, and a client that goes on writing to it: what else the client asks is served."""
import os
import signal
import sys
import threading
import time

import direct
from cases.changes import EXPLAINED
from stage import ROOT, case, log, until

NODES, SHARDS, TABLETS = 3, 4, 16
LANES = NODES * SHARDS
SILENT = 1
TIMEOUT_MS = 3000
SECONDS = 8
BLOB = bytes(256 << 10)
WRITES_AT_ONCE = 48
# A client is held for half a second, a quarter of that more to be found out, and the machine is busy.
READ_MAX = 2.5


class Reader:
    """Reads rows of other nodes, one after the other, and remembers how long the slowest took."""

    def __init__(self, session, statement, keys):
        self.session, self.statement, self.keys = session, statement, keys
        self.count, self.slowest, self.begun, self.faults = 0, 0.0, None, []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.done.is_set():
            self.begun = time.monotonic()
            try:
                key = self.keys[self.count % len(self.keys)]
                self.session.execute(self.statement, [key], timeout=30)
            except Exception as e:  # whatever the application would see
                self.faults.append(repr(e)[:200])
            self.slowest = max(self.slowest, time.monotonic() - self.begun)
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(60)


class Writer:
    """Writes one long row over and over, many at once, and counts how each ended."""

    def __init__(self, session, statement, key):
        self.session, self.statement, self.key = session, statement, key
        self.ended, self.strange = {"written": 0}, []
        self.room = threading.Semaphore(WRITES_AT_ONCE)

    def write_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.room.acquire(timeout=0.1):
                future = self.session.execute_async(self.statement, [self.key, BLOB], timeout=30)
                future.add_callbacks(self.on_written, self.on_failed)

    def on_written(self, _):
        self.ended["written"] += 1
        self.room.release()

    def on_failed(self, error):
        name = type(error).__name__
        self.ended[name] = self.ended.get(name, 0) + 1
        if name not in EXPLAINED:
            self.strange.append(repr(error)[:200])
        self.room.release()


def keys_by_node(sim):
    """Of the keys 0 to 199 those that each node holds, by its own tablets."""
    from cassandra.metadata import Murmur3Token
    tablets, keys = sim.tablets("silence", "blobs"), {node: [] for node in range(NODES)}
    for k in range(200):
        token = Murmur3Token.from_key(direct.key_bytes("ints", k)).value
        tablet = next(t for t in tablets if token <= t["last"])
        keys[tablet["replicas"][0]["node"]].append(k)
    return keys


@case(deadline=150)
def faults_silent_node_and_long_writes(stage):
    """The way to one node is stopped (SIGSTOP) under long writes to it: reads of other nodes, by the same client, go on."""
    os.environ["SHARDLANE_TIMEOUTS_REQUEST_MS"] = str(TIMEOUT_MS)
    sim = stage.sim(NODES, SHARDS, TABLETS)
    door = stage.address(80)
    doorman = stage.start([sys.executable, ROOT / "tests/drivers/door.py", door, sim.hosts[SILENT], 9042, 19042], "door")
    doorman.next_line(20, lambda line: line.strip() == "ready")
    way = '[[translate]]\nfrom = "%s"\nto = "%s:9042"\nshard_aware_port = 19042\n' % (sim.hosts[SILENT], door)
    proxy = stage.proxy(sim.hosts[0], "--config", stage.file("door.toml", way))
    count = lambda name: sum(v for n, v in proxy.metrics().items() if n.startswith(name))
    open_lanes = lambda: sum(v for n, v in proxy.metrics().items()
                             if n.startswith("shardlane_lanes{") and 'state="open"' in n)
    until("all lanes are open", lambda: open_lanes() == LANES, 30)
    session = stage.enter_context(direct.session(proxy.host, consistency="ONE"))
    from cassandra.policies import FallthroughRetryPolicy
    session.cluster.profile_manager.default.retry_policy = FallthroughRetryPolicy()
    session.execute(direct.CREATE % ("silence", 1, ""))
    session.execute("CREATE TABLE silence.blobs (k int PRIMARY KEY, v blob)")
    insert = session.prepare("INSERT INTO silence.blobs (k, v) VALUES (?, ?)")
    read = session.prepare("SELECT k FROM silence.blobs WHERE k = ?")
    keys = keys_by_node(sim)
    for k in range(200):
        session.execute(read, [k])
    others = [k for node, some in keys.items() if node != SILENT for k in some]
    with Reader(session, read, others) as reader:
        writer = Writer(session, insert, keys[SILENT][0])
        writer.write_for(2)
        assert not writer.strange and not reader.faults, (writer.strange[:2], reader.faults[:2])
        assert count("shardlane_lanes_stalled_total") == 0, "a node that reads was found stalled"
        log("before: %s, %d reads, slowest %.2f s" % (writer.ended, reader.count, reader.slowest))
        before, reader.slowest = reader.count, 0.0
        doorman.process.send_signal(signal.SIGSTOP)
        try:
            writer.write_for(SECONDS)
            # One that is on its way right now counts for as long as it has waited.
            slowest = max(reader.slowest, time.monotonic() - reader.begun)
            reads, faults = reader.count - before, list(reader.faults)
            stalled, passed = count("shardlane_lanes_stalled_total"), count('shardlane_routing_total{reason="replica_stalled"')
        finally:
            doorman.process.send_signal(signal.SIGCONT)
        log("stopped: %s, %d reads, slowest %.2f s, %d lanes stalled, %d requests went elsewhere"
            % (writer.ended, reads, slowest, stalled, passed))
        assert stalled and passed, "no lane was full: %d stalled, %d passed over" % (stalled, passed)
        assert slowest <= READ_MAX, "a read of another node took %.1f s" % slowest
        assert not faults, faults[:3]
        assert not writer.strange, writer.strange[:3]
    until("all lanes are whole", lambda: open_lanes() == LANES, 30)
    passed = count('shardlane_routing_total{reason="replica_stalled"')
    sim.reset()
    for k in range(200):
        session.execute(read, [k])
    arrivals = sim.requests("silence")["blobs"]
    assert arrivals["wrong_shard"] + arrivals["non_replica"] == 0, "after the silence: %s" % arrivals
    assert count('shardlane_routing_total{reason="replica_stalled"') == passed
