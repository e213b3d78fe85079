"""What real Cassandra gives clients besides rows is the same through the proxy: warnings and custom payloads."""
import direct
from stage import ROOT, case, log

NOT_PREPARED_ON = "on a keyspace it was not prepared on"
CONSISTENCY = "ALL"


def node_logs():
    """All that the nodes have logged so far."""
    import os
    run = ROOT / "target/cassandra/run" / os.environ["TEST_LAB"]
    return "".join(path.read_text(errors="replace") for path in sorted(run.rglob("*.log")))


def warnings_of(host):
    """Each kind of request with the warnings that the driver got for it."""
    from cassandra.query import BatchStatement
    found = []
    with direct.session(host, "as_direct", CONSISTENCY, protocol_version=4) as s:
        def note(name, statement, values=None):
            future = s.execute_async(statement, values)
            future.result()
            found.append((name, future.warnings))
        for qualified in ("", "as_direct."):
            insert = s.prepare("INSERT INTO %st (k, v) VALUES (?, ?)" % qualified)
            select = s.prepare("SELECT v FROM %st WHERE k = ?" % qualified)
            for k in range(20):
                note(qualified + "insert", insert, (k, k))
                note(qualified + "select", select, (k,))
            batch = BatchStatement()
            batch.add(insert, (1, 1))
            batch.add(insert, (2, 2))
            note(qualified + "batch", batch)
            note(qualified + "text", "SELECT v FROM %st WHERE k = 1" % qualified)
    return found


def payloads_of(host):
    """What comes back for a payload, for each kind of request that may have one."""
    from cassandra.query import BatchStatement, SimpleStatement
    sent, found = {"request-id": b"7", "blob": b"\x00" * 1000}, []
    with direct.session(host, "as_direct", CONSISTENCY, protocol_version=4) as s:
        insert = s.prepare("INSERT INTO as_direct.t (k, v) VALUES (?, ?)", custom_payload=sent)
        found.append(insert.custom_payload)
        batch = BatchStatement()
        batch.add(insert, (1, 1))
        for statement, values in ((SimpleStatement("SELECT v FROM t"), None), (insert, (1, 1)), (batch, None)):
            for payload in (sent, None):
                future = s.execute_async(statement, values, custom_payload=payload)
                future.result()
                found.append(future.custom_payload)
    assert sent in found, found
    return found


@case(deadline=300, needs=("cassandra",))
def cassandra_as_direct(stage):
    proxy = stage.proxy(stage.cassandra_nodes[0])
    with direct.session(stage.cassandra_nodes[0], consistency=CONSISTENCY) as s:
        s.execute("DROP KEYSPACE IF EXISTS as_direct")
        s.execute(direct.CREATE % ("as_direct", 3, ""))
        s.execute("CREATE TABLE as_direct.t (k int PRIMARY KEY, v int)")
    before = node_logs().count(NOT_PREPARED_ON)
    expected, got = warnings_of(stage.cassandra_nodes[0]), warnings_of(proxy.host)
    log("warnings", [one for one in got if one[1]][:3])
    assert got == expected, [pair for pair in zip(expected, got) if pair[0] != pair[1]][:3]
    assert node_logs().count(NOT_PREPARED_ON) == before, "a node logged an ERROR"
    expected, got = payloads_of(stage.cassandra_nodes[0]), payloads_of(proxy.host)
    assert got == expected, (expected, got)


# What is wrong with a statement about a table that the proxy answers itself, or would if it were there.
WRONG = (
    "SELECT nope FROM system.local",
    "SELECT key, nope AS x FROM system.local WHERE key = 'local'",
    "SELECT count(nope) FROM system.local",
    "SELECT * FROM system.local WHERE nope = 1",
    "SELECT * FROM system.local WHERE key = 'local' AND nope = 'x'",
    "SELECT * FROM system.local WHERE key = 5",
    "SELECT * FROM system.local WHERE key = true",
    "SELECT * FROM system.local WHERE key = 0x00",
    "SELECT * FROM system.local WHERE rack = 'x'",
    "SELECT * FROM system.local LIMIT 0",
    "SELECT nope FROM system.peers",
    "SELECT * FROM system.peers WHERE nope = 1",
    "SELECT * FROM system.peers WHERE peer = 5",
    "SELECT * FROM system.peers WHERE peer = 'nope'",
    "SELECT * FROM system.peers WHERE data_center = 'x'",
    "SELECT * FROM system.peers WHERE peer = '10.0.0.1' AND data_center = 'x'",
    "SELECT * FROM system.nope",
    "SELECT * FROM nope.local",
)


def refusals_of(host):
    """The ERROR for each wrong statement, as text and prepared."""
    found = []
    with direct.session(host, consistency="ONE", protocol_version=4) as s:
        for text in WRONG:
            for way in (s.execute, s.prepare):
                try:
                    said = str(list(way(text)) if way == s.execute else way(text))
                except Exception as error:
                    said = "%s: %s" % (type(error).__name__, error)
                found.append((text, way.__name__, said))
    return found


def refuses_as_direct(contact, proxy):
    expected, got = refusals_of(contact), refusals_of(proxy.host)
    other = [(one[0], one[1], one[2][:200], two[2][:200]) for one, two in zip(expected, got) if one != two]
    for pair in other:
        log("differs:", *pair)
    assert not other, "%d of %d refusals differ, %s first" % (len(other), len(expected), other[0])


@case(deadline=300, needs=("cassandra",))
def wrong_questions_about_the_node_are_refused_as_by_cassandra(stage):
    refuses_as_direct(stage.cassandra_nodes[0], stage.proxy(stage.cassandra_nodes[0]))


@case(deadline=120)
def wrong_questions_about_the_node_are_refused_as_by_a_simulated_node(stage):
    contact = stage.sim(1, 2).hosts[0]
    refuses_as_direct(contact, stage.proxy(contact))
