"""The exception that each driver raises for each kind of error: straight to the cluster, through the proxy, and through a proxy whose
two addresses look like two nodes."""
import contextlib
import difflib
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor

import direct
from cases.auth import cassandra_with_passwords
from stage import ROOT, case, lab, log, until

PAGE = ROOT / "docs/error-classes.md"
HEAD = """\
# What drivers raise, direct and through shardlane

Generated from a test run of the case `error_classes` on the simulated cluster: three nodes, three copies of each row.
`WRITE_PAGES=1` writes this page; the test fails when it says anything that was not found. Drivers have their own
defaults, retry policies too; in brackets is what each host said, as far as the driver shows it. Bold is where an `except` or
a `catch` of the one class does not match that of direct. Java driver 3 closes the connection on which a server error came: with
one node a request right after it may find none, and raises NoHostAvailableException. *One node* is the default, *two nodes* is
`bind = "127.0.0.1:9042,127.0.0.2:9042"` with `bind_as_nodes = true`. On Apache Cassandra 5.0 these rows are the same (cases
`error_classes_on_cassandra`, `unauthorized_on_cassandra`): unavailable, syntax, unknown table, wrong type, table and keyspace exist, read and
write time-out (a replica that is stopped), function failure (a function of Java that divides by zero), unauthorized (a role without rights).
What a healthy Cassandra cannot be made to say is shown on the simulated cluster alone: overloaded, server error, read and write failure,
unprepared again and again.

| error | driver | direct | one node | two nodes |
|---|---|---|---|---|
"""
CONNECTIONS = """
## Connections and warnings

What each driver has open once it is connected, and how many lines of warning it has logged by then. Java drivers warn ("Error while
computing token map") that a keyspace has more replicas than there are nodes: not where there are as many addresses.

| driver | connections, direct | one node | two nodes | warnings, direct | one node | two nodes |
|---|---|---|---|---|---|---|
"""
READ, WRITE = "SELECT v FROM errors.t WHERE k = 1", "INSERT INTO errors.t (k, v) VALUES (1, 1)"
# Kind, consistency, text; the first while one node is stopped.
AWAY = (("unavailable, a read", "ALL", READ), ("unavailable, a write", "ALL", WRITE))
ALWAYS = (("syntax", "ONE", "SELEC 1"),
          ("unknown table", "ONE", "SELECT v FROM errors.nowhere"),
          ("wrong type", "ONE", "INSERT INTO errors.t (k, v) VALUES ('a', 1)"),
          ("table exists", "ONE", "CREATE TABLE errors.t (k int PRIMARY KEY)"),
          ("keyspace exists", "ONE", "CREATE KEYSPACE errors WITH replication = "
           "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"))
# What all nodes are made to answer EXECUTE with. With a tab and a letter behind it a statement is prepared first: only those fail.
MADE = (("overloaded, a read", {"overloaded": "true"}, READ), ("overloaded, a write", {"overloaded": "true"}, WRITE),
        ("server error, a read", {"error": "server_error"}, READ), ("server error, a write", {"error": "server_error"}, WRITE),
        ("read time-out", {"error": "read_timeout"}, READ), ("write time-out", {"error": "write_timeout"}, WRITE),
        ("read failure", {"error": "read_failure"}, READ), ("write failure", {"error": "write_failure"}, WRITE),
        ("function failure", {"error": "function_failure"}, READ), ("unauthorized", {"error": "unauthorized"}, READ),
        ("unprepared again and again", {"error": "unprepared"}, READ))
WAYS = ("direct", "one node", "two nodes")
# Title, program, its words, and how its options begin; Python runs here.
PROGRAMS = {
    "python": ("Python cassandra-driver", None, [], ""),
    "node": ("Node.js cassandra-driver", "node", ["tests/drivers/node/errors.js"], "--"),
    "gocql": ("gocql/gocql", "gocql", ["-mode", "errors"], "-"),
    "rust": ("Rust scylla", "rust-errors", [], "--"),
    "java3": ("Java driver 3", "java3-errors", [], "--"),
    "java4": ("Java driver 4", "java4-errors", [], "--"),
}


class Python(logging.Handler):
    """This process's own driver, and what it logs."""

    def __init__(self, stage, host, login=()):
        super().__init__(logging.WARNING)
        self.lines = []
        logging.getLogger("cassandra").addHandler(self)
        more = {}
        if login:
            from cassandra.auth import PlainTextAuthProvider
            more["auth_provider"] = PlainTextAuthProvider(*login)
        self.session = stage.enter_context(direct.session(host, consistency="ONE", **more))

    def ask(self, consistency, text):
        from cassandra import ConsistencyLevel
        from cassandra.cluster import NoHostAvailable
        from cassandra.query import SimpleStatement
        level = ConsistencyLevel.name_to_value[consistency]
        try:
            statement = SimpleStatement(text, consistency_level=level)
            if text.endswith("\tp"):
                statement = self.session.prepare(text[:-2]).bind(())
                statement.consistency_level = level
            self.session.execute(statement, timeout=10)
            return "none"
        except NoHostAvailable as e:
            return "NoHostAvailable [%s]" % ", ".join(sorted({type(inner).__name__ for inner in e.errors.values()}))
        except Exception as e:  # whatever the application would see
            return type(e).__name__

    def emit(self, record):
        self.lines.append(record.getMessage())

    def warnings(self):
        logging.getLogger("cassandra").removeHandler(self)
        return self.lines


