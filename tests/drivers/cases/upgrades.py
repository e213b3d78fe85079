"""A new process takes the place of a running one under load: no request fails, and no connection is closed."""
import contextlib
import json
import os
import signal
import socket
import tempfile
import time
from pathlib import Path

import direct
from stage import case, log, misses, program, until

TABLETS = 64
# Programs that write and read until they are asked to stop, and print what they saw.
LOADS = {"python": ("python-cassandra", ("tests/drivers/python/load.py",), "--"),
         "node": ("node", ("tests/drivers/node/load.js", "--data-center", "datacenter1"), "--"), "gocql": ("gocql", ("-mode", "load"), "-"),
         "java3": ("java3-load", (), "--"), "java4": ("java4-load", (), "--"), "rust": ("rust-load", (), "--")}


class Upgraded:
    """A proxy whose process is replaced again and again, at the same addresses."""

    def __init__(self, stage, sim, bind=None):
        self.stage = stage
        self.socket = Path(stage.enter_context(tempfile.TemporaryDirectory()), "upgrade.sock")
        self.proxy = stage.proxy(sim.hosts[0], "--upgrade-socket", self.socket)
        self.number = 0

    def upgrade(self):
        """Starts the next process and waits until the old one has ended; how many clients that had moved."""
        old = self.proxy.child
        self.number += 1
        new = self.stage.start(self.proxy.words, "proxy-%d" % self.number)
        assert old.wait(60) == 0, "the old process ended with %s" % old.process.returncode
        self.proxy.child = new
        until("the new process is ready", self.proxy.ready)


def start_loads(stage, host, names):
    loads = {}
    for name in names:
        driver, words, dash = LOADS[name]
        loads[name] = stage.driver(driver, *words, dash + "host", host, dash + "keyspace", name, label=name)
    for name, load in loads.items():
        load.next_line(60, lambda line: line.strip() == "@running")
        log(name, "is running")
    return loads


def upgrade_under_load(stage, names, times):
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        for name in names:
            direct.create_load_tables(s, name, 3)
    upgraded = Upgraded(stage, sim)
    loads = start_loads(stage, upgraded.proxy.host, names)
    time.sleep(5)
    for number in range(times):
        sim.reset()
        before = upgraded.proxy.metrics()
        upgraded.upgrade()
        time.sleep(2)
        after = upgraded.proxy.metrics()
        missed = {name: sum(map(misses, sim.requests(name).values())) for name in names}
        log("upgrade", number + 1, "misses", missed, "clients", before["shardlane_client_connections"],
            after["shardlane_client_connections"], "unknown", after["shardlane_prepared_asked_total"])
        assert not any(missed.values()), missed
        assert after["shardlane_client_connections"] == before["shardlane_client_connections"]
        for load in loads.values():
            assert load.process.poll() is None, load.last_errors()
    for name, load in loads.items():
        load.tell()
        saw = json.loads(load.next_line(60, lambda line: line.startswith("{")))
        log(name, {key: saw.get(key) for key in ("requests", "wrong", "longest", "errors")})
        assert saw["requests"] > 200 and not saw["errors"] and not saw["wrong"], (name, saw)


@case(deadline=300, drivers=("node", "gocql", "java3-load", "java4-load", "rust-load"))
def ten_upgrades_under_load_fail_no_request(stage):
    upgrade_under_load(stage, tuple(LOADS), 10)


@case(deadline=120)
def a_signal_starts_the_next_process_and_the_manager_hears_of_it(stage):
    path = str(Path(stage.enter_context(tempfile.TemporaryDirectory()), "notify"))
    manager = stage.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(path)
    manager.settimeout(60)
    os.environ["NOTIFY_SOCKET"] = path

    def heard():
        return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())

    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "python", 3)
    upgraded = Upgraded(stage, sim)
    old = upgraded.proxy.child
    assert heard() == {"MAINPID": str(old.process.pid), "READY": "1"}
    load = start_loads(stage, upgraded.proxy.host, ("python",))["python"]
    old.process.send_signal(signal.SIGUSR2)
    said = heard()
    new = int(said["MAINPID"])
    stage.callback(end, new)
    assert said["READY"] == "1" and new != old.process.pid
    assert old.wait(60) == 0
    time.sleep(2)
    load.tell()
    saw = json.loads(load.next_line(60, lambda line: line.startswith("{")))
    assert saw["requests"] > 200 and not saw["errors"] and not saw["wrong"], saw
    os.kill(new, signal.SIGTERM)
    assert heard() == {"STOPPING": "1"}


def end(pid):
    """Ends a process that no other program waits for."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
