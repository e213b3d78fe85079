"""ScyllaDB's own unmodified drivers judge the simulated cluster: they find its shards and its tablets."""
import json

import direct
from stage import case, log, misses

KEYS = 2000  # enough that no tablet is hit by luck alone while it is still unknown
SHARDS = 4
PROGRAMS = {
    "python": ("python-scylla", ["tests/drivers/python/load.py"], "--"),
    "rust": ("rust", [], "--"),
    "gocql": ("gocql-scylla", [], "-"),
}


def sim_direct(stage, name, like):
    sim = stage.sim(3, SHARDS, 64, 1, "--like", like)
    for factor in (3, 1):
        keyspace = "direct%d" % factor
        with direct.session(sim.hosts[0]) as s:
            direct.create_load_tables(s, keyspace, factor)
        touch_twice(stage, sim, name, keyspace)


def touch_twice(stage, sim, name, keyspace):
    driver, words, dash = PROGRAMS[name]
    flags = {"host": sim.hosts[0], "keyspace": keyspace, "mode": "touch", "keys": KEYS}
    child = stage.driver(driver, *words, *(str(w) for k, v in flags.items() for w in (dash + k, v)))

    def one_pass():
        tally = json.loads(child.next_line(90, lambda line: line.startswith("{")))
        assert not tally["errors"] and not tally["wrong"], tally
        return sim.requests(keyspace)

    first = one_pass()
    log(keyspace, "first pass", first)
    for node in sim.nodes():
        # One connection for each shard; a control connection and a pool that is still being filled come on top.
        log("node %d: connections by shard %s" % (node["node"], node["connections"]))
        assert all(node["connections"]), "node %d has a shard without connection: %s" % (
            node["node"], node["connections"])
        assert sum(node["connections"]) <= SHARDS + 2, "more than one connection a shard: %s" % node["connections"]
    assert any(misses(table) for table in first.values()), "nothing had to be learnt: the test proves nothing"

    sim.reset()
    child.tell()
    for table, arrivals in one_pass().items():
        log(keyspace, table, "second pass", arrivals)
        assert misses(arrivals) == 0 and arrivals["payloads"] == 0, "%s: %s" % (table, arrivals)
        assert arrivals["right_shard"] == 2 * KEYS, "%s: %s" % (table, arrivals)
    child.tell()
    assert child.wait(30) == 0, child.last_errors()
    said = [line for line in child.lines if line.startswith("@shards")]
    log(*said)
    if name == "python":
        shards = json.loads(said[0].split(" ", 1)[1])
        assert {node["shards_count"] for node in shards.values()} == {SHARDS}, shards
    if name == "rust":
        assert said == ["@shards %s" % [SHARDS, SHARDS, SHARDS]], said


for _name, (_driver, _, _) in PROGRAMS.items():
    case(deadline=180, drivers=(_driver,), together=2, name="sim_direct_" + _name)(
        lambda stage, name=_name: sim_direct(stage, name, "2026.3"))
case(deadline=180, drivers=("python-scylla",), together=2, name="sim_direct_python_like_6_2")(
    lambda stage: sim_direct(stage, "python", "6.2"))
