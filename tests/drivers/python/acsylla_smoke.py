"""What an application does with the C++ driver, through acsylla, as lines that do not change from run to run.

The lines of a run straight to the cluster and of a run through the proxy have to be equal byte for
byte. Lines that start with `@` speak to the caller; warnings go to the error stream.
"""
import argparse
import asyncio
import datetime
import decimal
import sys
import time
import uuid

import acsylla
from acsylla.errors import CassException

WORDS = ["", "plain", "ärger", "Привет", "日本語", "🦀 lane"]
NAMESPACE = uuid.UUID("6f1c2f0e-7d50-4a57-9b7c-3a5d0c1e8a11")


def say(*words):
    print(*words, flush=True)


def uid(n):
    return uuid.uuid5(NAMESPACE, str(n))


async def warned(message):
    print(message.log_level, message.message, file=sys.stderr, flush=True)


async def connect(args, keyspace=None):
    extra = {"protocol_version": args.version} if args.version else {}
    cluster = acsylla.create_cluster(
        [args.host], port=args.port, connect_timeout=10, request_timeout=60, consistency="QUORUM",
        load_balance_dc_aware=args.data_center, token_aware_routing=True, constant_reconnect_delay_ms=250,
        max_schema_wait_time_ms=60000, log_level="warn", logging_callback=warned, **extra)
    return await cluster.create_session(keyspace=keyspace)


async def run(s, text, *values):
    """One statement by its text."""
    statement = acsylla.create_statement(text, parameters=len(values))
    for n, value in enumerate(values):
        statement.bind(n, value)
    return await s.execute(statement)


def plain(value):
    if isinstance(value, set):
        return sorted(value)
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def rows(result):
    return [{name: plain(value) for name, value in row.as_dict().items()} for row in result]


async def schema(s, args):
    await run(s, "DROP KEYSPACE IF EXISTS %s" % args.keyspace)
    await run(s, "CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}"
              % (args.keyspace, args.data_center, args.rf))
    await s.use_keyspace(args.keyspace)
    for table in ("types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, g timestamp, "
                  "h inet, i list<int>, j map<text, int>, l set<text>, m decimal, n varint, o smallint)",
                  "rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))",
                  "blobs (k blob PRIMARY KEY, v blob)", "ids (k uuid PRIMARY KEY, v int)"):
        await run(s, "CREATE TABLE " + table)
    say("schema: used", args.keyspace)


async def simple(s, args):
    # By name: the driver does not know the types of a text that is not prepared.
    await run(s, "INSERT INTO ids (k, v) VALUES (%s, 7)" % uid(1))
    say("simple:", rows(await run(s, "SELECT k, v FROM ids WHERE k = %s" % uid(1))))
    named = acsylla.create_statement("INSERT INTO blobs (k, v) VALUES (:k, :v)", parameters=2)
    named.bind_dict({"k": b"named", "v": b"value"})
    await s.execute(named)
    say("simple: named", rows(await run(s, "SELECT v FROM blobs WHERE k = ?", b"named")))
    await run(s, "INSERT INTO %s.ids (k, v) VALUES (%s, 8)" % (args.keyspace, uid(2)))
    say("simple: literal", rows(await run(s, "SELECT v FROM ids WHERE k = %s" % uid(2))))


async def prepared(s, args):
    columns = "k a b c d e f g h i j l m n o".split()
    insert = await s.create_prepared(
        "INSERT INTO types (%s) VALUES (%s)" % (", ".join(columns), ", ".join("?" * len(columns))))
    read = await s.create_prepared("SELECT %s FROM types WHERE k = :k" % ", ".join(columns))
    for n, word in enumerate(WORDS):
        row = {"k": n * 1_000_003 - 2, "a": word, "b": bytes(range(n * 40)), "c": uid(n), "d": -n << 40, "e": n / 3,
               "f": n % 2 == 0, "g": datetime.datetime(2020, 1, n + 1), "h": "10.0.0.%d" % n, "i": list(range(n)),
               "j": {w: len(w) for w in WORDS[:n]}, "l": set(WORDS[:n]), "m": decimal.Decimal(n) / 8,
               "n": (n << 30).to_bytes(8, "big"), "o": -n}
        await s.execute(insert.bind(row if n % 2 else [row[c] for c in columns]))
        for name, value in rows(await s.execute(read.bind({"k": row["k"]})))[0].items():
            say("prepared: %d %s %r" % (n, name, value))
    write = await s.create_prepared("INSERT INTO blobs (k, v) VALUES (?, ?)")
    back = await s.create_prepared("SELECT v FROM blobs WHERE k = ?")
    for size in (1, 15, 16, 17, 200, 5000):
        key = bytes((7 * i + size) % 256 for i in range(size))
        await s.execute(write.bind([key, key * 2]))
        say("prepared: blob key of", size, rows(await s.execute(back.bind([key])))[0]["v"] == key * 2)


