"""A new process takes the place of a running one under load: no request fails, and no connection is closed."""
import collections
import contextlib
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import crowd
import direct
from certificates import Authority, context
from stage import Skip, case, log, misses, program, until

TABLETS = 64
READY, OPTIONS, SUPPORTED = 2, 5, 6
# Stream ids.
SLOW, QUICK = 7, 8
GOES_ON = "no other process has taken over: this one goes on"
# Programs that write and read until they are asked to stop, and print what they saw.
LOADS = {"python": ("python-cassandra", ("tests/drivers/python/load.py",), "--"),
         "node": ("node", ("tests/drivers/node/load.js", "--data-center", "datacenter1"), "--"), "gocql": ("gocql", ("-mode", "load"), "-"),
         "java3": ("java3-load", (), "--"), "java4": ("java4-load", (), "--"), "rust": ("rust-load", (), "--")}


class Upgraded:
    """A proxy whose process is replaced again and again, at the same addresses."""

    def __init__(self, stage, sim, *flags):
        self.stage = stage
        self.socket = Path(stage.enter_context(tempfile.TemporaryDirectory()), "upgrade.sock")
        self.proxy = stage.proxy(sim.hosts[0], "--upgrade-socket", self.socket, *flags)
        self.number = 0

    def upgrade(self, old_stays=False):
        """Starts the next process and waits until the old one has given its clients away, and has ended unless it stays."""
        old = self.proxy.child
        self.number += 1
        new = self.stage.start(self.proxy.words, "proxy-%d" % self.number)
        if old_stays:
            until("the clients have moved", lambda: "another process has taken over" in old.error_path.read_text(), 60)
        else:
            assert old.wait(60) == 0, "the old process ended with %s" % old.process.returncode
        self.proxy.child = new
        until("the new process is ready", self.proxy.ready)


def start_loads(stage, host, names, **more):
    loads = {}
    for name in names:
        driver, words, dash = LOADS[name]
        flags = {"host": host, "keyspace": name, **more}
        words = [*words, *(word for flag, value in flags.items() for word in (dash + flag, value))]
        loads[name] = stage.driver(driver, *words, label=name)
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
    end_loads(loads)


def end_loads(loads):
    for name, load in loads.items():
        load.tell()
        saw = json.loads(load.next_line(60, lambda line: line.startswith("{")))
        log(name, {key: saw.get(key) for key in ("requests", "wrong", "longest", "errors")})
        assert saw["requests"] > 200 and not saw["errors"] and not saw["wrong"], (name, saw)
        load.wait(30)


@case(deadline=300, drivers=("gocql", "java4-load"))
def clients_over_tls_move_while_the_first_process_keeps_their_keys(stage):
    names = ("python", "gocql", "java4")
    authority = Authority(stage.enter_context(tempfile.TemporaryDirectory()), "clients")
    cert, key = authority.sign("proxy", "IP:" + stage.address(100))
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        for name in names:
            direct.create_load_tables(s, name, 3)
    upgraded = Upgraded(stage, sim, "--bind-tls-cert", cert, "--bind-tls-key", key)
    first = upgraded.proxy.child
    loads = start_loads(stage, upgraded.proxy.host, names, ca=authority.ca)
    time.sleep(5)
    opened = upgraded.proxy.metrics()["shardlane_client_connections"]
    for number in range(4):
        # Later processes have the clients' requests as plain bytes, and give them on like any others.
        upgraded.upgrade(old_stays=number == 0)
        time.sleep(2)
        assert first.process.poll() is None, "it has ended, and with it the connections: %s" % first.last_errors()
        assert upgraded.proxy.metrics()["shardlane_client_connections"] == opened
    with direct.session(upgraded.proxy.host, ssl_context=context(authority.ca)) as s:
        assert s.execute("SELECT cluster_name FROM system.local").one()
    end_loads(loads)
    assert first.wait(30) == 0, "the last of its clients is gone"


