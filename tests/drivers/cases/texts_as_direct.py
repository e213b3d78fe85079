"""Texts that are run as prepared statements: every answer has the same bytes as the node's own to the text."""
import os

import direct
from stage import case, log

KEYSPACE = "texts_as_direct"
TABLES = (
    "CREATE TYPE %s.address (street text, number int)",
    "CREATE TABLE %s.t (k int, c int, a ascii, b blob, bo boolean, d decimal, du double, f float, i inet, bi bigint,"
    " ti tinyint, si smallint, vi varint, ts timestamp, da date, tm time, u uuid, tu timeuuid, v text, l list<int>,"
    " s set<text>, m map<text, int>, fl frozen<list<int>>, tu2 frozen<tuple<int, text>>, ad frozen<address>, ad2 address,"
    " st text static, PRIMARY KEY (k, c))",
    "CREATE TABLE %s.counters (k int PRIMARY KEY, n counter)",
    "CREATE TABLE %s.names (a text, b int, v text, PRIMARY KEY ((a, b)))",
)
UUID = "6b4c3b9a-0d7f-4f43-9f0e-3f1f2c8b1a%02x"
TIMEUUID = "50554d6e-29bb-11e5-b345-feff819cdc%02x"
# Each is sent with n from 0 on: `%(n)d` and others stand for constants.
TEXTS = (
    "INSERT INTO t (k, c, v) VALUES (%(n)d, 1, 'it''s %(n)d')",
    "INSERT INTO t (k, c, a, b, bo, v) VALUES (%(n)d, 2, 'a%(n)d', 0x%(n)02x, %(bool)s, $$v'%(n)d$$)",
    "INSERT INTO t (k, c, d, du, f, bi, ti, si, vi) VALUES (%(n)d, 3, %(n)d.50, -%(n)d.25, 1e%(n)d, %(n)d, -%(n)d, %(n)d, %(n)d)",
    "INSERT INTO t (k, c, i, ts, da, tm) VALUES (%(n)d, 4, '10.0.0.%(n)d', '2024-01-02T03:04:%(n)02dZ', '2024-01-%(day)02d',"
    " '01:02:%(n)02d.5')",
    "INSERT INTO t (k, c, ts, da) VALUES (%(n)d, 5, %(n)d, %(n)d)",
    "INSERT INTO t (k, c, u, tu) VALUES (%(n)d, 6, " + UUID.replace("%02x", "%(n)02x") + ", "
    + TIMEUUID.replace("%02x", "%(n)02x") + ")",
    "INSERT INTO t (k, c, l, s, m, fl) VALUES (%(n)d, 7, [%(n)d, 1], {'x%(n)d'}, {'a': %(n)d}, [3, %(n)d])",
    "INSERT INTO t (k, c, l, s, m) VALUES (%(n)d, 8, [], {}, {})",
    "INSERT INTO t (k, c, s, m) VALUES (%(n)d, 9, {'y', 'x%(n)d'}, {'b': 1, 'a': %(n)d})",
    "INSERT INTO t (k, c, tu2, ad, ad2) VALUES (%(n)d, 10, (%(n)d, 'x'), {street: 's', number: %(n)d}, {number: %(n)d})",
    "INSERT INTO t (k, c, v, st) VALUES (%(n)d, 11, null, 'static %(n)d')",
    "INSERT INTO t (k, c, v) VALUES (%(n)d, 12, 'x') USING TTL 100000 AND TIMESTAMP 5",
    "INSERT INTO t (k, c, tu) VALUES (%(n)d, 13, now())",
    "INSERT INTO t (k, c, v) VALUES (%(n)d, 15, 'x') USING TIMESTAMP 5",
    "INSERT INTO t (k, c, v) VALUES (%(n)d, 14, 'x') IF NOT EXISTS",
    "INSERT INTO names (a, b, v) VALUES ('n''%(n)d', %(n)d, 'x')",
    "UPDATE t SET v = 'new %(n)d', l = l + [%(n)d] WHERE k = %(n)d AND c = 7",
    "UPDATE t SET m['z'] = %(n)d, s = s + {'q'} WHERE k = %(n)d AND c = 7",
    "UPDATE t SET l[0] = %(n)d WHERE k = %(n)d AND c = 7",
    "UPDATE t SET ad2.street = 'x', v = '%(n)d' WHERE k = %(n)d AND c = 10",
    "UPDATE t SET v = 'cas' WHERE k = %(n)d AND c = 1 IF v = 'it''s %(n)d'",
    "UPDATE t SET v = 'cas' WHERE k = %(n)d AND c = 1 IF v = 'other' AND bi = null",
    "UPDATE t USING TTL 100000 SET v = 'ttl' WHERE k = %(n)d AND c IN (1, 2, %(n)d)",
    "UPDATE counters SET n = n + %(n)d WHERE k = %(n)d",
    "UPDATE counters SET n = n - 1 WHERE k = %(n)d",
    "DELETE FROM t WHERE k = %(n)d AND c > 100",
    "DELETE v, m['z'] FROM t WHERE k = %(n)d AND c = 7",
    "DELETE FROM t WHERE k = %(n)d AND c = 12 IF EXISTS",
    "SELECT * FROM t WHERE k = %(n)d AND c < 13",
    "SELECT v, c AS clustering FROM t WHERE k = %(n)d AND c >= 2 AND c < %(n)d ORDER BY c DESC",
    "SELECT (int)5, count(*), max(c), token(k) FROM t WHERE k = %(n)d",
    "SELECT JSON k, c, v FROM t WHERE k = %(n)d AND c = 7",
    "SELECT ttl(v), writetime(v), v FROM t WHERE k = %(n)d AND c = 15 LIMIT 1",
    "SELECT k, c, v FROM t WHERE k IN (%(n)d, 1, 2) AND c IN (1, 7)",
    "SELECT k, c FROM t WHERE k IN () AND c = %(n)d",
    "SELECT c, v FROM t WHERE k = %(n)d AND (c) > (3) PER PARTITION LIMIT 2",
    "SELECT k, count(*) FROM t WHERE k = %(n)d GROUP BY k",
    "SELECT DISTINCT k, st FROM t WHERE k = %(n)d",
    "SELECT v FROM t WHERE token(k) = %(n)d",
    "SELECT c, l, s, m, fl, tu2, ad, ad2 FROM t WHERE k = %(n)d AND c = 7",
    "SELECT k, c FROM t WHERE v = 'it''s %(n)d' ALLOW FILTERING",
    "SELECT k, c FROM t WHERE m CONTAINS %(n)d ALLOW FILTERING",
    "SELECT n FROM counters WHERE k = %(n)d",
    "SELECT v FROM names WHERE a = 'n''%(n)d' AND b = %(n)d",
    "SELECT v FROM %(keyspace)s.names WHERE b = %(n)d AND a = 'n''%(n)d'",
    # What is refused, by the text or for its constants.
    "SELECT nothing FROM t WHERE k = %(n)d",
    "SELECT v FROM nowhere WHERE k = %(n)d",
    "SELECT v FROM t WHERE c = %(n)d",
    "SELECT v FROM t WHERE k = '%(n)d'",
    "SELECT v FROM t WHERE k = %(n)d LIMIT 0",
    "SELECT v FROM t WHERE k = null AND c = %(n)d",
    "SELECT v FROM names WHERE a = '' AND b = %(n)d",
    "INSERT INTO t (k) VALUES (%(n)d)",
    "INSERT INTO t (k, c, ti) VALUES (%(n)d, 20, %(n)d00)",
    "INSERT INTO t (k, c, tu) VALUES (%(n)d, 20, " + UUID.replace("%02x", "%(n)02x") + ")",
    "INSERT INTO t (k, c, i) VALUES (%(n)d, 20, 'nowhere %(n)d')",
    "UPDATE t SET k = 1 WHERE k = %(n)d AND c = 1",
    "UPDATE counters SET n = %(n)d WHERE k = %(n)d",
)
ROUNDS = 14
PAGE = "SELECT k, c, v FROM t WHERE k = %d"


