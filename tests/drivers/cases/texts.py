"""Statements that a driver sends as text: each reaches the shard that owns its row, as the nodes count it."""
import json
import os
import time

import direct
import install
from cases.through_sim import KEYS, NODES, SHARDS, TABLES, TABLETS, create
from stage import case, log, misses, until

DOCUMENT_TABLES = ("ints", "texts", "uuids", "pairs")
# Of keyed texts, how many may arrive elsewhere once all is known.
ASTRAY_MAX = 0.001


# How the nodes count a text, by text.mode: as a text, and as a prepared statement.
COUNTED = {"route": ("text",), "execute": ("text", "routable", "other")}


def in_each_mode(names, **options):
    """Registers a case for each mode: texts go to nodes as they are, or as prepared statements; `names` is its name."""
    def register(function):
        for mode, end in (("route", ""), ("execute", "_as_prepared_statements")):
            def run(stage, mode=mode):
                # Each case is a process of its own.
                os.environ["SHARDLANE_TEXT_MODE"] = mode
                function(stage)
            case(name=names + end, **options)(run)
        return function
    return register


def judge(sim, keyspace, wanted, *kinds):
    """At least `wanted` texts arrived, nearly all of them at the right shard."""
    kinds = kinds or COUNTED[os.environ["SHARDLANE_TEXT_MODE"]]
    tables = {table: [counts[kind] for kind in kinds] for table, counts in sim.counted(keyspace).items()}
    right = sum(arrivals["right_shard"] for counts in tables.values() for arrivals in counts)
    astray = sum(misses(arrivals) for counts in tables.values() for arrivals in counts)
    log(keyspace, "right", right, "astray", astray)
    assert right + astray >= wanted, "%d of %d texts were counted: %s" % (right + astray, wanted, tables)
    assert astray <= ASTRAY_MAX * (right + astray), tables


