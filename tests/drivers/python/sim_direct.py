"""ScyllaDB's own Python driver against the simulated cluster, without the proxy.

The driver judges how faithful the simulation is: it must find the shards, open one connection to
each through the shard-aware port, learn the tablets, and then get no more reports.

usage: sim_direct.py [--contact 127.0.0.1] [--port 9042] [--api http://127.0.0.1:10000]
Needs the package scylla-driver. Exit code 0: all is well, 1: something is not.
"""

import argparse
import json
import sys
import time
import urllib.request

from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

KEYS = range(300)
PAYLOAD = "tablets-routing-v1"
DEADLINE_S = 20

parser = argparse.ArgumentParser()
parser.add_argument("--contact", default="127.0.0.1")
parser.add_argument("--port", type=int, default=9042)
parser.add_argument("--api", default="http://127.0.0.1:10000")
arguments = parser.parse_args()


def call(method, path):
    request = urllib.request.Request(arguments.api + path, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def check(truth, words):
    print("ok  " if truth else "FAIL", words)
    if not truth:
        sys.exit(1)


def within(deadline_s, predicate):
    end = time.monotonic() + deadline_s
    while not predicate():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def arrivals():
    tables = call("GET", "/sim/requests")["tables"]
    table = next(it for it in tables if (it["keyspace"], it["table"]) == ("direct", "t"))
    return table["routable"]


def read_all(session, statement):
    """How many answers said where a tablet is."""
    reports = 0
    for key in KEYS:
        future = session.execute_async(statement, (key,))
        rows = list(future.result())
        assert rows[0].v == f"value {key}", rows
        reports += PAYLOAD in (future.custom_payload or {})
    return reports


def warm_up(session, statement):
    """Reads until no more tablets are reported; how many rounds it took."""
    for round_number in range(1, 10):
        call("POST", "/sim/requests/reset")
        if read_all(session, statement) == 0:
            return round_number
    return None


profile = ExecutionProfile(
    load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
    consistency_level=ConsistencyLevel.ONE,
)
cluster = Cluster(
    [arguments.contact],
    port=arguments.port,
    protocol_version=4,
    execution_profiles={EXEC_PROFILE_DEFAULT: profile},
)
session = cluster.connect()

nodes = [node for node in call("GET", "/sim/nodes")["nodes"] if node["state"] == "up"]
check(len(cluster.metadata.all_hosts()) == len(nodes), f"the driver sees {len(nodes)} nodes")
check(cluster.is_shard_aware(), "the driver calls the cluster shard-aware")


def every_shard_connected():
    stats = cluster.shard_aware_stats()
    return len(stats) == len(nodes) and all(
        stat["connected"] == stat["shards_count"] for stat in stats.values()
    )


check(within(DEADLINE_S, every_shard_connected), "one connection to each shard of each node")
connections = [node["connections"] for node in call("GET", "/sim/nodes")["nodes"]]
check(all(min(it) >= 1 for it in connections), f"the nodes agree: {connections}")

session.execute("DROP KEYSPACE IF EXISTS direct")
session.execute(
    "CREATE KEYSPACE direct WITH replication = "
    "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1} AND tablets = {'initial': 12}"
)
session.execute("CREATE TABLE direct.t (pk int PRIMARY KEY, v text)")
check("t" in cluster.metadata.keyspaces["direct"].tables, "the driver knows the new table")

insert = session.prepare("INSERT INTO direct.t (pk, v) VALUES (?, ?)")
for key in KEYS:
    session.execute(insert, (key, f"value {key}"))
learnt = arrivals()["payloads"]
check(0 < learnt <= 60, f"{learnt} answers reported 12 tablets")

select = session.prepare("SELECT v FROM direct.t WHERE pk = ?")
check(warm_up(session, select) is not None, "the driver has nothing more to learn")
counts = arrivals()
check(
    counts["right_shard"] == len(KEYS) and counts["wrong_shard"] == counts["non_replica"] == 0,
    f"then every request arrives on the right shard: {counts}",
)

by_address = {node["address"]: node["node"] for node in nodes}
places = {
    (it["replicas"][0]["node"], "shard %d" % it["replicas"][0]["shard"])
    for it in call("GET", "/sim/tablets?ks=direct&table=t")["tablets"]
}
served = set()
for key in list(KEYS)[:50]:
    trace = session.execute(select, (key,), trace=True).get_query_trace(max_wait_sec=5)
    assert trace.duration is not None and trace.request_type == "Execute CQL3 prepared query", trace
    served |= {(by_address[event.source], event.thread_name) for event in trace.events}
check(served and served <= places, f"traces show which shards served: {sorted(served)}")

tablets = call("GET", "/sim/tablets?ks=direct&table=t")["tablets"]
source = tablets[3]["replicas"][0]
target = (source["node"] + 1) % len(nodes)
call(
    "POST",
    "/storage_service/tablets/move?ks=direct&table=t"
    f"&src_host={source['host_id']}&src_shard={source['shard']}"
    f"&dst_host={target}&dst_shard=0&token={tablets[3]['last']}",
)
call("POST", "/sim/requests/reset")
reports = read_all(session, select)
check(reports >= 1, f"after a move the driver gets reports again ({reports} times)")
check(warm_up(session, select) is not None, "and then no more")

call("POST", "/sim/tablets/split?ks=direct&table=t")
check(warm_up(session, select) == 1, "a split alone is reported to no driver: the replicas are the same")
call("POST", "/sim/tablets/merge?ks=direct&table=t")
check(warm_up(session, select) is not None, "a merge is learnt")

call("POST", "/sim/prepared/forget")
check(read_all(session, select) == 0, "a forgotten statement is prepared again without a word")

session.execute("DROP KEYSPACE direct")
cluster.shutdown()