@case(deadline=180)
def clients_that_log_in_move_with_their_rights(stage):
    from cassandra import Unauthorized
    from cassandra.auth import PlainTextAuthProvider
    sim = stage.sim(3, 4, TABLETS, 1, "--user", "root:secret")
    root = PlainTextAuthProvider("root", "secret")
    with direct.session(sim.hosts[0], auth_provider=root) as s:
        direct.create_load_tables(s, "python", 3)
    for name, password in (("app", "hers"), ("idle", "his")):
        sim.post("/sim/roles/%s/create" % name, password=password)
    for table in ("ints", "texts"):
        sim.post("/sim/roles/app/grant", ks="python", table=table)
    upgraded = Upgraded(stage, sim)
    load = start_loads(stage, upgraded.proxy.host, ("python",), user="app", password="hers")
    idle = stage.enter_context(direct.session(upgraded.proxy.host, auth_provider=PlainTextAuthProvider("idle", "his")))
    time.sleep(5)
    for _ in range(4):
        before = upgraded.proxy.metrics()
        upgraded.upgrade()
        time.sleep(2)
        after = upgraded.proxy.metrics()
        assert after["shardlane_client_connections"] == before["shardlane_client_connections"]
        assert idle.execute("SELECT cluster_name FROM system.local").one()
        try:
            idle.execute("SELECT v FROM python.ints WHERE k = 1")
            raise AssertionError("a client has another's rights after it has moved")
        except Unauthorized:
            pass
    end_loads(load)


@case(deadline=180)
def clients_of_a_unix_socket_move_also_after_a_process_that_got_no_lane(stage):
    sim = stage.sim(1, 2, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "python", 1)
    path = Path(stage.enter_context(tempfile.TemporaryDirectory()), "cql.sock")
    upgraded = Upgraded(stage, sim, "--bind", "unix:%s" % path)
    load = start_loads(stage, path, ("python",))
    # Settings of others lead to an address where nothing listens, and to one where nothing answers.
    deaf = stage.enter_context(socket.create_server((stage.address(98), 9042)))
    for number, (contact, more, seconds, reason) in enumerate((
            (stage.address(99), (), 15, "no contact point can be used: .*refused"),
            (deaf.getsockname()[0], ("--config", stage.file("wait.toml", "[upgrade]\nlanes_wait_s = 3\n")), 8,
             "not within the 3 s of upgrade.lanes_wait_s")), 1):
        words = [contact if word == sim.hosts[0] else word for word in upgraded.proxy.words]
        began = time.monotonic()
        lost = stage.start([*words, *more], "lost")
        assert lost.wait(90) == 1, lost.last_errors()
        took, said = time.monotonic() - began, lost.last_errors()
        assert re.search("goes on: this one has no lane to any node, .*" + reason, said), said
        assert took < seconds, "it took %.1f s" % took
        until("the old process notices", lambda: upgraded.proxy.child.error_path.read_text().count(GOES_ON) == number, 10)
    assert path.exists() and upgraded.socket.exists(), "it took the files along that the other one needs"
    for _ in range(3):
        before = upgraded.proxy.metrics()
        upgraded.upgrade()
        time.sleep(1)
        assert upgraded.proxy.metrics()["shardlane_client_connections"] == before["shardlane_client_connections"] > 0
    end_loads(load)
    upgraded.proxy.child.stop(20)
    assert not path.exists() and not upgraded.socket.exists(), "files of Unix sockets are left"


@case(deadline=120)
def a_process_that_reaches_another_cluster_leaves_the_one_before_its_place(stage):
    sim = stage.sim(1, 2, TABLETS)
    # Another seed makes other ids of nodes.
    other = stage.start([program(), "sim", "--nodes", 1, "--address", stage.address(50), "--seed", 2], "other")
    other.next_line(30, lambda line: line.strip() == "ready")
    upgraded = Upgraded(stage, sim)
    with direct.session(upgraded.proxy.host) as s:
        lost = stage.start([stage.address(50) if word == sim.hosts[0] else word for word in upgraded.proxy.words], "lost")
        assert lost.wait(60) == 1, lost.last_errors()
        said = lost.last_errors()
        assert re.search("goes on: its cluster is `.+`, and contact_points of this one lead to `.+`, none of its nodes", said), said
        until("the old process notices", lambda: GOES_ON in upgraded.proxy.child.error_path.read_text(), 10)
        assert s.execute("SELECT cluster_name FROM system.local").one()
        upgraded.upgrade()
        assert s.execute("SELECT cluster_name FROM system.local").one()