def write_and_read(s, prefix, order):
    """Writes and reads each key by texts whose constants the driver writes; `order` is that of the key's columns."""
    for table, (columns, key) in TABLES.items():
        names = [column.split()[0] for column in columns.split(", ")]
        names = [names[i] for i in order(range(len(names)))]
        marks = ", ".join(["%s"] * (len(names) + 2))
        insert = "INSERT INTO %s%s (v, %s, c1) VALUES (%s)" % (prefix, table, ", ".join(names), marks)
        where = " AND ".join(name + " = %s" for name in names)
        for n in range(KEYS // 5):
            values = key(n)
            values = [values[i] for i in order(range(len(values)))]
            s.execute(insert, ["it's %d" % n, *values, 7])
        for n in range(KEYS // 5):
            values = key(n)
            values = [values[i] for i in order(range(len(values)))]
            rows = list(s.execute("SELECT v FROM %s%s WHERE c1 = 7 AND %s" % (prefix, table, where), values))
            assert [tuple(row) for row in rows] == [("it's %d" % n,)], (table, n, rows)


def were_executed(proxy):
    """Whether texts ran as prepared statements is what the mode says."""
    executed = proxy.metrics()["shardlane_texts_executed_total"]
    log("executed", executed)
    assert (executed > 0) == (os.environ["SHARDLANE_TEXT_MODE"] == "execute"), executed


def write_documents(s, keyspace):
    """INSERT JSON of the tables whose keys are exact in JSON."""
    for table in DOCUMENT_TABLES:
        columns, key = TABLES[table]
        names = [column.split()[0] for column in columns.split(", ")]
        for n in range(KEYS // 5):
            values = [value if isinstance(value, int) else str(value) for value in key(n)]
            document = json.dumps({"v": "it's }", "c1": 7, **dict(zip(names, values))}, ensure_ascii=n % 2 == 0)
            s.execute("INSERT INTO %s.%s JSON %%s" % (keyspace, table), [document])


def learn(s, sim, proxy, keyspace, tablets):
    """Each table is named once, and then is known."""
    known = proxy.metrics()["shardlane_tablet_map_entries"] + tablets * len(TABLES)
    for table, (columns, key) in TABLES.items():
        where = " AND ".join(column.split()[0] + " = %s" for column in columns.split(", "))
        s.execute("SELECT v FROM %s.%s WHERE %s" % (keyspace, table, where), list(key(0)))
    until("every table is read", lambda: proxy.metrics()["shardlane_tablet_map_entries"] >= known, 30)
    time.sleep(0.5)
    sim.reset()


@in_each_mode("texts_of_python_reach_their_shard", deadline=240, together=2)
def texts_of_python(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    for keyspace, factor, more, tablets in (
        ("vnodes1", 1, " AND tablets = {'enabled': false}", 0),
        ("vnodes3", 3, " AND tablets = {'enabled': false}", 0),
        ("tablets1", 1, "", TABLETS),
        ("tablets3", 3, "", TABLETS),
    ):
        with direct.session(proxy.host) as s:
            create(s, keyspace, factor, more)
            learn(s, sim, proxy, keyspace, tablets)
            write_and_read(s, keyspace + ".", list)
            write_and_read(s, keyspace + ".", lambda columns: list(reversed(columns)))
            write_documents(s, keyspace)
            judge(sim, keyspace, KEYS // 5 * (4 * len(TABLES) + len(DOCUMENT_TABLES)))
    were_executed(proxy)


def create_keys_of_parts(s, keyspace, factor, more=""):
    """Tables whose keys are collections, tuples and types of the user's."""
    s.execute("DROP KEYSPACE IF EXISTS " + keyspace)
    s.execute(direct.CREATE % (keyspace, factor, more))
    s.execute('CREATE TYPE %s."Pair" (a int, b text)' % keyspace)
    s.execute('CREATE TYPE %s.place (no frozen<"Pair">, town text)' % keyspace)
    for table, (kind, _) in KEYS_OF_PARTS.items():
        s.execute("CREATE TABLE %s.%s (k frozen<%s> PRIMARY KEY, v int)" % (keyspace, table, kind))


# The type of a key, and how number n of it is written.
KEYS_OF_PARTS = {
    "tuples": ("tuple<int, text>", lambda n: "(%d, 'it''s %d')" % (n - 20, n)),
    "lists": ("list<int>", lambda n: "[%d, 1, %d]" % (n, -n)),
    "sets": ("set<int>", lambda n: "{%d, -1, 300}" % (n * 7 + 301)),
    "words": ("set<text>", lambda n: "{'z', '%d', 'm', 'ß'}" % n),
    "maps": ("map<int, text>", lambda n: "{%d: 'x', -1: 'longer %d', 5: ''}" % (n * 7 + 6, n)),
    "places": ("place", lambda n: "{town: 'x%d', no: {a: %d, b: 'y'}}" % (n, n)),
    "partial": ("place", lambda n: "{no: {b: 'y%d'}}" % n),
    "lists_of_types": ('list<frozen<"Pair">>', lambda n: "[{a: %d, b: 'x'}, {b: 'y', a: 0}]" % n),
}


@in_each_mode("texts_whose_keys_have_parts_reach_their_shard", deadline=240, together=2)
def texts_of_keys_of_parts(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        create_keys_of_parts(s, "parts", 1, " AND tablets = {'enabled': false}")

        def is_read():
            before = proxy.metrics()['shardlane_routing_total{reason="text_literal"}']
            for table, (_, key) in KEYS_OF_PARTS.items():
                s.execute("SELECT v FROM parts.%s WHERE k = %s" % (table, key(0)))
            return proxy.metrics()['shardlane_routing_total{reason="text_literal"}'] == before + len(KEYS_OF_PARTS)
        until("every key is read", is_read, 30)
        sim.reset()
        for table, (_, key) in KEYS_OF_PARTS.items():
            for n in range(KEYS // 5):
                s.execute("INSERT INTO parts.%s (k, v) VALUES (%s, %d)" % (table, key(n), n))
                assert s.execute("SELECT v FROM parts.%s WHERE k = %s" % (table, key(n))).one().v == n, (table, n)
        judge(sim, "parts", KEYS // 5 * 2 * len(KEYS_OF_PARTS))


@in_each_mode("texts_of_python_in_a_keyspace_reach_their_shard", deadline=240, together=2)
def texts_in_a_keyspace(stage):
    """What is not qualified needs lanes in the keyspace: one to each node at first, to a shard when it is asked for."""
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        create(s, "vnodes3", 3, " AND tablets = {'enabled': false}")
    with direct.session(proxy.host, "vnodes3") as s:
        learn(s, sim, proxy, "vnodes3", 0)
        write_and_read(s, "", list)
        until("lanes are open", lambda: lanes(proxy) >= 2 * NODES * SHARDS, 10)
        sim.reset()
        write_and_read(s, "", list)
        judge(sim, "vnodes3", 2 * KEYS // 5 * len(TABLES))
    were_executed(proxy)


# The tables of the programs of other languages.
PROGRAM_TABLES = {"t": "k int PRIMARY KEY, v text", "names": "k text PRIMARY KEY, v int",
                  "pairs": "a text, b int, c int, v text, PRIMARY KEY ((a, b), c)"}
# Keyspaces by their name: copies, and what their tables are made of.
KEYSPACES = {"vnodes1": (1, " AND tablets = {'enabled': false}"), "vnodes3": (3, " AND tablets = {'enabled': false}"),
             "tablets1": (1, ""), "tablets3": (3, "")}


def create_for_programs(stage):
    """The tables in each keyspace, of which all is known: texts name them until it is."""
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    keys = {"t": "k = 1", "names": "k = 'x'", "pairs": "a = 'x' AND b = 1"}
    with direct.session(proxy.host) as s:
        for keyspace, (factor, more) in KEYSPACES.items():
            s.execute(direct.CREATE % (keyspace, factor, more))
            for table, columns in PROGRAM_TABLES.items():
                s.execute("CREATE TABLE %s.%s (%s)" % (keyspace, table, columns))
        known = TABLETS * len(PROGRAM_TABLES) * sum(not more for _, more in KEYSPACES.values())

        def is_read():
            for keyspace in KEYSPACES:
                for table, key in keys.items():
                    s.execute("SELECT v FROM %s.%s WHERE %s" % (keyspace, table, key))
            return proxy.metrics()["shardlane_tablet_map_entries"] >= known
        until("every table is read", is_read, 30)
    time.sleep(0.5)
    sim.reset()
    return sim, proxy


def run_program(stage, name, *words):
    program = stage.driver(name, *words, label="texts-" + name)
    assert program.wait(120) == 0, (program.lines[-3:], program.last_errors())


@case(deadline=240, drivers=("gocql",))
def texts_of_gocql_without_values_reach_their_shard(stage):
    """It prepares each of them, constants and all; in batches it sends them as they are. The nodes count both alike."""
    sim, proxy = create_for_programs(stage)
    for keyspace in KEYSPACES:
        run_program(stage, "gocql", "-mode", "texts", "-host", proxy.host, "-keyspace", keyspace, "-keys", 500)
        judge(sim, keyspace, 2500, "other")


def texts_of_java(stage, name):
    sim, proxy = create_for_programs(stage)
    for keyspace in KEYSPACES:
        run_program(stage, name, proxy.host, keyspace, 300)
        judge(sim, keyspace, 1500)
    were_executed(proxy)


for _name in ("java3", "java4"):
    in_each_mode("texts_of_%s_reach_their_shard" % _name, deadline=300, drivers=(_name + "-texts",))(
        lambda stage, name=_name + "-texts": texts_of_java(stage, name))


@in_each_mode("texts_of_models_reach_their_shard", deadline=240)
def texts_of_models(stage):
    sim, proxy = create_for_programs(stage)
    for keyspace in KEYSPACES:
        run_program(stage, "python-cassandra", "tests/drivers/python/models.py", "--host", proxy.host, "--keyspace", keyspace,
                    "--keys", 200)
        judge(sim, keyspace, 9 * 200)
    were_executed(proxy)


@case(deadline=300, drivers=("python-cqlsh",))
def rows_that_cqlsh_copies_reach_their_shard(stage):
    """COPY FROM sends batches, prepared or by text; of one row each, so that each has one right shard."""
    sim, proxy = create_for_programs(stage)
    rows = stage.file("rows.csv", "".join("%d,it's %d\n" % (k, k) for k in range(1000)))
    for keyspace in KEYSPACES:
        for prepared in ("false", "true"):
            copy = ("COPY %s.t (k, v) FROM '%s' WITH PREPAREDSTATEMENTS=%s AND NUMPROCESSES=1 AND MAXBATCHSIZE=1"
                    % (keyspace, rows, prepared))
            shell = stage.start([install.DRIVERS / "python-cqlsh/bin/cqlsh", proxy.host, "-e", copy],
                                "cqlsh-%s-%s" % (keyspace, prepared))
            assert shell.wait(60) == 0, shell.last_errors()
            assert any(line.startswith("1000 rows imported") for line in shell.lines), shell.lines[-3:]
            judge(sim, keyspace, 1000, "other")
            sim.reset()


def answers(s):
    from cassandra.cluster import NoHostAvailable
    from cassandra.connection import ConnectionException
    try:
        return s.execute("SELECT key FROM system.local").one() is not None
    except (NoHostAvailable, ConnectionException):
        return False


def lanes(proxy):
    return sum(v for name, v in proxy.metrics().items() if name.startswith("shardlane_lanes{") and '"open"' in name)


@in_each_mode("texts_of_node_with_bound_values_reach_their_shard", deadline=180, drivers=("node",))
def texts_of_node(stage):
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        for keyspace, more in (("vnodes", " AND tablets = {'enabled': false}"), ("tablets", "")):
            s.execute(direct.CREATE % (keyspace, 3, more))
            s.execute("CREATE TABLE %s.t (k int PRIMARY KEY, v text)" % keyspace)
        def is_read():
            for keyspace in ("vnodes", "tablets"):
                s.execute("SELECT v FROM %s.t WHERE k = 1" % keyspace)
            return proxy.metrics()["shardlane_tablet_map_entries"] >= TABLETS
        until("the tablets are read", is_read, 30)
    sim.reset()
    for keyspace in ("vnodes", "tablets"):
        program = stage.driver("node", "tests/drivers/node/texts.js", proxy.host, keyspace, 500, label="texts-" + keyspace)
        assert program.wait(120) == 0, program.errors()
        judge(sim, keyspace, 1000)
    were_executed(proxy)
    metrics = proxy.metrics()
    hits = sum(v for name, v in metrics.items() if name.startswith("shardlane_text_tablet_hits_total"))
    assert hits >= 1000, "the node judges bound texts: %s" % hits


@case(deadline=120)
def ids_of_before_a_restart_are_prepared_again(stage):
    """kill -9 and a start on the same port: the session goes on without an error, and its statements are routed again."""
    from cassandra.policies import ConstantReconnectionPolicy
    sim = stage.sim(NODES, SHARDS, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    # As drivers of other languages do, this one prepares again when it is called to, not before.
    with direct.session(proxy.host, reconnection_policy=ConstantReconnectionPolicy(0.2, None), reprepare_on_up=False) as s:
        direct.create_load_tables(s, "kept", 3, " AND tablets = {'enabled': false}")
        statements = [s.prepare("SELECT v FROM kept.ints WHERE k = ? AND v >= %d ALLOW FILTERING" % i) for i in range(20)]
        write = s.prepare("INSERT INTO kept.ints (k, v) VALUES (?, ?)")
        for k in range(100):
            s.execute(write, (k, 50))
        proxy.child.kill()
        proxy.launch()
        until("the session is back", lambda: answers(s), 20)
        until("every lane is open", lambda: lanes(proxy) >= NODES * SHARDS, 20)
        sim.reset()
        for statement in statements:
            for k in range(100):
                assert s.execute(statement, (k,)).one().v == 50
        for k in range(100):
            s.execute(write, (k, 51))
        asked = proxy.metrics()["shardlane_prepared_asked_total"]
        arrivals = sim.requests("kept")["ints"]
        log("asked", asked, arrivals)
        assert len(statements) < asked <= len(statements) + 1, asked
        assert misses(arrivals) == 0, arrivals
