"""What an application does with its driver, one section after the other, as lines that do not change from run to run.

The lines of a run straight to the cluster and of a run through the proxy have to be equal byte for
byte. Lines that start with `@` speak to the caller and are not part of the log.
"""
import argparse
import collections
import collections.abc
import datetime
import decimal
import logging
import sys
import time
import uuid

for _name in collections.abc.__all__:
    # A driver of 2016 looks for these where Python had them until 3.9; the driver itself stays as it was.
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))

from cassandra import (AlreadyExists, ConsistencyLevel, InvalidRequest, OperationTimedOut, Unavailable)
from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile, NoHostAvailable
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy
from cassandra.protocol import SyntaxException
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement

WORDS = ["", "plain", "ärger", "Привет", "日本語", "🦀 lane"]
NAMESPACE = uuid.UUID("6f1c2f0e-7d50-4a57-9b7c-3a5d0c1e8a11")


def say(*words):
    print(*words, flush=True)


def uid(n):
    return uuid.uuid5(NAMESPACE, str(n))


def one(result):
    """The first row; drivers of 2016 have no method for that."""
    return next(iter(result), None)


def connect(args, keyspace=None):
    profile = ExecutionProfile(load_balancing_policy=TokenAwarePolicy(RoundRobinPolicy()), request_timeout=60,
                               consistency_level=ConsistencyLevel.QUORUM)
    extra = {"compression": {"none": False}.get(args.compression, args.compression)} if args.compression else {}
    if args.version:
        extra["protocol_version"] = args.version
    cluster = Cluster([args.host], port=args.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                      connect_timeout=10, control_connection_timeout=20,
                      max_schema_agreement_wait=60, **extra)
    return cluster, cluster.connect(keyspace)


def schema(s, args):
    s.execute("DROP KEYSPACE IF EXISTS %s" % args.keyspace)
    s.execute("CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}%s"
              % (args.keyspace, args.data_center, args.rf, args.with_keyspace))
    s.execute("USE %s" % args.keyspace)
    s.execute("CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, "
              "g timestamp, h inet, i list<int>, j map<text, int>, l set<text>, m decimal, n varint, o smallint)"
              if args.all_types else
              "CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, f boolean)")
    s.execute("CREATE TABLE rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))")
    s.execute("CREATE TABLE blobs (k blob PRIMARY KEY, v blob)")
    s.execute("CREATE TABLE ids (k uuid PRIMARY KEY, v int)")
    say("schema: used", s.keyspace)


def simple(s, args):
    s.execute("INSERT INTO ids (k, v) VALUES (%s, %s)", (uid(1), 7))
    say("simple:", [tuple(r) for r in s.execute("SELECT k, v FROM ids WHERE k = %s", (uid(1),))])
    s.execute("INSERT INTO %s.ids (k, v) VALUES (%s, 8)" % (args.keyspace, uid(2)))
    say("simple: literal", [tuple(r) for r in s.execute("SELECT v FROM ids WHERE k = %s" % uid(2))])


def prepared(s, args):
    columns = "k a b c d e f g h i j l m n o".split() if args.all_types else "k a b c d f".split()
    insert = s.prepare("INSERT INTO types (%s) VALUES (%s)" % (", ".join(columns), ", ".join("?" * len(columns))))
    read = s.prepare("SELECT %s FROM types WHERE k = ?" % ", ".join(columns))
    for n, word in enumerate(WORDS):
        row = {"k": n * 1_000_003 - 2, "a": word, "b": bytes(range(n * 40)), "c": uid(n), "d": -n << 40, "e": n / 3,
               "f": n % 2 == 0, "g": datetime.datetime(2020, 1, n + 1), "h": "10.0.0.%d" % n, "i": list(range(n)),
               "j": {w: len(w) for w in WORDS[:n]}, "l": set(WORDS[:n]), "m": decimal.Decimal(n) / 8,
               "n": n << 70, "o": -n}
        # Half of the rows with their values by name, which the driver puts in the server's order.
        s.execute(insert, [row[c] for c in columns] if n % 2 else row)
        back = one(s.execute(read, [row["k"]]))
        for c in columns:
            value = getattr(back, c)
            value = sorted(value) if c == "l" and value else dict(value) if c == "j" and value else value
            say("prepared: %d %s %r" % (n, c, value))
    by_blob = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)")
    blob = s.prepare("SELECT v FROM blobs WHERE k = ?")
    for size in (1, 15, 16, 17, 200, 5000):
        key = bytes((7 * i + size) % 256 for i in range(size))
        s.execute(by_blob, [key, key * 2])
        say("prepared: blob key of", size, one(s.execute(blob, [key])).v == key * 2)


