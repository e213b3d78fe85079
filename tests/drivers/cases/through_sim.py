"""An unmodified driver through the proxy to the simulated cluster: once the tablets are known, nothing misses."""
import random
import tempfile
import uuid
from pathlib import Path

import direct
from stage import case, fetch, log, misses, until

KEYS = 1000
NODES, SHARDS, TABLETS = 3, 4, 64
# A request for an unknown tablet may arrive at the right shard by luck, and then teaches nothing. With 12 shards and 3
# replicas that is 1 of 4, so a handful of rounds does; this many end a search that would never end.
ROUNDS_MAX = 200
NAMESPACE = uuid.UUID("6f1c2f0e-7d50-4a57-9b7c-3a5d0c1e8a11")
# Columns of the key, and the n-th key. The values hit what hashes get wrong: signs, bytes above 0x7f, short tails.
TABLES = {
    "ints": ("k int", lambda n: (n * 2_654_435_761 % (1 << 32) - (1 << 31),)),
    "texts": ("k text", lambda n: ("ключ %d 鍵 ä" % n,)),
    "blobs": ("k blob", lambda n: (bytes((n * 37 + i * 151) % 256 for i in range(1 + n % 40)) + n.to_bytes(4, "big"),)),
    "uuids": ("k uuid", lambda n: (uuid.uuid5(NAMESPACE, str(n)),)),
    "pairs": ("a text, b int, c uuid", lambda n: ("é%d" % n, -n, uuid.uuid5(NAMESPACE, str(n)))),
}


def create(s, keyspace, factor, more):
    s.execute("DROP KEYSPACE IF EXISTS " + keyspace)
    s.execute(direct.CREATE % (keyspace, factor, more))
    for table, (columns, _) in TABLES.items():
        names = ", ".join(column.split()[0] for column in columns.split(", "))
        s.execute("CREATE TABLE %s.%s (%s, c1 int, v text, PRIMARY KEY ((%s), c1))" % (keyspace, table, columns, names))


class Statements:
    def __init__(self, s, keyspace, table):
        names = [column.split()[0] for column in TABLES[table][0].split(", ")]
        # The key's columns are not bound in the key's order, and not first.
        self.order = list(reversed(range(len(names))))
        where = " AND ".join("%s = ?" % names[i] for i in self.order)
        marks = ", ".join("?" * (len(names) + 2))
        self.insert = s.prepare("INSERT INTO %s.%s (v, c1, %s) VALUES (%s)"
                                % (keyspace, table, ", ".join(names[i] for i in self.order), marks))
        self.read = s.prepare("SELECT v FROM %s.%s WHERE c1 = ? AND %s" % (keyspace, table, where))

    def write(self, key, value):
        return [value, 7, *(key[i] for i in self.order)]

    def ask(self, key):
        return [7, *(key[i] for i in self.order)]


def one_key_a_tablet(sim, s, keyspace, table, statements):
    """For each tablet, one key that lies in it, by the driver's own hash."""
    from cassandra.metadata import Murmur3Token
    ranges = [(t["first"], t["last"]) for t in sim.tablets(keyspace, table)]
    found = {}
    for n in range(100_000, 200_000):
        key = TABLES[table][1](n)
        bound = statements.read.bind(statements.ask(key))
        token = Murmur3Token.from_key(bound.routing_key).value
        tablet = next((first, last) for first, last in ranges if first < token <= last or token <= last)
        found.setdefault(tablet, key)
        if len(found) == len(ranges):
            return list(found.values())
    raise AssertionError("no key for some tablets of " + table)


def touch_until_known(proxy, touch, keys, known):
    """Touches every tablet of a table again and again, until the proxy's map has `known` entries.

    Each round has an order of its own: lanes are taken in turn, and in a fixed order one tablet may get a replica's
    lane each time, and stay unknown.
    """
    order = random.Random(len(keys))
    for _ in range(ROUNDS_MAX):
        order.shuffle(keys)
        touch(keys)
        if proxy.metrics()["shardlane_tablet_map_entries"] >= known:
            return
    raise AssertionError("after %d rounds the proxy knows %d tablets, not %d"
                         % (ROUNDS_MAX, proxy.metrics()["shardlane_tablet_map_entries"], known))


