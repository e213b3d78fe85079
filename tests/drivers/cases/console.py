"""The keyspace `shardlane`, as cqlsh, Python and Node read it: complete, read-only, and equal to the metrics."""
import json
import subprocess
import time

import direct
import install
from stage import case, log, until

KEYS = 60
NODE = """
const { Client } = require('cassandra-driver');
const [host, port] = process.argv.slice(1);
const client = new Client({ contactPoints: [`${host}:${port}`], localDataCenter: 'datacenter1', keyspace: 'shardlane' });
(async () => {
  await client.connect();
  const all = await client.execute('SELECT * FROM lanes');
  const by_key = await client.execute('SELECT value, origin FROM settings WHERE name = ?', ['workers'], { prepare: true });
  const table = await client.metadata.getTable('shardlane', 'routing');
  let refused = '';
  try { await client.execute('TRUNCATE lanes'); } catch (error) { refused = error.message; }
  console.log(JSON.stringify({
    lanes: all.rows.length, setting: by_key.rows[0], refused,
    columns: Object.keys(table.columnsByName), key: table.partitionKeys.map((column) => column.name),
  }));
  await client.shutdown();
})();
"""


def load(proxy):
    """Requests of every kind: prepared with a key, by text, and to a table without tablets."""
    with direct.session(proxy.host, protocol_version=4) as s:
        s.execute(direct.CREATE % ("app", 3, ""))
        s.execute("CREATE TABLE app.users (k int PRIMARY KEY, v text)")
        write, read = s.prepare("INSERT INTO app.users (k, v) VALUES (?, 'it''s secret')"), s.prepare(
            "SELECT v FROM app.users WHERE k = ?")
        # The proxy looks at the keyspaces within a second of their change; before that no answer counts as judged.
        time.sleep(2)
        for k in range(KEYS):
            s.execute(write, [k])
            s.execute(read, [k])
        s.execute("SELECT v FROM app.users WHERE k = 1")


def seen_by_python(proxy):
    from cassandra import InvalidRequest, Unauthorized
    with direct.session(proxy.host, protocol_version=4) as s:
        rows = {name: list(s.execute("SELECT * FROM shardlane." + name)) for name in (
            "clients", "events", "lanes", "nodes", "routing", "settings", "slow_requests", "statements", "tables", "tablets")}
        log({name: len(found) for name, found in rows.items()})
        assert {row.worker for row in rows["clients"]} == {0, 1}, "a worker is missing: %s" % rows["clients"]
        assert len(rows["lanes"]) == 3 * 2 * 2 and {row.state for row in rows["lanes"]} == {"open"}, rows["lanes"]
        assert [row.shards for row in rows["nodes"]] == [2, 2, 2], rows["nodes"]
        assert any("watching the cluster" in row.message for row in rows["events"]), rows["events"]
        workers = next(row for row in rows["settings"] if row.name == "workers")
        assert (workers.value, workers.origin) == ("2", "flag --workers"), workers
        texts = {row.statement: row for row in rows["statements"]}
        insert = texts["INSERT INTO app.users (k, v) VALUES (?, ?)"]
        assert (insert.requests, insert.route, insert.advice) == (KEYS, "tablets", None), insert
        assert insert.mean_us and insert.p99_us, insert
        assert not any("secret" in text for text in texts), texts
        users = next(row for row in rows["tables"] if row.table_name == "users")
        assert users.requests == 2 * KEYS and users.hits + users.misses == 2 * KEYS, users
        assert 0 < users.tablets <= 64 and len({row.last_token for row in rows["tablets"]}) >= users.tablets, users
        by_key = list(s.execute("SELECT reason, requests FROM shardlane.routing WHERE keyspace_name = %s AND table_name = %s",
                                ["app", "users"]))
        assert sum(row.requests for row in by_key) == 2 * KEYS, by_key
        for text, error, words in [
                ("SELECT nothing FROM shardlane.lanes", InvalidRequest, "Unrecognized name nothing"),
                ("SELECT * FROM shardlane.nothing", InvalidRequest, "unconfigured table nothing"),
                ("INSERT INTO shardlane.lanes (id) VALUES (1)", InvalidRequest, "Modification is not supported"),
                ("SELECT * FROM shardlane.lanes WHERE state = 'open'", InvalidRequest, "ALLOW FILTERING")]:
            try:
                raise AssertionError("%s was taken: %s" % (text, list(s.execute(text))))
            except error as e:
                assert words in str(e), "%s: %s" % (text, e)
        assert len(list(s.execute("SELECT * FROM shardlane.lanes WHERE state = 'open' ALLOW FILTERING"))) == 12
        # The keyspace itself, and each of its tables.
        assert len(list(s.execute("DESCRIBE KEYSPACE shardlane"))) == 1 + len(rows)
        described = s.cluster.metadata.keyspaces["shardlane"].tables["routing"].export_as_string()
        assert "PRIMARY KEY ((keyspace_name, table_name), reason)" in described, described
        return rows


def equals_the_metrics(proxy, rows):
    """What the console said a moment before: nothing but its own questions has come since, and those ask no node."""
    metrics = proxy.metrics()
    for reason in {row.reason for row in rows["routing"]} - {"text", "local_table"}:
        of_console = sum(row.requests for row in rows["routing"] if row.reason == reason)
        assert of_console == metrics['shardlane_routing_total{reason="%s"}' % reason], (reason, of_console)
    users = next(row for row in rows["tables"] if row.table_name == "users")
    name = 'shardlane_tablet_%s_total{table="app.users"}'
    assert (users.hits, users.misses) == (metrics[name % "hits"], metrics[name % "feedback"]), users


