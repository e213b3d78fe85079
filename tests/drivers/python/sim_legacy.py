"""The Python driver for Apache Cassandra, which knows no shards, against the simulated cluster.

usage: sim_legacy.py [--contact 127.0.0.1] [--port 9042] [--user NAME --password WORD]
Needs the package cassandra-driver. Exit code 0: all is well, 1: something is not.
"""

import argparse
import sys
import uuid

from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster
from cassandra.query import BatchStatement, SimpleStatement

parser = argparse.ArgumentParser()
parser.add_argument("--contact", default="127.0.0.1")
parser.add_argument("--port", type=int, default=9042)
parser.add_argument("--user")
parser.add_argument("--password")
arguments = parser.parse_args()


def check(truth, words):
    print("ok  " if truth else "FAIL", words)
    if not truth:
        sys.exit(1)


auth = PlainTextAuthProvider(arguments.user, arguments.password) if arguments.user else None
for version, compression in ((None, True), (3, False), (4, False)):
    label = f"protocol {version or 'negotiated'}, compression {compression}"
    named = {"protocol_version": version} if version else {}
    cluster = Cluster(
        [arguments.contact],
        port=arguments.port,
        auth_provider=auth,
        compression=compression,
        **named,
    )
    session = cluster.connect()
    check(cluster.protocol_version == (version or 4), f"{label}: connected")
    session.execute("DROP KEYSPACE IF EXISTS legacy")
    session.execute(
        "CREATE KEYSPACE legacy WITH replication = "
        "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
    )
    session.set_keyspace("legacy")
    session.execute(
        "CREATE TABLE t (a int, b text, c int, m map<text, int>, u uuid, "
        "PRIMARY KEY ((a, b), c))"
    )
    insert = session.prepare("INSERT INTO t (a, b, c, m, u) VALUES (?, ?, ?, ?, ?)")
    insert.consistency_level = ConsistencyLevel.QUORUM
    key = uuid.uuid4()
    for number in range(25):
        session.execute(insert, (1, "x", number, {"n": number}, key))
    rows = list(session.execute("SELECT c, m, u FROM t WHERE a = 1 AND b = 'x'"))
    check([row.c for row in rows] == list(range(25)), f"{label}: rows come back in order")
    check(rows[7].m == {"n": 7} and rows[7].u == key, f"{label}: values survive")

    paged = session.execute(SimpleStatement("SELECT c FROM t", fetch_size=10))
    check(len(paged.current_rows) == 10 and len(list(paged)) == 25, f"{label}: pages")

    batch = BatchStatement()
    batch.add(insert, (2, "y", 1, None, key))
    batch.add("INSERT INTO t (a, b, c) VALUES (2, 'y', 2)")
    session.execute(batch)
    count = session.execute("SELECT count(*) FROM t WHERE a = 2 AND b = 'y'").one()[0]
    check(count == 2, f"{label}: a batch of prepared and text")

    try:
        session.execute("SELECT nothing FROM t")
        check(False, f"{label}: an unknown column is refused")
    except InvalidRequest as error:
        check("nothing" in str(error), f"{label}: an unknown column is refused")
    traced = session.execute("SELECT * FROM t LIMIT 1", trace=True)
    check(traced.response_future._query_traces is not None, f"{label}: traced")
    session.execute("DROP KEYSPACE legacy")
    cluster.shutdown()
