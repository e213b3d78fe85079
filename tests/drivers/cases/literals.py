"""Constants and documents as real Cassandra reads them: the golden tokens that the reader of texts is compared with."""
import contextlib
import ipaddress
import json
import os
import random
import re
import time
import uuid

import direct
from cases.texts import KEYS_OF_PARTS, create_keys_of_parts
from stage import ROOT, case, lab, log, until

# A line each: the type of the key, a constant, and its token; null where the server refuses the constant.
GOLDEN = ROOT / "tests/data/tokens.jsonl"
EACH = 70
# Texts of each kind that have to be found in the traces.
TRACES_LEAST = 150
KEYS = 50
# Keys of each type that has parts.
PARTS = 12


def quoted(text):
    return "'%s'" % text.replace("'", "''")


def whole(bits):
    def one(r):
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        return str(r.choice([0, -1, low, high, high + 1, r.randint(low, high), r.randint(-99, 99)]))
    return one


def number(r):
    return r.choice(["0", "-0", "1", "-7", "0.0", "-0.0", "1.5", "1.", "1e3", "1E+3", "-2.50e-3", "123456789012345678",
                     "%d.%03d" % (r.randint(-9999, 9999), r.randint(0, 999)), "%de%d" % (r.randint(-99, 99), r.randint(-9, 9)),
                     repr(r.uniform(-1e6, 1e6)), repr(r.uniform(-1, 1)), "NaN", "Infinity", "1e330", "-1e400", "1.5e2147483647",
                     "0E719925440993", "1e-400"])


def words(letters):
    return lambda r: "".join(r.choice(letters) for _ in range(r.randint(0, 24)))


def text(letters):
    def one(r):
        word = words(letters)(r)
        return "$$%s$$" % word.replace("$", "") if r.random() < 0.2 else quoted(word)
    return one


def day(r):
    return "%04d-%02d-%02d" % (r.choice([1970, 1969, 2000, 2024, r.randint(1600, 2400)]), r.randint(1, 12), r.randint(1, 29))


def clock(r):
    fraction = r.choice(["", ".5", ".123", ".123456", ".123456789"])
    return "%02d:%02d:%02d%s" % (r.randint(0, 23), r.randint(0, 59), r.randint(0, 59), fraction)


def moment(r):
    return r.choice([
        str(r.randint(-1 << 45, 1 << 45)),
        quoted("%s %02d:%02d:%02d.%03d+0000" % (day(r), r.randint(0, 23), r.randint(0, 59), r.randint(0, 59), r.randint(0, 999))),
        quoted("%sT%02d:%02d:%02dZ" % (day(r), r.randint(0, 23), r.randint(0, 59), r.randint(0, 59))),
        quoted("%s %02d:%02d%s" % (day(r), r.randint(0, 23), r.randint(0, 59), r.choice(["+0100", "-08:30", "Z"]))),
        quoted(day(r) + r.choice(["", "Z", "z", "+0000"])),
        quoted("%s%s%02d:%02d%s" % (day(r), r.choice("tT_ "), r.randint(0, 23), r.randint(0, 59), r.choice([
            "z", "Z01:30", "+18:00", "+1830", "-23:59", "+19:00", "01:30", "+01"]))),
    ])


def address(r):
    if r.random() < 0.5:
        return quoted(str(ipaddress.IPv4Address(r.getrandbits(32))))
    return quoted(str(ipaddress.IPv6Address(r.getrandbits(128) >> r.choice([0, 16, 64]))))


def ident(version):
    def one(r):
        made = str(uuid.UUID(int=r.getrandbits(128), version=version))
        return made.upper() if r.random() < 0.2 else made
    return one


def blob(r):
    digits = "".join(r.choice("0123456789abcdefABCDEF") for _ in range(r.choice([0, 2, 3, 16, 30])))
    return r.choice(["0x", "0X"]) + digits


def damaged(constant, r):
    """A constant in which one character was lost, added or written wrongly; quotes and brackets stay."""
    places = [at for at, letter in enumerate(constant) if letter not in "'\"$[](){}"]
    if not places:
        return None
    at = r.choice(places)
    return constant[:at] + r.choice(["", r.choice("zZtTeE019+-:. "), constant[at] * 2, constant[at].swapcase()]) + constant[at + 1:]


