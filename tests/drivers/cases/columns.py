"""A table changes under prepared statements: an old driver still reads each value by its own column."""
import contextlib
import io
import json
import threading
import time

import direct
from stage import case, log, until

KEYS = 64
WORKERS = 4
IN_FLIGHT = 16
CHANGES = 12
SELECT = "SELECT * FROM columns.t WHERE k = ?"


def row_is_right(row, k):
    """Each column holds its own name and the key, so a value read by another's column shows; new ones may be null."""
    return row["k"] == k and all(v in (None, "%s-%d" % (c, k)) for c, v in row.items() if c != "k") \
        and row["m"] == "m-%d" % k


class Readers:
    """Sessions of their own that execute one `SELECT *` all the time, each prepared once."""

    def __init__(self, stage, proxy):
        from cassandra.query import dict_factory
        self.done, self.rounds, self.wrong, self.failed = threading.Event(), [0] * WORKERS, [], []
        self.go, self.resting = threading.Event(), [False] * WORKERS
        self.go.set()
        self.sessions = [stage.enter_context(direct.session(proxy.host)) for _ in range(WORKERS)]
        for s in self.sessions:
            s.cluster.profile_manager.default.row_factory = dict_factory
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(WORKERS)]

    def work(self, n):
        session = self.sessions[n]
        select = session.prepare(SELECT)
        while not self.done.is_set():
            self.resting[n] = True
            self.go.wait()
            self.resting[n] = False
            for first in range(0, KEYS, IN_FLIGHT):
                asked = [(k, session.execute_async(select, [k])) for k in range(first, first + IN_FLIGHT)]
                for k, future in asked:
                    try:
                        rows = list(future.result())
                        if len(rows) != 1 or not row_is_right(rows[0], k):
                            self.wrong.append((n, k, rows))
                    except Exception as e:  # whatever the application would see
                        self.failed.append((n, k, repr(e)[:200]))
            self.rounds[n] += 1

    def rounds_more(self, count):
        wanted = [r + count for r in self.rounds]
        until("%d more rounds" % count, lambda: all(r >= w for r, w in zip(self.rounds, wanted)), 60, pause=0.02)

    def rest(self):
        self.go.clear()
        until("everybody rests", lambda: all(self.resting), 30, pause=0.02)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.go.set()
        for t in self.threads:
            t.join(30)


def leave_columns_out():
    """Makes this process's driver ask for rows without their columns, as those for Java and its own older releases do."""
    from cassandra import protocol
    write = protocol.ExecuteMessage._write_query_params

    def write_and_skip(message, f, version):
        own = io.BytesIO()
        write(message, own, version)
        said = bytearray(own.getvalue())
        said[2] |= protocol._SKIP_METADATA_FLAG
        f.write(bytes(said))
    protocol.ExecuteMessage._write_query_params = write_and_skip


def columns_come_and_go(stage, like):
    leave_columns_out()
    sim = stage.sim(3, 2, 16, 1, "--like", like)
    proxy = stage.proxy(sim.hosts[0])
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(direct.session(sim.hosts[0]))
        behind.execute("DROP KEYSPACE IF EXISTS columns")
        behind.execute(direct.CREATE % ("columns", 3, ""))
        behind.execute("CREATE TABLE columns.t (k int PRIMARY KEY, c text, m text, x text)")
        insert = behind.prepare("INSERT INTO columns.t (k, c, m, x) VALUES (?, ?, ?, ?)")
        for k in range(KEYS):
            behind.execute(insert, [k, *("%s-%d" % (c, k) for c in "cmx")])
        newcomer = stack.enter_context(direct.session(proxy.host))
        readers = stack.enter_context(Readers(stage, proxy))
        readers.rounds_more(2)
        added = []
        for n in range(CHANGES):
            # Changes in mid-flight, and changes of which the readers could learn from nothing but the rows.
            if n % 2:
                readers.rest()
            # Each shifts the columns after it, and only the nodes learn of it.
            if n % 3 == 2:
                behind.execute("ALTER TABLE columns.t DROP " + added.pop(0))
            else:
                added.append("b%d" % n)
                behind.execute("ALTER TABLE columns.t ADD %s text" % added[-1])
            # Another client prepares it anew on every node, so that all know the id again.
            behind.prepare(SELECT)
            if n % 4 == 3:
                newcomer.prepare(SELECT)
            readers.go.set()
            readers.rounds_more(2)
            assert not readers.wrong, "read by the wrong columns: %s" % (readers.wrong[:3],)
        log("rounds", readers.rounds, "failures", readers.failed[:3])
        assert not readers.failed, "%d failures: %s" % (len(readers.failed), readers.failed[:3])