class Program:
    """A driver's program."""

    def __init__(self, stage, name, host, way, center="datacenter1", login=()):
        _, driver, words, dash = PROGRAMS[name]
        options = [word for key, value in (("host", host), ("data-center", center), *zip(("user", "password"), login))
                   for word in (dash + key, value)]
        self.child = stage.driver(driver, *words, *options, label="%s-%s" % (name, way.replace(" ", "-")))
        self.child.next_line(60, lambda line: line == "@running")

    def ask(self, consistency, text):
        self.child.tell("%s\t%s" % (consistency, text))
        return self.child.next_line(60)

    def warnings(self):
        """Lines that say so, or, of a driver whose log has no levels, that begin with a date."""
        text = self.child.error_path.read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if " WARN " in line or line.startswith("20")]


def rows_of(pool, kind, consistency, text, found):
    """What each driver says each way; all are asked at once."""
    asked = [(name, [pool.submit(way.ask, consistency, text) for way in ways]) for name, ways in found.items()]
    return [(kind, name, [answer.result(90) for answer in answers]) for name, answers in asked]


def served_again(pool, found):
    """Waits until each driver can read each way: how long a driver takes to come back is not what is compared."""
    def answers():
        return {answer for _, _, ways in rows_of(pool, "", "ONE", READ + "\tp", found) for answer in ways}
    until("all drivers are served again", lambda: answers() == {"none"}, 60, 0.5)


def outer(name):
    return name.split(" [")[0]


def row(kind, name, ways):
    """One row of the table; a class is bold where it is not that of direct."""
    def cell(way):
        same = outer(way) == outer(ways[0])
        return way if same else "**%s**%s" % (outer(way), way[len(outer(way)):])
    return "| %s | %s | %s |" % (kind, PROGRAMS[name][0], " | ".join(map(cell, ways)))


def settled(count):
    """A count once it stays the same for a while."""
    seen = []

    def same():
        seen.append(count())
        return len(seen) > 15 and len(set(seen[-15:])) == 1
    until("the number of connections settles", same, 30, 0.2)
    return seen[-1]


@case(deadline=600, drivers=("node", "gocql", "rust-errors", "java3-errors", "java4-errors"))
def error_classes(stage):
    sim = stage.sim(3, 2, 8)
    one = stage.proxy(sim.hosts[0])
    settings = stage.file("two.toml", "bind_as_nodes = true\n")
    two = stage.proxy(sim.hosts[0], "--config", settings, "--bind", "%s:9042" % stage.address(103), last=102)
    with direct.session(sim.hosts[0]) as s:
        s.execute(direct.CREATE % ("errors", 3, ""))
        s.execute("CREATE TABLE errors.t (k int PRIMARY KEY, v int)")
    counts = (lambda: sum(sum(node["connections"]) for node in sim.nodes()),
              *(lambda proxy=proxy: int(proxy.metrics()["shardlane_client_connections"]) for proxy in (one, two)))
    found, connections, warned = {}, {}, {}
    for name in PROGRAMS:
        found[name], connections[name], warned[name] = [], [], []
        for way, host, count in zip(WAYS, (sim.hosts[0], one.host, two.host), counts):
            before = settled(count)
            found[name].append(Python(stage, host) if name == "python" else Program(stage, name, host, way))
            connections[name].append(settled(count) - before)
            lines = found[name][-1].warnings()
            log(name, way, lines)
            warned[name].append(len(lines))
    more = [word for last in (105, 106) for word in ("--bind", "%s:9042" % stage.address(last))]
    three = stage.proxy(sim.hosts[0], "--config", settings, *more, last=104)
    for name in ("java3", "java4"):
        lines = Program(stage, name, three.host, "three nodes").warnings()
        assert not any("token map" in line for line in lines), lines
    rows = []
    with ThreadPoolExecutor(len(found) * len(WAYS)) as pool:
        for kind, consistency, text in ALWAYS:
            rows += rows_of(pool, kind, consistency, text, found)
        for kind, strain, text in MADE:
            for node in range(3):
                sim.post("/sim/nodes/%d/strain" % node, **strain)
            rows += rows_of(pool, kind, "ONE", text + "\tp", found)
            for node in range(3):
                sim.post("/sim/nodes/%d/strain" % node)
            if strain.get("error") == "server_error":
                # Java driver 3 has closed the connections on which it came, and opens others after a second or more.
                time.sleep(5)
            served_again(pool, found)
        sim.post("/sim/nodes/2/stop")
        away = []
        for kind, consistency, text in AWAY:
            away += rows_of(pool, kind, consistency, text, found)
    rows = [*away, *rows]
    page = HEAD + "".join(row(*it) + "\n" for it in rows) + CONNECTIONS
    for name in found:
        cells = (*connections[name], *warned[name])
        page += "| %s |%s\n" % (PROGRAMS[name][0], "".join(" %d |" % cell for cell in cells))
    for it in rows:
        log(*it)
    log(connections)
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    otherwise = [line for line in difflib.unified_diff(written.splitlines(), page.splitlines(), "docs/error-classes.md", "found", "", "", 0, "")]
    assert not otherwise, "docs/error-classes.md is not what was found:\n" + "\n".join(otherwise)