SPACE = "aZ09 _-%'\"$éßж日🦀"


def mapping(r):
    """A map; `None` where a key would come twice. A server keeps either value then, now this and now that."""
    pairs = [(whole(32)(r), text(SPACE)(r)) for _ in range(r.randint(0, 2))]
    is_clear = len({key for key, _ in pairs}) == len(pairs)
    return "{%s}" % ", ".join("%s: %s" % pair for pair in pairs) if is_clear else None


LITERALS = {
    "tinyint": whole(8), "smallint": whole(16), "int": whole(32), "bigint": whole(64), "varint": whole(200),
    "decimal": number, "float": number, "double": number,
    "boolean": lambda r: r.choice(["true", "false", "TRUE", "False", "1", "'true'"]),
    "text": text(SPACE), "ascii": text("aZ09 _-%'\"$"), "blob": blob, "uuid": ident(4), "timeuuid": ident(1), "inet": address,
    "date": lambda r: r.choice([quoted(day(r)), str(r.randint(0, (1 << 32) - 1))]),
    "time": lambda r: r.choice([quoted(clock(r)), str(r.randint(0, 86_399_999_999_999))]),
    "timestamp": moment,
    "frozen<list<int>>": lambda r: "[%s]" % ", ".join(whole(32)(r) for _ in range(r.randint(0, 4))),
    "frozen<set<text>>": lambda r: "{%s}" % ", ".join(text(SPACE)(r) for _ in range(r.randint(0, 2))),
    "frozen<map<int, text>>": mapping,
    "frozen<tuple<int, text>>": lambda r: "(%s, %s)" % (whole(32)(r), text(SPACE)(r)),
    "frozen<list<frozen<tuple<bigint, blob>>>>": lambda r: "[%s]" % ", ".join(
        "(%s, %s)" % (whole(64)(r), blob(r)) for _ in range(r.randint(0, 3))),
}


def fraction(r):
    return r.choice([str(r.randint(-99, 99)), "1.5", "-2.50", "1e3", '"1.5"', "NaN"])


def in_string(make):
    """A constant that CQL writes between quotes, or without, as a string of JSON."""
    return lambda r: json.dumps(make(r).strip("'").replace("''", "'"), ensure_ascii=r.random() < 0.5)


def either(make):
    """A number of CQL, as a number or as a string of JSON."""
    return lambda r: r.choice(["%s", '"%s"', " %s "]) % make(r)


# The same in documents, which are written as the values of their key.
DOCUMENTS = {
    "tinyint": either(whole(8)), "int": either(whole(32)), "bigint": either(whole(64)), "varint": either(whole(200)),
    "decimal": fraction, "double": fraction, "boolean": lambda r: r.choice(["true", "false", '"true"', "1"]),
    "text": in_string(lambda r: words(SPACE + "\n\t\\/")(r) or "x"), "ascii": in_string(lambda r: words("aZ \"'")(r) or "x"),
    "blob": in_string(blob), "uuid": in_string(ident(4)), "timeuuid": in_string(ident(1)), "inet": in_string(address),
    "date": in_string(lambda r: quoted(day(r))), "time": in_string(lambda r: quoted(clock(r))), "timestamp": in_string(moment),
    "frozen<list<int>>": lambda r: "[%d, %d]" % (r.randint(0, 9), r.randint(0, 9)),
}


