"""The exception that each driver raises for each kind of error, straight to the cluster and through the proxy."""
import os

import direct
from stage import ROOT, case, log

PAGE = ROOT / "docs/error-classes.md"
HEAD = """\
# What drivers raise, direct and through shardlane

Generated from a test run of the case `error_classes` on the simulated cluster: three nodes, three copies of each row.
`WRITE_PAGES=1` writes this page; the test fails when it says anything that was not found. Drivers have their own
defaults, retry policies too; in brackets is what each host said, as far as the driver shows it. Bold is where an `except` or
a `catch` of the one class does not match the other.

| error | driver | direct | through shardlane |
|---|---|---|---|
"""
# Kind, consistency, text; the first while one node is stopped, the last while all refuse.
AWAY = (("unavailable, a read", "ALL", "SELECT v FROM errors.t WHERE k = 1"),
        ("unavailable, a write", "ALL", "INSERT INTO errors.t (k, v) VALUES (1, 1)"))
ALWAYS = (("syntax", "ONE", "SELEC 1"),
          ("unknown table", "ONE", "SELECT v FROM errors.nowhere"),
          ("wrong type", "ONE", "INSERT INTO errors.t (k, v) VALUES ('a', 1)"),
          ("table exists", "ONE", "CREATE TABLE errors.t (k int PRIMARY KEY)"),
          ("keyspace exists", "ONE", "CREATE KEYSPACE errors WITH replication = "
           "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"))
# With a tab and a letter behind it a statement is prepared first: only those are refused.
BUSY = (("overloaded, a read", "ONE", "SELECT v FROM errors.t WHERE k = 1\tp"),
        ("overloaded, a write", "ONE", "INSERT INTO errors.t (k, v) VALUES (1, 1)\tp"))
# Title, program, its words, and how its options begin; Python runs here.
PROGRAMS = {
    "python": ("Python cassandra-driver", None, [], ""),
    "node": ("Node.js cassandra-driver", "node", ["tests/drivers/node/errors.js"], "--"),
    "gocql": ("gocql/gocql", "gocql", ["-mode", "errors"], "-"),
    "java3": ("Java driver 3", "java3-errors", [], "--"),
    "java4": ("Java driver 4", "java4-errors", [], "--"),
}


class Python:
    """This process's own driver."""

    def __init__(self, stage, host):
        self.session = stage.enter_context(direct.session(host, consistency="ONE"))

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
            self.session.execute(statement)
            return "none"
        except NoHostAvailable as e:
            return "NoHostAvailable [%s]" % ", ".join(sorted({type(inner).__name__ for inner in e.errors.values()}))
        except Exception as e:  # whatever the application would see
            return type(e).__name__


class Program:
    """A driver's program."""

    def __init__(self, stage, name, host, way):
        _, driver, words, dash = PROGRAMS[name]
        options = [word for key, value in (("host", host), ("data-center", "datacenter1"))
                   for word in (dash + key, value)]
        self.child = stage.driver(driver, *words, *options, label="%s-%s" % (name, way))
        self.child.next_line(60, lambda line: line == "@running")

    def ask(self, consistency, text):
        self.child.tell("%s\t%s" % (consistency, text))
        return self.child.next_line(60)


def rows_of(asked, found):
    for kind, consistency, text in asked:
        for name, ways in found.items():
            yield kind, name, [way.ask(consistency, text) for way in ways]


def outer(name):
    return name.split(" [")[0]


def row(kind, name, ways):
    """One row of the table; the class itself is bold where it differs."""
    straight, through = ways
    if outer(straight) != outer(through):
        through = "**%s**%s" % (outer(through), through[len(outer(through)):])
    return "| %s | %s | %s | %s |" % (kind, PROGRAMS[name][0], straight, through)


@case(deadline=300, drivers=("node", "gocql", "java3-errors", "java4-errors"))
def error_classes(stage):
    sim = stage.sim(3, 2, 8)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(sim.hosts[0]) as s:
        s.execute(direct.CREATE % ("errors", 3, ""))
        s.execute("CREATE TABLE errors.t (k int PRIMARY KEY, v int)")
    found = {name: [Python(stage, host) if name == "python" else Program(stage, name, host, way)
                    for way, host in (("direct", sim.hosts[0]), ("through", proxy.host))] for name in PROGRAMS}
    rows = list(rows_of(ALWAYS, found))
    for node in range(3):
        sim.post("/sim/nodes/%d/strain" % node, overloaded="true")
    rows += rows_of(BUSY, found)
    for node in range(3):
        sim.post("/sim/nodes/%d/strain" % node)
    sim.post("/sim/nodes/2/stop")
    rows = [*rows_of(AWAY, found), *rows]
    page = HEAD + "".join(row(*one) + "\n" for one in rows)
    for one in rows:
        log(*one)
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.exists() and PAGE.read_text(encoding="utf-8") == page, "docs/error-classes.md is not what was found"
