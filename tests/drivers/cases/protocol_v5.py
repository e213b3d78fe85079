"""What needs protocol 5, which Apache Cassandra speaks and shardlane does not: what drivers do then."""
import direct
from stage import case, log


def what_comes_of(do):
    """The class of what is raised, or what comes back."""
    try:
        return str(do())
    except Exception as e:  # whatever the application would see
        log(repr(e)[:300])
        return type(e).__name__


def tries(host):
    from cassandra.query import SimpleStatement
    found = {}
    with direct.session(host, consistency="ALL") as s:
        found["protocol"] = str(s.cluster.protocol_version)
        found["prepare(keyspace=)"] = what_comes_of(
            lambda: s.execute(s.prepare("SELECT v FROM t WHERE k = 1", keyspace="v5")).one().v)
        found["SimpleStatement(keyspace=)"] = what_comes_of(
            lambda: s.execute(SimpleStatement("SELECT v FROM t WHERE k = 1", keyspace="v5")).one().v)

    def pinned():
        with direct.session(host, "v5", "ALL", protocol_version=5) as s:
            return s.cluster.protocol_version
    found["pinned to 5"] = what_comes_of(pinned)
    return found


def table(host):
    with direct.session(host, consistency="ALL") as s:
        s.execute("DROP KEYSPACE IF EXISTS v5")
        s.execute(direct.CREATE % ("v5", 3, ""))
        s.execute("CREATE TABLE v5.t (k int PRIMARY KEY, v int)")
        s.execute("INSERT INTO v5.t (k, v) VALUES (1, 7)")


@case(deadline=300, needs=("cassandra",))
def protocol_v5_python(stage):
    proxy = stage.proxy(stage.cassandra_nodes[0])
    table(stage.cassandra_nodes[0])
    straight, through = tries(stage.cassandra_nodes[0]), tries(proxy.host)
    log("direct", straight, "through", through)
    assert straight == {"protocol": "5", "prepare(keyspace=)": "7", "SimpleStatement(keyspace=)": "7",
                        "pinned to 5": "5"}, straight
    assert through == {"protocol": "4", "prepare(keyspace=)": "NoHostAvailable",
                       "SimpleStatement(keyspace=)": "InvalidRequest", "pinned to 5": "NoHostAvailable"}, through


def lines_of(stage, driver, host, label, dash, words):
    """What a program prints that tries each thing."""
    child = stage.driver(driver, *words, dash + "host", host, dash + "data-center", "dc1", label=label)
    child.wait(120)
    log(label, child.lines, child.last_errors())
    return child.lines


NO_KEYSPACE = "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename"
# What each program prints, or how its lines begin: direct, and through the proxy.
PROGRAMS = {
    "node": ("--", ["tests/drivers/node/pinned.js"], (
        ["keyspace: error: ResponseError " + NO_KEYSPACE, "pinned to 5: error: TypeError"],
        ["keyspace: error: ResponseError " + NO_KEYSPACE, "pinned to 5: error: TypeError"])),
    "gocql": ("-", ["-mode", "five"], (
        ["pinned to 5: panic: gocql: unable to create session"], ["pinned to 5: panic: gocql: unable to create session"])),
    "gocql-v2": ("-", ["-mode", "five"], (
        ["SetKeyspace: done", "WithNowInSeconds: done", "pinned to 5: done"],
        ["SetKeyspace: error: " + NO_KEYSPACE, "WithNowInSeconds: done", "pinned to 5: panic: gocql: unable to create session"])),
    "java4-pinned": ("--", [], (
        ["speaks V5", "setKeyspace: 7", "prepare in a keyspace: 7", "setNowInSeconds: 7", "pinned to 5: speaks V5"],
        ["speaks V4", "setKeyspace: error: IllegalArgumentException Can't use per-request keyspace with protocol V4",
         "prepare in a keyspace: error: IllegalArgumentException Can't use per-request keyspace with protocol V4",
         "setNowInSeconds: error: IllegalArgumentException Can't use nowInSeconds with protocol V4",
         "pinned to 5: error: AllNodesFailedException"])),
}


@case(deadline=400, needs=("cassandra",), drivers=tuple(PROGRAMS))
def protocol_v5_other_drivers(stage):
    proxy = stage.proxy(stage.cassandra_nodes[0])
    table(stage.cassandra_nodes[0])
    for driver, (dash, words, expected) in PROGRAMS.items():
        ways = zip(("direct", "through"), (stage.cassandra_nodes[0], proxy.host), expected)
        for way, host, begins in ways:
            lines = lines_of(stage, driver, host, "%s-%s" % (driver, way), dash, words)
            assert len(lines) == len(begins), (driver, way, lines)
            assert all(line.startswith(begin) for line, begin in zip(lines, begins)), (driver, way, lines)
