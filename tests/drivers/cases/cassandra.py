"""Three nodes of real Cassandra behind the proxy: where requests arrive, and what a stopped node costs."""
import contextlib
import json
import time

import direct
from stage import case, lab, log, until

PROGRAMS = {
    "python": ("python-cassandra", ["tests/drivers/python/load.py"], "--"),
    "gocql": ("gocql", [], "-"),
    "node": ("node", ["tests/drivers/node/load.js"], "--"),
}
KEYS = 50
# One touch is 4 requests a key, twice. So many of them have to be found in the traces, by so many touches at most.
TRACES_LEAST = 280
TOUCHES_MAX = 5
FACTORS = (1, 3)
# Requests in flight when a node goes, for each load program: what may have an unknown outcome.
WORKERS = 8
# What a node that stops costs the requests it had: a timeout, or its own "Server is shutting down" (overloaded).
REFUSED = "0x1001"
GOING = (REFUSED, "0x1100", "0x1200")


def start_load(stage, name, host, **options):
    driver, words, dash = PROGRAMS[name]
    flags = [word for key, value in options.items() for word in (dash + key, str(value))]
    return stage.driver(driver, *words, dash + "host", host, *flags)


def finish_load(child):
    child.tell()
    tally = json.loads(child.next_line(60, lambda line: line.startswith("{")))
    log(child.name, {**tally, "failed": {table: len(ks) for table, ks in tally["failed"].items()}})
    return tally


def traced_executes(s, keyspace):
    """(coordinator, table, key, is it a write) of every traced EXECUTE in a keyspace."""
    found = set()
    for row in s.execute("SELECT session_id, coordinator, parameters FROM system_traces.sessions"):
        parameters = row.parameters or {}
        text = parameters.get("query", "")
        for table in ("ints", "texts"):
            if " %s.%s " % (keyspace, table) not in text:
                continue
            key = next((v for n, v in parameters.items() if n.startswith("bound_var_") and n.endswith("_k")), None)
            if key is not None:
                found.add((row.session_id, row.coordinator, table, key.strip("'"), text.startswith("INSERT")))
    return [row[1:] for row in found]


def every_execute_arrives_at_a_replica(stage, name, proxy):
    with direct.session(stage.cassandra_nodes[0]) as s:
        s.execute("TRUNCATE system_traces.sessions")
        s.execute("TRUNCATE system_traces.events")
        for factor in FACTORS:
            direct.create_load_tables(s, "traced_%s_%d" % (name, factor), factor)
        for node in (1, 2, 3):
            lab("nodetool", node, "settraceprobability", "1")
        try:
            for factor in FACTORS:
                keyspace = "traced_%s_%d" % (name, factor)
                for _ in range(TOUCHES_MAX):
                    touch(stage, name, proxy, keyspace, "ONE" if factor == 1 else "QUORUM")
                    if enough_traces(s, keyspace):
                        break
        finally:
            for node in (1, 2, 3):
                lab("nodetool", node, "settraceprobability", "0")
        for factor in FACTORS:
            arrived(stage, s, "traced_%s_%d" % (name, factor))


def touch(stage, name, proxy, keyspace, consistency):
    child = start_load(stage, name, proxy.host, mode="touch", keyspace=keyspace, keys=KEYS, consistency=consistency)
    for _ in range(2):
        tally = json.loads(child.next_line(90, lambda line: line.startswith("{")))
        assert not tally["errors"] and not tally["wrong"], tally
        child.tell()
    assert child.wait(30) == 0, child.last_errors()


def enough_traces(s, keyspace):
    """A node writes its traces after the answer, and drops some, or most, of them when it is busy."""
    with contextlib.suppress(AssertionError):
        until("traces", lambda: len(traced_executes(s, keyspace)) >= TRACES_LEAST, 15, 1)
    return len(traced_executes(s, keyspace)) >= TRACES_LEAST


def arrived(stage, s, keyspace):
    """Every traced EXECUTE of a keyspace had a replica for its coordinator."""
    executes, astray, seen = traced_executes(s, keyspace), [], set()
    assert len(executes) >= TRACES_LEAST, "only %d requests left a trace" % len(executes)
    for coordinator, table, key, _ in executes:
        seen.add(coordinator)
        if coordinator not in direct.replicas(s, keyspace, table, int(key.split()[-1])):
            astray.append((coordinator, table, key))
    log("%s: %d EXECUTEs traced, %d at a node that is no replica, coordinators %s"
        % (keyspace, len(executes), len(astray), sorted(seen)))
    assert not astray, "%d of %d EXECUTEs went astray: %s" % (len(astray), len(executes), astray[:3])
    assert seen == set(stage.cassandra_nodes), "only %s were asked" % sorted(seen)


def one_node_away_in_mid_load(stage, name, proxy):
    """Stops node 2 and starts it again while two loads run: at QUORUM of three replicas, and at ONE of one."""
    away = stage.cassandra_nodes[1]
    with direct.session(stage.cassandra_nodes[0]) as s:
        loads = []
        for factor, consistency in ((3, "QUORUM"), (1, "ONE")):
            keyspace = "load_%s_%d" % (name, factor)
            direct.create_load_tables(s, keyspace, factor)
            child = start_load(stage, name, proxy.host, mode="load", keyspace=keyspace, keys=KEYS,
                               consistency=consistency)
            child.next_line(60, lambda line: line == "@running")
            loads.append((keyspace, child))
        time.sleep(2)
        try:
            lab("stop", 2)
            time.sleep(4)
        finally:
            lab("start-node", 2)
        until("node 2 is up again", lambda: all(h.is_up for h in s.cluster.metadata.all_hosts()), 60)
        time.sleep(3)
        tallies = [finish_load(child) for _, child in loads]
        for (keyspace, child), tally in zip(loads, tallies):
            assert child.wait(30) == 0, child.last_errors()
            assert tally["requests"] > 500 and not tally["wrong"], "%s: %s" % (keyspace, tally)
        elsewhere = sorted((table, k) for table, ks in tallies[1]["failed"].items() for k in set(ks)
                           if away not in direct.replicas(s, loads[1][0], table, k))
    return tallies, elsewhere


def through_cassandra(stage, name):
    proxy = stage.proxy(stage.cassandra_nodes[0])
    every_execute_arrives_at_a_replica(stage, name, proxy)
    (quorum, one), elsewhere = one_node_away_in_mid_load(stage, name, proxy)

    # Two of three replicas are enough: only what the stopped node was at work on may end unknown.
    other = {code: n for code, n in quorum["errors"].items() if code not in GOING}
    assert not other, "errors that QUORUM of 3 does not explain: %s" % other
    # What the node refuses while it drains runs on another one: an error reaches only clients that three nodes refused.
    unknown = sum(n for code, n in quorum["errors"].items() if code != REFUSED)
    assert unknown <= 2 * WORKERS, "%d outcomes are unknown, but only %d were in flight" % (unknown, WORKERS)
    assert quorum["errors"].get(REFUSED, 0) <= WORKERS, quorum["errors"]

    # The one replica is away: its keys are unavailable or time out, no others.
    other = {code: n for code, n in one["errors"].items() if code not in (*GOING, "0x1000")}
    assert not other, "errors that ONE of 1 does not explain: %s" % other
    assert not elsewhere, "keys of other nodes failed: %s" % elsewhere[:5]
    assert one["errors"], "the stopped node had no key: the test proves nothing"


for _name, (_driver, _, _) in PROGRAMS.items():
    case(deadline=420, needs=("cassandra",), drivers=(_driver,), name="through_cassandra_" + _name)(
        lambda stage, name=_name: through_cassandra(stage, name))