def on_cassandra(stage, node, more="", login=()):
    """Each driver, direct and through both kinds of proxies, and these."""
    settings = [stage.file(name, text + more) for name, text in (("one.toml", ""), ("two.toml", "bind_as_nodes = true\n"))]
    one = stage.proxy(node, "--config", settings[0])
    two = stage.proxy(node, "--config", settings[1], "--bind", "%s:9042" % stage.address(103), last=102)
    hosts = list(zip(WAYS, (node, one.host, two.host)))
    found = {name: [Python(stage, host, login) if name == "python" else
                    Program(stage, name, host, way + " cassandra", "dc1", login) for way, host in hosts] for name in PROGRAMS}
    return found, (one, two)


def otherwise(found, asked):
    """Rows that are not those of the page."""
    page, wrong = PAGE.read_text(encoding="utf-8"), []
    with ThreadPoolExecutor(len(found) * len(WAYS)) as pool:
        for kind, consistency, text in asked:
            for it in rows_of(pool, kind, consistency, text, found):
                log(*it)
                if row(*it) + "\n" not in page:
                    wrong.append(row(*it))
    return wrong


@contextlib.contextmanager
def a_silent_replica(stage, proxies):
    """The third node answers nothing to the others, which wait half a second; its clients have left before."""
    lanes = 'shardlane_lanes{node="%s",state="open"}' % stage.cassandra_nodes[2]
    lab("nodetool", 3, "disablebinary")
    try:
        for node in (1, 2):
            for what in ("read", "write"):
                lab("nodetool", node, "settimeout", what, "500")
        for proxy in proxies:
            until("lanes to the third node are gone", lambda proxy=proxy: not proxy.metrics().get(lanes), 30)
        lab("pause", 3)
        try:
            yield
        finally:
            lab("resume", 3)
    finally:
        lab("nodetool", 3, "enablebinary")
        for node in (1, 2):
            for what, ms in (("read", "5000"), ("write", "2000")):
                lab("nodetool", node, "settimeout", what, ms)


@case(deadline=900, needs=("cassandra",), drivers=("node", "gocql", "rust-errors", "java3-errors", "java4-errors"))
def error_classes_on_cassandra(stage):
    node = stage.cassandra_nodes[0]
    with direct.session(node, consistency="ALL") as s:
        # One copy more than there are nodes, so that ALL is UNAVAILABLE at each of them.
        for keyspace, copies in (("errors", 3), ("errors4", 4)):
            s.execute("DROP KEYSPACE IF EXISTS " + keyspace)
            s.execute(direct.CREATE % (keyspace, 3, ""))
            s.execute("CREATE TABLE %s.t (k int PRIMARY KEY, v int)" % keyspace)
            if copies > 3:
                s.execute("ALTER KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': %d}" %
                          (keyspace, copies))
        s.execute("CREATE FUNCTION errors.fails (v int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS 'return v / (v - v);'")
        s.execute(WRITE)
    found, proxies = on_cassandra(stage, node)
    away = [(kind, level, text.replace("errors.", "errors4.")) for kind, level, text in AWAY]
    fails = ("function failure", "ONE", "SELECT errors.fails(v) FROM errors.t WHERE k = 1\tp")
    wrong = otherwise(found, (*away, *ALWAYS, fails))
    with a_silent_replica(stage, proxies):
        wrong += otherwise(found, (("read time-out", "ALL", READ + "\tp"), ("write time-out", "ALL", WRITE + "\tp")))
    assert not wrong, "otherwise than on the simulated cluster: %s" % wrong


@case(deadline=600, drivers=("node", "gocql", "rust-errors", "java3-errors", "java4-errors"))
def unauthorized_on_cassandra(stage):
    ip = stage.enter_context(cassandra_with_passwords(stage))
    from cassandra.auth import PlainTextAuthProvider
    with direct.session(ip, auth_provider=PlainTextAuthProvider("cassandra", "cassandra")) as s:
        s.execute(direct.CREATE % ("errors", 1, ""))
        s.execute("CREATE TABLE errors.t (k int PRIMARY KEY, v int)")
        s.execute("CREATE ROLE reader WITH PASSWORD = 'pw of reader' AND LOGIN = true")
    found, _ = on_cassandra(stage, ip, '[auth]\nmode = "pass-through"\n', ("reader", "pw of reader"))
    wrong = otherwise(found, (("unauthorized", "ONE", READ),))
    assert not wrong, "otherwise than on the simulated cluster: %s" % wrong
