"""Writes and reads back keys of two tables; prints what it saw as one line of JSON.

`load` goes on until a line arrives; `touch` does every key once, waits for a line, and does it again.
"""
import argparse
import collections
import json
import ssl
import sys
import threading
import time

from cassandra import (ConsistencyLevel, ReadFailure, ReadTimeout, Unavailable, WriteFailure, WriteTimeout)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
from cassandra.connection import UnixSocketEndPoint
from cassandra.policies import ConstantReconnectionPolicy, FallthroughRetryPolicy, RoundRobinPolicy, TokenAwarePolicy
from cassandra.protocol import OverloadedErrorMessage

WORKERS = 8
# Keeps a load from starving the servers that share its machine.
PAUSE = 0.02
CODES = {Unavailable: "0x1000", WriteTimeout: "0x1100", ReadTimeout: "0x1200", ReadFailure: "0x1300",
         WriteFailure: "0x1500", OverloadedErrorMessage: "0x1001"}


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.requests = self.wrong = 0
        self.longest = 0.0
        self.errors = collections.Counter()
        self.failed = {}

    def request(self, table, k, run, expected=None):
        """Runs one request and notes how it ended; whether it succeeded."""
        begin, error, got = time.monotonic(), None, None
        try:
            got = run()
        except Exception as e:  # whatever the driver raises is what the application would see
            error = e
        took = time.monotonic() - begin
        with self.lock:
            self.requests += 1
            self.longest = max(self.longest, took)
            if error is not None:
                name = CODES.get(type(error)) or "%s %s" % (type(error).__name__, error)
                if name not in self.errors:
                    print(time.strftime("%H:%M:%S"), table, k, repr(error), file=sys.stderr, flush=True)
                self.errors[name] += 1
                self.failed.setdefault(table, []).append(k)
            elif expected is not None and (got.one() or (None,))[0] != expected:
                self.wrong += 1
        return error is None

    def print(self):
        print(json.dumps({"requests": self.requests, "wrong": self.wrong, "longest": round(self.longest, 3),
                          "errors": self.errors, "failed": self.failed}), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--port", type=int, default=9042)
    p.add_argument("--keyspace", required=True)
    p.add_argument("--mode", choices=("load", "touch"), default="load")
    p.add_argument("--keys", type=int, default=200)
    p.add_argument("--consistency", default="QUORUM")
    p.add_argument("--ca", help="speaks TLS with servers that this CA signed")
    p.add_argument("--user")
    p.add_argument("--password")
    args = p.parse_args()
    more = {}
    if args.ca:
        more["ssl_context"] = ssl.create_default_context(cafile=args.ca)
        more["ssl_context"].check_hostname = False
    if args.user:
        more["auth_provider"] = PlainTextAuthProvider(args.user, args.password)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(RoundRobinPolicy()), retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.name_to_value[args.consistency], request_timeout=20)
    contact = UnixSocketEndPoint(args.host) if args.host.startswith("/") else args.host
    cluster = Cluster([contact], port=args.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                      connect_timeout=10, reconnection_policy=ConstantReconnectionPolicy(0.5, None), **more)
    session = cluster.connect(args.keyspace)
    statements = {table: (session.prepare("INSERT INTO %s.%s (k, v) VALUES (?, ?)" % (args.keyspace, table)),
                          session.prepare("SELECT v FROM %s.%s WHERE k = ?" % (args.keyspace, table))) for table in ("ints", "texts")}

    def write_and_read(tally, k, v):
        for table, key in (("ints", k), ("texts", "ключ %d" % k)):
            insert, read = statements[table]
            if tally.request(table, k, lambda: session.execute(insert, [key, v])):
                tally.request(table, k, lambda: session.execute(read, [key]), v)

    stop = threading.Event()

    pause = PAUSE if args.mode == "load" else 0

    def work(tally, worker, rounds):
        for v in rounds:
            for k in range(worker, args.keys, WORKERS):
                if stop.is_set():
                    return
                write_and_read(tally, k, v)
                time.sleep(pause)

    def everybody(rounds, while_running):
        tally = Tally()
        threads = [threading.Thread(target=work, args=(tally, w, rounds())) for w in range(WORKERS)]
        for t in threads:
            t.start()
        while_running()
        for t in threads:
            t.join()
        tally.print()

    if hasattr(cluster, "shard_aware_stats"):
        print("@shards", json.dumps(cluster.shard_aware_stats()), flush=True)
    if args.mode == "load":
        def until_told():
            print("@running", flush=True)
            sys.stdin.readline()
            stop.set()
        everybody(lambda: iter(range(1 << 30)), until_told)
    else:
        for v in (1, 2):
            everybody(lambda: iter([v]), lambda: None)
            sys.stdin.readline()
    cluster.shutdown()


if __name__ == "__main__":
    main()
