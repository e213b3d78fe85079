"""Each driver's smoke, straight to real Cassandra and through the proxy: the logs are equal byte for byte."""
import difflib

from stage import case, log

PROGRAMS = {
    "python": ("python-cassandra", ["tests/drivers/python/smoke.py"], "--"),
    "python_scylla": ("python-scylla", ["tests/drivers/python/smoke.py"], "--"),
    "node": ("node", ["tests/drivers/node/smoke.js"], "--"),
    "gocql": ("gocql", [], "-"),
    "gocql_scylla": ("gocql-scylla", [], "-"),
    "rust_scylla": ("rust", [], "--"),
}


def smoke(stage, name, host, restart, more=()):
    """The lines of one run; `restart` is called when the program asks for it."""
    driver, words, dash = PROGRAMS[name]
    child = stage.driver(driver, *words, dash + "host", host, dash + "keyspace", "smoke_" + name, *more)
    while child.next_line(90, lambda line: line in ("@restart", "end")) == "@restart":
        restart()
        child.tell()
    code = child.wait(30)
    lines = [line for line in child.lines if not line.startswith("@")]
    failed = [line for line in lines if line.startswith("FAILED")]
    assert not failed and code == 0, "%s: exit code %s %s %s" % (host, code, failed[:3], child.last_errors())
    return lines


def compare(stage, name):
    straight = smoke(stage, name, stage.cassandra_nodes[0], lambda: None)
    proxy = stage.proxy(stage.cassandra_nodes[0])
    through = smoke(stage, name, proxy.host, proxy.restart)
    log("%d lines each" % len(straight))
    difference = list(difflib.unified_diff(straight, through, "straight", "through", lineterm="", n=0))
    for line in difference:
        log(line[:300])
    assert not difference, "the logs differ: %s" % " | ".join(line[:120] for line in difference[2:6])


for _name, (_driver, _, _) in PROGRAMS.items():
    case(deadline=240, needs=("cassandra",), drivers=(_driver,), name="smoke_" + _name)(
        lambda stage, name=_name: compare(stage, name))
