#!/usr/bin/env python3
"""An application that keeps the rules: a driver that writes and reads its own row all the time, and now and then a new session.

  neighbour.py HOST USER PASSWORD NUMBER

Prints `ready`, and then for each line on stdin one line of JSON: what happened since the last one.
"""
import collections
import json
import sys
import threading
import time

PAUSE_S, VISIT_S = 0.04, 5
# Long: how fast they are served is compared, and an error is what the proxy answers.
PATIENCE_S = 60


class Neighbour:
    def __init__(self, host, user, password, number):
        self.host, self.user, self.password, self.number = host, user, password, int(number)
        self.lock, self.done = threading.Lock(), threading.Event()
        self.forget()
        self.cluster = self.new_cluster()
        self.session = self.cluster.connect()
        self.write = self.prepare(self.session, "INSERT INTO watched.ints (k, v) VALUES (?, ?)")
        self.read = self.prepare(self.session, "SELECT v FROM watched.ints WHERE k = ?")

    def forget(self):
        # Times in tenths of a millisecond.
        self.times, self.logins = collections.Counter(), []
        self.repeated, self.errors = 0, []

    def new_cluster(self):
        from cassandra import ConsistencyLevel
        from cassandra.auth import PlainTextAuthProvider
        from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
        from cassandra.policies import RetryPolicy, RoundRobinPolicy
        outer = self

        class Repeat(RetryPolicy):
            """Writes of this program may be repeated: a node that dies with one leaves its outcome unknown."""

            def on_write_timeout(self, query, consistency, write_type, required_responses, received_responses, retry_num):
                if retry_num:
                    return self.RETHROW, None
                outer.repeated += 1
                return self.RETRY, consistency
        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), retry_policy=Repeat(), request_timeout=PATIENCE_S,
                                   consistency_level=ConsistencyLevel.QUORUM)
        return Cluster([self.host], auth_provider=PlainTextAuthProvider(self.user, self.password), executor_threads=1,
                       execution_profiles={EXEC_PROFILE_DEFAULT: profile}, connect_timeout=PATIENCE_S, control_connection_timeout=PATIENCE_S,
                       schema_metadata_enabled=False, token_metadata_enabled=False)

    @staticmethod
    def prepare(session, text):
        statement = session.prepare(text)
        statement.is_idempotent = True
        return statement

    def requests(self):
        turn = 0
        while not self.done.wait(PAUSE_S):
            turn += 1
            k = self.number * 1000 + turn % 100
            self.timed(lambda: self.session.execute(self.write, [k, turn]))
            row = self.timed(lambda: self.session.execute(self.read, [k]).one())
            if row is not None and row.v != turn:
                self.failed("wrote %d, read %d" % (turn, row.v))

    def timed(self, act):
        began = time.monotonic()
        try:
            done = act()
        except Exception as e:  # whatever it is, the crowd caused it
            self.failed(repr(e))
            return None
        with self.lock:
            self.times[round((time.monotonic() - began) * 10_000)] += 1
        return done

    def failed(self, why):
        with self.lock:
            self.errors.append(time.strftime("%H:%M:%S ") + " ".join(why.split())[:300])

    def visits(self):
        self.done.wait(self.number * VISIT_S / 8)
        while not self.done.wait(VISIT_S):
            began = time.monotonic()
            cluster = self.new_cluster()
            try:
                cluster.connect().execute("SELECT v FROM watched.ints WHERE k = 1")
                with self.lock:
                    self.logins.append(time.monotonic() - began)
            except Exception as e:  # as above
                self.failed("a new session: %r %s" % (e, getattr(e, "errors", "")))
            finally:
                cluster.shutdown()

    def report(self):
        with self.lock:
            result = {"times": self.times, "logins": self.logins, "repeated": self.repeated, "errors": self.errors}
            self.forget()
        return json.dumps(result)


def main():
    neighbour = Neighbour(*sys.argv[1:5])
    threads = [threading.Thread(target=work, daemon=True) for work in (neighbour.requests, neighbour.visits)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(neighbour.report(), flush=True)
    neighbour.done.set()
    for thread in threads:
        thread.join(30)


if __name__ == "__main__":
    main()