def nothing(s, args):
    insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)")
    read = s.prepare("SELECT a, d FROM types WHERE k = ?")
    s.execute(insert, [9001, "kept", 5])
    s.execute(insert, [9001, "kept" if args.version == 3 else UNSET_VALUE, None])  # version 3 knows no unset
    say("null and unset:", tuple(one(s.execute(read, [9001]))))
    say("no row:", one(s.execute(read, [9002])))


def batches(s, args):
    insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES (?, ?, ?, ?)")
    for name, kind in (("logged", BatchType.LOGGED), ("unlogged", BatchType.UNLOGGED)):
        batch = BatchStatement(batch_type=kind)
        for c in range(5):
            batch.add(insert, (name, 1, c, WORDS[c]))
        batch.add(SimpleStatement("INSERT INTO rows (p, q, c, v) VALUES (%s, 1, 99, 'simple')"), (name,))
        s.execute(batch)
        got = s.execute("SELECT c, v FROM rows WHERE p = %s AND q = 1", (name,))
        say("batch:", name, [tuple(r) for r in got])


def paging(s, args):
    insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)")
    execute_concurrent_with_args(s, insert, [(c, "v%d" % c) for c in range(1000)], concurrency=50)
    for direction in ("ASC", "DESC"):
        read = s.prepare("SELECT c, v FROM rows WHERE p = ? AND q = ? ORDER BY c %s" % direction)
        read.fetch_size = 100
        result, pages, seen = s.execute(read, ["pages", 2]), [], []
        while True:
            pages.append(len(result.current_rows))
            seen += [(r.c, r.v) for r in result.current_rows]
            if not result.has_more_pages:
                break
            result.fetch_next_page()
        expected = sorted(((c, "v%d" % c) for c in range(1000)), reverse=direction == "DESC")
        say("paging:", direction, [p for p in pages if p], seen == expected)


def conditional(s, args):
    insert = s.prepare("INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS")
    update = s.prepare("UPDATE ids SET v = ? WHERE k = ? IF v = ?")
    say("lwt: inserted", s.execute(insert, [uid(50), 1]).was_applied)
    say("lwt: inserted twice", s.execute(insert, [uid(50), 2]).was_applied)
    say("lwt: updated", s.execute(update, [3, uid(50), 1]).was_applied)
    refused = s.execute(update, [4, uid(50), 1])
    say("lwt: not updated", refused.was_applied, tuple(one(refused)))


def errors(s, args):
    for name, text in (("syntax", "SELEKT 1"), ("table", "SELECT * FROM nowhere"),
                       ("column", "SELECT nothing FROM ids"),
                       ("exists", "CREATE TABLE ids (k int PRIMARY KEY)"),
                       ("keyspace", "SELECT * FROM no_such_keyspace.t"),
                       ("key", "SELECT * FROM rows WHERE p = 'x'")):
        try:
            s.execute(text)
            say("error:", name, "none")
        except (SyntaxException, InvalidRequest, AlreadyExists) as e:
            say("error:", name, type(e).__name__, str(e) if args.texts else "")
    try:
        s.prepare("SELECT * FROM nowhere WHERE k = ?")
        say("error: prepare none")
    except InvalidRequest as e:
        say("error: prepare", type(e).__name__, str(e) if args.texts else "")
    try:
        s.execute("USE no_such_keyspace")
        say("error: use none")
    except InvalidRequest as e:
        say("error: use", type(e).__name__)
    say("error: keyspace stays", one(s.execute("SELECT v FROM ids WHERE k = %s", (uid(1),))).v)


def large(s, args):
    blob = bytes(i * i % 251 for i in range(2 << 20))
    s.execute(s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)"), [b"large", blob])
    back = one(s.execute(s.prepare("SELECT v FROM blobs WHERE k = ?"), [b"large"])).v
    say("large:", len(back), back == blob)


def many(s, args):
    insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)")
    read = s.prepare("SELECT k, a, d FROM types WHERE k = ?")
    keys = [k * 7919 - 400_000 for k in range(500)]
    for future in [s.execute_async(insert, [k, "w%d" % k, k << 20]) for k in keys]:
        future.result()
    waiting = [(k, s.execute_async(read, [k])) for k in keys]
    wrong = sum(tuple(f.result()[0]) != (k, "w%d" % k, k << 20) for k, f in waiting)
    say("in flight: 500 at once, wrong", wrong)