@case(deadline=400, together=2)
def columns_with_metadata_ids(stage):
    columns_come_and_go(stage, "2026.3")


@case(deadline=400, together=2)
def columns_without_metadata_ids(stage):
    columns_come_and_go(stage, "6.2")


# Each driver's program that reads a changing table, its words, and how its options begin.
PROGRAMS = {
    "gocql": ("gocql", ["-mode", "columns"], "-"),
    "node": ("node", ["tests/drivers/node/columns.js"], "--"),
    "java3": ("java3-columns", [], "--"),
    "java4": ("java4-columns", [], "--"),
}


def read_while_it_changes(stage, name, host, behind, keyspace):
    """What a driver saw of a table to which columns were added, and of which some were dropped again."""
    driver, words, dash = PROGRAMS[name]
    behind.execute("DROP KEYSPACE IF EXISTS " + keyspace)
    behind.execute(direct.CREATE % (keyspace, 3, ""))
    behind.execute("CREATE TABLE %s.t (k int PRIMARY KEY, c text, m text, x text)" % keyspace)
    insert = behind.prepare("INSERT INTO %s.t (k, c, m, x) VALUES (?, ?, ?, ?)" % keyspace)
    for k in range(KEYS):
        behind.execute(insert, [k, *("%s-%d" % (c, k) for c in "cmx")])
    options = [word for key, value in (("host", host), ("keyspace", keyspace), ("keys", KEYS),
                                           ("data-center", "datacenter1"))
               for word in (dash + key, str(value))]
    child = stage.driver(driver, *words, *options, label="%s-%s" % (name, keyspace))
    child.next_line(60, lambda line: line == "@running")
    time.sleep(0.5)
    for n in range(2 * CHANGES):
        if n % 3 == 2:
            behind.execute("ALTER TABLE %s.t DROP b%d" % (keyspace, n - 2))
        else:
            behind.execute("ALTER TABLE %s.t ADD b%d text" % (keyspace, n))
        # Another session prepares it anew on every node, so that none says UNPREPARED.
        behind.prepare("SELECT * FROM %s.t WHERE k = ?" % keyspace)
        time.sleep(0.4)
    child.tell()
    seen = json.loads(child.next_line(30, lambda line: line.startswith("{")))
    log(name, keyspace, seen)
    return seen


def columns_of_a_driver(stage, name):
    for number, like in enumerate(("2026.3", "6.2")):
        sim = stage.sim(3, 2, 16, 1, "--like", like)
        proxy = stage.proxy(sim.hosts[0])
        with direct.session(sim.hosts[0]) as behind:
            plain = read_while_it_changes(stage, name, sim.hosts[0], behind, "straight%d" % number)
            through = read_while_it_changes(stage, name, proxy.host, behind, "through%d" % number)
        for child in (proxy.child, sim.child):
            child.stop()
        assert through["reads"] > 100, through
        assert not through["wrong"], "read by the wrong columns: %s" % through
        assert through["errors"] <= plain["errors"], (plain, through)
        # What a driver that learns nothing reads shows that the test can fail; that for Node asks for the columns.
        assert name == "node" or plain["wrong"], plain


for _name, (_driver, _, _) in PROGRAMS.items():
    case(deadline=300, drivers=(_driver,), together=2, name="columns_" + _name)(
        lambda stage, name=_name: columns_of_a_driver(stage, name))
