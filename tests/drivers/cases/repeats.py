"""Requests that go to the cluster twice: copies of slow reads, and repeats of what a node refused, within a budget."""
import random
import time

import direct
from stage import case, log, until

NODES, SHARDS, TABLETS = 3, 2, 16
KEYS = 60
# So many that each tablet has some.
KEYS_OF_ALL_TABLETS = 400


class Pair:
    """A table of three replicas, every tablet of which the proxy knows, with a prepared write and a prepared read."""

    def __init__(self, s, proxy, keyspace):
        from cassandra.policies import FallthroughRetryPolicy
        s.cluster.profile_manager.default.retry_policy = FallthroughRetryPolicy()
        self.session = s
        direct.create_load_tables(s, keyspace, 3)
        self.write = s.prepare("INSERT INTO %s.ints (k, v) VALUES (?, ?)" % keyspace)
        self.read = s.prepare("SELECT v FROM %s.ints WHERE k = ?" % keyspace)
        self.text = "SELECT v FROM %s.ints WHERE k = %%d" % keyspace

        keys, order = list(range(KEYS_OF_ALL_TABLETS)), random.Random(1)

        def all_known():
            # Lanes are taken in turn: in a fixed order a tablet might be hit by luck each time, and stay unknown.
            order.shuffle(keys)
            for k in keys:
                s.execute(self.write, (k, k))
            return proxy.metrics()["shardlane_tablet_map_entries"] >= TABLETS
        until("every tablet is known", all_known, 60)

        def key_known():
            s.execute(self.text % 1)
            return proxy.metrics()['shardlane_routing_total{reason="text_literal"}'] > 0
        until("texts are read", key_known, 60)

    def reads(self, count, by_text=False):
        """How long each of so many reads took, one after the other."""
        times = []
        for n in range(count):
            k = n % KEYS
            begin = time.monotonic()
            asked = (self.text % k, None) if by_text else (self.read, (k,))
            assert self.session.execute(*asked).one().v == k
            times.append(time.monotonic() - begin)
        return sorted(times)


def executes(sim, what="executes"):
    return [node[what] for node in sim.nodes()]


@case(deadline=180, together=2)
def slow_reads_have_a_second_copy_and_writes_never(stage):
    """With one slow node a stock driver sees the others' latency for reads, and each write arrives once."""
    slow_ms, copy_ms = 1000, 40
    sim = stage.sim(NODES, SHARDS, TABLETS)
    plain = stage.proxy(sim.hosts[0])
    settings = stage.file("speculative.toml", "[retries]\nspeculative_ms = %d\npercent = 100\n" % copy_ms)
    quick = stage.proxy(sim.hosts[0], "--config", settings, last=101)
    with direct.session(plain.host, consistency="ONE") as one, direct.session(quick.host, consistency="ONE") as two:
        without, with_copies = Pair(one, plain, "without"), Pair(two, quick, "copies")
        sim.post("/sim/nodes/0/strain", slow_ms=slow_ms)
        before = without.reads(KEYS // 2)
        assert before[-1] >= slow_ms / 1000, "no read came to the slow node: the test proves nothing"
        after = with_copies.reads(3 * KEYS)
        log("slowest reads without copies %.3f s, with them %.3f s" % (before[-1], after[-1]))
        assert after[-1] < slow_ms / 2000, "a read waited for the slow node: %.3f s" % after[-1]
        by_text = with_copies.reads(KEYS, by_text=True)
        log("slowest read by text %.3f s" % by_text[-1])
        assert by_text[-1] < slow_ms / 2000, "a read by text waited for the slow node: %.3f s" % by_text[-1]
        copies = quick.metrics()['shardlane_routing_total{reason="speculative"}']
        assert 0 < copies <= 4 * KEYS, copies

        for node in range(NODES):
            sim.post("/sim/nodes/%d/strain" % node, slow_ms=slow_ms if node == 0 else 0)
        futures = [two.execute_async(with_copies.write, (k, -k)) for k in range(KEYS)]
        for future in futures:
            future.result()
        assert executes(sim)[0] > 0, "no write came to the slow node: the test proves nothing"
        assert sum(executes(sim)) == KEYS, "%d writes arrived %s times" % (KEYS, executes(sim))
        values = {row.k: row.v for row in two.execute("SELECT k, v FROM copies.ints")}
        assert all(values[k] == -k for k in range(KEYS)), "a write is lost"


@case(deadline=180, together=2)
def repeats_of_refused_requests_stay_within_their_budget(stage):
    """A node answers OVERLOADED: with a large budget no client notices, with a small one the cluster gets no more."""
    percent, floor, requests = 5, 1, 1500
    sim = stage.sim(NODES, SHARDS, TABLETS)
    settings = stage.file("small.toml", "[retries]\npercent = %d\nfloor_per_s = %d\n" % (percent, floor))
    small = stage.proxy(sim.hosts[0], "--config", settings)
    settings = stage.file("large.toml", "[retries]\npercent = 100\nfloor_per_s = 10000\n")
    large = stage.proxy(sim.hosts[0], "--config", settings, last=101)

    def strained(pair, rounds):
        """Sends requests in turn, reads and writes; how many failed, and how many arrived at each node."""
        for node in range(NODES):
            sim.post("/sim/nodes/%d/strain" % node, overloaded=str(node == 0).lower())
        failed = 0
        for n in range(rounds):
            statement, values = (pair.read, (n % KEYS,)) if n % 2 else (pair.write, (n % KEYS, n % KEYS))
            try:
                pair.session.execute(statement, values)
            except Exception as e:
                assert "overload" in repr(e).lower(), e
                failed += 1
        return failed, sum(executes(sim)), sum(executes(sim, "refused"))

    with direct.session(large.host, consistency="ONE") as s:
        failed, arrived, refused = strained(Pair(s, large, "large"), requests)
        log("large budget: %d failed, %d arrived, %d refused" % (failed, arrived, refused))
        assert failed == 0 and refused > 0 and arrived == requests + refused, (failed, arrived, refused)

    for node in range(NODES):
        sim.post("/sim/nodes/%d/strain" % node)
    with direct.session(small.host, consistency="ONE") as s:
        pair, begin = Pair(s, small, "small"), time.monotonic()
        # Credit from before fades: ten seconds' worth of requests and of the trickle is there at most.
        received = [n for name, n in small.metrics().items() if name.startswith("shardlane_requests_received_total")]
        credit = sum(received) * percent / 100 + 10 * floor
        failed, arrived, refused = strained(pair, requests)
        repeated = arrived - requests
        bound = requests * percent / 100 + floor * (time.monotonic() - begin) + credit
        log("small budget: %d failed, %d arrived, %d refused, at most %d repeats" % (failed, arrived, refused, bound))
        assert 0 < repeated <= bound, "%d repeats, at most %d" % (repeated, bound)
        assert failed == refused - repeated > 0, (failed, arrived, refused)
        assert small.metrics()["shardlane_retries_refused_total"] >= failed