def definitions(s, args):
    for n in range(10):
        s.execute("CREATE TABLE fresh%d (k int PRIMARY KEY, v text)" % n)
        s.execute(s.prepare("INSERT INTO fresh%d (k, v) VALUES (?, ?)" % n), [n, "f%d" % n])
        say("fresh:", tuple(one(s.execute(s.prepare("SELECT k, v FROM fresh%d WHERE k = ?" % n), [n]))))
    s.execute("DROP TABLE fresh0")
    s.execute("CREATE TABLE fresh0 (k int PRIMARY KEY, w bigint)")
    s.execute(s.prepare("INSERT INTO fresh0 (k, w) VALUES (?, ?)"), [1, 2])
    say("fresh: again", tuple(one(s.execute("SELECT k, w FROM fresh0 WHERE k = 1"))))


def metadata(s, args):
    tables = s.cluster.metadata.keyspaces[args.keyspace].tables
    # Tables that the server makes for itself (`ids$paxos`) are known once the driver has handled their event, at a time of
    # its own choice.
    for name in sorted(name for name in tables if "$" not in name):
        t = tables[name]
        say("metadata:", name, [c.name for c in t.partition_key], [c.name for c in t.clustering_key],
            sorted((c.name, c.cql_type) for c in t.columns.values()))


def altered(s, args):
    read = s.prepare("SELECT * FROM fresh1 WHERE k = ?")
    say("alter: before", tuple(one(s.execute(read, [1]))))
    s.execute("ALTER TABLE fresh1 ADD extra int")
    s.execute("INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)")
    names = one(s.execute(s.prepare("SELECT k, v, extra FROM fresh1 WHERE k = ?"), [1]))
    say("alter: after", tuple(names))


def second(s, args):
    cluster, other = connect(args, args.keyspace)
    say("second session:", one(other.execute("SELECT v FROM ids WHERE k = %s", (uid(1),))).v)
    other.execute("CREATE TABLE seen (k int PRIMARY KEY, v text)")
    other.execute("ALTER TABLE ids ADD later int")
    cluster.shutdown()
    tables = s.cluster.metadata.keyspaces[args.keyspace].tables
    deadline = time.monotonic() + 30
    while not ("seen" in tables and "later" in tables["ids"].columns) and time.monotonic() < deadline:
        time.sleep(0.1)
        tables = s.cluster.metadata.keyspaces[args.keyspace].tables
    say("schema of another session seen:", "seen" in tables, sorted(tables["ids"].columns))


def reconnect(s, args):
    read = s.prepare("SELECT v FROM ids WHERE k = ?")
    say("reconnect: before", one(s.execute(read, [uid(1)])).v)
    say("@restart")
    sys.stdin.readline()
    deadline = time.monotonic() + 60
    while True:
        try:
            value = one(s.execute(read, [uid(1)], timeout=5)).v
            break
        except (NoHostAvailable, OperationTimedOut, Unavailable, ConnectionError) as e:
            if time.monotonic() > deadline:
                raise
            print("@waiting", type(e).__name__, flush=True)
            time.sleep(0.25)
    say("reconnect: after", value)


SECTIONS = [schema, simple, prepared, nothing, batches, paging, conditional, errors, large, many, definitions,
            metadata, altered, second, reconnect]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--port", type=int, default=9042)
    p.add_argument("--keyspace", default="smoke_python")
    p.add_argument("--data-center", default="dc1")
    p.add_argument("--rf", type=int, default=3)
    p.add_argument("--version", type=int)
    p.add_argument("--with-keyspace", default="")
    p.add_argument("--compression", default="", choices=["", "none", "lz4", "snappy"])
    p.add_argument("--few-types", dest="all_types", action="store_false")
    p.add_argument("--no-texts", dest="texts", action="store_false", help="leave the servers' own words out")
    p.add_argument("--skip", default="", help="sections to leave out, comma separated")
    args = p.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    cluster, session = connect(args)
    say("connected")
    failed = 0
    for section in SECTIONS:
        if section.__name__ in args.skip.split(","):
            continue
        try:
            section(session, args)
        except Exception as e:  # every section gets its turn; the log names the one that failed
            failed = 1
            say("FAILED %s: %s: %s" % (section.__name__, type(e).__name__, e))
    cluster.shutdown()
    say("end")
    sys.exit(failed)


if __name__ == "__main__":
    main()