def documents():
    """Types and documents; each has a number, by which its row is found again."""
    for number_of, (kind, make) in enumerate(DOCUMENTS.items()):
        r = random.Random(number_of)
        values = sorted({make(r) for _ in range(EACH // 3)})
        yield kind, [quoted('{"n": %d, "K": %s}' % pair) for pair in enumerate(values)]


def tokens_of_documents(s):
    """Types, documents and tokens. A document does not say how its key would be written: its row is found by its number."""
    from cassandra import InvalidRequest
    for number_of, (kind, texts) in enumerate(documents()):
        table = "tokens.d%d" % number_of
        s.execute("CREATE TABLE %s (k %s, n int, PRIMARY KEY (k, n))" % (table, kind))
        for text in texts:
            try:
                s.execute("INSERT INTO %s JSON %s" % (table, text))
            except InvalidRequest:
                pass
        tokens = {row.n: row.at for row in s.execute("SELECT n, token(k) AS at FROM " + table)}
        yield from (["JSON " + kind, text, tokens.get(n)] for n, text in enumerate(texts))


def literals():
    """The same ones at each run: each type with constants of its own, in the forms that people write, and damaged ones."""
    for number_of, (kind, make) in enumerate(LITERALS.items()):
        r = random.Random(number_of)
        whole_ones = sorted({make(r) for _ in range(EACH)} - {None})
        damaged_ones = {damaged(r.choice(whole_ones), r) for _ in range(EACH)}
        yield from ((kind, one) for one in whole_ones)
        yield from (("damaged " + kind, one) for one in sorted(damaged_ones - set(whole_ones) - {None}))


@case(deadline=300, needs=("cassandra",))
def tokens_of_constants_are_those_of_real_cassandra(stage):
    """The golden file is what the server says; SHARDLANE_GOLDEN=write writes it anew. A test compares our reader with it."""
    from cassandra import InvalidRequest
    from cassandra.protocol import SyntaxException
    found = []
    with direct.session(stage.cassandra_nodes[0], consistency="ONE") as s:
        s.execute("DROP KEYSPACE IF EXISTS tokens")
        s.execute(direct.CREATE % ("tokens", 1, ""))
        for number_of, kind in enumerate(LITERALS):
            s.execute("CREATE TABLE tokens.t%d (k %s PRIMARY KEY, v int)" % (number_of, kind))
        tables = {kind: "tokens.t%d" % number_of for number_of, kind in enumerate(LITERALS)}
        for kind, literal in literals():
            table = tables[kind.removeprefix("damaged ")]
            try:
                s.execute("INSERT INTO %s (k, v) VALUES (%s, 1)" % (table, literal))
                row = s.execute("SELECT token(k) FROM %s WHERE k = %s" % (table, literal)).one()
                token = row and row[0]
                if row is None:
                    log("written and not found:", kind, literal)
            except (InvalidRequest, SyntaxException):
                token = None
            found.append(json.dumps([kind, literal, token], ensure_ascii=False))
        found.extend(json.dumps(one, ensure_ascii=False) for one in tokens_of_documents(s))
        s.execute("DROP KEYSPACE tokens")
    refused = sum(line.endswith("null]") for line in found)
    log("constants", len(found), "refused", refused)
    if os.environ.get("SHARDLANE_GOLDEN") == "write":
        GOLDEN.write_text("\n".join(found) + "\n", encoding="utf-8")
    golden = GOLDEN.read_text(encoding="utf-8").splitlines()
    other = [pair for pair in zip(golden, found) if pair[0] != pair[1]]
    assert len(golden) == len(found) and not other, "the server says otherwise: %s" % other[:3]


def traced_texts(s, keyspace):
    """(coordinator, table, key) of every traced text in a keyspace."""
    shape = re.compile(r"%s\.(ints|texts) .*\bk = (?:'ключ )?(\d+)|%s\.(ints|texts) \(k, v\) VALUES \((?:'ключ )?(\d+)"
                       % (keyspace, keyspace))
    found = set()
    for row in s.execute("SELECT session_id, coordinator, request, parameters FROM system_traces.sessions"):
        match = shape.search((row.parameters or {}).get("query", ""))
        if match and row.request == "Execute CQL3 query":
            table, key = (match[1], match[2]) if match[1] else (match[3], match[4])
            found.add((row.session_id, row.coordinator, table, int(key)))
    return [row[1:] for row in found]


def write_and_read(s, keyspace):
    for k in range(KEYS):
        for table, key in (("ints", str(k)), ("texts", "'ключ %d'" % k)):
            s.execute("INSERT INTO %s.%s (k, v) VALUES (%s, %d)" % (keyspace, table, key, k))
            assert s.execute("SELECT v FROM %s.%s WHERE k = %s" % (keyspace, table, key)).one().v == k


@case(deadline=300, needs=("cassandra",))
def texts_arrive_at_a_replica_of_real_cassandra(stage):
    """By the servers' own traces, at RF 1 and 3: every text with a key has a replica for its coordinator."""
    proxy = stage.proxy(stage.cassandra_nodes[0])
    with direct.session(stage.cassandra_nodes[0]) as judge, direct.session(proxy.host) as s:
        for factor in (1, 3):
            direct.create_load_tables(judge, "traced_texts_%d" % factor, factor)

        def is_read():
            before = routed(proxy)
            for factor in (1, 3):
                s.execute("SELECT v FROM traced_texts_%d.ints WHERE k = 1" % factor)
                s.execute("SELECT v FROM traced_texts_%d.texts WHERE k = 'x'" % factor)
            return routed(proxy) == before + 4
        until("every key is read", is_read, 30)
        judge.execute("TRUNCATE system_traces.sessions")
        for node in (1, 2, 3):
            lab("nodetool", node, "settraceprobability", "1")
        try:
            # A node writes its traces after the answer, and drops some when it is busy.
            for factor in (1, 3):
                keyspace = "traced_texts_%d" % factor
                def is_traced():
                    write_and_read(s, keyspace)
                    time.sleep(2)
                    return len(traced_texts(judge, keyspace)) >= TRACES_LEAST
                until("traces", is_traced, 60, 0)
        finally:
            for node in (1, 2, 3):
                lab("nodetool", node, "settraceprobability", "0")
        for factor in (1, 3):
            keyspace = "traced_texts_%d" % factor
            texts = traced_texts(judge, keyspace)
            astray = [text for text in texts if text[0] not in direct.replicas(judge, keyspace, *text[1:])]
            seen = {coordinator for coordinator, _, _ in texts}
            log(keyspace, len(texts), "texts traced,", len(astray), "astray, coordinators", sorted(seen))
            assert not astray, "%d of %d texts went astray: %s" % (len(astray), len(texts), astray[:3])
            assert seen == set(stage.cassandra_nodes), "only %s were asked" % sorted(seen)


def routed(proxy):
    return sum(v for name, v in proxy.metrics().items()
               if name.startswith("shardlane_routing_total") and "text_literal" in name)


@case(deadline=300, needs=("cassandra",))
def texts_whose_keys_have_parts_arrive_at_a_replica_of_real_cassandra(stage):
    """Collections, tuples and types of the user's as keys: by the server's token of each, and its trace of the text."""
    from cassandra.metadata import Murmur3Token
    proxy = stage.proxy(stage.cassandra_nodes[0])
    with direct.session(stage.cassandra_nodes[0], consistency="ONE") as judge, direct.session(proxy.host) as s, contextlib.ExitStack() as end:
        # ScyllaDB's Rust driver cannot read a schema in which a type with capitals is part of another.
        end.callback(judge.execute, "DROP KEYSPACE IF EXISTS parts")
        create_keys_of_parts(judge, "parts", 1)

        def is_read():
            before = routed(proxy)
            for table, (_, key) in KEYS_OF_PARTS.items():
                s.execute("SELECT v FROM parts.%s WHERE k = %s" % (table, key(0)))
            return routed(proxy) == before + len(KEYS_OF_PARTS)
        until("every key is read", is_read, 30)
        astray, seen, traced = [], set(), 0
        for table, (_, key) in KEYS_OF_PARTS.items():
            for n in range(PARTS):
                future = s.execute_async("INSERT INTO parts.%s (k, v) VALUES (%s, %d)" % (table, key(n), n), trace=True)
                future.result()
                row = judge.execute("SELECT token(k), v FROM parts.%s WHERE k = %s" % (table, key(n))).one()
                assert row and row[1] == n, (table, n)
                owners = {host.address for host in judge.cluster.metadata.token_map.get_replicas("parts", Murmur3Token(row[0]))}
                session = "SELECT coordinator FROM system_traces.sessions WHERE session_id = %s" % future.get_query_trace_ids()[0]
                # A node drops some of its traces when it is busy.
                found = next((found for found in (attempt(judge, session) for _ in range(20)) if found), None)
                if found:
                    traced += 1
                    seen.add(found)
                    astray += [(table, n, found, owners)] if found not in owners else []
        log(traced, "texts traced,", len(astray), "astray, coordinators", sorted(seen))
        assert traced >= PARTS * len(KEYS_OF_PARTS) // 2, "only %d texts left a trace" % traced
        assert not astray, "%d of %d texts went astray: %s" % (len(astray), traced, astray[:3])
        assert seen == set(stage.cassandra_nodes), "only %s were asked" % sorted(seen)


def attempt(judge, session):
    row = judge.execute(session).one()
    if row is None:
        time.sleep(0.1)
    return row and row.coordinator
