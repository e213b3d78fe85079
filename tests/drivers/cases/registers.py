"""Real Cassandra through the proxy at QUORUM while nodes are stopped and killed: what was acknowledged stays."""
import os
import threading
import time

import direct
from cases.changes import EXPLAINED
from stage import case, lab, log, until

WRITERS = 4
TIMEOUT_MS = 3000
# Longest that a request may take: the proxy's own limit, a retry of a read, and a busy machine.
LATE = 2 * TIMEOUT_MS / 1000 + 2


class Register:
    """One row that one thread writes with rising numbers. Its timestamps rise with them, so the highest wins."""

    def __init__(self):
        self.floor, self.tried = -1, -1
        self.lock = threading.Lock()

    def at_least(self, value):
        """From now on a QUORUM read may not show less."""
        with self.lock:
            self.floor = max(self.floor, value)


class History:
    """Writers of registers and of a set of unique ids, readers of both, and every promise that was broken."""

    def __init__(self, session):
        from cassandra.policies import FallthroughRetryPolicy
        session.cluster.profile_manager.default.retry_policy = FallthroughRetryPolicy()
        prepare = session.prepare
        self.session = session
        self.write = prepare("INSERT INTO faults.registers (k, v) VALUES (?, ?)")
        self.read = prepare("SELECT v FROM faults.registers WHERE k = ?")
        self.add = prepare("INSERT INTO faults.sets (k, id) VALUES (?, ?)")
        self.members = prepare("SELECT id FROM faults.sets WHERE k = ?")
        self.registers = [Register() for _ in range(WRITERS)]
        self.added = [set() for _ in range(WRITERS)]
        self.counts = {"written": 0, "read": 0, "added": 0, "listed": 0}
        self.failures, self.broken, self.longest = [], [], 0.0
        self.done = threading.Event()
        works = [(self.writer, n) for n in range(WRITERS)] + [(self.reader, n) for n in range(WRITERS)]
        self.threads = [threading.Thread(target=work, args=(n,)) for work, n in works]

    def request(self, what, statement, values):
        """Rows, or None when it failed."""
        begin = time.monotonic()
        try:
            rows = list(self.session.execute(statement, values, timeout=30))
            self.counts[what] += 1
            return rows
        except Exception as e:  # judged at the end
            self.failures.append((type(e).__name__, str(e)[:150], what))
            return None
        finally:
            self.longest = max(self.longest, time.monotonic() - begin)

    def writer(self, n):
        register, number = self.registers[n], 0
        while not self.done.is_set():
            register.tried = number
            if self.request("written", self.write, [n, number]) is not None:
                register.at_least(number)
            self.look(n)
            if self.request("added", self.add, [n, number]) is not None:
                self.added[n].add(number)
            number += 1
            time.sleep(0.005)

    def reader(self, n):
        while not self.done.is_set():
            self.look(n)
            if self.counts["read"] % 10 == 0:
                self.list(n)
            time.sleep(0.01)

    def look(self, n):
        register = self.registers[n]
        floor = register.floor
        rows = self.request("read", self.read, [n])
        if rows is None:
            return
        value = rows[0].v if rows else -1
        if not floor <= value <= register.tried:
            self.broken.append("register %d shows %d, not within %d..%d" % (n, value, floor, register.tried))
        # What one QUORUM read has shown, the next may not take back.
        register.at_least(value)

    def list(self, n):
        before = set(self.added[n])
        rows = self.request("listed", self.members, [n])
        if rows is not None and (lost := before - {row.id for row in rows}):
            self.broken.append("set %d lost %s of %d" % (n, sorted(lost)[:5], len(before)))

    def goes_on(self, what, seconds=60):
        """Every kind of request is served again, without a failure for a second."""
        def quiet():
            seen, before = len(self.failures), dict(self.counts)
            time.sleep(1)
            return len(self.failures) == seen and all(self.counts[k] > before[k] for k in before)
        until("requests are served after " + what, quiet, seconds)
        self.judge(what)

    def judge(self, what):
        failures, longest = self.failures, self.longest
        self.failures, self.longest = [], 0.0
        log("%s: %s, %d failures, slowest %.2f s" % (what, self.counts, len(failures), longest))
        assert not self.broken, "%s: %s" % (what, self.broken[:3])
        strange = [f for f in failures if f[0] not in EXPLAINED]
        assert not strange, "%s: not explained: %s" % (what, strange[:3])
        assert longest <= LATE, "%s: an answer took %.1f s" % (what, longest)
        return failures

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(60)


@case(deadline=360, needs=["cassandra"])
def faults_registers_on_cassandra(stage):
    os.environ["SHARDLANE_TIMEOUTS_REQUEST_MS"] = str(TIMEOUT_MS)
    proxy = stage.proxy(",".join(stage.cassandra_nodes))
    with direct.session(proxy.host) as s:
        s.execute("DROP KEYSPACE IF EXISTS faults")
        s.execute(direct.CREATE % ("faults", 3, ""))
        s.execute("CREATE TABLE faults.registers (k int PRIMARY KEY, v int)")
        s.execute("CREATE TABLE faults.sets (k int, id int, PRIMARY KEY (k, id))")
        # The lab's nodes do not sync definitions; the one that is killed below has to know them when it is back.
        lab("nodetool", 3, "flush", "system_schema")
        with History(s) as history:
            history.goes_on("the start")
            lab("pause", 2)
            try:
                time.sleep(20)
                history.judge("node 2 was stopped for 20 s")
            finally:
                lab("resume", 2)
            history.goes_on("node 2 went on")
            lab("kill", 3)
            try:
                time.sleep(5)
                history.judge("node 3 was killed")
                history.goes_on("node 3 was killed")
            finally:
                lab("start-node", 3)
            history.goes_on("node 3 came back")
        for n in range(WRITERS):
            history.look(n)
            history.list(n)
        failures = history.judge("the end")
        assert not failures, failures[:3]
        # Node by node: what a QUORUM acknowledged is on two of three at least, whoever is asked.
        with direct.session(stage.cassandra_nodes[0], consistency="ALL") as straight:
            for n in range(WRITERS):
                value = straight.execute("SELECT v FROM faults.registers WHERE k = %d" % n).one().v
                register = history.registers[n]
                assert register.floor <= value <= register.tried, (n, value, register.floor, register.tried)
                ids = {row.id for row in straight.execute("SELECT id FROM faults.sets WHERE k = %d" % n)}
                assert not history.added[n] - ids, "set %d lost %s" % (n, sorted(history.added[n] - ids)[:5])
        assert min(history.counts.values()) > 100, history.counts
