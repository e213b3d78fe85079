"""What bounds connections at large clusters, seen by an unmodified driver and counted by the simulated nodes."""
import direct
from cases.through_sim import KEYS, TABLES, Statements, create
from stage import case, log, until

IDLE_S = 4


def write_all(s, statements, keys):
    from cassandra.concurrent import execute_concurrent_with_args
    execute_concurrent_with_args(s, statements.insert, [statements.write(key, "x") for key in keys], 20)


def connections(sim):
    """Of each node, those of all shards together."""
    return [sum(node["connections"]) for node in sim.nodes()]


@case(deadline=150, together=2)
def through_sim_python_with_lanes_on_demand(stage):
    """One lane a node at first; those that are used open while requests go on, and close when they are not used."""
    sim = stage.sim(3, 4, 64)
    settings = stage.file("settings.toml", "[lanes]\nidle_close_s = %d\n" % IDLE_S)
    proxy = stage.proxy(sim.hosts[0], "--config", settings)
    with direct.session(proxy.host) as s:
        create(s, "demand", 3, "")
        st = Statements(s, "demand", "ints")
        keys = [TABLES["ints"][1](n) for n in range(KEYS)]
        before = connections(sim)
        log("before", before)
        assert max(before) <= 2, "one lane a node, and one to watch: %s" % before

        def nothing_misses():
            sim.reset()
            write_all(s, st, keys)
            arrivals = sim.requests("demand")["ints"]
            log("round", arrivals, connections(sim))
            return arrivals["right_shard"] == KEYS and min(connections(sim)) >= 4
        until("every request reaches its shard, over a lane of its own", nothing_misses, 60)

        def closed():
            return max(connections(sim)) <= 2
        until("unused lanes are closed", closed, IDLE_S + 20)
        asked = [value for sample, value in proxy.metrics().items() if "shard_not_open" in sample]
        assert sum(asked) > 0, "nothing is counted as shard_not_open"
        key = keys[0]
        s.execute(st.insert, st.write(key, "again"))
        assert s.execute(st.read, st.ask(key)).one().v == "again"


@case(deadline=150, together=2)
def through_sim_python_with_some_nodes(stage):
    """Only the chosen nodes have lanes, until none of them can be reached; every row is right all the time."""
    sim = stage.sim(5, 2, 16)
    settings = stage.file("settings.toml", "[lanes]\nnodes_max = 2\n[failover]\nafter_ms = 1_000\n")
    proxy = stage.proxy(",".join(sim.hosts), "--config", settings)
    with direct.session(proxy.host) as s:
        create(s, "some", 1, "")
        st = Statements(s, "some", "ints")
        keys = [TABLES["ints"][1](n) for n in range(200)]
        write_all(s, st, keys)
        used = connections(sim)
        log("used", used)
        chosen = [node for node, count in enumerate(used) if count >= 2]
        # One more node may carry the connection that watches the cluster.
        assert len(chosen) == 2 and sum(used) <= 2 * 2 + 1, used
        for key in keys:
            assert s.execute(st.read, st.ask(key)).one().v == "x"
        samples = proxy.metrics()
        assert any("replica_not_used" in name and value > 0 for name, value in samples.items()), samples

        for node in chosen:
            sim.post("/sim/nodes/%d/stop" % node)
        until("the others are used", lambda: min(c for n, c in enumerate(connections(sim)) if n not in chosen) >= 2, 30)
        s.execute("CREATE KEYSPACE late WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}")
        for node in chosen:
            sim.post("/sim/nodes/%d/start" % node)

        def narrow():
            counts = connections(sim)
            return all(counts[n] >= 2 for n in chosen) and sum(counts) <= 2 * 2 + 1
        until("only the chosen ones are used again", narrow, 60)
        for key in keys:
            assert s.execute(st.read, st.ask(key)).one().v == "x"


@case(deadline=90, together=2)
def a_misspelt_keyspace_costs_one_connection(stage):
    """`USE` of what is not there is refused in the node's words, and one node of four is asked for it, not all."""
    from cassandra import InvalidRequest
    sim = stage.sim(4, 2, 16)
    proxy = stage.proxy(sim.hosts[0])

    def refused():
        found = [value for sample, value in proxy.metrics().items()
                 if sample.startswith("shardlane_handshakes_total") and 'result="refused"' in sample]
        return sum(found)
    with direct.session(proxy.host) as s:
        for n in range(40):
            try:
                s.execute("USE nope%d" % (n % 4))
                raise AssertionError("no request was refused")
            except InvalidRequest as e:
                assert "nope" in str(e), e
        asked = refused()
        log("%d handshakes were refused" % asked)
        assert 30 <= asked <= 60, "%d connections for 40 misspelt keyspaces" % asked
        create(s, "there", 3, "")
        s.execute("USE there")
        s.execute("SELECT v FROM ints WHERE k = 1")
        until("each node has a lane of the keyspace", lambda: min(connections(sim)) >= 3, 20)