@case(deadline=120)
def a_process_that_is_stopped_is_named_to_the_next_one(stage):
    sim = stage.sim(1, 2, TABLETS)
    upgraded = Upgraded(stage, sim)
    for _ in range(2):
        old = upgraded.proxy.child.process
        old.send_signal(signal.SIGSTOP)
        try:
            late = stage.start(upgraded.proxy.words, "late")
            assert late.wait(40) == 1, late.last_errors()
        finally:
            old.send_signal(signal.SIGCONT)
        said = late.last_errors()
        assert "upgrade.socket: process %d at unix:%s is there and has not answered" % (old.pid, upgraded.socket) in said, said
        # The next one has the socket from this one, and is named by its own id.
        upgraded.upgrade()


@case(deadline=300, drivers=("node", "gocql", "java3-load", "java4-load", "rust-load"))
def ten_upgrades_under_load_fail_no_request(stage):
    upgrade_under_load(stage, tuple(LOADS), 10)


class Raw:
    """A connection that says what a case has it say."""

    def __init__(self, host, seconds=20):
        self.socket = socket.create_connection((host, 9042), seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def greet(self, tls, host):
        self.socket = tls.wrap_socket(self.socket, server_hostname=host)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def expect(self, opcode):
        """Reads one frame, which has this opcode; returns its stream and body."""
        head = self.exactly(9)
        body = self.exactly(int.from_bytes(head[5:], "big"))
        assert head[4] == opcode, (head, body[:100])
        return int.from_bytes(head[2:4], "big"), body

    def exactly(self, length):
        out = b""
        while len(out) < length:
            more = self.socket.recv(length - len(out))
            assert more, "it was closed"
            out += more
        return out

    def serves(self, startup_sent=0):
        """Starts, but for what was sent of STARTUP already, and asks for a row."""
        self.send(crowd.startup()[startup_sent:]).expect(READY)
        self.send(crowd.text(crowd.QUERY, "SELECT v FROM app.texts WHERE k = 'a'")).expect(crowd.RESULT)


@case(deadline=120)
def a_tls_handshake_that_is_under_way_ends_before_its_client_moves(stage):
    authority = Authority(stage.enter_context(tempfile.TemporaryDirectory()), "clients")
    cert, key = authority.sign("proxy", "IP:" + stage.address(100))
    sim = stage.sim(1, 2, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 1)
    upgraded = Upgraded(stage, sim, "--bind-tls-cert", cert, "--bind-tls-key", key)
    with Raw(upgraded.proxy.host) as raw:
        # The next process takes over meanwhile.
        greets = threading.Timer(3, lambda: raw.greet(context(authority.ca), upgraded.proxy.host))
        greets.start()
        upgraded.upgrade(old_stays=True)
        greets.join()
        raw.serves()


class Storm:
    """Threads that do something again and again, and what failed of it."""

    def __init__(self, stage, acts):
        self.done, self.counts, self.failures = threading.Event(), collections.Counter(), []
        self.threads = [threading.Thread(target=self.repeat, args=(act,), daemon=True) for act in acts]
        for thread in self.threads:
            thread.start()
        stage.callback(self.done.set)

    def repeat(self, act):
        while not self.done.is_set():
            try:
                act()
                self.counts[act.__name__] += 1
            except Exception as error:
                self.failures.append((time.strftime("%H:%M:%S"), act.__name__, repr(error)[:300]))
                time.sleep(0.1)

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        log("storm", dict(self.counts))
        assert not self.failures, (len(self.failures), self.failures[:5])


@case(deadline=180)
def clients_that_connect_meanwhile_or_send_long_requests_are_served(stage):
    from cassandra.cluster import NoHostAvailable
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 3)
        s.execute("CREATE TABLE app.longs (k int PRIMARY KEY, v blob)")
    upgraded = Upgraded(stage, sim, "--config", stage.file("long.toml", "[limits]\nframe_body_bytes_max = 16_777_216\n"))
    host = upgraded.proxy.host

    def connect():
        with direct.session(host) as s:
            assert s.execute("SELECT cluster_name FROM system.local").one()

    def connect_step_by_step():
        with Raw(host) as raw:
            raw.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)
            raw.serves()

    writer = stage.enter_context(direct.session(host))
    write = writer.prepare("INSERT INTO app.longs (k, v) VALUES (?, ?)")

    def write_long():
        try:
            writer.execute(write, (1, b"x" * 6_000_000), timeout=30)
        except NoHostAvailable as error:
            # The driver's own word for a connection on which it has much to send.
            assert "is overloaded" in str(error), error
            time.sleep(0.05)

    storm = Storm(stage, [connect] * 3 + [connect_step_by_step] * 4 + [write_long] * 2)
    for _ in range(6):
        time.sleep(1)
        upgraded.upgrade()
    storm.end()
    assert len(storm.counts) == 3 and min(storm.counts.values()) > 5, storm.counts


