#!/usr/bin/env python3
"""Lets a stock driver judge the fake nodes: `pip install scylla-driver`, then check_driver.py HOST[:PORT].

The driver must start, read the schema, find shards, route by token and get the right values. Prints one JSON line.
"""
import json
import struct
import sys
import time

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy

KEYS = range(-2000, 2000)
SHARDS_SECONDS = 10


def wait_for_shards(cluster):
    """Until every node's every shard has a connection, or patience ends."""
    end = time.monotonic() + SHARDS_SECONDS
    while True:
        stats = cluster.shard_aware_stats() or {}
        if time.monotonic() > end or all(s["shards_count"] == s["connected"] for s in stats.values()):
            return {host: f"{s['connected']}/{s['shards_count']}" for host, s in stats.items()}
        time.sleep(0.1)


def main():
    host, _, port = sys.argv[1].partition(":")
    profile = ExecutionProfile(load_balancing_policy=TokenAwarePolicy(RoundRobinPolicy()))
    cluster = Cluster([host], port=int(port or 9042), execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect("ks")
    shards = wait_for_shards(cluster)
    table = cluster.metadata.keyspaces["ks"].tables["t"]
    assert [c.name for c in table.partition_key] == ["pk"], table.partition_key
    read = session.prepare("SELECT pk, v FROM ks.t WHERE pk = ?")
    write = session.prepare("INSERT INTO t (pk, v) VALUES (?, ?)")
    assert read.routing_key_indexes == [0], read.routing_key_indexes
    for key in KEYS:
        start = struct.pack(">q", key)
        row = session.execute(read, (key,)).one()
        assert row.pk == key and row.v.startswith(start), row
        session.execute(write, (key, start + b"x" * 100))
    local = session.execute("SELECT release_version, schema_version FROM system.local WHERE key='local'").one()
    hosts = len(cluster.metadata.all_hosts())
    print(json.dumps({"hosts": hosts, "shards": shards, "release": local.release_version, "requests": 2 * len(KEYS)}))
    cluster.shutdown()


if __name__ == "__main__":
    main()