async def nothing(s, args):
    insert = await s.create_prepared("INSERT INTO types (k, a, d) VALUES (?, ?, ?)")
    read = await s.create_prepared("SELECT a, d FROM types WHERE k = ?")
    await s.execute(insert.bind([9001, "kept", 5]))
    partly = insert.bind()
    partly.bind(0, 9001)
    if args.version == 3:
        partly.bind(1, "kept")  # version 3 knows no unset
    partly.bind(2, None)
    await s.execute(partly)
    say("null and unset:", rows(await s.execute(read.bind([9001]))))
    say("no row:", rows(await s.execute(read.bind([9002]))))


async def batches(s, args):
    insert = await s.create_prepared("INSERT INTO rows (p, q, c, v) VALUES (?, ?, ?, ?)")
    for name, create in (("logged", acsylla.create_batch_logged), ("unlogged", acsylla.create_batch_unlogged)):
        batch = create()
        for c, word in enumerate(WORDS):
            batch.add_statement(insert.bind([name, 1, c, word]))
        batch.add_statement(acsylla.create_statement(
            "INSERT INTO rows (p, q, c, v) VALUES ('%s', 1, 99, 'simple')" % name))
        await s.execute_batch(batch)
        say("batch:", name, rows(await run(s, "SELECT c, v FROM rows WHERE p = '%s' AND q = 1" % name)))


async def paging(s, args):
    insert = await s.create_prepared("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)")
    for first in range(0, 1000, 50):
        await asyncio.gather(*(s.execute(insert.bind([c, "v%d" % c])) for c in range(first, first + 50)))
    for direction in ("ASC", "DESC"):
        read = await s.create_prepared("SELECT c, v FROM rows WHERE p = ? AND q = ? ORDER BY c %s" % direction)
        pages, seen, state = [], [], None
        while True:
            page = read.bind(["pages", 2], page_size=100, page_state=state)
            result = await s.execute(page)
            got = rows(result)
            pages += [len(got)] if got else []
            seen += [(row["c"], row["v"]) for row in got]
            if not result.has_more_pages():
                break
            state = result.page_state()
        expected = sorted(((c, "v%d" % c) for c in range(1000)), reverse=direction == "DESC")
        say("paging:", direction, pages, seen == expected)


async def conditional(s, args):
    insert = await s.create_prepared("INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS")
    update = await s.create_prepared("UPDATE ids SET v = ? WHERE k = ? IF v = ?")
    for statement in (insert.bind([uid(50), 1]), insert.bind([uid(50), 2]), update.bind([3, uid(50), 1]),
                      update.bind([4, uid(50), 1])):
        say("lwt:", rows(await s.execute(statement)))


async def errors(s, args):
    for name, text in (("syntax", "SELEKT 1"), ("table", "SELECT * FROM nowhere"),
                       ("column", "SELECT nothing FROM ids"), ("exists", "CREATE TABLE ids (k int PRIMARY KEY)"),
                       ("keyspace", "SELECT * FROM no_such_keyspace.t"),
                       ("key", "SELECT * FROM rows WHERE p = 'x'"), ("use", "USE no_such_keyspace")):
        try:
            await run(s, text)
            say("error:", name, "none")
        except CassException as e:
            say("error:", name, type(e).__name__, e)
    try:
        await s.create_prepared("SELECT * FROM nowhere WHERE k = ?")
        say("error: prepare none")
    except CassException as e:
        say("error: prepare", type(e).__name__, e)
    say("error: keyspace stays", rows(await run(s, "SELECT v FROM ids WHERE k = %s" % uid(1))))