@case(deadline=120)
def clients_that_have_begun_something_go_on_with_it_in_the_next_process(stage):
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 3)
    upgraded = Upgraded(stage, sim)
    host, begun = upgraded.proxy.host, crowd.startup()
    silent, half, asked, long = (stage.enter_context(Raw(host)) for _ in range(4))
    half.send(begun[:12])
    asked.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)
    long.serves()
    request = crowd.text(crowd.QUERY, "SELECT v FROM app.texts WHERE k = 'a' /* %s */" % ("y" * 3_000_000))
    long.send(request[:2_000_000])
    rest = threading.Timer(2, lambda: long.send(request[2_000_000:]))
    rest.start()
    upgraded.upgrade()
    rest.join()
    long.expect(crowd.RESULT)
    silent.serves()
    half.serves(startup_sent=12)
    asked.serves()
    long.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)


def wait_for_slow_request(proxy, sim, raw, slow_ms):
    """Starts a client and has it send a request that takes so long; returns when that was."""
    raw.serves()
    _, prepared = raw.send(crowd.text(crowd.PREPARE, "SELECT v FROM app.ints WHERE k = ?")).expect(crowd.RESULT)
    # The simulated node is slow to answer EXECUTE alone.
    sim.post("/sim/nodes/0/strain", slow_ms=slow_ms)
    began = time.monotonic()
    raw.send(crowd.execute(prepared[6:6 + int.from_bytes(prepared[4:6], "big")], SLOW, 1))
    until("the slow request is on its way", lambda: proxy.metrics()["shardlane_upstream_in_flight"] > 0)
    return began


@case(deadline=120)
def a_slow_request_stops_the_others_of_its_connection_for_a_second_at_most(stage):
    sim = stage.sim(1, 2, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 1)
    upgraded = Upgraded(stage, sim)
    with Raw(upgraded.proxy.host) as raw:
        began = wait_for_slow_request(upgraded.proxy, sim, raw, slow_ms=4000)
        ended, waits, answered = threading.Event(), [], set()

        def ask():
            while not (ended.is_set() and SLOW in answered):
                asked = time.monotonic()
                raw.send(crowd.text(crowd.QUERY, "SELECT v FROM app.texts WHERE k = 'a'", QUICK))
                if raw.expect(crowd.RESULT)[0] == SLOW:
                    answered.add(SLOW)
                    assert time.monotonic() - began > 3.5, "it was not slow"
                    assert raw.expect(crowd.RESULT)[0] == QUICK
                waits.append(time.monotonic() - asked)
                time.sleep(0.02)

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask)
            upgraded.upgrade()
            ended.set()
            asking.result(20)
        log("waits", len(waits), "longest", max(waits))
        assert max(waits) < 1.7, max(waits)
        sim.post("/sim/nodes/0/strain")
        raw.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)


@case(deadline=90)
def a_process_that_is_started_while_another_drains_serves_at_once(stage):
    sim = stage.sim(1, 2, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 1)
    upgraded = Upgraded(stage, sim)
    old = upgraded.proxy.child
    with Raw(upgraded.proxy.host) as raw:
        wait_for_slow_request(upgraded.proxy, sim, raw, slow_ms=6000)
        old.process.terminate()
        until("the old process drains", lambda: "draining" in old.error_path.read_text(), pause=0.02)
        upgraded.proxy.child = stage.start(upgraded.proxy.words, "proxy-next")
        until("the new process is ready", upgraded.proxy.ready)
        with Raw(upgraded.proxy.host) as other:
            other.serves()
            assert old.process.poll() is None, "the new one waited for its end"
            assert raw.expect(crowd.RESULT)[0] == SLOW
            assert old.wait(20) == 0, old.last_errors()
            sim.post("/sim/nodes/0/strain")
            # It has the socket of upgrades as well.
            upgraded.upgrade()
            other.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)


