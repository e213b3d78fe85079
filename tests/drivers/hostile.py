#!/usr/bin/env python3
"""A crowd of hostile clients beside eight drivers that keep the rules, under a limit of memory: the drivers must not feel it.

  hostile.py --minutes 60
  hostile.py --minutes 2 --plays 'bulk|local'      only these plays, to find out which one is felt

First the crowd plays against another proxy of the same cluster, so that processors and nodes are as busy as later; that is quiet.
Then it plays against the drivers' own proxy, while nodes are killed and come back, and two drivers go through the other one: they
show what nodes and machine do to everybody meanwhile. At last it leaves. Exits with 1 when a bound is broken: no error for the
drivers, the 99th percentile of their requests at most three times the greater of quiet's and of theirs, probes answered in
time, the process alive under --limit-mib, and 60 s after the crowd has left no more than 10 MiB above idle. TEST_BINARY names the
binary; the default is the newest that is built.
"""
import argparse
import collections
import contextlib
import json
import os
import signal
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

DRIVERS, BESIDE, CROWDS, DESCRIPTORS = 8, 2, 1, 4096
LIMIT_MIB, SHARE = 128, 0.75
SLOWER_MAX, KEPT_MIB_MAX, AFTER_S = 3, 10, 60
# A probe's own limit in the manifests is 1 s and more; kubelet asks every few seconds.
PROBE_S_MAX = 1
NODE_EVERY_S, NODE_AWAY_S = 45, 3
ROOT, PASSWORD, MALLORY, TRUDY = "root", "root's secret", "mallory", "trudy"
# Plays of clients that log in first.
LOGGED_IN = ("local_answers_unread", "large_local_statements", "half_requests", "compressed_zeros", "texts_with_values", "bulk_unread",
             "coming_and_going")
SETTINGS = """
username = "%s"
password_file = "%s"
[auth]
mode = "pass-through"
recheck_s = 5
[limits]
memory_bytes_max = %d
credentials_max = 24
clients_max = 1000
catalog_bytes_max = 4_194_304
frame_body_bytes_max = 4_194_304
[retries]
speculative_ms = 10
"""


def memory_mib(pid, what):
    for line in open("/proc/%d/status" % pid):
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no %s" % what)