def answers(host, mode):
    """The answer to each text: its text, flags, opcode and bytes."""
    from cassandra.protocol import ErrorMessage, ProtocolHandler
    from cassandra.query import SimpleStatement
    found, heard = [], []

    class Recorder(ProtocolHandler):
        @classmethod
        def decode_message(cls, *arguments, **named):
            at = next(i for i, it in enumerate(arguments) if isinstance(it, bytes))
            heard.append((arguments[at - 2], arguments[at - 1], arguments[at]))
            return ProtocolHandler.decode_message(*arguments, **named)

    with direct.session(host, protocol_version=4, compression=False) as s:
        s.execute("DROP KEYSPACE IF EXISTS " + KEYSPACE)
        s.execute(direct.CREATE % (KEYSPACE, 1, ""))
        for table in TABLES:
            s.execute(table % KEYSPACE)
    with direct.session(host, KEYSPACE, protocol_version=4, compression=False) as s:
        s.client_protocol_handler = Recorder

        def note(name, text, fetch_size=None):
            del heard[:]
            future = s.execute_async(SimpleStatement(text, fetch_size=fetch_size))
            try:
                future.result()
                while future.has_more_pages:
                    future.start_fetching_next_page()
                    future.result()
            except Exception:
                # What the server refused was heard; a text without an answer is a fault of the case.
                if not heard:
                    raise
            # The driver asks other hosts about some errors: with the same words each time.
            found.append((name, text, tuple(sorted(set(heard))) if heard and heard[0][1] == ErrorMessage.opcode
                          else tuple(heard)))
        for text in TEXTS:
            for n in range(ROUNDS):
                note(text, text % {"n": n, "day": n + 1, "bool": str(n % 2 == 0).lower(), "keyspace": KEYSPACE})
        # Pages of one query go on as they began, or otherwise.
        for n in range(ROUNDS):
            note("pages", PAGE % n, fetch_size=2)
    log(mode, len(found), "answers")
    return found


def compare(stage, contact):
    os.environ["SHARDLANE_TEXT_MODE"] = "execute"
    proxy = stage.proxy(contact)
    own, through = answers(contact, "direct"), answers(proxy.host, "through")
    assert len(own) == len(through)
    others = [(one[1], one[2], other[2]) for one, other in zip(own, through) if one != other]
    for text, one, other in others[:20]:
        log("differs:", text, one, other)
    executed = proxy.metrics()["shardlane_texts_executed_total"]
    log("executed", executed, "of", len(own), "shapes given up", proxy.metrics()["shardlane_text_shapes_given_up_total"])
    assert not others, "%d of %d answers differ, %s first" % (len(others), len(own), others[0])
    assert executed > 150, executed


@case(deadline=300)
def texts_as_prepared_statements_are_answered_as_by_a_simulated_node(stage):
    compare(stage, stage.sim(1, 2, 4).hosts[0])


@case(deadline=300, needs=("cassandra",))
def texts_as_prepared_statements_are_answered_as_by_cassandra(stage):
    compare(stage, stage.cassandra_nodes[0])