@case(deadline=120)
def a_takeover_that_has_begun_is_finished_although_the_old_process_is_to_stop(stage):
    # Slow answers, so that the new process takes a while until it has its lanes.
    sim = stage.sim(1, 2, TABLETS, 1, "--delay-ms", "200")
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "app", 1)
    path = Path(stage.enter_context(tempfile.TemporaryDirectory()), "cql.sock")
    upgraded = Upgraded(stage, sim, "--bind", "unix:%s" % path)
    host = upgraded.proxy.host

    def begin():
        """Starts the next process, and has the old one stop once the takeover has begun."""
        old = upgraded.proxy.child
        upgraded.proxy.child = stage.start(upgraded.proxy.words, "proxy-%s" % old.process.pid)
        until("the takeover has begun", lambda: "wants to take over" in old.error_path.read_text(), pause=0.02)
        old.process.terminate()
        until("the signal has come", lambda: "received signal" in old.error_path.read_text(), pause=0.02)
        assert "the place of the process before" not in upgraded.proxy.child.error_path.read_text(), "it was too quick"
        return old

    with Raw(host) as raw:
        raw.serves()
        old = begin()
        asked = 0
        while old.process.poll() is None:
            raw.send(crowd.text(crowd.QUERY, "SELECT v FROM app.texts WHERE k = 'a'")).expect(crowd.RESULT)
            asked += 1
        assert old.wait(5) == 0 and asked > 1, (asked, old.last_errors())
        until("the new process is ready", upgraded.proxy.ready)
        raw.send(crowd.frame(OPTIONS, b"")).expect(SUPPORTED)
        # The second signal ends the wait for the takeover: the new process listens, and clients connect again.
        old = begin()
        old.process.terminate()
        assert old.wait(10) == 0, old.last_errors()
        until("the new process is ready", upgraded.proxy.ready)
        with Raw(host) as again:
            again.serves()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            assert supported(s) == SUPPORTED
        upgraded.upgrade()


def ids(stage):
    """The host ids that a client reads at each of two addresses: its own, and its peer's."""
    tables, found = ("system.local", "system.peers", "system.peers_v2"), []
    with direct.session(stage.address(100), consistency="ONE") as s:
        # The session is there with its first connection.
        until("the driver is connected to both", lambda: len(list(s.get_pools())) == 2)
        for last in (100, 103):
            host = next(host for host in s.cluster.metadata.all_hosts() if host.address == stage.address(last))
            asked = [s.execute("SELECT host_id FROM " + table, host=host).one() for table in tables]
            found.append([str(row.host_id) for row in asked])
    return found


@case(deadline=240, drivers=("java4-load",))
def addresses_that_are_nodes_are_handed_over_and_keep_their_ids(stage):
    settings = stage.file("two.toml", "bind_as_nodes = true\n")
    more = ("--config", settings, "--bind", "%s:9042" % stage.address(103))
    names = ("python", "java4")
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        for name in names:
            direct.create_load_tables(s, name, 3)
    upgraded = Upgraded(stage, sim, *more)
    loads = start_loads(stage, upgraded.proxy.host, names)
    before = ids(stage)
    (own, peer, peer_v2), other = before
    assert peer == peer_v2 and own != peer and other == [peer, own, own], before
    clients = upgraded.proxy.metrics()["shardlane_client_connections"]
    for _ in range(3):
        upgraded.upgrade()
        time.sleep(2)
        assert upgraded.proxy.metrics()["shardlane_client_connections"] == clients, "a client connected again"
    assert ids(stage) == before
    end_loads(loads)