def nothing_misses(stage, sim, proxy, keyspace, factor, more="", **session):
    from cassandra.concurrent import execute_concurrent_with_args
    with direct.session(proxy.host, **session) as s:
        create(s, keyspace, factor, more)
        # Tablets are read from the moment in which a statement names their table.
        known = proxy.metrics()["shardlane_tablet_map_entries"]
        statements = {table: Statements(s, keyspace, table) for table in TABLES}
        sim.reset()
        if "false" not in more:
            for table, st in statements.items():
                known += TABLETS
                touch_until_known(
                    proxy,
                    lambda keys, st=st: execute_concurrent_with_args(
                        s, st.insert, [st.write(key, "touched") for key in keys], 8),
                    one_key_a_tablet(sim, s, keyspace, table, st), known)
            for table, arrivals in sim.requests(keyspace).items():
                log(keyspace, table, "each tablet touched", arrivals)
                assert misses(arrivals) <= TABLETS, "%s: more than one miss a tablet: %s" % (table, arrivals)
        sim.reset()
        for table, st in statements.items():
            keys = [TABLES[table][1](n) for n in range(KEYS)]
            writes = [st.write(key, "значение %d" % n) for n, key in enumerate(keys)]
            execute_concurrent_with_args(s, st.insert, writes, concurrency=40)
            got = execute_concurrent_with_args(s, st.read, [st.ask(key) for key in keys], concurrency=40)
            wrong = [n for n, (_, rows) in enumerate(got) if [tuple(r) for r in rows] != [("значение %d" % n,)]]
            assert not wrong, "%s.%s: %d values are not what was written" % (keyspace, table, len(wrong))
        total = 0
        for table, arrivals in sim.requests(keyspace).items():
            log(keyspace, table, "measured", arrivals)
            total += arrivals["right_shard"]
            assert misses(arrivals) == 0 and arrivals["payloads"] == 0, "%s.%s: %s" % (keyspace, table, arrivals)
        assert total == 2 * KEYS * len(TABLES), "the server counted %d requests" % total


@case(deadline=300, together=2)
def through_sim_python(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    nothing_misses(stage, sim, proxy, "tablets1", 1)
    nothing_misses(stage, sim, proxy, "vnodes3", 3, " AND tablets = {'enabled': false}")
    nothing_misses(stage, sim, proxy, "vnodes1", 1, " AND tablets = {'enabled': false}")


@case(deadline=300, together=2)
def through_sim_python_like_6_2(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--like", "6.2")
    proxy = stage.proxy(sim.hosts[0])
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    nothing_misses(stage, sim, proxy, "tablets1", 1)
    nothing_misses(stage, sim, proxy, "vnodes3", 3, " AND tablets = {'enabled': false}")


@case(deadline=180, together=2)
def through_sim_python_where_ports_are_rewritten(stage):
    """Something between rewrites source ports, so the shard-aware port picks any shard: all is found nevertheless."""
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--nat")
    proxy = stage.proxy(sim.hosts[0])
    until("every shard has a lane", lambda: all(all(n["connections"]) for n in sim.nodes()), 60)
    nothing_misses(stage, sim, proxy, "tablets3", 3)


@case(deadline=180, together=2)
def through_sim_python_in_protocol_3(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    nothing_misses(stage, sim, proxy, "tablets3", 3, protocol_version=3)


@case(deadline=180, together=2)
def through_sim_python_without_compression(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    nothing_misses(stage, sim, proxy, "tablets3", 3, compression=False)


@case(deadline=120, together=2)
def through_sim_python_by_the_proxys_own_role(stage):
    """The cluster asks for a password that only the proxy has; it shows in no log and on no page."""
    word = "made-up-%s" % uuid.uuid4()
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--user", "bob:" + word)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "password")
        path.write_text(word + "\n")
        proxy = stage.proxy(sim.hosts[0], "--username", "bob", "--password-file", path)
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    metrics = fetch(proxy.admin + "/metrics")[1]
    proxy.child.stop(20)
    said = metrics + "\n".join(proxy.child.lines) + proxy.child.error_path.read_text()
    assert word not in said, "the password shows"


@case(deadline=180, together=2)
def through_sim_python_with_one_lane_a_node(stage):
    """Few connections, as thousands of proxies need it: requests reach a replica, if not its shard."""
    from cassandra.concurrent import execute_concurrent_with_args
    sim = stage.sim(NODES, SHARDS, TABLETS)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text('[lanes]\nper = "node"\n')
        proxy = stage.proxy(sim.hosts[0], "--config", settings)
    with direct.session(proxy.host) as s:
        create(s, "few", 1, "")
        st = Statements(s, "few", "ints")
        keys = [TABLES["ints"][1](n) for n in range(KEYS)]
        for _ in range(2):
            sim.reset()
            execute_concurrent_with_args(s, st.insert, [st.write(key, "x") for key in keys], 20)
        arrivals = sim.requests("few")["ints"]
        log("second round", arrivals)
        assert arrivals["non_replica"] == 0 and arrivals["right_shard"] + arrivals["wrong_shard"] == KEYS, arrivals
        assert arrivals["wrong_shard"] > 0, "the test proves nothing: %s" % arrivals
    connections = [sum(node["connections"]) for node in sim.nodes()]
    assert all(count <= 2 for count in connections), "one lane a node, and one to watch: %s" % connections