@case(deadline=240)
def console_in_python_and_node(stage):
    sim = stage.sim(3, 2)
    proxy = stage.proxy(sim.hosts[0], "--workers", "2")
    load(proxy)
    rows = seen_by_python(proxy)
    equals_the_metrics(proxy, rows)
    done = subprocess.run([*install.EVERYTHING["node"](), "-e", NODE, proxy.host, "9042"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    log(seen)
    assert seen["lanes"] == 12 and seen["setting"] == {"value": "2", "origin": "flag --workers"}, seen
    assert "Modification is not supported by table shardlane.lanes" in seen["refused"], seen
    assert "to_replica" in seen["columns"] and seen["key"] == ["keyspace_name", "table_name"], seen


@case(deadline=120)
def console_lists_the_tables_that_there_are(stage):
    """Dropped through the proxy, dropped beside it, with their keyspace, and made anew."""
    sim = stage.sim(3, 2)
    proxy = stage.proxy(sim.hosts[0], "--workers", "2")
    with direct.session(proxy.host, protocol_version=4) as s, direct.session(sim.hosts[1], protocol_version=4) as other:
        def listed():
            return {row.table_name for row in s.execute("SELECT * FROM shardlane.tables") if row.keyspace_name == "app"}

        def counted():
            return sum(row.requests for row in s.execute("SELECT * FROM shardlane.routing") if row.table_name == "a")

        def use(*names):
            for name in names:
                s.execute("CREATE TABLE app.%s (k int PRIMARY KEY, v text)" % name)
                s.execute(s.prepare("SELECT v FROM app.%s WHERE k = ?" % name), [1])

        s.execute(direct.CREATE % ("app", 3, ""))
        use("a", "b", "c")
        until("all tables are listed", lambda: listed() == {"a", "b", "c"}, 10)
        before = counted()
        s.execute("DROP TABLE app.a")
        until("the one that was dropped is gone", lambda: listed() == {"b", "c"}, 10)
        assert counted() == before > 0, "its requests are not counted any more"
        other.execute("DROP TABLE app.b")
        until("the one that was dropped beside it is gone", lambda: listed() == {"c"}, 10)
        use("a")
        until("the one that was made anew is back", lambda: listed() == {"a", "c"}, 10)
        assert counted() > before
        other.execute("DROP KEYSPACE app")
        until("all are gone with their keyspace", lambda: not listed(), 10)


def shell(name, proxy, *statements):
    # The command of a Python is its interpreter; the shell lies beside it.
    python = install.EVERYTHING[name]()[0]
    command = [python.rsplit("/", 1)[0] + "/cqlsh", proxy.host, "9042", "--no-color", "-e", "; ".join(statements)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    log(name, done.stdout[:2000], done.stderr[:500])
    return done.stdout, done.stderr


@case(deadline=240)
def console_in_cqlsh(stage):
    sim = stage.sim(3, 2)
    proxy = stage.proxy(sim.hosts[0], "--workers", "2")
    load(proxy)
    for name in ("python-cqlsh", "python-scylla-cqlsh"):
        said, _ = shell(name, proxy, "SELECT * FROM shardlane.routing", "USE shardlane", "SELECT address, shards FROM nodes")
        assert "tablet_replica" in said and "(3 rows)" in said, said
        _, wrong = shell(name, proxy, "SELECT * FROM shardlane.nothing")
        assert "unconfigured table nothing" in wrong, wrong
    said, _ = shell("python-scylla-cqlsh", proxy, "DESCRIBE KEYSPACES", "DESCRIBE KEYSPACE shardlane", "USE shardlane",
                    "DESCRIBE TABLES", "DESCRIBE TABLE routing")
    for words in ("shardlane", "CREATE TABLE shardlane.clients", "hits bigint static", "statements  tables"):
        assert words in said or words.split()[-1] in said, "%s is missing: %s" % (words, said)
    names = [table for table in ("clients", "events", "lanes", "nodes", "routing", "settings") if table in said]
    assert len(names) == 6, said


@case(deadline=120)
def without_a_console_the_cluster_answers(stage):
    from cassandra import InvalidRequest
    sim = stage.sim(1, 1)
    proxy = stage.proxy(sim.hosts[0], last=100)
    with direct.session(proxy.host, protocol_version=4) as s:
        try:
            s.execute(direct.CREATE % ("shardlane", 1, ""))
            raise AssertionError("a keyspace of the console's name was created through the proxy")
        except InvalidRequest as e:
            assert "console.enabled" in str(e), e
    with direct.session(sim.hosts[0], protocol_version=4) as s:
        s.execute(direct.CREATE % ("shardlane", 1, ""))
        s.execute("CREATE TABLE shardlane.lanes (k int PRIMARY KEY)")
    with direct.session(proxy.host, protocol_version=4) as s:
        until("the proxy knows of the keyspace", lambda: not list(s.execute("SELECT * FROM shardlane.lanes")), 30)
    proxy.child.stop(30)
    proxy.words += ["--config", stage.file("off.toml", "[console]\nenabled = false\n")]
    proxy.launch()
    with direct.session(proxy.host, protocol_version=4) as s:
        s.execute("DROP KEYSPACE shardlane")
        try:
            raise AssertionError(list(s.execute("SELECT * FROM shardlane.lanes")))
        except InvalidRequest as e:
            log(e)
