"""What needs protocol 5, which Apache Cassandra speaks and shardlane does not: what the Python driver does then."""
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


@case(deadline=300, needs=("cassandra",))
def protocol_v5_python(stage):
    proxy = stage.proxy(stage.cassandra_nodes[0])
    with direct.session(stage.cassandra_nodes[0], consistency="ALL") as s:
        s.execute("DROP KEYSPACE IF EXISTS v5")
        s.execute(direct.CREATE % ("v5", 3, ""))
        s.execute("CREATE TABLE v5.t (k int PRIMARY KEY, v int)")
        s.execute("INSERT INTO v5.t (k, v) VALUES (1, 7)")
    straight, through = tries(stage.cassandra_nodes[0]), tries(proxy.host)
    log("direct", straight, "through", through)
    assert straight == {"protocol": "5", "prepare(keyspace=)": "7", "SimpleStatement(keyspace=)": "7",
                        "pinned to 5": "5"}, straight
    assert through == {"protocol": "4", "prepare(keyspace=)": "NoHostAvailable",
                       "SimpleStatement(keyspace=)": "InvalidRequest", "pinned to 5": "NoHostAvailable"}, through
