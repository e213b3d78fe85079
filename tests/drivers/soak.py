#!/usr/bin/env python3
"""A long run: the simulated cluster, the proxy, and clients that come and go while schema and tablets change.

  soak.py --minutes 60

Samples the proxy's own memory (without the pages of its program, which are read as code is first run) and descriptors
every 5 s. After a warm-up of a fifth of the time, at least a minute, neither may grow: the slopes (medians over all pairs
of samples) are printed, and growth fails the run. So does a wrong answer, or a failure while no node was down. TEST_BINARY names the binary; the default is the newest that is built.
"""
import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import install  # noqa: E402
import run  # noqa: E402
import stage  # noqa: E402

SAMPLE_S = 5
# Growth over the whole time after the warm-up that is still taken for noise: peaks leave pages with the allocator.
MEMORY_NOISE_MIB, DESCRIPTOR_NOISE = 1, 3
NODES, SHARDS, TABLETS = 3, 4, 64
WORKERS, PAUSE_S = 4, 0.02


class Soak:
    def __init__(self, on_stage, minutes):
        import direct
        from cases.faults import memory_mib
        self.direct, self.memory_mib = direct, memory_mib
        self.random = random.Random(1)
        self.end = time.monotonic() + minutes * 60
        self.warm = time.monotonic() + max(60, minutes * 12)
        # Statements are forgotten and learned again all the time, as they would be after days.
        os.environ["SHARDLANE_LIMITS_CATALOG_BYTES_MAX"] = str(64 << 10)
        self.sim = on_stage.sim(NODES, SHARDS, TABLETS)
        self.proxy = on_stage.proxy(self.sim.hosts[0])
        self.session = on_stage.enter_context(direct.session(self.proxy.host))
        direct.create_load_tables(self.session, "soaked", 3)
        self.done, self.counts, self.faults = threading.Event(), {}, []
        # Failures are excused while a node is away, and just before and after.
        self.excused_until = 0.0

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def loop(self, what, pause, act):
        """Does something again and again until the end."""
        def work():
            while not self.done.wait(pause):
                try:
                    act()
                    self.count(what)
                except Exception as e:  # whatever it is, it must not happen
                    if time.monotonic() > self.excused_until:
                        self.faults.append("%s: %s" % (what, " ".join(repr(e).split())[:200]))
                    self.count("failed")
        return threading.Thread(target=work, name=what)

    def worker(self, n):
        insert = self.session.prepare("INSERT INTO soaked.ints (k, v) VALUES (?, ?)")
        read = self.session.prepare("SELECT v FROM soaked.ints WHERE k = ?")
        turn = [0]

        def act():
            turn[0] += 1
            k = n * 1000 + turn[0] % 500
            self.session.execute(insert, [k, turn[0]], timeout=20)
            row = self.session.execute(read, [k], timeout=20).one()
            if row is None or row.v != turn[0]:
                self.excused_until = 0.0
                raise AssertionError("wrote %d, read %s" % (turn[0], row))
        return act

    def visitor(self):
        """A driver that connects, prepares something that no other client did, and leaves."""
        # The driver's own limit for its first questions, 2 s, is short where many programs share a core.
        with self.direct.session(self.proxy.host, self.random.choice([None, "soaked"]),
                                 control_connection_timeout=20) as s:
            number = self.random.randrange(1 << 40)
            read = s.prepare("SELECT v AS v%d FROM soaked.ints WHERE k = ?" % number)
            for k in range(10):
                s.execute(read, [k], timeout=20)

    def rude(self):
        """Clients that break off: in mid-frame, with answers unread, or with garbage."""
        from cases.bad_clients import STARTUP, query
        for last in (query("SELECT v FROM soaked.ints WHERE k = 1")[:17], query("SELECT v FROM soaked.ints WHERE k = 1") * 200,
                     b"\xff" * 40):
            with socket.create_connection((self.proxy.host, self.proxy.port), 10) as s:
                s.sendall(STARTUP + last)

    def schema(self):
        name = "soaked.extra%d" % self.random.randrange(8)
        self.session.execute("CREATE TABLE IF NOT EXISTS %s (k int PRIMARY KEY, v int)" % name)
        self.session.execute("INSERT INTO %s (k, v) VALUES (1, 1)" % name)
        self.session.execute("DROP TABLE %s" % name)

    def move(self):
        tablets = self.sim.tablets("soaked", "ints")
        tablet = self.random.choice(tablets)
        replica = self.random.choice(tablet["replicas"])
        here = (replica["node"], replica["shard"])
        self.sim.move("soaked", "ints", tablet["last"], here, (here[0], (here[1] + 1) % SHARDS))

    def reshape(self):
        self.sim.post("/sim/tablets/" + ("merge" if self.counts.get("reshape", 0) % 2 else "split"), ks="soaked",
                      table="ints")

    def lose_node(self):
        self.excused_until = time.monotonic() + 60
        node = self.random.randrange(NODES)
        self.sim.post("/sim/nodes/%d/%s" % (node, self.random.choice(["stop", "kill"])))
        time.sleep(3)
        self.sim.post("/sim/nodes/%d/start" % node)
        stage.until("every shard has a connection again", lambda: all(self.sim.nodes()[node]["connections"]), 30)
        self.excused_until = time.monotonic() + 10

    def run(self):
        threads = [self.loop("request", PAUSE_S, self.worker(n)) for n in range(WORKERS)]
        for what, pause in (("visitor", 2), ("rude", 3), ("schema", 7), ("move", 1), ("reshape", 40), ("lose_node", 90)):
            threads.append(self.loop(what, pause, getattr(self, what)))
        for thread in threads:
            thread.start()
        samples, told = [], 0.0
        process = self.proxy.child.process
        try:
            while time.monotonic() < self.end:
                time.sleep(SAMPLE_S)
                assert process.poll() is None, "the proxy ended: %s" % self.proxy.child.last_errors()
                descriptors = len(os.listdir("/proc/%d/fd" % process.pid))
                samples.append((time.monotonic(), self.memory_mib(process, "RssAnon"), descriptors, self.memory_mib(process)))
                if time.monotonic() - told >= 60:
                    told = time.monotonic()
                    print("%5.0f s left, %.2f MiB of its own, %d descriptors, %.1f MiB with its program's pages, %s"
                          % (self.end - told, *samples[-1][1:], self.counts), flush=True)
        finally:
            self.done.set()
            for thread in threads:
                thread.join(60)
        return self.judge([s for s in samples if s[0] >= self.warm])

    def judge(self, samples):
        assert len(samples) >= 12, "too short: %d samples after the warm-up" % len(samples)
        verdict = {"minutes": round((samples[-1][0] - samples[0][0]) / 60, 1), **self.counts, "faults": self.faults[:5]}
        span = samples[-1][0] - samples[0][0]
        grown = {}
        for name, column in (("own_mib", 1), ("descriptors", 2), ("rss_mib", 3)):
            values = [s[column] for s in samples]
            slope = median_slope(samples, column)
            verdict[name] = {"first": round(values[0], 2), "last": round(values[-1], 2), "lowest": round(min(values), 2),
                             "highest": round(max(values), 2), "median": round(statistics.median(values), 2),
                             "slope_per_hour": round(slope * 3600, 2)}
            grown[name] = slope * span
        verdict["ok"] = (grown["own_mib"] <= MEMORY_NOISE_MIB and grown["descriptors"] <= DESCRIPTOR_NOISE
                         and not self.faults)
        return verdict


def median_slope(samples, column):
    """Theil and Sen's: the median over pairs, which no single peak can turn."""
    step = max(1, len(samples) // 300)
    few = samples[::step]
    return statistics.median((b[column] - a[column]) / (b[0] - a[0])
                             for i, a in enumerate(few) for b in few[i + 1:])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if not args.inside:
        # Again in the environment that has the driver.
        net, keeper = run.own_net()
        run.LOGS.mkdir(parents=True, exist_ok=True)
        for old in run.LOGS.glob("soak.*"):
            old.unlink()
        env = dict(os.environ, TEST_NET=net + ".1", TEST_LOG=str(run.LOGS / "soak"), PYTHONUNBUFFERED="1")
        python = install.EVERYTHING["python-cassandra"]()
        code = subprocess.call([*python, __file__, "--inside", "--minutes", str(args.minutes)], env=env)
        keeper.close()
        sys.exit(code)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with stage.Stage() as on_stage:
            verdict = Soak(on_stage, args.minutes).run()
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    print(json.dumps(verdict))
    print("soak: %s" % ("nothing grew" if verdict["ok"] else "FAILED"), flush=True)
    sys.exit(0 if verdict["ok"] else 1)


if __name__ == "__main__":
    main()