class Group:
    """A memory cgroup for the proxy, where this machine lets us make one; otherwise only its peak is looked at."""

    PLACES = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))

    def __init__(self, limit_mib):
        self.path, self.why = None, "no memory controller is there"
        for place, limit in self.PLACES:
            path = Path(place, "shardlane-hostile-%d" % os.getpid())
            if Path(place, "cgroup.procs").exists():
                try:
                    path.mkdir()
                    self.path = path
                    (path / limit).write_text(str(limit_mib << 20))
                    return
                except OSError as e:
                    self.close()
                    self.why = str(e)

    def under(self):
        """The words of a program that starts another one in the group."""
        if self.path is None:
            return ()
        return ("sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self.path))

    def close(self):
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.rmdir()
            self.path = None


class Phase:
    """What happened in one part of the run."""

    def __init__(self):
        self.times, self.logins, self.errors = collections.Counter(), [], []
        # Of the drivers that go through the other proxy.
        self.times_beside = collections.Counter()
        self.repeated, self.probes, self.probes_failed, self.highest_mib, self.loads = 0, [], 0, 0.0, []

    def percentile_ms(self, share, beside=False):
        times = self.times_beside if beside else self.times
        wanted, seen = share * times.total(), 0
        for time_10, count in sorted(times.items()):
            seen += count
            if seen >= wanted:
                return time_10 / 10
        return float("nan")


class Hostile:
    def __init__(self, on_stage, limit_mib=LIMIT_MIB, plays=""):
        import direct
        from cassandra.auth import PlainTextAuthProvider
        self.stage, self.limit_mib, self.pattern = on_stage, limit_mib, plays
        self.sim = on_stage.sim(3, 2, 32, 1, "--challenge", "--user", "%s:%s" % (ROOT, PASSWORD))
        password = on_stage.file("password", PASSWORD + "\n")
        password.chmod(0o600)
        settings = on_stage.file("shardlane.toml", SETTINGS % (ROOT, password, int(limit_mib * SHARE * (1 << 20))))
        self.group = Group(limit_mib)
        on_stage.callback(self.group.close)
        stage.log("a cgroup of %d MiB" % limit_mib if self.group.path else "without a cgroup: " + self.group.why)
        few = ("prlimit", "--nofile=%d" % DESCRIPTORS)
        self.proxy, self.decoy = (on_stage.proxy(self.sim.hosts[0], "--config", settings, last=last, under=(*under, *few))
                                  for last, under in ((100, self.group.under()), (101, ())))
        self.pid = self.proxy.child.process.pid
        with direct.session(self.sim.hosts[0], auth_provider=PlainTextAuthProvider(ROOT, PASSWORD)) as s:
            direct.create_load_tables(s, "watched", 3)
            s.execute("CREATE TABLE watched.blobs (k int PRIMARY KEY, v blob)")
            insert = s.prepare("INSERT INTO watched.blobs (k, v) VALUES (?, ?)")
            for k in range(64):
                s.execute(insert, [k, bytes(1 << 16)])
        users = ["app%d" % n for n in range(DRIVERS // 2)]
        for user, table in [*((user, "ints") for user in users), (MALLORY, "blobs"), (TRUDY, "blobs")]:
            self.sim.post("/sim/roles/%s/create" % user, password="pw of " + user)
            self.sim.post("/sim/roles/%s/grant" % user, ks="watched", table=table)
        self.drivers = []
        for number in range(DRIVERS + BESIDE):
            user, proxy = users[number % len(users)], self.proxy if number < DRIVERS else self.decoy
            python = install.EVERYTHING[("python-cassandra", "python-scylla")[number % 2]]()
            self.drivers.append(on_stage.start([*python, HERE / "neighbour.py", proxy.host, user, "pw of " + user, number],
                                               "driver%d" % number, stdin=True))
        for driver in self.drivers:
            driver.next_line(60, lambda line: line == "ready")
        self.idle_mib = self.away = None

    def crowd(self, proxy, stack):
        def start(number):
            words = [word for user in (MALLORY, TRUDY) for word in (user, "pw of " + user)]
            crowd = self.stage.start([sys.executable, HERE / "crowd.py", proxy.host, *words, self.pattern], "crowd%d" % number, stdin=True)
            stack.callback(crowd.stop)
            return crowd
        return [start(number) for number in range(CROWDS)]

    def phase(self, seconds, each_s=None):
        """Lets so much time pass; `each_s` is called every second."""
        phase, end = Phase(), time.monotonic() + seconds
        self.collect(Phase())
        reported = time.monotonic()
        while time.monotonic() < end:
            began = time.monotonic()
            assert self.proxy.child.process.poll() is None, "the proxy ended: %s" % self.proxy.child.last_errors()
            phase.loads.append(os.getloadavg()[0])
            self.probe(phase)
            if each_s:
                each_s(time.monotonic() - end + seconds)
            if time.monotonic() - reported >= 60:
                reported = time.monotonic()
                self.collect(phase)
                stage.log("%4.0f s left: %d requests, %d errors, p99 %.1f ms, memory %.1f MiB"
                          % (end - reported, phase.times.total(), len(phase.errors), phase.percentile_ms(0.99),
                             self.own_mib()))
            time.sleep(max(0.0, began + 1 - time.monotonic()))
        self.collect(phase)
        # The kernel keeps the peak of the whole process so far.
        phase.highest_mib = memory_mib(self.pid, "VmHWM")
        return phase

    def own_mib(self):
        """Without the pages of its program, which are read as code is first run."""
        return memory_mib(self.pid, "RssAnon")

    def probe(self, phase):
        began = time.monotonic()
        try:
            phase.probes_failed += stage.fetch(self.proxy.admin + "/livez", seconds=10)[0] != 200
        except OSError:
            phase.probes_failed += 1
        phase.probes.append(time.monotonic() - began)

    def collect(self, phase):
        for driver in self.drivers:
            driver.tell("report")
        for driver in self.drivers:
            reported = json.loads(driver.next_line(60, lambda line: line.startswith("{")))
            times = {int(time_10): count for time_10, count in reported["times"].items()}
            if driver in self.drivers[DRIVERS:]:
                phase.times_beside.update(times)
                continue
            phase.times.update(times)
            phase.logins += reported["logins"]
            phase.errors += reported["errors"]
            phase.repeated += reported["repeated"]

    def disturb(self, since):
        """A node dies every so often and comes back soon."""
        turn, at = divmod(since, NODE_EVERY_S)
        is_due = NODE_EVERY_S / 2 <= at < NODE_EVERY_S / 2 + NODE_AWAY_S
        if is_due and self.away is None:
            self.away = int(turn) % 3
            self.sim.post("/sim/nodes/%d/kill" % self.away)
        elif not is_due:
            self.bring_back()

    def bring_back(self):
        if self.away is not None:
            self.sim.post("/sim/nodes/%d/start" % self.away)
            self.away = None

    def run(self, quiet_s, hostile_s, after_s=AFTER_S):
        self.phase(10)
        self.idle_mib = self.own_mib()
        with contextlib.ExitStack() as stack:
            self.crowd(self.decoy, stack)
            self.quiet = self.phase(quiet_s)
        self.idle_mib = max(self.idle_mib, self.own_mib())
        with contextlib.ExitStack() as stack:
            crowds = self.crowd(self.proxy, stack)
            self.hostile = self.phase(hostile_s, self.disturb)
            self.plays = []
            for crowd in crowds:
                crowd.tell()
                self.plays.append(json.loads(crowd.next_line(20)))
        self.bring_back()
        self.after = self.phase(after_s)
        self.after_mib = self.own_mib()

    def faults(self, compares_times=True, kept_mib_max=KEPT_MIB_MAX):
        """What was broken, in words."""
        errors = self.quiet.errors + self.hostile.errors + self.after.errors
        probe = max(self.hostile.probes)
        quiet, hostile = (phase.percentile_ms(0.99) for phase in (self.quiet, self.hostile))
        beside = self.hostile.percentile_ms(0.99, beside=True)
        reported = [("%d errors, such as %s" % (len(errors), errors[:3]), errors),
                ("%.1f MiB, %d MiB are allowed" % (self.hostile.highest_mib, self.limit_mib),
                 self.hostile.highest_mib > self.limit_mib),
                ("%.1f MiB %d s later, %.1f MiB idle" % (self.after_mib, AFTER_S, self.idle_mib),
                 self.after_mib > self.idle_mib + kept_mib_max),
                ("%d probes without an answer" % self.hostile.probes_failed, self.hostile.probes_failed),
                ("plays that were never played: %s" % self.unplayed(), self.unplayed())]
        if compares_times:
            reported += [("p99 of %.1f ms, %.1f ms when quiet, %.1f ms beside" % (hostile, quiet, beside),
                          not hostile <= SLOWER_MAX * max(quiet, beside)),
                     ("a probe took %.2f s" % probe, probe > PROBE_S_MAX)]
        return [words for words, broken in reported if broken]

    def unplayed(self):
        def is_played(name, counts):
            return counts["logins"] * 10 > counts["rounds"] if name in LOGGED_IN else counts["connections"]
        return [name for crowd in self.plays for name, counts in crowd.items() if not is_played(name, counts)]

    def table(self):
        """The figures, as lines."""
        phases = [("quiet", self.quiet), ("hostile", self.hostile), ("after", self.after)]
        rows = [("", *(name for name, _ in phases))]

        def row(name, form, figure):
            rows.append((name, *(form % figure(phase) for _, phase in phases)))
        row("requests", "%d", lambda phase: phase.times.total())
        row("errors", "%d", lambda phase: len(phase.errors))
        row("writes repeated", "%d", lambda phase: phase.repeated)
        for share in (0.5, 0.99, 0.999):
            row("p%g, ms" % (share * 100), "%.1f", lambda phase: phase.percentile_ms(share))
            row("p%g beside, ms" % (share * 100), "%.1f", lambda phase: phase.percentile_ms(share, beside=True))
        row("longest, ms", "%.1f", lambda phase: max(phase.times, default=0) / 10)
        row("new sessions", "%d", lambda phase: len(phase.logins))
        row("longest of them, s", "%.2f", lambda phase: max(phase.logins, default=0))
        row("longest probe, s", "%.3f", lambda phase: max(phase.probes))
        row("highest memory, MiB", "%.1f", lambda phase: phase.highest_mib)
        row("load average", "%.1f", lambda phase: sum(phase.loads) / len(phase.loads))
        lines = ["%-20s %12s %12s %12s" % cells for cells in rows]
        lines.append("memory of its own: idle %.1f MiB, %d s after the crowd %.1f MiB" % (self.idle_mib, AFTER_S, self.after_mib))
        for crowd in self.plays:
            lines += ["%-24s %s" % (name, " ".join("%s %d" % pair for pair in counts.items()))
                      for name, counts in crowd.items()]
        return lines


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=60, help="how long the crowd plays")
    p.add_argument("--limit-mib", type=int, default=LIMIT_MIB, help="what the proxy may take: of a cgroup, where one can be made")
    p.add_argument("--plays", default="", metavar="PATTERN", help="only the plays of crowd.py whose names match")
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if not args.inside:
        # Again in the environment that has the driver.
        net, keeper = run.own_net()
        run.LOGS.mkdir(parents=True, exist_ok=True)
        for old in run.LOGS.glob("hostile_tool.*"):
            old.unlink()
        env = dict(os.environ, TEST_NET=net + ".1", TEST_LOG=str(run.LOGS / "hostile_tool"), PYTHONUNBUFFERED="1")
        python = install.EVERYTHING["python-cassandra"]()
        code = subprocess.call([*python, __file__, "--inside", *sys.argv[1:]], env=env)
        keeper.close()
        sys.exit(code)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with stage.Stage() as on_stage:
            hostile = Hostile(on_stage, args.limit_mib, args.plays)
            hostile.run(min(120.0, max(30.0, args.minutes * 12)), args.minutes * 60)
            faults = hostile.faults()
            print("\n".join(hostile.table()))
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    for fault in faults:
        print("BROKEN: " + fault)
    print("hostile: %s" % ("FAILED" if faults else "the drivers felt nothing"), flush=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
