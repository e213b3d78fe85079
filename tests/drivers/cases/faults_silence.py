"""A node that reads nothing more, and a client that goes on writing to it: what else the client asks is served."""
import os
import queue
import signal
import struct
import sys
import threading
import time

import direct
from cases.bad_clients import connection, frame, started
from stage import ROOT, case, log, until

NODES, SHARDS, TABLETS = 3, 4, 16
LANES = NODES * SHARDS
SILENT = 1
TIMEOUT_MS = 3000
SECONDS = 8
BLOB = bytes(256 << 10)
# At first what the buffers of the kernel hold, then more than those and an outbox.
FEW, MANY = 6, 48
# A client is held for half a second, a quarter of that more to be found out, and the machine is busy.
READ_MAX = 2.5
PREPARE, EXECUTE, ERROR, RESULT = 9, 10, 0, 8
# What may become of a write to a node that is silent: OVERLOADED, and a time-out.
EXPLAINED = {0x1001, 0x1100}


def packed(opcode, stream, body):
    return struct.pack(">BBhBI", 4, 0, stream, opcode, len(body)) + body


class Client:
    """One connection: long writes of one row, as many at once as there are streams for, and one read at a time between them."""

    def __init__(self, stage, proxy):
        self.socket = stage.enter_context(connection(proxy, 60))
        started(self.socket)
        self.insert = self.prepared("INSERT INTO silence.blobs (k, v) VALUES (?, ?)")
        self.select = self.prepared("SELECT k FROM silence.blobs WHERE k = ?")
        self.turn, self.reads, self.free = threading.Lock(), queue.Queue(), queue.Queue()
        self.write_at_once(1, FEW)
        self.done, self.pause, self.ended, self.strange = threading.Event(), threading.Event(), {}, []
        self.count, self.slowest, self.begun = 0, 0.0, time.monotonic()

    def write_at_once(self, first, last):
        for stream in range(first, last + 1):
            self.free.put(stream)

    def prepared(self, text):
        self.socket.sendall(packed(PREPARE, 0, struct.pack(">I", len(text)) + text.encode()))
        opcode, _, body = frame(self.socket)
        assert opcode == RESULT and body[:4] == b"\0\0\0\4", body
        return body[6:6 + struct.unpack(">H", body[4:6])[0]]

    def execute(self, stream, statement, *values):
        head = struct.pack(">H", len(statement)) + statement + struct.pack(">HBH", 1, 1, len(values))
        whole = packed(EXECUTE, stream, head + b"".join(struct.pack(">i", len(v)) + v for v in values))
        with self.turn:
            self.socket.sendall(whole)

    def hear(self):
        while not self.done.is_set():
            try:
                opcode, stream, body = frame(self.socket)
            except (OSError, EOFError):
                return
            code = struct.unpack(">I", body[:4])[0] if opcode == ERROR else None
            if stream == 0:
                self.reads.put(code)
                continue
            self.ended[code] = self.ended.get(code, 0) + 1
            if code is not None and code not in EXPLAINED:
                self.strange.append(body[:200])
            self.free.put(stream)

    def write(self, key):
        while not self.done.is_set():
            stream = self.free.get()
            if self.pause.is_set():
                self.free.put(stream)
                time.sleep(0.05)
                continue
            self.execute(stream, self.insert, struct.pack(">i", key), BLOB)

    def read(self, keys):
        while not self.done.is_set():
            self.begun = time.monotonic()
            self.execute(0, self.select, struct.pack(">i", keys[self.count % len(keys)]))
            code = self.reads.get()
            if code is not None:
                self.strange.append("a read failed: %#x" % code)
            self.slowest = max(self.slowest, time.monotonic() - self.begun)
            self.count += 1

    def take(self):
        """What happened since the last call: reads, the longest of them so far, how the writes ended."""
        slowest = max(self.slowest, time.monotonic() - self.begun)
        taken = self.count, slowest, self.ended
        self.count, self.slowest, self.ended = 0, 0.0, {}
        assert not self.strange, self.strange[:3]
        return taken


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
    doorman.next_line(60, lambda line: line.strip() == "ready")
    way = '[[translate]]\nfrom = "%s"\nto = "%s:9042"\nshard_aware_port = 19042\n' % (sim.hosts[SILENT], door)
    proxy = stage.proxy(sim.hosts[0], "--config", stage.file("door.toml", way))
    count = lambda name: sum(v for n, v in proxy.metrics().items() if n.startswith(name))
    open_lanes = lambda: sum(v for n, v in proxy.metrics().items()
                             if n.startswith("shardlane_lanes{") and 'state="open"' in n)
    until("all lanes are open", lambda: open_lanes() == LANES, 30)
    with direct.session(proxy.host, consistency="ONE") as session:
        session.execute(direct.CREATE % ("silence", 1, ""))
        session.execute("CREATE TABLE silence.blobs (k int PRIMARY KEY, v blob)")
        read = session.prepare("SELECT k FROM silence.blobs WHERE k = ?")
        for k in range(200):
            session.execute(read, [k])
        keys = keys_by_node(sim)
    client = Client(stage, proxy)
    others = [k for node, some in keys.items() if node != SILENT for k in some]
    works = [(client.hear,), (client.write, keys[SILENT][0]), (client.read, others)]
    for work, *words in works:
        threading.Thread(target=work, args=words, daemon=True).start()
    stage.callback(client.done.set)
    time.sleep(3)
    reads, slowest, writes = client.take()
    log("before: writes %s, %d reads, slowest %.2f s" % (writes, reads, slowest))
    assert set(writes) == {None}, "writes failed: %s" % writes
    assert count("shardlane_lanes_stalled_total") == 0, "a node that reads was found stalled"
    doorman.process.send_signal(signal.SIGSTOP)
    client.write_at_once(FEW + 1, MANY)
    try:
        time.sleep(SECONDS)
        reads, slowest, writes = client.take()
        stalled, passed = count("shardlane_lanes_stalled_total"), count('shardlane_routing_total{reason="replica_stalled"')
    finally:
        doorman.process.send_signal(signal.SIGCONT)
    log("stopped: writes %s, %d reads, slowest %.2f s, %d lanes stalled, %d requests went elsewhere"
        % (writes, reads, slowest, stalled, passed))
    assert slowest <= READ_MAX, "a read of another node took %.1f s" % slowest
    assert reads > 10 and stalled and passed, "%d reads, %d stalled, %d passed over" % (reads, stalled, passed)
    client.pause.set()
    until("all writes have ended", lambda: client.free.qsize() >= MANY - 1, 30)
    until("all lanes are whole", lambda: open_lanes() == LANES, 30)
    others += keys[SILENT]
    passed = count('shardlane_routing_total{reason="replica_stalled"')
    sim.reset()
    client.take()
    until("every row was read", lambda: client.count > 2 * len(others), 60)
    arrivals = sim.requests("silence")["blobs"]
    assert arrivals["wrong_shard"] + arrivals["non_replica"] == 0, "after the silence: %s" % arrivals
    assert count('shardlane_routing_total{reason="replica_stalled"') == passed
    client.take()