async def large(s, args):
    blob = bytes(i * i % 251 for i in range(2 << 20))
    await s.execute((await s.create_prepared("INSERT INTO blobs (k, v) VALUES (?, ?)")).bind([b"large", blob]))
    read = await s.create_prepared("SELECT v FROM blobs WHERE k = ?")
    back = rows(await s.execute(read.bind([b"large"])))[0]["v"]
    say("large:", len(back), back == blob)


async def many(s, args):
    insert = await s.create_prepared("INSERT INTO types (k, a, d) VALUES (?, ?, ?)")
    read = await s.create_prepared("SELECT k, a, d FROM types WHERE k = ?")
    keys = [k * 7919 - 400_000 for k in range(500)]
    await asyncio.gather(*(s.execute(insert.bind([k, "w%d" % k, k << 20])) for k in keys))
    got = await asyncio.gather(*(s.execute(read.bind([k])) for k in keys))
    wrong = sum(rows(one) != [{"k": k, "a": "w%d" % k, "d": k << 20}] for k, one in zip(keys, got))
    say("in flight: 500 at once, wrong", wrong)


async def definitions(s, args):
    for n in range(10):
        await run(s, "CREATE TABLE fresh%d (k int PRIMARY KEY, v text)" % n)
        await s.execute((await s.create_prepared("INSERT INTO fresh%d (k, v) VALUES (?, ?)" % n)).bind([n, "f%d" % n]))
        read = await s.create_prepared("SELECT k, v FROM fresh%d WHERE k = ?" % n)
        say("fresh:", rows(await s.execute(read.bind([n]))))


async def shown(s, args, table, column):
    """The columns of a table once the driver, which learns by events, knows of this one."""
    deadline = time.monotonic() + 30
    while True:
        meta = s.get_metadata()
        if table in meta.get_tables(args.keyspace):
            columns = sorted(c.name for c in meta.get_table_meta(args.keyspace, table).columns)
            if column in columns:
                return columns
        assert time.monotonic() < deadline, "%s.%s does not show" % (table, column)
        await asyncio.sleep(0.1)


async def metadata(s, args):
    for name in ("blobs", "ids", "rows", "types", *("fresh%d" % n for n in range(10))):
        say("metadata:", name, await shown(s, args, name, "v" if name != "types" else "o"))


async def altered(s, args):
    read = await s.create_prepared("SELECT * FROM fresh1 WHERE k = ?")
    say("alter: before", rows(await s.execute(read.bind([1]))))
    await run(s, "ALTER TABLE fresh1 ADD extra int")
    await run(s, "INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)")
    again = await s.create_prepared("SELECT k, v, extra FROM fresh1 WHERE k = ?")
    say("alter: after", rows(await s.execute(again.bind([1]))))


async def second(s, args):
    other = await connect(args, args.keyspace)
    say("second session:", rows(await run(other, "SELECT v FROM ids WHERE k = %s" % uid(1))))
    await run(other, "CREATE TABLE seen (k int PRIMARY KEY, v text)")
    await run(other, "ALTER TABLE ids ADD later int")
    await other.close()
    say("schema of another session seen:", await shown(s, args, "seen", "v"), await shown(s, args, "ids", "later"))


async def reconnect(s, args):
    read = await s.create_prepared("SELECT v FROM ids WHERE k = ?")
    say("reconnect: before", rows(await s.execute(read.bind([uid(1)]))))
    say("@restart")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    deadline = time.monotonic() + 60
    while True:
        try:
            value = rows(await s.execute(read.bind([uid(1)])))
            break
        except CassException as e:
            if time.monotonic() > deadline:
                raise
            print("@waiting", type(e).__name__, flush=True)
            await asyncio.sleep(0.25)
    say("reconnect: after", value)


SECTIONS = [schema, simple, prepared, nothing, batches, paging, conditional, errors, large, many, definitions,
            metadata, altered, second, reconnect]


async def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--port", type=int, default=9042)
    p.add_argument("--keyspace", default="smoke_acsylla")
    p.add_argument("--data-center", default="dc1")
    p.add_argument("--rf", type=int, default=3)
    p.add_argument("--version", type=int)
    args = p.parse_args()
    s = await connect(args)
    say("connected")
    failed = 0
    for section in SECTIONS:
        try:
            await section(s, args)
        except Exception as e:  # every section gets its turn; the log names the one that failed
            failed = 1
            say("FAILED %s: %s: %s" % (section.__name__, type(e).__name__, e))
    await s.close()
    say("end")
    return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