class Manager:
    """What systemd is to a service: it hears of its states, and keeps descriptors for it."""

    def __init__(self, stage):
        path = str(Path(stage.enter_context(tempfile.TemporaryDirectory()), "notify"))
        self.socket = stage.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.socket.bind(path)
        self.socket.settimeout(60)
        self.kept = []
        stage.callback(self.forget)
        os.environ["NOTIFY_SOCKET"] = path

    def forget(self):
        for descriptor in self.kept:
            os.close(descriptor)
        self.kept = []

    def heard(self):
        """The next state; descriptors that come before it are kept."""
        while True:
            text, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 16)
            said = dict(line.split("=", 1) for line in text.decode().splitlines())
            if said.pop("FDSTOREREMOVE", None):
                assert said == {"FDNAME": "shardlane"}, said
                self.forget()
            elif said.pop("FDSTORE", None):
                assert said == {"FDNAME": "shardlane"} and len(descriptors) == 1, (said, descriptors)
                self.kept += descriptors
            else:
                assert not descriptors, said
                return said

    def addresses(self):
        """Where the descriptors that it keeps listen."""
        named = [socket.socket(fileno=os.dup(descriptor)) for descriptor in self.kept]
        addresses = sorted(s.getsockname()[:2] for s in named)
        for s in named:
            s.close()
        return addresses

    def start(self, stage, words, name):
        """Starts the service with what is kept, as descriptors from 3 on."""
        # Out of the way first: one may have the number that another is to get.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200) for descriptor in self.kept]
        moves = " ".join("%d<&%d %d<&-" % (3 + number, descriptor, descriptor) for number, descriptor in enumerate(high))
        script = 'exec env LISTEN_FDS=%d LISTEN_PID=$$ "$@" %s' % (len(high), moves)
        for descriptor in high:
            os.set_inheritable(descriptor, True)
        try:
            # Python closes what it is not asked to pass.
            with passing(high):
                return stage.start(["bash", "-c", script, "bash", *words], name)
        finally:
            for descriptor in high:
                os.close(descriptor)


@contextlib.contextmanager
def passing(descriptors):
    """Has programs that are started meanwhile get these descriptors."""
    usual = subprocess.Popen
    with mock.patch("subprocess.Popen", functools.partial(usual, pass_fds=descriptors)):
        yield


def supported(connection):
    """Asks for the options of a connection and returns the opcode of the answer."""
    connection.sendall(bytes([4, 0, 0, 1, 5, 0, 0, 0, 0]))
    return connection.recv(9)[4]



@case(deadline=120)
def a_manager_keeps_listeners_so_that_a_restart_refuses_no_connection(stage):
    manager = Manager(stage)
    sim = stage.sim(2, 2, TABLETS)
    proxy = stage.proxy(sim.hosts[0])
    assert "MAINPID" in manager.heard()
    assert manager.addresses() == [(proxy.host, 9042), (proxy.host, 9380)]
    proxy.child.kill()
    # It is queued where no process listens.
    early = stage.enter_context(socket.create_connection((proxy.host, 9042), 10))
    early.settimeout(60)
    proxy.child = manager.start(stage, proxy.words, "again")
    assert supported(early) == SUPPORTED, "the connection that waited is served"
    until("the pages are served as well", proxy.ready)
    assert "MAINPID" in manager.heard()
    assert manager.addresses() == [(proxy.host, 9042), (proxy.host, 9380)], "each once"
    proxy.child.stop(20)
    assert manager.heard() == {"STOPPING": "1"}


@case(deadline=120)
def systemd_starts_it_by_its_socket(stage):
    if not shutil.which("systemd-socket-activate"):
        raise Skip("systemd-socket-activate is not on this machine")
    sim = stage.sim(2, 2, TABLETS)
    host = stage.address(100)
    words = [program(), "run", "-c", sim.hosts[0], "--bind", "%s:9042" % host, "--admin", "%s:9380" % host]
    started = stage.start(["systemd-socket-activate", "-l", "%s:9042" % host, *words], "activated")
    first = until("it listens", lambda: connection_to(host))
    stage.callback(first.close)
    assert supported(first) == SUPPORTED, started.last_errors()
    with direct.session(host) as s:
        assert s.execute("SELECT cluster_name FROM system.local").one()


def connection_to(host):
    try:
        connection = socket.create_connection((host, 9042), 5)
    except OSError:
        return None
    connection.settimeout(60)
    return connection


@case(deadline=120)
def a_signal_starts_the_next_process_and_the_manager_hears_of_it(stage):
    manager = Manager(stage)
    heard = manager.heard
    sim = stage.sim(3, 4, TABLETS)
    with direct.session(sim.hosts[0]) as s:
        direct.create_load_tables(s, "python", 3)
    upgraded = Upgraded(stage, sim)
    old = upgraded.proxy.child
    assert heard() == {"MAINPID": str(old.process.pid), "READY": "1", "STATUS": ""}
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
